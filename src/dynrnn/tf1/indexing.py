"""``tf.*``: reading parts of tensors - slices, gathers, masks - and repeating and padding them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn import sequence
from dynrnn.tf1.array_ops import _axis, _index_tensor
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply, as_tensors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import broadcast_shapes, constant_value, partial_value, same_as_first
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import Dimension, TensorShape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.core.variables import Variable

# --- x[...] -------------------------------------------------------------------------------------------------------------


class _Dynamic:
    """An index that is known only at run time: the i-th extra input."""

    def __init__(self, index: int) -> None:
        self.index = index


def _resolve(part: Any, extra: Sequence[torch.Tensor]) -> Any:
    if isinstance(part, _Dynamic):
        return int(extra[part.index])
    if isinstance(part, slice):
        return slice(*(_resolve(p, extra) for p in (part.start, part.stop, part.step)))
    return part


@register("StridedSlice", lambda inputs, attrs: _infer_getitem(inputs, attrs))
def _getitem(value: Any, *extra: torch.Tensor, key: tuple[Any, ...]) -> Any:
    parts = [_resolve(part, extra) for part in key]
    dims = list(value.shape)
    axis = 0
    index: list[Any] = []
    flips: list[int] = []
    out_axis = 0
    consumed = sum(1 for p in parts if p is not None and p is not Ellipsis)
    for part in parts:
        if part is Ellipsis:
            skipped = len(dims) - consumed
            axis += skipped
            out_axis += skipped
        elif part is None:
            out_axis += 1
        elif isinstance(part, slice):
            if part.step is not None and part.step < 0 and isinstance(value, torch.Tensor):
                # torch has no negative steps: take the same elements forwards, then reverse them
                start, stop, step = part.indices(dims[axis])
                count = max(0, (stop - start + step + 1) // step)
                part = slice(start + (count - 1) * step, start + 1, -step) if count else slice(0, 0)
                flips.append(out_axis)
            axis += 1
            out_axis += 1
        else:
            if not -dims[axis] <= part < dims[axis]:
                raise ValueError(f"slice index {part} of dimension {axis} out of bounds.")
            axis += 1
        index.append(part)
    result = value[tuple(index)]
    return torch.flip(result, flips) if flips else result


def _infer_getitem(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, key = inputs[0].shape, attrs["key"]
    dtype = inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    known = [_static_scalar(t) for t in inputs[1:]]
    consumed = sum(1 for p in key if p is not None and p is not Ellipsis)
    if consumed > source.ndims:
        raise ValueError(f"Index out of range using input dim {source.ndims}; input has only {source.ndims} dims")
    dims, axis = source.as_list(), 0
    out: list[int | None] = []
    for part in key:
        if part is Ellipsis:
            skipped = source.ndims - consumed
            out += dims[axis : axis + skipped]
            axis += skipped
        elif part is None:
            out.append(1)
        elif isinstance(part, slice):
            out.append(_slice_length(part, dims[axis], known))
            axis += 1
        else:
            position = part if isinstance(part, int) else None
            if position is not None and dims[axis] is not None and not -dims[axis] <= position < dims[axis]:  # type: ignore[operator]
                raise ValueError(f"slice index {position} of dimension {axis} out of bounds.")
            axis += 1
    return [(dtype, TensorShape(out + dims[axis:]))]


def _static_scalar(tensor: Tensor) -> int | None:
    value = constant_value(tensor)
    return None if value is None else int(value)


def _slice_length(part: slice, size: int | None, known: list[int | None]) -> int | None:
    ends = []
    for end in (part.start, part.stop, part.step):
        if isinstance(end, _Dynamic):
            if known[end.index] is None:
                return None
            end = known[end.index]
        ends.append(end)
    if ends[0] in (None, 0) and ends[1] is None and ends[2] in (None, 1):
        return size
    return None if size is None else len(range(*slice(*ends).indices(size)))


def getitem(tensor: Any, key: Any) -> Tensor:
    """``tensor[key]``: integers, slices (with steps), ``None`` and ``...``, also with graph tensors as bounds.

    Raises:
        TypeError: another kind of index (a list or an array: use ``tf.gather`` or ``tf.boolean_mask``).
    """
    value = convert_to_tensor(tensor)
    if isinstance(key, (Tensor, Variable)) and convert_to_tensor(key).dtype.is_bool:
        return boolean_mask(value, key)
    extra: list[Tensor] = []

    def part(item: Any) -> Any:
        if isinstance(item, Dimension):
            item = item.value
        if item is None or item is Ellipsis:
            return item
        if isinstance(item, (bool, float)):
            raise TypeError(f"Only integers, slices (`:`), ellipsis (`...`) and tf.newaxis are valid indices, got {item!r}")
        if isinstance(item, (int, np.integer)):
            return int(item)
        if isinstance(item, slice):
            return slice(part(item.start), part(item.stop), part(item.step))
        if isinstance(item, (Tensor, Variable)):
            bound = convert_to_tensor(item)
            if not bound.dtype.is_integer:
                raise TypeError(f"Value passed to an index must be an integer, got {bound}")
            extra.append(bound)
            return _Dynamic(len(extra) - 1)
        raise TypeError(
            f"Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 tensors are "
            f"valid indices, got {item!r}"
        )

    parts = tuple(part(item) for item in (key if isinstance(key, tuple) else (key,)))
    return apply("StridedSlice", [value, *extra], "strided_slice", key=parts)


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
    """``input_[begin:end:strides]`` in every leading dimension; the masks have TensorFlow's meaning."""
    begins, ends = _ints(begin, "begin"), _ints(end, "end")
    steps = [1] * len(begins) if strides is None else _ints(strides, "strides")
    key: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(begins, ends, steps, strict=True)):
        bit = 1 << i
        if ellipsis_mask & bit:
            key.append(Ellipsis)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(start)
        else:
            key.append(slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step))
    with name_scope(name, "StridedSlice"):
        return getitem(input_, tuple(key))


def _ints(value: Any, what: str) -> list[Any]:
    """The elements of an index vector: ints, or scalar tensors where they are not known."""
    if not isinstance(value, Tensor):
        return [v if isinstance(v, Tensor) else int(v) for v in value]
    known = constant_value(value)
    if known is not None:
        return [int(v) for v in known]
    length = value.shape[0].value if value.shape.ndims == 1 else None
    if length is None:
        raise ValueError(f"{what} must be a vector of known length, got shape {value.shape}")
    return [getitem(value, i) for i in range(length)]


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """``size`` elements from ``begin`` on, in every dimension; a size of -1 takes the rest."""
    inputs = [convert_to_tensor(input_), _index_tensor(begin, "begin"), _index_tensor(size, "size")]
    return apply("Slice", inputs, name)


def _infer_slice(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    begins, sizes = partial_value(inputs[1]), partial_value(inputs[2])
    if sizes is None:
        return [(dtype, unknown_shape(source.ndims))]
    dims: list[int | None] = []
    for i, size in enumerate(sizes):
        if size == -1:
            total = None if source.ndims is None else source[i].value
            start = None if begins is None else begins[i]
            dims.append(None if total is None or start is None else total - start)
        else:
            dims.append(size)
    return [(dtype, TensorShape(dims))]


@register("Slice", _infer_slice)
def _slice(value: Any, begin: torch.Tensor, size: torch.Tensor) -> Any:
    key = []
    for axis, (start, count) in enumerate(zip(begin.tolist(), size.tolist(), strict=True)):
        stop = value.shape[axis] if count == -1 else start + count
        if not 0 <= start <= value.shape[axis] or stop > value.shape[axis]:
            raise ValueError(f"Expected size[{axis}] in [0, {value.shape[axis] - start}], but got {count}")
        key.append(slice(start, stop))
    return value[tuple(key)]


# --- gather -------------------------------------------------------------------------------------------------------------


def _infer_gather(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, index = inputs[0].shape, inputs[1].shape
    dtype = inputs[0].dtype.base_dtype
    if source.ndims is None or index.ndims is None:
        return [(dtype, unknown_shape())]
    axis = attrs["axis"] % source.ndims if source.ndims else 0
    if source.ndims == 0:
        raise ValueError("Shape must be at least rank 1 but is rank 0")
    return [(dtype, TensorShape(list(source)[:axis]).concatenate(index).concatenate(list(source)[axis + 1 :]))]


@register("GatherV2", _infer_gather)
def _gather(params: Any, indices: torch.Tensor, *, axis: int) -> Any:
    size = params.shape[axis]
    index = indices.long()
    if index.numel() and not (0 <= int(index.min()) and int(index.max()) < size):
        bad = index.reshape(-1)
        position = int(((bad < 0) | (bad >= size)).nonzero()[0])
        where_ = np.unravel_index(position, tuple(indices.shape)) if indices.dim() else ()
        raise ValueError(f"indices[{','.join(map(str, where_))}] = {int(bad[position])} is not in [0, {size})")
    if isinstance(params, np.ndarray):
        return np.take(params, index.numpy(), axis)
    axis %= params.dim()
    flat = params.index_select(axis, index.reshape(-1))
    return flat.reshape((*params.shape[:axis], *indices.shape, *params.shape[axis + 1 :]))


def gather(
    params: Any, indices: Any, validate_indices: Any = None, name: str | None = None, axis: Any = None, batch_dims: int = 0
) -> Tensor:
    """The slices of ``params`` along ``axis`` at ``indices``; an index out of range is an error."""
    value = convert_to_tensor(params)
    if batch_dims:
        raise NotImplementedError("tf.gather(batch_dims=...) is not available; use tf.gather_nd or tf.batch_gather")
    return apply("GatherV2", [value, _index_tensor(indices, "indices")], name or "GatherV2", axis=_axis(axis or 0))


def _infer_gather_nd(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, index = inputs[0].shape, inputs[1].shape
    dtype = inputs[0].dtype.base_dtype
    depth = index[-1].value if index.ndims else None
    if source.ndims is None or index.ndims is None or depth is None:
        return [(dtype, unknown_shape())]
    if depth > source.ndims:
        raise ValueError(f"indices.shape[-1] must be <= params.rank, but saw indices shape: {index} and params shape: {source}")
    return [(dtype, TensorShape(list(index)[:-1]).concatenate(list(source)[depth:]))]


@register("GatherNd", _infer_gather_nd)
def _gather_nd(params: Any, indices: torch.Tensor) -> Any:
    columns = indices.long().unbind(-1)
    for axis, column in enumerate(columns):
        if column.numel() and not (0 <= int(column.min()) and int(column.max()) < params.shape[axis]):
            raise ValueError(f"indices = {indices.tolist()} does not index into param shape {list(params.shape)}")
    if isinstance(params, np.ndarray):
        return params[tuple(c.numpy() for c in columns)]
    return params[columns] if columns else params.expand(*indices.shape[:-1], *params.shape)


def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Tensor:
    """Elements or slices at the index vectors in the last dimension of ``indices``."""
    if batch_dims:
        raise NotImplementedError("tf.gather_nd(batch_dims=...) is not available")
    return apply("GatherNd", [params, _index_tensor(indices, "indices")], name)


# --- masks --------------------------------------------------------------------------------------------------------------


def _infer_boolean_mask(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, mask = inputs[0].shape, inputs[1].shape
    axis = attrs["axis"]
    if mask.ndims is None:
        raise ValueError("Number of mask dimensions must be specified, even if some dimensions are None.")
    if mask.ndims == 0:
        raise ValueError("mask cannot be scalar.")
    if source.ndims is None:
        return [(inputs[0].dtype.base_dtype, unknown_shape())]
    TensorShape(list(source)[axis : axis + mask.ndims]).assert_is_compatible_with(mask)
    dims = list(source)
    return [(inputs[0].dtype.base_dtype, TensorShape([*dims[:axis], None, *dims[axis + mask.ndims :]]))]


@register("BooleanMask", _infer_boolean_mask)
def _boolean_mask(value: Any, mask: torch.Tensor, *, axis: int) -> Any:
    if tuple(value.shape[axis : axis + mask.dim()]) != tuple(mask.shape):
        raise ValueError(f"Shapes {tuple(value.shape)} and {tuple(mask.shape)} are incompatible")
    if isinstance(value, np.ndarray):
        return value[(slice(None),) * axis + (mask.numpy(),)]
    return value[(slice(None),) * axis + (mask,)]


def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """The slices of ``tensor`` where ``mask`` holds; mask dimensions become one."""
    return apply("BooleanMask", [tensor, convert_to_tensor(mask, dtypes.bool_)], name, axis=axis or 0)


def _infer_where(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    if len(inputs) == 1:
        return [(dtypes.int64, TensorShape([None, inputs[0].shape.ndims]))]
    condition, x, y = (t.shape for t in inputs)
    try:
        merged = x.merge_with(y)
    except ValueError:
        raise ValueError(f"Shapes of x and y must match, but are {x} and {y}") from None
    if condition.ndims == 1 and merged.ndims is not None and merged.ndims > 1:
        if not condition[0].is_compatible_with(merged[0]):
            raise ValueError(f"Dimension 0 of the condition is {condition[0]}, of the values {merged[0]}")
        return [(inputs[1].dtype.base_dtype, merged)]
    if condition.ndims == 0:
        return [(inputs[1].dtype.base_dtype, merged)]
    return [(inputs[1].dtype.base_dtype, merged.merge_with(condition))]


@register("Select", _infer_where)
def _where(condition: torch.Tensor, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return condition.nonzero()
    if isinstance(x, np.ndarray):
        return np.where(condition.numpy(), x, y)
    # a vector chooses whole rows
    if condition.dim() == 1 and x.dim() > 1:
        condition = condition.reshape([-1] + [1] * (x.dim() - 1))
    return torch.where(condition, x, y)


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """Without x and y: the indices where ``condition`` holds, one row each. With them: x where it holds, else y.

    x and y have one shape; ``condition`` has it too, or is a vector that chooses rows.
    """
    mask = convert_to_tensor(condition, dtypes.bool_)
    if x is None and y is None:
        return apply("Select", [mask], name or "Where")
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return apply("Select", [mask, *as_tensors([x, y], "Select")], name)


@register("SelectV2", lambda inputs, attrs: _infer_where_v2(inputs))
def _where_v2(condition: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.where(condition, x, y)


def _infer_where_v2(inputs: Sequence[Tensor]) -> list[Spec]:
    shape = broadcast_shapes(inputs[0].shape, broadcast_shapes(inputs[1].shape, inputs[2].shape))
    return [(inputs[1].dtype.base_dtype, shape)]


@translates(torch.where)
def where_v2(condition: Any, x: Any, y: Any, name: str | None = None) -> Tensor:
    """x where ``condition`` holds, else y, all three broadcast (``tf.where_v2`` and ``torch.where``)."""
    return apply("SelectV2", [convert_to_tensor(condition, dtypes.bool_), *as_tensors([x, y], "SelectV2")], name)


def _infer_sequence_mask(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    longest = _static_scalar(inputs[1]) if len(inputs) > 1 else None
    return [(attrs["dtype"], inputs[0].shape.concatenate([longest]))]


@register("SequenceMask", _infer_sequence_mask, differentiable=False)
def _sequence_mask(lengths: torch.Tensor, maxlen: torch.Tensor | None = None, *, dtype: dtypes.DType) -> torch.Tensor:
    longest = int(maxlen) if maxlen is not None else int(lengths.max()) if lengths.numel() else 0
    return (torch.arange(longest) < lengths.unsqueeze(-1)).to(dtype.torch_dtype)


def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool_, name: str | None = None) -> Tensor:
    """``mask[..., j] = j < lengths[...]``, of width ``maxlen`` (by default the largest length)."""
    value = _index_tensor(lengths, "lengths")
    bound = [] if maxlen is None else [convert_to_tensor(maxlen)]
    if bound and bound[0].shape.ndims not in (0, None):
        raise ValueError("maxlen must be scalar for sequence_mask")
    return apply("SequenceMask", [value, *bound], name, dtype=as_dtype(dtype))


# --- order and repetition -----------------------------------------------------------------------------------------------


@register("ReverseV2", same_as_first)
def _reverse(value: Any, *, axis: tuple[int, ...]) -> Any:
    return np.flip(value, axis) if isinstance(value, np.ndarray) else torch.flip(value, axis)


def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """Backwards along the axes given."""
    axes = constant_value(axis) if isinstance(axis, Tensor) else np.atleast_1d(np.asarray(axis))
    if axes is None:
        raise ValueError("the axes of tf.reverse must be known when the graph is built")
    if axes.dtype == np.bool_:
        axes = np.flatnonzero(axes)  # TensorFlow before 1.0
    return apply("ReverseV2", [tensor], name, axis=tuple(int(a) for a in axes))


@register("ReverseSequence", same_as_first)
def _reverse_sequence(value: torch.Tensor, lengths: torch.Tensor, *, seq_axis: int, batch_axis: int) -> torch.Tensor:
    if lengths.numel() and int(lengths.max()) > value.shape[seq_axis]:
        raise ValueError(f"seq_lens({int(lengths.argmax())}) > input.dims({seq_axis})")
    return sequence.reverse_sequence(value, lengths, seq_axis, batch_axis)


def reverse_sequence(
    input: Any,  # noqa: A002
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """Each row backwards within its length; what is past it stays in place."""
    along = seq_dim if seq_axis is None else seq_axis
    rows = batch_dim if batch_axis is None else batch_axis
    if along is None:
        raise ValueError("reverse_sequence needs seq_axis, got none")
    lengths = _index_tensor(seq_lengths, "seq_lengths")
    return apply("ReverseSequence", [input, lengths], name, seq_axis=along, batch_axis=rows or 0)


def _infer_tile(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, times = inputs[0].shape, partial_value(inputs[1])
    dtype = inputs[0].dtype.base_dtype
    if times is None or source.ndims is None:
        return [(dtype, unknown_shape(source.ndims))]
    if len(times) != source.ndims:
        raise ValueError(f"Shape must be rank {len(times)} but is rank {source.ndims}")
    return [(dtype, TensorShape([None if d is None or m is None else d * m for d, m in zip(source.as_list(), times, strict=True)]))]


@register("Tile", _infer_tile)
def _tile(value: Any, multiples: torch.Tensor) -> Any:
    times = multiples.tolist()
    if len(times) != len(value.shape):
        raise ValueError(f"Expected multiples argument to be a vector of length {len(value.shape)} but got length {len(times)}")
    return np.tile(value, times) if isinstance(value, np.ndarray) else value.repeat(times)


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """Repeated ``multiples[i]`` times along dimension i."""
    return apply("Tile", [input, _index_tensor(multiples, "multiples")], name)


def _infer_pad(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, amounts = inputs[0].shape, constant_value(inputs[1])
    dtype = inputs[0].dtype.base_dtype
    if amounts is None or source.ndims is None:
        rank_ = inputs[1].shape[0].value if inputs[1].shape.ndims == 2 else source.ndims
        return [(dtype, unknown_shape(rank_))]
    if amounts.shape != (source.ndims, 2):
        raise ValueError(f"paddings must have shape [{source.ndims}, 2], got {list(amounts.shape)}")
    dims = [None if d is None else d + int(a) + int(b) for d, (a, b) in zip(source.as_list(), amounts, strict=True)]
    return [(dtype, TensorShape(dims))]


@register("PadV2", _infer_pad)
def _pad(value: torch.Tensor, paddings: torch.Tensor, *, mode: str, constant_values: float) -> torch.Tensor:
    amounts = paddings.tolist()
    if mode == "CONSTANT":
        flat = [n for pair in reversed(amounts) for n in pair]
        return torch.nn.functional.pad(value, flat, value=constant_values)
    # reflection by indices: torch's own does not take every rank
    for axis, (before, after) in enumerate(amounts):
        index = np.pad(np.arange(value.shape[axis]), (before, after), mode="reflect" if mode == "REFLECT" else "symmetric")
        value = value.index_select(axis, torch.from_numpy(index))
    return value


def pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0) -> Tensor:
    """``paddings[i]`` elements before and after along dimension i; modes CONSTANT, REFLECT, SYMMETRIC."""
    kind = mode.upper()
    if kind not in ("CONSTANT", "REFLECT", "SYMMETRIC"):
        raise ValueError(f"Unknown padding mode: {mode}")
    return apply("PadV2", [tensor, _index_tensor(paddings, "paddings")], name or "Pad", mode=kind, constant_values=constant_values)


def _infer_one_hot(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, depth = inputs[0].shape, _static_scalar(inputs[1])
    if source.ndims is None:
        return [(attrs["dtype"], unknown_shape())]
    dims = source.as_list()
    axis = attrs["axis"]
    dims.insert(len(dims) if axis == -1 else axis, depth)
    return [(attrs["dtype"], TensorShape(dims))]


@register("OneHot", _infer_one_hot, differentiable=False)
def _one_hot(
    indices: torch.Tensor, depth: torch.Tensor, *, on_value: Any, off_value: Any, axis: int, dtype: dtypes.DType
) -> torch.Tensor:
    hot = indices.unsqueeze(-1) == torch.arange(int(depth))
    result = torch.where(
        hot, torch.tensor(on_value, dtype=dtype.torch_dtype), torch.tensor(off_value, dtype=dtype.torch_dtype)
    )
    return result if axis == -1 else result.movedim(-1, axis)


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """``on_value`` (1) at the index, ``off_value`` (0) elsewhere, along a new axis of size ``depth``; none for an index
    out of range."""
    kind = as_dtype(dtype) if dtype is not None else None
    values = []
    for value, default in ((on_value, 1), (off_value, 0)):
        if isinstance(value, Tensor):
            found = constant_value(value)
            if found is None:
                raise ValueError("on_value and off_value of tf.one_hot must be known when the graph is built")
            kind, value = kind or value.dtype, found.item()
        elif value is not None and kind is None:
            kind = convert_to_tensor(value).dtype
        values.append(default if value is None else value)
    return apply(
        "OneHot",
        [_index_tensor(indices, "indices"), convert_to_tensor(depth)],
        name or "one_hot",
        on_value=values[0],
        off_value=values[1],
        axis=-1 if axis is None else axis,
        dtype=kind or dtypes.float32,
    )
