"""Summary operations: tensors in, a serialized ``Summary`` out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1 import logging
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.ops.signature import REALS, Types, create, operation, types_of
from dynrnn.tf1.summary.histogram import histogram_fields
from dynrnn.tf1.summary.media import encode_png, encode_wav, normalized_image

__all__ = [
    "audio",
    "clean_tag",
    "collect",
    "histogram",
    "image",
    "image_count",
    "merge",
    "merge_all",
    "scalar",
    "tensor_summary",
    "text",
]

_ILLEGAL = re.compile(r"[^-/\w\.]")
_PICTURES = types_of("uint8 float32 float16 float64", dtypes.float32)


def clean_tag(name: str | None) -> str | None:
    """``name`` with characters that no tag may have replaced by ``_``; says so in the log."""
    if name is None:
        return None
    cleaned = _ILLEGAL.sub("_", name).lstrip("/")
    if cleaned != name:
        logging.info("Summary name %s is illegal; using %s instead.", name, cleaned)
    return cleaned


@contextlib.contextmanager
def _scope(name: str, family: str | None, values: Sequence[Any], default: str | None = None) -> Iterator[Any]:
    """The tag of a summary and the name scope it is made in."""
    name, family = clean_tag(name) or "", clean_tag(family)
    base = name if family is None else f"{family}/{name}"
    with name_scope(base, default, values) as scope:
        bare = scope.rstrip("/")
        yield (bare if family is None else f"{family}/{bare}"), scope


def collect(value: Tensor, collections: Any) -> Tensor:
    """Put a summary into ``collections``, those of ``merge_all`` when None; returns it."""
    graph = value.graph
    for key in [GraphKeys.SUMMARIES] if collections is None else collections:
        graph.add_to_collection(key, value)
    return value


def _summary(*values: Any) -> np.ndarray:
    """The value of a summary operation: one serialized message."""
    from dynrnn.tf1.summary.protos import Summary

    return _text(Summary(value=values).SerializeToString())


def _text(data: bytes) -> np.ndarray:
    result = np.empty([], object)
    result[()] = data
    return result


def _string_scalar(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(dtypes.string, TensorShape([]))]


def _array(value: Any) -> np.ndarray:
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach()
    return (value.float() if value.dtype is torch.bfloat16 else value).cpu().numpy()


def _value(**fields: Any) -> Any:
    from dynrnn.tf1.summary.protos import Summary

    return Summary.Value(**fields)


@operation("ScalarSummary", "tags:string values:T", _string_scalar, differentiable=False, T=REALS)
def _scalar(tags: np.ndarray, values: Any) -> np.ndarray:
    numbers = _array(values)
    if tags.shape != numbers.shape:
        first = tags.ravel()[0].decode() if tags.size else ""
        named = f" (tag '{first}')" if tags.size == 1 else ""
        raise ValueError(f"tags and values are not the same shape: {list(tags.shape)} != {list(numbers.shape)}{named}")
    pairs = zip(tags.ravel(), numbers.ravel().tolist(), strict=True)
    return _summary(*[_value(tag=tag.decode(), simple_value=number) for tag, number in pairs])


def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of one number.

    Args:
        name: the tag, below the current name scope.
        tensor: a real number.
        collections: where the result is put; by default the summaries that ``merge_all`` takes.
        family: a tag prefix that groups charts.
    """
    with _scope(name, family, [tensor]) as (tag, scope):
        return collect(create("ScalarSummary", scope, tag, tensor), collections)


@operation("HistogramSummary", "tag:string values:T", _string_scalar, differentiable=False, T=REALS)
def _histogram(tag: Any, values: Any) -> np.ndarray:
    from dynrnn.tf1.summary.protos import HistogramProto

    name, numbers = tag[()].decode(), _array(values)
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        first = numbers.ravel()[~np.isfinite(numbers.ravel())][0]
        what = "Nan in summary histogram" if np.isnan(first) else "Infinity in Histogram"
        raise errors.InvalidArgumentError(None, None, f"{what} for: {name}")
    return _summary(_value(tag=name, histo=HistogramProto(**histogram_fields(numbers))))


def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of how values are spread, in buckets that grow by a tenth each.

    Args:
        name: the tag, below the current name scope.
        values: real numbers of any shape.
        collections, family: as for :func:`scalar`.

    Raises:
        tf.errors.InvalidArgumentError: at run time, for NaN or infinity.
    """
    with _scope(name, family, [values], "HistogramSummary") as (tag, scope):
        return collect(create("HistogramSummary", scope, tag, values), collections)


def _numbered(tag: str, kind: str, count: int, limit: int) -> list[str]:
    """The tags of ``count`` pictures of at most ``limit``."""
    return [f"{tag}/{kind}"] if limit == 1 else [f"{tag}/{kind}/{i}" for i in range(count)]


@operation("ImageSummary", "tag:string tensor:T", _string_scalar, differentiable=False, T=_PICTURES)
def _image(tag: Any, tensor: Any, *, max_images: int) -> np.ndarray:
    from dynrnn.tf1.summary.protos import Summary

    pictures, name = _array(tensor), tag[()].decode()
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3, 4):
        sizes = ",".join(str(n) for n in pictures.shape)
        raise ValueError(f"Tensor must be 4-D with last dim 1, 3, or 4, not [{sizes}]")
    batch, height, width, channels = pictures.shape
    count = min(batch, max_images)
    values = []
    for label, picture in zip(_numbered(name, "image", count, max_images), pictures[:count], strict=False):
        pixels = picture if picture.dtype == np.uint8 else normalized_image(picture)
        shown = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encode_png(pixels))
        values.append(_value(tag=label, image=shown))
    return _summary(*values)


def image(name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of pictures.

    Args:
        name: the tag, below the current name scope; ``/image/0``, ``/image/1``, ... follow it, or ``/image`` for one.
        tensor: ``[batch, height, width, channels]``, 1, 3 or 4 channels; bytes as they are, floats scaled for each
            picture.
        max_outputs: how many pictures of the batch at most.
        collections, family: as for :func:`scalar`.
    """
    with _scope(name, family, [tensor]) as (tag, scope):
        return collect(create("ImageSummary", scope, tag, tensor, max_images=image_count(max_outputs)), collections)


def image_count(max_outputs: Any) -> int:
    """``max_outputs`` as a positive number; ``ValueError`` when it is none."""
    if int(max_outputs) < 1:
        raise ValueError(f"Attr 'max_images' of 'ImageSummary' Op passed {max_outputs} less than minimum 1.")
    return int(max_outputs)


@operation("AudioSummaryV2", "tag:string tensor:float32 sample_rate:float32", _string_scalar, differentiable=False)
def _audio(tag: Any, tensor: torch.Tensor, sample_rate: torch.Tensor, *, max_outputs: int) -> np.ndarray:
    from dynrnn.tf1.summary.protos import Summary

    sounds, name, rate = _array(tensor), tag[()].decode(), float(sample_rate)
    if sounds.ndim not in (2, 3):
        raise ValueError(f"Tensor must be 3-D or 2-D, got: {list(sounds.shape)}")
    if rate <= 0:
        raise ValueError(f"sample_rate must be positive, got {rate:g}")
    sounds = sounds[..., None] if sounds.ndim == 2 else sounds
    batch, frames, channels = sounds.shape
    count = min(batch, max_outputs)
    values = []
    for label, sound in zip(_numbered(name, "audio", count, max_outputs), sounds[:count], strict=False):
        heard = Summary.Audio(
            sample_rate=rate,
            num_channels=channels,
            length_frames=frames,
            encoded_audio_string=encode_wav(sound, int(rate)),
            content_type="audio/wav",
        )
        values.append(_value(tag=label, audio=heard))
    return _summary(*values)


def audio(
    name: str,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Any = None,
    family: str | None = None,
) -> Tensor:
    """A summary of sounds.

    Args:
        name: the tag, as for :func:`image`.
        tensor: ``[batch, frames, channels]`` or ``[batch, frames]``, between -1 and 1.
        sample_rate: frames a second.
        max_outputs: how many sounds of the batch at most.
        collections, family: as for :func:`scalar`.
    """
    with _scope(name, family, [tensor]) as (tag, scope):
        rate = convert_to_tensor(sample_rate, dtypes.float32, name="sample_rate")
        made = create("AudioSummaryV2", scope, tag, tensor, rate, max_outputs=image_count(max_outputs))
        return collect(made, collections)


@operation("TensorSummaryV2", "tag:string tensor:T", _string_scalar, differentiable=False, T=Types())
def _tensor(tag: Any, tensor: Any, *, metadata: bytes) -> np.ndarray:
    from dynrnn.tf1.summary.protos import SummaryMetadata, tensor_pb2

    array = _array(tensor)
    proto = tensor_pb2.TensorProto()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        proto.dtype = dtypes.string.as_datatype_enum
        proto.string_val.extend(array.ravel().tolist())
    else:
        proto.dtype = dtypes.as_dtype(array.dtype).as_datatype_enum
        proto.tensor_content = array.tobytes()
    return _summary(_value(tag=tag[()].decode(), metadata=SummaryMetadata.FromString(metadata), tensor=proto))


def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: Any = None,
    collections: Any = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """A summary that holds a tensor.

    Args:
        name: the tag, below the current name scope.
        tensor: of any type and shape.
        summary_description, display_name: shown by TensorBoard.
        collections, family: as for :func:`scalar`.
        summary_metadata: a ``SummaryMetadata`` that says which plugin shows it.
    """
    from dynrnn.tf1.summary.protos import SummaryMetadata

    metadata = SummaryMetadata()
    if summary_metadata is not None:
        metadata.MergeFromString(summary_metadata.SerializeToString())
    if display_name is not None:
        metadata.display_name = display_name
    if summary_description is not None:
        metadata.summary_description = getattr(summary_description, "type_hint", summary_description)
    with _scope(name, family, [tensor]) as (tag, scope):
        value = convert_to_tensor(tensor)
        made = create("TensorSummaryV2", scope, tag, value, metadata=metadata.SerializeToString())
        return collect(made, collections)


def text(name: str, tensor: Any, collections: Any = None) -> Tensor:
    """A summary of text, which TensorBoard shows as Markdown.

    Args:
        name: the tag, below the current name scope.
        tensor: strings.
        collections: as for :func:`scalar`.

    Raises:
        ValueError: not strings.
    """
    from dynrnn.tf1.summary.protos import SummaryMetadata

    value = convert_to_tensor(tensor)
    if value.dtype.base_dtype is not dtypes.string:
        raise ValueError(f"Expected tensor {value.name} to have dtype string, got {value.dtype}")
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    return tensor_summary(name, value, collections=collections, summary_metadata=metadata)


@register("MergeSummary", _string_scalar, differentiable=False)
def _merge(*inputs: np.ndarray) -> np.ndarray:
    from dynrnn.tf1.summary.protos import Summary

    merged = Summary()
    for array in inputs:
        for data in array.ravel():
            try:
                merged.MergeFromString(data)
            except Exception as error:
                raise errors.InvalidArgumentError(
                    None, None, f"Could not parse one of the summary inputs: {error}"
                ) from None
    seen: set[str] = set()
    for value in merged.value:
        if value.tag in seen:
            raise errors.InvalidArgumentError(None, None, f"Duplicate tag {value.tag} found in summary inputs")
        seen.add(value.tag)
    return _text(merged.SerializeToString())


def merge(inputs: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """One summary with the values of all ``inputs``.

    Args:
        inputs: summaries: string tensors.
        collections: where the result is put; nowhere by default.
        name: operation name.

    Raises:
        ValueError: no inputs.
        TypeError: not a list, or not strings.
        tf.errors.InvalidArgumentError: at run time, when two values have one tag.
    """
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(f"Expected list for 'inputs' argument to 'MergeSummary' Op, not {inputs!r}.")
    if not inputs:
        raise ValueError("List argument 'inputs' to 'MergeSummary' Op with length 0 shorter than minimum length 1.")
    with name_scope(name, "Merge", inputs):
        tensors = [convert_to_tensor(item, dtypes.string, name=f"inputs_{i}") for i, item in enumerate(inputs)]
        made = get_default_graph().create_op("MergeSummary", tensors, None, name).outputs[0]
        return collect(made, collections or [])


def merge_all(key: Any = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None) -> Tensor | None:
    """:func:`merge` of the summaries of the default graph; None when there are none.

    Args:
        key: the collection that holds them.
        scope: only those whose names match this expression from the start.
        name: operation name.
    """
    summaries = get_default_graph().get_collection(key, scope)
    return merge(summaries, name=name) if summaries else None
