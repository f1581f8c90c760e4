"""``tf.train.Coordinator``: several threads that stop together."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dynrnn.tf1 import logging
from dynrnn.tf1.core import errors

__all__ = ["Coordinator", "LooperThread"]

# how often a waiting join looks whether the threads are done
_POLL_SECS = 0.02


class Coordinator:
    """Tells threads to stop, and waits for them.

        coord = Coordinator()
        ... start threads that loop until coord.should_stop() ...
        coord.request_stop()
        coord.join(threads)

    Args:
        clean_stop_exception_types: exceptions with which a thread may end in order: by default ``OutOfRangeError``, the
            end of an input. ``join`` raises all others again.
    """

    def __init__(self, clean_stop_exception_types: Any = None) -> None:
        self._clean: tuple[Any, ...] = tuple(clean_stop_exception_types or (errors.OutOfRangeError,))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._joined = False
        self._threads: set[threading.Thread] = set()

    def request_stop(self, ex: Any = None) -> None:
        """Ask all threads to stop.

        Args:
            ex: why: an exception, or what ``sys.exc_info()`` gives. ``join`` raises the first one that comes.
        """
        error = ex[1] if isinstance(ex, tuple) else ex
        with self._lock:
            if error is not None and isinstance(error, self._clean):
                error = None
            if self._joined:
                if error is not None:
                    raise error
                return
            if self._stop.is_set():
                return
            if error is not None:
                logging.info("Error reported to Coordinator: %s, %s", type(error), error)
                self._error = error
            self._stop.set()

    def clear_stop(self) -> None:
        """Let ``should_stop()`` be False again."""
        with self._lock:
            self._joined = False
            self._error = None
            self._stop.clear()

    def should_stop(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """Ask for a stop when the block raises; the exception goes no further."""
        try:
            yield
        except Exception:
            self.request_stop(ex=sys.exc_info())

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Wait until a stop is asked for; False when ``timeout`` seconds pass before."""
        return self._stop.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Let ``join`` wait for ``thread`` too."""
        with self._lock:
            self._threads.add(thread)

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Wait for all threads: ``threads`` and those registered.

        As long as no stop is asked for it waits until all are done; after that for the time of grace.

        Args:
            threads: threads to wait for.
            stop_grace_period_secs: how long after the request to stop.
            ignore_live_threads: do not mind threads that live on after it.

        Raises:
            RuntimeError: threads that live on.
            Exception: the one that was handed to ``request_stop``.
        """
        with self._lock:
            waited = self._threads.union(threads or ())
        while any(t.is_alive() for t in waited) and not self.wait_for_stop(_POLL_SECS):
            pass
        end = time.monotonic() + stop_grace_period_secs
        for thread in waited:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))
        stragglers = [t.name for t in waited if t.is_alive()]
        with self._lock:
            self._joined = True
            self._threads = set()
            error = self._error
        if error is not None:
            raise error
        if stragglers and not ignore_live_threads:
            raise RuntimeError(f"Coordinator stopped with threads still running: {' '.join(stragglers)}")
        if stragglers:
            logging.info("Coordinator stopped with threads still running: %s", " ".join(stragglers))

    @property
    def joined(self) -> bool:
        """Whether ``join`` was called."""
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raise what was handed to ``request_stop``, if anything."""
        with self._lock:
            if self._error is not None:
                raise self._error


class LooperThread(threading.Thread):
    """A thread that calls a function again and again until the coordinator asks it to stop.

    Args:
        coord: the coordinator, with which it registers.
        timer_interval_secs: seconds between calls; None: without a pause.
        target, args, kwargs: the function and its arguments; or override :meth:`run_loop`.

    Raises:
        ValueError: ``coord`` is no coordinator.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Any = None,
        kwargs: Any = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise ValueError(f"'coord' argument must be a Coordinator: {coord}")
        super().__init__(daemon=True)
        self._coord = coord
        self._interval = timer_interval_secs
        self._called = target
        self._call_args = args or ()
        self._call_kwargs = kwargs or {}
        if target is None and (args or kwargs):
            raise ValueError("args or kwargs passed without target")
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator, timer_interval_secs: float | None, target: Callable[..., Any], args: Any = None,
        kwargs: Any = None,
    ) -> LooperThread:  # fmt: skip
        """A thread like this, started."""
        thread = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        thread.start()
        return thread

    def run(self) -> None:
        """The loop."""
        with self._coord.stop_on_exception():
            self.start_loop()
            if self._interval is None:
                while not self._coord.should_stop():
                    self.run_loop()
            else:
                due = time.monotonic()
                while not self._coord.wait_for_stop(max(0.0, due - time.monotonic())):
                    due += self._interval
                    self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called before the loop."""

    def stop_loop(self) -> None:
        """Called after the loop."""

    def run_loop(self) -> None:
        """One turn: calls the target."""
        if self._called is not None:
            self._called(*self._call_args, **self._call_kwargs)
