"""``arg_scope``: default keyword arguments for functions, inside a ``with`` block.

    with arg_scope([conv2d, fully_connected], activation_fn=tf.nn.relu):
        net = conv2d(x, 64, 3)                      # with activation_fn=tf.nn.relu

Functions take part when they are decorated with :func:`add_arg_scope`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = [
    "add_arg_scope",
    "arg_scope",
    "arg_scope_func_key",
    "arg_scoped_arguments",
    "current_arg_scope",
    "has_arg_scope",
]

Scope = dict[str, dict[str, Any]]


class _Stack(threading.local):
    def __init__(self) -> None:
        self.scopes: list[Scope] = [{}]


_STACK = _Stack()
_ARGUMENTS: dict[str, tuple[str, ...]] = {}


def current_arg_scope() -> Scope:
    """The defaults in force: keyword arguments by function."""
    return _STACK.scopes[-1]


def arg_scope_func_key(op: Callable[..., Any]) -> str:
    """The name under which the defaults of a function are kept."""
    return getattr(op, "_key_op", str(op))


def has_arg_scope(func: Callable[..., Any]) -> bool:
    """Whether the function takes part."""
    return arg_scope_func_key(func) in _ARGUMENTS


def arg_scoped_arguments(func: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments of the function for which defaults can be given."""
    if not has_arg_scope(func):
        raise ValueError(f"{func!r} is not decorated with @add_arg_scope")
    return _ARGUMENTS[arg_scope_func_key(func)]


def add_arg_scope(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: let :func:`arg_scope` give defaults to the function."""
    key = f"{func.__module__}.{func.__qualname__}"

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **{**current_arg_scope().get(key, {}), **kwargs})

    wrapped._key_op = key  # type: ignore[attr-defined]
    _ARGUMENTS[key] = tuple(inspect.signature(func).parameters)
    return wrapped


@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[Scope]:
    """Give defaults to functions.

    Args:
        list_ops_or_scope: functions decorated with :func:`add_arg_scope`; or what another ``with arg_scope(...)`` gave,
            to have its defaults again.
        kwargs: the defaults.

    Raises:
        TypeError: neither a list nor such a scope.
        ValueError: a function that takes no part, or defaults together with a scope.
    """
    if isinstance(list_ops_or_scope, dict):
        if kwargs:
            raise ValueError("When attempting to re-use a scope by suppling a dictionary, kwargs must be empty.")
        scope = dict(list_ops_or_scope)
    elif isinstance(list_ops_or_scope, (list, tuple)):
        scope = dict(current_arg_scope())
        for op in list_ops_or_scope:
            if not has_arg_scope(op):
                raise ValueError(f"{arg_scope_func_key(op)} is not decorated with @add_arg_scope")
            key = arg_scope_func_key(op)
            scope[key] = {**scope.get(key, {}), **kwargs}
    else:
        raise TypeError("list_ops_or_scope must either be a list/tuple or reused scope (i.e. dict)")
    _STACK.scopes.append(scope)
    try:
        yield scope
    finally:
        _STACK.scopes.pop()
