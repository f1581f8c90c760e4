"""TensorFlow's run-time error classes: one for each canonical status code."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["OpError", "from_exception"]

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS = range(7)
PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE = range(7, 12)
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = range(12, 17)


class OpError(Exception):
    """An error in the execution of a graph.

    Attributes:
        op: the operation that failed, or None.
        node_def: kept for TensorFlow's signature.
        message: what went wrong.
        error_code: the canonical status code.
    """

    code = UNKNOWN

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int | None = None) -> None:
        super().__init__(message)
        self.node_def = node_def
        self.op = op
        self.message = message
        self.error_code = self.code if error_code is None else error_code

    def __str__(self) -> str:
        if self.op is None:
            return self.message
        return f"{self.message}\n\t [[node {self.op.name} ({self.op.type})]]"

    def __reduce__(self) -> Any:
        return type(self), (None, None, self.message, self.error_code)


class CancelledError(OpError):
    """The step was cancelled."""

    code = CANCELLED


class UnknownError(OpError):
    """A cause without a better class."""

    code = UNKNOWN


class InvalidArgumentError(OpError):
    """An operation got values that it cannot take."""

    code = INVALID_ARGUMENT


class DeadlineExceededError(OpError):
    """The time allowed ran out."""

    code = DEADLINE_EXCEEDED


class NotFoundError(OpError):
    """Something asked for, a file for example, is not there."""

    code = NOT_FOUND


class AlreadyExistsError(OpError):
    """Something to be made is there already."""

    code = ALREADY_EXISTS


class PermissionDeniedError(OpError):
    """The system refused the access."""

    code = PERMISSION_DENIED


class ResourceExhaustedError(OpError):
    """Memory or another resource ran out."""

    code = RESOURCE_EXHAUSTED


class FailedPreconditionError(OpError):
    """The state needed is not there: an uninitialised variable, for example."""

    code = FAILED_PRECONDITION


class AbortedError(OpError):
    """The operation was aborted."""

    code = ABORTED


class OutOfRangeError(OpError):
    """An input ran past its end."""

    code = OUT_OF_RANGE


class UnimplementedError(OpError):
    """The operation is not implemented for these values."""

    code = UNIMPLEMENTED


class InternalError(OpError):
    """A fault in the program itself."""

    code = INTERNAL


class UnavailableError(OpError):
    """The runtime cannot be reached."""

    code = UNAVAILABLE


class DataLossError(OpError):
    """Data are lost or corrupt."""

    code = DATA_LOSS


class UnauthenticatedError(OpError):
    """The caller is not known."""

    code = UNAUTHENTICATED


def from_exception(op: Any, error: Exception) -> OpError:
    """The error class for what a kernel of ``op`` raised while it ran."""
    text = str(error)
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return ResourceExhaustedError(None, op, text)
    if isinstance(error, NotImplementedError) or "not implemented for" in text:
        return UnimplementedError(None, op, text)
    if isinstance(error, (ValueError, TypeError, IndexError, RuntimeError)):
        return InvalidArgumentError(None, op, text)
    return UnknownError(None, op, f"{type(error).__name__}: {text}")
