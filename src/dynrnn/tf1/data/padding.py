"""Batches of one shape: what ``padded_batch`` is told, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.data.structure import Leaf
from dynrnn.tf1.ops.casting import cast

__all__ = ["as_int64", "as_static", "filler", "padded_shape", "static_batch"]


def as_int64(value: Any, name: str) -> Tensor:
    """A number as an int64 tensor."""
    if isinstance(value, Tensor):
        return cast(value, dtypes.int64)
    return convert_to_tensor(value, dtypes.int64, name=name)


def static_batch(size: Tensor, drop: Tensor) -> int | None:
    """The first dimension of batches, if it is always the same."""
    known, dropped = constant_value(size), constant_value(drop)
    if known is None or dropped is None or not bool(dropped) or int(known) < 0:
        return None
    return int(known)


def padded_shape(leaf: Leaf, shape: Any) -> Tensor:
    """The shape that a component is filled up to, -1 where the largest counts; ``ValueError`` if it cannot be."""
    if not isinstance(shape, Tensor):
        try:
            sizes = [-1 if d is None or d == -1 else int(d) for d in _dims(shape)]
        except (TypeError, ValueError):
            raise ValueError(f"Padded shape {shape!r} must be a shape, or a 1-D tensor of `tf.int64` values") from None
        if leaf.shape.ndims is not None and leaf.shape.ndims != len(sizes):
            raise ValueError(
                f"The padded shape {as_shape(shape)} is not compatible with the corresponding input component shape "
                f"{leaf.shape}."
            )
        for wanted, known in zip(sizes, leaf.shape.as_list() if leaf.shape.ndims is not None else [], strict=False):
            if known is not None and 0 <= wanted < known:
                raise ValueError(
                    f"The padded shape {tuple(sizes)!s} is not compatible with the corresponding input component shape "
                    f"{leaf.shape}."
                )
        return convert_to_tensor(np.array(sizes, np.int64), name="padded_shape")
    if shape.shape.ndims not in (1, None):
        raise ValueError(
            f"Padded shape {shape} must be a 1-D tensor of tf.int64 values, but its shape was {shape.shape}"
        )
    return as_int64(shape, "padded_shape")


def _dims(shape: Any) -> list[Any]:
    if isinstance(shape, (list, tuple)):
        return [getattr(d, "value", d) for d in shape]
    if isinstance(shape, int):
        return [shape]
    return as_shape(shape).as_list()


def as_static(shape: Tensor) -> TensorShape:
    """What the graph tells of such a shape."""
    known = constant_value(shape)
    if known is None:
        return TensorShape(None) if shape.shape.ndims is None else TensorShape([None] * (shape.shape[0].value or 0))
    return TensorShape([None if n < 0 else int(n) for n in known])


def filler(leaf: Leaf, value: Any) -> Tensor:
    """What a component is filled up with; ``TypeError`` for a value of another type."""
    if value is None:
        value = "" if leaf.dtype is dtypes.string else (False if leaf.dtype.is_bool else 0)
    if isinstance(value, Tensor) and value.dtype.base_dtype is not leaf.dtype:
        raise TypeError(
            f"The padding value type {value.dtype.base_dtype} does not match type {leaf.dtype} of the corresponding "
            "input component."
        )
    if isinstance(value, np.generic) and dtypes.as_dtype(value.dtype) is not leaf.dtype:
        raise TypeError(
            f"The padding value type {dtypes.as_dtype(value.dtype)} does not match type {leaf.dtype} of the "
            "corresponding input component."
        )
    return convert_to_tensor(value, leaf.dtype, name="padding_value")
