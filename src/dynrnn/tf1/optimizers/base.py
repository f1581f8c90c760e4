"""``tf.train.Optimizer``: gradients of a loss, applied to variables.

A subclass says what slots it keeps (``_create_slots``), what numbers its formula takes (``_prepare``) and how a
gradient changes a variable (``_apply_dense``); ``_finish`` may add what is done once per step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dynrnn import nest
from dynrnn.tf1.array_ops import fill, shape
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import group, tuple_
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.gradients import gradients
from dynrnn.tf1.core.graph import Graph, Operation, get_default_graph, init_scope, name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import GraphKeys, Variable, assign_add, trainable_variables
from dynrnn.tf1.init_ops import constant_initializer
from dynrnn.tf1.math_ops import cast
from dynrnn.tf1.optimizers import slots
from dynrnn.tf1.optimizers.rows import touched_rows

__all__ = ["AggregationMethod", "FormulaOptimizer", "Optimizer"]


class AggregationMethod:
    """How TensorFlow adds up the parts of a gradient; accepted everywhere, it changes no result here."""

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


class Optimizer:
    """Base class of the optimizers.

    Args:
        use_locking: accepted; updates never interleave here.
        name: names the train operation and the slots.

    Raises:
        ValueError: without a name.
    """

    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[Variable, Variable]] = {}
        self._non_slots: dict[tuple[str, Graph], Variable] = {}

    def get_name(self) -> str:
        """The name given to the constructor."""
        return self._name

    # --- what programs call -------------------------------------------------------------------------------------------

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """``compute_gradients`` and ``apply_gradients`` in one.

        Args:
            loss: the tensor to make small.
            global_step: a variable that is raised by one after the update.
            var_list: the variables to change; by default all trainable ones.
            gate_gradients, aggregation_method, colocate_gradients_with_ops: see :meth:`compute_gradients`.
            name: name of the operation; by default the optimizer's.
            grad_loss: a factor for the gradient of ``loss``.

        Returns:
            The operation that does one step.

        Raises:
            ValueError: there are no variables, or ``loss`` depends on none of them.
        """
        grads_and_vars = self.compute_gradients(
            loss, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss
        )
        if all(grad is None for grad, _ in grads_and_vars):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, "
                f"between variables {[str(v) for _, v in grads_and_vars]} and loss {loss}."
            )
        return self.apply_gradients(grads_and_vars, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Tensor | None, Any]]:
        """The gradients of ``loss``.

        Args:
            loss: a tensor, or a function without arguments that gives one.
            var_list: variables or tensors; by default the trainable variables.
            gate_gradients: ``GATE_GRAPH`` makes every gradient wait for all of them; ``GATE_OP`` and ``GATE_NONE`` are
                the same here.
            aggregation_method, colocate_gradients_with_ops: accepted; they change no result.
            grad_loss: a factor for the gradient of ``loss``.

        Returns:
            (gradient, variable) pairs; the gradient is None where ``loss`` does not depend on the variable.

        Raises:
            ValueError: no variables, an unknown ``gate_gradients``, or a dtype that is not floating.
            NotImplementedError: something in ``var_list`` that is neither variable nor tensor.
        """
        loss = convert_to_tensor(loss() if callable(loss) else loss)
        if gate_gradients not in (Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  "
                f"Not {gate_gradients}"
            )
        self._assert_valid_dtypes([loss])
        if grad_loss is not None:
            grad_loss = convert_to_tensor(grad_loss)
            self._assert_valid_dtypes([grad_loss])
        variables = trainable_variables() if var_list is None else nest.flatten(var_list)
        for variable in variables:
            if not isinstance(variable, (Variable, Tensor)):
                raise NotImplementedError(f"Trying to optimize unsupported type {variable!r}")
        if not variables:
            raise ValueError("No variables to optimize.")
        grads: list[Any] = gradients(loss, variables, grad_ys=grad_loss)
        if gate_gradients == Optimizer.GATE_GRAPH and any(g is not None for g in grads):
            grads = tuple_(grads)
        pairs = list(zip(grads, variables, strict=True))
        self._assert_valid_dtypes([v for g, v in pairs if g is not None])
        return pairs

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, Any]], global_step: Any = None, name: str | None = None
    ) -> Operation:
        """The operation that changes the variables by their gradients.

        Args:
            grads_and_vars: (gradient, variable) pairs; those whose gradient is None are left out.
            global_step: a variable that is raised by one afterwards.
            name: name of the operation; by default the optimizer's.

        Raises:
            ValueError: no pairs, or no gradients in them.
            TypeError: a gradient that is no tensor.
            NotImplementedError: a tensor where a variable is due.
        """
        pairs = [(self._as_gradient(grad), variable) for grad, variable in grads_and_vars]
        if not pairs:
            raise ValueError("No variables provided.")
        with_gradient = [(grad, variable) for grad, variable in pairs if grad is not None]
        if not with_gradient:
            raise ValueError(f"No gradients provided for any variable: {[str(v) for _, v in pairs]}.")
        for _, variable in with_gradient:
            if isinstance(variable, Tensor):
                raise NotImplementedError(f"Trying to update a Tensor {variable}")
            if not isinstance(variable, Variable):
                raise NotImplementedError(f"Trying to optimize unsupported type {variable!r}")
        with init_scope():
            self._create_slots([variable for _, variable in with_gradient])
        updates: list[Any] = []
        with name_scope(name, self._name) as scope:
            self._prepare()
            for grad, variable in with_gradient:
                with name_scope("update_" + variable.op.name):
                    updates.append(self._update(grad, variable))
            done: Any
            if global_step is None:
                done = self._finish(updates, scope)
            else:
                with get_default_graph().control_dependencies([self._finish(updates, "update")]):
                    done = assign_add(global_step, 1, name=scope)
        train_op = done.op if isinstance(done, Tensor) else done
        collection = get_default_graph().get_collection_ref(GraphKeys.TRAIN_OP)
        if all(op is not train_op for op in collection):
            collection.append(train_op)
        return train_op

    def get_slot(self, var: Any, name: str) -> Variable | None:
        """The slot ``name`` of ``var``, or None."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """The names of the slots, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """Slots and other variables of the optimizer in the default graph, sorted by name."""
        graph = get_default_graph()
        found = [variable for (_, owner), variable in self._non_slots.items() if owner is graph]
        found += [slot for by_variable in self._slots.values() for slot in by_variable.values() if slot.graph is graph]
        return sorted(found, key=lambda v: v.name)

    # --- what subclasses fill in --------------------------------------------------------------------------------------

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        """Make the slots of the variables that have none yet."""

    def _prepare(self) -> None:
        """Make the tensors of the hyperparameters."""

    def _apply_dense(self, grad: Tensor, var: Variable) -> Any:
        """The operation that changes ``var`` by ``grad``."""
        raise NotImplementedError(f"{type(self).__name__} must define _apply_dense(grad, var)")

    def _apply_rows(self, grad: Tensor, var: Variable, rows: Tensor) -> Any:
        """As ``_apply_dense``, for a ``grad`` that is zero but for ``rows``: they alone may change."""
        return self._apply_dense(grad, var)

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Operation:
        """The operation ``name_scope`` that does all the updates."""
        return group(*update_ops, name=name_scope)

    def _valid_dtypes(self) -> set[dtypes.DType]:
        """The dtypes of losses and variables."""
        return {dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64}

    # --- what subclasses use ------------------------------------------------------------------------------------------

    def _get_or_make_slot(self, var: Variable, val: Tensor, slot_name: str, op_name: str) -> Variable:
        return self._slot(var, slot_name, lambda: slots.create_slot(var, val, op_name))

    def _get_or_make_slot_with_initializer(
        self, var: Variable, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Variable:
        return self._slot(
            var, slot_name, lambda: slots.create_slot_with_initializer(var, initializer, shape, dtype, op_name)
        )

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        return self._slot(var, slot_name, lambda: slots.create_zeros_slot(var, op_name))

    def _slot(self, var: Variable, slot_name: str, make: Callable[[], Variable]) -> Variable:
        by_variable = self._slots.setdefault(slot_name, {})
        if var not in by_variable:
            by_variable[var] = make()
        return by_variable[var]

    def _slot_dict(self, slot_name: str) -> dict[Variable, Variable]:
        return self._slots.setdefault(slot_name, {})

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Any = None) -> Variable:
        key = (name, get_default_graph())
        if key not in self._non_slots:
            self._non_slots[key] = Variable(initial_value, name=name, trainable=False)
        return self._non_slots[key]

    def _get_non_slot_variable(self, name: str, graph: Graph | None = None) -> Variable | None:
        return self._non_slots.get((name, get_default_graph() if graph is None else graph))

    def _call_if_callable(self, param: Any) -> Any:
        """A hyperparameter may be given as a function without arguments."""
        return param() if callable(param) else param

    def _assert_valid_dtypes(self, tensors: Iterable[Any]) -> None:
        valid = self._valid_dtypes()
        for tensor in tensors:
            dtype = tensor.dtype.base_dtype
            if dtype not in valid:
                names = sorted(v.name for v in valid)
                raise ValueError(f"Invalid type {dtype!r} for {tensor.name}, expected: {names}.")

    # --- inside -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _as_gradient(grad: Any) -> Tensor | None:
        if grad is None:
            return None
        try:
            return convert_to_tensor(grad)
        except TypeError:
            raise TypeError(f"Gradient must be convertible to a Tensor or IndexedSlices, or None: {grad}") from None

    def _update(self, grad: Tensor, variable: Variable) -> Any:
        rows = touched_rows(grad, variable)
        update = self._apply_dense(grad, variable) if rows is None else self._apply_rows(grad, variable, rows)
        if variable.constraint is None:
            return update
        with get_default_graph().control_dependencies([update]):
            return variable.assign(variable.constraint(variable.read_value()))


class FormulaOptimizer(Optimizer):
    """Base class of the library's own optimizers: numbers that become tensors, and one formula for all rows or some.

    Args:
        use_locking, name: see :class:`Optimizer`.
        numbers: the hyperparameters in the order in which their tensors are made: floats, scalar tensors, or functions
            without arguments that give one.
    """

    def __init__(self, use_locking: bool, name: str, **numbers: Any) -> None:
        super().__init__(use_locking, name)
        self._numbers = numbers
        self._number_tensors: dict[str, Tensor] = {}

    def _prepare(self) -> None:
        for key, value in self._numbers.items():
            self._number_tensors[key] = convert_to_tensor(self._call_if_callable(value), name=key)

    def _in_dtype_of(self, var: Variable) -> list[Tensor]:
        """The hyperparameters in the dtype of ``var``."""
        return [cast(tensor, var.dtype.base_dtype) for tensor in self._number_tensors.values()]

    def _constant_slot(self, var: Variable, number: float, slot_name: str, op_name: str) -> Variable:
        dtype = var.dtype.base_dtype
        if var.shape.is_fully_defined():
            initializer = constant_initializer(number)
            return self._get_or_make_slot_with_initializer(var, initializer, var.shape, dtype, slot_name, op_name)
        value = fill(shape(var.initialized_value()), convert_to_tensor(number, dtype))
        return self._get_or_make_slot(var, value, slot_name, op_name)

    def _apply_dense(self, grad: Tensor, var: Variable) -> Any:
        return self._apply(grad, var, None).op

    def _apply_rows(self, grad: Tensor, var: Variable, rows: Tensor) -> Any:
        return self._apply(grad, var, rows).op

    def _apply(self, grad: Tensor, var: Variable, rows: Tensor | None) -> Tensor:
        """The update; ``rows`` None for all rows."""
        raise NotImplementedError(f"{type(self).__name__} must define _apply; this is a bug")
