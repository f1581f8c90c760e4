"""Telling a file that is Python 2 from one that is merely wrong."""

from __future__ import annotations

import re

__all__ = ["hint"]

# What the compiler says of lines that were right in Python 2, and such lines where it says only "invalid syntax".
_MESSAGE = re.compile(
    r"Missing parentheses in call to '(print|exec)'"
    r"|multiple exception types must be parenthesized"
    r"|leading zeros in decimal integer literals"
    r"|inconsistent use of tabs"
)
_LINE = re.compile(
    r"^\s*(print|exec)\s+[^=(]|<>|\bexcept\s[^:]*,\s*\w+\s*:|\braise\s+\w+\s*,|\bur['\"]|\b(0[0-7]+|\d+[lL])\b"
)


def hint(error: SyntaxError, path: str | None) -> str | None:
    """What to do about a file that does not parse, if that is because it is Python 2."""
    if not (_MESSAGE.search(error.msg or "") or _LINE.search(error.text or "")):
        return None
    tool = f"`2to3 -w {path}` (a tool that comes with Python up to 3.12)"
    return f"{path} looks like Python 2; {tool} turns it into Python 3"
