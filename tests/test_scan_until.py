"""`dynrnn.scan.scan_until`: loops whose length the rows decide, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from dynrnn.scan import scan_until


def countdown(limits: list[int]) -> Callable[[int, Any, Any], Any]:
    """A step whose row b is finished after ``limits[b]`` steps; the carry counts calls."""
    last = torch.tensor(limits)
    return lambda time, state, carry: (
        time + 1 >= last,
        {"s": state[0], "t": torch.tensor(time)},
        (state[0] + 1, state[1] + 1),
        carry + 1,
    )


def test_until_masks_by_the_flags_before_the_step() -> None:
    state = (torch.ones(3), torch.tensor(0))
    finished = torch.tensor([False, True, False])
    emits, (ones, calls), carry = scan_until(countdown([1, 5, 3]), state, finished, 0)
    assert emits["s"].tolist() == [[1, 0, 1], [0, 0, 2], [0, 0, 3]]
    assert emits["t"].tolist() == [0, 1, 2]
    assert ones.tolist() == [2, 1, 4]
    assert (calls, carry) == (3, 3)


def test_until_keeps_rows_finished() -> None:
    """A row that says it is not finished after all stays finished."""
    flags = iter([[True, False], [False, False], [False, True]])
    emits, state, _ = scan_until(
        lambda time, state, carry: (torch.tensor(next(flags)), state, state + 1, carry),
        torch.ones(2),
        torch.tensor([False, False]),
    )
    assert emits.tolist() == [[1, 1], [0, 2], [0, 3]]
    assert state.tolist() == [2, 4]


def test_until_with_nothing_to_do() -> None:
    state, carry = torch.ones(2, 3), object()
    done = torch.tensor([True, True])
    like = {"a": torch.zeros(2, 4, dtype=torch.int32), "b": torch.zeros(())}
    emits, final, kept = scan_until(lambda *a: pytest.fail("called"), state, done, carry, emit_like=like)
    assert (emits["a"].shape, emits["a"].dtype, emits["b"].shape) == ((0, 2, 4), torch.int32, (0,))
    assert final is state
    assert kept is carry
    assert scan_until(lambda *a: pytest.fail("called"), state, done)[0] is None


def test_until_gradients_pass_frozen_rows_untouched() -> None:
    start = torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64, requires_grad=True)
    last = torch.tensor([1, 0, 3])

    def run(x: torch.Tensor) -> Any:
        return scan_until(lambda t, s, c: (t + 1 >= last, s * 2, s * s, c), x, last == 0)[:2]

    emits, state = run(start)
    assert state.tolist() == [4, 3, 5.0**8]
    assert emits.tolist() == [[4, 0, 10], [0, 0, 50], [0, 0, 1250]]
    (gradient,) = torch.autograd.grad(state.sum(), start)
    assert gradient.tolist() == [4, 1, 8 * 5.0**7]
    assert torch.autograd.gradcheck(run, [torch.rand(3, dtype=torch.float64, requires_grad=True)])


OPEN = torch.tensor([False, False])
UNTIL_REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "step": ({"step": None}, TypeError, "step must be callable"),
    "flags": ({"finished": [True]}, ValueError, r"finished must be a bool tensor of shape \[batch_size\], got list"),
    "flags dtype": ({"finished": OPEN.int()}, ValueError, r"got int32 \[2\]"),
    "flags rank": ({"finished": OPEN[None]}, ValueError, r"got bool \[1, 2\]"),
    "state": ({"state": torch.ones(3)}, ValueError, "state must have the 2 rows"),
    "emit_like": ({"emit_like": torch.ones(3)}, ValueError, "emit_like must have the 2 rows"),
    "results": (
        {"step": lambda t, s, c: (OPEN, s, s)},
        TypeError,
        "step must return .finished, emit, new_state, carry",
    ),
    "new flags": (
        {"step": lambda t, s, c: (OPEN[:1], s, s, c)},
        ValueError,
        r"bool tensor of shape \[2\], got bool \[1\]",
    ),
    "new state": ({"step": lambda t, s, c: (OPEN, s, s[:, None], c)}, ValueError, r"new_state must keep .* \[2, 1\]"),
    "emit rows": ({"step": lambda t, s, c: (OPEN, s[:1], s, c)}, ValueError, r"emit must have the 2 rows"),
    "emit": (
        {"step": lambda t, s, c: (OPEN, s, s, c), "emit_like": torch.ones(2, 3)},
        ValueError,
        r"emit must be alike in every step: expected float32 \[2, 3\], got float32 \[2\]",
    ),
}


@pytest.mark.parametrize(("changed", "error", "message"), UNTIL_REFUSED.values(), ids=UNTIL_REFUSED)
def test_until_refused(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"step": lambda t, s, c: (~OPEN, s, s, c), "state": torch.ones(2), "finished": OPEN, **changed}
    with pytest.raises(error, match=message):
        scan_until(**arguments)
