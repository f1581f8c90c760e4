"""Tensors made from nothing: zeros, ones, constants, ranges, one-hot rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value, constant_value_as_shape, same_as_first
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import Dimension, TensorShape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.casting import cast
from dynrnn.tf1.ops.shape_rules import of_rank, static_int
from dynrnn.tf1.ops.shaping import reshape
from dynrnn.tf1.ops.shaping import shape as shape_of
from dynrnn.tf1.ops.signature import FLOATS, INDEX, create, operation, types_of

__all__ = ["fill", "lin_space", "linspace", "one_hot", "ones", "ones_like", "range_", "zeros", "zeros_like"]

# --- one value --------------------------------------------------------------------------------------------------------


def _infer_fill(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[0].shape, 1)
    of_rank(inputs[1].shape, 0)
    known = constant_value(inputs[0])
    for i, size in enumerate([] if known is None else known.tolist()):
        if size < 0:
            raise ValueError(f"Fill dimensions must be >= 0, got {size} in dimension {i}")
    return [(inputs[1].dtype.base_dtype, constant_value_as_shape(inputs[0]))]


@operation("Fill", "dims:Tdims value:T", _infer_fill, Tdims=INDEX)
def _fill(dims: torch.Tensor, value: Any) -> Any:
    if dims.dim() != 1:
        raise ValueError(f"dims must represent a vector, got shape {list(dims.shape)}")
    if tuple(value.shape):
        raise ValueError(f"value must represent a scalar, got shape {list(value.shape)}")
    sizes = dims.tolist()
    for i, size in enumerate(sizes):
        if size < 0:
            raise ValueError(f"Dimension {i} must be >= 0, got {size}")
    if isinstance(value, np.ndarray):
        return np.broadcast_to(value, sizes).copy()
    return value.expand(sizes)


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of shape ``dims`` full of the scalar ``value``."""
    return create("Fill", name, dims, value)


_SMALL = 1000


def _filled(shape: Any, value: int, dtype: Any, name: str | None, default_name: str) -> Tensor:
    kind = as_dtype(dtype).base_dtype
    if kind == dtypes.string:
        number: Any = b"" if value == 0 else b"1"
    else:
        number = bool(value) if kind.is_bool else value
    with name_scope(name, default_name, [shape]) as scope:
        if not isinstance(shape, (Tensor, Variable)):
            if _has_tensor(shape):
                shape = convert_to_tensor(shape, dtypes.int32)
            else:
                dims = _known_dims(shape)
                if math.prod(dims) < _SMALL:
                    return constant(number, kind, dims, name=scope)
                shape = constant(np.array(dims, np.int32), name="shape_as_tensor")
        if isinstance(shape, (Tensor, Variable)) and shape.shape.ndims in (0, None):
            shape = reshape(shape, [-1])
        return fill(shape, constant(number, kind), name=scope)


def _has_tensor(shape: Any) -> bool:
    return isinstance(shape, (list, tuple)) and any(isinstance(d, (Tensor, Variable)) for d in shape)


def _known_dims(shape: Any) -> list[int]:
    """A shape argument as a list of ints.

    Raises:
        TypeError: an element that is no integer.
        ValueError: a static shape that is not fully known, or a negative size.
    """
    if isinstance(shape, TensorShape):
        if not shape.is_fully_defined():
            raise ValueError(f"Cannot convert a partially known TensorShape to a Tensor: {shape}")
        return [int(d) for d in shape]
    if isinstance(shape, (int, np.integer, Dimension)):
        shape = [shape]
    if isinstance(shape, (str, bytes)) or not hasattr(shape, "__iter__"):
        raise TypeError(f"Expected int32, got {shape!r} of type '{type(shape).__name__}' instead.")
    dims = []
    for item in np.atleast_1d(shape).tolist() if isinstance(shape, np.ndarray) else shape:
        size = item.value if isinstance(item, Dimension) else item
        if size is None or not hasattr(size, "__index__"):
            raise TypeError(f"Expected int32, got {size!r} of type '{type(size).__name__}' instead.")
        if int(size) < 0:
            raise ValueError(f"Dimension {int(size)} must be >= 0")
        dims.append(int(size))
    return dims


def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """All zeros (empty strings, False)."""
    return _filled(shape, 0, dtype, name, "zeros")


def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """All ones."""
    return _filled(shape, 1, dtype, name, "ones")


@operation("ZerosLike", "x:T", same_as_first, differentiable=False)
def _zeros_like(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.full(value.shape, b"", dtype=object)
    return torch.zeros_like(value)


def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Zeros of the shape and, unless given, the dtype of ``tensor``."""
    with name_scope(name, "zeros_like", [tensor]) as scope:
        value = convert_to_tensor(tensor, name="tensor")
        kind = value.dtype.base_dtype if dtype is None else as_dtype(dtype).base_dtype
        if optimize and value.shape.is_fully_defined():
            return zeros(value.shape, kind, name=scope)
        if kind is not value.dtype.base_dtype:
            return _with_shape(zeros(shape_of(value), kind, name=scope), value)
        return create("ZerosLike", scope, value)


def ones_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Ones of the shape and, unless given, the dtype of ``tensor``."""
    with name_scope(name, "ones_like", [tensor]) as scope:
        value = convert_to_tensor(tensor, name="tensor")
        kind = value.dtype.base_dtype if dtype is None else as_dtype(dtype).base_dtype
        return _with_shape(ones(shape_of(value), kind, name=scope), value)


def _with_shape(result: Tensor, like: Tensor) -> Tensor:
    result.set_shape(like.shape)
    return result


@translates(torch.zeros_like)
def _torch_zeros_like(input: Any) -> Tensor:
    # never a constant: a cell's zeros have as many rows as its inputs, and a loop may run on fewer
    return zeros_like(input, optimize=False)


@translates(torch.ones_like)
def _torch_ones_like(input: Any) -> Tensor:
    return ones_like(input)


# --- sequences of numbers ---------------------------------------------------------------------------------------------


def _range_size(start: Any, limit: Any, delta: Any) -> int:
    """The number of elements; the arguments are numpy scalars of one type, in which the count is computed."""
    if delta == 0:
        raise ValueError("Requires delta != 0")
    if start > limit if delta > 0 else start < limit:
        raise ValueError(
            f"Requires start {'<=' if delta > 0 else '>='} limit when delta {'>' if delta > 0 else '<'} 0: "
            f"{start}/{limit}"
        )
    if isinstance(start, np.integer):
        span, step = abs(int(limit) - int(start)), abs(int(delta))
        return (span + step - 1) // step
    return math.ceil(abs((limit - start) / delta))


def _infer_range(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    for tensor in inputs:
        of_rank(tensor.shape, 0)
    ends = [constant_value(t) for t in inputs]
    size = None if any(e is None for e in ends) else _range_size(*(e[()] for e in ends))  # type: ignore[index]
    return [(inputs[0].dtype.base_dtype, TensorShape([size]))]


@operation("Range", "start:Tidx limit:Tidx delta:Tidx", _infer_range, differentiable=False)
def _range(start: torch.Tensor, limit: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    if start.dtype in (torch.bfloat16, torch.float16):
        return _range(start.float(), limit.float(), delta.float()).to(start.dtype)
    first, end, step = start.numpy()[()], limit.numpy()[()], delta.numpy()[()]
    size = _range_size(first, end, step)
    if not start.is_floating_point():
        return torch.arange(int(first), int(first) + size * int(step), int(step), dtype=start.dtype)
    # TensorFlow adds the step again and again, rounding each time
    steps = np.full(size, step)
    steps[:1] = first
    return torch.from_numpy(np.cumsum(steps, dtype=steps.dtype))


_RANGE_ORDER = ["int32", "int64", "float16", "bfloat16", "float32", "float64"]


def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """``start, start + delta, ...`` below ``limit``; with one argument from 0 on.

    Raises:
        ValueError: a step of 0, or one that leads away from ``limit``.
    """
    if limit is None:
        start, limit = 0, start
    with name_scope(name, "Range", [start, limit, delta]) as scope:
        items = [("start", start), ("limit", limit), ("delta", delta)]
        kind = None if dtype is None else as_dtype(dtype).base_dtype
        tensors = [convert_to_tensor(v, None if isinstance(v, (Tensor, Variable)) else kind, name=n) for n, v in items]
        if kind is None:
            kinds = [t.dtype.base_dtype for t in tensors]
            odd = [k for k in kinds if k.name not in _RANGE_ORDER]
            if odd and any(k is not odd[0] for k in kinds):
                raise TypeError(f"start, limit and delta of a range must have one dtype, got {[k.name for k in kinds]}")
            kind = odd[0] if odd else max(kinds, key=lambda k: _RANGE_ORDER.index(k.name))
        return create("Range", scope, *[cast(t, kind) for t in tensors])


def _infer_linspace(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    for tensor in inputs:
        of_rank(tensor.shape, 0)
    count = static_int(inputs[2])
    if count is not None and count <= 0:
        raise ValueError(f"Requires num > 0: {count}")
    return [(inputs[0].dtype.base_dtype, TensorShape([count]))]


@operation("LinSpace", "start:T stop:T num:Tidx", _infer_linspace, T=FLOATS, Tidx=INDEX)
def _linspace(start: torch.Tensor, stop: torch.Tensor, num: torch.Tensor) -> torch.Tensor:
    count = int(num)
    if count <= 0:
        raise ValueError(f"Requires num > 0: {count}")
    if count == 1:
        return start.reshape(1)
    steps = torch.arange(count, dtype=start.dtype)
    result = start + (stop - start) / (count - 1) * steps
    return torch.cat([result[:-1], stop.reshape(1)])


def linspace(start: Any, stop: Any, num: Any, name: str | None = None) -> Tensor:
    """``num`` numbers from ``start`` to ``stop``, both included, at equal distances.

    Raises:
        ValueError: ``num`` is not positive.
    """
    return create("LinSpace", name or "LinSpace", start, stop, num)


lin_space = linspace

# --- one-hot ----------------------------------------------------------------------------------------------------------


def _infer_one_hot(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype, axis = inputs[0].shape, inputs[2].dtype.base_dtype, attrs["axis"]
    if axis < -1:
        raise ValueError(f"axis must be >= -1, got {axis}")
    for tensor in inputs[1:]:
        of_rank(tensor.shape, 0)
    depth = static_int(inputs[1])
    if depth is not None and depth < 0:
        raise ValueError(f"depth must be non-negative, got: {depth}")
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    dims = source.as_list()
    if axis > len(dims):
        raise ValueError(f"Expected axis to be -1 or between [0, {len(dims) + 1}).  But received: {axis}")
    dims.insert(len(dims) if axis == -1 else axis, depth)
    return [(dtype, TensorShape(dims))]


_INDICES = types_of("uint8 int8 int32 int64")


@operation("OneHot", "indices:TI depth:int32 on_value:T off_value:T", _infer_one_hot, differentiable=False, TI=_INDICES)
def _one_hot(indices: torch.Tensor, depth: torch.Tensor, on_value: Any, off_value: Any, *, axis: int) -> Any:
    count, ndims = int(depth), indices.dim()
    if count < 0:
        raise ValueError(f"depth must be non-negative, got: {count}")
    if axis > ndims:
        raise ValueError(f"Expected axis to be -1 or between [0, {ndims + 1}).  But received: {axis}")
    where = ndims if axis == -1 else axis
    classes = torch.arange(count).reshape([count if i == where else 1 for i in range(ndims + 1)])
    hot = indices.unsqueeze(where) == classes
    if isinstance(on_value, np.ndarray):
        return np.where(hot.numpy(), on_value, off_value)
    return torch.where(hot, on_value, off_value)


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """``on_value`` (1) at the index, ``off_value`` (0) elsewhere, along a new axis of size ``depth``.

    An index out of range gives ``off_value`` everywhere.

    Raises:
        TypeError: values of another dtype than ``dtype``, or of two dtypes.
    """
    kind = None if dtype is None else as_dtype(dtype).base_dtype
    with name_scope(name, "one_hot", [indices, depth, on_value, off_value]) as scope:
        on = None if on_value is None else convert_to_tensor(on_value, preferred_dtype=kind, name="on_value")
        off = None if off_value is None else convert_to_tensor(off_value, preferred_dtype=kind, name="off_value")
        for what, value in (("on_value", on), ("off_value", off)):
            if kind is not None and value is not None and value.dtype.base_dtype is not kind:
                raise TypeError(f"dtype {value.dtype!r} of {what} does not match dtype parameter {kind!r}")
        if kind is None:
            given = on if on is not None else off
            kind = dtypes.float32 if given is None else given.dtype.base_dtype
        on = constant(_unit(kind, 1), kind, name="on_value") if on is None else on
        off = constant(_unit(kind, 0), kind, name="off_value") if off is None else off
        if on.dtype.base_dtype is not off.dtype.base_dtype:
            raise TypeError(f"dtype {on.dtype!r} of on_value does not match dtype {off.dtype!r} of off_value")
        return create("OneHot", scope, indices, depth, on, off, axis=-1 if axis is None else axis)


def _unit(kind: DType, number: int) -> Any:
    return bool(number) if kind.is_bool else number
