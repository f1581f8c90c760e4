"""TensorArray: what is read is what was written, static shapes, gradients, loops, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn.tf1 import math_ops
from dynrnn.tf1.array_ops import placeholder, placeholder_with_default, shape, zeros
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.control_flow import cond, while_loop
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.gradients import gradients
from dynrnn.tf1.core.graph import Graph, get_default_graph
from dynrnn.tf1.core.session import Session
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.tensor_array import TensorArray, TensorList


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with Graph().as_default() as graph:
        yield graph


def _run(fetches: Any, feeds: Any = None) -> Any:
    with Session() as session:
        return session.run(fetches, feeds)


def _filled(*rows: Any, **options: Any) -> TensorArray:
    array = TensorArray(dtypes.float32, **{"size": len(rows), **options})
    for index, row in enumerate(rows):
        array = array.write(index, row)
    return array


# --- values -----------------------------------------------------------------------------------------------------------


def test_reading_gives_what_was_written() -> None:
    array = _filled([1.0, 2.0], [3.0, 4.0], [5.0, 6.0])
    read, stacked, size, gathered, joined = _run(
        [array.read(1), array.stack(), array.size(), array.gather([2, 0, 2]), array.concat()]
    )
    np.testing.assert_array_equal(read, [3, 4])
    np.testing.assert_array_equal(stacked, [[1, 2], [3, 4], [5, 6]])
    assert size == 3
    np.testing.assert_array_equal(gathered, [[5, 6], [1, 2], [5, 6]])
    np.testing.assert_array_equal(joined, [1, 2, 3, 4, 5, 6])


@settings(max_examples=25)
@given(data=st.data(), size=st.integers(1, 5), dynamic=st.booleans())
def test_it_behaves_as_a_list(data: st.DataObject, size: int, dynamic: bool) -> None:
    """Writes at distinct indices in any order, against a Python list; what was not written reads as zeros."""
    limit = size + 3 if dynamic else size
    indices = data.draw(st.lists(st.integers(0, limit - 1), unique=True, min_size=1))
    with Graph().as_default():
        array = TensorArray(dtypes.float64, size=size, dynamic_size=dynamic)
        model = [np.zeros(2) for _ in range(max(size, max(indices) + 1))]
        for number, index in enumerate(indices):
            model[index] = np.array([number + 1.0, index])
            array = array.write(index, model[index])
        np.testing.assert_array_equal(_run(array.stack()), model)
        assert _run(array.size()) == len(model)


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_split_and_concat_are_inverse(lengths: list[int]) -> None:
    with Graph().as_default():
        whole = np.arange(sum(lengths) * 2.0).reshape(-1, 2)
        array = TensorArray(dtypes.float64, size=len(lengths), infer_shape=False).split(whole, lengths)
        last = array.read(len(lengths) - 1)
        joined, end = _run([array.concat(), last])
        np.testing.assert_array_equal(joined, whole)
        np.testing.assert_array_equal(end, whole[sum(lengths) - lengths[-1] :])


def test_unstack_and_scatter() -> None:
    value = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    array = TensorArray(dtypes.float32, size=3)
    np.testing.assert_array_equal(_run(array.unstack(value).stack()), value)
    np.testing.assert_array_equal(_run(array.scatter([2, 0, 1], value).stack()), value[[1, 2, 0]])
    grown = TensorArray(dtypes.float32, size=0, dynamic_size=True)
    np.testing.assert_array_equal(_run(grown.scatter([1, 0, 2], value).stack()), value[[1, 0, 2]])


def test_the_older_names() -> None:
    array = TensorArray(dtypes.float32, size=2).unpack([[1.0], [2.0]])
    np.testing.assert_array_equal(_run(array.pack()), [[1], [2]])


def test_a_written_array_is_another_one() -> None:
    """The value is immutable: the array before the write knows nothing of it."""
    first = TensorArray(dtypes.float32, size=2).write(0, 1.0)
    left, right = first.write(1, 2.0), first.write(1, 3.0)
    np.testing.assert_array_equal(_run([left.stack(), right.stack()]), [[1, 2], [1, 3]])


def test_strings() -> None:
    array = TensorArray(dtypes.string, size=2).write(0, "a").write(1, "b")
    assert _run(array.read(1)) == b"b"


def test_elements_may_be_read_any_number_of_times() -> None:
    array = _filled(1.0, 2.0, clear_after_read=True)
    assert _run([array.read(1), array.read(1), array.read(1)]) == [2, 2, 2]


def test_an_array_made_from_the_handle_and_flow_of_another() -> None:
    array = _filled(1.0, 2.0)
    same = TensorArray(dtypes.float32, handle=array.handle, flow=array.flow)
    np.testing.assert_array_equal(_run(same.stack()), [1, 2])
    assert _run(same.size()) == 2


def test_identity_waits_for_control_dependencies() -> None:
    array = _filled(1.0, 2.0)
    assert _run(array.identity().read(1)) == 2
    assert _run(array.close()) is None


def test_unwritten_elements_are_zeros_where_the_shape_is_known() -> None:
    np.testing.assert_array_equal(_run(_filled([1.0, 2.0], size=3).stack()), [[1, 2], [0, 0], [0, 0]])
    given_shape = TensorArray(dtypes.int32, size=2, element_shape=[2])
    np.testing.assert_array_equal(_run(given_shape.read(1)), [0, 0])


def test_empty_arrays() -> None:
    array = TensorArray(dtypes.float32, size=0, element_shape=[2])
    stacked, joined = _run([array.stack(), array.concat()])
    assert (stacked.shape, joined.shape) == ((0, 2), (0,))
    rows = placeholder(dtypes.float32, [None, 2])
    assert _run(
        TensorArray(dtypes.float32, size=shape(rows)[0]).unstack(rows).stack(), {rows: np.zeros((0, 2))}
    ).shape == (
        0,
        2,
    )
    with pytest.raises(errors.UnimplementedError, match="size zero, but element shape <unknown> is not fully defined"):
        _run(TensorArray(dtypes.float32, size=0).stack())


# --- static shapes ----------------------------------------------------------------------------------------------------


def _batch(columns: int | None = 2) -> Any:
    return placeholder(dtypes.float32, [None, columns])


STATIC: dict[str, tuple[Callable[[], Any], Any]] = {
    # as TensorFlow 2.21 prints them
    "read": (lambda: _filled([1.0, 2.0]).read(0), [2]),
    "stack": (lambda: _filled([1.0, 2.0], size=3).stack(), [3, 2]),
    "gather": (lambda: _filled([1.0, 2.0]).gather([0]), [None, 2]),
    "concat": (lambda: _filled([1.0, 2.0], size=3).concat(), [6]),
    "size": (lambda: _filled(1.0).size(), []),
    "nothing written": (lambda: TensorArray(dtypes.float32, size=3).stack(), None),
    "dynamic": (lambda: _filled(1.0, size=0, dynamic_size=True).stack(), [None]),
    "size of a tensor": (
        lambda: TensorArray(dtypes.float32, size=shape(_batch())[0]).unstack(_batch()).stack(),
        [None, 2],
    ),
    "unknown size, concat": (
        lambda: TensorArray(dtypes.float32, size=shape(_batch())[0]).unstack(_batch()).concat(),
        [None],
    ),
    "unknown dimension": (lambda: TensorArray(dtypes.float32, size=2).unstack(_batch(None)).stack(), [2, None]),
    "shape given": (lambda: TensorArray(dtypes.float32, size=2, element_shape=[None, 2]).stack(), [2, None, 2]),
    "shape learnt": (
        lambda: TensorArray(dtypes.float32, size=2, element_shape=[None, 2]).write(0, zeros([3, 2])).read(1),
        [3, 2],
    ),
    "no inference, concat": (
        lambda: TensorArray(dtypes.float32, size=3, infer_shape=False, element_shape=[2]).concat(),
        [None],
    ),
    "no inference": (lambda: _filled([1.0], infer_shape=False).stack(), None),
    "equal split": (lambda: TensorArray(dtypes.float32, size=2).split(zeros([4, 3]), [2, 2]).stack(), [2, 2, 3]),
    "unequal split": (
        lambda: TensorArray(dtypes.float32, size=2, infer_shape=False).split(zeros([3]), [1, 2]).read(0),
        None,
    ),
}


@pytest.mark.parametrize("name", STATIC)
def test_static_shapes(name: str) -> None:
    build, expected = STATIC[name]
    got = build().shape
    assert (None if got.ndims is None else got.as_list()) == expected


def test_arrays_that_come_from_one_share_what_is_known() -> None:
    first = TensorArray(dtypes.float32, size=2)
    before = first.read(0)
    second = first.identity().write(0, [1.0, 2.0])
    assert before.shape.ndims is None
    assert first.read(0).shape.as_list() == first.element_shape.as_list() == second.element_shape.as_list() == [2]
    with pytest.raises(ValueError, match=r"saw \(1,\) but expected \(2,\)"):
        first.write(1, [1.0])


def test_names_of_the_results() -> None:
    array = _filled(1.0)
    assert array.stack().name == "TensorArrayStack/TensorArrayGatherV3:0"
    assert array.read(0).name == "TensorArrayReadV3:0"
    assert (array.dtype, array.element_shape.as_list()) == (dtypes.float32, [])
    assert not array.dynamic_size


# --- gradients and loops ----------------------------------------------------------------------------------------------


def test_gradients_pass_through_writes_and_reads() -> None:
    x = constant([[1.0, 2.0], [3.0, 4.0]])
    source = TensorArray(dtypes.float32, size=2).unstack(x)
    out = TensorArray(dtypes.float32, size=2).write(0, source.read(1) * 2.0).write(1, source.read(0) * 3.0)
    y = out.stack()
    got = _run(gradients([y * y, out.concat()], x)[0])
    # TensorFlow's numbers: 2 * factor^2 * x + factor
    np.testing.assert_array_equal(got, [[21, 39], [26, 34]])


@pytest.mark.parametrize("way", ["scatter", "split", "gather"])
def test_gradients_of_every_way_in_and_out(way: str) -> None:
    value = np.arange(1.0, 7.0).reshape(3, 2)
    x = constant(value)
    array = TensorArray(dtypes.float64, size=3)
    if way == "scatter":
        result = array.scatter([2, 0, 1], x).stack()
    elif way == "split":
        result = array.split(x, [1, 1, 1]).concat()
    else:
        result = array.unstack(x).gather([0, 2, 0])
    factors = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]])
    got = _run(gradients(math_ops.reduce_sum(result * factors), x)[0])
    expected = {
        "scatter": factors[[2, 0, 1]],
        "split": factors,
        "gather": np.stack([factors[0] + factors[2], [0, 0], factors[1]]),
    }[way]
    np.testing.assert_array_equal(got, expected)


def test_second_derivatives() -> None:
    x = constant([2.0, 3.0])
    y = TensorArray(dtypes.float32, size=2).unstack(x * x * x).stack()
    (first,) = gradients(y, x)
    np.testing.assert_array_equal(_run(gradients(first, x)[0]), [12, 18])


def test_as_a_loop_variable() -> None:
    x = constant([1.0, 2.0, 3.0])
    _, array = while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, a.write(i, x[i] * 2.0)),
        (constant(0), TensorArray(dtypes.float32, size=3)),
    )
    y = array.stack()
    assert isinstance(array, TensorArray)
    assert y.shape.as_list() == [3]
    values, gradient = _run([y, gradients(y * y, x)[0]])
    np.testing.assert_array_equal(values, [2, 4, 6])
    np.testing.assert_array_equal(gradient, [8, 16, 24])


def test_a_loop_of_unknown_length_reads_one_and_writes_another() -> None:
    x = placeholder(dtypes.float32, [None, 2])
    steps = shape(x)[0]
    source = TensorArray(dtypes.float32, size=steps).unstack(x)
    state = (constant(0), zeros([2]), TensorArray(dtypes.float32, size=0, dynamic_size=True))

    def body(i: Any, total: Any, out: Any) -> Any:
        total = total + source.read(i)
        return i + 1, total, out.write(i, total)

    _, total, out = while_loop(lambda i, *_: i < steps, body, state)
    result = out.stack()
    assert result.shape.as_list() == [None, 2]
    for length in (1, 4):
        rows = np.arange(2.0 * length).reshape(length, 2)
        got, last, gradient = _run([result, total, gradients(result, x)[0]], {x: rows})
        np.testing.assert_array_equal(got, np.cumsum(rows, 0))
        np.testing.assert_array_equal(last, rows.sum(0))
        np.testing.assert_array_equal(gradient, np.repeat(np.arange(length, 0, -1.0)[:, None], 2, 1))


def test_shape_invariants_for_an_array() -> None:
    state = (constant(0), TensorArray(dtypes.float32, size=2))
    _, array = while_loop(
        lambda i, a: i < 2,
        lambda i, a: (i + 1, a.write(i, math_ops.cast(i, dtypes.float32))),
        state,
        shape_invariants=(TensorShape([]), TensorShape(None)),
    )
    np.testing.assert_array_equal(_run(array.stack()), [0, 1])


def test_in_branches() -> None:
    flag = placeholder(dtypes.bool_, [])
    array = _filled(1.0, 2.0, size=3)
    chosen = cond(flag, lambda: array.write(2, 7.0), lambda: array.write(2, 8.0))
    stacked = chosen.stack()
    assert [_run(stacked, {flag: f})[2] for f in (True, False)] == [7, 8]


# --- errors -----------------------------------------------------------------------------------------------------------


def _of(value: Any) -> Any:
    return placeholder_with_default(np.array(value, np.float32), [None])


RUN_ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "past the end": (lambda: _filled(1.0).read(1), "Tried to read from index 1 but array size is: 1"),
    "before the beginning": (lambda: _filled(1.0).read(-1), "Tried to read from index -1 but array size is: 1"),
    "gather past the end": (lambda: _filled(1.0).gather([0, 1]), "Tried to read from index 1 but array size is: 1"),
    "write past the end": (
        lambda: _filled(1.0).write(3, 1.0).stack(),
        "Tried to write to index 3 but array is not resizeable and size is: 1",
    ),
    "write before the beginning": (
        lambda: _filled(1.0, dynamic_size=True).write(-1, 1.0).stack(),
        "Tried to write to index -1 but array size is: 1",
    ),
    "written twice": (
        lambda: _filled(1.0).write(0, 2.0).stack(),
        "Could not write to TensorArray index 0 because it has already been written to",
    ),
    "unwritten, shape unknown": (
        lambda: _filled(1.0, size=2, infer_shape=False).read(1),
        "Could not read from TensorArray index 1.*element shape is not fully defined",
    ),
    "another shape": (
        lambda: _filled(_of([1, 2]), _of([1, 2, 3])).stack(),
        r"index 1 because the value shape is \[3\].*inferred element shape: \(2,\)",
    ),
    "a shape that was not promised": (
        lambda: TensorArray(dtypes.float32, size=1, element_shape=[4]).write(0, _of([1, 2])).read(0),
        r"the value shape is \[2\].*element shape: \(4,\)",
    ),
    "stack of several shapes": (
        lambda: _filled(_of([1, 2]), _of([1, 2, 3]), infer_shape=False).stack(),
        r"inconsistent shapes.  Index 0 has shape: \[2\] but index 1 has shape: \[3\]",
    ),
    "unstack of too many": (
        lambda: TensorArray(dtypes.float32, size=2).unstack([1.0, 2.0, 3.0]).stack(),
        "Tried to write to index 2 but array is not resizeable and size is: 2",
    ),
    "scatter of too few": (
        lambda: TensorArray(dtypes.float32, size=2).scatter([0], _of([1, 2])).stack(),
        r"Expected len\(indices\) == values.shape\[0\]",
    ),
    "lengths that do not add up": (
        lambda: TensorArray(dtypes.float32, size=2, infer_shape=False).split([1.0, 2.0, 3.0], [1, 3]).concat(),
        "sum of lengths is 4 and value's shape is: .3.",
    ),
    "another number of lengths": (
        lambda: TensorArray(dtypes.float32, size=3, infer_shape=False).split([1.0, 2.0, 3.0], [1, 2]).concat(),
        r"size is not equal to the size of lengths \(3 vs. 2\)",
    ),
    "concat of scalars": (
        lambda: _filled(placeholder_with_default(np.float32(1), None)).concat(),
        "Concat saw a scalar shape at index 0",
    ),
    "negative size": (
        lambda: TensorArray(dtypes.float32, size=placeholder_with_default(np.int32(-1), [])).stack(),
        "Size should be >= 0, got -1",
    ),
    "fetching the flow": (lambda: _filled(1.0).flow, "holds no value that can be fetched"),
}


@pytest.mark.parametrize("name", RUN_ERRORS)
def test_errors_at_run_time(name: str) -> None:
    build, message = RUN_ERRORS[name]
    tensor = build()
    with pytest.raises(errors.InvalidArgumentError, match=message):
        _run(tensor)


BUILD_ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no size": (lambda: TensorArray(dtypes.float32), ValueError, "`size` must be provided"),
    "size and handle": (
        lambda: TensorArray(dtypes.float32, size=1, handle=constant(1.0), flow=constant(1.0)),
        ValueError,
        "both `handle` and `size`",
    ),
    "handle without flow": (
        lambda: TensorArray(dtypes.float32, handle=constant(1.0)),
        ValueError,
        "flow must not be None",
    ),
    "handle of another kind": (
        lambda: TensorArray(dtypes.float32, handle=3),
        TypeError,
        "`handle` to be a Tensor, but got `3`",
    ),
    "another shape": (lambda: _filled(1.0, [2.0]), ValueError, r"Inconsistent shapes: saw \(1,\) but expected \(\)"),
    "another dtype": (
        lambda: _filled(constant(1)),
        ValueError,
        "dtype is float32 but Op is trying to write dtype int32",
    ),
    "an index that is no integer": (
        lambda: _filled(1.0).read(0.5),
        TypeError,
        "index of a TensorArray must be an integer",
    ),
    "an index that is no scalar": (lambda: _filled(1.0).read([0]), ValueError, "Shape must be rank 0 but is rank 1"),
    "indices that are a scalar": (lambda: _filled(1.0).gather(0), ValueError, "Shape must be rank 1 but is rank 0"),
    "unstack of a scalar": (lambda: TensorArray(dtypes.float32, size=1).unstack(1.0), ValueError, "rank 1 or more"),
    "split by a scalar": (
        lambda: TensorArray(dtypes.float32, size=1).split([1.0], 1),
        ValueError,
        "rank 1 but is rank 0",
    ),
    "concat of scalars": (lambda: _filled(1.0).concat(), ValueError, "rank 1 or more, got rank 0"),
}


@pytest.mark.parametrize("name", BUILD_ERRORS)
def test_errors_while_building(name: str) -> None:
    build, kind, message = BUILD_ERRORS[name]
    with pytest.raises(kind, match=message):
        build()


def test_the_run_time_value_is_no_sequence() -> None:
    """Kernels give lists and tuples for several outputs, so the value of one output must not be one."""
    assert not isinstance(TensorList((), dtypes.float32, TensorShape([]), False, True), (list, tuple))
    assert get_default_graph().get_operations() == []
