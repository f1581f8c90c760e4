"""`IndRNNCell`, `IndyGRUCell`, `IndyLSTMCell`: every unit sees its own past only.

The recurrent matrix is a diagonal one, kept as the row ``u``, so that a step costs no product with the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import affine, get_activation
from dynrnn.cells.initializers import Constant, Uniform, check_initializer
from dynrnn.cells.state import LSTMStateMixin, VectorStateMixin

__all__ = ["IndRNNCell", "IndyGRUCell", "IndyLSTMCell"]

_RECURRENT = Uniform(-1.0, 1.0)


class IndRNNCell(VectorStateMixin):
    """The independently recurrent neural network: ``h' = act(x W + u * h + b)``, output h'.

    Source: Li et al., "Independently Recurrent Neural Network (IndRNN): Building A Longer and Deeper RNN", 2018.

    Weights, for inputs of width D and n units: ``kernel_w`` [D, n], ``kernel_u`` [1, n] (uniform from -1 to 1),
    ``bias`` [n] (zeros). Inputs are [B, D], state and output [B, n], all of one floating dtype.

    Args:
        num_units: n.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``ind_rnn_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; dtypes that differ.
        ValueError: ``num_units`` or ``input_size`` is below 1, or inputs or state have another shape.
    """

    kernel_w: Any
    kernel_u: Any
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

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        self.add_weight("kernel_w", [depth, self._num_units])
        self.add_weight("kernel_u", [1, self._num_units], _RECURRENT)
        self.add_weight("bias", [self._num_units], Constant(0.0))

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel_w"][0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], the same tensor as new state)."""
        self._check_state(inputs, state, self._num_units)
        self._prepare(inputs)
        output = self._activation(affine(inputs, self.kernel_w, self.bias) + state * self.kernel_u)
        return output, output


class IndyGRUCell(VectorStateMixin):
    """A `GRUCell` whose recurrent matrices are diagonal.

    ::

        [r, z] = sigmoid(x Wg + [h, h] * ug + bg)
        c      = act(x Wc + r * h * uc + bc)
        h'     = z * h + (1 - z) * c

    Sources: Li et al., "Independently Recurrent Neural Network (IndRNN): Building A Longer and Deeper RNN", 2018; Cho
    et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation", 2014.

    Weights, for inputs of width D and n units: ``gates.kernel_w`` [D, 2n], ``gates.kernel_u`` [1, 2n], ``gates.bias``
    [2n] (ones), ``candidate.kernel`` [D, n], ``candidate.kernel_u`` [1, n], ``candidate.bias`` [n] (zeros); each
    ``kernel_u`` is uniform from -1 to 1. Inputs are [B, D], state and output [B, n], all of one floating dtype.

    Args:
        num_units: n.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        kernel_initializer: of the matrices of the inputs; Glorot uniform when None.
        bias_initializer: of both biases, instead of ones and zeros.
        name: the cell's scope instead of ``indy_gru_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; dtypes that differ.
        ValueError: ``num_units`` or ``input_size`` is below 1, or inputs or state have another shape.
    """

    gates: Any
    candidate: Any

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
        n, given = self._num_units, self._bias_initializer
        self.add_weight("gates/kernel_w", [depth, 2 * n], self._kernel_initializer)
        self.add_weight("gates/kernel_u", [1, 2 * n], _RECURRENT)
        self.add_weight("gates/bias", [2 * n], Constant(1.0) if given is None else given)
        self.add_weight("candidate/kernel", [depth, n], self._kernel_initializer)
        self.add_weight("candidate/kernel_u", [1, n], _RECURRENT)
        self.add_weight("candidate/bias", [n], Constant(0.0) if given is None else given)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["candidate.kernel"][0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], the same tensor as new state)."""
        self._check_state(inputs, state, self._num_units)
        self._prepare(inputs)
        gates = affine(inputs, self.gates.kernel_w, self.gates.bias)
        gates = torch.sigmoid(gates + torch.cat([state, state], 1) * self.gates.kernel_u)
        r, z = torch.split(gates, self._num_units, dim=1)
        candidate = affine(inputs, self.candidate.kernel, self.candidate.bias) + r * state * self.candidate.kernel_u
        output = z * state + (1.0 - z) * self._activation(candidate)
        return output, output


class IndyLSTMCell(LSTMStateMixin):
    """A `BasicLSTMCell` whose recurrent matrices are diagonal.

    ::

        [i, j, f, o] = x W + [h, h, h, h] * u + b
        c' = c * sigmoid(f + forget_bias) + sigmoid(i) * act(j)
        h' = act(c') * sigmoid(o)

    Source: Gonnet and Deselaers, "IndyLSTMs: Independently Recurrent LSTMs", 2019.

    Weights, for inputs of width D and n units: ``kernel_w`` [D, 4n], ``kernel_u`` [1, 4n] (uniform from -1 to 1),
    ``bias`` [4n] (zeros). Inputs are [B, D], the output [B, n], the state (c, h) of [B, n], all of one floating dtype.

    Args:
        num_units: n.
        forget_bias: added to f before its sigmoid, so that at first c is kept.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        kernel_initializer: of the matrix of the inputs; Glorot uniform when None.
        bias_initializer: of the bias, instead of zeros.
        name: the cell's scope instead of ``indy_lstm_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; one tensor where the state is a pair; dtypes that differ.
        ValueError: ``num_units`` or ``input_size`` is below 1, or inputs or state have another shape.
    """

    kernel_w: Any
    kernel_u: Any
    bias: Any

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
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
        self._forget_bias = forget_bias
        self._activation = get_activation(activation)
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer
        self._reuse = reuse

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n, given = self._num_units, self._bias_initializer
        self.add_weight("kernel_w", [depth, 4 * n], self._kernel_initializer)
        self.add_weight("kernel_u", [1, 4 * n], _RECURRENT)
        self.add_weight("bias", [4 * n], Constant(0.0) if given is None else given)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel_w"][0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state (c, h) -> (output [B, n], new state)."""
        c, h = self._split_state(inputs, state)
        self._prepare(inputs)
        gates = affine(inputs, self.kernel_w, self.bias) + torch.cat([h, h, h, h], 1) * self.kernel_u
        i, j, f, o = torch.split(gates, self._num_units, dim=1)
        new_c = c * torch.sigmoid(f + self._forget_bias) + torch.sigmoid(i) * self._activation(j)
        new_h = self._activation(new_c) * torch.sigmoid(o)
        return new_h, self._join_state(new_c, new_h)
