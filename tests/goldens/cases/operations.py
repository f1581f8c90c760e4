"""The operations that functions and operators make: every name in the graph, constants of arguments included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.harness import Program, case

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "operators": lambda tf, x, i, b: [x + 1, 1 - x, x * 2.0, x / 3, x**2, x % 2.0, x // 2.0, 2.0 / x, 2**x, -x, abs(x)],
    "operators-ints": lambda tf, x, i, b: [i + 1, i - 1, 2 * i, i // 2, i % 2, i / 2, 3 / i, -i],
    "operators-twice": lambda tf, x, i, b: [x + x, x + x, x * x + x, (x - 1.0) - 1.0],
    "comparisons": lambda tf, x, i, b: [x < 1, x > 1, x > 1, x <= 0.0, x >= x],
    "logic": lambda tf, x, i, b: [b & b, b | True, ~b, tf.logical_and(b, True)],
    "index": lambda tf, x, i, b: [x[0], x[:, 1], x[..., 0], x[1:], x[::-1], x[:, None]],
    "index-tensor": lambda tf, x, i, b: [x[i[0]], x[:, i[1]]],
    "unary": lambda tf, x, i, b: [
        tf.exp(x),
        tf.log(x),
        tf.tanh(x),
        tf.sigmoid(x),
        tf.square(x),
        tf.sqrt(x),
        tf.abs(x),
        tf.sign(x),
    ],
    "unary-more": lambda tf, x, i, b: [
        tf.negative(x),
        tf.reciprocal(x),
        tf.rsqrt(x),
        tf.floor(x),
        tf.ceil(x),
        tf.round(x),
        tf.sin(x),
    ],
    "binary": lambda tf, x, i, b: [
        tf.add(x, 1.0),
        tf.subtract(x, x),
        tf.multiply(x, 2.0),
        tf.divide(x, 2.0),
        tf.div(x, 2.0),
        tf.truediv(i, 2),
    ],
    "binary-more": lambda tf, x, i, b: [
        tf.maximum(x, 0.0),
        tf.minimum(x, 1.0),
        tf.pow(x, 2.0),
        tf.mod(i, 2),
        tf.floordiv(i, 2),
        tf.squared_difference(x, 1.0),
    ],
    "reduce": lambda tf, x, i, b: [
        tf.reduce_sum(x),
        tf.reduce_mean(x, 1),
        tf.reduce_max(x, [0]),
        tf.reduce_min(x),
        tf.reduce_prod(x),
        tf.reduce_all(b),
    ],
    "reduce-named": lambda tf, x, i, b: [tf.reduce_mean(x, name="loss"), tf.reduce_sum(x, name="loss")],
    "argmax": lambda tf, x, i, b: [tf.argmax(x, 1), tf.argmin(x)],
    "matmul": lambda tf, x, i, b: [tf.matmul(x, x), x @ x, tf.matmul(x, [[1.0], [2.0]])],
    "reshape": lambda tf, x, i, b: [
        tf.reshape(x, [-1]),
        tf.reshape(x, [4, 1]),
        tf.reshape(x, i),
        tf.reshape(x, [i[0], -1]),
    ],
    "transpose": lambda tf, x, i, b: [tf.transpose(x), tf.transpose(x, [1, 0])],
    "dims": lambda tf, x, i, b: [tf.expand_dims(x, 0), tf.expand_dims(x, -1), tf.squeeze(tf.expand_dims(x, 0), [0])],
    "concat": lambda tf, x, i, b: [tf.concat([x, x], 0), tf.concat([x], 0), tf.concat([x, [[1.0, 2.0]]], 0)],
    "stack": lambda tf, x, i, b: [tf.stack([x, x]), tf.stack([x, x], 1), tf.stack([1, 2]), tf.stack([i[0], 2])],
    "unstack": lambda tf, x, i, b: tf.unstack(x) + tf.unstack(x, axis=1),
    "split": lambda tf, x, i, b: tf.split(x, 2) + tf.split(x, [1, 1], 1),
    "shape": lambda tf, x, i, b: [
        tf.shape(x),
        tf.size(x),
        tf.rank(x),
        tf.shape(tf.placeholder(tf.float32, [None])),
        tf.shape(x)[0],
    ],
    "fill": lambda tf, x, i, b: [
        tf.zeros([2]),
        tf.ones([2, 3]),
        tf.fill([2], 1.0),
        tf.zeros_like(x),
        tf.zeros([40, 40]),
        tf.zeros(i),
    ],
    "range": lambda tf, x, i, b: [tf.range(3), tf.range(1, 5, 2), tf.range(i[0])],
    "cast": lambda tf, x, i, b: [
        tf.cast(x, tf.int32),
        tf.cast(x, tf.float32),
        tf.to_float(i),
        tf.to_int32(x),
        tf.cast(1, tf.float32),
    ],
    "gather": lambda tf, x, i, b: [tf.gather(x, i), tf.gather(x, [0], axis=1), tf.gather_nd(x, [[0, 1]])],
    "one_hot": lambda tf, x, i, b: [tf.one_hot(i, 3), tf.one_hot(i, 3, axis=0)],
    "where": lambda tf, x, i, b: [tf.where(x > 0, x, x), tf.where(b)],
    "tile": lambda tf, x, i, b: [
        tf.tile(x, [1, 2]),
        tf.pad(x, [[1, 1], [0, 0]]),
        tf.reverse(x, [0]),
        tf.slice(x, [0, 0], [1, 1]),
    ],
    "clip": lambda tf, x, i, b: [tf.clip_by_value(x, -1.0, 1.0)],
    "identity": lambda tf, x, i, b: [tf.identity(x), tf.stop_gradient(x), tf.identity(x, "out")],
    "add_n": lambda tf, x, i, b: [tf.add_n([x, x]), tf.add_n([x])],
    "cumsum": lambda tf, x, i, b: [tf.cumsum(x), tf.cumprod(x, 1)],
    "random": lambda tf, x, i, b: [
        tf.random_normal([2]),
        tf.random_uniform([2], -1, 1),
        tf.truncated_normal([2]),
        tf.random_uniform([2], 0, 5, tf.int32),
    ],
    "norm": lambda tf, x, i, b: [tf.norm(x), tf.norm(x, axis=1)],
    "sequence_mask": lambda tf, x, i, b: [
        tf.sequence_mask(i, 4),
        tf.sequence_mask(i, 4, tf.float32),
        tf.sequence_mask(i),
    ],
    "reverse_sequence": lambda tf, x, i, b: [tf.reverse_sequence(x, i, 1, 0)],
    "boolean-result": lambda tf, x, i, b: [
        tf.equal(x, 0.0),
        tf.not_equal(i, 1),
        tf.less(x, 0.5),
        tf.greater_equal(x, 0.0),
    ],
    "count_nonzero": lambda tf, x, i, b: [tf.count_nonzero(x)],
    "constants-after": lambda tf, x, i, b: [tf.reduce_mean(x), tf.constant(1.0), x + 1.0, tf.constant(2.0)],
    "variables": lambda tf, x, i, b: [tf.Variable(1.0) + 1.0, tf.Variable([1.0]) * 2.0, tf.Variable(2.0).assign(1.0)],
    "in-scope": lambda tf, x, i, b: _in_scope(tf, x),
    "scatter": lambda tf, x, i, b: [
        tf.scatter_nd([[0]], [1.0], [3]),
        tf.scatter_update(tf.Variable([1.0, 2.0]), [0], [3.0]),
    ],
}


def _in_scope(tf: Any, x: Any) -> Any:
    with tf.name_scope("layer"):
        first = [x + 1.0, tf.reduce_sum(x), tf.reshape(x, [-1])]
    with tf.name_scope("layer"):
        return [*first, x + 1.0, tf.reduce_sum(x), x[0]]


def _register(name: str, build: Callable[..., Any]) -> None:
    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [2, 2], name="x")
        i = tf.placeholder(tf.int32, [2], name="i")
        b = tf.placeholder(tf.bool, [2], name="b")
        build(tf, x, i, b)
        names = [op.name for op in tf.get_default_graph().get_operations()]
        return Program(facts={"operations": sorted(names)})

    program.__module__ = __name__
    case(name, initialise=False)(program)


for _name, _build in FUNCTIONS.items():
    _register(_name, _build)
