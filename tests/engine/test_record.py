"""The recorder: what it puts down, what it refuses, and what it must not load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_support import fill, forget_plans

from dynrnn import scan
from dynrnn.engine.decompositions import decompositions
from dynrnn.engine.record import record
from dynrnn.engine.refusal import Refusal

B, T, H = 3, 4, 5


def _names(function: Callable[..., list[torch.Tensor]], *arguments: torch.Tensor, apart: bool = False) -> list[str]:
    recorded = record(function, arguments, decompositions() if apart else None)
    recorded.graph.eliminate_dead_code()
    calls: list[Any] = [node.target for node in recorded.graph.nodes if node.op == "call_function"]
    return [call._schema.name.removeprefix("aten::") for call in calls if hasattr(call, "_schema")]


def test_operations_behind_autograd_in_order() -> None:
    x, weight = fill((B, H), 0), fill((H, H), 0).requires_grad_()
    assert _names(lambda x: [torch.tanh(x @ weight) * 2], x) == ["mm", "tanh", "mul"]


def test_gradients_are_recorded_too() -> None:
    x = fill((B, H), 0).requires_grad_()
    names = _names(lambda x: list(torch.autograd.grad(torch.tanh(x).sum(), x)), x)
    assert "tanh" in names and "tanh_backward" in names


def test_composed_operations_are_taken_apart_after_the_derivative() -> None:
    x = fill((B, H), 0).requires_grad_()

    def gradient(x: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(torch.nn.functional.softplus(x).sum(), x))

    assert "softplus_backward" in _names(gradient, x)
    assert "softplus_backward" not in _names(gradient, x, apart=True)


def test_results_of_several_tensors() -> None:
    recorded = record(lambda x: [torch.split(x, 2, 1)[1]], [fill((B, 4), 0)])
    recorded.graph.eliminate_dead_code()
    item: Any = recorded.graph.output_node().args[0]
    item = item[0]
    assert item.args[1] == 1 and tuple(item.meta["val"].shape) == (B, 2)


def test_what_is_taken_from_elsewhere() -> None:
    weight, generator = fill((H,), 0), torch.Generator().manual_seed(77)
    recorded = record(lambda x: [x * weight + torch.rand(H, generator=generator)], [fill((B, H), 0)])
    generators = [value for value in recorded.taken.values() if isinstance(value, torch.Generator)]
    assert [g.initial_seed() for g in generators] == [77]  # torch may wrap one generator in several objects
    assert [id(tensor) for tensor in recorded.tensors().values()] == [id(weight)]


NUMBERS: dict[str, Callable[[torch.Tensor], object]] = {
    "item": lambda t: t.sum().item(),
    "float": lambda t: float(t.sum()),
    "bool": lambda t: bool((t > 0).all()),
    "list": lambda t: t.tolist(),
    "list of a result": lambda t: (t + 1).tolist(),
    "numpy": lambda t: t.detach().numpy(),
    "numpy of a result": lambda t: (t + 1).detach().numpy(),
    "equal": lambda t: torch.equal(t, t + 1),
    "allclose": lambda t: torch.allclose(t, t + 1),
    "is_nonzero": lambda t: torch.is_nonzero(t.sum()),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("of", ["input", "state", "weight", "product"])
def test_numbers_of_tensors_are_not_frozen(kind: str, of: str) -> None:
    """A step that looks at values gives what the reference executor gives, whatever the values are."""
    weight, inputs, state = fill((H, H), 1), fill((B, T, H), 2), fill((B, H), 3)
    seen: list[object] = []

    def step(p: torch.Tensor, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = NUMBERS[kind]({"input": x, "state": h, "weight": p, "product": x @ p}[of])
        seen.append(found)
        factor = 2.0 if str(found) == str(seen[0]) else 3.0
        return h, torch.tanh(x * factor + h)

    forget_plans()
    with pytest.raises(NotImplementedError, match="engine='native' cannot run this step"):
        scan(step, inputs, state, weight, engine="native")


def test_numbers_of_numbers_may_be_looked_at() -> None:
    def step(p: object, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        half = torch.tensor(0.5)
        return h, h * half.item() + x * float(half * 2)

    inputs, state = fill((B, T, H), 2), fill((B, H), 3)
    forget_plans()
    ys, _ = scan(step, inputs, state, engine="native")
    torch.testing.assert_close(ys, scan(step, inputs, state, engine="reference")[0])


def test_a_tensor_from_elsewhere_is_not_changed() -> None:
    count = torch.zeros(H)
    with pytest.raises(Refusal, match=r"changes a tensor from elsewhere in place with torch\.ops\.aten\.add_"):
        record(lambda x: [x + count.add_(1)], [fill((B, H), 0)])
    assert not count.any()


def test_a_refusal_within_an_operation_says_where() -> None:
    with pytest.raises(Refusal, match="depends on the values"):
        record(lambda x: [x * float(x.sum())], [fill((B, H), 0)])


def test_torch_is_not_made_to_load_its_compiler() -> None:
    """It takes a second, and more memory than a small model takes in training."""
    program = """
import sys, torch, dynrnn
cell = dynrnn.cells.LayerNormBasicLSTMCell(8, input_size=4)
x = torch.randn(3, 5, 4, requires_grad=True)
ys, state = dynrnn.dynamic_rnn(cell, x, dtype=torch.float32)
ys.sum().backward()
loaded = [name for name in ("sympy", "torch._dynamo", "torch._inductor.config") if name in sys.modules]
assert not loaded, loaded
assert dynrnn.explain(cell, x).executor == "native"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
