"""Noise in native steps: dropout masks, their rates, and what makes them repeat."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from cells_support import Echo
from engine_support import fill, forget_plans

import dynrnn
from dynrnn import cells, scan

B, T, H = 40, 25, 20


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_plans()


def _keep(module: torch.nn.Module) -> Any:
    return lambda params, x, state: module(x, state)


class Plain(torch.nn.Module):
    """Output is the input, the state stays: what dropout does is all there is to see."""

    state_size = output_size = H

    def forward(self, x: Any, state: Any) -> Any:
        return x, state * 1.0


def _dropped(keep: float, seed: int | None = None, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    wrapper = cells.DropoutWrapper(Plain(), output_keep_prob=keep, seed=seed)
    state = torch.zeros(B, H, dtype=dtype)
    return scan(_keep(wrapper), torch.ones(B, T, H, dtype=dtype), state, engine="native")[0]


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_rate_and_scale(keep: float, dtype: torch.dtype) -> None:
    ys = _dropped(keep, dtype=dtype)
    assert ys.dtype == dtype
    kept = ys != 0
    torch.testing.assert_close(ys[kept], torch.full_like(ys[kept], 1 / keep))
    deviation = (keep * (1 - keep) / ys.numel()) ** 0.5
    assert abs(float(kept.double().mean()) - keep) < 5 * deviation


def test_masks_differ_between_steps_rows_and_columns() -> None:
    kept = _dropped(0.5) != 0
    for dim in range(3):
        slices = kept.unbind(dim)
        assert all(not torch.equal(a, b) for a, b in itertools.pairwise(slices))
        agreement = (torch.stack(slices[1:]) == torch.stack(slices[:-1])).double().mean()
        assert abs(float(agreement) - 0.5) < 0.03


def test_seeds() -> None:
    torch.manual_seed(1)
    first, second = _dropped(0.5), _dropped(0.5)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(_dropped(0.5), first)
    assert torch.equal(_dropped(0.5), second)
    torch.manual_seed(2)
    assert not torch.equal(_dropped(0.5), first)
    with_seed = _dropped(0.5, seed=3)
    torch.manual_seed(9)
    assert torch.equal(_dropped(0.5, seed=3), with_seed)
    assert not torch.equal(_dropped(0.5, seed=4), with_seed)


def test_seed_of_a_wrapper_goes_on() -> None:
    """The second unroll of a seeded wrapper draws other masks than the first, and both repeat."""
    runs = []
    for _ in range(2):
        wrapper = cells.DropoutWrapper(Plain(), output_keep_prob=0.5, seed=3)
        inputs, state = torch.ones(B, T, H), torch.zeros(B, H)
        runs.append([scan(_keep(wrapper), inputs, state, engine="native")[0] for _ in range(2)])
    assert not torch.equal(*runs[0])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_every_stream_follows_its_own_seed() -> None:
    """A seeded and an unseeded dropout in one step: each depends on its own generator only."""

    def run(seed: int, torch_seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(torch_seed)
        seeded = cells.DropoutWrapper(Plain(), output_keep_prob=0.5, seed=seed)
        free = cells.DropoutWrapper(Plain(), output_keep_prob=0.5)

        def step(params: Any, x: Any, state: Any) -> Any:
            return (seeded(x, state)[0], free(x, state)[0]), state * 1.0

        return scan(step, torch.ones(B, T, H), torch.zeros(B, H), engine="native")[0]

    one, other_torch, other_seed = run(3, 1), run(3, 2), run(4, 1)
    assert torch.equal(one[0], other_torch[0])
    assert not torch.equal(one[1], other_torch[1])
    assert not torch.equal(one[0], other_seed[0])
    assert torch.equal(one[1], other_seed[1])
    assert not torch.equal(one[0], one[1])


def test_masks_do_not_depend_on_lengths_or_layout() -> None:
    wrapper = cells.DropoutWrapper(Plain(), output_keep_prob=0.5)
    inputs, state = torch.ones(B, T, H), torch.zeros(B, H)
    torch.manual_seed(1)
    full = scan(_keep(wrapper), inputs, state, engine="native")[0]
    lengths = [(7 * b) % (T + 1) for b in range(B)]
    torch.manual_seed(1)
    part = scan(_keep(wrapper), inputs, state, lengths=lengths, engine="native")[0]
    for b, end in enumerate(lengths):
        assert torch.equal(part[b, :end], full[b, :end])
        assert (part[b, end:] == 0).all()
    torch.manual_seed(1)
    turned = scan(_keep(wrapper), inputs.transpose(0, 1), state, time_major=True, engine="native")[0]
    assert torch.equal(turned.transpose(0, 1), full)


def test_threads_draw_the_same() -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            torch.manual_seed(1)
            found.append(_dropped(0.5))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_backward_has_the_mask_of_forward() -> None:
    wrapper = cells.DropoutWrapper(Plain(), input_keep_prob=0.5, output_keep_prob=0.8)
    inputs = torch.ones(B, T, H, dtype=torch.float64, requires_grad=True)
    ys, _ = scan(_keep(wrapper), inputs, torch.zeros(B, H, dtype=torch.float64), engine="native")
    (into,) = torch.autograd.grad(ys.sum(), inputs)
    assert torch.equal(into, ys.detach())  # y = mask * x, and x is 1


@pytest.mark.parametrize("variational", [False, True])
def test_gradients_by_differences(variational: bool) -> None:
    """The loss for one seed is a smooth function; its derivative is the one that backward finds."""
    cell = cells.DropoutWrapper(
        cells.BasicLSTMCell(4, input_size=3, dtype=torch.float64), 0.7, 0.8, 0.6, variational, 3, torch.float64
    )
    inputs = fill((5, 6, 3), 1)

    def loss() -> torch.Tensor:
        torch.manual_seed(5)
        ys, _ = dynrnn.dynamic_rnn(cell, inputs, [6, 0, 3, 1, 6])
        return ys.square().sum()

    params = list(cell.parameters())
    grads = torch.autograd.grad(loss(), params)
    for param, grad in zip(params, grads, strict=True):
        direction, step = fill(param.shape, 8), 1e-6
        with torch.no_grad():
            param.add_(step * direction)
            above = float(loss())
            param.sub_(2 * step * direction)
            below = float(loss())
            param.add_(step * direction)
        assert (above - below) / (2 * step) == pytest.approx(float((grad * direction).sum()), rel=1e-6)


def test_variational_masks_stay_for_an_unroll() -> None:
    cell = cells.DropoutWrapper(Plain(), output_keep_prob=0.5, variational_recurrent=True, dtype=torch.float64)
    inputs = torch.ones(B, T, H, dtype=torch.float64)
    runs = [dynrnn.dynamic_rnn(cell, inputs)[0] for _ in range(2)]
    for ys in runs:
        assert (ys == ys[:1, :1]).all()
        assert 0 < int((ys[0, 0] != 0).sum()) < H
    assert not torch.equal(runs[0], runs[1])
    assert dynrnn.explain(cell, inputs).executor == "native"


def test_layer_norm_dropout_and_eval() -> None:
    cell = cells.LayerNormBasicLSTMCell(8, dropout_keep_prob=0.5, input_size=3, dtype=torch.float64)
    inputs = fill((4, 5, 3), 1)
    assert dynrnn.explain(cell, inputs).executor == "native"
    assert not torch.equal(dynrnn.dynamic_rnn(cell, inputs)[0], dynrnn.dynamic_rnn(cell, inputs)[0])
    cell.eval()
    assert torch.equal(dynrnn.dynamic_rnn(cell, inputs)[0], dynrnn.dynamic_rnn(cell, inputs)[0])


@pytest.mark.parametrize("draw", ["rand_like", "randn_like", "dropout", "bernoulli", "randn"])
def test_noise_of_torch_in_user_steps(draw: str) -> None:
    def step(params: Any, x: Any, h: Any) -> Any:
        noise = {
            "rand_like": lambda: torch.rand_like(h),
            "randn_like": lambda: torch.randn_like(h),
            "dropout": lambda: torch.nn.functional.dropout(torch.ones_like(h), 0.25),
            "bernoulli": lambda: torch.bernoulli(torch.full_like(h, 0.25)),
            "randn": lambda: torch.randn(x.shape[0], H, dtype=x.dtype),
        }[draw]()
        return noise, h + noise * x

    inputs = torch.ones(B, T, H, dtype=torch.float64, requires_grad=True)
    state = torch.zeros(B, H, dtype=torch.float64)
    ys, final = scan(step, inputs, state, engine="native")
    mean, variance = {"rand_like": (0.5, 1 / 12), "dropout": (1.0, 1 / 3), "bernoulli": (0.25, 3 / 16)}.get(
        draw, (0.0, 1.0)
    )
    count = ys.numel()
    assert abs(float(ys.detach().mean()) - mean) < 5 * (variance / count) ** 0.5
    assert abs(float(ys.detach().var()) - variance) < 0.03
    torch.testing.assert_close(final, ys.sum(1))
    (into,) = torch.autograd.grad(final.sum(), inputs)
    torch.testing.assert_close(into, ys.detach())


def test_noise_that_all_rows_share_is_refused() -> None:
    def step(params: Any, x: Any, h: Any) -> Any:
        return h, h + torch.rand(H) * x

    with pytest.raises(NotImplementedError, match="noise"):
        scan(step, torch.ones(B, T, H), torch.zeros(B, H), engine="native")


def test_echo_cell_that_keeps_what_it_saw_works() -> None:
    """Its list grows at every call; the results are right all the same."""
    cell = cells.DropoutWrapper(Echo(H, H), output_keep_prob=1.0)
    inputs = fill((B, T, H), 1)
    for _ in range(3):
        ys, _ = dynrnn.dynamic_rnn(cell, inputs, dtype=torch.float64)
        assert torch.equal(ys, inputs)
