"""``tf.*`` on arrays: shapes, joining, splitting, filling, choosing, scattering - against numpy, for every knowledge of
shapes; golden files say what TensorFlow itself does (``tests/goldens``)."""

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


SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def numbered(shape: Any, dtype: str = "float32") -> np.ndarray:
    """Different numbers in every place."""
    return (np.arange(np.prod(shape, dtype=int)) + 1).reshape(shape).astype(dtype)


# --- shapes -----------------------------------------------------------------------------------------------------------


@given(st.data())
def test_reshape(data: Any) -> None:
    shape = data.draw(SHAPES)
    x = numbered(shape)
    target = list(data.draw(st.permutations(shape))) + [1] * data.draw(st.integers(0, 2))
    if x.size and data.draw(st.booleans()) and target:
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    agree(lambda x: tf.reshape(x, target), x.reshape(target), x, shapes=[data.draw(hidden(shape))])


@given(st.data())
def test_reshape_to_a_shape_made_in_the_graph(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    order = data.draw(st.permutations(range(len(shape))))
    x = numbered(shape)
    known = data.draw(hidden(shape))

    def build(x: Any) -> Any:
        return [
            tf.reshape(x, tf.stack([tf.shape(x)[i] for i in order])),
            tf.reshape(x, tf.concat([[-1], tf.shape(x)[1:]], 0)),
            tf.reshape(x, [tf.reduce_prod(tf.shape(x))]),
        ]

    agree(build, [x.reshape([shape[i] for i in order]), x, x.ravel()], x, shapes=[known])


def test_no_static_shape_is_guessed() -> None:
    """Unknown sizes are not told apart by trying numbers: minimum, difference and comparison of them stay unknown."""
    x, y = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [None])
    n, m = tf.shape(x)[0], tf.shape(y)[0]
    sizes = [tf.minimum(n, 1), tf.minimum(n, 2), n - m, n // 1000, tf.cast(n > 5, tf.int32), n % 2, n * 0 + 3]
    for size in sizes:
        assert tf.zeros([size]).shape.as_list() == [None], size
    assert tf.zeros([n * 0 + 3, tf.size([1, 2])]).shape.as_list() == [None, 2]


def test_known_parts_of_an_unknown_shape_are_used() -> None:
    x = tf.placeholder(tf.float32, [None, 3, 4])
    shape = tf.shape(x)
    cases: list[tuple[Any, list[int | None]]] = [
        ([shape[0], shape[1] * shape[2]], [None, 12]),
        (tf.concat([shape[:1], shape[2:]], 0), [None, 4]),
        (tf.stack([shape[2] - 1, shape[0] + 1]), [3, None]),
        (shape[::-1], [4, 3, None]),
        (tf.unstack(shape)[1:], [3, 4]),
        ([tf.maximum(shape[1], 2), -shape[1] + 5], [3, 2]),
        (tf.cast(shape[1:], tf.int64), [3, 4]),
    ]
    for size, expected in cases:
        assert tf.zeros(size).shape.as_list() == expected


@given(st.data())
def test_transpose(data: Any) -> None:
    shape = data.draw(SHAPES)
    order = data.draw(st.permutations(range(len(shape))))
    x, known = numbered(shape), data.draw(hidden(shape))
    agree(lambda x: [tf.transpose(x, order), tf.transpose(x)], [x.transpose(order), x.T], x, shapes=[known])


@given(st.data())
def test_expand_dims_and_squeeze_undo_each_other(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    x, known = numbered(shape), data.draw(hidden(shape))
    expected = [np.expand_dims(x, axis), x]
    agree(lambda x: [tf.expand_dims(x, axis), tf.squeeze(tf.expand_dims(x, axis), [axis])], expected, x, shapes=[known])


def test_squeeze_without_axes_needs_all_dimensions_to_know_its_rank() -> None:
    x = np.ones([1, 3, 1, 2], "f")
    for known in hidings(x.shape):
        tensors, values = run(lambda x: tf.squeeze(x), x, shapes=[known])
        assert values.shape == (3, 2)
        assert (tensors.shape.ndims is None) == (known is None or None in known)


@given(st.data())
def test_broadcasting(data: Any) -> None:
    result = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    a, b = (numbered(s) for s in result.input_shapes)
    known = [data.draw(hidden(s)) for s in result.input_shapes]
    agree(lambda a, b: a + b, a + b, a, b, shapes=known)
    agree(
        lambda a, b: tf.broadcast_to(a, tf.broadcast_dynamic_shape(tf.shape(a), tf.shape(b))),
        np.broadcast_to(a, result.result_shape),
        a,
        b,
        shapes=[known[0], known[1]],
    )
    assert tf.broadcast_static_shape(*[tf.TensorShape(s) for s in result.input_shapes]) == result.result_shape


@pytest.mark.parametrize("out_type", [tf.int32, tf.int64])
def test_shape_size_and_rank(out_type: Any) -> None:
    x = numbered([2, 0, 3])
    for known in hidings(x.shape):
        agree(
            lambda x: [tf.shape(x, out_type=out_type), tf.size(x, out_type=out_type), tf.rank(x)],
            [np.array([2, 0, 3]), 0, 3],
            x,
            shapes=[known],
        )


def test_shapes_that_are_known_are_constants(graph: Any) -> None:
    x = tf.ones([2, 3])
    assert [t.op.type for t in (tf.shape(x), tf.size(x), tf.rank(x))] == ["Const"] * 3


# --- joining and splitting --------------------------------------------------------------------------------------------


@given(st.data())
def test_concat_and_split(data: Any) -> None:
    shape = list(data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=4))
    parts = []
    for i, size in enumerate(sizes):
        shape[axis] = size
        parts.append(numbered(shape) + 100 * i)
    known = [data.draw(hidden(p.shape)) for p in parts]
    whole = np.concatenate(parts, axis)
    agree(lambda *x: tf.concat(x, axis), whole, *parts, shapes=known)
    agree(lambda x: tf.split(x, sizes, axis), parts, whole)
    given_sizes = [-1, *sizes[1:]]
    agree(lambda x: tf.split(x, given_sizes, axis), parts, whole, shapes=[data.draw(hidden(whole.shape))])


@given(st.data())
def test_stack_and_unstack(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    axis, count = data.draw(st.integers(-len(shape) - 1, len(shape))), data.draw(st.integers(1, 3))
    parts = [numbered(shape) + 100 * i for i in range(count)]
    known = [data.draw(hidden(shape)) for _ in parts]
    whole = np.stack(parts, axis)
    agree(lambda *x: tf.stack(x, axis), whole, *parts, shapes=known)
    agree(lambda x: tf.unstack(x, count, axis), parts, whole, shapes=[data.draw(hidden(whole.shape))])


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_split_into_equal_parts(count: int) -> None:
    x = numbered([2, 6])
    for known in hidings(x.shape):
        agree(lambda x: tf.split(x, count, 1), np.split(x, count, 1), x, shapes=[known])
    agree(data_dependent(lambda x, axis: tf.split(x, count, axis)), np.split(x, count, 1), x, np.int32(1))


def test_old_orders_of_arguments() -> None:
    """TensorFlow before 1.0 had the axis first."""
    x = numbered([2, 4])
    agree(lambda x: tf.concat(1, [x, x]), np.concatenate([x, x], 1), x)
    agree(lambda x: tf.split(1, 2, x), np.split(x, 2, 1), x)
    agree(lambda x: tf.reverse(x, [False, True]), x[:, ::-1], x)


def test_joining_numbers_of_several_kinds() -> None:
    agree(lambda n: tf.stack([n, 2, n * 3]), np.array([4, 2, 12]), np.int32(4))
    agree(lambda x: tf.concat([[1.0], x, np.array([4.0])], 0), np.array([1, 2, 3, 4], "f"), np.array([2, 3], "f"))
    with pytest.raises(TypeError, match=r"have types \[float32, int32\] that don't all match"):
        tf.concat([tf.ones([1]), tf.ones([1], tf.int32)], 0)


# --- repeating and moving ---------------------------------------------------------------------------------------------


@given(st.data())
def test_tile(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    times = data.draw(st.tuples(*[st.integers(0, 3) for _ in shape]))
    x, known = numbered(shape), data.draw(hidden(shape))
    agree(lambda x: tf.tile(x, times), np.tile(x, times), x, shapes=[known])
    agree(data_dependent(lambda x, n: tf.tile(x, n)), np.tile(x, times), x, np.array(times, "int32"))


@pytest.mark.parametrize("mode", ["CONSTANT", "REFLECT", "SYMMETRIC"])
@given(data=st.data())
def test_pad(mode: str, data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=4))
    amounts = [[data.draw(st.integers(0, d - 1)) for _ in range(2)] for d in shape]
    x, known = numbered(shape), data.draw(hidden(shape))
    if mode == "CONSTANT":
        agree(lambda x: tf.pad(x, amounts, constant_values=7), np.pad(x, amounts, constant_values=7), x, shapes=[known])
        agree(lambda x: tf.pad(x, amounts), np.pad(x, amounts), x, shapes=[known])
    else:
        how: Any = mode.lower()
        agree(lambda x: tf.pad(x, amounts, mode), np.pad(x, amounts, how), x, shapes=[known])


@given(st.data())
def test_reverse_and_roll(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    shifts = [data.draw(st.integers(-5, 5)) for _ in axes]
    x, known = numbered(shape), data.draw(hidden(shape))
    agree(lambda x: tf.reverse(x, axes), np.flip(x, axes), x, shapes=[known])
    agree(lambda x: tf.roll(x, shifts, axes), np.roll(x, shifts, axes), x, shapes=[known])


@given(st.data())
def test_reverse_sequence(data: Any) -> None:
    batch, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 4))
    lengths = data.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    x = numbered([batch, steps, 2])
    expected = x.copy()
    for row, length in enumerate(lengths):
        expected[row, :length] = x[row, :length][::-1]
    lengths_array = np.array(lengths, data.draw(st.sampled_from(["int32", "int64"])))
    known = data.draw(hidden(x.shape))
    agree(lambda x, n: tf.reverse_sequence(x, n, 1, 0), expected, x, lengths_array, shapes=[known, [batch]])
    agree(
        lambda x, n: tf.reverse_sequence(x, n, seq_dim=0, batch_dim=1),
        expected.swapaxes(0, 1),
        x.swapaxes(0, 1),
        lengths_array,
    )


@given(st.data())
def test_repeat(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    counts = data.draw(st.lists(st.integers(0, 3), min_size=shape[axis], max_size=shape[axis]))
    x = numbered(shape)
    agree(data_dependent(lambda x: tf.repeat(x, counts, axis)), np.repeat(x, counts, axis), x)
    agree(lambda x: tf.repeat(x, 2, axis), np.repeat(x, 2, axis), x, shapes=[data.draw(hidden(shape))])
    agree(lambda x: tf.repeat(x, 3), np.repeat(x, 3), x)


def test_meshgrid() -> None:
    x, y, z = numbered([3]), numbered([2]), numbered([4])
    for indexing in ("xy", "ij"):
        agree(lambda *v, how=indexing: tf.meshgrid(*v, indexing=how), np.meshgrid(x, y, z, indexing=indexing), x, y, z)


@given(st.integers(2, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
def test_depth_to_space_undoes_space_to_depth(block: int, height: int, width: int, depth: int) -> None:
    x = numbered([2, height * block, width * block, depth])
    _, blocks = run(lambda x: tf.space_to_depth(x, block), x)
    assert_same(blocks[1, 0, 0].reshape(block, block, depth), x[1, :block, :block])
    agree(lambda x: tf.depth_to_space(tf.space_to_depth(x, block), block), x, x, shapes=[[None] * 4])


# --- filling ----------------------------------------------------------------------------------------------------------


@given(SHAPES)
def test_filled_tensors(shape: tuple[int, ...]) -> None:
    dims = np.array(shape, "int32")
    with tf.Graph().as_default(), tf.Session() as session:
        known = [tf.zeros(shape), tf.ones(list(shape), tf.int64), tf.fill(dims, 2.5), tf.zeros(tf.TensorShape(shape))]
        for tensor in known:
            assert tensor.shape.as_list() == list(shape)
        values = session.run(known)
    for value, want in zip(values, (0, 1, 2.5, 0), strict=True):
        assert_same(value, np.full(shape, want))
    agree(
        data_dependent(lambda s: [tf.zeros(s), tf.ones(s, tf.int32), tf.fill(s, True)]),
        [np.zeros(shape), np.ones(shape), np.ones(shape, bool)],
        dims,
    )


def test_like() -> None:
    x = numbered([2, 0, 3], "int32")
    for known in hidings(x.shape):
        agree(
            lambda x: [tf.zeros_like(x), tf.ones_like(x), tf.zeros_like(x, tf.float64), tf.ones_like(x, dtype=tf.bool)],
            [np.zeros_like(x), np.ones_like(x), np.zeros(x.shape), np.ones(x.shape, bool)],
            x,
            shapes=[known],
        )
    assert gradient(lambda x: tf.ones_like(x) * x + tf.zeros_like(x), np.ones(3, "f")).tolist() == [1, 1, 1]  # type: ignore[union-attr]


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
def test_range_of_ints(start: int, limit: int, delta: int) -> None:
    if (limit - start) * delta < 0:
        with pytest.raises(ValueError, match="Requires start"):
            tf.range(start, limit, delta)
        return
    agree(lambda: tf.range(start, limit, delta), np.arange(start, limit, delta))


@pytest.mark.parametrize("arguments", [(0.0, 1.0, 0.1), (1.0, -1.0, -0.3), (0.0, 2.5), (3.0,), (0, 1, 0.25)])
def test_range_of_floats(arguments: tuple[float, ...]) -> None:
    agree(lambda: tf.range(*arguments), np.arange(*arguments, dtype="float32"))


@given(st.floats(-5, 5, width=32), st.floats(-5, 5, width=32), st.integers(1, 9))
def test_linspace(start: float, stop: float, count: int) -> None:
    agree(lambda: tf.linspace(start, stop, count), np.linspace(start, stop, count, dtype="float32"))


@given(st.data())
def test_one_hot(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    depth, axis = data.draw(st.integers(0, 4)), data.draw(st.integers(-1, len(shape)))
    indices = data.draw(hnp.arrays("int64", shape, elements=st.integers(-2, 5)))
    expected = (indices[..., None] == np.arange(depth)).astype("float32")
    expected = np.moveaxis(expected, -1, axis)
    known = data.draw(hidden(shape))
    agree(lambda i: tf.one_hot(i, depth, axis=axis), expected, indices, shapes=[known])
    agree(lambda i: tf.one_hot(i, depth, 5, -1, axis), np.where(expected > 0, 5, -1), indices, shapes=[known])
