"""`explain`: what it says about native cells and about steps that are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_support import fill, forget_plans
from native_cells import CELLS, B, D, T, made

from dynrnn import cells, dynamic_rnn, explain
from dynrnn.engine.dispatch import EngineWarning

SECTIONS = (
    "runs in the native executor",
    "operands made once a call:",
    "hoisted before the recurrence:",
    "gradients of matrices, one product each after the loop:",
    "gradients of vectors, summed in the loop:",
    "saved for the backward pass:",
    "the step:",
    "inference: instructions,",
    "training, forward: instructions,",
    "the derivative:",
    "training, backward: instructions,",
)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_plans()


@pytest.mark.parametrize("name", ["rnn", "lstm-all", "layer-norm", "nested", "user"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_native_cell(name: str, dtype: torch.dtype) -> None:
    found = explain(made(name, dtype), fill((B, T, D), 1, dtype))
    assert (found.executor, found.reason, found.where) == ("native", "", "")
    assert found.startswith(type(CELLS[name]()).__name__ + ": ")
    at = -1
    for section in SECTIONS:
        assert section in found
        assert found.index(section) > at, f"{section} is not in its place"
        at = found.index(section)
    assert f"saved for the backward pass: {found.saved_bytes} bytes" in found
    assert str(dtype).removeprefix("torch.") in found
    assert repr(found) == str(found)


def test_saved_bytes_follow_the_dtype_and_the_width() -> None:
    def saved(units: int, dtype: torch.dtype) -> int:
        return explain(cells.BasicLSTMCell(units), fill((B, T, D), 1, dtype)).saved_bytes

    assert saved(8, torch.float64) == 2 * saved(8, torch.float32) > 0
    assert saved(16, torch.float32) - saved(8, torch.float32) == saved(24, torch.float32) - saved(16, torch.float32)
    # gates and states: a handful of values for each unit, row and step, not all of those in between
    assert saved(8, torch.float32) <= 8 * 8 * 4


def test_input_products_of_an_lstm_are_hoisted_and_its_weights_deferred() -> None:
    found = explain(cells.BasicLSTMCell(8), fill((B, T, D), 1))
    assert "hoisted before the recurrence: 1 matrix products" in found
    assert "one product each after the loop: p" in found


def test_explain_changes_nothing() -> None:
    cell = cells.DropoutWrapper(cells.LSTMCell(4), 0.5)
    inputs = fill((B, T, D), 1, torch.float32)
    explain(cell, inputs)
    torch.manual_seed(3)
    expected = dynamic_rnn(cell, inputs)[0]
    torch.manual_seed(3)
    state = torch.get_rng_state()
    found = explain(cell, inputs)
    assert "noise: " in found
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(dynamic_rnn(cell, inputs)[0], expected)


class Peculiar(torch.nn.Module):
    """A cell with an operation that has no counterpart."""

    state_size = output_size = D

    def forward(self, x: Any, h: Any) -> Any:
        h = torch.tanh(h) + x
        h = torch.lgamma(h)  # the line that stops it
        return h, h


def _branching(params: Any, x: Any, h: Any) -> Any:
    if h.sum() > 0:  # the branch
        return h, h
    return h, h + x


def _line(text: str) -> int:
    with open(__file__, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


def test_refused_cell() -> None:
    found = explain(Peculiar(), fill((B, T, D), 1))
    assert (found.executor, found.saved_bytes) == ("reference", 0)
    assert found.reason == "torch.ops.aten.lgamma has no counterpart in the step program"
    assert found.where.startswith(f"{__file__}:{_line('# the line that ' + 'stops it')}: h = torch.lgamma(h)")
    assert found.splitlines() == [
        "Peculiar: runs in the reference executor, one Python step per time step",
        f"reason: {found.reason}",
        f"at: {found.where}",
    ]


def test_refused_step() -> None:
    found = explain(_branching, fill((B, T, D), 1), torch.zeros(B, D, dtype=torch.float64), params=())
    assert found.executor == "reference"
    assert "depends on the values of tensors" in found.reason
    assert found.where.startswith(f"{__file__}:{_line('# the ' + 'branch')}: if h.sum() > 0:")


def test_reasons_without_a_line() -> None:
    found = explain(Peculiar(), fill((B, T, D), 1, torch.float16))
    assert (found.executor, found.where) == ("reference", "")
    assert "torch.float16" in found.reason
    assert "at: " not in found


def test_warning_says_what_explain_says() -> None:
    inputs = fill((B, T, D), 1)
    with pytest.warns(EngineWarning) as caught:
        dynamic_rnn(Peculiar(), inputs)
    found = explain(Peculiar(), inputs)
    (told,) = [str(w.message) for w in caught if issubclass(w.category, EngineWarning)]
    assert found.reason in told
    assert found.where in told


def test_explained_time_major_and_with_params() -> None:
    weight = fill((D, D), 3)
    state = torch.zeros(B, D, dtype=torch.float64)

    def step(params: Any, x: Any, h: Any) -> Any:
        h = torch.tanh(h @ params + x)
        return h, h

    one = explain(step, fill((B, T, D), 1), state, params=weight)
    other = explain(step, fill((T, B, D), 1), state, params=weight, time_major=True)
    assert one == other
    assert one.startswith("step: runs in the native executor")


def test_wrong_arguments() -> None:
    inputs = fill((B, T, D), 1)
    with pytest.raises(TypeError, match="it is not callable"):
        explain(3, inputs)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="initial_state must be given for a step"):
        explain(_branching, inputs, params=())
    with pytest.raises((TypeError, ValueError)):
        explain(Peculiar(), None)
