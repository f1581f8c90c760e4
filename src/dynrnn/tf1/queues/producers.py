"""Queues that are fed from tensors: file names, ranges, slices; ``tf.train.string_input_producer`` and its like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1.array_ops import gather, identity, shape, size
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.core.variables import GraphKeys, Variable, read_value
from dynrnn.tf1.debug_ops import Assert
from dynrnn.tf1.file_ops import matching_files
from dynrnn.tf1.math_ops import cast, greater
from dynrnn.tf1.ops.filling import range_ as range_of
from dynrnn.tf1.ops.sampling import random_shuffle
from dynrnn.tf1.queues.queue_runner import QueueRunner, add_queue_runner
from dynrnn.tf1.queues.queues import FIFOQueue
from dynrnn.tf1.summary.operations import scalar as scalar_summary

__all__ = [
    "count_up_to",
    "input_producer",
    "limit_epochs",
    "match_filenames_once",
    "range_input_producer",
    "slice_input_producer",
    "string_input_producer",
]


def _infer_count(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["variable"].dtype.base_dtype, TensorShape([]))]


@register("CountUpTo", _infer_count, stateful=True, needs_run=True)
def _count_up_to(run: Any, *, variable: Variable, limit: int) -> torch.Tensor:
    with run.lock:
        value = read_value(run, variable)
        if int(value) >= limit:
            raise errors.OutOfRangeError(None, None, f"Reached limit of {limit}")
        run.variables[variable] = value + 1
    return value


def count_up_to(ref: Any, limit: int, name: str | None = None) -> Tensor:
    """The value of the integer variable ``ref``, which then grows by 1.

    Raises:
        TypeError: not an integer variable.
        tf.errors.OutOfRangeError: at run time, when it has reached ``limit``.
    """
    if not isinstance(ref, Variable) or ref.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
        raise TypeError(f"count_up_to needs an int32 or int64 variable, got {ref!r}")
    op = ref.graph.create_op("CountUpTo", [], {"variable": ref, "limit": int(limit)}, name)
    return op.outputs[0]


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Tensor:
    """``tensor``, which can be had ``num_epochs`` times, then raises ``OutOfRangeError``.

    The count is a local variable: run ``tf.local_variables_initializer()``.

    Raises:
        ValueError: ``num_epochs`` is not positive.
    """
    if num_epochs is None:
        return convert_to_tensor(tensor)
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    with name_scope(name, "limit_epochs", [tensor]) as scope:
        value = convert_to_tensor(tensor, name="value")
        zero = convert_to_tensor(0, dtypes.int64)
        epochs = Variable(zero, name="epochs", trainable=False, collections=[GraphKeys.LOCAL_VARIABLES])
        with get_default_graph().control_dependencies([count_up_to(epochs, num_epochs)]):
            return identity(value, name=scope)


def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> FIFOQueue:
    """A queue of the rows of ``input_tensor``, again and again; a queue runner for it is added to the graph.

    Args:
        input_tensor: at least one dimension.
        element_shape: shape of a row, where that of the tensor does not tell.
        num_epochs: how many times the rows are produced; by default without end. Needs
            ``tf.local_variables_initializer()``.
        shuffle: whether the rows of an epoch come in random order.
        seed: of that order.
        capacity: of the queue.
        shared_name: accepted for TensorFlow's signature.
        summary_name: the tag of a summary of how full it is, with ``%d`` for the capacity.
        name: name scope.
        cancel_op: what cancels the queue runner.

    Raises:
        ValueError: a row shape that is not known, or does not fit.
    """
    with name_scope(name, "input_producer", [input_tensor]):
        rows = convert_to_tensor(input_tensor, name="input_tensor")
        row_shape = rows.shape[1:].merge_with(as_shape(element_shape)) if rows.shape.ndims else as_shape(element_shape)
        if not row_shape.is_fully_defined():
            raise ValueError(
                "Either `input_tensor` must have a fully defined shape or `element_shape` must be specified"
            )
        if shuffle:
            rows = random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(capacity, [rows.dtype.base_dtype], [row_shape], name=name or "FIFOQueueV2")
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many([rows])], cancel_op=cancel_op))
        if summary_name is not None:
            full_summary(queue, capacity, summary_name)
        return queue


def full_summary(queue: Any, capacity: int, tag: str = "fraction_of_%d_full") -> None:
    """A summary of how full a queue is."""
    scalar_summary(tag % capacity, cast(queue.size(), dtypes.float32) * (1.0 / capacity))


def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> FIFOQueue:
    """A queue of strings, most often file names; arguments as for :func:`input_producer`.

    Raises:
        ValueError: no strings.
        tf.errors.InvalidArgumentError: at run time, no strings.
    """
    empty = "string_input_producer requires a non-null input tensor"
    if not isinstance(string_tensor, (Tensor, Variable)) and not len(string_tensor):
        raise ValueError(empty)
    with name_scope(name, "input_producer", [string_tensor]) as scope:
        strings = convert_to_tensor(string_tensor, dtypes.string, name="string_tensor")
        with get_default_graph().control_dependencies([Assert(greater(size(strings), 0), [empty])]):
            strings = identity(strings)
        return input_producer(
            strings, [], num_epochs, shuffle, seed, capacity, shared_name, "fraction_of_%d_full", scope, cancel_op
        )


def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> FIFOQueue:
    """A queue of the integers from 0 to ``limit - 1``; arguments as for :func:`input_producer`."""
    with name_scope(name, "input_producer", [limit]) as scope:
        return input_producer(
            range_of(limit), [], num_epochs, shuffle, seed, capacity, shared_name, "fraction_of_%d_full", scope
        )


def slice_input_producer(
    tensor_list: Sequence[Any],
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Tensor]:
    """One row of each of the tensors, the same of all; arguments as for :func:`input_producer`.

    Raises:
        ValueError: no tensors.
    """
    with name_scope(name, "input_producer", tensor_list):
        tensors = [convert_to_tensor(t) for t in tensor_list]
        if not tensors:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        count = shape(tensors[0])[0]
        queue = range_input_producer(count, num_epochs, shuffle, seed, capacity, shared_name)
        index = queue.dequeue()
        return [gather(t, index) for t in tensors]


def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """A local variable that holds the files that match ``pattern``, sorted.

    Args:
        pattern: a pattern or a list of them.
        name: of the variable.
    """
    with name_scope(name, "matching_filenames", [pattern]) as scope:
        return Variable(
            matching_files(pattern),
            trainable=False,
            name=scope,
            validate_shape=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )
