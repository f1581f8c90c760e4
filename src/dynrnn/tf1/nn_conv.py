"""``tf.nn``: convolution and pooling of sequences and images.

TensorFlow's layouts and paddings on torch's kernels. ``"SAME"`` padding makes the output ``ceil(size / stride)`` long
and puts the odd element at the end; averages count only what is not padding. ``"NHWC"`` images are handed to torch as
views in its channels-last format, so that no copy is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from dynrnn.tf1 import array_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value_as_shape
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.nn_ops import floating_tensor

__all__ = ["avg_pool", "conv1d", "conv2d", "conv2d_transpose", "convolution", "depthwise_conv2d", "max_pool"]

Pair = tuple[int, int]


# --- arguments --------------------------------------------------------------------------------------------------------


def channels_first(data_format: Any, rank: int = 4) -> bool:
    """Whether ``data_format`` has the channels before the spatial dimensions; ``ValueError`` when it is unknown."""
    known = {3: ("NWC", "NCW"), 4: ("NHWC", "NCHW")}[rank]
    if data_format is None or data_format == known[0]:
        return False
    # conv1d also took the names of the two-dimensional formats
    if data_format == known[1] or (rank == 3 and data_format == "NCHW"):
        return True
    if rank == 3 and data_format == "NHWC":
        return False
    raise ValueError(f"data_format must be {known[0]} or {known[1]}, got {data_format!r}")


def _spatial(value: Any, first: bool, what: str) -> Pair:
    """Two numbers from an int, a pair, or one number per dimension (1 for batch and channels)."""
    numbers = [int(n) for n in value] if isinstance(value, (list, tuple)) else [int(value)]
    if len(numbers) == 4:
        batch, (height, width), depth = numbers[0], numbers[2:] if first else numbers[1:3], numbers[1 if first else 3]
        if batch != 1 or depth != 1:
            raise ValueError(f"{what} must be 1 in the batch and channel dimensions, got {numbers}")
    elif len(numbers) in (1, 2):
        height, width = numbers[0], numbers[-1]
    else:
        raise ValueError(f"{what} must be an int or a list of 1, 2 or 4 ints, got {numbers}")
    if height < 1 or width < 1:
        raise ValueError(f"{what} must be positive, got {numbers}")
    return height, width


def _padding(value: Any, op_type: str) -> str:
    if value not in ("SAME", "VALID"):
        raise ValueError(f"Attr 'padding' of '{op_type}' Op passed {value!r} not in: \"SAME\", \"VALID\".")
    return value


# --- sizes ------------------------------------------------------------------------------------------------------------


def output_size(size: int | None, window: int | None, stride: int, padding: str, dilation: int = 1) -> int | None:
    """The length of the result along one dimension, None if not known; ``ValueError`` when the window does not fit."""
    if size is None:
        return None
    if padding == "SAME":
        return -(-size // stride)
    if window is None:
        return None
    extent = (window - 1) * dilation + 1
    if size < extent:
        raise ValueError(f"Negative dimension size caused by subtracting {extent} from {size}")
    return (size - extent) // stride + 1


def _same_pads(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """How much "SAME" adds before and after."""
    total = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def _pads(
    images: torch.Tensor, window: Sequence[int], strides: Pair, padding: str, dilations: Pair = (1, 1)
) -> tuple[int, int, int, int]:
    """Padding of [batch, channels, height, width] images in torch's order: left, right, top, bottom."""
    if padding == "VALID":
        return 0, 0, 0, 0
    top, bottom = _same_pads(images.shape[2], window[0], strides[0], dilations[0])
    left, right = _same_pads(images.shape[3], window[1], strides[1], dilations[1])
    return left, right, top, bottom


def _windowed_shape(
    source: TensorShape, window: Sequence[int | None], channels: int | None, attrs: dict[str, Any]
) -> TensorShape:
    """The shape of a convolution's or a pooling's result: the source's with other sizes and ``channels``."""
    dims = source.with_rank(4).as_list()
    first = attrs["first"]
    for i in range(2):
        axis, dilation = 2 + i if first else 1 + i, attrs.get("dilations", (1, 1))[i]
        dims[axis] = output_size(dims[axis], window[i], attrs["strides"][i], attrs["padding"], dilation)
    dims[1 if first else 3] = channels
    return TensorShape(dims)


def _to_torch(images: torch.Tensor, first: bool) -> torch.Tensor:
    return images if first else images.permute(0, 3, 1, 2)


def _from_torch(images: torch.Tensor, first: bool) -> torch.Tensor:
    return images if first else images.permute(0, 2, 3, 1)


def _channels(images: TensorShape, first: bool) -> int | None:
    return images[1 if first else 3].value


# --- convolution ------------------------------------------------------------------------------------------------------


def _infer_conv(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    images, filters = inputs[0].shape.with_rank(4), inputs[1].shape.with_rank(4)
    depth, taken = _channels(images, attrs["first"]), filters[2].value
    if depth is not None and taken and depth % taken:
        raise ValueError(f"Depth of input ({depth}) is not a multiple of input depth of filter ({taken})")
    shape = _windowed_shape(images, filters.as_list()[:2], filters[3].value, attrs)
    return [(inputs[0].dtype.base_dtype, shape)]


@register("Conv2D", _infer_conv)
def _conv2d(
    images: torch.Tensor, filters: torch.Tensor, *, strides: Pair, padding: str, dilations: Pair, first: bool
) -> torch.Tensor:
    value = _to_torch(images, first)
    if value.shape[1] % filters.shape[2]:
        raise ValueError(
            f"Depth of input ({value.shape[1]}) is not a multiple of input depth of filter ({filters.shape[2]})"
        )
    groups = value.shape[1] // filters.shape[2]
    return _from_torch(_convolved(value, filters.permute(3, 2, 0, 1), strides, padding, dilations, groups), first)


def _convolved(
    value: torch.Tensor, weights: torch.Tensor, strides: Pair, padding: str, dilations: Pair, groups: int
) -> torch.Tensor:
    left, right, top, bottom = _pads(value, weights.shape[2:], strides, padding, dilations)
    if (left, top) != (right, bottom):
        value, left, top = functional.pad(value, (left, right, top, bottom)), 0, 0
    return functional.conv2d(value, weights, None, strides, (top, left), dilations, groups)


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Two-dimensional convolution (correlation: the kernel is not flipped).

    Args:
        input: [batch, height, width, channels], or [batch, channels, height, width] with ``data_format="NCHW"``.
        filter: [height, width, channels, new channels].
        strides: an int, or one per spatial dimension, or one per dimension.
        padding: "SAME" or "VALID".
        use_cudnn_on_gpu: accepted, no effect.
        data_format: "NHWC" or "NCHW".
        dilations: distance of the kernel's elements, as ``strides``.
        name: operation name.
        filters: another name of ``filter``.

    Raises:
        ValueError: other ranks, channels that differ, a kernel larger than the image, or an unknown padding.
    """
    first = channels_first(data_format)
    images = floating_tensor(input, "input", "input")
    weights = convert_to_tensor(filters if filter is None else filter, images.dtype, name="filter")
    return apply(
        "Conv2D",
        [images, weights],
        name,
        strides=_spatial(strides, first, "strides"),
        padding=_padding(padding, "Conv2D"),
        dilations=_spatial(dilations, first, "dilations"),
        first=first,
    )


def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Convolution along the steps of [batch, steps, channels] (``data_format="NCW"``: [batch, channels, steps]).

    Args:
        value: the sequences.
        filters: [width, channels, new channels].
        stride: an int, or a list of one or of one per dimension.
        padding: "SAME" or "VALID".
        use_cudnn_on_gpu: accepted, no effect.
        data_format: "NWC" or "NCW".
        name: name scope.
        input: another name of ``value``.
        dilations: distance of the kernel's elements, as ``stride``.

    Raises:
        ValueError: as :func:`conv2d`.
    """
    first = channels_first(data_format, 3)
    axis = 2 if first else 1
    with name_scope(name, "conv1d") as scope:
        sequences = array_ops.expand_dims(input if value is None else value, axis)
        result = conv2d(
            sequences,
            array_ops.expand_dims(filters, 0),
            (1, _along_steps(stride, axis)),
            padding,
            data_format="NCHW" if first else "NHWC",
            dilations=(1, _along_steps(1 if dilations is None else dilations, axis)),
            name=scope,
        )
        return array_ops.squeeze(result, [axis])


def _along_steps(value: Any, axis: int) -> int:
    """The number for the steps from an int, a list of one, or one number per dimension."""
    numbers = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(numbers) not in (1, 3):
        raise ValueError(f"stride must be an int or a list of 1 or 3 ints, got {value!r}")
    return int(numbers[axis if len(numbers) == 3 else 0])


def convolution(
    input: Any,
    filter: Any = None,
    padding: Any = None,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """:func:`conv1d` or :func:`conv2d`, as the rank of ``input`` (3 or 4) says.

    Raises:
        ValueError: another rank, or as these.
    """
    tensor = convert_to_tensor(input)
    weights = filters if filter is None else filter
    distance = (dilations if dilation_rate is None else dilation_rate) or 1
    with name_scope(name, "convolution") as scope:
        if tensor.shape.ndims == 3:
            return conv1d(
                tensor, weights, strides or 1, padding, data_format=data_format, name=scope, dilations=distance
            )
        if tensor.shape.ndims != 4:
            raise ValueError(f"input must have 3 or 4 dimensions, got shape {tensor.shape}")
        return conv2d(tensor, weights, strides or 1, padding, True, data_format or "NHWC", distance, scope)


def _infer_depthwise(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    images, filters = inputs[0].shape.with_rank(4), inputs[1].shape.with_rank(4)
    depth, taken, factor = _channels(images, attrs["first"]), filters[2].value, filters[3].value
    if depth is not None and taken is not None and depth != taken:
        raise ValueError(f"Dimensions must be equal, but are {depth} and {taken}")
    depth = taken if depth is None else depth
    channels = None if depth is None or factor is None else depth * factor
    return [(inputs[0].dtype.base_dtype, _windowed_shape(images, filters.as_list()[:2], channels, attrs))]


@register("DepthwiseConv2dNative", _infer_depthwise)
def _depthwise(
    images: torch.Tensor, filters: torch.Tensor, *, strides: Pair, padding: str, dilations: Pair, first: bool
) -> torch.Tensor:
    height, width, depth, factor = filters.shape
    weights = filters.permute(2, 3, 0, 1).reshape(depth * factor, 1, height, width)
    return _from_torch(_convolved(_to_torch(images, first), weights, strides, padding, dilations, depth), first)


def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Each channel by itself convolved with the kernels of ``filter`` [height, width, channels, factor].

    The result has ``channels * factor`` channels. Arguments and errors as :func:`conv2d`; ``rate`` are the dilations.
    """
    first = channels_first(data_format)
    with name_scope(name, "depthwise") as scope:
        images = floating_tensor(input, "input", "tensor_in")
        return apply(
            "DepthwiseConv2dNative",
            [images, convert_to_tensor(filter, images.dtype, name="filter_in")],
            scope,
            strides=_spatial(strides, first, "strides"),
            padding=_padding(padding, "DepthwiseConv2dNative"),
            dilations=_spatial((dilations if rate is None else rate) or 1, first, "dilations"),
            first=first,
        )


def _infer_transpose(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    images, filters = inputs[0].shape.with_rank(4), inputs[1].shape.with_rank(4)
    first = attrs["first"]
    depth = _channels(images, first)
    if depth is not None and filters[3].value not in (None, depth):
        raise ValueError(f"Dimensions must be equal, but are {depth} and {filters[3].value}")
    dims = constant_value_as_shape(inputs[2]).with_rank(4).as_list()
    channel = 1 if first else 3
    if dims[channel] is not None and filters[2].value not in (None, dims[channel]):
        raise ValueError(f"output_shape does not match filter's output channels, {dims[channel]} != {filters[2].value}")
    return [(inputs[0].dtype.base_dtype, TensorShape([images[0], *dims[1:]]))]


@register("Conv2DBackpropInput", _infer_transpose)
def _conv2d_transpose(
    images: torch.Tensor, filters: torch.Tensor, output_shape: torch.Tensor, *, strides: Pair, padding: str, first: bool
) -> torch.Tensor:
    value = _to_torch(images, first)
    wanted = output_shape.tolist()
    sizes = wanted[2:] if first else wanted[1:3]
    for i, size in enumerate(sizes):
        if output_size(size, filters.shape[i], strides[i], padding) != value.shape[2 + i]:
            raise ValueError(
                f"output_shape {wanted} does not fit an input of shape {list(images.shape)} with a filter of "
                f"{list(filters.shape)}, strides {list(strides)} and padding {padding}"
            )
    full = functional.conv_transpose2d(value, filters.permute(3, 2, 0, 1), stride=strides)
    # what "SAME" would have padded is cut off; elements that no window reached are zeros
    crop = []
    for i in (1, 0):
        start = _same_pads(sizes[i], filters.shape[i], strides[i])[0] if padding == "SAME" else 0
        crop += [-start, sizes[i] + start - full.shape[2 + i]]
    return _from_torch(functional.pad(full, crop), first)


def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
) -> Tensor:
    """The transpose of :func:`conv2d`: from its result's shape to its input's.

    Args:
        value: as the result of a convolution.
        filter: [height, width, new channels, channels].
        output_shape: the shape of the result; a list or a tensor.
        strides: those of the convolution.
        padding: that of the convolution.
        data_format: "NHWC" or "NCHW".
        name: name scope.
        input: another name of ``value``.
        filters: another name of ``filter``.

    Raises:
        ValueError: shapes that do not fit, or an unknown padding.
    """
    first = channels_first(data_format)
    with name_scope(name, "conv2d_transpose") as scope:
        images = floating_tensor(input if value is None else value, "value", "value")
        weights = convert_to_tensor(filters if filter is None else filter, images.dtype, name="filter")
        sizes_dtype = getattr(output_shape, "dtype", dtypes.int32)
        return apply(
            "Conv2DBackpropInput",
            [images, weights, convert_to_tensor(output_shape, sizes_dtype, name="output_shape")],
            scope,
            strides=_spatial(strides, first, "strides"),
            padding=_padding(padding, "Conv2DBackpropInput"),
            first=first,
        )


# --- pooling ----------------------------------------------------------------------------------------------------------


def _infer_pool(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    images = inputs[0].shape.with_rank(4)
    return [
        (inputs[0].dtype.base_dtype, _windowed_shape(images, attrs["ksize"], _channels(images, attrs["first"]), attrs))
    ]


@register("MaxPool", _infer_pool)
def _max_pool(images: torch.Tensor, *, ksize: Pair, strides: Pair, padding: str, first: bool) -> torch.Tensor:
    value = _to_torch(images, first)
    lowest = float("-inf") if value.is_floating_point() else torch.iinfo(value.dtype).min
    padded = functional.pad(value, _pads(value, ksize, strides, padding), value=lowest)
    return _from_torch(functional.max_pool2d(padded, ksize, strides), first)


@register("AvgPool", _infer_pool)
def _avg_pool(images: torch.Tensor, *, ksize: Pair, strides: Pair, padding: str, first: bool) -> torch.Tensor:
    value = _to_torch(images, first)
    pads = _pads(value, ksize, strides, padding)
    if not any(pads):
        return _from_torch(functional.avg_pool2d(value, ksize, strides), first)
    sums = functional.avg_pool2d(functional.pad(value, pads), ksize, strides, divisor_override=1)
    ones = functional.pad(torch.ones_like(value[:1, :1]), pads)
    return _from_torch(sums / functional.avg_pool2d(ones, ksize, strides, divisor_override=1), first)


def max_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The maximum of each window of the images ``value`` [batch, height, width, channels].

    Args:
        value: the images; [batch, channels, height, width] with ``data_format="NCHW"``.
        ksize: size of the window: an int, or one per spatial dimension, or one per dimension.
        strides: as ``ksize``.
        padding: "SAME" or "VALID".
        data_format: "NHWC" or "NCHW".
        name: operation name.
        input: another name of ``value``.

    Raises:
        ValueError: another rank, a window larger than the image, or an unknown padding.
    """
    return _pool("MaxPool", input if value is None else value, ksize, strides, padding, data_format, name)


def avg_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The mean of each window of ``value``, padding not counted; arguments and errors as :func:`max_pool`."""
    with name_scope(name, "AvgPool") as scope:
        images = floating_tensor(input if value is None else value, "value", "value")
        return _pool("AvgPool", images, ksize, strides, padding, data_format, scope)


def _pool(
    op_type: str, value: Any, ksize: Any, strides: Any, padding: Any, data_format: str, name: str | None
) -> Tensor:
    first = channels_first(data_format)
    return apply(
        op_type,
        [value],
        name,
        ksize=_spatial(ksize, first, "ksize"),
        strides=_spatial(strides, first, "strides"),
        padding=_padding(padding, op_type),
        first=first,
    )
