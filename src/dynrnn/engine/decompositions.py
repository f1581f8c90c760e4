"""Which operations torch itself takes apart, and their derivatives, so that no rule is needed for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

__all__ = ["decompositions"]

_FORWARD = """
_softmax _log_softmax gelu silu softplus elu leaky_relu hardsigmoid hardswish hardtanh mish log_sigmoid_forward celu
softshrink hardshrink threshold addcmul addcdiv lerp std std_mean logsumexp native_dropout glu linalg_vector_norm logit
rsub frac prelu _prelu_kernel stack sinc dot special_expit xlogy square heaviside unsafe_chunk nan_to_num
"""
_BACKWARD = """
_softmax_backward_data _log_softmax_backward_data gelu_backward silu_backward softplus_backward elu_backward
leaky_relu_backward hardsigmoid_backward hardswish_backward hardtanh_backward mish_backward log_sigmoid_backward
threshold_backward glu_backward logit_backward _prelu_kernel_backward
native_dropout_backward
"""


@lru_cache(maxsize=1)
def decompositions() -> dict[Any, Callable[..., Any]]:
    """Torch's own decompositions, by operation."""
    from torch._decomp import get_decompositions

    names = f"{_FORWARD} {_BACKWARD}".split()
    return get_decompositions([getattr(torch.ops.aten, name) for name in names if hasattr(torch.ops.aten, name)])
