"""``tf.layers``: names and sharing of variables, values, regularizers, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _names() -> list[str]:
    return [v.name for v in tf.global_variables()]


def _collection(key: str) -> list[Any]:
    return tf.get_default_graph().get_collection(key)


REGULARIZATION = "regularization_losses"


# --- dense ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("shape", [[5, 3], [2, 4, 3], [2, 2, 4, 3], [0, 3]])
def test_dense_is_an_affine_map_of_the_last_dimension(session: Any, shape: list[int], use_bias: bool) -> None:
    x = tf.placeholder(tf.float64, [None, *shape[1:]])
    layer = tf.layers.Dense(2, activation=tf.tanh, use_bias=use_bias)
    y = layer(x)
    assert y.get_shape().as_list() == [None, *shape[1:-1], 2]
    session.run(tf.global_variables_initializer())
    kernel, bias = np.random.randn(3, 2), np.random.randn(2)
    layer.kernel.load(kernel)
    if use_bias:
        layer.bias.load(bias)
    else:
        assert layer.bias is None
    data = np.random.randn(*shape)
    np.testing.assert_allclose(session.run(y, {x: data}), np.tanh(data @ kernel + use_bias * bias), atol=1e-12)


def test_dense_names() -> None:
    x, cube = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None, None, 3])
    assert tf.layers.dense(x, 4).name == "dense/BiasAdd:0"
    assert tf.layers.dense(x, 4, activation=tf.nn.relu).name == "dense_1/Relu:0"
    assert tf.layers.dense(x, 4, use_bias=False).name == "dense_2/MatMul:0"
    assert tf.layers.dense(cube, 4, use_bias=False, name="cube").name == "cube/Tensordot:0"
    with tf.variable_scope("scope"):
        assert tf.layers.dense(x, 4).name == "scope/dense/BiasAdd:0"
    assert _names() == [
        "dense/kernel:0",
        "dense/bias:0",
        "dense_1/kernel:0",
        "dense_1/bias:0",
        "dense_2/kernel:0",
        "cube/kernel:0",
        "scope/dense/kernel:0",
        "scope/dense/bias:0",
    ]
    assert tf.trainable_variables() == tf.global_variables()


def test_a_name_is_taken_as_it_is_by_the_function_and_made_unique_by_the_class() -> None:
    x = tf.ones([2, 3])
    tf.layers.dense(x, 3, name="a")
    with pytest.raises(ValueError, match="Variable a/kernel already exists, disallowed"):
        tf.layers.dense(x, 3, name="a")
    tf.layers.Dense(3, name="a")(x)
    tf.layers.Dense(3, name="a")(x)
    assert [n for n in _names() if "kernel" in n] == ["a/kernel:0", "a_1/kernel:0", "a_2/kernel:0"]


def test_sharing(session: Any) -> None:
    x = tf.constant(np.random.randn(2, 3).astype("f"))
    outputs = [tf.layers.dense(x, 3, name="a"), tf.layers.dense(x, 3, name="a", reuse=True)]
    for _ in range(2):
        with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
            outputs.append(tf.layers.dense(x, 3, name="a"))
    layer = tf.layers.Dense(3)
    outputs += [layer(x), layer.apply(x)]
    assert len(tf.global_variables()) == 6
    session.run(tf.global_variables_initializer())
    values = session.run(outputs)
    for first, second in zip(values[::2], values[1::2], strict=True):
        np.testing.assert_array_equal(first, second)
    assert np.abs(values[0] - values[2]).max() > 1e-3
    assert [outputs[1].name, outputs[4].name, outputs[5].name] == [
        "a_1/BiasAdd:0",
        "dense/BiasAdd:0",
        "dense/BiasAdd_1:0",
    ]


def test_reuse_of_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="Variable a/kernel does not exist"):
        tf.layers.dense(tf.ones([2, 3]), 3, name="a", reuse=True)


def test_what_a_layer_says_of_itself() -> None:
    layer = tf.layers.Dense(4)
    with pytest.raises(ValueError, match="scope name is determined the first time"):
        _ = layer.scope_name
    with pytest.raises(ValueError, match="has not been called yet"):
        layer.count_params()
    assert not layer.built
    assert layer.compute_output_shape([None, 5, 3]).as_list() == [None, 5, 4]
    with tf.variable_scope("s"):
        layer(tf.ones([2, 3], tf.float64))
    assert layer.built
    assert (layer.name, layer.scope_name, layer.dtype) == ("dense_1", "s/dense", tf.float64)
    assert layer.count_params() == 16
    assert layer.variables == layer.weights == layer.trainable_variables == [layer.kernel, layer.bias]
    assert layer.non_trainable_variables == []
    assert tf.layers.Dense(4).name == "dense_2"
    assert tf.layers.Dense(4, name="mine").name == "mine"


def test_not_trainable() -> None:
    layer = tf.layers.Dense(4, trainable=False)
    layer(tf.ones([2, 3]))
    assert tf.trainable_variables() == []
    assert layer.trainable_weights == []
    assert layer.non_trainable_weights == [layer.kernel, layer.bias]


def test_initializers(session: Any) -> None:
    x = tf.ones([2, 3])
    tf.layers.dense(x, 2, kernel_initializer=tf.constant_initializer(0.5), bias_initializer="ones", name="a")
    tf.layers.dense(x, 2, kernel_initializer="zeros", name="b")
    with tf.variable_scope("c", initializer=tf.constant_initializer(7.0)):
        tf.layers.dense(x, 2)
    tf.layers.dense(x, 200, name="d")
    session.run(tf.global_variables_initializer())
    got = {v.op.name: session.run(v) for v in tf.global_variables()}
    assert (got["a/kernel"] == 0.5).all()
    assert (got["a/bias"] == 1).all()
    assert not got["b/kernel"].any()
    assert not got["b/bias"].any()
    # the scope's initializer is the kernel's default, and not the bias's
    assert (got["c/dense/kernel"] == 7).all()
    assert not got["c/dense/bias"].any()
    limit = np.sqrt(6 / 203)  # Glorot
    assert 0.9 * limit < np.abs(got["d/kernel"]).max() <= limit
    with pytest.raises(ValueError, match="Unknown initializer: 'nought'"):
        tf.layers.dense(x, 2, kernel_initializer="nought")


def test_activations_by_name(session: Any) -> None:
    x = tf.constant([[-1.0, 2.0]])
    layer = tf.layers.Dense(2, "relu", kernel_initializer="identity")
    y = layer(x)
    session.run(tf.global_variables_initializer())
    assert session.run(y).tolist() == [[0.0, 2.0]]
    with pytest.raises(ValueError, match="Unknown activation function: 'sinus'"):
        tf.layers.dense(x, 2, activation="sinus")


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (lambda: tf.ones([3]), ValueError, "Input 0 of layer dense_1 .* expected min_ndim=2, found ndim=1"),
        (lambda: tf.placeholder(tf.float32, [2, None]), ValueError, "last dimension .* should be defined"),
        (lambda: tf.placeholder(tf.float32), ValueError, "requires a defined rank"),
        (lambda: tf.ones([2, 3], tf.int32), TypeError, "non-floating point dtype int32"),
        (lambda: [tf.ones([2, 3])] * 2, ValueError, "expects 1 inputs, but it received 2"),
    ],
)
def test_dense_refuses(inputs: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tf.layers.dense(inputs(), 4)


def test_another_width_at_the_second_call() -> None:
    layer = tf.layers.Dense(4)
    layer(tf.ones([2, 3]))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        layer(tf.ones([2, 5]))


def test_unknown_keyword() -> None:
    with pytest.raises(TypeError, match="Keyword argument not understood: neurons"):
        tf.layers.Dense(4, neurons=5)


def test_numpy_input(session: Any) -> None:
    y = tf.layers.dense(np.ones([2, 3], "f"), 4, kernel_initializer="ones")
    session.run(tf.global_variables_initializer())
    assert session.run(y).tolist() == [[3.0] * 4] * 2


# --- regularizers -----------------------------------------------------------------------------------------------------


def test_regularizers(session: Any) -> None:
    x = tf.ones([4, 3])
    with tf.variable_scope("s", regularizer=lambda v: 100 * tf.nn.l2_loss(v)):
        layer = tf.layers.Dense(
            2,
            kernel_initializer="ones",
            bias_initializer="ones",
            kernel_regularizer=tf.nn.l2_loss,
            bias_regularizer=lambda v: tf.reduce_sum(v),
            activity_regularizer=lambda y: tf.reduce_sum(y),
        )
        layer(x)
        layer(x)  # the variables' losses are there once, the activity's twice
    session.run(tf.global_variables_initializer())
    assert sorted(session.run(layer.losses)) == [2.0, 3.0, 8.0, 8.0]
    # the scope's regularizer acts besides the layer's own
    assert sorted(session.run(_collection(REGULARIZATION))) == [2.0, 3.0, 8.0, 8.0, 100.0, 300.0]
    assert session.run(tf.losses.get_regularization_loss()) == pytest.approx(421.0)


def test_no_regularization_loss_for_shared_variables() -> None:
    x = tf.ones([4, 3])
    tf.layers.dense(x, 3, name="a", kernel_regularizer=tf.nn.l2_loss)
    tf.layers.dense(x, 3, name="a", kernel_regularizer=tf.nn.l2_loss, reuse=True)
    assert [loss.name for loss in _collection(REGULARIZATION)] == ["a/kernel/Regularizer/L2Loss:0"]


# --- flatten ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("static", "real", "known"),
    [
        ([None, 3, 4], [2, 3, 4], [None, 12]),
        ([2, None, 4], [2, 3, 4], [2, None]),
        ([None, 3, 4], [0, 3, 4], [None, 12]),
        ([None], [2], [None, 1]),
        (None, [2, 3, 4], [None, None]),
        ([2, 3], [2, 3], [2, 3]),
    ],
)
def test_flatten(session: Any, static: Any, real: list[int], known: Any) -> None:
    if static is None:
        with pytest.raises(ValueError, match="defined rank"):
            tf.layers.flatten(tf.placeholder(tf.float32))
        return
    x = tf.placeholder(tf.float32, static)
    y = tf.layers.flatten(x)
    assert y.get_shape().as_list() == known
    data = np.random.randn(*real).astype("f")
    np.testing.assert_array_equal(session.run(y, {x: data}), data.reshape(real[0], int(np.prod(real[1:]))))


def test_flatten_channels_first(session: Any) -> None:
    data = np.random.randn(2, 3, 4, 5).astype("f")
    y = session.run(tf.layers.flatten(tf.constant(data), data_format="channels_first"))
    np.testing.assert_array_equal(y, data.transpose(0, 2, 3, 1).reshape(2, -1))


# --- convolution and pooling ------------------------------------------------------------------------------------------


def _torch_conv(x: Any, kernel: Any, bias: Any, **options: Any) -> Any:
    """Torch's convolution of channels-last numpy arrays."""
    rank = x.ndim - 2
    images = torch.from_numpy(np.moveaxis(x, -1, 1))
    weights = torch.from_numpy(np.moveaxis(kernel, [-1, -2], [0, 1]).copy())
    function = [functional.conv1d, functional.conv2d][rank - 1]
    return np.moveaxis(function(images, weights, torch.from_numpy(bias), **options).numpy(), 1, -1)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("rank", [1, 2])
def test_convolution_layers(session: Any, rank: int, first: bool) -> None:
    shape = [*[2, 9, 8][: rank + 1], 3]
    data = np.random.randn(*shape)
    fed = np.moveaxis(data, -1, 1) if first else data
    x = tf.placeholder(tf.float64, [None, *fed.shape[1:]])
    layer = [tf.layers.Conv1D, tf.layers.Conv2D][rank - 1](
        4,
        3,
        strides=2,
        data_format="channels_first" if first else "channels_last",
        activation=tf.nn.relu,
        bias_initializer=tf.constant_initializer(0.1),
    )
    y = layer(x)
    session.run(tf.global_variables_initializer())
    kernel, bias = session.run([layer.kernel, layer.bias])
    assert kernel.shape == (*[3] * rank, 3, 4)
    want = np.maximum(_torch_conv(data, kernel, bias, stride=2), 0)
    got = session.run(y, {x: fed})
    assert y.get_shape().as_list()[1:] == list(got.shape[1:])
    assert layer.compute_output_shape(x.get_shape()).as_list() == y.get_shape().as_list()
    np.testing.assert_allclose(np.moveaxis(got, 1, -1) if first else got, want, atol=1e-12)


def test_convolution_names() -> None:
    image, steps = tf.placeholder(tf.float32, [None, 8, 8, 1]), tf.placeholder(tf.float32, [None, 8, 1])
    made = [
        tf.layers.conv2d(image, 2, 3),
        tf.layers.conv2d(image, 2, 3, activation=tf.nn.relu),
        tf.layers.conv1d(steps, 2, 3, name="c"),
        tf.layers.conv2d_transpose(image, 2, 3, 2),
        tf.layers.max_pooling2d(image, 2, 2),
        tf.layers.average_pooling2d(image, 2, 2),
        tf.layers.max_pooling1d(steps, 2, 2),
        tf.layers.average_pooling1d(steps, 2, 2),
    ]
    assert [t.name for t in made] == [
        "conv2d/BiasAdd:0",
        "conv2d_1/Relu:0",
        "c/BiasAdd:0",
        "conv2d_transpose/BiasAdd:0",
        "max_pooling2d/MaxPool:0",
        "average_pooling2d/AvgPool:0",
        "max_pooling1d/Squeeze:0",
        "average_pooling1d/Squeeze:0",
    ]
    assert [n for n in _names() if "kernel" in n] == [
        "conv2d/kernel:0",
        "conv2d_1/kernel:0",
        "c/kernel:0",
        "conv2d_transpose/kernel:0",
    ]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transposed_convolution_undoes_the_sizes(session: Any, stride: int, padding: str, first: bool) -> None:
    shape = [2, 3, 4, 5] if first else [2, 4, 5, 3]
    x = tf.placeholder(tf.float32, [None] * 4)
    x.set_shape([None, 3, None, None] if first else [None, None, None, 3])
    layout = "channels_first" if first else "channels_last"
    layer = tf.layers.Conv2DTranspose(2, 3, stride, padding, layout)
    y = layer(x)
    session.run(tf.global_variables_initializer())
    got = session.run(y, {x: np.ones(shape)})
    sizes = [n * stride + (max(3 - stride, 0) if padding == "valid" else 0) for n in (4, 5)]
    assert list(got.shape) == ([2, 2, *sizes] if first else [2, *sizes, 2])
    assert layer.compute_output_shape(shape).as_list() == list(got.shape)


@pytest.mark.parametrize("first", [False, True])
def test_pooling_of_sequences_is_that_of_thin_images(session: Any, first: bool) -> None:
    data = np.random.randn(2, 7, 3).astype("f")
    x = tf.constant(data.transpose(0, 2, 1) if first else data)
    layout = "channels_first" if first else "channels_last"
    for name in ("max", "average"):
        thin = getattr(tf.layers, f"{name}_pooling2d")(tf.constant(data[:, :, None]), (3, 1), (2, 1), "same")
        layer = getattr(tf.layers, f"{name.capitalize().replace('Avg', 'Average')}Pooling1D")(3, 2, "same", layout)
        y = layer(x)
        assert layer.compute_output_shape(x.get_shape()).as_list() == y.get_shape().as_list()
        want, got = session.run([thin, y])
        np.testing.assert_array_equal(got.transpose(0, 2, 1) if first else got, want[:, :, 0])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: tf.layers.conv2d(x[0], 2, 3), "expected ndim=4, found ndim=3"),
        (lambda x: tf.layers.conv2d(x, 2, 3, padding="full"), '"valid", "same". Received: full'),
        (lambda x: tf.layers.conv2d(x, 2, 3, data_format="NHWC"), "data_format"),
        (lambda x: tf.layers.conv2d(x, 2, [3, 3, 3]), "`kernel_size` argument must be a tuple of 2 integers"),
        (lambda x: tf.layers.conv1d(x[0], 2, 2.5), "`kernel_size` argument|iterable"),
        (lambda x: tf.layers.conv2d(tf.placeholder(tf.float32, [1, 4, 4, None]), 2, 3), "channel dimension"),
        (lambda x: tf.layers.max_pooling2d(x, 9, 1), "Negative dimension size"),
    ],
)
def test_convolution_refuses(build: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        build(tf.ones([1, 4, 4, 2]))


def test_missing_layer_is_named() -> None:
    with pytest.raises(AttributeError, match=r"tf.layers.Dens is not available.*tf.layers.Dense"):
        tf.layers.Dens  # noqa: B018


# --- all together -----------------------------------------------------------------------------------------------------


def test_a_small_network_learns(session: Any) -> None:
    tf.set_random_seed(0)
    x, y = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.int64, [None])
    hidden = tf.layers.dense(x, 16, activation=tf.nn.relu)
    logits = tf.layers.dense(tf.layers.dropout(hidden, 0.1, training=True), 2)
    loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
    step = tf.train.AdamOptimizer(0.02).minimize(loss)
    correct = tf.reduce_mean(tf.cast(tf.nn.in_top_k(logits, y, 1), tf.float32))
    data = np.random.randn(200, 2)
    classes = (data[:, 0] * data[:, 1] > 0).astype("int64")  # not linearly separable
    session.run(tf.global_variables_initializer())
    for _ in range(150):
        session.run(step, {x: data, y: classes})
    assert session.run(correct, {x: data, y: classes}) > 0.9
