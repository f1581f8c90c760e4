"""Small helpers with which the namespaces build operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable

__all__ = ["apply", "apply_many", "as_tensors", "is_symbolic"]


def is_symbolic(value: Any) -> bool:
    """Whether ``value`` is a tensor or variable of the graph."""
    return isinstance(value, (Tensor, Variable))


def apply(op_type: str, inputs: Sequence[Any], name: str | None = None, specs: Any = None, **attrs: Any) -> Tensor:
    """Create an operation with one output; ``inputs`` are converted to tensors."""
    return apply_many(op_type, inputs, name, specs, **attrs)[0]


def apply_many(
    op_type: str, inputs: Sequence[Any], name: str | None = None, specs: Sequence[Spec] | None = None, **attrs: Any
) -> list[Tensor]:
    """Create an operation; gives all its outputs."""
    tensors = [convert_to_tensor(value) for value in inputs]
    graph = tensors[0].graph if tensors else get_default_graph()
    return graph.create_op(op_type, tensors, attrs, name or op_type, specs).outputs


def as_tensors(values: Sequence[Any], op_type: str, dtype: DType | None = None) -> list[Tensor]:
    """Convert ``values`` to tensors of one dtype: that of the first symbolic one, else of the first value.

    Raises:
        TypeError: tensors of different dtypes.
    """
    if dtype is None:
        leader = next((v for v in values if is_symbolic(v)), None)
        if leader is None:
            leader = convert_to_tensor(values[0])
            values = [leader, *values[1:]]
        dtype = leader.dtype.base_dtype
    tensors = [convert_to_tensor(v) if is_symbolic(v) else convert_to_tensor(v, dtype) for v in values]
    for index, tensor in enumerate(tensors):
        if tensor.dtype.base_dtype is not dtype:
            label = ("x", "y")[index] if len(tensors) == 2 else f"values[{index}]"
            raise TypeError(
                f"Input '{label}' of '{op_type}' Op has type {tensor.dtype.base_dtype.name} that does not match type "
                f"{dtype.name} of argument 'x'."
            )
    return tensors
