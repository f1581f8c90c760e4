"""``_linear`` and ``_Linear``: the affine map of several inputs that TensorFlow's recurrent code was written with.

The names are private in TensorFlow, and programs import them all the same. ``_linear`` makes its variables in the
current scope (``kernel`` and ``bias``); calls in one scope without reuse therefore clash, as in TensorFlow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch

from dynrnn import nest
from dynrnn.cells.base import affine
from dynrnn.tf1 import init_ops
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variable_scope import VariableScope, get_variable, get_variable_scope, variable_scope

__all__ = ["BIAS_NAME", "KERNEL_NAME", "Linear", "linear"]

KERNEL_NAME, BIAS_NAME = "kernel", "bias"


class Linear:
    """``concat(args, 1) @ kernel + bias``; the variables are made at construction, in the current scope.

    Args:
        args: a tensor ``[B, D]`` or a list of them, of known widths, like those that it will be called with.
        output_size: width of the result.
        build_bias: whether there is a bias.
        bias_initializer: zeros when None.
        kernel_initializer: the scope's when None.

    Raises:
        ValueError: no args, another rank than 2, or a width that is not known.
    """

    def __init__(
        self,
        args: Any,
        output_size: Any,
        build_bias: bool,
        bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ) -> None:
        tensors = _listed(args)
        dtype = tensors[0].dtype.base_dtype
        with variable_scope(get_variable_scope()) as outer:
            self._kernel: Any = get_variable(
                KERNEL_NAME, [_total_width(tensors), output_size], dtype=dtype, initializer=kernel_initializer
            )
            self._bias: Any = None
            if build_bias:
                with variable_scope(outer) as inner:
                    inner.set_partitioner(None)
                    self._bias = get_variable(
                        BIAS_NAME,
                        [output_size],
                        dtype=dtype,
                        initializer=init_ops.Constant(0.0, dtype) if bias_initializer is None else bias_initializer,
                    )

    def __call__(self, args: Any) -> Tensor:
        """Apply the map to ``args``, of the structure and widths it was made for."""
        tensors = _listed(args)
        x: Any = tensors[0] if len(tensors) == 1 else torch.cat(tensors, 1)  # type: ignore[arg-type]
        result: Any = torch.matmul(x, self._kernel) if self._bias is None else affine(x, self._kernel, self._bias)
        return result


def linear(
    args: Any,
    output_size: Any,
    bias: bool,
    bias_initializer: Any = None,
    kernel_initializer: Any = None,
    *,
    bias_start: float | None = None,
    scope: Any = None,
) -> Tensor:
    """``concat(args, 1) @ kernel + bias`` with variables of the current scope.

    Until TensorFlow 1.1 the arguments after ``bias`` were ``bias_start``, a number, and ``scope``. They are told from
    the later ones by what they are: a number as the fourth argument, a name or a VariableScope as the fifth.

    Args:
        args: a tensor ``[B, D]`` or a list of them, of known widths.
        output_size: width of the result.
        bias: whether there is a bias.
        bias_initializer: zeros when None.
        kernel_initializer: the scope's when None.
        bias_start: what the bias starts from.
        scope: scope for the variables, below the current one.

    Returns:
        ``[B, output_size]``.

    Raises:
        ValueError: no args, another rank than 2, or a width that is not known.
    """
    if isinstance(bias_initializer, (int, float)):
        bias_start, bias_initializer = bias_initializer, None
    if isinstance(kernel_initializer, (str, VariableScope)):
        scope, kernel_initializer = kernel_initializer, None
    if bias_start is not None:
        bias_initializer = init_ops.Constant(bias_start)
    with contextlib.nullcontext() if scope is None else variable_scope(scope):
        return Linear(args, output_size, bias, bias_initializer, kernel_initializer)(args)


def _listed(args: Any) -> list[Tensor]:
    if args is None or (nest.is_nested(args) and not len(args)):
        raise ValueError("`args` must be specified")
    return [convert_to_tensor(a) for a in (args if nest.is_nested(args) else [args])]


def _total_width(tensors: Sequence[Tensor]) -> int:
    shapes = [t.shape for t in tensors]
    total = 0
    for shape in shapes:
        if shape.ndims != 2:
            raise ValueError(f"linear is expecting 2D arguments: {shapes}")
        if shape[1].value is None:
            raise ValueError(f"linear expects shape[1] to be provided for shape {shape}, but saw {shape[1]}")
        total += shape[1].value
    return total
