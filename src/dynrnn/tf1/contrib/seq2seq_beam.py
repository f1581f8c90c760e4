"""``tf.contrib.seq2seq``: beam search. The formulas are those of :mod:`dynrnn.seq2seq.beam_step`, as operations."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import torch

from dynrnn import nest
from dynrnn.seq2seq import beam_step as formulas
from dynrnn.seq2seq.beam_search import attention_probabilities
from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.contrib.seq2seq_decoder import Decoder, check_layer
from dynrnn.tf1.contrib.seq2seq_helpers import embedding_function, end_of_sequence, start_of_sequence
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply, apply_many
from dynrnn.tf1.core.control_flow import cond
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.rnn import check_cell

__all__ = [
    "BeamSearchDecoder",
    "BeamSearchDecoderOutput",
    "BeamSearchDecoderState",
    "FinalBeamSearchDecoderOutput",
    "gather_tree",
    "gather_tree_from_array",
    "tile_batch",
]


# --- operations -------------------------------------------------------------------------------------------------------


def _step_specs(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    scores, beams = inputs[0].dtype.base_dtype, inputs[1].shape
    return [
        (scores, beams),
        (dtypes.int32, beams),
        (dtypes.int32, beams),
        (scores, beams),
        (dtypes.bool_, beams),
        (dtypes.int64, beams),
        (dtypes.int64, TensorShape([None])),
    ]


@register("BeamSearchStep", _step_specs)
def _beam_search_step(
    logits: torch.Tensor,
    log_probs: torch.Tensor,
    finished: torch.Tensor,
    lengths: torch.Tensor,
    end_token: torch.Tensor,
    length_penalty_weight: torch.Tensor,
    *penalty: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    return tuple(
        formulas.beam_step(logits, log_probs, finished, lengths, int(end_token), float(length_penalty_weight), *penalty)
    )


def _same_as_second(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(inputs[0].dtype.base_dtype, inputs[1].shape)]


@register("CoveragePenalty", _same_as_second)
def _coverage_penalty(accumulated: torch.Tensor, finished: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return formulas.coverage_penalty(accumulated, finished, float(weight))


def _tree_spec(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    step_ids, parent_ids = inputs[0].shape.with_rank(3), inputs[1].shape.with_rank(3)
    lengths = inputs[2].shape.with_rank(1)
    shape = step_ids.merge_with(parent_ids)
    inputs[3].shape.assert_has_rank(0)
    shape[1].merge_with(lengths[0])
    return [(inputs[0].dtype.base_dtype, shape)]


@register("GatherTree", _tree_spec, differentiable=False)
def _gather_tree(
    step_ids: torch.Tensor, parent_ids: torch.Tensor, max_sequence_lengths: torch.Tensor, end_token: torch.Tensor
) -> torch.Tensor:
    return formulas.gather_tree(step_ids, parent_ids, max_sequence_lengths, end_token)


@register("GatherTreeFromArray", lambda inputs, attrs: [(inputs[0].dtype.base_dtype, inputs[0].shape)])
def _gather_tree_from_array(
    array: torch.Tensor, parent_ids: torch.Tensor, sequence_length: torch.Tensor
) -> torch.Tensor:
    return formulas.gather_tree_from_array(array, parent_ids, sequence_length)


def gather_tree(
    step_ids: Any, parent_ids: Any, max_sequence_lengths: Any, end_token: Any, name: str | None = None
) -> Tensor:
    """The sequences behind the beams of the last step; see `dynrnn.seq2seq.gather_tree`.

    Args:
        step_ids: int32 ``[T, B, K]``.
        parent_ids: int32 ``[T, B, K]``.
        max_sequence_lengths: int32 ``[B]``.
        end_token: int32 scalar.
        name: of the operation.

    At run time a parent that is no beam is an ``InvalidArgumentError``.
    """
    ids = convert_to_tensor(step_ids, dtypes.int32)
    inputs = [ids, *(convert_to_tensor(x, dtypes.int32) for x in (parent_ids, max_sequence_lengths, end_token))]
    return apply("GatherTree", inputs, name or "GatherTree")


def gather_tree_from_array(t: Any, parent_ids: Any, sequence_length: Any) -> Tensor:
    """``t [T, B, K, ...]`` or ``[T, B * K, ...]`` in the order of the sequences of the last step's beams.

    Args:
        t: tensor.
        parent_ids: int32 ``[T, B, K]``.
        sequence_length: integers ``[B, K]``.
    """
    return apply(
        "GatherTreeFromArray",
        [convert_to_tensor(t), convert_to_tensor(parent_ids, dtypes.int32), convert_to_tensor(sequence_length)],
    )


def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Each row of a tensor, or of a nest of them, ``multiplier`` times, one after the other.

    Raises:
        ValueError: a tensor of unknown rank, or of rank 0.
    """
    with name_scope(name, "tile_batch"):
        return nest.map_structure(lambda leaf: _tiled(convert_to_tensor(leaf, name="t"), multiplier), t)


def _tiled(t: Tensor, multiplier: int) -> Tensor:
    if t.shape.ndims is None or t.shape.ndims < 1:
        raise ValueError("t must have statically known rank")
    shape = array_ops.shape(t)
    tiled = array_ops.tile(array_ops.expand_dims(t, 1), [1, multiplier, *[1] * (t.shape.ndims - 1)])
    tiled = array_ops.reshape(tiled, array_ops.concat([[shape[0] * multiplier], shape[1:]], 0))
    rows = t.shape[0].value
    tiled.set_shape(TensorShape([None if rows is None else rows * multiplier]).concatenate(t.shape[1:]))
    return tiled


# --- the decoder ------------------------------------------------------------------------------------------------------


class BeamSearchDecoderState(
    namedtuple(
        "BeamSearchDecoderState", ("cell_state", "log_probs", "finished", "lengths", "accumulated_attention_probs")
    )
):
    """The cell's state ``[B, K, ...]``; log probabilities, flags and int64 lengths ``[B, K]``; attention or ()."""

    __slots__ = ()


class BeamSearchDecoderOutput(namedtuple("BeamSearchDecoderOutput", ("scores", "predicted_ids", "parent_ids"))):
    """Of a step: scores, tokens and the beams they extend, ``[B, K]``."""

    __slots__ = ()


class FinalBeamSearchDecoderOutput(
    namedtuple("FinalBeamDecoderOutput", ("predicted_ids", "beam_search_decoder_output"))
):
    """The sequences ``[B, T, K]``, best first, and the outputs of all steps."""

    __slots__ = ()


class BeamSearchDecoder(Decoder):
    """Beam search.

    Args:
        cell: an RNN cell.
        embedding: a function of ids, or what ``embedding_lookup`` takes.
        start_tokens: int32 vector ``[B]``.
        end_token: int32 scalar.
        initial_state: nest of tensors with ``B * beam_width`` rows, and TensorArrays.
        beam_width: K.
        output_layer: a ``tf.layers.Layer`` that gives logits, or None.
        length_penalty_weight: scores are divided by ``((5 + length) / 6) ** weight``.
        coverage_penalty_weight: of the penalty for sources that got little attention.
        reorder_tensor_arrays: whether TensorArrays of the final cell state are put into the order of the sequences.

    Raises:
        TypeError: not a cell, or no layer.
        ValueError: ``start_tokens`` is no vector, ``end_token`` no scalar, or a state of another number of rows.
    """

    def __init__(
        self,
        cell: Any,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        initial_state: Any,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: Any = 0.0,
        coverage_penalty_weight: Any = 0.0,
        reorder_tensor_arrays: bool = True,
    ) -> None:
        check_cell("cell", cell)
        check_layer("output_layer", output_layer)
        self._cell, self._output_layer = cell, output_layer
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens, self._end_token = start_of_sequence(start_tokens), end_of_sequence(end_token)
        self._batch_size = array_ops.size(self._start_tokens)
        self._static_batch = self._start_tokens.shape[0].value
        self._beam_width = int(beam_width)
        self._length_penalty_weight = convert_to_tensor(length_penalty_weight, dtypes.float32)
        self._coverage_penalty_weight = _scalar_or_tensor(coverage_penalty_weight)
        self._reorder_tensor_arrays = reorder_tensor_arrays
        self._initial_cell_state = nest.map_structure(self._maybe_split, initial_state)
        tiled = array_ops.tile(array_ops.expand_dims(self._start_tokens, 1), [1, self._beam_width])
        self._start_inputs = self._embedding_fn(tiled)

    @property
    def batch_size(self) -> Tensor:
        """The number of start tokens."""
        return self._batch_size

    @property
    def tracks_own_finished(self) -> bool:
        """True: beams move about."""
        return True

    @property
    def output_size(self) -> BeamSearchDecoderOutput:
        """``[K]`` each."""
        return BeamSearchDecoderOutput(*[TensorShape([self._beam_width])] * 3)

    @property
    def output_dtype(self) -> BeamSearchDecoderOutput:
        """The dtype of the first leaf of the state, and int32."""
        return BeamSearchDecoderOutput(self._dtype, dtypes.int32, dtypes.int32)

    @property
    def _dtype(self) -> Any:
        return nest.flatten(self._initial_cell_state)[0].dtype.base_dtype

    @property
    def _beams(self) -> TensorShape:
        return TensorShape([self._static_batch, self._beam_width])

    def initialize(self, name: str | None = None) -> Any:
        """All but the first beam of a row are impossible and finished."""
        first = array_ops.zeros(array_ops.expand_dims(self._batch_size, 0), dtypes.int32)
        width = self._beam_width
        log_probs = array_ops.one_hot(first, width, on_value=0.0, off_value=-float("inf"), dtype=self._dtype)
        finished = array_ops.one_hot(first, width, on_value=False, off_value=True, dtype=dtypes.bool_)
        lengths = array_ops.zeros(array_ops.stack([self._batch_size, width]), dtypes.int64)
        for tensor in (log_probs, finished, lengths):
            tensor.set_shape(self._beams)
        attended = attention_probabilities(self._initial_cell_state, self._coverage_penalty_weight)
        state = BeamSearchDecoderState(
            self._initial_cell_state,
            log_probs,
            finished,
            lengths,
            () if attended is None else array_ops.zeros_like(attended),
        )
        return finished, self._start_inputs, state

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """The cell on all beams, and the K best of what they can go on with."""
        with name_scope(name, "BeamSearchDecoderStep"):
            merged = nest.map_structure(self._merge, inputs)
            logits, cell_state = self._cell(merged, nest.map_structure(self._maybe_merge, state.cell_state))
            if self._output_layer is not None:
                logits = self._output_layer(logits)
            cell_state = nest.map_structure(self._maybe_split, cell_state)
            penalty, accumulated = [], None
            attended = attention_probabilities(cell_state, self._coverage_penalty_weight)
            if attended is not None:
                going = math_ops.cast(math_ops.logical_not(state.finished), attended.dtype.base_dtype)
                accumulated = state.accumulated_attention_probs + attended * array_ops.expand_dims(going, 2)
                weight = convert_to_tensor(self._coverage_penalty_weight, dtypes.float32)
                penalty = [apply("CoveragePenalty", [accumulated, state.finished, weight])]
            scores, ids, parents, log_probs, finished, lengths, rows = apply_many(
                "BeamSearchStep",
                [
                    self._split(logits),
                    state.log_probs,
                    state.finished,
                    state.lengths,
                    self._end_token,
                    self._length_penalty_weight,
                    *penalty,
                ],
            )
            next_state = BeamSearchDecoderState(
                nest.map_structure(lambda leaf: self._maybe_gather(leaf, rows), cell_state),
                log_probs,
                finished,
                lengths,
                () if accumulated is None else self._maybe_gather(accumulated, rows),
            )
            next_inputs = cond(
                math_ops.reduce_all(finished), lambda: self._start_inputs, lambda: self._embedding_fn(ids)
            )
        return BeamSearchDecoderOutput(scores, ids, parents), next_state, next_inputs, finished

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """Follow the parents back."""
        longest = math_ops.to_int32(math_ops.reduce_max(final_state.lengths, axis=1))
        ids = gather_tree(outputs.predicted_ids, outputs.parent_ids, longest, self._end_token)
        if self._reorder_tensor_arrays:
            final_state = final_state._replace(
                cell_state=nest.map_structure(
                    lambda leaf: self._maybe_reordered(leaf, outputs.parent_ids, final_state.lengths),
                    final_state.cell_state,
                )
            )
        return FinalBeamSearchDecoderOutput(ids, outputs), final_state

    def _maybe_reordered(self, leaf: Any, parent_ids: Tensor, lengths: Tensor) -> Any:
        if not hasattr(leaf, "_flow_tensor"):
            return leaf
        shape = leaf.element_shape
        if shape.ndims is None or shape.ndims < 1:
            return leaf
        rows = shape[0].value
        if rows is not None and self._static_batch is not None and rows != self._static_batch * self._beam_width:
            return leaf
        return gather_tree_from_array(leaf.stack(), parent_ids, lengths)

    # -- [B * K, ...] and [B, K, ...] ----------------------------------------------------------------------------------

    def _split(self, t: Tensor) -> Tensor:
        rest = t.shape[1:]
        sizes = (
            [[self._batch_size, self._beam_width], array_ops.shape(t)[1:]]
            if t.shape.ndims != 1
            else [[self._batch_size, self._beam_width]]
        )
        rows = t.shape[0].value
        if rows is not None and self._static_batch is not None and rows != self._static_batch * self._beam_width:
            raise ValueError(
                "Unexpected behavior when reshaping between beam width and batch size.  The reshaped tensor has shape: "
                f"{t.shape}.  We expected it to have shape (batch_size, beam_width, depth) == "
                f"{self._beams.concatenate(rest)}.  Perhaps you forgot to create a zero_state with "
                "batch_size=encoder_batch_size * beam_width?"
            )
        split = array_ops.reshape(t, array_ops.concat(sizes, 0))
        split.set_shape(self._beams.concatenate(rest))
        return split

    def _merge(self, t: Tensor) -> Tensor:
        sizes = [array_ops.expand_dims(self._batch_size * self._beam_width, 0), array_ops.shape(t)[2:]]
        merged = array_ops.reshape(t, array_ops.concat(sizes, 0))
        rows = None if self._static_batch is None else self._static_batch * self._beam_width
        merged.set_shape(TensorShape([rows]).concatenate(t.shape[2:]))
        return merged

    def _maybe_split(self, leaf: Any) -> Any:
        if hasattr(leaf, "_flow_tensor"):
            return leaf
        tensor = convert_to_tensor(leaf)
        if tensor.shape.ndims is None:
            raise ValueError(f"Expected tensor ({tensor}) to have known rank, but ndims == None.")
        return self._split(tensor) if tensor.shape.ndims >= 1 else tensor

    def _maybe_merge(self, leaf: Any) -> Any:
        return leaf if hasattr(leaf, "_flow_tensor") or leaf.shape.ndims == 0 else self._merge(leaf)

    def _maybe_gather(self, leaf: Any, rows: Tensor) -> Any:
        if hasattr(leaf, "_flow_tensor") or leaf.shape.ndims == 0:
            return leaf
        return self._split(array_ops.gather(self._merge(leaf), rows))


def _scalar_or_tensor(value: Any) -> Any:
    """A number, where the graph knows it, so that 0 can be told."""
    tensor = convert_to_tensor(value, dtypes.float32)
    if tensor.shape.ndims != 0:
        raise ValueError(f"coverage_penalty_weight should be a scalar, but saw shape: {tensor.shape}")
    known = constant_value(tensor)
    return tensor if known is None else float(known)
