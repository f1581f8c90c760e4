"""Recurrent cells and wrappers: torch modules with TensorFlow's formulas, argument names and weight layouts.

Each has ``state_size``, ``output_size``, ``zero_state(batch_size, dtype)`` and ``cell(inputs, state) -> (output,
new_state)`` for one time step. The formulas are written so that they also build TensorFlow 1 graphs; see
`dynrnn.cells.base`.
"""

from __future__ import annotations

from dynrnn.cells import initializers
from dynrnn.cells.base import RNNCell, affine, assert_like_rnncell, get_activation
from dynrnn.cells.basic import BasicRNNCell
from dynrnn.cells.dropout import DropoutWrapper
from dynrnn.cells.gru import GRUCell
from dynrnn.cells.layer_norm import LayerNormBasicLSTMCell
from dynrnn.cells.lstm import BasicLSTMCell, LSTMCell
from dynrnn.cells.multi import MultiRNNCell
from dynrnn.cells.state import LSTMStateTuple
from dynrnn.cells.wrapper import CellWrapper
from dynrnn.cells.wrappers import (
    EmbeddingWrapper,
    HighwayWrapper,
    InputProjectionWrapper,
    OutputProjectionWrapper,
    ResidualWrapper,
)

__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "CellWrapper",
    "DropoutWrapper",
    "EmbeddingWrapper",
    "GRUCell",
    "HighwayWrapper",
    "InputProjectionWrapper",
    "LSTMCell",
    "LSTMStateTuple",
    "LayerNormBasicLSTMCell",
    "MultiRNNCell",
    "OutputProjectionWrapper",
    "RNNCell",
    "ResidualWrapper",
    "affine",
    "assert_like_rnncell",
    "get_activation",
    "initializers",
]
