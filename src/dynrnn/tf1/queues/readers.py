"""Readers: they take file names from a queue and give the files' records one by one."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import Operation, get_default_graph
from dynrnn.tf1.core.registry import register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.file_ops import string_array
from dynrnn.tf1.queues.queues import QueueBase
from dynrnn.tf1.queues.state import QueueState
from dynrnn.tf1.records import compression_name, open_input, read_records

__all__ = [
    "FixedLengthRecordReader",
    "IdentityReader",
    "ReaderBase",
    "TFRecordReader",
    "TextLineReader",
    "WholeFileReader",
    "text_lines",
]

Records = Iterator[tuple[bytes, bytes]]

Read = namedtuple("ReaderReadV2", ["key", "value"])  # type: ignore[name-match] # TensorFlow's name
ReadUpTo = namedtuple("ReaderReadUpToV2", ["keys", "values"])  # type: ignore[name-match]


class _ReaderState:
    """A reader while a session runs: the file that is being read."""

    def __init__(self, open_file: Callable[[str], Records]) -> None:
        self._open = open_file
        self._lock = threading.Lock()
        self._records: Records | None = None
        self.produced = 0
        self.completed = 0

    def read(self, queue: QueueState) -> tuple[bytes, bytes]:
        """The next (key, value), from the next file when one is at its end."""
        with self._lock:
            while True:
                if self._records is None:
                    (name,) = queue.take(1)[0]
                    self._records = self._open(name[()].decode())
                record = next(self._records, None)
                if record is not None:
                    self.produced += 1
                    return record
                self._records = None
                self.completed += 1

    def read_up_to(self, queue: QueueState, count: int) -> list[tuple[bytes, bytes]]:
        """Up to ``count`` records, from one file."""
        records = [self.read(queue)]
        with self._lock:
            while len(records) < count and self._records is not None:
                record = next(self._records, None)
                if record is None:
                    self._records = None
                    self.completed += 1
                else:
                    self.produced += 1
                    records.append(record)
        return records

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._records = None
            self.produced = self.completed = 0


@register("ReaderV2", stateful=True, needs_run=True)
def _reader(run: Any, *, key: Any, open_file: Callable[[str], Records]) -> _ReaderState:
    return run.resource(key, lambda: _ReaderState(open_file))


@register("ReaderReadV2", stateful=True)
def _read(reader: _ReaderState, queue: QueueState) -> list[np.ndarray]:
    return [string_array([part]).reshape([]) for part in reader.read(queue)]


@register("ReaderReadUpToV2", stateful=True)
def _read_up_to(reader: _ReaderState, queue: QueueState, count: torch.Tensor) -> list[np.ndarray]:
    records = reader.read_up_to(queue, int(count))
    return [string_array([r[i] for r in records]) for i in range(2)]


@register("ReaderNumRecordsProducedV2", stateful=True)
def _produced(reader: _ReaderState) -> torch.Tensor:
    return torch.tensor(reader.produced)


@register("ReaderNumWorkUnitsCompletedV2", stateful=True)
def _completed(reader: _ReaderState) -> torch.Tensor:
    return torch.tensor(reader.completed)


@register("ReaderResetV2", stateful=True)
def _reset(reader: _ReaderState) -> tuple[()]:
    reader.reset()
    return ()


class ReaderBase:
    """What readers have in common."""

    def __init__(self, open_file: Callable[[str], Records], name: str) -> None:
        graph = get_default_graph()
        with graph.outside():
            op = graph.create_op("ReaderV2", [], None, name, specs=[(dtypes.resource, TensorShape([]))])
        op.attrs.update(key=op, open_file=open_file)
        self._reader_ref = op.outputs[0]

    @property
    def reader_ref(self) -> Tensor:
        """The tensor that stands for the reader."""
        return self._reader_ref

    @property
    def supports_serialize(self) -> bool:
        """False: a reader's place in its file cannot be saved."""
        return False

    def read(self, queue: Any, name: str | None = None) -> Read:
        """The next record: its key and its value.

        Args:
            queue: a queue of file names.
            name: operation name.

        Raises:
            tf.errors.OutOfRangeError: at run time, when the queue is closed and all its files are read.
        """
        specs = [(dtypes.string, TensorShape([]))] * 2
        return Read(*self._apply("ReaderReadV2", [_queue_ref(queue)], specs, name or "ReaderReadV2").outputs)

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> ReadUpTo:
        """Up to ``num_records`` records: their keys and their values."""
        count = convert_to_tensor(num_records, dtypes.int64, name="num_records")
        specs = [(dtypes.string, unknown_shape(1))] * 2
        op = self._apply("ReaderReadUpToV2", [_queue_ref(queue), count], specs, name or "ReaderReadUpToV2")
        return ReadUpTo(*op.outputs)

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """How many records it has given."""
        specs = [(dtypes.int64, TensorShape([]))]
        return self._apply("ReaderNumRecordsProducedV2", [], specs, name).outputs[0]

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """How many files it has read to the end."""
        specs = [(dtypes.int64, TensorShape([]))]
        return self._apply("ReaderNumWorkUnitsCompletedV2", [], specs, name).outputs[0]

    def reset(self, name: str | None = None) -> Operation:
        """Begin anew."""
        return self._apply("ReaderResetV2", [], [], name)

    def _apply(self, op_type: str, inputs: list[Tensor], specs: Any, name: str | None) -> Operation:
        return self._reader_ref.graph.create_op(op_type, [self._reader_ref, *inputs], None, name, specs=specs)


def _queue_ref(queue: Any) -> Tensor:
    if not isinstance(queue, (QueueBase, Tensor)):
        raise TypeError(f"queue must be a queue of file names, got {type(queue).__name__}")
    return queue.queue_ref if isinstance(queue, QueueBase) else queue


def text_lines(path: str, compression: str = "") -> Iterator[bytes]:
    """The lines of a file without their ends; carriage returns are dropped."""
    with open_input(path, compression) as file:
        for line in file:
            yield line.rstrip(b"\n").replace(b"\r", b"")


class TextLineReader(ReaderBase):
    """Lines of text files; a key is ``file:line``, counted from 1.

    Args:
        skip_header_lines: how many lines at the beginning of each file are left out.
        name: operation name.
    """

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        skipped = int(skip_header_lines or 0)

        def records(path: str) -> Records:
            for number, line in enumerate(text_lines(path), 1):
                if number > skipped:
                    yield f"{path}:{number}".encode(), line

        super().__init__(records, name or "TextLineReaderV2")


class TFRecordReader(ReaderBase):
    """Records of TFRecord files; a key is ``file:offset``.

    Args:
        name: operation name.
        options: ``tf.python_io.TFRecordOptions``, for compressed files.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        compression = compression_name(options)

        def records(path: str) -> Records:
            offset = 0
            for record in read_records(path, compression):
                yield f"{path}:{offset}".encode(), record
                offset += len(record) + 16

        super().__init__(records, name or "TFRecordReaderV2")


class WholeFileReader(ReaderBase):
    """Files as a whole; the key is the file's name."""

    def __init__(self, name: str | None = None) -> None:
        def records(path: str) -> Records:
            with open_input(path) as file:
                yield path.encode(), file.read()

        super().__init__(records, name or "WholeFileReaderV2")


class IdentityReader(ReaderBase):
    """The names in the queue themselves, as keys and as values."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(lambda path: iter([(path.encode(), path.encode())]), name or "IdentityReaderV2")


class FixedLengthRecordReader(ReaderBase):
    """Records of a fixed number of bytes; a key is ``file:index``.

    Args:
        record_bytes: of one record.
        header_bytes, footer_bytes: left out at the beginning and the end of each file.
        hop_bytes: from the beginning of a record to that of the next; 0: ``record_bytes``.
        name: operation name.
        encoding: not available.

    Raises:
        ValueError: a number that makes no sense.
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        if encoding:
            raise NotImplementedError(f"FixedLengthRecordReader(encoding={encoding!r}) is not available in dynrnn")
        if record_bytes < 1:
            raise ValueError(f"record_bytes must be > 0, got {record_bytes}")
        header, footer, hop = header_bytes or 0, footer_bytes or 0, hop_bytes or record_bytes

        def records(path: str) -> Records:
            for index, record in enumerate(fixed_records(path, record_bytes, header, footer, hop)):
                yield f"{path}:{index}".encode(), record

        super().__init__(records, name or "FixedLengthRecordReaderV2")


def fixed_records(path: str, size: int, header: int = 0, footer: int = 0, hop: int = 0) -> Iterator[bytes]:
    """The records of ``size`` bytes in a file."""
    with open_input(path) as file:
        data = file.read()
    end = len(data) - footer
    step = hop or size
    if step == size and (end - header) % size:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"Excluding the header ({header} bytes) and the footer ({footer} bytes), input file {path!r} has body "
            f"length {end - header} bytes, which is not an exact multiple of the record length ({size} bytes).",
        )
    for start in range(header, end - size + 1, step):
        yield data[start : start + size]
