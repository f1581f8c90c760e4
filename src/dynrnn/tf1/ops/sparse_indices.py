"""What the kernels of sparse tensors share: index vectors, their order, and values that may be strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["check_indices", "flat_positions", "from_flat", "row_major", "taken"]


def taken(values: Any, places: torch.Tensor) -> Any:
    """``values[places]``; strings are numpy arrays."""
    return values[places.numpy()] if isinstance(values, np.ndarray) else values[places]


def flat_positions(indices: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The index vectors ``[n, rank]`` as positions in a tensor of that shape."""
    flat = torch.zeros(len(indices), dtype=torch.int64)
    for column, size in zip(indices.long().unbind(1), shape, strict=True):
        flat = flat * size + column
    return flat


def from_flat(flat: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Positions in a tensor of that shape as index vectors."""
    columns = []
    for size in reversed(shape):
        columns.append(flat % max(size, 1))
        flat = torch.div(flat, max(size, 1), rounding_mode="floor")
    return torch.stack(columns[::-1], 1) if columns else torch.zeros(len(flat), 0, dtype=torch.int64)


def row_major(indices: torch.Tensor) -> torch.Tensor:
    """The order in which the index vectors stand in row-major order; equal ones keep theirs."""
    order = torch.arange(len(indices))
    for column in reversed(indices.unbind(1)):
        order = order[torch.argsort(column[order], stable=True)]
    return order


def check_indices(indices: torch.Tensor, shape: Sequence[int], ordered: bool = True) -> None:
    """Refuse index vectors outside of a tensor of that shape and, with ``ordered``, out of row-major order or repeated.

    Raises:
        ValueError: in TensorFlow's words.
    """
    if indices.shape[1] != len(shape):
        raise ValueError(f"the index vectors must have {len(shape)} numbers, got {indices.shape[1]}")
    size = torch.tensor(list(shape), dtype=torch.int64)
    outside = ((indices < 0) | (indices >= size)).any(1)
    order = torch.ones(len(indices))
    if ordered and len(indices) > 1 and len(shape):
        change = (indices[1:] - indices[:-1]).sign()
        # the sign of the first number that differs
        weights = 3.0 ** torch.arange(len(shape) - 1, -1, -1, dtype=torch.float64)
        order[1:] = (change * weights).sum(1).sign().float()
    wrong = (outside | (order <= 0)).nonzero()
    if not len(wrong):
        return
    row = int(wrong[0])
    text = f"indices[{row}] = [{','.join(map(str, indices[row].tolist()))}] is "
    if bool(outside[row]):
        raise ValueError(f"{text}out of bounds: need 0 <= index < [{','.join(map(str, shape))}]")
    if float(order[row]) < 0:
        raise ValueError(
            f"{text}out of order. Many sparse ops require sorted indices.\n"
            "    Use `tf.sparse.reorder` to create a correctly ordered copy.\n\n"
        )
    raise ValueError(f"{text}repeated")
