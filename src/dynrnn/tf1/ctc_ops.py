"""``tf.nn.ctc_*`` and ``tf.edit_distance``: sparse labels in front of the formulas of :mod:`dynrnn.seq2seq`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn import seq2seq
from dynrnn.tf1 import array_ops
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.build import apply, apply_many, of_dtype
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.sparse_tensor import SparseTensor, is_sparse, sparse_argument
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.ops.shape_rules import merge_dims, of_rank
from dynrnn.tf1.ops.signature import Types, types_of
from dynrnn.tf1.ops.sparse_indices import check_indices, taken

__all__ = [
    "ctc_beam_search_decoder",
    "ctc_beam_search_decoder_v2",
    "ctc_greedy_decoder",
    "ctc_loss",
    "edit_distance",
]

_SCORES = types_of("float32 float64")
_LOSS_SCORES = types_of("float16 float32 float64")


def _scores(inputs: Any, allowed: Types = _SCORES) -> Tensor:
    tensor = convert_to_tensor(inputs, name="inputs")
    allowed.check(tensor.dtype.base_dtype, "inputs")
    return tensor


def _batch(inputs: Sequence[Tensor]) -> Any:
    """The batch size that scores ``[T, B, C]``, the first input, and lengths ``[B]``, the last, agree on."""
    scores, lengths = of_rank(inputs[0].shape, 3), of_rank(inputs[-1].shape, 1)
    return merge_dims(scores[1].value, lengths[0].value)


# --- the loss ---------------------------------------------------------------------------------------------------------


def _infer_loss(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    of_rank(inputs[1].shape, 2)
    of_rank(inputs[2].shape, 1)
    return [(inputs[0].dtype.base_dtype, TensorShape([_batch(inputs)]))]


@register("CTCLoss", _infer_loss)
def _ctc_loss(
    inputs: torch.Tensor, indices: torch.Tensor, values: torch.Tensor, lengths: torch.Tensor, **options: bool
) -> torch.Tensor:
    batch = inputs.shape[1]
    if len(inputs) and batch:
        _check_count(lengths, batch, ValueError)
        width = int(indices[:, 1].max()) + 1 if len(indices) else 0
        try:
            check_indices(indices, [batch, width])
        except ValueError as error:
            raise ValueError(f"label SparseTensor is not valid: {error}") from None
    labels: list[list[int]] = [[] for _ in range(batch)]
    for row, label in zip(indices[:, 0].tolist(), values.tolist(), strict=True):
        labels[row].append(label)
    return seq2seq.ctc_loss(inputs, labels, lengths, **options)


def _check_count(lengths: torch.Tensor, batch: int, error: Callable[[str], Exception]) -> None:
    if len(lengths) != batch:
        raise error(f"len(sequence_length) != batch_size.  len(sequence_length):  {len(lengths)} batch_size: {batch}")


def ctc_loss(
    labels: Any = None,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """Minus the log probability of labels, over all paths that stand for them; see `dynrnn.seq2seq.ctc_loss`.

    Args:
        labels: int32 sparse tensor ``[B, longest]``. Before TensorFlow 1.0 the inputs stood first: taken so when the
            first argument is dense and the second sparse.
        inputs: scores ``[T, B, C]``, before softmax; class C - 1 is the blank.
        sequence_length: int32 ``[B]``.
        preprocess_collapse_repeated: merge repeated labels beforehand.
        ctc_merge_repeated: merge repeated classes of a path.
        ignore_longer_outputs_than_inputs: rows with more labels than steps have loss 0.
        time_major: False: inputs are ``[B, T, C]``.
        logits: other name of ``inputs``.

    Returns:
        ``[B]``.

    Raises:
        TypeError: labels that are not sparse, or not int32.
        ValueError: both ``inputs`` and ``logits``, or shapes that do not fit.
        tf.errors.InvalidArgumentError: at run time, a row without labels, with more labels than steps, a length out of
            range.
    """
    if is_sparse(inputs) and not is_sparse(labels):
        labels, inputs = inputs, labels
    if not is_sparse(labels):
        raise TypeError(f"Expected labels (first argument) to be a SparseTensor, got {labels!r}")
    if inputs is not None and logits is not None:
        raise ValueError("Cannot specify both 'inputs' and 'logits'.")
    scores = _scores(logits if inputs is None else inputs, _LOSS_SCORES)
    if not time_major:
        scores = array_ops.transpose(scores, [1, 0, 2])
    sparse = sparse_argument(labels)
    values = of_dtype(sparse.values, dtypes.int32, "CTCLoss", "labels_values")
    lengths = of_dtype(sequence_length, dtypes.int32, "CTCLoss", "sequence_length")
    return apply(
        "CTCLoss",
        [scores, sparse.indices, values, lengths],
        preprocess_collapse_repeated=bool(preprocess_collapse_repeated),
        ctc_merge_repeated=bool(ctc_merge_repeated),
        ignore_longer_outputs_than_inputs=bool(ignore_longer_outputs_than_inputs),
    )


# --- decoders ---------------------------------------------------------------------------------------------------------


def _precondition(message: str) -> Exception:
    return errors.FailedPreconditionError(None, None, message)


def _checked_lengths(inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Lengths for a decoder: negative ones are 0."""
    _check_count(lengths, inputs.shape[1], _precondition)
    for row, length in enumerate(lengths.tolist()):
        if length > len(inputs):
            raise _precondition(f"sequence_length({row}) <= {len(inputs)}")
    return lengths.clamp(min=0)


def _as_sparse(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    indices = [[row, place] for row, labels in enumerate(rows) for place in range(len(labels))]
    values = [label for labels in rows for label in labels]
    width = max((len(labels) for labels in rows), default=0)
    return (
        torch.tensor(indices, dtype=torch.int64).reshape(-1, 2),
        torch.tensor(values, dtype=torch.int64),
        torch.tensor([len(rows), width], dtype=torch.int64),
    )


def _infer_decoder(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    paths = attrs.get("top_paths", 1)
    specs: list[Spec] = [(dtypes.int64, TensorShape([None, 2]))] * paths
    specs += [(dtypes.int64, TensorShape([None]))] * paths + [(dtypes.int64, TensorShape([2]))] * paths
    return [*specs, (inputs[0].dtype.base_dtype, TensorShape([_batch(inputs), paths]))]


@register("CTCGreedyDecoder", _infer_decoder, differentiable=False)
def _greedy(inputs: torch.Tensor, lengths: torch.Tensor, *, merge_repeated: bool) -> tuple[torch.Tensor, ...]:
    labels, sums = seq2seq.ctc_greedy_decode(inputs, _checked_lengths(inputs, lengths), merge_repeated)
    return (*_as_sparse(labels), sums)


@register("CTCBeamSearchDecoder", _infer_decoder, differentiable=False)
def _beam_search(
    inputs: torch.Tensor, lengths: torch.Tensor, *, beam_width: int, top_paths: int, merge_repeated: bool
) -> tuple[torch.Tensor, ...]:
    paths, sums = seq2seq.ctc_beam_search_decode(
        inputs, _checked_lengths(inputs, lengths), beam_width, top_paths, merge_repeated
    )
    columns = zip(*[_as_sparse(labels) for labels in paths], strict=True)
    return (*[tensor for column in columns for tensor in column], sums)


def _decode(op_type: str, inputs: Any, sequence_length: Any, **attrs: Any) -> tuple[list[SparseTensor], Tensor]:
    scores = _scores(inputs)
    lengths = of_dtype(sequence_length, dtypes.int32, op_type, "sequence_length")
    *tensors, sums = apply_many(op_type, [scores, lengths], **attrs)
    paths = len(tensors) // 3
    return [SparseTensor(*tensors[i::paths]) for i in range(paths)], sums


def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The labels of the best path of each row; see `dynrnn.seq2seq.ctc_greedy_decode`.

    Args:
        inputs: scores ``[T, B, C]``; class C - 1 is the blank.
        sequence_length: int32 ``[B]``.
        merge_repeated: whether a class that is best in several steps on end counts once.

    Returns:
        ``([decoded], neg_sum_logits)``: an int64 sparse tensor ``[B, longest]``, and ``[B, 1]``.

    Raises:
        TypeError: scores of another type than float32 and float64, lengths of another than int32.
        ValueError: shapes that do not fit.
        tf.errors.FailedPreconditionError: at run time, a length of more than T.
    """
    return _decode("CTCGreedyDecoder", inputs, sequence_length, merge_repeated=bool(merge_repeated))


def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The most probable label sequences of each row; see `dynrnn.seq2seq.ctc_beam_search_decode`.

    Args:
        inputs: scores ``[T, B, C]``; class C - 1 is the blank.
        sequence_length: int32 ``[B]``.
        beam_width: how many sequences are followed.
        top_paths: how many are wanted.
        merge_repeated: merge repeated labels of the results.

    Returns:
        ``(decoded, log_probabilities)``: a list of ``top_paths`` int64 sparse tensors, and ``[B, top_paths]``.

    Raises:
        TypeError: scores of another type than float32 and float64, lengths of another than int32.
        ValueError: shapes that do not fit, or a number below 1.
        tf.errors.FailedPreconditionError: at run time, a length of more than T.
        tf.errors.InvalidArgumentError: at run time, more paths wanted than the beam holds.
    """
    options = {"beam_width": int(beam_width), "top_paths": int(top_paths)}
    for name, number in options.items():
        if number < 1:
            raise ValueError(f"Attr '{name}' of 'CTCBeamSearchDecoder' Op passed {number} less than minimum 1.")
    options["merge_repeated"] = bool(merge_repeated)
    return _decode("CTCBeamSearchDecoder", inputs, sequence_length, **options)


def ctc_beam_search_decoder_v2(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[SparseTensor], Tensor]:
    """:func:`ctc_beam_search_decoder` that leaves repeated labels in its results."""
    return ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths, merge_repeated=False)


# --- edit distance ----------------------------------------------------------------------------------------------------


def _infer_edit_distance(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    ranks = []
    for position, which in ((2, "hypothesis"), (5, "truth")):
        rank = of_rank(inputs[position].shape, 1)[0].value
        if rank is not None and rank < 2:
            raise ValueError(
                f"Input {which.capitalize()} SparseTensors must have rank at least 2, but {which}_shape rank is: {rank}"
            )
        ranks.append(rank)
    if None not in ranks and ranks[0] != ranks[1]:
        raise ValueError(f"Num elements of hypothesis_shape does not match truth_shape: {ranks[0]} vs. {ranks[1]}")
    first, second = constant_value(inputs[2]), constant_value(inputs[5])
    if first is None or second is None:
        return [(dtypes.float32, unknown_shape())]
    return [(dtypes.float32, TensorShape(np.maximum(first, second)[:-1].tolist()))]


def _groups(indices: torch.Tensor, values: Any) -> dict[tuple[int, ...], list[Any]]:
    """The sequences by their index without the last dimension."""
    found: dict[tuple[int, ...], list[Any]] = {}
    items = taken(values, torch.arange(len(indices))).tolist()
    for index, item in zip(indices[:, :-1].tolist(), items, strict=True):
        found.setdefault(tuple(index), []).append(item)
    return found


@register("EditDistance", _infer_edit_distance, differentiable=False)
def _edit_distance(
    hypothesis_indices: torch.Tensor,
    hypothesis_values: Any,
    hypothesis_shape: torch.Tensor,
    truth_indices: torch.Tensor,
    truth_values: Any,
    truth_shape: torch.Tensor,
    *,
    normalize: bool,
) -> torch.Tensor:
    if len(hypothesis_shape) != len(truth_shape) or len(truth_shape) < 2:
        raise ValueError(
            "hypothesis and truth must have the same rank, at least 2, got the shapes "
            f"{hypothesis_shape.tolist()} and {truth_shape.tolist()}"
        )
    check_indices(hypothesis_indices, hypothesis_shape.tolist(), ordered=False)
    check_indices(truth_indices, truth_shape.tolist(), ordered=False)
    distances = torch.zeros(torch.maximum(hypothesis_shape, truth_shape)[:-1].tolist())
    hypotheses = _groups(hypothesis_indices, hypothesis_values)
    truths = _groups(truth_indices, truth_values)
    for place in {**hypotheses, **truths}:
        distance = seq2seq.edit_distance(hypotheses.get(place, []), truths.get(place, []), normalize)
        distances[place] = distance
    return distances


def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Tensor:
    """The edit distance of the sequences along the last dimension of two sparse tensors.

    Args:
        hypothesis, truth: sparse tensors of one rank, at least 2, and one type.
        normalize: divide by the length of the truth; against an empty one the distance is infinite, or 0 for an empty
            hypothesis.
        name: operation name.

    Returns:
        float32, with the larger of both sizes in each dimension but the last.

    Raises:
        TypeError: one of them is not sparse, or they have different types.
        ValueError: other ranks.
    """
    first = sparse_argument(hypothesis, "Hypothesis must be a SparseTensor.")
    second = sparse_argument(truth, "Truth must be a SparseTensor.")
    values = of_dtype(second.values, first.dtype.base_dtype, "EditDistance", "truth_values", "hypothesis_values")
    parts = [first.indices, first.values, first.dense_shape, second.indices, values, second.dense_shape]
    return apply("EditDistance", parts, name, normalize=bool(normalize))
