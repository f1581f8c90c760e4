"""A series is predicted: from 20 values the next one, by an RNN with a linear layer.

``dynrnn run examples/tf1/series_regression.py [STEPS]``. The series is two waves and noise. The prediction is compared
with the simplest one, which says that the next value is the last one.
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
BATCH, WINDOW, UNITS, AHEAD = 32, 20, 32, 40

tf.set_random_seed(6)
random = np.random.RandomState(6)
time = np.arange(1200)
clean = np.sin(time / 5.0) + 0.5 * np.sin(time / 2.3)
series = (clean + random.normal(0, 0.05, len(time))).astype(np.float32)
training, testing = series[:900], series[900:]


def windows(values):
    starts = np.arange(len(values) - WINDOW)
    return values[starts[:, None] + np.arange(WINDOW)][..., None], values[starts + WINDOW][:, None]


x = tf.placeholder(tf.float32, [None, WINDOW, 1])
y = tf.placeholder(tf.float32, [None, 1])
cell = tf.nn.rnn_cell.BasicRNNCell(UNITS, activation=tf.nn.tanh)
outputs, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
weights = tf.Variable(tf.truncated_normal([UNITS, 1], stddev=0.1), name="weights")
bias = tf.Variable(tf.zeros([1]), name="bias")
prediction = tf.matmul(outputs[:, -1, :], weights) + bias
loss = tf.reduce_mean(tf.square(prediction - y))
train = tf.train.AdamOptimizer(0.005).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    inputs, targets = windows(training)
    for step in range(1, STEPS + 1):
        rows = random.randint(len(inputs), size=BATCH)
        _, value = sess.run([train, loss], {x: inputs[rows], y: targets[rows]})
        if step == 1 or step % 100 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))
    inputs, targets = windows(testing)
    print("test error %.4f" % sess.run(loss, {x: inputs, y: targets}))
    print("error of the last value %.4f" % np.mean((inputs[:, -1] - targets) ** 2))

    # Further into the future, each prediction becomes an input.
    window = list(testing[:WINDOW])
    for _ in range(AHEAD):
        window.append(sess.run(prediction, {x: np.reshape(window[-WINDOW:], [1, WINDOW, 1])})[0, 0])
    error = np.mean((np.array(window[WINDOW:]) - testing[WINDOW : WINDOW + AHEAD]) ** 2)
    print("error over %d values ahead %.4f" % (AHEAD, error))
