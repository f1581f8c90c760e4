"""Every driver over every cell: values, states and gradients.

Names are ``driver/cell/lengths/major/dtype``. The tables here are read by the torch tests too, which build the same
cells from ``dynrnn.cells`` by the same calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.harness import Program, case, feeds_of, fixed, flatten

BATCH, TIME, DEPTH, UNITS = 4, 6, 3, 5

LENGTHS: dict[str, list[int] | None] = {"none": None, "random": [2, 5, 1, 4], "zeros": [0, 6, 3, 0]}
DTYPES = {"f32": "float32", "f64": "float64"}

CELLS: dict[str, Callable[[Any], Any]] = {
    "BasicRNNCell": lambda cells: cells.BasicRNNCell(UNITS),
    "BasicRNNCell-relu": lambda cells: cells.BasicRNNCell(UNITS, activation="relu"),
    "GRUCell": lambda cells: cells.GRUCell(UNITS),
    "GRUCell-sigmoid": lambda cells: cells.GRUCell(UNITS, activation="sigmoid"),
    "BasicLSTMCell": lambda cells: cells.BasicLSTMCell(UNITS),
    "BasicLSTMCell-forget": lambda cells: cells.BasicLSTMCell(UNITS, forget_bias=0.25, activation="relu"),
    "BasicLSTMCell-concat": lambda cells: cells.BasicLSTMCell(UNITS, state_is_tuple=False),
    "LSTMCell": lambda cells: cells.LSTMCell(UNITS),
    "LSTMCell-peepholes": lambda cells: cells.LSTMCell(UNITS, use_peepholes=True),
    "LSTMCell-projection": lambda cells: cells.LSTMCell(UNITS, num_proj=2),
    "LSTMCell-clips": lambda cells: cells.LSTMCell(UNITS, num_proj=4, cell_clip=0.4, proj_clip=0.2),
    "LSTMCell-all": lambda cells: cells.LSTMCell(
        UNITS, use_peepholes=True, cell_clip=0.4, num_proj=2, proj_clip=0.2, forget_bias=0.5, activation="sigmoid"
    ),
    "LSTMCell-concat": lambda cells: cells.LSTMCell(UNITS, num_proj=2, state_is_tuple=False),
    "MultiRNNCell": lambda cells: cells.MultiRNNCell(
        [cells.LSTMCell(UNITS, num_proj=2), cells.GRUCell(4), cells.BasicRNNCell(3)]
    ),
    "MultiRNNCell-concat": lambda cells: cells.MultiRNNCell(
        [cells.BasicLSTMCell(2, state_is_tuple=False), cells.GRUCell(3)], state_is_tuple=False
    ),
    "MultiRNNCell-nested": lambda cells: cells.MultiRNNCell(
        [cells.MultiRNNCell([cells.BasicLSTMCell(3), cells.GRUCell(2)]), cells.BasicRNNCell(4)]
    ),
    "MultiRNNCell-residual": lambda cells: cells.MultiRNNCell(
        [cells.ResidualWrapper(cells.GRUCell(DEPTH)), cells.DropoutWrapper(cells.BasicLSTMCell(4), 1.0, 1.0, 1.0)]
    ),
    "ResidualWrapper": lambda cells: cells.ResidualWrapper(cells.BasicLSTMCell(DEPTH)),
    "DropoutWrapper": lambda cells: cells.DropoutWrapper(
        cells.LSTMCell(UNITS), input_keep_prob=1.0, output_keep_prob=1.0, state_keep_prob=1.0
    ),
    "DeviceWrapper": lambda cells: cells.DeviceWrapper(cells.GRUCell(UNITS), "/cpu:0"),
}


def inputs_of(dtype: str, time_major: bool) -> Any:
    """The input sequence; time-major it is the transpose of the same numbers."""
    x = fixed("drivers inputs", [BATCH, TIME, DEPTH], dtype, 2.0)
    return x.swapaxes(0, 1) if time_major else x


def states_of(size: Any, dtype: str, prefix: str) -> Any:
    """Arrays for an initial state of the structure ``size`` (a cell's ``state_size``), in flat order."""
    return [fixed(f"drivers {path}", [BATCH, int(n)], dtype) for path, n in flatten(size, prefix)]


def fill(size: Any, leaves: list[Any]) -> Any:
    """Put flat ``leaves`` into the structure of ``size``."""
    left = iter(leaves)

    def build(node: Any) -> Any:
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*(build(child) for child in node))
        return tuple(build(child) for child in node) if isinstance(node, (tuple, list)) else next(left)

    return build(size)


def initial_state(tf: Any, cell: Any, dtype: str, prefix: str) -> tuple[Any, dict[Any, Any]]:
    """Placeholders in the structure of the cell's state, and what to feed them."""
    arrays = states_of(cell.state_size, dtype, prefix)
    flat = [tf.placeholder(dtype, [BATCH, a.shape[1]], name=f"{prefix}_{i}") for i, a in enumerate(arrays)]
    return fill(cell.state_size, flat), feeds_of(flat, arrays)


def seed_of(path: str, shape: list[int], dtype: str, time_major: bool) -> Any:
    """The weights that a result is multiplied with before everything is summed for the gradients.

    Time-major outputs get the transpose of what batch-major ones get, so that the gradients are the same numbers.
    """
    if len(shape) < 3:
        return fixed("drivers seed " + path, shape, dtype)
    seed = fixed("drivers seed " + path, [BATCH, TIME, shape[2]], dtype)
    return seed.swapaxes(0, 1)[: shape[0]] if time_major else seed


def finish(
    tf: Any, dtype: str, results: dict[str, Any], wrt: dict[str, Any], feeds: dict[Any, Any], time_major: bool = False
) -> Program:
    """Results and the gradients of their weighted sum with respect to ``wrt`` and to all variables."""
    total = tf.add_n(
        [
            tf.reduce_sum(leaf * tf.constant(seed_of(path, leaf.get_shape().as_list(), dtype, time_major)))
            for name, nest in results.items()
            for path, leaf in flatten(nest, name)
        ]
    )
    sources = {path: leaf for name, nest in wrt.items() for path, leaf in flatten(nest, name)}
    sources.update({variable.op.name: variable for variable in tf.trainable_variables()})
    grads = tf.gradients(total, list(sources.values()))
    return Program({**results, **{f"grad/{k}": g for k, g in zip(sources, grads, strict=True)}}, feeds)


def sequence_length(tf: Any, lengths: list[int] | None) -> tuple[Any, dict[Any, Any]]:
    """A placeholder for the lengths and its feed, or None."""
    if lengths is None:
        return None, {}
    placeholder = tf.placeholder(tf.int32, [BATCH], name="lengths")
    return placeholder, {placeholder: lengths}


def dynamic_rnn(tf: Any, make: Any, lengths: Any, time_major: bool, dtype: str) -> Program:
    """``tf.nn.dynamic_rnn``."""
    x = inputs_of(dtype, time_major)
    inputs = tf.placeholder(dtype, x.shape, name="inputs")
    length, feeds = sequence_length(tf, lengths)
    cell = make(tf.nn.rnn_cell)
    initial, state_feeds = initial_state(tf, cell, dtype, "initial")
    outputs, state = tf.nn.dynamic_rnn(cell, inputs, length, initial, time_major=time_major)
    wrt = {"inputs": inputs, "initial": initial}
    feeds = {inputs: x, **feeds, **state_feeds}
    return finish(tf, dtype, {"outputs": outputs, "state": state}, wrt, feeds, time_major)


def bidirectional_dynamic_rnn(tf: Any, make: Any, lengths: Any, time_major: bool, dtype: str) -> Program:
    """``tf.nn.bidirectional_dynamic_rnn``."""
    x = inputs_of(dtype, time_major)
    inputs = tf.placeholder(dtype, x.shape, name="inputs")
    length, feeds = sequence_length(tf, lengths)
    forward, backward = make(tf.nn.rnn_cell), make(tf.nn.rnn_cell)
    initial_fw, feeds_fw = initial_state(tf, forward, dtype, "initial_fw")
    initial_bw, feeds_bw = initial_state(tf, backward, dtype, "initial_bw")
    outputs, states = tf.nn.bidirectional_dynamic_rnn(
        forward, backward, inputs, length, initial_fw, initial_bw, time_major=time_major
    )
    wrt = {"inputs": inputs, "initial_fw": initial_fw, "initial_bw": initial_bw}
    feeds = {inputs: x, **feeds, **feeds_fw, **feeds_bw}
    return finish(tf, dtype, {"outputs": outputs, "state": states}, wrt, feeds, time_major)


def static_rnn(tf: Any, make: Any, lengths: Any, dtype: str) -> Program:
    """``tf.nn.static_rnn`` on the steps of one input."""
    x = inputs_of(dtype, False)
    inputs = tf.placeholder(dtype, x.shape, name="inputs")
    length, feeds = sequence_length(tf, lengths)
    cell = make(tf.nn.rnn_cell)
    initial, state_feeds = initial_state(tf, cell, dtype, "initial")
    outputs, state = tf.nn.static_rnn(cell, tf.unstack(inputs, axis=1), initial, sequence_length=length)
    results = {"outputs": tf.stack(outputs, axis=1), "state": state}
    return finish(tf, dtype, results, {"inputs": inputs, "initial": initial}, {inputs: x, **feeds, **state_feeds})


def static_bidirectional_rnn(tf: Any, make: Any, lengths: Any, dtype: str) -> Program:
    """``tf.nn.static_bidirectional_rnn`` on the steps of one input."""
    x = inputs_of(dtype, False)
    inputs = tf.placeholder(dtype, x.shape, name="inputs")
    length, feeds = sequence_length(tf, lengths)
    forward, backward = make(tf.nn.rnn_cell), make(tf.nn.rnn_cell)
    initial_fw, feeds_fw = initial_state(tf, forward, dtype, "initial_fw")
    initial_bw, feeds_bw = initial_state(tf, backward, dtype, "initial_bw")
    outputs, state_fw, state_bw = tf.nn.static_bidirectional_rnn(
        forward, backward, tf.unstack(inputs, axis=1), initial_fw, initial_bw, sequence_length=length
    )
    results = {"outputs": tf.stack(outputs, axis=1), "state_fw": state_fw, "state_bw": state_bw}
    wrt = {"inputs": inputs, "initial_fw": initial_fw, "initial_bw": initial_bw}
    return finish(tf, dtype, results, wrt, {inputs: x, **feeds, **feeds_fw, **feeds_bw})


def raw_rnn(tf: Any, make: Any, lengths: Any, dtype: str) -> Program:
    """``tf.nn.raw_rnn`` with a loop function that imitates ``dynamic_rnn``, as TensorFlow's documentation shows it.

    It emits as many steps as the longest row has; without lengths all of them.
    """
    x = inputs_of(dtype, True)
    inputs = tf.placeholder(dtype, x.shape, name="inputs")
    steps = tf.TensorArray(dtype, size=TIME).unstack(inputs)
    limits = [TIME] * BATCH if lengths is None else lengths
    length = tf.placeholder(tf.int32, [BATCH], name="lengths")
    cell = make(tf.nn.rnn_cell)
    initial, state_feeds = initial_state(tf, cell, dtype, "initial")

    def loop(time: Any, output: Any, state: Any, loop_state: Any) -> Any:
        del loop_state
        finished = time >= length
        following = tf.cond(tf.reduce_all(finished), lambda: tf.zeros([BATCH, DEPTH], dtype), lambda: steps.read(time))
        following.set_shape([BATCH, DEPTH])
        return finished, following, initial if output is None else state, output, None

    emitted, state, _ = tf.nn.raw_rnn(cell, loop)
    outputs = emitted.stack()
    outputs.set_shape([max(limits), BATCH, int(cell.output_size)])
    results = {"outputs": outputs, "state": state}
    wrt = {"inputs": inputs, "initial": initial}
    return finish(tf, dtype, results, wrt, {inputs: x, length: limits, **state_feeds}, time_major=True)


def zero_state(tf: Any, make: Any, lengths: Any, dtype: str) -> Program:
    """``dynamic_rnn`` with no initial state and no static batch or time."""
    x = inputs_of(dtype, False)
    inputs = tf.placeholder(dtype, [None, None, DEPTH], name="inputs")
    length = tf.placeholder(tf.int32, [None], name="lengths") if lengths is not None else None
    outputs, state = tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), inputs, length, dtype=dtype)
    feeds = {inputs: x} if lengths is None else {inputs: x, length: lengths}
    return Program({"outputs": outputs, "state": state}, feeds)


def _register(name: str, function: Any, *arguments: Any) -> None:
    case(name)(_bound(function, arguments))


def _bound(function: Any, arguments: tuple[Any, ...]) -> Any:
    def program(tf: Any, np: Any) -> Program:
        return function(tf, *arguments)

    program.__module__ = __name__
    return program


for _cell, _make in CELLS.items():
    for _lengths, _values in LENGTHS.items():
        for _suffix, _dtype in DTYPES.items():
            _end = f"{_cell}/lengths-{_lengths}"
            for _driver in (dynamic_rnn, bidirectional_dynamic_rnn):
                for _major in ("bm", "tm"):
                    _register(
                        f"{_driver.__name__}/{_end}/{_major}/{_suffix}", _driver, _make, _values, _major == "tm", _dtype
                    )
            _register(f"static_rnn/{_end}/bm/{_suffix}", static_rnn, _make, _values, _dtype)
            _register(f"static_bidirectional_rnn/{_end}/bm/{_suffix}", static_bidirectional_rnn, _make, _values, _dtype)
            _register(f"raw_rnn/{_end}/tm/{_suffix}", raw_rnn, _make, _values, _dtype)
        _register(f"dynamic_rnn-zero_state/{_cell}/lengths-{_lengths}/bm/f32", zero_state, _make, _values, "float32")
