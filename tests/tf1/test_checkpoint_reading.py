"""What is in a checkpoint, and variables that begin with it: ``tf.train`` and ``tf.contrib.framework``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf
from dynrnn import checkpoint

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "checkpoints"
W, B, N = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, 8], np.float32), np.int64(5)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tf.reset_default_graph()
    checkpoint.write_checkpoint("m", {"old/w": W, "old/b": B, "n": N, "text": np.array(b"x", object)})
    Path("checkpoint").write_text('model_checkpoint_path: "m"\n')


def initial_values() -> dict[str, Any]:
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return {v.op.name: session.run(v) for v in tf.global_variables()}


def refused(kind: type[BaseException], message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)


def test_reader() -> None:
    reader = tf.train.NewCheckpointReader("m")
    assert reader.has_tensor("old/w") and reader.has_tensor(b"n") and not reader.has_tensor("w")
    assert reader.get_variable_to_shape_map() == {"n": [], "old/b": [2], "old/w": [2, 3], "text": []}
    assert reader.get_variable_to_dtype_map()["n"] is tf.int64
    np.testing.assert_array_equal(reader.get_tensor("old/w"), W)
    assert reader.get_tensor("n") == 5 and reader.get_tensor("text") == b"x"
    assert reader.debug_string().startswith(b"n (DT_INT64) []\nold/b (DT_FLOAT) [2]\n")
    refused(tf.errors.NotFoundError, "Key w not found in checkpoint", lambda: reader.get_tensor("w"))
    message = "Failed to find any matching files for none"
    refused(tf.errors.NotFoundError, message, lambda: tf.train.NewCheckpointReader("none"))


@pytest.mark.parametrize("name", ["dtypes", "parts", "shards", "old", "old_parts"])
def test_reader_of_tensorflows_files(name: str) -> None:
    reader = tf.train.load_checkpoint(str(GOLDENS / name))
    for key, shape in reader.get_variable_to_shape_map().items():
        assert list(np.shape(reader.get_tensor(key))) == shape


@pytest.mark.parametrize("where", ["m", "."])
def test_functions_of_a_file_or_a_folder(where: str) -> None:
    for functions in (tf.train, tf.contrib.framework):
        np.testing.assert_array_equal(functions.load_variable(where, "old/w"), W)
        np.testing.assert_array_equal(functions.load_variable(where, "old/w:0"), W)
        assert [name for name, _ in functions.list_variables(where)] == ["n", "old/b", "old/w", "text"]
    Path("checkpoint").unlink()
    refused(ValueError, "Couldn't find 'checkpoint' file", lambda: tf.train.load_checkpoint("."))


def test_garbage_is_no_checkpoint() -> None:
    Path("garbage").write_bytes(b"x" * 200)
    message = "not an sstable (bad magic number): perhaps your file is in a different file format"
    refused(tf.errors.DataLossError, message, lambda: tf.train.NewCheckpointReader("garbage"))


# --- init_from_checkpoint ---------------------------------------------------------------------------------------------


def two_variables() -> tuple[Any, Any]:
    with tf.variable_scope("new"):
        return tf.get_variable("w", [2, 3]), tf.get_variable("b", [2])


@pytest.mark.parametrize(
    "assignment",
    [
        lambda w, b: {"old/w": w, "old/b": b},
        lambda w, b: {"old/w": "new/w", "old/b": b},
        lambda w, b: {"old/": "new/"},
        lambda w, b: {"old/w": [w], "old/b": [b]},
    ],
)
@pytest.mark.parametrize("where", ["m", "."])
def test_variables_begin_with_a_checkpoint(assignment: Any, where: str) -> None:
    w, b = two_variables()
    tf.train.init_from_checkpoint(where, assignment(w, b))
    slot = tf.Variable(w.initialized_value() * 2, name="slot")
    values = initial_values()
    np.testing.assert_array_equal(values["new/w"], W)
    np.testing.assert_array_equal(values["new/b"], B)
    np.testing.assert_array_equal(values["slot"], 2 * W)
    assert slot.op.name == "slot"


def test_the_whole_graph() -> None:
    checkpoint.write_checkpoint("whole", {"new/w": W, "new/b": B})
    two_variables()
    tf.train.init_from_checkpoint("whole", {"/": "/"})
    np.testing.assert_array_equal(initial_values()["new/w"], W)


def test_parts_begin_with_their_part() -> None:
    part = tf.Variable(np.zeros([1, 3], np.float32), name="w/part_1")
    part._set_save_slice_info(tf.Variable.SaveSliceInfo("w", [2, 3], [1, 0], [1, 3]))
    tf.train.init_from_checkpoint("m", {"old/w": [part]})
    np.testing.assert_array_equal(initial_values()["w/part_1"], W[1:])


def test_wrong_assignments() -> None:
    w, b = two_variables()
    begin = tf.train.init_from_checkpoint
    refused(ValueError, "Tensor zz is not found in m checkpoint {'n': []", lambda: begin("m", {"zz": w}))
    message = "Shape of variable new/b:0 ((2,)) doesn't match with shape of tensor old/w ([2, 3])"
    refused(ValueError, message, lambda: begin("m", {"old/w": b}))
    refused(ValueError, "should map to scope only old/w", lambda: begin("m", {"old/w": "nothing"}))
    refused(ValueError, "Tensor gone/w (gone in new) is not found in m", lambda: begin("m", {"gone/": "new/"}))
    refused(tf.errors.NotFoundError, "matching files for none", lambda: begin("none", {"old/w": w}))


# --- tf.contrib.framework ---------------------------------------------------------------------------------------------


def test_assign_from_checkpoint() -> None:
    w, b = two_variables()
    operation, feeds = tf.contrib.framework.assign_from_checkpoint("m", {"old/w": w, "old/b": [b]})
    with tf.Session() as session:
        session.run(operation, feeds)
        np.testing.assert_array_equal(session.run(w), W)
        np.testing.assert_array_equal(session.run(b), B)
    assign = tf.contrib.framework.assign_from_checkpoint
    refused(ValueError, "Checkpoint is missing variable [new/w]", lambda: assign("m", [w]))
    refused(ValueError, "Total size of new array must be unchanged for old/w", lambda: assign("m", {"old/w": b}))
    assert assign("m", [w], ignore_missing_vars=True)[1] == {}


def test_assign_from_checkpoint_fn() -> None:
    w, b = two_variables()
    function = tf.contrib.framework.assign_from_checkpoint_fn
    call = function("m", {"old/w": w, "gone": b}, ignore_missing_vars=True)
    assert call is not None
    with tf.Session() as session:
        call(session)
        np.testing.assert_array_equal(session.run(w), W)
    assert function("m", [b], ignore_missing_vars=True) is None
    refused(ValueError, "var_list cannot be empty", lambda: function("m", []))


def test_assign_from_values() -> None:
    w, _ = two_variables()
    with tf.Session() as session:
        tf.contrib.framework.assign_from_values_fn({"new/w": W + 1})(session)
        np.testing.assert_array_equal(session.run(w), W + 1)
    assign = tf.contrib.framework.assign_from_values
    refused(ValueError, "Couldn't find variable x", lambda: assign({"x": 1.0}))
    refused(ValueError, "new/w to have shape (2, 3), got (3,)", lambda: assign({"new/w": np.zeros(3)}))


def test_checkpoints_as_they_come() -> None:
    seen = []
    for path in tf.train.checkpoints_iterator(".", timeout=0):
        seen.append(path)
        if len(seen) == 1:
            checkpoint.write_checkpoint("m2", {"n": N})
            Path("checkpoint").write_text('model_checkpoint_path: "m2"\n')
    assert seen == ["./m", "./m2"]
