"""`LayerNormBasicLSTMCell`: layer-normalised gates and recurrent dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import dtype_name, positive_int
from dynrnn.cells.base import RNNCell, affine, get_activation
from dynrnn.cells.initializers import Constant
from dynrnn.cells.noise import as_keep_prob, drop, wants_dropout
from dynrnn.cells.state import LSTMStateMixin

__all__ = ["LayerNormBasicLSTMCell"]

_NORMED = ("input", "transform", "forget", "output", "state")


class LayerNormMixin(RNNCell):
    """What cells share that may normalise their gates, each with a gamma and a beta of its own.

    ``_layer_norm`` says whether they do; gamma and beta begin as ``_norm_gain`` and ``_norm_shift``.
    """

    _layer_norm: bool
    _norm_gain: float
    _norm_shift: float
    _num_units: int

    def _add_norms(self, *names: str) -> None:
        """Make the weights of the normalisations called so, if there is any normalisation."""
        for name in names if self._layer_norm else ():
            self.add_weight(f"{name}/gamma", [self._num_units], Constant(self._norm_gain))
            self.add_weight(f"{name}/beta", [self._num_units], Constant(self._norm_shift))

    def _norm(self, name: str, z: Any) -> Any:
        """``z`` normalised over its n columns, or as it is."""
        if not self._layer_norm:
            return z
        weights = getattr(self, name)
        centred = z - torch.mean(z, dim=-1, keepdim=True)
        variance = torch.mean(torch.square(centred), dim=-1, keepdim=True)
        epsilon = 1e-3 if dtype_name(z.dtype) == "float16" else 1e-12
        return centred * torch.rsqrt(variance + epsilon) * weights.gamma + weights.beta


class LayerNormBasicLSTMCell(LayerNormMixin, LSTMStateMixin):
    """Long short-term memory with layer normalisation of each gate and of c, and dropout on what is written to c.

    ::

        [i, j, f, o] = [x, h] W
        i, j, f, o   = LN_input(i), LN_transform(j), LN_forget(f), LN_output(o)
        g  = dropout(act(j))
        c' = LN_state(c * sigmoid(f + forget_bias) + sigmoid(i) * g)
        h' = act(c') * sigmoid(o)

        LN(z) = gamma * (z - mean(z)) / sqrt(mean((z - mean(z))^2) + eps) + beta      over the n units

    The normalised c' is what the state keeps. eps is 1e-12 (1e-3 in float16, where 1e-12 is 0).

    Sources: Ba et al., "Layer Normalization", 2016; Semeniuta et al., "Recurrent Dropout without Memory Loss", 2016.

    Weights, for inputs of width D and n units: ``kernel`` [D + n, 4n], then ``input``, ``transform``, ``forget``,
    ``output``, ``state``, each with ``.gamma`` and ``.beta`` [n]; with ``layer_norm=False`` only ``kernel`` and
    ``bias`` [4n] (zeros). Inputs are [B, D], the output [B, n], the state a pair (c, h) of [B, n], all of one floating
    dtype; any sequence of two is taken as state and an `LSTMStateTuple` returned.

    Args:
        num_units: n.
        forget_bias: added to f before its sigmoid, so that at first c is kept.
        input_size: D; when given, the weights are made at once.
        activation: ``act``, a callable or a Keras name.
        layer_norm: whether to normalise; without it the gates have a bias.
        norm_gain: initial gamma.
        norm_shift: initial beta.
        dropout_keep_prob: probability to keep an element of g, a number or scalar tensor; in training only.
        dropout_prob_seed: makes the masks reproducible.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch, where sharing a cell shares its weights.
        name: the cell's scope instead of ``layer_norm_basic_lstm_cell``.
        dtype: of the weights; that of the first input when None.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; one tensor where the state is a pair; the inputs' dtype is not that
            of the weights or of the state.
        ValueError: ``num_units`` or ``input_size`` is below 1, ``dropout_keep_prob`` not in [0, 1] (or 0, when called),
            an activation has an unknown name, or inputs or state have another rank or width than the weights.
    """

    kernel: Any
    bias: Any

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: int | None = None,
        activation: Any = torch.tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name, input_size=input_size)
        self._num_units = positive_int("num_units", num_units)
        self._forget_bias = forget_bias
        self._activation = get_activation(activation)
        self._layer_norm = bool(layer_norm)
        self._norm_gain = norm_gain
        self._norm_shift = norm_shift
        self._keep_prob = as_keep_prob("dropout_keep_prob", dropout_keep_prob)
        self._seed = dropout_prob_seed
        self._reuse = reuse

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        self.add_weight("kernel", [depth + n, 4 * n])
        if not self._layer_norm:
            self.add_weight("bias", [4 * n], Constant(0.0))
            return
        self._add_norms(*_NORMED)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0] - self._num_units

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state (c, h) -> (h' [B, n], new state)."""
        c, h = self._split_state(inputs, state)
        self._prepare(inputs)
        both = torch.cat([inputs, h], 1)
        gates = torch.matmul(both, self.kernel) if self._layer_norm else affine(both, self.kernel, self.bias)
        i, j, f, o = torch.split(gates, self._num_units, dim=1)
        i, j, f, o = (
            self._norm("input", i),
            self._norm("transform", j),
            self._norm("forget", f),
            self._norm("output", o),
        )
        g = self._activation(j)
        if self.training and wants_dropout(self._keep_prob):
            g = drop(self.random_uniform, g, self._keep_prob, self._seed)
        new_c = self._norm("state", c * torch.sigmoid(f + self._forget_bias) + torch.sigmoid(i) * g)
        new_h = self._activation(new_c) * torch.sigmoid(o)
        return new_h, self._join_state(new_c, new_h)

    def extra_repr(self) -> str:
        """Units, the options that are not the default, and the width of the inputs once known."""
        parts = [f"num_units={self._num_units}"]
        if not self._layer_norm:
            parts.append("layer_norm=False")
        if wants_dropout(self._keep_prob):
            parts.append(f"dropout_keep_prob={self._keep_prob}")
        return ", ".join(filter(None, [*parts, super().extra_repr()]))
