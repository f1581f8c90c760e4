"""A small language model in numpy and in torch, and decoding written out in numpy, one row at a time.

The loops here are the oracles of ``dynrnn.seq2seq``: they share nothing with it, keep whole sequences instead of
parents, and sort all candidates.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch

Array = Any


class Model:
    """``h' = tanh([x, h] W + b)``, logits ``h' V + c``, inputs ``embedding[token]``; float64."""

    def __init__(self, seed: int, vocabulary: int = 6, depth: int = 3, units: int = 4, scale: float = 1.5) -> None:
        rng = np.random.default_rng(seed)
        self.vocabulary, self.depth, self.units = vocabulary, depth, units
        self.w = rng.normal(size=(depth + units, units)) * scale
        self.b = rng.normal(size=units)
        self.v = rng.normal(size=(units, vocabulary)) * scale
        self.c = rng.normal(size=vocabulary)
        self.embedding = rng.normal(size=(vocabulary, depth))

    # numpy

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """Logits and state of one row, or of many."""
        h = np.tanh(np.concatenate([x, h], -1) @ self.w + self.b)
        return h @ self.v + self.c, h

    # torch

    def cell(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.tanh(torch.cat([x, h], -1) @ torch.from_numpy(self.w) + torch.from_numpy(self.b))
        return h, h

    def layer(self, output: torch.Tensor) -> torch.Tensor:
        return output @ torch.from_numpy(self.v) + torch.from_numpy(self.c)

    @property
    def table(self) -> torch.Tensor:
        return torch.from_numpy(self.embedding)


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def train(model: Model, inputs: Array, lengths: list[int], h0: Array, impute: bool) -> tuple[Array, Array]:
    """Logits ``[B, max(lengths), V]`` and final states."""
    steps = max(lengths, default=0)
    logits = np.zeros((len(lengths), steps, model.vocabulary))
    states = h0.copy()
    for row, length in enumerate(lengths):
        for t in range(length if impute else steps):
            logits[row, t], states[row] = model.step(inputs[row, t], states[row])
    return logits, states


def greedy(
    model: Model, start: list[int], end: int, h0: Array, limit: int, impute: bool
) -> tuple[Array, Array, Array, list[int]]:
    """Logits, tokens, final states, lengths."""
    runs = []
    for row, token in enumerate(start):
        h, tokens, logits, states = h0[row], [], [], []
        for _ in range(limit):
            out, h = model.step(model.embedding[token], h)
            token = int(np.argmax(out))
            tokens.append(token)
            logits.append(out)
            states.append(h)
        length = tokens.index(end) + 1 if end in tokens else limit
        runs.append((logits, tokens, states, length))
    steps = max(length for *_, length in runs)
    stored = np.zeros((len(start), steps, model.vocabulary))
    ids = np.zeros((len(start), steps), int)
    finals = np.zeros_like(h0)
    for row, (outs, tokens, finals_of_row, length) in enumerate(runs):
        stop = length if impute else steps
        stored[row, :stop], ids[row, :stop] = outs[:stop], tokens[:stop]
        finals[row] = finals_of_row[stop - 1]
    return stored, ids, finals, [length for *_, length in runs]


def penalty(length: int, weight: float) -> float:
    return ((5 + length) / 6) ** weight


def beam(
    model: Model, start: int, end: int, h0: Array, width: int, limit: int, weight: float = 0.0, block: int | None = None
) -> tuple[list[tuple[list[int], float, float, int]], int]:
    """The beams of one row, best first, as (tokens, score, log probability, length), and how many steps it took."""
    beams: list[Any] = [([], 0.0, False, 0, h0)]
    scores = [0.0]
    steps = 0
    while steps < limit and not all(done for _, _, done, _, _ in beams):
        candidates = []
        for tokens, total, done, length, h in beams:
            out, new = model.step(model.embedding[tokens[-1] if tokens else start], h)
            if block is not None:
                seen = {tuple(tokens[i : i + block]) for i in range(len(tokens) - block + 1)}
                last = tuple(tokens[len(tokens) - block + 1 :]) if block > 1 else ()
                banned = [v for v in range(model.vocabulary) if len(tokens) >= block - 1 and (*last, v) in seen]
                if len(banned) < model.vocabulary:
                    out[banned] = -np.inf
            logs = log_softmax(out)
            for token in range(model.vocabulary):
                if done:
                    if token != end:
                        continue
                    candidates.append((total / penalty(length, weight), [*tokens, end], total, True, length, new))
                    continue
                counted = length + (token != end)
                value = total + logs[token]
                score = value / penalty(counted, weight)
                candidates.append((score, [*tokens, token], value, token == end, length + 1, new))
        candidates.sort(key=lambda c: -c[0])  # stable: the first of equal ones is first
        beams = [(tokens, total, done, length, h) for _, tokens, total, done, length, h in candidates[:width]]
        scores = [score for score, *_ in candidates[:width]]
        steps += 1
    return [(t, s, total, n) for (t, total, _, n, _), s in zip(beams, scores, strict=True)], steps


def best_of_all(model: Model, start: int, end: int, h0: Array, limit: int, weight: float) -> tuple[list[int], float]:
    """The best of all sequences of ``limit`` steps, as beam search scores them after its last step."""
    best: tuple[list[int], float] = ([], -np.inf)
    for tokens in product(range(model.vocabulary), repeat=limit):
        if end in tokens and any(t != end for t in tokens[tokens.index(end) :]):
            continue
        length = tokens.index(end) + 1 if end in tokens else limit
        h, total, last = h0, 0.0, start
        for token in tokens[:length]:
            out, h = model.step(model.embedding[last], h)
            total += log_softmax(out)[token]
            last = token
        # the end token counts from the step after it on
        counted = length - (tokens[-1] == end and length == limit)
        score = total / penalty(counted, weight)
        if score > best[1]:
            best = (list(tokens), score)
    return best
