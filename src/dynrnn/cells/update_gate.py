"""`UGRNNCell` and `IntersectionRNNCell`: one gate, over time and, in the second, over depth too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int, width_of
from dynrnn.cells.base import affine, get_activation
from dynrnn.cells.initializers import Constant, check_initializer
from dynrnn.cells.state import VectorStateMixin

__all__ = ["IntersectionRNNCell", "UGRNNCell"]


class UGRNNCell(VectorStateMixin):
    """The update-gate RNN: a plain RNN with one gate between its old state and its new one.

    ::

        [g, c] = [x, h] W + b
        g  = sigmoid(g + forget_bias)
        h' = g * h + (1 - g) * act(c)

    Source: Collins et al., "Capacity and Trainability in Recurrent Neural Networks", 2016.

    Weights, for inputs of width D and n units: ``kernel`` [D + n, 2n], ``bias`` [2n] (zeros). Inputs are [B, D], state
    and output [B, n], all of one floating dtype.

    Args:
        num_units: n.
        initializer: of the kernel; Glorot uniform when None.
        forget_bias: added to g before its sigmoid, so that at first h is kept.
        activation: ``act``, a callable or a Keras name.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``ugrnn_cell``.
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
        initializer: Any = None,
        forget_bias: float = 1.0,
        activation: Any = torch.tanh,
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
        self._initializer = initializer
        self._forget_bias = forget_bias
        self._activation = get_activation(activation)
        self._reuse = reuse

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        self.add_weight("kernel", [depth + self._num_units, 2 * self._num_units], self._initializer)
        self.add_weight("bias", [2 * self._num_units], Constant(0.0))

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0] - self._num_units

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], the same tensor as new state)."""
        self._check_state(inputs, state, self._num_units)
        self._prepare(inputs)
        g, c = torch.split(affine(torch.cat([inputs, state], 1), self.kernel, self.bias), self._num_units, dim=1)
        c = self._activation(c)
        g = torch.sigmoid(g + self._forget_bias)
        output = g * state + (1.0 - g) * c
        return output, output


class IntersectionRNNCell(VectorStateMixin):
    """The intersection RNN (+RNN): one gate over time and one over depth, for stacks of layers.

    ::

        x = x Wp + bp                                   if D is not n
        [gh, h_new, gy, y_new] = [x, h] W + b
        gh, gy = sigmoid(gh + forget_bias), sigmoid(gy + forget_bias)
        h' = gh * h + (1 - gh) * tanh(h_new)            passed on in time
        y  = gy * x + (1 - gy) * y_act(y_new)           passed on in depth
        output y, state h'

    Source: Collins et al., "Capacity and Trainability in Recurrent Neural Networks", 2016.

    Weights, for inputs of width D and n units: if D is not n, ``in_projection.kernel`` [D, n] and
    ``in_projection.bias`` [n] (zeros); ``kernel`` [2n, 4n], ``bias`` [4n] (zeros). Inputs are [B, D], state and output
    [B, n], all of one floating dtype.

    Args:
        num_units: n.
        num_in_proj: n, for the first layer of a stack, whose inputs may have another width; else None.
        initializer: of the kernels; Glorot uniform when None.
        forget_bias: added to both gates before their sigmoids.
        y_activation: ``y_act``, a callable or a Keras name.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``intersection_rnn_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; dtypes that differ.
        ValueError: ``num_units`` or ``input_size`` is below 1, D is not n without ``num_in_proj``, or inputs or state
            have another shape.
    """

    kernel: Any
    bias: Any
    in_projection: Any

    def __init__(
        self,
        num_units: int,
        num_in_proj: int | None = None,
        initializer: Any = None,
        forget_bias: float = 1.0,
        y_activation: Any = torch.relu,
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
        self._num_in_proj = num_in_proj
        self._initializer = initializer
        self._forget_bias = forget_bias
        self._y_activation = get_activation(y_activation)
        self._reuse = reuse

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        if depth != n:
            if not self._num_in_proj:
                raise ValueError(
                    "Must have input size == output size for Intersection RNN. To fix, num_in_proj should be set to "
                    f"num_units at cell init: expected inputs of width {n}, got {depth}"
                )
            self.add_weight("in_projection/kernel", [depth, n], self._initializer)
            self.add_weight("in_projection/bias", [n], Constant(0.0))
        self.add_weight("kernel", [2 * n, 4 * n], self._initializer)
        self.add_weight("bias", [4 * n], Constant(0.0))

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        if "in_projection.kernel" in shapes:
            return shapes["in_projection.kernel"][0]
        return shapes["kernel"][0] // 2

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state [B, n] -> (output [B, n], new state [B, n])."""
        self._check_state(inputs, state, self._num_units)
        self._prepare(inputs)
        if width_of(inputs) != self._num_units:
            inputs = affine(inputs, self.in_projection.kernel, self.in_projection.bias)
        gates = affine(torch.cat([inputs, state], 1), self.kernel, self.bias)
        gh, h, gy, y = torch.split(gates, self._num_units, dim=1)
        gh = torch.sigmoid(gh + self._forget_bias)
        gy = torch.sigmoid(gy + self._forget_bias)
        new_state = gh * state + (1.0 - gh) * torch.tanh(h)
        output = gy * inputs + (1.0 - gy) * self._y_activation(y)
        return output, new_state
