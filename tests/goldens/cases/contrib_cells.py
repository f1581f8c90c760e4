"""The other cells of ``tf.contrib.rnn``, ``grid_rnn`` and ``cudnn_rnn``: the oracle is numpy, in `contrib_formulas`.

Values and gradients in float64 (by the complex step, see `contrib`), names, shapes and order of the variables as
TensorFlow 1.15 makes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from goldens.cases import contrib_formulas as formulas
from goldens.harness import Program, Record, Value, case, feeds_of, fixed, flatten, gradients_of, weight

BATCH, TIME, DEPTH, UNITS = 3, 4, 3, 2
LENGTHS = [4, 0, 2]
STEP = 1e-30

Shapes = list[tuple[str, list[int]]]


@dataclasses.dataclass(frozen=True)
class Model:
    """A cell: how to make it, its scope, its variables, its formula, the shapes of a row of states and inputs."""

    make: Callable[[Any], Any]
    scope: str
    variables: Shapes
    step: formulas.Step
    states: list[list[int]]
    inputs: list[list[int]] = dataclasses.field(default_factory=lambda: [[DEPTH]])
    # variables that TensorFlow makes and does not use
    unused: tuple[str, ...] = ()
    # states that the cell does not look at
    unseen: tuple[int, ...] = ()


def _norms(*names: str, n: int = UNITS) -> Shapes:
    return [(f"{name}/{part}", [n]) for name in names for part in ("gamma", "beta")]


def _diagonals(*names: str, n: int = UNITS) -> Shapes:
    return [(name, [n]) for name in names]


N, D = UNITS, DEPTH
PAIR = [[N], [N]]
MODELS = {
    "CoupledInputForgetGateLSTMCell": Model(
        lambda tf: tf.contrib.rnn.CoupledInputForgetGateLSTMCell(N),
        "coupled_input_forget_gate_lstm_cell",
        [("W_0", [D + N, 3 * N]), ("B", [3 * N])],
        formulas.coupled(N, False, False, False, None, 1),
        PAIR,
    ),
    "CoupledInputForgetGateLSTMCell-all": Model(
        lambda tf: tf.contrib.rnn.CoupledInputForgetGateLSTMCell(
            4, True, None, 3, 0.25, num_unit_shards=2, num_proj_shards=2, layer_norm=True
        ),
        "coupled_input_forget_gate_lstm_cell",
        [
            *(("W_0", [3, 12]), ("W_1", [3, 12]), ("B", [12])),
            *_norms("transform", "forget", "output", n=4),
            *_diagonals("W_F_diag", "W_O_diag", n=4),
            *_norms("state", n=4),
            *(("W_P_0", [2, 3]), ("W_P_1", [2, 3])),
        ],
        formulas.coupled(4, True, True, True, 0.25, 2),
        [[4], [3]],
        unused=("B",),
    ),
    "UGRNNCell": Model(
        lambda tf: tf.contrib.rnn.UGRNNCell(N),
        "ugrnn_cell",
        [("kernel", [D + N, 2 * N]), ("bias", [2 * N])],
        formulas.ugrnn,
        [[N]],
    ),
    "IntersectionRNNCell": Model(
        lambda tf: tf.contrib.rnn.IntersectionRNNCell(N, num_in_proj=N),
        "intersection_rnn_cell",
        [
            *(("in_projection/kernel", [D, N]), ("in_projection/bias", [N])),
            *(("kernel", [2 * N, 4 * N]), ("bias", [4 * N])),
        ],
        formulas.intersection,
        [[N]],
    ),
    "NASCell": Model(
        lambda tf: tf.contrib.rnn.NASCell(N, num_proj=3, use_bias=True),
        "nas_cell",
        [
            *(("recurrent_kernel", [3, 8 * N]), ("kernel", [D, 8 * N])),
            *(("bias", [8 * N]), ("projection_weights", [N, 3])),
        ],
        formulas.nas,
        [[N], [3]],
    ),
    "IndRNNCell": Model(
        lambda tf: tf.contrib.rnn.IndRNNCell(N),
        "ind_rnn_cell",
        [("kernel_w", [D, N]), ("kernel_u", [1, N]), ("bias", [N])],
        formulas.ind_rnn,
        [[N]],
    ),
    "IndyGRUCell": Model(
        lambda tf: tf.contrib.rnn.IndyGRUCell(N),
        "indy_gru_cell",
        [
            *(("gates/kernel_w", [D, 2 * N]), ("gates/kernel_u", [1, 2 * N]), ("gates/bias", [2 * N])),
            *(("candidate/kernel", [D, N]), ("candidate/kernel_u", [1, N]), ("candidate/bias", [N])),
        ],
        formulas.indy_gru,
        [[N]],
    ),
    "IndyLSTMCell": Model(
        lambda tf: tf.contrib.rnn.IndyLSTMCell(N),
        "indy_lstm_cell",
        [("kernel_w", [D, 4 * N]), ("kernel_u", [1, 4 * N]), ("bias", [4 * N])],
        formulas.indy_lstm,
        PAIR,
    ),
    "SRUCell": Model(
        lambda tf: tf.contrib.rnn.SRUCell(N),
        "sru_cell",
        [("kernel", [D, 4 * N]), ("bias", [2 * N])],
        formulas.sru,
        [[N]],
    ),
    "MinimalRNNCell": Model(
        lambda tf: tf.contrib.rnn.MinimalRNNCell(N),
        "minimal_rnn_cell",
        [("kernel", [D + 2 * N, N]), ("bias", [N])],
        formulas.minimal,
        [[N]],
    ),
    "CFNCell": Model(
        lambda tf: tf.contrib.rnn.CFNCell(N),
        "cfn_cell",
        [("kernel", [D, 3 * N]), ("recurrent_kernel", [N, 2 * N]), ("bias", [2 * N])],
        formulas.cfn,
        [[N]],
    ),
    "GLSTMCell": Model(
        lambda tf: tf.contrib.rnn.GLSTMCell(4, num_proj=2, number_of_groups=2),
        "glstm_cell",
        [
            *(("group0/kernel", [3, 8]), ("group1/kernel", [3, 8])),
            *_diagonals("bias_i", "bias_j", "bias_f", "bias_o", n=4),
            ("projection/kernel", [4, 2]),
        ],
        formulas.glstm(2),
        [[4], [2]],
        [[4]],
    ),
    "LayerNormLSTMCell": Model(
        lambda tf: tf.contrib.rnn.LayerNormLSTMCell(4, True, 0.75, None, 3, 0.25, layer_norm=True),
        "layer_norm_lstm_cell",
        [
            *(("kernel", [D + 3, 16]), ("bias", [16])),
            *_norms("input", "transform", "forget", "output", n=4),
            *_diagonals("w_f_diag", "w_i_diag", "w_o_diag", n=4),
            *_norms("state", n=4),
            ("projection/kernel", [4, 3]),
        ],
        formulas.lstm(True, True, 0.75, 0.25),
        [[4], [3]],
        unused=("bias",),
    ),
    "LayerNormLSTMCell-plain": Model(
        lambda tf: tf.contrib.rnn.LayerNormLSTMCell(N, num_proj=3),
        "layer_norm_lstm_cell",
        [("kernel", [D + 3, 4 * N]), ("bias", [4 * N]), ("projection/kernel", [N, 3])],
        formulas.lstm(False, False, None, None),
        [[N], [3]],
    ),
    "WeightNormLSTMCell": Model(
        lambda tf: tf.contrib.rnn.WeightNormLSTMCell(N, True, True, 0.75, num_proj=3, proj_clip=0.25),
        "wn_lstm_cell/wn_lstm_cell",
        [
            *(("kernel", [D + 3, 4 * N]), ("norm_0", [4 * N]), ("norm_1", [4 * N]), ("bias", [4 * N])),
            *_diagonals("w_f_diag", "w_i_diag", "w_o_diag"),
            *(("projection/kernel", [N, 3]), ("projection/norm_0", [3])),
        ],
        formulas.lstm(False, True, 0.75, 0.25, weigh=True),
        [[N], [3]],
    ),
    "PhasedLSTMCell": Model(
        lambda tf: tf.contrib.rnn.PhasedLSTMCell(N, use_peepholes=True, leak=0.125),
        "phased_lstm_cell",
        [
            *(("mask_gates/kernel", [D + 2 * N, 2 * N]), ("mask_gates/bias", [2 * N])),
            *(("new_input/kernel", [D + N, N]), ("new_input/bias", [N])),
            *(("output_gate/kernel", [D + 2 * N, N]), ("output_gate/bias", [N])),
            *_diagonals("period", "phase", "ratio_on"),
        ],
        formulas.phased(0.125),
        PAIR,
        [[1], [D]],
    ),
    "Conv1DLSTMCell": Model(
        lambda tf: tf.contrib.rnn.Conv1DLSTMCell(input_shape=[3, 2], output_channels=2, kernel_shape=[2]),
        "conv_1d_lstm_cell",
        [("kernel", [2, 4, 8]), ("biases", [8])],
        formulas.conv(False),
        [[3, 2], [3, 2]],
        [[3, 2]],
    ),
    "Conv2DLSTMCell": Model(
        lambda tf: tf.contrib.rnn.Conv2DLSTMCell(
            input_shape=[2, 3, 1], output_channels=1, kernel_shape=[1, 3], use_bias=False, skip_connection=True
        ),
        "conv_2d_lstm_cell",
        [("kernel", [1, 3, 2, 4])],
        formulas.conv(True),
        [[2, 3, 1], [2, 3, 1]],
        [[2, 3, 1]],
    ),
    "Conv3DLSTMCell": Model(
        lambda tf: tf.contrib.rnn.Conv3DLSTMCell(input_shape=[2, 1, 2, 1], output_channels=1, kernel_shape=[3, 1, 2]),
        "conv_3d_lstm_cell",
        [("kernel", [3, 1, 2, 2, 4]), ("biases", [4])],
        formulas.conv(False),
        [[2, 1, 2, 1], [2, 1, 2, 1]],
        [[2, 1, 2, 1]],
    ),
    "TimeFreqLSTMCell": Model(
        lambda tf: tf.contrib.rnn.TimeFreqLSTMCell(N, use_peepholes=True, feature_size=3),
        "time_freq_lstm_cell",
        [("W_0", [3 + 2 * N, 4 * N]), ("B", [4 * N]), *_diagonals("W_F_diag", "W_I_diag", "W_O_diag")],
        formulas.time_freq(3, 1, 1),
        [[2 * N]],
    ),
    "GridLSTMCell": Model(
        lambda tf: tf.contrib.rnn.GridLSTMCell(
            N, True, cell_clip=0.5, feature_size=2, frequency_skip=1, num_frequency_blocks=[2]
        ),
        "grid_lstm_cell",
        [
            *(("W_f_0_0", [2 + 2 * N, 4 * N]), ("B_f_0", [4 * N]), ("W_t_0_0", [2 + 2 * N, 4 * N]), ("B_t_0", [4 * N])),
            *((f"W_{g}_diag_{k}{e}_0", [N]) for k in ("freq", "time") for g in "FIO" for e in "ft"),
        ],
        formulas.grid_lstm(2, [[0, 1]], True, False, False, 0.5),
        [[N]] * 4,
    ),
    "GridLSTMCell-shared": Model(
        lambda tf: tf.contrib.rnn.GridLSTMCell(
            N,
            share_time_frequency_weights=True,
            feature_size=2,
            frequency_skip=1,
            num_frequency_blocks=[1, 2],
            start_freqindex_list=[0, 1],
            end_freqindex_list=[2, 4],
            couple_input_forget_gates=True,
        ),
        "grid_lstm_cell",
        [
            (f"{k}_f_{b}{end}", [2 + 2 * N, 3 * N][i:])
            for b in (0, 1)
            for i, (k, end) in enumerate((("W", "_0"), ("B", "")))
        ],
        formulas.grid_lstm(2, [[0], [1, 2]], False, True, True, None),
        [[N]] * 6,
        [[4]],
    ),
    "BidirectionalGridLSTMCell": Model(
        lambda tf: tf.contrib.rnn.BidirectionalGridLSTMCell(
            N, feature_size=2, frequency_skip=1, num_frequency_blocks=[2], backward_slice_offset=1
        ),
        "bidirectional_grid_lstm_cell",
        [
            (f"{way}/{k}_{f}_0{end}", [2 + 2 * N, 4 * N][i:])
            for way in ("fwd", "bwd")
            for f in "ft"
            for i, (k, end) in enumerate((("W", "_0"), ("B", "")))
        ],
        formulas.grid_both_ways(2, 1, 2, 1),
        [[N]] * 8,
    ),
    "AttentionCellWrapper": Model(
        lambda tf: tf.contrib.rnn.AttentionCellWrapper(tf.contrib.rnn.BasicLSTMCell(N), 2, 3, 4, 5),
        "attention_cell_wrapper",
        [
            *(("kernel", [D + 3, 5]), ("bias", [5])),
            *(("basic_lstm_cell/kernel", [5 + N, 4 * N]), ("basic_lstm_cell/bias", [4 * N])),
            *(("attention/attn_w", [1, 1, 3, 4]), ("attention/attn_v", [4])),
            *(("attention/kernel", [2 * N, 4]), ("attention/bias", [4])),
            *(("attn_output_projection/kernel", [N + 3, 3]), ("attn_output_projection/bias", [3])),
        ],
        formulas.attention(2),
        [[N], [N], [3], [6]],
    ),
    "CudnnCompatibleGRUCell": Model(
        lambda tf: tf.contrib.cudnn_rnn.CudnnCompatibleGRUCell(N),
        "cudnn_compatible_gru_cell",
        [
            *(("gates/kernel", [D + N, 2 * N]), ("gates/bias", [2 * N])),
            *(("candidate/input_projection/kernel", [D, N]), ("candidate/hidden_projection/kernel", [N, N])),
            *(("candidate/input_projection/bias", [N]), ("candidate/hidden_projection/bias", [N])),
        ],
        formulas.cudnn_gru,
        [[N]],
    ),
    "Grid2LSTMCell": Model(
        lambda tf: tf.contrib.grid_rnn.Grid2LSTMCell(N),
        "Grid2LSTMCell",
        [
            *(("project_m_0", [D, N]), ("project_c_0", [D, N])),
            *(
                (f"recurrent/cell_{k}/lstm_cell/{name}", shape)
                for k in (1, 0)
                for name, shape in (("kernel", [2 * N, 4 * N]), ("bias", [4 * N]))
            ),
        ],
        formulas.grid2_lstm,
        [[N]] * 4,
        unseen=(0, 1),
    ),
    "Grid2BasicRNNCell-plain": Model(
        lambda tf: tf.contrib.grid_rnn.Grid2BasicRNNCell(N, non_recurrent_fn=tf.nn.relu),
        "Grid2BasicRNNCell",
        [
            ("project_m_0", [D, N]),
            *(("recurrent/cell_1/basic_rnn_cell/kernel", [2 * N, N]), ("recurrent/cell_1/basic_rnn_cell/bias", [N])),
            ("non_recurrent/cell_0/fully_connected/weights", [2 * N, N]),
            ("non_recurrent/cell_0/fully_connected/biases", [N]),
        ],
        formulas.grid2_plain,
        [[N]],
    ),
}


def _arrays(model: Model, steps: int | None) -> tuple[list[Any], list[Any]]:
    """The inputs and the initial states; times are far enough apart to meet every part of a period."""
    time = [] if steps is None else [steps]
    inputs = [fixed(f"contrib cells {i}", [BATCH, *time, *row], "float64", 2.0) for i, row in enumerate(model.inputs)]
    states = [fixed(f"contrib cells state {i}", [BATCH, *row], "float64") for i, row in enumerate(model.states)]
    return inputs, states


def _unroll(
    model: Model, p: dict[str, Any], inputs: list[Any], states: list[Any], lengths: list[int] | None
) -> tuple[list[Any], list[Any]]:
    """One step when there are no lengths; else row by row, so that nothing needs to be masked."""
    import numpy as np

    if lengths is None:
        return model.step(p, inputs, states)
    rows = []
    for b, end in enumerate(lengths):
        state = [leaf[b : b + 1] for leaf in states]
        outputs = []
        for t in range(end):
            y, state = model.step(p, [x[b : b + 1, t] for x in inputs], state)
            outputs.append(y)
        rows.append((outputs, state))
    some = next(outputs for outputs, _ in rows if outputs)[0]
    ys = []
    for k, like in enumerate(some):
        joined: Any = np.zeros([BATCH, TIME, *like.shape[1:]], complex)
        for b, (outputs, _) in enumerate(rows):
            for t, output in enumerate(outputs):
                joined[b, t] = output[k][0]
        ys.append(joined)
    return ys, [np.concatenate([state[k] for _, state in rows], 0) for k in range(len(states))]


def _reference(model: Model, lengths: list[int] | None) -> Callable[[Any], Record]:
    def reference(np: Any) -> Record:
        scope = ("" if lengths is None else "rnn/") + model.scope + "/"
        inputs, states = _arrays(model, None if lengths is None else TIME)
        weights = {name: weight(scope + name, shape, "float64") for name, shape in model.variables}

        def run() -> tuple[list[Any], list[Any]]:
            return _unroll(model, weights, inputs, states, lengths)

        def derivative(holder: Any, key: Any) -> Any:
            array = holder[key]
            gradient = np.zeros(array.shape)
            for index in np.ndindex(*array.shape):
                holder[key] = array.astype(complex)
                holder[key][index] += STEP * 1j
                total = sum((leaf * leaf + 0.5 * leaf).sum() for part in run() for leaf in part)
                gradient[index] = total.imag / STEP
            holder[key] = array
            return gradient

        record = Record()
        for kind, leaves in zip(("output", "state"), run(), strict=True):
            for i, leaf in enumerate(leaves):
                record.values[f"{kind}{i}"] = Value(leaf.real, "float64", list(leaf.shape))
        for i in range(len(inputs)):
            record.values[f"grad/input{i}"] = Value(derivative(inputs, i), "float64")
        for i in set(range(len(states))) - set(model.unseen):
            record.values[f"grad/state{i}"] = Value(derivative(states, i), "float64")
        for name in weights:
            if name not in model.unused:
                record.values[f"grad/{scope}{name}"] = Value(derivative(weights, name), "float64")
        record.variables = [(scope + name, shape, "float64") for name, shape in model.variables]
        record.trainable = [name for name, _, _ in record.variables]
        record.weights = {scope + name: array for name, array in weights.items()}
        return record

    return reference


def _program(model: Model, lengths: list[int] | None) -> Callable[[Any, Any], Program]:
    def program(tf: Any, np: Any) -> Program:
        inputs, states = _arrays(model, None if lengths is None else TIME)
        xs = [tf.placeholder(tf.float64, array.shape) for array in inputs]
        flat = [tf.placeholder(tf.float64, array.shape) for array in states]
        cell = model.make(tf)
        state = tf.contrib.framework.nest.pack_sequence_as(cell.state_size, flat)
        x = xs[0] if len(xs) == 1 else tuple(xs)
        if lengths is None:
            output, new = cell(x, state)
        else:
            output, new = tf.nn.dynamic_rnn(cell, x, lengths, initial_state=state)
        ys, news = ([leaf for _, leaf in flatten(nest, "")] for nest in (output, new))
        fetches = {f"output{i}": y for i, y in enumerate(ys)} | {f"state{i}": s for i, s in enumerate(news)}
        wrt = {f"input{i}": t for i, t in enumerate(xs)} | {
            f"state{i}": t for i, t in enumerate(flat) if i not in model.unseen
        }
        wrt |= {v.op.name: v for v in tf.trainable_variables() if not v.op.name.endswith(model.unused or ("//",))}
        return Program(
            {**fetches, **gradients_of(tf, [*ys, *news], wrt)}, {**feeds_of(xs, inputs), **feeds_of(flat, states)}
        )

    program.__module__ = __name__
    return program


for _name, _model in MODELS.items():
    for _how, _lengths in (("call", None), ("dynamic_rnn", LENGTHS)):
        case(f"{_how}/{_name}", reference=_reference(_model, _lengths))(_program(_model, _lengths))
