"""``tf.layers.Layer``: layers that programs derive, and what they may demand of their inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def _names() -> list[str]:
    return [v.name for v in tf.global_variables()]


def _collection(key: str) -> list[Any]:
    return tf.get_default_graph().get_collection(key)


class Scaled(tf.layers.Layer):
    """A layer with a layer as attribute, a loss and an update."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = tf.layers.Dense(2, name="inner")

    def build(self, input_shape: Any) -> None:
        assert input_shape.as_list()[1:] == [3]
        self.count = self.add_variable("count", [], initializer=tf.zeros_initializer(), trainable=False)
        self.scale = self.add_weight("scale", [3], initializer="ones", regularizer=tf.nn.l2_loss)
        super().build(input_shape)

    def call(self, inputs: Any, power: float = 1.0) -> Any:
        self.add_loss(tf.reduce_mean(inputs))
        self.add_update(tf.assign_add(self.count, power))
        return self.inner(inputs * self.scale * power)


def test_own_layer(session: Any) -> None:
    x = tf.ones([4, 3])
    layer = Scaled()
    first, second = layer(x), layer(x, power=2.0)
    assert _names() == ["scaled/count:0", "scaled/scale:0", "scaled/inner/kernel:0", "scaled/inner/bias:0"]
    own, inner = [layer.scale, layer.count], [layer.inner.kernel, layer.inner.bias]
    assert layer.trainable_variables == [layer.scale, *inner]
    assert layer.weights == [layer.scale, *inner, layer.count]
    assert layer.non_trainable_variables == own[1:]
    session.run(tf.global_variables_initializer())
    assert session.run(layer.losses) == [1.0, 1.0, 1.5]
    assert len(_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == 3
    assert layer.updates == _collection(tf.GraphKeys.UPDATE_OPS)
    session.run(layer.updates)
    assert session.run(layer.count) == 3.0
    values = session.run([first, second])
    np.testing.assert_allclose(values[1], 2 * values[0], rtol=1e-6)


def test_a_layer_that_forgets_to_say_that_it_is_built_is_built_once() -> None:
    class Forgetful(tf.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight("scale", [3])

        def call(self, inputs: Any) -> Any:
            return inputs * self.scale

    layer = Forgetful()
    layer(tf.ones([2, 3]))
    layer(tf.ones([2, 3]))
    assert layer.built
    assert _names() == ["forgetful/scale:0"]
    assert layer.weights == [layer.scale]


def test_weights_made_in_the_constructor(session: Any) -> None:
    class Early(tf.layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="early")
            self.first = self.add_weight("first", [3], initializer="ones")

        def build(self, input_shape: Any) -> None:
            self.second = self.add_weight("second", [3], initializer="ones")
            super().build(input_shape)

        def call(self, inputs: Any) -> Any:
            return inputs * self.first + self.second

    layer = Early()
    assert _names() == ["early/first:0"]
    first, second = layer(tf.ones([2, 3])), layer(tf.ones([2, 3]))
    assert _names() == ["early/first:0", "early/second:0"]
    session.run(tf.global_variables_initializer())
    for value in session.run([first, second]):
        assert value.tolist() == [[2.0] * 3] * 2


def test_layer_without_methods_is_the_identity(session: Any) -> None:
    layer = tf.layers.Layer(name="nothing")
    assert session.run(layer(tf.ones([2]))).tolist() == [1.0, 1.0]
    assert layer.count_params() == 0
    with pytest.raises(NotImplementedError, match="output shape"):
        layer.compute_output_shape([2])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ndim": 3}, "expected ndim=3, found ndim=2"),
        ({"max_ndim": 1}, "expected max_ndim=1, found ndim=2"),
        ({"min_ndim": 3}, "expected min_ndim=3, found ndim=2"),
        ({"dtype": "int32"}, "expected dtype=int32, found dtype=float32"),
        ({"axes": {0: 5}}, "expected axis 0 of input shape to have value 5"),
        ({"shape": (None, 7)}, r"expected shape=\(None, 7\)"),
    ],
)
def test_input_spec(spec: dict[str, Any], message: str) -> None:
    layer = tf.layers.Layer()
    layer.input_spec = tf.layers.InputSpec(**spec)
    with pytest.raises(ValueError, match=message):
        layer(tf.ones([2, 3]))
