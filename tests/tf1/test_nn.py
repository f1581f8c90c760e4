"""``tf.nn``: activations, affine maps, norms, the largest of many - against formulas in numpy and differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nn_support import evaluate, numeric_gradient, value_and_gradients
from torch.nn import functional

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543773
SLOPE = float(np.float32(0.2))  # TensorFlow keeps it in float32

FORMULAS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x: np.where(x > 0, x, SLOPE * x),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)),
    "tanh": np.tanh,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    "crelu": lambda x: np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], -1),
}
TOLERANCE = {"float16": 4e-3, "float32": 1e-6, "float64": 1e-12}


# --- activations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", FORMULAS)
def test_activation_is_its_formula(name: str, dtype: str) -> None:
    x = np.random.uniform(-8, 8, [3, 5]).astype(dtype)
    y = evaluate(getattr(tf.nn, name), x)
    assert y.dtype == dtype
    want = FORMULAS[name](x.astype("float64"))
    np.testing.assert_allclose(y, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * np.abs(want).max())


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_derivative_is_that_of_its_formula(name: str) -> None:
    x = np.random.uniform(-8, 8, [3, 4])
    _, (gradient,) = value_and_gradients(getattr(tf.nn, name), x)
    np.testing.assert_allclose(gradient, numeric_gradient(FORMULAS[name], x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "at", "slope"),
    [
        ("relu", 0.0, 0.0),
        ("relu6", 0.0, 0.0),
        ("relu6", 6.0, 0.0),
        ("elu", 0.0, 1.0),
        ("selu", 0.0, SELU_SCALE),
        ("leaky_relu", 0.0, SLOPE),
        ("softsign", 0.0, 1.0),
        ("softplus", 0.0, 0.5),
    ],
)
def test_slope_where_there_are_two(name: str, at: float, slope: float) -> None:
    _, (gradient,) = value_and_gradients(getattr(tf.nn, name), np.array([at]))
    assert gradient[0] == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_extremes_neither_overflow_nor_poison_the_derivative(name: str) -> None:
    x = np.array([[-1e4, 1e4, 0.5]], "float32")
    value, (gradient,) = value_and_gradients(getattr(tf.nn, name), x)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", [n for n in FORMULAS if n != "crelu"])
def test_activation_keeps_what_is_known_of_the_shape(name: str) -> None:
    function = getattr(tf.nn, name)
    assert function(tf.placeholder(tf.float32, [None, 4])).get_shape().as_list() == [None, 4]
    assert function(tf.placeholder(tf.float32)).get_shape().ndims is None


def test_crelu_doubles_the_axis() -> None:
    assert tf.nn.crelu(tf.placeholder(tf.float32, [None, 4])).get_shape().as_list() == [None, 8]
    assert tf.nn.crelu(tf.placeholder(tf.float32, [None, 4]), axis=0).get_shape().as_list() == [None, 4]


def test_integers_where_tensorflow_takes_them() -> None:
    x = np.array([-3, 0, 5], "int32")
    relu, leaky = evaluate(lambda x: (tf.nn.relu(x), tf.nn.leaky_relu(x, 0.5)), x)
    assert relu.dtype == np.int32
    assert relu.tolist() == [0, 0, 5]
    assert leaky.dtype == np.float32
    assert leaky.tolist() == [-1.5, 0.0, 5.0]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softplus", "elu", "l2_loss"])
def test_integers_are_refused_elsewhere(name: str) -> None:
    with pytest.raises(TypeError, match="has DataType int32 not in list of allowed values"):
        getattr(tf.nn, name)(tf.constant([1, 2]))


def test_leaky_relu_with_a_fed_factor() -> None:
    got = evaluate(tf.nn.leaky_relu, np.array([-2.0, 3.0], "f"), np.array(0.25, "f"))
    assert got.tolist() == [-0.5, 3.0]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_along_every_axis(name: str, axis: int) -> None:
    x = np.random.randn(2, 3, 4)
    want = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    for call in (lambda x: getattr(tf.nn, name)(x, axis), lambda x: getattr(tf.nn, name)(x, dim=axis)):
        np.testing.assert_allclose(evaluate(call, x), want if name == "softmax" else np.log(want), rtol=1e-12)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_refuses(name: str) -> None:
    function = getattr(tf.nn, name)
    with pytest.raises(ValueError, match="at least rank 1"):
        function(tf.constant(1.0))
    with pytest.raises(ValueError, match=r"in the range \[-2, 2\)"):
        function(tf.ones([2, 3]), axis=2)
    with pytest.raises(ValueError, match="both 'axis' and 'dim'"):
        function(tf.ones([2, 3]), axis=1, dim=1)


TORCH_FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "relu": (torch.relu, "Relu"),
    "functional.relu": (functional.relu, "Relu"),
    "relu6": (functional.relu6, "Relu6"),
    "selu": (torch.selu, "Selu"),
    "functional.selu": (functional.selu, "Selu"),
    "elu": (functional.elu, "Elu"),
    "elu of 2": (lambda x: functional.elu(x, 2.0), "Add"),
    "leaky_relu": (functional.leaky_relu, "LeakyRelu"),
    "softplus": (functional.softplus, "Softplus"),
    "softplus of 2": (lambda x: functional.softplus(x, 2.0), "RealDiv"),
    "softsign": (functional.softsign, "Softsign"),
    "softmax": (lambda x: torch.softmax(x, 0), "Softmax"),
    "softmax to double": (lambda x: torch.softmax(x, 1, dtype=torch.float64), "Softmax"),
    "functional.softmax": (lambda x: functional.softmax(x, dim=-1), "Softmax"),
    "log_softmax": (lambda x: torch.log_softmax(x, 1), "LogSoftmax"),
    "functional.log_softmax": (lambda x: functional.log_softmax(x, 0), "LogSoftmax"),
}


@pytest.mark.parametrize("name", TORCH_FUNCTIONS)
def test_torch_function_on_a_graph_tensor_makes_tensorflows_operation(name: str) -> None:
    function, op_type = TORCH_FUNCTIONS[name]
    x = np.random.randn(3, 4).astype("f") * 3
    assert function(tf.placeholder(tf.float32, [3, 4])).op.type == op_type
    want = function(torch.from_numpy(x)).numpy()
    got = evaluate(function, x)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


# --- affine -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_bias_along_the_channels(rank: int) -> None:
    x = np.random.randn(*range(2, 2 + rank))
    last, second = np.random.randn(x.shape[-1]), np.random.randn(x.shape[1])
    got = evaluate(
        lambda x, a, b: (tf.nn.bias_add(x, a), tf.nn.bias_add(x, a, "NHWC"), tf.nn.bias_add(x, b, data_format="NCHW")),
        x,
        last,
        second,
    )
    np.testing.assert_array_equal(got[0], x + last)
    np.testing.assert_array_equal(got[1], x + last)
    np.testing.assert_array_equal(got[2], x + second.reshape([-1] + [1] * (rank - 2)))


def test_bias_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="Dimensions must be equal, but are 3 and 4"):
        tf.nn.bias_add(tf.ones([2, 3]), tf.ones([4]))
    with pytest.raises(ValueError, match="at least rank 2 but is rank 1"):
        tf.nn.bias_add(tf.ones([3]), tf.ones([3]))
    with pytest.raises(ValueError, match="data_format"):
        tf.nn.bias_add(tf.ones([2, 3]), tf.ones([3]), data_format="HW")
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many biases"):
        evaluate(tf.nn.bias_add, np.ones([2, 3], "f"), np.ones([4], "f"))


def test_bias_tells_the_width() -> None:
    assert tf.nn.bias_add(tf.placeholder(tf.float32, [None, None]), tf.ones([4])).get_shape().as_list() == [None, 4]


def test_affine_maps() -> None:
    x, w, b = np.random.randn(3, 4), np.random.randn(4, 2), np.random.randn(2)
    plain, rectified = evaluate(lambda x, w, b: (tf.nn.xw_plus_b(x, w, b), tf.nn.relu_layer(x, w, b)), x, w, b)
    np.testing.assert_allclose(plain, x @ w + b)
    np.testing.assert_allclose(rectified, np.maximum(x @ w + b, 0))


# --- norms ------------------------------------------------------------------------------------------------------------


@given(hnp.arrays("float64", hnp.array_shapes(min_dims=0, max_dims=3, min_side=0), elements=st.floats(-10, 10)))
@settings(max_examples=30)
def test_l2_loss_is_half_the_sum_of_squares(x: Any) -> None:
    assert evaluate(tf.nn.l2_loss, x) == pytest.approx((x * x).sum() / 2)


def test_l2_normalize() -> None:
    x = np.random.randn(2, 3, 4)
    x[0, 0] = 0
    for axis in (0, 2, -1, [0, 1], [0, 1, 2], None):
        dims = tuple(axis) if isinstance(axis, list) else axis
        norm = np.sqrt(np.maximum((x * x).sum(dims, keepdims=True), 1e-12))
        np.testing.assert_allclose(evaluate(lambda x, a=axis: tf.nn.l2_normalize(x, a), x), x / norm)
    np.testing.assert_allclose(evaluate(lambda x: tf.nn.l2_normalize(x, dim=1, epsilon=100.0), x), x / 10)


def test_zero_fraction() -> None:
    assert evaluate(tf.nn.zero_fraction, np.array([0, 3, 0, 0])) == np.float32(0.75)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", [[0], [1], [0, 1], [0, 1, 2], [-1]])
def test_moments(axes: list[int], keep: bool) -> None:
    x = np.random.randn(2, 3, 4)
    mean, variance = evaluate(lambda x: tf.nn.moments(x, axes, keep_dims=keep), x)
    np.testing.assert_allclose(mean, x.mean(tuple(axes), keepdims=keep))
    np.testing.assert_allclose(variance, x.var(tuple(axes), keepdims=keep))


def test_moments_of_half_precision_are_computed_in_single() -> None:
    x = np.array([400.0] + [0.0] * 7, "float16")
    mean, variance = evaluate(lambda x: tf.nn.moments(x, [0]), x)
    assert mean.dtype == variance.dtype == np.float16
    assert (mean, variance) == (50.0, 17504.0)  # 350 ** 2 is more than float16 holds


def test_derivative_of_moments() -> None:
    x = np.random.randn(4, 3)

    def together(axis: Any, x: Any) -> Any:
        return np.concatenate([x.mean(axis), x.var(axis)])

    _, (gradient,) = value_and_gradients(lambda x: tf.concat(list(tf.nn.moments(x, [0])), 0), x)
    np.testing.assert_allclose(gradient, numeric_gradient(lambda x: together(0, x), x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_batch_normalization(scale: bool, offset: bool) -> None:
    x, mean, beta, gamma = np.random.randn(5, 3), *np.random.randn(3, 3)
    variance = np.random.rand(3) + 0.1
    want = (x - mean) / np.sqrt(variance + 0.01) * (gamma if scale else 1) + (beta if offset else 0)
    got = evaluate(
        lambda x, m, v, b, g: tf.nn.batch_normalization(x, m, v, b if offset else None, g if scale else None, 0.01),
        *(x, mean, variance, beta, gamma),
    )
    np.testing.assert_allclose(got, want)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_fused_batch_norm(layout: str) -> None:
    x, gamma, beta = np.random.randn(2, 3, 4, 5), np.random.randn(5), np.random.randn(5)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    fed = x if layout == "NHWC" else x.transpose(0, 3, 1, 2)
    y, got_mean, got_variance = evaluate(
        lambda x, g, b: tf.nn.fused_batch_norm(x, g, b, data_format=layout), fed, gamma, beta
    )
    want = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    np.testing.assert_allclose(y if layout == "NHWC" else y.transpose(0, 2, 3, 1), want)
    np.testing.assert_allclose(got_mean, mean)
    np.testing.assert_allclose(got_variance, variance * 24 / 23)  # unbiased
    given_moments = evaluate(
        lambda x, g, b, m, v: tf.nn.fused_batch_norm(x, g, b, m, v, data_format=layout, is_training=False)[0],
        *(fed, gamma, beta, mean + 1, variance * 2),
    )
    want = (x - mean - 1) / np.sqrt(variance * 2 + 1e-3) * gamma + beta
    np.testing.assert_allclose(given_moments if layout == "NHWC" else given_moments.transpose(0, 2, 3, 1), want)


def test_fused_batch_norm_of_one_pixel_and_of_half_precision() -> None:
    ones = np.ones(2, "f")
    y, mean, variance = evaluate(tf.nn.fused_batch_norm, np.array([[[[3.0, 5.0]]]], "f"), ones, ones)
    assert (mean.tolist(), variance.tolist()) == ([3.0, 5.0], [0.0, 0.0])
    np.testing.assert_allclose(y, np.ones([1, 1, 1, 2]), rtol=1e-5)
    y, mean, _ = evaluate(tf.nn.fused_batch_norm, np.random.randn(2, 2, 2, 2).astype("float16"), ones, ones)
    assert (y.dtype, mean.dtype) == (np.float16, np.float32)


def test_fused_batch_norm_needs_moments_when_not_training() -> None:
    with pytest.raises(ValueError, match="when is_training is False"):
        tf.nn.fused_batch_norm(tf.ones([1, 2, 2, 3]), tf.ones([3]), tf.ones([3]), is_training=False)
    with pytest.raises(ValueError, match="data_format"):
        tf.nn.fused_batch_norm(tf.ones([1, 2, 2, 3]), tf.ones([3]), tf.ones([3]), data_format="CHWN")


# --- the largest ------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=60)
def test_top_k_is_a_stable_sort(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))
    # few different numbers, so that most are equal to others
    x = data.draw(hnp.arrays("float32", shape, elements=st.sampled_from([0.0, 1.0, 2.0, -np.inf])))
    k = data.draw(st.integers(0, shape[-1]))
    values, indices = evaluate(lambda x: tuple(tf.nn.top_k(x, k)), x)
    order = np.argsort(-x, -1, kind="stable")[..., :k]
    assert indices.dtype == np.int32
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, -1))


def test_top_k_gradient_goes_to_the_chosen() -> None:
    x = np.array([[1.0, 5, 5, 0], [2, 2, 2, 2]])
    _, (gradient,) = value_and_gradients(lambda x: tf.nn.top_k(x, 2).values, x)
    assert gradient.tolist() == [[0, 1, 2, 0], [3, 4, 0, 0]]


def test_top_k_shapes_and_errors() -> None:
    top = tf.nn.top_k(tf.placeholder(tf.float32, [None, 4]), 3)
    assert top.values.get_shape().as_list() == top.indices.get_shape().as_list() == [None, 3]
    fed = tf.nn.top_k(tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.int32, []))
    assert fed.values.get_shape().as_list() == [None, None]
    with pytest.raises(ValueError, match="last dimension >= k = 5 but is 4"):
        tf.nn.top_k(tf.ones([2, 4]), 5)
    with pytest.raises(ValueError, match="k >= 0"):
        tf.nn.top_k(tf.ones([2, 4]), -1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"at least k columns. Had 2, needed 3"):
        evaluate(lambda x: tuple(tf.nn.top_k(x, 3)), np.ones([1, 2], "f"))


@given(st.data())
@settings(max_examples=40)
def test_in_top_k_counts_what_is_larger(data: Any) -> None:
    rows, classes = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    elements = st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan, np.inf])
    x = data.draw(hnp.arrays("float32", (rows, classes), elements=elements))
    targets = data.draw(hnp.arrays("int32", rows, elements=st.integers(-1, classes)))
    k = data.draw(st.integers(0, 3))
    want = [
        bool(0 <= t < classes and np.isfinite(row).all() and (row > row[t]).sum() < k)
        for row, t in zip(x, targets, strict=True)
    ]
    assert evaluate(lambda x, t: tf.nn.in_top_k(x, t, k), x, targets).tolist() == want


def test_missing_symbol_is_named() -> None:
    with pytest.raises(AttributeError, match=r"tf.nn.relu7 is not available.*tf.nn.relu6"):
        tf.nn.relu7  # noqa: B018
