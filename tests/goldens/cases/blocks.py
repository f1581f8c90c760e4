"""TensorFlow's kernels of a whole step or a whole LSTM, which ``tf.contrib.rnn`` wraps and TensorFlow 2 still has.

Under TensorFlow the kernels are called directly, with variables named as contrib's cells name them; under
``dynrnn.tf1`` the cells are. TensorFlow 2 has a derivative of the whole LSTM only, and that is 1 where c is clipped.
"""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, fixed, gradients_of

BATCH, TIME, DEPTH, UNITS = 3, 4, 3, 2

LSTMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clip": {"forget_bias": 0.25, "cell_clip": 0.25},
    "peepholes": {"use_peephole": True},
    "all": {"forget_bias": -0.5, "cell_clip": 0.5, "use_peephole": True},
}


def _lstm_variables(tf: Any, scope: str, use_peephole: bool = False, **_: Any) -> dict[str, Any]:
    with tf.variable_scope(scope):
        found = {
            "w": tf.get_variable("kernel", [DEPTH + UNITS, 4 * UNITS]),
            "b": tf.get_variable("bias", [4 * UNITS]),
        }
        for gate in "ifo":
            name = f"wc{gate}"
            found[name] = tf.get_variable(f"w_{gate}_diag", [UNITS]) if use_peephole else tf.zeros([UNITS])
    return found


def _kernel_options(forget_bias: float = 1.0, cell_clip: float = -1.0, use_peephole: bool = False) -> dict[str, Any]:
    return {"forget_bias": forget_bias, "cell_clip": cell_clip, "use_peephole": use_peephole}


def _pair(tf: Any) -> tuple[Any, dict[Any, Any]]:
    state = tf.nn.rnn_cell.LSTMStateTuple(*(tf.placeholder(tf.float32, [BATCH, UNITS]) for _ in "ch"))
    return state, {leaf: fixed(f"blocks {i}", [BATCH, UNITS]) for i, leaf in enumerate(state)}


def _result(tf: Any, fetches: dict[str, Any], wrt: dict[str, Any], feeds: dict[Any, Any]) -> Program:
    wrt = {**wrt, **{v.op.name: v for v in tf.trainable_variables()}}
    return Program({**fetches, **gradients_of(tf, fetches.values(), wrt)}, feeds)


def _register_lstm(name: str, options: dict[str, Any]) -> None:
    @case(f"LSTMBlockCell/{name}")
    def lstm_block_cell(tf: Any, np: Any) -> Program:
        x = tf.placeholder(tf.float32, [BATCH, DEPTH])
        state, feeds = _pair(tf)
        if hasattr(tf, "raw_ops"):
            weights = _lstm_variables(tf, "lstm_cell", **options)
            done = tf.raw_ops.LSTMBlockCell(
                x=x, cs_prev=state.c, h_prev=state.h, **weights, **_kernel_options(**options)
            )
            c, h = done.cs, done.h
        else:
            cell = tf.contrib.rnn.LSTMBlockCell(UNITS, **options)
            h, (c, _) = cell(x, state)
        return Program({"new_c": c, "new_h": h}, {**feeds, x: fixed("blocks x", [BATCH, DEPTH], scale=2.0)})

    for lengths in (None, [4, 0, 2]):

        @case(f"LSTMBlockFusedCell/{name}/{'lengths' if lengths else 'all'}")
        def fused(tf: Any, np: Any, lengths: Any = lengths) -> Program:
            x = tf.placeholder(tf.float32, [TIME, BATCH, DEPTH])
            state, feeds = _pair(tf)
            if hasattr(tf, "raw_ops"):
                weights = _lstm_variables(tf, "lstm_fused_cell", **options)
                longest = TIME if lengths is None else max(lengths)
                done = tf.raw_ops.BlockLSTM(
                    seq_len_max=tf.constant(longest, tf.int64),
                    x=x,
                    cs_prev=state.c,
                    h_prev=state.h,
                    **weights,
                    **_kernel_options(**options),
                )
                cs, outputs = done.cs, done.h
                ends = [TIME] * BATCH if lengths is None else lengths
                outputs *= tf.transpose(tf.sequence_mask(ends, TIME, tf.float32))[:, :, None]
                c, h = (
                    tf.stack([tf.concat([first[None], leaf], 0)[end, b] for b, end in enumerate(ends)])
                    for first, leaf in ((state.c, cs), (state.h, outputs))
                )
            else:
                cell = tf.contrib.rnn.LSTMBlockFusedCell(UNITS, **options)
                outputs, (c, h) = cell(x, initial_state=state, sequence_length=lengths)
            fetches = {"outputs": outputs, "new_c": c, "new_h": h}
            feeds[x] = fixed("blocks sequence", [TIME, BATCH, DEPTH], scale=2.0)
            if options.get("cell_clip"):
                return Program(fetches, feeds)
            return _result(tf, fetches, {"x": x, "c": state.c, "h": state.h}, feeds)


for _name, _options in LSTMS.items():
    _register_lstm(_name, _options)


def _register_gru(version: str, names: tuple[str, ...]) -> None:
    @case(f"GRUBlockCell{version}")
    def gru_block_cell(tf: Any, np: Any) -> Program:
        x, h = tf.placeholder(tf.float32, [BATCH, DEPTH]), tf.placeholder(tf.float32, [BATCH, UNITS])
        if hasattr(tf, "raw_ops"):
            shapes = [[DEPTH + UNITS, 2 * UNITS], [2 * UNITS], [DEPTH + UNITS, UNITS], [UNITS]]
            with tf.variable_scope("gru_cell"):
                w_ru, b_ru, w_c, b_c = (tf.get_variable(name, shape) for name, shape in zip(names, shapes, strict=True))
            new = tf.raw_ops.GRUBlockCell(x=x, h_prev=h, w_ru=w_ru, w_c=w_c, b_ru=b_ru, b_c=b_c).h
        else:
            cell = getattr(tf.contrib.rnn, f"GRUBlockCell{version}")(UNITS)
            new, _ = cell(x, h)
        feeds = {x: fixed("blocks x", [BATCH, DEPTH], scale=2.0), h: fixed("blocks 1", [BATCH, UNITS])}
        return Program({"new_h": new}, feeds)


_register_gru("", ("w_ru", "b_ru", "w_c", "b_c"))
_register_gru("V2", ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"))
