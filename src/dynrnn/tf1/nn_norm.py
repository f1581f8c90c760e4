"""``tf.nn``: moments and batch normalisation. Source: Ioffe and Szegedy 2015."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply_many
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
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
        factor = math_ops.rsqrt(variance + variance_epsilon)
        if scale is not None:
            factor = factor * scale
        product = value * math_ops.cast(factor, value.dtype)
        rest = -mean * factor if offset is None else offset - mean * factor
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
    input: Any = None,
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
        name: operation name.

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
    # when training there are none to use, and the kernel takes those of the batch; they have no derivative
    given = [] if is_training else [array_ops.stop_gradient(mean), array_ops.stop_gradient(variance)]
    results = apply_many(
        "FusedBatchNormV3",
        [floating_tensor(x, "x", "x"), scale, offset, *given],
        name,
        epsilon=max(epsilon, 1.001e-5),
        channel=1 if data_format == "NCHW" else 3,
    )
    return results[0], results[1], results[2]


def _infer_fused(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    images = inputs[0].shape.with_rank(4)
    channels = images[attrs["channel"]]
    for vector in inputs[1:]:
        channels = channels.merge_with(vector.shape.with_rank(1)[0])
    dims = images.as_list()
    dims[attrs["channel"]] = channels.value
    statistics = (inputs[1].dtype.base_dtype, TensorShape([channels]))
    return [(inputs[0].dtype.base_dtype, TensorShape(dims)), statistics, statistics]


@register("FusedBatchNormV3", _infer_fused)
def _fused_batch_norm(
    images: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor, *given: torch.Tensor, epsilon: float, channel: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    value = (images if channel == 1 else images.permute(0, 3, 1, 2)).to(scale.dtype)
    mean, variance = given or (None, None)
    result = torch.batch_norm(value, scale, offset, mean, variance, not given, 0.0, epsilon, False).to(images.dtype)
    if mean is None or variance is None:
        # as results they have no derivative either
        variance, mean = torch.var_mean(value.detach(), (0, 2, 3), correction=0)
        count = value.numel() // max(value.shape[1], 1)
        variance = variance * (count / max(count - 1, 1))
    return result if channel == 1 else result.permute(0, 2, 3, 1), mean, variance
