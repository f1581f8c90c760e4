"""``x[...]``, ``tf.strided_slice`` and ``tf.slice`` against numpy's indexing, with numbers and with tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ops_support import agree, assert_same, data_dependent, gradient, hidden, hidings, run

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


def numbered(shape: Any) -> np.ndarray:
    """Different numbers in every place."""
    return (np.arange(np.prod(shape, dtype=int)) + 1).reshape(shape).astype("float32")


BOUNDS = st.one_of(st.none(), st.integers(-6, 6))
STEPS = st.one_of(st.none(), st.integers(-3, 3).filter(bool))


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index for an array of that shape: ints, slices, one ellipsis at most, new axes anywhere."""

    def item(size: int) -> Any:
        if size and draw(st.booleans()):
            return draw(st.integers(-size, size - 1))
        return slice(draw(BOUNDS), draw(BOUNDS), draw(STEPS))

    head = draw(st.integers(0, len(shape)))
    items = [item(size) for size in shape[:head]]
    if draw(st.booleans()):
        tail = draw(st.integers(0, len(shape) - head))
        items += [..., *[item(size) for size in shape[len(shape) - tail :]]]
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    return tuple(items)


@given(st.data())
def test_numbers_slices_new_axes_and_ellipsis(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    key = data.draw(keys(shape))
    x = numbered(shape)
    agree(lambda x: x[key], x[key], x, shapes=[data.draw(hidden(shape))])


def _as_tensors(key: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Every number of ``key`` as a tensor that only the run knows."""

    def tensor(item: Any) -> Any:
        if isinstance(item, slice):
            return slice(*[tensor(part) for part in (item.start, item.stop, item.step)])
        return tf.placeholder_with_default(np.array(item, dtype), []) if isinstance(item, int) else item

    return tuple(tensor(item) for item in key)


@given(st.data())
def test_tensors_as_indices_and_bounds(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    key, dtype = data.draw(keys(shape)), data.draw(st.sampled_from(["int32", "int64"]))
    x = numbered(shape)
    build = data_dependent(lambda x: x[_as_tensors(key, dtype)])
    agree(build, x[key], x, shapes=[data.draw(hidden(shape))])


@given(st.data())
def test_the_gradient_lands_where_the_value_came_from(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    key = data.draw(keys(shape))
    x = numbered(shape)
    weights = numbered(x[key].shape) * 2
    expected = np.zeros(shape, "f")
    expected[key] = weights
    assert_same(gradient(lambda x: x[key], x, weights), expected)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ((0,), [3, 4]),
        ((slice(None), -1), [None, 4]),
        ((..., 0), [None, 3]),
        ((slice(1, None),), [None, 3, 4]),
        ((slice(None), slice(1, None)), [None, 2, 4]),
        ((slice(None), slice(None, None, -2)), [None, 2, 4]),
        ((None, ..., None), [1, None, 3, 4, 1]),
        ((slice(None), slice(5, 9)), [None, 0, 4]),
        ((slice(0, 0),), [None, 3, 4]),
    ],
    ids=str,
)
def test_static_shapes(key: Any, expected: Any) -> None:
    x = tf.placeholder(tf.float32, [None, 3, 4])
    assert x[key].shape.as_list() == expected
    assert tf.placeholder(tf.float32)[key].shape.ndims is None


def test_static_shapes_with_tensors() -> None:
    x, i = tf.placeholder(tf.float32, [5, 3, 4]), tf.placeholder(tf.int32, [])
    assert x[i].shape.as_list() == [3, 4]
    assert x[i:].shape.as_list() == [None, 3, 4]
    assert x[:, i].shape.as_list() == [5, 4]
    assert x[:, :, i, None].shape.as_list() == [5, 3, 1]
    assert x[tf.constant(1), : tf.constant(2)].shape.as_list() == [2, 4]
    assert x[: tf.shape(x)[1]].shape.as_list() == [3, 3, 4]
    assert x[::i].shape.ndims is None


def test_other_forms_of_an_index() -> None:
    x = numbered([3, 4])
    expected = [x[1], x[2], x[1, 0], x[1, 2], x[0], x[:, 3], x[1], x, x[1:3]]

    def build(x: Any) -> list[Any]:
        width = x.shape[1]
        bounds = np.array([1, 3])
        return [
            x[np.int64(1)],
            x[np.array(2)],
            x[True, False],
            x[[1, 2]],
            x[tf.Variable(0)],
            x[:, width - 1],
            x[tf.constant(1, tf.int64)],
            x[()],
            x[bounds[0] : bounds[1]],
        ]

    agree(build, expected, x)


def test_a_boolean_index_is_a_mask() -> None:
    x = numbered([3, 2])
    mask = np.array([True, False, True])
    agree(data_dependent(lambda x, m: [x[m], x[x > 2.5], x[mask]]), [x[mask], x[x > 2.5], x[mask]], x, mask)


@pytest.mark.parametrize(
    "index", [0.5, "a", [0.5], np.array([0, 1]), (0, 1.0), slice(0, 1.5), object()], ids=lambda v: type(v).__name__
)
def test_what_is_no_index(index: Any) -> None:
    with pytest.raises(TypeError, match="valid indices, got"):
        tf.ones([3, 4])[index]


def test_tensors_that_are_no_index() -> None:
    x = tf.ones([3, 4])
    for index in (tf.constant([0, 1]), tf.constant(0.0), tf.constant("a"), tf.constant(0, tf.uint8)):
        with pytest.raises(TypeError, match="valid indices, got"):
            x[index]


@pytest.mark.parametrize(
    ("key", "match"),
    [
        ((3,), r"slice index 3 of dimension 0 out of bounds"),
        ((0, -5), r"slice index -5 of dimension 1 out of bounds"),
        ((0, 0, 0), "Index out of range using input dim 2; input has only 2 dims"),
        ((..., ...), "Multiple ellipses in slice spec not allowed"),
        ((slice(None, None, 0),), r"strides\[0\] must be non-zero"),
    ],
    ids=str,
)
def test_out_of_range(key: Any, match: str) -> None:
    """Refused while building where the shape is known, and by the operation's name while running where it is not."""
    with pytest.raises(ValueError, match=match):
        tf.ones([3, 4])[key]
    x = tf.placeholder(tf.float32)
    y = x[key]
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=match) as caught:
        session.run(y, {x: np.ones([3, 4])})
    assert caught.value.op is y.op


def test_an_index_that_only_the_run_knows_may_be_out_of_range() -> None:
    i = tf.placeholder(tf.int32, [])
    y = tf.constant([1, 2, 3])[i]
    with tf.Session() as session:
        assert session.run(y, {i: -3}) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="slice index 3 of dimension 0 out of bounds"):
            session.run(y, {i: 3})


MASKS: list[tuple[Any, dict[str, Any]]] = [
    ((slice(0, 2), slice(1, 3)), {"begin": [0, 1], "end": [2, 3]}),
    ((slice(0, 2), slice(1, 3), slice(0, 4, 2)), {"begin": [0, 1, 0], "end": [2, 3, 4], "strides": [1, 1, 2]}),
    ((slice(None, 1), slice(1, None)), {"begin": [9, 1], "end": [1, 9], "begin_mask": 1, "end_mask": 2}),
    ((1, slice(0, 2)), {"begin": [1, 0], "end": [9, 2], "shrink_axis_mask": 1}),
    ((..., slice(1, 3)), {"begin": [7, 1], "end": [7, 3], "ellipsis_mask": 1}),
    ((None, slice(0, 1)), {"begin": [7, 0], "end": [7, 1], "new_axis_mask": 1}),
    (
        (slice(None, None, -1), slice(2, 0, -1)),
        {"begin": [0, 2], "end": [0, 0], "strides": [-1, -1], "begin_mask": 1, "end_mask": 1},
    ),
    ((slice(-1, -3, -1),), {"begin": [-1], "end": [-3], "strides": [-1]}),
]


@pytest.mark.parametrize(("key", "arguments"), MASKS, ids=str)
def test_strided_slice(key: Any, arguments: dict[str, Any]) -> None:
    x = numbered([2, 3, 4])
    for known in hidings(x.shape):
        agree(lambda x: tf.strided_slice(x, **arguments), x[key], x, shapes=[known])
    bounds = {k: np.array(arguments[k], "int32") for k in ("begin", "end")}
    rest = {k: v for k, v in arguments.items() if k not in bounds}
    build = data_dependent(lambda x, b, e: tf.strided_slice(x, b, e, **rest))
    agree(build, x[key], x, bounds["begin"], bounds["end"])


@given(st.data())
def test_slice(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    begin = [data.draw(st.integers(0, d)) for d in shape]
    size = [data.draw(st.integers(-1, d - b)) for d, b in zip(shape, begin, strict=True)]
    x = numbered(shape)
    key = tuple(slice(b, None if n == -1 else b + n) for b, n in zip(begin, size, strict=True))
    agree(lambda x: tf.slice(x, begin, size), x[key], x, shapes=[data.draw(hidden(shape))])
    build = data_dependent(lambda x, b, s: tf.slice(x, b, s))
    agree(build, x[key], x, np.array(begin, "int64"), np.array(size, "int64"))


def test_slice_with_tensors_in_lists() -> None:
    x = numbered([3, 4])
    tensors, value = run(data_dependent(lambda x, n: tf.slice(x, [n, 0], [-1, n + 1])), x, np.int32(1))
    assert_same(value, x[1:, :2])
    assert tensors.shape.as_list() == [None, None]
    with (
        tf.Session() as session,
        pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected size\[0\] in \[0, 2\]"),
    ):
        session.run(tf.slice(tf.placeholder_with_default(x, None), [1, 0], [3, 1]))


def test_slices_of_a_variable_see_its_value() -> None:
    v = tf.Variable([1.0, 2.0, 3.0])
    part, masked = v[1:], v[tf.constant([True, False, False])]
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run([part, masked])[0].tolist() == [2, 3]
        session.run(v.assign([4.0, 5.0, 6.0]))
        assert session.run(part).tolist() == [5, 6]
        assert session.run(tf.gradients(part * part, v)[0]).tolist() == [0, 10, 12]


def test_the_result_is_never_a_view_of_a_variable() -> None:
    v = tf.Variable(np.zeros([2, 2], "f"))
    with tf.Session() as session:
        session.run(v.initializer)
        row = session.run(v[0])
        row[:] = 5
        assert session.run(v).tolist() == [[0, 0], [0, 0]]
