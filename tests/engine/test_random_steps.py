"""Random steps: the native executor against the reference, and every form that a program takes against the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_support import assert_near, both, fill, forget_plans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import Graph, arguments, graphs

from dynrnn import scan
from dynrnn.engine import dispatch
from dynrnn.engine.derive import derive
from dynrnn.engine.passes import optimized
from dynrnn.engine.program import Program, check, matrix_name, run

PLENTY = settings(max_examples=40, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)


@st.composite
def lengths_for(draw: st.DrawFn) -> list[int]:
    return draw(st.lists(st.integers(0, 5), min_size=1, max_size=7))


@PLENTY
@given(graphs(), lengths_for(), st.booleans())
def test_native_equals_reference(graph: Graph, lengths: list[int], time_major: bool) -> None:
    inputs, state = arguments(graph, len(lengths), 5)
    if time_major:
        inputs = tuple(leaf.transpose(0, 1) for leaf in inputs)
    forget_plans()
    both(graph, inputs, state, graph.params, lengths=lengths, time_major=time_major, tolerance=1e-10)


@settings(PLENTY, max_examples=25)
@given(graphs(), st.data())
def test_some_gradients_only(graph: Graph, data: Any) -> None:
    """Whatever of inputs, states and parameters asks for gradients, the others' values are not disturbed."""
    inputs, state = arguments(graph, 3, 4)
    leaves = [*inputs, *state, *graph.params]
    chosen = data.draw(st.lists(st.sampled_from(range(len(leaves))), max_size=len(leaves), unique=True))
    sources = [leaves[i].requires_grad_() for i in sorted(chosen)]
    forget_plans()
    both(graph, inputs, state, graph.params, sources=sources, lengths=[4, 0, 2], tolerance=1e-10)


def _sinks(program: Program, values: dict[Any, torch.Tensor], batch: int) -> dict[str, torch.Tensor]:
    """What a program computes: rows, and sums over them."""
    found = {}
    for sinks in (program.outputs, program.carries):
        found.update({key: values[node].expand(batch, node.cols) for key, node in sinks.items()})
    for item in program.sums:
        rows = values[item.a] if item.b is None else values[item.a] * values[item.b]
        total = rows.expand(batch, item.a.cols).sum(0)
        found[item.key] = found[item.key] + total if item.key in found else total
    for outer in program.outers:
        key = f"{outer.key}[{outer.start}:{outer.stop}]"
        a, b = (values[node].expand(batch, node.cols) for node in (outer.a, outer.b))
        found[key] = found.get(key, 0) + a.t() @ b
    return found


def _leaves(program: Program, batch: int, known: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A tensor for every leaf; those of the same key alike in all programs."""
    for node in program.nodes():
        if node.op == "mat":
            known.setdefault(matrix_name(node), fill((node.attrs[2] - node.attrs[1], node.cols), len(known), scale=0.3))
        elif node.op == "vec":
            known.setdefault(node.attrs[0], fill((node.cols,), len(known)))
        elif node.op in ("input", "carry"):
            known.setdefault(node.attrs[0], fill((batch, node.cols), len(known)))
    return known


@settings(PLENTY, max_examples=25)
@given(graphs())
def test_programs_keep_their_meaning(graph: Graph) -> None:
    """The step, its optimized program and the program of a training step compute the same; so do both backward ones."""
    batch = 4
    inputs, state = arguments(graph, batch, 1)
    forget_plans()
    plan, _ = dispatch.find_plan(graph, graph.params, inputs, state, None, 1)
    wanted = {"x0", "x1", *plan.hoisted}
    train, backward = derive(plan.builder, plan.program, plan.dtype, wanted)
    known: dict[str, torch.Tensor] = {"": torch.zeros(1, dtype=torch.float64)}
    for program in (plan.program, train, backward):
        check(program)
        _leaves(program, batch, known)
    expected = _sinks(plan.program, run(plan.program, known, batch), batch)
    training = run(train, known, batch)
    for program in (optimized(plan.builder, plan.program), train, optimized(plan.builder, train)):
        found = _sinks(program, run(program, known, batch), batch)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_near(found[key], value, 1e-11, key)
    for key, node in train.saves.items():
        known[key] = training[node].expand(batch, node.cols)
    before = _sinks(backward, run(backward, known, batch), batch)
    after_passes = optimized(plan.builder, backward)
    after = _sinks(after_passes, run(after_passes, known, batch), batch)
    assert before.keys() == after.keys()
    for key, value in before.items():
        assert_near(after[key], value, 1e-11, key)


@settings(PLENTY, max_examples=25)
@given(graphs())
def test_native_runs_what_the_program_says(graph: Graph) -> None:
    """One step natively is the program, run in torch on the operands that the prologue makes."""
    batch = 5
    inputs, state = arguments(graph, batch, 1)
    forget_plans()
    plan, inventory = dispatch.find_plan(graph, graph.params, inputs, state, None, 1)
    operands = plan.prologue.run(*[inventory.tensors[place] for place in plan.prologue.places])
    leaves = dict(zip(plan.hoisted, operands, strict=True))
    leaves.update((f"x{i}", leaf[:, 0]) for i, leaf in enumerate(inputs))
    leaves.update((f"s{i}", leaf) for i, leaf in enumerate(state))
    values = run(plan.program, leaves, batch)
    ys, final = scan(graph, inputs, state, graph.params, engine="native")
    for i, y in enumerate(ys):
        node = plan.program.outputs[f"y{i}"]
        assert_near(y[:, 0], values[node].expand(batch, node.cols), 1e-12, f"output {i}")
    for i, s in enumerate(final):
        node = plan.program.carries[f"s{i}"]
        assert_near(s, values[node].expand(batch, node.cols), 1e-12, f"state {i}")


def _gru_like(params: Any, x: torch.Tensor, h: torch.Tensor) -> Any:
    w, u, b = params
    gates = torch.addmm(b, torch.cat([x, h], 1), w)
    r, z, n = gates.sigmoid().chunk(3, 1)
    new = torch.tanh((r * h) @ u + n)
    h = z * h + (1 - z) * new
    return h, h


@pytest.mark.parametrize("units", [*range(1, 20), 23, 31, 32, 33, 48, 63, 64, 65, 67])
def test_every_width(units: int) -> None:
    """All tails of the matrix products, and widths that equal a number of rows of a trace."""
    dtype = torch.float32 if units % 5 else torch.float64
    depth, batch = 1 + (units * 5) % 67, 1 + units % 9
    params = [
        fill((depth + units, 3 * units), 1, dtype, 0.2),
        fill((units, units), 2, dtype, 0.2),
        fill((3 * units,), 3, dtype),
    ]
    lengths = [(3 * b + units) % 5 for b in range(batch)]
    inputs, state = fill((batch, 4, depth), 4, dtype), fill((batch, units), 5, dtype)
    both(_gru_like, inputs, state, params, lengths=lengths)


@pytest.mark.parametrize("batch", [*range(1, 18), 24, 31, 32, 33, 64])
def test_every_number_of_rows(batch: int) -> None:
    params = [fill((8, 15), 1, scale=0.2), fill((5, 5), 2, scale=0.2), fill((15,), 3)]
    lengths = [(7 * b) % 4 for b in range(batch)]
    both(_gru_like, fill((batch, 3, 3), 4), fill((batch, 5), 5), params, lengths=lengths)
