"""``tf.image``: what is random, and files; everything else is in the goldens."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[None]:
    with tf.Graph().as_default():
        tf.set_random_seed(3)
        yield


IMAGES = np.random.RandomState(0).uniform(size=[40, 4, 5, 3]).astype(np.float32)


def values(tensor: Any) -> Any:
    with tf.Session() as session:
        return session.run(tensor)


@pytest.mark.parametrize(("name", "axis"), [("left_right", 2), ("up_down", 1)])
def test_random_flips(name: str, axis: int) -> None:
    flip = getattr(tf.image, f"random_flip_{name}")
    got = values(flip(IMAGES))
    flipped = [np.array_equal(g, np.flip(x, axis - 1)) for g, x in zip(got, IMAGES, strict=True)]
    same = [np.array_equal(g, x) for g, x in zip(got, IMAGES, strict=True)]
    assert all(f != s for f, s in zip(flipped, same, strict=True)) and 8 < sum(flipped) < 32
    single = flip(IMAGES[0])
    assert single.shape.as_list() == [4, 5, 3]
    with tf.Session() as session:
        seen = [session.run(single) for _ in range(20)]
    kinds = {np.array_equal(s, IMAGES[0]) for s in seen}
    assert kinds == {True, False}
    assert all(np.array_equal(s, IMAGES[0]) or np.array_equal(s, np.flip(IMAGES[0], axis - 1)) for s in seen)


@pytest.mark.parametrize(
    ("make", "adjust", "low", "high"),
    [
        (lambda x: tf.image.random_brightness(x, 0.3), tf.image.adjust_brightness, -0.3, 0.3),
        (lambda x: tf.image.random_contrast(x, 0.5, 2.0), tf.image.adjust_contrast, 0.5, 2.0),
        (lambda x: tf.image.random_saturation(x, 0.5, 2.0), tf.image.adjust_saturation, 0.5, 2.0),
        (lambda x: tf.image.random_hue(x, 0.25), tf.image.adjust_hue, -0.25, 0.25),
    ],
)
def test_random_adjustments_are_adjustments(make: Any, adjust: Any, low: float, high: float) -> None:
    """Each result is that of some factor in the range: the factor that is drawn, found in the graph."""
    result = make(IMAGES[0])
    draws = [op for op in tf.get_default_graph().get_operations() if op.name.startswith("random_uniform")]
    factor = draws[-1].outputs[0]
    again = adjust(IMAGES[0], factor)
    with tf.Session() as session:
        factors = []
        for _ in range(15):
            got, want, drawn = session.run([result, again, factor])
            np.testing.assert_array_equal(got, want)
            factors.append(float(drawn))
    assert low <= min(factors) < max(factors) < high


def encoded(array: np.ndarray, kind: str, **options: Any) -> bytes:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


RGB = (IMAGES[0] * 255).astype(np.uint8)


def test_png() -> None:
    color, gray = encoded(RGB, "PNG"), encoded(RGB[..., 0], "PNG")
    alpha = encoded(np.concatenate([RGB, RGB[..., :1]], -1), "PNG")
    y = tf.image.decode_png(tf.constant(color), channels=3)
    assert y.shape.as_list() == [None, None, 3] and y.dtype == tf.uint8
    np.testing.assert_array_equal(values(y), RGB)
    np.testing.assert_array_equal(values(tf.image.decode_png(color)), RGB)
    np.testing.assert_array_equal(values(tf.image.decode_png(gray)), RGB[..., :1])
    np.testing.assert_array_equal(values(tf.image.decode_png(gray, channels=3)), np.repeat(RGB[..., :1], 3, -1))
    assert values(tf.image.decode_png(alpha)).shape == (4, 5, 4)
    np.testing.assert_array_equal(values(tf.image.decode_png(alpha, channels=3)), RGB)
    np.testing.assert_array_equal(
        values(tf.image.decode_png(gray, dtype=tf.uint16))[..., 0], RGB[..., 0] * np.uint16(257)
    )
    assert values(tf.image.decode_png(color, channels=1)).shape == (4, 5, 1)


def test_other_kinds() -> None:
    smooth = np.full([8, 8, 3], 128, np.uint8)
    got = values(tf.image.decode_jpeg(encoded(smooth, "JPEG")))
    assert got.shape == (8, 8, 3) and np.abs(got.astype(int) - 128).max() <= 2
    np.testing.assert_array_equal(values(tf.image.decode_bmp(encoded(RGB, "BMP"))), RGB)
    assert values(tf.image.decode_gif(encoded(RGB, "GIF"))).shape == (1, 4, 5, 3)
    unknown = tf.image.decode_image(encoded(RGB, "PNG"))
    assert unknown.shape.ndims is None
    np.testing.assert_array_equal(values(unknown), RGB)
    assert values(tf.image.decode_jpeg(encoded(smooth, "JPEG"), ratio=2)).shape == (4, 4, 3)


def test_what_is_no_image() -> None:
    pytest.importorskip("PIL.Image")
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unable to decode bytes"):
        values(tf.image.decode_png("nothing"))
    with pytest.raises(ValueError, match="channels must be 0, 1, 3 or 4, got 2"):
        tf.image.decode_png("nothing", channels=2)


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(ImportError, match="the package Pillow, which is not installed"):
        tf.image.decode_png("x")
