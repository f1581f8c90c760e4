"""How tensors of strings lie in a data file.

The lengths as varints, the masked CRC of the lengths (each as four bytes, as eight where it needs them), the strings.
The CRC of the tensor goes over the lengths in that same form, the four bytes of their CRC, and the strings.
"""

from __future__ import annotations

import numpy as np

from dynrnn.checkpoint.crc32c import crc32c, extend, mask
from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.wire import read_varint, varint

__all__ = ["as_strings", "decode", "encode"]

_LIMIT_32 = 0xFFFFFFFF


def as_strings(array: np.ndarray) -> list[bytes]:
    """The elements of an array of strings as bytes; ``TypeError`` for an element that is no string."""
    result = []
    for item in np.asarray(array, object).ravel().tolist():
        if isinstance(item, str):
            item = item.encode()
        if not isinstance(item, bytes):
            raise TypeError(f"expected an array of strings, got an element of type {type(item).__name__}")
        result.append(item)
    return result


def _numbers(lengths: list[int], order: str) -> bytes:
    return b"".join(n.to_bytes(4 if n <= _LIMIT_32 else 8, order) for n in lengths)  # type: ignore[arg-type]


def encode(items: list[bytes]) -> tuple[bytes, int]:
    """The bytes for a data file, and their CRC (not masked)."""
    lengths = [len(item) for item in items]
    crc = crc32c(_numbers(lengths, "little"))
    check = mask(crc).to_bytes(4, "little")
    body = b"".join(items)
    return b"".join(varint(n) for n in lengths) + check + body, extend(extend(crc, check), body)


def decode(data: memoryview, shape: tuple[int, ...], count: int, big_endian: bool) -> tuple[np.ndarray, int]:
    """The array of ``count`` strings in ``data``, and the CRC of what was read (not masked)."""
    if not len(data) and not count:
        return np.empty(shape, object), 0
    if count > len(data) - 4:
        raise CheckpointError(f"{count} strings cannot be in {len(data)} bytes")
    result = np.empty(count, object)
    lengths, at = [], 0
    for _ in range(count):
        length, at = read_varint(data, at)
        lengths.append(length)
    order = "big" if big_endian else "little"
    crc = crc32c(_numbers(lengths, order))
    check = data[at : at + 4]
    at += 4
    if at > len(data) or int.from_bytes(check, order) != mask(crc):  # type: ignore[arg-type]
        raise CheckpointError("the length checksum does not match")
    if sum(lengths) != len(data) - at:
        raise CheckpointError("the lengths of strings do not add up to the size of the tensor")
    crc = extend(extend(crc, check), data[at:])
    for index, length in enumerate(lengths):
        result[index] = bytes(data[at : at + length])
        at += length
    return result.reshape(shape), crc
