"""A convolutional network looks at each frame of a film, an LSTM at the sequence of what it saw.

``dynrnn run examples/tf1/cnn_rnn.py [STEPS]``. A bright spot moves through noise; one frame does not tell where to.
Time and batch are folded into one axis for the convolutions and unfolded for the LSTM.
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 150
BATCH, FRAMES, SIZE, UNITS = 32, 4, 12, 32
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]

tf.set_random_seed(4)
random = np.random.RandomState(4)


def batch(count):
    """Films with a spot of 2 x 2 that goes up, down, left or right by one pixel a frame."""
    films = random.uniform(0, 0.3, [count, FRAMES, SIZE, SIZE, 1])
    moves = random.randint(len(MOVES), size=count)
    for film, move in zip(films, moves):
        place = random.randint(FRAMES - 1, SIZE - FRAMES, size=2)
        for frame in film:
            rows, columns = place[:, None] + np.arange(2)
            frame[np.ix_(rows, columns)] = 1.0
            place = place + MOVES[move]
    return films, moves


films = tf.placeholder(tf.float32, [None, FRAMES, SIZE, SIZE, 1])
labels = tf.placeholder(tf.int64, [None])

frames = tf.reshape(films, [-1, SIZE, SIZE, 1])
net = tf.layers.conv2d(frames, 8, 3, padding="same", activation=tf.nn.relu)
net = tf.layers.max_pooling2d(net, 2, 2)
net = tf.layers.conv2d(net, 8, 3, padding="same", activation=tf.nn.relu)
features = tf.layers.dense(tf.layers.flatten(net), 32, tf.nn.relu)
sequence = tf.reshape(features, [-1, FRAMES, 32])

outputs, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.LSTMCell(UNITS), sequence, dtype=tf.float32)
logits = tf.layers.dense(state.h, len(MOVES))
loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
train = tf.train.AdamOptimizer(0.01).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        x, y = batch(BATCH)
        _, value = sess.run([train, loss], {films: x, labels: y})
        if step == 1 or step % 50 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))
    x, y = batch(200)
    print("accuracy %.3f" % sess.run(accuracy, {films: x, labels: y}))
