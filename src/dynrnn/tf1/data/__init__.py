"""``tf.data``: input pipelines as datasets and iterators."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.data import experimental
from dynrnn.tf1.data.dataset import Dataset, Options
from dynrnn.tf1.data.files import FixedLengthRecordDataset, TextLineDataset, TFRecordDataset
from dynrnn.tf1.data.iterators import Iterator

__all__ = [
    "Dataset",
    "FixedLengthRecordDataset",
    "Iterator",
    "Options",
    "TFRecordDataset",
    "TextLineDataset",
    "experimental",
    "get_output_classes",
    "get_output_shapes",
    "get_output_types",
    "make_initializable_iterator",
    "make_one_shot_iterator",
]


def make_one_shot_iterator(dataset: Dataset) -> Iterator:
    """``dataset.make_one_shot_iterator()``."""
    return dataset.make_one_shot_iterator()


def make_initializable_iterator(dataset: Dataset, shared_name: str | None = None) -> Iterator:
    """``dataset.make_initializable_iterator()``."""
    return dataset.make_initializable_iterator(shared_name)


def get_output_types(dataset_or_iterator: Any) -> Any:
    """The types of the components of an element."""
    return dataset_or_iterator.output_types


def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """What is known of their shapes."""
    return dataset_or_iterator.output_shapes


def get_output_classes(dataset_or_iterator: Any) -> Any:
    """Their classes."""
    return dataset_or_iterator.output_classes


__getattr__ = missing(__name__, globals())
