"""``tf.keras.datasets``: the handwritten digits; the other sets are downloads, which dynrnn does not make."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.keras.datasets import mnist

__all__ = ["mnist"]

__getattr__ = missing(__name__, globals())
