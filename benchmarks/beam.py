"""Beam search with attention, against a loop in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.report import Options, Section
from benchmarks.seq2seq import MECHANISMS, Batch, Loop, Own, Shape, batch_of
from benchmarks.timing import collect, ratio
from dynrnn import dynamic_rnn, seq2seq

TARGET = 2.0
BEAMS = 5
START, END = 0, 1
SHAPES = (Shape(32, 50, 50, 256, 1000),)
QUICK_SHAPES = (Shape(3, 5, 4, 8, 11),)


def own_search(model: Own, batch: Batch, steps: int) -> Callable[[], torch.Tensor]:
    """A function that returns the sequences [B, T, K], by `BeamSearchDecoder`."""
    rows = len(batch.source)

    @torch.no_grad()
    def search() -> torch.Tensor:
        memory, state = dynamic_rnn(model.encoder, model.source(batch.source), batch.source_lengths)
        lengths = batch.source_lengths
        tiled, state = seq2seq.tile_batch((memory, state), BEAMS)
        model.mechanism.setup_memory(tiled, None if lengths is None else seq2seq.tile_batch(lengths, BEAMS))
        start = model.decoder.zero_state(rows * BEAMS).clone(cell_state=state)
        decoder = seq2seq.BeamSearchDecoder(
            model.decoder, model.target, torch.full((rows,), START), END, start, BEAMS, model.output
        )
        return seq2seq.dynamic_decode(decoder, maximum_iterations=steps)[0].predicted_ids

    return search


def loop_search(model: Loop, batch: Batch, steps: int) -> Callable[[], torch.Tensor]:
    """The same by a loop."""

    @torch.no_grad()
    def search() -> torch.Tensor:
        memory, h, c, mask = model.encode(batch)
        rows = len(memory)
        keys = model.memory(memory).repeat_interleave(BEAMS, 0)
        memory, h, c = (part.repeat_interleave(BEAMS, 0) for part in (memory, h, c))
        mask = None if mask is None else mask.repeat_interleave(BEAMS, 0)
        attention = torch.zeros_like(h)
        words = torch.full((rows * BEAMS,), START)
        totals = torch.full((rows, BEAMS), -torch.inf)
        totals[:, 0] = 0
        done = torch.zeros((rows, BEAMS), dtype=torch.bool)
        written = torch.empty((rows, BEAMS, 0), dtype=torch.long)
        first = torch.arange(0, rows * BEAMS, BEAMS).unsqueeze(1)
        for _ in range(steps):
            h, c = model.cell(torch.cat([model.target(words), attention], 1), (h, c))
            if model.kind == "bahdanau":
                score = torch.tanh(keys + model.query(h).unsqueeze(1)) @ model.v
            else:
                score = torch.bmm(keys, h.unsqueeze(2)).squeeze(2)
            if mask is not None:
                score = score.masked_fill(mask, -torch.inf)
            context = torch.bmm(torch.softmax(score, 1).unsqueeze(1), memory).squeeze(1)
            attention = model.attention(torch.cat([h, context], 1))
            logs = torch.log_softmax(model.output(attention), 1).unflatten(0, (rows, BEAMS))
            vocabulary = logs.shape[2]
            only_end = torch.full((vocabulary,), -torch.inf)
            only_end[END] = 0
            logs = torch.where(done.unsqueeze(2), only_end, logs) + totals.unsqueeze(2)
            totals, places = logs.flatten(1).topk(BEAMS)
            parents, chosen = places // vocabulary, places % vocabulary
            from_rows = (first + parents).flatten()
            h, c, attention = (part.index_select(0, from_rows) for part in (h, c, attention))
            done = done.gather(1, parents) | (chosen == END)
            written = written.gather(1, parents.unsqueeze(2).expand_as(written))
            written = torch.cat([written, chosen.unsqueeze(2)], 2)
            words = chosen.flatten()
            if bool(done.all()):
                break
        return written.transpose(1, 2)

    return search


def beam(options: Options) -> Section:
    """Beam search of a model with attention."""
    section = Section(
        "Sequence to sequence with attention, beam search",
        ["B,S,T,H,words", "attention", "sources", "dynrnn ms", "loop ms", "ratio", "target"],
    )
    section.notes.append(
        f"The models of the training step, untrained and kept from ending before T, with {BEAMS} beams. `loop` has the "
        "memory's keys made once and moves states, totals and what is written by index at every step."
    )
    for shape in QUICK_SHAPES if options.quick else SHAPES:
        for kind in MECHANISMS:
            torch.manual_seed(0)
            own = Own(shape, kind)
            with torch.no_grad():
                own.output.bias[END] = -1e4
                own.output.weight *= 20  # choices that rounding does not decide
            loop = Loop(own, shape, kind)
            for ragged in (False, True):
                batch = batch_of(shape, ragged)
                calls = {
                    "dynrnn": own_search(own, batch, shape.target),
                    "loop": loop_search(loop, batch, shape.target),
                }
                found = [call() for call in calls.values()]
                same = float((found[0] == found[1]).all(1).all(1).float().mean())
                if same < 0.9:
                    raise AssertionError(f"only {same:.0%} of the rows have the same sequences")
                samples = collect(calls, options.rounds, budget=options.budget, pause=options.pause)
                section.count(samples.values())
                ours, peer = (each.summary() for each in samples.values())
                gained = ratio(peer, ours)
                sources = "ragged" if ragged else "full"
                judged = section.judge(f"({shape}) {kind}, {sources}, ratio to the loop", gained.value, least=TARGET)
                section.add(shape, kind, sources, ours, peer, gained, judged)
    return section
