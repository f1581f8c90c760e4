"""The graph: names, name scopes, look-up by name, collections, several graphs, control dependencies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with tf.Graph().as_default() as graph:
        yield graph


def _const(name: str | None = None) -> Any:
    return tf.constant(1.0, name=name) if name else tf.constant(1.0)


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_get_numbers_when_taken() -> None:
    assert [_const().op.name for _ in range(3)] == ["Const", "Const_1", "Const_2"]
    assert [_const("a").name for _ in range(3)] == ["a:0", "a_1:0", "a_2:0"]


def test_a_name_that_ends_like_a_number_is_skipped_by_the_numbering() -> None:
    assert [_const(n).op.name for n in ("a", "a_1", "a", "a", "a_1")] == ["a", "a_1", "a_2", "a_3", "a_1_1"]


def test_letter_case_does_not_distinguish_names() -> None:
    assert [_const(n).op.name for n in ("abc", "ABC", "Abc", "abc_1")] == ["abc", "ABC_1", "Abc_2", "abc_1_1"]


def test_scopes_differing_in_case_get_numbers_too() -> None:
    with tf.name_scope("Layer"):
        first = _const("w")
    with tf.name_scope("layer"):
        second = _const("w")
    assert (first.op.name, second.op.name) == ("Layer/w", "layer_1/w")


def test_operations_and_scopes_share_names() -> None:
    assert _const("a").op.name == "a"
    with tf.name_scope("a") as scope:
        assert scope == "a_1/"
    with tf.name_scope("b"):
        pass
    assert _const("b").op.name == "b_1"


def test_a_name_with_slashes_marks_only_itself_and_its_parents_are_free() -> None:
    assert _const("x/y").op.name == "x/y"
    assert _const("x/y").op.name == "x/y_1"


def test_unique_name_of_the_graph() -> None:
    graph = tf.get_default_graph()
    assert graph.unique_name("n") == "n"
    assert graph.unique_name("n", mark_as_used=False) == "n_1"
    assert graph.unique_name("n") == "n_1"
    with tf.name_scope("s"):
        assert graph.unique_name("n") == "s/n"


@pytest.mark.parametrize("name", ["_hidden", "a b", "-a", "/a", "a:0", "é"])
def test_names_that_are_not_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="not a valid"):
        tf.placeholder(tf.float32, name=name)
    if name != "a:0":
        with pytest.raises(ValueError, match="not a valid root scope name"), tf.name_scope(name):
            pass


def test_inside_a_scope_a_name_may_begin_with_an_underscore() -> None:
    with tf.name_scope("s"):
        assert tf.placeholder(tf.float32, name="_x").op.name == "s/_x"
        with pytest.raises(ValueError, match="not a valid"):
            tf.placeholder(tf.float32, name="a b")


def test_constants_made_of_arguments_are_named_by_the_operation_that_takes_them() -> None:
    x = tf.placeholder(tf.float32, [2, 2], name="x")
    _ = x + 1.0, 2.0 * x, tf.multiply(x, 3.0, name="m"), tf.reshape(x, [-1]), tf.tile(x, [1, 2], name="t")
    names = [op.name for op in tf.get_default_graph().get_operations()]
    assert names == [
        *["x", "add/y", "add", "mul/x", "mul", "m/y", "m", "Reshape/shape", "Reshape", "t/multiples", "t"],
    ]
    # names that the program did not give are free
    assert _const("shape").op.name == "shape"
    assert _const().op.name == "Const"


# --- name scopes ------------------------------------------------------------------------------------------------------


def test_name_scopes_nest() -> None:
    with tf.name_scope("a") as outer:
        with tf.name_scope("b") as inner:
            assert (outer, inner) == ("a/", "a/b/")
            assert _const("x").op.name == "a/b/x"
        with tf.name_scope("b") as again:
            assert again == "a/b_1/"
        assert tf.get_default_graph().get_name_scope() == "a"
    assert tf.get_default_graph().get_name_scope() == ""


def test_a_scope_with_a_slash_is_entered_again() -> None:
    with tf.name_scope("a") as scope:
        assert _const("x").op.name == "a/x"
    with tf.name_scope("elsewhere"), tf.name_scope(scope) as again:
        assert again == "a/"
        assert _const("x").op.name == "a/x_1"


@pytest.mark.parametrize("top", [None, ""])
def test_none_and_the_empty_name_go_to_the_top(top: Any) -> None:
    with tf.name_scope("a"), tf.get_default_graph().name_scope(top) as scope:
        assert scope == ""
        assert _const("x").op.name == "x"


def test_the_scope_given_as_a_name_names_the_operation_itself() -> None:
    with tf.name_scope("both") as scope:
        inner = _const("inner")
        result = tf.identity(inner, name=scope)
    assert (inner.op.name, result.op.name) == ("both/inner", "both")
    with pytest.raises(ValueError, match="both"):
        tf.identity(inner, name=scope)


def test_default_name_is_used_without_a_name() -> None:
    with tf.name_scope(None, "fallback", []) as scope:
        assert scope == "fallback/"
    with tf.name_scope("given", "fallback") as scope:
        assert scope == "given/"
    with tf.name_scope(None, "fallback") as scope:
        assert scope == "fallback_1/"


def test_name_scope_wants_a_string() -> None:
    with pytest.raises(TypeError, match="string"), tf.name_scope(3):
        pass


def test_name_scope_without_any_name_but_with_values() -> None:
    with pytest.raises(ValueError, match="At least one of name"), tf.name_scope(None, values=[_const()]):
        pass


def test_the_values_of_a_name_scope_choose_the_graph() -> None:
    other = tf.Graph()
    with other.as_default():
        there = _const("there")
    with tf.name_scope("s", values=[there]):
        assert tf.get_default_graph() is other
        assert _const("x").graph is other
    assert tf.get_default_graph() is not other


def test_a_scope_is_left_when_an_error_passes() -> None:
    with pytest.raises(RuntimeError), tf.name_scope("a"):
        raise RuntimeError
    assert _const("x").op.name == "x"


# --- look-up ----------------------------------------------------------------------------------------------------------


def test_tensors_and_operations_by_name() -> None:
    graph = tf.get_default_graph()
    a = _const("a")
    first, second = tf.split(tf.constant([1.0, 2.0]), 2, name="s")
    assert graph.get_tensor_by_name("a:0") is a
    assert graph.get_tensor_by_name("s:1") is second and graph.get_tensor_by_name("s:0") is first
    assert graph.get_operation_by_name("a") is a.op
    assert graph.as_graph_element("a") is a.op
    assert graph.as_graph_element("a:0") is a
    assert graph.as_graph_element(a) is a
    assert graph.as_graph_element(a.op) is a.op


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("nope:0", KeyError, "The name 'nope:0' refers to a Tensor which does not exist"),
        ("a:1", KeyError, "exists but only has 1 outputs"),
        ("a:x", ValueError, "looks a like a Tensor name"),
        ("a:0:0", ValueError, "looks a like a Tensor name"),
        ("a", ValueError, "refers to an Operation, not a Tensor"),
        ("nope", ValueError, "looks like an (invalid) Operation name, not a Tensor"),
        (3, TypeError, "Tensor names are strings"),
    ],
)
def test_wrong_tensor_names(name: Any, error: type[Exception], text: str) -> None:
    _const("a")
    with pytest.raises(error) as caught:
        tf.get_default_graph().get_tensor_by_name(name)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("nope", KeyError, "The name 'nope' refers to an Operation not in the graph."),
        ("a:0", ValueError, "appears to refer to a Tensor, not a Operation"),
        (3, TypeError, "Operation names are strings"),
    ],
)
def test_wrong_operation_names(name: Any, error: type[Exception], text: str) -> None:
    _const("a")
    with pytest.raises(error) as caught:
        tf.get_default_graph().get_operation_by_name(name)
    assert text in str(caught.value)


def test_what_is_no_graph_element() -> None:
    with pytest.raises(TypeError, match="Can not convert a int into a Tensor or Operation"):
        tf.get_default_graph().as_graph_element(3)
    with pytest.raises(TypeError, match="into a Tensor"):
        tf.get_default_graph().as_graph_element(_const().op, allow_operation=False)


def test_an_operation_knows_its_surroundings() -> None:
    a, b, d = _const("a"), _const("b"), _const("d")
    # what is an input needs no control input
    with tf.control_dependencies([a, d]):
        c = tf.maximum(a, b, name="c")
    op = c.op
    assert op.type == "Maximum"
    assert list(op.inputs) == [a, b]
    assert op.control_inputs == [d.op]
    assert op.outputs == [c] and op.values() == (c,)
    assert op.graph is tf.get_default_graph()
    assert c.value_index == 0
    assert c.consumers() == [] and b.consumers() == [op]
    assert op.get_attr("T") == tf.float32
    with pytest.raises(ValueError, match=r"No attr|no attr"):
        op.get_attr("nonsense")


def test_reprs() -> None:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    assert str(x) == 'Tensor("x:0", shape=(?, 3), dtype=float32)'
    assert repr(x) == "<tf.Tensor 'x:0' shape=(?, 3) dtype=float32>"
    assert repr(x.op) == "<tf.Operation 'x' type=Placeholder>"
    unknown = tf.placeholder(tf.int64, name="u")
    assert str(unknown) == 'Tensor("u:0", dtype=int64)'
    assert repr(unknown) == "<tf.Tensor 'u:0' shape=<unknown> dtype=int64>"
    assert str(tf.constant([1, 2], name="v")) == 'Tensor("v:0", shape=(2,), dtype=int32)'
    assert str(tf.constant(True, name="s")) == 'Tensor("s:0", shape=(), dtype=bool)'


def test_a_tensor_is_no_bool_no_sequence_and_no_number() -> None:
    x = tf.constant([1.0, 2.0])
    with pytest.raises(TypeError, match="as a Python `bool`"):
        bool(x)
    with pytest.raises(TypeError, match=r"[Ii]terat"):
        list(x)
    with pytest.raises(TypeError):
        len(x)
    with pytest.raises(TypeError):
        float(x)
    with pytest.raises(TypeError):
        int(x)


def test_tensors_are_compared_by_identity() -> None:
    x, y = _const(), _const()
    assert x == x and x != y
    assert x in [y, x] and len({x, y, x}) == 2


def test_get_operations_in_order_of_creation() -> None:
    names = ["a", "b", "c"]
    for name in names:
        _const(name)
    assert [op.name for op in tf.get_default_graph().get_operations()] == names


def test_a_finalized_graph_takes_no_operation() -> None:
    graph = tf.get_default_graph()
    assert not graph.finalized
    x = _const()
    graph.finalize()
    assert graph.finalized
    with pytest.raises(RuntimeError, match=r"Graph is finalized and cannot be modified\."):
        _const()
    with tf.Session() as session:
        assert session.run(x) == 1.0


# --- several graphs ---------------------------------------------------------------------------------------------------


def test_graphs_are_separate() -> None:
    first, second = tf.Graph(), tf.Graph()
    with first.as_default():
        a = _const("x")
    with second.as_default():
        b = _const("x")
    assert (a.name, b.name) == ("x:0", "x:0")
    assert a.graph is first and b.graph is second
    assert first.get_tensor_by_name("x:0") is a
    with pytest.raises(ValueError, match="not an element of this graph"):
        first.as_graph_element(b)


def test_default_graphs_nest_also_when_one_stands_twice_on_the_stack() -> None:
    first, second = tf.Graph(), tf.Graph()
    with first.as_default():
        with second.as_default():
            with first.as_default():
                assert tf.get_default_graph() is first
            assert tf.get_default_graph() is second
        assert tf.get_default_graph() is first


def test_graphs_do_not_mix() -> None:
    with tf.Graph().as_default():
        foreign = _const("foreign")
    with pytest.raises(ValueError, match="must be from the same graph"):
        tf.add(_const("mine"), foreign)


def test_an_operation_lands_in_the_graph_of_its_inputs() -> None:
    other = tf.Graph()
    with other.as_default():
        x, w = tf.constant([1.0, 2.0]), tf.Variable([1.0, 2.0])
    for result in (
        tf.nn.relu(x),
        x * 2.0,
        2.0 * x,
        np.array([1, 1], np.float32) + x,
        tf.reshape(x, [1, -1]),
        w * 2.0,
        x[0],
    ):
        assert result.graph is other
    assert tf.get_default_graph().get_operations() == []


def test_reset_default_graph_is_refused_inside_as_default() -> None:
    with pytest.raises(AssertionError, match="nested graphs"):
        tf.reset_default_graph()


def test_the_default_graph_belongs_to_the_thread() -> None:
    here = tf.get_default_graph()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(tf.get_default_graph()))
    thread.start()
    thread.join()
    assert seen[0] is not here


# --- collections ------------------------------------------------------------------------------------------------------


def test_collections() -> None:
    graph = tf.get_default_graph()
    tf.add_to_collection("c", 1)
    graph.add_to_collections(["c", "d", "c"], 2)
    graph.add_to_collections("word", 3)
    assert tf.get_collection("c") == [1, 2]
    assert tf.get_collection("d") == [2]
    assert tf.get_collection("word") == [3]
    assert tf.get_collection("none") == []
    tf.get_collection("c").append("copy")
    assert tf.get_collection("c") == [1, 2]
    tf.get_collection_ref("c").append(9)
    assert tf.get_collection("c") == [1, 2, 9]
    assert set(graph.get_all_collection_keys()) >= {"c", "d", "word"}
    graph.clear_collection("c")
    assert tf.get_collection("c") == []


def test_the_scope_of_get_collection_is_a_regular_expression_from_the_start() -> None:
    for name in ("ab/x", "a/x", "b/a/x"):
        tf.add_to_collection("c", _const(name))
    tf.add_to_collection("c", "nameless")

    def names(scope: str) -> list[str]:
        return [t.op.name for t in tf.get_collection("c", scope)]

    assert names("a/") == ["a/x"]
    assert names("a") == ["ab/x", "a/x"]
    assert names("a.?/x") == ["ab/x", "a/x"]
    assert names(".*a/") == ["a/x", "b/a/x"]
    assert names("z") == []


# --- control dependencies ---------------------------------------------------------------------------------------------


def test_control_dependencies_add_up_and_none_clears_them() -> None:
    a, b = _const("a"), _const("b")
    with tf.control_dependencies([a]):
        one = _const("one")
        with tf.control_dependencies([b.op, "a"]):
            two = _const("two")
            with tf.control_dependencies(None):
                none = _const("none")
                with tf.control_dependencies([b]):
                    only = _const("only")
            again = _const("again")
    assert one.op.control_inputs == [a.op]
    assert set(two.op.control_inputs) == {a.op, b.op} == set(again.op.control_inputs)
    assert none.op.control_inputs == []
    assert only.op.control_inputs == [b.op]
    assert _const("after").op.control_inputs == []


def test_control_dependencies_of_something_else() -> None:
    with pytest.raises(TypeError, match="Can not convert"), tf.control_dependencies([3]):
        pass


def test_control_dependencies_may_be_variables() -> None:
    w = tf.Variable(1.0, name="w")
    with tf.control_dependencies([w]):
        x = _const()
    assert x.op.control_inputs == [w.op]


# --- devices ----------------------------------------------------------------------------------------------------------


def test_devices_are_recorded() -> None:
    with tf.device("/cpu:0"):
        x = _const("x")
        with tf.device(None):
            y = _const("y")
    assert x.device == "/device:CPU:0"
    assert str(x) == 'Tensor("x:0", shape=(), dtype=float32, device=/device:CPU:0)'
    assert y.device == ""
    with tf.device("/device:GPU:1"):
        assert _const().device == "/device:GPU:1"
    with tf.device(lambda op: "/cpu:0"):
        _const()
