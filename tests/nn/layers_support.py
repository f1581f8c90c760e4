"""Pairs of layers with the same weights, torch's and ours, and what is compared of them."""

from __future__ import annotations

from typing import Any

import torch

import dynrnn

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
CLASSES = ("RNN", "LSTM", "GRU")


def pair(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """torch's layer, and ours with its weights."""
    theirs = getattr(torch.nn, name)(*args, **options)
    ours = getattr(dynrnn.nn, name)(*args, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def initial_state(layer: Any, batch: int, dtype: torch.dtype) -> Any:
    """Random numbers that ask for gradients, as the layer takes them."""
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    widths = [layer.proj_size or layer.hidden_size]
    if layer.mode == "LSTM":
        widths.append(layer.hidden_size)
    parts = [torch.randn(rows, batch, width, dtype=dtype, requires_grad=True) for width in widths]
    return tuple(parts) if layer.mode == "LSTM" else parts[0]


def flat(state: Any) -> list[torch.Tensor]:
    if state is None:
        return []
    return list(state) if isinstance(state, (tuple, list)) else [state]


def gradients(results: list[torch.Tensor], sources: list[torch.Tensor]) -> list[torch.Tensor]:
    """Of a fixed weighing of the results."""
    weights = [torch.linspace(-1, 1, r.numel(), dtype=torch.float64).sin().to(r).reshape(r.shape) for r in results]
    return list(torch.autograd.grad(results, sources, weights))


def assert_same(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    """Equal to the tolerance of the dtype, relative to the largest number in each tensor."""
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert (a.shape, a.dtype) == (e.shape, e.dtype)
        scale = max(1.0, e.abs().max().item()) if e.numel() else 1.0
        torch.testing.assert_close(a, e, rtol=0, atol=scale * TOLERANCE[e.dtype])
