"""Which TensorFlow symbols a Python program uses, read from its text; the program is not run.

Names are followed through imports (``import tensorflow as tf``, ``from tensorflow.contrib import rnn``), assignments
(``rnn = tf.contrib.rnn``) and ``getattr(tf, "name")``, with Python's scopes. The order of statements is not looked at:
a name that a scope binds to something else too is taken for unknown there. Attributes of objects (``self.cell``) and
names that come from other files of the program are not followed.

A use that the program itself makes ready for - below ``try`` with a handler for ``ImportError`` or ``AttributeError``,
or of a name that it asks for with ``hasattr`` - is *guarded*.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

__all__ = ["Cell", "Use", "cells_of", "uses_of"]

Name = tuple[str, ...]
_ROOT = "tensorflow"
_VERSIONED = (("compat", "v1"), ("_api", "v1"))
_GUARDS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError"})
_CATCH_ALL = frozenset({"Exception", "BaseException"})


@dataclass(frozen=True)
class Cell:
    """A piece of source: a file, or a cell of a notebook.

    Attributes:
        where: the file's name, with the cell's number if there is one.
        text: the source.
    """

    where: str
    text: str


@dataclass(frozen=True)
class Use:
    """One place where a program names something of TensorFlow.

    Attributes:
        names: the symbols that it may be, as ``("nn", "dynamic_rnn")``; several where the program chooses one.
        line: the line in its cell.
        guarded: whether the program is ready for it to be missing.
    """

    names: tuple[Name, ...]
    line: int
    guarded: bool


def cells_of(path: Path) -> list[Cell]:
    """The source of a ``.py`` file, or of each cell of a notebook in turn.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not text, or no notebook.
    """
    if path.suffix != ".ipynb":
        return [Cell(str(path), _text(path.read_bytes()))]
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        # notebooks before version 4 keep cells in worksheets
        sheets = book.get("worksheets") or [book]
        found = [cell for sheet in sheets for cell in sheet["cells"]]
        sources = [cell.get("source", cell.get("input", "")) for cell in found if cell["cell_type"] == "code"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no notebook: {type(error).__name__}: {error}") from None
    texts = ["".join(source) for source in sources]
    return [Cell(f"{path}:cell {i}", _plain(text)) for i, text in enumerate(texts, 1)]


def _text(data: bytes) -> str:
    """The text of a source file, with the encoding that it declares."""
    declared = re.match(rb"(?:[^\n]*\n)?[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", data)
    encoding = declared.group(1).decode() if declared else "utf-8-sig"
    try:
        return data.decode(encoding)
    except LookupError:
        raise ValueError(f"unknown encoding {encoding!r}") from None


def _plain(text: str) -> str:
    """A cell without the commands of its notebook; lines keep their numbers."""
    if text.lstrip().startswith("%%"):
        first = text.lstrip().split()[0]
        if first not in ("%%time", "%%timeit", "%%capture", "%%prun"):
            return ""
    return "\n".join("pass" if line.lstrip()[:1] in ("%", "!") else line for line in text.splitlines())


@dataclass
class _Scope:
    """Names of a module, function, class or comprehension, each with all it is bound to: a symbol, an expression."""

    parent: _Scope | None
    is_class: bool = False
    bound: dict[str, list[Name | ast.expr | None]] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)

    def bind(self, name: str, value: Name | ast.expr | None) -> None:
        scope: _Scope = self
        while name in scope.outer and scope.parent is not None:
            scope = scope.parent
        scope.bound.setdefault(name, []).append(value)

    def find(self, name: str) -> _Scope | None:
        """The scope that a name read here belongs to."""
        scope: _Scope | None = self
        while scope is not None and (name not in scope.bound or (scope.is_class and scope is not self)):
            scope = scope.parent
        return scope


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class _Walker:
    """Visits a tree with its scopes; the order is that of the text."""

    def __init__(self, scopes: dict[ast.AST, _Scope]) -> None:
        self.scopes = scopes

    def walk(self, node: ast.AST, scope: _Scope, guarded: bool = False) -> None:
        if self.visit(node, scope, guarded):
            return
        if isinstance(node, ast.Try):
            inside = guarded or _is_guard(node)
            self._all(node.body, scope, inside)
            self._all([*node.handlers, *node.orelse, *node.finalbody], scope, guarded)
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            inner = self.scopes.setdefault(node, _Scope(scope, isinstance(node, ast.ClassDef)))
            outside, inside_nodes = _parts(node)
            self._all(outside, scope, guarded)
            self._all(inside_nodes, inner, guarded)
        elif isinstance(node, _COMPREHENSIONS):
            inner = self.scopes.setdefault(node, _Scope(scope))
            self._all(ast.iter_child_nodes(node), inner, guarded)
        else:
            self._all(ast.iter_child_nodes(node), scope, guarded)

    def _all(self, nodes: Iterable[ast.AST], scope: _Scope, guarded: bool) -> None:
        for node in nodes:
            self.walk(node, scope, guarded)

    def visit(self, node: ast.AST, scope: _Scope, guarded: bool) -> bool:
        """Look at one node; True: its children are done."""
        raise NotImplementedError


def _parts(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """What of a function or class is evaluated outside of it, and what inside."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords], list(node.body)
    assert isinstance(node, _FUNCTIONS)
    args = node.args
    defaults: list[ast.AST] = [*args.defaults, *(d for d in args.kw_defaults if d is not None)]
    arguments: list[ast.AST] = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    arguments += [a for a in (args.vararg, args.kwarg) if a is not None]
    if isinstance(node, ast.Lambda):
        return defaults, [*arguments, node.body]
    return [*node.decorator_list, *defaults], [*arguments, *node.body]


def _is_guard(node: ast.Try) -> bool:
    imports_only = all(isinstance(item, (ast.Import, ast.ImportFrom)) for item in node.body)
    for handler in node.handlers:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
        if names & _GUARDS or (imports_only and (handler.type is None or names & _CATCH_ALL)):
            return True
    return False


class _Binder(_Walker):
    """First pass: what each name is bound to."""

    def __init__(self, scopes: dict[ast.AST, _Scope], star: Callable[[Name], Iterable[str]]) -> None:
        super().__init__(scopes)
        self._star = star

    def visit(self, node: ast.AST, scope: _Scope, guarded: bool) -> bool:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = _symbol(alias.name)
                if alias.asname:
                    scope.bind(alias.asname, name)
                else:
                    scope.bind(alias.name.split(".")[0], None if name is None else ())
        elif isinstance(node, ast.ImportFrom):
            module = None if node.level else _symbol(node.module or "")
            for alias in node.names:
                if alias.name != "*":
                    scope.bind(alias.asname or alias.name, None if module is None else _short((*module, alias.name)))
                elif module is not None:
                    for public in self._star(module):
                        scope.bind(public, (*module, public))
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            if node.value is not None:
                self.walk(node.value, scope, guarded)
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self._assign(target, node.value, scope)
            return True
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            scope.outer.update(node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope.bind(node.name, None)
        elif isinstance(node, ast.arg):
            scope.bind(node.arg, None)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            scope.bind(node.name, None)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.bind(node.id, None)
        return False

    def _assign(self, target: ast.expr, value: ast.expr, scope: _Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for part, item in zip(target.elts, value.elts, strict=True):
                self._assign(part, item, scope)
        else:
            self.walk(target, scope)


class _Finder(_Walker):
    """Second pass: what is used."""

    def __init__(self, scopes: dict[ast.AST, _Scope]) -> None:
        super().__init__(scopes)
        self.uses: list[Use] = []
        self.asked: set[Name] = set()

    def visit(self, node: ast.AST, scope: _Scope, guarded: bool) -> bool:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._add(_symbol(alias.name), node.lineno, guarded)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = _symbol(node.module or "")
            if module is not None:
                for alias in node.names:
                    name = module if alias.name == "*" else _short((*module, alias.name))
                    self._add(name, node.lineno, guarded)
        elif isinstance(node, ast.Attribute) or (isinstance(node, ast.Call) and _asked_name(node, "getattr")):
            names = self.names_of(node, scope)
            if names:
                ready = guarded or (isinstance(node, ast.Call) and len(node.args) == 3)
                self.uses.append(Use(names, node.lineno, ready))
                return True
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names = tuple(n for n in self.names_of(node, scope) if n)
            if names:
                self.uses.append(Use(names, node.lineno, guarded))
        if isinstance(node, ast.Call) and _asked_name(node, "hasattr"):
            for name in self.names_of(node.args[0], scope):
                self.asked.add((*name, _asked_name(node, "hasattr")))
        return False

    def _add(self, name: Name | None, line: int, guarded: bool) -> None:
        if name:
            self.uses.append(Use((name,), line, guarded))

    def names_of(self, node: ast.expr, scope: _Scope, seen: frozenset[str] = frozenset()) -> tuple[Name, ...]:
        """The symbols that an expression may be; none: it is not of TensorFlow, or unknown."""
        if isinstance(node, ast.Attribute):
            return tuple(_short((*name, node.attr)) for name in self.names_of(node.value, scope, seen))
        if isinstance(node, ast.Call) and _asked_name(node, "getattr"):
            leaf = _asked_name(node, "getattr")
            return tuple((*name, leaf) for name in self.names_of(node.args[0], scope, seen))
        if not isinstance(node, ast.Name) or node.id in seen:
            return ()
        home = scope.find(node.id)
        found: list[Name] = []
        for value in [] if home is None else home.bound[node.id]:
            assert home is not None
            names = (
                (value,) if isinstance(value, tuple) else self.names_of(value, home, seen | {node.id}) if value else ()
            )
            if not names:
                return ()
            found += [name for name in names if name not in found]
        return tuple(found)


def _asked_name(node: ast.Call, function: str) -> str:
    """``name`` of ``getattr(x, "name")``; empty if the call is no such call."""
    if isinstance(node.func, ast.Name) and node.func.id == function and len(node.args) >= 2:
        name = node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            return name.value
    return ""


def _symbol(module: str) -> Name | None:
    """``("contrib", "rnn")`` for ``tensorflow.contrib.rnn``; None for what is not TensorFlow's."""
    parts = module.split(".")
    return _short(tuple(parts[1:])) if parts[0] == _ROOT else None


def _short(name: Name) -> Name:
    """Without ``compat.v1``, which is all of TensorFlow 1 under another name."""
    return name[2:] if name[:2] in _VERSIONED else name


def uses_of(trees: Sequence[ast.AST], star: Callable[[Name], Iterable[str]] = lambda _: ()) -> list[list[Use]]:
    """What a program uses, for each of its pieces: a file is one, a notebook has several that share their names.

    Args:
        trees: the parsed pieces.
        star: the public names of a module of TensorFlow, for ``from module import *``.
    """
    scopes: dict[ast.AST, _Scope] = {}
    module = _Scope(None)
    binder = _Binder(scopes, star)
    for tree in trees:
        binder.walk(tree, module)
    finders = []
    for tree in trees:
        finders.append(_Finder(scopes))
        finders[-1].walk(tree, module)
    asked = {name for finder in finders for name in finder.asked}
    return [
        [replace(use, guarded=use.guarded or not asked.isdisjoint(use.names)) for use in finder.uses]
        for finder in finders
    ]
