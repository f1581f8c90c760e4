"""Assertions, Print and their messages; the texts are those of TensorFlow 2.21."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn.tf1 import check_ops, math_ops
from dynrnn.tf1.array_ops import placeholder, placeholder_with_default
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.control_flow import while_loop
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.gradients import gradients
from dynrnn.tf1.core.graph import Graph, get_default_graph
from dynrnn.tf1.core.session import Session
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.debug_ops import Assert, Print, check_numerics, summarize_value, verify_tensor_all_finite


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with Graph().as_default() as graph:
        yield graph


def _run(fetches: Any, feeds: Any = None) -> Any:
    with Session() as session:
        return session.run(fetches, feeds)


# --- conditions on values ---------------------------------------------------------------------------------------------

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "assert_equal": np.equal,
    "assert_none_equal": np.not_equal,
    "assert_less": np.less,
    "assert_less_equal": np.less_equal,
    "assert_greater": np.greater,
    "assert_greater_equal": np.greater_equal,
}
UNARY: dict[str, Callable[[Any, Any], Any]] = {
    "assert_positive": np.greater,
    "assert_negative": np.less,
    "assert_non_negative": np.greater_equal,
    "assert_non_positive": np.less_equal,
}


@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=20)
@given(x=st.lists(st.integers(-1, 1), min_size=1, max_size=4), y=st.integers(-1, 1), static=st.booleans())
def test_comparisons_hold_for_all_elements(name: str, x: list[int], y: int, static: bool) -> None:
    """With broadcasting; constants decide while the graph is built, others when it runs."""
    holds = bool(np.all(BINARY[name](np.array(x), y)))
    with Graph().as_default():
        value = x if static else placeholder_with_default(np.array(x, np.int32), [None])
        if holds:
            assert _run(getattr(check_ops, name)(value, y)) is None
        else:
            with pytest.raises(errors.InvalidArgumentError, match=r"Condition x .* y did not hold element-wise"):
                _run(getattr(check_ops, name)(value, y))


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=20)
@given(x=st.lists(st.integers(-1, 1), min_size=1, max_size=4), static=st.booleans())
def test_signs_hold_for_all_elements(name: str, x: list[int], static: bool) -> None:
    holds = bool(np.all(UNARY[name](np.array(x), 0)))
    with Graph().as_default():
        value = x if static else placeholder_with_default(np.array(x, np.int32), [None])
        if holds:
            assert _run(getattr(check_ops, name)(value)) is None
        else:
            with pytest.raises(errors.InvalidArgumentError, match=r"Condition x .* 0 did not hold element-wise"):
                _run(getattr(check_ops, name)(value))


def _fed() -> Any:
    return placeholder_with_default(np.array([1, 2, 3, 4, 5], np.int32), [None], name="fed")


MESSAGES: dict[str, tuple[Callable[[], Any], str]] = {
    "values": (
        lambda: check_ops.assert_equal(_fed(), [1, 2, 3, 4, 6]),
        "assertion failed: [Condition x == y did not hold element-wise:] [x (fed:0) = ] [1 2 3...] "
        "[y (assert_equal/y:0) = ] [1 2 3...]",
    ),
    "message": (
        lambda: check_ops.assert_less(_fed(), 3, message="too long"),
        "assertion failed: [too long] [Condition x < y did not hold element-wise:] [x (fed:0) = ] [1 2 3...] "
        "[y (assert_less/y:0) = ] [3]",
    ),
    "data and summarize": (
        lambda: check_ops.assert_equal(_fed(), 1, message="hey", data=["d", _fed()], summarize=10),
        "assertion failed: [hey] [d] [1 2 3 4 5]",
    ),
    "sign": (
        lambda: check_ops.assert_negative(_fed()),
        "assertion failed: [] [Condition x < 0 did not hold element-wise:] [x (fed:0) = ] [1 2 3...]",
    ),
    "rank": (
        lambda: check_ops.assert_rank(placeholder_with_default(np.array([1, 2], np.int32), None, name="any"), 2),
        "assertion failed: [] [Tensor any:0 must have rank] [2] [Received shape: ] [2]",
    ),
    "rank at least": (
        lambda: check_ops.assert_rank_at_least(
            placeholder_with_default(np.array([1, 2], np.int32), None, name="any"), 2
        ),
        "assertion failed: [] [Tensor any:0 must have rank at least] [2] [Received shape: ] [2]",
    ),
    "rank in": (
        lambda: check_ops.assert_rank_in(
            placeholder_with_default(np.array([1, 2], np.int32), None, name="any"), [2, 3]
        ),
        "assertion failed: [] [Tensor any:0 must have rank in] [2] [3] [Received shape: ] [2]",
    ),
    "Assert": (lambda: Assert(constant(False), [_fed(), "abc"]), "assertion failed: [1 2 3...] [abc]"),
    "Assert, all entries": (lambda: Assert(False, [_fed()], summarize=-1), "assertion failed: [1 2 3 4 5]"),
    "ensure_shape": (
        lambda: check_ops.ensure_shape(_fed(), [4]),
        "Shape of tensor fed [5] is not compatible with expected shape [4].",
    ),
    "NaN": (lambda: check_numerics(constant([1.0, np.nan]), "loss"), "loss : Tensor had NaN values"),
    "infinity": (lambda: check_numerics(constant([1.0, -np.inf]), "loss"), "loss : Tensor had Inf values"),
    "all finite": (lambda: verify_tensor_all_finite(constant([np.inf]), "loss"), "loss : Tensor had Inf values"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_at_run_time(name: str) -> None:
    build, message = MESSAGES[name]
    element = build()
    with pytest.raises(errors.InvalidArgumentError) as caught:
        _run(element)
    assert caught.value.message == message


def test_constants_fail_while_the_graph_is_built() -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        check_ops.assert_equal([1, 2], [1, 3], message="hey")
    assert caught.value.message.split("\n") == [
        "hey",
        "Condition x == y did not hold element-wise:",
        "x (assert_equal/x:0) = ",
        "[1 2]",
        "y (assert_equal/y:0) = ",
        "[1 3]",
    ]


def test_nearness() -> None:
    x = placeholder(dtypes.float32, [None])
    close, loose = check_ops.assert_near(x, 1.0), check_ops.assert_near(x, 1.0, rtol=0.0, atol=0.5)
    assert _run(close, {x: [1.0, 1.0 + 1e-7]}) is None
    assert _run(loose, {x: [0.6, 1.4]}) is None
    for op, value in ((close, 1.001), (loose, 1.6)):
        with pytest.raises(errors.InvalidArgumentError, match="x and y not equal to tolerance rtol = "):
            _run(op, {x: [value]})


def test_an_assertion_runs_only_where_something_depends_on_it() -> None:
    x = placeholder(dtypes.int32, [None])
    op = check_ops.assert_positive(x)
    free = x + 1
    with get_default_graph().control_dependencies([op]):
        guarded = x + 1
    np.testing.assert_array_equal(_run(free, {x: [-1]}), [0])
    np.testing.assert_array_equal(_run(guarded, {x: [1]}), [2])
    with pytest.raises(errors.InvalidArgumentError, match="assertion failed"):
        _run(guarded, {x: [-1]})


# --- ranks, shapes, dtypes --------------------------------------------------------------------------------------------

STATIC: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "rank": (
        lambda: check_ops.assert_rank(_fed(), 2),
        ValueError,
        r"^Tensor fed:0 must have rank 2.  Received rank 1, shape \(\?,\)$",
    ),
    "rank, message": (
        lambda: check_ops.assert_rank(_fed(), 2, message="hey"),
        ValueError,
        r"^hey.  Tensor fed:0 must have rank 2.  Received rank 1",
    ),
    "rank at least": (
        lambda: check_ops.assert_rank_at_least(_fed(), 2),
        ValueError,
        "^Tensor fed:0 must have rank at least 2.  Received rank 1",
    ),
    "rank in": (
        lambda: check_ops.assert_rank_in(_fed(), [2, 3]),
        ValueError,
        r"^Tensor fed:0 must have rank in \(2, 3\).  Received rank 1",
    ),
    "rank that is no scalar": (lambda: check_ops.assert_rank(_fed(), [1]), ValueError, "Rank must be a scalar."),
    "rank that is no integer": (
        lambda: check_ops.assert_rank(_fed(), 1.0),
        TypeError,
        "assert_rank/rank:0 must be of type tf.int32; got tf.float32",
    ),
    "scalar": (
        lambda: check_ops.assert_scalar(_fed()),
        ValueError,
        r"Expected scalar shape for fed:0, saw shape: \(\?,\)",
    ),
    "integer": (
        lambda: check_ops.assert_integer(constant(1.0, name="c")),
        TypeError,
        r"""Expected "x" to be integer type.  Found: c:0 of dtype <dtype: 'float32'>""",
    ),
    "type": (
        lambda: check_ops.assert_type(_fed(), dtypes.float32),
        TypeError,
        "fed:0 must be of type tf.float32; got tf.int32",
    ),
    "float dtypes": (
        lambda: check_ops.assert_same_float_dtype([constant(1.0, name="a"), constant(1, name="b")]),
        ValueError,
        r"b:0, type=<dtype: 'int32'>, must be of the same type \(<dtype: 'float32'>\) as a:0",
    ),
    "float dtype": (
        lambda: check_ops.assert_same_float_dtype([_fed()]),
        ValueError,
        "Expected floating point type, got <dtype: 'int32'>",
    ),
    "ensure_shape": (lambda: check_ops.ensure_shape(_fed(), [2, 2]), ValueError, r"\(\?,\) and \(2, 2\) are not comp"),
    "strings": (lambda: check_ops.assert_proper_iterable("abc"), TypeError, "proper.*Found: <class 'str'>"),
    "tensors": (lambda: check_ops.assert_proper_iterable(_fed()), TypeError, "proper.*Tensor"),
    "numbers": (lambda: check_ops.assert_proper_iterable(3), TypeError, "to be iterable.*int"),
}


@pytest.mark.parametrize("name", STATIC)
def test_what_is_known_fails_at_once(name: str) -> None:
    build, kind, message = STATIC[name]
    with pytest.raises(kind, match=message):
        build()


def test_what_is_known_to_hold_needs_no_run() -> None:
    x = _fed()
    ops = [
        check_ops.assert_rank(x, 1),
        check_ops.assert_rank_at_least(x, 1),
        check_ops.assert_rank_in(x, (1, 3)),
        check_ops.assert_integer(x),
        check_ops.assert_type(x, dtypes.int32),
    ]
    assert [op.type for op in ops] == ["NoOp"] * 5
    check_ops.assert_proper_iterable([1, 2])
    assert check_ops.assert_scalar(constant(2)).shape.as_list() == []


def test_ranks_known_only_at_run_time() -> None:
    x, rank = placeholder(dtypes.float32), placeholder(dtypes.int32, [])
    op = check_ops.assert_rank(x, rank)
    assert _run(op, {x: [[1.0]], rank: 2}) is None
    with pytest.raises(errors.InvalidArgumentError, match="must have rank"):
        _run(op, {x: [[1.0]], rank: 1})


def test_one_of_several_ranks_is_enough() -> None:
    x = placeholder(dtypes.float32)
    op = check_ops.assert_rank_in(x, [1, 3])
    assert _run(op, {x: [1.0]}) is None
    with pytest.raises(errors.InvalidArgumentError, match="must have rank in"):
        _run(op, {x: [[1.0]]})


def test_dtypes() -> None:
    assert check_ops.assert_same_float_dtype([constant(1.0, dtypes.float64)]) is dtypes.float64
    assert check_ops.assert_same_float_dtype() is dtypes.float32
    assert [check_ops.is_numeric_tensor(v) for v in (_fed(), Variable(1.0), constant("a"), constant(True), 3)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_ensure_shape_adds_to_what_is_known() -> None:
    x = placeholder(dtypes.float32, [None, 3])
    y = check_ops.ensure_shape(x, [2, None])
    assert y.shape.as_list() == [2, 3]
    values, gradient = _run([y, gradients(y * y, x)[0]], {x: np.ones((2, 3))})
    np.testing.assert_array_equal(values, np.ones((2, 3)))
    np.testing.assert_array_equal(gradient, 2 * np.ones((2, 3)))


@settings(max_examples=30)
@given(x=st.lists(st.integers(0, 3), max_size=4))
def test_order(x: list[int]) -> None:
    with Graph().as_default():
        value = constant(x, dtypes.int32)
        got = _run([check_ops.is_non_decreasing(value), check_ops.is_strictly_increasing(value)])
        assert got == [x == sorted(x), x == sorted(set(x))]


def test_strings_have_no_order() -> None:
    with pytest.raises(TypeError, match="Expected x to be numeric"):
        check_ops.is_non_decreasing(constant(["a"]))


# --- how values are shown ---------------------------------------------------------------------------------------------

CUBE = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
SHOWN: list[tuple[Any, int | None, str]] = [
    # as TensorFlow 2.21 prints them
    (1.5, None, "1.5"),
    ([1.0, 2.0], None, "1 2"),
    ([1.0, 2.0, 3.0, 4.0], None, "1 2 3..."),
    ([1.0, 2.0, 3.0, 4.0], -1, "1 2 3 4"),
    ([[1.0, 2.0], [3.0, 4.0]], None, "[1 2][3...]..."),
    ([[1.0, 2.0], [3.0, 4.0]], 2, "[1 2]..."),
    ([[1, 2, 3, 4], [3, 4, 5, 6]], None, "[1 2 3...]..."),
    ([[1, 2, 3, 4], [3, 4, 5, 6]], 5, "[1 2 3 4][3...]..."),
    (CUBE, None, "[[1 2][3...]]..."),
    (CUBE, 2, "[[1 2]]..."),
    (CUBE, 5, "[[1 2][3 4]][[5...]]..."),
    (CUBE, -1, "[[1 2][3 4]][[5 6][7 8]]"),
    ([0.1, 1 / 3, 1e-10, 1e20, 123456.789, np.nan, np.inf], -1, "0.1 0.333333343 1e-10 1e+20 123456.789 nan inf"),
    (np.array([0.1, 1 / 3]), None, "0.1 0.33333333333333331"),
    ("hello", None, "hello"),
    (["a", "b", "c", "d"], 2, "a b..."),
    ([True, False], None, "1 0"),
    (np.zeros([0, 2]), None, ""),
]


@pytest.mark.parametrize(("value", "entries", "text"), SHOWN)
def test_values_are_shown_as_tensorflow_shows_them(value: Any, entries: int | None, text: str) -> None:
    assert summarize_value(constant(value).op.attrs["value"], entries) == text


# --- Print ------------------------------------------------------------------------------------------------------------


def test_print_hands_on_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    x = constant([1.0, 2.0])
    y = Print(x, [x, "text", x[1]], message="now: ")
    values, gradient = _run([y, gradients(y * y, x)[0]])
    np.testing.assert_array_equal(values, [1, 2])
    np.testing.assert_array_equal(gradient, [2, 4])
    out, err = capsys.readouterr()
    assert (out, err) == ("", "now: [1 2][text][2]\n")


def test_print_only_so_many_times(capsys: pytest.CaptureFixture[str]) -> None:
    x = placeholder(dtypes.int32, [])
    y, other = Print(x, [x], first_n=2), Print(x, [x], "other ", first_n=1)
    for _ in range(2):  # every session counts anew
        with Session() as session:
            for i in range(3):
                assert session.run([y, other], {x: i}) == [i, i]
    lines = capsys.readouterr().err.split()
    assert sorted(lines) == sorted(["[0]", "other", "[0]", "[1]"] * 2)


def test_print_inside_a_loop(capsys: pytest.CaptureFixture[str]) -> None:
    result = while_loop(lambda i: i < 3, lambda i: Print(i, [i], "i = ") + 1, [constant(0)])
    assert _run(result) == 3
    assert capsys.readouterr().err == "i = [0]\ni = [1]\ni = [2]\n"


def test_checked_numbers_pass_and_have_gradients() -> None:
    x = constant([1.0, 2.0])
    y = check_numerics(x, "x") * verify_tensor_all_finite(x, "x")
    np.testing.assert_array_equal(_run(gradients(math_ops.reduce_sum(y), x)[0]), [2, 4])
