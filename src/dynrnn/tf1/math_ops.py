"""``tf.*``: arithmetic, comparisons, reductions, matrix products, and the operators of tensors and variables."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.array_ops import _axis
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply, as_tensors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import broadcast, broadcast_bool, broadcast_shapes, constant_value, same_as_first
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.indexing import getitem

# --- elementwise, one argument ------------------------------------------------------------------------------------------


def _unary(op_type: str, kernel: Callable[..., Any], torch_functions: Sequence[Any], doc: str, **flags: Any) -> Any:
    """Register ``kernel`` as ``op_type`` and give the function that builds it."""
    register(op_type, flags.pop("infer", same_as_first), **flags)(kernel)

    def build(x: Any, name: str | None = None) -> Tensor:
        return apply(op_type, [x], name)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = doc
    if torch_functions:
        translates(*torch_functions)(lambda x: build(x))
    return build


def _integer_safe(kernel: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Rounding leaves integers alone."""
    return lambda x: kernel(x) if x.is_floating_point() else x


tanh = _unary("Tanh", torch.tanh, [torch.tanh], "Hyperbolic tangent.")
sigmoid = _unary("Sigmoid", torch.sigmoid, [torch.sigmoid], "``1 / (1 + exp(-x))``.")
exp = _unary("Exp", torch.exp, [torch.exp], "``e`` to the power x.")
expm1 = _unary("Expm1", torch.expm1, [torch.expm1], "``exp(x) - 1``.")
log = _unary("Log", torch.log, [torch.log], "Natural logarithm.")
log1p = _unary("Log1p", torch.log1p, [torch.log1p], "``log(1 + x)``.")
sqrt = _unary("Sqrt", torch.sqrt, [torch.sqrt], "Square root.")
rsqrt = _unary("Rsqrt", torch.rsqrt, [torch.rsqrt], "``1 / sqrt(x)``.")
square = _unary("Square", torch.square, [torch.square], "``x * x``.")
negative = _unary("Neg", torch.neg, [torch.neg], "``-x``.")
reciprocal = _unary("Reciprocal", torch.reciprocal, [torch.reciprocal], "``1 / x``.")
sin = _unary("Sin", torch.sin, [torch.sin], "Sine.")
cos = _unary("Cos", torch.cos, [torch.cos], "Cosine.")
tan = _unary("Tan", torch.tan, [torch.tan], "Tangent.")
asin = _unary("Asin", torch.asin, [], "Inverse sine.")
acos = _unary("Acos", torch.acos, [], "Inverse cosine.")
atan = _unary("Atan", torch.atan, [], "Inverse tangent.")
sinh = _unary("Sinh", torch.sinh, [], "Hyperbolic sine.")
cosh = _unary("Cosh", torch.cosh, [], "Hyperbolic cosine.")
erf = _unary("Erf", torch.erf, [torch.erf], "Error function.")
lgamma = _unary("Lgamma", torch.lgamma, [], "Logarithm of the gamma function.")
digamma = _unary("Digamma", torch.digamma, [], "Derivative of ``lgamma``.")
sign = _unary("Sign", torch.sign, [torch.sign], "-1, 0 or 1.")
floor = _unary("Floor", _integer_safe(torch.floor), [torch.floor], "Largest integer not above.", differentiable=False)
ceil = _unary("Ceil", _integer_safe(torch.ceil), [torch.ceil], "Smallest integer not below.", differentiable=False)
rint = _unary("Rint", torch.round, [], "Nearest integer, halves to even.", differentiable=False)
# torch rounds halves to even, as TensorFlow does
round_ = _unary("Round", _integer_safe(torch.round), [torch.round], "Nearest integer, halves to even.", differentiable=False)
logical_not = _unary("LogicalNot", torch.logical_not, [], "Negation.", differentiable=False)


def _infer_bool(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(dtypes.bool_, inputs[0].shape)]


is_nan = _unary("IsNan", torch.isnan, [], "Where NaN stands.", infer=_infer_bool, differentiable=False)
is_inf = _unary("IsInf", torch.isinf, [], "Where an infinity stands.", infer=_infer_bool, differentiable=False)
is_finite = _unary("IsFinite", torch.isfinite, [], "Where a number stands.", infer=_infer_bool, differentiable=False)


@register("Abs", lambda inputs, attrs: [(inputs[0].dtype.real_dtype, inputs[0].shape)])
def _abs(x: torch.Tensor) -> torch.Tensor:
    return torch.abs(x)


@translates(torch.abs)
def abs_(x: Any, name: str | None = None) -> Tensor:
    """Absolute value."""
    return apply("Abs", [x], name)


# --- elementwise, two arguments -----------------------------------------------------------------------------------------


def _binary(
    op_type: str, kernel: Callable[..., Any], torch_functions: Sequence[Any], doc: str, infer: Any = broadcast, **flags: Any
) -> Any:
    register(op_type, infer, **flags)(kernel)

    def build(x: Any, y: Any, name: str | None = None) -> Tensor:
        return apply(op_type, as_tensors([x, y], op_type), name)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = doc
    if torch_functions:
        translates(*torch_functions)(lambda x, y: build(x, y))
    return build


def _add_kernel(x: Any, y: Any) -> Any:
    return x + y  # also joins strings


def _truncated(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    _refuse_zero(y)
    return torch.div(x, y, rounding_mode="trunc")


def _floored(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    _refuse_zero(y)
    return torch.div(x, y, rounding_mode="floor")


def _floor_mod(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    _refuse_zero(y)
    return torch.remainder(x, y)


def _refuse_zero(y: torch.Tensor) -> None:
    if not y.is_floating_point() and y.device.type != "meta" and bool((y == 0).any()):
        raise ValueError("Integer division by zero")


def _div_no_nan(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # the divisor is replaced before dividing, so that no NaN arises in the derivative either
    zero = y == 0
    return torch.where(zero, torch.zeros_like(x), x / torch.where(zero, torch.ones_like(y), y))


def _larger(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # where both are equal TensorFlow gives the whole gradient to the first; a NaN on either side stays
    return torch.where((x >= y) | torch.isnan(x), x, y)


def _smaller(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.where((x <= y) | torch.isnan(x), x, y)


add = _binary("Add", _add_kernel, [torch.add], "``x + y``.")
subtract = _binary("Sub", operator.sub, [torch.sub, torch.subtract], "``x - y``.")
multiply = _binary("Mul", operator.mul, [torch.mul, torch.multiply], "``x * y``.")
real_divide = _binary("RealDiv", operator.truediv, [], "``x / y`` of floating-point tensors.")
truncate_div = _binary("TruncateDiv", _truncated, [], "Quotient cut towards zero.", differentiable=False)
floor_div = _binary("FloorDiv", _floored, [], "Quotient rounded down.", differentiable=False)
floormod = _binary("FloorMod", _floor_mod, [], "Remainder with the sign of the divisor.")
truncatemod = _binary("TruncateMod", torch.fmod, [], "Remainder with the sign of the dividend.")
pow_ = _binary("Pow", torch.pow, [torch.pow], "``x`` to the power ``y``.")
maximum = _binary("Maximum", _larger, [torch.maximum], "The larger of the two.")
minimum = _binary("Minimum", _smaller, [torch.minimum], "The smaller of the two.")
squared_difference = _binary("SquaredDifference", lambda x, y: torch.square(x - y), [], "``(x - y) * (x - y)``.")
atan2 = _binary("Atan2", torch.atan2, [], "Angle of the point (y, x).")
div_no_nan = _binary("DivNoNan", _div_no_nan, [], "``x / y``, and 0 where y is 0.")


def _comparison(op_type: str, kernel: Callable[..., Any], torch_functions: Sequence[Any], doc: str) -> Any:
    return _binary(op_type, kernel, torch_functions, doc, infer=broadcast_bool, differentiable=False)


def _equal_kernel(x: Any, y: Any) -> Any:
    return torch.from_numpy(np.asarray(x == y, dtype=bool)) if isinstance(x, np.ndarray) else torch.eq(x, y)


def _not_equal_kernel(x: Any, y: Any) -> Any:
    return torch.from_numpy(np.asarray(x != y, dtype=bool)) if isinstance(x, np.ndarray) else torch.ne(x, y)


equal = _comparison("Equal", _equal_kernel, [torch.eq], "Where x == y.")
not_equal = _comparison("NotEqual", _not_equal_kernel, [torch.ne], "Where x != y.")
less = _comparison("Less", torch.lt, [torch.lt], "Where x < y.")
less_equal = _comparison("LessEqual", torch.le, [torch.le], "Where x <= y.")
greater = _comparison("Greater", torch.gt, [torch.gt], "Where x > y.")
greater_equal = _comparison("GreaterEqual", torch.ge, [torch.ge], "Where x >= y.")


def _logical(op_type: str, kernel: Callable[..., Any], torch_functions: Sequence[Any], doc: str) -> Any:
    register(op_type, broadcast_bool, differentiable=False)(kernel)

    def build(x: Any, y: Any, name: str | None = None) -> Tensor:
        return apply(op_type, [convert_to_tensor(x, dtypes.bool_), convert_to_tensor(y, dtypes.bool_)], name)

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = doc
    translates(*torch_functions)(lambda x, y: build(x, y))
    return build


logical_and = _logical("LogicalAnd", torch.logical_and, [torch.logical_and], "Where both hold.")
logical_or = _logical("LogicalOr", torch.logical_or, [torch.logical_or], "Where either holds.")


def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Tensor:
    """Where exactly one holds."""
    with name_scope(name):
        return logical_and(logical_or(x, y), logical_not(logical_and(x, y)))


def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Division as Python 3's ``/``: integers become floats first."""
    with name_scope(name, "truediv") as scope:
        a, b = as_tensors([x, y], "RealDiv")
        if a.dtype.is_integer:
            kind = dtypes.float32 if a.dtype.base_dtype.size <= 2 else dtypes.float64
            a, b = cast(a, kind), cast(b, kind)
        return apply("RealDiv", [a, b], scope)


@translates(torch.div, torch.divide, torch.true_divide)
def _torch_div(x: Any, y: Any, *, rounding_mode: str | None = None) -> Tensor:
    if rounding_mode == "floor":
        return floor_div(x, y)
    return truncate_div(x, y) if rounding_mode == "trunc" else truediv(x, y)


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x / y`` as Python 3 means it."""
    return truediv(x, y, name)


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Division as Python 2's ``/``: integers stay integers, rounded down."""
    with name_scope(name, "div") as scope:
        a, b = as_tensors([x, y], "RealDiv")
        return apply("FloorDiv" if a.dtype.is_integer else "RealDiv", [a, b], scope)


def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x // y``."""
    return floor_div(x, y, name=name or "floordiv")


def add_n(inputs: Sequence[Any], name: str | None = None) -> Tensor:
    """The sum of the tensors.

    Raises:
        ValueError: no tensors, or different shapes.
    """
    items = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if not items:
        raise ValueError("inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape")
    return apply("AddN", as_tensors(items, "AddN"), name)


def _infer_add_n(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    merged = inputs[0].shape
    for other in inputs[1:]:
        try:
            merged = merged.merge_with(other.shape)
        except ValueError:
            raise ValueError(f"Shapes must be equal, but are {merged} and {other.shape}") from None
    return [(inputs[0].dtype.base_dtype, merged)]


@register("AddN", _infer_add_n)
def _add_n(*values: torch.Tensor) -> torch.Tensor:
    return sum(values[1:], values[0])  # type: ignore[arg-type]


def accumulate_n(inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Tensor:
    """``add_n`` under its other name."""
    return add_n(inputs, name or "AccumulateNV2")


@register("ClipByValue", lambda inputs, attrs: [(inputs[0].dtype.base_dtype, broadcast_shapes(inputs[0].shape, inputs[0].shape))])
def _clip_by_value(x: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    return _larger(_smaller(x, high), low)


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """``t`` kept between the bounds."""
    return apply("ClipByValue", as_tensors([t, clip_value_min, clip_value_max], "ClipByValue"), name or "clip_by_value")


@translates(torch.clamp, torch.clip)
def _torch_clamp(input: Any, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002
    if min is None or max is None:
        return minimum(input, max) if min is None else maximum(input, min)
    return clip_by_value(input, min, max)


# --- types --------------------------------------------------------------------------------------------------------------


def _infer_cast(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["dtype"], inputs[0].shape)]


@register("Cast", _infer_cast)
def _cast(x: torch.Tensor, *, dtype: DType) -> torch.Tensor:
    return x.to(dtype.torch_dtype)


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """The values as ``dtype``; floats are cut towards zero for integers."""
    kind = as_dtype(dtype).base_dtype
    tensor = convert_to_tensor(x)
    if kind == dtypes.string or tensor.dtype.base_dtype == dtypes.string:
        raise TypeError(f"Cast {tensor.dtype.base_dtype.name} to {kind.name} is not supported")
    return tensor if tensor.dtype.base_dtype is kind else apply("Cast", [tensor], name, dtype=kind)


def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """The values as ``dtype``, those outside its range at its ends."""
    kind = as_dtype(dtype).base_dtype
    tensor = convert_to_tensor(value)
    if tensor.dtype.min < kind.min:
        tensor = maximum(tensor, convert_to_tensor(kind.min, tensor.dtype))
    if tensor.dtype.max > kind.max:
        tensor = minimum(tensor, convert_to_tensor(kind.max, tensor.dtype))
    return cast(tensor, kind, name=name)


def to_float(x: Any, name: str = "ToFloat") -> Tensor:
    """As float32."""
    return cast(x, dtypes.float32, name)


def to_double(x: Any, name: str = "ToDouble") -> Tensor:
    """As float64."""
    return cast(x, dtypes.float64, name)


def to_int32(x: Any, name: str = "ToInt32") -> Tensor:
    """As int32."""
    return cast(x, dtypes.int32, name)


def to_int64(x: Any, name: str = "ToInt64") -> Tensor:
    """As int64."""
    return cast(x, dtypes.int64, name)


# --- sequences of numbers -----------------------------------------------------------------------------------------------


def _infer_range(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    ends = [constant_value(t) for t in inputs]
    dtype = inputs[0].dtype.base_dtype
    if any(e is None for e in ends):
        return [(dtype, unknown_shape(1))]
    start, limit, delta = (e.item() for e in ends)  # type: ignore[union-attr]
    if delta == 0:
        raise ValueError("Requires delta != 0")
    return [(dtype, TensorShape([max(0, int(np.ceil((limit - start) / delta)))]))]


@register("Range", _infer_range, differentiable=False)
def _range(start: torch.Tensor, limit: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    step = delta.item()
    if step == 0 or (limit.item() - start.item()) * step < 0:
        if step == 0:
            raise ValueError("Requires delta != 0")
        return torch.zeros([0], dtype=start.dtype)
    return torch.arange(start.item(), limit.item(), step, dtype=start.dtype)


def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """``start, start + delta, ...`` below ``limit``; with one argument from 0 on."""
    if limit is None:
        start, limit = 0, start
    with name_scope(name, "Range") as scope:
        items = [start, limit, delta]
        if dtype is not None:
            tensors = [convert_to_tensor(v, dtype) if not isinstance(v, Tensor) else cast(v, dtype) for v in items]
        else:
            found = [convert_to_tensor(v) for v in items]
            ranks = [dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64]
            kind = max((t.dtype.base_dtype for t in found), key=ranks.index)
            tensors = [cast(t, kind) for t in found]
        return apply("Range", tensors, scope)


# --- reductions ---------------------------------------------------------------------------------------------------------


def _axes_of(axis: Any) -> tuple[int, ...] | None:
    """An axis argument as a tuple of ints, None for all."""
    if axis is None:
        return None
    if isinstance(axis, Tensor):
        axis = constant_value(axis)
        if axis is None:
            raise ValueError("the axes of a reduction must be known when the graph is built")
    return tuple(int(a) for a in np.atleast_1d(np.asarray(axis, dtype=np.int64)))


def _reduced_shape(shape: TensorShape, axes: tuple[int, ...] | None, keepdims: bool) -> TensorShape:
    if axes is None and not keepdims:
        return TensorShape([])
    if shape.ndims is None:
        return unknown_shape()
    if axes is None:
        return TensorShape([1] * shape.ndims)
    for a in axes:
        if not -shape.ndims <= a < shape.ndims:
            raise ValueError(f"Invalid reduction dimension {a} for input with {shape.ndims} dimensions.")
    dropped = {a % shape.ndims for a in axes}
    if keepdims:
        return TensorShape([1 if i in dropped else d for i, d in enumerate(shape)])
    return TensorShape([d for i, d in enumerate(shape) if i not in dropped])


def _infer_reduce(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(inputs[0].dtype.base_dtype, _reduced_shape(inputs[0].shape, attrs["axes"], attrs["keepdims"]))]


def _dims(x: torch.Tensor, axes: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(range(x.dim())) if axes is None else axes


def _reduction(op_type: str, kernel: Callable[..., torch.Tensor], doc: str, **flags: Any) -> Any:
    def run(x: torch.Tensor, *, axes: tuple[int, ...] | None, keepdims: bool) -> torch.Tensor:
        dims = _dims(x, axes)
        return kernel(x, dims, keepdims) if dims else x

    register(op_type, _infer_reduce, **flags)(run)

    def build(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        where_ = _axes_of(reduction_indices if axis is None else axis)
        keep = bool(keep_dims if keepdims is None else keepdims)
        return apply(op_type, [input_tensor], name, axes=where_, keepdims=keep)

    build.__name__ = build.__qualname__ = f"reduce_{op_type.lower()}"
    build.__doc__ = doc
    return build


def _sum(x: torch.Tensor, dims: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    return torch.sum(x, dims, keepdim=keepdims, dtype=x.dtype)


def _mean(x: torch.Tensor, dims: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    if x.is_floating_point() or x.is_complex():
        return torch.mean(x, dims, keepdim=keepdims)
    count = int(np.prod([x.shape[d] for d in dims], dtype=np.int64))
    # integer tensors have an integer mean, cut towards zero
    return torch.div(torch.sum(x, dims, keepdim=keepdims), max(count, 1), rounding_mode="trunc").to(x.dtype)


def _prod(x: torch.Tensor, dims: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    for d in sorted((d % x.dim() for d in dims), reverse=True):
        x = torch.prod(x, d, keepdim=keepdims, dtype=x.dtype)
    return x


def _logsumexp(x: torch.Tensor, dims: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    return torch.logsumexp(x, dims, keepdim=keepdims)


def _all(x: torch.Tensor, dims: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    for d in sorted((d % x.dim() for d in dims), reverse=True):
        x = torch.all(x, d, keepdim=keepdims)
    return x


def _any(x: torch.Tensor, dims: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    for d in sorted((d % x.dim() for d in dims), reverse=True):
        x = torch.any(x, d, keepdim=keepdims)
    return x


reduce_sum = _reduction("Sum", _sum, "Sum over ``axis`` (all dimensions by default).")
reduce_mean = _reduction("Mean", _mean, "Mean over ``axis`` (all dimensions by default).")
reduce_prod = _reduction("Prod", _prod, "Product over ``axis``.")
# the derivative is shared equally among equal extremes, in torch's amax as in TensorFlow
reduce_max = _reduction("Max", lambda x, d, k: torch.amax(x, d, keepdim=k), "Maximum over ``axis``.")
reduce_min = _reduction("Min", lambda x, d, k: torch.amin(x, d, keepdim=k), "Minimum over ``axis``.")
reduce_logsumexp = _reduction("LogSumExp", _logsumexp, "``log(sum(exp(x)))`` over ``axis``, without overflow.")
reduce_all = _reduction("All", _all, "Whether all hold.", differentiable=False)
reduce_any = _reduction("Any", _any, "Whether any holds.", differentiable=False)


def _translated_reduction(build: Any) -> Callable[..., Tensor]:
    return lambda input, dim=None, keepdim=False: build(input, dim, keepdim)


for _torch_function, _build in (
    (torch.sum, reduce_sum),
    (torch.mean, reduce_mean),
    (torch.amax, reduce_max),
    (torch.amin, reduce_min),
    (torch.logsumexp, reduce_logsumexp),
):
    translates(_torch_function)(_translated_reduction(_build))


def count_nonzero(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The number of elements other than zero."""
    with name_scope(name, "count_nonzero"):
        tensor = convert_to_tensor(input_tensor)
        hits = cast(not_equal(tensor, convert_to_tensor(0, tensor.dtype)), dtypes.int64)
        return cast(reduce_sum(hits, axis, keepdims, reduction_indices=reduction_indices, keep_dims=keep_dims), dtype)


def _infer_arg(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["output_type"], _reduced_shape(inputs[0].shape, (attrs["axis"],), False))]


@register("ArgMax", _infer_arg, differentiable=False)
def _argmax(x: torch.Tensor, *, axis: int, output_type: DType) -> torch.Tensor:
    # numpy guarantees the first of equal values, as TensorFlow does; torch does not
    return torch.from_numpy(np.asarray(np.argmax(x.detach().float().numpy() if x.dtype is torch.bfloat16 else x.detach().numpy(), axis))).to(output_type.torch_dtype)


@register("ArgMin", _infer_arg, differentiable=False)
def _argmin(x: torch.Tensor, *, axis: int, output_type: DType) -> torch.Tensor:
    return torch.from_numpy(np.asarray(np.argmin(x.detach().float().numpy() if x.dtype is torch.bfloat16 else x.detach().numpy(), axis))).to(output_type.torch_dtype)


def argmax(
    input: Any,  # noqa: A002
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """The index of the largest element along ``axis`` (0 by default); of equal ones the first."""
    where_ = dimension if axis is None else axis
    return apply("ArgMax", [input], name, axis=_axis(0 if where_ is None else where_), output_type=as_dtype(output_type))


def argmin(
    input: Any,  # noqa: A002
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """The index of the smallest element along ``axis`` (0 by default); of equal ones the first."""
    where_ = dimension if axis is None else axis
    return apply("ArgMin", [input], name, axis=_axis(0 if where_ is None else where_), output_type=as_dtype(output_type))


# --- matrix products ------------------------------------------------------------------------------------------------------


def _infer_matmul(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    dtype = inputs[0].dtype.base_dtype
    a, b = inputs[0].shape, inputs[1].shape
    if a.ndims is None or b.ndims is None:
        known = a.ndims if a.ndims is not None else b.ndims
        return [(dtype, unknown_shape(known))]
    for shape in (a, b):
        if shape.ndims < 2:  # type: ignore[operator]
            raise ValueError(f"Shape must be rank 2 but is rank {shape.ndims}")
    left, right = a.as_list(), b.as_list()
    if attrs["transpose_a"]:
        left[-2:] = left[:-3:-1]
    if attrs["transpose_b"]:
        right[-2:] = right[:-3:-1]
    if left[-1] is not None and right[-2] is not None and left[-1] != right[-2]:
        raise ValueError(f"Dimensions must be equal, but are {left[-1]} and {right[-2]}")
    batch = broadcast_shapes(TensorShape(left[:-2]), TensorShape(right[:-2]))
    return [(dtype, batch.concatenate([left[-2], right[-1]]))]


@register("MatMul", _infer_matmul)
def _matmul(a: torch.Tensor, b: torch.Tensor, *, transpose_a: bool, transpose_b: bool) -> torch.Tensor:
    return torch.matmul(a.mT if transpose_a else a, b.mT if transpose_b else b)


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Matrix product of the last two dimensions; the dimensions before are a batch.

    Raises:
        ValueError: less than two dimensions, or inner dimensions that differ.
        TypeError: different dtypes.
    """
    tensors = as_tensors([a, b], "MatMul")
    return apply("MatMul", tensors, name, transpose_a=transpose_a or adjoint_a, transpose_b=transpose_b or adjoint_b)


@translates(torch.matmul, torch.mm, torch.bmm)
def _torch_matmul(input: Any, other: Any) -> Tensor:  # noqa: A002
    return matmul(input, other)


# --- operators ----------------------------------------------------------------------------------------------------------


def _operator(function: Callable[..., Tensor], name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(self: Any, other: Any) -> Any:
        return function(*as_tensors([self, other], name), name=name)

    def reflected(self: Any, other: Any) -> Any:
        return function(*as_tensors([other, self], name), name=name)

    return forward, reflected


_OPERATORS: dict[str, tuple[Callable[..., Tensor], str]] = {
    "add": (add, "add"),
    "sub": (subtract, "sub"),
    "mul": (multiply, "mul"),
    "truediv": (truediv, "truediv"),
    "div": (div, "div"),
    "floordiv": (floordiv, "floordiv"),
    "mod": (floormod, "mod"),
    "pow": (pow_, "pow"),
    "and": (logical_and, "and"),
    "or": (logical_or, "or"),
    "xor": (logical_xor, "xor"),
    "matmul": (matmul, "matmul"),
}


def _install(kind: Any) -> None:
    """Give the class the operators; ``==`` stays identity."""
    for symbol, (function, name) in _OPERATORS.items():
        forward, reflected = _operator(function, name)
        setattr(kind, f"__{symbol}__", forward)
        setattr(kind, f"__r{symbol}__", reflected)
    for symbol, comparison in (("lt", less), ("le", less_equal), ("gt", greater), ("ge", greater_equal)):
        setattr(kind, f"__{symbol}__", _compare(comparison))
    kind.__neg__ = lambda self: negative(self)
    kind.__abs__ = lambda self: abs_(self)
    kind.__invert__ = lambda self: logical_not(self)
    kind.__getitem__ = getitem


def _compare(function: Callable[..., Tensor]) -> Callable[..., Any]:
    return lambda self, other: function(self, other)


_install(Tensor)
_install(Variable)
