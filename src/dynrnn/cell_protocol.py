"""What the drivers ask of a cell: that it can be called, and, when no state is given, that it can make one.

A cell is any callable ``cell(inputs, state) -> (output, new_state)``: a cell of ``dynrnn.cells``, a user's
``torch.nn.Module``, a plain function. Nothing here asks for a class. What a cell may have besides:

* ``get_initial_state(inputs=, batch_size=, dtype=)``, or ``zero_state(batch_size, dtype)``, or ``state_size`` (a nest
  of int and ``torch.Size``, the shape of a row of each state): where an initial state comes from when none is given;
* ``new_sequence()``, on the cell or a submodule: called once before an unroll;
* ``row_tensors``, on the class of the cell or of a submodule: names of attributes that hold tensors with one entry for
  each row of the batch, or None. During an unroll such an attribute holds what the loop puts there (``unrolling.py``).

A part of a state, a namedtuple, may have

* ``loop_part()``: returns the same part as it goes through a loop, with ``()`` for the fields that belong to no row,
  and the names of those of its fields whose tensors at every step it wants to see when the loop is over. The cell has
  to take a state of this form too;
* ``not_in_loop``: the names of the fields that belong to no row;
* ``after_loop(final, kept, steps)``: the final state, from this part (the initial one), what came out of the loop, the
  tensors that it wanted to see, as one tuple over the steps for each, and the number of steps that ran.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dynrnn import nest
from dynrnn.checks import check_pair, describe_leaf, leaf_names

__all__ = [
    "NO_DTYPE",
    "NO_DTYPE_STATIC",
    "as_step",
    "begin_sequence",
    "check_cell",
    "initial_state_of",
    "size_shape",
    "state_size_of",
]

NO_DTYPE = "If there is no initial_state, you must give a dtype."
NO_DTYPE_STATIC = "If no initial_state is provided, dtype must be specified."


def check_cell(cell: Any, name: str = "cell") -> None:
    """Refuse what cannot be a cell.

    Raises:
        TypeError: ``cell`` is not callable, or is a class where one of its objects is wanted.
    """
    if isinstance(cell, type):
        raise TypeError(f"The argument {name!r} ({cell!r}) is not an RNNCell: it is a class, make an object of it")
    if not callable(cell):
        raise TypeError(f"The argument {name!r} ({cell!r}) is not an RNNCell: it is not callable")


def as_step(cell: Callable[[Any, Any], Any], name: str = "cell") -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """``cell`` as the step of a scan; its parameters stay its own."""
    who = f"{name} {getattr(cell, '__name__', type(cell).__name__)}"

    def step(params: Any, x: Any, state: Any) -> tuple[Any, Any]:
        return check_pair(cell(x, state), who)

    return step


def begin_sequence(*cells: Any, inputs: Any = None) -> None:
    """Tell every cell, and every submodule of one, that a new unroll begins (variational masks are drawn anew).

    Args:
        cells: the cells.
        inputs: nest of the tensors to unroll over; those who have ``begin_sequence(like)`` are handed an empty part of
            the first one, so that what they keep for a sequence is made outside of the loop.
    """
    seen: set[int] = set()
    for cell in cells:
        is_module = isinstance(cell, torch.nn.Module)
        for part in cell.modules() if is_module else [cell]:
            # of a module the class is asked: to find that a module itself lacks an attribute takes a while
            has_method = hasattr(type(part) if is_module else part, "new_sequence")
            if has_method and id(part) not in seen and callable(begin := part.new_sequence):
                seen.add(id(part))
                begin()
                if inputs is not None and callable(prepare := getattr(part, "begin_sequence", None)):
                    prepare(nest.flatten(inputs)[0][:0])


def state_size_of(cell: Any) -> Any:
    """``cell.state_size``, or None when the cell has none."""
    try:
        return getattr(cell, "state_size", None)
    except NotImplementedError:  # an abstract property that the cell did not fill in
        return None


def size_shape(size: Any) -> tuple[int, ...]:
    """The shape of one row, from a leaf of ``state_size`` or ``output_size``: an int, or a ``torch.Size``."""
    return tuple(size) if isinstance(size, torch.Size) else (int(size),)


def initial_state_of(
    cell: Any,
    initial_state: Any,
    batch: int,
    dtype: torch.dtype | None,
    inputs: Any,
    *,
    name: str = "initial_state",
    no_dtype: str = NO_DTYPE,
) -> Any:
    """The state to start from: the one given, held to ``cell.state_size``, or zeros from the cell.

    Args:
        cell: the cell.
        initial_state: nest of tensors, or None. A list or tuple with as many leaves as ``cell.state_size`` is put into
            its structure.
        batch: number of rows.
        dtype: of the zeros; when omitted, the one of the floating ``inputs``.
        inputs: nest of tensors, for the dtype and the device of the zeros.
        name: what to call the state in an error.
        no_dtype: what to say when there is neither a state nor a dtype.

    Raises:
        TypeError: ``dtype`` is no torch dtype; one tensor where the cell has a structure of states.
        ValueError: neither a state nor a dtype; a cell that can make no state; a state of other shapes or with another
            number of leaves than ``cell.state_size``.
    """
    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise TypeError(f"dtype must be a torch.dtype, got {dtype!r}")
    if initial_state is not None:
        return _fit(initial_state, state_size_of(cell), batch, name)
    if dtype is None:
        dtypes = {leaf.dtype for leaf in nest.flatten(inputs) if leaf.is_floating_point()}
        if len(dtypes) != 1:
            found = "none of them is floating" if not dtypes else f"they have several: {sorted(map(str, dtypes))}"
            raise ValueError(f"{no_dtype} (It cannot be taken from the inputs: {found}.)")
        (dtype,) = dtypes
    device = nest.flatten(inputs)[0].device
    if callable(make := getattr(cell, "get_initial_state", None)):
        state = make(inputs=None, batch_size=batch, dtype=dtype)
    elif callable(make := getattr(cell, "zero_state", None)):
        state = make(batch, dtype)
    elif (size := state_size_of(cell)) is not None:
        state = nest.map_structure(lambda s: torch.zeros((batch, *size_shape(s)), dtype=dtype), size)
    else:
        raise ValueError(
            f"{name} must be given: the cell {cell!r} has no get_initial_state, zero_state or state_size to make one"
        )
    if any(isinstance(leaf, torch.Tensor) and leaf.device != device for leaf in nest.flatten(state)):
        state = nest.map_structure(lambda leaf: leaf.to(device) if isinstance(leaf, torch.Tensor) else leaf, state)
    return state


def _fit(state: Any, size: Any, batch: int, name: str) -> Any:
    """``state`` in the structure of ``size``, with shapes that agree."""
    if size is None:
        return state
    if nest.structure(state) != nest.structure(size):
        expected = f"{name} must have the structure of the cell's state_size, {nest.describe(size)}"
        if nest.is_nested(size) and not nest.is_nested(state):
            raise TypeError(f"{expected}, got {describe_leaf(state)}")
        leaves = nest.flatten(state)
        if not isinstance(state, (list, tuple)) or len(leaves) != len(nest.flatten(size)):
            raise ValueError(f"{expected}, got {nest.describe(state)}")
        state = nest.pack_as(size, leaves)
    for index, (leaf, leaf_size) in enumerate(zip(nest.flatten(state), nest.flatten(size), strict=True)):
        if not isinstance(leaf, torch.Tensor) or leaf.ndim == 0:
            continue
        expected_shape = (batch, *size_shape(leaf_size))
        if tuple(leaf.shape) != expected_shape:
            raise ValueError(
                f"{leaf_names(name, state)[index]} must have shape {list(expected_shape)}, [batch_size] and the cell's "
                f"state_size, got {list(leaf.shape)}"
            )
    return state
