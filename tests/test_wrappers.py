"""Wrappers but dropout: what they add, in numpy; stacks of cells; what counts as a cell; error texts."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cells_support as support
import numpy as np
import pytest
import torch
from cells_support import (
    B,
    D,
    Echo,
    N,
    built,
    numpy_weights,
    plain_module,
    quiet_multi,
    random_state,
    random_tensor,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import cells, nest
from dynrnn.cells import LSTMStateTuple

EXACT: Any = {"rtol": 1e-12, "atol": 1e-12}
WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "DropoutWrapper": lambda cell: cells.DropoutWrapper(cell),
    "ResidualWrapper": lambda cell: cells.ResidualWrapper(cell),
    "HighwayWrapper": lambda cell: cells.HighwayWrapper(cell),
    "InputProjectionWrapper": lambda cell: cells.InputProjectionWrapper(cell, 3),
    "OutputProjectionWrapper": lambda cell: cells.OutputProjectionWrapper(cell, 3),
    "EmbeddingWrapper": lambda cell: cells.EmbeddingWrapper(cell, 3, 3),
    "MultiRNNCell": lambda cell: cells.MultiRNNCell([cell]),
}


def f32(*shape: int, seed: int = 1) -> torch.Tensor:
    return random_tensor(*shape, dtype=torch.float32, seed=seed)


# -- what is a cell ----------------------------------------------------------------------------------------------------


class Lacking:
    output_size = 3

    def __call__(self, inputs: Any, state: Any) -> Any:
        return inputs, state


class Duck(Lacking):
    state_size = 3


@pytest.mark.parametrize("name", WRAPPERS)
def test_what_is_not_a_cell(name: str) -> None:
    wrap = WRAPPERS[name]
    which = r"'cells\[0\]'" if name == "MultiRNNCell" else "'cell'"
    with pytest.raises(TypeError, match=rf"The argument {which} .*is not an RNNCell: 'state_size' property is missing"):
        wrap(Lacking())
    with pytest.raises(TypeError, match=r"is not an RNNCell: 'output_size'.*'state_size'.*is not callable"):
        wrap(object())
    with pytest.raises(TypeError, match=r"is not an RNNCell: .*is a class, expected an object of it"):
        wrap(cells.GRUCell)
    with pytest.raises(TypeError, match="is not an RNNCell"):
        wrap(None)


@pytest.mark.parametrize("name", WRAPPERS)
def test_any_callable_with_sizes_is_a_cell(name: str) -> None:
    def function(inputs: Any, state: Any) -> Any:
        return inputs + 1, state * 2

    function.state_size = function.output_size = D  # type: ignore[attr-defined]
    for inner in (Duck(), plain_module(D, D), function, cells.GRUCell(D)):
        cell = WRAPPERS[name](inner)
        inputs = torch.tensor([0, 2]) if name == "EmbeddingWrapper" else f32(B, D)
        state = cell.zero_state(B, torch.float32)
        output, new = cell(inputs, state)
        assert output.shape == (B, D)
        nest.assert_same_structure(cell.state_size, new)
        if name != "MultiRNNCell":
            assert cell.wrapped_cell is cell.cell is inner
            assert cell.state_size == D


def test_sizes_and_zero_state_delegate() -> None:
    class Ones(cells.GRUCell):
        def zero_state(self, batch_size: Any, dtype: Any = None, *, device: Any = None) -> Any:
            return torch.ones(batch_size, 2, dtype=dtype, device=device)

    class DuckZeros(Duck):
        def zero_state(self, batch_size: Any, dtype: Any) -> Any:
            return torch.full([batch_size, 3], 2.0, dtype=dtype)

    for name, wrap in WRAPPERS.items():
        for inner, value in ((Ones(2), 1.0), (DuckZeros(), 2.0)):
            cell = wrap(inner)
            (state,) = nest.flatten(cell.zero_state(4, torch.float64))
            assert state.dtype is torch.float64
            assert set(state.flatten().tolist()) == {value}, name
            expected = 3 if name == "OutputProjectionWrapper" else inner.output_size
            assert cell.output_size == expected
    assert cells.DropoutWrapper(plain_module().to("meta")).zero_state(2).is_meta


# -- MultiRNNCell ------------------------------------------------------------------------------------------------------


def test_multi_is_its_cells_in_a_row() -> None:
    parts: list[Any] = [cells.LSTMCell(4), cells.DropoutWrapper(cells.GRUCell(2)), cells.BasicRNNCell(5)]
    cell = built(cells.MultiRNNCell(parts))
    assert cell.cells == cell._cells == parts
    assert cell.state_size == (LSTMStateTuple(4, 4), 2, 5)
    assert cell.output_size == 5
    x, state = random_tensor(B, D), random_state(cell)
    y0, s0 = parts[0](x, state[0])
    y1, s1 = parts[1](y0, state[1])
    y2, s2 = parts[2](y1, state[2])
    output, new = cell(x, list(state))
    assert type(new) is tuple
    assert torch.equal(output, y2)
    for got, want in zip(nest.flatten(new), nest.flatten((s0, s1, s2)), strict=True):
        assert torch.equal(got, want)


def test_multi_joined_state() -> None:
    joined, apart = (
        built(cells.MultiRNNCell([cells.GRUCell(4), cells.LSTMCell(2, state_is_tuple=False)], state_is_tuple=flag))
        for flag in (False, True)
    )
    assert joined.state_size == 8
    assert apart.state_size == (4, 4)
    x, state = random_tensor(B, D), random_tensor(B, 8)
    output, new = joined(x, state)
    want, (first, second) = apart(x, (state[:, :4], state[:, 4:]))
    assert torch.equal(output, want)
    assert torch.equal(new, torch.cat([first, second], 1))
    assert torch.equal(joined.zero_state(B, torch.float64), torch.zeros(B, 8, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"expected state of multi_rnn_cell to have shape \[2, 8\], got \[2, 7\]"):
        joined(x, random_tensor(B, 7))
    with pytest.raises(TypeError, match=r"to be a tensor of shape \[batch, 8\], got tuple"):
        joined(x, (state, state))


def test_multi_opens_a_subscope_for_each_cell() -> None:
    from contextlib import contextmanager

    log: list[str] = []

    class Scoped(cells.MultiRNNCell):
        @contextmanager
        def subscope(self, name: str) -> Any:
            log.append(name)
            yield
            log.append("out")

    cell = Scoped([cells.GRUCell(2), cells.GRUCell(2)])
    cell(f32(B, D), cell.zero_state(B))
    assert log == ["cell_0", "out", "cell_1", "out"]


def test_multi_errors() -> None:
    with pytest.raises(ValueError, match=r"Must specify at least one cell for MultiRNNCell\."):
        cells.MultiRNNCell([])
    with pytest.raises(TypeError, match=r"cells must be a list or tuple, but saw: 3\."):
        cells.MultiRNNCell(3)
    with pytest.raises(TypeError, match="cells must be a list or tuple, but saw: GRUCell"):
        cells.MultiRNNCell(cells.GRUCell(2))
    with pytest.raises(
        ValueError,
        match=r"Some cells return tuples of states, but the flag state_is_tuple is not set\. State sizes are: "
        r"\[LSTMStateTuple\(c=2, h=2\), 3\]",
    ):
        cells.MultiRNNCell([cells.LSTMCell(2), cells.GRUCell(3)], state_is_tuple=False)
    cell = cells.MultiRNNCell([cells.GRUCell(2), cells.GRUCell(3)])
    for bad in (torch.zeros(B, 5), (torch.zeros(B, 2),), None, {"a": 1, "b": 2}):
        with pytest.raises(ValueError, match="Expected state to be a tuple of length 2, but received:"):
            cell(f32(B, D), bad)
    assert not cell.cell_0.built


def test_multi_takes_a_module_list() -> None:
    parts = torch.nn.ModuleList([cells.GRUCell(2), cells.GRUCell(3)])
    assert cells.MultiRNNCell(parts).state_size == (2, 3)


def test_multi_input_size_builds_the_chain() -> None:
    cell = cells.MultiRNNCell(
        [cells.InputProjectionWrapper(cells.LSTMCell(4, num_proj=6), 2), cells.GRUCell(5)], input_size=3
    )
    assert cell.cell_0.kernel.shape == (3, 2)
    assert cell.cell_0.cell.kernel.shape == (8, 16)
    assert cell.cell_1.gates.kernel.shape == (11, 10)
    with pytest.raises(TypeError, match=r"expected cells\[0\]\.output_size to be a positive integer, got tuple"):
        duck = Duck()
        duck.output_size = (1, 2)  # type: ignore[assignment]
        cells.MultiRNNCell([duck, cells.GRUCell(2)], input_size=3)


def test_one_cell_twice_warns_and_shares() -> None:
    shared = cells.GRUCell(D)
    text = "At least two cells provided to MultiRNNCell are the same object and will share weights"
    with pytest.warns(UserWarning, match=text) as caught:
        cell = cells.MultiRNNCell([shared, cells.GRUCell(D), shared])
    assert caught[0].filename == __file__
    assert cell.cells[0] is cell.cells[2] is shared
    x, state = f32(B, D), random_state(cell, dtype=torch.float32)
    output, _ = cell(x, state)
    assert {name.split(".")[0] for name in cell.state_dict()} == {"cell_0", "cell_1"}
    y0, _ = cell.cell_0(x, state[0])
    y1, _ = cell.cell_1(y0, state[1])
    assert torch.equal(output, cell.cell_0(y1, state[2])[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cells.MultiRNNCell([cells.GRUCell(2), cells.GRUCell(2)])


def test_one_cell_twice_needs_one_width() -> None:
    cell = quiet_multi([cells.GRUCell(4)] * 2)
    with pytest.raises(ValueError, match=r"expected inputs of width 3, .*got shape \[2, 4\]"):
        cell(f32(B, 3), cell.zero_state(B))


# -- ResidualWrapper, HighwayWrapper -----------------------------------------------------------------------------------


def test_residual() -> None:
    inner = built(cells.GRUCell(D))
    cell = cells.ResidualWrapper(inner)
    x, state = random_tensor(B, D), random_tensor(B, D, seed=2)
    output, new = cell(x, state)
    want, want_state = inner(x, state)
    assert torch.equal(output, x + want)
    assert torch.equal(new, want_state)
    nested = cells.ResidualWrapper(Echo(2, (2, {"a": 3})))
    inputs = (torch.ones(1, 2), {"a": torch.ones(1, 3)})
    output, _ = nested(inputs, torch.ones(1, 2))
    assert torch.equal(output[1]["a"], torch.full([1, 3], 2.0))


def test_residual_function() -> None:
    cell = cells.ResidualWrapper(built(cells.GRUCell(N)), lambda inputs, outputs: outputs - inputs[:, :1])
    x, state = random_tensor(B, D), random_tensor(B, N)
    assert torch.equal(cell(x, state)[0], cell.cell(x, state)[0] - x[:, :1])
    with pytest.raises(TypeError, match="expected residual_fn to be callable, got int"):
        cells.ResidualWrapper(cells.GRUCell(2), 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrap", [cells.ResidualWrapper, cells.HighwayWrapper])
def test_shortcut_needs_equal_shapes(wrap: Any) -> None:
    cell = wrap(cells.GRUCell(N))
    with pytest.raises(ValueError, match=r"Shapes \(2, 3\) and \(2, 4\) are incompatible"):
        cell(f32(B, D), f32(B, N))
    with pytest.raises(ValueError, match=r"expected the output of the wrapped cell to have the structure"):
        wrap(plain_like(lambda x, s: ((x, x), s)))(f32(B, D), f32(B, D))


def plain_like(function: Callable[[Any, Any], Any]) -> Any:
    class Plain(Duck):
        def __call__(self, inputs: Any, state: Any) -> Any:
            return function(inputs, state)

    return Plain()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.booleans())
def test_highway_formula(width: int, coupled: bool) -> None:
    cell = built(cells.HighwayWrapper(cells.GRUCell(width), coupled), width)
    x, h = random_tensor(B, width), random_tensor(B, width, seed=2)
    output, new = cell(x, h)
    weights = numpy_weights(cell)
    inner = support.numpy_gru(
        {name.removeprefix("cell."): weight for name, weight in weights.items()}, x.numpy(), h.numpy()
    )
    carry = support.sigmoid(x.numpy() @ weights["carry_w"] + weights["carry_b"])
    transform = 1 - carry
    if not coupled:
        transform = support.sigmoid(x.numpy() @ weights["transform_w"] + weights["transform_b"])
    np.testing.assert_allclose(output.detach().numpy(), x.numpy() * carry + inner * transform, **EXACT)
    np.testing.assert_allclose(new.detach().numpy(), inner, **EXACT)


def test_highway_initial_biases() -> None:
    cell = cells.HighwayWrapper(cells.GRUCell(D), False, 2.5, input_size=D)
    assert torch.equal(cell.carry_b, torch.full([D], 2.5))
    assert torch.equal(cell.transform_b, torch.full([D], -2.5))
    assert torch.equal(cells.HighwayWrapper(cells.GRUCell(D), input_size=D).carry_b, torch.ones(D))
    assert not torch.equal(cell.carry_w, torch.zeros(D, D))


# -- projections and embedding -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [None, "relu", torch.tanh])
def test_projections(activation: Any) -> None:
    act = (lambda x: x) if activation is None else cells.get_activation(activation)
    x, state = random_tensor(B, D), random_tensor(B, N)
    before = built(cells.InputProjectionWrapper(cells.GRUCell(N), 5, activation))
    output, _ = before(x, state)
    torch.testing.assert_close(output, before.cell(act(x @ before.kernel + before.bias), state)[0], **EXACT)
    assert before.output_size == N
    after = built(cells.OutputProjectionWrapper(cells.GRUCell(N), 5, activation))
    output, new = after(x, state)
    inner, want_state = after.cell(x, state)
    torch.testing.assert_close(output, act(inner @ after.kernel + after.bias), **EXACT)
    assert torch.equal(new, want_state)
    assert after.output_size == 5


@pytest.mark.parametrize("ids", [torch.tensor([2, 0]), torch.tensor([[2], [0]], dtype=torch.int32)])
def test_embedding(ids: torch.Tensor) -> None:
    cell = built(cells.EmbeddingWrapper(cells.LSTMCell(N), 3, 5), 1)
    state = random_state(cell)
    output, new = cell(ids, state)
    want, want_state = cell.cell(cell.embedding[[2, 0]], state)
    assert torch.equal(output, want)
    assert torch.equal(new.c, want_state.c)
    output.sum().backward()
    assert cell.embedding.grad[1].abs().sum() == 0
    assert cell.embedding.grad[2].abs().sum() > 0


def test_embedding_weights() -> None:
    from_state = cells.EmbeddingWrapper(cells.GRUCell(N), 1000, 5)
    from_state(torch.tensor([1]), torch.zeros(1, N, dtype=torch.float64))
    embedding = from_state.embedding.detach()
    assert embedding.dtype is torch.float64
    assert 1.7 < float(embedding.max()) <= 3**0.5
    assert -(3**0.5) <= float(embedding.min()) < -1.7
    given_value = cells.EmbeddingWrapper(cells.GRUCell(N), 4, 5, initializer=0.5, input_size=1)
    assert torch.equal(given_value.embedding, torch.full([4, 5], 0.5))
    assert given_value.cell.built
    given_value(torch.tensor([[1]]), torch.zeros(1, N))


def test_projection_and_embedding_errors() -> None:
    inner = cells.GRUCell(N)
    with pytest.raises(ValueError, match="expected num_proj to be a positive integer, got 0"):
        cells.InputProjectionWrapper(inner, 0)
    for bad in (0, -2):
        with pytest.raises(ValueError, match=rf"Parameter output_size must be > 0: {bad}\."):
            cells.OutputProjectionWrapper(inner, bad)
    with pytest.raises(TypeError, match="expected output_size to be a positive integer, got str"):
        cells.OutputProjectionWrapper(inner, "4")  # type: ignore[arg-type]
    for sizes in ((0, 2), (2, -1)):
        text = rf"Both embedding_classes and embedding_size must be > 0: {sizes[0]}, {sizes[1]}\."
        with pytest.raises(ValueError, match=text):
            cells.EmbeddingWrapper(inner, *sizes)
    with pytest.raises(TypeError, match=r"expected embedding_size to be a positive integer, got float 2\.0"):
        cells.EmbeddingWrapper(inner, 2, 2.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected initializer to be None, a number or a callable"):
        cells.EmbeddingWrapper(inner, 2, 2, "ones")
    embedding = cells.EmbeddingWrapper(inner, 2, 2)
    for dtype in (torch.float32, torch.uint8, torch.bool):
        with pytest.raises(TypeError, match=f"embedding_wrapper to be ids of int32 or int64, got {dtype}"):
            embedding(torch.zeros(B, dtype=dtype), torch.zeros(B, N))
    embedding(torch.tensor([0, 1]), torch.zeros(B, N))
    with pytest.raises(TypeError, match=r"expected the first state of embedding_wrapper to have the dtype of its weig"):
        embedding(torch.tensor([0, 1]), torch.zeros(B, N, dtype=torch.float64))
    with pytest.raises(IndexError):
        embedding(torch.tensor([0, 2]), torch.zeros(B, N))


@pytest.mark.parametrize("name", ["InputProjectionWrapper", "HighwayWrapper"])
def test_refused_inputs(name: str) -> None:
    cell = WRAPPERS[name](plain_like(lambda x, s: (x, s)))
    cell(f32(B, D), f32(B, D))
    with pytest.raises(ValueError, match=r"expected inputs of width 3, .*got shape \[2, 5\]"):
        cell(f32(B, 5), f32(B, D))
    with pytest.raises(ValueError, match="expected ndim=2, found ndim=3"):
        cell(f32(B, 1, D), f32(B, D))
    with pytest.raises(TypeError, match="dtype of its weights"):
        cell(random_tensor(B, D), random_tensor(B, D))


def test_positional_order_is_tensorflows() -> None:
    inner = cells.GRUCell(N)

    def visitor(state: Any) -> bool:
        return True

    dropout = cells.DropoutWrapper(inner, 0.5, 0.6, 0.7, True, 3, torch.float64, 9, visitor)
    assert (dropout._input_keep_prob, dropout._output_keep_prob, dropout._state_keep_prob) == (0.5, 0.6, 0.7)
    assert (dropout._variational_recurrent, dropout._mask_input_size, dropout.dtype) == (True, 3, torch.float64)
    assert (dropout._seed, dropout._state_filter) == (9, visitor)
    before = cells.InputProjectionWrapper(inner, 2, "relu", 6, True)
    assert (before._num_proj, before._activation, before._reuse) == (2, torch.relu, True)
    assert before.kernel.shape == (6, 2)
    after = cells.OutputProjectionWrapper(cells.GRUCell(N), 2, "relu", True)
    assert (after._output_size, after._activation, after._reuse) == (2, torch.relu, True)
    embedding = cells.EmbeddingWrapper(cells.GRUCell(N), 2, 3, 0.5, True)
    assert (embedding._embedding_classes, embedding._embedding_size) == (2, 3)
    assert (embedding._initializer, embedding._reuse) == (0.5, True)
    highway = cells.HighwayWrapper(cells.GRUCell(N), False, 2.0)
    assert (highway._couple_carry_transform_gates, highway._carry_bias_init) == (False, 2.0)


def test_a_wrappers_dtype_is_for_its_cell_too() -> None:
    for name in ("HighwayWrapper", "InputProjectionWrapper", "OutputProjectionWrapper", "EmbeddingWrapper"):
        make: Any = getattr(cells, name)
        sizes = {"HighwayWrapper": (), "EmbeddingWrapper": (3, 3)}.get(name, (3,))
        cell = make(cells.GRUCell(D), *sizes, dtype=torch.float64, input_size=D)
        assert {weight.dtype for weight in cell.parameters()} == {torch.float64}, name
        assert cell.cell.built
