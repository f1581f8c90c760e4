"""Contenders that need nothing but PyTorch. They all compute `work`'s numbers; `agree` holds them to that."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks import work
from benchmarks.torch_cells import plain_cell, torch_weights

_LAYERS: dict[str, type[Any]] = {
    "lstm": torch.nn.LSTM,
    "gru_cudnn": torch.nn.GRU,
    "rnn": torch.nn.RNN,
}


@dataclass
class Contender:
    """Something that computes outputs [B, T, n] from inputs [B, T, I] ([T, B, ...] when time-major).

    Attributes:
        forward: from inputs to outputs.
        parameters: name -> what it trains besides the inputs, names as in `work` with ``_`` for the dots (layers of
            ``torch.nn``: their own names).
        time_major: the layout.
    """

    forward: Callable[[torch.Tensor], torch.Tensor]
    parameters: dict[str, torch.Tensor]
    time_major: bool = False

    def laid_out(self, x: torch.Tensor) -> torch.Tensor:
        """Batch-major ``x`` in this contender's layout, contiguous."""
        return x.transpose(0, 1).contiguous() if self.time_major else x

    def call(self, x: torch.Tensor, cotangent: torch.Tensor, train: bool) -> Callable[[], Any]:
        """What is timed: the forward pass, and in training the gradients of the inputs and of every parameter.

        ``x`` and ``cotangent`` are batch-major.
        """
        x, cotangent = self.laid_out(x), self.laid_out(cotangent)
        if not train:

            def infer() -> torch.Tensor:
                with torch.no_grad():
                    return self.forward(x)

            return infer
        x = x.clone().requires_grad_()
        leaves = [x, *self.parameters.values()]

        def learn() -> tuple[torch.Tensor, ...]:
            outputs = self.forward(x)
            return (outputs, *torch.autograd.grad(outputs, leaves, cotangent))

        return learn


class OutOfTimeError(Exception):
    """An optional contender took too long to get ready."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise `OutOfTimeError` in the block after so many seconds, where the system and the thread allow it."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError(f"not ready after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def work_tensors(cell: str, shape: work.Shape) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and cotangent of the work."""
    return torch.from_numpy(work.make_inputs(shape)), torch.from_numpy(work.make_cotangent(cell, shape))


def to_layer(cell: str, weights: dict[str, Any], width: int) -> dict[str, Any]:
    """The weights of the work as a layer of ``torch.nn`` names and lays them out."""
    if cell == "gru_cudnn":
        return {
            "weight_ih_l0": weights["input_kernel"].T,
            "weight_hh_l0": weights["state_kernel"].T,
            "bias_ih_l0": weights["input_bias"],
            "bias_hh_l0": weights["state_bias"],
        }
    kernel, bias = weights["kernel"].T, weights["bias"]
    if cell == "lstm":  # i, j, f, o -> i, f, j, o
        (i, j, f, o), (bi, bj, bf, bo) = kernel.chunk(4), bias.chunk(4)
        kernel, bias = torch.cat([i, f, j, o]), torch.cat([bi, bf, bj, bo])
    return {
        "weight_ih_l0": kernel[:, :width],
        "weight_hh_l0": kernel[:, width:],
        "bias_ih_l0": bias,
        "bias_hh_l0": torch.zeros_like(bias),
    }


def has_layer(cell: str) -> bool:
    """Whether ``torch.nn`` has a layer with this cell's formula."""
    return cell in _LAYERS


def layer_name(cell: str) -> str:
    """What users call that layer."""
    return f"nn.{_LAYERS[cell].__name__}"


def _layer(cell: str, shape: work.Shape, time_major: bool) -> torch.nn.RNNBase:
    layer = _LAYERS[cell](shape.width, shape.units, batch_first=not time_major)
    layer.load_state_dict(to_layer(cell, torch_weights(cell, shape), shape.width))
    return layer


def layer_contender(cell: str, shape: work.Shape, time_major: bool = False) -> Contender:
    """The layer of ``torch.nn``, over the padding where there is any."""
    layer = _layer(cell, shape, time_major)
    return Contender(lambda x: layer(x)[0], dict(layer.named_parameters()), time_major)


def packed_contender(cell: str, shape: work.Shape, lengths: work.Ints) -> Contender:
    """The layer of ``torch.nn`` over packed sequences; packing and unpacking are part of it."""
    layer = _layer(cell, shape, False)
    rows = torch.from_numpy(lengths)

    def forward(x: torch.Tensor) -> torch.Tensor:
        sequence = pack_padded_sequence(x, rows, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(sequence)[0], batch_first=True, total_length=shape.steps)[0]

    return Contender(forward, dict(layer.named_parameters()))


def _loop(step: Callable[[Any, Any], Any], x: torch.Tensor, state: Any) -> torch.Tensor:
    outputs = []
    for x_t in x.unbind(1):
        y, state = step(x_t, state)
        outputs.append(y)
    return torch.stack(outputs, 1)


def loop_contender(cell: str, shape: work.Shape) -> Contender:
    """A Python loop over the plain cell."""
    module = plain_cell(cell, shape)
    return Contender(lambda x: _loop(module, x, module.zero_state(len(x))), dict(module.named_parameters()))


def compiled_contender(cell: str, shape: work.Shape) -> Contender:
    """The same loop over ``torch.compile`` of the plain cell. It compiles in its first calls."""
    module = plain_cell(cell, shape)
    step = torch.compile(module, dynamic=False)
    return Contender(lambda x: _loop(step, x, module.zero_state(len(x))), dict(module.named_parameters()))


def scan_contender(cell: str, shape: work.Shape) -> Contender:
    """torch's scan operator, compiled. It compiles in its first calls.

    What a step returns must not share memory with anything, hence the clones; and the compiler asks for scalars of
    the data, which it is allowed here.
    """
    from torch._higher_order_ops import scan  # its place has changed before

    module = plain_cell(cell, shape)

    def step(state: Any, x: torch.Tensor) -> tuple[Any, torch.Tensor]:
        y, new = module(x, state)
        return torch.utils._pytree.tree_map(torch.clone, new), y.clone()

    @torch.compile(dynamic=False)
    def forward(x: torch.Tensor, state: Any) -> torch.Tensor:
        return scan(step, state, x, dim=0)[1]

    def run(x: torch.Tensor) -> torch.Tensor:
        return forward(x, module.zero_state(shape.batch))

    return Contender(run, dict(module.named_parameters()), time_major=True)


def prepare_compiler() -> None:
    """Compile in this process, leaving none of the compiler's helpers behind, and forget what was compiled before."""
    import torch._dynamo
    import torch._inductor.config

    torch._dynamo.reset()
    torch._inductor.config.compile_threads = 1
    torch._dynamo.config.capture_scalar_outputs = True


def agree(contenders: dict[str, Contender], x: torch.Tensor, lengths: work.Ints | None = None) -> None:
    """Hold the contenders to computing the same, up to the lengths.

    Raises:
        RuntimeError: one differs from the first.
    """
    valid = torch.ones(x.shape[:2], dtype=torch.bool)
    if lengths is not None:
        valid = torch.arange(x.shape[1]) < torch.from_numpy(lengths)[:, None]
    results = {}
    with torch.no_grad():
        for name, contender in contenders.items():
            outputs = contender.forward(contender.laid_out(x))
            results[name] = (outputs.transpose(0, 1) if contender.time_major else outputs)[valid]
    first, *others = results
    for name in others:
        error = (results[first] - results[name]).abs().max().item()
        if not error < 1e-3:
            raise RuntimeError(f"{name} does not compute what {first} does: they differ by {error:.3g}")


def only_ready(
    candidates: dict[str, Callable[[], Contender]], ready: Callable[[Contender], object], seconds: int
) -> tuple[dict[str, Contender], dict[str, str]]:
    """Make optional contenders and get them ready, each within so many seconds.

    Returns:
        Those that are, and the reasons why the others are not.
    """
    found: dict[str, Contender] = {}
    failed: dict[str, str] = {}
    for name, make in candidates.items():
        try:
            with time_limit(seconds):
                contender = make()
                ready(contender)
        except Exception as error:  # whatever a compiler throws
            failed[name] = first_line(error)
        else:
            found[name] = contender
    return found, failed


def first_line(error: BaseException) -> str:
    """An error in one short line."""
    lines: Iterable[str] = (line.strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next(filter(None, lines), '')}"[:160]
