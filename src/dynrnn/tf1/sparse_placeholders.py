"""``tf.sparse_placeholder``, and what converts to sparse tensors."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.sparse_tensor import SparseTensor, is_sparse, sparse_argument
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.ops.inputs import placeholder, placeholder_with_default

__all__ = ["convert_to_tensor_or_sparse_tensor", "sparse_placeholder"]


def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor that must be fed, with a ``SparseTensorValue`` or a tuple (indices, values, dense_shape).

    Args:
        dtype: type of the values.
        shape: dense shape, where it is known; what is fed need not have it.
        name: the three placeholders are below this name.
    """
    below = {part: None if name is None else f"{name}/{part}" for part in ("shape", "values", "indices")}
    rank = None
    if shape is None:
        size = placeholder(dtypes.int64, [None], below["shape"])
    elif isinstance(shape, Tensor):
        size, rank = convert_to_tensor(shape, dtypes.int64), shape.shape[0].value
    else:
        dims = TensorShape(shape)
        rank = dims.ndims
        known = convert_to_tensor([-1 if d is None else d for d in dims.as_list()], dtypes.int64)
        size = placeholder_with_default(known, known.shape, below["shape"])
    values = placeholder(dtype, [None], below["values"])
    indices = placeholder(dtypes.int64, [None, rank], below["indices"])
    sparse = SparseTensor(indices, values, size)
    if shape is not None and not isinstance(shape, Tensor):
        sparse.declare_shape(dims)
    return sparse


def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A sparse tensor for a sparse one or its value, else a tensor.

    Raises:
        RuntimeError: a sparse tensor of another type than ``dtype``.
    """
    if not is_sparse(value):
        return convert_to_tensor(value, dtype, name)
    sparse = sparse_argument(value)
    if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(sparse.dtype):
        raise RuntimeError(f"Sparse dtype: requested = {dtypes.as_dtype(dtype).name}, actual = {sparse.dtype.name}")
    return sparse
