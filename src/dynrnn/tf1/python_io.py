"""``tf.python_io``: TFRecord files from Python."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core import errors
from dynrnn.tf1.records import compression_name, read_records, write_record

__all__ = ["TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter", "tf_record_iterator"]


class TFRecordCompressionType:
    """Ways to compress a file of records."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


class TFRecordOptions:
    """How a file of records is written and read.

    Args:
        compression_type: a ``TFRecordCompressionType``, or "", "ZLIB", "GZIP".
        compression_level: 0 to 9, or None for zlib's own.
        others: accepted for TensorFlow's signature.

    Raises:
        ValueError: no such compression.
    """

    compression_type_map = {0: "", 1: "ZLIB", 2: "GZIP"}  # noqa: RUF012 - TensorFlow's attribute, read only

    def __init__(self, compression_type: Any = None, compression_level: int | None = None, **others: Any) -> None:
        known = {"flush_mode", "input_buffer_size", "output_buffer_size", "window_bits", "compression_strategy"}
        unknown = set(others) - known - {"compression_method", "mem_level"}
        if unknown:
            raise TypeError(f"TFRecordOptions got unexpected arguments: {', '.join(sorted(unknown))}")
        compression_name(compression_type)
        self.compression_type = compression_type
        self.compression_level = compression_level

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """The name of the compression that ``options`` asks for."""
        return compression_name(options)


class TFRecordWriter:
    """Writes records to a file; also a context manager that closes it.

    Args:
        path: the file, which is made or overwritten.
        options: ``TFRecordOptions``, a ``TFRecordCompressionType`` or its name.

    Raises:
        tf.errors.NotFoundError: the folder is not there.
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        kind = compression_name(options)
        level = getattr(options, "compression_level", None)
        try:
            self._file: Any = open(os.fspath(path), "wb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            kind_of = errors.PermissionDeniedError if isinstance(error, PermissionError) else errors.NotFoundError
            raise kind_of(None, None, f"{os.fspath(path)}; {error.strerror}") from None
        self._raw = self._file
        if kind == "GZIP":
            # the time of writing is left out: equal records give equal files
            self._file = gzip.GzipFile("", "wb", 6 if level is None else level, self._raw, 0)
        self._zlib = zlib.compressobj(-1 if level is None else level) if kind == "ZLIB" else None

    def write(self, record: Any) -> None:
        """Append a record.

        Raises:
            TypeError: not bytes.
        """
        if isinstance(record, str):
            record = record.encode()
        if not isinstance(record, (bytes, bytearray, memoryview)):
            raise TypeError(f"expected bytes, {type(record).__name__} found")
        if self._raw.closed:
            raise errors.FailedPreconditionError(None, None, "Writer is closed.")
        if self._zlib is None:
            write_record(self._file, bytes(record))
        else:
            write_record(_Compressed(self._raw, self._zlib), bytes(record))

    def flush(self) -> None:
        """Hand what is written to the system."""
        if self._zlib is None:
            self._file.flush()

    def close(self) -> None:
        """Close the file; again is harmless."""
        if self._raw.closed:
            return
        if self._zlib is not None:
            self._raw.write(self._zlib.flush())
        if self._file is not self._raw:
            self._file.close()
        self._raw.close()

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_raw"):
            self.close()


class _Compressed:
    def __init__(self, file: Any, compressor: Any) -> None:
        self._file = file
        self._compressor = compressor

    def write(self, data: bytes) -> None:
        self._file.write(self._compressor.compress(data))


def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """The records of the file ``path``.

    Raises:
        tf.errors.NotFoundError: there is no such file.
        tf.errors.DataLossError: the file is cut off or damaged.
    """
    return read_records(os.fspath(path), compression_name(options))


__getattr__ = missing(__name__, globals())
