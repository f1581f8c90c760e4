"""``tf.contrib.slim.losses`` and ``tf.contrib.losses``: the first form of ``tf.losses``.

Here predictions come before labels, and the mean is over the elements whose weight is not 0.
"""

from __future__ import annotations

from typing import Any

from dynrnn.tf1 import losses
from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.losses import (
    add_loss,
    compute_weighted_loss,
    get_losses,
    get_regularization_losses,
    get_total_loss,
)

__all__ = [
    "absolute_difference",
    "add_loss",
    "compute_weighted_loss",
    "cosine_distance",
    "get_losses",
    "get_regularization_losses",
    "get_total_loss",
    "hinge_loss",
    "log_loss",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
]


def absolute_difference(predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None) -> Tensor:
    """The weighted mean of ``|predictions - labels|``."""
    return losses.absolute_difference(labels, predictions, weights, scope)


def mean_squared_error(predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None) -> Tensor:
    """The weighted mean of ``(predictions - labels) ** 2``."""
    return losses.mean_squared_error(labels, predictions, weights, scope)


def log_loss(
    predictions: Any, labels: Any = None, weights: Any = 1.0, epsilon: float = 1e-7, scope: str | None = None
) -> Tensor:
    """The weighted mean of the cross entropy of probabilities."""
    return losses.log_loss(labels, predictions, weights, epsilon, scope)


def hinge_loss(logits: Any, labels: Any = None, scope: str | None = None) -> Tensor:
    """``max(0, 1 - (2 * labels - 1) * logits)``, element by element."""
    return losses.hinge_loss(labels, logits, scope=scope, loss_collection=None, reduction=losses.Reduction.NONE)


def cosine_distance(
    predictions: Any,
    labels: Any = None,
    axis: Any = None,
    weights: Any = 1.0,
    scope: str | None = None,
    dim: Any = None,
) -> Tensor:
    """The weighted mean of 1 minus the product of both, of norm 1, along ``axis``."""
    return losses.cosine_distance(labels, predictions, dim if axis is None else axis, weights, scope)


def sigmoid_cross_entropy(
    logits: Any, multi_class_labels: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None
) -> Tensor:
    """The weighted mean of the cross entropy of independent classes."""
    return losses.sigmoid_cross_entropy(multi_class_labels, logits, weights, label_smoothing, scope)


def softmax_cross_entropy(
    logits: Any, onehot_labels: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None
) -> Tensor:
    """The weighted mean of the cross entropy of exclusive classes."""
    return losses.softmax_cross_entropy(onehot_labels, logits, weights, label_smoothing, scope)


def sparse_softmax_cross_entropy(logits: Any, labels: Any, weights: Any = 1.0, scope: str | None = None) -> Tensor:
    """:func:`softmax_cross_entropy` with the numbers of the classes as labels."""
    return losses.sparse_softmax_cross_entropy(labels, logits, weights, scope)


__getattr__ = missing(__name__, globals())
