"""``tf.map_fn``, ``tf.scan``, ``tf.foldl``, ``tf.foldr``: a function along the first dimension of nests of tensors.

Each is a ``while_loop`` that reads the slices from TensorArrays and writes its results to others; gradients pass
through. One iteration costs Python time: where a function works on whole tensors, calling it once is much faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dynrnn import nest
from dynrnn.tf1.array_ops import shape
from dynrnn.tf1.core.control_flow import while_loop
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.math_ops import greater_equal, less
from dynrnn.tf1.tensor_array import TensorArray

__all__ = ["foldl", "foldr", "map_fn", "scan"]


class _Slices:
    """The slices of a nest of tensors along their first dimension."""

    def __init__(self, elems: Any, what: str) -> None:
        flat = nest.flatten(elems)
        if not flat:
            raise ValueError(f"elems must be a Tensor or (possibly nested) sequence of Tensors. Got {elems}")
        tensors = [convert_to_tensor(e, name="elem") for e in flat]
        for tensor in tensors:
            if tensor.shape.ndims == 0:
                raise ValueError(f"{what} must be 1+ dimensional Tensors, not scalars")
        self.like = nest.pack_as(elems, tensors)
        self.dtypes = nest.pack_as(elems, [t.dtype.base_dtype for t in tensors])
        count = TensorShape([None])
        for tensor in tensors:
            count = count.merge_with(unknown_shape(1) if tensor.shape.ndims is None else tensor.shape[:1])
        known = count[0].value
        self.count: Any = shape(tensors[0])[0] if known is None else known
        self._arrays = [
            TensorArray(t.dtype, size=self.count, dynamic_size=False, infer_shape=True).unstack(t) for t in tensors
        ]

    def read(self, index: Any) -> Any:
        """The slices at ``index``, as the nest ``elems``."""
        return nest.pack_as(self.like, [array.read(index) for array in self._arrays])


def _require_callable(fn: Any) -> None:
    if not callable(fn):
        raise TypeError(f"fn must be callable, got {fn!r}")


def _outputs(dtypes: Sequence[Any], slices: _Slices, infer_shape: bool) -> list[TensorArray]:
    return [TensorArray(d, size=slices.count, dynamic_size=False, infer_shape=infer_shape) for d in dtypes]


def _stacked(like: Any, arrays: Sequence[TensorArray]) -> Any:
    return nest.pack_as(like, [array.stack() for array in arrays])


def map_fn(
    fn: Callable[..., Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """The stacked results of ``fn(slice)`` for the slices of ``elems`` along the first dimension.

    Args:
        fn: takes a nest like ``elems`` and gives a nest like ``dtype``.
        elems: a tensor, or a nest of them with one first dimension.
        dtype: nest of the results' dtypes; by default the results are like ``elems``.
        parallel_iterations, swap_memory: accepted; they change no result.
        back_prop: False: no gradients.
        infer_shape: whether all results must have one shape.
        name: name scope.

    Raises:
        TypeError: ``fn`` is not callable.
        ValueError: a scalar in ``elems``, or a result with another structure.
    """
    _require_callable(fn)
    with name_scope(name, "map"):
        slices = _Slices(elems, "elements in elems")
        like = nest.map_structure(as_dtype, slices.dtypes if dtype is None else dtype)
        arrays = _outputs(nest.flatten(like), slices, infer_shape)

        def body(i: Tensor, outputs: Any) -> Any:
            result = fn(slices.read(i))
            nest.assert_same_structure(like, result, "the result of fn")
            return i + 1, [o.write(i, r) for o, r in zip(outputs, nest.flatten(result), strict=True)]

        _, arrays = while_loop(
            lambda i, _: less(i, slices.count),
            body,
            (convert_to_tensor(0), arrays),
            parallel_iterations=parallel_iterations or 10,
            back_prop=back_prop,
            maximum_iterations=slices.count,
        )
        return _stacked(like, arrays)


def scan(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """The stacked values of ``a = fn(a, slice)`` over the slices of ``elems`` along the first dimension.

    Args:
        fn: takes the previous value and a slice, gives the next value, of the same structure, dtypes and shapes.
        elems: a tensor, or a nest of them with one first dimension.
        initializer: the first value; by default the first slice, which is then the first result too.
        parallel_iterations, swap_memory: accepted; they change no result.
        back_prop: False: no gradients.
        infer_shape: whether all values must have one shape.
        reverse: go from the last slice to the first.
        name: name scope.

    Raises:
        TypeError: ``fn`` is not callable.
        ValueError: a scalar in ``elems``, or a value with another structure.
    """
    _require_callable(fn)
    with name_scope(name, "scan"):
        slices = _Slices(elems, "elems")
        value, start, ends = _first_value(slices, initializer, reverse)
        arrays = _outputs([v.dtype for v in nest.flatten(value)], slices, infer_shape)
        if initializer is None:
            first = slices.count - 1 if reverse else 0
            arrays = [array.write(first, v) for array, v in zip(arrays, nest.flatten(value), strict=True)]

        def body(i: Tensor, a: Any, outputs: Any) -> Any:
            result = fn(a, slices.read(i))
            nest.assert_same_structure(value, result, "the result of fn")
            written = [o.write(i, r) for o, r in zip(outputs, nest.flatten(result), strict=True)]
            return (i - 1 if reverse else i + 1), result, written

        _, _, arrays = while_loop(
            lambda i, *_: ends(i),
            body,
            (start, value, arrays),
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            maximum_iterations=slices.count,
        )
        return _stacked(value, arrays)


def _first_value(slices: _Slices, initializer: Any, reverse: bool) -> tuple[Any, Tensor, Callable[[Any], Tensor]]:
    """The first value of a recursion, the index of the first slice that ``fn`` sees, and the condition to go on."""
    last = slices.count - 1
    if initializer is None:
        value = slices.read(last if reverse else 0)
        start = last - 1 if reverse else 1
    else:
        value = nest.pack_as(initializer, [convert_to_tensor(v) for v in nest.flatten(initializer)])
        start = last if reverse else 0
    condition = (lambda i: greater_equal(i, 0)) if reverse else (lambda i: less(i, slices.count))
    return value, convert_to_tensor(start), condition


def _fold(
    name: str,
    reverse: bool,
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any,
    parallel_iterations: int,
    back_prop: bool,
    scope: str | None,
) -> Any:
    _require_callable(fn)
    with name_scope(scope, name):
        slices = _Slices(elems, "elems")
        value, start, ends = _first_value(slices, initializer, reverse)

        def body(i: Tensor, a: Any) -> Any:
            result = fn(a, slices.read(i))
            nest.assert_same_structure(value, result, "the result of fn")
            return (i - 1 if reverse else i + 1), result

        _, result = while_loop(
            lambda i, _: ends(i),
            body,
            (start, value),
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            maximum_iterations=slices.count,
        )
        return result


def foldl(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last value of ``a = fn(a, slice)`` over the slices of ``elems`` along the first dimension, first to last.

    Args:
        fn: takes the previous value and a slice, gives the next value, of the same structure, dtypes and shapes.
        elems: a tensor, or a nest of them with one first dimension.
        initializer: the first value; by default the first slice.
        parallel_iterations, swap_memory: accepted; they change no result.
        back_prop: False: no gradients.
        name: name scope.

    Raises:
        TypeError: ``fn`` is not callable.
        ValueError: a scalar in ``elems``, or a value with another structure.
    """
    return _fold("foldl", False, fn, elems, initializer, parallel_iterations, back_prop, name)


def foldr(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """:func:`foldl` from the last slice to the first."""
    return _fold("foldr", True, fn, elems, initializer, parallel_iterations, back_prop, name)
