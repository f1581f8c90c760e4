"""Exponential moving averages of variables and tensors (``tf.train.ExponentialMovingAverage``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import group
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import Operation, get_default_graph, init_scope, name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import get_variable, get_variable_scope, variable_scope
from dynrnn.tf1.core.variables import (
    GraphKeys,
    Variable,
    assign_add,
    assign_sub,
    global_variables,
    moving_average_variables,
    trainable_variables,
)
from dynrnn.tf1.init_ops import zeros_initializer
from dynrnn.tf1.math_ops import cast, minimum, pow_
from dynrnn.tf1.optimizers.slots import create_slot, create_zeros_slot

__all__ = ["ExponentialMovingAverage", "assign_moving_average"]


def assign_moving_average(
    variable: Variable, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Tensor:
    """``variable -= (1 - decay) * (variable - value)``; gives the new average.

    Args:
        variable: holds the average.
        value: what is averaged, of the variable's shape.
        decay: float or scalar tensor.
        zero_debias: take the average as one that began at 0 and divide the bias out (Kingma & Ba, 2014, section 3).
            Two variables keep the biased average and the number of updates.
        name: name of the operation.
    """
    with name_scope(name, "AssignMovingAvg") as scope:
        rate = cast(convert_to_tensor(1.0 - decay, name="decay"), variable.dtype.base_dtype)
        delta = _debiased_change(variable, value, rate) if zero_debias else (variable - value) * rate
        return assign_sub(variable, delta, name=scope)


def _debiased_change(variable: Variable, value: Any, rate: Tensor) -> Tensor:
    """What to take away from ``variable`` to make it the unbiased average."""
    dtype = variable.dtype.base_dtype
    with variable_scope(variable.op.name), init_scope():
        biased = get_variable(
            _free_name("biased"), shape=variable.shape, dtype=dtype, initializer=zeros_initializer(), trainable=False
        )
        count = get_variable(
            _free_name("local_step"), shape=[], dtype=dtype, initializer=zeros_initializer(), trainable=False
        )
    new_biased = assign_sub(biased, (biased - value) * rate)
    new_count = assign_add(count, 1)
    return variable - new_biased / (1 - pow_(1.0 - rate, new_count))


def _free_name(name: str) -> str:
    """``name``, with a number where the current variable scope, not reusing, has a variable of that name."""
    scope = get_variable_scope()
    if scope.reuse:
        return name
    taken = {variable.op.name for variable in global_variables()}
    number, free = 0, name
    while f"{scope.name}/{free}" in taken:
        number += 1
        free = f"{name}_{number}"
    return free


class ExponentialMovingAverage:
    """Averages of variables or tensors: ``average = decay * average + (1 - decay) * value``.

    Args:
        decay: float or scalar tensor.
        num_updates: a count; if given, the decay is at most ``(1 + num_updates) / (10 + num_updates)``.
        zero_debias: divide the bias towards 0 out of the averages of tensors, which begin at 0; those of variables
            begin at the variable's initial value.
        name: names the averages: that of ``a/w`` is the variable ``a/w/<name>``.
    """

    def __init__(
        self, decay: Any, num_updates: Any = None, zero_debias: bool = False, name: str = "ExponentialMovingAverage"
    ) -> None:
        self._decay = decay
        self._num_updates = num_updates
        self._zero_debias = zero_debias
        self._name = name
        self._averages: dict[Any, Variable] = {}
        self._debiased: set[Variable] = set()

    @property
    def name(self) -> str:
        """The name given to the constructor."""
        return self._name

    def apply(self, var_list: Iterable[Any] | None = None) -> Operation:
        """The operation that updates the averages of ``var_list``, by default of the trainable variables.

        Averages that do not exist yet are made. Variables join the collection MOVING_AVERAGE_VARIABLES.

        Raises:
            TypeError: a dtype that is not floating.
        """
        items = trainable_variables() if var_list is None else list(var_list)
        for item in items:
            if not item.dtype.base_dtype.is_floating:
                raise TypeError(f"The variables must be half, float, or double: {item.name}")
            if item not in self._averages:
                self._averages[item] = self._make(item)
        with name_scope(self._name) as scope:
            decay = convert_to_tensor(self._decay, dtypes.float32, name="decay")
            if self._num_updates is not None:
                count = cast(convert_to_tensor(self._num_updates), dtypes.float32, name="num_updates")
                decay = minimum(decay, (1.0 + count) / (10.0 + count))
            updates = []
            for item in items:
                average = self._averages[item]
                updates.append(assign_moving_average(average, item, decay, zero_debias=average in self._debiased))
            return group(*updates, name=scope)

    def _make(self, item: Any) -> Variable:
        with init_scope():
            if isinstance(item, Variable):
                average = create_slot(item, item.initialized_value(), self._name)
                get_default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, item)
                return average
            average = create_zeros_slot(item, self._name)
        if self._zero_debias:
            self._debiased.add(average)
        return average

    def average(self, var: Any) -> Variable | None:
        """The variable that holds the average of ``var``; None when there is none."""
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name of the average of ``var``, which need not exist yet: the name under which it is in a checkpoint."""
        if var in self._averages:
            return self._averages[var].op.name
        return get_default_graph().unique_name(f"{var.op.name}/{self._name}", mark_as_used=False)

    def variables_to_restore(self, moving_avg_variables: Iterable[Variable] | None = None) -> dict[str, Variable]:
        """A map from names in a checkpoint to variables that restores averages into the variables averaged.

        Args:
            moving_avg_variables: the variables to take averages for; by default the trainable ones and those in
                MOVING_AVERAGE_VARIABLES. All other variables are restored under their own names.
        """
        if moving_avg_variables is None:
            averaged = {*trainable_variables(), *moving_average_variables()}
        else:
            averaged = set(moving_avg_variables)
        result = {self.average_name(variable): variable for variable in averaged}
        for variable in dict.fromkeys([*moving_average_variables(), *global_variables()]):
            if variable not in averaged and variable.op.name not in result:
                result[variable.op.name] = variable
        return result
