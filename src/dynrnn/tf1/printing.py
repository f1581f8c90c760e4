"""``tf.print``, an operation that prints, and ``tf.py_function``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

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
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
    if array.dtype == object:
        array = np.array([v.decode(errors="replace") for v in array.ravel()], dtype=object).reshape(array.shape)
    return _shown(array, summarize)


def _shown(array: Any, summarize: int) -> str:
    """As TensorFlow writes it: the first and last ``summarize`` elements of each dimension."""
    if array.ndim == 0:
        item = array[()]
        return (
            str(bool(item)).lower() if array.dtype == bool else f"{item}" if array.dtype.kind != "f" else f"{item:.6g}"
        )
    count = len(array)
    rows = range(count) if summarize < 0 or count <= 2 * summarize else [*range(summarize), None, *range(-summarize, 0)]
    parts = ["..." if i is None else _shown(array[i], summarize) for i in rows]
    return "[" + (" " if array.ndim == 1 else "\n ").join(part.replace("\n", "\n ") for part in parts) + "]"


@register("PrintV2", lambda inputs, attrs: [], differentiable=False, stateful=True)
def _print(*values: Any, parts: tuple[Any, ...], stream: Any, end: str, sep: str, summarize: int) -> tuple[()]:
    given = iter(values)
    text = sep.join(_text(next(given), summarize) if part is None else part for part in parts)
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
    parts = tuple(None if is_symbolic(part) else str(part) for part in inputs)
    tensors = [convert_to_tensor(part) for part in inputs if is_symbolic(part)]
    attrs = {
        "parts": parts,
        "stream": stream,
        "end": end,
        "sep": sep,
        "summarize": 3 if summarize is None else summarize,
    }
    return get_default_graph().create_op("PrintV2", tensors, attrs, name or "PrintV2")
