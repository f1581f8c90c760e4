"""Sparse tensors put into another order or shape, cut and joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply_many
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.sparse_tensor import SparseTensor, sparse_argument
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.ops.inputs import identity
from dynrnn.tf1.ops.selecting import gather, where
from dynrnn.tf1.ops.shaping import reshape
from dynrnn.tf1.ops.sparse_indices import check_indices, flat_positions, from_flat, row_major, taken

__all__ = [
    "sparse_concat",
    "sparse_fill_empty_rows",
    "sparse_reorder",
    "sparse_reset_shape",
    "sparse_reshape",
    "sparse_retain",
    "sparse_slice",
    "sparse_split",
    "sparse_transpose",
]


def _parts(sparse: SparseTensor) -> list[Tensor]:
    return [sparse.indices, sparse.values, sparse.dense_shape]


def _some(kind: Any, rank: Any) -> list[Spec]:
    """Indices and values of a number that is not known."""
    return [(dtypes.int64, TensorShape([None, rank])), (kind, TensorShape([None]))]


# --- order and shape --------------------------------------------------------------------------------------------------


@register(
    "SparseReorder",
    lambda inputs, attrs: [(t.dtype.base_dtype, t.shape) for t in inputs[:2]],
)
def _reorder(indices: torch.Tensor, values: Any, shape: torch.Tensor) -> tuple[torch.Tensor, Any]:
    check_indices(indices, shape.tolist(), ordered=False)
    order = row_major(indices)
    return indices[order], taken(values, order)


def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same elements in row-major order.

    Raises:
        TypeError: not a sparse tensor.
    """
    sparse = sparse_argument(sp_input)
    indices, values = apply_many("SparseReorder", _parts(sparse), name)
    return SparseTensor(indices, values, identity(sparse.dense_shape))


def _infer_reshape(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    count, rank = inputs[0].shape.with_rank(2)[0], inputs[2].shape.with_rank(1)[0]
    return [(dtypes.int64, TensorShape([count, rank]))]


@register("SparseReshapeIndices", _infer_reshape, differentiable=False)
def _reshape_indices(indices: torch.Tensor, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    return from_flat(flat_positions(indices, old.tolist()), new.tolist())


@register(
    "SparseReshapeShape",
    lambda inputs, attrs: [(dtypes.int64, inputs[1].shape)],
    differentiable=False,
)
def _reshape_shape(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    count, dims = math.prod(old.tolist()), new.tolist()
    if dims.count(-1) > 1:
        raise ValueError("only one output dimension may be -1, not both " + " and ".join(map(str, dims)))
    known = math.prod(d for d in dims if d != -1)
    if -1 in dims:
        if known == 0 or count % known:
            raise ValueError(
                f"Input to reshape is a SparseTensor with {count} dense values, but the requested shape requires a "
                f"multiple of {known}. input_shape={old.tolist()} output_shape={dims}"
            )
        dims[dims.index(-1)] = count // known
    elif known != count:
        raise ValueError(
            f"Input to reshape is a tensor with {count} dense values, but the requested shape has {known}. "
            f"input_shape={old.tolist()} output_shape={dims}"
        )
    return torch.tensor(dims, dtype=torch.int64)


def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The same elements, counted in row-major order, in a tensor of ``shape``, where one size may be -1.

    Raises:
        TypeError: not a sparse tensor.
        ValueError: both shapes are known and have different numbers of elements.
    """
    sparse = sparse_argument(sp_input)
    with name_scope(name, "SparseReshape", [sparse.values]):
        wanted = convert_to_tensor(shape, dtypes.int64, name="shape")
        old, new = sparse.shape, constant_value(wanted)
        if old.is_fully_defined() and new is not None and -1 not in new.tolist():
            count, requested = old.num_elements(), math.prod(new.tolist())
            if count != requested:
                raise ValueError(
                    f"Cannot reshape a tensor with {count} elements to shape {new.tolist()} ({requested} elements)."
                )
        size = apply_many("SparseReshapeShape", [sparse.dense_shape, wanted], "Shape")[0]
        (indices,) = apply_many("SparseReshapeIndices", [sparse.indices, sparse.dense_shape, size], "SparseReshape")
        return SparseTensor(indices, identity(sparse.values), size)


def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """The dimensions in the order ``perm``, or in the opposite order.

    Raises:
        TypeError: not a sparse tensor.
        ValueError: no ``perm``, and the rank is not known.
    """
    sparse = sparse_argument(sp_input)
    with name_scope(name, "SparseTranspose"):
        if perm is None:
            rank = sparse.dense_shape.shape[0].value
            if rank is None:
                raise ValueError("sparse_transpose needs perm where the rank of the tensor is not known")
            perm = list(range(rank))[::-1]
        turned = SparseTensor(gather(sparse.indices, perm, axis=1), sparse.values, gather(sparse.dense_shape, perm))
        return sparse_reorder(turned)


@register("SparseResetShape", lambda inputs, attrs: [(dtypes.int64, inputs[0].shape[1:])], differentiable=False)
def _tight_shape(indices: torch.Tensor) -> torch.Tensor:
    return indices.amax(0) + 1 if len(indices) else torch.zeros(indices.shape[1], dtype=torch.int64)


@register("SparseCheckShape", lambda inputs, attrs: [(dtypes.int64, inputs[0].shape)], differentiable=False)
def _large_enough(new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    if len(new) != len(old):
        raise ValueError(f"new_shape must have the rank {len(old)} of the sparse tensor, got {new.tolist()}")
    if bool((new < old).any()):
        raise ValueError(f"new_shape must be at least {old.tolist()} in every dimension, got {new.tolist()}")
    return new


def sparse_reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """The same elements in a tensor of another shape, by default of the smallest that holds them.

    Raises:
        TypeError: not a sparse tensor.
        ValueError: a shape of another rank, or smaller than the present one, if both are known; at run time
            tf.errors.InvalidArgumentError.
    """
    sparse = sparse_argument(sp_input)
    indices, values = identity(sparse.indices), identity(sparse.values)
    if new_shape is None:
        return SparseTensor(indices, values, apply_many("SparseResetShape", [indices])[0])
    wanted = convert_to_tensor(new_shape, dtypes.int64)
    wanted.shape.with_rank(1)[0].merge_with(sparse.dense_shape.shape.with_rank(1)[0])
    new, old = constant_value(wanted), sparse.shape
    if new is not None and old.is_fully_defined():
        if bool((new < np.array(old.as_list())).any()):
            raise ValueError(
                "Requested new_shape should have dimension sizes >= sp_input.shape.  Found new_shape "
                f"({new}), sp_input.shape ({np.array(old.as_list())})."
            )
        return SparseTensor(indices, values, wanted)
    return SparseTensor(indices, values, apply_many("SparseCheckShape", [wanted, sparse.dense_shape])[0])


# --- parts ------------------------------------------------------------------------------------------------------------


@register(
    "SparseSlice",
    lambda inputs, attrs: [
        *_some(inputs[1].dtype.base_dtype, inputs[0].shape.with_rank(2)[1]),
        (dtypes.int64, inputs[2].shape),
    ],
)
def _slice(
    indices: torch.Tensor, values: Any, shape: torch.Tensor, start: torch.Tensor, size: torch.Tensor
) -> tuple[torch.Tensor, Any, torch.Tensor]:
    if len(start) != len(shape) or len(size) != len(shape):
        raise ValueError(
            f"start and size must have a number for each of the {len(shape)} dimensions, got {start.tolist()} and "
            f"{size.tolist()}"
        )
    end = torch.minimum(start + size, shape)
    kept = ((indices >= start) & (indices < end)).all(1).nonzero().squeeze(1)
    return indices[kept] - start, taken(values, kept), (end - start).clamp(min=0)


def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """The part of a sparse tensor that begins at ``start`` and has at most the ``size``.

    Raises:
        TypeError: not a sparse tensor.
    """
    sparse = sparse_argument(sp_input)
    bounds = [convert_to_tensor(x, dtypes.int64) for x in (start, size)]
    return SparseTensor(*apply_many("SparseSlice", [*_parts(sparse), *bounds], name))


def sparse_split(
    keyword_required: Any = None,
    sp_input: Any = None,
    num_split: int | None = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """A sparse tensor cut into ``num_split`` parts along ``axis``; the first ones are larger by one where it must be.

    Call it with keywords. ``split_dim`` is an older name of ``axis``.

    Raises:
        TypeError: not a sparse tensor.
        ValueError: an argument is missing, or there are more parts than the dimension has elements, if that is known.
    """
    along = split_dim if axis is None else axis
    if sp_input is None:
        raise ValueError("sp_input is required")
    if num_split is None:
        raise ValueError("num_split is required")
    if along is None:
        raise ValueError("axis is required")
    sparse = sparse_argument(sp_input)
    rank = sparse.dense_shape.shape[0].value
    specs = [
        spec
        for _ in range(num_split)
        for spec in (*_some(sparse.dtype.base_dtype, rank), (dtypes.int64, sparse.dense_shape.shape))
    ]
    graph_attrs = {"axis": int(along), "count": int(num_split)}
    tensors = apply_many("SparseSplit", _parts(sparse), name, specs, **graph_attrs)
    return [SparseTensor(*tensors[3 * i : 3 * i + 3]) for i in range(num_split)]


@register("SparseSplit")
def _split(indices: torch.Tensor, values: Any, shape: torch.Tensor, *, axis: int, count: int) -> list[Any]:
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"Input axis should be in range [-{len(shape)}, {len(shape)}), got {axis}")
    axis %= len(shape)
    total = int(shape[axis])
    if not 1 <= count <= total:
        raise ValueError(f"Input num_split should be between 1 and the splitting dimension size ({total}), got {count}")
    result: list[Any] = []
    begin = 0
    for part in range(count):
        start, size = torch.zeros_like(shape), shape.clone()
        start[axis], size[axis] = begin, total // count + (part < total % count)
        begin += int(size[axis])
        result.extend(_slice(indices, values, shape, start, size))
    return result


def _infer_concat(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    count = attrs["count"]
    rows = [t.shape.with_rank(2)[0].value for t in inputs[:count]]
    total = None if None in rows else sum(r for r in rows if r is not None)
    kind = inputs[count].dtype.base_dtype
    rank = inputs[0].shape.with_rank(2)[1]
    return [(dtypes.int64, TensorShape([total, rank])), (kind, TensorShape([total]))]


@register("SparseConcat", _infer_concat)
def _concat(*tensors: Any, count: int, axis: int) -> tuple[torch.Tensor, Any]:
    indices, values, shapes = tensors[:count], tensors[count : 2 * count], tensors[2 * count :]
    moved, begin = [], 0
    for part, shape in zip(indices, shapes, strict=True):
        shift = torch.zeros(part.shape[1], dtype=torch.int64)
        shift[axis] = begin
        moved.append(part + shift)
        begin += int(shape[axis])
    everything = torch.cat(moved)
    order = row_major(everything)
    joined = np.concatenate(values) if isinstance(values[0], np.ndarray) else torch.cat(values)
    return everything[order], taken(joined, order)


@register("SparseConcatShape", lambda inputs, attrs: [(dtypes.int64, inputs[0].shape)], differentiable=False)
def _concat_shape(*shapes: torch.Tensor, axis: int, expand: bool) -> torch.Tensor:
    first = shapes[0]
    if not -len(first) <= axis < len(first):
        raise ValueError(f"Concat dimension must be in range [-{len(first)}, {len(first)}), got {axis}")
    axis %= len(first)
    for position, shape in enumerate(shapes):
        if len(shape) != len(first):
            raise ValueError(f"Ranks of all input tensors must match: expected {len(first)} but got {len(shape)}")
        for dim, (a, b) in enumerate(zip(first.tolist(), shape.tolist(), strict=True)):
            if a != b and dim != axis and not expand:
                raise ValueError(
                    f"Input shapes must match: expected {a} for dimension {dim} but got {b} at position {position}"
                )
    stacked = torch.stack(shapes)
    result = stacked.amax(0)
    result[axis] = stacked[:, axis].sum()
    return result


def sparse_concat(
    axis: Any,
    sp_inputs: Any,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: Any = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """Sparse tensors joined along ``axis``.

    Args:
        axis: a Python int.
        sp_inputs: a list of sparse tensors; each in row-major order.
        name: operation name.
        expand_nonconcat_dim: let the other dimensions differ: each becomes the largest.
        concat_dim, expand_nonconcat_dims: other names.

    Raises:
        TypeError: not a list of sparse tensors.
    """
    along = int(axis if concat_dim is None else concat_dim)
    if not isinstance(sp_inputs, (list, tuple)):
        raise TypeError("Inputs must be a list")
    parts = [sparse_argument(p, "All inputs must be SparseTensors") for p in sp_inputs]
    if len(parts) == 1:
        return parts[0]
    expand = bool(expand_nonconcat_dim if expand_nonconcat_dims is None else expand_nonconcat_dims)
    shapes = [p.dense_shape for p in parts]
    size = apply_many("SparseConcatShape", shapes, None, axis=along, expand=expand)[0]
    columns = [p.indices for p in parts], [p.values for p in parts], shapes
    graph = parts[0].graph
    # the check of the shapes comes first
    with graph.control_dependencies([size]):
        indices, values = apply_many(
            "SparseConcat", [t for column in columns for t in column], name, count=len(parts), axis=along
        )
    return SparseTensor(indices, values, size)


def sparse_retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """The elements for which the boolean vector ``to_retain`` is true.

    Raises:
        TypeError: not a sparse tensor.
    """
    sparse = sparse_argument(sp_input)
    keep = convert_to_tensor(to_retain, dtypes.bool_)
    keep.shape.with_rank(1)[0].merge_with(sparse.values.shape.with_rank(1)[0])
    places = reshape(where(keep), [-1])
    return SparseTensor(gather(sparse.indices, places), gather(sparse.values, places), identity(sparse.dense_shape))


@register(
    "SparseFillEmptyRows",
    lambda inputs, attrs: [
        *_some(inputs[1].dtype.base_dtype, inputs[0].shape.with_rank(2)[1]),
        (dtypes.bool_, TensorShape([None])),
    ],
)
def _fill_empty_rows(
    indices: torch.Tensor, values: Any, shape: torch.Tensor, default: Any
) -> tuple[torch.Tensor, Any, torch.Tensor]:
    check_indices(indices, shape.tolist(), ordered=False)
    empty = torch.ones(int(shape[0]), dtype=torch.bool)
    empty[indices[:, 0]] = False
    rows = empty.nonzero()
    added = torch.cat([rows, torch.zeros(len(rows), indices.shape[1] - 1, dtype=torch.int64)], 1)
    everything = torch.cat([indices, added])
    order = row_major(everything[:, :1])
    if isinstance(values, np.ndarray):
        joined: Any = np.concatenate([values, np.full(len(rows), default.reshape(-1)[0], dtype=object)])
    else:
        joined = torch.cat([values, default.expand(len(rows))])
    return everything[order], taken(joined, order), empty


def sparse_fill_empty_rows(sp_input: Any, default_value: Any, name: str | None = None) -> tuple[SparseTensor, Tensor]:
    """A sparse tensor in which each row without an element has ``default_value`` at its start.

    Returns:
        The sparse tensor, and a boolean vector that says which rows had none.

    Raises:
        TypeError: not a sparse tensor.
    """
    sparse = sparse_argument(sp_input)
    with name_scope(name, "SparseFillEmptyRows", [sparse.values]):
        default = convert_to_tensor(default_value, sparse.dtype.base_dtype)
        indices, values, empty = apply_many("SparseFillEmptyRows", [*_parts(sparse), default])
        return SparseTensor(indices, values, sparse.dense_shape), empty
