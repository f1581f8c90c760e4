"""``tf.layers``: dense layers, dropout, flattening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.init_ops import Zeros
from dynrnn.tf1.layer_base import InputSpec, Layer, activation_function, smart_cond, static_shape
from dynrnn.tf1.nn_ops import bias_add
from dynrnn.tf1.nn_ops import dropout as nn_dropout

__all__ = ["Dense", "Dropout", "Flatten", "dense", "dropout", "flatten"]


class Dense(Layer):
    """``activation(inputs @ kernel + bias)`` over the last dimension.

    Args:
        units: the size of the outputs' last dimension.
        activation: a function or a Keras name; None for none.
        use_bias: whether there is a bias.
        kernel_initializer: by default the variable scope's, else Glorot uniform.
        bias_initializer: zeros by default.
        kernel_regularizer, bias_regularizer: functions of the variable, whose results are regularization losses.
        activity_regularizer: function of the outputs, whose result is one too.
        kernel_constraint, bias_constraint: functions that optimizers apply after each update.
        trainable, name, kwargs: as in :class:`Layer`.

    Attributes:
        kernel: [depth, units].
        bias: [units], or None.

    Raises:
        ValueError: at the first call, when the last dimension of the inputs is not known or there is only one.
        TypeError: integer inputs.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = Zeros(),  # noqa: B008 - has no state
        kernel_regularizer: Callable[..., Any] | None = None,
        bias_regularizer: Callable[..., Any] | None = None,
        activity_regularizer: Callable[..., Any] | None = None,
        kernel_constraint: Callable[..., Any] | None = None,
        bias_constraint: Callable[..., Any] | None = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.units = int(units)
        self.activation = activation_function(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(min_ndim=2)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias."""
        kind = as_dtype(self.dtype or dtypes.float32)
        if not (kind.is_floating or kind.is_complex):
            raise TypeError(f"Unable to build `Dense` layer with non-floating point dtype {kind.name}")
        depth = _last_dimension(input_shape)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: depth})
        self.kernel = self.add_weight(
            "kernel",
            [depth, self.units],
            None,
            self.kernel_initializer,
            self.kernel_regularizer,
            True,
            self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", [self.units], None, self.bias_initializer, self.bias_regularizer, True, self.bias_constraint
            )
        self.built = True

    def call(self, inputs: Any) -> Tensor:
        """The outputs, of the inputs' shape but for the last dimension."""
        outputs = math_ops.matmul(inputs, self.kernel, name=None if inputs.shape.ndims == 2 else "Tensordot")
        if self.bias is not None:
            outputs = bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """``input_shape`` with ``units`` as the last dimension."""
        shape = static_shape(input_shape).with_rank_at_least(2)
        _last_dimension(shape)
        return shape[:-1].concatenate(self.units)


def _last_dimension(input_shape: Any) -> int:
    shape = static_shape(input_shape)
    if shape.ndims is None or shape[-1].value is None:
        raise ValueError("The last dimension of the inputs to `Dense` should be defined. Found `None`.")
    return shape[-1].value


def dense(
    inputs: Any,
    units: int,
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = Zeros(),  # noqa: B008 - has no state
    kernel_regularizer: Callable[..., Any] | None = None,
    bias_regularizer: Callable[..., Any] | None = None,
    activity_regularizer: Callable[..., Any] | None = None,
    kernel_constraint: Callable[..., Any] | None = None,
    bias_constraint: Callable[..., Any] | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """A :class:`Dense` layer on ``inputs``; ``reuse=True`` with a ``name`` takes the variables that are there."""
    return Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer,
        bias_initializer=bias_initializer,
        kernel_regularizer=kernel_regularizer,
        bias_regularizer=bias_regularizer,
        activity_regularizer=activity_regularizer,
        kernel_constraint=kernel_constraint,
        bias_constraint=bias_constraint,
        trainable=trainable,
        name=name,
        _scope=name,
        _reuse=reuse,
    )(inputs)


class Dropout(Layer):
    """When training, each element with probability ``rate`` set to 0 and the others divided by ``1 - rate``.

    Args:
        rate: probability.
        noise_shape: shape of the random numbers, by default that of the inputs.
        seed: the operation's seed.
        name, kwargs: as in :class:`Layer`.
    """

    def __init__(
        self, rate: Any = 0.5, noise_shape: Any = None, seed: int | None = None, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs: Any, training: Any = False) -> Tensor:
        """The inputs, with dropout if ``training``: a bool or a boolean tensor."""

        def dropped() -> Tensor:
            return nn_dropout(inputs, noise_shape=self.noise_shape, seed=self.seed, rate=self.rate)

        return smart_cond(training, dropped, lambda: array_ops.identity(inputs))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """``input_shape``."""
        return static_shape(input_shape)


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Tensor:
    """A :class:`Dropout` layer on ``inputs``; it does nothing unless ``training``."""
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


class Flatten(Layer):
    """All dimensions but the first made one.

    Args:
        data_format: "channels_first" moves the channels of images behind their other dimensions first.
        name, kwargs: as in :class:`Layer`.
    """

    def __init__(self, data_format: str | None = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.data_format = checked_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Tensor:
        """[batch, everything else]."""
        rank = inputs.shape.ndims
        if rank == 1:
            return array_ops.expand_dims(inputs, 1)
        if self.data_format == "channels_first" and rank > 2:
            inputs = array_ops.transpose(inputs, [0, *range(2, rank), 1])
        shape = self.compute_output_shape(inputs.shape)
        # with a known width an empty batch is no difficulty
        width = shape[1].value
        target = [array_ops.shape(inputs)[0], -1] if not width else [-1, width]
        outputs = array_ops.reshape(inputs, target)
        outputs.set_shape(shape)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """[batch, product of the other dimensions]."""
        shape = static_shape(input_shape)
        if shape.ndims is None:
            return TensorShape([None, None])
        dims = shape.as_list()
        # a vector has rows of one number
        return TensorShape([dims[0], TensorShape(dims[1:]).num_elements()])


def checked_format(value: Any) -> str:
    """``channels_last`` (also for None) or ``channels_first``; ``ValueError`` for another ``data_format``."""
    chosen = "channels_last" if value is None else str(value).lower()
    if chosen not in ("channels_last", "channels_first"):
        raise ValueError(
            f'The `data_format` argument must be one of "channels_first", "channels_last". Received: {value}'
        )
    return chosen


def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Tensor:
    """A :class:`Flatten` layer on ``inputs``."""
    return Flatten(data_format, name)(inputs)
