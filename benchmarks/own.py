"""dynrnn as a contender: its public API, with all it does on the way."""

from __future__ import annotations

from typing import Any

import torch

import dynrnn
from benchmarks import work
from benchmarks.torch_cells import plain_cell, torch_weights
from benchmarks.torch_peers import Contender


def own_cell(cell: str, shape: work.Shape) -> Any:
    """dynrnn's cell with the weights of the work; a plain torch module where it has none."""
    units, width = shape.units, shape.width
    module: Any
    if cell == "lstm":
        module = dynrnn.cells.BasicLSTMCell(units, forget_bias=0.0, input_size=width)
    elif cell == "rnn":
        module = dynrnn.cells.BasicRNNCell(units, input_size=width)
    elif cell == "gru":
        module = dynrnn.cells.GRUCell(units, input_size=width)
    elif cell == "norm_lstm":
        module = dynrnn.cells.LayerNormBasicLSTMCell(units, input_size=width)
    elif cell == "peephole_lstm":
        module = dynrnn.cells.LSTMCell(units, use_peepholes=True, num_proj=work.projected(units), input_size=width)
    else:
        return plain_cell(cell, shape)
    module.load_state_dict(torch_weights(cell, shape))
    return module


def own_contender(
    cell: str, shape: work.Shape, lengths: work.Ints | None = None, time_major: bool = False
) -> Contender:
    """``dynrnn.dynamic_rnn``, with ``sequence_length`` where there are lengths."""
    module = own_cell(cell, shape)
    rows = None if lengths is None else torch.from_numpy(lengths)
    has_state = hasattr(module, "state_size")

    def forward(x: torch.Tensor) -> torch.Tensor:
        state = None if has_state else module.zero_state(shape.batch)
        return dynrnn.dynamic_rnn(
            module, x, rows, initial_state=state, dtype=torch.float32 if has_state else None, time_major=time_major
        )[0]

    parameters = {name.replace(".", "_"): parameter for name, parameter in module.named_parameters()}
    return Contender(forward, parameters, time_major)


def executor() -> str:
    """Which executor this build has for a step that every executor can run, and on which code path."""
    x, state = torch.zeros(1, 1, 1), torch.zeros(1, 1)
    try:
        dynrnn.scan(lambda _, x, state: (x + state, x + state), x, state, engine="native")
    except NotImplementedError:
        return "reference (eager PyTorch; this build has no native executor)"
    from dynrnn.engine import native

    return f"native, {native.best_isa()}"
