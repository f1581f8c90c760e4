"""Connectionist temporal classification: from scores to labels, as TensorFlow's two decoders do it.

*Greedy*: the best class of each step, repeated ones merged, blanks dropped.

*Prefix beam search*: the beam holds label sequences. Each has the probability of the paths so far that end in a blank
and of those that end in its last label; at each step every sequence keeps its labels (by a blank, or by its last label
once more) or gains one, and the most probable ``beam_width`` are kept:

    blank(l)  = y[blank] * (blank(l) + label(l))
    label(l)  = y[last]  * (label(l) + what l without its last label offers, if that is in the beam)
    a new l+k = y[k]     * what l offers,     where l offers blank(l) if k repeats its last label, else its whole

Graves, "Supervised sequence labelling with recurrent neural networks", 2008, chapter 7; Hannun et al., 2014. It is
TensorFlow's variant in what follows from it: a sequence that has left the beam offers nothing, and one that comes back
starts anew; see `_Beam._chosen` for another. Which of several equally probable sequences is kept is not defined,
there as here.

Both work on the CPU, outside of autograd. What this is honestly not good at: the beam search is Python around numpy,
about a millisecond a step and row.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Any

import numpy as np
import torch

from dynrnn.lengths import as_lengths

__all__ = ["ctc_beam_search_decode", "ctc_greedy_decode"]

_ZERO = -math.inf  # the logarithm of probability 0


def _scores_and_lengths(inputs: Any, sequence_length: Any) -> tuple[np.ndarray, list[int]]:
    if not isinstance(inputs, torch.Tensor) or not inputs.is_floating_point():
        raise TypeError(f"inputs must be a floating tensor, got {getattr(inputs, 'dtype', type(inputs).__name__)}")
    if inputs.ndim != 3 or inputs.shape[2] == 0:
        raise ValueError(f"inputs must have the shape [time, batch, classes], with classes, got {list(inputs.shape)}")
    steps, batch, _ = inputs.shape
    lengths = as_lengths(sequence_length, batch, "sequence_length")
    for row, length in enumerate(lengths):
        if length < 0 or length > steps:
            raise ValueError(f"sequence_length must be from 0 to the {steps} steps, got {length} for row {row}")
    kept = inputs.detach().cpu()
    return (kept.float() if kept.dtype in (torch.bfloat16, torch.float16) else kept).numpy(), lengths


def ctc_greedy_decode(
    inputs: torch.Tensor, sequence_length: Any, merge_repeated: bool = True
) -> tuple[list[list[int]], torch.Tensor]:
    """The labels of the best path of each row.

    Args:
        inputs: scores ``[T, B, C]``; class C - 1 is the blank.
        sequence_length: B integers from 0 to T.
        merge_repeated: whether a class that is best in several steps on end counts once.

    Returns:
        ``(labels, neg_sum_logits)``: a list of ints for each row, and ``[B, 1]``, minus the sum of the best scores.

    Raises:
        TypeError: inputs are not a floating tensor, lengths not integers.
        ValueError: shapes that do not fit, or a length out of range.
    """
    scores, lengths = _scores_and_lengths(inputs, sequence_length)
    blank = scores.shape[2] - 1
    decoded: list[list[int]] = []
    sums = np.zeros([len(lengths), 1], scores.dtype)
    for row, length in enumerate(lengths):
        best = scores[:length, row].argmax(1)
        sums[row, 0] = 0 - scores[np.arange(length), row, best].sum()
        path = best.tolist()
        if merge_repeated:
            path = [label for label, _ in itertools.groupby(path)]
        decoded.append([label for label in path if label != blank])
    return decoded, torch.from_numpy(sums).to(inputs.dtype)


def ctc_beam_search_decode(
    inputs: torch.Tensor,
    sequence_length: Any,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
) -> tuple[list[list[list[int]]], torch.Tensor]:
    """The most probable label sequences of each row.

    Args:
        inputs: scores ``[T, B, C]``, before softmax; class C - 1 is the blank.
        sequence_length: B integers from 0 to T.
        beam_width: how many sequences are followed.
        top_paths: how many are wanted, at most ``beam_width``.
        merge_repeated: TensorFlow's oddity: merge repeated labels of the *results*, so that "hello" comes out as
            "helo". False gives what was found.

    Returns:
        ``(labels, log_probabilities)``: for each of the ``top_paths`` a list of ints for each row, and
        ``[B, top_paths]``.

    Raises:
        TypeError: inputs are not a floating tensor, lengths not integers.
        ValueError: shapes that do not fit, a length out of range, ``top_paths`` more than ``beam_width``, or fewer
            sequences in the beam than wanted.
    """
    for name, number in (("beam_width", beam_width), ("top_paths", top_paths)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if top_paths > beam_width:
        raise ValueError("requested more paths than the beam width.")
    scores, lengths = _scores_and_lengths(inputs, sequence_length)
    paths: list[list[list[int]]] = [[] for _ in range(top_paths)]
    sums = np.zeros([len(lengths), top_paths], scores.dtype)
    for row, length in enumerate(lengths):
        beam = _Beam(beam_width)
        with np.errstate(invalid="ignore"):  # of two log probabilities of nothing
            for step in range(length):
                beam.step(scores[step, row].astype(np.float64))
        if len(beam) < top_paths:
            raise ValueError("Less leaves in the beam search than requested.")
        for rank in range(top_paths):
            labels = beam.labels(rank)
            paths[rank].append([label for label, _ in itertools.groupby(labels)] if merge_repeated else labels)
            sums[row, rank] = beam.total[rank]
    return paths, torch.from_numpy(sums).to(inputs.dtype)


class _Beam:
    """The ``width`` most probable label sequences after some steps, the most probable first.

    A sequence is a number; `_tree` has, for each, the sequence without its last label, and that label. The arrays have
    one entry for each sequence in the beam: `_blank` and `_label` are the log probabilities of the paths that end in a
    blank and in the last label, `total` of all, `_above` is where in the beam the sequence without the last label
    stands, or -1.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        # the empty sequence is number 0
        self._tree: list[tuple[int, int]] = [(-1, -1)]
        self._numbers: dict[tuple[int, int], int] = {}
        self._members = [0]
        self._above = np.array([-1])
        self._last = np.array([-1])
        self._blank, self._label, self.total = np.zeros(1), np.full(1, _ZERO), np.zeros(1)

    def labels(self, rank: int) -> list[int]:
        """The labels of a sequence in the beam."""
        found = []
        before, last = self._tree[self._members[rank]]
        while before >= 0:
            found.append(last)
            before, last = self._tree[before]
        return found[::-1]

    def __len__(self) -> int:
        return len(self._members)

    def step(self, scores: np.ndarray) -> None:
        """Take in the scores of one step."""
        top = scores.max()
        y = scores - (top + math.log(np.exp(scores - top).sum()))
        blank, last, above = len(y) - 1, self._last, self._above
        child = np.flatnonzero(above >= 0)
        mother = above[child]
        # what each offers a longer sequence: where that repeats the last label, only its paths that end in a blank
        offered = np.where(last[child] == last[mother], self._blank[mother], self.total[mother])
        label = self._label.copy()
        label[child] = np.logaddexp(label[child], offered)
        label += np.where(last >= 0, y[last], _ZERO)
        stays = self.total + y[blank]
        total = np.logaddexp(stays, label)
        grown = self.total[:, None] + y[:blank]
        repeating = np.flatnonzero(last >= 0)
        grown[repeating, last[repeating]] = self._blank[repeating] + y[last[repeating]]
        kept, longer = self._chosen(total, grown)
        self._become(kept, longer, stays, label, total)

    def _chosen(self, total: np.ndarray, grown: np.ndarray) -> tuple[list[tuple[float, int]], list[tuple[int, int]]]:
        """Which sequences stay or come in.

        One after the other, the most probable first, the sequences of the beam put in what they grow, each pushing out
        the least probable; TensorFlow's order matters in one place. Where a sequence has been pushed out and the one
        without its last label then cannot bring it back, it grows nothing.

        Args:
            total: new log probabilities of the sequences in the beam.
            grown: those of the sequences with one label more.

        Returns:
            ``(kept, longer)``: pairs of a log probability and a number, the best first; numbers from ``len(total)`` on
            count the pairs of a place in the beam and a label in ``longer``.
        """
        count, width = len(total), self._width
        # of equal ones the later is pushed out
        heap = [(value, -place) for place, value in enumerate(total.tolist())]
        heapq.heapify(heap)
        children: dict[int, dict[int, int]] = {}
        for place, (above, last) in enumerate(zip(self._above.tolist(), self._last.tolist(), strict=True)):
            if above >= 0:
                children.setdefault(above, {})[last] = place
        out, silent = [False] * count, [False] * count
        longer: list[tuple[int, int]] = []
        for place, old in enumerate(self.total.tolist()):
            least = heap[0][0] if len(heap) >= width else _ZERO
            if silent[place] or old <= least:
                continue
            own = children.get(place, {})
            offers = grown[place]
            labels = np.flatnonzero(offers > least).tolist()
            for last in sorted({*labels, *own}) if own else labels:
                child, offer = own.get(last), float(offers[last])
                if child is not None and not out[child]:
                    continue  # in the beam already
                if offer > (heap[0][0] if len(heap) >= width else _ZERO):
                    if len(heap) >= width:
                        gone = -heapq.heappop(heap)[1]
                        if gone < count:
                            out[gone] = True
                    heapq.heappush(heap, (offer, -(count + len(longer))))
                    longer.append((place, last))
                elif child is not None:
                    silent[child] = True
        return [(value, -number) for value, number in sorted(heap, reverse=True)], longer

    def _become(
        self,
        kept: list[tuple[float, int]],
        longer: list[tuple[int, int]],
        stays: np.ndarray,
        label: np.ndarray,
        total: np.ndarray,
    ) -> None:
        """The beam of these sequences, as `_chosen` gives them."""
        count = len(total)
        numbers = np.array([number for _, number in kept])
        self.total = np.array([value for value, _ in kept])
        old = numbers < count
        source = np.where(old, numbers, 0)
        self._blank = np.where(old, stays[source], _ZERO)
        self._label = np.where(old, label[source], self.total)
        members = []
        for number in numbers.tolist():
            if number < count:
                members.append(self._members[number])
            else:
                place, last = longer[number - count]
                members.append(self._number(self._members[place], last))
        places = {member: place for place, member in enumerate(members)}
        self._above = np.array([places.get(self._tree[member][0], -1) for member in members])
        self._last = np.array([self._tree[member][1] for member in members])
        self._members = members

    def _number(self, before: int, last: int) -> int:
        """The number of a sequence; one that was in the beam earlier has it still."""
        number = self._numbers.get((before, last))
        if number is None:
            number = self._numbers[before, last] = len(self._tree)
            self._tree.append((before, last))
        return number
