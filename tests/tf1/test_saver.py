"""``tf.train.Saver`` and its neighbours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fresh_process import code, succeeded
from goldens.checkpoints.program import train

import dynrnn.tf1 as tf
from dynrnn import checkpoint

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "checkpoints"


@pytest.fixture(autouse=True)
def _fresh_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tf.reset_default_graph()


def session_with(**values: Any) -> tuple[dict[str, Any], tf.Session]:
    variables = {name: tf.Variable(value, name=name) for name, value in values.items()}
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return variables, session


def saved(path: str = "m", **values: Any) -> str:
    """A checkpoint with these variables; the default graph is empty afterwards."""
    _, session = session_with(**values)
    tf.train.Saver().save(session, path, write_meta_graph=False)
    tf.reset_default_graph()
    return path


def names_of_files() -> set[str]:
    return {name for name in os.listdir() if not name.endswith(".meta")}


# --- TensorFlow's checkpoints, and to TensorFlow's numbers ------------------------------------------------------------


def test_training_goes_on_from_tensorflows_checkpoint() -> None:
    """An LSTM with Adam and Momentum, three steps in TensorFlow, four here: the numbers of seven in TensorFlow."""
    expected = dict(np.load(GOLDENS / "lstm.npz"))
    got = train(tf, np, 4, restore=str(GOLDENS / "lstm-3"))
    assert set(got) == set(expected) and "rnn/lstm_cell/kernel/Adam_1" in got and "out/b/Momentum" in got
    assert got["global_step"] == 7
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=2e-4, atol=2e-6, err_msg=name)


def test_checkpoint_has_tensorflows_variables() -> None:
    train(tf, np, 3, save="lstm")
    ours, theirs = checkpoint.open_checkpoint("lstm-3"), checkpoint.open_checkpoint(GOLDENS / "lstm-3")
    assert {n: (i.shape, i.dtype) for n, i in ours.tensors.items()} == {
        n: (i.shape, i.dtype) for n, i in theirs.tensors.items()
    }
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-4, atol=2e-6, err_msg=name)
    # not a value differs in where it lies
    assert Path("lstm-3.index").stat().st_size == (GOLDENS / "lstm-3.index").stat().st_size


def test_interrupted_training_comes_to_the_same_bits() -> None:
    whole = train(tf, np, 7)
    train(tf, np, 3, save="part")
    rest = train(tf, np, 4, restore="part-3")
    np.testing.assert_array_equal(whole.pop("losses")[3:], rest.pop("losses"))
    for name, value in whole.items():
        np.testing.assert_array_equal(rest[name], value, err_msg=name)


DTYPES = [
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool", "string"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_from_tensorflow_and_back(dtype: str) -> None:
    tf.Variable(
        tf.zeros([3] if dtype == "bool" else [3, 2] if dtype == "string" else [3, 4], dtype)
        if dtype != "string"
        else tf.constant([[b""] * 2] * 3),
        name="types/" + dtype,
    )
    saver = tf.train.Saver()
    with tf.Session() as session:
        saver.restore(session, str(GOLDENS / "dtypes"))
        saver.save(session, "again")
    ours, theirs = checkpoint.open_checkpoint("again"), checkpoint.open_checkpoint(GOLDENS / "dtypes")
    a, b = ours.bits("types/" + dtype), theirs.bits("types/" + dtype)
    assert a.dtype == b.dtype and (a.tolist() == b.tolist() if dtype == "string" else a.tobytes() == b.tobytes())


@pytest.mark.parametrize("name", ["parts", "old_parts"])
def test_variables_in_parts_restore_whole(name: str) -> None:
    from goldens.checkpoints.values import PARTED

    for scope in ("rows", "columns"):
        with tf.variable_scope(scope):
            tf.get_variable("w", [12, 5])
    with tf.Session() as session:
        tf.train.Saver().restore(session, str(GOLDENS / name))
        for variable in tf.global_variables():
            np.testing.assert_array_equal(session.run(variable), PARTED)


def test_parts_of_a_variable_are_saved_and_restored() -> None:
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    parts: list[Any] = []
    for at, size in ((0, 4), (4, 6)):
        part = tf.Variable(values[at : at + size], name=f"w/part_{len(parts)}")
        part._set_save_slice_info(tf.Variable.SaveSliceInfo("w", [10, 2], [at, 0], [size, 2]))
        parts.append(part)
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        saver.save(session, "m")
        for part in parts:
            part.load(np.zeros(part.shape.as_list()), session)
        saver.restore(session, "m")
        np.testing.assert_array_equal(np.concatenate(session.run(parts)), values)
    reader = checkpoint.open_checkpoint("m")
    assert list(reader) == ["w"] and len(reader.info("w").parts) == 2
    np.testing.assert_array_equal(reader["w"], values)


def test_version_1() -> None:
    variables, session = session_with(w=[1.0, 2.0], n=3)
    saver = tf.train.Saver(write_version=tf.train.SaverDef.V1)
    assert saver.save(session, "m", write_meta_graph=False) == "m"
    assert names_of_files() == {"m", "checkpoint"}
    variables["w"].load([0.0, 0.0], session)
    saver.restore(session, "m")
    assert session.run(variables["w"]).tolist() == [1.0, 2.0]
    assert tf.train.latest_checkpoint(".") == "./m"


# --- what save does ---------------------------------------------------------------------------------------------------


def test_names_of_operations_are_tensorflows() -> None:
    tf.Variable([1.0], name="w")
    tf.Variable([1.0], name="a")
    saver = tf.train.Saver()
    mine = [op.name for op in tf.get_default_graph().get_operations() if op.name.startswith("save/")]
    expected = [
        "filename/input",
        "filename",
        "Const",
        "SaveV2",
        "control_dependency",
        "RestoreV2",
        "Assign",
        "Assign_1",
    ]
    assert mine == ["save/" + name for name in [*expected, "restore_all"]]
    definition = saver.as_saver_def()
    assert definition.filename_tensor_name == "save/Const:0"
    assert definition.save_tensor_name == "save/control_dependency:0"
    assert definition.restore_op_name == "save/restore_all"
    assert tf.train.Saver().as_saver_def().restore_op_name == "save_1/restore_all"
    assert str(definition).splitlines()[3:] == ["max_to_keep: 5", "keep_checkpoint_every_n_hours: 10000", "version: V2"]


def test_operations_by_hand() -> None:
    variables, session = session_with(w=[1.0, 2.0])
    definition = tf.train.Saver().saver_def
    assert definition is not None
    assert session.run(definition.save_tensor_name, {definition.filename_tensor_name: "by_hand"}) == b"by_hand"
    variables["w"].load([0.0, 0.0], session)
    session.run(definition.restore_op_name, {definition.filename_tensor_name: "by_hand"})
    assert session.run(variables["w"]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("step", "options", "path"),
    [
        (None, {}, "m"),
        (7, {}, "m-7"),
        (0, {}, "m-0"),
        (np.int64(7), {}, "m-7"),
        ("variable", {}, "m-12"),
        ("tensor", {}, "m-12"),
        (7, {"pad_step_number": True}, "m-00000007"),
    ],
)
def test_the_name_of_a_checkpoint(step: Any, options: dict[str, Any], path: str) -> None:
    variables, session = session_with(w=[1.0], step=12)
    step = {"variable": variables["step"], "tensor": variables["step"] + 0}.get(str(step), step)
    assert tf.train.Saver(**options).save(session, "m", global_step=step) == path
    assert Path(path + ".index").exists()


def test_the_last_checkpoints_are_kept() -> None:
    _, session = session_with(w=[1.0])
    saver = tf.train.Saver(max_to_keep=2)
    for step in range(4):
        saver.save(session, "m", global_step=step)
    assert saver.last_checkpoints == ["m-2", "m-3"]
    data = ".data-00000-of-00001"
    assert names_of_files() == {"checkpoint", "m-2.index", "m-2" + data, "m-3.index", "m-3" + data}
    state = tf.train.get_checkpoint_state(".")
    assert state is not None and state.model_checkpoint_path == "./m-3"
    assert state.all_model_checkpoint_paths == ["./m-2", "./m-3"]
    assert Path("checkpoint").read_text() == (
        'model_checkpoint_path: "m-3"\nall_model_checkpoint_paths: "m-2"\nall_model_checkpoint_paths: "m-3"\n'
    )
    again = tf.train.Saver(max_to_keep=2)
    again.recover_last_checkpoints(["m-0", *state.all_model_checkpoint_paths])
    assert again.last_checkpoints == ["./m-2", "./m-3"]
    again.save(session, "m", global_step=9)
    assert not Path("m-2.index").exists() and Path("m-3.index").exists()


@pytest.mark.parametrize("keep", [None, 0])
def test_all_are_kept(keep: int | None) -> None:
    _, session = session_with(w=[1.0])
    saver = tf.train.Saver(max_to_keep=keep)
    for step in range(7):
        saver.save(session, "m", global_step=step)
    assert len(list(Path().glob("*.index"))) == 7 and saver.last_checkpoints == []
    assert tf.train.latest_checkpoint("") == "m-6"


def test_one_in_so_many_hours_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    _, session = session_with(w=[1.0])
    now = [1e6]
    monkeypatch.setattr("dynrnn.tf1.saver.time.time", lambda: now[0])
    saver = tf.train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=1)
    for step in range(8):
        saver.save(session, "m", global_step=step)
        now[0] += 1300
    # saved at 0, 1300, 2600, 3900, ... seconds: the first of each hour stays, and the last
    assert sorted(path.stem for path in Path().glob("*.index")) == ["m-3", "m-6", "m-7"]


def test_the_same_name_again_and_again() -> None:
    variables, session = session_with(w=np.zeros(5, np.float32))
    saver = tf.train.Saver(max_to_keep=2)
    for number in range(4):
        variables["w"].load(np.full(5, number), session)
        assert saver.save(session, "folder/m") == "folder/m"
        assert tf.train.load_variable("folder/m", "w").tolist() == [number] * 5
    assert saver.last_checkpoints == ["folder/m"]
    assert set(os.listdir("folder")) == {"checkpoint", "m.index", "m.data-00000-of-00001"} | {
        name for name in os.listdir("folder") if name.endswith(".meta")
    }


def test_a_moved_folder_is_found() -> None:
    _, session = session_with(w=[1.0])
    path = tf.train.Saver(save_relative_paths=True).save(session, os.path.abspath("one/m"), global_step=1)
    assert path == os.path.abspath("one/m-1")
    shutil.move("one", "two")
    assert tf.train.latest_checkpoint("two") == "two/m-1"
    tf.train.Saver().restore(session, "two/m-1")


def test_names_in_a_dict_and_parts_of_the_variables() -> None:
    variables, session = session_with(w=[1.0], b=[2.0], c=[3.0])
    tf.train.Saver({"weights": variables["w"], "x/y": variables["b"]}).save(session, "m")
    assert tf.train.list_variables("m") == [("weights", [1]), ("x/y", [1])]
    tf.train.Saver({"x/y": variables["w"]}).restore(session, "m")
    assert session.run(variables["w"]).tolist() == [2.0]
    tf.train.Saver([variables["c"]]).save(session, "n")
    assert tf.train.list_variables("n") == [("c", [1])]


def test_local_variables_are_not_saved() -> None:
    tf.Variable(1.0, name="local", collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False)
    _, session = session_with(w=[1.0])
    tf.train.Saver().save(session, "m")
    assert tf.train.list_variables("m") == [("w", [1])]


def test_another_shape_with_as_many_elements() -> None:
    saved(w=np.arange(6, dtype=np.float32).reshape(2, 3))
    variables, session = session_with(w=np.zeros([3, 2], np.float32))
    tf.train.Saver(reshape=True).restore(session, "m")
    assert session.run(variables["w"]).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_objects_that_say_what_they_are() -> None:
    variables, session = session_with(w=[1.0, 2.0])
    builder = tf.train.BaseSaverBuilder

    class Doubled(builder.SaveableObject):  # type: ignore[name-defined]
        def __init__(self) -> None:
            tensor = tf.multiply(variables["w"], 2.0)
            super().__init__(tensor, [builder.SaveSpec(tensor, "", "doubled")], "doubled")

        def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
            return tf.assign(variables["w"], restored_tensors[0] / 2)

    tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, Doubled())
    saver = tf.train.Saver()
    saver.save(session, "m")
    assert tf.train.load_variable("m", "doubled").tolist() == [2.0, 4.0]
    tf.train.Saver([Doubled()]).restore(session, "m")
    assert session.run(variables["w"]).tolist() == [1.0, 2.0]


def test_averages_are_restored_into_the_variables() -> None:
    variables, session = session_with(w=[4.0])
    average = tf.train.ExponentialMovingAverage(0.5)
    update = average.apply([variables["w"]])
    session.run(tf.global_variables_initializer())
    variables["w"].load([8.0], session)
    session.run(update)
    tf.train.Saver().save(session, "m")
    assert tf.train.list_variables("m") == [("w", [1]), ("w/ExponentialMovingAverage", [1])]
    tf.train.Saver(average.variables_to_restore()).restore(session, "m")
    assert session.run(variables["w"]).tolist() == [6.0]


def test_build_may_wait() -> None:
    saver = tf.train.Saver(defer_build=True)
    _, session = session_with(w=[1.0])
    assert saver.save(session, "m") == "m" and tf.train.list_variables("m") == [("w", [1])]


def test_nothing_to_save() -> None:
    saver = tf.train.Saver(allow_empty=True)
    tf.constant(1.0)
    assert saver.save(tf.Session(), "m", write_meta_graph=False) is None and names_of_files() == set()
    saver.restore(tf.Session(), "anything")


def test_another_process_reads_it() -> None:
    saved("m", w=[1.0, 2.0])
    program = """
        import dynrnn.tf1 as tf
        w = tf.get_variable("w", [2])
        with tf.Session() as sess:
            tf.train.Saver().restore(sess, tf.train.latest_checkpoint("."))
            print(sess.run(w))
    """
    assert succeeded(code(program, cwd=Path())).stdout.strip() == "[1. 2.]"


# --- what is wrong ----------------------------------------------------------------------------------------------------


def refused(kind: type[BaseException], message: str, call: Any) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)


def test_wrong_variables() -> None:
    refused(ValueError, "No variables to save", tf.train.Saver)
    w, constant = tf.Variable([1.0], name="w"), tf.constant(1.0)
    refused(TypeError, "Variable to save is not a Variable: Tensor(", lambda: tf.train.Saver([constant]))
    refused(TypeError, "Variable to save is not a Variable: w", lambda: tf.train.Saver(["w"]))
    refused(ValueError, "At least two variables have the same name: w", lambda: tf.train.Saver([w, w]))
    refused(ValueError, "saveable will be restored with two names: b", lambda: tf.train.Saver({"a": w, "b": w}))
    refused(TypeError, "Name is not a string: 1", lambda: tf.train.Saver({1: w}))
    refused(ValueError, "Slices must all be slices: <tf.Variable 'w:0'", lambda: tf.train.Saver({"a": [w]}))
    refused(TypeError, "should be passed in a dict or a list. Got <tf.Variable 'w:0'", lambda: tf.train.Saver(w))
    refused(ValueError, "build cannot be deferred", lambda: tf.train.Saver([w], defer_build=True))
    refused(ValueError, "write_version", lambda: tf.train.Saver(write_version=3))
    refused(ValueError, "max_to_keep", lambda: tf.train.Saver(max_to_keep=-1))


def test_wrong_saves() -> None:
    _, session = session_with(w=[1.0])
    saver = tf.train.Saver()
    refused(TypeError, "'sess' must be a Session; None", lambda: saver.save(None, "m"))
    refused(ValueError, "must not contain path components", lambda: saver.save(session, "m", latest_filename="a/b"))
    refused(ValueError, "Parent directory of a/b/m doesn't exist, can't save.", lambda: saver.save(session, "a/b/m"))
    refused(ValueError, "'checkpoint' and 'a/checkpoint'", lambda: saver.save(session, "a/checkpoint"))
    refused(ValueError, "no path specified", lambda: saver.save(session, "a/"))
    refused(TypeError, "expected global_step to be an integer", lambda: saver.save(session, "m", global_step=[1, 2]))
    refused(
        tf.errors.FailedPreconditionError,
        "Attempting to use uninitialized value w",
        lambda: saver.save(tf.Session(), "m"),
    )
    assert names_of_files() == set()


RESTORING = "Restoring from checkpoint failed. This is most likely due to "


def test_wrong_restores() -> None:
    saved("m", w=np.ones(3, np.float32))
    _, session = session_with(w=np.zeros(3, np.float32))
    saver = tf.train.Saver()
    refused(ValueError, "Can't load save_path when it is None.", lambda: saver.restore(session, None))
    message = "The passed save_path is not a valid checkpoint: none"
    refused(ValueError, message, lambda: saver.restore(session, "none"))


@pytest.mark.parametrize(
    ("values", "kind", "reason", "message"),
    [
        ({"z": np.ones(3, np.float32)}, tf.errors.NotFoundError, "a Variable name", "Key z not found in checkpoint"),
        (
            {"w": np.ones(2, np.float32)},
            tf.errors.InvalidArgumentError,
            "a mismatch",
            "Assign requires shapes of both tensors to match. lhs shape= [2] rhs shape= [3]",
        ),
        (
            {"w": np.ones(3, np.float64)},
            tf.errors.InvalidArgumentError,
            "a mismatch",
            "tensor_name = w; expected dtype double does not equal original dtype float",
        ),
    ],
)
def test_graphs_that_do_not_fit(values: Any, kind: Any, reason: str, message: str) -> None:
    saved("m", w=np.ones(3, np.float32))
    _, session = session_with(**values)
    refused(kind, RESTORING + reason, lambda: tf.train.Saver().restore(session, "m"))
    refused(kind, message, lambda: tf.train.Saver().restore(session, "m"))


def test_damaged_files() -> None:
    saved("m", w=np.ones(3, np.float32))
    _, session = session_with(w=np.zeros(3, np.float32))
    saver, data = tf.train.Saver(), Path("m.data-00000-of-00001")
    whole, index = data.read_bytes(), Path("m.index").read_bytes()
    data.write_bytes(whole[:3] + b"\1" + whole[4:])
    refused(tf.errors.DataLossError, "checksum mismatch", lambda: saver.restore(session, "m"))
    refused(tf.errors.DataLossError, "checksum mismatch", lambda: tf.train.load_variable("m", "w"))
    data.write_bytes(whole[:6])
    refused(tf.errors.DataLossError, "ends at 6", lambda: saver.restore(session, "m"))
    data.unlink()
    refused(tf.errors.NotFoundError, "m.data-00000-of-00001; No such file", lambda: saver.restore(session, "m"))
    data.write_bytes(whole)
    Path("m.index").write_bytes(index[:60])
    refused(tf.errors.DataLossError, "not an sstable (bad magic number)", lambda: saver.restore(session, "m"))
    Path("m.index").write_bytes(index)
    saver.restore(session, "m")


def test_states_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert tf.train.latest_checkpoint("nowhere") is None and tf.train.get_checkpoint_state("nowhere") is None
    Path("checkpoint").write_text("hello {")
    assert tf.train.get_checkpoint_state(".") is None and tf.train.latest_checkpoint(".") is None
    Path("checkpoint").write_text("")
    refused(ValueError, "Invalid checkpoint state loaded from .", lambda: tf.train.latest_checkpoint("."))
    Path("checkpoint").write_text('model_checkpoint_path: "gone"\n')
    assert tf.train.latest_checkpoint(".") is None
    state = tf.train.get_checkpoint_state(".")
    assert state is not None and state.model_checkpoint_path == "./gone"


def test_states_are_written() -> None:
    tf.train.update_checkpoint_state(".", "m-2", ["m-1", "m-2"], latest_filename="which")
    assert str(tf.train.get_checkpoint_state(".", "which")).splitlines() == [
        'model_checkpoint_path: "./m-2"',
        'all_model_checkpoint_paths: "./m-1"',
        'all_model_checkpoint_paths: "./m-2"',
    ]
    os.mkdir("sub")
    tf.train.update_checkpoint_state("sub", "sub/m", all_model_checkpoint_timestamps=[1.5])
    text = 'model_checkpoint_path: "m"\nall_model_checkpoint_paths: "m"\nall_model_checkpoint_timestamps: 1.5\n'
    assert Path("sub/checkpoint").read_text() == text
    message = "conflicts with path used for checkpoint state"
    refused(RuntimeError, message, lambda: tf.train.update_checkpoint_state("sub", "sub/checkpoint"))
