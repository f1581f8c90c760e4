"""The weights of a trained ``CudnnLSTM`` in an ordinary LSTM cell, with ``forget_bias=0``.

``dynrnn run examples/tf1/cudnn_weights.py [STEPS]``. cuDNN's LSTM adds nothing to its forget gate, TensorFlow's cells
add 1 unless told not to. cuDNN keeps all matrices, then all biases (two for each gate), in one flat variable, with the
gates in the order input, forget, new, output; TensorFlow's cells have one matrix with input, new, forget, output.
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
TIME, BATCH, FEATURES, UNITS = 10, 16, 3, 16

tf.set_random_seed(11)
random = np.random.RandomState(11)


def batch():
    """Sequences, time first, and the running means of their first feature."""
    values = random.normal(size=[TIME, BATCH, FEATURES])
    return values, np.cumsum(values[..., :1], 0) / np.arange(1, TIME + 1)[:, None, None]


def ordinary(kernel):
    """The kernel and the bias of a TensorFlow cell from one layer's ``opaque_kernel``."""
    sizes = [UNITS * FEATURES] * 4 + [UNITS * UNITS] * 4 + [UNITS] * 8
    parts = np.split(kernel, np.cumsum(sizes)[:-1])
    of_input = [part.reshape(UNITS, FEATURES).T for part in parts[:4]]
    of_state = [part.reshape(UNITS, UNITS).T for part in parts[4:8]]
    order = [0, 2, 1, 3]
    matrix = np.concatenate([np.concatenate([of_input[g], of_state[g]]) for g in order], 1)
    return matrix, np.concatenate([parts[8 + g] + parts[12 + g] for g in order])


x = tf.placeholder(tf.float32, [TIME, BATCH, FEATURES])
y = tf.placeholder(tf.float32, [TIME, BATCH, 1])
lstm = tf.contrib.cudnn_rnn.CudnnLSTM(num_layers=1, num_units=UNITS)
outputs, (h, c) = lstm(x)
loss = tf.losses.mean_squared_error(y, tf.layers.dense(outputs, 1))
train = tf.train.AdamOptimizer(0.02).minimize(loss)

copies, assigns = {}, []
matrix, bias = tf.placeholder(tf.float32, [FEATURES + UNITS, 4 * UNITS]), tf.placeholder(tf.float32, [4 * UNITS])
for name, cell in [
    ("BasicLSTMCell, forget_bias=0", tf.nn.rnn_cell.BasicLSTMCell(UNITS, forget_bias=0.0)),
    ("LSTMBlockCell, forget_bias=0", tf.contrib.rnn.LSTMBlockCell(UNITS, forget_bias=0.0)),
    ("CudnnCompatibleLSTMCell", tf.contrib.cudnn_rnn.CudnnCompatibleLSTMCell(UNITS)),
    ("BasicLSTMCell, forget_bias=1", tf.nn.rnn_cell.BasicLSTMCell(UNITS)),
]:
    scope = "copy_%d" % len(copies)
    copies[name], _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, time_major=True, scope=scope)
    kernel_variable, bias_variable = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope)
    assigns += [kernel_variable.assign(matrix), bias_variable.assign(bias)]

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        values, means = batch()
        _, value = sess.run([train, loss], {x: values, y: means})
        if step == 1 or step % 50 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))
    sess.run(assigns, dict(zip([matrix, bias], ordinary(sess.run(lstm.trainable_variables[0])))))
    feed = {x: batch()[0]}
    expected, found = sess.run([outputs, copies], feed)
    for name, value in found.items():
        print("%s differs by %.1e" % (name, np.abs(value - expected).max()))
