"""``tf.contrib.layers``: regularizers, functions of a variable whose result is added to the loss."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from dynrnn.tf1 import math_ops
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.nn_ops import l2_loss

__all__ = ["apply_regularization", "l1_l2_regularizer", "l1_regularizer", "l2_regularizer", "sum_regularizer"]

Regularizer = Callable[[Any], Any]


def _checked(scale: Any, what: str) -> Any:
    """``scale``, if it is a factor: a float not below 0, or a tensor."""
    if isinstance(scale, numbers.Integral):
        raise ValueError(f"scale cannot be an integer: {scale}")
    if isinstance(scale, numbers.Real) and scale < 0.0:
        raise ValueError(f"Setting a scale less than 0 on a regularizer: {float(scale):g}. ({what})")
    return scale


def _none(_: Any) -> None:
    """The regularizer of scale 0."""


def _scaled(scale: Any, scope: str | None, name: str, penalty: Callable[[Tensor], Tensor]) -> Regularizer:
    if isinstance(_checked(scale, name), numbers.Real) and scale == 0.0:
        return _none

    def regularize(weights: Any) -> Tensor:
        with name_scope(scope, name) as full_name:
            tensor = convert_to_tensor(weights)
            factor = convert_to_tensor(scale, tensor.dtype.base_dtype, name="scale")
            return math_ops.multiply(factor, penalty(tensor), name=full_name)

    return regularize


def l1_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """``scale * sum(|w|)``; with a scale of 0 nothing.

    Raises:
        ValueError: an integer or a negative scale.
    """
    return _scaled(scale, scope, "l1_regularizer", lambda w: math_ops.reduce_sum(math_ops.abs_(w)))


def l2_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """``scale * sum(w ** 2) / 2``; with a scale of 0 nothing.

    Raises:
        ValueError: an integer or a negative scale.
    """
    return _scaled(scale, scope, "l2_regularizer", l2_loss)


def l1_l2_regularizer(scale_l1: Any = 1.0, scale_l2: Any = 1.0, scope: str | None = None) -> Regularizer:
    """The sum of :func:`l1_regularizer` and :func:`l2_regularizer`."""
    return sum_regularizer(
        [l1_regularizer(_checked(scale_l1, "l1")), l2_regularizer(_checked(scale_l2, "l2"))],
        scope or "l1_l2_regularizer",
    )


def sum_regularizer(regularizer_list: Sequence[Regularizer | None], scope: str | None = None) -> Regularizer | Any:
    """The sum of several regularizers; None entries count nothing, and of nothing else the sum is None."""
    regularizers = [r for r in regularizer_list if r is not None]
    if not regularizers:
        return None

    def regularize(weights: Any) -> Tensor | None:
        with name_scope(scope, "sum_regularizer") as full_name:
            penalties = [p for p in (r(weights) for r in regularizers) if p is not None]
            return math_ops.add_n(penalties, name=full_name) if penalties else None

    return regularize


def apply_regularization(regularizer: Regularizer, weights_list: Sequence[Any] | None = None) -> Tensor:
    """The sum of ``regularizer`` over the weights; it joins the collection REGULARIZATION_LOSSES.

    Args:
        regularizer: gives a scalar tensor, or None for nothing.
        weights_list: tensors or variables; the collection WEIGHTS by default.

    Raises:
        ValueError: no weights, or a penalty that is no scalar.
    """
    weights = list(weights_list or get_default_graph().get_collection(GraphKeys.WEIGHTS))
    if not weights:
        raise ValueError("No weights to regularize.")
    with name_scope("get_regularization_penalty") as scope:
        penalties = [constant(0.0) if p is None else p for p in (regularizer(w) for w in weights)]
        for penalty in penalties:
            if penalty.shape.ndims != 0:
                raise ValueError(
                    f"regularizer must return a scalar Tensor instead of a Tensor with rank {penalty.shape.ndims}."
                )
        total = math_ops.add_n(penalties, name=scope)
    get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
    return total
