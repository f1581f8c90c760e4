"""The reference executor: the law of ``dynrnn.scan`` written out as a python loop of plain torch operations.

    for t in range(max(lengths)):                       # all T steps when there are no lengths
        live = t < lengths
        y, new = step(params, where(live, x[t], donor's x[t]), where(live, state, donor's state))
        ys[t]  = where(live, y, 0)
        state  = where(live, new, state)
    ys[max(lengths):] = 0

A dead row is computed along, because a step may hold tensors with one entry a row and the batch must therefore keep its
rows, but it is fed a copy of a live row, the *donor*. Selecting afterwards is not enough: the gradient of the step is
multiplied by the zero that comes back from ``where``, and 0 * inf is NaN; so nothing that stands in the padding may
enter the step at all. The donor is the longest row, which is live in every step that runs; its copy is detached, so it
answers for itself once. When all rows are live, nothing is masked. What belongs to the rows at all steps (``per_row``)
is fed in the same way.

Everything is differentiable torch, so double backward, ``torch.func``, every device and every dtype work. It is slow:
one python step per time step, and dead rows cost as much as live ones. Other executors are held to its results.

One thing it cannot keep: if the donor's own derivative at a step is infinite, then the gradient of a parameter, which
sums over rows, is NaN where it would have been inf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dynrnn import nest
from dynrnn.checks import check_like, check_pair, check_rows, describe_leaf, has_rows

__all__ = ["run", "run_until", "with_donor"]

Step = Callable[..., Any]
UntilStep = Callable[[int, Any, Any], Any]


def run(
    step: Step,
    params: Any,
    inputs: Any,
    state: Any,
    lengths: list[int] | None,
    time_axis: int,
    batch: int,
    steps: int,
    per_row: Any = None,
) -> tuple[Any, Any]:
    """Run ``step`` over ``inputs``; arguments as ``dynrnn.scan`` has checked them.

    Args:
        step: ``step(params, x, state) -> (y, new_state)``.
        params: handed to ``step`` as it is.
        inputs: nest of tensors with ``batch`` and ``steps`` as their first two dimensions, in either order.
        state: nest of tensors ``[batch, ...]`` or of rank 0.
        lengths: one number from 0 to ``steps`` per row, or None for all ``steps``.
        time_axis: 0 or 1: where time stands in ``inputs`` and will stand in the outputs.
        batch: B.
        steps: T.
        per_row: nest of tensors ``[batch, ...]``, handed to ``step`` as a fourth argument; None: it takes three.

    Returns:
        Outputs, with ``steps`` steps at ``time_axis`` (rank-0 outputs as ``[steps]``), and the final state.
    """
    longest = steps if lengths is None else max(lengths, default=0)
    if longest == 0:
        return _run_nothing(_bound(step, per_row), (params, per_row), params, inputs, state, time_axis, batch, steps)
    whole = fed_step = _bound(step, per_row)
    alive = batch
    # unbind of the part that is used: its gradient is one stack, where indexing would make one full-size zero per step.
    sliced = [leaf.narrow(time_axis, 0, longest).unbind(time_axis) for leaf in nest.flatten(inputs)]
    lengths_on = None if lengths is None else torch.tensor(lengths, device=_device(inputs))
    shortest, donor = (longest, 0) if lengths is None else (min(lengths), lengths.index(longest))
    ys: list[Any] = []
    for t in range(longest):
        x = nest.pack_as(inputs, [slices[t] for slices in sliced])
        if lengths_on is None or t < shortest:
            y, state = _call(whole, params, x, state, batch, ys)
        else:
            live = lengths_on > t
            if alive != (alive := sum(length > t for length in lengths or ())):
                fed_step = _bound(step, None if per_row is None else with_donor(live, donor, per_row))
            fed_x, fed_state = (with_donor(live, donor, tree) for tree in (x, state))
            y, new_state = _call(fed_step, params, fed_x, fed_state, batch, ys)
            y, state = _zero_dead(live, y), _keep_dead(live, new_state, state)
        ys.append(y)
    return _stack(ys, time_axis, steps), state


def run_until(
    step: UntilStep,
    state: Any,
    finished: torch.Tensor,
    carry: Any,
    emit_like: Any,
    mask: bool = True,
    sticky: bool = True,
) -> tuple[Any, Any, Any]:
    """Run ``step`` until all rows are finished; arguments as ``dynrnn.scan_until`` has checked them.

        while not all(finished):
            done, emit, new, carry = step(time, state, carry)
            emits[time] = where(finished, 0, emit)
            state       = where(finished, state, new)
            finished    = finished | done

    Rows that are finished are fed as they are, with no donor: the step may look at them (its carry is not masked).
    Without ``mask`` there is no ``where``, without ``sticky`` no ``|``.

    Returns:
        Emits, stacked ``[steps, ...]`` (None when no step ran and ``emit_like`` is None), final state, final carry.
    """
    batch = finished.shape[0]
    emits: list[Any] = []
    expected = emit_like
    while not all(flags := finished.flatten().tolist()):
        result = step(len(emits), state, carry)
        if not isinstance(result, (tuple, list)) or len(result) != 4:
            raise TypeError(f"step must return (finished, emit, new_state, carry), got {type(result).__name__}")
        done, emit, new_state, carry = result
        if not isinstance(done, torch.Tensor) or done.dtype != torch.bool or done.shape != finished.shape:
            raise ValueError(
                f"finished must stay a bool tensor of shape {list(finished.shape)}, got {describe_leaf(done)}"
            )
        check_like(state, new_state, "new_state", "keep the structure, shapes and dtypes of the state")
        check_rows(emit, batch, "emit")
        if expected is not None:
            check_like(expected, emit, "emit", "be alike in every step")
        expected = emit
        if mask and any(flags):
            live = ~finished
            emit, new_state = _zero_dead(live, emit), _keep_dead(live, new_state, state)
        emits.append(emit)
        state = new_state
        done = done.to(finished.device)
        finished = finished | done if sticky else done
    if emits:
        return _stack(emits, 0, len(emits)), state, carry
    if emit_like is None:
        return None, state, carry
    return nest.map_structure(lambda leaf: leaf.new_zeros((0, *leaf.shape)), emit_like), state, carry


def _call(step: Step, params: Any, x: Any, state: Any, batch: int, ys: list[Any]) -> tuple[Any, Any]:
    """One step, with what it returns checked against the state and the outputs before it."""
    y, new_state = check_pair(step(params, x, state), "step")
    check_like(state, new_state, "new_state", "keep the structure, shapes and dtypes of the state")
    check_rows(y, batch, "y")
    if ys:
        check_like(ys[-1], y, "y", "be alike in every step")
    return y, new_state


def _bound(step: Step, per_row: Any) -> Step:
    """``step`` as a function of three arguments."""
    if per_row is None:
        return step
    return lambda params, x, state: step(params, x, state, per_row)


def _run_nothing(
    step: Step, reached: Any, params: Any, inputs: Any, state: Any, time_axis: int, batch: int, steps: int
) -> tuple[Any, Any]:
    """No row is live at any step: zeros and the initial state, from one step on zeros that shows what y looks like.

    When there are steps, that step counts as TensorFlow's first: leaves without rows take its values.
    """
    zeros = nest.map_structure(lambda leaf: leaf.new_zeros((batch, *leaf.shape[2:])), inputs)
    y, new_state = _call(step, params, zeros, state, batch, [])
    sources = _differentiable((inputs, state, reached), (y, new_state))

    def output(leaf: torch.Tensor) -> torch.Tensor:
        if steps and not has_rows(leaf):
            return leaf
        return _attach(torch.zeros_like(leaf), sources)

    def final(old: Any, new: Any) -> Any:
        if has_rows(old) or not steps:
            return _attach(old, sources)
        return new

    y, state = nest.map_structure(output, y), nest.map_structure(final, state, new_state)
    return _stack([y], time_axis, steps), state


def _differentiable(arguments: Any, results: Any) -> list[torch.Tensor]:
    """Tensors that ask for a gradient: those in ``arguments``, and the ends of the graph behind ``results``, once each.

    The results themselves are not among them: a gradient of 0 for them would run the step's derivative at zeros.
    """
    leaves = [leaf for leaf in nest.flatten(arguments) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    grown = [leaf for leaf in nest.flatten(results) if isinstance(leaf, torch.Tensor)]
    waiting = [leaf.grad_fn for leaf in grown if leaf.grad_fn is not None]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if (variable := getattr(node, "variable", None)) is not None:  # the end of a path: a parameter
            leaves.append(variable)
        waiting.extend(function for function, _ in node.next_functions if function is not None)
    return list({id(leaf): leaf for leaf in leaves}.values())


def _attach(value: Any, sources: list[torch.Tensor]) -> Any:
    """``value`` unchanged, in a graph that gives every source a gradient of exact zeros, whatever the source holds."""
    if not sources or not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.requires_grad:
        return value
    nothing = torch.stack([source.reshape(-1)[:0].sum().to(value) for source in sources]).sum()
    return torch.where(torch.ones_like(value, dtype=torch.bool), value, nothing)


def with_donor(live: torch.Tensor, donor: int, tree: Any) -> Any:
    """``tree`` with every dead row replaced by a copy of row ``donor`` that takes no gradient."""

    def fill(leaf: Any) -> Any:
        if not has_rows(leaf):
            return leaf
        return torch.where(_mask(live, leaf), leaf, leaf.detach()[donor : donor + 1])

    return nest.map_structure(fill, tree)


def _keep_dead(live: torch.Tensor, new: Any, old: Any) -> Any:
    """``new`` in live rows, ``old`` in dead ones; leaves without rows are ``new``."""
    return nest.map_structure(lambda n, o: torch.where(_mask(live, n), n, o) if has_rows(n) else n, new, old)


def _zero_dead(live: torch.Tensor, y: Any) -> Any:
    """``y`` in live rows, 0 in dead ones; leaves without rows are ``y``."""
    return nest.map_structure(lambda n: torch.where(_mask(live, n), n, n.new_zeros(())) if has_rows(n) else n, y)


def _mask(live: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    return live.to(leaf.device).reshape(live.shape[0], *[1] * (leaf.ndim - 1))


def _stack(ys: list[Any], time_axis: int, steps: int) -> Any:
    """Per-step nests as one nest with ``steps`` steps at ``time_axis``: cut, or filled with zeros at the end."""

    def stack(*leaves: torch.Tensor) -> torch.Tensor:
        axis = min(time_axis, leaves[0].ndim)
        filling = [torch.zeros_like(leaves[0])] * (steps - len(leaves))
        return torch.stack([*leaves, *filling], axis).narrow(axis, 0, steps)

    return nest.map_structure(stack, ys[0], *ys[1:])


def _device(tree: Any) -> torch.device:
    return nest.flatten(tree)[0].device
