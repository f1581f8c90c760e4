"""Every cell and wrapper of the library, with the options that change a formula, for the tests of the engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from engine_support import fill

from dynrnn import cells, nest

D, N, B, T = 3, 4, 4, 5  # width of inputs, units, rows, steps


class Keeps(torch.nn.Module):
    """A cell of the user's own, without a base class."""

    state_size = output_size = N

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(D + N, N)
        self.rate = torch.nn.Parameter(torch.zeros(N))

    def forward(self, x: Any, h: Any) -> Any:
        h = h + torch.sigmoid(self.rate) * (torch.tanh(self.inner(torch.cat([x, h], 1))) - h)
        return h, h


def _multi_same() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cells.MultiRNNCell([cells.GRUCell(D)] * 2)


# Every cell takes inputs of width D.
CELLS: dict[str, Callable[[], Any]] = {
    "rnn": lambda: cells.BasicRNNCell(N),
    "rnn-relu": lambda: cells.BasicRNNCell(N, activation="relu"),
    "rnn-sigmoid": lambda: cells.BasicRNNCell(N, activation=torch.sigmoid),
    "rnn-softsign": lambda: cells.BasicRNNCell(N, activation="softsign"),
    "gru": lambda: cells.GRUCell(N),
    "gru-sin": lambda: cells.GRUCell(N, activation=torch.sin),
    "basic-lstm": lambda: cells.BasicLSTMCell(N),
    "basic-lstm-joined": lambda: cells.BasicLSTMCell(N, forget_bias=0.5, state_is_tuple=False),
    "basic-lstm-sigmoid": lambda: cells.BasicLSTMCell(N, forget_bias=0.0, activation=torch.sigmoid),
    "lstm": lambda: cells.LSTMCell(N),
    "lstm-forget": lambda: cells.LSTMCell(N, forget_bias=-0.5),
    "lstm-peepholes": lambda: cells.LSTMCell(N, use_peepholes=True),
    "lstm-cell-clip": lambda: cells.LSTMCell(N, cell_clip=0.4),
    "lstm-projection": lambda: cells.LSTMCell(N, num_proj=2),
    "lstm-proj-clip": lambda: cells.LSTMCell(N, num_proj=6, proj_clip=0.1),
    "lstm-all": lambda: cells.LSTMCell(N, True, 0.7, None, 2, 0.3, forget_bias=0.2, activation="relu"),
    "lstm-all-joined": lambda: cells.LSTMCell(N, True, 0.7, None, 2, 0.3, state_is_tuple=False),
    "layer-norm": lambda: cells.LayerNormBasicLSTMCell(N),
    "layer-norm-relu": lambda: cells.LayerNormBasicLSTMCell(N, activation=torch.relu, norm_gain=0.5, norm_shift=0.1),
    "layer-norm-off": lambda: cells.LayerNormBasicLSTMCell(N, layer_norm=False),
    "layer-norm-dropout-eval": lambda: cells.LayerNormBasicLSTMCell(N, dropout_keep_prob=0.6).eval(),
    "multi": lambda: cells.MultiRNNCell([cells.LSTMCell(N), cells.GRUCell(2), cells.BasicLSTMCell(3)]),
    "multi-joined": lambda: cells.MultiRNNCell([cells.GRUCell(N), cells.BasicRNNCell(2)], state_is_tuple=False),
    "multi-same": _multi_same,
    "dropout-eval": lambda: cells.DropoutWrapper(cells.BasicLSTMCell(N), 0.6, 0.7, 0.8).eval(),
    "residual": lambda: cells.ResidualWrapper(cells.GRUCell(D)),
    "residual-own": lambda: cells.ResidualWrapper(cells.GRUCell(D), lambda i, o: i * o + o),
    "highway": lambda: cells.HighwayWrapper(cells.GRUCell(D)),
    "highway-uncoupled": lambda: cells.HighwayWrapper(cells.GRUCell(D), False),
    "input-projection": lambda: cells.InputProjectionWrapper(cells.GRUCell(N), 5),
    "input-projection-relu": lambda: cells.InputProjectionWrapper(cells.GRUCell(N), 5, "relu"),
    "output-projection": lambda: cells.OutputProjectionWrapper(cells.GRUCell(N), 5),
    "output-projection-sigmoid": lambda: cells.OutputProjectionWrapper(cells.GRUCell(N), 5, "sigmoid"),
    "nested": lambda: cells.MultiRNNCell(
        [
            cells.ResidualWrapper(cells.LSTMCell(N, num_proj=D)),
            cells.HighwayWrapper(cells.MultiRNNCell([cells.GRUCell(2), cells.LSTMCell(D, use_peepholes=True)])),
            cells.OutputProjectionWrapper(cells.DropoutWrapper(cells.GRUCell(N), 0.5).eval(), 2),
        ]
    ),
    "user": Keeps,
    "coupled": lambda: cells.CoupledInputForgetGateLSTMCell(N),
    "coupled-all": lambda: cells.CoupledInputForgetGateLSTMCell(N, True, None, 2, 0.3, 2, 2, 0.2, layer_norm=True),
    "coupled-joined": lambda: cells.CoupledInputForgetGateLSTMCell(N, num_proj=2, state_is_tuple=False),
    "ugrnn": lambda: cells.UGRNNCell(N),
    "intersection": lambda: cells.IntersectionRNNCell(N, N),
    "intersection-plain": lambda: cells.IntersectionRNNCell(D),
    "nas": lambda: cells.NASCell(N),
    "nas-all": lambda: cells.NASCell(N, 2, True),
    "ind-rnn": lambda: cells.IndRNNCell(N),
    "indy-gru": lambda: cells.IndyGRUCell(N),
    "indy-lstm": lambda: cells.IndyLSTMCell(N),
    "sru": lambda: cells.SRUCell(N),
    "minimal": lambda: cells.MinimalRNNCell(N),
    "cfn": lambda: cells.CFNCell(N),
    "glstm": lambda: cells.GLSTMCell(6, None, 3, 3),
    "layer-norm-lstm": lambda: cells.LayerNormLSTMCell(N, True, 0.7, None, 2, 0.3, layer_norm=True),
    "weight-norm": lambda: cells.WeightNormLSTMCell(N, True, True, 0.7, None, 2, 0.3),
    "lstm-block": lambda: cells.LSTMBlockCell(N, 0.5, 0.7, True),
    "gru-block": lambda: cells.GRUBlockCell(N),
    "cudnn-gru": lambda: cells.CudnnCompatibleGRUCell(N),
    "time-freq": lambda: cells.TimeFreqLSTMCell(2, True, 0.5, feature_size=2, input_size=D),
    "grid-lstm": lambda: cells.GridLSTMCell(2, True, feature_size=2, frequency_skip=1, num_frequency_blocks=[2]),
    "grid-lstm-coupled": lambda: cells.GridLSTMCell(
        2, True, True, None, None, 1, 0.3, 1, 1, [2, 1], [0, 2], [2, 3], True, state_is_tuple=False
    ),
    "grid-lstm-both-ways": lambda: cells.BidirectionalGridLSTMCell(
        2, feature_size=2, frequency_skip=1, num_frequency_blocks=[2]
    ),
    "grid2-tied": lambda: cells.Grid2LSTMCell(N, True, use_peepholes=True),
    "grid2-plain": lambda: cells.Grid2BasicRNNCell(N, non_recurrent_fn="tanh"),
    "grid2-gru-joined": lambda: cells.Grid2GRUCell(N, state_is_tuple=False, output_is_tuple=False),
    "grid3": lambda: cells.Grid3LSTMCell(N),
    "attention-window": lambda: cells.AttentionCellWrapper(cells.BasicLSTMCell(N), 3),
    "attention-window-joined": lambda: cells.AttentionCellWrapper(cells.GRUCell(N), 2, 5, 3, 6, False),
}

# What the engine cannot lower, and why, in the words of `explain`.
FALLING_BACK: dict[str, tuple[Callable[[], Any], list[list[int]], str]] = {
    # a cell, the shapes of a row of its inputs, the reason
    "phased": (lambda: cells.PhasedLSTMCell(N), [[1], [D]], "aten.remainder"),
    "phased-peepholes": (lambda: cells.PhasedLSTMCell(N, True, 0.1, 0.4), [[1], [D]], "aten.remainder"),
    "conv1": (
        lambda: cells.Conv1DLSTMCell(input_shape=[4, D], output_channels=2, kernel_shape=[3]),
        [[4, D]],
        "aten.convolution",
    ),
    "conv2": (
        lambda: cells.Conv2DLSTMCell(
            input_shape=[2, 3, D], output_channels=2, kernel_shape=[3, 1], skip_connection=True
        ),
        [[2, 3, D]],
        "aten.convolution",
    ),
    "conv3": (
        lambda: cells.Conv3DLSTMCell(
            input_shape=[2, 2, 2, D], output_channels=2, kernel_shape=[1, 1, 1], use_bias=False
        ),
        [[2, 2, 2, D]],
        "aten.convolution",
    ),
    "conv2-even": (
        lambda: cells.ConvLSTMCell(2, [2, 3, D], 2, [2, 3]),
        [[2, 3, D]],
        "aten.constant_pad_nd",
    ),
    "grid-lstm-offset": (
        lambda: cells.BidirectionalGridLSTMCell(
            2, feature_size=2, frequency_skip=1, num_frequency_blocks=[2], backward_slice_offset=-1
        ),
        [[D]],
        "aten.constant_pad_nd",
    ),
    "grid1": (lambda: cells.Grid1LSTMCell(N), [[D]], "a value without columns"),
}


def made(name: str, dtype: torch.dtype, seed: int = 0) -> Any:
    """A cell with random weights."""
    cell = CELLS[name]().to(dtype)
    if isinstance(cell, cells.RNNCell):
        cell.ensure_built(D, dtype)
    with torch.no_grad():
        for index, weight in enumerate(cell.parameters()):
            weight.copy_(fill(weight.shape, 100 * seed + index, dtype, 0.8))
    return cell


def state_for(cell: Any, dtype: torch.dtype, batch: int = B) -> Any:
    """An initial state, different in each tensor."""
    sizes = nest.flatten(cell.state_size)
    return nest.pack_as(cell.state_size, [fill((batch, size), 40 + i, dtype) for i, size in enumerate(sizes)])
