"""The kinds of features that ``tf.parse_example`` reads: which shape and type each key of an example has."""

from __future__ import annotations

import collections

__all__ = ["FixedLenFeature", "FixedLenSequenceFeature", "SparseFeature", "VarLenFeature"]


class VarLenFeature(collections.namedtuple("VarLenFeature", ["dtype"])):
    """Any number of values: parsed to a sparse tensor.

    Args:
        dtype: float32, int64 or string.
    """

    __slots__ = ()


class FixedLenFeature(collections.namedtuple("FixedLenFeature", ["shape", "dtype", "default_value"], defaults=[None])):
    """Values of one shape in every example: parsed to a dense tensor.

    Args:
        shape: of the feature in one example.
        dtype: float32, int64 or string.
        default_value: for examples without it; None: they are refused.
    """

    __slots__ = ()


class FixedLenSequenceFeature(
    collections.namedtuple(
        "FixedLenSequenceFeature", ["shape", "dtype", "allow_missing", "default_value"], defaults=[False, None]
    )
):
    """Any number of elements of one shape: parsed to a dense tensor, filled up to the longest example.

    Args:
        shape: of one element.
        dtype: float32, int64 or string.
        allow_missing: an example without it has no elements; otherwise it is refused.
        default_value: what the tensor is filled up with.
    """

    __slots__ = ()


class SparseFeature(
    collections.namedtuple(
        "SparseFeature", ["index_key", "value_key", "dtype", "size", "already_sorted"], defaults=[False]
    )
):
    """Values and their indices in two keys: parsed to a sparse tensor.

    Args:
        index_key: the key of the indices, or a list of keys, one a dimension.
        value_key: the key of the values.
        dtype: of the values.
        size: how far indices go, or a list of that.
        already_sorted: whether the indices of an example are in order.
    """

    __slots__ = ()
