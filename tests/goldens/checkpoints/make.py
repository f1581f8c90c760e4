"""Makes the golden checkpoints with TensorFlow 2.21: ``python -m goldens.checkpoints.make`` in the folder ``tests``.

- ``dtypes``: every element type, strings, a scalar, an empty tensor, names that are not ASCII;
- ``parts``: variables in parts; ``shards``: two data files; ``old``: version 1, with a variable in parts;
- ``lstm-3``: an LSTM after three steps of Adam, and Momentum's slots of another variable. ``lstm.npz`` has its inputs,
  and the losses and variables after the four steps that followed: what a program that goes on from the checkpoint must
  come to.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow

from goldens.checkpoints.program import train
from goldens.checkpoints.values import DTYPES, PARTED, STRINGS, VERSION_1, values

HERE = Path(__file__).resolve().parent
tf: Any = tensorflow.compat.v1
tf.disable_v2_behavior()


def save(name: str, **options: Any) -> None:
    """Save all variables of the default graph."""
    devices = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Session(config=devices) as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver(**options).save(session, str(HERE / name), write_meta_graph=False, write_state=False)
    print(path)
    tf.reset_default_graph()


def variable(name: str, value: Any, dtype: Any = None) -> Any:
    return tf.Variable(tf.constant(value, dtype), name=name, use_resource=True)


def of_type(name: str) -> Any:
    array = values(name)
    return array if DTYPES[name][1] else array.view(tf.bfloat16.as_numpy_dtype)


def main() -> None:
    for path in HERE.iterdir():
        if ".data-" in path.name or path.suffix in (".index", ".npz") or path.name.startswith("old"):
            path.unlink()
    for name in DTYPES:
        variable("types/" + name, of_type(name))
    variable("types/bool", np.array([True, False, True]))
    variable("types/string", STRINGS)
    variable("scalar", 7, tf.int64)
    variable("text", b"one")
    variable("empty", np.zeros([0, 3], np.float32))
    save("dtypes", var_list={v.op.name.replace("scalar", "größe"): v for v in tf.global_variables()})

    with tf.variable_scope("rows", partitioner=tf.fixed_size_partitioner(5)):
        rows = tf.get_variable("w", shape=[12, 5], dtype=tf.float32)
    with tf.variable_scope("columns", partitioner=tf.fixed_size_partitioner(2, axis=1)):
        columns = tf.get_variable("w", shape=[12, 5], dtype=tf.float32)
    with tf.Session() as session:
        for whole in (rows, columns):
            for part in whole:
                info = part._get_save_slice_info()
                at = tuple(slice(o, o + n) for o, n in zip(info.var_offset, info.var_shape, strict=True))
                part.load(PARTED[at], session)
        tf.train.Saver().save(session, str(HERE / "parts"), write_meta_graph=False, write_state=False)
        tf.train.Saver(write_version=tf.train.SaverDef.V1).save(
            session, str(HERE / "old_parts"), write_meta_graph=False, write_state=False
        )
    tf.reset_default_graph()

    for number in range(4):
        with tf.device(f"/cpu:{number % 2}"):
            variable(f"v{number}", np.arange(5, dtype=np.float32) + number)
    save("shards", sharded=True)

    for name in VERSION_1:
        variable("types/" + name, of_type(name))
    variable("types/bool", np.array([True, False, True]))
    variable("types/string", STRINGS)
    variable("scalar", 7, tf.int64)
    variable("empty", np.zeros([0, 3], np.float32))
    save("old", write_version=tf.train.SaverDef.V1)

    arrays = train(tf, np, 3, save=str(HERE / "lstm"))
    arrays = {**arrays, **train(tf, np, 4, restore=str(HERE / "lstm-3"))}
    np.savez_compressed(HERE / "lstm.npz", **arrays)
    shutil.rmtree(HERE / "__pycache__", ignore_errors=True)


if __name__ == "__main__":
    main()
