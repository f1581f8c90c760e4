"""What a value of a traced graph is on its way to the step program; see ``lower.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from dynrnn.engine.program import Node

__all__ = [
    "Early",
    "Grad",
    "Hoisted",
    "Macro",
    "Matrix",
    "Noise",
    "Param",
    "Placed",
    "Row",
    "RowGrad",
    "Rule",
    "Several",
    "Transposed",
    "Vector",
]


@dataclass
class Row:
    """A row-wise value: element ``i`` of a row is column ``index.flat[i]`` of ``node``.

    Attributes:
        node: program node.
        index: of the value's shape, with 1 at the rows' dimension.
        axis: the rows' dimension.
        boolean: whether the elements are truth values (0.0 and 1.0 in the program).
    """

    node: Node
    index: np.ndarray
    axis: int = 0
    boolean: bool = False

    def viewed(self, index: np.ndarray, axis: int | None = None) -> Row:
        """The same node seen in another way."""
        return Row(self.node, index, self.axis if axis is None else axis, self.boolean)


@dataclass
class Param:
    """A value that no row takes part in.

    Attributes:
        fx: its node in the traced graph.
        shape: its shape.
        value: its number, when it was written as one in the step.
        literal: its elements, when they were written as numbers in the step.
    """

    fx: fx.Node
    shape: tuple[int, ...]
    dtype: torch.dtype
    value: float | None = None
    literal: torch.Tensor | None = None


@dataclass
class Grad:
    """A sum over rows, of a parameter's shape.

    Attributes:
        sums: pairs ``(a, b)``: the sum over rows of a, times b if there is one (a vector).
        outers: pairs ``(a, b)``: ``a^T b`` (a matrix).
        shape: its shape.
    """

    sums: list[tuple[Node, Node | None]]
    outers: list[tuple[Node, Node]]
    shape: tuple[int, ...]


@dataclass
class RowGrad:
    """The gradient of a row memory, of which is known what it is the sum of, over the steps, in each row.

    Attributes:
        outers: pairs ``(a, b)``: ``a b``, a column times a row.
        additives: pairs of a ``memory_additive_grad`` node and a ``vec``, see `RowAdditive`.
        dense: a row-wise value, or None.
        shape: its shape.
    """

    outers: list[tuple[Row, Row]]
    additives: list[tuple[Node, Node]]
    dense: Row | None
    shape: tuple[int, ...]


@dataclass
class Early:
    """A value computed in torch before the loop: from inputs of integers only, or from what belongs to rows only.

    Attributes:
        fx: its node in the traced graph.
        shape: its shape.
        dtype: its dtype.
        steps: whether it has a value for every step, as inputs have; what belongs to rows has one for all.
        view: for a view of another one without steps: the operation's name, arguments and keywords.
    """

    fx: fx.Node
    shape: tuple[int, ...]
    dtype: torch.dtype
    steps: bool = True
    view: tuple[str, Any, Any] | None = None


class Placed(int):
    """In the arguments of a `Macro`: the operand of this number."""


@dataclass(eq=False)
class Macro:
    """An operation of torch with all its arguments.

    Attributes:
        target: the operation.
        args: its arguments, with `Placed` for tensors.
        kwargs: likewise.
        shapes: for each operand, its shape with 1 for the rows; None for a vector of parameters.
    """

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: list[tuple[int, ...] | None]

    def results(self, operands: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Apply it to tensors ``[rows, ...]``."""

        def put(value: Any) -> Any:
            if isinstance(value, Placed):
                return operands[value]
            return tuple(map(put, value)) if isinstance(value, tuple) else value

        made = self.target(*map(put, self.args), **{key: put(value) for key, value in self.kwargs.items()})
        return list(made) if isinstance(made, (tuple, list)) else [made]

    def __call__(self, operands: Sequence[torch.Tensor], batch: int) -> list[torch.Tensor]:
        """Apply it to operands ``[rows, columns]``; results likewise."""
        shaped = [
            operand if shape is None else operand.expand(batch, operand.shape[-1]).reshape(batch, *shape[1:])
            for operand, shape in zip(operands, self.shapes, strict=True)
        ]
        return [result.reshape(batch, -1) for result in self.results(shaped)]

    def __repr__(self) -> str:
        return str(self.target).removeprefix("aten.").split(".")[0]


@dataclass
class Vector:
    """A ``vec`` leaf of the forward program, in a derivative graph."""

    node: Node


@dataclass
class Matrix:
    """A ``mat`` leaf of the forward program, in a derivative graph."""

    node: Node


@dataclass
class Transposed:
    """The transpose of a `Matrix`."""

    node: Node


@dataclass
class Hoisted:
    """An operand that the prologue makes.

    Attributes:
        key: of the program's ``vec`` or ``mat`` leaf.
        source: the node of the traced graph it is made from.
        view: None for a matrix as it is; for a vector, the shape to broadcast to before it is flattened.
        matrix: whether it is a matrix.
        transposed: whether the matrix is the transpose of its source.
    """

    key: str
    source: fx.Node
    view: tuple[int, ...] | None
    matrix: bool
    transposed: bool = False


@dataclass
class Noise:
    """A stream of noise: where it is drawn in the traced graph, and with which generator (None: torch's own)."""

    generator: torch.Generator | None


Rule = Callable[..., Any]


@dataclass
class Several:
    """Several values without rows, from one operation."""

    fx: fx.Node
