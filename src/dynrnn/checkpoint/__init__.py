"""TensorFlow's checkpoints: read, written, converted, without TensorFlow.

    weights = dynrnn.checkpoint.open_checkpoint("model.ckpt-1000")      # a mapping from names to numpy arrays
    dynrnn.checkpoint.write_checkpoint("new.ckpt", {"w": array})        # TensorFlow reads it
    dynrnn.checkpoint.load_cell(cell, "model.ckpt-1000", "rnn/lstm_cell")

Versions 2 (``.index`` and ``.data-...`` files) and 1 (one file), partitioned variables, all element types. Every byte
that is read is checked; a damaged file is a `CheckpointError`, never other values.
"""

from dynrnn.checkpoint.bundle import BundleReader, BundleWriter, write_checkpoint
from dynrnn.checkpoint.cells import load_cell, save_cell
from dynrnn.checkpoint.convert import from_safetensors, to_safetensors
from dynrnn.checkpoint.errors import CheckpointError, MissingDataFileError, TensorNotFoundError
from dynrnn.checkpoint.reader import Reader, TensorInfo, checkpoint_exists, open_checkpoint
from dynrnn.checkpoint.version1 import Version1Reader, write_version_1

__all__ = [
    "BundleReader",
    "BundleWriter",
    "CheckpointError",
    "MissingDataFileError",
    "Reader",
    "TensorInfo",
    "TensorNotFoundError",
    "Version1Reader",
    "checkpoint_exists",
    "from_safetensors",
    "load_cell",
    "open_checkpoint",
    "save_cell",
    "to_safetensors",
    "write_checkpoint",
    "write_version_1",
]
