"""Passes over a step program, each a small change that keeps its meaning.

``fuse`` makes multiply-adds; ``gather_products`` joins sums of matrix products into one ``affine`` node, whose products
accumulate in place; ``fuse_sums`` lets a gradient's sum over rows do the multiplication before it.

``affine`` is a node of the laid out language only: operands ``(a0, mat0, a1, mat1, ..., [bias])``, attributes
``(transposed0, transposed1, ...)``: the sum of the products, plus the bias vector if the number of operands is odd.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from dynrnn.engine.program import MATMULS, Builder, Node, Program, Sum, check

__all__ = ["AFFINE", "optimized", "rewritten"]

AFFINE = "affine"


def optimized(builder: Builder, program: Program) -> Program:
    """All passes, in their order, with the rules of the language checked after each."""
    for step in (_strip_stops, _fuse_sums, _gather_products, _fuse):
        program = step(builder, program)
        check(program)
    return program


def _uses(program: Program) -> Counter[Node]:
    """How often each value is read, sinks included."""
    uses: Counter[Node] = Counter()
    for node in program.nodes():
        uses.update(node.args)
    uses.update(program.sinks())
    return uses


def rewritten(builder: Builder, program: Program, change: Callable[[Node], Node | None]) -> Program:
    """Rebuild the program; ``change(old node)`` gives a replacement in terms of old operands, or None."""
    done: dict[Node, Node] = {}

    def rebuilt(node: Node) -> Node:
        stack = [node]
        while stack:
            top = stack[-1]
            if top in done:
                stack.pop()
                continue
            wanted = change(top) or top
            missing = [arg for arg in wanted.args if arg not in done]
            if missing:
                stack.extend(missing)
                continue
            done[top] = builder.rebuild(wanted, [done[arg] for arg in wanted.args])
            stack.pop()
        return done[node]

    return program.replaced(rebuilt)


def _strip_stops(builder: Builder, program: Program) -> Program:
    """What has no gradient is a value like others once the derivative has been taken."""

    def change(node: Node) -> Node | None:
        while node.op == "stop":
            node = node.args[0]
        return node

    return rewritten(builder, program, change)


def _fuse_sums(builder: Builder, program: Program) -> Program:
    """A sum over rows of a product that nobody else reads takes the factors."""
    uses = _uses(program)
    sums = []
    for item in program.sums:
        a = item.a
        if item.b is None and a.op == "mul" and uses[a] == 1 and a.args[0].cols == a.args[1].cols:
            sums.append(Sum(item.key, *a.args))
        else:
            sums.append(item)
    program.sums = sums
    return program


def _terms(node: Node, uses: Counter[Node]) -> list[Node]:
    """The terms of a sum, through additions that nobody else reads."""
    terms: list[Node] = []
    for arg in node.args:
        if arg.op == "add" and uses[arg] == 1 and arg.cols == node.cols:
            terms.extend(_terms(arg, uses))
        else:
            terms.append(arg)
    return terms


def _gather_products(builder: Builder, program: Program) -> Program:
    """Sums of matrix products (that nobody else reads) and at most one parameter vector become ``affine`` nodes."""
    uses = _uses(program)
    inner: set[Node] = set()
    for node in program.nodes():
        if node.op == "add":
            inner.update(arg for arg in node.args if arg.op == "add" and uses[arg] == 1 and arg.cols == node.cols)

    def change(node: Node) -> Node | None:
        if node.op in MATMULS:
            return builder.make(AFFINE, node.args, (node.op == "matmul_t",), node.cols)
        if node.op != "add" or node in inner:
            return None
        terms = _terms(node, uses)
        products = [t for t in terms if t.op in MATMULS and uses[t] == 1 and t.cols == node.cols]
        if not products:
            return None
        others = [t for t in terms if t not in products]
        bias = next((t for t in others if t.op == "vec" and t.cols == node.cols), None)
        operands = [operand for product in products for operand in product.args]
        if bias is not None:
            operands.append(bias)
            others.remove(bias)
        total = builder.make(AFFINE, operands, tuple(p.op == "matmul_t" for p in products), node.cols)
        for other in others:
            total = builder.make("add", (other, total), (), node.cols)
        return total

    return rewritten(builder, program, change)


def _fuse(builder: Builder, program: Program) -> Program:
    """``a * b + c`` and ``c - a * b`` in one operation each, where nobody else reads the product."""
    uses = _uses(program)

    def product(node: Node, cols: int) -> bool:
        return node.op == "mul" and uses[node] == 1 and node.cols == cols

    def change(node: Node) -> Node | None:
        if node.op == "add":
            for one, other in (node.args, node.args[::-1]):
                if product(one, node.cols):
                    return builder.make("fma", (*one.args, other), (), node.cols)
                if one.op == "neg" and uses[one] == 1 and product(one.args[0], node.cols):
                    return builder.make("fnma", (*one.args[0].args, other), (), node.cols)
        if node.op == "sub" and product(node.args[1], node.cols):
            return builder.make("fnma", (*node.args[1].args, node.args[0]), (), node.cols)
        return None

    return rewritten(builder, program, change)
