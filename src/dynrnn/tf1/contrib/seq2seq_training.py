"""Decoding with a `TrainingHelper` in a graph: the cell is unrolled by one ``Scan`` node, with lengths.

What comes after the cell needs no loop: the output layer is applied once, to the rows of all steps (if finished rows
are to be zero, to those that are not finished), and the sample ids are one argmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn import nest
from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.contrib.seq2seq_helpers import TrainingHelper
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.layers_core import Dense
from dynrnn.tf1.rnn_scan import scan_node

__all__ = ["decode_training"]


@register("DecodeSteps", lambda inputs, attrs: [(dtypes.int32, TensorShape([]))], differentiable=False)
def _decode_steps(lengths: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """How many steps the longest row takes."""
    longest = int(lengths.max()) if lengths.numel() else 0
    if longest > int(total):
        raise ValueError(f"Tried to read from index {int(total)} but array size is: {int(total)}")
    return torch.tensor(max(longest, 0), dtype=torch.int32)


def _valid_spec(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(dtypes.int32, TensorShape([None, 1]))]


@register("ValidRows", _valid_spec, differentiable=False)
def _valid_rows(lengths: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """The rows of ``[T * B]`` at which a row of the batch is not past its length."""
    live = torch.arange(int(steps)).unsqueeze(1) < lengths
    return live.flatten().nonzero().to(torch.int32)


def decode_training(
    cell: Any, helper: Any, initial_state: Any, output_layer: Any, impute_finished: bool, limit: Tensor | None
) -> tuple[Any, Any, Any, Any] | None:
    """``(outputs, sample_ids, state, lengths)``, time-major; None where only the loop, step by step, will do."""
    if type(helper) is not TrainingHelper or (output_layer is not None and type(output_layer) is not Dense):
        return None
    if any(hasattr(leaf, "_flow_tensor") for leaf in nest.flatten(initial_state)):
        return None
    graph = get_default_graph()
    inputs = helper._time_major_inputs
    first = nest.flatten(inputs)[0]
    lengths = math_ops.to_int32(helper.sequence_length)
    steps = apply("DecodeSteps", [lengths, array_ops.shape(first)[0]])
    if limit is not None:
        steps = math_ops.maximum(math_ops.minimum(steps, limit), 0)
    lengths = array_ops.identity(math_ops.minimum(lengths, steps), name="sequence_length")
    xs = nest.map_structure(lambda leaf: leaf[:steps], inputs)
    state = nest.map_structure(convert_to_tensor, initial_state)
    with graph.name_scope("while"):
        outputs, final, count = scan_node(cell, xs, state, lengths if impute_finished else None)
        # the loop's counters, time and one array per output come before the states among TensorFlow's exits
        for _ in range((2 if limit is None else 3) + count):
            graph.unique_name("Exit")
        final = nest.map_structure(_exit, final)
        # and inputs and flags before the lengths
        for _ in range(len(nest.flatten(xs)) + 1):
            graph.unique_name("Exit")
        lengths = _exit(lengths)
    if output_layer is not None:
        outputs = _apply(output_layer, outputs, lengths, steps, impute_finished)
    ids = math_ops.cast(math_ops.argmax(outputs, axis=-1), dtypes.int32)
    return outputs, ids, final, lengths


def _exit(tensor: Tensor) -> Tensor:
    graph = tensor.graph
    return graph.create_op("Exit", [tensor], None, "Exit", specs=[(tensor.dtype, tensor.shape)]).outputs[0]


def _apply(layer: Any, outputs: Any, lengths: Tensor, steps: Tensor, impute_finished: bool) -> Tensor:
    """``layer`` on the rows of ``[T, B, n]``; zeros past the lengths if they are imputed."""
    sizes = array_ops.shape(outputs)
    rows = array_ops.reshape(outputs, [-1, outputs.shape[-1].value])
    if impute_finished:
        valid = apply("ValidRows", [lengths, steps])
        part = layer(array_ops.gather(rows, valid[:, 0]))
        width = part.shape[-1].value
        every = array_ops.scatter_nd(valid, part, array_ops.stack([sizes[0] * sizes[1], width]))
    else:
        every = layer(rows)
        width = every.shape[-1].value
    result = array_ops.reshape(every, array_ops.stack([sizes[0], sizes[1], width]))
    result.set_shape(outputs.shape[:2].concatenate([width]))
    return result
