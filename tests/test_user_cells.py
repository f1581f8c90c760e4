"""Cells that users derive from RNNCell, scope names, and what the cells are given: initial values and noise."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from cells_support import BUILT_IN, B, D, random_tensor

from dynrnn import cells
from dynrnn.cells.base import snake_case
from dynrnn.cells.initializers import Constant, GlorotUniform, Uniform, resolve


def f32(*shape: int, seed: int = 1) -> torch.Tensor:
    return random_tensor(*shape, dtype=torch.float32, seed=seed)


# -- user's cells ------------------------------------------------------------------------------------------------------


class Leaky(cells.RNNCell):
    """As the documentation of RNNCell has it."""

    state_size = output_size = 8

    def build(self, depth: int) -> None:
        self.add_weight("kernel", [depth, 8])

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int:
        return shapes["kernel"][0]

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        self._prepare(inputs)
        state = 0.9 * state + torch.matmul(inputs, self.kernel)
        return state, state


def test_user_cell() -> None:
    cell = Leaky()
    x, state = f32(B, D), f32(B, 8)
    output, _ = cell(x, state)
    torch.testing.assert_close(output, 0.9 * state + x @ cell.kernel)
    assert cell.scope_name == "leaky"
    assert Leaky(input_size=3).built
    other = Leaky()
    other.load_state_dict(cell.state_dict())
    assert torch.equal(other(x, state)[0], output)
    assert torch.equal(copy.deepcopy(cell)(x, state)[0], output)
    stacked = cells.MultiRNNCell([Leaky(), cells.DropoutWrapper(Leaky(), 1.0)], input_size=D)
    assert stacked.cell_1.cell.kernel.shape == (8, 8)


def test_user_cell_with_attributes_abc_and_groups() -> None:
    class Abstract(cells.RNNCell, abc.ABC):
        @abc.abstractmethod
        def act(self, x: Any) -> Any: ...

    class Concrete(Abstract):
        input_ndim = None

        def __init__(self, n: int) -> None:
            super().__init__()
            self.__dict__.update(state_size=n, output_size=n)

        def act(self, x: Any) -> Any:
            return torch.relu(x)

        def build(self, depth: int) -> None:
            for name in ("a/b/kernel", "a/b/bias", "a/c"):
                self.add_weight(name, [depth], 2)

        def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
            self._prepare(inputs)
            return self.act(inputs * self.a.b.kernel + self.a.c + self.a.b.bias), state

    with pytest.raises(TypeError, match="abstract"):
        Abstract()  # type: ignore[abstract]
    cell = Concrete(3)
    output, _ = cell(torch.ones(2, 4, 3), cell.zero_state(2))
    assert torch.equal(output, torch.full([2, 4, 3], 6.0))
    assert [name for name, _ in cell.named_parameters()] == ["a.c", "a.b.kernel", "a.b.bias"]


def test_user_cell_that_sets_its_sizes() -> None:
    class Counter(cells.RNNCell):
        def __init__(self) -> None:
            super().__init__()
            self.state_size = 1  # type: ignore[misc]
            self.output_size = 2  # type: ignore[misc]

        def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
            return inputs, state + 1

    multi = cells.MultiRNNCell([Counter(), Counter()])
    _, state = multi(torch.zeros(4, 2), multi.zero_state(4))
    assert [float(leaf.sum()) for leaf in state] == [4.0, 4.0]


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("BasicRNNCell", "basic_rnn_cell"),
        ("BasicLSTMCell", "basic_lstm_cell"),
        ("GRUCell", "gru_cell"),
        ("LSTMCell", "lstm_cell"),
        ("LayerNormBasicLSTMCell", "layer_norm_basic_lstm_cell"),
        ("MultiRNNCell", "multi_rnn_cell"),
        ("OutputProjectionWrapper", "output_projection_wrapper"),
        ("CoupledInputForgetGateLSTMCell", "coupled_input_forget_gate_lstm_cell"),
        ("UGRNNCell", "ugrnn_cell"),
        ("NASCell", "nas_cell"),
        ("IndRNNCell", "ind_rnn_cell"),
        ("MyCellABC", "my_cell_abc"),
        ("GRUBlockCellV2", "gru_block_cell_v2"),
        ("MyV2Cell", "my_v2cell"),
        ("_Hidden", "private__hidden"),
    ],
)
def test_scope_names(name: str, scope: str) -> None:
    assert snake_case(name) == scope
    made = getattr(cells, name, None)
    if made in BUILT_IN:
        assert made(2).scope_name == scope
        assert made(2, name="foo").scope_name == "foo"


def test_wrappers_that_open_no_scope() -> None:
    inner = cells.GRUCell(D)
    none = [cells.DropoutWrapper(inner), cells.ResidualWrapper(inner), cells.HighwayWrapper(inner)]
    some = [
        inner,
        cells.MultiRNNCell([inner]),
        cells.InputProjectionWrapper(inner, 2),
        cells.OutputProjectionWrapper(inner, 2),
        cells.EmbeddingWrapper(inner, 2, 2),
    ]
    assert not any(cell.opens_scope for cell in none)
    assert all(cell.opens_scope for cell in some)


# -- initializers and noise --------------------------------------------------------------------------------------------


def test_resolve() -> None:
    assert resolve() == GlorotUniform()
    assert resolve(2) == Constant(2.0)
    assert resolve(np.float32(0.5)) == Constant(0.5)
    assert resolve(Uniform(-1, 1)) == Uniform(-1, 1)
    assert resolve(torch.nn.init.ones_) is torch.nn.init.ones_
    with pytest.raises(TypeError, match=r"expected initializer to be None, a number or a callable .* got str"):
        resolve("glorot")


@pytest.mark.parametrize(
    ("shape", "limit"),
    [([], 3**0.5), ([6], 0.5**0.5), ([100, 50], 0.2), ([0, 4], None), ([3, 5, 40, 20], (6 / (15 * 60)) ** 0.5)],
)
def test_glorot_limit(shape: list[int], limit: float | None) -> None:
    weight = torch.nn.Parameter(torch.full(shape, torch.nan))
    GlorotUniform()(weight)
    assert bool(weight.isfinite().all())
    if limit is not None:
        biggest = 0.0
        for _ in range(300):
            GlorotUniform()(weight)
            biggest = max(biggest, float(weight.detach().abs().max()))
        assert 0.97 * limit < biggest <= limit * (1 + 1e-6)


def test_uniform_and_constant() -> None:
    weight = torch.nn.Parameter(torch.empty(1000))
    Uniform(2.0, 3.0)(weight)
    values = weight.detach()
    assert 2.0 <= float(values.min()) < 2.05
    assert 2.95 < float(values.max()) <= 3.0
    Constant(7.0)(weight)
    assert torch.equal(weight, torch.full([1000], 7.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_random_uniform(dtype: torch.dtype) -> None:
    cell = cells.GRUCell(2)
    like = torch.zeros(1000, 3, dtype=dtype)
    noise = cell.random_uniform(like)
    assert (noise.shape, noise.dtype) == (like.shape, dtype)
    assert float(noise.min()) >= 0.0
    assert float(noise.max()) < 1.0
    assert abs(float(noise.double().mean()) - 0.5) < 0.05
    assert cell.random_uniform(like, [1, 4]).shape == (1, 4)
    torch.manual_seed(5)
    first = cell.random_uniform(like)
    torch.manual_seed(5)
    assert torch.equal(first, cell.random_uniform(like))


def test_random_uniform_keeps_a_generator_for_each_seed() -> None:
    like = torch.zeros(4)
    one, two = cells.GRUCell(2), cells.GRUCell(2)
    draws = [one.random_uniform(like, seed=seed) for seed in (1, 2, 1, 2)]
    torch.manual_seed(0)
    assert torch.equal(torch.stack([two.random_uniform(like, seed=1) for _ in range(2)]), torch.stack(draws[::2]))
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    before = torch.get_rng_state()
    two.random_uniform(like, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    assert one.random_uniform(like.to("meta"), seed=1).is_meta
