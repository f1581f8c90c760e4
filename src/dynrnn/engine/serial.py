"""Instructions on buffers: what a program is for the native core, its serial form, and a printer.

The serial form is documented in ``native/program.h``; the core validates it completely, whoever made it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from dynrnn.engine.program import OPS

__all__ = [
    "KINDS",
    "PHASES",
    "POST",
    "PRE",
    "STEP",
    "Buffer",
    "Columns",
    "Instruction",
    "Layout",
    "Operand",
    "disassemble",
]

PRE, STEP, POST = 0, 1, 2
PHASES = ("pre", "step", "post")
KINDS = ("INPUT", "OUTPUT", "ROW", "VEC", "CONST", "MAT", "SAVED", "CARRY", "ACC", "TILE", "CHUNK")
MAGIC, VERSION = 0x64796E72, 1


@dataclass
class Buffer:
    """Memory that instructions name by its index.

    Attributes:
        kind: one of ``KINDS``.
        cols: its columns.
        k: rows of a ``MAT``.
        access: of a ``SAVED``: 0 read, 1 written, 2 written and then read.
        key: what the caller binds to it.
        transposed: of a ``MAT``: the transpose of the rows ``[start, stop)`` of the matrix is bound.
    """

    kind: str
    cols: int
    k: int = 0
    access: int = 0
    value: float = 0.0
    key: str = ""
    start: int = 0
    stop: int = 0
    transposed: bool = False


class Operand(NamedTuple):
    """Columns ``[offset, offset + cols)`` of a buffer."""

    buffer: int
    offset: int
    cols: int


class Columns(NamedTuple):
    """Columns of a saved tensor, by key."""

    key: str
    offset: int
    cols: int


@dataclass
class Instruction:
    """One operation: ``dst = op(sources)``; see ``native/program.h``.

    Attributes:
        extra: of noise, its stream; of a ``memory_additive_grad``, the buffer that takes the memory's gradient, or -1.
    """

    op: str
    dst: Operand | None
    sources: tuple[Operand | None, ...] = ()
    flags: int = 0
    extra: int = -1


@dataclass
class Layout:
    """A program ready for the core.

    Attributes:
        buffers: all memory.
        phases: the instructions of ``pre``, ``step`` and ``post``.
        saves: columns of each saved tensor that the program writes and the caller keeps, by key.
        stashes: columns of each saved tensor that is needed until the products after the loop only.
        sums: parameter keys whose gradient is accumulated (the key of an ``ACC`` buffer).
        outers: products after the loop: (parameter key, start, stop, left, right).
        row_outers: products of each row's steps after the loop: (key of what belongs to rows, left, right).
        row_additives: gradients added up in a state: (key of what belongs to rows, key of the state, key of a vector
            that they are still to be multiplied with).
    """

    buffers: list[Buffer] = field(default_factory=list)
    phases: tuple[list[Instruction], list[Instruction], list[Instruction]] = field(default_factory=lambda: ([], [], []))
    saves: dict[str, int] = field(default_factory=dict)
    stashes: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    outers: list[tuple[str, int, int, Columns, Columns]] = field(default_factory=list)
    row_outers: list[tuple[str, Columns, Columns]] = field(default_factory=list)
    row_additives: list[tuple[str, str, str]] = field(default_factory=list)

    def serial(self, dtype: torch.dtype) -> np.ndarray:
        """The serial form for the core, an int32 array."""
        words: list[int] = [MAGIC, VERSION, int(dtype == torch.float64), len(self.buffers)]
        words += [len(phase) for phase in self.phases] + [0]
        for buffer in self.buffers:
            low, high = struct.unpack("<ii", struct.pack("<d", buffer.value))
            words += [KINDS.index(buffer.kind), buffer.cols, buffer.k, buffer.access, low, high]
        for phase in self.phases:
            for instruction in phase:
                operands = [instruction.dst, *instruction.sources]
                operands += [None] * (4 - len(operands))
                words += [OPS[instruction.op].code, instruction.flags]
                for operand in operands:
                    words += [-1, -1, -1] if operand is None else list(operand)
                words += [instruction.extra, -1]
        return np.array(words, dtype=np.int32)


def disassemble(layout: Layout) -> str:
    """The instructions as text."""

    def name(operand: Operand | None) -> str:
        if operand is None:
            return "-"
        buffer = layout.buffers[operand.buffer]
        if buffer.kind == "CONST":
            return repr(buffer.value)
        label = buffer.key or f"{buffer.kind.lower()}{operand.buffer}"
        if buffer.kind == "MAT":
            return f"{label}[{buffer.start}:{buffer.stop}]{'^T' if buffer.transposed else ''}"
        if operand.offset == 0 and operand.cols == buffer.cols:
            return label
        return f"{label}[{operand.offset}:{operand.offset + operand.cols}]"

    lines = []
    for title, phase in zip(PHASES, layout.phases, strict=True):
        if phase:
            lines.append(f"{title}:")
        for ins in phase:
            extra = ""
            if ins.extra >= 0:
                extra = f" stream {ins.extra}" if ins.op == "noise" else f", into {layout.buffers[ins.extra].key}"
            sign = "+=" if ins.flags & 1 or ins.op == "acc_rows" else "="
            operands = ", ".join(name(s) for s in ins.sources if s is not None)
            lines.append(f"  {name(ins.dst)} {sign} {ins.op}({operands}){extra}")
    return "\n".join(lines)
