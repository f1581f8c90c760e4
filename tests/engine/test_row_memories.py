"""What belongs to the rows at all steps (``per_row``): memories that a row looks up, masks, conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_support import Found, both, differentiated, fill, forget_plans
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import explain, scan
from dynrnn.engine import dispatch, native
from dynrnn.engine import trace as tracing
from dynrnn.engine.additive import additive_score

B, T, X, H = 4, 5, 3, 6
LENGTHS = {"full": None, "ragged": [5, 0, 3, 1], "none": [0, 0, 0, 0], "one": [0, 0, 2, 0]}
lengths_of = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}

Scores = dict[str, Callable[[Any, Any, Any], torch.Tensor]]
# Scores of a query [B, N] in keys [B, S, N]: all the ways in which people write them.
DOTS: Scores = {
    "keys-query": lambda p, q, r: torch.bmm(r["keys"], q.unsqueeze(2)).squeeze(2),
    "query-keys": lambda p, q, r: torch.bmm(q.unsqueeze(1), r["keys"].transpose(1, 2)).squeeze(1),
    "matmul": lambda p, q, r: (r["keys"] @ q.unsqueeze(-1))[:, :, 0],
    "matmul-left": lambda p, q, r: torch.matmul(q[:, None], r["keys"].mT).flatten(1),
    "einsum": lambda p, q, r: torch.einsum("bn,bsn->bs", q, r["keys"]),
}
SCORES: Scores = {
    **DOTS,
    "scaled": lambda p, q, r: p["g"] * DOTS["keys-query"](p, q, r),
    "additive": lambda p, q, r: additive_score(q, r["keys"], p["v"]),
    "additive-normalized": lambda p, q, r: additive_score(
        q + p["b"], r["keys"], p["g"] * p["v"] * torch.rsqrt(torch.sum(torch.square(p["v"])))
    ),
    "both": lambda p, q, r: additive_score(q, r["keys"], p["v"]) + DOTS["matmul"](p, q, r),
    "two-weights": lambda p, q, r: additive_score(q, r["keys"], p["v"]) * additive_score(q, r["keys"], p["b"]),
}


class Attends:
    """A step that attends with a given score, and feeds what it has found into its next step."""

    def __init__(self, score: Callable[[Any, Any, Any], torch.Tensor]):
        self.score = score

    def __call__(self, params: Any, x: torch.Tensor, state: Any, per_row: Any) -> Any:
        h, context = state
        h = torch.tanh(torch.cat([x, h, context], 1) @ params["w"])
        score = torch.where(per_row["mask"], self.score(params, h @ params["wq"], per_row), -math.inf)
        alignments = torch.softmax(score, 1)
        context = torch.matmul(alignments.unsqueeze(1), per_row["values"]).squeeze(1)
        return (context, alignments), (h, context)


def arguments(
    dtype: torch.dtype, sizes: tuple[int, int, int] = (7, 6, 9), batch: int = B, steps: int = T
) -> tuple[Any, Any, Any, Any, list[torch.Tensor]]:
    """Inputs, state, params and per_row of `Attends`, and what gradients are taken of."""
    entries, width, depth = sizes
    params = {
        "w": fill((X + H + depth, H), 1, dtype, 0.5),
        "wq": fill((H, width), 2, dtype, 0.7),
        "v": fill((width,), 3, dtype),
        "b": fill((width,), 4, dtype),
        "g": fill((), 5, dtype),
    }
    mask = fill((batch, entries), 6) > -0.4
    mask[:, 0] = True
    per_row = {
        "keys": fill((batch, entries, width), 7, dtype),
        "values": fill((batch, entries, depth), 8, dtype),
        "mask": mask,
    }
    inputs, state = fill((batch, steps, X), 9, dtype), (fill((batch, H), 10, dtype), fill((batch, depth), 11, dtype))
    sources = [*params.values(), inputs, *state, per_row["keys"], per_row["values"]]
    return inputs, state, params, per_row, [source.requires_grad_() for source in sources]


def check(step: Any, dtype: torch.dtype, lengths: Any = None, sizes: Any = (7, 6, 9), **more: Any) -> Found:
    inputs, state, params, per_row, sources = arguments(dtype, sizes)
    return both(
        step,
        inputs,
        state,
        params,
        sources=sources,
        per_row=per_row,
        lengths=lengths,
        tolerance=TOLERANCE[dtype],
        **more,
    )


@lengths_of
@dtypes
@pytest.mark.parametrize("name", SCORES)
def test_scores(name: str, dtype: torch.dtype, lengths: Any) -> None:
    found = check(Attends(SCORES[name]), dtype, lengths)
    if lengths == LENGTHS["ragged"]:
        keys, values = found.grads[-2:]
        assert keys is not None and values is not None
        assert (keys[1] == 0).all() and (values[1] == 0).all() and (keys[0] != 0).any()


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(1, 67)] * 3), st.lists(st.integers(0, T), min_size=B, max_size=B), st.booleans())
def test_sizes(sizes: tuple[int, int, int], lengths: list[int], single: bool) -> None:
    for name in ("keys-query", "query-keys", "additive"):
        check(Attends(SCORES[name]), torch.float32 if single else torch.float64, lengths, sizes)


@pytest.mark.parametrize("isa", native.isas())
def test_code_paths(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNRNN_ISA", isa)
    for sizes in ((1, 1, 1), (50, 33, 130), (9, 64, 16)):
        for name in ("query-keys", "additive"):
            check(Attends(SCORES[name]), torch.float64, LENGTHS["ragged"], sizes)
            check(Attends(SCORES[name]), torch.float32, LENGTHS["ragged"], sizes)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing(threads: int) -> None:
    """Gradients of memories are the same bits whoever computes them."""
    inputs, state, params, per_row, _ = arguments(torch.float32, batch=20)
    lengths = [row % (T + 1) for row in range(20)]
    step = Attends(SCORES["additive"])
    sources = [per_row["keys"], per_row["values"], inputs]

    def run() -> Found:
        return differentiated(
            lambda: scan(step, inputs, state, params, per_row=per_row, lengths=lengths, engine="native"), sources
        )

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = run()
        torch.set_num_threads(threads)
        found = run()
    finally:
        torch.set_num_threads(before)
    for a, e in zip(found.tensors(), expected.tensors(), strict=True):
        torch.testing.assert_close(a, e, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["keys-query", "additive"])
def test_layouts(name: str) -> None:
    """Memories that are views: time-major ones, every second column, one row for all."""
    inputs, state, params, per_row, sources = arguments(torch.float64)
    for change in (
        lambda leaf: leaf.transpose(0, 1).contiguous().transpose(0, 1),
        lambda leaf: torch.stack([leaf, leaf + 1], -1)[..., 0],
        lambda leaf: leaf[:1].expand(B, -1, -1),
    ):
        given_rows = {**per_row, "keys": change(per_row["keys"]), "values": change(per_row["values"])}
        x = inputs.transpose(0, 1)
        both(
            Attends(SCORES[name]), x, state, params, sources=sources, per_row=given_rows, lengths=[4, 5, 0, 2],
            time_major=True,
        )  # fmt: skip


# --- what is not a memory ---------------------------------------------------------------------------------------------


def test_conditions() -> None:
    """Vectors, numbers, truth values and integers of a row, read in many ways."""
    vector, number = fill((B, H), 1).requires_grad_(), fill((B, 1), 2).requires_grad_()
    per_row = [vector, number, torch.tensor([True, False, True, False]), torch.arange(B)]
    table, w = fill((B, H), 3).requires_grad_(), fill((X + H, H), 4).requires_grad_()

    def step(params: Any, x: Any, h: Any, per_row: Any) -> Any:
        vector, number, flag, ids = per_row
        new = torch.tanh(torch.cat([x, vector], 1) @ w) + table[ids] * number
        h = torch.where(flag.unsqueeze(1), new + 0.5 * h, h - new) * torch.exp(vector)
        return (h, vector[:, :2], number * 2), h

    inputs, state = fill((B, T, X), 5).requires_grad_(), fill((B, H), 6).requires_grad_()
    for lengths in LENGTHS.values():
        both(step, inputs, state, sources=[vector, number, table, w, inputs, state], per_row=per_row, lengths=lengths)


def test_what_depends_on_rows_alone_is_computed_once() -> None:
    """Functions of per_row only run in torch before the loop, so any of them will do."""
    inputs, state, params, per_row, sources = arguments(torch.float64)
    lengths_of_rows = torch.tensor([7, 1, 3, 4])

    def score(p: Any, q: Any, r: Any) -> torch.Tensor:
        keys = torch.cumsum(r["keys"], 1) * p["b"]
        keys = torch.where((torch.arange(7) < r["many"].unsqueeze(1)).unsqueeze(2), keys, 0.0)
        return torch.bmm(keys, q.unsqueeze(2)).squeeze(2)

    for lengths in LENGTHS.values():
        both(
            Attends(score), inputs, state, params, sources=sources, per_row={**per_row, "many": lengths_of_rows},
            lengths=lengths,
        )  # fmt: skip


def test_elementwise_gradient_of_a_memory() -> None:
    """A memory that is looked up and read element by element too."""

    def score(p: Any, q: Any, r: Any) -> torch.Tensor:
        return torch.bmm(r["keys"], q.unsqueeze(2)).squeeze(2) + q[:, :1] * r["keys"][:, :, 0]

    check(Attends(score), torch.float64, LENGTHS["ragged"], (3, 4, 2))


@pytest.mark.parametrize("name", ["keys-query", "additive"])
@lengths_of
def test_a_query_that_no_state_takes_part_in(name: str, lengths: Any) -> None:
    """What is looked up depends on inputs only, and nothing in the recurrence waits for it."""
    inputs, state, params, per_row, sources = arguments(torch.float64)

    def step(p: Any, x: Any, h: Any, r: Any) -> Any:
        alignments = torch.softmax(SCORES[name](p, x @ p["wq"][:X], r), 1)
        return torch.bmm(alignments.unsqueeze(1), r["values"]).squeeze(1), h * 0.5

    both(step, inputs, state[0], params, sources=sources, per_row=per_row, lengths=lengths)


def test_a_memory_is_not_copied_for_a_view() -> None:
    inputs, state, params, per_row, _ = arguments(torch.float64)
    for name in DOTS:
        found = explain(Attends(SCORES[name]), inputs, state, params=params, per_row=per_row)
        assert "memory_dot(" in found.split("the derivative:")[0] and "r3" not in found, name


def test_unused_and_empty() -> None:
    inputs, state = fill((B, T, X), 1).requires_grad_(), fill((B, X), 2).requires_grad_()
    unused = fill((B, 3), 3).requires_grad_()
    both(lambda p, x, h, r: (h + x, h * x), inputs, state, sources=[inputs, state, unused], per_row={"a": unused})
    both(lambda p, x, h, r: (h + x, h * x), inputs, state, per_row=())


def test_gradient_of_a_gradient() -> None:
    inputs, state, params, per_row, _ = arguments(torch.float64, (3, 2, 2), 2, 3)

    def call(keys: torch.Tensor, values: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        rows = {"keys": keys, "values": values, "mask": per_row["mask"]}
        (ys, _), _ = scan(
            Attends(SCORES["both"]), inputs.detach(), tuple(s.detach() for s in state), {**params, "v": v},
            per_row=rows, lengths=[3, 2], engine="native",
        )  # fmt: skip
        return ys

    leaves = [per_row["keys"], per_row["values"], params["v"]]
    assert torch.autograd.gradcheck(call, leaves)
    assert torch.autograd.gradgradcheck(call, leaves)


# --- the law ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", ["keys-query", "additive-normalized"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_a_row_without_steps_holds_reaches_nothing(name: str, engine: str, bad: float) -> None:
    inputs, state, params, per_row, sources = arguments(torch.float64)
    lengths = LENGTHS["ragged"]
    step = Attends(SCORES[name])

    def run(spoilt: bool) -> Found:
        rows = dict(per_row)
        if spoilt:
            rows = {**rows, "keys": rows["keys"].clone(), "values": rows["values"].clone()}
            with torch.no_grad():
                rows["keys"][1], rows["values"][1] = bad, bad
        kept = [*sources[:-2], rows["keys"], rows["values"]]
        return differentiated(
            lambda: scan(step, inputs, state, params, per_row=rows, lengths=lengths, engine=engine), kept
        )

    for a, e in zip(run(True).tensors(), run(False).tensors(), strict=True):
        assert torch.equal(a, e)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_parameter_that_meets_a_row_without_steps(engine: str) -> None:
    """Also where the two meet before the loop."""
    w, rows = torch.ones(2, dtype=torch.float64, requires_grad=True), torch.ones(2, 2, dtype=torch.float64)
    rows[1] = math.nan

    def step(p: Any, x: Any, h: Any, r: Any) -> Any:
        h = h + torch.exp(r * w) * x
        return h, h

    inputs, state = torch.ones(2, 3, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    ys, last = scan(step, inputs, state, per_row=rows, lengths=[3, 0], engine=engine)
    (ys.sum() + last.sum()).backward()
    assert torch.isfinite(ys).all() and w.grad is not None
    torch.testing.assert_close(w.grad, torch.full_like(w, 9 * math.e))


# --- plans ------------------------------------------------------------------------------------------------------------


def test_another_batch_needs_no_other_plan_but_another_memory_does() -> None:
    forget_plans()
    step = Attends(SCORES["additive"])
    for batch, entries in ((4, 7), (9, 7), (2, 7), (4, 8)):
        inputs, state, params, per_row, _ = arguments(torch.float64, (entries, 6, 9), batch)
        scan(step, inputs, state, params, per_row=per_row, engine="native")
    assert len(dispatch._plans) == 2


def test_a_large_memory_is_traced_on_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    traced = tracing._trace_with

    def noted(function: Any, leaves: Any, count: int, *more: Any) -> Any:
        rows.append(count)
        return traced(function, leaves, count, *more)

    monkeypatch.setattr(tracing, "_trace_with", noted)
    inputs, state, params, per_row, sources = arguments(torch.float64, (300, 400, 300), 2, 2)
    both(Attends(SCORES["keys-query"]), inputs, state, params, sources=sources, per_row=per_row)
    assert len(rows) == 2 and max(rows) < 20


def test_explained() -> None:
    inputs, state, params, per_row, _ = arguments(torch.float64)
    found = explain(Attends(SCORES["additive"]), inputs, state, params=params, per_row=per_row)
    assert found.executor == "native"
    for words in ("memory_additive(", "memory_sum(", "(1 - t^2) g of", "in each row", "each row's own memories: r0, "):
        assert words in found, words


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "why"),
    [
        (lambda p, q, r: additive_score(q, r["keys"] * q.unsqueeze(1), p["v"]), "memory that the step computes"),
        (lambda p, q, r: additive_score(q, r["keys"], q[0]), "."),
        (lambda p, q, r: DOTS["keys-query"](p, q, {"keys": r["keys"].mean(0, keepdim=True).expand(B, -1, -1)}), "."),
    ],
)
def test_refused(score: Any, why: str) -> None:
    inputs, state, params, per_row, _ = arguments(torch.float64)
    with pytest.raises(NotImplementedError, match=why):
        scan(Attends(score), inputs, state, params, per_row=per_row, engine="native")


@pytest.mark.parametrize(
    ("per_row", "error", "why"),
    [
        (
            {"a": torch.zeros(3, 2)},
            ValueError,
            r"per_row\['a'\] must have 4 rows, as the inputs have, got shape \[3, 2",
        ),
        (torch.zeros(()), ValueError, r"per_row must have 4 rows, as the inputs have, got shape \[\]"),
        ([None], TypeError, r"per_row\[0\] must be a tensor \[batch_size, ...\], got NoneType"),
    ],
)
def test_wrong_arguments(per_row: Any, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        scan(lambda p, x, h, r: (h, h), torch.zeros(B, T, X), torch.zeros(B, X), per_row=per_row)


# --- the additive score by itself -------------------------------------------------------------------------------------


def formula(query: torch.Tensor, memory: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (torch.tanh(memory + query[:, None]) * v).sum(2)


@dtypes
@pytest.mark.parametrize("sizes", [(3, 4, 5), (1, 1, 1), (2, 9, 67), (40, 50, 33), (0, 3, 2), (2, 0, 3)])
def test_additive_score(sizes: tuple[int, int, int], dtype: torch.dtype) -> None:
    rows, entries, width = sizes
    leaves = [fill(shape, i, dtype).requires_grad_() for i, shape in enumerate([(rows, width), sizes, (width,)])]
    weight = fill((rows, entries), 9, dtype)
    score, expected = additive_score(*leaves), formula(*leaves)
    torch.testing.assert_close(score, expected, rtol=1e-5, atol=TOLERANCE[dtype])
    for wanted in (leaves, leaves[:1], leaves[1:2], leaves[2:]):
        found = torch.autograd.grad((score * weight).sum(), wanted, retain_graph=True)
        for a, e in zip(found, torch.autograd.grad((expected * weight).sum(), wanted, retain_graph=True), strict=True):
            torch.testing.assert_close(a, e, rtol=1e-5, atol=TOLERANCE[dtype])


def test_derivatives_of_the_additive_score() -> None:
    leaves = [fill(shape, i).requires_grad_() for i, shape in enumerate([(2, 3), (2, 4, 3), (3,)])]
    assert torch.autograd.gradcheck(additive_score, leaves)
    assert torch.autograd.gradgradcheck(additive_score, leaves)
    for kept in range(3):
        some = [leaf if i == kept else leaf.detach() for i, leaf in enumerate(leaves)]
        assert torch.autograd.gradcheck(additive_score, some)
        assert torch.autograd.gradgradcheck(additive_score, some)


def test_additive_score_of_other_kinds() -> None:
    """Where the operation cannot take part, the formula does."""
    leaves = [fill(shape, i) for i, shape in enumerate([(2, 3), (2, 4, 3), (3,)])]
    expected = formula(*leaves)
    mapped = torch.func.vmap(additive_score, (None, 0, None))(leaves[0], torch.stack([leaves[1]] * 2), leaves[2])
    torch.testing.assert_close(mapped, torch.stack([expected] * 2))
    along = (torch.ones(2, 3, dtype=torch.float64),)
    tangents = [
        torch.func.jvp(lambda q, score=score: score(q, *leaves[1:]), (leaves[0],), along)[1]
        for score in (additive_score, formula)
    ]
    torch.testing.assert_close(*tangents)
    half = [leaf.half() for leaf in leaves]
    assert additive_score(*half).dtype == torch.float16
    with torch.autocast("cpu", torch.bfloat16):
        assert additive_score(*[leaf.float() for leaf in leaves]).shape == (2, 4)
    assert additive_score(*[leaf.to("meta") for leaf in leaves]).shape == (2, 4)
    with torch.inference_mode():
        torch.testing.assert_close(additive_score(*leaves), expected)
