"""``melt.rnn``: encode a batch of sequences with one call.

``encode_method`` says in which direction the cell reads, ``output_method`` what becomes of its outputs.
"""

from __future__ import annotations

import copy
from typing import Any

from dynrnn.tf1 import array_ops, indexing, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.rnn import dynamic_rnn
from dynrnn.tf1.rnn_bidirectional import bidirectional_dynamic_rnn

__all__ = ["EncodeMethod", "OutputMethod", "encode"]


class EncodeMethod:
    """How the sequence is read."""

    forward = 0
    backward = 1
    # spelled as the library spells it
    bidrectional = 2
    bidrectional_sum = 3


class OutputMethod:
    """What is returned of the outputs."""

    sum = 0
    last = 1
    first = 2
    all = 3


def encode(
    cell: Any,
    inputs: Any,
    sequence_length: Any,
    initial_state: Any = None,
    cell_bw: Any = None,
    inital_state_bw: Any = None,
    dtype: Any = None,
    encode_method: int = EncodeMethod.forward,
    output_method: int = OutputMethod.last,
) -> tuple[Tensor, Any]:
    """Encode ``inputs`` with ``cell``.

    Args:
        cell: RNN cell; reads forwards, or backwards when the method is ``backward``.
        inputs: ``[B, T, D]``.
        sequence_length: B lengths, or None for T everywhere.
        initial_state: state of ``cell``; None for zeros.
        cell_bw: the cell that reads backwards in the bidirectional methods; a copy of ``cell`` when None.
        inital_state_bw: its state; ``initial_state`` when None.
        dtype: of the zero states; that of the inputs when None.
        encode_method: an `EncodeMethod`: forward 0, backward 1, bidrectional 2 (outputs joined), bidrectional_sum 3
            (outputs added). Reading backwards reverses every row within its length; the outputs of backward are in the
            order of reading, those of the bidirectional methods in that of the inputs.
        output_method: an `OutputMethod`: sum 0 over the steps, last 1 (the output at length - 1), first 2, all 3.

    Returns:
        ``(features, state)``: features ``[B, n]`` (``[B, T, n]`` with ``all``), twice as wide when joined; the state is
        that of ``cell``, of the forward direction when there are two.

    Raises:
        ValueError: an unknown method.
    """
    x = convert_to_tensor(inputs)
    kind = x.dtype.base_dtype if dtype is None else dtype
    if output_method not in (0, 1, 2, 3):
        raise ValueError(f"output_method must be 0 (sum), 1 (last), 2 (first) or 3 (all), got {output_method!r}")
    if encode_method == EncodeMethod.forward:
        outputs, state = dynamic_rnn(cell, x, sequence_length, initial_state, kind)
    elif encode_method == EncodeMethod.backward:
        # the outputs stay in the order in which the cell read
        outputs, state = dynamic_rnn(cell, _reverse(x, sequence_length), sequence_length, initial_state, kind)
    elif encode_method in (EncodeMethod.bidrectional, EncodeMethod.bidrectional_sum):
        backward_cell = copy.deepcopy(cell) if cell_bw is None else cell_bw
        backward_state = initial_state if inital_state_bw is None else inital_state_bw
        (forwards, backwards), (state, _) = bidirectional_dynamic_rnn(
            cell, backward_cell, x, sequence_length, initial_state, backward_state, kind
        )
        if encode_method == EncodeMethod.bidrectional:
            outputs = array_ops.concat([forwards, backwards], 2)
        else:
            outputs = forwards + backwards
    else:
        raise ValueError(
            "encode_method must be 0 (forward), 1 (backward), 2 (bidrectional) or 3 (bidrectional_sum), "
            f"got {encode_method!r}"
        )
    return _chosen(outputs, sequence_length, output_method), state


def _reverse(x: Tensor, lengths: Any) -> Tensor:
    if lengths is None:
        return indexing.reverse(x, [1])
    return indexing.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)


def _chosen(outputs: Tensor, lengths: Any, output_method: int) -> Tensor:
    if output_method == OutputMethod.sum:
        return math_ops.reduce_sum(outputs, 1)
    if output_method == OutputMethod.first:
        return outputs[:, 0]
    if output_method == OutputMethod.all:
        return outputs
    if lengths is None:
        return outputs[:, -1]
    rows = math_ops.range_(array_ops.shape(outputs)[0])
    # a row of length 0 has no last output: its outputs are all zero
    last = math_ops.maximum(math_ops.cast(convert_to_tensor(lengths), dtypes.int32) - 1, 0)
    return indexing.gather_nd(outputs, array_ops.stack([rows, last], 1))
