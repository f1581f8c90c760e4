"""Linear-chain conditional random fields: scores, likelihood, decoding; TensorFlow's ``contrib.crf`` on torch tensors.

A sequence of tags y for unary scores x ``[T, N]`` and transition scores A ``[N, N]`` has the score and probability

    s(y) = sum_t x_t[y_t] + sum_t A[y_{t-1}, y_t]            p(y) = exp(s(y)) / sum over all y' of exp(s(y'))

The sum is the forward recurrence, the best sequence the Viterbi one, both unrolled by :func:`dynrnn.scan.scan` with the
recurrence of :mod:`dynrnn.seq2seq.crf_cells` as the step, so every row costs its own length. The best sequence is found
without backpointers: walking back, the best tag before is looked for again among the N scores of the step before, which
needs memory for the scores only.

Lengths: what stands past a row's length matters nowhere, be it NaN or a tag that does not exist. A row of length 0 or
less has score 0 and log norm 0, and is decoded as TensorFlow 1.15 does: tag 0 of it is the best one of the first step.

Lafferty, McCallum and Pereira, 2001; Viterbi, 1967. What it is honestly not good at: every step looks at B * N * N
scores; above 16 tags the native core declines the step, and `dynrnn.EngineWarning` says so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from dynrnn.lengths import as_lengths, clip_lengths
from dynrnn.scan import scan
from dynrnn.seq2seq.crf_cells import forward_step, viterbi_step
from dynrnn.sequence import reverse_sequence, sequence_mask

__all__ = [
    "crf_binary_score",
    "crf_decode",
    "crf_forward",
    "crf_log_likelihood",
    "crf_log_norm",
    "crf_multitag_sequence_score",
    "crf_sequence_score",
    "crf_unary_score",
    "viterbi_decode",
]


# --- arguments --------------------------------------------------------------------------------------------------------


def _checked_inputs(inputs: Any, name: str = "inputs") -> tuple[int, int, int]:
    if not isinstance(inputs, torch.Tensor):
        raise TypeError(f"{name} must be a tensor [batch, time, tags], got {type(inputs).__name__}")
    if inputs.ndim != 3 or inputs.shape[1] == 0 or inputs.shape[2] == 0:
        raise ValueError(
            f"{name} must have the shape [batch, time, tags], with steps and tags, got {list(inputs.shape)}"
        )
    if not inputs.is_floating_point():
        raise TypeError(f"{name} must be floating, got {inputs.dtype}")
    return inputs.shape[0], inputs.shape[1], inputs.shape[2]


def _checked_transitions(transitions: Any, tags: int | None) -> None:
    if not isinstance(transitions, torch.Tensor):
        raise TypeError(f"transition_params must be a tensor [num_tags, num_tags], got {type(transitions).__name__}")
    size = "num_tags" if tags is None else tags
    square = transitions.ndim == 2 and transitions.shape[0] == transitions.shape[1]
    if not square or tags not in (None, transitions.shape[0]):
        raise ValueError(f"transition_params must have the shape [{size}, {size}], got {list(transitions.shape)}")


def _checked_tags(tag_indices: Any, batch: int | None, steps: int | None) -> torch.Tensor:
    if not isinstance(tag_indices, torch.Tensor):
        tag_indices = torch.as_tensor(tag_indices)
    if tag_indices.is_floating_point() or tag_indices.is_complex() or tag_indices.dtype == torch.bool:
        raise TypeError(f"tag_indices must hold integers, got {tag_indices.dtype}")
    if tag_indices.ndim != 2 or (batch is not None and list(tag_indices.shape) != [batch, steps]):
        expected = "[batch, time]" if batch is None else str([batch, steps])
        raise ValueError(f"tag_indices must have the shape {expected}, got {list(tag_indices.shape)}")
    return tag_indices.long()


def _within(tags: torch.Tensor, live: torch.Tensor, count: int) -> torch.Tensor:
    """``tags`` where ``live``, 0 elsewhere; each of the former must be one of ``count``."""
    kept = torch.where(live, tags, 0)
    wrong = (kept < 0) | (kept >= count)
    if bool(wrong.any()):
        row, step = wrong.nonzero()[0].tolist()
        raise ValueError(f"tag_indices must be from 0 to {count - 1}, got {int(tags[row, step])} at [{row}, {step}]")
    return kept


def _lengths(sequence_lengths: Any, batch: int, steps: int) -> list[int]:
    return clip_lengths(as_lengths(sequence_lengths, batch, "sequence_lengths"), steps)


def _one_less(lengths: list[int]) -> list[int]:
    """How many steps follow the first one."""
    return [max(length - 1, 0) for length in lengths]


def _zero_if_empty(values: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    return torch.where(torch.tensor([n > 0 for n in lengths], device=values.device), values, 0)


# --- scores of given tags ---------------------------------------------------------------------------------------------


def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The sum of the unary scores of given tags.

    Args:
        tag_indices: integers ``[B, T]``.
        sequence_lengths: B integers.
        inputs: unary scores ``[B, T, N]``.

    Returns:
        ``[B]``.

    Raises:
        TypeError: tags or lengths are not integers, inputs not floating.
        ValueError: shapes that do not fit, or a tag within its row's length that is not from 0 to N - 1.
    """
    batch, steps, tags = _checked_inputs(inputs)
    chosen = _checked_tags(tag_indices, batch, steps).to(inputs.device)
    live = sequence_mask(_lengths(sequence_lengths, batch, steps), steps).to(inputs.device)
    scores = torch.gather(inputs, 2, _within(chosen, live, tags).unsqueeze(2)).squeeze(2)
    return torch.where(live, scores, 0).sum(1)


def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: torch.Tensor) -> torch.Tensor:
    """The sum of the transition scores between given tags.

    Args:
        tag_indices: integers ``[B, T]``.
        sequence_lengths: B integers.
        transition_params: ``[N, N]``, a row for each tag before, a column for each tag after.

    Returns:
        ``[B]``.

    Raises:
        TypeError: tags or lengths are not integers.
        ValueError: shapes that do not fit, or a tag within its row's length that is not from 0 to N - 1.
    """
    _checked_transitions(transition_params, None)
    chosen = _checked_tags(tag_indices, None, None).to(transition_params.device)
    batch, steps = chosen.shape
    live = sequence_mask(_lengths(sequence_lengths, batch, steps), steps).to(chosen.device)
    chosen = _within(chosen, live, transition_params.shape[0])
    scores = transition_params[chosen[:, :-1], chosen[:, 1:]]
    return torch.where(live[:, 1:], scores, 0).sum(1)


def crf_sequence_score(
    inputs: torch.Tensor, tag_indices: Any, sequence_lengths: Any, transition_params: torch.Tensor
) -> torch.Tensor:
    """The score s(y) of given tags: unary and transition scores; 0 for a row of length 0.

    Args:
        inputs: unary scores ``[B, T, N]``.
        tag_indices: integers ``[B, T]``.
        sequence_lengths: B integers.
        transition_params: ``[N, N]``.

    Returns:
        ``[B]``.

    Raises:
        TypeError, ValueError: see `crf_unary_score`, `crf_binary_score`.
    """
    _checked_transitions(transition_params, _checked_inputs(inputs)[2])
    unary = crf_unary_score(tag_indices, sequence_lengths, inputs)
    return unary + crf_binary_score(tag_indices, sequence_lengths, transition_params)


# --- sums over tags ---------------------------------------------------------------------------------------------------


def _forward(transitions: torch.Tensor, x: torch.Tensor, state: torch.Tensor) -> tuple[tuple[()], torch.Tensor]:
    return (), forward_step(transitions, x, state)


def _viterbi(transitions: torch.Tensor, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    best = viterbi_step(transitions, x, state)
    return best, best


def crf_forward(
    inputs: torch.Tensor, state: torch.Tensor, transition_params: torch.Tensor, sequence_lengths: Any
) -> torch.Tensor:
    """The alphas of every row's last step: logarithms of sums over all tag sequences that end in each tag.

    Args:
        inputs: unary scores of the steps after the first, ``[B, T - 1, N]``.
        state: the alphas of the first step, its unary scores: ``[B, N]``.
        transition_params: ``[N, N]``.
        sequence_lengths: B integers, the first step counted; 0 and 1 leave ``state``.

    Returns:
        ``[B, N]``.

    Raises:
        TypeError: lengths are not integers.
        ValueError: shapes that do not fit.
    """
    if not isinstance(state, torch.Tensor) or state.ndim != 2:
        raise ValueError(f"state must be a tensor [batch, tags], got {getattr(state, 'shape', type(state).__name__)}")
    batch, tags = state.shape
    if not isinstance(inputs, torch.Tensor) or inputs.ndim != 3 or [inputs.shape[0], inputs.shape[2]] != [batch, tags]:
        got = list(inputs.shape) if isinstance(inputs, torch.Tensor) else type(inputs).__name__
        raise ValueError(f"inputs must have the shape [{batch}, time, {tags}], got {got}")
    _checked_transitions(transition_params, tags)
    rest = _one_less(_lengths(sequence_lengths, batch, inputs.shape[1] + 1))
    if inputs.shape[1] == 0:
        return state
    return scan(_forward, inputs, state, transition_params, lengths=rest)[1]


def crf_log_norm(inputs: torch.Tensor, sequence_lengths: Any, transition_params: torch.Tensor) -> torch.Tensor:
    """The logarithm of the sum of exp(s(y)) over all tag sequences y; 0 for a row of length 0.

    Args:
        inputs: unary scores ``[B, T, N]``.
        sequence_lengths: B integers.
        transition_params: ``[N, N]``.

    Returns:
        ``[B]``.

    Raises:
        TypeError: lengths are not integers, inputs not floating.
        ValueError: shapes that do not fit.
    """
    batch, steps, tags = _checked_inputs(inputs)
    _checked_transitions(transition_params, tags)
    lengths = _lengths(sequence_lengths, batch, steps)
    alphas = crf_forward(inputs[:, 1:], _first(inputs, lengths), transition_params, lengths)
    return _zero_if_empty(torch.logsumexp(alphas, 1), lengths)


def _first(inputs: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """The unary scores of the first step; zeros for rows without one, so that nothing there reaches a gradient."""
    live = torch.tensor([n > 0 for n in lengths], device=inputs.device).unsqueeze(1)
    return torch.where(live, inputs[:, 0], 0)


def crf_multitag_sequence_score(
    inputs: torch.Tensor, tag_bitmap: torch.Tensor, sequence_lengths: Any, transition_params: torch.Tensor
) -> torch.Tensor:
    """The logarithm of the sum of exp(s(y)) over the tag sequences that a bitmap allows.

    As in TensorFlow 1.15 a row of length 0 has the value 0, but where there is one step only its length is not looked
    at.

    Args:
        inputs: unary scores ``[B, T, N]``.
        tag_bitmap: bools ``[B, T, N]``: which tags may stand where.
        sequence_lengths: B integers.
        transition_params: ``[N, N]``.

    Returns:
        ``[B]``.

    Raises:
        TypeError: lengths are not integers, inputs not floating, the bitmap not bool.
        ValueError: shapes that do not fit.
    """
    _checked_inputs(inputs)
    if not isinstance(tag_bitmap, torch.Tensor) or tag_bitmap.dtype != torch.bool:
        raise TypeError(f"tag_bitmap must be a bool tensor, got {getattr(tag_bitmap, 'dtype', type(tag_bitmap))}")
    if tag_bitmap.shape != inputs.shape:
        raise ValueError(f"tag_bitmap must have the shape {list(inputs.shape)}, got {list(tag_bitmap.shape)}")
    allowed = torch.where(tag_bitmap, inputs, -math.inf)
    if inputs.shape[1] == 1:
        return torch.logsumexp(allowed, (1, 2))
    return crf_log_norm(allowed, sequence_lengths, transition_params)


def crf_log_likelihood(
    inputs: torch.Tensor,
    tag_indices: Any,
    sequence_lengths: Any,
    transition_params: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The logarithm of the probability p(y) of given tags.

    Args:
        inputs: unary scores ``[B, T, N]``.
        tag_indices: integers ``[B, T]``.
        sequence_lengths: B integers.
        transition_params: ``[N, N]``; None makes a parameter, Glorot-uniform, which the caller must keep and train.

    Returns:
        ``(log likelihood [B], transition_params)``.

    Raises:
        TypeError: tags or lengths are not integers, inputs not floating.
        ValueError: shapes that do not fit, or a tag within its row's length that is not from 0 to N - 1.
    """
    tags = _checked_inputs(inputs)[2]
    if transition_params is None:
        transition_params = torch.nn.Parameter(torch.empty(tags, tags, dtype=inputs.dtype, device=inputs.device))
        torch.nn.init.xavier_uniform_(transition_params)
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(inputs, sequence_lengths, transition_params), transition_params


# --- the best tags ----------------------------------------------------------------------------------------------------


def crf_decode(
    potentials: torch.Tensor, transition_params: torch.Tensor, sequence_length: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best tags of every row, and their score; of equal tags the first.

    Args:
        potentials: unary scores ``[B, T, N]``.
        transition_params: ``[N, N]``.
        sequence_length: B integers, at most T.

    Returns:
        ``(tags int32 [B, T], scores [B])``; tags past the length are 0.

    Raises:
        TypeError: lengths are not integers, potentials not floating.
        ValueError: shapes that do not fit, or a length that is negative or more than T.
    """
    batch, steps, tags = _checked_inputs(potentials, "potentials")
    _checked_transitions(transition_params, tags)
    lengths = as_lengths(sequence_length, batch, "sequence_length")
    first = potentials[:, 0]
    if steps == 1:
        return torch.argmax(first.detach(), 1, keepdim=True).to(torch.int32), torch.amax(first, 1)
    for row, length in enumerate(lengths):
        if not 0 <= length <= steps:
            raise ValueError(f"sequence_length must be from 0 to the {steps} steps, got {length} for row {row}")
    rest = _one_less(lengths)
    scores, last = scan(_viterbi, potentials[:, 1:], first, transition_params, lengths=rest)
    with torch.no_grad():
        end = torch.argmax(last, 1)
        # the scores before each step, from the last one of a row to the first
        before = reverse_sequence(torch.cat([first.unsqueeze(1), scores[:, :-1]], 1), rest)
        # integers as the state: for the reference executor
        found, _ = scan(_walk_back, before, end, transition_params, lengths=rest, engine="reference")
        chosen = reverse_sequence(torch.cat([end.unsqueeze(1), found], 1), lengths)
    return chosen.to(torch.int32), torch.amax(last, 1)


def _walk_back(transitions: torch.Tensor, before: torch.Tensor, tag: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The tag before ``tag``: where the score before and that of the transition are largest together."""
    previous = torch.argmax(before + transitions[:, tag].t(), 1)
    return previous, previous


def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[int], float]:
    """The best tags of one sequence, outside of any graph; of equal tags the first.

    Args:
        score: unary scores ``[T, N]``: array, tensor or nested list.
        transition_params: ``[N, N]``, the same.

    Returns:
        ``(tags, score)``: a list of T ints and a number.

    Raises:
        ValueError: shapes that do not fit, or no steps.
    """
    unary, transitions = (
        x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x) for x in (score, transition_params)
    )
    if unary.ndim != 2 or 0 in unary.shape:
        raise ValueError(f"score must have the shape [time, tags], with steps and tags, got {list(unary.shape)}")
    if transitions.shape != (unary.shape[1], unary.shape[1]):
        size = unary.shape[1]
        raise ValueError(f"transition_params must have the shape [{size}, {size}], got {list(transitions.shape)}")
    best, backpointers = unary[0], []
    for x in unary[1:]:
        scores = best[:, None] + transitions
        backpointers.append(scores.argmax(0))
        best = (x + scores.max(0)).astype(unary.dtype)
    tags = [int(best.argmax())]
    for pointers in reversed(backpointers):
        tags.append(int(pointers[tags[-1]]))
    return tags[::-1], best.max()
