"""What a trace does not show: watched for while a step runs under the tracer.

A traced graph says which operations a step applies to tensors. It does not say that the step turned a tensor of its own
into a number (which would be frozen into the graph), that it computed something without gradients, or that it has a
derivative of its own: the graph would be differentiated as if it had not. Such steps are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from dynrnn.engine.record import DECIDES
from dynrnn.engine.refusal import Refusal

__all__ = ["Watch"]

_TO_NUMBERS = frozenset(
    {
        torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__float__, torch.Tensor.__int__,
        torch.Tensor.__bool__, torch.Tensor.__index__, torch.Tensor.__array__, torch.Tensor.__complex__,
    }
)  # fmt: skip
_HOOKS = frozenset({torch.Tensor.register_hook, torch.Tensor.retain_grad})
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]


class Watch(TorchFunctionMode):
    """Raises `Refusal` from within a step that does one of these things.

    Args:
        changeable: tensors whose values may differ at the next call.
        made: whether a tensor is one that the step computes from its arguments.
    """

    def __init__(self, changeable: Collection[torch.Tensor], made: Callable[[Any], bool]):
        super().__init__()
        self._changeable = {id(tensor) for tensor in changeable}
        self._made = made

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Look at one call of a torch function, then make it."""
        if func in _TO_NUMBERS and args:
            if id(args[0]) in self._changeable:
                raise Refusal("it makes a number of a tensor, whose value may be another one at the next call")
            if self._made(args[0]):
                raise Refusal(DECIDES)
        if func in _HOOKS:
            raise Refusal("it hooks into the gradient of a tensor")
        if func == _DATA:
            return args[0].detach()
        result = func(*args, **(kwargs or {}))
        if not torch.is_grad_enabled() and _floating(result):
            raise Refusal("it computes something without gradients, or has a derivative of its own")
        return result


def _floating(result: Any) -> bool:
    if isinstance(result, torch.Tensor):
        return result.is_floating_point()
    return isinstance(result, (list, tuple)) and any(map(_floating, result))
