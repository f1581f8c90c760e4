"""What ``layers`` leaves out of ``tf.layers``: rarer arguments, names, normalised images, layers of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.harness import Program, case, fixed, flatten, gradients_of


def _layer(
    name: str,
    make: Callable[[Any, Any], Any],
    shape: list[int],
    *,
    static: list[Any] | None = None,
    dtype: str = "float32",
) -> None:
    @case(f"layer/{name}")
    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(dtype, static or [None, *shape[1:]])
        made = {"y": make(tf, x)}
        losses = tf.losses.get_regularization_losses()
        wrt = {"x": x, **{v.op.name: v for v in tf.trainable_variables()}}
        leaves = [leaf for _, leaf in flatten(made["y"], "")]
        facts = {"name": [leaf.name for leaf in leaves], "losses": [loss.name for loss in losses]}
        return Program(
            {**made, "losses": losses, **gradients_of(tf, leaves, wrt)}, {x: fixed("neural x", shape, dtype)}, facts
        )


_layer("dense/activity_regularizer", lambda tf, x: tf.layers.dense(x, 3, activity_regularizer=tf.nn.l2_loss), [2, 4])
_layer(
    "dense/regularizers",
    lambda tf, x: tf.layers.dense(
        x, 3, kernel_regularizer=tf.nn.l2_loss, bias_regularizer=lambda b: tf.reduce_sum(tf.abs(b)), name="d"
    ),
    [2, 4],
)
_layer("dense/rank-4", lambda tf, x: tf.layers.dense(x, 3), [2, 2, 3, 4], static=[None, 2, None, 4])
_layer("dense/double-inside-scope", lambda tf, x: tf.layers.dense(x, 3, use_bias=False), [2, 4], dtype="float64")
_layer("conv1d/dilated", lambda tf, x: tf.layers.conv1d(x, 2, 3, dilation_rate=2), [2, 8, 3])
_layer(
    "conv1d/strides", lambda tf, x: tf.layers.conv1d(x, 2, 4, strides=3, padding="same", activation=tf.tanh), [2, 8, 3]
)
_layer("conv2d/dilated", lambda tf, x: tf.layers.conv2d(x, 2, 3, dilation_rate=(1, 2), padding="same"), [1, 6, 7, 3])
_layer("conv2d_transpose/same", lambda tf, x: tf.layers.conv2d_transpose(x, 2, 3, 2, padding="same"), [2, 3, 4, 3])
_layer("conv2d_transpose/valid", lambda tf, x: tf.layers.conv2d_transpose(x, 2, (3, 2), (2, 3)), [2, 3, 4, 3])
_layer(
    "conv2d_transpose/unknown-size",
    lambda tf, x: tf.layers.conv2d_transpose(x, 2, 3, 2, activation=tf.nn.relu, name="up"),
    [2, 3, 4, 3],
    static=[None, None, None, 3],
)
_layer("average_pooling1d", lambda tf, x: tf.layers.average_pooling1d(x, 3, 2, padding="same"), [2, 8, 3])
_layer("max_pooling1d", lambda tf, x: tf.layers.max_pooling1d(x, 3, 2, padding="same"), [2, 8, 3])
_layer("average_pooling2d", lambda tf, x: tf.layers.average_pooling2d(x, (3, 2), 2, padding="same"), [2, 5, 6, 3])


def _norm(name: str, shape: list[int], training: Any, **options: Any) -> None:
    @case(f"layer/batch_normalization/{name}")
    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [None, *shape[1:]])
        flag = tf.placeholder(tf.bool, []) if training is None else training
        y = tf.layers.batch_normalization(x, training=flag, **options)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        data = fixed("neural normal", shape)

        def script(session: Any) -> dict[str, Any]:
            got = {}
            for step, value in enumerate([True, False, True] if training is None else [training]):
                feeds = {x: data * (step + 1), **({flag: value} if training is None else {})}
                got[f"y{step}"] = session.run([y, *updates], feeds)[0]
                got.update({f"{v.op.name}/{step}": session.run(v) for v in tf.global_variables()})
            return got

        return Program(facts={"name": y.name, "shape": str(y.get_shape())}, script=script)


_norm("image-training", [2, 3, 4, 3], True)
_norm("image-inference", [2, 3, 4, 3], False)
_norm("image-fed", [2, 3, 4, 3], None, momentum=0.5)
_norm("image-not-fused", [2, 3, 4, 3], True, fused=False)
_norm("image-no-parameters", [2, 3, 4, 3], True, center=False, scale=False)
_norm("matrix-fed", [4, 3], None, momentum=0.75)
_norm("cube-axis-1", [2, 3, 4], True, axis=1, momentum=0.25)
_norm("fused-on-matrix", [4, 3], True, fused=True)


@case("layer/reuse-and-names")
def reuse_and_names(tf: Any, np: Any) -> Program:
    """Which variables calls share, and what their results are called."""
    x = tf.placeholder(tf.float32, [None, 3])
    image = tf.placeholder(tf.float32, [None, 4, 4, 1])
    made = [tf.layers.dense(x, 3), tf.layers.dense(x, 3, activation=tf.nn.relu), tf.layers.dense(x, 3, name="a")]
    made.append(tf.layers.dense(x, 3, name="a", reuse=True))
    layer = tf.layers.Dense(3, name="b")
    made += [layer(x), layer(x), tf.layers.Dense(3, name="b")(x)]
    for _ in range(2):
        with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
            made += [tf.layers.dense(x, 3, name="c"), tf.layers.dense(x, 3, name="d", use_bias=False)]
    with tf.variable_scope("t"):
        made.append(tf.layers.dense(x, 3))
    with tf.variable_scope("t", reuse=True):
        made.append(tf.layers.dense(x, 3))
    made += [
        tf.layers.conv2d(image, 2, 3),
        tf.layers.conv2d(image, 2, 3, activation=tf.nn.relu),
        tf.layers.max_pooling2d(image, 2, 2),
        tf.layers.average_pooling2d(image, 2, 2),
        tf.layers.flatten(image),
        tf.layers.flatten(image),
        tf.layers.dropout(x),
        tf.layers.batch_normalization(x),
    ]
    facts = {"names": [t.name for t in made], "scope": layer.scope_name, "count": layer.count_params()}
    return Program({"y": made}, {x: fixed("neural x", [2, 3]), image: fixed("neural image", [2, 4, 4, 1])}, facts)


@case("layer/own")
def own_layer(tf: Any, np: Any) -> Program:
    """A layer that a program derives, with a layer inside, a loss, an update and two calls."""

    class Scaled(tf.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(
                "scale",
                [input_shape[-1]],
                initializer=tf.ones_initializer(),
                regularizer=lambda v: 0.5 * tf.nn.l2_loss(v),
            )
            self.count = self.add_variable("count", [], initializer=tf.zeros_initializer(), trainable=False)
            super().build(input_shape)

        def call(self, inputs: Any, power: float = 1.0) -> Any:
            self.add_loss(tf.reduce_mean(inputs))
            self.add_update(tf.assign_add(self.count, 1.0))
            return tf.layers.dense(inputs * self.scale * power, 2, name="inner", reuse=tf.AUTO_REUSE)

    x = tf.placeholder(tf.float32, [None, 3])
    layer = Scaled()
    first, second = layer(x), layer(x + 1.0, power=2.0)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    facts = {
        "names": [first.name, second.name],
        "weights": [v.name for v in layer.weights],
        "trainable": [v.name for v in layer.trainable_weights],
        "other": [v.name for v in layer.non_trainable_variables],
        "losses": len(layer.losses),
        "collected": len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)),
        "updates": len(updates),
    }
    return Program({"y": [first, second], "losses": layer.losses}, {x: fixed("neural x", [2, 3])}, facts)
