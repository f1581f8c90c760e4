"""Where values enter and leave a graph: placeholders, identities, and what stops gradients or checks shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.infer import same_as_first
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.shape_rules import brackets
from dynrnn.tf1.ops.signature import FLOATS, create, operation

__all__ = [
    "check_numerics",
    "ensure_shape",
    "identity",
    "identity_n",
    "is_numeric_tensor",
    "is_tensor",
    "placeholder",
    "placeholder_with_default",
    "stop_gradient",
    "verify_tensor_all_finite",
]


@register("Placeholder", stateful=True)
def _placeholder(*, dtype: dtypes.DType, shape: TensorShape, name: str) -> Any:
    described = "dtype " + {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)
    if shape.ndims is not None:
        described += " and shape [" + ",".join(str(d) for d in shape) + "]"
    raise errors.InvalidArgumentError(None, None, f"You must feed a value for placeholder tensor '{name}' with {described}")


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor that must be fed.

    Args:
        dtype: element type.
        shape: static shape; None for unknown, dimensions may be None.
        name: operation name.
    """
    kind, static = as_dtype(dtype).base_dtype, as_shape(shape)
    op = get_default_graph().create_op(
        "Placeholder", [], {"dtype": kind, "shape": static}, name or "Placeholder", specs=[(kind, static)]
    )
    op.attrs["name"] = op.name  # for the message when it is not fed
    return op.outputs[0]


@operation("PlaceholderWithDefault", "input:T")
def _placeholder_with_default(value: Any, *, shape: TensorShape) -> Any:
    return value


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """A tensor that may be fed and is ``input`` otherwise.

    Raises:
        ValueError: ``input`` cannot have that shape.
    """
    value, static = convert_to_tensor(input), as_shape(shape)
    if not value.shape.is_compatible_with(static):
        raise ValueError(f"the default value of shape {value.shape} does not fit the shape {static} of the placeholder")
    return create("PlaceholderWithDefault", name, value, specs=[(value.dtype.base_dtype, static)], shape=static)


@operation("Identity", "input:T", same_as_first)
def _identity(value: Any) -> Any:
    return value


def identity(input: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value under another name."""
    return create("Identity", name, input)


def _infer_all(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(t.dtype.base_dtype, t.shape) for t in inputs]


@register("IdentityN", _infer_all)
def _identity_n(*values: Any) -> Any:
    return list(values)


def identity_n(input: Sequence[Any], name: str | None = None) -> list[Tensor]:  # noqa: A002
    """The same values under other names; each is computed only when all are."""
    tensors = [convert_to_tensor(value) for value in input]
    return get_default_graph().create_op("IdentityN", tensors, None, name or "IdentityN").outputs


@operation("StopGradient", "input:T", same_as_first, differentiable=False)
def _stop_gradient(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value


def stop_gradient(input: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value, through which no gradient flows."""
    return create("StopGradient", name, input)


@translates(torch.detach)
def _torch_detach(input: Any) -> Tensor:  # noqa: A002
    return stop_gradient(input)


def _infer_ensure_shape(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(inputs[0].dtype.base_dtype, inputs[0].shape.merge_with(attrs["shape"]))]


@operation("EnsureShape", "input:T", _infer_ensure_shape)
def _ensure_shape(value: Any, *, shape: TensorShape) -> Any:
    if not shape.is_compatible_with(tuple(value.shape)):
        raise ValueError(
            f"Shape of tensor {brackets(TensorShape(value.shape))} is not compatible with expected shape {brackets(shape)}."
        )
    return value


def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """``x``, whose shape must be compatible with ``shape`` at run time too."""
    return create("EnsureShape", name, x, shape=as_shape(shape))


@operation("CheckNumerics", "tensor:T", same_as_first, T=FLOATS)
def _check_numerics(value: torch.Tensor, *, message: str) -> torch.Tensor:
    if bool(torch.isfinite(value).all()):
        return value
    found = [n for n, test in (("Inf", torch.isinf), ("NaN", torch.isnan)) if bool(test(value).any())]
    raise ValueError(f"{message} : Tensor had {' and '.join(found)} values")


def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """``tensor``, in which NaN and infinity are an error that begins with ``message``."""
    return create("CheckNumerics", name, tensor, message=message)


def verify_tensor_all_finite(t: Any = None, msg: Any = None, name: str | None = None, x: Any = None, message: Any = None) -> Tensor:
    """``t``, in which NaN and infinity are an error that begins with ``msg``."""
    value = convert_to_tensor(x if t is None else t, name="x")
    checked = check_numerics(value, message if msg is None else msg)
    with value.graph.control_dependencies([checked]):
        return identity(value, name=name or "VerifyFinite")


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor or variable of a graph."""
    return isinstance(x, (Tensor, Variable))


def is_numeric_tensor(tensor: Any) -> bool:
    """Whether ``tensor`` is a tensor of numbers."""
    if not isinstance(tensor, (Tensor, Variable)):
        return False
    kind = tensor.dtype.base_dtype
    return kind.is_integer or kind.is_floating or kind.is_complex
