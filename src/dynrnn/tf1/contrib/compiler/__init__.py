"""``tf.contrib.compiler``."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib.compiler import jit

__all__ = ["jit"]

__getattr__ = missing(__name__, globals())
