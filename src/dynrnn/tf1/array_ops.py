"""``tf.*``: making, shaping, joining and cutting tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.build import apply, apply_many, as_tensors
from dynrnn.tf1.core.convert import argument, constant, convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.infer import constant_value, constant_value_as_shape, same_as_first
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates

# --- entry points of a graph --------------------------------------------------------------------------------------------


@register("Placeholder", stateful=True)
def _placeholder(*, dtype: dtypes.DType, shape: TensorShape, name: str) -> Any:
    described = "dtype " + {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)
    if shape.ndims is not None:
        described += " and shape [" + ",".join(str(d) for d in shape) + "]"
    raise errors.InvalidArgumentError(None, None, f"You must feed a value for placeholder tensor '{name}' with {described}")


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor that must be fed.

    Args:
        dtype: element type.
        shape: static shape; None for unknown, dimensions may be None.
        name: operation name.
    """
    kind, static = as_dtype(dtype).base_dtype, as_shape(shape)
    op = get_default_graph().create_op(
        "Placeholder", [], {"dtype": kind, "shape": static}, name or "Placeholder", specs=[(kind, static)]
    )
    op.attrs["name"] = op.name  # for the message when it is not fed
    return op.outputs[0]


@register("PlaceholderWithDefault")
def _placeholder_with_default(value: Any) -> Any:
    return value


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """A tensor that may be fed and is ``input`` otherwise."""
    value = convert_to_tensor(input)
    return apply("PlaceholderWithDefault", [value], name, [(value.dtype.base_dtype, as_shape(shape))])


@register("Identity", same_as_first)
def _identity(value: Any) -> Any:
    return value


def identity(input: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value under another name."""
    return apply("Identity", [input], name)


@register("StopGradient", same_as_first, differentiable=False)
def _stop_gradient(value: torch.Tensor) -> torch.Tensor:
    return value.detach()


@translates(torch.detach)
def stop_gradient(input: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value, through which no gradient flows."""
    return apply("StopGradient", [input], name)


# --- shapes -------------------------------------------------------------------------------------------------------------


def _infer_shape(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["out_type"], TensorShape([inputs[0].shape.ndims]))]


@register("Shape", _infer_shape, differentiable=False)
def _shape(value: Any, *, out_type: dtypes.DType) -> torch.Tensor:
    return torch.tensor(tuple(value.shape), dtype=out_type.torch_dtype)


def shape(input: Any, name: str | None = None, out_type: Any = dtypes.int32) -> Tensor:  # noqa: A002
    """The shape at run time, as an integer vector."""
    return apply("Shape", [input], name, out_type=as_dtype(out_type))


def _infer_out_type_scalar(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["out_type"], TensorShape([]))]


@register("Size", _infer_out_type_scalar, differentiable=False)
def _size(value: Any, *, out_type: dtypes.DType) -> torch.Tensor:
    return torch.tensor(int(np.prod(tuple(value.shape), dtype=np.int64)), dtype=out_type.torch_dtype)


def size(input: Any, name: str | None = None, out_type: Any = dtypes.int32) -> Tensor:  # noqa: A002
    """The number of elements at run time."""
    return apply("Size", [input], name, out_type=as_dtype(out_type))


@register("Rank", lambda inputs, attrs: [(dtypes.int32, TensorShape([]))], differentiable=False)
def _rank(value: Any) -> torch.Tensor:
    return torch.tensor(len(value.shape), dtype=torch.int32)


def rank(input: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """The number of dimensions at run time."""
    return apply("Rank", [input], name)


def _infer_reshape(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, target = inputs[0].shape, constant_value_as_shape(inputs[1])
    dtype = inputs[0].dtype.base_dtype
    if target.ndims is None:
        return [(dtype, target)]
    dims = target.as_list()
    total = source.num_elements()
    missing = [i for i, d in enumerate(dims) if d is None]
    known = int(np.prod([d for d in dims if d is not None], dtype=np.int64))
    if total is not None and not missing and known != total:
        raise ValueError(f"Cannot reshape a tensor with {total} elements to shape {target} ({known} elements)")
    if total is not None and len(missing) == 1 and known:
        if total % known:
            raise ValueError(
                f"Dimension size must be evenly divisible by {known} but is {total}"
            )
        dims[missing[0]] = total // known
    elif len(missing) == 1 and known and source.ndims is not None:
        # the same unknown dimensions on both sides: all else must agree for it to carry over; TensorFlow leaves it open
        dims[missing[0]] = None
    return [(dtype, TensorShape(dims))]


@register("Reshape", _infer_reshape)
def _reshape(value: Any, target: torch.Tensor) -> Any:
    dims = target.tolist()
    if isinstance(value, np.ndarray):
        return value.reshape(dims)
    if -1 in dims and value.numel() == 0:
        # torch cannot guess a dimension of an empty tensor: TensorFlow makes it 0
        known = int(np.prod([d for d in dims if d != -1], dtype=np.int64))
        dims = [0 if d == -1 and known else (1 if d == -1 else d) for d in dims]
    if value.numel() != int(np.prod([d for d in dims if d != -1], dtype=np.int64)) and -1 not in dims:
        raise ValueError(
            f"Input to reshape is a tensor with {value.numel()} values, but the requested shape has "
            f"{int(np.prod(dims, dtype=np.int64))}"
        )
    return value.reshape(dims)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The same elements in another shape; one dimension may be -1."""
    return apply("Reshape", [tensor, _index_tensor(shape, "shape")], name)


@translates(torch.reshape)
def _torch_reshape(input: Any, shape: Any) -> Tensor:  # noqa: A002
    return reshape(input, shape)


def _index_tensor(value: Any, name: str) -> Tensor:
    """A shape or a list of indices as an integer tensor; an empty list is an empty int32 vector."""
    if isinstance(value, TensorShape) and not value.is_fully_defined():
        raise ValueError(f"Cannot convert a partially known TensorShape to a Tensor: {value}")
    if isinstance(value, (list, tuple)) and not value:
        value = np.zeros([0], np.int32)
    tensor = argument(value, name=name)
    if not tensor.dtype.is_integer:
        raise TypeError(f"{name} must be integers, got {tensor.dtype.base_dtype.name}")
    return tensor


def _infer_transpose(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    if len(inputs) == 1:
        return [(dtype, TensorShape(None if source.ndims is None else list(source)[::-1]))]
    perm = constant_value(inputs[1])
    if source.ndims is None:
        return [(dtype, unknown_shape(None if perm is None else len(perm)))]
    length = inputs[1].shape[0].value if inputs[1].shape.ndims == 1 else None
    if length is not None and length != source.ndims:
        raise ValueError(f"Dimension must be {source.ndims} but is {length}")
    if perm is None:
        return [(dtype, unknown_shape(source.ndims))]
    if sorted(p % source.ndims for p in perm.tolist()) != list(range(source.ndims)):
        raise ValueError(f"perm must be a permutation of the {source.ndims} dimensions, got {perm.tolist()}")
    return [(dtype, TensorShape([source[int(p)] for p in perm]))]


@register("Transpose", _infer_transpose)
def _transpose(value: torch.Tensor, perm: torch.Tensor | None = None) -> Any:
    order = list(range(len(value.shape)))[::-1] if perm is None else perm.tolist()
    return value.transpose(order) if isinstance(value, np.ndarray) else value.permute(order)


def transpose(a: Any, perm: Any = None, name: str = "transpose", conjugate: bool = False) -> Tensor:
    """The dimensions in the order ``perm``; reversed by default."""
    value = convert_to_tensor(a)
    if perm is not None:
        return apply("Transpose", [value, _index_tensor(perm, "perm")], name)
    return apply("Transpose", [value], name)


def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """The last two dimensions exchanged."""
    value = convert_to_tensor(a)
    ndims = value.shape.ndims
    if ndims is None:
        raise ValueError("matrix_transpose needs a tensor of known rank, got one of unknown rank")
    if ndims < 2:
        raise ValueError(f"Argument 'a' should be a (batch) matrix, with rank >= 2.  Found: {value.shape}")
    return transpose(value, [*range(ndims - 2), ndims - 1, ndims - 2], name=name)


def _axis(value: Any, what: str = "axis") -> int:
    """An axis argument as a Python int; graph tensors must be constant."""
    if isinstance(value, Tensor):
        found = constant_value(value)
        if found is None:
            raise ValueError(f"{what} must be known when the graph is built, got {value}")
        value = found
    if isinstance(value, (list, tuple, np.ndarray)):
        (value,) = np.asarray(value).ravel().tolist()
    return int(value)


def _infer_expand_dims(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, axis = inputs[0].shape, attrs["axis"]
    if source.ndims is None:
        return [(inputs[0].dtype.base_dtype, unknown_shape())]
    if not -source.ndims - 1 <= axis <= source.ndims:
        raise ValueError(f"dim {axis} not in the interval [{-source.ndims - 1}, {source.ndims}].")
    dims = source.as_list()
    dims.insert(axis if axis >= 0 else axis + source.ndims + 1, 1)
    return [(inputs[0].dtype.base_dtype, TensorShape(dims))]


@register("ExpandDims", _infer_expand_dims)
def _expand_dims(value: Any, *, axis: int) -> Any:
    return np.expand_dims(value, axis) if isinstance(value, np.ndarray) else value.unsqueeze(axis)


def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:  # noqa: A002
    """A dimension of 1 put in at ``axis``."""
    if (axis is None) == (dim is None):
        raise ValueError("Must specify an axis argument to tf.expand_dims()" if axis is None else "can't specify both 'dim' and 'axis'")
    return apply("ExpandDims", [input], name, axis=_axis(dim if axis is None else axis))


@translates(torch.unsqueeze)
def _torch_unsqueeze(input: Any, dim: int) -> Tensor:  # noqa: A002
    return expand_dims(input, dim)


def _infer_squeeze(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, axes = inputs[0].shape, attrs["axis"]
    dtype = inputs[0].dtype.base_dtype
    if source.ndims is None or (not axes and None in source.as_list()):
        return [(dtype, unknown_shape())]
    dims = source.as_list()
    drop = {a % len(dims) for a in axes} if axes else {i for i, d in enumerate(dims) if d == 1}
    for i in drop:
        if dims[i] not in (1, None):
            raise ValueError(f"Can not squeeze dim[{i}], expected a dimension of 1, got {dims[i]}")
    return [(dtype, TensorShape([d for i, d in enumerate(dims) if i not in drop]))]


@register("Squeeze", _infer_squeeze)
def _squeeze(value: Any, *, axis: tuple[int, ...]) -> Any:
    for a in axis:
        if value.shape[a] != 1:
            raise ValueError(f"Can not squeeze dim[{a}], expected a dimension of 1, got {value.shape[a]}")
    if not axis:
        return value.squeeze()
    drop = {a % len(value.shape) for a in axis}
    return value.reshape([d for i, d in enumerate(value.shape) if i not in drop])


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:  # noqa: A002
    """Dimensions of 1 dropped: those of ``axis``, or all."""
    axis = squeeze_dims if axis is None else axis
    axes = () if axis is None else tuple(int(a) for a in np.atleast_1d(np.asarray(axis)))
    return apply("Squeeze", [input], name, axis=axes)


@translates(torch.squeeze)
def _torch_squeeze(input: Any, dim: int | None = None) -> Tensor:  # noqa: A002
    return squeeze(input, None if dim is None else [dim])


# --- joining and cutting --------------------------------------------------------------------------------------------------


def _infer_concat(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    axis, dtype = attrs["axis"], inputs[0].dtype.base_dtype
    ndims = next((t.shape.ndims for t in inputs if t.shape.ndims is not None), None)
    if ndims is None:
        return [(dtype, unknown_shape())]
    if not -ndims <= axis < ndims:
        raise ValueError(f"concat axis {axis} is out of range for tensors of rank {ndims}")
    axis %= ndims
    merged: TensorShape = unknown_shape(ndims - 1)
    total: int | None = 0
    for tensor in inputs:
        if tensor.shape.ndims is None:
            total = None
            continue
        if tensor.shape.ndims != ndims:
            raise ValueError(f"Shapes must be equal rank, but are {ndims} and {tensor.shape.ndims}")
        dims = tensor.shape.as_list()
        size = dims.pop(axis)
        for i, (a, b) in enumerate(zip(merged.as_list(), dims, strict=True)):
            if a is not None and b is not None and a != b:
                raise ValueError(f"Dimension {i + (i >= axis)} in both shapes must be equal, but are {a} and {b}")
        merged = merged.merge_with(dims)
        total = None if size is None or total is None else total + size
    out = merged.as_list()
    out.insert(axis, total)
    return [(dtype, TensorShape(out))]


@register("ConcatV2", _infer_concat)
def _concat(*values: Any, axis: int) -> Any:
    return np.concatenate(values, axis) if isinstance(values[0], np.ndarray) else torch.cat(values, axis)


def concat(values: Any, axis: Any, name: str = "concat") -> Tensor:
    """The tensors one after the other along ``axis``.

    Raises:
        TypeError: different dtypes.
        ValueError: shapes that differ elsewhere.
    """
    if isinstance(axis, (list, tuple)) and not isinstance(values, (list, tuple)):
        values, axis = axis, values  # TensorFlow before 1.0 had the axis first
    if isinstance(values, (list, tuple)) and isinstance(axis, (list, tuple)):
        values, axis = axis, values
    items = list(values) if isinstance(values, (list, tuple)) else [values]
    if not items:
        raise ValueError("concat needs at least one tensor, got an empty list")
    tensors = _same_dtype(items, "ConcatV2")
    if len(tensors) == 1:
        return identity(tensors[0], name=name)
    return apply("ConcatV2", tensors, name, axis=_axis(axis))


def _same_dtype(items: Sequence[Any], op_type: str) -> list[Tensor]:
    try:
        return as_tensors(items, op_type)
    except TypeError as error:
        if "does not match" not in str(error):
            raise
        kinds = ", ".join(convert_to_tensor(i).dtype.base_dtype.name for i in items)
        raise TypeError(
            f"Tensors in list passed to 'values' of '{op_type}' Op have types [{kinds}] that don't all match."
        ) from None


@translates(torch.cat, torch.concat)
def _torch_cat(tensors: Any, dim: int = 0) -> Tensor:
    return concat(list(tensors), dim)


def _infer_split(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, axis, sizes, count = inputs[0].shape, attrs["axis"], attrs["sizes"], attrs["count"]
    dtype = inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())] * count
    dims = source.as_list()
    if not -len(dims) <= axis < len(dims):
        raise ValueError(f"split axis {axis} is out of range for a tensor of rank {len(dims)}")
    total = dims[axis]
    if sizes is None:
        if total is not None and total % count:
            raise ValueError(f"Dimension size must be evenly divisible by {count} but is {total}")
        parts: list[int | None] = [None if total is None else total // count] * count
    else:
        parts = list(sizes)
        if -1 in parts:
            rest = None if total is None else total - sum(p for p in parts if p is not None and p >= 0)
            parts[parts.index(-1)] = rest
        elif total is not None and sum(p or 0 for p in parts) != total:
            raise ValueError(f"split sizes {parts} must sum to {total}")
    specs = []
    for part in parts:
        out = list(dims)
        out[axis] = part
        specs.append((dtype, TensorShape(out)))
    return specs


@register("Split", _infer_split)
def _split(value: torch.Tensor, *, axis: int, count: int, sizes: tuple[int, ...] | None) -> Any:
    total = value.shape[axis]
    if sizes is None:
        if total % count:
            raise ValueError(f"split of a dimension of {total} into {count} equal parts")
        return torch.split(value, total // count, axis) if total else [value] * count
    rest = total - sum(s for s in sizes if s >= 0)
    return torch.split(value, [rest if s < 0 else s for s in sizes], axis)


def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split"
) -> list[Tensor]:
    """Cut along ``axis``: into that many equal parts, or into parts of the given sizes (one may be -1)."""
    if isinstance(value, int) and not isinstance(num_or_size_splits, (int, list, tuple)):
        # TensorFlow before 1.0: split(axis, number, value)
        return split(axis, num_or_size_splits, value)
    if isinstance(value, int) and not isinstance(axis, int):
        return split(axis, num_or_size_splits, value, name=name)
    if isinstance(num_or_size_splits, Tensor):
        found = constant_value(num_or_size_splits)
        if found is None:
            raise ValueError("the sizes of tf.split must be known when the graph is built")
        num_or_size_splits = found.tolist()
    tensor = convert_to_tensor(value)
    if isinstance(num_or_size_splits, (list, tuple)):
        sizes = tuple(int(s) for s in num_or_size_splits)
        return apply_many("Split", [tensor], name, axis=_axis(axis), count=len(sizes), sizes=sizes)
    return apply_many("Split", [tensor], name, axis=_axis(axis), count=int(num_or_size_splits), sizes=None)


@translates(torch.split)
def _torch_split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> list[Tensor]:
    if isinstance(split_size_or_sections, int):
        total = tensor.shape[dim].value
        if total is None:
            raise ValueError(f"torch.split needs a known dimension {dim}, got shape {tensor.shape}")
        step = split_size_or_sections
        split_size_or_sections = [min(step, total - start) for start in range(0, total, step)]
    return split(tensor, list(split_size_or_sections), dim)


@translates(torch.chunk)
def _torch_chunk(input: Any, chunks: int, dim: int = 0) -> list[Tensor]:  # noqa: A002
    return split(input, chunks, dim)


def _infer_pack(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    merged = unknown_shape()
    for tensor in inputs:
        try:
            merged = merged.merge_with(tensor.shape)
        except ValueError:
            raise ValueError(f"Shapes must be equal, but are {merged} and {tensor.shape}") from None
    if merged.ndims is None:
        return [(inputs[0].dtype.base_dtype, merged)]
    axis = attrs["axis"]
    if not -merged.ndims - 1 <= axis <= merged.ndims:
        raise ValueError(f"axis = {axis} not in [{-merged.ndims - 1}, {merged.ndims + 1})")
    dims = merged.as_list()
    dims.insert(axis if axis >= 0 else axis + len(dims) + 1, len(inputs))
    return [(inputs[0].dtype.base_dtype, TensorShape(dims))]


@register("Pack", _infer_pack)
def _pack(*values: Any, axis: int) -> Any:
    return np.stack(values, axis) if isinstance(values[0], np.ndarray) else torch.stack(values, axis)


def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """The tensors side by side along a new ``axis``."""
    if isinstance(values, (Tensor, np.ndarray)):
        values = unstack(values)
    if not list(values):
        raise ValueError("stack needs at least one tensor, got an empty list")
    return apply("Pack", _same_dtype(list(values), "Pack"), name, axis=axis)


@translates(torch.stack)
def _torch_stack(tensors: Any, dim: int = 0) -> Tensor:
    return stack(list(tensors), dim)


def _infer_unpack(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    dims = inputs[0].shape.as_list() if inputs[0].shape.ndims is not None else None
    if dims is None:
        return [(inputs[0].dtype.base_dtype, unknown_shape())] * attrs["num"]
    dims.pop(attrs["axis"])
    return [(inputs[0].dtype.base_dtype, TensorShape(dims))] * attrs["num"]


@register("Unpack", _infer_unpack)
def _unpack(value: Any, *, num: int, axis: int) -> Any:
    if value.shape[axis] != num:
        raise ValueError(f"Input shape axis {axis} must equal {num}, got shape {list(value.shape)}")
    return list(np.moveaxis(value, axis, 0)) if isinstance(value, np.ndarray) else torch.unbind(value, axis)


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """The slices along ``axis``; their number must be known or given.

    Raises:
        ValueError: the number is not known.
    """
    tensor = convert_to_tensor(value)
    if tensor.shape.ndims is not None:
        if not -tensor.shape.ndims <= axis < tensor.shape.ndims:
            raise ValueError(f"axis = {axis} not in [{-tensor.shape.ndims}, {tensor.shape.ndims})")
        static = tensor.shape[axis].value
        if num is None:
            num = static
        elif static is not None and static != num:
            raise ValueError(f"Dimension must be {num} but is {static} for unstack along axis {axis}")
    if num is None:
        raise ValueError(f"Cannot infer num from shape {tensor.shape}")
    return apply_many("Unpack", [tensor], name, num=int(num), axis=axis)


@translates(torch.unbind)
def _torch_unbind(input: Any, dim: int = 0) -> list[Tensor]:  # noqa: A002
    return unstack(input, axis=dim)


# --- filled tensors -------------------------------------------------------------------------------------------------------


def _infer_fill(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(inputs[1].dtype.base_dtype, constant_value_as_shape(inputs[0]))]


@register("Fill", _infer_fill)
def _fill(dims: torch.Tensor, value: Any) -> Any:
    shape_ = dims.tolist()
    if isinstance(value, np.ndarray):
        return np.broadcast_to(value, shape_).copy()
    return value.expand(shape_) if value.requires_grad else torch.full(shape_, value.item(), dtype=value.dtype)


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of shape ``dims`` full of the scalar ``value``."""
    return apply("Fill", [_index_tensor(dims, "dims"), value], name)


def _filled(shape: Any, value: Any, dtype: Any, name: str | None, default_name: str) -> Tensor:
    kind = as_dtype(dtype).base_dtype
    number: Any = (b"" if value == 0 else b"1") if kind == dtypes.string else (bool(value) if kind.is_bool else value)
    with name_scope(name, default_name) as scope:
        if not isinstance(shape, Tensor):
            if isinstance(shape, (list, tuple)) and any(isinstance(d, Tensor) for d in shape):
                shape = convert_to_tensor(shape, dtypes.int32)
            else:
                dims = as_shape(shape)
                if not dims.is_fully_defined():
                    raise ValueError(f"Cannot convert a partially known TensorShape to a Tensor: {dims}")
                if (dims.num_elements() or 0) < 1000:
                    return constant(number, kind, dims.as_list(), name=scope)
                shape = constant(np.array(dims.as_list(), np.int32), name="shape_as_tensor")
        return apply("Fill", [_index_tensor(shape, "shape"), constant(number, kind)], scope)


def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """All zeros (empty strings, False)."""
    return _filled(shape, 0, dtype, name, "zeros")


def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """All ones."""
    return _filled(shape, 1, dtype, name, "ones")


def _infer_like(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["dtype"], inputs[0].shape)]


@register("FillLike", _infer_like, differentiable=False)
def _fill_like(value: Any, *, number: int, dtype: dtypes.DType) -> Any:
    if dtype == dtypes.string:
        return np.full(value.shape, b"", dtype=object)
    return torch.full(tuple(value.shape), number, dtype=dtype.torch_dtype)


def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Zeros of the shape, and unless given the dtype, of ``tensor``."""
    value = convert_to_tensor(tensor)
    kind = value.dtype.base_dtype if dtype is None else as_dtype(dtype)
    return apply("FillLike", [value], name or "zeros_like", number=0, dtype=kind)


def ones_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Ones of the shape, and unless given the dtype, of ``tensor``."""
    value = convert_to_tensor(tensor)
    kind = value.dtype.base_dtype if dtype is None else as_dtype(dtype)
    return apply("FillLike", [value], name or "ones_like", number=1, dtype=kind)


@translates(torch.zeros_like)
def _torch_zeros_like(input: Any) -> Tensor:  # noqa: A002
    return zeros_like(input)


@translates(torch.ones_like)
def _torch_ones_like(input: Any) -> Tensor:  # noqa: A002
    return ones_like(input)
