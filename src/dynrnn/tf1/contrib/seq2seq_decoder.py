"""``tf.contrib.seq2seq``: `Decoder`, `dynamic_decode`, `BasicDecoder`.

The decoder's step is traced once into a body, and one ``ScanUntil`` node runs it until all rows are finished. With a
`TrainingHelper` all inputs are known beforehand, and the cell alone is traced, into a ``Scan`` node, which the engine
runs; see ``seq2seq_training.py``.
"""

from __future__ import annotations

import abc
import contextlib
from collections import namedtuple
from typing import Any

from dynrnn import nest
from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.contrib.seq2seq_helpers import Helper
from dynrnn.tf1.contrib.seq2seq_training import decode_training
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import to_tensors
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.core.variable_scope import variable_scope
from dynrnn.tf1.layer_base import Layer
from dynrnn.tf1.rnn import check_cell
from dynrnn.tf1.rnn_scan import scan_until_node

__all__ = ["BasicDecoder", "BasicDecoderOutput", "Decoder", "check_layer", "dynamic_decode", "layer_output_size"]


class Decoder(abc.ABC):
    """What `dynamic_decode` runs; programs derive their own from it.

    ``finished`` is a bool tensor with one entry per row; inputs, states and outputs are nests of tensors with the batch
    first, states also of TensorArrays.
    """

    @property
    def batch_size(self) -> Any:
        """The number of rows, int32 scalar."""
        raise NotImplementedError

    @property
    def output_size(self) -> Any:
        """Nest of ints or shapes: a row of each output."""
        raise NotImplementedError

    @property
    def output_dtype(self) -> Any:
        """Nest of dtypes, like ``output_size``."""
        raise NotImplementedError

    @abc.abstractmethod
    def initialize(self, name: str | None = None) -> Any:
        """``(finished, first_inputs, initial_state)``."""

    @abc.abstractmethod
    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """``(outputs, next_state, next_inputs, finished)``; called once, with graph tensors."""

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """``(final_outputs, final_state)``, from time-major outputs; a decoder need not have it."""
        raise NotImplementedError

    @property
    def tracks_own_finished(self) -> bool:
        """Whether ``finished`` of a step counts as it is; otherwise a row once finished stays so."""
        return False


def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Decode until all rows are finished.

    Args:
        decoder: a `Decoder`.
        output_time_major: outputs are ``[T, B, ...]``.
        impute_finished: rows that are finished give zeros and keep their state.
        maximum_iterations: int32 scalar: stop after so many steps.
        parallel_iterations, swap_memory: accepted; they change no result.
        scope: name or VariableScope; by default "decoder", made unique.

    Returns:
        ``(outputs, state, sequence_lengths)``: outputs ``[B, T, ...]`` with T the number of steps that ran, and int32
        lengths. A beam search's are, as TensorFlow's, those of places in the beam, not of sequences.

    Raises:
        TypeError: not a decoder.
        ValueError: ``maximum_iterations`` is no scalar; structures that change.
    """
    if not isinstance(decoder, Decoder):
        raise TypeError(f"Expected decoder to be type Decoder, but saw: {type(decoder)}")
    with variable_scope(scope, "decoder"):
        limit = None
        if maximum_iterations is not None:
            limit = convert_to_tensor(maximum_iterations, dtypes.int32, name="maximum_iterations")
            if limit.shape.ndims != 0:
                raise ValueError("maximum_iterations must be a scalar")
        if type(decoder) is BasicDecoder:
            parts = decode_training(
                decoder._cell, decoder._helper, decoder._initial_state, decoder._output_layer, impute_finished, limit
            )
            if parts is not None:
                output, ids, state, lengths = parts
                outputs = BasicDecoderOutput(output, ids)
                return outputs if output_time_major else nest.map_structure(_swap, outputs), state, lengths
        outputs, state, lengths = _decode_steps(decoder, impute_finished, limit)
        with contextlib.suppress(NotImplementedError):
            outputs, state = decoder.finalize(outputs, state, lengths)
        return outputs if output_time_major else nest.map_structure(_swap, outputs), state, lengths


def _decode_steps(decoder: Decoder, impute: bool, limit: Tensor | None) -> tuple[Any, Any, Tensor]:
    """The node and its results: time-major outputs, final state, lengths."""
    graph = get_default_graph()
    finished, first_inputs, first_state = decoder.initialize()
    finished = convert_to_tensor(finished, dtypes.bool_)
    if impute and finished.shape.ndims not in (None, 1):
        raise ValueError(
            f"impute_finished=True needs finished flags of shape [batch_size], {type(decoder).__name__} has {finished}"
        )
    template = nest.map_structure(_row_of_zeros, decoder.output_size, decoder.output_dtype)
    if limit is not None:
        finished = math_ops.logical_or(finished, math_ops.greater_equal(0, limit))
    lengths = array_ops.zeros_like(finished, dtype=dtypes.int32)
    inputs = nest.map_structure(_tensor_or_array, first_inputs)
    state = nest.map_structure(_tensor_or_array, first_state)
    leaves = nest.flatten(state)
    masked = [impute and isinstance(leaf, Tensor) and leaf.shape.ndims != 0 for leaf in leaves]

    def part(flat: list[Any], of: bool) -> list[Any]:
        return [leaf for leaf, is_masked in zip(flat, masked, strict=True) if is_masked is of]

    def whole(rows: list[Any], others: list[Any]) -> Any:
        one, two = iter(rows), iter(others)
        return nest.pack_as(state, [next(one if is_masked else two) for is_masked in masked])

    def step(time: Tensor, x: Any, rows: Any, loop: Any) -> tuple[Any, Any, Any, Any, Any]:
        others, done_before, counted = loop
        outputs, new_state, next_inputs, done = decoder.step(time, x, whole(rows, others))
        _same_structure(state, new_state)
        _same_structure(template, outputs)
        _same_structure(inputs, next_inputs)
        outputs = nest.map_structure(_checked_output, outputs, template)
        flat = [_shaped_like(new, old) for new, old in zip(nest.flatten(new_state), leaves, strict=True)]
        done = convert_to_tensor(done, dtypes.bool_)
        if not decoder.tracks_own_finished:
            done = math_ops.logical_or(done, done_before)
        following = time + 1
        counted = array_ops.where(
            math_ops.logical_not(done_before), array_ops.fill(array_ops.shape(counted), following), counted
        )
        stop = done
        if limit is not None:
            stop = math_ops.logical_or(done, math_ops.greater_equal(following, limit))
        stop.set_shape(finished.shape)
        counted.set_shape(lengths.shape)
        return stop, next_inputs, part(flat, True), outputs, (part(flat, False), stop, counted)

    with graph.name_scope("while"):
        outputs, rows, (others, _, final_lengths) = scan_until_node(
            step,
            finished,
            inputs,
            part(leaves, True),
            (part(leaves, False), finished, lengths),
            template,
            mask=impute,
            sticky=not decoder.tracks_own_finished,
        )
        # TensorFlow's loop has a counter or two, time and one array per output before the states, and the inputs after
        for _ in range((1 if limit is None else 2) + len(nest.flatten(template))):
            graph.unique_name("Exit")
        final = nest.map_structure(_exit, whole(rows, others))
        for _ in range(len(to_tensors(inputs)) + 1):
            graph.unique_name("Exit")
        final_lengths = _exit(final_lengths)
    outputs = nest.map_structure(lambda t: _stacked(t, decoder.batch_size), outputs)
    return outputs, final, final_lengths


def _row_of_zeros(size: Any, dtype: Any) -> Tensor:
    shape = as_shape([size] if isinstance(size, int) else size)
    if not shape.is_fully_defined():
        raise ValueError(f"output_size of a decoder must be fully defined, got {shape}")
    return array_ops.zeros(shape.as_list(), dtype)


def _tensor_or_array(leaf: Any) -> Any:
    return leaf if hasattr(leaf, "_flow_tensor") else convert_to_tensor(leaf)


def _same_structure(expected: Any, got: Any) -> None:
    if nest.structure(expected) != nest.structure(got):
        raise ValueError(
            "The two structures don't have the same nested structure.\n\n"
            f"First structure: {nest.describe(expected)}\n\nSecond structure: {nest.describe(got)}"
        )


def _checked_output(output: Any, like: Tensor) -> Tensor:
    tensor = convert_to_tensor(output)
    if tensor.dtype.base_dtype is not like.dtype.base_dtype:
        raise ValueError(
            f"TensorArray dtype is {like.dtype.base_dtype.name} but Op is trying to write dtype "
            f"{tensor.dtype.base_dtype.name} (the decoder's output_dtype and its outputs differ)"
        )
    known = TensorShape([None]).concatenate(like.shape)
    if not tensor.shape.is_compatible_with(known):
        raise ValueError(f"Inconsistent shapes: saw {tensor.shape} but expected {known} (the decoder's output_size)")
    return tensor


def _shaped_like(new: Any, old: Any) -> Any:
    if not isinstance(old, Tensor):
        return new
    tensor = convert_to_tensor(new)
    tensor.set_shape(old.shape)
    return tensor


def _exit(leaf: Any) -> Any:
    if hasattr(leaf, "_flow_tensor"):
        return leaf
    return leaf.graph.create_op("Exit", [leaf], None, "Exit", specs=[(leaf.dtype, leaf.shape)]).outputs[0]


def _stacked(tensor: Tensor, batch_size: Any) -> Tensor:
    """The outputs ``[T, B, ...]`` under TensorFlow's name, with B as far as the decoder knows it."""
    known = constant_value(convert_to_tensor(batch_size))
    if known is not None and tensor.shape.ndims is not None and tensor.shape.ndims >= 2:
        tensor.set_shape(TensorShape([None, int(known)]).concatenate(tensor.shape[2:]))
    with name_scope("TensorArrayStack"):
        return tensor.graph.create_op(
            "Exit", [tensor], None, "TensorArrayGatherV3", specs=[(tensor.dtype, tensor.shape)]
        ).outputs[0]


def _swap(tensor: Any) -> Any:
    """Time-major to batch-major, what has two dimensions or more."""
    if not isinstance(tensor, Tensor) or tensor.shape.ndims is None or tensor.shape.ndims < 2:
        return tensor
    return array_ops.transpose(tensor, [1, 0, *range(2, tensor.shape.ndims)])


# --- BasicDecoder -----------------------------------------------------------------------------------------------------


def check_layer(name: str, layer: Any) -> None:
    """Refuse what is no ``tf.layers.Layer``.

    Raises:
        TypeError: with its type.
    """
    if layer is not None and not isinstance(layer, Layer):
        raise TypeError(f"{name} must be a Layer, received: {type(layer)}")


def layer_output_size(size: Any, layer: Any) -> Any:
    """The output size of a cell, after the layer if there is one."""
    if layer is None:
        return size
    return nest.map_structure(
        lambda s: as_shape(layer.compute_output_shape(TensorShape([None]).concatenate(as_shape(_dims(s)))))[1:], size
    )


def _dims(size: Any) -> Any:
    return [size] if isinstance(size, int) else size


class BasicDecoderOutput(namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))):
    """The cell's outputs, after the output layer, and the sample ids."""

    __slots__ = ()


class BasicDecoder(Decoder):
    """A cell, an output layer and a helper that samples and says what comes next.

    Args:
        cell: an RNN cell.
        helper: a `Helper`.
        initial_state: nest of tensors and TensorArrays.
        output_layer: a ``tf.layers.Layer`` before sampling, or None.

    Raises:
        TypeError: wrong types.
    """

    def __init__(self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None) -> None:
        check_cell("cell", cell)
        if not isinstance(helper, Helper):
            raise TypeError(f"helper must be a Helper, received: {type(helper)}")
        check_layer("output_layer", output_layer)
        self._cell, self._helper, self._initial_state, self._output_layer = cell, helper, initial_state, output_layer

    @property
    def batch_size(self) -> Any:
        """The helper's."""
        return self._helper.batch_size

    def _rnn_output_size(self) -> Any:
        return layer_output_size(self._cell.output_size, self._output_layer)

    @property
    def output_size(self) -> BasicDecoderOutput:
        """Of the cell's output after the output layer, and of the sample ids."""
        return BasicDecoderOutput(self._rnn_output_size(), self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """The dtype of the first leaf of the state for the cell's outputs, the helper's for the sample ids."""
        first = _tensor_or_array(nest.flatten(self._initial_state)[0])
        dtype = as_dtype(first.dtype).base_dtype
        return BasicDecoderOutput(
            nest.map_structure(lambda _: dtype, self._rnn_output_size()), self._helper.sample_ids_dtype
        )

    def initialize(self, name: str | None = None) -> Any:
        """The helper's ``(finished, first_inputs)`` and the initial state."""
        finished, inputs = self._helper.initialize()
        return finished, inputs, self._initial_state

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """Cell, output layer, ``helper.sample``, ``helper.next_inputs``."""
        with name_scope(name, "BasicDecoderStep"):
            outputs, cell_state = self._cell(inputs, state)
            if self._output_layer is not None:
                outputs = self._output_layer(outputs)
            ids = self._helper.sample(time=time, outputs=outputs, state=cell_state)
            finished, next_inputs, next_state = self._helper.next_inputs(
                time=time, outputs=outputs, state=cell_state, sample_ids=ids
            )
        return BasicDecoderOutput(outputs, ids), next_state, next_inputs, finished
