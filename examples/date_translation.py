"""Dates as people write them, translated to ISO 8601, letter by letter: "Tue, 3 March 1998" -> "1998-03-03".

A bidirectional LSTM reads the letters; an LSTM with Bahdanau attention writes the answer, fed with the right letters
in training and by beam search afterwards. The dates are made by this program. It prints how many unseen dates come out
exactly right, and draws where the writer looked at while it wrote (date_alignments.png).

    python examples/date_translation.py [--steps 300] [--picture date_alignments.png]
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import random
from collections.abc import Iterator

import torch
from torch import nn
from tqdm import tqdm

import dynrnn
from dynrnn import seq2seq
from dynrnn.cells import LSTMCell, LSTMStateTuple

# Every way of writing, with strftime's codes; "#%d" and "#%m" without leading zeros, "#th" an ordinal's ending.
WAYS = [
    "#%d %B %Y", "#%d %b %Y", "%B #%d, %Y", "%b #%d %Y", "%A, #%d %B %Y", "%a #%d %b %Y", "%d.%m.%Y", "#%d.#%m.%Y",
    "%d/%b/%Y", "%d-%b-%y", "%Y/%m/%d", "%Y%m%d", "the #%d#th of %B %Y", "%A %B #%d %Y", "%b. #%d, %Y", "%d %b '%y",
]  # fmt: skip
FIRST, LAST = datetime.date(1970, 1, 1), datetime.date(2029, 12, 31)
LETTERS = ["<pad>", "<start>", "<end>", *" ',-./0123456789abcdefghijklmnopqrstuvwxyz"]
NUMBER = {letter: number for number, letter in enumerate(LETTERS)}
START, END = NUMBER["<start>"], NUMBER["<end>"]


def write(date: datetime.date, way: str) -> str:
    """``date`` in one of the ways."""
    ending = "th" if date.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(date.day % 10, "th")
    way = way.replace("#%d", str(date.day)).replace("#%m", str(date.month)).replace("#th", ending)
    return date.strftime(way).lower()


def pairs(generator: random.Random, unseen: bool = False) -> Iterator[tuple[str, str]]:
    """Human dates and their ISO form, without end; every tenth day is kept for ``unseen``."""
    days = (LAST - FIRST).days
    while True:
        date = FIRST + datetime.timedelta(days=generator.randint(0, days))
        if (date.toordinal() % 10 == 0) is unseen:
            yield write(date, generator.choice(WAYS)), date.isoformat()


def batch_of(examples: list[tuple[str, str]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Numbers of letters: sources and their lengths; what the writer is fed, and what it is to write."""
    sources = [torch.tensor([NUMBER[letter] for letter in human]) for human, _ in examples]
    targets = torch.tensor([[NUMBER[letter] for letter in iso] for _, iso in examples])
    start, end = (torch.full((len(examples), 1), token) for token in (START, END))
    return (
        nn.utils.rnn.pad_sequence(sources, batch_first=True),
        torch.tensor([len(source) for source in sources]),
        torch.cat([start, targets], 1),
        torch.cat([targets, end], 1),
    )


class Translator(nn.Module):
    """Reader, attention and writer."""

    def __init__(self, units: int = 64) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), 32)
        self.forwards = LSTMCell(units, input_size=32)
        self.backwards = LSTMCell(units, input_size=32)
        self.attention = seq2seq.BahdanauAttention(2 * units, memory_size=2 * units, query_size=2 * units)
        self.writer = seq2seq.AttentionWrapper(
            LSTMCell(2 * units), self.attention, attention_layer_size=2 * units, alignment_history=True, input_size=32
        )
        self.choice = nn.Linear(2 * units, len(LETTERS))

    def read(self, sources: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, LSTMStateTuple]:
        """What was read at every letter, and a state to begin to write with."""
        outputs, states = dynrnn.bidirectional_dynamic_rnn(
            self.forwards, self.backwards, self.letters(sources), lengths, dtype=torch.float32
        )
        c, h = (torch.cat(parts, 1) for parts in zip(*states, strict=True))
        return torch.cat(outputs, 2), LSTMStateTuple(c, h)

    def forward(self, sources: torch.Tensor, lengths: torch.Tensor, fed: torch.Tensor) -> torch.Tensor:
        """Logits [B, T, letters] when fed with the right letters."""
        memory, state = self.read(sources, lengths)
        self.attention.setup_memory(memory, lengths)
        start = self.writer.zero_state(len(fed), torch.float32).clone(cell_state=state)
        helper = seq2seq.TrainingHelper(self.letters(fed), [fed.shape[1]] * len(fed))
        outputs, _, _ = seq2seq.dynamic_decode(seq2seq.BasicDecoder(self.writer, helper, start, self.choice))
        return outputs.rnn_output

    @torch.no_grad()
    def translate(self, texts: list[str], beams: int = 4) -> tuple[list[str], torch.Tensor]:
        """The best translation of each text, and where it looked: [letters written, texts, letters read]."""
        sources, lengths, _, _ = batch_of([(text, "") for text in texts])
        memory, state = self.read(sources, lengths)
        self.attention.setup_memory(*seq2seq.tile_batch((memory, lengths), beams))
        start = self.writer.zero_state(len(texts) * beams, torch.float32)
        decoder = seq2seq.BeamSearchDecoder(
            self.writer,
            self.letters,
            torch.full((len(texts),), START),
            END,
            start.clone(cell_state=seq2seq.tile_batch(state, beams)),
            beams,
            self.choice,
        )
        outputs, final, lengths = seq2seq.dynamic_decode(decoder, maximum_iterations=12)
        best = outputs.predicted_ids[:, :, 0].tolist()
        words = ["".join(LETTERS[n] for n in row[: row.index(END) if END in row else None]) for row in best]
        return words, final.cell_state.alignment_history[:, ::beams]


def draw(path: str, texts: list[str], words: list[str], alignments: torch.Tensor) -> None:
    """Write the picture: what was read from left to right, what was written from top to bottom."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(texts), figsize=(4.2 * len(texts), 4.4), layout="constrained")
    for axis, text, word, weights in zip(axes, texts, words, alignments.unbind(1), strict=True):
        axis.imshow(weights[: len(word), : len(text)], cmap="magma", vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(len(text)), list(text))
        axis.set_yticks(range(len(word)), list(word))
        axis.set_title(f"{text}\n{word}")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    """Train, count, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="training steps (default 300)")
    parser.add_argument("--picture", default="date_alignments.png", help="where to draw the alignments")
    options = parser.parse_args()
    torch.manual_seed(1)
    made = pairs(random.Random(1))
    model = Translator()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.008, total_steps=options.steps)
    with tqdm(range(options.steps), desc="training", unit="step") as bar:
        for _ in bar:
            sources, lengths, fed, wanted = batch_of([next(made) for _ in range(64)])
            loss = seq2seq.sequence_loss(model(sources, lengths, fed), wanted, torch.ones(wanted.shape))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            bar.set_postfix(loss=f"{loss.item():.4f}")

    unseen = list(itertools.islice(pairs(random.Random(2), unseen=True), 500))
    words, _ = model.translate([human for human, _ in unseen])
    right = sum(word == iso for word, (_, iso) in zip(words, unseen, strict=True))
    print(f"exactly right: {right} of {len(unseen)} unseen dates ({right / len(unseen):.1%})")
    shown = ["tuesday, 3 march 1998", "the 22nd of july 2011", "09.11.1989", "dec. 31, 1999"]
    words, alignments = model.translate(shown)
    for text, word in zip(shown, words, strict=True):
        print(f"  {text:24} -> {word}")
    draw(options.picture, shown, words, alignments)
    print(f"the alignments are drawn in {options.picture}")


if __name__ == "__main__":
    main()
