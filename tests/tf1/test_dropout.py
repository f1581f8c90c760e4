"""``tf.nn.dropout`` and ``tf.layers.dropout``: what is kept, how it is scaled, when it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import dynrnn.tf1 as tf

NOISE = "dropout/random_uniform/RandomUniform:0"


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def test_kept_iff_the_noise_is_not_below_the_rate(session: Any) -> None:
    x = tf.constant([[1.0, 2.0, 3.0, 4.0, 5.0]])
    y = tf.nn.dropout(x, 0.75)
    below = np.nextafter(np.float32(0.25), np.float32(0))
    got = session.run(y, {NOISE: [[0.0, below, 0.25, 0.3, 0.999]]})
    np.testing.assert_allclose(got, [[0, 0, 3 / 0.75, 4 / 0.75, 5 / 0.75]], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_are_dropped_or_scaled_in_the_expected_share(session: Any, dtype: str) -> None:
    y = session.run(tf.nn.dropout(tf.ones([200, 500], dtype), keep_prob=0.8))
    assert y.dtype == dtype
    kept = y != 0
    np.testing.assert_allclose(y[kept], np.ones(kept.sum()) / 0.8, rtol=1e-3)
    # five standard deviations of the share of 100,000 draws
    assert abs(kept.mean() - 0.8) < 5 * np.sqrt(0.8 * 0.2 / 1e5)


def test_rate_and_keep_prob_are_complements(session: Any) -> None:
    x = tf.ones([100, 100])
    tf.set_random_seed(3)
    kept, dropped = session.run([tf.nn.dropout(x, 0.9, seed=1), tf.nn.dropout(x, rate=0.1, seed=1)])
    np.testing.assert_allclose(kept, dropped, rtol=1e-6)
    assert 0 < (kept == 0).mean() < 0.2


def test_keeping_all_makes_no_operation() -> None:
    x = tf.ones([2, 3])
    before = tf.get_default_graph().version
    for kept in (tf.nn.dropout(x, 1.0), tf.nn.dropout(x, keep_prob=1), tf.nn.dropout(x, rate=0.0)):
        assert kept is x
    assert tf.get_default_graph().version == before


def test_a_tensor_always_makes_operations(session: Any) -> None:
    keep = tf.placeholder(tf.float32, [])
    x = tf.ones([100, 10])
    y = tf.nn.dropout(x, keep)
    assert y is not x
    assert session.run(y, {keep: 1.0}).tolist() == np.ones([100, 10]).tolist()
    half = session.run(y, {keep: 0.5})
    assert set(np.unique(half)) == {0.0, 2.0}


def test_drawn_anew_in_each_run_and_once_within_a_run(session: Any) -> None:
    x = tf.ones([1000])
    y = tf.nn.dropout(x, 0.5)
    first, twice = session.run([y, y * 1.0])
    second = session.run(y)
    assert first.tolist() == twice.tolist()
    assert first.tolist() != second.tolist()


def test_seeds_fix_the_stream() -> None:
    def draws(graph_seed: int | None, seed: int | None) -> list[Any]:
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(graph_seed)
            y = tf.nn.dropout(tf.ones([64]), 0.5, seed=seed)
            return [session.run(y).tolist() for _ in range(2)]

    assert draws(1, None) == draws(1, None)
    assert draws(None, 2) == draws(None, 2)
    assert draws(1, None) != draws(2, None)
    assert draws(None, 2) != draws(None, 3)


def test_gradient_has_the_mask_of_the_value(session: Any) -> None:
    x = tf.placeholder(tf.float32, [50, 50])
    y = tf.nn.dropout(x, 0.5)
    (gradient,) = tf.gradients(y, x)
    value, slope = session.run([y, gradient], {x: np.full([50, 50], 3.0)})
    np.testing.assert_allclose(value, 3 * slope)
    assert set(np.unique(slope)) == {0.0, 2.0}


@pytest.mark.parametrize("noise_shape", [[20, 1], [None, 1], (20, tf.Dimension(1))])
def test_noise_shape_is_broadcast(session: Any, noise_shape: Any) -> None:
    y = session.run(tf.nn.dropout(tf.ones([20, 7]), 0.5, noise_shape=noise_shape))
    assert (y == y[:, :1]).all()
    assert set(np.unique(y)) == {0.0, 2.0}


def test_noise_shape_from_a_tensor(session: Any) -> None:
    x = tf.placeholder(tf.float32, [None, 6])
    y = tf.nn.dropout(x, 0.5, noise_shape=[tf.shape(x)[0], 1])
    assert y.get_shape().as_list() == [None, 6]
    got = session.run(y, {x: np.ones([40, 6])})
    assert (got == got[:, :1]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "must provide a rate"),
        ({"keep_prob": 0.5, "rate": 0.5}, "Cannot specify both"),
        ({"keep_prob": 0.0}, r"in the range \[0, 1\), got 1"),
        ({"keep_prob": 1.5}, r"in the range \[0, 1\), got -0.5"),
        ({"rate": 1.0}, r"in the range \[0, 1\), got 1"),
        ({"keep_prob": "half"}, "must be a floating point number or Tensor"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tf.nn.dropout(tf.ones([2]), **arguments)


def test_integers_and_vectors_of_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="floating point tensor"):
        tf.nn.dropout(tf.constant([1, 2]), 0.5)
    with pytest.raises(ValueError, match="scalar tensor"):
        tf.nn.dropout(tf.ones([2]), tf.constant([0.5, 0.5]))


def test_torch_dropout_on_a_graph_tensor(session: Any) -> None:
    x: Any = tf.ones([1000])
    for y in (functional.dropout(x, 0.5), torch.dropout(x, 0.5, True)):
        assert set(np.unique(session.run(y))) == {0.0, 2.0}
    assert functional.dropout(x, 0.5, training=False) is x
    assert torch.dropout(x, 0.5, False) is x


# --- the layer --------------------------------------------------------------------------------------------------------


def test_layer_drops_only_when_training(session: Any) -> None:
    x = tf.ones([1000])
    training = tf.placeholder(tf.bool, [])
    fed = tf.layers.dropout(x, 0.25, training=training)
    assert session.run(tf.layers.dropout(x)).tolist() == [1.0] * 1000
    assert session.run(fed, {training: False}).tolist() == [1.0] * 1000
    for y in (session.run(tf.layers.dropout(x, 0.25, training=True)), session.run(fed, {training: True})):
        assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}


def test_layer_names() -> None:
    x = tf.ones([3])
    assert tf.layers.dropout(x).name == "dropout/Identity:0"
    assert tf.layers.dropout(x, training=True).name == "dropout_1/dropout/mul_1:0"
    assert tf.layers.dropout(x, training=tf.placeholder(tf.bool, [])).name == "dropout_2/cond/Merge:0"
