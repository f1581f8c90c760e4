"""``tensorflow.examples.tutorials.mnist``: the handwritten digits of the tutorials."""

from __future__ import annotations

from dynrnn.tf1.examples.tutorials.mnist import input_data

__all__ = ["input_data"]
