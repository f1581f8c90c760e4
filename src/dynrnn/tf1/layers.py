"""``tf.layers``: layers as classes and as functions.

A function makes a layer and calls it once: ``tf.layers.dense(x, 10)``. Its variables are named ``dense/kernel`` and
``dense/bias``, those of the next one in the same scope ``dense_1/kernel`` and so on; with a ``name`` they are named by
it, and ``reuse=True`` shares them.
"""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.layer_base import InputSpec, Layer
from dynrnn.tf1.layers_conv import (
    AveragePooling1D,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    MaxPooling1D,
    MaxPooling2D,
    average_pooling1d,
    average_pooling2d,
    max_pooling1d,
    max_pooling2d,
)
from dynrnn.tf1.layers_conv_functions import conv1d, conv2d, conv2d_transpose
from dynrnn.tf1.layers_core import Dense, Dropout, Flatten, dense, dropout, flatten
from dynrnn.tf1.layers_norm import BatchNormalization, batch_normalization

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Dropout",
    "Flatten",
    "InputSpec",
    "Layer",
    "MaxPooling1D",
    "MaxPooling2D",
    "average_pooling1d",
    "average_pooling2d",
    "batch_normalization",
    "conv1d",
    "conv2d",
    "conv2d_transpose",
    "dense",
    "dropout",
    "flatten",
    "max_pooling1d",
    "max_pooling2d",
]

__getattr__ = missing(__name__, globals())
