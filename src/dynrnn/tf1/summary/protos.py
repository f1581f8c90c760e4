"""The protocol buffers of summaries and event files, from the ``tensorboard`` package.

``tensorboard`` looks for a ``tensorflow`` to read and write files with; where ``import tensorflow`` means
``dynrnn.tf1`` it would get that. A module of the name ``tensorboard.compat.notf`` tells it to use what it brings along.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__all__ = ["allow_tensorboard_alone", "event_pb2", "graph_pb2", "summary_pb2", "tensor_pb2", "types_pb2"]

_NO_TENSORFLOW = "tensorboard.compat.notf"


def allow_tensorboard_alone() -> None:
    """Let ``tensorboard`` do without TensorFlow in this process."""
    if _NO_TENSORFLOW not in sys.modules:
        sys.modules[_NO_TENSORFLOW] = ModuleType(_NO_TENSORFLOW, "Says that tensorboard does without TensorFlow.")


allow_tensorboard_alone()

from tensorboard.compat.proto import (  # noqa: E402 - only now
    config_pb2,
    event_pb2,
    graph_pb2,
    summary_pb2,
    tensor_pb2,
    types_pb2,
)

Summary: Any = summary_pb2.Summary
SummaryMetadata: Any = summary_pb2.SummaryMetadata
SummaryDescription: Any = summary_pb2.SummaryDescription
HistogramProto: Any = summary_pb2.HistogramProto
Event: Any = event_pb2.Event
SessionLog: Any = event_pb2.SessionLog
TaggedRunMetadata: Any = event_pb2.TaggedRunMetadata
LogMessage: Any = event_pb2.LogMessage
GraphDef: Any = graph_pb2.GraphDef
RunMetadataProto: Any = config_pb2.RunMetadata
