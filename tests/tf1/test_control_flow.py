"""``cond``, ``case``, ``while_loop``: values, laziness, gradients, shapes, errors, control dependencies inside."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1

Pair = collections.namedtuple("Pair", ["a", "b"])


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _flag() -> Any:
    return tf.placeholder(tf.bool, [], name="flag")


# --- cond -------------------------------------------------------------------------------------------------------------


def test_cond_takes_the_branch_that_the_value_says(session: Any) -> None:
    flag, x = _flag(), tf.placeholder(tf.float32, [2])
    y = tf.cond(flag, lambda: x * 2.0, lambda: x + 10.0)
    np.testing.assert_array_equal(session.run(y, {flag: True, x: [1, 2]}), [2, 4])
    np.testing.assert_array_equal(session.run(y, {flag: False, x: [1, 2]}), [11, 12])
    assert y.shape.as_list() == [2] and y.dtype == tf.float32


def test_only_the_branch_taken_runs(session: Any) -> None:
    flag, n, m = _flag(), tf.Variable(0), tf.Variable(0)
    result = tf.cond(flag, lambda: n.assign_add(1), lambda: m.assign_add(10))
    session.run(tf.global_variables_initializer())
    assert session.run(result, {flag: True}) == 1
    assert session.run(result, {flag: True}) == 2
    assert session.run(result, {flag: False}) == 10
    assert session.run([n, m]) == [2, 10]


def test_what_is_made_outside_the_branches_always_runs(session: Any) -> None:
    flag, n = _flag(), tf.Variable(0)
    outside = n.assign_add(1)
    used = tf.cond(flag, lambda: tf.identity(outside), lambda: tf.constant(-1))

    def waiting() -> Any:
        with tf.control_dependencies([outside]):
            return tf.constant(5)

    waited = tf.cond(flag, waiting, lambda: tf.constant(-1))
    for fetch, expected in ((used, (1, -1)), (waited, (5, -1))):
        for value, result in zip((True, False), expected, strict=True):
            session.run(n.initializer)
            assert session.run(fetch, {flag: value}) == result
            assert session.run(n) == 1


def test_a_branch_that_fails_is_not_noticed_unless_taken(session: Any) -> None:
    flag, x = _flag(), tf.placeholder(tf.float32)
    y = tf.cond(flag, lambda: tf.reduce_sum(tf.matmul(x, x)), lambda: tf.constant(0.0))
    assert session.run(y, {flag: False, x: np.ones([2, 3])}) == 0.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        session.run(y, {flag: True, x: np.ones([2, 3])})


@pytest.mark.parametrize("strict", [False, True])
def test_structures_of_results(session: Any, strict: bool) -> None:
    flag, x = _flag(), tf.constant(1.0)

    def result(branch: Any) -> Any:
        return session.run(tf.cond(flag, lambda: branch(x), lambda: branch(x * 2.0), strict=strict), {flag: False})

    assert result(lambda v: (v, v + 1.0)) in ((2.0, 3.0), [2.0, 3.0])
    assert result(lambda v: [v, v + 1.0]) == [2.0, 3.0]
    assert result(lambda v: Pair(v, v + 1.0)) == Pair(2.0, 3.0)
    assert result(lambda v: {"k": v, "l": (v, [v])}) == {"k": 2.0, "l": (2.0, [2.0])}
    assert result(lambda v: [v]) == ([2.0] if strict else 2.0)
    assert result(lambda v: v) == 2.0


def test_python_values_as_results(session: Any) -> None:
    flag = _flag()
    y = tf.cond(flag, lambda: 1.0, lambda: 2.0)
    assert session.run(y, {flag: False}) == 2.0
    z = tf.cond(flag, lambda: [1, 2], lambda: [3, 4])
    assert session.run(z, {flag: True}) == [1, 2]


def test_branches_of_operations(session: Any) -> None:
    flag, n = _flag(), tf.Variable(0)
    done = tf.cond(flag, lambda: tf.group(n.assign_add(1)), tf.no_op)
    session.run(n.initializer)
    session.run(done, {flag: False})
    assert session.run(n) == 0
    session.run(done, {flag: True})
    assert session.run(n) == 1
    with tf.control_dependencies([done]):
        after = n.read_value()
    assert session.run(after, {flag: True}) == 2


def test_nested_conds(session: Any) -> None:
    a, b = tf.placeholder(tf.bool, []), tf.placeholder(tf.bool, [])
    x = tf.constant(1.0)
    y = tf.cond(
        a,
        lambda: tf.cond(b, lambda: x + 1.0, lambda: x + 2.0),
        lambda: tf.cond(b, lambda: x + 3.0, lambda: x + 4.0),
    )
    values = [session.run(y, {a: p, b: q}) for p in (True, False) for q in (True, False)]
    assert values == [2.0, 3.0, 4.0, 5.0]


def test_static_shapes_of_branches_are_merged() -> None:
    flag = _flag()

    def shape(one: Any, other: Any) -> Any:
        return tf.cond(flag, lambda: tf.zeros(one), lambda: tf.zeros(other)).shape

    assert shape([2, 3], [2, 3]).as_list() == [2, 3]
    assert shape([2, 3], [4, 3]).as_list() == [None, 3]
    assert shape([2], [2, 3]).ndims is None


def test_gradients_flow_through_the_branch_taken(session: Any) -> None:
    flag, w, v = _flag(), tf.Variable(3.0), tf.Variable(5.0)
    y = tf.cond(flag, lambda: w * w, lambda: v * v * v)
    gradients = tf.gradients(y, [w, v])
    session.run(tf.global_variables_initializer())
    assert session.run(gradients, {flag: True}) == [6.0, 0.0]
    assert session.run(gradients, {flag: False}) == [0.0, 75.0]


def test_gradients_inside_a_branch(session: Any) -> None:
    flag, w = _flag(), tf.Variable(3.0)
    y = tf.cond(flag, lambda: tf.gradients(w * w * w, w)[0], lambda: tf.constant(0.0))
    session.run(w.initializer)
    assert session.run(y, {flag: True}) == 27.0
    assert session.run(y, {flag: False}) == 0.0


def test_gradients_inside_a_branch_of_what_is_outside(session: Any) -> None:
    flag, x, w = _flag(), tf.placeholder(tf.float32, []), tf.Variable(3.0)
    a = w * w
    loss = a * x

    def train() -> Any:
        return w.assign_sub(tf.gradients(loss, w)[0])

    trained = tf.cond(flag, train, lambda: tf.identity(w))
    # through operations outside, which lead from the variable to what the branch uses
    mixed = tf.cond(flag, lambda: tf.gradients(a * a * w * x, [w, a, x]), lambda: [tf.constant(0.0)] * 3)
    session.run(w.initializer)
    # w^5 x: 5 w^4 x; a^2 w x: 2 a w x; a^2 w
    assert session.run(mixed, {flag: True, x: 2.0}) == [5 * 81.0 * 2.0, 2 * 9.0 * 3.0 * 2.0, 243.0]
    assert session.run(trained, {flag: False, x: 0.5}) == 3.0
    assert session.run(trained, {flag: True, x: 0.5}) == 0.0
    assert session.run(w) == 0.0


def test_gradients_inside_a_branch_of_noise_outside_are_refused() -> None:
    w = tf.Variable(3.0)
    _, noisy = tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y * w * tf.random_uniform([])), [0, 1.0])
    with pytest.raises(NotImplementedError, match="take the gradients outside"):
        tf.cond(tf.constant(True), lambda: tf.gradients(noisy * 2.0, w)[0], lambda: tf.constant(0.0))


def test_derivatives_of_gradients_taken_in_a_loop(session: Any) -> None:
    x = tf.placeholder(tf.float32, [])

    def step(i: Any, y: Any) -> Any:
        return i + 1, y + tf.gradients(x * x * x, x)[0] + tf.gradients(y * y, y)[0]

    _, y = tf.while_loop(lambda i, y: i < 2, step, [0, x])
    (gradient,) = tf.gradients(y, x)
    # y -> 3 y + 3 x^2: 3 x + 3 x^2, then 9 x + 12 x^2
    assert session.run([y, gradient], {x: 2.0}) == [66.0, 57.0]


def test_wrong_arguments_of_cond() -> None:
    flag, x = _flag(), tf.constant(1.0)
    with pytest.raises(TypeError, match="pred must not be a Python bool"):
        tf.cond(True, lambda: x, lambda: x)
    with pytest.raises(TypeError, match="true_fn must be callable"):
        tf.cond(flag, x, lambda: x)
    with pytest.raises(TypeError, match="false_fn must be callable"):
        tf.cond(flag, lambda: x, x)
    with pytest.raises((TypeError, ValueError)):
        tf.cond(flag, lambda: x, lambda: tf.constant(1))
    with pytest.raises((TypeError, ValueError)):
        tf.cond(flag, lambda: (x, x), lambda: (x,))
    with pytest.raises((TypeError, ValueError)):
        tf.cond(flag, lambda: x, lambda: None)
    with pytest.raises((TypeError, ValueError)):
        tf.cond(flag, lambda: (x, x), lambda: {"a": x, "b": x})


def test_branches_without_a_result_and_predicates_that_are_none() -> None:
    flag = _flag()
    with pytest.raises(ValueError, match="true_fn must have a return value"):
        tf.cond(flag, lambda: None, lambda: None)
    wrong = ((1, TypeError), (0.5, TypeError), (tf.constant(1), TypeError), (tf.constant([True]), ValueError))
    for pred, error in wrong:
        with pytest.raises(error):
            tf.cond(pred, lambda: 1.0, lambda: 2.0)


def test_old_names_of_the_arguments(session: Any) -> None:
    assert session.run(tf.cond(tf.constant(True), fn1=lambda: 1.0, fn2=lambda: 2.0)) == 1.0


def test_case(session: Any) -> None:
    x = tf.placeholder(tf.float32, [])
    y = tf.case([(x < 1.0, lambda: tf.constant(10.0)), (x < 2.0, lambda: x * 3.0)], default=lambda: -x)
    assert [session.run(y, {x: v}) for v in (0.5, 1.5, 2.5)] == [10.0, 4.5, -2.5]
    by_dict = tf.case({x < 1.0: lambda: tf.constant(1.0)}, default=lambda: tf.constant(2.0), exclusive=True)
    assert [session.run(by_dict, {x: v}) for v in (0.5, 1.5)] == [1.0, 2.0]
    with pytest.raises(TypeError):
        tf.case([(x < 1.0, 3.0)])
    with pytest.raises(TypeError):
        tf.case(3)


# --- while_loop -------------------------------------------------------------------------------------------------------


def test_a_loop_counts(session: Any) -> None:
    limit = tf.placeholder(tf.int32, [])
    i, total = tf.while_loop(lambda i, t: i < limit, lambda i, t: (i + 1, t + i), [tf.constant(0), tf.constant(0)])
    assert session.run([i, total], {limit: 5}) == [5, 10]
    assert session.run([i, total], {limit: 0}) == [0, 0]


def test_one_loop_variable_comes_without_its_list(session: Any) -> None:
    result = tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])
    assert isinstance(result, tf.Tensor) and session.run(result) == 3
    same = tf.while_loop(lambda i: i < 3, lambda i: [i + 1], [0], return_same_structure=True)
    assert session.run(same) == [3]


def test_structures_of_loop_variables(session: Any) -> None:
    start = (tf.constant(0), Pair(tf.constant(1.0), {"k": [tf.constant([1.0, 2.0])]}))
    i, pair = tf.while_loop(
        lambda i, p: i < 2,
        lambda i, p: (i + 1, Pair(p.a * 2.0, {"k": [p.b["k"][0] + p.a]})),
        start,
    )
    i_value, pair_value = session.run((i, pair))
    assert i_value == 2 and pair_value.a == 4.0
    np.testing.assert_array_equal(pair_value.b["k"][0], [4, 5])
    with pytest.raises((ValueError, TypeError)):
        tf.while_loop(lambda i, p: i < 2, lambda i, p: (i + 1, (p.a, p.b, p.a)), start)


@pytest.mark.parametrize("limit", [None, 10])
def test_the_result_is_in_the_containers_that_the_body_returns(limit: Any, session: Any) -> None:
    for kind in (list, tuple):
        result = tf.while_loop(
            lambda i, x: i < 2, lambda i, x, kind=kind: kind([i + 1, x * 2.0]), [0, 1.0], maximum_iterations=limit
        )
        assert type(result) is kind and session.run(list(result)) == [2, 4.0]
    pair = tf.while_loop(lambda a, b: a < 2.0, lambda a, b: Pair(a + 1.0, b), Pair(0.0, 5.0))
    assert isinstance(pair, Pair) and session.run(pair) == Pair(2.0, 5.0)


def test_a_body_that_returns_another_structure() -> None:
    x = tf.constant(0.0)
    for start, changed in (
        ([x, x], lambda a, b: (a, b, b)),
        ([x, x], lambda a, b: (a, (b,))),
        ([{"a": x, "b": x}], lambda d: [{"a": d["a"], "c": d["b"]}]),
        ([(x, x)], lambda d: [d, d]),
    ):
        with pytest.raises((ValueError, TypeError)):
            tf.while_loop(lambda *a: tf.constant(False), changed, start)


def test_outside_values_are_seen_inside(session: Any) -> None:
    x, w = tf.placeholder(tf.float32, [2]), tf.Variable(2.0)
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * w + x), [0, tf.zeros([2])])
    session.run(w.initializer)
    np.testing.assert_array_equal(session.run(y, {x: [1, 10]}), [7, 70])


def test_nested_loops(session: Any) -> None:
    def outer(i: Any, total: Any) -> Any:
        _, inner = tf.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + i * j), [0, total])
        return i + 1, inner

    _, total = tf.while_loop(lambda i, t: i < 5, outer, [0, 0])
    assert session.run(total) == sum(i * j for i in range(5) for j in range(i))


def test_a_cond_in_a_loop_and_a_loop_in_a_cond(session: Any) -> None:
    def step(i: Any, x: Any) -> Any:
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: x + 1.0, lambda: x * 10.0)

    _, x = tf.while_loop(lambda i, x: i < 4, step, [0, 1.0])
    assert session.run(x) == 210.0
    flag = _flag()
    y = tf.cond(flag, lambda: tf.while_loop(lambda i: i < 7, lambda i: i + 1, [0]), lambda: tf.constant(-1))
    assert [session.run(y, {flag: v}) for v in (True, False)] == [7, -1]


def test_noise_is_drawn_in_every_iteration(session: Any) -> None:
    _, rows = tf.while_loop(
        lambda i, rows: i < 3,
        lambda i, rows: (i + 1, tf.concat([rows, tf.random_uniform([1, 4])], 0)),
        [0, tf.zeros([0, 4])],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 4])],
    )
    values = session.run(rows)
    assert values.shape == (3, 4) and len(np.unique(values)) == 12


def test_assignments_in_every_iteration(session: Any) -> None:
    n = tf.Variable(0)

    def step(i: Any) -> Any:
        with tf.control_dependencies([n.assign_add(2)]):
            return i + 1

    loop = tf.while_loop(lambda i: i < 5, step, [0])
    session.run(n.initializer)
    assert session.run(loop) == 5
    assert session.run(n) == 10


def test_a_read_after_an_assignment_in_the_same_iteration(session: Any) -> None:
    n = tf.Variable(1.0)

    def step(i: Any, seen: Any) -> Any:
        with tf.control_dependencies([n.assign(n.read_value() * 2.0)]):
            return i + 1, seen + n.read_value()

    _, seen = tf.while_loop(lambda i, s: i < 3, step, [0, 0.0], parallel_iterations=1)
    session.run(n.initializer)
    assert session.run(seen) >= 2.0 * 3


@pytest.mark.parametrize("limit", [0, 2, 10])
@pytest.mark.parametrize("symbolic", [False, True])
def test_maximum_iterations(session: Any, limit: int, symbolic: bool) -> None:
    bound = tf.constant(limit) if symbolic else limit
    i, x = tf.while_loop(lambda i, x: i < 4, lambda i, x: (i + 1, x * 2.0), [0, 1.0], maximum_iterations=bound)
    assert session.run([i, x]) == [min(limit, 4), 2.0 ** min(limit, 4)]
    one = tf.while_loop(lambda i: i < 4, lambda i: i + 1, [0], maximum_iterations=bound)
    assert session.run(one) == min(limit, 4)
    with pytest.raises(ValueError, match="maximum_iterations must be a scalar"):
        tf.while_loop(lambda i: i < 4, lambda i: i + 1, [0], maximum_iterations=[1, 2])


# --- shapes and types of loop variables -------------------------------------------------------------------------------


def test_shape_invariants() -> None:
    start = [tf.constant(0), tf.zeros([1, 2])]

    def grow(i: Any, x: Any) -> Any:
        return i + 1, tf.concat([x, x], 0)

    def test(i: Any, x: Any) -> Any:
        return i < 3

    with pytest.raises(ValueError) as caught:
        tf.while_loop(test, grow, start)
    assert "shape_invariants" in str(caught.value) and "(1, 2)" in str(caught.value) and "(2, 2)" in str(caught.value)
    invariants = [tf.TensorShape([]), tf.TensorShape([None, 2])]
    _, x = tf.while_loop(test, grow, start, shape_invariants=invariants)
    assert x.shape.as_list() == [None, 2]
    _, x = tf.while_loop(test, grow, start, shape_invariants=[start[0].get_shape(), tf.TensorShape(None)])
    assert x.shape.ndims is None
    with pytest.raises(ValueError, match="not compatible with the initial shape"):
        tf.while_loop(test, grow, start, shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 3])])


def test_inside_the_loop_a_variable_has_its_invariant_shape() -> None:
    seen = []

    def step(i: Any, x: Any) -> Any:
        seen.append(x.shape.as_list())
        return i + 1, x

    tf.while_loop(lambda i, x: i < 3, step, [0, tf.zeros([1, 2])], [tf.TensorShape([]), tf.TensorShape([None, 2])])
    assert seen[0] == [None, 2]
    _, x = tf.while_loop(lambda i, x: i < 3, step, [0, tf.zeros([1, 2])])
    assert seen[-1] == [1, 2] and x.shape.as_list() == [1, 2]


def test_invariants_of_nests(session: Any) -> None:
    start = (tf.constant(0), (tf.zeros([1]), {"k": tf.zeros([1])}))
    invariants = (tf.TensorShape([]), (tf.TensorShape([None]), {"k": tf.TensorShape([None])}))
    _, (a, _) = tf.while_loop(
        lambda i, t: i < 3,
        lambda i, t: (i + 1, (tf.concat([t[0], t[0]], 0), {"k": t[1]["k"]})),
        start,
        invariants,
    )
    assert session.run(a).shape == (8,)


def test_a_loop_variable_must_keep_its_type() -> None:
    with pytest.raises((TypeError, ValueError)):
        tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.cast(x, tf.float64)), [0, 1.0])


def test_wrong_arguments_of_while_loop() -> None:
    x = tf.constant(0)
    with pytest.raises(TypeError, match="callable"):
        tf.while_loop(x, lambda i: i, [x])
    with pytest.raises(TypeError, match="callable"):
        tf.while_loop(lambda i: i < 3, x, [x])
    with pytest.raises(ValueError, match="No loop variables provided"):
        tf.while_loop(lambda: True, lambda: (), [])
    with pytest.raises(TypeError, match="parallel_iterations must be a positive integer"):
        tf.while_loop(lambda i: i < 3, lambda i: i + 1, [x], parallel_iterations=0)
    with pytest.raises(ValueError):
        tf.while_loop(lambda i, j: i < 3, lambda i, j: i + 1, [x, x])


def test_what_is_inside_cannot_be_fetched_fed_or_used(session: Any) -> None:
    inside: list[Any] = []

    def step(i: Any) -> Any:
        inside.append(tf.add(i, 1, name="inside"))
        return inside[0]

    outside = tf.while_loop(lambda i: i < 3, step, [0])
    with pytest.raises(ValueError, match="not fetchable"):
        session.run(inside[0])
    with pytest.raises(ValueError, match="may not be fed"):
        session.run(outside, {inside[0]: 1})
    with pytest.raises(ValueError, match="while loop"):
        session.run(inside[0] + 1)


# --- gradients of loops -----------------------------------------------------------------------------------------------


def test_gradients_through_a_loop(session: Any) -> None:
    x, w = tf.placeholder(tf.float32, []), tf.Variable(3.0)
    _, y = tf.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, y * w), [0, x])
    gradients = tf.gradients(y, [x, w])
    session.run(w.initializer)
    assert session.run(gradients, {x: 2.0}) == [81.0, 4 * 27.0 * 2.0]
    (second,) = tf.gradients(gradients[1], w)
    assert session.run(second, {x: 2.0}) == 12 * 9.0 * 2.0


def test_gradients_through_nested_loops_and_conds(session: Any) -> None:
    x = tf.placeholder(tf.float32, [])

    def inner(i: Any, y: Any) -> Any:
        _, z = tf.while_loop(lambda j, z: j < i, lambda j, z: (j + 1, z * x), [0, y])
        return i + 1, tf.cond(i > 1, lambda: z + x, lambda: z)

    _, y = tf.while_loop(lambda i, y: i < 3, inner, [0, 1.0])
    (gradient,) = tf.gradients(y, x)
    # 1 -> 1 -> x -> x^3 + x
    assert session.run([y, gradient], {x: 2.0}) == [10.0, 13.0]


def test_a_loop_run_zero_times(session: Any) -> None:
    x, w = tf.constant(2.0), tf.constant(3.0)
    _, y = tf.while_loop(lambda i, y: i < 0, lambda i, y: (i + 1, y * w), [0, x])
    assert session.run(tf.gradients(y, [x, w])) == [1.0, 0.0]


@pytest.mark.parametrize("kind", ["cond", "while"])
def test_variables_read_under_dependencies_get_their_gradient(session: Any, kind: str) -> None:
    w, other = tf.Variable(3.0), tf.Variable(0.0)

    def square() -> Any:
        # a dependency inside, as assertions and prints are
        with tf.control_dependencies([tf.identity(w)]):
            return w * w

    with tf.control_dependencies([other.assign(1.0)]):
        if kind == "cond":
            y = tf.cond(tf.constant(True), square, lambda: tf.constant(0.0))
        else:
            _, y = tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y + square()), [0, 0.0])
    (gradient,) = tf.gradients(y, w)
    session.run(tf.global_variables_initializer())
    assert session.run(gradient) == (6.0 if kind == "cond" else 12.0)
    session.run(other.assign(0.0))
    session.run(y)
    assert session.run(other) == 1.0


def test_a_variable_trained_inside_a_loop(session: Any) -> None:
    w = tf.Variable(4.0)

    def step(i: Any) -> Any:
        value = w.read_value()
        (gradient,) = tf.gradients(value * value, w)
        with tf.control_dependencies([w.assign_sub(0.25 * gradient)]):
            return i + 1

    steps = tf.while_loop(lambda i: w.read_value() > 0.5, step, [0])
    session.run(w.initializer)
    # halved in every step, and the test of the loop sees it
    assert session.run(steps) == 3
    assert session.run(w) == 0.5


def test_gradients_inside_a_loop_of_all_reads_of_a_variable(session: Any) -> None:
    w = tf.Variable(3.0)

    def step(i: Any, total: Any) -> Any:
        y = w.read_value() * w * w
        return i + 1, total + tf.gradients(y, w)[0]

    _, total = tf.while_loop(lambda i, t: i < 2, step, [0, 0.0])
    session.run(w.initializer)
    assert session.run(total) == 2 * 27.0


def test_a_variable_read_inside_a_loop_that_does_not_change_it(session: Any) -> None:
    w = tf.Variable(3.0)
    _, y = tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y * w.read_value()), [0, 1.0])
    (gradient,) = tf.gradients(y, w)
    nested = tf.cond(
        tf.constant(True), lambda: tf.while_loop(lambda z: z < 5.0, lambda z: z * w.read_value(), [1.0]), lambda: 0.0
    )
    session.run(w.initializer)
    assert session.run([y, gradient]) == [9.0, 6.0]
    assert session.run([nested, *tf.gradients(nested, w)]) == [9.0, 6.0]


def test_an_assignment_before_the_loop_is_seen_in_it(session: Any) -> None:
    w = tf.Variable(3.0)
    with tf.control_dependencies([w.assign(5.0)]):
        _, y = tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y + w), [0, 0.0])
    session.run(w.initializer)
    assert session.run(y) == 10.0
    assert session.run(tf.gradients(y, w)) == [2.0]


def test_a_loop_without_back_prop_gives_the_same_values(session: Any) -> None:
    x = tf.constant(2.0)
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), [0, x], back_prop=False)
    assert session.run(y) == 16.0
