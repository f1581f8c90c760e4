"""Lengths of the rows of a batch, brought to the CPU once and checked.

Callers give them as a list, a numpy array or a tensor on any device; the loops want python integers, because which
steps run and which need masking is decided before the first of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

__all__ = ["as_lengths", "clip_lengths"]


def as_lengths(lengths: Any, batch: int, name: str = "lengths", *, floats: bool = False) -> list[int]:
    """The lengths as ``batch`` python integers, in the order of the rows and otherwise as they came.

    Args:
        lengths: a list, tuple, numpy array or tensor (any device) of rank 1 and any integer dtype.
        batch: the number of rows there must be a length for.
        name: what to call the argument in an error.
        floats: also take floating lengths and drop their fraction, as TensorFlow's drivers do (3.7 is 3).

    Raises:
        TypeError: the dtype is not an integer one (bool is not).
        ValueError: the rank is not 1, the size is not ``batch``, or a floating length is not finite.
    """
    if type(lengths) is list and len(lengths) == batch and set(map(type, lengths)) == {int}:
        return lengths.copy()  # as another function of this package has made it
    array = _as_array(lengths, name)
    if array.ndim != 1:
        raise ValueError(
            f"{name} must be a vector of length batch_size, but saw shape: {_shape(array.shape)} "
            f"(batch_size is {batch})"
        )
    if array.size == 0 and not isinstance(lengths, (np.ndarray, torch.Tensor)):
        array = array.astype(np.int64)  # numpy takes an empty list for floats
    allowed = "iuf" if floats else "iu"
    if array.dtype.kind not in allowed:
        kinds = "integers or floats" if floats else "integers"
        raise TypeError(f"{name} must hold {kinds}, got dtype {_dtype_name(lengths, array)}")
    if array.shape[0] != batch:
        raise ValueError(f"Expected shape for Tensor {name} is [{batch}] but saw shape: {_shape(array.shape)}")
    values: list[int] = array.tolist()
    if array.dtype.kind != "f":
        return values
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name} must hold finite numbers, got {values}")
    return [int(value) for value in values]


def clip_lengths(lengths: list[int], steps: int) -> list[int]:
    """Lengths as a loop of ``steps`` steps takes them: longer is ``steps``, negative is 0."""
    if not lengths or (min(lengths) >= 0 and max(lengths) <= steps):
        return lengths
    return [min(max(length, 0), steps) for length in lengths]


def _as_array(lengths: Any, name: str) -> np.ndarray:
    if isinstance(lengths, torch.Tensor):
        lengths = lengths.detach().cpu()
        # numpy has no bfloat16; every value of it is a float32.
        return (lengths.float() if lengths.dtype == torch.bfloat16 else lengths).numpy()
    if isinstance(lengths, (list, tuple)):
        lengths = [item.item() if isinstance(item, torch.Tensor) and item.ndim == 0 else item for item in lengths]
    try:
        return np.asarray(lengths)
    except (TypeError, ValueError) as error:  # rows of different lengths, objects that refuse conversion
        raise ValueError(f"{name} must be a vector of length batch_size, got {lengths!r}") from error


def _shape(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


def _dtype_name(lengths: Any, array: np.ndarray) -> str:
    return str(lengths.dtype if isinstance(lengths, torch.Tensor) else array.dtype)
