"""Batches from single examples, through a queue that threads fill: ``tf.train.batch`` and its like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dynrnn import nest
from dynrnn.tf1.array_ops import boolean_mask
from dynrnn.tf1.core.control_flow import cond, no_op
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import bool_, float32
from dynrnn.tf1.core.graph import Operation, name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.math_ops import cast, maximum
from dynrnn.tf1.queues.producers import full_summary
from dynrnn.tf1.queues.queue_runner import QueueRunner, add_queue_runner
from dynrnn.tf1.queues.queues import FIFOQueue, PaddingFIFOQueue, QueueBase, RandomShuffleQueue
from dynrnn.tf1.summary.operations import scalar

__all__ = [
    "batch",
    "batch_join",
    "maybe_batch",
    "maybe_batch_join",
    "maybe_shuffle_batch",
    "maybe_shuffle_batch_join",
    "shuffle_batch",
    "shuffle_batch_join",
]


def _as_lists(tensors_list: Sequence[Any]) -> tuple[list[list[Tensor]], Callable[[Any], Any]]:
    """Each example as a list of tensors, and how a batch is given back: as the examples were."""
    if not tensors_list:
        raise ValueError("Expected at least one set of tensors")
    first = tensors_list[0]
    if isinstance(first, dict):
        keys = sorted(first)
        if any(not isinstance(t, dict) or sorted(t) != keys for t in tensors_list):
            raise ValueError("All dictionaries must have the same keys")
        lists = [[t[key] for key in keys] for t in tensors_list]
        return _converted(lists), lambda items: dict(zip(keys, items, strict=True))
    single = not isinstance(first, (list, tuple))
    lists = [[t] if single else list(t) for t in tensors_list]
    if not lists[0]:
        raise ValueError("Expected at least one tensor in batch().")
    if single:
        return _converted(lists), lambda items: items[0]
    # one tensor in a list is given back alone, as TensorFlow does
    return _converted(lists), lambda items: items[0] if len(items) == 1 else list(items)


def _converted(lists: list[list[Any]]) -> list[list[Tensor]]:
    for item in (item for row in lists for item in row):
        if hasattr(item, "dense_shape"):
            raise NotImplementedError("batches of sparse tensors are not available in dynrnn; make them dense first")
    tensors = [[convert_to_tensor(item) for item in row] for row in lists]
    for row in tensors[1:]:
        if [t.dtype.base_dtype for t in row] != [t.dtype.base_dtype for t in tensors[0]]:
            raise TypeError(
                "Expected types to be consistent: "
                f"{[t.dtype.base_dtype.name for t in tensors[0]]} vs. {[t.dtype.base_dtype.name for t in row]}"
            )
    return tensors


def _shapes(lists: list[list[Tensor]], shapes: Any, many: bool, padded: bool) -> list[TensorShape]:
    """The shape of each component of one example."""
    if shapes is not None:
        given = [as_shape(s) for s in shapes]
        if len(given) != len(lists[0]):
            raise ValueError(f"expected {len(lists[0])} shapes, one for each tensor, got {len(given)}")
        return given
    result = []
    for column in zip(*lists, strict=True):
        merged = _element(column[0], many)
        for tensor in column[1:]:
            merged = _common(merged, _element(tensor, many), padded)
        result.append(merged)
    known = all(s.ndims is not None if padded else s.is_fully_defined() for s in result)
    if not known:
        what = "All shapes must have a defined rank" if padded else "All shapes must be fully defined"
        raise ValueError(f"{what}: {result}")
    return result


def _element(tensor: Tensor, many: bool) -> TensorShape:
    if not many:
        return tensor.shape
    if tensor.shape.ndims == 0:
        raise ValueError(f"Cannot infer Tensor's rank: {tensor}; enqueue_many needs at least one dimension")
    return tensor.shape[1:] if tensor.shape.ndims is not None else TensorShape(None)


def _common(a: TensorShape, b: TensorShape, padded: bool) -> TensorShape:
    if not padded or a.ndims is None or b.ndims is None:
        return a.merge_with(b)
    if a.ndims != b.ndims:
        raise ValueError(f"Shapes {a} and {b} must have the same rank")
    return TensorShape([x if x == y else None for x, y in zip(a.as_list(), b.as_list(), strict=True)])


def _fill(queue: QueueBase, lists: list[list[Tensor]], threads: int, many: bool, keep_input: Any, join: bool) -> None:
    """A queue runner with an operation for each example, or the same one in several threads."""

    def enqueue(row: list[Tensor], keep: Tensor | None) -> Operation:
        put = queue.enqueue_many if many else queue.enqueue
        if keep is None:
            return put(row)

        def some() -> Operation:
            if many and keep.shape.ndims == 1:
                return put([boolean_mask(t, keep) for t in row])
            return put(row)

        if keep.shape.ndims == 1:
            return some()
        return cond(keep, some, no_op).op

    keep = None if keep_input is True else convert_to_tensor(keep_input, bool_, name="keep_input")
    if join:
        ops = [enqueue(row, keep) for row in lists]
    else:
        ops = [enqueue(lists[0], keep)] * threads
    add_queue_runner(QueueRunner(queue, ops))


def _batched(
    tensors_list: Sequence[Any],
    batch_size: Any,
    make: Callable[[list[Any], list[TensorShape], bool], QueueBase],
    join: bool,
    threads: int,
    many: bool,
    shapes: Any,
    padded: bool,
    smaller: bool,
    keep_input: Any,
    name: str | None,
    default_name: str,
    summary: Callable[[QueueBase], None],
) -> Any:
    with name_scope(name, default_name, nest.flatten(list(tensors_list))) as scope:
        lists, give_back = _as_lists(tensors_list)
        element_shapes = _shapes(lists, shapes, many, padded)
        queue = make([t.dtype.base_dtype for t in lists[0]], element_shapes, padded)
        _fill(queue, lists, threads, many, keep_input, join)
        summary(queue)
        taken = (queue.dequeue_up_to if smaller else queue.dequeue_many)(batch_size, name=scope)
        return give_back(taken if isinstance(taken, list) else [taken])


def _plain(capacity: int) -> tuple[Any, Any]:
    def make(types: list[Any], shapes: list[TensorShape], padded: bool) -> QueueBase:
        return (PaddingFIFOQueue if padded else FIFOQueue)(capacity, types, shapes)

    return make, lambda queue: full_summary(queue, capacity)


def _shuffled(capacity: int, min_after_dequeue: int, seed: int | None) -> tuple[Any, Any]:
    def make(types: list[Any], shapes: list[TensorShape], padded: bool) -> QueueBase:
        return RandomShuffleQueue(capacity, min_after_dequeue, types, shapes, seed=seed)

    def summary(queue: QueueBase) -> None:
        room = capacity - min_after_dequeue
        full = cast(maximum(0, queue.size() - min_after_dequeue), float32) * (1.0 / room)
        scalar(f"fraction_over_{min_after_dequeue}_of_{room}_full", full)

    return make, summary


def batch(
    tensors: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of the examples that ``tensors`` gives from run to run; a queue runner is added to the graph.

    Args:
        tensors: a list or dict of tensors: one example, or several of them with ``enqueue_many``.
        batch_size: examples in a batch.
        num_threads: how many threads fill the queue.
        capacity: of the queue.
        enqueue_many: each tensor holds several examples along its first dimension.
        shapes: of the components of an example, where they are not known.
        dynamic_pad: dimensions of unknown size are filled up with zeros to the largest in the batch.
        allow_smaller_final_batch: the last batch holds what is left; otherwise that is dropped.
        shared_name: accepted for TensorFlow's signature.
        name: name scope.

    Returns:
        The batch, in the structure of ``tensors``; of a list of one the tensor alone.

    Raises:
        ValueError: shapes that are not known.
    """
    return maybe_batch(
        tensors, True, batch_size, num_threads, capacity, enqueue_many, shapes, dynamic_pad,
        allow_smaller_final_batch, shared_name, name,
    )  # fmt: skip


def maybe_batch(
    tensors: Any,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """:func:`batch` of those examples alone for which the boolean tensor ``keep_input`` holds."""
    make, summary = _plain(capacity)
    return _batched(
        [tensors], batch_size, make, False, num_threads, enqueue_many, shapes, dynamic_pad,
        allow_smaller_final_batch, keep_input, name, "batch", summary,
    )  # fmt: skip


def batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """:func:`batch` of several streams of examples, each in a thread of its own."""
    return maybe_batch_join(
        tensors_list, True, batch_size, capacity, enqueue_many, shapes, dynamic_pad, allow_smaller_final_batch,
        shared_name, name,
    )  # fmt: skip


def maybe_batch_join(
    tensors_list: Sequence[Any],
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """:func:`batch_join` of those examples alone for which the boolean tensor ``keep_input`` holds."""
    make, summary = _plain(capacity)
    return _batched(
        tensors_list, batch_size, make, True, 0, enqueue_many, shapes, dynamic_pad,
        allow_smaller_final_batch, keep_input, name, "batch_join", summary,
    )  # fmt: skip


def shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """:func:`batch` in random order.

    Args:
        min_after_dequeue: how many examples stay in the queue, to choose from.
        seed: of the order.
        tensors, batch_size, capacity, num_threads, enqueue_many, shapes, allow_smaller_final_batch, shared_name, name:
            as for :func:`batch`.
    """
    return maybe_shuffle_batch(
        tensors, batch_size, capacity, min_after_dequeue, True, num_threads, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, name,
    )  # fmt: skip


def maybe_shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """:func:`shuffle_batch` of those examples alone for which the boolean tensor ``keep_input`` holds."""
    make, summary = _shuffled(capacity, min_after_dequeue, seed)
    return _batched(
        [tensors], batch_size, make, False, num_threads, enqueue_many, shapes, False,
        allow_smaller_final_batch, keep_input, name, "shuffle_batch", summary,
    )  # fmt: skip


def shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """:func:`shuffle_batch` of several streams of examples, each in a thread of its own."""
    return maybe_shuffle_batch_join(
        tensors_list, batch_size, capacity, min_after_dequeue, True, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, name,
    )  # fmt: skip


def maybe_shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """:func:`shuffle_batch_join` of those examples alone for which the boolean tensor ``keep_input`` holds."""
    make, summary = _shuffled(capacity, min_after_dequeue, seed)
    return _batched(
        tensors_list, batch_size, make, True, 0, enqueue_many, shapes, False,
        allow_smaller_final_batch, keep_input, name, "shuffle_batch_join", summary,
    )  # fmt: skip
