"""Sequence to sequence: attention."""

from dynrnn.seq2seq.attention import AttentionMechanism, BahdanauAttention, LuongAttention
from dynrnn.seq2seq.attention_monotonic import BahdanauMonotonicAttention, LuongMonotonicAttention
from dynrnn.seq2seq.attention_scores import hardmax, monotonic_attention, safe_cumprod
from dynrnn.seq2seq.attention_wrapper import AttentionWrapper, AttentionWrapperState

__all__ = [
    "AttentionMechanism",
    "AttentionWrapper",
    "AttentionWrapperState",
    "BahdanauAttention",
    "BahdanauMonotonicAttention",
    "LuongAttention",
    "LuongMonotonicAttention",
    "hardmax",
    "monotonic_attention",
    "safe_cumprod",
]
