"""Beam search against one that keeps whole sequences in numpy, and against all sequences there are."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from decoding_support import Model, beam, best_of_all, greedy
from hypothesis import given, settings
from hypothesis import strategies as st

import dynrnn
from dynrnn import cells, seq2seq
from dynrnn.seq2seq.beam_step import beam_step, coverage_penalty, largest


def tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def search(model: Model, start: list[int], end: int, h0: Any, width: int, limit: int, **options: Any) -> Any:
    decoder = seq2seq.BeamSearchDecoder(
        model.cell,
        model.table,
        start,
        end,
        seq2seq.tile_batch(tensor(h0), width),
        width,
        model.layer,
        **options,
    )
    return seq2seq.dynamic_decode(decoder, maximum_iterations=limit)


def states(model: Model, rows: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, model.units))


# --- oracles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("weight", [0.0, 0.6, 1.5, -0.5])
@pytest.mark.parametrize("limit", [1, 7])
def test_beam_search_is_the_one_written_out(seed: int, width: int, weight: float, limit: int) -> None:
    model, start, end = Model(seed, vocabulary=7), [0, 1, 2, 3], 4
    h0 = states(model, 4, seed)
    outputs, final, lengths = search(model, start, end, h0, width, limit, length_penalty_weight=weight)
    runs = [beam(model, start[b], end, h0[b], width, limit, weight) for b in range(4)]
    steps = max(taken for _, taken in runs)
    assert outputs.predicted_ids.shape == (4, steps, width)
    scores = outputs.beam_search_decoder_output.scores
    assert scores.shape == (4, steps, width)
    for b, (beams, taken) in enumerate(runs):
        for k, (tokens, score, total, length) in enumerate(beams):
            filled = tokens + [end] * (steps - taken)
            assert outputs.predicted_ids[b, :, k].tolist() == filled, (b, k)
            assert scores[b, taken - 1, k].item() == pytest.approx(score, abs=1e-10)
            assert final.log_probs[b, k].item() == pytest.approx(total, abs=1e-10)
            assert int(final.lengths[b, k]) == int(lengths[b, k]) == length
            assert bool(final.finished[b, k]) == (end in tokens)
    assert final.lengths.dtype == torch.int64 and lengths.dtype == torch.int32
    assert outputs.predicted_ids.dtype == torch.int32


def test_those_searches_end_at_different_times() -> None:
    """What the test above would not show if every search ran to its limit."""
    models = [(Model(s, vocabulary=7), states(Model(s), 4, s)) for s in range(6)]
    taken = {beam(model, b, 4, h0[b], 2, 7)[1] for model, h0 in models for b in range(4)}
    assert len(taken) > 3, taken


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 2.0])
def test_a_beam_as_wide_as_all_sequences_finds_the_best(seed: int, weight: float) -> None:
    limit, vocabulary = 3, 3
    model = Model(seed, vocabulary=vocabulary, scale=0.4)
    h0 = states(model, 2, seed)
    outputs, _, _ = search(model, [0, 1], 2, h0, vocabulary**limit, limit, length_penalty_weight=weight)
    scores = outputs.beam_search_decoder_output.scores
    for b in range(2):
        tokens, score = best_of_all(model, b, 2, h0[b], scores.shape[1], weight)
        assert outputs.predicted_ids[b, :, 0].tolist() == tokens
        assert scores[b, -1, 0].item() == pytest.approx(score, abs=1e-10)


def test_length_penalty_changes_who_is_best() -> None:
    """The weights in the test above matter: they prefer different lengths somewhere."""
    found = set()
    for weight in (-1.0, 0.0, 2.0):
        lengths = []
        for seed in range(10):
            model = Model(seed, vocabulary=3, scale=0.4)
            _, final, _ = search(model, [0], 2, states(model, 1, seed), 27, 3, length_penalty_weight=weight)
            lengths.append(int(final.lengths[0, 0]))
        found.add(tuple(lengths))
    assert len(found) > 1


@pytest.mark.parametrize("seed", range(6))
def test_width_one_is_greedy(seed: int) -> None:
    model, start, end = Model(seed), [0, 1, 2, 3], 4
    h0 = states(model, 4, seed)
    outputs, _, lengths = search(model, start, end, h0, 1, 9)
    _, ids, _, expected = greedy(model, start, end, h0, 9, True)
    for row, length in enumerate(expected):
        assert outputs.predicted_ids[row, :length, 0].tolist() == ids[row, :length].tolist()
        assert bool((outputs.predicted_ids[row, length:, 0] == end).all())
    assert lengths[:, 0].tolist() == expected


@pytest.mark.parametrize("width", [2, 3, 4])
def test_ties_go_to_the_lower_beam_then_the_lower_token(width: int) -> None:
    """Logits of 0: every extension of every beam is equally good."""
    model = Model(0, vocabulary=4)
    model.v[:], model.c[:] = 0, 0
    outputs, _, _ = search(model, [0, 1], 3, states(model, 2), width, 4)
    parts = outputs.beam_search_decoder_output
    for b in range(2):
        beams: list[Any] = [([], False)]
        for t in range(4):
            candidates: list[Any] = []
            for k, (tokens, done) in enumerate(beams):
                value = len(tokens) if not done else tokens.index(3) + 1
                for token in range(4):
                    if done and token != 3:
                        continue
                    # fewer factors of 1/4 are better
                    candidates.append((value + (not done), k, token, [*tokens, token], done or token == 3))
            candidates.sort(key=lambda c: c[0])
            assert parts.predicted_ids[b, t].tolist() == [c[2] for c in candidates[:width]]
            assert parts.parent_ids[b, t].tolist() == [c[1] for c in candidates[:width]]
            beams = [(c[3], c[4]) for c in candidates[:width]]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4),
    count=st.integers(1, 6),
    low=st.booleans(),
)
def test_largest_prefers_the_first_of_equal_ones(rows: list[list[int]], count: int, low: bool) -> None:
    x = torch.tensor(rows).double()
    if low:
        x[x == 0] = -torch.inf
    expected = [sorted(range(6), key=lambda i: (-float(row[i]), i))[:count] for row in x]
    assert largest(x, count).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), width=st.integers(1, 6), rows=st.integers(1, 3), weight=st.sampled_from([0.0, 0.8]))
def test_any_search(seed: int, width: int, rows: int, weight: float) -> None:
    model = Model(seed, vocabulary=6)
    h0 = states(model, rows, seed)
    outputs, _, _ = search(model, [0] * rows, 5, h0, width, 5, length_penalty_weight=weight)
    for b in range(rows):
        beams, taken = beam(model, 0, 5, h0[b], width, 5, weight)
        assert outputs.predicted_ids[b, :taken].T.tolist() == [tokens for tokens, *_ in beams]


def test_permuting_the_batch_permutes_the_result() -> None:
    model, order = Model(2, vocabulary=7), [2, 0, 3, 1]
    h0, start = states(model, 4), np.array([0, 1, 2, 3])
    a, a_state, a_lengths = search(model, start.tolist(), 4, h0, 3, 8)
    b, b_state, b_lengths = search(model, start[order].tolist(), 4, h0[order], 3, 8)
    assert a.predicted_ids[order].equal(b.predicted_ids) and a_lengths[order].equal(b_lengths)
    torch.testing.assert_close(a_state.cell_state[order], b_state.cell_state)


def test_the_state_belongs_to_its_sequence() -> None:
    """The final state of each beam is that of running its tokens."""
    model, end = Model(1, vocabulary=7), 4
    h0 = states(model, 2)
    outputs, final, lengths = search(model, [0, 1], end, h0, 4, 5)
    for b in range(2):
        for k in range(4):
            if int(lengths[b, k]) < outputs.predicted_ids.shape[1]:
                continue
            h, token = h0[b], b
            for following in outputs.predicted_ids[b, :, k].tolist():
                _, h = model.step(model.embedding[token], h)
                token = following
            np.testing.assert_allclose(final.cell_state[b, k].numpy(), h, atol=1e-10)


# --- states -----------------------------------------------------------------------------------------------------------


def test_nests_scalars_and_arrays_in_the_state() -> None:
    """Leaves with rows follow their beams; scalars pass; arrays are put in order at the end."""
    model, width, rows = Model(3, vocabulary=7), 3, 2
    h0 = states(model, rows)

    def cell(x: torch.Tensor, state: Any) -> Any:
        out, h = model.cell(x, state["h"])
        return out, {
            "h": h,
            "wide": torch.stack([h, h * 2], 1),
            "vector": h[:, 0],
            "time": state["time"] + 1,
            "history": state["history"].write(state["time"], h),
        }

    h = seq2seq.tile_batch(tensor(h0), width)
    first = {
        "h": h,
        "wide": torch.stack([h, h * 2], 1),
        "vector": h[:, 0],
        "time": torch.tensor(0),
        "history": dynrnn.TensorArray(),
    }
    decoder = seq2seq.BeamSearchDecoder(cell, model.table, [0, 1], 4, first, width, model.layer)
    outputs, final, lengths = seq2seq.dynamic_decode(decoder, maximum_iterations=6)
    expected, expected_state, _ = search(model, [0, 1], 4, h0, width, 6)
    assert outputs.predicted_ids.equal(expected.predicted_ids)
    got = final.cell_state
    torch.testing.assert_close(got["h"], expected_state.cell_state)
    torch.testing.assert_close(got["wide"], torch.stack([got["h"], got["h"] * 2], 2))
    torch.testing.assert_close(got["vector"], got["h"][..., 0])
    steps = outputs.predicted_ids.shape[1]
    assert int(got["time"]) == steps
    history = got["history"].unflatten(1, (rows, width))
    for b, k in itertools.product(range(rows), range(width)):
        state, token = h0[b], b
        for t in range(int(lengths[b, k])):
            _, state = model.step(model.embedding[token], state)
            np.testing.assert_allclose(history[t, b, k].numpy(), state, atol=1e-10)
            token = int(outputs.predicted_ids[b, t, k])
    kept = seq2seq.BeamSearchDecoder(
        cell, model.table, [0, 1], 4, first, width, model.layer, reorder_tensor_arrays=False
    )
    _, final, _ = seq2seq.dynamic_decode(kept, maximum_iterations=6)
    assert isinstance(final.cell_state["history"], dynrnn.TensorArray)


def test_cells_of_the_library() -> None:
    torch.manual_seed(0)
    cell = cells.MultiRNNCell([cells.LSTMCell(4, input_size=3), cells.GRUCell(5, input_size=4)])
    layer, table = torch.nn.Linear(5, 8), torch.nn.Embedding(8, 3)
    decoder = seq2seq.BeamSearchDecoder(cell, table, [0, 1], 2, cell.zero_state(6), 3, layer)
    outputs, final, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=4, output_time_major=True)
    assert outputs.predicted_ids.shape[1:] == (2, 3)
    assert final.cell_state[0].c.shape == (2, 3, 4) and final.cell_state[1].shape == (2, 3, 5)
    # gradients reach the weights through scores and states
    total = outputs.beam_search_decoder_output.scores.sum() + final.cell_state[1].sum()
    grads = torch.autograd.grad(total, [*cell.parameters(), *layer.parameters(), *table.parameters()])
    assert all(bool(g.isfinite().all()) for g in grads)


def test_gradients_of_scores_are_those_of_the_sequence() -> None:
    """The log probability of the best beam, differentiated: as if its tokens had been given."""
    torch.manual_seed(1)
    cell = cells.GRUCell(4, input_size=3, dtype=torch.float64)
    layer, table = torch.nn.Linear(4, 6).double(), torch.randn(6, 3, dtype=torch.float64)
    h0 = torch.randn(1, 4, dtype=torch.float64)
    decoder = seq2seq.BeamSearchDecoder(cell, table, [0], 5, seq2seq.tile_batch(h0, 3), 3, layer)
    outputs, final, lengths = seq2seq.dynamic_decode(decoder, maximum_iterations=4)
    weights = [*cell.parameters(), *layer.parameters()]
    got = torch.autograd.grad(final.log_probs[0, 0], weights)
    h, token, total = h0, 0, torch.zeros((), dtype=torch.float64)
    for following in outputs.predicted_ids[0, : int(lengths[0, 0]), 0].tolist():
        out, h = cell(table[token : token + 1], h)
        total = total + torch.log_softmax(layer(out), -1)[0, following]
        token = following
    torch.testing.assert_close(final.log_probs[0, 0], total)
    for a, b in zip(got, torch.autograd.grad(total, weights), strict=True):
        torch.testing.assert_close(a, b)


# --- rules on logits, coverage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_no_repeated_ngrams(size: int, seed: int) -> None:
    model = Model(seed, vocabulary=6)
    h0 = states(model, 2, seed)
    outputs, _, _ = search(model, [0, 1], 5, h0, 3, 6, no_repeat_ngram_size=size)
    for b in range(2):
        beams, taken = beam(model, b, 5, h0[b], 3, 6, block=size)
        assert outputs.predicted_ids[b, :taken].T.tolist() == [tokens for tokens, *_ in beams]


def test_logits_processor_sees_each_beams_tokens() -> None:
    model, seen = Model(2, vocabulary=7), []

    def process(step: int, previous: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        assert previous.shape == (6, step) and logits.shape == (6, 7)
        seen.append(previous.clone())
        return logits.index_fill(1, torch.tensor([4]), -torch.inf)

    outputs, _, _ = search(model, [0, 1], 4, states(model, 2), 3, 5, logits_processor=process)
    assert not (outputs.predicted_ids == 4).any()
    parts = outputs.beam_search_decoder_output
    before = seq2seq.gather_tree(
        parts.predicted_ids.transpose(0, 1)[:4], parts.parent_ids.transpose(0, 1)[:4], torch.tensor([4, 4]), 4
    )
    assert seen[4].reshape(2, 3, 4).permute(2, 0, 1).equal(before)


def test_coverage_penalty_formula() -> None:
    accumulated = torch.tensor([[[0.5, 2.0, 0.0], [0.25, 0.5, 0.1]]])
    got = coverage_penalty(accumulated, torch.tensor([[True, False]]), 0.7)
    torch.testing.assert_close(got, torch.tensor([[0.7 * np.log(0.5), 0.0]]).float())


@pytest.mark.parametrize("several", [False, True])
def test_coverage_penalty_of_a_search(several: bool) -> None:
    """Scores of finished beams get the penalty of what their steps attended to before they ended."""

    class State(NamedTuple):
        cell_state: Any
        alignments: Any

    model, width, weight = Model(1, vocabulary=5), 3, 0.9

    def attend(h: torch.Tensor) -> torch.Tensor:
        return torch.softmax(h[:, :3], -1)

    def cell(x: torch.Tensor, state: Any) -> Any:
        out, h = model.cell(x, (state[0] if several else state).cell_state)
        new = State(h, (attend(h), attend(-h)) if several else attend(h))
        return out, ((new, torch.zeros(6)) if several else new)

    h = seq2seq.tile_batch(tensor(states(model, 2)), width)
    start = State(h, (attend(h), attend(h)) if several else attend(h))
    decoder = seq2seq.BeamSearchDecoder(
        cell,
        model.table,
        [0, 1],
        4,
        (start, torch.zeros(6)) if several else start,
        width,
        model.layer,
        coverage_penalty_weight=weight,
    )
    outputs, final, lengths = seq2seq.dynamic_decode(decoder, maximum_iterations=8)
    ended = 0
    steps = outputs.predicted_ids.shape[1]
    for b, k in itertools.product(range(2), range(width)):
        n = int(lengths[b, k])
        h_row, token, attended, total = states(model, 2)[b], b, np.zeros(3), 0.0
        for t in range(n):
            logits, h_row = model.step(model.embedding[token], h_row)
            token = int(outputs.predicted_ids[b, t, k])
            shift = [np.exp(s * h_row[:3]) / np.exp(s * h_row[:3]).sum() for s in ((1, -1) if several else (1,))]
            attended += np.mean(shift, 0)
            total += logits[token] - np.log(np.exp(logits).sum())
        np.testing.assert_allclose(final.accumulated_attention_probs[b, k].numpy(), attended, atol=1e-10)
        if n < steps:
            ended += 1
            total += weight * np.log(np.minimum(attended, 1)).sum()
        assert outputs.beam_search_decoder_output.scores[b, -1, k].item() == pytest.approx(total, abs=1e-9)
    assert ended


# --- one step ---------------------------------------------------------------------------------------------------------


def test_a_step_by_hand() -> None:
    """Two beams, the second finished: it may only go on with the end token 2, at no cost."""
    logits = torch.log(torch.tensor([[[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]]))
    got = beam_step(logits, torch.tensor([[-1.0, -1.2]]), torch.tensor([[False, True]]), torch.tensor([[3, 2]]), 2)
    assert got.ids.tolist() == [[2, 0]] and got.parents.tolist() == [[1, 0]]
    torch.testing.assert_close(got.scores, torch.tensor([[-1.2, -1 + float(np.log(0.5))]]))
    assert got.finished.tolist() == [[True, False]] and got.lengths.tolist() == [[2, 4]]
    assert got.rows.tolist() == [1, 0]
    divided = beam_step(
        logits, torch.tensor([[-1.0, -1.2]]), torch.tensor([[False, True]]), torch.tensor([[3, 2]]), 2, 1.0
    )
    torch.testing.assert_close(divided.scores, torch.tensor([[-1.2 / (7 / 6), (-1 + float(np.log(0.5))) / (9 / 6)]]))
    torch.testing.assert_close(divided.log_probs, got.scores)


def test_fewer_tokens_than_beams() -> None:
    """At first only one beam is possible: what is missing is filled with impossible ones, and nothing breaks."""
    model = Model(0, vocabulary=3)
    outputs, final, _ = search(model, [0], 2, states(model, 1), 5, 4)
    assert bool(final.log_probs.isfinite().all())
    first = outputs.beam_search_decoder_output.scores[0, 0]
    assert bool(first[:3].isfinite().all()) and bool((first[3:] == -torch.inf).all())


# --- gather_tree ------------------------------------------------------------------------------------------------------


def by_hand(ids: Any, parents: Any, limits: Any, end: int) -> Any:
    steps, batch, beams = ids.shape
    result = np.full_like(ids, end)
    for b, k in itertools.product(range(batch), range(beams)):
        at = k
        for t in reversed(range(min(steps, limits[b]))):
            result[t, b, k] = ids[t, b, at]
            at = parents[t, b, at]
        ended = False
        for t in range(steps):
            if ended:
                result[t, b, k] = end
            ended |= result[t, b, k] == end
    return result


@settings(max_examples=60, deadline=None)
@given(steps=st.integers(0, 6), batch=st.integers(1, 3), beams=st.integers(1, 4), seed=st.integers(0, 999))
def test_gather_tree_against_brute_force(steps: int, batch: int, beams: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 6, (steps, batch, beams)).astype(np.int32)
    parents = rng.integers(0, beams, (steps, batch, beams)).astype(np.int32)
    limits = rng.integers(0, steps + 3, batch)
    got = seq2seq.gather_tree(tensor(ids), tensor(parents), tensor(limits), 5)
    assert got.dtype == torch.int32
    np.testing.assert_array_equal(got.numpy(), by_hand(ids, parents, limits, 5))


def test_gather_tree_of_the_papers_example() -> None:
    # time x batch x beam
    ids = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, -1, -1]]], np.int32).transpose(1, 0, 2)
    parents = np.array([[[0, 0, 0], [0, 1, 1], [2, 1, 2], [-1, -1, -1]]], np.int32).transpose(1, 0, 2)
    got = seq2seq.gather_tree(tensor(ids), tensor(parents), torch.tensor([3]), 10)
    expected = np.array([[[2, 2, 2], [6, 5, 6], [7, 8, 9], [10, 10, 10]]]).transpose(1, 0, 2)
    np.testing.assert_array_equal(got.numpy(), expected)


def test_gather_tree_says_which_parent_is_wrong() -> None:
    ids = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, -1, -1]]], np.int32).transpose(1, 0, 2)
    parents = np.array([[[0, 0, 0], [0, -1, 1], [2, 1, 2], [-1, -1, -1]]], np.int32).transpose(1, 0, 2)
    with pytest.raises(ValueError, match=r"Saw invalid parent id -1 at \(batch, time, beam\) == \(0, 0, 1\)"):
        seq2seq.gather_tree(tensor(ids), tensor(parents), torch.tensor([3]), 10)
    with pytest.raises(ValueError, match=r"Saw invalid parent id 4 at \(batch, time, beam\) == \(0, 1, 0\)"):
        seq2seq.gather_tree(tensor(ids), tensor(np.abs(parents) + 2), torch.tensor([3]), 10)


def test_gather_tree_from_array() -> None:
    rng = np.random.default_rng(0)
    steps, batch, beams = 4, 2, 3
    parents = rng.integers(0, beams, (steps, batch, beams)).astype(np.int32)
    array, lengths = rng.normal(size=(steps, batch, beams, 2)), np.array([[4, 2, 3], [1, 4, 4]])
    got = seq2seq.gather_tree_from_array(tensor(array), tensor(parents), tensor(lengths)).numpy()
    for b, k in itertools.product(range(batch), range(beams)):
        at = k
        path = {}
        for t in reversed(range(lengths[b].max())):
            path[t] = at
            at = parents[t, b, at]
        for t in range(steps):
            # past its own length a beam keeps what stands there
            where = path[t] if t < lengths[b, k] else k
            np.testing.assert_array_equal(got[t, b, k], array[t, b, where])
    merged = seq2seq.gather_tree_from_array(
        tensor(array.reshape(steps, batch * beams, 2)), tensor(parents), tensor(lengths)
    )
    np.testing.assert_array_equal(merged.numpy().reshape(got.shape), got)


def test_tile_batch() -> None:
    got = seq2seq.tile_batch({"a": torch.tensor([[1], [2]]), "b": torch.tensor([3.0, 4.0])}, 2)
    assert got["a"].tolist() == [[1], [1], [2], [2]] and got["b"].tolist() == [3, 3, 4, 4]


# --- what is refused --------------------------------------------------------------------------------------------------


def decoder(**changes: Any) -> Any:
    model = Model(0)
    arguments = {
        "cell": model.cell,
        "embedding": model.table,
        "start_tokens": [0, 1],
        "end_token": 2,
        "initial_state": torch.zeros(6, 4).double(),
        "beam_width": 3,
        "output_layer": model.layer,
        **changes,
    }
    return lambda: seq2seq.dynamic_decode(seq2seq.BeamSearchDecoder(**arguments), maximum_iterations=2)


IDS = torch.zeros(2, 1, 3, dtype=torch.int32)
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "state not tiled": (
        decoder(initial_state=torch.zeros(2, 4)),
        ValueError,
        "Perhaps you forgot to create a zero_state",
    ),
    "state in a nest": (decoder(initial_state=(torch.zeros(6, 4), {"a": torch.zeros(5)})), ValueError, r"\[1\]\['a'\]"),
    "start scalar": (decoder(start_tokens=1), ValueError, "start_tokens must be a vector"),
    "end vector": (decoder(end_token=[1]), ValueError, "end_token must be a scalar"),
    "end outside": (decoder(end_token=9), ValueError, "end_token must be one of the 6 tokens, got 9"),
    "width 0": (decoder(beam_width=0), ValueError, "beam_width must be 1 or more"),
    "width tensor": (decoder(beam_width=torch.tensor(3)), TypeError, "beam_width must be an int"),
    "cell": (decoder(cell="gru"), TypeError, "is not an RNNCell"),
    "layer": (decoder(output_layer=3), TypeError, "output_layer must be callable"),
    "coverage": (decoder(coverage_penalty_weight=0.1), ValueError, "must be 0.0 if no cell is attentional"),
    "impute": (
        lambda: seq2seq.dynamic_decode(
            seq2seq.BeamSearchDecoder(Model(0).cell, Model(0).table, [0], 1, torch.zeros(2, 4), 2), impute_finished=True
        ),
        ValueError,
        "impute_finished must be False for BeamSearchDecoder",
    ),
    "tile scalar": (lambda: seq2seq.tile_batch(torch.tensor(1), 2), ValueError, "batch dimension"),
    "tile array": (lambda: seq2seq.tile_batch([1, 2], 2), TypeError, "must be a tensor"),
    "tile by 0": (lambda: seq2seq.tile_batch(torch.zeros(2), 0), ValueError, "multiplier must be 1 or more"),
    "tile by float": (lambda: seq2seq.tile_batch(torch.zeros(2), 2.0), TypeError, "multiplier must be an int"),  # type: ignore[arg-type]
    "tree rank": (lambda: seq2seq.gather_tree(IDS[0], IDS[0], [1], 0), ValueError, "step_ids must be a 3-tensor"),
    "tree shapes": (lambda: seq2seq.gather_tree(IDS, IDS[:1], [1], 0), ValueError, "must match parent_ids.shape"),
    "tree lengths": (
        lambda: seq2seq.gather_tree(IDS, IDS, [1, 2], 0),
        ValueError,
        "max_sequence_lengths must be a vector of size 1",
    ),
}


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()
