"""``tf.image``: resizing, cutting, padding, flipping and turning."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import case, cond
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.ops.resizing import resize_area, resize_bicubic, resize_bilinear, resize_nearest_neighbor
from dynrnn.tf1.random_ops import random_uniform

__all__ = [
    "ResizeMethod",
    "central_crop",
    "crop_to_bounding_box",
    "flip_left_right",
    "flip_up_down",
    "pad_to_bounding_box",
    "random_flip_left_right",
    "random_flip_up_down",
    "resize_image_with_crop_or_pad",
    "resize_images",
    "rot90",
    "total_variation",
    "transpose_image",
]


class ResizeMethod:
    """The methods of :func:`resize_images`."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_METHODS = {
    ResizeMethod.BILINEAR: resize_bilinear,
    ResizeMethod.NEAREST_NEIGHBOR: resize_nearest_neighbor,
    ResizeMethod.BICUBIC: resize_bicubic,
    ResizeMethod.AREA: resize_area,
}


def _image(image: Any) -> Tensor:
    tensor = convert_to_tensor(image, name="image")
    if tensor.shape.ndims not in (None, 3, 4):
        raise ValueError("'image' must have either 3 or 4 dimensions.")
    if tensor.shape.ndims is None:
        raise ValueError("'image' must be of known rank: call set_shape with 3 or 4 dimensions")
    return tensor


def _batched(image: Tensor, function: Any) -> Tensor:
    """``function`` of a batch, for a batch or a single image."""
    if image.shape.ndims == 4:
        return function(image)
    return array_ops.squeeze(function(array_ops.expand_dims(image, 0)), [0])


def resize_images(
    images: Any,
    size: Any,
    method: int = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images of another size; images that have it already come back as they are, with their dtype.

    Args:
        images: one image or a batch.
        size: new height and width: two ints or an int32 tensor.
        method: of :class:`ResizeMethod`; all but NEAREST_NEIGHBOR give float32.
        align_corners: the corners' centers stay where they are.
        preserve_aspect_ratio: only as large as fits into ``size`` without a change of proportions.
        name: name scope.

    Raises:
        ValueError: other ranks, sizes or methods.
    """
    with name_scope(name, "resize"):
        image = convert_to_tensor(images, name="images")
        if image.shape.ndims is None:
            raise ValueError("'images' contains no shape.")
        if image.shape.ndims not in (3, 4):
            raise ValueError("'images' must have either 3 or 4 dimensions.")
        target = convert_to_tensor(size, dtypes.int32, name="size")
        if not target.shape.is_compatible_with([2]):
            raise ValueError("'size' must be a 1-D Tensor of 2 elements: new_height, new_width")
        height, width = image.shape.as_list()[-3:-1]
        if preserve_aspect_ratio:
            now = array_ops.shape(image)[-3:-1]
            factors = math_ops.divide(math_ops.cast(target, dtypes.float32), math_ops.cast(now, dtypes.float32))
            kept = math_ops.round_(math_ops.reduce_min(factors) * math_ops.cast(now, dtypes.float32))
            target = math_ops.cast(kept, dtypes.int32)
        known = constant_value(target)
        if known is not None and known.tolist() == [height, width]:
            return image
        if method not in _METHODS:
            raise ValueError("Resize method is not implemented.")
        return _batched(image, lambda batch: _METHODS[method](batch, target, align_corners=align_corners))


# --- boxes ------------------------------------------------------------------------------------------------------------


def _sizes(image: Tensor) -> tuple[Any, Any]:
    """Height and width, as ints where they are known."""
    static, dynamic = image.shape.as_list(), array_ops.shape(image)
    rank = len(static)
    height, width = (dynamic[a] if static[a] is None else static[a] for a in (rank - 3, rank - 2))
    return height, width


def _known(value: Any) -> bool:
    return isinstance(value, (int, np.integer))


def _within(what: str, *conditions: Any) -> None:
    """``ValueError`` for a condition on numbers that is known to be wrong."""
    for condition in conditions:
        if isinstance(condition, (bool, np.bool_)) and not condition:
            raise ValueError(what)


def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """The part of an image (or of each of a batch) below and right of the offsets, of the size given.

    Raises:
        ValueError: a box that is not inside the image.
    """
    with name_scope(None, "crop_to_bounding_box"):
        value = _image(image)
        height, width = _sizes(value)
        for name, size in (("target_width", target_width), ("target_height", target_height)):
            _within(f"{name} must be > 0.", size > 0)
        for name, offset in (("offset_width", offset_width), ("offset_height", offset_height)):
            _within(f"{name} must be >= 0.", offset >= 0)
        _within("width must be >= target + offset.", width >= target_width + offset_width)
        _within("height must be >= target + offset.", height >= target_height + offset_height)
        rows = slice(offset_height, offset_height + target_height)
        columns = slice(offset_width, offset_width + target_width)
        part = value[rows, columns] if value.shape.ndims == 3 else value[:, rows, columns]
        return _with_size(part, value, target_height, target_width)


def _with_size(part: Tensor, like: Tensor, height: Any, width: Any) -> Tensor:
    static = like.shape.as_list()
    size = [int(n) if _known(n) else None for n in (height, width)]
    part.set_shape([*static[:-3], *size, static[-1]])
    return part


def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """An image (or each of a batch) with zeros around, so that it begins at the offsets of an image of the size given.

    Raises:
        ValueError: a box that does not hold the image.
    """
    with name_scope(None, "pad_to_bounding_box"):
        value = _image(image)
        height, width = _sizes(value)
        below, right = target_height - offset_height - height, target_width - offset_width - width
        _within("offset_height must be >= 0", offset_height >= 0)
        _within("offset_width must be >= 0", offset_width >= 0)
        _within("width must be <= target - offset", right >= 0)
        _within("height must be <= target - offset", below >= 0)
        pads: list[list[Any]] = [[offset_height, below], [offset_width, right], [0, 0]]
        padded = array_ops.pad(value, pads if value.shape.ndims == 3 else [[0, 0], *pads])
        return _with_size(padded, value, target_height, target_width)


def resize_image_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Tensor:
    """An image (or each of a batch) cut or padded with zeros around its center to the size given."""
    with name_scope(None, "resize_image_with_crop_or_pad"):
        value = _image(image)
        for name, size in (("target_width", target_width), ("target_height", target_height)):
            _within(f"{name} must be > 0.", size > 0)
        height, width = _sizes(value)
        more_h, more_w = target_height - height, target_width - width
        cut = crop_to_bounding_box(
            value, _half(-more_h), _half(-more_w), _smaller(target_height, height), _smaller(target_width, width)
        )
        padded = pad_to_bounding_box(cut, _half(more_h), _half(more_w), target_height, target_width)
        return _with_size(padded, value, target_height, target_width)


def _half(value: Any) -> Any:
    """Half of a positive number, 0 for others."""
    return max(value // 2, 0) if _known(value) else math_ops.maximum(math_ops.floor_div(value, 2), 0)


def _smaller(a: Any, b: Any) -> Any:
    return min(a, b) if _known(a) and _known(b) else math_ops.minimum(a, b)


def central_crop(image: Any, central_fraction: float) -> Tensor:
    """The middle of an image (or of each of a batch): ``central_fraction`` of its height and width.

    Raises:
        ValueError: a fraction that is not in (0, 1].
    """
    with name_scope(None, "central_crop"):
        value = _image(image)
        if central_fraction <= 0.0 or central_fraction > 1.0:
            raise ValueError("central_fraction must be within (0, 1]")
        if central_fraction == 1.0:
            return value
        height, width = _sizes(value)
        top, left = _start(height, central_fraction), _start(width, central_fraction)
        return crop_to_bounding_box(value, top, left, height - 2 * top, width - 2 * left)


def _start(size: Any, fraction: float) -> Any:
    if _known(size):
        return int((size - size * fraction) / 2)
    exact = math_ops.cast(size, dtypes.float64)
    return math_ops.cast((exact - exact * fraction) / 2.0, dtypes.int32)


# --- flips and turns --------------------------------------------------------------------------------------------------


def _flipped(image: Any, name: str, axis: int) -> Tensor:
    with name_scope(None, name):
        value = _image(image)
        return array_ops.reverse(value, [len(value.shape.as_list()) + axis])


def flip_left_right(image: Any) -> Tensor:
    """An image, or each of a batch, mirrored at a vertical axis."""
    return _flipped(image, "flip_left_right", -2)


def flip_up_down(image: Any) -> Tensor:
    """An image, or each of a batch, mirrored at a horizontal axis."""
    return _flipped(image, "flip_up_down", -3)


def _random_flip(image: Any, seed: int | None, name: str, axis: int) -> Tensor:
    with name_scope(None, name):
        value = _image(image)
        rank = len(value.shape.as_list())
        if rank == 3:
            throw = random_uniform([], 0, 1.0, seed=seed)
            result = cond(math_ops.less(throw, 0.5), lambda: array_ops.reverse(value, [rank + axis]), lambda: value)
            result.set_shape(value.shape)
            return result
        throws = random_uniform([array_ops.shape(value)[0], 1, 1, 1], 0, 1.0, seed=seed)
        flips = math_ops.cast(math_ops.less(throws, 0.5), value.dtype.base_dtype)
        return flips * array_ops.reverse(value, [rank + axis]) + (1 - flips) * value


def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """An image, or each of a batch by itself, mirrored at a vertical axis with probability 1/2."""
    return _random_flip(image, seed, "random_flip_left_right", -2)


def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """An image, or each of a batch by itself, mirrored at a horizontal axis with probability 1/2."""
    return _random_flip(image, seed, "random_flip_up_down", -3)


def transpose_image(image: Any) -> Tensor:
    """An image, or each of a batch, with rows and columns exchanged."""
    with name_scope(None, "transpose"):
        value = _image(image)
        return array_ops.transpose(value, [1, 0, 2] if value.shape.ndims == 3 else [0, 2, 1, 3])


def rot90(image: Any, k: Any = 1, name: str | None = None) -> Tensor:
    """An image, or each of a batch, turned ``k`` times (an int or an int32 scalar) by 90 degrees to the left."""
    with name_scope(name, "rot90"):
        value = _image(image)
        turns = math_ops.floormod(convert_to_tensor(k, dtypes.int32), 4)
        known = constant_value(turns)
        if known is not None:
            return array_ops.identity(_turned(value, int(known)))
        branches = [(math_ops.equal(turns, i), lambda i=i: _turned(value, i)) for i in (1, 2, 3)]
        result = case(branches, default=lambda: array_ops.identity(value), exclusive=True)
        static = value.shape.as_list()
        result.set_shape([*static[:-3], None, None, static[-1]])
        return result


def _turned(value: Tensor, times: int) -> Tensor:
    if times == 1:
        return flip_up_down(transpose_image(value))
    if times == 2:
        return flip_left_right(flip_up_down(value))
    return transpose_image(flip_up_down(value)) if times == 3 else value


def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sum of the absolute differences of neighbouring pixels, of an image or of each of a batch."""
    with name_scope(name, "total_variation"):
        value = _image(images)
        if value.shape.ndims == 3:
            down, across, axes = value[1:] - value[:-1], value[:, 1:] - value[:, :-1], None
        else:
            down, across, axes = value[:, 1:] - value[:, :-1], value[:, :, 1:] - value[:, :, :-1], [1, 2, 3]
        return math_ops.reduce_sum(math_ops.abs_(down), axes) + math_ops.reduce_sum(math_ops.abs_(across), axes)
