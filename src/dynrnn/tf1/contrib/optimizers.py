"""``tf.contrib.layers.optimize_loss``: a whole training step from a loss and the name of an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dynrnn.tf1.array_ops import shape
from dynrnn.tf1.clip_ops import clip_by_global_norm
from dynrnn.tf1.contrib.framework import assert_global_step, assert_scalar, get_global_step
from dynrnn.tf1.core.control_flow import with_dependencies
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import get_variable, variable_scope
from dynrnn.tf1.core.variables import GraphKeys, Variable, trainable_variables
from dynrnn.tf1.init_ops import constant_initializer
from dynrnn.tf1.optimizers import (
    AdagradOptimizer,
    AdamOptimizer,
    FtrlOptimizer,
    GradientDescentOptimizer,
    MomentumOptimizer,
    Optimizer,
    RMSPropOptimizer,
)
from dynrnn.tf1.random_ops import truncated_normal

__all__ = ["OPTIMIZER_CLS_NAMES", "OPTIMIZER_SUMMARIES", "optimize_loss"]

OPTIMIZER_CLS_NAMES: dict[str, Callable[..., Optimizer]] = {
    "Adagrad": AdagradOptimizer,
    "Adam": AdamOptimizer,
    "Ftrl": FtrlOptimizer,
    "Momentum": lambda learning_rate: MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": RMSPropOptimizer,
    "SGD": GradientDescentOptimizer,
}

OPTIMIZER_SUMMARIES = ["learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm"]

Pairs = Sequence[tuple[Any, Any]]


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Any = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[..., Any] | None = None,
    update_ops: Iterable[Any] | None = None,
    variables: Sequence[Variable] | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Tensor:
    """``loss``, which trains a step whenever it is computed.

    Args:
        loss: scalar tensor.
        global_step: counts the steps; None: that of the graph, if it has one.
        learning_rate: float, scalar tensor, or None where ``optimizer`` needs none.
        optimizer: a name in :data:`OPTIMIZER_CLS_NAMES`, an optimizer, its class, or a function of the learning rate.
        gradient_noise_scale: adds normal noise of this standard deviation to the gradients.
        gradient_multipliers: factors of gradients, by variable or by its name.
        clip_gradients: the largest global norm, or a function of (gradient, variable) pairs.
        learning_rate_decay_fn: ``f(learning_rate, global_step)`` gives the learning rate.
        update_ops: operations to run before; by default the collection UPDATE_OPS.
        variables: what to train; by default the trainable variables.
        name: variable scope of what is made; "OptimizeLoss" by default.
        summaries: names in :data:`OPTIMIZER_SUMMARIES`; they are checked, and no summaries are made.
        colocate_gradients_with_ops: accepted; no effect.
        increment_global_step: False: leave the global step to others.

    Raises:
        ValueError: a bad learning rate, optimizer, clipping or name of a summary.
    """
    loss = assert_scalar(convert_to_tensor(loss))
    if global_step is None:
        global_step = get_global_step()
    else:
        assert_global_step(global_step)
    _check_summaries(summaries)
    graph = get_default_graph()
    with variable_scope(name, "OptimizeLoss", [loss, global_step]):
        updates = list(dict.fromkeys(graph.get_collection(GraphKeys.UPDATE_OPS) if update_ops is None else update_ops))
        if updates:
            loss = with_dependencies(updates, loss)
        rate = _rate(learning_rate)
        if rate is not None and learning_rate_decay_fn is not None:
            if global_step is None:
                raise ValueError("global_step is required for learning_rate_decay_fn.")
            rate = learning_rate_decay_fn(rate, global_step)
        opt = _optimizer(optimizer, rate)
        pairs: Pairs = opt.compute_gradients(
            loss,
            trainable_variables() if variables is None else variables,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gradient_noise_scale is not None:
            pairs = [(None if g is None else g + _noise(g) * gradient_noise_scale, v) for g, v in pairs]
        if gradient_multipliers is not None:
            pairs = [(_multiplied(g, v, gradient_multipliers), v) for g, v in pairs]
        pairs = _clipped(pairs, clip_gradients)
        step = opt.apply_gradients(pairs, global_step=global_step if increment_global_step else None, name="train")
        return with_dependencies([step], loss)


def _check_summaries(summaries: Sequence[str] | None) -> None:
    for summary in summaries or ():
        if summary not in OPTIMIZER_SUMMARIES:
            raise ValueError(f"Summaries should be one of [{', '.join(OPTIMIZER_SUMMARIES)}], you provided {summary}.")


def _rate(learning_rate: Any) -> Any:
    if learning_rate is None:
        return None
    if isinstance(learning_rate, (Tensor, Variable)) and learning_rate.shape.ndims == 0:
        return learning_rate
    if isinstance(learning_rate, float):
        if learning_rate < 0.0:
            raise ValueError(f"Invalid learning_rate {learning_rate}.")
        return get_variable("learning_rate", [], trainable=False, initializer=constant_initializer(learning_rate))
    raise ValueError(f"Learning rate should be 0d Tensor or float. Got {learning_rate} of type {type(learning_rate)}")


def _optimizer(optimizer: Any, rate: Any) -> Optimizer:
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        if rate is None:
            raise ValueError(f"Learning rate is None, but should be specified if optimizer is string ({optimizer}).")
        if optimizer not in OPTIMIZER_CLS_NAMES:
            raise ValueError(
                f"Optimizer name should be one of [{', '.join(OPTIMIZER_CLS_NAMES)}], you provided {optimizer}."
            )
        return OPTIMIZER_CLS_NAMES[optimizer](learning_rate=rate)
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        if rate is None:
            raise ValueError(f"Learning rate is None, but should be specified if optimizer is class ({optimizer}).")
        return optimizer(learning_rate=rate)  # type: ignore[call-arg]
    if not callable(optimizer):
        raise ValueError(
            "Unrecognized optimizer: should be string, subclass of Optimizer, instance of subclass of Optimizer or "
            f"function with one argument. Got {optimizer!r}."
        )
    made = optimizer() if rate is None else optimizer(rate)
    if not isinstance(made, Optimizer):
        raise ValueError(f"Unrecognized optimizer: function should return subclass of Optimizer. Got {made!r}.")
    return made


def _noise(gradient: Tensor) -> Tensor:
    return truncated_normal(shape(gradient), dtype=gradient.dtype.base_dtype)


def _multiplied(gradient: Any, variable: Any, multipliers: Any) -> Any:
    key = variable if variable in multipliers else variable.op.name
    if key not in multipliers:
        return gradient
    if gradient is None:
        raise ValueError(f"Requested multiple of `None` gradient for variable {variable.op.name}.")
    return gradient * convert_to_tensor(multipliers[key], gradient.dtype.base_dtype)


def _clipped(pairs: Pairs, clip_gradients: Any) -> Pairs:
    if clip_gradients is None:
        return pairs
    if callable(clip_gradients):
        return clip_gradients(pairs)
    if not isinstance(clip_gradients, float):
        raise ValueError(f"Unknown type {type(clip_gradients)} for clip_gradients")
    clipped, _ = clip_by_global_norm([g for g, _ in pairs], clip_gradients)
    return list(zip(clipped, [v for _, v in pairs], strict=True))
