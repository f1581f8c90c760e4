"""Wrong arguments of functions: dtypes that do not match, shapes that do not fit, values refused while running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.cases.errors import placeholder, wrong, wrong_run

# Tensors --------------------------------------------------------------------------------------------------------------

wrong("dtype/int-float", lambda tf, np: tf.constant(1) + tf.constant(1.0))
wrong("dtype/float-double", lambda tf, np: tf.constant(1.0) * tf.constant(1.0, tf.float64))
wrong("dtype/int-python-float", lambda tf, np: tf.constant(1) + 1.5)
wrong("dtype/float-numpy-double", lambda tf, np: tf.constant(1.0) + tf.constant(np.float64(1.0)))
wrong("dtype/float-minus-int-tensor", lambda tf, np: tf.constant(1.0) - tf.shape(tf.zeros([2]))[0])
wrong("dtype/divide", lambda tf, np: tf.constant(1.0) / tf.constant(2))
wrong("dtype/matmul", lambda tf, np: tf.matmul(tf.ones([1, 1]), tf.ones([1, 1], tf.float64)))
wrong("dtype/concat", lambda tf, np: tf.concat([tf.ones([1]), tf.ones([1], tf.int32)], 0))
wrong("dtype/stack", lambda tf, np: tf.stack([tf.ones([1]), tf.ones([1], tf.int32)]))
wrong("dtype/where", lambda tf, np: tf.where([True], tf.ones([1]), tf.ones([1], tf.int32)))
wrong("dtype/equal", lambda tf, np: tf.equal(tf.constant(1), tf.constant(1.0)))
wrong("dtype/argmax-equal", lambda tf, np: tf.equal(tf.argmax([1.0, 2.0], 0), tf.constant(1, tf.int32)))
wrong("dtype/constant", lambda tf, np: tf.constant(1.5, tf.int32))
wrong("dtype/constant-string", lambda tf, np: tf.constant("a", tf.float32))
wrong("dtype/unknown", lambda tf, np: tf.placeholder("floating"))
wrong("dtype/softmax-ints", lambda tf, np: tf.nn.softmax(tf.constant([1, 2])))
wrong("dtype/logical", lambda tf, np: tf.logical_and(tf.constant(1), tf.constant(0)))
wrong("dtype/cond-predicate", lambda tf, np: tf.reduce_all(tf.constant([1, 0])))
wrong("dtype/embedding-ids", lambda tf, np: tf.nn.embedding_lookup(tf.ones([2, 2]), tf.constant([0.0])))
wrong("shape/add", lambda tf, np: tf.ones([2, 3]) + tf.ones([2, 4]), "Dimensions must be equal, but are 3 and 4")
wrong(
    "shape/matmul",
    lambda tf, np: tf.matmul(tf.ones([2, 3]), tf.ones([2, 3])),
    "Dimensions must be equal, but are 3 and 2",
)
wrong("shape/matmul-vector", lambda tf, np: tf.matmul(tf.ones([2, 3]), tf.ones([3])))
wrong(
    "shape/reshape",
    lambda tf, np: tf.reshape(tf.ones([2, 3]), [4]),
    "Cannot reshape a tensor with 6 elements to shape [4] (4 elements)",
)
wrong("shape/reshape-infer", lambda tf, np: tf.reshape(tf.ones([2, 3]), [4, -1]))
wrong_run("shape/reshape-two", lambda tf, np: (tf.reshape(tf.ones([2, 3]), [-1, -1]), None))
wrong("shape/concat", lambda tf, np: tf.concat([tf.ones([2, 3]), tf.ones([3, 3])], 1))
wrong("shape/concat-rank", lambda tf, np: tf.concat([tf.ones([2, 3]), tf.ones([3])], 0))
wrong("shape/concat-axis", lambda tf, np: tf.concat([tf.ones([2]), tf.ones([3])], 1))
wrong("shape/stack", lambda tf, np: tf.stack([tf.ones([2]), tf.ones([3])]))
wrong("shape/split", lambda tf, np: tf.split(tf.ones([2, 5]), 2, 1))
wrong("shape/transpose", lambda tf, np: tf.transpose(tf.ones([2, 5]), [0, 1, 2]))
wrong("shape/squeeze", lambda tf, np: tf.squeeze(tf.ones([2, 5]), [0]))
wrong("shape/expand_dims", lambda tf, np: tf.expand_dims(tf.ones([2, 5]), 5))
wrong("shape/reduce-axis", lambda tf, np: tf.reduce_sum(tf.ones([2, 5]), 2))
wrong("shape/index", lambda tf, np: tf.ones([2, 5])[3])
wrong("shape/index-too-many", lambda tf, np: tf.ones([2, 5])[0, 0, 0])
wrong("shape/index-float", lambda tf, np: tf.ones([2, 5])[0.5])
wrong("shape/set_shape", lambda tf, np: tf.ones([2, 5]).set_shape([3, 5]), "must be equal, but are 2 and 3")
wrong("shape/unstack-unknown", lambda tf, np: tf.unstack(placeholder(tf, None, 3)), "Cannot infer")
wrong("shape/unstack-num", lambda tf, np: tf.unstack(placeholder(tf, 2, 3), 5))
wrong("shape/fill-negative", lambda tf, np: tf.zeros([-2]))
wrong("shape/placeholder", lambda tf, np: tf.placeholder(tf.float32, [-3]))
wrong("shape/constant", lambda tf, np: tf.constant([1, 2, 3], shape=[2]))
wrong("shape/bias_add", lambda tf, np: tf.nn.bias_add(tf.ones([2, 3]), tf.ones([2])))
wrong("shape/iterate", lambda tf, np: list(tf.ones([2])), initialise=False)
wrong("shape/bool", lambda tf, np: bool(tf.ones([2])))
wrong("shape/len", lambda tf, np: len(tf.ones([2])))
wrong("shape/int", lambda tf, np: int(tf.ones([])))
wrong("shape/iterate-unknown", lambda tf, np: list(tf.placeholder(tf.float32)))
wrong(
    "shape/as_list-unknown",
    lambda tf, np: tf.placeholder(tf.float32).get_shape().as_list(),
    "as_list() is not defined on an unknown TensorShape",
)
wrong("shape/range-of-placeholder", lambda tf, np: range(tf.placeholder(tf.int32, [])))
wrong("shape/none-in-reshape", lambda tf, np: tf.reshape(tf.ones([4]), [None, 2]))
wrong("shape/none-in-zeros", lambda tf, np: tf.zeros([None, 2]))
wrong("value/keep_prob", lambda tf, np: tf.nn.dropout(tf.ones([2]), 1.5))
wrong("value/tensor-none", lambda tf, np: tf.convert_to_tensor(None))
wrong("value/add-none", lambda tf, np: tf.constant(1.0) + None)
wrong("value/one_hot-depth", lambda tf, np: tf.one_hot([1], [3]))
wrong("value/top_k", lambda tf, np: tf.nn.top_k(tf.ones([2]), 3))
wrong("value/add_n-empty", lambda tf, np: tf.add_n([]))
wrong("value/concat-empty", lambda tf, np: tf.concat([], 0))

# While running --------------------------------------------------------------------------------------------------------


def _run(tf: Any, build: Callable[..., Any], shape: Any, value: Any, dtype: str = "float32") -> Any:
    x = tf.placeholder(dtype, shape, name="x")
    return build(x), {x: value}


wrong_run("run/matmul", lambda tf, np: _run(tf, lambda x: tf.matmul(x, tf.ones([3, 2])), [None, None], np.ones([2, 4])))
wrong_run("run/add", lambda tf, np: _run(tf, lambda x: x + tf.ones([3]), [None], np.ones([4])))
wrong_run("run/reshape", lambda tf, np: _run(tf, lambda x: tf.reshape(x, [-1, 4]), [None], np.ones([6])))
wrong_run(
    "run/concat", lambda tf, np: _run(tf, lambda x: tf.concat([x, tf.ones([3, 2])], 1), [None, None], np.ones([4, 2]))
)
wrong_run("run/stack", lambda tf, np: _run(tf, lambda x: tf.stack([x, tf.ones([3])]), [None], np.ones([4])))
wrong_run("run/split", lambda tf, np: _run(tf, lambda x: tf.split(x, 2, 0)[0], [None], np.ones([3])))
wrong_run("run/squeeze", lambda tf, np: _run(tf, lambda x: tf.squeeze(x, [0]), [None, 2], np.ones([3, 2])))
wrong_run("run/gather", lambda tf, np: _run(tf, lambda x: tf.gather(tf.ones([3, 2]), x), [None], [1, 5], "int32"))
wrong_run(
    "run/embedding",
    lambda tf, np: _run(tf, lambda x: tf.nn.embedding_lookup(tf.ones([3, 2]), x), [None], [-1], "int32"),
)
wrong_run("run/index", lambda tf, np: _run(tf, lambda x: x[3], [None], np.ones([2])))
wrong_run("run/slice", lambda tf, np: _run(tf, lambda x: tf.slice(x, [1], [3]), [None], np.ones([2])))
wrong_run("run/divide-by-zero", lambda tf, np: _run(tf, lambda x: 1 // x, [], 0, "int32"))
wrong_run(
    "run/sparse-label",
    lambda tf, np: _run(
        tf,
        lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=x, logits=tf.ones([2, 3])),
        [2],
        [1, 7],
        "int32",
    ),
)
wrong_run("run/assert", lambda tf, np: _run(tf, lambda x: tf.Assert(x > 0.0, [x]), [], -1.0), "assertion failed")
wrong_run("run/assert_equal", lambda tf, np: _run(tf, lambda x: tf.assert_equal(x, 1.0), [], -1.0), "assertion failed")
wrong_run(
    "run/check_numerics", lambda tf, np: _run(tf, lambda x: tf.check_numerics(x, "bad loss"), [], np.nan), "bad loss"
)
wrong_run("run/py_func", lambda tf, np: _run(tf, lambda x: tf.py_func(lambda a: 1 / 0, [x], tf.float32), [], 1.0))
