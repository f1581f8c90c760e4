"""`dynamic_rnn` and `static_rnn`: the law through the drivers, initial states, and every refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_oracle import assert_close, gradients, leaves_with_grad, row_by_row, spoil_padding, to_batch_major
from some_cells import CELLS, LIBRARY, Peephole, State, Wrapped, start_of, step_of

from dynrnn import nest
from dynrnn.drivers import dynamic_rnn, static_rnn

BATCH, TIME, DEPTH, UNITS = 4, 5, 3, 2
LENGTHS: dict[str, Any] = {
    "none": None,
    "random": [2, 5, 1, 4],
    "short": [3, 1, 2, 2],
    "with-zeros": [0, 3, 0, 5],
    "out-of-range": [7, 2, 9, -3],
    "all-zero": [0, 0, 0, 0],
}


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def check_law(cell: Any, inputs: Any, lengths: Any, time_major: bool, **arguments: Any) -> None:
    """dynamic_rnn, and static_rnn on the steps, against every row alone; values and gradients, NaN in the padding."""
    batch = nest.flatten(inputs)[0].shape[1 if time_major else 0]
    weights = list(cell.parameters())
    sources = [*leaves_with_grad(inputs), *weights]
    expected = row_by_row(step_of(cell), inputs, start_of(cell, batch), (), lengths, time_major)
    expected_gradients = gradients(expected, sources)

    spoiled = spoil_padding(inputs, lengths, float("nan"), time_major)
    sources = [*leaves_with_grad(spoiled), *weights]
    actual = dynamic_rnn(cell, spoiled, lengths, time_major=time_major, **arguments)
    assert_close(actual, expected)
    assert_close(gradients(actual, sources), expected_gradients)

    steps = (spoiled if time_major else to_batch_major(spoiled)).unbind(0)
    outputs, state = static_rnn(cell, steps, sequence_length=lengths)
    assert isinstance(outputs, list)
    joined = nest.map_structure(lambda *ys: torch.stack(ys, 0 if time_major else 1), *outputs)
    assert_close((joined, state), expected)
    assert_close(gradients((joined, state), sources), expected_gradients)


@pytest.mark.parametrize("time_major", [False, True], ids=["batch-major", "time-major"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("kind", CELLS | LIBRARY)
def test_law(kind: str, lengths: Any, time_major: bool) -> None:
    shape = (TIME, BATCH, DEPTH) if time_major else (BATCH, TIME, DEPTH)
    check_law((CELLS | LIBRARY)[kind](DEPTH, UNITS), floats(*shape), lengths, time_major)


@settings(max_examples=30)
@given(
    kind=st.sampled_from(sorted(CELLS)),
    time=st.integers(1, 5),
    lengths=st.lists(st.integers(-1, 7), min_size=1, max_size=4),
    time_major=st.booleans(),
    units=st.integers(1, 3),
)
def test_law_for_any_shape(kind: str, time: int, lengths: list[int], time_major: bool, units: int) -> None:
    shape = (time, len(lengths), DEPTH) if time_major else (len(lengths), time, DEPTH)
    check_law(CELLS[kind](DEPTH, units), floats(*shape), lengths, time_major)


@pytest.mark.parametrize("lengths", [[3, 5, 1, 2], [5, 5, 5, 5]])
def test_packed_sequences_agree(lengths: list[int]) -> None:
    """torch's own GRU on packed sequences, which has the cell's formula in compiled code."""
    gru = torch.nn.GRU(DEPTH, UNITS, batch_first=True, dtype=torch.float64)
    cell = Wrapped(DEPTH, UNITS)
    cell.gru.load_state_dict({name.removesuffix("_l0"): value for name, value in gru.state_dict().items()})
    inputs = floats(BATCH, TIME, DEPTH)
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs, torch.tensor(lengths), True, enforce_sorted=False)
    ys, final = gru(packed)
    ys, _ = torch.nn.utils.rnn.pad_packed_sequence(ys, True, total_length=TIME)
    result = dynamic_rnn(cell, inputs, lengths)
    assert_close(result, (ys, final[0]))
    for name, parameter in cell.gru.named_parameters():
        (found,) = torch.autograd.grad(result[0].square().sum(), parameter, retain_graph=True)
        (wanted,) = torch.autograd.grad(ys.square().sum(), getattr(gru, f"{name}_l0"), retain_graph=True)
        assert_close(found, wanted)


def test_lstm_state_is_the_last_output() -> None:
    lengths = [2, 5, 1, 4]
    outputs, state = dynamic_rnn(Peephole(DEPTH, UNITS), floats(BATCH, TIME, DEPTH), lengths)
    assert isinstance(state, State)
    assert torch.equal(state.h, torch.stack([outputs[b, n - 1] for b, n in enumerate(lengths)]))


def test_nests_and_many_dimensions() -> None:
    """Dict inputs, ids among them, and rows of rank 2, in the result as in the cell."""

    def cell(x: Any, state: Any) -> Any:
        picture = torch.tanh(x["picture"] + state[0])
        return {"p": picture, "n": state[1]}, (picture, state[1] + x["id"][:, 0])

    inputs = {"picture": floats(2, 4, 2, 3), "id": torch.arange(8).reshape(2, 4, 1)}
    initial = (floats(2, 2, 3), torch.zeros(2, dtype=torch.int64))
    lengths = [4, 2]
    expected = row_by_row(step_of(cell), inputs, initial, (), lengths)
    assert_close(dynamic_rnn(cell, inputs, lengths, initial), expected)
    steps = [nest.map_structure(lambda leaf, t=t: leaf[:, t], inputs) for t in range(4)]
    outputs, state = static_rnn(cell, steps, initial, sequence_length=lengths)
    assert_close(nest.map_structure(lambda *ys: torch.stack(ys, 1), *outputs), expected[0])
    assert_close(state, expected[1])


def test_static_rnn_takes_rows_of_rank_0() -> None:
    outputs, state = static_rnn(lambda x, s: (x * s, s + x), [torch.ones(3)] * 2, torch.zeros(3))
    assert [y.tolist() for y in outputs] == [[0, 0, 0], [1, 1, 1]]
    assert state.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "lengths",
    [
        (2, 0, 3),
        np.array([2.9, 0.5, 3.0]),
        np.array([2, 0, 3], np.uint8),
        torch.tensor([2, 0, 3], dtype=torch.int16),
        torch.tensor([2.9, -0.5, 3.0]),
        torch.tensor([2.0, 0.0, 3.0]).bfloat16(),
    ],
    ids=str,
)
def test_lengths_of_any_kind(lengths: Any) -> None:
    """As in TensorFlow floats are cast to int32: 2.9 is 2."""
    _, state = dynamic_rnn(lambda x, s: (x, s + x), torch.ones(3, 4, 1), lengths, torch.zeros(3, 1))
    assert state.flatten().tolist() == [2, 0, 3]


@pytest.mark.parametrize("driver", [dynamic_rnn, static_rnn])
def test_zero_rows_and_zero_steps(driver: Any) -> None:
    cell = Peephole(DEPTH, UNITS)
    if driver is static_rnn:
        outputs, state = static_rnn(cell, [floats(0, DEPTH)] * 3, sequence_length=[])
        assert [tuple(y.shape) for y in outputs] == [(0, UNITS)] * 3
    else:
        outputs, state = dynamic_rnn(cell, floats(0, 3, DEPTH), [])
        assert outputs.shape == (0, 3, UNITS)
        none, start = dynamic_rnn(cell, floats(2, 0, DEPTH))
        assert none.shape == (2, 0, UNITS)
        assert_close(start, cell.zero_state(2, torch.float64))
        (gradient,) = torch.autograd.grad(none.sum() + start.c.sum(), cell.kernel)
        assert torch.count_nonzero(gradient) == 0
    assert_close(state, cell.zero_state(0, torch.float64))


def test_training_step_on_a_batch_of_empty_rows() -> None:
    """backward() works and gives zeros, with no gradient on inputs or initial state."""
    cell = Wrapped(DEPTH, UNITS)
    outputs, state = dynamic_rnn(cell, torch.full((2, 3, DEPTH), float("nan"), dtype=torch.float64), [0, 0])
    (outputs.sum() + state.sum()).backward()
    for parameter in cell.parameters():
        assert parameter.grad is not None
        assert torch.count_nonzero(parameter.grad) == 0


@pytest.mark.parametrize("options", [{"parallel_iterations": 1}, {"parallel_iterations": 64, "swap_memory": True}])
def test_options_change_nothing(options: Any) -> None:
    cell, inputs = Peephole(DEPTH, UNITS), floats(BATCH, TIME, DEPTH)
    plain, with_options = dynamic_rnn(cell, inputs, [1, 2, 3, 4]), dynamic_rnn(cell, inputs, [1, 2, 3, 4], **options)
    for a, b in zip(nest.flatten(plain), nest.flatten(with_options), strict=True):
        assert torch.equal(a, b)


def test_arguments_in_the_order_of_tensorflow() -> None:
    cell, inputs = Wrapped(DEPTH, UNITS), floats(TIME, BATCH, DEPTH)
    start = floats(BATCH, UNITS)
    positional = dynamic_rnn(cell, inputs, [1, 2, 3, 4], start, torch.float64, 32, False, True)
    named = dynamic_rnn(
        cell=cell, inputs=inputs, sequence_length=[1, 2, 3, 4], initial_state=start, dtype=torch.float64,
        parallel_iterations=32, swap_memory=False, time_major=True,
    )  # fmt: skip
    static = static_rnn(cell, list(inputs), start, torch.float64, [1, 2, 3, 4])
    assert torch.equal(positional[0], named[0])
    assert torch.equal(torch.stack(static[0]), named[0])


@pytest.mark.parametrize("lengths", [None, [2, 0, 3]])
@pytest.mark.parametrize("kind", CELLS | LIBRARY)
def test_gradcheck(kind: str, lengths: Any) -> None:
    cell = (CELLS | LIBRARY)[kind](2, UNITS)
    names, weights = zip(*cell.named_parameters(), strict=True)
    inputs = floats(3, 3, 2).requires_grad_()

    def run(x: torch.Tensor, *values: torch.Tensor) -> Any:
        def functional(x: Any, state: Any) -> Any:
            return torch.func.functional_call(cell, dict(zip(names, values, strict=True)), (x, state))

        start = start_of(cell, 3)
        dynamic = dynamic_rnn(functional, x, lengths, start)
        static, state = static_rnn(functional, x.unbind(1), start, sequence_length=lengths)
        return [leaf for leaf in nest.flatten((dynamic, static, state)) if leaf.is_floating_point()]

    assert torch.autograd.gradcheck(run, [inputs, *weights])


# initial states


def test_state_in_a_list_is_put_into_the_structure_of_the_cell() -> None:
    cell, inputs = Peephole(DEPTH, UNITS), floats(BATCH, TIME, DEPTH)
    start = State(floats(BATCH, UNITS), floats(BATCH, UNITS))
    expected = dynamic_rnn(cell, inputs, initial_state=start)
    for given_state in ([*start], (*start,)):
        outputs, state = dynamic_rnn(cell, inputs, initial_state=given_state)
        assert torch.equal(outputs, expected[0])
        assert isinstance(state, State)


def test_state_is_made_of_state_size() -> None:
    """Ints, torch.Size for rows of more dimensions, nests of them."""

    def cell(x: Any, state: Any) -> Any:
        return x, state

    cell.state_size = {"a": 3, "b": (torch.Size([2, 5]), np.int64(4))}  # type: ignore[attr-defined]
    _, state = dynamic_rnn(cell, torch.ones(2, 4, 1, dtype=torch.float16))
    assert nest.map_structure(lambda leaf: tuple(leaf.shape), state) == {"a": (2, 3), "b": ((2, 2, 5), (2, 4))}
    assert {leaf.dtype for leaf in nest.flatten(state)} == {torch.float16}


@pytest.mark.parametrize("kind", CELLS)
def test_dtype_of_the_zero_state(kind: str) -> None:
    """The one given; else that of the floating inputs; integer inputs need one."""
    cell = CELLS[kind](DEPTH, UNITS)

    def watch(x: Any, state: Any) -> Any:
        seen.append({leaf.dtype for leaf in nest.flatten(state) if leaf.is_floating_point()})
        return nest.flatten(state)[0], state

    for name in ("state_size", "zero_state", "get_initial_state"):
        if hasattr(cell, name):
            setattr(watch, name, getattr(cell, name))
    seen: list[Any] = []

    def dtype_of(inputs: Any, dtype: Any = None) -> Any:
        seen.clear()
        dynamic_rnn(watch, inputs, dtype=dtype)
        assert all(found == seen[0] for found in seen)  # the tracer may have called it too
        return seen[0]

    assert dtype_of(torch.ones(2, 1, DEPTH, dtype=torch.float16)) == {torch.float16}
    assert dtype_of(torch.ones(2, 1, DEPTH, dtype=torch.float16), torch.float32) == {torch.float32}
    assert dtype_of(torch.ones(2, 1, DEPTH).int(), torch.float64) == {torch.float64}
    mixed = {"ids": torch.ones(2, 1, 1).int(), "x": torch.ones(2, 1, 1, dtype=torch.float64)}
    assert dtype_of(mixed) == {torch.float64}


def test_learned_initial_state_is_trained() -> None:
    cell = CELLS["learned"](DEPTH, UNITS)
    _, state = dynamic_rnn(cell, floats(BATCH, TIME, DEPTH), [0, 0, 3, 1])
    (gradient,) = torch.autograd.grad(state["h"][:2].sum(), cell.start)
    assert gradient.tolist() == [2, 2]
    assert state["n"].tolist() == [0, 0, 3, 1]


class Marked(torch.nn.Module):
    """Counts unrolls."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0

    def new_sequence(self) -> None:
        self.begun += 1

    def forward(self, x: Any, state: Any) -> Any:
        assert self.begun, "a step ran before new_sequence"
        return x, state


def test_every_submodule_hears_of_a_new_sequence_once_an_unroll() -> None:
    inner, outer = Marked(), Marked()
    outer.add_module("a", inner)
    outer.add_module("b", inner)
    state = torch.zeros(2, 1)
    dynamic_rnn(outer, torch.ones(2, 3, 1), initial_state=state)
    assert (inner.begun, outer.begun) == (1, 1)
    static_rnn(outer, [torch.ones(2, 1)], state)
    assert (inner.begun, outer.begun) == (2, 2)


def test_plain_objects_hear_of_a_new_sequence_too() -> None:
    class Plain:
        begun = 0

        def new_sequence(self) -> None:
            self.begun += 1

        def __call__(self, x: Any, state: Any) -> Any:
            return x, state

    cell = Plain()
    dynamic_rnn(cell, torch.ones(2, 3, 1), initial_state=torch.zeros(2, 1))
    assert cell.begun == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_law_on_cuda() -> None:
    """The zero state goes where the inputs are."""
    cell = Peephole(DEPTH, UNITS).cuda()
    inputs = floats(BATCH, TIME, DEPTH)
    lengths = torch.tensor([2, 0, 5, 1])
    actual = dynamic_rnn(cell, inputs.cuda(), lengths.cuda())
    assert actual[0].device.type == "cuda"
    expected = dynamic_rnn(cell.cpu(), inputs, lengths)
    assert_close(nest.map_structure(torch.Tensor.cpu, actual), expected)


# refusals


def cell(x: Any, state: Any) -> Any:
    """A cell with no state of its own."""
    return x, state


INPUTS, STATE = torch.ones(2, 3, 4), torch.zeros(2, 4)

REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no cell": ({"cell": 7}, TypeError, r"The argument 'cell' \(7\) is not an RNNCell: it is not callable"),
    "class": ({"cell": Wrapped}, TypeError, "is not an RNNCell: it is a class, make an object of it"),
    "array": ({"inputs": INPUTS.numpy()}, TypeError, r"inputs must be a tensor \[B, T, ...\], got ndarray"),
    "rank 1": ({"inputs": INPUTS[0, 0]}, ValueError, r"Expected input tensor inputs to have rank at least 2.*\[4\]"),
    "rank 2": ({"inputs": INPUTS[0]}, ValueError, r"must have rank at least 3, .* saw shape: \[3, 4\]"),
    "list of steps": ({"inputs": [STATE, STATE]}, ValueError, r"inputs\[0\] must have rank at least 3"),
    "no leaves": ({"inputs": {}}, ValueError, "inputs must hold at least one tensor"),
    "times": (
        {"inputs": (INPUTS, INPUTS[:, :2])},
        ValueError,
        r"Time steps is not the same for all the elements in the input in a batch.*\[2, 3, 4\].*\[2, 2, 4\]",
    ),
    "batches": (
        {"inputs": (INPUTS, INPUTS[:1])},
        ValueError,
        "Batch_size is not the same for all the elements in the input",
    ),
    "length rank 0": ({"sequence_length": 3}, ValueError, r"sequence_length must be a vector of .* saw shape: \[\]"),
    "length rank 2": ({"sequence_length": [[1, 2]]}, ValueError, r"must be a vector .* saw shape: \[1, 2\]"),
    "length size": (
        {"sequence_length": torch.tensor([1, 2, 3])},
        ValueError,
        r"Expected shape for Tensor sequence_length is \[2\] but saw shape: \[3\]",
    ),
    "length dtype": ({"sequence_length": [True, False]}, TypeError, "must hold integers or floats, got dtype bool"),
    "length nan": ({"sequence_length": [1, float("nan")]}, ValueError, "must hold finite numbers"),
    "no dtype": (
        {"initial_state": None, "inputs": INPUTS.int()},
        ValueError,
        r"If there is no initial_state, you must give a dtype\..*none of them is floating",
    ),
    "two dtypes": (
        {"initial_state": None, "inputs": (INPUTS, INPUTS.double())},
        ValueError,
        "you must give a dtype.*torch.float32.*torch.float64",
    ),
    "dtype": ({"dtype": "float32"}, TypeError, "dtype must be a torch.dtype, got 'float32'"),
    "no state": (
        {"initial_state": None},
        ValueError,
        "initial_state must be given: the cell .* has no get_initial_state, zero_state or state_size",
    ),
    "state batch": ({"initial_state": torch.zeros(3, 4)}, ValueError, "state must have the 2 rows"),
    "one state for two": (
        {"cell": Peephole(4, 2), "initial_state": torch.zeros(2, 2)},
        TypeError,
        r"initial_state must have the structure of the cell's state_size, State\(c=\*, h=\*\), got float32 \[2, 2\]",
    ),
    "three states for two": ({"cell": Peephole(4, 2), "initial_state": [STATE] * 3}, ValueError, r"got \[\*, \*, \*\]"),
    "state in a dict": ({"cell": Peephole(4, 2), "initial_state": {"c": STATE, "h": STATE}}, ValueError, "got {'c': "),
    "state width": (
        {"cell": Peephole(4, 2), "initial_state": State(torch.zeros(2, 2), STATE)},
        ValueError,
        r"initial_state.h must have shape \[2, 2\], .* got \[2, 4\]",
    ),
    "parallel_iterations": ({"parallel_iterations": 0}, ValueError, "must be a positive integer, got 0"),
    "parallel_iterations type": ({"parallel_iterations": 1.5}, TypeError, "must be a positive integer, got 1.5"),
    "swap_memory": ({"swap_memory": "yes"}, TypeError, "swap_memory must be True or False, got 'yes'"),
    "time_major": ({"time_major": 1}, TypeError, "time_major must be True or False, got 1"),
    "no pair": (
        {"cell": torch.nn.GRUCell(4, 4)},
        TypeError,
        r"cell GRUCell must return a pair \(output, new_state\), got float32 \[2, 4\]",
    ),
    "three results": ({"cell": lambda x, s: (x, s, s)}, TypeError, "must return a pair .* got 3 things"),
    "state changes": ({"cell": lambda x, s: (x, s.double())}, ValueError, "new_state must keep .* got float64"),
}


@pytest.mark.parametrize(("changed", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_dynamic_rnn_refuses(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dynamic_rnn(**{"cell": cell, "inputs": INPUTS, "initial_state": STATE, **changed})


STATIC_REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "tensor": ({"inputs": INPUTS}, TypeError, "inputs must be a sequence, .* got float32"),
    "dict": ({"inputs": {"a": STATE}}, TypeError, "inputs must be a sequence"),
    "empty": ({"inputs": []}, ValueError, "inputs must not be empty"),
    "no leaves": ({"inputs": [(), ()]}, ValueError, "inputs must hold at least one tensor"),
    "structure": ({"inputs": [STATE, (STATE,)]}, ValueError, "inputs must have one structure in all steps"),
    "leaf": ({"inputs": [STATE, None]}, TypeError, r"inputs\[1\] must be a tensor .* got NoneType"),
    "rank": ({"inputs": [STATE[0, 0]]}, ValueError, r"inputs\[0\] must have a batch dimension"),
    "shape": (
        {"inputs": [STATE, STATE[:1]]},
        ValueError,
        r"inputs\[1\] is incompatible .*\[2, 4\], got float32 \[1, 4",
    ),
    "batch": ({"inputs": [(STATE, STATE[:1])]}, ValueError, "Batch_size is not the same"),
    "no dtype": (
        {"inputs": [STATE.int()], "initial_state": None},
        ValueError,
        "If no initial_state is provided, dtype must be specified",
    ),
    "length": ({"sequence_length": [[1, 1]]}, ValueError, "sequence_length must be a vector of length batch_size"),
    "cell": ({"cell": None}, TypeError, "The argument 'cell' .None. is not an RNNCell"),
}


@pytest.mark.parametrize(("changed", "error", "message"), STATIC_REFUSED.values(), ids=STATIC_REFUSED)
def test_static_rnn_refuses(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        static_rnn(**{"cell": cell, "inputs": [STATE, STATE], "initial_state": STATE, **changed})
