"""``tf.contrib.legacy_seq2seq`` stated once more, for making goldens: TensorFlow 2 has no ``tf.contrib``.

What SEMANTICS says of the library, in plain operations of ``tf.compat.v1``: gates are TensorFlow's own cells, every
variable is got by its name, attention goes place by place, the softmax is written out. It shares no code with dynrnn.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

__all__ = ["Restated", "legacy"]


def legacy(tf: Any) -> Any:
    """The library of ``tf`` if it has one (dynrnn's), else the restatement."""
    return tf.contrib.legacy_seq2seq if hasattr(tf, "contrib") else Restated(tf)


class Restated:
    """Functions with the names and arguments of the library."""

    def __init__(self, tf: Any) -> None:
        self.tf = tf

    # parts ------------------------------------------------------------------------------------------------------------

    def _in(self, name: str, dtype: Any = None) -> Any:
        return self.tf.variable_scope(name, reuse=self.tf.AUTO_REUSE, dtype=dtype)

    def _affine(self, parts: Sequence[Any], width: int) -> Any:
        tf = self.tf
        x = tf.concat(list(parts), 1)
        kernel = tf.get_variable("kernel", [x.shape[1], width], x.dtype)
        bias = tf.get_variable("bias", [width], x.dtype, tf.zeros_initializer())
        return tf.add(tf.matmul(x, kernel), bias)

    def _embed(self, table: Any, ids: Any) -> Any:
        return self.tf.gather(table, ids)

    def _projected(self, cell: Any, width: int) -> Any:
        def step(x: Any, state: Any) -> Any:
            with self._in("output_projection_wrapper"):
                y, state = cell(x, state)
                return self._affine([y], width), state

        return step

    def _encode(self, cell: Any, inputs: Sequence[Any], symbols: int, size: int, dtype: Any) -> Any:
        tf = self.tf
        state = cell.zero_state(tf.shape(inputs[0])[0], dtype)
        outputs = []
        with self._in("rnn"), self._in("embedding_wrapper"):
            table = tf.get_variable("embedding", [symbols, size], dtype)
            for ids in inputs:
                y, state = cell(self._embed(table, ids), state)
                outputs.append(y)
        return outputs, state

    def _extract_argmax_and_embed(self, table: Any, projection: Any = None, update_embedding: bool = True) -> Any:
        tf = self.tf

        def loop(previous: Any, _: int) -> Any:
            if projection is not None:
                previous = tf.matmul(previous, projection[0]) + projection[1]
            fed = self._embed(table, tf.argmax(previous, 1))
            return fed if update_embedding else tf.stop_gradient(fed)

        return loop

    def _chosen(self, feed_previous: Any, decode: Any) -> Any:
        """Both decoders, and the values of the one that is chosen."""
        tf = self.tf
        if isinstance(feed_previous, bool):
            return decode(feed_previous, True)
        structures = [decode(True, False), decode(False, False)]
        flat = [tf.nest.flatten(s) for s in structures]
        merged = [
            tf.cond(feed_previous, lambda a=a: tf.identity(a), lambda b=b: tf.identity(b))
            for a, b in zip(*flat, strict=True)
        ]
        return tf.nest.pack_sequence_as(structures[0], merged)

    # decoders ---------------------------------------------------------------------------------------------------------

    def rnn_decoder(self, inputs: Any, state: Any, cell: Any, loop_function: Any = None, scope: Any = None) -> Any:
        """See the library."""
        outputs: list[Any] = []
        with self._in(scope or "rnn_decoder"):
            for i, x in enumerate(inputs):
                fed = loop_function(outputs[-1], i) if loop_function is not None and i else x
                y, state = cell(fed, state)
                outputs.append(y)
        return outputs, state

    def embedding_rnn_decoder(
        self,
        inputs: Any,
        state: Any,
        cell: Any,
        symbols: int,
        size: int,
        output_projection: Any = None,
        feed_previous: bool = False,
        update_embedding_for_previous: bool = True,
        scope: Any = None,
    ) -> Any:
        """See the library."""
        with self._in(scope or "embedding_rnn_decoder"):
            table = self.tf.get_variable("embedding", [symbols, size])
            loop = self._extract_argmax_and_embed(table, output_projection, update_embedding_for_previous)
            embedded = [self._embed(table, ids) for ids in inputs]
            return self.rnn_decoder(embedded, state, cell, loop if feed_previous else None)

    def attention_decoder(
        self,
        inputs: Any,
        state: Any,
        memory: Any,
        cell: Any,
        output_size: Any = None,
        num_heads: int = 1,
        loop_function: Any = None,
        dtype: Any = None,
        scope: Any = None,
        initial_state_attention: bool = False,
    ) -> Any:
        """See the library."""
        tf = self.tf
        size, places = int(memory.shape[2]), tf.unstack(memory, axis=1)
        with self._in(scope or "attention_decoder", dtype):
            heads = [
                (tf.get_variable(f"AttnW_{h}", [1, 1, size, size])[0, 0], tf.get_variable(f"AttnV_{h}", [size]))
                for h in range(num_heads)
            ]

            def read_with(state: Any) -> Any:
                result = []
                for h, (w, v) in enumerate(heads):
                    with self._in(f"Attention_{h}"):
                        query = self._affine(tf.nest.flatten(state), size)
                    powers = [tf.exp(tf.matmul(tf.tanh(tf.matmul(m, w) + query), tf.expand_dims(v, 1))) for m in places]
                    total = tf.add_n(powers)
                    result.append(tf.add_n([p / total * m for p, m in zip(powers, places, strict=True)]))
                return result

            read = [tf.zeros_like(places[0]) for _ in heads]
            if initial_state_attention:
                read = read_with(state)
            outputs: list[Any] = []
            for i, given in enumerate(inputs):
                x = loop_function(outputs[-1], i) if loop_function is not None and i else given
                y, state = cell(self._affine([x, *read], int(x.shape[1])), state)
                read = read_with(state)
                with self._in("AttnOutputProjection"):
                    outputs.append(self._affine([y, *read], output_size or cell.output_size))
            return outputs, state

    def embedding_attention_decoder(
        self,
        inputs: Any,
        state: Any,
        memory: Any,
        cell: Any,
        symbols: int,
        size: int,
        num_heads: int = 1,
        output_size: Any = None,
        output_projection: Any = None,
        feed_previous: bool = False,
        update_embedding_for_previous: bool = True,
        dtype: Any = None,
        scope: Any = None,
        initial_state_attention: bool = False,
    ) -> Any:
        """See the library."""
        with self._in(scope or "embedding_attention_decoder", dtype):
            table = self.tf.get_variable("embedding", [symbols, size])
            loop = self._extract_argmax_and_embed(table, output_projection, update_embedding_for_previous)
            return self.attention_decoder(
                [self._embed(table, ids) for ids in inputs],
                state,
                memory,
                cell,
                output_size=output_size,
                num_heads=num_heads,
                loop_function=loop if feed_previous else None,
                initial_state_attention=initial_state_attention,
            )

    # models -----------------------------------------------------------------------------------------------------------

    def basic_rnn_seq2seq(self, encoder: Any, decoder: Any, cell: Any, dtype: Any = None, scope: Any = None) -> Any:
        """See the library."""
        tf = self.tf
        other = copy.deepcopy(cell)
        with self._in(scope or "basic_rnn_seq2seq"):
            state = other.zero_state(tf.shape(encoder[0])[0], dtype or tf.float32)
            with self._in("rnn"):
                for x in encoder:
                    _, state = other(x, state)
            return self.rnn_decoder(decoder, state, cell)

    def tied_rnn_seq2seq(
        self, encoder: Any, decoder: Any, cell: Any, loop_function: Any = None, dtype: Any = None, scope: Any = None
    ) -> Any:
        """See the library; ``cell`` is a step here when the embedding model calls it."""
        tf = self.tf
        state = getattr(cell, "zeros", cell).zero_state(tf.shape(encoder[0])[0], dtype or tf.float32)
        with self._in("combined_tied_rnn_seq2seq"):
            with self._in(scope or "tied_rnn_seq2seq"):
                for x in encoder:
                    _, state = cell(x, state)
            return self.rnn_decoder(decoder, state, cell, loop_function, scope or "tied_rnn_seq2seq")

    def embedding_rnn_seq2seq(
        self,
        encoder: Any,
        decoder: Any,
        cell: Any,
        encoder_symbols: int,
        decoder_symbols: int,
        size: int,
        output_projection: Any = None,
        feed_previous: Any = False,
        dtype: Any = None,
        scope: Any = None,
    ) -> Any:
        """See the library."""
        other = copy.deepcopy(cell)
        with self._in(scope or "embedding_rnn_seq2seq", dtype):
            _, state = self._encode(other, encoder, encoder_symbols, size, dtype or self.tf.float32)
            step = cell if output_projection is not None else self._projected(cell, decoder_symbols)
            return self._chosen(
                feed_previous,
                lambda feeds, update: self.embedding_rnn_decoder(
                    decoder, state, step, decoder_symbols, size, output_projection, feeds, update
                ),
            )

    def embedding_tied_rnn_seq2seq(
        self,
        encoder: Any,
        decoder: Any,
        cell: Any,
        symbols: int,
        size: int,
        num_decoder_symbols: Any = None,
        output_projection: Any = None,
        feed_previous: Any = False,
        dtype: Any = None,
        scope: Any = None,
    ) -> Any:
        """See the library."""
        with self._in(scope or "embedding_tied_rnn_seq2seq", dtype):
            table = self.tf.get_variable("embedding", [symbols, size])
            step: Any = cell
            if output_projection is None:
                step = self._projected(cell, num_decoder_symbols or symbols)
                step.zeros = cell
            sides = [[self._embed(table, ids) for ids in side] for side in (encoder, decoder)]

            def decode(feeds: bool, update: bool) -> Any:
                loop = self._extract_argmax_and_embed(table, output_projection, update) if feeds else None
                return self.tied_rnn_seq2seq(sides[0], sides[1], step, loop, dtype)

            return self._chosen(feed_previous, decode)

    def embedding_attention_seq2seq(
        self,
        encoder: Any,
        decoder: Any,
        cell: Any,
        encoder_symbols: int,
        decoder_symbols: int,
        size: int,
        encoder_cell: Any = None,
        num_heads: int = 1,
        output_projection: Any = None,
        feed_previous: Any = False,
        dtype: Any = None,
        scope: Any = None,
        initial_state_attention: bool = False,
    ) -> Any:
        """See the library."""
        other = encoder_cell or copy.deepcopy(cell)
        with self._in(scope or "embedding_attention_seq2seq", dtype):
            outputs, state = self._encode(other, encoder, encoder_symbols, size, dtype or self.tf.float32)
            memory = self.tf.stack(outputs, 1)
            step, width = cell, cell.output_size
            if output_projection is None:
                step, width = self._projected(cell, decoder_symbols), decoder_symbols
            return self._chosen(
                feed_previous,
                lambda feeds, update: self.embedding_attention_decoder(
                    decoder,
                    state,
                    memory,
                    step,
                    decoder_symbols,
                    size,
                    num_heads,
                    width,
                    output_projection,
                    feeds,
                    update,
                    initial_state_attention=initial_state_attention,
                ),
            )

    def one2many_rnn_seq2seq(
        self,
        encoder: Any,
        decoders: Any,
        cell: Any,
        cells: Any,
        encoder_symbols: int,
        decoder_symbols: Any,
        size: int,
        feed_previous: Any = False,
        dtype: Any = None,
        scope: Any = None,
    ) -> Any:
        """See the library."""
        outputs, states = {}, {}
        with self._in(scope or "one2many_rnn_seq2seq", dtype):
            _, state = self._encode(cell, encoder, encoder_symbols, size, dtype or self.tf.float32)
            for name, inputs in decoders.items():
                with self._in(f"one2many_decoder_{name}"):
                    count = decoder_symbols[name]
                    step = self._projected(cells[name], count)
                    outputs[name], states[name] = self._chosen(
                        feed_previous,
                        lambda feeds, _, inputs=inputs, step=step, count=count: self.embedding_rnn_decoder(
                            inputs, state, step, count, size, feed_previous=feeds
                        ),
                    )
        return outputs, states

    # losses -----------------------------------------------------------------------------------------------------------

    def sequence_loss_by_example(
        self,
        logits: Any,
        targets: Any,
        weights: Any,
        average_across_timesteps: Any = True,
        softmax_loss_function: Any = None,
    ) -> Any:
        """See the library."""
        tf = self.tf

        def loss(labels: Any, logits: Any) -> Any:
            chosen = tf.reduce_sum(tf.one_hot(labels, int(logits.shape[1]), dtype=logits.dtype) * logits, 1)
            return tf.reduce_logsumexp(logits, 1) - chosen

        loss = softmax_loss_function or loss
        total = tf.add_n([w * loss(labels=y, logits=x) for x, y, w in zip(logits, targets, weights, strict=True)])
        return total / (tf.add_n(weights) + 1e-12) if average_across_timesteps else total

    def sequence_loss(
        self,
        logits: Any,
        targets: Any,
        weights: Any,
        average_across_timesteps: Any = True,
        average_across_batch: Any = True,
        softmax_loss_function: Any = None,
    ) -> Any:
        """See the library."""
        tf = self.tf
        rows = self.sequence_loss_by_example(logits, targets, weights, average_across_timesteps, softmax_loss_function)
        return tf.reduce_mean(rows) if average_across_batch else tf.reduce_sum(rows)

    def model_with_buckets(
        self,
        encoder: Any,
        decoder: Any,
        targets: Any,
        weights: Any,
        buckets: Any,
        seq2seq: Any,
        softmax_loss_function: Any = None,
        per_example_loss: bool = False,
    ) -> Any:
        """See the library."""
        outputs, losses = [], []
        loss = self.sequence_loss_by_example if per_example_loss else self.sequence_loss
        for m, n in buckets:
            outputs.append(seq2seq(encoder[:m], decoder[:n])[0])
            losses.append(loss(outputs[-1], targets[:n], weights[:n], softmax_loss_function=softmax_loss_function))
        return outputs, losses
