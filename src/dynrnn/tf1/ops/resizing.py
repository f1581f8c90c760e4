"""Images resized: how each method weighs the pixels of the old image.

Each method is linear and works on rows and columns one after the other. In TensorFlow 1's convention, pixel ``i`` of
the new image lies at ``i * old / new`` (``align_corners``: ``i * (old - 1) / (new - 1)``; ``half_pixel_centers``:
``(i + 0.5) * old / new - 0.5``) of the old one, without the half pixel that others add.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.infer import partial_value
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.ops.signature import create, operation

__all__ = ["resize_area", "resize_bicubic", "resize_bilinear", "resize_nearest_neighbor"]

Taps = list[tuple[torch.Tensor, torch.Tensor]]
_CUBIC = -0.75
_TABLE = 1024


def _infer(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    images = inputs[0].shape.with_rank(4)
    inputs[1].shape.assert_has_rank(1)
    size = partial_value(inputs[1]) or [None, None]
    if len(size) != 2:
        raise ValueError(f"Dimension must be 2 but is {len(size)}")
    dtype = inputs[0].dtype.base_dtype if attrs["keep"] else dtypes.float32
    return [(dtype, TensorShape([images[0], *size, images[3]]))]


def _scale(old: int, new: int, align: bool) -> float:
    return (old - 1) / (new - 1) if align and new > 1 else old / new


def _positions(old: int, new: int, align: bool, half: bool) -> torch.Tensor:
    scale = torch.tensor(_scale(old, new, align), dtype=torch.float32)
    steps = torch.arange(new, dtype=torch.float32)
    return (steps + 0.5) * scale - 0.5 if half else steps * scale


def _bilinear_taps(old: int, new: int, align: bool, half: bool) -> Taps:
    at = _positions(old, new, align, half)
    below = at.floor()
    part = at - below
    low = below.long().clamp(0, old - 1)
    high = (at.ceil().long() if half else low + 1).clamp(0, old - 1)
    return [(low, 1 - part), (high, part)]


def _bicubic_taps(old: int, new: int, align: bool, half: bool) -> Taps:
    """Keys' kernel with a = -0.75, from a table of 1024 steps as in TensorFlow."""
    at = _positions(old, new, align, half)
    below = at.floor()
    part = ((at - below) * _TABLE).round() / _TABLE

    def near(x: torch.Tensor) -> torch.Tensor:
        return ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1

    def far(x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        return ((_CUBIC * y - 5 * _CUBIC) * y + 8 * _CUBIC) * y - 4 * _CUBIC

    weights = [far(part), near(part), near(1 - part), far(1 - part)]
    return [((below.long() + i - 1).clamp(0, old - 1), weight) for i, weight in enumerate(weights)]


def _combined(images: torch.Tensor, dim: int, taps: Taps) -> torch.Tensor:
    shape = [1] * images.dim()
    shape[dim] = -1
    parts = [images.index_select(dim, index) * weight.reshape(shape) for index, weight in taps]
    return sum(parts[1:], parts[0])


def _checked(images: torch.Tensor, size: torch.Tensor) -> tuple[int, int]:
    height, width = size.tolist()
    if height <= 0 or width <= 0:
        raise ValueError("output dimensions must be positive")
    if not (images.shape[1] and images.shape[2]):
        raise ValueError("input image must be of non-zero size")
    return height, width


def _linear(images: torch.Tensor, size: torch.Tensor, taps: Any, align: bool, half: bool) -> torch.Tensor:
    height, width = _checked(images, size)
    values = images.float()
    # rows are combined from columns that are already there, as TensorFlow adds them up
    values = _combined(values, 2, taps(images.shape[2], width, align, half))
    return _combined(values, 1, taps(images.shape[1], height, align, half))


@operation("ResizeBilinear", "images:T size:int32", _infer)
def _resize_bilinear(images: torch.Tensor, size: torch.Tensor, *, align: bool, half: bool, keep: bool) -> torch.Tensor:
    return _linear(images, size, _bilinear_taps, align, half)


@operation("ResizeBicubic", "images:T size:int32", _infer)
def _resize_bicubic(images: torch.Tensor, size: torch.Tensor, *, align: bool, half: bool, keep: bool) -> torch.Tensor:
    return _linear(images, size, _bicubic_taps, align, half)


@operation("ResizeNearestNeighbor", "images:T size:int32", _infer)
def _resize_nearest(images: torch.Tensor, size: torch.Tensor, *, align: bool, half: bool, keep: bool) -> torch.Tensor:
    for dim, new in zip((1, 2), _checked(images, size), strict=True):
        old = images.shape[dim]
        at = torch.arange(new, dtype=torch.float32) + (0.5 if half else 0.0)
        at = at * torch.tensor(_scale(old, new, align), dtype=torch.float32)
        # halves are rounded away from zero
        index = (at + 0.5).floor() if align else at.floor()
        images = images.index_select(dim, index.long().clamp(0, old - 1))
    return images


@operation("ResizeArea", "images:T size:int32", _infer)
def _resize_area(images: torch.Tensor, size: torch.Tensor, *, align: bool, half: bool, keep: bool) -> torch.Tensor:
    values = images.float()
    for dim, new in zip((1, 2), _checked(images, size), strict=True):
        old = images.shape[dim]
        scale = _scale(old, new, align)
        edges = torch.arange(new + 1, dtype=torch.float64) * scale
        cells = torch.arange(old, dtype=torch.float64)
        left = torch.maximum(edges[:-1, None], cells[None])
        right = torch.minimum(edges[1:, None], cells[None] + 1)
        weights = ((right - left).clamp(min=0) / scale).float()
        # beyond the last pixel, where align_corners leads, it is repeated
        weights[:, -1] += 1 - weights.sum(1)
        values = torch.tensordot(values, weights, dims=([dim], [1])).movedim(-1, dim)
    return values


def _resize(
    op_type: str, images: Any, size: Any, align: bool, half: bool, name: str | None, keep: bool = False
) -> Tensor:
    if align and half:
        raise ValueError("If half_pixel_centers is True, align_corners must be False.")
    return create(op_type, name, images, size, align=align, half=half, keep=keep)


def resize_bilinear(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """Images [batch, height, width, channels] as float32 of another ``size`` (height, width), interpolated linearly.

    Args:
        images: numbers.
        size: two ints, or an int32 tensor.
        align_corners: the corners' centers stay where they are.
        name: operation name.
        half_pixel_centers: see the module.
    """
    return _resize("ResizeBilinear", images, size, align_corners, half_pixel_centers, name)


def resize_bicubic(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """As :func:`resize_bilinear`, with cubic interpolation.

    Raises:
        NotImplementedError: ``half_pixel_centers``.
    """
    if half_pixel_centers:
        raise NotImplementedError("resize_bicubic(half_pixel_centers=True); use resize_bilinear")
    return _resize("ResizeBicubic", images, size, align_corners, False, name)


def resize_nearest_neighbor(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """As :func:`resize_bilinear`, with the nearest pixel; the dtype stays."""
    return _resize("ResizeNearestNeighbor", images, size, align_corners, half_pixel_centers, name, keep=True)


def resize_area(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Tensor:
    """As :func:`resize_bilinear`, with the mean over the area that a new pixel covers."""
    return _resize("ResizeArea", images, size, align_corners, False, name)
