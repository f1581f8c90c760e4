"""Values out of ``Example`` and ``SequenceExample`` messages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import errors
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.tensor_shape import TensorShape

__all__ = ["Field", "dense", "lists_dense", "lists_sparse", "parsed", "sparse", "values_of"]

_LISTS = {"float32": "float_list", "int64": "int64_list", "string": "bytes_list"}
_SHOWN = {"float32": "float", "int64": "int64", "string": "string"}


@dataclass(frozen=True)
class Field:
    """What is read from one key.

    Attributes:
        key: of the feature.
        dtype: float32, int64 or string.
        shape: of one example, or of one element of a sequence.
        variable: any number of elements of that shape.
        default: the run-time value that stands for a feature that is not there, or None.
        required: whether a feature that is not there is refused.
    """

    key: str
    dtype: DType
    shape: TensorShape
    variable: bool = False
    default: Any = None
    required: bool = True


def parsed(kind: Any, data: bytes, what: str, name: str | None) -> Any:
    """The message in ``data``."""
    try:
        return kind.FromString(data)
    except Exception:
        if what == "example":
            shown = data[:100].decode("latin-1")
            raise errors.InvalidArgumentError(
                None, None, f"{_named(name)}Could not parse example input, value: '{shown}'"
            ) from None
        raise errors.InvalidArgumentError(
            None, None, f"Invalid protocol message input, example id: {name or '<unknown>'}"
        ) from None


def _named(name: str | None) -> str:
    return "" if name is None else f"Name: {name}, "


def values_of(feature: Any, dtype: DType, where: str) -> np.ndarray | None:
    """The values of one feature; None when it holds nothing at all.

    Raises:
        tf.errors.InvalidArgumentError: values of another type.
    """
    kind = feature.WhichOneof("kind")
    if kind is None:
        return None
    if kind != _LISTS[dtype.name]:
        held = next(_SHOWN[n] for n, k in _LISTS.items() if k == kind)
        raise errors.InvalidArgumentError(
            None,
            None,
            f"{where}.  Data types don't match. Data type: {held} but expected type: {_SHOWN[dtype.name]}",
        )
    values = getattr(feature, kind).value
    if dtype.name != "string":
        return np.array(values, dtype.as_numpy_dtype)
    result = np.empty(len(values), object)
    result[:] = list(values)
    return result


def _tensor(array: np.ndarray) -> Any:
    return array if array.dtype == object else torch.from_numpy(np.array(array))


def _default_array(field: Field, shape: Sequence[int]) -> np.ndarray:
    value = field.default
    if value is None:
        value = b"" if field.dtype.name == "string" else 0
    elif isinstance(value, torch.Tensor):
        value = value.numpy()
    result = np.empty(tuple(shape), field.dtype.as_numpy_dtype)
    result[...] = value.reshape(()) if isinstance(value, np.ndarray) and value.size == 1 else value
    return result


def _found(features: Any, field: Field, index: int, name: str | None) -> np.ndarray | None:
    """The values of ``field`` in an example, or None."""
    mapping = features.feature
    if field.key not in mapping:
        return None
    where = f"Key: {field.key}" if name is None else f"Name: {name}, Key: {field.key}, Index: {index}"
    return values_of(mapping[field.key], field.dtype, where)


def _brackets(sizes: Sequence[Any]) -> str:
    return "[" + ",".join(str(n) for n in sizes) + "]"


def dense(examples: Sequence[Any], field: Field, names: Sequence[str | None], single: bool) -> Any:
    """The values of a feature of one shape, of all examples stacked; of a ``single`` one alone."""
    sizes = [int(d) for d in field.shape]
    count = math.prod(sizes)
    columns = []
    for index, (features, name) in enumerate(zip(examples, names, strict=True)):
        values = _found(features, field, index, name)
        if field.variable:
            values = np.empty(0, field.dtype.as_numpy_dtype) if values is None else values
            if len(values) % max(count, 1):
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"{_place(field, index, name)}.  Number of {_SHOWN[field.dtype.name]} values is not a multiple of "
                    f"stride length. Saw {len(values)} values but output shape is: {_brackets(['?', *sizes])}",
                )
            columns.append(values.reshape(-1, *sizes))
        elif values is None:
            if field.required:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"{_named(name)}Feature: {field.key} (data type: {_SHOWN[field.dtype.name]}) is required but could "
                    "not be found.",
                )
            columns.append(_default_array(field, sizes))
        elif len(values) != count:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{_place(field, index, name)}.  Number of {_SHOWN[field.dtype.name]} values != expected.  Values "
                f"size: {len(values)} but output shape: {_brackets(sizes)}",
            )
        else:
            columns.append(values.reshape(sizes))
    if single:
        return _tensor(columns[0])
    if field.variable:
        longest = max((len(c) for c in columns), default=0)
        full = _default_array(field, [len(columns), longest, *sizes])
        for row, column in zip(full, columns, strict=True):
            row[: len(column)] = column
        return _tensor(full)
    if not columns:
        return _tensor(np.empty([0, *sizes], field.dtype.as_numpy_dtype))
    return _tensor(np.stack(columns))


def _place(field: Field, index: int, name: str | None) -> str:
    return f"Key: {field.key}" if name is None else f"Name: {name}, Key: {field.key}, Index: {index}"


def sparse(examples: Sequence[Any], field: Field, names: Sequence[str | None], single: bool) -> list[Any]:
    """Indices, values and dense shape of a feature with any number of values."""
    rows = []
    for index, (features, name) in enumerate(zip(examples, names, strict=True)):
        values = _found(features, field, index, name)
        rows.append(np.empty(0, field.dtype.as_numpy_dtype) if values is None else values)
    if single:
        count = len(rows[0])
        return [torch.arange(count).reshape(-1, 1), _tensor(rows[0]), torch.tensor([count])]
    return _joined(rows, field.dtype)


def _joined(rows: Sequence[np.ndarray], dtype: DType) -> list[Any]:
    """Rows of different lengths as a sparse matrix."""
    indices = [[i, j] for i, row in enumerate(rows) for j in range(len(row))]
    values = np.concatenate(rows) if rows else np.empty(0, dtype.as_numpy_dtype)
    longest = max((len(row) for row in rows), default=0)
    return [
        torch.tensor(indices, dtype=torch.int64).reshape(-1, 2),
        _tensor(values),
        torch.tensor([len(rows), longest]),
    ]


def _list(message: Any, field: Field, name: str) -> list[np.ndarray]:
    """The values of each step of a feature list."""
    lists = message.feature_lists.feature_list
    if field.key not in lists:
        if field.required:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"Name: {name}, Feature list '{field.key}' is required but could not be found.  Did you mean to "
                "include it in feature_list_dense_missing_assumed_empty or feature_list_dense_defaults?",
            )
        return []
    steps = []
    for index, feature in enumerate(lists[field.key].feature):
        kind = feature.WhichOneof("kind")
        if kind is not None and kind != _LISTS[field.dtype.name]:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"Name: {name}, Feature list: {field.key}, Index: {index}.  Data types don't match. Expected type: "
                f"{_SHOWN[field.dtype.name]}",
            )
        values = values_of(feature, field.dtype, field.key)
        steps.append(np.empty(0, field.dtype.as_numpy_dtype) if values is None else values)
    return steps


def lists_dense(message: Any, field: Field, name: str) -> Any:
    """The steps of a feature list, stacked."""
    sizes = [int(d) for d in field.shape]
    count = math.prod(sizes)
    steps = _list(message, field, name)
    for index, values in enumerate(steps):
        if len(values) != count:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"Name: {name}, Key: {field.key}, Index: {index}.  Number of values != expected.  values size: "
                f"{len(values)} but output shape: {_brackets(sizes)}",
            )
    if not steps:
        return _tensor(np.empty([0, *sizes], field.dtype.as_numpy_dtype))
    return _tensor(np.stack(steps).reshape(len(steps), *sizes))


def lists_sparse(message: Any, field: Field, name: str) -> list[Any]:
    """The steps of a feature list, each of any number of values: indices, values and dense shape."""
    return _joined(_list(message, field, name), field.dtype)
