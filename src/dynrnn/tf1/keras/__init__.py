"""``tf.keras``: only the helpers that prepare data, which programs without any Keras model use.

The layers, models and optimizers of Keras are not here; what is asked of them raises an ``AttributeError``.
"""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.keras import datasets, preprocessing, utils

__all__ = ["datasets", "preprocessing", "utils"]

_INSTEAD = {
    "tf.keras.layers": "dynrnn has no Keras models: use tf.layers, and the cells of tf.nn.rnn_cell",
    "tf.keras.models": "dynrnn has no Keras models: build the graph with tf.layers and tf.nn",
    "tf.keras.Model": "dynrnn has no Keras models: build the graph with tf.layers and tf.nn",
    "tf.keras.Sequential": "dynrnn has no Keras models: build the graph with tf.layers and tf.nn",
    "tf.keras.initializers": "use tf.initializers",
    "tf.keras.losses": "use tf.losses",
    "tf.keras.metrics": "use tf.metrics",
    "tf.keras.optimizers": "use the optimizers of tf.train",
}

__getattr__ = missing(__name__, globals(), _INSTEAD)
