"""What a type checker is told of the operators of tensors and variables.

:mod:`dynrnn.tf1.math_ops` installs them when it is imported: they build operations, which need the classes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Operators"]

if TYPE_CHECKING:

    class Operators:
        """Every operator takes anything that can become a tensor and gives a tensor."""

        def _binary(self, other: Any) -> Any: ...
        def _unary(self) -> Any: ...

        __add__ = __sub__ = __mul__ = __truediv__ = __floordiv__ = __mod__ = __pow__ = __matmul__ = _binary
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = __rmatmul__ = _binary
        __and__ = __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = _binary
        __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _binary
        __neg__ = __abs__ = __invert__ = _unary
else:
    Operators = object
