"""``variable_scope`` and ``get_variable``: names, name scopes, reuse, defaults, getters, errors."""

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


def _get(name: str = "v", **kwargs: Any) -> Any:
    return tf.get_variable(name, [1], **kwargs)


def _op() -> str:
    return tf.constant(1.0, name="op").op.name


# --- names ------------------------------------------------------------------------------------------------------------


def test_variables_and_operations_are_named_below_the_scope() -> None:
    with tf.variable_scope("a") as a:
        assert (_get().name, _op(), a.name, a.original_name_scope) == ("a/v:0", "a/op", "a", "a/")
        with tf.variable_scope("b") as b:
            assert (_get().name, _op(), b.name, b.original_name_scope) == ("a/b/v:0", "a/b/op", "a/b", "a/b/")
    assert _get().name == "v:0"


def test_opening_a_scope_again_by_name_numbers_the_name_scope_alone() -> None:
    with tf.variable_scope("a"):
        _get("x")
    with tf.variable_scope("a") as again:
        assert (_get("y").name, _op(), again.original_name_scope) == ("a/y:0", "a_1/op", "a_1/")


def test_name_scopes_do_not_change_names_of_variables() -> None:
    with tf.name_scope("n"):
        assert _get("x").name == "x:0"
        with tf.variable_scope("a"):
            assert (_get().name, _op()) == ("a/v:0", "n/a/op")
            with tf.name_scope("m"):
                assert (_get("w").name, _op()) == ("a/w:0", "n/a/m/op")


def test_opening_a_scope_by_its_object() -> None:
    with tf.variable_scope("a") as a, tf.variable_scope("b") as b:
        pass
    with tf.variable_scope("elsewhere"):
        with tf.variable_scope(b) as again:
            assert (again.name, _get().name, _op()) == ("a/b", "a/b/v:0", "elsewhere/b/op")
            # its own name scope, by its original name
            assert again.original_name_scope == "a/b/"
            with tf.name_scope(again.original_name_scope):
                assert _op() == "a/b/op"
        assert tf.get_variable_scope().name == "elsewhere"
    with tf.variable_scope(a, auxiliary_name_scope=False):
        assert (_get().name, _op()) == ("a/v:0", "op")


def test_without_a_name_scope() -> None:
    with tf.variable_scope("a", auxiliary_name_scope=False) as a:
        assert (_get().name, _op(), a.original_name_scope) == ("a/v:0", "op", "")
    with tf.name_scope("n"), tf.variable_scope("b", auxiliary_name_scope=False) as b:
        assert (_get().name, _op(), b.original_name_scope) == ("b/v:0", "n/op", "n/")
    with pytest.raises(TypeError, match="auxiliary_name_scope"):
        tf.variable_scope("a", auxiliary_name_scope="no").__enter__()


def test_default_names_are_made_unique() -> None:
    names = []
    for _ in range(3):
        with tf.variable_scope(None, "layer") as scope:
            names.append((scope.name, _get().name, _op()))
    assert names == [
        ("layer", "layer/v:0", "layer/op"),
        ("layer_1", "layer_1/v:0", "layer_1/op"),
        ("layer_2", "layer_2/v:0", "layer_2/op"),
    ]
    with tf.variable_scope("layer_3"):
        pass
    with tf.variable_scope(None, default_name="layer") as scope:
        assert scope.name == "layer_4"
    with tf.variable_scope("given", "layer") as scope:
        assert scope.name == "given"


def test_default_names_are_numbered_anew_when_the_outer_scope_is_opened_again() -> None:
    def model() -> list[str]:
        names = []
        for _ in range(2):
            with tf.variable_scope(None, "dense"):
                names.append(_get().name)
        return names

    with tf.variable_scope("net"):
        first = model()
    with tf.variable_scope("net", reuse=True):
        second = model()
    assert first == second == ["net/dense/v:0", "net/dense_1/v:0"]
    assert len(tf.global_variables()) == 2


def test_default_names_go_on_inside_the_same_scope_object() -> None:
    with tf.variable_scope("net") as net:
        with tf.variable_scope(None, "dense") as first:
            pass
        with tf.variable_scope(net), tf.variable_scope(None, "dense") as inner:
            pass
        with tf.variable_scope(None, "dense") as second:
            pass
    assert [s.name for s in (first, inner, second)] == ["net/dense", "net/dense_1", "net/dense_1"]


def test_the_empty_name() -> None:
    with tf.variable_scope("") as scope:
        assert (scope.name, _get().name, _op()) == ("", "v:0", "op")
    with tf.variable_scope("a"), tf.variable_scope("") as scope:
        assert scope.name == "a/" and _get().name == "a//v:0"


def test_the_root_scope_by_its_object() -> None:
    with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE) as scope:
        assert scope.name == "" and _get().name == "v:0" and _op() == "op"
        assert _get() is _get()
    assert tf.get_variable_scope().reuse is False


def test_a_scope_is_left_when_an_error_passes() -> None:
    with pytest.raises(RuntimeError), tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        raise RuntimeError
    assert tf.get_variable_scope().name == "" and tf.get_variable_scope().reuse is False


def test_a_scope_entered_by_hand_stays_open() -> None:
    tf.variable_scope("a", reuse=tf.AUTO_REUSE).__enter__()
    assert _get().name == "a/v:0" and _get() is _get()
    assert tf.get_variable_scope().name == "a"


def test_scopes_belong_to_graphs() -> None:
    with tf.variable_scope("a"), tf.Graph().as_default():
        assert tf.get_variable_scope().name == ""
        assert _get().name == "v:0"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((None,), TypeError, "If default_name is None then name_or_scope is required"),
        ((3,), TypeError, "name_or_scope must be a string or VariableScope"),
    ],
)
def test_wrong_scopes(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text), tf.variable_scope(*arguments):
        pass


def test_reuse_of_an_unnamed_scope() -> None:
    with pytest.raises(ValueError, match="reuse=True cannot be used without a name_or_scope"):  # noqa: SIM117
        with tf.variable_scope(None, "a", reuse=True):
            pass
    with pytest.raises(ValueError, match="reuse parameter must be True or False or None"):  # noqa: SIM117
        with tf.variable_scope("a", reuse="yes"):
            pass


# --- reuse ------------------------------------------------------------------------------------------------------------


def test_without_reuse_a_name_is_given_once() -> None:
    with tf.variable_scope("a"):
        _get()
        with pytest.raises(ValueError) as caught:
            _get()
    assert str(caught.value).startswith(
        "Variable a/v already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in VarScope?"
    )


def test_with_reuse_it_must_be_there() -> None:
    with tf.variable_scope("a"):
        v = _get()
    with tf.variable_scope("a", reuse=True):
        assert _get() is v
        with pytest.raises(ValueError) as caught:
            _get("w")
    assert str(caught.value) == (
        "Variable a/w does not exist, or was not created with tf.get_variable(). "
        "Did you mean to set reuse=tf.AUTO_REUSE in VarScope?"
    )


def test_a_plain_variable_is_not_found() -> None:
    tf.Variable(0.0, name="v")
    root = tf.get_variable_scope()
    with tf.variable_scope(root, reuse=True), pytest.raises(ValueError, match="was not created with"):
        tf.get_variable("v", [])
    assert tf.get_variable("v", []).name == "v_1:0"


def test_auto_reuse() -> None:
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE) as scope:
        assert scope.reuse is tf.AUTO_REUSE
        v = _get()
        assert _get() is v
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        assert _get() is v
    with tf.variable_scope("a"), pytest.raises(ValueError, match="already exists"):
        _get()


def test_reuse_is_inherited_and_not_taken_back() -> None:
    with tf.variable_scope("a"), tf.variable_scope("b"):
        v = _get()
    with tf.variable_scope("a", reuse=True) as outer:
        assert outer.reuse is True
        with tf.variable_scope("b") as inner:
            assert inner.reuse is True and _get() is v
        with tf.variable_scope("b", reuse=False) as inner:
            assert inner.reuse is True
        with tf.variable_scope("b", reuse=None) as inner:
            assert inner.reuse is True
    assert tf.get_variable_scope().reuse is False


def test_reuse_variables() -> None:
    with tf.variable_scope("a") as scope:
        v = _get()
        scope.reuse_variables()
        assert _get() is v
        with tf.variable_scope("b") as inner:
            assert inner.reuse is True
    with tf.variable_scope(scope) as again:
        assert again.reuse is True and _get() is v
    with tf.variable_scope("a") as fresh:
        assert fresh.reuse is False
    tf.get_variable_scope().reuse_variables()
    with pytest.raises(ValueError, match="does not exist"):
        _get("x")


def test_what_is_shared_must_fit() -> None:
    v = tf.get_variable("v", [2, 3])
    with tf.variable_scope("", reuse=True):
        assert tf.get_variable("v") is v
        assert tf.get_variable("v", [None, 3]) is v
        with pytest.raises(ValueError) as caught:
            tf.get_variable("v", [3, 2])
        assert "Trying to share variable v, but specified shape (3, 2) and found shape (2, 3)." in str(caught.value)
        with pytest.raises(ValueError) as caught:
            tf.get_variable("v", [2, 3], tf.int32)
        assert "Trying to share variable v, but specified dtype int32 and found dtype float32" in str(caught.value)


# --- defaults of scopes -----------------------------------------------------------------------------------------------


def test_the_initializer_of_a_scope(session: Any) -> None:
    with tf.variable_scope("a", initializer=tf.constant_initializer(3.0)) as a:
        inherited, own = _get("x"), _get("y", initializer=tf.zeros_initializer())
        with tf.variable_scope("b", initializer=tf.ones_initializer()):
            inner = _get()
        with tf.variable_scope("c"):
            passed_on = _get()
        a.set_initializer(tf.constant_initializer(9.0))
        changed = _get("z")
    session.run(tf.global_variables_initializer())
    values = [v[0] for v in session.run([inherited, own, inner, passed_on, changed])]
    assert values == [3.0, 0.0, 1.0, 3.0, 9.0]


def test_the_dtype_of_a_scope() -> None:
    with tf.variable_scope("a", dtype=tf.float64):
        assert _get("x").dtype.base_dtype == tf.float64
        assert _get("y", dtype=tf.float16).dtype.base_dtype == tf.float16
        with tf.variable_scope("b"):
            assert _get().dtype.base_dtype == tf.float64


def test_the_regularizer_of_a_scope(session: Any) -> None:
    def half(w: Any) -> Any:
        return tf.reduce_sum(w) * 0.5

    with tf.variable_scope("a", regularizer=half, initializer=tf.ones_initializer()):
        first = _get("x")
        _get("y", regularizer=lambda w: None)
    with tf.variable_scope("a", reuse=True):
        assert _get("x") is first
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert [loss.op.name.startswith("a/x/Regularizer/") for loss in losses] == [True]
    session.run(tf.global_variables_initializer())
    assert session.run(losses) == [0.5]


def test_collections_below_a_scope() -> None:
    with tf.variable_scope("a") as a:
        x, y = _get("x"), _get("y", trainable=False)
    _get("ab")
    assert a.trainable_variables() == [x] and a.global_variables() == [x, y]
    assert a.get_collection(tf.GraphKeys.GLOBAL_VARIABLES) == [x, y]


# --- custom getters ---------------------------------------------------------------------------------------------------


def test_custom_getters_are_called_from_the_inside_out() -> None:
    calls = []

    def named(label: str) -> Any:
        def getter(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            calls.append((label, name))
            return getter(f"{name}_{label}", *args, **kwargs)

        return getter

    with tf.variable_scope("s", custom_getter=named("a")), tf.variable_scope("t", custom_getter=named("b")):
        v = tf.get_variable("v", [1])
        assert [label for label, _ in calls] == ["b", "a"]
        # one given to get_variable stands in place of the scopes'
        w = tf.get_variable("v", [1], custom_getter=named("c"))
    assert [label for label, _ in calls] == ["b", "a", "c"]
    assert (v.name, w.name) == ("s/t/v_b_a:0", "s/t/v_c:0")


def test_a_custom_getter_may_return_something_else(session: Any) -> None:
    def doubling(getter: Any, *args: Any, **kwargs: Any) -> Any:
        return getter(*args, **kwargs) * 2.0

    with tf.variable_scope("s", custom_getter=doubling, initializer=tf.ones_initializer()):
        doubled = _get()
    assert isinstance(doubled, tf.Tensor)
    session.run(tf.global_variables_initializer())
    np.testing.assert_array_equal(session.run(doubled), [2])


def test_a_custom_getter_sees_what_was_asked_for() -> None:
    seen: dict[str, Any] = {}

    def getter(getter: Any, name: str, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        seen.update(kwargs, name=name, shape=shape, dtype=dtype)
        return getter(name, shape, dtype, **kwargs)

    with tf.variable_scope("s", custom_getter=getter):
        tf.get_variable("v", shape=[2], trainable=False)
    assert (seen["name"], list(seen["shape"]), seen["dtype"], seen["trainable"]) == ("s/v", [2], tf.float32, False)
    assert tf.trainable_variables() == []


# --- get_variable -----------------------------------------------------------------------------------------------------


def test_default_initial_values(session: Any) -> None:
    w = tf.get_variable("w", [100, 50])
    n = tf.get_variable("n", [2], tf.int32)
    b = tf.get_variable("b", [2], tf.bool)
    assert w.initializer.inputs[-1].op.name.startswith("w/Initializer/random_uniform")
    session.run(tf.global_variables_initializer())
    values, counts, flags = session.run([w, n, b])
    limit = np.sqrt(6.0 / 150.0)
    assert np.abs(values).max() <= limit and values.std() == pytest.approx(limit / np.sqrt(3.0), rel=0.05)
    np.testing.assert_array_equal(counts, [0, 0])
    np.testing.assert_array_equal(flags, [False, False])


def test_initializers_of_every_kind(session: Any) -> None:
    a = tf.get_variable("a", initializer=3.0)
    b = tf.get_variable("b", initializer=np.array([1, 2], np.int64))
    c = tf.get_variable("c", initializer=tf.constant([1.0, 2.0]) * 2.0)
    d = tf.get_variable("d", [2], initializer=tf.zeros_initializer)
    e = tf.get_variable("e", [2], initializer=lambda shape, dtype=None, partition_info=None: tf.fill(shape, 5.0))
    f = tf.get_variable("f", initializer=lambda: tf.ones([2, 2]))
    g = tf.get_variable("g", shape=2, initializer=tf.constant_initializer([7.0, 8.0]))
    h = tf.get_variable("h", shape=tf.TensorShape([]), initializer=tf.constant_initializer(1.5))
    session.run(tf.global_variables_initializer())
    assert [v.shape.as_list() for v in (a, b, c, d, e, f, g, h)] == [[], [2], [2], [2], [2], [2, 2], [2], []]
    assert [v.dtype.base_dtype.name for v in (a, b, c, f)] == ["float32", "int64", "float32", "float32"]
    values = session.run([a, b, c, d, e, f, g, h])
    for value, expected in zip(values, (3, [1, 2], [2, 4], [0, 0], [5, 5], np.ones([2, 2]), [7, 8], 1.5), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_constant_knows_its_own_shape_and_dtype() -> None:
    with pytest.raises(ValueError, match="If initializer is a constant, do not specify shape"):
        tf.get_variable("a", [1], initializer=tf.constant([1.0]))
    with pytest.raises(ValueError, match=r"Initializer type '.*float32.*' and explicit dtype '.*float64"):
        tf.get_variable("b", initializer=1.0, dtype=tf.float64)
    with tf.variable_scope("s", dtype=tf.float64):
        assert tf.get_variable("c", initializer=1.0).dtype.base_dtype == tf.float32


def test_a_new_variable_needs_a_shape() -> None:
    for shape in (None, [None, 3]):
        with pytest.raises(ValueError):
            tf.get_variable("a", shape)
    assert tf.global_variables() == []


def test_variables_made_inside_control_flow_are_ordinary_ones(session: Any) -> None:
    def step(i: Any, x: Any) -> Any:
        return i + 1, x * tf.get_variable("w", [], initializer=tf.constant_initializer(2.0))

    with tf.control_dependencies([tf.constant(1.0)]):
        _, result = tf.while_loop(lambda i, x: i < 3, step, [0, 1.0])
    (w,) = tf.global_variables()
    assert w.name == "w:0" and w.initializer.control_inputs == []
    session.run(tf.global_variables_initializer())
    assert session.run(result) == 8.0
    session.run(w.assign(3.0))
    assert session.run(result) == 27.0
