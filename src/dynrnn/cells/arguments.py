"""Checks of constructor arguments and of shapes, shared by the cells.

Shapes are read in a way that serves torch tensors and graph tensors alike: a dimension that is not a plain int (an
unknown dimension of a graph, a symbol of torch's tracer) counts as unknown and is not checked here.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

__all__ = ["as_dims", "dtype_name", "positive_int", "shape_text", "static_dims", "together", "width_of"]


def positive_int(name: str, value: Any) -> int:
    """``value`` as an int.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is less than 1.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"expected {name} to be a positive integer, got {type(value).__name__} {value!r}") from None
    if number < 1:
        raise ValueError(f"expected {name} to be a positive integer, got {number}")
    return number


def as_dims(size: Any) -> list[int]:
    """The dimensions of a row: ``[n]`` of an integer ``n``, the entries of a ``torch.Size``."""
    try:
        return [operator.index(size)]
    except TypeError:
        return [operator.index(dim) for dim in size]


def static_dims(x: Any) -> list[int | None] | None:
    """The known dimensions of ``x``, None for an unknown one; None when not even the rank is known."""
    try:
        dims = list(x.shape)
    except ValueError:
        return None
    values = (getattr(dim, "value", dim) for dim in dims)
    return [value if isinstance(value, int) else None for value in values]


def width_of(x: Any) -> int:
    """The size of the last dimension of ``x``, where it is known to be known."""
    dims = static_dims(x)
    if not dims or dims[-1] is None:
        raise ValueError(f"expected the last dimension to be known, got shape {dims}")
    return dims[-1]


def together(a: Sequence[int | None] | None, b: Sequence[int | None] | None) -> bool:
    """Whether one tensor could have both shapes."""
    if a is None or b is None:
        return True
    return len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b, strict=True))


def shape_text(dims: Sequence[int | None] | None) -> str:
    """Dimensions as TensorFlow prints them: ``(?, 3)``."""
    if dims is None:
        return "<unknown>"
    text = ", ".join("?" if dim is None else str(dim) for dim in dims)
    return f"({text},)" if len(dims) == 1 else f"({text})"


def dtype_name(dtype: Any) -> str:
    """``"float32"`` and the like, of torch's types and of those that carry a ``name``."""
    return getattr(dtype, "name", None) or str(dtype).removeprefix("torch.")
