"""Gathering, masks, scattering, groups, diagonals, strings: against numpy, for every knowledge of shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ops_support import agree, assert_same, data_dependent, gradient, hidden

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def numbered(shape: Any, dtype: str = "float32") -> np.ndarray:
    """Different numbers in every place."""
    return (np.arange(np.prod(shape, dtype=int)) + 1).reshape(shape).astype(dtype)


# --- choosing ---------------------------------------------------------------------------------------------------------


@given(st.data())
def test_gather(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    where = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    indices = data.draw(hnp.arrays("int32", where, elements=st.integers(0, shape[axis] - 1)))
    x, known = numbered(shape), [data.draw(hidden(shape)), data.draw(hidden(where))]
    agree(lambda x, i: tf.gather(x, i, axis=axis), np.take(x, indices, axis), x, indices, shapes=known)


def test_gather_with_batch_dimensions() -> None:
    x = numbered([2, 3, 4, 5])
    indices = np.array([[2, 0, 1], [1, 1, 0]])
    rows = np.arange(2)[:, None]
    agree(lambda x, i: tf.gather(x, i, batch_dims=1), x[rows, indices], x, indices)
    agree(
        lambda x, i: tf.gather(x, i, axis=2, batch_dims=1),
        np.stack([np.take(a, i, 1) for a, i in zip(x, indices, strict=True)]),
        x,
        indices,
    )
    agree(lambda x, i: tf.gather(x, i, axis=2, batch_dims=2), x[rows, np.arange(3), indices], x, indices)
    agree(lambda x, i: tf.batch_gather(x, i), x[rows, indices], x, indices)


@given(st.data())
def test_gather_nd(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3))
    depth, count = data.draw(st.integers(0, len(shape))), data.draw(st.integers(0, 3))
    indices = np.array([[data.draw(st.integers(0, d - 1)) for d in shape[:depth]] for _ in range(count)], "int32")
    indices = indices.reshape(count, depth)
    x = numbered(shape)
    expected = np.stack([x[tuple(i)] for i in indices]) if count else np.zeros([0, *shape[depth:]], "f")
    known = [data.draw(hidden(shape)), data.draw(hidden(indices.shape))]
    agree(lambda x, i: tf.gather_nd(x, i), expected, x, indices, shapes=known)


def test_gradients_of_repeated_indices_add_up() -> None:
    x = numbered([3, 2])
    assert_same(gradient(lambda x: tf.gather(x, [2, 0, 2]), x), [[1, 1], [0, 0], [2, 2]])
    assert_same(gradient(lambda x: tf.gather_nd(x, [[1, 1], [1, 1], [0, 0]]), x), [[1, 0], [0, 2], [0, 0]])
    assert_same(
        gradient(lambda x: tf.scatter_nd([[1], [1]], x[:2], [3, 2]), x, numbered([3, 2])), [[3, 4], [3, 4], [0, 0]]
    )


@given(st.data())
def test_boolean_mask(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    width = data.draw(st.integers(1, len(shape) - axis))
    mask = data.draw(hnp.arrays(bool, shape[axis : axis + width]))
    x = numbered(shape)
    expected = x[(slice(None),) * axis + (mask,)]
    known = data.draw(hidden(shape))
    build = data_dependent(lambda x, m: tf.boolean_mask(x, m, axis=axis))
    agree(build, expected, x, mask, shapes=[known, [None] * width])


@given(st.data())
def test_where(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    mask = data.draw(hnp.arrays(bool, shape))
    x, y = numbered(shape), -numbered(shape)
    known = [data.draw(hidden(shape)) for _ in range(3)]
    agree(lambda m, x, y: tf.where(m, x, y), np.where(mask, x, y), mask, x, y, shapes=known)
    rows = data.draw(hnp.arrays(bool, shape[:1]))
    expected = np.where(rows.reshape(-1, *[1] * (len(shape) - 1)), x, y)
    agree(lambda m, x, y: tf.where(m, x, y), expected, rows, x, y, shapes=[[None], *known[1:]])
    agree(data_dependent(lambda m: tf.where(m)), np.argwhere(mask), mask, shapes=[known[0]])


@given(st.lists(st.integers(-1, 5), max_size=4), st.integers(0, 4))
def test_sequence_mask(lengths: list[int], width: int) -> None:
    array = np.array(lengths, "int32")
    expected = np.arange(width) < array[:, None]
    agree(lambda n: tf.sequence_mask(n, width), expected, array, shapes=[[None]])
    agree(lambda n: tf.sequence_mask(n, width, tf.float32), expected.astype("f"), array)
    if lengths:
        longest = max(0, *lengths, 0)
        build: Callable[..., Any] = data_dependent(lambda n: tf.sequence_mask(n))
        agree(build, np.arange(longest) < array[:, None], array)


# --- scattering -------------------------------------------------------------------------------------------------------


@given(st.data())
def test_scatter_nd(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3))
    depth, count = data.draw(st.integers(1, len(shape))), data.draw(st.integers(0, 4))
    indices = np.array([[data.draw(st.integers(0, d - 1)) for d in shape[:depth]] for _ in range(count)], "int32")
    indices = indices.reshape(count, depth)
    updates = numbered([count, *shape[depth:]])
    expected = np.zeros(shape, "f")
    np.add.at(expected, tuple(indices.T), updates)
    known = [data.draw(hidden(indices.shape)), data.draw(hidden(updates.shape))]
    agree(lambda i, u: tf.scatter_nd(i, u, shape), expected, indices, updates, shapes=known)


VARIABLE_UPDATES: dict[str, Callable[[Any, Any], Any]] = {
    "update": lambda old, new: new,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("indices", [[1], [2, 0], [1, 1, 1], [], [[0, 1], [1, 0]]], ids=str)
@pytest.mark.parametrize("name", VARIABLE_UPDATES)
def test_scattering_into_a_variable(name: str, indices: Any) -> None:
    start = np.array([[1, 2], [3, 4], [5, 6]], "f")
    places = np.array(indices, "int32")
    updates = numbered([*places.shape, 2]) * np.float32(0.5)
    expected = start.copy()
    for place in np.ndindex(places.shape):
        row = places[place]
        expected[row] = VARIABLE_UPDATES[name](expected[row], updates[place])
    variable = tf.Variable(start)
    operation = getattr(tf, f"scatter_{name}")(variable, places, updates)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert_same(session.run(operation), expected)
        assert_same(session.run(variable), expected)
    assert start[0, 0] == 1


def test_scattering_into_a_variable_at_index_vectors() -> None:
    variable = tf.Variable(np.zeros([2, 3], "f"))
    steps: list[Any] = [
        tf.scatter_nd_update(variable, [[0, 1], [1, 2]], [5.0, 6.0]),
        tf.scatter_nd_add(variable, [[0]], [[1.0, 1.0, 1.0]]),
        tf.scatter_nd_sub(variable, [[1, 2], [1, 2]], [1.0, 2.0]),
        tf.batch_scatter_update(variable, [[2], [0]], [[9.0], [8.0]]),
        tf.scatter_update(variable, 1, [7.0, 7.0, 7.0]),
        tf.scatter_add(variable, [0], 1.0),
    ]
    expected = [[[0, 5, 0], [0, 0, 6]], [[1, 6, 1], [0, 0, 6]], [[1, 6, 1], [0, 0, 3]], [[1, 6, 9], [8, 0, 3]]]
    expected += [[[1, 6, 9], [7, 7, 7]], [[2, 7, 10], [7, 7, 7]]]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step, want in zip(steps, expected, strict=True):
            assert_same(session.run(step), np.array(want))


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (
            lambda v: tf.scatter_update(v, [3], [[1.0, 1.0]]),
            tf.errors.InvalidArgumentError,
            r"indices\[0\] = 3 is not in \[0, 3\)",
        ),
        (lambda v: tf.scatter_add(v, [0], [[1.0, 1.0, 1.0]]), ValueError, "must be equal"),
        (lambda v: tf.scatter_add(v, [0.5], [[1.0, 1.0]]), TypeError, "not in list of allowed values"),
        (lambda v: tf.scatter_add(v, [0], [["a", "b"]]), TypeError, "Expected float32"),
        (lambda v: tf.scatter_add(v + 1.0, [0], [[1.0, 1.0]]), TypeError, "needs a variable"),
    ],
)
def test_scattering_what_does_not_fit(build: Any, error: Any, match: str) -> None:
    variable = tf.Variable(np.ones([3, 2], "f"))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with pytest.raises(error, match=match):
            session.run(build(variable))
        assert_same(session.run(variable), np.ones([3, 2]))


# --- groups -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), max_size=6))
def test_partition_and_stitch_undo_each_other(groups: list[int]) -> None:
    ids = np.array(groups, "int32")
    x = numbered([len(groups), 2])

    def build(x: Any, ids: Any) -> Any:
        places = tf.dynamic_partition(tf.range(tf.shape(ids)[0]), ids, 4)
        parts = tf.dynamic_partition(x, ids, 4)
        return [*parts, tf.dynamic_stitch(places, parts)]

    agree(data_dependent(build), [*[x[ids == i] for i in range(4)], x], x, ids, shapes=[[None, 2], [None]])


@given(st.lists(st.integers(-3, 3), max_size=8))
def test_unique(values: list[int]) -> None:
    x = np.array(values, "int64")
    firsts = list(dict.fromkeys(values))
    expected = [firsts, [firsts.index(v) for v in values], [values.count(v) for v in firsts]]
    agree(data_dependent(lambda x: list(tf.unique_with_counts(x))), [np.array(e) for e in expected], x, shapes=[[None]])
    agree(data_dependent(lambda x: tf.unique(x).y), np.array(firsts), x)


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=4))
def test_setdiff1d(a: list[int], b: list[int]) -> None:
    kept = [i for i, value in enumerate(a) if value not in b]
    x, y = np.array(a, "int32"), np.array(b, "int32")
    agree(data_dependent(lambda x, y: list(tf.setdiff1d(x, y))), [x[kept], np.array(kept, "int32")], x, y)


@given(st.permutations(range(6)))
def test_invert_permutation(order: list[int]) -> None:
    agree(lambda x: tf.invert_permutation(x), np.argsort(order), np.array(order, "int32"))


@given(
    hnp.arrays("float32", hnp.array_shapes(min_dims=1, max_dims=2, max_side=5), elements=st.sampled_from([0, 1, 2, -1]))
)
def test_sort(x: np.ndarray) -> None:
    for axis in range(-x.ndim, x.ndim):
        order = np.argsort(x, axis, kind="stable")
        back = np.argsort(-x, axis, kind="stable")
        agree(lambda x, a=axis: [tf.sort(x, a), tf.argsort(x, a)], [np.sort(x, axis), order], x)
        agree(lambda x, a=axis: tf.argsort(x, a, direction="DESCENDING"), back, x)
    agree(lambda x: tf.sort(x, direction="DESCENDING"), -np.sort(-x), x)


@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=6), st.lists(st.floats(-4, 4, width=32), max_size=4))
def test_searchsorted(rows: list[float], values: list[float]) -> None:
    ordered, wanted = np.sort(np.array(rows, "f")), np.array(values, "f")
    agree(
        lambda x, y: [tf.searchsorted(x, y), tf.searchsorted(x, y, "right")],
        [np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, "right")],
        ordered,
        wanted,
    )


# --- diagonals --------------------------------------------------------------------------------------------------------


@given(st.data())
def test_diagonals(data: Any) -> None:
    batch = data.draw(hnp.array_shapes(min_dims=0, max_dims=1, max_side=2))
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    x, size = numbered([*batch, rows, columns]), min(rows, columns)
    d = -numbered([*batch, size])
    expected = x.copy()
    expected[..., np.arange(size), np.arange(size)] = d
    known = data.draw(hidden(x.shape))
    agree(lambda x: tf.matrix_diag_part(x), np.diagonal(x, axis1=-2, axis2=-1), x, shapes=[known])
    agree(lambda x: tf.trace(x), np.trace(x, axis1=-2, axis2=-1), x, shapes=[known])
    agree(lambda x, d: tf.matrix_set_diag(x, d), expected, x, d)
    agree(lambda d: tf.matrix_diag(d), d[..., None] * np.eye(size, dtype="f"), d, shapes=[data.draw(hidden(d.shape))])


@given(st.integers(1, 4), st.integers(1, 4), st.integers(-1, 4), st.integers(-1, 4))
def test_bands(rows: int, columns: int, lower: int, upper: int) -> None:
    lower, upper = min(lower, rows), min(upper, columns)
    x = numbered([rows, columns])
    below = np.arange(rows)[:, None] - np.arange(columns)
    keep = ((lower < 0) | (below <= lower)) & ((upper < 0) | (-below <= upper))
    agree(lambda x: tf.matrix_band_part(x, lower, upper), x * keep, x)


def test_diagonal_tensors_of_any_rank() -> None:
    x = numbered([2, 3])
    expected = np.zeros([2, 3, 2, 3], "f")
    for index in np.ndindex(2, 3):
        expected[index + index] = x[index]
    agree(lambda x: [tf.diag(x), tf.diag_part(tf.diag(x))], [expected, x], x)


# --- strings ----------------------------------------------------------------------------------------------------------


def test_strings_go_through_the_functions_that_move_elements() -> None:
    x = tf.placeholder(tf.string, [None, 2])
    value = np.array([["a", "b"], ["c", "d"]], dtype=object)
    results = {
        "reshape": (tf.reshape(x, [-1]), [b"a", b"b", b"c", b"d"]),
        "transpose": (tf.transpose(x), [[b"a", b"c"], [b"b", b"d"]]),
        "concat": (tf.concat([x, [["e", "f"]]], 0), [[b"a", b"b"], [b"c", b"d"], [b"e", b"f"]]),
        "index": (x[1, 0], b"c"),
        "slice": (x[::-1, 1:], [[b"d"], [b"b"]]),
        "gather": (tf.gather(x, [1]), [[b"c", b"d"]]),
        "gather_nd": (tf.gather_nd(x, [[0, 1]]), [b"b"]),
        "tile": (tf.tile(x[0], [2]), [b"a", b"b", b"a", b"b"]),
        "stack": (tf.stack([x[0, 0], "z"]), [b"a", b"z"]),
        "split": (tf.split(x, 2, 1)[1], [[b"b"], [b"d"]]),
        "where": (tf.where([True, False], x[0], x[1]), [b"a", b"d"]),
        "mask": (tf.boolean_mask(x, [False, True]), [[b"c", b"d"]]),
        "one_hot": (tf.one_hot([1], 2, "y", "n"), [[b"n", b"y"]]),
        "join": (tf.string_join([x, "!"]), [[b"a!", b"b!"], [b"c!", b"d!"]]),
        "add": (x + "?", [[b"a?", b"b?"], [b"c?", b"d?"]]),
        "equal": (tf.equal(x, "c"), [[False, False], [True, False]]),
        "shape": (tf.shape(x), [2, 2]),
    }
    with tf.Session() as session:
        for name, (tensor, expected) in results.items():
            got = session.run(tensor, {x: value})
            assert np.asarray(got).tolist() == (expected.tolist() if hasattr(expected, "tolist") else expected), name
