"""Sections, the targets they are held to, and the file they are written to."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine
from benchmarks.timing import PAUSE, TOLERANCE, Samples, waited_seconds

RESULTS = Path(__file__).with_name("RESULTS.md")
MISSED = "**MISSED**"


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    Attributes:
        quick: next to nothing, to see that everything runs.
        rounds: undisturbed samples wanted of each contender.
        threads: of every contender.
        compiled: whether contenders that are compiled first take part.
    """

    quick: bool
    rounds: int
    threads: int
    compiled: bool

    @property
    def budget(self) -> float:
        """Seconds for one group of contenders in one mode."""
        return 0.0 if self.quick else 12.0

    @property
    def pause(self) -> float:
        """Seconds to rest before each turn."""
        return 0.0 if self.quick else PAUSE


@dataclass
class Section:
    """One table, with what is to be said about it.

    Attributes:
        title: heading.
        header: names of the columns.
        notes: paragraphs above the table.
        rows: the cells' texts.
        remarks: what happened on the way, as a list below the table.
        reached: how many targets were.
        missed: the others, in words.
        clean: samples that count.
        rejected: samples that were disturbed.
    """

    title: str
    header: list[str]
    notes: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    reached: int = 0
    missed: list[str] = field(default_factory=list)
    clean: int = 0
    rejected: int = 0

    def add(self, *cells: object) -> None:
        """Add a row, and show it to whoever waits.

        Raises:
            ValueError: it has another number of cells than the header.
        """
        if len(cells) != len(self.header):
            raise ValueError(f"{self.title}: a row must have {len(self.header)} cells, got {len(cells)}")
        self.rows.append([str(cell) for cell in cells])
        print(_row(self.rows[-1]), flush=True)

    def judge(self, what: str, value: float, *, least: float | None = None, most: float | None = None) -> str:
        """Hold a figure to its target.

        Args:
            what: the figure, in words, for the list of those missed.
            value: the figure; NaN misses every target.
            least: it must not be below this.
            most: it must not be above this.

        Returns:
            The target, with a mark if it is missed; empty if there is none.
        """
        if least is None and most is None:
            return ""
        good = (least is None or value >= least) and (most is None or value <= most)
        bounds = [f"{sign} {bound:g}" for sign, bound in ((">=", least), ("<=", most)) if bound is not None]
        target = ", ".join(bounds)
        if good:
            self.reached += 1
            return target
        self.missed.append(f"{self.title}: {what} is {value:.3g}, wanted {target}")
        return f"{target} {MISSED}"

    def count(self, samples: Iterable[Samples]) -> None:
        """Add to the numbers of samples."""
        for each in samples:
            self.clean += len(each.clean)
            self.rejected += len(each.rejected)

    def lines(self) -> list[str]:
        """The section in Markdown."""
        lines = [f"## {self.title}", ""]
        for note in self.notes:
            lines += [note, ""]
        if self.rows:
            lines += [_row(self.header), "|" + "---|" * len(self.header), *map(_row, self.rows), ""]
        if self.clean or self.rejected:
            self_said = f"Samples: {self.clean} counted, {self.rejected} rejected because threads waited for a core."
            lines += [self_said, ""]
        if self.remarks:
            lines += [*(f"- {remark}" for remark in dict.fromkeys(self.remarks)), ""]
        return lines


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def heading(options: Options, versions: dict[str, str], executor: str, stolen: float | None, took: float) -> list[str]:
    """The beginning of the file: how it came about, and on what."""
    said = "not known" if stolen is None else f"{stolen:.1f} s"
    return [
        "# Benchmark results",
        "",
        "Written by `make bench`. Times are medians in milliseconds; a ratio is the peer's time over dynrnn's, so "
        "above 1 dynrnn is faster, with the least and the most favourable ratio of the quartiles in brackets. "
        "Contenders take turns in one process, those of other frameworks in processes that take turns. A sample counts "
        f"only if the threads of its process waited for a core for at most {TOLERANCE:.0%} of it; where too few were "
        "left, all count and the time is marked (busy). In training, gradients are taken with respect to inputs and "
        "weights, from the same dense random cotangent for all. Everything is float32.",
        "",
        f"- Date: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, {took / 60:.0f} minutes",
        f"- Processor: {machine.processor()}, {len(machine.usable_cpus())} of {os.cpu_count()} logical processors "
        f"usable, {options.threads} threads for every contender",
        f"- Processor time that a hypervisor took away meanwhile, over all processors: {said}",
        *(
            ["- This system does not count the time that threads wait for a core: no sample could be rejected"]
            if waited_seconds() is None
            else []
        ),
        f"- dynrnn's executor: {executor}",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"- System: {platform.system()} {platform.release()}, Python {platform.python_version()}",
        "",
    ]


def verdict(sections: Iterable[Section]) -> list[str]:
    """How many targets were reached, and which not."""
    sections = list(sections)
    missed = [line for section in sections for line in section.missed]
    unfinished = any("not run" in remark for section in sections for remark in section.remarks)
    total = len(missed) + sum(section.reached for section in sections)
    return [
        "## Targets",
        "",
        f"{total - len(missed)} of {total} targets are reached{'.' if not missed else '; missed are:'}",
        "",
        *(f"- {line}" for line in missed),
        *([""] if missed else []),
        *(["What was not run has no verdict: see the remarks below the tables.", ""] if unfinished else []),
    ]


def write(lines: list[str], path: Path = RESULTS) -> None:
    """Write the file, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    temporary.replace(path)
