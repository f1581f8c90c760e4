"""A checkpoint as a table for people."""

from __future__ import annotations

import math

from dynrnn.checkpoint.bundle import BundleReader
from dynrnn.checkpoint.reader import Reader, TensorInfo

__all__ = ["describe"]

_STEP = 1000.0


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < _STEP:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _STEP
    return f"{count:.1f} TB"


def _size(info: TensorInfo) -> int | None:
    return None if info.kind.storage is None else math.prod(info.shape) * info.kind.size


def describe(reader: Reader) -> str:
    """Names, types, shapes and sizes of what is in a checkpoint, and the sums."""
    rows = []
    elements, total = 0, 0
    for name, info in reader.tensors.items():
        size = _size(info)
        elements += math.prod(info.shape)
        total += size or 0
        parts = f"{len(info.parts)} parts" if len(info.parts) > 1 else ""
        shape = "[" + ", ".join(map(str, info.shape)) + "]"
        rows.append((name, info.dtype, shape, "" if size is None else _bytes(size), parts))
    heads = ("name", "dtype", "shape", "size", "")
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(5)]
    lines = []
    for row in [heads, *rows]:
        cells = [
            text.rjust(w) if c == 3 else text.ljust(w) for c, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    version = "version 1"
    if isinstance(reader, BundleReader):
        version = f"version 2, {reader.shards} data file" + ("s" if reader.shards > 1 else "")
    tensors = f"{len(rows)} tensor" + ("" if len(rows) == 1 else "s")
    lines.append(f"{tensors}, {elements:,} elements, {_bytes(total)}; {version}")
    return "\n".join(lines)
