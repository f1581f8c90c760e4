"""LSTM over unequal lengths: dynrnn against what PyTorch users do today, side by side in one process.

Contenders take turns, so that a busy machine disturbs all alike; what counts are medians and their ratios. Run it with
``make bench``; it rewrites ``benchmarks/RESULTS.md``. ``--quick`` runs each contender twice on one small shape and
writes nothing.

Contenders, all with the same sizes and float32:

* ``dynrnn``: ``dynamic_rnn`` of ``BasicLSTMCell`` with ``sequence_length``.
* ``padding``: ``torch.nn.LSTM`` over the padded batch (computes the padding, and does not zero it).
* ``packed``: ``pack_padded_sequence``, ``torch.nn.LSTM``, ``pad_packed_sequence``.
* ``loop``: a Python loop over ``torch.nn.LSTMCell`` with the same masking by lengths.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import dynrnn

RESULTS = Path(__file__).with_name("RESULTS.md")
# (batch, steps, input width, units)
SHAPES = [(128, 28, 128, 128), (32, 100, 128, 128), (16, 500, 64, 64)]
Contender = Callable[[torch.Tensor], torch.Tensor]


def contenders(width: int, units: int, lengths: torch.Tensor) -> dict[str, tuple[Contender, torch.nn.Module]]:
    """Name -> (function from inputs to outputs, the module whose weights it trains)."""
    cell = dynrnn.cells.BasicLSTMCell(units, input_size=width)
    layer = torch.nn.LSTM(width, units, batch_first=True)
    one = torch.nn.LSTMCell(width, units)

    def packed(x: torch.Tensor) -> torch.Tensor:
        sequence = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return torch.nn.utils.rnn.pad_packed_sequence(layer(sequence)[0], batch_first=True)[0]

    def loop(x: torch.Tensor) -> torch.Tensor:
        h, c = x.new_zeros(len(x), units), x.new_zeros(len(x), units)
        outputs = []
        for t, step in enumerate(x.unbind(1)):
            live = (lengths > t).unsqueeze(1)
            new_h, new_c = one(step, (h, c))
            outputs.append(torch.where(live, new_h, 0.0))
            h, c = torch.where(live, new_h, h), torch.where(live, new_c, c)
        return torch.stack(outputs, 1)

    return {
        "dynrnn": (lambda x: dynrnn.dynamic_rnn(cell, x, lengths, dtype=torch.float32)[0], cell),
        "padding": (lambda x: layer(x)[0], layer),
        "packed": (packed, layer),
        "loop": (loop, one),
    }


def timed(contender: Contender, module: torch.nn.Module, x: torch.Tensor, train: bool) -> float:
    """Seconds of one forward pass, and the backward pass when training."""
    module.zero_grad(set_to_none=True)
    start = time.perf_counter()
    if train:
        contender(x).sum().backward()
    else:
        with torch.no_grad():
            contender(x)
    return time.perf_counter() - start


def measure(shape: tuple[int, int, int, int], train: bool, rounds: int) -> tuple[dict[str, float], float]:
    """Median seconds of each contender, and the share of the padded batch that is valid."""
    batch, steps, width, units = shape
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(max(steps // 10, 1), steps + 1, (batch,), generator=generator)
    lengths[0] = steps
    x = torch.randn(batch, steps, width, generator=generator)
    group = contenders(width, units, lengths)
    samples: dict[str, list[float]] = {name: [] for name in group}
    for round_number in range(rounds + 1):
        for name, (contender, module) in group.items():
            seconds = timed(contender, module, x, train)
            if round_number:  # the first round warms up
                samples[name].append(seconds)
    return {name: statistics.median(values) for name, values in samples.items()}, float(lengths.sum()) / (batch * steps)


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small shape, two rounds, nothing written")
    parser.add_argument("--rounds", type=int, default=9, help="samples of each contender (default 9)")
    options = parser.parse_args()
    shapes, rounds = ([(4, 6, 8, 8)], 2) if options.quick else (SHAPES, options.rounds)
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench`. Milliseconds are medians of alternating samples in one process; the ratio is the",
        "peer's time over dynrnn's, so above 1 dynrnn is faster. Lengths are uniform in [0.1 T, T].",
        "dynrnn runs its reference executor here: one Python step per time step, dead rows computed along.",
        "",
        f"PyTorch {torch.__version__}, dynrnn {dynrnn.__version__}, {torch.get_num_threads()} threads, "
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}.",
        "",
        "| B,T,I,H | mode | valid | dynrnn ms | padding ms (ratio) | packed ms (ratio) | loop ms (ratio) |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape in shapes:
        for train in (False, True):
            medians, valid = measure(shape, train, rounds)
            ours = medians["dynrnn"]
            peers = [f"{medians[p] * 1e3:.1f} ({medians[p] / ours:.2f})" for p in ("padding", "packed", "loop")]
            lines.append(
                f"| {','.join(map(str, shape))} | {'train' if train else 'infer'} | {valid:.2f} | {ours * 1e3:.1f} | "
                + " | ".join(peers)
                + " |"
            )
            print(lines[-1], flush=True)
    if not options.quick:
        temporary = RESULTS.with_suffix(".tmp")
        temporary.write_text("\n".join(lines) + "\n")
        temporary.replace(RESULTS)


if __name__ == "__main__":
    main()
