"""``tf.string_*`` and other functions of strings; see :mod:`dynrnn.tf1.ops.texts`."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1.ops.splitting import string_split, string_to_hash_bucket_fast
from dynrnn.tf1.ops.texts import (
    as_string,
    reduce_join,
    regex_replace,
    string_join,
    string_length,
    string_lower,
    string_strip,
    string_to_number,
    string_upper,
    substr,
)

__all__ = [
    "EXPORTS",
    "as_string",
    "reduce_join",
    "regex_replace",
    "string_join",
    "string_length",
    "string_lower",
    "string_split",
    "string_strip",
    "string_to_hash_bucket_fast",
    "string_to_number",
    "string_upper",
    "substr",
]

# found in tf.strings only
_ELSEWHERE = frozenset({"string_length", "string_lower", "string_upper"})

EXPORTS: dict[str, Any] = {name: globals()[name] for name in __all__ if name != "EXPORTS" and name not in _ELSEWHERE}
"""What each function is called in ``tf``."""
