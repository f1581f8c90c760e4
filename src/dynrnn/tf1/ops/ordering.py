"""Sorting, distinct values, counts, and running sums and products."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.ops.arithmetic import maximum, minimum
from dynrnn.tf1.ops.casting import cast
from dynrnn.tf1.ops.grouping import unsorted_segment_sum
from dynrnn.tf1.ops.reducing import reduce_max
from dynrnn.tf1.ops.shape_rules import at_least_rank, merge, of_rank, static_int
from dynrnn.tf1.ops.shaping import squeeze
from dynrnn.tf1.ops.signature import FLOATS, INDEX, REALS, SUMMABLE, Types, create, create_many, operation

__all__ = [
    "argsort",
    "bincount",
    "confusion_matrix",
    "cumprod",
    "cumsum",
    "cumulative_logsumexp",
    "invert_permutation",
    "searchsorted",
    "setdiff1d",
    "sort",
    "unique",
    "unique_with_counts",
    "unravel_index",
]

# --- running sums -----------------------------------------------------------------------------------------------------


def _infer_scan(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, axis = inputs[0].shape, static_int(inputs[1])
    of_rank(inputs[1].shape, 0)
    if axis is not None and source.ndims is not None:
        _checked_axis(axis, source.ndims)
    return [(inputs[0].dtype.base_dtype, source)]


def _checked_axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"ScanOp: Expected scan axis in the range [{-rank}, {rank}), but got {axis}")
    return axis % rank


def _scan(
    op_type: str, run: Callable[..., torch.Tensor], neutral: float, doc: str, types: Types
) -> Callable[..., Tensor]:
    def kernel(x: torch.Tensor, axis_tensor: torch.Tensor, *, exclusive: bool, reverse: bool) -> torch.Tensor:
        axis = _checked_axis(int(axis_tensor), x.dim())
        if reverse:
            x = x.flip(axis)
        if exclusive and x.shape[axis]:
            first = torch.full_like(x.narrow(axis, 0, 1), neutral)
            x = torch.cat([first, x.narrow(axis, 0, x.shape[axis] - 1)], axis)
        result = run(x, axis)
        return result.flip(axis) if reverse else result

    operation(op_type, "x:T axis:Tidx", _infer_scan, T=types, Tidx=INDEX)(kernel)

    def build(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
        with name_scope(name, op_type, [x]) as scope:
            value = convert_to_tensor(x, name="x")
            return create(op_type, scope, value, axis, exclusive=bool(exclusive), reverse=bool(reverse))

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = f"{doc} along ``axis``; ``exclusive``: without the element itself; ``reverse``: from the end."
    return build


cumsum = _scan("Cumsum", lambda x, a: torch.cumsum(x, a, dtype=x.dtype), 0, "Running sum", SUMMABLE)
cumprod = _scan("Cumprod", lambda x, a: torch.cumprod(x, a, dtype=x.dtype), 1, "Running product", SUMMABLE)
cumulative_logsumexp = _scan(
    "CumulativeLogsumexp", torch.logcumsumexp, -float("inf"), "Running ``log(sum(exp(x)))``", FLOATS
)


# --- sorting ----------------------------------------------------------------------------------------------------------


def _infer_sort(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, axis = inputs[0].shape, attrs["axis"]
    if source.ndims is not None and not -source.ndims <= axis < source.ndims:
        raise ValueError(f"axis must be one of the {source.ndims} dimensions of values, got {axis}")
    return [(attrs.get("dtype", inputs[0].dtype.base_dtype), source)]


@operation("Sort", "values:T", _infer_sort, T=REALS)
def _sort(values: torch.Tensor, *, axis: int, descending: bool) -> torch.Tensor:
    return torch.sort(values, dim=axis, descending=descending, stable=True).values


@operation("ArgSort", "values:T", _infer_sort, differentiable=False, T=REALS)
def _argsort(values: torch.Tensor, *, axis: int, descending: bool, dtype: DType) -> torch.Tensor:
    return torch.sort(values, dim=axis, descending=descending, stable=True).indices.to(dtype.torch_dtype)


def _descending(direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f"Argument `direction` should be one of 'ASCENDING' or 'DESCENDING'. Received: {direction}")
    return direction == "DESCENDING"


def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """Sorted along ``axis``.

    Raises:
        ValueError: a direction other than ASCENDING and DESCENDING.
    """
    descending = _descending(direction)
    with name_scope(name, "sort", [values]):
        return create("Sort", None, values, axis=int(axis), descending=descending)


def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    """The indices that sort ``values`` along ``axis``; equal elements keep their order."""
    descending = _descending(direction)
    with name_scope(name, "argsort", [values]):
        return create("ArgSort", None, values, axis=int(axis), descending=descending, dtype=dtypes.int32)


def _infer_searchsorted(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    at_least_rank(inputs[0].shape, 1)
    return [(attrs["out_type"], inputs[1].shape)]


@operation("SearchSorted", "sorted_inputs:T values:T", _infer_searchsorted, differentiable=False, T=REALS)
def _searchsorted(rows: torch.Tensor, values: torch.Tensor, *, right: bool, out_type: DType) -> torch.Tensor:
    return torch.searchsorted(rows, values, right=right).to(out_type.torch_dtype)


def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """Where in the sorted last dimension ``values`` would be put: before ("left") or after ("right") their equals.

    Raises:
        ValueError: another side.
    """
    if side not in ("left", "right"):
        raise ValueError(f"Argument `side` must be either 'right' or 'left'. Received: `side` = '{side}'.")
    return create("SearchSorted", name, sorted_sequence, values, right=side == "right", out_type=as_dtype(out_type))


# --- distinct values --------------------------------------------------------------------------------------------------

Unique = namedtuple("Unique", ["y", "idx"])
UniqueWithCounts = namedtuple("UniqueWithCounts", ["y", "idx", "count"])
ListDiff = namedtuple("ListDiff", ["out", "idx"])


def _array(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else x.detach().numpy()


def _like(array: np.ndarray, x: Any) -> Any:
    return array if isinstance(x, np.ndarray) else torch.from_numpy(array)


def _infer_unique(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[0].shape, 1)
    return [(inputs[0].dtype.base_dtype, TensorShape([None])), (attrs["out_idx"], inputs[0].shape)]


def _distinct(x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the first of each value in order, the number of each element's value, and the counts."""
    if x.ndim != 1:
        raise ValueError(f"unique expects a 1D vector, got shape {list(x.shape)}")
    _, first, inverse, counts = np.unique(_array(x), return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.reshape(-1)], counts[order]


@operation("Unique", "x:T", _infer_unique, differentiable=False)
def _unique(x: Any, *, out_idx: DType) -> list[Any]:
    first, number, _ = _distinct(x)
    return [_like(_array(x)[first], x), torch.from_numpy(number).to(out_idx.torch_dtype)]


@operation(
    "UniqueWithCounts",
    "x:T",
    lambda inputs, attrs: [*_infer_unique(inputs, attrs), (attrs["out_idx"], TensorShape([None]))],
    differentiable=False,
)
def _unique_with_counts(x: Any, *, out_idx: DType) -> list[Any]:
    first, number, counts = _distinct(x)
    kind = out_idx.torch_dtype
    return [_like(_array(x)[first], x), torch.from_numpy(number).to(kind), torch.from_numpy(counts).to(kind)]


def unique(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """``(y, idx)``: the distinct elements of a vector in the order in which they appear, and ``x[i] = y[idx[i]]``."""
    return Unique(*create_many("Unique", name, x, out_idx=as_dtype(out_idx)))


def unique_with_counts(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """``(y, idx, count)``: as :func:`unique`, with the number of times that each appears."""
    return UniqueWithCounts(*create_many("UniqueWithCounts", name, x, out_idx=as_dtype(out_idx)))


def _infer_list_diff(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    for tensor in inputs:
        of_rank(tensor.shape, 1)
    return [(inputs[0].dtype.base_dtype, TensorShape([None])), (attrs["out_idx"], TensorShape([None]))]


@operation("ListDiff", "x:T y:T", _infer_list_diff, differentiable=False)
def _list_diff(x: Any, y: Any, *, out_idx: DType) -> list[Any]:
    kept = np.flatnonzero(~np.isin(_array(x), _array(y)))
    return [_like(_array(x)[kept], x), torch.from_numpy(kept).to(out_idx.torch_dtype)]


def setdiff1d(x: Any, y: Any, index_dtype: Any = dtypes.int32, name: str | None = None) -> Any:
    """``(out, idx)``: the elements of ``x`` that are not in ``y``, in order, and where in ``x`` they are."""
    return ListDiff(*create_many("ListDiff", name, x, y, out_idx=as_dtype(index_dtype)))


@operation(
    "InvertPermutation",
    "x:T",
    lambda inputs, attrs: [(inputs[0].dtype.base_dtype, of_rank(inputs[0].shape, 1))],
    differentiable=False,
    T=INDEX,
)
def _invert_permutation(x: torch.Tensor) -> torch.Tensor:
    result = torch.full_like(x, -1)
    for i, value in enumerate(x.tolist()):
        if not 0 <= value < len(x):
            raise ValueError(f"{value} is not between 0 and {len(x)}")
        if result[value] != -1:
            raise ValueError(f"{value} is duplicated in the input.")
        result[value] = i
    return result


def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """``y`` with ``y[x[i]] = i``; ``x`` must hold every number from 0 on once."""
    return create("InvertPermutation", name, x)


def _infer_unravel(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    indices, rank = inputs[0].shape, of_rank(inputs[1].shape, 1)[0].value
    if indices.ndims is None:
        return [(inputs[0].dtype.base_dtype, unknown_shape())]
    count = indices.num_elements()
    return [(inputs[0].dtype.base_dtype, TensorShape([rank] if indices.ndims == 0 else [rank, count]))]


@operation("UnravelIndex", "indices:Tidx dims:Tidx", _infer_unravel, differentiable=False, Tidx=INDEX)
def _unravel_index(indices: torch.Tensor, dims: torch.Tensor) -> torch.Tensor:
    shape, flat = tuple(dims.tolist()), indices.reshape(-1)
    total = int(np.prod(shape, dtype=np.int64))
    if bool(((flat < 0) | (flat >= total)).any()):
        raise ValueError("index is out of bound as with dims")
    columns = np.stack([np.asarray(c) for c in np.unravel_index(flat.numpy(), shape)])
    return torch.from_numpy(columns).to(indices.dtype).reshape([len(shape)] if indices.dim() == 0 else [len(shape), -1])


def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """The coordinates in a tensor of shape ``dims`` of flat ``indices``, a column for each."""
    return create("UnravelIndex", name, indices, dims)


# --- counts -----------------------------------------------------------------------------------------------------------


def _infer_bincount(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[1].shape, 0)
    return [(attrs["dtype"], TensorShape([static_int(inputs[1])]))]


@operation("Bincount", "arr:int32 size:int32", _infer_bincount, differentiable=False)
def _bincount(arr: torch.Tensor, size: torch.Tensor, *, dtype: DType) -> torch.Tensor:
    flat, count = arr.reshape(-1), int(size)
    if bool((flat < 0).any()):
        raise ValueError("Input arr must be non-negative!")
    return torch.bincount(flat[flat < count], minlength=count).to(dtype.torch_dtype)


@operation("BincountSize", "arr:int32", lambda inputs, attrs: [(dtypes.int32, TensorShape([]))], differentiable=False)
def _bincount_size(arr: torch.Tensor) -> torch.Tensor:
    return (arr.max() + 1).int() if arr.numel() else torch.tensor(0, dtype=torch.int32)


def bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = dtypes.int32
) -> Tensor:
    """How often each number from 0 on appears in ``arr``, or the sum of its ``weights``.

    Args:
        arr: non-negative integers.
        weights: of the same shape.
        minlength: the result has at least this length.
        maxlength: and at most this one; larger numbers are left out.
        dtype: of the result without ``weights``.
    """
    with name_scope(None, "bincount", [arr, weights]):
        values = convert_to_tensor(arr, dtypes.int32, name="arr")
        length = create("BincountSize", None, values)
        if minlength is not None:
            length = maximum(convert_to_tensor(minlength, dtypes.int32, name="minlength"), length)
        if maxlength is not None:
            length = minimum(convert_to_tensor(maxlength, dtypes.int32, name="maxlength"), length)
        if weights is not None:
            return unsorted_segment_sum(weights, values, length)
        return create("Bincount", None, values, length, dtype=as_dtype(dtype))


def _infer_confusion(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    count = static_int(inputs[2])
    merge(inputs[0].shape, inputs[1].shape)
    return [(attrs["dtype"], TensorShape([count, count]))]


@operation(
    "ConfusionMatrix",
    "labels:int64 predictions:int64 num_classes:int64 weights:T",
    _infer_confusion,
    differentiable=False,
)
def _confusion_matrix(
    labels: torch.Tensor,
    predictions: torch.Tensor,
    num_classes: torch.Tensor,
    weights: torch.Tensor | None = None,
    *,
    dtype: DType,
) -> torch.Tensor:
    count = int(num_classes)
    for what, values in (("labels", labels), ("predictions", predictions)):
        if bool((values < 0).any()):
            raise ValueError(f"`{what}` contains negative values")
        if bool((values >= count).any()):
            raise ValueError(f"`{what}` out of bound")
    hits = torch.ones(labels.shape, dtype=dtype.torch_dtype) if weights is None else weights.to(dtype.torch_dtype)
    result = torch.zeros([count * count], dtype=dtype.torch_dtype)
    return result.index_add(0, labels * count + predictions, hits).reshape(count, count)


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """``result[i, j]``: how often (or with what total weight) label i got prediction j.

    Args:
        labels, predictions: class numbers, vectors of one length.
        num_classes: by default one more than the largest number.
        dtype: of the result.
        name: name scope.
        weights: one for each prediction.
    """
    with name_scope(name, "confusion_matrix", [labels, predictions]):
        rows, columns = convert_to_tensor(labels, name="labels"), convert_to_tensor(predictions, name="predictions")
        ranks = rows.shape.ndims, columns.shape.ndims
        # one of them may have a last dimension of 1 too much
        if ranks == (1, 2):
            columns = squeeze(columns, [-1])
        elif ranks == (2, 1):
            rows = squeeze(rows, [-1])
        rows, columns = cast(rows, dtypes.int64), cast(columns, dtypes.int64)
        if num_classes is None:
            classes = maximum(reduce_max(rows), reduce_max(columns)) + 1
        else:
            classes = cast(num_classes, dtypes.int64)
        inputs = [rows, columns, classes]
        if weights is not None:
            inputs.append(cast(weights, dtype))
        return create("ConfusionMatrix", None, *inputs, dtype=as_dtype(dtype))
