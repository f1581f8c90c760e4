"""What a queue is while a session runs: a buffer, and threads that wait to put in or take out.

Waiting takers have their turn one after the other, and so have those who put in. A taker of several elements takes them
as they come, so that it may ask for more than the queue holds at once; when the queue is closed before it has them all,
it puts back what it has.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1.core import errors

__all__ = ["QueueState"]

Element = tuple[Any, ...]


class QueueState:
    """A queue of elements, each a tuple of component values.

    Args:
        kind: TensorFlow's name of the class, for messages.
        name: the queue's name.
        capacity: how many elements it holds at most; below 1: any number.
        min_after_dequeue: how many must stay, until it is closed, for the order to be random.
        order: elements are taken in the random order that it gives; None: as they came.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        capacity: int,
        min_after_dequeue: int = 0,
        order: torch.Generator | None = None,
    ) -> None:
        self._label = f"{kind} '{name}'"
        self._capacity = capacity if capacity > 0 else None
        self._min_after = min_after_dequeue
        self._order = order
        self._buffer: list[Element] = []
        self._first = 0  # the buffer's head; what is before it was taken
        self._closing = False  # closed as soon as nobody waits for room
        self._closed = False
        self._givers_waiting = 0
        self._stopped = False
        self._change = threading.Condition()
        self._takers = threading.Lock()
        self._givers = threading.Lock()
        self._cancelled_givers = 0

    @property
    def size(self) -> int:
        """How many elements there are."""
        return len(self._buffer) - self._first

    @property
    def closed(self) -> bool:
        """Whether nothing can be put in any more."""
        return self._closing

    def put(self, elements: Sequence[Element]) -> None:
        """Append, waiting for room.

        Raises:
            tf.errors.CancelledError: the queue or the session is closed.
        """
        with self._change:
            if self._closing:
                raise errors.CancelledError(None, None, f"{self._label} is closed.")
            self._givers_waiting += 1
            generation = self._cancelled_givers
        try:
            with self._givers, self._change:
                for element in elements:
                    while True:
                        if self._stopped or generation != self._cancelled_givers:
                            raise errors.CancelledError(None, None, "Enqueue operation was cancelled")
                        if self._capacity is None or self.size < self._capacity:
                            break
                        self._change.wait()
                    self._buffer.append(element)
                    self._change.notify_all()
        finally:
            with self._change:
                self._givers_waiting -= 1
                if self._closing and not self._givers_waiting:
                    self._closed = True
                self._change.notify_all()

    def take(self, count: int, fewer: bool = False) -> list[Element]:
        """Take ``count`` elements, waiting for them.

        Args:
            count: how many.
            fewer: be content with fewer, at least one, when the queue is closed.

        Raises:
            tf.errors.OutOfRangeError: the queue is closed and has not as many.
            tf.errors.CancelledError: the session is closed.
        """
        taken: list[Element] = []
        with self._takers, self._change:
            try:
                while len(taken) < count:
                    if self._stopped:
                        raise errors.CancelledError(None, None, "Dequeue operation was cancelled")
                    if self.size > (0 if self._closed else self._min_after):
                        taken.append(self._pop())
                        self._change.notify_all()
                    elif self._closed:
                        if fewer and taken:
                            break
                        raise errors.OutOfRangeError(
                            None,
                            None,
                            f"{self._label} is closed and has insufficient elements (requested {count}, current size "
                            f"{self.size + len(taken)})",
                        )
                    else:
                        self._change.wait()
            except BaseException:
                self._buffer[self._first : self._first] = taken
                self._change.notify_all()
                raise
        return taken

    def _pop(self) -> Element:
        if self._order is not None:
            index = int(torch.randint(len(self._buffer), (), generator=self._order))
            self._buffer[index], self._buffer[-1] = self._buffer[-1], self._buffer[index]
            return self._buffer.pop()
        element = self._buffer[self._first]
        self._buffer[self._first] = ()
        self._first += 1
        if self._first > 64 and self._first * 2 > len(self._buffer):
            del self._buffer[: self._first]
            self._first = 0
        return element

    def close(self, cancel_pending: bool) -> None:
        """Let nothing in any more; what is in can be taken.

        Args:
            cancel_pending: refuse those too who wait for room; otherwise they are let in first.
        """
        with self._change:
            if cancel_pending:
                self._cancelled_givers += 1
                self._closed = True
            self._closing = True
            if not self._givers_waiting:
                self._closed = True
            self._change.notify_all()

    def cancel(self) -> None:
        """Wake up everybody who waits: the session is closed."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
