"""What a step depends on besides its arguments: the tensors it can reach, and a key that changes when it would trace
differently.

A traced step is kept and used again. That is right as long as nothing the step looks at has changed, except the values
of tensors. So before every call the step and its parameters are walked: modules with their attributes, functions with
their closures, defaults and globals, containers, plain objects. Tensors are collected in the order of the walk, with
only their kind in the key; numbers, strings and the like enter the key by value; everything else by identity, and an
object in a key is kept alive by it. An object with the attributes ``trace_key`` (a tuple of objects and numbers) and
``trace_reach`` (a nest of tensors, generators and numbers) is taken for what they say.

What it is honestly not good at: an object of a C extension that changes inside is taken for the same.
"""

from __future__ import annotations

import collections
import functools
import types
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from dynrnn.engine.refusal import Refusal

__all__ = ["Inventory"]

_MOST = 20_000
_MOST_BYTES = 1 << 16
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), torch.dtype, torch.device, torch.Size)
# of torch.nn.Module: what is walked by itself, and what says nothing about the arithmetic
_MODULE_OWN = frozenset(
    {
        "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_is_full_backward_hook",
        "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
    }
)  # fmt: skip
_CLASS_OWN = frozenset(
    {"__module__", "__qualname__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__slots__", "__init__"}
)
_LIBRARIES = ("torch", "numpy", "dynrnn", "builtins", "math", "optree")


class _Same:
    """An object in a key: equal to itself only, and kept alive."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class _Weak:
    """An object in a key: equal to itself only, as long as it lives. Numbers count by value."""

    __slots__ = ("hash", "reference")

    def __init__(self, value: Any):
        plain = isinstance(value, _PLAIN)
        self.reference = (lambda: value) if plain else weakref.ref(value)
        self.hash = hash(value) if plain else id(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Weak):
            return False
        mine, theirs = self.reference(), other.reference()
        return mine is not None and (mine is theirs or (isinstance(mine, _PLAIN) and mine == theirs))

    def __hash__(self) -> int:
        return self.hash


class Inventory:
    """What a walk over objects finds.

    Attributes:
        key: hashable; equal keys mean that a step traces in the same way.
        tensors: the tensors found, in the order of the walk.
        changeable: those among them that are not constants of an object with ``trace_reach``.
        generators: the random generators found.
    """

    def __init__(self, *roots: Any):
        self.tensors: list[torch.Tensor] = []
        self.changeable: list[torch.Tensor] = []
        self.generators: list[torch.Generator] = []
        self._constant = False
        self._seen: dict[int, int] = {}
        self._key: list[Any] = []
        for root in roots:
            self._walk(root)
        self.key = tuple(self._key)

    def place_of(self, tensor: torch.Tensor) -> int | None:
        """Where ``tensor`` itself is among the tensors."""
        return next((i for i, found in enumerate(self.tensors) if found is tensor), None)

    def _walk(self, value: Any) -> None:
        add = self._key.append
        kind = type(value)
        if kind in _PLAIN or isinstance(value, _PLAIN):
            # repr tells apart 0.0 and -0.0, and a nan is like itself
            add(repr(value) if kind is float else (kind, value))
            return
        number = self._seen.get(id(value))
        if number is not None:
            add(("again", number))
            return
        self._seen[id(value)] = len(self._seen)
        if len(self._seen) > _MOST:
            raise Refusal(f"it can reach more than {_MOST} objects; pass what it needs in params")
        if isinstance(value, torch.Tensor):
            self.tensors.append(value)
            if not self._constant:
                self.changeable.append(value)
            add((kind, value.dtype, tuple(value.shape), value.requires_grad, value.device))
        elif isinstance(value, torch.Generator):
            self.generators.append(value)
            add(_Same(value))
        elif (mark := getattr(value, "trace_key", None)) is not None:
            # the object says itself what it depends on; it is not kept alive by the key
            add((kind, *map(_Weak, mark)))
            self._constant = True
            self._walk(value.trace_reach)
            self._constant = False
        elif isinstance(value, torch.nn.Module):
            self._walk_module(value)
        elif isinstance(value, types.FunctionType):
            self._walk_function(value)
        elif isinstance(value, types.MethodType):
            add("method")
            self._walk(value.__func__)
            self._walk(value.__self__)
        elif isinstance(value, functools.partial):
            add("partial")
            for part in (value.func, value.args, value.keywords):
                self._walk(part)
        elif isinstance(value, dict):
            add((kind, len(value)))
            for name, part in value.items():
                self._walk(name)
                self._walk(part)
        elif isinstance(value, (list, tuple, set, frozenset, collections.deque)):
            add((kind, len(value)))
            for part in value:
                self._walk(part)
        elif isinstance(value, (np.ndarray, np.generic)):
            if value.nbytes > _MOST_BYTES or value.dtype.hasobject:
                raise Refusal(f"it can reach a numpy array of {value.nbytes} bytes; pass it in params as a tensor")
            add((kind, value.dtype, value.shape, value.tobytes()))
        elif isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)) or _of_library(kind):
            add(_Same(value))
        elif hasattr(value, "__dict__") or hasattr(kind, "__slots__"):
            add((kind, _Same(value)))
            self._walk_class(kind)
            for name, part in getattr(value, "__dict__", {}).items():
                add(name)
                self._walk(part)
            for name in (name for owner in kind.__mro__ for name in vars(owner).get("__slots__", ())):
                if hasattr(value, name):
                    self._walk(getattr(value, name))
        else:
            add(_Same(value))

    def _walk_module(self, module: torch.nn.Module) -> None:
        add, walk = self._key.append, self._walk
        kind = type(module)
        attributes = vars(module)
        add((kind, kind.forward))
        self._walk_class(kind)
        for name, value in attributes.items():
            if name in _MODULE_OWN or (isinstance(value, dict) and not value):
                continue  # empty dictionaries are those of hooks
            add(name)
            walk(value)
        for name in ("_parameters", "_buffers", "_modules"):
            for key, value in attributes[name].items():
                add(key)
                walk(value)

    def _walk_function(self, function: types.FunctionType) -> None:
        code = function.__code__
        self._key.append(code)
        for cell in function.__closure__ or ():
            try:
                contents = cell.cell_contents
            except ValueError:  # not yet filled
                self._key.append("empty")
            else:
                self._walk(contents)
        for part in (function.__defaults__, function.__kwdefaults__):
            if part:
                self._walk(part)
        if vars(function):
            self._walk(vars(function))
        if not (function.__module__ or "").startswith(_LIBRARIES):
            names = _global_names(code)
            for name in names:
                if name in function.__globals__:
                    self._key.append(name)
                    value = function.__globals__[name]
                    self._walk(value)
                    if isinstance(value, types.ModuleType) and not value.__name__.startswith(_LIBRARIES):
                        self._walk_attributes(value, names)

    def _walk_attributes(self, module: types.ModuleType, names: tuple[str, ...]) -> None:
        """What a function may look up in a module that it names: ``config.rate``."""
        for name in names:
            if name in vars(module):
                self._key.append(name)
                self._walk(vars(module)[name])

    def _walk_class(self, kind: type) -> None:
        """Attributes and methods of a class that is not a library's: they are looked up at every call."""
        for owner in kind.__mro__:
            if owner is object or _of_library(owner) or id(owner) in self._seen:
                continue
            self._seen[id(owner)] = len(self._seen)
            for name, value in tuple(vars(owner).items()):
                if name in _CLASS_OWN:
                    continue
                self._key.append(name)
                if isinstance(value, property):
                    value = value.fget
                elif isinstance(value, (staticmethod, classmethod)):
                    value = value.__func__
                self._walk(value)


@functools.lru_cache(maxsize=4096)
def _global_names(code: types.CodeType) -> tuple[str, ...]:
    return tuple(_names_in(code))


def _names_in(code: types.CodeType) -> Iterator[str]:
    """Names that a function, and the functions written in it, look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _of_library(kind: type) -> bool:
    return kind.__module__.split(".")[0] in _LIBRARIES
