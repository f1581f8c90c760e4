"""Initializers: formulas, fans, dtypes, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ops_support import assert_same

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


def value_of(initializer: Any, shape: Any, dtype: Any = None) -> Any:
    """What the initializer gives for a variable of that shape."""
    with tf.Session() as session:
        return session.run(initializer(shape, dtype) if dtype is not None else initializer(shape))


CUT = 0.87962566103423978


def test_constants() -> None:
    assert_same(value_of(tf.zeros_initializer(), [2, 3]), np.zeros([2, 3]))
    assert_same(value_of(tf.ones_initializer(tf.int32), [2]), np.ones([2]))
    assert_same(value_of(tf.constant_initializer(0.25), [2, 2]), np.full([2, 2], 0.25))
    assert_same(value_of(tf.constant_initializer([1, 2, 3, 4]), [2, 2]), np.array([[1, 2], [3, 4]]))
    assert_same(value_of(tf.constant_initializer(np.eye(2)), [2, 2]), np.eye(2))
    assert_same(value_of(tf.constant_initializer([1, 2]), [2, 2]), np.array([[1, 2], [2, 2]]))
    assert_same(value_of(tf.constant_initializer(True, tf.bool), [2]), np.array([True, True]))


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
@pytest.mark.parametrize(
    "initializer",
    [
        tf.zeros_initializer(),
        tf.constant_initializer(2),
        tf.random_uniform_initializer(-1, 1),
        tf.random_normal_initializer(),
        tf.truncated_normal_initializer(),
        tf.glorot_uniform_initializer(),
        tf.glorot_normal_initializer(),
        tf.variance_scaling_initializer(),
        tf.uniform_unit_scaling_initializer(),
        tf.orthogonal_initializer(),
        tf.initializers.identity(),
    ],
    ids=lambda i: type(i).__name__,
)
def test_the_dtype_of_the_variable_stands_above_the_initializers_own(initializer: Any, dtype: Any) -> None:
    assert initializer([3, 3]).dtype == tf.float32
    variable = tf.get_variable("v", [3, 3], dtype, initializer)
    assert variable.dtype.base_dtype == dtype
    with tf.Session() as session:
        session.run(variable.initializer)
        assert session.run(variable).dtype == dtype.as_numpy_dtype


def test_random_ones_have_their_ranges() -> None:
    uniform = value_of(tf.random_uniform_initializer(-0.5, 0.25, seed=1), [200, 50])
    assert -0.5 <= uniform.min() < -0.49
    assert 0.24 < uniform.max() < 0.25
    normal = value_of(tf.random_normal_initializer(1.0, 0.1, seed=1), [200, 50])
    assert abs(normal.mean() - 1) < 0.01
    assert abs(normal.std() - 0.1) < 0.005
    cut = value_of(tf.truncated_normal_initializer(1.0, 0.1, seed=1), [200, 50])
    assert abs(cut - 1).max() < 0.2
    assert abs(cut.std() - 0.1 * CUT) < 0.005
    integers = value_of(tf.random_uniform_initializer(0, 5, dtype=tf.int32), [100])
    assert set(integers.tolist()) <= set(range(5))


# shape, inputs and outputs per unit
FANS = [([], 1, 1), ([8], 8, 8), ([6, 10], 6, 10), ([3, 6, 10], 18, 30), ([3, 3, 4, 8], 36, 72)]


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize(("shape", "inputs", "outputs"), FANS, ids=str)
def test_fans(shape: Any, inputs: int, outputs: int, mode: str) -> None:
    """The bounds of the distribution, read from the constants in the graph."""
    count = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
    limit = math.sqrt(3 * 2.0 / count)
    tensor = tf.variance_scaling_initializer(2.0, mode, "uniform")(shape)
    graph = tensor.graph
    scope = tensor.op.name
    with tf.Session() as session:
        low, high = session.run([f"{scope}/min:0", f"{scope}/max:0"])
        value = session.run(tensor)
    np.testing.assert_allclose([low, high], [-limit, limit], rtol=1e-6)
    assert value.shape == tuple(shape)
    assert abs(value).max() <= limit
    cut = tf.variance_scaling_initializer(2.0, mode)(shape)
    plain = tf.variance_scaling_initializer(2.0, mode, "untruncated_normal")(shape)
    with tf.Session(graph=graph) as session:
        widths = session.run([f"{cut.op.name}/stddev:0", f"{plain.op.name}/stddev:0"])
    np.testing.assert_allclose(widths, [math.sqrt(2 / count) / CUT, math.sqrt(2 / count)], rtol=1e-6)


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        (tf.glorot_uniform_initializer(1), 2 / (300 + 100)),
        (tf.glorot_normal_initializer(1), 2 / (300 + 100)),
        (tf.initializers.he_normal(1), 2 / 300),
        (tf.initializers.he_uniform(1), 2 / 300),
        (tf.initializers.lecun_normal(1), 1 / 300),
        (tf.initializers.lecun_uniform(1), 1 / 300),
        (tf.variance_scaling_initializer(3.0, "fan_out", "untruncated_normal", 1), 3 / 100),
        (tf.uniform_unit_scaling_initializer(1.5, 1), 1.5**2 / 300),
    ],
    ids=lambda v: type(v).__name__,
)
def test_variances(initializer: Any, variance: float) -> None:
    value = value_of(initializer, [300, 100]).astype(np.float64)
    assert abs(value.mean()) < 5 * math.sqrt(variance / value.size)
    np.testing.assert_allclose(value.var(), variance, rtol=0.03)


@pytest.mark.parametrize("shape", [[4, 4], [6, 3], [3, 6], [2, 3, 4], [2, 2, 9]], ids=str)
def test_orthogonal(shape: list[int]) -> None:
    value = value_of(tf.orthogonal_initializer(2.0, seed=1), shape)
    matrix = value.reshape(-1, shape[-1]).astype(np.float64) / 2
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-6)
    # no matrix is preferred: without the signs the diagonal would be of one sign
    others = [value_of(tf.orthogonal_initializer(seed=s), [3, 3])[0, 0] for s in range(12)]
    assert min(others) < 0 < max(others)


@pytest.mark.parametrize("shape", [[3, 3], [2, 4], [4, 2]], ids=str)
def test_identity(shape: list[int]) -> None:
    assert_same(value_of(tf.initializers.identity(0.5), shape), 0.5 * np.eye(shape[0], shape[1]))


def test_the_default_of_get_variable() -> None:
    tf.set_random_seed(1)
    weights = tf.get_variable("w", [300, 100])
    count = tf.get_variable("n", [2], tf.int32)
    flags = tf.get_variable("b", [2], tf.bool)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        w, n, b = session.run([weights, count, flags])
    limit = math.sqrt(6 / 400)
    assert limit * 0.99 < abs(w).max() <= limit
    assert n.tolist() == [0, 0]
    assert b.tolist() == [False, False]


def test_one_seed_gives_one_value_and_no_seed_many() -> None:
    fixed, free = tf.random_normal_initializer(seed=3), tf.random_normal_initializer()
    with tf.Session() as session:
        a, b, c, d = session.run([fixed([4]), fixed([4]), free([4]), free([4])])
    assert (a == b).all()
    assert not (c == d).any()


def test_configurations_can_be_given_again() -> None:
    configurations: list[tuple[Any, dict[str, Any]]] = [
        (tf.zeros_initializer(tf.int32), {"dtype": "int32"}),
        (tf.constant_initializer(3.0), {"value": 3.0, "dtype": "float32"}),
        (tf.random_uniform_initializer(-1, 1, 5), {"minval": -1, "maxval": 1, "seed": 5, "dtype": "float32"}),
        (tf.random_normal_initializer(1, 2), {"mean": 1, "stddev": 2, "seed": None, "dtype": "float32"}),
        (tf.glorot_uniform_initializer(7), {"seed": 7, "dtype": "float32"}),
        (
            tf.variance_scaling_initializer(2.0, "fan_out", "uniform"),
            {"scale": 2.0, "mode": "fan_out", "distribution": "uniform", "seed": None, "dtype": "float32"},
        ),
        (tf.orthogonal_initializer(0.5), {"gain": 0.5, "seed": None, "dtype": "float32"}),
    ]
    for initializer, config in configurations:
        assert initializer.get_config() == config
        assert type(initializer).from_config(config).get_config() == config


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: tf.constant_initializer(object()), TypeError, "Invalid type for initial value"),
        (lambda: tf.constant_initializer([1, 2, 3])([2]), ValueError, "Too many elements provided"),
        (lambda: tf.constant_initializer([1, 2], verify_shape=True)([2, 2]), TypeError, "Expected Tensor's shape"),
        (lambda: tf.constant_initializer(1.5)([2], tf.int32), TypeError, "Expected int32"),
        (lambda: tf.random_normal_initializer(dtype=tf.int32), ValueError, "Expected floating point type"),
        (lambda: tf.random_uniform_initializer(dtype=tf.int32)([2]), ValueError, "Must specify maxval"),
        (lambda: tf.variance_scaling_initializer(0.0), ValueError, "`scale` must be positive float"),
        (lambda: tf.variance_scaling_initializer(mode="in"), ValueError, "Invalid `mode` argument: in"),
        (
            lambda: tf.variance_scaling_initializer(distribution="even"),
            ValueError,
            "Invalid `distribution` argument: even",
        ),
        (lambda: tf.orthogonal_initializer()([3]), ValueError, "at least two-dimensional"),
        (lambda: tf.initializers.identity()([3, 3, 3]), ValueError, "only be used for 2D matrices"),
        (lambda: tf.zeros_initializer()([None, 2]), TypeError, "Expected int32"),
        (lambda: tf.get_variable("s", [2], tf.string), ValueError, "An initializer for a variable"),
    ],
)
def test_refusals(build: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        build()
