"""`BasicRNNCell`, the simplest recurrent cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import RNNCell, affine, get_activation
from dynrnn.cells.initializers import Constant

__all__ = ["BasicRNNCell"]


class BasicRNNCell(RNNCell):
    """The simple recurrent network: the output is the new state.

    ::

        h' = act([x, h] W + b)

    Source: Elman, "Finding Structure in Time", 1990.

    Weights, for inputs of width D and n units: ``kernel`` [D + n, n], ``bias`` [n] (zeros). Inputs are [B, D], state
    and output [B, n], all of one floating dtype.

    Args:
        num_units: n.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch, where sharing a cell shares its weights.
        name: the cell's scope instead of ``basic_rnn_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; the inputs' dtype is not that of the weights or of the state.
        ValueError: ``num_units`` or ``input_size`` is below 1, an activation has an unknown name, or inputs or state
            have another rank or width than the weights.
    """

    kernel: Any
    bias: Any

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        *,
        input_size: int | None = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name, input_size=input_size)
        self._num_units = positive_int("num_units", num_units)
        self._activation = get_activation(activation)
        self._reuse = reuse

    @property
    def state_size(self) -> int:
        """n."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """n."""
        return self._num_units

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        self.add_weight("kernel", [depth + self._num_units, self._num_units])
        self.add_weight("bias", [self._num_units], Constant(0.0))

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0] - self._num_units

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], the same tensor as new state)."""
        self._check_state(inputs, state, self._num_units)
        self._prepare(inputs)
        output = self._activation(affine(torch.cat([inputs, state], 1), self.kernel, self.bias))
        return output, output

    def extra_repr(self) -> str:
        """Units, and the width of the inputs once known."""
        return ", ".join(filter(None, [f"num_units={self._num_units}", super().extra_repr()]))
