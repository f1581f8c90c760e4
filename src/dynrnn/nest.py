"""Nests: tuples, lists, dicts and namedtuples of tensors, handled by optree.

``None`` is a leaf, as in TensorFlow's ``tf.nest``; so is every object that is not one of the four containers (a
``torch.Size`` in a ``state_size``, a graph tensor, a ``TensorShape``). Dictionaries are walked in the order of their
sorted keys. Everything in the project that takes structures goes through this module, so that there is one notion of
structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import optree
import torch

__all__ = ["assert_same_structure", "flatten", "is_nested", "map_structure", "pack_as", "structure"]

Nest = Any


def flatten(nest: Nest) -> list[Any]:
    """Leaves of ``nest``, left to right."""
    if isinstance(nest, torch.Tensor):  # the drivers ask at every call, mostly about one tensor
        return [nest]
    return optree.tree_leaves(nest, none_is_leaf=True)


def structure(nest: Nest) -> optree.PyTreeSpec:
    """The containers of ``nest`` without its leaves; equal structures compare equal."""
    return optree.tree_structure(nest, none_is_leaf=True)


def pack_as(like: Nest, leaves: Iterable[Any]) -> Nest:
    """Put ``leaves`` into the containers of ``like``.

    Raises:
        ValueError: when the number of leaves differs.
    """
    leaves = list(leaves)
    if isinstance(like, torch.Tensor) and len(leaves) == 1:
        return leaves[0]
    spec = structure(like)
    if spec.num_leaves != len(leaves):
        raise ValueError(f"expected {spec.num_leaves} leaves to fill the structure {describe(like)}, got {len(leaves)}")
    return optree.tree_unflatten(spec, leaves)


def map_structure(fn: Callable[..., Any], nest: Nest, *others: Nest) -> Nest:
    """Apply ``fn`` leaf by leaf; the ``others`` must have the structure of ``nest``."""
    if not others:
        return optree.tree_map(fn, nest, none_is_leaf=True)
    for other in others:
        assert_same_structure(nest, other)
    flats = [flatten(n) for n in (nest, *others)]
    return pack_as(nest, [fn(*leaves) for leaves in zip(*flats, strict=True)])


def is_nested(nest: Nest) -> bool:
    """Whether ``nest`` is a container (and not itself a leaf)."""
    return not optree.treespec_is_leaf(structure(nest))


def describe(nest: Nest) -> str:
    """The structure of ``nest`` for an error message: containers with ``*`` for leaves."""
    return str(optree.tree_map(lambda _: _Star(), nest, none_is_leaf=True))


class _Star:
    def __repr__(self) -> str:
        return "*"


def assert_same_structure(expected: Nest, actual: Nest, what: str = "the second structure") -> None:
    """Raise ``ValueError`` with both structures when they differ."""
    if structure(expected) != structure(actual):
        raise ValueError(f"expected {what} to have the structure {describe(expected)}, got {describe(actual)}")
