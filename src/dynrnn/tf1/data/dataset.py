"""``tf.data.Dataset``: streams of elements, described in the graph.

A dataset is a tensor whose value is a recipe (:mod:`dynrnn.tf1.data.kernels`). Functions given to ``map`` and its like
are traced once, into a body of the graph, and run for each element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dynrnn import nest
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.control_flow import trace
from dynrnn.tf1.core.convert import argument, convert_to_tensor, make_value
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.operation import Body
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.data import kernels  # noqa: F401 - registers the operations
from dynrnn.tf1.data import structure as st
from dynrnn.tf1.data.padding import as_int64, as_static, filler, padded_shape, static_batch
from dynrnn.tf1.data.structure import Leaf
from dynrnn.tf1.ops.sampling import get_seed

__all__ = ["Dataset", "Options"]


def wrapped(value: Any) -> tuple[Tensor, Any] | None:
    """The tensor and structure of a dataset."""
    return (value.variant, value.structure) if isinstance(value, Dataset) else None


def unwrapped(structure: Any, tensors: Sequence[Tensor]) -> Any:
    """Tensors as an element for a function of the program."""
    leaves = [
        tensor if leaf.inner is None else Dataset(tensor, leaf.inner)
        for leaf, tensor in zip(st.flatten(structure), tensors, strict=True)
    ]
    return st.pack(structure, leaves)


def traced(function: Callable[..., Any], structure: Any, what: str, result: Callable[[Any], list[Tensor]]) -> Body:
    """``function`` of an element as a body; ``result`` makes tensors of what it returns."""
    if not callable(function):
        raise TypeError(f"{what} must be callable, got {function!r}")

    def body(*tensors: Tensor) -> list[Tensor]:
        element = unwrapped(structure, tensors)
        # a tuple's parts are the arguments; a namedtuple or dict is one
        return result(function(*element) if type(element) is tuple else function(element))

    graph = get_default_graph()
    # names inside do not count among those outside
    with graph.name_scope(what):
        return trace(graph, st.specs_of(structure), body)


def apply_body(op_type: str, inputs: Sequence[Any], body: Body) -> Tensor:
    """A dataset operation that runs a body."""
    return create(op_type, [*inputs, *body.captures], {"body": body}, body.dependencies)


def create(op_type: str, inputs: Sequence[Any], attrs: Any = None, after: Any = ()) -> Tensor:
    """A dataset operation; gives the tensor that stands for the dataset."""
    tensors = [item if isinstance(item, Tensor) else argument(item) for item in inputs]
    specs = [(dtypes.variant, TensorShape([]))]
    return get_default_graph().create_op(op_type, tensors, attrs, op_type, specs=specs, after=after).outputs[0]


class Dataset:
    """A stream of elements: tensors, or tuples and dicts of them. See the static methods for ways to make one.

    Args:
        variant: the tensor that stands for the dataset.
        structure: what the elements look like.
    """

    def __init__(self, variant: Tensor, structure: Any) -> None:
        self.variant = variant
        self.structure = structure

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def output_types(self) -> Any:
        """The types of the components of an element."""
        return st.types_of(self.structure)

    @property
    def output_shapes(self) -> Any:
        """What is known of their shapes."""
        return st.shapes_of(self.structure)

    @property
    def output_classes(self) -> Any:
        """Their classes."""
        return st.classes_of(self.structure)

    @property
    def _variant_tensor(self) -> Tensor:
        return self.variant

    def __repr__(self) -> str:
        return f"<DatasetV1Adapter shapes: {_shown(self.output_shapes)}, types: {_shown(self.output_types)}>"

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("__iter__() is only supported inside of tf.function or when eager execution is enabled.")

    def make_one_shot_iterator(self) -> Any:
        """An iterator that needs no initialiser and goes through the elements once.

        Raises:
            ValueError: the dataset depends on a placeholder or a variable.
        """
        from dynrnn.tf1.data.iterators import one_shot_iterator

        return one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Any:
        """An iterator that begins anew whenever its ``initializer`` is run."""
        from dynrnn.tf1.data.iterators import initializable_iterator

        return initializable_iterator(self)

    # --- sources ------------------------------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """One element: ``tensors``."""
        with name_scope("tensors"):
            structure, components = st.to_tensors(tensors, wrapped)
        return Dataset(create("TensorDataset", components, _constants(components)), structure)

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """The slices of ``tensors`` along the first dimension, which all have in common.

        Raises:
            ValueError: a scalar, or first dimensions that differ.
        """
        with name_scope("tensors"):
            structure, components = st.to_tensors(tensors, wrapped)
        if not components:
            raise ValueError("Must have at least one component, got an empty structure")
        size = TensorShape([None])[0]
        leaves = []
        for tensor in components:
            if tensor.shape.ndims == 0:
                raise ValueError("Unbatching a tensor is only supported for rank >= 1")
            if tensor.shape.ndims is not None:
                size = size.merge_with(tensor.shape[0])
            rest = TensorShape(None) if tensor.shape.ndims is None else tensor.shape[1:]
            leaves.append(Leaf(tensor.dtype.base_dtype, rest))
        return Dataset(create("TensorSliceDataset", components, _constants(components)), st.pack(structure, leaves))

    @staticmethod
    def from_generator(generator: Any, output_types: Any, output_shapes: Any = None, args: Any = None) -> Dataset:
        """The elements that ``generator(*args)`` yields, called anew for each pass.

        Args:
            generator: a function that gives an iterable.
            output_types: nest of the types of an element's components.
            output_shapes: nest of what is known of their shapes.
            args: tensors whose values it is called with.

        Raises:
            TypeError: it cannot be called.
            tf.errors.InvalidArgumentError: at run time, an element of other types, shapes or structure.
        """
        if not callable(generator):
            raise TypeError("`generator` must be callable.")
        structure = st.from_types(output_types, output_shapes)
        inputs = [convert_to_tensor(a) for a in (args or ())]
        attrs = {"generator": generator, "convert": lambda value: _yielded(value, structure)}
        return Dataset(create("GeneratorDataset", inputs, attrs), structure)

    @staticmethod
    def range(*args: Any) -> Dataset:
        """The integers of Python's ``range(*args)``, int64.

        Raises:
            ValueError: not one to three arguments.
        """
        if not 1 <= len(args) <= 3:
            raise ValueError(f"Invalid arguments to RangeDataset: {args}")
        start = args[0] if len(args) > 1 else 0
        stop = args[1] if len(args) > 1 else args[0]
        step = args[2] if len(args) > 2 else 1
        inputs = [as_int64(v, n) for v, n in ((start, "start"), (stop, "stop"), (step, "step"))]
        return Dataset(create("RangeDataset", inputs), Leaf(dtypes.int64, TensorShape([])))

    @staticmethod
    def zip(datasets: Any) -> Dataset:
        """Elements of several datasets side by side, as long as all have some.

        Raises:
            TypeError: something that is no dataset.
        """
        for dataset in nest.flatten(datasets) if not isinstance(datasets, list) else [datasets]:
            if not isinstance(dataset, Dataset):
                raise TypeError(
                    "The argument to `Dataset.zip()` must be a nested structure of `Dataset` objects. Nested "
                    f"structures do not support Python lists; please use a tuple instead. Got {dataset!r}."
                )
        parts = nest.flatten(datasets)
        structure = _joined(datasets)
        return Dataset(create("ZipDataset", [d.variant for d in parts]), structure)

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: int | None = None) -> Dataset:
        """The names of the files that match a pattern, or one of several.

        Args:
            file_pattern: string or strings.
            shuffle: False for sorted order; by default random order.
            seed: of the order.

        Raises:
            tf.errors.InvalidArgumentError: when it is initialised, no file matches.
        """
        with name_scope("list_files"):
            patterns = convert_to_tensor(file_pattern, dtypes.string, name="file_pattern")
            variant = create("MatchingFilesDataset", [patterns])
        made = Dataset(variant, Leaf(dtypes.string, TensorShape([])))
        return made if shuffle is False else made.shuffle(2**31, seed=seed)

    # --- element by element -------------------------------------------------------------------------------------------

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None) -> Dataset:
        """``map_func`` of each element.

        Args:
            map_func: takes the parts of a tuple as arguments, anything else as one; gives a nest of tensors.
            num_parallel_calls: accepted; elements are computed one by one.
        """
        found: list[Any] = []

        def result(value: Any) -> list[Tensor]:
            # a list is a tuple here: as tensors it would be stacked
            structure, tensors = st.to_tensors(tuple(value) if isinstance(value, list) else value, wrapped)
            found.append(structure)
            return tensors

        body = traced(map_func, self.structure, "Dataset_map", result)
        return Dataset(apply_body("MapDataset", [self.variant], body), found[0])

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements for which ``predicate``, a scalar bool, holds.

        Raises:
            ValueError: it gives something else.
        """

        def result(value: Any) -> list[Tensor]:
            tensor = convert_to_tensor(value)
            if tensor.dtype.base_dtype is not dtypes.bool_ or tensor.shape.ndims not in (0, None):
                raise ValueError(
                    f"`predicate` return type must be convertible to a scalar boolean tensor. Was {tensor}."
                )
            return [tensor]

        body = traced(predicate, self.structure, "Dataset_filter", result)
        return Dataset(apply_body("FilterDataset", [self.variant], body), self.structure)

    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """The elements of the datasets that ``map_func`` makes of each element, one after the other.

        Raises:
            TypeError: it gives no dataset.
        """
        body, inner = self._to_dataset(map_func, "Dataset_flat_map")
        return Dataset(apply_body("FlatMapDataset", [self.variant], body), inner)

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: Any = None,
        block_length: Any = 1,
        num_parallel_calls: Any = None,
    ) -> Dataset:
        """The elements of the datasets that ``map_func`` makes, of several of them in turn.

        Args:
            map_func: makes a dataset of an element.
            cycle_length: how many of them take turns.
            block_length: how many elements each gives in its turn.
            num_parallel_calls: accepted; elements are computed one by one.

        Raises:
            TypeError: it gives no dataset.
        """
        cycle = 1 if cycle_length is None or (isinstance(cycle_length, int) and cycle_length < 1) else cycle_length
        body, inner = self._to_dataset(map_func, "Dataset_interleave")
        inputs = [self.variant, as_int64(cycle, "cycle_length"), as_int64(block_length, "block_length")]
        return Dataset(apply_body("InterleaveDataset", inputs, body), inner)

    def _to_dataset(self, function: Callable[..., Any], what: str) -> tuple[Body, Any]:
        found: list[Any] = []

        def result(value: Any) -> list[Tensor]:
            if not isinstance(value, Dataset):
                raise TypeError(f"`map_func` must return a `Dataset` object. Got {type(value)}")
            found.append(value.structure)
            return [value.variant]

        body = traced(function, self.structure, what, result)
        return body, found[0]

    def unbatch(self) -> Dataset:
        """The slices of each element along its first dimension."""
        leaves = [
            Leaf(leaf.dtype, TensorShape(None) if leaf.shape.ndims is None else leaf.shape[1:])
            for leaf in st.flatten(self.structure)
        ]
        return Dataset(create("UnbatchDataset", [self.variant]), st.pack(self.structure, leaves))

    def enumerate(self, start: Any = 0) -> Dataset:
        """The elements with their numbers."""
        return Dataset.zip((Dataset.range(start, np.iinfo(np.int64).max), self))

    # --- batches ------------------------------------------------------------------------------------------------------

    def batch(self, batch_size: Any, drop_remainder: Any = False) -> Dataset:
        """``batch_size`` elements at a time, stacked.

        Args:
            batch_size: how many.
            drop_remainder: leave out a last batch of fewer.

        Raises:
            tf.errors.InvalidArgumentError: at run time, elements of different shapes.
        """
        size, drop = as_int64(batch_size, "batch_size"), _flag(drop_remainder)
        first = static_batch(size, drop)
        leaves = [Leaf(leaf.dtype, TensorShape([first]).concatenate(leaf.shape)) for leaf in st.flatten(self.structure)]
        return Dataset(create("BatchDatasetV2", [self.variant, size, drop]), st.pack(self.structure, leaves))

    def padded_batch(
        self, batch_size: Any, padded_shapes: Any = None, padding_values: Any = None, drop_remainder: Any = False
    ) -> Dataset:
        """``batch_size`` elements at a time, filled up to one shape and stacked.

        Args:
            batch_size: how many.
            padded_shapes: nest of shapes to fill up to; None or -1: to the largest in the batch. By default the shapes
                of the elements.
            padding_values: nest of what to fill with; by default 0, or empty strings.
            drop_remainder: leave out a last batch of fewer.

        Raises:
            ValueError: shapes that do not fit the elements.
            TypeError: a padding value of another type.
            tf.errors.DataLossError: at run time, an element that is larger than the shape.
        """
        given = self.output_shapes if padded_shapes is None else padded_shapes
        shapes = st.map_up_to(self.structure, padded_shape, given, "padded_shapes")
        leaves = st.flatten(self.structure)
        if padding_values is None:
            fillers = [filler(leaf, None) for leaf in leaves]
        elif len(leaves) > 1 and not nest.is_nested(padding_values):
            fillers = [filler(leaf, padding_values) for leaf in leaves]
        else:
            fillers = st.map_up_to(self.structure, filler, padding_values, "padding_values")
        size, drop = (
            as_int64(batch_size, "batch_size"),
            _flag(drop_remainder),
        )
        variant = create("PaddedBatchDatasetV2", [self.variant, size, drop, *shapes, *fillers])
        first = static_batch(size, drop)
        padded = [
            Leaf(leaf.dtype, TensorShape([first]).concatenate(as_static(shape)))
            for leaf, shape in zip(leaves, shapes, strict=True)
        ]
        return Dataset(variant, st.pack(self.structure, padded))

    def window(self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: Any = False) -> Dataset:
        """Datasets of ``size`` elements each, which begin ``shift`` elements apart.

        Args:
            size: elements of a window.
            shift: from the beginning of one to that of the next; by default ``size``.
            stride: of the elements within it.
            drop_remainder: leave out windows of fewer.
        """
        inputs = [as_int64(v, "n") for v in (size, size if shift is None else shift, stride)]
        inputs.append(_flag(drop_remainder))
        leaves = [Leaf(dtypes.variant, TensorShape([]), leaf) for leaf in st.flatten(self.structure)]
        return Dataset(create("WindowDataset", [self.variant, *inputs]), st.pack(self.structure, leaves))

    # --- the stream as a whole ----------------------------------------------------------------------------------------

    def concatenate(self, dataset: Dataset) -> Dataset:
        """The elements of this one, then those of ``dataset``.

        Raises:
            TypeError: elements of other types.
        """
        if self.output_types != dataset.output_types:
            raise TypeError(
                f"Two datasets to concatenate have different types {self.output_types} and {dataset.output_types}"
            )
        pairs = zip(st.flatten(self.structure), st.flatten(dataset.structure), strict=True)
        leaves = [Leaf(a.dtype, _common(a.shape, b.shape), a.inner) for a, b in pairs]
        variant = create("ConcatenateDataset", [self.variant, dataset.variant])
        return Dataset(variant, st.pack(self.structure, leaves))

    def repeat(self, count: Any = None) -> Dataset:
        """The elements ``count`` times; without end for None or -1."""
        return self._same("RepeatDataset", as_int64(-1 if count is None else count, "count"))

    def shuffle(
        self, buffer_size: Any, seed: int | None = None, reshuffle_each_iteration: bool | None = None
    ) -> Dataset:
        """The elements in random order, each drawn from the next ``buffer_size``.

        Args:
            buffer_size: how many.
            seed: of the order.
            reshuffle_each_iteration: False: the same order in each pass.
        """
        attrs = {"seeds": get_seed(seed), "key": object(), "again": reshuffle_each_iteration is not False}
        variant = create("ShuffleDataset", [self.variant, as_int64(buffer_size, "buffer_size")], attrs)
        return Dataset(variant, self.structure)

    def take(self, count: Any) -> Dataset:
        """The first ``count`` elements; all for -1."""
        return self._same("TakeDataset", as_int64(count, "count"))

    def skip(self, count: Any) -> Dataset:
        """All but the first ``count`` elements; none for -1."""
        return self._same("SkipDataset", as_int64(count, "count"))

    def shard(self, num_shards: Any, index: Any) -> Dataset:
        """Every ``num_shards``-th element, beginning at ``index``.

        Raises:
            ValueError: an index that is none of them.
        """
        if isinstance(num_shards, int) and isinstance(index, int):
            if num_shards < 1:
                raise ValueError(f"num_shards must be >= 1; got {num_shards}")
            if not 0 <= index < num_shards:
                raise ValueError(f"index must be >= 0 and < num_shards; got {index} and {num_shards}")
        return self._same("ShardDataset", as_int64(num_shards, "num_shards"), as_int64(index, "index"))

    def prefetch(self, buffer_size: Any) -> Dataset:
        """The same elements; they are computed when they are asked for."""
        return self._same("PrefetchDataset", as_int64(-1 if buffer_size is None else buffer_size, "buffer_size"))

    def cache(self, filename: Any = "") -> Dataset:
        """The same elements, kept in memory after the first whole pass.

        Raises:
            NotImplementedError: a file to keep them in.
        """
        if isinstance(filename, Tensor) or filename:
            raise NotImplementedError("Dataset.cache(filename) is not available in dynrnn; leave filename out")
        return self._same("CacheDataset")

    def _same(self, op_type: str, *inputs: Any) -> Dataset:
        return Dataset(create(op_type, [self.variant, *inputs]), self.structure)

    def apply(self, transformation_func: Callable[[Dataset], Any]) -> Any:
        """``transformation_func`` of this dataset.

        Raises:
            TypeError: it gives no dataset.
        """
        made = transformation_func(self)
        if not isinstance(made, Dataset):
            raise TypeError(f"`transformation_func` must return a Dataset. Got {made}.")
        return made

    def with_options(self, options: Any) -> Dataset:
        """The same elements; options concern TensorFlow's own runtime."""
        return self

    def options(self) -> Any:
        """Options with their defaults."""
        return Options()


class Options:
    """Options of datasets: accepted, without effect."""

    def __init__(self) -> None:
        self.__dict__["experimental_optimization"] = _AnyOptions()
        self.__dict__["experimental_threading"] = _AnyOptions()
        self.__dict__["experimental_distribute"] = _AnyOptions()

    def merge(self, options: Any) -> Options:
        """These options."""
        return self


class _AnyOptions:
    """Options of any name."""


# --- helpers ----------------------------------------------------------------------------------------------------------


def _shown(structure: Any) -> str:
    """A nest as TensorFlow prints it."""
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(structure[key])}" for key in structure) + "}"
    if isinstance(structure, tuple):
        return "(" + ", ".join(_shown(part) for part in structure) + ")"
    return str(structure) if isinstance(structure, TensorShape) else repr(structure)


def _joined(datasets: Any) -> Any:
    """The structure of elements side by side."""
    if isinstance(datasets, Dataset):
        return datasets.structure
    if isinstance(datasets, Mapping):
        return {key: _joined(value) for key, value in datasets.items()}
    parts = [_joined(part) for part in datasets]
    return type(datasets)(*parts) if hasattr(datasets, "_fields") else tuple(parts)


def _constants(components: Sequence[Tensor]) -> dict[str, Any]:
    return {"constant": tuple(tensor.op.type == "Const" for tensor in components)}


def _flag(drop_remainder: Any) -> Tensor:
    return convert_to_tensor(drop_remainder, dtypes.bool_, name="drop_remainder")


def _common(a: TensorShape, b: TensorShape) -> TensorShape:
    """What is known of both."""
    if a.ndims is None or a.ndims != b.ndims:
        return TensorShape(None)
    return TensorShape([x if x == y else None for x, y in zip(a.as_list(), b.as_list(), strict=True)])


def _yielded(value: Any, structure: Any) -> list[Any]:
    """What a generator yields as component values."""

    def convert(leaf: Leaf, part: Any) -> Any:
        try:
            is_text = leaf.dtype is dtypes.string
            made = make_value(part if is_text else np.asarray(part, leaf.dtype.as_numpy_dtype), leaf.dtype)
        except (TypeError, ValueError):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"TypeError: `generator` yielded an element that could not be converted to the expected type. The "
                f"expected type was {leaf.dtype.name}, but the yielded element was {part}.",
            ) from None
        if not leaf.shape.is_compatible_with(tuple(made.shape)):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"ValueError: `generator` yielded an element of shape {tuple(made.shape)} where an element of shape "
                f"{leaf.shape} was expected.",
            )
        return made

    # in what a generator yields a list may stand for a tuple
    if isinstance(structure, tuple) and isinstance(value, list):
        value = tuple(value)
    try:
        return st.map_up_to(structure, convert, value, "element")
    except ValueError:
        raise errors.InvalidArgumentError(
            None,
            None,
            "TypeError: `generator` yielded an element that did not match the expected structure. The expected "
            f"structure was {st.types_of(structure)}, but the yielded element was {value}.",
        ) from None
