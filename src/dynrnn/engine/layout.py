"""Layout: a step program as instructions on buffers, in the serial form that the native core runs.

Three phases. ``pre`` holds what depends on inputs only: the core runs it for several steps at once when few rows are
live. ``step`` is the recurrence proper: what depends on the state and leads to the new one. ``post`` is what nothing in
the recurrence waits for. A sum of products (``affine``) may begin in ``pre`` and be completed in ``step``: this is how
the products of the inputs are hoisted.

Slices are addresses, and the parts of a concatenation are computed where the whole will stand. A value lives in

* ``SAVED`` memory, when the backward program or a gradient's product needs it: computed there, never copied;
* a ``CHUNK`` buffer when it is made in one phase and read in another;
* a ``TILE`` buffer otherwise: scratch of one phase, shared by values whose lives do not overlap;
* the ``CARRY`` itself, when a new state can be computed where the old one stands.

The serial form is documented in ``native/program.h``; the core validates it completely, whoever made it.
"""

from __future__ import annotations

from dynrnn.engine.passes import AFFINE
from dynrnn.engine.program import LEAVES, MEMORY, POINTWISE, REDUCE, Builder, Node, Program, Sum, matrix_name, walk
from dynrnn.engine.serial import POST, PRE, STEP, Buffer, Columns, Instruction, Layout, Operand
from dynrnn.engine.tiles import computed_in_place, mark_access, share_tiles

__all__ = ["lay_out"]

_COMPUTED = POINTWISE | REDUCE | MEMORY | {AFFINE, "noise", "step_number"}
_KEPT = ("kept",)  # marks a copy of the state that post reads


def lay_out(builder: Builder, program: Program) -> Layout:
    """Lay out an optimized program.

    Args:
        builder: of the program's nodes.
        program: what to lay out; not changed.
    """
    return _Planner(builder, program).plan()


class _Planner:
    """Makes one `Layout`."""

    def __init__(self, builder: Builder, program: Program):
        self.builder = builder
        self.program = self._copied_carries(builder, program)
        self.order = self.program.nodes()
        self.layout = Layout()
        self.phase = _phases(self.program, self.order)
        self.stored: dict[Node, Operand] = {}  # where a value stands
        self.loaded: dict[tuple[Node, int], Operand] = {}  # where an input or constant stands in a phase
        self.named: dict[tuple[object, ...], int] = {}  # buffers of leaves
        self.home: dict[Node, tuple[Node, int]] = {}  # part of a concatenation -> (the whole, its offset)

    @staticmethod
    def _copied_carries(builder: Builder, program: Program) -> Program:
        """``post`` must not touch the state: what it reads of it is copied in ``step``."""
        phase = _phases(program, program.nodes())
        done: dict[Node, Node] = {}

        def kept(node: Node) -> Node:
            if node.op == "carry":
                return builder.make("copy", (node,), _KEPT, node.cols)
            if node.op == "slice" and _base(node).op == "carry":
                return builder.slice(kept(node.args[0]), *node.attrs)
            return done[node]

        def change(node: Node) -> Node:
            for part in walk([node]):
                if part not in done:
                    in_post = phase[part] == POST and part.op != "slice"
                    done[part] = builder.rebuild(part, [kept(arg) if in_post else done[arg] for arg in part.args])
            return done[node]

        changed = program.replaced(change)
        sums = []
        for old, new in zip(program.sums, changed.sums, strict=True):
            a = kept(old.a) if _base(old.a).op == "carry" else new.a
            b = kept(old.b) if old.b is not None and _base(old.b).op == "carry" else new.b
            sums.append(Sum(new.key, a, b))
        changed.sums = sums
        return changed

    # --- what goes where -----------------------------------------------------------------------------------------

    def plan(self) -> Layout:
        """The layout."""
        self._choose_homes()
        self._choose_storage()
        for node in self.order:
            self._emit(node)
        self._emit_saves()
        self._emit_sums()
        self._emit_outers()
        self._emit_outputs()
        self._emit_carries()
        for phase in (PRE, STEP, POST):
            share_tiles(self.layout, phase)
        mark_access(self.layout)
        return self.layout

    def _choose_homes(self) -> None:
        """Compute the parts of concatenations in place, where nothing else decides about a part's place."""
        taken = set(self.program.saves.values()) | self._stashed()
        for node in self.order:
            if node.op != "concat":
                continue
            at = 0
            for part in node.args:
                computed = part.op in _COMPUTED
                if computed and part not in self.home and part not in taken:
                    self.home[part] = (node, at)
                at += part.cols

    def _stashed(self) -> set[Node]:
        """What products after the loop take."""
        matrices = {operand for outer in self.program.outers for operand in (outer.a, outer.b)}
        return matrices | {operand for outer in self.program.row_outers for operand in (outer.a, outer.b)}

    def _choose_storage(self) -> None:
        """Give every computed value its buffer."""
        reads = self._reads()
        saved = {node: key for key, node in self.program.saves.items()}
        needed = self._stashed()
        for node in reversed(self.order):  # wholes before their parts
            if node.op in LEAVES or node.op == "slice":
                continue
            if node in self.home:
                whole, at = self.home[node]
                base = self.stored[whole]
                self.stored[node] = Operand(base.buffer, base.offset + at, node.cols)
                continue
            phases = reads[node] | self._writes(node)
            if node in saved:
                self.layout.saves[saved[node]] = node.cols
                buffer = Buffer("SAVED", node.cols, key=saved[node])
            elif node in needed:
                key = f"o{len(self.layout.stashes)}"
                self.layout.stashes[key] = node.cols
                buffer = Buffer("SAVED", node.cols, key=key)
            else:
                buffer = Buffer("TILE" if len(phases) == 1 else "CHUNK", node.cols)
            self.stored[node] = Operand(self._add(buffer), 0, node.cols)

    def _writes(self, node: Node) -> set[int]:
        """The phases in which a stored value is written."""
        phases = {self.phase[node]}
        if node.op == AFFINE:
            phases |= {self._product_phase(node, a) for a in node.args[: 2 * len(node.attrs) : 2]}
        if node.op == "concat":
            for part in node.args:
                if self.home.get(part, (None,))[0] is node:
                    phases |= self._writes(part)
        return phases

    def _product_phase(self, node: Node, operand: Node) -> int:
        """Where a product of an ``affine`` runs: those of inputs before the step."""
        return PRE if self.phase[node] == STEP and self.phase[operand] == PRE else self.phase[node]

    def _reads(self) -> dict[Node, set[int]]:
        """The phases in which each value's memory is read."""
        reads: dict[Node, set[int]] = {node: set() for node in self.order}
        for node in self.program.carries.values():
            reads[node].add(STEP)
        for item in self.program.sums:
            for operand in (item.a, item.b):
                if operand is not None:
                    reads[operand].add(self._sum_phase(item.a, item.b))
        for node in reversed(self.order):
            if node.op == "slice":
                reads[node.args[0]] |= reads[node]
            elif node.op == AFFINE:
                for a in node.args[: 2 * len(node.attrs) : 2]:
                    reads[a].add(self._product_phase(node, a))
            else:
                in_place = node.op == "concat"
                for arg in node.args:
                    if in_place and self.home.get(arg, (None,))[0] is node:
                        reads[arg] |= reads[node]
                    if not in_place or self.home.get(arg, (None,))[0] is not node or node.args.count(arg) > 1:
                        reads[arg].add(self.phase[node])
        # what is computed within a whole is read where the whole is, and the other way round
        for part, (whole, _) in self.home.items():
            reads[whole] |= reads[part]
        return reads

    def _sum_phase(self, a: Node, b: Node | None) -> int:
        operands = [a] if b is None else [a, b]
        kept = self._stashed() | set(self.program.saves.values())
        bases = [_base(o) for o in operands]
        if all(base in kept or base.op in ("saved", "vec", "const", "input", "row") for base in bases):
            return POST
        return max(self.phase[o] for o in operands)

    def _add(self, buffer: Buffer) -> int:
        self.layout.buffers.append(buffer)
        return len(self.layout.buffers) - 1

    def _leaf_buffer(self, name: tuple[object, ...], buffer: Buffer) -> int:
        if name not in self.named:
            self.named[name] = self._add(buffer)
        return self.named[name]

    # --- operands ------------------------------------------------------------------------------------------------

    def _operand(self, node: Node, phase: int) -> Operand:
        """Where a value stands, for a pointwise instruction in ``phase``."""
        if node.op == "slice":
            base = self._operand(node.args[0], phase)
            return Operand(base.buffer, base.offset + node.attrs[0], node.cols)
        if node.op in ("input", "row"):
            return self._load(node, phase)
        if node.op == "carry":
            return Operand(
                self._leaf_buffer(("carry", node.attrs[0]), Buffer("CARRY", node.cols, key=node.attrs[0])), 0, node.cols
            )
        if node.op == "saved":
            return Operand(
                self._leaf_buffer(("saved", node.attrs[0]), Buffer("SAVED", node.cols, key=node.attrs[0])), 0, node.cols
            )
        if node.op == "vec":
            return Operand(
                self._leaf_buffer(("vec", node.attrs[0]), Buffer("VEC", node.cols, key=node.attrs[0])), 0, node.cols
            )
        if node.op == "const":
            return Operand(
                self._leaf_buffer(("const", repr(node.attrs[0])), Buffer("CONST", 1, value=node.attrs[0])), 0, 1
            )
        return self.stored[node]

    def _row_operand(self, node: Node, phase: int) -> Operand:
        """Like `_operand`, for instructions that need rows in memory: parameters are copied into a row each."""
        if _base(node).op not in ("vec", "const"):
            return self._operand(node, phase)
        if (node, phase) not in self.loaded:
            copied = Operand(self._add(Buffer("TILE", node.cols)), 0, node.cols)
            self._append(phase, Instruction("copy", copied, (self._operand(node, phase),)))
            self.loaded[node, phase] = copied
        return self.loaded[node, phase]

    def _load(self, node: Node, phase: int) -> Operand:
        if (node, phase) not in self.loaded:
            target = Operand(self._add(Buffer("TILE", node.cols)), 0, node.cols)
            self._append_load(node, phase, target)
            self.loaded[node, phase] = target
        return self.loaded[node, phase]

    def _append_load(self, node: Node, phase: int, target: Operand) -> None:
        self._append(phase, Instruction("load", target, (self._outside(node),)))

    def _outside(self, node: Node) -> Operand:
        """An input, or what belongs to a row, in the caller's memory."""
        kind = "INPUT" if node.op == "input" else "ROW"
        return Operand(
            self._leaf_buffer((kind, node.attrs[0]), Buffer(kind, node.cols, key=node.attrs[0])), 0, node.cols
        )

    def _append(self, phase: int, instruction: Instruction) -> None:
        self.layout.phases[phase].append(instruction)

    # --- instructions --------------------------------------------------------------------------------------------

    def _emit(self, node: Node) -> None:
        phase = self.phase[node]
        if node not in self.stored:
            return
        dst = self.stored[node]
        if node.attrs == _KEPT:
            # before the state changes
            self.layout.phases[STEP].insert(0, Instruction("copy", dst, (self._operand(node.args[0], phase),)))
        elif node.op in POINTWISE:
            self._append(phase, Instruction(node.op, dst, tuple(self._operand(arg, phase) for arg in node.args)))
        elif node.op in REDUCE:
            self._append(phase, Instruction(node.op, dst, (self._row_operand(node.args[0], phase),)))
        elif node.op == "concat":
            at = 0
            for part in node.args:
                if self.home.get(part) != (node, at):
                    place = Operand(dst.buffer, dst.offset + at, part.cols)
                    if part.op in ("input", "row"):
                        self._append_load(part, phase, place)
                    else:
                        self._append(phase, Instruction("copy", place, (self._operand(part, phase),)))
                at += part.cols
        elif node.op == AFFINE:
            self._emit_affine(node, dst)
        elif node.op in MEMORY:
            self._emit_memory(node, dst)
        elif node.op == "noise":
            self._append(phase, Instruction("noise", dst, extra=node.attrs[0]))
        else:
            self._append(phase, Instruction(node.op, dst))

    def _emit_affine(self, node: Node, dst: Operand) -> None:
        """The products of a sum, those of ``pre`` first; the first one takes the bias, the others accumulate."""
        count = len(node.attrs)
        products = [(self._product_phase(node, node.args[2 * i]), i) for i in range(count)]
        bias = self._operand(node.args[-1], self.phase[node]) if len(node.args) % 2 else None
        for number, (phase, i) in enumerate(sorted(products)):
            a, matrix, turned = node.args[2 * i], node.args[2 * i + 1], node.attrs[i]
            rows = matrix.attrs[2] - matrix.attrs[1]
            k, n = (matrix.cols, rows) if turned else (rows, matrix.cols)
            name = ("mat", matrix_name(matrix), turned)
            key, start, stop = matrix.attrs
            buffer = self._leaf_buffer(
                name, Buffer("MAT", n, k, key=key, start=start, stop=stop, transposed=bool(turned))
            )
            sources = (self._row_operand(a, phase), Operand(buffer, 0, n), bias if number == 0 else None)
            self._append(phase, Instruction("matmul", dst, sources, flags=int(number > 0)))

    def _emit_memory(self, node: Node, dst: Operand) -> None:
        """An operation that looks up a row memory; its gradient is added up in a state that nothing else touches."""
        phase = self.phase[node]
        sources = [self._row_operand(node.args[0], phase), self._outside(node.args[1])]
        if node.op == "memory_additive":
            sources.append(self._operand(node.args[2], phase))
        elif node.op == "memory_additive_grad":
            sources.append(self._row_operand(node.args[2], phase))
        into = -1
        for additive in self.program.row_additives:
            if additive.node is not node:
                continue
            if into < 0:
                name = f"ga{len({carry for _, carry, _ in self.layout.row_additives})}"
                into = self._add(Buffer("CARRY", node.args[1].cols, key=name))
            self.layout.row_additives.append((additive.key, self.layout.buffers[into].key, additive.v.attrs[0]))
        self._append(phase, Instruction(node.op, dst, tuple(sources), extra=into))

    def _emit_saves(self) -> None:
        """Copy what is to be saved and is not computed in saved memory: the state, inputs, slices."""
        for key, node in self.program.saves.items():
            if key in self.layout.saves:
                continue
            self.layout.saves[key] = node.cols
            target = Operand(self._add(Buffer("SAVED", node.cols, key=key)), 0, node.cols)
            self._copy_to(node, target)

    def _copy_to(self, node: Node, target: Operand) -> None:
        if node.op in ("input", "row"):
            self._append_load(node, POST, target)
            return
        phase = self._available(node)
        instruction = Instruction("copy", target, (self._operand(node, phase),))
        if _base(node).op == "carry":
            self.layout.phases[STEP].insert(0, instruction)  # before the state changes
        else:
            self._append(phase, instruction)

    def _available(self, node: Node) -> int:
        """The phase in which a copy of a value is to be taken: as late as its memory allows."""
        base = _base(node)
        if base.op in ("input", "row", "saved", "vec", "const"):
            return POST
        if base.op == "carry":
            return STEP
        kind = self.layout.buffers[self.stored[base].buffer].kind
        return POST if kind in ("SAVED", "CHUNK") else self.phase[base]

    def _emit_sums(self) -> None:
        accumulators: dict[str, int] = {}
        for item in self.program.sums:
            width = item.a.cols
            if item.key not in accumulators:
                accumulators[item.key] = self._add(Buffer("ACC", width, key=item.key))
                self.layout.sums[item.key] = width
            phase = self._sum_phase(item.a, item.b)
            sources = tuple(self._operand(o, phase) for o in (item.a, item.b) if o is not None)
            self._append(phase, Instruction("acc_rows", Operand(accumulators[item.key], 0, width), sources))

    def _emit_outers(self) -> None:
        stashed: dict[Node, Columns] = {}
        for outer in self.program.outers:
            left, right = (self._stash(operand, stashed) for operand in (outer.a, outer.b))
            self.layout.outers.append((outer.key, outer.start, outer.stop, left, right))
        for row in self.program.row_outers:
            self.layout.row_outers.append((row.key, self._stash(row.a, stashed), self._stash(row.b, stashed)))

    def _stash(self, node: Node, stashed: dict[Node, Columns]) -> Columns:
        """An operand of a product after the loop, as columns of saved memory."""
        base, start = node, 0
        while base.op == "slice":
            start += base.attrs[0]
            base = base.args[0]
        if base.op == "saved":
            return Columns(base.attrs[0], start, node.cols)
        if base in self.stored:
            place = self.stored[base]
            buffer = self.layout.buffers[place.buffer]
            if buffer.kind == "SAVED":
                return Columns(buffer.key, place.offset + start, node.cols)
        if node not in stashed:
            key = f"o{len(self.layout.stashes)}"
            self.layout.stashes[key] = node.cols
            target = Operand(self._add(Buffer("SAVED", node.cols, key=key)), 0, node.cols)
            self._copy_to(node, target)
            stashed[node] = Columns(key, 0, node.cols)
        return stashed[node]

    def _emit_outputs(self) -> None:
        for key, node in self.program.outputs.items():
            buffer = self._add(Buffer("OUTPUT", node.cols, key=key))
            phase = self._available(node)
            source = self._row_operand(node, phase)
            self._append(phase, Instruction("store", Operand(buffer, 0, node.cols), (source,)))

    def _emit_carries(self) -> None:
        """Write the new state: in place where the old one is no longer read, else by copies at the end of the step."""
        step = self.layout.phases[STEP]
        sources: list[tuple[str, int, Operand]] = []
        for key, node in self.program.carries.items():
            buffer = self._leaf_buffer(("carry", key), Buffer("CARRY", node.cols, key=key))
            source = self._operand(node, STEP)
            if source.buffer == buffer:
                continue
            if self.layout.buffers[source.buffer].kind == "CARRY":  # the old value of another part of the state
                kept = Operand(self._add(Buffer("TILE", node.cols)), 0, node.cols)
                self._append(STEP, Instruction("copy", kept, (source,)))
                source = kept
            sources.append((key, buffer, source))
        for _, buffer, source in sources:
            if not computed_in_place(self.layout, step, source, buffer, [s for _, _, s in sources]):
                cols = self.layout.buffers[buffer].cols
                step.append(Instruction("copy", Operand(buffer, 0, cols), (source,)))


def _base(node: Node) -> Node:
    """The value that a slice is cut from."""
    while node.op == "slice":
        node = node.args[0]
    return node


def _phases(program: Program, order: list[Node]) -> dict[Node, int]:
    """The phase of every value."""
    additives = {additive.node for additive in program.row_additives}  # they change a state
    depends: set[Node] = set()
    for node in order:
        if node.op == "carry" or node in additives or any(arg in depends for arg in node.args):
            depends.add(node)
    leads = set(walk((*program.carries.values(), *additives)))
    phase = {node: (STEP if node in leads else POST) if node in depends else PRE for node in order}
    phase.update((node, STEP) for node in order if node.op == "copy" and node.attrs == _KEPT)
    # what only post reads is computed there
    waited: set[Node] = set(program.carries.values())
    for node in reversed(order):
        if phase[node] == PRE and node not in waited:
            phase[node] = POST
        if phase[node] != POST:
            waited.update(node.args)
    return phase
