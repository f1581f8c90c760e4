"""``tf.manip``: moving elements about."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.ops.rearranging import reverse, roll, tile
from dynrnn.tf1.ops.scattering import scatter_nd
from dynrnn.tf1.ops.selecting import gather_nd
from dynrnn.tf1.ops.shaping import reshape

__all__ = [
    "gather_nd",
    "reshape",
    "reverse",
    "roll",
    "scatter_nd",
    "tile",
]

__getattr__ = missing(__name__, globals())
