"""`sequence_loss` against numpy, for all flags."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from dynrnn import seq2seq

RNG = np.random.default_rng(0)
LOGITS, TARGETS = RNG.normal(size=(3, 4, 5)), RNG.integers(0, 5, (3, 4))
WEIGHTS = {
    "mask": np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], float),
    "floats": np.abs(RNG.normal(size=(3, 4))),
    "zeros": np.zeros((3, 4)),
}
FLAGS = list(product([True, False], repeat=4))


def divided(total: Any, size: Any) -> Any:
    return np.where(size == 0, 0.0, total / np.where(size == 0, 1.0, size))


def expected_loss(losses: Any, weights: Any, flags: Any) -> Any:
    """The rule, written out case by case."""
    average_time, average_batch, sum_time, sum_batch = flags
    weighted = losses * weights
    if average_time and average_batch:
        return divided(weighted.sum(), weights.sum())
    if sum_time and sum_batch:
        return divided(weighted.sum(), np.count_nonzero(weights))
    if average_time:
        return divided(weighted.sum(1), weights.sum(1))
    if average_batch:
        return divided(weighted.sum(0), weights.sum(0))
    if sum_time:
        return divided(weighted.sum(1), np.count_nonzero(weights, 1))
    if sum_batch:
        return divided(weighted.sum(0), np.count_nonzero(weights, 0))
    return weighted


def crossentropy(logits: Any, targets: Any) -> Any:
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.take_along_axis(logs, targets[..., None], -1)[..., 0]


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("own", [False, True])
def test_all_flags(flags: Any, weights: Any, own: bool) -> None:
    average_time, average_batch, sum_time, sum_batch = flags

    def squares(*, labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        assert labels.shape == (12,) and logits.shape == (12, 5)
        return (logits.sum(-1) - labels) ** 2

    def call() -> torch.Tensor:
        return seq2seq.sequence_loss(
            torch.from_numpy(LOGITS),
            torch.from_numpy(TARGETS).int(),
            torch.from_numpy(weights),
            average_time,
            average_batch,
            sum_time,
            sum_batch,
            softmax_loss_function=squares if own else None,
        )

    if (flags[0] and flags[2]) or (flags[1] and flags[3]):
        with pytest.raises(ValueError, match="cannot be set to True at same time"):
            call()
        return
    losses = (LOGITS.sum(-1) - TARGETS) ** 2 if own else crossentropy(LOGITS, TARGETS)
    got = call().numpy()
    wanted = np.asarray(expected_loss(losses, weights, flags))
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_gradient_is_zero_where_the_weight_is() -> None:
    logits = torch.from_numpy(LOGITS.copy()).requires_grad_()
    weights = torch.from_numpy(WEIGHTS["mask"])
    loss = seq2seq.sequence_loss(logits, torch.from_numpy(TARGETS), weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert not gradient[weights == 0].any() and bool(gradient[weights == 1].any(-1).all())
    assert torch.autograd.gradcheck(
        lambda x: seq2seq.sequence_loss(x, torch.from_numpy(TARGETS), weights, True, False), (logits,)
    )
    zero = seq2seq.sequence_loss(logits, torch.from_numpy(TARGETS), torch.zeros(3, 4).double())
    assert zero.item() == 0 and not torch.autograd.grad(zero, logits)[0].any()


L, Y, W = torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 3)
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "logits": ((L[0], Y, W), ValueError, r"Logits must be a \[batch_size x sequence_length x logits\] tensor"),
    "targets": ((L, Y[0], W), ValueError, r"Targets must be a \[batch_size x sequence_length\] tensor"),
    "weights": ((L, Y, W[0]), ValueError, r"Weights must be a \[batch_size x sequence_length\] tensor"),
    "steps": ((L, Y[:, :2], W), ValueError, r"shape \[2, 3\] of the logits .*, got \[2, 2\] and \[2, 3\]"),
    "list": ((L, [[1]], W), TypeError, "targets must be a tensor, got list"),
}


@pytest.mark.parametrize(("arguments", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(arguments: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        seq2seq.sequence_loss(*arguments)
