"""``tf.contrib.legacy_seq2seq``: sequence to sequence over Python lists with one tensor per step.

The decoder is unrolled in the graph step by step, since every step may be fed what the one before put out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.variable_scope import get_variable_scope, variable_scope
from dynrnn.tf1.rnn import check_cell, static_rnn

__all__ = ["basic_rnn_seq2seq", "rnn_decoder", "tied_rnn_seq2seq"]


def rnn_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    cell: Any,
    loop_function: Callable[[Any, int], Any] | None = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Run ``cell`` over ``decoder_inputs`` from ``initial_state``.

    Args:
        decoder_inputs: list of tensors ``[B, D]``.
        initial_state: state of the cell.
        cell: an RNN cell.
        loop_function: ``loop_function(previous_output, i)`` gives the input of step i, from step 1 on, in place of the
            one in the list. It runs in the scope "loop_function" with reuse.
        scope: name or VariableScope instead of "rnn_decoder".

    Returns:
        ``(outputs, state)``: a list with one output per step, and the final state.

    Raises:
        TypeError: not a cell, or a loop function that cannot be called.
        ValueError: no inputs.
    """
    check_cell("cell", cell)
    if loop_function is not None and not callable(loop_function):
        raise TypeError(f"loop_function must be callable, got {type(loop_function).__name__}")
    if not len(decoder_inputs):
        raise ValueError("Must provide at least 1 input to rnn_decoder, got an empty list")
    with variable_scope(scope or "rnn_decoder"):
        state = initial_state
        outputs: list[Any] = []
        for i, given in enumerate(decoder_inputs):
            x = given
            if loop_function is not None and outputs:
                with variable_scope("loop_function", reuse=True):
                    x = loop_function(outputs[-1], i)
            if i > 0:
                get_variable_scope().reuse_variables()
            output, state = cell(convert_to_tensor(x), state)
            outputs.append(output)
    return outputs, state


def basic_rnn_seq2seq(
    encoder_inputs: Sequence[Any], decoder_inputs: Sequence[Any], cell: Any, dtype: Any = None, scope: Any = None
) -> tuple[list[Any], Any]:
    """Encode with a copy of ``cell``, then decode with ``cell`` from the encoder's final state.

    Args:
        encoder_inputs: list of tensors ``[B, D]``.
        decoder_inputs: list of tensors ``[B, D]``.
        cell: an RNN cell; encoder and decoder have weights of their own.
        dtype: of the encoder's zero state; float32 when None.
        scope: name or VariableScope instead of "basic_rnn_seq2seq".

    Returns:
        ``(outputs, state)`` of the decoder.
    """
    check_cell("cell", cell)
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype or "float32")
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    loop_function: Callable[[Any, int], Any] | None = None,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Like `basic_rnn_seq2seq` with one set of weights for encoder and decoder.

    The default scopes are "combined_tied_rnn_seq2seq" and inside it "tied_rnn_seq2seq".
    """
    check_cell("cell", cell)
    with variable_scope("combined_tied_rnn_seq2seq"):
        tied = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype or "float32", scope=tied)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function=loop_function, scope=tied)


__getattr__ = missing(__name__, globals())
