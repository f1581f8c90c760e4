"""``tf.contrib``."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib import data, framework, layers, legacy_seq2seq, rnn, training

__all__ = ["data", "framework", "layers", "legacy_seq2seq", "rnn", "training"]

__getattr__ = missing(__name__, globals())
