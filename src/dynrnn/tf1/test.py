"""``tf.test``: a test case with sessions and assertions about arrays; what devices there are."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.graph import Graph, get_default_graph, reset_default_graph
from dynrnn.tf1.core.session import Session, get_default_session
from dynrnn.tf1.random_ops import set_random_seed

__all__ = [
    "TestCase",
    "get_temp_dir",
    "gpu_device_name",
    "is_built_with_cuda",
    "is_gpu_available",
    "main",
    "mock",
    "test_src_dir_path",
]

_SEED = 87654321


def main(argv: Any = None) -> None:
    """Run the tests of the program and exit."""
    unittest.main(argv=argv)


def gpu_device_name() -> str:
    """The empty string: graphs run on the CPU."""
    return ""


def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """False: graphs run on the CPU."""
    return False


def is_built_with_cuda() -> bool:
    """False: graphs run on the CPU."""
    return False


def get_temp_dir() -> str:
    """A folder for files of tests."""
    return tempfile.mkdtemp(prefix="dynrnn_test_")


def test_src_dir_path(relative_path: str) -> str:
    """The path of a file below the folder where the tests are run."""
    return os.path.join(os.getcwd(), relative_path)


test_src_dir_path.__test__ = False  # type: ignore[attr-defined]


class TestCase(unittest.TestCase):
    """``unittest.TestCase`` with a fresh graph for each test, sessions, and assertions about arrays.

    Random generators of Python, numpy and the graph start each test from the same seed.
    """

    __test__ = False  # of a collector that finds the class by its name; derived classes are tests again

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__test__" not in vars(cls):
            cls.__test__ = True

    def setUp(self) -> None:
        """A new default graph, and the seeds."""
        super().setUp()
        random.seed(_SEED)
        np.random.seed(_SEED)
        reset_default_graph()
        set_random_seed(_SEED)
        self._temp_dir: str | None = None

    def get_temp_dir(self) -> str:
        """A folder for files of this test."""
        if self._temp_dir is None:
            self._temp_dir = get_temp_dir()
        return self._temp_dir

    @contextlib.contextmanager
    def session(
        self, graph: Graph | None = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """A session as the default one; the graph is the default graph unless given."""
        used = get_default_graph() if graph is None else graph
        with used.as_default(), Session(graph=used, config=config) as session:
            yield session

    test_session = session
    test_session.__test__ = False  # type: ignore[attr-defined]
    cached_session = session

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors in the default session, or in a new one."""
        session = get_default_session()
        if session is not None:
            return session.run(tensors)
        with self.session() as own:
            return own.run(tensors)

    def _array(self, value: Any) -> Any:
        return self.evaluate(value) if hasattr(value, "graph") else value

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None) -> None:
        """Arrays, or nests of them, that are equal up to tolerances."""
        a, b = self._array(a), self._array(b)
        if isinstance(a, dict):
            self.assertEqual(sorted(a), sorted(b), msg)
            for key in a:
                self.assertAllClose(a[key], b[key], rtol, atol, msg)
        elif isinstance(a, (list, tuple)) and any(np.ndim(x) for x in a) and len({np.shape(x) for x in a}) > 1:
            self.assertEqual(len(a), len(b), msg)
            for x, y in zip(a, b, strict=True):
                self.assertAllClose(x, y, rtol, atol, msg)
        else:
            self.assertShapeEqualTo(a, b, msg)
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol, err_msg=msg or "")

    def assertShapeEqualTo(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Arrays of one shape."""
        self.assertEqual(np.shape(a), np.shape(b), msg)

    def assertAllCloseAccordingToType(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, half_rtol: float = 1e-3, half_atol: float = 1e-3
    ) -> None:
        """:meth:`assertAllClose` with wider tolerances for float16."""
        a, b = np.asarray(self._array(a)), np.asarray(self._array(b))
        if np.float16 in (a.dtype, b.dtype):
            rtol, atol = max(rtol, half_rtol), max(atol, half_atol)
        self.assertAllClose(a, b, rtol, atol)

    def assertAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Arrays of one shape with equal elements."""
        a, b = np.asarray(self._array(a)), np.asarray(self._array(b))
        self.assertShapeEqualTo(a, b, msg)
        np.testing.assert_array_equal(a, b, err_msg=msg or "")

    def assertNear(self, f1: float, f2: float, err: float, msg: str | None = None) -> None:
        """Two numbers that differ by at most ``err``."""
        self.assertTrue(abs(f1 - f2) <= err, f"{f1!r} != {f2!r} +/- {err!r}" + (f" ({msg})" if msg else ""))

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: str | None = None) -> None:
        """Two sequences whose elements differ by at most ``err``."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for one, other in zip(farray1, farray2, strict=True):
            self.assertNear(float(one), float(other), err, msg)

    def assertShapeEqual(self, np_array: Any, tf_tensor: Any, msg: str | None = None) -> None:
        """An array and a tensor with that static shape."""
        self.assertEqual(list(np.shape(np_array)), tf_tensor.get_shape().as_list(), msg)

    def assertAllInRange(self, target: Any, lower_bound: float, upper_bound: float) -> None:
        """An array whose elements lie between two numbers."""
        values = np.asarray(self._array(target))
        self.assertTrue(bool(((values >= lower_bound) & (values <= upper_bound)).all()), f"{values}")

    @contextlib.contextmanager
    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Iterator[None]:
        """An error of ``tf.errors`` whose message the expression finds."""
        from dynrnn.tf1.core.errors import OpError

        with self.assertRaisesRegex(OpError, expected_err_re_or_predicate):
            yield


__getattr__ = missing(__name__, globals())
