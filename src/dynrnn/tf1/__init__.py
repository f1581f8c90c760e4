"""The TensorFlow 1 face: ``import dynrnn.tf1 as tf``."""

from dynrnn.tf1.array_ops import *  # noqa: F403
