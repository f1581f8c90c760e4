"""``tf.summary``: numbers, histograms, pictures, sounds and texts of a run, in files that TensorBoard shows.

The messages (``tf.Summary``, ``tf.Event``) are those of the ``tensorboard`` package, which is loaded when the first of
them is needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.records import read_records
from dynrnn.tf1.summary.operations import audio, histogram, image, merge, merge_all, scalar, tensor_summary, text
from dynrnn.tf1.summary.writer import FileWriter, FileWriterCache

__all__ = [
    "MESSAGES",
    "FileWriter",
    "FileWriterCache",
    "audio",
    "histogram",
    "image",
    "merge",
    "merge_all",
    "scalar",
    "summary_iterator",
    "tensor_summary",
    "text",
]

# read when they are asked for
MESSAGES = {
    name: f"dynrnn.tf1.summary.protos:{name}"
    for name in (
        "Event",
        "HistogramProto",
        "LogMessage",
        "SessionLog",
        "Summary",
        "SummaryDescription",
        "SummaryMetadata",
        "TaggedRunMetadata",
    )
}


def summary_iterator(path: Any) -> Iterator[Any]:
    """The ``Event`` messages of an event file."""
    protos: Any = importlib.import_module("dynrnn.tf1.summary.protos")
    for record in read_records(str(path)):
        yield protos.Event.FromString(record)


__getattr__ = missing(__name__, globals(), later=MESSAGES)
