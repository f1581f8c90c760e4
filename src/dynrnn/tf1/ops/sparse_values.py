"""Sparse tensors: to and from dense ones, and what is computed of their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value_as_shape
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.sparse_tensor import SparseTensor, is_sparse, sparse_argument
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.ops.comparing import not_equal
from dynrnn.tf1.ops.selecting import gather_nd, where
from dynrnn.tf1.ops.shape_rules import checked_axis, of_rank
from dynrnn.tf1.ops.shaping import shape as shape_of
from dynrnn.tf1.ops.signature import INDEX, NUMBERS, create, create_many, operation
from dynrnn.tf1.ops.sparse_indices import check_indices, flat_positions, from_flat

__all__ = [
    "sparse_add",
    "sparse_from_dense",
    "sparse_reduce_max",
    "sparse_reduce_sum",
    "sparse_tensor_dense_matmul",
    "sparse_tensor_to_dense",
    "sparse_to_dense",
]


# --- dense ------------------------------------------------------------------------------------------------------------


def _infer_sparse_to_dense(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[1].shape, 1)
    return [(inputs[2].dtype.base_dtype, constant_value_as_shape(inputs[1]))]


@operation(
    "SparseToDense",
    "sparse_indices:Tindices output_shape:Tindices sparse_values:T default_value:T",
    _infer_sparse_to_dense,
    Tindices=INDEX,
)
def _sparse_to_dense(
    indices: torch.Tensor, shape: torch.Tensor, values: Any, default: Any, *, validate_indices: bool
) -> Any:
    dims = shape.tolist()
    # a scalar or a vector of indices means one dimension
    places = (indices.reshape(-1, 1) if indices.dim() < 2 else indices).long()
    if places.shape[-1] != len(dims):
        raise ValueError(f"output_shape has incorrect number of elements: {len(dims)} should be: {places.shape[-1]}")
    check_indices(places, dims, validate_indices)
    flat = flat_positions(places, dims)
    count = math.prod(dims)
    if isinstance(values, np.ndarray):
        dense = np.full(count, default.reshape(-1)[0], dtype=object)
        dense[flat.numpy()] = values.reshape(-1)
        return dense.reshape(dims)
    # of several values for one place the last stays; each place takes its own, so that gradients go where values went
    source = torch.full((count,), -1, dtype=torch.int64)
    for_each = values.reshape(-1).expand(len(flat))
    if validate_indices:
        source[flat] = torch.arange(len(flat))
    else:
        source.scatter_reduce_(0, flat, torch.arange(len(flat)), "amax")
    known = source >= 0
    picked = for_each[source.clamp(min=0)] if len(flat) else default.expand(count)
    return torch.where(known, picked, default).reshape(dims)


def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """A tensor of ``default_value`` with ``sparse_values`` (one, or one each) at ``sparse_indices``.

    Raises:
        tf.errors.InvalidArgumentError: at run time, indices out of bounds or, with ``validate_indices``, not in order
            or repeated.
    """
    return create(
        "SparseToDense",
        name,
        sparse_indices,
        output_shape,
        sparse_values,
        default_value,
        validate_indices=validate_indices,
    )


def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """A sparse tensor as a dense one, with ``default_value`` (0, False or "") elsewhere.

    Raises:
        TypeError: not a sparse tensor.
        tf.errors.InvalidArgumentError: at run time, as `sparse_to_dense`.
    """
    sparse = sparse_argument(sp_input)
    if default_value is None:
        kind = sparse.dtype.base_dtype
        default_value = "" if kind == dtypes.string else np.zeros([], kind.as_numpy_dtype)[()]
    return sparse_to_dense(sparse.indices, sparse.dense_shape, sparse.values, default_value, validate_indices, name)


def sparse_from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements of a dense tensor that are not 0."""
    with name_scope(name, "dense_to_sparse"):
        dense = convert_to_tensor(tensor)
        zero = np.zeros([], dense.dtype.base_dtype.as_numpy_dtype)[()] if dense.dtype != dtypes.string else ""
        indices = where(not_equal(dense, convert_to_tensor(zero, dense.dtype.base_dtype)))
        return SparseTensor(indices, gather_nd(dense, indices), shape_of(dense, out_type=dtypes.int64))


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _infer_values(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(inputs[1].dtype.base_dtype, inputs[1].shape)]


_PARTS = "sp_indices:int64 sp_values:T sp_shape:int64 "


@operation("SparseDenseCwise", _PARTS + "dense:T", _infer_values, T=NUMBERS)
def _sparse_dense_cwise(
    indices: torch.Tensor, values: torch.Tensor, shape: torch.Tensor, dense: torch.Tensor, *, divide: bool
) -> torch.Tensor:
    dims = shape.tolist()
    try:
        spread = dense.expand(dims)
    except RuntimeError:
        raise ValueError(
            f"SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: [{dims}] vs. "
            f"[{list(dense.shape)}]"
        ) from None
    other = spread[tuple(indices.long().unbind(1))]
    if not divide:
        return values * other
    return values / other if values.is_floating_point() else torch.div(values, other, rounding_mode="trunc")


def _with_dense(divide: bool, label: str) -> Any:
    def operator(self: SparseTensor, other: Any) -> Any:
        if is_sparse(other):
            return NotImplemented
        with name_scope(None, label):
            parts = (self.indices, self.values, self.dense_shape, other)
            return self.with_values(create("SparseDenseCwise", None, *parts, divide=divide))

    return operator


for _method, _divide, _label in (("__mul__", False, "mul"), ("__truediv__", True, "truediv"), ("__div__", True, "div")):
    setattr(SparseTensor, _method, _with_dense(_divide, _label))


def _infer_add(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    rank = inputs[0].shape.with_rank(2)[1].merge_with(inputs[3].shape.with_rank(2)[1])
    return [(dtypes.int64, TensorShape([None, rank])), (inputs[1].dtype.base_dtype, TensorShape([None]))]


@operation(
    "SparseAdd",
    "a_indices:int64 a_values:T a_shape:int64 b_indices:int64 b_values:T b_shape:int64 thresh:Treal",
    _infer_add,
    T=NUMBERS,
)
def _sparse_add(
    a_indices: torch.Tensor,
    a_values: torch.Tensor,
    a_shape: torch.Tensor,
    b_indices: torch.Tensor,
    b_values: torch.Tensor,
    b_shape: torch.Tensor,
    thresh: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    dims = a_shape.tolist()
    if dims != b_shape.tolist():
        raise ValueError(f"Operands' shapes do not match: got {dims} and {b_shape.tolist()}")
    flat = torch.cat([flat_positions(a_indices, dims), flat_positions(b_indices, dims)])
    places, groups = torch.unique(flat, return_inverse=True)
    total = torch.zeros(len(places), dtype=a_values.dtype).index_add(0, groups, torch.cat([a_values, b_values]))
    kept = (total.detach().abs() >= thresh) if bool(thresh > 0) else torch.ones(len(places), dtype=torch.bool)
    return from_flat(places[kept], dims), total[kept]


@operation(
    "SparseTensorDenseAdd",
    "a_indices:int64 a_values:T a_shape:int64 b:T",
    lambda inputs, attrs: [(inputs[3].dtype.base_dtype, inputs[3].shape)],
    T=NUMBERS,
)
def _sparse_tensor_dense_add(
    indices: torch.Tensor, values: torch.Tensor, shape: torch.Tensor, dense: torch.Tensor
) -> torch.Tensor:
    if shape.tolist() != list(dense.shape):
        raise ValueError(f"Operands' shapes do not match: got {shape.tolist()} and {list(dense.shape)}")
    return dense.reshape(-1).index_add(0, flat_positions(indices, dense.shape), values).reshape(dense.shape)


def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """The sum of two tensors, at least one of them sparse; of two sparse ones a sparse one.

    Args:
        a, b: tensors of one shape.
        threshold: elements of a sparse sum that are smaller are dropped.
        thresh: older name of ``threshold``.

    Raises:
        TypeError: both are dense.
        ValueError: both names of the threshold given.
    """
    if threshold is not None and thresh is not None:
        raise ValueError("Cannot specify both 'thresh' and 'threshold'.")
    least = thresh if threshold is None else threshold
    if not is_sparse(a) and not is_sparse(b):
        raise TypeError("At least one input should be SparseTensor; do you mean to use tf.add()?")
    if is_sparse(a) and is_sparse(b):
        first, second = sparse_argument(a), sparse_argument(b)
        parts = [t for s in (first, second) for t in (s.indices, s.values, s.dense_shape)]
        kind = first.dtype.base_dtype.real_dtype
        indices, values = create_many(
            "SparseAdd", None, *parts, convert_to_tensor(0 if least is None else least, kind, name="thresh")
        )
        return SparseTensor(indices, values, first.dense_shape)
    sparse, dense = (sparse_argument(a), b) if is_sparse(a) else (sparse_argument(b), a)
    return create("SparseTensorDenseAdd", None, sparse.indices, sparse.values, sparse.dense_shape, dense)


def _infer_matmul(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    left, right = of_rank(constant_value_as_shape(inputs[2]), 2), of_rank(inputs[3].shape, 2)
    rows, inner = (left[1], left[0]) if attrs["adjoint_a"] else (left[0], left[1])
    other, columns = (right[1], right[0]) if attrs["adjoint_b"] else (right[0], right[1])
    inner.merge_with(other)
    return [(inputs[1].dtype.base_dtype, TensorShape([rows, columns]))]


@operation("SparseTensorDenseMatMul", "a_indices:int64 a_values:T a_shape:int64 b:T", _infer_matmul, T=NUMBERS)
def _sparse_matmul(
    indices: torch.Tensor,
    values: torch.Tensor,
    shape: torch.Tensor,
    dense: torch.Tensor,
    *,
    adjoint_a: bool,
    adjoint_b: bool,
) -> torch.Tensor:
    check_indices(indices, shape.tolist(), ordered=False)
    row, column = indices.unbind(1)
    count, inner = shape.tolist()
    if adjoint_a:
        row, column, count, inner, values = column, row, inner, count, values.conj().resolve_conj()
    other = dense.mH.resolve_conj() if adjoint_b else dense
    if other.shape[0] != inner:
        raise ValueError(f"Cannot multiply A and B because inner dimension does not match: {inner} vs. {len(other)}")
    zeros = torch.zeros(count, other.shape[1], dtype=dense.dtype)
    return zeros.index_add(0, row, values.unsqueeze(1) * other[column])


def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """The matrix product of a sparse and a dense matrix, each transposed (and conjugated) first if told so.

    Raises:
        TypeError: ``sp_a`` is not sparse.
    """
    sparse = sparse_argument(sp_a)
    parts = (sparse.indices, sparse.values, sparse.dense_shape, b)
    return create("SparseTensorDenseMatMul", name, *parts, adjoint_a=adjoint_a, adjoint_b=adjoint_b)


# --- reductions -------------------------------------------------------------------------------------------------------


def _infer_reduce(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    kind, source, axes = inputs[1].dtype.base_dtype, constant_value_as_shape(inputs[2]), attrs["axes"]
    if source.ndims is None:
        return [(kind, TensorShape([]) if axes is None and not attrs["keepdims"] else unknown_shape())]
    dropped = set(range(source.ndims)) if axes is None else {checked_axis(a, source.ndims) for a in axes}
    dims = [1 if i in dropped else d for i, d in enumerate(source.as_list()) if attrs["keepdims"] or i not in dropped]
    return [(kind, TensorShape(dims))]


def _reduce(
    indices: torch.Tensor,
    values: torch.Tensor,
    shape: torch.Tensor,
    how: str,
    axes: tuple[int, ...] | None,
    keepdims: bool,
) -> torch.Tensor:
    dims = shape.tolist()
    dropped = set(range(len(dims))) if axes is None else {a % len(dims) for a in axes}
    kept = [i for i in range(len(dims)) if i not in dropped]
    sizes = [dims[i] for i in kept]
    place = flat_positions(indices[:, kept], sizes)
    zeros = torch.zeros(math.prod(sizes), dtype=values.dtype)
    if how == "sum":
        result = zeros.index_add(0, place, values)
    else:
        result = zeros.scatter_reduce(0, place, values, "amax", include_self=False)
    return result.reshape([1 if i in dropped else d for i, d in enumerate(dims)] if keepdims else sizes)


@operation("SparseReduceSum", _PARTS, _infer_reduce, T=NUMBERS)
def _reduce_sum(
    indices: torch.Tensor, values: torch.Tensor, shape: torch.Tensor, *, axes: Any, keepdims: bool
) -> torch.Tensor:
    return _reduce(indices, values, shape, "sum", axes, keepdims)


@operation("SparseReduceMax", _PARTS, _infer_reduce, T=NUMBERS)
def _reduce_max(
    indices: torch.Tensor, values: torch.Tensor, shape: torch.Tensor, *, axes: Any, keepdims: bool
) -> torch.Tensor:
    return _reduce(indices, values, shape, "max", axes, keepdims)


def _reduction(op_type: str, doc: str) -> Any:
    def build(
        sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
    ) -> Tensor:
        sparse = sparse_argument(sp_input)
        along = reduction_axes if axis is None else axis
        if along is not None:
            along = tuple(int(a) for a in np.ravel(along))
        keep = bool(keep_dims if keepdims is None else keepdims)
        return create(op_type, None, sparse.indices, sparse.values, sparse.dense_shape, axes=along, keepdims=keep)

    build.__doc__ = f"""{doc}

    Args:
        sp_input: a sparse tensor.
        axis: Python ints; all dimensions when None. ``reduction_axes`` is its older name.
        keepdims: whether they stay, with size 1. ``keep_dims`` is its older name.

    Returns:
        A dense tensor.

    Raises:
        TypeError: not a sparse tensor.
    """
    return build


sparse_reduce_sum = _reduction("SparseReduceSum", "The sum of the elements of a sparse tensor along dimensions.")
sparse_reduce_max = _reduction(
    "SparseReduceMax", "The largest of the elements that are kept, along dimensions; 0 where none is."
)
