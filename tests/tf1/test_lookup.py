"""Tables: those of words and files, mutable ones, buckets; what TensorFlow 2 still has is in the goldens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf

lookup = tf.contrib.lookup


@pytest.fixture(autouse=True)
def graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def values(*tensors: Any) -> list[Any]:
    with tf.Session() as session:
        session.run(tf.tables_initializer())
        return session.run(list(tensors))


def test_index_table_and_back() -> None:
    words = ["emerson", "lake", "palmer"]
    table = lookup.index_table_from_tensor(tf.constant(words), default_value=-1)
    back = lookup.index_to_string_table_from_tensor(words, default_value="UNK")
    ids = table.lookup(tf.constant([["lake", "and"], ["palmer", "emerson"]]))
    assert ids.shape.as_list() == [2, 2] and ids.dtype == tf.int64
    got, text, size = values(ids, back.lookup(ids), table.size())
    np.testing.assert_array_equal(got, [[1, -1], [2, 0]])
    assert text.tolist() == [[b"lake", b"UNK"], [b"palmer", b"emerson"]] and size == 3


def test_buckets_follow_the_words() -> None:
    table = lookup.index_table_from_tensor(["a", "b"], num_oov_buckets=5)
    keys = ["a", "x", "y", "b"]
    buckets = tf.string_to_hash_bucket_fast(keys, 5)
    got, bucket, size = values(table.lookup(tf.constant(keys)), buckets, table.size())
    np.testing.assert_array_equal(got, [0, 2 + bucket[1], 2 + bucket[2], 1])
    assert size == 7


def test_integer_words() -> None:
    table = lookup.index_table_from_tensor([10, 20, 30], dtype=tf.int64, num_oov_buckets=1)
    (got,) = values(table.lookup(tf.constant([20, 21, 10], tf.int64)))
    np.testing.assert_array_equal(got, [1, 3, 0])


def test_sparse_keys() -> None:
    table = lookup.index_table_from_tensor(["a", "b"])
    (got,) = values(table.lookup(tf.string_split(["b a", "c"])))
    assert isinstance(got, tf.SparseTensorValue)
    np.testing.assert_array_equal(got.values, [1, 0, -1])
    np.testing.assert_array_equal(got.dense_shape, [2, 2])


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("the\nof\nand\n")
    table = lookup.index_table_from_file(str(path), default_value=7)
    part = lookup.index_table_from_file(str(path), vocab_size=2, num_oov_buckets=1)
    back = lookup.index_to_string_table_from_file(str(path))
    keys = tf.constant(["and", "the", "no"])
    ids, some, text = values(table.lookup(keys), part.lookup(keys), back.lookup(tf.constant([2, 0, 9], tf.int64)))
    assert ids.tolist() == [2, 0, 7] and some.tolist() == [2, 0, 2] and text.tolist() == [b"and", b"the", b"UNK"]
    assert len(tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS)) == 3


def test_columns_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "columns.txt"
    path.write_text("a,1.5\nb,2\n")
    source = lookup.TextFileInitializer(str(path), tf.string, 0, tf.float32, 1, delimiter=",")
    (got,) = values(lookup.HashTable(source, -1.0).lookup(tf.constant(["b", "a", "c"])))
    np.testing.assert_array_equal(got, [2.0, 1.5, -1.0])
    wrong = lookup.TextFileInitializer(str(path), tf.string, 0, tf.int64, 1, delimiter=",")
    lookup.HashTable(wrong, 0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not a valid int64"):
        values()


def test_missing_file_and_size() -> None:
    lookup.index_table_from_file("/nowhere/words.txt")
    with pytest.raises(tf.errors.NotFoundError, match=r"words\.txt"):
        values()


def test_mutable_table() -> None:
    table = lookup.MutableHashTable(tf.string, tf.float32, [0.0, -1.0])
    insert = table.insert(tf.constant(["a", "b"]), [[1.0, 2.0], [3.0, 4.0]])
    found = table.lookup(tf.constant(["b", "z"]))
    keys, exported = table.export()
    assert found.shape.as_list() == [2, 2]
    with tf.Session() as session:
        assert session.run(table.size()) == 0
        session.run(insert)
        np.testing.assert_array_equal(session.run(found), [[3.0, 4.0], [0.0, -1.0]])
        assert session.run(table.size()) == 2
        got = dict(zip(*[a.tolist() for a in session.run([keys, exported])], strict=True))
        assert got == {b"a": [1.0, 2.0], b"b": [3.0, 4.0]}
    with tf.Session() as other:
        assert other.run(table.size()) == 0


def test_refusals() -> None:
    with pytest.raises(ValueError, match="vocabulary_list must be specified"):
        lookup.index_table_from_tensor()
    with pytest.raises(ValueError, match="num_oov_buckets must be greater"):
        lookup.index_table_from_tensor(["a"], num_oov_buckets=-1)
    with pytest.raises(ValueError, match="vocabulary_file must be specified"):
        lookup.index_table_from_file("")
    with pytest.raises(TypeError, match="Keys must be dtype"):
        lookup.index_table_from_tensor(["a"]).lookup(tf.constant([1]))
    lookup.HashTable(lookup.KeyValueTensorInitializer(["a", "a"], [1, 2]), 0)
    with pytest.raises(tf.errors.FailedPreconditionError, match="different value for same key"):
        values()


def test_indexed_slices() -> None:
    rows = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), tf.constant([2, 0, 2]), [4, 2])
    dense = tf.convert_to_tensor(rows)
    (got,) = values(dense)
    np.testing.assert_array_equal(got, [[3, 4], [0, 0], [6, 8], [0, 0]])
    assert rows.shape.as_list() == [4, 2] and dense.shape.as_list() == [4, 2]
    (negative,) = values(tf.convert_to_tensor(-rows))
    np.testing.assert_array_equal(negative, -got)
    with pytest.raises(ValueError, match="without dense_shape"):
        tf.convert_to_tensor(tf.IndexedSlices(rows.values, rows.indices))
    table = tf.get_variable("table", [4, 2])
    (gradient,) = tf.gradients(tf.nn.embedding_lookup(table, [1]), [table])
    assert not isinstance(gradient, tf.IndexedSlices)
