"""``tf.contrib.layers``: batch and layer normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynrnn.tf1 import array_ops
from dynrnn.tf1.contrib.arg_scope import add_arg_scope
from dynrnn.tf1.contrib.framework import model_variable
from dynrnn.tf1.contrib.layer_functions import collect_output, collect_variable, model_variable_getter
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import group, with_dependencies
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import variable_scope
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.init_ops import Ones, Zeros
from dynrnn.tf1.layer_base import smart_cond, static_bool
from dynrnn.tf1.layers_norm import BatchNormalization, moving_average_update
from dynrnn.tf1.nn_norm import batch_normalization, fused_batch_norm, moments

__all__ = ["batch_norm", "layer_norm"]


@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Tensor:
    """Each example to mean 0 and variance 1, then a learned scale and offset. Source: Ba et al. 2016.

    Args:
        inputs: tensor of known rank.
        center: whether there is ``beta``.
        scale: whether there is ``gamma``.
        activation_fn: applied to the result.
        reuse: whether to take the variables that ``scope`` has.
        variables_collections: collections for the variables: a list, or a dict of lists by "beta" and "gamma".
        outputs_collections: collections for the result.
        trainable: whether optimizers train the variables.
        begin_norm_axis: the moments are over this and all later dimensions.
        begin_params_axis: the variables have this and all later dimensions.
        scope: the variables' scope, by default "LayerNorm" made unique.

    Raises:
        ValueError: the rank or the variables' dimensions are not known, or an axis is out of range.
    """
    with variable_scope(scope, "LayerNorm", [inputs], reuse=reuse):
        value = convert_to_tensor(inputs)
        rank, kind = value.shape.ndims, value.dtype.base_dtype
        if rank is None:
            raise ValueError(f"Inputs {value.name} has undefined rank.")
        first = begin_norm_axis + rank if begin_norm_axis < 0 else begin_norm_axis
        if begin_params_axis >= rank or first >= rank:
            raise ValueError(
                f"begin_params_axis ({begin_params_axis}) and begin_norm_axis ({first}) must be < rank(inputs) ({rank})"
            )
        shape = value.shape[begin_params_axis:]
        if not shape.is_fully_defined():
            raise ValueError(
                f"Inputs {value.name}: shape(inputs)[{begin_params_axis}:] is not fully defined: {value.shape}"
            )
        beta = model_variable("beta", shape, kind, Zeros(), trainable=trainable) if center else None
        gamma = model_variable("gamma", shape, kind, Ones(), trainable=trainable) if scale else None
        collect_variable(beta, variables_collections, "beta")
        collect_variable(gamma, variables_collections, "gamma")
        mean, variance = moments(value, list(range(first, rank)), keep_dims=True)
        # float16 cannot hold the smaller one
        epsilon = 1e-3 if kind == dtypes.float16 else 1e-12
        outputs = batch_normalization(value, mean, variance, beta, gamma, epsilon)
        outputs.set_shape(value.shape)
        return collect_output(outputs if activation_fn is None else activation_fn(outputs), outputs_collections)


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: Mapping[str, Any] | None = None,
    param_regularizers: Mapping[str, Any] | None = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: float = 0.99,
    adjustment: Any = None,
) -> Tensor:
    """Mean 0 and variance 1 along each channel, then a learned scale and offset. Source: Ioffe and Szegedy 2015.

    Args:
        inputs: the last dimension, with ``data_format="NCHW"`` the second one, are the channels.
        decay: of the moving averages.
        center: whether there is an offset ``beta``.
        scale: whether there is a scale ``gamma``.
        epsilon: added to the variance.
        activation_fn: applied to the result.
        param_initializers: initializers by "beta", "gamma", "moving_mean" and "moving_variance".
        param_regularizers: regularizers by "beta" and "gamma".
        updates_collections: where the operations go that update the moving averages; None: the result waits for them.
        is_training: a bool or a boolean tensor.
        reuse: whether to take the variables that ``scope`` has.
        variables_collections: collections for the variables: a list, or a dict of lists by their names.
        outputs_collections: collections for the result.
        trainable: whether optimizers train the variables.
        batch_weights, zero_debias_moving_mean, renorm, renorm_clipping, renorm_decay, adjustment: not available.
        fused: False: the moving variance is the biased one for inputs of 2 and 4 dimensions too, as it is for others.
        data_format: "NHWC" or "NCHW".
        scope: the variables' scope, by default "BatchNorm" made unique.

    Raises:
        NotImplementedError: an option that is not available.
        ValueError: rank or channels are not known, or an unknown ``data_format``.
    """
    unavailable = {
        "batch_weights": batch_weights is not None,
        "zero_debias_moving_mean": zero_debias_moving_mean,
        "renorm": renorm,
        "adjustment": adjustment is not None,
    }
    for option, wanted in unavailable.items():
        if wanted:
            raise NotImplementedError(f"batch_norm({option}=...) is not available in dynrnn")
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    initializers, regularizers = dict(param_initializers or {}), dict(param_regularizers or {})
    with variable_scope(scope, "BatchNorm", [inputs], reuse=reuse, custom_getter=model_variable_getter) as captured:
        value = convert_to_tensor(inputs)
        rank = value.shape.ndims
        if rank is None:
            raise ValueError(f"Inputs {value.name} has undefined rank.")
        if updates_collections == GraphKeys.UPDATE_OPS and (rank != 2 or fused is False):
            layer = BatchNormalization(
                axis=1 if data_format == "NCHW" else -1,
                momentum=decay,
                epsilon=epsilon,
                center=center,
                scale=scale,
                beta_initializer=initializers.get("beta", Zeros()),
                gamma_initializer=initializers.get("gamma", Ones()),
                moving_mean_initializer=initializers.get("moving_mean", Zeros()),
                moving_variance_initializer=initializers.get("moving_variance", Ones()),
                beta_regularizer=regularizers.get("beta"),
                gamma_regularizer=regularizers.get("gamma"),
                trainable=trainable,
                fused=fused,
                name=captured.name,
                _scope=captured,
                _reuse=reuse,
            )
            outputs = layer(value, training=is_training)
            for name in ("moving_mean", "moving_variance", "beta", "gamma"):
                collect_variable(getattr(layer, name), variables_collections, name)
        else:
            made = _variables(value, center, scale, initializers, regularizers, trainable, data_format)
            for name, variable in made.items():
                collect_variable(variable, variables_collections, name)
            outputs = _normalised(
                value,
                made,
                decay,
                epsilon,
                is_training,
                rank in (2, 4) and fused is not False,
                data_format,
                updates_collections,
            )
        return collect_output(outputs if activation_fn is None else activation_fn(outputs), outputs_collections)


def _variables(
    value: Tensor,
    center: bool,
    scale: bool,
    initializers: dict[str, Any],
    regularizers: dict[str, Any],
    trainable: bool,
    data_format: str,
) -> dict[str, Any]:
    channels = value.shape[1 if data_format == "NCHW" else -1].value
    if channels is None:
        raise ValueError(f"Inputs {value.name} has undefined channels dimension, got shape {value.shape}.")
    defaults = {"beta": Zeros(), "gamma": Ones(), "moving_mean": Zeros(), "moving_variance": Ones()}
    wanted = {"beta": center, "gamma": scale, "moving_mean": True, "moving_variance": True}
    # half precision keeps its parameters in single precision
    kind = dtypes.float32 if value.dtype.size < 4 else value.dtype.base_dtype
    return {
        name: model_variable(
            name,
            [channels],
            kind,
            initializers.get(name, default),
            regularizers.get(name),
            trainable and not name.startswith("moving"),
        )
        for name, default in defaults.items()
        if wanted[name]
    }


def _normalised(
    value: Tensor,
    made: dict[str, Any],
    decay: float,
    epsilon: float,
    is_training: Any,
    unbiased: bool,
    data_format: str,
    collections: Any,
) -> Tensor:
    """The normalised inputs; the updates of the moving averages go to ``collections``, or before the result."""
    averages = (made["moving_mean"], made["moving_variance"])
    rank = len(value.shape)
    channel = 1 if data_format == "NCHW" else rank - 1
    layout = [-1 if i == channel else 1 for i in range(rank)]

    def normed(of_batch: bool) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = (
            moments(value, [i for i in range(rank) if i != channel]) if of_batch else [a.value() for a in averages]
        )
        center, spread, beta, gamma = (
            None if t is None else array_ops.reshape(t, layout)
            for t in (mean, variance, made.get("beta"), made.get("gamma"))
        )
        return batch_normalization(value, center, spread, beta, gamma, epsilon), mean, variance

    def fused(of_batch: bool) -> tuple[Tensor, Tensor, Tensor]:
        width = averages[0].shape.as_list()
        gamma, beta = made.get("gamma", constant(1.0, shape=width)), made.get("beta", constant(0.0, shape=width))
        images = value
        if rank == 2:
            images = array_ops.reshape(value, [-1, width[0], 1, 1] if data_format == "NCHW" else [-1, 1, 1, width[0]])
        mean, variance = (None, None) if of_batch else averages
        result, mean, variance = fused_batch_norm(images, gamma, beta, mean, variance, epsilon, data_format, of_batch)
        return array_ops.reshape(result, array_ops.shape(value)) if rank == 2 else result, mean, variance

    compute = fused if unbiased else normed
    outputs, *batch = smart_cond(is_training, lambda: compute(True), lambda: compute(False))
    outputs.set_shape(value.shape)
    if static_bool(is_training) is False:
        return outputs

    def update() -> list[Tensor]:
        return [moving_average_update(a, b, decay) for a, b in zip(averages, batch, strict=True)]

    if collections is None:

        def after_updates() -> Tensor:
            return with_dependencies([group(*update())], outputs)

        return smart_cond(is_training, after_updates, lambda: array_ops.identity(outputs))
    for result in smart_cond(is_training, update, lambda: [array_ops.identity(a) for a in averages]):
        get_default_graph().add_to_collections(collections, result)
    return outputs
