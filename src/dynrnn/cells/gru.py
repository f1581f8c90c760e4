"""`GRUCell`, the gated recurrent unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import affine, get_activation
from dynrnn.cells.initializers import Constant, check_initializer
from dynrnn.cells.state import VectorStateMixin

__all__ = ["GRUCell"]


class GRUCell(VectorStateMixin):
    """The gated recurrent unit.

    ::

        [r, u] = sigmoid([x, h] Wg + bg)
        c      = act([x, r * h] Wc + bc)
        h'     = u * h + (1 - u) * c

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    2014. The reset gate r acts on h *before* the product with Wc, as in that paper; ``torch.nn.GRU`` and cuDNN apply it
    after, and to a term with a bias of its own, so that neither can take the weights of the other.

    Weights, for inputs of width D and n units: ``gates.kernel`` [D + n, 2n], ``gates.bias`` [2n] (ones: at first the
    old state is kept), ``candidate.kernel`` [D + n, n], ``candidate.bias`` [n] (zeros). Inputs are [B, D], state and
    output [B, n], all of one floating dtype.

    Args:
        num_units: n.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch, where sharing a cell shares its weights.
        kernel_initializer: of both kernels; Glorot uniform when None.
        bias_initializer: of both biases, instead of ones and zeros.
        name: the cell's scope instead of ``gru_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; the inputs' dtype is not that of the weights or of the state.
        ValueError: ``num_units`` or ``input_size`` is below 1, an activation has an unknown name, or inputs or state
            have another rank or width than the weights.
    """

    gates: Any
    candidate: Any
    # of kernel and bias of the gates, then of the candidate
    _layout: tuple[str, ...] = ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        *,
        input_size: int | None = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name, input_size=input_size)
        check_initializer("kernel_initializer", kernel_initializer)
        check_initializer("bias_initializer", bias_initializer)
        self._num_units = positive_int("num_units", num_units)
        self._activation = get_activation(activation)
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer
        self._reuse = reuse

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        gates_bias = candidate_bias = self._bias_initializer
        if self._bias_initializer is None:
            gates_bias, candidate_bias = Constant(1.0), Constant(0.0)
        names = iter(self._layout)
        self.add_weight(next(names), [depth + n, 2 * n], self._kernel_initializer)
        self.add_weight(next(names), [2 * n], gates_bias)
        self.add_weight(next(names), [depth + n, n], self._kernel_initializer)
        self.add_weight(next(names), [n], candidate_bias)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes[self._layout[0].replace("/", ".")][0] - self._num_units

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], the same tensor as new state)."""
        self._check_state(inputs, state, self._num_units)
        self._prepare(inputs)
        gates_kernel, gates_bias, candidate_kernel, candidate_bias = (self._weight(name) for name in self._layout)
        gates = torch.sigmoid(affine(torch.cat([inputs, state], 1), gates_kernel, gates_bias))
        r, u = torch.split(gates, self._num_units, dim=1)
        candidate = self._activation(affine(torch.cat([inputs, r * state], 1), candidate_kernel, candidate_bias))
        output = u * state + (1.0 - u) * candidate
        return output, output
