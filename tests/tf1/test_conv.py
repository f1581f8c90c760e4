"""Convolution and pooling against loops over windows; the transposed convolution as the adjoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_support import evaluate, value_and_gradients

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


def _windows(size: int, window: int, stride: int, padding: str, dilation: int = 1) -> list[list[int]]:
    """For each output the positions that its window covers; those outside [0, size) are padding."""
    extent = (window - 1) * dilation + 1
    if padding == "VALID":
        starts = range(0, size - extent + 1, stride)
    else:
        count = -(-size // stride)
        before = max((count - 1) * stride + extent - size, 0) // 2
        starts = range(-before, -before + count * stride, stride)
    return [[start + i * dilation for i in range(window)] for start in starts]


def _convolve(x: Any, w: Any, strides: Any, padding: str, dilations: Any = (1, 1)) -> Any:
    """``x`` [batch, height, width, in] with ``w`` [height, width, in, out], element by element."""
    rows = _windows(x.shape[1], w.shape[0], strides[0], padding, dilations[0])
    columns = _windows(x.shape[2], w.shape[1], strides[1], padding, dilations[1])
    y = np.zeros([x.shape[0], len(rows), len(columns), w.shape[3]])
    for i, window_rows in enumerate(rows):
        for j, window_columns in enumerate(columns):
            for a, row in enumerate(window_rows):
                for b, column in enumerate(window_columns):
                    if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                        y[:, i, j] += x[:, row, column] @ w[a, b]
    return y


def _pool(x: Any, window: Any, strides: Any, padding: str, reduce: Any) -> Any:
    rows = _windows(x.shape[1], window[0], strides[0], padding)
    columns = _windows(x.shape[2], window[1], strides[1], padding)
    y = np.zeros([x.shape[0], len(rows), len(columns), x.shape[3]])
    for i, window_rows in enumerate(rows):
        for j, window_columns in enumerate(columns):
            inside_rows = [r for r in window_rows if 0 <= r < x.shape[1]]
            inside_columns = [c for c in window_columns if 0 <= c < x.shape[2]]
            y[:, i, j] = reduce(x[:, inside_rows][:, :, inside_columns], (1, 2))
    return y


SIZES = st.tuples(st.integers(1, 7), st.integers(1, 7))
STEPS = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADDINGS = st.sampled_from(["SAME", "VALID"])


@given(SIZES, STEPS, STEPS, STEPS, PADDINGS)
@settings(max_examples=60)
def test_conv2d(size: Any, window: Any, strides: Any, dilations: Any, padding: str) -> None:
    if padding == "VALID":
        size = tuple(max(n, (k - 1) * d + 1) for n, k, d in zip(size, window, dilations, strict=True))
    x, w = np.random.randn(2, *size, 3), np.random.randn(*window, 3, 2)

    def convolve(x: Any, w: Any, **options: Any) -> Any:
        return tf.nn.conv2d(x, w, [1, *strides, 1], padding, dilations=[1, *dilations, 1], **options)

    want = _convolve(x, w, strides, padding, dilations)
    np.testing.assert_allclose(evaluate(convolve, x, w), want, atol=1e-12)
    known = convolve(tf.placeholder(tf.float64, [None, *size, 3]), tf.placeholder(tf.float64, w.shape))
    assert known.get_shape().as_list() == [None, *want.shape[1:]]


@given(SIZES, STEPS, STEPS, PADDINGS)
@settings(max_examples=40)
def test_pooling(size: Any, window: Any, strides: Any, padding: str) -> None:
    if padding == "VALID":
        size = tuple(max(n, k) for n, k in zip(size, window, strict=True))
    x = np.random.randn(2, *size, 3)
    largest, mean = evaluate(
        lambda x: [f(x, [1, *window, 1], [1, *strides, 1], padding) for f in (tf.nn.max_pool, tf.nn.avg_pool)], x
    )
    np.testing.assert_array_equal(largest, _pool(x, window, strides, padding, np.max))
    np.testing.assert_allclose(mean, _pool(x, window, strides, padding, np.mean), atol=1e-12)
    known = tf.nn.max_pool(tf.placeholder(tf.float64, [None, *size, 3]), window, strides, padding)
    assert known.get_shape().as_list() == [None, *largest.shape[1:]]


@given(SIZES, STEPS, STEPS, PADDINGS)
@settings(max_examples=40)
def test_transposed_convolution_is_the_adjoint(size: Any, window: Any, strides: Any, padding: str) -> None:
    if padding == "VALID":
        size = tuple(max(n, k) for n, k in zip(size, window, strict=True))
    x, w = np.random.randn(2, *size, 3), np.random.randn(*window, 3, 4)
    y = _convolve(x, w, strides, padding)
    z = np.random.randn(*y.shape)
    # <conv(x), z> = <x, transpose(z)> for all x and z
    back = evaluate(lambda z, w: tf.nn.conv2d_transpose(z, w, list(x.shape), [1, *strides, 1], padding), z, w)
    assert back.shape == x.shape
    assert (y * z).sum() == pytest.approx((x * back).sum())


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("name", ["conv2d", "depthwise_conv2d", "conv2d_transpose", "max_pool", "avg_pool"])
def test_channels_first_is_the_same_on_transposed_images(name: str, padding: str) -> None:
    x, w = np.random.randn(2, 5, 6, 3), np.random.randn(3, 2, 3, 3)
    last, first = [1, 2, 3, 1], [1, 1, 2, 3]

    def call(x: Any, w: Any, data_format: str) -> Any:
        function, strides = getattr(tf.nn, name), last if data_format == "NHWC" else first
        if "pool" in name:
            window = [1, 3, 2, 1] if data_format == "NHWC" else [1, 1, 3, 2]
            return function(x, window, strides, padding, data_format=data_format)
        if name == "conv2d_transpose":
            height, width = (10, 18) if padding == "SAME" else (11, 17)
            target = [2, height, width, 3] if data_format == "NHWC" else [2, 3, height, width]
            return function(x, w, target, strides, padding, data_format=data_format)
        return function(x, w, strides, padding, data_format=data_format)

    want = evaluate(lambda x, w: call(x, w, "NHWC"), x, w)
    got = evaluate(lambda x, w: call(x, w, "NCHW"), x.transpose(0, 3, 1, 2), w)
    np.testing.assert_allclose(got.transpose(0, 2, 3, 1), want, atol=1e-12)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("name", ["conv2d", "max_pool", "avg_pool"])
def test_gradients_by_differences_of_the_loops(name: str, padding: str) -> None:
    x, w = np.random.randn(1, 4, 5, 2), np.random.randn(3, 2, 2, 2)
    forms = {
        "conv2d": (
            lambda x, w: tf.nn.conv2d(x, w, [1, 2, 1, 1], padding),
            lambda x, w: _convolve(x, w, (2, 1), padding),
        ),
        "max_pool": (
            lambda x, w: tf.nn.max_pool(x, [1, 3, 2, 1], [1, 2, 1, 1], padding),
            lambda x, w: _pool(x, (3, 2), (2, 1), padding, np.max),
        ),
        "avg_pool": (
            lambda x, w: tf.nn.avg_pool(x, [1, 3, 2, 1], [1, 2, 1, 1], padding),
            lambda x, w: _pool(x, (3, 2), (2, 1), padding, np.mean),
        ),
    }
    function, loops = forms[name]
    value, gradients = value_and_gradients(function, x, w)
    weights = np.arange(1, value.size + 1).reshape(value.shape)
    for at, gradient in zip((x, w), gradients, strict=True):
        if gradient is None:
            continue
        direction = np.random.randn(*at.shape)
        ends = []
        for step in (1e-5, -1e-5):
            moved = [a + step * direction if a is at else a for a in (x, w)]
            ends.append((loops(*moved) * weights).sum())
        assert (gradient * direction).sum() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_of_equal_maxima_the_first_gets_the_gradient() -> None:
    _, (gradient,) = value_and_gradients(lambda x: tf.nn.max_pool(x, 2, 2, "VALID"), np.ones([1, 2, 2, 1]))
    assert gradient.ravel().tolist() == [1, 0, 0, 0]


def test_pooling_of_negative_numbers_and_of_integers() -> None:
    x = -np.ones([1, 3, 3, 1])
    largest, mean = evaluate(lambda x: (tf.nn.max_pool(x, 2, 2, "SAME"), tf.nn.avg_pool(x, 2, 2, "SAME")), x)
    assert (largest == -1).all()  # padding is no maximum,
    assert (mean == -1).all()  # and does not count in a mean


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_conv1d_is_conv2d_of_one_row(stride: int, padding: str) -> None:
    x, w = np.random.randn(2, 7, 3), np.random.randn(4, 3, 2)
    want = _convolve(x[:, None], w[None], (1, stride), padding)[:, 0]
    last, first, general = evaluate(
        lambda x, w: (
            tf.nn.conv1d(x, w, stride, padding),
            tf.nn.conv1d(tf.transpose(x, [0, 2, 1]), w, [stride], padding, data_format="NCW"),
            tf.nn.convolution(x, w, padding, strides=[stride]),
        ),
        *(x, w),
        shapes=[[None, None, 3], [4, 3, 2]],
    )
    np.testing.assert_allclose(last, want, atol=1e-12)
    np.testing.assert_allclose(first.transpose(0, 2, 1), want, atol=1e-12)
    np.testing.assert_allclose(general, want, atol=1e-12)


def test_convolution_of_images_with_dilation() -> None:
    x, w = np.random.randn(1, 6, 7, 2), np.random.randn(2, 3, 2, 2)
    got = evaluate(
        lambda x, w: tf.nn.convolution(x, w, "SAME", dilation_rate=[2, 1]), x, w, shapes=[[1, 6, 7, 2], [2, 3, 2, 2]]
    )
    np.testing.assert_allclose(got, _convolve(x, w, (1, 1), "SAME", (2, 1)), atol=1e-12)


def test_depthwise_convolves_each_channel_by_itself() -> None:
    x, w = np.random.randn(2, 5, 5, 3), np.random.randn(3, 3, 3, 2)
    got = evaluate(lambda x, w: tf.nn.depthwise_conv2d(x, w, [1, 2, 2, 1], "SAME"), x, w)
    for channel in range(3):
        alone = _convolve(x[..., [channel]], w[:, :, [channel]], (2, 2), "SAME")
        np.testing.assert_allclose(got[..., 2 * channel : 2 * channel + 2], alone, atol=1e-12)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_empty_batch(padding: str) -> None:
    x, w = np.ones([0, 5, 5, 2], "f"), np.ones([2, 2, 2, 3], "f")
    shapes = evaluate(
        lambda x, w: [tf.shape(tf.nn.conv2d(x, w, 1, padding)), tf.shape(tf.nn.max_pool(x, 2, 1, padding))], x, w
    )
    size = 5 if padding == "SAME" else 4
    assert [s.tolist() for s in shapes] == [[0, size, size, 3], [0, size, size, 2]]


def test_half_precision() -> None:
    x, w = np.random.randn(1, 4, 4, 2).astype("float16"), np.random.randn(2, 2, 2, 2).astype("float16")
    y, pooled = evaluate(lambda x, w: (tf.nn.conv2d(x, w, 1, "SAME"), tf.nn.avg_pool(x, 2, 1, "SAME")), x, w)
    assert y.dtype == pooled.dtype == np.float16
    np.testing.assert_allclose(y, _convolve(x.astype("d"), w.astype("d"), (1, 1), "SAME"), atol=0.02)


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x, w: tf.nn.conv2d(x[0], w, 1, "SAME"), "rank"),
        (lambda x, w: tf.nn.conv2d(x, w[:, :, :1], 1, "SAME", data_format="CHWN"), "data_format"),
        (lambda x, w: tf.nn.conv2d(x, w, 1, "same"), "padding.*'same'"),
        (lambda x, w: tf.nn.conv2d(x, w, 1, None), "padding"),
        (lambda x, w: tf.nn.conv2d(x, w, [2, 1, 1, 1], "SAME"), "strides must be 1 in the batch"),
        (lambda x, w: tf.nn.conv2d(x, w, [1, 2, 3], "SAME"), "strides must be an int or a list"),
        (lambda x, w: tf.nn.conv2d(x, w, 0, "SAME"), "strides must be positive"),
        (lambda x, w: tf.nn.conv2d(x, w[:, :, :2], 1, "SAME"), "Depth of input .3. is not a multiple"),
        (lambda x, w: tf.nn.conv2d(x, tf.ones([9, 1, 3, 1]), 1, "VALID"), "subtracting 9 from 5"),
        (lambda x, w: tf.nn.conv1d(x[0], w[0], [1, 2], "SAME"), "stride must be an int"),
        (lambda x, w: tf.nn.convolution(x[0, 0], w, "SAME"), "3 or 4 dimensions"),
        (lambda x, w: tf.nn.max_pool(x, 6, 1, "VALID"), "subtracting 6 from 5"),
        (lambda x, w: tf.nn.avg_pool(x, [1, 2, 2, 3], 1, "VALID"), "ksize must be 1 in the batch and channel"),
        (lambda x, w: tf.nn.depthwise_conv2d(x, w[:, :, :2], [1, 1, 1, 1], "SAME"), "must be equal, but are 3 and 2"),
        (lambda x, w: tf.nn.conv2d_transpose(x, w, [1, 5, 5, 9], 1), "does not match filter's output channels"),
        (lambda x, w: tf.nn.conv2d_transpose(x, w[..., :2], [1, 5, 5, 3], 1), "must be equal, but are 3 and 2"),
    ],
)
def test_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(tf.ones([1, 5, 5, 3]), tf.ones([2, 2, 3, 3]))


def test_refused_at_run_time() -> None:
    x, w = np.ones([1, 5, 5, 3], "f"), np.ones([2, 2, 2, 3], "f")
    with pytest.raises(tf.errors.InvalidArgumentError, match="Depth of input"):
        evaluate(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), x, w)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"output_shape \[1, 7, 5, 2\] does not fit"):
        evaluate(lambda x, w: tf.nn.conv2d_transpose(x, w, [1, 7, 5, 2], 1, "SAME"), x, w)
