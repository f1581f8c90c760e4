"""``melt.rnn.encode``: its directions and outputs, against the drivers it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1
from dynrnn.tf1 import melt

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1

B, T, D, N = 3, 5, 2, 4
DATA = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)
LENGTHS = np.array([5, 1, 3])


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _reversed(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    for row, length in enumerate(LENGTHS):
        x[row, :length] = x[row, :length][::-1]
    return x


def _chosen(outputs: np.ndarray, method: int) -> np.ndarray:
    if method == 0:
        return outputs.sum(1)
    if method == 1:
        return outputs[np.arange(B), LENGTHS - 1]
    return outputs[:, 0] if method == 2 else outputs


def test_the_numbers_of_the_methods() -> None:
    ways, results = melt.rnn.EncodeMethod, melt.rnn.OutputMethod
    assert (ways.forward, ways.backward, ways.bidrectional, ways.bidrectional_sum) == (0, 1, 2, 3)
    assert (results.sum, results.last, results.first, results.all) == (0, 1, 2, 3)


@pytest.mark.parametrize("output_method", [0, 1, 2, 3])
@pytest.mark.parametrize("encode_method", [0, 1, 2, 3])
def test_every_direction_and_output(encode_method: int, output_method: int, session: Any) -> None:
    fw, bw = tf.nn.rnn_cell.GRUCell(N), tf.nn.rnn_cell.GRUCell(N)
    x, lengths = tf.placeholder(tf.float32, [None, T, D]), tf.placeholder(tf.int32, [None])
    features, state = melt.rnn.encode(
        fw, x, lengths, cell_bw=bw, encode_method=encode_method, output_method=output_method
    )
    with tf.variable_scope("again"):
        forward = tf.nn.dynamic_rnn(fw, tf.constant(DATA), LENGTHS, dtype=tf.float32)
        backward_cell = bw if encode_method >= 2 else fw
        backward = tf.nn.dynamic_rnn(backward_cell, tf.constant(_reversed(DATA)), LENGTHS, dtype=tf.float32)
    session.run(tf.global_variables_initializer())
    got, got_state = session.run([features, state], {x: DATA, lengths: LENGTHS})
    (out_fw, state_fw), (out_bw, state_bw) = session.run([forward, backward])
    if encode_method == 0:
        expected, expected_state = _chosen(out_fw, output_method), state_fw
    elif encode_method == 1:
        expected, expected_state = _chosen(out_bw, output_method), state_bw
    else:
        parts = _chosen(out_fw, output_method), _chosen(_reversed(out_bw), output_method)
        expected = np.concatenate(parts, -1) if encode_method == 2 else parts[0] + parts[1]
        expected_state = state_fw
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got_state, expected_state, rtol=1e-5, atol=1e-6)
    assert features.shape.is_compatible_with(got.shape)


def test_by_default_the_last_output_of_the_forward_direction(session: Any) -> None:
    cell = tf.nn.rnn_cell.LSTMCell(N)
    features, state = melt.rnn.encode(cell, tf.constant(DATA), tf.constant(LENGTHS))
    session.run(tf.global_variables_initializer())
    values, final = session.run([features, state])
    np.testing.assert_array_equal(values, final.h)
    assert tf.gradients(features, tf.trainable_variables())[0] is not None


def test_the_backward_cell_is_a_copy_unless_given(session: Any) -> None:
    initial = tf.ones([B, N])
    features, _ = melt.rnn.encode(
        tf.nn.rnn_cell.GRUCell(N), tf.constant(DATA), tf.constant(LENGTHS), initial, encode_method=2, output_method=3
    )
    names = [v.op.name for v in tf.trainable_variables()]
    assert len(names) == 8 and names[4] == "bidirectional_rnn/bw/gru_cell/gates/kernel"
    session.run(tf.global_variables_initializer())
    assert session.run(features).shape == (B, T, 2 * N)


def test_an_initial_state_of_each_direction(session: Any) -> None:
    fw, bw = tf.nn.rnn_cell.GRUCell(N), tf.nn.rnn_cell.GRUCell(N)
    one, two = tf.ones([B, N]), tf.ones([B, N]) * 2.0
    lengths = tf.constant(LENGTHS)
    given, _ = melt.rnn.encode(fw, tf.constant(DATA), lengths, one, bw, two, encode_method=2, output_method=3)
    (a, b), _ = tf.nn.bidirectional_dynamic_rnn(
        fw, bw, tf.constant(DATA), LENGTHS, initial_state_fw=one, initial_state_bw=two
    )
    session.run(tf.global_variables_initializer())
    got, expected = session.run([given, tf.concat([a, b], 2)])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_without_lengths_all_rows_are_full(session: Any) -> None:
    cell = tf.nn.rnn_cell.GRUCell(N)
    features, state = melt.rnn.encode(cell, tf.constant(DATA), None, encode_method=1)
    session.run(tf.global_variables_initializer())
    values, final = session.run([features, state])
    np.testing.assert_array_equal(values, final)


@pytest.mark.parametrize("wrong", [{"encode_method": 4}, {"output_method": 4}, {"encode_method": "forward"}])
def test_methods_that_do_not_exist(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be 0"):
        melt.rnn.encode(tf.nn.rnn_cell.GRUCell(N), tf.constant(DATA), tf.constant(LENGTHS), **wrong)
