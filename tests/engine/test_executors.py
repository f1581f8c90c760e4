"""What falls back to the reference executor and works; what a native run is like as a node of autograd's graph."""

from __future__ import annotations

import copy
import io
import pickle
import textwrap
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_support import Found, assert_near, both, differentiated, fill, forget_plans, leaves_of, weigh
from fresh_process import python, succeeded
from native_cells import B, D, T, made, state_for

import dynrnn
from dynrnn import cells, nest, scan
from dynrnn.engine.dispatch import EngineWarning

H = 5
LENGTHS = [3, 0, T, 2]


def _params() -> list[torch.Tensor]:
    return [fill((H, H), 3).requires_grad_(), fill((H,), 4).requires_grad_()]


def _step(params: Any, x: Any, h: Any) -> Any:
    h = torch.tanh(h @ params[0] + x * params[1])
    return h * x, h


def _arguments(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    return fill((B, T, H), 1, dtype), fill((B, H), 2, dtype)


def _run(engine: str, inputs: Any, state: Any, params: Any, **options: Any) -> Any:
    return scan(_step, inputs, state, params, lengths=LENGTHS, engine=engine, **options)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_plans()


# --- derivatives of other kinds ---------------------------------------------------------------------------------------


def test_double_backward() -> None:
    found = {}
    for engine in ("native", "reference"):
        leaves = leaves_of(*_arguments(), _params())
        ys, final = _run(engine, leaves[0], leaves[1], leaves[2:])
        first = torch.autograd.grad(weigh((ys, final)), leaves, create_graph=True)
        total = torch.stack([(grad * grad).sum() for grad in first]).sum()
        found[engine] = [*first, *torch.autograd.grad(total, leaves)]
    for one, other in zip(found["native"], found["reference"], strict=True):
        assert_near(one.detach(), other.detach(), 1e-11)


def test_gradgradcheck() -> None:
    leaves = [fill((2, 3, H), 1).requires_grad_(), fill((2, H), 2).requires_grad_(), *_params()]

    def results(x: Any, h: Any, *params: Any) -> Any:
        return scan(_step, x, h, params, lengths=[3, 1], engine="native")

    assert torch.autograd.gradgradcheck(results, leaves)


def test_double_backward_of_a_library_cell_and_of_noise() -> None:
    cell = cells.DropoutWrapper(made("lstm-peepholes", torch.float64), 0.7, 0.8)
    inputs = fill((B, T, D), 1).requires_grad_()

    def penalty() -> torch.Tensor:
        torch.manual_seed(3)
        ys, _ = scan(lambda p, x, s: cell(x, s), inputs, cell.zero_state(B, torch.float64), engine="native")
        (grad,) = torch.autograd.grad(ys.square().sum(), inputs, create_graph=True)
        return grad.square().sum()

    (into,) = torch.autograd.grad(penalty(), inputs)
    step = 1e-6
    with torch.no_grad():
        direction = fill(inputs.shape, 8)
        inputs += step * direction
    above = float(penalty().detach())
    with torch.no_grad():
        inputs -= 2 * step * direction
    below = float(penalty().detach())
    assert (above - below) / (2 * step) == pytest.approx(float((into * direction).sum()), rel=1e-5)


def test_functional_transforms_fall_back() -> None:
    """grad, vmap, jvp and forward mode work, silently, with engine="auto"."""
    inputs, state = _arguments()
    params = [leaf.detach() for leaf in _params()]

    def loss(w: torch.Tensor, engine: str = "auto") -> torch.Tensor:
        ys, final = _run(engine, inputs, state, [w, params[1]])
        return ys.square().sum() + final.sum()

    weight = params[0].clone().requires_grad_()
    loss(weight, "reference").backward()
    assert weight.grad is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error", EngineWarning)
        assert_near(torch.func.grad(loss)(params[0]), weight.grad, 1e-12)
        direction = fill((H, H), 9)
        tangent = torch.func.jvp(loss, (params[0],), (direction,))[1]
        assert float(tangent) == pytest.approx(float((weight.grad * direction).sum()), rel=1e-10)
        many = torch.stack([params[0], params[0] * 0.5])
        values = torch.func.vmap(loss)(many)
        assert_near(values, torch.stack([loss(w, "reference") for w in many]), 1e-12)
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(params[0], direction)
            found = torch.autograd.forward_ad.unpack_dual(loss(dual)).tangent
        assert found is not None
        assert float(found) == pytest.approx(float(tangent), rel=1e-10)
        jacobian = torch.func.jacrev(loss)(params[0])
        assert_near(jacobian, weight.grad, 1e-12)
    with pytest.raises(NotImplementedError, match=r"torch\.func"):
        torch.func.grad(lambda w: loss(w, "native"))(params[0])


# --- what the native core does not take -------------------------------------------------------------------------------


def _falls_back(call: Callable[[str], Any], reason: str, warned: bool = True) -> Any:
    """``call("auto")`` equals ``call("reference")``, warns once, and ``call("native")`` raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call("auto")
        call("auto")
    told = [w for w in caught if issubclass(w.category, EngineWarning)]
    assert len(told) == int(warned), [str(w.message) for w in told]
    if told:
        assert reason in str(told[0].message)
    expected = call("reference")
    for one, other in zip(nest.flatten(found), nest.flatten(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    with pytest.raises(NotImplementedError, match="engine='native' cannot run this step"):
        call("native")
    return found


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_other_dtypes(dtype: torch.dtype) -> None:
    inputs = (fill((B, T, H), 1) * 4).to(dtype)
    state = (fill((B, H), 2) * 4).to(dtype)
    ys, _ = _falls_back(
        lambda engine: scan(lambda p, x, h: (h * x, h + x), inputs, state, lengths=LENGTHS, engine=engine),
        f"{dtype}",
    )
    assert ys.dtype == dtype


def test_mixed_dtypes_and_rank_0_states() -> None:
    inputs, state = _arguments()
    _falls_back(lambda e: scan(lambda p, x, h: (h, h + x.double()), inputs.float(), state, engine=e), "several dtypes")
    counter = torch.zeros(B, dtype=torch.int64)
    _falls_back(
        lambda e: scan(lambda p, x, s: (s[0], (s[0] + x, s[1] + 1)), inputs, (state, counter), engine=e), "int64"
    )
    total = torch.zeros((), dtype=torch.float64)
    _falls_back(lambda e: scan(lambda p, x, s: (s[0], (s[0] + x, s[1] + 1)), inputs, (state, total), engine=e), "rows")


def test_autocast() -> None:
    inputs, state = _arguments(torch.float32)
    weight = fill((H, H), 3, torch.float32)

    def step(p: Any, x: Any, h: Any) -> Any:
        return torch.mm(h, weight).float(), torch.tanh(x + h)

    with torch.autocast("cpu", torch.bfloat16):
        _falls_back(lambda e: scan(step, inputs, state, engine=e), "autocast")


class Tagged(torch.Tensor):
    """A subclass that says what was called."""


def test_tensor_subclasses() -> None:
    inputs, state = _arguments()
    found = _falls_back(
        lambda e: scan(lambda p, x, h: (h * x, h + x), inputs.as_subclass(Tagged), state, engine=e), "Tagged"
    )
    assert isinstance(found[0], Tagged)
    weight = fill((H,), 3).as_subclass(Tagged)
    _falls_back(lambda e: scan(lambda p, x, h: (h, h * weight + x), inputs, state, engine=e), "Tagged")


def test_meta_and_sparse_tensors() -> None:
    inputs, state = _arguments()
    ys, _ = scan(lambda p, x, h: (h, h + x), inputs.to("meta"), state.to("meta"))
    assert ys.is_meta
    weight = torch.eye(H, dtype=torch.float64).to_sparse()
    _falls_back(lambda e: scan(lambda p, x, h: (h, (weight @ h.t()).t() + x), inputs, state, engine=e), "strided")


def test_data_dependent_branch_names_the_line() -> None:
    inputs, state = _arguments()

    def step(p: Any, x: Any, h: Any) -> Any:
        if h.sum() > 0:  # here
            h = h * 0.5
        return h, h + x

    with pytest.warns(EngineWarning, match=r"test_executors\.py:\d+: if h\.sum\(\) > 0:"):
        scan(step, inputs, state)


@pytest.mark.parametrize("engine", ["fast", "", None, 3, "Native"])
def test_unknown_engine(engine: Any) -> None:
    with pytest.raises(ValueError, match="engine must be 'auto', 'reference' or 'native'"):
        scan(_step, *_arguments(), _params(), engine=engine)


# --- a node of autograd's graph ---------------------------------------------------------------------------------------


def test_backward_twice() -> None:
    leaves = leaves_of(*_arguments(), _params())
    ys, final = _run("native", leaves[0], leaves[1], leaves[2:])
    total = weigh((ys, final))
    first = torch.autograd.grad(total, leaves, retain_graph=True)
    second = torch.autograd.grad(total, leaves)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(total, leaves)


@pytest.mark.parametrize("changed", ["inputs", "state", "params"])
def test_change_in_place_between_forward_and_backward(changed: str) -> None:
    inputs, state = _arguments()
    params = _params()
    given = {"inputs": inputs * 1, "state": state * 1, "params": params[0] * 1}
    ys, _ = _run("native", given["inputs"], given["state"], [given["params"], params[1]])
    with torch.no_grad():
        given[changed].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        ys.sum().backward()


def test_inputs_and_grads_are_not_changed() -> None:
    leaves = leaves_of(*_arguments(), _params())
    before = [leaf.detach().clone() for leaf in leaves]
    ys, final = _run("native", leaves[0], leaves[1], leaves[2:])
    seeds = [fill(ys.shape, 7), fill(final.shape, 8)]
    kept = [seed.clone() for seed in seeds]
    torch.autograd.backward([ys, final], seeds)
    assert all(torch.equal(a, b) for a, b in zip(before, leaves, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(kept, seeds, strict=True))
    first = [leaf.grad.clone() for leaf in leaves if leaf.grad is not None]
    ys, final = _run("native", leaves[0], leaves[1], leaves[2:])
    torch.autograd.backward([ys, final], seeds)
    for leaf, grad in zip(leaves, first, strict=True):
        assert leaf.grad is not None
        assert_near(leaf.grad, 2 * grad, 1e-15)


def test_results_may_be_changed_in_place() -> None:
    """Neither outputs nor final states are what backward needs."""
    found = []
    for change in (False, True):
        leaves = leaves_of(*_arguments(), _params())
        ys, final = _run("native", leaves[0], leaves[1], leaves[2:])
        if change:
            ys, final = ys.clone(), final.clone()
        total = (ys * 3).sum() + (final * 2).sum()
        if not change:
            ys.detach().zero_()
            final.detach().zero_()
        found.append(torch.autograd.grad(total, leaves))
    for one, other in zip(*found, strict=True):
        assert_near(one, other, 1e-15)


@pytest.mark.parametrize("time_major", [False, True])
def test_large_results_that_are_mostly_padding(time_major: bool) -> None:
    """They stand in memory of their own kind, which is as good as any."""
    batch, steps = 3, 12_000
    shape = (steps, batch, H) if time_major else (batch, steps, H)
    lengths = [40, 0, 3]
    found = []
    for engine in ("native", "reference"):
        leaves = leaves_of(fill(shape, 1), fill((batch, H), 2), *_params())
        ys, final = scan(_step, leaves[0], leaves[1], leaves[2:], lengths=lengths, time_major=time_major, engine=engine)
        rows = ys.transpose(0, 1) if time_major else ys
        assert not any(row[length:].any() for row, length in zip(rows, lengths, strict=True))
        grads = torch.autograd.grad((ys * fill(shape, 3)).sum() + final.sum(), leaves)
        ys.detach().add_(1)  # it can be written, and goes on living
        found.append([ys.detach().clone(), final.detach(), *grads])
        del ys, rows
    for one, other in zip(*found, strict=True):
        assert_near(one, other, 1e-12)


@pytest.mark.parametrize("part", ["output", "state"])
def test_only_some_results_are_differentiated(part: str) -> None:
    leaves = leaves_of(*_arguments(), _params())

    def call(engine: str) -> Found:
        ys, final = _run(engine, leaves[0], leaves[1], leaves[2:])
        return differentiated(lambda: (ys, final.detach()) if part == "output" else (ys.detach(), final), leaves)

    native, reference = call("native"), call("reference")
    for one, other in zip(native.grads, reference.grads, strict=True):
        assert one is not None and other is not None
        assert_near(one, other, 1e-12)


VIEWS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "contiguous": lambda t: t.contiguous(),
    "transposed": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "expanded rows": lambda t: t[:1].expand_as(t),
    "expanded columns": lambda t: t[..., :1].expand_as(t),
    "strided columns": lambda t: torch.stack([t, t], -1).flatten(-2)[..., ::2],
    "strided rows": lambda t: torch.cat([t, t])[::2],
    "offset": lambda t: torch.cat([t, t], -1)[..., 1 : 1 + t.shape[-1]],
    "permuted": lambda t: t.permute(*reversed(range(t.ndim))).contiguous().permute(*reversed(range(t.ndim))),
}


@pytest.mark.parametrize("name", VIEWS)
def test_memory_layouts(name: str) -> None:
    """Inputs, states, parameters and incoming gradients that are views of other memory."""
    view = VIEWS[name]
    base = leaves_of(*_arguments(), _params())
    x, h, *params = [view(leaf) if leaf.ndim > 1 else leaf for leaf in base]
    both(_step, x, h, params, sources=base, lengths=LENGTHS)
    turned = leaves_of(fill((T, B, H), 1))
    both(_step, view(turned[0]), h, params, sources=[*base, *turned], lengths=LENGTHS, time_major=True)
    found = []
    for engine in ("native", "reference"):
        ys, final = _run(engine, x, h, params)
        seeds = [view(fill(ys.shape, 7)), view(fill(final.shape, 8))]
        found.append(torch.autograd.grad([ys, final], base, seeds))
    for one, other in zip(*found, strict=True):
        assert_near(one, other, 1e-12)


def test_one_tensor_in_several_places() -> None:
    shared = fill((B, H), 1).requires_grad_()
    weight = fill((H, H), 2).requires_grad_()

    def step(params: Any, x: Any, s: Any) -> Any:
        return s[0] @ params[0], (torch.tanh(s[1] @ params[1] + x[0]), s[0] * x[1])

    inputs = shared.unsqueeze(1).expand(B, T, H)
    both(step, (inputs, inputs), (shared, shared), [weight, weight], sources=[shared, weight], lengths=LENGTHS)


def test_pickle_and_deepcopy_after_a_native_run() -> None:
    cell = made("nested", torch.float64)
    inputs = fill((B, T, D), 1)
    expected = dynrnn.dynamic_rnn(cell, inputs)[0]
    expected.sum().backward()
    stream = io.BytesIO()
    torch.save(cell.state_dict(), stream)
    for other in (copy.deepcopy(cell), pickle.loads(pickle.dumps(made("lstm-all", torch.float64)))):
        ys = dynrnn.dynamic_rnn(other, inputs)[0]
        ys.sum().backward()
        if len(list(other.parameters())) == len(list(cell.parameters())):
            assert torch.equal(ys, expected)
            with torch.no_grad():
                next(other.parameters()).mul_(0)
            assert torch.equal(dynrnn.dynamic_rnn(cell, inputs)[0], expected)


# --- processes and threads --------------------------------------------------------------------------------------------


def _program(text: str, cwd: Path) -> Any:
    return python("-c", textwrap.dedent(text), cwd=cwd, timeout=60)


def test_fork_after_use(tmp_path: Path) -> None:
    """A child of a process whose worker threads have run computes the same."""
    done = _program(
        """
        import os, signal, torch, dynrnn
        torch.set_num_threads(2)
        cell = dynrnn.cells.LSTMCell(16, input_size=8)
        x = torch.randn(32, 20, 8)  # small: torch's own parallel loops do not survive a fork

        def run():
            with torch.no_grad():
                return dynrnn.dynamic_rnn(cell, x)[0].clone()

        ys = run()
        dynrnn.dynamic_rnn(cell, x)[0].sum().backward()
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # a child that hangs ends
            os._exit(0 if torch.equal(ys, run()) and torch.equal(ys, run()) else 3)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        assert torch.equal(ys, run())
        print("same")
        """,
        cwd=tmp_path,
    )
    assert "same" in succeeded(done).stdout


def test_many_threads_at_once() -> None:
    cell = made("lstm-all", torch.float64)
    inputs = [fill((B, T, D), 30 + i) for i in range(8)]

    def call(x: torch.Tensor) -> list[torch.Tensor]:
        x = x.clone().requires_grad_()
        ys, _ = scan(lambda p, x, s: cell(x, s), x, state_for(cell, torch.float64), lengths=LENGTHS, engine="native")
        return [ys.detach(), *torch.autograd.grad(weigh(ys), [x, *cell.parameters()], allow_unused=True)]

    expected = [call(x) for x in inputs]
    wrong: list[Any] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                for one, other in zip(call(inputs[number]), expected[number], strict=True):
                    assert torch.equal(one, other)
        except BaseException as error:
            wrong.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
