"""Datasets at run time: recipes for streams of elements, from which iterators are made again and again.

An element is a list of component values; a dataset, once it is made, does not change. Transformations are generators
over the generator below, so nothing is computed before it is asked for, and the streams need no threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import errors
from dynrnn.tf1.core.plan import body_program
from dynrnn.tf1.core.registry import register
from dynrnn.tf1.gfile import Glob
from dynrnn.tf1.queues.queues import fill_up
from dynrnn.tf1.queues.readers import fixed_records, text_lines
from dynrnn.tf1.records import compression_name, read_records

__all__ = ["RunDataset"]

Element = list[Any]


class RunDataset:
    """A dataset with the values of everything that it was made of.

    Args:
        make: gives a new stream of elements.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Iterator[Element]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Element]:
        return self._make()


def _dataset(op_type: str, **options: Any) -> Callable[[Any], Any]:
    """Decorator: the generator function, given a kernel's arguments, is the stream of the datasets of ``op_type``."""

    def decorate(stream: Callable[..., Iterator[Element]]) -> Any:
        def kernel(*args: Any, **attrs: Any) -> RunDataset:
            return RunDataset(lambda: stream(*args, **attrs))

        register(op_type, stateful=True, differentiable=False, **options)(kernel)
        return stream

    return decorate


def _string(value: Any) -> np.ndarray:
    result = np.empty([], object)
    result[()] = value
    return result


def item(value: Any, index: int) -> Any:
    """The slice of a value along its first dimension."""
    part = value[index]
    return part if isinstance(part, (torch.Tensor, np.ndarray)) else _string(part)


def stack(values: Sequence[Any]) -> Any:
    """Values of one shape along a new first dimension."""
    if isinstance(values[0], torch.Tensor):
        return torch.stack(list(values))
    result = np.empty((len(values), *values[0].shape), object)
    for index, value in enumerate(values):
        result[index] = value[()] if value.ndim == 0 else value
    return result


# --- sources ----------------------------------------------------------------------------------------------------------


def _kept(components: Sequence[Any], constant: Sequence[bool]) -> list[Any]:
    """Values that nobody changes later: what is fed is the program's own memory."""
    return [
        value if fixed else value.detach().clone() if isinstance(value, torch.Tensor) else value.copy()
        for value, fixed in zip(components, constant, strict=True)
    ]


@register("TensorDataset", stateful=True, differentiable=False)
def _tensors(*components: Any, constant: Sequence[bool]) -> RunDataset:
    kept = _kept(components, constant)
    return RunDataset(lambda: iter([list(kept)]))


@register("TensorSliceDataset", stateful=True, differentiable=False)
def _tensor_slices(*components: Any, constant: Sequence[bool]) -> RunDataset:
    kept = _kept(components, constant)
    return RunDataset(lambda: _slices(*kept))


def _slices(*components: Any) -> Iterator[Element]:
    sizes = {len(c) for c in components}
    if len(sizes) > 1:
        raise errors.InvalidArgumentError(
            None, None, f"All components must have the same first dimension, got {sorted(sizes)}"
        )
    for index in range(sizes.pop()):
        yield [item(c, index) for c in components]


@_dataset("RangeDataset")
def _range(start: Any, stop: Any, step: Any) -> Iterator[Element]:
    if int(step) == 0:
        raise errors.InvalidArgumentError(None, None, "step must be a non-zero integer.")
    for number in range(int(start), int(stop), int(step)):
        yield [torch.tensor(number)]


@_dataset("GeneratorDataset")
def _generated(*args: Any, generator: Callable[..., Any], convert: Callable[[Any], Element]) -> Iterator[Element]:
    arrays = [a.numpy() if isinstance(a, torch.Tensor) else a for a in args]
    try:
        stream = iter(generator(*[a[()] if a.ndim == 0 else a.copy() for a in arrays]))
    except Exception as error:
        raise _from_generator(error) from error
    while True:
        try:
            value = next(stream)
        except StopIteration:
            return
        except Exception as error:
            raise _from_generator(error) from error
        yield convert(value)


def _from_generator(error: Exception) -> errors.OpError:
    if isinstance(error, errors.OpError):
        return error
    kind = errors.InvalidArgumentError if isinstance(error, (TypeError, ValueError)) else errors.UnknownError
    return kind(None, None, f"{type(error).__name__}: {error}")


def _files(names: Any, *rest: Any) -> Iterator[str]:
    for name in np.asarray(names, object).ravel():
        yield os.fsdecode(name)


@_dataset("TextLineDataset")
def _text_lines(names: Any, compression: Any) -> Iterator[Element]:
    kind = compression_name(compression[()])
    for path in _files(names):
        for line in text_lines(path, kind):
            yield [_string(line)]


@_dataset("TFRecordDataset")
def _tf_records(names: Any, compression: Any) -> Iterator[Element]:
    kind = compression_name(compression[()])
    for path in _files(names):
        for record in read_records(path, kind):
            yield [_string(record)]


@_dataset("FixedLengthRecordDatasetV2")
def _fixed(names: Any, size: Any, header: Any, footer: Any) -> Iterator[Element]:
    for path in _files(names):
        for record in fixed_records(path, int(size), int(header), int(footer)):
            yield [_string(record)]


@register("MatchingFilesDataset", stateful=True, differentiable=False)
def _matching(patterns: np.ndarray) -> RunDataset:
    found = sorted({path for pattern in patterns.ravel() for path in Glob(os.fsdecode(pattern))})
    if not found:
        shown = ", ".join(os.fsdecode(p) for p in patterns.ravel())
        raise errors.InvalidArgumentError(None, None, f"No files matched pattern: {shown}")
    return RunDataset(lambda: ([_string(os.fsencode(path))] for path in found))


# --- element by element -----------------------------------------------------------------------------------------------


@_dataset("MapDataset", needs_run=True)
def _map(run: Any, source: RunDataset, *captured: Any, body: Any) -> Iterator[Element]:
    program = body_program(body)
    # unlike a generator, it goes on after a failure
    return map(lambda element: program(run, captured, element), source)


@_dataset("FilterDataset", needs_run=True)
def _filter(run: Any, source: RunDataset, *captured: Any, body: Any) -> Iterator[Element]:
    program = body_program(body)
    for element in source:
        keep = program(run, captured, element)[0]
        if keep.numel() != 1:
            raise errors.InvalidArgumentError(None, None, "Filter predicate `f` must return a scalar bool.")
        if bool(keep):
            yield element


@_dataset("FlatMapDataset", needs_run=True)
def _flat_map(run: Any, source: RunDataset, *captured: Any, body: Any) -> Iterator[Element]:
    program = body_program(body)
    for element in source:
        yield from program(run, captured, element)[0]


@_dataset("InterleaveDataset", needs_run=True)
def _interleave(run: Any, source: RunDataset, cycle: Any, block: Any, *captured: Any, body: Any) -> Iterator[Element]:
    program = body_program(body)
    outer = iter(source)
    open_streams: list[Iterator[Element] | None] = [None] * int(cycle)
    more = True
    while True:
        for place in range(len(open_streams)):
            stream = open_streams[place]
            if stream is None and more:
                element = next(outer, None)
                more = element is not None
                stream = None if element is None else iter(program(run, captured, element)[0])
            for _ in range(int(block)):
                if stream is None:
                    break
                value = next(stream, None)
                if value is None:
                    stream = None
                else:
                    yield value
            open_streams[place] = stream
        if not more and not any(open_streams):
            return


@_dataset("UnbatchDataset")
def _unbatch(source: RunDataset) -> Iterator[Element]:
    for element in source:
        yield from _slices(*element)


@_dataset("IgnoreErrorsDataset")
def _ignore_errors(source: RunDataset) -> Iterator[Element]:
    elements = iter(source)
    while True:
        try:
            element = next(elements, None)
        except errors.OpError:
            continue
        if element is None:
            return
        yield element


# --- batches ----------------------------------------------------------------------------------------------------------


def groups(source: Iterable[Element], size: int, drop: bool) -> Iterator[list[Element]]:
    """``size`` elements each, the last fewer unless ``drop``."""
    group: list[Element] = []
    for element in source:
        group.append(element)
        if len(group) == size:
            yield group
            group = []
    if group and not drop:
        yield group


def _positive(size: Any, what: str) -> int:
    if int(size) <= 0:
        raise errors.InvalidArgumentError(None, None, f"{what} must be greater than zero.")
    return int(size)


@register("BatchDatasetV2", stateful=True, differentiable=False)
def _batch(source: RunDataset, size: Any, drop: Any) -> RunDataset:
    count = _positive(size, "Batch size")
    return RunDataset(lambda: _batched(source, count, bool(drop)))


def _batched(source: RunDataset, size: int, drop: bool) -> Iterator[Element]:
    for group in groups(source, size, drop):
        for component in range(len(group[0])):
            first = tuple(group[0][component].shape)
            for index, element in enumerate(group):
                if tuple(element[component].shape) != first:
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        f"Cannot batch tensors with different shapes in component {component}. First element had shape "
                        f"{_brackets(first)} and element {index} had shape {_brackets(element[component].shape)}.",
                    )
        yield [stack([element[i] for element in group]) for i in range(len(group[0]))]


def _brackets(shape: Sequence[int]) -> str:
    return "[" + ",".join(str(n) for n in shape) + "]"


@register("PaddedBatchDatasetV2", stateful=True, differentiable=False)
def _padded_batch(source: RunDataset, size: Any, drop: Any, *rest: Any) -> RunDataset:
    count = _positive(size, "Batch size")
    half = len(rest) // 2
    shapes = [shape.tolist() for shape in rest[:half]]
    return RunDataset(lambda: _padded(source, count, bool(drop), shapes, rest[half:]))


def _padded(
    source: RunDataset, size: int, drop: bool, shapes: Sequence[list[int]], fillers: Sequence[Any]
) -> Iterator[Element]:
    for group in groups(source, size, drop):
        columns = []
        for component, (shape, filler) in enumerate(zip(shapes, fillers, strict=True)):
            values = [element[component] for element in group]
            sizes = _padded_sizes(values, shape, component)
            fill = filler[()] if isinstance(filler, np.ndarray) else filler.item()
            columns.append(stack([fill_up(value, sizes, fill) for value in values]))
        yield columns


def _padded_sizes(values: Sequence[Any], shape: list[int], component: int) -> list[int]:
    for value in values:
        if value.ndim != len(shape):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"All elements in a batch must have the same rank as the padded shape for component{component}: "
                f"expected rank {len(shape)} but got element with rank {value.ndim}",
            )
    sizes = []
    for axis, wanted in enumerate(shape):
        longest = max(value.shape[axis] for value in values)
        if 0 <= wanted < longest:
            raise errors.DataLossError(None, None, "Attempted to pad to a smaller size than the input element.")
        sizes.append(longest if wanted < 0 else wanted)
    return sizes


@_dataset("WindowDataset")
def _window(source: RunDataset, size: Any, shift: Any, stride: Any, drop: Any) -> Iterator[Element]:
    count, step, gap = (_positive(n, "Window size, shift and stride") for n in (size, shift, stride))
    reach = (count - 1) * gap + 1
    held: list[Element] = []
    skipped = 0
    for element in source:
        if skipped:
            skipped -= 1
            continue
        held.append(element)
        if len(held) == reach:
            yield _windows(held[::gap])
            skipped = max(0, step - reach)
            held = held[step:]
    while held and not bool(drop):
        yield _windows(held[:reach:gap])
        held = held[step:]


def _windows(elements: list[Element]) -> Element:
    return [_listed([[element[i]] for element in elements]) for i in range(len(elements[0]))]


def _listed(elements: list[Element]) -> RunDataset:
    return RunDataset(lambda: iter(elements))


@_dataset("GroupByWindowDataset", needs_run=True)
def _group_by_window(
    run: Any, source: RunDataset, *captured: Any, bodies: tuple[Any, Any, Any], splits: tuple[int, int]
) -> Iterator[Element]:
    first, second = splits
    parts = (captured[:first], captured[first : first + second], captured[first + second :])
    key_of, size_of, reduced = (
        lambda values, body=body, part=part: body_program(body)(run, part, values)
        for body, part in zip(bodies, parts, strict=True)
    )
    windows: dict[int, list[Element]] = {}
    sizes: dict[int, int] = {}
    for element in source:
        key = key_of(element)[0]
        number = int(key)
        if number not in sizes:
            sizes[number] = int(size_of([key])[0])
            if sizes[number] <= 0:
                raise errors.InvalidArgumentError(
                    None, None, f"Window size must be greater than zero, but got {sizes[number]}."
                )
        window = windows.setdefault(number, [])
        window.append(element)
        if len(window) == sizes[number]:
            del windows[number], sizes[number]
            yield from reduced([key, _listed(window)])[0]
    for number in sorted(windows):
        yield from reduced([torch.tensor(number), _listed(windows[number])])[0]


# --- the stream as a whole --------------------------------------------------------------------------------------------


@_dataset("ZipDataset")
def _zip(*sources: RunDataset) -> Iterator[Element]:
    for elements in zip(*sources, strict=False):
        yield [value for element in elements for value in element]


@_dataset("ConcatenateDataset")
def _concatenate(first: RunDataset, second: RunDataset) -> Iterator[Element]:
    yield from first
    yield from second


@_dataset("RepeatDataset")
def _repeat(source: RunDataset, count: Any) -> Iterator[Element]:
    left = int(count)
    while left != 0:
        empty = True
        for element in source:
            empty = False
            yield element
        if empty and left < 0:
            return
        left -= 1


@_dataset("TakeDataset")
def _take(source: RunDataset, count: Any) -> Iterator[Element]:
    left = int(count)
    if left == 0:
        return
    for element in source:
        yield element
        left -= 1
        if left == 0:
            return


@_dataset("SkipDataset")
def _skip(source: RunDataset, count: Any) -> Iterator[Element]:
    left = int(count)
    if left < 0:
        return
    for element in source:
        if left:
            left -= 1
        else:
            yield element


@_dataset("ShardDataset")
def _shard(source: RunDataset, count: Any, index: Any) -> Iterator[Element]:
    number, mine = int(count), int(index)
    if not 0 <= mine < number:
        raise errors.InvalidArgumentError(
            None, None, f"Index must be between 0 and {number - 1} (currently index = {mine})."
        )
    for place, element in enumerate(source):
        if place % number == mine:
            yield element


@_dataset("PrefetchDataset")
def _prefetch(source: RunDataset, size: Any) -> Iterator[Element]:
    yield from source


@register("CacheDataset", stateful=True, differentiable=False)
def _cache(source: RunDataset) -> RunDataset:
    kept: list[list[Element]] = []

    def stream() -> Iterator[Element]:
        if kept:
            yield from kept[0]
            return
        elements = []
        for element in source:
            elements.append(element)
            yield element
        kept.append(elements)

    return RunDataset(stream)


@register("ShuffleDataset", stateful=True, differentiable=False, needs_run=True)
def _shuffle(run: Any, source: RunDataset, size: Any, *, seeds: Any, key: Any, again: bool) -> RunDataset:
    buffer_size = int(size)
    if buffer_size <= 0:
        raise errors.InvalidArgumentError(None, None, "buffer_size must be greater than zero.")
    generator = run.generator(key, seeds)
    first = int(torch.randint(2**62, (), generator=generator))

    def stream() -> Iterator[Element]:
        order = torch.Generator()
        order.manual_seed(int(torch.randint(2**62, (), generator=generator)) if again else first)
        buffer: list[Element] = []
        for element in source:
            if len(buffer) < buffer_size:
                buffer.append(element)
                continue
            index = int(torch.randint(buffer_size, (), generator=order))
            taken, buffer[index] = buffer[index], element
            yield taken
        while buffer:
            index = int(torch.randint(len(buffer), (), generator=order))
            buffer[index], buffer[-1] = buffer[-1], buffer[index]
            yield buffer.pop()

    return RunDataset(stream)
