"""The recorder: which ATen operations a function applies to tensors, as a graph.

A dispatch mode sees every operation after autograd has taken its part, so it records a function and, where the function
asks autograd for gradients, their computation too. It runs on real tensors. PyTorch's own tracer (``make_fx``) does the
same and more, but loads torch's compiler for it: a second, and more memory than a small model takes in training.

Tensors are told apart by identity. What the function takes from elsewhere becomes a ``get_attr`` node. An operation
that makes a number of a recorded tensor, on which the function could decide what to do next, is a `Refusal`; numbers of
tensors that are themselves made of numbers (``torch.tensor(0.5)``) are not.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import fx
from torch.utils._python_dispatch import TorchDispatchMode

from dynrnn.engine.refusal import Refusal

__all__ = ["DECIDES", "Recorded", "Recorder", "Stack", "record"]

Stack = list[tuple[str, int]]

_TORCH = torch.__file__.rsplit("__init__.py", 1)[0]
_MOST_FRAMES = 16
DECIDES = "what it does next depends on the values of tensors"
_VALUES_READ = frozenset({torch.Tag.data_dependent_output})
_LIFTS = frozenset({torch.ops.aten.lift_fresh.default, torch.ops.aten.lift_fresh_copy.default})
_PLAIN = (torch.Tensor, torch.nn.Parameter)
# what every tensor answers without its values being looked at
_ASKS = frozenset({"aten::size", "aten::stride", "aten::storage_offset", "aten::numel", "aten::dim"})


@dataclass
class Recorded:
    """A graph, and what its ``get_attr`` nodes stand for.

    Attributes:
        graph: placeholders are the arguments; every node has its result as ``meta["val"]``, without values, and nodes
            of operations have the lines of code that led to it as ``meta["stack"]``.
        taken: the tensors, and the generators of noise, that the function took from elsewhere, by name of their node.
    """

    graph: fx.Graph
    taken: dict[str, Any] = field(default_factory=dict)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors that the function took from elsewhere and that the graph uses, by name."""
        names = {str(node.target) for node in self.graph.find_nodes(op="get_attr")}
        return {name: value for name, value in self.taken.items() if name in names and isinstance(value, torch.Tensor)}


def record(
    function: Callable[..., Sequence[torch.Tensor]],
    arguments: Sequence[torch.Tensor],
    decompositions: Mapping[Any, Callable[..., Any]] | None = None,
    changeable: Collection[torch.Tensor] = (),
    watch: Callable[[Recorder], AbstractContextManager[Any]] | None = None,
) -> Recorded:
    """The graph of ``function(*arguments)``, which returns a flat list of tensors.

    Args:
        function: what to record.
        arguments: its arguments.
        decompositions: operations to be recorded as what these functions make of them.
        changeable: tensors that ``function`` may reach and whose values may be others at the next call.
        watch: makes a context for ``function``, given the recorder.

    Raises:
        Refusal: it makes a number of a tensor, or changes one that it did not make.
        Exception: what the function raises.
    """
    recorder = Recorder(decompositions or {}, changeable)
    for number, argument in enumerate(arguments):
        recorder.argument(argument, number)
    with recorder, nullcontext() if watch is None else watch(recorder):
        results = function(*arguments)
    recorder.results(results)
    return recorder.recorded


class _Recording:
    """What a `Recorder` does.

    A class of its own, since torch would load its compiler to wrap a ``__torch_dispatch__`` that a mode itself defines.
    """

    __enter__: Callable[..., Any]
    __exit__: Callable[..., Any]

    def __init__(self, decompositions: Mapping[Any, Callable[..., Any]], changeable: Collection[torch.Tensor]):
        super().__init__()
        self.recorded = Recorded(fx.Graph())
        self._table = decompositions
        self._changeable = {id(tensor) for tensor in changeable}
        self._nodes: dict[int, fx.Node] = {}
        self._numbers: set[fx.Node] = set()  # nodes whose values are always the same
        self._alive: list[Any] = []  # an identity must not be given to a second tensor

    def argument(self, tensor: torch.Tensor, number: int) -> None:
        """Enter ``tensor`` as the next argument."""
        node = self.recorded.graph.placeholder(f"argument{number}")
        node.meta["val"] = _without_values(tensor)
        self._enter(tensor, node)

    def results(self, tensors: Sequence[torch.Tensor]) -> None:
        """End the graph: it returns ``tensors``."""
        self.recorded.graph.output([self._node_of(tensor) for tensor in tensors])

    def made(self, tensor: Any) -> bool:
        """Whether ``tensor`` was computed from the arguments or from elsewhere, rather than from numbers."""
        node = self._nodes.get(id(tensor))
        return node is not None and node.op != "get_attr" and node not in self._numbers

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation, and record it."""
        kwargs = kwargs or {}
        if func in self._table:
            with self:
                result = self._table[func](*args, **kwargs)
            if result is not NotImplemented:
                return result
        if func._schema.name in _ASKS:
            return func(*args, **kwargs)
        with self:
            result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
        self._check(func, args, kwargs)
        tensors: list[fx.Node] = []

        def known(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                tensors.append(node := self._node_of(value))
                return node
            if isinstance(value, torch.Generator):
                return self._taken(value, "generator")
            if isinstance(value, (list, tuple)):
                return type(value)(map(known, value)) if type(value) in (list, tuple) else [known(v) for v in value]
            return value

        arguments, keywords = known(tuple(args)), {name: known(value) for name, value in kwargs.items()}
        result = func(*args, **kwargs)
        target = torch.ops.aten.lift_fresh_copy.default if func in _LIFTS else func
        node = self.recorded.graph.call_function(target, arguments, keywords)
        node.meta["val"] = _without_values(result)
        node.meta["stack"] = stack_of(sys._getframe(1))
        noisy = torch.Tag.nondeterministic_seeded in func.tags
        if func in _LIFTS or (tensors and not noisy and all(part in self._numbers for part in tensors)):
            self._numbers.add(node)
        self._enter_results(result, node)
        return result

    def _check(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Refuse what must not be done with tensors, before it is done."""
        if _VALUES_READ & set(func.tags):
            for value in (*args, *kwargs.values()):
                if self.made(value) or id(value) in self._changeable:
                    raise Refusal(DECIDES)
        if not func._schema.is_mutable:
            return
        for value, described in zip(args, func._schema.arguments, strict=False):
            written = described.alias_info is not None and described.alias_info.is_write
            if written and isinstance(value, torch.Tensor) and id(value) not in self._nodes:
                name = func._schema.name.replace("aten::", "torch.ops.aten.")
                raise Refusal(f"it changes a tensor from elsewhere in place with {name}")

    def _node_of(self, tensor: torch.Tensor) -> fx.Node:
        node = self._nodes.get(id(tensor))
        return self._taken(tensor, "tensor") if node is None else node

    def _taken(self, value: Any, kind: str) -> fx.Node:
        """The node of something from elsewhere."""
        node = self._nodes.get(id(value))
        if node is None:
            if isinstance(value, torch.Tensor) and type(value) not in _PLAIN:
                raise Refusal(f"a tensor of the class {type(value).__name__}")
            name = f"{kind}{len(self.recorded.taken)}"
            self.recorded.taken[name] = value
            node = self.recorded.graph.create_node("get_attr", name, (), {}, name=name)
            self._enter(value, node)
        return node

    def _enter(self, value: Any, node: fx.Node) -> None:
        self._nodes[id(value)] = node
        self._alive.append(value)

    def _enter_results(self, result: Any, node: fx.Node) -> None:
        if isinstance(result, torch.Tensor):
            self._enter(result, node)
        elif isinstance(result, (tuple, list)):
            for number, part in enumerate(result):
                if isinstance(part, torch.Tensor):
                    item = self.recorded.graph.call_function(operator.getitem, (node, number))
                    item.meta.update(node.meta, val=_without_values(part))
                    if node in self._numbers:
                        self._numbers.add(item)
                    self._enter(part, item)


class Recorder(_Recording, TorchDispatchMode):
    """Records the operations of the code in its context.

    Args:
        decompositions: operations to be recorded as what these functions make of them.
        changeable: tensors whose values may be others at the next call.
    """


def _without_values(result: Any) -> Any:
    """A result, its tensors with shape and dtype only: a graph may live longer than what it was recorded on."""
    if isinstance(result, torch.Tensor):
        return torch.empty(result.shape, dtype=result.dtype, device="meta")
    return tuple(map(_without_values, result)) if isinstance(result, (tuple, list)) else result


def stack_of(frame: FrameType | None) -> Stack:
    """File and line of the code that led to ``frame``, innermost first, without torch's own."""
    lines: Stack = []
    while frame is not None and len(lines) < _MOST_FRAMES:
        name = frame.f_code.co_filename
        if not name.startswith((_TORCH, __file__)):
            lines.append((name, frame.f_lineno))
        frame = frame.f_back
    return lines
