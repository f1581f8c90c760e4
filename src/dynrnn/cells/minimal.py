"""`SRUCell`, `MinimalRNNCell`, `CFNCell`: cells that do with less than a GRU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int, width_of
from dynrnn.cells.base import affine, get_activation
from dynrnn.cells.initializers import Constant, check_initializer
from dynrnn.cells.state import VectorStateMixin

__all__ = ["CFNCell", "MinimalRNNCell", "SRUCell"]


class SRUCell(VectorStateMixin):
    """The simple recurrent unit: all products are of the inputs, the recurrence is element by element.

    ::

        [z, f, r, s] = x W
        [f, r] = sigmoid([f, r] + b)
        c' = f * c + (1 - f) * z
        output r * act(c') + (1 - r) * s, state c'

    Source: Lei et al., "Training RNNs as Fast as CNNs", 2017 (its first version; s is a product of x, so that x may
    have any width).

    Weights, for inputs of width D and n units: ``kernel`` [D, 4n], ``bias`` [2n] (zeros). Inputs are [B, D], state and
    output [B, n], all of one floating dtype.

    Args:
        num_units: n.
        activation: ``act``, a callable or a Keras name; ``torch.tanh`` when None.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``sru_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; dtypes that differ.
        ValueError: ``num_units`` or ``input_size`` is below 1, or inputs or state have another shape.
    """

    kernel: Any
    bias: Any

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        *,
        dtype: Any = None,
        input_size: int | None = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name, input_size=input_size)
        self._num_units = positive_int("num_units", num_units)
        self._activation = get_activation(activation)
        self._reuse = reuse

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        self.add_weight("kernel", [depth, 4 * self._num_units])
        self.add_weight("bias", [2 * self._num_units], Constant(0.0))

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state c [B, n] -> (output [B, n], new state [B, n])."""
        n = self._num_units
        self._check_state(inputs, state, n)
        self._prepare(inputs)
        z, gates, s = torch.split(torch.matmul(inputs, self.kernel), [n, 2 * n, n], dim=1)
        f, r = torch.split(torch.sigmoid(gates + self.bias), n, dim=1)
        c = f * state + (1.0 - f) * z
        return r * self._activation(c) + (1.0 - r) * s, c


class _ProjectingCell(VectorStateMixin):
    """What the two cells below share: their arguments."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
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
        self.units = self._num_units = positive_int("units", units)
        self.activation = get_activation(activation)
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = Constant(1.0) if bias_initializer is None else bias_initializer


class MinimalRNNCell(_ProjectingCell):
    """The minimal RNN: the input is projected, and one gate mixes it with the state.

    ::

        z  = act(x Wx)
        u  = sigmoid([z, h] Wu + b)
        h' = u * h + (1 - u) * z

    Source: Chen et al., "Dynamical Isometry and a Mean Field Theory of RNNs: Gating Enables Signal Propagation in
    Recurrent Neural Networks", 2018.

    Weights, for inputs of width D and n units: ``kernel`` [D + 2n, n], which is Wx above Wu, and ``bias`` [n] (ones: at
    first the old state is kept). Inputs are [B, D], state and output [B, n], all of one floating dtype.

    Args:
        units: n.
        activation: ``act``, a callable or a Keras name.
        kernel_initializer: of the kernel; Glorot uniform when None.
        bias_initializer: of the bias; ones when None.
        name: the cell's scope instead of ``minimal_rnn_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; dtypes that differ.
        ValueError: ``units`` or ``input_size`` is below 1, or inputs or state have another shape.
    """

    kernel: Any
    bias: Any

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        self.add_weight("kernel", [depth + 2 * n, n], self.kernel_initializer)
        self.add_weight("bias", [n], self.bias_initializer)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0] - 2 * self._num_units

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], the same tensor as new state)."""
        self._check_state(inputs, state, self._num_units)
        self._prepare(inputs)
        of_inputs, of_gate = torch.split(self.kernel, [width_of(inputs), 2 * self._num_units], dim=0)
        z = self.activation(torch.matmul(inputs, of_inputs))
        u = torch.sigmoid(affine(torch.cat([z, state], 1), of_gate, self.bias))
        output = u * state + (1.0 - u) * z
        return output, output


class CFNCell(_ProjectingCell):
    """The chaos-free network: without input its state always dies away.

    ::

        [theta, eta] = sigmoid(h U + x V + b)
        h' = theta * act(h) + (1 - eta) * act(x W)

    Source: Laurent and von Brecht, "A recurrent neural network without chaos", 2016, where the input gate is eta, not
    1 - eta; TensorFlow's form, kept here, makes biases of one keep the old state at first.

    Weights, for inputs of width D and n units: ``kernel`` [D, 3n], which is V beside W, ``recurrent_kernel`` [n, 2n],
    ``bias`` [2n] (ones). Inputs are [B, D], state and output [B, n], all of one floating dtype.

    Args:
        units: n.
        activation: ``act``, a callable or a Keras name.
        kernel_initializer: of both kernels; Glorot uniform when None.
        bias_initializer: of the bias; ones when None.
        name: the cell's scope instead of ``cfn_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; dtypes that differ.
        ValueError: ``units`` or ``input_size`` is below 1, or inputs or state have another shape.
    """

    kernel: Any
    recurrent_kernel: Any
    bias: Any

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        self.add_weight("kernel", [depth, 3 * n], self.kernel_initializer)
        self.add_weight("recurrent_kernel", [n, 2 * n], self.kernel_initializer)
        self.add_weight("bias", [2 * n], self.bias_initializer)

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], the same tensor as new state)."""
        n = self._num_units
        self._check_state(inputs, state, n)
        self._prepare(inputs)
        of_inputs, projected = torch.split(torch.matmul(inputs, self.kernel), [2 * n, n], dim=1)
        gates = torch.sigmoid(affine(state, self.recurrent_kernel, self.bias) + of_inputs)
        theta, eta = torch.split(gates, n, dim=1)
        output = theta * self.activation(state) + (1.0 - eta) * self.activation(projected)
        return output, output
