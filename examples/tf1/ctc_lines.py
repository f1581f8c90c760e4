"""A line recogniser: images of lines of digits, each of its own width, and CTC, which needs no places of the digits.

``dynrnn run examples/tf1/ctc_lines.py [STEPS]``. The columns of the image are the time steps. Labels are a sparse
tensor; the rows of a batch are padded to the widest line, and ``sequence_length`` says how wide each one is.
"""

import sys

import numpy as np
import tensorflow as tf

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
BATCH, HEIGHT, UNITS, CLASSES = 32, 5, 32, 10
# Ten digits of 5 x 3 pixels, each row a number of three bits.
FONT = "75557 26227 71747 71717 55711 74717 74757 71122 75757 75717".split()
GLYPHS = [np.array([[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in glyph], np.float32) for glyph in FONT]

tf.set_random_seed(5)
random = np.random.RandomState(5)


def line():
    digits = random.randint(10, size=random.randint(1, 6))
    image = [np.zeros([HEIGHT, random.randint(1, 4)], np.float32)]
    for digit in digits:
        glyph = GLYPHS[digit].repeat(random.randint(1, 3), axis=1)  # some are written twice as wide
        image += [glyph, np.zeros([HEIGHT, random.randint(1, 4)], np.float32)]
    return np.concatenate(image, 1).T, digits


def batch(size):
    lines = [line() for _ in range(size)]
    widths = np.array([len(image) for image, _ in lines])
    images = np.zeros([size, widths.max(), HEIGHT], np.float32)
    for row, (image, _) in enumerate(lines):
        images[row, : widths[row]] = image + random.normal(0, 0.1, image.shape)
    places = [(row, i) for row, (_, digits) in enumerate(lines) for i in range(len(digits))]
    values = np.concatenate([digits for _, digits in lines])
    labels = tf.SparseTensorValue(places, values, [size, max(len(digits) for _, digits in lines)])
    return images, widths, labels, [digits for _, digits in lines]


images = tf.placeholder(tf.float32, [None, None, HEIGHT])
widths = tf.placeholder(tf.int32, [None])
labels = tf.sparse_placeholder(tf.int32)

cells = [tf.nn.rnn_cell.LSTMCell(UNITS, use_peepholes=True) for _ in range(2)]
outputs, _ = tf.nn.bidirectional_dynamic_rnn(*cells, images, sequence_length=widths, dtype=tf.float32)
logits = tf.layers.dense(tf.concat(outputs, 2), CLASSES + 1)  # the last class is the blank
logits = tf.transpose(logits, [1, 0, 2])
loss = tf.reduce_mean(tf.nn.ctc_loss(labels, logits, widths))
decoded, _ = tf.nn.ctc_beam_search_decoder(logits, widths, beam_width=10, merge_repeated=False)
error_rate = tf.reduce_mean(tf.edit_distance(tf.cast(decoded[0], tf.int32), labels))
dense = tf.sparse_tensor_to_dense(decoded[0], default_value=-1)
train = tf.train.AdamOptimizer(0.02).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, STEPS + 1):
        x, sizes, sparse, _ = batch(BATCH)
        _, value = sess.run([train, loss], {images: x, widths: sizes, labels: sparse})
        if step == 1 or step % 50 == 0 or step == STEPS:
            print("step %d loss %.4f" % (step, value))
    x, sizes, sparse, digits = batch(50)
    rate, read = sess.run([error_rate, dense], {images: x, widths: sizes, labels: sparse})
    print("error rate %.3f" % rate)
    for row in range(3):
        written, seen = ("".join(str(d) for d in ds if d >= 0) for ds in (digits[row], read[row]))
        print("%d columns: %s read as %s" % (sizes[row], written, seen))
