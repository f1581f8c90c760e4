"""What ``network`` and ``losses`` leave out of ``tf.nn``, ``tf.losses`` and clipping; wrong arguments of layers too.

Rarer functions and arguments, values where a derivative jumps or an exponential overflows, names of tensors that
programs print or look up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from goldens.cases.tables import Table, flags, floats, ints, positive
from goldens.harness import Program, case, fixed

row = Table(__name__).row
MATRIX, CUBE = floats(3, 4), floats(2, 3, 4)
IMAGE = floats(2, 5, 6, 3, scale=1.0)
ALL = ("known", "batch", "open", "rank")
KNOWN = ("known",)
INFINITY = numpy.inf

# Activations ----------------------------------------------------------------------------------------------------------

EXTREMES = numpy.array([0, -0.0, 6, -1, 1, 30, -30, 100, -100], "f")
for _name in ["relu", "relu6", "elu", "selu", "softplus", "softsign", "leaky_relu"]:
    row(f"extremes/{_name}", lambda tf, x, name=_name: getattr(tf.nn, name)(x), EXTREMES, levels=KNOWN)
    row(f"extremes/{_name}-f64", lambda tf, x, n=_name: getattr(tf.nn, n)(x), EXTREMES.astype("float64"), levels=KNOWN)
row("leaky_relu/ints", lambda tf, x: tf.nn.leaky_relu(x), ints(-5, 0, 5))
row("crelu/axis", lambda tf, x: tf.nn.crelu(x, axis=1), CUBE)
row("softmax/half", lambda tf, x: [tf.nn.softmax(x), tf.nn.log_softmax(x)], floats(3, 4, dtype="float16"), levels=KNOWN)
row(
    "bias_add/channels-first",
    lambda tf, x, b: tf.nn.bias_add(x, b, data_format="NCHW"),
    floats(2, 3, 4, 5),
    floats(3, name="b"),
)
row("bias_add/channels-last", lambda tf, x, b: tf.nn.bias_add(x, b, "NHWC"), floats(2, 3, 4, 5), floats(5, name="b"))
row("zero_fraction/ints", lambda tf, x: tf.nn.zero_fraction(x), ints([0, 3, 0, 0]))
row("l2_normalize/axes", lambda tf, x: tf.nn.l2_normalize(x, [0, 2], epsilon=0.5), CUBE)
row(
    "moments/half",
    lambda tf, x: list(tf.nn.moments(x, [0])),
    floats(3, 4, dtype="float16"),
    levels=KNOWN,
    gradients=False,
)
row(
    "batch_norm_with_global_normalization",
    lambda tf, x, m, v, b, g: [
        tf.nn.batch_norm_with_global_normalization(x, m, v, b, g, 1e-3, True),
        tf.nn.batch_norm_with_global_normalization(x, m, v, b, g, 1e-3, False),
    ],
    IMAGE,
    floats(3, name="mean"),
    positive(3, name="variance"),
    floats(3, name="beta"),
    floats(3, name="gamma"),
    levels=KNOWN,
)
row(
    "fused_batch_norm/training",
    lambda tf, x, s, b: list(tf.nn.fused_batch_norm(x, s, b)),
    IMAGE,
    floats(3, name="scale"),
    floats(3, name="offset"),
    levels=("known", "batch"),
    gradients=False,
)
row(
    "fused_batch_norm/inference",
    lambda tf, x, s, b, m, v: tf.nn.fused_batch_norm(x, s, b, m, v, epsilon=0.01, is_training=False)[0],
    IMAGE,
    floats(3, name="scale"),
    floats(3, name="offset"),
    floats(3, name="mean"),
    positive(3, name="variance"),
    levels=("known", "batch"),
)

# Cross entropies ------------------------------------------------------------------------------------------------------

ROWS = numpy.array([[0, 0, 0, 0], [1, 1, 0, 0], [0.25, 0, 0.25, 0]], "f")
row(
    "softmax_xent/labels-not-summing-to-1",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x),
    ROWS,
    MATRIX,
    levels=KNOWN,
)
row(
    "softmax_xent/ints",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x),
    ints([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    MATRIX,
    levels=KNOWN,
)
row(
    "softmax_xent/broadcast",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x),
    ROWS[2:] * 2,
    MATRIX,
    levels=KNOWN,
    gradients=False,
)
row(
    "softmax_xent/half",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x),
    ROWS.astype("float16"),
    floats(3, 4, dtype="float16"),
    levels=KNOWN,
)
row(
    "softmax_xent/infinite-logits",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x),
    numpy.array([[1, 0, 0], [0, 1, 0]], "f"),
    numpy.array([[1, -INFINITY, 0], [1000, -1000, 0]], "f"),
    levels=KNOWN,
    gradients=False,
)
row(
    "softmax_xent/middle-axis",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.nn.softmax(y, 1), logits=x, axis=1),
    floats(2, 3, 4, name="b"),
    CUBE,
    levels=KNOWN,
)
row(
    "sparse_xent/half",
    lambda tf, y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x),
    ints(2, 0, 3),
    floats(3, 4, dtype="float16"),
    levels=KNOWN,
)
row(
    "sparse_xent/scalar-label",
    lambda tf, y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x),
    ints(2),
    floats(4),
    levels=KNOWN,
)
row(
    "sigmoid_xent/at-zero",
    lambda tf, y, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x),
    numpy.array([0, 1, 0.5, 0.25], "f"),
    numpy.array([0, 0, -0.0, 30], "f"),
    levels=KNOWN,
)
row(
    "weighted_xent/at-zero",
    lambda tf, y, x: tf.nn.weighted_cross_entropy_with_logits(y, x, 3.0),
    numpy.array([0, 1, 0.5], "f"),
    numpy.array([0, 0, -100], "f"),
    levels=KNOWN,
)

# Choosing -------------------------------------------------------------------------------------------------------------

TIES = numpy.array([[1, 5, 5, 5, 0], [2, 2, 2, 2, 2], [0, 1, 2, 3, 4]], "f")
row("top_k/ties-at-the-end", lambda tf, x: list(tf.nn.top_k(x, 2)), TIES)
row("top_k/all", lambda tf, x: list(tf.nn.top_k(x, 5)), TIES)
row("top_k/none", lambda tf, x: list(tf.nn.top_k(x, 0)), TIES, gradients=False)
row("top_k/fed", lambda tf, x, k: list(tf.nn.top_k(x, k)), TIES, ints(3), levels=ALL)
row("top_k/cube", lambda tf, x: list(tf.nn.top_k(x, 3)), CUBE)
row(
    "top_k/infinite",
    lambda tf, x: list(tf.nn.top_k(x, 2)),
    numpy.array([[-INFINITY, 1, -INFINITY]], "f"),
    gradients=False,
)
row(
    "in_top_k/ties",
    lambda tf, x, t: [tf.nn.in_top_k(x, t, k) for k in (1, 2, 3)],
    TIES,
    ints(2, 4, 3),
    levels=("known", "batch"),
)
row(
    "in_top_k/not-finite",
    lambda tf, x, t: tf.nn.in_top_k(x, t, 2),
    numpy.array([[1, numpy.nan, 0], [INFINITY, 1, 2], [1, 2, 3], [1, 2, 3]], "f"),
    ints(0, 2, 7, -1, dtype="int64"),
    gradients=False,
)
TABLE = floats(5, 3)
IDS = ints([[0, 4], [2, 2]])
row(
    "embedding_lookup/max_norm",
    lambda tf, x, i: tf.nn.embedding_lookup(x, i, max_norm=1.5),
    TABLE,
    IDS,
    levels=("known", "batch"),
)
row("embedding_lookup/vectors", lambda tf, x, i: tf.nn.embedding_lookup(x, i), floats(4), IDS[:, 0])
row(
    "embedding_lookup/int64",
    lambda tf, x, i: tf.nn.embedding_lookup(x, i),
    floats(5, 2, 3),
    IDS.astype("int64"),
    levels=ALL,
)
for _strategy in ("mod", "div"):
    row(
        f"embedding_lookup/three-{_strategy}",
        lambda tf, x, y, z, i, s=_strategy: tf.nn.embedding_lookup([x, y, z], i, partition_strategy=s),
        floats(3, 2),
        floats(3, 2, name="b"),
        floats(2, 2, name="c"),
        ints([[7, 0, 3], [5, 2, 2]]),
        levels=("known", "batch"),
    )
    row(
        f"embedding_lookup/max_norm-{_strategy}",
        lambda tf, x, y, i, s=_strategy: tf.nn.embedding_lookup([x, y], i, partition_strategy=s, max_norm=1.0),
        floats(2, 3),
        floats(2, 3, name="b"),
        ints(3, 0, 1, 1),
        levels=KNOWN,
    )

# Clipping -------------------------------------------------------------------------------------------------------------

row("clip_by_norm/at-the-norm", lambda tf, x: tf.clip_by_norm(x, 5.0), numpy.array([3, 4], "f"), levels=KNOWN)
row("clip_by_norm/fed", lambda tf, x, n: tf.clip_by_norm(x, n), MATRIX, numpy.array(0.5, "f"), levels=KNOWN)
row("clip_by_norm/zero-rows", lambda tf, x: tf.clip_by_norm(x, 1.0, axes=1), ROWS)
row("clip_by_average_norm/under", lambda tf, x: tf.clip_by_average_norm(x, 10.0), MATRIX)
row("global_norm/none", lambda tf, x: [tf.global_norm([x, None]), tf.clip_by_global_norm([None, x], 1.0)[0][1]], MATRIX)
row(
    "clip_by_global_norm/use_norm",
    lambda tf, x, n: list(tf.clip_by_global_norm([x], 1.0, use_norm=n)[0]),
    MATRIX,
    numpy.array(4, "f"),
)
row(
    "clip_by_global_norm/not-finite",
    lambda tf, x, y: tf.clip_by_global_norm([x, y], 1.0),
    numpy.array([1, INFINITY], "f"),
    MATRIX,
    levels=KNOWN,
    gradients=False,
)
row(
    "clip_by_global_norm/fed",
    lambda tf, x, n: tf.clip_by_global_norm([x, x * 2.0], n)[0],
    MATRIX,
    numpy.array(3, "f"),
    levels=KNOWN,
)


# Convolution ----------------------------------------------------------------------------------------------------------

for _padding in ("SAME", "VALID"):
    for _stride, _size in ((2, 4), (3, 2), (1, 3)):
        row(
            f"conv1d/{_padding}-{_stride}{_size}",
            lambda tf, x, w, s=_stride, p=_padding: tf.nn.conv1d(x, w, stride=s, padding=p),
            floats(2, 7, 3, scale=1.0),
            floats(_size, 3, 2, scale=0.5, name="kernel"),
            levels=("known", "open"),
        )
    row(
        f"depthwise/{_padding}",
        lambda tf, x, w, p=_padding: tf.nn.depthwise_conv2d(x, w, [1, 2, 2, 1], p),
        IMAGE,
        floats(3, 2, 3, 2, scale=0.5, name="kernel"),
        levels=("known", "open"),
    )
    row(
        f"convolution/{_padding}",
        lambda tf, x, w, p=_padding: tf.nn.convolution(x, w, p, strides=[2]),
        floats(2, 7, 3, scale=1.0),
        floats(3, 3, 2, scale=0.5, name="kernel"),
        levels=("known", "batch"),
    )
    row(
        f"convolution/dilated-{_padding}",
        lambda tf, x, w, p=_padding: tf.nn.convolution(x, w, p, dilation_rate=[2, 1]),
        IMAGE,
        floats(2, 3, 3, 2, scale=0.5, name="kernel"),
        levels=KNOWN,
    )
    for _target, _step in {
        "SAME": (((5, 6), 1), ((9, 12), 2), ((10, 11), 2), ((13, 16), 3)),
        "VALID": (((7, 7), 1), ((11, 12), 2), ((12, 13), 2), ((17, 19), 3)),
    }[_padding]:
        row(
            f"conv2d_transpose/{_padding}-{_target[0]}x{_target[1]}-by-{_step}",
            lambda tf, x, w, t=_target, s=_step, p=_padding: tf.nn.conv2d_transpose(x, w, [2, *t, 2], [1, s, s, 1], p),
            IMAGE,
            floats(3, 2, 2, 3, scale=0.5, name="kernel"),
            levels=KNOWN,
        )
    row(
        f"max_pool/ties-{_padding}",
        lambda tf, x, p=_padding: tf.nn.max_pool(x, [1, 2, 2, 1], [1, 1, 1, 1], p),
        numpy.array([[0, 1, 1, 0], [1, 1, 0, 0], [-1, -1, -1, -1]], "f").reshape(1, 3, 4, 1),
        levels=KNOWN,
    )
    row(
        f"avg_pool/double-{_padding}",
        lambda tf, x, p=_padding: tf.nn.avg_pool(x, 3, 2, p),
        IMAGE.astype("float64"),
        levels=("known", "open"),
    )
row(
    "conv2d/ints-as-strides",
    lambda tf, x, w: tf.nn.conv2d(x, w, 2, "SAME"),
    IMAGE,
    floats(3, 2, 3, 2, name="kernel"),
    levels=KNOWN,
)
row(
    "conv2d/one-by-one",
    lambda tf, x, w: tf.nn.conv2d(x, w, [1, 3, 3, 1], "SAME"),
    IMAGE,
    floats(1, 1, 3, 2, name="kernel"),
)
row(
    "conv2d/double",
    lambda tf, x, w: tf.nn.conv2d(x, w, [1, 2, 2, 1], "SAME"),
    IMAGE.astype("float64"),
    floats(2, 2, 3, 2, dtype="float64"),
    levels=KNOWN,
)


# Names ----------------------------------------------------------------------------------------------------------------


@case("names")
def names(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    y = tf.placeholder(tf.float32, [None, 4], name="y")
    ids = tf.placeholder(tf.int32, [None], name="ids")
    table = tf.get_variable("table", [5, 4])
    clipped, norm = tf.clip_by_global_norm([x, None, y], 5.0)
    with tf.name_scope("scope"):
        inner, _ = tf.clip_by_global_norm([x], 5.0, name="clip")
    made = {
        "xw_plus_b": tf.nn.xw_plus_b(x, tf.ones([4, 2]), tf.ones([2])),
        "relu_layer": tf.nn.relu_layer(x, tf.ones([4, 2]), tf.ones([2])),
        "lookup": tf.nn.embedding_lookup(table, ids),
        "clipped": clipped[0],
        "clipped 2": clipped[2],
        "inner": inner[0],
        "norm": norm,
        "moments": list(tf.nn.moments(x, [0])),
        "normal": tf.nn.batch_normalization(x, 0.0, 1.0, None, None, 0.0),
        "xent": tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x),
        "xent 2": tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x),
        "sigmoid": tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x),
        "sparse": tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=x),
        "named": tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=x, name="cost"),
        "top": list(tf.nn.top_k(x, 2)),
        "l2": tf.nn.l2_loss(x),
        "unit": tf.nn.l2_normalize(x, 1),
        "mse": tf.losses.mean_squared_error(y, x),
        "softmax loss": tf.losses.softmax_cross_entropy(y, x),
        "sparse loss": tf.losses.sparse_softmax_cross_entropy(ids, x),
    }
    feeds = {x: fixed("neural x", [2, 4]), y: positive(2, 4), ids: ints(1, 3)}
    return Program(made, feeds, names=True)


@case("losses/flags")
def flag_weights(tf: Any, np: Any) -> Program:
    """Weights of any dtype, as masks are."""
    x = tf.placeholder(tf.float32, [2, 3])
    weights = [flags([[1, 0, 1], [0, 0, 1]]).astype(kind) for kind in ("float32", "int32", "float64")]
    return Program(
        {"y": [tf.losses.absolute_difference(x * 0.5, x, w) for w in weights]}, {x: fixed("neural x", [2, 3])}
    )


def _wrong(name: str, build: Callable[..., Any], *fragments: str) -> None:
    @case(f"wrong/{name}", must_fail=True, fragments=fragments)
    def program(tf: Any, np: Any) -> Program:
        build(tf, tf.placeholder(tf.float32, [2, 3]))
        return Program()


_wrong(
    "dense-rank",
    lambda tf, x: tf.layers.dense(x[0], 3),
    "incompatible with the layer",
    "expected min_ndim=2, found ndim=1",
)
_wrong("dense-ints", lambda tf, x: tf.layers.dense(tf.cast(x, tf.int32), 3), "floating")
_wrong("conv-rank", lambda tf, x: tf.layers.conv2d(x, 3, 3), "incompatible with the layer")
_wrong("conv-padding", lambda tf, x: tf.layers.conv1d(tf.ones([1, 4, 2]), 3, 3, padding="full"), "padding")
_wrong("conv-too-small", lambda tf, x: tf.layers.conv2d(tf.ones([1, 2, 2, 1]), 3, 3), "Negative dimension size")
_wrong(
    "conv-channels",
    lambda tf, x: tf.nn.conv2d(tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 2, 1]), 1, "SAME"),
    "Depth of input",
)
_wrong("pool-padding", lambda tf, x: tf.nn.max_pool(tf.ones([1, 4, 4, 3]), 2, 2, "same"), "padding")
_wrong("dropout-nothing", lambda tf, x: tf.nn.dropout(x), "rate")
_wrong("dropout-both", lambda tf, x: tf.nn.dropout(x, 0.5, rate=0.5), "Cannot specify both")
_wrong("dropout-ints", lambda tf, x: tf.nn.dropout(tf.cast(x, tf.int32), 0.5), "floating point tensor")
_wrong("global_norm-tensor", lambda tf, x: tf.global_norm(x), "should be a sequence")
_wrong("clip-tensor", lambda tf, x: tf.clip_by_global_norm(x, 1.0), "should be a sequence")
_wrong("bias-rank", lambda tf, x: tf.nn.bias_add(x[0], tf.ones([3])), "Shape must be at least rank 2 but is rank 1")
_wrong("softmax-scalar", lambda tf, x: tf.nn.softmax(x[0, 0]), "Shape must be at least rank 1 but is rank 0")
_wrong("lookup-nothing", lambda tf, x: tf.nn.embedding_lookup([], [1]))
_wrong(
    "lookup-strategy",
    lambda tf, x: tf.nn.embedding_lookup([x, x], [1], partition_strategy="rows"),
    "partition strategy",
)
_wrong("cosine-axis", lambda tf, x: tf.losses.cosine_distance(x, x), "axis")
_wrong("total-loss-empty", lambda tf, x: tf.losses.get_total_loss())
_wrong(
    "sigmoid-shapes",
    lambda tf, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=x[:, :2], logits=x),
    "must have the same shape",
)
_wrong(
    "sparse-float-labels",
    lambda tf, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=x[:, 0], logits=x),
    "list of allowed values: int32, int64",
)
_wrong("norm-axis", lambda tf, x: tf.layers.batch_normalization(x, axis=5))
_wrong("weights-none", lambda tf, x: tf.losses.mean_squared_error(x, x, weights=None))
