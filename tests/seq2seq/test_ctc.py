"""Connectionist temporal classification against a search through all paths, and against torch's own loss."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import seq2seq
from dynrnn.seq2seq.ctc import path_loss


def labels_of(path: Any, blank: int, merge: bool = True) -> tuple[int, ...]:
    """The labels that a path stands for."""
    kept = [label for label, _ in itertools.groupby(path)] if merge else path
    return tuple(label for label in kept if label != blank)


def probabilities(scores: Any) -> Any:
    """Log softmax in numpy."""
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def search(scores: Any, merge: bool = True) -> dict[tuple[int, ...], float]:
    """The log probability of every label sequence, summed over all paths of one row ``[T, C]``."""
    logs = probabilities(scores)
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        labels = labels_of(path, scores.shape[1] - 1, merge)
        total = sum(logs[t, k] for t, k in enumerate(path))
        found[labels] = np.logaddexp(found.get(labels, -math.inf), total)
    return found


def random_scores(seed: int, steps: int, batch: int, classes: int) -> Any:
    """Scores ``[T, B, C]`` in float64."""
    return torch.randn(steps, batch, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_loss_is_what_a_search_finds(data: Any) -> None:
    steps, classes = data.draw(st.integers(1, 5), "steps"), data.draw(st.integers(2, 4), "classes")
    merge = data.draw(st.booleans(), "merge")
    lengths = data.draw(st.lists(st.integers(1, steps), min_size=1, max_size=3), "lengths")
    x = random_scores(data.draw(st.integers(0, 1000)), steps, len(lengths), classes)
    label = st.integers(0, classes - 2)
    rows = [data.draw(st.lists(label, min_size=1, max_size=n), "labels") for n in lengths]
    loss = seq2seq.ctc_loss(x, rows, lengths, ctc_merge_repeated=merge)
    for row, (labels, length) in enumerate(zip(rows, lengths, strict=True)):
        want = search(x[:length, row].numpy(), merge).get(tuple(labels), -math.inf)
        assert loss[row].item() == pytest.approx(-want, abs=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_own_recursion_is_torchs(seed: int) -> None:
    random = np.random.default_rng(seed)
    steps, batch, classes = (int(n) for n in random.integers([1, 1, 2], [12, 5, 6]))
    logs = torch.log_softmax(random_scores(seed, steps, batch, classes), 2)
    lengths = random.integers(0, steps + 1, batch).tolist()
    rows = [random.integers(0, classes - 1, random.integers(0, n // 2 + 1)).tolist() for n in lengths]
    mine = path_loss(logs, rows, lengths, merge=True)
    flat = torch.tensor([label for row in rows for label in row], dtype=torch.long)
    sizes = torch.tensor([len(row) for row in rows])
    theirs = torch.nn.functional.ctc_loss(logs, flat, torch.tensor(lengths), sizes, blank=classes - 1, reduction="none")
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("merge", [True, False])
def test_gradient(merge: bool) -> None:
    x = random_scores(1, 6, 3, 4).requires_grad_()
    rows, lengths = [[0, 0, 1], [2], [1, 2, 1, 0]], [6, 3, 5]
    assert torch.autograd.gradcheck(
        lambda x: seq2seq.ctc_loss(x, rows, lengths, ctc_merge_repeated=merge), (x,), fast_mode=False
    )
    gradient = torch.autograd.grad(seq2seq.ctc_loss(x, rows, lengths, ctc_merge_repeated=merge).sum(), x)[0]
    assert not gradient[3:, 1].any() and not gradient[5:, 2].any()
    major = seq2seq.ctc_loss(x.transpose(0, 1), rows, lengths, ctc_merge_repeated=merge, time_major=False)
    torch.testing.assert_close(torch.autograd.grad(major.sum(), x)[0], gradient)


@pytest.mark.parametrize("merge", [True, False])
def test_padding_reaches_nothing(merge: bool) -> None:
    x = random_scores(2, 6, 2, 4)
    results = []
    for filling in (0.0, math.nan):
        dirty = x.clone()
        dirty[3:, 1] = filling
        dirty.requires_grad_()
        loss = seq2seq.ctc_loss(dirty, [[0, 1], [2]], [6, 3], ctc_merge_repeated=merge)
        results.append((loss, torch.autograd.grad(loss.sum(), dirty)[0]))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_row_without_a_path_is_infinite_and_leaves_others_alone() -> None:
    x = random_scores(3, 4, 2, 4).requires_grad_()
    loss = seq2seq.ctc_loss(x, [[1, 1, 1], [2]], [4, 3])
    assert loss[0] == math.inf and loss[1].isfinite()
    gradient = torch.autograd.grad(loss.sum(), x)[0]
    torch.testing.assert_close(gradient[:, 0], torch.softmax(x[:, 0], 1).detach())
    alone = torch.autograd.grad(seq2seq.ctc_loss(x[:, 1:], [[2]], [3]).sum(), x)[0]
    torch.testing.assert_close(gradient[:, 1], alone[:, 1])


def test_types() -> None:
    x = random_scores(4, 5, 1, 3)
    exact = seq2seq.ctc_loss(x, [[0, 1]], [5])
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)):
        typed = x.to(dtype).requires_grad_()
        loss = seq2seq.ctc_loss(typed, [[0, 1]], [5])
        loss.sum().backward()
        assert loss.dtype == dtype and typed.grad is not None and typed.grad.dtype == dtype
        torch.testing.assert_close(loss.double(), exact, rtol=tolerance, atol=0)


def test_second_derivative_is_refused() -> None:
    x = random_scores(5, 5, 1, 3).requires_grad_()
    (first,) = torch.autograd.grad(seq2seq.ctc_loss(x, [[0, 1]], [5]).sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(first.sum(), x)


# --- decoders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_wide_beam_finds_the_exact_probabilities(seed: int) -> None:
    random = np.random.default_rng(seed)
    steps, classes = (int(n) for n in random.integers([1, 2], [6, 4]))
    x = random_scores(seed, steps, 1, classes)
    found = sorted(search(x[:, 0].numpy()).items(), key=lambda item: -item[1])
    paths, logs = seq2seq.ctc_beam_search_decode(x, [steps], 1000, len(found), merge_repeated=False)
    for rank, (labels, value) in enumerate(found):
        assert paths[rank][0] == list(labels)
        assert logs[0, rank].item() == pytest.approx(value, abs=1e-10)


def test_merge_repeated_merges_the_results() -> None:
    x = torch.full((5, 1, 3), -9.0)
    for step, best in enumerate([0, 2, 0, 1, 1]):
        x[step, 0, best] = 9
    assert seq2seq.ctc_beam_search_decode(x, [5], merge_repeated=False)[0] == [[[0, 0, 1]]]
    assert seq2seq.ctc_beam_search_decode(x, [5])[0] == [[[0, 1]]]
    labels, sums = seq2seq.ctc_greedy_decode(x, [5])
    assert labels == [[0, 0, 1]] and sums.tolist() == [[-45.0]]
    assert seq2seq.ctc_greedy_decode(x, [5], merge_repeated=False)[0] == [[0, 0, 1, 1]]


def test_impossible_classes() -> None:
    x = torch.zeros(3, 1, 3)
    x[:, :, 0] = -math.inf
    paths, logs = seq2seq.ctc_beam_search_decode(x, [3], 50, 2, merge_repeated=False)
    assert all(0 not in row for path in paths for row in path) and logs.isfinite().all()


# --- edit distance ----------------------------------------------------------------------------------------------------


def distance(a: Any, b: Any) -> int:
    """Levenshtein's recursion as he gave it."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


@settings(max_examples=60, deadline=None)
@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_edit_distance(a: str, b: str) -> None:
    assert seq2seq.edit_distance(a, b, normalize=False) == distance(a, b)
    want = distance(a, b) / len(b) if b else math.inf if a else 0.0
    assert seq2seq.edit_distance(list(a), list(b)) == want


# --- wrong input ------------------------------------------------------------------------------------------------------

X = random_scores(0, 5, 2, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: seq2seq.ctc_loss(X.int(), [[0], [1]], [5, 5]), TypeError, "floating tensor, got torch.int32"),
        (lambda: seq2seq.ctc_loss(X[0], [[0], [1]], [5, 5]), ValueError, r"got \[2, 4\]"),
        (lambda: seq2seq.ctc_loss(X, [[0]], [5, 5]), ValueError, "a list for each of the 2 rows, got 1"),
        (lambda: seq2seq.ctc_loss(X, [[0], []], [5, 5]), ValueError, "Labels length is zero in batch 1"),
        (lambda: seq2seq.ctc_loss(X, [[0], [1]], [5, 6]), ValueError, r"sequence_length\(1\) <= 5"),
        (lambda: seq2seq.ctc_loss(X, [[0], [1]], [5]), ValueError, r"\[2\] but saw shape: \[1\]"),
        (lambda: seq2seq.ctc_loss(X, [[0, 1, 2], [1]], [2, 5]), ValueError, "required: 3, available: 2"),
        (lambda: seq2seq.ctc_greedy_decode(X, [6, 1]), ValueError, "from 0 to the 5 steps, got 6 for row 0"),
        (lambda: seq2seq.ctc_greedy_decode(X.tolist(), [5, 1]), TypeError, "floating tensor, got list"),
        (lambda: seq2seq.ctc_beam_search_decode(X, [5, -1]), ValueError, "got -1 for row 1"),
        (lambda: seq2seq.ctc_beam_search_decode(X, [5, 1], 0), ValueError, "beam_width must be at least 1, got 0"),
        (lambda: seq2seq.ctc_beam_search_decode(X, [5, 1], 3, 4), ValueError, "more paths than the beam width"),
        (lambda: seq2seq.ctc_beam_search_decode(X, [5, 0], 3, 2), ValueError, "Less leaves"),
        (lambda: seq2seq.ctc_beam_search_decode(X[0], [5, 0]), ValueError, r"got \[2, 4\]"),
    ],
)
def test_wrong_input(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
