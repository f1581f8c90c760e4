"""``tf.data.experimental``: transformations for ``Dataset.apply``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.array_ops import stack
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import with_dependencies
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.data import structure as st
from dynrnn.tf1.data.dataset import Dataset, create, traced
from dynrnn.tf1.data.structure import Leaf
from dynrnn.tf1.debug_ops import Assert
from dynrnn.tf1.math_ops import cast, less, less_equal, logical_and, reduce_min
from dynrnn.tf1.ops.selecting import gather, where

__all__ = [
    "AUTOTUNE",
    "bucket_by_sequence_length",
    "enumerate_dataset",
    "group_by_window",
    "ignore_errors",
    "map_and_batch",
    "parallel_interleave",
    "shuffle_and_repeat",
    "unbatch",
]

AUTOTUNE = -1

Transformation = Callable[[Dataset], Dataset]


def group_by_window(
    key_func: Callable[..., Any],
    reduce_func: Callable[..., Any],
    window_size: Any = None,
    window_size_func: Callable[..., Any] | None = None,
) -> Transformation:
    """Elements of one key together: windows of them become datasets that ``reduce_func`` makes elements of.

    Args:
        key_func: gives the key of an element, int64.
        reduce_func: makes a dataset of a key and the dataset of a window.
        window_size: elements of a window; the last ones hold fewer.
        window_size_func: or gives that for a key.

    Raises:
        ValueError: not exactly one of both.
    """
    if (window_size is None) == (window_size_func is None):
        raise ValueError("Must pass either window_size or window_size_func, but not both.")
    size_of = window_size_func or (lambda key: convert_to_tensor(window_size, dtypes.int64))
    key_structure = Leaf(dtypes.int64, TensorShape([]))

    def scalar(what: str) -> Callable[[Any], list[Tensor]]:
        def result(value: Any) -> list[Tensor]:
            tensor = convert_to_tensor(value)
            if tensor.dtype.base_dtype is not dtypes.int64 or tensor.shape.ndims not in (0, None):
                raise ValueError(f"`{what}` must return a single tf.int64 tensor. Got {tensor}.")
            return [tensor]

        return result

    def size_result(value: Any) -> list[Tensor]:
        return [cast(convert_to_tensor(value), dtypes.int64)]

    def apply(dataset: Dataset) -> Dataset:
        found: list[Any] = []

        def reduced(value: Any) -> list[Tensor]:
            if not isinstance(value, Dataset):
                raise TypeError(f"`reduce_func` must return a `Dataset` object. Got {type(value)}")
            found.append(value.structure)
            return [value.variant]

        window = (key_structure, Leaf(dtypes.variant, TensorShape([]), dataset.structure))
        bodies = (
            traced(key_func, dataset.structure, "Dataset_key", scalar("key_func")),
            traced(size_of, key_structure, "Dataset_window_size", size_result),
            traced(reduce_func, window, "Dataset_reduce", reduced),
        )
        captures = [tensor for body in bodies for tensor in body.captures]
        attrs = {"bodies": bodies, "splits": (len(bodies[0].captures), len(bodies[1].captures))}
        after = [op for body in bodies for op in body.dependencies]
        return Dataset(create("GroupByWindowDataset", [dataset.variant, *captures], attrs, after), found[0])

    return apply


def bucket_by_sequence_length(
    element_length_func: Callable[..., Any],
    bucket_boundaries: Sequence[int],
    bucket_batch_sizes: Sequence[int],
    padded_shapes: Any = None,
    padding_values: Any = None,
    pad_to_bucket_boundary: bool = False,
    no_padding: bool = False,
    drop_remainder: bool = False,
) -> Transformation:
    """Batches of elements of like lengths.

    Args:
        element_length_func: gives the length of an element, int32.
        bucket_boundaries: the buckets' upper ends, not included, in order.
        bucket_batch_sizes: elements of a batch, for each bucket and for what is longer.
        padded_shapes, padding_values: as for ``padded_batch``.
        pad_to_bucket_boundary: fill up to the bucket's end less one instead of the longest of the batch.
        no_padding: batches of elements of one shape.
        drop_remainder: leave out batches of fewer.

    Raises:
        ValueError: not one batch size more than boundaries.
    """
    if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
        raise ValueError("len(bucket_batch_sizes) must equal len(bucket_boundaries) + 1")
    boundaries = [int(b) for b in bucket_boundaries]
    sizes = np.array(bucket_batch_sizes, np.int64)
    lowest = np.array([np.iinfo(np.int32).min, *boundaries], np.int32)
    highest = np.array([*boundaries, np.iinfo(np.int32).max], np.int32)

    def key(*element: Any) -> Tensor:
        length = cast(element_length_func(*element), dtypes.int32)
        inside = logical_and(less_equal(lowest, length), less(length, highest))
        return reduce_min(where(inside))

    def size_of(bucket: Tensor) -> Tensor:
        return gather(constant(sizes), bucket)

    def batches(bucket: Tensor, grouped: Dataset) -> Dataset:
        size = size_of(bucket)
        if no_padding:
            return grouped.batch(size, drop_remainder=drop_remainder)
        shapes = grouped.output_shapes if padded_shapes is None else padded_shapes
        if pad_to_bucket_boundary:
            ends = constant(np.array([*boundaries, 0], np.int64))
            last = constant(np.array(len(boundaries), np.int64))
            message = "When pad_to_bucket_boundary=True, elements must have length < max(bucket_boundaries)."
            check = Assert(less(bucket, last), [message])
            end = with_dependencies([check], gather(ends, bucket)) - 1
            leaves = st.map_up_to(grouped.structure, lambda leaf, s: _bounded(s, end), shapes, "padded_shapes")
            shapes = st.pack(grouped.structure, leaves)
        return grouped.padded_batch(size, shapes, padding_values, drop_remainder=drop_remainder)

    return group_by_window(key, batches, window_size_func=size_of)


def _bounded(shape: Any, end: Tensor) -> Tensor:
    """A shape whose unknown sizes are ``end``."""
    sizes = shape.as_list() if isinstance(shape, TensorShape) else list(shape)
    parts = [end if d is None or d == -1 else convert_to_tensor(int(d), dtypes.int64) for d in sizes]
    if not parts:
        return constant(np.zeros([0], np.int64))
    return stack(parts)


def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: Any = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """``map`` and ``batch``."""
    return lambda dataset: dataset.map(map_func).batch(batch_size, drop_remainder)


def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: int | None = None) -> Transformation:
    """``shuffle`` and ``repeat``."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def parallel_interleave(
    map_func: Callable[..., Any],
    cycle_length: Any,
    block_length: Any = 1,
    sloppy: Any = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Transformation:
    """``interleave``; the order is always the same."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def unbatch() -> Transformation:
    """``unbatch``."""
    return lambda dataset: dataset.unbatch()


def ignore_errors() -> Transformation:
    """The elements whose computation, by ``map``, does not fail."""
    return lambda dataset: Dataset(create("IgnoreErrorsDataset", [dataset.variant]), dataset.structure)


def enumerate_dataset(start: Any = 0) -> Transformation:
    """``enumerate``."""
    return lambda dataset: dataset.enumerate(start)


__getattr__ = missing(__name__, globals())
