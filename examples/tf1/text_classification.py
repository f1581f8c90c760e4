"""Sentences of different lengths, classified by the last state of a GRU.

``dynrnn run examples/tf1/text_classification.py [STEPS]``. ``sequence_length`` stops each row at its own last word, so
that the padding after it has no say: the final state is the one after the last real word.
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
BATCH, LONGEST, EMBEDDING, UNITS = 32, 16, 16, 32

GOOD, BAD = ["good", "lovely", "clever", "moving"], ["bad", "dull", "silly", "tired"]
FILLER = "the film plot music cast was is and with in it scene actors very really quite".split()
vocabulary = ["<pad>", "not", *GOOD, *BAD, *FILLER]
number = {word: i for i, word in enumerate(vocabulary)}

tf.set_random_seed(2)
random = np.random.RandomState(2)


def review():
    """Words, and 1 for praise: one word of judgement stands somewhere, and "not" before it turns it round."""
    words = list(random.choice(FILLER, random.randint(3, LONGEST - 1)))
    praise, negated = random.randint(2), random.randint(2)
    judgement = [str(random.choice(GOOD if praise else BAD))]
    place = random.randint(len(words) + 1)
    words[place:place] = ["not", *judgement] if negated else judgement
    return words, praise ^ negated


def batch(size, padding=0):
    reviews = [review() for _ in range(size)]
    ids = np.full([size, LONGEST], padding, np.int32)
    for row, (words, _) in enumerate(reviews):
        ids[row, : len(words)] = [number[word] for word in words]
    return ids, np.array([len(words) for words, _ in reviews]), np.array([label for _, label in reviews])


tokens = tf.placeholder(tf.int32, [None, LONGEST])
lengths = tf.placeholder(tf.int32, [None])
labels = tf.placeholder(tf.int64, [None])
keep = tf.placeholder_with_default(1.0, [])

embedding = tf.Variable(tf.random_uniform([len(vocabulary), EMBEDDING], -1.0, 1.0))
cell = tf.contrib.rnn.DropoutWrapper(tf.contrib.rnn.GRUCell(UNITS), output_keep_prob=keep)
_, state = tf.nn.dynamic_rnn(cell, tf.nn.embedding_lookup(embedding, tokens), sequence_length=lengths, dtype=tf.float32)
logits = tf.layers.dense(tf.nn.dropout(state, keep), 2)
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
train = tf.train.AdamOptimizer(0.01).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        ids, sizes, classes = batch(BATCH)
        _, value = sess.run([train, loss], {tokens: ids, lengths: sizes, labels: classes, keep: 0.9})
        if step == 1 or step % 50 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))
    ids, sizes, classes = batch(500)
    print("accuracy %.3f" % sess.run(accuracy, {tokens: ids, lengths: sizes, labels: classes}))

    # Other words after the end of each row change nothing at all.
    other = np.where(np.arange(LONGEST) < sizes[:, None], ids, number["not"])
    first, second = (sess.run(logits, {tokens: t, lengths: sizes}) for t in (ids, other))
    print("words in the padding change the logits by %g" % np.abs(first - second).max())
