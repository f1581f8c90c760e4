"""Reductions: sums, means, extremes along dimensions, and the indices of extremes.

An axis is an input of the operation, as in TensorFlow: it may be a tensor that is known only at run time.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import graph_of, name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.arithmetic import squared_difference
from dynrnn.tf1.ops.casting import cast
from dynrnn.tf1.ops.comparing import not_equal
from dynrnn.tf1.ops.elementwise import conj, sqrt
from dynrnn.tf1.ops.filling import range_, zeros
from dynrnn.tf1.ops.shape_rules import static_int
from dynrnn.tf1.ops.shaping import rank
from dynrnn.tf1.ops.signature import FLOATS, INDEX, REALS, SUMMABLE, Types, create, operation, types_of

__all__ = [
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "count_nonzero",
    "infer_reduce",
    "old_names",
    "reduce_all",
    "reduce_any",
    "reduce_euclidean_norm",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_std",
    "reduce_sum",
    "reduce_variance",
]

Build = Callable[..., Tensor]


def infer_reduce(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    """The rule of a reduction of the first input over the axes in the second."""
    source, dtype, keep = inputs[0].shape, inputs[0].dtype.base_dtype, attrs["keep_dims"]
    axes = constant_value(inputs[1])
    if inputs[1].shape.ndims not in (None, 0, 1):
        raise ValueError(f"Shape must be at most rank 1 but is rank {inputs[1].shape.ndims}")
    if axes is None:
        return [(dtype, unknown_shape(source.ndims if keep else None))]
    listed = axes.reshape(-1).tolist()
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    for axis in listed:
        if not -source.ndims <= axis < source.ndims:
            raise ValueError(f"Invalid reduction dimension {axis} for input with {source.ndims} dimensions.")
    dropped = {a % source.ndims for a in listed}
    if keep:
        return [(dtype, TensorShape([1 if i in dropped else d for i, d in enumerate(source)]))]
    return [(dtype, TensorShape([d for i, d in enumerate(source) if i not in dropped]))]


def _axes(x: torch.Tensor, reduction_indices: torch.Tensor) -> list[int]:
    """The dimensions to reduce, counted from 0, in order."""
    axes: list[int] = []
    for axis in reduction_indices.reshape(-1).tolist():
        if not -x.dim() <= axis < x.dim():
            raise ValueError(f"Invalid reduction dimension ({axis} for input with {x.dim()} dimension(s)")
        if axis % x.dim() in axes:
            raise ValueError(f"Invalid reduction arguments: Axes contains duplicate dimension: {axis % x.dim()}")
        axes.append(axis % x.dim())
    return sorted(axes)


def _reduction(
    op_type: str, kernel: Callable[..., torch.Tensor], doc: str, types: Types, argument: str = "input:T", **flags: Any
) -> Build:
    """Register ``kernel(x, axes, keepdims)`` as ``op_type`` and give the function that builds it."""

    def run(x: torch.Tensor, reduction_indices: torch.Tensor, *, keep_dims: bool) -> torch.Tensor:
        axes = _axes(x, reduction_indices)
        return kernel(x, axes, keep_dims) if axes else x

    operation(op_type, f"{argument} reduction_indices:Tidx", infer_reduce, T=types, Tidx=INDEX, **flags)(run)

    def build(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        axis, keep = old_names(axis, keepdims, reduction_indices, keep_dims)
        with _graph_of(input_tensor):
            value = convert_to_tensor(input_tensor, name="input_tensor")
            result = create(op_type, name, value, _reduction_dims(value, axis), keep_dims=keep)
        return _all_to_scalar(result, axis, keep)

    build.__name__ = build.__qualname__ = f"reduce_{op_type.lower()}"
    build.__doc__ = doc
    return build


def _graph_of(value: Any) -> contextlib.AbstractContextManager[Any]:
    """The graph of ``value`` as the default graph."""
    return graph_of([value]).as_default() if isinstance(value, (Tensor, Variable)) else contextlib.nullcontext()


def old_names(axis: Any, keepdims: bool | None, reduction_indices: Any, keep_dims: bool | None) -> tuple[Any, bool]:
    """The axis and whether to keep it, from the new names of the arguments and the old ones."""
    if axis is not None and reduction_indices is not None:
        raise ValueError("Cannot specify both 'axis' and 'reduction_indices'")
    if keepdims is not None and keep_dims is not None:
        raise ValueError("Cannot specify both 'keepdims' and 'keep_dims'")
    return (reduction_indices if axis is None else axis), bool(keep_dims if keepdims is None else keepdims)


def _reduction_dims(value: Tensor, axis: Any) -> Any:
    """The axes as an argument of the operation; None stands for all."""
    if axis is not None:
        return axis
    if value.shape.ndims is not None:
        return constant(np.arange(value.shape.ndims, dtype=np.int32))
    return range_(0, rank(value))


def _all_to_scalar(result: Tensor, axis: Any, keep: bool) -> Tensor:
    """A reduction over everything is a scalar, also where the rank was not known."""
    if axis is None and not keep:
        result.set_shape(())
    return result


def _sum(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
    return torch.sum(x, axes, keepdim=keep, dtype=x.dtype)


def _mean(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
    if x.is_floating_point() or x.is_complex():
        return torch.mean(x, axes, keepdim=keep)
    count = math.prod(x.shape[a] for a in axes)
    # integer tensors have an integer mean, cut towards zero
    return torch.div(torch.sum(x, axes, keepdim=keep, dtype=x.dtype), max(count, 1), rounding_mode="trunc").to(x.dtype)


def _prod(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
    for axis in reversed(axes):
        x = torch.prod(x, axis, keepdim=keep, dtype=x.dtype)
    return x


def _extreme(reduce: Callable[..., torch.Tensor], largest: bool) -> Callable[..., torch.Tensor]:
    def kernel(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
        if all(x.shape[a] for a in axes):
            return reduce(x, axes, keepdim=keep)
        # the extreme of nothing is the least of all values
        shape = [1 if i in axes else d for i, d in enumerate(x.shape) if keep or i not in axes]
        kind = as_dtype(x.dtype)
        bound = (kind.min if largest else kind.max) if kind.is_integer else (-math.inf if largest else math.inf)
        return torch.full(shape, bound, dtype=x.dtype)

    return kernel


def _each(reduce: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def kernel(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
        for axis in reversed(axes):
            x = reduce(x, axis, keepdim=keep)
        return x

    return kernel


def _euclidean_norm(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
    return torch.sqrt(torch.sum(x * x.conj() if x.is_complex() else x * x, axes, keepdim=keep)).to(x.dtype)


_BOOL = Types()
reduce_sum = _reduction("Sum", _sum, "Sum over ``axis`` (all dimensions by default).", SUMMABLE)
reduce_mean = _reduction(
    "Mean", _mean, "Mean over ``axis`` (all dimensions by default); of integers an integer, cut towards 0.", SUMMABLE
)
reduce_prod = _reduction("Prod", _prod, "Product over ``axis``.", SUMMABLE)
# the derivative is shared equally among equal extremes, in torch's amax as in TensorFlow
reduce_max = _reduction("Max", _extreme(torch.amax, True), "Maximum over ``axis``.", REALS)
reduce_min = _reduction("Min", _extreme(torch.amin, False), "Minimum over ``axis``.", REALS)
reduce_all = _reduction("All", _each(torch.all), "Whether all hold.", _BOOL, "input:bool", differentiable=False)
reduce_any = _reduction("Any", _each(torch.any), "Whether any holds.", _BOOL, "input:bool", differentiable=False)
_euclidean = _reduction("EuclideanNorm", _euclidean_norm, "Square root of the sum of squares over ``axis``.", SUMMABLE)


@operation("LogSumExp", "input:T reduction_indices:Tidx", infer_reduce, T=FLOATS, Tidx=INDEX)
def _logsumexp(x: torch.Tensor, reduction_indices: torch.Tensor, *, keep_dims: bool) -> torch.Tensor:
    axes = _axes(x, reduction_indices)
    if not axes or not all(x.shape[a] for a in axes):
        return torch.logsumexp(x, axes, keepdim=keep_dims) if axes else x
    # written out: torch's derivative, exp(x - result), loses the digits that the result has lost
    top = torch.amax(x.detach(), axes, keepdim=True)
    top = torch.where(torch.isfinite(top), top, torch.zeros_like(top))
    result = torch.log(torch.sum(torch.exp(x - top), axes, keepdim=True)) + top
    return result if keep_dims else result.squeeze(axes)


def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """``log(sum(exp(x)))`` over ``axis``, without overflow."""
    axis, keep = old_names(axis, keepdims, reduction_indices, keep_dims)
    with name_scope(name, "ReduceLogSumExp", [input_tensor]) as scope:
        value = convert_to_tensor(input_tensor, name="input_tensor")
        result = create("LogSumExp", scope, value, _reduction_dims(value, axis), keep_dims=keep)
        return _all_to_scalar(result, axis, keep)


def reduce_euclidean_norm(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """Square root of the sum of squares over ``axis``."""
    return _euclidean(input_tensor, axis, bool(keepdims), name)


def reduce_variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """Mean of the squared distance from the mean over ``axis``.

    Raises:
        TypeError: integers.
    """
    with name_scope(name, "reduce_variance", [input_tensor]):
        value = convert_to_tensor(input_tensor)
        means = reduce_mean(value, axis=axis, keepdims=True)
        if means.dtype.is_integer:
            raise TypeError(f"Input must be either real or complex. Received integer type {means.dtype}.")
        difference = value - means
        squares = (
            cast(difference * conj(difference), value.dtype.real_dtype)
            if value.dtype.is_complex
            else squared_difference(value, means)
        )
        return reduce_mean(squares, axis=axis, keepdims=keepdims)


def reduce_std(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """Square root of :func:`reduce_variance`."""
    with name_scope(name, "reduce_std", [input_tensor]):
        return sqrt(reduce_variance(input_tensor, axis=axis, keepdims=keepdims))


def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Tensor:
    """The number of elements over ``axis`` other than zero, False or the empty string."""
    axis, keep = old_names(axis, keepdims, reduction_indices, keep_dims)
    with name_scope(name, "count_nonzero", [input_tensor]):
        value = convert_to_tensor(input if input_tensor is None else input_tensor, name="input")
        hits = cast(not_equal(value, zeros([], value.dtype.base_dtype)), dtypes.int64)
        return cast(reduce_sum(hits, axis, keep), dtype)


def _translated_reduction(build: Build) -> Build:
    return lambda input, dim=None, keepdim=False: build(input, dim, keepdim)


for _torch_function, _build in (
    (torch.sum, reduce_sum),
    (torch.mean, reduce_mean),
    (torch.amax, reduce_max),
    (torch.amin, reduce_min),
    (torch.logsumexp, reduce_logsumexp),
):
    translates(_torch_function)(_translated_reduction(_build))


# --- the place of the extreme -----------------------------------------------------------------------------------------


def _infer_arg(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, axis = inputs[0].shape, static_int(inputs[1])
    if source.ndims is None:
        return [(attrs["output_type"], unknown_shape())]
    if source.ndims <= 1:
        return [(attrs["output_type"], TensorShape([]))]
    if axis is None:
        return [(attrs["output_type"], unknown_shape(source.ndims - 1))]
    if not -source.ndims <= axis < source.ndims:
        raise ValueError(
            f"Dimension ({axis}) must be in the range [{-source.ndims}, {source.ndims}), where {source.ndims} is the "
            "number of dimensions in the input."
        )
    return [(attrs["output_type"], TensorShape([d for i, d in enumerate(source) if i != axis % source.ndims]))]


def _arg(find: Callable[..., Any], worst: float) -> Callable[..., torch.Tensor]:
    def kernel(x: torch.Tensor, dimension: torch.Tensor, *, output_type: DType) -> torch.Tensor:
        axis = int(dimension)
        if not -x.dim() <= axis < x.dim():
            raise ValueError(f"Expected dimension in the range [{-x.dim()}, {x.dim()}), but got {axis}")
        if x.shape[axis] == 0:
            raise ValueError(
                f"Reduction axis {axis} is empty in shape {list(x.shape)}".replace(" [", " [").replace(", ", ",")
            )
        array = (x.detach().float() if x.dtype is torch.bfloat16 else x.detach()).numpy()
        if array.dtype.kind == "f" and np.isnan(array).any():
            # NaN is never the extreme
            array = np.where(np.isnan(array), worst, array)
        # numpy guarantees the first of equal values, as TensorFlow does; torch does not
        return torch.from_numpy(np.asarray(find(array, axis))).to(output_type.torch_dtype)

    return kernel


_ARGUMENTS = "input:T dimension:Tidx"
_COMPARABLE = Types((*REALS.names, "bool"))
_AXIS = types_of("int16 int32 int64", dtypes.int32)
operation("ArgMax", _ARGUMENTS, _infer_arg, differentiable=False, T=_COMPARABLE, Tidx=_AXIS)(_arg(np.argmax, -np.inf))
operation("ArgMin", _ARGUMENTS, _infer_arg, differentiable=False, T=_COMPARABLE, Tidx=_AXIS)(_arg(np.argmin, np.inf))


def _arg_extreme(op_type: str, value: Any, axis: Any, dimension: Any, output_type: Any, name: str | None) -> Tensor:
    if axis is not None and dimension is not None:
        raise ValueError("Cannot specify both 'axis' and 'dimension'")
    where = 0 if axis is None and dimension is None else dimension if axis is None else axis
    if not isinstance(where, (int, np.integer, Tensor, Variable)) and not (
        isinstance(where, np.ndarray) and where.ndim == 0
    ):
        raise TypeError(f"axis must be int or Tensor with integer datatype, got {where!r}")
    return create(op_type, name, value, where, output_type=as_dtype(output_type))


def argmax(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """The index of the largest element along ``axis`` (0 by default); of equal ones the first."""
    return _arg_extreme("ArgMax", input, axis, dimension, output_type, name)


def argmin(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """The index of the smallest element along ``axis`` (0 by default); of equal ones the first."""
    return _arg_extreme("ArgMin", input, axis, dimension, output_type, name)


def arg_max(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """:func:`argmax` in its older form."""
    return create("ArgMax", name, input, dimension, output_type=as_dtype(output_type))


def arg_min(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """:func:`argmin` in its older form."""
    return create("ArgMin", name, input, dimension, output_type=as_dtype(output_type))
