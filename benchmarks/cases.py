"""The sections that time dynrnn against what else there is in PyTorch, all in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks import work
from benchmarks.own import own_contender
from benchmarks.report import Options, Section
from benchmarks.timing import Samples, Summary, collect, ratio
from benchmarks.torch_peers import (
    Contender,
    agree,
    compiled_contender,
    has_layer,
    layer_contender,
    layer_name,
    loop_contender,
    only_ready,
    packed_contender,
    prepare_compiler,
    scan_contender,
    work_tensors,
)

MODES = ("infer", "train")
# Seconds for a contender to be compiled, in both modes.
COMPILE_LIMIT = 60

# The targets.
FULL_TARGET = {"infer": 1.05, "train": 1.10}
PADDED_TARGET = {"infer": 1.75, "train": 1.9}
LOOP_TARGET = 3.0
GFLOPS_SHARE_TARGET = 0.75
LENGTH_COST_TARGET = 1.6
TARGETED_CELLS = frozenset({"gru", "gru_cudnn", "norm_lstm", "peephole_lstm", "highway"})


def packed_target(shape: work.Shape) -> float:
    """The least ratio to packed sequences in training."""
    return 4.0 if shape.steps >= 100 and shape.batch <= 32 and shape.units <= 128 else 2.3


def measure(
    contenders: dict[str, Contender], x: torch.Tensor, cotangent: torch.Tensor, mode: str, options: Options
) -> dict[str, Samples]:
    """Samples of each contender."""
    calls = {name: each.call(x, cotangent, mode == "train") for name, each in contenders.items()}
    return collect(calls, options.rounds, budget=options.budget, pause=options.pause)


def gflops(cell: str, shape: work.Shape, valid_steps: int, mode: str, seconds: float) -> float:
    """Speed of the matrix products; training has two more for each."""
    return work.product_flops(cell, shape) * valid_steps * (3 if mode == "train" else 1) / seconds * 1e-9


def _summaries(section: Section, samples: dict[str, Samples]) -> dict[str, Summary]:
    section.count(samples.values())
    return {name: each.summary() for name, each in samples.items()}


def lstm_full(options: Options) -> Section:
    """All rows full: against ``nn.LSTM``."""
    header = [
        "B,T,I,H",
        "mode",
        "dynrnn ms",
        "GFLOP/s",
        "nn.LSTM ms",
        "ratio",
        "target",
        "both time-major: ms, ms, ratio",
    ]
    section = Section("LSTM, all rows full", header)
    section.notes.append("Both take [B, T, I] and give [B, T, H]; the last column is for [T, B, I] and [T, B, H].")
    for shape in work.QUICK_LSTM_SHAPES if options.quick else work.LSTM_SHAPES:
        x, cotangent = work_tensors("lstm", shape)
        contenders = {
            "dynrnn": own_contender("lstm", shape),
            "nn.LSTM": layer_contender("lstm", shape),
            "dynrnn, time-major": own_contender("lstm", shape, time_major=True),
            "nn.LSTM, time-major": layer_contender("lstm", shape, time_major=True),
        }
        agree(contenders, x)
        for mode in MODES:
            ours, peer, ours_t, peer_t = _summaries(section, measure(contenders, x, cotangent, mode, options)).values()
            found = ratio(peer, ours)
            section.add(
                shape,
                mode,
                ours,
                f"{gflops('lstm', shape, shape.batch * shape.steps, mode, ours.median):.0f}",
                peer,
                found,
                section.judge(f"({shape}) {mode}, ratio to nn.LSTM", found.value, least=FULL_TARGET[mode]),
                f"{ours_t}, {peer_t}, {ratio(peer_t, ours_t).value:.2f}",
            )
    return section


def lstm_ragged(options: Options) -> Section:
    """Unequal lengths: against ``nn.LSTM`` on the padding and on packed sequences."""
    header = ["B,T,I,H", "mode", "valid", "dynrnn ms", "GFLOP/s", "padding ms", "ratio", "target"]
    section = Section("LSTM, lengths uniform in [0.1 T, T]", [*header, "packed ms", "ratio", "target"])
    section.notes.append(
        "`padding` is nn.LSTM over the padded batch, which does not know of lengths. `packed` is "
        "pack_padded_sequence, nn.LSTM, pad_packed_sequence. `valid` is the part of the batch that is no padding; "
        "GFLOP/s count that part only."
    )
    for shape in work.QUICK_LSTM_SHAPES if options.quick else work.LSTM_SHAPES:
        if shape.batch == 1:
            continue
        x, cotangent = work_tensors("lstm", shape)
        lengths = work.uniform_lengths(shape)
        contenders = {
            "dynrnn": own_contender("lstm", shape, lengths),
            "padding": layer_contender("lstm", shape),
            "packed": packed_contender("lstm", shape, lengths),
        }
        agree(contenders, x, lengths)
        total = int(lengths.sum())
        for mode in MODES:
            ours, padding, packed = _summaries(section, measure(contenders, x, cotangent, mode, options)).values()
            to_padding, to_packed = ratio(padding, ours), ratio(packed, ours)
            wanted = packed_target(shape) if mode == "train" else None
            section.add(
                shape,
                mode,
                f"{total / (shape.batch * shape.steps):.2f}",
                ours,
                f"{gflops('lstm', shape, total, mode, ours.median):.0f}",
                padding,
                to_padding,
                section.judge(f"({shape}) {mode}, ratio to padding", to_padding.value, least=PADDED_TARGET[mode]),
                packed,
                to_packed,
                section.judge(f"({shape}) {mode}, ratio to packed", to_packed.value, least=wanted),
            )
    return section


def cells(options: Options) -> Section:
    """Other cells: against what PyTorch users can do."""
    header = ["cell", "mode", "dynrnn ms", "GFLOP/s", "of own LSTM's", "target", "eager loop", "target"]
    section = Section("Cells", [*header, "compiled step", "scan operator", "torch.nn"])
    shape = work.QUICK_CELL_SHAPE if options.quick else work.CELL_SHAPE
    section.notes.append(
        f"(B,T,I,H) = ({shape}), all rows full; the columns from `eager loop` on are ratios. `compiled step` is the "
        "eager loop over torch.compile of the step, `scan operator` is torch's own, compiled; both without the time "
        f"they take to compile, which is limited to {COMPILE_LIMIT} s each."
    )
    own_lstm = own_contender("lstm", shape)
    for cell, title in work.CELLS.items():
        x, cotangent = work_tensors(cell, shape)
        contenders = {"dynrnn": own_contender(cell, shape), "loop": loop_contender(cell, shape)}
        if has_layer(cell):
            contenders["torch.nn"] = layer_contender(cell, shape)
        if options.compiled:
            contenders |= _compiled(section, cell, shape, x, cotangent)
        agree(contenders, x)
        for mode in MODES:
            calls = {name: each.call(x, cotangent, mode == "train") for name, each in contenders.items()}
            calls["own LSTM"] = own_lstm.call(*work_tensors("lstm", shape), mode == "train")
            found = _summaries(section, collect(calls, options.rounds, budget=options.budget, pause=options.pause))
            ours = found["dynrnn"]
            steps = shape.batch * shape.steps
            speed = gflops(cell, shape, steps, mode, ours.median)
            share = speed / gflops("lstm", shape, steps, mode, found["own LSTM"].median)
            to_loop = ratio(found["loop"], ours)
            targeted = cell in TARGETED_CELLS
            section.add(
                title,
                mode,
                ours,
                f"{speed:.0f}",
                f"{share:.0%}",
                section.judge(
                    f"{title}, {mode}, GFLOP/s over the LSTM's", share, least=GFLOPS_SHARE_TARGET if targeted else None
                ),
                to_loop,
                section.judge(
                    f"{title}, {mode}, ratio to the eager loop", to_loop.value, least=LOOP_TARGET if targeted else None
                ),
                *(
                    f"{ratio(found[name], ours)}{suffix}" if name in found else "-"
                    for name, suffix in (
                        ("compiled step", ""),
                        ("scan operator", ""),
                        ("torch.nn", f" {layer_name(cell)}" if has_layer(cell) else ""),
                    )
                ),
            )
    return section


def _compiled(
    section: Section, cell: str, shape: work.Shape, x: torch.Tensor, cotangent: torch.Tensor
) -> dict[str, Contender]:
    """Those compiled contenders that work, with a remark about the others."""
    prepare_compiler()

    def ready(contender: Contender) -> None:
        for train in (False, True):
            contender.call(x, cotangent, train)()

    candidates: dict[str, Callable[[], Contender]] = {
        "compiled step": partial(compiled_contender, cell, shape),
        "scan operator": partial(scan_contender, cell, shape),
    }
    found, failed = only_ready(candidates, ready, COMPILE_LIMIT)
    section.remarks += [f"{name} of {work.CELLS[cell]}: not run, {reason}" for name, reason in failed.items()]
    return found


def length_cost(options: Options) -> Section:
    """One long row among short ones: what a step of a row costs, against the full batch."""
    header = ["B,T,I,H", "mode", "full ms", "ragged ms", "valid", "cost", "target"]
    section = Section("Cost against length", header)
    section.notes.append(
        "LSTM; one row is full, the rest have 5 % of its length. `cost` is the time over sum(lengths) times the "
        "full-length batch's time per step and row: 1 would be a cost that follows the lengths exactly."
    )
    shape = work.QUICK_LONG_SHAPE if options.quick else work.LONG_SHAPE
    lengths = work.one_full_length(shape)
    x, cotangent = work_tensors("lstm", shape)
    contenders = {"full": own_contender("lstm", shape), "ragged": own_contender("lstm", shape, lengths)}
    for mode in MODES:
        full, ragged = _summaries(section, measure(contenders, x, cotangent, mode, options)).values()
        share = float(lengths.sum()) / (shape.batch * shape.steps)
        cost = ragged.median / (full.median * share)
        judged = section.judge(f"{mode}, cost", cost, most=LENGTH_COST_TARGET)
        section.add(shape, mode, full, ragged, f"{share:.3f}", f"{cost:.2f}", judged)
    return section
