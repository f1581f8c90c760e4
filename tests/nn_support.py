"""What the tests of ``tf.nn`` and ``tf.layers`` share: evaluating graphs, and derivatives by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dynrnn.tf1 as tf

Array = np.ndarray


def evaluate(function: Callable[..., Any], *arrays: Any, shapes: Any = None) -> Any:
    """``function`` of placeholders for ``arrays``, run in a graph of its own with initialised variables.

    ``shapes`` are static shapes, one per array; by default nothing but the rank is known.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = placeholders(arrays, shapes)
        fetches = function(*inputs)
        session.run(tf.global_variables_initializer())
        return session.run(fetches, dict(zip(inputs, arrays, strict=True)))


def placeholders(arrays: Any, shapes: Any = None) -> list[Any]:
    """A placeholder for each array; by default nothing but the rank is known."""
    known = [[None] * np.ndim(a) for a in arrays] if shapes is None else shapes
    return [tf.placeholder(str(np.asarray(a).dtype), s) for a, s in zip(arrays, known, strict=True)]


def value_and_gradients(function: Callable[..., Any], *arrays: Any) -> tuple[Any, list[Any]]:
    """The value of ``function``, and the gradients of its weighted sum by each floating array (None: there is none).

    The weights are 1, 2, 3, ... so that no two elements of the value count alike.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = placeholders(arrays)
        value = function(*inputs)
        total = tf.reduce_sum(
            value * tf.reshape(tf.cast(tf.range(1, tf.size(value) + 1), value.dtype), tf.shape(value))
        )
        wanted = tf.gradients(total, [x for x in inputs if x.dtype.is_floating])
        session.run(tf.global_variables_initializer())
        feeds = dict(zip(inputs, arrays, strict=True))
        return session.run(value, feeds), [None if g is None else session.run(g, feeds) for g in wanted]


def weighted_total(value: Any) -> float:
    """The sum whose gradients `value_and_gradients` gives."""
    flat = np.asarray(value, np.float64).ravel()
    return float(flat @ np.arange(1, flat.size + 1))


def numeric_gradient(function: Callable[[Array], Any], at: Array, step: float = 1e-5) -> Array:
    """The gradient of ``weighted_total(function(x))`` at ``at`` by central differences in float64."""
    point = np.array(at, np.float64)
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        ends = []
        for sign in (1, -1):
            moved = point.copy()
            moved[index] += sign * step
            ends.append(weighted_total(function(moved)))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient
