"""TFRecord files: checksums, round trips, and damage at every place."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dynrnn.tf1
from dynrnn.checkpoint.crc32c import crc32c
from dynrnn.tf1.records import masked_crc32c

tf: Any = dynrnn.tf1


def slow_crc(data: bytes) -> int:
    """The definition: division of polynomials, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_checksums_of_the_standard() -> None:
    """Those of RFC 3720, and the usual check value."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E and crc32c(b"") == 0


def test_masks_are_those_that_tensorboard_reads() -> None:
    from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

    for data in (b"", b"abc", bytes(100)):
        assert masked_crc32c(data) == pywrap_tensorflow.masked_crc32c(data)


@pytest.mark.parametrize("size", [8191, 8192, 8193, 16384, 30001, 65536 + 7])
def test_long_data_take_the_lanes(size: int) -> None:
    data = np.random.bytes(size)
    assert crc32c(data) == slow_crc(data)


@given(st.lists(st.binary(max_size=50), max_size=6), st.sampled_from(["", "GZIP", "ZLIB"]))
def test_round_trip(tmp_path_factory: Any, records: list[bytes], kind: str) -> None:
    path = str(tmp_path_factory.mktemp("records") / "r")
    options = tf.python_io.TFRecordOptions(kind)
    with tf.python_io.TFRecordWriter(path, options) as writer:
        for record in records:
            writer.write(record)
    assert list(tf.python_io.tf_record_iterator(path, options)) == records


def test_layout_is_tensorflows(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        writer.write(b"abc")
    header = struct.pack("<Q", 3)
    expected = header + struct.pack("<I", masked_crc32c(header)) + b"abc" + struct.pack("<I", masked_crc32c(b"abc"))
    assert path.read_bytes() == expected


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "r"
    records = [b"one", b"", b"three"]
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    whole = path.read_bytes()
    starts = {0, 19, 35, len(whole)}
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        if cut in starts:
            assert list(tf.python_io.tf_record_iterator(str(path))) == records[: sorted(starts).index(cut)]
        else:
            with pytest.raises(tf.errors.DataLossError, match="truncated record at"):
                list(tf.python_io.tf_record_iterator(str(path)))
    for place in range(len(whole)):
        for bit in (0, 7):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(bytes(damaged))
            with pytest.raises(tf.errors.DataLossError):
                list(tf.python_io.tf_record_iterator(str(path)))


def test_a_length_that_is_a_lie_takes_no_memory(tmp_path: Path) -> None:
    header = struct.pack("<Q", 2**60)
    path = tmp_path / "r"
    path.write_bytes(header + struct.pack("<I", masked_crc32c(header)) + b"abc")
    with pytest.raises(tf.errors.DataLossError, match="truncated record at 0"):
        list(tf.python_io.tf_record_iterator(str(path)))


def test_wrong_files_and_records(tmp_path: Path) -> None:
    with pytest.raises(tf.errors.NotFoundError, match="No such file or directory"):
        list(tf.python_io.tf_record_iterator(str(tmp_path / "none")))
    with pytest.raises(tf.errors.NotFoundError):
        tf.python_io.TFRecordWriter(str(tmp_path / "no" / "folder"))
    with pytest.raises(ValueError, match="'LZ4'"):
        tf.python_io.TFRecordOptions("LZ4")
    with tf.python_io.TFRecordWriter(str(tmp_path / "r")) as writer, pytest.raises(TypeError, match="int found"):
        writer.write(3)
    (tmp_path / "z").write_bytes(b"no zlib")
    for kind in ("GZIP", "ZLIB"):
        with pytest.raises(tf.errors.DataLossError):
            list(tf.python_io.tf_record_iterator(str(tmp_path / "z"), tf.python_io.TFRecordOptions(kind)))


def test_examples_are_messages() -> None:
    example = tf.train.Example()
    example.features.feature["x"].int64_list.value.extend([1, 2])
    data = example.SerializeToString()
    assert tf.train.Example.FromString(data) == example and example.HasField("features")
    with pytest.raises(TypeError):
        tf.train.Feature(int64_list=tf.train.Int64List(value=["a"]))
    with pytest.raises(ValueError):
        tf.train.Feature(no_such_list=[1])


def test_bytes_keep_zeros_at_their_ends(tmp_path: Path) -> None:
    data = b"\1\0\2\0\0"
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.string, [])
        back = tf.py_func(lambda v: v, [x], tf.string)
        assert sess.run([tf.constant(data), tf.constant([data])[0], x, back], {x: data}) == [data] * 4


def test_damaged_examples_are_refused() -> None:
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.string, [])
        parsed = tf.parse_single_example(x, {"x": tf.FixedLenFeature([], tf.int64)})
        with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input"):
            sess.run(parsed, {x: b"\xff\xff\xff\xff"})


def test_sparse_features_need_sparse_tensors() -> None:
    sparse = pytest.importorskip("dynrnn.tf1.core.sparse_tensor")
    example = tf.train.Example()
    example.features.feature["x"].int64_list.value.extend([5, 6])
    other = tf.train.Example().SerializeToString()
    with tf.Graph().as_default(), tf.Session() as sess:
        features = {"x": tf.VarLenFeature(tf.int64)}
        many = tf.parse_example([example.SerializeToString(), other], features)["x"]
        one = tf.parse_single_example(example.SerializeToString(), features)["x"]
        assert isinstance(many, sparse.SparseTensor)
        indices, values, shape = sess.run(many)
        np.testing.assert_array_equal(indices, [[0, 0], [0, 1]])
        np.testing.assert_array_equal(values, [5, 6])
        np.testing.assert_array_equal(shape, [2, 2])
        np.testing.assert_array_equal(sess.run(one).indices, [[0], [1]])
