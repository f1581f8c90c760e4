"""What is known of an integer tensor's value while the graph is built, element by element.

``tf.reshape(x, [tf.shape(x)[0], 2 * tf.shape(x)[1]])`` has a static shape as far as that of ``x`` is known. So the
small integer graph below a shape argument is evaluated with a mask beside each value that says which elements are
known. An element of a result is known only when everything that it depends on is: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from dynrnn.tf1.core.tensor import Tensor

__all__ = ["Partial", "partial_of"]

_MAX_ELEMENTS = 64
_MAX_VISITED = 200

# operations that move the elements of their first inputs; what the other inputs say must be known
_MOVES = frozenset(["Identity", "ExpandDims", "Squeeze", "StridedSlice", "Slice", "Unpack", "StopGradient"])
_JOINS = frozenset({"Pack", "ConcatV2"})
_ELEMENTWISE = frozenset(
    ["Add", "Sub", "Mul", "FloorDiv", "FloorMod", "TruncateDiv", "Maximum", "Minimum", "Neg", "Abs", "Cast"]
)


@dataclass(frozen=True)
class Partial:
    """Values, and where they are known; the others are 1."""

    values: torch.Tensor
    known: torch.Tensor


def partial_of(
    tensor: Tensor, constant: Callable[[Tensor], Any], memo: dict[Tensor, Partial | None] | None = None
) -> Partial | None:
    """What is known of ``tensor``; None when not even its shape is, or when it is not small and of integers.

    Args:
        tensor: a graph tensor.
        constant: gives the whole value of a tensor as a torch tensor, or None.
        memo: what was found of the tensors met before.
    """
    memo = {} if memo is None else memo
    if tensor not in memo:
        memo[tensor] = None  # what is too deep is not known
        memo[tensor] = _find(tensor, constant, memo) if len(memo) < _MAX_VISITED else _unknown(tensor)
    return memo[tensor]


def _find(tensor: Tensor, constant: Callable[[Tensor], Any], memo: dict[Tensor, Partial | None]) -> Partial | None:
    if not (tensor.dtype.is_integer or tensor.dtype.is_bool):
        return None
    value = constant(tensor)
    if value is not None:
        return Partial(value, torch.ones_like(value, dtype=torch.bool)) if value.numel() <= _MAX_ELEMENTS else None
    found = _by_operation(tensor, constant, memo)
    return _unknown(tensor) if found is None else found


def _unknown(tensor: Tensor) -> Partial | None:
    count = tensor.shape.num_elements()
    if count is None or count > _MAX_ELEMENTS or not (tensor.dtype.is_integer or tensor.dtype.is_bool):
        return None
    shape = [int(d) for d in tensor.shape]
    return Partial(torch.ones(shape, dtype=tensor.dtype.torch_dtype), torch.zeros(shape, dtype=torch.bool))


def _element(tensor: Tensor) -> Partial | None:
    """An unknown element of a vector that is packed of scalars, where not even the rank of the element is known."""
    if tensor.op.type != "Pack" or tensor.shape.ndims not in (1, None):
        return None
    return Partial(torch.ones([], dtype=tensor.dtype.torch_dtype), torch.zeros([], dtype=torch.bool))


def _by_operation(
    tensor: Tensor, constant: Callable[[Tensor], Any], memo: dict[Tensor, Partial | None]
) -> Partial | None:
    op = tensor.op
    if op.type == "Shape":
        if op.inputs[0].shape.ndims is None:
            return None
        dims = op.inputs[0].shape.as_list()
        values = torch.tensor([1 if d is None else d for d in dims], dtype=tensor.dtype.torch_dtype)
        return Partial(values, torch.tensor([d is not None for d in dims], dtype=torch.bool))
    if op.type not in _MOVES | _JOINS | _ELEMENTWISE:
        return None

    def run(arguments: list[Any]) -> torch.Tensor:
        with torch.no_grad():
            result = op.definition.kernel(*arguments, **op.attrs)
        return result[tensor.value_index] if isinstance(result, (tuple, list)) else result

    steers = _steering(op.type, len(op.inputs))
    parts: list[Partial | None] = []
    for i, source in enumerate(op.inputs):
        if i in steers:
            value = constant(source)
            parts.append(None if value is None else Partial(value, value))
        else:
            parts.append(partial_of(source, constant, memo) or _element(tensor))
    if any(p is None for p in parts):
        return None
    try:
        values = run([p.values for p in parts if p is not None])
        if op.type in _ELEMENTWISE:
            masks = torch.broadcast_tensors(*[p.known for p in parts if p is not None])
            known = masks[0]
            for mask in masks[1:]:
                known = known & mask
        else:
            # the mask takes the same way as the values
            known = run(
                [p.values if i in steers else p.known.int() for i, p in enumerate(parts) if p is not None]
            ).bool()
    except Exception:  # with a 1 for what is not known the operation may be impossible: then nothing is known of it
        return None
    return Partial(torch.where(known, values, torch.ones_like(values)), known)


def _steering(op_type: str, count: int) -> set[int]:
    """The inputs that say where elements go rather than what they are."""
    if op_type == "ConcatV2":
        return {count - 1}
    return set(range(1, count)) if op_type in _MOVES else set()
