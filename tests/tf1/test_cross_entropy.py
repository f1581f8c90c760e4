"""The cross entropies of ``tf.nn`` against torch's, and where TensorFlow's derivative is another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nn_support import evaluate, numeric_gradient, placeholders, value_and_gradients
from torch.nn import functional

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


def _softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _v1(labels: Any, logits: Any, **options: Any) -> Any:
    return tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits, **options)


def _v2(labels: Any, logits: Any, **options: Any) -> Any:
    return tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, **options)


def _sparse(labels: Any, logits: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _weights(shape: Any) -> Any:
    """What `value_and_gradients` multiplies each element by."""
    return np.arange(1, np.prod(shape, dtype=int) + 1).reshape(shape)


# --- dense labels -----------------------------------------------------------------------------------------------------


@given(hnp.arrays("float64", st.tuples(st.integers(0, 4), st.integers(1, 5)), elements=st.floats(-50, 50)))
@settings(max_examples=40)
def test_probabilities_as_torch(logits: Any) -> None:
    labels = _softmax(np.sin(logits))
    want = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels), reduction="none")
    for function in (_v1, _v2):
        np.testing.assert_allclose(evaluate(function, labels, logits), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("function", [_v1, _v2])
def test_axis(function: Any, axis: int) -> None:
    labels, logits = _softmax(np.random.randn(2, 3, 4), axis), np.random.randn(2, 3, 4)
    want = -(labels * np.log(_softmax(logits, axis))).sum(axis)
    np.testing.assert_allclose(evaluate(lambda y, x: function(y, x, axis=axis), labels, logits), want)
    np.testing.assert_allclose(evaluate(lambda y, x: function(y, x, dim=axis), labels, logits), want)


ROWS = np.array([[0.0, 0, 0, 0], [1, 1, 0, 0], [0.25, 0, 0.25, 0], [0.1, 0.2, 0.3, 0.4]])


def test_derivative_by_logits_supposes_labels_that_sum_to_1() -> None:
    logits = np.random.randn(4, 4)
    _, (by_labels, by_logits) = value_and_gradients(_v2, ROWS, logits)
    row_weights = _weights([4])[:, None]
    np.testing.assert_allclose(by_logits, row_weights * (_softmax(logits) - ROWS))
    np.testing.assert_allclose(by_labels, -row_weights * np.log(_softmax(logits)))
    # for the last row, which sums to 1, it is the true derivative
    true = numeric_gradient(lambda x: -(ROWS * np.log(_softmax(x))).sum(-1), logits)
    np.testing.assert_allclose(by_logits[3], true[3], rtol=1e-6)
    assert np.abs(by_logits[0] - true[0]).max() > 0.1


def test_first_version_has_no_gradient_to_the_labels() -> None:
    _, (by_labels, by_logits) = value_and_gradients(_v1, ROWS, np.zeros([4, 4]))
    assert by_labels is None
    assert by_logits is not None


def test_second_derivative() -> None:
    labels, logits = ROWS[3:], np.random.randn(1, 4)

    def slope(y: Any, x: Any) -> Any:
        return tf.gradients(_v2(y, x), x)[0]

    _, (_, second) = value_and_gradients(slope, labels, logits)
    np.testing.assert_allclose(second, numeric_gradient(lambda x: _softmax(x) - labels, logits), rtol=1e-6, atol=1e-9)


def test_labels_are_cast_and_broadcast() -> None:
    logits = np.random.randn(3, 4).astype("f")
    want = -np.log(_softmax(logits)[:, 1])
    np.testing.assert_allclose(evaluate(_v2, np.array([[0, 1, 0, 0]] * 3), logits), want, rtol=1e-5)
    got, (_, by_logits) = value_and_gradients(_v2, np.array([[0.0, 1, 0, 0]]), logits)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert by_logits.shape == (3, 4)


def test_half_precision_is_computed_in_single() -> None:
    logits = np.array([[12.0, 0, 0]], "float16")
    loss = evaluate(_v2, np.array([[1.0, 0, 0]], "float16"), logits)
    assert loss.dtype == np.float16
    assert loss[0] == pytest.approx(2 * np.exp(-12.0), rel=0.02)  # in float16 arithmetic it would be 0


def test_large_logits_do_not_overflow() -> None:
    loss, (_, gradient) = value_and_gradients(_v2, np.array([[0.0, 1]], "f"), np.array([[1000, -1000]], "f"))
    assert loss.tolist() == [2000.0]
    assert gradient.tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("function", [_v1, _v2])
def test_static_shapes(function: Any) -> None:
    def shape(*shapes: Any) -> Any:
        return function(*(tf.placeholder(tf.float32, s) for s in shapes)).get_shape()

    assert shape([None, 4], [None, 4]).as_list() == [None]
    assert shape([3, 4], [None, 4]).as_list() == [3]
    assert shape([None, 2, 4], [5, None, 4]).as_list() == [5, 2]
    assert shape([None, 4], None).ndims is None
    first = function(tf.placeholder(tf.float32, [3, None, 5]), tf.placeholder(tf.float32, [3, None, 5]), axis=0)
    assert first.get_shape().as_list() == [None, 5]
    with pytest.raises(ValueError, match="Dimensions must be equal, but are 5 and 4"):
        shape([None, 5], [None, 4])
    with pytest.raises(ValueError, match="out of range"):
        function(tf.ones([2, 3]), tf.ones([2, 3]), axis=2)


def test_shapes_that_do_not_fit_at_run_time() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be broadcastable"):
        evaluate(_v2, np.ones([2, 3], "f"), np.ones([2, 4], "f"))


# --- class numbers ----------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=40)
def test_class_numbers_as_torch(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3, min_side=0))
    classes = data.draw(st.integers(1, 5))
    dtype = data.draw(st.sampled_from(["int32", "int64"]))
    labels = data.draw(hnp.arrays(dtype, shape, elements=st.integers(0, classes - 1)))
    logits = data.draw(hnp.arrays("float64", (*shape, classes), elements=st.floats(-30, 30)))
    flat = torch.from_numpy(logits.reshape(-1, classes)), torch.from_numpy(labels.reshape(-1)).long()
    want = functional.cross_entropy(*flat, reduction="none").reshape(shape)
    np.testing.assert_allclose(evaluate(_sparse, labels, logits), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [[3], [2, 3], [2, 1, 3]])
def test_class_numbers_gradient(shape: list[int]) -> None:
    labels, logits = np.random.randint(0, 4, shape), np.random.randn(*shape, 4)
    _, (gradient,) = value_and_gradients(_sparse, labels, logits)
    np.testing.assert_allclose(
        gradient, _weights(shape)[..., None] * (_softmax(logits) - np.eye(4)[labels]), atol=1e-12
    )


def test_class_numbers_in_half_precision() -> None:
    loss = evaluate(_sparse, np.array([0]), np.array([[12.0, 0, 0]], "float16"))
    assert loss.dtype == np.float16
    assert loss[0] == pytest.approx(2 * np.exp(-12.0), rel=0.02)


@pytest.mark.parametrize("wrong", [-1, 3, 100])
def test_class_number_out_of_range(wrong: int) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"label value of {wrong} which is outside .*\[0, 3\)"):
        evaluate(_sparse, np.array([0, wrong]), np.ones([2, 3], "f"))


def test_class_numbers_static_shapes_and_errors() -> None:
    def build(labels: Any, logits: Any, dtype: Any = tf.int32) -> Any:
        return _sparse(tf.placeholder(dtype, labels), tf.placeholder(tf.float32, logits))

    assert build([None], [7, 4]).get_shape().as_list() == [7]
    assert build([None, 2], [7, None, 4]).get_shape().as_list() == [7, 2]
    assert build([5], None).get_shape().as_list() == [5]
    assert build(None, [None, None, 4]).get_shape().as_list() == [None, None]
    with pytest.raises(ValueError, match=r"Rank mismatch.*received 2.*received 2"):
        build([None, 1], [None, 4])
    with pytest.raises(ValueError, match="Shape mismatch"):
        build([3], [2, 4])
    with pytest.raises(ValueError, match="Logits cannot be scalars"):
        build([], [])
    with pytest.raises(TypeError, match="not in list of allowed values: int32, int64"):
        build([2], [2, 4], tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="same first dimension"):
        evaluate(_sparse, np.array([0, 1, 2]), np.ones([2, 3], "f"))


# --- sigmoid ----------------------------------------------------------------------------------------------------------


def _sigmoid(labels: Any, logits: Any) -> Any:
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)


SIDES = np.array([0.0, -0.0, 1e-3, -1e-3, 30, -30, 1000, -1000])


@pytest.mark.parametrize("label", [0.0, 1.0, 0.25])
def test_sigmoid(label: float) -> None:
    labels = np.full(SIDES.shape, label)
    value, (by_labels, by_logits) = value_and_gradients(_sigmoid, labels, SIDES)
    want = functional.binary_cross_entropy_with_logits(torch.tensor(SIDES), torch.tensor(labels), reduction="none")
    np.testing.assert_allclose(value, want, rtol=1e-12, atol=1e-12)
    probability = 1 / (1 + np.exp(-np.clip(SIDES, -700, 700)))
    np.testing.assert_allclose(by_logits, _weights([8]) * (probability - labels), atol=1e-12)
    np.testing.assert_allclose(by_labels, _weights([8]) * -SIDES)


@pytest.mark.parametrize("weight", [0.5, 1.0, 4.0])
def test_weighted_sigmoid(weight: float) -> None:
    labels, logits = np.random.rand(3, 4), np.random.randn(3, 4) * 5
    got, (_, gradient) = value_and_gradients(
        lambda z, x: tf.nn.weighted_cross_entropy_with_logits(z, x, weight), labels, logits
    )
    x = torch.tensor(logits, requires_grad=True)
    want = functional.binary_cross_entropy_with_logits(
        x, torch.tensor(labels), reduction="none", pos_weight=torch.tensor(weight, dtype=torch.float64)
    )
    np.testing.assert_allclose(got, want.detach(), rtol=1e-12)
    (want * torch.from_numpy(_weights([3, 4]))).sum().backward()
    np.testing.assert_allclose(gradient, x.grad, rtol=1e-10)  # type: ignore[arg-type]


def test_weighted_sigmoid_by_its_older_name() -> None:
    z, x = placeholders([np.ones(2), np.ones(2)])
    tf.nn.weighted_cross_entropy_with_logits(targets=z, logits=x, pos_weight=2.0)
    with pytest.raises(ValueError, match="both 'labels' and 'targets'"):
        tf.nn.weighted_cross_entropy_with_logits(labels=z, targets=z, logits=x, pos_weight=2.0)


def test_sigmoid_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"must have the same shape \(\(2, 3\) vs \(2, 1\)\)"):
        _sigmoid(tf.ones([2, 1]), tf.ones([2, 3]))


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "softmax_cross_entropy_with_logits",
        "sparse_softmax_cross_entropy_with_logits",
        "sigmoid_cross_entropy_with_logits",
    ],
)
def test_only_named_arguments(name: str) -> None:
    function = getattr(tf.nn, name)
    x = tf.ones([2, 3])
    with pytest.raises(ValueError, match=f"Only call `{name}` with named arguments"):
        function(x, x)
    with pytest.raises(ValueError, match="must be provided"):
        function(logits=x)
    with pytest.raises(ValueError, match="must be provided"):
        function(labels=x)
