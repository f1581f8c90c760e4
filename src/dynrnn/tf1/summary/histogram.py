"""Histograms in TensorFlow's buckets, which grow by a tenth each on both sides of zero."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np

__all__ = ["bucket_limits", "histogram_fields"]


@cache
def bucket_limits() -> np.ndarray:
    """The upper ends of the buckets, in order; the last is the largest double."""
    positive = []
    value = 1e-12
    while value < 1e20:
        positive.append(value)
        value *= 1.1
    positive.append(sys.float_info.max)
    return np.array([*(-v for v in reversed(positive)), 0.0, *positive])


def histogram_fields(values: Any) -> dict[str, Any]:
    """The fields of a ``HistogramProto`` of ``values``: statistics, and buckets of which runs of empty ones are one.

    Args:
        values: finite numbers.
    """
    flat = np.asarray(values, np.float64).ravel()
    limits = bucket_limits()
    largest = sys.float_info.max
    if not flat.size:
        return {"min": largest, "max": -largest, "bucket_limit": [largest], "bucket": [0.0]}
    counts = np.bincount(np.searchsorted(limits, flat, side="right"), minlength=len(limits))
    filled = np.flatnonzero(counts)
    with np.errstate(over="ignore"):
        squares = flat * flat
    shown = np.zeros(len(limits), bool)
    shown[filled] = True
    # the last of each run of empty buckets stands for the run
    shown[filled[filled > 0] - 1] = True
    shown[-1] = True
    return {
        "min": float(flat.min()),
        "max": float(flat.max()),
        "num": float(flat.size),
        "sum": _in_order(flat),
        "sum_squares": _in_order(squares),
        "bucket_limit": limits[shown].tolist(),
        "bucket": counts[shown].astype(np.float64).tolist(),
    }


def _in_order(values: np.ndarray) -> float:
    """The sum from first to last, as a loop makes it; ``np.sum`` adds pairs."""
    return float(np.cumsum(values)[-1])
