"""The rules of lowering for views: operations that only say which column of a row stands where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.engine.aten import dims_of
from dynrnn.engine.aten_memory import viewed_row_grad
from dynrnn.engine.lower import Lowering, entering
from dynrnn.engine.program import Node
from dynrnn.engine.values import Grad, Matrix, Param, Row, RowGrad, Rule, Transposed, Vector

__all__ = ["RULES"]

RULES: dict[str, Rule] = {}
rule = entering(RULES)


@rule("view", "_unsafe_view", "reshape", "_reshape_alias")
def _view(low: Lowering, a: Any, *_: Any, **__: Any) -> Any:
    example = low.at.meta["val"] if low.at is not None else None
    assert isinstance(example, torch.Tensor)
    shape = tuple(example.shape)
    if isinstance(a, Grad):
        if a.outers and shape != a.shape:
            raise low.refuse("another shape of a matrix's gradient")
        return Grad(a.sums, a.outers, shape)
    if isinstance(a, RowGrad):
        return viewed_row_grad(low, a, shape)
    if shape.count(low.batch) != 1:
        raise low.refuse(f"a view as {list(shape)}, which takes rows apart or joins them")
    axis = shape.index(low.batch)
    before, after = math.prod(a.index.shape[: a.axis]), math.prod(a.index.shape[a.axis + 1 :])
    if math.prod(shape[:axis]) != before or math.prod(shape[axis + 1 :]) != after:
        raise low.refuse(f"a view as {list(shape)}, which takes rows apart or joins them")
    return a.viewed(a.index.reshape([1 if i == axis else size for i, size in enumerate(shape)]), axis)


@rule("t")
def _t(low: Lowering, a: Any) -> Any:
    if isinstance(a, Matrix):
        return Transposed(a.node)
    if isinstance(a, Grad):
        return Grad(a.sums, [(right, left) for left, right in a.outers], a.shape[::-1])
    return a if a.index.ndim < 2 else _permute(low, a, [1, 0])


@rule("permute")
def _permute(low: Lowering, a: Any, dims: Sequence[int]) -> Any:
    if isinstance(a, (Grad, Matrix)):
        return _t(low, a)
    order = [d % a.index.ndim for d in dims]
    return a.viewed(np.transpose(a.index, order), order.index(a.axis))


@rule("transpose")
def _transpose(low: Lowering, a: Any, one: int, other: int) -> Any:
    if isinstance(a, (Grad, Matrix)):
        return _t(low, a)
    order = list(range(a.index.ndim))
    order[one], order[other] = order[other], order[one]
    return _permute(low, a, order)


@rule("unsqueeze")
def _unsqueeze(low: Lowering, a: Any, dim: int) -> Any:
    dim = dim % (a.index.ndim + 1)
    return a.viewed(np.expand_dims(a.index, dim), a.axis + (dim <= a.axis))


@rule("squeeze")
def _squeeze(low: Lowering, a: Any, dim: Any = None) -> Any:
    if isinstance(a, Grad):
        return _view(low, a)
    dims = [
        d
        for d in (range(a.index.ndim) if dim is None else dims_of(low, a, dim))
        if a.index.shape[d] == 1 and d != a.axis
    ]
    return a.viewed(np.squeeze(a.index, tuple(dims)), a.axis - sum(d < a.axis for d in dims))


@rule("expand")
def _expand(low: Lowering, a: Any, sizes: Sequence[int], **_: Any) -> Any:
    if isinstance(a, Vector):
        return low.fresh(a.node, [1, sizes[-1]], 0)
    added = len(sizes) - a.index.ndim
    axis = a.axis + added
    index = a.index.reshape([1] * added + list(a.index.shape))
    target = [1 if d == axis else index.shape[d] if size == -1 else size for d, size in enumerate(sizes)]
    if sizes[axis] not in (-1, low.batch):
        raise low.refuse("an expansion of rows")
    return a.viewed(np.broadcast_to(index, target), axis)


@rule("repeat")
def _repeat(low: Lowering, a: Any, repeats: Sequence[int]) -> Any:
    added = len(repeats) - a.index.ndim
    axis = a.axis + added
    if repeats[axis] != 1:
        raise low.refuse("a repetition of rows")
    index = a.index.reshape([1] * added + list(a.index.shape))
    return a.viewed(np.tile(index, repeats), axis)


def _cut(low: Lowering, a: Row, dim: int) -> int:
    dim = dim % a.index.ndim
    if dim == a.axis:
        raise low.refuse("it takes some of the rows")
    return dim


@rule("slice")
def _slice(low: Lowering, a: Any, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Any:
    if dim % a.index.ndim == a.axis and not start and (stop is None or stop >= low.batch) and step == 1:
        return a
    dim = _cut(low, a, dim)
    return a.viewed(a.index[(slice(None),) * dim + (slice(start, stop, step),)])


@rule("select")
def _select(low: Lowering, a: Any, dim: int, at: int) -> Any:
    dim = _cut(low, a, dim)
    return a.viewed(np.take(a.index, at, dim), a.axis - (dim < a.axis))


@rule("split", "split_with_sizes")
def _split(low: Lowering, a: Any, sizes: Any, dim: int = 0) -> Any:
    dim = _cut(low, a, dim)
    total = a.index.shape[dim]
    cuts = range(sizes, total, sizes) if isinstance(sizes, int) else np.cumsum(sizes)[:-1]
    return [a.viewed(part) for part in np.split(a.index, list(cuts), dim)]


@rule("chunk")
def _chunk(low: Lowering, a: Any, chunks: int, dim: int = 0) -> Any:
    size = -(-a.index.shape[dim % a.index.ndim] // chunks)
    return _split(low, a, size, dim)


@rule("unbind")
def _unbind(low: Lowering, a: Any, dim: int = 0) -> Any:
    dim = _cut(low, a, dim)
    return [_select(low, a, dim, at) for at in range(a.index.shape[dim])]


@rule("flip")
def _flip(low: Lowering, a: Any, dims: Sequence[int]) -> Any:
    return a.viewed(np.flip(a.index, tuple(_cut(low, a, d) for d in dims)))


@rule("roll")
def _roll(low: Lowering, a: Any, shifts: Any, dims: Any = ()) -> Any:
    if not dims:
        raise low.refuse("a roll over all dimensions")
    dims = [_cut(low, a, d) for d in ([dims] if isinstance(dims, int) else dims)]
    return a.viewed(np.roll(a.index, [shifts] if isinstance(shifts, int) else list(shifts), dims))


@rule("index_select")
def _index_select(low: Lowering, a: Any, dim: int, index: Any) -> Any:
    if not isinstance(index, Param) or index.literal is None:
        raise low.refuse("an index that is not written in the step")
    return a.viewed(np.take(a.index, index.literal.numpy(), _cut(low, a, dim)))


@rule("index")
def _index(low: Lowering, a: Any, indices: Sequence[Any]) -> Any:
    used = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if (
        len(used) != 1
        or not isinstance(used[0][1], Param)
        or used[0][1].dtype == torch.bool
        or len(used[0][1].shape) != 1
    ):
        raise low.refuse("an index other than one list of columns")
    return _index_select(low, a, *used[0])


@rule("cat")
def _cat(low: Lowering, parts: Sequence[Any], dim: int = 0) -> Any:
    first = next(part for part in parts if isinstance(part, Row))
    dim = _cut(low, first, dim)
    shapes = []
    nodes: list[Node] = []
    for part in parts:
        if isinstance(part, Row):
            if part.axis != first.axis:
                raise low.refuse("it joins rows with rows of other places")
            shapes.append(part.index.shape)
            nodes.append(low.columns(part))
        elif isinstance(part, Param):
            raise low.refuse("it joins rows with a parameter that has an entry for each row")
    node = low.builder.concat(nodes)
    starts = np.cumsum([0, *(math.prod(shape) for shape in shapes)])
    index = np.concatenate(
        [
            np.arange(start, start + math.prod(shape)).reshape(shape)
            for start, shape in zip(starts, shapes, strict=False)
        ],
        dim,
    )
    return Row(node, index, first.axis, all(isinstance(p, Row) and p.boolean for p in parts))


@rule("slice_backward")
def _slice_backward(low: Lowering, grad: Any, sizes: Sequence[int], dim: int, start: int, stop: int, step: int) -> Any:
    dim = _cut(low, grad, dim)
    return _padded(low, grad, dim, np.arange(sizes[dim])[start:stop:step], sizes[dim])


@rule("select_backward")
def _select_backward(low: Lowering, grad: Any, sizes: Sequence[int], dim: int, at: int) -> Any:
    dim = dim % len(sizes)
    axis = grad.axis + (dim <= grad.axis)
    widened = grad.viewed(np.expand_dims(grad.index, dim), axis)
    return _padded(low, widened, dim, np.array([at % sizes[dim]]), sizes[dim])


def _padded(low: Lowering, grad: Row, dim: int, places: np.ndarray, size: int) -> Row:
    """Zeros of ``size`` along ``dim``, with ``grad`` at ``places``."""
    shape = list(grad.index.shape)
    shape[dim] = size
    # column 0 of the new node is zero, the rest are grad's elements
    index = np.zeros(shape, dtype=np.int64)
    count = grad.index.size
    index[(slice(None),) * dim + (places,)] = np.arange(1, count + 1).reshape(grad.index.shape)
    zero = low.builder.const(0.0)
    pieces: list[Node] = []
    flat, columns, at = index.ravel(), low.columns(grad), 0
    while at < flat.size:
        end = at + 1
        if flat[at] == 0:
            while end < flat.size and flat[end] == 0:
                end += 1
            pieces.append(low.builder.make("copy", (zero,), (), end - at))
        else:
            while end < flat.size and flat[end] == flat[end - 1] + 1:
                end += 1
            pieces.append(low.builder.slice(columns, int(flat[at]) - 1, int(flat[end - 1])))
        at = end
    return low.fresh(low.builder.concat(pieces), shape, grad.axis)
