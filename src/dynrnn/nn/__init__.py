"""Recurrent layers: `RNN`, `LSTM` and `GRU` in place of those of ``torch.nn``, and `Recurrent` of any cell.

    layer = dynrnn.nn.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True)
    outputs, (h, c) = layer(x, lengths=lengths)

The first three have the constructor, the parameters, the ``state_dict`` and the numbers of the layers of ``torch.nn``,
so that checkpoints move both ways; besides packed sequences they take ``lengths``.
"""

from __future__ import annotations

from dynrnn.nn.layers import GRU, LSTM, RNN
from dynrnn.nn.recurrent import Recurrent

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]
