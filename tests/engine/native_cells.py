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
