"""``tf.contrib.metrics``: the functions of ``tf.metrics`` under their first names, predictions before labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dynrnn.tf1 import math_ops, metrics
from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.math_ops import confusion_matrix

__all__ = [
    "accuracy",
    "aggregate_metric_map",
    "aggregate_metrics",
    "confusion_matrix",
    "streaming_accuracy",
    "streaming_auc",
    "streaming_false_negatives",
    "streaming_false_positives",
    "streaming_mean",
    "streaming_mean_absolute_error",
    "streaming_mean_cosine_distance",
    "streaming_mean_iou",
    "streaming_mean_relative_error",
    "streaming_mean_squared_error",
    "streaming_mean_tensor",
    "streaming_percentage_less",
    "streaming_precision",
    "streaming_recall",
    "streaming_root_mean_squared_error",
    "streaming_true_negatives",
    "streaming_true_positives",
]


def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Tensor:
    """The share of ``predictions`` that equal ``labels``, of one dtype, in this batch.

    Raises:
        ValueError: dtypes other than bool, integers and strings, or two of them, or shapes that do not fit.
    """
    first, second = convert_to_tensor(predictions), convert_to_tensor(labels)
    kind = second.dtype.base_dtype
    if not (kind.is_integer or kind in (dtypes.bool_, dtypes.string)):
        raise ValueError(f"Labels should have bool, integer, or string dtype, not {second.dtype}.")
    if kind != first.dtype.base_dtype:
        raise ValueError(
            f"Dtypes of predictions and labels should match. Given: predictions ({first.dtype}) and labels "
            f"({second.dtype})"
        )
    first.shape.assert_is_compatible_with(second.shape)
    with name_scope(name, "accuracy", values=[first, second]):
        right = math_ops.cast(math_ops.equal(first, second), dtypes.float32)
        if weights is None:
            return math_ops.reduce_mean(right)
        right = right * weights
        total = math_ops.reduce_sum(right * 0 + weights)
        return math_ops.div_no_nan(math_ops.reduce_sum(right), total)


streaming_mean = metrics.mean
streaming_mean_tensor = metrics.mean_tensor
streaming_percentage_less = metrics.percentage_below


def _streaming(metric: Callable[..., Any], *more: str) -> Callable[..., Any]:
    """``metric(labels, predictions, ...)`` with the arguments in contrib's order."""

    def streaming(predictions: Any, labels: Any, *args: Any, **kwargs: Any) -> Any:
        named = dict(zip((*more, *_TAIL), args, strict=False))
        twice = named.keys() & kwargs.keys()
        if twice or len(args) > len(more) + len(_TAIL):
            raise TypeError(f"{streaming.__name__}() got multiple values for, or too many, arguments: {sorted(twice)}")
        return metric(labels, predictions, **named, **kwargs)

    streaming.__name__ = streaming.__qualname__ = f"streaming_{metric.__name__}"
    streaming.__doc__ = f"``tf.metrics.{metric.__name__}`` with ``predictions`` first."
    return streaming


_TAIL = ("weights", "metrics_collections", "updates_collections", "name")

streaming_accuracy = _streaming(metrics.accuracy)
streaming_precision = _streaming(metrics.precision)
streaming_recall = _streaming(metrics.recall)
streaming_true_positives = _streaming(metrics.true_positives)
streaming_true_negatives = _streaming(metrics.true_negatives)
streaming_false_positives = _streaming(metrics.false_positives)
streaming_false_negatives = _streaming(metrics.false_negatives)
streaming_mean_absolute_error = _streaming(metrics.mean_absolute_error)
streaming_mean_squared_error = _streaming(metrics.mean_squared_error)
streaming_root_mean_squared_error = _streaming(metrics.root_mean_squared_error)
streaming_mean_relative_error = _streaming(metrics.mean_relative_error, "normalizer")
streaming_mean_cosine_distance = _streaming(metrics.mean_cosine_distance, "dim")
streaming_mean_iou = _streaming(metrics.mean_iou, "num_classes")


def streaming_auc(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: Any = None,
) -> tuple[Tensor, Tensor]:
    """``tf.metrics.auc`` with ``predictions`` first."""
    return metrics.auc(
        labels, predictions, weights, num_thresholds, metrics_collections, updates_collections, curve, name
    )


def aggregate_metrics(*value_update_tuples: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The values and the updates of several metrics, each in a list.

    Raises:
        ValueError: no metric.
    """
    if not value_update_tuples:
        raise ValueError("Expected at least one value_tensor/update_op pair")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


def aggregate_metric_map(
    names_to_tuples: dict[Any, tuple[Any, Any]] | Iterable[Any],
) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The values and the updates of several metrics, each in a dict by the metric's name."""
    named = dict(names_to_tuples)
    return {name: pair[0] for name, pair in named.items()}, {name: pair[1] for name, pair in named.items()}


__getattr__ = missing(__name__, globals())
