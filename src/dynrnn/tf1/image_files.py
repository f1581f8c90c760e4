"""``tf.image.decode_*``: images from the bytes of their files. They need the package Pillow; without it they say so."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.ops.signature import create, operation

__all__ = ["decode_bmp", "decode_gif", "decode_image", "decode_jpeg", "decode_png"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def _pillow() -> Any:
    try:
        return importlib.import_module("PIL.Image")
    except ImportError:
        raise ImportError("tf.image.decode_* reads files with the package Pillow, which is not installed") from None


def _infer(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    inputs[0].shape.assert_has_rank(0)
    if attrs["frames"]:
        return [(dtypes.uint8, TensorShape([None, None, None, 3]))]
    channels = attrs["channels"] or None
    return [(attrs["dtype"], TensorShape(None) if attrs["any_rank"] else TensorShape([None, None, channels]))]


@operation("DecodeImage", "contents:string", _infer, differentiable=False)
def _decode(
    contents: np.ndarray, *, channels: int, dtype: DType, ratio: int, frames: bool, any_rank: bool
) -> torch.Tensor:
    image_module = _pillow()
    try:
        image = image_module.open(io.BytesIO(contents.reshape(-1)[0]))
        if frames or (any_rank and image.format == "GIF"):
            return torch.from_numpy(_frames(image))
        if image.mode.startswith("I;16") or image.mode == "I":
            array = np.asarray(image).astype(np.uint16)[..., None]
        else:
            wanted = _MODES.get(channels) or ("L" if image.mode in ("1", "L") else None)
            has_alpha = "A" in image.mode or "transparency" in image.info
            array = np.asarray(image.convert(wanted or ("RGBA" if has_alpha else "RGB")))
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(f"Unable to decode bytes as an image: {error}") from None
    array = array if array.ndim == 3 else array[..., None]
    if ratio > 1:
        array = array[::ratio, ::ratio]
    return torch.from_numpy(_of_dtype(array, dtype, channels))


def _of_dtype(array: np.ndarray, dtype: DType, channels: int) -> np.ndarray:
    """8 or 16 bits as ``dtype`` asks; one channel repeated if three are wanted of 16 bits."""
    if channels in (3, 4) and array.shape[-1] == 1:
        array = np.repeat(array, channels, axis=-1)
    target = dtype.as_numpy_dtype
    if array.dtype == target:
        return np.array(array)
    if np.dtype(target).kind == "f":
        return (array / np.iinfo(array.dtype).max).astype(target)
    if array.dtype == np.uint8:
        return array.astype(np.uint16) * 257 if target == np.uint16 else array.astype(target)
    return (array >> 8).astype(target)


def _frames(image: Any) -> np.ndarray:
    pictures = []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        pictures.append(np.asarray(image.convert("RGB")))
    return np.stack(pictures)


def _create(
    contents: Any, name: str | None, what: str, channels: int = 0, dtype: Any = dtypes.uint8, **more: Any
) -> Tensor:
    if channels not in (0, 1, 3, 4):
        raise ValueError(f"{what}: channels must be 0, 1, 3 or 4, got {channels}")
    _pillow()  # what cannot run is not built
    options = {"ratio": 1, "frames": False, "any_rank": False, **more}
    return create("DecodeImage", name or what, contents, channels=channels, dtype=as_dtype(dtype), **options)


def decode_png(contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None) -> Tensor:
    """The image [height, width, channels] in the bytes of a PNG file.

    Args:
        contents: string scalar.
        channels: 1, 3, 4, or 0 for what the file has.
        dtype: uint8 or uint16.
        name: operation name.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: another number of channels.
        tf.errors.InvalidArgumentError: at run time, bytes that are no image.
    """
    return _create(contents, name, "DecodePng", channels, dtype)


def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1.0,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """The image in the bytes of a JPEG file; see :func:`decode_png`. Pixels may differ by some units from TensorFlow's.

    Args:
        contents, channels, name: see there.
        ratio: keep one of so many rows and columns.
        fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method: accepted; Pillow decides.
    """
    return _create(contents, name, "DecodeJpeg", channels, ratio=ratio)


def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Tensor:
    """The image in the bytes of a BMP file; see :func:`decode_png`."""
    return _create(contents, name, "DecodeBmp", channels)


def decode_gif(contents: Any, name: str | None = None) -> Tensor:
    """The images [frames, height, width, 3] in the bytes of a GIF file."""
    return _create(contents, name, "DecodeGif", frames=True)


def decode_image(contents: Any, channels: Any = None, dtype: Any = dtypes.uint8, name: str | None = None) -> Tensor:
    """The image, or for a GIF file the images, in the bytes of a file of any of these kinds; of unknown static rank."""
    return _create(contents, name, "decode_image", channels or 0, dtype, any_rank=True)
