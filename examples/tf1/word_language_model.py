"""A language model over words: embeddings, an LSTM, and a softmax; then text, one word at a time.

``dynrnn run examples/tf1/word_language_model.py [STEPS]``. Training reads windows of many words. Writing runs the same
graph on windows of one word: the state that comes out of one ``Session.run`` is fed into the next.
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
BATCH, WINDOW, EMBEDDING, UNITS = 16, 12, 24, 64

TEXT = """this is the house that jack built . this is the malt that lay in the house that jack built .
this is the rat that ate the malt that lay in the house that jack built .
this is the cat that killed the rat that ate the malt that lay in the house that jack built .
this is the dog that worried the cat that killed the rat that ate the malt that lay in the house that jack built .
this is the cow with the crumpled horn that tossed the dog that worried the cat that killed the rat that ate the malt
that lay in the house that jack built ."""

words = TEXT.split()
vocabulary = sorted(set(words))
number = {word: i for i, word in enumerate(vocabulary)}
corpus = np.array([number[word] for word in words], np.int32)

tf.set_random_seed(1)
random = np.random.RandomState(1)

inputs = tf.placeholder(tf.int32, [None, None], name="inputs")
targets = tf.placeholder(tf.int32, [None, None], name="targets")
embedding = tf.get_variable("embedding", [len(vocabulary), EMBEDDING], initializer=tf.random_uniform_initializer(-1, 1))
cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(UNITS) for _ in range(2)])
zero_state = cell.zero_state(tf.shape(inputs)[0], tf.float32)
embedded = tf.nn.embedding_lookup(embedding, inputs)
outputs, final_state = tf.nn.dynamic_rnn(cell, embedded, initial_state=zero_state)
logits = tf.layers.dense(outputs, len(vocabulary))
probabilities = tf.nn.softmax(logits)

loss = tf.contrib.seq2seq.sequence_loss(logits, targets, tf.ones_like(targets, tf.float32))
variables = tf.trainable_variables()
gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 5.0)
train = tf.train.AdamOptimizer(0.01).apply_gradients(zip(gradients, variables))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        starts = random.randint(0, len(corpus) - WINDOW - 1, BATCH)
        windows = np.stack([corpus[start : start + WINDOW + 1] for start in starts])
        _, batch_loss = sess.run([train, loss], {inputs: windows[:, :-1], targets: windows[:, 1:]})
        if step == 1 or step % 50 == 0 or step == STEPS:
            print("step %d perplexity %.2f" % (step, np.exp(batch_loss)))

    # One window of all words, and one run for each word with the state fed back, give the same probabilities.
    line = corpus[None, :20]
    whole = sess.run(probabilities, {inputs: line})
    state, single = sess.run(zero_state, {inputs: line}), []
    for t in range(line.shape[1]):
        p, state = sess.run([probabilities, final_state], {inputs: line[:, t : t + 1], zero_state: state})
        single.append(p)
    print("one step at a time differs by %.1e" % np.abs(whole - np.concatenate(single, 1)).max())

    word, state, written = "this", None, ["this"]
    while word != "." and len(written) < 40:
        feed = {inputs: [[number[word]]]}
        if state is not None:
            feed[zero_state] = state
        p, state = sess.run([probabilities, final_state], feed)
        word = vocabulary[p[0, -1].argmax()]
        written.append(word)
    print("written: " + " ".join(written))
