"""The section about errors: dynrnn and its peers against the same computation in float64, and from run to run."""

from __future__ import annotations

import torch
from torch.nn import functional

from benchmarks import work
from benchmarks.own import own_contender
from benchmarks.report import Options, Section
from benchmarks.torch_cells import plain_cell
from benchmarks.torch_peers import (
    Contender,
    has_layer,
    layer_contender,
    layer_name,
    loop_contender,
    packed_contender,
    to_layer,
    work_tensors,
)

OUTPUT_TARGET = 2e-6
GRADIENT_TARGET = 5e-6

Results = dict[str, torch.Tensor]


def reference(cell: str, shape: work.Shape, lengths: work.Ints | None) -> Results:
    """Outputs and gradients in float64, by a loop in plain torch over the rows that are live, and no others.

    Returns:
        ``outputs``, ``x``, and the weights by their names.
    """
    module = plain_cell(cell, shape).double()
    x, cotangent = (tensor.double() for tensor in work_tensors(cell, shape))
    x.requires_grad_()
    rows = torch.full([shape.batch], shape.steps) if lengths is None else torch.from_numpy(lengths)
    order = torch.argsort(rows, descending=True, stable=True)
    sorted_x = x[order]
    outputs = []
    state = module.zero_state(shape.batch, torch.float64)
    for t in range(int(rows.max())):
        live = int((rows > t).sum())
        state = tuple(part[:live] for part in state) if isinstance(state, tuple) else state[:live]
        y, state = module(sorted_x[:live, t], state)
        outputs.append(functional.pad(y, (0, 0, 0, shape.batch - live)))
    result = torch.stack(outputs, 1)[torch.argsort(order)]
    parameters = dict(module.named_parameters())
    gradients = torch.autograd.grad(result, [x, *parameters.values()], cotangent)
    return {"outputs": result.detach(), **dict(zip(["x", *parameters], gradients, strict=True))}


def computed(contender: Contender, cell: str, shape: work.Shape) -> Results:
    """Outputs and gradients of a contender, under its own names."""
    x, cotangent = work_tensors(cell, shape)
    outputs, *gradients = contender.call(x, cotangent, True)()
    return {"outputs": outputs.detach(), **dict(zip(["x", *contender.parameters], gradients, strict=True))}


def errors(results: Results, expected: Results) -> tuple[float, float]:
    """Largest error of the outputs, and of any gradient, each relative to the largest element of its tensor."""
    worst = {}
    for name, value in results.items():
        exact = expected[name]
        worst[name] = float((value.double() - exact).abs().max() / exact.abs().max().clamp_min(1e-300))
    return worst.pop("outputs"), max(worst.values())


def as_layer(expected: Results, cell: str, width: int) -> Results:
    """Reference gradients under the names of a layer of ``torch.nn``; its second bias has the first one's gradient."""
    weights = {name: value for name, value in expected.items() if name not in ("outputs", "x")}
    named = to_layer(cell, weights, width)
    if cell != "gru_cudnn":
        named["bias_hh_l0"] = named["bias_ih_l0"]
    return {"outputs": expected["outputs"], "x": expected["x"], **named}


def numerics(options: Options) -> Section:
    """Errors against float64 of dynrnn and of a peer, and whether a second run gives the same bits."""
    header = ["work", "lengths", "outputs", "target", "gradients", "target", "same bits again", "target", "peer"]
    section = Section("Numerics", [*header, "its outputs", "its gradients"])
    section.notes.append(
        "Largest error against the same computation in float64, relative to the largest element of each tensor; of the "
        "gradients (inputs and every weight) the worst tensor. `same bits again`: outputs and gradients of a second "
        "run."
    )
    lstm_shapes = work.QUICK_LSTM_SHAPES if options.quick else work.LSTM_SHAPES
    cell_shape = work.QUICK_CELL_SHAPE if options.quick else work.CELL_SHAPE
    long_shape = work.QUICK_LONG_SHAPE if options.quick else work.LONG_SHAPE
    jobs: list[tuple[str, work.Shape, work.Ints | None, str]] = []
    for shape in lstm_shapes:
        jobs.append(("lstm", shape, None, "full"))
        if shape.batch > 1:
            jobs.append(("lstm", shape, work.uniform_lengths(shape), "uniform"))
    jobs.append(("lstm", long_shape, work.one_full_length(long_shape), "one full"))
    jobs += [(cell, cell_shape, None, "full") for cell in work.CELLS if cell != "lstm"]
    for cell, shape, lengths, kind in jobs:
        _add(section, cell, shape, lengths, kind)
    return section


def _add(section: Section, cell: str, shape: work.Shape, lengths: work.Ints | None, kind: str) -> None:
    expected = reference(cell, shape, lengths)
    ours = own_contender(cell, shape, lengths)
    first, second = (computed(ours, cell, shape) for _ in range(2))
    same = all(torch.equal(first[name], second[name]) for name in first)
    outputs, gradients = errors(first, expected)
    if not has_layer(cell):
        peer_name, peer = "eager loop", loop_contender(cell, shape)
        peer_errors = errors(computed(peer, cell, shape), expected)
    else:
        packed = lengths is not None
        peer_name = f"{layer_name(cell)}{' packed' if packed else ''}"
        peer = layer_contender(cell, shape) if lengths is None else packed_contender(cell, shape, lengths)
        peer_errors = errors(computed(peer, cell, shape), as_layer(expected, cell, shape.width))
    what = f"{work.CELLS[cell]} ({shape}) {kind}"
    section.add(
        f"{work.CELLS[cell]} ({shape})",
        kind,
        f"{outputs:.1e}",
        section.judge(f"{what}, error of outputs", outputs, most=OUTPUT_TARGET),
        f"{gradients:.1e}",
        section.judge(f"{what}, error of gradients", gradients, most=GRADIENT_TARGET),
        "yes" if same else "no",
        section.judge(f"{what}, same bits", float(same), least=1).replace(">= 1", "yes"),
        peer_name,
        *(f"{error:.1e}" for error in peer_errors),
    )
