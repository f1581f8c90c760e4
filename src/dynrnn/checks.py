"""What a step must keep true, and errors that name the leaf that does not."""

from __future__ import annotations

from typing import Any

import optree
import torch

from dynrnn import nest

__all__ = ["check_like", "check_pair", "check_rows", "describe_leaf", "has_rows", "leaf_names"]


def has_rows(leaf: Any) -> bool:
    """Whether ``leaf`` has a batch axis: rank-0 tensors and things that are no tensors have none."""
    return isinstance(leaf, torch.Tensor) and leaf.ndim > 0


def leaf_names(root: str, tree: Any) -> list[str]:
    """How python code would reach every leaf of ``tree`` from a variable called ``root``."""
    return [accessor.codify(root) for accessor in optree.tree_accessors(tree, none_is_leaf=True)]


def describe_leaf(leaf: Any) -> str:
    """Dtype and shape of a tensor, the type of anything else."""
    if not isinstance(leaf, torch.Tensor):
        return type(leaf).__name__
    return f"{str(leaf.dtype).removeprefix('torch.')} {list(leaf.shape)}"


def check_pair(result: Any, who: str) -> tuple[Any, Any]:
    """``result`` as (output, new_state).

    Raises:
        TypeError: it is not a tuple or list of two.
    """
    if not isinstance(result, (tuple, list)):
        raise TypeError(f"{who} must return a pair (output, new_state), got {describe_leaf(result)}")
    if len(result) != 2:
        raise TypeError(f"{who} must return a pair (output, new_state), got {len(result)} things")
    return result[0], result[1]


def check_like(expected: Any, actual: Any, name: str, rule: str) -> None:
    """Hold ``actual`` (called ``name``) to the structure, types, shapes and dtypes of ``expected``.

    Raises:
        ValueError: names the first leaf that differs, with ``rule`` saying what it had to be like.
    """
    if nest.structure(expected) != nest.structure(actual):
        raise ValueError(
            f"{name} must {rule}: expected the structure {nest.describe(expected)}, got {nest.describe(actual)}"
        )
    for index, (old, new) in enumerate(zip(nest.flatten(expected), nest.flatten(actual), strict=True)):
        if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
            if old.shape == new.shape and old.dtype == new.dtype:
                continue
        elif isinstance(old, torch.Tensor) == isinstance(new, torch.Tensor):
            continue
        where = leaf_names(name, actual)[index]
        raise ValueError(f"{where} must {rule}: expected {describe_leaf(old)}, got {describe_leaf(new)}")


def check_rows(tree: Any, batch: int, name: str, *, arrays: bool = False) -> None:
    """Hold every leaf of ``tree`` to be a tensor of rank 0 or with ``batch`` rows (with ``arrays``, an array passes).

    Raises:
        TypeError: a leaf is not a tensor.
        ValueError: a leaf has another number of rows.
    """
    for index, leaf in enumerate(nest.flatten(tree)):
        if arrays and getattr(leaf, "rowless", False):
            continue
        if not isinstance(leaf, torch.Tensor):
            raise TypeError(f"{leaf_names(name, tree)[index]} must be a tensor, got {type(leaf).__name__}")
        if leaf.ndim and leaf.shape[0] != batch:
            raise ValueError(
                f"{leaf_names(name, tree)[index]} must have the {batch} rows of the batch in its first dimension, "
                f"got {describe_leaf(leaf)}"
            )
