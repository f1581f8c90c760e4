"""Wrappers: what they add in numpy, dropout exact for a given mask and right on average, masks, seeds, error texts."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cells_support as support
import numpy as np
import pytest
import torch
from cells_support import B, D, N, numpy_weights, plain_module, quiet_multi, random_state, random_tensor, randomise
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import cells, nest
from dynrnn.cells import LSTMStateTuple
from dynrnn.cells.noise import salted_seed

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


def built(cell: Any, depth: int = D) -> Any:
    cell.ensure_built(depth, torch.float64)
    randomise(cell)
    return cell


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


# -- DropoutWrapper ----------------------------------------------------------------------------------------------------


class Echo(cells.RNNCell):
    """Output is the input, the new state the old: what dropout does is all there is to see."""

    def __init__(self, state_size: Any, output_size: Any) -> None:
        super().__init__()
        self.__dict__.update(state_size=state_size, output_size=output_size)
        self.seen: list[Any] = []

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        self.seen.append(inputs)
        return inputs, state


def noise_by_seed(cell: cells.DropoutWrapper, monkeypatch: pytest.MonkeyPatch) -> dict[int | None, list[torch.Tensor]]:
    """Replace the noise by known noise, and keep what was drawn under which seed."""
    drawn: dict[int | None, list[torch.Tensor]] = {}

    def uniform(like: torch.Tensor, shape: Any = None, seed: int | None = None) -> torch.Tensor:
        size = tuple(like.shape if shape is None else shape)
        noise = random_tensor(*size, dtype=like.dtype, seed=sum(map(len, drawn.values())) + 50).abs()
        drawn.setdefault(seed, []).append(noise)
        return noise

    monkeypatch.setattr(cell, "random_uniform", uniform)
    return drawn


@pytest.mark.parametrize(
    ("salt", "seed"),
    [("input_0", 1768698351), ("state_0", 623517016), ("state_1", 619719539), ("output_0", 1288189386)],
)
def test_salted_seeds_are_tensorflows(salt: str, seed: int) -> None:
    assert salted_seed(10, salt) == seed
    assert salted_seed(None, salt) is None


def test_dropout_is_exact_for_given_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = built(cells.BasicLSTMCell(N))
    cell = cells.DropoutWrapper(inner, 0.7, 0.6, 0.8, seed=10)
    drawn = noise_by_seed(cell, monkeypatch)
    x, state = random_tensor(B, D), random_state(cell)
    output, new = cell(x, state)
    # c is kept, and still counts as the state's tensor 0
    assert set(drawn) == {1768698351, 619719539, 1288189386}

    def mask(seed: int, keep: float) -> torch.Tensor:
        return (drawn[seed][0] >= 1 - keep).double() / keep

    want_output, want_state = inner(x * mask(1768698351, 0.7), state)
    torch.testing.assert_close(output, want_output * mask(1288189386, 0.6), **EXACT)
    torch.testing.assert_close(new.c, want_state.c, **EXACT)
    torch.testing.assert_close(new.h, want_state.h * mask(619719539, 0.8), **EXACT)
    assert type(new) is LSTMStateTuple


def test_the_threshold_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cells.DropoutWrapper(Echo(2, 5), output_keep_prob=0.75)
    noise = torch.tensor([[0.0, 0.2499, 0.25, 0.2501, 0.999]])
    monkeypatch.setattr(cell, "random_uniform", lambda like, shape=None, seed=None: noise)
    output, _ = cell(torch.full([1, 5], 3.0), torch.zeros(1, 2))
    assert output.tolist() == [[0.0, 0.0, 4.0, 4.0, 4.0]]


def test_what_is_dropped_is_zero_even_if_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cells.DropoutWrapper(Echo(2, 2), input_keep_prob=0.5)
    monkeypatch.setattr(cell, "random_uniform", lambda like, shape=None, seed=None: torch.tensor([[0.1, 0.9]]))
    x = torch.tensor([[torch.nan, 1.0]], requires_grad=True)
    output, _ = cell(x, torch.zeros(1, 2))
    assert output.tolist() == [[0.0, 2.0]]
    output.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 2.0]]


@settings(max_examples=10, deadline=None)
@given(st.floats(0.05, 0.95))
def test_dropout_statistics(keep: float) -> None:
    cell = cells.DropoutWrapper(Echo(300, 300), keep, keep, keep, seed=1)
    output, state = cell(torch.ones(200, 300), torch.ones(200, 300))
    kept_state = (state != 0).double().mean()
    kept_output = (output != 0).double().mean()  # dropped at the input and at the output
    assert abs(float(kept_state) - keep) < 0.02
    assert abs(float(kept_output) - keep**2) < 0.02
    torch.testing.assert_close(state[state != 0], torch.full_like(state[state != 0], 1 / keep))
    rows, columns = (state != 0).double().mean(1), (state != 0).double().mean(0)
    assert float(rows.std()) < 0.06  # no row and no column is favoured
    assert float(columns.std()) < 0.08


def test_keep_prob_one_is_no_operation() -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("noise was drawn")

    for keep in (1.0, 1, np.float32(1.0), np.array(1.0)):
        cell = cells.DropoutWrapper(Echo(LSTMStateTuple(2, 2), 2), keep, keep, keep)
        cell.random_uniform = refuse  # type: ignore[method-assign]
        x, state = f32(B, 2), random_state(cell, dtype=torch.float32)
        output, new = cell(x, state)
        assert output is x
        assert new is state
    variational = cells.DropoutWrapper(Echo(2, 2), variational_recurrent=True, dtype=torch.float32)
    variational.random_uniform = refuse  # type: ignore[method-assign]
    assert variational(x, f32(B, 2))[0] is x


def test_a_tensor_always_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = torch.tensor(1.0)
    cell = cells.DropoutWrapper(Echo(2, 2), keep, keep, keep, seed=10)
    drawn = noise_by_seed(cell, monkeypatch)
    x, state = f32(B, 2), f32(B, 2, seed=3)
    output, new = cell(x, state)
    assert set(drawn) == {1768698351, 623517016, 1288189386}
    assert torch.equal(output, x)
    assert torch.equal(new, state)
    assert output is not x
    keep.fill_(0.5)  # what the tensor holds is read at each step
    output, _ = cell(torch.ones(50, 2), torch.ones(50, 2))
    assert set(output.flatten().tolist()) == {0.0, 4.0}


def test_tensor_keep_prob_leaves_the_dtype() -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        cell = cells.DropoutWrapper(Echo(2, 2), torch.tensor(0.5), seed=1)
        assert cell(torch.ones(B, 2, dtype=dtype), torch.ones(B, 2))[0].dtype is dtype


def test_eval_turns_dropout_off() -> None:
    cell = cells.DropoutWrapper(Echo(2, 2), 0.1, 0.1, 0.1)
    x, state = f32(B, 2), f32(B, 2, seed=2)
    output, new = torch.nn.Sequential(cell).eval()[0](x, state)
    assert output is x
    assert new is state


def test_seeded_masks() -> None:
    def run(seed: Any, kind: str) -> torch.Tensor:
        options: Any = {f"{kind}_keep_prob": 0.5}
        cell = cells.DropoutWrapper(Echo(30, 30), seed=seed, **options)
        ones = torch.ones(3, 30)
        return torch.stack([torch.cat(cell(ones, ones)) for _ in range(3)])

    for kind in ("input", "output", "state"):
        first = run(7, kind)
        assert torch.equal(first, run(7, kind))
        assert not torch.equal(first, run(8, kind))
        assert not torch.equal(first[0], first[1])
        torch.manual_seed(3)
        unseeded = run(None, kind)
        assert not torch.equal(unseeded, run(None, kind))
        torch.manual_seed(3)
        assert torch.equal(unseeded, run(None, kind))
    assert not torch.equal(run(7, "input")[:, :3], run(7, "output")[:, :3])


def test_default_filter_keeps_every_c(monkeypatch: pytest.MonkeyPatch) -> None:
    size = {"a": LSTMStateTuple(2, 3), "b": [4, (5,)], "n": 1}
    cell = cells.DropoutWrapper(Echo(size, 2), state_keep_prob=0.5, seed=1)
    drawn = noise_by_seed(cell, monkeypatch)
    state = {**random_state(Echo({"a": LSTMStateTuple(2, 3), "b": [4, (5,)]}, 2)), "n": 7}
    _, new = cell(random_tensor(B, 2), state)
    assert new["a"].c is state["a"].c
    assert new["n"] == 7  # not a tensor
    assert set(drawn) == {salted_seed(1, f"state_{index}") for index in (1, 2, 3)}
    for index, (got, old) in enumerate(
        [(new["a"].h, state["a"].h), (new["b"][0], state["b"][0]), (new["b"][1][0], state["b"][1][0])], start=1
    ):
        (noise,) = drawn[salted_seed(1, f"state_{index}")]
        torch.testing.assert_close(got, old * (noise >= 0.5) * 2, **EXACT)
    nest.assert_same_structure(state, new)


FILTERS: dict[str, tuple[Callable[[Any], Any], set[int], set[str]]] = {
    # filter, the indices of the masks drawn, what is dropped
    "nothing": (lambda s: False, set(), set()),
    "everything": (lambda s: True, {0, 1, 2}, {"c", "h", "other"}),
    "no pair": (lambda s: not isinstance(s, LSTMStateTuple), {1}, {"other"}),
    "c": (lambda s: LSTMStateTuple(True, False) if isinstance(s, LSTMStateTuple) else True, {0, 2}, {"c", "other"}),
    "outer, as a list": (lambda s: [True, False] if isinstance(s, tuple) and len(s) == 2 else True, {0}, {"c"}),
}


@pytest.mark.parametrize("name", FILTERS)
def test_state_filter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, indices, dropped = FILTERS[name]
    cell = cells.DropoutWrapper(
        Echo((LSTMStateTuple(2, 2), 3), 2), state_keep_prob=0.5, seed=1, dropout_state_filter_visitor=chosen
    )
    drawn = noise_by_seed(cell, monkeypatch)
    state = random_state(cell)
    _, new = cell(random_tensor(B, 2), state)
    assert set(drawn) == {salted_seed(1, f"state_{index}") for index in indices}
    pairs = {"c": (state[0].c, new[0].c), "h": (state[0].h, new[0].h), "other": (state[1], new[1])}
    assert {part for part, (old, got) in pairs.items() if got is not old} == dropped


def test_state_filter_errors() -> None:
    with pytest.raises(TypeError, match="dropout_state_filter_visitor must be callable, got str 'hi'"):
        cells.DropoutWrapper(Echo(2, 2), dropout_state_filter_visitor="hi")  # type: ignore[arg-type]

    def answer(value: Any, size: Any = 2) -> Any:
        cell = cells.DropoutWrapper(
            Echo(size, 2), state_keep_prob=0.5, dropout_state_filter_visitor=lambda state: value
        )
        return cell(f32(B, 2), random_state(cell, dtype=torch.float32))

    with pytest.raises(TypeError, match="visitor to return True or False for a tensor, got list"):
        answer([True])
    with pytest.raises(TypeError, match="visitor to return True, False or a structure of them, got int"):
        answer(1, (2, 2))
    with pytest.raises(ValueError, match="visitor to return one bool for each of 2 parts of the state, got 3"):
        answer((True, True, True), (2, 2))


def test_keep_prob_errors() -> None:
    make: Any = cells.DropoutWrapper
    for name in ("input_keep_prob", "output_keep_prob", "state_keep_prob"):
        for bad in (-0.1, 1.5, float("nan"), np.float64(2.0), torch.tensor(1.5)):
            with pytest.raises(ValueError, match=f"Parameter {name} must be between 0 and 1: "):
                make(Echo(2, 2), **{name: bad})
        for wrong in ("0.5", None, [0.5]):
            with pytest.raises(TypeError, match=f"expected {name} to be a number or a scalar tensor, got "):
                make(Echo(2, 2), **{name: wrong})
        with pytest.raises(ValueError, match=rf"expected {name} to be a number or a scalar tensor, got shape \[1\]"):
            make(Echo(2, 2), **{name: torch.tensor([0.5])})
        zero = make(Echo(2, 2), **{name: 0.0})
        with pytest.raises(ValueError, match=r"rate must be a scalar tensor or a float in the range \[0, 1\), got 1"):
            zero(f32(B, 2), f32(B, 2))
    tiny = cells.DropoutWrapper(Echo(2, 2), 1e-10, seed=1)
    assert torch.equal(tiny(f32(B, 2), f32(B, 2))[0], torch.zeros(B, 2))
    with pytest.raises(ValueError, match=r"expected what dropout scales to be floating, got dtype torch\.int64"):
        cells.DropoutWrapper(Echo(2, 2), 0.5)(torch.ones(B, 2, dtype=torch.int64), f32(B, 2))


# -- variational dropout -----------------------------------------------------------------------------------------------


def variational(size: Any = 40, keep: float = 0.5, seed: Any = 1, **kwargs: Any) -> cells.DropoutWrapper:
    return cells.DropoutWrapper(Echo(size, size), keep, keep, keep, True, size, torch.float32, seed, **kwargs)


def test_variational_masks_are_one_for_all_rows_and_steps() -> None:
    cell = variational()
    ones = torch.ones(6, 40)
    runs = [torch.stack([torch.cat(cell(ones, ones)) for _ in range(4)]) for _ in range(2)]
    assert torch.equal(runs[0], runs[1])  # steps by hand are one sequence until new_sequence
    steps = runs[0]
    assert torch.equal(steps, steps[:1].expand_as(steps))
    assert torch.equal(steps[:, :6], steps[:, :1].expand(4, 6, 40))
    assert torch.equal(steps[:, 6:], steps[:, 6:7].expand(4, 6, 40))
    cell.new_sequence()
    again = torch.cat(cell(ones, ones))
    assert not torch.equal(again[0], steps[0, 0])
    assert not torch.equal(again[6], steps[0, 6])
    assert set(again[6:].flatten().tolist()) == {0.0, 2.0}


def test_variational_is_exact_for_given_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = built(cells.BasicLSTMCell(N))
    cell = cells.DropoutWrapper(inner, 0.7, 0.6, 0.8, True, D, torch.float64, 10)
    drawn = noise_by_seed(cell, monkeypatch)
    x, state = random_tensor(B, D), random_state(cell)
    output, new = cell(x, state)
    again, _ = cell(x, state)
    assert torch.equal(output, again)
    assert {seed: [tuple(n.shape) for n in noise] for seed, noise in drawn.items()} == {
        1768698351: [(1, D)],
        623517016: [(1, N)],  # drawn for c too, but c is kept
        619719539: [(1, N)],
        1288189386: [(1, N)],
    }

    def dropped(value: torch.Tensor, seed: int, keep: float) -> torch.Tensor:
        return value / keep * torch.floor(keep + drawn[seed][0])

    want_output, want_state = inner(dropped(x, 1768698351, 0.7), state)
    torch.testing.assert_close(output, dropped(want_output, 1288189386, 0.6), **EXACT)
    torch.testing.assert_close(new.c, want_state.c, **EXACT)
    torch.testing.assert_close(new.h, dropped(want_state.h, 619719539, 0.8), **EXACT)


def test_variational_with_a_tensor_as_keep_prob(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = torch.tensor(0.75)
    cell = cells.DropoutWrapper(Echo(4, 4), output_keep_prob=keep, variational_recurrent=True, dtype=torch.float32)
    noise = torch.tensor([[0.2, 0.25, 0.3, 0.9]])
    monkeypatch.setattr(cell, "random_uniform", lambda like, shape=None, seed=None: noise)
    output, _ = cell(torch.full([2, 4], 3.0), torch.zeros(2, 4))
    assert output.tolist() == [[0.0, 4.0, 4.0, 4.0]] * 2


def test_variational_nests_and_shapes() -> None:
    size = {"image": torch.Size([3, 2]), "text": (4,)}
    cell = variational(size)
    x = {"image": torch.ones(5, 3, 2), "text": (torch.ones(5, 4),)}
    output, state = cell(x, x)
    for tree in (output, state):
        nest.assert_same_structure(x, tree)
        for leaf in nest.flatten(tree):
            assert torch.equal(leaf, leaf[:1].expand_as(leaf))
    with pytest.raises(ValueError, match="expected the input of a variational DropoutWrapper to have the structure"):
        cell(x["image"], x)


def test_variational_seeds() -> None:
    def run(seed: Any, unrolls: int = 2) -> torch.Tensor:
        cell, results = variational(seed=seed), []
        for _ in range(unrolls):
            cell.new_sequence()
            results.append(torch.cat(cell(torch.ones(1, 40), torch.ones(1, 40))))
        return torch.stack(results)

    assert torch.equal(run(3), run(3))
    assert not torch.equal(run(3), run(4))
    assert not torch.equal(run(3)[0], run(3)[1])
    torch.manual_seed(9)
    unseeded = run(None)
    torch.manual_seed(9)
    assert torch.equal(unseeded, run(None))


def test_variational_masks_drawn_in_inference_mode_serve_training() -> None:
    cell = variational()
    with torch.inference_mode():
        cell(torch.ones(2, 40), torch.ones(2, 40))
    x = torch.ones(2, 40, requires_grad=True)
    output, _ = cell(x, torch.ones(2, 40))
    output.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, output.detach())


def test_variational_masks_follow_the_module() -> None:
    cell = variational()
    cell(torch.ones(2, 40), torch.ones(2, 40))
    cell.to(torch.float64)
    ones = torch.ones(2, 40, dtype=torch.float64)
    assert cell(ones, ones)[0].dtype is torch.float64


def test_variational_errors() -> None:
    with pytest.raises(ValueError, match="When variational_recurrent=True, dtype must be provided"):
        cells.DropoutWrapper(Echo(2, 2), variational_recurrent=True)
    text = r"When variational_recurrent=True and input_keep_prob < 1\.0 or is unknown, input_size must be provided"
    for keep in (0.5, torch.tensor(1.0)):
        with pytest.raises(ValueError, match=text):
            cells.DropoutWrapper(Echo(2, 2), keep, variational_recurrent=True, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"RNN cell only supports floating.*torch\.int32"):
        cells.DropoutWrapper(Echo(2, 2), variational_recurrent=True, dtype=torch.int32)
    cell = variational(3)
    with pytest.raises(ValueError, match=r"expected the input of .* to have shape \['batch', 3\], got \[2, 4\]"):
        cell(torch.ones(2, 4), torch.ones(2, 3))
    with pytest.raises(TypeError, match=r"expected the state of .* its dtype torch\.float32, got torch\.float64"):
        cell(torch.ones(2, 3), torch.ones(2, 3, dtype=torch.float64))
    zero = cells.DropoutWrapper(Echo(2, 2), output_keep_prob=0.0, variational_recurrent=True, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"in the range \[0, 1\), got 1"):
        zero(torch.ones(2, 2), torch.ones(2, 2))


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


def test_repr_says_what_is_dropped() -> None:
    text = repr(
        cells.DropoutWrapper(
            cells.GRUCell(2), 0.5, variational_recurrent=True, input_size=2, seed=3, dtype=torch.float32
        )
    )
    assert "input_keep_prob=0.5, variational_recurrent=True, seed=3" in text
    assert "output_keep_prob" not in text
    assert "state_is_tuple=False" in repr(cells.MultiRNNCell([cells.GRUCell(2)], False))
