"""The decoders of ``tf.contrib.legacy_seq2seq``, over Python lists with one tensor per step.

`rnn_decoder` without a loop function is one recurrent node, as ``tf.nn.static_rnn`` is. A loop function makes each
input from the output before and is called with the number of the step, so with one the steps stand in the graph one
after the other. So do those of `attention_decoder`: the memory they read has a row per row of the batch, which a step
of the engine cannot have.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from dynrnn import nest
from dynrnn.seq2seq.legacy_attention import attend, memory_features
from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import get_variable, get_variable_scope, variable_scope
from dynrnn.tf1.embedding_ops import embedding_lookup
from dynrnn.tf1.linear_map import linear
from dynrnn.tf1.nn_ops import xw_plus_b
from dynrnn.tf1.rnn import check_cell, unroll_list

__all__ = [
    "attention_decoder",
    "check_projection",
    "embedding_attention_decoder",
    "embedding_rnn_decoder",
    "extract_argmax_and_embed",
    "rnn_decoder",
]

LoopFunction = Callable[[Any, int], Any]
Step = Callable[[Any, Any], Any]


def extract_argmax_and_embed(
    embedding: Any, output_projection: Any = None, update_embedding: bool = True
) -> LoopFunction:
    """The loop function of greedy decoding: the embedding of the best symbol of the output before.

    Args:
        embedding: ``[symbols, size]``.
        output_projection: ``(W, b)``, through which an output goes before its best symbol is taken.
        update_embedding: False: no gradient reaches ``embedding`` through what the function returns.
    """

    def loop_function(previous: Any, _: int) -> Tensor:
        scores = previous
        if output_projection is not None:
            scores = xw_plus_b(scores, output_projection[0], output_projection[1])
        embedded = embedding_lookup(embedding, math_ops.argmax(scores, 1))
        return embedded if update_embedding else array_ops.stop_gradient(embedded)

    return loop_function


def check_projection(projection: Any, symbols: Any, dtype: Any, names: Sequence[str] = ("weights", "biases")) -> None:
    """Refuse an output projection ``(W, b)`` that does not end in ``symbols`` columns.

    Raises:
        ValueError: the shapes do not fit.
    """
    if projection is None:
        return
    shapes = {"weights": [None, symbols], "biases": [symbols]}
    for part, name in zip(projection, ("weights", "biases"), strict=True):
        if name in names:
            convert_to_tensor(part, dtype).shape.assert_is_compatible_with(shapes[name])


def _check_loop_function(loop_function: Any) -> None:
    if loop_function is not None and not callable(loop_function):
        raise TypeError(f"loop_function must be callable, got {type(loop_function).__name__}")


def _is_regular(inputs: Sequence[Any]) -> bool:
    """Whether the inputs differ from step to step in nothing that is known, so that they can be stacked."""
    first = nest.flatten(inputs[0])
    for step in inputs:
        leaves = nest.flatten(step)
        if nest.structure(step) != nest.structure(inputs[0]) or any(leaf.shape.ndims in (None, 0) for leaf in leaves):
            return False
        for leaf, other in zip(leaves, first, strict=True):
            same = leaf.dtype.base_dtype is other.dtype.base_dtype and leaf.shape.is_compatible_with(other.shape)
            if not same or None in leaf.shape.as_list()[1:]:
                return False
    return True


def _step_by_step(
    inputs: Sequence[Any], state: Any, step: Step, loop_function: LoopFunction | None
) -> tuple[list[Any], Any]:
    """``step(x, state) -> (output, new_state)`` for every input; its variables are made when it is first called."""
    outputs: list[Any] = []
    for i, given in enumerate(inputs):
        x = given
        if i > 0 and loop_function is not None:
            with variable_scope("loop_function", reuse=True):
                x = nest.map_structure(convert_to_tensor, loop_function(outputs[-1], i))
        if i > 0:
            get_variable_scope().reuse_variables()
        output, state = step(x, state)
        outputs.append(output)
    return outputs, state


def rnn_decoder(
    decoder_inputs: Iterable[Any],
    initial_state: Any,
    cell: Any,
    loop_function: LoopFunction | None = None,
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
    """
    check_cell("cell", cell)
    _check_loop_function(loop_function)
    with variable_scope(scope or "rnn_decoder"):
        inputs = [nest.map_structure(convert_to_tensor, x) for x in decoder_inputs]
        if loop_function is None and inputs and _is_regular(inputs):
            return unroll_list(cell, inputs, initial_state)
        return _step_by_step(inputs, initial_state, cell, loop_function)


def embedding_rnn_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`rnn_decoder` over ids, embedded by a variable "embedding"; it can feed its best symbol back.

    Args:
        decoder_inputs: list of int tensors ``[B]``.
        initial_state: state of the cell.
        cell: an RNN cell.
        num_symbols: rows of the embedding.
        embedding_size: columns of the embedding.
        output_projection: ``(W [cell.output_size, num_symbols], b [num_symbols])``, through which outputs go before
            the best symbol is taken; outputs are returned without it.
        feed_previous: whether steps after the first take the best symbol of the output before instead of their input.
        update_embedding_for_previous: whether gradients reach the embedding through what is fed back.
        scope: name or VariableScope instead of "embedding_rnn_decoder".

    Returns:
        ``(outputs, state)`` as of `rnn_decoder`.

    Raises:
        ValueError: an output projection of the wrong shape.
        TypeError: not a cell.
    """
    check_cell("cell", cell)
    with variable_scope(scope or "embedding_rnn_decoder") as current:
        check_projection(output_projection, num_symbols, current.dtype)
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop = (
            extract_argmax_and_embed(embedding, output_projection, update_embedding_for_previous)
            if feed_previous
            else None
        )
        embedded = (embedding_lookup(embedding, ids) for ids in decoder_inputs)
        return rnn_decoder(embedded, initial_state, cell, loop_function=loop)


# --- attention --------------------------------------------------------------------------------------------------------


class _Attention:
    """The heads of `attention_decoder`: the memory, and the variables AttnW_<i>, AttnV_<i>, made in the current scope.

    Calling it makes or finds Attention_<i>/kernel and bias.
    """

    def __init__(self, memory: Tensor, num_heads: int) -> None:
        self._memory = memory
        self._size = memory.shape[2].value
        self._heads = []
        for i in range(num_heads):
            # TensorFlow computes the features by a convolution with a window of 1, hence the shape of the kernel
            kernel: Any = get_variable(f"AttnW_{i}", [1, 1, self._size, self._size])
            features = memory_features(memory, torch.reshape(kernel, [self._size, self._size]))
            self._heads.append((features, get_variable(f"AttnV_{i}", [self._size])))

    def nothing(self, rows: Any, dtype: DType) -> list[Tensor]:
        """What was read before the first step."""
        size = self._size
        zeros = [array_ops.zeros(array_ops.stack([rows, size]), dtype) for _ in self._heads]
        for tensor in zeros:
            tensor.set_shape([None, size])
        return zeros

    def __call__(self, state: Any) -> list[Tensor]:
        """What each head reads for the cell's ``state``."""
        parts = [convert_to_tensor(part) for part in nest.flatten(state)]
        if any(part.shape.ndims not in (None, 2) for part in parts):
            raise ValueError(f"the state must have tensors [batch, size] to be a query, got {parts}")
        query = torch.cat(parts, 1) if nest.is_nested(state) else parts[0]  # type: ignore[arg-type]
        read = []
        for i, (features, v) in enumerate(self._heads):
            with variable_scope(f"Attention_{i}"):
                read.append(attend(self._memory, features, v, linear(query, self._size, True)))
        return read


def attention_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: LoopFunction | None = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`rnn_decoder` that reads ``attention_states`` in every step (:mod:`dynrnn.seq2seq.legacy_attention`).

    ::

        x         = [input, read] Wi + bi            of the input's width
        y, state' = cell(x, state)
        read'_h   = attend(memory; state' Wh + bh)   for each head h; the query is the whole new state
        output    = [y, read'] Wo + bo

    Variables: ``AttnW_<h>`` [1, 1, A, A], ``AttnV_<h>`` [A], ``kernel``, ``bias``, the cell's, ``Attention_<h>/kernel``
    and ``bias``, ``AttnOutputProjection/kernel`` and ``bias``.

    Args:
        decoder_inputs: list of tensors ``[B, D]``.
        initial_state: state of the cell.
        attention_states: the memory ``[B, L, A]``, A known. No place of it is masked.
        cell: an RNN cell.
        output_size: width of the outputs; the cell's when None.
        num_heads: number of heads.
        loop_function: as of `rnn_decoder`; it gets the outputs.
        dtype: of the variables; the scope's when None.
        scope: name or VariableScope instead of "attention_decoder".
        initial_state_attention: whether the memory is read with the initial state before the first step; else what was
            read then is zeros.

    Returns:
        ``(outputs, state)``: a list with one ``[B, output_size]`` per step, and the cell's final state.

    Raises:
        ValueError: no inputs, less than one head, a memory or an input of unknown width.
        TypeError: not a cell, or a loop function that cannot be called.
    """
    check_cell("cell", cell)
    _check_loop_function(loop_function)
    decoder_inputs = list(decoder_inputs)
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError("With less than 1 heads, use a non-attention decoder.")
    memory = convert_to_tensor(attention_states)
    if memory.shape.with_rank(3)[2].value is None:
        raise ValueError(f"Shape[2] of attention_states must be known: {memory.shape}")
    width = cell.output_size if output_size is None else output_size
    with variable_scope(scope or "attention_decoder", dtype=dtype) as current:
        inputs = [convert_to_tensor(x) for x in decoder_inputs]
        rows = array_ops.shape(inputs[0])[0]
        attention = _Attention(memory, num_heads)
        read = attention(initial_state) if initial_state_attention else attention.nothing(rows, current.dtype)
        first_call = True

        def step(x: Tensor, carried: Any) -> Any:
            nonlocal first_call
            state, read = carried
            size = x.shape.with_rank(2)[1].value
            if size is None:
                raise ValueError(f"Could not infer input size from input: {x.name}")
            y, state = cell(linear([x, *read], size, True), state)
            # the initial state, if it was a query too, has made the variables of the heads already
            found = first_call and initial_state_attention
            with variable_scope(get_variable_scope(), reuse=True) if found else contextlib.nullcontext():
                read = attention(state)
            first_call = False
            with variable_scope("AttnOutputProjection"):
                return linear([y, *read], width, True), (state, read)

        outputs, (state, _) = _step_by_step(inputs, (initial_state, read), step, loop_function)
        return outputs, state


def embedding_attention_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`attention_decoder` over ids, embedded by a variable "embedding"; it can feed its best symbol back.

    Args:
        decoder_inputs: list of int tensors ``[B]``.
        initial_state, attention_states, cell, num_heads, dtype, initial_state_attention: as of `attention_decoder`.
        num_symbols, embedding_size, feed_previous, update_embedding_for_previous: as of `embedding_rnn_decoder`.
        output_size: width of the outputs; the cell's when None.
        output_projection: ``(W [output_size, num_symbols], b [num_symbols])``, as of `embedding_rnn_decoder`.
        scope: name or VariableScope instead of "embedding_attention_decoder".

    Returns:
        ``(outputs, state)`` as of `attention_decoder`.

    Raises:
        ValueError: an output projection of the wrong shape, and as `attention_decoder`.
        TypeError: not a cell.
    """
    check_cell("cell", cell)
    width = cell.output_size if output_size is None else output_size
    check_projection(output_projection, num_symbols, dtype, ["biases"])
    with variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop = (
            extract_argmax_and_embed(embedding, output_projection, update_embedding_for_previous)
            if feed_previous
            else None
        )
        return attention_decoder(
            [embedding_lookup(embedding, ids) for ids in decoder_inputs],
            initial_state,
            attention_states,
            cell,
            output_size=width,
            num_heads=num_heads,
            loop_function=loop,
            initial_state_attention=initial_state_attention,
        )
