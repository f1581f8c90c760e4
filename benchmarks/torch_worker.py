"""dynrnn in a process of its own, to take turns with those of other frameworks; see `worker`."""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch

import dynrnn
from benchmarks import work, worker
from benchmarks.own import own_contender
from benchmarks.torch_peers import work_tensors


def build(
    cell: str, shape: work.Shape, lengths: work.Ints | None
) -> tuple[dict[str, Callable[[], object]], list[float]]:
    """Calls by mode, and the fingerprint."""
    contender = own_contender(cell, shape, lengths)
    x, cotangent = work_tensors(cell, shape)
    calls = {mode: contender.call(x, cotangent, mode == "train") for mode in ("infer", "train")}
    outputs, x_gradient, *_ = contender.call(x, cotangent, True)()
    return calls, work.fingerprint(outputs.detach().numpy(), x_gradient.numpy(), cotangent.numpy())


def main() -> None:
    """Answer a request."""
    request = worker.read_request()
    torch.set_num_threads(request.threads)
    versions = {"Python": platform.python_version(), "torch": torch.__version__, "dynrnn": dynrnn.__version__}
    worker.answer(request, versions, build)


if __name__ == "__main__":
    main()
