"""``tf.contrib.crf``, the old forms of ``ctc_loss`` and what sparse tensors refuse: what TensorFlow 2 cannot show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf

LENGTHS = [4, 0, 1, 2, 3]
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=[5, 4, 3]).astype("float32")
TAGS = RANDOM.integers(0, 3, [5, 4]).astype("int32")


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def search(x: Any, transitions: Any, length: int) -> dict[tuple[int, ...], float]:
    """The score of every tag sequence of that length."""
    return {
        tags: float(
            sum(x[t, tag] for t, tag in enumerate(tags)) + sum(transitions[a, b] for a, b in itertools.pairwise(tags))
        )
        for tags in itertools.product(range(x.shape[1]), repeat=length)
    }


@pytest.mark.parametrize("shape", [[5, 4, 3], [None, None, 3]])
def test_tagger(session: Any, shape: Any) -> None:
    """What taggers do: a variable "transitions", the likelihood, its gradients, decoding in the graph and outside."""
    x = tf.placeholder(tf.float32, shape)
    tags, lengths = tf.placeholder(tf.int32, shape[:2]), tf.placeholder(tf.int32, shape[:1])
    with tf.variable_scope("crf"):
        likelihood, transitions = tf.contrib.crf.crf_log_likelihood(
            inputs=x, tag_indices=tags, sequence_lengths=lengths
        )
    assert [v.name for v in tf.trainable_variables()] == ["crf/transitions:0"]
    assert transitions.get_shape().as_list() == [3, 3] and likelihood.get_shape().as_list() == shape[:1]
    best, scores = tf.contrib.crf.crf_decode(x, transitions, lengths)
    assert best.dtype == tf.int32 and best.get_shape().as_list() == shape[:2]
    loss = tf.reduce_mean(-likelihood)
    gradients = tf.gradients(loss, [x, transitions])
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    session.run(tf.global_variables_initializer())
    feed = {x: X, tags: TAGS, lengths: LENGTHS}
    value, matrix, decoded, best_scores, (by_x, by_transitions) = session.run(
        [likelihood, transitions, best, scores, gradients], feed
    )
    for row, length in enumerate(LENGTHS):
        found = search(X[row], matrix, length)
        norm = math.log(sum(math.exp(v) for v in found.values()))
        assert value[row] == pytest.approx(found[tuple(TAGS[row, :length].tolist())] - norm, abs=1e-5)
        if length:
            top = max(found, key=lambda t: found[t])
            assert tuple(decoded[row, :length].tolist()) == top and not decoded[row, length:].any()
            assert best_scores[row] == pytest.approx(found[top], abs=1e-5)
            outside, score = tf.contrib.crf.viterbi_decode(X[row, :length], matrix)
            assert outside == list(top) and score == pytest.approx(found[top], abs=1e-5)
    # finite differences
    for at in [(0, 0, 0), (0, 3, 2), (1, 0, 0), (3, 1, 1), (3, 2, 0)]:
        near = [session.run(loss, {**feed, x: X + sign * 1e-2 * _unit(X.shape, at)}) for sign in (1, -1)]
        assert by_x[at] == pytest.approx((near[0] - near[1]) / 2e-2, abs=2e-4)
    assert by_transitions.shape == (3, 3) and np.abs(by_transitions).max() > 0.01
    before = session.run(loss, feed)
    for _ in range(5):
        session.run(train, feed)
    assert session.run(loss, feed) < before


def _unit(shape: Any, at: Any) -> Any:
    unit = np.zeros(shape, "float32")
    unit[at] = 1
    return unit


def test_crf_functions_agree(session: Any) -> None:
    crf = tf.contrib.crf
    matrix = tf.constant(RANDOM.normal(size=[3, 3]).astype("float32"))
    x, tags, lengths = tf.constant(X), tf.constant(TAGS, tf.int64), tf.constant(LENGTHS, tf.int64)
    bitmap = tf.one_hot(TAGS, 3) > 0.5
    parts = crf.crf_unary_score(tags, lengths, x) + crf.crf_binary_score(tags, lengths, matrix)
    norm = crf.crf_log_norm(x, lengths, matrix)
    alphas = crf.crf_forward(x[:, 1:], x[:, 0], matrix, lengths)
    got = session.run(
        {
            "score": crf.crf_sequence_score(x, tags, lengths, matrix),
            "parts": parts,
            "multi": crf.crf_multitag_sequence_score(x, bitmap, lengths, matrix),
            "likelihood": crf.crf_log_likelihood(x, tags, lengths, matrix)[0] + norm,
            "norm": norm,
            "alphas": tf.reduce_logsumexp(alphas, 1),
        }
    )
    for name in ("parts", "multi", "likelihood"):
        np.testing.assert_allclose(got[name], got["score"], rtol=1e-5, atol=1e-5)
    live = np.array(LENGTHS) > 0
    np.testing.assert_allclose(got["alphas"][live], got["norm"][live], rtol=1e-5)
    assert not got["norm"][~live].any()


# integers are not for the native core
@pytest.mark.filterwarnings("ignore::dynrnn.EngineWarning")
def test_crf_cells_in_dynamic_rnn(session: Any) -> None:
    crf, matrix = tf.contrib.crf, tf.constant(RANDOM.normal(size=[3, 3]).astype("float32"))
    x, lengths = tf.constant(X), [4, 1, 3, 2, 4]
    rest = np.array(lengths) - 1
    cell = crf.CrfForwardRnnCell(matrix)
    assert cell.state_size == cell.output_size == 3
    _, alphas = tf.nn.dynamic_rnn(cell, x[:, 1:], rest, initial_state=x[:, 0], dtype=tf.float32)
    decode = crf.CrfDecodeForwardRnnCell(matrix)
    pointers, best = tf.nn.dynamic_rnn(decode, x[:, 1:], rest, initial_state=x[:, 0], dtype=tf.int32)
    end = tf.expand_dims(tf.cast(tf.argmax(best, 1), tf.int32), 1)
    back, _ = tf.nn.dynamic_rnn(
        crf.CrfDecodeBackwardRnnCell(3), tf.reverse_sequence(pointers, rest, 1), rest, initial_state=end, dtype=tf.int32
    )
    tags = tf.reverse_sequence(tf.concat([end, tf.squeeze(back, [2])], 1), lengths, 1)
    assert not tf.global_variables()
    want_tags, want_score = crf.crf_decode(x, matrix, lengths)
    fetches = [tf.reduce_logsumexp(alphas, 1), crf.crf_log_norm(x, lengths, matrix), tags, want_tags, best, want_score]
    norm, want_norm, tags, want_tags, best, want_score = session.run(fetches)
    np.testing.assert_allclose(norm, want_norm, rtol=1e-5)
    np.testing.assert_array_equal(tags, want_tags)
    np.testing.assert_allclose(best.max(1), want_score, rtol=1e-5)


def test_crf_refuses(session: Any) -> None:
    crf = tf.contrib.crf
    with pytest.raises(ValueError, match="Dimensions must be equal, but are 3 and 4"):
        crf.crf_log_norm(tf.constant(X), LENGTHS, tf.zeros([4, 4]))
    with pytest.raises(ValueError, match="Dimensions must be equal"):
        crf.crf_sequence_score(tf.constant(X), TAGS[:, :2], LENGTHS, tf.zeros([3, 3]))
    with pytest.raises(ValueError, match="number of tags, must be known"):
        crf.crf_log_likelihood(tf.placeholder(tf.float32, [None, None, None]), TAGS, LENGTHS)
    with pytest.raises(TypeError, match="sequence_lengths must hold integers, got float32"):
        crf.crf_log_norm(tf.constant(X), tf.constant([1.0] * 5), tf.zeros([3, 3]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="from 0 to 2, got 7"):
        session.run(crf.crf_log_likelihood(tf.constant(X), np.full([5, 4], 7), LENGTHS, tf.zeros([3, 3]))[0])
    with pytest.raises(AttributeError, match=r"tf\.contrib\.crf\.crf_los .*nearest"):
        _ = crf.crf_los


def test_old_forms_of_the_ctc_loss(session: Any) -> None:
    """Before TensorFlow 1.0 the scores came first, and before 0.9 the functions were in contrib."""
    x = tf.constant(RANDOM.normal(size=[6, 2, 4]).astype("float32"))
    labels = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [0, 1, 2], [2, 2])
    losses = [
        tf.nn.ctc_loss(labels, x, [6, 4]),
        tf.nn.ctc_loss(x, labels, [6, 4]),
        tf.nn.ctc_loss(inputs=x, labels=labels, sequence_length=[6, 4]),
        tf.contrib.ctc.ctc_loss(x, labels, [6, 4]),
    ]
    values = session.run(losses)
    assert all(np.array_equal(v, values[0]) for v in values)
    decoded, _ = tf.contrib.ctc.ctc_greedy_decoder(x, [6, 4])
    assert isinstance(session.run(decoded[0]), tf.SparseTensorValue)


def test_second_derivative_of_the_ctc_loss_is_refused(session: Any) -> None:
    x = tf.constant(X)
    loss = tf.nn.ctc_loss(tf.SparseTensor([[0, 0], [1, 0], [2, 0], [3, 0]], [0, 1, 0, 1], [4, 1]), x, [5] * 4)
    (first,) = tf.gradients(loss, x)
    with pytest.raises(tf.errors.UnimplementedError, match="no second derivative"):
        session.run(tf.gradients(first, x))


def test_sparse_tensors_stay_outside_of_loops_and_branches() -> None:
    sparse = tf.SparseTensor([[0, 0]], [1.0], [1, 1])
    with pytest.raises(TypeError, match="cannot take or return a SparseTensor"):
        tf.cond(tf.constant(True), lambda: sparse, lambda: sparse)
    with pytest.raises(TypeError, match="cannot take or return a SparseTensor"):
        tf.while_loop(lambda i, s: i < 2, lambda i, s: (i + 1, s), [tf.constant(0), sparse])


def test_sparse_values_used_inside_a_branch(session: Any) -> None:
    """A body may use a sparse tensor from outside; only its results are tensors."""
    sparse = tf.sparse_placeholder(tf.float32)
    total = tf.cond(tf.reduce_sum(sparse.values) > 1, lambda: tf.sparse_reduce_sum(sparse), lambda: tf.constant(0.0))
    assert session.run(total, {sparse: ([[0, 1]], [5.0], [2, 2])}) == 5
    assert session.run(total, {sparse: ([[0, 1]], [0.5], [2, 2])}) == 0


def test_sparse_feeds_are_checked(session: Any) -> None:
    sparse = tf.sparse_placeholder(tf.float32)
    with pytest.raises(ValueError, match="expected a sequence of 3 values"):
        session.run(sparse, {sparse: ([[0, 1]], [2.0])})
    with pytest.raises(AttributeError, match=r"tf\.sparse_softmax is not available"):
        _ = tf.sparse_softmax


def test_large_sparse_shapes(session: Any) -> None:
    """Shapes whose number of elements is far more than memory, where no dense tensor is asked for."""
    sparse = tf.SparseTensor([[2, 5], [0, 7]], ["b", "a"], [2**31, 2**30])
    ordered = session.run(tf.sparse_reorder(sparse))
    assert ordered.indices.tolist() == [[0, 7], [2, 5]] and ordered.values.tolist() == [b"a", b"b"]
