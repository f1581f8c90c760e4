"""Arguments that the drivers share: options, the inputs of whole sequences or of single steps, lengths."""

from __future__ import annotations

from typing import Any

import torch

from dynrnn import nest
from dynrnn.checks import describe_leaf, leaf_names
from dynrnn.lengths import as_lengths

__all__ = ["check_inputs", "check_lengths", "check_options", "stack_steps", "unstack_steps"]


def check_options(parallel_iterations: Any, swap_memory: Any, time_major: Any = False) -> None:
    """Hold the options that every driver has to their types.

    Raises:
        TypeError: ``parallel_iterations`` is not an int, or one of the others not a bool.
        ValueError: ``parallel_iterations`` is not positive.
    """
    if parallel_iterations is not None:
        if not isinstance(parallel_iterations, int) or isinstance(parallel_iterations, bool):
            raise TypeError(f"parallel_iterations must be a positive integer, got {parallel_iterations!r}")
        if parallel_iterations < 1:
            raise ValueError(f"parallel_iterations must be a positive integer, got {parallel_iterations}")
    for name, value in (("swap_memory", swap_memory), ("time_major", time_major)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}")


def check_inputs(inputs: Any, time_major: bool) -> tuple[int, int]:
    """B and T of a nest of sequences.

    Raises:
        TypeError: a leaf is not a tensor.
        ValueError: there is no leaf, a leaf has rank below 3, or two leaves disagree about B or T.
    """
    leaves = nest.flatten(inputs)
    if not leaves:
        raise ValueError("inputs must hold at least one tensor, got an empty structure")
    time_axis, batch_axis = (0, 1) if time_major else (1, 0)
    if (
        all(isinstance(leaf, torch.Tensor) and leaf.ndim >= 3 for leaf in leaves)
        and len({leaf.shape[:2] for leaf in leaves}) == 1
    ):
        return leaves[0].shape[batch_axis], leaves[0].shape[time_axis]
    names = leaf_names("inputs", inputs)
    axes = "[T, B, ...]" if time_major else "[B, T, ...]"
    for name, leaf in zip(names, leaves, strict=True):
        if not isinstance(leaf, torch.Tensor):
            raise TypeError(f"{name} must be a tensor {axes}, got {type(leaf).__name__}")
        if leaf.ndim < 2:
            raise ValueError(f"Expected input tensor {name} to have rank at least 2, but saw shape: {list(leaf.shape)}")
        if leaf.ndim < 3:
            raise ValueError(f"{name} must have rank at least 3, {axes}, but saw shape: {list(leaf.shape)}")
    sizes = ", ".join(f"{name} {list(leaf.shape)}" for name, leaf in zip(names, leaves, strict=True))
    if len({leaf.shape[time_axis] for leaf in leaves}) > 1:
        raise ValueError(f"Time steps is not the same for all the elements in the input in a batch. Got {sizes}.")
    raise ValueError(f"Batch_size is not the same for all the elements in the input. Got {sizes}.")


def check_lengths(sequence_length: Any, batch: int) -> list[int] | None:
    """``sequence_length`` as a driver takes it: integers or floats, or None; see `dynrnn.lengths.as_lengths`."""
    if sequence_length is None:
        return None
    return as_lengths(sequence_length, batch, "sequence_length", floats=True)


def stack_steps(inputs: Any) -> tuple[Any, int]:
    """A list of steps as one nest of time-major sequences, and B.

    Raises:
        TypeError: ``inputs`` is not a list or tuple, or a leaf of it is not a tensor.
        ValueError: ``inputs`` is empty, a leaf has no batch, or the steps are not alike.
    """
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(f"inputs must be a sequence, with one input per time step, got {describe_leaf(inputs)}")
    if not inputs:
        raise ValueError("inputs must not be empty")
    for t, step in enumerate(inputs):
        if nest.structure(step) != nest.structure(inputs[0]):
            raise ValueError(
                f"inputs must have one structure in all steps: inputs[0] has {nest.describe(inputs[0])}, "
                f"inputs[{t}] has {nest.describe(step)}"
            )
        for name, leaf, first in zip(
            leaf_names(f"inputs[{t}]", step), nest.flatten(step), nest.flatten(inputs[0]), strict=True
        ):
            if not isinstance(leaf, torch.Tensor):
                raise TypeError(f"{name} must be a tensor [batch_size, ...], got {type(leaf).__name__}")
            if leaf.ndim < 1:
                raise ValueError(f"{name} must have a batch dimension, got rank 0")
            if leaf.shape != first.shape or leaf.dtype != first.dtype:
                raise ValueError(
                    f"{name} is incompatible with that of step 0: expected {describe_leaf(first)}, "
                    f"got {describe_leaf(leaf)}"
                )
    leaves = nest.flatten(inputs[0])
    if not leaves:
        raise ValueError("inputs must hold at least one tensor in each step, got an empty structure")
    if len({leaf.shape[0] for leaf in leaves}) > 1:
        shapes = ", ".join(map(describe_leaf, leaves))
        raise ValueError(f"Batch_size is not the same for all the elements in the input. Got {shapes}.")
    return nest.map_structure(lambda *steps: torch.stack(steps), *inputs), leaves[0].shape[0]


def unstack_steps(sequences: Any, steps: int) -> list[Any]:
    """A nest of time-major sequences as a list with one nest per step."""
    slices = [leaf.unbind(0) for leaf in nest.flatten(sequences)]
    return [nest.pack_as(sequences, [leaf[t] for leaf in slices]) for t in range(steps)]
