"""``tf.contrib.framework``: finding variables by name, making them, argument scopes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dynrnn.tf1.contrib import framework
from dynrnn.tf1.core.graph import Graph, get_default_graph, name_scope
from dynrnn.tf1.core.variable_scope import get_variable, variable_scope
from dynrnn.tf1.core.variables import GraphKeys, Variable, global_variables, local_variables, trainable_variables


@pytest.fixture(autouse=True)
def _graph() -> Iterator[Any]:
    with Graph().as_default() as graph:
        yield graph


def _names(variables: Any) -> list[str]:
    return [v.op.name for v in variables]


def _make() -> None:
    for scope in ("a", "b", "ab"):
        with variable_scope(scope):
            for name in ("w", "bias", "w_2"):
                get_variable(name, [1], trainable=name != "bias")
    get_variable("w", [1])


def test_variables_by_scope_and_suffix() -> None:
    _make()
    assert _names(framework.get_variables("a/")) == ["a/w", "a/bias", "a/w_2"]
    assert _names(framework.get_variables("a")) == ["a/w", "a/bias", "a/w_2", "ab/w", "ab/bias", "ab/w_2"]
    assert _names(framework.get_variables(suffix="bias")) == ["a/bias", "b/bias", "ab/bias"]
    assert _names(framework.get_variables("b/", "w")) == ["b/w"]
    with variable_scope("b") as scope:
        assert _names(framework.get_variables(scope)) == ["b/w", "b/bias", "b/w_2"]
    assert len(framework.get_variables()) == 10
    assert _names(framework.get_trainable_variables("a/")) == ["a/w", "a/w_2"]


def test_variables_by_name() -> None:
    _make()
    assert _names(framework.get_variables_by_suffix("bias", "b/")) == ["b/bias"]
    assert _names(framework.get_variables_by_name("w_2")) == ["a/w_2", "b/w_2", "ab/w_2"]
    assert framework.get_unique_variable("b/w").op.name == "b/w"
    assert framework.get_unique_variable("w").op.name == "w"
    with pytest.raises(ValueError, match="Couldn't find variable b/v"):
        framework.get_unique_variable("b/v")


def test_variables_to_restore() -> None:
    _make()
    assert _names(framework.get_variables_to_restore(["a/"], ["a/bias"])) == ["a/w", "a/w_2"]
    assert _names(framework.get_variables_to_restore(exclude=["a", "b"])) == ["w"]
    with pytest.raises(TypeError, match="include must be a list of scope names, got 'a'"):
        framework.get_variables_to_restore(include="a")


def test_filtered_variables() -> None:
    _make()
    kept = framework.filter_variables(global_variables(), ["/w"], ["_2"])
    assert _names(kept) == ["a/w", "b/w", "ab/w"]
    assert _names(framework.filter_variables(kept, ["b"], reg_search=False)) == ["b/w"]


def test_collections_of_made_variables() -> None:
    model = framework.model_variable("m", [2])
    plain = framework.variable("p", [2], trainable=False)
    local = framework.local_variable(1.0, name="l")
    framework.add_model_variable(plain)
    framework.add_model_variable(plain)
    assert global_variables() == [model, plain]
    assert framework.get_model_variables() == [model, plain]
    assert trainable_variables() == [model]
    assert local_variables() == framework.get_local_variables() == [local]
    own = framework.variable("o", [2], collections=["mine"], trainable=False)
    assert get_default_graph().get_collection("mine") == [own]
    assert own not in global_variables()


def test_argument_scopes_give_defaults_to_variables() -> None:
    with framework.arg_scope([framework.variable], trainable=False, collections=[GraphKeys.LOCAL_VARIABLES]):
        made = framework.variable("v", [1])
        overridden = framework.variable("u", [1], trainable=True)
    assert not made.trainable
    assert overridden.trainable
    assert local_variables() == [made, overridden]
    assert framework.variable("t", [1]).trainable


@framework.add_arg_scope
def _called(a: int, b: int = 0, *, c: int = 0) -> tuple[int, int, int]:
    return a, b, c


@framework.add_arg_scope
def _other(b: int = 0) -> int:
    return b


def test_argument_scopes_nest_and_end() -> None:
    with framework.arg_scope([_called, _other], b=1):
        assert (_called(0), _other()) == ((0, 1, 0), 1)
        with framework.arg_scope([_called], b=2, c=3) as inner:
            assert (_called(0), _called(0, c=4), _other()) == ((0, 2, 3), (0, 2, 4), 1)
        assert _called(0) == (0, 1, 0)
        with framework.arg_scope([_called], c=5):
            assert _called(0) == (0, 1, 5)
    assert (_called(0), _other()) == ((0, 0, 0), 0)
    with framework.arg_scope(inner):
        assert (_called(0), _other()) == ((0, 2, 3), 1)
    with pytest.raises(RuntimeError, match="inside"), framework.arg_scope([_called], b=9):
        raise RuntimeError("inside")
    assert _called(0) == (0, 0, 0)


def test_what_takes_part_in_argument_scopes() -> None:
    assert framework.has_arg_scope(_called)
    assert framework.arg_scoped_arguments(_called) == ("a", "b", "c")
    assert not framework.has_arg_scope(len)
    with pytest.raises(ValueError, match="is not decorated with @add_arg_scope"), framework.arg_scope([len], b=1):
        pass
    with (
        pytest.raises(TypeError, match="must either be a list/tuple or reused scope"),
        framework.arg_scope(_called, b=1),
    ):
        pass
    with pytest.raises(ValueError, match="kwargs must be empty"), framework.arg_scope({}, b=1):
        pass


def test_names_of_the_namespace() -> None:
    assert framework.nest.flatten([1, (2, 3)]) == [1, 2, 3]
    assert framework.get_or_create_global_step() is framework.get_global_step()
    assert framework.is_tensor(Variable(1.0))
    assert not framework.is_tensor(1.0)
    with name_scope("x"):
        assert framework.get_name_scope() == "x"
    with pytest.raises(AttributeError, match=r"tf.contrib.framework.get_variable is not .*get_variables"):
        _ = framework.get_variable
