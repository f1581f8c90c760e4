"""Static results of operations: dtypes and shapes, found while the graph is built.

Two ways lead there. Common operations have a rule (``broadcast``, ``same_as_first``, and those written beside their
kernels), which follows TensorFlow where an unknown dimension meets a known one. Every other operation is *probed*: its
kernel runs on meta tensors, which have shapes and no data, once with every unknown dimension set to one odd number and
once to another; what comes out equal both times does not depend on the unknown, what differs is unknown itself.

Values matter where they are shapes (``tf.reshape(x, [tf.shape(x)[0], -1])``): see :mod:`dynrnn.tf1.core.partial`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.partial import partial_of
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape

if TYPE_CHECKING:
    from dynrnn.tf1.core.graph import Operation
    from dynrnn.tf1.core.registry import Spec
    from dynrnn.tf1.core.tensor import Tensor

__all__ = [
    "broadcast",
    "broadcast_bool",
    "broadcast_shapes",
    "constant_value",
    "constant_value_as_shape",
    "infer_specs",
    "partial_array",
    "partial_value",
    "same_as_first",
]

# Sizes for unknown dimensions: primes that programs do not use, so that no accident makes them fit a known dimension.
_SIZES = (1009, 2003)
_MAX_FOLDED = 4096
_MAX_VISITED = 200


def infer_specs(op: Operation) -> list[Spec]:
    """Dtype and static shape of each output of ``op``.

    Raises:
        ValueError: the inputs do not fit together.
    """
    rule = op.definition.infer
    try:
        return rule(op.inputs, op.attrs) if rule is not None else _probe(op)
    except ValueError as error:
        shapes = ", ".join(str(t.shape).replace("(", "[").replace(",)", "]").replace(")", "]") for t in op.inputs)
        raise ValueError(f"{error} for '{op.name}' (op: '{op.type}') with input shapes: {shapes}.") from None


# --- rules ------------------------------------------------------------------------------------------------------------


def same_as_first(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    """The dtype and shape of the first input."""
    return [(inputs[0].dtype.base_dtype, inputs[0].shape)]


def broadcast_shapes(a: TensorShape, b: TensorShape) -> TensorShape:
    """The shape of an elementwise operation; an unknown dimension against 1 stays unknown, against n > 1 is n."""
    if a.ndims is None or b.ndims is None:
        return TensorShape(None)
    width = max(a.ndims, b.ndims)
    left: list[int | None] = [*[1] * (width - a.ndims), *a.as_list()]
    right: list[int | None] = [*[1] * (width - b.ndims), *b.as_list()]
    dims: list[int | None] = []
    for x, y in zip(left, right, strict=True):
        if x == 1 or y == 1:
            dims.append(y if x == 1 else x)
        elif x is None or y is None:
            dims.append(y if x is None else x)
        elif x == y:
            dims.append(x)
        else:
            raise ValueError(f"Dimensions must be equal, but are {x} and {y}")
    return TensorShape(dims)


def _broadcast_all(inputs: Sequence[Tensor]) -> TensorShape:
    shape = inputs[0].shape
    for other in inputs[1:]:
        shape = broadcast_shapes(shape, other.shape)
    return shape


def broadcast(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    """Elementwise: the first input's dtype, the shapes of all broadcast."""
    return [(inputs[0].dtype.base_dtype, _broadcast_all(inputs))]


def broadcast_bool(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    """Elementwise with a boolean result."""
    return [(dtypes.bool_, _broadcast_all(inputs))]


# --- probing ----------------------------------------------------------------------------------------------------------


def _probe(op: Operation) -> list[Spec]:
    if any(t.shape.ndims is None for t in op.inputs):
        return [(op.inputs[0].dtype.base_dtype, unknown_shape())]
    known = all(t.shape.is_fully_defined() for t in op.inputs)
    try:
        first = _run_on_meta(op, _SIZES[0])
        second = first if known else _run_on_meta(op, _SIZES[1])
    except Exception as error:
        if known:
            raise ValueError(str(error).splitlines()[0]) from None
        return _probe_rank(op, error)
    specs: list[Spec] = []
    for a, b in zip(first, second, strict=True):
        shape = (
            TensorShape([x if x == y else None for x, y in zip(a.shape, b.shape, strict=True)])
            if a.dim() == b.dim()
            else TensorShape(None)
        )
        specs.append((dtypes.as_dtype(a.dtype), shape))
    return specs


def _probe_rank(op: Operation, error: Exception) -> list[Spec]:
    """Unknown dimensions that only fit as 1, or not at all: keep what can be said, the ranks and dtypes."""
    try:
        outputs = _run_on_meta(op, 1)
    except Exception:
        raise ValueError(str(error).splitlines()[0]) from None
    return [(dtypes.as_dtype(t.dtype), unknown_shape(t.dim())) for t in outputs]


def _run_on_meta(op: Operation, size: int) -> list[torch.Tensor]:
    arguments = []
    for tensor in op.inputs:
        value = _evaluate(tensor, {}) if not tensor.dtype.is_floating else None
        if value is None:
            shape = [size if d is None else d for d in tensor.shape.as_list()]
            value = torch.empty(shape, dtype=tensor.dtype.base_dtype.torch_dtype, device="meta")
        arguments.append(value)
    with torch.no_grad():
        result = op.definition.kernel(*arguments, **op.attrs)
    return list(result) if isinstance(result, (tuple, list)) else [result]


# --- values -----------------------------------------------------------------------------------------------------------


def constant_value(tensor: Tensor) -> np.ndarray | None:
    """The value of ``tensor`` as a numpy array if the graph alone decides it, else None."""
    memo: dict[Tensor, Any] = {}
    value = _evaluate(tensor, memo)
    if value is None:
        # a part of a shape may be known where the whole is not
        part = partial_of(tensor, lambda t: _evaluate(t, memo))
        value = part.values if part is not None and bool(part.known.all()) else None
    return value.numpy() if isinstance(value, torch.Tensor) else value


def partial_array(tensor: Tensor) -> np.ndarray | None:
    """The elements of an integer tensor as an array of objects, None for those not known; None without a shape."""
    memo: dict[Tensor, Any] = {}
    part = partial_of(tensor, lambda t: _evaluate(t, memo))
    if part is None:
        return None
    array = part.values.numpy().astype(object)
    array[~part.known.numpy()] = None
    return array


def partial_value(tensor: Tensor) -> list[int | None] | None:
    """The elements of an integer vector, None for those that are not known; None when not even their number is."""
    array = partial_array(tensor) if tensor.shape.ndims in (1, None) else None
    return None if array is None or array.ndim != 1 else array.tolist()


def constant_value_as_shape(tensor: Tensor) -> TensorShape:
    """The shape that an integer vector describes, as far as it is known; -1 counts as unknown."""
    values = partial_value(tensor)
    if values is None:
        return unknown_shape(tensor.shape[0].value if tensor.shape.ndims == 1 else None)
    return TensorShape([None if v is None or v < 0 else v for v in values])


def _evaluate(tensor: Tensor, memo: dict[Tensor, Any]) -> Any:
    """The value of ``tensor``; None when it depends on more than the graph."""
    if tensor in memo:
        return memo[tensor]
    memo[tensor] = None  # what is too deep is not known
    memo[tensor] = value = _evaluate_op(tensor, memo)
    return value


def _evaluate_op(tensor: Tensor, memo: dict[Tensor, Any]) -> Any:
    op = tensor.op
    if op.type == "Const":
        return op.attrs["value"]
    if len(memo) > _MAX_VISITED:
        return None
    if op.type in ("Shape", "Size", "Rank"):
        return _evaluate_shape_op(tensor)
    definition = op.definition
    if definition.stateful or definition.needs_run or not op.inputs or op.type == "PlaceholderWithDefault":
        return None
    if (tensor.shape.num_elements() or 0) > _MAX_FOLDED:
        return None
    arguments = []
    for source in op.inputs:
        value = None if (source.shape.num_elements() or 0) > _MAX_FOLDED else _evaluate(source, memo)
        if value is None:
            return None
        arguments.append(value)
    try:
        with torch.no_grad():
            result = definition.kernel(*arguments, **op.attrs)
    except Exception:  # what fails here fails at run time too, with its own message
        return None
    return result[tensor.value_index] if isinstance(result, (tuple, list)) else result


def _evaluate_shape_op(tensor: Tensor) -> torch.Tensor | None:
    op, shape, dtype = tensor.op, tensor.op.inputs[0].shape, tensor.dtype.torch_dtype
    if op.type == "Rank":
        return None if shape.ndims is None else torch.tensor(shape.ndims, dtype=dtype)
    if not shape.is_fully_defined():
        return None
    return torch.tensor(shape.as_list() if op.type == "Shape" else shape.num_elements(), dtype=dtype)
