"""Attention mechanisms of ``tf.contrib.seq2seq``: those of :mod:`dynrnn.seq2seq` under TensorFlow's scopes and names.

The formulas are those of ``dynrnn.seq2seq``; here are variables, scopes, static shapes and TensorFlow's checks. As in
TensorFlow a mechanism makes the variable of its memory layer when it is constructed, in the scope that is current then,
and all others at its first call; names with an underscore are those that programs import to extend mechanisms.

What stands in the memory past its length, NaN too, is selected away, where TensorFlow multiplies by 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dynrnn import nest
from dynrnn.seq2seq import attention_scores as scores
from dynrnn.seq2seq.attention import incompatible_depths
from dynrnn.tf1 import array_ops, check_ops, init_ops, math_ops, nn_ops, random_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.core.variable_scope import get_variable, variable_scope
from dynrnn.tf1.layers_core import Dense, Layer

__all__ = [
    "AttentionMechanism",
    "BahdanauAttention",
    "BahdanauMonotonicAttention",
    "LuongAttention",
    "LuongMonotonicAttention",
    "hardmax",
    "monotonic_attention",
    "safe_cumprod",
    "size_of",
    "static_size",
    "zeros_of_rows",
]

ProbabilityFn = Callable[..., Any]


# --- functions --------------------------------------------------------------------------------------------------------


def hardmax(logits: Any, name: str | None = None) -> Tensor:
    """1 where the last axis of ``logits`` has its (first) largest element, 0 elsewhere."""
    with name_scope(name, "Hardmax", [logits]):
        tensor = convert_to_tensor(logits, name="logits")
        depth = size_of(tensor, -1)
        return array_ops.one_hot(math_ops.argmax(tensor, -1), depth, dtype=tensor.dtype.base_dtype)


def safe_cumprod(x: Any, *args: Any, **kwargs: Any) -> Tensor:
    """The cumulative product of ``x`` in log space; further arguments as of ``tf.cumsum``."""
    with name_scope(None, "SafeCumprod", [x]):
        kwargs.pop("name", None)
        return scores.safe_cumprod(convert_to_tensor(x, name="x"), *args, **kwargs)


def monotonic_attention(p_choose_i: Any, previous_attention: Any, mode: str) -> Tensor:
    """See :func:`dynrnn.seq2seq.monotonic_attention`."""
    p = convert_to_tensor(p_choose_i, name="p_choose_i")
    previous = convert_to_tensor(previous_attention, name="previous_attention")
    return scores.monotonic_attention(_known_by(p, previous), _known_by(previous, p), mode)


def _monotonic_probability_fn(
    score: Any, previous_alignments: Any, sigmoid_noise: float, mode: str, seed: int | None = None
) -> Tensor:
    """Alignments from scores; see :func:`dynrnn.seq2seq.attention_scores.monotonic_probabilities`."""
    noise = None
    if sigmoid_noise > 0:
        shape = array_ops.shape(score)
        noise = sigmoid_noise * random_ops.random_normal(shape, dtype=score.dtype.base_dtype, seed=seed)
    score, previous = _known_by(score, previous_alignments), _known_by(previous_alignments, score)
    return scores.monotonic_probabilities(score, previous, mode, noise)


def _known_by(tensor: Tensor, other: Tensor, axes: int = 2) -> Tensor:
    """``tensor`` with what is known of the first ``axes`` sizes of ``other``, which must be the same."""
    if tensor.shape.ndims is None or other.shape.ndims is None:
        return tensor
    known = TensorShape([*other.shape[:axes], *tensor.shape[axes:]])
    if not tensor.shape.is_compatible_with(known) or tensor.shape.merge_with(known) == tensor.shape:
        return tensor
    result = array_ops.identity(tensor)
    result.set_shape(known)
    return result


def _luong_score(query: Any, keys: Any, scale: Any, bias: Any = None) -> Tensor:
    """Score of a multiplicative mechanism; ``scale`` is the variable, or None."""
    depth, units = query.shape[-1], keys.shape[-1]
    if depth.value is None or depth.value != units.value:
        raise ValueError(incompatible_depths(query, depth, keys, units))
    query, keys = _known_by(query, keys, 1), _known_by(keys, query, 1)
    return scores.luong_score(query, keys, _value(scale), _value(bias))


def _bahdanau_score(
    processed_query: Any,
    keys: Any,
    attention_v: Any,
    attention_g: Any = None,
    attention_b: Any = None,
    bias: Any = None,
) -> Tensor:
    """Score of an additive mechanism, from its variables."""
    weights = map(_value, (attention_v, attention_g, attention_b, bias))
    query, keys = _known_by(processed_query, keys, 1), _known_by(keys, processed_query, 1)
    return scores.bahdanau_score(query, keys, *weights)


def _value(variable: Any) -> Tensor | None:
    return None if variable is None else convert_to_tensor(variable)


def _live(memory_sequence_length: Any, steps: Any) -> Tensor:
    """Which of the ``steps`` steps of each row there are; at run time lengths of 0 are an error."""
    message = "All values in memory_sequence_length must be greater than zero."
    with get_default_graph().control_dependencies([check_ops.assert_positive(memory_sequence_length, message=message)]):
        return array_ops.sequence_mask(memory_sequence_length, maxlen=steps)


def _maybe_mask_score(
    score: Any, memory_sequence_length: Any = None, memory_mask: Any = None, score_mask_value: Any = None
) -> Tensor:
    """``score`` with ``score_mask_value`` past the length, or where the mask is false."""
    if memory_sequence_length is not None and memory_mask is not None:
        raise ValueError("memory_sequence_length and memory_mask can't be provided at same time.")
    if memory_sequence_length is not None:
        memory_mask = _live(memory_sequence_length, size_of(score, 1))
    return scores.mask_score(score, memory_mask, -math.inf if score_mask_value is None else score_mask_value)


def _prepare_memory(
    memory: Any,
    memory_sequence_length: Any = None,
    memory_mask: Any = None,
    check_inner_dims_defined: bool = True,
) -> Any:
    """A memory, or a nest of them, that is 0 past its length, or where the mask is false."""
    memory = nest.map_structure(lambda m: convert_to_tensor(m, name="memory"), memory)
    if memory_sequence_length is not None and memory_mask is not None:
        raise ValueError("memory_sequence_length and memory_mask can't be provided at same time.")
    if check_inner_dims_defined:
        for part in nest.flatten(memory):
            if not part.shape[2:].is_fully_defined():
                raise ValueError(
                    f"Expected memory {part.name} to have fully defined inner dims, but saw shape: {part.shape}"
                )
    if memory_sequence_length is not None:
        lengths = convert_to_tensor(memory_sequence_length, name="memory_sequence_length")
        memory_mask = array_ops.sequence_mask(lengths, maxlen=size_of(nest.flatten(memory)[0], 1))
    if memory_mask is None:
        return memory
    return nest.map_structure(lambda part: scores.mask_memory(part, memory_mask), memory)


def size_of(tensor: Tensor, axis: int) -> Any:
    """One size of a tensor, an int where it is known."""
    static = tensor.shape[axis].value if tensor.shape.ndims is not None else None
    return array_ops.shape(tensor)[axis] if static is None else static


def static_size(size: Any) -> int | None:
    """The value of an int or a scalar tensor, None where only a run can tell."""
    known = constant_value(size) if isinstance(size, Tensor) else size
    return None if known is None else int(known)


def zeros_of_rows(batch_size: Any, size: Any, dtype: Any) -> Tensor:
    """Zeros [batch_size, size], of ints or scalar tensors."""
    sizes = [static_size(batch_size), static_size(size)]
    dims = [given if known is None else known for given, known in zip((batch_size, size), sizes, strict=True)]
    zeros = array_ops.zeros(dims, dtype)
    zeros.set_shape(sizes)
    return zeros


# --- mechanisms -------------------------------------------------------------------------------------------------------


class AttentionMechanism:
    """What an `AttentionWrapper` takes: ``alignments, next_state = mechanism(query, state=state)``.

    It has ``values`` [B, S, D], ``batch_size``, ``alignments_size``, ``state_size``, ``dtype``, and the methods
    ``initial_alignments(batch_size, dtype)`` and ``initial_state(batch_size, dtype)``.
    """

    @property
    def alignments_size(self) -> Any:
        """S."""
        raise NotImplementedError(f"{type(self).__name__} must define alignments_size")

    @property
    def state_size(self) -> Any:
        """Nest of sizes: what a row of the mechanism's state is."""
        raise NotImplementedError(f"{type(self).__name__} must define state_size")


class _BaseAttentionMechanism(AttentionMechanism):
    """What the mechanisms share: layers, memory, masking.

    Args:
        query_layer: a layer of ``tf.layers``, or None.
        memory: [B, S, D], the last dimension known.
        probability_fn: ``alignments = probability_fn(score, state)``.
        memory_sequence_length: B integers above 0, or None for S.
        memory_layer: a layer of ``tf.layers``, or None: keys are the values.
        check_inner_dims_defined: whether D must be known.
        score_mask_value: the score past the length; -inf when None.
        custom_key_value_fn: ``keys, values = custom_key_value_fn(keys, values)``.
        name: name scope.

    Raises:
        TypeError: a layer that is none, or a function that cannot be called.
        ValueError: D is not known.
        tf.errors.InvalidArgumentError: a length is 0 (at run time, unless it is a constant).
    """

    def __init__(
        self,
        query_layer: Any,
        memory: Any,
        probability_fn: ProbabilityFn,
        memory_sequence_length: Any = None,
        memory_layer: Any = None,
        check_inner_dims_defined: bool = True,
        score_mask_value: Any = None,
        custom_key_value_fn: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        name: str | None = None,
    ) -> None:
        for what, layer in (("query_layer", query_layer), ("memory_layer", memory_layer)):
            if layer is not None and not isinstance(layer, Layer):
                raise TypeError(f"{what} is not a Layer: {type(layer).__name__}")
        if not callable(probability_fn):
            raise TypeError(f"probability_fn must be callable, saw type: {type(probability_fn).__name__}")
        self._query_layer, self._memory_layer = query_layer, memory_layer
        mask_value = -math.inf if score_mask_value is None else score_mask_value
        with name_scope(name, "BaseAttentionMechanismInit", nest.flatten(memory)):
            self._values = _prepare_memory(
                memory, memory_sequence_length, check_inner_dims_defined=check_inner_dims_defined
            )
            self._keys = self._values if memory_layer is None else memory_layer(self._values)
            if custom_key_value_fn is not None:
                self._keys, self._values = custom_key_value_fn(self._keys, self._values)
            self._batch_size, self._alignments_size = size_of(self._keys, 0), size_of(self._keys, 1)
            mask = None
            if memory_sequence_length is not None:
                mask = _live(convert_to_tensor(memory_sequence_length), self._alignments_size)
        dtype = None if memory_layer is None else memory_layer.dtype
        self.dtype: DType = self._keys.dtype.base_dtype if dtype is None else dtype

        def probabilities(score: Any, state: Any) -> Any:
            return probability_fn(scores.mask_score(score, mask, mask_value), state)

        self._probability_fn = probabilities

    @property
    def memory_layer(self) -> Any:
        """The layer that makes keys, or None."""
        return self._memory_layer

    @property
    def query_layer(self) -> Any:
        """The layer that queries go through, or None."""
        return self._query_layer

    @property
    def values(self) -> Any:
        """[B, S, D], the memory, 0 past its length."""
        return self._values

    @property
    def keys(self) -> Any:
        """[B, S, N], what queries are compared with."""
        return self._keys

    @property
    def batch_size(self) -> Any:
        """B, an int where it is known."""
        return self._batch_size

    @property
    def alignments_size(self) -> Any:
        """S, an int where it is known."""
        return self._alignments_size

    @property
    def state_size(self) -> Any:
        """S: the state is the alignments."""
        return self._alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """The alignments before the first step: zeros [batch_size, S]."""
        return zeros_of_rows(batch_size, self._alignments_size, dtype)

    def initial_state(self, batch_size: Any, dtype: Any) -> Any:
        """The mechanism's state before the first step."""
        return self.initial_alignments(batch_size, dtype)

    # -- for the classes below -----------------------------------------------------------------------------------------

    _scope: str

    def _score(self, query: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(query, state)")

    def __call__(self, query: Any, state: Any) -> tuple[Any, Any]:
        """Look up the memory: query [B, Q], state [B, S] -> (alignments [B, S], next state)."""
        with variable_scope(None, self._scope, [query]):
            score = self._score(convert_to_tensor(query))
        alignments = self._probability_fn(score, state)
        return alignments, alignments


def _memory_layer(num_units: int, dtype: Any) -> Dense:
    return Dense(num_units, name="memory_layer", use_bias=False, dtype=as_dtype(dtype or dtypes.float32))


def _query_layer(num_units: int, dtype: Any) -> Dense:
    return Dense(num_units, name="query_layer", use_bias=False, dtype=as_dtype(dtype or dtypes.float32))


def _of_score(probability_fn: ProbabilityFn | None) -> ProbabilityFn:
    """A function of the score alone as one of score and state."""
    function = nn_ops.softmax if probability_fn is None else probability_fn
    if not callable(function):
        raise TypeError(f"probability_fn must be callable, saw type: {type(function).__name__}")
    return lambda score, _: function(score)


class LuongAttention(_BaseAttentionMechanism):
    """:class:`dynrnn.seq2seq.LuongAttention` in a graph.

    Variables: ``memory_layer/kernel``; with ``scale`` ``luong_attention/attention_g``.
    """

    _scope = "luong_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: ProbabilityFn | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "LuongAttention",
    ) -> None:
        super().__init__(
            None,
            memory,
            _of_score(probability_fn),
            memory_sequence_length,
            _memory_layer(num_units, dtype),
            score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn,
            name=name,
        )
        self._num_units, self._scale, self._name = num_units, scale, name

    def _score(self, query: Any) -> Any:
        g = None
        if self._scale:
            g = get_variable("attention_g", dtype=query.dtype.base_dtype, initializer=init_ops.Ones(), shape=())
        return _luong_score(query, self._keys, g, self._score_bias(query))

    def _score_bias(self, query: Any) -> Any:
        return None


class BahdanauAttention(_BaseAttentionMechanism):
    """:class:`dynrnn.seq2seq.BahdanauAttention` in a graph.

    Variables: ``memory_layer/kernel``; ``bahdanau_attention/query_layer/kernel``, ``bahdanau_attention/attention_v``,
    with ``normalize`` ``bahdanau_attention/attention_g`` and ``bahdanau_attention/attention_b``.
    """

    _scope = "bahdanau_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        probability_fn: ProbabilityFn | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "BahdanauAttention",
    ) -> None:
        super().__init__(
            _query_layer(num_units, dtype),
            memory,
            _of_score(probability_fn),
            memory_sequence_length,
            _memory_layer(num_units, dtype),
            score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn,
            name=name,
        )
        self._num_units, self._normalize, self._name = num_units, normalize, name

    def _score(self, query: Any) -> Any:
        processed = self.query_layer(query) if self.query_layer else query
        kind, units = processed.dtype.base_dtype, [self._num_units]
        v = get_variable("attention_v", units, dtype=kind)
        g = b = None
        if self._normalize:
            start = init_ops.Constant(math.sqrt(1.0 / self._num_units), kind)
            g = get_variable("attention_g", dtype=kind, initializer=start, shape=())
            b = get_variable("attention_b", units, dtype=kind, initializer=init_ops.Zeros())
        return _bahdanau_score(processed, self._keys, v, g, b, self._score_bias(query))

    def _score_bias(self, query: Any) -> Any:
        return None


class _BaseMonotonicAttentionMechanism(_BaseAttentionMechanism):
    """What the monotonic mechanisms share: alignments that begin at the first entry, and the bias of the score."""

    _score_bias_init: Any

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """The alignments before the first step: 1 at the first entry of the memory, [batch_size, S]."""
        sizes = [static_size(batch_size), static_size(self._alignments_size)]
        firsts = array_ops.zeros([batch_size], dtypes.int32)
        alignments = array_ops.one_hot(firsts, self._alignments_size, dtype=dtype)
        alignments.set_shape(sizes)
        return alignments

    def _score_bias(self, query: Any) -> Any:
        kind = query.dtype.base_dtype
        start = init_ops.Constant(self._score_bias_init, kind)
        return get_variable("attention_score_bias", dtype=kind, initializer=start, shape=())


def _monotonic(sigmoid_noise: float, mode: str, seed: int | None) -> ProbabilityFn:
    return lambda score, previous: _monotonic_probability_fn(score, previous, sigmoid_noise, mode, seed)


class BahdanauMonotonicAttention(_BaseMonotonicAttentionMechanism, BahdanauAttention):
    """:class:`dynrnn.seq2seq.BahdanauMonotonicAttention` in a graph.

    Variables: those of `BahdanauAttention` below ``bahdanau_monotonic_attention``, and ``attention_score_bias`` there.
    """

    _scope = "bahdanau_monotonic_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "BahdanauMonotonicAttention",
    ) -> None:
        _BaseAttentionMechanism.__init__(
            self,
            _query_layer(num_units, dtype),
            memory,
            _monotonic(sigmoid_noise, mode, sigmoid_noise_seed),
            memory_sequence_length,
            _memory_layer(num_units, dtype),
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._normalize, self._name = num_units, normalize, name
        self._score_bias_init = score_bias_init


class LuongMonotonicAttention(_BaseMonotonicAttentionMechanism, LuongAttention):
    """:class:`dynrnn.seq2seq.LuongMonotonicAttention` in a graph.

    Variables: those of `LuongAttention` below ``luong_monotonic_attention``, and ``attention_score_bias`` there.
    """

    _scope = "luong_monotonic_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "LuongMonotonicAttention",
    ) -> None:
        # TensorFlow gives it a query layer too, which it never calls
        _BaseAttentionMechanism.__init__(
            self,
            _query_layer(num_units, dtype),
            memory,
            _monotonic(sigmoid_noise, mode, sigmoid_noise_seed),
            memory_sequence_length,
            _memory_layer(num_units, dtype),
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._scale, self._name = num_units, scale, name
        self._score_bias_init = score_bias_init
