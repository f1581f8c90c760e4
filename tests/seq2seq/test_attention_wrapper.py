"""`AttentionWrapper` in PyTorch: steps and unrolls, held to numpy and to eager loops; states, weights, refusals."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Sequence
from typing import Any

import attention_oracle as oracle
import numpy as np
import pytest
import torch
from attention_oracle import KINDS, Kind

import dynrnn
from dynrnn import cells, nest, seq2seq
from dynrnn.seq2seq import AttentionWrapper, AttentionWrapperState

B, T, S, D, X, U, A = 3, 4, 5, 4, 2, 6, 7
MEMORY_LENGTHS = [5, 1, 3]
LENGTHS = [4, 2, 0]
BY_NAME = {str(kind): kind for kind in KINDS}
LUONG, BAHDANAU = BY_NAME["luong"], BY_NAME["bahdanau"]
PAIR = [BY_NAME["luong-weighted"], BY_NAME["bahdanau-weighted-recursive"]]


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dynrnn.EngineWarning)
        yield


def values(*shape: int, seed: int = 0) -> torch.Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1000 * len(shape)), dtype=torch.float64)
    return made / 2


def memory_of(index: int) -> torch.Tensor:
    return values(B, S + index, D + index, seed=index)


def fill(module: torch.nn.Module) -> Any:
    for index, (_, weight) in enumerate(sorted(module.named_parameters())):
        with torch.no_grad():
            weight.copy_(values(*weight.shape, seed=index + 50))
    return module


def mechanism(kind: Kind, index: int = 0) -> Any:
    memory = memory_of(index)
    made = getattr(seq2seq, kind.name)(
        U, dtype=torch.float64, memory_size=memory.shape[2], query_size=U, **kind.options
    )
    fill(made).setup_memory(memory, MEMORY_LENGTHS)
    return made


def wrapper(kinds: Any = LUONG, cell: Any = None, **options: Any) -> Any:
    """Around mechanisms of a kind, or of a list of them."""
    several = isinstance(kinds, list)
    mechanisms = [mechanism(kind, i) for i, kind in enumerate(kinds if several else [kinds])]
    cell = cells.BasicRNNCell(U, dtype=torch.float64) if cell is None else cell
    options.setdefault("input_size", X)
    made = AttentionWrapper(cell, mechanisms if several else mechanisms[0], **options)
    fill(made)
    for index, one in enumerate(mechanisms):  # once more, with these weights
        one.setup_memory(memory_of(index), MEMORY_LENGTHS)
    return made


def looked(made: AttentionWrapper, kinds: Sequence[Kind]) -> list[oracle.Looked]:
    layers = made._attention_layers or [None] * len(kinds)
    return [
        oracle.Looked(
            kind,
            {name: weight.detach().numpy() for name, weight in one.named_parameters()},
            memory_of(i).numpy(),
            MEMORY_LENGTHS,
            None if layer is None else layer.kernel.detach().numpy(),
        )
        for i, (kind, one, layer) in enumerate(zip(kinds, made._attention_mechanisms, layers, strict=True))
    ]


def expected_of(made: AttentionWrapper, kinds: Sequence[Kind], x: torch.Tensor, lengths: Any, **options: Any) -> Any:
    kernel, bias = (weight.detach().numpy() for weight in (made.cell.kernel, made.cell.bias))
    return oracle.unroll(looked(made, kinds), kernel, bias, x.numpy(), lengths, **options)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output_attention", [True, False])
@pytest.mark.parametrize("size", [None, A])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_unrolled(kind: Kind, size: int | None, output_attention: bool) -> None:
    made = wrapper(kind, attention_layer_size=size, output_attention=output_attention)
    x = values(B, T, X, seed=3)
    outputs, state = dynrnn.dynamic_rnn(made, x, LENGTHS)
    expected = expected_of(made, [kind], x, LENGTHS, output_attention=output_attention)
    close(outputs, expected["outputs"])
    close(state.cell_state, expected["cell_state"])
    close(state.attention, expected["attention"])
    close(state.alignments, expected["alignments"][0])
    close(state.attention_state, expected["alignments"][0])
    assert isinstance(state, AttentionWrapperState)
    assert state.time.dtype == torch.int32 and state.time.shape == () and state.time.item() == max(LENGTHS)
    assert state.alignment_history == ()
    assert made.output_size == outputs.shape[2]
    assert nest.structure(made.state_size) == nest.structure(state)


@pytest.mark.parametrize("sizes", [None, [A, 3], (2, 2)], ids=str)
def test_several_mechanisms(sizes: Any) -> None:
    made = wrapper(PAIR, attention_layer_size=sizes, alignment_history=True)
    x = values(B, T, X, seed=3)
    outputs, state = dynrnn.dynamic_rnn(made, x, LENGTHS)
    expected = expected_of(made, PAIR, x, LENGTHS)
    close(outputs, expected["outputs"])
    close(state.attention, expected["attention"])
    for i in range(2):
        close(state.alignments[i], expected["alignments"][i])
        close(state.attention_state[i], expected["alignments"][i])
        history = state.alignment_history[i].stack()
        live = np.isfinite(expected["history"][i])
        assert history.shape == (T, B, S + i)
        np.testing.assert_allclose(history.detach().numpy()[live], expected["history"][i][live], rtol=1e-9, atol=1e-12)
    assert made.state_size.alignments == (S, S + 1) == made.state_size.alignment_history


def test_a_list_of_one_mechanism_gives_tuples() -> None:
    made = wrapper([LUONG], alignment_history=True)
    _, state = made(values(B, X), made.zero_state(B))
    assert [len(part) for part in (state.alignments, state.alignment_history, state.attention_state)] == [1, 1, 1]
    assert state.alignment_history[0].size() == 1


def test_alignment_history() -> None:
    made = wrapper(BAHDANAU, alignment_history=True)
    x = values(B, T, X, seed=3)
    _, state = dynrnn.dynamic_rnn(made, x)
    expected = expected_of(made, [BAHDANAU], x, [T] * B)
    close(state.alignment_history.stack(), expected["history"][0])
    assert made.zero_state(B).alignment_history.stack().shape == (0, B, S)


def test_cell_input_fn() -> None:
    x = values(B, T, X, seed=3)

    def doubled(inputs: Any, attention: Any) -> Any:
        return torch.cat([inputs, 2.0 * inputs, attention], -1)

    made = wrapper(LUONG, cell_input_fn=doubled)
    expected = oracle.unroll(
        looked(made, [LUONG]),
        made.cell.kernel.detach().numpy(),
        made.cell.bias.detach().numpy(),
        torch.cat([x, 2.0 * x], -1).numpy(),
        LENGTHS,
    )
    close(dynrnn.dynamic_rnn(made, x, LENGTHS)[0], expected["outputs"])


def test_inputs_that_are_a_nest() -> None:
    def joined(inputs: Any, attention: Any) -> Any:
        return torch.cat([inputs["a"], inputs["b"], attention], -1)

    plain = wrapper(LUONG)
    made = wrapper(LUONG, plain.cell, cell_input_fn=joined, input_size=None)
    x = values(B, T, X, seed=3)
    found = dynrnn.dynamic_rnn(made, {"a": x[..., :1], "b": x[..., 1:]}, LENGTHS)[0]
    torch.testing.assert_close(found, dynrnn.dynamic_rnn(plain, x, LENGTHS)[0])


def test_initial_cell_state() -> None:
    start = values(B, U, seed=8)
    made = wrapper(LUONG, initial_cell_state=start)
    x = values(B, T, X, seed=3)
    expected = expected_of(made, [LUONG], x, LENGTHS, initial=start.numpy())
    outputs, state = dynrnn.dynamic_rnn(made, x, LENGTHS)
    close(outputs, expected["outputs"])
    close(state.cell_state, expected["cell_state"])
    plain = wrapper(LUONG)
    cloned = plain.zero_state(B).clone(cell_state=start)
    torch.testing.assert_close(dynrnn.dynamic_rnn(plain, x, LENGTHS, cloned)[0], outputs)


def test_own_attention_layers() -> None:
    layer = fill(torch.nn.Linear(U + D, A, bias=False, dtype=torch.float64))
    made = wrapper(LUONG, attention_layer=layer)
    sized = wrapper(LUONG, attention_layer_size=A)
    with torch.no_grad():
        sized.attention_layer.kernel.copy_(made.attention_layer.weight.T)
        sized.cell.load_state_dict(made.cell.state_dict())
        sized.luong_attention.load_state_dict(made.luong_attention.state_dict())
    sized.luong_attention.setup_memory(memory_of(0), MEMORY_LENGTHS)
    x = values(B, T, X, seed=3)
    torch.testing.assert_close(dynrnn.dynamic_rnn(made, x)[0], dynrnn.dynamic_rnn(sized, x)[0])
    assert made.output_size == A
    # a function shows its width on zeros
    assert wrapper(LUONG, attention_layer=lambda both: both[:, :3].float()).output_size == 3
    net = torch.nn.Sequential(torch.nn.Linear(U + D, 5, dtype=torch.float64), torch.nn.Dropout())
    made = AttentionWrapper(cells.GRUCell(U), mechanism(LUONG), attention_layer=net)
    before = torch.get_rng_state()
    assert made.output_size == 5
    assert torch.equal(before, torch.get_rng_state())


def test_attention_fn() -> None:
    def attend(mechanism: Any, cell_output: Any, attention_state: Any, attention_layer: Any) -> Any:
        alignments, state = mechanism(cell_output, attention_state)
        return alignments @ mechanism.values[0] * 3.0, alignments, state

    made = wrapper(LUONG, attention_fn=attend)
    attention, state = made(values(B, X), made.zero_state(B))
    torch.testing.assert_close(attention, state.alignments @ made.luong_attention.values[0] * 3.0)


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize("kinds", [LUONG, BAHDANAU, *PAIR, PAIR], ids=str)
def test_the_driver_is_an_eager_loop(kinds: Any, history: bool) -> None:
    """`dynamic_rnn` against a loop over each row alone with its own part of the memory, forward and gradient."""
    made = wrapper(
        kinds, cells.BasicLSTMCell(U, dtype=torch.float64), attention_layer_size=[A] * 2 if kinds is PAIR else A
    )
    made._alignment_history = history
    mechanisms = made._attention_mechanisms
    memories = [memory_of(i).requires_grad_() for i in range(len(mechanisms))]
    x = values(B, T, X, seed=3).requires_grad_()
    leaves = [x, *memories, *made.parameters()]
    for one, memory in zip(mechanisms, memories, strict=True):
        one.setup_memory(memory, MEMORY_LENGTHS)
    outputs, state = dynrnn.dynamic_rnn(made, x, LENGTHS)
    loss = (outputs**2).sum() + (state.attention**2).sum() + (state.cell_state.c**2).sum()
    if history:
        loss = loss + sum((h.stack()[0, :2] ** 2).sum() for h in nest.flatten(state.alignment_history))
    found = torch.autograd.grad(loss, leaves, allow_unused=True)

    total = torch.zeros([], dtype=torch.float64)
    for b in range(B):
        for one, memory in zip(mechanisms, memories, strict=True):
            one.setup_memory(memory[b : b + 1], MEMORY_LENGTHS[b : b + 1])
        row = made.zero_state(1)
        for t in range(LENGTHS[b]):
            y, row = made(x[b : b + 1, t], row)
            torch.testing.assert_close(outputs[b, t], y[0])
            total = total + (y**2).sum()
            if history and t == 0:
                total = total + sum((h.read(0) ** 2).sum() for h in nest.flatten(row.alignment_history))
        total = total + (row.attention**2).sum() + (row.cell_state.c**2).sum()
        assert not outputs[b, LENGTHS[b] :].any()
    torch.testing.assert_close(loss, total)
    for mine, theirs in zip(found, torch.autograd.grad(total, leaves, allow_unused=True), strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("kind", [BY_NAME["luong-weighted"], BY_NAME["bahdanau-weighted-parallel"]], ids=str)
def test_gradients(kind: Kind) -> None:
    made = wrapper(kind, attention_layer_size=2)
    names = [name for name, _ in made.named_parameters()]
    weights = [weight.detach().clone().requires_grad_() for weight in made.parameters()]

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrapper = made

        def forward(self, memory: Any, x: Any) -> Any:
            made._attention_mechanisms[0].setup_memory(memory, MEMORY_LENGTHS)
            outputs, state = dynrnn.dynamic_rnn(made, x, [2, 1, 0])
            return outputs, state.cell_state, state.alignments

    def run(memory: Any, x: Any, *weights: Any) -> Any:
        named = {f"wrapper.{name}": weight for name, weight in zip(names, weights, strict=True)}
        return torch.func.functional_call(Decoder(), named, (memory, x))

    memory, x = memory_of(0).requires_grad_(), values(B, 2, X, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(run, [memory, x, *weights])


def test_padding_of_memory_and_inputs_never_matters() -> None:
    """NaN in both: the same outputs and gradients, bit for bit."""
    dead_memory = torch.arange(S) >= torch.tensor(MEMORY_LENGTHS)[:, None]
    dead_x = torch.arange(T) >= torch.tensor(LENGTHS)[:, None]
    results = []
    for rubbish in (0.0, float("nan")):
        memory = torch.where(dead_memory[..., None], rubbish, memory_of(0)).requires_grad_()
        x = torch.where(dead_x[..., None], rubbish, values(B, T, X, seed=3)).requires_grad_()
        made = wrapper(BAHDANAU, attention_layer_size=A)
        made.bahdanau_attention.setup_memory(memory, MEMORY_LENGTHS)
        outputs, state = dynrnn.dynamic_rnn(made, x, LENGTHS)
        grads = torch.autograd.grad((outputs**2).sum(), [memory, x, *made.parameters()])
        assert not grads[0][dead_memory].any() and not grads[1][dead_x].any()
        results.append([outputs, state.attention, *grads])
    for expected, found in zip(*results, strict=True):
        assert torch.equal(expected, found)


# --- among other cells ------------------------------------------------------------------------------------------------


def test_in_a_stack() -> None:
    top = cells.BasicRNNCell(U, dtype=torch.float64)
    made = wrapper(LUONG, attention_layer_size=A)
    stack = cells.MultiRNNCell([made, top])
    x = values(B, T, X, seed=3)
    outputs, (state, _) = dynrnn.dynamic_rnn(stack, x, LENGTHS)
    lower, lower_state = dynrnn.dynamic_rnn(made, x, LENGTHS)
    torch.testing.assert_close(outputs, dynrnn.dynamic_rnn(top, lower, LENGTHS)[0])
    torch.testing.assert_close(state.alignments, lower_state.alignments)
    inside = wrapper(LUONG, cells.MultiRNNCell([cells.GRUCell(U), cells.BasicRNNCell(U)]).double())
    assert dynrnn.dynamic_rnn(inside, x, LENGTHS)[0].shape == (B, T, D)


def test_under_dropout_and_residual_wrappers() -> None:
    x = values(B, T, X, seed=3)
    made = wrapper(LUONG, attention_layer_size=X)
    plain, _ = dynrnn.dynamic_rnn(made, x, LENGTHS)
    torch.testing.assert_close(
        dynrnn.dynamic_rnn(cells.ResidualWrapper(made), x, LENGTHS)[0],
        plain + x * (torch.arange(T) < torch.tensor(LENGTHS)[:, None])[..., None],
    )
    dropped = cells.DropoutWrapper(made, output_keep_prob=0.5, seed=1)
    outputs, state = dynrnn.dynamic_rnn(dropped, x, LENGTHS)
    assert isinstance(state, AttentionWrapperState)
    assert bool(torch.logical_or(outputs == 0, torch.isclose(outputs, 2 * plain)).all()) and bool((outputs != 0).any())
    inner = wrapper(LUONG, cells.DropoutWrapper(cells.BasicRNNCell(U, dtype=torch.float64), input_keep_prob=0.5))
    assert dynrnn.dynamic_rnn(inner, x, LENGTHS)[0].shape == (B, T, D)


def test_other_drivers() -> None:
    made = wrapper(LUONG, attention_layer_size=A)
    x = values(B, T, X, seed=3)
    outputs, state = dynrnn.dynamic_rnn(made, x, LENGTHS)
    steps, last = dynrnn.static_rnn(made, list(x.unbind(1)), sequence_length=LENGTHS)
    torch.testing.assert_close(torch.stack(steps, 1), outputs)
    torch.testing.assert_close(last.alignments, state.alignments)
    by_time, _ = dynrnn.dynamic_rnn(made, x.transpose(0, 1), LENGTHS, time_major=True)
    torch.testing.assert_close(by_time.transpose(0, 1), outputs)


def test_any_module_is_a_cell() -> None:
    class Leaky(torch.nn.Module):
        state_size = output_size = U

        def forward(self, inputs: Any, state: Any) -> Any:
            state = 0.5 * state + inputs[:, :U]
            return state, state

    made = AttentionWrapper(Leaky(), mechanism(LUONG))
    outputs, _ = dynrnn.dynamic_rnn(made, values(B, T, U), LENGTHS)
    assert outputs.shape == (B, T, D)


def test_explain_says_why() -> None:
    for history in (False, True):
        found = dynrnn.explain(wrapper(LUONG, alignment_history=history), values(B, T, X))
        assert found.startswith("AttentionWrapper: runs in the ")
        assert found.executor == "native" or found.reason


# --- weights ----------------------------------------------------------------------------------------------------------


def test_names_of_weights() -> None:
    kinds = [BAHDANAU, BAHDANAU, BY_NAME["luong-weighted"]]
    made = wrapper(kinds, cells.GRUCell(U, dtype=torch.float64), attention_layer_size=[A, A, A])
    names = {name for name, _ in made.named_parameters()}
    assert names == {
        *(f"cell.{gate}.{weight}" for gate in ("gates", "candidate") for weight in ("kernel", "bias")),
        *("attention_layer.kernel", "attention_layer_1.kernel", "attention_layer_2.kernel"),
        *(
            f"bahdanau_attention{number}.{weight}"
            for number in ("", "_1")
            for weight in ("memory_layer.kernel", "query_layer.kernel", "attention_v")
        ),
        *("luong_attention.memory_layer.kernel", "luong_attention.attention_g"),
    }
    assert made.attention_layer.kernel.shape == (U + D, A)
    assert made.attention_layer_2.kernel.shape == (U + D + 2, A)


def test_an_own_mechanism_may_have_any_name() -> None:
    class Cell(seq2seq.AttentionMechanism):
        def score(self, query: Any) -> Any:
            return self.keys[:, :, 0] + query[:, :1]

    made = AttentionWrapper(cells.GRUCell(U, dtype=torch.float64), Cell(memory_of(0)))
    assert isinstance(made.cell, cells.GRUCell) and isinstance(made.cell_1, Cell)
    assert made(values(B, X), made.zero_state(B))[0].shape == (B, D)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_all_weights_are_there_with_sizes(kind: Kind) -> None:
    made = AttentionWrapper(
        cells.GRUCell(U), getattr(seq2seq, kind.name)(U, memory_size=D, **kind.options), A, input_size=X
    )
    before = {name: tuple(weight.shape) for name, weight in made.named_parameters()}
    made._attention_mechanisms[0].setup_memory(torch.zeros(B, S, D), MEMORY_LENGTHS)
    dynrnn.dynamic_rnn(made, torch.zeros(B, T, X))
    assert before == {name: tuple(weight.shape) for name, weight in made.named_parameters()}


def test_no_sizes_are_needed_before_the_first_memory() -> None:
    mechanism = seq2seq.BahdanauAttention(U)
    made = AttentionWrapper(cells.GRUCell(U), mechanism, A)
    assert not list(made.parameters()) and made.output_size == A
    mechanism.setup_memory(torch.zeros(B, S, D), MEMORY_LENGTHS)
    assert dynrnn.dynamic_rnn(made, torch.zeros(B, T, X))[0].shape == (B, T, A)
    assert len(list(made.parameters())) == 4 + 3 + 1


def test_state_dict_copies_and_training() -> None:
    x = values(B, T, X, seed=3)
    made = wrapper(PAIR, attention_layer_size=[A, A])
    other = AttentionWrapper(
        cells.BasicRNNCell(U), [getattr(seq2seq, kind.name)(U, **kind.options) for kind in PAIR], [A, A]
    )
    other.load_state_dict(made.state_dict())
    for module in (other, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        for i, one in enumerate(module._attention_mechanisms):
            one.setup_memory(memory_of(i), MEMORY_LENGTHS)
        assert torch.equal(dynrnn.dynamic_rnn(module, x, LENGTHS)[0], dynrnn.dynamic_rnn(made, x, LENGTHS)[0])
    optimizer = torch.optim.Adam(made.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        for i, one in enumerate(made._attention_mechanisms):
            one.setup_memory(memory_of(i), MEMORY_LENGTHS)
        loss = ((dynrnn.dynamic_rnn(made, x)[0] - 0.5) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


# --- states -----------------------------------------------------------------------------------------------------------


def test_zero_state() -> None:
    made = wrapper([LUONG, PAIR[1]], cells.BasicLSTMCell(U, dtype=torch.float64), attention_layer_size=[A, A])
    state = made.zero_state(B, torch.float32)
    assert AttentionWrapperState._fields == (
        *("cell_state", "attention", "time", "alignments", "alignment_history", "attention_state"),
    )
    assert isinstance(state.cell_state, cells.LSTMStateTuple)
    assert state.attention.shape == (B, 2 * A) and not state.attention.any()
    assert state.alignments[0].shape == (B, S) and not state.alignments[0].any()
    assert torch.equal(state.alignments[1], torch.eye(S + 1)[:1].expand(B, -1))
    assert {leaf.dtype for leaf in nest.flatten(state)} == {torch.float32, torch.int32}
    assert made.zero_state(B).attention.dtype == torch.float64
    assert made.get_initial_state(inputs=values(B, X)).attention.shape == (B, 2 * A)


def test_clone() -> None:
    state = wrapper(LUONG).zero_state(B)
    other = state.clone(cell_state=values(B, U), time=torch.tensor(3, dtype=torch.int32))
    assert isinstance(other, AttentionWrapperState)
    assert torch.equal(other.cell_state, values(B, U)) and other.time == 3 and other.attention is state.attention
    with pytest.raises(ValueError, match="expected to be same as the one to clone"):
        state.clone(cell_state=values(B, U + 1))
    with pytest.raises(ValueError, match="fields of the clone"):
        state.clone(cell_state=(values(B, U), values(B, U)))
    with pytest.raises((ValueError, TypeError), match="unexpected field names"):
        state.clone(hidden=values(B, U))


# --- what is refused --------------------------------------------------------------------------------------------------


def test_refused_arguments() -> None:
    cell, one = cells.GRUCell(U), mechanism(LUONG)
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((3, one), {}, TypeError, "is not an RNNCell"),
        ((cell, cell), {}, TypeError, "must be an AttentionMechanism or list of multiple .* saw type: GRUCell"),
        ((cell, [one, cell]), {}, TypeError, "must contain only instances of AttentionMechanism, saw type: GRUCell"),
        ((cell, []), {}, ValueError, "at least one AttentionMechanism"),
        ((cell, one, A), {"attention_layer": torch.nn.Identity()}, ValueError, "Only one of attention_layer_size and"),
        ((cell, one, [A, A]), {}, ValueError, "exactly one integer per attention_mechanism, saw: 2 vs 1"),
        ((cell, [one, one], A), {}, ValueError, "exactly one integer per attention_mechanism, saw: 1 vs 2"),
        ((cell, one), {"attention_layer": [len, len]}, ValueError, "exactly one layer per .* saw: 2 vs 1"),
        ((cell, one), {"attention_layer": 3}, TypeError, "attention_layer must be callable, saw type: int"),
        ((cell, one, 0), {}, ValueError, "attention_layer_size to be a positive integer"),
        ((cell, one), {"cell_input_fn": 3}, TypeError, "cell_input_fn must be callable, saw type: int"),
        ((cell, one), {"attention_fn": 3}, TypeError, "attention_fn must be callable, saw type: int"),
        ((cell, one), {"initial_cell_state": torch.zeros(2, U)}, ValueError, "(?s)constructing .*tile_batch"),
        ((cell, seq2seq.LuongAttention(U)), {"input_size": 2}, ValueError, "width of the memory .* not known"),
    ]
    for arguments, options, error, match in wrong:
        with pytest.raises(error, match=match):
            AttentionWrapper(*arguments, **options)


def test_refused_calls() -> None:
    made = wrapper(LUONG)
    with pytest.raises(TypeError, match=r"Expected state to be instance of AttentionWrapperState. Received type"):
        made(values(B, X), values(B, U))
    with pytest.raises(ValueError, match=r"(?s)calling zero_state of AttentionWrapper attention_wrapper.*tile_batch"):
        made.zero_state(B + 1)
    other = wrapper(LUONG)
    other.luong_attention.setup_memory(values(2, S, D))
    with pytest.raises(ValueError, match=r"(?s)When applying AttentionWrapper attention_wrapper.*tile_batch"):
        other(values(B, X), made.zero_state(B))
    with pytest.raises(ValueError, match="When calling zero_state"):
        dynrnn.dynamic_rnn(other, values(B, T, X))
    empty = AttentionWrapper(cells.GRUCell(U), seq2seq.LuongAttention(U))
    with pytest.raises(ValueError, match="before the setup of memory"):
        empty.zero_state(B)
