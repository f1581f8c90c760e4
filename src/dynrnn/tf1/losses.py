"""``tf.losses``: losses with weights, reduced to a scalar and collected.

Every loss computes one number per element (or per example), multiplies by ``weights`` and reduces. The weights are a
scalar, or have the rank of these numbers with each dimension either equal or 1. The result joins the collection
``tf.GraphKeys.LOSSES``, which :func:`get_total_loss` sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.infer import broadcast_shapes, constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.nn_losses import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from dynrnn.tf1.nn_ops import relu

__all__ = [
    "Reduction",
    "absolute_difference",
    "add_loss",
    "compute_weighted_loss",
    "cosine_distance",
    "get_losses",
    "get_regularization_loss",
    "get_regularization_losses",
    "get_total_loss",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
]


class Reduction:
    """How weighted losses become the result.

    NONE: they stay as they are. SUM: their sum. MEAN: the sum divided by that of the weights. SUM_OVER_BATCH_SIZE:
    divided by the number of elements. SUM_BY_NONZERO_WEIGHTS (or SUM_OVER_NONZERO_WEIGHTS, the older name): divided by
    the number of elements with a weight other than 0. A division by 0 gives 0.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All keys."""
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: Any) -> None:
        """``ValueError`` unless ``key`` is one of them."""
        if key not in cls.all():
            raise ValueError(f"Invalid Reduction Key {key}. Key should be one of {cls.all()}.")


# --- weights ----------------------------------------------------------------------------------------------------------


def _check_weights(values: TensorShape, weights: TensorShape) -> None:
    """``ValueError`` when ``weights`` certainly cannot be broadcast to ``values``."""
    if values.ndims is None or weights.ndims in (None, 0):
        return
    if weights.ndims != values.ndims:
        raise ValueError(
            f"weights can not be broadcast to values. values.rank={values.ndims}. weights.rank={weights.ndims}. "
            f"values.shape={values}. weights.shape={weights}."
        )
    for axis, (size, own) in enumerate(zip(values.as_list(), weights.as_list(), strict=True)):
        if own not in (None, 1) and size not in (None, own):
            raise ValueError(
                f"weights can not be broadcast to values. Mismatch at dim {axis}. values.shape={values} "
                f"weights.shape={weights}."
            )


def _infer_broadcast_weights(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    weights, values = inputs[0].shape, inputs[1].shape
    _check_weights(values, weights)
    # dimensions of the weights other than 1 are those of the values
    return [(inputs[0].dtype.base_dtype, values if weights.ndims is None else broadcast_shapes(values, weights))]


@register("BroadcastWeights", _infer_broadcast_weights)
def _broadcast_weights(weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    _check_weights(TensorShape(values.shape), TensorShape(weights.shape))
    return weights.expand(values.shape)


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """``losses`` times ``weights``, reduced.

    Args:
        losses: tensor of any shape.
        weights: a scalar, or a tensor of the same rank whose dimensions are equal or 1.
        scope: name scope.
        loss_collection: the collection that the result joins; None for none.
        reduction: a key of :class:`Reduction`.

    Returns:
        A scalar of the dtype of ``losses``; with ``Reduction.NONE`` a tensor of their shape.

    Raises:
        ValueError: weights that cannot be broadcast, or an unknown reduction.
    """
    Reduction.validate(reduction)
    with name_scope(scope, "weighted_loss"):
        values = convert_to_tensor(losses)
        kind = values.dtype.base_dtype
        precise = math_ops.cast(values, dtypes.float32)
        factor = math_ops.cast(convert_to_tensor(weights), dtypes.float32)
        _check_weights(precise.shape, factor.shape)
        # a scalar needs no check at run time
        full = factor if factor.shape.ndims == 0 else apply("BroadcastWeights", [factor, precise])
        weighted = math_ops.multiply(precise, full)
        result = weighted if reduction == Reduction.NONE else _reduced(weighted, full, precise, reduction)
        result = math_ops.cast(result, kind)
        add_loss(result, loss_collection)
        return result


def _reduced(weighted: Tensor, weights: Tensor, values: Tensor, reduction: str) -> Tensor:
    total = math_ops.reduce_sum(weighted)
    if reduction == Reduction.SUM:
        return total
    count = math_ops.cast(array_ops.size(values), total.dtype)
    if reduction == Reduction.MEAN:
        count = count * weights if weights.shape.ndims == 0 else math_ops.reduce_sum(weights)
    elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
        with name_scope(None, "num_present"):
            if weights.shape.ndims != 0:
                count = math_ops.reduce_sum(math_ops.cast(math_ops.not_equal(weights, 0.0), total.dtype))
            elif not constant_value(weights):
                count = count * math_ops.cast(math_ops.not_equal(weights, 0.0), total.dtype)
    return math_ops.div_no_nan(total, count, name="value")


# --- the collection ---------------------------------------------------------------------------------------------------


def add_loss(loss: Any, loss_collection: Any = GraphKeys.LOSSES) -> None:
    """Put ``loss`` into the collection, unless that is None."""
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)


def get_losses(scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES) -> list[Any]:
    """The losses of the collection; with ``scope`` those whose name it matches from the start."""
    return get_default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The regularization losses of variables."""
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Tensor:
    """The sum of the regularization losses, 0 when there are none."""
    losses = get_regularization_losses(scope)
    return math_ops.add_n(losses, name=name) if losses else constant(0.0)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of all losses, by default with those of regularization.

    Raises:
        ValueError: there are none.
    """
    losses = get_losses(scope)
    if add_regularization_losses:
        losses += get_regularization_losses(scope)
    return math_ops.add_n(losses, name=name)


# --- losses -----------------------------------------------------------------------------------------------------------


def _required(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is None:
            raise ValueError(f"{name} must not be None.")


def _float_pair(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    """Both as float32 of compatible shapes; ``ValueError`` when these are not."""
    values = math_ops.cast(convert_to_tensor(predictions), dtypes.float32)
    target = math_ops.cast(convert_to_tensor(labels), dtypes.float32)
    values.shape.assert_is_compatible_with(target.shape)
    return target, values


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """``(predictions - labels) ** 2``, weighted and reduced."""
    _required(labels=labels, predictions=predictions)
    with name_scope(scope, "mean_squared_error") as name:
        target, values = _float_pair(labels, predictions)
        losses = math_ops.squared_difference(values, target)
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """``|predictions - labels|``, weighted and reduced."""
    _required(labels=labels, predictions=predictions)
    with name_scope(scope, "absolute_difference") as name:
        target, values = _float_pair(labels, predictions)
        losses = math_ops.abs_(math_ops.subtract(values, target))
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """``e ** 2 / 2`` for errors up to ``delta``, ``delta * (|e| - delta / 2)`` beyond. Source: Huber 1964."""
    _required(labels=labels, predictions=predictions)
    with name_scope(scope, "huber_loss") as name:
        target, values = _float_pair(labels, predictions)
        error = math_ops.abs_(math_ops.subtract(values, target))
        quadratic = math_ops.minimum(error, delta)
        losses = 0.5 * quadratic * quadratic + delta * (error - quadratic)
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """``-z * log(p + epsilon) - (1 - z) * log(1 - p + epsilon)`` for labels z and probabilities p."""
    _required(labels=labels, predictions=predictions)
    with name_scope(scope, "log_loss") as name:
        target, values = _float_pair(labels, predictions)
        losses = -target * math_ops.log(values + epsilon) - (1 - target) * math_ops.log(1 - values + epsilon)
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """``max(0, 1 - (2 z - 1) * x)`` for labels z of 0 and 1 and logits x."""
    _required(labels=labels, logits=logits)
    with name_scope(scope, "hinge_loss") as name:
        target, values = _float_pair(labels, logits)
        losses = relu(1 - (2 * target - 1) * values)
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: Any = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    dim: Any = None,
) -> Tensor:
    """``1 - sum(labels * predictions)`` along ``axis``, for vectors of length 1."""
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("You must specify 'axis'.")
    _required(labels=labels, predictions=predictions)
    with name_scope(scope, "cosine_distance_loss") as name:
        target, values = _float_pair(labels, predictions)
        losses = 1 - math_ops.reduce_sum(values * target, axis, keepdims=True)
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Sigmoid cross entropy per element, weighted and reduced.

    ``label_smoothing`` s moves labels z to z (1 - s) + s / 2.
    """
    _required(multi_class_labels=multi_class_labels, logits=logits)
    with name_scope(scope, "sigmoid_cross_entropy_loss") as name:
        values = convert_to_tensor(logits)
        target = math_ops.cast(convert_to_tensor(multi_class_labels), values.dtype)
        values.shape.assert_is_compatible_with(target.shape)
        if label_smoothing > 0:
            target = target * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = sigmoid_cross_entropy_with_logits(labels=target, logits=values, name="xentropy")
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Softmax cross entropy per example, weighted and reduced; no gradient flows to the labels.

    ``label_smoothing`` s moves labels z to z (1 - s) + s / classes.
    """
    _required(onehot_labels=onehot_labels, logits=logits)
    with name_scope(scope, "softmax_cross_entropy_loss") as name:
        values = convert_to_tensor(logits)
        target = math_ops.cast(convert_to_tensor(onehot_labels), values.dtype)
        values.shape.assert_is_compatible_with(target.shape)
        if label_smoothing > 0:
            classes = math_ops.cast(array_ops.shape(target)[1], values.dtype)
            target = target * (1.0 - label_smoothing) + label_smoothing / classes
        target = array_ops.stop_gradient(target, name="labels_stop_gradient")
        losses = softmax_cross_entropy_with_logits_v2(labels=target, logits=values, name="xentropy")
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


@register("WithoutColumn", lambda inputs, attrs: [(inputs[0].dtype.base_dtype, unknown_shape())])
def _drop_column(value: torch.Tensor, other: torch.Tensor, *, difference: int) -> torch.Tensor:
    extra = value.dim() == other.dim() - difference + 1 and value.shape[-1] == 1
    return value.squeeze(-1) if extra else value


def _without_column(value: Tensor, other: Tensor, difference: int) -> Tensor:
    """``value`` without a last dimension of 1, if it has one dimension more than ``other`` less ``difference``."""
    if value.shape.ndims is None or other.shape.ndims is None:
        # a scalar has no last dimension
        return value if value.shape.ndims == 0 else apply("WithoutColumn", [value, other], difference=difference)
    extra = value.shape.ndims == other.shape.ndims - difference + 1 and value.shape[-1].value in (1, None)
    return array_ops.squeeze(value, [-1]) if extra else value


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Softmax cross entropy of class numbers per example, weighted and reduced.

    Labels, and weights, may have a last dimension of 1 more.
    """
    _required(labels=labels, logits=logits)
    with name_scope(scope, "sparse_softmax_cross_entropy_loss") as name:
        values, target, factor = (convert_to_tensor(v) for v in (logits, labels, weights))
        target = _without_column(target, values, 1)
        factor = _without_column(factor, target, 0)
        losses = sparse_softmax_cross_entropy_with_logits(labels=target, logits=values, name="xentropy")
        return compute_weighted_loss(losses, factor, name, loss_collection, reduction)
