"""The optimizers' formulas against numpy, on random gradients: all rows, and the rows of look-ups only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dynrnn.tf1 import math_ops, train
from dynrnn.tf1.array_ops import placeholder, stop_gradient
from dynrnn.tf1.clip_ops import clip_by_global_norm
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.graph import Graph
from dynrnn.tf1.core.session import Session
from dynrnn.tf1.core.variables import Variable, global_variables_initializer
from dynrnn.tf1.embedding_ops import embedding_lookup
from dynrnn.tf1.indexing import gather


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with Graph().as_default() as graph:
        yield graph


def _session() -> Session:
    session = Session()
    session.run(global_variables_initializer())
    return session


# --- formulas ---------------------------------------------------------------------------------------------------------

Slots = dict[str, np.ndarray]
Step = Callable[[np.ndarray, np.ndarray, Slots, int], np.ndarray]


def _f32(value: float) -> float:
    """A Python number becomes float32 first, whatever the dtype of the variable."""
    return float(np.array(value, np.float32))


def _gradient_descent(lr: float) -> tuple[Any, Slots, Step]:
    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        return w - _f32(lr) * g

    return train.GradientDescentOptimizer(lr), {}, step


def _momentum(lr: float, momentum: float, nesterov: bool) -> tuple[Any, Slots, Step]:
    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        s["momentum"] = _f32(momentum) * s["momentum"] + g
        move = g + _f32(momentum) * s["momentum"] if nesterov else s["momentum"]
        return w - _f32(lr) * move

    return train.MomentumOptimizer(lr, momentum, use_nesterov=nesterov), {"momentum": np.zeros(1)}, step


def _adam(lr: float, beta1: float, beta2: float, epsilon: float) -> tuple[Any, Slots, Step]:
    b1, b2 = _f32(beta1), _f32(beta2)

    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        s["m"] = b1 * s["m"] + (1 - b1) * g
        s["v"] = b2 * s["v"] + (1 - b2) * g * g
        # the powers are float32 variables, whatever the dtype of w
        power1, power2 = np.float32(b1), np.float32(b2)
        for _ in range(t):
            power1, power2 = power1 * np.float32(b1), power2 * np.float32(b2)
        rate = _f32(lr) * np.sqrt(1 - float(power2)) / (1 - float(power1))
        return w - rate * s["m"] / (np.sqrt(s["v"]) + _f32(epsilon))

    return train.AdamOptimizer(lr, beta1, beta2, epsilon), {"m": np.zeros(1), "v": np.zeros(1)}, step


def _rmsprop(lr: float, decay: float, momentum: float, epsilon: float, centered: bool) -> tuple[Any, Slots, Step]:
    rho = _f32(decay)

    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        s["rms"] = rho * s["rms"] + (1 - rho) * g * g
        spread = s["rms"]
        if centered:
            s["mg"] = rho * s["mg"] + (1 - rho) * g
            spread = s["rms"] - s["mg"] ** 2
        s["momentum"] = _f32(momentum) * s["momentum"] + _f32(lr) * g / np.sqrt(spread + _f32(epsilon))
        return w - s["momentum"]

    slots = {"rms": np.ones(1), "momentum": np.zeros(1), **({"mg": np.zeros(1)} if centered else {})}
    return train.RMSPropOptimizer(lr, decay, momentum, epsilon, centered=centered), slots, step


def _adagrad(lr: float, start: float) -> tuple[Any, Slots, Step]:
    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        s["accumulator"] = s["accumulator"] + g * g
        return w - _f32(lr) * g / np.sqrt(s["accumulator"])

    return train.AdagradOptimizer(lr, start), {"accumulator": np.full(1, start)}, step


def _adadelta(lr: float, decay: float, epsilon: float) -> tuple[Any, Slots, Step]:
    rho, small = _f32(decay), _f32(epsilon)

    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        s["accum"] = rho * s["accum"] + (1 - rho) * g * g
        move = np.sqrt(s["accum_update"] + small) / np.sqrt(s["accum"] + small) * g
        s["accum_update"] = rho * s["accum_update"] + (1 - rho) * move * move
        return w - _f32(lr) * move

    slots = {"accum": np.zeros(1), "accum_update": np.zeros(1)}
    return train.AdadeltaOptimizer(lr, decay, epsilon), slots, step


def _shrunk(w: np.ndarray, rate: Any, l1: float, l2: float) -> np.ndarray:
    return np.sign(w) * np.maximum(np.abs(w) - rate * _f32(l1), 0) / (1 + rate * _f32(l2))


def _proximal_gradient_descent(lr: float, l1: float, l2: float) -> tuple[Any, Slots, Step]:
    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        return _shrunk(w - _f32(lr) * g, _f32(lr), l1, l2)

    return train.ProximalGradientDescentOptimizer(lr, l1, l2), {}, step


def _proximal_adagrad(lr: float, start: float, l1: float, l2: float) -> tuple[Any, Slots, Step]:
    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        s["accumulator"] = s["accumulator"] + g * g
        rate = _f32(lr) / np.sqrt(s["accumulator"])
        return _shrunk(w - rate * g, rate, l1, l2)

    return train.ProximalAdagradOptimizer(lr, start, l1, l2), {"accumulator": np.full(1, start)}, step


def _ftrl(lr: float, power: float, start: float, l1: float, l2: float, shrinkage: float) -> tuple[Any, Slots, Step]:
    p = -_f32(power)

    def step(w: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
        old, new = s["accum"], s["accum"] + g * g
        sigma = (new**p - old**p) / _f32(lr)
        s["linear"] = s["linear"] + g + 2 * _f32(shrinkage) * w - sigma * w
        s["accum"] = new
        closed = (np.sign(s["linear"]) * _f32(l1) - s["linear"]) / (new**p / _f32(lr) + 2 * _f32(l2))
        return np.where(np.abs(s["linear"]) > _f32(l1), closed, 0.0)

    slots = {"accum": np.full(1, start), "linear": np.zeros(1)}
    optimizer = train.FtrlOptimizer(lr, power, start, l1, l2, l2_shrinkage_regularization_strength=shrinkage)
    return optimizer, slots, step


FORMULAS: dict[str, Callable[[], tuple[Any, Slots, Step]]] = {
    "gradient descent": lambda: _gradient_descent(0.3),
    "momentum": lambda: _momentum(0.1, 0.9, False),
    "momentum, nesterov": lambda: _momentum(0.1, 0.7, True),
    "adam": lambda: _adam(0.001, 0.9, 0.999, 1e-8),
    "adam, large steps": lambda: _adam(0.1, 0.3, 0.7, 0.1),
    "rmsprop": lambda: _rmsprop(0.01, 0.9, 0.0, 1e-10, False),
    "rmsprop, momentum": lambda: _rmsprop(0.01, 0.6, 0.8, 1e-3, False),
    "rmsprop, centered": lambda: _rmsprop(0.01, 0.9, 0.5, 1e-3, True),
    "adagrad": lambda: _adagrad(0.1, 0.1),
    "adadelta": lambda: _adadelta(0.001, 0.95, 1e-8),
    "adadelta, large steps": lambda: _adadelta(1.0, 0.5, 1e-2),
    "proximal gradient descent": lambda: _proximal_gradient_descent(0.1, 0.2, 0.3),
    "proximal adagrad": lambda: _proximal_adagrad(0.1, 0.1, 0.2, 0.3),
    "ftrl": lambda: _ftrl(0.1, -0.5, 0.1, 0.01, 0.02, 0.0),
    "ftrl, shrinkage": lambda: _ftrl(0.1, -0.7, 0.2, 0.0, 0.02, 0.05),
}

GRADIENTS = hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 3)), elements=st.floats(-2, 2))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=12)
@given(gradients=GRADIENTS)
def test_formula(name: str, dtype: str, gradients: np.ndarray) -> None:
    with Graph().as_default():
        optimizer, slots, step = FORMULAS[name]()
        start = np.linspace(-1.0, 1.0, gradients.shape[1])
        w = Variable(start.astype(dtype), name="w")
        fed = placeholder(dtype, [gradients.shape[1]])
        op = optimizer.apply_gradients([(fed, w)])
        kept = {key: optimizer.get_slot(w, key) for key in optimizer.get_slot_names()}
        expected, state = start.copy(), {key: np.broadcast_to(v, start.shape) for key, v in slots.items()}
        assert set(kept) == set(state)
        tolerance: Any = {"rtol": 1e-9, "atol": 1e-10} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-5}
        with _session() as session:
            for t, gradient in enumerate(gradients):
                session.run(op, {fed: gradient})
                expected = step(expected, gradient, state, t)
                np.testing.assert_allclose(session.run(w), expected, **tolerance)
                got = session.run(kept)
                for key, value in state.items():
                    np.testing.assert_allclose(got[key], value, **tolerance)


@pytest.mark.parametrize("name", ["momentum", "rmsprop, momentum", "rmsprop, centered", "adadelta", "ftrl"])
@settings(max_examples=12)
@given(batches=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=4))
def test_rows_that_are_not_looked_up_keep_still(name: str, batches: list[list[int]]) -> None:
    """Sparse gradients: the formula runs on the rows looked up, with repeated rows added up, and on no others."""
    with Graph().as_default():
        optimizer, slots, step = FORMULAS[name]()
        start = np.linspace(-1.0, 1.0, 10).reshape(5, 2)
        table = Variable(start, name="table")
        ids = placeholder(dtypes.int32, [None])
        factor = np.array([0.5, -2.0])
        op = optimizer.minimize(math_ops.reduce_sum(embedding_lookup(table, ids) * factor))
        expected, state = start.copy(), {key: np.broadcast_to(v, start.shape).copy() for key, v in slots.items()}
        with _session() as session:
            for t, batch in enumerate(batches):
                session.run(op, {ids: batch})
                rows = sorted(set(batch))
                gradient = np.array([batch.count(row) * factor for row in rows])
                part = {key: value[rows] for key, value in state.items()}
                expected[rows] = step(expected[rows], gradient, part, t)
                for key, value in part.items():
                    state[key][rows] = value
                np.testing.assert_allclose(session.run(table), expected, rtol=1e-9, atol=1e-12)
            for key, value in state.items():
                np.testing.assert_allclose(session.run(optimizer.get_slot(table, key)), value, rtol=1e-9, atol=1e-12)


def _two_steps(optimizer: Any, build: Callable[[Variable, Any], Any]) -> np.ndarray:
    """The table after a look-up of row 0, then of row 2: a dense update moves row 0 the second time too."""
    table = Variable(np.ones([3, 2], np.float32), name="table")
    ids = placeholder(dtypes.int32, [1])
    op = build(table, embedding_lookup(table, ids))(optimizer)
    with _session() as session:
        session.run(op, {ids: [0]})
        first = session.run(table)
        session.run(op, {ids: [2]})
        return session.run(table)[0] - first[0]


def _clipped(table: Variable, rows: Any) -> Any:
    def build(optimizer: Any) -> Any:
        pairs = optimizer.compute_gradients(math_ops.reduce_sum(rows))
        clipped, _ = clip_by_global_norm([g for g, _ in pairs], 0.5)
        return optimizer.apply_gradients(zip(clipped, [v for _, v in pairs], strict=True))

    return build


SPARSE: dict[str, Callable[[Variable, Any], Any]] = {
    "minimize": lambda table, rows: lambda o: o.minimize(math_ops.reduce_sum(rows)),
    "scaled": lambda table, rows: (
        lambda o: o.apply_gradients([(g * 0.5, v) for g, v in o.compute_gradients(math_ops.reduce_sum(rows))])
    ),
    "clipped": _clipped,
    "two look-ups": lambda table, rows: (
        lambda o: o.minimize(math_ops.reduce_sum(rows) + math_ops.reduce_sum(gather(table, [1])))
    ),
    "another use without gradient": lambda table, rows: (
        lambda o: o.minimize(math_ops.reduce_sum(rows) + math_ops.reduce_sum(stop_gradient(table + 0.0)))
    ),
}
DENSE: dict[str, Callable[[Variable, Any], Any]] = {
    "another use": lambda table, rows: (
        lambda o: o.minimize(math_ops.reduce_sum(rows) + 0.0 * math_ops.reduce_sum(math_ops.square(table)))
    ),
    "one element": lambda table, rows: lambda o: o.minimize(math_ops.reduce_sum(rows) + 0.0 * table[1, 1]),
    "a look-up of columns": lambda table, rows: (
        lambda o: o.minimize(math_ops.reduce_sum(rows) + 0.0 * math_ops.reduce_sum(gather(table, [1], axis=1)))
    ),
    "a sum of gradients": lambda table, rows: (
        lambda o: o.apply_gradients([(g + 0.0 * v, v) for g, v in o.compute_gradients(math_ops.reduce_sum(rows))])
    ),
}


@pytest.mark.parametrize("name", SPARSE)
def test_gradients_of_look_ups_are_sparse(name: str) -> None:
    np.testing.assert_array_equal(_two_steps(train.MomentumOptimizer(0.1, 0.9), SPARSE[name]), [0, 0])


@pytest.mark.parametrize("name", DENSE)
def test_other_gradients_are_dense(name: str) -> None:
    assert np.all(_two_steps(train.MomentumOptimizer(0.1, 0.9), DENSE[name]) < -0.05)
