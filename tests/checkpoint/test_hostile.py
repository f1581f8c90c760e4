"""Damaged and hostile checkpoints: always a clear error, never other values, never much memory."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn.checkpoint import CheckpointError, Reader, open_checkpoint, write_checkpoint
from dynrnn.checkpoint.crc32c import crc32c, mask
from dynrnn.checkpoint.dtypes import by_name
from dynrnn.checkpoint.protos import Entry, Header, SliceMeta, encode_versions
from dynrnn.checkpoint.slices import Slice, encode, key_of
from dynrnn.checkpoint.table import read_table, write_table
from dynrnn.checkpoint.wire import field_bytes, field_varint, varint

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "checkpoints"
DATA = ".data-00000-of-00001"
MEGABYTE = 1 << 20


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and (a.tobytes() == b.tobytes() or a.tolist() == b.tolist())


@pytest.fixture
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * MEGABYTE


def copy_of(name: str, folder: Path) -> Path:
    for path in [*GOLDENS.glob(name + ".index"), *GOLDENS.glob(name + ".data*"), *GOLDENS.glob(name)]:
        shutil.copy(path, folder)
    return folder / name


# --- accidents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ending", "step"), [("dtypes", ".index", 1), ("parts", ".index", 1), ("old_parts", "", 3), ("old", "", 7)]
)
def test_an_index_cut_anywhere(name: str, ending: str, step: int, tmp_path: Path) -> None:
    prefix = copy_of(name, tmp_path)
    whole = Path(f"{prefix}{ending}").read_bytes()
    for size in range(0, len(whole), step):
        Path(f"{prefix}{ending}").write_bytes(whole[:size])
        with pytest.raises(CheckpointError):
            open_checkpoint(prefix)


@pytest.mark.parametrize(("name", "ending"), [("dtypes", ".index"), ("parts", ".index"), ("old_parts", "")])
def test_an_index_with_any_byte_changed(name: str, ending: str, tmp_path: Path) -> None:
    prefix = copy_of(name, tmp_path)
    whole = Path(f"{prefix}{ending}").read_bytes()
    footer = len(whole) - 48  # all but this is under a checksum
    changes = [(at, (0x01, 0x80, 0xFF)[at % 3]) for at in range(footer)]
    changes += [(at, change) for at in range(footer, len(whole)) for change in (0x01, 0x02, 0x80, 0xFF)]
    for at, change in changes:
        changed = bytearray(whole)
        changed[at] ^= change
        Path(f"{prefix}{ending}").write_bytes(changed)
        with pytest.raises(CheckpointError):
            open_checkpoint(prefix)


def damaged_data(prefix: Path, changed: bytes, expected: dict[str, np.ndarray]) -> int:
    """How many tensors are errors when the data file is ``changed``; all others must have their values."""
    Path(f"{prefix}{DATA}").write_bytes(changed)
    reader, wrong = open_checkpoint(prefix), 0
    for name, array in expected.items():
        try:
            assert same(reader.bits(name), array), name
        except CheckpointError as error:
            assert name in str(error)
            wrong += 1
    return wrong


def test_data_with_any_byte_changed(tmp_path: Path) -> None:
    prefix = copy_of("dtypes", tmp_path)
    whole = Path(f"{prefix}{DATA}").read_bytes()
    reader = open_checkpoint(prefix)
    expected = {name: reader.bits(name) for name in reader}
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        assert damaged_data(prefix, bytes(changed), expected) == 1


def test_data_cut_anywhere(tmp_path: Path) -> None:
    prefix = copy_of("dtypes", tmp_path)
    whole = Path(f"{prefix}{DATA}").read_bytes()
    reader = open_checkpoint(prefix)
    expected = {name: reader.bits(name) for name in reader}
    for size in range(0, len(whole), 29):
        assert damaged_data(prefix, whole[:size], expected) >= 1


def test_a_missing_data_file(tmp_path: Path) -> None:
    prefix = copy_of("shards", tmp_path)
    Path(f"{prefix}.data-00001-of-00002").unlink()
    reader = open_checkpoint(prefix)
    assert reader["v0"].shape == (5,)
    with pytest.raises(FileNotFoundError, match=r"shards\.data-00001-of-00002; No such file"):
        reader["v1"]


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_any_bytes_are_no_table(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        read_table(data + bytes.fromhex("57fb808b247547db"))


# --- intent -----------------------------------------------------------------------------------------------------------

FLOAT = by_name("float32")


def write(prefix: Path, entries: dict[bytes, bytes], data: bytes = bytes(64), header: bytes | None = None) -> Reader:
    index = {b"": Header().encode() if header is None else header, **entries}
    Path(f"{prefix}.index").write_bytes(write_table(sorted(index.items())))
    Path(f"{prefix}{DATA}").write_bytes(data)
    return open_checkpoint(prefix)


def entry(shape: tuple[int, ...], size: int, offset: int = 0, kind: str = "float32", shard: int = 0) -> bytes:
    crc = mask(crc32c(bytes(max(0, min(size, 64)))))
    return Entry(by_name(kind), shape, offset=offset, size=size, crc=crc, shard=shard).encode()


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("item", "message"),
    [
        (entry((1 << 40,), 1 << 42), "ends at 64"),
        (entry((16,), 64, offset=1), "ends at 64"),
        (entry((16,), 64, offset=1 << 62), "ends at 64"),
        (entry((1 << 40,), 64), "is not 64 bytes"),
        (entry((8,), 64), "is not 64 bytes"),
        (entry((16,), 64, shard=1), "data file 1 of 1"),
        (entry((1 << 40,), 64, kind="string"), "strings cannot be in 64 bytes"),
        (entry((1 << 40,), 0, kind="string"), "strings cannot be in 0 bytes"),
        (entry((2,), 64, kind="string"), "checksum"),
        (entry((2,), 64, kind="variant"), "tensors of type variant cannot be read"),
        (entry((0, 1 << 61), 4), "is not 4 bytes"),
    ],
)
def test_a_tensor_that_claims_too_much(item: bytes, message: str, tmp_path: Path) -> None:
    reader = write(tmp_path / "m", {b"w": item, b"good": entry((16,), 64)})
    with pytest.raises(CheckpointError, match=message):
        reader["w"]
    assert reader["good"].shape == (16,)


def dims(*sizes: int) -> bytes:
    return b"".join(field_bytes(2, field_varint(1, size)) for size in sizes)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({b"w": field_varint(1, 1) + field_bytes(2, dims(-1))}, "impossible shape"),
        ({b"w": field_varint(1, 1) + field_bytes(2, dims(*[1 << 31] * 9))}, "impossible shape"),
        ({b"w": field_varint(1, 1) + field_bytes(2, dims(*[1] * 255))}, "impossible shape"),
        ({b"w": field_varint(1, 1) + field_bytes(2, field_varint(3, 1))}, "unknown rank"),
        ({b"w": field_varint(1, 999) + field_bytes(2, b"")}, "no element type of number 999"),
        ({b"w": field_varint(1, 1) + field_varint(5, -1)}, "-1 bytes"),
        ({b"w": b"\xff"}, "in the middle of a number"),
        ({b"w": field_varint(2, 1)}, "number where bytes are due"),
        ({b"w": field_varint(1, 1) + varint(2 << 3 | 2) + varint(1 << 60)}, "1152921504606846976 bytes"),
        ({b"w": varint(1 << 3 | 3)}, "wire type 3"),
        ({b"": field_varint(1, 0)}, "0 data files"),
        ({b"": field_varint(1, -5)}, "-5 data files"),
        ({b"": field_varint(1, 1) + field_varint(2, 7)}, "byte order"),
        ({b"": field_varint(1, 1) + field_bytes(3, field_varint(1, 9) + field_varint(2, 9))}, "readers of version 9"),
    ],
)
def test_an_index_of_nonsense(index: dict[bytes, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        write(tmp_path / "m", index)


def test_an_index_without_header(tmp_path: Path) -> None:
    (tmp_path / "m.index").write_bytes(write_table([(b"w", entry((16,), 64))]))
    with pytest.raises(CheckpointError, match="no header"):
        open_checkpoint(tmp_path / "m")


def in_parts(shape: tuple[int, ...], parts: list[Slice], sizes: list[int]) -> dict[bytes, bytes]:
    entries = {b"w": Entry(FLOAT, shape, slices=tuple(parts)).encode()}
    for part, size in zip(parts, sizes, strict=True):
        inner = tuple(full if extent is None else extent[1] for extent, full in zip(part, shape, strict=True))
        entries[key_of("w", part)] = entry(inner, size)
    return entries


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (in_parts((4,), [((0, 2),)], [8]), "do not make up"),
        (in_parts((4,), [((0, 2),), ((1, 2),)], [8, 8]), "overlap"),
        (in_parts((4,), [((0, 2),), ((1, 3),)], [8, 12]), "do not make up"),
        (in_parts((4,), [((0, 2),), ((2, 3),)], [8, 12]), "outside the shape"),
        (in_parts((4,), [((-1, 2),), ((1, 3),)], [8, 12]), "outside the shape"),
        (in_parts((1 << 40,), [((k << 38, 1 << 38),) for k in range(4)], [1 << 40] * 4), "the data files only 64"),
        (in_parts((64,), [((16 * k, 16),) for k in range(4)], [64] * 4), "256 bytes, the data files only 64"),
        ({b"w": Entry(FLOAT, (4,), slices=(((0, 4),),)).encode()}, "not listed"),
    ],
)
def test_parts_that_are_no_whole(entries: dict[bytes, bytes], message: str, tmp_path: Path) -> None:
    reader = write(tmp_path / "m", entries)
    with pytest.raises(CheckpointError, match=message):
        reader["w"]


def test_a_part_of_another_type(tmp_path: Path) -> None:
    entries = in_parts((4,), [((0, 4),)], [16])
    entries[key_of("w", ((0, 4),))] = entry((4,), 16, kind="int32")
    with pytest.raises(CheckpointError, match="a part of it"):
        write(tmp_path / "m", entries)["w"]


@pytest.mark.usefixtures("little_memory")
def test_keys_that_grow_without_end() -> None:
    """Each entry shares all of the key before: a small block that stands for gigabytes."""
    block = varint(0) + varint(200_000) + varint(0) + b"k" * 200_000
    for length in range(200_000, 204_000):
        block += varint(length) + varint(1) + varint(0) + b"k"
    block += bytes(4) + (1).to_bytes(4, "little")

    def framed(content: bytes) -> bytes:
        return content + b"\0" + mask(crc32c(content + b"\0")).to_bytes(4, "little")

    data, meta = framed(block), framed(bytes(4) + (1).to_bytes(4, "little"))
    handle = varint(0) + varint(len(block))
    index = varint(0) + varint(1) + varint(len(handle)) + b"z" + handle + bytes(4) + (1).to_bytes(4, "little")
    handles = varint(len(data)) + varint(8) + varint(len(data) + len(meta)) + varint(len(index))
    footer = handles + bytes(40 - len(handles)) + bytes.fromhex("57fb808b247547db")
    with pytest.raises(CheckpointError, match="keys of a block"):
        read_table(data + meta + framed(index) + footer)


# --- version 1 --------------------------------------------------------------------------------------------------------


def old(path: Path, meta: bytes | None, values: dict[bytes, bytes]) -> Reader:
    head = b"" if meta is None else field_bytes(1, meta + field_bytes(2, encode_versions()))
    path.write_bytes(write_table([(b"", head), *sorted(values.items())]))
    return open_checkpoint(path)


def saved(name: str, part: Slice, tensor: bytes) -> bytes:
    return field_bytes(2, field_bytes(1, name.encode()) + field_bytes(2, encode(part)) + field_bytes(3, tensor))


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("kind", "shape", "tensor", "message"),
    [
        ("float32", (1 << 40,), field_bytes(5, bytes(8)), "cannot be in"),
        ("float32", (2,), field_bytes(6, bytes(8)), "0 bytes are stored"),
        ("int32", (1 << 40,), field_bytes(7, bytes(8)), "cannot be in"),
        ("int32", (2,), field_bytes(7, b"\xff\xff"), "middle of a number"),
        ("string", (1 << 40,), field_bytes(8, b"a"), "cannot be in"),
        ("float32", (1,), field_bytes(5, bytes(8)), "8 bytes are stored"),
        ("int32", (3,), field_bytes(7, bytes(8)), "8 values are stored"),
        ("string", (3,), field_bytes(8, b"a"), "1 strings are stored"),
        ("resource", (2,), b"", "type resource"),
        ("float32", (2,), b"\x0f", "wire type 7"),
    ],
)
def test_values_of_version_1_that_do_not_fit(
    kind: str, shape: tuple[int, ...], tensor: bytes, message: str, tmp_path: Path
) -> None:
    part: Slice = (None,)
    listed = field_bytes(1, SliceMeta("w", by_name(kind), shape, (part,)).encode())
    reader = old(tmp_path / "m", listed, {key_of("w", part): saved("w", part, tensor)})
    with pytest.raises(CheckpointError, match=message):
        reader["w"]


def test_version_1_without_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no list of tensors"):
        old(tmp_path / "m", None, {})
    listed = field_bytes(1, SliceMeta("w", FLOAT, (2,), ((None,),)).encode())
    with pytest.raises(CheckpointError, match="not listed"):
        old(tmp_path / "m", listed, {b"x": bytes(20)})["w"]
    with pytest.raises(CheckpointError, match="another tensor"):
        old(tmp_path / "m", listed, {key_of("w", (None,)): saved("v", (None,), field_bytes(5, bytes(8)))})["w"]


# --- wrong arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensors", "dtypes", "message"),
    [
        ({"": 1.0}, {}, "the name of a tensor"),
        ({"a": np.zeros(2, "M8[s]")}, {}, "datetime64"),
        ({"a": 1.0}, {"a": "float"}, "known: float32"),
        ({"a": np.zeros(2)}, {"a": "variant"}, "type variant cannot be"),
        ({"a": ["x", "y"]}, {"a": "int32"}, "strings cannot be written as int32"),
        ({"a": np.array([b"x", 3], object)}, {}, "element of type int"),
    ],
)
def test_what_cannot_be_written(tensors: object, dtypes: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        write_checkpoint(tmp_path / "m", tensors, dtypes)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_name_given_twice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'a' was written already"):
        write_checkpoint(tmp_path / "m", [("a", 1), ("a", 2)])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_checkpoint(tmp_path / "no" / "m", {"a": 1})
