"""``tf.layers``: convolution and pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynrnn.tf1 import array_ops
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.init_ops import Zeros
from dynrnn.tf1.layer_base import InputSpec, Layer, activation_function, numbers, static_shape
from dynrnn.tf1.layers_core import checked_format
from dynrnn.tf1.nn_conv import avg_pool, conv1d, conv2d, conv2d_transpose, max_pool, output_size
from dynrnn.tf1.nn_ops import bias_add

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "MaxPooling1D",
    "MaxPooling2D",
    "average_pooling1d",
    "average_pooling2d",
    "max_pooling1d",
    "max_pooling2d",
]


def _checked_padding(value: Any) -> str:
    """``valid`` or ``same``, in either case; ``ValueError`` for another ``padding``."""
    chosen = str(value).lower()
    if chosen not in ("valid", "same"):
        raise ValueError(f'The `padding` argument must be one of "valid", "same". Received: {value}')
    return chosen


# --- convolution ------------------------------------------------------------------------------------------------------


class _Conv(Layer):
    """What the convolutions share: kernel, bias and activation; ``rank`` is the number of spatial dimensions."""

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: Any = 1,
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
        self.filters = int(filters)
        self.kernel_size = numbers(kernel_size, self.rank, "kernel_size")
        self.strides = numbers(strides, self.rank, "strides")
        self.dilation_rate = numbers(dilation_rate, self.rank, "dilation_rate")
        self.padding = _checked_padding(padding)
        self.data_format = checked_format(data_format)
        self.activation = activation_function(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.kernel: Any = None
        self.bias: Any = None

    @property
    def _first(self) -> bool:
        return self.data_format == "channels_first"

    @property
    def _layout(self) -> str:
        """The data format as ``tf.nn`` names it."""
        return {(1, False): "NWC", (1, True): "NCW", (2, False): "NHWC", (2, True): "NCHW"}[self.rank, self._first]

    def _kernel_shape(self, depth: int) -> list[int]:
        return [*self.kernel_size, depth, self.filters]

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias."""
        axis = 1 if self._first else -1
        depth = static_shape(input_shape)[axis].value
        if depth is None:
            raise ValueError("The channel dimension of the inputs should be defined. Found `None`.")
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: depth})
        self.kernel = self.add_weight(
            "kernel",
            self._kernel_shape(depth),
            None,
            self.kernel_initializer,
            self.kernel_regularizer,
            True,
            self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", [self.filters], None, self.bias_initializer, self.bias_regularizer, True, self.bias_constraint
            )
        self.built = True

    def _convolve(self, inputs: Tensor) -> Tensor:
        if self.rank == 1:
            return conv1d(
                inputs,
                self.kernel,
                self.strides[0],
                self.padding.upper(),
                data_format=self._layout,
                dilations=self.dilation_rate[0],
            )
        return conv2d(inputs, self.kernel, self.strides, self.padding.upper(), True, self._layout, self.dilation_rate)

    def call(self, inputs: Any) -> Tensor:
        """The outputs."""
        outputs = self._convolve(inputs)
        if self.bias is not None:
            outputs = bias_add(outputs, self.bias, "NCHW" if self._first else "NHWC")
        return outputs if self.activation is None else self.activation(outputs)

    def _output_length(self, size: int | None, i: int) -> int | None:
        return output_size(size, self.kernel_size[i], self.strides[i], self.padding.upper(), self.dilation_rate[i])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The input's shape with other spatial dimensions and ``filters`` channels."""
        dims = static_shape(input_shape).with_rank(self.rank + 2).as_list()
        sizes = dims[2:] if self._first else dims[1:-1]
        new = [self._output_length(size, i) for i, size in enumerate(sizes)]
        return TensorShape([dims[0], self.filters, *new] if self._first else [dims[0], *new, self.filters])


class Conv1D(_Conv):
    """Convolution of sequences [batch, steps, channels] along the steps, plus bias, and an activation.

    Args:
        filters: the number of new channels.
        kernel_size: the width of the kernel: an int or a list of one.
        strides, dilation_rate: likewise.
        padding: "valid" or "same".
        data_format: "channels_last", or "channels_first" for [batch, channels, steps].
        activation: and all that follow: as in ``tf.layers.Dense``.

    Attributes:
        kernel: [width, channels, filters].
        bias: [filters], or None.

    Raises:
        ValueError: an unknown padding or format; at the first call, inputs of another rank or unknown channels.
    """

    rank = 1


class Conv2D(_Conv):
    """Convolution of images [batch, height, width, channels], plus bias, and an activation.

    Args:
        filters: the number of new channels.
        kernel_size: the size of the kernel: an int or a pair.
        strides, dilation_rate: likewise.
        padding: "valid" or "same".
        data_format: "channels_last", or "channels_first" for [batch, channels, height, width].
        activation: and all that follow: as in ``tf.layers.Dense``.

    Attributes:
        kernel: [height, width, channels, filters].
        bias: [filters], or None.

    Raises:
        ValueError: an unknown padding or format; at the first call, inputs of another rank or unknown channels.
    """

    rank = 2


class Conv2DTranspose(Conv2D):
    """The transpose of :class:`Conv2D`: larger images from smaller; ``kernel`` is [height, width, filters, channels].

    Args:
        filters, kernel_size, strides, padding, data_format: as in :class:`Conv2D`.
        activation: and all that follow: as in ``tf.layers.Dense``.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, data_format, activation=activation, use_bias=use_bias, **kwargs
        )

    def _kernel_shape(self, depth: int) -> list[int]:
        return [*self.kernel_size, self.filters, depth]

    def _output_length(self, size: Any, i: int) -> Any:
        stride = self.strides[i]
        if size is None:
            return None
        return size * stride + (0 if self.padding == "same" else max(self.kernel_size[i] - stride, 0))

    def _convolve(self, inputs: Tensor) -> Tensor:
        static, dynamic = inputs.shape.as_list(), array_ops.shape(inputs)
        axes = (2, 3) if self._first else (1, 2)
        sizes = [
            self._output_length(dynamic[axis] if static[axis] is None else static[axis], i)
            for i, axis in enumerate(axes)
        ]
        target = [dynamic[0], self.filters, *sizes] if self._first else [dynamic[0], *sizes, self.filters]
        outputs = conv2d_transpose(
            inputs, self.kernel, array_ops.stack(target), self.strides, self.padding.upper(), self._layout
        )
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return outputs


# --- pooling ----------------------------------------------------------------------------------------------------------


class _Pooling(Layer):
    """What the poolings share; ``rank`` is the number of spatial dimensions, ``function`` the one of ``tf.nn``."""

    rank: int
    function: Callable[..., Tensor]

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = numbers(pool_size, self.rank, "pool_size")
        self.strides = numbers(pool_size if strides is None else strides, self.rank, "strides")
        self.padding = _checked_padding(padding)
        self.data_format = checked_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Tensor:
        """One number for each window."""
        first = self.data_format == "channels_first"
        layout = "NCHW" if first else "NHWC"
        pool = type(self).function
        if self.rank == 2:
            return pool(inputs, self.pool_size, self.strides, self.padding.upper(), layout)
        axis = 3 if first else 2
        images = array_ops.expand_dims(inputs, axis)
        window, steps = (*self.pool_size, 1), (*self.strides, 1)
        return array_ops.squeeze(pool(images, window, steps, self.padding.upper(), layout), [axis])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The input's shape with other spatial dimensions."""
        dims = static_shape(input_shape).with_rank(self.rank + 2).as_list()
        start = 2 if self.data_format == "channels_first" else 1
        for i in range(self.rank):
            size = dims[start + i]
            dims[start + i] = output_size(size, self.pool_size[i], self.strides[i], self.padding.upper())
        return TensorShape(dims)


class MaxPooling1D(_Pooling):
    """The maximum of each window of sequences [batch, steps, channels].

    Args:
        pool_size, strides: an int or a list of one.
        padding: "valid" or "same".
        data_format: "channels_last", or "channels_first" for [batch, channels, steps].
        name, kwargs: as in :class:`Layer`.
    """

    rank, function = 1, staticmethod(max_pool)


class MaxPooling2D(_Pooling):
    """The maximum of each window of images [batch, height, width, channels].

    Args:
        pool_size, strides: an int or a pair.
        padding: "valid" or "same".
        data_format: "channels_last", or "channels_first" for [batch, channels, height, width].
        name, kwargs: as in :class:`Layer`.
    """

    rank, function = 2, staticmethod(max_pool)


class AveragePooling1D(_Pooling):
    """The mean of each window of sequences; arguments as :class:`MaxPooling1D`."""

    rank, function = 1, staticmethod(avg_pool)


class AveragePooling2D(_Pooling):
    """The mean of each window of images; arguments as :class:`MaxPooling2D`."""

    rank, function = 2, staticmethod(avg_pool)


def max_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """A :class:`MaxPooling1D` layer on ``inputs``."""
    return MaxPooling1D(pool_size, strides, padding, data_format, name)(inputs)


def max_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """A :class:`MaxPooling2D` layer on ``inputs``."""
    return MaxPooling2D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """An :class:`AveragePooling1D` layer on ``inputs``."""
    return AveragePooling1D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """An :class:`AveragePooling2D` layer on ``inputs``."""
    return AveragePooling2D(pool_size, strides, padding, data_format, name)(inputs)
