"""``tf.FIFOQueue`` and its like: queues as objects of the graph, with operations to put in and take out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import Graph, Operation, get_default_graph, name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.ops.sampling import get_seed
from dynrnn.tf1.queues.state import QueueState

__all__ = ["FIFOQueue", "PaddingFIFOQueue", "QueueBase", "RandomShuffleQueue"]


# --- operations -------------------------------------------------------------------------------------------------------


@register("QueueV2", stateful=True, needs_run=True)
def _queue(run: Any, *, key: Any, make: Callable[[Any], QueueState]) -> QueueState:
    return run.resource(key, lambda: make(run))


@register("QueueEnqueueV2", stateful=True)
def _enqueue(queue: QueueState, *components: Any, shapes: Sequence[TensorShape]) -> tuple[()]:
    _check_shapes(components, shapes)
    queue.put([tuple(_kept(c) for c in components)])
    return ()


@register("QueueEnqueueManyV2", stateful=True)
def _enqueue_many(queue: QueueState, *components: Any, shapes: Sequence[TensorShape]) -> tuple[()]:
    sizes = {c.shape[0] for c in components}
    if len(sizes) > 1:
        raise ValueError(f"All input tensors must have the same size in the 0th dimension, got {sorted(sizes)}")
    kept = [_kept(c) for c in components]
    elements = [tuple(_slice(c, i) for c in kept) for i in range(sizes.pop())]
    for element in elements[:1]:
        _check_shapes(element, shapes)
    queue.put(elements)
    return ()


@register("QueueDequeueV2", stateful=True)
def _dequeue(queue: QueueState) -> list[Any]:
    return list(queue.take(1)[0])


@register("QueueDequeueManyV2", stateful=True)
def _dequeue_many(
    queue: QueueState,
    count: Any,
    *,
    kind: str,
    fewer: bool,
    padded: bool,
    dtypes_of: Sequence[DType],
    shapes: Sequence[TensorShape],
) -> list[Any]:
    if any(shape.ndims is None or not (padded or shape.is_fully_defined()) for shape in shapes):
        raise ValueError(f"{kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes.")
    number = int(count)
    if number < 0:
        raise ValueError(f"DequeueMany requires at least one element, got {number}")
    if number == 0:
        return [_empty(dtype, shape) for dtype, shape in zip(dtypes_of, shapes, strict=True)]
    elements = queue.take(number, fewer)
    return [_stacked([e[i] for e in elements], padded) for i in range(len(elements[0]))]


@register("QueueCloseV2", stateful=True)
def _close(queue: QueueState, *, cancel: bool) -> tuple[()]:
    queue.close(cancel)
    return ()


@register("QueueSizeV2", stateful=True)
def _size(queue: QueueState) -> torch.Tensor:
    return torch.tensor(queue.size, dtype=torch.int32)


@register("QueueIsClosedV2", stateful=True)
def _is_closed(queue: QueueState) -> torch.Tensor:
    return torch.tensor(queue.closed)


def _kept(value: Any) -> Any:
    """A value that nobody changes while it waits: what is fed is the program's own memory."""
    return value.detach().clone() if isinstance(value, torch.Tensor) else value.copy()


def _slice(value: Any, index: int) -> Any:
    if isinstance(value, torch.Tensor):
        return value[index]
    item = value[index]
    if isinstance(item, np.ndarray):
        return item
    result = np.empty([], object)
    result[()] = item
    return result


def _check_shapes(components: Sequence[Any], shapes: Sequence[TensorShape]) -> None:
    for index, (value, shape) in enumerate(zip(components, shapes, strict=False)):
        if not shape.is_compatible_with(tuple(value.shape)):
            raise ValueError(
                f"Shape mismatch in tuple component {index}. Expected {_brackets(shape)}, got "
                f"{_brackets(TensorShape(tuple(value.shape)))}"
            )


def _brackets(shape: TensorShape) -> str:
    return "[" + ",".join("?" if d is None else str(d) for d in shape.as_list()) + "]"


def _empty(dtype: DType, shape: TensorShape) -> Any:
    sizes = [0, *[d or 0 for d in shape.as_list()]]
    return np.empty(sizes, object) if dtype == dtypes.string else torch.zeros(sizes, dtype=dtype.torch_dtype)


def _stacked(values: Sequence[Any], padded: bool) -> Any:
    """The values along a new first axis; ``padded``: filled up to the largest of each axis."""
    if padded:
        sizes = [max(v.shape[axis] for v in values) for axis in range(values[0].ndim)]
        values = [fill_up(v, sizes) for v in values]
    if isinstance(values[0], torch.Tensor):
        return torch.stack(list(values))
    result = np.empty((len(values), *values[0].shape), object)
    for index, value in enumerate(values):
        result[index] = value[()] if value.ndim == 0 else value
    return result


def fill_up(value: Any, sizes: Sequence[int], filler: Any = None) -> Any:
    """``value`` in the corner of a tensor of ``sizes``; the rest is ``filler``, by default 0, or empty strings."""
    if tuple(value.shape) == tuple(sizes):
        return value
    full: Any
    if isinstance(value, torch.Tensor):
        full = torch.full(tuple(sizes), 0 if filler is None else filler, dtype=value.dtype)
    else:
        full = np.empty(tuple(sizes), object)
        full[...] = b"" if filler is None else filler
    full[tuple(slice(0, n) for n in value.shape)] = value
    return full


# --- classes ----------------------------------------------------------------------------------------------------------


class QueueBase:
    """A queue of elements, each of one or several tensors.

    Args:
        dtypes: the component types.
        shapes: the component shapes, or None where they may differ.
        names: names of the components, for elements that are dicts.
        queue_ref: the tensor that stands for the queue.
    """

    def __init__(
        self, dtypes: Sequence[DType], shapes: Sequence[TensorShape] | None, names: Any, queue_ref: Tensor
    ) -> None:
        self._dtypes = list(dtypes)
        if shapes is not None and len(shapes) != len(self._dtypes):
            raise ValueError(f"Queue shapes must have the same length as dtypes, got {len(shapes)} and {len(dtypes)}")
        self._shapes = [TensorShape(None)] * len(self._dtypes) if shapes is None else list(shapes)
        if names is not None and len(names) != len(self._dtypes):
            raise ValueError(f"List of names must have the same length as the list of dtypes, got {names}")
        self._names = names
        self._queue_ref = queue_ref
        self._short = queue_ref.op.name.split("/")[-1]
        self._padded = False

    @property
    def queue_ref(self) -> Tensor:
        """The tensor that stands for the queue."""
        return self._queue_ref

    @property
    def name(self) -> str:
        """The name of the queue's operation."""
        return self._queue_ref.op.name

    @property
    def graph(self) -> Graph:
        """The graph it is of."""
        return self._queue_ref.graph

    @property
    def dtypes(self) -> list[DType]:
        """The component types."""
        return list(self._dtypes)

    @property
    def shapes(self) -> list[TensorShape]:
        """The component shapes."""
        return list(self._shapes)

    @property
    def names(self) -> Any:
        """The component names, or None."""
        return self._names

    # --- in -------------------------------------------------------------------------------------------------------

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """Put one element in, waiting for room.

        Args:
            vals: a tensor, a list of the components, or a dict of them if the queue has names.
            name: operation name.

        Raises:
            ValueError: another structure, number or shape of components.
        """
        return self._enqueue("QueueEnqueueV2", vals, name, "enqueue", 0)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """Put in the elements that are the slices of ``vals`` along the first dimension."""
        return self._enqueue("QueueEnqueueManyV2", vals, name, "EnqueueMany", 1)

    def _enqueue(self, op_type: str, vals: Any, name: str | None, suffix: str, more: int) -> Operation:
        with name_scope(name, f"{self._short}_{suffix}", [self._queue_ref]) as scope:
            tensors = self._components(vals)
            for tensor, shape in zip(tensors, self._shapes, strict=True):
                if more and tensor.shape.ndims == 0:
                    raise ValueError(f"Shape {tensor.shape} must have rank at least 1")
                element = tensor.shape[1:] if more and tensor.shape.ndims else tensor.shape
                element.assert_is_compatible_with(shape)
            attrs = {"shapes": tuple(self._shapes)}
            return self.graph.create_op(op_type, [self._queue_ref, *tensors], attrs, scope, specs=[])

    def _components(self, vals: Any) -> list[Tensor]:
        if isinstance(vals, dict):
            if not self._names:
                raise ValueError("Queue must have names to enqueue a dictionary")
            if sorted(self._names, key=str) != sorted(vals, key=str):
                raise ValueError(
                    f"Keys in dictionary to enqueue do not match names of Queue.  Dictionary: {sorted(vals)!s},"
                    f"Queue: {sorted(self._names)!s}"
                )
            vals = [vals[key] for key in self._names]
        elif self._names:
            raise ValueError("You must enqueue a dictionary in a Queue with names")
        elif not isinstance(vals, (list, tuple)):
            vals = [vals]
        if len(vals) != len(self._dtypes):
            raise ValueError(f"expected {len(self._dtypes)} components to enqueue, got {len(vals)}")
        return [
            convert_to_tensor(value, dtype, name=f"component_{i}")
            for i, (value, dtype) in enumerate(zip(vals, self._dtypes, strict=True))
        ]

    # --- out ----------------------------------------------------------------------------------------------------------

    def dequeue(self, name: str | None = None) -> Any:
        """Take one element, waiting for it: a tensor, a list of tensors, or a dict if the queue has names.

        Raises:
            tf.errors.OutOfRangeError: at run time, when the queue is closed and empty.
        """
        specs = list(zip(self._dtypes, self._shapes, strict=True))
        outputs = self.graph.create_op(
            "QueueDequeueV2", [self._queue_ref], None, name or f"{self._short}_Dequeue", specs=specs
        ).outputs
        return self._returned(outputs)

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Take ``n`` elements, stacked; waits until there are as many.

        Raises:
            tf.errors.OutOfRangeError: at run time, when the queue is closed and has fewer.
        """
        return self._dequeue_many(n, name or f"{self._short}_DequeueMany", False)

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """Take ``n`` elements, stacked, or those that are left when the queue is closed."""
        return self._dequeue_many(n, name or f"{self._short}_DequeueUpTo", True)

    def _dequeue_many(self, n: Any, name: str, fewer: bool) -> Any:
        with self.graph.as_default():
            count = convert_to_tensor(n, dtypes.int32, name="n")
        known = constant_value(count)
        first = None if fewer or known is None else int(known)
        specs: list[Spec] = [
            (dtype, TensorShape(None if shape.ndims is None else [first, *shape.as_list()]))
            for dtype, shape in zip(self._dtypes, self._shapes, strict=True)
        ]
        attrs = {
            "kind": type(self).__name__,
            "fewer": fewer,
            "padded": self._padded,
            "dtypes_of": tuple(self._dtypes),
            "shapes": tuple(self._shapes),
        }
        op = self.graph.create_op("QueueDequeueManyV2", [self._queue_ref, count], attrs, name, specs=specs)
        return self._returned(op.outputs)

    def _returned(self, outputs: list[Tensor]) -> Any:
        if self._names:
            return dict(zip(self._names, outputs, strict=True))
        return outputs[0] if len(outputs) == 1 else outputs

    # --- the rest -----------------------------------------------------------------------------------------------------

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """Let nothing in any more; takers get what is left, then ``OutOfRangeError``."""
        return self.graph.create_op(
            "QueueCloseV2",
            [self._queue_ref],
            {"cancel": bool(cancel_pending_enqueues)},
            name or f"{self._short}_Close",
            specs=[],
        )

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are."""
        return self._scalar("QueueSizeV2", dtypes.int32, name or f"{self._short}_Size")

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether it is closed."""
        return self._scalar("QueueIsClosedV2", dtypes.bool_, name or f"{self._short}_Is_Closed")

    def _scalar(self, op_type: str, dtype: DType, name: str) -> Tensor:
        specs: list[Spec] = [(dtype, TensorShape([]))]
        return self.graph.create_op(op_type, [self._queue_ref], None, name, specs=specs).outputs[0]

    @staticmethod
    def from_list(index: int, queues: Sequence[QueueBase]) -> QueueBase:
        """One of several queues of the same components.

        Raises:
            NotImplementedError: an index that is a tensor.
        """
        if not isinstance(index, int):
            raise NotImplementedError("QueueBase.from_list with a tensor as index is not available in dynrnn")
        return queues[index]


def _as_types(value: Any) -> list[DType]:
    return [as_dtype(v).base_dtype for v in (value if isinstance(value, (list, tuple)) else [value])]


def _as_shapes(shapes: Any, types: Sequence[DType]) -> list[TensorShape] | None:
    if shapes is None:
        return None
    # a shape alone stands for a list of one
    single = isinstance(shapes, TensorShape) or (
        len(types) == 1 and all(d is None or isinstance(d, int) for d in shapes) and not isinstance(shapes, tuple)
    )
    if isinstance(shapes, tuple) and all(d is None or isinstance(d, int) for d in shapes):
        single = True
    return [as_shape(shapes)] if single else [as_shape(s) for s in shapes]


def _create(
    kind: str,
    capacity: int,
    types: list[DType],
    shapes: Any,
    name: str,
    names: Any,
    seeds: Any = None,
    **options: Any,
) -> tuple[list[DType], list[TensorShape] | None, Any, Tensor]:
    """The arguments of :class:`QueueBase`; with ``seeds`` the queue is a random one."""
    graph = get_default_graph()
    with graph.outside():
        op = graph.create_op("QueueV2", [], None, name, specs=[(dtypes.resource, TensorShape([]))])

    def make(run: Any) -> QueueState:
        least = options.get("min_after_dequeue", 0)
        if least >= capacity > 0:
            raise ValueError(f"min_after_dequeue {least} must be < capacity {capacity}")
        order = None if seeds is None else run.generator(op, seeds)
        return QueueState(kind, f"_{len(run.state)}_{op.name}", int(capacity), order=order, **options)

    op.attrs.update(key=op, make=make)
    if isinstance(names, str):
        names = [names]
    return types, _as_shapes(shapes, types), names, op.outputs[0]


class FIFOQueue(QueueBase):
    """A queue that gives its elements in the order in which they came.

    Args:
        capacity: how many elements it holds at most; a negative number: any number.
        dtypes: the component types.
        shapes: the component shapes; by default they may differ from element to element.
        names: names of the components, for elements that are dicts.
        shared_name: accepted for TensorFlow's signature.
        name: operation name.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        super().__init__(*_create("FIFOQueue", capacity, _as_types(dtypes), shapes, name, names))


class PaddingFIFOQueue(QueueBase):
    """A FIFO queue whose elements may differ where ``shapes`` has None: ``dequeue_many`` fills them up with zeros.

    Args:
        capacity, dtypes, names, shared_name, name: as for :class:`FIFOQueue`.
        shapes: the component shapes; their ranks must be known.

    Raises:
        ValueError: not one shape for each type, or a shape of unknown rank.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ) -> None:
        types = _as_types(dtypes)
        given = _as_shapes(shapes, types) or []
        if len(given) != len(types):
            raise ValueError(
                f"Shapes must be provided for all components, but received {len(types)} dtypes and {len(given)} shapes."
            )
        for shape in given:
            if shape.ndims is None:
                raise ValueError("Shapes of a PaddingFIFOQueue must have known ranks, got an unknown one")
        super().__init__(*_create("PaddingFIFOQueue", capacity, types, given, name, names))
        self._padded = True


class RandomShuffleQueue(QueueBase):
    """A queue that gives its elements in random order.

    Args:
        capacity, dtypes, shapes, names, shared_name: as for :class:`FIFOQueue`.
        min_after_dequeue: how many elements must stay, as long as it is not closed, for the order to be random.
        seed: makes the order repeatable.
        name: operation name.
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        super().__init__(
            *_create(
                "RandomShuffleQueue",
                capacity,
                _as_types(dtypes),
                shapes,
                name,
                names,
                get_seed(seed),
                min_after_dequeue=int(min_after_dequeue),
            )
        )
