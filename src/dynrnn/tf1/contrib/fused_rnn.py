"""The fused cells of ``tf.contrib.rnn``: objects that are called on a whole sequence, time first.

In TensorFlow some of them are one operation for the whole loop; here every recurrence is, so that they are the drivers
under another signature: ``cell(inputs, initial_state=None, dtype=None, sequence_length=None, scope=None)``.
"""

from __future__ import annotations

import abc
from typing import Any

from dynrnn.tf1 import array_ops, indexing, math_ops
from dynrnn.tf1.contrib.rnn_cells import LSTMBlockCell
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import get_variable_scope
from dynrnn.tf1.layer_base import InputSpec, Layer
from dynrnn.tf1.rnn import check_cell, dynamic_rnn, static_rnn
from dynrnn.tf1.rnn_cell import LSTMStateTuple

__all__ = ["FusedRNNCell", "FusedRNNCellAdaptor", "LSTMBlockFusedCell", "LSTMBlockWrapper", "TimeReversedFusedRNN"]


class FusedRNNCell(abc.ABC):
    """What is called on a whole sequence."""

    @abc.abstractmethod
    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        """Run over a sequence.

        Args:
            inputs: ``[T, B, D]``, or a list of T tensors ``[B, D]``.
            initial_state: the state to start from; zeros when None.
            dtype: element type of the zeros.
            sequence_length: vector of B lengths; all of T when None.
            scope: variable scope.

        Returns:
            ``(outputs, state)``: outputs ``[T, B, n]``, or a list of them where the inputs are one.
        """


class FusedRNNCellAdaptor(FusedRNNCell):
    """Any cell as a fused one.

    Args:
        cell: an RNN cell.
        use_dynamic_rnn: whether by ``dynamic_rnn``; else by ``static_rnn``, whose number of steps must be known.

    Raises:
        TypeError: not a cell.
    """

    def __init__(self, cell: Any, use_dynamic_rnn: bool = False) -> None:
        check_cell("cell", cell)
        self._cell = cell
        self._use_dynamic_rnn = use_dynamic_rnn

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        """See `FusedRNNCell`."""
        is_list = isinstance(inputs, list)
        if self._use_dynamic_rnn:
            outputs, state = dynamic_rnn(
                self._cell,
                array_ops.stack(inputs) if is_list else inputs,
                sequence_length=sequence_length,
                initial_state=initial_state,
                dtype=dtype,
                time_major=True,
                scope=scope,
            )
            return (array_ops.unstack(outputs) if is_list else outputs), state
        outputs, state = static_rnn(
            self._cell,
            inputs if is_list else array_ops.unstack(convert_to_tensor(inputs)),
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            scope=scope,
        )
        return (outputs if is_list else array_ops.stack(outputs)), state


class TimeReversedFusedRNN(FusedRNNCell):
    """A fused cell that runs from each row's end to its beginning; its outputs stand where the inputs stand.

    (As in TensorFlow a list of inputs is reversed as a whole, whatever the lengths.)

    Args:
        cell: a fused cell.

    Raises:
        TypeError: not callable.
    """

    def __init__(self, cell: Any) -> None:
        if not callable(cell):
            raise TypeError(f"expected cell to be a fused cell, got {type(cell).__name__}")
        self._cell = cell

    @staticmethod
    def _reverse(sequence: Any, lengths: Any) -> Any:
        if isinstance(sequence, list):
            return sequence[::-1]
        if lengths is None:
            return indexing.reverse(sequence, [0])
        return indexing.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        """See `FusedRNNCell`."""
        outputs, state = self._cell(
            self._reverse(inputs, sequence_length),
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            scope=scope,
        )
        return self._reverse(outputs, sequence_length), state


class LSTMBlockWrapper(Layer):
    """Base of fused LSTMs: it deals with lists, lengths and states, a subclass computes all steps in ``_call_cell``.

    ``_call_cell(inputs, initial_cell_state, initial_output, dtype, sequence_length)`` returns the cs and the outputs of
    all steps, ``[T, B, n]`` each; what it says past a row's length does not matter. ``num_units`` is n.
    """

    @property
    @abc.abstractmethod
    def num_units(self) -> int:
        """n."""

    @abc.abstractmethod
    def _call_cell(
        self, inputs: Any, initial_cell_state: Any, initial_output: Any, dtype: Any, sequence_length: Any
    ) -> tuple[Any, Any]:
        """All steps; see the class."""

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """See `FusedRNNCell`."""
        is_list = isinstance(inputs, list)
        outputs, state = super().__call__(array_ops.stack(inputs) if is_list else inputs, *args, **kwargs)
        return (array_ops.unstack(outputs) if is_list else outputs), state

    def call(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None
    ) -> tuple[Any, Any]:
        """See `FusedRNNCell`.

        Raises:
            ValueError: neither state nor dtype, a state that is no pair, or inputs of unknown width.
        """
        shape = inputs.shape.with_rank(3)
        if not shape[2].value:
            raise ValueError(f"Expecting inputs_shape[2] to be set: {shape}")
        if initial_state is None:
            if dtype is None:
                raise ValueError("Either initial_state or dtype needs to be specified")
            rows = array_ops.shape(inputs)[1] if shape[1].value is None else shape[1].value
            zeros = array_ops.zeros([rows, self.num_units], dtype)
            initial_state = LSTMStateTuple(zeros, zeros)
        elif len(initial_state) != 2:
            raise ValueError("Expecting initial_state to be a tuple with length 2 or None")
        state = LSTMStateTuple(*(convert_to_tensor(part) for part in initial_state))
        dtype = state.c.dtype.base_dtype if dtype is None else dtype
        lengths = None if sequence_length is None else convert_to_tensor(sequence_length)
        return self._run(inputs, state, dtype, lengths)

    def _run(self, inputs: Tensor, state: Any, dtype: Any, lengths: Tensor | None) -> tuple[Any, Any]:
        cs, outputs = self._call_cell(inputs, state.c, state.h, dtype, lengths)
        if lengths is None:
            return outputs, LSTMStateTuple(cs[-1], outputs[-1])
        steps = array_ops.shape(inputs)[0]
        mask = array_ops.transpose(array_ops.sequence_mask(lengths, steps, dtype=dtype), [1, 0])
        outputs = outputs * array_ops.expand_dims(mask, 2)
        rows = array_ops.shape(inputs)[1]
        where = array_ops.stack([math_ops.to_int32(lengths), math_ops.range_(rows)], axis=1)
        final = [
            array_ops.gather_nd(array_ops.concat([array_ops.expand_dims(before, 0), after], 0), where)
            for before, after in ((state.c, cs), (state.h, outputs))
        ]
        return outputs, LSTMStateTuple(*final)


class _BothOut:
    """A cell that puts out its whole state."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell
        self.state_size = self.output_size = cell.state_size
        self.zero_state = cell.zero_state

    def __call__(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        _, new_state = self._cell(inputs, state)
        return new_state, new_state


class LSTMBlockFusedCell(LSTMBlockWrapper):
    """An `LSTMBlockCell` over a whole sequence; its variables are directly below its own scope.

    Args:
        num_units: n.
        forget_bias: added to f before its sigmoid.
        cell_clip: bound on c; None for none.
        use_peephole: whether the gates see c.
        reuse: share variables that exist in the scope.
        dtype: of the variables; that of the first input when None.
        name: the scope.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype)
        self._step = _ScopelessLSTMBlockCell(num_units, forget_bias, cell_clip, use_peephole, dtype)
        self._num_units = num_units
        self.input_spec = InputSpec(ndim=3)

    @property
    def num_units(self) -> int:
        """n."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Make the variables for inputs ``[T, B, D]``."""
        step = self._step
        step._dtype = step._dtype or self._dtype
        step.build(input_shape[-1].value)
        step.built = True
        self._kernel, self._bias = step.kernel, step.bias
        self._weights += [step._weight(name) for name in step._weight_names]
        self.built = True

    def _run(self, inputs: Tensor, state: Any, dtype: Any, lengths: Tensor | None) -> tuple[Any, Any]:
        return self._unrolled(self._step, inputs, state, lengths)

    def _call_cell(
        self,
        inputs: Any,
        initial_cell_state: Any = None,
        initial_output: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
    ) -> tuple[Any, Any]:
        state = LSTMStateTuple(initial_cell_state, initial_output)
        (cs, outputs), _ = self._unrolled(_BothOut(self._step), inputs, state, sequence_length)
        return cs, outputs

    @staticmethod
    def _unrolled(cell: Any, inputs: Any, state: Any, lengths: Any) -> tuple[Any, Any]:
        scope = get_variable_scope()
        return dynamic_rnn(cell, inputs, lengths, initial_state=state, time_major=True, scope=scope)


class _ScopelessLSTMBlockCell(LSTMBlockCell):
    """The step of a fused cell, in the fused cell's scope."""

    opens_scope = False
