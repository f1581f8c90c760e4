"""Kernels that TensorFlow kept in parts, so that several machines could hold one: ``W_0``, ``W_1``, ... row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import RNNCell

__all__ = ["ShardsMixin"]


class ShardsMixin(RNNCell):
    """What cells share whose kernels may be in ``_num_unit_shards`` parts; one part has its number in its name too."""

    _num_unit_shards: int = 1

    def _add_shards(self, name: str, shape: list[int], count: int, initializer: Any = None) -> None:
        """Make a kernel of ``shape`` in ``count`` parts whose rows are as even as can be, the first the larger ones."""
        if count > shape[0]:
            raise ValueError(f"Too many shards: shape={shape}, num_shards={count}")
        rows, more = divmod(shape[0], count)
        for index in range(count):
            self.add_weight(f"{name}_{index}", [rows + (index < more), *shape[1:]], initializer)

    def _joined(self, name: str, count: int) -> Any:
        """The whole kernel."""
        parts = [self._weight(f"{name}_{index}") for index in range(count)]
        return parts[0] if count == 1 else torch.cat(parts, 0)

    @staticmethod
    def _rows_of(shapes: Mapping[str, torch.Size], name: str, count: int) -> int:
        """The number of rows of a kernel in the shapes of a state dict."""
        return sum(shapes[f"{name}_{index}"][0] for index in range(count))


def as_count(name: str, count: Any) -> int:
    """A number of parts; None is 1."""
    return 1 if count is None else positive_int(name, count)
