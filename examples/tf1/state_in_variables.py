"""The state of an LSTM lives in variables: it goes on from run to run, is saved, restored, and used to predict on.

``dynrnn run examples/tf1/state_in_variables.py [STEPS]``. Long streams are read in short pieces (truncated
backpropagation); no state is fed. A second graph restores weights and state from the checkpoint and goes on where the
first one stopped.
"""

import sys
import tempfile

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
STREAMS, PIECE, UNITS = 8, 10, 32
FOLDER = tempfile.mkdtemp()

phases = np.linspace(0, 6, STREAMS)[:, None]
streams = np.sin(np.arange((STEPS + 9) * PIECE + 1) / 4.0 + phases).astype(np.float32)[..., None]


def piece(number):
    """Inputs and, one step later, targets."""
    start = number * PIECE
    return streams[:, start : start + PIECE], streams[:, start + 1 : start + PIECE + 1]


def build():
    x = tf.placeholder(tf.float32, [STREAMS, PIECE, 1])
    y = tf.placeholder(tf.float32, [STREAMS, PIECE, 1])
    cell = tf.nn.rnn_cell.LSTMCell(UNITS)
    with tf.variable_scope("state"):
        zeros = tf.zeros([STREAMS, UNITS])
        kept = tf.nn.rnn_cell.LSTMStateTuple(
            tf.Variable(zeros, trainable=False, name="c"), tf.Variable(zeros, trainable=False, name="h")
        )
    outputs, final = tf.nn.dynamic_rnn(cell, x, initial_state=kept)
    # Whoever reads the outputs through this identity has also moved the state on.
    with tf.control_dependencies([tf.assign(old, new) for old, new in zip(kept, final)]):
        outputs = tf.identity(outputs)
    prediction = tf.layers.dense(outputs, 1)
    loss = tf.losses.mean_squared_error(y, prediction)
    train = tf.train.AdamOptimizer(0.01).minimize(loss)
    forget = tf.variables_initializer(list(kept))
    return x, y, kept, prediction, loss, train, forget


tf.set_random_seed(7)
x, y, kept, prediction, loss, train, forget = build()
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(STEPS):
        inputs, targets = piece(step)
        _, value = sess.run([train, loss], {x: inputs, y: targets})
        if step % 50 == 0 or step == STEPS - 1:
            print("step %d loss %.4f" % (step + 1, value))
    path = tf.train.Saver().save(sess, FOLDER + "/model", global_step=STEPS)
    went_on = [sess.run(prediction, {x: piece(STEPS + i)[0]}) for i in range(8)]

tf.reset_default_graph()
x, y, kept, prediction, loss, train, forget = build()
with tf.Session() as sess:
    tf.train.Saver().restore(sess, tf.train.latest_checkpoint(FOLDER))
    restored = [sess.run(prediction, {x: piece(STEPS + i)[0]}) for i in range(8)]
    print("restored predictions equal: %s" % np.array_equal(went_on, restored))
    real = np.stack([piece(STEPS + i)[1] for i in range(8)])
    sess.run(forget)
    cold = sess.run(prediction, {x: piece(STEPS)[0]})
    print("error with the kept state %.4f" % np.mean((restored[0] - real[0]) ** 2))
    print("error from a zero state %.4f" % np.mean((cold - real[0]) ** 2))
