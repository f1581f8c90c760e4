"""Steps as users write them: pointwise functions, comparisons, powers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

__all__ = ["STEPS"]


H = 6  # columns of x, h and most parameters
ANYWHERE = [
    "neg",
    "abs",
    "sign",
    "sgn",
    "exp",
    "expm1",
    "sigmoid",
    "tanh",
    "relu",
    "erf",
    "sin",
    "cos",
    "floor",
    "ceil",
    "round",
    "trunc",
    "square",
    "frac",
    "sinc",
    "erfc",
    "tan",
    "sinh",
    "cosh",
    "atan",
    "asinh",
    "exp2",
    "positive",
    "rad2deg",
    "deg2rad",
]
POSITIVE = ["log", "log1p", "sqrt", "rsqrt", "reciprocal", "log2", "log10", "lgamma", "digamma"]
FRACTION = ["asin", "acos", "atanh", "erfinv", "logit"]
ACTIVATIONS = [
    "silu",
    "gelu",
    "softplus",
    "elu",
    "leaky_relu",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "mish",
    "logsigmoid",
    "celu",
    "selu",
    "softshrink",
    "hardshrink",
    "tanhshrink",
    "softsign",
    "relu6",
]

STEPS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "gelu tanh": lambda x, h, p: F.gelu(x * 2 + h, approximate="tanh"),
    "softplus beta": lambda x, h, p: F.softplus(x * 2 + h, beta=2.0, threshold=3.0),
    "prelu": lambda x, h, p: F.prelu(x + h, p["v"]),
    "prelu1": lambda x, h, p: F.prelu(x + h, p["s"].reshape(1)),
    "glu": lambda x, h, p: torch.cat([F.glu(x + h), F.glu(h)], 1),
    "softmax": lambda x, h, p: F.softmax(x + h, 1),
    "softmax -1": lambda x, h, p: (x + h).softmax(-1),
    "log_softmax": lambda x, h, p: F.log_softmax(x + h, 1),
    "softmin": lambda x, h, p: F.softmin(x + h, 1),
    "layer_norm": lambda x, h, p: F.layer_norm(x + h, [H], p["v"], p["pos"]),
    "layer_norm plain": lambda x, h, p: F.layer_norm(x + h, [H]),
    "rms_norm": lambda x, h, p: F.rms_norm(x + h, [H], p["v"]),
    "group_norm": lambda x, h, p: F.group_norm(x + h, 2, p["v"], p["pos"]),
    "clamp": lambda x, h, p: (x + h).clamp(-0.3, 0.4),
    "clamp min": lambda x, h, p: (x + h).clamp(min=0.1),
    "clamp max": lambda x, h, p: (x + h).clamp(max=0.1),
    "clamp_min": lambda x, h, p: (x + h).clamp_min(0.1),
    "clamp_max": lambda x, h, p: (x + h).clamp_max(0.1),
    "clip": lambda x, h, p: torch.clip(x + h, -0.1, 0.2),
    "clamp tensor": lambda x, h, p: torch.clamp(x + h, -p["pos"] * 0.3, p["pos"] * 0.4),
    "clamp rows": lambda x, h, p: torch.clamp(x + h, min=h),
    "where": lambda x, h, p: torch.where(x > h, x * h, h - x),
    "where num": lambda x, h, p: torch.where(x > 0, x * h, 0.5),
    "where param": lambda x, h, p: torch.where(h > p["v"], x, p["v"]),
    "cmp float()": lambda x, h, p: (x > h).double() * x,
    "cmp mul": lambda x, h, p: (x > h) * x,
    "cmp int": lambda x, h, p: (x > h).long() * x,
    "and": lambda x, h, p: torch.where((x > 0) & (h < 0.5), x, h),
    "or": lambda x, h, p: torch.where((x > 0) | (h < 0.5), x, h),
    "not": lambda x, h, p: torch.where(~(x > 0), x, h),
    "xor": lambda x, h, p: torch.where((x > 0) ^ (h < 0.5), x, h),
    "logical_and": lambda x, h, p: torch.where(torch.logical_and(x > 0, h < 0.5), x, h),
    "logical_xor": lambda x, h, p: torch.where(torch.logical_xor(x > 0, h < 0.5), x, h),
    "isnan": lambda x, h, p: torch.where(torch.isnan(x), h, x),
    "isfinite": lambda x, h, p: torch.where(torch.isfinite(x), x, h),
    "isinf": lambda x, h, p: torch.where(torch.isinf(x), h, x),
    "nan_to_num": lambda x, h, p: torch.nan_to_num(x) + h,
    "masked_fill": lambda x, h, p: (x + h).masked_fill(x > h, -0.5),
    "masked_fill inf softmax": lambda x, h, p: (x + h).masked_fill(x > 0.9, float("-inf")).softmax(1),
    "masked_fill_": lambda x, h, p: (x + h).masked_fill_(x > h, -0.5),
    "pow neg base": lambda x, h, p: (x + h) ** 3,
    "pow neg base4": lambda x, h, p: (x + h) ** 4,
    "pow rows": lambda x, h, p: (x.abs() + 0.1) ** h,
    "pow param": lambda x, h, p: (h.abs() + 0.1) ** p["v"],
    "pow const base": lambda x, h, p: 2.0 ** (x + h),
    "pow scalar param": lambda x, h, p: (h.abs() + 0.1) ** p["s"],
    "maximum": lambda x, h, p: torch.maximum(x, h),
    "minimum": lambda x, h, p: torch.minimum(x, h),
    "max other": lambda x, h, p: torch.max(x, h),
    "fmax": lambda x, h, p: torch.fmax(x, h),
    "fmin": lambda x, h, p: torch.fmin(x, h),
    "max dim": lambda x, h, p: (x + h).max(1, keepdim=True).values * x,
    "min dim": lambda x, h, p: (x + h).min(1, keepdim=True)[0] * x,
    "argmax": lambda x, h, p: (x + h).argmax(1, keepdim=True) * x,
    "sort": lambda x, h, p: (x + h).sort(1).values,
    "topk": lambda x, h, p: (x + h).topk(3, 1).values.repeat(1, 2),
    "cumsum": lambda x, h, p: (x + h).cumsum(1),
    "cumprod": lambda x, h, p: (x + h).cumprod(1),
    "median": lambda x, h, p: (x + h).median(1, keepdim=True).values * x,
    "atan2": lambda x, h, p: torch.atan2(x, h),
    "fmod": lambda x, h, p: torch.fmod(x + h, 0.3),
    "remainder": lambda x, h, p: torch.remainder(x + h, 0.3),
    "%": lambda x, h, p: (x + h) % 0.3,
    "hypot": lambda x, h, p: torch.hypot(x, h),
    "copysign": lambda x, h, p: torch.copysign(x, h),
    "logaddexp": lambda x, h, p: torch.logaddexp(x, h),
    "xlogy": lambda x, h, p: torch.xlogy(x, h.abs() + 0.1),
    "div floor": lambda x, h, p: torch.div(x + h, 0.3, rounding_mode="floor") + h,
    "div trunc": lambda x, h, p: torch.div(x + h, 0.3, rounding_mode="trunc") + h,
    "round decimals": lambda x, h, p: torch.round(x + h, decimals=1) + h,
    "lerp": lambda x, h, p: torch.lerp(x, h, 0.3),
    "lerp t": lambda x, h, p: torch.lerp(x, h, p["v"]),
    "lerp rows": lambda x, h, p: torch.lerp(x, h, (x * h).sigmoid()),
    "addcmul": lambda x, h, p: torch.addcmul(x, h, p["v"], value=0.5),
    "addcdiv": lambda x, h, p: torch.addcdiv(x, h, p["pos"], value=0.5),
    "rsub": lambda x, h, p: 1 - h,
    "rsub f": lambda x, h, p: torch.rsub(h, x, alpha=2),
    "add alpha": lambda x, h, p: torch.add(x, h, alpha=0.3),
    "sub alpha": lambda x, h, p: torch.sub(x, h, alpha=0.3),
    "rdiv": lambda x, h, p: 1 / (h.abs() + 1),
    "div": lambda x, h, p: x / (h.abs() + 1),
    "div num": lambda x, h, p: (x + h) / 3,
    "scalar p": lambda x, h, p: h * p["s"],
    "scalar p1": lambda x, h, p: h * p["s"].reshape(1) + p["s"].reshape(1, 1),
    "inplace": lambda x, h, p: (x + h).mul_(2.0).add_(x).tanh_(),
    "iadd": lambda x, h, p: x.clone().add_(h),
    "int const": lambda x, h, p: h * 2 + 1,
    "clone": lambda x, h, p: h.clone() * x,
    "contiguous": lambda x, h, p: h.contiguous() * x,
    "to dtype": lambda x, h, p: h.float().double() * x,
    "type_as": lambda x, h, p: h.type_as(x) * x,
    "dropout eval": lambda x, h, p: F.dropout(h, 0.5, False) * x,
    "dropout 0": lambda x, h, p: F.dropout(h, 0.0, True) * x,
    "entmax relu": lambda x, h, p: F.relu(x + h) / (F.relu(x + h).sum(1, keepdim=True) + 0.001),
}


def _power(exponent: float, a: Any) -> Any:
    return a**exponent


def _compared(compare: Any, x: Any, h: Any, p: Any) -> Any:
    return compare(x, h).to(x.dtype) * h


def _applied(function: Any, argument: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    return lambda x, h, p: function(argument(x, h))


def _enter(prefix: str, module: Any, names: list[str], argument: Callable[[Any, Any], Any]) -> None:
    for name in names:
        function = getattr(module, name)
        STEPS[prefix + name] = _applied(function, argument)


_enter("torch.", torch, ANYWHERE, lambda x, h: x * 2 + h)
_enter("torch.", torch, POSITIVE, lambda x, h: (x * 2 + h).abs() + 0.1)
_enter("torch.", torch, FRACTION, lambda x, h: (x + h).tanh() * 0.3 + 0.5)
_enter("F.", F, ACTIVATIONS, lambda x, h: x * 3 + h)

for _exponent in (0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, 2.5, -3):
    STEPS[f"pow {_exponent}"] = _applied(functools.partial(_power, _exponent), lambda x, h: (x + h).abs() + 0.1)
for _name in ("gt", "ge", "lt", "le", "eq", "ne"):
    STEPS[f"torch.{_name}"] = functools.partial(_compared, getattr(torch, _name))
