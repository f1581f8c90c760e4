"""Steps of the RNN, LSTM and GRU in the form of cuDNN and ``torch.nn``: formulas and weight layouts.

The weights of one layer in one direction are a `TorchWeights`: ``w_ih`` [G * H, I] and ``w_hh`` [G * H, P] act from
the right, transposed, with the gates one below the other, and there are two biases [G * H]. P is the width of the
output: H, or that of the projection. A step is ``step(weights, x, state) -> (output, new state)``, as `dynrnn.scan`
takes it.

Where the two biases are added to the same sum they are added to each other first: that depends on weights alone, so an
unroll does it once.

Sources: Elman, "Finding structure in time", 1990; Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the
forget gate of Gers et al., 2000, and the projection of Sak et al., 2014; Cho et al., 2014, for the GRU, whose reset
gate acts here after the product.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

__all__ = ["TorchWeights", "gru_step", "lstm_step", "relu_step", "tanh_step"]


class TorchWeights(NamedTuple):
    """The weights of one layer in one direction, as ``torch.nn`` lays them out; None for what the layer lacks."""

    w_ih: Any
    w_hh: Any
    b_ih: Any = None
    b_hh: Any = None
    w_hr: Any = None


def _sums(weights: TorchWeights, x: Any, h: Any) -> Any:
    """``x w_ih' + b_ih + h w_hh' + b_hh``."""
    bias = None if weights.b_ih is None else weights.b_ih + weights.b_hh
    return functional.linear(x, weights.w_ih, bias) + functional.linear(h, weights.w_hh)


def tanh_step(weights: TorchWeights, x: Any, h: Any) -> tuple[Any, Any]:
    """``h' = tanh(x w_ih' + b_ih + h w_hh' + b_hh)``: x [B, I], h [B, H]."""
    h = torch.tanh(_sums(weights, x, h))
    return h, h


def relu_step(weights: TorchWeights, x: Any, h: Any) -> tuple[Any, Any]:
    """``h' = max(x w_ih' + b_ih + h w_hh' + b_hh, 0)``: x [B, I], h [B, H]."""
    h = torch.relu(_sums(weights, x, h))
    return h, h


def lstm_step(weights: TorchWeights, x: Any, state: Any) -> tuple[Any, Any]:
    """One step of the LSTM: x [B, I], state ``(h, c)`` of [B, P] and [B, H].

    ::

        [i, f, g, o] = x w_ih' + b_ih + h w_hh' + b_hh
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')          (times w_hr', where there is a projection)
    """
    h, c = state
    i, f, g, o = _sums(weights, x, h).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    if weights.w_hr is not None:
        h = functional.linear(h, weights.w_hr)
    return h, (h, c)


def gru_step(weights: TorchWeights, x: Any, h: Any) -> tuple[Any, Any]:
    """One step of the GRU: x [B, I], h [B, H].

    ::

        [xr, xz, xn] = x w_ih' + b_ih
        [hr, hz, hn] = h w_hh' + b_hh
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n  = tanh(xn + r * hn)
        h' = (1 - z) * n + z * h
    """
    xr, xz, xn = functional.linear(x, weights.w_ih, weights.b_ih).chunk(3, 1)
    hr, hz, hn = functional.linear(h, weights.w_hh, weights.b_hh).chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    h = torch.lerp(n, h, z)
    return h, h
