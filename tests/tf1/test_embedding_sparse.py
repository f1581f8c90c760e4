"""Sparse embedding lookups against loops in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf

ROWS = [[3, 0, 3], [4], [1, 2]]
WEIGHTS = [[0.5, 2.0, 1.5], [3.0], [1.0, 0.25]]
TABLE = np.random.RandomState(0).randn(5, 4).astype("f")


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _sparse(rows: list[list[Any]], kind: str, height: int | None = None) -> Any:
    places = [[i, j] for i, row in enumerate(rows) for j in range(len(row))]
    width = max(map(len, rows))
    values = np.array([v for row in rows for v in row], kind)
    return tf.SparseTensor(np.array(places, "int64"), values, [height or len(rows), width])


def _combined(ids: list[int], weights: list[float], combiner: str) -> Any:
    total = sum((w * TABLE[i] for i, w in zip(ids, weights, strict=True)), np.zeros(4))
    norm = {"sum": 1.0, "mean": np.sum(weights), "sqrtn": np.sqrt(np.sum(np.square(weights)))}[combiner]
    return total / norm


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("shards", [1, 2])
def test_lookup(session: Any, shards: int, combiner: str, weighted: bool) -> None:
    weights = _sparse(WEIGHTS, "f") if weighted else None
    # with "mod", row i is in number i % shards
    params = [tf.constant(TABLE[i::shards]) for i in range(shards)]
    got = tf.nn.embedding_lookup_sparse(params, _sparse(ROWS, "int64"), weights, combiner=combiner)
    assert got.shape.as_list() == [None, 4]
    want = [_combined(ids, w if weighted else [1.0] * len(ids), combiner) for ids, w in zip(ROWS, WEIGHTS, strict=True)]
    np.testing.assert_allclose(session.run(got), want, rtol=1e-5)


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_line_without_an_id(session: Any, combiner: str) -> None:
    ids = _sparse([[1], [], [2]], "int64", height=5)
    plain = tf.nn.embedding_lookup_sparse(TABLE, ids, None, combiner=combiner)
    weighted = tf.nn.embedding_lookup_sparse(TABLE, ids, _sparse([[1.0], [], [1.0]], "f"), combiner=combiner)
    # the lines after the last one with an id are not there
    for got in (plain, weighted):
        np.testing.assert_array_equal(session.run(got), [TABLE[1], np.zeros(4), TABLE[2]])


def test_gradient_is_of_the_rows_looked_up(session: Any) -> None:
    table = tf.constant(TABLE)
    got = tf.nn.embedding_lookup_sparse(table, _sparse(ROWS, "int64"), _sparse(WEIGHTS, "f"), combiner="mean")
    want = np.zeros_like(TABLE)
    for ids, weights in zip(ROWS, WEIGHTS, strict=True):
        for i, w in zip(ids, weights, strict=True):
            want[i] += w / np.sum(weights)
    np.testing.assert_allclose(session.run(tf.gradients(got, table)[0]), want, rtol=1e-5)


def test_max_norm(session: Any) -> None:
    got = tf.nn.embedding_lookup_sparse(TABLE, _sparse([[0], [1]], "int64"), None, combiner="sum", max_norm=0.5)
    norms = np.linalg.norm(TABLE[:2], axis=1, keepdims=True)
    np.testing.assert_allclose(session.run(got), TABLE[:2] * np.minimum(1, 0.5 / norms), rtol=1e-5)


def test_refusals() -> None:
    ids = _sparse(ROWS, "int64")
    with pytest.raises(ValueError, match="combiner must be one of 'mean', 'sqrtn' or 'sum'"):
        tf.nn.embedding_lookup_sparse(TABLE, ids, None, combiner="max")
    with pytest.raises(TypeError, match="sp_ids must be SparseTensor"):
        tf.nn.embedding_lookup_sparse(TABLE, [1], None)
    with pytest.raises(TypeError, match="sp_weights must be either None or SparseTensor"):
        tf.nn.embedding_lookup_sparse(TABLE, ids, [1.0])
    with pytest.raises(ValueError, match="Missing embedding_weights"):
        tf.nn.safe_embedding_lookup_sparse(None, ids)


@pytest.mark.parametrize("default", [None, 2])
@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_safe_lookup(session: Any, combiner: str, default: int | None) -> None:
    # row 0 keeps one id, row 1 loses its negative id, row 2 its weight (but for "sum"), row 3 is empty
    ids = _sparse([[3, -1], [-2], [1, 0]], "int64", height=4)
    weights = _sparse([[2.0, 1.0], [1.0], [0.0, -1.0]], "f", height=4)
    got = tf.contrib.layers.safe_embedding_lookup_sparse(
        tf.constant(TABLE), ids, weights, combiner=combiner, default_id=default
    )
    empty = np.zeros(4) if default is None else TABLE[default]
    third = -TABLE[0] if combiner == "sum" else empty
    np.testing.assert_allclose(session.run(got), [_combined([3], [2.0], combiner), empty, third, empty], rtol=1e-5)


def test_safe_lookup_of_higher_rank(session: Any) -> None:
    ids = tf.SparseTensor([[0, 0, 0], [1, 1, 0], [1, 1, 1]], np.array([1, 2, 4], "int64"), [2, 2, 3])
    got = tf.nn.safe_embedding_lookup_sparse(tf.constant(TABLE), ids)
    assert got.shape.as_list() == [2, 2, 4]
    want = np.zeros([2, 2, 4])
    want[0, 0], want[1, 1] = TABLE[1], (TABLE[2] + TABLE[4]) / 2
    np.testing.assert_allclose(session.run(got), want, rtol=1e-5)
