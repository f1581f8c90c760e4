"""``tf.bitwise``: the bits of integers."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.ops.arithmetic import bitwise_and, bitwise_or, bitwise_xor, left_shift, right_shift
from dynrnn.tf1.ops.elementwise import invert

__all__ = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
]

__getattr__ = missing(__name__, globals())
