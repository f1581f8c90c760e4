"""``tf.py_func``: a Python function on numpy arrays as an operation of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core.convert import convert_to_tensor, make_value
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.errors import InvalidArgumentError, UnknownError
from dynrnn.tf1.core.graph import Operation, get_default_graph
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape

__all__ = ["py_func"]


def _infer_py_func(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(dtype, TensorShape(None)) for dtype in attrs["types"]]


@register("PyFunc", _infer_py_func, differentiable=False, stateful=True)
def _py_func(*values: Any, function: Callable[..., Any], types: tuple[DType, ...]) -> list[Any]:
    # copies: the function may change what it is given
    arrays = [v.detach().numpy().copy() if isinstance(v, torch.Tensor) else v.copy() for v in values]
    try:
        result = function(*arrays)
    except Exception as error:
        raise UnknownError(None, None, f"{type(error).__name__}: {error}") from error
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    if not types:
        return []
    if len(results) != len(types):
        raise InvalidArgumentError(
            None, None, f"pyfunc returns {len(results)} values, but expects to see {len(types)} values."
        )
    return [_checked(item, dtype, index) for index, (item, dtype) in enumerate(zip(results, types, strict=True))]


def _checked(item: Any, dtype: DType, index: int) -> Any:
    # numpy's own byte strings lose zeros at their ends
    array = np.asarray(item, object if isinstance(item, bytes) else None)
    found = as_dtype(array.dtype)
    # Python numbers take the type asked for; an array must have it
    if found != dtype and isinstance(item, (np.ndarray, np.generic)):
        raise InvalidArgumentError(
            None, None, f"{index}-th value returned by pyfunc is {found.name}, but expects {dtype.name}"
        )
    return make_value(array, dtype)


def py_func(func: Callable[..., Any], inp: Any, Tout: Any, stateful: bool = True, name: str | None = None) -> Any:
    """Call ``func`` with numpy arrays when the graph runs.

    Args:
        func: takes one array per input and returns one value per output.
        inp: list of tensors.
        Tout: the dtype of the output, or a list of dtypes; an empty list makes an operation without a value.
        stateful: accepted; the function is called in every run.
        name: operation name.

    Returns:
        A tensor of unknown shape, a list of them when ``Tout`` is a list, or the operation. No gradient flows through.

    Raises:
        TypeError: ``func`` cannot be called.
        tf.errors.InvalidArgumentError: at run time, another number of values, or arrays of another dtype.
        tf.errors.UnknownError: at run time, when ``func`` raises.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, got {type(func).__name__}")
    several = isinstance(Tout, (list, tuple))
    types = tuple(as_dtype(t).base_dtype for t in (Tout if several else [Tout]))
    tensors = [convert_to_tensor(t) for t in inp]
    graph = tensors[0].graph if tensors else get_default_graph()
    op: Operation = graph.create_op("PyFunc", tensors, {"function": func, "types": types}, name or "PyFunc")
    if not types:
        return op
    return list(op.outputs) if several else op.outputs[0]
