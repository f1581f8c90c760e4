"""``tf.print``: an operation that prints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dynrnn import nest
from dynrnn.tf1.core.build import is_symbolic
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import Operation, get_default_graph
from dynrnn.tf1.core.registry import register
from dynrnn.tf1.logging import error as log_error
from dynrnn.tf1.logging import info as log_info
from dynrnn.tf1.logging import warn as log_warn

__all__ = ["print_v2"]

_LOGS: dict[str, Callable[[str], Any]] = {
    "tf.logging.info": log_info,
    "tf.logging.warning": log_warn,
    "tf.logging.error": log_error,
}


def _text(value: Any, summarize: int) -> str:
    return _shown(value.detach().numpy() if isinstance(value, torch.Tensor) else value, summarize)


def _shown(array: Any, summarize: int) -> str:
    """As TensorFlow writes it: the first and last ``summarize`` elements of each dimension."""
    if array.ndim == 0:
        return _element(array[()], array.dtype.kind)
    count = len(array)
    rows = range(count) if summarize < 0 or count <= 2 * summarize else [*range(summarize), None, *range(-summarize, 0)]
    parts = ["..." if i is None else _shown(np.asarray(array[i], array.dtype), summarize) for i in rows]
    between = "\n" * (array.ndim - 1) + " "
    return "[" + between.join(part.replace("\n ", "\n  ") for part in parts) + "]"


def _element(item: Any, kind: str) -> str:
    if kind == "O":
        return f'"{item.decode(errors="replace")}"'
    if kind == "b":
        return "1" if item else "0"
    if kind != "f":
        return str(item)
    few, many = (15, 17) if item.dtype == np.float64 else (6, 9)
    short = f"{item:.{few}g}"
    # as few digits as give the number back
    return short if np.isnan(item) or item.dtype.type(short) == item else f"{item:.{many}g}"


class _Place:
    """Where the text of a tensor goes, in the text of a list or dict."""

    def __repr__(self) -> str:
        return _MARK


_MARK = "\0"


@register("PrintV2", lambda inputs, attrs: [], differentiable=False, stateful=True)
def _print(*values: Any, template: str, stream: Any, end: str, summarize: int) -> tuple[()]:
    first, *rest = template.split(_MARK)
    text = first + "".join(_text(value, summarize) + more for value, more in zip(values, rest, strict=True))
    if isinstance(stream, str) and stream in _LOGS:
        _LOGS[stream](text)
    elif isinstance(stream, str) and stream.startswith("file://"):
        with open(stream[len("file://") :], "a", encoding="utf-8") as file:
            file.write(text + end)
    else:
        print(text, end=end, file=sys.stdout if stream in ("stdout", sys.stdout) else sys.stderr, flush=True)
    return ()


def print_v2(*inputs: Any, **kwargs: Any) -> Operation:
    """An operation that prints ``inputs`` whenever it runs.

    Args:
        inputs: tensors, and anything else as ``str`` writes it.
        kwargs: ``output_stream`` (standard error by default; ``sys.stdout``, ``"file://PATH"`` or one of the
            ``tf.logging`` functions), ``summarize`` (3), ``sep`` (a blank), ``end`` (a new line), ``name``.

    Raises:
        ValueError: another keyword, or another stream.
    """
    stream = kwargs.pop("output_stream", sys.stderr)
    name, summarize = kwargs.pop("name", None), kwargs.pop("summarize", 3)
    sep, end = kwargs.pop("sep", " "), kwargs.pop("end", "\n")
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments for tf.print: {sorted(kwargs)}")
    for label, function in _LOGS.items():
        stream = label if stream is function else stream
    known = stream in (sys.stdout, sys.stderr, "stdout", "stderr", *_LOGS)
    if not known and not (isinstance(stream, str) and stream.startswith("file://")):
        raise ValueError(f"Unknown output stream {stream!r}: expected sys.stdout, sys.stderr or 'file://PATH'")
    tensors: list[Any] = []

    def part(value: Any) -> Any:
        if not is_symbolic(value):
            return value
        tensors.append(convert_to_tensor(value))
        return _Place()

    texts = [str(nest.map_structure(part, item)) for item in inputs]
    attrs = {"template": sep.join(texts), "stream": stream, "end": end, "summarize": summarize or 3}
    return get_default_graph().create_op("PrintV2", tensors, attrs, name or "PrintV2")
