"""Tables of small functions: each row becomes a few golden cases, which differ in what is known of the input shapes.

* ``known``: placeholders with complete shapes; the gradients of all floating inputs are taken too;
* ``batch``: the first dimension of every input is unknown;
* ``open``: only the ranks are known;
* ``rank``: nothing is known. TensorFlow refuses some functions then, which is recorded as what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from goldens.harness import Program, case, fixed, flatten, gradients_of

LEVELS = ("known", "batch", "rank")


def floats(*shape: int, dtype: str = "float32", scale: float = 2.0, name: str = "") -> Any:
    """Fixed floating numbers strictly between -``scale`` and ``scale``."""
    return fixed(f"table {name}", shape, dtype, scale)


def positive(*shape: int, dtype: str = "float32", scale: float = 2.0, name: str = "") -> Any:
    """Fixed numbers between 0 and ``scale``, for roots and logarithms."""
    return np.abs(floats(*shape, dtype=dtype, scale=scale, name=name))


def ints(*values: Any, dtype: str = "int32") -> Any:
    """An integer array of the given values (or one nested list)."""
    return np.array(values[0] if len(values) == 1 else values, dtype)


def flags(*values: Any) -> Any:
    """A boolean array of the given 0s and 1s (or one nested list)."""
    return np.array(values[0] if len(values) == 1 else values, bool)


def _static(array: Any, level: str) -> Any:
    if level == "rank":
        return None
    if level == "open":
        return [None] * array.ndim
    return [None, *array.shape[1:]] if level == "batch" and array.ndim else list(array.shape)


class Table:
    """Registers rows as cases of one module: ``row(name, function, *arrays)`` with ``function(tf, *tensors)``."""

    def __init__(self, module: str) -> None:
        self.module = module

    def row(
        self,
        name: str,
        function: Callable[..., Any],
        *arrays: Any,
        levels: Sequence[str] = LEVELS,
        gradients: bool = True,
    ) -> None:
        """Register ``function`` at each of ``levels``; it returns a tensor or a nest of them."""
        for level in levels if arrays else ("known",):
            program = self._program(function, arrays, level, gradients and level == "known")
            case(f"{name}/{level}", may_fail=level != "known")(program)

    def _program(self, function: Callable[..., Any], arrays: Sequence[Any], level: str, gradients: bool) -> Any:
        def program(tf: Any, np: Any) -> Program:
            inputs = [tf.placeholder(str(a.dtype), _static(a, level), name=f"in{i}") for i, a in enumerate(arrays)]
            got = function(tf, *inputs)
            outputs = [leaf for _, leaf in flatten(got, "")]
            fetches = {"y": got}
            sources = {f"in{i}": x for i, x in enumerate(inputs) if x.dtype.is_floating}
            if gradients and sources and any(y.dtype.is_floating for y in outputs):
                fetches.update(gradients_of(tf, outputs, sources))
            return Program(fetches, dict(zip(inputs, arrays, strict=True)))

        program.__module__ = self.module
        return program
