"""`MultiRNNCell`, a stack of cells as one cell."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from dynrnn import nest
from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import RNNCell, assert_like_rnncell
from dynrnn.cells.wrapper import ensure_built, zero_state_of

__all__ = ["MultiRNNCell"]


class MultiRNNCell(RNNCell):
    """Cells in a row, each fed with the output of the one before.

    ::

        y_0 = inputs;   y_{i+1}, state_i' = cell_i(y_i, state_i);   output y_N, state (state_0', ..., state_{N-1}')

    Source: Graves, "Generating Sequences With Recurrent Neural Networks", 2013.

    The cells are the submodules ``cell_0``, ``cell_1``, ... A cell that occurs twice stands under its first number
    only, and its weights are shared. Inputs, outputs and their dtypes are as the cells have them.

    Args:
        cells: list or tuple of cells (any callables with ``state_size`` and ``output_size``).
        state_is_tuple: False makes the state one tensor [B, sum of widths], the states side by side.
        name: the scope instead of ``multi_rnn_cell``.
        input_size: width of the inputs; when given, the weights of all cells are made at once.

    Raises:
        TypeError: ``cells`` is not a list or tuple, or holds something that is not a cell.
        ValueError: ``cells`` is empty; with ``state_is_tuple=False`` a cell has a tuple of states; when called, the
            state is not a tuple with one entry for each cell, or not of the summed width.

    Warns:
        UserWarning: a cell occurs twice.
    """

    def __init__(
        self, cells: Any, state_is_tuple: bool = True, *, name: str | None = None, input_size: int | None = None
    ):
        super().__init__(name=name, input_size=input_size)
        if isinstance(cells, torch.nn.ModuleList):
            cells = list(cells)
        if not isinstance(cells, (list, tuple)):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells!r}.")
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        for index, cell in enumerate(cells):
            assert_like_rnncell(f"cells[{index}]", cell)
        self._state_is_tuple = bool(state_is_tuple)
        if not state_is_tuple and any(nest.is_nested(cell.state_size) for cell in cells):
            raise ValueError(
                "Some cells return tuples of states, but the flag state_is_tuple is not set. "
                f"State sizes are: {[cell.state_size for cell in cells]}"
            )
        if not state_is_tuple:
            for index, cell in enumerate(cells):
                positive_int(f"cells[{index}].state_size", cell.state_size)
        first = {id(cell): index for index, cell in reversed(list(enumerate(cells)))}
        if len(first) < len(cells):
            warnings.warn(
                "At least two cells provided to MultiRNNCell are the same object and will share weights.", stacklevel=3
            )
        self._cell_names = [f"cell_{first[id(cell)]}" for cell in cells]
        for name, cell in zip(self._cell_names, cells, strict=True):
            setattr(self, name, cell)
        self.built = True

    @property
    def cells(self) -> list[Any]:
        """The cells, first layer first."""
        return [getattr(self, name) for name in self._cell_names]

    # TensorFlow's name, which programs use.
    _cells = cells

    @property
    def state_size(self) -> Any:
        """Tuple of the cells' state sizes, or their sum."""
        sizes = tuple(cell.state_size for cell in self.cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        """That of the last cell."""
        return self.cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any = None, *, device: Any = None) -> Any:
        """The cells' zero states, in a tuple or side by side; see `RNNCell.zero_state`."""
        states = tuple(zero_state_of(cell, batch_size, dtype, device) for cell in self.cells)
        return states if self._state_is_tuple else torch.cat(states, 1)

    def ensure_built(self, depth: int, dtype: torch.dtype | None = None) -> None:
        """Build the cells, each for the outputs of the one before; see `RNNCell.ensure_built`."""
        for index, cell in enumerate(self.cells):
            depth = positive_int("input_size" if index == 0 else f"cells[{index - 1}].output_size", depth)
            ensure_built(cell, depth, dtype)
            depth = cell.output_size

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step of all cells: inputs [B, D] -> (output of the last cell, new states)."""
        new_states = []
        output = inputs
        for index, (cell, cell_state) in enumerate(zip(self.cells, self._split_state(inputs, state), strict=True)):
            with self.subscope(f"cell_{index}"):
                output, new_state = cell(output, cell_state)
            new_states.append(new_state)
        return output, tuple(new_states) if self._state_is_tuple else torch.cat(new_states, 1)

    def _split_state(self, inputs: Any, state: Any) -> Any:
        """One state for each cell."""
        if not self._state_is_tuple:
            widths = [int(cell.state_size) for cell in self.cells]
            self._check_state(inputs, state, sum(widths))
            return torch.split(state, widths, dim=1)
        if not isinstance(state, (list, tuple)) or len(state) != len(self._cell_names):
            got = f"{type(state).__name__} of length {len(state)}" if isinstance(state, (list, tuple)) else state
            raise ValueError(f"Expected state to be a tuple of length {len(self._cell_names)}, but received: {got}")
        return state

    def extra_repr(self) -> str:
        """The form of the state, where it is not the default."""
        return "" if self._state_is_tuple else "state_is_tuple=False"
