"""``tf.contrib.cudnn_rnn``: the layers against ``torch.nn``, whose parameters in a row are cuDNN's buffer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import dynrnn.tf1

tf: Any = dynrnn.tf1
cudnn: Any = tf.contrib.cudnn_rnn
T, B, D, N = 5, 3, 4, 2
LENGTHS = [5, 1, 3]

LAYERS: dict[str, Any] = {
    "CudnnLSTM": torch.nn.LSTM,
    "CudnnGRU": torch.nn.GRU,
    "CudnnRNNTanh": torch.nn.RNN,
    "CudnnRNNRelu": lambda *args, **kwargs: torch.nn.RNN(*args, nonlinearity="relu", **kwargs),
}


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def flat_weights(layer: torch.nn.RNNBase) -> list[torch.Tensor]:
    """Parameters in cuDNN's order: all matrices, layer by layer and direction by direction, then all biases."""
    names = [name for name, _ in layer.named_parameters()]
    order = [n for n in names if n.startswith("weight")] + [n for n in names if n.startswith("bias")]
    return [layer.get_parameter(name) for name in order]


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["all", "lengths"])
@pytest.mark.parametrize("time_major", [True, False], ids=["time-major", "batch-major"])
@pytest.mark.parametrize("both_ways", [False, True], ids=["forwards", "both-ways"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", LAYERS)
def test_numbers_are_torchs(
    kind: str, num_layers: int, both_ways: bool, time_major: bool, lengths: list[int] | None, session: Any
) -> None:
    other = LAYERS[kind](D, N, num_layers, bidirectional=both_ways).double()
    weights = flat_weights(other)
    directions = 2 if both_ways else 1
    x = torch.from_numpy(numbers(T, B, D)).requires_grad_()
    states = [
        torch.from_numpy(numbers(num_layers * directions, B, N, seed=9 + i)).requires_grad_()
        for i in range(2 if kind == "CudnnLSTM" else 1)
    ]
    fed: Any = x
    if lengths is not None:
        fed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    want, final = other(fed, tuple(states) if len(states) == 2 else states[0])
    if lengths is not None:
        want, _ = torch.nn.utils.rnn.pad_packed_sequence(want, total_length=T)
    finals = list(final) if len(states) == 2 else [final]
    total = sum((leaf * leaf + 0.5 * leaf).sum() for leaf in (want, *finals))
    want_grads = torch.autograd.grad(total, [x, *states, *weights])

    def turned(array: Any) -> Any:
        return array if time_major else np.swapaxes(array, 0, 1)

    layer = getattr(cudnn, kind)(
        num_layers, N, direction="bidirectional" if both_ways else "unidirectional", dtype=tf.float64
    )
    inputs = tf.constant(turned(x.detach().numpy()))
    initial = tuple(tf.constant(turned(s.detach().numpy())) for s in states)
    outputs, state = layer(inputs, initial, lengths, time_major)
    assert isinstance(state, tuple)
    assert len(state) == len(states)
    (kernel,) = layer.trainable_variables
    kernel.load(torch.cat([w.detach().reshape(-1) for w in weights]).numpy(), session)
    loss = tf.add_n([tf.reduce_sum(leaf * leaf + 0.5 * leaf) for leaf in (outputs, *state)])
    grads = tf.gradients(loss, [inputs, *initial, kernel])
    got, got_state, got_grads = session.run([outputs, state, grads])
    np.testing.assert_allclose(turned(got), want.detach(), atol=1e-12)
    for one, two in zip(got_state, finals, strict=True):
        np.testing.assert_allclose(turned(one), two.detach(), atol=1e-12)
    for one, two in zip(got_grads[:-1], want_grads, strict=False):
        np.testing.assert_allclose(turned(one), two, atol=1e-12)
    joined = torch.cat([g.reshape(-1) for g in want_grads[1 + len(states) :]])
    np.testing.assert_allclose(got_grads[-1], joined, atol=1e-12)
    assert outputs.shape.as_list() == [*(turned(np.zeros([T, B])).shape), directions * N]


def test_variables_and_what_a_layer_says_of_itself(session: Any) -> None:
    layer = cudnn.CudnnLSTM(2, N, direction="bidirectional")
    with pytest.raises(ValueError, match="'input_size' is unknown"):
        layer.input_size  # noqa: B018
    with pytest.raises(RuntimeError, match="before input shape is known"):
        layer.canonical_weight_shapes  # noqa: B018
    outputs, state = layer(tf.zeros([T, B, D]), training=False)
    assert [v.name for v in tf.trainable_variables()] == ["cudnn_lstm/opaque_kernel:0"]
    assert (layer.num_layers, layer.num_units, layer.num_dirs, layer.input_size) == (2, N, 2, D)
    assert (layer.rnn_mode, layer.direction, layer.input_mode) == ("lstm", "bidirectional", "linear_input")
    assert layer.canonical_weight_shapes == ([(N, D)] * 4 + [(N, N)] * 4) * 2 + ([(N, 2 * N)] * 4 + [(N, N)] * 4) * 2
    assert layer.canonical_bias_shapes == [[N]] * 32
    assert layer.state_shape(7) == ([4, 7, N], [4, 7, N])
    session.run(tf.global_variables_initializer())
    kernel = session.run(layer.kernel)
    assert kernel.size == sum(np.prod(s) for s in layer.canonical_weight_shapes) + 32 * N
    assert (kernel[-32 * N :] == 0).all()
    assert 0 < np.abs(kernel[: -32 * N]).max() <= np.sqrt(6 / (N + N))
    again, _ = layer(tf.zeros([T, B, D]))
    assert len(tf.global_variables()) == 1
    cudnn.CudnnGRU(1, N, name="mine")(tf.zeros([T, B, D]))
    assert tf.global_variables()[-1].name == "mine/opaque_kernel:0"
    assert again.shape.as_list() == outputs.shape.as_list() == [T, B, 2 * N]
    assert [s.shape.as_list() for s in state] == [[4, B, N]] * 2


def test_initializers(session: Any) -> None:
    layer = cudnn.CudnnRNNTanh(
        1, N, kernel_initializer=tf.constant_initializer(0.5), bias_initializer=tf.constant_initializer(-1.0)
    )
    layer(tf.zeros([T, B, D]))
    session.run(tf.global_variables_initializer())
    assert session.run(layer.kernel).tolist() == [0.5] * (N * D + N * N) + [-1.0] * (2 * N)


def test_dropout_between_layers(session: Any) -> None:
    x = tf.constant(numbers(T, B, D).astype(np.float32))
    layer = cudnn.CudnnGRU(2, 64, dropout=0.5, seed=3)
    trained, _ = layer(x, training=True)
    plain, _ = layer(x, training=False)
    switch = tf.placeholder_with_default(False, [])
    switched, _ = layer(x, training=switch)
    one, _ = cudnn.CudnnGRU(1, 64, dropout=0.5)(x)
    session.run(tf.global_variables_initializer())
    first, second = session.run(trained), session.run(trained)
    assert not np.array_equal(first, second)
    off = session.run(plain)
    assert not np.allclose(first, off)
    np.testing.assert_array_equal(off, session.run(switched))
    assert not np.allclose(off, session.run(switched, {switch: True}))
    np.testing.assert_array_equal(session.run(one), session.run(one))
    assert layer.kernel is not None


@pytest.mark.parametrize("time_major", [True, False])
def test_zero_state_and_unknown_batch(time_major: bool, session: Any) -> None:
    x = tf.placeholder(tf.float32, [None, None, D])
    layer = cudnn.CudnnLSTM(1, N)
    outputs, (h, c) = layer(x, time_major=time_major)
    zeros = tf.zeros([1, B, N] if time_major else [B, 1, N])
    same, _ = layer(x, (zeros, zeros), time_major=time_major)
    session.run(tf.global_variables_initializer())
    array = numbers(*((T, B, D) if time_major else (B, T, D)))
    first, second, hs = session.run([outputs, same, h], {x: array})
    np.testing.assert_array_equal(first, second)
    assert hs.shape == ((1, B, N) if time_major else (B, 1, N))
    assert c.shape.ndims == 3


def test_a_row_of_length_zero_keeps_its_state(session: Any) -> None:
    layer = cudnn.CudnnGRU(1, N, direction="bidirectional")
    start = numbers(2, B, N).astype(np.float32)
    outputs, (state,) = layer(tf.ones([T, B, D]), (tf.constant(start),), sequence_lengths=[0, 2, 5])
    session.run(tf.global_variables_initializer())
    ys, final = session.run([outputs, state])
    assert (ys[:, 0] == 0).all()
    assert (ys[2:, 1] == 0).all()
    assert (ys[:2, 1] != 0).all()
    np.testing.assert_array_equal(final[:, 0], start[:, 0])


def test_refusals() -> None:
    with pytest.raises(ValueError, match="Invalid direction: sideways, expecting unidirectional or bidirectional"):
        cudnn.CudnnLSTM(1, N, direction="sideways")
    with pytest.raises(ValueError, match="Invalid input_mode: no, expect one of"):
        cudnn.CudnnLSTM(1, N, input_mode="no")
    with pytest.raises(ValueError, match="Only support float16, float32, float64, provided"):
        cudnn.CudnnLSTM(1, N, dtype=tf.int32)
    with pytest.raises(ValueError, match="dropout to be between 0 and 1"):
        cudnn.CudnnLSTM(1, N, dropout=1.5)
    with pytest.raises(ValueError, match="num_layers to be at least 1"):
        cudnn.CudnnLSTM(0, N)
    with pytest.raises(NotImplementedError, match="skip_input"):
        cudnn.CudnnLSTM(1, D, input_mode="skip_input")(tf.zeros([T, B, D]))
    with pytest.raises(NotImplementedError, match="auto_select"):
        cudnn.CudnnLSTM(1, D, input_mode="auto_select")(tf.zeros([T, B, D]))
    cudnn.CudnnLSTM(1, N, input_mode="auto_select")(tf.zeros([T, B, D]))
    with pytest.raises(ValueError, match="Expecting input_shape with 3 dims, got 2"):
        cudnn.CudnnLSTM(1, N)(tf.zeros([B, D]))
    with pytest.raises(ValueError, match="last dimension of the inputs to `CudnnRNN` should be defined"):
        cudnn.CudnnLSTM(1, N)(tf.placeholder(tf.float32, [T, B, None]))
    layer = cudnn.CudnnLSTM(1, N)
    with pytest.raises(TypeError, match="Invalid initial_state type"):
        layer(tf.zeros([T, B, D]), [tf.zeros([1, B, N])] * 2)
    with pytest.raises(ValueError, match="tuple with length 2, got 1"):
        layer(tf.zeros([T, B, D]), (tf.zeros([1, B, N]),))
    layer(tf.zeros([T, B, D]))
    with pytest.raises(ValueError, match="incompatible with the layer"):
        layer(tf.zeros([T, B, D + 1]))


def test_the_compatible_cells_take_the_layers_weights(session: Any) -> None:
    """By `dynrnn.cells.cudnn`: opaque to canonical to the kernels of cells under ``dynamic_rnn``."""
    from dynrnn.cells import cudnn as weights

    x = tf.constant(numbers(T, B, D).astype(np.float32))
    for kind, mode, make in (
        ("CudnnLSTM", "lstm", cudnn.CudnnCompatibleLSTMCell),
        ("CudnnGRU", "gru", cudnn.CudnnCompatibleGRUCell),
    ):
        layer = getattr(cudnn, kind)(2, N, bias_initializer=tf.constant_initializer(0.25))
        outputs, _ = layer(x)
        cell = tf.nn.rnn_cell.MultiRNNCell([make(N) for _ in range(2)])
        with tf.variable_scope(kind):
            others, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, time_major=True)
        session.run(tf.global_variables_initializer())
        opaque = torch.from_numpy(np.array(session.run(layer.kernel)))
        matrices, biases = weights.opaque_to_canonical(opaque, mode, 2, N, D)
        each = 2 * weights.GATES[mode]
        for index in range(2):
            part = slice(index * each, (index + 1) * each)
            scope = f"{kind}/rnn/multi_rnn_cell/cell_{index}/cudnn_compatible_{mode}_cell/"
            for name, value in weights.canonical_to_cell(mode, matrices[part], biases[part]).items():
                (variable,) = [v for v in tf.global_variables() if v.op.name == scope + name]
                variable.load(value.numpy(), session)
        first, second = session.run([outputs, others])
        np.testing.assert_allclose(first, second, atol=1e-6)
