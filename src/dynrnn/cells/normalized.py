"""`LayerNormLSTMCell` and `WeightNormLSTMCell`: an `LSTMCell` with its extras, its gates or its kernels normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int, width_of
from dynrnn.cells.base import get_activation
from dynrnn.cells.initializers import Constant, check_initializer
from dynrnn.cells.layer_norm import LayerNormMixin
from dynrnn.cells.lstm import as_bound
from dynrnn.cells.state import LSTMStateMixin

__all__ = ["LayerNormLSTMCell", "WeightNormLSTMCell"]


class LayerNormLSTMCell(LayerNormMixin, LSTMStateMixin):
    """An `LSTMCell` whose gates and c may be layer-normalised.

    ::

        [i, j, f, o] = [x, m] W + b                      without b, and each normalised, with ``layer_norm``
        c' = sigmoid(f + forget_bias + w_f * c) * c + sigmoid(i + w_i * c) * act(j)
        c' = clip(LN(c'), -cell_clip, cell_clip)
        m' = sigmoid(o + w_o * c') * act(c')
        m' = clip(m' P, -proj_clip, proj_clip)
        output m', state (c', m')

    where the terms of w_f, w_i, w_o are there with ``use_peepholes``, P with ``num_proj``, each clip with its bound.
    Normalisation is that of `LayerNormBasicLSTMCell`.

    Sources: as of `LSTMCell`, and Ba et al., "Layer Normalization", 2016.

    Weights, for inputs of width D, n units and outputs of width p (``num_proj``, or n), in this order: ``kernel``
    [D + p, 4n], ``bias`` [4n] (zeros; not used with layer normalisation, but there), with it ``input``, ``transform``,
    ``forget``, ``output``, each with ``.gamma`` and ``.beta`` [n], with peepholes ``w_f_diag``, ``w_i_diag``,
    ``w_o_diag`` [n], with layer normalisation ``state``, with projection ``projection.kernel`` [n, p]. Inputs are
    [B, D], the output [B, p], the state (c [B, n], m [B, p]), all of one floating dtype.

    Args:
        num_units: n.
        use_peepholes: whether the gates see c.
        cell_clip: bound on c', or None.
        initializer: of kernel, peepholes and projection; Glorot uniform when None.
        num_proj: p, or None for no projection.
        proj_clip: bound on the projected output, or None.
        forget_bias: added to f before its sigmoid, so that at first c is kept.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        layer_norm: whether to normalise.
        norm_gain: initial gamma.
        norm_shift: initial beta.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``layer_norm_lstm_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; one tensor where the state is a pair; dtypes that differ.
        ValueError: a size below 1, a negative clip, or inputs or state of another shape.
    """

    kernel: Any
    bias: Any
    projection: Any

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: Any = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: Any = None,
        forget_bias: float = 1.0,
        activation: Any = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        reuse: bool | None = None,
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
        self._cell_clip = as_bound("cell_clip", cell_clip)
        self._initializer = initializer
        self._num_proj = None if num_proj is None else positive_int("num_proj", num_proj)
        self._proj_clip = as_bound("proj_clip", proj_clip)
        self._forget_bias = forget_bias
        self._activation = get_activation(activation)
        self._layer_norm = bool(layer_norm)
        self._norm_gain = norm_gain
        self._norm_shift = norm_shift
        self._reuse = reuse

    @property
    def _h_size(self) -> int:
        return self._num_proj or self._num_units

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        self.add_weight("kernel", [depth + self._h_size, 4 * n], self._initializer)
        self.add_weight("bias", [4 * n], Constant(0.0))
        self._add_norms("input", "transform", "forget", "output")
        if self._use_peepholes:
            for gate in "fio":
                self.add_weight(f"w_{gate}_diag", [n], self._initializer)
        self._add_norms("state")
        if self._num_proj is not None:
            self.add_weight("projection/kernel", [n, self._num_proj], self._initializer)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0] - self._h_size

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state (c, m) -> (output [B, p], new state)."""
        c, m = self._split_state(inputs, state)
        self._prepare(inputs)
        both = torch.cat([inputs, m], 1)
        gates = torch.matmul(both, self.kernel) if self._layer_norm else torch.addmm(self.bias, both, self.kernel)
        i, j, f, o = torch.split(gates, self._num_units, dim=1)
        i, j = self._norm("input", i), self._norm("transform", j)
        f, o = self._norm("forget", f) + self._forget_bias, self._norm("output", o)
        if self._use_peepholes:
            f = f + self.w_f_diag * c
            i = i + self.w_i_diag * c
        c = self._norm("state", torch.sigmoid(f) * c + torch.sigmoid(i) * self._activation(j))
        if self._cell_clip is not None:
            c = torch.clamp(c, -self._cell_clip, self._cell_clip)
        if self._use_peepholes:
            o = o + self.w_o_diag * c
        m = torch.sigmoid(o) * self._activation(c)
        if self._num_proj is not None:
            m = torch.matmul(m, self.projection.kernel)
            if self._proj_clip is not None:
                m = torch.clamp(m, -self._proj_clip, self._proj_clip)
        return m, self._join_state(c, m)


class WeightNormLSTMCell(LSTMStateMixin):
    """An `LSTMCell` whose kernels are weight-normalised.

    ::

        V  = [norm_0 * Wx / |Wx| ; norm_1 * Wh / |Wh|]           W is Wx above Wh; |.| of each column
        [i, j, f, o] = [x, m] V + b
        c' = clip(sigmoid(f + forget_bias + w_f * c) * c + sigmoid(i + w_i * c) * act(j), -cell_clip, cell_clip)
        m' = sigmoid(o + w_o * c') * act(c')
        m' = clip(m' Q, -proj_clip, proj_clip)                    Q = norm_0 * P / |P|
        output m', state (c', m')

    where the terms of w_f, w_i, w_o are there with ``use_peepholes``, Q with ``num_proj``, each clip with its bound;
    with ``norm=False`` V is W and Q is P. A column's square sum counts as 1e-12 at least.

    Sources: as of `LSTMCell`, and Salimans and Kingma, "Weight Normalization: A Simple Reparameterization to Accelerate
    Training of Deep Neural Networks", 2016.

    Weights, for inputs of width D, n units and outputs of width p (``num_proj``, or n), in this order, all below
    ``wn_lstm_cell`` as in TensorFlow: ``kernel`` [D + p, 4n], with norm ``norm_0``, ``norm_1`` [4n], ``bias`` [4n]
    (zeros), with peepholes ``w_f_diag``, ``w_i_diag``, ``w_o_diag`` [n], with projection ``projection.kernel`` [n, p]
    and with norm ``projection.norm_0`` [p]. Inputs are [B, D], the output [B, p], the state (c [B, n], m [B, p]), all
    of one floating dtype.

    Args:
        num_units: n.
        norm: whether to normalise.
        use_peepholes: whether the gates see c.
        cell_clip: bound on c', or None.
        initializer: of all weights but the bias; Glorot uniform when None.
        num_proj: p, or None for no projection.
        proj_clip: bound on the projected output, or None.
        forget_bias: added to f before its sigmoid, so that at first c is kept.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``wn_lstm_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; one tensor where the state is a pair; dtypes that differ.
        ValueError: a size below 1, a negative clip, or inputs or state of another shape.
    """

    wn_lstm_cell: Any

    def __init__(
        self,
        num_units: int,
        norm: bool = True,
        use_peepholes: bool = False,
        cell_clip: Any = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: Any = None,
        forget_bias: float = 1.0,
        activation: Any = None,
        reuse: bool | None = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        input_size: int | None = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name or "wn_lstm_cell", input_size=input_size)
        check_initializer("initializer", initializer)
        self._num_units = positive_int("num_units", num_units)
        self._norm = bool(norm)
        self._use_peepholes = bool(use_peepholes)
        self._cell_clip = as_bound("cell_clip", cell_clip)
        self._initializer = initializer
        self._num_proj = None if num_proj is None else positive_int("num_proj", num_proj)
        self._proj_clip = as_bound("proj_clip", proj_clip)
        self._forget_bias = forget_bias
        self._activation = get_activation(activation)
        self._reuse = reuse

    @property
    def _h_size(self) -> int:
        return self._num_proj or self._num_units

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n, scope = self._num_units, "wn_lstm_cell"
        self.add_weight(f"{scope}/kernel", [depth + self._h_size, 4 * n], self._initializer)
        for index in range(2 if self._norm else 0):
            self.add_weight(f"{scope}/norm_{index}", [4 * n], self._initializer)
        self.add_weight(f"{scope}/bias", [4 * n], Constant(0.0))
        if self._use_peepholes:
            for gate in "fio":
                self.add_weight(f"{scope}/w_{gate}_diag", [n], self._initializer)
        if self._num_proj is not None:
            self.add_weight(f"{scope}/projection/kernel", [n, self._num_proj], self._initializer)
            if self._norm:
                self.add_weight(f"{scope}/projection/norm_0", [self._num_proj], self._initializer)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["wn_lstm_cell.kernel"][0] - self._h_size

    def _normalized(self, group: Any, heights: list[int]) -> Any:
        """The kernel of a group, cut into blocks of these heights, each normalised with its norm."""
        if not self._norm:
            return group.kernel
        blocks = torch.split(group.kernel, heights, dim=0) if len(heights) > 1 else [group.kernel]
        scaled = []
        for index, block in enumerate(blocks):
            squares = torch.sum(torch.square(block), dim=0, keepdim=True)
            scaled.append(block * torch.rsqrt(torch.clamp(squares, min=1e-12)) * getattr(group, f"norm_{index}"))
        return torch.cat(scaled, 0) if len(scaled) > 1 else scaled[0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state (c, m) -> (output [B, p], new state)."""
        c, m = self._split_state(inputs, state)
        self._prepare(inputs)
        weights = self.wn_lstm_cell
        kernel = self._normalized(weights, [width_of(inputs), self._h_size])
        gates = torch.addmm(weights.bias, torch.cat([inputs, m], 1), kernel)
        i, j, f, o = torch.split(gates, self._num_units, dim=1)
        f = f + self._forget_bias
        if self._use_peepholes:
            f = f + weights.w_f_diag * c
            i = i + weights.w_i_diag * c
        c = c * torch.sigmoid(f) + torch.sigmoid(i) * self._activation(j)
        if self._cell_clip is not None:
            c = torch.clamp(c, -self._cell_clip, self._cell_clip)
        if self._use_peepholes:
            o = o + weights.w_o_diag * c
        m = torch.sigmoid(o) * self._activation(c)
        if self._num_proj is not None:
            m = torch.matmul(m, self._normalized(weights.projection, [self._num_units]))
            if self._proj_clip is not None:
                m = torch.clamp(m, -self._proj_clip, self._proj_clip)
        return m, self._join_state(c, m)
