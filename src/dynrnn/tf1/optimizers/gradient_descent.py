"""Gradient descent: plain, with momentum, and with a proximal step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.optimizers.base import FormulaOptimizer
from dynrnn.tf1.optimizers.kernels import update

__all__ = ["GradientDescentOptimizer", "MomentumOptimizer", "ProximalGradientDescentOptimizer"]


class GradientDescentOptimizer(FormulaOptimizer):
    """``w -= learning_rate * g``.

    Args:
        learning_rate: float, scalar tensor, or function that gives one.
        use_locking: accepted; no effect.
        name: names the train operation.
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name, learning_rate=learning_rate)

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        # a row without gradient does not move: rows need no care
        return update("ApplyGradientDescent", var, (), grad, self._in_dtype_of(var))


class MomentumOptimizer(FormulaOptimizer):
    """``a = momentum * a + g; w -= learning_rate * a``; the slot ``momentum`` is ``a``, at first 0.

    Args:
        learning_rate: float, scalar tensor, or function that gives one.
        momentum: the same.
        use_locking: accepted; no effect.
        name: names the train operation and the slots.
        use_nesterov: ``w -= learning_rate * (g + momentum * a)`` (Sutskever et al., 2013).
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name, learning_rate=learning_rate, momentum=momentum)
        self._use_nesterov = use_nesterov

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._zeros_slot(var, "momentum", self._name)

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        slots, numbers = [self._slots["momentum"][var]], self._in_dtype_of(var)
        return update("ApplyMomentum", var, slots, grad, numbers, rows, use_nesterov=self._use_nesterov)


class ProximalGradientDescentOptimizer(FormulaOptimizer):
    """Gradient descent followed by the proximal map of L1 and L2 penalties (Duchi & Singer, 2009).

    Args:
        learning_rate: float, scalar tensor, or function that gives one.
        l1_regularization_strength, l2_regularization_strength: the penalties, not negative.
        use_locking: accepted; no effect.
        name: names the train operation.
    """

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        return update("ApplyProximalGradientDescent", var, (), grad, self._in_dtype_of(var), rows)
