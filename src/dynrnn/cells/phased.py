"""`PhasedLSTMCell`, whose units open for a part of their own periods only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int, static_dims
from dynrnn.cells.base import affine
from dynrnn.cells.initializers import Constant, LogUniform, UniformBelow
from dynrnn.cells.state import LSTMStateMixin

__all__ = ["PhasedLSTMCell"]


class PhasedLSTMCell(LSTMStateMixin):
    """Long short-term memory for events at uneven times: every unit has a clock and changes only while it is open.

    ::

        [i, f] = sigmoid([x, h, c] Wm + bm)         c with ``use_peepholes``
        c~ = f * c + i * tanh([x, h] Wn + bn)
        h~ = tanh(c~) * sigmoid([x, h, c~] Wo + bo)     c~ with ``use_peepholes``
        p  = ((time - phase) mod period) / period
        k  = 2 p / r              where p < r / 2        opening
             2 - 2 p / r          where p < r            closing
             leak * p             elsewhere              closed
        c' = k * c~ + (1 - k) * c
        h' = k * h~ + (1 - k) * h
        output h', state (c', h')

    The derivative of the remainder is 1 by the time and the phase and 0 by the period.

    Source: Neil et al., "Phased LSTM: Accelerating Recurrent Network Training for Long or Event-based Sequences", 2016.

    Weights, for features of width D and n units: ``mask_gates.kernel`` [D + n, 2n] ([D + 2n, 2n] with peepholes),
    ``mask_gates.bias`` [2n], ``new_input.kernel`` [D + n, n], ``new_input.bias`` [n], ``output_gate.kernel`` [D + n, n]
    ([D + 2n, n]), ``output_gate.bias`` [n] (biases: zeros), ``period`` [n] (its logarithm drawn evenly), ``phase`` [n]
    (drawn evenly below the period), ``ratio_on`` [n]. Inputs are a pair (time [B, 1], x [B, D]); the time may have a
    finer dtype than all others, and the remainder is then taken in it. The output is [B, n], the state (c, h) of [B,
    n].

    Args:
        num_units: n.
        use_peepholes: whether the gates see c.
        leak: what a closed unit lets through.
        ratio_on: initial part of the period in which a unit is open.
        trainable_ratio_on: whether it has gradients.
        period_init_min: least initial period, above 0.
        period_init_max: bound of the initial periods, above it.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``phased_lstm_cell``.
        dtype: of the weights; that of the first x when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first x when None.

    Raises:
        TypeError: an argument has the wrong type; inputs or state that are not pairs; dtypes that differ.
        ValueError: a size below 1, periods out of order, or inputs or state of another shape.
    """

    mask_gates: Any
    new_input: Any
    output_gate: Any
    period: Any
    phase: Any
    ratio_on: Any

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        leak: Any = 0.001,
        ratio_on: float = 0.1,
        trainable_ratio_on: bool = True,
        period_init_min: float = 1.0,
        period_init_max: float = 1000.0,
        reuse: bool | None = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        input_size: int | None = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name, input_size=input_size)
        if not 0.0 < period_init_min < period_init_max:
            raise ValueError(
                "expected 0 < period_init_min < period_init_max, "
                f"got period_init_min={period_init_min}, period_init_max={period_init_max}"
            )
        self._num_units = positive_int("num_units", num_units)
        self._use_peepholes = bool(use_peepholes)
        self._leak = leak
        self._ratio_on = ratio_on
        self._trainable_ratio_on = bool(trainable_ratio_on)
        self._period_init_min = float(period_init_min)
        self._period_init_max = float(period_init_max)
        self._reuse = reuse

    def build(self, depth: int) -> None:
        """Create the weights for features of width ``depth``."""
        n = self._num_units
        seen = depth + (2 * n if self._use_peepholes else n)
        for name, rows, columns in (("mask_gates", seen, 2 * n), ("new_input", depth + n, n), ("output_gate", seen, n)):
            self.add_weight(f"{name}/kernel", [rows, columns])
            self.add_weight(f"{name}/bias", [columns], Constant(0.0))
        self.add_weight("period", [n], LogUniform(self._period_init_min, self._period_init_max))
        self.add_weight("phase", [n], UniformBelow(self.period))
        self.add_weight("ratio_on", [n], Constant(self._ratio_on), trainable=self._trainable_ratio_on)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the features these weights take."""
        return shapes["new_input.kernel"][0] - self._num_units

    def _cast(self, x: Any, like: Any) -> Any:
        """``x`` in the dtype of ``like``; a hook, because no torch function casts graph tensors."""
        return x if x.dtype == like.dtype else x.to(like.dtype)

    def _openness(self, time: Any, like: Any) -> Any:
        """k of every row and unit, in the dtype of ``like``."""
        period = self._cast(self.period, time)
        shifted = time - self._cast(self.phase, time)
        remainder = torch.detach(torch.remainder(shifted, period) - shifted) + shifted
        cycle = self._cast(remainder / period, like)
        opening = 2.0 * cycle / self.ratio_on
        k = torch.where(torch.lt(cycle, self.ratio_on), 2.0 - opening, self._leak * cycle)
        return torch.where(torch.lt(cycle, 0.5 * self.ratio_on), opening, k)

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs (time [B, 1], x [B, D]), state (c, h) -> (output [B, n], new state)."""
        if not isinstance(inputs, Sequence) or len(inputs) != 2:
            raise TypeError(f"expected inputs of {self.scope_name} to be a pair (time, x), got {type(inputs).__name__}")
        time, x = inputs
        dims = static_dims(time)
        if dims is not None and (len(dims) != 2 or dims[1] not in (None, 1)):
            raise ValueError(f"expected the time of {self.scope_name} to have shape [batch, 1], got {dims}")
        c, h = self._split_state(x, state)
        self._prepare(x)
        peep: list[Any] = [c] if self._use_peepholes else []
        gates = torch.sigmoid(affine(torch.cat([x, h, *peep], 1), self.mask_gates.kernel, self.mask_gates.bias))
        i, f = torch.split(gates, self._num_units, dim=1)
        both = torch.cat([x, h], 1)
        new_c = c * f + i * torch.tanh(affine(both, self.new_input.kernel, self.new_input.bias))
        seen = torch.cat([x, h, new_c], 1) if self._use_peepholes else both
        new_h = torch.tanh(new_c) * torch.sigmoid(affine(seen, self.output_gate.kernel, self.output_gate.bias))
        k = self._openness(time, x)
        new_c = k * new_c + (1.0 - k) * c
        new_h = k * new_h + (1.0 - k) * h
        return new_h, self._join_state(new_c, new_h)
