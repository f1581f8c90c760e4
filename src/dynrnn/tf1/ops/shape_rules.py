"""What the rules for static shapes have in common: ranks, merging, known values; errors in TensorFlow's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.infer import constant_value, partial_value
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape

__all__ = [
    "at_least_rank",
    "brackets",
    "broadcasting",
    "checked_axis",
    "element_count",
    "infer_bool",
    "listed",
    "merge",
    "merge_dims",
    "of_rank",
    "scalars_of",
    "static_int",
    "static_ints",
]

Dim = int | None


def of_rank(shape: TensorShape, rank: int) -> TensorShape:
    """``shape``, which must have that rank; unknown dimensions where nothing is known."""
    if shape.ndims is None:
        return unknown_shape(rank)
    if shape.ndims != rank:
        raise ValueError(f"Shape must be rank {rank} but is rank {shape.ndims}")
    return shape


def at_least_rank(shape: TensorShape, rank: int) -> TensorShape:
    """``shape``, which must have at least that rank if any is known."""
    if shape.ndims is not None and shape.ndims < rank:
        raise ValueError(f"Shape must be at least rank {rank} but is rank {shape.ndims}")
    return shape


def brackets(shape: TensorShape) -> str:
    """``[2,?]``, as messages write shapes."""
    return "?" if shape.ndims is None else "[" + ",".join(str(d) for d in shape) + "]"


def listed(x: Any) -> str:
    """The shape of a value as messages write it: ``[2,3]``."""
    return "[" + ",".join(map(str, x.shape)) + "]"


def broadcasting(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """``kernel`` of two values with TensorFlow's message where their shapes do not fit."""

    def run(x: Any, y: Any) -> Any:
        try:
            return kernel(x, y)
        except RuntimeError:
            try:
                np.broadcast_shapes(tuple(x.shape), tuple(y.shape))
            except ValueError:
                raise ValueError(f"Incompatible shapes: {listed(x)} vs. {listed(y)}") from None
            raise

    return run


def element_count(shape: TensorShape) -> int | None:
    """The number of elements; a dimension of 0 says it all."""
    if shape.ndims is not None and 0 in shape.as_list():
        return 0
    return shape.num_elements()


def merge_dims(a: Dim, b: Dim) -> Dim:
    """The better known of two dimensions that must be equal."""
    if a is not None and b is not None and a != b:
        raise ValueError(f"Dimensions must be equal, but are {a} and {b}")
    return b if a is None else a


def merge(a: TensorShape, b: TensorShape) -> TensorShape:
    """What is known of two shapes that must be equal."""
    if a.ndims is None or b.ndims is None:
        return b if a.ndims is None else a
    if a.ndims != b.ndims:
        raise ValueError(f"Shapes must be equal rank, but are {a.ndims} and {b.ndims}")
    for i, (x, y) in enumerate(zip(a.as_list(), b.as_list(), strict=True)):
        if x is not None and y is not None and x != y:
            raise ValueError(
                f"Dimension {i} in both shapes must be equal, but are {x} and {y}. "
                f"Shapes are {brackets(a)} and {brackets(b)}."
            )
    return a.merge_with(b)


def static_int(tensor: Tensor) -> int | None:
    """The value of an integer scalar (or of the only element of a vector) if the graph alone decides it."""
    value = constant_value(tensor)
    return None if value is None or value.size != 1 else int(value.reshape(()))


def static_ints(tensor: Tensor) -> list[int | None] | None:
    """The elements of an integer vector, None for those not known; None when not even their number is."""
    values = partial_value(tensor)
    if values is None and tensor.shape.ndims == 1 and tensor.shape[0].value is not None:
        return [None] * tensor.shape[0].value
    return values


def checked_axis(axis: int, rank: int) -> int:
    """``axis`` counted from 0; it must be one of a tensor of that rank."""
    if not -rank <= axis < rank:
        # TensorFlow asks for the rank that would make the axis a valid one
        raise ValueError(f"Shape must be at least rank {axis + 1 if axis >= 0 else -axis} but is rank {rank}")
    return axis % rank


def infer_bool(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    """A boolean for each element of the first input."""
    return [(dtypes.bool_, inputs[0].shape)]


def scalars_of(*kinds: dtypes.DType) -> Any:
    """A rule: scalars of these types."""
    return lambda inputs, attrs: [(kind, TensorShape([])) for kind in kinds]
