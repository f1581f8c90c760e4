"""``tf.nn.embedding_lookup_sparse``: the rows that a line of a sparse tensor names, combined into one."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1 import logging
from dynrnn.tf1.array_ops import concat, expand_dims, ones_like, reshape, shape, where, zeros_like
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.sparse_tensor import SparseTensor, sparse_argument
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.embedding_ops import embedding_lookup
from dynrnn.tf1.math_ops import cast, div_no_nan, greater, greater_equal, reduce_prod, sqrt, square
from dynrnn.tf1.ops.grouping import segment_sum
from dynrnn.tf1.sparse_ops import sparse_fill_empty_rows, sparse_reshape, sparse_retain

__all__ = ["embedding_lookup_sparse", "safe_embedding_lookup_sparse"]

_COMBINERS = ("mean", "sqrtn", "sum")


def _combiner(name: str | None) -> str:
    if name is None:
        logging.warning('The default value of combiner will change from "mean" to "sqrtn" after 2016/11/01.')
        return "mean"
    if name not in _COMBINERS:
        raise ValueError("combiner must be one of 'mean', 'sqrtn' or 'sum'")
    return name


def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
) -> Tensor:
    """For each line of ``sp_ids``, the weighted sum of the rows of ``params`` that it names, divided by a norm.

    Args:
        params: a tensor or variable [rows, ...], or a list of them that share the rows between them.
        sp_ids: a sparse tensor of integers [lines, any], in order; the last line needs an element.
        sp_weights: a sparse tensor of floats with the same places, or None: all weights are 1.
        partition_strategy: "mod" or "div", as of ``embedding_lookup``.
        name: name scope.
        combiner: "sum": no norm; "mean" (None too): the sum of the weights; "sqrtn": the root of the sum of
            their squares.
        max_norm: rows with a larger L2 norm are scaled down to it before they are combined.

    Returns:
        A tensor [lines, ...].

    Raises:
        TypeError: ids or weights that are not sparse.
        ValueError: no params, or an unknown combiner.
    """
    how = _combiner(combiner)
    ids = sparse_argument(sp_ids, "sp_ids must be SparseTensor")
    weights = None
    if sp_weights is not None:
        weights = sparse_argument(sp_weights, "sp_weights must be either None or SparseTensor")
        ids.values.shape.assert_is_compatible_with(weights.values.shape)
        ids.indices.shape.assert_is_compatible_with(weights.indices.shape)
    with name_scope(name, "embedding_lookup_sparse"):
        lines = cast(ids.indices[:, 0], dtypes.int32)
        rows = embedding_lookup(params, ids.values, partition_strategy=partition_strategy, max_norm=max_norm)
        if weights is None:
            # a count is the sum of weights that are all 1
            factors = ones_like(ids.values, dtype=rows.dtype.base_dtype)
        else:
            factors = cast(weights.values, rows.dtype.base_dtype)
        for _ in range(1, rows.shape.with_rank_at_least(1).ndims or 1):
            factors = expand_dims(factors, -1)
        total = segment_sum(rows if weights is None else rows * factors, lines)
        if how == "sum":
            return total
        norm = segment_sum(factors, lines) if how == "mean" else sqrt(segment_sum(square(factors), lines))
        # as in TensorFlow, a line that names nothing gives zeros
        return div_no_nan(total, norm)


def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: Any,
    sparse_weights: Any = None,
    combiner: str | None = "mean",
    default_id: int | None = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
) -> Tensor:
    """``embedding_lookup_sparse`` that leaves out invalid ids, and knows lines without one.

    Left out are negative ids and, unless ``combiner`` is "sum", those with a weight that is not positive.

    Args:
        embedding_weights: a tensor or variable [rows, size], or a list of them that share the rows between them.
        sparse_ids: a sparse tensor of integers [d_0, ..., d_n], n >= 1.
        sparse_weights: a sparse tensor of floats with the same places, or None: all weights are 1.
        combiner: "sum", "mean" (None too) or "sqrtn".
        default_id: the row for a line without a valid id; None: zeros.
        name: name scope.
        partition_strategy: "mod" or "div", as of ``embedding_lookup``.
        max_norm: rows with a larger L2 norm are scaled down to it before they are combined.

    Returns:
        A tensor [d_0, ..., d_(n-1), size].

    Raises:
        TypeError: ids or weights that are not sparse.
        ValueError: no embedding weights, or an unknown combiner.
    """
    tables = list(embedding_weights) if isinstance(embedding_weights, (list, tuple)) else [embedding_weights]
    if embedding_weights is None or not tables:
        raise ValueError(f"Missing embedding_weights {embedding_weights}.")
    how = _combiner(combiner)
    ids = sparse_argument(sparse_ids, "sparse_ids must be SparseTensor")
    weights = None
    if sparse_weights is not None:
        weights = sparse_argument(sparse_weights, "sparse_weights must be either None or SparseTensor")
    with name_scope(name, "embedding_lookup"):
        outer = ids.dense_shape[:-1]
        known = _outer_shape(ids)
        ids = sparse_reshape(ids, concat([reshape(reduce_prod(outer), [1]), ids.dense_shape[-1:]], 0))
        if weights is not None:
            weights = SparseTensor(ids.indices, weights.values, ids.dense_shape)
        ids, weights = _kept(ids, weights, lambda i, w: greater_equal(i, 0))
        if weights is not None and how != "sum":
            ids, weights = _kept(ids, weights, lambda i, w: greater(w, 0))
        ids, empty = sparse_fill_empty_rows(ids, convert_to_tensor(default_id or 0, ids.dtype.base_dtype))
        if weights is not None:
            weights, _ = sparse_fill_empty_rows(weights, convert_to_tensor(1.0, weights.dtype.base_dtype))
        found = embedding_lookup_sparse(
            tables, ids, weights, combiner=how, partition_strategy=partition_strategy, max_norm=max_norm
        )
        if default_id is None:
            found = where(empty, zeros_like(found), found)
        size = found.shape[1:]
        result = reshape(found, concat([cast(outer, dtypes.int32), shape(found)[1:]], 0))
        result.set_shape(known.concatenate(size))
        return result


def _outer_shape(ids: SparseTensor) -> TensorShape:
    sizes = constant_value(ids.dense_shape)
    if sizes is not None:
        return TensorShape([int(size) for size in sizes[:-1]])
    rank = ids.dense_shape.shape[0].value
    return TensorShape(None if rank is None else [None] * (rank - 1))


def _kept(ids: SparseTensor, weights: SparseTensor | None, test: Any) -> tuple[SparseTensor, SparseTensor | None]:
    keep = test(ids.values, None if weights is None else weights.values)
    return sparse_retain(ids, keep), None if weights is None else sparse_retain(weights, keep)
