"""``tf.nn``: moments and batch normalisation. Source: Ioffe and Szegedy 2015."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.nn_ops import floating_tensor

__all__ = ["batch_norm_with_global_normalization", "batch_normalization", "fused_batch_norm", "moments"]


def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance over ``axes``.

    float16 is summed in float32. ``shift`` is accepted and not used, as in TensorFlow.
    """
    if keep_dims is not None and keepdims is not None:
        raise ValueError("Cannot specify both 'keep_dims' and 'keepdims'")
    keep = bool(keep_dims or keepdims)
    with name_scope(name, "moments"):
        tensor = convert_to_tensor(x, name="x")
        kind = tensor.dtype.base_dtype
        values = math_ops.cast(tensor, dtypes.float32) if kind == dtypes.float16 else tensor
        mean = math_ops.reduce_mean(values, axes, keepdims=True, name="mean")
        deviation = math_ops.squared_difference(values, array_ops.stop_gradient(mean))
        variance = math_ops.reduce_mean(deviation, axes, keepdims=True, name="variance")
        if not keep:
            mean, variance = array_ops.squeeze(mean, axes), array_ops.squeeze(variance, axes)
        return math_ops.cast(mean, kind), math_ops.cast(variance, kind)


def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any, name: str | None = None
) -> Tensor:
    """``(x - mean) / sqrt(variance + variance_epsilon) * scale + offset``; ``scale`` and ``offset`` may be None."""
    with name_scope(name, "batchnorm"):
        value = convert_to_tensor(x)
        factor = math_ops.rsqrt(convert_to_tensor(variance) + variance_epsilon)
        if scale is not None:
            factor = factor * scale
        product = value * math_ops.cast(factor, value.dtype)
        center = convert_to_tensor(mean)
        rest = -center * factor if offset is None else convert_to_tensor(offset) - center * factor
        return product + math_ops.cast(rest, value.dtype)


def batch_norm_with_global_normalization(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: Any = None,
    scale_after_normalization: bool | None = None,
    name: str | None = None,
    input: Any = None,  # noqa: A002
    mean: Any = None,
    variance: Any = None,
) -> Tensor:
    """:func:`batch_normalization` under its first name; ``gamma`` counts only with ``scale_after_normalization``."""
    value, center, spread = (b if a is None else a for a, b in ((t, input), (m, mean), (v, variance)))
    scale = gamma if scale_after_normalization else None
    return batch_normalization(value, center, spread, beta, scale, variance_epsilon, name)


def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation of images over all but their channels.

    Args:
        x: [batch, height, width, channels], or [batch, channels, height, width] with ``data_format="NCHW"``.
        scale: [channels].
        offset: [channels].
        mean: [channels], used when not training.
        variance: [channels], used when not training.
        epsilon: added to the variance, at least 1.001e-5.
        data_format: where the channels are.
        is_training: whether to take the moments of the batch.
        name: name scope.

    Returns:
        The normalised images, the mean, and the variance; when training that of the batch, the variance *unbiased*
        (divided by the count less one), while the images are normalised by the biased one.

    Raises:
        ValueError: mean or variance missing when not training, or an unknown ``data_format``.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"data_format must be NHWC or NCHW, got {data_format!r}")
    if not is_training and (mean is None or variance is None):
        raise ValueError("Both 'mean' and 'variance' must be a 1D tensor when is_training is False.")
    with name_scope(name, "FusedBatchNorm"):
        value = floating_tensor(x, "x", "x")
        value.shape.with_rank(4)
        axes, channels = ([0, 1, 2], 3) if data_format == "NHWC" else ([0, 2, 3], 1)
        precise = math_ops.cast(value, dtypes.float32) if value.dtype.size < 4 else value
        if not is_training:
            center, spread = convert_to_tensor(mean), convert_to_tensor(variance)
        else:
            center, spread = moments(precise, axes)
        layout = [-1 if axis == channels else 1 for axis in range(4)]
        shaped = [array_ops.reshape(t, layout) for t in (center, spread, offset, scale)]
        result = math_ops.cast(batch_normalization(precise, *shaped, max(epsilon, 1.001e-5)), value.dtype)
        if is_training:
            dims = array_ops.shape(precise)
            count = math_ops.cast(dims[axes[0]] * dims[axes[1]] * dims[axes[2]], spread.dtype)
            spread = spread * (count / math_ops.maximum(count - 1.0, 1.0))
        return result, center, spread
