"""Which values share memory: tiles whose lives do not overlap, and new states computed where the old ones stand."""

from __future__ import annotations

from collections.abc import Iterable

from dynrnn.engine.program import MEMORY, POINTWISE
from dynrnn.engine.serial import Instruction, Layout, Operand

__all__ = ["computed_in_place", "mark_access", "share_tiles"]

_READ, _WRITE, _READ_WRITE = 0, 1, 2


def _instruction_reads(instruction: Instruction) -> Iterable[Operand]:
    yield from (s for s in instruction.sources if s is not None)
    if instruction.flags & 1 and instruction.dst is not None:
        yield instruction.dst


def computed_in_place(
    layout: Layout, step: list[Instruction], source: Operand, carry: int, sources: list[Operand]
) -> bool:
    """Let the value at ``source``, a tile of its own, be computed in the carry, if nothing reads the old one later."""
    buffer = layout.buffers[source.buffer]
    if buffer.kind != "TILE" or buffer.cols != source.cols or sum(s.buffer == source.buffer for s in sources) > 1:
        return False
    writes = [i for i, ins in enumerate(step) if ins.dst is not None and ins.dst.buffer == source.buffer]
    if not writes or any(step[i].dst != source for i in writes):
        return False
    first = step[writes[0]]
    for ins in step[writes[0] + 1 :]:
        if any(s.buffer == carry for s in _instruction_reads(ins)):
            return False
    for operand in _instruction_reads(first):
        if operand.buffer == carry and (first.op not in POINTWISE or operand != Operand(carry, 0, source.cols)):
            return False
    for ins in step:
        if ins.dst is not None and ins.dst.buffer == source.buffer:
            ins.dst = ins.dst._replace(buffer=carry)
        ins.sources = tuple(
            s._replace(buffer=carry) if s is not None and s.buffer == source.buffer else s for s in ins.sources
        )
    return True


def share_tiles(layout: Layout, phase: int) -> None:
    """Let tiles of a phase whose lives do not overlap stand in the same memory, in place where an operation may."""
    instructions = layout.phases[phase]
    last: dict[int, int] = {}
    for i, ins in enumerate(instructions):
        for operand in (*_instruction_reads(ins), *([ins.dst] if ins.dst is not None else [])):
            if layout.buffers[operand.buffer].kind == "TILE":
                last[operand.buffer] = i
    slot_of: dict[int, int] = {}
    free: list[int] = []
    slots: set[int] = set()
    for i, ins in enumerate(instructions):
        sources = [s for s in ins.sources if s is not None]
        placed = [s._replace(buffer=slot_of.get(s.buffer, s.buffer)) for s in sources]
        dst = ins.dst
        if dst is not None and dst.buffer in last and dst.buffer not in slot_of:
            width = layout.buffers[dst.buffer].cols
            slot_of[dst.buffer] = _slot(layout, ins, dst, sources, placed, last, i, free, slots, width)
        for s in {s.buffer for s in sources if s.buffer in last}:
            if last[s] == i and slot_of[s] != slot_of.get(dst.buffer if dst is not None else -1):
                free.append(slot_of[s])
        if dst is not None and dst.buffer in last and last[dst.buffer] == i:
            free.append(slot_of[dst.buffer])
        ins.sources = tuple(s if s is None else s._replace(buffer=slot_of.get(s.buffer, s.buffer)) for s in ins.sources)
        if dst is not None:
            ins.dst = dst._replace(buffer=slot_of.get(dst.buffer, dst.buffer))


def _slot(
    layout: Layout,
    ins: Instruction,
    dst: Operand,
    sources: list[Operand],
    placed: list[Operand],
    last: dict[int, int],
    now: int,
    free: list[int],
    slots: set[int],
    width: int,
) -> int:
    """A tile for a value that is born: one that dies here, one that is free, or its own."""
    if ins.op in POINTWISE and dst.offset == 0 and dst.cols == width:
        for source, place in zip(sources, placed, strict=True):
            dies = source.buffer in last and last[source.buffer] == now and place.buffer in slots
            fits = place.offset == 0 and place.cols == width and layout.buffers[place.buffer].cols >= width
            if dies and fits and all(other == place for other in placed if other.buffer == place.buffer):
                return place.buffer
    fitting = [slot for slot in free if layout.buffers[slot].cols >= width]
    if fitting:
        best = min(fitting, key=lambda slot: layout.buffers[slot].cols)
        free.remove(best)
        return best
    slots.add(dst.buffer)
    return dst.buffer


def mark_access(layout: Layout) -> None:
    """Say of each saved buffer whether it is read, written, or both; drop buffers that nothing uses."""
    read: set[int] = set()
    written: set[int] = set()
    for phase in layout.phases:
        for ins in phase:
            read.update(s.buffer for s in _instruction_reads(ins))
            if ins.dst is not None:
                written.add(ins.dst.buffer)
    # a state that no instruction touches is passed on by the core
    carries = {i for i, buffer in enumerate(layout.buffers) if buffer.kind == "CARRY"}
    used = sorted(read | written | carries)
    number = {old: new for new, old in enumerate(used)}
    for i in used:
        buffer = layout.buffers[i]
        if buffer.kind == "SAVED":
            buffer.access = _READ if i not in written else _READ_WRITE if i in read else _WRITE
    layout.buffers = [layout.buffers[i] for i in used]
    for phase in layout.phases:
        for ins in phase:
            ins.dst = None if ins.dst is None else ins.dst._replace(buffer=number[ins.dst.buffer])
            ins.sources = tuple(s if s is None else s._replace(buffer=number[s.buffer]) for s in ins.sources)
            if ins.op in MEMORY and ins.extra >= 0:
                ins.extra = number[ins.extra]
