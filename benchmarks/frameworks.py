"""The section about JAX and TensorFlow. Whole processes take turns: dynrnn, the other, dynrnn, the other.

Each framework is in an environment of its own, which ``benchmarks/make_peers.sh`` (``make bench-peers``) makes at the
root of the repository, or whose interpreter an environment variable names. Without it the table says "not run".
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace

from benchmarks import work
from benchmarks.report import Options, Section
from benchmarks.timing import ratio
from benchmarks.worker import ROOT, Reply, Request, ask, key

JAX_TARGET = 2.0
TENSORFLOW_TARGET = 3.0
VISITS = 2


@dataclass(frozen=True)
class Framework:
    """A framework that runs elsewhere.

    Attributes:
        title: what the table calls it.
        module: its worker.
        variable: the environment variable that names its interpreter.
        folders: where its environment may be, below the root of the repository.
        environment: variables set for its worker.
    """

    title: str
    module: str
    variable: str
    folders: tuple[str, ...]
    environment: dict[str, str]

    def python(self) -> str | None:
        """Its interpreter, if there is one."""
        named = os.environ.get(self.variable)
        if named:
            return named
        places = [ROOT / folder / "bin" / "python" for folder in self.folders]
        return next((str(place) for place in places if place.exists()), None)


JAX = Framework(
    "jax.lax.scan",
    "benchmarks.jax_peer",
    "DYNRNN_BENCH_JAX",
    (".bench-jax",),
    {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true"},
)
# The golden files are made with the same TensorFlow.
TENSORFLOW = Framework(
    "TensorFlow dynamic_rnn",
    "benchmarks.tensorflow_peer",
    "DYNRNN_BENCH_TF",
    (".bench-tf", ".goldens-venv"),
    {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
)


def frameworks(options: Options) -> Section:
    """dynrnn against JAX and TensorFlow."""
    header = ["peer", "cell", "B,T,I,H", "mode", "dynrnn ms", "peer ms", "ratio", "target"]
    section = Section("Other frameworks", header)
    section.notes.append(
        "Processes of their own, which take turns, on as many processors as there are threads. Each twice, samples of "
        "both visits together. JAX: jitted, time-major, all rows full. TensorFlow: sequence_length uniform in "
        "[0.1 T, T]."
    )
    shape = work.QUICK_CELL_SHAPE if options.quick else work.CELL_SHAPE
    rounds = 1 if options.quick else max(options.rounds // VISITS, 3)
    asked = Request(
        cells=list(work.CELLS),
        shapes=[list(shape)],
        modes=["infer", "train"],
        ragged=False,
        rounds=rounds,
        threads=options.threads,
        budget=options.budget / VISITS,
        pause=options.pause,
    )
    _compare(section, JAX, asked, options)
    shapes = (shape,) if options.quick else work.TENSORFLOW_SHAPES
    _compare(
        section,
        TENSORFLOW,
        replace(asked, cells=["lstm"], shapes=[list(each) for each in shapes], ragged=True),
        options,
    )
    return section


def _target(framework: Framework, cell: str, mode: str) -> float | None:
    if framework is TENSORFLOW:
        return TENSORFLOW_TARGET if mode == "train" else None
    return None if cell in ("lstm", "rnn") else JAX_TARGET


def _compare(section: Section, framework: Framework, request: Request, options: Options) -> None:
    python = framework.python()
    if python is None:
        section.add(framework.title, "-", "-", "-", "-", "-", "not run", "")
        places = " or ".join(f"`{folder}`" for folder in framework.folders)
        section.remarks.append(
            f"{framework.title}: not run, there is no environment {places}; `make bench-peers` makes one, or "
            f"`{framework.variable}` names an interpreter"
        )
        return
    own: Reply = Reply()
    peer: Reply = Reply()
    try:
        for _ in range(1 if options.quick else VISITS):
            _merge(own, ask(sys.executable, "benchmarks.torch_worker", request))
            # The other one must not find this process's packages.
            _merge(peer, ask(python, framework.module, request, {**framework.environment, "PYTHONPATH": ""}))
    except RuntimeError as error:
        section.add(framework.title, "-", "-", "-", "-", "-", "not run", "")
        section.remarks.append(f"{framework.title}: not run, {error}")
        return
    section.remarks.append(f"{framework.title}: {', '.join(' '.join(each) for each in peer.versions.items())}")
    section.count([*own.samples.values(), *peer.samples.values()])
    for sizes in request.shapes:
        shape = work.Shape(*sizes)
        for cell in request.cells:
            _add(section, framework, request, cell, shape, own, peer)


def _merge(into: Reply, reply: Reply) -> None:
    into.versions |= reply.versions
    into.fingerprints |= reply.fingerprints
    for name, samples in reply.samples.items():
        if name in into.samples:
            into.samples[name].extend(samples)
        else:
            into.samples[name] = samples


def _add(
    section: Section, framework: Framework, request: Request, cell: str, shape: work.Shape, own: Reply, peer: Reply
) -> None:
    name = key(cell, shape)
    if not work.same_fingerprint(own.fingerprints[name], peer.fingerprints[name]):
        section.remarks.append(
            f"{framework.title}, {work.CELLS[cell]} ({shape}): the two do not compute the same, "
            f"{own.fingerprints[name]} and {peer.fingerprints[name]}"
        )
    for mode in request.modes:
        ours, theirs = (reply.samples[key(cell, shape, mode)].summary() for reply in (own, peer))
        found = ratio(theirs, ours)
        what = f"{work.CELLS[cell]} ({shape}) {mode}, ratio to {framework.title}"
        judged = section.judge(what, found.value, least=_target(framework, cell, mode))
        section.add(framework.title, work.CELLS[cell], shape, mode, ours, theirs, found, judged)
