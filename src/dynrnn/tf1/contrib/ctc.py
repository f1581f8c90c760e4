"""``tf.contrib.ctc``: where connectionist temporal classification was before TensorFlow 0.9."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.ctc_ops import ctc_beam_search_decoder, ctc_greedy_decoder, ctc_loss

__all__ = ["ctc_beam_search_decoder", "ctc_greedy_decoder", "ctc_loss"]

__getattr__ = missing(__name__, globals())
