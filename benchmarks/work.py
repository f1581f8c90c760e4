"""The work that is measured, as numpy arrays, so that every framework computes the same on the same numbers.

The formulas themselves are in `torch_cells`, ``jax_peer`` and ``tensorflow_peer``; the names of the weights here are
those of dynrnn's cells where there is one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Shape(NamedTuple):
    """Sizes of one piece of work."""

    batch: int
    steps: int
    width: int
    units: int

    def __str__(self) -> str:
        return ",".join(str(size) for size in self)


LSTM_SHAPES = (
    Shape(128, 28, 128, 128),
    Shape(32, 100, 128, 128),
    Shape(32, 100, 256, 512),
    Shape(16, 500, 64, 64),
    Shape(1, 200, 256, 256),
    Shape(64, 40, 512, 1024),
)
CELL_SHAPE = Shape(32, 100, 128, 128)
TENSORFLOW_SHAPES = (Shape(32, 100, 128, 128), Shape(32, 100, 256, 512))
LONG_SHAPE = Shape(64, 2000, 128, 128)

# The same sections on next to nothing, to see that they run.
QUICK_LSTM_SHAPES = (Shape(4, 6, 8, 8), Shape(1, 5, 8, 8))
QUICK_CELL_SHAPE = Shape(3, 5, 8, 8)
QUICK_LONG_SHAPE = Shape(4, 20, 8, 8)

# Name -> what the tables call it. What dynrnn has no cell for is a plain torch module, as a user would write it.
CELLS = {
    "lstm": "LSTM",
    "gru": "GRU, TensorFlow's form",
    "gru_cudnn": "GRU, cuDNN's form",
    "norm_lstm": "layer-norm LSTM",
    "peephole_lstm": "peephole + projection LSTM",
    "highway": "user's cell (minimal gated unit, highway)",
    "rnn": "simple RNN (tanh)",
}

# One vector of the layer-norm LSTM's weights per gate, and one for c.
NORMED = ("input", "transform", "forget", "output", "state")


def projected(units: int) -> int:
    """Width of the projection of ``peephole_lstm``."""
    return max(units // 2, 1)


def output_width(cell: str, shape: Shape) -> int:
    """Width of the cell's outputs."""
    return projected(shape.units) if cell == "peephole_lstm" else shape.units


def weight_shapes(cell: str, shape: Shape) -> dict[str, list[int]]:
    """Name -> sizes of each weight, matrices as [in, out]."""
    i, n = shape.width, shape.units
    if cell == "lstm":
        return {"kernel": [i + n, 4 * n], "bias": [4 * n]}
    if cell == "rnn":
        return {"kernel": [i + n, n], "bias": [n]}
    if cell == "gru":
        return {
            "gates.kernel": [i + n, 2 * n],
            "gates.bias": [2 * n],
            "candidate.kernel": [i + n, n],
            "candidate.bias": [n],
        }
    if cell == "gru_cudnn":
        return {"input_kernel": [i, 3 * n], "input_bias": [3 * n], "state_kernel": [n, 3 * n], "state_bias": [3 * n]}
    if cell == "norm_lstm":
        vectors = {f"{name}.{part}": [n] for name in NORMED for part in ("gamma", "beta")}
        return {"kernel": [i + n, 4 * n], **vectors}
    if cell == "peephole_lstm":
        p = projected(n)
        peepholes = {f"w_{gate}_diag": [n] for gate in "fio"}
        return {"kernel": [i + p, 4 * n], "bias": [4 * n], **peepholes, "projection.kernel": [n, p]}
    if cell == "highway":
        return {
            "read.kernel": [i, 4 * n],
            "read.bias": [4 * n],
            "forget.kernel": [n, n],
            "candidate.kernel": [n, n],
        }
    raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")


def product_flops(cell: str, shape: Shape) -> int:
    """Floating point operations of the matrix products of one row in one step, forward."""
    return sum(2 * sizes[0] * sizes[1] for sizes in weight_shapes(cell, shape).values() if len(sizes) == 2)


def make_weights(cell: str, shape: Shape) -> dict[str, Array]:
    """Weights uniform in +-1/sqrt(units), as ``torch.nn`` has them; gains of layer norm around 1."""
    generator = np.random.default_rng(1)
    bound = shape.units**-0.5
    weights = {}
    for name, sizes in weight_shapes(cell, shape).items():
        values = generator.uniform(-bound, bound, sizes).astype(np.float32)
        weights[name] = values + np.float32(1) if name.endswith(".gamma") else values
    return weights


def make_inputs(shape: Shape) -> Array:
    """Standard normal inputs [B, T, I]."""
    return np.random.default_rng(2).standard_normal((shape.batch, shape.steps, shape.width), np.float32)


def make_cotangent(cell: str, shape: Shape) -> Array:
    """The gradient [B, T, output width] that training is given: dense, the same for every contender."""
    sizes = (shape.batch, shape.steps, output_width(cell, shape))
    return np.random.default_rng(3).standard_normal(sizes, np.float32)


def uniform_lengths(shape: Shape) -> Ints:
    """Lengths uniform in [0.1 T, T], in random order: evenly spread, so that a small batch too has the mean 0.55 T.

    One row is full, for a batch is padded to its longest row.
    """
    lengths = np.linspace(max(shape.steps // 10, 1), shape.steps, shape.batch).round().astype(np.int64)
    return np.random.default_rng(4).permutation(lengths)


def one_full_length(shape: Shape) -> Ints:
    """One row full, the rest 5 % of it."""
    lengths = np.full(shape.batch, max(shape.steps // 20, 1))
    lengths[0] = shape.steps
    return lengths


def fingerprint(
    outputs: npt.NDArray[np.floating], x_gradient: npt.NDArray[np.floating], cotangent: Array
) -> list[float]:
    """Two numbers by which processes see that they computed the same: sums of outputs * cotangent and of squared dx."""
    weighted = (outputs.astype(np.float64) * cotangent).sum()
    return [float(weighted), float(np.square(x_gradient.astype(np.float64)).sum())]


def same_fingerprint(one: list[float], other: list[float]) -> bool:
    """Whether two fingerprints are equal up to what float32 allows."""
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=1e-3, atol=1e-2))
