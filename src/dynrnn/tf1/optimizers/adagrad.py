"""Adagrad, its proximal form, Adadelta and FTRL: step sizes from the sum or the mean of squared gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.math_ops import maximum
from dynrnn.tf1.optimizers.base import FormulaOptimizer
from dynrnn.tf1.optimizers.kernels import update

__all__ = ["AdadeltaOptimizer", "AdagradOptimizer", "FtrlOptimizer", "ProximalAdagradOptimizer"]


class _WithAccumulator(FormulaOptimizer):
    """An optimizer with the slot ``accumulator``, at first a positive number."""

    def __init__(self, use_locking: bool, name: str, initial_accumulator_value: float, **numbers: Any) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name, **numbers)
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accumulator", self._name)


class AdagradOptimizer(_WithAccumulator):
    """``a += g^2; w -= learning_rate * g / sqrt(a)`` (Duchi, Hazan & Singer, 2011); ``a`` is the slot ``accumulator``.

    Args:
        learning_rate: float, scalar tensor, or function that gives one.
        initial_accumulator_value: what ``a`` is at first, positive.
        use_locking: accepted; no effect.
        name: names the train operation and the slots.

    Raises:
        ValueError: ``initial_accumulator_value`` is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(use_locking, name, initial_accumulator_value, learning_rate=learning_rate)

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        # a row without gradient does not move and its accumulator does not grow: rows need no care
        return update("ApplyAdagrad", var, [self._slots["accumulator"][var]], grad, self._in_dtype_of(var))


class ProximalAdagradOptimizer(_WithAccumulator):
    """Adagrad followed by the proximal map of L1 and L2 penalties (Duchi & Singer, 2009).

    Args:
        learning_rate: float, scalar tensor, or function that gives one.
        initial_accumulator_value: what the slot ``accumulator`` is at first, positive.
        l1_regularization_strength, l2_regularization_strength: the penalties, not negative.
        use_locking: accepted; no effect.
        name: names the train operation and the slots.

    Raises:
        ValueError: ``initial_accumulator_value`` is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            initial_accumulator_value,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        slots = [self._slots["accumulator"][var]]
        return update("ApplyProximalAdagrad", var, slots, grad, self._in_dtype_of(var), rows)


class AdadeltaOptimizer(FormulaOptimizer):
    """Adadelta (Zeiler, 2012).

    With slots ``accum`` (``a``) and ``accum_update`` (``u``), at first 0::

        a = rho * a + (1 - rho) * g^2
        d = sqrt(u + epsilon) / sqrt(a + epsilon) * g
        w -= learning_rate * d
        u = rho * u + (1 - rho) * d^2

    Args:
        learning_rate, rho, epsilon: floats, scalar tensors, or functions that give one.
        use_locking: accepted; no effect.
        name: names the train operation and the slots.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name, lr=learning_rate, rho=rho, epsilon=epsilon)

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self._zeros_slot(var, "accum", self._name)
            self._zeros_slot(var, "accum_update", self._name)

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        slots = self._slots["accum"][var], self._slots["accum_update"][var]
        return update("ApplyAdadelta", var, slots, grad, self._in_dtype_of(var), rows)


class FtrlOptimizer(FormulaOptimizer):
    """FTRL-proximal (McMahan et al., 2013): a sparse model by L1, with slots ``accum`` and ``linear``.

    Args:
        learning_rate: float, scalar tensor, or function that gives one.
        learning_rate_power: not positive; -0.5 is the paper's.
        initial_accumulator_value: what ``accum`` is at first, not negative.
        l1_regularization_strength, l2_regularization_strength: penalties, not negative.
        use_locking: accepted; no effect.
        name: names the train operation and the slots.
        accum_name, linear_name: names of the slots, where they shall differ from ``name``.
        l2_shrinkage_regularization_strength: a penalty on the size of the weights, not of the steps; not negative.
        beta: as in the paper; the step size is ``learning_rate / (beta + accum ** -learning_rate_power)``.

    Raises:
        ValueError: a number outside its range.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: Any = None,
    ) -> None:
        not_negative = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for key, value in not_negative.items():
            if value < 0.0:
                raise ValueError(f"{key} {value} needs to be positive or zero")
        if learning_rate_power > 0.0:
            raise ValueError(f"learning_rate_power {learning_rate_power} needs to be negative or zero")
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            learning_rate_power=learning_rate_power,
        )
        self._beta = 0.0 if beta is None else beta
        self._initial_accumulator_value = initial_accumulator_value
        self._slot_names = accum_name or name, linear_name or name

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        accum_name, linear_name = self._slot_names
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accum", accum_name)
            self._zeros_slot(var, "linear", linear_name)

    def _prepare(self) -> None:
        super()._prepare()
        # beta is an L2 penalty in disguise
        tensors = self._number_tensors
        penalty = self._beta / (2.0 * maximum(tensors["learning_rate"], 1e-36))
        tensors["l2_regularization_strength"] = tensors["l2_regularization_strength"] + penalty

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        slots = self._slots["accum"][var], self._slots["linear"][var]
        return update("ApplyFtrl", var, slots, grad, self._in_dtype_of(var), rows)
