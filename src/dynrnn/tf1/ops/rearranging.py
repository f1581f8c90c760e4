"""Repeating, padding, reversing and moving elements about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn import sequence
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value, partial_array, same_as_first
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.arithmetic import multiply
from dynrnn.tf1.ops.filling import ones
from dynrnn.tf1.ops.inputs import stop_gradient
from dynrnn.tf1.ops.joining import stack
from dynrnn.tf1.ops.shape_rules import merge_dims, of_rank, static_ints
from dynrnn.tf1.ops.shaping import reshape, size
from dynrnn.tf1.ops.signature import INDEX, create, operation, types_of

__all__ = [
    "depth_to_space",
    "meshgrid",
    "pad",
    "repeat",
    "reverse",
    "reverse_sequence",
    "roll",
    "space_to_depth",
    "tile",
]

# --- tile, repeat -----------------------------------------------------------------------------------------------------


def _infer_tile(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    length = of_rank(inputs[1].shape, 1)[0].value
    times = static_ints(inputs[1])
    if source.ndims is not None and length is not None and source.ndims != length:
        raise ValueError(f"Shape must be rank {source.ndims} but is rank {length}")
    if times is None:
        return [(dtype, unknown_shape(source.ndims if length is None else length))]
    dims = of_rank(source, len(times)).as_list()
    sizes = [0 if 0 in pair else None if None in pair else pair[0] * pair[1] for pair in zip(dims, times, strict=True)]  # type: ignore[operator]
    return [(dtype, TensorShape(sizes))]


@operation("Tile", "input:T multiples:Tmultiples", _infer_tile, Tmultiples=INDEX)
def _tile(value: Any, multiples: torch.Tensor) -> Any:
    times = multiples.tolist()
    if len(times) != len(value.shape):
        raise ValueError(
            f"Expected multiples argument to be a vector of length {len(value.shape)} but got length {len(times)}"
        )
    for i, n in enumerate(times):
        if n < 0:
            raise ValueError(f"Expected multiples[{i}] >= 0, but got {n}")
    return np.tile(value, times) if isinstance(value, np.ndarray) else value.repeat(times)


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """Repeated as a whole ``multiples[i]`` times along dimension i."""
    return create("Tile", name, input, multiples)


def _infer_repeat(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype, axis = inputs[0].shape, inputs[0].dtype.base_dtype, attrs["axis"]
    counts = constant_value(inputs[1])
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    dims = source.as_list()
    size_ = dims[axis]
    # the sum of several counts is not looked at, in TensorFlow neither
    dims[axis] = None if counts is None or counts.ndim or size_ is None else size_ * int(counts)
    return [(dtype, TensorShape(dims))]


@operation("RepeatElements", "input:T repeats:Tidx", _infer_repeat, Tidx=INDEX)
def _repeat(value: torch.Tensor, repeats: torch.Tensor, *, axis: int) -> torch.Tensor:
    if repeats.numel() not in (1, value.shape[axis]):
        raise ValueError(f"repeats must be a scalar or of length {value.shape[axis]}, got length {repeats.numel()}")
    counts = repeats.reshape(-1).expand(value.shape[axis])
    return torch.repeat_interleave(value, counts.long(), axis)


def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Each element along ``axis`` repeated ``repeats`` times (one number, or one each); flattened without ``axis``."""
    with name_scope(name, "Repeat", [input, repeats]) as scope:
        value = convert_to_tensor(input, name="input")
        counts = convert_to_tensor(repeats, preferred_dtype=dtypes.int32, name="repeats")
        if axis is None:
            value, axis = reshape(value, [-1]), 0
        if value.shape.ndims == 0:
            value = reshape(value, [1])
        return create("RepeatElements", scope, value, counts, axis=axis)


# --- pad --------------------------------------------------------------------------------------------------------------


def _infer_pad(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, amounts, dtype = inputs[0].shape, of_rank(inputs[1].shape, 2), inputs[0].dtype.base_dtype
    if amounts[1].value not in (None, 2):
        raise ValueError(f"Dimension must be 2 but is {amounts[1]}")
    rank = amounts[0].value if amounts[0].value is not None else source.ndims
    if rank is None:
        return [(dtype, unknown_shape())]
    of_rank(source, rank)
    known = partial_array(inputs[1])
    if known is None or source.ndims is None:
        return [(dtype, unknown_shape(rank))]
    dims: list[int | None] = []
    for size_, (before, after) in zip(source.as_list(), known.tolist(), strict=True):
        if (before or 0) < 0 or (after or 0) < 0:
            raise ValueError(f"Paddings must be non-negative, got {known.tolist()}")
        dims.append(None if None in (size_, before, after) else size_ + before + after)
    return [(dtype, TensorShape(dims))]


def _amounts(value: Any, paddings: torch.Tensor) -> list[list[int]]:
    if tuple(paddings.shape) != (len(value.shape), 2):
        raise ValueError(
            f"The first dimension of paddings must be the rank of inputs{list(paddings.shape)} {list(value.shape)}"
        )
    amounts = paddings.tolist()
    for i, (before, after) in enumerate(amounts):
        if before < 0 or after < 0:
            raise ValueError(f"Paddings must be non-negative: {before} {after} in dimension {i}")
    return amounts


@operation("Pad", "input:T paddings:Tpaddings", _infer_pad, Tpaddings=INDEX)
def _pad(value: Any, paddings: torch.Tensor) -> Any:
    amounts = _amounts(value, paddings)
    if isinstance(value, np.ndarray):
        return np.pad(value, amounts, constant_values=b"")
    return torch.nn.functional.pad(value, [n for pair in reversed(amounts) for n in pair])


@operation("PadV2", "input:T paddings:Tpaddings constant_values:T", _infer_pad, Tpaddings=INDEX)
def _pad_with(value: torch.Tensor, paddings: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
    amounts = _amounts(value, paddings)
    dims = [d + sum(pair) for d, pair in zip(value.shape, amounts, strict=True)]
    result = constant.reshape(()).expand(dims).clone()
    index = tuple(slice(before, before + d) for d, (before, _) in zip(value.shape, amounts, strict=True))
    result[index] = value
    return result


@operation("MirrorPad", "input:T paddings:Tpaddings", _infer_pad, Tpaddings=INDEX)
def _mirror_pad(value: Any, paddings: torch.Tensor, *, mode: str) -> Any:
    edge = 1 if mode == "REFLECT" else 0
    for axis, (before, after) in enumerate(_amounts(value, paddings)):
        size_ = value.shape[axis]
        if before > size_ - edge or after > size_ - edge:
            raise ValueError(
                "paddings must be "
                + ("less than the dimension size" if edge else "no greater than the dimension size")
                + f": {before}, {after} {'not less than' if edge else 'greater than'} {size_}"
            )
        # by indices: torch's own mirroring does not take every rank and type
        index = np.pad(np.arange(size_), (before, after), mode="reflect" if edge else "symmetric")
        value = (
            np.take(value, index, axis)
            if isinstance(value, np.ndarray)
            else value.index_select(axis, torch.from_numpy(index))
        )
    return value


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """``paddings[i]`` = (before, after) elements added along dimension i.

    Args:
        tensor: the tensor.
        paddings: integers [rank, 2].
        mode: CONSTANT; REFLECT mirrors without the edge, SYMMETRIC with it.
        name: operation name.
        constant_values: the scalar for CONSTANT.

    Raises:
        ValueError: another mode.
    """
    kind = mode.upper()
    if kind == "CONSTANT":
        if not isinstance(constant_values, Tensor) and np.ndim(constant_values) == 0 and constant_values == 0:
            return create("Pad", name or "Pad", tensor, paddings)
        # as in TensorFlow, the value gets no derivative
        symbolic = isinstance(constant_values, (Tensor, Variable))
        filler = stop_gradient(constant_values) if symbolic else constant_values
        return create("PadV2", name, tensor, paddings, filler)
    if kind not in ("REFLECT", "SYMMETRIC"):
        raise ValueError(f"Unknown padding mode: {mode}")
    return create("MirrorPad", name, tensor, paddings, mode=kind)


# --- reverse, roll ----------------------------------------------------------------------------------------------------

_REVERSIBLE = types_of(
    "uint8 int8 uint16 int16 int32 uint32 int64 uint64 bool bfloat16 float16 float32 float64 complex64 complex128 "
    "string"
)


def _infer_reverse(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source = inputs[0].shape
    of_rank(inputs[1].shape, 1)
    axes = constant_value(inputs[1])
    if axes is not None and source.ndims is not None:
        _checked_axes(axes.tolist(), source.ndims)
    return [(inputs[0].dtype.base_dtype, source)]


def _checked_axes(axes: list[int], rank: int) -> list[int]:
    seen: set[int] = set()
    for i, axis in enumerate(axes):
        if not -rank <= axis < rank:
            raise ValueError(f"'axis'[{i}] = {axis} is out of valid range [0, {rank - 1}")
        if axis % rank in seen:
            raise ValueError(f"axis {axis % rank} specified more than once.")
        seen.add(axis % rank)
    return axes


@operation("ReverseV2", "tensor:T axis:Tidx", _infer_reverse, T=_REVERSIBLE, Tidx=INDEX)
def _reverse(value: Any, axis: torch.Tensor) -> Any:
    axes = _checked_axes(axis.tolist(), len(value.shape))
    return np.flip(value, tuple(axes)) if isinstance(value, np.ndarray) else torch.flip(value, axes)


def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """Backwards along the axes given (a vector of them; of bools, one a dimension, in TensorFlow before 1.0)."""
    if isinstance(axis, (list, tuple)) and axis and all(isinstance(a, (bool, np.bool_)) for a in axis):
        axis = np.flatnonzero(axis).astype(np.int32)
    return create("ReverseV2", name, tensor, axis)


def _infer_reverse_sequence(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, lengths = inputs[0].shape, of_rank(inputs[1].shape, 1)
    along, rows = attrs["seq_dim"], attrs["batch_dim"]
    if source.ndims is None:
        return [(inputs[0].dtype.base_dtype, source)]
    if along >= source.ndims:
        raise ValueError(f"seq_dim must be < input rank: {along} vs. {source.ndims}")
    if rows >= source.ndims:
        raise ValueError(f"batch_dim must be < input rank: {rows} vs. {source.ndims}")
    dims = source.as_list()
    dims[rows] = merge_dims(dims[rows], lengths[0].value)
    return [(inputs[0].dtype.base_dtype, TensorShape(dims))]


@operation(
    "ReverseSequence", "input:T seq_lengths:Tlen", _infer_reverse_sequence, Tlen=types_of("int32 int64", dtypes.int64)
)
def _reverse_sequence(value: torch.Tensor, lengths: torch.Tensor, *, seq_dim: int, batch_dim: int) -> torch.Tensor:
    if lengths.numel() != value.shape[batch_dim]:
        raise ValueError(
            f"Length of seq_lens != input.dims({batch_dim}), ({lengths.numel()} vs. {value.shape[batch_dim]})"
        )
    for row, length in enumerate(lengths.tolist()):
        if length < 0:
            raise ValueError(f"seq_lens({row}) < 0")
        if length > value.shape[seq_dim]:
            raise ValueError(f"seq_lens({row}) > input.dims({seq_dim})")
    return sequence.reverse_sequence(value, lengths, seq_dim, batch_dim)


def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """Each row backwards within its length; what is past it stays in place.

    Raises:
        TypeError: without ``seq_axis``.
        ValueError: axes that the input does not have.
    """
    along = seq_dim if seq_axis is None else seq_axis
    rows = batch_dim if batch_axis is None else batch_axis
    if along is None:
        raise TypeError("Expected int for argument 'seq_dim' not None.")
    return create("ReverseSequence", name, input, seq_lengths, seq_dim=along, batch_dim=rows or 0)


@operation("Roll", "input:T shift:Tshift axis:Taxis", same_as_first, Tshift=INDEX, Taxis=INDEX)
def _roll(value: Any, shift: torch.Tensor, axis: torch.Tensor) -> Any:
    shifts, axes = shift.reshape(-1).tolist(), axis.reshape(-1).tolist()
    if len(shifts) != len(axes):
        raise ValueError("shift and axis must have the same size")
    for a in axes:
        if not -len(value.shape) <= a < len(value.shape):
            raise ValueError(f"axis {a} is out of range")
    if not axes:
        return value
    return np.roll(value, shifts, axes) if isinstance(value, np.ndarray) else torch.roll(value, shifts, axes)


def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """The elements moved on by ``shift`` along ``axis``; what leaves at the end comes in at the beginning."""
    return create("Roll", name, input, shift, axis)


# --- grids and blocks -------------------------------------------------------------------------------------------------


def meshgrid(*args: Any, indexing: str = "xy", name: str = "meshgrid") -> list[Tensor]:
    """The coordinates of a grid, one tensor for each of the vectors ``args``.

    Args:
        *args: vectors.
        indexing: "xy": the first two dimensions are exchanged; "ij": they are not.
        name: operation name.

    Raises:
        ValueError: another indexing.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError("Argument `indexing` must be either 'xy' or 'ij'")
    with name_scope(name, "meshgrid", args):
        count = len(args)
        flat = [reshape(x, [-1 if i == j else 1 for j in range(count)]) for i, x in enumerate(args)]
        sizes = [size(x) for x in args]
        if indexing == "xy" and count > 1:
            flat[0] = reshape(flat[0], [1, -1] + [1] * (count - 2))
            flat[1] = reshape(flat[1], [-1, 1] + [1] * (count - 2))
            sizes[0], sizes[1] = sizes[1], sizes[0]
        filler = ones(stack(sizes), flat[0].dtype.base_dtype) if flat else None
        return [multiply(x, filler) for x in flat]


def _block_shape(source: TensorShape, block: int, grow: bool) -> TensorShape:
    batch, height, width, depth = of_rank(source, 4).as_list()
    area = block * block
    for what, value, factor in (
        (("height", height, block), ("width", width, block)) if not grow else (("depth", depth, area),)
    ):
        if value is not None and value % factor:
            raise ValueError(f"Dimension size must be evenly divisible by {factor} but is {value} ({what})")

    def scaled(value: int | None, up: bool, factor: int) -> int | None:
        return None if value is None else value * factor if up else value // factor

    return TensorShape([batch, scaled(height, grow, block), scaled(width, grow, block), scaled(depth, not grow, area)])


@operation(
    "SpaceToDepth", "input:T", lambda i, a: [(i[0].dtype.base_dtype, _block_shape(i[0].shape, a["block_size"], False))]
)
def _space_to_depth(value: torch.Tensor, *, block_size: int) -> torch.Tensor:
    batch, height, width, depth = value.shape
    parts = value.reshape(batch, height // block_size, block_size, width // block_size, block_size, depth)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(batch, height // block_size, width // block_size, -1)


@operation(
    "DepthToSpace", "input:T", lambda i, a: [(i[0].dtype.base_dtype, _block_shape(i[0].shape, a["block_size"], True))]
)
def _depth_to_space(value: torch.Tensor, *, block_size: int) -> torch.Tensor:
    batch, height, width, depth = value.shape
    parts = value.reshape(batch, height, width, block_size, block_size, depth // block_size**2)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(batch, height * block_size, width * block_size, -1)


def _checked_block(block_size: int, data_format: str) -> int:
    if data_format != "NHWC":
        raise NotImplementedError(f"data_format {data_format!r} is not available here; use 'NHWC'")
    if block_size < 2:
        raise ValueError(f"Block size should be > 1: {block_size}")
    return block_size


def space_to_depth(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Blocks of ``block_size`` x ``block_size`` pixels become channels."""
    return create("SpaceToDepth", name, input, block_size=_checked_block(block_size, data_format))


def depth_to_space(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """The inverse of :func:`space_to_depth`."""
    return create("DepthToSpace", name, input, block_size=_checked_block(block_size, data_format))
