"""``create_train_op``: one operation that trains a step and gives the loss (``tf.contrib.slim.learning``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dynrnn.tf1.clip_ops import clip_by_norm
from dynrnn.tf1.core.control_flow import with_dependencies
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import GraphKeys, Variable, trainable_variables
from dynrnn.tf1.debug_ops import check_numerics as checked
from dynrnn.tf1.global_step import get_or_create_global_step

__all__ = ["clip_gradient_norms", "create_train_op", "multiply_gradients"]

Pairs = Sequence[tuple[Any, Any]]
_USE_GLOBAL_STEP = 0


def clip_gradient_norms(gradients_to_variables: Pairs, max_norm: float) -> list[tuple[Any, Any]]:
    """Each gradient with its norm clipped, where it is not None."""
    return [(None if g is None else clip_by_norm(g, max_norm), v) for g, v in gradients_to_variables]


def multiply_gradients(grads_and_vars: Pairs, gradient_multipliers: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """The gradients times the factors given by variable, or by its name.

    Raises:
        ValueError: no pairs, no dict, or a variable without gradient that has a factor.
    """
    if not isinstance(grads_and_vars, list):
        raise ValueError("`grads_and_vars` must be a list.")
    if not isinstance(gradient_multipliers, dict) or not gradient_multipliers:
        raise ValueError("`gradient_multipliers` must be a non-empty dict.")
    result = []
    for gradient, variable in grads_and_vars:
        key = variable if variable in gradient_multipliers else variable.op.name
        if key in gradient_multipliers:
            if gradient is None:
                raise ValueError("Requested multiple of `None` gradient.")
            gradient = gradient * convert_to_tensor(gradient_multipliers[key], gradient.dtype.base_dtype)
        result.append((gradient, variable))
    return result


def create_train_op(
    total_loss: Any,
    optimizer: Any,
    global_step: Any = _USE_GLOBAL_STEP,
    update_ops: Any = None,
    variables_to_train: Sequence[Variable] | None = None,
    clip_gradient_norm: float = 0,
    summarize_gradients: bool = False,
    gate_gradients: Any = 1,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    gradient_multipliers: dict[Any, Any] | None = None,
    check_numerics: bool = True,
    transform_grads_fn: Callable[[Any], Any] | None = None,
) -> Tensor:
    """A tensor that trains a step and has the value of ``total_loss``.

    Args:
        total_loss: scalar.
        optimizer: an optimizer.
        global_step: counts the steps; by default the graph's, which is made if there is none; None for none.
        update_ops: what must run before; by default the collection UPDATE_OPS.
        variables_to_train: by default the trainable variables.
        clip_gradient_norm: if above 0, the largest norm of a gradient.
        summarize_gradients, gate_gradients, aggregation_method, colocate_gradients_with_ops: accepted; they change no
            result.
        gradient_multipliers: factors of gradients.
        check_numerics: whether an infinite or NaN loss is an error.
        transform_grads_fn: what is done to the (gradient, variable) pairs before all else.
    """
    graph = get_default_graph()
    step = get_or_create_global_step() if global_step is _USE_GLOBAL_STEP else global_step
    loss = convert_to_tensor(total_loss)
    before = graph.get_collection(GraphKeys.UPDATE_OPS) if update_ops is None else update_ops
    if before:
        loss = with_dependencies(list(dict.fromkeys(before)), loss)
    pairs = optimizer.compute_gradients(
        loss, trainable_variables() if variables_to_train is None else variables_to_train
    )
    if transform_grads_fn is not None:
        pairs = transform_grads_fn(pairs)
    if gradient_multipliers:
        with name_scope("multiply_grads"):
            pairs = multiply_gradients(pairs, gradient_multipliers)
    if clip_gradient_norm > 0:
        with name_scope("clip_grads"):
            pairs = clip_gradient_norms(pairs, clip_gradient_norm)
    update = optimizer.apply_gradients(pairs, global_step=step)
    with name_scope("train_op"):
        if check_numerics:
            loss = checked(loss, "LossTensor is inf or nan")
        train_op = with_dependencies([update], loss)
    graph.add_to_collection(GraphKeys.TRAIN_OP, train_op)
    return train_op
