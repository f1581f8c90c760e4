"""map_fn, scan, foldl, foldr against Python loops, with nests, gradients, unknown and zero lengths."""

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

from dynrnn.tf1 import math_ops
from dynrnn.tf1.array_ops import placeholder, zeros
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.gradients import gradients
from dynrnn.tf1.core.graph import Graph
from dynrnn.tf1.core.session import Session
from dynrnn.tf1.core.variable_scope import get_variable, variable_scope
from dynrnn.tf1.core.variables import global_variables, global_variables_initializer
from dynrnn.tf1.functional_ops import foldl, foldr, map_fn, scan
from dynrnn.tf1.init_ops import constant_initializer
from dynrnn.tf1.math_ops import range_


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with Graph().as_default() as graph:
        yield graph


def _run(fetches: Any, feeds: Any = None) -> Any:
    with Session() as session:
        if global_variables():
            session.run(global_variables_initializer())
        return session.run(fetches, feeds)


ARRAYS = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 3)), elements=st.integers(-3, 3))


# --- against Python ---------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(x=ARRAYS)
def test_map_fn_is_a_python_loop(x: np.ndarray) -> None:
    with Graph().as_default():
        elems = placeholder(dtypes.float64, [None, x.shape[1]])
        y = map_fn(lambda row: row * row + 1.0, elems)
        assert y.shape.as_list() == [None, x.shape[1]]
        values, gradient = _run([y, gradients(y, elems)[0]], {elems: x})
        np.testing.assert_array_equal(values, [row * row + 1 for row in x])
        np.testing.assert_array_equal(gradient, 2 * x)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("initial", [False, True])
@settings(max_examples=15)
@given(x=ARRAYS)
def test_scan_and_folds_are_python_s(initial: bool, reverse: bool, x: np.ndarray) -> None:
    start = np.full(x.shape[1], 2.0)
    rows = list(x[::-1] if reverse else x)
    expected = list(itertools.accumulate([start, *rows] if initial else rows, lambda a, b: a * 2.0 + b))
    expected = expected[1:] if initial else expected
    with Graph().as_default():
        elems = placeholder(dtypes.float64, [None, x.shape[1]])
        first = constant(start) if initial else None
        scanned = scan(lambda a, row: a * 2.0 + row, elems, initializer=first, reverse=reverse)
        folded = (foldr if reverse else foldl)(lambda a, row: a * 2.0 + row, elems, initializer=first)
        all_values, last, gradient = _run([scanned, folded, gradients(folded, elems)[0]], {elems: x})
        np.testing.assert_array_equal(all_values, expected[::-1] if reverse else expected)
        np.testing.assert_array_equal(last, expected[-1])
        weights = 2.0 ** np.arange(len(x))
        weights = weights if reverse else weights[::-1]
        np.testing.assert_array_equal(gradient, np.repeat(weights[:, None], x.shape[1], 1))


def test_gradient_of_a_scan() -> None:
    """TensorFlow's numbers for p * t + 1 over [[0, 1], [2, 3], [4, 5]]."""
    x = constant(np.arange(6.0, dtype=np.float32).reshape(3, 2))
    y = scan(lambda p, t: p * t + 1.0, x)
    assert y.shape.as_list() == [3, 2]
    values, gradient = _run([y, gradients(y, x)[0]])
    np.testing.assert_array_equal(values, [[0, 1], [1, 4], [5, 21]])
    np.testing.assert_array_equal(gradient, [[11, 19], [0, 6], [1, 4]])


def test_gradients_reach_variables_used_inside() -> None:
    with variable_scope("v"):
        w = get_variable("w", [2], initializer=constant_initializer(3.0))
    x = constant([[1.0, 2.0], [3.0, 4.0]])
    y = map_fn(lambda row: row * w, x)
    np.testing.assert_array_equal(_run(gradients(y, w)[0]), [4, 6])


def test_variables_made_inside_are_ordinary_ones() -> None:
    def scaled(row: Any) -> Any:
        return row * get_variable("inner", [2], initializer=constant_initializer(2.0))

    y = map_fn(scaled, constant([[1.0, 2.0], [3.0, 4.0]]))
    assert [v.op.name for v in global_variables()] == ["inner"]
    np.testing.assert_array_equal(_run(y), [[2, 4], [6, 8]])


# --- nests ------------------------------------------------------------------------------------------------------------


def test_nests_in_and_out() -> None:
    x = constant([[1.0, 2.0], [3.0, 4.0]])
    total, halves = map_fn(
        lambda t: (t["a"] + t["b"], math_ops.cast(t["b"], dtypes.int32)),
        {"a": x, "b": x * 2.0},
        dtype=(dtypes.float32, dtypes.int32),
    )
    assert (total.shape.as_list(), halves.dtype) == ([2, 2], dtypes.int32)
    got = _run([total, halves])
    np.testing.assert_array_equal(got[0], [[3, 6], [9, 12]])
    np.testing.assert_array_equal(got[1], [[2, 4], [6, 8]])


def test_a_nest_as_the_value_of_a_recursion() -> None:
    x = placeholder(dtypes.float32, [None, 2])
    first = {"sum": zeros([2]), "count": constant(0)}

    def step(a: Any, row: Any) -> Any:
        return {"sum": a["sum"] + row, "count": a["count"] + 1}

    scanned, folded = scan(step, x, initializer=first), foldr(step, x, initializer=first)
    rows = np.arange(6.0).reshape(3, 2)
    got, last = _run([scanned, folded], {x: rows})
    np.testing.assert_array_equal(got["sum"], np.cumsum(rows, 0))
    np.testing.assert_array_equal(got["count"], [1, 2, 3])
    np.testing.assert_array_equal(last["sum"], rows.sum(0))
    assert last["count"] == 3


def test_inside_one_another() -> None:
    x = constant(np.arange(6.0).reshape(3, 2))
    y = map_fn(lambda row: map_fn(lambda e: e * e, row), x)
    z = foldl(
        lambda a, row: a + foldl(functools.partial(math_ops.add), row), x, initializer=constant(0.0, dtypes.float64)
    )
    values, total, gradient = _run([y, z, gradients(y, x)[0]])
    np.testing.assert_array_equal(values, np.arange(6.0).reshape(3, 2) ** 2)
    assert total == 15
    np.testing.assert_array_equal(gradient, 2 * np.arange(6.0).reshape(3, 2))


def test_results_of_another_dtype_and_shape() -> None:
    y = map_fn(
        lambda i: math_ops.cast(i, dtypes.float32) * np.array([1, 10], np.float32),
        constant([1, 2]),
        dtype=dtypes.float32,
    )
    assert y.shape.as_list() == [2, 2]
    np.testing.assert_array_equal(_run(y), [[1, 10], [2, 20]])


# --- lengths and names ------------------------------------------------------------------------------------------------


def test_no_slices() -> None:
    x = placeholder(dtypes.float32, [None, 2])
    mapped = map_fn(lambda row: row * 2.0, x)
    scanned = scan(lambda a, row: a + row, x, initializer=zeros([2]))
    folded = foldl(lambda a, row: a + row, x, initializer=constant([1.0, 2.0]))
    got = _run([mapped, scanned, folded], {x: np.zeros((0, 2))})
    assert [g.shape for g in got] == [(0, 2), (0, 2), (2,)]
    np.testing.assert_array_equal(got[2], [1, 2])
    with pytest.raises(errors.InvalidArgumentError, match="Tried to read from index 0 but array size is: 0"):
        _run(scan(lambda a, row: a + row, x), {x: np.zeros((0, 2))})


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda **k: map_fn(lambda t: t, constant([1.0]), **k), "map/TensorArrayStack/TensorArrayGatherV3"),
        (lambda **k: scan(lambda a, t: a + t, constant([1.0]), **k), "scan/TensorArrayStack/TensorArrayGatherV3"),
        (lambda **k: foldl(lambda a, t: a + t, constant([1.0]), **k), "foldl/while/Exit_2"),
        (lambda **k: foldr(lambda a, t: a + t, constant([1.0]), **k), "foldr/while/Exit_2"),
    ],
)
def test_names(build: Callable[..., Any], name: str) -> None:
    assert build().op.name == name
    assert build(name="mine").op.name == "/".join(["mine", *name.split("/")[1:]])


def test_no_gradients_without_back_prop() -> None:
    x = constant([1.0, 2.0])
    y = map_fn(lambda t: t * t, x, back_prop=False)
    np.testing.assert_array_equal(_run([y, gradients(y + x, x)[0]])[1], [1, 1])


# --- errors -----------------------------------------------------------------------------------------------------------

X = np.ones((3, 2), np.float32)
ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "map_fn, not callable": (lambda: map_fn(3, X), TypeError, "fn must be callable, got 3"),  # type: ignore[arg-type]
    "scan, not callable": (lambda: scan(None, X), TypeError, "fn must be callable"),  # type: ignore[arg-type]
    "foldl, not callable": (lambda: foldl("f", X), TypeError, "fn must be callable"),  # type: ignore[arg-type]
    "map_fn, scalar": (lambda: map_fn(lambda t: t, 1.0), ValueError, "must be 1.* dimensional Tensors, not scalars"),
    "scan, scalar": (lambda: scan(lambda a, t: t, 1.0), ValueError, "must be 1.* dimensional Tensors, not scalars"),
    "foldr, scalar": (lambda: foldr(lambda a, t: t, 1.0), ValueError, "must be 1.* dimensional Tensors, not scalars"),
    "no tensors": (lambda: map_fn(lambda t: t, ()), ValueError, "elems must be a Tensor or"),
    "lengths differ": (lambda: map_fn(lambda t: t[0], (X, X[:2]), dtype=dtypes.float32), ValueError, "not compatible"),
    "map_fn, structure": (lambda: map_fn(lambda t: (t, t), X), ValueError, r"structure \*, got \(\*, \*\)"),
    "scan, structure": (lambda: scan(lambda a, t: [a], X), ValueError, r"structure \*, got \[\*\]"),
    "foldl, structure": (lambda: foldl(lambda a, t: (a, t), X), ValueError, r"structure \*, got \(\*, \*\)"),
    "map_fn, dtype": (
        lambda: map_fn(lambda t: math_ops.cast(t, dtypes.int32), X),
        ValueError,
        "dtype is float32 but Op is trying to write dtype int32",
    ),
    "scan, shape": (lambda: scan(lambda a, t: a[:1], X), ValueError, "Inconsistent shapes|not an invariant"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    build, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        build()


def test_results_of_several_shapes() -> None:
    y = map_fn(range_, constant([1, 2, 3]), dtype=dtypes.int32)
    assert y.shape.as_list() == [3, None]
    with pytest.raises(errors.InvalidArgumentError, match=r"value shape is .2. which is incompatible"):
        _run(y)
