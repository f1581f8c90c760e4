"""Functions of two tensors, element by element, with broadcasting: sums, products, quotients, powers, bounds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import broadcast
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.ops.inputs import identity
from dynrnn.tf1.ops.shape_rules import broadcasting, listed, merge
from dynrnn.tf1.ops.signature import (
    BITS,
    COMPLEX,
    FLOATS,
    NUMBERS,
    REALS_AND_COMPLEX,
    SUMMABLE,
    Types,
    create,
    operation,
    types_of,
)

__all__ = [
    "accumulate_n",
    "add",
    "add_n",
    "atan2",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "clip_by_value",
    "div_no_nan",
    "floor_div",
    "floormod",
    "igamma",
    "igammac",
    "left_shift",
    "maximum",
    "minimum",
    "multiply",
    "multiply_no_nan",
    "nextafter",
    "polygamma",
    "polyval",
    "pow_",
    "realdiv",
    "reciprocal_no_nan",
    "right_shift",
    "scalar_mul",
    "squared_difference",
    "subtract",
    "truncatediv",
    "truncatemod",
    "xdivy",
    "xlog1py",
    "xlogy",
    "zeta",
]

Build = Callable[..., Tensor]
_ADDABLE = Types(
    ("bfloat16", "float16", "float32", "float64", *BITS.names[4:], *BITS.names[:4], *COMPLEX.names, "string")
)
_ORDERED = types_of("bfloat16 float16 float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64")
_MODULAR = Types((*BITS.names, *FLOATS.names))
_POWERS = Types(("bfloat16", "float32", "float16", "float64", "int8", "int16", "int32", "int64", *COMPLEX.names))
_DIFFERENCES = Types((*FLOATS.names, "int32", "int64", *COMPLEX.names))


def _binary(
    op_type: str,
    kernel: Callable[..., Any],
    types: Types,
    doc: str,
    *torch_functions: Any,
    differentiable: bool = True,
    arguments: str = "x:T y:T",
) -> Build:
    """Register ``kernel`` as ``op_type`` and give the function that builds it."""
    operation(op_type, arguments, broadcast, differentiable=differentiable, T=types)(broadcasting(kernel))

    def build(x: Any, y: Any, name: str | None = None) -> Tensor:
        return create(op_type, name, x, y)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = doc
    if torch_functions:
        translates(*torch_functions)(_two_arguments(build))
    return build


def _two_arguments(build: Build) -> Build:
    return lambda input, other: build(input, other)


def _add(x: Any, y: Any) -> Any:
    if isinstance(x, np.ndarray):  # strings are joined
        return np.array(x + y, dtype=object)
    return x + y


def _refuse_zero(y: torch.Tensor) -> None:
    if not y.is_floating_point() and not y.is_complex() and bool((y == 0).any()):
        raise ValueError("Integer division by zero")


def _real_div(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if x.is_floating_point() or x.is_complex():
        return x / y
    return _truncated(x, y)


def _truncated(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    _refuse_zero(y)
    return torch.div(x, y, rounding_mode="trunc")


def _floored(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if x.is_floating_point():
        return torch.floor(x / y)
    _refuse_zero(y)
    return torch.div(x, y, rounding_mode="floor")


def _floor_mod(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    _refuse_zero(y)
    return torch.remainder(x, y)


def _truncate_mod(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    _refuse_zero(y)
    return torch.fmod(x, y)


def _div_no_nan(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # the divisor is replaced before dividing, so that no NaN arises in the derivative either
    zero = y == 0
    return torch.where(zero, torch.zeros_like(x), x / torch.where(zero, torch.ones_like(y), y))


def _mul_no_nan(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    zero = y == 0
    return torch.where(zero, torch.zeros_like(x), torch.where(zero, torch.zeros_like(x), x) * y)


def _xlogy(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # where x is 0 both derivatives are too
    zero = x == 0
    return torch.where(zero, torch.zeros_like(x), x * torch.log(torch.where(zero, torch.ones_like(y), y)))


def _xlog1py(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    zero = x == 0
    return torch.where(zero, torch.zeros_like(x), x * torch.log1p(torch.where(zero, torch.zeros_like(y), y)))


def _xdivy(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    zero = x == 0
    return torch.where(zero, torch.zeros_like(x), x / torch.where(zero, torch.ones_like(y), y))


def _maximum(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # of equal values the first is chosen, and gets the whole derivative; NaN wins
    return torch.where((x >= y) | (x != x), x, y)


def _minimum(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.where((x <= y) | (x != x), x, y)


def _pow(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if not x.is_floating_point() and not x.is_complex() and bool((y < 0).any()):
        raise ValueError("Integers to negative integer powers are not allowed")
    return torch.pow(x, y)


def _squared_difference(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    difference = x - y
    return difference * difference.conj() if difference.is_complex() else torch.square(difference)


add = _binary("Add", _add, _ADDABLE, "``x + y``; strings are joined.", torch.add)
subtract = _binary("Sub", operator.sub, NUMBERS, "``x - y``.", torch.sub, torch.subtract)
multiply = _binary("Mul", operator.mul, NUMBERS, "``x * y``.", torch.mul, torch.multiply)
realdiv = _binary("RealDiv", _real_div, NUMBERS, "``x / y`` without a change of type.")
truncatediv = _binary("TruncateDiv", _truncated, NUMBERS, "Quotient cut towards zero.", differentiable=False)
floor_div = _binary("FloorDiv", _floored, NUMBERS, "Quotient rounded down.", differentiable=False)
floormod = _binary("FloorMod", _floor_mod, _MODULAR, "Remainder with the sign of the divisor.")
truncatemod = _binary("TruncateMod", _truncate_mod, _MODULAR, "Remainder with the sign of the dividend.")
_power = _binary("Pow", _pow, _POWERS, "``x`` to the power ``y``.", torch.pow)
maximum = _binary("Maximum", _maximum, _ORDERED, "The larger of the two.", torch.maximum)
minimum = _binary("Minimum", _minimum, _ORDERED, "The smaller of the two.", torch.minimum)
squared_difference = _binary("SquaredDifference", _squared_difference, _DIFFERENCES, "``(x - y) * conj(x - y)``.")
_atan2 = _binary("Atan2", torch.atan2, FLOATS, "Angle of the point (x, y).", torch.atan2, arguments="y:T x:T")
_quotient = _binary("DivNoNan", _div_no_nan, REALS_AND_COMPLEX, "``x / y``, and 0 where y is 0.")
_product = _binary("MulNoNan", _mul_no_nan, REALS_AND_COMPLEX, "``x * y``, and 0 where y is 0.")
xlogy = _binary("Xlogy", _xlogy, REALS_AND_COMPLEX, "``x * log(y)``, and 0 where x is 0.")
xlog1py = _binary("Xlog1py", _xlog1py, REALS_AND_COMPLEX, "``x * log1p(y)``, and 0 where x is 0.")
xdivy = _binary("Xdivy", _xdivy, REALS_AND_COMPLEX, "``x / y``, and 0 where x is 0.")
_igamma = _binary(
    "Igamma", torch.special.gammainc, FLOATS, "Lower regularized incomplete gamma function.", arguments="a:T x:T"
)
_igammac = _binary(
    "Igammac", torch.special.gammaincc, FLOATS, "Upper regularized incomplete gamma function.", arguments="a:T x:T"
)
_zeta = _binary("Zeta", torch.special.zeta, FLOATS, "Hurwitz zeta function.", arguments="x:T q:T")
_nextafter = _binary(
    "NextAfter",
    torch.nextafter,
    types_of("float64 float32"),
    "The number next to x1 on the way to x2.",
    differentiable=False,
    arguments="x1:T x2:T",
)
bitwise_and = _binary("BitwiseAnd", operator.and_, BITS, "The bits set in both.", differentiable=False)
bitwise_or = _binary("BitwiseOr", operator.or_, BITS, "The bits set in either.", differentiable=False)
bitwise_xor = _binary("BitwiseXor", operator.xor, BITS, "The bits set in exactly one.", differentiable=False)
left_shift = _binary(
    "LeftShift", torch.bitwise_left_shift, BITS, "The bits of x moved left by y.", differentiable=False
)
right_shift = _binary(
    "RightShift", torch.bitwise_right_shift, BITS, "The bits of x moved right by y.", differentiable=False
)


def _polygamma_kernel(a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    orders = sorted(set(a.reshape(-1).tolist()))
    result = torch.zeros(torch.broadcast_shapes(a.shape, x.shape), dtype=x.dtype)
    for order in orders:
        result = torch.where(a == order, torch.polygamma(int(order), x), result)
    return result


_polygamma = _binary(
    "Polygamma",
    _polygamma_kernel,
    types_of("float32 float64"),
    "The a-th derivative of ``digamma`` (whole a).",
    arguments="a:T x:T",
)


def atan2(y: Any, x: Any, name: str | None = None) -> Tensor:
    """Angle of the point (x, y), between -pi and pi."""
    return _atan2(y, x, name)


def igamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """Lower regularized incomplete gamma function of ``a`` at ``x``."""
    return _igamma(a, x, name)


def igammac(a: Any, x: Any, name: str | None = None) -> Tensor:
    """Upper regularized incomplete gamma function of ``a`` at ``x``."""
    return _igammac(a, x, name)


def zeta(x: Any, q: Any, name: str | None = None) -> Tensor:
    """Hurwitz zeta function."""
    return _zeta(x, q, name)


def polygamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The a-th derivative of ``digamma`` at ``x`` (whole a)."""
    return _polygamma(a, x, name)


def nextafter(x1: Any, x2: Any, name: str | None = None) -> Tensor:
    """The number next to ``x1`` on the way to ``x2``."""
    return _nextafter(x1, x2, name)


def pow_(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x`` to the power ``y``."""
    with name_scope(name, "Pow", [x, y]) as scope:
        return _power(x, y, name=scope)


def div_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x / y``, and 0 where y is 0."""
    with name_scope(name, "div_no_nan", [x, y]) as scope:
        a = convert_to_tensor(x, name="x")
        return _quotient(a, convert_to_tensor(y, a.dtype.base_dtype, name="y"), name=scope)


def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x * y``, and 0 where y is 0, whatever x is."""
    with name_scope(name, "multiply_no_nan", [x, y]) as scope:
        a = convert_to_tensor(x, name="x")
        return _product(a, convert_to_tensor(y, a.dtype.base_dtype, name="y"), name=scope)


def reciprocal_no_nan(x: Any, name: str | None = None) -> Tensor:
    """``1 / x``, and 0 where x is 0."""
    with name_scope(name, "reciprocal_no_nan", [x]) as scope:
        value = convert_to_tensor(x, name="x")
        return _quotient(convert_to_tensor(1, value.dtype.base_dtype, name="one"), value, name=scope)


# --- sums -------------------------------------------------------------------------------------------------------------


def _infer_add_n(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    merged = inputs[-1].shape
    for i in range(len(inputs) - 2, -1, -1):
        try:
            merged = merge(inputs[i].shape, merged)
        except ValueError as error:
            raise ValueError(f"{error}\n\tFrom merging shape {i} with other shapes.") from None
    return [(inputs[0].dtype.base_dtype, merged)]


@operation("AddN", "inputs:T*", _infer_add_n, T=SUMMABLE)
def _add_n(*values: torch.Tensor) -> torch.Tensor:
    for i, value in enumerate(values):
        if value.shape != values[0].shape:
            raise ValueError(
                f"Inputs to operation AddN of type AddN must have the same size and shape.  Input 0: "
                f"{listed(values[0])} != input {i}: {listed(value)}"
            )
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of the tensors.

    Raises:
        ValueError: no tensors, or different shapes.
    """
    if isinstance(inputs, Tensor) or not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape")
    tensors = [convert_to_tensor(value) for value in inputs]
    if len(tensors) == 1:
        return identity(tensors[0], name=name) if name else tensors[0]
    return create("AddN", name, tensors)


def accumulate_n(inputs: Any, shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Tensor:
    """``add_n`` that also checks the shape and the dtype where they are given.

    Raises:
        TypeError: another dtype than ``tensor_dtype``.
        ValueError: no tensors, or another shape than ``shape``.
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape")
    tensors = [convert_to_tensor(value) for value in inputs]
    if any(t.dtype.base_dtype is not tensors[0].dtype.base_dtype for t in tensors):
        raise ValueError("inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape")
    kind = tensors[0].dtype.base_dtype
    if tensor_dtype is not None and kind != tensor_dtype:
        raise TypeError(f"tensor_dtype is {tensor_dtype}, but input is of type {kind}")
    merged = as_shape(shape) if shape is not None else TensorShape(None)
    for tensor in tensors:
        merged = merged.merge_with(tensor.shape)
    if len(tensors) == 1:
        return identity(tensors[0], name=name) if name else tensors[0]
    total = create("AddN", name or "AccumulateNV2", tensors)
    total.set_shape(merged)
    return total


def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Tensor:
    """``scalar * x``.

    Raises:
        ValueError: ``scalar`` is not a scalar.
    """
    value = convert_to_tensor(x)
    factor = convert_to_tensor(scalar, value.dtype.base_dtype, name="scalar")
    if factor.shape.ndims != 0:
        raise ValueError(f"Only scalar multiply works, got shape {factor.shape}")
    return multiply(factor, value, name)


def polyval(coeffs: Sequence[Any], x: Any, name: str | None = None) -> Tensor:
    """The polynomial with these coefficients, the one of the highest power first, at ``x`` (Horner's scheme).

    Raises:
        TypeError: ``coeffs`` is not a list.
    """
    if not isinstance(coeffs, list):
        raise TypeError(f"Argument coeffs must be list type. Received type {type(coeffs)}.")
    with name_scope(name, "polyval", [coeffs, x]):
        at = convert_to_tensor(x, name="x")
        if not coeffs:
            return create("ZerosLike", None, at)
        tensors = [convert_to_tensor(c, name=f"{i}_coeff") for i, c in enumerate(coeffs)]
        result = tensors[0]
        for coefficient in tensors[1:]:
            result = coefficient + result * at
        return result


# --- bounds -----------------------------------------------------------------------------------------------------------


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """``t`` kept between the bounds, which may be tensors that broadcast to it.

    Raises:
        ValueError: bounds of a larger shape than ``t``.
    """
    with name_scope(name, "clip_by_value", [t, clip_value_min, clip_value_max]) as scope:
        value = convert_to_tensor(t, name="t")
        low = minimum(value, clip_value_max)
        value.shape.merge_with(low.shape)
        high = maximum(low, clip_value_min, name=scope)
        value.shape.merge_with(high.shape)
        return high


@translates(torch.clamp, torch.clip)
def _torch_clamp(input: Any, min: Any = None, max: Any = None) -> Tensor:
    if min is None or max is None:
        return minimum(input, max) if min is None else maximum(input, min)
    return clip_by_value(input, min, max)
