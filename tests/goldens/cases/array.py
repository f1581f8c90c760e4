"""Shapes and selections: values, static shapes with partly unknown inputs, gradients."""

from __future__ import annotations

from typing import Any

from goldens.cases.tables import Table, flags, floats, ints
from goldens.harness import Program, case, fixed

row = Table(__name__).row
CUBE, MATRIX, VECTOR = floats(2, 3, 4), floats(3, 4), floats(6)
ALL = ("known", "batch", "open", "rank")

# Reshaping ------------------------------------------------------------------------------------------------------------

row("reshape/infer-first", lambda tf, x: tf.reshape(x, [-1, 12]), CUBE, levels=ALL)
row("reshape/infer-last", lambda tf, x: tf.reshape(x, [6, -1]), CUBE, levels=ALL)
row("reshape/infer-middle", lambda tf, x: tf.reshape(x, (2, -1, 2)), CUBE, levels=ALL)
row("reshape/flat", lambda tf, x: tf.reshape(x, [-1]), CUBE, levels=ALL)
row("reshape/complete", lambda tf, x: tf.reshape(x, [4, 6]), CUBE, levels=ALL)
row("reshape/scalar", lambda tf, x: tf.reshape(x, []), floats(1, 1), levels=ALL)
row("reshape/shape-of-another", lambda tf, x, y: tf.reshape(x, tf.shape(y)), CUBE, floats(6, 4), levels=ALL)
row("reshape/shape-0", lambda tf, x: tf.reshape(x, [tf.shape(x)[0], 12]), CUBE, levels=ALL)
row("reshape/shape-0-infer", lambda tf, x: tf.reshape(x, [tf.shape(x)[0], -1]), CUBE, levels=ALL)
row("reshape/shape-product", lambda tf, x: tf.reshape(x, [tf.shape(x)[0] * tf.shape(x)[1], 4]), CUBE, levels=ALL)
row("reshape/stack", lambda tf, x: tf.reshape(x, tf.stack([-1, tf.shape(x)[2]])), CUBE, levels=ALL)
row("reshape/concat", lambda tf, x: tf.reshape(x, tf.concat([tf.shape(x)[:1], [2, 6]], 0)), CUBE, levels=ALL)
row("reshape/numpy-ints", lambda tf, x: tf.reshape(x, (*CUBE.shape[:1], 12)), CUBE, levels=ALL)
row("reshape/static", lambda tf, x: tf.reshape(x, [-1, x.get_shape()[1] * 4]), CUBE, levels=("known", "batch"))
row("reshape/ints", lambda tf, x: tf.reshape(x, [3, 2]), ints(range(6)), levels=ALL)
row("expand_dims/0", lambda tf, x: tf.expand_dims(x, 0), MATRIX)
row("expand_dims/1", lambda tf, x: tf.expand_dims(x, 1), MATRIX)
row("expand_dims/-1", lambda tf, x: tf.expand_dims(x, -1), MATRIX)
row("expand_dims/-2", lambda tf, x: tf.expand_dims(x, axis=-2), MATRIX)
row("expand_dims/dim", lambda tf, x: tf.expand_dims(x, dim=1), MATRIX)
row("squeeze/all", lambda tf, x: tf.squeeze(x), floats(1, 3, 1))
row("squeeze/axis", lambda tf, x: tf.squeeze(x, [2]), floats(2, 3, 1))
row("squeeze/axis-int", lambda tf, x: tf.squeeze(x, 0), floats(1, 3, 1))
row("squeeze/negative", lambda tf, x: tf.squeeze(x, axis=-1), floats(2, 3, 1))
row("squeeze/squeeze_dims", lambda tf, x: tf.squeeze(x, squeeze_dims=[0, 2]), floats(1, 3, 1))
row("transpose/plain", lambda tf, x: tf.transpose(x), CUBE)
row("transpose/102", lambda tf, x: tf.transpose(x, [1, 0, 2]), CUBE)
row("transpose/perm", lambda tf, x: tf.transpose(x, perm=(2, 0, 1)), CUBE)
row("transpose/matrix", lambda tf, x: tf.transpose(x), MATRIX)
row("transpose/dynamic", lambda tf, x, p: tf.transpose(x, p), CUBE, ints(1, 2, 0), levels=ALL)
row("matrix_transpose", lambda tf, x: tf.matrix_transpose(x), CUBE)
row("identity", lambda tf, x: tf.identity(x), MATRIX)
row("stop_gradient", lambda tf, x: tf.stop_gradient(x) * x, MATRIX)
row("shape", lambda tf, x: [tf.shape(x), tf.shape(x, out_type=tf.int64), tf.size(x), tf.rank(x)], CUBE)
row("shape/element", lambda tf, x: [tf.shape(x)[0], tf.shape(x)[1:], tf.shape(x)[-1] * 2], CUBE)
row("shape/unstack", lambda tf, x: tf.unstack(tf.shape(x)), CUBE, levels=("known", "batch"))


@case("set_shape")
def set_shape(tf: Any, np: Any) -> Program:
    """``set_shape`` adds what is known and keeps the rest; impossible information is refused."""
    x = tf.placeholder(tf.float32)
    y = tf.placeholder(tf.float32, [None, 3])
    before = str(x.get_shape())
    x.set_shape([None, 4])
    y.set_shape([2, None])
    facts = {"before": before, "after": str(x.get_shape()), "merged": str(y.get_shape())}
    try:
        y.set_shape([5, 3])
    except ValueError as error:
        facts["refused"] = type(error).__name__
    return Program({"x": tf.reshape(x, [-1]), "y": y * 2.0}, {x: fixed("s", [1, 4]), y: fixed("t", [2, 3])}, facts)


# Joining and splitting ------------------------------------------------------------------------------------------------

row("concat/0", lambda tf, x, y: tf.concat([x, y], 0), floats(2, 3), floats(1, 3, name="b"), levels=ALL)
row("concat/1", lambda tf, x, y: tf.concat([x, y], 1), floats(2, 3), floats(2, 2, name="b"), levels=ALL)
row("concat/-1", lambda tf, x, y: tf.concat([x, y], axis=-1), CUBE, floats(2, 3, 1, name="b"), levels=ALL)
row("concat/values", lambda tf, x, y: tf.concat(values=[x, y, x], axis=1), floats(2, 3), floats(2, 2, name="b"))
row("concat/one", lambda tf, x: tf.concat([x], 0), MATRIX)
row("concat/tuple", lambda tf, x: tf.concat((x, x), 2), CUBE)
row("concat/python", lambda tf, x: tf.concat([x, [7, 8]], 0), ints(1, 2, 3))
row("concat/of-stacked", lambda tf, x: tf.concat(x, 1), CUBE, levels=("known",))
row("stack/0", lambda tf, x, y: tf.stack([x, y]), MATRIX, floats(3, 4, name="b"), levels=ALL)
row("stack/1", lambda tf, x, y: tf.stack([x, y], axis=1), MATRIX, floats(3, 4, name="b"), levels=ALL)
row("stack/-1", lambda tf, x, y: tf.stack([x, y], -1), MATRIX, floats(3, 4, name="b"), levels=ALL)
row("stack/scalars", lambda tf, x: tf.stack([tf.shape(x)[0], 3, tf.size(x)]), MATRIX)
row("parallel_stack-like", lambda tf, x: tf.convert_to_tensor([x[0], x[1]]), MATRIX)
row("unstack/0", lambda tf, x: tf.unstack(x), CUBE)
row("unstack/1", lambda tf, x: tf.unstack(x, axis=1), CUBE)
row("unstack/num", lambda tf, x: tf.unstack(x, 3, 1), CUBE, levels=ALL)
row("unstack/-1", lambda tf, x: tf.unstack(x, axis=-1), CUBE)
row("split/number", lambda tf, x: tf.split(x, 2, 1), floats(3, 4), levels=ALL)
row("split/keywords", lambda tf, x: tf.split(value=x, num_or_size_splits=4, axis=-1), floats(3, 4), levels=ALL)
row("split/0", lambda tf, x: tf.split(x, 3), floats(3, 4), levels=ALL)
row("split/sizes", lambda tf, x: tf.split(x, [1, 3], 1), floats(3, 4), levels=ALL)
row("split/sizes-infer", lambda tf, x: tf.split(x, [1, -1, 2], 1), floats(3, 5), levels=ALL)
row("tile/1", lambda tf, x: tf.tile(x, [1, 2]), MATRIX, levels=ALL)
row("tile/both", lambda tf, x: tf.tile(x, [2, 3]), floats(2, 2), levels=ALL)
row("tile/dynamic", lambda tf, x: tf.tile(tf.expand_dims(x[0], 0), [tf.shape(x)[0], 1]), MATRIX, levels=ALL)
row("pad/constant", lambda tf, x: tf.pad(x, [[1, 0], [0, 2]]), MATRIX, levels=ALL)
row("pad/value", lambda tf, x: tf.pad(x, [[0, 0], [1, 1]], constant_values=-1), MATRIX)
row("pad/reflect", lambda tf, x: tf.pad(x, [[1, 1], [2, 0]], "REFLECT"), MATRIX)
row("pad/symmetric", lambda tf, x: tf.pad(x, [[1, 1], [2, 0]], mode="SYMMETRIC"), MATRIX)
row("reverse/0", lambda tf, x: tf.reverse(x, [0]), MATRIX)
row("reverse/both", lambda tf, x: tf.reverse(x, axis=[0, -1]), CUBE)
row("reverse_sequence/1-0", lambda tf, x: tf.reverse_sequence(x, [3, 1], seq_axis=1, batch_axis=0), CUBE)
row("reverse_sequence/dims", lambda tf, x: tf.reverse_sequence(x, [0, 2, 1], seq_dim=0, batch_dim=1), CUBE)
row("reverse_sequence/fed", lambda tf, x, n: tf.reverse_sequence(x, n, 1, 0), CUBE, ints(2, 0), levels=ALL)
row("meshgrid", lambda tf, x, y: tf.meshgrid(x, y), floats(3), floats(2, name="b"))

# Indexing -------------------------------------------------------------------------------------------------------------

SLICES = {
    "0": lambda x: x[0],
    "-1": lambda x: x[-1],
    "1:": lambda x: x[1:],
    ":1": lambda x: x[:1],
    ":-1": lambda x: x[:-1],
    "-1:": lambda x: x[-1:],
    ":": lambda x: x[:],
    "::-1": lambda x: x[::-1],
    "0-0": lambda x: x[0, 0],
    "all-0": lambda x: x[:, 0],
    "all--1": lambda x: x[:, -1],
    "all--1-all": lambda x: x[:, -1, :],
    "all-all-1": lambda x: x[:, :, 1],
    "all-1:": lambda x: x[:, 1:],
    "all-::2": lambda x: x[:, ::2],
    "all-all-::-2": lambda x: x[:, :, ::-2],
    "all-all-3:0:-1": lambda x: x[:, :, 3:0:-1],
    "dots-0": lambda x: x[..., 0],
    "dots-1:3": lambda x: x[..., 1:3],
    "0-dots": lambda x: x[0, ...],
    "0-dots-0": lambda x: x[0, ..., 0],
    "dots-none": lambda x: x[..., None],
    "none": lambda x: x[None],
    "all-none": lambda x: x[:, None],
    "none-0-none": lambda x: x[None, 0, None],
    "1:1": lambda x: x[1:1],
    "all-5:": lambda x: x[:, 5:],
    "out-of-range-slice": lambda x: x[:, -7:2],
}
for _name, _slice in SLICES.items():
    row(f"index/{_name}", lambda tf, x, take=_slice: take(x), CUBE, levels=ALL)
row("index/newaxis", lambda tf, x: x[:, tf.newaxis, :], CUBE, levels=ALL)
row("index/tensor", lambda tf, x, i: x[i], CUBE, ints(1).reshape(()), levels=ALL)
row("index/tensor-slice", lambda tf, x, i: x[:, i : i + 2], CUBE, ints(1).reshape(()), levels=ALL)
row("index/tensor-mixed", lambda tf, x, i: x[0, : i + 1, i], CUBE, ints(1).reshape(()), levels=ALL)
row("index/shape-slice", lambda tf, x: x[: tf.shape(x)[0] - 1], CUBE, levels=ALL)
row("index/vector", lambda tf, x: [x[2], x[-2], x[2:5], x[::2], x[5:1:-2]], VECTOR, levels=ALL)
row("index/ints", lambda tf, x: x[1] + x[-1], ints(4, 5, 6))
row("strided_slice/plain", lambda tf, x: tf.strided_slice(x, [0, 1, 0], [2, 3, 4], [1, 1, 2]), CUBE)
row("strided_slice/masks", lambda tf, x: tf.strided_slice(x, [0, 1], [0, 2], [1, 1], begin_mask=1, end_mask=1), CUBE)
row("strided_slice/shrink", lambda tf, x: tf.strided_slice(x, [0, 1], [1, 2], shrink_axis_mask=2), CUBE)
row("strided_slice/batch", lambda tf, x: tf.strided_slice(x, [0, 0], [3, -1], [1, 1]), MATRIX)
row("slice/plain", lambda tf, x: tf.slice(x, [0, 1, 2], [2, 2, 1]), CUBE, levels=ALL)
row("slice/rest", lambda tf, x: tf.slice(x, [0, 1, 0], [-1, -1, 2]), CUBE, levels=ALL)
row("slice/dynamic", lambda tf, x, n: tf.slice(x, [0, n, 0], [-1, 1, -1]), CUBE, ints(2).reshape(()), levels=ALL)
row("slice/shape", lambda tf, x: tf.slice(x, [0, 0], [tf.shape(x)[0], 2]), MATRIX, levels=ALL)

# Gathering ------------------------------------------------------------------------------------------------------------

IDS = ints([[2, 0], [1, 2], [2, 2]])
row("gather/vector", lambda tf, x, i: tf.gather(x, i), MATRIX, ints(2, 0, 2), levels=ALL)
row("gather/matrix", lambda tf, x, i: tf.gather(x, i), MATRIX, IDS, levels=ALL)
row("gather/scalar", lambda tf, x, i: tf.gather(x, i), MATRIX, ints(1).reshape(()), levels=ALL)
row("gather/axis", lambda tf, x, i: tf.gather(x, i, axis=1), CUBE, ints(2, 0, 2), levels=ALL)
row("gather/axis-negative", lambda tf, x, i: tf.gather(x, i, axis=-1), CUBE, ints([[3, 0]]), levels=ALL)
row("gather/batch_dims", lambda tf, x, i: tf.gather(x, i, batch_dims=1), CUBE, ints([[2, 0], [1, 1]]))
row("gather/int64", lambda tf, x, i: tf.gather(x, i), MATRIX, ints(2, 1, dtype="int64"))
row("gather/ints", lambda tf, x, i: tf.gather(x, i), ints(7, 8, 9), IDS)
row("gather_nd/rows", lambda tf, x, i: tf.gather_nd(x, i), MATRIX, ints([[2], [0]]), levels=ALL)
row("gather_nd/elements", lambda tf, x, i: tf.gather_nd(x, i), MATRIX, ints([[2, 1], [0, 3], [2, 1]]), levels=ALL)
row("gather_nd/last", lambda tf, x, n: tf.gather_nd(x, tf.stack([tf.range(2), n - 1], 1)), CUBE, ints(3, 1))
row("embedding_lookup/vector", lambda tf, x, i: tf.nn.embedding_lookup(x, i), MATRIX, ints(2, 0, 2), levels=ALL)
row("embedding_lookup/matrix", lambda tf, x, i: tf.nn.embedding_lookup(x, i), MATRIX, IDS, levels=ALL)
row("embedding_lookup/list", lambda tf, x, i: tf.nn.embedding_lookup([x], i), MATRIX, IDS)
row(
    "embedding_lookup/mod",
    lambda tf, x, y, i: tf.nn.embedding_lookup([x, y], i),
    floats(3, 2),
    floats(3, 2, name="b"),
    ints(0, 5, 3, 2),
)
row(
    "embedding_lookup/div",
    lambda tf, x, y, i: tf.nn.embedding_lookup([x, y], i, partition_strategy="div"),
    floats(3, 2),
    floats(2, 2, name="b"),
    ints(0, 4, 3, 2),
)
row("boolean_mask/rows", lambda tf, x, m: tf.boolean_mask(x, m), MATRIX, flags(1, 0, 1), levels=("known", "batch"))
row(
    "boolean_mask/elements",
    lambda tf, x, m: tf.boolean_mask(x, m),
    floats(2, 2),
    flags([[1, 0], [0, 1]]),
    levels=("known", "batch"),
)
row("boolean_mask/axis", lambda tf, x: tf.boolean_mask(x, [True, False, True, True], axis=1), MATRIX)
row(
    "where/elements",
    lambda tf, c, x, y: tf.where(c, x, y),
    flags([[1, 0], [0, 1]]),
    floats(2, 2),
    floats(2, 2, name="b"),
)
row("where/rows", lambda tf, c, x, y: tf.where(c, x, y), flags(1, 0, 1), MATRIX, floats(3, 4, name="b"))
row("where/indices", lambda tf, c: tf.where(c), flags([[1, 0], [1, 1]]))
row("where/indices-of-comparison", lambda tf, x: tf.where(tf.equal(x, 2)), ints(2, 1, 2))
row("one_hot/vector", lambda tf, i: tf.one_hot(i, 4), ints(2, 0, 3))
row("one_hot/matrix", lambda tf, i: tf.one_hot(i, 3), IDS)
row("one_hot/axis", lambda tf, i: tf.one_hot(i, 3, axis=1), IDS)
row("one_hot/axis-0", lambda tf, i: tf.one_hot(i, 3, axis=0), IDS)
row("one_hot/values", lambda tf, i: tf.one_hot(i, depth=3, on_value=5.0, off_value=-1.0), ints(2, 0))
row("one_hot/dtype", lambda tf, i: tf.one_hot(i, 3, dtype=tf.int32), ints(2, 0))
row("one_hot/bool", lambda tf, i: tf.one_hot(i, 3, True, False), ints(2, 0))
row("one_hot/out-of-range", lambda tf, i: tf.one_hot(i, 3), ints(-1, 3, 1))
row("one_hot/scalar", lambda tf, i: tf.one_hot(i, 3), ints(1).reshape(()))
row("one_hot/depth-tensor", lambda tf, i, d: tf.one_hot(i, d), ints(1, 0), ints(3).reshape(()))
row("one_hot/uint8", lambda tf, i: tf.one_hot(i, 3), ints(1, 0, dtype="uint8"))
row("sequence_mask/plain", lambda tf, n: tf.sequence_mask(n), ints(1, 0, 3))
row("sequence_mask/maxlen", lambda tf, n: tf.sequence_mask(n, 4), ints(1, 0, 3))
row("sequence_mask/dtype", lambda tf, n: tf.sequence_mask(n, 2, dtype=tf.float32), ints(1, 0, 3))
row("sequence_mask/tensor", lambda tf, n, m: tf.sequence_mask(n, m), ints(1, 0, 3), ints(5).reshape(()))
row("sequence_mask/matrix", lambda tf, n: tf.sequence_mask(n, 3), ints([[1, 2], [3, 0]]))
row("sequence_mask/max", lambda tf, n: tf.sequence_mask(n, tf.reduce_max(n), tf.float32), ints(2, 1, dtype="int64"))
row("scatter_nd/rows", lambda tf, x: tf.scatter_nd([[1], [3], [1]], x, [5, 4]), MATRIX)
row("unique", lambda tf, x: list(tf.unique(x)), ints(3, 1, 3, 2))
row(
    "count_nonzero", lambda tf, x: [tf.count_nonzero(x), tf.count_nonzero(x, 1, dtype=tf.int32)], ints([[1, 0], [2, 3]])
)

# Making ---------------------------------------------------------------------------------------------------------------

row("zeros", lambda tf: [tf.zeros([2, 3]), tf.zeros((2,), tf.int32), tf.zeros([], tf.float64), tf.zeros([1], tf.bool)])
row("ones", lambda tf: [tf.ones([2, 3]), tf.ones((2,), dtype=tf.int64), tf.ones([2], tf.bool), tf.ones(2)])
row(
    "zeros/dynamic",
    lambda tf, x: [tf.zeros([tf.shape(x)[0], 2]), tf.zeros(tf.shape(x)), tf.ones(tf.shape(x)[:1])],
    MATRIX,
    levels=ALL,
)
row("zeros/stack", lambda tf, x: tf.zeros(tf.stack([tf.shape(x)[0], 5])), MATRIX, levels=ALL)
row(
    "zeros_like",
    lambda tf, x: [tf.zeros_like(x), tf.zeros_like(x, dtype=tf.int32), tf.ones_like(x)],
    MATRIX,
    levels=ALL,
)
row("fill", lambda tf: [tf.fill([2, 2], 7), tf.fill([3], 0.5), tf.fill([], True)])
row("fill/dynamic", lambda tf, x: tf.fill([tf.shape(x)[0], 2], 3.0), MATRIX, levels=ALL)
row("fill/value", lambda tf, v: tf.fill([2, 3], v), floats())
row("range", lambda tf: [tf.range(4), tf.range(2, 5), tf.range(1, 8, 3), tf.range(5, 0, -2), tf.range(0.0, 1.0, 0.3)])
row(
    "range/dtype",
    lambda tf: [tf.range(3, dtype=tf.float32), tf.range(3, dtype=tf.int64), tf.range(start=1, limit=3, delta=1)],
)
row("range/dynamic", lambda tf, x: [tf.range(tf.shape(x)[0]), tf.range(0, tf.size(x), 2)], MATRIX, levels=ALL)
row("eye", lambda tf: [tf.eye(3), tf.eye(2, 3), tf.eye(2, dtype=tf.int32), tf.eye(2, batch_shape=[2])])
row(
    "constant",
    lambda tf: [tf.constant(3), tf.constant([1.5, 2]), tf.constant(2.0, shape=[2, 3]), tf.constant([1, 2], tf.float64)],
)
row(
    "constant/shape",
    lambda tf: [tf.constant([1, 2, 3, 4], shape=[2, 2]), tf.constant(0, tf.int64, [2]), tf.constant(True)],
)
row(
    "convert_to_tensor",
    lambda tf: [tf.convert_to_tensor(1), tf.convert_to_tensor([1.0, 2.0]), tf.convert_to_tensor([[True]])],
)
row("diag", lambda tf, x: [tf.diag(x), tf.matrix_diag(x)], floats(3))
row("cast/float-int", lambda tf, x: [tf.cast(x, tf.int32), tf.cast(x, "int64"), tf.to_int32(x), tf.to_int64(x)], VECTOR)
row("cast/int-float", lambda tf, x: [tf.cast(x, tf.float32), tf.to_float(x), tf.to_double(x)], ints(-1, 0, 3))
row("cast/bool", lambda tf, x: [tf.cast(x, tf.float32), tf.cast(x, tf.int32), tf.to_float(x)], flags(1, 0))
row("cast/to-bool", lambda tf, x: tf.cast(x, tf.bool), floats(3) * [0, 1, 1])
row("cast/float-double", lambda tf, x: tf.cast(x, tf.float64), VECTOR)
row("cast/python", lambda tf: [tf.cast(3, tf.float32), tf.cast([1.9, -1.9], tf.int32), tf.to_int32(7.5)])
row("cast/saturate", lambda tf, x: tf.saturate_cast(x * 200, tf.uint8), VECTOR)
