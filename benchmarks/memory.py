"""The section about peak memory, and the fresh process it starts for each figure.

``python -m benchmarks.memory dynrnn|nn.LSTM B,T,I,H THREADS`` trains a few steps and prints what it took.
"""

from __future__ import annotations

import json
import sys

from benchmarks import machine, work
from benchmarks.report import Options, Section
from benchmarks.worker import run_module

TRAINING_STEPS = 4
VISITS = 2
MIB = 1 << 20


def memory(options: Options) -> Section:
    """Peak memory of training, dynrnn against ``nn.LSTM``."""
    section = Section("Peak memory in training", ["B,T,I,H", "dynrnn MiB", "nn.LSTM MiB", "ratio", "target"])
    section.notes.append(
        "LSTM, all rows full. Whole processes, each fresh, Python and PyTorch included: the most that was resident, "
        "and in brackets what was resident before the first step, inputs and weights included. The lower of two "
        "runs each. The ratio is dynrnn's peak over nn.LSTM's."
    )
    for shape in work.QUICK_LSTM_SHAPES[:1] if options.quick else work.LSTM_SHAPES:
        best: dict[str, tuple[int, int]] = {}
        for _ in range(1 if options.quick else VISITS):
            for name in ("dynrnn", "nn.LSTM"):
                said = run_module(sys.executable, "benchmarks.memory", name, str(shape), str(options.threads))
                figures = json.loads(said)
                found = (figures["peak"], figures["before"])
                best[name] = min(best.get(name, found), found)
        (ours, ours_before), (peer, peer_before) = best["dynrnn"], best["nn.LSTM"]
        section.add(
            shape,
            f"{ours / MIB:.0f} ({ours_before / MIB:.0f})",
            f"{peer / MIB:.0f} ({peer_before / MIB:.0f})",
            f"{ours / peer:.3f}",
            section.judge(f"({shape}), peak over nn.LSTM's", ours / peer, most=1.0),
        )
    return section


def main() -> None:
    """Be the fresh process."""
    name, sizes, threads = sys.argv[1:]
    shape = work.Shape(*map(int, sizes.split(",")))
    import torch  # what each contender does not need, its process does not load

    torch.set_num_threads(int(threads))
    from benchmarks.torch_peers import layer_contender, work_tensors

    if name == "dynrnn":
        from benchmarks.own import own_contender

        contender = own_contender("lstm", shape)
    else:
        contender = layer_contender("lstm", shape)
    call = contender.call(*work_tensors("lstm", shape), True)
    before = machine.resident_bytes()
    for _ in range(TRAINING_STEPS):
        call()
    print(json.dumps({"peak": machine.peak_bytes(), "before": before or 0}))


if __name__ == "__main__":
    main()
