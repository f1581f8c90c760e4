"""The law of ``dynrnn.scan`` without masks: every row alone, in a python loop over its own length.

The padding is never touched, so nothing in it can matter; gradients come from torch's autograd of the same loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dynrnn import nest

Step = Callable[[Any, Any, Any], tuple[Any, Any]]

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.float16: 1e-2, torch.bfloat16: 8e-2}


def is_float(leaf: torch.Tensor) -> bool:
    return leaf.is_floating_point()


def to_batch_major(tree: Any) -> Any:
    """The transposition between batch- and time-major, which is its own inverse."""
    return nest.map_structure(lambda leaf: leaf.transpose(0, 1), tree)


def row_by_row(
    step: Step, inputs: Any, state: Any, params: Any, lengths: list[int] | None, time_major: bool = False
) -> tuple[Any, Any]:
    """What ``scan`` has to return, for states and outputs that all have rows. Needs B >= 1 and T >= 1."""
    if time_major:
        inputs = to_batch_major(inputs)
    batch, steps = nest.flatten(inputs)[0].shape[:2]
    ends = [steps] * batch if lengths is None else [min(max(n, 0), steps) for n in lengths]
    harmless = nest.map_structure(lambda leaf: torch.ones_like(leaf[:, 0]), inputs)
    y_like, _ = step(params, harmless, state)
    outputs, finals = [], []
    for b, end in enumerate(ends):
        row_state = nest.map_structure(lambda leaf, b=b: leaf[b : b + 1], state)
        ys = []
        for t in range(end):
            x = nest.map_structure(lambda leaf, b=b, t=t: leaf[b : b + 1, t], inputs)
            y, row_state = step(params, x, row_state)
            ys.append(y)
        padding = nest.map_structure(lambda leaf: torch.zeros_like(leaf[:1]), y_like)
        outputs.append(nest.map_structure(lambda *rows: torch.stack(rows, 1), *ys, *[padding] * (steps - end)))
        finals.append(row_state)
    ys = nest.map_structure(lambda *rows: torch.cat(rows), *outputs)
    return (to_batch_major(ys) if time_major else ys), nest.map_structure(lambda *rows: torch.cat(rows), *finals)


def leaves_with_grad(*trees: Any) -> list[torch.Tensor]:
    """The floating leaves of ``trees``, made to ask for gradients."""
    return [leaf.requires_grad_() for leaf in nest.flatten(trees) if is_float(leaf)]


def gradients(results: Any, sources: list[torch.Tensor]) -> list[torch.Tensor]:
    """Gradients of a fixed weighing of all floating ``results``; zeros where a source does not matter."""
    generator = torch.Generator().manual_seed(7)
    floating = [leaf for leaf in nest.flatten(results) if is_float(leaf)]
    weights = [torch.randn(leaf.shape, generator=generator, dtype=torch.float64).to(leaf) for leaf in floating]
    pairs = [(leaf, weight) for leaf, weight in zip(floating, weights, strict=True) if leaf.requires_grad]
    if not pairs:
        return [torch.zeros_like(source) for source in sources]
    outputs, cotangents = (list(column) for column in zip(*pairs, strict=True))
    found = torch.autograd.grad(outputs, sources, cotangents, allow_unused=True)
    return [torch.zeros_like(s) if g is None else g for g, s in zip(found, sources, strict=True)]


def assert_close(actual: Any, expected: Any, computed_in: torch.dtype | None = None) -> None:
    """Same structure; equal to the tolerance of the dtype (or of ``computed_in``), exactly where not floating."""
    nest.assert_same_structure(expected, actual)
    for a, e in zip(nest.flatten(actual), nest.flatten(expected), strict=True):
        tolerance = TOLERANCE[computed_in or e.dtype] if is_float(e) else 0.0
        torch.testing.assert_close(a, e, rtol=tolerance, atol=tolerance)


def spoil_padding(inputs: Any, lengths: list[int] | None, garbage: float, time_major: bool = False) -> Any:
    """A copy of ``inputs`` whose floating leaves hold ``garbage`` past the lengths."""
    tree = to_batch_major(inputs) if time_major else inputs

    def spoil(leaf: torch.Tensor) -> torch.Tensor:
        leaf = leaf.detach().clone()
        if is_float(leaf):
            for b, length in enumerate(lengths or []):
                leaf[b, max(length, 0) :] = garbage
        return leaf

    spoiled = nest.map_structure(spoil, tree)
    return nest.map_structure(torch.Tensor.contiguous, to_batch_major(spoiled)) if time_major else spoiled
