"""`GLSTMCell`, long short-term memory whose product is cut into groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import get_activation
from dynrnn.cells.initializers import Constant, check_initializer
from dynrnn.cells.state import LSTMStateMixin

__all__ = ["GLSTMCell"]


class GLSTMCell(LSTMStateMixin):
    """The group LSTM: inputs and outputs are cut into k groups, and each group of gates sees its group only.

    ::

        [i_k, j_k, f_k, o_k] = [x_k, m_k] W_k                  for every group k
        i, j, f, o = i + b_i, j + b_j, f + b_f, o + b_o        the groups side by side
        c' = sigmoid(f + forget_bias) * c + sigmoid(i) * tanh(j)
        m' = sigmoid(o) * act(c') P                            P with ``num_proj``
        output m', state (c', m')

    Source: Kuchaiev and Ginsburg, "Factorization Tricks for LSTM Networks", 2017.

    Weights, for inputs of width D, n units, outputs of width p (``num_proj``, or n) and g groups: ``group0.kernel`` [(D
    + p) / g, 4n / g] to the last group's, ``bias_i``, ``bias_j``, ``bias_f``, ``bias_o`` [n] (zeros), with projection
    ``projection.kernel`` [n, p]. Inputs are [B, D], the output [B, p], the state (c [B, n], m [B, p]), all of one
    floating dtype.

    Args:
        num_units: n.
        initializer: of the groups' kernels; Glorot uniform when None.
        num_proj: p, or None for no projection.
        number_of_groups: g.
        forget_bias: added to f before its sigmoid, so that at first c is kept.
        activation: ``act``, a callable or a Keras name.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``glstm_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; one tensor where the state is a pair; dtypes that differ.
        ValueError: a size below 1, D, n or p that g does not divide, or inputs or state of another shape.
    """

    bias_i: Any
    bias_j: Any
    bias_f: Any
    bias_o: Any
    projection: Any

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        num_proj: int | None = None,
        number_of_groups: int = 1,
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
        self._num_proj = None if num_proj is None else positive_int("num_proj", num_proj)
        self._number_of_groups = positive_int("number_of_groups", number_of_groups)
        self._forget_bias = forget_bias
        self._activation = get_activation(activation)
        self._reuse = reuse
        for what, size in (("num_units", self._num_units), ("num_proj", self._h_size)):
            if size % self._number_of_groups:
                raise ValueError(
                    f"{what} must be divisible by number_of_groups: expected a multiple of {self._number_of_groups}, "
                    f"got {size}"
                )

    @property
    def _h_size(self) -> int:
        return self._num_proj or self._num_units

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n, groups = self._num_units, self._number_of_groups
        if depth % groups:
            raise ValueError(f"input size ({depth}) must be divisible by number_of_groups ({groups})")
        for index in range(groups):
            self.add_weight(
                f"group{index}/kernel", [(depth + self._h_size) // groups, 4 * n // groups], self._initializer
            )
        for gate in "ijfo":
            self.add_weight(f"bias_{gate}", [n], Constant(0.0))
        if self._num_proj is not None:
            # as in TensorFlow, whose initializer is for the groups alone
            self.add_weight("projection/kernel", [n, self._num_proj])

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["group0.kernel"][0] * self._number_of_groups - self._h_size

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state (c, m) -> (output [B, p], new state)."""
        c, m = self._split_state(inputs, state)
        self._prepare(inputs)
        groups = self._number_of_groups
        gates = []
        for index, (x, h) in enumerate(
            zip(torch.chunk(inputs, groups, dim=1), torch.chunk(m, groups, dim=1), strict=True)
        ):
            product = torch.matmul(torch.cat([x, h], 1), self._weight(f"group{index}/kernel"))
            gates.append(torch.split(product, self._num_units // groups, dim=1))
        i, j, f, o = (
            torch.cat(list(parts), 1) + self._weight(f"bias_{gate}")
            for gate, parts in zip("ijfo", zip(*gates, strict=True), strict=True)
        )
        new_c = torch.sigmoid(f + self._forget_bias) * c + torch.sigmoid(i) * torch.tanh(j)
        new_m = torch.sigmoid(o) * self._activation(new_c)
        if self._num_proj is not None:
            new_m = torch.matmul(new_m, self.projection.kernel)
        return new_m, self._join_state(new_c, new_m)
