"""Shapes: asking for them and changing them without changing the elements."""

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
from dynrnn.tf1.core.infer import broadcast_shapes, constant_value_as_shape
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.sparse_tensor import is_sparse, sparse_argument
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.ops.shape_rules import brackets, element_count, merge_dims, of_rank, scalars_of, static_int, static_ints
from dynrnn.tf1.ops.signature import INDEX, create, create_many, operation

__all__ = [
    "broadcast_dynamic_shape",
    "broadcast_static_shape",
    "broadcast_to",
    "expand_dims",
    "matrix_transpose",
    "rank",
    "reshape",
    "shape",
    "shape_n",
    "size",
    "squeeze",
    "transpose",
]

# --- asking -----------------------------------------------------------------------------------------------------------


def _infer_shape(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["out_type"], TensorShape([t.shape.ndims])) for t in inputs]


@operation("Shape", "input:T", _infer_shape, differentiable=False)
def _shape(value: Any, *, out_type: dtypes.DType) -> torch.Tensor:
    return torch.tensor(tuple(value.shape), dtype=out_type.torch_dtype)


@operation("ShapeN", "input:T*", _infer_shape, differentiable=False)
def _shape_n(*values: Any, out_type: dtypes.DType) -> list[torch.Tensor]:
    return [_shape(value, out_type=out_type) for value in values]


def shape(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """The shape at run time, as an integer vector; a constant where it is known."""
    kind = as_dtype(out_type or dtypes.int32)
    if is_sparse(input):
        from dynrnn.tf1.ops.casting import cast

        return cast(sparse_argument(input).dense_shape, kind)
    with name_scope(name, "Shape", [input]) as scope:
        value = convert_to_tensor(input)
        if value.shape.is_fully_defined():
            return constant(np.array(value.shape.as_list(), kind.as_numpy_dtype), name=scope)
        return create("Shape", scope, value, out_type=kind)


def shape_n(input: Sequence[Any], out_type: Any = dtypes.int32, name: str | None = None) -> list[Tensor]:
    """The shapes of several tensors at run time."""
    return create_many("ShapeN", name, list(input), out_type=as_dtype(out_type))


@operation("Size", "input:T", lambda inputs, attrs: [(attrs["out_type"], TensorShape([]))], differentiable=False)
def _size(value: Any, *, out_type: dtypes.DType) -> torch.Tensor:
    return torch.tensor(math.prod(value.shape), dtype=out_type.torch_dtype)


def size(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """The number of elements at run time; a constant where it is known."""
    kind = as_dtype(out_type or dtypes.int32)
    if is_sparse(input):
        from dynrnn.tf1.ops.casting import cast
        from dynrnn.tf1.ops.reducing import reduce_prod

        return reduce_prod(cast(sparse_argument(input).dense_shape, kind), 0, name=name)
    with name_scope(name, "Size", [input]) as scope:
        value = convert_to_tensor(input)
        count = value.shape.num_elements()
        if count is not None:
            return constant(count, kind, name=scope)
        return create("Size", scope, value, out_type=kind)


@operation("Rank", "input:T", scalars_of(dtypes.int32), differentiable=False)
def _rank(value: Any) -> torch.Tensor:
    return torch.tensor(len(value.shape), dtype=torch.int32)


def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of dimensions at run time; a constant where it is known."""
    if is_sparse(input):
        return size(sparse_argument(input).dense_shape, name)
    with name_scope(name, "Rank", [input]) as scope:
        value = convert_to_tensor(input)
        if value.shape.ndims is not None:
            return constant(value.shape.ndims, dtypes.int32, name=scope)
        return create("Rank", scope, value)


# --- reshape ----------------------------------------------------------------------------------------------------------


def _infer_reshape(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    of_rank(inputs[1].shape, 1)
    target = constant_value_as_shape(inputs[1])
    if target.ndims is None:
        return [(dtype, target)]
    dims, total = target.as_list(), element_count(source)
    known = math.prod(d for d in dims if d is not None)
    missing = [i for i, d in enumerate(dims) if d is None]
    if total is not None and not missing and known != total:
        raise ValueError(
            f"Cannot reshape a tensor with {total} elements to shape {brackets(target)} ({known} elements)"
        )
    if total is not None and len(missing) == 1 and known:
        if total % known:
            raise ValueError(f"Dimension size must be evenly divisible by {known} but is {total}")
        dims[missing[0]] = total // known
    return [(dtype, TensorShape(dims))]


@operation("Reshape", "tensor:T shape:Tshape", _infer_reshape, Tshape=INDEX)
def _reshape(value: Any, target: torch.Tensor) -> Any:
    if target.dim() != 1:
        raise ValueError(f"sizes input must be 1-D, not {list(target.shape)}")
    dims = target.tolist()
    total = math.prod(value.shape)
    negative = [i for i, d in enumerate(dims) if d < 0]
    for i in negative:
        if dims[i] != -1:
            raise ValueError(f"Size {i} must be non-negative, not {dims[i]}")
    if len(negative) > 1:
        raise ValueError(f"Only one input size may be -1, not both {negative[0]} and {negative[1]}")
    known = math.prod(d for d in dims if d >= 0)
    if negative:
        if known == 0:
            if total:
                raise ValueError(
                    "reshape cannot infer the missing input size for an empty tensor unless all specified input sizes "
                    "are non-zero"
                )
            dims[negative[0]] = 0
        elif total % known:
            raise ValueError(
                f"Input to reshape is a tensor with {total} values, but the requested shape requires a multiple of "
                f"{known}"
            )
        else:
            dims[negative[0]] = total // known
    elif known != total:
        raise ValueError(f"Input to reshape is a tensor with {total} values, but the requested shape has {known}")
    return value.reshape(dims)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The same elements in another shape; one dimension may be -1.

    Raises:
        ValueError: the numbers of elements are known and differ.
    """
    return create("Reshape", name, tensor, shape)


@translates(torch.reshape)
def _torch_reshape(input: Any, shape: Any) -> Tensor:
    return reshape(input, shape)


# --- transpose --------------------------------------------------------------------------------------------------------


def _infer_transpose(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    length = of_rank(inputs[1].shape, 1)[0].value
    perm = static_ints(inputs[1])
    if source.ndims is None:
        return [(dtype, unknown_shape(length))]
    if length is not None and length != source.ndims:
        raise ValueError(f"Dimension must be {source.ndims} but is {length}")
    if perm is None or None in perm:
        return [(dtype, unknown_shape(source.ndims))]
    for p in perm:
        if not -source.ndims <= p < source.ndims:  # type: ignore[operator]
            raise ValueError(f"perm dim {p} is out of range of input rank {source.ndims}")
    return [(dtype, TensorShape([source[p] for p in perm]))]


@operation("Transpose", "x:T perm:Tperm", _infer_transpose, Tperm=INDEX)
def _transpose(value: Any, perm: torch.Tensor, *, conjugate: bool = False) -> Any:
    order, ndims = perm.tolist(), len(value.shape)
    if len(order) != ndims:
        raise ValueError(f"transpose expects a vector of size {ndims}. But input(1) is a vector of size {len(order)}")
    for p in order:
        if not -ndims <= p < ndims:
            raise ValueError(f"{p} is out of range [0 .. {ndims})")
    missing = set(range(ndims)) - {p % ndims for p in order}
    if missing:
        raise ValueError(f"{min(missing)} is missing from {{{','.join(map(str, order))}}}.")
    if isinstance(value, np.ndarray):
        return value.transpose(order)
    result = value.permute(order)
    return result.conj().resolve_conj() if conjugate and result.is_complex() else result


def transpose(a: Any, perm: Any = None, name: str = "transpose", conjugate: bool = False) -> Tensor:
    """The dimensions in the order ``perm``; reversed by default."""
    with name_scope(name, "transpose", [a, perm]) as scope:
        value = convert_to_tensor(a, name="a")
        attrs: dict[str, Any] = {"conjugate": True} if conjugate else {}
        if perm is None:
            ndims = value.shape.ndims
            if ndims is None:
                from dynrnn.tf1.ops.filling import range_

                count = rank(value)
                perm = (count - 1) - range_(0, count, 1)
            else:
                perm = np.arange(ndims - 1, -1, -1, dtype=np.int32)
        return create("Transpose", scope, value, perm, **attrs)


def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """The last two dimensions exchanged.

    Raises:
        ValueError: less than two dimensions.
    """
    from dynrnn.tf1.ops.filling import range_
    from dynrnn.tf1.ops.joining import concat

    with name_scope(name, "matrix_transpose", [a]):
        value = convert_to_tensor(a, name="a")
        ndims = value.shape.ndims
        if ndims is None:
            count = rank(value)
            perm: Any = concat([range_(count - 2), [count - 1, count - 2]], 0)
        elif ndims < 2:
            raise ValueError(f"Argument 'a' should be a (batch) matrix, with rank >= 2.  Found: {value.shape}")
        else:
            perm = [*range(ndims - 2), ndims - 1, ndims - 2]
        return transpose(value, perm, conjugate=conjugate)


# --- dimensions of 1 --------------------------------------------------------------------------------------------------


def _infer_expand_dims(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    axis = static_int(inputs[1])
    if source.ndims is None or axis is None:
        return [(dtype, unknown_shape())]
    if not -source.ndims - 1 <= axis <= source.ndims:
        raise ValueError(f"dim {axis} not in the interval [{-source.ndims - 1}, {source.ndims}].")
    dims = source.as_list()
    dims.insert(axis if axis >= 0 else axis + source.ndims + 1, 1)
    return [(dtype, TensorShape(dims))]


@operation("ExpandDims", "input:T dim:Tdim", _infer_expand_dims, Tdim=INDEX)
def _expand_dims(value: Any, axis: torch.Tensor) -> Any:
    if axis.numel() != 1:
        raise ValueError("'dim' must be a tensor with a single value")
    where, ndims = int(axis), len(value.shape)
    if not -ndims - 1 <= where <= ndims:
        raise ValueError(f"Tried to expand dim index {where} for tensor with {ndims} dimensions.")
    return np.expand_dims(value, where) if isinstance(value, np.ndarray) else value.unsqueeze(where)


def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """A dimension of 1 put in at ``axis``.

    Raises:
        ValueError: neither or both of ``axis`` and its old name ``dim``.
    """
    if axis is not None and dim is not None:
        raise ValueError("Cannot specify both 'axis' and 'dim'")
    if axis is None and dim is None:
        raise ValueError("Must specify an axis argument to tf.expand_dims()")
    return create("ExpandDims", name, input, dim if axis is None else axis)


@translates(torch.unsqueeze)
def _torch_unsqueeze(input: Any, dim: int) -> Tensor:
    return expand_dims(input, dim)


def _infer_squeeze(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, axes, dtype = inputs[0].shape, attrs["squeeze_dims"], inputs[0].dtype.base_dtype
    if source.ndims is None or (not axes and None in source.as_list()):
        return [(dtype, unknown_shape())]
    dims = source.as_list()
    for i, axis in enumerate(axes):
        if not -len(dims) <= axis < len(dims):
            raise ValueError(f"squeeze_dims[{i}] not in [{-len(dims)},{len(dims)}).")
    drop = {a % len(dims) for a in axes} if axes else {i for i, d in enumerate(dims) if d == 1}
    for i in sorted(drop):
        if dims[i] not in (1, None):
            raise ValueError(f"Can not squeeze dim[{i}], expected a dimension of 1, got {dims[i]}")
    return [(dtype, TensorShape([d for i, d in enumerate(dims) if i not in drop]))]


@operation("Squeeze", "input:T", _infer_squeeze)
def _squeeze(value: Any, *, squeeze_dims: tuple[int, ...]) -> Any:
    dims = list(value.shape)
    drop = {i for i, d in enumerate(dims) if d == 1}
    if squeeze_dims:
        for axis in squeeze_dims:
            if not -len(dims) <= axis < len(dims):
                raise ValueError(f"Tried to squeeze dim index {axis} for tensor with {len(dims)} dimensions.")
            if dims[axis] != 1:
                raise ValueError(f"Can not squeeze dim[{axis}], expected a dimension of 1, got {dims[axis]}")
        drop = {a % len(dims) for a in squeeze_dims}
    return value.reshape([d for i, d in enumerate(dims) if i not in drop])


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """Dimensions of 1 dropped: those of ``axis``, or all."""
    if axis is not None and squeeze_dims is not None:
        raise ValueError("Cannot specify both 'axis' and 'squeeze_dims'")
    axis = squeeze_dims if axis is None else axis
    axes = [] if axis is None else axis if isinstance(axis, (list, tuple, np.ndarray)) else [axis]
    return create("Squeeze", name, input, squeeze_dims=tuple(int(a) for a in axes))


@translates(torch.squeeze)
def _torch_squeeze(input: Any, dim: int | None = None) -> Tensor:
    return squeeze(input, None if dim is None else [dim])


# --- broadcasting -----------------------------------------------------------------------------------------------------


def _infer_broadcast_to(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[1].shape, 1)
    source, target = inputs[0].shape, constant_value_as_shape(inputs[1])
    if source.ndims is not None and target.ndims is not None:
        if source.ndims > target.ndims:
            raise ValueError(f"Shape must be at most rank {target.ndims} but is rank {source.ndims}")
        dims = target.as_list()
        # unlike in arithmetic only the source's dimensions of 1 may grow
        for i, size in enumerate(reversed(source.as_list()), 1):
            if size not in (None, 1):
                dims[-i] = merge_dims(size, dims[-i])
        target = TensorShape(dims)
    return [(inputs[0].dtype.base_dtype, target)]


@operation("BroadcastTo", "input:T shape:Tidx", _infer_broadcast_to, Tidx=INDEX)
def _broadcast_to(value: Any, target: torch.Tensor) -> Any:
    dims = target.tolist()
    try:
        return np.broadcast_to(value, dims) if isinstance(value, np.ndarray) else value.broadcast_to(dims)
    except (RuntimeError, ValueError):
        raise ValueError(f"Incompatible shapes: {list(value.shape)} vs. {dims}") from None


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """``input`` repeated along dimensions of 1 and new leading dimensions so that it has ``shape``."""
    return create("BroadcastTo", name, input, shape)


def broadcast_static_shape(shape_x: TensorShape, shape_y: TensorShape) -> TensorShape:
    """The static shape of an elementwise operation on tensors of these static shapes.

    Raises:
        ValueError: they do not fit.
    """
    try:
        return broadcast_shapes(as_shape(shape_x), as_shape(shape_y))
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: {shape_x} and {shape_y}") from None


def _infer_broadcast_args(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    lengths = [of_rank(t.shape, 1)[0].value for t in inputs]
    longest = None if None in lengths else max(lengths)
    return [(inputs[0].dtype.base_dtype, TensorShape([longest]))]


@operation("BroadcastArgs", "s0:T s1:T", _infer_broadcast_args, differentiable=False, T=INDEX)
def _broadcast_args(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    try:
        return torch.tensor(np.broadcast_shapes(tuple(a.tolist()), tuple(b.tolist())), dtype=a.dtype)
    except ValueError:
        raise ValueError(f"Incompatible shapes: {a.tolist()} vs. {b.tolist()}") from None


def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape, as an integer vector, of an elementwise operation on tensors of these shapes."""
    return create("BroadcastArgs", None, shape_x, shape_y)
