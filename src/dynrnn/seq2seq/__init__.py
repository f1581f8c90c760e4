"""Sequence to sequence: decoders, the helpers that feed them, beam search, losses.

Names and meaning are those of TensorFlow 1.15's ``tf.contrib.seq2seq``, on torch tensors.
"""

from __future__ import annotations

from dynrnn.seq2seq.attention import AttentionMechanism, BahdanauAttention, LuongAttention
from dynrnn.seq2seq.attention_monotonic import BahdanauMonotonicAttention, LuongMonotonicAttention
from dynrnn.seq2seq.attention_scores import hardmax, monotonic_attention, safe_cumprod
from dynrnn.seq2seq.attention_wrapper import AttentionWrapper, AttentionWrapperState
from dynrnn.seq2seq.basic_decoder import BasicDecoder, BasicDecoderOutput
from dynrnn.seq2seq.beam_search import (
    BeamSearchDecoder,
    BeamSearchDecoderOutput,
    BeamSearchDecoderState,
    FinalBeamSearchDecoderOutput,
)
from dynrnn.seq2seq.beam_step import gather_tree, gather_tree_from_array, tile_batch
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
from dynrnn.seq2seq.decoding import Decoder, dynamic_decode
from dynrnn.seq2seq.edit_distance import edit_distance
from dynrnn.seq2seq.helpers import CustomHelper, Helper, InferenceHelper, TrainingHelper
from dynrnn.seq2seq.helpers_embedding import GreedyEmbeddingHelper, SampleEmbeddingHelper
from dynrnn.seq2seq.helpers_scheduled import ScheduledEmbeddingTrainingHelper, ScheduledOutputTrainingHelper
from dynrnn.seq2seq.loss import sequence_loss

__all__ = [
    "AttentionMechanism",
    "AttentionWrapper",
    "AttentionWrapperState",
    "BahdanauAttention",
    "BahdanauMonotonicAttention",
    "BasicDecoder",
    "BasicDecoderOutput",
    "BeamSearchDecoder",
    "BeamSearchDecoderOutput",
    "BeamSearchDecoderState",
    "CrfDecodeBackwardRnnCell",
    "CrfDecodeForwardRnnCell",
    "CrfForwardRnnCell",
    "CustomHelper",
    "Decoder",
    "FinalBeamSearchDecoderOutput",
    "GreedyEmbeddingHelper",
    "Helper",
    "InferenceHelper",
    "LuongAttention",
    "LuongMonotonicAttention",
    "SampleEmbeddingHelper",
    "ScheduledEmbeddingTrainingHelper",
    "ScheduledOutputTrainingHelper",
    "TrainingHelper",
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
    "dynamic_decode",
    "edit_distance",
    "gather_tree",
    "gather_tree_from_array",
    "hardmax",
    "monotonic_attention",
    "safe_cumprod",
    "sequence_loss",
    "tile_batch",
    "viterbi_decode",
]
