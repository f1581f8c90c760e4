"""``dynrnn.tf1.install()``: from then on ``import tensorflow`` is ``import dynrnn.tf1``.

A finder at the front of ``sys.meta_path`` answers for ``tensorflow`` and everything below it. A name leads, in this
order, to the module of that place in ``dynrnn.tf1``; to the target that the table in ``_aliases.py`` gives; to a
module that the parent holds as an attribute; or, if the table has names further down, to an empty package that only
leads there (``tensorflow.python.ops``). The module object itself goes into ``sys.modules`` under the second name: it
is never executed again, so classes keep their identity by whatever way they are reached.

``from tensorflow.nn import x`` asks the import system for ``dynrnn.tf1.nn.x`` when ``x`` is no attribute, because it
goes by the module's own name. The finder answers for these names too: with what the table has, else with an error
that names ``x`` and the nearest there is.

``melt``, the library of one of the programs this project began with, is found the same way, but by a finder at the
end of ``sys.meta_path``: a module of that name beside the script goes first.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from dynrnn.tf1._aliases import ALIASES
from dynrnn.tf1._namespace import HINTS, describe_missing, nearest

__all__ = ["AliasFinder", "finder", "install", "older_home", "uninstall"]

_installed: list[AliasFinder] = []


class AliasFinder(MetaPathFinder):
    """Finds modules of the package ``real`` under the name ``shown``.

    Args:
        shown: the name that programs import, ``"tensorflow"``.
        real: the package that stands behind it, ``"dynrnn.tf1"``.
        aliases: further names below ``shown``, each with the candidates below ``real`` it may lead to.
        symbol: how ``shown`` is called in messages about symbols, ``"tf"``.
    """

    def __init__(self, shown: str, real: str, aliases: Mapping[str, Sequence[str]], symbol: str) -> None:
        self.shown = shown
        self.real = real
        self.symbol = symbol
        self._aliases = aliases
        self._names: list[str] = []
        self._given_path: list[ModuleType] = []
        self._given_attribute: list[tuple[ModuleType, str]] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that leads to the module behind ``fullname``; None if the name is not ours or needs no help.

        Raises:
            ModuleNotFoundError: the name is ours and leads nowhere.
        """
        if fullname == self.shown:
            return self._spec(fullname, importlib.import_module(self.real))
        if not fullname.startswith((self.shown + ".", self.real + ".")):
            return None
        parent_name, _, leaf = fullname.rpartition(".")
        parent = importlib.import_module(parent_name)
        place = self._place(parent)
        place = f"{place}.{leaf}" if place else leaf
        if fullname == f"{self.real}.{place}" and self._is_submodule(fullname, parent):
            return None
        module = self._lookup(place)
        if module is None and self._leads_on(place):
            canonical = f"{self.shown}.{place}"
            module = self._package(canonical) if fullname == canonical else importlib.import_module(canonical)
        if module is None:
            # Without `name`: the import system would drop this message for its own in `from package import name`.
            raise ModuleNotFoundError(self._missing(fullname, place, parent))
        if self._is_real(parent) and leaf not in vars(parent):
            self._given_attribute.append((parent, leaf))
        return self._spec(fullname, module)

    def missing(self, symbol: Sequence[str]) -> str | None:
        """What to say of a symbol below the root, ``("nn", "dynamic_rnn")``: None if it is there.

        Modules are followed as the import system would, classes by their attributes. What an object that is neither
        has is not known before it is made.
        """
        found: Any = importlib.import_module(self.real)
        place = ""
        for depth, leaf in enumerate(symbol, 1):
            if found is not None and not isinstance(found, ModuleType):
                if isinstance(found, type) and not hasattr(found, leaf):
                    return describe_missing(f"{self.symbol}.{'.'.join(symbol[:depth])}", dir(found))
                if not isinstance(found, type):
                    return None
                found = getattr(found, leaf)
                continue
            parent, place = found, f"{place}.{leaf}" if place else leaf
            if parent is not None and leaf in vars(parent):
                found = vars(parent)[leaf]
            else:
                found = self._lookup(place)
                if found is None and isinstance(parent, ModuleType):
                    found = getattr(parent, leaf, None)  # what a module makes when it is asked for
                if found is None and not self._leads_on(place):
                    names = () if parent is None else vars(parent).get("__all__") or vars(parent)
                    beside = [name for name in names if not name.startswith("_")]
                    return describe_missing(f"{self.symbol}.{'.'.join(symbol[:depth])}", beside)
            if isinstance(found, ModuleType) and self._is_real(found):
                place = self._place(found)
        return None

    def public_names(self, symbol: Sequence[str]) -> list[str]:
        """The names that ``from module import *`` gives; none for what is no module."""
        module = self._lookup(".".join(symbol))
        if module is None:
            return []
        return list(vars(module).get("__all__") or [name for name in vars(module) if not name.startswith("_")])

    def forget(self) -> None:
        """Take back what finding modules has left in ``sys.modules`` and on the real modules."""
        for name in self._names:
            sys.modules.pop(name, None)
        for module, leaf in self._given_attribute:
            vars(module).pop(leaf, None)
        for module in self._given_path:
            vars(module).pop("__path__", None)
        self._names.clear()
        self._given_attribute.clear()
        self._given_path.clear()

    def _is_real(self, module: ModuleType) -> bool:
        return (module.__name__ + ".").startswith(self.real + ".")

    def _place(self, module: ModuleType) -> str:
        """Where a module stands below the root, by its own name: the same for every name that leads to it."""
        root = self.real if self._is_real(module) else self.shown
        return module.__name__[len(root) + 1 :]

    def _is_submodule(self, fullname: str, parent: ModuleType) -> bool:
        path = getattr(parent, "__path__", None)
        return path is not None and any(self._others(fullname, path))

    def _others(self, fullname: str, path: Any) -> Iterator[ModuleSpec]:
        for finder in sys.meta_path:
            if not isinstance(finder, AliasFinder) and hasattr(finder, "find_spec"):
                spec = finder.find_spec(fullname, path)
                if spec is not None:
                    yield spec

    def _lookup(self, place: str) -> ModuleType | None:
        """The module that ``place`` names: the one that is there, else the first of its aliases that exists."""
        candidates = (self._target(target) for target in (place, *self._aliases.get(place, ())))
        return next((module for module in candidates if module is not None), None)

    def _target(self, place: str) -> ModuleType | None:
        """The public module at ``place`` below the real package, a submodule or a module held as an attribute."""
        module = importlib.import_module(self.real)
        for leaf in place.split(".") if place else []:
            if leaf.startswith("_"):
                return None
            name = f"{module.__name__}.{leaf}"
            held = vars(module).get(leaf)
            if isinstance(held, ModuleType) and self._is_real(held):
                module = held
            elif self._is_submodule(name, module):
                module = importlib.import_module(name)
            else:
                return None
        return module

    def _leads_on(self, place: str) -> bool:
        """Whether the table has something that exists below ``place``."""
        below = (targets for name, targets in self._aliases.items() if name.startswith(place + "."))
        return any(self._target(target) is not None for targets in below for target in targets)

    def _package(self, name: str) -> ModuleType:
        """A package that holds nothing but names further down."""
        package = ModuleType(name, f"The way to modules below ``{name}``.")
        package.__path__ = []

        def __getattr__(leaf: str) -> Any:
            if not leaf.startswith("__"):
                try:
                    return importlib.import_module(f"{name}.{leaf}")
                except ModuleNotFoundError as error:
                    raise AttributeError(str(error)) from None
            raise AttributeError(f"module {name!r} has no attribute {leaf!r}")

        package.__getattr__ = __getattr__  # type: ignore[method-assign]
        return package

    def _spec(self, fullname: str, module: ModuleType) -> ModuleSpec:
        if not hasattr(module, "__path__"):
            # The import system looks for names below a module only if it has a path: contrib.rnn.python, say.
            module.__path__ = []
            self._given_path.append(module)
        self._names.append(fullname)
        return ModuleSpec(fullname, _SameModule(module), origin=module.__name__, is_package=True)

    def _missing(self, fullname: str, place: str, parent: ModuleType) -> str:
        siblings = self._modules_beside(place, parent)
        symbol = f"{self.symbol}.{place}"
        if fullname.startswith(self.real + "."):
            names = vars(parent).get("__all__") or [name for name in vars(parent) if not name.startswith("_")]
            return describe_missing(symbol, {*names, *siblings})
        close = nearest(fullname.rpartition(".")[2], siblings, 1)
        ends = f"; {HINTS[symbol]}" if symbol in HINTS else ""
        if not ends and close:
            ends = f"; nearest: {fullname.rpartition('.')[0]}.{close[0]}"
        return f"No module named {fullname!r} in dynrnn{ends}"

    def _modules_beside(self, place: str, parent: ModuleType) -> set[str]:
        path = place.rpartition(".")[0]
        depth = path.count(".") + 1 if path else 0
        found = {info.name for info in pkgutil.iter_modules(parent.__path__) if not info.name.startswith("_")}
        for name in self._aliases:
            if not path or name.startswith(path + "."):
                leaf = name.split(".")[depth]
                beside = f"{path}.{leaf}" if path else leaf
                if leaf not in found and (self._lookup(beside) or self._leads_on(beside)):
                    found.add(leaf)
        return found


class _SameModule(Loader):
    """Loads a module that exists already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec: ModuleSpec | None = getattr(module, "__spec__", None)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec in place of the module's own.
        if self._spec is not None:
            module.__spec__ = self._spec


def older_home(place: str) -> ModuleType | None:
    """The module that the attribute ``place`` of ``tf`` leads to, though it lives elsewhere; None: there is none.

    Programs write ``tf.contrib.rnn.core_rnn_cell.GRUCell`` and import nothing but ``tensorflow``. Paths that lead to
    a module only further down (``tf.contrib.rnn.python``) are there once `install` was called.
    """
    if "." not in place:
        return None
    if place in ALIASES:
        return finder()._lookup(place)
    if _installed and finder()._leads_on(place):
        return importlib.import_module(f"tensorflow.{place}")
    return None


def finder() -> AliasFinder:
    """The finder of ``tensorflow``, installed or not."""
    return _installed[0] if _installed else AliasFinder("tensorflow", "dynrnn.tf1", ALIASES, "tf")


def install() -> None:
    """Make ``import tensorflow`` (and what is below it) and ``import melt`` resolve to dynrnn; again is harmless.

    Raises:
        RuntimeError: another module named ``tensorflow`` has been imported before.
    """
    import dynrnn.tf1

    present = sys.modules.get("tensorflow")
    if present is not None and present is not dynrnn.tf1:
        raise RuntimeError(
            "dynrnn.tf1.install() must be called before tensorflow is imported; this process already holds "
            f"{getattr(present, '__file__', None) or present!r}"
        )
    if _installed:
        return
    # tensorboard would otherwise take what is named tensorflow for TensorFlow
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    front = AliasFinder("tensorflow", "dynrnn.tf1", ALIASES, "tf")
    back = AliasFinder("melt", "dynrnn.tf1.melt", {}, "melt")
    sys.meta_path.insert(0, front)
    sys.meta_path.append(back)
    _installed.extend((front, back))


def uninstall() -> None:
    """Undo :func:`install`; modules that programs hold stay what they are."""
    for finder in _installed:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        finder.forget()
    _installed.clear()
