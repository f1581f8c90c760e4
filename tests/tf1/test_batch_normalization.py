"""Batch normalisation as a layer: moments of the batch, moving averages, their updates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _updates() -> list[Any]:
    return tf.get_default_graph().get_collection("update_ops")


def _moments(x: Any, axis: int, unbiased: bool) -> tuple[Any, Any]:
    axes = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    count = x.size // x.shape[axis]
    return x.mean(axes), x.var(axes) * (count / (count - 1) if unbiased else 1)


def _along(vector: Any, rank: int, axis: int) -> Any:
    return vector.reshape([-1 if i == axis % rank else 1 for i in range(rank)])


CASES = [
    ([6, 3], -1, False),
    ([2, 4, 3], -1, False),
    ([2, 3, 4], 1, False),
    ([2, 4, 5, 3], -1, True),
    ([2, 3, 4, 5], 1, True),
    ([2, 3, 4, 5], 2, False),
    ([2, 2, 2, 2, 3], -1, False),
]


@pytest.mark.parametrize("fed", [False, True])
@pytest.mark.parametrize(("shape", "axis", "unbiased"), CASES)
def test_values_and_moving_averages(session: Any, shape: list[int], axis: int, unbiased: bool, fed: bool) -> None:
    """For images the moving variance is that of TensorFlow's fused kernel, unbiased; else the biased one."""
    x = tf.placeholder(tf.float64, [None, *shape[1:]])
    training: Any = tf.placeholder(tf.bool, []) if fed else True
    y = tf.layers.batch_normalization(
        x,
        axis=axis,
        momentum=0.75,
        epsilon=0.01,
        training=training,
        beta_initializer=tf.constant_initializer(0.5),
        gamma_initializer=tf.constant_initializer(2.0),
    )
    assert y.get_shape().as_list() == x.get_shape().as_list()
    session.run(tf.global_variables_initializer())
    mean, variance = np.zeros(shape[axis]), np.ones(shape[axis])
    for step in range(3):
        data = np.random.randn(*shape) * (step + 1) + step
        got = session.run([y, *_updates()], {x: data, **({training: True} if fed else {})})[0]
        of_batch = _moments(data, axis, False)
        want = (data - _along(of_batch[0], len(shape), axis)) / np.sqrt(_along(of_batch[1], len(shape), axis) + 0.01)
        np.testing.assert_allclose(got, 2 * want + 0.5, rtol=1e-6, atol=1e-8)
        for average, new in zip((mean, variance), _moments(data, axis, unbiased), strict=True):
            average += 0.25 * (new - average)
    found = {v.op.name.split("/")[-1]: session.run(v) for v in tf.global_variables()}
    assert list(found) == ["gamma", "beta", "moving_mean", "moving_variance"]
    np.testing.assert_allclose(found["moving_mean"], mean)
    np.testing.assert_allclose(found["moving_variance"], variance)
    if fed:
        data = np.random.randn(*shape)
        got = session.run([y, *_updates()], {x: data, training: False})[0]
        want = (data - _along(mean, len(shape), axis)) / np.sqrt(_along(variance, len(shape), axis) + 0.01)
        np.testing.assert_allclose(got, 2 * want + 0.5, rtol=1e-6, atol=1e-8)
        again = {v.op.name.split("/")[-1]: session.run(v) for v in tf.global_variables()}
        np.testing.assert_allclose(again["moving_mean"], mean, err_msg="inference must not move the averages")
        np.testing.assert_allclose(again["moving_variance"], variance)


@pytest.mark.parametrize("shape", [[6, 3], [2, 4, 5, 3]])
def test_inference_uses_the_averages_and_updates_nothing(session: Any, shape: list[int]) -> None:
    x = np.random.randn(*shape).astype("f")
    y = tf.layers.batch_normalization(tf.constant(x), epsilon=0.5)
    assert _updates() == []
    session.run(tf.global_variables_initializer())
    np.testing.assert_allclose(session.run(y), x / np.sqrt(1.5), rtol=1e-5)


@pytest.mark.parametrize("shape", [[6, 3], [2, 4, 5, 3]])
def test_without_scale_and_offset(session: Any, shape: list[int]) -> None:
    y = tf.layers.batch_normalization(
        tf.constant(np.random.randn(*shape) * 5 + 2), center=False, scale=False, training=True
    )
    assert [v.op.name.split("/")[-1] for v in tf.global_variables()] == ["moving_mean", "moving_variance"]
    assert tf.trainable_variables() == []
    session.run(tf.global_variables_initializer())
    mean, variance = _moments(session.run(y), -1, False)
    np.testing.assert_allclose(mean, np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(variance, np.ones(3), rtol=1e-2)


def test_images_without_the_fused_kernel_have_the_biased_variance(session: Any) -> None:
    data = np.random.randn(2, 3, 4, 2)
    tf.layers.batch_normalization(tf.constant(data), training=True, fused=False, momentum=0.0)
    session.run(tf.global_variables_initializer())
    session.run(_updates())
    np.testing.assert_allclose(session.run(tf.global_variables()[-1]), _moments(data, -1, False)[1])


def test_names_and_collections() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    assert tf.layers.batch_normalization(x, training=True).name == "batch_normalization/batchnorm/add_1:0"
    assert [u.name for u in _updates()] == [
        "batch_normalization/AssignMovingAvg:0",
        "batch_normalization/AssignMovingAvg_1:0",
    ]
    image = tf.placeholder(tf.float32, [None, 4, 4, 3])
    assert tf.layers.batch_normalization(image, name="n").name == "n/FusedBatchNormV3:0"
    assert [v.op.name for v in tf.trainable_variables()] == [
        "batch_normalization/gamma",
        "batch_normalization/beta",
        "n/gamma",
        "n/beta",
    ]


def test_half_precision_keeps_parameters_in_single() -> None:
    y = tf.layers.batch_normalization(tf.ones([2, 3], tf.float16), training=True)
    assert y.dtype == tf.float16
    assert {v.dtype.base_dtype for v in tf.global_variables()} == {tf.float32}


def test_gradients_are_those_of_the_true_derivative(session: Any) -> None:
    for shape in ([6, 3], [2, 3, 1, 3]):
        with tf.variable_scope(f"rank{len(shape)}"):
            x = tf.placeholder(tf.float64, shape)
            y = tf.layers.batch_normalization(x, training=True, gamma_initializer=tf.constant_initializer(1.5))
            weights = tf.constant(np.arange(18.0).reshape(shape))
            total = tf.reduce_sum(weights * tf.square(y))
            gradient = tf.gradients(total, x)[0]
            session.run(tf.global_variables_initializer())
        data, direction = np.random.randn(2, *shape)
        slope = (session.run(gradient, {x: data}) * direction).sum()
        ends = [session.run(total, {x: data + step * direction}) for step in (1e-5, -1e-5)]
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"renorm": True}, NotImplementedError, "renorm"),
        ({"virtual_batch_size": 2}, NotImplementedError, "virtual_batch_size"),
        ({"axis": [1, 2]}, NotImplementedError, "one axis"),
        ({"axis": 5}, ValueError, "Invalid axis: 5"),
        ({"axis": 0}, ValueError, "undefined `axis` dimension"),
    ],
)
def test_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tf.layers.batch_normalization(tf.placeholder(tf.float32, [None, 3]), **options)


def test_unknown_rank_is_refused() -> None:
    with pytest.raises(ValueError, match="undefined rank"):
        tf.layers.batch_normalization(tf.placeholder(tf.float32))
