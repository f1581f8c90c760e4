"""Attention once more, in numpy: row by row and entry by entry, as the papers state it, over live entries only."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Weights = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A mechanism and its options."""

    score: str  # "luong" or "bahdanau"
    weighted: bool = False  # scale, or normalize
    mode: str | None = None  # of a monotonic mechanism

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.score.capitalize() + ("Attention" if self.mode is None else "MonotonicAttention")

    @property
    def options(self) -> dict[str, Any]:
        """Its keyword arguments."""
        options: dict[str, Any] = {"scale" if self.score == "luong" else "normalize": self.weighted}
        return options if self.mode is None else {**options, "mode": self.mode, "score_bias_init": -0.3}

    @property
    def weights(self) -> list[str]:
        """The names of its weights, in the order in which TensorFlow makes them."""
        names = ["memory_layer.kernel"]
        if self.score == "bahdanau":
            names += ["query_layer.kernel", "attention_v"]
            names += ["attention_g", "attention_b"] if self.weighted else []
        elif self.weighted:
            names += ["attention_g"]
        return names + ([] if self.mode is None else ["attention_score_bias"])

    def __str__(self) -> str:
        return "-".join([self.score, *(["weighted"] if self.weighted else []), *([self.mode] if self.mode else [])])


KINDS = [
    Kind(score, weighted, mode)
    for score in ("luong", "bahdanau")
    for weighted in (False, True)
    for mode in (None, "recursive", "parallel", "hard")
]


def score_of(kind: Kind, w: Weights, query: Any, entry: Any) -> float:
    """The score of one query vector and one entry of the memory."""
    key = entry @ w["memory_layer.kernel"]
    if kind.score == "luong":
        score = math.fsum(q * k for q, k in zip(query, key, strict=True))
        score *= float(w["attention_g"]) if kind.weighted else 1.0
    else:
        v = w["attention_v"]
        shift = query @ w["query_layer.kernel"]
        if kind.weighted:
            v = float(w["attention_g"]) * v / math.sqrt(math.fsum(x * x for x in v))
            shift = shift + w["attention_b"]
        score = math.fsum(a * math.tanh(k + s) for a, k, s in zip(v, key, shift, strict=True))
    return score + (0.0 if kind.mode is None else float(w["attention_score_bias"]))


def monotonic(p: Any, previous: Any) -> Any:
    """The alignments of the process: from where it stood it walks on, and stops at entry i with probability p[i]."""
    result = np.zeros(len(p))
    for start, chance in enumerate(previous):
        still_walking = chance
        for i in range(start, len(p)):
            result[i] += still_walking * p[i]
            still_walking *= 1.0 - p[i]
    return result


def softmax(scores: Any) -> Any:
    """Of a list of numbers."""
    largest = max(scores)
    powers = [math.exp(s - largest) for s in scores]
    return np.array(powers) / math.fsum(powers)


def alignments_of(kind: Kind, w: Weights, memory: Any, lengths: Sequence[int], query: Any, previous: Any) -> Any:
    """[B, S]: the alignments of queries [B, Q] with memories [B, S, D]; what is past the lengths is not looked at."""
    result = np.zeros(memory.shape[:2])
    for b, length in enumerate(lengths):
        live = min(length, memory.shape[1])
        scores = [score_of(kind, w, query[b], memory[b, s]) for s in range(live)]
        if kind.mode is None:
            result[b, :live] = softmax(scores)
            continue
        p = [float(s > 0) if kind.mode == "hard" else 1.0 / (1.0 + math.exp(-s)) for s in scores]
        result[b, :live] = monotonic(p, previous[b, :live])
    return result


def first_alignments(kind: Kind, batch: int, steps: int) -> Any:
    """[B, S]: those before the first step."""
    result = np.zeros([batch, steps])
    result[:, 0] = kind.mode is not None
    return result


def context(alignments: Any, memory: Any, lengths: Sequence[int]) -> Any:
    """[B, D]."""
    return np.array(
        [
            sum((alignments[b, s] * memory[b, s] for s in range(min(n, memory.shape[1]))), np.zeros(memory.shape[2]))
            for b, n in enumerate(lengths)
        ]
    )


@dataclasses.dataclass
class Looked:
    """One mechanism with its memory, and its attention layer's kernel."""

    kind: Kind
    weights: Weights
    memory: Any
    lengths: Sequence[int]
    layer: Any = None


def unroll(
    mechanisms: Sequence[Looked],
    kernel: Any,
    bias: Any,
    inputs: Any,
    lengths: Sequence[int],
    initial: Any = None,
    output_attention: bool = True,
) -> dict[str, Any]:
    """An AttentionWrapper around a BasicRNNCell, each row for its own length.

    Returns:
        outputs [B, T, ...] (0 past the length), and of the state after each row's last step: cell_state, attention,
        alignments (a list); history, a list of [T, B, S], where rows past their length are NaN.
    """
    batch, steps = inputs.shape[:2]
    units = kernel.shape[1]
    depths = [m.memory.shape[2] if m.layer is None else m.layer.shape[1] for m in mechanisms]
    h = np.zeros([batch, units]) if initial is None else initial.copy()
    attention = np.zeros([batch, sum(depths)])
    alignments = [first_alignments(m.kind, *m.memory.shape[:2]) for m in mechanisms]
    outputs = np.zeros([batch, steps, sum(depths) if output_attention else units])
    history = [np.full([steps, *m.memory.shape[:2]], np.nan) for m in mechanisms]
    for t in range(steps):
        new_h = np.tanh(np.concatenate([inputs[:, t], attention, h], 1) @ kernel + bias)
        parts = []
        for i, m in enumerate(mechanisms):
            weights = alignments_of(m.kind, m.weights, m.memory, m.lengths, new_h, alignments[i])
            found = context(weights, m.memory, m.lengths)
            parts.append(found if m.layer is None else np.concatenate([new_h, found], 1) @ m.layer)
            for b in range(batch):
                if t < lengths[b]:
                    alignments[i][b] = history[i][t, b] = weights[b]
        new_attention = np.concatenate(parts, 1)
        for b in range(batch):
            if t < lengths[b]:
                h[b], attention[b] = new_h[b], new_attention[b]
                outputs[b, t] = new_attention[b] if output_attention else new_h[b]
    return {"outputs": outputs, "cell_state": h, "attention": attention, "alignments": alignments, "history": history}
