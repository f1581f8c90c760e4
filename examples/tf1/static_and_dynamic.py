"""``static_rnn`` and ``dynamic_rnn`` on the same variables give the same numbers.

``dynrnn run examples/tf1/static_and_dynamic.py [UNITS]``. The static one takes a Python list with one tensor per step
and builds every step into the graph; the dynamic one takes one tensor, and any number of steps.
"""

import sys

import numpy as np
import tensorflow as tf

UNITS = int(sys.argv[1]) if len(sys.argv) > 1 else 32
BATCH, TIME, FEATURES = 8, 12, 5

tf.set_random_seed(9)
random = np.random.RandomState(9)

x = tf.placeholder(tf.float32, [BATCH, TIME, FEATURES])
lengths = tf.placeholder(tf.int32, [BATCH])
cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.LSTMCell(UNITS), tf.nn.rnn_cell.GRUCell(UNITS)])

with tf.variable_scope("model"):
    dynamic, dynamic_state = tf.nn.dynamic_rnn(cell, x, sequence_length=lengths, dtype=tf.float32, scope="rnn")
with tf.variable_scope("model", reuse=True):
    static, static_state = tf.nn.static_rnn(
        cell, tf.unstack(x, axis=1), sequence_length=lengths, dtype=tf.float32, scope="rnn"
    )
static = tf.stack(static, axis=1)
with tf.variable_scope("model/rnn", reuse=True):  # and the cell called by hand, for rows of full length
    by_hand, state = [], cell.zero_state(BATCH, tf.float32)
    for t in range(TIME):
        output, state = cell(x[:, t], state)
        by_hand.append(output)
by_hand = tf.stack(by_hand, axis=1)

variables = tf.trainable_variables()
gradients = [tf.gradients(tf.reduce_sum(tf.square(outputs)), variables) for outputs in (static, dynamic)]
print("variables: %s" % ", ".join(v.op.name for v in variables))


def furthest(left, right):
    pairs = zip(tf.contrib.framework.nest.flatten(left), tf.contrib.framework.nest.flatten(right))
    return max(np.abs(a - b).max() / max(1.0, np.abs(a).max()) for a, b in pairs)


with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    feed = {x: random.normal(size=[BATCH, TIME, FEATURES]), lengths: [12, 1, 0, 7, 5, 12, 3, 9]}
    outputs, states, slopes = sess.run([(static, dynamic), (static_state, dynamic_state), gradients], feed)
    print("outputs differ by %.1e" % furthest(*outputs))
    print("final states differ by %.1e" % furthest(*states))
    full = np.array([0, 5])
    print("by hand differs by %.1e" % furthest(sess.run(by_hand, feed)[full], outputs[1][full]))
    print("gradients differ by %.1e" % furthest(*slopes))
    print("zeros past the lengths: %s" % (not outputs[1][1, 1:].any() and not outputs[1][2].any()))
