"""``tf.contrib``."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib import (
    crf,
    ctc,
    cudnn_rnn,
    data,
    framework,
    grid_rnn,
    layers,
    legacy_seq2seq,
    rnn,
    seq2seq,
    training,
)

__all__ = [
    "crf",
    "ctc",
    "cudnn_rnn",
    "data",
    "framework",
    "grid_rnn",
    "layers",
    "legacy_seq2seq",
    "rnn",
    "seq2seq",
    "training",
]

__getattr__ = missing(__name__, globals())
