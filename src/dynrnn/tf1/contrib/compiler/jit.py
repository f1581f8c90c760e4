"""``tf.contrib.compiler.jit``: a hint to compile; recurrent steps are compiled in any case, the rest never."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dynrnn.tf1._namespace import missing

__all__ = ["experimental_jit_scope"]


@contextlib.contextmanager
def experimental_jit_scope(compile_ops: Any = True, separate_compiled_gradients: bool = False) -> Iterator[None]:
    """``with experimental_jit_scope():`` has no effect."""
    yield


__getattr__ = missing(__name__, globals())
