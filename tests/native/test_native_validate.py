"""What the validator of step programs and of bindings refuses, and that what it lets through can be run."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from program_support import NONE, OPS, READ, READ_AFTER_WRITE, WRITE, Buffer, Builder, Memory, Operand
from random_programs import random_program
from test_native_execute import lstm

from dynrnn.engine import native


def refused(words: np.ndarray, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        native.Program(words)


def test_operations_are_those_of_the_shared_table() -> None:
    assert native.op_names() == [name for name, _, _ in OPS]


@pytest.mark.parametrize(
    ("index", "value", "why"),
    [
        (0, 1, "must begin with 1685679730, got 1"),
        (1, 2, "version must be 1, got 2"),
        (2, 2, "dtype must be 0 .float32. or 1 .float64., got 2"),
        (3, -1, "number of buffers must be from 0 to 16384, got -1"),
        (3, 2**31 - 1, "number of buffers must be from 0 to 16384, got 2147483647"),
        (4, -5, "number of instructions of phase pre must be from 0 to 65536, got -5"),
        (5, 3, r"\d+ buffers and 5 instructions are \d+ words, got \d+"),
        (7, 1, "word 7 of the header must be 0, got 1"),
        (8, 11, "buffer 0: kind must be from 0 to 10, got 11"),
        (9, -1, "buffer 0: columns must be from 0 to 16777216, got -1"),
        (9, 2**24 + 1, "buffer 0: columns must be from 0 to 16777216, got 16777217"),
    ],
)
def test_form(index: int, value: int, why: str) -> None:
    words = lstm(np.float32, 3, 4).words()
    native.Program(words)
    words[index] = value
    refused(words, why)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
def test_cut_off(count: int) -> None:
    refused(lstm(np.float32, 3, 4).words()[:count], "got")


@pytest.mark.parametrize("words", [np.zeros(8), np.zeros((2, 4), np.int32), np.zeros(16, np.int32)[::2], None, [1, 2]])
def test_not_an_array_of_words(words: object) -> None:
    with pytest.raises(TypeError):
        native.Program(words)  # type: ignore[arg-type]


def every_kind() -> tuple[Builder, dict[str, Operand]]:
    """One buffer of each kind, with 8 columns; TILE, CHUNK and the SAVED that may be read are written."""
    b = Builder()
    made = {kind: b.buffer(kind, 8) for kind in ("INPUT", "OUTPUT", "ROW", "VEC", "CARRY", "ACC", "TILE", "CHUNK")}
    made["CONST"] = b.const(2.0)
    made["MAT"] = b.buffer("MAT", 8, k=4)
    made |= {"READ": b.buffer("SAVED", 8, access=READ), "WRITE": b.buffer("SAVED", 8, access=WRITE)}
    made |= {"RW": b.buffer("SAVED", 8, access=READ_AFTER_WRITE), "NEW": b.buffer("TILE", 8)}
    b.emit("step", "load", made["CHUNK"], made["INPUT"])
    b.emit("step", "copy", made["TILE"], made["CHUNK"])
    b.emit("step", "copy", made["RW"], made["CHUNK"])
    return b, made


def half(x: Operand) -> Operand:
    return x.part(0, 4)


M = dict[str, Operand]
ILLEGAL: list[tuple[str, str, Callable[[M], list[Operand]], str]] = [
    ("step", "load", lambda m: [m["TILE"], m["VEC"]], "operand a must be in a buffer of kind INPUT"),
    ("step", "load", lambda m: [m["OUTPUT"], m["INPUT"]], "operand dst cannot be written"),
    ("step", "load", lambda m: [m["TILE"], half(m["INPUT"])], "must have the 8 columns of dst or 1"),
    ("step", "store", lambda m: [m["TILE"], m["CARRY"]], "operand dst must be in a buffer of kind OUTPUT"),
    ("step", "store", lambda m: [m["OUTPUT"], m["INPUT"]], "operand a cannot be read"),
    ("step", "copy", lambda m: [m["READ"], m["CARRY"]], "is read-only and cannot be written"),
    ("step", "copy", lambda m: [m["NEW"], m["WRITE"]], "is write-only and cannot be read"),
    ("step", "copy", lambda m: [m["VEC"], m["CARRY"]], "operand dst cannot be written"),
    ("step", "copy", lambda m: [m["CONST"], m["CARRY"].part(0, 1)], "operand dst cannot be written"),
    ("step", "copy", lambda m: [m["ACC"], m["CARRY"]], "operand dst cannot be written"),
    ("step", "copy", lambda m: [m["NEW"], m["ACC"]], "operand a cannot be read"),
    ("step", "copy", lambda m: [m["NEW"], m["OUTPUT"]], "operand a cannot be read"),
    ("step", "copy", lambda m: [m["NEW"], m["MAT"]], "operand a cannot be read"),
    ("step", "copy", lambda m: [m["NEW"], m["NEW"]], "is read before it is written"),
    ("step", "copy", lambda m: [m["NEW"], m["TILE"].part(1, 8)], "operand a must lie within the 8 columns"),
    ("step", "copy", lambda m: [m["NEW"], m["TILE"].part(-1, 8)], "operand a must lie within the 8 columns"),
    ("step", "copy", lambda m: [m["NEW"], Operand(m["TILE"].buf, 0, -8)], "operand a must lie within the 8 columns"),
    ("step", "copy", lambda m: [m["NEW"], Operand(14, 0, 8)], "buffer of a must be from -1 to 13, got 14"),
    ("step", "copy", lambda m: [m["NEW"], Operand(-2, 0, 8)], "buffer of a must be from -1 to 13, got -2"),
    ("step", "copy", lambda m: [m["NEW"]], "operand a is missing"),
    ("step", "copy", lambda m: [NONE, m["TILE"]], "operand dst is missing"),
    ("step", "copy", lambda m: [m["NEW"], m["TILE"], m["TILE"]], "has no operand b"),
    ("step", "copy", lambda m: [m["NEW"], m["TILE"], NONE, m["TILE"]], "has no operand c"),
    ("step", "copy", lambda m: [m["NEW"], half(m["TILE"])], "must have the 8 columns of dst or 1"),
    ("step", "copy", lambda m: [m["TILE"].part(1, 4), half(m["TILE"])], "overlaps operand a"),
    ("step", "add", lambda m: [m["TILE"], m["CHUNK"], m["TILE"].part(3, 1)], "overlaps operand b"),
    ("step", "add", lambda m: [m["TILE"], m["TILE"]], "operand b is missing"),
    ("pre", "copy", lambda m: [m["NEW"], m["CARRY"]], "may be used in phase step only"),
    ("post", "load", lambda m: [m["CARRY"], m["INPUT"]], "may be used in phase step only"),
    ("pre", "copy", lambda m: [m["NEW"], m["CHUNK"]], "is read before it is written"),
    ("pre", "copy", lambda m: [m["NEW"], m["RW"]], "is read before it is written"),
    ("post", "copy", lambda m: [m["NEW"], m["TILE"]], "is used in phase step already"),
    ("step", "matmul", lambda m: [m["NEW"], m["TILE"], m["MAT"]], "operand a must have 4 columns"),
    ("step", "matmul", lambda m: [half(m["NEW"]), half(m["TILE"]), m["MAT"]], "operand dst must have 8 columns"),
    ("step", "matmul", lambda m: [half(m["NEW"]), half(m["TILE"]), half(m["MAT"])], "must be all 8 columns"),
    ("step", "matmul", lambda m: [m["NEW"], half(m["TILE"]), m["TILE"]], "operand b must be in a buffer of kind MAT"),
    ("step", "matmul", lambda m: [m["NEW"], half(m["VEC"]), m["MAT"]], "operand a cannot be read"),
    ("step", "matmul", lambda m: [m["TILE"], half(m["TILE"]), m["MAT"]], "overlaps operand a"),
    (
        "step",
        "matmul",
        lambda m: [m["NEW"], half(m["TILE"]), m["MAT"], m["TILE"]],
        "operand c must be in a buffer of kind VEC",
    ),
    (
        "step",
        "matmul",
        lambda m: [m["NEW"], half(m["TILE"]), m["MAT"], half(m["VEC"])],
        "operand c must have 8 columns",
    ),
    ("step", "sum_cols", lambda m: [half(m["NEW"]), m["TILE"]], "operand dst must have 1 columns"),
    ("step", "sum_cols", lambda m: [m["TILE"].part(2, 1), m["TILE"]], "overlaps operand a"),
    ("step", "sum_cols", lambda m: [m["NEW"].part(2, 1), m["TILE"].part(1, 0)], "at least 1 column"),
    ("step", "acc_rows", lambda m: [m["OUTPUT"], m["TILE"]], "operand dst must be in a buffer of kind ACC"),
    ("step", "acc_rows", lambda m: [m["ACC"], half(m["TILE"])], "must have the 8 columns of dst or 1"),
    ("step", "acc_rows", lambda m: [m["ACC"], m["TILE"], half(m["TILE"])], "must have the 8 columns of dst or 1"),
    ("step", "step_number", lambda m: [m["NEW"]], "operand dst must have 1 columns"),
    ("step", "noise", lambda m: [m["NEW"]], "stream of noise .extra0. must be 0 or more, got -1"),
    (
        "step",
        "memory_dot",
        lambda m: [m["NEW"].part(0, 2), half(m["TILE"]), m["VEC"]],
        "must be in a buffer of kind ROW",
    ),
    ("step", "memory_dot", lambda m: [half(m["NEW"]), half(m["TILE"]), m["ROW"]], "operand b must have 16 columns"),
    ("step", "memory_dot", lambda m: [m["NEW"].part(0, 2), half(m["VEC"]), m["ROW"]], "operand a cannot be read"),
    ("step", "memory_dot", lambda m: [m["NEW"].part(0, 2), half(m["TILE"])], "operand b is missing"),
    ("step", "memory_dot", lambda m: [m["TILE"].part(0, 2), half(m["TILE"]), m["ROW"]], "overlaps operand a"),
    ("step", "memory_dot", lambda m: [m["NEW"].part(0, 2), half(m["TILE"]), m["ROW"].part(1, 8)], "must lie within"),
    ("step", "memory_sum", lambda m: [half(m["NEW"]), half(m["TILE"]), m["ROW"]], "operand b must have 16 columns"),
    (
        "step",
        "memory_sum",
        lambda m: [m["NEW"].part(0, 2), half(m["TILE"]), m["ROW"], m["TILE"]],
        "has no operand c",
    ),
    ("step", "memory_additive", lambda m: [m["NEW"].part(0, 2), half(m["TILE"]), m["ROW"]], "operand c is missing"),
    (
        "step",
        "memory_additive",
        lambda m: [m["NEW"].part(0, 2), half(m["TILE"]), m["ROW"], half(m["TILE"])],
        "operand c must be in a buffer of kind VEC",
    ),
    (
        "step",
        "memory_additive",
        lambda m: [m["NEW"].part(0, 2), half(m["TILE"]), m["ROW"], m["VEC"]],
        "operand c must have 4 columns",
    ),
    (
        "step",
        "memory_additive_grad",
        lambda m: [half(m["NEW"]), half(m["TILE"]), m["ROW"], m["TILE"].part(0, 2)],
        "operand dst must have 8 columns",
    ),
    (
        "step",
        "memory_additive_grad",
        lambda m: [m["NEW"], half(m["TILE"]), m["ROW"], half(m["TILE"])],
        "operand b must have 16 columns",
    ),
    (
        "step",
        "memory_additive_grad",
        lambda m: [m["NEW"], half(m["TILE"]), m["ROW"], m["NEW"].part(0, 2)],
        "overlaps operand c|read before",
    ),
]


@pytest.mark.parametrize(("phase", "op", "operands", "why"), ILLEGAL)
def test_illegal(phase: str, op: str, operands: Callable[[M], list[Operand]], why: str) -> None:
    builder, made = every_kind()
    builder.program()
    dst, *sources = operands(made)
    builder.emit(phase, op, dst, *sources)
    refused(builder.words(), why)


def test_accumulating_needs_something_there() -> None:
    b, made = every_kind()
    b.emit("step", "matmul", made["NEW"], half(made["TILE"]), made["MAT"], accumulate=True)
    refused(b.words(), "is read before it is written")
    b, made = every_kind()
    b.emit("step", "matmul", made["CHUNK"], half(made["TILE"]), made["MAT"], made["VEC"], accumulate=True)
    refused(b.words(), "cannot both accumulate and add a bias")
    b, made = every_kind()
    b.emit("step", "copy", made["CHUNK"], made["TILE"], accumulate=True)
    refused(b.words(), "flags must be 0 to 0, got 1")


@pytest.mark.parametrize(
    ("phase", "change", "why"),
    [
        ("step", lambda m: (m["CHUNK"].buf, half(m["TILE"])), "must be a CARRY of 8 columns, got CHUNK"),
        ("step", lambda m: (m["CARRY"].buf, m["CARRY"].part(0, 4)), "the memory's gradient is an operand too"),
        ("step", lambda m: (99, half(m["TILE"])), "extra0. must be from -1 to 13, got 99"),
        ("step", lambda m: (-2, half(m["TILE"])), "extra0. must be from -1 to 13, got -2"),
        ("post", lambda m: (m["CARRY"].buf, half(m["CHUNK"])), "may be used in phase step only"),
    ],
)
def test_where_the_gradient_of_a_memory_goes(phase: str, change: Callable[[M], tuple[int, Operand]], why: str) -> None:
    b, made = every_kind()
    b.emit("step", "memory_additive_grad", made["NEW"], half(made["TILE"]), made["ROW"], made["TILE"].part(0, 2))
    b.code["step"][-1].stream = made["CARRY"].buf
    b.program()
    b.code["step"].pop()
    into, a = change(made)
    new = b.buffer("TILE", 8) if phase == "post" else made["NEW"]
    b.emit(phase, "memory_additive_grad", new, a, made["ROW"], made["CHUNK"].part(4, 2), stream=into)
    refused(b.words(), why.replace("to 13", "to 14") if phase == "post" else why)


def test_partly_written_is_not_written() -> None:
    b, made = every_kind()
    b.emit("step", "copy", made["NEW"].part(0, 3), made["TILE"].part(0, 3))
    b.emit("step", "copy", made["NEW"].part(4, 4), made["TILE"].part(0, 4))
    whole = b.words()
    b.emit("step", "copy", made["TILE"], made["NEW"])
    refused(b.words(), "is read before it is written")
    native.Program(whole)
    b.code["step"].pop()
    b.emit("step", "copy", made["NEW"].part(2, 2), made["TILE"].part(0, 2))
    b.emit("step", "copy", made["TILE"], made["NEW"])
    b.program()


def mutated(words: np.ndarray, r: random.Random) -> np.ndarray:
    """The program with some words changed: to what stands elsewhere, to neighbours, to extremes."""
    words = words.copy()
    for _ in range(r.choice([1, 1, 1, 2, 3, 8])):
        index = r.randrange(len(words))
        words[index] = _word(words, index, r)
    if r.random() < 0.1:
        words = words[: r.randrange(len(words) + 1)]
    return np.ascontiguousarray(words)


def _word(words: np.ndarray, index: int, r: random.Random) -> int:
    return r.choice(
        [
            int(words[r.randrange(len(words))]),
            max(-(2**31), min(2**31 - 1, int(words[index]) + r.choice([-1, 1]))),
            r.choice([0, 1, 2, 5, 64, 2**24, 2**24 + 1, 2**31 - 1, -1, -(2**31)]),
            r.randint(0, 60),
        ]
    )


def decoded(words: np.ndarray) -> Builder:
    """A builder with the buffers of a program that was let through, for making memory."""
    b = Builder(np.float64 if words[2] else np.float32)
    kinds = ["INPUT", "OUTPUT", "ROW", "VEC", "CONST", "MAT", "SAVED", "CARRY", "ACC", "TILE", "CHUNK"]
    for row in words[8 : 8 + 6 * words[3]].reshape(-1, 6).tolist():
        b.buffers.append(Buffer(kinds[row[0]], row[1], k=row[2], access=row[3]))
    return b


def test_mutated_programs_are_refused_or_run() -> None:
    """Thousands of damaged programs: each is refused with a reason, or runs within its memory."""
    r = random.Random(0)
    ran = 0
    for seed in range(150):
        whole = random_program(seed, f64=seed % 2 == 0, size=20).words()
        for _ in range(40):
            words = mutated(whole, r)
            try:
                program = native.Program(words)
            except ValueError as error:
                assert str(error).startswith("step program")
                continue
            builder = decoded(words)
            if sum(b.cols * max(1, b.k) for b in builder.buffers) > 1 << 20:
                continue
            memory = Memory(builder, [3, 0, 2, 1], 3, np.random.default_rng(0))
            memory.run(program=program, threads=r.choice([1, 2]), team=r.choice([0, 1]), reverse=r.random() < 0.5)
            assert memory.pads_are_whole()
            ran += 1
    assert ran > 500


def test_random_words_are_refused() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        words = rng.integers(-3, 60, rng.integers(8, 200)).astype(np.int32)
        words[:3] = lstm(np.float32, 1, 1).words()[:3]
        words[7] = 0
        if rng.random() < 0.7:  # as many words as the header says
            buffers, pre, step, post = rng.integers(0, 5, 4)
            words[3:7] = buffers, pre, step, post
            rest = 6 * buffers + 16 * (pre + step + post)
            words = np.concatenate([words[:8], rng.integers(-1, 12, rest).astype(np.int32)])
        try:
            native.Program(words)
        except ValueError as error:
            assert str(error).startswith("step program")


# ---- bindings


@pytest.mark.parametrize(
    ("buffer", "column", "value", "why"),
    [
        (0, 1, lambda n: n - 1, r"binding of INPUT buffer 0: needs \d+ elements, got \d+"),
        (0, 2, lambda s: -s, "stride of rows must be 0 or more"),
        (0, 3, lambda s: s + 100, "needs"),
        (0, 3, lambda s: 2**62, "needs more elements than there can be"),
        (0, 4, lambda s: 2, "stride of columns must be 1, got 2"),
        (0, 0, lambda p: p + 2, "address must be a multiple of 4"),
        (1, 0, lambda p: 0, "OUTPUT buffer 1: needs .* got a null address"),
        (1, 1, lambda n: n - 1, "OUTPUT buffer 1: needs"),
        (2, 2, lambda s: s + 1, "MAT buffer 2: needs"),
        (2, 3, lambda s: -1, "stride of columns must be 0 or more"),
        (4, 1, lambda n: 11, "VEC buffer 4: needs 16 elements, got 11"),
        (6, 1, lambda n: n - 1, "SAVED buffer 6: needs"),
        (6, 0, lambda p: 0, "SAVED buffer 6: needs"),
        (7, 1, lambda n: 0, "CARRY buffer 7: needs"),
        (7, 3, lambda p: 0, "CARRY buffer 7: needs"),
        (7, 4, lambda n: n - 1, "CARRY buffer 7: needs"),
        (7, 5, lambda s: -1, "final state must be 0 or more, got -1"),
    ],
)
def test_bindings(buffer: int, column: int, value: Callable[[int], int], why: str) -> None:
    memory = Memory(lstm(np.float32, 3, 4), [1, 3], 3, np.random.default_rng(0))
    program, schedule = memory.builder.program(), native.Schedule(memory.lengths, 3, 1)
    bindings = memory.bindings()
    native.execute(program, schedule, bindings)
    memory.wipe()
    bindings[buffer, column] = value(int(bindings[buffer, column]))
    with pytest.raises(ValueError, match=why):
        native.execute(program, schedule, bindings)
    assert (memory.results()["OUTPUT 1 p"] == -77.25).all()


def test_a_memory_must_be_there() -> None:
    """A ROW that is loaded may be null; one that is looked up may not, and all its rows must be there."""
    b = Builder(np.float32)
    row, tile, found = b.buffer("ROW", 6), b.buffer("TILE", 6), b.buffer("TILE", 3)
    b.emit("step", "load", tile, row)
    memory = Memory(b, [1, 2], 2, np.random.default_rng(0))
    bindings = memory.bindings()
    bindings[row.buf, :2] = 0
    schedule = native.Schedule(memory.lengths, 2, 1)
    native.execute(b.program(), schedule, bindings)
    b.emit("step", "memory_dot", found, tile.part(0, 2), row)
    with pytest.raises(ValueError, match=r"ROW buffer 0: needs .* got a null address"):
        native.execute(b.program(), schedule, bindings)
    bindings = memory.bindings()
    native.execute(b.program(), schedule, bindings)
    bindings[row.buf, 1] -= 1
    with pytest.raises(ValueError, match="ROW buffer 0: needs"):
        native.execute(b.program(), schedule, bindings)


def test_input_may_end_with_the_last_valid_step() -> None:
    """Padding behind the last valid step need not be there."""
    memory = Memory(lstm(np.float32, 3, 4), [3, 1], 5, np.random.default_rng(0))
    program, schedule = memory.builder.program(), native.Schedule(memory.lengths, 5, 1)
    bindings = memory.bindings()
    stride_b, stride_t = bindings[0, 2:4]
    needed = max(2 * stride_t, stride_b) + 3
    bindings[0, 1] = needed
    native.execute(program, schedule, bindings)
    bindings[0, 1] = needed - 1
    with pytest.raises(ValueError, match="needs"):
        native.execute(program, schedule, bindings)


def test_number_of_bindings() -> None:
    memory = Memory(lstm(np.float32, 3, 4), [3, 1], 3, np.random.default_rng(0))
    program, schedule = memory.builder.program(), native.Schedule(memory.lengths, 3, 1)
    with pytest.raises(ValueError, match="one row for each buffer of the program, got 1 rows"):
        native.execute(program, schedule, memory.bindings()[:1].copy())
    with pytest.raises(TypeError):
        native.execute(program, schedule, memory.bindings()[:, :7].copy())
    with pytest.raises(TypeError):
        native.execute(program, schedule, memory.bindings().astype(np.int32))
