"""Choosing elements: gather, masks, ``where``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import constant, convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import broadcast_shapes
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.ops.arithmetic import maximum
from dynrnn.tf1.ops.casting import cast
from dynrnn.tf1.ops.comparing import less
from dynrnn.tf1.ops.reducing import reduce_max
from dynrnn.tf1.ops.shape_rules import at_least_rank, brackets, merge, merge_dims, of_rank, static_int
from dynrnn.tf1.ops.shaping import expand_dims
from dynrnn.tf1.ops.signature import create, operation, types_of

__all__ = ["batch_gather", "boolean_mask", "gather", "gather_nd", "sequence_mask", "where", "where_v2"]

_INDICES = types_of("int16 int32 int64")
_AXIS = types_of("int32 int64", dtypes.int32)

# --- gather -----------------------------------------------------------------------------------------------------------


def _infer_gather(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, index = at_least_rank(inputs[0].shape, 1), inputs[1].shape
    dtype, batch = inputs[0].dtype.base_dtype, attrs["batch_dims"]
    of_rank(inputs[2].shape, 0)
    axis = static_int(inputs[2])
    if axis is not None:
        at_least_rank(source, axis + 1 if axis >= 0 else -axis)
    if source.ndims is None or index.ndims is None:
        return [(dtype, unknown_shape())]
    if batch < 0:
        batch += index.ndims
    if axis is None:
        return [(dtype, unknown_shape(source.ndims + index.ndims - 1 - batch))]
    axis %= source.ndims
    if batch > axis:
        raise ValueError(f"batch_dims ({batch}) must be less than or equal to axis ({axis})")
    head = merge(TensorShape(list(source)[:batch]), TensorShape(list(index)[:batch]))
    middle = [*list(source)[batch:axis], *list(index)[batch:], *list(source)[axis + 1 :]]
    return [(dtype, head.concatenate(middle))]


@operation("GatherV2", "params:Tparams indices:Tindices axis:Taxis", _infer_gather, Tindices=_INDICES, Taxis=_AXIS)
def _gather(params: Any, indices: torch.Tensor, axis_tensor: torch.Tensor, *, batch_dims: int) -> Any:
    axis, ndims = int(axis_tensor), len(params.shape)
    if not -ndims <= axis < ndims:
        raise ValueError(f"Expected axis in the range [{-ndims}, {ndims}), but got {axis}")
    axis %= ndims
    batch = batch_dims % indices.dim() if batch_dims < 0 else batch_dims
    if isinstance(params, np.ndarray):
        _check_indices(indices, params.shape[axis])
        if batch:
            raise NotImplementedError("gather with batch_dims is not available for strings")
        return np.asarray(np.take(params, indices.numpy(), axis), dtype=object)
    if batch:
        return _batched_gather(params, indices, axis, batch)
    try:
        rows = params.index_select(
            axis, indices.reshape(-1).int() if indices.dtype is torch.int16 else indices.reshape(-1)
        )
    except (IndexError, RuntimeError):
        _check_indices(indices, params.shape[axis])
        raise
    return rows.reshape([*params.shape[:axis], *indices.shape, *params.shape[axis + 1 :]])


def _check_indices(indices: torch.Tensor, size: int) -> None:
    """Raise ``ValueError`` for the first index out of range."""
    wrong = ((indices < 0) | (indices >= size)).nonzero()
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise ValueError(
            f"indices[{','.join(map(str, at))}] = {int(indices[at])} is not in [0, {size})".replace("[] ", " ")
        )


def _batched_gather(params: torch.Tensor, indices: torch.Tensor, axis: int, batch: int) -> torch.Tensor:
    """Each batch row of ``params`` with its own row of ``indices``."""
    head, middle, size = params.shape[:batch], params.shape[batch:axis], params.shape[axis]
    if indices.shape[:batch] != head:
        raise ValueError(
            f"params.shape[:{batch}]: {list(head)} should be equal to indices.shape[:{batch}]: "
            f"{list(indices.shape[:batch])}"
        )
    _check_indices(indices, size)
    rows = params.movedim(axis, batch).reshape(math.prod(head), size, *middle, *params.shape[axis + 1 :])
    index = indices.reshape(math.prod(head), -1).long()
    taken = rows[torch.arange(len(rows)).unsqueeze(1), index]
    inner = indices.shape[batch:]
    taken = taken.reshape([*head, *inner, *middle, *params.shape[axis + 1 :]])
    order = list(range(taken.dim()))
    first, last = batch + len(inner), batch + len(inner) + len(middle)
    return taken.permute(*order[:batch], *order[first:last], *order[batch:first], *order[last:])


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """The slices of ``params`` along ``axis`` (``batch_dims`` by default) at ``indices``.

    An index out of range is an error at run time. With ``batch_dims`` the leading dimensions of both are matched.
    """
    return create("GatherV2", name, params, indices, batch_dims if axis is None else axis, batch_dims=int(batch_dims))


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """``gather`` in which all dimensions of ``indices`` but the last are batch dimensions.

    Raises:
        ValueError: the rank of ``indices`` is not known.
    """
    with name_scope(name, "BatchGather", [params, indices]):
        index = convert_to_tensor(indices, name="indices")
        if index.shape.ndims is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        return gather(params, index, axis=index.shape.ndims - 1, batch_dims=index.shape.ndims - 1)


def _infer_gather_nd(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, index = inputs[0].shape, at_least_rank(inputs[1].shape, 1)
    dtype, batch = inputs[0].dtype.base_dtype, attrs["batch_dims"]
    depth = index[-1].value if index.ndims is not None else None
    if source.ndims is None or index.ndims is None or depth is None:
        return [(dtype, unknown_shape())]
    if depth + batch > source.ndims:
        raise ValueError(
            f"indices.shape[-1] must be <= params.rank, but saw indices shape: {brackets(index)} and params shape: "
            f"{brackets(source)}"
        )
    head = merge(TensorShape(list(source)[:batch]), TensorShape(list(index)[:batch]))
    return [(dtype, head.concatenate([*list(index)[batch:-1], *list(source)[batch + depth :]]))]


@operation("GatherNd", "params:Tparams indices:Tindices", _infer_gather_nd, Tindices=_INDICES)
def _gather_nd(params: Any, indices: torch.Tensor, *, batch_dims: int) -> Any:
    if batch_dims:
        # the batch position becomes one more index
        head = params.shape[:batch_dims]
        if indices.shape[:batch_dims] != head:
            raise ValueError(f"batch dimensions differ: params {list(params.shape)}, indices {list(indices.shape)}")
        params = params.reshape(math.prod(head), *params.shape[batch_dims:])
        flat = indices.reshape(len(params), *indices.shape[batch_dims:])
        rows = torch.arange(len(params), dtype=indices.dtype).reshape(-1, *[1] * (flat.dim() - 1))
        flat = torch.cat([rows.expand(*flat.shape[:-1], 1), flat], -1)
        taken = _gather_nd(params, flat, batch_dims=0)
        return taken.reshape([*head, *taken.shape[1:]])
    columns = indices.long().unbind(-1)
    for axis, column in enumerate(columns):
        wrong = ((column < 0) | (column >= params.shape[axis])).nonzero()
        if len(wrong):
            at = tuple(wrong[0].tolist())
            raise ValueError(
                f"indices[{','.join(map(str, at))}] = {indices[at].tolist()} does not index into param shape "
                f"{list(params.shape)}".replace("indices[] =", "indices =")
            )
    if isinstance(params, np.ndarray):
        return np.asarray(params[tuple(c.numpy() for c in columns)], dtype=object)
    return params[columns] if columns else params.expand([*indices.shape[:-1], *params.shape])


def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Tensor:
    """Elements or slices of ``params`` at the index vectors in the last dimension of ``indices``."""
    return create("GatherNd", name, params, indices, batch_dims=int(batch_dims))


# --- masks ------------------------------------------------------------------------------------------------------------


def _infer_boolean_mask(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, mask, axis = inputs[0].shape, inputs[1].shape, attrs["axis"]
    if source.ndims is None:
        return [(inputs[0].dtype.base_dtype, unknown_shape())]
    dims = list(source)
    return [(inputs[0].dtype.base_dtype, TensorShape([*dims[:axis], None, *dims[axis + mask.ndims :]]))]


@operation("BooleanMask", "tensor:T mask:bool", _infer_boolean_mask)
def _boolean_mask(value: Any, mask: torch.Tensor, *, axis: int) -> Any:
    if tuple(value.shape[axis : axis + mask.dim()]) != tuple(mask.shape):
        raise ValueError(f"Shapes {tuple(value.shape)} and {tuple(mask.shape)} are incompatible")
    key: tuple[Any, ...] = (*[slice(None)] * axis, mask.numpy() if isinstance(value, np.ndarray) else mask)
    return value[key]


def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: Any = None) -> Tensor:
    """The slices of ``tensor`` where ``mask`` holds; the dimensions of the mask become one.

    Raises:
        ValueError: a mask that is a scalar or of unknown rank, or whose shape does not fit.
    """
    with name_scope(name, "boolean_mask", [tensor, mask]):
        value, hits = convert_to_tensor(tensor, name="tensor"), convert_to_tensor(mask, dtypes.bool_, name="mask")
        if hits.shape.ndims == 0:
            raise ValueError("mask cannot be scalar.")
        if hits.shape.ndims is None:
            raise ValueError(
                "Number of mask dimensions must be specified, even if some dimensions are None.  E.g. shape=[None] is "
                "ok, but shape=None is not."
            )
        where = 0 if axis is None else int(axis)
        if where < 0 and value.shape.ndims is not None:
            where += value.shape.ndims
        if value.shape.ndims is not None:
            TensorShape(list(value.shape)[where : where + hits.shape.ndims]).assert_is_compatible_with(hits.shape)
        return create("BooleanMask", "GatherV2", value, hits, axis=where)


def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool_, name: str | None = None) -> Tensor:
    """``mask[..., j] = j < lengths[...]``, of width ``maxlen`` (by default the largest length).

    Raises:
        ValueError: ``maxlen`` is not a scalar.
    """
    with name_scope(name, "SequenceMask", [lengths, maxlen]):
        value = convert_to_tensor(lengths)
        if maxlen is None:
            longest = reduce_max(value)
            longest = maximum(constant(0, longest.dtype), longest)
        else:
            longest = convert_to_tensor(maxlen)
        if longest.shape.ndims not in (0, None):
            raise ValueError(f"maxlen must be scalar for sequence_mask, received {longest} with shape {longest.shape}")
        positions = create("Range", None, constant(0, longest.dtype), longest, constant(1, longest.dtype))
        rows = create("Cast", None, expand_dims(value, -1), DstT=longest.dtype.base_dtype)
        result = less(positions, rows)
        return result if dtype is None else cast(result, as_dtype(dtype))


# --- where ------------------------------------------------------------------------------------------------------------


@operation(
    "Where",
    "input:T",
    lambda inputs, attrs: [(dtypes.int64, TensorShape([None, inputs[0].shape.ndims]))],
    differentiable=False,
)
def _where_indices(condition: torch.Tensor) -> torch.Tensor:
    return condition.nonzero()


def _infer_select(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    condition, x, y = (t.shape for t in inputs)
    dtype, merged = inputs[1].dtype.base_dtype, merge(x, y)
    if condition.ndims in (None, 0) or merged.ndims is None:
        return [(dtype, merged)]
    if condition.ndims == 1 and merged.ndims > 1:
        rows = merge_dims(condition[0].value, merged[0].value)
        return [(dtype, TensorShape([rows, *list(merged)[1:]]))]
    return [(dtype, merge(merged, condition))]


@operation("Select", "condition:bool t:T e:T", _infer_select)
def _select(condition: torch.Tensor, x: Any, y: Any) -> Any:
    if tuple(x.shape) != tuple(y.shape):
        raise ValueError(
            f"'then' and 'else' must have the same size.  but received: {list(x.shape)} vs. {list(y.shape)}"
        )
    ndims = len(x.shape)
    # a vector chooses whole rows, a scalar everything
    rows = condition.dim() == 1 and ndims > 1
    if tuple(condition.shape) != tuple(x.shape) and condition.dim() and not (rows and condition.shape[0] == x.shape[0]):
        raise ValueError(
            f"condition must have the shape of 'then' or be a vector of its first dimension: "
            f"{list(condition.shape)} vs. {list(x.shape)}"
        )
    if rows:
        condition = condition.reshape([-1] + [1] * (ndims - 1))
    if isinstance(x, np.ndarray):
        return np.asarray(np.where(condition.numpy(), x, y), dtype=object)
    return torch.where(condition, x, y)


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """Without x and y: the indices where ``condition`` holds, one row each. With them: x where it holds, else y.

    x and y have one shape; ``condition`` has it too, or is a vector that chooses rows, or a scalar.

    Raises:
        ValueError: only one of x and y, or shapes that do not fit.
    """
    if x is None and y is None:
        with name_scope(name, "Where", [condition, x]) as scope:
            return create("Where", scope, convert_to_tensor(condition, preferred_dtype=dtypes.bool_, name="condition"))
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return create("Select", name, condition, x, y)


def _infer_where_v2(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    shape = broadcast_shapes(inputs[0].shape, broadcast_shapes(inputs[1].shape, inputs[2].shape))
    return [(inputs[1].dtype.base_dtype, shape)]


@operation("SelectV2", "condition:bool t:T e:T", _infer_where_v2)
def _where_v2(condition: torch.Tensor, x: Any, y: Any) -> Any:
    if isinstance(x, np.ndarray):
        return np.asarray(np.where(condition.numpy(), x, y), dtype=object)
    return torch.where(condition, x, y)


def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """``where`` with broadcasting among ``condition``, x and y."""
    if x is None and y is None:
        return where(condition, name=name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return create("SelectV2", name, condition, x, y)


@translates(torch.where)
def _torch_where(condition: Any, input: Any, other: Any) -> Tensor:
    # torch lets a number stand on either side
    if not isinstance(input, Tensor) and isinstance(other, Tensor):
        input = convert_to_tensor(input, other.dtype.base_dtype)
    return where_v2(condition, input, other)
