"""``tf.contrib``."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib import (
    compiler,
    crf,
    ctc,
    distributions,
    framework,
    layers,
    learn,
    legacy_seq2seq,
    lookup,
    metrics,
    rnn,
    seq2seq,
    slim,
    util,
)

__all__ = [
    "compiler",
    "crf",
    "ctc",
    "distributions",
    "framework",
    "layers",
    "learn",
    "legacy_seq2seq",
    "lookup",
    "metrics",
    "rnn",
    "seq2seq",
    "slim",
    "util",
]

__getattr__ = missing(__name__, globals())
