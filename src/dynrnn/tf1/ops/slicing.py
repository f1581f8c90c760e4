"""``x[...]``, ``strided_slice`` and ``slice``.

A slice specification is TensorFlow's: vectors ``begin``, ``end`` and ``strides`` with an entry for every item between
the brackets, and five masks whose bit i says of entry i that its begin or end is open, that it is an ellipsis, a new
axis, or a single index. The vectors are inputs of the operation, so any part of them may be a tensor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.graph import get_default_graph, graph_of, name_scope
from dynrnn.tf1.core.infer import constant_value, constant_value_as_shape
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import Dimension, TensorShape, unknown_shape
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.casting import cast
from dynrnn.tf1.ops.filling import ones_like
from dynrnn.tf1.ops.joining import stack
from dynrnn.tf1.ops.shape_rules import of_rank, static_ints
from dynrnn.tf1.ops.signature import INDEX, create, operation, types_of

__all__ = ["getitem", "slice_", "strided_slice"]


@dataclass(frozen=True)
class _Part:
    """What happens to one dimension, or to none: ``axis`` None is a new axis.

    ``begin`` and ``end`` are None where they are open; ``single``: the index ``begin``, and the dimension goes.
    """

    axis: int | None
    begin: int | None = None
    end: int | None = None
    stride: int = 1
    single: bool = False


def _parts(
    rank: int, begin: Sequence[int], end: Sequence[int], strides: Sequence[int], masks: dict[str, int]
) -> Iterator[_Part]:
    """The specification dimension by dimension, the ellipsis written out."""
    count = len(strides)
    bits = {name: [bool(mask >> i & 1) for i in range(count)] for name, mask in masks.items()}
    ellipsis, new_axis = bits["ellipsis_mask"], bits["new_axis_mask"]
    if sum(ellipsis) > 1:
        raise ValueError("Multiple ellipses in slice spec not allowed")
    indexed = sum(not e and not n for e, n in zip(ellipsis, new_axis, strict=True))
    if indexed > rank:
        raise ValueError(f"Index out of range using input dim {rank}; input has only {rank} dims")
    axis = 0
    for i in range(count):
        if ellipsis[i]:
            for _ in range(rank - indexed):
                yield _Part(axis)
                axis += 1
        elif new_axis[i]:
            yield _Part(None)
        else:
            if strides[i] == 0:
                raise ValueError(f"strides[{i}] must be non-zero")
            single = bits["shrink_axis_mask"][i]
            if single and strides[i] < 0:
                raise ValueError("only stride 1 allowed on non-range indexing.")
            first = None if bits["begin_mask"][i] and not single else begin[i]
            last = None if bits["end_mask"][i] else end[i]
            yield _Part(axis, first, last, strides[i], single)
            axis += 1
    for rest in range(axis, rank):
        yield _Part(rest)


def _position(index: int, size: int, axis: int) -> int:
    if not -size <= index < size:
        raise ValueError(f"slice index {index} of dimension {axis} out of bounds.")
    return index % size


def _length(part: _Part, size: int) -> int:
    return len(range(*slice(part.begin, part.end, part.stride).indices(size)))


def _infer_strided_slice(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    lengths = [of_rank(t.shape, 1)[0].value for t in inputs[1:]]
    strides = constant_value(inputs[3])
    if source.ndims is None or None in lengths or strides is None:
        return [(dtype, unknown_shape())]
    begin, end = constant_value(inputs[1]), constant_value(inputs[2])
    known = begin is not None and end is not None
    # where the numbers are not known, only the masks say something
    filler = [0] * len(strides)
    spec = (begin.tolist() if known else filler, end.tolist() if known else filler)  # type: ignore[union-attr]
    dims: list[int | None] = []
    for part in _parts(source.ndims, *spec, strides.tolist(), attrs):
        size = None if part.axis is None else source[part.axis].value
        if part.axis is None:
            dims.append(1)
        elif part.single:
            if known and size is not None:
                _position(part.begin, size, part.axis)  # type: ignore[arg-type]
        elif size is None or not (known or (part.begin is None and part.end is None)):
            dims.append(None)
        else:
            dims.append(_length(part, size))
    return [(dtype, TensorShape(dims))]


_BOUNDS = types_of("int16 int32 int64", dtypes.int32)


@operation("StridedSlice", "input:T begin:Index end:Index strides:Index", _infer_strided_slice, Index=_BOUNDS)
def _strided_slice(value: Any, begin: torch.Tensor, end: torch.Tensor, strides: torch.Tensor, **masks: int) -> Any:
    index: list[Any] = []
    flips: list[int] = []
    out_axis = 0
    for part in _parts(len(value.shape), begin.tolist(), end.tolist(), strides.tolist(), masks):
        if part.axis is None:
            index.append(None)
        elif part.single:
            index.append(_position(part.begin, value.shape[part.axis], part.axis))  # type: ignore[arg-type]
            continue
        elif part.stride > 0:
            index.append(slice(part.begin, part.end, part.stride))
        else:
            # torch has no negative steps: take the same elements forwards, then reverse them
            taken = range(*slice(part.begin, part.end, part.stride).indices(value.shape[part.axis]))
            index.append(slice(taken[-1], taken[0] + 1, -part.stride) if taken else slice(0, 0))
            flips.append(out_axis)
        out_axis += 1
    if isinstance(value, np.ndarray):
        result = np.asarray(value[tuple(index)], dtype=object)
        return np.flip(result, tuple(flips)) if flips else result
    result = value[tuple(index)]
    return torch.flip(result, flips) if flips else result


def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """``input_[begin:end:strides]`` in every leading dimension.

    Args:
        input_: the tensor.
        begin, end, strides: integer vectors; the stride is 1 by default.
        begin_mask, end_mask: bit i: the i-th begin or end is open.
        ellipsis_mask: bit i: the i-th entry stands for as many whole dimensions as are left.
        new_axis_mask: bit i: the i-th entry is a new dimension of 1.
        shrink_axis_mask: bit i: the i-th entry is the single index ``begin[i]``.
        var: not used.
        name: operation name.
    """
    if strides is None:
        strides = ones_like(begin)
    return create(
        "StridedSlice",
        name,
        input_,
        begin,
        end,
        strides,
        begin_mask=begin_mask,
        end_mask=end_mask,
        ellipsis_mask=ellipsis_mask,
        new_axis_mask=new_axis_mask,
        shrink_axis_mask=shrink_axis_mask,
    )


_VALID = (
    "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 tensors are valid "
    "indices"
)


def _checked_index(item: Any) -> Any:
    """``item`` if it may stand between brackets, Dimensions and numpy numbers as ints."""
    if isinstance(item, Dimension):
        item = item.value
    if isinstance(item, np.ndarray) and item.ndim == 0:
        item = item[()]
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, (Tensor, Variable)):
        kind = item.dtype.base_dtype
        if kind in (dtypes.int16, dtypes.int32, dtypes.int64) and item.shape.ndims != 1:
            return item
    raise TypeError(f"{_VALID}, got {item!r}")


def getitem(tensor: Any, key: Any) -> Tensor:
    """``tensor[key]``: integers, slices (with steps), ``None`` and ``...``, also with tensors as indices and bounds.

    A boolean tensor as ``key`` chooses elements as :func:`dynrnn.tf1.ops.selecting.boolean_mask` does.

    Raises:
        TypeError: another kind of index (for a vector of indices there is ``tf.gather``).
        ValueError: an index that is known to be out of range.
    """
    if isinstance(key, (Tensor, Variable, np.ndarray)) and key.dtype == bool:
        from dynrnn.tf1.ops.selecting import boolean_mask

        return boolean_mask(tensor, key)
    graph = graph_of([tensor])
    if graph is not get_default_graph():
        with graph.as_default():
            return getitem(tensor, key)
    begin: list[Any] = []
    end: list[Any] = []
    strides: list[Any] = []
    masks: dict[str, Any] = dict.fromkeys(
        ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0
    )
    for i, item in enumerate(key if isinstance(key, (list, tuple)) else [key]):
        bit = 1 << i
        entry: tuple[Any, Any, Any] = (0, 0, 1)
        if isinstance(item, slice):
            start, stop = _bound(item.start), _bound(item.stop)
            masks["begin_mask"] |= bit * (start is None)
            masks["end_mask"] |= bit * (stop is None)
            step = 1 if item.step is None else _checked_index(item.step)
            entry = (0 if start is None else start, 0 if stop is None else stop, step)
        elif item is Ellipsis:
            masks["ellipsis_mask"] |= bit
        elif item is None:
            masks["new_axis_mask"] |= bit
        else:
            position = _checked_index(item)
            masks["shrink_axis_mask"] |= bit
            entry = (position, position + 1, 1)
        for values, value in zip((begin, end, strides), entry, strict=True):
            values.append(value)
    with name_scope(None, "strided_slice") as scope:
        if begin:
            packed = [stack(values) for values in (begin, end, strides)]
            if any(t.dtype.base_dtype is dtypes.int64 for t in packed):
                packed = [cast(t, dtypes.int64) for t in packed]
        else:
            packed = [constant([], dtypes.int32) for _ in range(3)]
        return strided_slice(tensor, packed[0], packed[1], packed[2], name=scope, **masks)


def _bound(value: Any) -> Any:
    return None if value is None or (isinstance(value, int) and value == sys.maxsize) else _checked_index(value)


# --- slice ------------------------------------------------------------------------------------------------------------


def _infer_slice(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    lengths = [of_rank(t.shape, 1)[0].value for t in inputs[1:]]
    if None not in lengths and lengths[0] != lengths[1]:
        raise ValueError(f"Dimension 0 in both shapes must be equal, but are {lengths[0]} and {lengths[1]}.")
    count = next((n for n in lengths if n is not None), source.ndims)
    if count is None:
        return [(dtype, unknown_shape())]
    dims = list(of_rank(source, count))
    sizes = constant_value(inputs[2])
    if sizes is None:
        partly = constant_value_as_shape(inputs[2])
        return [(dtype, partly if partly.ndims is not None else unknown_shape(count))]
    begins = static_ints(inputs[1]) or [None] * count
    out: list[int | None] = []
    for dim, begin, size in zip(dims, begins, sizes.tolist(), strict=True):
        if size != -1:
            out.append(size)
        else:
            out.append(None if dim.value is None or begin is None else dim.value - begin)
    return [(dtype, TensorShape(out))]


@operation("Slice", "input:T begin:Index size:Index", _infer_slice, Index=INDEX)
def _slice(value: Any, begin: torch.Tensor, size: torch.Tensor) -> Any:
    begins, sizes, dims = begin.tolist(), size.tolist(), list(value.shape)
    if not len(begins) == len(sizes) == len(dims):
        raise ValueError(
            f"Expected begin and size arguments to be 1-D tensors of size {len(dims)}, but got shapes "
            f"[{len(begins)}] and [{len(sizes)}] instead."
        )
    key = []
    for axis, (start, count, dim) in enumerate(zip(begins, sizes, dims, strict=True)):
        if not 0 <= start <= dim:
            raise ValueError(f"Expected begin[{axis}] in [0, {dim}], but got {start}")
        stop = dim if count == -1 else start + count
        if not start <= stop <= dim:
            raise ValueError(f"Expected size[{axis}] in [0, {dim - start}], but got {count}")
        key.append(slice(start, stop))
    result = value[tuple(key)]
    return np.asarray(result, dtype=object) if isinstance(value, np.ndarray) else result


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """``size`` elements from ``begin`` on, in every dimension; a size of -1 takes the rest."""
    return create("Slice", name, input_, begin, size)
