"""Sparse tensors of the graph: three tensors that are built, fed and fetched together."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.graph import Graph, Operation, name_scope
from dynrnn.tf1.core.infer import constant_value_as_shape
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape

__all__ = ["SparseTensor", "SparseTensorValue", "is_sparse", "sparse_argument"]

SparseTensorValue = namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])
"""The value of a sparse tensor, as sessions give and take it."""


class SparseTensor:
    """A tensor of which only some elements are kept; the others are 0, or whatever a function takes them for.

    Most functions want the indices in row-major order, without repeated ones: ``tf.sparse_reorder``.

    Args:
        indices: int64 ``[n, rank]``: where the elements are.
        values: ``[n]``: what they are.
        dense_shape: int64 ``[rank]``.

    Raises:
        ValueError: a tensor of another integer type, or shapes that do not fit.
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        with name_scope(None, "SparseTensor", [indices, values, dense_shape]):
            self._indices = convert_to_tensor(indices, dtypes.int64, name="indices")
            self._values = convert_to_tensor(values, name="values")
            self._dense_shape = convert_to_tensor(dense_shape, dtypes.int64, name="dense_shape")
        where = self._indices.shape.with_rank(2)
        what = self._values.shape.with_rank(1)
        size = self._dense_shape.shape.with_rank(1)
        where[0].merge_with(what[0])
        where[1].merge_with(size[0])
        self._declared: TensorShape | None = None

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A constant from a ``SparseTensorValue``; a sparse tensor is made anew of the same tensors.

        Raises:
            TypeError: neither of both.
        """
        if not isinstance(sparse_tensor_value, (SparseTensor, SparseTensorValue)):
            raise TypeError(f"Neither a SparseTensor nor SparseTensorValue: {sparse_tensor_value}.")
        value = sparse_tensor_value
        return cls(value.indices, value.values, value.dense_shape)

    @property
    def indices(self) -> Tensor:
        return self._indices

    @property
    def values(self) -> Tensor:
        return self._values

    @property
    def dense_shape(self) -> Tensor:
        return self._dense_shape

    @property
    def op(self) -> Operation:
        """The operation that makes the values."""
        return self._values.op

    @property
    def dtype(self) -> DType:
        return self._values.dtype

    @property
    def graph(self) -> Graph:
        return self._values.graph

    @property
    def shape(self) -> TensorShape:
        """What is known of the dense shape."""
        return constant_value_as_shape(self._dense_shape) if self._declared is None else self._declared

    def declare_shape(self, shape: TensorShape) -> None:
        """Say what the dense shape is where the tensor of it tells nothing: it is fed."""
        self._declared = shape

    def get_shape(self) -> TensorShape:
        """What is known of the dense shape."""
        return self.shape

    def consumers(self) -> list[Operation]:
        """The operations that take one of the three tensors."""
        parts = (self._indices, self._values, self._dense_shape)
        return list(dict.fromkeys(op for part in parts for op in part.consumers()))

    def with_values(self, new_values: Any) -> SparseTensor:
        """Other values in the same places."""
        return SparseTensor(self._indices, new_values, self._dense_shape)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The ``SparseTensorValue`` in ``session`` or the default session."""
        from dynrnn.tf1.core.operation import session_for

        return session_for("evaluate tensor", "eval", session, self.graph).run(self, feed_dict)

    def _fetch_components(self) -> tuple[list[Tensor], Callable[[list[Any]], Any]]:
        """What a session fetches and feeds in its place, and how the values are put together."""
        return [self._indices, self._values, self._dense_shape], lambda items: SparseTensorValue(*items)

    def __str__(self) -> str:
        return f"SparseTensor(indices={self._indices}, values={self._values}, dense_shape={self._dense_shape})"

    __repr__ = __str__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"Failed to convert object of type {type(self)} to Tensor. Contents: {self}. "
            "Consider casting elements to a supported type."
        )

    # a number or array on the left of an operator leaves it to this class, which refuses
    __array_priority__ = 100


def is_sparse(value: Any) -> bool:
    """Whether ``value`` is a sparse tensor or the value of one."""
    return isinstance(value, (SparseTensor, SparseTensorValue))


def sparse_argument(value: Any, message: str = "Input must be a SparseTensor.") -> SparseTensor:
    """``value`` as a sparse tensor of the graph.

    Raises:
        TypeError: with ``message``, when it is neither a sparse tensor nor the value of one.
    """
    if isinstance(value, SparseTensorValue):
        return SparseTensor.from_value(value)
    if not isinstance(value, SparseTensor):
        raise TypeError(message)
    return value
