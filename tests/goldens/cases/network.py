"""``tf.nn``: activations, cross entropies, normalisation, convolution and pooling."""

from __future__ import annotations

from typing import Any

import numpy

from goldens.cases.tables import Table, floats, ints, positive

row = Table(__name__).row
MATRIX, CUBE = floats(3, 4), floats(2, 3, 4)
ONE_HOT = numpy.eye(4, dtype="f")[[2, 0, 2]]
SOFT = numpy.array([[0.25, 0.25, 0.5, 0], [0, 1, 0, 0], [0.125, 0.125, 0.25, 0.5]], "f")
ALL = ("known", "batch", "open", "rank")

ACTIVATIONS = (
    "relu",
    "relu6",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "sigmoid",
    "tanh",
    "softmax",
    "log_softmax",
    "leaky_relu",
    "crelu",
)
for _name in ACTIVATIONS:
    row(f"activation/{_name}", lambda tf, x, name=_name: getattr(tf.nn, name)(x), MATRIX * 4)
    row(
        f"activation/{_name}-f64",
        lambda tf, x, n=_name: getattr(tf.nn, n)(x),
        MATRIX.astype("float64"),
        levels=("known",),
    )
row("activation/leaky-alpha", lambda tf, x: tf.nn.leaky_relu(x, alpha=0.1), MATRIX)
row("activation/relu-ints", lambda tf, x: tf.nn.relu(x), ints(-1, 0, 2))
row("activation/at-zero", lambda tf, x: [tf.nn.relu(x), tf.nn.relu6(x), tf.abs(x)], numpy.array([0, 6, -0.0], "f"))
row(
    "softmax/axis",
    lambda tf, x: [tf.nn.softmax(x, 1), tf.nn.softmax(x, axis=0), tf.nn.softmax(x, dim=-1)],
    CUBE,
    levels=("known", "batch"),
)
row("softmax/cube", lambda tf, x: [tf.nn.softmax(x), tf.nn.log_softmax(x, axis=1)], CUBE, levels=("known", "batch"))
row("softmax/large", lambda tf, x: [tf.nn.softmax(x), tf.nn.log_softmax(x)], numpy.array([[1000, 999, -1000]], "f"))
row("softmax/minus-infinity", lambda tf, x: tf.nn.softmax(x), numpy.array([[1, -numpy.inf, 0]], "f"), gradients=False)
row("softmax/function", lambda tf, x: tf.nn.softmax(logits=x, name="prediction"), MATRIX)

# Cross entropies ------------------------------------------------------------------------------------------------------

row(
    "softmax_xent/v1",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x),
    ONE_HOT,
    MATRIX,
    levels=ALL,
)
row(
    "softmax_xent/v2",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=x),
    SOFT,
    MATRIX,
    levels=ALL,
)
row("softmax_xent/soft", lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits(logits=x, labels=y), SOFT, MATRIX)
row(
    "softmax_xent/cube",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.nn.softmax(y), logits=x),
    floats(2, 3, 4, name="b"),
    CUBE,
    levels=("known", "batch"),
)
row(
    "softmax_xent/dim",
    lambda tf, y, x: tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x, dim=0),
    SOFT.T.copy(),
    floats(4, 3),
    levels=("known", "batch"),
)
row(
    "sparse_xent/vector",
    lambda tf, y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x),
    ints(2, 0, 3),
    MATRIX,
    levels=ALL,
)
row(
    "sparse_xent/int64",
    lambda tf, y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x),
    ints(2, 0, 3, dtype="int64"),
    floats(3, 4, dtype="float64"),
)
row(
    "sparse_xent/cube",
    lambda tf, y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x),
    ints([[2, 0, 3], [1, 1, 0]]),
    CUBE,
    levels=ALL,
)
row(
    "sparse_xent/masked-mean",
    lambda tf, y, x, n: (
        tf.reduce_sum(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x) * tf.sequence_mask(n, 3, tf.float32)
        )
        / tf.cast(tf.reduce_sum(n), tf.float32)
    ),
    ints([[2, 0, 3], [1, 1, 0]]),
    CUBE,
    ints(3, 1),
)
row(
    "sigmoid_xent/plain",
    lambda tf, y, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x),
    SOFT,
    MATRIX,
)
row(
    "sigmoid_xent/large",
    lambda tf, y, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x),
    numpy.array([0, 1, 0.5], "f"),
    numpy.array([1000, -1000, 0], "f"),
    levels=("known",),
)
row(
    "weighted_xent",
    lambda tf, y, x: tf.nn.weighted_cross_entropy_with_logits(targets=y, logits=x, pos_weight=2.5),
    SOFT,
    MATRIX,
    levels=("known", "batch"),
)

# Affine, norms --------------------------------------------------------------------------------------------------------

row(
    "xw_plus_b",
    lambda tf, x, w, b: tf.nn.xw_plus_b(x, w, b),
    MATRIX,
    floats(4, 2, name="w"),
    floats(2, name="b"),
    levels=ALL,
)
row("relu_layer", lambda tf, x, w, b: tf.nn.relu_layer(x, w, b), MATRIX, floats(4, 2, name="w"), floats(2, name="b"))
row("bias_add/matrix", lambda tf, x, b: tf.nn.bias_add(x, b), MATRIX, floats(4, name="b"))
row("bias_add/cube", lambda tf, x, b: tf.nn.bias_add(x, b), CUBE, floats(4, name="b"))
row("l2_loss", lambda tf, x: tf.nn.l2_loss(x), CUBE)
row("l2_loss/double", lambda tf, x: tf.nn.l2_loss(x), floats(3, dtype="float64"))
row(
    "l2_normalize",
    lambda tf, x: [tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(x, dim=0), tf.nn.l2_normalize(x, axis=-1)],
    MATRIX,
)
row("l2_normalize/zero", lambda tf, x: tf.nn.l2_normalize(x, 0), numpy.zeros(3, "f"))
row("moments/0", lambda tf, x: list(tf.nn.moments(x, [0])), MATRIX)
row("moments/list", lambda tf, x: list(tf.nn.moments(x, axes=[0, 1])), CUBE)
row("moments/keep", lambda tf, x: list(tf.nn.moments(x, [1], keep_dims=True)), MATRIX)
row(
    "batch_normalization",
    lambda tf, x, m, v, b, s: tf.nn.batch_normalization(x, m, v, b, s, 1e-3),
    MATRIX,
    floats(4, name="mean"),
    positive(4, name="variance"),
    floats(4, name="offset"),
    floats(4, name="scale"),
    levels=("known", "batch"),
)
row(
    "batch_normalization/no-scale",
    lambda tf, x: x * tf.nn.batch_normalization(x, *tf.nn.moments(x, [0]), None, None, variance_epsilon=1e-3),
    MATRIX,
)
row("zero_fraction", lambda tf, x: tf.nn.zero_fraction(x), numpy.array([0, 1, 0, 2], "f"))
row(
    "dropout/keep-one",
    lambda tf, x: [tf.nn.dropout(x, 1.0), tf.nn.dropout(x, keep_prob=1.0), tf.nn.dropout(x, rate=0.0)],
    MATRIX,
)
row("dropout/keep-fed", lambda tf, x, k: tf.nn.dropout(x, k), MATRIX, numpy.ones([], "f"))

# Convolution and pooling ----------------------------------------------------------------------------------------------

IMAGE = floats(2, 5, 6, 3, scale=1.0)
KERNEL = floats(3, 2, 3, 2, scale=0.5, name="kernel")
for _padding in ("SAME", "VALID"):
    for _strides in ([1, 1, 1, 1], [1, 2, 2, 1], [1, 2, 1, 1]):
        row(
            f"conv2d/{_padding}-{_strides[1]}{_strides[2]}",
            lambda tf, x, w, s=_strides, p=_padding: tf.nn.conv2d(x, w, strides=s, padding=p),
            IMAGE,
            KERNEL,
        )
    row(
        f"conv1d/{_padding}",
        lambda tf, x, w, p=_padding: tf.nn.conv1d(x, w, 2, p),
        floats(2, 7, 3, scale=1.0),
        floats(3, 3, 2, scale=0.5, name="kernel"),
    )
    for _k, _s in ((2, 2), (3, 1), (3, 2)):
        _window, _step = [1, _k, _k, 1], [1, _s, _s, 1]
        for _pool in ("max_pool", "avg_pool"):
            row(
                f"{_pool}/{_padding}-{_k}{_s}",
                lambda tf, x, f=_pool, k=_window, s=_step, p=_padding: getattr(tf.nn, f)(
                    x, ksize=k, strides=s, padding=p
                ),
                IMAGE,
                levels=("known", "batch"),
            )
row(
    "conv2d/dilated",
    lambda tf, x, w: tf.nn.conv2d(x, w, [1, 1, 1, 1], "VALID", dilations=[1, 2, 2, 1]),
    floats(1, 7, 7, 3, scale=1.0),
    KERNEL,
    levels=("known",),
    gradients=False,
)
row(
    "conv2d_transpose",
    lambda tf, x, w: tf.nn.conv2d_transpose(x, w, [2, 10, 12, 2], [1, 2, 2, 1]),
    IMAGE,
    floats(3, 3, 2, 3, scale=0.5, name="kernel"),
    levels=("known",),
)
row("convolution", lambda tf, x, w: tf.nn.convolution(x, w, "SAME"), IMAGE, KERNEL, levels=("known",))
row("depthwise", lambda tf, x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"), IMAGE, KERNEL, levels=("known",))


def _names(tf: Any, x: Any) -> Any:
    return tf.nn.softmax(tf.nn.relu(x, name="hidden"), name="out")


row("names", _names, MATRIX, levels=("known",))
