"""Bidirectional drivers against two unrolls of rows turned around by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_oracle import assert_close, gradients, leaves_with_grad, row_by_row, spoil_padding, to_batch_major
from some_cells import CELLS, LIBRARY, Peephole, State, Wrapped, start_of, step_of

from dynrnn import nest
from dynrnn.bidirectional import (
    bidirectional_dynamic_rnn,
    stack_bidirectional_dynamic_rnn,
    stack_bidirectional_rnn,
    static_bidirectional_rnn,
)

BATCH, TIME, DEPTH, UNITS = 4, 5, 3, 2
LENGTHS: dict[str, Any] = {
    "none": None,
    "full": [5, 5, 5, 5],
    "random": [2, 5, 1, 4],
    "short": [3, 1, 2, 2],
    "with-zeros": [0, 3, -1, 5],
    "all-zero": [0, 0, 0, 0],
}


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def turn(tree: Any, lengths: list[int] | None) -> Any:
    """Every row of batch-major leaves turned around within its length, by slices."""

    def turn_leaf(leaf: torch.Tensor) -> torch.Tensor:
        ends = [max(n, 0) for n in lengths] if lengths is not None else [leaf.shape[1]] * leaf.shape[0]
        return torch.stack([torch.cat((row[:n].flip(0), row[n:])) for row, n in zip(leaf, ends, strict=True)])

    return nest.map_structure(turn_leaf, tree)


def both_ways(fw: Any, bw: Any, inputs: Any, lengths: Any, states: Any = None) -> Any:
    """The oracle, batch-major, in the shape of bidirectional_dynamic_rnn's result."""
    start_fw, start_bw = states or (start_of(fw, len(inputs)), start_of(bw, len(inputs)))
    out_fw, state_fw = row_by_row(step_of(fw), inputs, start_fw, (), lengths)
    out_bw, state_bw = row_by_row(step_of(bw), turn(inputs, lengths), start_bw, (), lengths)
    return (out_fw, turn(out_bw, lengths)), (state_fw, state_bw)


def check_dynamic(fw: Any, bw: Any, inputs: torch.Tensor, lengths: Any, time_major: bool) -> None:
    weights = [*fw.parameters(), *bw.parameters()]
    sources = [*leaves_with_grad(inputs), *weights]
    expected = both_ways(fw, bw, inputs, lengths)
    expected_gradients = gradients(expected, sources)
    spoiled = leaves_with_grad(spoil_padding(inputs, lengths, float("nan")))[0]
    given = spoiled.transpose(0, 1) if time_major else spoiled
    outputs, states = bidirectional_dynamic_rnn(fw, bw, given, lengths, time_major=time_major)
    actual = (to_batch_major(outputs) if time_major else outputs, states)
    assert_close(actual, expected)
    assert_close(gradients(actual, [spoiled, *weights]), expected_gradients)


@pytest.mark.parametrize("time_major", [False, True], ids=["batch-major", "time-major"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize(
    ("fw", "bw"),
    [
        ("peephole", "wrapped"),
        ("wrapped", "learned"),
        ("learned", "learned"),
        *zip(LIBRARY, reversed(LIBRARY), strict=True),
    ],
)
def test_dynamic(fw: str, bw: str, lengths: Any, time_major: bool) -> None:
    kinds = CELLS | LIBRARY
    check_dynamic(kinds[fw](DEPTH, UNITS), kinds[bw](DEPTH, 3), floats(BATCH, TIME, DEPTH), lengths, time_major)


@settings(max_examples=25)
@given(time=st.integers(1, 4), lengths=st.lists(st.integers(-1, 9), min_size=1, max_size=4), time_major=st.booleans())
def test_dynamic_for_any_shape(time: int, lengths: list[int], time_major: bool) -> None:
    lengths = [min(n, time) for n in lengths]
    cells = CELLS["peephole"](DEPTH, UNITS), CELLS["wrapped"](DEPTH, UNITS)
    check_dynamic(*cells, floats(len(lengths), time, DEPTH), lengths, time_major)


def test_first_output_backward_is_the_final_state() -> None:
    cell = Wrapped(DEPTH, UNITS)
    lengths = [2, 5, 1, 4]
    (_, out_bw), (_, state_bw) = bidirectional_dynamic_rnn(cell, cell, floats(BATCH, TIME, DEPTH), lengths)
    assert torch.equal(out_bw[:, 0], state_bw)
    for row, length in zip(out_bw, lengths, strict=True):
        assert torch.count_nonzero(row[length:]) == 0


def test_one_direction_is_torch_gru() -> None:
    """torch's bidirectional GRU on packed sequences."""
    gru = torch.nn.GRU(DEPTH, UNITS, batch_first=True, bidirectional=True, dtype=torch.float64)
    cells = Wrapped(DEPTH, UNITS), Wrapped(DEPTH, UNITS)
    for cell, suffix in zip(cells, ("_l0", "_l0_reverse"), strict=True):
        cell.gru.load_state_dict({name: getattr(gru, name + suffix) for name in cell.gru.state_dict()})
    inputs, lengths = floats(BATCH, TIME, DEPTH), torch.tensor([3, 5, 1, 2])
    packed, final = gru(torch.nn.utils.rnn.pack_padded_sequence(inputs, lengths, True, enforce_sorted=False))
    ys, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, True, total_length=TIME)
    outputs, states = bidirectional_dynamic_rnn(*cells, inputs, lengths)
    assert_close((torch.cat(outputs, 2), torch.stack(states)), (ys, final))


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_static_is_dynamic_joined(lengths: Any) -> None:
    fw, bw = Peephole(DEPTH, UNITS), Wrapped(DEPTH, 3)
    inputs = spoil_padding(floats(BATCH, TIME, DEPTH), lengths, float("nan"))
    sources = [*leaves_with_grad(inputs), *fw.parameters(), *bw.parameters()]
    outputs, states = bidirectional_dynamic_rnn(fw, bw, inputs, lengths)
    expected = (torch.cat(outputs, 2), *states)
    steps, state_fw, state_bw = static_bidirectional_rnn(fw, bw, inputs.unbind(1), sequence_length=lengths)
    assert isinstance(steps, list)
    actual = (torch.stack(steps, 1), state_fw, state_bw)
    assert_close(actual, expected)
    assert_close(gradients(actual, sources), gradients(expected, sources))


@pytest.mark.parametrize("time_major", [False, True], ids=["batch-major", "time-major"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_stacks_are_layers_by_hand(lengths: Any, time_major: bool) -> None:
    cells_fw = [Peephole(DEPTH, UNITS), Wrapped(UNITS + 3, 2), Wrapped(4, 1)]
    cells_bw = [Wrapped(DEPTH, 3), Peephole(UNITS + 3, 2), Wrapped(4, 2)]
    inputs = spoil_padding(floats(BATCH, TIME, DEPTH), lengths, float("nan"))
    given = inputs.transpose(0, 1).contiguous() if time_major else inputs
    sources = [*leaves_with_grad(given), *(p for cell in cells_fw + cells_bw for p in cell.parameters())]
    layer: Any = given
    states: list[Any] = []
    for fw, bw in zip(cells_fw, cells_bw, strict=True):
        outputs, final = bidirectional_dynamic_rnn(fw, bw, layer, lengths, time_major=time_major)
        layer = torch.cat(outputs, 2)
        states.append(final)
    expected = (layer, tuple(s[0] for s in states), tuple(s[1] for s in states))
    actual = stack_bidirectional_dynamic_rnn(cells_fw, cells_bw, given, sequence_length=lengths, time_major=time_major)
    assert_close(actual, expected)
    assert_close(gradients(actual, sources), gradients(expected, sources))

    steps, *static_states = stack_bidirectional_rnn(
        cells_fw, cells_bw, list(given if time_major else given.transpose(0, 1)), sequence_length=lengths
    )
    assert isinstance(steps, list)
    assert_close((torch.stack(steps, 0 if time_major else 1), *static_states), expected)


def test_initial_states() -> None:
    fw, bw, inputs = Peephole(DEPTH, UNITS), Wrapped(DEPTH, UNITS), floats(BATCH, TIME, DEPTH)
    start_fw, start_bw = State(floats(BATCH, UNITS), floats(BATCH, UNITS)), floats(BATCH, UNITS)
    lengths = [2, 0, 5, 1]
    expected = both_ways(fw, bw, inputs, lengths, (start_fw, start_bw))
    actual = bidirectional_dynamic_rnn(fw, bw, inputs, lengths, [*start_fw], start_bw)
    assert_close(actual, expected)
    joined = torch.cat(expected[0], 2)
    steps, *states = static_bidirectional_rnn(fw, bw, inputs.unbind(1), start_fw, start_bw, None, lengths)
    assert_close((torch.stack(steps, 1), *states), (joined, *expected[1]))
    stacked, (state_fw,), (state_bw,) = stack_bidirectional_dynamic_rnn(
        [fw], [bw], inputs, [start_fw], (start_bw,), torch.float64, lengths, 32, False, False
    )
    assert_close((stacked, state_fw, state_bw), (joined, *expected[1]))
    steps, (state_fw,), (state_bw,) = stack_bidirectional_rnn(
        [fw], [bw], list(inputs.unbind(1)), [start_fw], [start_bw], torch.float64, lengths
    )
    assert_close((torch.stack(steps, 1), state_fw, state_bw), (joined, *expected[1]))


def test_nested_inputs_and_outputs_without_rows() -> None:
    """Steps that counted themselves are turned around as far as they ran."""

    def cell(x: Any, state: Any) -> Any:
        return (x["a"] + x["b"], state[1]), (state[0] + x["a"], state[1] + 1)

    inputs = {"a": floats(2, 4, 1), "b": floats(2, 4, 1)}
    start = (torch.zeros(2, 1, dtype=torch.float64), torch.tensor(0))
    for lengths, ticks in (([3, 1], [2, 1, 0, 0]), (None, [3, 2, 1, 0])):
        (out_fw, out_bw), _ = bidirectional_dynamic_rnn(cell, cell, inputs, lengths, start, start)
        assert torch.equal(out_fw[0], out_bw[0])
        assert out_bw[1].tolist() == ticks


@pytest.mark.parametrize("lengths", [None, [2, 0, 3]])
def test_gradcheck(lengths: Any) -> None:
    fw, bw = Wrapped(2, 2), Wrapped(2, 2)
    second = Wrapped(4, 1), Wrapped(4, 1)
    inputs = floats(3, 3, 2).requires_grad_()

    def run(x: torch.Tensor) -> Any:
        dynamic = bidirectional_dynamic_rnn(fw, bw, x, lengths)
        static = static_bidirectional_rnn(fw, bw, x.unbind(1), sequence_length=lengths)
        stack = stack_bidirectional_dynamic_rnn([fw, second[0]], [bw, second[1]], x, sequence_length=lengths)
        listed = stack_bidirectional_rnn([fw, second[0]], [bw, second[1]], list(x.unbind(1)), sequence_length=lengths)
        return nest.flatten((dynamic, static, stack, listed))

    assert torch.autograd.gradcheck(run, [inputs])


def test_nothing_to_read() -> None:
    fw, bw = Wrapped(DEPTH, UNITS), Peephole(DEPTH, UNITS)
    (out_fw, out_bw), states = bidirectional_dynamic_rnn(fw, bw, floats(2, 0, DEPTH), [0, 0])
    assert out_fw.shape == out_bw.shape == (2, 0, UNITS)
    assert all(torch.count_nonzero(leaf) == 0 for leaf in nest.flatten(states))
    (out_fw, out_bw), _ = bidirectional_dynamic_rnn(fw, bw, floats(0, 3, DEPTH), [])
    assert out_fw.shape == out_bw.shape == (0, 3, UNITS)


class Marked(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.begun = 0

    def new_sequence(self) -> None:
        self.begun += 1

    def forward(self, x: Any, state: Any) -> Any:
        return x, state


def test_cells_hear_of_a_new_sequence_once() -> None:
    fw, bw, state = Marked(), Marked(), torch.zeros(2, 1)
    bidirectional_dynamic_rnn(fw, bw, torch.ones(2, 3, 1), None, state, state)
    assert (fw.begun, bw.begun) == (1, 1)
    bidirectional_dynamic_rnn(fw, fw, torch.ones(2, 3, 1), None, state, state)
    assert fw.begun == 2


INPUTS, STATE = torch.ones(2, 3, 4, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)

REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "cell_fw": ({"cell_fw": 3}, TypeError, r"The argument 'cell_fw' \(3\) is not an RNNCell"),
    "cell_bw": ({"cell_bw": None}, TypeError, "The argument 'cell_bw' .None. is not an RNNCell"),
    "inputs": ({"inputs": INPUTS[0]}, ValueError, "must have rank at least 3"),
    "too long": (
        {"sequence_length": [3, 4]},
        ValueError,
        "sequence_length must not be above the number of steps, 3, for the backward direction, got 4 for row 1",
    ),
    "vector": ({"sequence_length": [[1, 2]]}, ValueError, "sequence_length must be a vector"),
    "state fw": ({"initial_state_fw": torch.zeros(2, 3)}, ValueError, r"initial_state_fw must have shape \[2, 2\]"),
    "state bw": ({"initial_state_bw": [STATE] * 2}, ValueError, "initial_state_bw must have the structure"),
    "dtype": ({"inputs": INPUTS.int()}, ValueError, "If there is no initial_state, you must give a dtype"),
    "swap_memory": ({"swap_memory": 1}, TypeError, "swap_memory must be True or False"),
    "pair": (
        {"cell_bw": torch.nn.GRUCell(4, 2), "initial_state_bw": STATE.float(), "inputs": INPUTS.float()},
        TypeError,
        r"cell_bw GRUCell must return a pair",
    ),
}


@pytest.mark.parametrize(("changed", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_dynamic_refuses(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    def plain(x: Any, state: Any) -> Any:
        return state, state

    plain.state_size = 2  # type: ignore[attr-defined]
    with pytest.raises(error, match=message):
        bidirectional_dynamic_rnn(**{"cell_fw": plain, "cell_bw": plain, "inputs": INPUTS, **changed})


STEPS = list(INPUTS.unbind(1))


@pytest.mark.parametrize("stack", [False, True], ids=["static", "stack"])
@pytest.mark.parametrize(
    ("inputs", "lengths", "error", "message"),
    [
        (INPUTS, None, TypeError, "inputs must be a sequence"),
        ([], None, ValueError, "inputs must not be empty"),
        (STEPS, [4, 0], ValueError, "sequence_length must not be above the number of steps, 3"),
        ([s.int() for s in STEPS], None, ValueError, "If no initial_state is provided, dtype must be specified"),
    ],
)
def test_static_refuses(stack: bool, inputs: Any, lengths: Any, error: type[Exception], message: str) -> None:
    cell = Wrapped(4, 2)
    with pytest.raises(error, match=message):
        if stack:
            stack_bidirectional_rnn([cell], [cell], inputs, sequence_length=lengths)
        else:
            static_bidirectional_rnn(cell, cell, inputs, sequence_length=lengths)


CELL = Wrapped(4, 2)
STACK_REFUSED: dict[str, tuple[Any, Any, dict[str, Any], type[Exception], str]] = {
    "no list": (CELL, [CELL], {}, ValueError, "cells_fw must be a list of RNNCells .one per layer., got Wrapped"),
    "no list bw": ([CELL], CELL, {}, ValueError, "cells_bw must be a list of RNNCells"),
    "empty": ([], [CELL], {}, ValueError, "cells_fw must hold at least one cell, got an empty list"),
    "empty bw": ([CELL], [], {}, ValueError, "cells_bw must hold at least one cell"),
    "depth": ([CELL, CELL], [CELL], {}, ValueError, "must have the same depth, got 2 cells_fw and 1 cells_bw"),
    "cell": ([CELL], [3], {}, TypeError, r"The argument 'cells_bw\[0\]' \(3\) is not an RNNCell"),
    "state": ([CELL], [CELL], {"initial_states_fw": STATE}, ValueError, "initial_states_fw must be a list of state"),
    "states": ([CELL], [CELL], {"initial_states_bw": [STATE] * 2}, ValueError, "1 here, got 2 things"),
}


@pytest.mark.parametrize("driver", [stack_bidirectional_dynamic_rnn, stack_bidirectional_rnn])
@pytest.mark.parametrize(("fw", "bw", "more", "error", "message"), STACK_REFUSED.values(), ids=STACK_REFUSED)
def test_stack_refuses(driver: Any, fw: Any, bw: Any, more: Any, error: type[Exception], message: str) -> None:
    inputs = INPUTS if driver is stack_bidirectional_dynamic_rnn else STEPS
    with pytest.raises(error, match=message):
        driver(fw, bw, inputs, **more)
