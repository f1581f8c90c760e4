"""``tf.assert_*``: conditions on values and on static properties of tensors.

Conditions on values are operations that fail with ``InvalidArgumentError``; where constants decide them, they fail
while the graph is built. Conditions on dtypes, and on ranks where they are known, are checked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.array_ops import rank as rank_of
from dynrnn.tf1.array_ops import reshape, shape
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.control_flow import no_op
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import Operation, name_scope
from dynrnn.tf1.core.infer import constant_value
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.debug_ops import Assert
from dynrnn.tf1.math_ops import (
    abs_,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    not_equal,
    reduce_all,
    reduce_any,
)

__all__ = [
    "assert_equal",
    "assert_greater",
    "assert_greater_equal",
    "assert_integer",
    "assert_less",
    "assert_less_equal",
    "assert_near",
    "assert_negative",
    "assert_non_negative",
    "assert_non_positive",
    "assert_none_equal",
    "assert_positive",
    "assert_proper_iterable",
    "assert_rank",
    "assert_rank_at_least",
    "assert_rank_in",
    "assert_same_float_dtype",
    "assert_scalar",
    "assert_type",
    "ensure_shape",
    "is_non_decreasing",
    "is_numeric_tensor",
    "is_strictly_increasing",
]

Condition = Callable[[Any, Any], Tensor]

# --- conditions on values ---------------------------------------------------------------------------------------------


def _checked(condition: Tensor, data: Sequence[Any], summarize: int | None) -> Operation:
    known = constant_value(condition)
    if known is not None and not bool(known):
        raise errors.InvalidArgumentError(None, None, "\n".join(_shown(item) for item in data))
    return Assert(condition, data, summarize=summarize)


def _shown(item: Any) -> str:
    value = constant_value(item) if isinstance(item, Tensor) else None
    return str(item) if value is None else str(value)


def _binary(function: str, sign: str, condition: Condition, holds: str) -> Callable[..., Operation]:
    def check(
        x: Any,
        y: Any,
        data: Any = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        with name_scope(name, function):
            a = convert_to_tensor(x, name="x")
            b = convert_to_tensor(y, a.dtype.base_dtype, name="y")
            if data is None:
                title = f"Condition x {sign} y did not hold element-wise:"
                data = [title, f"x ({a.name}) = ", a, f"y ({b.name}) = ", b]
            return _checked(reduce_all(condition(a, b)), ([] if message is None else [message]) + list(data), summarize)

    check.__name__ = check.__qualname__ = function
    check.__doc__ = f"""An operation that fails where not ``x {sign} y``, elementwise with broadcasting{holds}.

    Args:
        x, y: tensors of one dtype.
        data: what the message shows; by default x and y.
        summarize: how many entries of each.
        message: the beginning of the message.
        name: name scope.

    Raises:
        tf.errors.InvalidArgumentError: x and y are constants that do not fit.
    """
    return check


assert_equal = _binary("assert_equal", "==", equal, "; also the shapes must fit")
assert_none_equal = _binary("assert_none_equal", "!=", not_equal, "")
assert_less = _binary("assert_less", "<", less, "")
assert_less_equal = _binary("assert_less_equal", "<=", less_equal, "")
assert_greater = _binary("assert_greater", ">", greater, "")
assert_greater_equal = _binary("assert_greater_equal", ">=", greater_equal, "")


def _unary(function: str, sign: str, condition: Condition) -> Callable[..., Operation]:
    def check(
        x: Any, data: Any = None, summarize: int | None = None, message: str | None = None, name: str | None = None
    ) -> Operation:
        with name_scope(name, function):
            a = convert_to_tensor(x, name="x")
            if data is None:
                data = [message or "", f"Condition x {sign} 0 did not hold element-wise:", f"x ({a.name}) = ", a]
            zero = convert_to_tensor(0, a.dtype.base_dtype)
            return _checked(reduce_all(condition(a, zero)), list(data), summarize)

    check.__name__ = check.__qualname__ = function
    check.__doc__ = f"An operation that fails where not ``x {sign} 0``; arguments as those of :func:`assert_equal`."
    return check


assert_positive = _unary("assert_positive", ">", greater)
assert_negative = _unary("assert_negative", "<", less)
assert_non_negative = _unary("assert_non_negative", ">=", greater_equal)
assert_non_positive = _unary("assert_non_positive", "<=", less_equal)


def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails where ``|x - y| > atol + rtol * |y|``.

    Both tolerances are ten times the machine epsilon of the dtype by default; other arguments as those of
    :func:`assert_equal`.
    """
    with name_scope(name, "assert_near"):
        a = convert_to_tensor(x, name="x")
        b = convert_to_tensor(y, a.dtype.base_dtype, name="y")
        default = 10 * torch.finfo(a.dtype.torch_dtype).eps if a.dtype.is_floating else 0
        relative = convert_to_tensor(default if rtol is None else rtol, a.dtype.base_dtype, name="rtol")
        absolute = convert_to_tensor(default if atol is None else atol, a.dtype.base_dtype, name="atol")
        if data is None:
            title = f"x and y not equal to tolerance rtol = {relative}, atol = {absolute}"
            data = [message or "", title, f"x ({a.name}) = ", a, f"y ({b.name}) = ", b]
        return _checked(reduce_all(less(abs_(a - b), absolute + relative * abs_(b))), list(data), summarize)


# --- conditions on ranks and shapes -----------------------------------------------------------------------------------


def _static_rank(rank: Any) -> int | None:
    tensor = convert_to_tensor(rank, name="rank")
    if tensor.dtype.base_dtype is not dtypes.int32:
        raise TypeError(f"{tensor.name} must be of type tf.int32; got tf.{tensor.dtype.base_dtype.name}")
    if tensor.shape.ndims not in (0, None):
        raise ValueError("Rank must be a scalar.")
    value = constant_value(tensor)
    return None if value is None else int(value)


def _check_rank(
    x: Any,
    ranks: Sequence[Any],
    phrase: str,
    fits: Callable[[int, Sequence[int]], bool],
    condition: Callable[[Tensor, Tensor], Tensor],
    data: Any,
    summarize: int | None,
    message: str | None,
) -> Operation:
    tensor = convert_to_tensor(x, name="x")
    wanted = [_static_rank(r) for r in ranks]
    known = [r for r in wanted if r is not None]
    if tensor.shape.ndims is not None and len(known) == len(wanted):
        if not fits(tensor.shape.ndims, known):
            shown = str(known[0]) if phrase != "in" else str(tuple(known))
            head = "" if not message else f"{message}.  "
            raise ValueError(
                f"{head}Tensor {tensor.name} must have rank {phrase + ' ' if phrase else ''}{shown}.  "
                f"Received rank {tensor.shape.ndims}, shape {tensor.shape}"
            )
        return no_op("static_checks_determined_all_ok")
    if data is None:
        title = f"Tensor {tensor.name} must have rank {phrase}".rstrip()
        data = [message or "", title, *ranks, "Received shape: ", shape(tensor)]
    holds = condition(rank_of(tensor), convert_to_tensor(list(ranks), dtypes.int32))
    return _checked(reduce_any(holds), list(data), summarize)


def assert_rank(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails when ``x`` has not the rank ``rank``; ``ValueError`` at once where the rank is known."""
    with name_scope(name, "assert_rank"):
        return _check_rank(x, [rank], "", lambda n, r: n == r[0], equal, data, summarize, message)


def assert_rank_at_least(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails when ``x`` has a lower rank; ``ValueError`` at once where the rank is known."""
    with name_scope(name, "assert_rank_at_least"):
        return _check_rank(x, [rank], "at least", lambda n, r: n >= r[0], greater_equal, data, summarize, message)


def assert_rank_in(
    x: Any,
    ranks: Sequence[Any],
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails when ``x`` has none of the ranks; ``ValueError`` at once where the rank is known."""
    with name_scope(name, "assert_rank_in"):
        return _check_rank(x, list(ranks), "in", lambda n, r: n in r, equal, data, summarize, message)


def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """``tensor``; ``ValueError`` when it is known not to be a scalar."""
    with name_scope(name, "assert_scalar"):
        result = convert_to_tensor(tensor)
        if result.shape.ndims not in (0, None):
            head = f"{message}. " if message else ""
            raise ValueError(f"{head}Expected scalar shape for {result.name}, saw shape: {result.shape}.")
        return result


def _infer_ensure_shape(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    return [(inputs[0].dtype.base_dtype, inputs[0].shape.merge_with(attrs["shape"]))]


@register("EnsureShape", _infer_ensure_shape)
def _ensure_shape(value: Any, *, shape: TensorShape, of: str) -> Any:
    if not shape.is_compatible_with(tuple(value.shape)):
        wanted = "[" + ",".join(str(d) for d in shape) + "]"
        got = "[" + ",".join(str(d) for d in value.shape) + "]"
        raise ValueError(f"Shape of tensor {of} {got} is not compatible with expected shape {wanted}.")
    return value


def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """``x``, whose static shape is then ``shape``; at run time any other shape is an ``InvalidArgumentError``."""
    tensor = convert_to_tensor(x)
    return apply("EnsureShape", [tensor], name, shape=as_shape(shape), of=tensor.op.name)


# --- conditions on dtypes ---------------------------------------------------------------------------------------------


def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """``TypeError`` when ``x`` is not of an integer dtype."""
    with name_scope(name, "assert_integer"):
        tensor = convert_to_tensor(x, name="x")
        if not tensor.dtype.is_integer:
            head = f"{message}  " if message else ""
            raise TypeError(f'{head}Expected "x" to be integer type.  Found: {tensor.name} of dtype {tensor.dtype}')
        return no_op("statically_determined_was_integer")


def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Operation:
    """``TypeError`` when ``tensor`` is not of dtype ``tf_type``."""
    wanted = as_dtype(tf_type)
    with name_scope(name, "assert_type"):
        value = convert_to_tensor(tensor, name="tensor")
        if value.dtype.base_dtype is not wanted.base_dtype:
            head = f"{message}  " if message else ""
            raise TypeError(f"{head}{value.name} must be of type {wanted!r}; got {value.dtype.base_dtype!r}")
        return no_op("statically_determined_correct_type")


def assert_same_float_dtype(tensors: Sequence[Any] | None = None, dtype: Any = None) -> DType:
    """The one floating dtype of the tensors and ``dtype``; float32 when there is nothing.

    Raises:
        ValueError: different dtypes, or one that is not floating.
    """
    expected = None if dtype is None else as_dtype(dtype).base_dtype
    leader: Any = None
    for tensor in tensors or ():
        kind = tensor.dtype.base_dtype
        if expected is None:
            expected, leader = kind, tensor
        elif kind is not expected:
            of = f" as {leader.name}" if leader is not None else ""
            raise ValueError(f"{tensor.name}, type={kind}, must be of the same type ({expected}){of}.")
    if expected is None:
        return dtypes.float32
    if not expected.is_floating:
        raise ValueError(f"Expected floating point type, got {expected}.")
    return expected


def assert_proper_iterable(values: Any) -> None:
    """``TypeError`` for tensors, arrays, strings and whatever else is not meant to be iterated over."""
    if isinstance(values, (Tensor, Variable, np.ndarray, bytes, str)):
        raise TypeError(f'Expected argument "values" to be a "proper" iterable.  Found: {type(values)}')
    if not hasattr(values, "__iter__"):
        raise TypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


def is_numeric_tensor(tensor: Any) -> bool:
    """Whether it is a tensor of numbers."""
    if not isinstance(tensor, (Tensor, Variable)):
        return False
    dtype = tensor.dtype.base_dtype
    return dtype.is_floating or dtype.is_integer or dtype.is_complex


# --- order ------------------------------------------------------------------------------------------------------------


def _ordered(x: Any, name: str | None, default_name: str, condition: Condition) -> Tensor:
    with name_scope(name, default_name):
        flat = reshape(convert_to_tensor(x), [-1])
        if flat.dtype.base_dtype == dtypes.string:
            raise TypeError(f"Expected x to be numeric, instead found: {flat}")
        return reduce_all(condition(flat[:-1], flat[1:]))


def is_non_decreasing(x: Any, name: str | None = None) -> Tensor:
    """Whether no element is smaller than the one before it, in row-major order."""
    return _ordered(x, name, "is_non_decreasing", less_equal)


def is_strictly_increasing(x: Any, name: str | None = None) -> Tensor:
    """Whether every element is larger than the one before it, in row-major order."""
    return _ordered(x, name, "is_strictly_increasing", less)
