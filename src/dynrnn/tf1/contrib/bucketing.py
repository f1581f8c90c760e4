"""``tf.contrib.training.bucket``: batches of like examples, through one queue for each kind."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import case, cond, group, no_op
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.errors import CancelledError, OutOfRangeError
from dynrnn.tf1.core.graph import Operation, name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.math_ops import equal, greater_equal, less, logical_and, reduce_min
from dynrnn.tf1.ops.casting import cast
from dynrnn.tf1.ops.selecting import where
from dynrnn.tf1.queues.producers import full_summary
from dynrnn.tf1.queues.queue_runner import QueueRunner, add_queue_runner
from dynrnn.tf1.queues.queues import FIFOQueue, PaddingFIFOQueue, QueueBase

__all__ = ["bucket", "bucket_by_sequence_length"]


def bucket(
    tensors: Any,
    which_bucket: Any,
    batch_size: Any,
    num_buckets: int,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Tensor, Any]:
    """Batches of examples of one bucket each.

    Args:
        tensors: list or dict of tensors: one example.
        which_bucket: int32 scalar: the example's bucket.
        batch_size: examples in a batch; or one number for each bucket.
        num_buckets: how many there are.
        num_threads: how many threads fill the queues.
        capacity: of each queue.
        bucket_capacities: or of the queue of each bucket.
        shapes: of the components of an example, where they are not known.
        dynamic_pad: dimensions of unknown size are filled up with zeros.
        allow_smaller_final_batch: the last batches hold what is left.
        keep_input: bool scalar: whether the example is taken at all.
        shared_name: accepted for TensorFlow's signature.
        name: name scope.

    Returns:
        The bucket, and the batch in the structure of ``tensors``.

    Raises:
        ValueError: fewer than two buckets, or numbers of batch sizes or capacities that do not fit.
    """
    sizes = list(batch_size) if isinstance(batch_size, (list, tuple)) else [batch_size] * num_buckets
    if len(sizes) != num_buckets:
        raise ValueError(f"If batch_size is a list it must have num_buckets elements, got {len(sizes)}")
    capacities = list(bucket_capacities or [capacity] * num_buckets)
    if len(capacities) != num_buckets:
        raise ValueError(
            f"The list bucket_capacities ({capacities}) must have exactly num_buckets ({num_buckets}) elements."
        )
    if num_buckets < 2:
        raise ValueError(f"num_buckets must be >= 2, got {num_buckets}")
    keys = sorted(tensors) if isinstance(tensors, dict) else None
    parts = [tensors[key] for key in keys] if keys is not None else list(tensors)
    with name_scope(name, "bucket", parts) as scope:
        example = [convert_to_tensor(part) for part in parts]
        types = [t.dtype.base_dtype for t in example]
        element = [t.shape for t in example] if shapes is None else [as_shape(s) for s in shapes]
        kind = PaddingFIFOQueue if dynamic_pad else FIFOQueue
        queues: list[QueueBase] = [
            kind(capacities[i], types, element, name=f"bucket_queue_{i}") for i in range(num_buckets)
        ]
        first = sizes[0] if len(set(map(str, sizes))) == 1 and isinstance(sizes[0], int) else None
        if allow_smaller_final_batch:
            first = None
        batched = [TensorShape([first]).concatenate(s) for s in element]
        if all(s.is_fully_defined() for s in batched):
            top: QueueBase = FIFOQueue(capacity, [dtypes.int32, *types], [TensorShape([]), *batched], name="top_queue")
        else:
            top = FIFOQueue(capacity, [dtypes.int32, *types], name="top_queue")
        place = convert_to_tensor(which_bucket, dtypes.int32, name="which_bucket")

        def choose() -> Operation:
            pairs = [(equal(place, i), lambda q=q: q.enqueue(example)) for i, q in enumerate(queues[:-1])]
            return case(pairs, lambda: queues[-1].enqueue(example))

        keep = True if keep_input is True else convert_to_tensor(keep_input, dtypes.bool_, name="keep_input")
        entered = choose() if keep is True else cond(keep, choose, no_op)
        enter = entered.op if isinstance(entered, Tensor) else entered
        # when the input ends, the queues of all buckets end
        closes = [q.close() for q in queues]
        cancels = [q.close(cancel_pending_enqueues=True) for q in queues]
        add_queue_runner(
            QueueRunner(
                queues[0],
                [enter] * num_threads,
                close_op=group(*closes),
                cancel_op=group(*cancels),
                queue_closed_exception_types=(OutOfRangeError, CancelledError),
            )
        )
        out = []
        for i, queue in enumerate(queues):
            taken = (queue.dequeue_up_to if allow_smaller_final_batch else queue.dequeue_many)(sizes[i])
            taken = taken if isinstance(taken, list) else [taken]
            out.append(top.enqueue([convert_to_tensor(i, dtypes.int32), *taken]))
        add_queue_runner(QueueRunner(top, out, queue_closed_exception_types=(OutOfRangeError, CancelledError)))
        for queue, size in zip([*queues, top], [*capacities, capacity], strict=True):
            full_summary(queue, size, f"{queue.name.split('/')[-1]}_fraction_of_%d_full")
        results = top.dequeue(name=scope)
        for tensor, shape in zip(results[1:], batched, strict=True):
            tensor.set_shape(shape)
        return results[0], (dict(zip(keys, results[1:], strict=True)) if keys is not None else results[1:])


def bucket_by_sequence_length(
    input_length: Any,
    tensors: Any,
    batch_size: Any,
    bucket_boundaries: Sequence[int],
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Tensor, Any]:
    """Batches of sequences of like lengths.

    Args:
        input_length: int32 scalar: the example's length.
        bucket_boundaries: the buckets' upper ends, not included, in order; there is one bucket more.
        tensors, batch_size, num_threads, capacity, bucket_capacities, shapes, dynamic_pad, allow_smaller_final_batch,
            keep_input, shared_name, name: as for :func:`bucket`.

    Returns:
        The lengths of a batch, and the batch in the structure of ``tensors``.

    Raises:
        TypeError: boundaries that are no list of integers.
        ValueError: none, or not in order.
    """
    if not isinstance(bucket_boundaries, (list, tuple)):
        raise TypeError(f"bucket_boundaries must be a list or tuple, but received: {bucket_boundaries}")
    if not bucket_boundaries:
        raise ValueError("bucket_boundaries must not be empty")
    for low, high in itertools.pairwise(bucket_boundaries):
        if not isinstance(low, int) or not isinstance(high, int):
            raise TypeError(f"bucket boundaries must be integers, but saw: {low} and {high}")
        if low >= high:
            raise ValueError(f"Buckets must contain sequential increasing lengths, but saw: {low} before {high}")
    lowest = np.array([np.iinfo(np.int32).min, *bucket_boundaries], np.int32)
    highest = np.array([*bucket_boundaries, np.iinfo(np.int32).max], np.int32)
    with name_scope(name, "bucket_by_sequence_length", [input_length]) as scope:
        length = convert_to_tensor(input_length, dtypes.int32, name="input_length")
        which = cast(reduce_min(where(logical_and(greater_equal(length, lowest), less(length, highest)))), dtypes.int32)
        named = tensors if isinstance(tensors, dict) else {f"{i:06d}": t for i, t in enumerate(tensors)}
        with_length = {"length": length, **{f"tensor {key}": value for key, value in named.items()}}
        if shapes is not None:
            # in the order of the keys: "length" comes before "tensor ..."
            shapes = [[], *shapes]
        _, result = bucket(
            with_length, which, batch_size, len(bucket_boundaries) + 1, num_threads, capacity, bucket_capacities,
            shapes, dynamic_pad, allow_smaller_final_batch, keep_input, shared_name, scope,
        )  # fmt: skip
        outputs = {key: result[f"tensor {key}"] for key in named}
        return result["length"], outputs if isinstance(tensors, dict) else list(outputs.values())
