"""``tf.Assert``, ``tf.Print`` and ``tf.check_numerics``: looking at values while a graph runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.control_flow import with_dependencies
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import Operation, get_default_graph, name_scope
from dynrnn.tf1.core.infer import same_as_first
from dynrnn.tf1.core.registry import register
from dynrnn.tf1.core.tensor import Tensor

__all__ = ["Assert", "Print", "check_numerics", "summarize_value", "verify_tensor_all_finite"]

_DEFAULT_ENTRIES = 3


def _shortest(value: float, digits: int) -> str:
    """``value`` with ``digits`` significant digits, or with the few more that tell it from its neighbours."""
    kind = np.float32 if digits == 6 else np.float64
    text = f"{value:.{digits}g}"
    return text if kind(text) == kind(value) or value != value else f"{value:.{digits + (3 if digits == 6 else 2)}g}"


def _entry(item: Any, digits: int) -> str:
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    if isinstance(item, float):
        return _shortest(item, digits)
    return str(int(item)) if isinstance(item, (bool, int)) else str(item)


def summarize_value(value: Any, entries: int | None = None) -> str:
    """A value as TensorFlow shows it: ``1 2 3...``, ``[1 2][3 4]``; at most ``entries`` numbers, -1 for all."""
    limit = _DEFAULT_ENTRIES if entries is None else entries
    size = int(np.prod(value.shape, dtype=np.int64))
    limit = size if limit < 0 else limit
    digits = 15 if getattr(value, "dtype", None) == torch.float64 else 6
    flat = (value.detach() if isinstance(value, torch.Tensor) else value).reshape(-1)[:limit].tolist()
    texts = iter([_entry(item, digits) for item in flat])
    left = len(flat)

    def row(shape: Sequence[int], outermost: bool) -> str:
        nonlocal left
        if len(shape) == 1:
            count = min(shape[0], left)
            left -= count
            return " ".join(next(texts) for _ in range(count)) + ("..." if count < shape[0] and not outermost else "")
        parts = []
        for _ in range(shape[0]):
            if not left:
                break
            parts.append(f"[{row(shape[1:], False)}]")
        return "".join(parts)

    text = row(tuple(value.shape) or (1,), True)
    return text + ("..." if size > limit else "")


# --- Assert -----------------------------------------------------------------------------------------------------------


@register("Assert", lambda inputs, attrs: [], differentiable=False, stateful=True)
def _assert(condition: torch.Tensor, *data: Any, summarize: int | None) -> tuple[()]:
    if not bool(condition):
        shown = " ".join(f"[{summarize_value(value, summarize)}]" for value in data)
        raise ValueError(f"assertion failed: {shown}")
    return ()


def Assert(condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None) -> Operation:
    """An operation that fails with ``InvalidArgumentError`` when the scalar ``condition`` is False.

    It runs where something depends on it: fetch it, or use it in ``tf.control_dependencies``.

    Args:
        condition: boolean scalar.
        data: tensors and strings to show in the message.
        summarize: how many entries of each; 3 by default, -1 for all.
        name: name scope.
    """
    with name_scope(name, "Assert"):
        tensors = [convert_to_tensor(condition, dtypes.bool_), *(convert_to_tensor(d) for d in data)]
        return get_default_graph().create_op("Assert", tensors, {"summarize": summarize}, "Assert")


# --- Print ------------------------------------------------------------------------------------------------------------


@register("Print", same_as_first, stateful=True, needs_run=True)
def _print(run: Any, value: Any, *data: Any, message: str, first_n: int, summarize: int | None, key: Any) -> Any:
    if first_n >= 0:
        count = run.state.get(key, 0)
        if count >= first_n:
            return value
        run.state[key] = count + 1
    print(message + "".join(f"[{summarize_value(d, summarize)}]" for d in data), file=sys.stderr, flush=True)
    return value


def Print(
    input_: Any,
    data: Sequence[Any],
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """``input_``, which prints ``data`` on standard error whenever it is computed.

    Args:
        input_: the tensor handed on.
        data: tensors and strings to print.
        message: what comes before them.
        first_n: print only so many times in a session.
        summarize: how many entries of each; 3 by default, -1 for all.
        name: name of the operation.
    """
    return apply(
        "Print",
        [input_, *data],
        name,
        message=message or "",
        first_n=-1 if first_n is None else first_n,
        summarize=summarize,
        key=object(),
    )


# --- check_numerics ---------------------------------------------------------------------------------------------------


@register("CheckNumerics", same_as_first)
def _check_numerics(value: torch.Tensor, *, message: str) -> torch.Tensor:
    wrong = [kind for kind, found in (("Inf", value.isinf()), ("NaN", value.isnan())) if bool(found.any())]
    if wrong:
        raise ValueError(f"{message} : Tensor had {' and '.join(wrong)} values")
    return value


def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """``tensor``; an ``InvalidArgumentError`` with ``message`` when there is NaN or infinity in it."""
    return apply("CheckNumerics", [tensor], name, message=message)


def verify_tensor_all_finite(
    t: Any = None, msg: Any = None, name: str | None = None, x: Any = None, message: Any = None
) -> Tensor:
    """:func:`check_numerics` under its other name."""
    value = convert_to_tensor(t if x is None else x)
    with name_scope(name, "VerifyFinite"):
        return with_dependencies([check_numerics(value, str(msg if message is None else message))], value)
