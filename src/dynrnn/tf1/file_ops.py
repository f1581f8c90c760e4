"""``tf.read_file``, ``tf.write_file``, ``tf.matching_files``: files as tensors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import argument
from dynrnn.tf1.core.graph import Operation, get_default_graph
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.gfile import Glob
from dynrnn.tf1.ops.signature import create, operation
from dynrnn.tf1.records import open_input

__all__ = ["matching_files", "read_file", "string_array", "write_file"]


def string_array(items: Sequence[bytes]) -> np.ndarray:
    """The run-time value of a vector of strings."""
    result = np.empty(len(items), object)
    result[:] = list(items)
    return result


def _scalar(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(dtypes.string, TensorShape([]))]


@operation("ReadFile", "filename:string", _scalar, differentiable=False, stateful=True)
def _read_file(filename: Any) -> np.ndarray:
    with open_input(os.fsdecode(filename[()])) as file:
        return string_array([file.read()]).reshape([])


def read_file(filename: Any, name: str | None = None) -> Tensor:
    """The bytes of the file, when the graph runs.

    Raises:
        tf.errors.NotFoundError: at run time, there is no such file.
    """
    return create("ReadFile", name, filename)


def _nothing(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return []


@operation("WriteFile", "filename:string contents:string", _nothing, differentiable=False, stateful=True)
def _write_file(filename: Any, contents: Any) -> tuple[()]:
    path = os.fsdecode(filename[()])
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(contents[()])
    return ()


def write_file(filename: Any, contents: Any, name: str | None = None) -> Operation:
    """Write the bytes of ``contents`` to the file, whose folders are made, when the graph runs."""
    inputs = [argument(filename, dtypes.string, "filename"), argument(contents, dtypes.string, "contents")]
    return get_default_graph().create_op("WriteFile", inputs, None, name)


def _vector(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(dtypes.string, unknown_shape(1))]


@operation("MatchingFiles", "pattern:string", _vector, differentiable=False, stateful=True)
def _matching_files(pattern: np.ndarray) -> np.ndarray:
    found = {path for item in pattern.ravel() for path in Glob(os.fsdecode(item))}
    return string_array(sorted(os.fsencode(path) for path in found))


def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The files that match a pattern, or one of several, when the graph runs; sorted."""
    return create("MatchingFiles", name, pattern)
