"""``tf.clip_by_norm`` and its like: tensors scaled down to a largest norm. Source: Pascanu et al. 2013."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.indexing import where
from dynrnn.tf1.math_ops import clip_by_value
from dynrnn.tf1.nn_ops import l2_loss

__all__ = ["clip_by_average_norm", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm"]


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """``t * clip_norm / max(norm, clip_norm)`` with the L2 norm over ``axes``, over all of them by default."""
    with name_scope(name, "clip_by_norm") as scope:
        values = convert_to_tensor(t, name="t")
        total = math_ops.reduce_sum(values * values, axes, keepdims=True)
        # the root of 0 has an infinite derivative: it is taken of 1 instead
        positive = total > 0
        root = math_ops.sqrt(where(positive, total, array_ops.ones_like(total)))
        norm = where(positive, root, total)
        scaled = values * clip_norm
        scaled.shape.merge_with(values.shape)
        return array_ops.identity(scaled / math_ops.maximum(norm, clip_norm), name=scope)


def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """``t`` scaled so that its L2 norm divided by its number of elements is at most ``clip_norm``."""
    with name_scope(name, "clip_by_average_norm") as scope:
        values = convert_to_tensor(t, name="t")
        count = math_ops.cast(array_ops.size(values), values.dtype)
        inverse = math_ops.rsqrt(math_ops.reduce_sum(values * values))
        limit = convert_to_tensor(1.0, values.dtype) / clip_norm
        return array_ops.identity(values * clip_norm * math_ops.minimum(inverse * count, limit), name=scope)


def _listed(t_list: Any) -> list[Any]:
    if not isinstance(t_list, Sequence) or isinstance(t_list, (str, bytes)):
        raise TypeError("t_list should be a sequence")
    return list(t_list)


def global_norm(t_list: Any, name: str | None = None) -> Tensor:
    """The L2 norm of all the tensors together; None entries count nothing.

    Raises:
        TypeError: ``t_list`` is no list or tuple.
    """
    tensors = [convert_to_tensor(t) for t in _listed(t_list) if t is not None]
    with name_scope(name, "global_norm"):
        if not tensors:
            return constant(np.float32(0.0), name="global_norm")
        half = math_ops.reduce_sum(array_ops.stack([l2_loss(t) for t in tensors]))
        return math_ops.sqrt(half * 2.0, name="global_norm")


def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Tensor | None], Tensor]:
    """``t * clip_norm / max(global_norm, clip_norm)`` for each tensor of the list.

    Args:
        t_list: tensors and Nones; a None stays a None.
        clip_norm: the largest norm.
        use_norm: the global norm, where it is known already.
        name: name scope.

    Returns:
        The list of scaled tensors, and the global norm. Where that is not finite, all results are NaN.

    Raises:
        TypeError: ``t_list`` is no list or tuple.
    """
    items = _listed(t_list)
    norm = global_norm(items, name) if use_norm is None else use_norm
    with name_scope(name, "clip_by_global_norm") as scope:
        total = convert_to_tensor(norm)
        limit = convert_to_tensor(clip_norm, total.dtype)
        scale = limit * math_ops.minimum(1.0 / total, 1.0 / limit)
        # 0 for a finite norm, else NaN
        scale = scale + (total - total)
        clipped = [
            None if t is None else array_ops.identity(convert_to_tensor(t) * scale, name=f"{scope}_{i}")
            for i, t in enumerate(items)
        ]
        return clipped, total
