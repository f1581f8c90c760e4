"""Both directions: ``bidirectional_dynamic_rnn``, ``static_bidirectional_rnn`` and stacks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynrnn import nest
from dynrnn.tf1 import array_ops, indexing
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import variable_scope
from dynrnn.tf1.rnn import check_cell, dynamic_rnn, static_rnn

__all__ = [
    "bidirectional_dynamic_rnn",
    "stack_bidirectional_dynamic_rnn",
    "stack_bidirectional_rnn",
    "static_bidirectional_rnn",
]


def _reverse(structure: Any, lengths: Any, time_axis: int, batch_axis: int) -> Any:
    def one(x: Any) -> Tensor:
        tensor = convert_to_tensor(x)
        if lengths is None:
            return indexing.reverse(tensor, [time_axis])
        return indexing.reverse_sequence(tensor, lengths, seq_axis=time_axis, batch_axis=batch_axis)

    return nest.map_structure(one, structure)


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """`dynamic_rnn` forwards, and backwards with each row reversed within its length.

    Args and errors as of `dynamic_rnn`; the default scope is "bidirectional_rnn".

    Returns:
        ``((outputs_fw, outputs_bw), (state_fw, state_bw))``; both outputs are in the order of the inputs.
    """
    check_cell("cell_fw", cell_fw)
    check_cell("cell_bw", cell_bw)
    time_axis, batch_axis = (0, 1) if time_major else (1, 0)
    shared: dict[str, Any] = {
        "sequence_length": sequence_length,
        "dtype": dtype,
        "parallel_iterations": parallel_iterations,
        "swap_memory": swap_memory,
        "time_major": time_major,
    }
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as fw_scope:
            output_fw, state_fw = dynamic_rnn(cell_fw, inputs, initial_state=initial_state_fw, scope=fw_scope, **shared)
        with variable_scope("bw") as bw_scope:
            reversed_inputs = _reverse(inputs, sequence_length, time_axis, batch_axis)
            backwards, state_bw = dynamic_rnn(
                cell_bw, reversed_inputs, initial_state=initial_state_bw, scope=bw_scope, **shared
            )
    output_bw = _reverse(backwards, sequence_length, time_axis, batch_axis)
    return (output_fw, output_bw), (state_fw, state_bw)


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """`static_rnn` in both directions.

    Args and errors as of `static_rnn`; the default scope is "bidirectional_rnn".

    Returns:
        ``(outputs, state_fw, state_bw)``; each output is forward and backward joined along axis 1.
    """
    check_cell("cell_fw", cell_fw)
    check_cell("cell_bw", cell_bw)
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as fw_scope:
            output_fw, state_fw = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, scope=fw_scope)
        with variable_scope("bw") as bw_scope:
            backwards, state_bw = static_rnn(
                cell_bw,
                _reverse_steps(inputs, sequence_length),
                initial_state_bw,
                dtype,
                sequence_length,
                scope=bw_scope,
            )
    output_bw = _reverse_steps(backwards, sequence_length)
    joined = [
        nest.map_structure(lambda fw, bw: array_ops.concat([fw, bw], 1), fw, bw)
        for fw, bw in zip(output_fw, output_bw, strict=True)
    ]
    return joined, state_fw, state_bw


def _reverse_steps(steps: Any, lengths: Any) -> list[Any]:
    """A list of steps backwards, each row within its length."""
    if lengths is None:
        return list(reversed(steps))
    flats = [nest.flatten(step) for step in steps]
    columns = []
    for leaf in zip(*flats, strict=True):
        stacked = array_ops.stack([convert_to_tensor(x) for x in leaf])
        turned = indexing.reverse_sequence(stacked, lengths, seq_axis=0, batch_axis=1)
        columns.append(array_ops.unstack(turned, len(flats)))
    return [nest.pack_as(steps[0], parts) for parts in zip(*columns, strict=True)]


def _check_stack(cells_fw: Any, cells_bw: Any, states_fw: Any, states_bw: Any) -> None:
    if cells_fw is None:
        raise ValueError("Must specify at least one fw cell for BidirectionalRNN.")
    if cells_bw is None:
        raise ValueError("Must specify at least one bw cell for BidirectionalRNN.")
    for name, value in (("cells_fw", cells_fw), ("cells_bw", cells_bw)):
        if not isinstance(value, list):
            raise ValueError(f"{name} must be a list of RNNCells (one per layer), got {type(value).__name__}")
    if not cells_fw:
        raise ValueError("Must specify at least one fw cell for BidirectionalRNN.")
    if len(cells_fw) != len(cells_bw):
        raise ValueError(
            f"Forward and Backward cells must have the same depth, got {len(cells_fw)} and {len(cells_bw)}"
        )
    for name, states in (("initial_states_fw", states_fw), ("initial_states_bw", states_bw)):
        if states is not None and (not isinstance(states, list) or len(states) != len(cells_fw)):
            raise ValueError(f"{name} must be a list of state tensors (one per layer).")


def _stacked(
    run: Callable[..., tuple[Any, Any, Any]],
    cells: tuple[Any, Any],
    inputs: Any,
    initial_states: tuple[Any, Any],
    scope: Any,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """Layers of ``run(scope, cell_fw, cell_bw, inputs, state_fw, state_bw) -> (outputs, state_fw, state_bw)``."""
    _check_stack(*cells, *initial_states)
    count = len(cells[0])
    given_fw, given_bw = (states or [None] * count for states in initial_states)
    finals = []
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, layer in enumerate(zip(*cells, given_fw, given_bw, strict=True)):
            cell_fw, cell_bw, state_fw, state_bw = layer
            with variable_scope(f"cell_{i}") as cell_scope:
                inputs, *final = run(cell_scope, cell_fw, cell_bw, inputs, state_fw, state_bw)
            finals.append(final)
    states_fw, states_bw = zip(*finals, strict=True)
    return inputs, states_fw, states_bw


def stack_bidirectional_rnn(
    cells_fw: Any,
    cells_bw: Any,
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], tuple[Any, ...], tuple[Any, ...]]:
    """Layers of `static_bidirectional_rnn`, each on the joined outputs of the one before.

    Returns:
        ``(outputs, states_fw, states_bw)`` with a state per layer.

    Raises:
        ValueError: lists of cells or states that do not fit each other.
    """

    def run(layer: Any, fw: Any, bw: Any, x: Any, state_fw: Any, state_bw: Any) -> tuple[Any, Any, Any]:
        return static_bidirectional_rnn(fw, bw, x, state_fw, state_bw, dtype, sequence_length, scope=layer)

    return _stacked(run, (cells_fw, cells_bw), inputs, (initial_states_fw, initial_states_bw), scope)


def stack_bidirectional_dynamic_rnn(
    cells_fw: Any,
    cells_bw: Any,
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """Layers of `bidirectional_dynamic_rnn`, each on the joined outputs of the one before.

    Returns:
        ``(outputs, states_fw, states_bw)`` with a state per layer.

    Raises:
        ValueError: lists of cells or states that do not fit each other.
    """

    def run(layer: Any, fw: Any, bw: Any, x: Any, state_fw: Any, state_bw: Any) -> tuple[Any, Any, Any]:
        outputs, (final_fw, final_bw) = bidirectional_dynamic_rnn(
            fw, bw, x, sequence_length, state_fw, state_bw, dtype, parallel_iterations, swap_memory, time_major
        )
        return array_ops.concat(list(outputs), 2), final_fw, final_bw

    return _stacked(run, (cells_fw, cells_bw), inputs, (initial_states_fw, initial_states_bw), scope)
