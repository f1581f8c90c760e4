"""Variables that are parts of a larger one."""

from __future__ import annotations

from typing import Any

__all__ = ["SaveSliceInfo"]


class SaveSliceInfo:
    """Of which tensor of a checkpoint a variable is a part.

    Args:
        full_name: the name of the whole in a checkpoint.
        full_shape: its shape.
        var_offset: where the part begins, for each dimension.
        var_shape: the shape of the part.
    """

    def __init__(
        self, full_name: Any = None, full_shape: Any = None, var_offset: Any = None, var_shape: Any = None
    ) -> None:
        self.full_name = full_name
        self.full_shape = [int(size) for size in full_shape]
        self.var_offset = [int(start) for start in var_offset]
        self.var_shape = [int(size) for size in var_shape]
        if not len(self.full_shape) == len(self.var_offset) == len(self.var_shape):
            raise ValueError(
                f"expected full_shape, var_offset and var_shape to have one length, got {full_shape}, {var_offset}, "
                f"{var_shape}"
            )

    @property
    def spec(self) -> str:
        """TensorFlow's text for it: ``"100 5 0,34:0,5"``."""
        shape = " ".join(str(size) for size in self.full_shape)
        return f"{shape} " + ":".join(f"{a},{n}" for a, n in zip(self.var_offset, self.var_shape, strict=True))

    @property
    def part(self) -> tuple[tuple[int, ...], tuple[tuple[int, int] | None, ...]]:
        """The shape of the whole, and start and length of the part in each dimension."""
        return tuple(self.full_shape), tuple(zip(self.var_offset, self.var_shape, strict=True))
