"""Optimizers: slots and their names, learning rates, order, errors; what programs rely on around the formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from dynrnn.tf1 import math_ops, train
from dynrnn.tf1.array_ops import placeholder
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.graph import Graph, Operation, get_default_graph, name_scope
from dynrnn.tf1.core.session import Session
from dynrnn.tf1.core.variable_scope import get_variable, variable_scope
from dynrnn.tf1.core.variables import (
    GraphKeys,
    Variable,
    global_variables,
    global_variables_initializer,
    trainable_variables,
)
from dynrnn.tf1.init_ops import constant_initializer, zeros_initializer


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with Graph().as_default() as graph:
        yield graph


def _session() -> Session:
    session = Session()
    session.run(global_variables_initializer())
    return session


# --- slots and names --------------------------------------------------------------------------------------------------

MAKERS: dict[str, tuple[Callable[..., Any], list[str], dict[str, str]]] = {
    # optimizer: constructor, variables of its own, slots of w
    "GradientDescent": (lambda **k: train.GradientDescentOptimizer(0.1, **k), [], {}),
    "Momentum": (lambda **k: train.MomentumOptimizer(0.1, 0.9, **k), [], {"momentum": "Momentum"}),
    "Adam": (lambda **k: train.AdamOptimizer(**k), ["beta1_power", "beta2_power"], {"m": "Adam", "v": "Adam_1"}),
    "RMSProp": (lambda **k: train.RMSPropOptimizer(0.1, **k), [], {"rms": "RMSProp", "momentum": "RMSProp_1"}),
    "RMSProp, centered": (
        lambda **k: train.RMSPropOptimizer(0.1, centered=True, **k),
        [],
        {"rms": "RMSProp", "mg": "RMSProp_1", "momentum": "RMSProp_2"},
    ),
    "Adagrad": (lambda **k: train.AdagradOptimizer(0.1, **k), [], {"accumulator": "Adagrad"}),
    "Adadelta": (lambda **k: train.AdadeltaOptimizer(**k), [], {"accum": "Adadelta", "accum_update": "Adadelta_1"}),
    "Ftrl": (lambda **k: train.FtrlOptimizer(0.1, **k), [], {"accum": "Ftrl", "linear": "Ftrl_1"}),
    "ProximalAdagrad": (lambda **k: train.ProximalAdagradOptimizer(0.1, **k), [], {"accumulator": "ProximalAdagrad"}),
    "ProximalGradientDescent": (lambda **k: train.ProximalGradientDescentOptimizer(0.1, **k), [], {}),
}


def _loss() -> Any:
    w = get_variable("w", [3], initializer=constant_initializer(1.0))
    with variable_scope("s"):
        b = get_variable("b", [2], initializer=constant_initializer(2.0))
    return math_ops.reduce_sum(w * w) + math_ops.reduce_sum(b)


@pytest.mark.parametrize("name", MAKERS)
def test_names_and_order_of_the_variables(name: str) -> None:
    make, own, slots = MAKERS[name]
    loss = _loss()
    optimizer = make()
    op = optimizer.minimize(loss)
    expected = [*own, *(f"w/{s}" for s in slots.values()), *(f"s/b/{s}" for s in slots.values())]
    assert [v.op.name for v in global_variables()] == ["w", "s/b", *expected]
    assert [v.op.name for v in trainable_variables()] == ["w", "s/b"]
    assert sorted(expected) == [v.op.name for v in optimizer.variables()]
    assert optimizer.get_slot_names() == sorted(slots)
    w = trainable_variables()[0]
    assert {key: optimizer.get_slot(w, key).op.name for key in slots} == {k: f"w/{s}" for k, s in slots.items()}
    assert isinstance(op, Operation)
    assert op.name == optimizer.get_name() == name.split(",")[0]
    assert get_default_graph().get_collection(GraphKeys.TRAIN_OP) == [op]


@pytest.mark.parametrize("name", MAKERS)
def test_names_in_scopes(name: str) -> None:
    """A variable scope comes before the slots' names; a name scope before those of the operations and beta powers."""
    make, own, slots = MAKERS[name]
    with variable_scope("model"):
        loss = _loss()
    with variable_scope("training"), name_scope("inner"):
        op = make(name="Mine").minimize(loss)
    expected = [f"training/inner/{v}" for v in own]
    for variable in ("model/w", "model/s/b"):
        numbers = ["Mine", "Mine_1", "Mine_2"][: len(slots)]
        expected += [f"training/{variable}/{n}" for n in numbers]
    assert [v.op.name for v in global_variables()][2:] == expected
    assert op.name == "training/inner/Mine"


def test_a_second_optimizer_gets_slots_of_its_own() -> None:
    loss = _loss()
    train.AdamOptimizer().minimize(loss)
    before = len(global_variables())
    op = train.AdamOptimizer().minimize(loss)
    assert [v.op.name for v in global_variables()][before:] == [
        "beta1_power_1",
        "beta2_power_1",
        "w/Adam_2",
        "w/Adam_3",
        "s/b/Adam_2",
        "s/b/Adam_3",
    ]
    assert op.name == "Adam_1"


def test_one_optimizer_keeps_its_slots() -> None:
    loss = _loss()
    optimizer = train.AdamOptimizer()
    optimizer.minimize(loss)
    before = len(global_variables())
    optimizer.minimize(loss * 2.0)
    assert len(global_variables()) == before


def test_slots_are_variables_of_the_scope_and_cannot_be_made_where_it_reuses() -> None:
    loss = _loss()
    with (
        variable_scope("again", reuse=True),
        pytest.raises(ValueError, match=r"Variable again/w/Adam/ does not exist.*reuse=tf.AUTO_REUSE"),
    ):
        train.AdamOptimizer().minimize(loss)


def test_get_slot_of_what_there_is_not() -> None:
    optimizer = train.AdamOptimizer()
    optimizer.minimize(_loss())
    other = Variable(1.0, trainable=False)
    assert optimizer.get_slot(other, "m") is None
    assert optimizer.get_slot(trainable_variables()[0], "momentum") is None


@pytest.mark.parametrize("name", MAKERS)
def test_slots_of_a_variable_of_unknown_shape(name: str) -> None:
    w = Variable(placeholder(dtypes.float32, [None]), validate_shape=False, name="w")
    optimizer = MAKERS[name][0]()
    gradient = placeholder(dtypes.float32)
    op = optimizer.apply_gradients([(gradient, w)])
    with Session() as session:
        initial = {w.initial_value: [1.0, 2.0]}
        session.run(w.initializer, initial)
        session.run([v.initializer for v in optimizer.variables()], initial)
        session.run(op, {gradient: [1.0, 0.0]})
        assert session.run(w)[0] < 1.0
        assert all(session.run(optimizer.get_slot(w, s)).shape == (2,) for s in optimizer.get_slot_names())


# --- training ---------------------------------------------------------------------------------------------------------


def _square(start: float = 1.0) -> tuple[Variable, Any]:
    x = get_variable("x", [], initializer=constant_initializer(start))
    return x, math_ops.square(x)


def test_global_step_counts_the_updates() -> None:
    x, loss = _square()
    step = get_variable("global_step", [], dtypes.int64, zeros_initializer(), trainable=False)
    op = train.GradientDescentOptimizer(0.25).minimize(loss, global_step=step)
    assert op.name == "GradientDescent"
    with _session() as session:
        assert session.run(op) is None
        assert session.run([x, step]) == [0.5, 1]
        session.run(op)
        assert session.run([x, step]) == [0.25, 2]


def test_a_rate_that_depends_on_the_global_step_is_that_of_before() -> None:
    x, loss = _square()
    step = Variable(0.0, trainable=False)
    op = train.GradientDescentOptimizer(step * 0.5).minimize(loss, global_step=step)
    with _session() as session:
        for expected in (1.0, 0.0, 0.0):
            session.run(op)
            assert session.run(x) == expected


def test_what_is_fetched_with_the_update_is_from_before_it() -> None:
    x, loss = _square()
    op = train.AdamOptimizer(0.5).minimize(loss)
    with _session() as session:
        value, before, _ = session.run([x, loss, op])
        assert (value, before) == (1.0, 1.0)
        assert session.run(x) == pytest.approx(0.5)


def test_arrays_fetched_earlier_do_not_change() -> None:
    w = Variable(np.ones(3, np.float32))
    op = train.MomentumOptimizer(0.1, 0.9).minimize(math_ops.reduce_sum(w))
    with _session() as session:
        before = session.run(w)
        for _ in range(3):
            session.run(op)
        np.testing.assert_array_equal(before, np.ones(3, np.float32))


def test_after_the_update_means_after_it() -> None:
    x, loss = _square()
    op = train.GradientDescentOptimizer(0.25).minimize(loss)
    with get_default_graph().control_dependencies([op]):
        later = x.read_value() * 1.0
    with _session() as session:
        assert session.run(later) == 0.5


RATES: dict[str, Callable[[], Any]] = {
    "float": lambda: 0.25,
    "numpy": lambda: np.float32(0.25),
    "tensor": lambda: constant(0.125) * 2.0,
    "variable": lambda: Variable(0.25, trainable=False),
    "function": lambda: lambda: 0.25,
    "function of a tensor": lambda: lambda: constant(0.25),
    "float64 tensor": lambda: constant(0.25, dtypes.float64),
}


@pytest.mark.parametrize("kind", RATES)
def test_learning_rates_of_every_kind(kind: str) -> None:
    x, loss = _square()
    op = train.GradientDescentOptimizer(RATES[kind]()).minimize(loss)
    with _session() as session:
        session.run(op)
        assert session.run(x) == 0.5


def test_a_learning_rate_that_is_fed_or_assigned() -> None:
    x, loss = _square()
    fed = placeholder(dtypes.float32, [])
    kept = Variable(0.0, trainable=False)
    by_feed = train.AdagradOptimizer(fed).minimize(loss, var_list=[x])
    by_variable = train.GradientDescentOptimizer(kept).minimize(loss, var_list=[x])
    with _session() as session:
        session.run(by_feed, {fed: 0.0})
        session.run(by_variable)
        assert session.run(x) == 1.0
        session.run(kept.assign(0.25))
        session.run(by_variable)
        assert session.run(x) == 0.5
        with pytest.raises(errors.InvalidArgumentError, match="You must feed a value"):
            session.run(by_feed)


def test_a_learning_rate_that_is_no_scalar() -> None:
    _, loss = _square()
    op = train.GradientDescentOptimizer(constant([0.1, 0.2])).minimize(loss)
    with _session() as session, pytest.raises(errors.InvalidArgumentError, match=r"must be a scalar, got shape \[2\]"):
        session.run(op)


def test_adam_s_powers_wait_for_all_updates() -> None:
    """Every variable of a step sees the same powers, and the next step the next ones."""
    a, b = (Variable(1.0, name=n) for n in "ab")
    optimizer = train.AdamOptimizer(0.1, beta1=0.5, beta2=0.25)
    op = optimizer.minimize(a + b)
    with _session() as session:
        for t in range(1, 4):
            session.run(op)
            got = session.run([a, b])
            assert got[0] == got[1] == pytest.approx(1.0 - 0.1 * t, rel=1e-5)
            powers = {v.op.name: session.run(v) for v in optimizer.variables() if "power" in v.name}
            assert powers == {"beta1_power": 0.5 ** (t + 1), "beta2_power": 0.25 ** (t + 1)}


def test_uninitialised_slots_are_named() -> None:
    x, loss = _square()
    op = train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    with Session() as session:
        session.run(x.initializer)
        with pytest.raises(errors.FailedPreconditionError, match="uninitialized value x/Momentum"):
            session.run(op)


def test_constraints_are_kept_after_the_update() -> None:
    w = get_variable("w", [2], initializer=constant_initializer(1.0), constraint=lambda v: math_ops.maximum(v, 0.9))
    op = train.GradientDescentOptimizer(1.0).minimize(math_ops.reduce_sum(w * np.array([1.0, -1.0], np.float32)))
    with _session() as session:
        session.run(op)
        np.testing.assert_allclose(session.run(w), [0.9, 2.0])


def test_an_optimizer_written_by_the_user() -> None:
    """Subclasses of ``Optimizer`` as programs write them: own slots, formula in graph operations."""

    class Signs(train.Optimizer):
        def __init__(self, rate: float) -> None:
            super().__init__(False, "Signs")
            self._rate = rate

        def _create_slots(self, var_list: Any) -> None:
            for v in var_list:
                self._zeros_slot(v, "count", self._name)
            self._create_non_slot_variable(initial_value=0.0, name="total", colocate_with=var_list[0])

        def _prepare(self) -> None:
            self._rate_t = constant(self._rate)

        def _apply_dense(self, grad: Any, var: Any) -> Any:
            slot: Any = self.get_slot(var, "count")
            count = slot.assign_add(math_ops.abs_(math_ops.sign(grad)))
            with get_default_graph().control_dependencies([count]):
                return var.assign_sub(self._rate_t * math_ops.sign(grad)).op

        def _finish(self, update_ops: Any, name_scope: str) -> Any:
            total: Any = self._get_non_slot_variable("total")
            with get_default_graph().control_dependencies(update_ops):
                return total.assign_add(1.0, name=name_scope).op

    x, loss = _square(3.0)
    optimizer = Signs(0.5)
    op = optimizer.minimize(loss)
    assert op.name == "Signs"
    with _session() as session:
        session.run(op)
        session.run(op)
        assert session.run([x, optimizer.get_slot(x, "count")]) == [2.0, 2.0]
        assert {v.op.name: session.run(v) for v in optimizer.variables()} == {"total": 2.0, "x/Signs": 2.0}


# --- compute_gradients and apply_gradients ----------------------------------------------------------------------------


def test_pairs_in_the_order_of_the_variables() -> None:
    loss = _loss()
    unused = Variable([1.0], name="unused")
    w, b, _ = trainable_variables()
    optimizer = train.GradientDescentOptimizer(0.1)
    assert [(g is None, v) for g, v in optimizer.compute_gradients(loss)] == [(False, w), (False, b), (True, unused)]
    pairs = optimizer.compute_gradients(loss, var_list=[unused, b])
    assert [(g is None, v) for g, v in pairs] == [(True, unused), (False, b)]
    optimizer.apply_gradients(pairs)


def test_only_the_variables_of_var_list_change() -> None:
    loss = _loss()
    w, b = trainable_variables()
    op = train.GradientDescentOptimizer(0.5).minimize(loss, var_list=[b])
    with _session() as session:
        session.run(op)
        np.testing.assert_array_equal(session.run(w), [1, 1, 1])
        np.testing.assert_array_equal(session.run(b), [1.5, 1.5])


@pytest.mark.parametrize("gate", [train.Optimizer.GATE_NONE, train.Optimizer.GATE_OP, train.Optimizer.GATE_GRAPH])
def test_gates_change_no_result(gate: int) -> None:
    a, b = Variable(2.0), Variable(3.0)
    unused = Variable(1.0)
    op = train.GradientDescentOptimizer(0.1).minimize(a * b, gate_gradients=gate, var_list=[a, b, unused])
    with _session() as session:
        session.run(op)
        assert session.run([a, b]) == pytest.approx([2.0 - 0.3, 3.0 - 0.2])


def test_grad_loss_and_a_loss_given_as_a_function() -> None:
    x = Variable([1.0, 2.0])
    pairs = train.GradientDescentOptimizer(0.1).compute_gradients(lambda: x * x, grad_loss=[3.0, -1.0])
    with _session() as session:
        np.testing.assert_array_equal(session.run(pairs[0][0]), [6.0, -4.0])


def test_gradients_with_respect_to_tensors_cannot_be_applied() -> None:
    x = Variable([1.0])
    y = x * 2.0
    optimizer = train.GradientDescentOptimizer(0.1)
    pairs = optimizer.compute_gradients(y * y, var_list=[y])
    with _session() as session:
        np.testing.assert_array_equal(session.run(pairs[0][0]), [4.0])
    with pytest.raises(NotImplementedError, match="Trying to update a Tensor"):
        optimizer.apply_gradients(pairs)


# --- errors -----------------------------------------------------------------------------------------------------------


def _with_variable(call: Callable[[Any, Variable], Any]) -> Callable[[], Any]:
    return lambda: call(train.GradientDescentOptimizer(0.1), Variable([1.0, 2.0], name="x"))


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no variables": (
        lambda: train.GradientDescentOptimizer(0.1).minimize(constant(1.0)),
        ValueError,
        "No variables to optimize.",
    ),
    "no gradients": (
        _with_variable(lambda o, x: o.minimize(constant(1.0))),
        ValueError,
        r"No gradients provided for any variable, check your graph .*'x:0' shape=\(2,\) dtype=float32_ref.*and loss "
        r"Tensor\(\"Const:0\"",
    ),
    "nothing to apply": (_with_variable(lambda o, x: o.apply_gradients([])), ValueError, "No variables provided."),
    "only None to apply": (
        _with_variable(lambda o, x: o.apply_gradients([(None, x)])),
        ValueError,
        r"No gradients provided for any variable: \[.*'x:0'",
    ),
    "a gradient of another shape": (
        _with_variable(lambda o, x: o.apply_gradients([(constant([1.0, 2.0, 3.0]), x)])),
        ValueError,
        r"expected \(2,\), got \(3,\)",
    ),
    "a gradient that is no tensor": (
        _with_variable(lambda o, x: o.apply_gradients([(object(), x)])),
        TypeError,
        "Gradient must be convertible to a Tensor",
    ),
    "an unknown gate": (
        _with_variable(lambda o, x: o.compute_gradients(x * x, gate_gradients=3)),
        ValueError,
        "gate_gradients must be one of.*Not 3",
    ),
    "an integer loss": (
        _with_variable(lambda o, x: o.compute_gradients(constant(1))),
        ValueError,
        "Invalid type tf.int32 for Const:0",
    ),
    "not a variable": (
        _with_variable(lambda o, x: o.compute_gradients(x * x, var_list=["x"])),
        NotImplementedError,
        "Trying to optimize unsupported type 'x'",
    ),
    "no name": (lambda: train.AdamOptimizer(name=""), ValueError, "Must specify the optimizer name"),
    "a negative accumulator": (
        lambda: train.AdagradOptimizer(0.1, initial_accumulator_value=0.0),
        ValueError,
        "initial_accumulator_value must be positive: 0.0",
    ),
    "a positive power": (
        lambda: train.FtrlOptimizer(0.1, learning_rate_power=0.5),
        ValueError,
        "learning_rate_power 0.5 needs to be negative or zero",
    ),
    "a negative penalty": (
        lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=-1.0),
        ValueError,
        "l1_regularization_strength -1.0 needs to be positive or zero",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


def test_a_gradient_of_another_shape_at_run_time() -> None:
    x = Variable([1.0, 2.0])
    gradient = placeholder(dtypes.float32)
    op = train.GradientDescentOptimizer(0.1).apply_gradients([(gradient, x)])
    with _session() as session, pytest.raises(errors.InvalidArgumentError, match=r"same shape: \[2\] \[1\]"):
        session.run(op, {gradient: [1.0]})
