"""Random steps for the tests of the engine: small expression graphs, drawn by hypothesis so that they shrink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from engine_support import fill
from hypothesis import strategies as st

WIDTHS = st.one_of(st.integers(1, 6), st.sampled_from([7, 8, 9, 11, 13, 16, 17, 23, 31, 32, 33, 48, 63, 64, 65, 67]))

UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "sin": torch.sin,
    "cos": torch.cos,
    "neg": torch.neg,
    "abs": torch.abs,
    "erf": torch.erf,
    "exp": lambda a: torch.exp(torch.tanh(a)),
    "log": lambda a: torch.log(1 + a.abs()),
    "sqrt": lambda a: torch.sqrt(1 + a * a),
    "rsqrt": lambda a: torch.rsqrt(1 + a * a),
    "reciprocal": lambda a: 1 / (1 + a * a),
    "cube": lambda a: torch.tanh(a) ** 3,
    "scaled": lambda a: 0.5 - 0.25 * a,
}
BINARY: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": lambda a, b: torch.tanh(a) * b,
    "square": lambda a, b: a * torch.tanh(b) - b * torch.tanh(a),
    "div": lambda a, b: a / (1 + b * b),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda a, b: torch.where(a > b + 0.371, a, 0.5 * b),
    "mix": lambda a, b: torch.sigmoid(a) * b + (1 - torch.sigmoid(a)) * a,
}
REDUCE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sum": lambda a: a.sum(1, keepdim=True),
    "mean": lambda a: a.mean(1, keepdim=True),
    "amax": lambda a: a.amax(1, keepdim=True),
    "amin": lambda a: a.amin(1, keepdim=True),
    "var": lambda a: a.var(1, unbiased=False, keepdim=True),
}


@dataclass
class Graph:
    """A random step: widths of its leaves, and what it computes one after the other.

    Values are numbered: first the inputs, then the states, then the result of each operation.
    """

    inputs: list[int]
    states: list[int]
    operations: list[tuple[Any, ...]]
    outputs: list[int]
    carries: list[tuple[int, bool]]
    params: list[torch.Tensor]

    def __call__(self, params: Any, x: Any, state: Any) -> Any:
        """One step."""
        values = [*x, *state]
        for op, *args in self.operations:
            values.append(_apply(op, args, values, params))
        carries = [torch.tanh(values[i]) if bound else values[i] for i, bound in self.carries]
        return tuple(values[i] for i in self.outputs), tuple(carries)


def _apply(op: str, args: list[Any], values: list[torch.Tensor], params: Any) -> torch.Tensor:
    a = values[args[0]]
    if op in UNARY:
        return UNARY[op](a)
    if op in BINARY:
        other, column = args[1], args[2]
        b = params[-other - 1] if other < 0 else values[other]
        return BINARY[op](a, b if column is None else b[:, column : column + 1])
    if op in REDUCE:
        return REDUCE[op](a)
    if op == "slice":
        return a[:, args[1] : args[2]]
    if op == "flip":
        return a.flip(1)
    if op == "cat":
        return torch.cat([values[i] for i in args], 1)
    if op == "matmul":
        return a @ params[args[1]]
    if op == "matmul_t":
        return a @ params[args[1]].t()
    assert op == "affine"
    return torch.addmm(params[args[2]], torch.cat([values[i] for i in args[3:]], 1), params[args[1]])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A step, with its parameters."""
    inputs = draw(st.lists(WIDTHS, min_size=1, max_size=2))
    states = draw(st.lists(WIDTHS, min_size=1, max_size=3))
    widths = [*inputs, *states]
    operations: list[tuple[Any, ...]] = []
    params: list[torch.Tensor] = []

    def param(*shape: int) -> int:
        scale = 1.0 if len(shape) < 2 else 1 / shape[0] ** 0.5
        params.append(fill(shape, 50 + len(params), scale=scale))
        return len(params) - 1

    def pick() -> int:
        return draw(st.integers(0, len(widths) - 1))

    def operation() -> tuple[tuple[Any, ...], int]:
        a = pick()
        kind = draw(
            st.sampled_from(
                ["unary", "binary", "binary", "param", "matmul", "matmul_t", "affine", "cat", "cut", "reduce"]
            )
        )
        if kind == "unary":
            return (draw(st.sampled_from(sorted(UNARY))), a), widths[a]
        if kind == "binary":
            b = pick()
            column = None if widths[b] in (1, widths[a]) or widths[a] == 1 else draw(st.integers(0, widths[b] - 1))
            return (draw(st.sampled_from(sorted(BINARY))), a, b, column), max(
                widths[a], 1 if column is not None else widths[b]
            )
        if kind == "param":
            shape = draw(st.sampled_from([(widths[a],), (1,), (), (1, widths[a])]))
            return (draw(st.sampled_from(sorted(BINARY))), a, -param(*shape) - 1, None), widths[a]
        if kind == "matmul":
            width = draw(WIDTHS)
            return ("matmul", a, param(widths[a], width)), width
        if kind == "matmul_t":
            width = draw(WIDTHS)
            return ("matmul_t", a, param(width, widths[a])), width
        if kind == "affine":
            parts = [a, *draw(st.lists(st.integers(0, len(widths) - 1), max_size=2))]
            width = draw(WIDTHS)
            return ("affine", a, param(sum(widths[i] for i in parts), width), param(width), *parts), width
        if kind == "cat":
            parts = [a, *draw(st.lists(st.integers(0, len(widths) - 1), min_size=1, max_size=2))]
            return ("cat", *parts), sum(widths[i] for i in parts)
        if kind == "cut":
            start = draw(st.integers(0, widths[a] - 1))
            stop = draw(st.integers(start + 1, widths[a]))
            return (
                (("flip", a), widths[a])
                if widths[a] < 9 and draw(st.booleans())
                else (("slice", a, start, stop), stop - start)
            )
        return (draw(st.sampled_from(sorted(REDUCE))), a), 1

    for _ in range(draw(st.integers(0, 9))):
        made, width = operation()
        if width <= 200:
            operations.append(made)
            widths.append(width)
    leaves = len(inputs) + len(states)
    outputs = draw(st.lists(st.integers(0, len(widths) - 1), min_size=1, max_size=2))
    carries = []
    for size in states:
        fitting = [i for i, width in enumerate(widths) if width == size]
        chosen = draw(st.sampled_from(fitting[::-1]))
        carries.append((chosen, chosen >= leaves))
    return Graph(inputs, states, operations, outputs, carries, params)


def arguments(graph: Graph, batch: int, steps: int, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    """Inputs and initial states for a step."""
    inputs = tuple(fill((batch, steps, width), 10 + i, dtype) for i, width in enumerate(graph.inputs))
    state = tuple(fill((batch, width), 20 + i, dtype) for i, width in enumerate(graph.states))
    return inputs, state
