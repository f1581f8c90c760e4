"""``tf.contrib.seq2seq`` without attention: values, names, static shapes, programs' own decoders, errors.

Values are held to numpy loops (``decoding_support``) and, where randomness or many options are concerned, to the torch
face, which is held to them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from decoding_support import Model, beam, greedy, train

import dynrnn.tf1
from dynrnn import seq2seq as torch_face

tf: Any = dynrnn.tf1
seq2seq: Any = tf.contrib.seq2seq
B, T = 4, 6
LENGTHS = {"ragged": [3, 0, 6, 5], "full": [6, 6, 6, 6], "short": [2, 1, 2, 2], "none": [0, 0, 0, 0]}


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield sess


class ModelCell(tf.nn.rnn_cell.RNNCell):
    """A program's own cell with the numbers of a `Model`."""

    def __init__(self, model: Model) -> None:
        super().__init__(dtype=tf.float64)
        self.model = model

    @property
    def state_size(self) -> int:
        return self.model.units

    @property
    def output_size(self) -> int:
        return self.model.units

    def call(self, inputs: Any, state: Any) -> Any:
        h = tf.tanh(tf.matmul(tf.concat([inputs, state], 1), tf.constant(self.model.w)) + self.model.b)
        return h, h


def layer_of(model: Model) -> Any:
    return tf.layers.Dense(
        model.vocabulary,
        kernel_initializer=tf.constant_initializer(model.v),
        bias_initializer=tf.constant_initializer(model.c),
    )


class Loop(seq2seq.BasicDecoder):
    """A program's own decoder, which is run step by step."""


def data(model: Model, seed: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(B, T, model.depth)), rng.normal(size=(B, model.units))


def run(session: Any, fetches: Any, feeds: Any = None) -> Any:
    session.run(tf.global_variables_initializer())
    return session.run(fetches, feeds)


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("impute", [True, False])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("limit", [None, 0, 4])
def test_training_is_the_loop_written_out(
    session: Any, lengths: list[int], impute: bool, own: bool, limit: int | None
) -> None:
    model = Model(0)
    inputs, state = data(model)
    x, h = tf.placeholder(tf.float64, [None, None, 3]), tf.placeholder(tf.float64, [None, 4])
    n = tf.placeholder(tf.int32, [None])
    decoder = (Loop if own else seq2seq.BasicDecoder)(
        ModelCell(model), seq2seq.TrainingHelper(x, n), h, layer_of(model)
    )
    results = seq2seq.dynamic_decode(decoder, impute_finished=impute, maximum_iterations=limit)
    outputs, final, got = run(session, results, {x: inputs, h: state, n: lengths})
    cut = [min(length, T if limit is None else limit) for length in lengths]
    logits, states = train(model, inputs, cut, state, impute)
    np.testing.assert_allclose(outputs.rnn_output, logits, atol=1e-12)
    np.testing.assert_allclose(final, states, atol=1e-12)
    np.testing.assert_array_equal(outputs.sample_id, logits.argmax(-1))
    assert got.tolist() == cut and got.dtype == np.int32


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("time_major", [False, True])
def test_imputed_training_is_dynamic_rnn(session: Any, own: bool, time_major: bool) -> None:
    lengths = [3, 0, 6, 5]
    x = tf.constant(np.random.default_rng(0).normal(size=(B, T, 3)).astype("f"))
    cell = tf.nn.rnn_cell.LSTMCell(4)
    state = tf.nn.rnn_cell.LSTMStateTuple(tf.ones([B, 4]), tf.zeros([B, 4]))
    fed = tf.transpose(x, [1, 0, 2]) if time_major else x
    helper = seq2seq.TrainingHelper(fed, lengths, time_major=time_major)
    decoder = (Loop if own else seq2seq.BasicDecoder)(cell, helper, state)
    a, a_state, _ = seq2seq.dynamic_decode(decoder, impute_finished=True, output_time_major=time_major)
    output = tf.transpose(a.rnn_output, [1, 0, 2]) if time_major else a.rnn_output
    b, b_state = tf.nn.dynamic_rnn(cell, x, lengths, state)
    pairs = [(output, b), (a_state.c, b_state.c), (a_state.h, b_state.h)]
    sources = [x, *tf.trainable_variables()]
    totals = [tf.reduce_sum(tf.sin(out)) + tf.reduce_sum(s.c * s.h) for out, s in ((output, a_state), (b, b_state))]
    pairs += list(zip(*(tf.gradients(total, sources) for total in totals), strict=True))
    assert len(tf.trainable_variables()) == 2
    for got, wanted in run(session, pairs):
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_training_is_one_scan_and_others_one_loop() -> None:
    x, n = tf.zeros([B, T, 3]), tf.constant([1, 2, 3, 4])
    for decoder, kind in ((seq2seq.BasicDecoder, "Scan"), (Loop, "ScanUntil")):
        before = len(tf.get_default_graph().get_operations())
        helper = seq2seq.TrainingHelper(x, n)
        seq2seq.dynamic_decode(decoder(tf.nn.rnn_cell.GRUCell(4), helper, tf.zeros([B, 4]), tf.layers.Dense(5)))
        types = [op.type for op in tf.get_default_graph().get_operations()[before:]]
        assert [t for t in types if t.startswith(("Scan", "While"))].count(kind) == 1
        assert "While" not in types


def test_training_of_a_model_learns(session: Any) -> None:
    """The usual program: embed, decode with teacher forcing, loss, optimizer; then greedy with the same weights."""
    tokens = np.array([[1, 3, 4, 2], [1, 4, 2, 0]])
    lengths = [4, 3]
    table = tf.get_variable("table", [6, 8])
    cell, layer = tf.nn.rnn_cell.GRUCell(16), tf.layers.Dense(6, use_bias=False)
    state = tf.one_hot([0, 1], 16)
    with tf.variable_scope("decode"):
        fed = tf.concat([tf.fill([2, 1], 5), tokens[:, :-1].astype(np.int32)], 1)
        helper = seq2seq.TrainingHelper(tf.nn.embedding_lookup(table, fed), lengths)
        outputs, _, _ = seq2seq.dynamic_decode(
            seq2seq.BasicDecoder(cell, helper, state, layer), impute_finished=True, maximum_iterations=4
        )
    weights = tf.sequence_mask(lengths, 4, dtype=tf.float32)
    loss = seq2seq.sequence_loss(outputs.rnn_output, tf.constant(tokens), weights)
    train_op = tf.train.AdamOptimizer(0.05).minimize(loss)
    with tf.variable_scope("decode", reuse=True):
        helper = seq2seq.GreedyEmbeddingHelper(table, tf.fill([2], 5), 2)
        found, _, got = seq2seq.dynamic_decode(
            seq2seq.BasicDecoder(cell, helper, state, layer), impute_finished=True, maximum_iterations=9
        )
    assert [v.name for v in tf.trainable_variables()] == [
        "table:0",
        "decode/decoder/gru_cell/gates/kernel:0",
        "decode/decoder/gru_cell/gates/bias:0",
        "decode/decoder/gru_cell/candidate/kernel:0",
        "decode/decoder/gru_cell/candidate/bias:0",
        "decode/decoder/dense/kernel:0",
    ]
    first = run(session, loss)
    for _ in range(60):
        session.run(train_op)
    assert session.run(loss) < 0.1 * first
    ids, count = session.run([found.sample_id, got])
    assert ids.tolist() == tokens.tolist() and count.tolist() == lengths


# --- greedy, sampling, scheduled --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("impute", [True, False])
@pytest.mark.parametrize("embedding", ["table", "function"])
def test_greedy_is_the_loop_written_out(session: Any, seed: int, impute: bool, embedding: str) -> None:
    model = Model(seed)
    _, state = data(model, seed)
    table = tf.constant(model.embedding)
    look_up = table if embedding == "table" else (lambda ids: tf.nn.embedding_lookup(table, ids))
    helper = seq2seq.GreedyEmbeddingHelper(look_up, [0, 1, 2, 3], 4)
    limit = tf.placeholder(tf.int32, [])
    results = seq2seq.dynamic_decode(
        seq2seq.BasicDecoder(ModelCell(model), helper, tf.constant(state), layer_of(model)),
        impute_finished=impute,
        maximum_iterations=limit,
    )
    outputs, final, lengths = run(session, results, {limit: 12})
    logits, ids, states, expected = greedy(model, [0, 1, 2, 3], 4, state, 12, impute)
    assert lengths.tolist() == expected
    np.testing.assert_array_equal(outputs.sample_id, ids)
    np.testing.assert_allclose(outputs.rnn_output, logits, atol=1e-10)
    np.testing.assert_allclose(final, states, atol=1e-10)
    assert session.run(results, {limit: 0})[0].rnn_output.shape == (4, 0, 6)


def test_sampling_and_its_temperature(session: Any) -> None:
    rows, model = 4000, Model(1)
    results = {}
    for name, temperature in (("plain", None), ("cold", 0.05), ("warm", tf.constant(3.0, tf.float64))):
        helper = seq2seq.SampleEmbeddingHelper(tf.constant(model.embedding), [0] * rows, 5, temperature, seed=4)
        decoder = seq2seq.BasicDecoder(ModelCell(model), helper, tf.zeros([rows, 4], tf.float64), layer_of(model))
        results[name] = seq2seq.dynamic_decode(decoder, maximum_iterations=1)[0]
    got = run(session, results)
    logits = got["plain"].rnn_output[0, 0]
    for name, temperature in (("plain", 1.0), ("cold", 0.05), ("warm", 3.0)):
        probabilities = torch.softmax(torch.from_numpy(logits) / temperature, 0).numpy()
        counts = np.bincount(got[name].sample_id[:, 0], minlength=6)
        assert np.abs(counts / rows - probabilities).max() < 0.035, name
    assert not np.array_equal(session.run(results["plain"].sample_id), got["plain"].sample_id)


@pytest.mark.parametrize("kind", ["embedding", "output", "auxiliary"])
def test_scheduled_helpers_feed_what_they_say(session: Any, kind: str) -> None:
    lengths, width = [3, 0, 6, 5], 5 if kind == "auxiliary" else 3
    model = Model(1, depth=width)
    rng = np.random.default_rng(0)
    inputs, auxiliary = rng.normal(size=(B, T, 3)), rng.normal(size=(B, T, 2))
    if kind == "embedding":
        helper = seq2seq.ScheduledEmbeddingTrainingHelper(
            tf.constant(inputs), lengths, tf.constant(model.embedding), 0.5, seed=1, scheduling_seed=2
        )
    else:
        helper = seq2seq.ScheduledOutputTrainingHelper(
            tf.constant(inputs),
            lengths,
            tf.constant(0.5),
            seed=3,
            next_inputs_fn=lambda out: out[:, :3],
            auxiliary_inputs=tf.constant(auxiliary) if kind == "auxiliary" else None,
        )
    decoder = seq2seq.BasicDecoder(ModelCell(model), helper, tf.zeros([B, 4], tf.float64), layer_of(model))
    outputs, final, got = run(session, seq2seq.dynamic_decode(decoder))
    assert got.tolist() == lengths
    chosen = outputs.sample_id >= (0 if kind == "embedding" else 1)
    assert 5 < chosen.sum() < 19
    fed = np.concatenate([inputs, auxiliary], -1) if kind == "auxiliary" else inputs
    for row in range(B):
        h, x = np.zeros(4), fed[row, 0]
        for t in range(T):
            logits, h = model.step(x, h)
            np.testing.assert_allclose(outputs.rnn_output[row, t], logits, atol=1e-10)
            if t == T - 1:
                break
            x = fed[row, t + 1]
            if chosen[row, t] and kind == "embedding":
                x = model.embedding[outputs.sample_id[row, t]]
            elif chosen[row, t]:
                x = np.concatenate([logits[:3], x[3:]])
        np.testing.assert_allclose(final[row], h, atol=1e-10)


def test_inference_and_custom_helpers(session: Any) -> None:
    model = Model(1, vocabulary=3)
    start = np.random.default_rng(0).normal(size=(2, 3))
    inference = seq2seq.InferenceHelper(
        sample_fn=lambda out: out * 0.5,
        sample_shape=[3],
        sample_dtype=tf.float64,
        start_inputs=tf.constant(start),
        end_fn=lambda ids: tf.reduce_sum(ids, 1) > 1e9,
    )
    custom = seq2seq.CustomHelper(
        lambda: (tf.zeros([2], tf.bool), tf.constant(start)),
        lambda time, outputs, state: outputs * 0.5,
        lambda time, outputs, state, sample_ids: (tf.fill([2], tf.equal(time, 3)), sample_ids, state),
        sample_ids_shape=[3],
        sample_ids_dtype=tf.float64,
    )
    with pytest.raises(ValueError, match="batch_size accessed before initialize was called"):
        _ = custom.batch_size
    zeros = tf.zeros([2, 4], tf.float64)
    results = [
        seq2seq.dynamic_decode(seq2seq.BasicDecoder(ModelCell(model), helper, zeros, layer_of(model)), False, False, n)
        for helper, n in ((inference, 4), (custom, None))
    ]
    for outputs, _, lengths in run(session, results):
        h, x = np.zeros((2, 4)), start
        for t in range(4):
            logits, h = model.step(x, h)
            x = logits * 0.5
            np.testing.assert_allclose(outputs.sample_id[:, t], x, atol=1e-10)
        assert lengths.tolist() == [4, 4]


# --- programs' own decoders -------------------------------------------------------------------------------------------


class Counting(seq2seq.Decoder):
    """Row b ends after ``ends[b]`` steps; the state has rows, a scalar and a TensorArray."""

    def __init__(self, ends: Any, finalizes: bool = False) -> None:
        self.ends, self.finalizes = tf.convert_to_tensor(ends), finalizes

    @property
    def batch_size(self) -> Any:
        return tf.size(self.ends)

    @property
    def output_size(self) -> Any:
        return {"sum": tf.TensorShape([]), "pair": 2}

    @property
    def output_dtype(self) -> Any:
        return {"sum": tf.float32, "pair": tf.int32}

    def initialize(self, name: Any = None) -> Any:
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        state = {"sum": tf.zeros_like(self.ends, tf.float32), "steps": tf.constant(0), "all": array}
        return tf.equal(self.ends, 0), tf.ones_like(self.ends, tf.float32), state

    def step(self, time: Any, inputs: Any, state: Any, name: Any = None) -> Any:
        new = {
            "sum": state["sum"] + inputs,
            "steps": state["steps"] + 1,
            "all": state["all"].write(time, state["sum"]),
        }
        pair = tf.stack([tf.fill(tf.shape(self.ends), time), tf.cast(inputs, tf.int32)], 1)
        return {"sum": new["sum"] * 10, "pair": pair}, new, inputs + 1, time + 1 >= self.ends

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        if not self.finalizes:
            raise NotImplementedError
        return outputs["sum"] + tf.cast(sequence_lengths, tf.float32), final_state["sum"]


@pytest.mark.parametrize("impute", [True, False])
def test_a_programs_decoder(session: Any, impute: bool) -> None:
    outputs, state, lengths = seq2seq.dynamic_decode(Counting([2, 0, 4]), impute_finished=impute)
    state = {**state, "all": state["all"].stack()}
    assert outputs["pair"].shape.as_list() == [3, None, 2] and outputs["sum"].shape.as_list() == [3, None]
    got, got_state, got_lengths = run(session, [outputs, state, lengths])
    sums = [10.0, 30.0, 60.0, 100.0]
    assert got["sum"].tolist() == ([[10, 30, 0, 0], [0] * 4, sums] if impute else [sums] * 3)
    assert got["pair"][2].tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert got_state["sum"].tolist() == ([3, 0, 10] if impute else [10] * 3)
    assert got_state["steps"] == 4 and got_state["all"].shape == (4, 3)
    assert got_lengths.tolist() == [2, 0, 4]


def test_finalize_is_handed_time_major_outputs(session: Any) -> None:
    outputs, state, _ = run(session, seq2seq.dynamic_decode(Counting([2, 0, 4], finalizes=True)))
    assert outputs[:, 0].tolist() == [12, 10, 14] and state.tolist() == [10] * 3


def test_no_steps(session: Any) -> None:
    for limit, ends in ((0, [2, 3]), (None, [0, 0]), (-3, [1, 1])):
        outputs, state, lengths = seq2seq.dynamic_decode(Counting(ends), maximum_iterations=limit)
        got = run(session, [outputs, state["sum"], lengths])
        assert got[0]["pair"].shape == (2, 0, 2) and got[0]["sum"].shape == (2, 0)
        assert not got[1].any() and not got[2].any()


def test_gradients_through_the_loop(session: Any) -> None:
    """Of a decoder whose step has a variable, against the same computation unrolled by hand."""
    w = tf.get_variable("w", initializer=1.3)

    class Growing(Counting):
        def step(self, time: Any, inputs: Any, state: Any, name: Any = None) -> Any:
            outputs, new, following, done = super().step(time, inputs * w, state)
            return outputs, new, following, done

    _, state, _ = seq2seq.dynamic_decode(Growing([2, 0, 3]), impute_finished=True)
    total = tf.reduce_sum(state["sum"])
    x, sums = tf.constant(1.0), []
    for _ in range(3):
        sums.append(x * w)
        x = x * w + 1
    expected = sums[0] + sums[1] + sums[0] + sums[1] + sums[2]
    got, wanted = run(session, [tf.gradients(total, w), tf.gradients(expected, w)])
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


# --- beam search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("width", "weight"), [(1, 0.0), (3, 0.0), (3, 0.7)])
def test_beam_search_is_the_one_written_out(session: Any, seed: int, width: int, weight: float) -> None:
    model, start, end = Model(seed, vocabulary=7), [0, 1, 2, 3], 4
    _, h0 = data(model, seed)
    decoder = seq2seq.BeamSearchDecoder(
        ModelCell(model),
        tf.constant(model.embedding),
        tf.constant(start),
        end,
        seq2seq.tile_batch(tf.constant(h0), width),
        width,
        layer_of(model),
        length_penalty_weight=weight,
    )
    outputs, final, counted = run(session, seq2seq.dynamic_decode(decoder, maximum_iterations=7))
    steps = outputs.predicted_ids.shape[1]
    for b in range(4):
        beams, taken = beam(model, start[b], end, h0[b], width, 7, weight)
        for k, (tokens, score, total, length) in enumerate(beams):
            assert outputs.predicted_ids[b, :, k].tolist() == tokens + [end] * (steps - taken)
            scores = outputs.beam_search_decoder_output.scores
            np.testing.assert_allclose([scores[b, taken - 1, k], final.log_probs[b, k]], [score, total], atol=1e-8)
            assert final.lengths[b, k] == length
    assert final.lengths.dtype == np.int64 and outputs.predicted_ids.dtype == np.int32
    assert counted.dtype == np.int32 and counted.shape == (4, width)


def test_lengths_are_those_of_places_in_the_beam(session: Any) -> None:
    """TensorFlow's third result counts per place, which is wrong where beams moved; the state has the right ones."""
    differ = 0
    for seed in range(6):
        model = Model(seed, vocabulary=7)
        _, h0 = data(model, seed)
        decoder = seq2seq.BeamSearchDecoder(
            ModelCell(model),
            tf.constant(model.embedding),
            [0, 1, 2, 3],
            4,
            seq2seq.tile_batch(tf.constant(h0), 3),
            3,
            layer_of(model),
        )
        _, final, counted = run(session, seq2seq.dynamic_decode(decoder, maximum_iterations=7))
        torch_decoder = torch_face.BeamSearchDecoder(
            model.cell, model.table, [0, 1, 2, 3], 4, torch_face.tile_batch(torch.from_numpy(h0), 3), 3, model.layer
        )
        _, torch_final, right = torch_face.dynamic_decode(torch_decoder, maximum_iterations=7)
        np.testing.assert_array_equal(final.lengths, torch_final.lengths.numpy())
        np.testing.assert_array_equal(final.lengths, right.numpy())
        differ += int((counted != final.lengths).sum())
    assert differ


def test_beam_search_of_nests_and_arrays(session: Any) -> None:
    class Recording(ModelCell):
        @property
        def state_size(self) -> Any:
            return {"h": 4, "time": tf.TensorShape([]), "past": tf.TensorShape([4])}

        def call(self, inputs: Any, state: Any) -> Any:
            out, h = super().call(inputs, state["h"])
            return out, {"h": h, "time": state["time"] + 1, "past": state["past"].write(state["time"], h)}

    model = Model(3, vocabulary=7)
    _, h0 = data(model)
    array = tf.TensorArray(tf.float64, size=0, dynamic_size=True, element_shape=[None, 4])
    first = {"h": seq2seq.tile_batch(tf.constant(h0), 2), "time": tf.constant(0), "past": array}
    arguments = (tf.constant(model.embedding), [0, 1, 2, 3], 4, first, 2, layer_of(model))
    _, final, _ = seq2seq.dynamic_decode(seq2seq.BeamSearchDecoder(Recording(model), *arguments), maximum_iterations=5)
    kept, kept_final, _ = seq2seq.dynamic_decode(
        seq2seq.BeamSearchDecoder(Recording(model), *arguments, reorder_tensor_arrays=False), maximum_iterations=5
    )
    assert final.cell_state["h"].shape.as_list() == [4, 2, 4]
    parts = kept.beam_search_decoder_output
    past, raw, lengths, parents, time = run(
        session,
        [
            final.cell_state["past"],
            kept_final.cell_state["past"].stack(),
            final.lengths,
            parts.parent_ids,
            final.cell_state["time"],
        ],
    )
    assert time == past.shape[0] == parents.shape[1]
    wanted = torch_face.gather_tree_from_array(
        torch.from_numpy(raw), torch.from_numpy(parents).transpose(0, 1), torch.from_numpy(lengths)
    )
    np.testing.assert_array_equal(past, wanted.numpy())


def test_coverage_penalty(session: Any) -> None:
    """The same search as the torch face, with a state that has alignments."""
    from collections import namedtuple

    State = namedtuple("State", ["h", "alignments"])

    class Attending(ModelCell):
        @property
        def state_size(self) -> Any:
            return State(4, 3)

        def call(self, inputs: Any, state: Any) -> Any:
            out, h = super().call(inputs, state.h)
            return out, State(h, tf.nn.softmax(h[:, :3]))

    model = Model(1, vocabulary=5)
    h0 = np.repeat(data(model)[1][:2], 3, 0)
    decoder = seq2seq.BeamSearchDecoder(
        Attending(model),
        tf.constant(model.embedding),
        [0, 1],
        4,
        State(tf.constant(h0), tf.zeros([6, 3], tf.float64)),
        3,
        layer_of(model),
        coverage_penalty_weight=0.9,
    )

    def cell(x: torch.Tensor, state: Any) -> Any:
        out, h = model.cell(x, state.h)
        return out, State(h, torch.softmax(h[:, :3], -1))

    start = State(torch.from_numpy(h0), torch.zeros(6, 3).double())
    torch_decoder = torch_face.BeamSearchDecoder(
        cell, model.table, [0, 1], 4, start, 3, model.layer, coverage_penalty_weight=0.9
    )
    outputs, final, _ = run(session, seq2seq.dynamic_decode(decoder, maximum_iterations=8))
    wanted, wanted_state, _ = torch_face.dynamic_decode(torch_decoder, maximum_iterations=8)
    np.testing.assert_array_equal(outputs.predicted_ids, wanted.predicted_ids.numpy())
    np.testing.assert_allclose(
        outputs.beam_search_decoder_output.scores, wanted.beam_search_decoder_output.scores.numpy(), atol=1e-6
    )
    np.testing.assert_allclose(
        final.accumulated_attention_probs, wanted_state.accumulated_attention_probs.numpy(), atol=1e-10
    )


def test_gather_tree_and_tile_batch(session: Any) -> None:
    ids = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, -1, -1]]], np.int32).transpose(1, 0, 2)
    parents = np.array([[[0, 0, 0], [0, 1, 1], [2, 1, 2], [-1, -1, -1]]], np.int32).transpose(1, 0, 2)
    fed = tf.placeholder(tf.int32, [None, None, 3])
    tree = seq2seq.gather_tree(ids, fed, [3], 10)
    assert tree.op.type == "GatherTree" and tree.shape.as_list() == [4, 1, 3]
    assert session.run(tree, {fed: parents})[:, 0].tolist() == [[2, 2, 2], [6, 5, 6], [7, 8, 9], [10, 10, 10]]
    parents[1, 0, 1] = -1
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"parent id -1 at \(batch, time, beam\) == \(0, 0, 1\)"):
        session.run(tree, {fed: parents})
    x = tf.placeholder(tf.float32, [None, 3])
    tiled = seq2seq.tile_batch((x, tf.zeros([2, 5])), multiplier=2)
    assert tiled[0].shape.as_list() == [None, 3] and tiled[1].shape.as_list() == [4, 5]
    assert session.run(tiled[0], {x: np.eye(3)[:2]}).argmax(1).tolist() == [0, 0, 1, 1]


# --- names, shapes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [None, 5])
def test_static_shapes(batch: int | None) -> None:
    x, n = tf.placeholder(tf.float32, [batch, None, 3]), tf.placeholder(tf.int32, [batch])
    tokens = tf.placeholder(tf.int32, [batch])
    state, table = tf.placeholder(tf.float32, [batch, 4]), tf.zeros([7, 3])
    cell, layer = tf.nn.rnn_cell.GRUCell(4), tf.layers.Dense(7)
    for helper in (seq2seq.TrainingHelper(x, n), seq2seq.GreedyEmbeddingHelper(table, tokens, 1)):
        for kind in (seq2seq.BasicDecoder, Loop):
            for time_major in (False, True):
                outputs, final, lengths = seq2seq.dynamic_decode(kind(cell, helper, state, layer), time_major)
                axes = [None, batch] if time_major else [batch, None]
                assert outputs.rnn_output.shape.as_list() == [*axes, 7]
                assert outputs.sample_id.shape.as_list() == axes
                assert final.shape.as_list() == [batch, 4] and lengths.shape.as_list() == [batch]
                assert lengths.dtype == outputs.sample_id.dtype == tf.int32
    decoder = seq2seq.BeamSearchDecoder(cell, table, tokens, 1, seq2seq.tile_batch(state, 2), 2, layer)
    outputs, final, lengths = seq2seq.dynamic_decode(decoder)
    assert outputs.predicted_ids.shape.as_list() == [batch, None, 2]
    assert outputs.beam_search_decoder_output.scores.shape.as_list() == [batch, None, 2]
    assert final.cell_state.shape.as_list() == [batch, 2, 4]
    assert final.lengths.shape.as_list() == lengths.shape.as_list() == [batch, 2]


def test_names() -> None:
    x, state = tf.zeros([2, 3, 3]), tf.zeros([2, 4])
    for kind, scope in ((seq2seq.BasicDecoder, "decoder"), (Loop, "decoder_1")):
        helper = seq2seq.TrainingHelper(x, [1, 2])
        cell = tf.nn.rnn_cell.BasicLSTMCell(4)
        outputs, final, lengths = seq2seq.dynamic_decode(
            kind(cell, helper, tf.nn.rnn_cell.LSTMStateTuple(state, state), tf.layers.Dense(5))
        )
        assert outputs.rnn_output.name == f"{scope}/transpose:0"
        assert outputs.sample_id.name == f"{scope}/transpose_1:0"
        assert [final.c.name, final.h.name] == [f"{scope}/while/Exit_{i}:0" for i in (3, 4)]
        assert lengths.name == f"{scope}/while/Exit_7:0"
    assert [v.name for v in tf.trainable_variables()] == [
        f"{scope}/{name}:0"
        for scope in ("decoder", "decoder_1")
        for name in (
            "basic_lstm_cell/kernel",
            "basic_lstm_cell/bias",
            "dense/kernel",
            "dense/bias",
        )
    ]
    with tf.variable_scope("mine") as scope:
        pass
    seq2seq.dynamic_decode(seq2seq.BasicDecoder(tf.nn.rnn_cell.GRUCell(4), helper, state), scope=scope)
    seq2seq.dynamic_decode(seq2seq.BasicDecoder(tf.nn.rnn_cell.GRUCell(4), helper, state), scope="yours")
    assert {v.name.split("/")[0] for v in tf.trainable_variables()} == {"decoder", "decoder_1", "mine", "yours"}


def test_paths() -> None:
    dynrnn.tf1.install()
    try:
        import tensorflow.contrib.seq2seq as module
        from tensorflow.contrib.seq2seq.python.ops import basic_decoder, beam_search_decoder, beam_search_ops
        from tensorflow.contrib.seq2seq.python.ops import decoder as decoder_module
        from tensorflow.contrib.seq2seq.python.ops import helper as helper_module
        from tensorflow.contrib.seq2seq.python.ops.loss import sequence_loss

        assert module is seq2seq
        assert beam_search_decoder.BeamSearchDecoder is seq2seq.BeamSearchDecoder
        assert basic_decoder.BasicDecoderOutput is seq2seq.BasicDecoderOutput
        assert decoder_module.dynamic_decode is seq2seq.dynamic_decode
        assert helper_module.TrainingHelper is seq2seq.TrainingHelper
        assert beam_search_ops.gather_tree is seq2seq.gather_tree
        assert sequence_loss is seq2seq.sequence_loss
    finally:
        dynrnn.tf1.uninstall()


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(a, b, c, d) for a in (0, 1) for b in (0, 1) for c in (0, 1) for d in (0, 1)])
def test_sequence_loss(session: Any, flags: Any) -> None:
    flags = tuple(bool(f) for f in flags)
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(3, 4, 5)).astype("f"), rng.integers(0, 5, (3, 4))
    weights = np.array([[1, 1, 0.5, 0], [1, 0, 0, 0], [0, 0, 0, 0]], "f")
    fed = tf.placeholder(tf.float32, [3, None, 5])
    if (flags[0] and flags[2]) or (flags[1] and flags[3]):
        with pytest.raises(ValueError, match="cannot be set to True at same time"):
            seq2seq.sequence_loss(fed, tf.constant(targets), tf.constant(weights), *flags)
        return
    calls = []

    def own(labels: Any, logits: Any) -> Any:
        calls.append((labels.shape.as_list(), logits.shape.as_list()))
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    losses = [
        seq2seq.sequence_loss(fed, tf.constant(targets), tf.constant(weights), *flags, softmax_loss_function=f)
        for f in (None, own)
    ]
    assert len(calls) == 1
    wanted = torch_face.sequence_loss(
        torch.from_numpy(logits), torch.from_numpy(targets), torch.from_numpy(weights), *flags
    )
    for loss in losses:
        assert loss.shape.ndims == wanted.ndim
        np.testing.assert_allclose(session.run(loss, {fed: logits}), wanted.numpy(), atol=1e-6)


# --- what is refused --------------------------------------------------------------------------------------------------


def decode(decoder: Any, **kwargs: Any) -> Any:
    return seq2seq.dynamic_decode(decoder, **kwargs)


def basic(**changes: Any) -> Any:
    arguments = {
        "cell": tf.nn.rnn_cell.GRUCell(4),
        "helper": seq2seq.GreedyEmbeddingHelper(tf.zeros([7, 3]), [0, 1], 2),
        "initial_state": tf.zeros([2, 4]),
        "output_layer": tf.layers.Dense(7),
        **changes,
    }
    return decode(seq2seq.BasicDecoder(**arguments), maximum_iterations=3)


def beams(**changes: Any) -> Any:
    arguments = {
        "cell": tf.nn.rnn_cell.GRUCell(4),
        "embedding": tf.zeros([7, 3]),
        "start_tokens": tf.constant([0, 1]),
        "end_token": 2,
        "initial_state": tf.zeros([6, 4]),
        "beam_width": 3,
        "output_layer": tf.layers.Dense(7),
        **changes,
    }
    return decode(seq2seq.BeamSearchDecoder(**arguments), maximum_iterations=3)


class WrongDtype(Counting):
    @property
    def output_dtype(self) -> Any:
        return {"sum": tf.float32, "pair": tf.int64}


class WrongSize(Counting):
    @property
    def output_size(self) -> Any:
        return {"sum": tf.TensorShape([]), "pair": 3}


class LostState(Counting):
    def step(self, time: Any, inputs: Any, state: Any, name: Any = None) -> Any:
        outputs, new, following, done = super().step(time, inputs, state)
        return outputs, {"sum": new["sum"]}, following, done


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "no decoder": (lambda: decode(3), TypeError, "Expected decoder to be type Decoder, but saw: <class 'int'>"),
    "limit": (
        lambda: decode(Counting([1]), maximum_iterations=[1]),
        ValueError,
        "maximum_iterations must be a scalar",
    ),
    "helper": (lambda: basic(helper=tf.zeros([2])), TypeError, "helper must be a Helper, received:"),
    "torch's helper": (
        lambda: basic(helper=torch_face.GreedyEmbeddingHelper(torch.zeros(7, 3), [0], 1)),
        TypeError,
        "helper must be a Helper, received:",
    ),
    "layer": (lambda: basic(output_layer=tf.nn.relu), TypeError, "output_layer must be a Layer, received:"),
    "cell": (lambda: basic(cell=3), TypeError, "is not an RNNCell"),
    "state": (lambda: basic(initial_state=tf.zeros([2, 5])), ValueError, ""),
    "start": (lambda: beams(start_tokens=1), ValueError, "start_tokens must be a vector"),
    "end": (lambda: beams(end_token=[1]), ValueError, "end_token must be a scalar"),
    "greedy start": (
        lambda: seq2seq.GreedyEmbeddingHelper(tf.zeros([7, 3]), 1, 0),
        ValueError,
        "start_tokens must be a vector",
    ),
    "greedy end": (
        lambda: seq2seq.GreedyEmbeddingHelper(tf.zeros([7, 3]), [1], [0]),
        ValueError,
        "end_token must be a scalar",
    ),
    "not tiled": (
        lambda: beams(initial_state=tf.zeros([2, 4])),
        ValueError,
        "Perhaps you forgot to create a zero_state with batch_size=encoder_batch_size",
    ),
    "unknown rank": (
        lambda: beams(initial_state=tf.placeholder(tf.float32)),
        ValueError,
        "to have known rank, but ndims == None",
    ),
    "coverage": (
        lambda: beams(coverage_penalty_weight=1.0),
        ValueError,
        "coverage_penalty_weight must be 0.0 if no cell is attentional",
    ),
    "tile": (lambda: seq2seq.tile_batch(tf.zeros([]), 2), ValueError, "t must have statically known rank"),
    "lengths": (
        lambda: seq2seq.TrainingHelper(tf.zeros([2, 3, 4]), [[1]]),
        ValueError,
        "Expected sequence_length to be a vector, but received shape",
    ),
    "probability": (
        lambda: seq2seq.ScheduledOutputTrainingHelper(tf.zeros([2, 3, 4]), [1, 2], [[0.5]]),
        ValueError,
        "sampling_probability must be either a scalar or a vector. saw shape",
    ),
    "output dtype": (lambda: decode(WrongDtype([1])), ValueError, "TensorArray dtype is int64 but"),
    "output size": (lambda: decode(WrongSize([1])), ValueError, "Inconsistent shapes"),
    "lost state": (lambda: decode(LostState([1])), ValueError, "don't have the same nested structure"),
    "loss": (
        lambda: seq2seq.sequence_loss(tf.zeros([2, 3]), tf.zeros([2, 3], tf.int32), tf.zeros([2, 3])),
        ValueError,
        r"Logits must be a \[batch_size x sequence_length x logits\] tensor",
    ),
}


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_refused_at_run_time(session: Any) -> None:
    n = tf.placeholder(tf.int32, [2])
    for kind in (seq2seq.BasicDecoder, Loop):
        helper = seq2seq.TrainingHelper(tf.zeros([2, 3, 4]), n)
        outputs, _, _ = seq2seq.dynamic_decode(kind(tf.nn.rnn_cell.GRUCell(4), helper, tf.zeros([2, 4])))
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match="Tried to read from index 3 but array size is: 3"):
            session.run(outputs, {n: [1, 5]})
    state = tf.placeholder(tf.float32, [None, 4])
    decoder = seq2seq.BeamSearchDecoder(
        tf.nn.rnn_cell.GRUCell(4), tf.zeros([7, 3]), [0, 1], 2, state, 3, tf.layers.Dense(7)
    )
    results = seq2seq.dynamic_decode(decoder, maximum_iterations=2)
    session.run(tf.global_variables_initializer())
    with pytest.raises(tf.errors.InvalidArgumentError):
        session.run(results, {state: np.zeros([2, 4])})
