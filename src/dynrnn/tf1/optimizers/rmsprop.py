"""RMSProp, plain and centered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.optimizers.base import FormulaOptimizer
from dynrnn.tf1.optimizers.kernels import update

__all__ = ["RMSPropOptimizer"]


class RMSPropOptimizer(FormulaOptimizer):
    """RMSProp (Hinton, lecture 6e), with momentum.

    With slots ``rms`` (``s``, at first 1), ``momentum`` (``a``, at first 0) and, if centered, ``mg`` (``n``, at first
    0)::

        s = decay * s + (1 - decay) * g^2
        n = decay * n + (1 - decay) * g
        a = momentum * a + learning_rate * g / sqrt(s + epsilon)          (centered: s - n^2 for s)
        w -= a

    Args:
        learning_rate, decay, momentum, epsilon: floats, scalar tensors, or functions that give one.
        use_locking: accepted; no effect.
        centered: divide by the gradient's standard deviation rather than by its root mean square.
        name: names the train operation and the slots.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(
            use_locking, name, learning_rate=learning_rate, decay=decay, momentum=momentum, epsilon=epsilon
        )
        self._centered = centered

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._constant_slot(var, 1.0, "rms", self._name)
            if self._centered:
                self._zeros_slot(var, "mg", self._name)
            self._zeros_slot(var, "momentum", self._name)

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        names = ("mg", "rms", "momentum") if self._centered else ("rms", "momentum")
        op_type = "ApplyCenteredRMSProp" if self._centered else "ApplyRMSProp"
        slots = [self._slots[name][var] for name in names]
        return update(op_type, var, slots, grad, self._in_dtype_of(var), rows)
