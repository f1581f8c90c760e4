"""Datasets and iterators beyond the golden programs: state, seeds, threads, memory, and arguments that are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dynrnn.tf1

tf: Any = dynrnn.tf1
D: Any = tf.data.Dataset


@pytest.fixture(autouse=True)
def graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def elements(dataset: Any) -> list[Any]:
    iterator = dataset.make_initializable_iterator()
    following = iterator.get_next()
    with tf.Session() as session:
        session.run(iterator.initializer)
        found = []
        while True:
            try:
                found.append(session.run(following))
            except tf.errors.OutOfRangeError as error:
                assert "End of sequence" in str(error)
                return found


def test_training_on_a_pipeline() -> None:
    """A whole program: feed arrays to the initialiser, train on batches, twice."""
    features, targets = np.random.randn(50, 3).astype(np.float32), np.zeros(50, np.float32)
    targets += features @ np.array([1.0, -2.0, 0.5], np.float32)
    x, y = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None])
    iterator = D.from_tensor_slices((x, y)).shuffle(50).batch(10).repeat(30).make_initializable_iterator()
    bx, by = iterator.get_next()
    assert bx.shape.as_list() == [None, 3]
    w = tf.get_variable("w", [3, 1])
    loss = tf.reduce_mean(tf.square(tf.squeeze(tf.matmul(bx, w), 1) - by))
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(2):
            sess.run(iterator.initializer, {x: features, y: targets})
            with pytest.raises(tf.errors.OutOfRangeError):
                while True:
                    sess.run(train)
        np.testing.assert_allclose(sess.run(w)[:, 0], [1.0, -2.0, 0.5], atol=1e-3)


def test_what_is_fed_may_be_changed_afterwards() -> None:
    x = tf.placeholder(tf.float32, [3])
    iterator = D.from_tensor_slices(x).make_initializable_iterator()
    following, array = iterator.get_next(), np.array([1.0, 2.0, 3.0], np.float32)
    with tf.Session() as sess:
        sess.run(iterator.initializer, {x: array})
        array[:] = 0
        assert [sess.run(following) for _ in range(3)] == [1, 2, 3]


def test_one_step_fetches_one_element() -> None:
    a, b = D.zip((D.range(9), D.range(9).map(lambda v: -v))).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [sess.run([a, b, a + b]) for _ in range(3)] == [[0, 0, 0], [1, -1, 0], [2, -2, 0]]


def test_sessions_have_iterators_of_their_own() -> None:
    following = D.range(5).make_one_shot_iterator().get_next()
    with tf.Session() as one, tf.Session() as two:
        assert [one.run(following), one.run(following), two.run(following)] == [0, 1, 0]


def test_shuffling_is_a_permutation_and_seeds_repeat_it() -> None:
    plain = [int(v) for v in elements(D.range(30).shuffle(7, seed=3))]
    assert sorted(plain) == list(range(30)) and plain != list(range(30))
    assert [int(v) for v in elements(D.range(30).shuffle(7, seed=3))] == plain
    # an element comes at most as much earlier as the buffer is long
    assert all(place >= value - 6 for place, value in enumerate(plain))
    again = [int(v) for v in elements(D.range(30).shuffle(30, seed=3).repeat(2))]
    assert again[:30] != again[30:] and sorted(again[:30]) == sorted(again[30:])
    same = [int(v) for v in elements(D.range(30).shuffle(30, seed=3, reshuffle_each_iteration=False).repeat(2))]
    assert same[:30] == same[30:]


def test_the_first_element_can_be_anyone_in_the_buffer() -> None:
    following = D.range(9).shuffle(4).make_initializable_iterator()
    value = following.get_next()
    with tf.Session() as sess:
        firsts = set()
        for _ in range(100):
            sess.run(following.initializer)
            firsts.add(int(sess.run(value)))
    assert firsts == {0, 1, 2, 3}


def test_random_functions_differ_from_element_to_element() -> None:
    values = elements(D.range(5).map(lambda _: tf.random_uniform([])))
    assert len({float(v) for v in values}) == 5


def test_a_cache_computes_once() -> None:
    calls: list[int] = []

    def count(v: Any) -> Any:
        calls.append(int(v))
        return v

    dataset = D.range(3).map(lambda v: tf.py_func(count, [v], tf.int64)).cache().repeat(3)
    assert [int(v) for v in elements(dataset)] == [0, 1, 2] * 3 and calls == [0, 1, 2]


def test_elements_are_computed_when_they_are_asked_for() -> None:
    calls: list[int] = []

    def count(v: Any) -> Any:
        calls.append(int(v))
        return v

    following = D.range(9).map(lambda v: tf.py_func(count, [v], tf.int64)).prefetch(2).make_one_shot_iterator()
    value = following.get_next()
    with tf.Session() as sess:
        sess.run(value)
        sess.run(value)
    assert calls == [0, 1]


def test_threads_share_an_iterator() -> None:
    following = D.range(200).make_one_shot_iterator().get_next()
    found: list[int] = []
    with tf.Session() as sess:

        def take() -> None:
            try:
                while True:
                    found.append(int(sess.run(following)))
            except tf.errors.OutOfRangeError:
                pass

        threads = [threading.Thread(target=take) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == list(range(200))


def test_a_generator_is_called_anew_for_each_pass() -> None:
    calls: list[int] = []

    def generator() -> Any:
        calls.append(1)
        yield from ({"a": np.arange(n), "b": str(n)} for n in range(2))

    dataset = D.from_generator(generator, {"a": tf.int64, "b": tf.string}, {"a": [None], "b": []}).repeat(2)
    assert dataset.output_shapes["a"].as_list() == [None]
    found = elements(dataset)
    assert [v["b"] for v in found] == [b"0", b"1"] * 2 and len(calls) == 2


def test_after_a_failing_element_come_the_others() -> None:
    dataset = D.range(4).map(lambda v: tf.check_numerics(1.0 / tf.cast(v - 1, tf.float32), "bad"))
    value = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run(value) == -1.0
        with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
            sess.run(value)
        assert [sess.run(value), sess.run(value)] == [1.0, 0.5]
    assert elements(dataset.apply(tf.data.experimental.ignore_errors())) == [-1.0, 1.0, 0.5]


def test_names_in_functions_do_not_count_outside() -> None:
    D.range(3).map(lambda v: tf.add(v, 1, name="add")).filter(lambda v: tf.less(v, 2, name="less"))
    assert tf.add(1, 2, name="add").name == "add:0" and tf.less(1, 2, name="less").name == "less:0"


def test_a_function_sees_what_is_outside() -> None:
    table, scale = tf.constant([10, 20, 30], tf.int64), tf.placeholder(tf.int64, [])
    iterator = D.range(3).map(lambda v: tf.gather(table, v) * scale).make_initializable_iterator()
    value = iterator.get_next()
    with tf.Session() as sess:
        sess.run(iterator.initializer, {scale: 2})
        assert [sess.run(value) for _ in range(3)] == [20, 40, 60]


def test_a_recurrent_model_in_a_function() -> None:
    """Nodes that run bodies work inside bodies that are run for each element."""
    cell = tf.nn.rnn_cell.BasicRNNCell(3)
    with tf.Session() as sess:
        x = np.random.randn(2, 4, 5).astype(np.float32)
        inputs = tf.constant(x)
        outputs, _ = tf.nn.dynamic_rnn(cell, inputs, dtype=tf.float32)
        iterator = D.from_tensors(inputs).map(lambda v: tf.scan(lambda a, b: a + b, v)).make_initializable_iterator()
        sess.run([tf.global_variables_initializer(), iterator.initializer])
        np.testing.assert_allclose(sess.run(iterator.get_next()), np.cumsum(x, 0), rtol=1e-6)
        assert sess.run(outputs).shape == (2, 4, 3)


@given(
    st.lists(st.integers(0, 9), max_size=30),
    st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True),
    st.integers(1, 4),
)
def test_buckets_hold_like_lengths(lengths: list[int], boundaries: list[int], size: int) -> None:
    boundaries = sorted(boundaries)
    with tf.Graph().as_default():
        dataset = D.from_tensor_slices(np.array(lengths, np.int64)).map(lambda n: tf.fill([n], n))
        batches = elements(
            dataset.apply(
                tf.data.experimental.bucket_by_sequence_length(
                    lambda v: tf.size(v), boundaries, [size] * (len(boundaries) + 1), padded_shapes=[None]
                )
            )
        )
    found = []
    for batch in batches:
        assert 1 <= len(batch) <= size
        rows = [int((row == row.max()).sum()) if row.size and row.max() else 0 for row in batch]
        assert len({sum(n >= b for b in boundaries) for n in rows}) == 1
        assert batch.shape[1] == max(rows)
        found += rows
    assert sorted(found) == sorted(lengths)


@given(st.integers(0, 12), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_batches_against_slices(count: int, size: int, times: int, drop: bool) -> None:
    with tf.Graph().as_default():
        found = elements(D.range(count).repeat(times).batch(size, drop_remainder=drop))
    flat = list(range(count)) * times
    expected = [flat[i : i + size] for i in range(0, len(flat), size)]
    if drop and expected and len(expected[-1]) < size:
        expected.pop()
    assert [batch.tolist() for batch in found] == expected


def test_what_they_look_like() -> None:
    dataset = D.from_tensor_slices({"a": np.zeros([2, 3]), "b": ["x", "y"]})
    assert str(dataset) == "<DatasetV1Adapter shapes: {a: (3,), b: ()}, types: {a: tf.float64, b: tf.string}>"
    assert str(D.range(3).batch(2)) == "<DatasetV1Adapter shapes: (?,), types: tf.int64>"
    assert dataset.output_classes == {"a": tf.Tensor, "b": tf.Tensor}
    iterator = dataset.make_one_shot_iterator()
    assert tf.data.get_output_types(iterator) == {"a": tf.float64, "b": tf.string}


def test_names_of_contrib() -> None:
    assert tf.contrib.data.Dataset is D and tf.contrib.data.AUTOTUNE == tf.data.experimental.AUTOTUNE == -1
    dropped = D.range(5).apply(tf.contrib.data.batch_and_drop_remainder(2))
    assert dropped.output_shapes.as_list() == [2] and len(elements(dropped)) == 2
    assert len(elements(D.range(4).with_options(tf.data.Options()))) == 4


def test_wrong_arguments() -> None:
    with pytest.raises(RuntimeError, match="__iter__"):
        list(D.range(3))
    with pytest.raises(TypeError, match="must return a `Dataset` object"):
        D.range(3).flat_map(lambda v: v)
    with pytest.raises(TypeError, match="must return a Dataset"):
        D.range(3).apply(lambda d: 3)
    with pytest.raises(TypeError, match="callable"):
        D.from_generator([1, 2], tf.int64)
    with pytest.raises(TypeError, match="must be callable"):
        D.range(3).map(5)
    with pytest.raises(ValueError, match="does not have an initializer"):
        D.range(3).make_one_shot_iterator().initializer  # noqa: B018
    with pytest.raises(ValueError, match="index must be >= 0 and < num_shards"):
        D.range(3).shard(2, 2)
    with pytest.raises(ValueError, match="padded_shapes must be a tuple of 2"):
        D.zip((D.range(3), D.range(3))).padded_batch(2, [])
    with pytest.raises(ValueError, match="must be a dict with the keys"):
        D.from_tensor_slices({"a": [1]}).padded_batch(2, {"b": []})
    with pytest.raises(ValueError, match="either window_size or window_size_func"):
        tf.data.experimental.group_by_window(lambda v: v, lambda k, d: d)
    with pytest.raises(ValueError, match="len\\(bucket_batch_sizes\\) must equal"):
        tf.data.experimental.bucket_by_sequence_length(lambda v: v, [3], [2])
    with pytest.raises(NotImplementedError, match="filename"):
        D.range(3).cache("somewhere")
