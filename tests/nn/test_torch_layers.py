"""`dynrnn.nn.RNN`, `LSTM` and `GRU` against the layers of ``torch.nn``."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layers_support import CLASSES, assert_same, flat, gradients, initial_state, pair
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import dynrnn


@pytest.fixture(autouse=True)
def _natively() -> Iterator[None]:
    """What these tests run must run in the native engine."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", dynrnn.EngineWarning)
        yield


def options() -> Iterator[Any]:
    """Every combination of options: (class, options)."""
    for name, layers, both, first, bias in itertools.product(
        CLASSES, (1, 3), (False, True), (False, True), (True, False)
    ):
        common = {"num_layers": layers, "bidirectional": both, "batch_first": first, "bias": bias}
        more: list[dict[str, Any]] = [{}]
        if name == "LSTM":
            more.append({"proj_size": 2})
        if name == "RNN":
            more.append({"nonlinearity": "relu"})
        for each in more:
            yield name, common | each


def run(layer: Any, x: Any, hx: Any, sources: list[torch.Tensor], **more: Any) -> list[torch.Tensor]:
    """Outputs, final states, and gradients."""
    outputs, state = layer(x, hx, **more)
    results = [outputs.data if isinstance(outputs, PackedSequence) else outputs, *flat(state)]
    return [*results, *gradients(results, [*sources, *flat(hx), *layer.parameters()])]


def expected_of_lengths(layer: Any, x: torch.Tensor, hx: Any, lengths: list[int]) -> tuple[torch.Tensor, Any]:
    """torch's layer, row by row, each without its padding."""
    rows_first = x if layer.batch_first else x.transpose(0, 1)
    width = (layer.proj_size or layer.hidden_size) * (2 if layer.bidirectional else 1)
    outputs, states = [], []
    for row, length in enumerate(lengths):
        start = None if hx is None else [part[:, row : row + 1] for part in flat(hx)]
        padding = x.new_zeros(rows_first.shape[1] - length, width)
        if not length:
            outputs.append(padding)
            states.append(start)
            continue
        one = rows_first[row : row + 1, :length]
        given_state = start if start is None else (tuple(start) if layer.mode == "LSTM" else start[0])
        y, final = layer(one if layer.batch_first else one.transpose(0, 1), given_state)
        outputs.append(torch.cat([y.reshape(length, width), padding]))
        states.append(flat(final))
    out = torch.stack(outputs)
    parts = [torch.cat(column, 1) for column in zip(*states, strict=True)]
    return (out if layer.batch_first else out.transpose(0, 1)), tuple(parts) if len(parts) > 1 else parts[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("name", "kwargs"), [*options()])
def test_every_option(name: str, kwargs: dict[str, Any], dtype: torch.dtype) -> None:
    """Whole sequences, packed ones, and lengths; outputs, states and all gradients."""
    theirs, ours = pair(name, 3, 4, **kwargs, dtype=dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    batch, steps = 4, 5
    sizes = (batch, steps, 3) if ours.batch_first else (steps, batch, 3)
    x = torch.randn(sizes, dtype=dtype, requires_grad=True)
    hx = initial_state(ours, batch, dtype)
    assert_same(run(ours, x, hx, [x]), run(theirs, x, hx, [x]))
    assert_same(run(ours, x, None, [x]), run(theirs, x, None, [x]))

    def packed(source: torch.Tensor) -> PackedSequence:
        return pack_padded_sequence(source, torch.tensor([2, 5, 1, 5]), ours.batch_first, enforce_sorted=False)

    assert_same(run(ours, packed(x), hx, [x]), run(theirs, packed(x), hx, [x]))

    lengths = [0, 5, 1, 3]
    spoiled = x.detach().clone()
    for row, length in enumerate(lengths):
        (spoiled if ours.batch_first else spoiled.transpose(0, 1))[row, length:] = float("nan")
    spoiled.requires_grad_()
    outputs, state = expected_of_lengths(theirs, x, hx, lengths)
    wanted = [outputs, *flat(state)]
    wanted += gradients(wanted, [x, *flat(hx), *theirs.parameters()])
    assert_same(run(ours, spoiled, hx, [spoiled], lengths=lengths), wanted)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("both", [False, True])
def test_unbatched(name: str, both: bool) -> None:
    for first in (False, True):
        theirs, ours = pair(name, 3, 4, 2, batch_first=first, bidirectional=both, dtype=torch.float64)
        x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
        hx = initial_state(ours, 1, torch.float64)
        hx = tuple(part.detach()[:, 0].requires_grad_() for part in flat(hx))
        hx = hx if name == "LSTM" else hx[0]
        assert_same(run(ours, x, hx, [x]), run(theirs, x, hx, [x]))
        outputs, state = ours(x, hx, lengths=[4])
        short, short_state = theirs(x[:4], hx)
        assert_same([outputs[:4], *flat(state)], [short, *flat(short_state)])
        assert not outputs[4:].any()


@settings(max_examples=40)
@given(
    name=st.sampled_from(CLASSES),
    sizes=st.tuples(*[st.integers(1, 5)] * 5),
    both=st.booleans(),
    first=st.booleans(),
    with_state=st.booleans(),
    data=st.data(),
)
def test_any_shape_and_lengths(
    name: str, sizes: tuple[int, ...], both: bool, first: bool, with_state: bool, data: st.DataObject
) -> None:
    batch, steps, width, units, layers = sizes
    lengths = data.draw(st.lists(st.integers(0 if with_state else 1, steps), min_size=batch, max_size=batch))
    theirs, ours = pair(name, width, units, min(layers, 3), bidirectional=both, batch_first=first, dtype=torch.float64)
    x = torch.randn((batch, steps, width) if first else (steps, batch, width), dtype=torch.float64, requires_grad=True)
    hx = initial_state(ours, batch, torch.float64) if with_state else None
    outputs, state = expected_of_lengths(theirs, x, hx, lengths)
    wanted = [outputs, *flat(state)]
    if any(lengths):
        wanted += gradients(wanted, [x, *flat(hx), *theirs.parameters()])
        assert_same(run(ours, x, hx, [x], lengths=torch.tensor(lengths)), wanted)
    else:
        outputs, state = ours(x, hx, lengths)
        assert_same([outputs, *flat(state)], wanted)
    if all(lengths):
        packs = [pack_padded_sequence(x, lengths, first, enforce_sorted=False) for _ in range(2)]
        mine, reference = (layer(p, hx)[0] for layer, p in zip((ours, theirs), packs, strict=True))
        for one, other in zip(mine, reference, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_packed_sequences_of_every_kind_come_back_packed() -> None:
    theirs, ours = pair("LSTM", 3, 4, 2, bidirectional=True)
    x = torch.randn(5, 3, 3)
    for lengths, is_sorted in (([5, 4, 2], True), ([2, 5, 4], False), ([5, 5, 5], True)):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=is_sorted)
        mine, reference = ours(packed)[0], theirs(packed)[0]
        assert isinstance(mine, PackedSequence)
        assert torch.equal(mine.batch_sizes, reference.batch_sizes)
        assert (mine.sorted_indices is None) == (reference.sorted_indices is None)
        one, other = pad_packed_sequence(mine), pad_packed_sequence(reference)
        torch.testing.assert_close(one[0], other[0], rtol=0, atol=1e-6)
        assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("p", [0.4, 1.0])
def test_dropout_draws_torch_s_numbers(name: str, first: bool, both: bool, p: float) -> None:
    theirs, ours = pair(name, 3, 4, 3, dropout=p, batch_first=first, bidirectional=both, dtype=torch.float64)
    x = torch.randn((4, 6, 3) if first else (6, 4, 3), dtype=torch.float64, requires_grad=True)
    for lengths in (None, [6, 2, 5, 3]):
        results = []
        for layer in (ours, theirs):
            torch.manual_seed(3)
            packed = x if lengths is None else pack_padded_sequence(x, lengths, first, enforce_sorted=False)
            results.append(run(layer, packed, None, [x]))
        assert_same(*results)
    assert not torch.equal(ours(x)[0], ours.eval()(x)[0])
    assert_same(run(ours, x, None, [x]), run(theirs.eval(), x, None, [x]))


@pytest.mark.parametrize("name", CLASSES)
def test_gradcheck(name: str) -> None:
    layer = getattr(dynrnn.nn, name)(2, 3, 2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    hx = initial_state(layer, 3, torch.float64)
    names = [n for n, _ in layer.named_parameters()]

    def function(x: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        count = len(flat(hx))
        state = rest[:count] if count > 1 else rest[0]
        call = (x, state, [4, 0, 2])
        outputs, final = torch.func.functional_call(layer, dict(zip(names, rest[count:], strict=True)), call)
        return (outputs, *flat(final))

    leaves = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    assert torch.autograd.gradcheck(function, (x, *flat(hx), *leaves), fast_mode=True)
    assert torch.autograd.gradgradcheck(function, (x, *flat(hx), *leaves), fast_mode=True)


def test_initialization_is_torch_s() -> None:
    for name in CLASSES:
        torch.manual_seed(1)
        theirs = getattr(torch.nn, name)(3, 4, 2, bidirectional=True)
        torch.manual_seed(1)
        ours = getattr(dynrnn.nn, name)(3, 4, 2, bidirectional=True)
        for (n, a), (m, b) in zip(theirs.named_parameters(), ours.named_parameters(), strict=True):
            assert n == m
            assert torch.equal(a, b)
        assert repr(ours) == repr(theirs)
        theirs.load_state_dict(ours.state_dict())  # and back
        assert all(map(torch.equal, theirs.parameters(), ours.parameters()))
        assert ours.all_weights[1][0] is ours.weight_ih_l0_reverse
        for layer in (ours, theirs):
            assert isinstance(layer, torch.nn.RNNBase)


def test_torch_func_and_forward_mode() -> None:
    ours: Any = dynrnn.nn.GRU(2, 3, bidirectional=True, dtype=torch.float64)
    x = torch.randn(5, 4, 2, dtype=torch.float64)
    each = torch.func.vmap(lambda row: ours(row.unsqueeze(1), lengths=[3])[0], in_dims=1, out_dims=1)(x)
    torch.testing.assert_close(each.squeeze(2), ours(x, lengths=[3] * 4)[0])
    tangent = torch.randn_like(x)
    for lengths in (None, [3, 5, 1, 2]):
        function = lambda x, n=lengths: ours(x, lengths=n)[0]  # noqa: E731
        forward_mode = torch.func.jvp(function, (x,), (tangent,))[1]
        jacobian = torch.autograd.functional.jacobian(function, x)
        torch.testing.assert_close(forward_mode, torch.einsum("abcxyz,xyz->abc", jacobian, tangent))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (lambda x, h: (x[0, 0],), ValueError, "Expected input to be 2D or 3D, got 1D"),
        (lambda x, h: (x[..., :2],), RuntimeError, r"Expected 3, got 2"),
        (lambda x, h: (x.double(),), ValueError, "dtype"),
        (lambda x, h: ([1.0],), TypeError, "Tensor or a PackedSequence, got list"),
        (lambda x, h: (x[:0],), RuntimeError, "sequence length to be larger than 0"),
        (lambda x, h: (x, (h, h[:, :1])), RuntimeError, r"Expected hidden\[1\] size \(2, 4, 4\), got \[2, 1, 4\]"),
        (lambda x, h: (x, (h, h[0])), RuntimeError, r"hidden\[1\] should also be 3-D but got 2-D"),
        (lambda x, h: (x[:, 0], (h, h)), RuntimeError, "unbatched 2-D"),
        (lambda x, h: (x, h), TypeError, r"pair \(h_0, c_0\)"),
        (lambda x, h: (x, (h, None)), TypeError, r"hidden\[1\] to be a Tensor, got NoneType"),
        (lambda x, h: (x, (h, h.double())), ValueError, r"hidden\[1\] to have the dtype of the input"),
        (lambda x, h: (x, None, [1, 2, 3, 7]), ValueError, "from 0 to the number of steps, 5, got 7 for row 3"),
        (lambda x, h: (x, None, [1, 2, 3, -1]), ValueError, "got -1 for row 3"),
        (lambda x, h: (x, None, [1, 2]), ValueError, r"\[4\] but saw shape: \[2\]"),
        (lambda x, h: (x, None, [1.5] * 4), TypeError, "integers"),
        (lambda x, h: (pack_padded_sequence(x, [5, 4, 3, 2]), None, [5, 4, 3, 2]), ValueError, "PackedSequence"),
        (lambda x, h: (pack_padded_sequence(x[..., :2], [5, 4, 3, 2]),), RuntimeError, "Expected 3, got 2"),
    ],
)
def test_wrong_arguments(arguments: Any, error: type[Exception], text: str) -> None:
    layer = dynrnn.nn.LSTM(3, 4, 2)
    with pytest.raises(error, match=text) as caught:
        layer(*arguments(torch.randn(5, 4, 3), torch.zeros(2, 4, 4)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("LSTM", {"hidden_size": 0}),
        ("LSTM", {"proj_size": 4}),
        ("LSTM", {"dropout": 2}),
        ("GRU", {"num_layers": 0}),
        ("GRU", {"bias": 1}),
        ("RNN", {"nonlinearity": "sin"}),
        ("RNN", {"input_size": 1.5}),
    ],
)
def test_constructors_refuse_what_torch_s_do(name: str, kwargs: dict[str, Any]) -> None:
    arguments = {"input_size": 3, "hidden_size": 4} | kwargs
    with pytest.raises((TypeError, ValueError)) as theirs:
        getattr(torch.nn, name)(**arguments)
    with pytest.raises(theirs.type) as ours:
        getattr(dynrnn.nn, name)(**arguments)
    assert str(ours.value) == str(theirs.value)


def test_positional_arguments_are_torch_s() -> None:
    for name, words in (("LSTM", (2, True, True, 0.5, True, 2)), ("GRU", (2, True, True, 0.5, True))):
        theirs, ours = pair(name, 3, 4, *words)
        assert repr(theirs) == repr(ours)
    theirs, ours = pair("RNN", 3, 4, 2, "relu", False, True, 0.5, True)
    assert repr(theirs) == repr(ours)
    assert ours.nonlinearity == theirs.nonlinearity
