"""Sparse tensors: building, feeding and fetching them, functions of them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from goldens.cases.errors import wrong, wrong_run
from goldens.harness import Program, case, fixed, gradients_of

PLACES = numpy.array([[0, 1], [1, 0], [1, 2]], "int64")
VALUES = fixed("sparse values", [3], scale=2.0)
SHAPE = [2, 3]


def parts(sparse: Any) -> list[Any]:
    """The three tensors of a sparse one."""
    return [sparse.indices, sparse.values, sparse.dense_shape]


def row(name: str, function: Callable[..., Any], known: bool = True, gradients: bool = True) -> None:
    """Register ``function(tf, sparse tensor)``, of one with known and of one with unknown places.

    ``known``: the static shapes of results are compared when the places are known too.
    """

    def constant(tf: Any, np: Any) -> Program:
        values = tf.placeholder(tf.float32, [3], name="values")
        got = function(tf, tf.SparseTensor(PLACES, values, SHAPE))
        fetches = {"y": got}
        floats = [y for y in (got if isinstance(got, list) else [got]) if y.dtype.is_floating]
        if gradients and floats:
            fetches.update(gradients_of(tf, floats, {"values": values}))
        return Program(fetches, {values: VALUES})

    def fed(tf: Any, np: Any) -> Program:
        sparse = tf.sparse_placeholder(tf.float32, name="fed")
        got = function(tf, sparse)
        return Program(
            script=lambda session: {
                f"y{i}": value
                for i, value in enumerate(
                    session.run(
                        got if isinstance(got, list) else [got], {sparse: tf.SparseTensorValue(PLACES, VALUES, SHAPE)}
                    )
                )
            }
        )

    if known:
        case(f"{name}/known")(_here(constant))
    case(f"{name}/fed")(_here(fed))


def _here(program: Any) -> Any:
    program.__module__ = __name__
    return program


row("to_dense", lambda tf, s: [tf.sparse_tensor_to_dense(s), tf.sparse_tensor_to_dense(s, -1.0), tf.sparse.to_dense(s)])
row("to_dense/int-default", lambda tf, s: tf.sparse_tensor_to_dense(s, default_value=7))
row("parts", lambda tf, s: parts(s))
row("cast", lambda tf, s: [*parts(tf.cast(s, tf.int32)), *parts(tf.to_int64(s)), *parts(tf.cast(s, tf.float64))])
row(
    "elementwise",
    lambda tf, s: [t for f in (tf.abs, tf.square, tf.tanh, tf.sign, tf.negative) for t in parts(f(s))],
)
row("shape", lambda tf, s: [tf.shape(s), tf.shape(s, out_type=tf.int64), tf.size(s), tf.rank(s)])
row("reorder", lambda tf, s: parts(tf.sparse_reorder(s)))
row("transpose", lambda tf, s: parts(tf.sparse_transpose(s, [1, 0])))
row("transpose/default", lambda tf, s: parts(tf.sparse_transpose(tf.sparse_reshape(s, [2, 3]))), known=False)
row("reshape", lambda tf, s: [*parts(tf.sparse_reshape(s, [3, -1])), *parts(tf.sparse.reshape(s, [6]))], known=False)
row("reset_shape", lambda tf, s: parts(tf.sparse_reset_shape(s, [4, 5])))
row("reset_shape/tight", lambda tf, s: parts(tf.sparse_reset_shape(s)))
row("slice", lambda tf, s: [*parts(tf.sparse_slice(s, [0, 1], [2, 1])), *parts(tf.sparse_slice(s, [1, 0], [5, 2]))])
row("slice/past-the-end", lambda tf, s: parts(tf.sparse_slice(s, [0, 1], [2, 9])))
row(
    "concat",
    lambda tf, s: [*parts(tf.sparse_concat(1, [s, s])), *parts(tf.sparse_concat(-2, [s, s, s]))],
    gradients=False,
)
row(
    "concat/expand",
    lambda tf, s: parts(tf.sparse_concat(0, [s, tf.SparseTensor([[0, 3]], [9.0], [2, 4])], expand_nonconcat_dim=True)),
    known=False,
)
row(
    "split",
    lambda tf, s: [t for p in tf.sparse_split(sp_input=s, num_split=2, axis=1) for t in parts(p)],
    gradients=False,
)
row("retain", lambda tf, s: parts(tf.sparse_retain(s, [True, False, True])))


def _filled(tf: Any, sparse: Any) -> Any:
    larger = tf.sparse_reset_shape(sparse, [4, 3])
    filled, empty = tf.sparse_fill_empty_rows(larger, 9.0)
    return [*parts(filled), empty]


row("fill_empty_rows", _filled, known=False)
row(
    "reduce_sum",
    lambda tf, s: [
        tf.sparse_reduce_sum(s),
        tf.sparse_reduce_sum(s, 1),
        tf.sparse_reduce_sum(s, [0], keepdims=True),
        tf.sparse.reduce_sum(s, axis=[-1, 0]),
    ],
    known=False,
)
row("reduce_max", lambda tf, s: [tf.sparse_reduce_max(s, 1), tf.sparse_reduce_max(s)], known=False)
row("add/sparse", lambda tf, s: parts(tf.sparse_add(s, tf.SparseTensor([[0, 0], [1, 0]], [1.0, 2.0], [2, 3]))))
row("add/threshold", lambda tf, s: parts(tf.sparse_add(s, s, threshold=1.0)), gradients=False)
row("add/dense", lambda tf, s: [tf.sparse_add(s, tf.ones([2, 3])), tf.sparse_add(tf.ones([2, 3]), s)], known=False)
row(
    "matmul",
    lambda tf, s: [
        tf.sparse_tensor_dense_matmul(s, tf.constant(fixed("m", [3, 4]))),
        tf.sparse_tensor_dense_matmul(s, tf.constant(fixed("m", [2, 4])), adjoint_a=True),
        tf.sparse.matmul(s, tf.constant(fixed("m", [4, 3])), adjoint_b=True),
    ],
    known=False,
)
row(
    "times-dense",
    lambda tf, s: [*parts(s * tf.constant([[2.0], [3.0]])), *parts(s / tf.constant([1.0, 2.0, 4.0]))],
    gradients=False,
)


# Feeding, fetching ----------------------------------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    return [numpy.asarray(part).tolist() for part in value]


@case("run/nested")
def run_nested(tf: Any, np: Any) -> Program:
    """A sparse tensor as a leaf of fetches; its value is a SparseTensorValue."""
    sparse = tf.SparseTensor(PLACES, VALUES, SHAPE)

    def script(session: Any) -> dict[str, Any]:
        got = session.run({"a": [sparse, tf.constant(1)], "b": (sparse,)})
        alone = sparse.eval(session=session)
        assert isinstance(got["a"][0], tf.SparseTensorValue) and isinstance(alone, tf.SparseTensorValue)
        kinds = [type(got["a"]).__name__, type(got["b"]).__name__, str(alone.indices.dtype)]
        return {"indices": got["a"][0].indices, "values": got["b"][0].values, "kinds": kinds, **alone._asdict()}

    return Program(script=script)


@case("run/feeds")
def run_feeds(tf: Any, np: Any) -> Program:
    """Tuples, lists and values in a feed; a shape other than the static one; a sparse constant fed over."""
    sparse = tf.sparse_placeholder(tf.float32, [None, 2], name="p")
    variable = tf.SparseTensor(
        tf.placeholder_with_default(PLACES, [None, 2]),
        tf.placeholder_with_default(VALUES, [None]),
        tf.placeholder_with_default(np.array(SHAPE, "int64"), [2]),
    )

    def script(session: Any) -> dict[str, Any]:
        new = ([[0, 1]], [2.0], [3, 7])
        return {
            "tuple": session.run(sparse, {sparse: new}).dense_shape,
            "list": session.run(sparse, {sparse: list(new)}).values,
            "value": session.run(variable, {variable: tf.SparseTensorValue(*new)}).indices,
            "parts": session.run(sparse.dense_shape, {sparse.indices: new[0], sparse.values: new[1]}),
        }

    names = [t.name for t in parts(sparse)] + [str(sparse.get_shape()), str(sparse)]
    return Program(facts={"names": names}, script=script)


@case("build/facts")
def build_facts(tf: Any, np: Any) -> Program:
    """Names, shapes and types."""
    sparse = tf.SparseTensor(indices=[[0, 0]], values=[1], dense_shape=[1, 4])
    unknown = tf.sparse_placeholder(tf.int32)
    partly = tf.SparseTensor(
        tf.placeholder(tf.int64, [None, 2]),
        tf.placeholder(tf.float32, [None]),
        tf.stack([tf.placeholder(tf.int64, []), tf.constant(3, tf.int64)]),
    )
    facts = {
        "str": [str(sparse), repr(unknown)],
        "shape": [str(sparse.shape), str(unknown.get_shape()), str(partly.shape)],
        "dtype": [sparse.dtype.name, unknown.dtype.name, sparse.op.name],
        "dense": [str(tf.sparse_tensor_to_dense(s).shape) for s in (sparse, unknown, partly)],
        "placeholder": [str(tf.sparse_placeholder(tf.float32, [2, 3]).shape)],
    }
    return Program(facts=facts)


@case("build/strings")
def build_strings(tf: Any, np: Any) -> Program:
    """Values that are strings."""
    sparse = tf.SparseTensor([[0, 1], [1, 0]], ["a", "b"], [2, 2])
    more = tf.sparse_concat(1, [tf.sparse_reorder(sparse), sparse])
    return Program(
        {
            "dense": tf.sparse_tensor_to_dense(sparse, default_value="-"),
            "empty": tf.sparse_tensor_to_dense(sparse),
            "joined": parts(more)[1],
            "cut": parts(tf.sparse_slice(sparse, [1, 0], [1, 2]))[1],
        }
    )


@case("build/from_dense")
def build_from_dense(tf: Any, np: Any) -> Program:
    """Sparse from dense, and constants from values."""
    sparse = tf.sparse.from_dense([[0, 1], [2, 0]])
    value = tf.SparseTensorValue([[0, 0]], [1], [1, 1])
    again = tf.convert_to_tensor_or_sparse_tensor(value)
    dense = tf.sparse_tensor_to_dense(value, default_value=-1)
    return Program({"sparse": parts(sparse), "again": parts(again), "dense": dense})


@case("build/unordered")
def build_unordered(tf: Any, np: Any) -> Program:
    """Reordering, and what takes indices in any order."""
    sparse = tf.SparseTensor([[1, 2], [0, 1], [1, 0]], [3.0, 1.0, 2.0], [2, 3])
    return Program(
        {
            "reorder": parts(tf.sparse_reorder(sparse)),
            "dense": tf.sparse_tensor_to_dense(sparse, validate_indices=False),
            "sum": tf.sparse_reduce_sum(sparse, 0),
        }
    )


# What is refused ------------------------------------------------------------------------------------------------------


def _sparse(tf: Any, places: Any, values: Any, shape: Any) -> Any:
    return tf.SparseTensor(places, values, shape)


wrong("wrong/rank", lambda tf, np: _sparse(tf, [0, 1], [1.0], [2]))
wrong("wrong/count", lambda tf, np: _sparse(tf, [[0, 1]], [1.0, 2.0], [2, 2]), "Dimensions 1 and 2 are not compatible")
wrong("wrong/depth", lambda tf, np: _sparse(tf, [[0, 1]], [1.0], [2]), "Dimensions 2 and 1 are not compatible")
wrong(
    "wrong/index-type",
    lambda tf, np: _sparse(tf, tf.constant([[0, 1]], tf.int32), [1.0], [2, 2]),
    "Tensor conversion requested dtype int64 for Tensor with dtype int32",
)
wrong("wrong/from_value", lambda tf, np: tf.SparseTensor.from_value([1]))
wrong("wrong/convert", lambda tf, np: tf.convert_to_tensor(_sparse(tf, [[0]], [1.0], [2])), "Consider casting elements")
wrong("wrong/exp", lambda tf, np: tf.exp(_sparse(tf, [[0]], [1.0], [2])))
wrong("wrong/add", lambda tf, np: _sparse(tf, [[0]], [1.0], [2]) + 1.0, "unsupported operand")
wrong("wrong/negative", lambda tf, np: -_sparse(tf, [[0]], [1.0], [2]), "bad operand")
wrong("wrong/to_dense", lambda tf, np: tf.sparse_tensor_to_dense(tf.constant(1)), "Input must be a SparseTensor.")
wrong("wrong/reshape", lambda tf, np: tf.sparse_reshape(_sparse(tf, [[0]], [1.0], [6]), [4, 2]), "[4, 2] (8 elements)")
wrong("wrong/reset-small", lambda tf, np: tf.sparse_reset_shape(_sparse(tf, [[0]], [1.0], [6]), [4]))
wrong("wrong/reset-rank", lambda tf, np: tf.sparse_reset_shape(_sparse(tf, [[0]], [1.0], [6]), [7, 1]))
wrong_run(
    "wrong/feed-rank",
    lambda tf, np: (lambda s: (s, {s: ([[0, 1, 1]], [2.0], [2, 2])}))(tf.sparse_placeholder(tf.float32, [2, 2])),
    "Cannot feed value of shape (1, 3)",
)
wrong_run(
    "wrong/feed-sparse-tensor",
    lambda tf, np: (lambda s: (s, {s: _sparse(tf, [[0]], [1.0], [6])}))(tf.sparse_placeholder(tf.float32)),
)
wrong_run("wrong/not-fed", lambda tf, np: (tf.sparse_placeholder(tf.float32), None), "You must feed a value")
for _name, _places, _message in (
    ("order", [[1, 0], [0, 1]], "indices[1] = [0,1] is out of order. Many sparse ops require sorted indices."),
    ("repeated", [[1, 0], [1, 0]], "indices[1] = [1,0] is repeated"),
    ("bounds", [[1, 0], [2, 0]], "indices[1] = [2,0] is out of bounds: need 0 <= index < [2,2]"),
    ("negative", [[-1, 0], [1, 0]], "indices[0] = [-1,0] is out of bounds: need 0 <= index < [2,2]"),
):

    def _to_dense(tf: Any, np: Any, places: Any = _places) -> Any:
        return tf.sparse_tensor_to_dense(_sparse(tf, places, [1.0, 2.0], [2, 2])), None

    wrong_run(f"wrong/to_dense-{_name}", _to_dense, _message)
wrong_run(
    "wrong/concat-shapes",
    lambda tf, np: (
        parts(tf.sparse_concat(0, [_sparse(tf, PLACES, VALUES, SHAPE), _sparse(tf, [[0, 0]], [9.0], [1, 4])]))[1],
        None,
    ),
    "Input shapes must match: expected 3 for dimension 1 but got 4 at position 1",
)
