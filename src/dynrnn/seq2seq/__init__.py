"""Sequence to sequence: conditional random fields, connectionist temporal classification."""

from dynrnn.seq2seq.crf import (
    crf_binary_score,
    crf_decode,
    crf_forward,
    crf_log_likelihood,
    crf_log_norm,
    crf_multitag_sequence_score,
    crf_sequence_score,
    crf_unary_score,
    viterbi_decode,
)
from dynrnn.seq2seq.crf_cells import CrfDecodeBackwardRnnCell, CrfDecodeForwardRnnCell, CrfForwardRnnCell
from dynrnn.seq2seq.ctc import collapse_repeated, ctc_loss
from dynrnn.seq2seq.ctc_decoding import ctc_beam_search_decode, ctc_greedy_decode
from dynrnn.seq2seq.edit_distance import edit_distance

__all__ = [
    "CrfDecodeBackwardRnnCell",
    "CrfDecodeForwardRnnCell",
    "CrfForwardRnnCell",
    "collapse_repeated",
    "crf_binary_score",
    "crf_decode",
    "crf_forward",
    "crf_log_likelihood",
    "crf_log_norm",
    "crf_multitag_sequence_score",
    "crf_sequence_score",
    "crf_unary_score",
    "ctc_beam_search_decode",
    "ctc_greedy_decode",
    "ctc_loss",
    "edit_distance",
    "viterbi_decode",
]
