"""A TensorFlow 1 program that `.ci/run` runs with an installed wheel: `dynrnn run smoke.py STEPS`.

It unrolls an LSTM over real digits that come with the package, each row to a length of its own, and checks the law:
past the length the outputs are zero and the state is that of the last valid step.
"""

import sys
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

steps = int(sys.argv[1])
units = 4
lengths = [steps, 3, 1, 0]

mnist = input_data.read_data_sets(tempfile.mkdtemp(), one_hot=True)
images, labels = mnist.train.next_batch(len(lengths))
assert images.shape == (4, 784), images.shape
assert labels.shape == (4, 10), labels.shape
assert 0.0 <= images.min() < images.max() <= 1.0, (images.min(), images.max())

inputs = tf.placeholder(tf.float32, [None, steps, 28])
sequence_length = tf.placeholder(tf.int32, [None])
cell = tf.contrib.rnn.BasicLSTMCell(units)
outputs, state = tf.nn.dynamic_rnn(cell, inputs, sequence_length=sequence_length, dtype=tf.float32)
print(outputs)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    rows = images.reshape(4, 28, 28)[:, 10 : 10 + steps]
    y, (c, h) = session.run([outputs, state], feed_dict={inputs: rows, sequence_length: lengths})

assert y.shape == (4, steps, units), y.shape
for row, length in enumerate(lengths):
    assert np.all(y[row, length:] == 0), (row, y[row])
    assert np.all(y[row, :length] != 0), (row, y[row])
    last = y[row, length - 1] if length else np.zeros(units)
    assert np.array_equal(h[row], last), (row, h[row], last)
assert np.all(c[3] == 0), c[3]
print("outputs are zero past the length, and the state is that of the last valid step")
