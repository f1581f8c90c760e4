"""``tf.losses``: every loss x weights x reduction against numpy, and the collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from nn_support import evaluate, value_and_gradients

import dynrnn.tf1 as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as current:
        yield current


def _log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def _huber(z: Any, x: Any) -> Any:
    error = np.abs(x - z)
    return np.where(error <= 1, error**2 / 2, error - 0.5)


REAL, OTHER = np.random.RandomState(0).randn(2, 3, 4).astype("f") * 1.5
BITS = (OTHER > 0).astype("f")
PROBABILITIES = 1 / (1 + np.exp(-REAL))
ONE_HOT = np.eye(4, dtype="f")[[2, 0, 3]]
CLASSES = np.array([2, 0, 3])

LOSSES: dict[str, tuple[Any, Any, Callable[[Any, Any], Any]]] = {
    "mean_squared_error": (OTHER, REAL, lambda z, x: (x - z) ** 2),
    "absolute_difference": (OTHER, REAL, lambda z, x: np.abs(x - z)),
    "huber_loss": (OTHER, REAL, _huber),
    "log_loss": (BITS, PROBABILITIES, lambda z, p: -z * np.log(p + 1e-7) - (1 - z) * np.log(1 - p + 1e-7)),
    "hinge_loss": (BITS, REAL, lambda z, x: np.maximum(0, 1 - (2 * z - 1) * x)),
    "sigmoid_cross_entropy": (BITS, REAL, lambda z, x: np.logaddexp(0, x) - x * z),
    "softmax_cross_entropy": (ONE_HOT, REAL, lambda z, x: -(z * _log_softmax(x)).sum(-1)),
    "sparse_softmax_cross_entropy": (CLASSES, REAL, lambda z, x: -_log_softmax(x)[np.arange(3), z]),
}
REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "NONE": lambda losses, w: losses * w,
    "SUM": lambda losses, w: (losses * w).sum(),
    "MEAN": lambda losses, w: (losses * w).sum() / w.sum() if w.sum() else 0,
    "SUM_OVER_BATCH_SIZE": lambda losses, w: (losses * w).mean(),
    "SUM_BY_NONZERO_WEIGHTS": lambda losses, w: (losses * w).sum() / (w != 0).sum() if w.any() else 0,
}


def _all_weights(rank: int) -> dict[str, Any]:
    shape = (3, 4)[:rank]
    ones = [1] * (rank - 1)
    return {
        "scalar": np.float32(0.5),
        "zero": np.float32(0),
        "rows": np.array([2.0, 0.0, 0.5], "f").reshape([3, *ones]),
        "broadcast": np.array([3.0], "f").reshape([1, *ones]),
        "elements": np.random.RandomState(1).randint(0, 3, shape).astype("f"),
        "none of them": np.zeros(shape, "f"),
        "integers": np.array([1, 0, 2]).reshape([3, *ones]),
    }


def _loss(name: str) -> Any:
    return getattr(tf.losses, name)


@pytest.mark.parametrize("fed", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weights", list(_all_weights(2)))
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, weights: str, reduction: str, fed: bool) -> None:
    labels, predictions, formula = LOSSES[name]
    losses = formula(labels, predictions.astype("float64"))
    weight = _all_weights(losses.ndim)[weights]
    want = REDUCTIONS[reduction](losses, np.broadcast_to(weight, losses.shape))

    def build(z: Any, x: Any, w: Any) -> Any:
        return _loss(name)(z, x, w if fed else weight, reduction=getattr(tf.losses.Reduction, reduction))

    got = evaluate(build, labels, predictions, weight)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_weight_0_leaves_neither_nan_nor_gradient(name: str) -> None:
    labels, predictions, _ = LOSSES[name]
    value, gradients = value_and_gradients(lambda z, x: _loss(name)(z, x, weights=0.0), labels, predictions)
    assert value == 0
    assert not gradients[-1].any()


def test_weight_0_hides_losses_that_are_not_finite() -> None:
    """The sum is NaN; it is divided by the number of weights other than 0, and a division by 0 gives 0."""
    losses = np.array([np.inf, np.nan, 1.0], "f")
    assert evaluate(lambda x: tf.losses.compute_weighted_loss(x, 0.0), losses) == 0
    assert evaluate(tf.losses.compute_weighted_loss, losses, np.array(0.0, "f")) == 0
    assert evaluate(tf.losses.compute_weighted_loss, losses, np.zeros(3, "f")) == 0


def test_the_older_name_of_a_reduction() -> None:
    assert tf.losses.Reduction.SUM_OVER_NONZERO_WEIGHTS == tf.losses.Reduction.SUM_BY_NONZERO_WEIGHTS
    with pytest.raises(ValueError, match="Invalid Reduction Key average"):
        tf.losses.mean_squared_error(tf.ones([2]), tf.ones([2]), reduction="average")


def test_label_smoothing() -> None:
    soft = ONE_HOT * 0.9 + 0.1 / 4
    got = evaluate(lambda z, x: tf.losses.softmax_cross_entropy(z, x, label_smoothing=0.1), ONE_HOT, REAL)
    assert got == pytest.approx(-(soft * _log_softmax(REAL)).sum(-1).mean(), rel=1e-5)
    soft = BITS * 0.9 + 0.05
    got = evaluate(lambda z, x: tf.losses.sigmoid_cross_entropy(z, x, label_smoothing=0.1), BITS, REAL)
    assert got == pytest.approx((np.logaddexp(0, REAL) - REAL * soft).mean(), rel=1e-5)


def test_softmax_loss_has_no_gradient_to_the_labels() -> None:
    _, (by_labels, by_logits) = value_and_gradients(tf.losses.softmax_cross_entropy, ONE_HOT, REAL)
    assert by_labels is None
    np.testing.assert_allclose(by_logits, (np.exp(_log_softmax(REAL)) - ONE_HOT) / 3, rtol=1e-4, atol=1e-7)


def test_huber_delta_and_log_epsilon() -> None:
    error = np.abs(REAL - OTHER)
    want = np.where(error <= 0.25, error**2 / 2, 0.25 * error - 0.25**2 / 2).mean()
    assert evaluate(lambda z, x: tf.losses.huber_loss(z, x, delta=0.25), OTHER, REAL) == pytest.approx(want, rel=1e-5)
    got = evaluate(lambda z, p: tf.losses.log_loss(z, p, epsilon=0.5), np.ones(1, "f"), np.zeros(1, "f"))
    assert got == pytest.approx(np.log(2), rel=1e-5)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cosine_distance(axis: int) -> None:
    a, b = (v / np.linalg.norm(v, axis=axis, keepdims=True) for v in (REAL, OTHER))
    want = 1 - (a * b).sum(axis).mean()
    assert evaluate(lambda a, b: tf.losses.cosine_distance(a, b, axis=axis), a, b) == pytest.approx(want, rel=1e-4)
    assert evaluate(lambda a, b: tf.losses.cosine_distance(a, b, dim=axis), a, b) == pytest.approx(want, rel=1e-4)
    with pytest.raises(ValueError, match="must specify 'axis'"):
        tf.losses.cosine_distance(tf.ones([2]), tf.ones([2]))


@pytest.mark.parametrize("shapes", [None, [None, None, None]])
def test_columns_of_labels_and_of_weights(shapes: Any) -> None:
    weights = np.array([[1.0], [0], [2]], "f")
    got = evaluate(tf.losses.sparse_softmax_cross_entropy, CLASSES[:, None], REAL, weights, shapes=shapes)
    want = evaluate(tf.losses.sparse_softmax_cross_entropy, CLASSES, REAL, weights[:, 0])
    assert got == pytest.approx(want)


def test_sequence_of_classes_under_a_mask() -> None:
    logits, labels = np.random.randn(2, 3, 4).astype("f"), np.array([[2, 0, 3], [1, 1, 0]])
    mask = np.array([[1, 1, 1], [1, 0, 0]], "f")
    losses = -np.take_along_axis(_log_softmax(logits), labels[..., None], -1)[..., 0]
    got = evaluate(
        lambda y, x: tf.losses.sparse_softmax_cross_entropy(y, x, tf.sequence_mask([3, 1], 3)), labels, logits
    )
    assert got == pytest.approx((losses * mask).sum() / 4, rel=1e-5)


# --- weights that do not fit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "message"),
    [([2], r"values.rank=2. weights.rank=1"), ([2, 3, 1], "weights.rank=3"), ([3, 1], "Mismatch at dim 0")],
)
def test_weights_that_cannot_be_broadcast(shape: list[int], message: str) -> None:
    x = np.ones([2, 3], "f")
    with pytest.raises(ValueError, match="can not be broadcast to values.*" + message):
        tf.losses.mean_squared_error(x, x, weights=np.ones(shape))
    with pytest.raises(tf.errors.InvalidArgumentError, match="can not be broadcast to values.*" + message):
        evaluate(tf.losses.mean_squared_error, x, x, np.ones(shape, "f"), shapes=[None, None, None])


@pytest.mark.parametrize("name", LOSSES)
def test_none_is_refused(name: str) -> None:
    labels, predictions, _ = LOSSES[name]
    with pytest.raises(ValueError, match="labels must not be None"):
        _loss(name)(None, predictions)
    with pytest.raises(ValueError, match=r"(predictions|logits) must not be None"):
        _loss(name)(labels, None)
    with pytest.raises(ValueError, match="None values not supported"):
        _loss(name)(labels, predictions, weights=None)


def test_shapes_that_differ() -> None:
    with pytest.raises(ValueError, match=r"not compatible|incompatible"):
        tf.losses.mean_squared_error(tf.ones([2, 4]), tf.ones([2, 3]))


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_cross_entropies_have_the_dtype_of_the_logits(dtype: str) -> None:
    for name in ("sigmoid_cross_entropy", "softmax_cross_entropy"):
        assert evaluate(_loss(name), ONE_HOT, REAL.astype(dtype)).dtype == dtype


def test_static_shapes() -> None:
    x = tf.placeholder(tf.float32, [None, 4])
    assert tf.losses.mean_squared_error(x, x).get_shape().as_list() == []
    none = tf.losses.Reduction.NONE
    assert tf.losses.mean_squared_error(x, x, reduction=none).get_shape().as_list() == [None, 4]
    assert tf.losses.mean_squared_error(x, x, tf.ones([3, 1]), reduction=none).get_shape().as_list() == [3, 4]


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("mean_squared_error", "mean_squared_error"),
        ("absolute_difference", "absolute_difference"),
        ("huber_loss", "huber_loss"),
        ("log_loss", "log_loss"),
        ("hinge_loss", "hinge_loss"),
        ("sigmoid_cross_entropy", "sigmoid_cross_entropy_loss"),
        ("softmax_cross_entropy", "softmax_cross_entropy_loss"),
        ("sparse_softmax_cross_entropy", "sparse_softmax_cross_entropy_loss"),
    ],
)
def test_names(name: str, scope: str) -> None:
    labels, predictions, _ = LOSSES[name]
    assert _loss(name)(labels, predictions).name == f"{scope}/value:0"
    assert _loss(name)(labels, predictions).name == f"{scope}_1/value:0"
    assert _loss(name)(labels, predictions, scope="mine").name == "mine/value:0"


# --- the collection ---------------------------------------------------------------------------------------------------


def test_collection_and_total() -> None:
    x = tf.constant([3.0])
    first = tf.losses.mean_squared_error([1.0], x)
    second = tf.losses.absolute_difference([1.0], x, scope="inner")
    tf.losses.mean_squared_error([0.0], x, loss_collection=None)
    elsewhere = tf.losses.mean_squared_error([0.0], x, loss_collection="elsewhere")
    by_hand = tf.constant(0.25)
    tf.losses.add_loss(by_hand)
    tf.get_variable("v", initializer=tf.constant([2.0]), regularizer=tf.nn.l2_loss)
    assert tf.losses.get_losses() == [first, second, by_hand]
    assert tf.losses.get_losses("inner") == [second]
    assert tf.losses.get_losses(loss_collection="elsewhere") == [elsewhere]
    totals = [
        tf.losses.get_total_loss(),
        tf.losses.get_total_loss(add_regularization_losses=False),
        tf.losses.get_regularization_loss(),
    ]
    assert [t.name for t in totals] == ["total_loss:0", "total_loss_1:0", "total_regularization_loss:0"]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(totals) == [4 + 2 + 0.25 + 2, 4 + 2 + 0.25, 2.0]


def test_without_any_losses() -> None:
    with tf.Session() as session:
        assert session.run(tf.losses.get_regularization_loss()) == 0.0
    with pytest.raises(ValueError, match="at least one Tensor"):
        tf.losses.get_total_loss()
