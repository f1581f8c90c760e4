"""Reductions, running sums, segments, products: against numpy, derivatives against differences in float64."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nn_support import numeric_gradient, value_and_gradients
from ops_support import agree, assert_same, data_dependent, gradient, hidden, hidings

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


FEW = settings(max_examples=20)  # of each of many functions
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def floats(low: float, high: float, dtype: str = "float64") -> Any:
    """Arrays of any shape with elements between the bounds."""
    width = {"float32": 32, "float64": 64}[dtype]
    elements = st.floats(low, high, width=width).map(lambda v: v if abs(v) > 1e-3 else 0.0)  # type: ignore[arg-type]
    return SHAPES.flatmap(lambda shape: hnp.arrays(dtype, shape, elements=elements))


# --- reductions -------------------------------------------------------------------------------------------------------

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_prod": np.prod,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_logsumexp": lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@FEW
@given(data=st.data())
def test_reductions(name: str, data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True)) if shape else []
    axes = [a - len(shape) if data.draw(st.booleans()) else a for a in axes]
    keep = data.draw(st.booleans())
    x = np.random.default_rng(len(axes)).normal(size=shape)
    known = data.draw(hidden(shape))
    expected = REDUCTIONS[name](x, axis=tuple(axes), keepdims=keep)
    build = getattr(tf, name)
    agree(lambda x: build(x, axes, keep), expected, x, shapes=[known])
    agree(lambda x: build(x, reduction_indices=axes, keep_dims=keep), expected, x, shapes=[known])
    agree(data_dependent(lambda x, a: build(x, a, keep)), expected, x, np.array(axes, "int64"), shapes=[known, [None]])
    agree(lambda x: build(x, keepdims=keep), REDUCTIONS[name](x, axis=None, keepdims=keep), x, shapes=[known])


@pytest.mark.parametrize("name", REDUCTIONS)
def test_derivatives_of_reductions(name: str) -> None:
    x = np.random.default_rng(1).normal(size=[2, 3, 2])
    for axes in ((0,), (1, 2), (0, 1, 2)):
        (got,) = value_and_gradients(functools.partial(getattr(tf, name), axis=axes), x)[1]
        expected = numeric_gradient(functools.partial(REDUCTIONS[name], axis=axes, keepdims=False), x)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_the_mean_of_integers_is_an_integer_cut_towards_zero() -> None:
    x = np.array([[3, 4], [-3, -4]], "int32")
    agree(lambda x: tf.reduce_mean(x, 1), np.array([3, -3]), x)
    assert tf.reduce_mean([1, 2]).dtype == tf.int32


def test_reductions_of_nothing() -> None:
    x = np.zeros([0, 2], "f")
    expected = [0, np.nan, 1, -np.inf, np.inf, -np.inf]
    agree(lambda x: [getattr(tf, name)(x) for name in REDUCTIONS], expected, x)
    i = np.zeros([0], "int32")
    agree(lambda i: [tf.reduce_max(i), tf.reduce_min(i), tf.reduce_mean(i)], [-(2**31), 2**31 - 1, 0], i)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)), st.data())
def test_all_and_any(x: np.ndarray, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    known = data.draw(hidden(x.shape))
    agree(lambda x: [tf.reduce_all(x, axis), tf.reduce_any(x, axis)], [x.all(axis), x.any(axis)], x, shapes=[known])
    agree(lambda x: [tf.reduce_all(x), tf.reduce_any(x)], [x.all(), x.any()], x, shapes=[known])


def test_logsumexp_neither_overflows_nor_loses_digits() -> None:
    x = np.array([[1000, 1000], [-1000, -1001]], "f")
    agree(lambda x: tf.reduce_logsumexp(x, 1), np.logaddexp.reduce(x, 1), x)
    assert_same(gradient(lambda v: tf.reduce_logsumexp(v, 1), x)[0], [0.5, 0.5])  # type: ignore[index]


@given(hnp.arrays("int32", hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.integers(0, 3)), st.data())
def test_argmax_takes_the_first_of_equal_elements(x: np.ndarray, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    known = data.draw(hidden(x.shape))
    expected = [np.argmax(x, axis), np.argmin(x, axis)]
    agree(lambda x: [tf.argmax(x, axis), tf.argmin(x, axis)], expected, x, shapes=[known])
    agree(lambda x: [tf.argmax(x, dimension=axis), tf.arg_min(x, axis)], expected, x, shapes=[known])


def test_argmax_passes_over_nan() -> None:
    x = np.array([[1, np.nan, 2], [np.nan] * 3, [np.nan, 0, 1]], "f")
    agree(lambda x: [tf.argmax(x, 1), tf.argmin(x, 1)], [np.array([2, 0, 2]), np.array([0, 0, 1])], x)


@pytest.mark.parametrize("output_type", [tf.int32, tf.int64])
def test_argmax_has_the_type_asked_for(output_type: Any) -> None:
    assert tf.argmax(tf.ones([2]), output_type=output_type).dtype == output_type
    assert tf.argmax(tf.ones([2])).dtype == tf.int64


@given(floats(-3, 3))
def test_count_nonzero(x: np.ndarray) -> None:
    agree(lambda x: tf.count_nonzero(x), np.count_nonzero(x), x)
    agree(lambda x: tf.count_nonzero(x, keep_dims=True, dtype=tf.int32), np.full([1] * x.ndim, np.count_nonzero(x)), x)


# --- running sums -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@FEW
@given(data=st.data())
def test_running_sums_and_products(exclusive: bool, reverse: bool, data: Any) -> None:
    x = data.draw(
        hnp.arrays(
            "float64", hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), elements=st.integers(-3, 3)
        )
    )
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))

    def expected(accumulate: Any, neutral: float) -> Any:
        turned = np.flip(x, axis) if reverse else x
        result = accumulate(turned, axis)
        if exclusive:
            result = np.concatenate([np.full_like(np.take(x, [], axis), neutral), result], axis)
            ones = np.full([1 if i == axis % x.ndim else d for i, d in enumerate(x.shape)], neutral)
            result = np.concatenate([ones, result], axis)
            result = np.take(result, range(x.shape[axis]), axis)
        return np.flip(result, axis) if reverse else result

    agree(
        lambda x: [tf.cumsum(x, axis, exclusive, reverse), tf.cumprod(x, axis, exclusive=exclusive, reverse=reverse)],
        [expected(np.cumsum, 0), expected(np.cumprod, 1)],
        x,
        shapes=[data.draw(hidden(x.shape))],
    )


def test_derivatives_of_running_sums() -> None:
    x = np.random.default_rng(2).normal(size=[3, 2])
    for build, formula in ((tf.cumsum, np.cumsum), (tf.cumprod, np.cumprod)):
        (got,) = value_and_gradients(functools.partial(build, axis=0), x)[1]
        np.testing.assert_allclose(got, numeric_gradient(functools.partial(formula, axis=0), x), rtol=1e-6)


# --- segments ---------------------------------------------------------------------------------------------------------

SEGMENTS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda rows: rows.sum(0),
    "mean": lambda rows: rows.mean(0),
    "prod": lambda rows: rows.prod(0),
    "max": lambda rows: rows.max(0),
    "min": lambda rows: rows.min(0),
    "sqrt_n": lambda rows: rows.sum(0) / np.sqrt(len(rows)),
}
EMPTY_SEGMENT = {"max": np.finfo("float64").min, "min": np.finfo("float64").max, "prod": 1}


@pytest.mark.parametrize("name", SEGMENTS)
@FEW
@given(data=st.data())
def test_segments(name: str, data: Any) -> None:
    ids = data.draw(st.lists(st.integers(-1, 4), max_size=7))
    x = np.random.default_rng(len(ids)).normal(size=[len(ids), 2])

    def expected(ids: Any, count: int, empty: float) -> Any:
        groups = [x[np.array(ids, int) == i] for i in range(count)]
        return (
            np.stack([SEGMENTS[name](g) if len(g) else np.full(2, empty) for g in groups])
            if count
            else np.zeros([0, 2])
        )

    array = np.array(ids, "int32")
    unsorted = getattr(tf, f"unsorted_segment_{name}")
    agree(lambda x, i: unsorted(x, i, 6), expected(ids, 6, EMPTY_SEGMENT.get(name, 0)), x, array)
    if name != "sqrt_n":
        ordered = np.sort(np.abs(array))
        ids = ordered.tolist()
        empty = 1 if name == "prod" else 0
        result = expected(ids, ids[-1] + 1 if ids else 0, empty)
        agree(data_dependent(lambda x, i: getattr(tf, f"segment_{name}")(x, i)), result, x, ordered)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min"])
def test_derivatives_of_segments(name: str) -> None:
    x = np.random.default_rng(3).normal(size=[4, 2])
    ids = [0, 0, 2, 2]
    (got,) = value_and_gradients(lambda x: getattr(tf, f"segment_{name}")(x, ids), x)[1]

    def formula(v: Any) -> Any:
        groups = [v[:2], v[2:]]
        return np.stack([SEGMENTS[name](groups[0]), np.zeros(2), SEGMENTS[name](groups[1])])

    np.testing.assert_allclose(got, numeric_gradient(formula, x), rtol=1e-6, atol=1e-8)


@given(st.lists(st.integers(0, 6), max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_bincount(values: list[int], least: int, most: int) -> None:
    x = np.array(values, "int32")
    weights = np.arange(len(values), dtype="float32")
    full = np.bincount(x, minlength=least) if values else np.zeros(least)
    agree(data_dependent(lambda x: tf.bincount(x, minlength=least)), full, x)
    width = min(most, max(values, default=-1) + 1)
    limited = np.array([values.count(n) for n in range(width)], "int32")
    agree(data_dependent(lambda x: tf.bincount(x, maxlength=most)), limited, x)
    if values:
        agree(data_dependent(lambda x, w: tf.bincount(x, w)), np.bincount(x, weights), x, weights)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
def test_confusion_matrix(pairs: list[tuple[int, int]]) -> None:
    labels, predictions = (np.array(v, "int64") for v in zip(*pairs, strict=True))
    expected = np.zeros([4, 4])
    np.add.at(expected, (labels, predictions), 1)
    agree(lambda x, y: tf.confusion_matrix(x, y, 4), expected, labels, predictions)
    weights = np.arange(len(pairs), dtype="float32")
    np.add.at(expected, (labels, predictions), weights - 1)
    agree(lambda x, y, w: tf.confusion_matrix(x, y, 4, tf.float32, weights=w), expected, labels, predictions, weights)


# --- products ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), list(itertools.product([False, True], [False, True])))
@FEW
@given(data=st.data())
def test_matmul(first: bool, second: bool, data: Any) -> None:
    batch = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2))
    rows, inner, columns = (data.draw(st.integers(0, 3)) for _ in range(3))
    rng = np.random.default_rng(rows)
    x = rng.normal(size=[*batch.input_shapes[0], *((inner, rows) if first else (rows, inner))])
    y = rng.normal(size=[*batch.input_shapes[1], *((columns, inner) if second else (inner, columns))])
    expected = np.matmul(x.swapaxes(-1, -2) if first else x, y.swapaxes(-1, -2) if second else y)
    known = [data.draw(hidden(x.shape)), data.draw(hidden(y.shape))]
    agree(lambda x, y: tf.matmul(x, y, transpose_a=first, transpose_b=second), expected, x, y, shapes=known)


@pytest.mark.parametrize("axes", [0, 1, 2, ((1, 2), (0, 1)), ((-1,), (1,)), ([2, 0], [1, 2]), (1, 0)], ids=str)
def test_tensordot(axes: Any) -> None:
    x, y = np.random.default_rng(4).normal(size=[2, 3, 4]), np.random.default_rng(5).normal(size=[3, 4, 2])
    if axes == 1:
        y = y.transpose(1, 0, 2)
    for hide in hidings(x.shape):
        try:
            expected = np.tensordot(x, y, axes)
        except ValueError:
            with pytest.raises(ValueError, match="must be equal"):
                tf.tensordot(tf.constant(x), tf.constant(y), axes)
            return
        agree(lambda x, y: tf.tensordot(x, y, axes), expected, x, y, shapes=[hide, y.shape])


EQUATIONS = [
    "ij,jk->ik",
    "ij,jk",
    "bij,bjk->bik",
    "...ij,jk->...ik",
    "ij->ji",
    "ij->",
    "ii->i",
    "i,j->ij",
    "bij,bij->b",
]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation: str) -> None:
    sizes = {"i": 2, "j": 3, "k": 4, "b": 2}
    rng = np.random.default_rng(6)
    arrays = [
        rng.normal(size=[*([5] if "..." in term else []), *[sizes[c] for c in term.replace(".", "")]])
        for term in equation.split("->")[0].split(",")
    ]
    expected = np.einsum(equation, *arrays)
    agree(lambda *x: tf.einsum(equation, *x), expected, *arrays)
    agree(lambda *x: tf.einsum(equation, *x), expected, *arrays, shapes=[[None] * a.ndim for a in arrays])


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), (1, 2)], ids=str)
@pytest.mark.parametrize("order", ["euclidean", "fro", 1, 2, np.inf, 3], ids=str)
def test_norm(order: Any, axis: Any) -> None:
    x = np.random.default_rng(7).normal(size=[2, 3, 4])
    matrices = isinstance(axis, tuple)
    if (order == "fro" and not matrices) or (order == 3 and matrices):
        with pytest.raises(ValueError, match="'ord' must be a supported"):
            tf.norm(tf.constant(x), order, axis)
        return
    numpy_order = {"euclidean": "fro" if matrices else 2}.get(order, order)
    flat = x.ravel() if axis is None else x
    expected = np.linalg.norm(flat, numpy_order, axis=axis)
    agree(lambda x: tf.norm(x, order, axis), expected, x)
    kept = expected.reshape([1, 1, 1]) if axis is None else np.linalg.norm(x, numpy_order, axis=axis, keepdims=True)
    agree(lambda x: [tf.norm(x, order, axis, keepdims=True), tf.norm(x, order, axis, keep_dims=True)], [kept, kept], x)


def test_linear_algebra() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=[2, 3, 3]), rng.normal(size=[2, 3, 2])
    positive = x @ x.swapaxes(1, 2) + np.eye(3)
    agree(lambda x: [tf.matrix_inverse(x), tf.matrix_determinant(x)], [np.linalg.inv(x), np.linalg.det(x)], x)
    agree(lambda x, y: tf.matrix_solve(x, y), np.linalg.solve(x, y), x, y)
    agree(lambda x: tf.cholesky(x), np.linalg.cholesky(positive), positive)
    agree(lambda x, y: tf.cholesky_solve(tf.cholesky(x), y), np.linalg.solve(positive, y), positive, y)
    agree(lambda x, y: tf.matrix_triangular_solve(x, y), np.linalg.solve(np.tril(x), y), x, y)
    agree(lambda x: tf.svd(x, compute_uv=False), np.linalg.svd(x, compute_uv=False), x)
    agree(lambda x: tf.self_adjoint_eigvals(x), np.linalg.eigvalsh(positive), positive)

    def rebuilt(x: Any, p: Any) -> list[Any]:
        s, u, v = tf.svd(x)
        q, r = tf.qr(x)
        e, w = tf.self_adjoint_eig(p)
        return [
            tf.matmul(u * s[:, None], v, adjoint_b=True),
            tf.matmul(q, r),
            tf.matmul(w * e[:, None], w, transpose_b=True),
        ]

    agree(rebuilt, [x, x, positive], x, positive)


def test_complex_numbers() -> None:
    x, y = np.array([1.0, -2.0], "f"), np.array([0.5, 3.0], "f")
    z = x + 1j * y
    agree(
        lambda x, y: [f(tf.complex(x, y)) for f in (tf.real, tf.imag, tf.abs, tf.angle, tf.conj)],
        [x, y, abs(z), np.angle(z), z.conj()],
        x,
        y,
    )
    # the derivative of |z|^2 by the real and the imaginary part
    (by_x, by_y) = value_and_gradients(lambda x, y: tf.square(tf.abs(tf.complex(x, y))), x, y)[1]
    assert_same(by_x, 2 * x * [1, 2])
    assert_same(by_y, 2 * y * [1, 2])
