"""``tf.nn``: losses over a few classes drawn by chance, for vocabularies too large for all of them."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1 import array_ops, math_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.embedding_ops import embedding_lookup
from dynrnn.tf1.nn_losses import sigmoid_cross_entropy_with_logits, softmax_cross_entropy_with_logits_v2
from dynrnn.tf1.ops.candidates import compute_accidental_hits, log_uniform_candidate_sampler
from dynrnn.tf1.ops.sparse_values import sparse_to_dense

__all__ = ["nce_loss", "sampled_softmax_loss"]


def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """The softmax cross entropy over the labels and a sample of the classes.

    The logit of a class c is ``inputs . weights[c] + biases[c] - log(expected count of c in the sample)``. The order of
    arguments of TensorFlow before 1.0, inputs before labels, is understood where only the labels are integers.

    Args:
        weights: [num_classes, D], or a list of parts of it.
        biases: [num_classes].
        labels: integers [B, num_true]; a row's labels share the probability 1.
        inputs: [B, D].
        num_sampled: number of classes to draw.
        num_classes: number of classes.
        num_true: labels in a row.
        sampled_values: what a sampler gave; by default that of ``log_uniform_candidate_sampler``, for classes in the
            order of their frequency.
        remove_accidental_hits: whether drawn classes that are labels of a row are left out there.
        partition_strategy: how parts of ``weights`` share the rows, as of ``embedding_lookup``.
        name: name scope.
        seed: of the sampler.

    Returns:
        The loss of each row, [B].

    Raises:
        TypeError: dtypes that do not fit.
        ValueError: shapes that do not fit.
    """
    logits, targets = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        partition_strategy,
        name,
        seed,
    )
    targets = array_ops.stop_gradient(targets, name="labels_stop_gradient")
    return softmax_cross_entropy_with_logits_v2(labels=targets, logits=logits)


def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:
    """Noise-contrastive estimation: for labels and drawn classes each, whether it is a label.

    Source: Gutmann and Hyvarinen, "Noise-contrastive estimation: A new estimation principle for unnormalized
    statistical models", 2010.

    The logits are those of :func:`sampled_softmax_loss`; the loss of a row is the sum of their sigmoid cross entropies,
    with 1 / num_true for labels and 0 for drawn classes. Arguments, result and errors are as there.
    """
    logits, targets = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        partition_strategy,
        name,
        None,
    )
    return _sum_rows(sigmoid_cross_entropy_with_logits(labels=targets, logits=logits, name="sampled_losses"))


def _sum_rows(x: Tensor) -> Tensor:
    """As a product with ones, after which TensorFlow's results are named."""
    ones = array_ops.ones(array_ops.stack([array_ops.shape(x)[1], 1]), x.dtype.base_dtype)
    return array_ops.reshape(math_ops.matmul(x, ones), [-1])


def _in_order(labels: Any, inputs: Any) -> tuple[Tensor, Tensor]:
    first, second = convert_to_tensor(labels, name="labels"), convert_to_tensor(inputs, name="inputs")
    if first.dtype.is_floating and second.dtype.is_integer:
        first, second = second, first
    return first, second


def _sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    remove_accidental_hits: bool,
    partition_strategy: str,
    name: str,
    seed: int | None,
) -> tuple[Tensor, Tensor]:
    """Logits and targets [B, num_true + num_sampled], the labels first."""
    parts = list(weights) if isinstance(weights, (list, tuple)) else [weights]
    with name_scope(name, "compute_sampled_logits", [*parts, biases, inputs, labels]):
        true, x = _in_order(labels, inputs)
        true = math_ops.cast(true, dtypes.int64)
        if sampled_values is None:
            sampled_values = log_uniform_candidate_sampler(true, num_true, num_sampled, True, num_classes, seed=seed)
        drawn, true_count, drawn_count = (array_ops.stop_gradient(value) for value in sampled_values)
        drawn = math_ops.cast(drawn, dtypes.int64)
        flat = array_ops.reshape(true, [-1])
        kind = x.dtype.base_dtype

        def rows_of(table: Any, ids: Tensor) -> Tensor:
            return math_ops.cast(embedding_lookup(table, ids, partition_strategy=partition_strategy), kind)

        width = x.shape[1].value if x.shape.ndims else None
        true_w = array_ops.reshape(
            rows_of(parts, flat), [-1, num_true, array_ops.shape(x)[1] if width is None else width]
        )
        true_logits = math_ops.reduce_sum(array_ops.expand_dims(x, 1) * true_w, 2)
        true_logits += array_ops.reshape(rows_of(biases, flat), [-1, num_true])
        drawn_logits = math_ops.matmul(x, rows_of(parts, drawn), transpose_b=True) + rows_of(biases, drawn)
        if remove_accidental_hits:
            drawn_logits += math_ops.cast(_without_hits(true, drawn, num_true, num_sampled), kind)
        true_logits -= math_ops.log(true_count)
        drawn_logits -= math_ops.log(drawn_count)
        targets = [array_ops.ones_like(true_logits) / num_true, array_ops.zeros_like(drawn_logits)]
        return array_ops.concat([true_logits, drawn_logits], 1), array_ops.concat(targets, 1)


def _without_hits(labels: Tensor, drawn: Tensor, num_true: int, num_sampled: int) -> Tensor:
    """What takes a row's own labels out of its drawn classes: the lowest number there, else 0."""
    rows, places, lowest = compute_accidental_hits(labels, drawn, num_true)
    where = array_ops.stack([rows, math_ops.cast(places, dtypes.int32)], 1)
    shape = array_ops.stack([array_ops.shape(labels)[0], num_sampled])
    return sparse_to_dense(where, shape, lowest, default_value=0.0, validate_indices=False)
