"""`NASCell`, a cell that a search over architectures found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.initializers import Constant
from dynrnn.cells.state import LSTMStateMixin

__all__ = ["NASCell"]


class NASCell(LSTMStateMixin):
    """The recurrent cell of neural architecture search: a tree of eight products, that ends in a new c and m.

    ::

        u = m R + b        v = x K               in eight parts u0 ... u7, v0 ... v7
        a = tanh(tanh(sigmoid(u0 + v0) * relu(u1 + v1)) + c)
        b = tanh(sigmoid(u2 + v2) + relu(u3 * v3))
        d = tanh(tanh(u4 + v4) * sigmoid(u5 + v5))
        e = sigmoid(tanh(u6 + v6) + sigmoid(u7 + v7))
        c' = a * b
        m' = tanh(c' * tanh(d + e)) P            P with ``num_proj``
        output m', state (c', m')

    Source: Zoph and Le, "Neural Architecture Search with Reinforcement Learning", 2016 (Appendix A, the base cell).

    Weights, for inputs of width D, n units and outputs of width p (``num_proj``, or n): ``recurrent_kernel`` [p, 8n],
    ``kernel`` [D, 8n], with ``use_bias`` ``bias`` [8n] (zeros), with projection ``projection_weights`` [n, p]. Inputs
    are [B, D], the output [B, p], the state (c [B, n], m [B, p]), all of one floating dtype.

    Args:
        num_units: n.
        num_proj: p, or None for no projection.
        use_bias: whether there is b.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the cell's scope instead of ``nas_cell``.
        dtype: of the weights; that of the first input when None.
        input_size: D; when given, the weights are made at once.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: an argument has the wrong type; one tensor where the state is a pair; dtypes that differ.
        ValueError: a size below 1, or inputs or state of another shape.
    """

    kernel: Any
    recurrent_kernel: Any
    bias: Any
    projection_weights: Any

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_bias: bool = False,
        reuse: bool | None = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        input_size: int | None = None,
        device: Any = None,
    ):
        super().__init__(dtype=dtype, device=device, name=name, input_size=input_size)
        self._num_units = positive_int("num_units", num_units)
        self._num_proj = None if num_proj is None else positive_int("num_proj", num_proj)
        self._use_bias = bool(use_bias)
        self._reuse = reuse

    @property
    def _h_size(self) -> int:
        return self._num_proj or self._num_units

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        n = self._num_units
        self.add_weight("recurrent_kernel", [self._h_size, 8 * n])
        self.add_weight("kernel", [depth, 8 * n])
        if self._use_bias:
            self.add_weight("bias", [8 * n], Constant(0.0))
        if self._num_proj is not None:
            self.add_weight("projection_weights", [n, self._num_proj])

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D], state (c, m) -> (output [B, p], new state)."""
        c, m = self._split_state(inputs, state)
        self._prepare(inputs)
        if self._use_bias:
            recurrent = torch.addmm(self.bias, m, self.recurrent_kernel)
        else:
            recurrent = torch.matmul(m, self.recurrent_kernel)
        u = torch.split(recurrent, self._num_units, dim=1)
        v = torch.split(torch.matmul(inputs, self.kernel), self._num_units, dim=1)
        a = torch.tanh(torch.tanh(torch.sigmoid(v[0] + u[0]) * torch.relu(v[1] + u[1])) + c)
        b = torch.tanh(torch.sigmoid(v[2] + u[2]) + torch.relu(v[3] * u[3]))
        d = torch.tanh(torch.tanh(v[4] + u[4]) * torch.sigmoid(v[5] + u[5]))
        e = torch.sigmoid(torch.tanh(v[6] + u[6]) + torch.sigmoid(v[7] + u[7]))
        new_c = a * b
        new_m = torch.tanh(new_c * torch.tanh(d + e))
        if self._num_proj is not None:
            new_m = torch.matmul(new_m, self.projection_weights)
        return new_m, self._join_state(new_c, new_m)
