"""The layers as modules: parametrized weights, copies, other dtypes, autocast, processes that share a model."""

from __future__ import annotations

import copy
import io
import pickle
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from fresh_process import code, python, succeeded
from layers_support import CLASSES, assert_same, flat, gradients, initial_state, pair
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.rnn import pack_padded_sequence

import dynrnn


class Symmetric(torch.nn.Module):
    """Counts how often it is asked."""

    calls = 0

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        type(self).calls += 1
        return weight.triu() + weight.triu(1).t()


def test_parametrized_weights_are_computed_once_and_trained() -> None:
    layer: Any = dynrnn.nn.RNN(3, 4, 2, dtype=torch.float64)
    parametrize.register_parametrization(layer, "weight_hh_l0", Symmetric())
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    Symmetric.calls = 0
    outputs, _ = layer(x)
    assert Symmetric.calls == 1
    plain: Any = torch.nn.RNN(3, 4, 2, dtype=torch.float64)
    names = [name for name, _ in plain.named_parameters()]
    plain.load_state_dict({name: getattr(layer, name) for name in names})
    torch.testing.assert_close(outputs, plain(x)[0], rtol=0, atol=1e-12)
    original = layer.parametrizations.weight_hh_l0.original
    (found,) = torch.autograd.grad(outputs.sum(), original)
    (dense,) = torch.autograd.grad(plain(x)[0].sum(), plain.weight_hh_l0)
    torch.testing.assert_close(found, dense.triu() + dense.t().triu(1))
    again = copy.deepcopy(layer)
    assert torch.equal(again(x)[0], outputs)
    assert layer.float()(x.float())[0].dtype == torch.float32


def test_weight_norm() -> None:
    theirs, ours = pair("LSTM", 3, 4)
    for layer in (theirs, ours):
        parametrizations.weight_norm(layer, "weight_ih_l0")
    with torch.no_grad():
        ours.parametrizations.weight_ih_l0.original0.mul_(2)
    x = torch.randn(5, 2, 3)
    assert not torch.equal(ours(x)[0], theirs(x)[0])
    ours(x)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in ours.parameters())


@pytest.mark.parametrize("name", CLASSES)
def test_copies(name: str) -> None:
    layer = getattr(dynrnn.nn, name)(3, 4, 2, bidirectional=True)
    x = torch.randn(5, 2, 3)
    wanted = layer(x)[0]
    stored = io.BytesIO()
    torch.save(layer, stored)
    stored.seek(0)
    copies = [copy.deepcopy(layer), copy.copy(layer), pickle.loads(pickle.dumps(layer))]
    for other in [*copies, torch.load(stored, weights_only=False)]:
        assert type(other) is type(layer)
        assert torch.equal(other(x)[0], wanted)
    with torch.no_grad():
        layer.weight_hh_l1.mul_(2)
    assert not torch.equal(layer(x)[0], wanted)
    assert torch.equal(copies[0](x)[0], wanted)
    layer.weight_hh_l1 = torch.nn.Parameter(copies[0].weight_hh_l1.detach().clone())
    assert torch.equal(layer(x)[0], wanted)
    assert layer.flatten_parameters() is None


def test_optimizer_sees_and_moves_the_weights() -> None:
    theirs, ours = pair("GRU", 3, 4, 2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    for layer in (theirs, ours):
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x)[0].square().sum().backward()
            optimizer.step()
    assert_same(list(ours.parameters()), list(theirs.parameters()))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_torch_s_numbers(name: str, dtype: torch.dtype) -> None:
    theirs, ours = pair(name, 3, 4, 2, bidirectional=True, batch_first=True, dtype=dtype)
    x = torch.randn(3, 5, 3, dtype=dtype, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", dynrnn.EngineWarning)
        outputs, state = ours(x)
    expected, expected_state = theirs(x)
    assert torch.equal(outputs, expected)
    assert all(map(torch.equal, flat(state), flat(expected_state)))
    sources = [x, *ours.parameters()]
    assert all(g.isfinite().all() for g in gradients([outputs.float()], sources))
    packed = pack_padded_sequence(x, [2, 5, 3], True, enforce_sorted=False)
    assert torch.equal(ours(packed)[0].data, theirs(packed)[0].data)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("first", [False, True])
def test_half_precision_with_lengths(name: str, first: bool) -> None:
    """Against the same numbers in float32; padding and rows of no length included."""
    half = getattr(dynrnn.nn, name)(3, 4, 2, bidirectional=True, batch_first=first, dtype=torch.bfloat16)
    single = getattr(dynrnn.nn, name)(3, 4, 2, bidirectional=True, batch_first=first)
    single.load_state_dict(half.state_dict())
    x = torch.randn((4, 5, 3) if first else (5, 4, 3), dtype=torch.bfloat16)
    for row, length in enumerate(lengths := [0, 5, 2, 1]):
        (x if first else x.transpose(0, 1))[row, length:] = float("nan")
    hx = initial_state(half, 4, torch.bfloat16)
    x.requires_grad_()
    outputs, state = half(x, hx, lengths)
    clean = torch.nan_to_num(x.detach().float())
    single_state = tuple(part.detach().float() for part in flat(hx))
    wanted, wanted_state = single(clean, single_state if name == "LSTM" else single_state[0], lengths)
    for one, other in zip([outputs, *flat(state)], [wanted, *flat(wanted_state)], strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.05, atol=0.05)
    rows_first = outputs if first else outputs.transpose(0, 1)
    assert not any(rows_first[row, length:].any() for row, length in enumerate(lengths))
    assert all(torch.equal(new[:, 0], old[:, 0]) for new, old in zip(flat(state), flat(hx), strict=True))
    found = gradients([outputs.float()], [x, *half.parameters()])
    assert all(gradient.isfinite().all() for gradient in found)


@pytest.mark.parametrize("name", CLASSES)
def test_autocast_has_torch_s_numbers(name: str) -> None:
    theirs, ours = pair(name, 3, 4, 2, bidirectional=True)
    x = torch.randn(5, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = [ours(x), theirs(x)]
        lengths_outputs, _ = ours(x, lengths=[5, 2, 0])
    (outputs, state), (expected, expected_state) = results
    assert outputs.dtype == expected.dtype
    assert torch.equal(outputs, expected)
    assert all(map(torch.equal, flat(state), flat(expected_state)))
    torch.testing.assert_close(lengths_outputs.float(), ours(x, lengths=[5, 2, 0])[0], rtol=0.05, atol=0.05)
    assert not lengths_outputs[2:, 1].any()


def test_meta_tensors() -> None:
    layer = dynrnn.nn.LSTM(3, 4, 2, device="meta")
    outputs, (h, _) = layer(torch.randn(5, 2, 3, device="meta"))
    assert (outputs.shape, h.shape) == ((5, 2, 4), (2, 2, 4))


def test_inference_mode_and_frozen_weights() -> None:
    theirs, ours = pair("LSTM", 3, 4, 2, bidirectional=True)
    x = torch.randn(5, 2, 3)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=0, atol=1e-6)
    for parameter in ours.parameters():
        parameter.requires_grad_(False)
    ours.bias_hh_l1.requires_grad_()
    x.requires_grad_()
    outputs = ours(x)[0]
    outputs.sum().backward()
    assert ours.weight_ih_l0.grad is None
    reference = theirs(x)[0]
    wanted: list[Any] = list(torch.autograd.grad(reference.sum(), [x, theirs.bias_hh_l1]))
    assert_same([x.grad, ours.bias_hh_l1.grad], wanted)  # type: ignore[list-item]


def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """DistributedDataParallel over gloo: gradients are the mean of both processes'."""
    program = """
        import os
        import torch
        import torch.distributed as dist
        import torch.multiprocessing as mp
        import dynrnn

        def work(rank, port):
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
            torch.set_num_threads(1)
            store = dist.TCPStore("127.0.0.1", port, 2, is_master=False)
            dist.init_process_group("gloo", rank=rank, world_size=2, store=store)
            torch.manual_seed(0)
            layer = dynrnn.nn.LSTM(3, 4, 2, bidirectional=True, dtype=torch.float64)
            x = torch.randn(5, 4, 3, dtype=torch.float64)
            lengths = [5, 2, 4, 1]
            model = torch.nn.parallel.DistributedDataParallel(layer)
            rows = slice(2 * rank, 2 * rank + 2)
            model(x[:, rows], lengths=lengths[rows])[0].square().sum().backward()
            found = [p.grad.clone() for p in layer.parameters()]
            outputs = layer(x, lengths=lengths)[0]
            wanted = torch.autograd.grad(outputs.square().sum() / 2, list(layer.parameters()))
            for one, other in zip(found, wanted):
                torch.testing.assert_close(one, other)
            dist.destroy_process_group()

        if __name__ == "__main__":
            store = dist.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
            mp.spawn(work, (store.port,), nprocs=2)
    """
    # in a file of its own: processes that it starts must find it again
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    succeeded(python("program.py", cwd=tmp_path))


def test_import_is_light(tmp_path: Path) -> None:
    """The compiler of torch must not be loaded by importing the layers."""
    succeeded(code("import sys, dynrnn\nassert 'torch._dynamo' not in sys.modules", cwd=tmp_path))
