"""Gradients of row memories that were left for after the loop: in each row the sum over its steps of ``a^T b``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from dynrnn.engine import native
from dynrnn.engine.serial import Columns, Layout

__all__ = ["RowProducts"]


class RowProducts:
    """The products of a call.

    What both passes stored has one row for each valid row and step, in the order in which the threads ran. It is
    brought into ``[rows, steps, columns]``, with zeros where a row has no more steps; one product of batches does it.

    Args:
        layout: of the backward program.
        schedule: of the call.
        batch: number of rows.
        dtype: of all.
        columns: finds what was stored.
    """

    def __init__(
        self,
        layout: Layout,
        schedule: native.Schedule,
        batch: int,
        dtype: torch.dtype,
        columns: Callable[[Columns], torch.Tensor],
    ):
        self._layout, self._schedule, self._batch, self._dtype = layout, schedule, batch, dtype
        self._columns = columns
        self._order: tuple[torch.Tensor, int] | None = None
        self._spread: dict[Columns, torch.Tensor] = {}

    def gradient(self, key: str, shape: torch.Size, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The gradient of what belongs to rows, from the products and from what has been added up already."""
        pairs = [(left, right) for found, left, right in self._layout.row_outers if found == key]
        total: torch.Tensor | None = None
        for part in parts:
            total = part if total is None else total.add_(part)
        if not self._schedule.valid:
            pairs = []
        for left, right in pairs:
            a, b = self._by_row(left).transpose(1, 2), self._by_row(right)
            if total is None:
                total = torch.bmm(a, b)
            else:
                total = total.view(self._batch, left.cols, right.cols).baddbmm_(a, b)
        return torch.zeros(shape, dtype=self._dtype) if total is None else total.view(shape)

    def _by_row(self, place: Columns) -> torch.Tensor:
        """Stored values as ``[rows, steps, columns]``."""
        if place not in self._spread:
            index, steps = self._places()
            values = self._columns(place)
            full = values.shape[0] == self._batch * steps
            make = torch.empty if full else torch.zeros
            spread = make((self._batch * steps, place.cols), dtype=values.dtype)
            self._spread[place] = spread.index_copy_(0, index, values).view(self._batch, steps, -1)
        return self._spread[place]

    def _places(self) -> tuple[torch.Tensor, int]:
        """Where each stored row goes, and how many steps there are."""
        if self._order is None:
            rows, steps = self._schedule.order()
            longest = int(steps.max()) + 1
            self._order = torch.from_numpy(rows * longest + steps), longest
        return self._order
