"""The step program: what one step of a recurrence computes, as a graph of values with one row for each batch row.

A program is made from a traced step (``lower.py``), changed by passes (``passes.py``, ``partition.py``), laid out in
buffers (``layout.py``) and then run by the native core. Every value is *row-wise*: a matrix ``[rows, cols]`` whose rows
do not depend on each other. Parameters (``vec``, ``mat``) and constants are operands, never row-wise results; what a
program does with them as a whole is said by its sinks.

=============  ====================================================================================================
leaf           value
=============  ====================================================================================================
``input``      columns of a sequence at this row and step; attribute: its key, such as ``x0``
``carry``      the state on entry to the step; attribute: its key, such as ``s0``
``saved``      what the forward program kept for this row and step; attribute: its key
``row``        what belongs to this row at all steps; attribute: its key, such as ``r0``
``vec``        a parameter vector, the same for all rows; attribute: its key
``mat``        rows ``[start, stop)`` of a parameter matrix; attributes: key, start, stop. Only `matmul` takes it
``const``      a number; attribute: its value. One column
=============  ====================================================================================================

Inner nodes: the operations of ``ops.def`` (an operand of one column counts for all columns), and
``matmul(a, mat)`` = ``a @ mat``, ``matmul_t(a, mat)`` = ``a @ mat.T``, ``affine`` (a sum of these, see
``passes.py``), ``stop(a)`` = ``a`` without a gradient, ``macro``
(an operation of torch as a whole, see ``lower.py``), ``slice(a)`` = columns ``[start, stop)``,
``concat(a, ...)``, ``noise`` (attributes stream, cols: uniform in [0, 1), the same in every program of a call), and
``step_number``.

Four operations look up a *row memory*: a ``row`` leaf as a matrix of its own for each row, ``m[entries, width]``, whose
sizes follow from the other operands:

* ``memory_dot(a, m)`` = ``m a``, one column an entry; ``memory_sum(a, m)`` = ``a m``, of the memory's width;
* ``memory_additive(a, m, v)`` = ``tanh(m + a) v``, one column an entry; ``v`` is a ``vec``;
* ``memory_additive_grad(a, m, g)``, with ``t = tanh(m + a)``: ``g (1 - t^2)`` and ``g t`` side by side.

Nodes are interned: the same operation on the same operands is the same object, so common subexpressions are eliminated
by construction, and a walk from the sinks is a walk over live code only.

`run` is the definition of the language: it executes a program on whole batches in plain torch. Tests hold the native
core to it, and the derivative of a program is the derivative of `run`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dynrnn.engine.additive import additive_score

__all__ = [
    "CLAMP",
    "LEAVES",
    "MATMULS",
    "MEMORY",
    "OPS",
    "POINTWISE",
    "REDUCE",
    "Builder",
    "Node",
    "OpInfo",
    "Outer",
    "Program",
    "RowAdditive",
    "RowOuter",
    "Sum",
    "check",
    "describe",
    "matrix_name",
    "run",
    "walk",
]


class OpInfo(NamedTuple):
    """An operation of ``ops.def``."""

    code: int
    arity: int
    kind: str


@lru_cache(maxsize=1)
def _table() -> dict[str, OpInfo]:
    text = Path(__file__).with_name("ops.def").read_text(encoding="utf-8")
    found = re.findall(r"^OP\((\w+), (\d+), (\w+)\)$", text, re.MULTILINE)
    return {name: OpInfo(code, int(arity), kind) for code, (name, arity, kind) in enumerate(found)}


OPS: Mapping[str, OpInfo] = _table()
POINTWISE = frozenset(name for name, info in OPS.items() if info.kind == "POINTWISE")
# attributes of a maximum or minimum that came from a clamp, whose derivative is another one where both are equal
CLAMP = ("clamp",)
REDUCE = frozenset(name for name, info in OPS.items() if info.kind == "REDUCE")
MEMORY = frozenset(name for name, info in OPS.items() if info.kind == "MEMORY")
LEAVES = frozenset({"input", "carry", "saved", "row", "vec", "mat", "const"})
MATMULS = frozenset({"matmul", "matmul_t"})


class Node:
    """A value of a program; made by a `Builder` only.

    Attributes:
        op: its operation.
        args: its operands.
        attrs: what else it depends on, see the table above.
        cols: its columns (of a ``mat``: the matrix's columns).
    """

    __slots__ = ("args", "attrs", "cols", "op")

    def __init__(self, op: str, args: tuple[Node, ...], attrs: tuple[Any, ...], cols: int):
        self.op = op
        self.args = args
        self.attrs = attrs
        self.cols = cols

    def __repr__(self) -> str:
        return f"<{self.op} {list(self.attrs)} of {len(self.args)}, {self.cols} columns>"


class Sum(NamedTuple):
    """A gradient of a vector: the sum over all rows and steps of ``a``, times ``b`` if there is one."""

    key: str
    a: Node
    b: Node | None


class Outer(NamedTuple):
    """A gradient of a matrix: rows ``[start, stop)`` take the sum over all rows and steps of ``a^T b``."""

    key: str
    start: int
    stop: int
    a: Node
    b: Node


class RowOuter(NamedTuple):
    """A gradient of a row memory: each row takes the sum over its steps of ``a^T b``."""

    key: str
    a: Node
    b: Node


class RowAdditive(NamedTuple):
    """A gradient of a row memory: each row takes the sum over its steps of ``v (1 - t^2) g``.

    ``g`` and ``t`` are those of ``node``, a ``memory_additive_grad``, and ``v`` is a ``vec``.
    """

    key: str
    node: Node
    v: Node


@dataclass
class Program:
    """Sinks of a step, by key, and through them all its values.

    Attributes:
        outputs: what is stored at this row and step of a sequence.
        carries: the new state, for every ``carry`` key.
        saves: what is kept for the backward program.
        sums: gradients of vectors.
        outers: gradients of matrices.
        row_outers: gradients of row memories.
        row_additives: gradients of row memories.
    """

    outputs: dict[str, Node] = field(default_factory=dict)
    carries: dict[str, Node] = field(default_factory=dict)
    saves: dict[str, Node] = field(default_factory=dict)
    sums: list[Sum] = field(default_factory=list)
    outers: list[Outer] = field(default_factory=list)
    row_outers: list[RowOuter] = field(default_factory=list)
    row_additives: list[RowAdditive] = field(default_factory=list)

    def sinks(self) -> Iterator[Node]:
        """The values that the program is there for."""
        yield from self.outputs.values()
        yield from self.carries.values()
        yield from self.saves.values()
        for item in self.sums:
            yield item.a
            if item.b is not None:
                yield item.b
        for outer in self.outers:
            yield from (outer.a, outer.b)
        for row in self.row_outers:
            yield from (row.a, row.b)
        for additive in self.row_additives:
            yield additive.node

    def nodes(self) -> list[Node]:
        """All values, operands before users."""
        return walk(self.sinks())

    def replaced(self, change: Callable[[Node], Node]) -> Program:
        """The program with every sink ``node`` replaced by ``change(node)``."""
        return Program(
            {key: change(node) for key, node in self.outputs.items()},
            {key: change(node) for key, node in self.carries.items()},
            {key: change(node) for key, node in self.saves.items()},
            [Sum(s.key, change(s.a), None if s.b is None else change(s.b)) for s in self.sums],
            [o._replace(a=change(o.a), b=change(o.b)) for o in self.outers],
            [o._replace(a=change(o.a), b=change(o.b)) for o in self.row_outers],
            [r._replace(node=change(r.node)) for r in self.row_additives],
        )


def walk(sinks: Iterable[Node]) -> list[Node]:
    """All nodes behind ``sinks``, each once, operands before users, in an order that depends on the graph only."""
    order: list[Node] = []
    seen: set[Node] = set()
    for sink in sinks:
        stack: list[tuple[Node, bool]] = [(sink, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((arg, False) for arg in reversed(node.args) if arg not in seen)
    return order


class Builder:
    """Makes the nodes of a program, each only once."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], Node] = {}

    def make(self, op: str, args: Iterable[Node] = (), attrs: Iterable[Any] = (), cols: int | None = None) -> Node:
        """The node of this operation; its columns follow from the operands where they can."""
        args, attrs = tuple(args), tuple(attrs)
        if cols is None:
            cols = self._cols(op, args, attrs)
        # by id: nodes of other builders must not be mixed in. -0.0 and nan are told apart by their text.
        key = (op, tuple(map(id, args)), tuple(map(_distinct, attrs)), cols)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(op, args, attrs, cols)
        return node

    @staticmethod
    def _cols(op: str, args: tuple[Node, ...], attrs: tuple[Any, ...]) -> int:
        if op in POINTWISE:
            return max((arg.cols for arg in args), default=1)
        if op == "stop":
            return args[0].cols
        if op in REDUCE or op in ("const", "step_number"):
            return 1
        if op == "slice":
            return attrs[1] - attrs[0]
        if op == "concat":
            return sum(arg.cols for arg in args)
        if op == "matmul":
            return args[1].cols
        if op == "matmul_t":
            return args[1].attrs[2] - args[1].attrs[1]
        if op in MEMORY:
            return 2 * args[0].cols if op == "memory_additive_grad" else args[1].cols // args[0].cols
        raise ValueError(f"the columns of {op} must be given")

    def const(self, value: float) -> Node:
        """A number."""
        return self.make("const", (), (float(value),), 1)

    def slice(self, a: Node, start: int, stop: int) -> Node:
        """Columns ``[start, stop)`` of ``a``, through slices and concatenations where that is possible."""
        if start == 0 and stop == a.cols:
            return a
        if a.op == "slice":
            return self.slice(a.args[0], a.attrs[0] + start, a.attrs[0] + stop)
        if a.op == "concat":
            pieces, at = [], 0
            for part in a.args:
                first, last = max(start - at, 0), min(stop - at, part.cols)
                if first < last:
                    pieces.append(self.slice(part, first, last))
                at += part.cols
            return self.concat(pieces)
        if a.op == "copy" and a.args[0].cols == 1:
            return self.make("copy", a.args, (), stop - start)
        return self.make("slice", (a,), (start, stop))

    def concat(self, parts: Iterable[Node]) -> Node:
        """``parts`` side by side; neighbouring slices of one value are one slice."""
        flat: list[Node] = []
        for part in parts:
            for piece in part.args if part.op == "concat" else (part,):
                last = flat[-1] if flat else None
                if (
                    last is not None
                    and last.op == piece.op == "slice"
                    and last.args[0] is piece.args[0]
                    and last.attrs[1] == piece.attrs[0]
                ):
                    flat[-1] = self.slice(last.args[0], last.attrs[0], piece.attrs[1])
                elif piece.cols:
                    flat.append(piece)
        return flat[0] if len(flat) == 1 else self.make("concat", flat)

    def rebuild(self, node: Node, args: Iterable[Node]) -> Node:
        """``node`` on other operands."""
        args = tuple(args)
        if args == node.args:
            return node
        if node.op == "slice":
            return self.slice(args[0], *node.attrs)
        if node.op == "concat":
            return self.concat(args)
        return self.make(node.op, args, node.attrs, node.cols)


def _distinct(attr: Any) -> Any:
    return (float, repr(attr)) if isinstance(attr, float) else attr


def matrix_name(node: Node) -> str:
    """The name of a ``mat`` leaf as an operand of its own."""
    return f"{node.attrs[0]}[{node.attrs[1]}:{node.attrs[2]}]"


def check(program: Program) -> None:
    """The rules of the language; run after every pass.

    Raises:
        AssertionError: a rule is broken, which is a bug of the pass before.
    """
    for node in program.nodes():
        args = node.args
        assert node.cols >= 0, f"{node} has negative width"
        for arg in args:
            assert arg.op != "mat" or node.op in (*MATMULS, "affine"), f"{node} takes a matrix"
        if node.op in LEAVES:
            assert not args, f"the leaf {node} has operands"
            assert node.op != "mat" or 0 <= node.attrs[1] <= node.attrs[2], f"{node} has an empty range"
        elif node.op in POINTWISE:
            assert len(args) == OPS[node.op].arity, f"{node} has {len(args)} operands"
            assert all(arg.cols in (1, node.cols) for arg in args), f"{node} takes {[a.cols for a in args]} columns"
        elif node.op in REDUCE:
            assert len(args) == 1 and node.cols == 1, f"{node} is no reduction"
        elif node.op == "slice":
            assert 0 <= node.attrs[0] < node.attrs[1] <= args[0].cols, f"{node} is cut from {args[0].cols} columns"
        elif node.op == "concat":
            assert node.cols == sum(arg.cols for arg in args), f"{node} joins {[a.cols for a in args]} columns"
        elif node.op in MATMULS:
            matrix = args[1]
            assert matrix.op == "mat", f"{node} multiplies with {matrix}"
            rows = matrix.attrs[2] - matrix.attrs[1]
            inner, outer = (rows, matrix.cols) if node.op == "matmul" else (matrix.cols, rows)
            assert args[0].cols == inner and node.cols == outer, f"{node} is {args[0].cols} columns times {matrix}"
        elif node.op == "affine":
            assert len(args) in (2 * len(node.attrs), 2 * len(node.attrs) + 1), f"{node} has {len(args)} operands"
            assert all(arg.op == "mat" for arg in args[1 : 2 * len(node.attrs) : 2]), (
                f"{node} multiplies with no matrix"
            )
        elif node.op == "macro":
            assert len(args) == len(node.attrs[0].shapes), f"{node} has {len(args)} operands"
        elif node.op == "stop":
            assert node.cols == args[0].cols, f"{node} changes the width"
        elif node.op in MEMORY:
            assert len(args) == OPS[node.op].arity, f"{node} has {len(args)} operands"
            assert args[1].op == "row", f"{node} looks up {args[1]}"
            assert node.op != "memory_additive" or (args[2].op == "vec" and args[2].cols == args[0].cols), (
                f"{node} weighs {args[0].cols} columns with {args[2]}"
            )
            entries = args[2].cols if node.op == "memory_additive_grad" else node.cols
            assert args[1].cols == args[0].cols * entries, f"{node} takes {[arg.cols for arg in args]} columns"
        else:
            assert node.op in ("noise", "step_number"), f"{node} is no operation of the language"
    for outer in program.outers:
        assert outer.a.cols == outer.stop - outer.start, f"{outer} has the wrong width"
    for additive in program.row_additives:
        assert additive.node.op == "memory_additive_grad", f"{additive} is the gradient of no score"


# --- execution in torch -----------------------------------------------------------------------------------------------


def _sigmoid_grad(g: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return g * ((1.0 - s) * s)


def _tanh_grad(g: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return g * (1.0 - t * t)


_COMPARE = {"gt": torch.gt, "ge": torch.ge, "lt": torch.lt, "le": torch.le, "eq": torch.eq, "ne": torch.ne}
_TORCH: dict[str, Callable[..., torch.Tensor]] = {
    "copy": lambda a: a,
    "div": torch.true_divide,
    "sigmoid_grad": _sigmoid_grad,
    "tanh_grad": _tanh_grad,
    "where": lambda m, a, b: torch.where(m != 0, a, b),
    "fma": lambda a, b, c: a * b + c,
    "fnma": lambda a, b, c: c - a * b,
    "logical_not": lambda a: torch.logical_not(a).to(a.dtype),
    "isnan": lambda a: torch.isnan(a).to(a.dtype),
    "logical_and": lambda a, b: torch.logical_and(a, b).to(a.dtype),
    "logical_or": lambda a, b: torch.logical_or(a, b).to(a.dtype),
}


def _function(op: str) -> Callable[..., torch.Tensor]:
    if op in _TORCH:
        return _TORCH[op]
    if op in _COMPARE:
        compare = _COMPARE[op]
        return lambda a, b: compare(a, b).to(a.dtype)
    return getattr(torch, op)


def run(program: Program, leaves: Mapping[str, torch.Tensor], batch: int) -> dict[Node, torch.Tensor]:
    """Execute a program on ``batch`` rows.

    Args:
        program: what to compute.
        leaves: the tensor of every key: ``[batch, cols]`` for inputs, carries, saved values and what belongs to rows,
            ``[cols]`` for vectors,
            ``[k, n]`` for matrices (or their rows under `matrix_name`), ``[batch, cols]`` under ``noise<stream>`` for
            noise, and ``[batch, 1]`` under ``step`` for the number of the step, where the program uses them.
        batch: number of rows.

    Returns:
        The value of every node, row-wise ones as ``[batch, cols]``.
    """
    dtype = next(iter(leaves.values())).dtype
    values: dict[Node, torch.Tensor] = {}
    for node in program.nodes():
        args = [values[arg] for arg in node.args]
        values[node] = _value(node, args, leaves, batch, dtype)
    return values


def _value(
    node: Node, args: list[torch.Tensor], leaves: Mapping[str, torch.Tensor], batch: int, dtype: torch.dtype
) -> torch.Tensor:
    if node.op == "mat":
        rows = leaves.get(matrix_name(node))
        return leaves[node.attrs[0]][node.attrs[1] : node.attrs[2]] if rows is None else rows
    if node.op == "const":
        return torch.tensor(node.attrs[0], dtype=dtype)
    if node.op in LEAVES:
        return leaves[node.attrs[0]]
    if node.op == "noise":
        return leaves[f"noise{node.attrs[0]}"]
    if node.op == "step_number":
        return leaves["step"]
    if node.op == "affine":
        turned = [m.t() if t else m for m, t in zip(args[1::2], node.attrs, strict=False)]
        lefts = [_rows(a, batch, n.cols) for a, n in zip(args[::2], node.args[::2], strict=True)]
        total = lefts[0] @ turned[0]
        for a, m in zip(lefts[1:], turned[1:], strict=False):
            total = total + a @ m
        return total + args[-1] if len(args) % 2 else total
    if node.op == "macro":
        return node.attrs[0](args, batch)[node.attrs[1]]
    if node.op == "stop":
        return args[0].detach()
    if node.attrs == CLAMP:
        bound = {"min" if node.op == "maximum" else "max": args[1]}
        return torch.clamp(args[0], **bound)
    if node.op == "matmul":
        return _rows(args[0], batch, node.args[0].cols) @ args[1]
    if node.op == "matmul_t":
        return _rows(args[0], batch, node.args[0].cols) @ args[1].t()
    if node.op == "slice":
        return _rows(args[0], batch, node.args[0].cols)[:, node.attrs[0] : node.attrs[1]]
    if node.op == "concat":
        return torch.cat([_rows(arg, batch, n.cols) for arg, n in zip(args, node.args, strict=True)], 1)
    if node.op == "sum_cols":
        return _rows(args[0], batch, node.args[0].cols).sum(1, keepdim=True)
    if node.op == "max_cols":
        return _rows(args[0], batch, node.args[0].cols).amax(1, keepdim=True)
    if node.op == "copy":
        return args[0].expand(batch, node.cols)
    if node.op in MEMORY:
        return _looked_up(node, args, batch)
    if node.op == "pow" and node.args[1].op == "const":
        return torch.pow(args[0], node.args[1].attrs[0])
    return _function(node.op)(*args)


def _looked_up(node: Node, args: list[torch.Tensor], batch: int) -> torch.Tensor:
    a = _rows(args[0], batch, node.args[0].cols)
    memory = args[1].reshape(batch, -1, node.cols if node.op == "memory_sum" else a.shape[1])
    if node.op == "memory_dot":
        return torch.bmm(memory, a.unsqueeze(2)).squeeze(2)
    if node.op == "memory_sum":
        return torch.bmm(a.unsqueeze(1), memory).squeeze(1)
    if node.op == "memory_additive":
        return additive_score(a, memory, args[2])
    t = torch.tanh(memory + a.unsqueeze(1))
    g = _rows(args[2], batch, node.args[2].cols).unsqueeze(2)
    return torch.cat([(g * (1.0 - t * t)).sum(1), (g * t).sum(1)], 1)


def _rows(value: torch.Tensor, batch: int, cols: int) -> torch.Tensor:
    return value if value.ndim == 2 and value.shape[0] == batch else value.expand(batch, cols)


# --- printing ---------------------------------------------------------------------------------------------------------


def describe(program: Program, title: str = "program") -> str:
    """The program as text, one value a line."""
    names: dict[Node, str] = {}
    lines = [f"{title}:"]
    count = 0
    for node in program.nodes():
        if node.op == "const":
            value = node.attrs[0]
            names[node] = repr(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
        elif node.op == "mat":
            names[node] = f"{node.attrs[0]}[{node.attrs[1]}:{node.attrs[2]}]"
        elif node.op in LEAVES:
            names[node] = node.attrs[0]
        else:
            names[node] = f"%{count}"
            count += 1
            operands = ", ".join(names[arg] for arg in node.args)
            if node.op == "slice":
                text = f"{operands}[:, {node.attrs[0]}:{node.attrs[1]}]"
            else:
                extra = "".join(f", {attr}" for attr in node.attrs)
                text = f"{node.op}({operands}{extra})"
            lines.append(f"  {names[node]:>5} [{node.cols}] = {text}")
    for kind, sinks in (("output", program.outputs), ("carry", program.carries), ("save", program.saves)):
        lines.extend(f"  {kind} {key} = {names[node]}" for key, node in sinks.items())
    for item in program.sums:
        times = "" if item.b is None else f" * {names[item.b]}"
        lines.append(f"  d {item.key} += sum over rows of {names[item.a]}{times}")
    for outer in program.outers:
        lines.append(f"  d {outer.key}[{outer.start}:{outer.stop}] += {names[outer.a]}^T {names[outer.b]}")
    for row in program.row_outers:
        lines.append(f"  d {row.key} += {names[row.a]}^T {names[row.b]} in each row")
    for additive in program.row_additives:
        lines.append(f"  d {additive.key} += {additive.v.attrs[0]} (1 - t^2) g of {names[additive.node]} in each row")
    return "\n".join(lines)
