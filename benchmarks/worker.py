"""The processes that frameworks run in: what they are asked, what they answer, how they are started. No PyTorch here.

A worker is a module run as a program. Its argument is a `Request` in JSON; the last line it prints is a `Reply`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import machine, work
from benchmarks.timing import Samples, collect

ROOT = Path(__file__).resolve().parent.parent
# For a worker, with all that it compiles.
TIME_LIMIT = 300.0


@dataclass(frozen=True)
class Request:
    """What to time: each of ``cells`` on each of ``shapes`` in each of ``modes``."""

    cells: list[str]
    shapes: list[list[int]]
    modes: list[str]
    ragged: bool
    rounds: int
    threads: int
    budget: float
    pause: float


@dataclass
class Reply:
    """What came out, by `key`.

    Attributes:
        versions: of the framework.
        samples: the times.
        fingerprints: `work.fingerprint` of each cell on each shape, by which processes see that they did the same.
    """

    versions: dict[str, str] = field(default_factory=dict)
    samples: dict[str, Samples] = field(default_factory=dict)
    fingerprints: dict[str, list[float]] = field(default_factory=dict)


# (cell, shape, lengths) -> calls by mode, and the fingerprint.
Build = Callable[[str, work.Shape, "work.Ints | None"], tuple[dict[str, Callable[[], object]], list[float]]]


def key(cell: str, shape: work.Shape, mode: str = "") -> str:
    """Name of one measurement."""
    return f"{cell} {shape} {mode}".strip()


def read_request() -> Request:
    """This worker's request; the process is put onto as many processors as it may have threads."""
    request = Request(**json.loads(sys.argv[1]))
    machine.pin(request.threads)
    return request


def answer(request: Request, versions: dict[str, str], build: Build) -> None:
    """Do what is asked with a framework's ``build``, and print the reply."""
    reply = Reply(versions)
    for sizes in request.shapes:
        shape = work.Shape(*sizes)
        lengths = work.uniform_lengths(shape) if request.ragged else None
        for cell in request.cells:
            calls, reply.fingerprints[key(cell, shape)] = build(cell, shape, lengths)
            wanted = {key(cell, shape, mode): calls[mode] for mode in request.modes}
            reply.samples |= collect(wanted, request.rounds, budget=request.budget, pause=request.pause)
    print()
    print(json.dumps(asdict(reply)))


def ask(python: str, module: str, request: Request, environment: dict[str, str] | None = None) -> Reply:
    """Start a worker and wait for its reply.

    Raises:
        RuntimeError: it failed, or did not end.
    """
    reply = json.loads(run_module(python, module, json.dumps(asdict(request)), environment=environment))
    samples = {name: Samples(**each) for name, each in reply["samples"].items()}
    return Reply(reply["versions"], samples, reply["fingerprints"])


def run_module(python: str, module: str, *words: str, environment: dict[str, str] | None = None) -> str:
    """Run a module of this package with an interpreter, from the root of the repository.

    Returns:
        The last line that it prints.

    Raises:
        RuntimeError: it failed, or did not end.
    """
    variables = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(
            [python, "-m", module, *words],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{module}: {type(error).__name__}: {error}"[:200]) from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        raise RuntimeError(f"{module}: status {done.returncode}: {last[0]}"[:300])
    return done.stdout.strip().splitlines()[-1]
