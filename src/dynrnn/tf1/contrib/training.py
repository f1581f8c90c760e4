"""``tf.contrib.training``."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib.bucketing import bucket, bucket_by_sequence_length
from dynrnn.tf1.contrib.hparam import HParams, parse_values

__all__ = ["HParams", "bucket", "bucket_by_sequence_length", "parse_values"]

__getattr__ = missing(__name__, globals())
