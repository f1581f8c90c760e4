"""What stands around the optimizers: learning rates, the global step, moving averages, optimize_loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from dynrnn.tf1 import math_ops, train
from dynrnn.tf1.array_ops import identity, placeholder
from dynrnn.tf1.contrib.optimizers import optimize_loss
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.graph import Graph, get_default_graph, name_scope
from dynrnn.tf1.core.session import Session
from dynrnn.tf1.core.variable_scope import get_variable, variable_scope
from dynrnn.tf1.core.variables import (
    GraphKeys,
    Variable,
    global_variables,
    global_variables_initializer,
    moving_average_variables,
    trainable_variables,
)
from dynrnn.tf1.init_ops import constant_initializer


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with Graph().as_default() as graph:
        yield graph


def _session() -> Session:
    session = Session()
    if global_variables():
        session.run(global_variables_initializer())
    return session


# --- learning rates ---------------------------------------------------------------------------------------------------


def _polynomial_cycle(s: int) -> float:
    steps = 4 * (math.ceil(s / 4) if s else 1)
    return (0.5 - 0.125) * (1 - s / steps) ** 2 + 0.125


DECAYS: dict[str, tuple[Callable[[Any], Any], Callable[[int], float]]] = {
    "exponential": (lambda s: train.exponential_decay(0.5, s, 4, 0.3), lambda s: 0.5 * 0.3 ** (s / 4)),
    "exponential, staircase": (
        lambda s: train.exponential_decay(0.5, s, 4, 0.3, staircase=True),
        lambda s: 0.5 * 0.3 ** (s // 4),
    ),
    "natural": (lambda s: train.natural_exp_decay(0.5, s, 4, 0.3), lambda s: 0.5 * math.exp(-0.3 * s / 4)),
    "natural, staircase": (
        lambda s: train.natural_exp_decay(0.5, s, 4, 0.3, staircase=True),
        lambda s: 0.5 * math.exp(-0.3 * (s // 4)),
    ),
    "inverse time": (lambda s: train.inverse_time_decay(0.5, s, 4, 0.3), lambda s: 0.5 / (1 + 0.3 * s / 4)),
    "inverse time, staircase": (
        lambda s: train.inverse_time_decay(0.5, s, 4, 0.3, staircase=True),
        lambda s: 0.5 / (1 + 0.3 * (s // 4)),
    ),
    "polynomial": (
        lambda s: train.polynomial_decay(0.5, s, 4, 0.125, power=2.0),
        lambda s: (0.5 - 0.125) * (1 - min(s, 4) / 4) ** 2 + 0.125,
    ),
    "polynomial, defaults": (
        lambda s: train.polynomial_decay(0.5, s, 4),
        lambda s: (0.5 - 0.0001) * (1 - min(s, 4) / 4) + 0.0001,
    ),
    "polynomial, cycle": (
        lambda s: train.polynomial_decay(0.5, s, 4, 0.125, power=2.0, cycle=True),
        _polynomial_cycle,
    ),
    "cosine": (
        lambda s: train.cosine_decay(0.5, s, 4, alpha=0.25),
        lambda s: 0.5 * (0.75 * 0.5 * (1 + math.cos(math.pi * min(s, 4) / 4)) + 0.25),
    ),
    "piecewise": (
        lambda s: train.piecewise_constant(s, [2, 5], [0.5, 0.25, 0.125]),
        lambda s: 0.5 if s <= 2 else 0.25 if s <= 5 else 0.125,
    ),
    "piecewise, no boundaries": (lambda s: train.piecewise_constant_decay(s, [], [0.5]), lambda s: 0.5),
}
STEPS: dict[str, Callable[[], Any]] = {
    "int32 placeholder": lambda: placeholder(dtypes.int32, []),
    "int64 placeholder": lambda: placeholder(dtypes.int64, []),
    "global step": train.create_global_step,
}


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("name", DECAYS)
def test_rates_fall_as_the_formulas_say(name: str, kind: str) -> None:
    build, formula = DECAYS[name]
    step = STEPS[kind]()
    rate = build(step)
    assert rate.dtype == dtypes.float32
    assert rate.shape.as_list() == []
    with _session() as session:
        for s in (0, 1, 2, 3, 4, 5, 6, 8, 9, 20):
            assert session.run(rate, {step: s}) == pytest.approx(formula(s), rel=1e-5)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (train.exponential_decay, "ExponentialDecay"),
        (train.natural_exp_decay, "ExponentialDecay"),
        (train.inverse_time_decay, "InverseTimeDecay"),
    ],
)
def test_names_of_rates(build: Callable[..., Any], name: str) -> None:
    assert build(0.1, constant(0), 2, 0.5).op.name == name
    assert build(0.1, constant(0), 2, 0.5, name="rate").op.name == "rate"


def test_rates_and_their_numbers_may_be_tensors() -> None:
    start, steps = constant(0.5, dtypes.float64), placeholder(dtypes.int32, [])
    rate = train.exponential_decay(start, constant(6), steps, constant(0.25))
    assert rate.dtype == dtypes.float64
    with _session() as session:
        assert session.run(rate, {steps: 3}) == 0.5 * 0.25**2


DECAY_ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "exponential": (
        lambda: train.exponential_decay(0.1, None, 1, 0.5),
        "global_step is required for exponential_decay",
    ),
    "natural": (lambda: train.natural_exp_decay(0.1, None, 1, 0.5), "global_step is required for natural_exp_decay"),
    "inverse": (lambda: train.inverse_time_decay(0.1, None, 1, 0.5), "global_step is required for inverse_time_decay"),
    "polynomial": (lambda: train.polynomial_decay(0.1, None, 1), "global_step is required for polynomial_decay"),
    "cosine": (lambda: train.cosine_decay(0.1, None, 1), "global_step is required for cosine_decay"),
    "lengths": (lambda: train.piecewise_constant(constant(1), [1], [0.1]), "boundaries should be 1 less"),
    "boundary dtype": (
        lambda: train.piecewise_constant(constant(1), [1.5], [0.1, 0.2]),
        r"Boundaries \(float32\) must have the same dtype as x \(int32\)",
    ),
    "value dtypes": (
        lambda: train.piecewise_constant(constant(1), [1], [0.1, 2]),
        r"same dtype \(float32 vs int32\)",
    ),
}


@pytest.mark.parametrize("name", DECAY_ERRORS)
def test_wrong_arguments_of_rates(name: str) -> None:
    call, message = DECAY_ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_an_integer_learning_rate_is_refused() -> None:
    with pytest.raises(TypeError, match="learning_rate of exponential_decay must be floating, got dtype int32"):
        train.exponential_decay(1, constant(0), 2, 0.5)


# --- the global step --------------------------------------------------------------------------------------------------


def test_the_global_step_is_made_once() -> None:
    assert train.get_global_step() is None
    with variable_scope("a"), name_scope("b"):
        step = train.get_or_create_global_step()
    assert step.op.name == "a/global_step"  # the variable scope counts, as in TensorFlow
    assert (step.dtype.base_dtype, step.shape.as_list(), step.trainable) == (dtypes.int64, [], False)
    assert train.get_or_create_global_step() is step is train.get_global_step()
    assert global_variables() == [step] == get_default_graph().get_collection(GraphKeys.GLOBAL_STEP)
    with pytest.raises(ValueError, match='"global_step" already exists'):
        train.create_global_step()
    with _session() as session:
        session.run(step.assign_add(5))
        assert train.global_step(session, step) == 5


def test_a_variable_of_that_name_is_the_global_step() -> None:
    own = Variable(7, name="global_step", trainable=False)
    found = train.get_global_step()
    assert found.name == "global_step:0"
    x = Variable(1.0)
    op = train.GradientDescentOptimizer(0.1).minimize(x * x, global_step=found)
    with _session() as session:
        session.run(op)
        assert session.run(own) == 8


def test_the_global_step_of_another_graph() -> None:
    other = Graph()
    step = train.create_global_step(other)
    assert step.graph is other
    assert train.get_global_step() is None
    assert train.get_global_step(other) is step


def test_two_global_steps_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        get_default_graph().add_to_collection(GraphKeys.GLOBAL_STEP, Variable(0, name=name))
    assert train.get_global_step() is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: Variable(0.0), "does not have integer type"),
        (lambda: Variable([0]), r"is not scalar: \(1,\)"),
        (lambda: 0, "must be a Variable or Tensor: 0"),
    ],
)
def test_what_cannot_be_a_global_step(value: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        train.assert_global_step(value())


# --- moving averages --------------------------------------------------------------------------------------------------


def test_averages_of_variables_begin_at_their_initial_values() -> None:
    with variable_scope("a"):
        x = Variable([2.0, -1.0], name="x")
    y = Variable(5.0, name="y", trainable=False)
    average = train.ExponentialMovingAverage(0.75)
    op = average.apply()
    kept = average.average(x)
    assert kept is not None
    assert kept.op.name == average.average_name(x) == "a/x/ExponentialMovingAverage"
    assert not kept.trainable
    assert average.average(y) is None
    assert moving_average_variables() == [x]
    assert op.name == "ExponentialMovingAverage"
    values, expected = [2.0, -1.0], np.array([2.0, -1.0])
    with _session() as session:
        for _ in range(3):
            values = [v * 2 + 1 for v in values]
            session.run(x.assign(values))
            session.run(op)
            expected = 0.75 * expected + 0.25 * np.array(values)
            np.testing.assert_allclose(session.run(kept), expected, rtol=1e-6)


def test_averages_after_the_update() -> None:
    """The usual recipe: control dependencies on the train operation; the new value is averaged."""
    x = get_variable("x", [], initializer=constant_initializer(1.0))
    step = train.GradientDescentOptimizer(0.25).minimize(x * x)
    average = train.ExponentialMovingAverage(0.5)
    with get_default_graph().control_dependencies([step]):
        op = average.apply([x])
    with _session() as session:
        session.run(op)
        assert session.run([x, average.average(x)]) == [0.5, 0.75]
        session.run(op)
        assert session.run([x, average.average(x)]) == [0.25, 0.5]


@pytest.mark.parametrize("zero_debias", [False, True])
def test_averages_of_tensors_begin_at_zero(zero_debias: bool) -> None:
    value = placeholder(dtypes.float32, [])
    tensor = identity(value, name="loss")
    average = train.ExponentialMovingAverage(0.9, zero_debias=zero_debias)
    op = average.apply([tensor])
    names = [v.op.name for v in global_variables()]
    kept = "loss/ExponentialMovingAverage"
    # the names TensorFlow gives
    assert names == ([kept, f"{kept}/biased", f"{kept}/local_step"] if zero_debias else [kept])
    assert moving_average_variables() == []
    biased = 0.0
    with _session() as session:
        for t, fed in enumerate([3.0, -1.0, 4.0], 1):
            session.run(op, {value: fed})
            biased = 0.9 * biased + 0.1 * fed
            expected = biased / (1 - 0.9**t) if zero_debias else biased
            assert session.run(average.average(tensor)) == pytest.approx(expected, rel=1e-5)


def test_few_updates_count_less() -> None:
    count = Variable(0, trainable=False)
    x = Variable(0.0)
    average = train.ExponentialMovingAverage(0.5, num_updates=count, name="avg")
    op = average.apply([x])
    expected = 0.0
    with _session() as session:
        for t in (0, 1, 5, 20):
            session.run([x.assign(t + 1.0), count.assign(t)])
            session.run(op)
            decay = min(0.5, (1 + t) / (10 + t))
            expected = decay * expected + (1 - decay) * (t + 1)
            assert session.run(average.average(x)) == pytest.approx(expected, rel=1e-5)


def test_names_for_restoring_averages() -> None:
    x, y = Variable(1.0, name="x"), Variable(2.0, name="y", trainable=False)
    average = train.ExponentialMovingAverage(0.9)
    assert average.average_name(x) == "x/ExponentialMovingAverage"
    assert average.variables_to_restore() == {"x/ExponentialMovingAverage": x, "y": y}
    assert average.variables_to_restore([y]) == {"y/ExponentialMovingAverage": y, "x": x}
    average.apply([x])
    kept = average.average(x)
    restored = average.variables_to_restore()
    assert restored == {"x/ExponentialMovingAverage": x, "y": y}
    assert kept not in restored.values()


def test_integers_have_no_average() -> None:
    with pytest.raises(TypeError, match="must be half, float, or double: n:0"):
        train.ExponentialMovingAverage(0.9).apply([Variable(1, name="n")])


def test_assign_moving_average_counts_its_variables() -> None:
    kept = get_variable("kept", [], initializer=constant_initializer(0.0), trainable=False)
    first = train.assign_moving_average(kept, constant(2.0), 0.5)
    train.assign_moving_average(kept, constant(2.0), 0.5)
    assert [v.op.name for v in global_variables()] == [
        "kept",
        "kept/biased",
        "kept/local_step",
        "kept/biased_1",
        "kept/local_step_1",
    ]
    with _session() as session:
        assert session.run(first) == 2.0


# --- optimize_loss ----------------------------------------------------------------------------------------------------


def _line() -> tuple[Variable, Any]:
    x = get_variable("x", [], initializer=constant_initializer(4.0))
    return x, x * x


OPTIMIZERS: dict[str, tuple[Any, float]] = {
    "SGD": ("SGD", 4.0 - 0.1 * 8.0),
    "Adam": ("Adam", 3.9),
    "Momentum": ("Momentum", 4.0 - 0.1 * 8.0),
    "RMSProp": ("RMSProp", 4.0 - 0.8 / math.sqrt(0.9 + 6.4)),
    "Adagrad": ("Adagrad", 4.0 - 0.8 / math.sqrt(64.1)),
    "a class": (train.GradientDescentOptimizer, 4.0 - 0.1 * 8.0),
    "a function": (lambda rate: train.GradientDescentOptimizer(rate * 2.0), 4.0 - 0.2 * 8.0),
    "an optimizer": (train.GradientDescentOptimizer(0.25), 2.0),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimize_loss_with_every_kind_of_optimizer(name: str) -> None:
    optimizer, expected = OPTIMIZERS[name]
    x, loss = _line()
    step = train.get_or_create_global_step()
    op = optimize_loss(loss, step, 0.1, optimizer)
    with _session() as session:
        assert session.run(op) == 16.0
        assert session.run(x) == pytest.approx(expected, rel=1e-5)
        assert session.run(step) == 1


def test_optimize_loss_clips_multiplies_and_decays() -> None:
    x, loss = _line()
    step = train.get_or_create_global_step()
    op = optimize_loss(
        loss,
        None,
        1.0,
        "SGD",
        gradient_multipliers={"x": 0.5},
        clip_gradients=2.0,
        learning_rate_decay_fn=lambda rate, s: train.exponential_decay(rate, s, 1, 0.5),
        summaries=["loss", "learning_rate"],
    )
    assert [v.op.name for v in global_variables()] == ["x", "global_step", "OptimizeLoss/learning_rate"]
    with _session() as session:
        session.run(op)
        assert session.run([x, step]) == [2.0, 1]  # the gradient 8, halved, then clipped to 2
        session.run(op)
        assert session.run(x) == 1.0  # 4, halved to 2, times the rate 0.5


def test_optimize_loss_runs_the_update_operations() -> None:
    x, loss = _line()
    count = Variable(0, trainable=False)
    get_default_graph().add_to_collection(GraphKeys.UPDATE_OPS, count.assign_add(1))
    op = optimize_loss(loss, None, 0.1, "SGD", clip_gradients=lambda pairs: [(g * 0.0, v) for g, v in pairs])
    without = optimize_loss(loss, None, 0.1, "SGD", update_ops=[], variables=[x])
    with _session() as session:
        session.run(op)
        assert session.run([x, count]) == [4.0, 1]
        session.run(without)
        assert session.run(count) == 1
        assert session.run(x) == pytest.approx(3.2)


def test_optimize_loss_adds_noise() -> None:
    w = get_variable("w", [100], initializer=constant_initializer(0.0))
    op = optimize_loss(math_ops.reduce_sum(w), None, 1.0, "SGD", gradient_noise_scale=0.1)
    with _session() as session:
        session.run(op)
        change = session.run(w) + 1.0
    assert 0.05 < change.std() < 0.12
    assert np.abs(change).max() <= 0.2 + 1e-6


OPTIMIZE_ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "optimizer name": ({"optimizer": "Sgd"}, r"Optimizer name should be one of \[Adagrad, .*you provided Sgd"),
    "optimizer kind": ({"optimizer": 3}, "Unrecognized optimizer: should be string.*Got 3"),
    "optimizer function": ({"optimizer": lambda rate: rate}, "function should return subclass of Optimizer"),
    "no rate": ({"learning_rate": None}, r"Learning rate is None.*optimizer is string \(SGD\)"),
    "negative rate": ({"learning_rate": -0.1}, "Invalid learning_rate -0.1"),
    "rate kind": ({"learning_rate": "0.1"}, "Learning rate should be 0d Tensor or float"),
    "clipping": ({"clip_gradients": "5"}, "Unknown type <class 'str'> for clip_gradients"),
    "summary": ({"summaries": ["los"]}, r"Summaries should be one of \[learning_rate, .*you provided los"),
    "decay without step": ({"learning_rate_decay_fn": lambda r, s: r}, "global_step is required for learning_rate_dec"),
}


@pytest.mark.parametrize("name", OPTIMIZE_ERRORS)
def test_wrong_arguments_of_optimize_loss(name: str) -> None:
    arguments, message = OPTIMIZE_ERRORS[name]
    _, loss = _line()
    with pytest.raises(ValueError, match=message):
        optimize_loss(loss, None, **{"learning_rate": 0.1, "optimizer": "SGD", **arguments})


def test_the_namespace_names_what_it_lacks() -> None:
    with pytest.raises(AttributeError, match=r"tf.train.AdamOptimiser is not available.*tf.train.AdamOptimizer"):
        _ = train.AdamOptimiser
    assert trainable_variables() == []
