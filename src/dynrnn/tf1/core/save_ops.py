"""The operations that save and restore: `SaveV2`, `SaveSlices` (version 1) and `RestoreV2`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn import checkpoint
from dynrnn.checkpoint.slices import Slice, bounds
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape

__all__ = ["open_reader", "translated", "value_of"]

Part = tuple[tuple[int, ...], Slice]


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise TensorFlow's class of error for what is wrong with a checkpoint."""
    try:
        yield
    except (checkpoint.TensorNotFoundError, FileNotFoundError) as error:
        name = getattr(error, "filename", None)
        text = f"{name}; No such file or directory" if name else str(error)
        raise errors.NotFoundError(None, None, text) from None
    except checkpoint.CheckpointError as error:
        raise errors.DataLossError(None, None, str(error)) from None
    except PermissionError as error:
        raise errors.PermissionDeniedError(None, None, f"{error.filename}; {error.strerror}") from None
    except OSError as error:
        raise errors.UnknownError(None, None, f"{error.filename}; {error.strerror}") from error


def open_reader(prefix: str) -> checkpoint.Reader:
    """The checkpoint ``prefix``.

    Raises:
        NotFoundError: there is none.
        DataLossError: it is not what it should be.
    """
    if not checkpoint.checkpoint_exists(prefix):
        raise errors.NotFoundError(
            None,
            None,
            f"Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {prefix}",
        )
    with translated():
        return checkpoint.open_checkpoint(prefix)


def value_of(reader: checkpoint.Reader, name: str, part: Part | None = None) -> Any:
    """The tensor ``name`` of a checkpoint, or a part of it, as the value of a graph tensor."""
    with translated():
        info = reader.info(name)
        if part is not None and part[0] != info.shape:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"Shape in shape_and_slice spec {list(part[0])} does not match the shape stored in checkpoint: "
                f"{list(info.shape)}",
            )
        array = reader.bits(name, None if part is None else part[1])
    if info.dtype == "string":
        return array
    if info.dtype == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _stored(value: Any) -> tuple[Any, str | None]:
    """The value of a graph tensor as an array for a checkpoint, and its type there."""
    if not isinstance(value, torch.Tensor):
        return value, None
    value = value.detach().cpu().contiguous()
    if value.dtype is torch.bfloat16:
        return value.view(torch.int16).numpy().view(np.uint16), "bfloat16"
    return value.numpy(), None


def _path_of(value: Any) -> str:
    text: Any = np.asarray(value, object)[()]
    return os.fsdecode(text)


@register("SaveV2", lambda inputs, attrs: [], differentiable=False, stateful=True)
def _save(prefix: Any, *values: Any, names: tuple[str, ...], parts: tuple[Part | None, ...]) -> tuple[()]:
    path = _path_of(prefix)
    _make_folder(path)
    with translated(), checkpoint.BundleWriter(path) as writer:
        for name, part, value in zip(names, parts, values, strict=True):
            array, kind = _stored(value)
            if part is None:
                writer.add(name, array, kind)
            else:
                writer.add_part(name, part[0], part[1], array, kind)
    return ()


@register("SaveSlices", lambda inputs, attrs: [], differentiable=False, stateful=True)
def _save_slices(prefix: Any, *values: Any, names: tuple[str, ...], parts: tuple[Part | None, ...]) -> tuple[()]:
    path = _path_of(prefix)
    _make_folder(path)
    whole: dict[str, Any] = {}
    sliced: dict[str, tuple[Any, list[Any]]] = {}
    for name, part, value in zip(names, parts, values, strict=True):
        array, kind = _stored(value)
        if kind is not None:
            raise NotImplementedError(f"Saving data type {kind} not yet supported")
        if part is None:
            whole[name] = array
        else:
            sliced.setdefault(name, (part[0], []))[1].append((part[1], array))
    with translated():
        checkpoint.write_version_1(path, whole, sliced)
    return ()


def _make_folder(prefix: str) -> None:
    """Make the folder itself, as TensorFlow does, but none above it."""
    folder = os.path.dirname(prefix)
    if folder and not os.path.isdir(folder):
        with contextlib.suppress(OSError):
            os.mkdir(folder)


def _infer_restore(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [
        (dtype, TensorShape(None) if part is None else TensorShape([b - a for a, b in bounds(part[1], part[0])]))
        for dtype, part in zip(attrs["dtypes"], attrs["parts"], strict=True)
    ]


_SHORT = {"float32": "float", "float64": "double", "float16": "half"}


@register("RestoreV2", _infer_restore, differentiable=False, stateful=True)
def _restore(
    prefix: Any, *, names: tuple[str, ...], dtypes: tuple[dtypes.DType, ...], parts: tuple[Part | None, ...]
) -> list[Any]:
    reader = open_reader(_path_of(prefix))
    # what is wrong with the names and types is said before anything is read
    for name, dtype in zip(names, dtypes, strict=True):
        with translated():
            stored = reader.info(name).dtype
        if stored != dtype.base_dtype.name:
            expected = dtype.base_dtype.name
            raise errors.InvalidArgumentError(
                None,
                None,
                f"tensor_name = {name}; expected dtype {_SHORT.get(expected, expected)} does not equal original dtype "
                f"{_SHORT.get(stored, stored)}",
            )
    return [value_of(reader, name, part) for name, part in zip(names, parts, strict=True)]
