"""``tf.contrib.data``: what later became ``tf.data`` and ``tf.data.experimental``."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.data import Dataset, FixedLengthRecordDataset, Iterator, TextLineDataset, TFRecordDataset
from dynrnn.tf1.data.experimental import (
    AUTOTUNE,
    Transformation,
    bucket_by_sequence_length,
    enumerate_dataset,
    group_by_window,
    ignore_errors,
    map_and_batch,
    parallel_interleave,
    shuffle_and_repeat,
    unbatch,
)

__all__ = [
    "AUTOTUNE",
    "Dataset",
    "FixedLengthRecordDataset",
    "Iterator",
    "TFRecordDataset",
    "TextLineDataset",
    "batch_and_drop_remainder",
    "bucket_by_sequence_length",
    "enumerate_dataset",
    "group_by_window",
    "ignore_errors",
    "map_and_batch",
    "padded_batch_and_drop_remainder",
    "parallel_interleave",
    "shuffle_and_repeat",
    "sloppy_interleave",
    "unbatch",
]


def batch_and_drop_remainder(batch_size: Any) -> Transformation:
    """``batch`` without a last batch of fewer elements."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(batch_size: Any, padded_shapes: Any, padding_values: Any = None) -> Transformation:
    """``padded_batch`` without a last batch of fewer elements."""
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, drop_remainder=True)


def sloppy_interleave(map_func: Any, cycle_length: Any, block_length: Any = 1) -> Transformation:
    """``interleave``; the order is always the same."""
    return parallel_interleave(map_func, cycle_length, block_length)


__getattr__ = missing(__name__, globals())
