"""DropoutWrapper: exact for given noise and right on average, seeds, filters, variational masks, error texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from cells_support import B, D, Echo, N, built, random_state, random_tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import cells, nest
from dynrnn.cells import LSTMStateTuple
from dynrnn.cells.noise import salted_seed

EXACT: Any = {"rtol": 1e-12, "atol": 1e-12}


def f32(*shape: int, seed: int = 1) -> torch.Tensor:
    return random_tensor(*shape, dtype=torch.float32, seed=seed)


# -- DropoutWrapper ----------------------------------------------------------------------------------------------------


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


def test_a_keep_prob_without_a_value() -> None:
    cell = cells.DropoutWrapper(Echo(2, 2), torch.tensor(0.5, device="meta"))
    assert cell(torch.ones(B, 2, device="meta"), torch.ones(B, 2))[0].is_meta


def test_repr_says_what_is_dropped() -> None:
    text = repr(
        cells.DropoutWrapper(
            cells.GRUCell(2), 0.5, variational_recurrent=True, input_size=2, seed=3, dtype=torch.float32
        )
    )
    assert "input_keep_prob=0.5, variational_recurrent=True, seed=3" in text
    assert "output_keep_prob" not in text
    assert "state_is_tuple=False" in repr(cells.MultiRNNCell([cells.GRUCell(2)], False))
