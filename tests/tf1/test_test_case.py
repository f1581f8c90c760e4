"""``tf.test.TestCase``: sessions and assertions, in a graph of its own for each test."""

from __future__ import annotations

import numpy as np
import pytest

import dynrnn.tf1 as tf


class Sample(tf.test.TestCase):
    def test_assertions(self) -> None:
        with self.test_session() as session:
            x = tf.constant([1.0, 2.0])
            self.assertAllEqual(x.eval(), [1.0, 2.0])
            self.assertAllClose(session.run(x), [1.0 + 1e-8, 2.0])
            self.assertAllEqual(x, [1.0, 2.0])
        self.assertAllClose({"a": x}, {"a": [1.0, 2.0]})
        with pytest.raises(AssertionError):
            self.assertAllClose([1.0], [1.1])
        with pytest.raises(AssertionError):
            self.assertAllEqual([1.0], [[1.0]])
        with self.session(), self.assertRaisesOpError("must feed"):
            tf.placeholder(tf.float32, []).eval()
        self.assertShapeEqual(np.zeros([2]), x)
        self.assertNear(1.0, 1.5, 0.5)

    def test_each_has_its_own_graph(self) -> None:
        assert not tf.get_default_graph().get_operations()
