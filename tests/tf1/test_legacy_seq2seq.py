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
    with pytest.raises(ValueError, match="inputs must not be empty"):
        legacy.basic_rnn_seq2seq([], _steps(DECODER), cell)


def test_what_is_not_there_yet_is_named() -> None:
    with pytest.raises(AttributeError, match="nonsense_seq2seq"):
        _ = legacy.nonsense_seq2seq


# --- what goldens cannot say: refusals, older calls, copies of cells --------------------------------------------------

IDS = [0, 2, 1]


def _ids(count: int) -> list[Any]:
    return [tf.constant([IDS[t % 3], IDS[(t + 1) % 3]]) for t in range(count)]


def _memory(width: Any = 5) -> Any:
    return tf.placeholder(tf.float32, [B, T, width])


def test_rnn_decoder_of_nothing_gives_the_state_back() -> None:
    cell = rnn.GRUCell(N)
    state = cell.zero_state(B, tf.float32)
    assert legacy.rnn_decoder([], state, cell) == ([], state)


def test_rnn_decoder_takes_any_iterable_and_cells_that_take_ids(session: Any) -> None:
    cell = rnn.EmbeddingWrapper(rnn.GRUCell(N), 3, D)
    outputs, _ = legacy.rnn_decoder(iter(_ids(T)), cell.zero_state(B, tf.float32), cell)
    _init(session)
    assert [o.shape for o in session.run(outputs)] == [(B, N)] * T


def test_inputs_of_unknown_width_are_decoded_step_by_step(session: Any) -> None:
    """They cannot be stacked; a cell that gets by without the width takes them."""

    class Sums(rnn.RNNCell):  # type: ignore[name-defined]
        state_size = output_size = 1

        def call(self, inputs: Any, state: Any) -> Any:
            new = state + tf.reduce_sum(inputs, 1, keepdims=True)
            return new, new

    xs = [tf.placeholder(tf.float32, [B, None]) for _ in range(3)]
    _, final = legacy.rnn_decoder(xs, tf.zeros([B, 1]), Sums())
    feeds = {x: np.ones([B, i + 1], np.float32) for i, x in enumerate(xs)}
    np.testing.assert_array_equal(session.run(final, feeds), [[6.0]] * B)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"decoder_inputs": []}, ValueError, "Must provide at least 1 input to attention decoder."),
        ({"num_heads": 0}, ValueError, "With less than 1 heads, use a non-attention decoder."),
        ({"attention_states": None}, ValueError, r"Shape\[2\] of attention_states must be known"),
        ({"loop_function": 3}, TypeError, "loop_function must be callable"),
        ({"cell": 3}, TypeError, "is not an RNNCell"),
    ],
)
def test_what_attention_decoder_refuses(change: dict[str, Any], error: type[Exception], text: str) -> None:
    cell = rnn.GRUCell(N)
    arguments = {
        "decoder_inputs": _steps(DECODER),
        "initial_state": cell.zero_state(B, tf.float32),
        "attention_states": _memory(),
        "cell": cell,
        **change,
    }
    if arguments["attention_states"] is None:
        arguments["attention_states"] = _memory(None)
    with pytest.raises(error, match=text):
        legacy.attention_decoder(**arguments)
    assert _names() == []


def test_an_input_of_unknown_width_cannot_be_merged_with_the_attention() -> None:
    cell = rnn.GRUCell(N)
    xs = [tf.placeholder(tf.float32, [B, None])]
    with pytest.raises(ValueError, match="Could not infer input size from input: Placeholder"):
        legacy.attention_decoder(xs, cell.zero_state(B, tf.float32), _memory(), cell)


@pytest.mark.parametrize("function", ["embedding_rnn_decoder", "embedding_attention_decoder"])
def test_an_output_projection_must_end_in_the_symbols(function: str) -> None:
    cell = rnn.GRUCell(N)
    memory = [_memory()] if "attention" in function else []
    for w, b in (([N, 4], [5]), ([N, 5], [4])) if not memory else ((([N, 5]), [4]),):
        with pytest.raises(ValueError, match="incompatible"):
            getattr(legacy, function)(
                _ids(T),
                cell.zero_state(B, tf.float32),
                *memory,
                cell,
                5,
                D,
                output_projection=(tf.zeros(w), tf.zeros(b)),
            )


def test_the_loop_function_of_an_attention_decoder_runs_with_reuse(session: Any) -> None:
    cell, calls = rnn.GRUCell(N), []

    def loop(previous: Any, i: int) -> Any:
        scope = tf.get_variable_scope()
        calls.append((i, scope.name, scope.reuse))
        return previous

    legacy.attention_decoder(
        _steps(DECODER), cell.zero_state(B, tf.float32), _memory(), cell, output_size=D, loop_function=loop
    )
    assert calls == [(i, "attention_decoder/loop_function", True) for i in (1, 2, 3)]


def test_one2many_refusals() -> None:
    cell = rnn.GRUCell(N)
    inputs = {"a": _ids(T)}
    with pytest.raises(TypeError, match="enc_cell is not an RNNCell"):
        legacy.one2many_rnn_seq2seq(_ids(T), inputs, 3, {"a": cell}, 3, {"a": 3}, D)
    with pytest.raises(TypeError, match="dec_cell is not an RNNCell"):
        legacy.one2many_rnn_seq2seq(_ids(T), inputs, cell, {"a": 3}, 3, {"a": 3}, D)
    with pytest.raises(ValueError, match="keys of dec_cells_dict"):
        legacy.one2many_rnn_seq2seq(_ids(T), inputs, cell, {"b": cell}, 3, {"a": 3}, D)


def test_losses_refuse_lists_of_different_lengths() -> None:
    logits, weights = [tf.zeros([B, 3])] * 2, [tf.ones([B])] * 2
    for given in ((logits, _ids(2), weights[:1]), (logits, _ids(1), weights), (logits[:1], _ids(2), weights)):
        for loss in (legacy.sequence_loss, legacy.sequence_loss_by_example):
            with pytest.raises(ValueError, match="Lengths of logits, weights, and targets must be the same"):
                loss(*given)


@pytest.mark.parametrize(("short", "what"), [(0, "encoder_inputs"), (2, "targets"), (3, "weights")])
def test_buckets_longer_than_the_lists_are_refused(short: int, what: str) -> None:
    lists = [_ids(4), _ids(4), _ids(4), [tf.ones([B])] * 4]
    lists[short] = lists[short][:3]
    with pytest.raises(ValueError, match=rf"Length of {what} \(3\) must be at least that of last bucket \(4\)"):
        legacy.model_with_buckets(*lists, [(2, 2), (4, 4)], lambda x, y: None)


@pytest.mark.parametrize("kind", ["embedding_rnn_seq2seq", "embedding_attention_seq2seq"])
def test_buckets_share_a_cell_made_outside(kind: str, session: Any) -> None:
    """The encoder's copy must not be tied to the decoder's variables, which the cell has since the first bucket."""
    cell = rnn.MultiRNNCell([rnn.GRUCell(N) for _ in range(2)])
    model = getattr(legacy, kind)
    lists = [_ids(4), _ids(4), _ids(4), [tf.ones([B])] * 4]
    outputs, losses = legacy.model_with_buckets(
        *lists, [(2, 2), (4, 4)], lambda x, y: model(x, y, cell, 3, 3, D), name="buckets"
    )
    assert [len(o) for o in outputs] == [2, 4] and all(loss.op.name.startswith("buckets/") for loss in losses)
    names = _names()
    assert len(names) == len(set(names))
    encoder = [v for v in tf.trainable_variables() if f"{kind}/rnn/" in v.name]
    assert len(encoder) == 9
    assert all(g is not None for g in tf.gradients(losses[1], encoder))
    # the second bucket alone is the same function of the same variables
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        again, _ = model(_ids(4), _ids(4), rnn.MultiRNNCell([rnn.GRUCell(N) for _ in range(2)]), 3, 3, D)
    assert _names() == names
    _init(session)
    one, other = session.run([outputs[1], again])
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_a_copy_that_the_program_decides_on_is_respected(session: Any) -> None:
    """Programs gave cells a ``__deepcopy__`` that shares, to get around an error of TensorFlow's."""

    class Shared(rnn.GRUCell):  # type: ignore[name-defined]
        def __deepcopy__(self, memo: Any) -> Any:
            return self

    legacy.basic_rnn_seq2seq(_steps(ENCODER), _steps(DECODER), Shared(N))
    assert len(_names()) == 4


def test_decoders_that_a_tensor_chooses_take_both_ways_in_one_graph(session: Any) -> None:
    feeds = tf.placeholder(tf.bool, [])
    encoder, decoder = _ids(T), [tf.placeholder(tf.int32, [B]) for _ in range(T)]
    outputs, state = legacy.embedding_attention_seq2seq(
        encoder, decoder, rnn.BasicLSTMCell(N), 3, 3, D, feed_previous=feeds
    )
    assert isinstance(state, rnn.LSTMStateTuple)
    _init(session)
    arrays = np.random.default_rng(1).integers(0, 3, [2, T, B])
    arrays[1, 0] = arrays[0, 0]

    def run(fed: bool, which: int) -> Any:
        return np.array(session.run(outputs, {feeds: fed, **dict(zip(decoder, arrays[which], strict=True))}))

    np.testing.assert_array_equal(run(True, 0), run(True, 1))
    assert not np.allclose(run(False, 0), run(False, 1))
    np.testing.assert_allclose(run(True, 0)[0], run(False, 0)[0], rtol=1e-6)


def test_what_is_fed_back_is_the_embedding_of_the_best_symbol(session: Any) -> None:
    table = tf.constant(np.arange(12.0, dtype=np.float32).reshape(4, 3))
    previous = tf.constant([[0.0, 1.0, 0.5], [2.0, 1.0, 0.0]])
    w, b = tf.constant(np.eye(3, 4, dtype=np.float32)), tf.constant([0.0, 0.0, 0.0, 9.0])
    for projection, best in ((None, [1, 0]), ((w, b), [3, 3])):
        for update in (True, False):
            fed = legacy._extract_argmax_and_embed(table, projection, update)(previous, 1)
            np.testing.assert_array_equal(session.run(fed), session.run(table)[best])
            assert (tf.gradients(fed, table)[0] is not None) == update
            assert tf.gradients(fed, previous)[0] is None


# older calls


def test_numbers_of_symbols_that_old_losses_had_are_passed_over(session: Any) -> None:
    logits, weights = [tf.constant(DECODER[0])], [tf.ones([B])]
    targets = _ids(1)
    for name in ("sequence_loss", "sequence_loss_by_example"):
        loss = getattr(legacy, name)
        new, old, flag, no = (
            loss(logits, targets, weights),
            loss(logits, targets, weights, 3, True),
            loss(logits, targets, weights, 1),
            loss(logits, targets, weights, 0),
        )
        np.testing.assert_array_equal(*session.run([new, old]))
        np.testing.assert_array_equal(*session.run([new, flag]))
        one, other = session.run([new, no])
        np.testing.assert_allclose(one, other, rtol=1e-6)
    lists = [_ids(2), _ids(2), _ids(2), [tf.ones([B])] * 2]
    cell = rnn.GRUCell(N)
    outputs, _ = legacy.model_with_buckets(
        *lists, [(2, 2)], 3, lambda x, y: legacy.embedding_rnn_seq2seq(x, y, cell, 3, 3, D)
    )
    assert len(outputs[0]) == 2


def test_heads_in_the_place_of_an_encoder_cell() -> None:
    legacy.embedding_attention_seq2seq(_ids(2), _ids(2), rnn.GRUCell(N), 3, 3, D, 2)
    assert any(name.endswith("AttnW_1") for name in _names())


def _by_keyword(labels: Any, logits: Any) -> Any:
    return tf.reduce_sum(logits, 1) * tf.to_float(labels)


def _labels_first(labels: Any, inputs: Any) -> Any:
    return _by_keyword(labels, inputs)


def _labels_last(inputs: Any, labels: Any) -> Any:
    return _by_keyword(labels, inputs)


def test_loss_functions_of_all_versions(session: Any) -> None:
    logits, targets, weights = [tf.constant(DECODER[0])], _ids(1), [tf.ones([B])]
    functions = (_by_keyword, _labels_first, _labels_last, lambda **given: _by_keyword(**given))
    losses = [legacy.sequence_loss(logits, targets, weights, softmax_loss_function=f) for f in functions]
    values = session.run(losses)
    assert len(set(values)) == 1 and values[0] != 0
    with pytest.raises(TypeError):
        legacy.sequence_loss(logits, targets, weights, softmax_loss_function=lambda x, y: x)


# _linear


def test_linear_in_all_its_calls(session: Any) -> None:
    linear = tf.nn.rnn_cell._linear
    a, b = tf.constant(DECODER[0]), tf.constant(DECODER[1])
    with tf.variable_scope("one"):
        one = linear([a, b], 2, True)
    with tf.variable_scope("two"):
        two = linear(a, 2, False, None, tf.ones_initializer())
    old = linear([a, b], 2, True, 0.5, "three")
    named = linear([a], 2, True, bias_start=0.25, scope="four")
    made = tf.nn.rnn_cell._Linear
    with tf.variable_scope("five"):
        layer = made([a, b], 2, True, bias_initializer=tf.ones_initializer())
    five = [layer([a, b]), layer([b, a])]
    shapes = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
    kernels = {
        scope: [2 * D if scope in ("one", "three", "five") else D, 2]
        for scope in ("one", "two", "three", "four", "five")
    }
    assert shapes == {f"{s}/kernel": k for s, k in kernels.items()} | {
        f"{s}/bias": [2] for s in ("one", "three", "four", "five")
    }
    _init(session)
    weights = dict(zip(shapes, session.run(tf.trainable_variables()), strict=True))
    for scope, start in (("one", 0.0), ("three", 0.5), ("four", 0.25), ("five", 1.0)):
        np.testing.assert_array_equal(weights[f"{scope}/bias"], [start] * 2)
    both = np.concatenate([DECODER[0], DECODER[1]], 1)
    expected = [
        both @ weights["one/kernel"],
        np.repeat(DECODER[0].sum(1, keepdims=True), 2, 1),
        both @ weights["three/kernel"] + 0.5,
        DECODER[0] @ weights["four/kernel"] + 0.25,
        both @ weights["five/kernel"] + 1,
    ]
    for got, want in zip(session.run([one, two, old, named, five[0]]), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert (one.op.type, two.op.type) == ("BiasAdd", "MatMul")


def test_linear_refusals() -> None:
    linear = tf.nn.rnn_cell._linear
    nothing: list[Any] = [None, []]
    for wrong in nothing:
        with pytest.raises(ValueError, match="`args` must be specified"):
            linear(wrong, 2, True)
    with pytest.raises(ValueError, match="linear is expecting 2D arguments"):
        linear(tf.zeros([2, 3, 4]), 2, True)
    with pytest.raises(ValueError, match=r"linear expects shape\[1\] to be provided"):
        linear(tf.placeholder(tf.float32, [2, None]), 2, True)
    linear(tf.zeros([2, 3]), 2, True)
    with pytest.raises(ValueError, match="already exists"):
        linear(tf.zeros([2, 3]), 2, True)
    assert dynrnn.tf1.rnn_cell._WEIGHTS_VARIABLE_NAME == "kernel"


def test_older_homes() -> None:
    assert tf.nn.seq2seq is legacy
    assert tf.contrib.rnn.core_rnn_cell.GRUCell is rnn.GRUCell
    assert legacy.linear is tf.nn.rnn_cell._linear
