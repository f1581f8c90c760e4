"""The update formulas of the optimizers, and the operations that run them on a variable and its slots.

Notation: ``w`` the variable, ``g`` its gradient, ``lr`` the learning rate. These are TensorFlow's formulas, which differ
from torch.optim's: RMSProp has epsilon inside the square root and the learning rate inside the momentum, Adam's epsilon is
not scaled by the bias correction ("epsilon hat" of Kingma & Ba, 2014, section 2).

An update stores new tensors and leaves the old ones as they were, since values read earlier in the run may share their
memory. With ``rows`` only those rows of the variable and of its slots take part: what TensorFlow does with the gradient of
an embedding lookup. The functions take the arguments of TensorFlow's ``training_ops``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dynrnn.tf1.core.build import apply
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.variables import Variable, read_value, store

__all__ = [
    "apply_adadelta",
    "apply_adagrad",
    "apply_adam",
    "apply_centered_rms_prop",
    "apply_ftrl",
    "apply_gradient_descent",
    "apply_momentum",
    "apply_proximal_adagrad",
    "apply_proximal_gradient_descent",
    "apply_rms_prop",
]

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
    """Register ``formula(g, w, *slots, *numbers) -> (w, *slots)`` as ``op_type``, and for rows as ``Sparse<op_type>``."""

    def decorate(formula: Formula) -> Formula:
        def dense(
            run: Any, grad: torch.Tensor, *numbers: torch.Tensor, variable: Variable, slots: tuple[Variable, ...], **flags: Any
        ) -> torch.Tensor:
            states = (variable, *slots)
            values = [read_value(run, v) for v in states]
            _check(variable, values[0], grad)
            with torch.no_grad():
                results = formula(grad.detach(), *values, *map(_number, numbers), **flags)
            for state, result in zip(states, results, strict=True):
                store(run, state, result)
            return results[0]

        def sparse(
            run: Any,
            grad: torch.Tensor,
            ids: torch.Tensor,
            *numbers: torch.Tensor,
            variable: Variable,
            slots: tuple[Variable, ...],
            **flags: Any,
        ) -> torch.Tensor:
            states = (variable, *slots)
            values = [read_value(run, v) for v in states]
            _check(variable, values[0], grad)
            rows = torch.unique(ids.to(torch.int64))
            with torch.no_grad():
                results = formula(
                    grad.detach()[rows], *(v[rows] for v in values), *map(_number, numbers), **flags
                )
                results = tuple(v.index_copy(0, rows, r) for v, r in zip(values, results, strict=True))
            for state, result in zip(states, results, strict=True):
                store(run, state, result)
            return results[0]

        flags = {"differentiable": False, "stateful": True, "needs_run": True}
        register(op_type, _infer_update, **flags)(dense)
        register("Sparse" + op_type, _infer_update, **flags)(sparse)
        return formula

    return decorate


def _apply(
    op_type: str,
    var: Variable,
    slots: Sequence[Variable],
    grad: Any,
    numbers: Sequence[Any],
    rows: Tensor | None,
    name: str | None,
    **flags: Any,
) -> Tensor:
    kind = op_type if rows is None else "Sparse" + op_type
    inputs = [grad, *([] if rows is None else [rows]), *numbers]
    return apply(kind, inputs, name, variable=var, slots=tuple(slots), **flags)


# --- gradient descent ---------------------------------------------------------------------------------------------------


@_update("ApplyGradientDescent")
def _gradient_descent(g: torch.Tensor, w: torch.Tensor, lr: float) -> tuple[torch.Tensor, ...]:
    return (torch.sub(w, g, alpha=lr),)


def apply_gradient_descent(
    var: Variable, alpha: Any, delta: Any, use_locking: bool = False, name: str | None = None, *, rows: Any = None
) -> Tensor:
    """``w -= alpha * delta``."""
    return _apply("ApplyGradientDescent", var, (), delta, [alpha], rows, name)


@_update("ApplyMomentum")
def _momentum(
    g: torch.Tensor, w: torch.Tensor, accum: torch.Tensor, lr: float, momentum: float, *, use_nesterov: bool
) -> tuple[torch.Tensor, ...]:
    accum = torch.add(g, accum, alpha=momentum)
    step = torch.add(g, accum, alpha=momentum) if use_nesterov else accum
    return torch.sub(w, step, alpha=lr), accum


def apply_momentum(
    var: Variable,
    accum: Variable,
    lr: Any,
    grad: Any,
    momentum: Any,
    use_locking: bool = False,
    use_nesterov: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """``a = momentum * a + g; w -= lr * a``; with Nesterov ``w -= lr * (g + momentum * a)``."""
    return _apply("ApplyMomentum", var, (accum,), grad, [lr, momentum], rows, name, use_nesterov=use_nesterov)


# --- Adam ---------------------------------------------------------------------------------------------------------------


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
    *,
    use_nesterov: bool,
) -> tuple[torch.Tensor, ...]:
    rate = lr * (1 - beta2_power) ** 0.5 / (1 - beta1_power)
    m = torch.lerp(m, g, 1 - beta1)
    v = torch.lerp(v, g * g, 1 - beta2)
    direction = torch.lerp(g, m, beta1) if use_nesterov else m
    return torch.addcdiv(w, direction, v.sqrt().add_(epsilon), value=-rate), m, v


def apply_adam(
    var: Variable,
    m: Variable,
    v: Variable,
    beta1_power: Any,
    beta2_power: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    grad: Any,
    use_locking: bool = False,
    use_nesterov: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """Adam (Kingma & Ba, 2014).

    ``m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    w -= lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)``, with the powers given.
    """
    numbers = [beta1_power, beta2_power, lr, beta1, beta2, epsilon]
    return _apply("ApplyAdam", var, (m, v), grad, numbers, rows, name, use_nesterov=use_nesterov)


# --- RMSProp ------------------------------------------------------------------------------------------------------------


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
    ms = torch.lerp(ms, g * g, 1 - rho)
    mom = torch.addcdiv(mom * momentum, g, (ms + epsilon).sqrt_(), value=lr)
    return w - mom, ms, mom


def apply_rms_prop(
    var: Variable,
    ms: Variable,
    mom: Variable,
    lr: Any,
    rho: Any,
    momentum: Any,
    epsilon: Any,
    grad: Any,
    use_locking: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """``ms = rho ms + (1 - rho) g^2; mom = momentum mom + lr g / sqrt(ms + epsilon); w -= mom`` (Hinton, lecture 6e)."""
    return _apply("ApplyRMSProp", var, (ms, mom), grad, [lr, rho, momentum, epsilon], rows, name)


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
    ms = torch.lerp(ms, g * g, 1 - rho)
    mg = torch.lerp(mg, g, 1 - rho)
    variance = (ms - mg * mg).add_(epsilon)
    mom = torch.addcdiv(mom * momentum, g, variance.sqrt_(), value=lr)
    return w - mom, mg, ms, mom


def apply_centered_rms_prop(
    var: Variable,
    mg: Variable,
    ms: Variable,
    mom: Variable,
    lr: Any,
    rho: Any,
    momentum: Any,
    epsilon: Any,
    grad: Any,
    use_locking: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """RMSProp with the variance of the gradient, ``ms - mg^2``, in place of its mean square (Graves, 2013, eq. 38-45)."""
    return _apply("ApplyCenteredRMSProp", var, (mg, ms, mom), grad, [lr, rho, momentum, epsilon], rows, name)


# --- Adagrad and Adadelta -----------------------------------------------------------------------------------------------


@_update("ApplyAdagrad")
def _adagrad(g: torch.Tensor, w: torch.Tensor, accum: torch.Tensor, lr: float) -> tuple[torch.Tensor, ...]:
    accum = torch.addcmul(accum, g, g)
    return torch.addcdiv(w, g, accum.sqrt(), value=-lr), accum


def apply_adagrad(
    var: Variable,
    accum: Variable,
    lr: Any,
    grad: Any,
    use_locking: bool = False,
    update_slots: bool = True,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """``a += g^2; w -= lr g / sqrt(a)`` (Duchi, Hazan & Singer, 2011)."""
    return _apply("ApplyAdagrad", var, (accum,), grad, [lr], rows, name)


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
    accum = torch.lerp(accum, g * g, 1 - rho)
    step = (accum_update + epsilon).sqrt_().mul_(torch.rsqrt(accum + epsilon)).mul_(g)
    return torch.sub(w, step, alpha=lr), accum, torch.lerp(accum_update, step * step, 1 - rho)


def apply_adadelta(
    var: Variable,
    accum: Variable,
    accum_update: Variable,
    lr: Any,
    rho: Any,
    epsilon: Any,
    grad: Any,
    use_locking: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """Adadelta (Zeiler, 2012).

    ``a = rho a + (1 - rho) g^2; d = sqrt(u + epsilon) / sqrt(a + epsilon) g; w -= lr d; u = rho u + (1 - rho) d^2``.
    """
    return _apply("ApplyAdadelta", var, (accum, accum_update), grad, [lr, rho, epsilon], rows, name)


# --- proximal methods and FTRL ------------------------------------------------------------------------------------------


def _proximal(w: torch.Tensor, rate: Any, l1: float, l2: float) -> torch.Tensor:
    """The point that minimises ``(x - w)^2 / 2 rate + l1 |x| + l2 x^2 / 2``."""
    shrunk = w.sign() * (w.abs() - rate * l1).clamp_min(0) if l1 > 0 else w
    return shrunk / (1 + rate * l2)


@_update("ApplyProximalGradientDescent")
def _proximal_gradient_descent(
    g: torch.Tensor, w: torch.Tensor, lr: float, l1: float, l2: float
) -> tuple[torch.Tensor, ...]:
    return (_proximal(torch.sub(w, g, alpha=lr), lr, l1, l2),)


def apply_proximal_gradient_descent(
    var: Variable,
    alpha: Any,
    l1: Any,
    l2: Any,
    delta: Any,
    use_locking: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """A step of gradient descent, then the proximal map of the L1 and L2 penalties (Duchi & Singer, 2009)."""
    return _apply("ApplyProximalGradientDescent", var, (), delta, [alpha, l1, l2], rows, name)


@_update("ApplyProximalAdagrad")
def _proximal_adagrad(
    g: torch.Tensor, w: torch.Tensor, accum: torch.Tensor, lr: float, l1: float, l2: float
) -> tuple[torch.Tensor, ...]:
    accum = torch.addcmul(accum, g, g)
    rate = accum.rsqrt() * lr
    return _proximal(w - g * rate, rate, l1, l2), accum


def apply_proximal_adagrad(
    var: Variable,
    accum: Variable,
    lr: Any,
    l1: Any,
    l2: Any,
    grad: Any,
    use_locking: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """A step of Adagrad, then the proximal map of the L1 and L2 penalties (Duchi & Singer, 2009)."""
    return _apply("ApplyProximalAdagrad", var, (accum,), grad, [lr, l1, l2], rows, name)


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
    new_accum = torch.addcmul(accum, g, g)
    shrunk = g + 2 * l2_shrinkage * w
    sigma = (new_accum.pow(-power) - accum.pow(-power)) / lr
    linear = linear + shrunk - sigma * w
    quadratic = new_accum.pow(-power) / lr + 2 * l2
    solution = (linear.sign() * l1 - linear) / quadratic
    return torch.where(linear.abs() > l1, solution, torch.zeros_like(w)), new_accum, linear


def apply_ftrl(
    var: Variable,
    accum: Variable,
    linear: Variable,
    grad: Any,
    lr: Any,
    l1: Any,
    l2: Any,
    l2_shrinkage: Any,
    lr_power: Any,
    use_locking: bool = False,
    name: str | None = None,
    *,
    rows: Any = None,
) -> Tensor:
    """FTRL-proximal (McMahan et al., 2013), with an L2 penalty on the step that ``l2_shrinkage`` scales."""
    numbers = [lr, l1, l2, l2_shrinkage, lr_power]
    return _apply("ApplyFtrl", var, (accum, linear), grad, numbers, rows, name)
