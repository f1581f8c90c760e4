"""The whole models of ``tf.contrib.legacy_seq2seq``: an encoder, and a decoder that begins in its final state.

Where ``feed_previous`` is a tensor both decoders are in the graph, with one set of variables, and the tensor chooses
between them when it runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynrnn import nest
from dynrnn.tf1 import array_ops
from dynrnn.tf1.contrib.legacy_decoders import (
    LoopFunction,
    check_projection,
    embedding_attention_decoder,
    embedding_rnn_decoder,
    extract_argmax_and_embed,
    rnn_decoder,
)
from dynrnn.tf1.core.control_flow import cond
from dynrnn.tf1.core.variable_scope import get_variable, get_variable_scope, variable_scope
from dynrnn.tf1.embedding_ops import embedding_lookup
from dynrnn.tf1.rnn import check_cell, static_rnn
from dynrnn.tf1.rnn_cell import EmbeddingWrapper, OutputProjectionWrapper, RNNCell, unbuilt_copy

__all__ = [
    "basic_rnn_seq2seq",
    "embedding_attention_seq2seq",
    "embedding_rnn_seq2seq",
    "embedding_tied_rnn_seq2seq",
    "one2many_rnn_seq2seq",
    "tied_rnn_seq2seq",
]


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

    Raises:
        TypeError: not a cell.
        ValueError: no encoder inputs.
    """
    check_cell("cell", cell)
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(unbuilt_copy(cell), encoder_inputs, dtype=dtype or "float32")
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    loop_function: LoopFunction | None = None,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Like `basic_rnn_seq2seq` with one set of weights for encoder and decoder.

    The default scopes are "combined_tied_rnn_seq2seq" and inside it "tied_rnn_seq2seq".

    Args:
        encoder_inputs, decoder_inputs, cell, dtype: as of `basic_rnn_seq2seq`.
        loop_function: as of ``rnn_decoder``.
        scope: name or VariableScope instead of "tied_rnn_seq2seq".

    Returns:
        ``(outputs, state)`` of the decoder.

    Raises:
        TypeError: not a cell.
        ValueError: no encoder inputs.
    """
    check_cell("cell", cell)
    with variable_scope("combined_tied_rnn_seq2seq"):
        tied = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype or "float32", scope=tied)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function=loop_function, scope=tied)


def _decoded(
    decode: Callable[..., tuple[list[Any], Any]], feed_previous: Any, like: Any = None, **when_chosen: Any
) -> tuple[list[Any], Any]:
    """``decode(feed_previous=...)``, by a ``cond`` if ``feed_previous`` is a tensor.

    Args:
        decode: gives the outputs and the final state.
        feed_previous: bool, or scalar bool tensor.
        like: the structure of the state that a ``cond`` gives; that of the decoder's when None.
        **when_chosen: further arguments for a decoder inside a ``cond``.
    """
    if isinstance(feed_previous, bool):
        return decode(feed_previous=feed_previous)
    structures: list[Any] = []

    def branch(feeds: bool) -> list[Any]:
        # the first branch makes the variables
        with variable_scope(get_variable_scope(), reuse=None if feeds else True):
            outputs, state = decode(feed_previous=feeds, **when_chosen)
            structures[:] = [len(outputs), state]
            return [*outputs, *nest.flatten(state)]

    results = cond(feed_previous, lambda: branch(True), lambda: branch(False), strict=True)
    count, state = structures
    return list(results[:count]), nest.pack_as(state if like is None else like, results[count:])


def embedding_rnn_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`basic_rnn_seq2seq` over ids, with an embedding for each side.

    Args:
        encoder_inputs: list of int tensors ``[B]``.
        decoder_inputs: list of int tensors ``[B]``.
        cell: an RNN cell; the encoder runs a copy of it.
        num_encoder_symbols: rows of the encoder's embedding.
        num_decoder_symbols: rows of the decoder's embedding, and the width of the outputs unless there is an
            ``output_projection``.
        embedding_size: columns of both.
        output_projection: ``(W, b)``: outputs are then those of the cell, and go through it only to be fed back. None:
            the cell gets an OutputProjectionWrapper.
        feed_previous: bool or scalar bool tensor: whether the decoder feeds its best symbol back from the second step
            on. Chosen by a tensor, no gradient reaches the embedding through what is fed back.
        dtype: of variables and states; the scope's when None.
        scope: name or VariableScope instead of "embedding_rnn_seq2seq".

    Returns:
        ``(outputs, state)`` of the decoder.

    Raises:
        TypeError: not a cell.
        ValueError: an output projection of the wrong shape; no encoder inputs.
    """
    check_cell("cell", cell)
    with variable_scope(scope or "embedding_rnn_seq2seq", dtype=dtype) as current:
        encoder = EmbeddingWrapper(
            unbuilt_copy(cell), embedding_classes=num_encoder_symbols, embedding_size=embedding_size
        )
        _, encoded = static_rnn(encoder, encoder_inputs, dtype=current.dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
        decode = functools.partial(
            embedding_rnn_decoder,
            decoder_inputs,
            encoded,
            cell,
            num_decoder_symbols,
            embedding_size,
            output_projection=output_projection,
        )
        return _decoded(decode, feed_previous, encoded, update_embedding_for_previous=False)


def embedding_tied_rnn_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_decoder_symbols: int | None = None,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`tied_rnn_seq2seq` over ids, with one embedding for both sides.

    Args:
        encoder_inputs, decoder_inputs, output_projection, feed_previous: as of `embedding_rnn_seq2seq`.
        cell: an RNN cell, for both sides.
        num_symbols: rows of the embedding.
        embedding_size: columns of the embedding.
        num_decoder_symbols: width of the outputs without an ``output_projection``; ``num_symbols`` when None.
        dtype: of variables and states; the scope's when None.
        scope: name or VariableScope instead of "embedding_tied_rnn_seq2seq".

    Returns:
        ``(outputs, state)`` of the decoder.

    Raises:
        TypeError: not a cell.
        ValueError: an output projection of the wrong shape; no encoder inputs.
    """
    check_cell("cell", cell)
    with variable_scope(scope or "embedding_tied_rnn_seq2seq", dtype=dtype) as current:
        check_projection(output_projection, num_symbols, current.dtype)
        embedding = get_variable("embedding", [num_symbols, embedding_size], dtype=current.dtype)
        encoder_embedded = [embedding_lookup(embedding, ids) for ids in encoder_inputs]
        decoder_embedded = [embedding_lookup(embedding, ids) for ids in decoder_inputs]
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_symbols if num_decoder_symbols is None else num_decoder_symbols)

        def decode(feed_previous: bool, update_embedding: bool = True) -> tuple[list[Any], Any]:
            loop = extract_argmax_and_embed(embedding, output_projection, update_embedding) if feed_previous else None
            return tied_rnn_seq2seq(encoder_embedded, decoder_embedded, cell, loop_function=loop, dtype=current.dtype)

        return _decoded(decode, feed_previous, update_embedding=False)


def embedding_attention_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    encoder_cell: Any = None,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`embedding_rnn_seq2seq` whose decoder reads the encoder's outputs (``attention_decoder``).

    Without an ``output_projection`` the projected outputs of the decoder's cell, ``num_decoder_symbols`` wide, are what
    the attention works with, which is large for a large vocabulary; TensorFlow warns of it too.

    Args:
        encoder_inputs, decoder_inputs, num_encoder_symbols, num_decoder_symbols, embedding_size, output_projection,
            feed_previous, dtype: as of `embedding_rnn_seq2seq`.
        cell: an RNN cell.
        encoder_cell: the encoder's cell; a copy of ``cell`` when None. Its outputs must be as wide as those of
            ``cell``.
        num_heads: number of heads.
        scope: name or VariableScope instead of "embedding_attention_seq2seq".
        initial_state_attention: as of ``attention_decoder``.

    Returns:
        ``(outputs, state)`` of the decoder.

    Raises:
        TypeError: not a cell.
        ValueError: an output projection of the wrong shape; no inputs; less than one head.
    """
    check_cell("cell", cell)
    if encoder_cell is not None:
        check_cell("encoder_cell", encoder_cell)
    with variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as current:
        encoder = EmbeddingWrapper(
            unbuilt_copy(cell) if encoder_cell is None else encoder_cell,
            embedding_classes=num_encoder_symbols,
            embedding_size=embedding_size,
        )
        encoder_outputs, encoded = static_rnn(encoder, encoder_inputs, dtype=current.dtype)
        tops = [array_ops.reshape(output, [-1, 1, cell.output_size]) for output in encoder_outputs]
        memory = array_ops.concat(tops, 1)
        output_size = None
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
            output_size = num_decoder_symbols
        decode = functools.partial(
            embedding_attention_decoder,
            decoder_inputs,
            encoded,
            memory,
            cell,
            num_decoder_symbols,
            embedding_size,
            num_heads=num_heads,
            output_size=output_size,
            output_projection=output_projection,
            initial_state_attention=initial_state_attention,
        )
        return _decoded(decode, feed_previous, encoded, update_embedding_for_previous=False)


def one2many_rnn_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs_dict: Mapping[Any, Sequence[Any]],
    enc_cell: Any,
    dec_cells_dict: Mapping[Any, Any],
    num_encoder_symbols: int,
    num_decoder_symbols_dict: Mapping[Any, int],
    embedding_size: int,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[dict[Any, list[Any]], dict[Any, Any]]:
    """One encoder and several decoders, each for a task of its own, in scopes "one2many_decoder_<name>".

    Source: Luong, Le, Sutskever, Vinyals, Kaiser, "Multi-task Sequence to Sequence Learning", 2015 (arXiv:1511.06114).

    Args:
        encoder_inputs: list of int tensors ``[B]``.
        decoder_inputs_dict: for each name of a decoder a list of int tensors ``[B]``.
        enc_cell: the encoder's cell.
        dec_cells_dict: for each name its cell; states as of the encoder's.
        num_encoder_symbols: rows of the encoder's embedding.
        num_decoder_symbols_dict: for each name the rows of its embedding and the width of its outputs.
        embedding_size: columns of all embeddings.
        feed_previous: bool or scalar bool tensor, as of `embedding_rnn_seq2seq`, but gradients do reach the embeddings
            through what is fed back.
        dtype: of variables and states; the scope's when None.
        scope: name or VariableScope instead of "one2many_rnn_seq2seq".

    Returns:
        ``(outputs, states)``: for each name a list of outputs ``[B, symbols]``, and the final state.

    Raises:
        TypeError: cells that are not RNNCell objects.
        ValueError: cells and inputs for different names.
    """
    if not isinstance(enc_cell, RNNCell):
        raise TypeError(f"enc_cell is not an RNNCell: {type(enc_cell)}")
    if set(dec_cells_dict) != set(decoder_inputs_dict):
        raise ValueError(
            "keys of dec_cells_dict != keys of decoder_inputs_dict: "
            f"{sorted(map(str, dec_cells_dict))}, {sorted(map(str, decoder_inputs_dict))}"
        )
    for cell in dec_cells_dict.values():
        if not isinstance(cell, RNNCell):
            raise TypeError(f"dec_cell is not an RNNCell: {type(cell)}")
    outputs: dict[Any, list[Any]] = {}
    states: dict[Any, Any] = {}
    with variable_scope(scope or "one2many_rnn_seq2seq", dtype=dtype) as current:
        encoder = EmbeddingWrapper(enc_cell, embedding_classes=num_encoder_symbols, embedding_size=embedding_size)
        _, encoded = static_rnn(encoder, encoder_inputs, dtype=current.dtype)
        for name, inputs in decoder_inputs_dict.items():
            symbols = num_decoder_symbols_dict[name]
            with variable_scope(f"one2many_decoder_{name}"):
                cell = OutputProjectionWrapper(dec_cells_dict[name], symbols)
                decode = functools.partial(embedding_rnn_decoder, inputs, encoded, cell, symbols, embedding_size)
                outputs[name], states[name] = _decoded(decode, feed_previous, encoded)
    return outputs, states
