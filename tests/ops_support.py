"""What the tests of array and mathematical functions share: running them with any knowledge of shapes, and checks.

The law of static shapes: a tensor's static shape is compatible with the shape that it has when it runs, and it is
complete when the shapes of all inputs are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import dynrnn.tf1 as tf

Array = np.ndarray
Shape = Sequence[int | None] | None

TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-12}


def hidings(shape: Sequence[int]) -> Iterator[Shape]:
    """What a program may know of ``shape``: all, each dimension less in turn, only the rank, nothing."""
    yield list(shape)
    for i in range(len(shape)):
        yield [None if j == i else d for j, d in enumerate(shape)]
    if len(shape) > 1:
        yield [None] * len(shape)
    yield None


def hidden(shape: Sequence[int]) -> st.SearchStrategy[Shape]:
    """A strategy: ``shape`` with some dimensions unknown, or all of it."""
    parts = st.tuples(*[st.sampled_from([d, None]) for d in shape]).map(list)
    return st.one_of(st.just(list(shape)), parts, st.none())


def run(function: Callable[..., Any], *arrays: Any, shapes: Sequence[Shape] | None = None) -> tuple[Any, Any]:
    """The tensors that ``function`` makes of placeholders for ``arrays``, and their values, in a graph of its own.

    ``shapes`` are the static shapes of the placeholders, complete unless given. The law of static shapes is asserted of
    every tensor.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        known = [np.shape(a) for a in arrays] if shapes is None else shapes
        inputs = [tf.placeholder(str(np.asarray(a).dtype), s) for a, s in zip(arrays, known, strict=True)]
        tensors = function(*inputs)
        session.run(tf.global_variables_initializer())
        values = session.run(tensors, dict(zip(inputs, arrays, strict=True)))
    complete = all(x.shape.is_fully_defined() for x in inputs)
    for tensor, value in zip(leaves(tensors), leaves(values), strict=True):
        assert_law(tensor, value, complete and not getattr(function, "data_dependent", False))
    return tensors, values


def leaves(nest: Any) -> list[Any]:
    """The leaves of lists and tuples."""
    if isinstance(nest, (list, tuple)):
        return [leaf for item in nest for leaf in leaves(item)]
    return [nest]


def data_dependent(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function whose result's shape depends on values, so that no static shape can be complete."""
    function.data_dependent = True  # type: ignore[attr-defined]
    return function


def assert_law(tensor: Any, value: Any, complete: bool) -> None:
    """The law of static shapes, and of dtypes."""
    shape = np.shape(value)
    assert tensor.shape.is_compatible_with(shape), f"{tensor} has at run time the shape {shape}"
    if complete:
        assert tensor.shape.is_fully_defined(), f"{tensor} has an incomplete static shape, its inputs do not"
    if tensor.dtype != tf.string:
        assert np.asarray(value).dtype == tensor.dtype.as_numpy_dtype, tensor


def agree(function: Callable[..., Any], expected: Any, *arrays: Any, shapes: Sequence[Shape] | None = None) -> None:
    """Assert that ``function`` gives what numpy gives: values, shapes, and the law of static shapes."""
    _, values = run(function, *arrays, shapes=shapes)
    got, wanted = leaves(values), leaves(expected)
    assert len(got) == len(wanted)
    for value, want in zip(got, wanted, strict=True):
        assert_same(value, want)


def assert_same(value: Any, want: Any) -> None:
    """Equal in shape, and in values as far as the dtype tells them apart."""
    value, want = np.asarray(value), np.asarray(want)
    assert value.shape == want.shape, f"shape {value.shape}, expected {want.shape}"
    if value.dtype.kind in "fc":
        real = np.real(value).dtype.name
        scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
        np.testing.assert_allclose(value, want, rtol=TOLERANCE[real], atol=TOLERANCE[real] * scale)
    else:
        np.testing.assert_array_equal(value, want)


def gradient(function: Callable[[Any], Any], at: Any, weights: Any = None) -> Array | None:
    """The gradient of the (weighted) sum of ``function(x)`` at ``at``; None where there is none."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(str(np.asarray(at).dtype), np.shape(at))
        y = function(x)
        (result,) = tf.gradients(y if weights is None else y * weights, x)
        return None if result is None else session.run(result, {x: at})
