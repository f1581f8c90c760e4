"""``torch.compile`` of models with layers in them: one node in the graph, right numbers, nothing left behind."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from layers_support import assert_same, flat, pair

import dynrnn
from dynrnn.nn import operator


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error", dynrnn.EngineWarning)
        yield
    torch._dynamo.reset()


class Model(torch.nn.Module):
    def __init__(self, name: str, **options: Any):
        super().__init__()
        self.embed = torch.nn.Linear(3, 3, dtype=torch.float64)
        self.layer = getattr(dynrnn.nn, name)(3, 4, 2, bidirectional=True, dtype=torch.float64, **options)
        self.read = torch.nn.Linear(8, 2, dtype=torch.float64)

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> Any:
        outputs, state = self.layer(self.embed(x).relu(), hx, lengths)
        return self.read(outputs), state


class Counting:
    """A backend that remembers the graphs it is given, and compiles them for training."""

    def __init__(self) -> None:
        self.graphs: list[Any] = []

    def __call__(self, graph: Any, examples: Any) -> Any:
        self.graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, examples)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_one_node_with_the_numbers_of_eager_mode(name: str) -> None:
    model = Model(name)
    backend = Counting()
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    x = torch.randn(6, 3, 3, dtype=torch.float64, requires_grad=True)
    h = torch.randn(4, 3, 4, dtype=torch.float64, requires_grad=True)
    hx = (h, h.detach().clone().requires_grad_()) if name == "LSTM" else h
    for lengths in (None, torch.tensor([5, 0, 2])):
        sources = [x, *flat(hx), *model.parameters()]
        pairs = []
        for run in (compiled, model):
            outputs, state = run(x, hx, lengths)
            loss = outputs.sin().sum() + sum(part.square().sum() for part in flat(state))
            pairs.append([outputs.detach(), *torch.autograd.grad(loss, sources)])
        assert_same(*pairs)
        with torch.no_grad():
            assert_same([compiled(x, hx, lengths)[0]], [model(x, hx, lengths)[0]])
    for graph in backend.graphs:
        names = [str(node.target) for node in graph.graph.nodes]
        assert sum("dynrnn.layer" in each for each in names) == 1
        assert len(names) < 60
    del outputs, state, loss, pairs
    gc.collect()
    assert not operator._kept


def test_frozen_weights_and_gradients_taken_twice() -> None:
    model = Model("LSTM")
    model.layer.weight_hh_l0.requires_grad_(False)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    sources = [parameter for parameter in model.parameters() if parameter.requires_grad]
    outputs = compiled(x)[0].sin().sum()
    first = torch.autograd.grad(outputs, sources, retain_graph=True)
    second = torch.autograd.grad(outputs, sources)
    wanted = torch.autograd.grad(model(x)[0].sin().sum(), sources)
    assert_same([*first, *second], [*wanted, *wanted])


def test_a_lost_token_runs_the_layer_again() -> None:
    model = Model("GRU")
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    loss = compiled(x)[0].sin().sum()
    operator._kept.clear()
    found = torch.autograd.grad(loss, list(model.parameters()))
    assert_same(list(found), list(torch.autograd.grad(model(x)[0].sin().sum(), list(model.parameters()))))


def test_dropout_is_drawn_anew_and_kept_for_the_backward_pass() -> None:
    model = Model("LSTM", dropout=0.5)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = torch.randn(6, 3, 3, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(4)
    one = compiled(x)[0]
    torch.manual_seed(4)
    again = compiled(x)[0]
    assert torch.equal(one, again)
    assert not torch.equal(one, compiled(x)[0])
    torch.manual_seed(4)
    eager = model(x)[0]
    assert_same([*torch.autograd.grad(one.sum(), x)], [*torch.autograd.grad(eager.sum(), x)])


def test_other_shapes_and_wrong_lengths() -> None:
    model = Model("LSTM", batch_first=True)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for batch, steps in ((3, 6), (4, 7), (5, 2)):
        x = torch.randn(batch, steps, 3, dtype=torch.float64)
        assert_same([compiled(x)[0]], [model(x)[0]])
    with pytest.raises(ValueError, match="from 0 to the number of steps, 2, got 3"):
        compiled(x, lengths=torch.tensor([1, 2, 3, 1, 1]))


def test_autocast() -> None:
    theirs, ours = pair("LSTM", 3, 4, 2, bidirectional=True)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    x = torch.randn(5, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compiled(x)[0], theirs(x)[0])


def test_exported_models_do_not_need_this_package() -> None:
    model = Model("LSTM")
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    exported = torch.export.export(model, (x,))
    assert not any("dynrnn" in str(node.target) for node in exported.graph.nodes)
    assert_same([exported.module()(x)[0]], [model(x)[0]])


def test_any_cell_breaks_the_graph_and_is_not_unrolled() -> None:
    layer = dynrnn.nn.Recurrent(lambda n, d: dynrnn.cells.GRUCell(4, input_size=3 if n == 0 else 4), 2)
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), layer)
    backend = Counting()
    x = torch.randn(40, 3, 3)
    outputs, _ = torch.compile(model, backend=backend)(x)
    torch.testing.assert_close(outputs, model(x)[0])
    assert 1 <= len(backend.graphs) <= 8
    assert all(len(graph.graph.nodes) < 20 for graph in backend.graphs)
