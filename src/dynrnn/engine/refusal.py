"""Why a step cannot be lowered: the one exception of tracing and lowering."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """A step does something that the step program cannot express; the whole step then runs in the reference executor.

    Args:
        reason: what, in words for the user.
        where: the user's source line, as ``file:line: code``, or an empty string.
        quiet: whether the fallback is what anybody would expect, and no warning is due.
    """

    def __init__(self, reason: str, where: str = "", *, quiet: bool = False):
        super().__init__(f"{reason} ({where})" if where else reason)
        self.reason = reason
        self.where = where
        self.quiet = quiet
