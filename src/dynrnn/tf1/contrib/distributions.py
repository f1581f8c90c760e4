"""``tf.contrib.distributions`` (and ``tf.distributions``): Bernoulli, categorical, normal, uniform, and divergences.

Parameters are tensors whose leading dimensions are a batch of distributions; ``sample`` puts its shape before them.
``prob``, ``log_prob`` and their like take values that broadcast with the batch. Gradients flow to the parameters,
through samples of the normal and the uniform distribution too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dynrnn.tf1 import array_ops, math_ops, nn
from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.ops.sampling import multinomial, random_normal, random_uniform

__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal", "Uniform", "kl_divergence"]


class Distribution:
    """What all have; a class of its own gives ``_sample(n, seed)``, ``_log_prob``, ``_entropy``, ``_mean``, ..."""

    def __init__(self, dtype: Any, like: Tensor, name: str) -> None:
        self._dtype, self._like, self._name = as_dtype(dtype), like, name

    @property
    def dtype(self) -> DType:
        """The dtype of samples."""
        return self._dtype

    @property
    def name(self) -> str:
        """The name of the distribution."""
        return self._name

    @property
    def batch_shape(self) -> TensorShape:
        """The static shape of the batch."""
        return self._like.shape

    @property
    def event_shape(self) -> TensorShape:
        """The shape of one sample: a scalar."""
        return TensorShape([])

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape of the batch when the graph runs."""
        return array_ops.shape(self._like, name=name)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Samples of the shape ``sample_shape`` followed by that of the batch."""
        with name_scope(name):
            shape = convert_to_tensor(
                sample_shape if not isinstance(sample_shape, (tuple, list)) else list(sample_shape), dtypes.int32
            )
            shape = array_ops.reshape(shape, [-1])
            drawn = self._sample(math_ops.reduce_prod(shape), seed)
            result = array_ops.reshape(drawn, array_ops.concat([shape, array_ops.shape(self._like)], 0))
            known = isinstance(sample_shape, (tuple, list)) and all(isinstance(n, int) for n in sample_shape)
            if known and self._like.shape.ndims is not None:
                result.set_shape([*sample_shape, *self._like.shape.as_list()])
            return result

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the probability (density) of ``value``."""
        with name_scope(name):
            return self._log_prob(convert_to_tensor(value))

    def prob(self, value: Any, name: str = "prob") -> Tensor:
        """The probability (density) of ``value``."""
        with name_scope(name):
            return math_ops.exp(self._log_prob(convert_to_tensor(value)))

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy, in nats."""
        with name_scope(name):
            return self._entropy()

    def kl_divergence(self, other: Distribution, name: str = "kl_divergence") -> Tensor:
        """The divergence from this distribution to ``other``; see :func:`kl_divergence`."""
        return kl_divergence(self, other, name=name)

    def stddev(self, name: str = "stddev") -> Tensor:
        """The standard deviation."""
        with name_scope(name):
            return math_ops.sqrt(self.variance())

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    def variance(self, name: str = "variance") -> Tensor:
        """The variance."""
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    def _sample(self, n: Tensor, seed: int | None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no samples")

    def _log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no probabilities")

    def _entropy(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no entropy")


def _one_of(logits: Any, probs: Any) -> None:
    if (logits is None) == (probs is None):
        raise ValueError("Must pass probs or logits, but not both.")


class Bernoulli(Distribution):
    """1 with probability ``probs`` = sigmoid(``logits``), else 0.

    Raises:
        ValueError: both ``logits`` and ``probs``, or none.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Bernoulli",
    ) -> None:
        _one_of(logits, probs)
        if probs is None:
            self.logits = convert_to_tensor(logits)
            self.probs = math_ops.sigmoid(self.logits)
        else:
            self.probs = convert_to_tensor(probs)
            self.logits = math_ops.log(self.probs) - math_ops.log1p(-self.probs)
        super().__init__(dtype, self.probs, name)

    def _sample(self, n: Tensor, seed: int | None) -> Tensor:
        shape = array_ops.concat([array_ops.reshape(n, [1]), array_ops.shape(self.probs)], 0)
        draws = random_uniform(shape, seed=seed, dtype=self.probs.dtype)
        return math_ops.cast(math_ops.less(draws, self.probs), self.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        event = math_ops.cast(value, self.logits.dtype)
        logits = self.logits + array_ops.zeros_like(event)
        return -nn.sigmoid_cross_entropy_with_logits(labels=event + array_ops.zeros_like(logits), logits=logits)

    def _entropy(self) -> Tensor:
        return -self.logits * (math_ops.sigmoid(self.logits) - 1) + nn.softplus(-self.logits)

    def mean(self, name: str = "mean") -> Tensor:
        """The probability of 1."""
        return array_ops.identity(self.probs, name=name)

    def variance(self, name: str = "variance") -> Tensor:
        """``probs * (1 - probs)``."""
        return math_ops.multiply(self.probs, 1.0 - self.probs, name=name)

    def mode(self, name: str = "mode") -> Tensor:
        """1 where that is more probable than 0."""
        return math_ops.cast(self.probs > 0.5, self.dtype, name=name)


class Categorical(Distribution):
    """The number of a class; class ``i`` has probability ``probs[..., i]`` = softmax(``logits``).

    Raises:
        ValueError: both ``logits`` and ``probs``, or none; a scalar.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ) -> None:
        _one_of(logits, probs)
        if probs is None:
            self.logits = convert_to_tensor(logits)
            self.probs = nn.softmax(self.logits)
        else:
            self.probs = convert_to_tensor(probs)
            self.logits = math_ops.log(self.probs)
        if self.logits.shape.ndims == 0:
            raise ValueError("Argument `logits` must have rank at least 1.")
        super().__init__(dtype, self.logits[..., 0], name)

    @property
    def event_size(self) -> Any:
        """The number of classes."""
        known = self.logits.shape[-1].value
        return convert_to_tensor(known if known is not None else array_ops.shape(self.logits)[-1])

    def _sample(self, n: Tensor, seed: int | None) -> Tensor:
        rows = array_ops.reshape(self.logits, array_ops.stack([-1, self.event_size]))
        return math_ops.cast(array_ops.transpose(multinomial(rows, n, seed=seed)), self.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        numbers = math_ops.cast(value, dtypes.int32)
        # values and batch are brought to one shape
        shape = array_ops.broadcast_dynamic_shape(array_ops.shape(numbers), array_ops.shape(self._like))
        numbers = array_ops.broadcast_to(numbers, shape)
        scores = array_ops.broadcast_to(
            self.logits, array_ops.concat([shape, array_ops.reshape(self.event_size, [1])], 0)
        )
        return -nn.sparse_softmax_cross_entropy_with_logits(labels=numbers, logits=scores)

    def _entropy(self) -> Tensor:
        log_probs = nn.log_softmax(self.logits)
        probs = math_ops.exp(log_probs)
        terms = array_ops.where(probs > 0, probs * log_probs, array_ops.zeros_like(probs))
        return -math_ops.reduce_sum(terms, -1)

    def mode(self, name: str = "mode") -> Tensor:
        """The most probable class."""
        return math_ops.cast(math_ops.argmax(self.logits, -1), self.dtype, name=name)


class Normal(Distribution):
    """The normal distribution with mean ``loc`` and standard deviation ``scale``."""

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Normal"
    ) -> None:
        self.loc = convert_to_tensor(loc)
        self.scale = convert_to_tensor(scale, self.loc.dtype.base_dtype)
        super().__init__(self.loc.dtype.base_dtype, self.loc + array_ops.zeros_like(self.scale), name)

    def _sample(self, n: Tensor, seed: int | None) -> Tensor:
        shape = array_ops.concat([array_ops.reshape(n, [1]), array_ops.shape(self._like)], 0)
        return random_normal(shape, dtype=self.dtype, seed=seed) * self.scale + self.loc

    def _log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        return -0.5 * math_ops.square(z) - (0.5 * math.log(2 * math.pi) + math_ops.log(self.scale))

    def _entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + math_ops.log(self.scale * array_ops.ones_like(self.loc))

    def mean(self, name: str = "mean") -> Tensor:
        """``loc``."""
        return array_ops.identity(self._like, name=name)

    def variance(self, name: str = "variance") -> Tensor:
        """``scale ** 2``."""
        return math_ops.square(self.scale * array_ops.ones_like(self.loc), name=name)

    def mode(self, name: str = "mode") -> Tensor:
        """``loc``."""
        return self.mean(name)

    def cdf(self, value: Any, name: str = "cdf") -> Tensor:
        """The probability of less than ``value``."""
        z = (convert_to_tensor(value) - self.loc) / self.scale
        return math_ops.multiply(0.5, math_ops.erfc(-z / math.sqrt(2.0)), name=name)


class Uniform(Distribution):
    """The uniform distribution between ``low`` and ``high``."""

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ) -> None:
        self.low = convert_to_tensor(low)
        self.high = convert_to_tensor(high, self.low.dtype.base_dtype)
        super().__init__(self.low.dtype.base_dtype, self.low + array_ops.zeros_like(self.high), name)

    def _sample(self, n: Tensor, seed: int | None) -> Tensor:
        shape = array_ops.concat([array_ops.reshape(n, [1]), array_ops.shape(self._like)], 0)
        return self.low + random_uniform(shape, dtype=self.dtype, seed=seed) * (self.high - self.low)

    def _log_prob(self, value: Tensor) -> Tensor:
        density = math_ops.reciprocal(self.high - self.low) + array_ops.zeros_like(value)
        outside = math_ops.logical_or(value + array_ops.zeros_like(density) < self.low, value >= self.high)
        return math_ops.log(array_ops.where(outside, array_ops.zeros_like(density), density))

    def _entropy(self) -> Tensor:
        return math_ops.log(self.high - self.low)

    def mean(self, name: str = "mean") -> Tensor:
        """The middle."""
        return math_ops.divide(self.low + self.high, 2.0, name=name)

    def variance(self, name: str = "variance") -> Tensor:
        """``(high - low) ** 2 / 12``."""
        return math_ops.divide(math_ops.square(self.high - self.low), 12.0, name=name)


# --- divergences ------------------------------------------------------------------------------------------------------


def _of_normals(a: Any, b: Any) -> Tensor:
    ratio = math_ops.square(a.scale / b.scale)
    return math_ops.square(a.loc - b.loc) / (2.0 * math_ops.square(b.scale)) + 0.5 * (ratio - 1.0 - math_ops.log(ratio))


def _of_bernoullis(a: Any, b: Any) -> Tensor:
    one = a.probs * (nn.softplus(-b.logits) - nn.softplus(-a.logits))
    return one + (1.0 - a.probs) * (nn.softplus(b.logits) - nn.softplus(a.logits))


def _of_categoricals(a: Any, b: Any) -> Tensor:
    first, second = nn.log_softmax(a.logits), nn.log_softmax(b.logits)
    return math_ops.reduce_sum(math_ops.exp(first) * (first - second), -1)


_DIVERGENCES: dict[type, Callable[[Any, Any], Tensor]] = {
    Normal: _of_normals,
    Bernoulli: _of_bernoullis,
    Categorical: _of_categoricals,
}


def kl_divergence(
    distribution_a: Distribution, distribution_b: Distribution, allow_nan_stats: bool = True, name: str | None = None
) -> Tensor:
    """The Kullback-Leibler divergence: the mean under the first of the difference of both log probabilities.

    Raises:
        NotImplementedError: two distributions for which no formula is known.
    """
    for kind, formula in _DIVERGENCES.items():
        if isinstance(distribution_a, kind) and isinstance(distribution_b, kind):
            with name_scope(name, "KullbackLeibler"):
                return formula(distribution_a, distribution_b)
    raise NotImplementedError(
        f"No KL(distribution_a || distribution_b) registered for distribution_a type "
        f"{type(distribution_a).__name__} and distribution_b type {type(distribution_b).__name__}"
    )


__getattr__ = missing(__name__, globals())
