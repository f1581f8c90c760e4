"""``tf.io.gfile``: the functions of ``tf.gfile`` under their later names."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.gfile import Copy as copy
from dynrnn.tf1.gfile import DeleteRecursively as rmtree
from dynrnn.tf1.gfile import Exists as exists
from dynrnn.tf1.gfile import GFile
from dynrnn.tf1.gfile import Glob as glob
from dynrnn.tf1.gfile import IsDirectory as isdir
from dynrnn.tf1.gfile import ListDirectory as listdir
from dynrnn.tf1.gfile import MakeDirs as makedirs
from dynrnn.tf1.gfile import MkDir as mkdir
from dynrnn.tf1.gfile import Remove as remove
from dynrnn.tf1.gfile import Rename as rename
from dynrnn.tf1.gfile import Stat as stat
from dynrnn.tf1.gfile import Walk as walk

__all__ = [
    "GFile",
    "copy",
    "exists",
    "glob",
    "isdir",
    "listdir",
    "makedirs",
    "mkdir",
    "remove",
    "rename",
    "rmtree",
    "stat",
    "walk",
]

__getattr__ = missing(__name__, globals())
