"""RNNCell: building, sizes, zero states, saving and copying, every error text."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from cells_support import BUILT_IN, CATALOGUE, B, D, N, random_state, random_tensor, randomise
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import cells, nest

# Cells with classes that pickle can find again.
PICKLED = sorted(set(CATALOGUE) - {"wrapped_module"})


def f32(*shape: int, seed: int = 1) -> torch.Tensor:
    return random_tensor(*shape, dtype=torch.float32, seed=seed)


# -- building ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BUILT_IN)
def test_weights_come_with_the_first_call(make: Any) -> None:
    cell = make(N)
    assert not cell.built
    assert cell.dtype is None
    assert list(cell.parameters()) == []
    cell(f32(B, D), cell.zero_state(B, torch.float32))
    assert cell.built
    assert all(weight.requires_grad and weight.is_leaf for weight in cell.parameters())
    before = list(cell.parameters())
    cell(f32(5, D), cell.zero_state(5))
    assert all(now is then for now, then in zip(cell.parameters(), before, strict=True))


@pytest.mark.parametrize("make", BUILT_IN)
def test_input_size_builds_at_once(make: Any) -> None:
    cell = make(N, input_size=D, dtype=torch.float64)
    assert cell.built
    optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
    output, _ = cell(random_tensor(B, D), cell.zero_state(B))
    output.sum().backward()
    before = [weight.detach().clone() for weight in cell.parameters()]
    optimizer.step()
    assert any(not torch.equal(old, new) for old, new in zip(before, cell.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("make", BUILT_IN)
def test_dtype_of_the_weights(make: Any, dtype: torch.dtype) -> None:
    from_input, given, defaulted = make(N), make(N, dtype=dtype, input_size=D), make(N, input_size=D)
    from_input(random_tensor(B, D, dtype=dtype), from_input.zero_state(B, dtype))
    for cell in (from_input, given):
        assert {weight.dtype for weight in cell.parameters()} == {dtype}
        assert cell.dtype is dtype
        assert {leaf.dtype for leaf in nest.flatten(cell.zero_state(1))} == {dtype}
    assert {weight.dtype for weight in defaulted.parameters()} == {torch.get_default_dtype()}


def test_weights_born_in_inference_mode_can_be_trained() -> None:
    cell = cells.LSTMCell(N)
    with torch.inference_mode():
        cell(f32(B, D), cell.zero_state(B, torch.float32))
    x = f32(B, D).requires_grad_()
    cell(x, cell.zero_state(B))[0].sum().backward()
    assert x.grad is not None
    before = cell.kernel.detach().clone()
    torch.optim.SGD(cell.parameters(), lr=0.1).step()
    assert not torch.equal(before, cell.kernel)


def test_subclass_constructors_finish_before_building() -> None:
    class Scaled(cells.BasicRNNCell):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(units, **kwargs)
            self.start = 3.0

        def build(self, depth: int) -> None:
            super().build(depth)
            self.add_weight("scale", [1], self.start)

    assert float(Scaled(2, input_size=3).scale.detach()) == 3.0


def test_ensure_built() -> None:
    cell = cells.GRUCell(N)
    cell.ensure_built(D, torch.float64)
    assert cell.dtype is torch.float64
    kernel = cell.gates.kernel
    cell.ensure_built(D)
    assert cell.gates.kernel is kernel
    with pytest.raises(ValueError, match="gru_cell is built for inputs of width 3, got width 4"):
        cell.ensure_built(4)
    with pytest.raises(ValueError, match="expected depth to be a positive integer, got 0"):
        cells.GRUCell(N).ensure_built(0)


@pytest.mark.parametrize("name", CATALOGUE)
def test_moving(name: str) -> None:
    """.to() counts before the weights are there and after."""
    early, late = CATALOGUE[name]().double(), CATALOGUE[name]()
    late(f32(B, D), random_state(late, dtype=torch.float32))
    late.double()
    for cell in (early, late):
        output, _ = cell(random_tensor(B, D), random_state(cell))
        assert output.dtype is torch.float64
        assert {weight.dtype for weight in cell.parameters()} == {torch.float64}


def test_moving_to_a_device() -> None:
    early = cells.LSTMCell(N, num_proj=2).to("meta")
    early.ensure_built(D)
    late = cells.LSTMCell(N, num_proj=2, input_size=D).to(torch.device("meta"))
    given = cells.LSTMCell(N, num_proj=2, device="meta", input_size=D)
    for cell in (early, late, given):
        assert {weight.device.type for weight in cell.parameters()} == {"meta"}
        assert cell.zero_state(2).h.device.type == "meta"
        assert cell.dtype is torch.float32
    on_input = cells.GRUCell(N)
    output, _ = on_input(torch.zeros(B, D, device="meta"), torch.zeros(B, N, device="meta"))
    assert output.is_meta
    assert on_input.gates.kernel.is_meta


def test_moving_without_naming_a_dtype_leaves_it_open() -> None:
    cell = cells.GRUCell(N).to("cpu").requires_grad_(True)
    assert cell.dtype is None
    assert cells.GRUCell(N).half().dtype is torch.float16


def test_autocast_takes_mixed_dtypes() -> None:
    for make in BUILT_IN:
        cell = make(N, input_size=D)
        state: Any = cell.zero_state(B)
        with torch.autocast("cpu", torch.bfloat16):
            output, _ = cell(f32(B, D).bfloat16(), state)
            half = nest.map_structure(lambda leaf: leaf.bfloat16(), state)
            again, _ = cell(f32(B, D), half)
        want, _ = cell(f32(B, D), state)
        for got in (output, again):
            torch.testing.assert_close(got.float(), want, rtol=0.05, atol=0.05)
        with pytest.raises(TypeError):
            cell(f32(B, D).bfloat16(), state)
        with pytest.raises(TypeError):
            cell(f32(B, D), half)


def test_functional_call_may_bring_weights_of_another_dtype() -> None:
    cell = cells.BasicRNNCell(N, input_size=D)
    weights = {name: weight.detach().double() for name, weight in cell.named_parameters()}
    args = (random_tensor(B, D), random_tensor(B, N))
    output, _ = torch.func.functional_call(cell, weights, args)
    assert output.dtype is torch.float64


def test_tracing_a_step() -> None:
    """A built cell is traceable, and a traced one equals it."""
    from torch.fx.experimental.proxy_tensor import make_fx

    cell = cells.LSTMCell(N, True, 0.5, None, 2, 0.4, input_size=D)
    x, c, h = f32(B, D), f32(B, N), f32(B, 2)
    traced = make_fx(lambda x, c, h: cell(x, (c, h)))(x, c, h)
    output, state = cell(x, (c, h))
    again, again_state = traced(x, c, h)
    assert torch.equal(output, again)
    assert torch.equal(state.c, again_state.c)


# -- refused inputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BUILT_IN)
def test_refused_inputs(make: Any) -> None:
    cell = make(N, input_size=D)
    name, state = cell.scope_name, cell.zero_state(B)
    with pytest.raises(ValueError, match=rf"{name} is incompatible.* expected ndim=2, found ndim=3.*\[2, 1, 3\]"):
        cell(torch.zeros(B, 1, D), state)
    with pytest.raises(ValueError, match="expected ndim=2, found ndim=1"):
        cell(torch.zeros(D), state)
    for dtype in (torch.int32, torch.bool, torch.complex64):
        with pytest.raises(ValueError, match=f"RNN cell only supports floating point inputs, but saw dtype: {dtype}"):
            cell(torch.zeros(B, D, dtype=dtype), state)
    with pytest.raises(ValueError, match=rf"{name} .*expected inputs of width 3, .*got shape \[2, 5\]"):
        cell(torch.zeros(B, 5), state)
    with pytest.raises(TypeError, match=f"expected inputs of {name} to be a torch.Tensor, got ndarray"):
        cell(np.zeros((B, D), np.float32), state)
    with pytest.raises(TypeError, match=r"to have the dtype of its weights, torch\.float32, got torch\.float64"):
        cell(torch.zeros(B, D, dtype=torch.float64), cell.zero_state(B, torch.float64))


@pytest.mark.parametrize("make", BUILT_IN)
def test_refused_common_arguments(make: Any) -> None:
    with pytest.raises(ValueError, match=r"RNN cell only supports floating point inputs, but saw dtype: torch\.int32"):
        make(N, dtype=torch.int32)
    with pytest.raises(TypeError, match=r"expected dtype to be a torch\.dtype, got str 'float32'"):
        make(N, dtype="float32")
    with pytest.raises(TypeError, match="expected name to be a string, got int"):
        make(N, name=3)
    with pytest.raises(ValueError, match="expected input_size to be a positive integer, got 0"):
        make(N, input_size=0)
    with pytest.raises(TypeError, match="expected input_size to be a positive integer, got str 'x'"):
        make(N, input_size="x")


# -- zero states -------------------------------------------------------------------------------------------------------


class Nested(cells.RNNCell):
    """A state of several shapes."""

    output_size = 4

    @property
    def state_size(self) -> Any:
        return {"map": torch.Size([2, 3]), "pair": (4, torch.Size([]))}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9), st.integers(1, 9))
def test_zero_state_shapes(rows: int, units: int) -> None:
    state = cells.LSTMCell(units, num_proj=2).zero_state(rows, torch.float64)
    assert type(state) is cells.LSTMStateTuple
    assert torch.equal(state.c, torch.zeros(rows, units, dtype=torch.float64))
    assert torch.equal(state.h, torch.zeros(rows, 2, dtype=torch.float64))


def test_zero_state_of_nests_and_shapes() -> None:
    state = Nested().zero_state(5, torch.float16)
    assert state["map"].shape == (5, 2, 3)
    assert [leaf.shape for leaf in state["pair"]] == [(5, 4), (5,)]
    assert {leaf.dtype for leaf in nest.flatten(state)} == {torch.float16}
    assert Nested().zero_state(1)["map"].dtype is torch.get_default_dtype()


@pytest.mark.parametrize("rows", [3, np.int64(3), torch.tensor(3), torch.tensor(3, dtype=torch.int32)])
def test_zero_state_batch_sizes(rows: Any) -> None:
    assert cells.GRUCell(2).zero_state(rows, torch.float32).shape == (3, 2)
    multi = cells.MultiRNNCell([cells.GRUCell(2), cells.GRUCell(1)], state_is_tuple=False)
    assert multi.zero_state(rows).shape == (3, 3)


def test_zero_state_errors() -> None:
    cell = cells.GRUCell(2)
    for bad in (None, 2.0, "2", torch.tensor(2.0)):
        with pytest.raises(TypeError, match="expected batch_size to be an integer or an integer scalar, got"):
            cell.zero_state(bad)
    with pytest.raises(ValueError, match="expected batch_size to be at least 0, got -1"):
        cell.zero_state(-1)
    with pytest.raises(ValueError, match=r"expected batch_size to be an integer or a scalar, got shape \[1\]"):
        cell.zero_state(torch.tensor([2]))


def test_get_initial_state() -> None:
    cell = cells.BasicLSTMCell(2)
    inputs = torch.zeros(3, 7, dtype=torch.float64)
    for state in (
        cell.get_initial_state(inputs),
        cell.get_initial_state(inputs=inputs, batch_size=3, dtype=torch.float64),
        cell.get_initial_state(batch_size=3, dtype=torch.float64),
        cell.get_initial_state({"a": inputs, "b": torch.zeros(3)}),
    ):
        assert torch.equal(state.c, torch.zeros(3, 2, dtype=torch.float64))
        assert torch.equal(state.h, state.c)
    assert cell.get_initial_state(inputs.to("meta")).c.is_meta
    for kwargs in ({}, {"batch_size": 3}, {"dtype": torch.float32}):
        with pytest.raises(ValueError, match="batch_size and dtype cannot be None while constructing initial state"):
            cell.get_initial_state(**kwargs)
    with pytest.raises(ValueError, match=r"batch size from input tensor is different from.*batch: 3, batch_size: 4"):
        cell.get_initial_state(inputs, batch_size=4)
    with pytest.raises(ValueError, match=r"dtype from input tensor is different from.*float64, dtype: torch.float32"):
        cell.get_initial_state(inputs, dtype=torch.float32)


# -- saving, loading, copying ------------------------------------------------------------------------------------------


def stepped(cell: Any, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """What one step gives, noise off."""
    output, state = cell.eval()(random_tensor(B, D, dtype=dtype), random_state(cell, dtype=dtype))
    return [output, *nest.flatten(state)]


def assert_same(a: list[torch.Tensor], b: list[torch.Tensor]) -> None:
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CATALOGUE)
def test_load_state_dict_builds(name: str, dtype: torch.dtype) -> None:
    source, fresh, holder = CATALOGUE[name](), CATALOGUE[name](), torch.nn.Module()
    if name == "wrapped_module":
        source, fresh = source.to(dtype), fresh.to(dtype)
    stepped(source, dtype)
    randomise(source)
    fresh.load_state_dict(source.state_dict())
    assert_same(stepped(source, dtype), stepped(fresh, dtype))
    # Deeper in a model, and before moving to another dtype.
    holder.rnn = CATALOGUE[name]()
    holder.load_state_dict({f"rnn.{key}": value for key, value in source.state_dict().items()})
    assert_same(stepped(source, dtype), stepped(holder.to(dtype).rnn, dtype))


def test_load_state_dict_takes_the_cells_own_dtype() -> None:
    cell = cells.GRUCell(N, dtype=torch.float64)
    cell.load_state_dict(cells.GRUCell(N, input_size=D).state_dict())
    assert cell.gates.kernel.dtype is torch.float64
    assigned = cells.GRUCell(N)
    assigned.load_state_dict(cells.GRUCell(N, input_size=D, dtype=torch.float64).state_dict(), assign=True)
    assert assigned.gates.kernel.dtype is torch.float64


def test_load_state_dict_reports_what_does_not_fit() -> None:
    state = cells.GRUCell(N, input_size=D).state_dict()
    with pytest.raises(RuntimeError, match=r"Missing key|Unexpected key"):
        cells.BasicLSTMCell(N).load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"size mismatch for gates\.kernel"):
        cells.GRUCell(N - 1).load_state_dict(state)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        cells.GRUCell(50).load_state_dict(state)  # no width gives so small a kernel
    built = cells.GRUCell(N, input_size=D + 1)
    with pytest.raises(RuntimeError, match=r"size mismatch for gates\.kernel"):
        built.load_state_dict(state)


def test_load_state_dict_with_extra_state() -> None:
    class Noted(cells.GRUCell):
        note: Any = None

        def get_extra_state(self) -> Any:
            return {"note": 5}

        def set_extra_state(self, state: Any) -> None:
            self.note = state["note"]

    fresh = Noted(N)
    fresh.load_state_dict(Noted(N, input_size=D).state_dict())
    assert fresh.built
    assert fresh.note == 5


def test_empty_state_dict_leaves_a_cell_unbuilt() -> None:
    cell = cells.GRUCell(N)
    cell.load_state_dict(cells.GRUCell(N).state_dict())
    assert not cell.built


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
@pytest.mark.parametrize("name", PICKLED)
def test_copies(name: str, how: str, before: bool) -> None:
    def clone(cell: Any) -> Any:
        return copy.deepcopy(cell) if how == "deepcopy" else pickle.loads(pickle.dumps(cell))

    cell = CATALOGUE[name]()
    if before:  # the copy of an unbuilt cell builds weights of its own
        other = clone(cell)
        stepped(cell)
        stepped(other)
        other.load_state_dict(cell.state_dict())
    else:
        stepped(cell)
        randomise(cell)
        other = clone(cell)
    assert_same(stepped(cell), stepped(other))
    assert list(cell.parameters())
    assert not {id(weight) for weight in cell.parameters()} & {id(weight) for weight in other.parameters()}


def test_torch_save_of_a_built_cell() -> None:
    cell = cells.LSTMCell(N, num_proj=2, input_size=D)
    file = io.BytesIO()
    torch.save(cell, file)
    file.seek(0)
    assert_same(stepped(cell), stepped(torch.load(file, weights_only=False)))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda cell: pickle.loads(pickle.dumps(cell))])
def test_a_copy_goes_on_with_the_same_noise(how: Any) -> None:
    cell = cells.DropoutWrapper(cells.GRUCell(N, input_size=D), 0.5, 0.5, seed=4)
    state = cell.zero_state(B)
    cell(f32(B, D), state)
    other = how(cell)
    for _ in range(2):
        assert torch.equal(cell(f32(B, D), state)[0], other(f32(B, D), state)[0])
