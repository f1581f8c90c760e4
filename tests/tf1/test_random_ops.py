"""``tf.random_*``: shapes, ranges, distributions, and what the seeds fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fresh_process
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ops_support import data_dependent, hidden, run

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


MAKERS: dict[str, Callable[..., Any]] = {
    "random_uniform": tf.random_uniform,
    "random_uniform of ints": lambda shape, **kw: tf.random_uniform(shape, 0, 1000, **{"dtype": tf.int32, **kw}),
    "random_normal": tf.random_normal,
    "truncated_normal": tf.truncated_normal,
    "random_gamma": lambda shape, **kw: tf.random_gamma(shape, 2.0, **kw),
    "random_poisson": lambda shape, **kw: tf.random_poisson(50.0, shape, **kw),
    "random_shuffle": lambda shape, **kw: tf.random_shuffle(tf.range(int(np.prod(shape))), **kw),
    "random_crop": lambda shape, **kw: tf.random_crop(tf.range(10000), [int(np.prod(shape))], **kw),
    "multinomial": lambda shape, **kw: tf.multinomial(tf.zeros([1, 1000]), int(np.prod(shape)), **kw),
}


def drawn(build: Callable[[], Any], seed: int | None = None, times: int = 1) -> list[Any]:
    """What ``build()`` gives in ``times`` runs of one session, in a graph of its own with that seed."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)
        tensor = build()
        return [session.run(tensor) for _ in range(times)]


# --- shapes and types -------------------------------------------------------------------------------------------------


@given(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
def test_shapes(shape: tuple[int, ...]) -> None:
    for name in ("random_uniform", "random_normal", "truncated_normal"):
        tensors, value = run(lambda n=name: MAKERS[n](list(shape)))
        assert tensors.shape.as_list() == list(shape) == list(value.shape)
        build = data_dependent(lambda s, n=name: MAKERS[n](s))
        assert run(build, np.array(shape, "int64"))[1].shape == shape


def test_shapes_partly_known() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    for name in ("random_uniform", "random_normal", "truncated_normal"):
        assert MAKERS[name]([tf.shape(x)[0], 3]).shape.as_list() == [None, 3]
        assert MAKERS[name](tf.shape(x)).shape.as_list() == [None, 3]


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64, tf.bfloat16])
@pytest.mark.parametrize("name", ["random_uniform", "random_normal", "truncated_normal"])
def test_floating_types(name: str, dtype: Any) -> None:
    tensor = MAKERS[name]([100], dtype=dtype)
    assert tensor.dtype == dtype
    with tf.Session() as session:
        value = session.run(tensor)
    assert value.dtype == dtype.as_numpy_dtype
    assert np.isfinite(value).all()


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_integers(dtype: Any) -> None:
    value = drawn(lambda: tf.random_uniform([1000], -3, 4, dtype))[0]
    assert value.dtype == dtype.as_numpy_dtype
    assert sorted(set(value.tolist())) == list(range(-3, 4))


# --- distributions ----------------------------------------------------------------------------------------------------


def test_uniform_is_in_its_bounds_and_even() -> None:
    value = drawn(lambda: tf.random_uniform([20000], -2.0, 3.0), seed=1)[0]
    assert value.min() >= -2
    assert value.max() < 3
    counts, _ = np.histogram(value, 10, (-2, 3))
    assert abs(counts - 2000).max() < 5 * np.sqrt(2000)


def test_bounds_that_are_tensors() -> None:
    low = tf.constant([0.0, 10.0])
    value = drawn(lambda: tf.random_uniform([500, 2], tf.constant([0.0, 10.0]), tf.constant([1.0, 20.0])))[0]
    assert low.shape.as_list() == [2]
    assert (value[:, 0] < 1).all()
    assert (value[:, 1] >= 10).all()


def test_normal_has_its_moments() -> None:
    value = drawn(lambda: tf.random_normal([40000], 2.0, 3.0), seed=2)[0].astype(np.float64)
    assert abs(value.mean() - 2) < 0.06
    assert abs(value.std() - 3) < 0.05
    assert abs(((value - 2) ** 3).mean() / 27) < 0.06
    assert abs(((value - 2) ** 4).mean() / 81 - 3) < 0.2


def test_truncated_normal_stays_within_two_standard_deviations() -> None:
    value = drawn(lambda: tf.truncated_normal([40000], 1.0, 0.5), seed=3)[0].astype(np.float64)
    assert abs(value - 1).max() < 1
    assert abs(value.std() / 0.5 - 0.87962566103423978) < 0.01
    assert abs(value.mean() - 1) < 0.01
    # it is a normal distribution inside, not one whose tails were moved to the bounds
    assert np.mean(abs(value - 1) > 0.98) < 0.01


def test_gamma_and_poisson_have_their_moments() -> None:
    gamma = drawn(lambda: tf.random_gamma([20000], [0.5, 4.0], 2.0), seed=4)[0]
    assert gamma.shape == (20000, 2)
    np.testing.assert_allclose(gamma.mean(0), [0.25, 2.0], rtol=0.05)
    np.testing.assert_allclose(gamma.var(0), [0.125, 1.0], rtol=0.1)
    poisson = drawn(lambda: tf.random_poisson([1.0, 9.0], [20000]), seed=5)[0]
    np.testing.assert_allclose(poisson.mean(0), [1.0, 9.0], rtol=0.05)
    np.testing.assert_allclose(poisson.var(0), [1.0, 9.0], rtol=0.1)


def test_multinomial_follows_the_logits() -> None:
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]]) + 1e-30)
    value = drawn(lambda: tf.multinomial(tf.constant(logits), 20000), seed=6)[0]
    assert value.dtype == np.int64
    shares = np.stack([np.bincount(row, minlength=3) / 20000 for row in value])
    np.testing.assert_allclose(shares, [[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], atol=0.015)
    assert shares[1, 2] == 0


def test_multinomial_of_nothing_and_of_one_class() -> None:
    assert drawn(lambda: tf.multinomial(tf.zeros([0, 3]), 4))[0].shape == (0, 4)
    assert drawn(lambda: tf.multinomial(tf.zeros([2, 3]), 0))[0].shape == (2, 0)
    assert drawn(lambda: tf.multinomial(tf.constant([[-np.inf, 0.0, -np.inf]]), 5))[0].tolist() == [[1] * 5]
    tensor = tf.random.categorical(tf.placeholder(tf.float32, [None, 3]), 2, dtype=tf.int32)
    assert (tensor.shape.as_list(), tensor.dtype) == ([None, 2], tf.int32)


@given(st.integers(0, 6), st.data())
def test_shuffling_permutes_rows(count: int, data: Any) -> None:
    x = np.arange(count * 2).reshape(count, 2)
    _, value = run(lambda x: tf.random_shuffle(x), x, shapes=[data.draw(hidden(x.shape))])
    assert sorted(map(tuple, value.tolist())) == list(map(tuple, x.tolist()))


def test_the_gradient_of_a_shuffle_goes_back_where_the_rows_came_from() -> None:
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    y = tf.random_shuffle(x, seed=1)
    (g,) = tf.gradients(y * [1.0, 2.0, 3.0, 4.0], x)
    with tf.Session() as session:
        shuffled, gradient = session.run([y, g])
    assert [gradient[int(v) - 1] for v in shuffled] == [1, 2, 3, 4]


def test_crops_are_pieces() -> None:
    x = np.arange(20).reshape(4, 5)
    for value in drawn(lambda: tf.random_crop(x, [2, 3]), times=20):
        top, left = divmod(int(value[0, 0]), 5)
        assert (value == x[top : top + 2, left : left + 3]).all()


# --- seeds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_seeds_fix_the_stream_of_a_session(name: str) -> None:
    """The same in every session and graph; a stream, so that the runs of one session differ."""

    def build() -> Any:
        return MAKERS[name]([20], seed=5)

    first = drawn(build, times=3)
    again = drawn(build, times=3)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not (first[0] == first[1]).all()
    assert not (first[1] == first[2]).all()
    assert not (first[0] == drawn(lambda: MAKERS[name]([20], seed=6))[0]).all()
    assert not (first[0] == drawn(build, seed=1)[0]).all()


@pytest.mark.parametrize("name", MAKERS)
def test_the_graph_seed_gives_every_operation_a_stream_of_its_own(name: str) -> None:
    def build() -> Any:
        return [MAKERS[name]([20]), MAKERS[name]([20])]

    (first,), (again,), (other,) = drawn(build, seed=5), drawn(build, seed=5), drawn(build, seed=6)
    assert not (first[0] == first[1]).all()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not (first[0] == other[0]).all()


def test_without_seeds_every_session_draws_anew() -> None:
    a, b = drawn(lambda: tf.random_normal([5])), drawn(lambda: tf.random_normal([5]))
    assert not (a[0] == b[0]).any()


def test_operations_with_one_seed_draw_the_same() -> None:
    a, b = drawn(lambda: [tf.random_normal([5], seed=3), tf.random_normal([5], seed=3)])[0]
    assert (a == b).all()


def test_a_seed_set_later_leaves_the_operations_before_it() -> None:
    tf.set_random_seed(1)
    x = tf.random_normal([4], name="x")
    tf.set_random_seed(2)
    y = tf.random_normal([4])
    with tf.Session() as session:
        first, other = session.run([x, y])
    assert (first == drawn(lambda: tf.random_normal([4], name="x"), seed=1)[0]).all()
    assert not (first == other).all()


def test_one_run_evaluates_a_random_operation_once() -> None:
    x = tf.random_normal([3], name="noise")
    with tf.Session() as session:
        a, b, c, d = session.run([x, x + 0.0, tf.identity(x), "noise:0"])
    assert (a == b).all()
    assert (a == c).all()
    assert (a == d).all()


def test_a_fed_random_operation_draws_nothing() -> None:
    x = tf.random_normal([2], seed=1)
    y = x * 2.0
    with tf.Session() as session:
        assert session.run(y, {x: [1.0, 2.0]}).tolist() == [2, 4]
        first = session.run(x)
    assert (first == drawn(lambda: tf.random_normal([2], seed=1))[0]).all()


def test_other_operations_do_not_disturb_a_stream() -> None:
    def build() -> Any:
        return tf.random_normal([3], seed=1)

    with tf.Session() as session:
        x, other = build(), tf.random_uniform([7])
        runs = [session.run([x, other])[0], session.run(other)[:3], session.run(x)]
    expected = drawn(build, times=2)
    assert (runs[0] == expected[0]).all()
    assert (runs[2] == expected[1]).all()


def test_get_seed() -> None:
    assert tf.get_seed(None) == (None, None)
    assert tf.get_seed(7) == (87654321, 7)
    tf.set_random_seed(3)
    tf.constant(0)
    assert tf.get_seed(None) == (3, 1)
    assert tf.get_seed(7) == (3, 7)
    assert tf.get_seed(2**31 + 1) == (3, 2)
    tf.set_random_seed(0)
    assert tf.get_seed(0) == (0, 2**31 - 1)


def test_seeds_fix_the_numbers_across_processes(tmp_path: Path) -> None:
    program = """
        import dynrnn.tf1 as tf
        tf.set_random_seed(1234)
        tensors = [tf.random_normal([3]), tf.random_uniform([3], seed=4), tf.truncated_normal([3]),
                   tf.random_uniform([3], 0, 100, tf.int32), tf.random_shuffle(tf.range(9)),
                   tf.get_variable("w", [2, 2])]
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            print([value.tolist() for value in session.run(tensors)])
    """
    first, second = (fresh_process.succeeded(fresh_process.code(program, cwd=tmp_path)).stdout for _ in range(2))
    assert first == second
    assert first.count("[") == 9


STATELESS: dict[str, Callable[..., Any]] = {
    "stateless_uniform": tf.random.stateless_uniform,
    "stateless_normal": tf.random.stateless_normal,
    "stateless_truncated_normal": tf.random.stateless_truncated_normal,
}


@pytest.mark.parametrize("name", STATELESS)
def test_stateless_numbers_depend_on_the_seed_alone(name: str) -> None:
    build = STATELESS[name]
    a, b = drawn(lambda: build([4], [1, 2]), times=2)
    assert (a == b).all()
    assert (a == drawn(lambda: build([4], tf.constant([1, 2], tf.int64)), seed=9)[0]).all()
    assert not (a == drawn(lambda: build([4], [1, 3]))[0]).any()
    assert not (a == drawn(lambda: build([4], [2, 1]))[0]).any()


def test_stateless_integers() -> None:
    value = drawn(lambda: tf.random.stateless_uniform([300], [1, 2], 5, 8, tf.int32))[0]
    assert sorted(set(value.tolist())) == [5, 6, 7]


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: tf.random_uniform([2], dtype=tf.int32), ValueError, "Must specify maxval for integer dtype"),
        (lambda: tf.random_uniform([2], 0, 5, tf.uint8), ValueError, "invalid value tf.uint8"),
        (lambda: tf.random_normal([2], dtype=tf.int32), TypeError, "Expected int32"),
        (lambda: tf.random_normal(2), ValueError, "Shape must be rank 1 but is rank 0"),
        (lambda: tf.random_normal([-1]), ValueError, "non-negative"),
        (lambda: tf.random_normal("a"), TypeError, "string"),
        (lambda: tf.multinomial(tf.zeros([3]), 1), ValueError, "Shape must be rank 2 but is rank 1"),
    ],
)
def test_refusals(build: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        build()


def test_bounds_in_the_wrong_order() -> None:
    high = tf.placeholder(tf.int32, [])
    x = tf.random_uniform([1], 3, high, tf.int32)
    with (
        tf.Session() as session,
        pytest.raises(tf.errors.InvalidArgumentError, match="Need minval < maxval, got 3 >= 3"),
    ):
        session.run(x, {high: 3})
