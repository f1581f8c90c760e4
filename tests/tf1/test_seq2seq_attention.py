"""Attention of ``tf.contrib.seq2seq``: numpy formulas, names, static shapes, errors, programs' own mechanisms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import attention_oracle as oracle
import numpy as np
import pytest
import torch
from attention_oracle import KINDS, Kind

import dynrnn
import dynrnn.tf1
from dynrnn import cells, seq2seq
from dynrnn.tf1.contrib import seq2seq_attention

# programs' mistakes are tried on them, which a type checker would not let pass
tf: Any = dynrnn.tf1
contrib: Any = seq2seq_attention

B, T, S, D, X, U, A = 3, 4, 5, 4, 2, 6, 7
MEMORY_LENGTHS = [5, 1, 3]
LENGTHS = [4, 2, 0]
BY_NAME = {str(kind): kind for kind in KINDS}
LUONG, BAHDANAU = BY_NAME["luong"], BY_NAME["bahdanau"]


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield sess


def array(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed + 1000 * len(shape)).standard_normal(shape) / 2


def names() -> list[str]:
    return [v.op.name for v in tf.global_variables()]


class Model:
    """A wrapper on placeholders; with ``static`` all their sizes are known, else only the depths."""

    def __init__(self, kinds: Any, static: bool = True, sizes: Any = None, cell: Any = None, **options: Any) -> None:
        self.kinds: list[Kind] = kinds if isinstance(kinds, list) else [kinds]
        rows, steps = (B, T) if static else (None, None)
        self.memories = [
            tf.placeholder(tf.float64, [rows, S + i if static else None, D + i]) for i in range(len(self.kinds))
        ]
        self.memory_lengths = tf.placeholder(tf.int32, [rows])
        self.x = tf.placeholder(tf.float64, [rows, steps, X])
        self.lengths = tf.placeholder(tf.int32, [rows])
        self.mechanisms = [
            getattr(contrib, kind.name)(U, memory, self.memory_lengths, dtype=tf.float64, **kind.options)
            for kind, memory in zip(self.kinds, self.memories, strict=True)
        ]
        self.cell = contrib.AttentionWrapper(
            tf.nn.rnn_cell.BasicRNNCell(U) if cell is None else cell,
            self.mechanisms if isinstance(kinds, list) else self.mechanisms[0],
            sizes,
            **options,
        )

    @property
    def feed(self) -> dict[Any, Any]:
        return {
            **{memory: array(B, S + i, D + i, seed=i) for i, memory in enumerate(self.memories)},
            self.memory_lengths: MEMORY_LENGTHS,
            self.x: array(B, T, X, seed=3),
            self.lengths: LENGTHS,
        }

    def unrolled(self) -> tuple[Any, Any]:
        batch = B if self.x.shape[0].value is not None else tf.shape(self.x)[0]
        start = self.cell.zero_state(batch, tf.float64)
        return tf.nn.dynamic_rnn(self.cell, self.x, self.lengths, start, dtype=tf.float64)

    def load(self, session: Any) -> None:
        session.run(tf.global_variables_initializer())
        for index, variable in enumerate(tf.global_variables()):
            session.run(variable.assign(array(*variable.shape.as_list(), seed=index + 50)))

    def weights(self, session: Any, index: int) -> dict[str, Any]:
        """Of one mechanism, under the names of the torch face."""
        number = f"_{index}" if index else ""
        same = sum(kind.name == self.kinds[index].name for kind in self.kinds[:index])
        scope = cells.base.snake_case(self.kinds[index].name) + (f"_{same}" if same else "")
        found = {}
        for variable in tf.global_variables():
            name = variable.op.name
            if name == f"memory_layer{number}/kernel":
                found["memory_layer.kernel"] = session.run(variable)
            elif f"/attention_wrapper/{scope}/" in name:
                found[name.split(f"{scope}/")[1].replace("/", ".")] = session.run(variable)
        return found

    def expected(self, session: Any, **options: Any) -> Any:
        values = {variable.op.name: session.run(variable) for variable in tf.global_variables()}
        cell = "rnn/attention_wrapper/basic_rnn_cell"
        layers = [
            values.get(f"rnn/attention_wrapper/attention_layer{f'_{i}' if i else ''}/kernel")
            for i in range(len(self.kinds))
        ]
        looked = [
            oracle.Looked(
                kind,
                self.weights(session, i),
                self.feed[self.memories[i]].astype(np.float64),
                MEMORY_LENGTHS,
                layers[i],
            )
            for i, kind in enumerate(self.kinds)
        ]
        return oracle.unroll(
            looked, values[f"{cell}/kernel"], values[f"{cell}/bias"], self.feed[self.x], LENGTHS, **options
        )


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
@pytest.mark.parametrize("output_attention", [True, False])
@pytest.mark.parametrize("size", [None, A])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_unrolled(session: Any, kind: Kind, size: int | None, output_attention: bool, static: bool) -> None:
    model = Model(kind, static, size, output_attention=output_attention)
    outputs, state = model.unrolled()
    rows = B if static else None
    assert outputs.shape.as_list() == [rows, T if static else None, model.cell.output_size]
    assert state.attention.shape.as_list() == [rows, D if size is None else A]
    assert state.alignments.shape.as_list() == [rows, S if static else None]
    assert state.time.shape.as_list() == [] and state.time.dtype == tf.int32
    assert isinstance(state, contrib.AttentionWrapperState) and state.alignment_history == ()
    model.load(session)
    assert sorted(model.weights(session, 0)) == sorted(kind.weights)
    expected = model.expected(session, output_attention=output_attention)
    found, last = session.run([outputs, state], model.feed)
    close(found, expected["outputs"])
    close(last.cell_state, expected["cell_state"])
    close(last.attention, expected["attention"])
    close(last.alignments, expected["alignments"][0])
    close(last.attention_state, expected["alignments"][0])
    assert last.time == max(LENGTHS)


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_several_mechanisms_and_their_history(session: Any, static: bool) -> None:
    kinds = [BAHDANAU, BY_NAME["luong-weighted"], BY_NAME["bahdanau-weighted-recursive"], BAHDANAU]
    model = Model(kinds, static, [A, 2, 3, A], alignment_history=True)
    outputs, state = model.unrolled()
    history = [part.stack() for part in state.alignment_history]
    model.load(session)
    expected = model.expected(session)
    found, alignments, histories = session.run([outputs, state.alignments, history], model.feed)
    close(found, expected["outputs"])
    for i in range(len(kinds)):
        close(alignments[i], expected["alignments"][i])
        live = np.isfinite(expected["history"][i])
        assert histories[i].shape == live.shape
        close(histories[i][live], expected["history"][i][live])


@pytest.mark.parametrize("kind", [BY_NAME["luong-weighted"], BY_NAME["bahdanau-weighted-parallel"]], ids=str)
def test_gradients_are_those_of_the_torch_face(session: Any, kind: Kind) -> None:
    model = Model(kind, False, A)
    outputs, state = model.unrolled()
    loss = tf.reduce_sum(outputs**2) + tf.reduce_sum(state.attention**2)
    wanted = [model.memories[0], model.x, *tf.trainable_variables()]
    gradients = tf.gradients(loss, wanted)
    model.load(session)
    found = dict(zip([t.op.name for t in wanted], session.run(gradients, model.feed), strict=True))

    made: Any = seq2seq.AttentionWrapper(cells.BasicRNNCell(U), getattr(seq2seq, kind.name)(U, **kind.options), A)
    scope = f"attention_wrapper/{made._attention_mechanisms[0].scope_name}/"
    theirs = {}
    for variable in tf.global_variables():
        name = variable.op.name.removeprefix("rnn/").replace(scope, f"{made._mechanism_names[0]}/")
        name = name.replace("attention_wrapper/basic_rnn_cell/", "cell/").replace("attention_wrapper/", "")
        if name.startswith("memory_layer"):
            name = f"{made._mechanism_names[0]}/{name}"
        theirs[name.replace("/", ".")] = variable
    made.load_state_dict({name: torch.tensor(session.run(variable)) for name, variable in theirs.items()})
    memory = torch.tensor(model.feed[model.memories[0]]).requires_grad_()
    x = torch.tensor(model.feed[model.x]).requires_grad_()
    made._attention_mechanisms[0].setup_memory(memory, MEMORY_LENGTHS)
    y, last = dynrnn.dynamic_rnn(made, x, LENGTHS)
    ((y**2).sum() + (last.attention**2).sum()).backward()
    close(found[model.memories[0].op.name], memory.grad)
    close(found[model.x.op.name], x.grad)
    for name, weight in made.named_parameters():
        close(found[theirs[name].op.name], weight.grad)


def test_steps_called_one_by_one(session: Any) -> None:
    """The second call makes no variables."""
    model = Model(BAHDANAU, False, A)
    state = model.cell.zero_state(tf.shape(model.x)[0], tf.float64)
    steps = []
    with tf.variable_scope("rnn"):
        for t in range(2):
            y, state = model.cell(model.x[:, t], state)
            steps.append(y)
    assert len(names()) == len(set(names())) == 6
    model.load(session)
    expected = model.expected(session)["outputs"]
    found = session.run(steps, model.feed)
    for t in range(2):
        close(found[t][:2], expected[:2, t])


def test_nan_in_the_padding_of_the_memory(session: Any) -> None:
    model = Model(BAHDANAU, False, A)
    outputs, _ = model.unrolled()
    gradients = tf.gradients(tf.reduce_sum(outputs**2), [model.memories[0], model.x, *tf.trainable_variables()])
    model.load(session)
    feed = model.feed
    dead = np.arange(S) >= np.array(MEMORY_LENGTHS)[:, None]
    results = []
    for rubbish in (0.0, np.nan):
        feed[model.memories[0]] = np.where(dead[..., None], rubbish, feed[model.memories[0]])
        results.append(session.run([outputs, *gradients], feed))
        assert not results[-1][1][dead].any()
    for clean, found in zip(*results, strict=True):
        assert np.array_equal(clean, found)


def test_initial_cell_state_and_clone(session: Any) -> None:
    start = array(B, U, seed=8)
    model = Model(LUONG, True, A, initial_cell_state=tf.constant(start))
    outputs, state = model.unrolled()
    model.load(session)
    expected = model.expected(session, initial=start)
    found, last = session.run([outputs, state.cell_state], model.feed)
    close(found, expected["outputs"])
    close(last, expected["cell_state"])
    model.cell._initial_cell_state = None
    cloned = model.cell.zero_state(B, tf.float64).clone(cell_state=tf.constant(start))
    again, _ = tf.nn.dynamic_rnn(model.cell, model.x, model.lengths, cloned, dtype=tf.float64)
    close(session.run(again, model.feed), expected["outputs"])


def test_cell_input_fn_and_own_layer(session: Any) -> None:
    layer = tf.layers.Dense(A, use_bias=False, name="mine")
    model = Model(
        LUONG, False, attention_layer=layer, cell_input_fn=lambda inputs, attention: tf.concat([attention, inputs], -1)
    )
    outputs, _ = model.unrolled()
    assert model.cell.output_size == A and "rnn/attention_wrapper/mine/kernel" in names()
    model.load(session)
    values = {v.op.name: session.run(v) for v in tf.global_variables()}
    kernel = values["rnn/attention_wrapper/basic_rnn_cell/kernel"]
    looked = oracle.Looked(
        LUONG,
        {"memory_layer.kernel": values["memory_layer/kernel"]},
        model.feed[model.memories[0]],
        MEMORY_LENGTHS,
        values["rnn/attention_wrapper/mine/kernel"],
    )
    expected = oracle.unroll(
        [looked],
        np.concatenate([kernel[A : A + X], kernel[:A], kernel[A + X :]]),
        values["rnn/attention_wrapper/basic_rnn_cell/bias"],
        model.feed[model.x],
        LENGTHS,
    )
    close(session.run(outputs, model.feed), expected["outputs"])


def test_attention_fn(session: Any) -> None:
    def compute(mechanism: Any, cell_output: Any, attention_state: Any, attention_layer: Any) -> Any:
        attention, alignments, state = contrib._compute_attention(
            mechanism, cell_output, attention_state, attention_layer
        )
        return 2.0 * attention, alignments, state

    model = Model(LUONG, attention_fn=compute)
    y, state = model.cell(model.x[:, 0], model.cell.zero_state(B, tf.float64))
    model.load(session)
    found, alignments, values = session.run([y, state.alignments, model.mechanisms[0].values], model.feed)
    close(found, 2.0 * np.einsum("bs,bsd->bd", alignments, values))


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
@pytest.mark.parametrize("mode", ["recursive", "parallel", "hard"])
def test_monotonic_attention(session: Any, mode: str, static: bool) -> None:
    p = tf.placeholder(tf.float32, [1, 3] if static else [None, None])
    previous = tf.placeholder(tf.float32, [1, 3] if static else [None, None])
    found = contrib.monotonic_attention(p, previous, mode)
    assert found.shape.as_list() == ([1, 3] if static else [None, None])
    gradient = tf.gradients(found, p)[0]
    feed = {p: [[0.2, 0.5, 0.9]], previous: [[1, 0, 0]]}
    np.testing.assert_allclose(session.run(found, feed), [[0.2, 0.4, 0.36]], rtol=1e-6)
    if mode != "hard":  # d/dp of [p0, p1 (1 - p0), p2 (1 - p0) (1 - p1)], summed
        expected = [[1 - 0.5 - 0.9 * 0.5, 0.8 - 0.9 * 0.8, 0.4]]
        np.testing.assert_allclose(session.run(gradient, feed), expected, rtol=1e-5)
    np.testing.assert_allclose(
        session.run(contrib.monotonic_attention([[0.2, 0.5, 0.9]], [[1.0, 0.0, 0.0]], mode)), [[0.2, 0.4, 0.36]], 1e-6
    )


def test_an_unknown_mode() -> None:
    with pytest.raises(ValueError, match=r"mode must be 'recursive', 'parallel', or 'hard'\."):
        contrib.monotonic_attention([[0.2]], [[1.0]], "soft")


def test_hardmax_and_safe_cumprod(session: Any) -> None:
    logits = tf.placeholder(tf.float32, [None, 3])
    hard = contrib.hardmax(logits)
    assert hard.shape.as_list() == [None, 3] and tf.gradients(hard, logits) == [None]
    assert session.run(hard, {logits: [[1, 3, 3], [-2, -2, -3]]}).tolist() == [[0, 1, 0], [1, 0, 0]]
    product = contrib.safe_cumprod(tf.constant([[0.5, 0.25, 0.5]]), axis=1, exclusive=True)
    assert session.run(product) == pytest.approx(np.array([[1, 0.5, 0.125]]))
    plain = tf.cumprod(tf.constant([0.5, 0.25]), reverse=True)
    assert session.run(contrib.safe_cumprod([0.5, 0.25], reverse=True)) == pytest.approx(session.run(plain))


def test_noise(session: Any) -> None:
    memory, query = tf.constant(array(B, S, D)), tf.constant(array(B, U))

    def alignments(**options: Any) -> Any:
        made = contrib.BahdanauMonotonicAttention(U, memory, dtype=tf.float64, **options)
        return made(query, made.initial_state(B, tf.float64))[0]

    noisy, still = alignments(sigmoid_noise=1.0, sigmoid_noise_seed=3), alignments()
    session.run(tf.global_variables_initializer())
    first, second = session.run(noisy), session.run(noisy)
    assert not np.allclose(first, second)
    assert np.array_equal(session.run(still), session.run(still))
    with tf.Session() as other:
        other.run(tf.global_variables_initializer())
        for variable in tf.global_variables():
            other.run(variable.assign(session.run(variable)))
        close(other.run(noisy), first)


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_names_of_variables(kind: Kind) -> None:
    with tf.variable_scope("encoder"):
        memory = tf.zeros([B, S, D])
    with tf.variable_scope("decoder"):
        mechanism = getattr(contrib, kind.name)(U, memory, **kind.options)
        assert names() == ["decoder/memory_layer/kernel"]
        cell = contrib.AttentionWrapper(tf.nn.rnn_cell.BasicLSTMCell(U), mechanism, A)
        with tf.variable_scope("elsewhere"):
            cell(tf.zeros([B, X]), cell.zero_state(B, tf.float32))
    scope = "decoder/elsewhere/attention_wrapper"
    own = f"{scope}/{cells.base.snake_case(kind.name)}"
    assert names() == [
        "decoder/memory_layer/kernel",
        f"{scope}/basic_lstm_cell/kernel",
        f"{scope}/basic_lstm_cell/bias",
        *(f"{own}/{name.replace('.', '/')}" for name in kind.weights[1:]),
        f"{scope}/attention_layer/kernel",
    ]
    assert [v.op.name for v in cell.trainable_variables] == names()[1:]


def test_names_with_several_mechanisms() -> None:
    memory = tf.zeros([B, S, D])
    mechanisms = [contrib.BahdanauAttention(U, memory), contrib.BahdanauAttention(U, memory)]
    cell = contrib.AttentionWrapper(tf.nn.rnn_cell.GRUCell(U), mechanisms, [A, A], name="attend")
    tf.nn.dynamic_rnn(cell, tf.zeros([B, T, X]), dtype=tf.float32)
    assert [name for name in names() if "gru" not in name] == [
        "memory_layer/kernel",
        "memory_layer_1/kernel",
        "rnn/attend/bahdanau_attention/query_layer/kernel",
        "rnn/attend/bahdanau_attention/attention_v",
        "rnn/attend/attention_layer/kernel",
        "rnn/attend/bahdanau_attention_1/query_layer/kernel",
        "rnn/attend/bahdanau_attention_1/attention_v",
        "rnn/attend/attention_layer_1/kernel",
    ]


def test_training_and_inference_graphs_share_variables() -> None:
    def decoder(batch: int, reuse: bool) -> Any:
        with tf.variable_scope("decoder", reuse=reuse):
            mechanism = contrib.LuongAttention(U, tf.zeros([batch, S, D]), scale=True)
            cell = contrib.AttentionWrapper(tf.nn.rnn_cell.GRUCell(U), mechanism, A)
            return tf.nn.dynamic_rnn(cell, tf.zeros([batch, T, X]), dtype=tf.float32)[0]

    decoder(B, False)
    count = len(names())
    assert decoder(2 * B, True).shape.as_list() == [2 * B, T, A]
    assert len(names()) == count == 7


def test_initial_values(session: Any) -> None:
    mechanism = contrib.BahdanauMonotonicAttention(U, tf.zeros([B, S, D]), normalize=True, score_bias_init=-2)
    mechanism(tf.zeros([B, U]), mechanism.initial_state(B, tf.float32))
    session.run(tf.global_variables_initializer())
    values = {v.op.name.split("/")[-1]: session.run(v) for v in tf.global_variables()}
    assert values["attention_g"] == pytest.approx((1 / U) ** 0.5) and values["attention_score_bias"] == -2
    assert not values["attention_b"].any() and values["attention_v"].any()


# --- states and sizes -------------------------------------------------------------------------------------------------


def test_sizes_and_zero_state(session: Any) -> None:
    model = Model([LUONG, BY_NAME["luong-parallel"]], True, [A, 3], tf.nn.rnn_cell.LSTMCell(U), alignment_history=True)
    size = model.cell.state_size
    assert size.attention == A + 3 == model.cell.output_size
    assert size.alignments == size.attention_state == size.alignment_history == (S, S + 1)
    assert size.time.as_list() == [] and size.cell_state == tf.nn.rnn_cell.LSTMStateTuple(U, U)
    state = model.cell.zero_state(B, tf.float64)
    assert state.alignments[1].shape.as_list() == [B, S + 1] and state.attention.shape.as_list() == [B, A + 3]
    assert [type(part).__name__ for part in state.alignment_history] == ["TensorArray"] * 2
    found = session.run([state.cell_state, state.attention, state.time, state.alignments], model.feed)
    assert found[0].c.shape == (B, U) and not found[1].any() and found[2] == 0
    assert not found[3][0].any() and np.array_equal(found[3][1], np.eye(S + 1)[[0] * B])
    dynamic = Model(LUONG, False)
    dynamic.load(session)
    state = dynamic.cell.zero_state(tf.shape(dynamic.x)[0], tf.float64)
    assert state.alignments.shape.as_list() == [None, None] and state.attention.shape.as_list() == [None, D]
    assert session.run(state.alignments, dynamic.feed).shape == (B, S)


def test_clone_checks_shapes(session: Any) -> None:
    state = Model(LUONG).cell.zero_state(B, tf.float64)
    with pytest.raises(ValueError, match="Invalid shape for tensor"):
        state.clone(cell_state=tf.zeros([B, U + 1], tf.float64))
    unknown = tf.placeholder(tf.float64, [None, None])
    cloned = state.clone(cell_state=unknown)
    assert isinstance(cloned, contrib.AttentionWrapperState) and cloned.attention is state.attention
    assert cloned.cell_state.shape.as_list() == [B, U]
    assert np.array_equal(session.run(cloned.cell_state, {unknown: np.ones([B, U])}), np.ones([B, U]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Wrong shape for"):
        session.run(cloned.cell_state, {unknown: np.ones([B + 1, U])})
    with pytest.raises(ValueError, match="field"):
        state.clone(hidden=unknown)


# --- among other cells and drivers ------------------------------------------------------------------------------------


def test_in_a_stack_under_dropout(session: Any) -> None:
    model = Model(BAHDANAU, False, A, alignment_history=True)
    wrapped = tf.nn.rnn_cell.DropoutWrapper(model.cell, output_keep_prob=0.5)
    stack = tf.nn.rnn_cell.MultiRNNCell([wrapped, tf.nn.rnn_cell.GRUCell(U)])
    outputs, (state, _) = tf.nn.dynamic_rnn(stack, model.x, model.lengths, dtype=tf.float64)
    history = state.alignment_history.stack()
    gradient = tf.gradients(tf.reduce_sum(outputs), tf.trainable_variables())
    assert "rnn/multi_rnn_cell/cell_0/attention_wrapper/bahdanau_attention/attention_v" in names()
    model.load(session)
    found, kept, slopes = session.run([outputs, history, gradient], model.feed)
    assert found.shape == (B, T, U) and kept.shape == (T, B, S) and not found[2].any()
    close(kept[:2, 0].sum(1), [1, 1])
    assert all(slope is not None and np.isfinite(slope).all() for slope in slopes)


def test_in_raw_rnn(session: Any) -> None:
    model = Model(BAHDANAU, False, A, alignment_history=True)
    inputs = tf.transpose(model.x, [1, 0, 2])

    def loop(time: Any, output: Any, state: Any, loop_state: Any) -> Any:
        if output is None:
            state = model.cell.zero_state(tf.shape(model.x)[0], tf.float64)
        finished = time >= model.lengths
        return finished, inputs[tf.minimum(time, T - 1)], state, output, None

    with tf.variable_scope("rnn"):
        emitted, state, _ = tf.nn.raw_rnn(model.cell, _typed(loop), scope=tf.get_variable_scope())
    outputs, alignments, history = tf.transpose(emitted.stack(), [1, 0, 2]), state.alignments, state.alignment_history
    model.load(session)
    expected = model.expected(session)
    found = session.run([outputs, alignments, history.stack()], model.feed)
    close(found[0], expected["outputs"])
    close(found[1], expected["alignments"][0])
    live = np.isfinite(expected["history"][0])
    close(found[2][live], expected["history"][0][live])


def _typed(loop: Any) -> Any:
    """The first call tells what is emitted."""

    def first_tells(time: Any, output: Any, state: Any, loop_state: Any) -> Any:
        finished, x, state, emit, loop_state = loop(time, output, state, loop_state)
        return finished, x, state, tf.zeros([A], tf.float64) if emit is None else emit, loop_state

    return first_tells


def test_as_encoder_and_decoder_train(session: Any) -> None:
    """A small copy task: the decoder finds the encoder's inputs again."""
    tf.set_random_seed(1)
    source = tf.placeholder(tf.float32, [None, None, X])
    lengths = tf.placeholder(tf.int32, [None])
    encoded, last = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(8), source, lengths, dtype=tf.float32)
    mechanism = contrib.BahdanauAttention(8, encoded, lengths, normalize=True)
    cell = contrib.AttentionWrapper(tf.nn.rnn_cell.GRUCell(8), mechanism, attention_layer_size=8)
    start = cell.zero_state(tf.shape(source)[0], tf.float32).clone(cell_state=last)
    outputs, _ = tf.nn.dynamic_rnn(cell, tf.zeros_like(source), lengths, start, dtype=tf.float32)
    loss = tf.reduce_mean(tf.square(tf.layers.dense(outputs, X) - source))
    train = tf.train.AdamOptimizer(0.02).minimize(loss)
    session.run(tf.global_variables_initializer())
    feed = {source: array(8, 5, X).astype(np.float32), lengths: [5, 4, 3, 5, 2, 5, 1, 5]}
    losses = [session.run([loss, train], feed)[0] for _ in range(150)]
    assert losses[-1] < 0.5 * losses[0]


# --- programs' own mechanisms -----------------------------------------------------------------------------------------


def test_a_mechanism_that_extends_bahdanau(session: Any) -> None:
    """As speech programs do: scores that also see where the last step looked."""

    class LocationAttention(contrib.BahdanauAttention):
        def __init__(self, units: int, memory: Any, lengths: Any) -> None:
            super().__init__(units, memory, lengths, dtype=tf.float64, name="LocationAttention")
            self.projection = tf.layers.Dense(units, use_bias=False, name="location")

        def __call__(self, query: Any, state: Any) -> Any:
            with tf.variable_scope(None, "location_attention", [query]):
                processed = tf.expand_dims(self.query_layer(query), 1)
                place = self.projection(tf.expand_dims(state, 2))
                v = tf.get_variable("v", [self._num_units], dtype=tf.float64)
                energy = tf.reduce_sum(v * tf.tanh(self._keys + processed + place), [2])
            alignments = self._probability_fn(energy, state)
            return alignments, alignments + state

    model = Model(LUONG, False)
    mechanism = LocationAttention(U, model.memories[0], model.memory_lengths)
    cell = contrib.AttentionWrapper(tf.nn.rnn_cell.BasicRNNCell(U), mechanism)
    _, state = tf.nn.dynamic_rnn(cell, model.x, dtype=tf.float64)
    assert "rnn/attention_wrapper/location_attention/location/kernel" in names()
    model.load(session)
    alignments, total = session.run([state.alignments, state.attention_state], model.feed)
    close(alignments.sum(1), np.ones(B))
    close(total.sum(1), np.full(B, T))
    assert not alignments[1, 1:].any()


def test_a_mechanism_from_scratch(session: Any) -> None:
    class Mean(contrib.AttentionMechanism):
        dtype, batch_size, alignments_size, state_size = tf.float32, B, S, 1

        def __init__(self, values: Any) -> None:
            self.values = values

        def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
            return tf.zeros([batch_size, S], dtype)

        def initial_state(self, batch_size: Any, dtype: Any) -> Any:
            return tf.zeros([batch_size, 1], dtype)

        def __call__(self, query: Any, state: Any) -> Any:
            return tf.ones([B, S]) / S, state + 1.0

    memory = array(B, S, D).astype(np.float32)
    cell = contrib.AttentionWrapper(tf.nn.rnn_cell.GRUCell(U), Mean(tf.constant(memory)))
    outputs, state = tf.nn.dynamic_rnn(cell, tf.zeros([B, T, X]), dtype=tf.float32)
    session.run(tf.global_variables_initializer())
    found, count = session.run([outputs, state.attention_state])
    np.testing.assert_allclose(found[:, -1], memory.mean(1), rtol=1e-5, atol=1e-6)
    assert np.array_equal(count, np.full([B, 1], T))
    for size in ("alignments_size", "state_size"):
        with pytest.raises(NotImplementedError, match=size):
            getattr(contrib.AttentionMechanism(), size)


def test_probability_function_and_mask_value(session: Any) -> None:
    memory, query = array(B, S, D), array(B, U)
    seen: list[Any] = []

    def probabilities(score: Any) -> Any:
        seen.append(score)
        return contrib.hardmax(score)

    made = contrib.LuongAttention(
        U, memory, MEMORY_LENGTHS, probability_fn=probabilities, score_mask_value=-7.0, dtype=tf.float64
    )
    alignments, _ = made(tf.constant(query), made.initial_state(B, tf.float64))
    session.run(tf.global_variables_initializer())
    score, found = session.run([seen[0], alignments])
    dead = np.arange(S) >= np.array(MEMORY_LENGTHS)[:, None]
    assert np.array_equal(score == -7.0, dead) and np.array_equal(found.argmax(1), score.argmax(1))
    masked = contrib._maybe_mask_score(seen[0], memory_sequence_length=[1, 1, 1], score_mask_value=-9.0)
    assert (session.run(masked)[:, 1:] == -9.0).all()


def test_custom_key_value_fn(session: Any) -> None:
    made = contrib.LuongAttention(
        D, tf.ones([B, S, D]), custom_key_value_fn=lambda keys, values: (2.0 * values, 3.0 * values)
    )
    session.run(tf.global_variables_initializer())
    assert (session.run(made.keys) == 2).all() and (session.run(made.values) == 3).all()


# --- what is refused --------------------------------------------------------------------------------------------------


def test_lengths_of_zero(session: Any) -> None:
    model = Model(LUONG, False)
    outputs, _ = model.unrolled()
    model.load(session)
    match = "All values in memory_sequence_length must be greater than zero"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        session.run(outputs, {**model.feed, model.memory_lengths: [5, 0, 3]})
    # the memory by itself can be had
    assert session.run(model.mechanisms[0].keys, {**model.feed, model.memory_lengths: [5, 0, 3]}).shape == (B, S, U)
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        contrib.LuongAttention(U, tf.zeros([B, S, D]), [5, 0, 3])


def test_batch_sizes_that_differ(session: Any) -> None:
    fixed = Model(LUONG)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)calling zero_state of AttentionWrapper.*tile_batch"):
        fixed.cell.zero_state(B + 1, tf.float64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)When constructing AttentionWrapper.*tile_batch"):
        contrib.AttentionWrapper(
            tf.nn.rnn_cell.GRUCell(U), fixed.mechanisms[0], initial_cell_state=tf.zeros([B + 1, U], tf.float64)
        )
    other = contrib.LuongAttention(U, tf.zeros([1, S, D]))
    cell = contrib.AttentionWrapper(tf.nn.rnn_cell.GRUCell(U), other)
    state = cell.zero_state(1, tf.float32)
    wrong = state._replace(cell_state=tf.zeros([B, U]), attention=tf.zeros([B, D]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)When applying AttentionWrapper.*tile_batch"):
        cell(tf.zeros([B, X]), wrong)

    model = Model(LUONG, False)
    outputs, _ = model.unrolled()
    model.load(session)
    feed = {**model.feed, model.memories[0]: array(1, S, D), model.memory_lengths: [3]}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)calling zero_state of AttentionWrapper.*tile_batch"):
        session.run(outputs, feed)
    unchecked = tf.placeholder(tf.float64, [None, U])
    state = model.cell.zero_state(tf.shape(model.memories[0])[0], tf.float64)
    wrong = state._replace(cell_state=unchecked, attention=tf.zeros([B, D], tf.float64))
    y, _ = model.cell(model.x[:, 0], wrong)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)When applying AttentionWrapper.*tile_batch"):
        session.run(y, {**feed, unchecked: array(B, U)})


def test_refused_mechanisms() -> None:
    with pytest.raises(ValueError, match="fully defined inner dims, but saw shape"):
        contrib.LuongAttention(U, tf.placeholder(tf.float32, [None, None, None]))
    with pytest.raises(TypeError, match="probability_fn must be callable, saw type: int"):
        contrib.LuongAttention(U, tf.zeros([B, S, D]), probability_fn=3)
    for layer in ("query_layer", "memory_layer"):
        with pytest.raises(TypeError, match=f"{layer} is not a Layer: int"):
            contrib._BaseAttentionMechanism(
                **{"query_layer": None, "memory": tf.zeros([B, S, D]), "probability_fn": tf.nn.softmax, layer: 3}
            )
    made = contrib.LuongAttention(U, tf.zeros([B, S, D]))
    with pytest.raises(ValueError, match="Incompatible or unknown inner dimensions between query and keys"):
        made(tf.zeros([B, U + 1]), made.initial_state(B, tf.float32))
    with pytest.raises(ValueError, match="Incompatible or unknown inner dimensions between query and keys"):
        made(tf.placeholder(tf.float32, [B, None]), made.initial_state(B, tf.float32))
    soft = contrib.LuongMonotonicAttention(U, tf.zeros([B, S, D]), mode="soft")
    with pytest.raises(ValueError, match="mode must be 'recursive'"):
        soft(tf.zeros([B, U]), soft.initial_state(B, tf.float32))


def test_refused_wrappers() -> None:
    cell, one = tf.nn.rnn_cell.GRUCell(U), contrib.LuongAttention(U, tf.zeros([B, S, D]))
    layer = tf.layers.Dense(A)
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((3, one), {}, TypeError, "is not an RNNCell"),
        ((cell, cell), {}, TypeError, "must be an AttentionMechanism or list of multiple .* saw type: GRUCell"),
        ((cell, [one, 3]), {}, TypeError, "must contain only instances of AttentionMechanism, saw type: int"),
        ((cell, one, A), {"attention_layer": layer}, ValueError, "Only one of attention_layer_size and"),
        ((cell, one, [A, A]), {}, ValueError, "exactly one integer per attention_mechanism, saw: 2 vs 1"),
        ((cell, [one, one]), {"attention_layer": layer}, ValueError, "exactly one layer per .* saw: 1 vs 2"),
        ((cell, one), {"cell_input_fn": 3}, TypeError, "cell_input_fn must be callable, saw type: int"),
    ]
    for arguments, options, error, match in wrong:
        with pytest.raises(error, match=match):
            contrib.AttentionWrapper(*arguments, **options)
    wrapper = contrib.AttentionWrapper(cell, one)
    with pytest.raises(TypeError, match=r"Expected state to be instance of AttentionWrapperState\. Received type"):
        wrapper(tf.zeros([B, X]), tf.zeros([B, U]))
    # as TensorFlow: time is not of the dtype of the rest
    with pytest.raises(ValueError, match="State has tensors of different inferred_dtypes"):
        tf.nn.dynamic_rnn(wrapper, tf.zeros([B, T, X]), initial_state=wrapper.zero_state(B, tf.float32))
