"""When a traced step is used again and when it is traced anew; what it finds outside its arguments."""

from __future__ import annotations

import functools
import itertools
import random
import threading
import types
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from engine_support import Counted, Found, assert_near, both, differentiated, fill, forget_plans
from native_cells import B, D, T, made

import dynrnn
from dynrnn import scan
from dynrnn.engine import dispatch

H = 5
X, S = fill((3, 4, H), 1), fill((3, H), 2)
SETTING = 0.5
TENSOR = torch.tensor(0.5, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _no_plans() -> Iterator[None]:
    forget_plans()
    yield
    globals()["SETTING"] = 0.5
    TENSOR.fill_(0.5)


def _values(step: Any, engine: str = "auto", params: Any = ()) -> torch.Tensor:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", dispatch.EngineWarning)
        return scan(step, X, S, params, engine=engine)[0]


def assert_change_is_seen(step: Any, change: Callable[[], Any], params: Any = ()) -> None:
    """After ``change`` the results are others, and the reference's."""
    before = _values(step, params=params)
    assert_near(before, _values(step, "reference", params), 1e-12)
    change()
    after = _values(step, params=params)
    assert_near(after, _values(step, "reference", params), 1e-12)
    assert not torch.equal(before, after)


class Cell(torch.nn.Module):
    """Whatever a cell may look at."""

    shared = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.number, self.flag, self.several, self.named = 0.3, True, [0.1, 0.2], {"a": 0.3}
        self.words, self.counts, self.zero = ["tanh"], [1, 1], 0.0
        self.numpy_number = np.float64(0.3)
        self.array = np.array([0.1, 0.2])
        self.function: Any = torch.tanh
        self.weight = torch.nn.Parameter(fill((H, H), 3))
        self.register_buffer("buffer", torch.tensor(0.7, dtype=torch.float64))
        self.inner = torch.nn.Sequential(torch.nn.Linear(H, H, dtype=torch.float64), torch.nn.Tanh())

    buffer: torch.Tensor

    @property
    def computed(self) -> float:
        return SETTING * 2

    def method(self, h: torch.Tensor) -> torch.Tensor:
        return h * SETTING

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        raise NotImplementedError


def _helper(h: torch.Tensor) -> torch.Tensor:
    return h * SETTING


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda cell: setattr(cell, name, value)


def _set_global(value: float) -> Callable[[Any], None]:
    return lambda _: globals().update(SETTING=value)


# what a module's forward computes, and a change to the module (or the world) that makes it compute something else
CHANGES: dict[str, tuple[Callable[[Any, Any, Any], Any], Callable[[Any], Any]]] = {
    "float": (lambda c, x, h: h * c.number, _set("number", 0.9)),
    "numpy number": (lambda c, x, h: h * c.numpy_number, _set("numpy_number", np.float64(0.9))),
    "bool": (lambda c, x, h: h * 0.5 if c.flag else h - x, _set("flag", False)),
    "list": (lambda c, x, h: h * c.several[0], lambda c: c.several.__setitem__(0, 0.9)),
    "longer list": (lambda c, x, h: h * len(c.several) * 0.2, lambda c: c.several.append(1.0)),
    "dict": (lambda c, x, h: h * c.named["a"], lambda c: c.named.update(a=0.9)),
    "string in a dict": (
        lambda c, x, h: getattr(torch, c.named.get("mode", "tanh"))(h),
        lambda c: c.named.update(mode="sin"),
    ),
    "other string": (lambda c, x, h: getattr(torch, c.words[0])(h), lambda c: c.words.__setitem__(0, "sin")),
    "integer in a list": (lambda c, x, h: h.roll(c.counts[0], 1), lambda c: c.counts.__setitem__(0, 2)),
    "bool in a list": (lambda c, x, h: h if c.counts[1] else -h, lambda c: c.counts.__setitem__(1, 0)),
    "sign of zero": (lambda c, x, h: torch.where(h > 0, h, 1 / torch.full_like(h, c.zero)), _set("zero", -0.0)),
    "function": (lambda c, x, h: c.function(h), _set("function", torch.sin)),
    "mode": (lambda c, x, h: h * 0.5 if c.training else h - x, lambda c: c.eval()),
    "class attribute": (lambda c, x, h: h * c.shared, lambda c: setattr(type(c), "shared", 0.9)),
    "base class attribute": (lambda c, x, h: h * Cell.shared, lambda c: setattr(Cell, "shared", 0.8)),
    "array in place": (lambda c, x, h: h * float(c.array[0]), lambda c: c.array.__setitem__(0, 0.9)),
    "tensor of an array": (lambda c, x, h: h * torch.tensor(c.array)[0], lambda c: c.array.__setitem__(0, 0.9)),
    "buffer": (lambda c, x, h: h * c.buffer, lambda c: c.buffer.fill_(0.2)),
    "number of a buffer": (lambda c, x, h: h * c.buffer.item(), lambda c: c.buffer.fill_(0.2)),
    "float of a buffer": (lambda c, x, h: h * float(c.buffer), lambda c: c.buffer.fill_(0.2)),
    "branch on a buffer": (lambda c, x, h: h * 0.5 if c.buffer > 0.5 else h - x, lambda c: c.buffer.fill_(0.2)),
    "numpy of a buffer": (lambda c, x, h: h * float(c.buffer.numpy()), lambda c: c.buffer.fill_(0.2)),
    "list of a weight": (lambda c, x, h: h * c.weight.tolist()[0][0], lambda c: c.weight.data.fill_(0.2)),
    "weight, by data": (lambda c, x, h: h @ c.weight, lambda c: c.weight.data.mul_(2)),
    "weight, new data": (lambda c, x, h: h @ c.weight, lambda c: setattr(c.weight, "data", fill((H, H), 9))),
    "weight, replaced": (lambda c, x, h: h @ c.weight, _set("weight", torch.nn.Parameter(fill((H, H), 9)))),
    "layer, replaced": (lambda c, x, h: c.inner(h), lambda c: c.inner.__setitem__(1, torch.nn.ReLU())),
    "layer's weight": (lambda c, x, h: c.inner(h), lambda c: c.inner[0].weight.data.mul_(2)),
    "global": (lambda c, x, h: h * SETTING, _set_global(0.9)),
    "global of a helper": (lambda c, x, h: _helper(h), _set_global(0.9)),
    "global of a method": (lambda c, x, h: c.method(h), _set_global(0.9)),
    "global of a property": (lambda c, x, h: h * c.computed, _set_global(0.9)),
    "global tensor": (lambda c, x, h: h * TENSOR, lambda _: TENSOR.fill_(0.9)),
    "hook": (
        lambda c, x, h: h * 0.5,
        lambda c: c.register_forward_hook(lambda module, inputs, result: (result[0] * 2, result[1])),
    ),
    "patched forward": (lambda c, x, h: h * 0.5, lambda c: setattr(c, "forward", lambda x, h: (h * 0.1,) * 2)),
    "method of the class": (
        lambda c, x, h: c.method(h),
        lambda c: setattr(type(c), "method", lambda self, h: h * 3),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_of_a_cell_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cell, "shared", 0.5)
    body, change = CHANGES[name]

    class Own(Cell):
        def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
            h = body(self, x, h) + x
            return h, h

    cell = Own()
    assert_change_is_seen(lambda params, x, h: cell(x, h), lambda: change(cell))


def test_forward_that_uses_globals_directly() -> None:
    """Not by a function in a closure: by the code of ``forward`` itself."""

    class Own(Cell):
        def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
            h = _helper(h) * SETTING + self.method(h) + self.computed * x
            return h, h

    cell = Own()
    assert_change_is_seen(lambda params, x, h: cell(x, h), lambda: globals().update(SETTING=0.9))


class Slotted:
    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0.5


class Callable_:
    def __init__(self) -> None:
        self.number = 0.5

    def __call__(self, params: Any, x: Any, h: Any) -> Any:
        return h, h * self.number * SETTING + x


def _stepping(scale: Callable[[], Any]) -> Callable[[Any, Any, Any], Any]:
    def step(params: Any, x: Any, h: Any) -> Any:
        h = h * scale() + x
        return h, h

    return step


def test_changes_around_functions_are_seen() -> None:
    slotted, queue, config, plain = Slotted(), deque([0.5]), types.ModuleType("config"), types.SimpleNamespace(k=0.5)
    config.rate = 0.5  # type: ignore[attr-defined]
    array, called = np.array(0.5), Callable_()
    closed = 0.5

    def close(value: float) -> None:
        nonlocal closed
        closed = value

    def with_default(params: Any, x: Any, h: Any, k: float = 0.5, *, m: float = 1.0) -> Any:
        return h, h * k * m + x

    assert_change_is_seen(_stepping(lambda: closed), lambda: close(0.9))
    assert_change_is_seen(with_default, lambda: setattr(with_default, "__defaults__", (0.9,)))
    assert_change_is_seen(with_default, lambda: setattr(with_default, "__kwdefaults__", {"m": 0.4}))
    assert_change_is_seen(_stepping(lambda: SETTING), lambda: globals().update(SETTING=0.8))
    assert_change_is_seen(_stepping(lambda: plain.k), lambda: setattr(plain, "k", 0.9))
    assert_change_is_seen(called, lambda: setattr(called, "number", 0.9))
    assert_change_is_seen(called, lambda: globals().update(SETTING=0.7))
    assert_change_is_seen(_stepping(lambda: config.rate), lambda: vars(config).update(rate=0.8))
    assert_change_is_seen(_stepping(lambda: queue[0]), lambda: queue.__setitem__(0, 0.9))
    assert_change_is_seen(_stepping(lambda: float(array)), lambda: array.fill(0.9))
    assert_change_is_seen(_stepping(lambda: slotted.number), lambda: setattr(slotted, "number", 0.9))
    params = {"k": 0.5}
    assert_change_is_seen(lambda p, x, h: (h, h * p["k"] + x), lambda: params.update(k=0.9), params)


# --- what needs no new trace ------------------------------------------------------------------------------------------


def test_new_values_sizes_and_times_need_no_trace() -> None:
    weight = torch.nn.Parameter(fill((H, H), 3))
    step = Counted(lambda params, x, h: (h, torch.tanh(h @ weight + x)))
    scan(step, X, S, engine="native")
    traced = step.calls
    assert 0 < traced < 8
    optimizer = torch.optim.Adam([weight], 0.1)
    for batch, steps in itertools.product((1, 2, 7, 11, 13, 64), (1, 2, 30)):
        x, h = fill((batch, steps, H), batch), fill((batch, H), steps)
        ys, _ = scan(step, x, h, engine="native", lengths=[steps - 1] * batch)
        optimizer.zero_grad()
        ys.square().sum().backward()
        optimizer.step()
    with torch.no_grad():
        weight.mul_(0.5)
    weight.data = fill((H, H), 4)
    scan(step, X.transpose(0, 1), S, engine="native", time_major=True)
    assert step.calls == traced
    found = scan(step, X, S, engine="native")[0]
    assert step.calls == traced
    assert_near(found, scan(step, X, S, engine="reference")[0], 1e-12)


def _of_cell(cell: Any, params: Any, x: Any, state: Any) -> Any:
    return cell(x, state)


def test_training_sees_every_step_of_an_optimizer() -> None:
    """Weights change in place between calls: no packed copy of them is used again."""
    losses: dict[str, list[float]] = {}
    for engine in ("native", "reference"):
        cell = made("lstm-all", torch.float64)
        optimizer = torch.optim.SGD(cell.parameters(), 0.5, momentum=0.9)
        losses[engine] = []
        for i in range(8):
            state = cell.zero_state(B, torch.float64)
            ys, _ = scan(functools.partial(_of_cell, cell), fill((B, T, D), i), state, engine=engine)
            loss = (ys - 0.1).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[engine].append(float(loss.detach()))
    np.testing.assert_allclose(losses["native"], losses["reference"], rtol=1e-11)


def test_load_state_dict_and_weight_norm_are_seen() -> None:
    linear = torch.nn.Linear(H, H, dtype=torch.float64)
    other = torch.nn.Linear(H, H, dtype=torch.float64)

    def step(params: Any, x: Any, h: Any) -> Any:
        return h, torch.tanh(linear(h) + x)

    assert_change_is_seen(step, lambda: linear.load_state_dict(other.state_dict()))
    torch.nn.utils.parametrizations.weight_norm(linear)
    both(step, X, S, sources=list(linear.parameters()), engine="auto")
    with torch.no_grad():
        next(linear.parameters()).mul_(1.5)
    both(step, X, S, sources=list(linear.parameters()), engine="auto")


def test_cell_that_is_built_at_its_first_call() -> None:
    cell = dynrnn.cells.GRUCell(4)
    dynrnn.dynamic_rnn(cell, fill((2, 3, D), 1))
    assert len(list(cell.parameters())) == 4
    assert len(dispatch._plans) == 1
    dynrnn.dynamic_rnn(cell, fill((5, 9, D), 1))
    assert len(dispatch._plans) == 1


def test_cache_stays_bounded() -> None:
    for i in range(dispatch._MOST_PLANS + 20):
        dispatch._plans[("filler", i)] = dispatch.Refusal("filler")
    step = _stepping(lambda: 0.5)
    _values(step)
    assert len(dispatch._plans) <= dispatch._MOST_PLANS
    before = list(dispatch._plans)
    _values(step)
    assert list(dispatch._plans) == before


# --- captured tensors -------------------------------------------------------------------------------------------------

GLOBAL_WEIGHT = fill((H, H), 5).requires_grad_()


class Bound:
    def __init__(self, weight: torch.Tensor) -> None:
        self.weight = weight

    def step(self, params: Any, x: Any, h: Any) -> Any:
        return h, torch.tanh(h @ self.weight + x)

    def step_of_global(self, params: Any, x: Any, h: Any) -> Any:
        return h, torch.tanh(h @ GLOBAL_WEIGHT + x)


def _with_weight(weight: Any, params: Any, x: Any, h: Any) -> Any:
    return h, torch.tanh(h @ weight + x)


class Uses(torch.nn.Module):
    def forward(self, params: Any, x: Any, h: Any) -> Any:
        return h, torch.tanh(h @ GLOBAL_WEIGHT + x)


def _captures() -> dict[str, tuple[Any, Any, list[torch.Tensor]]]:
    weight = fill((H, H), 6).requires_grad_()
    linear = torch.nn.Linear(H, H, dtype=torch.float64)

    def by_closure(params: Any, x: Any, h: Any) -> Any:
        return h, torch.tanh(h @ weight + x)

    def by_default(params: Any, x: Any, h: Any, w: Any = weight) -> Any:
        return h, torch.tanh(h @ w + x)

    def by_global(params: Any, x: Any, h: Any) -> Any:
        return h, torch.tanh(h @ GLOBAL_WEIGHT + x)

    def by_params(params: Any, x: Any, h: Any) -> Any:
        return h, torch.tanh(h @ params["w"][0] + x)

    return {
        "closure": (by_closure, (), [weight]),
        "default": (by_default, (), [weight]),
        "global": (by_global, (), [GLOBAL_WEIGHT]),
        "params": (by_params, {"w": [weight]}, [weight]),
        "partial": (functools.partial(_with_weight, weight), (), [weight]),
        "bound method": (Bound(weight).step, (), [weight]),
        "global of a method": (Bound(weight).step_of_global, (), [GLOBAL_WEIGHT]),
        "global of a module": (Uses(), (), [GLOBAL_WEIGHT]),
        "module": (lambda p, x, h: (h, torch.tanh(linear(h) + x)), (), list(linear.parameters())),
        "computed outside": (lambda p, x, h: (h, torch.tanh(h @ p + x)), weight * 2, [weight]),
        "half frozen": (
            lambda p, x, h: (h, torch.tanh(h @ p[0] + x * p[1])),
            [weight, fill((H,), 7)],
            [weight],
        ),
    }


@pytest.mark.parametrize("name", _captures())
def test_captured_tensors_get_gradients(name: str) -> None:
    step, params, sources = _captures()[name]
    found = both(step, X.clone(), S.clone(), params, sources=sources, lengths=[4, 0, 2])
    assert all(grad is not None and grad.abs().sum() > 0 for grad in found.grads)


def test_frozen_parameters_get_none() -> None:
    cell = made("lstm-all", torch.float64)
    frozen = [weight for i, weight in enumerate(cell.parameters()) if i % 2]
    for weight in frozen:
        weight.requires_grad_(False)
    free = [weight for weight in cell.parameters() if weight.requires_grad]
    inputs = fill((B, T, D), 1)
    both(lambda p, x, s: cell(x, s), inputs, cell.zero_state(B, torch.float64), sources=free)
    dynrnn.dynamic_rnn(cell, inputs)[0].sum().backward()
    assert all(weight.grad is None for weight in frozen)
    assert all(weight.grad is not None for weight in free)
    assert inputs.grad is None


# --- steps that are no functions --------------------------------------------------------------------------------------


def _fresh_steps() -> dict[str, Callable[[], Any]]:
    def counter() -> Any:
        calls = itertools.count(1)
        return lambda p, x, h: (h, h * 0.5 + x * next(calls))

    def attribute() -> Any:
        cell = types.SimpleNamespace(calls=0)

        def step(p: Any, x: Any, h: Any) -> Any:
            cell.calls += 1
            return h, h * 0.5 + x * cell.calls

        return step

    return {"iterator": counter, "attribute": attribute}


@pytest.mark.parametrize("name", _fresh_steps())
@pytest.mark.filterwarnings("ignore::dynrnn.engine.dispatch.EngineWarning")
def test_step_that_counts_its_calls(name: str) -> None:
    """It is refused; the reference runs it, once for every time step (after what tracing took)."""
    step = _fresh_steps()[name]()
    ys, final = scan(step, torch.ones_like(X), torch.zeros_like(S))
    values = [*ys.unbind(1), final]
    factors = [float((b - 0.5 * a)[0, 0]) for a, b in itertools.pairwise(values)]
    np.testing.assert_allclose(np.diff(factors), 1.0)
    with pytest.raises(NotImplementedError):
        scan(_fresh_steps()[name](), X, S, engine="native")


@pytest.mark.filterwarnings("ignore::dynrnn.engine.dispatch.EngineWarning")
def test_noise_of_other_libraries_is_refused() -> None:
    for draw in (random.random, np.random.rand, lambda: np.random.default_rng().random()):
        step = _stepping(draw)
        ys, final = scan(step, torch.zeros_like(X), torch.ones_like(S))
        values = torch.stack([*ys.unbind(1), final])[:, 0, 0]
        ratios = values[1:] / values[:-1]
        assert len(set(ratios.tolist())) == 4
        with pytest.raises(NotImplementedError, match="call to call"):
            scan(step, X, S, engine="native")


def test_failing_step_raises_its_own_error_and_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    class MyError(Exception):
        pass

    def raises(p: Any, x: Any, h: Any) -> Any:
        raise MyError("mine")

    for engine in ("auto", "reference"):
        with pytest.raises(MyError, match="mine"):
            scan(raises, X, S, engine=engine)
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            scan(lambda p, x, h: (h, h @ torch.ones(7, 7, dtype=torch.float64)), X, S, engine=engine)
        with pytest.raises(ValueError, match="new_state must keep the structure, shapes and dtypes of the state"):
            scan(lambda p, x, h: (x, h[:, :2]), X, S, engine=engine)
        with pytest.raises(TypeError, match="step must return"):
            scan(lambda p, x, h: x, X, S, engine=engine)
    assert not recwarn.list


def _scaled(scale: float, weight: Any, x: Any, h: Any) -> Any:
    return h, torch.tanh(h @ weight * scale + x)


def test_threads_trace_and_run() -> None:
    """Threads that trace different steps, and the same one, at the same time."""
    weight = fill((H, H), 3).requires_grad_()
    shared = _stepping(lambda: 0.25)
    errors: list[BaseException] = []
    found: dict[tuple[int, int], Found] = {}
    barrier = threading.Barrier(4)

    def call(scale: float, engine: str) -> Found:
        step = functools.partial(_scaled, scale)
        return differentiated(lambda: scan(step, X, S, weight, engine=engine), [weight])

    def work(number: int) -> None:
        try:
            barrier.wait()
            for i in range(6):
                found[number, i] = call(number + i / 8, "native")
                scan(shared, X, S, engine="native")
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    for (number, i), one in found.items():
        for a, e in zip(one.tensors(), call(number + i / 8, "reference").tensors(), strict=True):
            assert_near(a, e, 1e-12)
