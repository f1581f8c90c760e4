"""From Python values to graph tensors: constants, and ``convert_to_tensor``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import Dimension, TensorShape, as_shape

__all__ = ["argument", "constant", "convert_to_tensor", "make_value", "register_conversion"]


def _infer_const(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    value = attrs["value"]
    dtype = dtypes.as_dtype(value.dtype) if isinstance(value, torch.Tensor) else dtypes.string
    return [(dtype, TensorShape(value.shape))]


@register("Const", _infer_const, differentiable=False)
def _const(*, value: Any) -> Any:
    return value


def make_value(value: Any, dtype: DType | None = None) -> Any:
    """A Python or numpy value as the run-time value of a tensor: a torch tensor, or an object array of bytes.

    Python floats become float32 and ints int32 unless ``dtype`` says otherwise, in lists numpy's float64 and int64 too.
    A numpy value by itself keeps its type, and is cast to ``dtype`` whatever it holds. A Python float is not silently
    made an integer.

    Raises:
        TypeError: the value does not fit ``dtype``, or is no value at all.
        ValueError: a ragged list.
    """
    if value is None:
        raise ValueError("None values not supported.")
    if isinstance(value, torch.Tensor):
        # a copy: the caller may go on to change the tensor
        return value.detach().to("cpu", None if dtype is None else dtype.torch_dtype, copy=True)
    array = _as_array(value, dtype)
    if array.dtype.kind in "OSU":
        return _string_array(array, dtype)
    if dtype is not None and dtype == dtypes.string:
        raise TypeError(f"Expected string, got {value!r} of type '{type(value).__name__}' instead.")
    if dtype is None:
        # the defaults for Python numbers; arrays keep their own type
        if not _has_numpy_type(value):
            if array.dtype.kind == "f":
                dtype = dtypes.float32
            elif array.dtype.kind == "i":
                dtype = dtypes.int32
                if array.size and (array.max() > 2**31 - 1 or array.min() < -(2**31)):
                    dtype = dtypes.int64
        if dtype is None:
            dtype = as_dtype(array.dtype)
    elif array.size and not isinstance(value, (np.ndarray, np.generic)) and not _castable(array.dtype.kind, dtype):
        wrong = next((v for v in _leaves(value) if not _castable(np.asarray(v).dtype.kind, dtype)), value)
        raise TypeError(f"Expected {dtype.name}, got {wrong!r} of type '{type(wrong).__name__}' instead.")
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.array(array, dtype=dtype.as_numpy_dtype, copy=True, order="C")
    # of one element: torch does not take every numpy scalar
    tensor = torch.from_numpy(array) if array.ndim else torch.from_numpy(array.reshape(1)).reshape([])
    return tensor.to(dtype.torch_dtype)


def _as_array(value: Any, dtype: DType | None) -> np.ndarray:
    if isinstance(value, TensorShape):
        if not value.is_fully_defined():
            raise ValueError(f"Cannot convert a partially known TensorShape to a Tensor: {value}")
        return np.array(value.as_list(), dtype=np.int32)
    if isinstance(value, Dimension):
        if value.value is None:
            raise ValueError("Cannot convert an unknown Dimension to a Tensor: ?")
        return np.array(value.value, dtype=np.int32)
    if isinstance(value, (list, tuple)):
        value = [v.value if isinstance(v, Dimension) else v for v in value]
        if not value:
            return np.zeros([0], dtype=np.float32 if dtype is None else dtype.as_numpy_dtype)
    if isinstance(value, bytes):
        # numpy's own byte strings lose zeros at their ends
        single = np.empty([], object)
        single[()] = value
        return single
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"Can't convert non-rectangular Python sequence to Tensor: {error}") from None
    if array.dtype.kind in "SU" and isinstance(value, (list, tuple)):
        # numpy writes numbers out to make one type of them
        array = np.array(value, dtype=object)
    if array.dtype.kind == "O" and not all(isinstance(v, (str, bytes)) for v in array.ravel().tolist()):
        raise TypeError(
            f"Failed to convert object of type {type(value)} to Tensor. Contents: {value!r}. "
            "Consider casting elements to a supported type."
        )
    return array


def _string_array(array: np.ndarray, dtype: DType | None) -> np.ndarray:
    if dtype is not None and dtype != dtypes.string:
        first = array.ravel()[0] if array.size else ""
        raise TypeError(f"Expected {dtype.name}, got {first!r} of type '{type(first).__name__}' instead.")
    result = np.empty(array.shape, dtype=object)
    for index, item in np.ndenumerate(array):
        result[index] = item.encode() if isinstance(item, str) else bytes(item)
    return result


def _has_numpy_type(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic, TensorShape, Dimension))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, np.ndarray)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _castable(kind: str, dtype: DType) -> bool:
    """Whether a Python value, whose numpy kind this is, may stand where ``dtype`` is due."""
    if dtype.is_bool:
        return kind == "b"
    if dtype.is_integer:
        return kind in "biu"
    return kind in "biuf" if dtype.is_floating else kind in "biufc"


def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
) -> Tensor:
    """A constant tensor.

    Args:
        value: number, string, nested list or array.
        dtype: element type; by default that of the value (float32 and int32 for Python numbers).
        shape: static shape; a single value is repeated to fill it, a shorter list by its last element.
        name: operation name.
        verify_shape: refuse a value whose own shape is not ``shape``.

    Raises:
        TypeError: the value does not fit ``dtype`` or ``shape``.
        ValueError: more values than ``shape`` holds.
    """
    made = make_value(value, None if dtype is None else as_dtype(dtype).base_dtype)
    if shape is not None:
        dims = [int(d) for d in as_shape(shape)]
        if verify_shape and tuple(dims) != tuple(made.shape):
            raise TypeError(f"Expected Tensor's shape: {tuple(dims)}, got {tuple(made.shape)}.")
        made = _fill_shape(made, dims)
    return get_default_graph().create_op("Const", [], {"value": made}, name).outputs[0]


def _fill_shape(made: Any, dims: list[int]) -> Any:
    wanted = int(np.prod(dims, dtype=np.int64))
    if wanted == 0:
        return made.reshape(-1)[:0].reshape(dims)
    count = int(np.prod(made.shape, dtype=np.int64))
    if count > wanted:
        raise ValueError(f"Too many elements provided. Needed at most {wanted}, but received {count}")
    if count == wanted:
        return made.reshape(dims)
    if isinstance(made, np.ndarray):
        return np.concatenate([made.ravel(), np.repeat(made.ravel()[-1:], wanted - count)]).reshape(dims)
    flat = made.reshape(-1)
    return torch.cat([flat, flat[-1:].expand(wanted - count)]).reshape(dims)


_CONVERSIONS: list[tuple[Any, Callable[..., Any]]] = []


def register_conversion(kind: Any, function: Callable[..., Any]) -> None:
    """Convert objects of type ``kind`` by ``function(value, dtype, name)``."""
    _CONVERSIONS.append((kind, function))


def convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None, dtype_hint: Any = None
) -> Tensor:
    """``value`` as a tensor of the default graph: tensors pass, variables are read, the rest become constants.

    A list that holds tensors is stacked.

    Raises:
        ValueError: a tensor of another dtype than ``dtype``, None, or a partially known shape.
        TypeError: a value that does not fit ``dtype``.
    """
    wanted = None if dtype is None else as_dtype(dtype).base_dtype
    if isinstance(value, Tensor):
        if wanted is not None and value.dtype.base_dtype is not wanted:
            raise ValueError(
                f"Tensor conversion requested dtype {wanted.name} for Tensor with dtype {value.dtype.name}: "
                f"{str(value)!r}"
            )
        return value
    for kind, function in _CONVERSIONS:
        if isinstance(value, kind):
            return function(value, wanted, name)
    if isinstance(value, (list, tuple)) and _holds_tensor(value):
        return _pack(value, wanted, name)
    preferred = dtype_hint if preferred_dtype is None else preferred_dtype
    if wanted is None and preferred is not None:
        try:
            return constant(value, preferred, name=name or "Const")
        except (TypeError, ValueError):
            pass  # only a preference: the value's own type is used below
    return constant(value, wanted, name=name or "Const")


def argument(value: Any, dtype: Any = None, name: str = "input") -> Tensor:
    """:func:`convert_to_tensor` for the arguments of operations: a constant is named by the operation that takes it."""
    if _holds_tensor(value):
        return convert_to_tensor(value, dtype, name)
    made = make_value(value, None if dtype is None else as_dtype(dtype).base_dtype)
    return get_default_graph().create_op("Const", [], {"value": made}, name, named_by_user=True).outputs[0]


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_tensor(v) for v in value)
    return isinstance(value, Tensor) or any(isinstance(value, kind) for kind, _ in _CONVERSIONS)


def _pack(values: Any, dtype: DType | None, name: str | None) -> Tensor:
    if dtype is None:
        dtype = _dtype_of_tensors(values)
    graph = get_default_graph()
    with graph.name_scope(name or "packed") as scope:
        parts = [
            _pack(v, dtype, str(i)) if isinstance(v, (list, tuple)) else convert_to_tensor(v, dtype, name=str(i))
            for i, v in enumerate(values)
        ]
        return graph.create_op("Pack", parts, {"axis": 0}, scope).outputs[0]


def _dtype_of_tensors(value: Any) -> DType | None:
    if isinstance(value, (list, tuple)):
        for item in value:
            found = _dtype_of_tensors(item)
            if found is not None:
                return found
        return None
    if isinstance(value, Tensor):
        return value.dtype.base_dtype
    return value.dtype.base_dtype if any(isinstance(value, kind) for kind, _ in _CONVERSIONS) else None
