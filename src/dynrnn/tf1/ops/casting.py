"""Element types: casts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.sparse_tensor import SparseTensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.ops.signature import create, operation

__all__ = [
    "bitcast",
    "cast",
    "saturate_cast",
    "to_bfloat16",
    "to_complex64",
    "to_complex128",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
]


def _infer_cast(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["DstT"], inputs[0].shape)]


@operation("Cast", "x:SrcT", _infer_cast)
def _cast(x: Any, *, DstT: DType) -> torch.Tensor:
    if isinstance(x, np.ndarray) or DstT == dtypes.string:
        source = "string" if isinstance(x, np.ndarray) else as_dtype(x.dtype).name
        raise NotImplementedError(f"Cast {source} to {DstT.name} is not supported")
    if x.is_complex() and not DstT.is_complex:
        x = x.real
    return x.to(DstT.torch_dtype)


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The values as ``dtype``; floats are cut towards zero for integers, and anything but 0 is True.

    A sparse tensor gives a sparse tensor.
    """
    kind = as_dtype(dtype).base_dtype
    if isinstance(x, Tensor) and x.dtype.base_dtype is kind:
        return x
    if isinstance(x, SparseTensor):
        return x.with_values(cast(x.values, kind, name))
    with name_scope(name, "Cast", [x]) as scope:
        tensor = convert_to_tensor(x, name="x")
        return tensor if tensor.dtype.base_dtype is kind else create("Cast", scope, tensor, DstT=kind)


def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """The values as ``dtype``, those outside its range at its ends."""
    from dynrnn.tf1.ops.arithmetic import maximum, minimum

    kind = as_dtype(dtype).base_dtype
    with name_scope(name, "saturate_cast", [value]) as scope:
        tensor = convert_to_tensor(value, name="value")
        source = tensor.dtype.base_dtype
        if source.min < kind.min:
            tensor = maximum(tensor, convert_to_tensor(_inside(kind.min, source), source, name="min"))
        if source.max > kind.max:
            tensor = minimum(tensor, convert_to_tensor(_inside(kind.max, source), source, name="max"))
        return cast(tensor, kind, name=scope)


def _inside(bound: Any, source: DType) -> Any:
    """``bound`` in the type ``source``, rounded towards zero: a float past an integer's range would wrap around."""
    if not source.is_floating or not isinstance(bound, int):
        return bound
    near = source.as_numpy_dtype(bound)
    return near if abs(int(near)) <= abs(bound) else np.nextafter(near, source.as_numpy_dtype(0))


def to_float(x: Any, name: str = "ToFloat") -> Tensor:
    """As float32."""
    return cast(x, dtypes.float32, name)


def to_double(x: Any, name: str = "ToDouble") -> Tensor:
    """As float64."""
    return cast(x, dtypes.float64, name)


def to_int32(x: Any, name: str = "ToInt32") -> Tensor:
    """As int32."""
    return cast(x, dtypes.int32, name)


def to_int64(x: Any, name: str = "ToInt64") -> Tensor:
    """As int64."""
    return cast(x, dtypes.int64, name)


def to_bfloat16(x: Any, name: str = "ToBFloat16") -> Tensor:
    """As bfloat16."""
    return cast(x, dtypes.bfloat16, name)


def to_complex64(x: Any, name: str = "ToComplex64") -> Tensor:
    """As complex64."""
    return cast(x, dtypes.complex64, name)


def to_complex128(x: Any, name: str = "ToComplex128") -> Tensor:
    """As complex128."""
    return cast(x, dtypes.complex128, name)


def _infer_bitcast(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, kind, shape = inputs[0].dtype.base_dtype, attrs["type"], inputs[0].shape
    if source.size == kind.size or shape.ndims is None:
        return [(kind, shape)]
    if source.size > kind.size:
        return [(kind, shape.concatenate([source.size // kind.size]))]
    if shape.ndims == 0 or shape[-1].value not in (None, kind.size // source.size):
        raise ValueError(
            f"Cannot bitcast due to shape. {shape[-1] if shape.ndims else 1} does not match {kind.size // source.size}"
        )
    return [(kind, TensorShape(list(shape)[:-1]))]


@operation("Bitcast", "input:T", _infer_bitcast, differentiable=False)
def _bitcast(x: torch.Tensor, *, type: DType) -> torch.Tensor:
    width, target = x.element_size(), type.size
    if width == target:
        return x.view(type.torch_dtype)
    if width > target:
        return x.contiguous().unsqueeze(-1).view(type.torch_dtype)
    return x.contiguous().view(type.torch_dtype).squeeze(-1)


def bitcast(input: Any, type: Any, name: str | None = None) -> Tensor:
    """The same bits read as ``type``; a smaller type adds a last dimension, a larger one takes it."""
    return create("Bitcast", name, input, type=as_dtype(type).base_dtype)
