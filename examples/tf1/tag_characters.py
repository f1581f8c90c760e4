"""Every character gets a tag: words are found in text without spaces.

``dynrnn run examples/tf1/tag_characters.py [STEPS]``. A bidirectional LSTM reads the characters from both sides; a
conditional random field on top scores whole sequences of the tags B (a word begins), I (inside), E (ends), S (a word of
one character).
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
BATCH, UNITS, TAGS = 16, 32, "BIES"
WORDS = "a i the cat at he her here red reed see sees each teach ache an ant tan and hand rain train in tin".split()
letters = sorted(set("".join(WORDS)))
number = {letter: i for i, letter in enumerate(letters)}

tf.set_random_seed(3)
random = np.random.RandomState(3)


def batch(size):
    sentences = [random.choice(WORDS, random.randint(2, 7)) for _ in range(size)]
    lengths = np.array([sum(map(len, words)) for words in sentences])
    characters, tags = np.zeros([2, size, lengths.max()], np.int32)
    for row, words in enumerate(sentences):
        marks = "".join("S" if len(word) == 1 else "B" + "I" * (len(word) - 2) + "E" for word in words)
        characters[row, : lengths[row]] = [number[letter] for letter in "".join(words)]
        tags[row, : lengths[row]] = [TAGS.index(mark) for mark in marks]
    return sentences, characters, tags, lengths


def split(characters, tags):
    text = ""
    for character, tag in zip(characters, tags):
        text += letters[character] + (" " if TAGS[tag] in "ES" else "")
    return text.strip()


x = tf.placeholder(tf.int32, [None, None])
y = tf.placeholder(tf.int32, [None, None])
lengths = tf.placeholder(tf.int32, [None])

embedded = tf.nn.embedding_lookup(tf.get_variable("embedding", [len(letters), 16]), x)
(forward, backward), _ = tf.nn.bidirectional_dynamic_rnn(
    tf.nn.rnn_cell.LSTMCell(UNITS), tf.nn.rnn_cell.LSTMCell(UNITS), embedded, lengths, dtype=tf.float32
)
scores = tf.layers.dense(tf.concat([forward, backward], 2), len(TAGS))
log_likelihood, transitions = tf.contrib.crf.crf_log_likelihood(scores, y, lengths)
loss = tf.reduce_mean(-log_likelihood)
best, _ = tf.contrib.crf.crf_decode(scores, transitions, lengths)
train = tf.train.AdamOptimizer(0.01).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        _, characters, tags, sizes = batch(BATCH)
        _, value = sess.run([train, loss], {x: characters, y: tags, lengths: sizes})
        if step == 1 or step % 50 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))

    sentences, characters, tags, sizes = batch(200)
    found, unary, matrix = sess.run([best, scores, transitions], {x: characters, lengths: sizes})
    real = np.arange(tags.shape[1]) < sizes[:, None]
    print("characters tagged right: %.3f" % (found == tags)[real].mean())
    # The same decoding, in numpy, one sentence at a time.
    viterbi = [tf.contrib.crf.viterbi_decode(unary[row, :n], matrix)[0] for row, n in enumerate(sizes)]
    print("as viterbi_decode: %s" % all(list(found[row, :n]) == viterbi[row] for row, n in enumerate(sizes)))
    for row in range(3):
        print("%s -> %s" % ("".join(sentences[row]), split(characters[row, : sizes[row]], found[row])))
