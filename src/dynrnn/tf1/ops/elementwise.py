"""Functions of one tensor, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import broadcast, same_as_first
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.sparse_tensor import SparseTensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.ops.shape_rules import infer_bool
from dynrnn.tf1.ops.signature import (
    BITS,
    COMPLEX,
    FLOATS,
    REALS_AND_COMPLEX,
    ROUNDABLE,
    Types,
    create,
    operation,
    types_of,
)

__all__ = [
    "abs_",
    "acos",
    "acosh",
    "angle",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bessel_i0",
    "bessel_i0e",
    "bessel_i1",
    "bessel_i1e",
    "ceil",
    "complex_",
    "conj",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "expm1",
    "floor",
    "imag",
    "invert",
    "is_finite",
    "is_inf",
    "is_nan",
    "lgamma",
    "log",
    "log1p",
    "log_sigmoid",
    "logical_not",
    "ndtri",
    "negative",
    "real",
    "reciprocal",
    "rint",
    "round_",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
]

Build = Callable[..., Tensor]
_SQUARE = Types((*ROUNDABLE.names[:8], "uint8", "uint16", "uint32", "uint64", *COMPLEX.names))
# torch has complex kernels for these; its erf and the like have none, nor have TensorFlow's
_FC = REALS_AND_COMPLEX


def _unary(
    op_type: str,
    kernel: Callable[..., Any],
    types: Types,
    doc: str,
    *torch_functions: Any,
    infer: Any = same_as_first,
    differentiable: bool = True,
    argument: str = "x:T",
    of_sparse: bool = False,
) -> Build:
    """Register ``kernel`` as ``op_type`` and give the function that builds it, ``of_sparse`` for sparse tensors too."""
    operation(op_type, argument, infer, differentiable=differentiable, T=types)(kernel)

    def build(x: Any, name: str | None = None) -> Any:
        if of_sparse and isinstance(x, SparseTensor):
            return x.with_values(create(op_type, name, x.values))
        return create(op_type, name, x)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = doc
    if torch_functions:
        translates(*torch_functions)(_one_argument(build))
    return build


def _one_argument(build: Build) -> Build:
    return lambda input: build(input)


def _rounding(kernel: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Rounding leaves integers alone."""
    return lambda x: kernel(x) if x.is_floating_point() else x


def _sign(x: torch.Tensor) -> torch.Tensor:
    if x.is_floating_point():
        # NaN has the sign NaN, where torch says 0
        return torch.where(torch.isnan(x), x.detach(), torch.sign(x))
    return torch.sgn(x) if x.is_complex() else torch.sign(x)


def _reciprocal(x: torch.Tensor) -> torch.Tensor:
    if x.is_floating_point() or x.is_complex():
        return torch.reciprocal(x)
    if bool((x == 0).any()):
        raise ValueError("Integer division by zero")
    return torch.div(torch.ones_like(x), x, rounding_mode="trunc")


tanh = _unary("Tanh", torch.tanh, _FC, "Hyperbolic tangent.", torch.tanh, of_sparse=True)
sigmoid = _unary("Sigmoid", torch.sigmoid, _FC, "``1 / (1 + exp(-x))``.", torch.sigmoid)
exp = _unary("Exp", torch.exp, _FC, "``e`` to the power x.", torch.exp)
expm1 = _unary("Expm1", torch.expm1, _FC, "``exp(x) - 1``.", torch.expm1)
log = _unary("Log", torch.log, _FC, "Natural logarithm.", torch.log)
log1p = _unary("Log1p", torch.log1p, _FC, "``log(1 + x)``.", torch.log1p)
sqrt = _unary("Sqrt", torch.sqrt, _FC, "Square root.", torch.sqrt, of_sparse=True)
rsqrt = _unary("Rsqrt", torch.rsqrt, _FC, "``1 / sqrt(x)``.", torch.rsqrt)
square = _unary("Square", torch.square, _SQUARE, "``x * x``.", torch.square, of_sparse=True)
negative = _unary("Neg", torch.neg, ROUNDABLE, "``-x``.", torch.neg, of_sparse=True)
reciprocal = _unary("Reciprocal", _reciprocal, ROUNDABLE, "``1 / x``.", torch.reciprocal)
sin = _unary("Sin", torch.sin, _FC, "Sine.", torch.sin)
cos = _unary("Cos", torch.cos, _FC, "Cosine.", torch.cos)
tan = _unary("Tan", torch.tan, _FC, "Tangent.", torch.tan)
asin = _unary("Asin", torch.asin, _FC, "Inverse sine.", torch.asin)
acos = _unary("Acos", torch.acos, _FC, "Inverse cosine.", torch.acos)
atan = _unary("Atan", torch.atan, _FC, "Inverse tangent.", torch.atan)
sinh = _unary("Sinh", torch.sinh, _FC, "Hyperbolic sine.", torch.sinh)
cosh = _unary("Cosh", torch.cosh, _FC, "Hyperbolic cosine.", torch.cosh)
asinh = _unary("Asinh", torch.asinh, _FC, "Inverse hyperbolic sine.", torch.asinh)
acosh = _unary("Acosh", torch.acosh, _FC, "Inverse hyperbolic cosine.", torch.acosh)
atanh = _unary("Atanh", torch.atanh, _FC, "Inverse hyperbolic tangent.", torch.atanh)
erf = _unary("Erf", torch.erf, FLOATS, "Error function.", torch.erf, of_sparse=True)
erfc = _unary("Erfc", torch.erfc, FLOATS, "``1 - erf(x)``.", torch.erfc)
erfinv = _unary("Erfinv", torch.erfinv, FLOATS, "Inverse of the error function.", torch.erfinv)
ndtri = _unary("Ndtri", torch.special.ndtri, FLOATS, "Quantile function of the standard normal distribution.")
lgamma = _unary("Lgamma", torch.lgamma, FLOATS, "Logarithm of the gamma function.", torch.lgamma)
digamma = _unary("Digamma", torch.digamma, FLOATS, "Derivative of ``lgamma``.", torch.digamma)
bessel_i0 = _unary("BesselI0", torch.special.i0, FLOATS, "Modified Bessel function of order 0.")
bessel_i0e = _unary("BesselI0e", torch.special.i0e, FLOATS, "``exp(-abs(x)) * bessel_i0(x)``.")
bessel_i1 = _unary("BesselI1", torch.special.i1, FLOATS, "Modified Bessel function of order 1.")
bessel_i1e = _unary("BesselI1e", torch.special.i1e, FLOATS, "``exp(-abs(x)) * bessel_i1(x)``.")
sign = _unary("Sign", _sign, ROUNDABLE, "-1, 0 or 1.", torch.sign, of_sparse=True)
# torch rounds halves to even, as TensorFlow does
floor = _unary("Floor", torch.floor, FLOATS, "Largest integer not above.", torch.floor, differentiable=False)
ceil = _unary("Ceil", torch.ceil, FLOATS, "Smallest integer not below.", torch.ceil, differentiable=False)
rint = _unary("Rint", torch.round, FLOATS, "Nearest integer, halves to even.", differentiable=False)
_round = _unary("Round", torch.round, FLOATS, "Nearest integer, halves to even.", differentiable=False)
invert = _unary("Invert", torch.bitwise_not, BITS, "Every bit turned over.", differentiable=False)
logical_not = _unary(
    "LogicalNot", torch.logical_not, Types(), "Negation.", torch.logical_not, differentiable=False, argument="x:bool"
)
is_nan = _unary("IsNan", torch.isnan, FLOATS, "Where NaN stands.", torch.isnan, infer=infer_bool, differentiable=False)
is_inf = _unary(
    "IsInf", torch.isinf, FLOATS, "Where an infinity stands.", torch.isinf, infer=infer_bool, differentiable=False
)
is_finite = _unary(
    "IsFinite", torch.isfinite, FLOATS, "Where a number stands.", torch.isfinite, infer=infer_bool, differentiable=False
)


def round_(x: Any, name: str | None = None) -> Tensor:
    """Nearest integer, halves to even; integers stay what they are."""
    value = convert_to_tensor(x, name="x")
    return value if value.dtype.is_integer else _round(value, name)


@translates(torch.round)
def _torch_round(input: Any) -> Tensor:
    return round_(input)


def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """``log(sigmoid(x))`` without overflow: ``-softplus(-x)``."""
    with name_scope(name, "LogSigmoid", [x]) as scope:
        value = convert_to_tensor(x, name="x")
        return create("LogSigmoid", scope, value)


@operation("LogSigmoid", "x:T", same_as_first, T=FLOATS)
def _log_sigmoid(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.logsigmoid(x)


# --- complex numbers --------------------------------------------------------------------------------------------------


def _infer_real(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(inputs[0].dtype.real_dtype, inputs[0].shape)]


@operation("Abs", "x:T", _infer_real, T=ROUNDABLE)
def _abs(x: torch.Tensor) -> torch.Tensor:
    return torch.abs(x)


def abs_(x: Any, name: str | None = None) -> Any:
    """Absolute value, of complex numbers too; a sparse tensor gives a sparse tensor."""
    if isinstance(x, SparseTensor):
        return x.with_values(abs_(x.values, name))
    with name_scope(name, "Abs", [x]) as scope:
        return create("Abs", scope, convert_to_tensor(x, name="x"))


@translates(torch.abs)
def _torch_abs(input: Any) -> Tensor:
    return abs_(input)


def _infer_complex(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    ((dtype, shape),) = broadcast(inputs, attrs)
    return [(as_dtype("complex64" if dtype.name == "float32" else "complex128"), shape)]


@operation("Complex", "real:T imag:T", _infer_complex, T=types_of("float32 float64"))
def _complex(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.complex(*torch.broadcast_tensors(x, y))


def complex_(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """Complex numbers from their real and imaginary parts."""
    with name_scope(name, "Complex", [real, imag]) as scope:
        return create("Complex", scope, convert_to_tensor(real, name="real"), convert_to_tensor(imag, name="imag"))


_real = _unary("Real", torch.real, COMPLEX, "Real part.", infer=_infer_real, argument="input:T")
_imag = _unary("Imag", torch.imag, COMPLEX, "Imaginary part.", infer=_infer_real, argument="input:T")
_angle = _unary("Angle", torch.angle, COMPLEX, "Argument.", infer=_infer_real, argument="input:T")
_conj = _unary("Conj", lambda x: torch.conj(x).resolve_conj(), COMPLEX, "Complex conjugate.", argument="input:T")


def real(input: Any, name: str | None = None) -> Tensor:
    """Real part; real numbers are their own."""
    with name_scope(name, "Real", [input]) as scope:
        value = convert_to_tensor(input, name="input")
        return _real(value, scope) if value.dtype.is_complex else value


def imag(input: Any, name: str | None = None) -> Tensor:
    """Imaginary part; 0 for real numbers."""
    with name_scope(name, "Imag", [input]) as scope:
        value = convert_to_tensor(input, name="input")
        return _imag(value, scope) if value.dtype.is_complex else create("ZerosLike", "zeros_like", value)


def angle(input: Any, name: str | None = None) -> Tensor:
    """Argument in radians; 0 or pi for real numbers."""
    with name_scope(name, "Angle", [input]) as scope:
        value = convert_to_tensor(input, name="input")
        if value.dtype.is_complex:
            return _angle(value, scope)
        return create("RealAngle", scope, value)


@operation("RealAngle", "input:T", same_as_first, differentiable=False, T=FLOATS)
def _real_angle(x: torch.Tensor) -> torch.Tensor:
    return torch.angle(x)


def conj(x: Any, name: str | None = None) -> Tensor:
    """Complex conjugate; real numbers are their own."""
    value = convert_to_tensor(x)
    if value.dtype.is_complex:
        return _conj(value, name)
    if not (value.dtype.is_floating or value.dtype.is_integer):
        raise TypeError(f"Expected numeric or variant tensor, got dtype {value.dtype!r}")
    return value
