"""``tf.logging``: messages on standard error as ``INFO:tensorflow:text``.

The logger is Python's own, named ``tensorflow``; like TensorFlow's it gets a handler only if the program has not set up
the root logger by then, and shows warnings and worse until ``set_verbosity`` says otherwise.
"""

from __future__ import annotations

import logging as _logging
import sys
from logging import DEBUG, ERROR, FATAL, INFO, WARN
from typing import Any, TextIO

from dynrnn.tf1._namespace import missing

__all__ = [
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "WARN",
    "WARNING",
    "TaskLevelStatusMessage",
    "debug",
    "error",
    "fatal",
    "flush",
    "get_verbosity",
    "info",
    "log",
    "log_every_n",
    "log_first_n",
    "log_if",
    "set_verbosity",
    "vlog",
    "warn",
    "warning",
]

WARNING = WARN

_counts: dict[tuple[str, int, str], int] = {}
_logger: _logging.Logger | None = None


class _Stderr(_logging.StreamHandler):
    """Writes to what ``sys.stderr`` is at the moment of the message."""

    def __init__(self) -> None:
        _logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr


def _get_logger() -> _logging.Logger:
    global _logger
    if _logger is None:
        _logger = _logging.getLogger("tensorflow")
        if not _logging.getLogger().handlers:
            handler = _Stderr()
            handler.setFormatter(_logging.Formatter(_logging.BASIC_FORMAT))
            _logger.addHandler(handler)
    return _logger


def get_verbosity() -> int:
    """The least level that is shown."""
    return _get_logger().getEffectiveLevel()


def set_verbosity(v: int | str) -> None:
    """Show messages of level ``v`` (``tf.logging.INFO``, ...) and above."""
    _get_logger().setLevel(v)


def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at ``level``."""
    _get_logger().log(level, msg, *args, **kwargs)


vlog = log


def debug(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log at level DEBUG."""
    log(DEBUG, msg, *args, **kwargs)


def info(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log at level INFO."""
    log(INFO, msg, *args, **kwargs)


def warning(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log at level WARN."""
    log(WARN, msg, *args, **kwargs)


warn = warning


def error(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log at level ERROR."""
    log(ERROR, msg, *args, **kwargs)


def fatal(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log at level FATAL; the program goes on."""
    log(FATAL, msg, *args, **kwargs)


def TaskLevelStatusMessage(msg: Any) -> None:
    """Log at level ERROR."""
    log(ERROR, msg)


def flush() -> None:
    """Write out what is buffered."""
    for handler in _get_logger().handlers:
        handler.flush()


def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Log if ``condition`` holds."""
    if condition:
        log(level, msg, *args)


def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Log the first of every ``n`` calls made from the same line."""
    log_if(level, msg, _calls_before() % n == 0, *args)


def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Log only the first ``n`` calls made from the same line."""
    log_if(level, msg, _calls_before() < n, *args)


def _calls_before() -> int:
    caller = sys._getframe(2)
    key = (caller.f_code.co_filename, caller.f_lineno, sys._getframe(1).f_code.co_name)
    count = _counts.get(key, 0)
    _counts[key] = count + 1
    return count


__getattr__ = missing(__name__, globals())
