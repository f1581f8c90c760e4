"""``tf.sparse_*``: sparse tensors under their TensorFlow 1 names."""

from __future__ import annotations

from dynrnn.tf1.core.sparse_tensor import SparseTensor, SparseTensorValue
from dynrnn.tf1.ctc_ops import edit_distance
from dynrnn.tf1.ops.sparse_shaping import (
    sparse_concat,
    sparse_fill_empty_rows,
    sparse_reorder,
    sparse_reset_shape,
    sparse_reshape,
    sparse_retain,
    sparse_slice,
    sparse_split,
    sparse_transpose,
)
from dynrnn.tf1.ops.sparse_values import (
    sparse_add,
    sparse_reduce_max,
    sparse_reduce_sum,
    sparse_tensor_dense_matmul,
    sparse_tensor_to_dense,
)
from dynrnn.tf1.sparse_placeholders import convert_to_tensor_or_sparse_tensor, sparse_placeholder

__all__ = [
    "SparseTensor",
    "SparseTensorValue",
    "convert_to_tensor_or_sparse_tensor",
    "edit_distance",
    "sparse_add",
    "sparse_concat",
    "sparse_fill_empty_rows",
    "sparse_placeholder",
    "sparse_reduce_max",
    "sparse_reduce_sum",
    "sparse_reorder",
    "sparse_reset_shape",
    "sparse_reshape",
    "sparse_retain",
    "sparse_slice",
    "sparse_split",
    "sparse_tensor_dense_matmul",
    "sparse_tensor_to_dense",
    "sparse_transpose",
]
