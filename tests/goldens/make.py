"""Runs the golden cases on TensorFlow and writes the golden files.

In the folder ``tests``: ``python -m goldens.make [MODULE...]``; all modules when none is named.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import Any

os.environ.update(
    TF_USE_LEGACY_KERAS="1",  # rnn_cell and tf.layers live on in tf_keras only
    TF_CPP_MIN_LOG_LEVEL="3",
    TF_ENABLE_ONEDNN_OPTS="0",  # its kernels sum in another order
    CUDA_VISIBLE_DEVICES="",
)
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

from goldens import cases, files, harness  # noqa: E402

PROGRAM_FAULTS = {"AttributeError", "NameError", "UnboundLocalError", "AssertionError"}
"""Errors that say that the case itself is wrong, not that TensorFlow refuses it."""


def tensorflow() -> Any:
    """TensorFlow 1 as TensorFlow 2 still has it."""
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.ERROR)
    return tf


def session_config(tf: Any) -> Any:
    """One thread, and the graph run as it was written.

    Its optimizer moves arithmetic across control dependencies, and with variables that are read in place a gradient is
    then sometimes taken at a variable that has already moved.
    """
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def versions(tf: Any) -> dict[str, str]:
    """What the files were made with."""
    from importlib.metadata import version

    return {"tensorflow": tf.__version__, "tf_keras": version("tf_keras"), "numpy": np.__version__}


def fault(golden: harness.Case, record: harness.Record) -> str:
    """Whether a golden shows a mistake in the case rather than what TensorFlow does; empty when it does not."""
    if " object at 0x" in str(record.facts):
        return f"a fact names an address: {record.facts}"
    if record.error is None:
        return ""
    message = record.error["message"]
    missing = [fragment for fragment in golden.fragments if fragment not in message]
    if missing:
        return f"TensorFlow does not say {missing} but {message!r}"
    return f"{record.error['class']}: {message}" if record.error["class"] in PROGRAM_FAULTS else ""


def make(module: str, tf: Any) -> list[str]:
    """Write the files of ``module``, unless a case in it is faulty; what is wrong is returned."""
    start = time.perf_counter()
    writer = files.Writer()
    config = session_config(tf)
    goldens = harness.cases_of(module)
    faults = []
    for name, golden in goldens.items():
        try:
            record = harness.run(golden, tf, config) if golden.reference is None else golden.reference(np)
        except Exception as error:
            faults.append(f"{module}: {name}: {type(error).__name__}: {error}")
            continue
        told = fault(golden, record)
        if told:
            faults.append(f"{module}: {name}: {told}")
        writer.add(name, record)
    if not faults:
        writer.write(module, versions(tf))
        size = sum((files.HERE / f"{module}.{end}").stat().st_size for end in ("npz", "json"))
        print(f"{module}: {len(goldens)} cases, {size / 1024:.0f} KB, {time.perf_counter() - start:.0f} s", flush=True)
    return faults


def main(modules: list[str]) -> None:
    """Make the files of ``modules``, of all when empty."""
    tf = tensorflow()
    faults = [told for module in modules or cases.MODULES for told in make(module, tf)]
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
