"""The layers on torch's own kernels, for tensors that the native engine has no code for: other devices, half precision,
autocast, tensors that are being recorded.

The reference executor would have the right numbers too, but one Python step per time step; cuDNN does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import _VF
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from dynrnn.lengths import as_lengths
from dynrnn.nn.plain import LayerKind

__all__ = ["needed", "run", "run_packed"]

_KERNELS: dict[str, Any] = {"LSTM": _VF.lstm, "GRU": _VF.gru, "RNN_TANH": _VF.rnn_tanh, "RNN_RELU": _VF.rnn_relu}


def needed(x: torch.Tensor, state: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> bool:
    """Whether torch's kernels are to run a layer on these tensors."""
    if not x.is_cpu or x.dtype not in (torch.float32, torch.float64) or torch.is_autocast_enabled("cpu"):
        return True
    if torch._C._len_torch_dispatch_stack() or torch.jit.is_tracing() or torch.compiler.is_compiling():
        return True
    return any(type(tensor) not in (torch.Tensor, torch.nn.Parameter) for tensor in (x, *state, *weights))


def run(
    kind: LayerKind,
    x: torch.Tensor,
    state: tuple[torch.Tensor, ...],
    weights: list[torch.Tensor],
    lengths: Any,
    batch_first: bool,
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Run a layer; arguments and results as those of `dynrnn.nn.plain.run_plain`.

    Rows of no length, which torch does not pack, run for one step on zeros, and what comes out for them is dropped.
    """
    if lengths is None:
        outputs, *finals = _KERNELS[kind.mode](
            x, _hidden(state), weights, *_options(kind), kind.directions == 2, batch_first
        )
        return outputs, tuple(finals)
    batch_dim = 0 if batch_first else 1
    rows = as_lengths(lengths, x.shape[batch_dim])
    empty = torch.tensor(rows, device=x.device) == 0
    along = empty.reshape(-1, 1, 1) if batch_first else empty.reshape(1, -1, 1)
    none = 0 not in rows
    ends = [max(length, 1) for length in rows]
    packed = pack_padded_sequence(x if none else x.masked_fill(along, 0), ends, batch_first, enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    assert order is not None and back is not None
    sorted_state = tuple(part.index_select(1, order) for part in state)
    data, sorted_finals = run_packed(kind, packed.data, packed.batch_sizes, sorted_state, weights)
    again = PackedSequence(data, packed.batch_sizes, order, back)
    outputs, _ = pad_packed_sequence(again, batch_first, total_length=x.shape[1 - batch_dim])
    finals = tuple(part.index_select(1, back) for part in sorted_finals)
    if none:
        return outputs, finals
    rows_dim = empty.reshape(1, -1, 1)
    finals = tuple(torch.where(rows_dim, old.to(new.dtype), new) for old, new in zip(state, finals, strict=True))
    return outputs.masked_fill(along, 0), finals


def run_packed(
    kind: LayerKind,
    data: torch.Tensor,
    batch_sizes: torch.Tensor,
    state: tuple[torch.Tensor, ...],
    weights: list[torch.Tensor],
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Run a layer over the data of a packed sequence, whose rows the states are in the order of."""
    outputs, *finals = _KERNELS[kind.mode](
        data, batch_sizes, _hidden(state), weights, *_options(kind), kind.directions == 2
    )
    return outputs, tuple(finals)


def _hidden(state: tuple[torch.Tensor, ...]) -> Any:
    return state[0] if len(state) == 1 else state


def _options(kind: LayerKind) -> tuple[Any, ...]:
    # training: torch applies dropout only then, and otherwise may keep less
    return kind.bias, kind.num_layers, kind.dropout, torch.is_grad_enabled() or kind.dropout > 0
