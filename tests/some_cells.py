"""Cells as users write them, for the tests of the drivers: no base class, every way to say what the state is."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import torch

from dynrnn import cells

State = namedtuple("State", "c h")


class Wrapped(torch.nn.Module):
    """torch.nn.GRUCell with the call of a cell; says ``state_size`` only."""

    def __init__(self, depth: int, units: int) -> None:
        super().__init__()
        self.gru = torch.nn.GRUCell(depth, units, dtype=torch.float64)
        self.state_size = units
        self.output_size = units

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        h = self.gru(x, h)
        return h, h


class Peephole(torch.nn.Module):
    """An LSTM with a namedtuple state, made by ``zero_state``."""

    def __init__(self, depth: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.kernel = torch.nn.Parameter(torch.randn(depth + units, 4 * units, dtype=torch.float64))
        self.peep = torch.nn.Parameter(torch.randn(units, dtype=torch.float64))

    @property
    def state_size(self) -> State:
        return State(self.units, self.units)

    def zero_state(self, batch_size: int, dtype: torch.dtype) -> State:
        return State(*(torch.zeros(batch_size, self.units, dtype=dtype) for _ in range(2)))

    def forward(self, x: torch.Tensor, state: State) -> Any:
        i, j, f, o = (torch.cat((x, state.h), 1) @ self.kernel).chunk(4, 1)
        c = state.c * torch.sigmoid(f + self.peep * state.c) + torch.sigmoid(i) * torch.tanh(j)
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, State(c, h)


class Learned(torch.nn.Module):
    """Structured output and state, and an initial state that is a parameter, by ``get_initial_state``."""

    def __init__(self, depth: int, units: int) -> None:
        super().__init__()
        self.start = torch.nn.Parameter(torch.randn(units, dtype=torch.float64))
        self.kernel = torch.nn.Parameter(torch.randn(depth, units, dtype=torch.float64))

    def get_initial_state(self, inputs: Any = None, batch_size: int | None = None, dtype: Any = None) -> Any:
        assert batch_size is not None
        return {"h": self.start.to(dtype).expand(batch_size, -1), "n": torch.zeros(batch_size, dtype=torch.int64)}

    def forward(self, x: torch.Tensor, state: Any) -> Any:
        h = torch.tanh(x @ self.kernel + state["h"].roll(1, 1))
        return (h, x.sum(1)), {"h": h, "n": state["n"] + 1}


CELLS: dict[str, Callable[[int, int], Any]] = {"wrapped": Wrapped, "peephole": Peephole, "learned": Learned}

OPTIONS: dict[str, Any] = {"dtype": torch.float64}
LIBRARY: dict[str, Callable[[int, int], Any]] = {
    "BasicRNNCell": lambda depth, units: cells.BasicRNNCell(units, input_size=depth, **OPTIONS),
    "GRUCell": lambda depth, units: cells.GRUCell(units, input_size=depth, **OPTIONS),
    "BasicLSTMCell": lambda depth, units: cells.BasicLSTMCell(units, input_size=depth, **OPTIONS),
    "BasicLSTMCell-concat": lambda depth, units: cells.BasicLSTMCell(
        units, state_is_tuple=False, input_size=depth, **OPTIONS
    ),
    "LSTMCell": lambda depth, units: cells.LSTMCell(
        units, use_peepholes=True, cell_clip=0.9, num_proj=2, proj_clip=0.6, input_size=depth, **OPTIONS
    ),
    "LayerNormBasicLSTMCell": lambda depth, units: cells.LayerNormBasicLSTMCell(units, input_size=depth, **OPTIONS),
    "MultiRNNCell": lambda depth, units: cells.MultiRNNCell(
        [
            cells.LSTMCell(units, input_size=depth, **OPTIONS),
            cells.ResidualWrapper(cells.GRUCell(units, input_size=units, **OPTIONS)),
        ]
    ),
}
"""Cells of the library, as a test of the drivers needs them; their own tests are elsewhere."""


def step_of(cell: Any) -> Callable[[Any, Any, Any], Any]:
    """``cell`` as a step, for the row-by-row oracle."""
    return lambda params, x, state: cell(x, state)


def start_of(cell: Any, batch: int) -> Any:
    """The initial state that a driver is to take when it is given none."""
    if isinstance(cell, Wrapped):
        return torch.zeros(batch, cell.state_size, dtype=torch.float64)
    if isinstance(cell, Peephole):
        return cell.zero_state(batch, torch.float64)
    return cell.get_initial_state(batch_size=batch, dtype=torch.float64)
