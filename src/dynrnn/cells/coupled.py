"""`CoupledInputForgetGateLSTMCell`: what the forget gate lets go is what the input gate takes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import get_activation
from dynrnn.cells.initializers import Constant, check_initializer
from dynrnn.cells.layer_norm import LayerNormMixin
from dynrnn.cells.lstm import as_bound
from dynrnn.cells.shards import ShardsMixin, as_count
from dynrnn.cells.state import LSTMStateMixin

__all__ = ["CoupledInputForgetGateLSTMCell"]


class CoupledInputForgetGateLSTMCell(ShardsMixin, LayerNormMixin, LSTMStateMixin):
    """Long short-term memory whose input gate is one minus its forget gate.

    ::

        [j, f, o] = [x, m] W + B                  without B, and each normalised, with ``layer_norm``
        g  = sigmoid(f + forget_bias + w_f * c)
        c' = g * c + (1 - g) * act(j)             normalised with ``layer_norm``
        m' = sigmoid(o + w_o * c') * act(c')
        m' = clip(m' P, -proj_clip, proj_clip)
        output m', state (c', m')

    where the terms of w_f, w_o are there with ``use_peepholes``, P with ``num_proj``. Normalisation is that of
    `LayerNormBasicLSTMCell`.

    Sources: Greff et al., "LSTM: A Search Space Odyssey", 2015 (the coupling); Sak et al., "Long Short-Term Memory
    Recurrent Neural Network Architectures for Large Scale Acoustic Modeling", 2014 (peepholes and projection); Ba et
    al., "Layer Normalization", 2016.

    Weights, for inputs of width D, n units and outputs of width p (``num_proj``, or n), in this order: ``W_0``
    [D + p, 3n], ``B`` [3n] (zeros; not used with layer normalisation, but there), with it ``transform``, ``forget``,
    ``output``, each with ``.gamma`` and ``.beta`` [n], with peepholes ``W_F_diag``, ``W_O_diag`` [n], with layer
    normalisation ``state``, with projection ``W_P_0`` [n, p]. More shards are more parts, ``W_1`` and so on. Inputs are
    [B, D], the output [B, p], the state (c [B, n], m [B, p]), all of one floating dtype.

    Args:
        num_units: n.
        use_peepholes: whether the gates see c.
        initializer: of W, peepholes and projection; Glorot uniform when None.
        num_proj: p, or None for no projection.
        proj_clip: bound on the projected output, or None.
        num_unit_shards: number of parts of W.
        num_proj_shards: number of parts of P.
        forget_bias: added to f before its sigmoid.
        state_is_tuple: False makes the state one tensor [B, n + p], c | m.
        activation: ``act``, a callable or a Keras name.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        layer_norm: whether to normalise.
        norm_gain: initial gamma.
        norm_shift: initial beta.
        name: the cell's scope instead of ``coupled_input_forget_gate_lstm_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; one tensor where the state is a pair; dtypes that differ.
        ValueError: a size below 1, a negative clip, more shards than rows, or inputs or state of another shape.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: Any = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = torch.tanh,
        reuse: bool | None = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        *,
        name: str | None = None,
        dtype: Any = None,
        input_size: int | None = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name, input_size=input_size)
        check_initializer("initializer", initializer)
        self._num_units = positive_int("num_units", num_units)
        self._use_peepholes = bool(use_peepholes)
        self._initializer = initializer
        self._num_proj = None if num_proj is None else positive_int("num_proj", num_proj)
        self._proj_clip = as_bound("proj_clip", proj_clip)
        self._num_unit_shards = as_count("num_unit_shards", num_unit_shards)
        self._num_proj_shards = as_count("num_proj_shards", num_proj_shards)
        self._forget_bias = forget_bias
        self._state_is_tuple = bool(state_is_tuple)
        self._activation = get_activation(activation)
        self._reuse = reuse
        self._layer_norm = bool(layer_norm)
        self._norm_gain = norm_gain
        self._norm_shift = norm_shift

    @property
    def _h_size(self) -> int:
        return self._num_proj or self._num_units

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        self._add_shards("W", [depth + self._h_size, 3 * n], self._num_unit_shards, self._initializer)
        self.add_weight("B", [3 * n], Constant(0.0))
        self._add_norms("transform", "forget", "output")
        if self._use_peepholes:
            for gate in "FO":
                self.add_weight(f"W_{gate}_diag", [n], self._initializer)
        self._add_norms("state")
        if self._num_proj is not None:
            self._add_shards("W_P", [n, self._num_proj], self._num_proj_shards, self._initializer)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return self._rows_of(shapes, "W", self._num_unit_shards) - self._h_size

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state (c, m) -> (output [B, p], new state)."""
        c, m = self._split_state(inputs, state)
        self._prepare(inputs)
        kernel = self._joined("W", self._num_unit_shards)
        both = torch.cat([inputs, m], 1)
        gates = torch.matmul(both, kernel) if self._layer_norm else torch.addmm(self.B, both, kernel)
        j, f, o = torch.split(gates, self._num_units, dim=1)
        j, f, o = self._norm("transform", j), self._norm("forget", f), self._norm("output", o)
        f = f + self._forget_bias
        if self._use_peepholes:
            f = f + self.W_F_diag * c
        keep = torch.sigmoid(f)
        c = self._norm("state", keep * c + (1.0 - keep) * self._activation(j))
        if self._use_peepholes:
            o = o + self.W_O_diag * c
        m = torch.sigmoid(o) * self._activation(c)
        if self._num_proj is not None:
            m = torch.matmul(m, self._joined("W_P", self._num_proj_shards))
            if self._proj_clip is not None:
                m = torch.clamp(m, -self._proj_clip, self._proj_clip)
        return m, self._join_state(c, m)
