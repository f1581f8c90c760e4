"""Groups of rows: segments, partitions, distinct values, counts, sorting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.ops.arithmetic import maximum
from dynrnn.tf1.ops.elementwise import sqrt
from dynrnn.tf1.ops.filling import ones
from dynrnn.tf1.ops.selecting import gather
from dynrnn.tf1.ops.shape_rules import at_least_rank, merge, of_rank, static_int
from dynrnn.tf1.ops.shaping import reshape
from dynrnn.tf1.ops.shaping import shape as shape_of
from dynrnn.tf1.ops.signature import INDEX, REALS, SUMMABLE, Types, create, create_many, operation

__all__ = [
    "dynamic_partition",
    "dynamic_stitch",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "sparse_segment_mean",
    "sparse_segment_sqrt_n",
    "sparse_segment_sum",
    "unsorted_segment_max",
    "unsorted_segment_mean",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "unsorted_segment_sqrt_n",
    "unsorted_segment_sum",
]

# --- segments ---------------------------------------------------------------------------------------------------------


def _grouped(data: torch.Tensor, ids: torch.Tensor, count: int, how: str, empty: float | int) -> torch.Tensor:
    """Rows of ``data`` with equal ``ids`` reduced to one; ``empty`` where there is none. Differentiable."""
    base = torch.full((count, *data.shape[1:]), empty, dtype=data.dtype)
    index = ids.long().reshape(-1, *[1] * (data.dim() - 1)).expand(data.shape)
    # of equal extremes each gets an equal share of the derivative, as in TensorFlow
    return base.scatter_reduce(0, index, data, how, include_self=False)


def _infer_segment(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, ids = inputs[0].shape, of_rank(inputs[1].shape, 1)
    if source.ndims is None:
        return [(inputs[0].dtype.base_dtype, unknown_shape())]
    at_least_rank(source, 1)
    merge(TensorShape([source[0]]), ids)
    return [(inputs[0].dtype.base_dtype, TensorShape([None, *list(source)[1:]]))]


def _segment(op_type: str, how: str, empty: int, doc: str, types: Types) -> Callable[..., Tensor]:
    def kernel(data: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        if len(ids) != data.shape[0]:
            raise ValueError("segment_ids should be the same size as dimension 0 of input.")
        if bool((ids[1:] < ids[:-1]).any()):
            raise ValueError("segment ids are not increasing")
        if len(ids) and int(ids[0]) < 0:
            raise ValueError("segment ids must be >= 0")
        return _grouped(data, ids, int(ids[-1]) + 1 if len(ids) else 0, how, empty)

    operation(op_type, "data:T segment_ids:Tindices", _infer_segment, T=types, Tindices=INDEX)(kernel)

    def build(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
        return create(op_type, name, data, segment_ids)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = (
        f"{doc} of the rows of each segment; ``segment_ids`` are sorted, the i-th row belongs to segment ids[i]."
    )
    return build


segment_sum = _segment("SegmentSum", "sum", 0, "Sum", SUMMABLE)
segment_mean = _segment("SegmentMean", "mean", 0, "Mean", SUMMABLE)
segment_prod = _segment("SegmentProd", "prod", 1, "Product", SUMMABLE)
segment_max = _segment("SegmentMax", "amax", 0, "Maximum", REALS)
segment_min = _segment("SegmentMin", "amin", 0, "Minimum", REALS)


def _infer_unsorted(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, ids = inputs[0].shape, inputs[1].shape
    count = static_int(inputs[2])
    if count is not None and count < 0:
        raise ValueError(f"Dimension size, given by scalar input {count} must be non-negative")
    if source.ndims is None or ids.ndims is None:
        return [(inputs[0].dtype.base_dtype, unknown_shape())]
    at_least_rank(source, ids.ndims)
    merge(TensorShape(list(source)[: ids.ndims]), ids)
    return [(inputs[0].dtype.base_dtype, TensorShape([count, *list(source)[ids.ndims :]]))]


def _unsorted(op_type: str, how: str, empty: Callable[[DType], Any], doc: str, types: Types) -> Callable[..., Tensor]:
    def kernel(data: torch.Tensor, ids: torch.Tensor, num_segments: torch.Tensor) -> torch.Tensor:
        count = int(num_segments)
        if data.shape[: ids.dim()] != ids.shape:
            raise ValueError(
                f"data.shape = {list(data.shape)} does not start with segment_ids.shape = {list(ids.shape)}"
            )
        flat = ids.reshape(-1)
        wrong = (flat >= count).nonzero()
        if len(wrong):
            raise ValueError(f"segment_ids[{int(wrong[0])}] = {int(flat[wrong[0]])} is out of range [0, {count})")
        rows = data.reshape(len(flat), *data.shape[ids.dim() :])
        # rows with a negative number belong to no segment
        kept = flat >= 0
        return _grouped(rows[kept], flat[kept], count, how, empty(as_dtype(data.dtype)))

    operation(
        op_type, "data:T segment_ids:Tindices num_segments:Tnum", _infer_unsorted, T=types, Tindices=INDEX, Tnum=INDEX
    )(kernel)

    def build(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
        return create(op_type, name, data, segment_ids, num_segments)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = f"{doc} of the rows of each of ``num_segments`` segments; rows with a negative id are left out."
    return build


unsorted_segment_sum = _unsorted("UnsortedSegmentSum", "sum", lambda dtype: 0, "Sum", SUMMABLE)
unsorted_segment_prod = _unsorted("UnsortedSegmentProd", "prod", lambda dtype: 1, "Product", SUMMABLE)
unsorted_segment_max = _unsorted("UnsortedSegmentMax", "amax", lambda dtype: dtype.min, "Maximum", REALS)
unsorted_segment_min = _unsorted("UnsortedSegmentMin", "amin", lambda dtype: dtype.max, "Minimum", REALS)


def _segment_counts(data: Tensor, segment_ids: Any, num_segments: Any) -> Tensor:
    """How many rows each segment has, at least 1, with a dimension of 1 for each dimension of a row."""
    ids = convert_to_tensor(segment_ids)
    counts = unsorted_segment_sum(ones(shape_of(ids), data.dtype.base_dtype), ids, num_segments)
    if data.shape.ndims is None or ids.shape.ndims is None:
        raise ValueError("unsorted_segment_mean and unsorted_segment_sqrt_n need data and segment_ids of known rank")
    inner = data.shape.ndims - ids.shape.ndims
    return maximum(reshape(counts, [-1] + [1] * inner), convert_to_tensor(1, data.dtype.base_dtype))


def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """Mean of the rows of each of ``num_segments`` segments; 0 for a segment without rows."""
    with name_scope(name, "UnsortedSegmentMean", [data, segment_ids]):
        value = convert_to_tensor(data)
        return unsorted_segment_sum(value, segment_ids, num_segments) / _segment_counts(
            value, segment_ids, num_segments
        )


def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """Sum of the rows of each segment, divided by the square root of their number."""
    with name_scope(name, "UnsortedSegmentSqrtN", [data, segment_ids]):
        value = convert_to_tensor(data)
        total = unsorted_segment_sum(value, segment_ids, num_segments)
        return total / sqrt(_segment_counts(value, segment_ids, num_segments))


def _sparse(
    name: str | None, default: str, reduce: Callable[..., Tensor], unsorted: Callable[..., Tensor], *args: Any
) -> Tensor:
    data, indices, segment_ids, num_segments = args
    with name_scope(name, default, [data, indices]):
        rows = gather(data, indices)
        return reduce(rows, segment_ids) if num_segments is None else unsorted(rows, segment_ids, num_segments)


def sparse_segment_sum(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """``segment_sum`` of the rows of ``data`` at ``indices``."""
    return _sparse(
        name, "SparseSegmentSum", segment_sum, unsorted_segment_sum, data, indices, segment_ids, num_segments
    )


def sparse_segment_mean(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """``segment_mean`` of the rows of ``data`` at ``indices``."""
    return _sparse(
        name, "SparseSegmentMean", segment_mean, unsorted_segment_mean, data, indices, segment_ids, num_segments
    )


def sparse_segment_sqrt_n(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """Sum of the rows of ``data`` at ``indices`` of each segment, divided by the square root of their number."""

    def sorted_sqrt_n(rows: Tensor, ids: Any) -> Tensor:
        weights = segment_sum(ones(shape_of(convert_to_tensor(ids)), rows.dtype.base_dtype), ids)
        counts = reshape(
            sqrt(maximum(weights, convert_to_tensor(1, weights.dtype))), [-1] + [1] * (len(rows.shape) - 1)
        )
        return segment_sum(rows, ids) / counts

    return _sparse(
        name, "SparseSegmentSqrtN", sorted_sqrt_n, unsorted_segment_sqrt_n, data, indices, segment_ids, num_segments
    )


# --- partitions -------------------------------------------------------------------------------------------------------


def _infer_partition(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, partitions, count = inputs[0].shape, inputs[1].shape, attrs["num_partitions"]
    dtype = inputs[0].dtype.base_dtype
    if source.ndims is None or partitions.ndims is None:
        return [(dtype, unknown_shape())] * count
    at_least_rank(source, partitions.ndims)
    for a, b in zip(source.as_list(), partitions.as_list(), strict=False):
        if a is not None and b is not None and a != b:
            raise ValueError(f"Dimensions must be equal, but are {a} and {b}")
    return [(dtype, TensorShape([None, *list(source)[partitions.ndims :]]))] * count


@operation("DynamicPartition", "data:T partitions:int32", _infer_partition)
def _dynamic_partition(data: Any, partitions: torch.Tensor, *, num_partitions: int) -> list[Any]:
    if tuple(data.shape[: partitions.dim()]) != tuple(partitions.shape):
        raise ValueError(
            f"data.shape must start with partitions.shape, got data.shape = {list(data.shape)}, partitions.shape = "
            f"{list(partitions.shape)}"
        )
    wrong = ((partitions < 0) | (partitions >= num_partitions)).nonzero()
    if len(wrong):
        at = tuple(wrong[0].tolist())
        where = f"[{','.join(map(str, at))}]" if at else ""
        raise ValueError(f"partitions{where} = {int(partitions[at])} is not in [0, {num_partitions})")
    index = partitions.numpy() if isinstance(data, np.ndarray) else partitions
    return [data[index == i] for i in range(num_partitions)]


def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list[Tensor]:
    """``num_partitions`` tensors: the i-th has the rows of ``data`` where ``partitions`` is i, in order."""
    if num_partitions < 1:
        raise ValueError(f"Attr 'num_partitions' of 'DynamicPartition' Op passed {num_partitions} less than minimum 1.")
    return create_many("DynamicPartition", name, data, partitions, num_partitions=int(num_partitions))


def _infer_stitch(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    count = len(inputs) // 2
    inner, largest = unknown_shape(), -1
    known = True
    for indices, data in zip(inputs[:count], inputs[count:], strict=True):
        value = constant_value(indices)
        known = known and value is not None
        largest = max(largest, -1 if value is None or not value.size else int(value.max()))
        if indices.shape.ndims is None or data.shape.ndims is None:
            continue
        at_least_rank(data.shape, indices.shape.ndims)
        merge(TensorShape(list(data.shape)[: indices.shape.ndims]), indices.shape)
        inner = merge(inner, TensorShape(list(data.shape)[indices.shape.ndims :]))
    dtype = inputs[count].dtype.base_dtype
    return [(dtype, TensorShape([largest + 1 if known else None]).concatenate(inner))]


@operation("DynamicStitch", "indices:int32* data:T*", _infer_stitch)
def _dynamic_stitch(*inputs: torch.Tensor) -> torch.Tensor:
    count = len(inputs) // 2
    indices, data = inputs[:count], inputs[count:]
    inner = data[0].shape[indices[0].dim() :]
    for i, d in zip(indices, data, strict=True):
        if d.shape != i.shape + inner:
            raise ValueError(
                f"data[0].shape = {list(data[0].shape)} does not fit data of shape {list(d.shape)} with indices "
                f"{list(i.shape)}"
            )
    rows = torch.cat([i.reshape(-1).long() for i in indices])
    if len(rows) and int(rows.min()) < 0:
        raise ValueError("indices must not be negative")
    values = torch.cat(
        [
            d.reshape(-1, *inner) if d.numel() else d.reshape(math.prod(i.shape), *inner)
            for i, d in zip(indices, data, strict=True)
        ]
    )
    size = int(rows.max()) + 1 if len(rows) else 0
    # of several rows for one place the last stays
    source = torch.full([size], -1).scatter_reduce(0, rows, torch.arange(len(rows)), "amax")
    gaps = (source < 0).reshape(-1, *[1] * len(inner))
    taken = values.index_select(0, source.clamp(min=0))
    return torch.where(gaps, torch.zeros_like(taken), taken)


def dynamic_stitch(indices: Sequence[Any], data: Sequence[Any], name: str | None = None) -> Tensor:
    """The inverse of a partition: row j of ``data[i]`` goes to row ``indices[i][j]`` of the result."""
    return create("DynamicStitch", name, list(indices), list(data))
