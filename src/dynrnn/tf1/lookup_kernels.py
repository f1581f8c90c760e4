"""Kernels of lookup tables: a session keeps what a table holds beside the values of its variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.fingerprint import fingerprint64

__all__ = ["content_of"]


def _items(value: Any) -> list[Any]:
    """The elements of a tensor or string array, flat: bytes or Python numbers."""
    return value.reshape(-1).tolist()


def _like(items: list[Any], dtype: DType, shape: Sequence[int]) -> Any:
    if dtype == dtypes.string:
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array.reshape(tuple(shape))
    return torch.tensor(items, dtype=dtype.torch_dtype).reshape(tuple(shape))


def content_of(run: Any, table: Any) -> dict[Any, Any]:
    """What ``table`` holds in the session of ``run``; ``FailedPreconditionError`` before it was filled."""
    if table not in run.variables:
        raise errors.FailedPreconditionError(None, None, f"Table not initialized: {table.name}")
    return run.variables[table]


def _no_outputs(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return []


@register("InitializeTable", _no_outputs, differentiable=False, stateful=True, needs_run=True)
def _initialize(run: Any, keys: Any, values: Any, *, table: Any) -> tuple[()]:
    content: dict[Any, Any] = {}
    for key, value in zip(_items(keys), _items(values), strict=True):
        if content.setdefault(key, value) != value:
            raise errors.FailedPreconditionError(
                None,
                None,
                f"HashTable has different value for same key. Key {key!r} has {content[key]!r} and trying "
                f"to add value {value!r}",
            )
    run.variables[table] = content
    return ()


@register("InitializeTableFromTextFile", _no_outputs, differentiable=False, stateful=True, needs_run=True)
def _initialize_from_file(run: Any, filename: Any, *, table: Any, source: Any) -> tuple[()]:
    run.variables[table] = source.read(filename.reshape(-1)[0].decode())
    return ()


def _infer_find(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    table = attrs["table"]
    shape = inputs[0].shape
    extra = table.value_shape
    return [(table.value_dtype, shape.concatenate(extra) if extra.ndims else shape)]


@register("LookupTableFind", _infer_find, differentiable=False, stateful=True, needs_run=True)
def _find(run: Any, keys: Any, default: Any, *, table: Any) -> Any:
    content = table.content(run)
    extra = list(default.shape)
    fallback = default.tolist() if extra else (_items(default)[0])
    found = [content.get(key, fallback) for key in _items(keys)]
    return (
        _like(found, table.value_dtype, [*keys.shape, *extra])
        if not extra
        else torch.tensor(found, dtype=table.value_dtype.torch_dtype).reshape([*keys.shape, *extra])
    )


@register("LookupTableSize", lambda i, a: [(dtypes.int64, TensorShape([]))], stateful=True, needs_run=True)
def _size(run: Any, *, table: Any) -> torch.Tensor:
    return torch.tensor(len(table.content(run)), dtype=torch.int64)


@register("LookupTableInsert", _no_outputs, differentiable=False, stateful=True, needs_run=True)
def _insert(run: Any, keys: Any, values: Any, *, table: Any) -> tuple[()]:
    flat = values.reshape(len(_items(keys)), -1) if table.value_shape.ndims else values.reshape(-1)
    # a new dict: what another run has read stays what it was
    run.variables[table] = {**table.content(run), **dict(zip(_items(keys), flat.tolist(), strict=True))}
    return ()


def _infer_export(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    table = attrs["table"]
    return [
        (table.key_dtype, TensorShape([None])),
        (table.value_dtype, TensorShape([None]).concatenate(table.value_shape)),
    ]


@register("LookupTableExport", _infer_export, differentiable=False, stateful=True, needs_run=True)
def _export(run: Any, *, table: Any) -> tuple[Any, Any]:
    content = table.content(run)
    shape = [len(content), *(int(n or 0) for n in table.value_shape.as_list())]
    values = list(content.values())
    if table.value_shape.ndims:
        return _like(list(content), table.key_dtype, [len(content)]), torch.tensor(
            values, dtype=table.value_dtype.torch_dtype
        ).reshape(shape)
    return _like(list(content), table.key_dtype, [len(content)]), _like(values, table.value_dtype, shape)


def _hash_key(key: Any, dtype: DType) -> bytes:
    # integers are hashed as they are written
    return key if dtype == dtypes.string else str(key).encode()


@register("BucketOfKey", lambda i, a: [(dtypes.int64, i[0].shape)], differentiable=False)
def _bucket(keys: Any, *, buckets: int, dtype: DType) -> torch.Tensor:
    return _like([fingerprint64(_hash_key(k, dtype)) % buckets for k in _items(keys)], dtypes.int64, keys.shape)
