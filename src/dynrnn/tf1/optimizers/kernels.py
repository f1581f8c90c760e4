"""The update formulas of the optimizers, and the operations that run them on a variable and its slots.

Notation: ``w`` the variable, ``g`` its gradient, ``lr`` the learning rate. These are TensorFlow's formulas, which
differ from torch.optim's: RMSProp has epsilon inside the square root and the learning rate inside the momentum, Adam's
epsilon is not scaled by the bias correction ("epsilon hat" of Kingma & Ba, 2014, section 2).

An update stores new tensors and leaves the old ones as they were, since values read earlier in the run may share their
memory. With ``rows`` only those rows of the variable and of its slots take part: what TensorFlow does with the gradient
of an embedding lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable, read_value, store

__all__ = ["update"]

Formula = Callable[..., "tuple[torch.Tensor, ...]"]


def _infer_update(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    variable = attrs["variable"]
    grad = inputs[0]
    if not grad.shape.is_compatible_with(variable.shape):
        raise ValueError(
            f"the gradient of {variable.name} must have its shape: expected {variable.shape}, got {grad.shape}"
        )
    return [(variable.dtype, variable.shape)]


def _check(variable: Variable, value: torch.Tensor, grad: torch.Tensor) -> None:
    if grad.shape != value.shape:
        raise ValueError(f"var and grad do not have the same shape: {list(value.shape)} {list(grad.shape)}")
    if grad.dtype != value.dtype:
        raise ValueError(f"the gradient of {variable.name} must have dtype {value.dtype}, got {grad.dtype}")


def _number(value: torch.Tensor) -> float:
    if value.dim():
        raise ValueError(f"a hyperparameter of an optimizer must be a scalar, got shape {list(value.shape)}")
    return value.item()


def _update(op_type: str) -> Callable[[Formula], Formula]:
    """Register ``formula(g, w, *slots, *numbers) -> (w, *slots)`` as ``op_type``, for rows as ``Sparse<op_type>``."""

    def decorate(formula: Formula) -> Formula:
        def run_formula(
            run: Any, grad: torch.Tensor, rows: torch.Tensor | None, numbers: Any, states: Any, flags: Any
        ) -> torch.Tensor:
            values = [read_value(run, state) for state in states]
            _check(states[0], values[0], grad)
            scalars = [_number(n) for n in numbers]
            with torch.no_grad():
                if rows is None:
                    results = formula(grad.detach(), *values, *scalars, **flags)
                else:
                    parts = formula(grad.detach()[rows], *(v[rows] for v in values), *scalars, **flags)
                    results = tuple(v.index_copy(0, rows, part) for v, part in zip(values, parts, strict=True))
            for state, result in zip(states, results, strict=True):
                store(run, state, result)
            return results[0]

        def dense(
            run: Any, grad: torch.Tensor, *numbers: Any, variable: Variable, slots: tuple[Variable, ...], **flags: Any
        ) -> torch.Tensor:
            return run_formula(run, grad, None, numbers, (variable, *slots), flags)

        def sparse(
            run: Any,
            grad: torch.Tensor,
            ids: torch.Tensor,
            *numbers: Any,
            variable: Variable,
            slots: tuple[Variable, ...],
            **flags: Any,
        ) -> torch.Tensor:
            rows = torch.unique(ids.to(torch.int64))
            return run_formula(run, grad, rows, numbers, (variable, *slots), flags)

        register(op_type, _infer_update, differentiable=False, stateful=True, needs_run=True)(dense)
        register("Sparse" + op_type, _infer_update, differentiable=False, stateful=True, needs_run=True)(sparse)
        return formula

    return decorate


def update(
    op_type: str,
    var: Variable,
    slots: Sequence[Variable],
    grad: Any,
    numbers: Sequence[Any],
    rows: Tensor | None = None,
    name: str | None = None,
    **flags: Any,
) -> Tensor:
    """The operation that changes ``var`` and its ``slots`` by ``grad``; its output is the new value.

    Args:
        op_type: which formula: "ApplyAdam", ...
        var: the variable.
        slots: its slots, in the order in which the formula takes them.
        grad: tensor of the variable's shape and dtype.
        numbers: the formula's scalars, in its order.
        rows: integer vector, the rows that take part; all of them when None. Rows may be named more than once.
        name: name of the operation.
        flags: the formula's keyword arguments.

    Raises:
        ValueError: a gradient of another shape. At run time it is an ``InvalidArgumentError``.
    """
    kind = op_type if rows is None else "Sparse" + op_type
    inputs = [grad, *([] if rows is None else [rows]), *numbers]
    return apply(kind, inputs, name, variable=var, slots=tuple(slots), **flags)


# --- gradient descent -------------------------------------------------------------------------------------------------


@_update("ApplyGradientDescent")
def _gradient_descent(g: torch.Tensor, w: torch.Tensor, lr: float) -> tuple[torch.Tensor, ...]:
    """``w -= lr g``."""
    return (torch.sub(w, g, alpha=lr),)


@_update("ApplyMomentum")
def _momentum(
    g: torch.Tensor, w: torch.Tensor, accum: torch.Tensor, lr: float, momentum: float, *, use_nesterov: bool
) -> tuple[torch.Tensor, ...]:
    """``a = momentum a + g; w -= lr a``; with Nesterov ``w -= lr (g + momentum a)``."""
    accum = torch.add(g, accum, alpha=momentum)
    step = torch.add(g, accum, alpha=momentum) if use_nesterov else accum
    return torch.sub(w, step, alpha=lr), accum


# --- Adam -------------------------------------------------------------------------------------------------------------


@_update("ApplyAdam")
def _adam(
    g: torch.Tensor,
    w: torch.Tensor,
    m: torch.Tensor,
    v: torch.Tensor,
    beta1_power: float,
    beta2_power: float,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[torch.Tensor, ...]:
    """``m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; w -= rate m / (sqrt(v) + epsilon)``."""
    rate = lr * (1 - beta2_power) ** 0.5 / (1 - beta1_power)
    m = torch.lerp(m, g, 1 - beta1)
    v = torch.lerp(v, g * g, 1 - beta2)
    return torch.addcdiv(w, m, v.sqrt().add_(epsilon), value=-rate), m, v


# --- RMSProp ----------------------------------------------------------------------------------------------------------


@_update("ApplyRMSProp")
def _rms_prop(
    g: torch.Tensor,
    w: torch.Tensor,
    ms: torch.Tensor,
    mom: torch.Tensor,
    lr: float,
    rho: float,
    momentum: float,
    epsilon: float,
) -> tuple[torch.Tensor, ...]:
    """``ms = rho ms + (1 - rho) g^2; mom = momentum mom + lr g / sqrt(ms + eps); w -= mom`` (Hinton, lecture 6e)."""
    ms = torch.lerp(ms, g * g, 1 - rho)
    mom = torch.addcdiv(mom * momentum, g, (ms + epsilon).sqrt_(), value=lr)
    return w - mom, ms, mom


@_update("ApplyCenteredRMSProp")
def _centered_rms_prop(
    g: torch.Tensor,
    w: torch.Tensor,
    mg: torch.Tensor,
    ms: torch.Tensor,
    mom: torch.Tensor,
    lr: float,
    rho: float,
    momentum: float,
    epsilon: float,
) -> tuple[torch.Tensor, ...]:
    """RMSProp with the variance of the gradient, ``ms - mg^2``, for its mean square (Graves, 2013, eq. 38-45)."""
    ms = torch.lerp(ms, g * g, 1 - rho)
    mg = torch.lerp(mg, g, 1 - rho)
    variance = (ms - mg * mg).add_(epsilon)
    mom = torch.addcdiv(mom * momentum, g, variance.sqrt_(), value=lr)
    return w - mom, mg, ms, mom


# --- Adagrad and Adadelta ---------------------------------------------------------------------------------------------


@_update("ApplyAdagrad")
def _adagrad(g: torch.Tensor, w: torch.Tensor, accum: torch.Tensor, lr: float) -> tuple[torch.Tensor, ...]:
    """``a += g^2; w -= lr g / sqrt(a)`` (Duchi, Hazan & Singer, 2011)."""
    accum = torch.addcmul(accum, g, g)
    return torch.addcdiv(w, g, accum.sqrt(), value=-lr), accum


@_update("ApplyAdadelta")
def _adadelta(
    g: torch.Tensor,
    w: torch.Tensor,
    accum: torch.Tensor,
    accum_update: torch.Tensor,
    lr: float,
    rho: float,
    epsilon: float,
) -> tuple[torch.Tensor, ...]:
    """``a = rho a + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(a + eps) g; w -= lr d; u = rho u + (1 - rho) d^2``."""
    accum = torch.lerp(accum, g * g, 1 - rho)
    step = (accum_update + epsilon).sqrt_().mul_(torch.rsqrt(accum + epsilon)).mul_(g)
    return torch.sub(w, step, alpha=lr), accum, torch.lerp(accum_update, step * step, 1 - rho)


# --- proximal methods and FTRL ----------------------------------------------------------------------------------------


def _proximal(w: torch.Tensor, rate: Any, l1: float, l2: float) -> torch.Tensor:
    """The point that minimises ``(x - w)^2 / 2 rate + l1 |x| + l2 x^2 / 2``."""
    shrunk = w.sign() * (w.abs() - rate * l1).clamp_min(0) if l1 > 0 else w
    return shrunk / (1 + rate * l2)


@_update("ApplyProximalGradientDescent")
def _proximal_gradient_descent(
    g: torch.Tensor, w: torch.Tensor, lr: float, l1: float, l2: float
) -> tuple[torch.Tensor, ...]:
    """A step of gradient descent, then the proximal map of the penalties (Duchi & Singer, 2009)."""
    return (_proximal(torch.sub(w, g, alpha=lr), lr, l1, l2),)


@_update("ApplyProximalAdagrad")
def _proximal_adagrad(
    g: torch.Tensor, w: torch.Tensor, accum: torch.Tensor, lr: float, l1: float, l2: float
) -> tuple[torch.Tensor, ...]:
    """A step of Adagrad, then the proximal map of the penalties (Duchi & Singer, 2009)."""
    accum = torch.addcmul(accum, g, g)
    rate = accum.rsqrt() * lr
    return _proximal(w - g * rate, rate, l1, l2), accum


@_update("ApplyFtrl")
def _ftrl(
    g: torch.Tensor,
    w: torch.Tensor,
    accum: torch.Tensor,
    linear: torch.Tensor,
    lr: float,
    l1: float,
    l2: float,
    l2_shrinkage: float,
    power: float,
) -> tuple[torch.Tensor, ...]:
    """FTRL-proximal (McMahan et al., 2013), with a penalty on the weights that ``l2_shrinkage`` scales."""
    new_accum = torch.addcmul(accum, g, g)
    shrunk = g + 2 * l2_shrinkage * w
    sigma = (new_accum.pow(-power) - accum.pow(-power)) / lr
    linear = linear + shrunk - sigma * w
    quadratic = new_accum.pow(-power) / lr + 2 * l2
    solution = (linear.sign() * l1 - linear) / quadratic
    return torch.where(linear.abs() > l1, solution, torch.zeros_like(w)), new_accum, linear
