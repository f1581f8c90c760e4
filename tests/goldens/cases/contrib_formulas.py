"""One step of each cell of ``tf.contrib.rnn`` in numpy, from the papers and SEMANTICS: the oracle of `contrib_cells`.

``step(p, x, states) -> (outputs, states)``: ``p`` has the weights by their names below the cell's scope, lists hold the
leaves of structures. Formulas are written gate by gate where the library's join them, and take complex arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[dict[str, Any], list[Any], list[Any]], tuple[list[Any], list[Any]]]
tanh = np.tanh


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def relu(x: Any) -> Any:
    return np.where(np.real(x) > 0, x, 0 * x)


def clip(x: Any, bound: float | None) -> Any:
    """Analytic but at the bounds."""
    return x if bound is None else np.where(np.abs(np.real(x)) > bound, np.sign(np.real(x)) * bound + 0 * x, x)


def norm(p: dict[str, Any], name: str, x: Any) -> Any:
    centred = x - x.sum(1, keepdims=True) / x.shape[1]
    variance = (centred * centred).sum(1, keepdims=True) / x.shape[1]
    return p[f"{name}/gamma"] * centred / np.sqrt(variance + 1e-12) + p[f"{name}/beta"]


def linear(parts: list[Any], kernel: Any, bias: Any = 0.0) -> Any:
    """The kernel cut by the parts instead of the parts joined."""
    total, row = bias, 0
    for part in parts:
        total = total + part @ kernel[row : row + part.shape[1]]
        row += part.shape[1]
    return total


def gate(x: Any, index: int, n: int) -> Any:
    return x[..., index * n : (index + 1) * n]


def coupled(n: int, proj: bool, peep: bool, normed: bool, proj_clip: float | None, shards: int) -> Step:
    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        c, m = s
        w = np.concatenate([p[f"W_{i}"] for i in range(shards)], 0)
        z = linear([x[0], m], w, 0.0 if normed else p["B"])
        j, f, o = (gate(z, k, n) for k in range(3))
        if normed:
            j, f, o = norm(p, "transform", j), norm(p, "forget", f), norm(p, "output", o)
        keep = sigmoid(f + 1.0 + (p["W_F_diag"] * c if peep else 0))
        new = keep * c + (1 - keep) * tanh(j)
        if normed:
            new = norm(p, "state", new)
        m = sigmoid(o + (p["W_O_diag"] * new if peep else 0)) * tanh(new)
        if proj:
            m = clip(m @ np.concatenate([p["W_P_0"], p["W_P_1"]], 0), proj_clip)
        return [m], [new, m]

    return step


def ugrnn(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    n = s[0].shape[1]
    z = linear([x[0], s[0]], p["kernel"], p["bias"])
    g = sigmoid(z[:, :n] + 1.0)
    h = g * s[0] + (1 - g) * tanh(z[:, n:])
    return [h], [h]


def intersection(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    n = s[0].shape[1]
    into = x[0] @ p["in_projection/kernel"] + p["in_projection/bias"]
    z = linear([into, s[0]], p["kernel"], p["bias"])
    gh, gy = sigmoid(gate(z, 0, n) + 1.0), sigmoid(gate(z, 2, n) + 1.0)
    return [gy * into + (1 - gy) * relu(gate(z, 3, n))], [gh * s[0] + (1 - gh) * tanh(gate(z, 1, n))]


def nas(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    c, m = s
    n = c.shape[1]
    u, v = m @ p["recurrent_kernel"] + p["bias"], x[0] @ p["kernel"]
    plus = [gate(u, k, n) + gate(v, k, n) for k in range(8)]
    left = tanh(sigmoid(plus[0]) * relu(plus[1]))
    right = tanh(sigmoid(plus[2]) + relu(gate(u, 3, n) * gate(v, 3, n)))
    third = tanh(tanh(plus[4]) * sigmoid(plus[5]))
    fourth = sigmoid(tanh(plus[6]) + sigmoid(plus[7]))
    c = tanh(left + c) * right
    m = tanh(c * tanh(third + fourth)) @ p["projection_weights"]
    return [m], [c, m]


def ind_rnn(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    h = tanh(x[0] @ p["kernel_w"] + s[0] * p["kernel_u"][0] + p["bias"])
    return [h], [h]


def indy_gru(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    (h,) = s
    n = h.shape[1]
    w, u, b = p["gates/kernel_w"], p["gates/kernel_u"][0], p["gates/bias"]
    r, z = (
        sigmoid(x[0] @ w[:, k * n : (k + 1) * n] + h * u[k * n : (k + 1) * n] + b[k * n : (k + 1) * n])
        for k in range(2)
    )
    candidate = x[0] @ p["candidate/kernel"] + p["candidate/kernel_u"][0] * (r * h) + p["candidate/bias"]
    h = z * h + (1 - z) * tanh(candidate)
    return [h], [h]


def indy_lstm(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    c, h = s
    n = h.shape[1]
    i, j, f, o = (
        gate(x[0] @ p["kernel_w"] + p["bias"], k, n) + h * p["kernel_u"][0, k * n : (k + 1) * n] for k in range(4)
    )
    c = c * sigmoid(f + 1.0) + sigmoid(i) * tanh(j)
    h = tanh(c) * sigmoid(o)
    return [h], [c, h]


def sru(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    n = s[0].shape[1]
    z, f, r, skip = (gate(x[0] @ p["kernel"], k, n) for k in range(4))
    f, r = sigmoid(f + p["bias"][:n]), sigmoid(r + p["bias"][n:])
    c = f * s[0] + (1 - f) * z
    return [r * tanh(c) + (1 - r) * skip], [c]


def minimal(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    depth = x[0].shape[1]
    z = tanh(x[0] @ p["kernel"][:depth])
    u = sigmoid(linear([z, s[0]], p["kernel"][depth:], p["bias"]))
    h = u * s[0] + (1 - u) * z
    return [h], [h]


def cfn(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    n = s[0].shape[1]
    theta = sigmoid(s[0] @ p["recurrent_kernel"][:, :n] + x[0] @ p["kernel"][:, :n] + p["bias"][:n])
    eta = sigmoid(s[0] @ p["recurrent_kernel"][:, n:] + x[0] @ p["kernel"][:, n : 2 * n] + p["bias"][n:])
    h = theta * tanh(s[0]) + (1 - eta) * tanh(x[0] @ p["kernel"][:, 2 * n :])
    return [h], [h]


def glstm(groups: int) -> Step:
    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        c, m = s
        n, d, e = c.shape[1] // groups, x[0].shape[1] // groups, m.shape[1] // groups
        cs, ms = [], []
        for k in range(groups):
            z = linear([gate(x[0], k, d), gate(m, k, e)], p[f"group{k}/kernel"])
            i, j, f, o = (gate(z, q, n) + gate(p[f"bias_{name}"], k, n) for q, name in enumerate("ijfo"))
            cs.append(sigmoid(f + 1.0) * gate(c, k, n) + sigmoid(i) * tanh(j))
            ms.append(sigmoid(o) * tanh(cs[-1]))
        m = np.concatenate(ms, 1) @ p["projection/kernel"]
        return [m], [np.concatenate(cs, 1), m]

    return step


def lstm(normed: bool, peep: bool, cell_clip: float | None, proj_clip: float | None, weigh: bool = False) -> Step:
    """``LayerNormLSTMCell`` and, ``weigh``ed, ``WeightNormLSTMCell``; both with projection."""

    def unit(block: Any, g: Any) -> Any:
        return block / np.sqrt((block * block).sum(0)) * g

    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        c, m = s
        n, d = c.shape[1], x[0].shape[1]
        kernel, projection = p["kernel"], p["projection/kernel"]
        if weigh:
            kernel = np.concatenate([unit(kernel[:d], p["norm_0"]), unit(kernel[d:], p["norm_1"])], 0)
            projection = unit(projection, p["projection/norm_0"])
        z = linear([x[0], m], kernel, 0.0 if normed else p["bias"])
        i, j, f, o = (gate(z, k, n) for k in range(4))
        if normed:
            i, j, f, o = norm(p, "input", i), norm(p, "transform", j), norm(p, "forget", f), norm(p, "output", o)
        wf, wi, wo = (p[f"w_{k}_diag"] if peep else 0 for k in "fio")
        new = sigmoid(f + 1.0 + wf * c) * c + sigmoid(i + wi * c) * tanh(j)
        new = clip(norm(p, "state", new) if normed else new, cell_clip)
        m = clip((sigmoid(o + wo * new) * tanh(new)) @ projection, proj_clip)
        return [m], [new, m]

    return step


def phased(leak: float) -> Step:
    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        (time, feature), (c, h) = x, s
        n = c.shape[1]
        mask = linear([feature, h, c], p["mask_gates/kernel"], p["mask_gates/bias"])
        new = sigmoid(mask[:, n:]) * c + sigmoid(mask[:, :n]) * tanh(
            linear([feature, h], p["new_input/kernel"], p["new_input/bias"])
        )
        out = tanh(new) * sigmoid(linear([feature, h, new], p["output_gate/kernel"], p["output_gate/bias"]))
        shifted = time - p["phase"]
        # the derivative goes through the time and the phase, not through the number of periods nor through the modulus
        whole = np.floor(np.real(shifted) / np.real(p["period"])) * np.real(p["period"])
        phi = (shifted - whole) / p["period"]
        r = p["ratio_on"]
        k = np.where(
            np.real(phi) < 0.5 * np.real(r),
            2 * phi / r,
            np.where(np.real(phi) < np.real(r), 2 - 2 * phi / r, leak * phi),
        )
        c, h = k * new + (1 - k) * c, k * out + (1 - k) * h
        return [h], [c, h]

    return step


def conv(skip: bool) -> Step:
    """Sums over the places of the kernel; padding is what numpy leaves out."""

    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        c, h = s
        n = c.shape[-1]
        both = np.concatenate([x[0], h], -1)
        kernel, picture = p["kernel"], both.shape[1:-1]
        z = np.zeros([*both.shape[:-1], 4 * n], np.result_type(both, kernel)) + p.get("biases", 0.0)
        for place in np.ndindex(*picture):
            for tap in np.ndindex(*kernel.shape[:-2]):
                at = tuple(q + t - (size - 1) // 2 for q, t, size in zip(place, tap, kernel.shape, strict=False))
                if all(0 <= a < size for a, size in zip(at, picture, strict=True)):
                    here, there = (slice(None), *place), (slice(None), *at)
                    z[here] += both[there] @ kernel[tap]
        i, j, f, o = (gate(z, k, n) for k in range(4))
        c = sigmoid(f + 1.0) * c + sigmoid(i) * tanh(j)
        h = tanh(c) * sigmoid(o)
        return [np.concatenate([h, x[0]], -1) if skip else h], [c, h]

    return step


def time_freq(size: int, skip: int, windows: int) -> Step:
    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        n = s[0].shape[1] // (2 * windows)
        below, out, states = np.zeros([x[0].shape[0], n]), [], []
        for k in range(windows):
            c, m = gate(s[0], 2 * k, n), gate(s[0], 2 * k + 1, n)
            z = linear([x[0][:, k * skip : k * skip + size], m, below], p["W_0"], p["B"])
            i, j, f, o = (gate(z, q, n) for q in range(4))
            c = sigmoid(f + 1.0 + p["W_F_diag"] * c) * c + sigmoid(i + p["W_I_diag"] * c) * tanh(j)
            below = sigmoid(o + p["W_O_diag"] * c) * tanh(c)
            out.append(below)
            states += [c, below]
        return [np.concatenate(out, 1)], [np.concatenate(states, 1)]

    return step


def grid_lstm(size: int, blocks: list[list[int]], peep: bool, shared: bool, coupled: bool, bound: float | None) -> Step:
    """``blocks`` has the first columns of the windows of each block."""

    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        n = s[0].shape[1]
        out, states = [], []
        at = 0
        for b, starts in enumerate(blocks):
            cf, mf = np.zeros_like(s[0]), np.zeros_like(s[0])
            for start in starts:
                c, m = s[at], s[at + 1]
                at += 2
                new = {}
                opened = {}
                for which in "ft":
                    kind = "f" if shared else which
                    z = linear([x[0][:, start : start + size], m, mf], p[f"W_{kind}_{b}_0"], p[f"B_{kind}_{b}"])
                    long = "freq" if kind == "f" else "time"

                    def see(name: str, u: Any, v: Any, long: str = long, b: int = b) -> Any:
                        if not peep:
                            return 0.0
                        return p[f"W_{name}_diag_{long}f_{b}"] * u + p[f"W_{name}_diag_{long}t_{b}"] * v

                    i = sigmoid(gate(z, 0, n) + see("I", cf, c))
                    f = 1 - i if coupled else sigmoid(gate(z, 2, n) + 1.0 + see("F", cf, c))
                    new[which] = clip(f * (cf if which == "f" else c) + i * tanh(gate(z, 1, n)), bound)
                    opened[which] = (gate(z, 2 if coupled else 3, n), see)
                m2 = {
                    which: sigmoid(o + see("O", new["f"], new["t"])) * tanh(new[which])
                    for which, (o, see) in opened.items()
                }
                cf, mf = new["f"], m2["f"]
                states += [new["t"], m2["t"]]
                out += [m2["t"], m2["f"]]
        return [np.concatenate(out, 1)], states

    return step


def grid_both_ways(size: int, skip: int, windows: int, offset: int) -> Step:
    one = grid_lstm(size, [[k * skip for k in range(windows)]], False, False, False, None)
    back = grid_lstm(size, [[k * skip for k in reversed(range(windows))]], False, False, False, None)

    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        def below(scope: str) -> dict[str, Any]:
            return {name[4:]: value for name, value in p.items() if name.startswith(scope)}

        moved = np.concatenate([x[0][:, offset:], np.zeros([x[0].shape[0], offset])], 1)
        half = len(s) // 2
        y, first = one(below("fwd/"), x, s[:half])
        z, second = back(below("bwd/"), [moved], s[half:])
        return [np.concatenate([*y, *z], 1)], [*first, *second]

    return step


def attention(length: int) -> Step:
    """Around a ``BasicLSTMCell``."""

    def step(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
        c, h, before, window = s
        n, a = c.shape[1], before.shape[1]
        into = linear([x[0], before], p["kernel"], p["bias"])
        z = linear([into, h], p["basic_lstm_cell/kernel"], p["basic_lstm_cell/bias"])
        i, j, f, o = (gate(z, k, n) for k in range(4))
        c = sigmoid(f + 1.0) * c + sigmoid(i) * tanh(j)
        h = tanh(c) * sigmoid(o)
        past = window.reshape(-1, length, a)
        query = linear([c, h], p["attention/kernel"], p["attention/bias"])
        e = np.einsum("btv,v->bt", tanh(past @ p["attention/attn_w"][0, 0] + query[:, None]), p["attention/attn_v"])
        share = np.exp(e) / np.exp(e).sum(1, keepdims=True)
        now = np.einsum("bt,bta->ba", share, past)
        y = linear([h, now], p["attn_output_projection/kernel"], p["attn_output_projection/bias"])
        return [y], [c, h, now, np.concatenate([window[:, a:], y], 1)]

    return step


def cudnn_gru(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    (h,) = s
    n = h.shape[1]
    z = sigmoid(linear([x[0], h], p["gates/kernel"], p["gates/bias"]))
    into = x[0] @ p["candidate/input_projection/kernel"] + p["candidate/input_projection/bias"]
    back = h @ p["candidate/hidden_projection/kernel"] + p["candidate/hidden_projection/bias"]
    h = z[:, n:] * h + (1 - z[:, n:]) * tanh(into + z[:, :n] * back)
    return [h], [h]


def grid2_lstm(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    """Two dimensions of ``LSTMCell``, input, output and priority in the first."""
    c1, m1 = s[2:]
    n = c1.shape[1]
    m0, c0 = x[0] @ p["project_m_0"], x[0] @ p["project_c_0"]

    def cell(k: int, into: Any, c: Any, h: Any) -> tuple[Any, Any]:
        scope = f"recurrent/cell_{k}/lstm_cell"
        i, j, f, o = (gate(linear([into, h], p[f"{scope}/kernel"], p[f"{scope}/bias"]), q, n) for q in range(4))
        c = sigmoid(f + 1.0) * c + sigmoid(i) * tanh(j)
        return c, tanh(c) * sigmoid(o)

    new1 = cell(1, m0, c1, m1)
    new0 = cell(0, m0, c0, new1[1])
    return [new0[1]], [*new0, *new1]


def grid2_plain(p: dict[str, Any], x: list[Any], s: list[Any]) -> tuple[list[Any], list[Any]]:
    """Two dimensions, the second a ``BasicRNNCell``, the first without state."""
    into = x[0] @ p["project_m_0"]
    scope = "recurrent/cell_1/basic_rnn_cell"
    h = tanh(linear([into, s[0]], p[f"{scope}/kernel"], p[f"{scope}/bias"]))
    dense = "non_recurrent/cell_0/fully_connected"
    return [relu(linear([into, h], p[f"{dense}/weights"], p[f"{dense}/biases"]))], [h]
