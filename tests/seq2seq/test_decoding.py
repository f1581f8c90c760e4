"""`dynamic_decode` and `BasicDecoder` against decoding written out in numpy, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from decoding_support import Model, greedy, train
from hypothesis import given, settings
from hypothesis import strategies as st

import dynrnn
from dynrnn import cells, seq2seq

B, T = 4, 6
LENGTHS = {
    "ragged": [3, 0, 6, 5],
    "full": [6, 6, 6, 6],
    "short": [2, 1, 2, 2],
    "none": [0, 0, 0, 0],
    "one": [0, 1, 0, 0],
}


class Loop(seq2seq.BasicDecoder):
    """A `BasicDecoder` that `dynamic_decode` may not take for one, and so runs step by step."""


def tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def data(model: Model, seed: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(B, T, model.depth)), rng.normal(size=(B, model.units))


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("impute", [True, False])
@pytest.mark.parametrize("decoder", [seq2seq.BasicDecoder, Loop])
@pytest.mark.parametrize("time_major", [True, False])
@pytest.mark.parametrize("limit", [None, 0, 1, 4, 99])
def test_training_is_the_loop_written_out(
    lengths: list[int], impute: bool, decoder: Any, time_major: bool, limit: int | None
) -> None:
    model = Model(0)
    inputs, state = data(model)
    fed = tensor(inputs).transpose(0, 1) if time_major else tensor(inputs)
    helper = seq2seq.TrainingHelper(fed, lengths, time_major)
    outputs, final, got = seq2seq.dynamic_decode(
        decoder(model.cell, helper, tensor(state), model.layer),
        output_time_major=time_major,
        impute_finished=impute,
        maximum_iterations=limit,
    )
    cut = [min(n, T if limit is None else limit) for n in lengths]
    logits, states = train(model, inputs, cut, state, impute)
    result = outputs.rnn_output.transpose(0, 1) if time_major else outputs.rnn_output
    ids = outputs.sample_id.transpose(0, 1) if time_major else outputs.sample_id
    np.testing.assert_allclose(result.numpy(), logits, atol=1e-12)
    np.testing.assert_allclose(final.numpy(), states, atol=1e-12)
    assert got.tolist() == cut and got.dtype == torch.int32
    assert ids.dtype == torch.int32
    np.testing.assert_array_equal(ids.numpy(), logits.argmax(-1))


@pytest.mark.parametrize("decoder", [seq2seq.BasicDecoder, Loop])
def test_imputed_training_is_dynamic_rnn(decoder: Any) -> None:
    torch.manual_seed(0)
    lengths = [3, 0, 6, 5]
    cell = cells.LSTMCell(4, input_size=3, dtype=torch.float64)
    x = torch.randn(B, T, 3, dtype=torch.float64, requires_grad=True)
    state = cells.LSTMStateTuple(*(torch.randn(B, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)))
    seed = torch.randn(B, T, 4, dtype=torch.float64)

    def gradients(outputs: torch.Tensor, final: Any) -> list[torch.Tensor]:
        total = (outputs * seed).sum() + (final.c * 0.3).sum() + (final.h * 0.7).sum()
        return list(torch.autograd.grad(total, [x, *state, *cell.parameters()]))

    outputs, final, _ = seq2seq.dynamic_decode(
        decoder(cell, seq2seq.TrainingHelper(x, lengths), state), impute_finished=True
    )
    expected, expected_final = dynrnn.dynamic_rnn(cell, x, sequence_length=lengths, initial_state=state)
    torch.testing.assert_close(outputs.rnn_output, expected)
    torch.testing.assert_close(final, expected_final)
    for got, wanted in zip(gradients(outputs.rnn_output, final), gradients(expected, expected_final), strict=True):
        torch.testing.assert_close(got, wanted)


def test_training_gradients_are_those_of_the_loop() -> None:
    torch.manual_seed(0)
    cell = cells.GRUCell(4, input_size=3, dtype=torch.float64)
    layer = torch.nn.Linear(4, 7).double()
    x = torch.randn(B, T, 3, dtype=torch.float64, requires_grad=True)
    for impute in (True, False):
        for lengths in ([1, 0, 6, 2], [6, 6, 5, 6]):
            results = []
            for decoder in (seq2seq.BasicDecoder, Loop):
                helper = seq2seq.TrainingHelper(x, lengths)
                outputs, final, _ = seq2seq.dynamic_decode(
                    decoder(cell, helper, torch.ones(B, 4, dtype=torch.float64), layer), impute_finished=impute
                )
                total = (outputs.rnn_output.sin() * 2).sum() + final.cos().sum()
                results.append(torch.autograd.grad(total, [x, *cell.parameters(), *layer.parameters()]))
            for got, wanted in zip(*results, strict=True):
                torch.testing.assert_close(got, wanted)


def test_garbage_in_the_padding_reaches_nothing() -> None:
    torch.manual_seed(0)
    cell, layer = cells.GRUCell(4, input_size=3), torch.nn.Linear(4, 7)
    x = torch.randn(B, T, 3)
    lengths = [1, 0, 6, 2]
    for row, length in enumerate(lengths):
        x[row, length:] = torch.nan
    x.requires_grad_()
    helper = seq2seq.TrainingHelper(x, lengths)
    outputs, final, _ = seq2seq.dynamic_decode(
        seq2seq.BasicDecoder(cell, helper, torch.zeros(B, 4), layer), impute_finished=True
    )
    found = torch.autograd.grad(outputs.rnn_output.sum() + final.sum(), [x, *cell.parameters(), *layer.parameters()])
    assert all(bool(g.isfinite().all()) for g in (outputs.rnn_output, final, *found))


def test_training_runs_in_the_engine() -> None:
    """With a cell of the library the decode is one native scan: no fallback is reported."""
    import warnings

    cell = cells.GRUCell(4, input_size=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", dynrnn.EngineWarning)
        helper = seq2seq.TrainingHelper(torch.randn(B, T, 3), [1, 2, 3, 6])
        seq2seq.dynamic_decode(seq2seq.BasicDecoder(cell, helper, torch.zeros(B, 4)), impute_finished=True)


def test_training_calls_the_cell_for_no_step_of_its_own() -> None:
    """All steps at once: the output layer is called once, for the rows that count."""
    rows = []

    def layer(x: torch.Tensor) -> torch.Tensor:
        rows.append(x.shape[0])
        return x

    helper = seq2seq.TrainingHelper(torch.randn(B, T, 3), [1, 0, 6, 2])
    decoder = seq2seq.BasicDecoder(cells.GRUCell(4), helper, torch.zeros(B, 4), layer)
    seq2seq.dynamic_decode(decoder, impute_finished=True)
    assert rows == [9]


# --- greedy -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("impute", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 12])
def test_greedy_is_the_loop_written_out(seed: int, impute: bool, limit: int) -> None:
    model = Model(seed)
    _, state = data(model, seed)
    start, end = [0, 1, 2, 3], 4
    helper = seq2seq.GreedyEmbeddingHelper(model.table, start, end)
    outputs, final, lengths = seq2seq.dynamic_decode(
        seq2seq.BasicDecoder(model.cell, helper, tensor(state), model.layer),
        impute_finished=impute,
        maximum_iterations=limit,
    )
    logits, ids, states, expected = greedy(model, start, end, state, limit, impute)
    assert lengths.tolist() == expected
    np.testing.assert_array_equal(outputs.sample_id.numpy(), ids)
    np.testing.assert_allclose(outputs.rnn_output.numpy(), logits, atol=1e-10)
    np.testing.assert_allclose(final.numpy(), states, atol=1e-10)


def test_some_of_those_models_end_early_and_some_do_not() -> None:
    """What the test above would not show if all lengths were the same."""
    found: set[int] = set()
    for seed in range(8):
        model = Model(seed)
        found |= set(greedy(model, [0, 1, 2, 3], 4, data(model, seed)[1], 12, True)[3])
    assert {1, 12} < found


@pytest.mark.parametrize("limit", [0, -1, 1, 5, torch.tensor(5), np.int64(5)])
def test_maximum_iterations(limit: Any) -> None:
    model = Model(0)
    steps = max(int(limit), 0)
    for decoder in (
        seq2seq.BasicDecoder(
            model.cell, seq2seq.GreedyEmbeddingHelper(model.table, [0, 0], -1), torch.zeros(2, 4).double(), model.layer
        ),
        seq2seq.BasicDecoder(
            cells.BasicRNNCell(4, dtype=torch.float64),
            seq2seq.GreedyEmbeddingHelper(model.table, [0, 0], -1),
            torch.zeros(2, 4).double(),
            model.layer,
        ),
    ):
        outputs, final, lengths = seq2seq.dynamic_decode(decoder, maximum_iterations=limit)
        assert outputs.rnn_output.shape == (2, steps, 6) and outputs.rnn_output.dtype == torch.float64
        assert outputs.sample_id.shape == (2, steps) and outputs.sample_id.dtype == torch.int32
        assert lengths.tolist() == [steps] * 2
        if not steps:
            assert not final.any()


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5),
    impute=st.booleans(),
    limit=st.one_of(st.none(), st.integers(0, 9)),
)
def test_any_lengths(lengths: list[int], impute: bool, limit: int | None) -> None:
    model = Model(3)
    rng = np.random.default_rng(0)
    inputs, state = rng.normal(size=(len(lengths), 7, 3)), rng.normal(size=(len(lengths), 4))
    helper = seq2seq.TrainingHelper(tensor(inputs), lengths)
    outputs, final, got = seq2seq.dynamic_decode(
        seq2seq.BasicDecoder(model.cell, helper, tensor(state), model.layer),
        impute_finished=impute,
        maximum_iterations=limit,
    )
    cut = [n if limit is None else min(n, limit) for n in lengths]
    logits, states = train(model, inputs, cut, state, impute)
    np.testing.assert_allclose(outputs.rnn_output.numpy(), logits, atol=1e-12)
    np.testing.assert_allclose(final.numpy(), states, atol=1e-12)
    assert got.tolist() == cut


def test_permuting_the_batch_permutes_the_result() -> None:
    model = Model(5)
    _, state = data(model)
    start, order = np.array([0, 1, 2, 3]), [2, 0, 3, 1]

    def run(rows: Any) -> Any:
        helper = seq2seq.GreedyEmbeddingHelper(model.table, start[rows], 4)
        return seq2seq.dynamic_decode(
            seq2seq.BasicDecoder(model.cell, helper, tensor(state[rows]), model.layer), False, True, 9
        )

    (a, a_state, a_lengths), (b, b_state, b_lengths) = run([0, 1, 2, 3]), run(order)
    torch.testing.assert_close(a.rnn_output[order], b.rnn_output)
    torch.testing.assert_close(a_state[order], b_state)
    assert a.sample_id[order].equal(b.sample_id) and a_lengths[order].equal(b_lengths)


# --- decoders of users ------------------------------------------------------------------------------------------------


class Counting(seq2seq.Decoder):
    """Row b ends after ``ends[b]`` steps; the state has rows, a scalar and a TensorArray."""

    def __init__(self, ends: list[int], own: bool = False) -> None:
        self.ends, self.own, self.finalized = torch.tensor(ends), own, False

    @property
    def tracks_own_finished(self) -> bool:
        return self.own

    def initialize(self) -> Any:
        state = {"sum": torch.zeros(len(self.ends)), "steps": torch.tensor(0), "all": dynrnn.TensorArray()}
        return self.ends == 0, torch.ones(len(self.ends)), state

    def step(self, time: int, inputs: Any, state: Any) -> Any:
        new = {
            "sum": state["sum"] + inputs,
            "steps": state["steps"] + 1,
            "all": state["all"].write(time, state["sum"]),
        }
        return (new["sum"] * 10, {"flag": inputs > 1}), new, inputs + 1, torch.tensor(time + 1) == self.ends


@pytest.mark.parametrize("impute", [True, False])
def test_a_users_decoder(impute: bool) -> None:
    outputs, state, lengths = seq2seq.dynamic_decode(Counting([2, 0, 4]), impute_finished=impute)
    sums = [10.0, 30.0, 60.0, 100.0]
    expected = [[10, 30, 0, 0], [0, 0, 0, 0], sums] if impute else [sums, sums, sums]
    assert outputs[0].tolist() == expected
    flags = [False, True, True, True]
    assert outputs[1]["flag"].tolist() == ([[False, True, False, False], [False] * 4, flags] if impute else [flags] * 3)
    assert state["sum"].tolist() == ([3, 0, 10] if impute else [10, 10, 10])
    # scalars and arrays belong to no row
    assert int(state["steps"]) == 4 and state["all"].size() == 4
    assert lengths.tolist() == [2, 0, 4]


def test_finished_stays_unless_the_decoder_tracks_it() -> None:
    """A row that says "finished" in its first step alone: with flags of its own the decoder runs on."""

    class Blinking(Counting):
        def step(self, time: int, inputs: Any, state: Any) -> Any:
            outputs, new, following, _ = super().step(time, inputs, state)
            return outputs, new, following, torch.tensor([time == 0 or time >= 4, time >= 2])

    _, _, lengths = seq2seq.dynamic_decode(Blinking([9, 9]))
    assert lengths.tolist() == [1, 3]
    outputs, _, lengths = seq2seq.dynamic_decode(Blinking([9, 9], own=True))
    assert outputs[0].shape[1] == 5
    assert lengths.tolist() == [5, 3]


def test_finalize_is_handed_time_major_outputs() -> None:
    class Finalizing(Counting):
        def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
            assert outputs[0].shape == (4, 3)
            return outputs[0] + sequence_lengths, "done"

    outputs, state, _ = seq2seq.dynamic_decode(Finalizing([2, 0, 4]))
    assert state == "done" and outputs[:, 0].tolist() == [12, 10, 14]


def test_a_decode_of_no_steps_still_has_shapes() -> None:
    outputs, state, lengths = seq2seq.dynamic_decode(Counting([0, 0]))
    assert outputs[0].shape == (2, 0) and outputs[1]["flag"].dtype == torch.bool
    assert int(state["steps"]) == 0 and lengths.tolist() == [0, 0]


# --- what is refused --------------------------------------------------------------------------------------------------


def basic(**changes: Any) -> Any:
    model = Model(0)
    helper = seq2seq.GreedyEmbeddingHelper(model.table, [0, 1], 2)
    arguments = {"cell": model.cell, "helper": helper, "initial_state": torch.zeros(2, 4).double()}
    return lambda: seq2seq.dynamic_decode(
        seq2seq.BasicDecoder(**{**arguments, "output_layer": model.layer, **changes}), maximum_iterations=2
    )


class Shrinking(Counting):
    def step(self, time: int, inputs: Any, state: Any) -> Any:
        outputs, new, following, done = super().step(time, inputs, state)
        return outputs, {**new, "sum": new["sum"][:1]}, following, done


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "no decoder": (lambda: seq2seq.dynamic_decode(3), TypeError, "Expected decoder to be type Decoder"),  # type: ignore[arg-type]
    "a class": (lambda: seq2seq.dynamic_decode(Counting), TypeError, "Expected decoder to be type Decoder"),  # type: ignore[arg-type]
    "limit of rank 1": (
        lambda: seq2seq.dynamic_decode(Counting([1]), maximum_iterations=torch.tensor([1])),
        ValueError,
        "maximum_iterations must be a scalar",
    ),
    "limit a float": (
        lambda: seq2seq.dynamic_decode(Counting([1]), maximum_iterations=1.5),
        TypeError,
        "maximum_iterations must be an integer",
    ),
    "impute a tensor": (
        lambda: seq2seq.dynamic_decode(Counting([1]), impute_finished=torch.tensor(True)),  # type: ignore[arg-type]
        TypeError,
        "impute_finished must be True or False",
    ),
    "parallel": (
        lambda: seq2seq.dynamic_decode(Counting([1]), parallel_iterations=0),
        ValueError,
        "parallel_iterations",
    ),
    "state changes": (lambda: seq2seq.dynamic_decode(Shrinking([2, 3])), ValueError, r"new_state\['sum'\] must keep"),
    "helper": (basic(helper=torch.zeros(2)), TypeError, "helper must be a Helper, received"),
    "helper class": (basic(helper=seq2seq.TrainingHelper), TypeError, "helper must be a Helper, received"),
    "cell": (basic(cell=3), TypeError, "is not an RNNCell: it is not callable"),
    "layer": (basic(output_layer=5), TypeError, "output_layer must be callable"),
    "state rows": (basic(initial_state=torch.zeros(3, 4).double()), ValueError, "must have the 2 rows of the batch"),
    "state none": (basic(initial_state=None), TypeError, "initial_state must be a tensor"),
    "cell's result": (basic(cell=lambda x, s: s), TypeError, "must return a pair"),
    "nested outputs": (
        basic(cell=lambda x, s: ((s, s), s), output_layer=None),
        TypeError,
        "Expected outputs to be a single Tensor",
    ),
}


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_nothing_passed_in_is_changed() -> None:
    model = Model(0)
    inputs, state = (tensor(a) for a in data(model))
    copies = inputs.clone(), state.clone()
    helper = seq2seq.TrainingHelper(inputs, torch.tensor([1, 2, 3, 4]))
    decoder = seq2seq.BasicDecoder(model.cell, helper, state, model.layer)
    first = seq2seq.dynamic_decode(decoder, impute_finished=True)
    assert inputs.equal(copies[0]) and state.equal(copies[1])
    second = seq2seq.dynamic_decode(decoder, impute_finished=True)
    assert first[0].rnn_output.equal(second[0].rnn_output)


# --- leaving finished rows out ----------------------------------------------------------------------------------------


class Table(seq2seq.GreedyEmbeddingHelper):
    """A helper that does not say whether rows can be left out."""


def library_model(seed: int) -> tuple[Any, torch.nn.Linear, torch.Tensor]:
    torch.manual_seed(seed)
    cell = cells.MultiRNNCell([cells.LSTMCell(5, input_size=3), cells.GRUCell(4, input_size=5)]).double()
    layer = torch.nn.Linear(4, 6).double()
    with torch.no_grad():
        for weight in [*cell.parameters(), *layer.parameters()]:
            weight.mul_(3)
    return cell, layer, torch.randn(6, 3, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit", [None, 0, 1, 7])
@pytest.mark.parametrize("ngrams", [None, 2])
def test_finished_rows_are_left_out(seed: int, limit: int | None, ngrams: int | None) -> None:
    cell, layer, table = library_model(seed)
    state = (
        cells.LSTMStateTuple(*(torch.randn(9, 5, dtype=torch.float64) for _ in range(2))),
        torch.randn(9, 4, dtype=torch.float64, requires_grad=True),
    )
    rows: list[int] = []
    layer.register_forward_hook(lambda module, args, out: rows.append(args[0].shape[0]))

    def run(kind: Any) -> Any:
        rows.clear()
        helper = kind(table, [i % 6 for i in range(9)], 2, no_repeat_ngram_size=ngrams)
        result = seq2seq.dynamic_decode(
            seq2seq.BasicDecoder(cell, helper, state, layer),
            impute_finished=True,
            maximum_iterations=limit if limit is not None else 12,
        )
        return result, list(rows)

    (wanted, wanted_state, wanted_lengths), all_rows = run(Table)
    (got, got_state, got_lengths), some_rows = run(seq2seq.GreedyEmbeddingHelper)
    assert got_lengths.equal(wanted_lengths) and got.sample_id.equal(wanted.sample_id)
    torch.testing.assert_close(got.rnn_output, wanted.rnn_output)
    torch.testing.assert_close(got_state, wanted_state)
    if limit == 0:
        return
    assert len(some_rows) == len(all_rows) and set(all_rows) == {9}
    for t, count in enumerate(some_rows):
        live = int((wanted_lengths > t).sum())
        assert live <= count and (2 * live > count or live == 0), (t, live, count)
    sources = [*cell.parameters(), *layer.parameters(), state[1]]
    grads = [
        torch.autograd.grad(outputs.rnn_output.sin().sum() + final[1].sum(), sources)
        for outputs, final in ((got, got_state), (wanted, wanted_state))
    ]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_rows_stay_where_something_may_know_them() -> None:
    """An embedding function, a cell or an output layer of the user's, a draw: all rows are computed to the end."""
    cell, layer, table = library_model(0)
    start, none = [0, 1, 2], torch.zeros(0, dtype=torch.int64)
    state = cell.zero_state(3, torch.float64)
    helper = seq2seq.GreedyEmbeddingHelper(table, start, 2)
    plain = seq2seq.BasicDecoder(cell, helper, state, layer)
    assert plain.select_rows(none) is not None
    others = [
        seq2seq.BasicDecoder(
            cell, seq2seq.GreedyEmbeddingHelper(lambda ids: table[ids.long()], start, 2), state, layer
        ),
        seq2seq.BasicDecoder(cell, seq2seq.SampleEmbeddingHelper(table, start, 2), state, layer),
        seq2seq.BasicDecoder(
            cell, seq2seq.GreedyEmbeddingHelper(table, start, 2, logits_processor=lambda t, ids, x: x), state, layer
        ),
        seq2seq.BasicDecoder(lambda x, s: (s, s), helper, state[1], layer),
        seq2seq.BasicDecoder(cells.DropoutWrapper(cell), helper, state, layer),
        seq2seq.BasicDecoder(cell, helper, state, lambda out: out),
        Loop(cell, helper, state, layer),
    ]
    assert all(decoder.select_rows(none) is None for decoder in others)


def test_a_cell_that_can_leave_rows_out() -> None:
    """Something with a memory for each row, that knows how to keep some of them."""

    class Remembering:
        def __init__(self, memory: torch.Tensor, seen: list[int]) -> None:
            self.memory, self.seen = memory, seen

        def __call__(self, x: torch.Tensor, state: torch.Tensor) -> Any:
            self.seen.append(x.shape[0])
            new = state + self.memory
            return new, new

        def select_rows(self, rows: torch.Tensor) -> Any:
            return Remembering(self.memory.index_select(0, rows), self.seen)

    # row b crosses its threshold, and gives token 1, after 2 * b + 1 steps
    memory = torch.stack([torch.zeros(5), 1 / (2.0 * torch.arange(5) + 1)], 1)
    start = torch.tensor([[1.0 - 1e-3, 0.0]]).expand(5, 2)
    seen: list[int] = []
    decoder = seq2seq.BasicDecoder(
        Remembering(memory, seen), seq2seq.GreedyEmbeddingHelper(torch.zeros(2, 3), [0] * 5, 1), start
    )
    outputs, final, lengths = seq2seq.dynamic_decode(decoder, impute_finished=True)
    assert lengths.tolist() == [1, 3, 5, 7, 9]
    assert seen == [5, 5, 5, 5, 5, 2, 2, 1, 1]
    torch.testing.assert_close(final, start + memory * lengths.unsqueeze(1))
    assert outputs.sample_id.sum(1).tolist() == [1] * 5
