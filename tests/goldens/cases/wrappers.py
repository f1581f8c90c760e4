"""User-written cells, states in their various forms, wrappers, and wrong arguments of cells."""

from __future__ import annotations

from typing import Any

from goldens.cases import drivers
from goldens.cases.cells import facts_of, input_of
from goldens.harness import Program, case, feeds_of, fixed, flatten, gradients_of

BATCH, DEPTH, UNITS = drivers.BATCH, drivers.DEPTH, drivers.UNITS

# Structures and user cells --------------------------------------------------------------------------------------------


@case("lstm/state-as-list-and-tuple")
def lstm_state_forms(tf: Any, np: Any) -> Program:
    x, feeds = input_of(tf)
    cell = tf.nn.rnn_cell.BasicLSTMCell(UNITS)
    c, h = tf.constant(fixed("c", [BATCH, UNITS])), tf.constant(fixed("h", [BATCH, UNITS]))
    fetches = {
        "tuple": cell(x, (c, h)),
        "list": cell(x, [c, h]),
        "LSTMStateTuple": cell(x, tf.nn.rnn_cell.LSTMStateTuple(c, h)),
    }
    _, state = fetches["list"]
    facts = {"type": type(state).__name__, "fields": list(state._fields), "dtype": state.dtype.name}
    return Program(fetches, feeds, facts)


@case("lstm/state-tuple-errors", must_fail=True)
def lstm_state_tuple_dtype(tf: Any, np: Any) -> Program:
    """``LSTMStateTuple.dtype`` of different dtypes."""
    state = tf.nn.rnn_cell.LSTMStateTuple(tf.zeros([1], tf.float32), tf.zeros([1], tf.float64))
    return Program(facts={"dtype": str(state.dtype)})


@case("lstm/feed-state")
def feed_state(tf: Any, np: Any) -> Program:
    """Zero states are ordinary tensors that can be fed, alone or as a nest."""
    x = tf.placeholder(tf.float32, [BATCH, 2, DEPTH])
    cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(2), tf.nn.rnn_cell.BasicLSTMCell(3)])
    initial = cell.zero_state(BATCH, tf.float32)
    outputs, state = tf.nn.dynamic_rnn(cell, x, initial_state=initial)
    arrays = fixed("cells sequence", [BATCH, 2, DEPTH])

    def script(session: Any) -> dict[str, Any]:
        first = session.run(state, {x: arrays})
        results = dict(flatten(first, "first"))
        results.update(flatten(session.run(state, {x: arrays, initial: first}), "nest"))
        one = {x: arrays, initial[1].c: np.ones([BATCH, 3], np.float32)}
        results.update(flatten(session.run(state, one), "one"))
        return results

    return Program({"outputs": outputs}, {x: arrays}, script=script)


class _Custom:
    """Builds the user-written cell of the next two cases, once ``tf`` is known."""

    @staticmethod
    def make(tf: Any) -> Any:
        class MinimalABCCell(tf.nn.rnn_cell.RNNCell):
            def __init__(self, units: int, reuse: Any = None) -> None:
                super().__init__(_reuse=reuse)
                self._units = units

            @property
            def state_size(self) -> Any:
                return (self._units, self._units)

            @property
            def output_size(self) -> Any:
                return 2 * self._units

            def call(self, inputs: Any, state: Any) -> Any:
                depth = int(inputs.get_shape()[1])
                kernel = tf.get_variable("kernel", [depth, self._units])
                recurrent = tf.get_variable("recurrent", [self._units, self._units])
                with tf.variable_scope("gate"):
                    bias = tf.get_variable("bias", [self._units], initializer=tf.ones_initializer())
                fast, slow = state
                fast = tf.tanh(tf.matmul(inputs, kernel) + tf.matmul(slow, recurrent) + bias)
                slow = 0.5 * slow + 0.5 * fast
                return tf.concat([fast, slow], 1), (fast, slow)

        return MinimalABCCell


@case("custom/call")
def custom_call(tf: Any, np: Any) -> Program:
    x, feeds = input_of(tf)
    cell = _Custom.make(tf)(2)
    output, state = cell(x, cell.zero_state(BATCH, tf.float32))
    return Program({"output": output, "state": state}, feeds, facts_of(tf, cell))


@case("custom/dynamic_rnn")
def custom_dynamic_rnn(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, None, DEPTH])
    lengths = tf.placeholder(tf.int32, [None])
    cells = [_Custom.make(tf)(2), tf.nn.rnn_cell.ResidualWrapper(_Custom.make(tf)(2)), tf.nn.rnn_cell.GRUCell(3)]
    outputs, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.MultiRNNCell(cells), x, lengths, dtype=tf.float32)
    leaves = [leaf for _, leaf in flatten([outputs, state], "")]
    wrt = {"inputs": x, **{v.op.name: v for v in tf.trainable_variables()}}
    feeds = {x: fixed("cells custom", [BATCH, 5, DEPTH]), lengths: [5, 0, 2, 4]}
    return Program({"outputs": outputs, "state": state, **gradients_of(tf, leaves, wrt)}, feeds)


@case("custom/duck-typed")
def duck_typed(tf: Any, np: Any) -> Program:
    """Four attributes make a cell; no class is asked for."""

    class Leaky:
        state_size = DEPTH
        output_size = DEPTH

        def zero_state(self, batch_size: Any, dtype: Any) -> Any:
            return tf.zeros([batch_size, DEPTH], dtype)

        def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
            new = 0.5 * state + inputs
            return new, new

    x = tf.placeholder(tf.float32, [BATCH, 4, DEPTH])
    outputs, state = tf.nn.dynamic_rnn(Leaky(), x, [4, 1, 0, 3], dtype=tf.float32)
    return Program({"outputs": outputs, "state": state}, {x: fixed("cells duck", [BATCH, 4, DEPTH])})


@case("custom/structured-input")
def structured_input(tf: Any, np: Any) -> Program:
    """Inputs, outputs and state that are nests, with row shapes of more than one dimension and an integer state."""

    class Nested(tf.nn.rnn_cell.RNNCell):
        @property
        def state_size(self) -> Any:
            return {"sum": tf.TensorShape([2, 2]), "steps": 1}

        @property
        def output_size(self) -> Any:
            return (tf.TensorShape([2, 2]), 1)

        def zero_state(self, batch_size: Any, dtype: Any) -> Any:
            return {"sum": tf.zeros([batch_size, 2, 2], dtype), "steps": tf.zeros([batch_size, 1], dtype)}

        def call(self, inputs: Any, state: Any) -> Any:
            matrix, vector = inputs
            total = state["sum"] + matrix * tf.expand_dims(vector, 2)
            steps = state["steps"] + 1.0
            return (total * 2.0, steps), {"sum": total, "steps": steps}

    matrices = tf.placeholder(tf.float32, [BATCH, None, 2, 2])
    vectors = tf.placeholder(tf.float32, [BATCH, None, 2])
    outputs, state = tf.nn.dynamic_rnn(Nested(), (matrices, vectors), [3, 0, 1, 2], dtype=tf.float32)
    feeds = feeds_of(
        [matrices, vectors], [fixed("cells matrices", [BATCH, 3, 2, 2]), fixed("cells vectors", [BATCH, 3, 2])]
    )
    return Program({"outputs": outputs, "state": state}, feeds)


# Wrappers -------------------------------------------------------------------------------------------------------------


@case("residual/custom-function")
def residual_function(tf: Any, np: Any) -> Program:
    x, feeds = input_of(tf)
    cell = tf.nn.rnn_cell.ResidualWrapper(
        tf.nn.rnn_cell.GRUCell(UNITS), residual_fn=lambda inputs, outputs: tf.concat([inputs, outputs], 1)
    )
    output, state = cell(x, cell.zero_state(BATCH, tf.float32))
    return Program({"output": output, "state": state}, feeds)


@case("residual/error", must_fail=True, fragments=["incompatible"])
def residual_error(tf: Any, np: Any) -> Program:
    x, _ = input_of(tf)
    cell = tf.nn.rnn_cell.ResidualWrapper(tf.nn.rnn_cell.GRUCell(UNITS))
    cell(x, cell.zero_state(BATCH, tf.float32))
    return Program()


@case("dropout/keep-one-placeholder")
def dropout_placeholder(tf: Any, np: Any) -> Program:
    """A keep probability that is fed: 1.0 keeps everything."""
    x, feeds = input_of(tf)
    keep = tf.placeholder(tf.float32, [])
    cell = tf.nn.rnn_cell.DropoutWrapper(tf.nn.rnn_cell.BasicLSTMCell(UNITS), keep, keep, keep)
    output, state = cell(x, cell.zero_state(BATCH, tf.float32))
    return Program({"output": output, "state": state}, {**feeds, keep: 1.0})


@case("dropout/almost-nothing-kept")
def dropout_extremes(tf: Any, np: Any) -> Program:
    """A tiny keep probability: the default filter keeps c and drops h and everything that is not an LSTM state."""
    x, feeds = input_of(tf)
    fetches = {}
    for name, arguments in {
        "input": {"input_keep_prob": 1e-9},
        "output": {"output_keep_prob": 1e-9},
        "state": {"state_keep_prob": 1e-9},
    }.items():
        for make in (tf.nn.rnn_cell.BasicLSTMCell, tf.nn.rnn_cell.GRUCell):
            cell = tf.nn.rnn_cell.DropoutWrapper(make(UNITS, name=f"{name}_{make.__name__}"), seed=1, **arguments)
            initial, state_feeds = drivers.initial_state(tf, cell, "float32", "initial")
            fetches[f"{name}/{make.__name__}"] = cell(x, initial)
            feeds.update(state_feeds)
    return Program(fetches, feeds)


@case("dropout/state-filter")
def dropout_filter(tf: Any, np: Any) -> Program:
    """A filter of the user's: drop c, keep h."""
    x, feeds = input_of(tf)
    state_tuple = tf.nn.rnn_cell.LSTMStateTuple
    cell = tf.nn.rnn_cell.DropoutWrapper(
        tf.nn.rnn_cell.BasicLSTMCell(UNITS),
        state_keep_prob=1e-9,
        seed=1,
        dropout_state_filter_visitor=lambda s: state_tuple(True, False) if isinstance(s, state_tuple) else True,
    )
    initial, state_feeds = drivers.initial_state(tf, cell, "float32", "initial")
    return Program({"result": cell(x, initial)}, {**feeds, **state_feeds})


def _wrong(name: str, build: Any, *fragments: str) -> None:
    @case(f"wrong/{name}", must_fail=True, fragments=fragments)
    def program(tf: Any, np: Any) -> Program:
        build(tf, tf.nn.rnn_cell, tf.zeros([BATCH, DEPTH]))
        return Program()


_wrong("multi-empty", lambda tf, cells, x: cells.MultiRNNCell([]), "Must specify at least one cell for MultiRNNCell.")
_wrong(
    "multi-not-a-list", lambda tf, cells, x: cells.MultiRNNCell(cells.GRUCell(2)), "cells must be a list or tuple, but"
)
_wrong(
    "multi-flat-with-tuple-state",
    lambda tf, cells, x: cells.MultiRNNCell([cells.BasicLSTMCell(2)], state_is_tuple=False),
    "Some cells return tuples of states",
)
_wrong(
    "multi-state-not-a-tuple",
    lambda tf, cells, x: cells.MultiRNNCell([cells.GRUCell(2), cells.GRUCell(2)])(x, tf.zeros([BATCH, 4])),
    "Expected state to be a tuple of length 2",
)
_wrong("wrapper-of-non-cell", lambda tf, cells, x: cells.DropoutWrapper(lambda x: x), "is not an RNNCell")
_wrong("residual-of-non-cell", lambda tf, cells, x: cells.ResidualWrapper("cell"), "is not an RNNCell")
_wrong(
    "dropout-keep-range",
    lambda tf, cells, x: cells.DropoutWrapper(cells.GRUCell(2), output_keep_prob=1.5),
    "Parameter output_keep_prob must be between 0 and 1",
)
_wrong(
    "dropout-filter-not-callable",
    lambda tf, cells, x: cells.DropoutWrapper(cells.GRUCell(2), dropout_state_filter_visitor=True),
)
_wrong(
    "dropout-variational-no-dtype",
    lambda tf, cells, x: cells.DropoutWrapper(cells.GRUCell(2), 0.5, variational_recurrent=True),
)
_wrong(
    "dropout-variational-no-input-size",
    lambda tf, cells, x: cells.DropoutWrapper(cells.GRUCell(2), 0.5, variational_recurrent=True, dtype=tf.float32),
)
_wrong("rank-3-input", lambda tf, cells, x: cells.GRUCell(2)(tf.zeros([2, 3, 4]), tf.zeros([2, 2])), "expected ndim=2")
_wrong(
    "unknown-depth",
    lambda tf, cells, x: cells.GRUCell(2)(tf.placeholder(tf.float32, [None, None]), tf.zeros([2, 2])),
    "Expected inputs.shape[-1] to be known",
)
_wrong(
    "integer-input",
    lambda tf, cells, x: cells.BasicLSTMCell(2)(
        tf.zeros([2, 3], tf.int32), (tf.zeros([2, 2], tf.int32), tf.zeros([2, 2], tf.int32))
    ),
    "RNN cell only supports floating",
)
_wrong("state-width", lambda tf, cells, x: cells.GRUCell(2)(x, tf.zeros([BATCH, 7])))
_wrong("state-batch", lambda tf, cells, x: cells.GRUCell(2)(x, tf.zeros([BATCH + 1, 2])))
_wrong("lstm-single-state", lambda tf, cells, x: cells.BasicLSTMCell(2)(x, tf.zeros([BATCH, 2])))
_wrong(
    "reuse-missing",
    lambda tf, cells, x: cells.LSTMCell(2, reuse=True)(x, (tf.zeros([BATCH, 2]), tf.zeros([BATCH, 2]))),
    "does not exist, or was not created with tf.get_variable()",
)
_wrong(
    "initial-state-nothing-known",
    lambda tf, cells, x: cells.GRUCell(2).get_initial_state(),
    "batch_size and dtype cannot be None",
)
_wrong(
    "initial-state-batch-differs",
    lambda tf, cells, x: cells.GRUCell(2).get_initial_state(inputs=x, batch_size=BATCH + 1, dtype=tf.float32),
    "batch size from input tensor is different from",
)
_wrong(
    "initial-state-dtype-differs",
    lambda tf, cells, x: cells.GRUCell(2).get_initial_state(inputs=x, batch_size=BATCH, dtype=tf.float64),
    "dtype from input tensor is different from",
)
