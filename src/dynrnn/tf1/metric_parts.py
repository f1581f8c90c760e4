"""What the functions of ``tf.metrics`` share: variables, weights, counts above thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import as_shape
from dynrnn.tf1.core.variables import GraphKeys, Variable, assign_add

__all__ = [
    "as_weights",
    "counted",
    "curve_area",
    "float_of",
    "metric_variable",
    "published",
    "squeezed",
    "threshold_counts",
]

_SMALL = 1.0e-6


def float_of(value: Any) -> Tensor:
    """``value`` as float32."""
    return math_ops.cast(convert_to_tensor(value), dtypes.float32)


def metric_variable(shape: Any, name: str, dtype: DType = dtypes.float32) -> Variable:
    """A local variable that begins as zeros."""
    return Variable(
        lambda: array_ops.zeros(as_shape(shape).as_list(), dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        name=name,
        dtype=dtype,
    )


def published(value: Tensor, update: Tensor, metrics: Any, updates: Any) -> tuple[Tensor, Tensor]:
    """Both, after putting them into the collections that are named."""
    for tensor, names in ((value, metrics), (update, updates)):
        if names:
            get_default_graph().add_to_collections(names, tensor)
    return value, update


def squeezed(predictions: Any, labels: Any, weights: Any) -> tuple[Tensor, Any, Any]:
    """The three with a last dimension of 1 taken away where it stands against none."""
    first = convert_to_tensor(predictions)
    second = None if labels is None else convert_to_tensor(labels)
    if second is not None:
        first, second = _without_extra(first, second), _without_extra(second, first)
    if weights is not None:
        weights = convert_to_tensor(weights)
        if weights.shape.ndims and first.shape.ndims is not None:
            if weights.shape.ndims - first.shape.ndims == 1:
                weights = array_ops.squeeze(weights, [-1])
            elif first.shape.ndims - weights.shape.ndims == 1:
                weights = array_ops.expand_dims(weights, -1)
    return first, second, weights


def _without_extra(tensor: Tensor, other: Tensor) -> Tensor:
    own, theirs = tensor.shape.ndims, other.shape.ndims
    if own is None or theirs is None or own != theirs + 1 or tensor.shape[-1].value not in (1, None):
        return tensor
    return array_ops.squeeze(tensor, [-1])


def as_weights(weights: Any, values: Tensor) -> Tensor:
    """Weights as float32 of the shape of ``values``; ``ValueError`` when they cannot be broadcast to it."""
    return apply("BroadcastWeights", [float_of(weights), values])


def counted(hits: Tensor, weights: Any) -> tuple[Tensor, Tensor]:
    """How many (with weights: how much) of ``hits`` are true, and the update."""
    count = metric_variable([], "count")
    values = math_ops.cast(hits, dtypes.float32)
    if weights is not None:
        values = values * as_weights(weights, values)
    total = math_ops.reduce_sum(values)
    value = array_ops.identity(count)
    return value, assign_add(count, total)


_NAMES = {"tp": "true_positives", "fn": "false_negatives", "tn": "true_negatives", "fp": "false_positives"}


def threshold_counts(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any, kinds: Sequence[str] = tuple(_NAMES)
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Vectors of the four kinds of outcomes, one element a threshold, and their updates."""
    guess, truth, weights = squeezed(float_of(predictions), math_ops.cast(labels, dtypes.bool_), weights)
    guess.shape.assert_is_compatible_with(truth.shape)
    flat = array_ops.reshape(guess, [1, -1])
    true = array_ops.reshape(truth, [1, -1])
    levels = constant(list(thresholds), dtypes.float32)
    above = math_ops.greater(flat, array_ops.expand_dims(levels, 1))
    factor = None if weights is None else array_ops.reshape(as_weights(weights, guess), [1, -1])
    values: dict[str, Any] = {}
    updates: dict[str, Tensor] = {}
    for kind in kinds:
        first = above if kind[1] == "p" else math_ops.logical_not(above)
        second = true if kind in ("tp", "fn") else math_ops.logical_not(true)
        hits = math_ops.cast(math_ops.logical_and(first, second), dtypes.float32)
        variable = metric_variable([len(thresholds)], _NAMES[kind])
        values[kind] = array_ops.identity(variable)
        updates[kind] = assign_add(variable, math_ops.reduce_sum(hits if factor is None else hits * factor, 1))
    return values, updates


def curve_area(counts: dict[str, Any], curve: str, method: str, name: str) -> Tensor:
    """The area below a curve through the rates at the thresholds, from the highest rate to the lowest."""
    tp, fn, tn, fp = (counts[kind] for kind in _NAMES)
    recall = math_ops.divide(tp + _SMALL, tp + fn + _SMALL)
    if curve == "ROC":
        x, y = math_ops.divide(fp, fp + tn + _SMALL), recall
    elif method == "careful_interpolation":
        return _interpolated_pr(tp, fn, fp, name)
    else:
        x, y = recall, math_ops.divide(tp + _SMALL, tp + fp + _SMALL)
    left, right = y[:-1], y[1:]
    heights = {
        "trapezoidal": lambda: (left + right) / 2.0,
        "minoring": lambda: math_ops.minimum(left, right),
        "majoring": lambda: math_ops.maximum(left, right),
    }[method]()
    return math_ops.reduce_sum(math_ops.multiply(x[:-1] - x[1:], heights), name=name)


def _interpolated_pr(tp: Tensor, fn: Tensor, fp: Tensor, name: str) -> Tensor:
    """The area below the precision-recall curve, interpolated between thresholds as Davis and Goadrich (2006) do.

    Between two thresholds true positives grow linearly with all positives: with slope s and intercept i, precision is
    s + i / p, whose integral over the true positives is s * (change of tp + i * log of the ratio of positives).
    """
    change = tp[:-1] - tp[1:]
    positives = tp + fp
    slope = math_ops.div_no_nan(change, math_ops.maximum(positives[:-1] - positives[1:], 0))
    intercept = tp[1:] - math_ops.multiply(slope, positives[1:])
    both = math_ops.logical_and(positives[:-1] > 0, positives[1:] > 0)
    ratio = math_ops.div_no_nan(positives[:-1], math_ops.maximum(positives[1:], 0))
    safe = array_ops.where(both, ratio, array_ops.ones_like(positives[1:]))
    area = math_ops.div_no_nan(slope * (change + intercept * math_ops.log(safe)), math_ops.maximum(tp[1:] + fn[1:], 0))
    return math_ops.reduce_sum(area, name=name)
