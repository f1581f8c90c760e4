"""Adam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynrnn.tf1.core.control_flow import group
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import Operation, get_default_graph
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.math_ops import cast, multiply
from dynrnn.tf1.optimizers.base import FormulaOptimizer
from dynrnn.tf1.optimizers.kernels import update

__all__ = ["AdamOptimizer"]


class AdamOptimizer(FormulaOptimizer):
    """Adam (Kingma & Ba, 2014), in the form of the last lines of section 2.

    At step t, with slots ``m`` and ``v`` at first 0::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2
        w -= learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)

    The variables ``beta1_power`` and ``beta2_power`` hold ``beta1^t`` and ``beta2^t``.

    Args:
        learning_rate, beta1, beta2, epsilon: floats, scalar tensors, or functions that give one.
        use_locking: accepted; no effect.
        name: names the train operation and the slots.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name, learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for key in ("beta1", "beta2"):
            self._create_non_slot_variable(self._call_if_callable(self._numbers[key]), f"{key}_power")
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _prepare(self) -> None:
        super()._prepare()
        graph = get_default_graph()
        powers = {key: self._non_slots[f"{key}_power", graph] for key in ("beta1", "beta2")}
        self._powers = [(key, variable, convert_to_tensor(variable)) for key, variable in powers.items()]

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        # m and v of every row decay, also of rows without gradient: rows need no care
        powers = [cast(value, var.dtype.base_dtype) for _, _, value in self._powers]
        slots = self._slots["m"][var], self._slots["v"][var]
        return update("ApplyAdam", var, slots, grad, [*powers, *self._in_dtype_of(var)])

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Operation:
        with get_default_graph().control_dependencies(update_ops):
            raised = [
                variable.assign(multiply(value, self._number_tensors[key], name="mul")).op
                for key, variable, value in self._powers
            ]
        return group(*update_ops, *raised, name=name_scope)
