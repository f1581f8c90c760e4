"""``dynrnn check``: which TensorFlow symbols of a program dynrnn lacks, before the program is run.

Programs are read by :mod:`dynrnn.tf1._check_source`; their symbols are looked up in the real namespace, so that the
answer follows what is there. :func:`coverage` looks up a table of symbols instead: ``symbols.tsv`` beside this module
counts which symbols 143 public recurrent programs use, and in how many of them.
"""

from __future__ import annotations

import ast
import functools
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dynrnn import _python2
from dynrnn.tf1 import _install
from dynrnn.tf1._check_source import Cell, Use, cells_of, uses_of

__all__ = ["Coverage", "Report", "Row", "check", "coverage", "missing", "table"]

TABLE = Path(__file__).with_name("symbols.tsv")
_SUFFIXES = (".py", ".ipynb")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass
class Report:
    """What :func:`check` found.

    Attributes:
        lines: one for each problem: file, line, what is missing and what to do.
        files: how many files were read.
        uses: how many uses of TensorFlow they hold.
        covered: how many of these dynrnn has, or the program can do without.
        missing: the symbols that are missing, with the number of their uses.
    """

    lines: list[str] = field(default_factory=list)
    files: int = 0
    uses: int = 0
    covered: int = 0
    missing: dict[str, int] = field(default_factory=dict)

    def summary(self) -> str:
        """One sentence with the numbers."""
        files = f"{self.files} file{'' if self.files == 1 else 's'}"
        if not self.uses:
            return f"{files}: no use of TensorFlow found"
        share = f"{self.covered} of {self.uses} uses of TensorFlow covered ({_percent(self.covered, self.uses)})"
        return f"{files}: {share}, {len(self.missing)} symbol{'' if len(self.missing) == 1 else 's'} missing"


@functools.cache
def _missing(name: tuple[str, ...]) -> str | None:
    return _install.finder().missing(name)


def missing(symbol: str) -> str | None:
    """What to say of ``"tf.nn.foo"``; None if dynrnn has it."""
    return _missing(tuple(symbol.split(".")[1:]))


def _files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    for given in paths:
        path = Path(given)
        if not path.is_dir():
            yield path
            continue
        for folder, below, names in os.walk(path):
            below[:] = sorted(d for d in below if not d.startswith(".") and d not in _SKIPPED_FOLDERS)
            yield from (Path(folder, name) for name in sorted(names) if name.endswith(_SUFFIXES))


def check(paths: Iterable[str | os.PathLike[str]]) -> Report:
    """Read programs and say what dynrnn lacks for them.

    Args:
        paths: ``.py`` files, notebooks, and folders, of which everything below is read.
    """
    report = Report()
    for path in _files(paths):
        report.files += 1
        try:
            cells = cells_of(path)
        except OSError as error:
            report.lines.append(f"{path}: can't read: {error.strerror or error}")
            continue
        except ValueError as error:
            report.lines.append(f"{path}: can't read: {error}")
            continue
        trees: list[ast.AST] = []
        for cell in cells:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of the program's own strings
                    trees.append(ast.parse(cell.text))
            except (SyntaxError, ValueError) as error:
                report.lines.append(_unparsable(path, cell, error))
                trees.append(ast.Module([], []))
        for cell, uses in zip(cells, uses_of(trees, _install.finder().public_names), strict=True):
            _judge(report, cell, uses)
    return report


def _unparsable(path: Path, cell: Cell, error: SyntaxError | ValueError) -> str:
    if not isinstance(error, SyntaxError):
        return f"{cell.where}: does not parse: {error}"
    hint = _python2.hint(error, str(path))
    return f"{cell.where}:{error.lineno}: does not parse: {error.msg}" + (f"; {hint}" if hint else "")


def _judge(report: Report, cell: Cell, uses: Iterable[Use]) -> None:
    """Count the uses of a cell, and write one line for each symbol that is missing."""
    found: dict[str, tuple[str, list[int]]] = {}
    for use in uses:
        report.uses += 1
        texts = [_missing(name) for name in use.names]
        if use.guarded or not all(texts):
            report.covered += 1
            continue
        symbol = "tf." + ".".join(use.names[0])
        report.missing[symbol] = report.missing.get(symbol, 0) + 1
        found.setdefault(symbol, (texts[0] or "", []))[1].append(use.line)
    for symbol, (text, lines) in found.items():
        others = list(dict.fromkeys(str(line) for line in lines if line != lines[0]))
        named = text if text.startswith(f"{symbol} ") else f"{symbol}: {text}"
        also = f" (also line{'s' if len(others) > 1 else ''} {', '.join(others)})" if others else ""
        report.lines.append(f"{cell.where}:{lines[0]}: {named}{also}")


# --- coverage of a table ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A symbol, in how many programs it is used, and how often in all."""

    symbol: str
    programs: int
    uses: int


def table(path: str | os.PathLike[str] = TABLE) -> list[Row]:
    """The rows of a table of symbols: tabs between symbol, programs and uses, one heading.

    Raises:
        ValueError: a line that is none of this.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines()[1:], 2):
        parts = line.split("\t")
        if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()) or not parts[0].startswith("tf."):
            raise ValueError(f"{path}:{number}: expected symbol, programs and uses between tabs, got {line!r}")
        rows.append(Row(parts[0], int(parts[1]), int(parts[2])))
    return rows


@dataclass(frozen=True)
class Coverage:
    """How much of a table dynrnn has.

    Attributes:
        rows: the table.
        lacking: the rows that it lacks, with what to say of them.
    """

    rows: list[Row]
    lacking: list[tuple[Row, str]]

    @property
    def share(self) -> float:
        """The share of all uses that are of symbols dynrnn has."""
        total = sum(row.uses for row in self.rows)
        return 1.0 - sum(row.uses for row, _ in self.lacking) / total if total else 1.0

    def summary(self) -> str:
        """The numbers, for all symbols and for those of two programs and more."""
        lines = []
        for least in (1, 2):
            rows = [row for row in self.rows if row.programs >= least]
            lacking = [row for row, _ in self.lacking if row.programs >= least]
            uses, gone = sum(row.uses for row in rows), sum(row.uses for row in lacking)
            what = "all symbols" if least == 1 else f"symbols that at least {least} programs use"
            lines.append(
                f"{what}: {len(rows) - len(lacking)} of {len(rows)}, {uses - gone} of {uses} uses covered "
                f"({_percent(uses - gone, uses)})"
            )
        return "\n".join(lines)


def coverage(rows: Iterable[Row]) -> Coverage:
    """Look up every symbol of a table."""
    kept = list(rows)
    return Coverage(kept, [(row, text) for row in kept if (text := missing(row.symbol))])


def _percent(part: int, whole: int) -> str:
    # never "100.0%" for less than all
    tenths = part * 1000 // whole if whole else 1000
    return f"{tenths / 10:.1f}%"
