"""The torch drivers and cells against TensorFlow's numbers: every driver x cell x lengths x major x dtype.

Weights come out of the golden files under TensorFlow's variable names and go into the parameters of the same names; the
values and the gradients by inputs, initial states and weights must agree.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from goldens import files, harness
from goldens.cases import drivers as golden

from dynrnn import bidirectional, cells, drivers

DTYPES = {"f32": torch.float32, "f64": torch.float64}
SCOPES = {"rnn", "bidirectional_rnn", "fw", "bw", "multi_rnn_cell"} | {
    "basic_rnn_cell",
    "gru_cell",
    "basic_lstm_cell",
    "lstm_cell",
}
"""Levels of a TensorFlow variable name that are no module in torch."""


@functools.cache
def _file() -> files.GoldenFile:
    return files.GoldenFile("drivers")


# torch's device is that of the tensors, so that there is no DeviceWrapper.
CASES = [name for name in _file().names if name.split("/")[1] != "DeviceWrapper"]


def _parameter_name(variable: str) -> str:
    """``rnn/multi_rnn_cell/cell_0/lstm_cell/projection/kernel`` -> ``cell_0.projection.kernel``."""
    return ".".join(part for part in variable.split("/") if part not in SCOPES)


class Unroll:
    """One golden case on torch: its cells with the recorded weights, its inputs, and what comes out."""

    def __init__(self, name: str) -> None:
        driver, cell, lengths, major, suffix = name.split("/")
        self.driver, self.time_major = driver, major == "tm"
        self.dtype = DTYPES[suffix]
        self.want = _file().record(name)
        self.lengths = golden.LENGTHS[lengths.removeprefix("lengths-")]
        self.sources: dict[str, torch.Tensor] = {}
        self.inputs = self.source("inputs", self.want.feeds["inputs:0"])
        self.make = golden.CELLS[cell]
        self.results: dict[str, Any] = {}

    def source(self, name: str, array: Any) -> torch.Tensor:
        """A leaf that the gradient is taken by."""
        leaf = torch.tensor(array, dtype=self.dtype, requires_grad=True)
        self.sources[name] = leaf
        return leaf

    def cell(self, scope: str) -> Any:
        """A cell holding the recorded weights below ``scope``, each of which must find its parameter."""
        made = self.make(cells)
        made.ensure_built(golden.DEPTH, self.dtype)
        mine = {name.replace("cell.", ""): value for name, value in made.named_parameters()}
        theirs = {name: value for name, value in self.want.weights.items() if name.startswith(scope)}
        assert sorted(mine) == sorted(map(_parameter_name, theirs))
        for name, value in theirs.items():
            parameter = mine[_parameter_name(name)]
            assert list(parameter.shape) == list(value.shape), name
            with torch.no_grad():
                parameter.copy_(torch.tensor(value))
            self.sources[name] = parameter
        return made

    def state(self, cell: Any, prefix: str) -> Any:
        """The fed initial state, in the structure of the cell's."""
        paths = [path for path, _ in harness.flatten(cell.state_size, prefix)]
        leaves = [self.source(path, self.want.feeds[f"{prefix}_{i}:0"]) for i, path in enumerate(paths)]
        return golden.fill(cell.state_size, leaves)

    def run(self) -> None:
        """Run the driver of the case."""
        getattr(self, self.driver.replace("-", "_"))()

    def dynamic_rnn(self) -> None:
        cell = self.cell("rnn/")
        outputs, state = drivers.dynamic_rnn(
            cell, self.inputs, self.lengths, self.state(cell, "initial"), time_major=self.time_major
        )
        self.results = {"outputs": outputs, "state": state}

    def dynamic_rnn_zero_state(self) -> None:
        outputs, state = drivers.dynamic_rnn(self.cell("rnn/"), self.inputs, self.lengths, dtype=self.dtype)
        self.results = {"outputs": outputs, "state": state}

    def bidirectional_dynamic_rnn(self) -> None:
        forward, backward = self.cell("bidirectional_rnn/fw/"), self.cell("bidirectional_rnn/bw/")
        outputs, states = bidirectional.bidirectional_dynamic_rnn(
            forward,
            backward,
            self.inputs,
            self.lengths,
            self.state(forward, "initial_fw"),
            self.state(backward, "initial_bw"),
            time_major=self.time_major,
        )
        self.results = {"outputs": outputs, "state": states}

    def static_rnn(self) -> None:
        cell = self.cell("rnn/")
        outputs, state = drivers.static_rnn(
            cell, list(self.inputs.unbind(1)), self.state(cell, "initial"), sequence_length=self.lengths
        )
        self.results = {"outputs": torch.stack(outputs, 1), "state": state}

    def static_bidirectional_rnn(self) -> None:
        forward, backward = self.cell("bidirectional_rnn/fw/"), self.cell("bidirectional_rnn/bw/")
        outputs, state_fw, state_bw = bidirectional.static_bidirectional_rnn(
            forward,
            backward,
            list(self.inputs.unbind(1)),
            self.state(forward, "initial_fw"),
            self.state(backward, "initial_bw"),
            sequence_length=self.lengths,
        )
        self.results = {"outputs": torch.stack(outputs, 1), "state_fw": state_fw, "state_bw": state_bw}

    def raw_rnn(self) -> None:
        cell = self.cell("rnn/")
        initial = self.state(cell, "initial")
        limits = torch.tensor(self.lengths or [golden.TIME] * golden.BATCH)

        def loop(time: Any, output: Any, state: Any, loop_state: Any) -> Any:
            finished = torch.as_tensor(time) >= limits
            done = bool(finished.all())
            following = self.inputs.new_zeros(golden.BATCH, golden.DEPTH) if done else self.inputs[int(time)]
            return finished, following, initial if output is None else state, output, None

        emitted, state, _ = drivers.raw_rnn(cell, loop)
        self.results = {"outputs": emitted.stack(), "state": state}

    def gradients(self) -> dict[str, torch.Tensor]:
        """Of the weighted sum that the golden programs take, by every source."""
        total = torch.zeros((), dtype=self.dtype)
        kind = str(self.dtype).removeprefix("torch.")
        for name, nest in self.results.items():
            for path, leaf in harness.flatten(nest, name):
                seed = golden.seed_of(path, list(leaf.shape), kind, self.time_major)
                total = total + (leaf * torch.from_numpy(np.ascontiguousarray(seed))).sum()
        grads = torch.autograd.grad(total, list(self.sources.values()))
        return {f"grad/{name}": grad for name, grad in zip(self.sources, grads, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_torch_agrees_with_tensorflow(name: str) -> None:
    unroll = Unroll(name)
    unroll.run()
    got = {path: leaf for key, nest in unroll.results.items() for path, leaf in harness.flatten(nest, key)}
    if "-zero_state" not in name:
        got.update(unroll.gradients())
    assert sorted(got) == sorted(unroll.want.values)
    problems = [
        f"{key}: {told}"
        for key, value in unroll.want.values.items()
        if (told := files.differences(got[key].detach().numpy(), value.array))
    ]
    assert not problems, "\n".join(problems)
