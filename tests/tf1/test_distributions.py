"""Samples of ``tf.contrib.distributions`` have the distribution; its formulas are in the goldens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf

ds = tf.contrib.distributions
COUNT = 4000


@pytest.mark.parametrize(
    ("make", "mean", "deviation"),
    [
        (lambda: ds.Normal([0.0, 2.0], [1.0, 0.5]), [0.0, 2.0], [1.0, 0.5]),
        (lambda: ds.Uniform([0.0, -1.0], [1.0, 3.0]), [0.5, 1.0], [12**-0.5, 4 * 12**-0.5]),
        (lambda: ds.Bernoulli(probs=[0.25, 0.5]), [0.25, 0.5], [0.1875**0.5, 0.5]),
        (lambda: ds.Categorical(probs=[[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]]), [0.5, 1.75], [0.5, 0.1875**0.5]),
    ],
)
def test_samples(make: Any, mean: list[float], deviation: list[float]) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        d = make()
        draws, single, twice = session.run([d.sample([COUNT]), d.sample(), d.sample([3, 2], seed=5)])
        assert draws.shape == (COUNT, 2) and single.shape == (2,) and twice.shape == (3, 2, 2)
        assert draws.dtype == d.dtype.as_numpy_dtype
    np.testing.assert_allclose(draws.mean(0), mean, atol=5 * max(deviation) / COUNT**0.5)
    np.testing.assert_allclose(draws.std(0), deviation, atol=0.05)


def test_gradients_flow_through_normal_samples() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        loc, scale = tf.constant(1.0), tf.constant(2.0)
        draws = ds.Normal(loc, scale).sample([10])
        grads = tf.gradients(draws, [loc, scale])
        values, got = session.run([draws, grads])
    assert got[0] == 10.0
    np.testing.assert_allclose(got[1], ((values - 1.0) / 2.0).sum(), rtol=1e-5)
