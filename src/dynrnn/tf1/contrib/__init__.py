"""``tf.contrib``."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib import crf, ctc, framework, layers, legacy_seq2seq, lookup, metrics, rnn, seq2seq

__all__ = ["crf", "ctc", "framework", "layers", "legacy_seq2seq", "lookup", "metrics", "rnn", "seq2seq"]

__getattr__ = missing(__name__, globals())
