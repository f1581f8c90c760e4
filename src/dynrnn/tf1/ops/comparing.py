"""Comparisons and logic, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.infer import broadcast_bool
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.arithmetic import bitwise_and, bitwise_or, bitwise_xor
from dynrnn.tf1.ops.elementwise import invert, logical_not
from dynrnn.tf1.ops.shape_rules import broadcasting
from dynrnn.tf1.ops.signature import REALS, Types, create, operation

__all__ = [
    "and_",
    "equal",
    "greater",
    "greater_equal",
    "invert_",
    "less",
    "less_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "not_equal",
    "or_",
    "xor_",
]

Build = Callable[..., Tensor]


def _comparison(
    op_type: str,
    kernel: Callable[..., Any],
    doc: str,
    *torch_functions: Any,
    types: Types = REALS,
    arguments: str = "x:T y:T",
) -> Build:
    operation(op_type, arguments, broadcast_bool, differentiable=False, T=types)(broadcasting(kernel))

    def build(x: Any, y: Any, name: str | None = None) -> Tensor:
        return create(op_type, name, x, y)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = doc
    translates(*torch_functions)(lambda input, other: build(input, other))
    return build


def _equal(x: Any, y: Any) -> torch.Tensor:
    if isinstance(x, np.ndarray):
        return torch.from_numpy(np.asarray(x == y, dtype=bool))
    return torch.eq(x, y)


def _not_equal(x: Any, y: Any) -> torch.Tensor:
    if isinstance(x, np.ndarray):
        return torch.from_numpy(np.asarray(x != y, dtype=bool))
    return torch.ne(x, y)


_BOOLS = "x:bool y:bool"
equal = _comparison("Equal", _equal, "Where x == y.", torch.eq, types=Types())
not_equal = _comparison("NotEqual", _not_equal, "Where x != y.", torch.ne, types=Types())
less = _comparison("Less", torch.lt, "Where x < y.", torch.lt)
less_equal = _comparison("LessEqual", torch.le, "Where x <= y.", torch.le)
greater = _comparison("Greater", torch.gt, "Where x > y.", torch.gt)
greater_equal = _comparison("GreaterEqual", torch.ge, "Where x >= y.", torch.ge)
logical_and = _comparison("LogicalAnd", torch.logical_and, "Where both hold.", torch.logical_and, arguments=_BOOLS)
logical_or = _comparison("LogicalOr", torch.logical_or, "Where either holds.", torch.logical_or, arguments=_BOOLS)


def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Tensor:
    """Where exactly one holds."""
    return logical_and(logical_or(x, y), logical_not(logical_and(x, y)), name=name)


def _bitwise_or_logical(logical: Build, bitwise: Build, doc: str) -> Build:
    def build(x: Any, y: Any, name: str | None = None) -> Tensor:
        kind = next(v for v in (x, y) if isinstance(v, (Tensor, Variable))).dtype
        return (bitwise if kind.is_integer else logical)(x, y, name)

    build.__doc__ = doc
    return build


and_ = _bitwise_or_logical(logical_and, bitwise_and, "``x & y``: of bools, or of the bits of integers.")
or_ = _bitwise_or_logical(logical_or, bitwise_or, "``x | y``: of bools, or of the bits of integers.")
xor_ = _bitwise_or_logical(logical_xor, bitwise_xor, "``x ^ y``: of bools, or of the bits of integers.")


def invert_(x: Any, name: str | None = None) -> Tensor:
    """``~x``: of bools, or of the bits of integers."""
    value = convert_to_tensor(x)
    return invert(value, name) if value.dtype.is_integer else logical_not(value, name)
