"""``import melt``: the part of that library which programs use with TensorFlow's recurrent functions."""

from dynrnn.tf1.melt import rnn

__all__ = ["rnn"]
