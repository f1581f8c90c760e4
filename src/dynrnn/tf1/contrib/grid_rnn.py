"""``tf.contrib.grid_rnn``: grids of cells, in a graph; formulas are in :mod:`dynrnn.cells.grid`."""

from __future__ import annotations

from typing import Any

from dynrnn import cells
from dynrnn.tf1._namespace import missing
from dynrnn.tf1.rnn_cell import BasicLSTMCell, BasicRNNCell, GRUCell, LSTMCell, RNNCell, with_signature

__all__ = [
    "Grid1BasicLSTMCell",
    "Grid1BasicRNNCell",
    "Grid1LSTMCell",
    "Grid2BasicLSTMCell",
    "Grid2BasicRNNCell",
    "Grid2GRUCell",
    "Grid2LSTMCell",
    "Grid3LSTMCell",
    "GridRNNCell",
]


class _Grid(RNNCell):
    """What grids share: the cells inside are graph cells too."""

    _basic_rnn = BasicRNNCell
    _basic_lstm = BasicLSTMCell
    _lstm = LSTMCell
    _gru = GRUCell

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> Any:
        """One step, in the scope of the class's name, which is not made unique."""
        if scope is None and self._scope is None:
            scope = self._base_name
        return super().__call__(inputs, state, scope, *args, **kwargs)

    def _default_cell(self, num_units: int) -> Any:
        return LSTMCell(num_units)


@with_signature
class GridRNNCell(_Grid, cells.GridRNNCell):
    """`dynrnn.cells.GridRNNCell` in a graph."""


@with_signature
class Grid1BasicRNNCell(_Grid, cells.Grid1BasicRNNCell):
    """`dynrnn.cells.Grid1BasicRNNCell` in a graph."""


@with_signature
class Grid2BasicRNNCell(_Grid, cells.Grid2BasicRNNCell):
    """`dynrnn.cells.Grid2BasicRNNCell` in a graph."""


@with_signature
class Grid1BasicLSTMCell(_Grid, cells.Grid1BasicLSTMCell):
    """`dynrnn.cells.Grid1BasicLSTMCell` in a graph."""


@with_signature
class Grid2BasicLSTMCell(_Grid, cells.Grid2BasicLSTMCell):
    """`dynrnn.cells.Grid2BasicLSTMCell` in a graph."""


@with_signature
class Grid1LSTMCell(_Grid, cells.Grid1LSTMCell):
    """`dynrnn.cells.Grid1LSTMCell` in a graph."""


@with_signature
class Grid2LSTMCell(_Grid, cells.Grid2LSTMCell):
    """`dynrnn.cells.Grid2LSTMCell` in a graph."""


@with_signature
class Grid3LSTMCell(_Grid, cells.Grid3LSTMCell):
    """`dynrnn.cells.Grid3LSTMCell` in a graph."""


@with_signature
class Grid2GRUCell(_Grid, cells.Grid2GRUCell):
    """`dynrnn.cells.Grid2GRUCell` in a graph."""


__getattr__ = missing(__name__, globals())
