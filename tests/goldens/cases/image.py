"""``tf.image``: values, static shapes and dtypes, of one image and of batches, with known and unknown sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.harness import Program, case, fixed, gradients_of

_BATCH = [2, 5, 6, 3]


def _values(shape: list[int], dtype: str) -> Any:
    data = (fixed("image", shape) + 1) / 2
    return (data * 255).astype(dtype) if dtype.startswith(("uint", "int")) else data.astype(dtype)


def _image(
    name: str,
    make: Callable[..., Any],
    shape: list[int] | None = None,
    dtype: str = "float32",
    static: Any = "known",
    gradient: bool = False,
) -> None:
    size = shape or _BATCH

    @case(f"image/{name}")
    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(dtype, size if static == "known" else static)
        y = make(tf, x)
        more = gradients_of(tf, [y], {"x": x}) if gradient else {}
        return Program({"y": y, **more}, {x: _values(size, dtype)})


_SIZES = {"up": [7, 11], "down": [3, 2], "mixed": [9, 3], "one": [1, 1]}
for _method in ("bilinear", "nearest_neighbor", "bicubic", "area"):
    for _label, _size in _SIZES.items():
        for _align in (False, True):
            _image(
                f"resize_{_method}/{_label}{'/align' if _align else ''}",
                lambda tf, x, _m=_method, _s=_size, _a=_align: getattr(tf.image, f"resize_{_m}")(
                    x, _s, align_corners=_a
                ),
                gradient=_method in ("bilinear", "nearest_neighbor", "bicubic") and _label == "mixed",
            )
    _image(
        f"resize_{_method}/uint8",
        lambda tf, x, _m=_method: getattr(tf.image, f"resize_{_m}")(x, [4, 9]),
        dtype="uint8",
        static=[None, None, None, 3],
    )
for _method in ("bilinear", "nearest_neighbor"):
    for _label, _size in _SIZES.items():
        _image(
            f"resize_{_method}/{_label}/half",
            lambda tf, x, _m=_method, _s=_size: getattr(tf.image, f"resize_{_m}")(x, _s, half_pixel_centers=True),
        )
_image("resize_images", lambda tf, x: tf.image.resize_images(x, [3, 4]))
_image("resize_images/single", lambda tf, x: tf.image.resize_images(x, (8, 8), method=2), [5, 6, 1])
_image("resize_images/same", lambda tf, x: tf.image.resize_images(x, [5, 6]), dtype="uint8")
_image("resize_images/unknown", lambda tf, x: tf.image.resize_images(x, [5, 6]), static=[None, None, None, 3])
_image(
    "resize_images/nearest",
    lambda tf, x: tf.image.resize_images(x, [2, 3], tf.image.ResizeMethod.NEAREST_NEIGHBOR),
    dtype="uint8",
)
_image("resize_images/ratio", lambda tf, x: tf.image.resize_images(x, [10, 9], preserve_aspect_ratio=True))

for _label, _shape in (("one", [5, 6, 3]), ("batch", _BATCH)):
    for _known, _static in (("known", "known"), ("unknown", [*[None] * (len(_shape) - 1), 3])):
        for _name, _make in {
            "crop_to_bounding_box": lambda tf, x: tf.image.crop_to_bounding_box(x, 1, 2, 3, 4),
            "pad_to_bounding_box": lambda tf, x: tf.image.pad_to_bounding_box(x, 1, 2, 8, 9),
            "crop_or_pad": lambda tf, x: tf.image.resize_image_with_crop_or_pad(x, 8, 3),
            "crop_or_pad/odd": lambda tf, x: tf.image.resize_image_with_crop_or_pad(x, 2, 9),
            "central_crop": lambda tf, x: tf.image.central_crop(x, 0.5),
            "central_crop/most": lambda tf, x: tf.image.central_crop(x, 0.875),
            "flip_left_right": lambda tf, x: tf.image.flip_left_right(x),
            "flip_up_down": lambda tf, x: tf.image.flip_up_down(x),
            "transpose": lambda tf, x: tf.image.transpose_image(x),
            "rot90/1": lambda tf, x: tf.image.rot90(x),
            "rot90/2": lambda tf, x: tf.image.rot90(x, 2),
            "rot90/3": lambda tf, x: tf.image.rot90(x, k=3),
            "rot90/4": lambda tf, x: tf.image.rot90(x, k=4),
            "total_variation": lambda tf, x: tf.image.total_variation(x),
            "per_image_standardization": lambda tf, x: tf.image.per_image_standardization(x),
            "adjust_contrast": lambda tf, x: tf.image.adjust_contrast(x, 1.5),
        }.items():
            # TensorFlow turns in a branch and forgets the sizes
            if not (_name.startswith("rot90") and _known == "known"):
                _image(f"{_name}/{_label}/{_known}", _make, _shape, static=_static)
    for _turns in range(-1, 5):
        _image(
            f"rot90/tensor {_turns}/{_label}",
            lambda tf, x, _k=_turns: tf.image.rot90(x, tf.placeholder_with_default(_k, [])),
            _shape,
            static=[*[None] * (len(_shape) - 1), 3],
        )
for _dtype in ("float32", "uint8"):
    for _name, _make in {
        "adjust_brightness": lambda tf, x: tf.image.adjust_brightness(x, 0.25),
        "adjust_contrast": lambda tf, x: tf.image.adjust_contrast(x, 0.5),
        "adjust_hue": lambda tf, x: tf.image.adjust_hue(x, 0.2),
        "adjust_hue/back": lambda tf, x: tf.image.adjust_hue(x, -0.3),
        "adjust_saturation": lambda tf, x: tf.image.adjust_saturation(x, 1.5),
        "adjust_saturation/less": lambda tf, x: tf.image.adjust_saturation(x, 0.25),
        "adjust_gamma": lambda tf, x: tf.image.adjust_gamma(x, 2.0, 0.5),
        "rgb_to_grayscale": lambda tf, x: tf.image.rgb_to_grayscale(x),
        "grayscale_to_rgb": lambda tf, x: tf.image.grayscale_to_rgb(x[..., :1]),
        "per_image_standardization": lambda tf, x: tf.image.per_image_standardization(x),
    }.items():
        _image(f"{_name}/{_dtype}", _make, dtype=_dtype)
_image("rgb_to_hsv", lambda tf, x: tf.image.rgb_to_hsv(x))
_image("rgb_to_hsv/gray", lambda tf, x: tf.image.rgb_to_hsv(x[..., :1] * [1.0, 1.0, 1.0]))
_image("rgb_to_hsv/zero", lambda tf, x: tf.image.rgb_to_hsv(x * 0.0))
_image("hsv_to_rgb", lambda tf, x: tf.image.hsv_to_rgb(x))
for _from, _to in (
    ("float32", "uint8"),
    ("uint8", "float32"),
    ("uint8", "int32"),
    ("int32", "uint8"),
    ("uint8", "uint8"),
    ("float32", "float64"),
    ("uint8", "float16"),
):
    for _saturate in (False, True):
        _image(
            f"convert_image_dtype/{_from}-{_to}{'/saturate' if _saturate else ''}",
            lambda tf, x, _t=_to, _s=_saturate: tf.image.convert_image_dtype(x, getattr(tf, _t), saturate=_s),
            dtype=_from,
        )


def _refusal(name: str, fragment: str, make: Callable[[Any], Any]) -> None:
    @case(f"image/refused/{name}", must_fail=True, fragments=[fragment])
    def program(tf: Any, np: Any) -> Program:
        return Program({"y": make(tf)})


_refusal("rank", "must have either 3 or 4 dimensions", lambda tf: tf.image.resize_images(tf.zeros([3, 3]), [2, 2]))
_refusal("size", "'size' must be a 1-D Tensor", lambda tf: tf.image.resize_images(tf.zeros([3, 3, 1]), [2, 2, 2]))
_refusal(
    "method", "Resize method is not implemented", lambda tf: tf.image.resize_images(tf.zeros([3, 3, 1]), [2, 2], 9)
)
_refusal("crop", "height must be >=", lambda tf: tf.image.crop_to_bounding_box(tf.zeros([3, 3, 1]), 2, 0, 2, 2))
_refusal("pad", "width must be <=", lambda tf: tf.image.pad_to_bounding_box(tf.zeros([3, 3, 1]), 0, 0, 3, 2))
_refusal(
    "fraction", "central_fraction must be within (0, 1]", lambda tf: tf.image.central_crop(tf.zeros([3, 3, 1]), 1.5)
)
_refusal("hue", "max_delta must be <= 0.5", lambda tf: tf.image.random_hue(tf.zeros([3, 3, 3]), 0.6))
_refusal("contrast", "upper must be > lower", lambda tf: tf.image.random_contrast(tf.zeros([3, 3, 3]), 0.6, 0.5))
_refusal(
    "brightness", "max_delta must be non-negative", lambda tf: tf.image.random_brightness(tf.zeros([3, 3, 3]), -1.0)
)
