"""The section that times the drop-in layers, two bidirectional layers deep, against those of ``torch.nn``."""

from __future__ import annotations

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import dynrnn
from benchmarks import work
from benchmarks.cases import MODES, measure
from benchmarks.report import Options, Section
from benchmarks.timing import ratio
from benchmarks.torch_peers import Contender, agree

# The targets: to nn.LSTM on full rows, with lengths to nn.LSTM over the padding, and to packed sequences.
FULL_TARGET = {"infer": 1.05, "train": 1.1}
PADDED_TARGET = {"infer": 1.8, "train": 2.0}
PACKED_TARGET = {"infer": None, "train": 3.0}


def layer_contenders(name: str, shape: work.Shape, lengths: work.Ints) -> dict[str, Contender]:
    """Ours and torch's layer of this name, with the same weights: on full rows, and with lengths."""
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True}
    torch.manual_seed(1)
    theirs = getattr(torch.nn, name)(shape.width, shape.units, **options)
    ours = getattr(dynrnn.nn, name)(shape.width, shape.units, **options)
    ours.load_state_dict(theirs.state_dict())
    rows = torch.from_numpy(lengths)

    def packed(x: torch.Tensor) -> torch.Tensor:
        sequence = pack_padded_sequence(x, rows, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(theirs(sequence)[0], batch_first=True, total_length=shape.steps)[0]

    weights, own_weights = dict(theirs.named_parameters()), dict(ours.named_parameters())
    return {
        "dynrnn": Contender(lambda x: ours(x)[0], own_weights),
        "torch": Contender(lambda x: theirs(x)[0], weights),
        "dynrnn, lengths": Contender(lambda x: ours(x, lengths=rows)[0], own_weights),
        "packed": Contender(packed, weights),
    }


def layers(options: Options) -> Section:
    """``dynrnn.nn.LSTM`` and ``GRU`` against those of ``torch.nn``."""
    header = ["layer", "mode", "dynrnn ms", "torch.nn ms", "ratio", "target"]
    header += ["with lengths ms", "to padding", "target", "packed ms", "to packed", "target"]
    section = Section("Layers, two of them, bidirectional", header)
    shape = work.QUICK_CELL_SHAPE if options.quick else work.CELL_SHAPE
    section.notes.append(
        f"(B,T,I,H) = ({shape}), batch first. First all rows full; then lengths uniform in [0.1 T, T] against torch's "
        "layer over the padded batch, which does not know of lengths, and over packed sequences."
    )
    lengths = work.uniform_lengths(shape)
    x = torch.from_numpy(work.make_inputs(shape))
    wide = work.Shape(shape.batch, shape.steps, shape.width, 2 * shape.units)
    cotangent = torch.from_numpy(work.make_cotangent("lstm", wide))
    for name in ("LSTM", "GRU"):
        contenders = layer_contenders(name, shape, lengths)
        for some, until in ((("dynrnn", "torch"), None), (("dynrnn, lengths", "packed"), lengths)):
            agree({each: contenders[each] for each in some}, x, until)
        for mode in MODES:
            samples = measure(contenders, x, cotangent, mode, options)
            section.count(samples.values())
            full, torch_s, ragged, packed = (each.summary() for each in samples.values())
            targeted = name == "LSTM"
            to_full, to_padding, to_packed = ratio(torch_s, full), ratio(torch_s, ragged), ratio(packed, ragged)
            what = f"nn.{name}, {mode}"
            section.add(
                f"nn.{name}",
                mode,
                full,
                torch_s,
                to_full,
                section.judge(f"{what}, all rows full", to_full.value, least=FULL_TARGET[mode] if targeted else None),
                ragged,
                to_padding,
                section.judge(
                    f"{what}, lengths, ratio to padding",
                    to_padding.value,
                    least=PADDED_TARGET[mode] if targeted else None,
                ),
                packed,
                to_packed,
                section.judge(
                    f"{what}, lengths, ratio to packed",
                    to_packed.value,
                    least=PACKED_TARGET[mode] if targeted else None,
                ),
            )
    return section
