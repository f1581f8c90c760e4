"""``tf.TensorArray``: a list of tensors that loops write and read, in graphs.

The run-time value is a :class:`TensorList`, which never changes: a write makes a new one that shares the elements. It
is carried by the array's *flow*, a tensor of dtype variant, so a TensorArray can be a loop variable and gradients pass
through it as through the elements themselves.

Because the value is immutable, ``clear_after_read`` has no effect (elements live as long as something refers to the
list), and two writes to one array give two arrays. Writing an index of the same array a second time is an error, as in
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1.array_ops import identity
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import Operation, get_default_graph, name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape, unknown_shape
from dynrnn.tf1.math_ops import cast

__all__ = ["TensorArray", "TensorList"]


def _sizes(static: TensorShape) -> list[int]:
    """The dimensions of a shape that is fully known."""
    return [int(d) for d in static]


class TensorList:
    """The elements of a TensorArray at run time: tensors, and None where nothing was written. Never changes.

    Attributes:
        items: the elements.
        dynamic: whether writing past the end makes the list longer.
        same_shapes: whether all elements must have one shape.
        shape: what is known of the elements' shape.
        dtype: of the elements.
    """

    __slots__ = ("dtype", "dynamic", "items", "same_shapes", "shape")
    # in a state it belongs to no row of the batch
    rowless = True

    def __init__(
        self, items: tuple[Any, ...], dtype: DType, shape: TensorShape, dynamic: bool, same_shapes: bool
    ) -> None:
        self.items = items
        self.dtype = dtype
        self.shape = shape
        self.dynamic = dynamic
        self.same_shapes = same_shapes

    def get(self, index: int) -> Any:
        """The element at ``index``; zeros where nothing was written and the shape is known."""
        if not 0 <= index < len(self.items):
            raise ValueError(f"Tried to read from index {index} but array size is: {len(self.items)}")
        item = self.items[index]
        if item is not None:
            return item
        if not self.shape.is_fully_defined():
            raise ValueError(
                f"Could not read from TensorArray index {index}: nothing was written there, and the element shape is "
                f"not fully defined: {self.shape}. With a full element_shape an all-zeros tensor would be returned."
            )
        return torch.zeros(_sizes(self.shape), dtype=self.dtype.torch_dtype)

    def put(self, indices: Sequence[int], values: Sequence[Any]) -> TensorList:
        """A list with ``values`` at ``indices``, where nothing was written before."""
        items, known = list(self.items), self.shape
        for index, value in zip(indices, values, strict=True):
            if index < 0 or (index >= len(items) and not self.dynamic):
                array = "array" if self.dynamic else "array is not resizeable and"
                raise ValueError(f"Tried to write to index {index} but {array} size is: {len(items)}")
            if index >= len(items):
                items += [None] * (index + 1 - len(items))
            if items[index] is not None:
                raise ValueError(
                    f"Could not write to TensorArray index {index} because it has already been written to."
                )
            actual = TensorShape(value.shape)
            if not known.is_compatible_with(actual):
                raise ValueError(
                    f"Could not write to TensorArray index {index} because the value shape is {list(value.shape)} "
                    f"which is incompatible with the TensorArray's inferred element shape: {known} (consider "
                    "setting infer_shape=False)."
                )
            if self.same_shapes:
                known = actual
            items[index] = value
        return TensorList(tuple(items), self.dtype, known, self.dynamic, self.same_shapes)

    def stacked(self, indices: Sequence[int], static: TensorShape) -> Any:
        """The elements at ``indices`` as one tensor, whose static shape is ``static``."""
        if not indices:
            known = self.shape.merge_with(static[1:] if static.ndims else unknown_shape())
            if not known.is_fully_defined():
                raise NotImplementedError(
                    f"TensorArray has size zero, but element shape {known} is not fully defined. Currently only "
                    "static shapes are supported when packing zero-size TensorArrays."
                )
            return torch.zeros([0, *_sizes(known)], dtype=self.dtype.torch_dtype)
        items = [self.get(i) for i in indices]
        for index, item in zip(indices, items, strict=True):
            if item.shape != items[0].shape:
                raise ValueError(
                    f"TensorArray has inconsistent shapes.  Index {indices[0]} has shape: {list(items[0].shape)} but "
                    f"index {index} has shape: {list(item.shape)}"
                )
        return torch.stack(items)

    def joined(self, static: TensorShape) -> Any:
        """All elements joined along their first dimension; the static shape is ``static``."""
        if not self.items:
            rest = static[1:] if static.ndims else unknown_shape()
            if not rest.is_fully_defined():
                raise NotImplementedError(
                    f"TensorArray has size zero, but element_shape_except0 {rest} is not fully defined. Currently only "
                    "static shapes are supported when concatenating zero-size TensorArrays."
                )
            return torch.zeros([0, *_sizes(rest)], dtype=self.dtype.torch_dtype)
        items = [self.get(i) for i in range(len(self.items))]
        for index, item in enumerate(items):
            if item.dim() == 0:
                raise ValueError(f"Concat saw a scalar shape at index {index} but requires at least vectors.")
            if item.shape[1:] != items[0].shape[1:]:
                raise ValueError(
                    "TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: "
                    f"{list(items[0].shape[1:])} but index {index} has (excepting dimension 0) shape: "
                    f"{list(item.shape[1:])}"
                )
        return torch.cat(items)


# --- kernels: the specs of their outputs are given by the class below -------------------------------------------------

_FLOW: list[Spec] = [(dtypes.variant, TensorShape([]))]


def _flow_spec(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return list(_FLOW)


def _element_spec(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["dtype"], attrs["static"])]


@register("TensorArrayV3", _flow_spec, differentiable=False, stateful=True)
def _new(size: torch.Tensor, *, dtype: DType, static: TensorShape, dynamic: bool, same_shapes: bool) -> TensorList:
    if int(size) < 0:
        raise ValueError(f"Size should be >= 0, got {int(size)}")
    return TensorList((None,) * int(size), dtype, static, dynamic, same_shapes)


@register("TensorArrayWriteV3", _flow_spec)
def _write(flow: TensorList, index: torch.Tensor, value: Any) -> TensorList:
    return flow.put([int(index)], [value])


@register("TensorArrayReadV3", _element_spec)
def _read(flow: TensorList, index: torch.Tensor, *, dtype: DType, static: TensorShape) -> Any:
    return flow.get(int(index))


@register("TensorArrayGatherV3", _element_spec)
def _gather(flow: TensorList, indices: torch.Tensor, *, dtype: DType, static: TensorShape) -> Any:
    return flow.stacked(indices.tolist(), static)


@register("TensorArrayStack", _element_spec)
def _stack(flow: TensorList, *, dtype: DType, static: TensorShape) -> Any:
    return flow.stacked(range(len(flow.items)), static)


@register("TensorArrayConcatV3", _element_spec)
def _concat(flow: TensorList, *, dtype: DType, static: TensorShape) -> Any:
    return flow.joined(static)


@register("TensorArrayScatterV3", _flow_spec)
def _scatter(flow: TensorList, indices: torch.Tensor, value: torch.Tensor) -> TensorList:
    if indices.dim() != 1 or value.dim() == 0 or indices.shape[0] != value.shape[0]:
        raise ValueError(
            "Expected len(indices) == values.shape[0], but saw: "
            f"{list(indices.shape)} indices and a value of shape {list(value.shape)}"
        )
    return flow.put(indices.tolist(), value.unbind(0))


@register("TensorArrayUnstack", _flow_spec)
def _unstack(flow: TensorList, value: torch.Tensor) -> TensorList:
    return flow.put(range(value.shape[0]), value.unbind(0))


@register("TensorArraySplitV3", _flow_spec)
def _split(flow: TensorList, value: torch.Tensor, lengths: torch.Tensor) -> TensorList:
    sizes = lengths.tolist()
    if sum(sizes) != value.shape[0] or min(sizes, default=0) < 0:
        raise ValueError(
            f"Expected sum of lengths to be equal to values.shape[0], but sum of lengths is {sum(sizes)} and value's "
            f"shape is: {list(value.shape)}"
        )
    if len(sizes) != len(flow.items) and not flow.dynamic:
        raise ValueError(
            f"TensorArray's size is not equal to the size of lengths ({len(flow.items)} vs. {len(sizes)}), and the "
            "TensorArray is not marked as dynamically resizeable."
        )
    return flow.put(range(len(sizes)), value.split(sizes))


@register("TensorArraySizeV3", lambda inputs, attrs: [(dtypes.int32, TensorShape([]))], differentiable=False)
def _size(flow: TensorList) -> torch.Tensor:
    return torch.tensor(len(flow.items), dtype=torch.int32)


# --- the class --------------------------------------------------------------------------------------------------------


class _Inferred:
    """What is known of the elements' shape; shared by all arrays that come from one."""

    def __init__(self, static: TensorShape) -> None:
        self.static = static


class TensorArray:
    """A list of tensors of one dtype; writing gives a new TensorArray, which must be used from then on.

    Args:
        dtype: of the elements.
        size: how many elements, an int or scalar tensor.
        dynamic_size: whether writing past the end makes the array longer.
        clear_after_read: accepted; elements may always be read again.
        tensor_array_name: accepted; no effect.
        handle, flow: the ``handle`` and ``flow`` of another TensorArray, to make this one the same.
        infer_shape: whether all elements must have one shape.
        element_shape: what is known of that shape.
        colocate_with_first_write_call: accepted; no effect.
        name: name of the operation.

    Raises:
        ValueError: neither size nor handle, or both.
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        self._check_handle(handle, flow, size, tensor_array_name, element_shape, dynamic_size, clear_after_read)
        self._dtype = as_dtype(dtype).base_dtype
        self._dynamic_size = bool(dynamic_size)
        self._infer_shape = infer_shape
        self._inferred = _Inferred(as_shape(element_shape))
        self._size = size
        if handle is not None:
            self._flow = flow
            return
        with name_scope(name, "TensorArray") as scope:
            self._flow = apply(
                "TensorArrayV3",
                [convert_to_tensor(size, dtypes.int32, name="size")],
                scope,
                dtype=self._dtype,
                static=self._inferred.static,
                dynamic=self._dynamic_size,
                same_shapes=infer_shape,
            )

    @staticmethod
    def _check_handle(
        handle: Any, flow: Any, size: Any, name: Any, element_shape: Any, dynamic: Any, clear: Any
    ) -> None:
        if handle is None:
            if size is None:
                raise ValueError("Argument `size` must be provided if handle is not provided.")
            return
        if not isinstance(handle, Tensor):
            raise TypeError(f"Expected `handle` to be a Tensor, but got `{handle}` of type `{type(handle)}` instead.")
        given = {
            "tensor_array_name": name,
            "size": size,
            "element_shape": element_shape,
            "dynamic_size": dynamic,
            "clear_after_read": clear,
        }
        for key, value in given.items():
            if value is not None:
                raise ValueError(f"Cannot provide both `handle` and `{key}` arguments at the same time.")
        if flow is None:
            raise ValueError("flow must not be None if handle is not None.")

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> DType:
        """The elements' dtype."""
        return self._dtype

    @property
    def flow(self) -> Tensor:
        """The tensor that carries the elements."""
        return self._flow

    handle = flow

    @property
    def dynamic_size(self) -> bool:
        """Whether writing past the end makes the array longer."""
        return self._dynamic_size

    @property
    def element_shape(self) -> TensorShape:
        """What is known of the shape of an element."""
        return self._inferred.static

    @property
    def graph(self) -> Any:
        """The graph of the flow."""
        return self._flow.graph

    def _flow_tensor(self) -> Tensor:
        return self._flow

    def _with_flow(self, flow: Tensor) -> TensorArray:
        """The array whose elements ``flow`` carries; it shares what is known of their shape."""
        other = TensorArray.__new__(TensorArray)
        other.__dict__.update(self.__dict__)
        other._flow = flow
        return other

    def identity(self) -> TensorArray:
        """The same elements, after the control dependencies in force."""
        return self._with_flow(identity(self._flow))

    def close(self, name: str | None = None) -> Operation:
        """An operation that does nothing: elements are freed by themselves."""
        return get_default_graph().create_op("NoOp", [], None, name or "TensorArrayCloseV3")

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements, int32."""
        if not self._dynamic_size and self._size is not None:
            return convert_to_tensor(self._size, dtypes.int32)
        return apply("TensorArraySizeV3", [self._flow], name)

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at ``index``.

        At run time it is an ``InvalidArgumentError`` when there is no such index, or when nothing was written there and
        the shape of the elements is not known (zeros otherwise).
        """
        return self._element("TensorArrayReadV3", [_index(index, 0)], self.element_shape, name)

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements at the vector ``indices``, stacked."""
        static = TensorShape([None]).concatenate(self.element_shape)
        return self._element("TensorArrayGatherV3", [_index(indices, 1)], static, name)

    def stack(self, name: str | None = None) -> Tensor:
        """All elements, stacked."""
        count = None
        if not self._dynamic_size and self._size is not None:
            known = constant_value(convert_to_tensor(self._size, dtypes.int32))
            count = None if known is None else int(known)
        static = TensorShape([count]).concatenate(self.element_shape)
        with name_scope(name, "TensorArrayStack"):
            op = get_default_graph().create_op(
                "TensorArrayStack", [self._flow], {"dtype": self._dtype, "static": static}, "TensorArrayGatherV3"
            )
            return op.outputs[0]

    pack = stack

    def concat(self, name: str | None = None) -> Tensor:
        """All elements joined along their first dimension, in which they may differ if ``infer_shape`` is False."""
        element = self.element_shape
        first: int | None = None
        if element.ndims is None:
            static = element
        else:
            if element.ndims == 0:
                raise ValueError("concat needs elements of rank 1 or more, got rank 0")
            rows, count = element[0].value, constant_value(self.size())
            if self._infer_shape and rows is not None and count is not None:
                first = int(count) * rows
            static = TensorShape([first]).concatenate(element[1:])
        return self._element("TensorArrayConcatV3", [], static, name)

    def _element(self, op_type: str, inputs: list[Tensor], static: TensorShape, name: str | None) -> Tensor:
        return apply(op_type, [self._flow, *inputs], name, dtype=self._dtype, static=static)

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with ``value`` at ``index``.

        Raises:
            ValueError: another dtype, or a shape that is not that of the other elements. At run time an index past the
                end, or one written before, is an ``InvalidArgumentError``.
        """
        with name_scope(name, "TensorArrayWrite"):
            element = self._value(value)
            self._learn(element.shape)
            return self._with_flow(apply("TensorArrayWriteV3", [self._flow, _index(index, 0), element]))

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with the slices of ``value`` at the vector ``indices``."""
        with name_scope(name, "TensorArrayScatter"):
            slices = self._slices(value)
            return self._with_flow(apply("TensorArrayScatterV3", [self._flow, _index(indices, 1), slices]))

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The array with the slices of ``value`` along its first dimension at 0, 1, 2, ..."""
        with name_scope(name, "TensorArrayUnstack"):
            slices = self._slices(value)
            return self._with_flow(apply("TensorArrayUnstack", [self._flow, slices], "TensorArrayScatterV3"))

    unpack = unstack

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The array with pieces of ``value``, of ``lengths`` rows each, at 0, 1, 2, ..."""
        with name_scope(name, "TensorArraySplit"):
            whole = self._value(value)
            counts = cast(convert_to_tensor(lengths), dtypes.int64)
            if whole.shape.ndims == 0:
                raise ValueError(f"value to split must have rank 1 or more, got shape {whole.shape}")
            if counts.shape.ndims not in (1, None):
                raise ValueError(f"lengths must be a vector: Shape must be rank 1 but is rank {counts.shape.ndims}")
            known = constant_value(counts)
            equal = known is not None and known.size > 0 and known.max() == known.min()
            if known is not None and equal and whole.shape.ndims is not None:
                self._learn(TensorShape([int(known[0])]).concatenate(whole.shape[1:]))
            return self._with_flow(apply("TensorArraySplitV3", [self._flow, whole, counts]))

    def _value(self, value: Any) -> Tensor:
        tensor = convert_to_tensor(value, preferred_dtype=self._dtype, name="value")
        if tensor.dtype.base_dtype is not self._dtype:
            raise ValueError(
                f"TensorArray dtype is {self._dtype.name} but Op is trying to write dtype "
                f"{tensor.dtype.base_dtype.name}"
            )
        return tensor

    def _slices(self, value: Any) -> Tensor:
        tensor = self._value(value)
        if tensor.shape.ndims == 0:
            raise ValueError(f"value to unstack must have rank 1 or more, got shape {tensor.shape}")
        self._learn(unknown_shape() if tensor.shape.ndims is None else tensor.shape[1:])
        return tensor

    def _learn(self, static: TensorShape) -> None:
        if not static.is_compatible_with(self.element_shape):
            raise ValueError(f"Inconsistent shapes: saw {static} but expected {self.element_shape} ")
        if self._infer_shape:
            self._inferred.static = self.element_shape.merge_with(static)


def _index(value: Any, rank: int) -> Tensor:
    tensor = convert_to_tensor(value, preferred_dtype=dtypes.int32, name="index" if rank == 0 else "indices")
    if not tensor.dtype.is_integer:
        raise TypeError(f"an index of a TensorArray must be an integer, got {tensor}")
    if tensor.shape.ndims not in (rank, None):
        raise ValueError(f"Shape must be rank {rank} but is rank {tensor.shape.ndims}: {tensor}")
    return tensor
