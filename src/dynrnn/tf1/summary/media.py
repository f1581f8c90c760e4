"""Pictures and sound as files: PNG and WAV, as ``tf.summary.image`` and ``tf.summary.audio`` embed them."""

from __future__ import annotations

import struct
import zlib

import numpy as np

__all__ = ["encode_png", "encode_wav", "normalized_image"]

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_SMALL = 1e-6


def normalized_image(image: np.ndarray) -> np.ndarray:
    """A floating picture ``[height, width, channels]`` as bytes, by TensorFlow's rule.

    With no negative value, 0 is black and the largest value white; else 128 stands for 0. A pixel with a value that is
    not finite is red.
    """
    image = image.astype(np.float64 if image.dtype == np.float64 else np.float32)
    finite = np.isfinite(image).all(-1)
    values = image[finite]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low < 0:
        largest, reach, offset = max(abs(low), abs(high)), 127.0, 128.0
    else:
        largest, reach, offset = high, 255.0, 0.0
    scale = 0.0 if largest < _SMALL else reach / largest
    result = np.zeros(image.shape, np.uint8)
    kind = image.dtype.type
    result[finite] = (values * kind(scale) + kind(offset)).astype(np.uint8)
    result[~finite] = np.array([255, 0, 0, 255], np.uint8)[: image.shape[-1]]
    return result


def encode_png(image: np.ndarray) -> bytes:
    """A picture of bytes ``[height, width, channels]`` (grey, grey and alpha, RGB, RGBA) as a PNG file."""
    height, width, channels = image.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter, 0: none
    rows[:, 1:] = image.reshape(height, width * channels)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode_wav(samples: np.ndarray, rate: int) -> bytes:
    """Sound ``[frames, channels]`` between -1 and 1 as a WAV file of 16-bit samples."""
    channels = samples.shape[1]
    scaled = samples.astype(np.float32) * np.float32(32768)
    # halves go away from zero
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    data = np.clip(rounded, -32768, 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return (
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form
        + b"data" + struct.pack("<I", len(data)) + data
    )  # fmt: skip
