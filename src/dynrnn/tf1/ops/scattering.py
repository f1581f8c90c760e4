"""Scattering: values put at given places, of a new tensor or of a variable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.infer import constant_value_as_shape, same_as_first
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.core.variables import Variable, read_value, store
from dynrnn.tf1.ops.shape_rules import at_least_rank, brackets, merge, of_rank
from dynrnn.tf1.ops.signature import INDEX, create, operation, types_of

__all__ = [
    "batch_scatter_update",
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd",
    "scatter_nd_add",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
    "tensor_scatter_add",
    "tensor_scatter_sub",
    "tensor_scatter_update",
]

_INDICES = types_of("int16 int32 int64")

# --- places given by index vectors ------------------------------------------------------------------------------------


def _check_nd(indices: TensorShape, updates: TensorShape, target: TensorShape) -> None:
    """Whether slices of shape ``updates`` fit at ``indices`` in a tensor of shape ``target``."""
    if indices.ndims in (None, 0) or updates.ndims is None or indices[-1].value is None or target.ndims is None:
        return
    outer, depth = indices.ndims - 1, indices[-1].value
    if depth > target.ndims:
        raise ValueError(
            f"The last dimension of indices, {depth}, must be at most the rank {target.ndims} of the target"
        )
    for what, expected, start in (
        ("indices", TensorShape(list(indices)[:-1]), 0),
        ("output", TensorShape(list(target)[depth:]), outer),
    ):
        found = TensorShape(list(updates)[start : start + len(expected)] if start == 0 else list(updates)[outer:])
        whole = indices if what == "indices" else target
        where = f"[0,{outer})" if what == "indices" else f"[{depth},{target.ndims})"
        place = f"[0,{outer})" if what == "indices" else f"[{outer},{updates.ndims})"
        try:
            merge(expected, found)
        except ValueError as error:
            raise ValueError(
                f"Dimensions {where} of {what}[shape={brackets(whole)}] = {brackets(expected)} must match dimensions "
                f"{place} of updates[shape={brackets(updates)}] = {brackets(found)}: {error}"
            ) from None


def _columns(indices: torch.Tensor, shape: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """The index vectors as one index tensor a dimension, each within its range."""
    columns = indices.long().unbind(-1)
    for axis, column in enumerate(columns):
        wrong = ((column < 0) | (column >= shape[axis])).nonzero()
        if len(wrong):
            at = tuple(wrong[0].tolist())
            raise ValueError(
                f"indices[{','.join(map(str, at))}] = {indices[at].tolist()} does not index into shape {list(shape)}"
            )
    return columns


def _flat_rows(indices: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The index vectors as positions among the slices of a tensor of that shape."""
    rows = torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for column, size in zip(_columns(indices, shape), shape, strict=False):
        rows = rows * size + column
    return rows.reshape(-1)


def _put(base: torch.Tensor, rows: torch.Tensor, updates: torch.Tensor, how: str) -> torch.Tensor:
    """``base`` [n, ...] with ``updates`` [k, ...] written, added, ... at ``rows`` [k]; repeated rows in turn."""
    if how == "update":
        # of several values for one row the last one stays
        _, group = torch.unique(rows, return_inverse=True)
        order = torch.arange(len(rows))
        last = torch.zeros(int(group.max()) + 1 if len(rows) else 0, dtype=torch.int64).scatter_reduce(
            0, group, order, "amax", include_self=False
        )
        return base.index_copy(0, rows[last], updates[last])
    if how in ("add", "sub"):
        return base.index_add(0, rows, updates, alpha=1 if how == "add" else -1)
    if how == "div":
        result = base.clone()
        mode = None if base.is_floating_point() or base.is_complex() else "trunc"
        for row, update in zip(rows.tolist(), updates, strict=True):
            result[row] = torch.div(result[row], update, rounding_mode=mode)
        return result
    index = rows.reshape(-1, *[1] * (base.dim() - 1)).expand(updates.shape)
    return base.scatter_reduce(0, index, updates, {"mul": "prod", "min": "amin", "max": "amax"}[how])


def _put_nd(base: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor, how: str) -> torch.Tensor:
    depth = indices.shape[-1]
    _check_nd(TensorShape(indices.shape), TensorShape(updates.shape), TensorShape(base.shape))
    inner = base.shape[depth:]
    rows = _flat_rows(indices, base.shape)
    slices = base.reshape(math.prod(base.shape[:depth]), *inner)
    return _put(slices, rows, updates.reshape(len(rows), *inner), how).reshape(base.shape)


def _infer_scatter_nd(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[2].shape, 1)
    target = constant_value_as_shape(inputs[2])
    indices, updates = at_least_rank(inputs[0].shape, 1), at_least_rank(inputs[1].shape, 0)
    _check_nd(indices, updates, target)
    return [(inputs[1].dtype.base_dtype, target)]


@operation("ScatterNd", "indices:Tindices updates:T shape:Tindices", _infer_scatter_nd, Tindices=_INDICES)
def _scatter_nd(indices: torch.Tensor, updates: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
    base = torch.zeros(shape.tolist(), dtype=updates.dtype)
    return _put_nd(base, indices, updates, "add")


def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    """Zeros of ``shape`` to which ``updates`` are added at the index vectors in the last dimension of ``indices``."""
    return create("ScatterNd", name, indices, updates, shape)


def _infer_tensor_scatter(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    _check_nd(at_least_rank(inputs[1].shape, 1), inputs[2].shape, inputs[0].shape)
    return same_as_first(inputs, attrs)


def _tensor_scatter(op_type: str, how: str, doc: str) -> Callable[..., Tensor]:
    def kernel(tensor: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor) -> torch.Tensor:
        return _put_nd(tensor, indices, updates, how)

    operation(op_type, "tensor:T indices:Tindices updates:T", _infer_tensor_scatter, Tindices=_INDICES)(kernel)

    def build(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        return create(op_type, name, tensor, indices, updates)

    build.__doc__ = doc
    return build


tensor_scatter_update = _tensor_scatter(
    "TensorScatterUpdate", "update", "A copy of ``tensor`` with ``updates`` at ``indices``."
)
tensor_scatter_add = _tensor_scatter(
    "TensorScatterAdd", "add", "A copy of ``tensor`` with ``updates`` added at ``indices``."
)
tensor_scatter_sub = _tensor_scatter(
    "TensorScatterSub", "sub", "A copy of ``tensor`` with ``updates`` subtracted at ``indices``."
)


# --- variables --------------------------------------------------------------------------------------------------------


def _infer_ref(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    variable: Variable = attrs["variable"]
    indices, updates = inputs[0].shape, inputs[1].shape
    if attrs["nd"]:
        _check_nd(indices, updates, variable.shape)
    elif updates.ndims != 0 and variable.shape.ndims is not None:
        merge(updates, indices.concatenate(list(variable.shape)[1:]))
    return [(variable.dtype, variable.shape)]


def _register_ref(op_type: str, how: str) -> None:
    @register(op_type, _infer_ref, differentiable=False, stateful=True, needs_run=True)
    def kernel(run: Any, indices: torch.Tensor, updates: torch.Tensor, *, variable: Variable, nd: bool) -> torch.Tensor:
        base, values = read_value(run, variable), updates.detach()
        if nd:
            return store(run, variable, _put_nd(base, indices, values, how))
        rows = indices.reshape(-1).long()
        wrong = ((rows < 0) | (rows >= base.shape[0])).nonzero()
        if len(wrong):
            at = int(wrong[0])
            raise ValueError(f"indices[{at}] = {int(rows[at])} is not in [0, {base.shape[0]})")
        target = (len(rows), *base.shape[1:])
        return store(
            run, variable, _put(base, rows, values.reshape(target) if values.dim() else values.expand(target), how)
        )


def _on_variable(op_type: str, how: str, doc: str, nd: bool = False) -> Callable[..., Tensor]:
    _register_ref(op_type, how)

    def build(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        variable = ref.op.attrs.get("variable") if isinstance(ref, Tensor) else ref
        if not isinstance(variable, Variable):
            raise TypeError(f"{op_type} needs a variable, got {ref!r}")
        graph = get_default_graph()
        with graph.name_scope(name or op_type) as scope:
            index = convert_to_tensor(indices, preferred_dtype=dtypes.int32, name="indices")
            INDEX.check(index.dtype.base_dtype, "indices")
            kind = variable.dtype.base_dtype
            values = convert_to_tensor(
                updates, None if isinstance(updates, (Tensor, Variable)) else kind, name="updates"
            )
            if values.dtype.base_dtype is not kind:
                raise TypeError(
                    f"Input 'updates' of '{op_type}' Op has type {values.dtype.base_dtype.name} that does not match "
                    f"type {kind.name} of argument 'ref'."
                )
            attrs = {"variable": variable, "nd": nd}
            return graph.create_op(op_type, [index, values], attrs, scope).outputs[0]

    build.__name__ = build.__qualname__ = op_type.lower()
    build.__doc__ = f"{doc} Gives the variable's new value."
    return build


scatter_update = _on_variable(
    "ScatterUpdate", "update", "Rows of a variable replaced: ``ref[indices, ...] = updates``."
)
scatter_add = _on_variable("ScatterAdd", "add", "``ref[indices, ...] += updates``; repeated indices add up.")
scatter_sub = _on_variable("ScatterSub", "sub", "``ref[indices, ...] -= updates``; repeated indices add up.")
scatter_mul = _on_variable("ScatterMul", "mul", "``ref[indices, ...] *= updates``.")
scatter_div = _on_variable("ScatterDiv", "div", "``ref[indices, ...] /= updates``.")
scatter_min = _on_variable("ScatterMin", "min", "``ref[indices, ...] = minimum(ref[indices, ...], updates)``.")
scatter_max = _on_variable("ScatterMax", "max", "``ref[indices, ...] = maximum(ref[indices, ...], updates)``.")
scatter_nd_update = _on_variable(
    "ScatterNdUpdate", "update", "Slices of a variable at index vectors replaced.", nd=True
)
scatter_nd_add = _on_variable("ScatterNdAdd", "add", "``updates`` added to a variable at index vectors.", nd=True)
scatter_nd_sub = _on_variable(
    "ScatterNdSub", "sub", "``updates`` subtracted from a variable at index vectors.", nd=True
)


def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Tensor:
    """``scatter_update`` whose last dimension of ``indices`` counts within each batch row.

    Raises:
        ValueError: shapes that are not known.
    """
    from dynrnn.tf1.ops.filling import range_
    from dynrnn.tf1.ops.joining import stack
    from dynrnn.tf1.ops.shaping import broadcast_to, reshape

    index = convert_to_tensor(indices, name="indices")
    if not index.shape.is_fully_defined():
        raise ValueError(f"batch_scatter_update needs indices of known shape, got {index.shape}")
    dims = index.shape.as_list()
    columns = []
    for axis, size in enumerate(dims[:-1]):
        rows = reshape(range_(size, dtype=index.dtype.base_dtype), [size if i == axis else 1 for i in range(len(dims))])
        columns.append(broadcast_to(rows, dims))
    return scatter_nd_update(ref, stack([*columns, index], axis=-1), updates, use_locking, name)
