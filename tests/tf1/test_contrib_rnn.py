"""Cells and fused cells of ``tf.contrib.rnn`` and ``tf.contrib.grid_rnn``: scopes, sizes, initial values, refusals.

Their numbers are held to the goldens ``contrib_cells`` and ``blocks``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

tf: Any = dynrnn.tf1
rnn: Any = tf.contrib.rnn
grid: Any = tf.contrib.grid_rnn
T, B, D, N = 5, 3, 4, 2
LENGTHS = [5, 0, 2]

CELLS: dict[str, Any] = {
    "coupled_input_forget_gate_lstm_cell": lambda: rnn.CoupledInputForgetGateLSTMCell(N),
    "ugrnn_cell": lambda: rnn.UGRNNCell(N),
    "intersection_rnn_cell": lambda: rnn.IntersectionRNNCell(N, N),
    "nas_cell": lambda: rnn.NASCell(N),
    "ind_rnn_cell": lambda: rnn.IndRNNCell(N),
    "indy_gru_cell": lambda: rnn.IndyGRUCell(N),
    "indy_lstm_cell": lambda: rnn.IndyLSTMCell(N),
    "sru_cell": lambda: rnn.SRUCell(N),
    "minimal_rnn_cell": lambda: rnn.MinimalRNNCell(N),
    "cfn_cell": lambda: rnn.CFNCell(N),
    "glstm_cell": lambda: rnn.GLSTMCell(N, number_of_groups=2),
    "layer_norm_lstm_cell": lambda: rnn.LayerNormLSTMCell(N, layer_norm=True),
    "wn_lstm_cell": lambda: rnn.WeightNormLSTMCell(N),
    "grid_lstm_cell": lambda: rnn.GridLSTMCell(N, feature_size=2, frequency_skip=2, num_frequency_blocks=[2]),
    "bidirectional_grid_lstm_cell": lambda: rnn.BidirectionalGridLSTMCell(
        N, feature_size=2, frequency_skip=2, num_frequency_blocks=[2]
    ),
    "time_freq_lstm_cell": lambda: rnn.TimeFreqLSTMCell(N, feature_size=D),
    "attention_cell_wrapper": lambda: rnn.AttentionCellWrapper(rnn.GRUCell(N), 3),
    "lstm_cell": lambda: rnn.LSTMBlockCell(N),
    "gru_cell": lambda: rnn.GRUBlockCellV2(N),
    "cudnn_compatible_lstm_cell": lambda: tf.contrib.cudnn_rnn.CudnnCompatibleLSTMCell(N),
    "cudnn_compatible_gru_cell": lambda: tf.contrib.cudnn_rnn.CudnnCompatibleGRUCell(N),
    "Grid1LSTMCell": lambda: grid.Grid1LSTMCell(N),
    "Grid2LSTMCell": lambda: grid.Grid2LSTMCell(N, tied=True),
    "Grid2GRUCell": lambda: grid.Grid2GRUCell(N),
    "Grid3LSTMCell": lambda: grid.Grid3LSTMCell(N),
    "Grid2BasicRNNCell": lambda: grid.Grid2BasicRNNCell(N, non_recurrent_fn=tf.nn.relu),
}


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield sess


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def flat(nest: Any) -> list[Any]:
    return tf.contrib.framework.nest.flatten(nest)


def names() -> list[str]:
    return [v.op.name for v in tf.global_variables()]


# --- every cell -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", CELLS)
def test_scope_sharing_and_drivers(scope: str, session: Any) -> None:
    x = tf.placeholder(tf.float32, [None, T, D])
    cell = CELLS[scope]()
    outputs, state = tf.nn.dynamic_rnn(cell, x, LENGTHS, dtype=tf.float32)
    made = names()
    assert made
    assert all(name.startswith(f"rnn/{scope}/") for name in made)
    again, last = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32, sequence_length=LENGTHS)
    assert names() == made
    assert [v.op.name for v in cell.trainable_variables] == made
    if isinstance(cell.state_size, tuple):
        assert type(state) is type(cell.state_size)
    for leaf, size in zip(flat(outputs), flat(cell.output_size), strict=True):
        assert leaf.shape.as_list() == [None, T, size]
    for leaf, size in zip(flat(state), flat(cell.state_size), strict=True):
        assert leaf.shape.as_list() == [None, size]
    with pytest.raises(ValueError, match="already exists, disallowed"):
        tf.nn.dynamic_rnn(CELLS[scope](), x, dtype=tf.float32)
    session.run(tf.global_variables_initializer())
    stacked = [tf.stack(list(leaf), 1) for leaf in zip(*(flat(step) for step in again), strict=True)]
    results = session.run([flat(outputs), stacked, flat(state), flat(last)], {x: numbers(B, T, D)})
    for one, two in zip(results[0], results[1], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
        assert (one[1] == 0).all()
        assert (one[2, 2:] == 0).all()
        assert (one[2, :2] != 0).any()
    for one, two in zip(results[2], results[3], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
        assert (one[1] == 0).all()


@pytest.mark.parametrize("scope", CELLS)
def test_what_every_cell_refuses(scope: str) -> None:
    cell = CELLS[scope]()
    with pytest.raises(ValueError, match="rank at least 3"):
        tf.nn.dynamic_rnn(cell, tf.zeros([B, D]), dtype=tf.float32)
    with pytest.raises(ValueError):
        cell(tf.placeholder(tf.float32, [B, None]), cell.zero_state(B, tf.float32))
    with pytest.raises((ValueError, TypeError)):
        cell(tf.zeros([B, D]), tf.zeros([B, 999]))
    assert not names()


def test_zero_states() -> None:
    state = rnn.AttentionCellWrapper(rnn.BasicLSTMCell(N), 3).zero_state(B, tf.float64)
    assert [leaf.shape.as_list() for leaf in flat(state)] == [[B, N], [B, N], [B, N], [B, 3 * N]]
    assert {leaf.dtype for leaf in flat(state)} == {tf.float64}
    state = rnn.Conv2DLSTMCell(input_shape=[4, 5, 1], output_channels=3, kernel_shape=[3, 3]).zero_state(B, tf.float32)
    assert [leaf.shape.as_list() for leaf in state] == [[B, 4, 5, 3]] * 2
    state = grid.Grid2LSTMCell(N).zero_state(B, tf.float32)
    assert [type(pair).__name__ for pair in state] == ["LSTMStateTuple"] * 2


# --- initial values ---------------------------------------------------------------------------------------------------


def test_initializers_of_uniform_rows(session: Any) -> None:
    with tf.variable_scope("constant", initializer=tf.constant_initializer(0.5)):
        cell = rnn.IndyLSTMCell(500)
        cell(tf.zeros([B, D]), cell.zero_state(B, tf.float32))
    session.run(tf.global_variables_initializer())
    kernel, row, bias = session.run(cell.variables)
    assert (kernel == 0.5).all()
    assert -1 <= row.min() < -0.95
    assert 0.95 < row.max() < 1
    assert (bias == 0).all()


def test_initial_values_of_a_phased_lstm(session: Any) -> None:
    cell = rnn.PhasedLSTMCell(2000, ratio_on=0.25, trainable_ratio_on=False, period_init_min=2.0, period_init_max=50.0)
    cell((tf.zeros([B, 1]), tf.zeros([B, D])), cell.zero_state(B, tf.float32))
    session.run(tf.global_variables_initializer())
    found = dict(zip((v.op.name for v in cell.variables), session.run(cell.variables), strict=True))
    period, phase = found["phased_lstm_cell/period"], found["phased_lstm_cell/phase"]
    assert 2 <= period.min() < 2.1
    assert 49 < period.max() <= 50
    assert abs(np.log(period).mean() - (np.log(2) + np.log(50)) / 2) < 0.1
    assert (phase >= 0).all()
    assert (phase <= period).all()
    assert abs((phase / period).mean() - 0.5) < 0.05
    assert (found["phased_lstm_cell/ratio_on"] == 0.25).all()
    assert [v.op.name for v in cell.non_trainable_variables] == ["phased_lstm_cell/ratio_on"]


def test_biases_that_begin_with_one(session: Any) -> None:
    for cell in (rnn.MinimalRNNCell(N), rnn.CFNCell(N, bias_initializer="ones"), rnn.GRUBlockCell(N)):
        cell(tf.zeros([B, D]), cell.zero_state(B, tf.float32))
    zeros = rnn.CFNCell(N, kernel_initializer="he_normal", bias_initializer="zeros", name="other")
    zeros(tf.zeros([B, D]), zeros.zero_state(B, tf.float32))
    session.run(tf.global_variables_initializer())
    ones = ["minimal_rnn_cell/bias", "cfn_cell/bias", "gru_cell/b_ru"]
    for v in tf.global_variables():
        if v.op.name in ones:
            assert (session.run(v) == 1).all()
            ones.remove(v.op.name)
        if v.op.name.endswith(("b_c", "other/bias")):
            assert (session.run(v) == 0).all()
    assert not ones


def test_an_initializer_that_tensorflow_does_not_look_at(session: Any) -> None:
    """Three of contrib's cells take one and leave it to the scope; UGRNNCell uses it."""
    half = tf.constant_initializer(0.5)
    for cell, used in (
        (rnn.CoupledInputForgetGateLSTMCell(N, initializer=half), False),
        (rnn.TimeFreqLSTMCell(N, initializer=half, feature_size=D), False),
        (rnn.UGRNNCell(N, initializer=half), True),
    ):
        cell(tf.zeros([B, D]), cell.zero_state(B, tf.float32))
        session.run(tf.variables_initializer(cell.variables))
        assert (session.run(cell.variables[0]) == 0.5).all() == used


# --- some cells -------------------------------------------------------------------------------------------------------


def test_phased_lstm_takes_times_of_double_precision(session: Any) -> None:
    """At a time of 1e8 a float32 does not know the phase any more."""
    cell = rnn.PhasedLSTMCell(N)
    x, state = tf.constant(numbers(B, D)), cell.zero_state(B, tf.float32)
    time = np.array([[1e8], [1e8 + 0.25], [3.5]])
    output, new = cell((tf.constant(time), x), state)
    periods = np.array([10.0, 7.0])
    plain, _ = cell((tf.constant(np.mod(time, periods[0]).astype(np.float32)), x), state)
    assert output.dtype == new.c.dtype == tf.float32
    session.run(tf.global_variables_initializer())
    for v in tf.global_variables():
        if v.op.name.endswith("period"):
            v.load(periods.astype(np.float32), session)
        if v.op.name.endswith("phase"):
            v.load(np.zeros(N, np.float32), session)
        if v.op.name.endswith("ratio_on"):
            v.load(np.full(N, 0.9, np.float32), session)
    one, two = session.run([output, plain])
    np.testing.assert_allclose(one[:, 0], two[:, 0], rtol=1e-4)


def test_conv_lstm_in_a_driver(session: Any) -> None:
    cell = rnn.ConvLSTMCell(2, [3, 4, 1], 2, [3, 3], skip_connection=True)
    assert cell.output_size == tf.TensorShape([3, 4, 3])
    assert cell.state_size.c == tf.TensorShape([3, 4, 2])
    outputs, state = tf.nn.dynamic_rnn(cell, tf.constant(numbers(B, T, 3, 4, 1)), LENGTHS, dtype=tf.float32)
    assert outputs.shape.as_list() == [B, T, 3, 4, 3]
    assert names() == ["rnn/conv_lstm_cell/kernel", "rnn/conv_lstm_cell/biases"]
    session.run(tf.global_variables_initializer())
    ys, final = session.run([outputs, state.h])
    np.testing.assert_array_equal(ys[0, -1, ..., :2], final[0])
    assert (ys[2, 2:] == 0).all()
    with pytest.raises(ValueError, match=r"Invalid input_shape \[3, 4\] for conv_ndims=2"):
        rnn.Conv2DLSTMCell(input_shape=[3, 4], output_channels=2, kernel_shape=[3, 3])
    with pytest.raises(ValueError, match="Invalid kernel_shape"):
        rnn.Conv2DLSTMCell(input_shape=[3, 4, 1], output_channels=2, kernel_shape=[3])


def test_time_freq_knows_its_windows_after_the_first_call() -> None:
    cell = rnn.TimeFreqLSTMCell(N, feature_size=2, frequency_skip=1)
    assert cell.state_size == 2 * N
    output, state = cell(tf.zeros([B, D]), tf.zeros([B, 2 * N * 3]))
    assert output.shape.as_list() == [B, 3 * N]
    assert cell.state_size == state.shape.as_list()[1] == 6 * N
    with pytest.raises(ValueError, match="feature_size=2 columns or more, got 1"):
        rnn.TimeFreqLSTMCell(N, feature_size=2)(tf.zeros([B, 1]), tf.zeros([B, 2 * N]))


def test_refusals_of_arguments() -> None:
    x, pair = tf.zeros([B, D]), (tf.zeros([B, N]), tf.zeros([B, N]))
    with pytest.raises(ValueError, match="Must have input size == output size for Intersection RNN"):
        rnn.IntersectionRNNCell(N)(x, pair[0])
    with pytest.raises(ValueError, match="num_units must be divisible by number_of_groups"):
        rnn.GLSTMCell(3, number_of_groups=2)
    with pytest.raises(ValueError, match="num_proj must be divisible by number_of_groups"):
        rnn.GLSTMCell(4, num_proj=3, number_of_groups=2)
    with pytest.raises(ValueError, match=r"input size \(4\) must be divisible by number_of_groups \(3\)"):
        rnn.GLSTMCell(3, number_of_groups=3)(x, (tf.zeros([B, 3]), tf.zeros([B, 3])))
    with pytest.raises(ValueError, match="Must specify num_frequency_blocks"):
        rnn.GridLSTMCell(N, feature_size=2, frequency_skip=1)
    with pytest.raises(ValueError, match="Invalid num_frequency_blocks, requires 2 but gets 3"):
        cell = rnn.GridLSTMCell(N, feature_size=2, frequency_skip=1, num_frequency_blocks=[2])
        cell(x, cell.zero_state(B, tf.float32))
    with pytest.raises(ValueError, match="Exactly one of num_units or cell_size must be provided"):
        rnn.GRUBlockCell()
    with pytest.raises(ValueError, match="Exactly one of num_units or cell_size must be provided"):
        rnn.GRUBlockCellV2(2, 2)
    assert rnn.GRUBlockCell(cell_size=3).output_size == 3
    with pytest.raises(ValueError, match="attn_length should be greater than zero, got 0"):
        rnn.AttentionCellWrapper(rnn.GRUCell(N), 0)
    with pytest.raises(ValueError, match="Cell returns tuple of states, but the flag state_is_tuple is not set"):
        rnn.AttentionCellWrapper(rnn.LSTMCell(N), 2, state_is_tuple=False)
    with pytest.raises(TypeError, match="is not an RNNCell"):
        rnn.AttentionCellWrapper(None, 2)
    with pytest.raises(ValueError, match="Too many shards"):
        rnn.CoupledInputForgetGateLSTMCell(N, num_unit_shards=99)(x, pair)
    with pytest.raises(TypeError, match=r"to be a pair \(time, x\)"):
        rnn.PhasedLSTMCell(N)(x, pair)
    with pytest.raises(ValueError, match="dims must be >= 1: 0"):
        grid.GridRNNCell(N, 0)
    with pytest.raises(ValueError, match=r"Invalid dims: \[3\]\. Must be in \[0, 2\)"):
        grid.GridRNNCell(N, 2, input_dims=3)
    with pytest.raises(TypeError, match="cell_fn must return an RNNCell instance, saw"):
        grid.GridRNNCell(N, 1, cell_fn=lambda n: None)
    with pytest.raises(ValueError, match="neither an input nor a state"):
        grid.GridRNNCell(N, 2, None, 0, None, 0)(x, (pair,))
    assert not names()


def test_sharing_by_reuse(session: Any) -> None:
    x = tf.constant(numbers(B, D))
    for _ in range(2):
        with tf.variable_scope("shared", reuse=tf.AUTO_REUSE):
            tf.nn.dynamic_rnn(rnn.UGRNNCell(N), x[:, None], dtype=tf.float32)
    assert names() == ["shared/rnn/ugrnn_cell/kernel", "shared/rnn/ugrnn_cell/bias"]
    block, plain = rnn.LSTMBlockCell(N), rnn.LSTMCell(N, reuse=True)
    with tf.variable_scope("a"):
        one, _ = block(x, block.zero_state(B, tf.float32))
        two, _ = plain(x, plain.zero_state(B, tf.float32))
    session.run(tf.global_variables_initializer())
    first, second = session.run([one, two])
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert len(names()) == 4


def test_compiled_wrapper_is_the_cell() -> None:
    inner = rnn.LSTMCell(N)
    cell = rnn.CompiledWrapper(inner, compile_stateful=True)
    assert (cell.state_size, cell.output_size) == (inner.state_size, inner.output_size)
    tf.nn.dynamic_rnn(cell, tf.zeros([B, T, D]), dtype=tf.float32)
    assert names() == ["rnn/lstm_cell/kernel", "rnn/lstm_cell/bias"]
    with pytest.raises(TypeError, match="is not an RNNCell"):
        rnn.CompiledWrapper(3)


# --- fused cells ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_adaptor_and_reversal(as_list: bool, dynamic: bool, lengths: Any, session: Any) -> None:
    array = numbers(T, B, D)
    x = tf.constant(array)
    cell = rnn.GRUCell(N)
    fused = rnn.FusedRNNCellAdaptor(cell, use_dynamic_rnn=dynamic)
    assert isinstance(fused, rnn.FusedRNNCell)
    given = tf.unstack(x) if as_list else x
    outputs, state = fused(given, dtype=tf.float32, sequence_length=lengths, scope="fused")
    assert isinstance(outputs, list) == as_list
    want, want_state = tf.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32, time_major=True)
    session.run(tf.global_variables_initializer())
    got = session.run([tf.stack(outputs) if as_list else outputs, want, state, want_state])
    np.testing.assert_allclose(got[0], got[1], atol=1e-6)
    np.testing.assert_allclose(got[2], got[3], atol=1e-6)
    assert [n.split("/")[0] for n in names()] == ["fused"] * 4
    back = rnn.TimeReversedFusedRNN(fused)
    if as_list and lengths:
        return  # TensorFlow reverses a list as a whole
    outputs, state = back(given, dtype=tf.float32, sequence_length=lengths)
    want, _ = tf.nn.bidirectional_dynamic_rnn(cell, cell, x, lengths, dtype=tf.float32, time_major=True)
    got = session.run([tf.stack(outputs) if as_list else outputs, want[1]])
    first, second = got
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_fused_lstm_is_the_cell_in_a_driver(session: Any) -> None:
    x = tf.placeholder(tf.float32, [None, None, D])
    fused = rnn.LSTMBlockFusedCell(N, forget_bias=0.5, use_peephole=True)
    outputs, state = fused(x, dtype=tf.float32, sequence_length=tf.constant(LENGTHS))
    assert names() == [f"lstm_fused_cell/{n}" for n in ("kernel", "bias", "w_i_diag", "w_f_diag", "w_o_diag")]
    assert fused.num_units == N
    cell = rnn.LSTMCell(N, use_peepholes=True, forget_bias=0.5, name="other")
    want, final = tf.nn.dynamic_rnn(cell, x, LENGTHS, dtype=tf.float32, time_major=True)
    session.run(tf.global_variables_initializer())
    assert len(fused.trainable_variables) == 5
    by_end = {v.op.name.rsplit("/", 1)[1]: v for v in cell.variables}
    for v in fused.variables:
        by_end[v.op.name.rsplit("/", 1)[1]].load(session.run(v), session)
    got = session.run([outputs, want, state, final], {x: numbers(T, B, D)})
    np.testing.assert_allclose(got[0], got[1], atol=1e-6)
    for one, two in zip(got[2], got[3], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    # called again it shares, in another scope too; a list in, a list out
    with tf.variable_scope("elsewhere"):
        again, _ = fused(tf.unstack(tf.constant(numbers(T, B, D))), dtype=tf.float32)
    assert len(again) == T
    assert len(names()) == 10
    with pytest.raises(ValueError, match="Either initial_state or dtype needs to be specified"):
        fused(x)
    with pytest.raises(ValueError, match="Expecting initial_state to be a tuple with length 2 or None"):
        fused(x, initial_state=(tf.zeros([B, N]),))
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        fused(tf.zeros([B, D]), dtype=tf.float32)


def test_a_programs_own_block_wrapper(session: Any) -> None:
    """The base class masks, and gathers the states at the lengths, from what ``_call_cell`` returns."""

    class Own(rnn.LSTMBlockWrapper):
        num_units = N

        def _call_cell(self, inputs: Any, cell_state: Any, output: Any, dtype: Any, sequence_length: Any) -> Any:
            steps = tf.cumsum(tf.ones_like(inputs[:, :, :N]), 0)
            return 10.0 * steps, steps

    assert rnn.LSTMBlockFusedCell(N)._call_cell is not None
    start = tf.fill([B, N], -1.0)
    outputs, state = Own()(tf.zeros([T, B, D]), initial_state=(start, start), sequence_length=LENGTHS)
    ys, (c, h) = session.run([outputs, state])
    assert ys[:, :, 0].T.tolist() == [[1, 2, 3, 4, 5], [0, 0, 0, 0, 0], [1, 2, 0, 0, 0]]
    assert c[:, 0].tolist() == [50, -1, 20]
    assert h[:, 1].tolist() == [5, -1, 2]
    _, (c, h) = Own()(tf.zeros([T, B, D]), dtype=tf.float32)
    assert session.run(c).tolist() == [[50, 50]] * B
    assert session.run(h).tolist() == [[5, 5]] * B


def test_fused_call_cell_gives_all_states(session: Any) -> None:
    fused = rnn.LSTMBlockFusedCell(N)
    x = tf.constant(numbers(T, B, D))
    outputs, (c, _) = fused(x, dtype=tf.float32)
    zeros = tf.zeros([B, N])
    cs, hs = fused._call_cell(x, zeros, zeros, tf.float32, None)
    session.run(tf.global_variables_initializer())
    got = session.run([outputs, hs, c, cs])
    np.testing.assert_allclose(got[0], got[1], atol=1e-6)
    np.testing.assert_allclose(got[2], got[3][-1], atol=1e-6)
