"""``tensorflow.examples.tutorials.mnist.input_data``: :mod:`dynrnn.data.mnist`, following ``tf.set_random_seed``.

Also ``tensorflow.contrib.learn.datasets.mnist``.
"""

from __future__ import annotations

from typing import Any

from dynrnn.data import mnist
from dynrnn.data.mnist import DEFAULT_SOURCE_URL, DEFAULT_VALIDATION_SIZE, DataSet, Datasets, dense_to_one_hot
from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.graph import get_default_graph

__all__ = ["DEFAULT_SOURCE_URL", "DataSet", "Datasets", "dense_to_one_hot", "load_mnist", "read_data_sets"]


def read_data_sets(
    train_dir: Any,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = "float32",
    reshape: bool = True,
    validation_size: int = DEFAULT_VALIDATION_SIZE,
    seed: int | None = None,
    source_url: str = DEFAULT_SOURCE_URL,
) -> Datasets:
    """:func:`dynrnn.data.mnist.read_data_sets`; without ``seed``, the seed of the default graph orders the batches."""
    if seed is None:
        seed = get_default_graph().seed
    return mnist.read_data_sets(train_dir, fake_data, one_hot, dtype, reshape, validation_size, seed, source_url)


def load_mnist(train_dir: Any = "MNIST-data") -> Datasets:
    """``read_data_sets(train_dir)`` with every default."""
    return read_data_sets(train_dir)


__getattr__ = missing(__name__, globals())
