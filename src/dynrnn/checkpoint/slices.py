"""Slices of tensors: where a part of a partitioned variable stands in the whole.

A part is an *extent* for each dimension, ``(start, length)``, or None for all of it. Its key in the index of a
checkpoint is made of numbers and strings encoded so that the order of the bytes is the order of the values
("ordered code"): 0, the name, the number of dimensions, and start and length of each, -1 for None.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.wire import as_bytes, as_int64, bytes_of, field_bytes, field_varint, fields

__all__ = ["Extent", "Slice", "bounds", "decode", "encode", "full", "is_full", "key_of", "spec_of"]

Extent = tuple[int, int] | None
Slice = tuple[Extent, ...]


def full(rank: int) -> Slice:
    """The slice that is the whole."""
    return (None,) * rank


def is_full(part: Slice, shape: Sequence[int]) -> bool:
    """Whether ``part`` is all of a tensor of that shape."""
    return all(extent is None or extent == (0, size) for extent, size in zip(part, shape, strict=True))


def bounds(part: Slice, shape: Sequence[int]) -> list[tuple[int, int]]:
    """``(start, stop)`` of each dimension.

    Raises:
        CheckpointError: the slice does not lie in the shape.
    """
    if len(part) != len(shape):
        raise CheckpointError(f"a slice of {len(part)} dimensions is in a tensor of shape {list(shape)}")
    result = []
    for extent, size in zip(part, shape, strict=True):
        start, length = (0, size) if extent is None else extent
        if start < 0 or length < 0 or start + length > size:
            raise CheckpointError(f"the slice [{start}, {start + length}) is outside the shape {list(shape)}")
        result.append((start, start + length))
    return result


def spec_of(part: Slice, shape: Sequence[int]) -> str:
    """TensorFlow's text for a slice: ``"100 5 0,34:0,5"``."""
    dims = " ".join(str(size) for size in shape)
    extents = ":".join("-" if extent is None else f"{extent[0]},{extent[1]}" for extent in part)
    return f"{dims} {extents}"


def decode(message: memoryview) -> Slice:
    """A slice from its protocol buffer."""
    extents: list[Extent] = []
    for number, value in fields(message):
        if number == 1:
            start, length = 0, None
            for inner, item in fields(as_bytes(value)):
                if inner == 1:
                    start = as_int64(item)
                elif inner == 2:
                    length = as_int64(item)
            extents.append(None if length is None else (start, length))
    return tuple(extents)


def encode(part: Slice) -> bytes:
    """The protocol buffer of a slice."""
    out = b""
    for extent in part:
        inner = b""
        if extent is not None:
            start, length = extent
            inner = (field_varint(1, start) if start else b"") + field_varint(2, length)
        out += field_bytes(1, inner)
    return out


def key_of(name: str, part: Slice) -> bytes:
    """The key under which the part ``part`` of the tensor ``name`` is listed."""
    out = _unsigned(0) + _string(bytes_of(name)) + _unsigned(len(part))
    for extent in part:
        start, length = (0, -1) if extent is None else extent
        out += _signed(start) + _signed(length)
    return out


def _unsigned(value: int) -> bytes:
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(octets)]) + octets


def _string(data: bytes) -> bytes:
    # 0 and 255 are followed by the other one; 0 and 1 end the string
    return b"\xff\x00".join(part.replace(b"\x00", b"\x00\xff") for part in data.split(b"\xff")) + b"\x00\x01"


def _signed(value: int) -> bytes:
    """As many leading one bits as bytes, then the number; for negative numbers all bits are the other way round."""
    magnitude = ~value if value < 0 else value
    size = magnitude.bit_length() // 7 + 1
    number = value & ((1 << 8 * size) - 1)
    header = ((1 << size) - 1) << (8 * size - size)
    return (number ^ header).to_bytes(size, "big")
