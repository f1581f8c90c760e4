"""Attention mechanisms in PyTorch, held to numpy formulas, to the definition of the process, and to gradcheck."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from typing import Any

import attention_oracle as oracle
import numpy as np
import pytest
import torch
from attention_oracle import KINDS, Kind
from hypothesis import given
from hypothesis import strategies as st

from dynrnn import seq2seq

B, S, D, N, Q = 3, 5, 4, 6, 6
LENGTHS = [5, 1, 3]


def values(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1000 * len(shape)), dtype=dtype)


def mechanism(kind: Kind, memory: torch.Tensor | None = None, lengths: Any = None, **options: Any) -> Any:
    """A mechanism of the kind, in float64, with weights that no initializer makes."""
    made = getattr(seq2seq, kind.name)(
        N, memory, lengths, dtype=torch.float64, memory_size=D, query_size=Q, **kind.options, **options
    )
    for index, (name, weight) in enumerate(sorted(made.named_parameters())):
        with torch.no_grad():
            weight.copy_(values(*weight.shape, seed=index + 50))
            if name == "attention_score_bias":
                weight.fill_(0.2)
    if memory is not None:
        made.setup_memory(memory, lengths)  # once more, with these weights
    return made


def numpy_weights(made: torch.nn.Module) -> dict[str, Any]:
    return {name: weight.detach().numpy() for name, weight in made.named_parameters()}


def previous_alignments(kind: Kind, batch: int = B, steps: int = S) -> torch.Tensor:
    if kind.mode == "hard":
        return torch.eye(steps, dtype=torch.float64)[torch.arange(batch) % 2]
    return torch.softmax(values(batch, steps, seed=9), -1)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [LENGTHS, None, [9, 5, 7]], ids=["lengths", "none", "long"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_alignments_are_those_of_the_formula(kind: Kind, lengths: Any) -> None:
    # probabilities near 1 are what the parallel mode is not exact for
    memory, query, previous = values(B, S, D) / 3, values(B, Q) / 3, previous_alignments(kind)
    made = mechanism(kind, memory, lengths)
    alignments, state = made(query, previous)
    expected = oracle.alignments_of(
        kind, numpy_weights(made), memory.numpy(), lengths or [S] * B, query.numpy(), previous.numpy()
    )
    np.testing.assert_allclose(alignments.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    assert state is alignments
    assert expected.sum() > 0.0 and (kind.mode != "hard" or set(np.unique(expected)) <= {0.0, 1.0})


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_other_dtypes(kind: Kind, dtype: torch.dtype) -> None:
    memory, query, previous = values(B, S, D) / 4, values(B, Q) / 4, previous_alignments(kind)
    double = mechanism(kind, memory, LENGTHS)
    single = copy.deepcopy(double).to(dtype)
    single.setup_memory(memory.to(dtype), LENGTHS)
    if kind.mode == "hard":
        query = query.to(dtype).double()
    result, _ = single(query.to(dtype), previous.to(dtype))
    assert result.dtype == dtype
    if kind.mode != "hard":  # a score near 0 falls on either side
        tolerance = 1e-5 if dtype == torch.float32 else 0.05
        torch.testing.assert_close(result.double(), double(query, previous)[0], rtol=tolerance, atol=tolerance)


def test_hardmax_as_probability_function() -> None:
    memory, query = values(B, S, D), values(B, Q)
    soft = mechanism(KINDS[0], memory, LENGTHS)
    hard = mechanism(KINDS[0], memory, LENGTHS, probability_fn=seq2seq.hardmax)
    alignments, _ = hard(query, hard.initial_state(B))
    best = soft(query, soft.initial_state(B))[0].argmax(1)
    assert torch.equal(alignments, torch.eye(S, dtype=torch.float64)[best])


def test_hardmax_takes_the_first_of_equals() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0], [-2.0, -2.0, -3.0]])
    assert seq2seq.hardmax(logits).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert seq2seq.hardmax(logits.reshape(2, 1, 3)).shape == (2, 1, 3)


@pytest.mark.parametrize("value", [-1e9, 0.5])
def test_score_mask_value(value: float) -> None:
    """A finite one gives the padding a weight, if it is large enough."""
    kind = KINDS[0]
    memory, query = values(B, S, D), values(B, Q)
    made = mechanism(kind, memory, LENGTHS, score_mask_value=value)
    alignments = made(query, made.initial_state(B))[0].detach().numpy()
    for b, length in enumerate(LENGTHS):
        scores = [
            oracle.score_of(kind, numpy_weights(made), query[b].numpy(), memory[b, s].numpy()) for s in range(length)
        ]
        expected = oracle.softmax(scores + [value] * (S - length))
        np.testing.assert_allclose(alignments[b], expected, rtol=1e-9, atol=1e-12)


def test_the_initial_state() -> None:
    for kind in KINDS:
        made = mechanism(kind, values(B, S, D), LENGTHS)
        expected = oracle.first_alignments(kind, B, S)
        assert np.array_equal(made.initial_alignments(B, torch.float64).numpy(), expected)
        assert np.array_equal(made.initial_state(B, torch.float32).numpy(), expected)
        assert made.initial_state(B, torch.float32).dtype == torch.float32
        assert (made.state_size, made.alignments_size, made.batch_size, made.memory_size) == (S, S, B, D)


# --- monotonic alignments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["recursive", "parallel", "hard"])
def test_the_known_example(mode: str) -> None:
    found = seq2seq.monotonic_attention(torch.tensor([[0.2, 0.5, 0.9]]), torch.tensor([[1.0, 0.0, 0.0]]), mode)
    torch.testing.assert_close(found, torch.tensor([[0.2, 0.4, 0.36]]))


@pytest.mark.parametrize("mode", ["recursive", "parallel"])
@given(data=st.data())
def test_monotonic_alignments_are_those_of_the_process(mode: str, data: st.DataObject) -> None:
    batch, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 7))
    chance = st.floats(0.01, 0.95 if mode == "parallel" else 1.0)
    draw = st.lists(st.lists(chance, min_size=steps, max_size=steps), min_size=batch, max_size=batch)
    p, previous = np.array(data.draw(draw)), np.array(data.draw(draw))
    found = seq2seq.monotonic_attention(torch.tensor(p), torch.tensor(previous), mode)
    expected = [oracle.monotonic(*rows) for rows in zip(p, previous, strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["recursive", "parallel", "hard"])
def test_hard_decisions_in_all_modes(mode: str) -> None:
    """All decisions of 4 entries from all positions before: exhaustive."""
    choices = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    for position in range(4):
        previous = np.tile(np.eye(4)[position], [len(choices), 1])
        found = seq2seq.monotonic_attention(torch.tensor(choices), torch.tensor(previous), mode)
        expected = [oracle.monotonic(*rows) for rows in zip(choices, previous, strict=True)]
        if mode == "parallel":  # its products are clipped at 1e-10, so it counts only once it has begun
            live = np.array([not row[:position].any() for row in choices])
            found, expected = found[torch.tensor(live)], np.array(expected)[live].tolist()
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("mode", ["recursive", "parallel", "hard"])
def test_gradients_of_monotonic_attention(mode: str) -> None:
    p = torch.sigmoid(values(2, 5)).requires_grad_()
    previous = torch.softmax(values(2, 5, seed=3), 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: seq2seq.monotonic_attention(a, b, mode), (p, previous))


def test_monotonic_attention_of_nothing() -> None:
    for mode in ("recursive", "parallel", "hard"):
        assert seq2seq.monotonic_attention(torch.zeros(2, 0), torch.zeros(2, 0), mode).shape == (2, 0)
        assert seq2seq.monotonic_attention(torch.zeros(0, 3), torch.zeros(0, 3), mode).shape == (0, 3)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_safe_cumprod(axis: int, exclusive: bool, reverse: bool) -> None:
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lines = x.numpy() if axis == 0 else x.numpy().T
    lines = lines[::-1] if reverse else lines
    products, expected = np.ones(lines.shape[1]), []
    for line in lines:
        expected.append(products if exclusive else products * line)
        products = products * line
    stacked = np.array(expected[::-1] if reverse else expected)
    found = seq2seq.safe_cumprod(x, axis, exclusive=exclusive, reverse=reverse).numpy()
    np.testing.assert_allclose(found, stacked if axis == 0 else stacked.T)


def test_safe_cumprod_is_safe() -> None:
    x = torch.tensor([0.5, 0.0, 0.5, 1.0, 2.0], requires_grad=True)
    result = seq2seq.safe_cumprod(x)
    assert torch.equal(result[0], torch.tensor(0.5)) and bool((result[1:] < 1e-37).all())
    result.sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())


def test_noise_of_a_monotonic_mechanism() -> None:
    memory, query = values(B, S, D), values(B, Q)
    options: Any = {"sigmoid_noise": 1.0, "sigmoid_noise_seed": 7, "memory_size": D, "dtype": torch.float64}
    made = seq2seq.LuongMonotonicAttention(N, memory, LENGTHS, **options)
    still = copy.deepcopy(made)
    still.setup_memory(memory, LENGTHS)
    first, second = (made(query, made.initial_state(B))[0] for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, still(query, still.initial_state(B))[0])
    # the noise is added to the score, before the sigmoid
    noise = torch.randn(B, S, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    score = torch.bmm(made.keys, query.unsqueeze(2)).squeeze(2) + noise
    p = torch.where(torch.arange(S) < torch.tensor(LENGTHS)[:, None], torch.sigmoid(score), 0.0)
    expected = seq2seq.monotonic_attention(p, made.initial_state(B), "parallel")
    torch.testing.assert_close(first, expected)
    made.eval()
    assert torch.equal(made(query, made.initial_state(B))[0], made(query, made.initial_state(B))[0])
    clone = pickle.loads(pickle.dumps(still.eval()))
    clone.setup_memory(memory, LENGTHS)
    assert torch.equal(clone.train()(query, clone.initial_state(B))[0], second)


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.mode != "hard"], ids=str)
def test_gradients(kind: Kind) -> None:
    """Of everything: memory, query, the state before, and all weights."""
    made = mechanism(kind)
    names = [name for name, _ in made.named_parameters()]
    weights = [weight.detach().clone().requires_grad_() for weight in made.parameters()]

    def run(memory: Any, query: Any, previous: Any, *weights: Any) -> Any:
        def call() -> Any:
            made.setup_memory(memory, LENGTHS)
            alignments, _ = made(query, previous)
            return alignments, seq2seq.attention_scores.context_of(alignments, made.values)

        named = {f"made.{name}": weight for name, weight in zip(names, weights, strict=True)}
        return torch.func.functional_call(_Around(made, call), named, ())

    class _Around(torch.nn.Module):
        def __init__(self, made: Any, call: Any):
            super().__init__()
            self.made, self._call = made, call

        def forward(self) -> Any:
            return self._call()

    arguments = [values(B, S, D), values(B, Q), previous_alignments(kind)]
    assert torch.autograd.gradcheck(run, [a.requires_grad_() for a in arguments] + weights)


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_padding_of_the_memory_never_matters(kind: Kind, garbage: float) -> None:
    memory, query, previous = values(B, S, D), values(B, Q), previous_alignments(kind)
    dead = torch.arange(S) >= torch.tensor(LENGTHS)[:, None]
    results = []
    for rubbish in (0.0, garbage):
        filled = torch.where(dead[..., None], rubbish, memory).requires_grad_()
        asked = query.clone().requires_grad_()
        made = mechanism(kind, filled, LENGTHS)
        alignments, _ = made(asked, previous)
        context = seq2seq.attention_scores.context_of(alignments, made.values)
        assert bool((alignments[dead] == 0).all())
        leaves = [filled, asked, *made.parameters()]
        grads = torch.autograd.grad((context**2).sum() + (alignments**3).sum(), leaves, allow_unused=True)
        assert bool((grads[0][dead] == 0).all())
        results.append([alignments, context, *(g for g in grads if g is not None)])
    for expected, found in zip(*results, strict=True):
        assert torch.equal(expected, found)


@given(data=st.data())
def test_alignments_of_any_shapes(data: st.DataObject) -> None:
    """They sum to 1 over what there is (1 or less for monotonic ones), and the order of the rows does not matter."""
    kind = data.draw(st.sampled_from(KINDS))
    batch, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    lengths = data.draw(st.lists(st.integers(1, steps + 2), min_size=batch, max_size=batch))
    order = data.draw(st.permutations(range(batch)))
    memory, query = values(batch, steps, D, seed=batch), values(batch, Q, seed=steps)
    made = mechanism(kind, memory, lengths)
    alignments, _ = made(query, made.initial_state(batch))
    dead = torch.arange(steps) >= torch.tensor(lengths)[:, None]
    assert bool((alignments[dead] == 0).all()) and bool((alignments >= 0).all())
    total = alignments.sum(1)
    assert bool((total <= 1 + 1e-12).all())
    if kind.mode is None:
        torch.testing.assert_close(total, torch.ones_like(total))
    made.setup_memory(memory[order], np.array(lengths)[list(order)])
    shuffled, _ = made(query[order], made.initial_state(batch))
    torch.testing.assert_close(shuffled, alignments[order])


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_names_shapes_and_initial_values_of_weights(kind: Kind) -> None:
    made = getattr(seq2seq, kind.name)(N, memory_size=D, query_size=Q, **kind.options)
    weights = dict(made.named_parameters())
    assert sorted(weights) == sorted(kind.weights)
    shapes: dict[str, list[int]] = {"memory_layer.kernel": [D, N], "query_layer.kernel": [Q, N]}
    shapes |= {"attention_v": [N], "attention_b": [N], "attention_g": [], "attention_score_bias": []}
    assert {name: list(weight.shape) for name, weight in weights.items()} == {n: shapes[n] for n in weights}
    if "attention_g" in weights:
        assert weights["attention_g"].item() == pytest.approx(1.0 if kind.score == "luong" else (1 / N) ** 0.5)
    if "attention_b" in weights:
        assert not weights["attention_b"].any()
    if "attention_score_bias" in weights:
        assert weights["attention_score_bias"].item() == pytest.approx(-0.3)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_weights_are_made_when_their_sizes_are_known(kind: Kind) -> None:
    made = getattr(seq2seq, kind.name)(N, **kind.options)
    assert not list(made.parameters())
    made.setup_memory(values(B, S, D), LENGTHS)
    assert {n for n, _ in made.named_parameters()} == set(kind.weights) - {"query_layer.kernel"}
    made(values(B, Q), made.initial_state(B))
    assert {n for n, _ in made.named_parameters()} == set(kind.weights)
    assert {p.dtype for p in made.parameters()} == {torch.float64}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_state_dict(kind: Kind) -> None:
    memory, query, previous = values(B, S, D), values(B, Q), previous_alignments(kind)
    made = mechanism(kind, memory, LENGTHS)
    assert sorted(made.state_dict()) == sorted(kind.weights)
    file = io.BytesIO()
    torch.save(made.state_dict(), file)
    file.seek(0)
    other = getattr(seq2seq, kind.name)(N, **kind.options)
    other.load_state_dict(torch.load(file))
    other.setup_memory(memory, LENGTHS)
    assert torch.equal(made(query, previous)[0], other(query, previous)[0])
    with pytest.raises(RuntimeError, match=r"size mismatch|Unexpected key"):
        getattr(seq2seq, kind.name)(N + 1, memory_size=D, **kind.options).load_state_dict(made.state_dict())


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("how", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))], ids=["copy", "pickle"])
def test_copies(kind: Kind, how: Any) -> None:
    memory, query, previous = values(B, S, D), values(B, Q), previous_alignments(kind)
    made = mechanism(kind, memory, LENGTHS)
    other = how(made)
    assert not other.has_memory  # its keys hang in a graph of derivatives
    other.setup_memory(memory, LENGTHS)
    assert torch.equal(made(query, previous)[0], other(query, previous)[0])
    with torch.no_grad():
        made.setup_memory(memory, LENGTHS)
    assert torch.equal(made(query, previous)[0], how(made)(query, previous)[0])


def test_moved_to_another_dtype_before_and_after() -> None:
    made = seq2seq.BahdanauAttention(N, normalize=True, memory_size=D)
    made.to(torch.float64)
    made.setup_memory(values(B, S, D))
    made(values(B, Q), made.initial_state(B))
    assert {p.dtype for p in made.parameters()} == {torch.float64}


def test_memory_after_memory() -> None:
    kind = KINDS[4]
    made = mechanism(kind, values(B, S, D), LENGTHS)
    memory = values(2, 7, D, seed=5)
    made.setup_memory(memory)
    query = values(2, Q)
    expected = mechanism(kind, memory)(query, made.initial_state(2))[0]
    assert torch.equal(made(query, made.initial_state(2))[0], expected)


def test_own_mechanism() -> None:
    class Gaussian(seq2seq.AttentionMechanism):
        def score(self, query: Any) -> Any:
            return -((self.keys - query.unsqueeze(1)) ** 2).sum(2)

    memory, query = values(B, S, D), values(B, D)
    made = Gaussian(memory, LENGTHS)
    assert made.scope_name == "gaussian" and made.keys is made.values
    alignments, _ = made(query, made.initial_state(B))
    for b, length in enumerate(LENGTHS):
        expected = oracle.softmax([-float(((memory[b, s] - query[b]) ** 2).sum()) for s in range(length)])
        np.testing.assert_allclose(alignments[b, :length].numpy(), expected)
    with pytest.raises(NotImplementedError, match="score"):
        seq2seq.AttentionMechanism(memory)(query, None)


# --- what is refused --------------------------------------------------------------------------------------------------


def test_refused_memories() -> None:
    made = seq2seq.LuongAttention(N, memory_size=D)
    memory = torch.zeros(B, S, D)
    memories: list[tuple[Any, type[Exception], str]] = [
        ([1.0], TypeError, "memory must be a tensor"),
        (memory[0], ValueError, r"got \[5, 4\]"),
        (memory[..., :2], ValueError, r"memory must have the depth 4, got shape \[3, 5, 2\]"),
        (memory.long(), TypeError, "memory must be floating"),
        (memory.double(), TypeError, "dtype of the kernel"),
    ]
    for bad, error, match in memories:
        with pytest.raises(error, match=match):
            made.setup_memory(bad)
    for lengths, match in [
        ([5, 0, 3], "All values in memory_sequence_length must be greater than zero"),
        ([5, -1, 3], "All values in memory_sequence_length must be greater than zero"),
        ([5, 3], r"Expected shape for Tensor memory_sequence_length is \[3\]"),
        ([[5, 3, 2]], "must be a vector"),
    ]:
        with pytest.raises(ValueError, match=match):
            made.setup_memory(memory, lengths)
    with pytest.raises(TypeError, match="must hold integers"):
        made.setup_memory(memory, [1.5, 2.0, 3.0])
    assert not made.has_memory


def test_refused_queries() -> None:
    made = seq2seq.LuongAttention(N, memory_size=D)
    with pytest.raises(ValueError, match="before the setup of memory"):
        made(torch.zeros(B, N), None)
    made.setup_memory(torch.zeros(B, S, D))
    state = made.initial_state(B)
    for query, error, match in [
        (3, TypeError, "query must be a tensor"),
        (torch.zeros(N), ValueError, r"query must have shape \[3, depth\], got \[6\]"),
        (torch.zeros(1, N), ValueError, r"query must have shape \[3, depth\], got \[1, 6\]"),
        (torch.zeros(B, N).double(), TypeError, "query must have the dtype of the memory"),
        (torch.zeros(B, N + 1), ValueError, "Perhaps you need to set num_units to the keys' dimension"),
    ]:
        with pytest.raises(error, match=match):
            made(query, state)


def test_refused_arguments() -> None:
    wrong: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
        (seq2seq.LuongAttention, {"num_units": 0}, ValueError, "positive integer"),
        (seq2seq.LuongAttention, {"num_units": N, "query_size": 5}, ValueError, "query_size must be num_units, 6"),
        (seq2seq.LuongAttention, {"num_units": N, "dtype": torch.int32}, ValueError, "dtype to be floating"),
        (seq2seq.LuongAttention, {"num_units": N, "dtype": "float"}, TypeError, "torch.dtype"),
        (
            seq2seq.BahdanauAttention,
            {"num_units": N, "probability_fn": 3},
            TypeError,
            "probability_fn must be callable",
        ),
        (seq2seq.BahdanauAttention, {"num_units": N, "memory_sequence_length": [1]}, ValueError, "without a memory"),
        (seq2seq.BahdanauMonotonicAttention, {"num_units": N, "mode": "soft"}, ValueError, "mode must be 'recursive'"),
        (seq2seq.LuongMonotonicAttention, {"num_units": N, "sigmoid_noise": -1}, ValueError, "sigmoid_noise"),
    ]
    for kind, options, error, match in wrong:
        with pytest.raises(error, match=match):
            kind(**options)
    with pytest.raises(ValueError, match="mode must be 'recursive', 'parallel', or 'hard'"):
        seq2seq.monotonic_attention(torch.zeros(1, 2), torch.zeros(1, 2), "soft")
