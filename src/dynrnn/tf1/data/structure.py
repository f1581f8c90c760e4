"""What the elements of a dataset look like: a nest of tuples and dicts, with a dtype and a shape at each leaf.

In ``tf.data`` lists are no containers: a list of numbers is a tensor. A leaf may also be a dataset (``window``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynrnn import nest
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape

__all__ = ["Leaf", "classes_of", "flatten", "from_types", "map_up_to", "pack", "shapes_of", "specs_of", "to_tensors",
           "types_of"]  # fmt: skip


@dataclass(frozen=True)
class Leaf:
    """One component of an element.

    Attributes:
        dtype: its type.
        shape: what is known of its shape.
        inner: the structure of its elements, if it is a dataset.
    """

    dtype: DType
    shape: TensorShape
    inner: Any = None

    @property
    def spec(self) -> Spec:
        """Dtype and shape of the tensor that stands for it."""
        return (self.dtype, self.shape)


def flatten(structure: Any) -> list[Any]:
    """The leaves."""
    return nest.flatten(structure)


def pack(structure: Any, leaves: Sequence[Any]) -> Any:
    """``leaves`` in the containers of ``structure``."""
    return nest.pack_as(structure, leaves)


def specs_of(structure: Any) -> list[Spec]:
    """Dtypes and shapes of the components."""
    return [leaf.spec for leaf in flatten(structure)]


def types_of(structure: Any) -> Any:
    """The nest of dtypes."""
    return nest.map_structure(lambda leaf: leaf.dtype, structure)


def shapes_of(structure: Any) -> Any:
    """The nest of shapes."""
    return nest.map_structure(lambda leaf: leaf.shape, structure)


def classes_of(structure: Any) -> Any:
    """The nest of classes: ``tf.Tensor`` everywhere."""
    return nest.map_structure(lambda leaf: Tensor if leaf.inner is None else type(leaf.inner), structure)


def map_up_to(structure: Any, function: Callable[[Any, Any], Any], other: Any, what: str) -> list[Any]:
    """``function(leaf, part)`` for each leaf of ``structure`` and what stands at its place in ``other``.

    Raises:
        ValueError: ``other`` has not the containers of ``structure``.
    """
    if isinstance(structure, Mapping):
        if not isinstance(other, Mapping) or sorted(other) != sorted(structure):
            raise ValueError(f"{what} must be a dict with the keys {sorted(structure)}, got {other!r}")
        return [part for key in sorted(structure) for part in map_up_to(structure[key], function, other[key], what)]
    if isinstance(structure, tuple):
        if not isinstance(other, (tuple, list)) or len(other) != len(structure):
            raise ValueError(f"{what} must be a tuple of {len(structure)}, as the elements are, got {other!r}")
        return [p for s, o in zip(structure, other, strict=True) for p in map_up_to(s, function, o, what)]
    return [function(structure, other)]


def from_types(output_types: Any, output_shapes: Any = None) -> Any:
    """The structure that types and shapes describe; shapes that are not given are unknown."""
    types = _map_types(output_types)
    if output_shapes is None:
        return nest.map_structure(lambda t: Leaf(t, TensorShape(None)), types)
    leaves = map_up_to(types, lambda t, s: Leaf(t, as_shape(s)), output_shapes, "output_shapes")
    return pack(types, leaves)


def _map_types(types: Any) -> Any:
    if isinstance(types, Mapping):
        return {key: _map_types(value) for key, value in types.items()}
    if isinstance(types, tuple):
        parts = [_map_types(value) for value in types]
        return type(types)(*parts) if hasattr(types, "_fields") else tuple(parts)
    if isinstance(types, list):
        return tuple(_map_types(value) for value in types)
    return as_dtype(types).base_dtype


def to_tensors(value: Any, wrap: Callable[[Any], tuple[Tensor, Any] | None]) -> tuple[Any, list[Tensor]]:
    """A Python nest as tensors: the structure, and the tensors of its leaves.

    Args:
        value: nest of what can be converted to tensors.
        wrap: gives the tensor and the inner structure of a dataset, None for anything else.
    """
    tensors: list[Tensor] = []

    def walk(part: Any) -> Any:
        if isinstance(part, Mapping):
            made = {key: walk(part[key]) for key in sorted(part)}
            return {key: made[key] for key in part}
        if isinstance(part, tuple):
            parts = [walk(p) for p in part]
            return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)
        wrapped = wrap(part)
        if wrapped is not None:
            tensors.append(wrapped[0])
            return Leaf(dtypes.variant, TensorShape([]), wrapped[1])
        if hasattr(part, "dense_shape"):
            raise NotImplementedError("datasets of sparse tensors are not available in dynrnn; make them dense first")
        tensors.append(convert_to_tensor(part, name=f"component_{len(tensors)}"))
        return Leaf(tensors[-1].dtype.base_dtype, tensors[-1].shape)

    return walk(value), tensors
