"""A training program that can be interrupted: the same text for TensorFlow and for ``dynrnn.tf1``."""

from __future__ import annotations

from typing import Any

__all__ = ["train"]


def train(tf: Any, np: Any, steps: int, save: str | None = None, restore: str | None = None) -> dict[str, Any]:
    """``steps`` steps of an LSTM that learns to add, from the beginning or from a checkpoint.

    Returns:
        The losses, and the variables by their names.
    """
    tf.reset_default_graph()
    state = np.random.RandomState(1)
    inputs, lengths = state.rand(6, 5, 2).astype(np.float32), np.array([5, 3, 0, 1, 5, 2], np.int32)
    target = np.array([row[:n].sum() for row, n in zip(inputs, lengths, strict=True)], np.float32)
    x, n, y = (
        tf.placeholder(kind, shape)
        for kind, shape in ((tf.float32, [None, 5, 2]), (tf.int32, [None]), (tf.float32, [None]))
    )
    step = tf.train.get_or_create_global_step()
    cell = tf.nn.rnn_cell.LSTMCell(4, use_peepholes=True, initializer=tf.zeros_initializer())
    _, final = tf.nn.dynamic_rnn(cell, x, sequence_length=n, dtype=tf.float32)
    weights = tf.get_variable("out/w", [4, 1], initializer=tf.constant_initializer(0.5))
    offset = tf.get_variable("out/b", [1], initializer=tf.zeros_initializer())
    loss = tf.reduce_mean(tf.square(tf.reshape(tf.matmul(final.h, weights), [-1]) + offset - y))
    inner = [v for v in tf.trainable_variables() if v is not offset]
    update = tf.group(
        tf.train.AdamOptimizer(0.02).minimize(loss, global_step=step, var_list=inner),
        tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, var_list=[offset]),
    )
    saver = tf.train.Saver(max_to_keep=2)
    losses = []
    with tf.Session() as session:
        if restore is None:
            session.run(tf.global_variables_initializer())
            for index, variable in enumerate(inner):
                shape = variable.get_shape().as_list()
                variable.load(np.random.RandomState(index).uniform(-0.3, 0.3, shape).astype(np.float32), session)
        else:
            saver.restore(session, restore)
        for _ in range(steps):
            losses.append(session.run([loss, update], {x: inputs, n: lengths, y: target})[0])
        result = {v.op.name: session.run(v) for v in tf.global_variables()}
        if save is not None:
            saver.save(session, save, global_step=step, write_meta_graph=False, write_state=False)
    tf.reset_default_graph()
    return {"losses": np.array(losses), **result}
