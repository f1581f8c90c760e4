"""`dynrnn.nn.Recurrent`: layers of any cell."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from layers_support import assert_same, gradients

import dynrnn
from dynrnn.nn import Recurrent


class Leaky(torch.nn.Module):
    """A user's cell, without sizes."""

    def __init__(self, width: int, units: int):
        super().__init__()
        self.read = torch.nn.Linear(width + units, units, dtype=torch.float64)
        self.units = units

    def zero_state(self, batch: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(batch, self.units, dtype=dtype)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = 0.5 * h + torch.tanh(self.read(torch.cat([x, h], 1)))
        return 2 * h, h


def make(width: int, units: int, directions: int) -> Any:
    return lambda layer, direction: Leaky(width if layer == 0 else units * directions, units)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 0, 2, 4]])
def test_bidirectional_layers_are_those_of_the_driver(first: bool, lengths: list[int] | None) -> None:
    layer = Recurrent(make(3, 4, 2), 3, bidirectional=True, batch_first=first)
    x = torch.randn((4, 5, 3) if first else (5, 4, 3), dtype=torch.float64, requires_grad=True)
    states = [torch.randn(4, 4, dtype=torch.float64) for _ in range(6)]
    outputs, finals = layer(x, states, lengths)
    sources = [x, *layer.parameters()]
    cells = layer.cells
    wanted, last_fw, last_bw = dynrnn.stack_bidirectional_dynamic_rnn(
        cells[::2], cells[1::2], x, states[::2], states[1::2], sequence_length=lengths, time_major=not first
    )
    interleaved = [state for both in zip(last_fw, last_bw, strict=True) for state in both]
    assert_same(
        [outputs, *finals, *gradients([outputs, *finals], sources)],
        [wanted, *interleaved, *gradients([wanted, *interleaved], sources)],
    )


def test_one_direction() -> None:
    layer = Recurrent(make(3, 4, 1), 2, batch_first=True)
    assert [name for name, _ in layer.named_parameters()] == [
        f"cell_l{n}.read.{part}" for n in range(2) for part in ("weight", "bias")
    ]
    x = torch.randn(4, 5, 3, dtype=torch.float64)
    outputs, finals = layer(x, lengths=[5, 1, 3, 2])
    once, first_final = dynrnn.dynamic_rnn(layer.cells[0], x, [5, 1, 3, 2])
    twice, second_final = dynrnn.dynamic_rnn(layer.cells[1], once, [5, 1, 3, 2])
    assert_same([outputs, *finals], [twice, first_final, second_final])
    again = copy.deepcopy(layer)
    assert torch.equal(again(x)[0], layer(x)[0])
    assert repr(Recurrent(make(3, 4, 1), 2, dropout=0.5)).startswith("Recurrent(\n  num_layers=2, dropout=0.5")


def test_cells_of_the_library_with_states_that_are_nests() -> None:
    layer = Recurrent(lambda n, d: dynrnn.cells.LSTMCell(4, use_peepholes=True), 2, bidirectional=True)
    x = torch.randn(5, 3, 2)
    outputs, finals = layer(x, lengths=[5, 2, 0])
    assert outputs.shape == (5, 3, 8)
    assert [type(final).__name__ for final in finals] == ["LSTMStateTuple"] * 4
    assert torch.equal(finals[2].h[1], outputs[1, 1, :4])
    assert torch.equal(finals[3].h[1], outputs[0, 1, 4:])
    assert not finals[0].c[2].any()
    continued, _ = layer(x, finals)
    assert not torch.equal(continued, outputs)


def test_functions_lists_and_single_cells_are_cells() -> None:
    def doubling(x: Any, state: Any) -> Any:
        return {"y": x["y"] * 2}, state + 1

    x = {"y": torch.randn(5, 3, 2)}
    outputs, finals = Recurrent([doubling, doubling], 2)(x, [torch.zeros(3, 1), torch.zeros(3, 1)], [5, 2, 1])
    assert torch.equal(outputs["y"][:, 0], 4 * x["y"][:, 0])
    assert not outputs["y"][2:, 1].any()
    assert finals[1].flatten().tolist() == [5, 2, 1]
    cell = Leaky(2, 3)
    assert Recurrent(cell).cells == [cell]
    assert Recurrent(torch.nn.ModuleList([cell])).cells == [cell]


def test_dropout_is_for_training_and_between_layers() -> None:
    layer = Recurrent(make(3, 4, 2), 2, bidirectional=True, dropout=1.0)
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(layer(x)[0].sum(), x)
    assert not found.any()
    layer.eval()
    (found,) = torch.autograd.grad(layer(x)[0].sum(), x)
    assert found.all()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((3,), {}, TypeError, "list of cells or a function"),
        (([],), {}, ValueError, "expected 1 cells, for 1 layers in 1 directions, got 0"),
        ((Leaky(1, 1), 2), {}, ValueError, "got 1"),
        (([Leaky],), {}, TypeError, "it is a class"),
        ((lambda layer, direction: 3,), {}, TypeError, r"cells\[0\].*not callable"),
        ((Leaky(1, 1), 0), {}, ValueError, "at least 1, got 0"),
        ((Leaky(1, 1), True), {}, TypeError, "num_layers must be an integer"),
        ((Leaky(1, 1),), {"batch_first": 1}, TypeError, "batch_first must be True or False"),
        ((Leaky(1, 1),), {"dropout": 1.5}, ValueError, "dropout must be a number from 0 to 1"),
    ],
)
def test_wrong_constructors(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Recurrent(*arguments, **options)


def test_wrong_arguments() -> None:
    layer = Recurrent(Leaky(3, 4))
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    for arguments, error, text in (
        ((x[0],), ValueError, "rank at least 3"),
        ((x, torch.zeros(2, 4)), TypeError, "list of the states of the 1 cells"),
        ((x, [None, None]), ValueError, "list of the states of the 1 cells, got 2 things"),
        ((x, None, [6, 1]), ValueError, "from 0 to the number of steps, 5, got 6 for row 0"),
    ):
        with pytest.raises(error, match=text):
            layer(*arguments)
