"""Candidate samplers, held to their distributions; the losses with a sampler of their own. Goldens do the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1

CLASSES = 6
LABELS = np.array([[0, 5], [3, 3], [1, 2]], np.int64)
WEIGHTS = [1.0, 4.0, 0.5, 2.0, 3.0, 1.5]
PROBABILITIES = {
    "uniform": np.full(CLASSES, 1 / CLASSES),
    "log_uniform": np.diff(np.log(np.arange(CLASSES + 1) + 1)) / np.log(CLASSES + 1),
    "learned_unigram": np.full(CLASSES, 1 / CLASSES),
    "fixed_unigram": np.array(WEIGHTS) / np.sum(WEIGHTS),
}


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _sampler(kind: str, count: int, unique: bool, seed: int | None = 7, **options: Any) -> Any:
    if kind == "fixed_unigram":
        options = {"unigrams": WEIGHTS, **options}
    make = getattr(tf.nn, f"{kind}_candidate_sampler")
    return make(tf.constant(LABELS), 2, count, unique, CLASSES, seed=seed, **options)


@pytest.mark.parametrize("kind", PROBABILITIES)
def test_draws_follow_the_distribution(kind: str, session: Any) -> None:
    count = 20_000
    drawn, true, expected = session.run(_sampler(kind, count, False))
    p = PROBABILITIES[kind]
    assert drawn.dtype == np.int64 and true.dtype == expected.dtype == np.float32
    # six standard deviations
    bound = 6 * np.sqrt(count * p * (1 - p))
    assert (np.abs(np.bincount(drawn, minlength=CLASSES) - count * p) < bound).all()
    np.testing.assert_allclose(true, (count * p)[LABELS], rtol=1e-5)
    np.testing.assert_allclose(expected, (count * p)[drawn], rtol=1e-5)


@pytest.mark.parametrize("kind", PROBABILITIES)
def test_draws_without_replacement(kind: str, session: Any) -> None:
    """All different; the first is distributed as any draw; the expectations are those of one number of draws."""
    sample = _sampler(kind, 3, True)
    p, firsts, draws_of = PROBABILITIES[kind], [], []
    for _ in range(600):
        drawn, true, expected = session.run(sample)
        assert len(set(drawn)) == 3
        firsts.append(drawn[0])
        if kind == "learned_unigram":
            break  # it changes from run to run
        odds = p[drawn]
        if np.allclose(expected, 3 * odds, rtol=1e-5):
            draws = np.full(3, 3.0)
        else:
            draws = np.log1p(-expected.astype(np.float64)) / np.log1p(-odds)
        m = round(float(draws.mean()))
        np.testing.assert_allclose(draws, m, rtol=1e-3)
        every = 3 * p if m == 3 else 1 - (1 - p) ** m
        np.testing.assert_allclose(true, every[LABELS], rtol=1e-4)
        draws_of.append(m)
    if kind != "learned_unigram":
        n = len(firsts)
        assert (np.abs(np.bincount(firsts, minlength=CLASSES) - n * p) < 6 * np.sqrt(n * p * (1 - p))).all()
        assert min(draws_of) == 3 < max(draws_of)


def test_the_number_of_draws_is_that_of_a_collector(session: Any) -> None:
    """Drawing all of six equally likely classes takes 6 (1 + 1/2 + ... + 1/6) = 14.7 draws in the mean."""
    sample = _sampler("uniform", CLASSES, True)
    draws = []
    for _ in range(500):
        drawn, _, expected = session.run(sample)
        assert sorted(drawn) == list(range(CLASSES))
        same = np.allclose(expected, 1.0, rtol=1e-6)
        draws.append(6 if same else round(float(np.log1p(-np.float64(expected[0])) / np.log1p(-1 / 6))))
    # the standard deviation of one is 6.2
    assert abs(np.mean(draws) - 14.7) < 6 * 6.24 / np.sqrt(500)


def test_a_learned_distribution_is_the_session_s(session: Any) -> None:
    sample = _sampler("learned_unigram", 4, False)
    seen = np.ones(CLASSES)
    for _ in range(3):
        np.testing.assert_allclose(session.run(sample.true_expected_count), (4 * seen / seen.sum())[LABELS], rtol=1e-5)
        seen += np.bincount(LABELS.ravel(), minlength=CLASSES)
    with tf.Session() as other:
        np.testing.assert_allclose(other.run(sample.true_expected_count), np.full([3, 2], 4 / CLASSES), rtol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"true_classes must be in \[0, 2\)"):
        session.run(tf.nn.learned_unigram_candidate_sampler(tf.constant(LABELS), 2, 1, True, 2))


def test_weights_from_a_file_and_for_one_shard(tmp_path: Path, session: Any) -> None:
    path = tmp_path / "vocabulary.csv"
    path.write_text("".join(f"word{i},{w}\n" for i, w in enumerate(WEIGHTS)))
    labels = tf.constant([[0], [1], [2]], tf.int64)
    make = tf.nn.fixed_unigram_candidate_sampler
    for options, weights in (
        ({"vocab_file": str(path)}, WEIGHTS),
        ({"vocab_file": str(path), "num_reserved_ids": 1, "distortion": 0.5}, [0, *np.sqrt(WEIGHTS)]),
        ({"unigrams": WEIGHTS, "num_shards": 2, "shard": 1}, WEIGHTS[1::2]),
    ):
        counts = make(labels, 1, 5, False, len(weights), **options).true_expected_count
        p = np.array(weights) / np.sum(weights)
        np.testing.assert_allclose(session.run(counts), 5 * p[:3, None], rtol=1e-5)
    for wrong, text in (
        ({"vocab_file": str(path), "unigrams": WEIGHTS}, "either"),
        ({"unigrams": WEIGHTS[1:]}, "range"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            session.run(make(labels, 1, 5, False, CLASSES, **wrong))
    with pytest.raises(tf.errors.InvalidArgumentError, match="range is too small"):
        # a class of weight 0 is never found
        session.run(make(labels, 1, CLASSES, True, CLASSES, unigrams=WEIGHTS[1:], num_reserved_ids=1))


def test_seeds(session: Any) -> None:
    one, two, other = (_sampler("log_uniform", 50, False, seed=seed)[0] for seed in (3, 3, 4))
    first = session.run([one, two, other])
    np.testing.assert_array_equal(first[0], first[1])
    assert (first[0] != first[2]).any() and (session.run(one) != first[0]).any()


def test_a_class_drawn_twice_hits_in_its_last_place(session: Any) -> None:
    hits = tf.nn.compute_accidental_hits(tf.constant(LABELS), tf.constant([5, 3, 5], tf.int64), 2)
    rows, places, weights = session.run(hits)
    assert rows.tolist() == [0, 1, 1] and places.tolist() == [2, 1, 1]
    assert (weights == np.finfo(np.float32).min).all()


# --- losses -----------------------------------------------------------------------------------------------------------


def _arrays() -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    return random.normal(size=(CLASSES, 4)), random.normal(size=CLASSES), random.normal(size=(3, 4))


def test_over_all_classes_it_is_the_softmax(session: Any) -> None:
    """Drawn without replacement, all classes are expected once, nearly: after m draws ``1 - (5/6)^m``."""
    w, b, x = (tf.constant(a, tf.float32) for a in _arrays())
    labels = tf.constant(LABELS[:, :1])
    sampled = tf.nn.uniform_candidate_sampler(labels, 1, CLASSES, True, CLASSES)
    loss = tf.nn.sampled_softmax_loss(w, b, labels, x, CLASSES, CLASSES, sampled_values=sampled)
    full = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels[:, 0], logits=tf.matmul(x, w, transpose_b=True) + b
    )
    one, other = session.run([loss, full])
    np.testing.assert_allclose(one, other, rtol=1e-5)
    gradients = session.run([tf.gradients(loss, [w, b, x]), tf.gradients(full, [w, b, x])])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_the_default_sampler_is_log_uniform_and_seeded(session: Any) -> None:
    w, b, x = (tf.constant(a, tf.float32) for a in _arrays())
    labels = tf.constant(LABELS[:, :1])
    losses = [tf.nn.sampled_softmax_loss(w, b, labels, x, 3, CLASSES, seed=5) for _ in range(2)]
    values = tf.nn.log_uniform_candidate_sampler(labels, 1, 3, True, CLASSES, seed=5)
    losses.append(tf.nn.sampled_softmax_loss(w, b, labels, x, 3, CLASSES, sampled_values=values))
    one, two, three = session.run(losses)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)
    assert one.shape == (3,) and tf.nn.nce_loss(w, b, labels, x, 3, CLASSES).shape.as_list() == [3]
    kinds = [op.type for op in tf.get_default_graph().get_operations() if op.type.endswith("Sampler")]
    assert kinds == ["LogUniformCandidateSampler"] * 4


@pytest.mark.parametrize("kind", ["sampled_softmax_loss", "nce_loss"])
def test_the_order_before_1_0(kind: str, session: Any) -> None:
    w, b, x = (tf.constant(a, tf.float32) for a in _arrays())
    labels = tf.constant(LABELS[:, :1])
    values = tf.nn.all_candidate_sampler(labels, 1, CLASSES, True)
    loss = getattr(tf.nn, kind)
    new, old = (loss(w, b, *middle, CLASSES, CLASSES, 1, values) for middle in ((labels, x), (x, labels)))
    np.testing.assert_array_equal(*session.run([new, old]))


def test_a_model_learns_from_samples(session: Any) -> None:
    """Sampled softmax trains towards what the full softmax measures."""
    random = np.random.default_rng(1)
    inputs = random.normal(size=(64, 4)).astype(np.float32)
    labels = np.argmax(inputs @ random.normal(size=(4, CLASSES)), 1)
    w, b = tf.get_variable("w", [CLASSES, 4]), tf.get_variable("b", [CLASSES])
    loss = tf.nn.sampled_softmax_loss(w, b, labels[:, None], tf.constant(inputs), 3, CLASSES, seed=1)
    train = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_mean(loss))
    full = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=tf.matmul(tf.constant(inputs), w, transpose_b=True) + b
        )
    )
    session.run(tf.global_variables_initializer())
    before = session.run(full)
    for _ in range(60):
        session.run(train)
    assert session.run(full) < 0.6 * before
