"""What the tests of cells share: a catalogue of all of them, states for them, and their formulas in numpy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dynrnn import cells, nest

Array = np.ndarray[Any, Any]

D, N, B = 3, 4, 2  # width of inputs, units, rows


class Echo(cells.RNNCell):
    """Output is the input, the new state the old: what dropout does is all there is to see."""

    def __init__(self, state_size: Any, output_size: Any) -> None:
        super().__init__()
        self.__dict__.update(state_size=state_size, output_size=output_size)
        self.seen: list[Any] = []

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        self.seen.append(inputs)
        return inputs, state


class IdsCell(cells.EmbeddingWrapper):
    """An EmbeddingWrapper that makes ids of floating inputs, so that it goes where the others go."""

    opens_scope = False

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        ids = torch.zeros_like(inputs[:, 0], dtype=torch.int64) + torch.arange(inputs.shape[0])
        return super().forward(ids, state)


def plain_module(width: int = D, units: int = N) -> torch.nn.Module:
    """A cell that inherits nothing of ours."""

    class Plain(torch.nn.Module):
        state_size = output_size = units

        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(width + units, units)

        def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
            output = torch.tanh(self.inner(torch.cat([inputs, state], 1).to(self.inner.weight.dtype)))
            return output, output

    return Plain()


BUILT_IN = [
    cells.BasicRNNCell,
    cells.BasicLSTMCell,
    cells.LSTMCell,
    cells.GRUCell,
    cells.LayerNormBasicLSTMCell,
    cells.CoupledInputForgetGateLSTMCell,
    cells.UGRNNCell,
    cells.NASCell,
    cells.IndRNNCell,
    cells.IndyGRUCell,
    cells.IndyLSTMCell,
    cells.SRUCell,
    cells.GLSTMCell,
    cells.LayerNormLSTMCell,
    cells.WeightNormLSTMCell,
    cells.LSTMBlockCell,
]

# Every cell and wrapper, with the options that change a formula; each takes inputs of width D.
CATALOGUE: dict[str, Callable[[], Any]] = {
    "basic_rnn": lambda: cells.BasicRNNCell(N),
    "basic_rnn_relu": lambda: cells.BasicRNNCell(N, activation="softsign"),
    "gru": lambda: cells.GRUCell(N),
    "basic_lstm": lambda: cells.BasicLSTMCell(N),
    "basic_lstm_joined": lambda: cells.BasicLSTMCell(N, forget_bias=0.5, state_is_tuple=False),
    "lstm": lambda: cells.LSTMCell(N),
    "lstm_peepholes": lambda: cells.LSTMCell(N, use_peepholes=True, initializer=0.1),
    "lstm_all": lambda: cells.LSTMCell(N, True, 0.7, None, 2, 0.3, forget_bias=0.2),
    "lstm_all_joined": lambda: cells.LSTMCell(N, True, 0.7, None, 2, 0.3, state_is_tuple=False),
    "layer_norm": lambda: cells.LayerNormBasicLSTMCell(N),
    "layer_norm_off": lambda: cells.LayerNormBasicLSTMCell(N, layer_norm=False),
    "layer_norm_dropout": lambda: cells.LayerNormBasicLSTMCell(N, dropout_keep_prob=0.6, dropout_prob_seed=3),
    "multi": lambda: cells.MultiRNNCell([cells.LSTMCell(N), cells.GRUCell(2), cells.BasicLSTMCell(3)]),
    "multi_joined": lambda: cells.MultiRNNCell([cells.GRUCell(N), cells.BasicRNNCell(2)], state_is_tuple=False),
    "dropout": lambda: cells.DropoutWrapper(cells.BasicLSTMCell(N), 0.6, 0.7, 0.8, seed=1),
    "dropout_variational": lambda: cells.DropoutWrapper(
        cells.BasicLSTMCell(N), 0.6, 0.7, 0.8, True, D, torch.float32, seed=1
    ),
    "residual": lambda: cells.ResidualWrapper(cells.GRUCell(D)),
    "highway": lambda: cells.HighwayWrapper(cells.GRUCell(D)),
    "highway_uncoupled": lambda: cells.HighwayWrapper(cells.GRUCell(D), False),
    "input_projection": lambda: cells.InputProjectionWrapper(cells.GRUCell(N), 5),
    "output_projection": lambda: cells.OutputProjectionWrapper(cells.GRUCell(N), 5, "sigmoid"),
    "embedding": lambda: IdsCell(cells.BasicLSTMCell(N), 7, 5),
    "coupled": lambda: cells.CoupledInputForgetGateLSTMCell(N),
    "coupled_all": lambda: cells.CoupledInputForgetGateLSTMCell(
        N, True, None, 2, 0.3, 2, 2, 0.2, activation="softsign", layer_norm=True, norm_gain=0.7, norm_shift=0.1
    ),
    "coupled_joined": lambda: cells.CoupledInputForgetGateLSTMCell(N, num_proj=2, state_is_tuple=False),
    "ugrnn": lambda: cells.UGRNNCell(N, forget_bias=0.3),
    "intersection": lambda: cells.IntersectionRNNCell(N, N, y_activation="softsign"),
    "intersection_plain": lambda: cells.IntersectionRNNCell(D),
    "nas": lambda: cells.NASCell(N),
    "nas_all": lambda: cells.NASCell(N, 2, True),
    "ind_rnn": lambda: cells.IndRNNCell(N),
    "indy_gru": lambda: cells.IndyGRUCell(N),
    "indy_lstm": lambda: cells.IndyLSTMCell(N, 0.5),
    "sru": lambda: cells.SRUCell(N),
    "minimal": lambda: cells.MinimalRNNCell(N),
    "cfn": lambda: cells.CFNCell(N),
    "glstm": lambda: cells.GLSTMCell(N),
    "glstm_groups": lambda: cells.GLSTMCell(6, None, 3, 3, 0.5, "softsign"),
    "layer_norm_lstm": lambda: cells.LayerNormLSTMCell(N),
    "layer_norm_lstm_all": lambda: cells.LayerNormLSTMCell(
        N, True, 0.7, None, 2, 0.3, 0.2, layer_norm=True, norm_gain=0.7, norm_shift=0.1
    ),
    "weight_norm": lambda: cells.WeightNormLSTMCell(N),
    "weight_norm_all": lambda: cells.WeightNormLSTMCell(N, True, True, 0.7, None, 2, 0.3, 0.2),
    "weight_norm_off": lambda: cells.WeightNormLSTMCell(N, norm=False, num_proj=2),
    "lstm_block": lambda: cells.LSTMBlockCell(N, 0.5, 0.7, True),
    "gru_block": lambda: cells.GRUBlockCell(N),
    "gru_block_v2": lambda: cells.GRUBlockCellV2(cell_size=N),
    "cudnn_lstm": lambda: cells.CudnnCompatibleLSTMCell(N),
    "cudnn_gru": lambda: cells.CudnnCompatibleGRUCell(N),
    "grid_lstm": lambda: cells.GridLSTMCell(2, feature_size=2, frequency_skip=1, num_frequency_blocks=[2]),
    "grid_lstm_all": lambda: cells.GridLSTMCell(
        2, True, False, 0.6, None, 2, 0.3, 1, 1, [2, 1], [0, 2], [2, 3], state_is_tuple=False
    ),
    "grid_lstm_shared": lambda: cells.GridLSTMCell(
        2, True, True, None, None, 1, 0.3, 2, 1, [2], couple_input_forget_gates=True
    ),
    "grid_lstm_both_ways": lambda: cells.BidirectionalGridLSTMCell(
        2, True, feature_size=2, frequency_skip=1, num_frequency_blocks=[2], backward_slice_offset=-1
    ),
    "grid1_rnn": lambda: cells.Grid1BasicRNNCell(N, output_is_tuple=False),
    "grid1_lstm": lambda: cells.Grid1LSTMCell(N, True, output_is_tuple=False),
    "grid2_basic": lambda: cells.Grid2BasicLSTMCell(N, True, forget_bias=0.5, output_is_tuple=False),
    "grid2_rnn_plain": lambda: cells.Grid2BasicRNNCell(N, non_recurrent_fn="softsign", output_is_tuple=False),
    "grid2_gru_joined": lambda: cells.Grid2GRUCell(N, state_is_tuple=False, output_is_tuple=False),
    "grid3": lambda: cells.Grid3LSTMCell(N, use_peepholes=True, output_is_tuple=False, state_is_tuple=False),
    "grid_general": lambda: cells.GridRNNCell(
        N, 3, 0, [1, 2], [1], [0], True, cells.GRUCell, "tanh", output_is_tuple=False
    ),
    "attention_window": lambda: cells.AttentionCellWrapper(cells.BasicLSTMCell(N), 3),
    "attention_window_all": lambda: cells.AttentionCellWrapper(cells.GRUCell(N), 2, 5, 3, 6, False),
    "wrapped_module": lambda: cells.DropoutWrapper(plain_module(), output_keep_prob=0.5, seed=2),
}


def randomise(module: torch.nn.Module, seed: int = 0, scale: float = 1.0) -> None:
    """Give every weight random values, biases and gains too."""
    with torch.no_grad():
        for index, weight in enumerate(module.parameters()):
            weight.copy_(random_tensor(*weight.shape, seed=100 * seed + index) * scale)


def built(cell: Any, depth: int = D, dtype: torch.dtype = torch.float64) -> Any:
    """``cell`` with random weights for inputs of width ``depth``."""
    cell.ensure_built(depth, dtype)
    randomise(cell)
    return cell


def random_tensor(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    # Odd multiples of 1/128: exact in every dtype, and never a threshold of dropout.
    return ((torch.randint(-64, 64, shape, generator=generator) * 2 + 1).to(torch.float64) / 128).to(dtype)


def random_state(cell: Any, rows: int = B, dtype: torch.dtype = torch.float64) -> Any:
    """A state for ``cell``, different in each tensor."""
    sizes = nest.flatten(cell.state_size)
    return nest.pack_as(
        cell.state_size, [random_tensor(rows, size, dtype=dtype, seed=10 + i) for i, size in enumerate(sizes)]
    )


def numpy_weights(cell: torch.nn.Module) -> dict[str, Array]:
    return {name: weight.detach().numpy() for name, weight in cell.named_parameters()}


def quiet_multi(children: list[Any], **kwargs: Any) -> cells.MultiRNNCell:
    """A MultiRNNCell of cells that may be the same object."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cells.MultiRNNCell(children, **kwargs)


# -- the formulas in numpy, one element of the gates at a time where that makes them more obviously right ----------


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def affine(x: Array, h: Array, kernel: Array, bias: Array | float = 0.0) -> Array:
    """``x W_x + h W_h + b``, by splitting the kernel rather than joining the inputs."""
    width = x.shape[1]
    return x @ kernel[:width] + h @ kernel[width:] + bias


def numpy_rnn(weights: dict[str, Array], x: Array, h: Array) -> Array:
    return np.tanh(affine(x, h, weights["kernel"], weights["bias"]))


def numpy_gru(weights: dict[str, Array], x: Array, h: Array) -> Array:
    n = h.shape[1]
    kernel, bias = weights["gates.kernel"], weights["gates.bias"]
    reset = sigmoid(affine(x, h, kernel[:, :n], bias[:n]))
    update = sigmoid(affine(x, h, kernel[:, n:], bias[n:]))
    candidate = np.tanh(affine(x, reset * h, weights["candidate.kernel"], weights["candidate.bias"]))
    return update * h + (1 - update) * candidate


def numpy_lstm(
    weights: dict[str, Array],
    x: Array,
    c: Array,
    h: Array,
    forget_bias: float = 1.0,
    cell_clip: float | None = None,
    proj_clip: float | None = None,
) -> tuple[Array, Array]:
    """New c and output; peepholes and projection where there are weights for them."""
    n = c.shape[1]
    none = np.zeros(n)
    z = {
        gate: affine(x, h, weights["kernel"][:, k * n : (k + 1) * n], weights["bias"][k * n : (k + 1) * n])
        for k, gate in enumerate("ijfo")
    }
    into = sigmoid(z["i"] + weights.get("w_i_diag", none) * c)
    keep = sigmoid(z["f"] + forget_bias + weights.get("w_f_diag", none) * c)
    new_c = keep * c + into * np.tanh(z["j"])
    if cell_clip is not None:
        new_c = np.minimum(np.maximum(new_c, -cell_clip), cell_clip)
    out = sigmoid(z["o"] + weights.get("w_o_diag", none) * new_c) * np.tanh(new_c)
    if "projection.kernel" in weights:
        out = out @ weights["projection.kernel"]
        if proj_clip is not None:
            out = np.minimum(np.maximum(out, -proj_clip), proj_clip)
    return new_c, out


def numpy_layer_norm(z: Array, gamma: Array, beta: Array, epsilon: float = 1e-12) -> Array:
    return (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + epsilon) * gamma + beta


def numpy_layer_norm_lstm(
    weights: dict[str, Array], x: Array, c: Array, h: Array, forget_bias: float = 1.0, mask: Array | float = 1.0
) -> tuple[Array, Array]:
    """New c and output; ``mask`` multiplies what is written to c."""
    n = c.shape[1]

    def norm(name: str, z: Array) -> Array:
        return numpy_layer_norm(z, weights[f"{name}.gamma"], weights[f"{name}.beta"])

    i, j, f, o = (
        norm(name, affine(x, h, weights["kernel"][:, k * n : (k + 1) * n]))
        for k, name in enumerate(("input", "transform", "forget", "output"))
    )
    new_c = norm("state", c * sigmoid(f + forget_bias) + sigmoid(i) * np.tanh(j) * mask)
    return new_c, np.tanh(new_c) * sigmoid(o)
