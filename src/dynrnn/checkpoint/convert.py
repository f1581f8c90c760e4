"""Checkpoints to safetensors files and back: names, shapes, element types and bytes stay as they are.

A safetensors file holds no strings, no complex128 and no quantized numbers. Variables that are stored in parts become
whole.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dynrnn.checkpoint import files
from dynrnn.checkpoint.bundle import BundleWriter
from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.reader import Reader, open_checkpoint, read_file

__all__ = ["from_safetensors", "to_safetensors"]

# TensorFlow's names of types, those of safetensors when it writes, and those in its files
_TYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_BY_CODE = {code: name for name, code in _TYPES.items()}


def to_safetensors(
    ckpt: str | os.PathLike[str] | Reader, path: str | os.PathLike[str], skip: bool = False
) -> list[str]:
    """Write what is in a checkpoint as a safetensors file.

    Args:
        ckpt: the checkpoint.
        path: the file.
        skip: leave out what such a file cannot hold, instead of refusing it.

    Returns:
        The names of what was left out.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        CheckpointError: the checkpoint is damaged.
        ValueError: it holds types that such a file cannot hold, and not ``skip``; or nothing is left.
    """
    import safetensors.numpy

    reader = ckpt if isinstance(ckpt, Reader) else open_checkpoint(ckpt)
    refused = [name for name, info in reader.tensors.items() if info.dtype not in _TYPES]
    if refused and not skip:
        shown = ", ".join(f"{name} ({reader.info(name).dtype})" for name in refused[:10])
        raise ValueError(f"a safetensors file cannot hold {shown}; leave them out with skip=True (--skip)")
    if len(refused) == len(reader):
        raise ValueError(f"{reader.prefix} has nothing that a safetensors file could hold")
    arrays = {name: reader.bits(name) for name in reader if name not in set(refused)}
    content = safetensors.numpy.save(arrays, {"format": "tf", "writer": "dynrnn"})
    files.replace(os.fspath(path), _with_bfloat16(content, {n for n in arrays if reader.info(n).dtype == "bfloat16"}))
    return refused


def _with_bfloat16(content: bytes, names: set[str]) -> bytes:
    """``content`` in which the tensors ``names``, written as uint16, are of type BF16."""
    if not names:
        return content
    import json

    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    for name in names:
        header[name]["dtype"] = "BF16"
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def from_safetensors(path: str | os.PathLike[str], prefix: str | os.PathLike[str]) -> list[str]:
    """Write what is in a safetensors file as a checkpoint.

    Args:
        path: the file.
        prefix: the name of the checkpoint; its folder must exist.

    Returns:
        The names.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is no safetensors file, or holds types that TensorFlow has not.
    """
    import safetensors

    shown = os.fspath(path)
    content = read_file(shown)
    try:
        found: list[tuple[str, Any]] = safetensors.deserialize(content)
    except Exception as error:  # the library has one class of error, which is no ValueError
        raise CheckpointError(f"{shown} is no safetensors file: {error}") from None
    wrong = [f"{name} ({item['dtype']})" for name, item in found if item["dtype"] not in _BY_CODE]
    if wrong:
        raise CheckpointError(f"{shown}: a checkpoint cannot hold {', '.join(wrong[:10])}")
    names = []
    with BundleWriter(prefix) as writer:
        for name, item in sorted(found, key=lambda pair: pair[0]):
            kind = _BY_CODE[item["dtype"]]
            stored = np.dtype("<u2") if kind == "bfloat16" else np.dtype(kind).newbyteorder("<")
            writer.add(name, np.frombuffer(item["data"], stored).reshape(item["shape"]), kind)
            names.append(name)
    return names
