"""``tf.contrib``."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib import cudnn_rnn, framework, grid_rnn, layers, legacy_seq2seq, rnn

__all__ = ["cudnn_rnn", "framework", "grid_rnn", "layers", "legacy_seq2seq", "rnn"]

__getattr__ = missing(__name__, globals())
