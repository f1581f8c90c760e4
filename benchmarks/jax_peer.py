"""``jax.lax.scan`` in an environment of its own; see `worker`.

Everything is jitted. Inputs are time-major, as ``lax.scan`` wants them; dynrnn's are batch-major. XLA makes as many
threads as the process may use processors, and `worker.read_request` allows as many as everybody has threads, before
JAX is imported; ``--xla_cpu_multi_thread_eigen=true`` (in `frameworks`) only says what is the default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import work, worker

REQUEST = worker.read_request() if __name__ == "__main__" else None

# after the threads are settled
import jax  # type: ignore[import-not-found]  # noqa: E402
import jax.numpy as jnp  # type: ignore[import-not-found]  # noqa: E402
from jax.nn import gelu, sigmoid  # type: ignore[import-not-found]  # noqa: E402

Weights = dict[str, Any]


def _lstm(w: Weights, state: Any, x: Any) -> Any:
    c, h = state
    i, j, f, o = jnp.split(jnp.concatenate([x, h], 1) @ w["kernel"] + w["bias"], 4, 1)
    c = c * sigmoid(f) + sigmoid(i) * jnp.tanh(j)
    h = jnp.tanh(c) * sigmoid(o)
    return (c, h), h


def _rnn(w: Weights, h: Any, x: Any) -> Any:
    h = jnp.tanh(jnp.concatenate([x, h], 1) @ w["kernel"] + w["bias"])
    return h, h


def _gru(w: Weights, h: Any, x: Any) -> Any:
    gates = sigmoid(jnp.concatenate([x, h], 1) @ w["gates.kernel"] + w["gates.bias"])
    r, u = jnp.split(gates, 2, 1)
    c = jnp.tanh(jnp.concatenate([x, r * h], 1) @ w["candidate.kernel"] + w["candidate.bias"])
    h = u * h + (1 - u) * c
    return h, h


def _gru_cudnn(w: Weights, h: Any, x: Any) -> Any:
    xr, xu, xc = jnp.split(x @ w["input_kernel"] + w["input_bias"], 3, 1)
    hr, hu, hc = jnp.split(h @ w["state_kernel"] + w["state_bias"], 3, 1)
    r, u = sigmoid(xr + hr), sigmoid(xu + hu)
    h = u * h + (1 - u) * jnp.tanh(xc + r * hc)
    return h, h


def _norm(w: Weights, name: str, z: Any) -> Any:
    centred = z - z.mean(1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.square(centred).mean(1, keepdims=True) + 1e-12)
    return centred * scale * w[f"{name}.gamma"] + w[f"{name}.beta"]


def _norm_lstm(w: Weights, state: Any, x: Any) -> Any:
    c, h = state
    gates = jnp.split(jnp.concatenate([x, h], 1) @ w["kernel"], 4, 1)
    i, j, f, o = (_norm(w, name, gate) for name, gate in zip(work.NORMED[:4], gates, strict=True))
    c = _norm(w, "state", c * sigmoid(f + 1) + sigmoid(i) * jnp.tanh(j))
    h = jnp.tanh(c) * sigmoid(o)
    return (c, h), h


def _peephole_lstm(w: Weights, state: Any, x: Any) -> Any:
    c, m = state
    i, j, f, o = jnp.split(jnp.concatenate([x, m], 1) @ w["kernel"] + w["bias"], 4, 1)
    f, i = f + 1 + w["w_f_diag"] * c, i + w["w_i_diag"] * c
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(j)
    m = (sigmoid(o + w["w_o_diag"] * c) * jnp.tanh(c)) @ w["projection.kernel"]
    return (c, m), m


def _highway(w: Weights, h: Any, x: Any) -> Any:
    f, c, t, p = jnp.split(x @ w["read.kernel"] + w["read.bias"], 4, 1)
    f = sigmoid(f + h @ w["forget.kernel"])
    h = h + f * (jnp.tanh(c + (f * h) @ w["candidate.kernel"]) - h)
    skip = gelu(p, approximate=False)
    return h, skip + sigmoid(t) * (h - skip)


STEPS: dict[str, Callable[[Weights, Any, Any], Any]] = {
    "lstm": _lstm,
    "rnn": _rnn,
    "gru": _gru,
    "gru_cudnn": _gru_cudnn,
    "norm_lstm": _norm_lstm,
    "peephole_lstm": _peephole_lstm,
    "highway": _highway,
}


def _zero_state(cell: str, shape: work.Shape) -> Any:
    widths = {
        "lstm": (shape.units, shape.units),
        "norm_lstm": (shape.units, shape.units),
        "peephole_lstm": (shape.units, work.projected(shape.units)),
    }.get(cell)
    if widths is None:
        return jnp.zeros((shape.batch, shape.units))
    return tuple(jnp.zeros((shape.batch, width)) for width in widths)


def build(
    cell: str, shape: work.Shape, lengths: work.Ints | None
) -> tuple[dict[str, Callable[[], object]], list[float]]:
    """Calls by mode, and the fingerprint."""
    assert lengths is None
    step = STEPS[cell]
    weights = {name: jnp.asarray(weight) for name, weight in work.make_weights(cell, shape).items()}
    x = jnp.asarray(work.make_inputs(shape).swapaxes(0, 1))
    given = work.make_cotangent(cell, shape)
    cotangent = jnp.asarray(given.swapaxes(0, 1))

    def outputs(w: Weights, x: Any) -> Any:
        return jax.lax.scan(lambda state, x: step(w, state, x), _zero_state(cell, shape), x)[1]

    @jax.jit
    def learn(w: Weights, x: Any, cotangent: Any) -> Any:
        y, pull_back = jax.vjp(outputs, w, x)
        return y, pull_back(cotangent)

    infer = jax.jit(outputs)
    calls: dict[str, Callable[[], object]] = {
        "infer": lambda: jax.block_until_ready(infer(weights, x)),
        "train": lambda: jax.block_until_ready(learn(weights, x, cotangent)),
    }
    y, (_, x_gradient) = learn(weights, x, cotangent)
    y, x_gradient = (np.asarray(tensor).swapaxes(0, 1) for tensor in (y, x_gradient))
    return calls, work.fingerprint(y, x_gradient, given)


if __name__ == "__main__":
    assert REQUEST is not None
    worker.answer(REQUEST, {"jax": jax.__version__}, build)
