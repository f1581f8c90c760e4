"""The operators of tensors and variables: ``x + 1``, ``2 * x``, ``x < y``, ``x[0]``, ...

The other operand is converted to the tensor's type where Python numbers allow that; ``==`` stays identity, as it is in
TensorFlow 1. Importing this module gives both classes their operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.arithmetic import add, floormod, multiply, pow_, subtract
from dynrnn.tf1.ops.comparing import and_, greater, greater_equal, invert_, less, less_equal, or_, xor_
from dynrnn.tf1.ops.dividing import div, floordiv, truediv
from dynrnn.tf1.ops.elementwise import abs_, negative
from dynrnn.tf1.ops.products import matmul
from dynrnn.tf1.ops.slicing import getitem

__all__ = ["install"]

Build = Callable[..., Tensor]

_BINARY: dict[str, Build] = {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": truediv,
    "div": div,
    "floordiv": floordiv,
    "mod": floormod,
    "pow": pow_,
    "and": and_,
    "or": or_,
    "xor": xor_,
    "matmul": matmul,
}
_COMPARISONS: dict[str, Build] = {"lt": less, "le": less_equal, "gt": greater, "ge": greater_equal}


def _forward(build: Build, name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        with name_scope(None, name, [self]) as scope:
            x = convert_to_tensor(self)
            # only a preference: a number of another type is refused by the operation itself, which says so
            y = convert_to_tensor(other, preferred_dtype=x.dtype.base_dtype, name="y")
            return build(x, y, name=scope)

    return operator


def _reflected(build: Build, name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        with name_scope(None, name, [self]) as scope:
            y = convert_to_tensor(self)
            return build(convert_to_tensor(other, y.dtype.base_dtype, name="x"), y, name=scope)

    return operator


def _comparison(build: Build) -> Callable[[Any, Any], Any]:
    return lambda self, other: build(self, other)


def install(kind: Any) -> None:
    """Give the class ``kind`` the operators."""
    for symbol, build in _BINARY.items():
        setattr(kind, f"__{symbol}__", _forward(build, symbol))
        setattr(kind, f"__r{symbol}__", _reflected(build, symbol))
    for symbol, comparison in _COMPARISONS.items():
        setattr(kind, f"__{symbol}__", _comparison(comparison))
    kind.__neg__ = lambda self: negative(self)
    kind.__abs__ = lambda self: abs_(self)
    kind.__invert__ = lambda self: invert_(self)
    kind.__getitem__ = lambda self, key: getitem(self, key)


install(Tensor)
install(Variable)
