"""Candidate samplers: classes drawn for losses that look at a few classes instead of all.

Each gives the drawn classes and how often the labels and the drawn classes are expected among them. With n draws, of
probability p for a class, that is ``n p``. Without replacement (``unique``) classes are drawn until n different ones
are found; after m draws the expectation is taken as ``1 - (1 - p)^m``, the chance that a class is among them.

Source: Jean, Cho, Memisevic, Bengio, "On Using Very Large Target Vocabulary for Neural Machine Translation", 2014;
TensorFlow's note "Candidate Sampling Algorithms Reference". The streams are torch's: the numbers are not TensorFlow's.
"""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.ops.sampling import Seeds, seed_attrs
from dynrnn.tf1.ops.shape_rules import of_rank
from dynrnn.tf1.ops.signature import create_many, operation

__all__ = [
    "AccidentalHits",
    "CandidateSample",
    "all_candidate_sampler",
    "compute_accidental_hits",
    "fixed_unigram_candidate_sampler",
    "learned_unigram_candidate_sampler",
    "log_uniform_candidate_sampler",
    "uniform_candidate_sampler",
]


class CandidateSample(NamedTuple):
    """What a sampler gives: classes int64 [n], and two float32 tensors, [batch, labels of a row] and [n]."""

    sampled_candidates: Tensor
    true_expected_count: Tensor
    sampled_expected_count: Tensor


class AccidentalHits(NamedTuple):
    """Where a label is among the candidates: rows int32, places int64, and the lowest float32 for each."""

    indices: Tensor
    ids: Tensor
    weights: Tensor


# --- distributions ----------------------------------------------------------------------------------------------------


class _Distribution(abc.ABC):
    """A distribution over the classes 0 ... range - 1."""

    @abc.abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """That many classes, int64."""

    @abc.abstractmethod
    def probability(self, classes: torch.Tensor) -> torch.Tensor:
        """Of each of ``classes``, float64."""


class _Uniform(_Distribution):
    def __init__(self, size: int) -> None:
        self._size = size

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randint(self._size, (count,), generator=generator)

    def probability(self, classes: torch.Tensor) -> torch.Tensor:
        return torch.full(classes.shape, 1.0 / self._size, dtype=torch.float64)


class _LogUniform(_Distribution):
    """``P(c) = log((c + 2) / (c + 1)) / log(range + 1)``: what Zipf says of words in the order of their frequency."""

    def __init__(self, size: int) -> None:
        self._size = size

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        uniform = torch.rand(count, generator=generator, dtype=torch.float64)
        # the quantile function; rounding may reach the end of the range
        return (torch.exp(uniform * math.log1p(self._size)).long() - 1) % self._size

    def probability(self, classes: torch.Tensor) -> torch.Tensor:
        place = classes.double()
        return torch.log((place + 2) / (place + 1)) / math.log1p(self._size)


class _Weighted(_Distribution):
    def __init__(self, weights: torch.Tensor) -> None:
        self._weights = weights
        self._running = weights.cumsum(0)

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        uniform = torch.rand(count, generator=generator, dtype=torch.float64)
        return torch.searchsorted(self._running, uniform * self._running[-1], right=True)

    def probability(self, classes: torch.Tensor) -> torch.Tensor:
        size = len(self._weights)
        inside = (classes >= 0) & (classes < size)
        return torch.where(inside, self._weights[classes.clamp(0, size - 1)], 0.0) / self._running[-1]


def _different(distribution: _Distribution, count: int, generator: torch.Generator) -> tuple[torch.Tensor, int]:
    """``count`` different classes in the order in which they were drawn, and the number of draws that it took."""
    drawn = torch.empty(0, dtype=torch.int64)
    while True:
        drawn = torch.cat([drawn, distribution.draw(max(len(drawn), 2 * count), generator)])
        classes, inverse = torch.unique(drawn, return_inverse=True)
        if len(classes) >= count:
            break
    places = torch.arange(len(drawn))
    first = torch.full((len(classes),), len(drawn)).scatter_reduce(0, inverse, places, "amin")
    last = int(torch.sort(first).values[count - 1])
    kept = torch.sort(first[first <= last]).values
    return drawn[kept], last + 1


def _expected(probability: torch.Tensor, count: int, draws: int) -> torch.Tensor:
    expected = probability * count if draws == count else -torch.expm1(draws * torch.log1p(-probability))
    return expected.float()


def _sample(
    distribution: _Distribution,
    labels: torch.Tensor,
    generator: torch.Generator,
    num_true: int,
    num_sampled: int,
    unique: bool,
    available: int,
) -> tuple[torch.Tensor, ...]:
    if labels.shape[1] != num_true:
        raise ValueError(f"true_classes must have num_true columns, expected: {labels.shape[1]} was: {num_true}")
    if unique and num_sampled > available:
        raise ValueError("Sampler's range is too small.")
    if unique:
        drawn, draws = _different(distribution, num_sampled, generator)
    else:
        drawn, draws = distribution.draw(num_sampled, generator), num_sampled
    counts = [_expected(distribution.probability(classes), num_sampled, draws) for classes in (labels, drawn)]
    return drawn, *counts


# --- operations -------------------------------------------------------------------------------------------------------


def _infer_sample(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    rows = of_rank(inputs[0].shape, 2)[0]
    drawn, labels = TensorShape([attrs["num_sampled"]]), TensorShape([rows, attrs["num_true"]])
    return [(dtypes.int64, drawn), (dtypes.float32, labels), (dtypes.float32, drawn)]


def _sampler(op_type: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flags: dict[str, Any] = {"differentiable": False, "stateful": True, "needs_run": True}
    return operation(op_type, "true_classes:int64", _infer_sample, **flags)


@_sampler("UniformCandidateSampler")
def _uniform(
    run: Any, labels: torch.Tensor, *, range_max: int, seeds: Seeds, key: Any, **sizes: Any
) -> tuple[torch.Tensor, ...]:
    return _sample(_Uniform(range_max), labels, run.generator(key, seeds), **sizes, available=range_max)


@_sampler("LogUniformCandidateSampler")
def _log_uniform(
    run: Any, labels: torch.Tensor, *, range_max: int, seeds: Seeds, key: Any, **sizes: Any
) -> tuple[torch.Tensor, ...]:
    return _sample(_LogUniform(range_max), labels, run.generator(key, seeds), **sizes, available=range_max)


@_sampler("LearnedUnigramCandidateSampler")
def _learned(
    run: Any, labels: torch.Tensor, *, range_max: int, seeds: Seeds, key: Any, **sizes: Any
) -> tuple[torch.Tensor, ...]:
    flat = labels.reshape(-1)
    if flat.numel() and not 0 <= int(flat.min()) <= int(flat.max()) < range_max:
        raise ValueError(f"true_classes must be in [0, {range_max}), got {flat.tolist()}")
    with run.lock:
        counts = run.state.get(key)
        if counts is None:
            counts = torch.ones(range_max, dtype=torch.float64)
        result = _sample(_Weighted(counts), labels, run.generator(key, seeds), **sizes, available=range_max)
        run.state[key] = counts.index_add(0, flat, torch.ones(flat.shape, dtype=torch.float64))
    return result


@_sampler("FixedUnigramCandidateSampler")
def _fixed(
    run: Any,
    labels: torch.Tensor,
    *,
    range_max: int,
    weights: Callable[[], torch.Tensor],
    seeds: Seeds,
    key: Any,
    **sizes: Any,
) -> tuple[torch.Tensor, ...]:
    given = weights()
    if len(given) != range_max:
        raise ValueError(f"range is {range_max} must be equal to weights size {len(given)}")
    available = int((given > 0).sum())
    return _sample(_Weighted(given), labels, run.generator(key, seeds), **sizes, available=available)


@operation("AllCandidateSampler", "true_classes:int64", _infer_sample, differentiable=False)
def _all(labels: torch.Tensor, *, num_true: int, num_sampled: int) -> tuple[torch.Tensor, ...]:
    if labels.shape[1] != num_true:
        raise ValueError(f"true_classes must have num_true columns, expected: {labels.shape[1]} was: {num_true}")
    return torch.arange(num_sampled), torch.ones(labels.shape), torch.ones(num_sampled)


def _infer_hits(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[0].shape, 2)
    of_rank(inputs[1].shape, 1)
    found = unknown_shape(1)
    return [(dtypes.int32, found), (dtypes.int64, found), (dtypes.float32, found)]


@operation("ComputeAccidentalHits", "true_classes:int64 sampled_candidates:int64", _infer_hits, differentiable=False)
def _hits(labels: torch.Tensor, drawn: torch.Tensor, *, num_true: int) -> tuple[torch.Tensor, ...]:
    if labels.shape[1] != num_true:
        raise ValueError(f"true_classes must have num_true columns, expected: {labels.shape[1]} was: {num_true}")
    equal = labels.unsqueeze(2) == drawn
    # of a class drawn several times its last place counts
    last = equal & (equal.flip(2).cumsum(2).flip(2) == 1)
    rows, _, places = torch.nonzero(last, as_tuple=True)
    return rows.int(), places, torch.full(rows.shape, torch.finfo(torch.float32).min)


# --- functions --------------------------------------------------------------------------------------------------------


def _create(op_type: str, name: str | None, labels: Any, least: dict[str, int], **attrs: Any) -> CandidateSample:
    for attribute, lowest in least.items():
        if attrs[attribute] < lowest:
            raise ValueError(
                f"Attr '{attribute}' of '{op_type}' Op passed {attrs[attribute]} less than minimum {lowest}."
            )
    return CandidateSample(*create_many(op_type, name, labels, **attrs))


_SIZES = {"num_true": 1, "num_sampled": 1}


def _ranged(
    op_type: str, labels: Any, true: int, count: int, unique: bool, size: int, seed: int | None, name: str | None
) -> CandidateSample:
    sizes: dict[str, Any] = {"num_true": int(true), "num_sampled": int(count), "unique": bool(unique)}
    return _create(op_type, name, labels, {**_SIZES, "range_max": 1}, **sizes, range_max=int(size), **seed_attrs(seed))


def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> CandidateSample:
    """``num_sampled`` classes below ``range_max``, all equally likely.

    Args:
        true_classes: int64 labels [batch, num_true].
        num_true: labels in a row.
        num_sampled: number of classes to draw.
        unique: draw without replacement.
        range_max: number of classes.
        seed: of the operation.
        name: operation name.

    Raises:
        ValueError: sizes below 1, or labels that are no matrix.
        tf.errors.InvalidArgumentError: at run time, too few classes, or another number of labels in a row.
    """
    return _ranged("UniformCandidateSampler", true_classes, num_true, num_sampled, unique, range_max, seed, name)


def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> CandidateSample:
    """:func:`uniform_candidate_sampler` with ``P(c) = log((c + 2) / (c + 1)) / log(range_max + 1)``.

    This is about how words are distributed that are numbered in the order of their frequency.
    """
    return _ranged("LogUniformCandidateSampler", true_classes, num_true, num_sampled, unique, range_max, seed, name)


def learned_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> CandidateSample:
    """:func:`uniform_candidate_sampler` with the distribution of the labels that the session has seen so far.

    Every class counts once from the beginning. Labels count after the draw of the run they are in.
    """
    return _ranged("LearnedUnigramCandidateSampler", true_classes, num_true, num_sampled, unique, range_max, seed, name)


def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Sequence[float] = (),
    seed: int | None = None,
    name: str | None = None,
) -> CandidateSample:
    """:func:`uniform_candidate_sampler` with probabilities in proportion to given weights.

    Args:
        true_classes, num_true, num_sampled, unique, range_max, seed, name: as there.
        vocab_file: a file with a weight at the end of each line, after a comma; read when the sampler runs.
        distortion: power to which weights are raised.
        num_reserved_ids: so many classes of weight 0 come first.
        num_shards, shard: only classes whose number leaves the remainder ``shard`` are there; they are numbered anew.
        unigrams: the weights, instead of a file.

    Raises:
        ValueError: sizes below 1.
        tf.errors.InvalidArgumentError: at run time: neither or both of file and weights, or another number of weights
            than ``range_max``.
    """
    weights = functools.lru_cache(1)(
        functools.partial(
            _unigram_weights, vocab_file, tuple(unigrams), float(distortion), num_reserved_ids, num_shards, shard
        )
    )
    sizes: dict[str, Any] = {"num_true": int(num_true), "num_sampled": int(num_sampled), "unique": bool(unique)}
    least = {**_SIZES, "range_max": 1}
    return _create(
        "FixedUnigramCandidateSampler",
        name,
        true_classes,
        least,
        **sizes,
        range_max=int(range_max),
        weights=weights,
        **seed_attrs(seed),
    )


def _unigram_weights(
    vocab_file: str, unigrams: tuple[float, ...], distortion: float, reserved: int, shards: int, shard: int
) -> torch.Tensor:
    if bool(vocab_file) == bool(unigrams):
        raise ValueError("Must provide either vocab_file or unigrams.")
    values = list(unigrams)
    if vocab_file:
        with open(vocab_file, encoding="utf-8") as file:
            values = [float(line.rsplit(",", 1)[-1]) for line in file if line.strip()]
    weights = [0.0] * reserved + [float(v) ** distortion for v in values]
    return torch.tensor(weights[shard::shards], dtype=torch.float64)


def all_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, seed: int | None = None, name: str | None = None
) -> CandidateSample:
    """All classes below ``num_sampled``, each expected once; ``unique`` and ``seed`` change nothing."""
    sizes = {"num_true": int(num_true), "num_sampled": int(num_sampled)}
    return _create("AllCandidateSampler", name, true_classes, _SIZES, **sizes)


def compute_accidental_hits(
    true_classes: Any, sampled_candidates: Any, num_true: int, seed: int | None = None, name: str | None = None
) -> AccidentalHits:
    """The places where a row's label is among the candidates, each with the lowest float32 as its weight.

    Args:
        true_classes: int64 labels [batch, num_true].
        sampled_candidates: int64 classes [n].
        num_true: labels in a row.
        seed: changes nothing.
        name: operation name.
    """
    hits = create_many("ComputeAccidentalHits", name, true_classes, sampled_candidates, num_true=int(num_true))
    return AccidentalHits(*hits)
