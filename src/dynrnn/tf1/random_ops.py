"""``tf.random_*``: random tensors.

Every operation has a stream of its own in each session, which its seeds fix: the operation's ``seed``, the graph's
(``tf.set_random_seed``), or both. With a graph seed alone an operation's stream also depends on its place in the graph,
as in TensorFlow. The streams are torch's, so the numbers are not TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from dynrnn.tf1.array_ops import _index_tensor
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.infer import constant_value_as_shape, same_as_first
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape

_DEFAULT_GRAPH_SEED = 87654321

Seeds = tuple[int | None, int | None]


def set_random_seed(seed: int | None) -> None:
    """The default graph's seed."""
    get_default_graph().seed = seed


def get_seed(op_seed: int | None) -> Seeds:
    """The two seeds of an operation made now; (None, None): not fixed."""
    graph = get_default_graph()
    if graph.seed is not None:
        return graph.seed, graph._last_id if op_seed is None else op_seed
    return (None, None) if op_seed is None else (_DEFAULT_GRAPH_SEED, op_seed)


def _infer_random(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["dtype"], constant_value_as_shape(inputs[0]))]


def _register_random(op_type: str) -> Any:
    return register(op_type, _infer_random, differentiable=False, stateful=True, needs_run=True)


def _key_attrs(seed: int | None) -> dict[str, Any]:
    # the key names the stream in a session: one per operation
    return {"seeds": get_seed(seed), "key": object()}


@_register_random("RandomUniform")
def _uniform(run: Any, shape: torch.Tensor, *, dtype: DType, seeds: Seeds, key: Any) -> torch.Tensor:
    return torch.rand(shape.tolist(), generator=run.generator(key, seeds), dtype=dtype.torch_dtype)


@_register_random("RandomUniformInt")
def _uniform_int(
    run: Any, shape: torch.Tensor, low: torch.Tensor, high: torch.Tensor, *, dtype: DType, seeds: Seeds, key: Any
) -> torch.Tensor:
    if int(low) >= int(high):
        raise ValueError(f"Need minval < maxval, got {int(low)} >= {int(high)}")
    return torch.randint(
        int(low), int(high), shape.tolist(), generator=run.generator(key, seeds), dtype=dtype.torch_dtype
    )


@_register_random("RandomStandardNormal")
def _normal(run: Any, shape: torch.Tensor, *, dtype: DType, seeds: Seeds, key: Any) -> torch.Tensor:
    return torch.randn(shape.tolist(), generator=run.generator(key, seeds), dtype=dtype.torch_dtype)


@_register_random("TruncatedNormal")
def _truncated(run: Any, shape: torch.Tensor, *, dtype: DType, seeds: Seeds, key: Any) -> torch.Tensor:
    result = torch.empty(shape.tolist(), dtype=dtype.torch_dtype)
    return torch.nn.init.trunc_normal_(result, a=-2.0, b=2.0, generator=run.generator(key, seeds))


def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Uniform in [minval, maxval); integers need ``maxval``."""
    kind = as_dtype(dtype).base_dtype
    if maxval is None:
        if kind.is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {kind!r}")
        maxval = 1
    with name_scope(name, "random_uniform") as scope:
        dims = _index_tensor(shape, "shape")
        if kind.is_integer:
            bounds = [convert_to_tensor(minval, kind), convert_to_tensor(maxval, kind)]
            return apply("RandomUniformInt", [dims, *bounds], scope, dtype=kind, **_key_attrs(seed))
        low, high = convert_to_tensor(minval, kind, name="min"), convert_to_tensor(maxval, kind, name="max")
        noise = apply("RandomUniform", [dims], None, dtype=kind, **_key_attrs(seed))
        return apply("Add", [noise * (high - low), low], scope)


def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normal with the given mean and standard deviation."""
    return _scaled("RandomStandardNormal", shape, mean, stddev, dtype, seed, name, "random_normal")


def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normal, but never further than two standard deviations from the mean."""
    return _scaled("TruncatedNormal", shape, mean, stddev, dtype, seed, name, "truncated_normal")


def _scaled(
    op_type: str, shape: Any, mean: Any, stddev: Any, dtype: Any, seed: int | None, name: str | None, default: str
) -> Tensor:
    kind = as_dtype(dtype).base_dtype
    with name_scope(name, default) as scope:
        dims = _index_tensor(shape, "shape")
        center, width = convert_to_tensor(mean, kind, name="mean"), convert_to_tensor(stddev, kind, name="stddev")
        noise = apply(op_type, [dims], None, dtype=kind, **_key_attrs(seed))
        return apply("Add", [noise * width, center], scope)


@register("RandomShuffle", same_as_first, stateful=True, needs_run=True)
def _shuffle(run: Any, value: torch.Tensor, *, seeds: Seeds, key: Any) -> torch.Tensor:
    order = torch.randperm(value.shape[0], generator=run.generator(key, seeds))
    return value[order]


def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The slices of the first dimension in random order."""
    return apply("RandomShuffle", [value], name, **_key_attrs(seed))


def _infer_multinomial(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(attrs["dtype"], TensorShape([inputs[0].shape[0], attrs["count"]]))]


@register("Multinomial", _infer_multinomial, differentiable=False, stateful=True, needs_run=True)
def _multinomial(
    run: Any, logits: torch.Tensor, *, count: int, dtype: DType, seeds: Seeds, key: Any
) -> torch.Tensor:
    probabilities = torch.softmax(logits.detach(), -1)
    drawn = torch.multinomial(probabilities, count, replacement=True, generator=run.generator(key, seeds))
    return drawn.to(dtype.torch_dtype)


def multinomial(
    logits: Any, num_samples: int, seed: int | None = None, name: str | None = None, output_dtype: Any = None
) -> Tensor:
    """``num_samples`` class numbers per row of unnormalised log probabilities [batch, classes]."""
    tensor = convert_to_tensor(logits)
    if tensor.shape.ndims not in (2, None):
        raise ValueError(f"Shape must be rank 2 but is rank {tensor.shape.ndims}")
    kind = dtypes.int64 if output_dtype is None else as_dtype(output_dtype)
    return apply("Multinomial", [tensor], name, count=int(num_samples), dtype=kind, **_key_attrs(seed))
