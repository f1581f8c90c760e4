"""The parts that a checkpoint is made of, each against a definition that is written another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynrnn.checkpoint import CheckpointError, snappy
from dynrnn.checkpoint.crc32c import crc32c, extend, mask, unmask
from dynrnn.checkpoint.slices import key_of
from dynrnn.checkpoint.state import State, parse
from dynrnn.checkpoint.table import read_table, write_table
from dynrnn.checkpoint.wire import field_bytes, field_varint, fields, read_varint, varint


def slow_crc(data: bytes) -> int:
    """Bit by bit, from the definition."""
    state = 0xFFFFFFFF
    for octet in data:
        state ^= octet
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "crc"),  # RFC 3720, B.4
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_crc_of_known_strings(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@pytest.mark.parametrize("size", [1, 63, 64, 191, 192, 193, 255, 256, 4095, 4097, 70001])
def test_crc_of_many_lengths(size: int) -> None:
    data = np.random.RandomState(size).bytes(size)
    assert crc32c(data) == slow_crc(data)
    assert extend(crc32c(data[: size // 3]), data[size // 3 :]) == crc32c(data)


def test_crc_over_several_blocks() -> None:
    data = np.random.RandomState(0).bytes(600_001)
    parts = 0
    for at in range(0, len(data), 9_973):
        parts = extend(parts, data[at : at + 9_973])
    assert crc32c(data) == parts


@given(st.integers(0, 2**32 - 1))
def test_mask_has_an_inverse(crc: int) -> None:
    assert unmask(mask(crc)) == crc


@given(st.integers(0, 2**64 - 1))
def test_varints(number: int) -> None:
    assert read_varint(varint(number) + b"rest", 0) == (number, len(varint(number)))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 12, b"\xff" * 9 + b"\x7f"])
def test_no_varint(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        read_varint(data, 0)


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_an_error(data: bytes) -> None:
    try:
        found = fields(data)
    except CheckpointError:
        return
    assert all(isinstance(number, int) and number > 0 for number, _ in found)


def test_fields() -> None:
    message = field_varint(3, 300) + field_bytes(2, b"abc") + field_varint(3, -1)
    assert [(n, v if isinstance(v, int) else bytes(v)) for n, v in fields(message)] == [
        (3, 300),
        (2, b"abc"),
        (3, 2**64 - 1),
    ]


# --- keys of slices ---------------------------------------------------------------------------------------------------

SIGNED = st.one_of(st.integers(-70, 70), st.integers(-(2**63), 2**63 - 1))


@given(st.tuples(st.binary(max_size=6), SIGNED, SIGNED), st.tuples(st.binary(max_size=6), SIGNED, SIGNED))
def test_keys_are_ordered_as_their_parts(a: tuple[bytes, int, int], b: tuple[bytes, int, int]) -> None:
    def key(item: tuple[bytes, int, int]) -> bytes:
        return key_of(item[0].decode("utf-8", "surrogateescape"), ((item[1], item[2]),))

    assert (key(a) < key(b)) == (a < b) and (key(a) == key(b)) == (a == b)


@pytest.mark.parametrize(
    ("number", "octets"),  # as many leading one bits as bytes, the other way round for negative numbers
    [
        (0, "80"),
        (63, "bf"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (2**63 - 1, "ffc07fffffffffffffff"),
        (-1, "7f"),
        (-64, "40"),
        (-65, "3fbf"),
        (-8192, "2000"),
        (-(2**63), "003f8000000000000000"),
    ],
)
def test_numbers_in_keys(number: int, octets: str) -> None:
    assert key_of("x", ((number, 0),)).hex() == "00" + "780001" + "0101" + octets + "80"


# --- tables -----------------------------------------------------------------------------------------------------------


def entries_of(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, bytes(value)) for key, value in read_table(data)]


@given(st.dictionaries(st.binary(max_size=8), st.binary(max_size=20), max_size=60))
def test_tables(entries: dict[bytes, bytes]) -> None:
    assert entries_of(write_table(sorted(entries.items()))) == sorted(entries.items())


def test_tables_of_many_blocks() -> None:
    entries = [(f"name{number:06d}/kernel".encode(), bytes(number % 300)) for number in range(9_000)]
    entries.append((b"nbig", bytes(700_000)))
    entries.append((b"z", b""))
    data = write_table(entries)
    assert entries_of(data) == entries
    assert len(data) > 3 * 262144


def test_keys_must_rise() -> None:
    with pytest.raises(ValueError, match="rising order"):
        write_table([(b"b", b""), (b"a", b"")])


# --- snappy -----------------------------------------------------------------------------------------------------------


def literal(data: bytes) -> bytes:
    if len(data) <= 60:
        return bytes([(len(data) - 1) << 2]) + data
    return bytes([61 << 2]) + (len(data) - 1).to_bytes(2, "little") + data


def compress(data: bytes, form: int) -> bytes:
    """A plain compressor: the longest earlier match of each place, in the given form of copy."""
    out, at, begin = varint(len(data)), 0, 0
    while at < len(data):
        best, offset = 0, 0
        for back in range(1, min(at, 2047) + 1):
            length = 0
            while at + length < len(data) and length < 64 and data[at - back + length] == data[at + length]:
                length += 1
            if length > best:
                best, offset = length, back
        if form == 1:
            best = min(best, 11)
        if best < 4:
            at += 1
            continue
        if begin < at:
            out += literal(data[begin:at])
        if form == 1:
            out += bytes([1 | (best - 4) << 2 | offset >> 8 << 5, offset & 255])
        else:
            out += bytes([form | (best - 1) << 2]) + offset.to_bytes(2 if form == 2 else 4, "little")
        at += best
        begin = at
    return out + (literal(data[begin:]) if begin < len(data) else b"")


@pytest.mark.parametrize("form", [1, 2, 3])
@pytest.mark.parametrize(
    "data",
    [b"", b"a", b"abcabcabcabcabcabc" * 9, b"\0" * 500, bytes(range(256)), b"rnn/cell_0/kernelrnn/cell_1/kernel"],
)
def test_snappy(form: int, data: bytes) -> None:
    assert snappy.decompress(compress(data, form)) == data


@given(st.binary(max_size=40), st.integers(0, 40))
def test_damaged_snappy_is_an_error_or_of_its_length(data: bytes, at: int) -> None:
    for block in (data, data[:at], compress(b"abababab" + data, 1)[:at]):
        try:
            got = snappy.decompress(block)
        except CheckpointError:
            continue
        assert len(got) == read_varint(block, 0)[0]


def test_snappy_takes_no_memory_that_it_cannot_fill() -> None:
    with pytest.raises(CheckpointError, match="cannot hold"):
        snappy.decompress(varint(2**62) + b"\0\0")


def snappy_table(entries: list[tuple[bytes, bytes]]) -> bytes:
    """The table of `write_table`, its one data block compressed."""
    plain = write_table(entries)
    footer = plain[-48:]
    meta_at, at = read_varint(footer, 0)
    block = compress(plain[: meta_at - 5], 1)

    def framed(content: bytes, kind: int) -> bytes:
        return content + bytes([kind]) + mask(crc32c(content + bytes([kind]))).to_bytes(4, "little")

    data = framed(block, 1)
    meta = plain[meta_at : meta_at + read_varint(footer, at)[0]]
    entry = varint(0) + varint(len(b"~")) + varint(len(varint(0) + varint(len(block)))) + b"~" + varint(0)
    index = entry + varint(len(block)) + bytes(4) + (1).to_bytes(4, "little")
    handles = varint(len(data)) + varint(len(meta)) + varint(len(data) + len(meta) + 5) + varint(len(index))
    return data + framed(meta, 0) + framed(index, 0) + handles + bytes(40 - len(handles)) + plain[-8:]


def test_compressed_tables() -> None:
    entries = [(f"rnn/cell_{n}/kernel".encode(), b"value" * n) for n in range(9)]
    assert len(snappy_table(entries)) < len(write_table(entries))
    assert entries_of(snappy_table(entries)) == entries


# --- the state file ---------------------------------------------------------------------------------------------------


@given(st.text(min_size=1), st.lists(st.text(), max_size=3), st.lists(st.floats(0, 1e12), max_size=2))
def test_states_are_read_as_written(path: str, paths: list[str], times: list[float]) -> None:
    try:
        path.encode(), [p.encode() for p in paths]
    except UnicodeEncodeError:
        return
    state = State(path, paths, times, times[0] if times else None)
    assert parse(state.text()) == state


def test_states_by_other_writers() -> None:
    text = '# made by hand\nmodel_checkpoint_path: \'a\\x41\\101\' "b\\n"; all_model_checkpoint_paths:"c" '
    assert parse(text + "last_preserved_timestamp: 1.5e3") == State("aAAb\n", ["c"], [], 1500.0)


@pytest.mark.parametrize(
    "text",
    [
        *("x", "model_checkpoint_path", "model_checkpoint_path:", "model_checkpoint_path: 3", "\0", "{"),
        *('model_checkpoint_path "a"', 'unknown: "a"', 'model_checkpoint_path: "a', "last_preserved_timestamp: 1.2.3"),
    ],
)
def test_no_states(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse(text)
