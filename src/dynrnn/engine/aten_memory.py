"""The rules of lowering for row memories: what a row looks up in a matrix of its own that is the same at every step.

A memory is a ``row`` leaf of the program, whole and in the order in which it stands in memory, seen as it is or
transposed. Its gradient is never a value of the program: it is a `RowGrad`, which says what it is the sum of.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dynrnn.engine.lower import Lowering, entering
from dynrnn.engine.program import Node
from dynrnn.engine.values import Grad, Param, Row, RowGrad, Rule, Vector

__all__ = ["RULES", "add_row_grads", "memory_product", "viewed_row_grad"]

RULES: dict[str, Rule] = {}
rule = entering(RULES)


def _memory_of(row: Row) -> tuple[Node, bool] | None:
    """The memory that a value ``[rows, m, n]`` is, and whether it is the transpose."""
    if row.node.op != "row" or row.axis != 0 or row.index.ndim != 3 or row.index.size != row.node.cols:
        return None
    whole = np.arange(row.node.cols)
    if np.array_equal(row.index.ravel(), whole):
        return row.node, False
    return (row.node, True) if np.array_equal(row.index[0].T.ravel(), whole) else None


def memory_product(low: Lowering, a: Row, b: Row) -> Any:
    """``a @ b`` in each row, where one of them is a memory and the other a vector; or, in a derivative, both vectors.

    None for other products.
    """
    m, n = a.index.shape[1], b.index.shape[2]
    if n == 1 and (memory := _memory_of(a)) is not None:
        node, transposed = memory
        return low.fresh(_looked_up(low, node, b, transposed), (1, m, 1), 0)
    if m == 1 and (memory := _memory_of(b)) is not None:
        node, transposed = memory
        return low.fresh(_looked_up(low, node, a, not transposed), (1, 1, n), 0)
    if low.derivative and a.index.shape[2] == 1:
        return RowGrad([(a, b)], [], None, (low.batch, m, n))
    return None


def _looked_up(low: Lowering, memory: Node, vector: Row, along_entries: bool) -> Node:
    return low.builder.make("memory_sum" if along_entries else "memory_dot", (low.columns(vector), memory))


def add_row_grads(low: Lowering, a: Any, b: Any, alpha: Any) -> RowGrad:
    """The sum of two gradients of one memory."""
    if alpha != 1:
        raise low.refuse("a multiple of the gradient of a row's memory")
    one, other = (
        RowGrad([], [], value, (low.batch, *value.index.shape[1:])) if isinstance(value, Row) else value
        for value in (a, b)
    )
    if one.dense is None or other.dense is None:
        dense = other.dense if one.dense is None else one.dense
    else:
        dense = low.rules["add"](low, one.dense, other.dense)
    return RowGrad(one.outers + other.outers, one.additives + other.additives, dense, one.shape)


def viewed_row_grad(low: Lowering, a: RowGrad, shape: tuple[int, ...]) -> RowGrad:
    """A gradient of a memory in another shape, whose elements stand in the same order."""
    if shape[0] != low.batch:
        raise low.refuse(f"a view as {list(shape)}, which takes rows apart or joins them")
    dense = None if a.dense is None else a.dense.viewed(a.dense.index.reshape(1, *shape[1:]))
    return dataclasses.replace(a, dense=dense, shape=shape)


@rule("additive_score")
def _additive_score(low: Lowering, query: Any, memory: Any, v: Any) -> Any:
    """Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and Translate", 2015."""
    whole, weights = _additive_operands(low, query, memory, v)
    node = low.builder.make("memory_additive", (low.columns(query), whole, weights))
    return low.fresh(node, (1, node.cols), 0)


@rule("additive_score_backward")
def _additive_score_backward(low: Lowering, grad: Any, query: Any, memory: Any, v: Any, into_memory: bool) -> Any:
    whole, weights = _additive_operands(low, query, memory, v)
    width = weights.cols
    node = low.builder.make("memory_additive_grad", (low.columns(query), whole, low.columns(grad)))
    slopes, values = low.builder.slice(node, 0, width), low.builder.slice(node, width, 2 * width)
    into_query = low.fresh(low.builder.make("mul", (slopes, weights)), (1, width), 0)
    into = RowGrad([], [(node, weights)], None, (low.batch, *memory.index.shape[1:])) if into_memory else None
    return [into_query, into, Grad([(values, None)], [], (width,))]


def _additive_operands(low: Lowering, query: Any, memory: Any, v: Any) -> tuple[Node, Node]:
    """The memory and the weights of a score."""
    if not isinstance(query, Row) or query.axis != 0 or not isinstance(memory, Row):
        raise low.refuse("an additive score of something else than rows")
    found = _memory_of(memory)
    if found is None or found[1]:
        raise low.refuse("an additive score in a memory that the step computes or rearranges; pass it in per_row")
    if isinstance(v, Vector):
        return found[0], v.node
    if not isinstance(v, Param) or v.value is not None:
        raise low.refuse("an additive score whose weights are not parameters")
    return found[0], low.vector(v, (1, *v.shape))
