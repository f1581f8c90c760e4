"""``tf.sparse``: sparse tensors."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.sparse_tensor import SparseTensor
from dynrnn.tf1.ops.sparse_shaping import sparse_concat as concat
from dynrnn.tf1.ops.sparse_shaping import sparse_fill_empty_rows as fill_empty_rows
from dynrnn.tf1.ops.sparse_shaping import sparse_reorder as reorder
from dynrnn.tf1.ops.sparse_shaping import sparse_reset_shape as reset_shape
from dynrnn.tf1.ops.sparse_shaping import sparse_reshape as reshape
from dynrnn.tf1.ops.sparse_shaping import sparse_retain as retain
from dynrnn.tf1.ops.sparse_shaping import sparse_slice as slice
from dynrnn.tf1.ops.sparse_shaping import sparse_split as split
from dynrnn.tf1.ops.sparse_shaping import sparse_transpose as transpose
from dynrnn.tf1.ops.sparse_values import sparse_add as add
from dynrnn.tf1.ops.sparse_values import sparse_from_dense as from_dense
from dynrnn.tf1.ops.sparse_values import sparse_reduce_max as reduce_max
from dynrnn.tf1.ops.sparse_values import sparse_reduce_sum as reduce_sum
from dynrnn.tf1.ops.sparse_values import sparse_tensor_dense_matmul as sparse_dense_matmul
from dynrnn.tf1.ops.sparse_values import sparse_tensor_to_dense as to_dense
from dynrnn.tf1.sparse_placeholders import sparse_placeholder as placeholder

matmul = sparse_dense_matmul

__all__ = [
    "SparseTensor",
    "add",
    "concat",
    "fill_empty_rows",
    "from_dense",
    "matmul",
    "placeholder",
    "reduce_max",
    "reduce_sum",
    "reorder",
    "reset_shape",
    "reshape",
    "retain",
    "slice",
    "sparse_dense_matmul",
    "split",
    "to_dense",
    "transpose",
]

__getattr__ = missing(__name__, globals())
