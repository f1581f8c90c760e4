"""``tf.contrib.legacy_seq2seq``: sequence to sequence over Python lists with one tensor per step.

Before TensorFlow 1.0 it was ``tf.nn.seq2seq``. Some functions had an argument more or less then; calls by position that
can only be meant so are understood here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib import legacy_losses, legacy_models
from dynrnn.tf1.contrib.legacy_decoders import (
    attention_decoder,
    embedding_attention_decoder,
    embedding_rnn_decoder,
    rnn_decoder,
)
from dynrnn.tf1.contrib.legacy_decoders import extract_argmax_and_embed as _extract_argmax_and_embed
from dynrnn.tf1.contrib.legacy_models import (
    basic_rnn_seq2seq,
    embedding_rnn_seq2seq,
    embedding_tied_rnn_seq2seq,
    one2many_rnn_seq2seq,
    tied_rnn_seq2seq,
)
from dynrnn.tf1.linear_map import linear

__all__ = [
    "attention_decoder",
    "basic_rnn_seq2seq",
    "embedding_attention_decoder",
    "embedding_attention_seq2seq",
    "embedding_rnn_decoder",
    "embedding_rnn_seq2seq",
    "embedding_tied_rnn_seq2seq",
    "linear",
    "model_with_buckets",
    "one2many_rnn_seq2seq",
    "rnn_decoder",
    "sequence_loss",
    "sequence_loss_by_example",
    "tied_rnn_seq2seq",
]

# private in TensorFlow too; programs that write their own decoder use it
_INTERNAL = (_extract_argmax_and_embed,)


def _is_count(value: Any) -> bool:
    """Whether an argument is a number of something, and no flag: 0, 1 and bools may be flags."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


def _without_count(function: Callable[..., Any], place: int) -> Any:
    """``function``, called also with the number of symbols at ``place``, which it had up to TensorFlow 0.6."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > place and _is_count(args[place]):
            args = args[:place] + args[place + 1 :]
        return function(*args, **kwargs)

    return call


sequence_loss_by_example = _without_count(legacy_losses.sequence_loss_by_example, 3)
sequence_loss = _without_count(legacy_losses.sequence_loss, 3)
model_with_buckets = _without_count(legacy_losses.model_with_buckets, 5)


def _without_encoder_cell(function: Callable[..., Any]) -> Any:
    """``function``, called also with the number of heads in the place of an encoder's cell, as up to TensorFlow 1.0."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 6 and isinstance(args[6], int):
            args = (*args[:6], None, *args[6:])
        return function(*args, **kwargs)

    return call


embedding_attention_seq2seq = _without_encoder_cell(legacy_models.embedding_attention_seq2seq)

__getattr__ = missing(__name__, globals())
