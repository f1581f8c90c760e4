"""``tf.contrib.layers``: initializers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import as_shape
from dynrnn.tf1.random_ops import random_uniform, truncated_normal

__all__ = ["variance_scaling_initializer", "xavier_initializer", "xavier_initializer_conv2d"]

Initializer = Callable[..., Tensor]


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = dtypes.float32,
) -> Initializer:
    """Random with a variance of ``factor / n``, n the inputs, the outputs or their mean. Source: He et al. 2015.

    Unlike that of ``tf.variance_scaling_initializer`` the cut normal has the standard deviation
    ``sqrt(1.3 * factor / n)`` *before* it is cut, which makes up for the cut approximately.

    Args:
        factor: numerator of the variance.
        mode: "FAN_IN", "FAN_OUT" or "FAN_AVG".
        uniform: uniform, else normal and cut at two standard deviations.
        seed: the operation's seed.
        dtype: a floating-point type.

    Raises:
        TypeError: another dtype or mode.
    """
    if not as_dtype(dtype).is_floating:
        raise TypeError("Cannot create initializer for non-floating point type.")
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise TypeError(f"Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]")

    def initialize(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> Tensor:
        if not as_dtype(dtype).is_floating:
            raise TypeError("Cannot create initializer for non-floating point type.")
        dims = [int(d) for d in as_shape(shape)]
        field = float(np.prod(dims[:-2]))
        fan_out = (dims[-1] if dims else 1) * field
        fan_in = dims[-2] * field if len(dims) > 1 else fan_out
        count = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
        if uniform:
            limit = math.sqrt(3.0 * factor / count)
            return random_uniform(shape, -limit, limit, dtype, seed=seed)
        return truncated_normal(shape, 0.0, math.sqrt(1.3 * factor / count), dtype, seed=seed)

    return initialize


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = dtypes.float32) -> Initializer:
    """Variance ``2 / (inputs + outputs)``. Source: Glorot and Bengio 2010."""
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


xavier_initializer_conv2d = xavier_initializer
