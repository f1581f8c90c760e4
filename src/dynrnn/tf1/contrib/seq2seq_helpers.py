"""``tf.contrib.seq2seq``: the helpers of `BasicDecoder`, which sample and say what a row is fed next."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from dynrnn import nest
from dynrnn.tf1 import array_ops, math_ops, random_ops
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.control_flow import cond
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.embedding_ops import embedding_lookup
from dynrnn.tf1.tensor_array import TensorArray

__all__ = [
    "CustomHelper",
    "GreedyEmbeddingHelper",
    "Helper",
    "InferenceHelper",
    "SampleEmbeddingHelper",
    "ScheduledEmbeddingTrainingHelper",
    "ScheduledOutputTrainingHelper",
    "TrainingHelper",
    "embedding_function",
    "end_of_sequence",
    "start_of_sequence",
]


class Helper(abc.ABC):
    """What `BasicDecoder` asks; programs derive their own from it."""

    @property
    def batch_size(self) -> Any:
        """The number of rows, int32 scalar."""
        raise NotImplementedError("batch_size has not been implemented")

    @property
    def sample_ids_shape(self) -> Any:
        """Shape of a row of the sample ids."""
        raise NotImplementedError("sample_ids_shape has not been implemented")

    @property
    def sample_ids_dtype(self) -> Any:
        """Dtype of the sample ids."""
        raise NotImplementedError("sample_ids_dtype has not been implemented")

    @abc.abstractmethod
    def initialize(self, name: str | None = None) -> Any:
        """``(finished, first_inputs)``."""

    @abc.abstractmethod
    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The sample ids."""

    @abc.abstractmethod
    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None) -> Any:
        """``(finished, next_inputs, next_state)``."""


class _Int32Ids(Helper):
    """A helper whose sample ids are int32 numbers."""

    @property
    def sample_ids_shape(self) -> TensorShape:
        """A scalar."""
        return TensorShape([])

    @property
    def sample_ids_dtype(self) -> Any:
        """int32."""
        return dtypes.int32


def _transposed(x: Tensor) -> Tensor:
    if x.shape.ndims is None or x.shape.ndims < 2:
        raise ValueError(f"Expected input tensor {x.name} to have rank at least 2, but saw shape: {x.shape}")
    return array_ops.transpose(x, [1, 0, *range(2, x.shape.ndims)])


def _array_of(x: Tensor) -> TensorArray:
    """Time-major ``x`` as one element per step."""
    return TensorArray(x.dtype.base_dtype, size=array_ops.shape(x)[0], element_shape=x.shape[1:]).unstack(x)


def _greedy(outputs: Any) -> Tensor:
    return math_ops.cast(math_ops.argmax(outputs, axis=-1), dtypes.int32)


def _drawn(logits: Tensor, seed: int | None) -> Tensor:
    """A number for each row of ``[B, V]``, with the probabilities ``softmax(logits)``."""
    ids = random_ops.multinomial(logits, 1, seed=seed, output_dtype=dtypes.int32)
    return array_ops.reshape(ids, [-1])


def embedding_function(embedding: Any) -> Callable[[Any], Any]:
    """``embedding`` itself if it can be called, else a lookup in it."""
    return embedding if callable(embedding) else lambda ids: embedding_lookup(embedding, ids)


def start_of_sequence(start_tokens: Any) -> Tensor:
    """The start tokens as an int32 vector."""
    tokens = convert_to_tensor(start_tokens, dtypes.int32, name="start_tokens")
    if tokens.shape.ndims != 1:
        raise ValueError("start_tokens must be a vector")
    return tokens


def end_of_sequence(end_token: Any) -> Tensor:
    """The end token as an int32 scalar."""
    token = convert_to_tensor(end_token, dtypes.int32, name="end_token")
    if token.shape.ndims != 0:
        raise ValueError("end_token must be a scalar")
    return token


class TrainingHelper(_Int32Ids):
    """Reads the inputs from a sequence.

    Args:
        inputs: ``[B, T, ...]``, or a nest of such.
        sequence_length: int32 vector.
        time_major: inputs are ``[T, B, ...]``.
        name: name scope.

    Raises:
        ValueError: ``sequence_length`` is no vector.
    """

    def __init__(self, inputs: Any, sequence_length: Any, time_major: bool = False, name: str | None = None) -> None:
        with name_scope(name, "TrainingHelper"):
            self._inputs = nest.map_structure(lambda x: convert_to_tensor(x, name="inputs"), inputs)
            self._time_major_inputs = self._inputs if time_major else nest.map_structure(_transposed, self._inputs)
            self._sequence_length = convert_to_tensor(sequence_length, name="sequence_length")
            if self._sequence_length.shape.ndims != 1:
                raise ValueError(
                    f"Expected sequence_length to be a vector, but received shape: {self._sequence_length.shape}"
                )
            self._lengths = math_ops.to_int32(self._sequence_length)
            self._zero_inputs = nest.map_structure(lambda x: array_ops.zeros_like(x[0]), self._time_major_inputs)
            self._batch_size = array_ops.size(self._sequence_length)
            self._arrays: Any = None

    @property
    def inputs(self) -> Any:
        """What the constructor was given."""
        return self._inputs

    @property
    def sequence_length(self) -> Tensor:
        """What the constructor was given."""
        return self._sequence_length

    @property
    def batch_size(self) -> Tensor:
        """The number of lengths."""
        return self._batch_size

    def initialize(self, name: str | None = None) -> Any:
        """Rows of length 0 are finished."""
        with name_scope(name, "TrainingHelperInitialize"):
            self._arrays = nest.map_structure(_array_of, self._time_major_inputs)
            finished = math_ops.equal(0, self._lengths)
            return finished, self._unless(math_ops.reduce_all(finished), 0)

    def _unless(self, all_finished: Tensor, time: Any) -> Any:
        """The inputs of a step, zeros if all rows are finished."""
        zeros, arrays = nest.flatten(self._zero_inputs), nest.flatten(self._arrays)
        flat = [_unless(all_finished, zero, array, time) for zero, array in zip(zeros, arrays, strict=True)]
        return nest.pack_as(self._zero_inputs, flat)

    def sample(self, time: Any, outputs: Any, state: Any = None, name: str | None = None, **unused: Any) -> Tensor:
        """The largest output."""
        with name_scope(name, "TrainingHelperSample"):
            return _greedy(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None, **unused: Any
    ) -> tuple[Any, Any, Any]:
        """What stands at ``time + 1``."""
        with name_scope(name, "TrainingHelperNextInputs"):
            following = convert_to_tensor(time, dtypes.int32) + 1
            finished = math_ops.greater_equal(following, self._lengths)
            return finished, self._unless(math_ops.reduce_all(finished), following), state


def _unless(all_finished: Tensor, zero: Tensor, array: TensorArray, time: Any) -> Tensor:
    tensor = cond(all_finished, lambda: zero, lambda: array.read(time))
    tensor.set_shape(zero.shape)
    return tensor


def _probability(value: Any) -> Tensor:
    probability = convert_to_tensor(value, name="sampling_probability")
    if probability.shape.ndims not in (0, 1):
        raise ValueError(f"sampling_probability must be either a scalar or a vector. saw shape: {probability.shape}")
    return probability


class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """A `TrainingHelper` that feeds, with some probability, the embedding of a sampled token.

    Sample ids are -1 elsewhere.

    Args:
        inputs, sequence_length, time_major, name: as of `TrainingHelper`.
        embedding: a function of ids, or what ``embedding_lookup`` takes.
        sampling_probability: float scalar or vector.
        seed: of the samples.
        scheduling_seed: of the choice.

    Raises:
        ValueError: ``sampling_probability`` is neither scalar nor vector.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        embedding: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        scheduling_seed: int | None = None,
        name: str | None = None,
    ) -> None:
        with name_scope(name, "ScheduledEmbeddingSamplingWrapper"):
            self._embedding_fn = embedding_function(embedding)
            self._sampling_probability = _probability(sampling_probability)
            self._seed, self._scheduling_seed = seed, scheduling_seed
            super().__init__(inputs, sequence_length, time_major, name)

    def sample(self, time: Any, outputs: Any, state: Any = None, name: str | None = None, **unused: Any) -> Tensor:
        """Sampled tokens, -1 where the input is read."""
        with name_scope(name, "ScheduledEmbeddingTrainingHelperSample"):
            noise = random_ops.random_uniform([self.batch_size], seed=self._scheduling_seed)
            chosen = math_ops.greater(self._sampling_probability, noise)
            return array_ops.where(
                chosen, _drawn(outputs, self._seed), array_ops.fill(array_ops.expand_dims(self.batch_size, 0), -1)
            )

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None, **unused: Any
    ) -> tuple[Any, Any, Any]:
        """Embeddings of the sampled tokens, in the other rows what stands at ``time + 1``."""
        with name_scope(name, "ScheduledEmbeddingTrainingHelperSample"):
            finished, base, state = super().next_inputs(time=time, outputs=outputs, state=state, name=name)
            embedded = self._embedding_fn(math_ops.maximum(sample_ids, 0))
            mixed = array_ops.where(math_ops.greater(sample_ids, -1), embedded, base)
            mixed.set_shape(base.shape)
            # nobody is fed what all finished rows would read
            return finished, cond(math_ops.reduce_all(finished), lambda: base, lambda: mixed), state


class ScheduledOutputTrainingHelper(TrainingHelper):
    """A `TrainingHelper` that feeds, with some probability, the outputs themselves. Sample ids are 1 there, else 0.

    Args:
        inputs, sequence_length, time_major, name: as of `TrainingHelper`.
        sampling_probability: float scalar or vector.
        seed: of the choice.
        next_inputs_fn: makes inputs of outputs; None feeds the outputs.
        auxiliary_inputs: joined to what is fed; like ``inputs`` but for the last dimension.

    Raises:
        ValueError: ``sampling_probability`` is neither scalar nor vector.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        next_inputs_fn: Callable[[Any], Any] | None = None,
        auxiliary_inputs: Any = None,
        name: str | None = None,
    ) -> None:
        with name_scope(name, "ScheduledOutputTrainingHelper"):
            self._sampling_probability = _probability(sampling_probability)
            self._auxiliary: Any = None
            if auxiliary_inputs is not None:
                auxiliary = convert_to_tensor(auxiliary_inputs, name="auxiliary_inputs")
                inputs = array_ops.concat([convert_to_tensor(inputs, name="inputs"), auxiliary], -1)
                self._auxiliary = auxiliary if time_major else _transposed(auxiliary)
            self._auxiliary_array: Any = None
            self._seed, self._next_inputs_fn = seed, next_inputs_fn
            super().__init__(inputs, sequence_length, time_major, name)

    def initialize(self, name: str | None = None) -> Any:
        """As of `TrainingHelper`."""
        if self._auxiliary is not None:
            self._auxiliary_array = _array_of(self._auxiliary)
        return super().initialize(name)

    def sample(self, time: Any, outputs: Any, state: Any = None, name: str | None = None, **unused: Any) -> Tensor:
        """1 in the rows that are fed their outputs."""
        with name_scope(name, "ScheduledOutputTrainingHelperSample"):
            noise = random_ops.random_uniform([self.batch_size], seed=self._seed)
            return math_ops.cast(math_ops.greater(self._sampling_probability, noise), dtypes.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None, **unused: Any
    ) -> tuple[Any, Any, Any]:
        """Outputs in the rows that are fed theirs, in the others what stands at ``time + 1``."""
        with name_scope(name, "ScheduledOutputTrainingHelperNextInputs"):
            finished, base, state = super().next_inputs(time=time, outputs=outputs, state=state, name=name)
            following = convert_to_tensor(time, dtypes.int32) + 1

            def mixed() -> Tensor:
                fed = outputs if self._next_inputs_fn is None else self._next_inputs_fn(outputs)
                if self._auxiliary_array is not None:
                    fed = array_ops.concat([fed, self._auxiliary_array.read(following)], -1)
                return array_ops.where(math_ops.cast(sample_ids, dtypes.bool_), fed, base)

            fed = cond(math_ops.reduce_all(finished), lambda: base, mixed)
            fed.set_shape(base.shape)
            return finished, fed, state


class GreedyEmbeddingHelper(_Int32Ids):
    """Feeds the embedding of the likeliest token; the end token finishes a row.

    Args:
        embedding: a function of ids, or what ``embedding_lookup`` takes.
        start_tokens: int32 vector.
        end_token: int32 scalar.

    Raises:
        ValueError: ``start_tokens`` is no vector or ``end_token`` no scalar.
    """

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens, self._end_token = start_of_sequence(start_tokens), end_of_sequence(end_token)
        self._batch_size = array_ops.size(self._start_tokens)
        self._start_inputs = self._embedding_fn(self._start_tokens)

    @property
    def batch_size(self) -> Tensor:
        """The number of start tokens."""
        return self._batch_size

    def initialize(self, name: str | None = None) -> Any:
        """Nobody is finished."""
        with name_scope(name, "GreedyEmbeddingHelperInitialize"):
            return array_ops.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """The largest output."""
        del time, state
        if not isinstance(outputs, Tensor):
            raise TypeError(f"Expected outputs to be a single Tensor, got: {type(outputs)}")
        return _greedy(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The embeddings of the sample ids."""
        del time, outputs
        finished = math_ops.equal(sample_ids, self._end_token)
        inputs = cond(math_ops.reduce_all(finished), lambda: self._start_inputs, lambda: self._embedding_fn(sample_ids))
        return finished, inputs, state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Feeds the embedding of a token drawn from ``softmax(outputs / softmax_temperature)``.

    Args:
        embedding, start_tokens, end_token: as of `GreedyEmbeddingHelper`.
        softmax_temperature: float scalar; None is 1.
        seed: of the draws.
    """

    def __init__(
        self,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        softmax_temperature: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._softmax_temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """A drawn token."""
        del time, state
        if not isinstance(outputs, Tensor):
            raise TypeError(f"Expected outputs to be a single Tensor, got: {type(outputs)}")
        logits = outputs if self._softmax_temperature is None else outputs / self._softmax_temperature
        return _drawn(logits, self._seed)


class InferenceHelper(Helper):
    """Feeds back what functions make of the outputs.

    Args:
        sample_fn: makes sample ids of outputs.
        sample_shape: shape of a row of the sample ids; None or [] for scalars.
        sample_dtype: their dtype.
        start_inputs: the first inputs.
        end_fn: says of sample ids who is finished.
        next_inputs_fn: makes inputs of sample ids; None feeds the sample ids.
    """

    def __init__(
        self,
        sample_fn: Callable[[Any], Any],
        sample_shape: Any,
        sample_dtype: Any,
        start_inputs: Any,
        end_fn: Callable[[Any], Any],
        next_inputs_fn: Callable[[Any], Any] | None = None,
    ) -> None:
        self._sample_fn, self._end_fn, self._next_inputs_fn = sample_fn, end_fn, next_inputs_fn
        self._sample_shape = TensorShape([] if sample_shape is None else sample_shape)
        self._sample_dtype = as_dtype(sample_dtype)
        self._start_inputs = convert_to_tensor(start_inputs, name="start_inputs")
        self._batch_size = array_ops.shape(self._start_inputs)[0]

    @property
    def batch_size(self) -> Tensor:
        """The rows of the first inputs."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """As given."""
        return self._sample_shape

    @property
    def sample_ids_dtype(self) -> Any:
        """As given."""
        return self._sample_dtype

    def initialize(self, name: str | None = None) -> Any:
        """Nobody is finished."""
        return array_ops.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """``sample_fn(outputs)``."""
        return self._sample_fn(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """What ``next_inputs_fn`` and ``end_fn`` say."""
        inputs = sample_ids if self._next_inputs_fn is None else self._next_inputs_fn(sample_ids)
        return self._end_fn(sample_ids), inputs, state


class CustomHelper(Helper):
    """A helper made of functions.

    Args:
        initialize_fn: ``() -> (finished, first_inputs)``.
        sample_fn: ``(time=, outputs=, state=) -> sample_ids``.
        next_inputs_fn: ``(time=, outputs=, state=, sample_ids=) -> (finished, next_inputs, next_state)``.
        sample_ids_shape: shape of a row of the sample ids; None for scalars.
        sample_ids_dtype: their dtype; None for int32.
    """

    def __init__(
        self,
        initialize_fn: Callable[[], Any],
        sample_fn: Callable[..., Any],
        next_inputs_fn: Callable[..., Any],
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn, self._sample_fn, self._next_inputs_fn = initialize_fn, sample_fn, next_inputs_fn
        self._batch_size: Any = None
        self._sample_ids_shape = TensorShape(sample_ids_shape or [])
        self._sample_ids_dtype = as_dtype(sample_ids_dtype or dtypes.int32)

    @property
    def batch_size(self) -> Any:
        """The number of flags that ``initialize_fn`` gave; ``ValueError`` before it was called."""
        if self._batch_size is None:
            raise ValueError("batch_size accessed before initialize was called")
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """As given."""
        return self._sample_ids_shape

    @property
    def sample_ids_dtype(self) -> Any:
        """As given."""
        return self._sample_ids_dtype

    def initialize(self, name: str | None = None) -> Any:
        """``initialize_fn()``."""
        with name_scope(name, f"{type(self).__name__}Initialize"):
            finished, inputs = self._initialize_fn()
            if self._batch_size is None:
                self._batch_size = array_ops.size(finished)
        return finished, inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """``sample_fn(...)``."""
        with name_scope(name, f"{type(self).__name__}Sample"):
            return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """``next_inputs_fn(...)``."""
        with name_scope(name, f"{type(self).__name__}NextInputs"):
            return self._next_inputs_fn(time=time, outputs=outputs, state=state, sample_ids=sample_ids)
