"""Random valid step programs, drawn from a seed."""

from __future__ import annotations

import random

import numpy as np
from program_support import READ, READ_AFTER_WRITE, WRITE, Builder, Operand

UNARY = ["tanh", "sigmoid", "neg", "abs", "copy", "relu"]
BINARY = ["add", "sub", "mul", "maximum", "minimum", "tanh_grad", "sigmoid_grad"]
TERNARY = ["fma", "fnma", "where"]


class _Maker:
    def __init__(self, r: random.Random, builder: Builder, sizes: list[int]) -> None:
        self.r, self.b, self.sizes = r, builder, sizes
        self.outside = [builder.buffer(kind, r.choice(sizes)) for kind in ("INPUT", "INPUT", "ROW")]
        self.fixed = [builder.buffer("VEC", n) for n in sizes] + [builder.const(r.choice([0.5, -1.25, 0.0]))]
        self.fixed.append(builder.buffer("SAVED", r.choice(sizes), access=READ))
        self.carries = [builder.buffer("CARRY", r.choice(sizes)) for _ in range(r.choice([0, 1, 1, 2]))]
        self.chunks: list[Operand] = []  # written; live on into later phases
        self.saved: list[Operand] = []

    def phase(self, name: str, count: int) -> None:
        self.name = name
        self.readable = self.fixed + self.chunks + self.saved + (self.carries if name == "step" else [])
        self.own: list[Operand] = (self.chunks + self.saved + self.carries) if name == "step" else []
        for _ in range(count):
            self.instruction()
        if name == "step":
            for carry in self.carries:  # so that nothing grows from step to step
                source = self.source(carry.cols)
                self.b.emit("step", "tanh", carry, carry if _overlap(source, carry) else source)

    def any_value(self, cols: int | None = None) -> Operand | None:
        found = [v for v in self.readable if cols is None or v.cols >= cols]
        if not found:
            return None
        value = self.r.choice(found)
        if cols is not None:
            return value.part(self.r.randint(0, value.cols - cols), cols)
        n = self.r.randint(1, value.cols)
        return value.part(self.r.randint(0, value.cols - n), n)

    def source(self, cols: int) -> Operand:
        wide = self.any_value(1 if self.r.random() < 0.15 else cols)
        return wide if wide is not None else self.fixed[len(self.sizes)]

    def row_wise(self, value: Operand) -> bool:
        kind = self.b.buffers[value.buf].kind
        return kind in {"TILE", "CHUNK", "CARRY"} or kind == "SAVED"

    def target(self, cols: int) -> Operand:
        """Where to put a result: a place of its own in a buffer that may be wider, or over an old value."""
        old = [v for v in self.own if v.cols >= cols]
        if old and self.r.random() < 0.3:
            value = self.r.choice(old)
            return value.part(self.r.randint(0, value.cols - cols), cols)
        before = self.r.choice([0, 0, 3, 16])
        kind = self.r.choice(["TILE", "TILE", "TILE", "CHUNK", "SAVED", "SAVED2"])
        width = before + cols + self.r.choice([0, 0, 5])
        if kind == "SAVED":
            return self.b.buffer("SAVED", width, access=WRITE).part(before, cols)
        if kind == "SAVED2":
            return self.b.buffer("SAVED", width, access=READ_AFTER_WRITE).part(before, cols)
        return self.b.buffer(kind, width).part(before, cols)

    def written(self, dst: Operand) -> None:
        buffer = self.b.buffers[dst.buf]
        if buffer.kind == "CARRY" or (buffer.kind == "SAVED" and buffer.access == WRITE):
            return
        if dst in self.readable:
            return
        self.readable.append(dst)
        self.own.append(dst)
        if buffer.kind == "CHUNK":
            self.chunks.append(dst)
        if buffer.kind == "SAVED":
            self.saved.append(dst)

    def instruction(self) -> None:
        r, b = self.r, self.b
        choice = r.choice(
            ["load", "load", "matmul", "matmul", "reduce", "noise", "number", "acc", "store", "memory", "memory"]
            + ["map"] * 9
        )
        if choice == "load":
            source = r.choice(self.outside)
            n = r.randint(1, source.cols)
            dst = self.target(n)
            b.emit(self.name, "load", dst, source.part(r.randint(0, source.cols - n), n))
        elif choice == "matmul":
            a = self.any_value()
            if a is None or not self.row_wise(a):
                return
            n = r.choice(self.sizes)
            dst = self.target(n)
            if _overlap(dst, a):
                return
            matrix = b.buffer("MAT", n, k=a.cols)
            accumulate = dst in self.readable and r.random() < 0.5
            bias = [next(v for v in self.fixed if v.cols == n and b.buffers[v.buf].kind == "VEC")]
            b.emit(
                self.name,
                "matmul",
                dst,
                a,
                matrix,
                *(bias if not accumulate and r.random() < 0.5 else []),
                accumulate=accumulate,
            )
        elif choice == "reduce":
            a = self.any_value()
            dst = self.target(1)
            if a is None or not self.row_wise(a) or _overlap(dst, a):
                return
            b.emit(self.name, r.choice(["sum_cols", "max_cols"]), dst, a)
        elif choice == "noise":
            dst = self.target(r.choice(self.sizes))
            b.emit(self.name, "noise", dst, stream=r.choice([0, 1, 7, 2**31 - 1]))
        elif choice == "number":
            dst = self.target(1)
            b.emit(self.name, "step_number", dst)
        elif choice == "memory":
            found = self.memory()
            if found is None:
                return
            dst = found
        elif choice == "acc":
            n = r.choice(self.sizes)
            acc = b.buffer("ACC", n + 2)
            b.emit(self.name, "acc_rows", acc.part(1, n), self.source(n), *([self.source(n)] * r.randint(0, 1)))
            return
        elif choice == "store":
            n = r.choice(self.sizes)
            out = b.buffer("OUTPUT", n)
            b.emit(self.name, "store", out, self.source(n))
            return
        else:
            n = r.choice([*self.sizes, 1])
            dst = self.target(n)
            op = r.choice(r.choice([UNARY, BINARY, TERNARY]))
            arity = 1 if op in UNARY else 2 if op in BINARY else 3
            sources = [self.source(n) for _ in range(arity)]
            if dst in self.readable and r.random() < 0.5:
                sources[r.randrange(arity)] = dst
            if any(_overlap(dst, s) and s != dst for s in sources):
                return
            b.emit(self.name, op, dst, *sources)
        self.written(dst)

    def memory(self) -> Operand | None:
        """An operation that looks up a memory of the row's own; its result."""
        r, b = self.r, self.b
        op = r.choice(["memory_dot", "memory_sum", "memory_additive", "memory_additive_grad"])
        a = self.any_value()
        if a is None or not self.row_wise(a):
            return None
        entries = a.cols if op == "memory_sum" else r.choice([1, 2, 3, 8, 9, r.choice(self.sizes)])
        width = r.choice(self.sizes) if op == "memory_sum" else a.cols
        before = r.choice([0, 0, 3])
        memory = b.buffer("ROW", before + entries * width + r.choice([0, 2])).part(before, entries * width)
        sources, into = [a, memory], -1
        if op == "memory_additive":
            sources.append(b.buffer("VEC", width))
        elif op == "memory_additive_grad":
            grad = self.any_value(entries)
            if grad is None or not self.row_wise(grad):
                return None
            sources.append(grad)
            if self.name == "step" and r.random() < 0.7:
                into = b.buffer("CARRY", entries * width).buf
        dst = self.target({"memory_sum": width, "memory_additive_grad": 2 * width}.get(op, entries))
        if any(_overlap(dst, source) for source in sources):
            return None
        b.emit(self.name, op, dst, *sources, stream=into)
        return dst


def _overlap(x: Operand, y: Operand) -> bool:
    return x.buf == y.buf and x.off < y.off + y.cols and y.off < x.off + x.cols


def random_program(seed: int, *, f64: bool, size: int = 67) -> Builder:
    """A program with some instructions in each phase, whose widths are up to `size`."""
    r = random.Random(seed)
    builder = Builder(np.float64 if f64 else np.float32)
    maker = _Maker(r, builder, [r.randint(1, size) for _ in range(3)])
    for phase, most in (("pre", 6), ("step", 14), ("post", 8)):
        maker.phase(phase, r.randint(0, most))
    return builder
