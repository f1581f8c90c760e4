"""Picking tokens from logits: greedy, sampled, from the largest few (top-k) or the nucleus (top-p), without repetition.

Top-k sampling: Fan, Lewis, Dauphin, "Hierarchical Neural Story Generation", 2018. Nucleus sampling: Holtzman et al.,
"The Curious Case of Neural Text Degeneration", 2019. Blocking of repeated n-grams: Paulus, Xiong, Socher, "A Deep
Reinforced Model for Abstractive Summarization", 2017.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["LogitsRules", "block_repeated_ngrams", "draw", "greedy", "keep_nucleus", "keep_top_k", "uniform"]

LogitsProcessor = Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]


def greedy(logits: torch.Tensor) -> torch.Tensor:
    """The int32 number of the largest logit along the last axis, the first of equal ones."""
    return torch.argmax(logits, -1).to(torch.int32)


def draw(logits: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """An int32 number for each row, drawn with the probabilities ``softmax(logits)``.

    By the Gumbel trick: the argmax of ``logits - log(-log(u))`` with ``u`` even in (0, 1). Logits of -inf are never
    drawn (as long as a row has others).
    """
    u = torch.rand(logits.shape, generator=generator, device=logits.device, dtype=torch.float32)
    # rand may give 0, whose noise would be -inf and hide a -inf logit among others
    noise = -torch.log(-torch.log(u.clamp_(min=torch.finfo(torch.float32).tiny)))
    return torch.argmax(logits.detach() + noise.to(logits.dtype), -1).to(torch.int32)


def uniform(rows: int, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
    """``rows`` numbers evenly from [0, 1)."""
    return torch.rand(rows, generator=generator, device=device)


def keep_top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """``logits`` with all but the ``k`` largest of each row at -inf; those equal to the k-th stay too."""
    if k >= logits.shape[-1]:
        return logits
    smallest = torch.topk(logits, k, -1).values[..., -1:]
    return logits.masked_fill(logits < smallest, -torch.inf)


def keep_nucleus(logits: torch.Tensor, p: float) -> torch.Tensor:
    """``logits`` with all at -inf but the smallest set of the likeliest whose probabilities sum to ``p`` or more."""
    if p >= 1:
        return logits
    ordered, order = torch.sort(logits, dim=-1, descending=True, stable=True)
    probabilities = torch.softmax(ordered.float(), -1)
    before = probabilities.cumsum(-1) - probabilities
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= p)
    return logits.masked_fill(dropped, -torch.inf)


def block_repeated_ngrams(logits: torch.Tensor, previous_ids: torch.Tensor, size: int) -> torch.Tensor:
    """``logits`` with -inf for each token that would complete an n-gram of ``size`` that the row has already.

    Args:
        logits: ``[rows, V]``.
        previous_ids: ``[rows, steps]`` integers.
        size: n; 1 forbids every token that the row has.

    Returns:
        Like ``logits``; a row in which no token would be left stays as it was.
    """
    steps = previous_ids.shape[1]
    if steps < size:
        return logits
    grams = previous_ids.unfold(1, size, 1)
    last = previous_ids[:, steps - size + 1 :].unsqueeze(1)
    repeated = (grams[..., : size - 1] == last).all(-1)
    rows, places = repeated.nonzero(as_tuple=True)
    if not rows.numel():
        return logits
    blocked = torch.zeros_like(logits, dtype=torch.bool)
    blocked[rows, grams[rows, places, -1].long()] = True
    blocked &= ~(blocked | (logits == -torch.inf)).all(-1, keepdim=True)
    return logits.masked_fill(blocked, -torch.inf)


class LogitsRules:
    """What changes logits before a token is picked, and the tokens picked so far, which it looks at.

    Args:
        no_repeat_ngram_size: no n-gram of that many tokens twice in a row; None: no such rule.
        logits_processor: ``logits_processor(step, previous_ids, logits) -> logits``, called once a step; step counts
            from 0, ``previous_ids`` is int32 ``[rows, step]``, ``logits`` ``[rows, V]``.

    Raises:
        TypeError, ValueError: of another type, or a size below 1.
    """

    def __init__(self, no_repeat_ngram_size: int | None, logits_processor: LogitsProcessor | None) -> None:
        if no_repeat_ngram_size is not None:
            if not isinstance(no_repeat_ngram_size, int) or isinstance(no_repeat_ngram_size, bool):
                raise TypeError(f"no_repeat_ngram_size must be an int or None, got {no_repeat_ngram_size!r}")
            if no_repeat_ngram_size < 1:
                raise ValueError(f"no_repeat_ngram_size must be 1 or more, got {no_repeat_ngram_size}")
        if logits_processor is not None and not callable(logits_processor):
            raise TypeError(
                "logits_processor must be callable as logits_processor(step, previous_ids, logits), got "
                f"{type(logits_processor).__name__}"
            )
        self._size, self._processor = no_repeat_ngram_size, logits_processor
        self.active = no_repeat_ngram_size is not None or logits_processor is not None
        self._ids: torch.Tensor | None = None

    def begin(self, rows: int, device: torch.device) -> None:
        """A new decode: nothing is picked yet."""
        self._ids = torch.zeros((rows, 0), dtype=torch.int32, device=device) if self.active else None

    def select_rows(self, rows: torch.Tensor) -> LogitsRules | None:
        """The rules for these rows alone; None if a processor, which may know the rows, is among them."""
        if self._processor is not None:
            return None
        other = LogitsRules(self._size, None)
        other._ids = None if self._ids is None else self._ids.index_select(0, rows.to(self._ids.device))
        return other

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits ``[rows, V]`` to pick from."""
        if self._ids is None:
            return logits
        if self._processor is not None:
            shape = logits.shape
            logits = self._processor(self._ids.shape[1], self._ids, logits)
            if not isinstance(logits, torch.Tensor) or logits.shape != shape:
                got = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
                raise ValueError(f"logits_processor must return logits of shape {list(shape)}, got {got}")
        return logits if self._size is None else block_repeated_ngrams(logits, self._ids, self._size)

    def picked(self, ids: torch.Tensor, rows: torch.Tensor | None = None) -> None:
        """Remember the tokens ``[rows]`` of a step, after the rows were moved: row i is what ``rows[i]`` was."""
        if self._ids is not None:
            before = self._ids if rows is None else self._ids.index_select(0, rows)
            self._ids = torch.cat([before, ids.reshape(-1, 1).to(torch.int32)], 1)
