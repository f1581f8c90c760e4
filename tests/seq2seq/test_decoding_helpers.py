"""The helpers: what they feed, when they finish, how they draw, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from decoding_support import Model

from dynrnn import seq2seq
from dynrnn.seq2seq import sampling


def tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def decode(model: Model, helper: Any, rows: int, limit: int | None = None, **kwargs: Any) -> Any:
    state = torch.zeros(rows, model.units, dtype=torch.float64)
    return seq2seq.dynamic_decode(
        seq2seq.BasicDecoder(model.cell, helper, state, model.layer), maximum_iterations=limit, **kwargs
    )


def test_training_helper_step_by_step() -> None:
    x = torch.arange(12.0).reshape(2, 3, 2)
    helper = seq2seq.TrainingHelper({"a": x, "b": x + 100}, [0, 2])
    finished, inputs = helper.initialize()
    assert finished.tolist() == [True, False] and inputs["a"].equal(x[:, 0]) and inputs["b"].equal(x[:, 0] + 100)
    finished, inputs, state = helper.next_inputs(0, None, "state", None)
    assert finished.tolist() == [True, False] and inputs["a"].equal(x[:, 1]) and state == "state"
    finished, inputs, _ = helper.next_inputs(1, None, None, None)
    assert finished.tolist() == [True, True] and not inputs["a"].any()
    assert helper.sample(0, torch.tensor([[1.0, 3, 3]]), None).tolist() == [1]
    assert helper.batch_size == 2


EMBEDDINGS = {
    "table": lambda table: table,
    "module": lambda table: torch.nn.Embedding.from_pretrained(table),
    "function": lambda table: lambda ids: table[ids.long()],
}


@pytest.mark.parametrize("embedding", EMBEDDINGS.values(), ids=EMBEDDINGS)
@pytest.mark.parametrize("start", [[0, 1, 2], np.array([0, 1, 2]), torch.tensor([0, 1, 2])])
def test_forms_of_embeddings_and_start_tokens(embedding: Any, start: Any) -> None:
    model = Model(2)
    expected = decode(model, seq2seq.GreedyEmbeddingHelper(model.table, [0, 1, 2], 5), 3, 6)[0].sample_id
    got = decode(model, seq2seq.GreedyEmbeddingHelper(embedding(model.table), start, torch.tensor(5)), 3, 6)
    assert got[0].sample_id.equal(expected)


def test_the_end_token_counts() -> None:
    model = Model(0)
    model.c[3] = 100.0
    outputs, _, lengths = decode(model, seq2seq.GreedyEmbeddingHelper(model.table, [0, 1], 3), 2)
    assert outputs.sample_id.tolist() == [[3], [3]] and lengths.tolist() == [1, 1]


# --- sampling ---------------------------------------------------------------------------------------------------------


def chi_squared(counts: Any, probabilities: Any) -> float:
    expected = counts.sum() * probabilities
    return float(((counts - expected) ** 2 / expected).sum())


def test_draw_has_the_probabilities_of_softmax() -> None:
    logits = torch.tensor([1.0, -1.0, 0.5, 2.0, -torch.inf, 0.0])
    ids = sampling.draw(logits.expand(40_000, 6), torch.Generator().manual_seed(3))
    counts = np.bincount(ids.numpy(), minlength=6)
    assert ids.dtype == torch.int32 and counts[4] == 0
    keep = [0, 1, 2, 3, 5]
    # 4 degrees of freedom: 18.5 is exceeded once in a thousand
    assert chi_squared(counts[keep], torch.softmax(logits, 0).numpy()[keep]) < 18.5


@pytest.mark.parametrize("temperature", [None, 0.5, 3.0, torch.tensor(2.0)])
def test_temperature(temperature: Any) -> None:
    rows = 20_000
    model = Model(1)
    helper = seq2seq.SampleEmbeddingHelper(model.table, [0] * rows, 5, temperature, seed=11)
    outputs, _, _ = decode(model, helper, rows, 1)
    logits = outputs.rnn_output[0, 0] / (1.0 if temperature is None else float(temperature))
    probabilities = torch.softmax(logits, 0).numpy()
    keep = probabilities > 1e-4
    counts = np.bincount(outputs.sample_id[:, 0].numpy(), minlength=6)
    assert chi_squared(counts[keep], probabilities[keep] / probabilities[keep].sum()) < 20.5


def test_seeds() -> None:
    model = Model(1)

    def run(seed: int | None) -> Any:
        return decode(model, seq2seq.SampleEmbeddingHelper(model.table, [0] * 50, 5, seed=seed), 50, 4)[0].sample_id

    assert run(7).equal(run(7)) and not run(7).equal(run(8))
    torch.manual_seed(1)
    a, b = run(None), run(None)
    torch.manual_seed(1)
    assert run(None).equal(a) and not a.equal(b)


def test_top_k_and_nucleus_keep_what_they_should() -> None:
    logits = torch.log(torch.tensor([[0.4, 0.3, 0.15, 0.1, 0.05], [0.05, 0.4, 0.1, 0.3, 0.15]]))

    def kept(x: torch.Tensor) -> list[list[int]]:
        return [row.isfinite().nonzero().flatten().tolist() for row in x]

    assert kept(sampling.keep_top_k(logits, 2)) == [[0, 1], [1, 3]]
    assert sampling.keep_top_k(logits, 5) is logits and sampling.keep_top_k(logits, 99) is logits
    for p, count in ((0.01, 1), (0.39, 1), (0.41, 2), (0.69, 2), (0.71, 3), (0.96, 5), (1.0, 5)):
        first = [[0, 1, 2, 3, 4][:count], [1, 3, 4, 2, 0][:count]]
        assert kept(sampling.keep_nucleus(logits, p)) == [sorted(row) for row in first], p
    # what is kept is kept as it is
    assert sampling.keep_nucleus(logits, 0.5)[0, 0] == logits[0, 0]


@pytest.mark.parametrize(
    ("options", "size"), [({"top_k": 2}, 2), ({"top_p": 1e-9}, 1), ({"top_k": 3, "top_p": 0.99999}, 3)]
)
def test_restricted_draws(options: Any, size: int) -> None:
    model = Model(1)
    model.v *= 0.01
    model.c *= 0.1
    rows = 300
    helper = seq2seq.SampleEmbeddingHelper(model.table, [0] * rows, 5, seed=0, **options)
    outputs, _, _ = decode(model, helper, rows, 1)
    best = outputs.rnn_output[0, 0].argsort(descending=True)[:size]
    assert set(outputs.sample_id[:, 0].tolist()) == set(best.tolist())


# --- rules on logits --------------------------------------------------------------------------------------------------


def repeats(tokens: list[int], size: int) -> bool:
    grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return len(set(grams)) < len(grams)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", [seq2seq.GreedyEmbeddingHelper, seq2seq.SampleEmbeddingHelper])
def test_no_repeated_ngrams(size: int, kind: Any) -> None:
    repeated = 0
    for seed in range(6):
        model = Model(seed)
        free = decode(model, kind(model.table, [0, 1, 2], -1), 3, 6)[0].sample_id.tolist()
        held = decode(model, kind(model.table, [0, 1, 2], -1, no_repeat_ngram_size=size), 3, 6)[0].sample_id.tolist()
        repeated += sum(repeats(row, size) for row in free)
        assert not any(repeats(row, size) for row in held)
    assert repeated


def test_blocking_is_exact() -> None:
    logits = torch.zeros(3, 4)
    ids = torch.tensor([[0, 1, 2, 0, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 0]], dtype=torch.int32)
    got = sampling.block_repeated_ngrams(logits, ids, 3)
    assert (got == -torch.inf).tolist() == [[False, False, True, False], [False, False, False, True], [False] * 4]
    got = sampling.block_repeated_ngrams(logits, ids, 1)
    # in the third row nothing would be left
    assert (got == -torch.inf).tolist() == [[True, True, True, False], [False, False, False, True], [False] * 4]
    assert sampling.block_repeated_ngrams(logits, ids[:, :1], 2) is logits
    assert not logits.any()


@pytest.mark.parametrize("kind", [seq2seq.GreedyEmbeddingHelper, seq2seq.SampleEmbeddingHelper])
def test_logits_processor_sees_steps_and_tokens(kind: Any) -> None:
    model, seen = Model(4), []

    def process(step: int, previous: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        seen.append((step, previous.clone()))
        return logits.scatter(1, torch.full((2, 1), step % 4), 1e6)

    outputs, _, _ = decode(model, kind(model.table, [0, 1], -1, logits_processor=process), 2, 5)
    assert outputs.sample_id.tolist() == [[0, 1, 2, 3, 0]] * 2
    assert [step for step, _ in seen] == list(range(5))
    assert all(previous.equal(outputs.sample_id[:, :step]) for step, previous in seen)
    assert outputs.rnn_output.max() < 1e5  # what is stored is the cell's


# --- scheduled sampling -----------------------------------------------------------------------------------------------

LENGTHS = [3, 0, 6, 5]


def scheduled(model: Model, kind: str, probability: Any, seed: int | None, inputs: Any, **kwargs: Any) -> Any:
    if kind == "embedding":
        return seq2seq.ScheduledEmbeddingTrainingHelper(
            inputs, LENGTHS, model.table, probability, seed=seed, scheduling_seed=seed, **kwargs
        )
    return seq2seq.ScheduledOutputTrainingHelper(
        inputs, LENGTHS, probability, seed=seed, next_inputs_fn=lambda out: out[:, :3], **kwargs
    )


@pytest.mark.parametrize("kind", ["embedding", "output"])
@pytest.mark.parametrize("time_major", [True, False])
def test_scheduled_helpers_feed_what_they_say(kind: str, time_major: bool) -> None:
    """Replay in numpy: from the sample ids follows what every row was fed."""
    model = Model(1)
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(4, 6, 3))
    fed = tensor(inputs).transpose(0, 1) if time_major else tensor(inputs)
    helper = scheduled(model, kind, 0.5, 3, fed, time_major=time_major)
    outputs, final, lengths = decode(model, helper, 4)
    assert lengths.tolist() == LENGTHS
    ids = outputs.sample_id.numpy()
    assert ids.dtype == np.int32
    chosen = (ids >= 0) if kind == "embedding" else (ids == 1)
    assert 5 < chosen.sum() < 19
    for row in range(4):
        h, x = np.zeros(4), inputs[row, 0]
        for t in range(6):
            logits, h = model.step(x, h)
            np.testing.assert_allclose(outputs.rnn_output[row, t].numpy(), logits, atol=1e-10)
            if t < 5:
                x = inputs[row, t + 1]
                if chosen[row, t]:
                    x = model.embedding[ids[row, t]] if kind == "embedding" else logits[:3]
        np.testing.assert_allclose(final[row].numpy(), h, atol=1e-10)


@pytest.mark.parametrize("kind", ["embedding", "output"])
def test_scheduled_extremes_and_vectors(kind: str) -> None:
    model = Model(1)
    inputs = torch.randn(4, 6, 3, dtype=torch.float64)
    plain = decode(model, seq2seq.TrainingHelper(inputs, LENGTHS), 4)[0].rnn_output
    never, _, _ = decode(model, scheduled(model, kind, 0.0, None, inputs), 4)
    torch.testing.assert_close(never.rnn_output, plain)
    always, _, _ = decode(model, scheduled(model, kind, 1.0, None, inputs), 4)
    nobody = -1 if kind == "embedding" else 0
    assert bool((never.sample_id == nobody).all()) and bool((always.sample_id != nobody).all())
    some, _, _ = decode(model, scheduled(model, kind, torch.tensor([0.0, 1, 0, 1]), None, inputs), 4)
    assert ((some.sample_id != nobody).any(1)).tolist() == [False, True, False, True]


@pytest.mark.parametrize("kind", ["embedding", "output"])
def test_scheduled_share_and_seeds(kind: str) -> None:
    model = Model(1)
    inputs = torch.randn(4, 6, 3, dtype=torch.float64)
    count = 0
    for _ in range(150):
        ids = decode(model, scheduled(model, kind, 0.3, None, inputs), 4)[0].sample_id
        count += int((ids != (-1 if kind == "embedding" else 0)).sum())
    # 3600 choices: within four standard deviations
    assert abs(count / 3600 - 0.3) < 4 * (0.21 / 3600) ** 0.5

    def run(seed: int) -> Any:
        return decode(model, scheduled(model, kind, 0.5, seed, inputs), 4)[0].sample_id

    assert run(1).equal(run(1)) and not run(1).equal(run(2))


def test_auxiliary_inputs_are_joined() -> None:
    model = Model(1, depth=5)
    inputs, auxiliary = torch.randn(4, 6, 3, dtype=torch.float64), torch.randn(4, 6, 2, dtype=torch.float64)
    helper = seq2seq.ScheduledOutputTrainingHelper(
        inputs, LENGTHS, 1.0, next_inputs_fn=lambda out: out[:, :3], auxiliary_inputs=auxiliary
    )
    outputs, _, _ = decode(model, helper, 4)
    h, x = np.zeros(4), torch.cat([inputs, auxiliary], -1)[2, 0].numpy()
    for t in range(6):
        logits, h = model.step(x, h)
        np.testing.assert_allclose(outputs.rnn_output[2, t].numpy(), logits, atol=1e-10)
        if t < 5:
            x = np.concatenate([logits[:3], auxiliary[2, t + 1].numpy()])


# --- helpers of functions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own_inputs", [True, False])
def test_inference_helper(own_inputs: bool) -> None:
    model = Model(1, vocabulary=3)
    start = torch.randn(2, 3, dtype=torch.float64)
    helper = seq2seq.InferenceHelper(
        sample_fn=lambda out: out * 0.5,
        sample_shape=[3],
        sample_dtype=torch.float64,
        start_inputs=start,
        end_fn=lambda ids: ids.sum(-1) > 1e9,
        next_inputs_fn=(lambda ids: ids + 1) if own_inputs else None,
    )
    outputs, _, lengths = decode(model, helper, 2, 4)
    h, x = np.zeros((2, 4)), start.numpy()
    for t in range(4):
        logits, h = model.step(x, h)
        x = logits * 0.5 + own_inputs
        np.testing.assert_allclose(outputs.sample_id[:, t].numpy(), logits * 0.5, atol=1e-10)
    assert lengths.tolist() == [4, 4] and helper.batch_size == 2
    assert decode(model, helper, 2, 0)[0].sample_id.shape == (2, 0, 3)


def test_custom_helper() -> None:
    model = Model(1)
    x = torch.randn(3, 3, dtype=torch.float64)

    def following(*, time: int, outputs: Any, state: Any, sample_ids: Any) -> Any:
        return torch.tensor([time >= 1, time >= 0, time >= 3]), x * (time + 2), state * 0.5

    helper = seq2seq.CustomHelper(
        lambda: (torch.tensor([False] * 3), x),
        lambda *, time, outputs, state: (outputs.argmax(-1) + 100 * time).long(),
        following,
        sample_ids_dtype=torch.int64,
    )
    with pytest.raises(ValueError, match="batch_size accessed before initialize was called"):
        _ = helper.batch_size
    outputs, final, lengths = decode(model, helper, 3)
    assert lengths.tolist() == [2, 1, 4] and helper.batch_size == 3
    h = np.zeros((3, 4))
    for t in range(4):
        logits, h = model.step(x.numpy() * (t + 1), h)
        h = h * 0.5
        np.testing.assert_array_equal(outputs.sample_id[:, t].numpy(), logits.argmax(-1) + 100 * t)
    np.testing.assert_allclose(final.numpy(), h, atol=1e-10)


def test_a_users_helper() -> None:
    class Twice(seq2seq.GreedyEmbeddingHelper):
        def sample(self, time: int, outputs: Any, state: Any) -> Any:
            return outputs.argmin(-1).int()

    model = Model(3)
    outputs, _, _ = decode(model, Twice(model.table, [0, 1], -1), 2, 3)
    assert outputs.sample_id.equal(outputs.rnn_output.argmin(-1).int())


# --- what is refused --------------------------------------------------------------------------------------------------

TABLE, X = torch.randn(6, 3), torch.randn(4, 6, 3)
GREEDY, SAMPLE, TRAINING = seq2seq.GreedyEmbeddingHelper, seq2seq.SampleEmbeddingHelper, seq2seq.TrainingHelper
BY_EMBEDDING, BY_OUTPUT = seq2seq.ScheduledEmbeddingTrainingHelper, seq2seq.ScheduledOutputTrainingHelper
ANYTHING: Any = object()

REFUSED: dict[str, tuple[Any, Any, str]] = {
    "start scalar": (lambda: GREEDY(TABLE, 1, 0), ValueError, "start_tokens must be a vector"),
    "start matrix": (lambda: GREEDY(TABLE, [[1]], 0), ValueError, "start_tokens must be a vector"),
    "start floats": (lambda: GREEDY(TABLE, [1.0], 0), TypeError, "start_tokens must be integers"),
    "end vector": (lambda: GREEDY(TABLE, [1], [0]), ValueError, "end_token must be a scalar"),
    "end float": (lambda: GREEDY(TABLE, [1], 0.5), TypeError, "end_token must be an integer"),
    "embedding": (lambda: GREEDY("table", [1], 0), TypeError, "embedding must be a tensor"),
    "temperature": (lambda: SAMPLE(TABLE, [1], 0, 0.0), ValueError, "softmax_temperature must be positive"),
    "top_k": (lambda: SAMPLE(TABLE, [1], 0, top_k=0), ValueError, "top_k must be an int of 1 or more"),
    "top_p": (lambda: SAMPLE(TABLE, [1], 0, top_p=1.5), ValueError, r"top_p must be in \(0, 1\]"),
    "ngram 0": (lambda: GREEDY(TABLE, [1], 0, no_repeat_ngram_size=0), ValueError, "no_repeat_ngram_size must be 1"),
    "ngram float": (
        lambda: GREEDY(TABLE, [1], 0, no_repeat_ngram_size=ANYTHING),
        TypeError,
        "no_repeat_ngram_size must be an int",
    ),
    "processor": (lambda: GREEDY(TABLE, [1], 0, logits_processor=ANYTHING), TypeError, "logits_processor must be call"),
    "processor's result": (
        lambda: decode(Model(0), GREEDY(Model(0).table, [1], 0, logits_processor=lambda t, p, x: x[:, :2]), 1, 2),
        ValueError,
        r"logits_processor must return logits of shape \[1, 6\], got \[1, 2\]",
    ),
    "lengths rank": (lambda: TRAINING(X, np.array([[1]])), ValueError, "Expected sequence_length to be a vector"),
    "lengths scalar": (lambda: TRAINING(X, 3), ValueError, "sequence_length must be a vector"),
    "lengths count": (lambda: TRAINING(X, [1, 2]), ValueError, "sequence_length is .4. but saw shape"),
    "lengths too long": (lambda: TRAINING(X, [1, 2, 7, 1]), ValueError, "from 0 to the 6 steps, got 7 for row 2"),
    "lengths negative": (lambda: TRAINING(X, [1, -2, 7, 1]), ValueError, "from 0 to the 6 steps, got -2 for row 1"),
    "lengths floats": (lambda: TRAINING(X, [1.0, 2.0, 3.0, 1.0]), TypeError, "sequence_length must hold integers"),
    "inputs rank": (lambda: TRAINING(X[0], [1, 2, 3, 4]), ValueError, "rank at least 3"),
    "inputs array": (lambda: TRAINING(np.zeros((2, 3, 4)), [1, 2]), TypeError, "must be a tensor"),
    "time_major": (lambda: TRAINING(X, [1] * 4, ANYTHING), TypeError, "time_major must be True or False"),
    "probability": (
        lambda: BY_EMBEDDING(X, [1] * 4, TABLE, torch.zeros(2, 2)),
        ValueError,
        "sampling_probability must be either a scalar or a vector",
    ),
    "probability of output": (
        lambda: BY_OUTPUT(X, [1] * 4, torch.zeros(2, 2)),
        ValueError,
        "sampling_probability must be either a scalar or a vector",
    ),
    "nested inputs": (lambda: BY_OUTPUT((X, X), [1] * 4, 0.5), TypeError, "must be one tensor"),
    "next_inputs_fn": (
        lambda: BY_OUTPUT(X, [1] * 4, 0.5, next_inputs_fn=ANYTHING),
        TypeError,
        "next_inputs_fn must be callable",
    ),
    "fed width": (
        lambda: decode(Model(0), BY_OUTPUT(X.double(), [3] * 4, 0.5), 4),
        ValueError,
        r"must have their shape \[4, 3\], got \[4, 6\]",
    ),
    "auxiliary": (
        lambda: BY_OUTPUT(X, [1] * 4, 0.5, auxiliary_inputs=X[:, :2]),
        ValueError,
        "auxiliary_inputs must be like the inputs",
    ),
    "custom": (lambda: seq2seq.CustomHelper(ANYTHING, len, ANYTHING), TypeError, "initialize_fn must be callable"),
    "inference": (
        lambda: seq2seq.InferenceHelper(len, (), torch.int32, [1, 2], len),
        TypeError,
        "start_inputs must be a tensor",
    ),
}


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()
