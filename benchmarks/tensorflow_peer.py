"""TensorFlow's own ``dynamic_rnn`` of ``BasicLSTMCell`` in an environment of its own; see `worker`.

It runs as its users run it: a graph, a session, ``sequence_length``. Inputs are a variable, so nothing is copied in,
and operations are fetched, so nothing is copied out. An operation has as many threads as everybody has, and the process
is on as many processors (`worker.read_request`). ``tf_keras`` and ``TF_USE_LEGACY_KERAS=1`` are what TensorFlow 2 needs
for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from benchmarks import work, worker

REQUEST = worker.read_request() if __name__ == "__main__" else None
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import tensorflow as tf  # noqa: E402  (after the threads are settled)

v1: Any = tf.compat.v1


def build(
    cell: str, shape: work.Shape, lengths: work.Ints | None
) -> tuple[dict[str, Callable[[], object]], list[float]]:
    """Calls by mode, and the fingerprint."""
    if cell != "lstm":
        raise ValueError(f"cell must be 'lstm', got {cell!r}")
    given = work.make_cotangent(cell, shape)
    threads = REQUEST.threads if REQUEST is not None else 1
    with tf.Graph().as_default():
        x = v1.get_variable("x", initializer=work.make_inputs(shape), trainable=False)
        cotangent = v1.get_variable("cotangent", initializer=given, trainable=False)
        lstm = v1.nn.rnn_cell.BasicLSTMCell(shape.units, forget_bias=0.0)
        outputs, _ = v1.nn.dynamic_rnn(lstm, x, sequence_length=lengths, dtype=tf.float32)
        gradients = v1.gradients(outputs, [x, *lstm.trainable_variables], grad_ys=cotangent)
        learn = tf.group(outputs.op, *(gradient.op for gradient in gradients))
        config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        session = v1.Session(config=config)
        session.run(v1.global_variables_initializer())
        weights = work.make_weights(cell, shape)
        for variable in lstm.trainable_variables:
            variable.load(weights[variable.name.rpartition("/")[2].partition(":")[0]], session)
        session.graph.finalize()
    # A callable skips the look-up of what to fetch, which ``run`` does in Python.
    calls: dict[str, Callable[[], object]] = {
        "infer": session.make_callable(outputs.op),
        "train": session.make_callable(learn),
    }
    y, x_gradient = session.run([outputs, gradients[0]])
    return calls, work.fingerprint(y, x_gradient, given)


if __name__ == "__main__":
    assert REQUEST is not None
    worker.answer(REQUEST, {"tensorflow": tf.__version__}, build)
