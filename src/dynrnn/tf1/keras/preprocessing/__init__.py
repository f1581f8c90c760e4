"""``tf.keras.preprocessing``: sequences of unequal lengths."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.keras.preprocessing import sequence

__all__ = ["sequence"]

__getattr__ = missing(__name__, globals())
