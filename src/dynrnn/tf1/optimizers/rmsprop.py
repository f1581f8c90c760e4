"""RMSProp, plain and centered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.optimizers import kernels
from dynrnn.tf1.optimizers.base import FormulaOptimizer

__all__ = ["RMSPropOptimizer"]


class RMSPropOptimizer(FormulaOptimizer):
    """RMSProp (Hinton, lecture 6e), with momentum.

    With slots ``rms`` (``s``, at first 1), ``momentum`` (``a``, at first 0) and, if centered, ``mg`` (``n``, at first 0)::

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
        rms, momentum = self._slots["rms"][var], self._slots["momentum"][var]
        numbers = [self._number(key, var) for key in self._numbers]
        if self._centered:
            mean = self._slots["mg"][var]
            return kernels.apply_centered_rms_prop(var, mean, rms, momentum, *numbers, grad, rows=rows)
        return kernels.apply_rms_prop(var, rms, momentum, *numbers, grad, rows=rows)
