"""Protocol buffers on the wire: varints and fields, read with every bound checked.

Only what checkpoints use: no groups. A message comes out as a list of ``(field number, value)``, in the order of the
file: an int for wire types 0, 1 and 5 (fixed widths are unsigned), a ``memoryview`` for length-delimited fields.
"""

from __future__ import annotations

from typing import Any

from dynrnn.checkpoint.errors import CheckpointError

__all__ = [
    "Fields",
    "as_bytes",
    "as_int",
    "as_int64",
    "as_text",
    "field_bytes",
    "field_fixed32",
    "field_varint",
    "fields",
    "read_varint",
    "varint",
    "varints",
]

Value = int | memoryview
Fields = list[tuple[int, Value]]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LAST_OF_64_BITS = 63


def varint(value: int) -> bytes:
    """``value`` (negative numbers as 64-bit two's complement) in base 128, lowest digits first."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: Any, at: int, end: int | None = None) -> tuple[int, int]:
    """The unsigned number at ``data[at]`` and where it ends.

    Raises:
        CheckpointError: it goes on past ``end`` or needs more than 64 bits.
    """
    end = len(data) if end is None else end
    value = shift = 0
    while at < end:
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            if value >> 64:
                raise CheckpointError("a number needs more than 64 bits")
            return value, at
        shift += 7
        if shift > _LAST_OF_64_BITS:
            raise CheckpointError("a number needs more than 64 bits")
    raise CheckpointError("data end in the middle of a number")


def varints(data: memoryview) -> list[int]:
    """All the numbers in ``data``: a packed repeated field."""
    values, at = [], 0
    while at < len(data):
        value, at = read_varint(data, at)
        values.append(value)
    return values


def fields(data: Any) -> Fields:
    """The fields of the message ``data``.

    Raises:
        CheckpointError: ``data`` is no message.
    """
    view = memoryview(data)
    result: Fields = []
    at, end = 0, len(view)
    while at < end:
        tag, at = read_varint(view, at)
        number, kind = tag >> 3, tag & 7
        if number == 0 or number >> 29:
            raise CheckpointError(f"a message has a field of number {number}")
        value: Value
        if kind == _VARINT:
            value, at = read_varint(view, at)
        elif kind == _BYTES:
            size, at = read_varint(view, at)
            if size > end - at:
                raise CheckpointError(f"a field of {size} bytes is in a message with {end - at} bytes left")
            value = view[at : at + size]
            at += size
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
            if size > end - at:
                raise CheckpointError("a message ends in the middle of a number")
            value = int.from_bytes(view[at : at + size], "little")
            at += size
        else:
            raise CheckpointError(f"a message has a field of wire type {kind}")
        result.append((number, value))
    return result


def as_int(value: Value) -> int:
    """A field that must be an unsigned number."""
    if not isinstance(value, int):
        raise CheckpointError("a field holds bytes where a number is due")
    return value


def as_int64(value: Value) -> int:
    """A field that must be a signed 64-bit number."""
    number = as_int(value)
    return number - (1 << 64) if number >> 63 else number


def as_bytes(value: Value) -> memoryview:
    """A field that must hold bytes."""
    if isinstance(value, int):
        raise CheckpointError("a field holds a number where bytes are due")
    return value


def as_text(value: Value) -> str:
    """A field that must hold a string."""
    return text_of(bytes(as_bytes(value)))


def text_of(data: bytes) -> str:
    """``data`` as UTF-8; bytes that are not are kept as surrogates, as file names are."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The inverse of :func:`text_of`."""
    return text.encode("utf-8", "surrogateescape")


def field_varint(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(number << 3 | _VARINT) + varint(value)


def field_fixed32(number: int, value: int) -> bytes:
    """A field that holds a number of four bytes."""
    return varint(number << 3 | _FIXED32) + value.to_bytes(4, "little")


def field_bytes(number: int, value: bytes) -> bytes:
    """A field that holds bytes or a message."""
    return varint(number << 3 | _BYTES) + varint(len(value)) + value
