"""Recurrent cells and wrappers: torch modules with TensorFlow's formulas, argument names and weight layouts.

Each has ``state_size``, ``output_size``, ``zero_state(batch_size, dtype)`` and ``cell(inputs, state) -> (output,
new_state)`` for one time step. The formulas are written so that they also build TensorFlow 1 graphs; see
`dynrnn.cells.base`.
"""

from __future__ import annotations

from dynrnn.cells import cudnn, initializers
from dynrnn.cells.attention_window import AttentionCellWrapper
from dynrnn.cells.base import RNNCell, affine, assert_like_rnncell, get_activation
from dynrnn.cells.basic import BasicRNNCell
from dynrnn.cells.block import GRUBlockCell, GRUBlockCellV2, LSTMBlockCell
from dynrnn.cells.convolution import Conv1DLSTMCell, Conv2DLSTMCell, Conv3DLSTMCell, ConvLSTMCell
from dynrnn.cells.coupled import CoupledInputForgetGateLSTMCell
from dynrnn.cells.cudnn import CudnnCompatibleGRUCell, CudnnCompatibleLSTMCell
from dynrnn.cells.dropout import DropoutWrapper
from dynrnn.cells.frequency import BidirectionalGridLSTMCell, GridLSTMCell, TimeFreqLSTMCell
from dynrnn.cells.grid import (
    Grid1BasicLSTMCell,
    Grid1BasicRNNCell,
    Grid1LSTMCell,
    Grid2BasicLSTMCell,
    Grid2BasicRNNCell,
    Grid2GRUCell,
    Grid2LSTMCell,
    Grid3LSTMCell,
    GridRNNCell,
)
from dynrnn.cells.grouped import GLSTMCell
from dynrnn.cells.gru import GRUCell
from dynrnn.cells.independent import IndRNNCell, IndyGRUCell, IndyLSTMCell
from dynrnn.cells.layer_norm import LayerNormBasicLSTMCell
from dynrnn.cells.lstm import BasicLSTMCell, LSTMCell
from dynrnn.cells.minimal import CFNCell, MinimalRNNCell, SRUCell
from dynrnn.cells.multi import MultiRNNCell
from dynrnn.cells.nas import NASCell
from dynrnn.cells.normalized import LayerNormLSTMCell, WeightNormLSTMCell
from dynrnn.cells.phased import PhasedLSTMCell
from dynrnn.cells.state import LSTMStateTuple
from dynrnn.cells.update_gate import IntersectionRNNCell, UGRNNCell
from dynrnn.cells.wrapper import CellWrapper
from dynrnn.cells.wrappers import (
    EmbeddingWrapper,
    HighwayWrapper,
    InputProjectionWrapper,
    OutputProjectionWrapper,
    ResidualWrapper,
)

__all__ = [
    "AttentionCellWrapper",
    "BasicLSTMCell",
    "BasicRNNCell",
    "BidirectionalGridLSTMCell",
    "CFNCell",
    "CellWrapper",
    "Conv1DLSTMCell",
    "Conv2DLSTMCell",
    "Conv3DLSTMCell",
    "ConvLSTMCell",
    "CoupledInputForgetGateLSTMCell",
    "CudnnCompatibleGRUCell",
    "CudnnCompatibleLSTMCell",
    "DropoutWrapper",
    "EmbeddingWrapper",
    "GLSTMCell",
    "GRUBlockCell",
    "GRUBlockCellV2",
    "GRUCell",
    "Grid1BasicLSTMCell",
    "Grid1BasicRNNCell",
    "Grid1LSTMCell",
    "Grid2BasicLSTMCell",
    "Grid2BasicRNNCell",
    "Grid2GRUCell",
    "Grid2LSTMCell",
    "Grid3LSTMCell",
    "GridLSTMCell",
    "GridRNNCell",
    "HighwayWrapper",
    "IndRNNCell",
    "IndyGRUCell",
    "IndyLSTMCell",
    "InputProjectionWrapper",
    "IntersectionRNNCell",
    "LSTMBlockCell",
    "LSTMCell",
    "LSTMStateTuple",
    "LayerNormBasicLSTMCell",
    "LayerNormLSTMCell",
    "MinimalRNNCell",
    "MultiRNNCell",
    "NASCell",
    "OutputProjectionWrapper",
    "PhasedLSTMCell",
    "RNNCell",
    "ResidualWrapper",
    "SRUCell",
    "TimeFreqLSTMCell",
    "UGRNNCell",
    "WeightNormLSTMCell",
    "affine",
    "assert_like_rnncell",
    "cudnn",
    "get_activation",
    "initializers",
]
