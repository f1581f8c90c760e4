"""What the tests of the engine share: one call by both executors, forward and backward, and how near they must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dynrnn import nest, scan
from dynrnn.engine import dispatch

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6}
# a gradient sums over rows and steps, where numbers of both signs nearly cancel
GRADIENT_TOLERANCE = {torch.float64: 2e-12, torch.float32: 1e-5}


@dataclass
class Found:
    """What a call returned, and its gradients."""

    ys: Any
    final: Any
    grads: list[torch.Tensor | None]

    def tensors(self) -> list[torch.Tensor]:
        """All of it, a gradient that is not there as an empty tensor."""
        grads = [torch.zeros(0) if grad is None else grad for grad in self.grads]
        return [*nest.flatten(self.ys), *nest.flatten(self.final), *grads]


def fill(shape: Sequence[int], seed: int, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> torch.Tensor:
    """Random numbers in [-scale, scale), the same for the same seed in every dtype."""
    generator = torch.Generator().manual_seed(seed)
    return ((torch.rand(tuple(shape), generator=generator, dtype=torch.float64) * 2 - 1) * scale).to(dtype)


def leaves_of(*trees: Any) -> list[torch.Tensor]:
    """The floating tensors in ``trees`` (modules count as their parameters), each once, all asking for gradients."""
    found: dict[int, torch.Tensor] = {}
    for tree in trees:
        parts = list(tree.parameters()) if isinstance(tree, torch.nn.Module) else nest.flatten(tree)
        for leaf in parts:
            if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
                found[id(leaf)] = leaf if leaf.requires_grad else leaf.requires_grad_()
    return list(found.values())


def weigh(results: Any) -> torch.Tensor:
    """A sum of all floating results, each element with a weight of its own."""
    total = torch.zeros((), dtype=torch.float64)
    for number, leaf in enumerate(nest.flatten(results)):
        if leaf.is_floating_point() and leaf.requires_grad:
            total = total + (leaf.double() * fill(leaf.shape, 1000 + number)).sum()
    return total


def differentiated(call: Callable[[], tuple[Any, Any]], sources: Sequence[torch.Tensor]) -> Found:
    """Results and gradients of ``call``."""
    ys, final = call()
    total = weigh((ys, final))
    grads: Sequence[torch.Tensor | None] = [None] * len(sources)
    if sources and total.requires_grad:
        grads = torch.autograd.grad(total, sources, allow_unused=True, retain_graph=True)
    detached = nest.map_structure(torch.Tensor.detach, (ys, final))
    return Found(detached[0], detached[1], list(grads))


def assert_near(actual: torch.Tensor, expected: torch.Tensor, tolerance: float, what: str = "") -> None:
    """Equal within ``tolerance`` of the largest element (at least 1e-3); nan and inf at the same places."""
    assert actual.shape == expected.shape, f"{what}: {list(actual.shape)} is not {list(expected.shape)}"
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype} is not {expected.dtype}"
    if not expected.numel():
        return
    actual, expected = actual.detach(), expected.detach()
    finite = torch.isfinite(expected)
    torch.testing.assert_close(actual[~finite], expected[~finite], rtol=0, atol=0, equal_nan=True, msg=what or None)
    if finite.any():
        scale = max(float(expected[finite].abs().max()), 1e-3)
        error = float((actual[finite] - expected[finite]).abs().max())
        assert error <= tolerance * scale, f"{what}: differs by {error:.3g}, where the largest element is {scale:.3g}"


def assert_same(actual: Found, expected: Found, tolerance: float | None = None) -> None:
    """All results and gradients agree; no gradient (None) is as good as a gradient of zeros."""
    nest.assert_same_structure(expected.ys, actual.ys)
    nest.assert_same_structure(expected.final, actual.final)
    for number, (a, e) in enumerate(zip(nest.flatten(actual.ys), nest.flatten(expected.ys), strict=True)):
        assert_near(a, e, tolerance or TOLERANCE[e.dtype], f"output {number}")
    for number, (a, e) in enumerate(zip(nest.flatten(actual.final), nest.flatten(expected.final), strict=True)):
        assert_near(a, e, tolerance or TOLERANCE[e.dtype], f"final state {number}")
    for number, (got, wanted) in enumerate(zip(actual.grads, expected.grads, strict=True)):
        if got is None and wanted is None:
            continue
        like = wanted if wanted is not None else got
        assert like is not None
        a, e = (torch.zeros_like(like) if grad is None else grad for grad in (got, wanted))
        assert_near(a, e, tolerance or GRADIENT_TOLERANCE[like.dtype], f"gradient {number}")


def both(
    step: Callable[..., Any],
    inputs: Any,
    state: Any,
    params: Any = (),
    *,
    sources: Sequence[torch.Tensor] | None = None,
    engine: str = "native",
    tolerance: float | None = None,
    but: torch.Tensor | None = None,
    **options: Any,
) -> Found:
    """Run ``step`` by the engine and by the reference and compare everything; returns what the engine found.

    ``sources`` are what gradients are taken of, ``but`` says in which columns they do not count.
    """
    given = leaves_of(inputs, state, params) if sources is None else list(sources)
    expected = differentiated(lambda: scan(step, inputs, state, params, engine="reference", **options), given)
    actual = differentiated(lambda: scan(step, inputs, state, params, engine=engine, **options), given)
    for grad in (*expected.grads, *actual.grads):
        if but is not None and grad is not None and grad.shape[-1] == len(but):
            grad[..., but] = 0.0
    assert_same(actual, expected, tolerance)
    return actual


def executor_of(cell: Any, inputs: Any, state: Any, params: Any) -> str:
    """Which executor runs a step by itself."""
    from dynrnn import explain

    return explain(cell, inputs, state, params=params).executor


def forget_plans() -> None:
    """As in a fresh process: no plan is kept, and no refusal has been warned of."""
    dispatch._plans.clear()
    dispatch._reported.clear()


class Counted:
    """A step that counts its calls, and says to the engine that this is nothing it depends on."""

    trace_key: tuple[Any, ...]
    trace_reach: Any

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step, self.calls = step, 0
        self.trace_key, self.trace_reach = (), step

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return self.step(*args)
