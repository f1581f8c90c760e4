"""Cells called directly: values, variable names, scopes and reuse, zero states."""

from __future__ import annotations

from typing import Any

from goldens.cases import drivers
from goldens.harness import Program, case, fixed, flatten, gradients_of

BATCH, DEPTH, UNITS = drivers.BATCH, drivers.DEPTH, drivers.UNITS


def input_of(tf: Any, dtype: str = "float32", name: str | None = None) -> tuple[Any, dict[Any, Any]]:
    array = fixed("cells input", [BATCH, DEPTH], dtype, 2.0)
    placeholder = tf.placeholder(dtype, [None, DEPTH], name=name)
    return placeholder, {placeholder: array}


def facts_of(tf: Any, cell: Any) -> dict[str, Any]:
    return {
        "state_size": repr(cell.state_size),
        "output_size": repr(cell.output_size),
        "trainable_weights": [v.name for v in cell.trainable_weights],
        "trainable_variables": [v.name for v in cell.trainable_variables],
        "weights": [v.name for v in cell.weights],
    }


# Every cell once, twice, with another object --------------------------------------------------------------------------


def _register(cell: str, make: Any) -> None:
    @case(f"call/{cell}")
    def call(tf: Any, np: Any) -> Program:
        x, feeds = input_of(tf)
        made = make(tf.nn.rnn_cell)
        state, state_feeds = drivers.initial_state(tf, made, "float32", "initial")
        output, new_state = made(x, state)
        leaves = [leaf for _, leaf in flatten([output, new_state], "")]
        wrt = {"inputs": x, **dict(flatten(state, "initial")), **{v.op.name: v for v in tf.trainable_variables()}}
        return Program(
            {"output": output, "state": new_state, **gradients_of(tf, leaves, wrt)},
            {**feeds, **state_feeds},
            # What a stack of wrappers says of its weights differs among TensorFlow's versions.
            {} if cell == "MultiRNNCell-residual" else facts_of(tf, made),
        )

    @case(f"zero_state/{cell}")
    def zero_state(tf: Any, np: Any) -> Program:
        made = make(tf.nn.rnn_cell)
        batch = tf.placeholder(tf.int32, [], name="batch")
        return Program(
            {
                "int": made.zero_state(3, tf.float32),
                "constant": made.zero_state(tf.constant(2), tf.float64),
                "placeholder": made.zero_state(batch, tf.float32),
            },
            {batch: 4},
            names=True,
        )

    @case(f"get_initial_state/{cell}")
    def get_initial_state(tf: Any, np: Any) -> Program:
        made = make(tf.nn.rnn_cell)
        x, feeds = input_of(tf)
        static = tf.placeholder(tf.float64, [2, DEPTH])
        return Program(
            {
                "inputs": made.get_initial_state(inputs=x),
                "static": made.get_initial_state(inputs=static),
                "sizes": made.get_initial_state(batch_size=3, dtype=tf.float32),
            },
            {**feeds, static: np.zeros([2, DEPTH])},
        )

    @case(f"call-twice/{cell}")
    def call_twice(tf: Any, np: Any) -> Program:
        x, feeds = input_of(tf)
        made = make(tf.nn.rnn_cell)
        output, state = made(x, made.zero_state(BATCH, tf.float32))
        again, state = made(x, state)
        return Program({"output": output, "again": again, "state": state}, feeds)

    # Only cells that own variables directly get a name of their own at top level; a second MultiRNNCell clashes.
    @case(f"two-cells/{cell}", may_fail=True)
    def two_cells(tf: Any, np: Any) -> Program:
        x, feeds = input_of(tf)
        first, second = make(tf.nn.rnn_cell), make(tf.nn.rnn_cell)
        one, _ = first(x, first.zero_state(BATCH, tf.float32))
        two, _ = second(x, second.zero_state(BATCH, tf.float32))
        return Program({"one": one, "two": two}, feeds)

    @case(f"dynamic_rnn-twice/{cell}")
    def same_cell_in_two_drivers(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [None, 2, DEPTH])
        made = make(tf.nn.rnn_cell)
        one, _ = tf.nn.dynamic_rnn(made, x, dtype=tf.float32)
        two, _ = tf.nn.dynamic_rnn(made, x * 2.0, dtype=tf.float32)
        with tf.variable_scope("elsewhere"):
            three, _ = tf.nn.dynamic_rnn(made, x * 3.0, dtype=tf.float32)
        feeds = {x: fixed("cells sequence", [BATCH, 2, DEPTH])}
        return Program({"one": one, "two": two, "three": three}, feeds)

    @case(f"second-cell-error/{cell}", must_fail=True, fragments=["already exists, disallowed"])
    def second_cell_in_the_same_scope(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [None, 2, DEPTH])
        tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, dtype=tf.float32)
        tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, dtype=tf.float32)
        return Program()

    @case(f"reuse/{cell}")
    def reuse(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [None, 2, DEPTH])
        fetches = {}
        for name in ("one", "two"):
            with tf.variable_scope("model", reuse=tf.AUTO_REUSE):
                fetches[name], _ = tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, dtype=tf.float32)
        with tf.variable_scope("model", reuse=True):
            fetches["three"], _ = tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, dtype=tf.float32)
        with tf.variable_scope("model") as scope:
            scope.reuse_variables()
            fetches["four"], _ = tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, dtype=tf.float32)
        return Program(fetches, {x: fixed("cells sequence", [BATCH, 2, DEPTH])})


for _cell, _make in drivers.CELLS.items():
    _register(_cell, _make)


# Names, scopes and reuse ----------------------------------------------------------------------------------------------


@case("scope/default-names")
def default_names(tf: Any, np: Any) -> Program:
    """Two cells called at top level take turns at the name, in the order of the calls, wherever they were made."""
    x, feeds = input_of(tf)
    with tf.variable_scope("ignored"):
        second = tf.nn.rnn_cell.GRUCell(UNITS)
    first = tf.nn.rnn_cell.GRUCell(UNITS)
    one, _ = first(x, first.zero_state(BATCH, tf.float32))
    two, _ = second(x, second.zero_state(BATCH, tf.float32))
    return Program({"one": one, "two": two}, feeds)


@case("scope/name-argument")
def name_argument(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 2, DEPTH])
    cells = [
        tf.nn.rnn_cell.BasicRNNCell(UNITS, name="plain"),
        tf.nn.rnn_cell.GRUCell(UNITS, name="gated"),
        tf.nn.rnn_cell.BasicLSTMCell(UNITS, name="foo"),
        tf.nn.rnn_cell.LSTMCell(UNITS, name="bar", num_proj=2, use_peepholes=True),
    ]
    outputs = []
    for i, cell in enumerate(cells):
        outputs.append(tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, scope=f"layer{i}")[0])
    return Program({"outputs": outputs}, {x: fixed("cells sequence", [BATCH, 2, DEPTH])})


@case("scope/driver-scopes")
def driver_scopes(tf: Any, np: Any) -> Program:
    """The scope argument of each driver, as a string and as a VariableScope."""
    x = tf.placeholder(tf.float32, [BATCH, 2, DEPTH])
    cells = tf.nn.rnn_cell
    tf.nn.dynamic_rnn(cells.GRUCell(UNITS), x, dtype=tf.float32, scope="a")
    with tf.variable_scope("outer") as outer:
        tf.nn.dynamic_rnn(cells.GRUCell(UNITS), x, dtype=tf.float32, scope="inner")
        tf.nn.dynamic_rnn(cells.GRUCell(UNITS), x, dtype=tf.float32)
    with tf.variable_scope("third"):
        tf.nn.dynamic_rnn(cells.BasicRNNCell(UNITS), x, dtype=tf.float32, scope=outer)
    steps = tf.unstack(x, axis=1)
    tf.nn.static_rnn(cells.GRUCell(UNITS), steps, dtype=tf.float32, scope="b")
    tf.nn.bidirectional_dynamic_rnn(cells.GRUCell(2), cells.BasicLSTMCell(3), x, dtype=tf.float32, scope="c")
    tf.nn.static_bidirectional_rnn(cells.GRUCell(2), cells.BasicLSTMCell(3), steps, dtype=tf.float32, scope="d")
    with tf.variable_scope("outer"):
        tf.nn.bidirectional_dynamic_rnn(cells.GRUCell(2), cells.BasicLSTMCell(3), x, dtype=tf.float32)
        tf.nn.static_rnn(cells.BasicLSTMCell(UNITS), steps, dtype=tf.float32)
    return Program()


@case("scope/one-cell-both-directions")
def one_cell_both_directions(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [BATCH, 2, DEPTH])
    cell = tf.nn.rnn_cell.GRUCell(UNITS)
    outputs, states = tf.nn.bidirectional_dynamic_rnn(cell, cell, x, dtype=tf.float32)
    return Program({"outputs": outputs, "states": states}, {x: fixed("cells sequence", [BATCH, 2, DEPTH])})


@case("scope/multi-same-object")
def multi_same_object(tf: Any, np: Any) -> Program:
    """``[cell] * 2``: one set of variables under cell_0."""
    x = tf.placeholder(tf.float32, [BATCH, 2, UNITS])
    cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(UNITS)] * 2)
    outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    return Program({"outputs": outputs, "state": state}, {x: fixed("cells sequence 5", [BATCH, 2, UNITS])})


@case("scope/multi-same-object-error", must_fail=True)
def multi_same_object_other_width(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [BATCH, 2, DEPTH])
    cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(UNITS)] * 2)
    tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    return Program()


@case("scope/cell-reuse-argument")
def cell_reuse_argument(tf: Any, np: Any) -> Program:
    x, feeds = input_of(tf)
    first = tf.nn.rnn_cell.BasicLSTMCell(UNITS, name="shared")
    one, _ = first(x, first.zero_state(BATCH, tf.float32))
    second = tf.nn.rnn_cell.BasicLSTMCell(UNITS, name="shared", reuse=True)
    two, _ = second(x, second.zero_state(BATCH, tf.float32))
    return Program({"one": one, "two": two}, feeds)


@case("scope/train-and-test-graphs")
def train_and_test(tf: Any, np: Any) -> Program:
    """The usual way to share a model: build it twice under one scope, the second time with reuse."""
    x = tf.placeholder(tf.float32, [None, 2, DEPTH])

    def model(inputs: Any) -> Any:
        cells = [tf.nn.rnn_cell.LSTMCell(UNITS, initializer=tf.constant_initializer(0.1)) for _ in range(2)]
        outputs, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.MultiRNNCell(cells), inputs, dtype=tf.float32)
        weights = tf.get_variable("weights", [UNITS, 2])
        bias = tf.get_variable("bias", [2], initializer=tf.zeros_initializer())
        return tf.matmul(outputs[:, -1], weights) + bias

    with tf.variable_scope("Model", reuse=None):
        train = model(x)
    with tf.variable_scope("Model", reuse=True):
        test = model(x * 0.5)
    return Program({"train": train, "test": test}, {x: fixed("cells sequence", [BATCH, 2, DEPTH])})


@case("scope/initial-values", load=False)
def initial_values(tf: Any, np: Any) -> Program:
    """Biases and forget gates start as TensorFlow starts them; kernels take the scope's initializer."""
    x, _ = input_of(tf)
    cells = tf.nn.rnn_cell
    with tf.variable_scope("scoped", initializer=tf.constant_initializer(0.25)):
        for cell in (
            cells.BasicRNNCell(2),
            cells.GRUCell(2),
            cells.BasicLSTMCell(2),
            cells.LSTMCell(2, True, num_proj=1),
        ):
            cell(x, cell.zero_state(BATCH, tf.float32))
    own = tf.constant_initializer(0.5)
    with tf.variable_scope("own", initializer=tf.constant_initializer(0.25)):
        gru = cells.GRUCell(2, kernel_initializer=own, bias_initializer=tf.constant_initializer(-1.0))
        gru(x, gru.zero_state(BATCH, tf.float32))
        lstm = cells.LSTMCell(2, use_peepholes=True, num_proj=1, initializer=own)
        lstm(x, lstm.zero_state(BATCH, tf.float32))
    return Program({v.op.name: v for v in tf.global_variables()})


@case("scope/not-trainable")
def not_trainable(tf: Any, np: Any) -> Program:
    x, feeds = input_of(tf)
    cell = tf.nn.rnn_cell.GRUCell(UNITS, trainable=False)
    output, _ = cell(x, cell.zero_state(BATCH, tf.float32))
    facts = {
        "trainable": [v.name for v in cell.trainable_variables],
        "non_trainable": [v.name for v in cell.non_trainable_variables],
        "weights": [v.name for v in cell.weights],
    }
    return Program({"shape": tf.shape(output)}, feeds, facts)


@case("scope/float64-and-float16")
def other_dtypes(tf: Any, np: Any) -> Program:
    fetches, feeds = {}, {}
    for dtype in ("float16", "float64"):
        x, feed = input_of(tf, dtype)
        cell = tf.nn.rnn_cell.LSTMCell(UNITS, name=dtype)
        fetches[dtype] = cell(x, cell.zero_state(BATCH, dtype))
        feeds.update(feed)
    return Program(fetches, feeds)
