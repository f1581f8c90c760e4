"""The losses of ``tf.contrib.legacy_seq2seq``, over lists with one tensor per step, and models with buckets."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import get_variable_scope, variable_scope
from dynrnn.tf1.nn_losses import sparse_softmax_cross_entropy_with_logits

__all__ = ["model_with_buckets", "sequence_loss", "sequence_loss_by_example"]

LossFunction = Callable[..., Any]


def _caller_of(function: LossFunction) -> Callable[[Any, Any], Any]:
    """``function`` as one of (labels, logits).

    It is called with these keywords, as in TensorFlow. TensorFlow 1.0 and before gave both by position, in two orders;
    a function of two arguments of which one is called "labels" or "targets", and none "logits", is such a one.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    others = [name for name in names if name not in ("labels", "targets")]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if takes_any or len(names) != 2 or len(others) != 1 or set(names) == {"labels", "logits"}:
        return lambda labels, logits: function(labels=labels, logits=logits)
    (target,) = set(names) - set(others)
    return lambda labels, logits: function(**{target: labels, others[0]: logits})


def sequence_loss_by_example(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: Any = True,
    softmax_loss_function: LossFunction | None = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross entropy of each row, over all steps.

    ::

        sum_t w_t xent(logits_t, targets_t)  /  (sum_t w_t + 1e-12)

    Args:
        logits: list of tensors ``[B, symbols]``.
        targets: list of int tensors ``[B]``.
        weights: list of float tensors ``[B]``.
        average_across_timesteps: False leaves the division out.
        softmax_loss_function: ``f(labels=, logits=)`` instead of the sparse cross entropy.
        name: name scope instead of "sequence_loss_by_example".

    Returns:
        ``[B]``.

    Raises:
        ValueError: lists of different lengths, or empty ones.
    """
    if len(targets) != len(logits) or len(weights) != len(logits):
        raise ValueError(
            f"Lengths of logits, weights, and targets must be the same {len(logits)}, {len(weights)}, {len(targets)}."
        )
    loss_of = None if softmax_loss_function is None else _caller_of(softmax_loss_function)
    with name_scope(name, "sequence_loss_by_example", [*logits, *targets, *weights]):
        costs = []
        for logit, target, weight in zip(logits, targets, weights, strict=True):
            if loss_of is None:
                flat = array_ops.reshape(target, [-1])
                cost = sparse_softmax_cross_entropy_with_logits(labels=flat, logits=logit)
            else:
                cost = convert_to_tensor(loss_of(target, logit))
            costs.append(cost * weight)
        total = math_ops.add_n(costs)
        if average_across_timesteps:
            # the small number keeps rows without weight from a division by zero
            total = total / (math_ops.add_n(list(weights)) + 1e-12)
        return total


def sequence_loss(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: Any = True,
    average_across_batch: Any = True,
    softmax_loss_function: LossFunction | None = None,
    name: str | None = None,
) -> Tensor:
    """The sum of `sequence_loss_by_example`, divided by the number of rows.

    Args:
        logits, targets, weights, average_across_timesteps, softmax_loss_function: as of `sequence_loss_by_example`.
        average_across_batch: False leaves the division by the number of rows out.
        name: name scope instead of "sequence_loss".

    Returns:
        A scalar.

    Raises:
        ValueError: lists of different lengths, or empty ones.
    """
    with name_scope(name, "sequence_loss", [*logits, *targets, *weights]):
        cost = math_ops.reduce_sum(
            sequence_loss_by_example(
                logits,
                targets,
                weights,
                average_across_timesteps=average_across_timesteps,
                softmax_loss_function=softmax_loss_function,
            )
        )
        if not average_across_batch:
            return cost
        return cost / math_ops.cast(array_ops.shape(targets[0])[0], cost.dtype)


def model_with_buckets(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    buckets: Sequence[tuple[int, int]],
    seq2seq: Callable[[Any, Any], tuple[Any, Any]],
    softmax_loss_function: LossFunction | None = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list[Any], list[Tensor]]:
    """A model for each pair of lengths, all with the variables of the first.

    Args:
        encoder_inputs: list of the encoder's inputs, for the longest bucket.
        decoder_inputs: list of the decoder's inputs.
        targets: list of int tensors ``[B]``.
        weights: list of float tensors ``[B]``.
        buckets: ``(encoder steps, decoder steps)`` of each bucket, the last the longest.
        seq2seq: ``seq2seq(encoder_inputs, decoder_inputs) -> (outputs, state)``, called once per bucket.
        softmax_loss_function: as of `sequence_loss_by_example`.
        per_example_loss: whether losses are those of the rows; else one number.
        name: name scope instead of "model_with_buckets".

    Returns:
        ``(outputs, losses)``: for each bucket the outputs and the loss.

    Raises:
        ValueError: encoder inputs, targets or weights shorter than the last bucket.
    """
    for what, given, needed in (
        ("encoder_inputs", encoder_inputs, buckets[-1][0]),
        ("targets", targets, buckets[-1][1]),
        ("weights", weights, buckets[-1][1]),
    ):
        if len(given) < needed:
            raise ValueError(f"Length of {what} ({len(given)}) must be at least that of last bucket ({needed}).")
    loss = sequence_loss_by_example if per_example_loss else sequence_loss
    outputs: list[Any] = []
    losses: list[Tensor] = []
    with name_scope(name, "model_with_buckets", [*encoder_inputs, *decoder_inputs, *targets, *weights]):
        for number, (encoder_steps, decoder_steps) in enumerate(buckets):
            with variable_scope(get_variable_scope(), reuse=True if number else None):
                decoded, _ = seq2seq(encoder_inputs[:encoder_steps], decoder_inputs[:decoder_steps])
                outputs.append(decoded)
                losses.append(
                    loss(
                        decoded,
                        targets[:decoder_steps],
                        weights[:decoder_steps],
                        softmax_loss_function=softmax_loss_function,
                    )
                )
    return outputs, losses
