"""Run-time errors: their classes and codes, what they carry, and which one a failing operation raises."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1

CODES = {
    "CancelledError": 1,
    "UnknownError": 2,
    "InvalidArgumentError": 3,
    "DeadlineExceededError": 4,
    "NotFoundError": 5,
    "AlreadyExistsError": 6,
    "PermissionDeniedError": 7,
    "ResourceExhaustedError": 8,
    "FailedPreconditionError": 9,
    "AbortedError": 10,
    "OutOfRangeError": 11,
    "UnimplementedError": 12,
    "InternalError": 13,
    "UnavailableError": 14,
    "DataLossError": 15,
    "UnauthenticatedError": 16,
}


@pytest.fixture
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


@pytest.mark.parametrize("name", CODES)
def test_classes(name: str) -> None:
    kind = getattr(tf.errors, name)
    assert issubclass(kind, tf.errors.OpError) and issubclass(kind, Exception)
    error = kind(None, None, "what went wrong")
    assert (error.error_code, error.message, error.op, error.node_def) == (CODES[name], "what went wrong", None, None)
    assert "what went wrong" in str(error)
    with pytest.raises(kind):
        raise error


def test_the_constants_of_the_codes() -> None:
    codes = tf.errors.OK, tf.errors.INVALID_ARGUMENT, tf.errors.OUT_OF_RANGE, tf.errors.UNAUTHENTICATED
    assert codes == (0, 3, 11, 16)


def test_an_error_with_an_operation_says_which() -> None:
    with tf.Graph().as_default():
        op = tf.constant(1.0, name="there").op
    error = tf.errors.InvalidArgumentError(None, op, "what went wrong")
    assert error.op is op and "there" in str(error) and error.message == "what went wrong"


def test_errors_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(tf.errors.NotFoundError(None, None, "gone")))
    assert isinstance(error, tf.errors.NotFoundError) and error.message == "gone" and error.error_code == 5


def test_which_error_a_failing_operation_raises(session: Any) -> None:
    x = tf.placeholder(tf.float32)
    n = tf.placeholder(tf.int32)
    w = tf.Variable(1.0, name="w")
    for fetch, feeds, kind in (
        (tf.matmul(x, x), {x: np.ones([2, 3])}, tf.errors.InvalidArgumentError),
        (tf.reshape(x, [4]), {x: np.ones([3])}, tf.errors.InvalidArgumentError),
        (tf.gather(tf.constant([1.0, 2.0]), n), {n: [5]}, tf.errors.InvalidArgumentError),
        (x + tf.constant([1.0, 2.0]), {x: np.ones([3])}, tf.errors.InvalidArgumentError),
        (tf.constant(1) // n, {n: 0}, tf.errors.InvalidArgumentError),
        (x, {}, tf.errors.InvalidArgumentError),
        (w, {}, tf.errors.FailedPreconditionError),
    ):
        with pytest.raises(kind) as caught:
            session.run(fetch, feeds)
        assert type(caught.value) is kind
        assert caught.value.op is not None and caught.value.op.name in str(caught.value)


def test_an_error_inside_a_loop_names_the_operation_inside(session: Any) -> None:
    x = tf.placeholder(tf.float32)
    loop = tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, tf.matmul(y, x, name="inner")), [0, x])
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(loop, {x: np.ones([2, 3])})
    assert caught.value.op.name == "while/inner"


def test_what_kernels_raise_becomes_one_of_these() -> None:
    from dynrnn.tf1.core.errors import from_exception

    for error, kind in (
        (ValueError("a"), tf.errors.InvalidArgumentError),
        (TypeError("a"), tf.errors.InvalidArgumentError),
        (IndexError("a"), tf.errors.InvalidArgumentError),
        (RuntimeError("a"), tf.errors.InvalidArgumentError),
        (RuntimeError("\"cos_cpu\" not implemented for 'Int'"), tf.errors.UnimplementedError),
        (NotImplementedError("a"), tf.errors.UnimplementedError),
        (MemoryError("a"), tf.errors.ResourceExhaustedError),
        (torch.cuda.OutOfMemoryError("a"), tf.errors.ResourceExhaustedError),
        (KeyError("a"), tf.errors.UnknownError),
    ):
        assert type(from_exception(None, error)) is kind
