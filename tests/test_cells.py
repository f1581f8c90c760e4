"""The cells' formulas against other implementations, their weights against TensorFlow's names, gradients, dtypes."""

from __future__ import annotations

from typing import Any

import cells_support as support
import numpy as np
import pytest
import torch
from cells_support import CATALOGUE, B, D, N, built, numpy_weights, random_state, random_tensor, randomise
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn import cells, nest
from dynrnn.cells import LSTMStateTuple

SIZES = st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(1, 6))
EXACT: Any = {"rtol": 1e-12, "atol": 1e-12}
quick = settings(max_examples=25, deadline=None)


def as_numpy(tensor: torch.Tensor) -> Any:
    return tensor.detach().numpy()


# -- torch's own cells -------------------------------------------------------------------------------------------------


@quick
@given(SIZES)
def test_basic_rnn_is_torch_rnn_cell(sizes: tuple[int, int, int]) -> None:
    rows, depth, units = sizes
    cell = built(cells.BasicRNNCell(units), depth)
    other = torch.nn.RNNCell(depth, units, dtype=torch.float64)
    with torch.no_grad():
        other.weight_ih.copy_(cell.kernel[:depth].T)
        other.weight_hh.copy_(cell.kernel[depth:].T)
        other.bias_ih.copy_(cell.bias)
        other.bias_hh.zero_()
    x, h = random_tensor(rows, depth), random_tensor(rows, units, seed=2)
    output, state = cell(x, h)
    assert output is state
    torch.testing.assert_close(output, other(x, h), **EXACT)


def torch_lstm_like(cell: Any, depth: int, forget_bias: float) -> torch.nn.LSTMCell:
    """torch's LSTM cell with the weights of ours: its gates are i, f, j, o, and the forget bias is in the weights."""
    units = cell.bias.shape[0] // 4
    order = [0, 2, 1, 3]
    kernel = torch.cat([cell.kernel[:, k * units : (k + 1) * units] for k in order], 1)
    bias = torch.cat([cell.bias[k * units : (k + 1) * units] for k in order])
    other = torch.nn.LSTMCell(depth, units, dtype=torch.float64)
    with torch.no_grad():
        other.weight_ih.copy_(kernel[:depth].T)
        other.weight_hh.copy_(kernel[depth:].T)
        other.bias_ih.copy_(bias)
        other.bias_hh.zero_()
        other.bias_hh[units : 2 * units] = forget_bias
    return other


@quick
@given(SIZES, st.sampled_from([0.0, 1.0, -0.3]), st.booleans(), st.sampled_from(["basic", "full", "unnormalised"]))
def test_lstms_are_torch_lstm_cell(sizes: tuple[int, int, int], forget_bias: float, joined: bool, kind: str) -> None:
    rows, depth, units = sizes
    makers = {
        "basic": lambda: cells.BasicLSTMCell(units, forget_bias, state_is_tuple=not joined),
        "full": lambda: cells.LSTMCell(units, forget_bias=forget_bias, state_is_tuple=not joined),
        "unnormalised": lambda: cells.LayerNormBasicLSTMCell(units, forget_bias, layer_norm=False),
    }
    cell = built(makers[kind](), depth)
    other = torch_lstm_like(cell, depth, forget_bias)
    x, c, h = random_tensor(rows, depth), random_tensor(rows, units, seed=2), random_tensor(rows, units, seed=3)
    want_h, want_c = other(x, (h, c))
    if joined and kind != "unnormalised":
        assert cell.state_size == 2 * units
        output, state = cell(x, torch.cat([c, h], 1))
        torch.testing.assert_close(state, torch.cat([want_c, want_h], 1), **EXACT)
    else:
        assert cell.state_size == LSTMStateTuple(units, units)
        output, state = cell(x, (c, h))
        assert type(state) is LSTMStateTuple
        torch.testing.assert_close(state.c, want_c, **EXACT)
        assert state.h is output
    torch.testing.assert_close(output, want_h, **EXACT)


# -- formulas in numpy -------------------------------------------------------------------------------------------------


@quick
@given(SIZES)
def test_gru_formula(sizes: tuple[int, int, int]) -> None:
    rows, depth, units = sizes
    cell = built(cells.GRUCell(units), depth)
    x, h = random_tensor(rows, depth), random_tensor(rows, units, seed=2)
    output, state = cell(x, h)
    assert output is state
    np.testing.assert_allclose(as_numpy(output), support.numpy_gru(numpy_weights(cell), x.numpy(), h.numpy()), **EXACT)


def test_gru_is_not_torch_gru() -> None:
    """The reset gate acts before the product with the kernel, and torch's after it: same weights, other numbers."""
    cell = built(cells.GRUCell(2), 1)
    other = torch.nn.GRUCell(1, 2, dtype=torch.float64)
    x, h = random_tensor(3, 1), random_tensor(3, 2, seed=2)
    with torch.no_grad():
        other.weight_ih.copy_(torch.cat([cell.gates.kernel, cell.candidate.kernel], 1)[:1].T)
        other.weight_hh.copy_(torch.cat([cell.gates.kernel, cell.candidate.kernel], 1)[1:].T)
        other.bias_ih.copy_(torch.cat([cell.gates.bias, cell.candidate.bias]))
        other.bias_hh.zero_()
    assert not torch.allclose(cell(x, h)[0], other(x, h), atol=1e-4)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("num_proj", [None, 2, 6])
@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize(("cell_clip", "proj_clip"), [(None, None), (0.3, None), (None, 0.1), (0.3, 0.1)])
def test_lstm_extras(
    joined: bool, num_proj: int | None, peepholes: bool, cell_clip: float | None, proj_clip: float | None
) -> None:
    cell = built(
        cells.LSTMCell(N, peepholes, cell_clip, None, num_proj, proj_clip, forget_bias=0.4, state_is_tuple=not joined),
        D,
    )
    width = num_proj or N
    assert cell.state_size == (N + width if joined else LSTMStateTuple(N, width))
    assert cell.output_size == width
    x, c, h = random_tensor(5, D), random_tensor(5, N, seed=2), random_tensor(5, width, seed=3)
    output, state = cell(x, torch.cat([c, h], 1) if joined else [c, h])
    new_c, new_h = torch.split(state, [N, width], dim=1) if joined else state
    want_c, want_h = support.numpy_lstm(numpy_weights(cell), x.numpy(), c.numpy(), h.numpy(), 0.4, cell_clip, proj_clip)
    np.testing.assert_allclose(as_numpy(new_c), want_c, **EXACT)
    np.testing.assert_allclose(as_numpy(new_h), want_h, **EXACT)
    assert torch.equal(output, new_h)
    if cell_clip is not None:
        assert float(new_c.detach().abs().max()) == cell_clip  # the clip is reached, and what is clipped is kept
    if proj_clip is not None and num_proj is not None:
        assert float(new_h.detach().abs().max()) == proj_clip


def test_proj_clip_without_projection_has_no_effect() -> None:
    plain, clipped = built(cells.LSTMCell(N), D), built(cells.LSTMCell(N, proj_clip=1e-3), D)
    x, state = random_tensor(B, D), random_state(plain)
    assert torch.equal(plain(x, state)[0], clipped(x, state)[0])


@quick
@given(SIZES, st.sampled_from([0.0, 1.0]))
def test_layer_norm_lstm_formula(sizes: tuple[int, int, int], forget_bias: float) -> None:
    rows, depth, units = sizes
    cell = built(cells.LayerNormBasicLSTMCell(units, forget_bias), depth)
    x, c, h = random_tensor(rows, depth), random_tensor(rows, units, seed=2), random_tensor(rows, units, seed=3)
    output, state = cell(x, (c, h))
    want_c, want_h = support.numpy_layer_norm_lstm(numpy_weights(cell), x.numpy(), c.numpy(), h.numpy(), forget_bias)
    # With one unit a normed value is 0 / sqrt(eps): what rounding leaves of the 0 is magnified.
    tolerance: Any = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(as_numpy(state.c), want_c, **tolerance)
    np.testing.assert_allclose(as_numpy(state.h), want_h, **tolerance)
    assert state.h is output


def test_layer_norm_agrees_with_torch() -> None:
    cell = built(cells.LayerNormBasicLSTMCell(N), D)
    z = random_tensor(B, N)
    want = torch.nn.functional.layer_norm(z, [N], cell.forget.gamma, cell.forget.beta, eps=1e-12)
    torch.testing.assert_close(cell._norm("forget", z), want, **EXACT)


@pytest.mark.parametrize(("dtype", "epsilon"), [(torch.float16, 1e-3), (torch.float32, 1e-12), (torch.float64, 1e-12)])
def test_layer_norm_epsilon(dtype: torch.dtype, epsilon: float) -> None:
    cell = cells.LayerNormBasicLSTMCell(2, dtype=dtype, input_size=1)
    z = torch.tensor([[0.0, 0.03125]], dtype=dtype)
    variance = 0.015625**2
    want = 0.015625 / (variance + epsilon) ** 0.5
    torch.testing.assert_close(cell._norm("input", z)[0, 1].double(), torch.tensor(want).double(), rtol=2e-3, atol=0)


def test_layer_norm_of_a_constant_row_is_beta_in_every_dtype() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        cell = cells.LayerNormBasicLSTMCell(3, norm_shift=0.25, dtype=dtype, input_size=1)
        assert torch.equal(cell._norm("input", torch.ones(2, 3, dtype=dtype)), torch.full((2, 3), 0.25, dtype=dtype))


def test_layer_norm_dropout_acts_on_what_is_written_only(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = built(cells.LayerNormBasicLSTMCell(N, dropout_keep_prob=0.75), D)
    noise = torch.tensor([[0.0, 0.2499, 0.25, 0.9], [0.5, 0.1, 0.2, 0.3]], dtype=torch.float64)
    monkeypatch.setattr(cell, "random_uniform", lambda like, shape=None, seed=None: noise)
    x, state = random_tensor(B, D), random_state(cell)
    _, new = cell(x, state)
    mask = (noise.numpy() >= 0.25) / 0.75
    want_c, want_h = support.numpy_layer_norm_lstm(
        numpy_weights(cell), x.numpy(), state.c.numpy(), state.h.numpy(), 1.0, mask
    )
    np.testing.assert_allclose(as_numpy(new.c), want_c, **EXACT)
    np.testing.assert_allclose(as_numpy(new.h), want_h, **EXACT)
    cell.eval()
    want_c, _ = support.numpy_layer_norm_lstm(numpy_weights(cell), x.numpy(), state.c.numpy(), state.h.numpy())
    np.testing.assert_allclose(as_numpy(cell(x, state)[1].c), want_c, **EXACT)


def test_layer_norm_dropout_seed_reproduces() -> None:
    def run() -> torch.Tensor:
        cell = built(cells.LayerNormBasicLSTMCell(N, dropout_keep_prob=0.5, dropout_prob_seed=7), D)
        state = random_state(cell)
        return torch.cat([cell(random_tensor(B, D), state)[0] for _ in range(3)])

    first = run()
    assert torch.equal(first, run())
    assert not torch.equal(first[:B], first[B : 2 * B])


@pytest.mark.parametrize("make", [cells.BasicRNNCell, cells.BasicLSTMCell, cells.LSTMCell, cells.GRUCell])
def test_activation(make: Any) -> None:
    by_name, by_function = (built(make(N, activation=act), D) for act in ("relu", torch.relu))
    x, state = random_tensor(B, D), random_state(by_name)
    assert torch.equal(by_name(x, state)[0], by_function(x, state)[0])
    assert not torch.equal(by_name(x, state)[0], built(make(N), D)(x, state)[0])
    assert torch.equal(built(make(N, activation="tanh"), D)(x, state)[0], built(make(N), D)(x, state)[0])
    with pytest.raises(ValueError, match="Unknown activation function: 'swoosh', expected one of elu"):
        make(N, activation="swoosh")
    with pytest.raises(TypeError, match="expected activation to be a callable or a name, got int"):
        make(N, activation=3)


def test_activation_names() -> None:
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    e = np.exp
    v = x.numpy()
    want = {
        "elu": np.where(v > 0, v, e(v) - 1),
        "exponential": e(v),
        "hard_sigmoid": np.clip(0.2 * v + 0.5, 0, 1),
        "linear": v,
        "relu": np.maximum(v, 0),
        "selu": 1.0507009873554805 * np.where(v > 0, v, 1.6732632423543772 * (e(v) - 1)),
        "sigmoid": support.sigmoid(v),
        "softmax": e(v) / e(v).sum(),
        "softplus": np.log1p(e(v)),
        "softsign": v / (1 + np.abs(v)),
        "tanh": np.tanh(v),
    }
    from dynrnn.cells.activations import ACTIVATIONS

    assert sorted(want) == sorted(ACTIVATIONS)
    for name, values in want.items():
        np.testing.assert_allclose(cells.get_activation(name)(x).numpy(), values, rtol=1e-9, atol=1e-12, err_msg=name)


# -- weights -----------------------------------------------------------------------------------------------------------

# Names below the cell's own scope, shapes, in the order of creation (SEMANTICS 2.1): width of inputs 3, units 4.
WEIGHTS: dict[str, list[tuple[str, tuple[int, ...]]]] = {
    "basic_rnn": [("kernel", (7, 4)), ("bias", (4,))],
    "gru": [
        ("gates/kernel", (7, 8)),
        ("gates/bias", (8,)),
        ("candidate/kernel", (7, 4)),
        ("candidate/bias", (4,)),
    ],
    "basic_lstm": [("kernel", (7, 16)), ("bias", (16,))],
    "lstm": [("kernel", (7, 16)), ("bias", (16,))],
    "lstm_all": [
        ("kernel", (5, 16)),
        ("bias", (16,)),
        ("w_f_diag", (4,)),
        ("w_i_diag", (4,)),
        ("w_o_diag", (4,)),
        ("projection/kernel", (4, 2)),
    ],
    "layer_norm": [
        ("kernel", (7, 16)),
        *(
            (f"{group}/{name}", (4,))
            for group in ("input", "transform", "forget", "output", "state")
            for name in ("gamma", "beta")
        ),
    ],
    "layer_norm_off": [("kernel", (7, 16)), ("bias", (16,))],
    "multi": [
        ("cell_0/kernel", (7, 16)),
        ("cell_0/bias", (16,)),
        ("cell_1/gates/kernel", (6, 4)),
        ("cell_1/gates/bias", (4,)),
        ("cell_1/candidate/kernel", (6, 2)),
        ("cell_1/candidate/bias", (2,)),
        ("cell_2/kernel", (5, 12)),
        ("cell_2/bias", (12,)),
    ],
    "dropout": [("cell/kernel", (7, 16)), ("cell/bias", (16,))],
    "residual": [
        ("cell/gates/kernel", (6, 6)),
        ("cell/gates/bias", (6,)),
        ("cell/candidate/kernel", (6, 3)),
        ("cell/candidate/bias", (3,)),
    ],
    "highway_uncoupled": [
        ("cell/gates/kernel", (6, 6)),
        ("cell/gates/bias", (6,)),
        ("cell/candidate/kernel", (6, 3)),
        ("cell/candidate/bias", (3,)),
        ("carry_w", (3, 3)),
        ("carry_b", (3,)),
        ("transform_w", (3, 3)),
        ("transform_b", (3,)),
    ],
    "input_projection": [
        ("kernel", (3, 5)),
        ("bias", (5,)),
        ("cell/gates/kernel", (9, 8)),
        ("cell/gates/bias", (8,)),
        ("cell/candidate/kernel", (9, 4)),
        ("cell/candidate/bias", (4,)),
    ],
    "output_projection": [
        ("cell/gates/kernel", (7, 8)),
        ("cell/gates/bias", (8,)),
        ("cell/candidate/kernel", (7, 4)),
        ("cell/candidate/bias", (4,)),
        ("kernel", (4, 5)),
        ("bias", (5,)),
    ],
    "embedding": [("embedding", (7, 5)), ("cell/kernel", (9, 16)), ("cell/bias", (16,))],
}
WEIGHTS["highway"] = WEIGHTS["highway_uncoupled"][:-2]


@pytest.mark.parametrize("how", ["first call", "ensure_built"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_tensorflows(name: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[tuple[str, tuple[int, ...]]] = []
    paths: dict[int, str] = {}
    cell = CATALOGUE[name]()
    for path, module in cell.named_modules():
        paths[id(module)] = path.replace(".", "/") + "/" if path else ""
    add_weight = cells.RNNCell.add_weight

    def spy(self: Any, weight: str, shape: Any, initializer: Any = None) -> Any:
        created.append((paths[id(self)] + weight, tuple(shape)))
        return add_weight(self, weight, shape, initializer)

    monkeypatch.setattr(cells.RNNCell, "add_weight", spy)
    assert list(cell.parameters()) == []
    if how == "first call":
        cell(random_tensor(B, D, dtype=torch.float32), cell.zero_state(B, torch.float32))
    else:
        cell.ensure_built(D)
    assert created == WEIGHTS[name]
    parameters = {path: tuple(weight.shape) for path, weight in cell.named_parameters()}
    assert parameters == {path.replace("/", "."): shape for path, shape in WEIGHTS[name]}


def test_default_initial_values() -> None:
    gru = cells.GRUCell(50, input_size=50)
    assert torch.equal(gru.gates.bias, torch.ones(100))
    assert torch.equal(gru.candidate.bias, torch.zeros(50))
    limit = (6 / (100 + 100)) ** 0.5
    kernel = gru.gates.kernel.detach()
    assert float(kernel.abs().max()) <= limit
    assert float(kernel.abs().max()) > 0.99 * limit
    assert abs(float(kernel.var()) / (limit**2 / 3) - 1) < 0.05
    lstm = cells.LSTMCell(50, use_peepholes=True, num_proj=7, initializer=torch.nn.init.ones_, input_size=2)
    for weight in (lstm.kernel, lstm.w_f_diag, lstm.w_i_diag, lstm.w_o_diag, lstm.projection.kernel):
        assert torch.equal(weight, torch.ones_like(weight))
    assert torch.equal(lstm.bias, torch.zeros(200))
    peephole = cells.LSTMCell(50, use_peepholes=True, input_size=2).w_f_diag.detach()
    assert 0.9 * (3 / 50) ** 0.5 < float(peephole.abs().max()) <= (3 / 50) ** 0.5
    norm = cells.LayerNormBasicLSTMCell(3, norm_gain=2.0, norm_shift=-1.0, input_size=2)
    assert torch.equal(norm.state.gamma, torch.full([3], 2.0))
    assert torch.equal(norm.forget.beta, torch.full([3], -1.0))


def test_gru_initializers() -> None:
    cell = cells.GRUCell(
        3, kernel_initializer=cells.initializers.Constant(0.5), bias_initializer=-2.0, input_size=2, dtype=torch.float64
    )
    assert set(torch.cat([cell.gates.bias, cell.candidate.bias]).tolist()) == {-2.0}
    assert {v for w in (cell.gates.kernel, cell.candidate.kernel) for v in w.flatten().tolist()} == {0.5}


# -- every cell: gradients, dtypes, structures -------------------------------------------------------------------------


def fixed_noise(cell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make random_uniform a function of the shape alone, so that two calls agree."""

    def uniform(self: Any, like: Any, shape: Any = None, seed: Any = None) -> Any:
        return random_tensor(*(like.shape if shape is None else shape), dtype=like.dtype, seed=5).abs()

    monkeypatch.setattr(cells.RNNCell, "random_uniform", uniform)


@pytest.mark.parametrize("name", CATALOGUE)
def test_gradcheck(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = CATALOGUE[name]().to(torch.float64)
    fixed_noise(cell, monkeypatch)
    x = random_tensor(B, D).requires_grad_()
    state = nest.map_structure(lambda leaf: leaf.requires_grad_(), random_state(cell))
    cell(x, state)
    randomise(cell)
    names = [path for path, _ in cell.named_parameters()]
    assert names
    leaves = nest.flatten(state)

    def step(x: torch.Tensor, *rest: torch.Tensor) -> Any:
        new = nest.pack_as(state, rest[: len(leaves)])
        weights = dict(zip(names, rest[len(leaves) :], strict=True))
        output, new_state = torch.func.functional_call(cell, weights, (x, new))
        return (output, *nest.flatten(new_state))

    assert torch.autograd.gradcheck(step, (x, *leaves, *cell.parameters()))


TOLERANCE = {torch.float16: 2e-2, torch.bfloat16: 1e-1, torch.float32: 2e-6}


@pytest.mark.parametrize("narrow", TOLERANCE)
@pytest.mark.parametrize("name", CATALOGUE)
def test_dtypes_agree_with_float64(name: str, narrow: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(dtype: torch.dtype) -> list[torch.Tensor]:
        cell = CATALOGUE[name]().to(dtype)
        monkeypatch.undo()
        fixed_noise(cell, monkeypatch)
        x, state = random_tensor(B, D, dtype=dtype), random_state(cell, dtype=dtype)
        # Layer normalisation in float16 has an epsilon of its own: let the reference have it too.
        monkeypatch.setattr("dynrnn.cells.layer_norm.dtype_name", lambda _: str(narrow).removeprefix("torch."))
        cell(x, state)
        randomise(cell)
        output, new = cell(x, state)
        results = [output, *nest.flatten(new)]
        assert {result.dtype for result in results} == {dtype}
        return [result.detach().double() for result in results]

    for got, want in zip(run(narrow), run(torch.float64), strict=True):
        torch.testing.assert_close(got, want, rtol=TOLERANCE[narrow], atol=TOLERANCE[narrow])


@pytest.mark.parametrize("from_zeros", [False, True])
@pytest.mark.parametrize("name", CATALOGUE)
def test_sizes_are_kept_true(name: str, from_zeros: bool) -> None:
    """State and output of a step are what state_size and output_size say, from zero_state or another state."""
    cell = CATALOGUE[name]()
    dtype = torch.float32
    state = cell.zero_state(5, dtype) if from_zeros else random_state(cell, 5, dtype)
    output, new = cell(random_tensor(5, D, dtype=dtype), state)
    assert tuple(output.shape) == (5, cell.output_size)
    nest.assert_same_structure(state, new)
    nest.assert_same_structure(cell.state_size, new)
    assert [tuple(leaf.shape) for leaf in nest.flatten(new)] == [(5, size) for size in nest.flatten(cell.state_size)]


@pytest.mark.parametrize("name", CATALOGUE)
def test_nothing_given_is_changed(name: str) -> None:
    cell = CATALOGUE[name]()
    x, state = random_tensor(B, D, dtype=torch.float32), random_state(cell, dtype=torch.float32)
    before = [leaf.clone() for leaf in (x, *nest.flatten(state))]
    cell(x, state)
    for old, now in zip(before, (x, *nest.flatten(state)), strict=True):
        assert torch.equal(old, now)


@pytest.mark.parametrize("name", CATALOGUE)
def test_rows_do_not_meet(name: str) -> None:
    """What one row holds, NaN too, reaches no other row."""
    cell = CATALOGUE[name]().eval()
    x, state = random_tensor(3, D, dtype=torch.float32), random_state(cell, 3, torch.float32)
    output, new = cell(x, state)
    x[1] = torch.nan
    for leaf in nest.flatten(state):
        leaf[1] = torch.nan
    spoiled_output, spoiled = cell(x, state)
    for clean, other in zip([output, *nest.flatten(new)], [spoiled_output, *nest.flatten(spoiled)], strict=True):
        torch.testing.assert_close(clean[[0, 2]], other[[0, 2]], rtol=1e-6, atol=1e-6)
