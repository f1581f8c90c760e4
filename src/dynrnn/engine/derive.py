"""The backward step: derived by torch's autograd from the program itself, then cut from the forward step.

The derivative graph holds the forward step and its derivative. What does not depend on the incoming gradients is
forward; what of it the derivative needs must be kept from the forward pass, or be computed again from what was kept.
Keeping costs columns of memory for every row and step; computing again costs arithmetic. Matrix products and the state
are never computed again. A smallest cut of the graph says what to keep: the fewest columns from which everything needed
can be computed, and of several such cuts the one nearest to the derivative, which computes the least again.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

import torch

from dynrnn.engine.aten import add
from dynrnn.engine.lower import Lowering
from dynrnn.engine.program import (
    MEMORY,
    Builder,
    Node,
    Outer,
    Program,
    RowAdditive,
    RowOuter,
    Sum,
    matrix_name,
    run,
    walk,
)
from dynrnn.engine.refusal import Refusal
from dynrnn.engine.rules import RULES
from dynrnn.engine.trace import ROW_COUNTS, trace_taken_apart
from dynrnn.engine.values import Grad, Matrix, Param, Row, RowGrad, Vector

__all__ = ["derive"]

# what a backward program has at hand without anybody keeping it
_FREE = frozenset({"input", "row", "vec", "mat", "const", "noise", "step_number"})
_NEVER_AGAIN = frozenset({"matmul", "matmul_t", "carry"}) | MEMORY


def derive(builder: Builder, forward: Program, dtype: torch.dtype, wanted: Collection[str]) -> tuple[Program, Program]:
    """The forward program of a training step, and its backward program.

    Args:
        builder: of the forward program.
        forward: outputs ``y<i>`` and carries ``s<i>``.
        dtype: floating dtype.
        wanted: keys of the inputs and parameters whose gradients are asked for. Those of carries always are.

    Returns:
        ``(train, backward)``: the forward program with saves; and a program with the inputs ``g<output>`` (and those of
        the forward program), the carries of the same keys as the forward ones (gradients of the state), the outputs
        ``d<input>``, sums and outers under the keys of the parameters, and for what belongs to rows carries
        ``g<row>``, row_outers and row_additives.

    Raises:
        Refusal: the derivative has an operation without a counterpart.
    """
    batch = _rows_unlike(forward)
    kinds = ("input", "carry", "row", "vec", "mat", "noise", "step_number")
    leaves = [node for node in forward.nodes() if node.op in kinds]
    known = {node.attrs[0] for node in leaves if node.op == "carry"}
    # a carry that nothing reads still passes through: its gradient is zero
    names = [_name(node) for node in leaves]
    tensors = [_example(node, dtype, batch) for node in leaves]
    outputs = [*forward.outputs.values(), *forward.carries.values()]
    differentiated = [
        i
        for i, node in enumerate(leaves)
        if node.op == "carry" or (node.op != "noise" and node.attrs[:1] and node.attrs[0] in wanted)
    ]

    def joint(*given: torch.Tensor) -> list[torch.Tensor]:
        bound, cotangents = list(given[: len(leaves)]), given[len(leaves) :]
        variables = [bound[i].requires_grad_() for i in differentiated]
        # the last one tells the dtype to a program without any leaf
        values = run(forward, {**dict(zip(names, bound, strict=True)), "": cotangents[0]}, batch)
        results = [values[node].expand(batch, node.cols) for node in outputs]
        return [*results, *_pulled_back(results, variables, cotangents)]

    cotangents = [torch.zeros(batch, node.cols, dtype=dtype) for node in outputs]
    graph = trace_taken_apart(joint, [*tensors, *cotangents])
    low = Lowering(builder, batch, dtype, RULES, derivative=True)
    incoming = [
        *(builder.make("input", (), (f"g{key}",), node.cols) for key, node in forward.outputs.items()),
        *(builder.make("carry", (), (f"g{key}",), node.cols) for key, node in forward.carries.items()),
    ]
    placeholders = [_placeholder(low, node) for node in leaves] + [low.leaf(node, (node.cols,)) for node in incoming]
    try:
        results = low.lower(graph, placeholders)
    except Refusal as refusal:
        raise Refusal(f"its derivative: {refusal.reason}") from refusal
    forward_values = [
        low.columns(low.const(value.value, (batch, node.cols)) if isinstance(value, Param) else value)
        for value, node in zip(results, outputs, strict=False)
    ]
    train = Program(
        dict(zip(forward.outputs, forward_values, strict=False)),
        dict(zip(forward.carries, forward_values[len(forward.outputs) :], strict=True)),
    )
    backward = Program()
    for i, value in zip(differentiated, results[len(outputs) :], strict=True):
        _add_gradient(low, backward, leaves[i], value)
    for key, node in forward.carries.items():
        if key not in known:
            backward.carries[f"g{key}"] = low.columns(low.const(0.0, (batch, node.cols)))
    return _cut(builder, train, backward)


def _rows_unlike(program: Program) -> int:
    """A number of rows that no dimension in the program can be mistaken for: a small one, as all values have it."""
    sizes = {node.cols for node in program.nodes()}
    for node in program.nodes():
        if node.op == "macro":
            sizes.update(size for shape in node.attrs[0].shapes for size in shape or ())
    return next((rows for rows in reversed(ROW_COUNTS) if all(size % rows for size in sizes)), 101)


class _Given(torch.autograd.Function):
    """A scalar whose derivatives are given.

    ``torch.autograd.grad`` takes them as an argument too, but loads half of torch's compiler to look at their shapes.
    """

    @staticmethod
    def forward(ctx: Any, given: Sequence[torch.Tensor], *results: torch.Tensor) -> torch.Tensor:
        ctx.given = given
        return results[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return None, *ctx.given


def _pulled_back(
    results: Sequence[torch.Tensor], variables: Sequence[torch.Tensor], cotangents: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """The gradients of ``variables`` where those of ``results`` are ``cotangents``."""
    pairs = [(result, given) for result, given in zip(results, cotangents, strict=True) if result.requires_grad]
    found: Sequence[torch.Tensor | None] = [None] * len(variables)
    if pairs and variables:
        scalar: Any = _Given.apply([given for _, given in pairs], *[result for result, _ in pairs])
        # torch's formulas for derivatives that can be differentiated again are made of plain operations
        found = torch.autograd.grad(scalar, variables, create_graph=True, allow_unused=True)
    return [torch.zeros_like(v) if grad is None else grad for v, grad in zip(variables, found, strict=True)]


def _name(node: Node) -> str:
    if node.op == "mat":
        return matrix_name(node)
    if node.op == "noise":
        return f"noise{node.attrs[0]}"
    return "step" if node.op == "step_number" else node.attrs[0]


def _example(node: Node, dtype: torch.dtype, batch: int) -> torch.Tensor:
    if node.op == "mat":
        return torch.zeros(node.attrs[2] - node.attrs[1], node.cols, dtype=dtype)
    return torch.zeros(node.cols, dtype=dtype) if node.op == "vec" else torch.zeros(batch, node.cols, dtype=dtype)


def _placeholder(low: Lowering, node: Node) -> Any:
    if node.op == "mat":
        return Matrix(node)
    return Vector(node) if node.op == "vec" else low.leaf(node, (node.cols,))


def _add_gradient(low: Lowering, program: Program, leaf: Node, value: Any) -> None:
    """Enter the gradient of ``leaf`` among the sinks of the backward program."""
    key = leaf.attrs[0]
    if isinstance(value, Grad):
        program.sums.extend(Sum(key, a, b) for a, b in value.sums)
        program.outers.extend(Outer(key, leaf.attrs[1], leaf.attrs[2], a, b) for a, b in value.outers)
    elif isinstance(value, Row) and leaf.op == "carry":
        program.carries[f"g{key}"] = low.columns(value)
    elif leaf.op == "row" and isinstance(value, (Row, RowGrad)):
        _add_row_gradient(low, program, leaf, value if isinstance(value, Row) else value.dense)
        if isinstance(value, RowGrad):
            program.row_outers.extend(RowOuter(key, low.columns(a), low.columns(b)) for a, b in value.outers)
            program.row_additives.extend(RowAdditive(key, node, v) for node, v in value.additives)
    elif isinstance(value, Row) and leaf.op == "input":
        program.outputs[f"d{key}"] = low.columns(value)


def _add_row_gradient(low: Lowering, program: Program, leaf: Node, value: Row | None) -> None:
    """Add up a gradient of what belongs to a row over the row's steps, in a state."""
    if value is None:
        return
    key = f"g{leaf.attrs[0]}"
    carry = low.builder.make("carry", (), (key,), leaf.cols)
    total = add(low, carry, low.columns(value))
    if total is not carry:
        program.carries[key] = total


def _cut(builder: Builder, train: Program, joint: Program) -> tuple[Program, Program]:
    """Cut the derivative from the forward step: add the saves to ``train``, and make the backward program use them."""
    nodes = joint.nodes()
    backward: set[Node] = set()
    for node in nodes:
        if any(arg in backward for arg in node.args) or (
            node.op in ("input", "carry") and node.attrs[0].startswith("g")
        ):
            backward.add(node)
    needed = {arg for node in backward for arg in node.args if arg not in backward}
    needed |= {sink for sink in joint.sinks() if sink not in backward}
    needed -= {node for node in needed if node.op in _FREE}
    kept = _smallest_cut(sorted(needed, key=nodes.index))
    joint.outers, joined = _joined_outers(builder, joint.outers, kept)
    saved: dict[Node, Node] = {}
    for node in [*joined, *kept]:
        if node in saved:
            continue
        key = f"v{len(train.saves)}"
        train.saves[key] = node
        saved[node] = leaf = builder.make("saved", (), (key,), node.cols)
        at = 0
        for part in node.args if node in joined else ():
            if part.op not in _FREE:
                saved.setdefault(part, builder.slice(leaf, at, at + part.cols))
            at += part.cols
    rebuilt: dict[Node, Node] = dict(saved)

    def change(node: Node) -> Node:
        for part in walk([node]):
            if part not in rebuilt:
                # parts below a saved node are walked too; what is made of them is not used
                rebuilt[part] = builder.rebuild(part, [rebuilt[arg] for arg in part.args])
        return rebuilt[node]

    return train, joint.replaced(change)


def _joined_outers(builder: Builder, outers: list[Outer], kept: list[Node]) -> tuple[list[Outer], list[Node]]:
    """Products that make neighbouring rows of one matrix's gradient as one product, which takes less time than two.

    Returns:
        The products, and the left operands that are to be saved as a whole instead of in parts: those whose parts are
        all inputs or saved.
    """
    groups: dict[tuple[str, Node], list[Outer]] = {}
    for outer in outers:
        groups.setdefault((outer.key, outer.b), []).append(outer)
    results: list[Outer] = []
    joined: list[Node] = []
    taken: set[Node] = set()
    for (key, b), group in groups.items():
        group.sort(key=lambda outer: outer.start)
        parts = [outer.a for outer in group]
        adjacent = all(one.stop == other.start for one, other in itertools.pairwise(group))
        if len(group) < 2 or not adjacent or len(set(parts)) < len(parts):
            results.extend(group)
            continue
        whole = builder.concat(parts)
        results.append(Outer(key, group[0].start, group[-1].stop, whole, b))
        if whole.op == "concat" and all(part.op == "input" or (part in kept and part not in taken) for part in parts):
            taken.update(parts)
            joined.append(whole)
    return results, joined


def _smallest_cut(needed: list[Node]) -> list[Node]:
    """The nodes to keep: a smallest vertex cut between what is never computed again and what is needed.

    Ford and Fulkerson's maximum flow with breadth-first search (Edmonds and Karp, 1972). Every node is two vertices
    with an edge of its width between them; the cut nearest to the needed nodes is found by walking back from them.
    """
    nodes = walk(needed)
    number = {node: i for i, node in enumerate(nodes)}
    source, sink = 2 * len(nodes), 2 * len(nodes) + 1
    infinite = 1 << 60
    capacity: list[dict[int, int]] = [{} for _ in range(2 * len(nodes) + 2)]

    def edge(a: int, b: int, size: int) -> None:
        capacity[a][b] = capacity[a].get(b, 0) + size
        capacity[b].setdefault(a, 0)

    for node in nodes:
        i = number[node]
        edge(2 * i, 2 * i + 1, infinite if node.op in _FREE else node.cols)
        if node.op in _NEVER_AGAIN:
            edge(source, 2 * i, infinite)
        for arg in node.args:
            edge(2 * number[arg] + 1, 2 * i, infinite)
    for node in needed:
        edge(2 * number[node] + 1, sink, infinite)

    def reach(start: int, forwards: bool) -> dict[int, int]:
        before = {start: start}
        queue = deque([start])
        while queue:
            at = queue.popleft()
            for to in capacity[at]:
                if to not in before and (capacity[at][to] if forwards else capacity[to][at]) > 0:
                    before[to] = at
                    queue.append(to)
        return before

    while sink in (before := reach(source, True)):
        path, at = [], sink
        while at != source:
            path.append((before[at], at))
            at = before[at]
        flow = min(capacity[a][b] for a, b in path)
        for a, b in path:
            capacity[a][b] -= flow
            capacity[b][a] += flow
    behind = reach(sink, False)
    return [node for node in nodes if 2 * number[node] + 1 in behind and 2 * number[node] not in behind]
