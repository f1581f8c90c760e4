"""The numbers in the golden checkpoints, for who makes them and for who tests: numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["DTYPES", "PARTED", "STRINGS", "VERSION_1", "bits", "values"]

DTYPES = {
    "float16": ("<u2", "<f2"),
    "bfloat16": ("<u2", None),
    "float32": ("<u4", "<f4"),
    "float64": ("<u8", "<f8"),
    "int8": ("u1", "i1"),
    "int16": ("<u2", "<i2"),
    "int32": ("<u4", "<i4"),
    "int64": ("<u8", "<i8"),
    "uint8": ("u1", "u1"),
    "uint16": ("<u2", "<u2"),
    "uint32": ("<u4", "<u4"),
    "uint64": ("<u8", "<u8"),
    "complex64": ("<u4", "<c8"),
    "complex128": ("<u8", "<c16"),
}
VERSION_1 = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "complex64", "complex128")
STRINGS = np.array([[b"", b"a"], [b"\x00\xff\n\"'\\", "é".encode()], [b"x" * 300, b"end"]], object)
PARTED = (np.arange(60, dtype=np.float32) - 30).reshape(12, 5) / 4


def bits(name: str) -> np.ndarray:
    """Twelve numbers of a type as unsigned integers of its width: all bits at random, then special ones."""
    stored = np.dtype(DTYPES[name][0])
    count = 24 if name.startswith("complex") else 12
    width = 8 * stored.itemsize
    state, found = 12345 + len(name), []
    for _ in range(count):
        number = 0
        for _ in range(0, width, 16):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            number = number << 16 | state >> 40 & 0xFFFF
        found.append(number % 2**width)
    found[:3] = [0, 1 << width - 1, 2**width - 1]  # for floats: 0, -0, NaN
    return np.array(found, np.uint64).astype(stored)


def values(name: str) -> Any:
    """`bits` as an array [3, 4] of the type; bfloat16 stays bits."""
    stored = bits(name)
    as_type = DTYPES[name][1]
    return (stored if as_type is None else stored.view(as_type)).reshape(3, 4)
