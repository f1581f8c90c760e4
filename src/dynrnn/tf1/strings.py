"""``tf.strings``: functions of strings."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.ops.splitting import string_to_hash_bucket_fast as to_hash_bucket_fast
from dynrnn.tf1.ops.texts import as_string, reduce_join, regex_replace, substr
from dynrnn.tf1.ops.texts import string_join as join
from dynrnn.tf1.ops.texts import string_length as length
from dynrnn.tf1.ops.texts import string_lower as lower
from dynrnn.tf1.ops.texts import string_strip as strip
from dynrnn.tf1.ops.texts import string_to_number as to_number
from dynrnn.tf1.ops.texts import string_upper as upper

__all__ = [
    "as_string",
    "join",
    "length",
    "lower",
    "reduce_join",
    "regex_replace",
    "strip",
    "substr",
    "to_hash_bucket_fast",
    "to_number",
    "upper",
]

__getattr__ = missing(__name__, globals())
