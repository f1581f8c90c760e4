"""Wrong programs: drivers, feeding, fetching, graphs, variables.

Recorded is the class of the error, whether it came while building or while running, and what it must say. A row is a
function of ``(tf, np)``; fragments are pieces of TensorFlow's message that the face must say too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.harness import Program, case


def module_of(function: Any) -> str:
    """The module of cases that a function was written in."""
    return str(function.__module__)


def wrong(name: str, build: Callable[[Any, Any], Any], *fragments: str, initialise: bool = True) -> None:
    """Register a program that must fail while it is built."""

    def program(tf: Any, np: Any) -> Program:
        build(tf, np)
        return Program()

    program.__module__ = module_of(build)
    case(name, must_fail=True, fragments=fragments, initialise=initialise)(program)


def wrong_run(
    name: str, build: Callable[[Any, Any], tuple[Any, Any]], *fragments: str, initialise: bool = True
) -> None:
    """Register a program that builds and must fail when it is run: ``build`` returns what to fetch and to feed."""

    def program(tf: Any, np: Any) -> Program:
        fetch, feeds = build(tf, np)
        return Program(script=lambda session: {"never": session.run(fetch, feeds)})

    program.__module__ = module_of(build)
    case(name, must_fail=True, fragments=fragments, initialise=initialise)(program)


def placeholder(tf: Any, *shape: Any, dtype: str = "float32", name: str = "x") -> Any:
    """A placeholder of the given dimensions."""
    return tf.placeholder(dtype, list(shape), name=name)


# Drivers --------------------------------------------------------------------------------------------------------------


def _cells(tf: Any) -> Any:
    return tf.nn.rnn_cell


wrong(
    "dynamic_rnn/non-cell",
    lambda tf, np: tf.nn.dynamic_rnn(object(), placeholder(tf, 2, 3, 4), dtype=tf.float32),
    "is not an RNNCell",
)
wrong(
    "dynamic_rnn/cell-class",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell, placeholder(tf, 2, 3, 4), dtype=tf.float32),
)
wrong(
    "dynamic_rnn/function-cell",
    lambda tf, np: tf.nn.dynamic_rnn(lambda x, s: (x, s), placeholder(tf, 2, 3, 4), dtype=tf.float32),
    "is not an RNNCell",
)
wrong(
    "dynamic_rnn/no-dtype", lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4)), "dtype"
)
wrong(
    "dynamic_rnn/rank-2",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3), dtype=tf.float32),
)
wrong(
    "dynamic_rnn/rank-1", lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2), dtype=tf.float32)
)
wrong(
    "dynamic_rnn/rank-4",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4, 5), dtype=tf.float32),
)
wrong(
    "dynamic_rnn/unknown-depth",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, None), dtype=tf.float32),
    "Input size (depth of inputs) must be accessible via shape inference, but saw value None",
)
wrong(
    "dynamic_rnn/list-of-steps",
    lambda tf, np: tf.nn.dynamic_rnn(
        _cells(tf).GRUCell(2), [placeholder(tf, 2, 3), placeholder(tf, 2, 3)], dtype=tf.float32
    ),
)
wrong(
    "dynamic_rnn/lengths-matrix",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4), [[1], [2]], dtype=tf.float32),
    "must be a vector of length batch_size",
)
wrong(
    "dynamic_rnn/lengths-scalar",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4), 3, dtype=tf.float32),
    "must be a vector of length batch_size",
)
wrong(
    "dynamic_rnn/lengths-number",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4), [1, 2, 3], dtype=tf.float32),
)
wrong(
    "dynamic_rnn/state-batch",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4), initial_state=tf.zeros([5, 2])),
)
wrong(
    "dynamic_rnn/state-width",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4), initial_state=tf.zeros([2, 7])),
)
wrong(
    "dynamic_rnn/state-dtype",
    lambda tf, np: tf.nn.dynamic_rnn(
        _cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4, dtype="float64"), initial_state=tf.zeros([2, 2])
    ),
)
wrong(
    "dynamic_rnn/lstm-state-single",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).LSTMCell(2), placeholder(tf, 2, 3, 4), initial_state=tf.zeros([2, 2])),
)
wrong(
    "dynamic_rnn/int-inputs",
    lambda tf, np: tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4, dtype="int32"), dtype=tf.int32),
    "RNN cell only supports floating",
)
wrong(
    "dynamic_rnn/times-differ",
    lambda tf, np: tf.nn.dynamic_rnn(
        _Pair.make(tf), (placeholder(tf, 2, 3, 4), placeholder(tf, 2, 5, 4)), dtype=tf.float32
    ),
    "Time steps is not the same for all the elements in the input in a batch.",
)
wrong(
    "dynamic_rnn/batches-differ",
    lambda tf, np: tf.nn.dynamic_rnn(
        _Pair.make(tf), (placeholder(tf, 2, 3, 4), placeholder(tf, 5, 3, 4)), dtype=tf.float32
    ),
    "Batch_size is not the same for all the elements",
)
wrong(
    "dynamic_rnn/same-scope",
    lambda tf, np: [
        tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4), dtype=tf.float32) for _ in range(2)
    ],
    "Variable rnn/gru_cell/gates/kernel already exists, disallowed.",
    "Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in VarScope?",
)


class _Pair:
    """A cell of two inputs."""

    @staticmethod
    def make(tf: Any) -> Any:
        class Pair(tf.nn.rnn_cell.RNNCell):
            state_size = 4
            output_size = 4

            def call(self, inputs: Any, state: Any) -> Any:
                return inputs[0] + inputs[1], state

        return Pair()


def _run_lengths(tf: Any, np: Any) -> Any:
    x, n = placeholder(tf, None, 3, 4), tf.placeholder(tf.int32, [None], name="lengths")
    outputs, _ = tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), x, n, dtype=tf.float32)
    return outputs, {x: np.zeros([2, 3, 4]), n: [1, 2, 3]}


wrong_run("dynamic_rnn/lengths-number-at-run", _run_lengths, "Expected shape for Tensor")


def _run_state(tf: Any, np: Any) -> Any:
    x, s = placeholder(tf, None, 3, 4), placeholder(tf, None, 2, name="state")
    outputs, _ = tf.nn.dynamic_rnn(_cells(tf).GRUCell(2), x, initial_state=s)
    return outputs, {x: np.zeros([2, 3, 4]), s: np.zeros([5, 2])}


wrong_run("dynamic_rnn/state-batch-at-run", _run_state)


def _run_reverse(tf: Any, np: Any) -> Any:
    x, n = placeholder(tf, None, 3, 4), tf.placeholder(tf.int32, [None], name="lengths")
    outputs, _ = tf.nn.bidirectional_dynamic_rnn(_cells(tf).GRUCell(2), _cells(tf).GRUCell(2), x, n, dtype=tf.float32)
    return outputs, {x: np.zeros([2, 3, 4]), n: [2, 7]}


wrong_run("bidirectional_dynamic_rnn/lengths-too-long", _run_reverse)
wrong(
    "bidirectional_dynamic_rnn/non-cell",
    lambda tf, np: tf.nn.bidirectional_dynamic_rnn(
        _cells(tf).GRUCell(2), None, placeholder(tf, 2, 3, 4), dtype=tf.float32
    ),
    "is not an RNNCell",
)
wrong(
    "bidirectional_dynamic_rnn/no-dtype",
    lambda tf, np: tf.nn.bidirectional_dynamic_rnn(
        _cells(tf).GRUCell(2), _cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4)
    ),
    "dtype",
)
wrong(
    "static_rnn/non-cell",
    lambda tf, np: tf.nn.static_rnn(None, [placeholder(tf, 2, 3)], dtype=tf.float32),
    "is not an RNNCell",
)
wrong(
    "static_rnn/not-a-sequence",
    lambda tf, np: tf.nn.static_rnn(_cells(tf).GRUCell(2), placeholder(tf, 2, 3, 4), dtype=tf.float32),
    "must be a sequence",
)
wrong(
    "static_rnn/empty",
    lambda tf, np: tf.nn.static_rnn(_cells(tf).GRUCell(2), [], dtype=tf.float32),
    "must not be empty",
)
wrong(
    "static_rnn/no-dtype",
    lambda tf, np: tf.nn.static_rnn(_cells(tf).GRUCell(2), [placeholder(tf, 2, 3)]),
    "If no initial_state is provided",
    "must be specified",
)
wrong(
    "static_rnn/batches-differ",
    lambda tf, np: tf.nn.static_rnn(
        _cells(tf).GRUCell(2), [placeholder(tf, 2, 3), placeholder(tf, 5, 3)], dtype=tf.float32
    ),
)
wrong(
    "static_rnn/unknown-depth",
    lambda tf, np: tf.nn.static_rnn(_cells(tf).GRUCell(2), [placeholder(tf, 2, None)], dtype=tf.float32),
    "must be accessible via shape inference, but saw value None",
)
wrong(
    "static_rnn/lengths-matrix",
    lambda tf, np: tf.nn.static_rnn(
        _cells(tf).GRUCell(2), [placeholder(tf, 2, 3)], dtype=tf.float32, sequence_length=[[1], [1]]
    ),
    "must be a vector of length",
)
wrong(
    "static_bidirectional_rnn/not-a-sequence",
    lambda tf, np: tf.nn.static_bidirectional_rnn(
        _cells(tf).GRUCell(2), _cells(tf).GRUCell(2), placeholder(tf, 2, 3), dtype=tf.float32
    ),
    "must be a sequence",
)
wrong(
    "static_bidirectional_rnn/empty",
    lambda tf, np: tf.nn.static_bidirectional_rnn(_cells(tf).GRUCell(2), _cells(tf).GRUCell(2), [], dtype=tf.float32),
    "must not be empty",
)
wrong("raw_rnn/non-cell", lambda tf, np: tf.nn.raw_rnn(object(), lambda *a: a), "is not an RNNCell")
wrong("raw_rnn/not-callable", lambda tf, np: tf.nn.raw_rnn(_cells(tf).GRUCell(2), 3), "must be a callable")


def _raw_structure(tf: Any, np: Any) -> None:
    def loop(time: Any, output: Any, state: Any, loop_state: Any) -> Any:
        first = output is None
        return (
            tf.tile([time >= 3], [2]),
            tf.zeros([2, 4]),
            tf.zeros([2, 2]) if first else (state, state),
            output,
            None,
        )

    tf.nn.raw_rnn(_cells(tf).GRUCell(2), loop)


wrong("raw_rnn/state-structure", _raw_structure)

# Feeding and fetching -------------------------------------------------------------------------------------------------

wrong_run(
    "feed/forgotten",
    lambda tf, np: (placeholder(tf, 2) + 1.0, None),
    "You must feed a value for placeholder tensor 'x' with dtype float and shape [2]",
)
wrong_run(
    "feed/forgotten-second",
    lambda tf, np: (lambda a, b: (a + b, {a: [1.0, 2.0]}))(placeholder(tf, 2), placeholder(tf, None, 2, name="second")),
    "You must feed a value for placeholder tensor 'second' with dtype float and shape [?,2]",
)
wrong_run(
    "feed/shape",
    lambda tf, np: (lambda x: (x + 1.0, {x: np.zeros([2, 4])}))(placeholder(tf, None, 3)),
    "Cannot feed value of shape (2, 4) for Tensor",
    "x:0",
    "which has shape",
    "(?, 3)",
)
wrong_run(
    "feed/rank",
    lambda tf, np: (lambda x: (x + 1.0, {x: [1.0, 2.0]}))(placeholder(tf, None, 3)),
    "Cannot feed value of shape (2,)",
)
wrong_run("feed/string-for-float", lambda tf, np: (lambda x: (x + 1.0, {x: ["a", "b"]}))(placeholder(tf, 2)))
wrong_run("feed/ragged", lambda tf, np: (lambda x: (x + 1.0, {x: [[1.0], [1.0, 2.0]]}))(placeholder(tf, None, None)))
wrong_run(
    "feed/tensor",
    lambda tf, np: (lambda x: (x + 1.0, {x: tf.constant([1.0, 2.0])}))(placeholder(tf, 2)),
    "cannot be a tf.Tensor object",
)
wrong_run("feed/none", lambda tf, np: (lambda x: (x + 1.0, {x: None}))(placeholder(tf, 2)))
wrong_run(
    "feed/key-python",
    lambda tf, np: (placeholder(tf, 2) + 1.0, {3: [1.0, 2.0]}),
    "Cannot interpret feed_dict key as Tensor",
)
wrong_run(
    "feed/key-unknown-name",
    lambda tf, np: (placeholder(tf, 2) + 1.0, {"nothing:0": [1.0, 2.0]}),
    "Cannot interpret feed_dict key as Tensor",
)
wrong_run(
    "feed/operation",
    lambda tf, np: (placeholder(tf, 2) + 1.0, {tf.no_op(): 1.0}),
    "Cannot interpret feed_dict key as Tensor",
)
wrong_run("fetch/none", lambda tf, np: (tf.no_op() and None, None), "None", "has invalid type")
wrong_run("fetch/python-number", lambda tf, np: (tf.no_op() and 3, None), "3", "has invalid type")
wrong_run("fetch/in-a-list", lambda tf, np: ([tf.constant(1), None], None), "None", "has invalid type")
wrong_run("fetch/unknown-name", lambda tf, np: (tf.no_op() and "nothing:0", None), "nothing:0", "does not exist")
wrong_run("fetch/unknown-operation", lambda tf, np: (tf.no_op() and "nothing", None), "nothing", "not in the graph")
wrong_run("fetch/missing-output", lambda tf, np: (tf.constant(1, name="c").op.name + ":1", None), "does not exist")


def _other_graph(tf: Any, np: Any) -> Any:
    tf.no_op()
    with tf.Graph().as_default():
        return tf.constant(1.0), None


wrong_run("fetch/other-graph", _other_graph, "is not an element of this graph")


def _feed_other_graph(tf: Any, np: Any) -> Any:
    with tf.Graph().as_default():
        other = placeholder(tf, 2)
    return tf.constant(1.0), {other: [1.0, 2.0]}


wrong_run("feed/other-graph", _feed_other_graph, "Cannot interpret feed_dict key as Tensor")


def _mixed(tf: Any, np: Any) -> None:
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    tf.add(tf.constant(1.0), other)


wrong("graph/mixed", _mixed, "must be from the same graph")


def _finalized(tf: Any, np: Any) -> None:
    tf.get_default_graph().finalize()
    tf.constant(1.0)


wrong("graph/finalized", _finalized, "Graph is finalized and cannot be modified.")
wrong("graph/unknown-tensor", lambda tf, np: tf.get_default_graph().get_tensor_by_name("nothing:0"), "nothing:0")
wrong("graph/operation-name", lambda tf, np: tf.get_default_graph().get_tensor_by_name("nothing"))
wrong("graph/unknown-operation", lambda tf, np: tf.get_default_graph().get_operation_by_name("nothing"), "nothing")
wrong("graph/bad-name", lambda tf, np: tf.constant(1, name="not a name"), "is not a valid")
wrong("graph/bad-scope", lambda tf, np: tf.name_scope("not a name").__enter__(), "is not a valid")
wrong("eval/no-session", lambda tf, np: tf.constant(1).eval(), "No default session is registered")
wrong("run/no-session", lambda tf, np: tf.no_op().run(), "No default session is registered")


def _closed(tf: Any, np: Any) -> None:
    session = tf.Session()
    session.close()
    session.run(tf.constant(1))


wrong("session/closed", _closed, "Attempted to use a closed Session.")


def _empty_graph(tf: Any, np: Any) -> None:
    tf.Session(graph=tf.Graph()).run("x:0")


wrong("session/empty-graph", _empty_graph, "The Session graph is empty.")

# Variables ------------------------------------------------------------------------------------------------------------


def _get(tf: Any, name: str, shape: Any = None, **options: Any) -> Any:
    return tf.get_variable(name, shape, **options)


def _twice(tf: Any, np: Any) -> None:
    with tf.variable_scope("model"):
        _get(tf, "w", [2])
    with tf.variable_scope("model"):
        _get(tf, "w", [2])


def _reuse(tf: Any, np: Any, *arguments: Any, **options: Any) -> None:
    with tf.variable_scope("model"):
        _get(tf, "w", [2, 3])
    with tf.variable_scope("model", reuse=True):
        _get(tf, *arguments, **options)


wrong(
    "variable/exists",
    _twice,
    "Variable model/w already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in VarScope?",
)
wrong(
    "variable/reuse-missing",
    lambda tf, np: _reuse(tf, np, "b", [2]),
    "Variable model/b does not exist, or was not created with tf.get_variable().",
    "Did you mean to set reuse=tf.AUTO_REUSE in VarScope?",
)
wrong(
    "variable/reuse-shape",
    lambda tf, np: _reuse(tf, np, "w", [3, 2]),
    "Trying to share variable model/w, but specified shape (3, 2) and found shape (2, 3).",
)
wrong(
    "variable/reuse-dtype",
    lambda tf, np: _reuse(tf, np, "w", [2, 3], dtype=tf.float64),
    "Trying to share variable model/w, but specified dtype float64 and found dtype float32",
)
wrong(
    "variable/auto-reuse-shape",
    lambda tf, np: [
        tf.variable_scope("a", reuse=tf.AUTO_REUSE).__enter__() and _get(tf, "v", [2]),
        _get(tf, "v", [3]),
    ],
    "Trying to share variable a/v, but specified shape (3,) and found shape (2,).",
)
wrong("variable/no-shape", lambda tf, np: _get(tf, "v"))
wrong("variable/unknown-shape", lambda tf, np: _get(tf, "v", [None, 2]))
wrong(
    "variable/constant-and-shape",
    lambda tf, np: _get(tf, "v", [1], initializer=tf.constant([1.0])),
    "If initializer is a constant, do not specify shape.",
)
wrong("variable/no-initial-value", lambda tf, np: tf.Variable())
wrong("variable/placeholder-shape", lambda tf, np: tf.Variable(placeholder(tf, None, 2)))
wrong("variable/scope-none", lambda tf, np: tf.variable_scope(None).__enter__())
wrong("variable/assign-shape", lambda tf, np: tf.assign(tf.Variable([1.0, 2.0]), [1.0, 2.0, 3.0]))
wrong("variable/assign-dtype", lambda tf, np: tf.assign(tf.Variable([1.0, 2.0]), tf.constant([1, 2])))
wrong("variable/iterate-bool", lambda tf, np: bool(tf.constant(1.0) > 0.0))
wrong("variable/initializer-string", lambda tf, np: _get(tf, "v", [2], initializer="nothing"))
wrong_run(
    "variable/uninitialized",
    lambda tf, np: (_get(tf, "v", [2]) + 1.0, None),
    "Attempting to use uninitialized value v",
    initialise=False,
)
wrong_run(
    "variable/uninitialized-assign_add",
    lambda tf, np: (tf.assign_add(_get(tf, "v", [2]), [1.0, 1.0]), None),
    "Attempting to use uninitialized value v",
    initialise=False,
)
