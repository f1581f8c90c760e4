"""Decoding with a `TrainingHelper`, where nothing depends on what was decoded: one `scan` with lengths.

The output layer and the argmax need no loop either: they are applied once, to the rows of all steps. When finished rows
are to be zero, the output layer sees only the rows that are not, wherever that saves enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dynrnn import nest
from dynrnn.cell_protocol import begin_sequence
from dynrnn.seq2seq import sampling
from dynrnn.seq2seq.helpers import TrainingHelper
from dynrnn.unrolling import scan_cell

__all__ = ["decode_training"]

# Below this share of valid rows, picking them out costs less than computing the others along.
_PICK_BELOW = 0.8


def decode_training(
    cell: Callable[[Any, Any], Any],
    helper: TrainingHelper,
    state: Any,
    output_layer: Callable[[Any], Any] | None,
    impute_finished: bool,
    limit: int | None,
) -> tuple[Any, Any, Any, torch.Tensor]:
    """``(logits, sample_ids, final_state, lengths)``, time-major; arguments as `dynamic_decode` has them."""
    steps = helper.longest if limit is None else max(0, min(helper.longest, limit))
    axis = 0 if helper.time_major else 1
    inputs = nest.map_structure(lambda leaf: leaf.narrow(axis, 0, steps), helper.inputs)
    lengths = [min(length, steps) for length in helper.lengths]
    begin_sequence(cell, inputs=inputs)
    outputs, state = scan_cell(
        cell, inputs, state, lengths=lengths if impute_finished else None, time_major=helper.time_major
    )
    lengths_on = torch.tensor(lengths, dtype=torch.int32, device=nest.flatten(inputs)[0].device)
    if not helper.time_major:
        outputs = nest.map_structure(lambda leaf: leaf.transpose(0, 1) if leaf.ndim >= 2 else leaf, outputs)
    if output_layer is not None:
        mask = None
        if impute_finished and min(lengths, default=0) < steps:
            mask = torch.arange(steps, device=lengths_on.device).unsqueeze(1) < lengths_on
        outputs = _apply(output_layer, outputs, mask)
    return outputs, sampling.greedy(outputs), state, lengths_on


def _apply(layer: Callable[[Any], Any], outputs: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """``layer`` on the rows of ``[T, B, ...]``; zeros where ``mask [T, B]`` is false."""
    steps, batch = outputs.shape[:2]
    # rows in the order in which they lie in memory, so that flattening copies nothing
    swap = not outputs.is_contiguous()
    if swap:
        outputs, mask = outputs.transpose(0, 1), None if mask is None else mask.t()
    rows = outputs.flatten(0, 1)
    if mask is None:
        result = layer(rows)
    else:
        valid = mask.flatten().nonzero().squeeze(1)
        if valid.numel() < _PICK_BELOW * rows.shape[0]:
            part = layer(rows.index_select(0, valid))
            result = part.new_zeros((rows.shape[0], *part.shape[1:])).index_copy(0, valid, part)
        else:
            every = layer(rows)
            keep = mask.reshape(-1, *[1] * (every.ndim - 1))
            result = torch.where(keep, every, every.new_zeros(()))
    result = result.unflatten(0, (batch, steps) if swap else (steps, batch))
    return result.transpose(0, 1) if swap else result
