"""A decoder written with ``raw_rnn``: the loop function chooses each input from the output before it.

``dynrnn run examples/tf1/raw_rnn_decoder.py [STEPS]``. An encoder reads digits, the decoder writes them in reverse
order and then an end sign. In training the input is the right digit before, else the decoder's own.
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
BATCH, DIGITS, LONGEST, UNITS, END = 32, 10, 4, 64, 10

tf.set_random_seed(8)
random = np.random.RandomState(8)


def batch(size):
    lengths = random.randint(1, LONGEST + 1, size)
    sources, targets = np.zeros([size, LONGEST], np.int32), np.full([size, LONGEST + 1], END, np.int32)
    for row, n in enumerate(lengths):
        sources[row, :n] = random.randint(DIGITS, size=n)
        targets[row, :n] = sources[row, :n][::-1]
    return sources, lengths, targets


sources = tf.placeholder(tf.int32, [None, LONGEST])
lengths = tf.placeholder(tf.int32, [None])
targets = tf.placeholder_with_default(np.zeros([1, LONGEST + 1], np.int32), [None, LONGEST + 1])
forced = tf.placeholder_with_default(False, [])

embedding = tf.get_variable("embedding", [DIGITS + 1, 16])
projection = tf.get_variable("projection", [UNITS, DIGITS + 1])
with tf.variable_scope("encoder"):
    embedded = tf.nn.embedding_lookup(embedding, sources)
    _, thought = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(UNITS), embedded, lengths, dtype=tf.float32)

right = tf.TensorArray(tf.int32, size=LONGEST + 1).unstack(tf.transpose(targets))
cell = tf.nn.rnn_cell.GRUCell(UNITS)
rows = tf.shape(sources)[0]


def loop_fn(time, cell_output, cell_state, loop_state):
    if cell_output is None:  # before the first step
        first = tf.fill([rows], END)
        return tf.zeros([rows], tf.bool), tf.nn.embedding_lookup(embedding, first), thought, None, None
    written = tf.argmax(tf.matmul(cell_output, projection), 1, output_type=tf.int32)
    before = tf.cond(forced, lambda: right.read(time - 1), lambda: written)
    finished = tf.fill([rows], time >= LONGEST + 1)
    finished = tf.logical_or(finished, tf.logical_and(tf.equal(written, END), tf.logical_not(forced)))
    return finished, tf.nn.embedding_lookup(embedding, before), cell_state, cell_output, None


with tf.variable_scope("decoder"):
    outputs, _, _ = tf.nn.raw_rnn(cell, loop_fn)
hidden = tf.transpose(outputs.stack(), [1, 0, 2])
logits = tf.reshape(tf.matmul(tf.reshape(hidden, [-1, UNITS]), projection), [rows, -1, DIGITS + 1])
written = tf.argmax(logits, 2)
real = tf.sequence_mask(lengths + 1, LONGEST + 1, dtype=tf.float32)
loss = tf.contrib.seq2seq.sequence_loss(logits, targets, real)
train = tf.train.AdamOptimizer(0.01).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        s, n, t = batch(BATCH)
        _, value = sess.run([train, loss], {sources: s, lengths: n, targets: t, forced: True})
        if step == 1 or step % 100 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))
    s, n, t = batch(200)
    w = sess.run(written, {sources: s, lengths: n})  # no targets are fed here
    correct = [np.array_equal(w[row, : n[row] + 1], t[row, : n[row] + 1]) for row in range(len(n))]
    print("reversed right: %.3f" % np.mean(correct))
    for row in range(3):
        print("%s -> %s" % (s[row, : n[row]], w[row, : n[row]]))
