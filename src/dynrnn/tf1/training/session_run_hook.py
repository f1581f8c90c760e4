"""``tf.train.SessionRunHook``: what is told of every run of a monitored session, and may add to it."""

from __future__ import annotations

import collections
from typing import Any

__all__ = ["SessionRunArgs", "SessionRunContext", "SessionRunHook", "SessionRunValues"]


class SessionRunHook:
    """Override what is needed; a hook that overrides nothing does nothing."""

    def begin(self) -> None:
        """Called once before the session is made; the graph may still be changed."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called when the session is made and its variables have values; the graph is finalized."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each run; gives what to fetch and feed besides, or None."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after each run that did not fail, with what was fetched for this hook."""

    def end(self, session: Any) -> None:
        """Called at the end, unless the session ends with an exception other than the end of an input."""


class SessionRunArgs(
    collections.namedtuple("SessionRunArgs", ["fetches", "feed_dict", "options"], defaults=[None, None])
):
    """What a hook adds to a run: ``fetches``, ``feed_dict`` and (without effect) ``options``."""

    __slots__ = ()


class SessionRunValues(collections.namedtuple("SessionRunValues", ["results", "options", "run_metadata"])):
    """What a run gave for a hook: ``results`` has the structure of the fetches that it asked for."""

    __slots__ = ()


class SessionRunContext:
    """What a hook may know of the run, and its way to ask for a stop.

    Args:
        original_args: what the program fetches and feeds.
        session: the session, not the monitored one.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self._original_args = original_args
        self._session = session
        self._stop_requested = False

    @property
    def original_args(self) -> SessionRunArgs:
        """What the program fetches and feeds."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The session that runs."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """Whether a hook asked for a stop."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Let ``should_stop()`` of the monitored session be True from now on."""
        self._stop_requested = True
