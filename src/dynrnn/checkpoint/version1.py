"""Checkpoints of version 1: one sorted table, which has the values in it.

Under the empty name stands a list of all tensors and their parts, under the key of each part a message with its
values. TensorFlow wrote this format up to its version 0.11, and later on request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynrnn.checkpoint import files, slices
from dynrnn.checkpoint.dtypes import STRING, Kind, kind_of
from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.protos import SliceMeta, check_versions, encode_versions, only
from dynrnn.checkpoint.reader import Reader, TensorInfo, read_file
from dynrnn.checkpoint.slices import Slice
from dynrnn.checkpoint.strings import as_strings
from dynrnn.checkpoint.table import read_table, write_table
from dynrnn.checkpoint.wire import (
    as_bytes,
    as_text,
    bytes_of,
    field_bytes,
    fields,
    varint,
    varints,
)

__all__ = ["Version1Reader", "write_version_1"]

# the field of a tensor message that holds the values, and the numpy type of an item ("v": a varint)
_FIELDS: dict[str, tuple[int, str]] = {
    "float32": (5, "<f4"),
    "float64": (6, "<f8"),
    "string": (8, "s"),
    "complex64": (9, "<c8"),
    "int64": (10, "v"),
    "bool": (11, "v"),
    "complex128": (12, "<c16"),
    "float16": (13, "v"),
    "uint32": (16, "v"),
    "uint64": (17, "v"),
    **dict.fromkeys(("int32", "uint8", "int16", "int8", "uint16", "qint8", "quint8", "qint32"), (7, "v")),
}


class Version1Reader(Reader):
    """A checkpoint of version 1.

    Args:
        prefix: its name.
        paths: its files.

    Raises:
        CheckpointError: a file is not what it should be.
    """

    def __init__(self, prefix: str, paths: Sequence[str]) -> None:
        self._values: dict[bytes, memoryview] = {}
        tensors: dict[str, TensorInfo] = {}
        for path in paths:
            try:
                entries = dict(read_table(read_file(path)))
                meta = only(fields(entries.pop(b"", memoryview(b""))), 1)
                if meta is None:
                    raise CheckpointError("the table has no list of tensors")
                for info in _infos(meta):
                    known = tensors.get(info.name)
                    if known is not None:
                        if known.kind is not info.kind or known.shape != info.shape:
                            raise CheckpointError(f"tensor {info.name!r} has another shape or type in another file")
                        info = TensorInfo(info.name, info.kind, info.shape, known.parts + info.parts)
                    tensors[info.name] = info
            except CheckpointError as error:
                raise CheckpointError(f"{path}: {error}") from None
            self._values.update(entries)
        super().__init__(prefix, tensors)

    def _check_sizes(self, info: TensorInfo, parts: Sequence[Slice]) -> None:
        there = sum(len(value) for value in self._values.values())
        kind = info.kind
        count = sum(_count(slices.bounds(part, info.shape)) for part in parts)
        if count * (1 if _FIELDS.get(kind.name, (0, "v"))[1] in "vs" else kind.size) > there:
            raise CheckpointError(f"its {count} elements cannot be in {there} bytes")

    def _stored(self, name: str, part: Slice, info: TensorInfo) -> np.ndarray:
        value = self._values.get(slices.key_of(name, part))
        message = None if value is None else only(fields(value), 2)
        if message is None:
            raise CheckpointError("one of its parts is not listed")
        saved = fields(message)
        if not any(number == 1 and as_text(item) == name for number, item in saved):
            raise CheckpointError("one of its parts belongs to another tensor")
        ends = slices.bounds(part, info.shape)
        shape = tuple(high - low for low, high in ends)
        return _decoded(only(saved, 3), info.kind, _count(ends)).reshape(shape)


def _infos(meta: memoryview) -> list[TensorInfo]:
    result = []
    for number, value in fields(meta):
        if number == 1:
            found = SliceMeta.decode(as_bytes(value))
            result.append(TensorInfo(found.name, found.kind, found.shape, found.slices))
        elif number == 2:
            check_versions(as_bytes(value))
    return result


def _count(ends: Sequence[tuple[int, int]]) -> int:
    count = 1
    for low, high in ends:
        count *= high - low
    return count


def _decoded(message: memoryview | None, kind: Kind, count: int) -> np.ndarray:
    if kind.name not in _FIELDS:
        raise CheckpointError(f"tensors of type {kind.name} cannot be read from a checkpoint of version 1")
    number, item = _FIELDS[kind.name]
    found = [value for field, value in ([] if message is None else fields(message)) if field == number]
    if kind is STRING:
        if len(found) != count:
            raise CheckpointError(f"{len(found)} strings are stored, expected {count}")
        array = np.empty(count, object)
        array[:] = [bytes(as_bytes(value)) for value in found]
        return array
    if item == "v":
        numbers = [n for value in found for n in ([value] if isinstance(value, int) else varints(value))]
        if len(numbers) != count:
            raise CheckpointError(f"{len(numbers)} values are stored, expected {count}")
        wide = np.array(numbers, np.uint64)
        if kind.name == "float16":
            return wide.astype(np.uint16).view(np.float16)
        if kind.name == "bool":
            return wide != 0
        return wide.astype(kind.numpy)
    # packed, or (from other writers) one field a value
    width = 4 if item in ("<f4", "<c8") else 8
    data = b"".join(value.to_bytes(width, "little") if isinstance(value, int) else bytes(value) for value in found)
    if len(data) != count * kind.size:
        raise CheckpointError(f"{len(data)} bytes are stored, expected {count * kind.size}")
    return np.frombuffer(data, kind.numpy).copy()


# --- writing ----------------------------------------------------------------------------------------------------------


def write_version_1(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Any],
    parts: Mapping[str, tuple[Sequence[int], Sequence[tuple[Slice, Any]]]] | None = None,
) -> None:
    """Write a checkpoint of version 1.

    Args:
        path: the file.
        tensors: arrays by name.
        parts: tensors that are stored in parts: their shape, and the parts with their arrays.

    Raises:
        ValueError: an element type cannot be written.
    """
    listed: list[bytes] = []
    entries: list[tuple[bytes, bytes]] = []
    # a tensor has the place in the list that its name was given in
    for name, value in tensors.items():
        array = np.asarray(value)
        _put(name, array.shape, [(slices.full(array.ndim), array)], listed, entries)
    for name, (shape, items) in (parts or {}).items():
        _put(name, tuple(shape), [(part, np.asarray(value)) for part, value in items], listed, entries)
    meta = b"".join(field_bytes(1, item) for item in listed) + field_bytes(2, encode_versions())
    table = write_table([(b"", field_bytes(1, meta)), *sorted(entries)])
    files.replace(os.fspath(path), table)


def _put(
    name: str,
    shape: tuple[int, ...],
    items: Sequence[tuple[Slice, np.ndarray]],
    listed: list[bytes],
    entries: list[tuple[bytes, bytes]],
) -> None:
    kind = kind_of(items[0][1])
    listed.append(SliceMeta(name, kind, shape, tuple(part for part, _ in items)).encode())
    for part, array in items:
        saved = field_bytes(1, bytes_of(name)) + field_bytes(2, slices.encode(part))
        saved += field_bytes(3, _encoded(array, kind))
        entries.append((slices.key_of(name, part), field_bytes(2, saved)))


def _encoded(array: np.ndarray, kind: Kind) -> bytes:
    if kind.name not in _FIELDS:
        raise ValueError(f"tensors of type {kind.name} cannot be written to a checkpoint of version 1")
    number, item = _FIELDS[kind.name]
    if kind is STRING:
        return b"".join(field_bytes(number, text) for text in as_strings(array))
    if not array.size:
        return b""
    if item != "v":
        return field_bytes(number, np.ascontiguousarray(array, kind.numpy).tobytes())
    if kind.name == "float16":
        array = np.ascontiguousarray(array).view(np.uint16)
    return field_bytes(number, b"".join(varint(int(n)) for n in array.ravel().tolist()))
