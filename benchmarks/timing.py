"""Samples of time that other work on the machine did not disturb, and what is said of them. Standard library only.

A sample is *disturbed* when threads of this process stood ready to run but waited for a core, together for more than
`TOLERANCE` of the sample (or `FLOOR` seconds, for short ones). Linux counts that time for every thread, in the second
number of ``/proc/self/task/*/schedstat``. It does not see what a hypervisor takes away; `machine.stolen_seconds` does.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TOLERANCE = 0.02
FLOOR = 50e-6
# Before its turn a contender waits until the threads of the one before have stopped spinning: GNU's OpenMP looks for
# new work for up to 300,000 pauses, about 20 ms.
PAUSE = 0.03
# A call that takes less is made once, uncounted, at the beginning of each turn: caches and threads are then its own.
WARM_BELOW = 0.06
# Fewer undisturbed samples than this say nothing; then all count, and the table says so.
ENOUGH = 3

_TASKS = Path("/proc/self/task")


def waited_seconds() -> float | None:
    """Time that the threads of this process, as many as live now, have waited for a core; None where nobody counts it.

    A thread that ended takes its time with it, so the number can fall.
    """
    total, found = 0, False
    try:
        for task in _TASKS.iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[1])
            except (OSError, IndexError, ValueError):  # it has just ended, or the kernel does not count
                continue
            found = True
    except OSError:
        return None
    return total * 1e-9 if found else None


@dataclass(frozen=True)
class Sample:
    """One timed call: its seconds, and the seconds that threads waited meanwhile (None: not known)."""

    seconds: float
    waited: float | None

    @property
    def disturbed(self) -> bool:
        """Whether the wait is more than is tolerated."""
        return self.waited is not None and self.waited > max(TOLERANCE * self.seconds, FLOOR)


@dataclass
class Samples:
    """The samples of one contender.

    Attributes:
        clean: seconds of the undisturbed ones.
        rejected: seconds of the others.
    """

    clean: list[float] = field(default_factory=list)
    rejected: list[float] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """File a sample where it belongs."""
        (self.rejected if sample.disturbed else self.clean).append(sample.seconds)

    def extend(self, other: Samples) -> None:
        """Add those of another process."""
        self.clean.extend(other.clean)
        self.rejected.extend(other.rejected)

    def summary(self) -> Summary:
        """Median and quartiles of the clean samples; of all, where fewer than `ENOUGH` are clean and some are not.

        Raises:
            ValueError: there are no samples.
        """
        busy = len(self.clean) < ENOUGH and bool(self.rejected)
        values = self.clean + self.rejected if busy else self.clean
        if not values:
            raise ValueError("there are no samples to sum up")
        low, high = quartiles(values)
        return Summary(statistics.median(values), low, high, len(self.clean), len(self.rejected), busy)


@dataclass(frozen=True)
class Summary:
    """What is said of one contender's samples: seconds, numbers, and whether disturbed ones had to be counted."""

    median: float
    low: float
    high: float
    clean: int
    rejected: int
    busy: bool

    def __str__(self) -> str:
        return f"{self.median * 1e3:.3g}{' (busy)' if self.busy else ''}"


@dataclass(frozen=True)
class Ratio:
    """How often dynrnn's time goes into a peer's: above 1 dynrnn is faster.

    Attributes:
        value: ratio of the medians.
        low: the peer's lower quartile over dynrnn's upper one: the least favourable of the two spreads.
        high: the other way round.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Lower and upper quartile, interpolated between samples; a single sample is both."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def ratio(peer: Summary, ours: Summary) -> Ratio:
    """The peer's time over ours."""
    return Ratio(peer.median / ours.median, peer.low / ours.high, peer.high / ours.low)


def timed(call: Callable[[], object]) -> Sample:
    """One call, timed."""
    before = waited_seconds()
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    after = waited_seconds()
    return Sample(seconds, None if before is None or after is None else after - before)


def collect(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    most_rounds: int | None = None,
    budget: float = 30.0,
    pause: float = PAUSE,
    sample: Callable[[Callable[[], object]], Sample] = timed,
) -> dict[str, Samples]:
    """Let the contenders take turns until each has ``rounds`` undisturbed samples.

    Everybody takes part in every round, so that whatever changes slowly changes for all. Two rounds before the first
    are not counted: what is traced, compiled or packed once is done in them.

    Args:
        calls: name -> what to time.
        rounds: undisturbed samples wanted of each.
        most_rounds: give up after so many rounds; 4 times ``rounds`` when None.
        budget: seconds after which no new round starts, once each has one sample.
        pause: seconds to rest before each turn.
        sample: times a call.

    Returns:
        name -> samples.
    """
    found = {name: Samples() for name in calls}
    last = dict.fromkeys(calls, 0.0)
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for name, call in calls.items():
            call()
            last[name] = sample(call).seconds
        start = time.perf_counter()
        for done in range(4 * rounds if most_rounds is None else most_rounds):
            enough = all(len(samples.clean) >= rounds for samples in found.values())
            if enough or (done and time.perf_counter() - start > budget):
                break
            for name, call in calls.items():
                time.sleep(pause)
                if last[name] < WARM_BELOW:
                    call()
                one = sample(call)
                last[name] = one.seconds
                found[name].add(one)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return found
