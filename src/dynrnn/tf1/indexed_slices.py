"""``tf.IndexedSlices``: some rows of a tensor.

Gradients are dense here, so that no function of the library gives one; programs test for it
(``isinstance(gradient, tf.IndexedSlices)``) and make their own. As an argument it stands for the tensor whose rows at
``indices`` are the sums of ``values`` with that index, and whose other rows are 0.
"""

from __future__ import annotations

from typing import Any

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core.convert import convert_to_tensor, register_conversion
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.graph import Graph, Operation
from dynrnn.tf1.core.infer import constant_value_as_shape
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape

__all__ = ["IndexedSlices"]


class IndexedSlices:
    """Rows of a tensor, see above.

    Args:
        values: ``[n, ...]``: the rows.
        indices: ``[n]`` integers: where they stand.
        dense_shape: the shape of the whole; needed where a tensor is made of it.
    """

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self._values = convert_to_tensor(values)
        self._indices = convert_to_tensor(indices)
        self._dense_shape = None if dense_shape is None else convert_to_tensor(dense_shape)

    @property
    def values(self) -> Tensor:
        """The rows."""
        return self._values

    @property
    def indices(self) -> Tensor:
        """Where they stand."""
        return self._indices

    @property
    def dense_shape(self) -> Tensor | None:
        """The shape of the whole, if it was given."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """What is known of the dense shape."""
        return TensorShape(None) if self._dense_shape is None else constant_value_as_shape(self._dense_shape)

    @property
    def name(self) -> str:
        """The name of the rows."""
        return self._values.name

    @property
    def device(self) -> str:
        """The device of the rows."""
        return self._values.device

    @property
    def op(self) -> Operation:
        """The operation that makes the rows."""
        return self._values.op

    @property
    def dtype(self) -> DType:
        """The dtype of the rows."""
        return self._values.dtype

    @property
    def graph(self) -> Graph:
        """The graph of the rows."""
        return self._values.graph

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(-self._values, self._indices, self._dense_shape)

    def __str__(self) -> str:
        shape = "" if self._dense_shape is None else f", dense_shape={self._dense_shape}"
        return f"IndexedSlices(indices={self._indices}, values={self._values}{shape})"


def _dense(value: IndexedSlices, dtype: Any, name: str | None) -> Tensor:
    if value.dense_shape is None:
        raise ValueError(f"Tensor conversion requested for IndexedSlices without dense_shape: {value}")
    rows = array_ops.strided_slice(value.dense_shape, [0], [1], shrink_axis_mask=1)
    tensor = math_ops.unsorted_segment_sum(value.values, value.indices, rows, name=name)
    return convert_to_tensor(tensor, dtype)


register_conversion(IndexedSlices, _dense)
