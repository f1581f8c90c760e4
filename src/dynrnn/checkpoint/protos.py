"""The messages of checkpoints: what an index holds (version 2) and what tables of slices hold (version 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dynrnn.checkpoint.dtypes import Kind, by_number
from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.slices import Slice, decode, encode
from dynrnn.checkpoint.wire import (
    Fields,
    as_bytes,
    as_int,
    as_int64,
    as_text,
    bytes_of,
    field_bytes,
    field_fixed32,
    field_varint,
    fields,
)

__all__ = ["Entry", "Header", "SliceMeta", "encode_versions", "shape_of"]

VERSION = 1
_MAX_RANK = 254
_MAX_ELEMENTS = 1 << 62


def shape_of(message: memoryview) -> tuple[int, ...]:
    """A shape from its protocol buffer; every size must be known."""
    sizes = []
    for number, value in fields(message):
        if number == 2:
            size = 0
            for inner, item in fields(as_bytes(value)):
                if inner == 1:
                    size = as_int64(item)
            sizes.append(size)
        elif number == 3 and as_int(value):
            raise CheckpointError("a tensor has a shape of unknown rank")
    if len(sizes) > _MAX_RANK or any(size < 0 for size in sizes):
        raise CheckpointError(f"a tensor has the impossible shape {sizes[:_MAX_RANK]}")
    if math.prod(size for size in sizes if size) > _MAX_ELEMENTS:
        raise CheckpointError(f"a tensor has the impossible shape {sizes}")
    return tuple(sizes)


def encode_shape(shape: tuple[int, ...]) -> bytes:
    """The protocol buffer of a shape."""
    return b"".join(field_bytes(2, field_varint(1, size) if size else b"") for size in shape)


def encode_versions() -> bytes:
    """Who wrote a checkpoint: the version of the format."""
    return field_varint(1, VERSION)


def check_versions(message: memoryview) -> None:
    """Refuse a file that says it is not for readers of this version."""
    found = dict(fields(message))
    if as_int64(found.get(2, 0)) > VERSION:
        raise CheckpointError(f"the checkpoint is for readers of version {as_int64(found[2])}; this one is {VERSION}")


@dataclass(frozen=True)
class Header:
    """The first entry of an index."""

    shards: int = 1
    big_endian: bool = False

    @staticmethod
    def decode(message: memoryview) -> Header:
        """From its protocol buffer."""
        shards = endianness = 0
        for number, value in fields(message):
            if number == 1:
                shards = as_int64(value)
            elif number == 2:
                endianness = as_int(value)
            elif number == 3:
                check_versions(as_bytes(value))
        if shards < 1:
            raise CheckpointError(f"the checkpoint says that it has {shards} data files")
        if endianness not in (0, 1):
            raise CheckpointError(f"the checkpoint has the unknown byte order {endianness}")
        return Header(shards, bool(endianness))

    def encode(self) -> bytes:
        """Its protocol buffer."""
        return field_varint(1, self.shards) + field_bytes(3, encode_versions())


@dataclass(frozen=True)
class Entry:
    """A tensor, or a part of one, in an index: what it is and where its bytes are."""

    kind: Kind
    shape: tuple[int, ...]
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    slices: tuple[Slice, ...] = ()

    @staticmethod
    def decode(message: memoryview) -> Entry:
        """From its protocol buffer."""
        dtype = shard = offset = size = crc = 0
        shape: tuple[int, ...] = ()
        slices = []
        for number, value in fields(message):
            if number == 1:
                dtype = as_int(value)
            elif number == 2:
                shape = shape_of(as_bytes(value))
            elif number == 3:
                shard = as_int64(value)
            elif number == 4:
                offset = as_int64(value)
            elif number == 5:
                size = as_int64(value)
            elif number == 6:
                crc = as_int(value)
            elif number == 7:
                slices.append(decode(as_bytes(value)))
        if shard < 0 or offset < 0 or size < 0:
            raise CheckpointError(f"a tensor is said to be {size} bytes at {offset} of data file {shard}")
        if any(len(part) != len(shape) for part in slices):
            raise CheckpointError(f"a tensor of shape {list(shape)} has slices of another rank")
        return Entry(by_number(dtype), shape, shard, offset, size, crc, tuple(slices))

    def encode(self) -> bytes:
        """Its protocol buffer, without fields that are 0, as TensorFlow writes it."""
        out = field_varint(1, self.kind.number) + field_bytes(2, encode_shape(self.shape))
        for number, value in ((3, self.shard), (4, self.offset), (5, self.size)):
            out += field_varint(number, value) if value else b""
        out += field_fixed32(6, self.crc) if self.crc else b""
        return out + b"".join(field_bytes(7, encode(part)) for part in self.slices)

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class SliceMeta:
    """A tensor in the first entry of a version 1 table: what it is and which parts of it the table has."""

    name: str
    kind: Kind
    shape: tuple[int, ...]
    slices: tuple[Slice, ...]

    @staticmethod
    def decode(message: memoryview) -> SliceMeta:
        """From its protocol buffer."""
        name, dtype = "", 0
        shape: tuple[int, ...] = ()
        slices = []
        for number, value in fields(message):
            if number == 1:
                name = as_text(value)
            elif number == 2:
                shape = shape_of(as_bytes(value))
            elif number == 3:
                dtype = as_int(value)
            elif number == 4:
                slices.append(decode(as_bytes(value)))
        if any(len(part) != len(shape) for part in slices):
            raise CheckpointError(f"tensor {name!r} of shape {list(shape)} has slices of another rank")
        return SliceMeta(name, by_number(dtype), shape, tuple(slices))

    def encode(self) -> bytes:
        """Its protocol buffer."""
        out = field_bytes(1, bytes_of(self.name)) + field_bytes(2, encode_shape(self.shape))
        return out + field_varint(3, self.kind.number) + b"".join(field_bytes(4, encode(s)) for s in self.slices)


def only(message: Fields, number: int) -> memoryview | None:
    """The last field of that number, which must hold bytes."""
    found = [value for field, value in message if field == number]
    return as_bytes(found[-1]) if found else None
