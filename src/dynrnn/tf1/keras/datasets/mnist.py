"""``tf.keras.datasets.mnist``: the handwritten digits as arrays of bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dynrnn.data import mnist
from dynrnn.tf1._namespace import missing

__all__ = ["load_data"]

_Pair: TypeAlias = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "mnist.npz") -> tuple[_Pair, _Pair]:
    """``(images, labels)`` for training and for testing: ``uint8 [count, 28, 28]`` and ``uint8 [count]``.

    Nothing is downloaded: without the file, the digits that come with dynrnn are served, 4,500 and 500.

    Args:
        path: an ``.npz`` file with ``x_train``, ``y_train``, ``x_test`` and ``y_test``. A relative one is looked for in
            Keras's folder, ``$KERAS_HOME/datasets`` or ``~/.keras/datasets``.
    """
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    file = Path(home, "datasets", path)
    if file.exists():
        with np.load(file, allow_pickle=False) as arrays:
            return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    sets = mnist.read_data_sets(file.parent, dtype=np.uint8, reshape=False, validation_size=0)
    return (sets.train.images[..., 0], sets.train.labels), (sets.test.images[..., 0], sets.test.labels)


__getattr__ = missing(__name__, globals())
