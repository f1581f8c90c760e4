"""``tf.keras.utils``: labels as one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynrnn.tf1._namespace import missing

__all__ = ["to_categorical"]


def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Labels as one-hot rows: ``[..., num_classes]``.

    Args:
        y: labels from 0 to ``num_classes - 1``; a last dimension of 1 is dropped.
        num_classes: by default, the largest label and one.
        dtype: of the result.
    """
    labels = np.asarray(y, dtype=np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    return np.eye(num_classes, dtype=dtype)[labels]


__getattr__ = missing(__name__, globals())
