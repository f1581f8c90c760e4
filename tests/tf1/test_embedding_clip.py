"""Embedding lookups, whole and sharded, and clipping by norms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_support import evaluate, numeric_gradient, value_and_gradients

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


# --- embedding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("shape", [[], [3], [2, 3], [0], [2, 1, 2]])
@pytest.mark.parametrize("row", [[], [4], [2, 3]])
def test_rows(row: list[int], shape: list[int], dtype: str) -> None:
    table, ids = np.random.randn(5, *row), np.random.randint(0, 5, shape).astype(dtype)
    np.testing.assert_array_equal(evaluate(tf.nn.embedding_lookup, table, ids), table[ids])
    np.testing.assert_array_equal(evaluate(lambda t, i: tf.nn.embedding_lookup([t], i), table, ids), table[ids])


def test_gradient_adds_up_for_repeated_rows() -> None:
    ids = np.array([2, 0, 2])
    _, (gradient,) = value_and_gradients(tf.nn.embedding_lookup, np.random.randn(4, 2), ids)
    assert gradient.tolist() == [[3, 4], [0, 0], [1 + 5, 2 + 6], [0, 0]]


def _shards(table: Any, count: int, strategy: str) -> list[Any]:
    """The rows as TensorFlow deals them out: in turn, or in contiguous shares of which the first are larger."""
    return [table[i::count] for i in range(count)] if strategy == "mod" else np.array_split(table, count)


@given(st.data())
@settings(max_examples=40)
def test_shards_together_are_the_table(data: Any) -> None:
    count = data.draw(st.integers(2, 4))
    rows = data.draw(st.integers(count, 9))
    strategy = data.draw(st.sampled_from(["mod", "div"]))
    table = np.arange(rows * 3.0).reshape(rows, 3)
    ids = np.array(data.draw(st.lists(st.integers(0, rows - 1), max_size=6)), "int64")
    shards = _shards(table, count, strategy)

    def lookup(ids: Any, *shards: Any) -> Any:
        return tf.nn.embedding_lookup(list(shards), ids, partition_strategy=strategy)

    np.testing.assert_array_equal(evaluate(lookup, ids, *shards), table[ids])
    if ids.size:
        _, whole = value_and_gradients(tf.nn.embedding_lookup, table, ids)
        _, parts = value_and_gradients(lookup, ids, *shards)
        for part, want in zip(parts, _shards(whole[0], count, strategy), strict=True):
            np.testing.assert_allclose(part, want)


@pytest.mark.parametrize("wrong", [-1, 5, 6, 100])
@pytest.mark.parametrize("strategy", ["mod", "div"])
def test_id_out_of_range(strategy: str, wrong: int) -> None:
    table = np.ones([5, 2], "f")
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
        evaluate(tf.nn.embedding_lookup, table, np.array([0, wrong]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"id {wrong} is in none of the 2 params"):
        evaluate(
            lambda i, *t: tf.nn.embedding_lookup(list(t), i, strategy),
            np.array([0, wrong]),
            *_shards(table, 2, strategy),
        )


@pytest.mark.parametrize("sharded", [False, True])
def test_max_norm_scales_rows_down(sharded: bool) -> None:
    table, ids = np.random.randn(6, 3, 2), np.array([[0, 5], [2, 2]])
    norms = np.sqrt((table**2).sum((1, 2), keepdims=True))
    limit = float(np.median(norms))

    def lookup(ids: Any, *params: Any) -> Any:
        return tf.nn.embedding_lookup(list(params), ids, max_norm=limit)

    got = evaluate(lookup, ids, *(_shards(table, 2, "mod") if sharded else [table]))
    np.testing.assert_allclose(got, (table * np.minimum(1, limit / norms))[ids])


def test_lookup_static_shapes() -> None:
    table = tf.get_variable("table", [7, 3])
    assert tf.nn.embedding_lookup(table, tf.placeholder(tf.int32, [None, 5])).get_shape().as_list() == [None, 5, 3]
    pair = [table, tf.get_variable("more", [7, 3])]
    assert tf.nn.embedding_lookup(pair, tf.placeholder(tf.int32, [None, 5])).get_shape().as_list() == [None, 5, 3]


def test_lookup_refused() -> None:
    with pytest.raises(ValueError, match="at least one param"):
        tf.nn.embedding_lookup([], [1])
    with pytest.raises(ValueError, match="at least one param"):
        tf.nn.embedding_lookup(None, [1])
    with pytest.raises(ValueError, match="Unrecognized partition strategy: rows"):
        tf.nn.embedding_lookup(tf.ones([2, 2]), [1], partition_strategy="rows")
    with pytest.raises(ValueError, match="known rank"):
        tf.nn.embedding_lookup(tf.ones([2, 2]), tf.placeholder(tf.int32), max_norm=1.0)


# --- clipping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.5, 2.0, 1e3])
@pytest.mark.parametrize("axes", [None, [0], [1], 1, [0, 1]])
def test_clip_by_norm(axes: Any, limit: float) -> None:
    def formula(x: Any) -> Any:
        norm = np.sqrt((x * x).sum(tuple(axes) if isinstance(axes, list) else axes, keepdims=True))
        return x * limit / np.maximum(norm, limit)

    x = np.random.randn(3, 4)
    got, (gradient,) = value_and_gradients(lambda x: tf.clip_by_norm(x, limit, axes=axes), x)
    np.testing.assert_allclose(got, formula(x))
    np.testing.assert_allclose(gradient, numeric_gradient(formula, x), rtol=1e-5, atol=1e-7)


def test_clip_by_norm_of_zeros_has_a_derivative() -> None:
    got, (gradient,) = value_and_gradients(lambda x: tf.clip_by_norm(x, 1.0, axes=[1]), np.zeros([2, 3]))
    assert not got.any()
    assert gradient.ravel().tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("limit", [0.05, 0.2, 10.0])
def test_clip_by_average_norm(limit: float) -> None:
    x = np.random.randn(3, 4)
    average = np.sqrt((x * x).sum()) / x.size
    got = evaluate(lambda x: tf.clip_by_average_norm(x, limit), x)
    np.testing.assert_allclose(got, x * min(1, limit / average))


def test_global_norm() -> None:
    x, y = np.random.randn(3, 4), np.random.randn(5)
    want = np.sqrt((x * x).sum() + (y * y).sum())
    assert evaluate(lambda x, y: tf.global_norm([x, None, y]), x, y) == pytest.approx(want)
    assert evaluate(lambda: tf.global_norm([None])) == 0.0


@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("fed", [False, True])
def test_clip_by_global_norm(limit: float, fed: bool) -> None:
    x, y = np.random.randn(3, 4), np.random.randn(5)
    total = np.sqrt((x * x).sum() + (y * y).sum())
    factor = min(1, limit / total)

    def clip(x: Any, y: Any, n: Any) -> Any:
        clipped, norm = tf.clip_by_global_norm((x, None, y), n if fed else limit)
        assert clipped[1] is None
        return clipped[0], clipped[2], norm

    got = evaluate(clip, x, y, np.array(limit))
    np.testing.assert_allclose(got[0], x * factor)
    np.testing.assert_allclose(got[1], y * factor)
    assert got[2] == pytest.approx(total)


def test_clip_by_global_norm_given_the_norm() -> None:
    x = np.array([3.0, 4.0])
    (got,), norm = evaluate(lambda x: tf.clip_by_global_norm([x], 1.0, use_norm=tf.constant(4.0, tf.float64)), x)
    np.testing.assert_allclose(got, x / 4)
    assert norm == 4.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clip_by_global_norm_of_what_is_not_finite(bad: float) -> None:
    clipped, norm = evaluate(lambda x, y: tf.clip_by_global_norm([x, y], 1.0), np.array([1, bad]), np.ones(2))
    assert np.isnan(clipped).all()
    assert not np.isfinite(norm)


@pytest.mark.parametrize("function", [tf.global_norm, lambda t: tf.clip_by_global_norm(t, 1.0)])
def test_a_single_tensor_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match="t_list should be a sequence"):
        function(tf.ones([2]))


def test_clipped_gradients_train() -> None:
    w = tf.get_variable("w", initializer=tf.constant([30.0, -40.0]))
    gradients, norm = tf.clip_by_global_norm(tf.gradients(tf.nn.l2_loss(w), [w]), 5.0)
    step = tf.train.GradientDescentOptimizer(1.0).apply_gradients([(gradients[0], w)])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([norm, step])[0] == pytest.approx(50.0)
        np.testing.assert_allclose(session.run(w), [27.0, -36.0], rtol=1e-6)
