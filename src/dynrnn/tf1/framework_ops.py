"""``tf.*``: the default graph's own functions - devices, dependencies, collections - as functions of the namespace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.tensor import Tensor

__all__ = [
    "add_to_collection",
    "add_to_collections",
    "colocate_with",
    "container",
    "control_dependencies",
    "device",
    "disable_eager_execution",
    "disable_v2_behavior",
    "executing_eagerly",
    "get_collection",
    "get_collection_ref",
    "is_tensor",
    "op_scope",
]


def device(device_name_or_function: Any) -> Any:
    """``with tf.device(name):`` records the device on the operations made inside; everything runs on the CPU."""
    return get_default_graph().device(device_name_or_function)


def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """TensorFlow's placement hint; it has no effect here."""
    return get_default_graph().colocate_with(op, ignore_existing)


@contextlib.contextmanager
def container(container_name: str) -> Iterator[str]:
    """TensorFlow's containers of stateful resources; a session holds all of its own, so they have no effect here."""
    yield container_name


def control_dependencies(control_inputs: Any) -> Any:
    """``with tf.control_dependencies([...]):`` operations made inside run after these; None drops all dependencies."""
    return get_default_graph().control_dependencies(control_inputs)


def add_to_collection(name: Any, value: Any) -> None:
    """Append ``value`` to the default graph's collection ``name``."""
    get_default_graph().add_to_collection(name, value)


def add_to_collections(names: Any, value: Any) -> None:
    """Append ``value`` to each of the default graph's collections ``names``."""
    get_default_graph().add_to_collections(names, value)


def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """A copy of the default graph's collection; with ``scope`` only what has a name that the expression matches."""
    return get_default_graph().get_collection(key, scope)


def get_collection_ref(key: Any) -> list[Any]:
    """The default graph's collection itself: changing the list changes the collection."""
    return get_default_graph().get_collection_ref(key)


def disable_eager_execution() -> None:
    """Nothing to do: there are graphs only."""


def disable_v2_behavior() -> None:
    """Nothing to do: version 1 is all there is."""


def executing_eagerly() -> bool:
    """False: there are graphs only."""
    return False


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor, or a variable, of a graph."""
    return isinstance(x, Tensor) or hasattr(x, "_as_graph_element")


@contextlib.contextmanager
def op_scope(values: Any, name: str | None, default_name: str | None = None) -> Iterator[str]:
    """The older spelling of ``name_scope``."""
    with name_scope(name, default_name, values) as scope:
        yield scope
