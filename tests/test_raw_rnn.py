"""`raw_rnn`: a loop function that imitates `dynamic_rnn` equals it, emits, loop states, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_oracle import assert_close, gradients
from some_cells import CELLS, LIBRARY, Wrapped, start_of

from dynrnn import nest
from dynrnn.drivers import dynamic_rnn, raw_rnn, static_rnn
from dynrnn.tensor_array import TensorArray

BATCH, TIME, DEPTH, UNITS = 4, 5, 3, 2


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def imitate(inputs: torch.Tensor, lengths: list[int], start: Any, template: Any = None) -> Callable[..., Any]:
    """The loop function with which TensorFlow's documentation explains raw_rnn, on time-major inputs."""
    ends = torch.tensor(lengths)

    def loop_fn(time: int, output: Any, state: Any, loop_state: Any) -> Any:
        assert loop_state is None
        if output is None:
            assert time == 0
            assert state is None
            output, state = template, start
        finished = time >= ends
        next_input = torch.zeros_like(inputs[0]) if bool(finished.all()) else inputs[time]
        return finished, next_input, state, output, None

    return loop_fn


def check_imitation(kind: str, lengths: list[int], time: int, with_template: bool) -> None:
    cell = (CELLS | LIBRARY)[kind](DEPTH, UNITS)
    inputs = floats(time, len(lengths), DEPTH).requires_grad_()
    sources = [inputs, *cell.parameters()]
    expected = dynamic_rnn(cell, inputs, lengths, time_major=True)
    static = static_rnn(cell, inputs.unbind(0), sequence_length=lengths)
    template = nest.map_structure(lambda leaf: leaf.detach()[0, 0], expected[0]) if with_template else None
    emits, state, loop_state = raw_rnn(cell, imitate(inputs, lengths, start_of(cell, len(lengths)), template))
    ran = max(0, *lengths)
    stacked = nest.map_structure(TensorArray.stack, emits)
    assert all(leaf.shape[0] == ran for leaf in nest.flatten(stacked))
    padded = nest.map_structure(lambda leaf: torch.cat((leaf, leaf.new_zeros(time - ran, *leaf.shape[1:]))), stacked)
    assert loop_state is None
    wanted = gradients(expected, sources)
    for outputs, final in ((padded, state), (nest.map_structure(lambda *ys: torch.stack(ys), *static[0]), static[1])):
        assert_close((outputs, final), expected)
        assert_close(gradients((outputs, final), sources), wanted)


@pytest.mark.parametrize("with_template", [False, True])
@pytest.mark.parametrize("lengths", [[5, 5, 5, 5], [2, 5, 1, 4], [3, 1, 2, 2], [0, 3, 0, 5]], ids=str)
@pytest.mark.parametrize("kind", CELLS | LIBRARY)
def test_imitation_of_dynamic_rnn(kind: str, lengths: list[int], with_template: bool) -> None:
    check_imitation(kind, lengths, TIME, with_template)


@settings(max_examples=25)
@given(
    kind=st.sampled_from(sorted(CELLS)),
    time=st.integers(1, 5),
    lengths=st.lists(st.integers(0, 5), min_size=2, max_size=4),
)
def test_imitation_for_any_shape(kind: str, time: int, lengths: list[int]) -> None:
    check_imitation(kind, [min(n, time) for n in lengths], time, True)


def count_to(limits: list[int], template: Any = None, loop_start: Any = None) -> Callable[..., Any]:
    """Row b takes ``limits[b]`` steps; input is always ones, the loop state counts calls."""
    ends = torch.tensor(limits)

    def loop_fn(time: int, output: Any, state: Any, loop_state: Any) -> Any:
        ones = torch.ones(len(limits), 1)
        if output is None:
            return ends <= 0, ones, torch.zeros(len(limits), 1), template, loop_start
        return time >= ends, ones, state, output, None if loop_state is None else loop_state + 1

    return loop_fn


def adder(x: torch.Tensor, state: torch.Tensor) -> Any:
    return state + x, state + x


def test_emits_and_states_follow_the_flags_before_the_step() -> None:
    emits, state, calls = raw_rnn(adder, count_to([1, 0, 3], loop_start=10))
    assert isinstance(emits, TensorArray)
    assert emits.size() == 3
    assert emits.stack().squeeze(2).tolist() == [[1, 0, 1], [0, 0, 2], [0, 0, 3]]
    assert torch.equal(emits.read(1), emits.stack()[1])
    assert emits.concat().shape == (9, 1)
    assert state.flatten().tolist() == [1, 0, 3]
    assert calls == 13


def test_loop_fn_is_called_once_more_than_the_cell() -> None:
    times, calls = [], []
    loop_fn = count_to([2, 3])

    def watched(time: int, *rest: Any) -> Any:
        times.append(time)
        return loop_fn(time, *rest)

    def cell(x: torch.Tensor, state: torch.Tensor) -> Any:
        calls.append(x)
        return adder(x, state)

    raw_rnn(cell, watched)
    assert times == [0, 1, 2, 3]
    assert len(calls) == 3


def test_loop_state_of_none_keeps_the_one_there_is() -> None:
    seen = []
    inner = count_to([3])

    def loop_fn(time: int, output: Any, state: Any, loop_state: Any) -> Any:
        seen.append(loop_state)
        new_loop_state = {0: "first", 2: "second"}.get(time)
        return (*inner(time, output, state, None)[:4], new_loop_state)

    assert raw_rnn(adder, loop_fn)[2] == "second"
    assert seen == [None, "first", "first", "second"]


def test_emit_may_be_anything_the_template_says() -> None:
    """An emit of another dtype and structure than the cell's output."""
    inner = count_to([1, 2])

    def loop_fn(time: int, output: Any, *rest: Any) -> Any:
        finished, x, state, _, loop_state = inner(time, output, *rest)
        if output is None:
            emit = {"n": torch.zeros(4, dtype=torch.int32), "t": (torch.zeros(()), torch.zeros(2, 3))}
        else:
            emit = {"n": torch.full((2, 4), time).int(), "t": (torch.full((2,), 0.5), torch.ones(2, 2, 3))}
        return finished, x, state, emit, loop_state

    emits, _, _ = raw_rnn(adder, loop_fn)
    assert emits["n"].stack()[:, :, 0].tolist() == [[1, 1], [0, 2]]
    assert emits["n"].stack().dtype == torch.int32
    assert emits["t"][0].stack().tolist() == [[0.5, 0.5], [0.0, 0.5]]
    assert emits["t"][1].stack().shape == (2, 2, 2, 3)


@pytest.mark.parametrize("template", [None, torch.zeros(4, dtype=torch.int32)])
def test_all_finished_at_once(template: Any) -> None:
    """No step: empty emits like the template, or like the cell's output_size in the dtype of the state."""
    cell = Wrapped(1, 3)
    loop_fn = count_to([0, 0], template, loop_start=7)
    emits, state, loop_state = raw_rnn(cell, loop_fn)
    assert emits.size() == 0
    shape, dtype = ((0, 2, 3), torch.float32) if template is None else ((0, 2, 4), torch.int32)
    assert (emits.stack().shape, emits.stack().dtype) == (shape, dtype)
    assert torch.count_nonzero(state) == 0
    assert loop_state == 7


def test_all_finished_at_once_with_a_cell_that_says_nothing() -> None:
    emits, _, _ = raw_rnn(adder, count_to([0]))
    assert emits.size() == 0
    with pytest.raises(ValueError, match="stack of an empty TensorArray"):
        emits.stack()


def test_inputs_and_loop_state_are_never_masked() -> None:
    """A row that is finished still sees its own input and state in the cell, and its output in the loop state."""
    ends = torch.tensor([1, 3])
    seen = []

    def cell(x: torch.Tensor, state: torch.Tensor) -> Any:
        seen.append((x.flatten().tolist(), state.flatten().tolist()))
        return state + x, state + x

    def loop_fn(time: int, output: Any, state: Any, loop_state: Any) -> Any:
        x = torch.tensor([[time + 1.0], [time + 10.0]])
        if output is None:
            return ends < 1, x, torch.zeros(2, 1), None, TensorArray()
        return time >= ends, x, state, output, loop_state.write(loop_state.size(), output)

    _, state, outputs = raw_rnn(cell, loop_fn)
    assert seen == [([1, 10], [0, 0]), ([2, 11], [1, 10]), ([3, 12], [1, 21])]
    assert outputs.stack().squeeze(2).tolist() == [[1, 10], [3, 21], [4, 33]]
    assert state.flatten().tolist() == [1, 33]


def test_leaves_without_rows_are_not_masked() -> None:
    """A rank-0 state and a TensorArray in the state go on after rows have finished."""
    ends = torch.tensor([1, 3])

    def loop_fn(time: int, output: Any, state: Any, loop_state: Any) -> Any:
        if output is None:
            state = (torch.zeros(2), torch.tensor(0), TensorArray())
        return time >= ends, torch.ones(2), state, output if time else torch.zeros(()), loop_state

    def cell(x: Any, state: Any) -> Any:
        total, steps, history = state
        return total, (total + x, steps + 1, history.write(history.size(), x))

    _, (total, steps, history), _ = raw_rnn(cell, loop_fn)
    assert total.tolist() == [1, 3]
    assert steps == 3
    assert history.size() == 3


@pytest.mark.parametrize("make", [lambda f: f.tolist(), lambda f: f.numpy()])
def test_flags_of_any_kind(make: Any) -> None:
    inner = count_to([1, 2])

    def loop_fn(*arguments: Any) -> Any:
        finished, *rest = inner(*arguments)
        return [make(finished), *rest]

    assert raw_rnn(adder, loop_fn)[1].flatten().tolist() == [1, 2]


def test_generation_until_a_row_says_so() -> None:
    """The lengths come out of the loop: each row doubles until it is above 20, feeding itself."""

    def loop_fn(time: int, output: Any, state: Any, loop_state: Any) -> Any:
        if output is None:
            start = torch.tensor([[1.0], [3.0], [19.0]])
            return torch.tensor([False] * 3), start, torch.zeros(3, 1), None, None
        return (output > 20).squeeze(1), output, state, output, None

    emits, steps, _ = raw_rnn(lambda x, n: (x * 2, n + 1), loop_fn)
    assert emits.stack().squeeze(2).T.tolist() == [[2, 4, 8, 16, 32], [6, 12, 24, 0, 0], [38, 0, 0, 0, 0]]
    assert steps.flatten().tolist() == [5, 3, 1]


def test_cells_hear_of_a_new_sequence() -> None:
    class Marked(torch.nn.Module):
        begun = 0

        def new_sequence(self) -> None:
            self.begun += 1

        def forward(self, x: Any, state: Any) -> Any:
            return adder(x, state)

    cell = Marked()
    raw_rnn(cell, count_to([2, 1]))
    assert cell.begun == 1


@pytest.mark.parametrize("lengths", [[3, 3], [2, 0]])
def test_gradcheck(lengths: list[int]) -> None:
    cell = Wrapped(2, 2)

    def run(x: torch.Tensor, start: torch.Tensor) -> Any:
        emits, state, _ = raw_rnn(cell, imitate(x, lengths, start))
        return emits.stack(), state

    assert torch.autograd.gradcheck(run, [floats(3, 2, 2).requires_grad_(), floats(2, 2).requires_grad_()])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda() -> None:
    """Flags may stay on the CPU while everything else is on the device."""
    inner = count_to([1, 3])

    def loop_fn(*arguments: Any) -> Any:
        finished, *rest = inner(*arguments)
        return finished, *[leaf.cuda() if isinstance(leaf, torch.Tensor) else leaf for leaf in rest]

    emits, state, _ = raw_rnn(adder, loop_fn)
    assert state.device.type == "cuda"
    assert emits.stack().squeeze(2).tolist() == [[1, 1], [0, 2], [0, 3]]


OPEN, X, S = torch.tensor([False, False]), torch.ones(2, 1), torch.zeros(2, 1)
FIRST = (OPEN, X, S, None, None)


def replace(index: int, value: Any, results: tuple[Any, ...] = FIRST) -> tuple[Any, ...]:
    return (*results[:index], value, *results[index + 1 :])


REFUSED: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "four": (FIRST[:4], None, TypeError, "loop_fn must return .finished, .*, got 4 things"),
    "tensor": (X, None, TypeError, r"loop_fn must return .*, got float32 \[2, 1\]"),
    "flags dtype": (replace(0, OPEN.int()), None, ValueError, r"finished as a bool vector .*, got int32 \[2\]"),
    "flags rank": (replace(0, torch.tensor(False)), None, ValueError, r"got bool \[\]"),
    "input rows": (replace(1, X[:1]), None, ValueError, "next_input must have the 2 rows"),
    "no input": (replace(1, None), None, TypeError, "next_input must be a tensor, got NoneType"),
    "state rows": (replace(2, S[:1]), None, ValueError, "state must have the 2 rows"),
    "no state": (replace(2, None), None, TypeError, "state must be a tensor, got NoneType"),
    "template": (replace(3, {"a": 3}), None, TypeError, r"emit_output\['a'\] of the first call .* got int"),
    "next input": (FIRST, (OPEN, (X,), S, X, None), ValueError, r"next_input must keep .* structure \*, got \(\*,\)"),
    "next input shape": (FIRST, (OPEN, X[:, :0], S, X, None), ValueError, r"next_input must keep .* float32 \[2, 0\]"),
    "next state": (FIRST, (OPEN, X, [S], X, None), ValueError, "new_state must keep"),
    "next state dtype": (FIRST, (OPEN, X, S.double(), X, None), ValueError, r"new_state .* got float64 \[2, 1\]"),
    "emit": (
        replace(3, torch.zeros(3)),
        (OPEN, X, S, X, None),
        ValueError,
        r"emit must be alike in every step: expected float32 \[2, 3\], got float32 \[2, 1\]",
    ),
    "emit structure": (replace(3, (X[0],)), (OPEN, X, S, X, None), ValueError, r"emit must be alike .* got \*"),
    "no emit": (FIRST, (OPEN, X, S, None, None), TypeError, "emit must be a tensor, got NoneType"),
    "next flags": (FIRST, (OPEN[:1], X, S, X, None), ValueError, r"finished must stay a bool tensor of shape \[2\]"),
}


@pytest.mark.parametrize(("first", "later", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_loop_fn_returns(first: Any, later: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        raw_rnn(adder, lambda time, *_: later if time else first)


def test_refuses_arguments() -> None:
    with pytest.raises(TypeError, match="loop_fn must be a callable, got int"):
        raw_rnn(adder, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"The argument 'cell' .* is not an RNNCell"):
        raw_rnn(np.ones(3), count_to([1]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must return a pair"):
        raw_rnn(lambda x, s: x, count_to([1]))
    with pytest.raises(ValueError, match="parallel_iterations must be a positive integer"):
        raw_rnn(adder, count_to([1]), parallel_iterations=-1)
    with pytest.raises(TypeError, match="swap_memory must be True or False"):
        raw_rnn(adder, count_to([1]), swap_memory=None)  # type: ignore[arg-type]
