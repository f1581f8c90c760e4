"""The cells' arguments: states of every form, constructor arguments, what is refused and how it is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cells_support import BUILT_IN, B, D, N, built, random_state, random_tensor

from dynrnn import cells, nest
from dynrnn.cells import LSTMStateTuple

# -- states ------------------------------------------------------------------------------------------------------------


def test_lstm_state_tuple() -> None:
    pair = LSTMStateTuple(torch.zeros(2), torch.ones(2))
    c, h = pair
    assert c is pair.c
    assert h is pair.h
    assert pair.dtype is torch.float32
    assert repr(LSTMStateTuple(c=2, h=3)) == "LSTMStateTuple(c=2, h=3)"
    assert LSTMStateTuple(2, 3) == (2, 3)
    with pytest.raises(TypeError, match=r"Inconsistent internal state: c is torch\.float32, h is torch\.float64"):
        LSTMStateTuple(torch.zeros(2), torch.zeros(2, dtype=torch.float64)).dtype  # noqa: B018
    assert type(nest.map_structure(lambda leaf: leaf + 1, pair)) is LSTMStateTuple


LSTMS = [cells.BasicLSTMCell, cells.LSTMCell, cells.LayerNormBasicLSTMCell]


@pytest.mark.parametrize("make", LSTMS)
@pytest.mark.parametrize("kind", [tuple, list, lambda pair: LSTMStateTuple(*pair)])
def test_any_pair_is_an_lstm_state(make: Any, kind: Any) -> None:
    cell = make(N)
    x, state = random_tensor(B, D, dtype=torch.float32), random_state(cell, dtype=torch.float32)
    output, new = cell(x, kind(state))
    assert type(new) is LSTMStateTuple
    assert torch.equal(output, cell(x, state)[0])


@pytest.mark.parametrize("make", LSTMS)
def test_lstm_state_errors(make: Any) -> None:
    cell = make(N)
    x = torch.zeros(B, D)
    with pytest.raises(TypeError, match=r"expected state of \w+ to be a pair \(c, h\), got one Tensor"):
        cell(x, torch.zeros(2, N))
    with pytest.raises(ValueError, match=r"to be a pair \(c, h\), got 3 things"):
        cell(x, [torch.zeros(B, N)] * 3)
    with pytest.raises(ValueError, match=r"expected state\.h of \w+ to have shape \[2, 4\], got \[2, 5\]"):
        cell(x, (torch.zeros(B, N), torch.zeros(B, N + 1)))
    with pytest.raises(ValueError, match=r"expected state\.c of \w+ to have shape \[2, 4\], got \[3, 4\]"):
        cell(x, (torch.zeros(B + 1, N), torch.zeros(B, N)))
    with pytest.raises(ValueError, match=r"expected state\.c of \w+ to have shape \[2, 4\], got \[4\]"):
        cell(x, (torch.zeros(N), torch.zeros(B, N)))
    with pytest.raises(TypeError, match=r"state\.h of \w+ to be a tensor of shape \[batch, 4\], got NoneType"):
        cell(x, (torch.zeros(B, N), None))
    with pytest.raises(TypeError, match=r"expected state\.c of \w+ to have the dtype of the inputs, torch\.float32"):
        cell(x, (torch.zeros(B, N, dtype=torch.float64), torch.zeros(B, N)))


@pytest.mark.parametrize("make", [*LSTMS, cells.GRUCell, cells.BasicRNNCell])
def test_a_refused_call_builds_nothing(make: Any) -> None:
    cell = make(N)
    state = cell.zero_state(B, torch.float32)
    wide = nest.map_structure(lambda leaf: torch.zeros(B, N + 1), state)
    for inputs, bad_state, error in [
        (torch.zeros(B, D), wide, ValueError),
        (torch.zeros(B + 1, D), state, ValueError),
        (torch.zeros(B, D, dtype=torch.float64), state, TypeError),
        (torch.zeros(B, D, dtype=torch.int64), state, ValueError),
        (torch.zeros(B, 1, D), state, ValueError),
        ([[0.0] * D] * B, state, TypeError),
        (torch.zeros(B, D), None, TypeError),
    ]:
        with pytest.raises(error):
            cell(inputs, bad_state)
        assert not cell.built
        assert cell.dtype is None
    cell(torch.zeros(B, D), state)
    assert cell.built


def test_joined_state_errors() -> None:
    cell = cells.LSTMCell(N, num_proj=2, state_is_tuple=False)
    with pytest.raises(ValueError, match=r"expected state of lstm_cell to have shape \[2, 6\], got \[2, 8\]"):
        cell(torch.zeros(B, D), torch.zeros(B, 8))
    with pytest.raises(TypeError, match=r"to be a tensor of shape \[batch, 6\], got tuple"):
        cell(torch.zeros(B, D), (torch.zeros(B, N), torch.zeros(B, 2)))


@pytest.mark.parametrize("make", [cells.BasicRNNCell, cells.GRUCell])
def test_single_state_errors(make: Any) -> None:
    cell = make(N)
    with pytest.raises(ValueError, match=r"expected state of \w+ to have shape \[2, 4\], got \[2, 3\]"):
        cell(torch.zeros(B, D), torch.zeros(B, 3))
    with pytest.raises(TypeError, match=r"to be a tensor of shape \[batch, 4\], got list"):
        cell(torch.zeros(B, D), [torch.zeros(B, N)])
    with pytest.raises(TypeError, match=r"to have the dtype of the inputs, torch\.float64, got torch\.float32"):
        cell(torch.zeros(B, D, dtype=torch.float64), torch.zeros(B, N))


# -- constructor arguments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BUILT_IN)
def test_bad_num_units(make: Any) -> None:
    with pytest.raises(ValueError, match="expected num_units to be a positive integer, got 0"):
        make(0)
    with pytest.raises(TypeError, match=r"expected num_units to be a positive integer, got float 2\.5"):
        make(2.5)
    assert make(np.int64(3)).output_size == 3


@pytest.mark.parametrize("name", ["cell_clip", "proj_clip"])
def test_bad_clips(name: str) -> None:
    make: Any = cells.LSTMCell
    with pytest.raises(ValueError, match=f"expected {name} to be at least 0, got -1"):
        make(2, **{name: -1})
    with pytest.raises(TypeError, match=f"expected {name} to be None, a number or a scalar tensor, got str"):
        make(2, **{name: "1"})


def test_bad_lstm_arguments() -> None:
    with pytest.raises(ValueError, match="expected num_proj to be a positive integer, got 0"):
        cells.LSTMCell(2, num_proj=0)
    with pytest.raises(TypeError, match="expected initializer to be None, a number or a callable"):
        cells.LSTMCell(2, initializer="zeros")
    with pytest.raises(TypeError, match="expected kernel_initializer to be None, a number or a callable"):
        cells.GRUCell(2, kernel_initializer=[1])
    with pytest.warns(UserWarning, match="num_unit_shards and num_proj_shards are deprecated and ignored") as caught:
        cells.LSTMCell(2, num_unit_shards=2)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match=r"Parameter dropout_keep_prob must be between 0 and 1: 1\.5"):
        cells.LayerNormBasicLSTMCell(2, dropout_keep_prob=1.5)


def test_clip_may_be_a_tensor() -> None:
    by_number, by_tensor = (
        built(cells.LSTMCell(N, cell_clip=bound, num_proj=2, proj_clip=bound), D)
        for bound in (0.2, torch.tensor(0.2, dtype=torch.float64))
    )
    x, state = random_tensor(B, D), random_state(by_number)
    assert torch.equal(by_number(x, state)[0], by_tensor(x, state)[0])


@pytest.mark.parametrize("make", [*BUILT_IN[:4]])
def test_reuse_and_name_are_stored(make: Any) -> None:
    cell = make(2, reuse=True, name="mine")
    assert cell._reuse is True
    assert cell.scope_name == "mine"


def test_positional_order_is_tensorflows() -> None:
    lstm = cells.LSTMCell(4, True, 1.0, 0.5, 2, 3.0, None, None, 0.25, False, "relu", None, "n", torch.float64)
    assert (lstm._use_peepholes, lstm._cell_clip, lstm._initializer) == (True, 1.0, 0.5)
    assert (lstm._num_proj, lstm._proj_clip, lstm._forget_bias) == (2, 3.0, 0.25)
    assert (lstm._state_is_tuple, lstm._activation, lstm.scope_name) == (False, torch.relu, "n")
    assert lstm.dtype is torch.float64
    basic = cells.BasicLSTMCell(4, 0.5, False, torch.relu, None, "b", torch.float64)
    assert (basic._forget_bias, basic._state_is_tuple, basic._activation) == (0.5, False, torch.relu)
    gru = cells.GRUCell(4, torch.relu, None, 0.1, 0.2, "g", torch.float64)
    assert (gru._kernel_initializer, gru._bias_initializer, gru.scope_name) == (0.1, 0.2, "g")
    norm = cells.LayerNormBasicLSTMCell(4, 0.5, 3, torch.relu, True, 2.0, 0.5, 0.9, 11, None)
    assert norm.built
    assert (norm._norm_gain, norm._norm_shift, norm._keep_prob, norm._seed) == (2.0, 0.5, 0.9, 11)


REPRS = {
    "BasicRNNCell(num_units=2, input_size=3)": lambda: cells.BasicRNNCell(2, input_size=3),
    "GRUCell(num_units=2)": lambda: cells.GRUCell(2),
    "BasicLSTMCell(num_units=2, forget_bias=0.0, state_is_tuple=False)": lambda: cells.BasicLSTMCell(2, 0.0, False),
    "LSTMCell(num_units=2)": lambda: cells.LSTMCell(2, forget_bias=1),
    "LSTMCell(num_units=2, use_peepholes=True, cell_clip=1.0, num_proj=1)": lambda: cells.LSTMCell(2, True, 1, None, 1),
    "LayerNormBasicLSTMCell(num_units=2, dropout_keep_prob=0.5)": lambda: cells.LayerNormBasicLSTMCell(
        2, dropout_keep_prob=0.5
    ),
}


@pytest.mark.parametrize("text", REPRS)
def test_repr(text: str) -> None:
    lines = repr(REPRS[text]()).splitlines()
    if len(lines) == 1:
        assert lines[0] == text
    else:  # weights in groups are submodules, and torch then gives every part a line
        assert text == f"{lines[0]}{lines[1].strip()})"
