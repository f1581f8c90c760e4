"""``tf.contrib.crf``: linear-chain conditional random fields in a graph.

The formulas are those of :mod:`dynrnn.seq2seq.crf`; each function is one operation that calls one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn import seq2seq
from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply, apply_many
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.core.variable_scope import get_variable
from dynrnn.tf1.ops.shape_rules import merge, merge_dims, of_rank
from dynrnn.tf1.rnn_cell import RNNCell

__all__ = [
    "CrfDecodeBackwardRnnCell",
    "CrfDecodeForwardRnnCell",
    "CrfForwardRnnCell",
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

# --- shapes -----------------------------------------------------------------------------------------------------------

# what the arguments are called, and their dimensions: B rows, T steps, R steps after the first, N tags
_DIMENSIONS = {
    "inputs": "BTN",
    "rest": "BRN",
    "tags": "BT",
    "bitmap": "BTN",
    "lengths": "B",
    "transitions": "NN",
    "state": "BN",
}


def _rule(*arguments: str, result: str = "B") -> Callable[..., list[Spec]]:
    """The rule of an operation of these arguments: their dimensions must agree; the result's are those named."""

    def infer(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
        known: dict[str, int | None] = {}
        kind = dtypes.float32
        for argument, tensor in zip(arguments, inputs, strict=True):
            names = _DIMENSIONS[argument]
            for name, size in zip(names, of_rank(tensor.shape, len(names)).as_list(), strict=True):
                known[name] = merge_dims(known.get(name), size)
            if tensor.dtype.is_floating:
                kind = tensor.dtype.base_dtype
        return [(kind, TensorShape([known[name] for name in result]))]

    return infer


def _decoded(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    ((kind, shape),) = _rule("inputs", "transitions", "lengths", result="BTN")(inputs, attrs)
    return [(dtypes.int32, shape[:2]), (kind, shape[:1])]


register("CrfUnaryScore", _rule("tags", "lengths", "inputs"))(seq2seq.crf_unary_score)
register("CrfBinaryScore", _rule("tags", "lengths", "transitions"))(seq2seq.crf_binary_score)
register("CrfSequenceScore", _rule("inputs", "tags", "lengths", "transitions"))(seq2seq.crf_sequence_score)
register("CrfMultitagScore", _rule("inputs", "bitmap", "lengths", "transitions"))(seq2seq.crf_multitag_sequence_score)
register("CrfLogNorm", _rule("inputs", "lengths", "transitions"))(seq2seq.crf_log_norm)
register("CrfForward", _rule("rest", "state", "transitions", "lengths", result="BN"))(seq2seq.crf_forward)


@register("CrfDecode", _decoded)
def _decode(potentials: torch.Tensor, transitions: torch.Tensor, lengths: torch.Tensor) -> Any:
    return seq2seq.crf_decode(potentials, transitions, lengths)


def _integers(value: Any, name: str) -> Tensor:
    """Lengths or tags: a tensor or Python integers."""
    tensor = convert_to_tensor(value, name=name)
    if not tensor.dtype.is_integer:
        raise TypeError(f"{name} must hold integers, got {tensor.dtype.base_dtype.name}")
    return tensor


# --- functions --------------------------------------------------------------------------------------------------------


def crf_sequence_score(inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The score ``[B]`` of given tags; see `dynrnn.seq2seq.crf_sequence_score`.

    Args:
        inputs: unary scores ``[B, T, N]``.
        tag_indices: int32 or int64 ``[B, T]``.
        sequence_lengths: int32 or int64 ``[B]``.
        transition_params: ``[N, N]``.

    Raises:
        ValueError: shapes that do not fit.
        tf.errors.InvalidArgumentError: at run time, a tag within its row's length that does not exist.
    """
    tags, lengths = _integers(tag_indices, "tag_indices"), _integers(sequence_lengths, "sequence_lengths")
    return apply("CrfSequenceScore", [inputs, tags, lengths, transition_params])


def crf_multitag_sequence_score(inputs: Any, tag_bitmap: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The log sum ``[B]`` over the tag sequences that a bitmap ``[B, T, N]`` allows.

    See `dynrnn.seq2seq.crf_multitag_sequence_score`.

    Raises:
        ValueError: shapes that do not fit, or a bitmap that is not bool.
    """
    bitmap = convert_to_tensor(tag_bitmap, dtypes.bool_, name="tag_bitmap")
    lengths = _integers(sequence_lengths, "sequence_lengths")
    return apply("CrfMultitagScore", [inputs, bitmap, lengths, transition_params])


def crf_log_norm(inputs: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The log sum ``[B]`` over all tag sequences; see `dynrnn.seq2seq.crf_log_norm`.

    Raises:
        ValueError: shapes that do not fit.
    """
    return apply("CrfLogNorm", [inputs, _integers(sequence_lengths, "sequence_lengths"), transition_params])


def crf_log_likelihood(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any = None
) -> tuple[Tensor, Any]:
    """The log probability of given tags; see `dynrnn.seq2seq.crf_log_likelihood`.

    Args:
        inputs: unary scores ``[B, T, N]``.
        tag_indices: int32 or int64 ``[B, T]``.
        sequence_lengths: int32 or int64 ``[B]``.
        transition_params: ``[N, N]``; None makes the variable "transitions" in the current scope.

    Returns:
        ``(log likelihood [B], transition_params)``.

    Raises:
        ValueError: shapes that do not fit, or a number of tags that is not known.
        tf.errors.InvalidArgumentError: at run time, a tag within its row's length that does not exist.
    """
    scores = convert_to_tensor(inputs, name="inputs")
    if transition_params is None:
        tags = of_rank(scores.shape, 3)[2].value
        if tags is None:
            raise ValueError(f"the last dimension of inputs, the number of tags, must be known, got {scores.shape}")
        transition_params = get_variable("transitions", [tags, tags], scores.dtype.base_dtype)
    score = crf_sequence_score(scores, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(scores, sequence_lengths, transition_params), transition_params


def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: Any) -> Tensor:
    """The sum ``[B]`` of the unary scores of given tags; see `dynrnn.seq2seq.crf_unary_score`.

    Raises:
        ValueError: shapes that do not fit.
    """
    tags, lengths = _integers(tag_indices, "tag_indices"), _integers(sequence_lengths, "sequence_lengths")
    return apply("CrfUnaryScore", [tags, lengths, inputs])


def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The sum ``[B]`` of the transition scores of given tags; see `dynrnn.seq2seq.crf_binary_score`.

    Raises:
        ValueError: shapes that do not fit.
    """
    tags, lengths = _integers(tag_indices, "tag_indices"), _integers(sequence_lengths, "sequence_lengths")
    return apply("CrfBinaryScore", [tags, lengths, transition_params])


def crf_forward(inputs: Any, state: Any, transition_params: Any, sequence_lengths: Any) -> Tensor:
    """The alphas ``[B, N]`` of each row's last step; see `dynrnn.seq2seq.crf_forward`.

    Raises:
        ValueError: shapes that do not fit.
    """
    return apply("CrfForward", [inputs, state, transition_params, _integers(sequence_lengths, "sequence_lengths")])


def crf_decode(potentials: Any, transition_params: Any, sequence_length: Any) -> tuple[Tensor, Tensor]:
    """The best tags, int32 ``[B, T]``, and their scores ``[B]``; see `dynrnn.seq2seq.crf_decode`.

    Raises:
        ValueError: shapes that do not fit.
        tf.errors.InvalidArgumentError: at run time, a length that is negative or more than T.
    """
    lengths = _integers(sequence_length, "sequence_length")
    tags, scores = apply_many("CrfDecode", [potentials, transition_params, lengths])
    return tags, scores


def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[int], Any]:
    """The best tags of one sequence and their score, of numpy arrays; see `dynrnn.seq2seq.viterbi_decode`.

    Raises:
        ValueError: shapes that do not fit, or no steps.
    """
    return seq2seq.viterbi_decode(np.asarray(score), np.asarray(transition_params))


# --- cells ------------------------------------------------------------------------------------------------------------


class _CrfCell(RNNCell):
    """Cells without variables, which open no scope."""

    opens_scope = False


class CrfForwardRnnCell(_CrfCell, seq2seq.CrfForwardRnnCell):
    """`dynrnn.seq2seq.CrfForwardRnnCell` in a graph."""

    def __init__(self, transition_params: Any) -> None:
        super().__init__(_square(transition_params))


class CrfDecodeForwardRnnCell(_CrfCell, seq2seq.CrfDecodeForwardRnnCell):
    """`dynrnn.seq2seq.CrfDecodeForwardRnnCell` in a graph."""

    def __init__(self, transition_params: Any) -> None:
        super().__init__(_square(transition_params))


class CrfDecodeBackwardRnnCell(_CrfCell, seq2seq.CrfDecodeBackwardRnnCell):
    """`dynrnn.seq2seq.CrfDecodeBackwardRnnCell` in a graph."""


def _square(transition_params: Any) -> Tensor:
    tensor = convert_to_tensor(transition_params)
    shape = of_rank(tensor.shape, 2)
    tensor.set_shape(merge(shape, TensorShape([shape[1], shape[0]])))
    return tensor


__getattr__ = missing(__name__, globals())
