"""Learning rates that fall with the global step (``tf.train.exponential_decay`` and its like).

Each function builds a scalar tensor; give it to an optimizer as the learning rate. ``s`` is the global step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from dynrnn.tf1.array_ops import stack
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import is_symbolic
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.indexing import gather, where
from dynrnn.tf1.math_ops import (
    add,
    cast,
    ceil,
    cos,
    equal,
    exp,
    floor,
    greater,
    minimum,
    multiply,
    negative,
    pow_,
    reduce_sum,
    subtract,
    truediv,
)

__all__ = [
    "cosine_decay",
    "exponential_decay",
    "inverse_time_decay",
    "natural_exp_decay",
    "piecewise_constant",
    "piecewise_constant_decay",
    "polynomial_decay",
]


def _start(function: str, learning_rate: Any, global_step: Any) -> tuple[Tensor, Callable[[Any], Tensor]]:
    """The initial rate as a tensor, and what converts the other numbers to its dtype."""
    if global_step is None:
        raise ValueError(f"global_step is required for {function}.")
    rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
    dtype = rate.dtype.base_dtype
    if not dtype.is_floating:
        raise TypeError(f"learning_rate of {function} must be floating, got dtype {dtype.name}")
    return rate, lambda value: _as(value, dtype)


def _as(value: Any, dtype: DType) -> Tensor:
    return cast(convert_to_tensor(value), dtype) if is_symbolic(value) else convert_to_tensor(value, dtype)


def _periods(global_step: Any, decay_steps: Any, staircase: bool, as_rate: Callable[[Any], Tensor]) -> Tensor:
    passed = truediv(as_rate(global_step), as_rate(decay_steps))
    return floor(passed) if staircase else passed


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate * decay_rate ^ (s / decay_steps)``; with ``staircase`` the exponent is rounded down.

    Raises:
        ValueError: ``global_step`` is None.
    """
    with name_scope(name, "ExponentialDecay") as scope:
        rate, as_rate = _start("exponential_decay", learning_rate, global_step)
        passed = _periods(global_step, decay_steps, staircase, as_rate)
        return multiply(rate, pow_(as_rate(decay_rate), passed), name=scope)


def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate * exp(-decay_rate * s / decay_steps)``; with ``staircase`` the quotient is rounded down.

    Raises:
        ValueError: ``global_step`` is None.
    """
    # TensorFlow writes it as an exponential decay, and it is named so
    with name_scope(name, "ExponentialDecay") as scope:
        rate, as_rate = _start("natural_exp_decay", learning_rate, global_step)
        passed = _periods(global_step, decay_steps, staircase, as_rate)
        return multiply(rate, exp(multiply(negative(as_rate(decay_rate)), passed)), name=scope)


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate / (1 + decay_rate * s / decay_steps)``; with ``staircase`` the quotient is rounded down.

    Raises:
        ValueError: ``global_step`` is None.
    """
    with name_scope(name, "InverseTimeDecay") as scope:
        rate, as_rate = _start("inverse_time_decay", learning_rate, global_step)
        passed = _periods(global_step, decay_steps, staircase, as_rate)
        return truediv(rate, add(as_rate(1), multiply(as_rate(decay_rate), passed)), name=scope)


def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """From ``learning_rate`` to ``end_learning_rate`` in ``decay_steps`` steps.

    ``(learning_rate - end) * (1 - min(s, decay_steps) / decay_steps) ^ power + end``; with ``cycle`` the rate starts
    again when it arrives, over the first multiple of ``decay_steps`` that is not below ``s``.

    Raises:
        ValueError: ``global_step`` is None.
    """
    with name_scope(name, "PolynomialDecay") as scope:
        rate, as_rate = _start("polynomial_decay", learning_rate, global_step)
        step, steps, end = as_rate(global_step), as_rate(decay_steps), as_rate(end_learning_rate)
        if cycle:
            multiplier = where(equal(step, as_rate(0)), as_rate(1), ceil(truediv(step, steps)))
            steps = multiply(steps, multiplier)
        else:
            step = minimum(step, steps)
        left = subtract(as_rate(1), truediv(step, steps))
        return add(multiply(subtract(rate, end), pow_(left, as_rate(power))), end, name=scope)


def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: Any = 0.0, name: str | None = None
) -> Tensor:
    """Half a cosine wave from ``learning_rate`` to ``alpha * learning_rate`` in ``decay_steps`` steps.

    ``learning_rate * ((1 - alpha) * (1 + cos(pi * min(s, decay_steps) / decay_steps)) / 2 + alpha)``; Loshchilov &
    Hutter, 2017, without restarts.

    Raises:
        ValueError: ``global_step`` is None.
    """
    with name_scope(name, "CosineDecay") as scope:
        rate, as_rate = _start("cosine_decay", learning_rate, global_step)
        steps, floor_ = as_rate(decay_steps), as_rate(alpha)
        passed = truediv(minimum(as_rate(global_step), steps), steps)
        wave = multiply(as_rate(0.5), add(as_rate(1), cos(multiply(as_rate(math.pi), passed))))
        return multiply(rate, add(multiply(subtract(as_rate(1), floor_), wave), floor_), name=scope)


def piecewise_constant(x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None) -> Tensor:
    """``values[i]`` while ``boundaries[i - 1] < x <= boundaries[i]``.

    Args:
        x: scalar tensor or variable, usually the global step.
        boundaries: strictly increasing, of the dtype of ``x``.
        values: one more than ``boundaries``, of one dtype.
        name: name scope.

    Raises:
        ValueError: another number of values, or dtypes that do not fit.
    """
    if len(boundaries) != len(values) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values")
    with name_scope(name, "PiecewiseConstant") as scope:
        position = convert_to_tensor(x)
        limits = [_boundary(b, position) for b in boundaries]
        choices = [convert_to_tensor(v) for v in values]
        for choice in choices[1:]:
            if choice.dtype.base_dtype is not choices[0].dtype.base_dtype:
                raise ValueError(
                    f"Values must have elements all with the same dtype ({choices[0].dtype.base_dtype.name} vs "
                    f"{choice.dtype.base_dtype.name})."
                )
        if not limits:
            return gather(stack(choices), 0, name=scope)
        passed = reduce_sum(cast(greater(position, stack(limits)), dtypes.int32))
        return gather(stack(choices), passed, name=scope)


def _boundary(value: Any, position: Tensor) -> Tensor:
    wanted = position.dtype.base_dtype
    boundary = convert_to_tensor(value)
    dtype = boundary.dtype.base_dtype
    if dtype is wanted:
        return boundary
    # Python numbers are int32 and float32 where the step may be wider
    if (dtype, wanted) in ((dtypes.int32, dtypes.int64), (dtypes.float32, dtypes.float64)):
        return cast(boundary, wanted)
    raise ValueError(f"Boundaries ({dtype.name}) must have the same dtype as x ({wanted.name}).")


piecewise_constant_decay = piecewise_constant
