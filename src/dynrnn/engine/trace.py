"""Tracing: a step function as a graph of ATen operations, recorded on a few rows.

The number of rows must not end up in the graph. A step is therefore traced twice, with two numbers of rows that occur
nowhere else, and the two graphs are compared: where they differ by these numbers a dimension is the batch; where they
differ otherwise (a constant that was computed from the batch size, noise from another library, a counter that the step
changes) the step is refused, and the reference executor runs it.

Tracing runs on real tensors of zeros, not on fake ones: a few rows cost nothing, and importing and running torch's fake
tensors takes longer than the whole trace of an LSTM. A branch that depends on values is found nevertheless, because a
recorded tensor refuses to become a number (``record.py``).
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from dynrnn.engine.decompositions import decompositions
from dynrnn.engine.record import Recorded, Recorder, Stack, record, stack_of
from dynrnn.engine.refusal import Refusal
from dynrnn.engine.watch import Watch

__all__ = ["ROW_COUNTS", "Traced", "is_literal", "name_of", "trace", "trace_taken_apart", "where"]

# primes: unlikely to be anything else
ROW_COUNTS = (97, 89, 83, 79, 73, 71, 67, 61, 59, 53, 47, 43, 41, 37, 31, 29, 23, 19, 17, 13, 11, 7)
_MOST_ELEMENTS = 1 << 22
_PACKAGE = __file__.rsplit("engine", 1)[0]


@dataclass
class Traced:
    """A traced step.

    Attributes:
        recorded: its graph: placeholders are the leaves of x and of the state.
        batch: the number of rows in it.
        sized: nodes with the number of rows among their arguments.
    """

    recorded: Recorded
    batch: int
    sized: set[fx.Node]


def trace(
    function: Callable[..., list[torch.Tensor]],
    leaves: Sequence[torch.Tensor],
    reachable: Collection[torch.Tensor] = (),
    changeable: Collection[torch.Tensor] = (),
) -> Traced:
    """Trace ``function(*leaves)``, which returns a flat list of tensors.

    Args:
        function: the step on flat leaves.
        leaves: examples with any number of rows; only their shapes behind the rows, dtypes and devices count.
        reachable: the tensors that the step can reach.
        changeable: those of them whose values are not to be frozen into the graph.

    Raises:
        Refusal: the step cannot be traced, or what it does depends on the number of rows.
        Exception: what the step itself raises.
    """
    taken = {size for leaf in leaves for size in leaf.shape[1:]} | {s for tensor in reachable for s in tensor.shape}
    free = [rows for rows in ROW_COUNTS if rows not in taken]
    if len(free) < 2:
        raise Refusal("its tensors have too many sizes that are prime numbers below 100")
    # large numbers are the least likely to be anything else, but a large memory of each row is to be traced in no time
    largest = max((math.prod(leaf.shape[1:]) for leaf in leaves), default=0)
    first, second = free[:2] if largest * free[0] <= _MOST_ELEMENTS else free[-2:]

    recordings = [_trace_with(function, leaves, rows, changeable) for rows in (first, second)]
    sized = _compare(recordings[0], recordings[1], first, second)
    return Traced(recordings[0], first, sized)


def _trace_with(
    function: Callable[..., list[torch.Tensor]],
    leaves: Sequence[torch.Tensor],
    rows: int,
    changeable: Collection[torch.Tensor],
) -> Recorded:
    examples = [_example(leaf, rows) for leaf in leaves]

    def watch(recorder: Recorder) -> Watch:
        return Watch(changeable, recorder.made)

    try:
        with torch.enable_grad():
            recorded = record(function, examples, None, changeable, watch)
            if any(_mutates(node) for node in recorded.graph.nodes):
                functional = torch.func.functionalize(function, remove="mutations")
                recorded = record(functional, examples, None, changeable, watch)
    except Refusal as refusal:
        raise refusal if refusal.where else Refusal(refusal.reason, _line_of(refusal)) from None
    recorded.graph.eliminate_dead_code()
    for node in recorded.graph.nodes:
        if _mutates(node):
            raise Refusal(f"it changes a tensor in place with {name_of(node)}", where(node))
    return recorded


def _example(leaf: torch.Tensor, rows: int) -> torch.Tensor:
    """Zeros for ``leaf`` that ask for a gradient as a state in training does, and may be changed in place."""
    zeros = leaf.new_zeros((rows, *leaf.shape[1:]))
    return zeros.requires_grad_().clone() if leaf.is_floating_point() else zeros


def trace_taken_apart(function: Callable[..., Any], arguments: Sequence[torch.Tensor]) -> Recorded:
    """The graph of ``function``, which may ask autograd for gradients.

    What torch can take apart is taken apart, after the derivatives have been taken: they are torch's own.
    """
    with torch.enable_grad():
        recorded = record(function, arguments, decompositions())
    recorded.graph.eliminate_dead_code()
    return recorded


def _mutates(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def name_of(node: fx.Node) -> str:
    """The operation of a node, as users know it."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return f"torch.ops.{target.namespace}.{target._schema.name.split('::')[-1]}"
    return getattr(target, "__name__", str(target))


def where(node: fx.Node) -> str:
    """The line of the user's code behind a node: the innermost outside of torch and this package."""
    return _innermost(node.meta.get("stack", []))


def _line_of(error: BaseException) -> str:
    trail = error.__traceback__
    while trail is not None and trail.tb_next is not None:
        trail = trail.tb_next
    return _innermost(stack_of(trail.tb_frame if trail is not None else None))


def _innermost(stack: Stack) -> str:
    """The user's line; a line of a cell of this package where there is none."""
    users = [place for place in stack if not place[0].startswith(_PACKAGE)]
    cells = [place for place in stack if place[0].startswith(_PACKAGE + "cells")]
    for file, line in users[:1] or cells[:1]:
        return f"{file}:{line}: {linecache.getline(file, line).strip()}"
    return ""


def _compare(one: Recorded, other: Recorded, first: int, second: int) -> set[fx.Node]:
    """Refuse a step whose graph depends on the number of rows in any other way than by the sizes of dimensions.

    Returns:
        The nodes of ``one`` with the number of rows among their arguments.
    """
    sized: set[fx.Node] = set()
    nodes, others = list(one.graph.nodes), list(other.graph.nodes)
    twins: dict[Any, Any] = dict(zip(nodes, others, strict=False))
    if len(nodes) != len(others):
        raise Refusal("what it does depends on the number of rows, or changes from call to call")

    at = nodes[0]

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, fx.Node):
            return twins.get(a) is b
        if isinstance(a, (list, tuple)):
            return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
        if isinstance(a, bool) or not isinstance(a, int):
            return a is b or (type(a) is type(b) and (a == b or a != a))
        if a != b:
            sized.add(at)
        return a == b or (a, b) == (first, second)

    for a, b in twins.items():
        at = a
        if a.op != b.op or (a.op == "call_function" and a.target is not b.target):
            raise Refusal("what it does depends on the number of rows, or changes from call to call", where(a))
        if a.op == "get_attr":
            mine, theirs = one.taken[str(a.target)], other.taken[str(b.target)]
            if mine is not theirs and not (is_literal(a) and is_literal(b) and torch.equal(mine, theirs)):
                raise Refusal("a tensor that it makes without torch differs from call to call", where(a))
        elif a.op != "placeholder" and not (
            same(a.args, b.args) and same(tuple(a.kwargs.items()), tuple(b.kwargs.items()))
        ):
            raise Refusal(
                f"a number in {name_of(a)} depends on the number of rows, or changes from call to call", where(a)
            )
    return sized


def is_literal(node: fx.Node) -> bool:
    """Whether a ``get_attr`` is a tensor made from numbers within the step (``torch.tensor(0.5)``)."""
    return bool(node.users) and all(
        isinstance(user.target, torch._ops.OpOverload) and user.target._schema.name == "aten::lift_fresh_copy"
        for user in node.users
    )
