"""Summaries under the names they had before TensorFlow 1.0; the tag is given as it is, without the name scope."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.ops.signature import create
from dynrnn.tf1.summary.operations import collect, image_count, merge, merge_all

__all__ = [
    "audio_summary",
    "histogram_summary",
    "image_summary",
    "merge_all_summaries",
    "merge_summary",
    "scalar_summary",
]


def scalar_summary(tags: Any, values: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """A summary of numbers: ``tags`` and ``values`` have one shape."""
    return collect(create("ScalarSummary", name, tags, values), collections)


def histogram_summary(tag: Any, values: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """A summary of how values are spread."""
    return collect(create("HistogramSummary", name, tag, values), collections)


def image_summary(
    tag: Any, tensor: Any, max_images: int = 3, collections: Any = None, name: str | None = None
) -> Tensor:
    """A summary of pictures ``[batch, height, width, channels]``."""
    return collect(create("ImageSummary", name, tag, tensor, max_images=image_count(max_images)), collections)


def audio_summary(
    tag: Any, tensor: Any, sample_rate: Any, max_outputs: int = 3, collections: Any = None, name: str | None = None
) -> Tensor:
    """A summary of sounds ``[batch, frames, channels]``."""
    made = create("AudioSummaryV2", name, tag, tensor, sample_rate, max_outputs=image_count(max_outputs))
    return collect(made, collections)


def merge_summary(inputs: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """One summary with the values of all ``inputs``."""
    return merge(inputs, collections, name)


def merge_all_summaries(key: Any = GraphKeys.SUMMARIES) -> Tensor | None:
    """:func:`merge_summary` of the summaries of the default graph; None when there are none."""
    return merge_all(key)
