"""The cells of `work` in plain PyTorch: what a user would write who has no library for them.

Eager loops, ``torch.compile``, torch's scan operator and the float64 reference run these. So does dynrnn where it has
no cell of its own: for the GRU in cuDNN's form and for a cell that nobody has seen before. ``cell(x, state) -> (output,
new state)``; the state is a tuple of tensors [B, n], or the one tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from benchmarks import work

Weights = dict[str, torch.Tensor]


class PlainCell(torch.nn.Module):
    """A cell whose weights have the names and layouts of `work.weight_shapes`, with ``_`` for the dots."""

    # Widths of the state's tensors, as multiples of the units; None for the projection's width.
    state_parts: tuple[int | None, ...] = (1,)

    def __init__(self, weights: Weights, units: int) -> None:
        super().__init__()
        self.units = units
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(weight.clone()))

    def zero_state(self, batch: int, dtype: torch.dtype = torch.float32) -> Any:
        """Zeros for the state of ``batch`` rows."""
        widths = [work.projected(self.units) if part is None else part * self.units for part in self.state_parts]
        parts = tuple(torch.zeros(batch, width, dtype=dtype) for width in widths)
        return parts if len(parts) > 1 else parts[0]


class LSTM(PlainCell):
    """Gates in the order i, j, f, o; no forget bias, as ``torch.nn.LSTM``."""

    state_parts = (1, 1)
    kernel: Any
    bias: Any

    def forward(self, x: Any, state: Any) -> Any:
        """One step."""
        c, h = state
        i, j, f, o = torch.addmm(self.bias, torch.cat([x, h], 1), self.kernel).chunk(4, 1)
        c = c * torch.sigmoid(f) + torch.sigmoid(i) * torch.tanh(j)
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, (c, h)


class RNN(PlainCell):
    """The simplest one."""

    kernel: Any
    bias: Any

    def forward(self, x: Any, h: Any) -> Any:
        """One step."""
        h = torch.tanh(torch.addmm(self.bias, torch.cat([x, h], 1), self.kernel))
        return h, h


class GRU(PlainCell):
    """TensorFlow's form: reset before the product."""

    gates_kernel: Any
    gates_bias: Any
    candidate_kernel: Any
    candidate_bias: Any

    def forward(self, x: Any, h: Any) -> Any:
        """One step."""
        gates = torch.sigmoid(torch.addmm(self.gates_bias, torch.cat([x, h], 1), self.gates_kernel))
        r, u = gates.chunk(2, 1)
        c = torch.tanh(torch.addmm(self.candidate_bias, torch.cat([x, r * h], 1), self.candidate_kernel))
        h = u * h + (1 - u) * c
        return h, h


class CudnnGRU(PlainCell):
    """cuDNN's and ``torch.nn.GRU``'s form: reset after the product, to a term with a bias of its own."""

    input_kernel: Any
    input_bias: Any
    state_kernel: Any
    state_bias: Any

    def forward(self, x: Any, h: Any) -> Any:
        """One step."""
        read = torch.addmm(self.input_bias, x, self.input_kernel)
        kept = torch.addmm(self.state_bias, h, self.state_kernel)
        (xr, xu, xc), (hr, hu, hc) = read.chunk(3, 1), kept.chunk(3, 1)
        r, u = torch.sigmoid(xr + hr), torch.sigmoid(xu + hu)
        c = torch.tanh(xc + r * hc)
        h = u * h + (1 - u) * c
        return h, h


class NormLSTM(PlainCell):
    """Layer norm of each gate and of c, as ``LayerNormBasicLSTMCell``."""

    state_parts = (1, 1)
    kernel: Any

    def norm(self, name: str, z: Any) -> Any:
        """Layer norm with the weights of this name."""
        gamma, beta = getattr(self, f"{name}_gamma"), getattr(self, f"{name}_beta")
        return functional.layer_norm(z, (self.units,), gamma, beta, 1e-12)

    def forward(self, x: Any, state: Any) -> Any:
        """One step."""
        c, h = state
        i, j, f, o = (torch.cat([x, h], 1) @ self.kernel).chunk(4, 1)
        i, j, f, o = self.norm("input", i), self.norm("transform", j), self.norm("forget", f), self.norm("output", o)
        c = self.norm("state", c * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j))
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, (c, h)


class PeepholeLSTM(PlainCell):
    """Peepholes and a projection, as ``LSTMCell(use_peepholes=True, num_proj=...)``."""

    state_parts = (1, None)
    kernel: Any
    bias: Any
    w_f_diag: Any
    w_i_diag: Any
    w_o_diag: Any
    projection_kernel: Any

    def forward(self, x: Any, state: Any) -> Any:
        """One step."""
        c, m = state
        i, j, f, o = torch.addmm(self.bias, torch.cat([x, m], 1), self.kernel).chunk(4, 1)
        f, i = f + 1 + self.w_f_diag * c, i + self.w_i_diag * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(j)
        m = (torch.sigmoid(o + self.w_o_diag * c) * torch.tanh(c)) @ self.projection_kernel
        return m, (c, m)


class Highway(PlainCell):
    """The user's own: a minimal gated unit whose output is a highway between its state and a look at the input.

    ::

        [f, c, t, p] = x R + b
        f  = sigmoid(f + h U)
        h' = h + f * (tanh(c + (f * h) V) - h)
        y  = sigmoid(t) * h' + (1 - sigmoid(t)) * gelu(p)
    """

    read_kernel: Any
    read_bias: Any
    forget_kernel: Any
    candidate_kernel: Any

    def forward(self, x: Any, h: Any) -> Any:
        """One step."""
        f, c, t, p = torch.addmm(self.read_bias, x, self.read_kernel).chunk(4, 1)
        f = torch.sigmoid(f + h @ self.forget_kernel)
        h = torch.lerp(h, torch.tanh(c + (f * h) @ self.candidate_kernel), f)
        y = torch.lerp(functional.gelu(p), h, torch.sigmoid(t))
        return y, h


_CLASSES: dict[str, type[PlainCell]] = {
    "lstm": LSTM,
    "rnn": RNN,
    "gru": GRU,
    "gru_cudnn": CudnnGRU,
    "norm_lstm": NormLSTM,
    "peephole_lstm": PeepholeLSTM,
    "highway": Highway,
}


def torch_weights(cell: str, shape: work.Shape) -> Weights:
    """The weights of the work, as tensors."""
    return {name: torch.from_numpy(weight) for name, weight in work.make_weights(cell, shape).items()}


def plain_cell(cell: str, shape: work.Shape) -> PlainCell:
    """The plain cell of this name, with the weights of the work."""
    return _CLASSES[cell](torch_weights(cell, shape), shape.units)
