"""Arithmetic and types: against numpy, derivatives against differences in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nn_support import numeric_gradient, value_and_gradients
from ops_support import agree, assert_same, gradient, hidden, run

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


# --- one argument -----------------------------------------------------------------------------------------------------

_erf = np.vectorize(math.erf, otypes=[float])
_lgamma = np.vectorize(math.lgamma, otypes=[float])
UNARY: dict[str, tuple[Callable[..., Any], float, float]] = {
    "abs": (np.abs, -5, 5),
    "negative": (np.negative, -5, 5),
    "sign": (np.sign, -5, 5),
    "square": (np.square, -5, 5),
    "sqrt": (np.sqrt, 0.1, 9),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 9),
    "reciprocal": (lambda x: 1 / x, 0.1, 9),
    "exp": (np.exp, -5, 5),
    "expm1": (np.expm1, -5, 5),
    "log": (np.log, 0.1, 9),
    "log1p": (np.log1p, -0.5, 9),
    "tanh": (np.tanh, -5, 5),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -5, 5),
    "log_sigmoid": (lambda x: -np.logaddexp(0, -x), -50, 50),
    "sin": (np.sin, -5, 5),
    "cos": (np.cos, -5, 5),
    "tan": (np.tan, -1, 1),
    "asin": (np.arcsin, -0.9, 0.9),
    "acos": (np.arccos, -0.9, 0.9),
    "atan": (np.arctan, -5, 5),
    "sinh": (np.sinh, -3, 3),
    "cosh": (np.cosh, -3, 3),
    "asinh": (np.arcsinh, -5, 5),
    "acosh": (np.arccosh, 1.1, 5),
    "atanh": (np.arctanh, -0.9, 0.9),
    "erf": (_erf, -3, 3),
    "erfc": (lambda x: 1 - _erf(x), -1, 1),
    "lgamma": (_lgamma, 0.1, 5),
    "floor": (np.floor, -5, 5),
    "ceil": (np.ceil, -5, 5),
    "round": (np.round, -5, 5),
    "rint": (np.rint, -5, 5),
}
STEPS = {"sign", "floor", "ceil", "round", "rint"}


@pytest.mark.parametrize("name", UNARY)
@FEW
@given(data=st.data())
def test_functions_of_one_tensor(name: str, data: Any) -> None:
    formula, low, high = UNARY[name]
    x = data.draw(floats(low, high))
    _, value = run(lambda x: getattr(tf, name)(x), x, shapes=[data.draw(hidden(x.shape))])
    np.testing.assert_allclose(value, formula(x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(UNARY) - STEPS))
def test_derivatives_of_functions_of_one_tensor(name: str) -> None:
    formula, low, high = UNARY[name]
    x = np.linspace(low, high, 7) + 1e-2
    (got,) = value_and_gradients(lambda x: getattr(tf, name)(x), x)[1]
    np.testing.assert_allclose(got, numeric_gradient(formula, x), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "rint"])
def test_steps_have_no_derivative(name: str) -> None:
    assert gradient(getattr(tf, name), np.ones(2)) is None
    assert gradient(tf.sign, np.ones(2)).tolist() == [0, 0]  # type: ignore[union-attr]


def test_rounding_takes_halves_to_even_numbers() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], "f")
    agree(lambda x: [tf.round(x), tf.rint(x), tf.cast(x, tf.int32)], [np.round(x), np.rint(x), np.trunc(x)], x)
    integers = tf.constant([1, 2])
    assert tf.round(integers) is integers


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_integers(dtype: str) -> None:
    x = np.array([5, -3, 0], dtype)
    agree(lambda x: [tf.abs(x), -x, tf.sign(x), tf.square(x)], [abs(x), -x, np.sign(x), x * x], x)


def test_nan_and_infinity() -> None:
    x = np.array([1, np.nan, np.inf, -np.inf], "f")
    expected = [np.isnan(x), np.isinf(x), np.isfinite(x)]
    agree(lambda x: [tf.is_nan(x), tf.is_inf(x), tf.is_finite(x)], expected, x)


# --- two arguments ----------------------------------------------------------------------------------------------------

BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "squared_difference": lambda x, y: (x - y) ** 2,
    "atan2": np.arctan2,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
}
DIVISIONS: dict[str, Callable[..., Any]] = {
    "divide": np.true_divide,
    "realdiv": np.true_divide,
    "truediv": np.true_divide,
    "div": np.true_divide,
    "floordiv": lambda x, y: np.floor(x / y),
    "floor_div": lambda x, y: np.floor(x / y),
    "floormod": np.mod,
    "mod": np.mod,
    "truncatediv": lambda x, y: np.trunc(x / y),
    "truncatemod": np.fmod,
    "div_no_nan": np.true_divide,
}


@pytest.mark.parametrize("name", [*BINARY, *DIVISIONS])
@FEW
@given(data=st.data())
def test_functions_of_two_tensors(name: str, data: Any) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    numbers = st.integers(-20, 20).map(lambda n: n / 4)
    x = data.draw(hnp.arrays("float64", shapes.input_shapes[0], elements=numbers))
    y = data.draw(hnp.arrays("float64", shapes.input_shapes[1], elements=numbers.filter(bool)))
    formula = {**BINARY, **DIVISIONS}[name]
    known = [data.draw(hidden(a.shape)) for a in (x, y)]
    agree(lambda x, y: getattr(tf, name)(x, y), formula(x, y), x, y, shapes=known)


@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "squared_difference", "atan2", "pow", "floormod"]
)
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 3), (3,)), ((), (2,)), ((2, 1), (1, 3)), ((1,), (2, 2))])
def test_derivatives_of_functions_of_two_tensors(name: str, shapes: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.6, 2.4, shapes[0]), rng.uniform(0.7, 2.3, shapes[1])
    formula: Any = {**BINARY, **DIVISIONS, "pow": np.power}[name]
    got = value_and_gradients(lambda x, y: getattr(tf, name)(x, y), x, y)[1]
    np.testing.assert_allclose(got[0], numeric_gradient(lambda v: formula(v, y), x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], numeric_gradient(lambda v: formula(x, v), y), rtol=1e-5, atol=1e-6)


PAIRS = list(itertools.product([7, -7, 6, 0], [2, -2, 3, -4]))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_division_of_integers(dtype: str) -> None:
    x, y = (np.array(v, dtype) for v in zip(*PAIRS, strict=True))
    truncated = np.array([int(a / b) for a, b in PAIRS], dtype)
    agree(lambda x, y: [x // y, tf.floordiv(x, y), tf.div(x, y), tf.floor_div(x, y)], [x // y] * 4, x, y)
    agree(lambda x, y: [x % y, tf.mod(x, y), tf.floormod(x, y)], [x % y] * 3, x, y)
    agree(lambda x, y: [tf.truncatediv(x, y), tf.truncatemod(x, y)], [truncated, x - truncated * y], x, y)
    agree(lambda x, y: [x / y, tf.truediv(x, y), tf.divide(x, y)], [x / y] * 3, x, y)


@pytest.mark.parametrize(
    ("dtype", "quotient"),
    [("int8", "float32"), ("uint8", "float32"), ("int16", "float32"), ("int32", "float64"), ("int64", "float64")],
)
def test_true_division_of_integers_makes_floats(dtype: str, quotient: str) -> None:
    tensors, value = run(lambda x: x / x, np.array([3], dtype))
    assert (tensors.dtype.name, value.tolist()) == (quotient, [1.0])


@pytest.mark.parametrize("name", ["floordiv", "mod", "div", "truncatediv", "truncatemod", "floormod", "floor_div"])
def test_division_of_integers_by_zero(name: str) -> None:
    y = tf.placeholder(tf.int32, [2])
    quotient = getattr(tf, name)(7, y)
    with (
        tf.Session() as session,
        pytest.raises(tf.errors.InvalidArgumentError, match="Integer division by zero") as caught,
    ):
        session.run(quotient, {y: [1, 0]})
    assert caught.value.op is quotient.op


def test_division_of_floats_by_zero() -> None:
    x, y = np.array([1, -1, 0, 0], "f"), np.array([0, 0, 0, 2], "f")
    with np.errstate(all="ignore"):
        agree(lambda x, y: x / y, x / y, x, y)
    agree(lambda x, y: tf.div_no_nan(x, y), np.array([0, 0, 0, 0]), x, y)
    assert gradient(lambda v: tf.div_no_nan(v, y), x).tolist() == [0, 0, 0, 0.5]  # type: ignore[union-attr]
    assert gradient(lambda v: tf.div_no_nan(x, v), y).tolist() == [0, 0, 0, 0]  # type: ignore[union-attr]


def test_powers_of_integers() -> None:
    x = np.array([2, -3, 0, 1], "int32")
    agree(lambda x: [x**2, x**0, tf.pow(x, 3), 2**x**2], [x**2, x**0, x**3, 2 ** x.astype("int32") ** 2], x)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="negative integer powers"):
        session.run(tf.pow(2, tf.placeholder_with_default(-1, [])))


def test_the_derivative_of_equal_values() -> None:
    """Of two equal arguments the first gets all; of equal elements under a reduction each gets a share."""
    x = np.array([1, 2, 3], "f")
    assert gradient(lambda v: tf.maximum(v, [1.0, 3.0, 2.0]), x).tolist() == [1, 0, 1]  # type: ignore[union-attr]
    assert gradient(lambda v: tf.maximum([1.0, 3.0, 2.0], v), x).tolist() == [0, 0, 1]  # type: ignore[union-attr]
    assert gradient(lambda v: tf.minimum(v, [1.0, 3.0, 2.0]), x).tolist() == [1, 1, 0]  # type: ignore[union-attr]
    assert gradient(lambda v: tf.clip_by_value(v, 1.0, 3.0), x).tolist() == [1, 1, 1]  # type: ignore[union-attr]
    ties = np.array([[2, 2, 1], [0, 5, 5]], "f")
    assert gradient(lambda v: tf.reduce_max(v, 1), ties).tolist() == [[0.5, 0.5, 0], [0, 0.5, 0.5]]  # type: ignore[union-attr]
    assert gradient(tf.reduce_min, -ties).tolist() == [[0, 0, 0], [0, 0.5, 0.5]]  # type: ignore[union-attr]


@given(floats(-9, 9), st.floats(-5, 0), st.floats(0, 5))
def test_clip_by_value(x: np.ndarray, low: float, high: float) -> None:
    agree(lambda x: tf.clip_by_value(x, low, high), np.clip(x, low, high), x)


@given(st.integers(1, 4), SHAPES, st.data())
def test_sums_of_several_tensors(count: int, shape: Any, data: Any) -> None:
    arrays = [np.full(shape, i + 1.0) for i in range(count)]
    known = [data.draw(hidden(shape)) for _ in arrays]
    agree(lambda *x: [tf.add_n(x), tf.accumulate_n(x)], [sum(arrays)] * 2, *arrays, shapes=known)


def test_bits() -> None:
    x, y = np.array([6, 5, -1], "int32"), np.array([3, 1, 2], "int32")
    agree(lambda x, y: [x & y, x | y, x ^ y, ~x], [x & y, x | y, x ^ y, ~x], x, y)
    agree(
        lambda x, y: [tf.bitwise.left_shift(x, y), tf.bitwise.right_shift(x, y), tf.bitwise.invert(x)],
        [x << y, x >> y, ~x],
        x,
        y,
    )


# --- types ------------------------------------------------------------------------------------------------------------

CASTS = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize(("source", "target"), list(itertools.product(CASTS, CASTS)))
def test_cast(source: str, target: str) -> None:
    x = np.array([0, 1, 1.75, 100.5], "float64").astype(source)
    tensors, value = run(lambda x: tf.cast(x, target), x)
    assert tensors.dtype.name == target
    assert_same(value, x.astype(target))


def test_casts_of_negative_floats_cut_towards_zero_and_anything_but_zero_is_true() -> None:
    x = np.array([-1.99, -0.5, -0.0, np.nan], "f")
    agree(lambda x: [tf.cast(x[:3], tf.int32), tf.cast(x, tf.bool)], [np.array([-1, 0, 0]), x != 0], x)


def test_a_cast_to_the_same_type_is_the_tensor_itself() -> None:
    x = tf.ones([2])
    assert tf.cast(x, tf.float32) is x
    assert tf.to_float(x) is x


@pytest.mark.parametrize("target", ["int8", "uint8", "int16", "int32", "int64"])
def test_saturate_cast(target: str) -> None:
    limits = np.iinfo(target)
    x = np.array([-1e30, -1, 0, 1, 1e30], "float32")
    expected = [limits.min, max(-1, limits.min), 0, 1, limits.max]
    _, value = run(lambda x: tf.saturate_cast(x, target), x)
    np.testing.assert_allclose(value.astype("float64"), np.array(expected, "float64"), rtol=1e-6)
