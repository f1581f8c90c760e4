"""``tf.distributions``: probabilities, entropies, moments, divergences; samples are tested by their frequencies."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, fixed, gradients_of


def _tensors(d: Any, *parts: str) -> dict[str, Any]:
    return {part: getattr(d, part)() for part in parts}


@case("distributions/normal")
def normal(tf: Any, np: Any) -> Program:
    loc, scale = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.float32, [])
    d, other = tf.distributions.Normal(loc, scale), tf.distributions.Normal(loc * 2.0, scale + 1.0)
    x = fixed("normal x", [2, 3])
    made = {
        **_tensors(d, "entropy", "mean", "variance", "stddev", "mode"),
        "log_prob": d.log_prob(x),
        "prob": d.prob(x),
        "cdf": d.cdf(x),
        "kl": tf.distributions.kl_divergence(d, other),
    }
    facts = {"batch": str(d.batch_shape), "sample": str(d.sample([5]).get_shape()), "one": str(d.sample().get_shape())}
    gradients = gradients_of(tf, [made["log_prob"], made["kl"]], {"loc": loc, "scale": scale})
    return Program({**made, **gradients}, {loc: fixed("loc", [3]), scale: 0.75}, facts)


@case("distributions/bernoulli")
def bernoulli(tf: Any, np: Any) -> Program:
    logits = tf.placeholder(tf.float32, [3])
    d, other = tf.distributions.Bernoulli(logits), tf.distributions.Bernoulli(probs=[0.25, 0.5, 0.75])
    x = [[0, 1, 1], [1, 0, 1]]
    made = {
        **_tensors(d, "entropy", "mean", "variance", "mode"),
        "log_prob": d.log_prob(x),
        "prob": d.prob(x),
        "other": other.log_prob(x),
        "kl": tf.distributions.kl_divergence(d, other),
        "logits": other.logits,
    }
    facts = {"sample": [str(d.sample([5, 2]).get_shape()), d.dtype.name, d.sample().dtype.name]}
    return Program(
        {**made, **gradients_of(tf, [made["log_prob"], made["kl"]], {"x": logits})},
        {logits: fixed("logits", [3])},
        facts,
    )


@case("distributions/categorical")
def categorical(tf: Any, np: Any) -> Program:
    logits = tf.placeholder(tf.float32, [2, 4])
    d = tf.distributions.Categorical(logits)
    other = tf.distributions.Categorical(probs=[[0.1, 0.2, 0.3, 0.4]] * 2)
    made = {
        **_tensors(d, "entropy", "mode"),
        "log_prob": d.log_prob([3, 0]),
        "prob": d.prob([[1, 2], [0, 0], [3, 3]]),
        "scalar": d.log_prob(2),
        "other": other.log_prob([3, 0]),
        "kl": tf.distributions.kl_divergence(d, other),
        "probs": d.probs,
    }
    facts = {"sample": [str(d.sample([5]).get_shape()), d.dtype.name], "batch": str(d.batch_shape)}
    gradients = gradients_of(tf, [made["log_prob"], made["entropy"], made["kl"]], {"x": logits})
    return Program({**made, **gradients}, {logits: fixed("logits", [2, 4])}, facts)


@case("distributions/uniform")
def uniform(tf: Any, np: Any) -> Program:
    d = tf.distributions.Uniform([0.0, -1.0], [2.0, 3.0])
    made = {**_tensors(d, "entropy", "mean", "variance"), "prob": d.prob([[1.0, 4.0], [2.5, -1.0], [-0.5, 2.0]])}
    return Program(made, {}, {"sample": str(d.sample(3).get_shape())})


@case("distributions/both", must_fail=True, fragments=["probs or logits, but not both"])
def both(tf: Any, np: Any) -> Program:
    return Program({"y": tf.distributions.Bernoulli(0.5, 0.5).mean()})


@case("distributions/no-divergence", must_fail=True, fragments=["No KL(distribution_a || distribution_b) registered"])
def no_divergence(tf: Any, np: Any) -> Program:
    a, b = tf.distributions.Normal(0.0, 1.0), tf.distributions.Bernoulli(0.5)
    return Program({"y": tf.distributions.kl_divergence(a, b)})
