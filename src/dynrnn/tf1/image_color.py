"""``tf.image``: dtypes, brightness, contrast, colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.ops.signature import FLOATS, create, operation
from dynrnn.tf1.random_ops import random_uniform

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "convert_image_dtype",
    "grayscale_to_rgb",
    "hsv_to_rgb",
    "per_image_standardization",
    "random_brightness",
    "random_contrast",
    "random_hue",
    "random_saturation",
    "rgb_to_grayscale",
    "rgb_to_hsv",
]

_GRAY = (0.2989, 0.5870, 0.1140)


def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """An image of another dtype, its values scaled: floats are in [0, 1], integers in [0, the largest].

    Args:
        image: any real dtype.
        dtype: the new one.
        saturate: whether values out of range are clipped.
        name: operation name.
    """
    value, target = convert_to_tensor(image, name="image"), as_dtype(dtype)
    source = value.dtype.base_dtype
    if source == target:
        return array_ops.identity(value, name=name)
    change = math_ops.saturate_cast if saturate else math_ops.cast
    with name_scope(name, "convert_image"):
        if source.is_integer and target.is_integer:
            return _integers(value, source, target, saturate)
        if source.is_floating and target.is_floating:
            return math_ops.cast(value, target)
        if source.is_integer:
            return math_ops.multiply(math_ops.cast(value, target), 1.0 / source.max)
        # half of a step above the largest, so that each integer stands for an equal part of [0, 1]
        return change(math_ops.multiply(value, target.max + 0.5), target)


def _integers(value: Tensor, source: DType, target: DType, saturate: bool) -> Tensor:
    if source.max > target.max:
        scale = (source.max + 1) // (target.max + 1)
        scaled = math_ops.floor_div(value, scale)
        return (math_ops.saturate_cast if saturate else math_ops.cast)(scaled, target)
    wide = (math_ops.saturate_cast if saturate else math_ops.cast)(value, target)
    return math_ops.multiply(wide, (target.max + 1) // (source.max + 1))


def _as_float(image: Tensor, function: Any) -> Tensor:
    """``function`` of the image as float, given back in the image's dtype."""
    source = image.dtype.base_dtype
    if source in (dtypes.float16, dtypes.float32):
        return function(image)
    return convert_image_dtype(function(convert_image_dtype(image, dtypes.float32)), source, saturate=True)


# --- brightness and contrast ------------------------------------------------------------------------------------------


def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """``image`` plus ``delta``, a number in [0, 1) of the range of values."""
    with name_scope(None, "adjust_brightness"):
        value = convert_to_tensor(image, name="image")
        return _as_float(value, lambda v: v + math_ops.cast(delta, v.dtype.base_dtype))


def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """``(x - mean) * contrast_factor + mean`` with the mean of each channel of each image."""
    with name_scope(None, "adjust_contrast"):
        value = convert_to_tensor(images, name="images")

        def adjusted(v: Tensor) -> Tensor:
            mean = math_ops.reduce_mean(v, [-3, -2], keepdims=True)
            return (v - mean) * math_ops.cast(contrast_factor, v.dtype.base_dtype) + mean

        return _as_float(value, adjusted)


def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """``gain * image ** gamma`` of an image with values in [0, 1]; ``ValueError`` for a negative gamma."""
    with name_scope(None, "adjust_gamma"):
        if isinstance(gamma, (int, float)) and gamma < 0:
            raise ValueError("Gamma should be a non-negative real number.")
        return _as_float(convert_to_tensor(image), lambda v: gain * v**gamma)


def per_image_standardization(image: Any) -> Tensor:
    """Each image minus its mean, divided by its standard deviation (at least 1 / sqrt(its size)), as float32."""
    with name_scope(None, "per_image_standardization"):
        value = convert_to_tensor(image, name="image")
        if value.dtype.base_dtype != dtypes.float16:
            value = math_ops.cast(value, dtypes.float32)
        axes = [-1, -2, -3]
        count = math_ops.reduce_prod(array_ops.shape(value)[-3:])
        mean = math_ops.reduce_mean(value, axes, keepdims=True)
        deviation = math_ops.sqrt(math_ops.reduce_mean(math_ops.square(value - mean), axes, keepdims=True))
        least = math_ops.rsqrt(math_ops.cast(count, value.dtype.base_dtype))
        return math_ops.divide(value - mean, math_ops.maximum(deviation, least))


# --- colours ----------------------------------------------------------------------------------------------------------


def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """The brightness of each pixel, with one channel."""
    with name_scope(name, "rgb_to_grayscale"):
        value = convert_to_tensor(images, name="images")

        def gray(v: Tensor) -> Tensor:
            weights = convert_to_tensor(list(_GRAY), v.dtype.base_dtype)
            return math_ops.reduce_sum(v * weights, -1, keepdims=True)

        source = value.dtype.base_dtype
        return convert_image_dtype(gray(convert_image_dtype(value, dtypes.float32)), source)


def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """One channel repeated three times."""
    with name_scope(name, "grayscale_to_rgb"):
        value = convert_to_tensor(images, name="images")
        return array_ops.tile(value, [*([1] * (len(value.shape.as_list()) - 1)), 3])


def _infer_colors(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    shape = inputs[0].shape
    if shape.ndims:
        shape[-1].assert_is_compatible_with(3)
    return [(inputs[0].dtype.base_dtype, shape)]


@operation("RGBToHSV", "images:T", _infer_colors, T=FLOATS)
def _to_hsv(images: torch.Tensor) -> torch.Tensor:
    red, green, blue = images.unbind(-1)
    value = images.amax(-1)
    spread = value - images.amin(-1)
    saturation = torch.where(value > 0, spread / torch.where(value > 0, value, 1), torch.zeros_like(value))
    sixth = 1 / (6 * torch.where(spread > 0, spread, 1))
    hue = torch.where(
        red == value,
        sixth * (green - blue),
        torch.where(green == value, sixth * (blue - red) + 2 / 6, sixth * (red - green) + 4 / 6),
    )
    hue = torch.where(spread > 0, hue, torch.zeros_like(hue))
    return torch.stack([torch.where(hue < 0, hue + 1, hue), saturation, value], -1)


@operation("HSVToRGB", "images:T", _infer_colors, T=FLOATS)
def _to_rgb(images: torch.Tensor) -> torch.Tensor:
    hue, saturation, value = images.unbind(-1)
    wheel = hue * 6
    channels = [(wheel - 3).abs() - 1, 2 - (wheel - 2).abs(), 2 - (wheel - 4).abs()]
    return torch.stack([((1 - saturation) + saturation * c.clamp(0, 1)) * value for c in channels], -1)


def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """Hue, saturation and value, all in [0, 1], of floats in [0, 1]."""
    return create("RGBToHSV", name, images)


def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """The inverse of :func:`rgb_to_hsv`."""
    return create("HSVToRGB", name, images)


def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """Colours turned by ``delta``, in [-1, 1], of a whole circle."""
    with name_scope(name, "adjust_hue"):
        value = convert_to_tensor(image, name="image")

        def turned(v: Tensor) -> Tensor:
            hsv = rgb_to_hsv(v)
            hue = math_ops.floormod(hsv[..., :1] + math_ops.cast(delta, v.dtype.base_dtype) + 1.0, 1.0)
            return hsv_to_rgb(array_ops.concat([hue, hsv[..., 1:]], -1))

        return _as_float(value, turned)


def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """Saturation times ``saturation_factor``, at most 1."""
    with name_scope(name, "adjust_saturation"):
        value = convert_to_tensor(image, name="image")

        def adjusted(v: Tensor) -> Tensor:
            hsv = rgb_to_hsv(v)
            factor = math_ops.cast(saturation_factor, v.dtype.base_dtype)
            saturation = math_ops.minimum(math_ops.maximum(hsv[..., 1:2] * factor, 0.0), 1.0)
            return hsv_to_rgb(array_ops.concat([hsv[..., :1], saturation, hsv[..., 2:]], -1))

        return _as_float(value, adjusted)


# --- at random --------------------------------------------------------------------------------------------------------


def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """:func:`adjust_brightness` by a number in [-max_delta, max_delta); ``ValueError`` for a negative ``max_delta``."""
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, random_uniform([], -max_delta, max_delta, seed=seed))


def _range(lower: float, upper: float) -> None:
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    if lower < 0:
        raise ValueError("lower must be non-negative.")


def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """:func:`adjust_contrast` by a factor in [lower, upper); ``ValueError`` unless ``0 <= lower < upper``."""
    _range(lower, upper)
    return adjust_contrast(image, random_uniform([], lower, upper, seed=seed))


def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """:func:`adjust_saturation` by a factor in [lower, upper); ``ValueError`` unless ``0 <= lower < upper``."""
    _range(lower, upper)
    return adjust_saturation(image, random_uniform([], lower, upper, seed=seed))


def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """:func:`adjust_hue` by a number in [-max_delta, max_delta); ``ValueError`` unless that is in [0, 0.5]."""
    if max_delta > 0.5:
        raise ValueError("max_delta must be <= 0.5.")
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_hue(image, random_uniform([], -max_delta, max_delta, seed=seed))
