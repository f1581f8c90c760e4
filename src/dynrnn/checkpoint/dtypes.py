"""TensorFlow's element types by their numbers in files, and the numpy types that hold their values.

numpy has no bfloat16: such tensors are read as float32, which holds every one of them, and written from float32 or
from their 16 bits as uint16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynrnn.checkpoint.errors import CheckpointError

__all__ = ["BFLOAT16", "STRING", "Kind", "by_name", "by_number", "from_bfloat16", "kind_of", "to_bfloat16"]


@dataclass(frozen=True)
class Kind:
    """An element type: its TensorFlow name and number, and how its bytes are read (None: it has no such form)."""

    name: str
    number: int
    storage: Any = None

    @property
    def size(self) -> int:
        """Bytes per element in a file."""
        return self.numpy.itemsize

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type of the bytes in a file.

        Raises:
            CheckpointError: the values have no fixed size or no numpy form.
        """
        if self.storage is None:
            raise CheckpointError(f"tensors of type {self.name} cannot be read or written")
        return np.dtype(self.storage)


_TABLE = [
    Kind("float32", 1, "<f4"),
    Kind("float64", 2, "<f8"),
    Kind("int32", 3, "<i4"),
    Kind("uint8", 4, "u1"),
    Kind("int16", 5, "<i2"),
    Kind("int8", 6, "i1"),
    Kind("string", 7),
    Kind("complex64", 8, "<c8"),
    Kind("int64", 9, "<i8"),
    Kind("bool", 10, "?"),
    Kind("qint8", 11, "i1"),
    Kind("quint8", 12, "u1"),
    Kind("qint32", 13, "<i4"),
    Kind("bfloat16", 14, "<u2"),
    Kind("qint16", 15, "<i2"),
    Kind("quint16", 16, "<u2"),
    Kind("uint16", 17, "<u2"),
    Kind("complex128", 18, "<c16"),
    Kind("float16", 19, "<f2"),
    Kind("resource", 20),
    Kind("variant", 21),
    Kind("uint32", 22, "<u4"),
    Kind("uint64", 23, "<u8"),
    Kind("float8_e5m2", 24),
    Kind("float8_e4m3fn", 25),
    Kind("int4", 29),
    Kind("uint4", 30),
]
_BY_NAME = {kind.name: kind for kind in _TABLE}
_BY_NUMBER = {kind.number: kind for kind in _TABLE}
_BY_NUMPY = {
    np.dtype(kind.storage): kind
    for kind in reversed(_TABLE)
    if kind.storage is not None and not kind.name.startswith("q") and kind.name != "bfloat16"
}
STRING = _BY_NAME["string"]
BFLOAT16 = _BY_NAME["bfloat16"]


def by_number(number: int) -> Kind:
    """The type of that number in files.

    Raises:
        CheckpointError: there is none.
    """
    # variables of TensorFlow 1 may be saved with the number of their reference type
    kind = _BY_NUMBER.get(number - 100 if number > 100 else number)
    if kind is None:
        raise CheckpointError(f"there is no element type of number {number}")
    return kind


def by_name(name: str) -> Kind:
    """The type of that TensorFlow name; ``ValueError`` when there is none."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise ValueError(f"expected the name of an element type, got {name!r}; known: {', '.join(_BY_NAME)}") from None


def kind_of(array: np.ndarray) -> Kind:
    """The type for the elements of a numpy array; ``ValueError`` when there is none."""
    if array.dtype.kind in "OSU":
        return STRING
    kind = _BY_NUMPY.get(array.dtype.newbyteorder("<"))
    if kind is None:
        raise ValueError(f"arrays of dtype {array.dtype} cannot be written to a checkpoint")
    return kind


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Bits (uint16) as float32: exact."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_bfloat16(array: np.ndarray) -> np.ndarray:
    """float32 values as the bits of the nearest bfloat16 (ties to even); uint16 arrays are bits already."""
    if array.dtype == np.uint16:
        return array
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).reshape(array.shape)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    quiet = ((bits >> 16) | 0x40).astype(np.uint16)
    return np.where(np.isnan(array), quiet, rounded).astype(np.uint16)
