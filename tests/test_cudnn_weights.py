"""`dynrnn.cells.cudnn`: the cuDNN cells against torch's, and its weights from one form to the other and back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cells_support import built, random_tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import cells
from dynrnn.cells import cudnn

EXACT: Any = {"rtol": 1e-12, "atol": 1e-12}
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 2))
quick = settings(max_examples=25, deadline=None)


def canonical(mode: str, sizes: tuple[int, int, int, int]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    shapes, bias_shapes = cudnn.canonical_shapes(mode, *sizes)
    return (
        [random_tensor(*shape, seed=i) for i, shape in enumerate(shapes)],
        [random_tensor(*shape, seed=100 + i) for i, shape in enumerate(bias_shapes)],
    )


@quick
@given(st.sampled_from(sorted(cudnn.GATES)), SIZES)
def test_opaque_and_back(mode: str, sizes: tuple[int, int, int, int]) -> None:
    weights, biases = canonical(mode, sizes)
    opaque = cudnn.canonical_to_opaque(weights, biases)
    assert opaque.shape == (cudnn.opaque_size(mode, *sizes),)
    again = cudnn.opaque_to_canonical(opaque, mode, *sizes)
    for before, after in zip([*weights, *biases], [*again[0], *again[1]], strict=True):
        assert torch.equal(before, after)


@quick
@given(st.sampled_from(sorted(cudnn.GATES)), st.integers(1, 4), st.integers(1, 4))
def test_cell_and_back(mode: str, units: int, depth: int) -> None:
    weights, biases = canonical(mode, (1, units, depth, 1))
    cell = cudnn.canonical_to_cell(mode, weights, biases)
    again, halves = cudnn.cell_to_canonical(mode, cell, units)
    for before, after in zip(weights, again, strict=True):
        assert torch.equal(before, after)
    # biases come back as halves of their sums, where there is one in the cell, so that the cell is the same
    same = cudnn.canonical_to_cell(mode, again, halves)
    assert same.keys() == cell.keys()
    for name, value in cell.items():
        torch.testing.assert_close(same[name], value, **EXACT)
    assert [h.shape for h in halves] == [b.shape for b in biases]


@quick
@given(st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_cells_are_torchs(units: int, depth: int, lstm: bool) -> None:
    mode, kind = ("lstm", torch.nn.LSTMCell) if lstm else ("gru", torch.nn.GRUCell)
    other = kind(depth, units, dtype=torch.float64)
    gates = cudnn.GATES[mode]
    weights = [*torch.split(other.weight_ih, units), *torch.split(other.weight_hh, units)]
    biases = [*torch.split(other.bias_ih, units), *torch.split(other.bias_hh, units)]
    assert len(weights) == 2 * gates
    make: Any = cells.CudnnCompatibleLSTMCell if lstm else cells.CudnnCompatibleGRUCell
    cell = built(make(units), depth)
    values = {name.replace("/", "."): w for name, w in cudnn.canonical_to_cell(mode, weights, biases).items()}
    cell.load_state_dict(values)
    x, h, c = random_tensor(3, depth), random_tensor(3, units, seed=2), random_tensor(3, units, seed=3)
    if lstm:
        want_h, want_c = other(x, (h, c))
        output, state = cell(x, (c, h))
        torch.testing.assert_close(state.c, want_c, **EXACT)
    else:
        want_h = other(x, h)
        output, state = cell(x, h)
        assert output is state
    torch.testing.assert_close(output, want_h, **EXACT)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="Invalid rnn_mode: elman, expect one of"):
        cudnn.canonical_shapes("elman", 1, 2, 3)
    with pytest.raises(ValueError, match="expected 8 weights and biases of a layer of mode 'lstm', got 2 and 8"):
        cudnn.canonical_to_cell("lstm", [torch.zeros(1)] * 2, [torch.zeros(1)] * 8)
    with pytest.raises(KeyError):
        cudnn.cell_to_canonical("lstm", {"kernel": torch.zeros(3, 8)}, 2)
