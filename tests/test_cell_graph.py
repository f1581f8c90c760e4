"""The cells' formulas on objects that are not tensors: what another face, which builds graphs, relies on.

`Symbol` knows nothing but ``__torch_function__``, ``shape``, ``dtype`` and the operators + - * /. A formula that calls
a method of a tensor, asks for its type or writes into it fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from cells_support import CATALOGUE, B, D, N, random_state, random_tensor, randomise

from dynrnn import cells, nest

CALLS: list[str] = []


class Dimension:
    """A dimension of a graph's shape: not an int, and perhaps unknown."""

    def __init__(self, value: int | None) -> None:
        self.value = value

    def __index__(self) -> int:
        assert self.value is not None
        return self.value


class Shape:
    """A graph's shape: its length, its entries, and no more. The batch is unknown."""

    def __init__(self, dims: torch.Size) -> None:
        self._dims = [Dimension(None if index == 0 and len(dims) == 2 else dim) for index, dim in enumerate(dims)]

    def __len__(self) -> int:
        return len(self._dims)

    def __getitem__(self, index: int) -> Dimension:
        return self._dims[index]


class DType:
    """A graph's element type."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DType) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


class Symbol:
    """A value of which a formula may know no more than that torch functions take it."""

    __slots__ = ("_value",)

    def __init__(self, value: torch.Tensor) -> None:
        self._value = value

    @property
    def shape(self) -> Shape:
        return Shape(self._value.shape)

    @property
    def dtype(self) -> DType:
        return DType(str(self._value.dtype).removeprefix("torch."))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        CALLS.append(func.__name__)
        return wrap(func(*reveal(list(args)), **reveal(kwargs or {})))

    def _operator(name: str) -> Callable[..., Any]:  # type: ignore[misc]  # makes the methods below
        def operate(self: Symbol, other: Any) -> Any:
            CALLS.append(name)
            return wrap(getattr(self._value, name)(reveal(other)))

        return operate

    __add__ = _operator("__add__")
    __radd__ = _operator("__radd__")
    __sub__ = _operator("__sub__")
    __rsub__ = _operator("__rsub__")
    __mul__ = _operator("__mul__")
    __rmul__ = _operator("__rmul__")
    __truediv__ = _operator("__truediv__")
    __rtruediv__ = _operator("__rtruediv__")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a symbol is not iterable")

    def __bool__(self) -> bool:
        raise TypeError("a symbol has no truth value")


def wrap(tree: Any) -> Any:
    return nest.map_structure(lambda leaf: Symbol(leaf) if isinstance(leaf, torch.Tensor) else leaf, tree)


def reveal(tree: Any) -> Any:
    return nest.map_structure(lambda leaf: leaf._value if isinstance(leaf, Symbol) else leaf, tree)


class Graph:
    """The hooks of a face that records; it comes first among the bases, as in the TensorFlow 1 face."""

    # what happens, in order: scopes opened, weights made, noise drawn
    log: list[str]
    source: torch.nn.Module

    def _prepare(self: Any, inputs: Any) -> None:
        assert isinstance(inputs, Symbol)
        assert len(inputs.shape) == 2
        if not self.built:
            self.build(int(inputs.shape[-1]))
            self.built = True

    def add_weight(self: Any, name: str, shape: Any, initializer: Any = None, *, trainable: bool = True) -> Any:
        weight = self.source.get_parameter(name.replace("/", ".")).detach()
        assert tuple(weight.shape) == tuple(shape)
        Graph.log.append(name)
        self._set_weight(name, Symbol(weight))

    def random_uniform(self: Any, like: Any, shape: Any = None, seed: Any = None) -> Any:
        Graph.log.append(f"noise {seed}")
        return Symbol(fixed_noise(reveal(like).shape if shape is None else shape, reveal(like).dtype, seed))

    @contextmanager
    def subscope(self: Any, name: str) -> Iterator[None]:
        Graph.log.append(f"open {name}")
        yield
        Graph.log.append("close")

    def __call__(self: Any, inputs: Any, state: Any) -> Any:
        return self.forward(inputs, state)


def fixed_noise(shape: Any, dtype: torch.dtype, seed: int | None) -> torch.Tensor:
    return random_tensor(*shape, dtype=dtype, seed=7 + (seed or 0)).abs()


def graph_class(cls: type) -> type:
    return type(cls.__name__, (Graph, cls), {})


def as_graph(cell: Any) -> Any:
    """A copy of an unbuilt ``cell`` whose parts have the graph's hooks, with the weights of another, built one."""
    if isinstance(cell, cells.RNNCell):
        cell.__class__ = graph_class(type(cell))
        for child in cell.children():
            as_graph(child)
    return cell


def link(cell: Any, source: torch.nn.Module) -> None:
    object.__setattr__(cell, "source", source)  # not a submodule
    for name, child in cell.named_children():
        link(child, source.get_submodule(name))


GRAPHS = sorted(set(CATALOGUE) - {"embedding", "wrapped_module"})


@pytest.fixture(autouse=True)
def _empty() -> None:
    CALLS.clear()
    Graph.log = []


@pytest.mark.parametrize("name", [*GRAPHS, "embedding"])
def test_formulas_use_torch_functions_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Any:
        cell = CATALOGUE[name]()
        return cells.EmbeddingWrapper(cell.cell, 7, 5) if name == "embedding" else cell

    def uniform(self: Any, like: Any, shape: Any = None, seed: Any = None) -> Any:
        return fixed_noise(like.shape if shape is None else shape, like.dtype, seed)

    monkeypatch.setattr(cells.RNNCell, "random_uniform", uniform)
    cell = make()
    x = torch.tensor([1, 3]) if name == "embedding" else random_tensor(B, D, dtype=torch.float32)
    state = random_state(cell, dtype=torch.float32)
    cell(x, state)
    randomise(cell)
    graph = as_graph(make())
    link(graph, cell)
    if name == "dropout_variational":
        graph.draw_noise(torch.empty(0))
        assert [entry.split()[0] for entry in Graph.log] == ["noise"] * 4  # input, c, h, output
    for _ in range(2):
        output, new = graph(wrap(x), wrap(state))
    want, want_state = cell(x, state)
    torch.testing.assert_close(reveal(output), want)
    for got, expected in zip(nest.flatten(reveal(new)), nest.flatten(want_state), strict=True):
        torch.testing.assert_close(got, expected)
    nest.assert_same_structure(new, want_state)
    assert {"matmul", "addmm"} & set(CALLS)
    assert list(graph.parameters()) == []  # its weights are plain attributes


def test_basic_lstm_makes_tensorflows_operations() -> None:
    """Two Add and three Mul a step: the new c is the last Add, the new h the last Mul."""
    cell = cells.BasicLSTMCell(N, input_size=D)
    graph = as_graph(cells.BasicLSTMCell(N))
    link(graph, cell)
    _, state = graph(wrap(torch.zeros(B, D)), wrap(cell.zero_state(B)))
    assert [call for call in CALLS if call in ("add", "mul")] == ["add", "mul", "mul", "add", "mul"]
    assert CALLS[CALLS.index("add") - 1] == "split"  # the bias of the product is not an add
    c_calls = CALLS[: len(CALLS) - CALLS[::-1].index("add")]
    assert c_calls.count("mul") == 2
    assert CALLS[-1] == "mul"
    assert type(state) is cells.LSTMStateTuple


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("basic_rnn", ["kernel", "bias"]),
        ("gru", ["gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"]),
        ("lstm_all", ["kernel", "bias", "w_f_diag", "w_i_diag", "w_o_diag", "projection/kernel"]),
        (
            "multi_joined",
            ["open cell_0", "gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias", "close"]  # noqa: RUF005
            + ["open cell_1", "kernel", "bias", "close"],
        ),
        ("highway", ["gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias", "carry_w", "carry_b"]),
        ("output_projection", ["gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias", "kernel", "bias"]),
        ("input_projection", ["kernel", "bias", "gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"]),
    ],
)
def test_order_of_weights_and_scopes(name: str, order: list[str]) -> None:
    cell, graph = CATALOGUE[name](), as_graph(CATALOGUE[name]())
    x, state = random_tensor(B, D, dtype=torch.float32), random_state(cell, dtype=torch.float32)
    cell(x, state)
    link(graph, cell)
    graph(wrap(x), wrap(state))
    assert Graph.log == order


def sized(function: Any) -> Any:
    """A function that is a cell."""
    function.state_size = function.output_size = N
    return function


def test_keep_prob_may_be_a_symbol() -> None:
    """It always makes the operations, and its value is not looked at."""
    echo = sized(lambda inputs, state: (inputs, state))
    cell = as_graph(cells.DropoutWrapper(echo, Symbol(torch.tensor(0.5)), 1.0))
    output, _ = cell(wrap(torch.ones(B, 4)), wrap(torch.ones(B, N)))
    noise = fixed_noise([B, 4], torch.float32, None)
    assert torch.equal(reveal(output), (noise >= 0.5).float() * 2)
    assert Graph.log == ["noise None"]
    norm = cells.LayerNormBasicLSTMCell(N, dropout_keep_prob=Symbol(torch.tensor(1.0)), input_size=D)
    x, state = torch.ones(B, D), norm.zero_state(B)
    graph = as_graph(cells.LayerNormBasicLSTMCell(N, dropout_keep_prob=Symbol(torch.tensor(1.0))))
    link(graph, norm)
    graph(wrap(x), wrap(state))
    assert Graph.log[-1] == "noise None"


def test_errors_on_symbols() -> None:
    """What is known of a graph's shapes is checked; what is unknown is not."""
    source = cells.LSTMCell(N, input_size=D)
    graph = as_graph(cells.LSTMCell(N))
    link(graph, source)
    x = wrap(torch.zeros(B, D))
    with pytest.raises(TypeError, match=r"to be a pair \(c, h\), got one Symbol"):
        graph(x, wrap(torch.zeros(2, N)))
    with pytest.raises(ValueError, match=r"expected state\.c of lstm_cell to have shape \[batch, 4\], got \[None, 5\]"):
        graph(x, wrap((torch.zeros(B, N + 1), torch.zeros(B, N))))
    output, _ = graph(x, wrap((torch.zeros(B, N), torch.zeros(B, N))))
    assert reveal(output).shape == (B, N)
    wider = sized(lambda inputs, state: (wrap(torch.zeros(B, D + 1)), state))
    residual = as_graph(cells.ResidualWrapper(wider))
    with pytest.raises(ValueError, match=r"Shapes \(\?, 3\) and \(\?, 4\) are incompatible"):
        residual(x, x)
