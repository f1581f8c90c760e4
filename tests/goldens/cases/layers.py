"""``tf.layers``: values, gradients, variable names, reuse, collections."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, fixed, flatten, gradients_of


def _all(tf: Any, fetches: dict[str, Any], inputs: dict[str, Any], feeds: Any) -> Program:
    """The fetches with gradients of their floating leaves by the inputs and all trainable variables."""
    leaves = [leaf for name, nest in fetches.items() for _, leaf in flatten(nest, name)]
    wrt = {**inputs, **{v.op.name: v for v in tf.trainable_variables()}}
    return Program({**fetches, **gradients_of(tf, leaves, wrt)}, feeds)


def _dense(name: str, shape: list[Any], real: list[int], /, **options: Any) -> None:
    @case(f"dense/{name}")
    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, shape)
        chosen = {key: value(tf) if callable(value) else value for key, value in options.items()}
        y = tf.layers.dense(x, 3, **chosen)
        return _all(tf, {"y": y}, {"x": x}, {x: fixed("layers x", real)})


_dense("plain", [None, 4], [2, 4])
_dense("relu", [None, 4], [2, 4], activation=lambda tf: tf.nn.relu)
_dense("no-bias", [None, 4], [2, 4], use_bias=False)
_dense("named", [None, 4], [2, 4], name="hidden")
_dense("cube", [None, None, 4], [2, 3, 4])
_dense("cube-tanh", [2, 3, 4], [2, 3, 4], activation=lambda tf: tf.tanh)
_dense(
    "not-trainable",
    [None, 4],
    [2, 4],
    trainable=False,
    name="frozen",
    kernel_initializer=lambda tf: tf.constant_initializer(0.25),
)


@case("dense/initial-values", load=False)
def dense_initial_values(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 2])
    tf.layers.dense(x, 2, kernel_initializer=tf.constant_initializer(0.5), name="a")
    tf.layers.dense(x, 2, kernel_initializer=tf.zeros_initializer(), bias_initializer=tf.ones_initializer(), name="b")
    with tf.variable_scope("scope", initializer=tf.constant_initializer(0.25)):
        tf.layers.dense(x, 2, name="c")
    return Program({v.op.name: v for v in tf.global_variables()})


@case("dense/reuse")
def dense_reuse(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 4])
    one = tf.layers.dense(x, 3, name="shared")
    two = tf.layers.dense(2.0 * x, 3, name="shared", reuse=True)
    with tf.variable_scope("scope"):
        three = tf.layers.dense(x, 3, name="inner")
    with tf.variable_scope("scope", reuse=True):
        four = tf.layers.dense(x + 1.0, 3, name="inner")
    fetches = {"one": one, "two": two, "three": three, "four": four}
    return _all(tf, fetches, {"x": x}, {x: fixed("layers x", [2, 4])})


@case("dense/object")
def dense_object(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 4])
    layer = tf.layers.Dense(3, activation=tf.nn.sigmoid, use_bias=True)
    one, two = layer(x), layer.apply(x * 0.5)
    named = tf.layers.Dense(2, name="output", use_bias=False)
    three = named(one)
    program = _all(tf, {"one": one, "two": two, "three": three}, {"x": x}, {x: fixed("layers x", [2, 4])})
    program.facts = {
        "kernel": layer.kernel.name,
        "bias": layer.bias.name,
        "units": layer.units,
        "variables": [v.name for v in layer.variables],
        "trainable": [v.name for v in named.trainable_variables],
        "name": named.name,
    }
    return program


@case("dense/regularizer")
def dense_regularizer(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 4])
    y = tf.layers.dense(x, 3, kernel_regularizer=lambda w: 0.1 * tf.nn.l2_loss(w))
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    return Program(
        {"y": y, "losses": losses, "sum": tf.losses.get_regularization_loss()}, {x: fixed("layers x", [2, 4])}
    )


@case("dense/float64")
def dense_double(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float64, [None, 4])
    return _all(tf, {"y": tf.layers.dense(x, 3)}, {"x": x}, {x: fixed("layers x", [2, 4], "float64")})


@case("dense/unknown-depth", must_fail=True)
def dense_unknown(tf: Any, np: Any) -> Program:
    tf.layers.dense(tf.placeholder(tf.float32, [None, None]), 3)
    return Program()


@case("dense/exists", must_fail=True, fragments=["already exists, disallowed"])
def dense_exists(tf: Any, np: Any) -> Program:
    x = tf.ones([2, 4])
    tf.layers.dense(x, 3, name="layer")
    tf.layers.dense(x, 3, name="layer")
    return Program()


@case("flatten")
def flatten_layer(tf: Any, np: Any) -> Program:
    fetches, feeds = {}, {}
    for name, shape, real in (
        ("known", [2, 3, 4], [2, 3, 4]),
        ("batch", [None, 3, 4], [2, 3, 4]),
        ("inner", [2, None, 4], [2, 3, 4]),
        ("matrix", [None, 3], [2, 3]),
        ("vector", [2], [2]),
    ):
        x = tf.placeholder(tf.float32, shape)
        fetches[name] = tf.layers.flatten(x)
        feeds[x] = fixed("layers " + name, real)
    return Program(fetches, feeds)


@case("dropout/inference")
def dropout(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 4])
    training = tf.placeholder_with_default(False, [])
    fetches = {
        "default": tf.layers.dropout(x),
        "off": tf.layers.dropout(x, 0.9, training=False),
        "fed": tf.layers.dropout(x, rate=0.9, training=training),
        "nothing dropped": tf.layers.dropout(x, 0.0, training=True),
    }
    return Program(fetches, {x: fixed("layers x", [2, 4])})


def _batch_norm(name: str, training: Any, shape: list[int], /, **options: Any) -> None:
    @case(f"batch_normalization/{name}")
    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [None, *shape[1:]])
        y = tf.layers.batch_normalization(x, training=training, **options)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        moving = [v for v in tf.global_variables() if "moving" in v.name]
        data = {x: fixed("layers normal", shape)}

        def script(session: Any) -> dict[str, Any]:
            if updates:
                session.run(updates, data)
                session.run(updates, data)
            return {f"after/{v.op.name}": session.run(v) for v in moving}

        # The product keeps the gradient away from the nothing that a normalised sum of squares has.
        program = _all(tf, {"y": y, "product": y * x}, {"x": x}, data)
        program.facts = {"updates": len(updates)}
        program.script = script
        return program


_batch_norm("inference", False, [3, 4])
_batch_norm("training", True, [3, 4])
_batch_norm("training-cube", True, [2, 3, 4])
_batch_norm("options", True, [3, 4], momentum=0.5, epsilon=0.1, center=False, name="norm")
_batch_norm("no-scale", True, [3, 4], scale=False)


@case("batch_normalization/fed-training")
def batch_norm_fed(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 4])
    training = tf.placeholder(tf.bool, [])
    y = tf.layers.batch_normalization(x, training=training)
    data = fixed("layers normal", [3, 4])
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        done = tf.identity(y)

    def script(session: Any) -> dict[str, Any]:
        return {
            "training": session.run(done, {x: data, training: True}),
            "inference": session.run(done, {x: data, training: False}),
            **{v.op.name: session.run(v) for v in tf.global_variables()},
        }

    return Program(script=script)


def _convolution(name: str, make: Any, shape: list[int]) -> None:
    @case(name)
    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [None, *shape[1:]])
        return _all(tf, {"y": make(tf, x)}, {"x": x}, {x: fixed("layers image", shape)})


_convolution("conv1d/plain", lambda tf, x: tf.layers.conv1d(x, 2, 3), [2, 7, 3])
_convolution(
    "conv1d/same", lambda tf, x: tf.layers.conv1d(x, filters=2, kernel_size=[3], strides=2, padding="same"), [2, 7, 3]
)
_convolution("conv2d/plain", lambda tf, x: tf.layers.conv2d(x, 2, 3), [2, 5, 6, 3])
_convolution(
    "conv2d/relu",
    lambda tf, x: tf.layers.conv2d(x, 2, [3, 2], (2, 1), padding="SAME", activation=tf.nn.relu, name="conv"),
    [2, 5, 6, 3],
)
_convolution("conv2d/no-bias", lambda tf, x: tf.layers.conv2d(x, 2, 1, use_bias=False), [1, 3, 3, 2])
_convolution("max_pooling2d", lambda tf, x: tf.layers.max_pooling2d(x, 2, 2), [2, 5, 6, 3])
_convolution("max_pooling2d/same", lambda tf, x: tf.layers.max_pooling2d(x, [2, 2], 2, padding="same"), [2, 5, 6, 3])
_convolution("max_pooling1d", lambda tf, x: tf.layers.max_pooling1d(x, 2, 2), [2, 5, 3])
_convolution("average_pooling2d", lambda tf, x: tf.layers.average_pooling2d(x, 2, 2), [2, 5, 6, 3])


@case("stack")
def stack(tf: Any, np: Any) -> Program:
    """A small network of several layers under scopes, as programs write them."""
    x = tf.placeholder(tf.float32, [None, 8, 8, 1])
    with tf.variable_scope("net"):
        y = tf.layers.conv2d(x, 2, 3, padding="same", activation=tf.nn.relu)
        y = tf.layers.max_pooling2d(y, 2, 2)
        y = tf.layers.conv2d(y, 3, 3, padding="same", activation=tf.nn.relu)
        y = tf.layers.flatten(y)
        y = tf.layers.dense(y, 4, activation=tf.nn.tanh)
        y = tf.layers.dense(y, 2)
    return _all(tf, {"y": y}, {"x": x}, {x: fixed("layers net", [2, 8, 8, 1])})
