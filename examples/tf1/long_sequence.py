"""A long sequence with ``swap_memory``: a signal at the start is remembered to the end.

``dynrnn run examples/tf1/long_sequence.py [LENGTH] [STEPS]``. In TensorFlow ``swap_memory=True`` moves what the
backward pass needs from the GPU to the host's memory. It changes no number: dynrnn accepts it, and keeps everything in
the host's memory anyway.
"""

import sys

import numpy as np
import tensorflow as tf

LENGTH = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
BATCH, UNITS = 16, 24

tf.set_random_seed(10)
random = np.random.RandomState(10)


def batch():
    """Noise; the sign of the first ten values is the class."""
    x = random.normal(0, 0.1, [BATCH, LENGTH, 1])
    labels = random.randint(2, size=BATCH)
    x[:, :10, 0] += np.where(labels == 1, 1.0, -1.0)[:, None]
    return x, labels


x = tf.placeholder(tf.float32, [None, None, 1])
labels = tf.placeholder(tf.int64, [None])
# A forget gate that is almost open keeps the cell for about e**6 steps.
cell = tf.nn.rnn_cell.LSTMCell(UNITS, forget_bias=6.0, initializer=tf.random_normal_initializer(0, 0.3))
with tf.variable_scope("rnn"):
    outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, swap_memory=True, parallel_iterations=1)
with tf.variable_scope("rnn", reuse=True):
    _, plain = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)

logits = tf.layers.dense(state.c / 100.0, 2)  # a sum over hundreds of steps is large
loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
optimizer = tf.train.AdamOptimizer(0.01)
gradients, variables = zip(*optimizer.compute_gradients(loss))
clipped, norm = tf.clip_by_global_norm(gradients, 1.0)
train = optimizer.apply_gradients(zip(clipped, variables))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        values, classes = batch()
        _, value = sess.run([train, loss], {x: values, labels: classes})
        if step == 1 or step % 20 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))
    values, classes = batch()
    feed = {x: values, labels: classes}
    print("accuracy after %d steps of time: %.3f" % (LENGTH, sess.run(accuracy, feed)))
    swapped, unswapped = sess.run([state, plain], feed)
    print("the same without swap_memory: %s" % all(map(np.array_equal, swapped, unswapped)))
