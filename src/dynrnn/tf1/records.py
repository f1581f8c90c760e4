"""TFRecord files: framed records with checksums, the format of TensorFlow's data and event files.

A record is its length (uint64, little endian), the masked CRC-32C of these eight bytes, the data, and the masked
CRC-32C of the data. Files may be compressed as a whole, with zlib or gzip.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from dynrnn.checkpoint.crc32c import crc32c, mask
from dynrnn.tf1.core import errors

__all__ = ["RecordReader", "compression_name", "masked_crc32c", "open_input", "read_records", "write_record"]


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as files hold it: rotated and moved, so that checksums of checksums keep their worth."""
    return mask(crc32c(data))


def write_record(file: Any, data: bytes) -> None:
    """Append one record to a binary file."""
    header = struct.pack("<Q", len(data))
    file.write(header + struct.pack("<I", masked_crc32c(header)) + data + struct.pack("<I", masked_crc32c(data)))


def compression_name(compression: Any) -> str:
    """``""``, ``"GZIP"`` or ``"ZLIB"`` for any way to ask for it: names, numbers, options, None.

    Raises:
        ValueError: there is no such compression.
    """
    kind = getattr(compression, "compression_type", compression)
    kind = kind.decode() if isinstance(kind, bytes) else kind
    names = {None: "", 0: "", "": "", "NONE": "", 1: "ZLIB", "ZLIB": "ZLIB", 2: "GZIP", "GZIP": "GZIP"}
    try:
        return names[kind]
    except (KeyError, TypeError):
        raise ValueError(f"Not a valid compression_type: {kind!r}; expected '', 'ZLIB' or 'GZIP'") from None


def open_input(path: str, compression: str = "") -> BinaryIO:
    """The file for reading, decompressed.

    Raises:
        tf.errors.NotFoundError: there is no such file; other classes for other refusals of the system.
    """
    try:
        if os.path.isdir(path):
            raise errors.FailedPreconditionError(None, None, f"{path}; Is a directory")
        file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except FileNotFoundError:
        raise errors.NotFoundError(None, None, f"{path}; No such file or directory") from None
    except PermissionError:
        raise errors.PermissionDeniedError(None, None, f"{path}; Permission denied") from None
    except OSError as error:
        raise errors.UnknownError(None, None, f"{path}; {error.strerror}") from None
    if compression == "GZIP":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if compression == "ZLIB":
        with file:
            try:
                return io.BytesIO(zlib.decompress(file.read()))
            except zlib.error as error:
                raise errors.DataLossError(None, None, f"{path}: {error}") from None
    return file


class RecordReader:
    """The records of one file, one after the other."""

    def __init__(self, path: str, compression: str = "") -> None:
        self._path = path
        self._file = open_input(path, compression)
        self._position = 0

    def read(self) -> bytes | None:
        """The next record; None at the end of the file.

        Raises:
            tf.errors.DataLossError: the file ends inside a record, or a checksum is wrong.
        """
        start = self._position
        header = self._take(12)
        if not header:
            self.close()
            return None
        if len(header) < 12:
            raise self._corrupt("truncated record", start)
        (length,) = struct.unpack("<Q", header[:8])
        if struct.unpack("<I", header[8:])[0] != masked_crc32c(header[:8]):
            raise self._corrupt("corrupted record", start)
        data = self._take(length)
        footer = self._take(4)
        if len(data) < length or len(footer) < 4:
            raise self._corrupt("truncated record", start)
        if struct.unpack("<I", footer)[0] != masked_crc32c(data):
            raise self._corrupt("corrupted record", start)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, count: int) -> bytes:
        # in parts: a damaged length must not ask for all memory at once
        parts = []
        left = count
        try:
            while left:
                part = self._file.read(min(left, 1 << 24))
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        except (OSError, EOFError, zlib.error) as error:
            raise errors.DataLossError(None, None, f"{self._path}: {error}") from None
        self._position += count - left
        return b"".join(parts)

    def _corrupt(self, what: str, position: int) -> errors.DataLossError:
        return errors.DataLossError(None, None, f"{what} at {position}")


def read_records(path: str, compression: str = "") -> Iterator[bytes]:
    """The records of a file."""
    reader = RecordReader(path, compression)
    try:
        while (record := reader.read()) is not None:
            yield record
    finally:
        reader.close()
