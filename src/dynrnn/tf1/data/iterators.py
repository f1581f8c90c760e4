"""Iterators over datasets: one-shot, initializable, reinitializable and feedable."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import Operation, get_default_graph
from dynrnn.tf1.core.plan import Plan
from dynrnn.tf1.core.registry import register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.data import structure as st
from dynrnn.tf1.data.dataset import Dataset, unwrapped
from dynrnn.tf1.data.kernels import RunDataset

__all__ = ["Iterator", "initializable_iterator", "one_shot_iterator"]

_numbers = itertools.count()


class _IteratorState:
    """An iterator while a session runs."""

    def __init__(self, dataset: RunDataset | None = None) -> None:
        self._lock = threading.Lock()
        self._elements: PythonIterator[Any] | None = None if dataset is None else iter(dataset)

    def begin(self, dataset: RunDataset) -> None:
        """Begin anew."""
        elements = iter(dataset)
        with self._lock:
            self._elements = elements

    def next(self) -> list[Any]:
        """The next element."""
        with self._lock:
            if self._elements is None:
                raise errors.FailedPreconditionError(
                    None,
                    None,
                    "GetNext() failed because the iterator has not been initialized. Ensure that you have run the "
                    "initializer operation for this iterator before getting the next element.",
                )
            element = next(self._elements, None)
        if element is None:
            raise errors.OutOfRangeError(None, None, "End of sequence")
        return element


@register("IteratorV2", stateful=True, needs_run=True)
def _iterator(run: Any, *, key: Any) -> _IteratorState:
    return run.resource(key, _IteratorState)


@register("OneShotIterator", stateful=True, needs_run=True)
def _one_shot(run: Any, *, key: Any, dataset: Tensor) -> _IteratorState:
    return run.resource(key, lambda: _IteratorState(Plan([dataset], []).run(run, [])[0]))


@register("MakeIterator", stateful=True)
def _make(dataset: RunDataset, iterator: _IteratorState) -> tuple[()]:
    iterator.begin(dataset)
    return ()


@register("IteratorGetNext", stateful=True)
def _get_next(iterator: _IteratorState) -> list[Any]:
    return iterator.next()


@register("IteratorToStringHandle", stateful=True, needs_run=True)
def _to_handle(run: Any, iterator: _IteratorState, *, handle: bytes) -> np.ndarray:
    run.resource(("iterator", handle), lambda: iterator)
    result = np.empty([], object)
    result[()] = handle
    return result


@register("IteratorFromStringHandleV2", stateful=True, needs_run=True)
def _from_handle(run: Any, handle: np.ndarray) -> _IteratorState:
    def unknown() -> _IteratorState:
        raise errors.InvalidArgumentError(
            None, None, f"Unable to parse string handle, or there is no such iterator: {handle[()]!r}"
        )

    return run.resource(("iterator", handle[()]), unknown)


def _resource(op_type: str, inputs: Any = (), **attrs: Any) -> Tensor:
    graph = get_default_graph()
    op = graph.create_op(op_type, list(inputs), attrs, op_type, specs=[(dtypes.resource, TensorShape([]))])
    return op.outputs[0]


def initializable_iterator(dataset: Dataset) -> Iterator:
    """An iterator that begins when its initializer is run."""
    ref = _resource("IteratorV2", key=object())
    return Iterator(ref, _initializer(ref, dataset, "MakeIterator"), dataset.structure)


def _initializer(ref: Tensor, dataset: Dataset, name: str) -> Operation:
    return ref.graph.create_op("MakeIterator", [dataset.variant, ref], None, name, specs=[])


def one_shot_iterator(dataset: Dataset) -> Iterator:
    """An iterator that begins by itself.

    Raises:
        ValueError: the dataset depends on what a session must be given first.
    """
    _check_captures(dataset.variant)
    return Iterator(_resource("OneShotIterator", key=object(), dataset=dataset.variant), None, dataset.structure)


def _check_captures(variant: Tensor) -> None:
    done: set[Operation] = set()
    stack = [variant.op]
    while stack:
        op = stack.pop()
        if op in done:
            continue
        done.add(op)
        what = None
        if op.type == "Placeholder":
            what = "placeholder"
        elif op.type in ("VariableV2", "ReadVariable"):
            what = "stateful node"
        if what is not None:
            raise ValueError(
                f"Cannot capture a {what} (name:{op.name}, type:{op.type}) by value. A one-shot iterator cannot depend "
                "on it; use `Dataset.make_initializable_iterator()`."
            )
        stack.extend(tensor.op for tensor in op.inputs)


class Iterator:
    """Gives the elements of a dataset one by one; see ``Dataset.make_one_shot_iterator`` and its like.

    Args:
        iterator_ref: the tensor that stands for it.
        initializer: the operation that begins anew, or None.
        structure: what the elements look like.
    """

    def __init__(self, iterator_ref: Tensor, initializer: Operation | None, structure: Any) -> None:
        self._ref = iterator_ref
        self._initializer = initializer
        self._structure = structure

    @staticmethod
    def from_structure(
        output_types: Any, output_shapes: Any = None, shared_name: str | None = None, output_classes: Any = None
    ) -> Iterator:
        """An iterator without a dataset, which ``make_initializer`` gives it.

        Args:
            output_types: nest of types.
            output_shapes: nest of what is known of the shapes.
            shared_name, output_classes: accepted for TensorFlow's signature.
        """
        return Iterator(_resource("IteratorV2", key=object()), None, st.from_types(output_types, output_shapes))

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Iterator:
        """The iterator whose ``string_handle()`` is fed.

        Args:
            string_handle: scalar string tensor.
            output_types, output_shapes, output_classes: as for :meth:`from_structure`.
        """
        handle = convert_to_tensor(string_handle, dtypes.string, name="string_handle")
        ref = _resource("IteratorFromStringHandleV2", [handle])
        return Iterator(ref, None, st.from_types(output_types, output_shapes))

    @property
    def initializer(self) -> Operation:
        """The operation that begins anew.

        Raises:
            ValueError: there is none.
        """
        if self._initializer is None:
            raise ValueError("Iterator does not have an initializer.")
        return self._initializer

    def make_initializer(self, dataset: Dataset, name: str | None = None) -> Operation:
        """An operation that begins with ``dataset``.

        Raises:
            TypeError: elements of other types or shapes.
        """
        for what, mine, theirs, fit in (
            ("types", self.output_types, dataset.output_types, lambda a, b: a is b),
            ("shapes", self.output_shapes, dataset.output_shapes, lambda a, b: b.is_compatible_with(a)),
        ):
            same = st.flatten(mine), st.flatten(theirs)
            if len(same[0]) != len(same[1]) or not all(fit(a, b) for a, b in zip(*same, strict=True)):
                raise TypeError(f"Expected output {what} {mine!r} but got dataset with output {what} {theirs!r}.")
        return _initializer(self._ref, dataset, name or "make_initializer")

    def get_next(self, name: str | None = None) -> Any:
        """The next element, each time it runs.

        Raises:
            tf.errors.OutOfRangeError: at run time, there is none ("End of sequence").
            tf.errors.FailedPreconditionError: at run time, the iterator has not begun.
        """
        specs = st.specs_of(self._structure)
        op = self._ref.graph.create_op("IteratorGetNext", [self._ref], None, name or "IteratorGetNext", specs=specs)
        return unwrapped(self._structure, op.outputs)

    def string_handle(self, name: str | None = None) -> Tensor:
        """A string that stands for the iterator in this session."""
        attrs = {"handle": f"iterator {next(_numbers)}".encode()}
        op = self._ref.graph.create_op(
            "IteratorToStringHandle", [self._ref], attrs, name, specs=[(dtypes.string, TensorShape([]))]
        )
        return op.outputs[0]

    @property
    def output_types(self) -> Any:
        """The types of the components of an element."""
        return st.types_of(self._structure)

    @property
    def output_shapes(self) -> Any:
        """What is known of their shapes."""
        return st.shapes_of(self._structure)

    @property
    def output_classes(self) -> Any:
        """Their classes."""
        return st.classes_of(self._structure)
