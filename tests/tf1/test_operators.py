"""The operators of tensors and variables: both sides, what the other operand may be, names, errors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from ops_support import assert_same

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


def value_of(tensor: Any, feeds: Any = None) -> Any:
    """The value in a session with initialised variables."""
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensor, feeds)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
}
COMPARISONS = {"Less": operator.lt, "LessEqual": operator.le, "Greater": operator.gt, "GreaterEqual": operator.ge}
KINDS: dict[str, Callable[[Any], Any]] = {
    "tensor": tf.constant,
    "variable": tf.Variable,
    "array": lambda value: value,
    "list": lambda value: value.tolist(),
    "number": lambda value: value.ravel().tolist()[0],
    "numpy number": lambda value: value.ravel()[0],
}
PAIRS = [(a, b) for a in KINDS for b in KINDS if "tensor" in (a, b) or "variable" in (a, b)]


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=str)
@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
def test_every_kind_of_operand_on_either_side(name: str, left: str, right: str) -> None:
    function = {**ARITHMETIC, **COMPARISONS}[name]
    x, y = np.array([1.5, 2.5, 4.0], "f"), np.array([2.0, 0.5, 4.0], "f")
    numbers = ("number", "numpy number")
    expected = function(x[0] if left in numbers else x, y[0] if right in numbers else y)
    tensor = function(KINDS[left](x), KINDS[right](y))
    assert isinstance(tensor, tf.Tensor)
    assert_same(value_of(tensor), expected)


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize("kind", [tf.int32, tf.int64, tf.float64])
def test_python_numbers_take_the_type_of_the_tensor(name: str, kind: Any) -> None:
    x = tf.constant([5, 7], kind)
    expected = tf.float64 if name == "truediv" else kind
    for tensor in (ARITHMETIC[name](x, 2), ARITHMETIC[name](2, x)):
        assert tensor.dtype == expected
    assert_same(value_of(ARITHMETIC[name](x, 2)), ARITHMETIC[name](np.array([5, 7]), 2))


def test_a_numpy_array_leaves_the_operator_to_the_tensor() -> None:
    x = tf.constant([[1.0, 2.0]])
    array = np.array([[3.0], [4.0]])  # float64: cast to the tensor's type
    for tensor in (array + x, array * x, array - x, array / x, array**x, array < x, array @ x, np.float64(2) - x):
        assert isinstance(tensor, tf.Tensor)
    assert (array + x).dtype == tf.float32
    assert value_of(array - x).tolist() == [[2, 1], [3, 2]]
    assert value_of(array @ x).tolist() == [[3, 6], [4, 8]]


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda x, i, b: x + 1, "add:0"),
        (lambda x, i, b: 1 + x, "add:0"),
        (lambda x, i, b: x - 1, "sub:0"),
        (lambda x, i, b: x * 1, "mul:0"),
        (lambda x, i, b: x / 2, "truediv:0"),
        (lambda x, i, b: i / 2, "truediv:0"),
        (lambda x, i, b: x // 2, "floordiv:0"),
        (lambda x, i, b: x % 2, "mod:0"),
        (lambda x, i, b: x**2, "pow:0"),
        (lambda x, i, b: x @ x, "matmul:0"),
        (lambda x, i, b: -x, "Neg:0"),
        (lambda x, i, b: abs(x), "Abs:0"),
        (lambda x, i, b: x < 1, "Less:0"),
        (lambda x, i, b: x > 1, "Greater:0"),
        (lambda x, i, b: x >= 1, "GreaterEqual:0"),
        (lambda x, i, b: b & b, "and:0"),
        (lambda x, i, b: b | True, "or:0"),
        (lambda x, i, b: True ^ b, "xor:0"),
        (lambda x, i, b: ~b, "LogicalNot:0"),
        (lambda x, i, b: x[0], "strided_slice:0"),
        (lambda x, i, b: tf.add(x, x), "Add:0"),
        (lambda x, i, b: tf.multiply(x, x), "Mul:0"),
        (lambda x, i, b: tf.subtract(x, x), "Sub:0"),
        (lambda x, i, b: tf.divide(x, x), "truediv:0"),
        (lambda x, i, b: tf.div(x, x), "div:0"),
        (lambda x, i, b: tf.matmul(x, x), "MatMul:0"),
        (lambda x, i, b: tf.add(x, x, name="sum"), "sum:0"),
    ],
)
def test_names(build: Any, name: str) -> None:
    x = tf.placeholder(tf.float32, [2, 2], "x")
    i, b = tf.placeholder(tf.int32, [2], "i"), tf.placeholder(tf.bool, [2], "b")
    assert build(x, i, b).name == name


def test_constants_are_named_below_the_operation_that_takes_them(graph: Any) -> None:
    x = tf.placeholder(tf.float32, [], "x")
    for _ in range(2):
        2 * (x + 1)
    names = ["x", "add/y", "add", "mul/x", "mul", "add_1/y", "add_1", "mul_1/x", "mul_1"]
    assert [op.name for op in graph.get_operations()] == names


def test_equality_is_identity_so_that_tensors_can_be_keys() -> None:
    x, y, v = tf.constant(1), tf.constant(1), tf.Variable(1)
    assert (x == x) is True
    assert (x == y) is False
    assert (x != y) is True
    assert (v == v) is True
    assert len({x: 1, y: 2, v: 3}) == 3


def test_the_results_are_of_the_graph_of_the_tensor() -> None:
    other = tf.Graph()
    with other.as_default():
        x, v = tf.constant([1.0, 2.0], name="x"), tf.Variable(1.0)
    for tensor in (x + 1, 1 - x, x[0], x[1:], -x, tf.reduce_sum(x), tf.reshape(x, [2, 1]), v * 2.0, tf.exp(v)):
        assert tensor.graph is other
    assert tf.get_default_graph().get_operations() == []


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda f, i, b: i + 2.5, "has type float32 that does not match type int32 of argument 'x'"),
        (lambda f, i, b: 2.5 + i, "Expected int32, got 2.5 of type 'float' instead"),
        (lambda f, i, b: f + i, "has type int32 that does not match type float32 of argument 'x'"),
        (lambda f, i, b: f / i, "must have the same dtype"),
        (lambda f, i, b: i // 2.5, "does not match type int32"),
        (lambda f, i, b: b + b, "DataType bool not in list of allowed values"),
        (lambda f, i, b: -b, "DataType bool not in list of allowed values"),
        (lambda f, i, b: f & f, "bool"),
        (lambda f, i, b: ~f, "bool"),
        (lambda f, i, b: f + "a", "string"),
        (lambda f, i, b: f * object(), "object"),
        (lambda f, i, b: b < b, "not in list of allowed values"),
        (lambda f, i, b: i @ f, "does not match type"),
    ],
)
def test_types_that_do_not_fit(build: Any, match: str) -> None:
    f, i, b = tf.ones([2, 2]), tf.ones([2, 2], tf.int32), tf.ones([2, 2], tf.bool)
    with pytest.raises(TypeError, match=match):
        build(f, i, b)


@pytest.mark.parametrize("function", [*ARITHMETIC.values(), *COMPARISONS.values()])
def test_shapes_that_do_not_fit(function: Any) -> None:
    with pytest.raises(ValueError, match="Dimensions must be equal, but are 2 and 3"):
        function(tf.ones([2]), tf.ones([3]))
    x = tf.placeholder(tf.float32)
    y = function(x, tf.ones([3]))
    with (
        tf.Session() as session,
        pytest.raises(tf.errors.InvalidArgumentError, match=r"Incompatible shapes: \[2\] vs. \[3\]") as caught,
    ):
        session.run(y, {x: [1.0, 2.0]})
    assert caught.value.op is y.op


def test_none_is_no_operand() -> None:
    for build in (lambda x: x + None, lambda x: None + x, lambda x: x < None):
        with pytest.raises(ValueError, match="None values not supported"):
            build(tf.ones([2]))


def test_what_a_tensor_cannot_do() -> None:
    x = tf.ones([2])
    with pytest.raises(TypeError, match="only iterable when eager execution"):
        list(x)
    with pytest.raises(TypeError, match="only iterable when eager execution"):
        _first, _second = x
    for attempt in (lambda: bool(x), lambda: not x, lambda: 1 if x[0] > 0 else 2, lambda: x[0] > 0 and x[1] > 0):
        with pytest.raises(TypeError, match="as a Python `bool` is not allowed"):
            attempt()
    with pytest.raises(TypeError, match="len is not well defined"):
        len(x)
    for convert in (float, int, range):
        with pytest.raises(TypeError):
            convert(x[0])
    with pytest.raises(NotImplementedError, match="Cannot convert a symbolic"):
        np.array(x)
    with pytest.raises(TypeError, match="item assignment"):
        x[0] = 1.0
    with pytest.raises(TypeError, match="not iterable"):
        list(tf.Variable([1.0, 2.0]))


def test_a_variable_in_an_expression_is_read_when_the_expression_runs() -> None:
    v = tf.Variable(2.0)
    y = 3.0 * v + v**2
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(y) == 10
        session.run(v.assign(3.0))
        assert session.run(y) == 18
        assert session.run(tf.gradients(y, v)[0]) == 9
