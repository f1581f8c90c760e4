"""Reading parts of tensors; :mod:`dynrnn.tf1.array_ops` has these too."""

from __future__ import annotations

from dynrnn.tf1.ops.filling import one_hot
from dynrnn.tf1.ops.rearranging import pad, reverse, reverse_sequence, tile
from dynrnn.tf1.ops.selecting import batch_gather, boolean_mask, gather, gather_nd, sequence_mask, where, where_v2
from dynrnn.tf1.ops.slicing import getitem, slice_, strided_slice

__all__ = [
    "batch_gather",
    "boolean_mask",
    "gather",
    "gather_nd",
    "getitem",
    "one_hot",
    "pad",
    "reverse",
    "reverse_sequence",
    "sequence_mask",
    "slice_",
    "strided_slice",
    "tile",
    "where",
    "where_v2",
]
