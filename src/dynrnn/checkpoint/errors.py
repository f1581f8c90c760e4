"""What is wrong with a checkpoint."""

from __future__ import annotations

__all__ = ["CheckpointError", "MissingDataFileError", "TensorNotFoundError"]


class CheckpointError(ValueError):
    """A file is not what it should be: cut short, changed, of another format, or with numbers that cannot be."""


class TensorNotFoundError(CheckpointError, KeyError):
    """A checkpoint holds no tensor of the name asked for."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class MissingDataFileError(CheckpointError, FileNotFoundError):
    """A data file that an index speaks of is not there."""
