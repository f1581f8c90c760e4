"""Strings taken apart and dealt to buckets: ``tf.string_split``, ``tf.string_to_hash_bucket_fast``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.sparse_tensor import SparseTensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.fingerprint import fingerprint64
from dynrnn.tf1.ops.signature import create, create_many, operation

__all__ = ["string_split", "string_to_hash_bucket_fast"]


def _infer_split(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    inputs[0].shape.assert_has_rank(1)
    return [
        (dtypes.int64, TensorShape([None, 2])),
        (dtypes.string, TensorShape([None])),
        (dtypes.int64, TensorShape([2])),
    ]


@operation("StringSplit", "input:string delimiter:string", _infer_split, differentiable=False)
def _split(value: np.ndarray, delimiter: np.ndarray, *, skip_empty: bool) -> tuple[Any, ...]:
    # every byte of the delimiter is one; without any, every byte of a string is a part
    marks = delimiter.reshape(-1)[0]
    rows = [_parts(item, marks) for item in value.tolist()]
    if skip_empty:
        rows = [[part for part in row if part] for row in rows]
    places = [[i, j] for i, row in enumerate(rows) for j in range(len(row))]
    words = np.empty(len(places), dtype=object)
    words[:] = [part for row in rows for part in row]
    shape = [len(rows), max((len(row) for row in rows), default=0)]
    return torch.tensor(places, dtype=torch.int64).reshape(-1, 2), words, torch.tensor(shape, dtype=torch.int64)


def _parts(item: bytes, marks: bytes) -> list[bytes]:
    if not item:
        return []
    if not marks:
        return [item[i : i + 1] for i in range(len(item))]
    for mark in marks[1:]:
        item = item.replace(bytes([mark]), marks[:1])
    return item.split(marks[:1])


def string_split(
    source: Any = None, sep: Any = None, skip_empty: bool = True, delimiter: Any = None, **kwargs: Any
) -> SparseTensor:
    """The parts of each string of a vector, as a sparse matrix with one row a string.

    Args:
        source: string vector.
        sep, delimiter: the bytes that separate parts, each by itself; a blank by default; none: parts of one byte.
        skip_empty: leave empty parts out.
        kwargs: ``result_type="SparseTensor"``, the only one there is; ``input``, an older name of ``source``; ``name``.

    Raises:
        ValueError: no ``source``, another ``result_type``, or a source that is no vector.
        TypeError: another keyword.
    """
    kind, source = kwargs.pop("result_type", "SparseTensor"), kwargs.pop("input", source)
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError(f"string_split() got an unexpected keyword argument {next(iter(kwargs))!r}")
    if source is None:
        raise ValueError("source must be specified")
    if kind != "SparseTensor":
        raise ValueError(f"result_type must be 'SparseTensor', got {kind!r}")
    marks = delimiter if delimiter is not None else " " if sep is None else sep
    text = convert_to_tensor(source, dtypes.string)
    indices, values, shape = create_many("StringSplit", name, text, marks, skip_empty=skip_empty)
    indices.set_shape([None, 2])
    values.set_shape([None])
    shape.set_shape([2])
    return SparseTensor(indices, values, shape)


@operation("StringToHashBucketFast", "input:string", lambda i, a: [(dtypes.int64, i[0].shape)], differentiable=False)
def _bucket(value: np.ndarray, *, num_buckets: int) -> torch.Tensor:
    numbers = [fingerprint64(item) % num_buckets for item in value.reshape(-1).tolist()]
    return torch.tensor(numbers, dtype=torch.int64).reshape(value.shape)


def string_to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """For each string a number below ``num_buckets``, by a fingerprint that is the same everywhere."""
    if num_buckets < 1:
        raise ValueError(f"num_buckets must be at least 1, got {num_buckets}")
    return create("StringToHashBucketFast", name, input, num_buckets=int(num_buckets))
