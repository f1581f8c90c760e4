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
from dynrnn.tf1.ops.reducing import infer_reduce, old_names
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


@operation("ReduceJoin", "inputs:string reduction_indices:Tidx", infer_reduce, differentiable=False, Tidx=INDEX)
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
    axis, keep = old_names(axis, keepdims, reduction_indices, keep_dims)
    value = convert_to_tensor(inputs, dtypes.string, name="inputs")
    if axis is None:
        if value.shape.ndims is None:
            raise ValueError("reduce_join over all axes needs a tensor of known rank, got one of unknown rank")
        axis = constant(np.arange(value.shape.ndims - 1, -1, -1, dtype=np.int32))
    return create("ReduceJoin", name, value, axis, keep_dims=keep, separator=separator)


@operation("StringStrip", "input:string", same_as_first, differentiable=False)
def _strip(value: np.ndarray) -> np.ndarray:
    return _mapped(value, bytes.strip)


def string_strip(input: Any, name: str | None = None) -> Tensor:
    """Without blanks at both ends."""
    return create("StringStrip", name, input)


def _cased(value: np.ndarray, encoding: str, of_bytes: Any, of_text: Any) -> np.ndarray:
    return _mapped(value, lambda item: of_text(item.decode()).encode() if encoding else of_bytes(item))


@operation("StringLower", "input:string", same_as_first, differentiable=False)
def _lower(value: np.ndarray, *, encoding: str) -> np.ndarray:
    return _cased(value, encoding, bytes.lower, str.lower)


@operation("StringUpper", "input:string", same_as_first, differentiable=False)
def _upper(value: np.ndarray, *, encoding: str) -> np.ndarray:
    return _cased(value, encoding, bytes.upper, str.upper)


def _checked_encoding(encoding: str) -> str:
    if encoding not in ("", "utf-8"):
        raise ValueError(f"only utf-8 or '' (no encoding) is supported as encoding, received {encoding!r}")
    return encoding


def string_lower(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """In lower case: ASCII letters, or with the encoding "utf-8" all."""
    return create("StringLower", name, input, encoding=_checked_encoding(encoding))


def string_upper(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """In upper case: ASCII letters, or with the encoding "utf-8" all."""
    return create("StringUpper", name, input, encoding=_checked_encoding(encoding))


def _characters(item: bytes, unit: str) -> Any:
    """What is counted: bytes, or the characters of UTF-8."""
    return item.decode() if unit == "UTF8_CHAR" else item


def _checked_unit(unit: str) -> str:
    if unit not in ("BYTE", "UTF8_CHAR"):
        raise ValueError(f"unit must be 'BYTE' or 'UTF8_CHAR', got {unit!r}")
    return unit


@operation("StringLength", "input:string", lambda i, a: [(dtypes.int32, i[0].shape)], differentiable=False)
def _length(value: np.ndarray, *, unit: str) -> torch.Tensor:
    return torch.from_numpy(_mapped(value, lambda item: len(_characters(item, unit)), np.int32))


def string_length(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """The number of bytes, or of characters with the unit "UTF8_CHAR"."""
    return create("StringLength", name, input, unit=_checked_unit(unit))


@operation("Substr", "input:string pos:T len:T", same_as_first, differentiable=False, T=INDEX)
def _substr(value: np.ndarray, pos: torch.Tensor, length: torch.Tensor, *, unit: str) -> np.ndarray:
    starts, counts = np.broadcast_to(pos.numpy(), value.shape), np.broadcast_to(length.numpy(), value.shape)
    result = np.empty(value.shape, dtype=object)
    for index, item in np.ndenumerate(value):
        text, start = _characters(item, unit), int(starts[index])
        if not -len(text) <= start <= len(text):
            raise ValueError(f"pos {start} out of range for string {item!r} at index {list(index)}")
        start += len(text) if start < 0 else 0
        part = text[start : start + int(counts[index])]
        result[index] = part.encode() if isinstance(part, str) else part
    return result


def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """``len`` bytes (or characters) from ``pos`` on, of each string; a position out of range is an error."""
    return create("Substr", name, input, pos, len, unit=_checked_unit(unit))


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
