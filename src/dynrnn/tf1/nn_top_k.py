"""``tf.nn``: the largest of many."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply, apply_many
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape

__all__ = ["in_top_k", "top_k"]

TopKV2 = namedtuple("TopKV2", ["values", "indices"])


def _infer_top_k(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, k = inputs[0].shape, constant_value(inputs[1])
    if k is not None and int(k) < 0:
        raise ValueError(f"Need k >= 0, got {int(k)}")
    if source.ndims is None:
        shape = unknown_shape()
    elif source.ndims == 0:
        raise ValueError("Shape must be at least rank 1 but is rank 0")
    else:
        dims = source.as_list()
        if k is not None and dims[-1] is not None and dims[-1] < int(k):
            raise ValueError(f"input must have last dimension >= k = {int(k)} but is {dims[-1]}")
        shape = TensorShape([*dims[:-1], None if k is None else int(k)])
    return [(inputs[0].dtype.base_dtype, shape), (dtypes.int32, shape)]


@register("TopKV2", _infer_top_k)
def _top_k(x: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    count = int(k)
    if not 0 <= count <= x.shape[-1]:
        raise ValueError(f"input must have at least k columns. Had {x.shape[-1]}, needed {count}")
    order = _largest(x.detach(), count)
    return torch.gather(x, -1, order), order.to(torch.int32)


def _largest(x: torch.Tensor, count: int) -> torch.Tensor:
    """Indices of the ``count`` largest along the last dimension, largest first, of equal ones the first first."""
    if count == 0 or x.numel() == 0:
        return torch.zeros([*x.shape[:-1], count], dtype=torch.int64)
    values, order = torch.topk(x, count, -1)
    # torch promises no order among equal elements; which are taken is open only if more than `count` reach the last
    if bool(((x >= values[..., -1:]).sum(-1) == count).all()):
        order = torch.sort(order, dim=-1).values
        places = torch.sort(torch.gather(x, -1, order), stable=True, dim=-1, descending=True).indices
        return torch.gather(order, -1, places)
    return torch.sort(x, stable=True, dim=-1, descending=True).indices[..., :count]


def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> TopKV2:
    """The ``k`` largest entries of the last dimension, largest first, and their int32 indices.

    Of equal entries the first comes first. ``sorted=False`` permits another order and gives this one too.

    Returns:
        ``TopKV2(values, indices)``.

    Raises:
        ValueError: a last dimension smaller than ``k``.
    """
    number = convert_to_tensor(k, dtypes.int32)
    return TopKV2(*apply_many("TopKV2", [input, number], name or "TopKV2"))


def _infer_in_top_k(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    predictions, targets = inputs[0].shape.with_rank(2), inputs[1].shape.with_rank(1)
    return [(dtypes.bool_, TensorShape([predictions[0].merge_with(targets[0])]))]


@register("InTopKV2", _infer_in_top_k, differentiable=False)
def _in_top_k(predictions: torch.Tensor, targets: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    classes = predictions.shape[1]
    valid = (targets >= 0) & (targets < classes)
    own = torch.gather(predictions, 1, torch.where(valid, targets, 0).long().unsqueeze(1))
    return valid & ((predictions > own).sum(1) < k) & torch.isfinite(predictions).all(1)


def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """For each row of ``predictions`` [batch, classes]: whether fewer than ``k`` entries exceed the target class's.

    False for a class out of range and for rows that hold NaN or infinities.

    Raises:
        ValueError: other ranks, or batch sizes that differ.
    """
    with name_scope(name, "in_top_k"):
        classes = convert_to_tensor(targets)
        return apply("InTopKV2", [convert_to_tensor(predictions), classes, convert_to_tensor(k, classes.dtype)])
