"""``tf.*``: tensors made, shaped, joined, cut, chosen from and put together again."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1.ops.casting import bitcast
from dynrnn.tf1.ops.filling import fill, one_hot, ones, ones_like, zeros, zeros_like
from dynrnn.tf1.ops.grouping import dynamic_partition, dynamic_stitch
from dynrnn.tf1.ops.inputs import identity, identity_n, is_tensor, placeholder, placeholder_with_default, stop_gradient
from dynrnn.tf1.ops.joining import concat, parallel_stack, split, stack, unstack
from dynrnn.tf1.ops.matrices import diag, diag_part, matrix_band_part, matrix_diag, matrix_diag_part, matrix_set_diag
from dynrnn.tf1.ops.ordering import (
    argsort,
    invert_permutation,
    searchsorted,
    setdiff1d,
    sort,
    unique,
    unique_with_counts,
    unravel_index,
)
from dynrnn.tf1.ops.rearranging import (
    depth_to_space,
    meshgrid,
    pad,
    repeat,
    reverse,
    reverse_sequence,
    roll,
    space_to_depth,
    tile,
)
from dynrnn.tf1.ops.scattering import (
    batch_scatter_update,
    scatter_add,
    scatter_div,
    scatter_max,
    scatter_min,
    scatter_mul,
    scatter_nd,
    scatter_nd_add,
    scatter_nd_sub,
    scatter_nd_update,
    scatter_sub,
    scatter_update,
    tensor_scatter_add,
    tensor_scatter_sub,
    tensor_scatter_update,
)
from dynrnn.tf1.ops.selecting import batch_gather, boolean_mask, gather, gather_nd, sequence_mask, where, where_v2
from dynrnn.tf1.ops.shaping import (
    broadcast_dynamic_shape,
    broadcast_static_shape,
    broadcast_to,
    expand_dims,
    matrix_transpose,
    rank,
    reshape,
    shape,
    shape_n,
    size,
    squeeze,
    transpose,
)
from dynrnn.tf1.ops.slicing import getitem, slice_, strided_slice
from dynrnn.tf1.ops.sparse_values import sparse_to_dense

__all__ = [
    "EXPORTS",
    "argsort",
    "batch_gather",
    "batch_scatter_update",
    "bitcast",
    "boolean_mask",
    "broadcast_dynamic_shape",
    "broadcast_static_shape",
    "broadcast_to",
    "concat",
    "depth_to_space",
    "diag",
    "diag_part",
    "dynamic_partition",
    "dynamic_stitch",
    "expand_dims",
    "fill",
    "gather",
    "gather_nd",
    "getitem",
    "identity",
    "identity_n",
    "invert_permutation",
    "is_tensor",
    "matrix_band_part",
    "matrix_diag",
    "matrix_diag_part",
    "matrix_set_diag",
    "matrix_transpose",
    "meshgrid",
    "one_hot",
    "ones",
    "ones_like",
    "pad",
    "parallel_stack",
    "placeholder",
    "placeholder_with_default",
    "rank",
    "repeat",
    "reshape",
    "reverse",
    "reverse_sequence",
    "roll",
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd",
    "scatter_nd_add",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
    "searchsorted",
    "sequence_mask",
    "setdiff1d",
    "shape",
    "shape_n",
    "size",
    "slice_",
    "sort",
    "space_to_depth",
    "sparse_to_dense",
    "split",
    "squeeze",
    "stack",
    "stop_gradient",
    "strided_slice",
    "tensor_scatter_add",
    "tensor_scatter_sub",
    "tensor_scatter_update",
    "tile",
    "transpose",
    "unique",
    "unique_with_counts",
    "unravel_index",
    "unstack",
    "where",
    "where_v2",
    "zeros",
    "zeros_like",
]

# found in other namespaces only (tf.math, tf.linalg, ...)
_ELSEWHERE = frozenset(
    {
        "getitem",
    }
)

EXPORTS: dict[str, Any] = {
    **{
        name.rstrip("_"): globals()[name]
        for name in __all__
        if name not in ("EXPORTS", "operators") and name not in _ELSEWHERE
    },
    "guarantee_const": identity,
    "newaxis": None,
    "reverse_v2": reverse,
    "tensor_scatter_nd_add": tensor_scatter_add,
    "tensor_scatter_nd_sub": tensor_scatter_sub,
    "tensor_scatter_nd_update": tensor_scatter_update,
}
"""What each function is called in ``tf``."""
