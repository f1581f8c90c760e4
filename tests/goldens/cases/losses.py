"""``tf.losses``: every loss with weights and reductions, the losses collection, and the usual recurrent sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from goldens.cases.tables import Table, floats, ints, positive
from goldens.harness import Program, case, fixed, gradients_of

row = Table(__name__).row
PREDICTIONS, LABELS = floats(3, 4), floats(3, 4, name="labels")
PROBABILITIES = positive(3, 4, scale=0.5)
ONE_HOT = numpy.eye(4, dtype="f")[[2, 0, 2]]
IDS = ints(2, 0, 3)

LOSSES: dict[str, tuple[Callable[..., Any], Any, Any, tuple[int, ...]]] = {
    "mean_squared_error": (lambda losses: losses.mean_squared_error, LABELS, PREDICTIONS, (3, 4)),
    "absolute_difference": (lambda losses: losses.absolute_difference, LABELS, PREDICTIONS, (3, 4)),
    "huber_loss": (lambda losses: losses.huber_loss, LABELS, PREDICTIONS, (3, 4)),
    "log_loss": (lambda losses: losses.log_loss, ONE_HOT, PROBABILITIES, (3, 4)),
    "hinge_loss": (lambda losses: losses.hinge_loss, ONE_HOT, PREDICTIONS, (3, 4)),
    "sigmoid_cross_entropy": (lambda losses: losses.sigmoid_cross_entropy, ONE_HOT, PREDICTIONS, (3, 4)),
    "softmax_cross_entropy": (lambda losses: losses.softmax_cross_entropy, ONE_HOT, PREDICTIONS, (3,)),
    "sparse_softmax_cross_entropy": (lambda losses: losses.sparse_softmax_cross_entropy, IDS, PREDICTIONS, (3,)),
}


def _weights(shape: tuple[int, ...]) -> dict[str, Any]:
    column = numpy.array([1.0, 0.0, 2.5], "f").reshape([3] + [1] * (len(shape) - 1))
    full = positive(*shape, name="weights")
    full.flat[1] = 0.0
    return {"one": 1.0, "scalar": 0.5, "rows": column, "elements": full, "zero": 0.0}


for _name, (_loss, _labels, _predictions, _shape) in LOSSES.items():
    for _how, _weight in _weights(_shape).items():
        row(
            f"{_name}/weights-{_how}",
            lambda tf, y, x, loss=_loss, w=_weight: loss(tf.losses)(y, x, weights=w),
            _labels,
            _predictions,
            levels=("known", "batch"),
        )
    _rows = _weights(_shape)["rows"]
    for _reduction in (
        "NONE",
        "SUM",
        "MEAN",
        "SUM_OVER_BATCH_SIZE",
        "SUM_OVER_NONZERO_WEIGHTS",
        "SUM_BY_NONZERO_WEIGHTS",
    ):
        row(
            f"{_name}/reduction-{_reduction}",
            lambda tf, y, x, loss=_loss, w=_rows, r=_reduction: loss(tf.losses)(
                y, x, w, reduction=getattr(tf.losses.Reduction, r)
            ),
            _labels,
            _predictions,
            levels=("known", "batch"),
        )

row(
    "softmax/label_smoothing",
    lambda tf, y, x: tf.losses.softmax_cross_entropy(y, x, label_smoothing=0.1),
    ONE_HOT,
    PREDICTIONS,
)
row(
    "sigmoid/label_smoothing",
    lambda tf, y, x: tf.losses.sigmoid_cross_entropy(y, x, label_smoothing=0.1),
    ONE_HOT,
    PREDICTIONS,
)
row("huber/delta", lambda tf, y, x: tf.losses.huber_loss(y, x, delta=0.25), LABELS, PREDICTIONS)
row("log_loss/epsilon", lambda tf, y, x: tf.losses.log_loss(y, x, epsilon=0.1), ONE_HOT, PROBABILITIES)
row(
    "cosine_distance",
    lambda tf, y, x: tf.losses.cosine_distance(tf.nn.l2_normalize(y, 1), tf.nn.l2_normalize(x, 1), axis=1),
    LABELS,
    PREDICTIONS,
)
row("compute_weighted_loss", lambda tf, x: tf.losses.compute_weighted_loss(x, [[1.0], [0.0], [2.0]]), PREDICTIONS)
row("int-labels", lambda tf, y, x: tf.losses.mean_squared_error(y, x), ints(1, 2, 3), floats(3))
row("column-labels", lambda tf, y, x: tf.losses.sparse_softmax_cross_entropy(y, x), ints([[1], [0], [3]]), PREDICTIONS)
row(
    "sequence",
    lambda tf, y, x: tf.losses.sparse_softmax_cross_entropy(y, x, weights=tf.sequence_mask([3, 1], 3, tf.float32)),
    ints([[2, 0, 3], [1, 1, 0]]),
    floats(2, 3, 4),
)


@case("collection")
def collection(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [3, 4])
    first = tf.losses.mean_squared_error(tf.zeros([3, 4]), x)
    tf.losses.absolute_difference(tf.zeros([3, 4]), x, loss_collection=None)
    with tf.name_scope("scope"):
        tf.losses.huber_loss(tf.zeros([3, 4]), x, scope="mine")
    tf.losses.add_loss(tf.constant(0.25))
    tf.get_variable("v", [2], regularizer=lambda v: 0.1 * tf.nn.l2_loss(v))
    fetches = {
        "losses": tf.losses.get_losses(),
        "regularization": tf.losses.get_regularization_losses(),
        "regularization sum": tf.losses.get_regularization_loss(),
        "total": tf.losses.get_total_loss(),
        "without": tf.losses.get_total_loss(add_regularization_losses=False),
    }
    facts = {"first": first.name, "count": len(tf.get_collection(tf.GraphKeys.LOSSES))}
    return Program(fetches, {x: fixed("losses x", [3, 4])}, facts)


@case("masked-sequence-cost")
def masked_sequence_cost(tf: Any, np: Any) -> Program:
    """Cost of a padded batch as recurrent programs write it by hand."""
    x = tf.placeholder(tf.float32, [None, None, 5], name="x")
    y = tf.placeholder(tf.float32, [None, None, 5], name="y")
    entropy = -tf.reduce_sum(y * tf.log(tf.nn.softmax(x)), axis=2)
    mask = tf.sign(tf.reduce_max(tf.abs(y), axis=2))
    entropy *= mask
    cost = tf.reduce_mean(tf.reduce_sum(entropy, axis=1) / tf.reduce_sum(mask, axis=1))
    labels = np.eye(5, dtype="f")[[[0, 3, 1], [2, 2, 0]]]
    labels[1, 2] = 0
    feeds = {x: fixed("losses logits", [2, 3, 5]), y: labels}
    return Program({"cost": cost, "entropy": entropy, **gradients_of(tf, [cost], {"x": x})}, feeds)


def _wrong(name: str, build: Callable[..., Any], *fragments: str) -> None:
    @case(f"wrong/{name}", must_fail=True, fragments=fragments)
    def program(tf: Any, np: Any) -> Program:
        build(tf, tf.ones([3, 4]))
        return Program()


_wrong("shapes", lambda tf, x: tf.losses.mean_squared_error(tf.ones([3, 5]), x), "are incompatible")
_wrong("labels-none", lambda tf, x: tf.losses.mean_squared_error(None, x), "must not be None")
_wrong("weights-rank", lambda tf, x: tf.losses.mean_squared_error(x, x, weights=tf.ones([2, 3, 4])))
_wrong("weights-shape", lambda tf, x: tf.losses.mean_squared_error(x, x, weights=tf.ones([2, 1])))
_wrong("reduction", lambda tf, x: tf.losses.mean_squared_error(x, x, reduction="average"))
_wrong("xent-shapes", lambda tf, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.ones([3, 5]), logits=x))
_wrong(
    "sparse-rank",
    lambda tf, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.zeros([3, 4], tf.int32), logits=x),
)
_wrong("sigmoid-shapes", lambda tf, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.ones([3, 1]), logits=x))
