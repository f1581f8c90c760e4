"""Snappy blocks, taken apart (the format is described in ``format_description.txt`` of google/snappy).

A block is the length of what it stands for, then literals and copies of what came before. A copy of two bytes makes
at most 11 bytes, one of three at most 64, one of five 64, a literal less than it is long: nothing can grow by more
than 64 / 3, so a length that says more is refused before any memory is taken.
"""

from __future__ import annotations

from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.wire import read_varint

__all__ = ["decompress"]

_LITERAL, _COPY_1 = 0, 1
_SHORT_LITERAL = 60


def decompress(data: bytes | memoryview) -> bytes:
    """What the block ``data`` stands for.

    Raises:
        CheckpointError: ``data`` is no block.
    """
    size, at = read_varint(data, 0)
    end = len(data)
    if size > 22 * (end - at):
        raise CheckpointError(f"a compressed block of {end} bytes cannot hold {size} bytes")
    out = bytearray()
    while at < end:
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == _LITERAL:
            length = tag >> 2
            if length >= _SHORT_LITERAL:
                extra = length - _SHORT_LITERAL + 1
                length, at = _number(data, at, extra), at + extra
            length += 1
            if length > end - at or length > size - len(out):
                raise CheckpointError("a compressed block has a literal that runs past its end")
            out += data[at : at + length]
            at += length
            continue
        if kind == _COPY_1:
            length = (tag >> 2 & 7) + 4
            offset, at = (tag >> 5) << 8 | _number(data, at, 1), at + 1
        else:
            extra = 2 if kind == 2 else 4
            length = (tag >> 2) + 1
            offset, at = _number(data, at, extra), at + extra
        if not 0 < offset <= len(out) or length > size - len(out):
            raise CheckpointError("a compressed block has a copy from outside of it")
        begin = len(out) - offset
        if offset >= length:
            out += out[begin : begin + length]
        else:  # the copy overlaps what it makes: a pattern repeats
            pattern = bytes(out[begin:])
            out += (pattern * (length // offset + 1))[:length]
    if len(out) != size:
        raise CheckpointError(f"a compressed block holds {len(out)} bytes, not the {size} it says")
    return bytes(out)


def _number(data: bytes | memoryview, at: int, size: int) -> int:
    if size > len(data) - at:
        raise CheckpointError("a compressed block ends in the middle of a number")
    return int.from_bytes(data[at : at + size], "little")
