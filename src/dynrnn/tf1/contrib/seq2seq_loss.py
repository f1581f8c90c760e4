"""``tf.contrib.seq2seq.sequence_loss``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dynrnn.seq2seq.loss import averaged, check_averages, check_ranks
from dynrnn.tf1 import array_ops
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.nn_losses import sparse_softmax_cross_entropy_with_logits

__all__ = ["sequence_loss"]


def _averaged_spec(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    across_time, across_batch, sum_time, sum_batch = attrs["flags"]
    if across_time or across_batch:
        batch, time = across_batch, across_time
    else:
        batch, time = sum_batch, sum_time
    rows, steps = inputs[1].shape.with_rank(2)
    kept = [dim for dim, gone in ((rows, batch), (steps, time)) if not gone]
    return [(inputs[0].dtype.base_dtype, TensorShape(kept))]


@register("SequenceLossAverage", _averaged_spec)
def _averaged(losses: torch.Tensor, weights: torch.Tensor, *, flags: tuple[bool, bool, bool, bool]) -> torch.Tensor:
    return averaged(losses, weights, *flags)


def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Tensor:
    """Weighted cross-entropy of sequences of logits; see `dynrnn.seq2seq.sequence_loss`.

    Args:
        logits: ``[B, T, V]``.
        targets: integers ``[B, T]``.
        weights: ``[B, T]``.
        average_across_timesteps, average_across_batch: divide the sum over the axis by the sum of the weights.
        sum_over_timesteps, sum_over_batch: divide it by the number of weights that are not 0.
        softmax_loss_function: called with keywords ``labels`` and ``logits``, flat, instead of the cross-entropy.
        name: name scope.

    Raises:
        ValueError: ranks that do not fit; an average and a sum of one axis.
    """
    logits, targets, weights = convert_to_tensor(logits), convert_to_tensor(targets), convert_to_tensor(weights)
    check_ranks(*(t.shape.ndims for t in (logits, targets, weights)))
    flags = (average_across_timesteps, average_across_batch, sum_over_timesteps, sum_over_batch)
    check_averages(*flags)
    with name_scope(name, "sequence_loss"):
        classes = array_ops.shape(logits)[2]
        flat = array_ops.reshape(logits, array_ops.stack([-1, classes]))
        flat.set_shape([None, logits.shape[2].value])
        labels = array_ops.reshape(targets, [-1])
        if softmax_loss_function is None:
            losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=flat)
        else:
            losses = softmax_loss_function(labels=labels, logits=flat)
        return apply("SequenceLossAverage", [losses, weights], flags=tuple(bool(flag) for flag in flags))
