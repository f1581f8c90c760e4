"""Division: Python 3's, Python 2's, and rounding down."""

from __future__ import annotations

from typing import Any

import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.arithmetic import floor_div, truncatediv
from dynrnn.tf1.ops.casting import cast
from dynrnn.tf1.ops.signature import create

__all__ = ["div", "divide", "floordiv", "truediv"]

_AS_FLOAT = {
    dtypes.uint8: dtypes.float32,
    dtypes.int8: dtypes.float32,
    dtypes.uint16: dtypes.float32,
    dtypes.int16: dtypes.float32,
    dtypes.int32: dtypes.float64,
    dtypes.int64: dtypes.float64,
    dtypes.uint32: dtypes.float64,
    dtypes.uint64: dtypes.float64,
}


def _pair(x: Any, y: Any) -> tuple[Tensor, Tensor, DType]:
    """The operands of a division as tensors of one type."""
    a = convert_to_tensor(x, name="x")
    b = convert_to_tensor(y, preferred_dtype=a.dtype.base_dtype, name="y")
    kind = a.dtype.base_dtype
    if kind is not b.dtype.base_dtype:
        raise TypeError(f"x and y must have the same dtype, got {kind!r} != {b.dtype.base_dtype!r}")
    return a, b, kind


def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Division as Python 3's ``/``: integers become floats first (float32 for 8 and 16 bits, float64 for more).

    Raises:
        TypeError: different dtypes.
    """
    with name_scope(name, "truediv", [x, y]) as scope:
        a, b, kind = _pair(x, y)
        if kind in _AS_FLOAT:
            a, b = cast(a, _AS_FLOAT[kind]), cast(b, _AS_FLOAT[kind])
        elif not (kind.is_floating or kind.is_complex):
            raise TypeError(f"`x` and `y` must be numbers, got {kind!r}")
        return create("RealDiv", scope, a, b)


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x / y`` as Python 3 means it."""
    if name is not None:
        return truediv(x, y, name)
    tensor = x if isinstance(x, (Tensor, Variable)) or isinstance(y, (Tensor, Variable)) else convert_to_tensor(x)
    return tensor / y


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Division as Python 2's ``/``: integers stay integers, rounded down."""
    with name_scope(name, "div", [x, y]) as scope:
        a = convert_to_tensor(x, name="x")
        b = convert_to_tensor(y, a.dtype.base_dtype, name="y")
        exact = a.dtype.is_floating or a.dtype.is_complex
        return create("RealDiv" if exact else "FloorDiv", scope, a, b)


def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x // y``: the quotient rounded down."""
    with name_scope(name, "floordiv", [x, y]) as scope:
        return floor_div(x, y, name=scope)


@translates(torch.div, torch.divide, torch.true_divide)
def _torch_div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    if rounding_mode == "floor":
        return floor_div(input, other)
    return truncatediv(input, other) if rounding_mode == "trunc" else truediv(input, other)
