"""Handwritten digits read row by row by an LSTM: a TensorFlow 1 program.

Run it with ``dynrnn run examples/mnist_lstm.py``; an optional argument is the number of training steps. Every image is
a sequence of 28 rows of 28 pixels. The last output of the LSTM goes through a dense layer to ten classes.
"""

import sys

import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

ROWS, COLUMNS, UNITS, CLASSES = 28, 28, 128, 10
BATCH = 64
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 600

tf.set_random_seed(1)
mnist = input_data.read_data_sets("MNIST_data", one_hot=True, reshape=False, seed=1)

images = tf.placeholder(tf.float32, [None, ROWS, COLUMNS, 1], name="images")
labels = tf.placeholder(tf.float32, [None, CLASSES], name="labels")
keep_prob = tf.placeholder_with_default(1.0, [], name="keep_prob")

cell = tf.nn.rnn_cell.BasicLSTMCell(UNITS)
cell = tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=keep_prob)
outputs, state = tf.nn.dynamic_rnn(cell, tf.reshape(images, [-1, ROWS, COLUMNS]), dtype=tf.float32)
logits = tf.layers.dense(outputs[:, -1], CLASSES)

loss = tf.losses.softmax_cross_entropy(onehot_labels=labels, logits=logits)
global_step = tf.train.get_or_create_global_step()
learning_rate = tf.train.exponential_decay(0.004, global_step, STEPS, 0.2)
optimizer = tf.train.AdamOptimizer(learning_rate)
gradients, variables = zip(*optimizer.compute_gradients(loss))
clipped, _ = tf.clip_by_global_norm(gradients, 5.0)
train = optimizer.apply_gradients(zip(clipped, variables), global_step=global_step)

correct = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print("training on %d images, testing on %d" % (mnist.train.num_examples, mnist.test.num_examples))
    for step in range(1, STEPS + 1):
        batch_images, batch_labels = mnist.train.next_batch(BATCH)
        feed = {images: batch_images, labels: batch_labels, keep_prob: 0.7}
        _, batch_loss = sess.run([train, loss], feed)
        if step % 100 == 0 or step == STEPS:
            valid = sess.run(accuracy, {images: mnist.validation.images, labels: mnist.validation.labels})
            print("step %4d  loss %.4f  validation accuracy %.3f" % (step, batch_loss, valid), flush=True)
    test = sess.run(accuracy, {images: mnist.test.images, labels: mnist.test.labels})
    print("test accuracy %.4f" % test)
