"""Checkpoints made by TensorFlow, read bit for bit and written again byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from goldens.checkpoints.values import DTYPES, PARTED, STRINGS, VERSION_1, bits

from dynrnn import checkpoint
from dynrnn.checkpoint import BundleWriter, Reader, open_checkpoint, write_version_1
from dynrnn.checkpoint.dtypes import from_bfloat16, to_bfloat16

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "checkpoints"
BUNDLES = ("dtypes", "parts", "shards", "lstm-3")


def golden(name: str) -> Reader:
    return open_checkpoint(GOLDENS / name)


@pytest.mark.parametrize("name", DTYPES)
def test_every_type_is_read_bit_for_bit(name: str) -> None:
    reader = golden("dtypes")
    info = reader.info("types/" + name)
    assert (info.dtype, info.shape) == (name, (3, 4))
    stored = reader.bits("types/" + name)
    np.testing.assert_array_equal(stored.reshape(-1).view(bits(name).dtype), bits(name))
    values = reader["types/" + name]
    if name == "bfloat16":
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values.view(np.uint32) >> 16, stored)
    else:
        assert values.dtype == np.dtype(name)


def test_other_tensors() -> None:
    reader = golden("dtypes")
    np.testing.assert_array_equal(reader["types/bool"], [True, False, True])
    assert reader["types/string"].tolist() == STRINGS.tolist()
    assert reader["größe"] == 7 and reader["größe"].dtype == np.int64 and reader["größe"].shape == ()
    assert reader["text"][()] == b"one"
    assert reader["empty"].shape == (0, 3) and reader["empty"].dtype == np.float32
    assert len(reader) == len(DTYPES) + 5 and list(reader) == sorted(reader, key=str.encode)


def test_variables_in_parts_are_whole() -> None:
    reader = golden("parts")
    assert list(reader) == ["columns/w", "rows/w"]
    for name in reader:
        np.testing.assert_array_equal(reader[name], PARTED)
    assert [len(info.parts) for info in reader.tensors.values()] == [2, 5]


@pytest.mark.parametrize("name", ["rows/w", "columns/w"])
@pytest.mark.parametrize("part", [((2, 7), (1, 3)), ((0, 12), None), ((11, 1), (4, 1)), ((3, 0), (0, 2)), (None, None)])
def test_any_part_can_be_read(name: str, part: tuple[tuple[int, int] | None, ...]) -> None:
    at = tuple(slice(None) if e is None else slice(e[0], e[0] + e[1]) for e in part)
    np.testing.assert_array_equal(golden("parts").bits(name, part), PARTED[at])
    np.testing.assert_array_equal(golden("old_parts").bits(name, part), PARTED[at])


@pytest.mark.parametrize("part", [((2, 11), None), ((-1, 2), None), (None,)])
def test_a_part_outside_is_refused(part: tuple[tuple[int, int] | None, ...]) -> None:
    with pytest.raises(checkpoint.CheckpointError, match="slice"):
        golden("parts").bits("rows/w", part)


def test_several_data_files() -> None:
    reader = golden("shards")
    assert isinstance(reader, checkpoint.BundleReader) and reader.shards == 2
    for number in range(4):
        np.testing.assert_array_equal(reader[f"v{number}"], np.arange(5) + number)


@pytest.mark.parametrize("name", VERSION_1)
def test_version_1_is_read_bit_for_bit(name: str) -> None:
    array = golden("old")["types/" + name]
    assert array.dtype == np.dtype(name) and array.shape == (3, 4)
    np.testing.assert_array_equal(array.reshape(-1).view(bits(name).dtype), bits(name))


def test_other_tensors_of_version_1() -> None:
    reader = golden("old")
    assert isinstance(reader, checkpoint.Version1Reader)
    np.testing.assert_array_equal(reader["types/bool"], [True, False, True])
    assert reader["types/string"].tolist() == STRINGS.tolist()
    assert reader["scalar"] == 7 and reader["empty"].shape == (0, 3)
    for name in ("rows/w", "columns/w"):
        np.testing.assert_array_equal(golden("old_parts")[name], PARTED)


def written_again(name: str, folder: Path) -> Path:
    """A golden, read and written by the library."""
    reader, target = golden(name), folder / name
    assert isinstance(reader, checkpoint.BundleReader)
    with BundleWriter(target, reader.shards) as writer:
        # as they lie in the data files
        entries = sorted(reader._entries.items(), key=lambda item: (item[1].shard, item[1].offset, item[0]))
        order = {key: place for place, (key, _) in enumerate(entries)}
        todo = []
        for tensor, info in reader.tensors.items():
            for part in info.parts or (None,):
                key = tensor.encode() if part is None else checkpoint.bundle.slices.key_of(tensor, part)
                todo.append((order[key], tensor, part, reader._entries[key].shard))
        for _, tensor, part, shard in sorted(todo, key=lambda item: item[0]):
            info = reader.info(tensor)
            if part is None:
                writer.add(tensor, reader.bits(tensor), info.dtype, shard)
        for tensor, info in reader.tensors.items():
            for part in info.parts:
                writer.add_part(tensor, info.shape, part, reader.bits(tensor, part), info.dtype)
    return target


@pytest.mark.parametrize("name", BUNDLES)
def test_written_as_tensorflow_writes(name: str, tmp_path: Path) -> None:
    written_again(name, tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == sorted(path.name for path in GOLDENS.glob(name + ".*") if path.suffix != ".npz")
    for file in files:
        assert (tmp_path / file).read_bytes() == (GOLDENS / file).read_bytes(), file


def test_version_1_written_as_tensorflow_writes(tmp_path: Path) -> None:
    reader = golden("old")
    write_version_1(tmp_path / "old", {name: reader[name] for name in reader})
    assert (tmp_path / "old").read_bytes() == (GOLDENS / "old").read_bytes()
    reader = golden("old_parts")
    parts = {
        name: (info.shape, [(part, reader.bits(name, part)) for part in info.parts])
        for name, info in reader.tensors.items()
    }
    write_version_1(tmp_path / "old_parts", {}, parts)
    assert (tmp_path / "old_parts").read_bytes() == (GOLDENS / "old_parts").read_bytes()


def test_sharded_version_1(tmp_path: Path) -> None:
    write_version_1(tmp_path / "m-00000-of-00002", {"a": np.arange(3)})
    write_version_1(tmp_path / "m-00001-of-00002", {"b": np.arange(4.0)})
    reader = open_checkpoint(tmp_path / "m")
    assert list(reader) == ["a", "b"] and reader["b"].tolist() == [0, 1, 2, 3]


def test_bfloat16_is_rounded_to_the_nearest() -> None:
    # every float between two neighbours, against the definition in float64
    numbers = np.array([1.0, 1.00390625, 1.005, 1.01171875, -3.1415927, 1e-40, 3.4e38, np.inf, 0.0, -0.0], np.float32)
    got = from_bfloat16(to_bfloat16(numbers)).astype(np.float64)
    grid = from_bfloat16(np.arange(1 << 16).astype(np.uint16))
    grid = grid[np.isfinite(grid)].astype(np.float64)
    for number, rounded in zip(numbers.astype(np.float64), got, strict=True):
        if np.isinf(rounded):
            assert np.isinf(number) or abs(number) > np.abs(grid).max()
        else:
            assert abs(rounded - number) == np.abs(grid - number).min()
    assert to_bfloat16(np.array([1.00390625, 1.01171875], np.float32)).tolist() == [0x3F80, 0x3F82]
    assert np.isnan(from_bfloat16(to_bfloat16(np.array([np.nan], np.float32)))).all()


def test_where_a_checkpoint_is_found(tmp_path: Path) -> None:
    for path in GOLDENS.glob("dtypes.*"):
        shutil.copy(path, tmp_path)
    for name in ("dtypes", "dtypes.index", "dtypes.data-00000-of-00001"):
        assert open_checkpoint(tmp_path / name)["größe"] == 7
    with pytest.raises(FileNotFoundError, match=r"in its folder are: dtypes"):
        open_checkpoint(tmp_path / "types")
    with pytest.raises(FileNotFoundError, match="names a checkpoint"):
        open_checkpoint(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "dtypes"\n')
    assert open_checkpoint(tmp_path)["größe"] == 7
    assert checkpoint.checkpoint_exists(tmp_path / "dtypes") and not checkpoint.checkpoint_exists(tmp_path / "types")


def test_a_name_that_is_not_there() -> None:
    reader = golden("dtypes")
    assert reader.get("nothing") is None and "nothing" not in reader
    with pytest.raises(checkpoint.TensorNotFoundError, match=r"^Key nothing not found in checkpoint$"):
        reader["nothing"]
