"""Strings: tensors whose elements are ``bytes``; a string tensor's value is a numpy array of objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.infer import same_as_first
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.ops.reducing import _infer_reduce, _old_names
from dynrnn.tf1.ops.shape_rules import merge
from dynrnn.tf1.ops.signature import INDEX, Types, create, operation

__all__ = [
    "as_string",
    "reduce_join",
    "regex_replace",
    "string_join",
    "string_length",
    "string_lower",
    "string_strip",
    "string_to_number",
    "string_upper",
    "substr",
]


def _mapped(array: np.ndarray, function: Callable[[bytes], Any], dtype: Any = object) -> np.ndarray:
    result = np.empty(array.shape, dtype=dtype)
    for index, item in np.ndenumerate(array):
        result[index] = function(item)
    return result


def _infer_join(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    merged = TensorShape([])
    for tensor in inputs:
        if tensor.shape.ndims is None:
            return [(dtypes.string, unknown_shape())]
        if tensor.shape.ndims:
            merged = tensor.shape if merged.ndims == 0 else merge(merged, tensor.shape)
    return [(dtypes.string, merged)]


@operation("StringJoin", "inputs:string*", _infer_join, differentiable=False)
def _join(*values: np.ndarray, separator: str) -> np.ndarray:
    shapes = {v.shape for v in values if v.ndim}
    if len(shapes) > 1:
        raise ValueError(f"Input shapes do not match: {' vs. '.join(str(list(s)) for s in sorted(shapes))}")
    parts = np.broadcast_arrays(*values)
    result = np.empty(parts[0].shape, dtype=object)
    for index in np.ndindex(result.shape):
        result[index] = separator.encode().join(part[index] for part in parts)
    return result


def string_join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Tensor:
    """The strings of several tensors joined element by element; scalars go with every element."""
    return create("StringJoin", name, list(inputs), separator=separator)


@operation("ReduceJoin", "inputs:string reduction_indices:Tidx", _infer_reduce, differentiable=False, Tidx=INDEX)
def _reduce_join(value: np.ndarray, axes: torch.Tensor, *, keep_dims: bool, separator: str) -> np.ndarray:
    # the first axis is joined first: its neighbours stand side by side
    order = [a % value.ndim for a in reversed(axes.reshape(-1).tolist())]
    kept = [d for d in range(value.ndim) if d not in order]
    rows = value.transpose([*kept, *order]).reshape(*[value.shape[d] for d in kept], -1)
    result = np.empty(rows.shape[:-1], dtype=object)
    for index in np.ndindex(result.shape):
        result[index] = separator.encode().join(rows[index])
    return result.reshape([1 if d in order else s for d, s in enumerate(value.shape)]) if keep_dims else result


def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The strings along ``axis`` joined to one; over several axes in the order given, over all by default."""
    axis, keep = _old_names(axis, keepdims, reduction_indices, keep_dims)
    value = convert_to_tensor(inputs, dtypes.string, name="inputs")
    if axis is None:
        if value.shape.ndims is None:
            raise ValueError("reduce_join over all axes needs a tensor of known rank, got one of unknown rank")
        axis = constant(np.arange(value.shape.ndims - 1, -1, -1, dtype=np.int32))
    return create("ReduceJoin", name, value, axis, keep_dims=keep, separator=separator)


def _text_function(op_type: str, function: Callable[[bytes], bytes], doc: str) -> Callable[..., Tensor]:
    operation(op_type, "input:string", same_as_first, differentiable=False)(lambda value: _mapped(value, function))

    def build(input: Any, name: str | None = None) -> Tensor:
        return create(op_type, name, input)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = doc
    return build


string_strip = _text_function("StringStrip", bytes.strip, "Without blanks at both ends.")
string_lower = _text_function("StringLower", bytes.lower, "In lower case (ASCII letters).")
string_upper = _text_function("StringUpper", bytes.upper, "In upper case (ASCII letters).")


@operation(
    "StringLength", "input:string", lambda inputs, attrs: [(dtypes.int32, inputs[0].shape)], differentiable=False
)
def _length(value: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(_mapped(value, len, np.int32))


def string_length(input: Any, name: str | None = None) -> Tensor:
    """The number of bytes."""
    return create("StringLength", name, input)


@operation("Substr", "input:string pos:T len:T", same_as_first, differentiable=False, T=INDEX)
def _substr(value: np.ndarray, pos: torch.Tensor, length: torch.Tensor) -> np.ndarray:
    starts, counts = np.broadcast_to(pos.numpy(), value.shape), np.broadcast_to(length.numpy(), value.shape)
    result = np.empty(value.shape, dtype=object)
    for index, item in np.ndenumerate(value):
        start = int(starts[index])
        if not -len(item) <= start <= len(item):
            raise ValueError(
                f"pos {start} out of range for string b'{item.decode(errors='replace')}' at index {list(index)}"
            )
        start += len(item) if start < 0 else 0
        result[index] = item[start : start + int(counts[index])]
    return result


def substr(input: Any, pos: Any, len: Any, name: str | None = None) -> Tensor:
    """``len`` bytes from ``pos`` on, of each string; a position out of range is an error."""
    return create("Substr", name, input, pos, len)


@operation("RegexReplace", "input:string", same_as_first, differentiable=False)
def _regex_replace(value: np.ndarray, *, pattern: bytes, rewrite: bytes, count: int) -> np.ndarray:
    compiled = re.compile(pattern)
    return _mapped(value, lambda item: compiled.sub(rewrite, item, count=count))


def regex_replace(
    input: Any,
    pattern: str,
    rewrite: str,
    replace_global: bool = True,
    name: str | None = None,
) -> Tensor:
    r"""What matches ``pattern`` replaced by ``rewrite``, in which ``\1`` stands for the first group."""
    # TensorFlow writes the whole match as \0, Python as \g<0>
    text = rewrite.encode().replace(b"\\0", b"\\g<0>")
    count = 0 if replace_global else 1
    return create("RegexReplace", name, input, pattern=pattern.encode(), rewrite=text, count=count)


def _infer_out(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["out_type"], inputs[0].shape)]


@operation("StringToNumber", "string_tensor:string", _infer_out, differentiable=False)
def _to_number(value: np.ndarray, *, out_type: DType) -> torch.Tensor:
    def parse(item: bytes) -> Any:
        try:
            return int(item) if out_type.is_integer else float(item)
        except ValueError:
            raise ValueError(
                f"StringToNumberOp could not correctly convert string: {item.decode(errors='replace')}"
            ) from None

    return torch.from_numpy(_mapped(value, parse, out_type.as_numpy_dtype))


def string_to_number(
    string_tensor: Any = None, out_type: Any = dtypes.float32, name: str | None = None, input: Any = None
) -> Tensor:
    """The numbers that the strings spell."""
    value = input if string_tensor is None else string_tensor
    return create("StringToNumber", name, value, out_type=as_dtype(out_type))


@operation("AsString", "input:T", lambda i, a: [(dtypes.string, i[0].shape)], differentiable=False, T=Types())
def _as_string(value: torch.Tensor, *, template: str) -> np.ndarray:
    array = value.detach().numpy()
    if array.dtype == bool:
        return _mapped(array, lambda item: b"true" if item else b"false")
    return _mapped(array, lambda item: (template % item).encode())


def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Tensor:
    """The numbers written as strings, as C's ``printf`` writes them.

    Args:
        input: numbers or bools.
        precision: digits after the point; 6 by default.
        scientific: with an exponent.
        shortest: with or without one, whichever is shorter.
        width: at least this many characters.
        fill: what fills them: blanks unless given ("0", "+", " " or "-").
        name: operation name.

    Raises:
        ValueError: both ``scientific`` and ``shortest``.
    """
    if scientific and shortest:
        raise ValueError("Cannot select both scientific and shortest notation")
    value = convert_to_tensor(input)
    template = "%" + fill + (str(width) if width > -1 else "")
    if value.dtype.is_floating:
        template += f".{precision}" if precision > -1 else ""
        template += "e" if scientific else "g" if shortest else "f"
    else:
        template += "d"
    return create("AsString", name, value, template=template)
