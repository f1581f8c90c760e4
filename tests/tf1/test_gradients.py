"""``tf.gradients``: what it gives, when it gives None, and that values of the same run are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _same(actual: Any, expected: Any) -> None:
    assert len(actual) == len(expected)
    for got, wanted in zip(actual, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


# --- what x may be ----------------------------------------------------------------------------------------------------


def test_placeholders_constants_variables_and_values_in_the_middle(session: Any) -> None:
    x, c, w = tf.placeholder(tf.float32, [2]), tf.constant([3.0, 4.0]), tf.Variable([5.0, 6.0])
    product = x * c
    y = tf.reduce_sum(product * product * w)
    gradients = tf.gradients(y, [x, c, w, product])
    session.run(w.initializer)
    a, b, d = np.array([1, 2], np.float32), np.array([3, 4], np.float32), np.array([5, 6], np.float32)
    _same(session.run(gradients, {x: a}), [2 * a * b * b * d, 2 * a * a * b * d, (a * b) ** 2, 2 * a * b * d])


def test_one_x_is_not_put_into_a_longer_list_and_names_are_those_of_a_scope() -> None:
    x = tf.constant(2.0)
    (gradient,) = tf.gradients(x * x, x)
    assert gradient.op.name.startswith("gradients/")
    (again,) = tf.gradients(x * x, [x])
    assert again.op.name.startswith("gradients_1/")
    (named,) = tf.gradients(x * x, x, name="mine")
    assert named.op.name.startswith("mine/")


def test_gradients_have_the_shape_and_dtype_of_x(session: Any) -> None:
    x = tf.placeholder(tf.float64, [None, 3])
    w = tf.Variable(tf.ones([3, 2], tf.float64))
    for gradient, tensor in zip(tf.gradients(tf.matmul(x, w), [x, w]), [x, w], strict=True):
        assert gradient.shape.as_list() == tensor.shape.as_list()
        assert gradient.dtype == tf.float64


def test_x_given_twice_and_x_as_its_own_y(session: Any) -> None:
    x = tf.constant([2.0, 3.0])
    y = x * x
    _same(session.run(tf.gradients(y, [x, x, y])), [[4, 6], [4, 6], [1, 1]])
    _same(session.run(tf.gradients(x, x)), [[1, 1]])
    _same(session.run(tf.gradients([x, x], x)), [[2, 2]])


def test_several_ys_add_up(session: Any) -> None:
    x, z = tf.constant(2.0), tf.constant(5.0)
    _same(session.run(tf.gradients([x * x, x * z, z], [x, z])), [9.0, 3.0])
    # a y may depend on another y
    y = x * x
    _same(session.run(tf.gradients([y, y * y], [x, y])), [4.0 + 32.0, 1.0 + 8.0])


def test_identities_are_tensors_of_their_own(session: Any) -> None:
    x = tf.constant(3.0)
    a = tf.identity(x)
    b = tf.identity(a)
    y = b * b + a
    _same(session.run(tf.gradients(y, [x, a, b])), [7.0, 7.0, 6.0])


def test_a_path_that_misses_x(session: Any) -> None:
    x = tf.constant(3.0)
    y = x * 2.0
    z = x * x + y
    # through y alone
    _same(session.run(tf.gradients(z, [x, y])), [8.0, 1.0])


def test_a_tensor_that_is_fed(session: Any) -> None:
    x = tf.placeholder(tf.float32, [])
    y = x * x
    z = y * y * y
    gx, gy = tf.gradients(z, [x, y])
    _same(session.run([gx, gy], {x: 2.0}), [192.0, 48.0])
    # fed, y no longer depends on x
    _same(session.run([gx, gy], {x: 2.0, y: 10.0})[1:], [300.0])


def test_a_fed_variable(session: Any) -> None:
    w = tf.Variable(2.0)
    (gradient,) = tf.gradients(w * w, w)
    assert session.run(gradient, {w: 5.0}) == 10.0


def test_a_variable_read_several_times(session: Any) -> None:
    w, other = tf.Variable(3.0), tf.Variable(1.0)
    with tf.control_dependencies([other.assign(2.0)]):
        later = w * w
    y = later + w + w.read_value()
    session.run(tf.global_variables_initializer())
    _same(session.run(tf.gradients(y, w)), [8.0])


def test_the_read_of_a_variable_as_x(session: Any) -> None:
    w = tf.Variable(3.0)
    session.run(w.initializer)
    _same(session.run(tf.gradients(w * w, [w, w.value()])), [6.0, 6.0])


# --- None -------------------------------------------------------------------------------------------------------------


def test_none_where_there_is_no_path(session: Any) -> None:
    x, unused = tf.placeholder(tf.float32, []), tf.Variable(1.0)
    n = tf.placeholder(tf.int32, [])
    y = x * tf.cast(n, tf.float32)
    gradients = tf.gradients(y, [x, unused, n, tf.constant(3.0)])
    assert gradients[0] is not None and gradients[1:] == [None, None, None]
    assert tf.gradients(tf.stop_gradient(x) * 2.0, x) == [None]
    assert tf.gradients(tf.argmax([x, x], 0), x) == [None]
    assert tf.gradients(tf.cast(tf.cast(x, tf.int32), tf.float32), x) == [None]
    assert tf.gradients(tf.cast(x > 1.0, tf.float32), x) == [None]
    assert tf.gradients(x, tf.identity(x)) == [None]


@pytest.mark.parametrize("function", ["floor", "ceil", "sign", "round"])
def test_zero_or_none_for_steps(session: Any, function: str) -> None:
    x = tf.constant([1.5, -0.5])
    (gradient,) = tf.gradients(getattr(tf, function)(x), x)
    if gradient is not None:
        _same(session.run([gradient]), [[0, 0]])


def test_unconnected_gradients_as_zeros(session: Any) -> None:
    x, unused = tf.constant([1.0, 2.0]), tf.Variable([[1.0]])
    session.run(unused.initializer)
    for zero in ("zero", tf.UnconnectedGradients.ZERO):
        _same(session.run(tf.gradients(x * x, [x, unused], unconnected_gradients=zero)), [[2, 4], [[0]]])
    with pytest.raises(ValueError):
        tf.gradients(x, x, unconnected_gradients="nonsense")


def test_stop_gradient(session: Any) -> None:
    x = tf.constant(3.0)
    _same(session.run(tf.gradients(tf.stop_gradient(x * x) * x, x)), [9.0])


def test_stop_gradients(session: Any) -> None:
    a, w = tf.constant(2.0), tf.Variable(3.0)
    b = 3.0 * a
    session.run(w.initializer)
    _same(session.run(tf.gradients(a + b, [a, b], stop_gradients=[a, b])), [1.0, 1.0])
    _same(session.run(tf.gradients(a + b, [a, b])), [4.0, 1.0])
    _same(session.run(tf.gradients(b * b, a, stop_gradients=[])), [36.0])
    c = a * a
    assert tf.gradients(c * 2.0, a, stop_gradients=c) == [None]
    _same(session.run(tf.gradients(c * a, [a, c], stop_gradients=[c])), [4.0, 2.0])
    # below what is stopped
    d = c * w
    _same(session.run(tf.gradients(d * d * w, [d, w, a], stop_gradients=[c])[:2]), [2 * 12.0 * 3.0, 3 * 16.0 * 9.0])
    _same(session.run(tf.gradients(w * w * w, w, stop_gradients=[w])), [27.0])
    _same(session.run(tf.gradients(a * w.read_value() * w, w, stop_gradients=[w])), [12.0])
    assert tf.gradients(d * d * w, a, stop_gradients=[c]) == [None]
    _same(session.run(tf.gradients(a * a, a, stop_gradients=[w])), [4.0])


def test_stop_gradients_that_a_loop_depends_on_are_refused() -> None:
    x = tf.constant(3.0)
    y = x * x
    _, z = tf.while_loop(lambda i, z: i < 2, lambda i, z: (i + 1, z * y), [0, x])
    with pytest.raises(NotImplementedError, match=r"tf\.stop_gradient"):
        tf.gradients(z, x, stop_gradients=[y])


# --- grad_ys ----------------------------------------------------------------------------------------------------------


def test_grad_ys(session: Any) -> None:
    x = tf.constant([1.0, 2.0])
    y, z = x * x, 3.0 * x
    _same(session.run(tf.gradients(y, x, grad_ys=[[10.0, 100.0]])), [[20, 400]])
    _same(session.run(tf.gradients([y, z], x, grad_ys=[[1.0, 2.0], None])), [[5, 11]])
    _same(session.run(tf.gradients(y, x, grad_ys=tf.constant([0.0, 1.0]))), [[0, 4]])
    with pytest.raises(ValueError, match="Passed 1 grad_ys for 2 ys"):
        tf.gradients([y, z], x, grad_ys=[[1.0, 1.0]])


def test_gradients_with_respect_to_what_grad_ys_are_made_of(session: Any) -> None:
    x, v = tf.constant([1.0, 2.0]), tf.constant([3.0, 5.0])
    (first,) = tf.gradients(x * x, x, grad_ys=v)
    _same(session.run(tf.gradients(first, [x, v])), [[6, 10], [2, 4]])


# --- more than one ----------------------------------------------------------------------------------------------------


def test_gradients_of_gradients(session: Any) -> None:
    x = tf.constant([1.0, 2.0])
    y = tf.reduce_sum(x**4)
    (first,) = tf.gradients(y, x)
    (second,) = tf.gradients(first, x)
    (third,) = tf.gradients(second, x)
    _same(session.run([first, second, third]), [[4, 32], [12, 48], [24, 48]])


def test_a_penalty_on_the_gradient(session: Any) -> None:
    w = tf.Variable([1.0, 2.0])
    loss = tf.reduce_sum(w**3)
    (gradient,) = tf.gradients(loss, w)
    total = loss + tf.reduce_sum(gradient**2)
    session.run(w.initializer)
    # d/dw (w^3 + 9 w^4) = 3 w^2 + 36 w^3
    _same(session.run(tf.gradients(total, w)), [[39, 300]])


def test_two_gradients_in_one_run_share_a_path(session: Any) -> None:
    x = tf.placeholder(tf.float32, [])
    shared = tf.exp(x)
    one, two = tf.gradients(shared * 2.0, x) + tf.gradients(shared * shared, [x])
    for _ in range(2):
        _same(session.run([one, two, shared], {x: 0.5}), [2 * np.exp(0.5), 2 * np.exp(1.0), np.exp(0.5)])
    _same(session.run([two, one], {x: 0.0}), [2.0, 2.0])


def test_an_assignment_in_the_same_run_does_not_disturb(session: Any) -> None:
    w = tf.Variable(3.0)
    (gradient,) = tf.gradients(w * w, w)
    update = w.assign_sub(0.5 * gradient)
    session.run(w.initializer)
    assert session.run([gradient, update]) == [6.0, 0.0]
    assert session.run([update, gradient]) == [0.0, 0.0]


def test_assignments_of_what_has_a_history_keep_none(session: Any) -> None:
    w, total = tf.Variable(2.0), tf.Variable(0.0)
    y = w * w
    add = total.assign_add(y)
    (gradient,) = tf.gradients(y, w)
    session.run(tf.global_variables_initializer())
    for i in range(1, 4):
        assert session.run([add, gradient]) == [4.0 * i, 4.0]


def test_noise_is_the_same_forwards_and_backwards(session: Any) -> None:
    x = tf.ones([5])
    noise = tf.random_uniform([5])
    y = x * noise
    (gradient,) = tf.gradients(y, x)
    values, factors, drawn = session.run([y, gradient, noise])
    np.testing.assert_array_equal(values, factors)
    np.testing.assert_array_equal(drawn, factors)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_a_broadcast_operand_gets_a_gradient_of_its_own_shape(session: Any) -> None:
    x, b, s = tf.ones([2, 3]), tf.constant([1.0, 2.0, 3.0]), tf.constant(2.0)
    _same(
        session.run(tf.gradients((x + b) * s, [b, s])), [[4, 4, 4], np.sum(1.0 + np.array([[1, 2, 3]] * 2, np.float32))]
    )


def test_gather_gives_a_dense_gradient_with_repeated_rows_added(session: Any) -> None:
    table = tf.Variable(tf.ones([4, 2]))
    rows = tf.gather(table, [1, 1, 3])
    (gradient,) = tf.gradients(rows, table)
    session.run(table.initializer)
    result = session.run(tf.convert_to_tensor(gradient))
    np.testing.assert_array_equal(result, [[0, 0], [2, 2], [0, 0], [1, 1]])


def test_integers_have_no_gradient_and_are_no_obstacle(session: Any) -> None:
    x = tf.constant([1.0, 2.0, 3.0])
    index = tf.constant(1)
    _same(session.run(tf.gradients(x[index] * 5.0, x)), [[0, 5, 0]])
    _same(session.run(tf.gradients(tf.reduce_sum(x) * tf.cast(index, tf.float32), x)), [[1, 1, 1]])


def test_complex_ys_need_grad_ys(session: Any) -> None:
    x = tf.constant([1.0, 2.0])
    y = tf.cast(x, tf.complex64)
    with pytest.raises(TypeError, match=r"Gradients of complex tensors .*must set grad_ys"):
        tf.gradients(y, x)


def test_gradients_against_differences(session: Any) -> None:
    rng = np.random.default_rng(0)
    x = tf.placeholder(tf.float64, [3, 4])
    w = tf.Variable(rng.normal(size=(4, 2)))
    y = tf.reduce_sum(tf.tanh(tf.matmul(tf.sigmoid(x), w)) ** 2 + tf.reduce_mean(tf.exp(x[:, :2]), 1, keepdims=True))
    (gradient,) = tf.gradients(y, x)
    session.run(w.initializer)
    point = rng.normal(size=(3, 4))
    exact = session.run(gradient, {x: point})
    for index in np.ndindex(3, 4):
        step = np.zeros((3, 4))
        step[index] = 1e-6
        above, below = session.run(y, {x: point + step}), session.run(y, {x: point - step})
        assert exact[index] == pytest.approx((above - below) / 2e-6, rel=1e-6, abs=1e-9)


def test_what_a_branch_uses_for_no_result_has_no_gradient(session: Any) -> None:
    """As in TensorFlow: what only decides an argmax inside a branch, or makes another result, gets None."""
    x, w, unused = (tf.constant([[1.0, 2.0]]) for _ in range(3))

    def branch() -> Any:
        best = tf.argmax(w, 1)
        return tf.gather(x[0], best), unused * 2.0

    chosen, other = tf.cond(tf.placeholder_with_default(True, []), branch, lambda: (x[0, :1], unused))
    assert [g is None for g in tf.gradients(chosen, [x, w, unused])] == [False, True, True]
    assert [g is None for g in tf.gradients(other, [x, w, unused])] == [True, True, False]
    assert session.run(tf.gradients([chosen, other], [x, unused])[0]).tolist() == [[0.0, 1.0]]
    # and through a branch in a branch
    outer = tf.cond(
        tf.placeholder_with_default(True, []),
        lambda: tf.cond(tf.placeholder_with_default(True, []), lambda: branch()[0], lambda: x[0, :1]),
        lambda: x[0, 1:],
    )
    assert [g is None for g in tf.gradients(outer, [x, w, unused])] == [False, True, True]
