"""Dropout's arithmetic: what a keep probability may be, the seeds of the masks, and the two ways to drop.

A *keep probability* is a number, or a tensor (of torch or of a graph). A number of 1 means that there is nothing to do;
a tensor's value is not looked at, so it always drops, be it with probability 0.
"""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

__all__ = ["as_keep_prob", "drop", "drop_variational", "salted_seed", "wants_dropout"]


def as_keep_prob(name: str, value: Any) -> Any:
    """``value`` as a float if it is a number, as it is if it is a tensor.

    Raises:
        TypeError: it is neither.
        ValueError: it is known not to be in [0, 1].
    """
    if isinstance(value, numbers.Real) or (isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0):
        value = known = float(value)
    elif isinstance(value, torch.Tensor):
        if value.ndim:
            raise ValueError(f"expected {name} to be a number or a scalar tensor, got shape {list(value.shape)}")
        if value.is_meta:
            return value
        known = float(value)
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        return value  # a graph tensor: its value is known only when the graph runs
    else:
        raise TypeError(f"expected {name} to be a number or a scalar tensor, got {type(value).__name__}")
    if not 0.0 <= known <= 1.0:
        raise ValueError(f"Parameter {name} must be between 0 and 1: {known}")
    return value


def wants_dropout(keep_prob: Any) -> bool:
    """Whether there is anything to drop."""
    return not isinstance(keep_prob, float) or keep_prob < 1.0


def salted_seed(seed: Any, salt: str) -> int | None:
    """The seed of one mask of a wrapper whose own seed is ``seed``: from the MD5 digest, as TensorFlow's.

    Two masks of one wrapper must not be the same, and a seed must mean the same masks in every process.
    """
    if seed is None:
        return None
    digest = hashlib.md5((str(seed) + salt).encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) & 0x7FFFFFFF


def drop(uniform: Callable[..., Any], x: Any, keep_prob: Any, seed: int | None) -> Any:
    """``x / keep_prob`` where a fresh ``uniform(x) >= 1 - keep_prob``, 0 elsewhere.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    Args:
        uniform: the hook ``random_uniform(like, shape, seed)`` of a cell.
        x: tensor.
        keep_prob: float above 0, or scalar tensor.
        seed: of the noise, or None.

    Raises:
        ValueError: ``keep_prob`` is 0, or ``x`` is not floating.
    """
    _check(x, keep_prob)
    kept = torch.ge(uniform(x, seed=seed), 1.0 - keep_prob)
    return torch.where(kept, torch.mul(x, 1.0 / keep_prob), torch.zeros_like(x))


def drop_variational(x: Any, noise: Any, keep_prob: Any) -> Any:
    """``x / keep_prob * floor(keep_prob + noise)``: the mask is that of ``noise`` [1, ...], the same for all rows.

    Source: Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016.

    Raises:
        ValueError: ``keep_prob`` is 0, or ``x`` is not floating.
    """
    _check(x, keep_prob)
    return torch.mul(torch.div(x, keep_prob), torch.floor(torch.add(noise, keep_prob)))


def _check(x: Any, keep_prob: Any) -> None:
    if isinstance(keep_prob, float) and keep_prob == 0.0:
        raise ValueError("rate must be a scalar tensor or a float in the range [0, 1), got 1 (a keep_prob of 0)")
    if isinstance(x.dtype, torch.dtype) and not x.dtype.is_floating_point:
        raise ValueError(f"expected what dropout scales to be floating, got dtype {x.dtype}")
