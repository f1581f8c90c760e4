"""``tf.contrib.legacy_seq2seq``: values, gradients, variables and static shapes of every function.

TensorFlow 2 has no such library; what stands in for it is ``goldens/restated.py``, run on TensorFlow's operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.harness import Program, case, fixed, gradients_of
from goldens.restated import legacy

BATCH, ENCODER, DECODER, UNITS, SIZE, SYMBOLS, MORE = 3, 3, 4, 4, 3, 6, 5
CELLS: dict[str, Callable[[Any], Any]] = {
    "gru": lambda tf: tf.nn.rnn_cell.GRUCell(UNITS),
    "lstm": lambda tf: tf.nn.rnn_cell.BasicLSTMCell(UNITS),
    "joined": lambda tf: tf.nn.rnn_cell.LSTMCell(UNITS, state_is_tuple=False),
    "stack": lambda tf: tf.nn.rnn_cell.MultiRNNCell(
        [tf.nn.rnn_cell.LSTMCell(3, use_peepholes=True), tf.nn.rnn_cell.GRUCell(UNITS)]
    ),
}


class Case:
    """The inputs of a case and what becomes of its results."""

    def __init__(self, tf: Any, dtype: str = "float32", batch: int | None = BATCH) -> None:
        self.tf, self.dtype, self.batch = tf, dtype, batch
        self.feeds: dict[Any, Any] = {}
        self.inputs: dict[str, Any] = {}

    def floats(self, name: str, *shape: int) -> Any:
        array = fixed(f"legacy {name}", [BATCH, *shape], self.dtype, 2.0)
        tensor = self.tf.placeholder(self.dtype, [self.batch, *shape], name)
        self.feeds[tensor] = array
        self.inputs[name] = tensor
        return tensor

    def steps(self, name: str, count: int, *shape: int) -> list[Any]:
        return [self.floats(f"{name}{t}", *shape) for t in range(count)]

    def ids(self, name: str, count: int, symbols: int) -> list[Any]:
        tensors = [self.tf.placeholder(self.tf.int32, [self.batch], f"{name}{t}") for t in range(count)]
        for t, tensor in enumerate(tensors):
            self.feeds[tensor] = fixed(f"legacy {name} {t}", [BATCH], "int32", symbols)
        return tensors

    def flag(self, value: bool) -> Any:
        tensor = self.tf.placeholder(self.tf.bool, [])
        self.feeds[tensor] = value
        return tensor

    def state(self, cell: Any) -> Any:
        """An initial state that is not zero."""
        tf = self.tf
        zeros = cell.zero_state(tf.shape(next(iter(self.feeds)))[0], self.dtype)
        leaves = [leaf + self.floats(f"state{i}", int(leaf.shape[1])) for i, leaf in enumerate(tf.nest.flatten(zeros))]
        return tf.nest.pack_sequence_as(zeros, leaves)

    def projection(self, symbols: int) -> Any:
        tf = self.tf
        return tf.get_variable("W", [UNITS, symbols], self.dtype), tf.get_variable("b", [symbols], self.dtype)

    def program(self, outputs: Any, state: Any = None) -> Program:
        tf = self.tf
        fetches = {"outputs": outputs} if state is None else {"outputs": outputs, "state": state}
        wrt = {**self.inputs, **{v.op.name: v for v in tf.trainable_variables()}}
        leaves = [leaf for part in fetches.values() for leaf in tf.nest.flatten(part)]
        return Program({**fetches, **gradients_of(tf, leaves, wrt)}, self.feeds)


def model(name: str, dtype: str = "float32", batch: int | None = BATCH) -> Any:
    """Register ``f(tf, library, inputs) -> (outputs, state)``."""

    def register(function: Callable[[Any, Any, Case], Any]) -> Any:
        def program(tf: Any, np: Any) -> Program:
            inputs = Case(tf, dtype, batch)
            return inputs.program(*function(tf, legacy(tf), inputs))

        program.__module__ = __name__
        case(name)(program)
        return function

    return register


def _feeds(inputs: Case, how: str) -> Any:
    return {"False": False, "True": True}.get(how) if how in ("False", "True") else inputs.flag(how == "tensor-True")


FEEDS = ("False", "True", "tensor-True", "tensor-False")


# decoders -------------------------------------------------------------------------------------------------------------

for _cell in CELLS:
    for _loop in (False, True):
        for _batch in (BATCH, None) if _cell == "lstm" else (BATCH,):

            @model(f"rnn_decoder/{_cell}/{'loop' if _loop else 'plain'}/batch-{_batch}", batch=_batch)
            def _(tf: Any, library: Any, inputs: Case, cell: str = _cell, loop: bool = _loop) -> Any:
                made, xs = CELLS[cell](tf), inputs.steps("x", DECODER, UNITS)
                feed = (lambda previous, i: tf.tanh(previous) * i) if loop else None
                return library.rnn_decoder(xs, inputs.state(made), made, loop_function=feed)

    for _scope in (None, "mine"):

        @model(f"basic_rnn_seq2seq/{_cell}/{_scope}")
        def _(tf: Any, library: Any, inputs: Case, cell: str = _cell, scope: Any = _scope) -> Any:
            sides = inputs.steps("e", ENCODER, SIZE), inputs.steps("d", DECODER, SIZE)
            return library.basic_rnn_seq2seq(*sides, CELLS[cell](tf), scope=scope)

        @model(f"tied_rnn_seq2seq/{_cell}/{_scope}")
        def _(tf: Any, library: Any, inputs: Case, cell: str = _cell, scope: Any = _scope) -> Any:
            sides = inputs.steps("e", ENCODER, SIZE), inputs.steps("d", DECODER, SIZE)
            return library.tied_rnn_seq2seq(*sides, CELLS[cell](tf), scope=scope)


@model("tied_rnn_seq2seq/loop/float64", dtype="float64")
def _(tf: Any, library: Any, inputs: Case) -> Any:
    sides = inputs.steps("e", ENCODER, UNITS), inputs.steps("d", DECODER, UNITS)
    return library.tied_rnn_seq2seq(*sides, CELLS["gru"](tf), lambda previous, i: previous * 0.5, tf.float64)


for _projected in (False, True):
    for _update in (False, True):
        for _feed in (False, True):
            _name = f"projection-{_projected}/update-{_update}/feed-{_feed}"

            @model(f"embedding_rnn_decoder/{_name}")
            def _(
                tf: Any, library: Any, inputs: Case, p: bool = _projected, update: bool = _update, feed: bool = _feed
            ) -> Any:
                cell, ids = CELLS["lstm"](tf), inputs.ids("d", DECODER, UNITS)
                symbols = SYMBOLS if p else UNITS
                return library.embedding_rnn_decoder(
                    ids,
                    inputs.state(cell),
                    cell,
                    symbols,
                    SIZE,
                    output_projection=inputs.projection(symbols) if p else None,
                    feed_previous=feed,
                    update_embedding_for_previous=update,
                )


# attention ------------------------------------------------------------------------------------------------------------

for _cell in CELLS:
    for _heads in (1, 2):
        for _initial in (False, True):
            for _loop in (False, True):
                if _cell == "gru" and (_heads == 1) == _initial:
                    continue
                _name = f"{_cell}/heads-{_heads}/initial-{_initial}/{'loop' if _loop else 'plain'}"

                @model(f"attention_decoder/{_name}", batch=None if _heads == 2 else BATCH)
                def _(
                    tf: Any,
                    library: Any,
                    inputs: Case,
                    cell: str = _cell,
                    heads: int = _heads,
                    initial: bool = _initial,
                    loop: bool = _loop,
                ) -> Any:
                    made, xs = CELLS[cell](tf), inputs.steps("x", DECODER, SIZE)
                    memory = inputs.floats("memory", ENCODER, MORE)
                    return library.attention_decoder(
                        xs,
                        inputs.state(made),
                        memory,
                        made,
                        # an output that is fed back takes the place of an input
                        output_size=SIZE if loop else (None if heads == 1 else 2),
                        num_heads=heads,
                        loop_function=(lambda previous, i: tf.tanh(previous) * i) if loop else None,
                        initial_state_attention=initial,
                    )


@model("attention_decoder/float64", dtype="float64")
def _(tf: Any, library: Any, inputs: Case) -> Any:
    cell, xs = CELLS["gru"](tf), inputs.steps("x", DECODER, SIZE)
    memory = inputs.floats("memory", ENCODER, MORE)
    return library.attention_decoder(xs, inputs.state(cell), memory, cell, dtype=tf.float64, scope="mine")


for _projected in (False, True):
    for _feed in (False, True):

        @model(f"embedding_attention_decoder/projection-{_projected}/feed-{_feed}")
        def _(tf: Any, library: Any, inputs: Case, p: bool = _projected, feed: bool = _feed) -> Any:
            cell, ids = CELLS["stack"](tf), inputs.ids("d", DECODER, UNITS)
            memory = inputs.floats("memory", ENCODER, MORE)
            symbols = SYMBOLS if p else UNITS
            return library.embedding_attention_decoder(
                ids,
                inputs.state(cell),
                memory,
                cell,
                symbols,
                SIZE,
                num_heads=2,
                output_projection=inputs.projection(symbols) if p else None,
                feed_previous=feed,
                update_embedding_for_previous=not p,
                initial_state_attention=p,
            )


# models over ids ------------------------------------------------------------------------------------------------------

for _cell in CELLS:
    for _feed_name in FEEDS:
        for _projected in (False, True):
            _name = f"{_cell}/feed-{_feed_name}/projection-{_projected}"
            if _cell == "joined" and (_projected or _feed_name != "tensor-True"):
                continue
            if _cell == "gru" and _feed_name == "tensor-False":
                continue

            @model(f"embedding_rnn_seq2seq/{_name}")
            def _(
                tf: Any, library: Any, inputs: Case, cell: str = _cell, feed: str = _feed_name, p: bool = _projected
            ) -> Any:
                return library.embedding_rnn_seq2seq(
                    inputs.ids("e", ENCODER, MORE),
                    inputs.ids("d", DECODER, SYMBOLS),
                    CELLS[cell](tf),
                    MORE,
                    SYMBOLS,
                    SIZE,
                    output_projection=inputs.projection(SYMBOLS) if p else None,
                    feed_previous=_feeds(inputs, feed),
                )

            # gradients of attention are small differences of large numbers: not for float32
            @model(f"embedding_attention_seq2seq/{_name}", dtype="float64")
            def _(
                tf: Any, library: Any, inputs: Case, cell: str = _cell, feed: str = _feed_name, p: bool = _projected
            ) -> Any:
                return library.embedding_attention_seq2seq(
                    inputs.ids("e", ENCODER, MORE),
                    inputs.ids("d", DECODER, SYMBOLS),
                    CELLS[cell](tf),
                    MORE,
                    SYMBOLS,
                    SIZE,
                    num_heads=2 if p else 1,
                    output_projection=inputs.projection(SYMBOLS) if p else None,
                    feed_previous=_feeds(inputs, feed),
                    dtype=tf.float64,
                    initial_state_attention=cell == "gru",
                )

    @model(f"embedding_tied_rnn_seq2seq/{_cell}/fewer-symbols")
    def _(tf: Any, library: Any, inputs: Case, cell: str = _cell) -> Any:
        sides = inputs.ids("e", ENCODER, SYMBOLS), inputs.ids("d", DECODER, SYMBOLS)
        return library.embedding_tied_rnn_seq2seq(*sides, CELLS[cell](tf), SYMBOLS, SIZE, num_decoder_symbols=MORE)


for _feed_name in FEEDS:
    for _projected in (False, True):

        @model(f"embedding_tied_rnn_seq2seq/feed-{_feed_name}/projection-{_projected}")
        def _(tf: Any, library: Any, inputs: Case, feed: str = _feed_name, p: bool = _projected) -> Any:
            return library.embedding_tied_rnn_seq2seq(
                inputs.ids("e", ENCODER, SYMBOLS),
                inputs.ids("d", DECODER, SYMBOLS),
                CELLS["lstm"](tf),
                SYMBOLS,
                SIZE,
                output_projection=inputs.projection(SYMBOLS) if p else None,
                feed_previous=_feeds(inputs, feed),
            )

    @model(f"one2many_rnn_seq2seq/feed-{_feed_name}")
    def _(tf: Any, library: Any, inputs: Case, feed: str = _feed_name) -> Any:
        return library.one2many_rnn_seq2seq(
            inputs.ids("e", ENCODER, MORE),
            {"b": inputs.ids("b", DECODER, SYMBOLS), "a": inputs.ids("a", 2, SIZE)},
            CELLS["lstm"](tf),
            {"a": CELLS["lstm"](tf), "b": CELLS["lstm"](tf)},
            MORE,
            {"a": SIZE, "b": SYMBOLS},
            SIZE,
            feed_previous=_feeds(inputs, feed),
        )


for _function in ("embedding_rnn_seq2seq", "embedding_tied_rnn_seq2seq"):
    for _feed_name in ("False", "tensor-True"):

        @model(f"{_function}/float64/feed-{_feed_name}", dtype="float64", batch=None)
        def _(tf: Any, library: Any, inputs: Case, function: str = _function, feed: str = _feed_name) -> Any:
            sides = inputs.ids("e", ENCODER, SYMBOLS), inputs.ids("d", DECODER, SYMBOLS)
            counts = [SYMBOLS, SIZE] if "tied" in function else [SYMBOLS, SYMBOLS, SIZE]
            return getattr(library, function)(
                *sides,
                CELLS["stack"](tf),
                *counts,
                feed_previous=_feeds(inputs, feed),
                dtype=tf.float64,
                scope="mine",
            )


@model("embedding_attention_seq2seq/encoder_cell", dtype="float64", batch=None)
def _(tf: Any, library: Any, inputs: Case) -> Any:
    return library.embedding_attention_seq2seq(
        inputs.ids("e", ENCODER, MORE),
        inputs.ids("d", DECODER, SYMBOLS),
        CELLS["lstm"](tf),
        MORE,
        SYMBOLS,
        SIZE,
        encoder_cell=tf.nn.rnn_cell.LSTMCell(UNITS, use_peepholes=True),
        dtype=tf.float64,
    )


# losses ---------------------------------------------------------------------------------------------------------------


def _sampled(tf: Any) -> Any:
    return lambda labels, logits: tf.reduce_sum(logits, 1) * tf.cast(labels, logits.dtype)


def _weights(inputs: Case) -> list[Any]:
    weights = inputs.steps("w", DECODER)
    for i, tensor in enumerate(weights):
        inputs.feeds[tensor] = abs(inputs.feeds[tensor]) * [i > 0, i < 2, 0]  # the last row counts nowhere
    return weights


for _time in (True, False):
    for _softmax in (True, False):

        @model(f"sequence_loss_by_example/time-{_time}/softmax-{_softmax}")
        def _(tf: Any, library: Any, inputs: Case, time: bool = _time, softmax: bool = _softmax) -> Any:
            return (
                library.sequence_loss_by_example(
                    inputs.steps("x", DECODER, SYMBOLS),
                    inputs.ids("y", DECODER, SYMBOLS),
                    _weights(inputs),
                    average_across_timesteps=time,
                    softmax_loss_function=None if softmax else _sampled(tf),
                ),
            )

        for _rows in (True, False):

            @model(f"sequence_loss/time-{_time}/rows-{_rows}/softmax-{_softmax}", batch=None)
            def _(
                tf: Any, library: Any, inputs: Case, time: bool = _time, rows: bool = _rows, softmax: bool = _softmax
            ) -> Any:
                return (
                    library.sequence_loss(
                        inputs.steps("x", DECODER, SYMBOLS),
                        inputs.ids("y", DECODER, SYMBOLS),
                        _weights(inputs),
                        average_across_timesteps=time,
                        average_across_batch=rows,
                        softmax_loss_function=None if softmax else _sampled(tf),
                    ),
                )


for _per_example in (False, True):
    for _model in ("embedding_rnn_seq2seq", "embedding_attention_seq2seq"):

        @model(f"model_with_buckets/{_model}/per-example-{_per_example}", dtype="float64")
        def _(tf: Any, library: Any, inputs: Case, kind: str = _model, per_example: bool = _per_example) -> Any:
            function = getattr(library, kind)
            return library.model_with_buckets(
                inputs.ids("e", ENCODER, MORE),
                inputs.ids("d", DECODER, SYMBOLS),
                inputs.ids("y", DECODER, SYMBOLS),
                _weights(inputs),
                [(2, 2), (ENCODER, DECODER)],
                lambda x, y: function(x, y, CELLS["lstm"](tf), MORE, SYMBOLS, SIZE, dtype=tf.float64),
                per_example_loss=per_example,
            )
