"""``tf.nest`` (and ``tensorflow.python.util.nest``): structures under TensorFlow's function names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dynrnn import nest
from dynrnn.tf1._namespace import missing

__all__ = ["assert_same_structure", "flatten", "is_nested", "is_sequence", "map_structure", "pack_sequence_as"]


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves, left to right; a leaf alone is a list of one."""
    return nest.flatten(structure)


def pack_sequence_as(structure: Any, flat_sequence: Iterable[Any], expand_composites: bool = False) -> Any:
    """The leaves of ``flat_sequence`` in the containers of ``structure``; ``ValueError`` for another number."""
    return nest.pack_as(structure, flat_sequence)


def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """``func`` of corresponding leaves.

    Raises:
        TypeError: ``func`` is not callable.
        ValueError: no structure, an unknown keyword, or different structures.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, got: {func}")
    if not structure:
        raise ValueError("Must provide at least one structure")
    unknown = set(kwargs) - {"check_types", "expand_composites"}
    if unknown:
        raise ValueError(
            f"Only valid keyword arguments are `check_types` and `expand_composites`, not: {sorted(unknown)}"
        )
    return nest.map_structure(func, *structure)


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False) -> None:
    """``ValueError`` when the structures differ."""
    nest.assert_same_structure(nest1, nest2)


def is_nested(seq: Any) -> bool:
    """Whether it is a container."""
    return nest.is_nested(seq)


is_sequence = is_nested

__getattr__ = missing(__name__, globals())
