"""The IDX files of MNIST: a big-endian header (magic number, then the sizes), then unsigned bytes.

Magic 2051 is a file of images ``[count, rows, columns]``, magic 2049 one of labels ``[count]``. A file whose name ends
in ``.gz`` is unpacked while it is read. Everything that the format promises is checked, so that a truncated download or
a page of HTML under the right name is refused here and does not train a model.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

__all__ = ["read_images", "read_labels"]

_IMAGES_MAGIC = 2051
_LABELS_MAGIC = 2049


def read_images(path: str | Path) -> np.ndarray:
    """Images of an IDX file, ``uint8 [count, rows, columns]``.

    Raises:
        ValueError: the file is not an IDX file of images, or is corrupt or truncated.
    """
    return _read(Path(path), _IMAGES_MAGIC, "images", 3)


def read_labels(path: str | Path, num_classes: int = 10) -> np.ndarray:
    """Labels of an IDX file, ``uint8 [count]``, each below ``num_classes``.

    Raises:
        ValueError: the file is not an IDX file of labels, is corrupt or truncated, or holds a label out of range.
    """
    labels = _read(Path(path), _LABELS_MAGIC, "labels", 1)
    wrong = np.flatnonzero(labels >= num_classes)
    if wrong.size:
        raise ValueError(
            f"{path}: expected labels from 0 to {num_classes - 1}, got {labels[wrong[0]]} at position {wrong[0]}"
        )
    return labels


def _read(path: Path, magic: int, what: str, rank: int) -> np.ndarray:
    content = _unpack(path) if path.suffix == ".gz" else path.read_bytes()
    header = 4 * (1 + rank)
    if len(content) < header:
        raise ValueError(f"{path}: expected an IDX header of {header} bytes, got a file of {len(content)} bytes")
    numbers = [int(number) for number in np.frombuffer(content, ">u4", 1 + rank)]
    if numbers[0] != magic:
        raise ValueError(
            f"{path}: expected an IDX file of {what} (magic number {magic}), got magic number {numbers[0]}"
        )
    shape = numbers[1:]
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes ({header} of header and {what} of shape {tuple(shape)}), "
            f"got {len(content)} bytes"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def _unpack(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected a complete gzip file, got one that cannot be unpacked: {error}") from error
