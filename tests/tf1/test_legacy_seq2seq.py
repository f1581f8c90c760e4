"""``tf.contrib.legacy_seq2seq``: what the decoders compute, their scopes, feeding back, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1

B, D, N, T = 2, 3, 3, 4
rnn, legacy = tf.contrib.rnn, tf.contrib.legacy_seq2seq
ENCODER, DECODER = np.random.default_rng(0).normal(size=(2, T, B, D)).astype(np.float32)


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _steps(values: Any) -> list[Any]:
    return [tf.constant(step) for step in values]


def _names() -> list[str]:
    return [v.op.name for v in tf.trainable_variables()]


def _init(session: Any) -> None:
    session.run(tf.global_variables_initializer())


def _by_hand(cell: Any, steps: list[Any], state: Any) -> tuple[list[Any], Any]:
    outputs = []
    for step in steps:
        output, state = cell(step, state)
        outputs.append(output)
    return outputs, state


@pytest.mark.parametrize("make", [lambda: rnn.BasicLSTMCell(N), lambda: rnn.GRUCell(N)], ids=["lstm", "gru"])
def test_rnn_decoder_runs_the_cell_over_the_list(make: Any, session: Any) -> None:
    cell = make()
    state = cell.zero_state(B, tf.float32)
    outputs, final = legacy.rnn_decoder(_steps(DECODER), state, cell)
    assert isinstance(outputs, list) and len(outputs) == T
    assert all(name.startswith("rnn_decoder/") for name in _names())
    expected = _by_hand(cell, _steps(DECODER), state)
    losses = [tf.add_n([tf.reduce_sum(output**2) for output in every]) for every in (outputs, expected[0])]
    gradients = [tf.gradients(loss, tf.trainable_variables()) for loss in losses]
    _init(session)
    one, other = session.run([(outputs, final, gradients[0]), (*expected, gradients[1])])
    for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_loop_function_replaces_the_inputs_from_the_second_step_on(session: Any) -> None:
    cell = rnn.GRUCell(N)
    calls: list[int] = []

    def loop(previous: Any, i: int) -> Any:
        calls.append(i)
        assert tf.get_variable_scope().name == "rnn_decoder/loop_function" and tf.get_variable_scope().reuse is True
        return previous * 2.0

    state = cell.zero_state(B, tf.float32)
    outputs, _ = legacy.rnn_decoder(_steps(DECODER), state, cell, loop_function=loop)
    assert calls == [1, 2, 3]
    # only the first input matters
    first = _steps(DECODER[:1]) * T
    other, _ = legacy.rnn_decoder(first, state, cell, loop_function=lambda p, i: p * 2.0, scope="other")
    expected, x = [], tf.constant(DECODER[0])
    for _ in range(T):
        x, state = cell(x, state)
        expected.append(x)
        x = x * 2.0
    _init(session)
    one, two, three = session.run([outputs, other, expected])
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, three, rtol=1e-5, atol=1e-6)


def test_basic_rnn_seq2seq_has_two_sets_of_weights(session: Any) -> None:
    cell = rnn.BasicLSTMCell(N)
    outputs, state = legacy.basic_rnn_seq2seq(_steps(ENCODER), _steps(DECODER), cell)
    assert _names() == [
        *(f"basic_rnn_seq2seq/rnn/basic_lstm_cell/{w}" for w in ("kernel", "bias")),
        *(f"basic_rnn_seq2seq/rnn_decoder/basic_lstm_cell/{w}" for w in ("kernel", "bias")),
    ]
    assert state.c.op.name == "basic_rnn_seq2seq/rnn_decoder/basic_lstm_cell/Add_7"
    assert state.h.op.name == "basic_rnn_seq2seq/rnn_decoder/basic_lstm_cell/Mul_11"
    with tf.variable_scope("basic_rnn_seq2seq", reuse=True):
        _, encoded = tf.nn.static_rnn(rnn.BasicLSTMCell(N), _steps(ENCODER), dtype=tf.float32)
    expected, _ = _by_hand(cell, _steps(DECODER), encoded)
    assert len(_names()) == 4
    _init(session)
    one, other, final = session.run([outputs, expected, state])
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(one[-1], final.h)
    assert all(g is not None for g in tf.gradients(outputs, tf.trainable_variables()))


def test_tied_rnn_seq2seq_has_one_set(session: Any) -> None:
    cell = rnn.GRUCell(N)
    outputs, _ = legacy.tied_rnn_seq2seq(_steps(ENCODER), _steps(DECODER), cell)
    assert {name.rsplit("/", 2)[0] for name in _names()} == {"combined_tied_rnn_seq2seq/tied_rnn_seq2seq/gru_cell"}
    assert len(_names()) == 4
    _, encoded = tf.nn.static_rnn(cell, _steps(ENCODER), dtype=tf.float32)
    expected, _ = _by_hand(cell, _steps(DECODER), encoded)
    _init(session)
    one, other = session.run([outputs, expected])
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_scopes_and_dtypes() -> None:
    legacy.basic_rnn_seq2seq(_steps(ENCODER), _steps(DECODER), rnn.GRUCell(N), scope="mine")
    assert _names()[0] == "mine/rnn/gru_cell/gates/kernel"
    legacy.tied_rnn_seq2seq(_steps(ENCODER), _steps(DECODER), rnn.GRUCell(N), scope="tied")
    assert _names()[-1] == "combined_tied_rnn_seq2seq/tied/gru_cell/candidate/bias"
    double = [_steps(v.astype(np.float64)) for v in (ENCODER, DECODER)]
    outputs, _ = legacy.basic_rnn_seq2seq(*double, rnn.GRUCell(N), dtype=tf.float64, scope="double")
    assert outputs[0].dtype == tf.float64


def test_wrong_arguments() -> None:
    cell = rnn.GRUCell(N)
    state = cell.zero_state(B, tf.float32)
    with pytest.raises(TypeError, match="is not an RNNCell"):
        legacy.rnn_decoder(_steps(DECODER), state, 3)
    with pytest.raises(TypeError, match="loop_function must be callable"):
        legacy.rnn_decoder(_steps(DECODER), state, cell, loop_function=3)
    with pytest.raises(ValueError, match="at least 1 input"):
        legacy.rnn_decoder([], state, cell)
    with pytest.raises(ValueError, match="inputs must not be empty"):
        legacy.basic_rnn_seq2seq([], _steps(DECODER), cell)


def test_what_is_not_there_yet_is_named() -> None:
    with pytest.raises(AttributeError, match="nonsense_seq2seq"):
        _ = legacy.nonsense_seq2seq
