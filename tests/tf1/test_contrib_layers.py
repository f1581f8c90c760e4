"""``tf.contrib.layers``: names, arguments and values; TensorFlow 2 has none of it, so formulas in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf
from dynrnn.tf1.contrib import layers
from dynrnn.tf1.contrib.framework import arg_scope


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _names(key: str = "variables") -> list[str]:
    return [v.op.name for v in tf.get_default_graph().get_collection(key)]


def _initialised(session: Any) -> dict[str, Any]:
    session.run(tf.global_variables_initializer())
    return {v.op.name: session.run(v) for v in tf.global_variables()}


# --- fully connected --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [[4, 3], [2, 5, 3]])
def test_fully_connected(session: Any, shape: list[int]) -> None:
    data = np.random.randn(*shape).astype("f")
    outputs = [f(tf.constant(data), 2) for f in (layers.fully_connected, layers.linear, layers.relu)]
    w = _initialised(session)
    got = session.run(outputs)
    for value, scope, rectified in zip(
        got, ("fully_connected", "fully_connected_1", "fully_connected_2"), (True, False, True), strict=True
    ):
        want = data @ w[f"{scope}/weights"] + w[f"{scope}/biases"]
        np.testing.assert_allclose(value, np.maximum(want, 0) if rectified else want, rtol=1e-5, atol=1e-6)


def test_names_and_collections() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    made = layers.fully_connected(
        x,
        2,
        variables_collections={"weights": ["w"]},
        outputs_collections="outputs",
        weights_regularizer=layers.l2_regularizer(0.1),
    )
    assert made.name == "fully_connected/Relu:0"
    assert layers.linear(x, 2, scope="s").name == "s/BiasAdd:0"
    both = ["fully_connected/weights", "fully_connected/biases", "s/weights", "s/biases"]
    assert _names() == _names("trainable_variables") == _names("model_variables") == both
    assert _names("w") == both[:1]
    graph = tf.get_default_graph()
    assert graph.get_collection("outputs") == [made]
    assert [t.name for t in graph.get_collection("regularization_losses")] == [
        "fully_connected/kernel/Regularizer/l2_regularizer:0"
    ]
    with pytest.raises(ValueError, match="Variable s/weights already exists"):
        layers.linear(x, 2, scope="s")
    layers.linear(x, 2, scope="s", reuse=True)
    layers.linear(x, 2, scope="frozen", trainable=False, variables_collections=["all"])
    assert _names("all") == ["frozen/weights", "frozen/biases"]
    assert _names("trainable_variables") == both


def test_without_biases_and_with_a_normalizer(session: Any) -> None:
    x = tf.constant(np.random.randn(20, 3).astype("f"))
    layers.linear(x, 2, biases_initializer=None, scope="none")
    normed = layers.linear(x, 2, normalizer_fn=layers.batch_norm, normalizer_params={"decay": 0.5}, scope="norm")
    assert _names() == [
        "none/weights",
        "norm/weights",
        "norm/BatchNorm/beta",
        "norm/BatchNorm/moving_mean",
        "norm/BatchNorm/moving_variance",
    ]
    session.run(tf.global_variables_initializer())
    np.testing.assert_allclose(session.run(normed).mean(0), [0, 0], atol=1e-5)


def test_arg_scope() -> None:
    x = tf.ones([2, 3])
    with arg_scope([layers.fully_connected], activation_fn=tf.tanh, biases_initializer=None):
        assert layers.fully_connected(x, 2).op.type == "Tanh"
        assert layers.fully_connected(x, 2, activation_fn=None).op.type == "MatMul"
    assert layers.fully_connected(x, 2).op.type == "Relu"


def test_number_of_outputs_must_be_one() -> None:
    with pytest.raises(ValueError, match="num_outputs type"):
        layers.fully_connected(tf.ones([2, 3]), 2.5)
    assert layers.fully_connected(tf.ones([2, 3]), np.int64(2)).get_shape().as_list() == [2, 2]


# --- images -----------------------------------------------------------------------------------------------------------


def test_images(session: Any) -> None:
    x = tf.constant(np.random.randn(2, 6, 6, 3).astype("f"))
    y = layers.conv2d(x, 4, [3, 3], stride=2)
    plain = layers.convolution2d(x, 4, 3, padding="VALID", activation_fn=None, scope="c")
    pools = [layers.max_pool2d(x, 2), layers.avg_pool2d(x, [2, 2], stride=1, padding="SAME")]
    assert (y.name, plain.name) == ("Conv/Relu:0", "c/BiasAdd:0")
    assert [t.get_shape().as_list() for t in (y, plain, *pools)] == [
        [2, 3, 3, 4],
        [2, 4, 4, 4],
        [2, 3, 3, 3],
        [2, 6, 6, 3],
    ]
    assert _names("model_variables") == ["Conv/weights", "Conv/biases", "c/weights", "c/biases"]
    session.run(tf.global_variables_initializer())
    core = [
        tf.nn.conv2d(x, tf.global_variables()[0], 2, "SAME"),
        tf.nn.max_pool(x, 2, 2, "VALID"),
        tf.nn.avg_pool(x, 2, 1, "SAME"),
    ]
    got, want = session.run([[y, *pools], core])
    np.testing.assert_allclose(got[0], np.maximum(want[0], 0))
    np.testing.assert_array_equal(got[1], want[1])
    np.testing.assert_array_equal(got[2], want[2])
    with pytest.raises(ValueError, match="Invalid data_format"):
        layers.conv2d(x, 4, 3, data_format="channels_last")


# --- norms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [1, -1, 2])
def test_layer_norm(session: Any, begin: int) -> None:
    data = np.random.randn(2, 4, 3) * 3 + 1
    y = layers.layer_norm(tf.constant(data), begin_norm_axis=begin, begin_params_axis=-1)
    assert _names() == ["LayerNorm/beta", "LayerNorm/gamma"]
    session.run(tf.global_variables_initializer())
    beta, gamma = np.random.randn(2, 3)
    for variable, value in zip(tf.global_variables(), (beta, gamma), strict=True):
        variable.load(value)
    axes = (1, 2) if begin == 1 else (2,)
    want = (data - data.mean(axes, keepdims=True)) / np.sqrt(data.var(axes, keepdims=True) + 1e-12) * gamma + beta
    np.testing.assert_allclose(session.run(y), want)


def test_layer_norm_options(session: Any) -> None:
    x = tf.constant(np.random.randn(2, 3, 4).astype("f"))
    assert layers.layer_norm(x, center=False, activation_fn=tf.nn.relu, scope="n").op.type == "Relu"
    layers.layer_norm(x, scale=False, scope="m", begin_params_axis=1)
    layers.layer_norm(x, scope="n", center=False, reuse=True)
    assert [(v.op.name, v.get_shape().as_list()) for v in tf.global_variables()] == [
        ("n/gamma", [4]),
        ("m/beta", [3, 4]),
    ]
    with pytest.raises(ValueError, match="must be < rank"):
        layers.layer_norm(x, begin_norm_axis=3)
    with pytest.raises(ValueError, match="not fully defined"):
        layers.layer_norm(tf.placeholder(tf.float32, [None, None]))
    with pytest.raises(ValueError, match="undefined rank"):
        layers.layer_norm(tf.placeholder(tf.float32))


@pytest.mark.parametrize("collections", ["update_ops", "mine", None])
@pytest.mark.parametrize("fed", [False, True])
@pytest.mark.parametrize(("shape", "unbiased"), [([6, 3], True), ([2, 4, 3], False), ([2, 4, 5, 3], True)])
def test_batch_norm(session: Any, shape: list[int], unbiased: bool, fed: bool, collections: Any) -> None:
    """Matrices too go through TensorFlow's fused kernel, whose variance for the average is unbiased."""
    x = tf.placeholder(tf.float32, [None, *shape[1:]])
    training: Any = tf.placeholder(tf.bool, []) if fed else True
    y = layers.batch_norm(x, decay=0.75, scale=True, is_training=training, updates_collections=collections)
    assert y.get_shape().as_list() == [None, *shape[1:]]
    updates = tf.get_default_graph().get_collection(collections or "update_ops")
    assert len(updates) == (2 if collections else 0)
    assert sorted(_names()) == [f"BatchNorm/{n}" for n in ("beta", "gamma", "moving_mean", "moving_variance")]
    assert sorted(_names("trainable_variables")) == ["BatchNorm/beta", "BatchNorm/gamma"]
    session.run(tf.global_variables_initializer())
    mean, variance = np.zeros(3), np.ones(3)
    axes = tuple(range(len(shape) - 1))
    for _ in range(2):
        data = np.random.randn(*shape) * 2 + 1
        got = session.run([y, *updates], {x: data, **({training: True} if fed else {})})[0]
        np.testing.assert_allclose(got, (data - data.mean(axes)) / np.sqrt(data.var(axes) + 1e-3), rtol=1e-3, atol=1e-5)
        count = data.size // 3
        mean += 0.25 * (data.mean(axes) - mean)
        variance += 0.25 * (data.var(axes) * (count / (count - 1) if unbiased else 1) - variance)
    found = {v.op.name.split("/")[-1]: session.run(v) for v in tf.global_variables()}
    np.testing.assert_allclose(found["moving_mean"], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["moving_variance"], variance, rtol=1e-4)
    if fed:
        got = session.run([y, *updates], {x: data, training: False})[0]
        np.testing.assert_allclose(got, (data - mean) / np.sqrt(variance + 1e-3), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(session.run(tf.global_variables()[-1]), found["moving_variance"], rtol=1e-6)


def test_batch_norm_of_matrices_channels_first(session: Any) -> None:
    data = np.random.randn(6, 3).astype("f")
    y = layers.batch_norm(tf.constant(data), data_format="NCHW")
    session.run(tf.global_variables_initializer())
    np.testing.assert_allclose(
        session.run(y), (data - data.mean(0)) / np.sqrt(data.var(0) + 1e-3), rtol=1e-3, atol=1e-5
    )


def test_batch_norm_channels_first_and_inference(session: Any) -> None:
    data = np.random.randn(2, 3, 4, 5).astype("f")
    x = tf.constant(data)
    y = layers.batch_norm(x, data_format="NCHW", updates_collections=None)
    still = layers.batch_norm(x, is_training=False, scope="still", updates_collections="none", data_format="NCHW")
    assert tf.get_default_graph().get_collection("none") == []
    session.run(tf.global_variables_initializer())
    mean, variance = (m.reshape(1, 3, 1, 1) for m in (data.mean((0, 2, 3)), data.var((0, 2, 3))))
    np.testing.assert_allclose(session.run(y), (data - mean) / np.sqrt(variance + 1e-3), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(session.run(still), data / np.sqrt(1.001), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"batch_weights": [1.0, 1.0]}, NotImplementedError),
        ({"zero_debias_moving_mean": True}, NotImplementedError),
        ({"renorm": True}, NotImplementedError),
        ({"data_format": "channels_last"}, ValueError),
    ],
)
def test_batch_norm_refuses(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options)) if error is NotImplementedError else "NCHW or NHWC"):
        layers.batch_norm(tf.ones([2, 3]), **options)


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_dropout(session: Any) -> None:
    x = tf.ones([1000])
    y, still = layers.dropout(x, 0.8), layers.dropout(x, 0.8, is_training=False)
    # the layer's scope is opened inside as "Dropout/Dropout", and letter case does not distinguish names
    assert (y.name, still.name) == ("Dropout/dropout_1/mul_1:0", "Dropout_1/Identity:0")
    assert set(np.unique(session.run(y))) == {0.0, np.float32(1.25)}
    assert (session.run(still) == 1).all()


def test_flatten_and_one_hot(session: Any) -> None:
    x = tf.placeholder(tf.float32, [None, 3, 4])
    flat = layers.flatten(x, outputs_collections=["a", "b"])
    assert flat.name == "Flatten/flatten/Reshape:0"
    assert flat.get_shape().as_list() == [None, 12]
    assert tf.get_default_graph().get_collection("a") == tf.get_default_graph().get_collection("b") == [flat]
    for dtype in ("int32", "int64"):
        codes = layers.one_hot_encoding(tf.constant([2, 0], dtype), 3, on_value=5.0, off_value=-1.0)
        assert session.run(codes).tolist() == [[-1, -1, 5], [5, -1, -1]]


@pytest.mark.parametrize("unique", [False, True])
def test_embed_sequence(session: Any, unique: bool) -> None:
    ids = tf.placeholder(tf.int32, [None, 3])
    y = layers.embed_sequence(ids, 5, 2, unique=unique, scope="e")
    again = layers.embed_sequence(ids, scope="e", reuse=True)
    assert y.get_shape().as_list() == [None, 3, 2]
    table = _initialised(session)
    assert list(table) == ["e/embeddings"]
    for got in session.run([y, again], {ids: [[0, 4, 4]]}):
        np.testing.assert_array_equal(got, table["e/embeddings"][[[0, 4, 4]]])
    assert layers.embed_sequence(ids, 5, 2).name.startswith("EmbedSequence/")
    with pytest.raises(ValueError, match="Must specify vocab size"):
        layers.embed_sequence(ids, vocab_size=5)


SHAPES: list[tuple[list[int], float, float]] = [([300, 100], 300, 100), ([3, 3, 20, 30], 180, 270), ([500], 500, 500)]


@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), SHAPES)
@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("mode", ["FAN_IN", "FAN_OUT", "FAN_AVG"])
def test_variance_scaling(
    session: Any, mode: str, uniform: bool, shape: list[int], fan_in: float, fan_out: float
) -> None:
    made = layers.variance_scaling_initializer(3.0, mode, uniform, seed=1)(shape)
    value = session.run(made)
    n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2}[mode]
    bound = np.sqrt(3 * 3.0 / n) if uniform else 2 * np.sqrt(1.3 * 3.0 / n)
    assert 0.85 * bound < np.abs(value).max() <= bound * (1 + 1e-6)
    # a normal cut at two standard deviations keeps 0.7737 of its variance
    variance = 3.0 / n if uniform else 1.3 * 3.0 / n * 0.7737
    assert value.var() == pytest.approx(variance, rel=6 / np.sqrt(value.size))


def test_xavier(session: Any) -> None:
    w = tf.get_variable("w", [200, 100], initializer=layers.xavier_initializer())
    conv = tf.get_variable("c", [3, 3, 10, 20], initializer=layers.xavier_initializer_conv2d(uniform=False))
    session.run(tf.global_variables_initializer())
    assert np.abs(session.run(w)).max() <= np.sqrt(6 / 300)
    assert session.run(w).var() == pytest.approx(2 / 300, rel=0.05)
    assert np.abs(session.run(conv)).max() <= 2 * np.sqrt(1.3 * 2 / 270)
    with pytest.raises(TypeError, match="non-floating point"):
        layers.xavier_initializer(dtype=tf.int32)
    with pytest.raises(TypeError, match="Unknown mode FAN"):
        layers.variance_scaling_initializer(mode="FAN")


def test_regularizers(session: Any) -> None:
    w = tf.constant([1.0, -2.0, 3.0])
    cases = {
        layers.l1_regularizer(0.5): 3.0,
        layers.l2_regularizer(0.5): 3.5,
        layers.l1_l2_regularizer(0.5, 1.0): 10.0,
        layers.sum_regularizer([layers.l1_regularizer(1.0), None, layers.l2_regularizer(1.0)]): 13.0,
    }
    for regularizer, want in cases.items():
        assert session.run(regularizer(w)) == want
    assert layers.l1_regularizer(0.5)(w).name == "l1_regularizer_1:0"
    assert layers.l2_regularizer(0.0)(w) is None
    assert layers.sum_regularizer([None]) is None
    assert layers.sum_regularizer([layers.l1_regularizer(0.0)])(w) is None
    for scale in (1, True):
        with pytest.raises(ValueError, match="scale cannot be an integer"):
            layers.l2_regularizer(scale)
    with pytest.raises(ValueError, match="less than 0"):
        layers.l1_regularizer(-0.5)


def test_apply_regularization(session: Any) -> None:
    weights = [tf.constant([1.0, 2.0]), tf.constant([3.0])]
    total = layers.apply_regularization(layers.l2_regularizer(2.0), weights)
    assert session.run(total) == 14.0
    assert tf.losses.get_regularization_losses() == [total]
    assert session.run(layers.apply_regularization(layers.l2_regularizer(0.0), weights)) == 0.0
    with pytest.raises(ValueError, match="No weights to regularize"):
        layers.apply_regularization(layers.l2_regularizer(1.0))
    with pytest.raises(ValueError, match="must return a scalar Tensor instead of a Tensor with rank 1"):
        layers.apply_regularization(lambda w: w, weights)
    tf.get_default_graph().add_to_collection("weights", weights[1])
    assert session.run(layers.apply_regularization(layers.l1_regularizer(1.0))) == 3.0
