"""TensorFlow itself reads what the library writes; skipped unless ``DYNRNN_TENSORFLOW`` names a Python that has it.

DYNRNN_TENSORFLOW=.goldens-venv/bin/python python -m pytest tests/checkpoint/test_tensorflow_reads.py
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from goldens.checkpoints.values import DTYPES, PARTED, STRINGS, VERSION_1, bits, values

from dynrnn.checkpoint import BundleWriter, open_checkpoint, write_checkpoint, write_version_1

PYTHON = os.environ.get("DYNRNN_TENSORFLOW")
pytestmark = pytest.mark.skipif(not PYTHON, reason="DYNRNN_TENSORFLOW names no Python with TensorFlow")

READ = """
import hashlib, json, sys
import numpy as np
import tensorflow.compat.v1 as tf
found = {}
for path in sys.argv[1:]:
    reader = tf.train.NewCheckpointReader(path)
    for name, kind in reader.get_variable_to_dtype_map().items():
        restored = tf.raw_ops.RestoreV2(prefix=path, tensor_names=[name], shape_and_slices=[""], dtypes=[kind])
        value = np.asarray(restored[0].numpy())
        data = repr(value.tolist()).encode() if value.dtype.kind in "OS" else value.tobytes()
        found[path + ":" + name] = [kind.name, list(value.shape), hashlib.sha256(data).hexdigest()]
print(json.dumps(found))
"""
WRITE = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
names = ["layer_%d/some/scope/kernel_%d" % (n % 7, n) for n in range(6000)]
data = [np.float32([n]) for n in range(6000)]
save = tf.raw_ops.SaveV2(prefix=sys.argv[1], tensor_names=names, shape_and_slices=[""] * 6000, tensors=data)
tf.Session().run(save)
"""


def tensorflow(program: str, *words: str) -> str:
    assert PYTHON is not None
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [os.path.abspath(PYTHON), "-c", program, *words], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_type_in_every_form(tmp_path: Path) -> None:
    arrays = {name: bits(name).reshape(-1) if name == "bfloat16" else values(name) for name in DTYPES}
    others = {"bool": np.array([True, False]), "strings": STRINGS, "empty": np.zeros((0, 3)), "one": np.int64(3)}
    kinds = {"bfloat16": "bfloat16"}
    plain, parts, shards, old = (str(tmp_path / name) for name in ("plain", "parts", "shards", "old"))
    write_checkpoint(plain, {**arrays, **others}, kinds)
    write_checkpoint(plain, {**arrays, **others}, kinds)  # over another one
    with BundleWriter(parts) as writer:
        for at in range(0, 12, 4):
            writer.add_part("rows", [12, 5], ((at, 4), None), PARTED[at : at + 4])
            writer.add_part("both", [12, 5], ((at, 4), (0, 2)), PARTED[at : at + 4, :2])
            writer.add_part("both", [12, 5], ((at, 4), (2, 3)), PARTED[at : at + 4, 2:])
    with BundleWriter(shards, 3) as writer:
        for number, (name, value) in enumerate({**arrays, **others}.items()):
            writer.add(name, value, kinds.get(name), number % 3)
    write_version_1(old, {**{name: arrays[name] for name in VERSION_1}, "strings": STRINGS, "one": np.int64(3)})
    found = json.loads(tensorflow(READ, plain, parts, shards, old))
    expected = {}
    for path in (plain, parts, shards, old):
        reader = open_checkpoint(path)
        for name in reader:
            value = reader.bits(name)
            data = repr(value.tolist()).encode() if value.dtype.kind in "OS" else value.tobytes()
            digest = hashlib.sha256(data).hexdigest()
            expected[f"{path}:{name}"] = [reader.info(name).dtype, list(value.shape), digest]
    assert found == expected and len(found) == 2 * (len(DTYPES) + 4) + 2 + len(VERSION_1) + 2


def test_an_index_of_several_blocks_is_tensorflows_to_the_byte(tmp_path: Path) -> None:
    tensorflow(WRITE, str(tmp_path / "theirs"))
    theirs = open_checkpoint(tmp_path / "theirs")
    with BundleWriter(tmp_path / "ours") as writer:
        for number in range(6000):
            name = f"layer_{number % 7}/some/scope/kernel_{number}"
            assert theirs[name].tolist() == [number]
            writer.add(name, np.full(1, number, np.float32))
    for ending in (".index", ".data-00000-of-00001"):
        assert (tmp_path / f"ours{ending}").read_bytes() == (tmp_path / f"theirs{ending}").read_bytes()
    assert (tmp_path / "ours.index").stat().st_size > 262144 // 2
