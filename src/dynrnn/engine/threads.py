"""Whose threads the native core computes on: those of torch, where torch's OpenMP runtime can be asked.

The threads of an OpenMP runtime do not sleep at once when a parallel operation is over: they look for the next one for
some milliseconds, each on its core. Threads of another pool would have to share the cores with them, and a call right
after a torch operation would take twice its time. GNU OpenMP, which PyTorch's own builds use on Linux, has one entry
point for parallel regions; the core enters there too. Elsewhere it has threads of its own.

The price is OpenMP's: where another process keeps a core busy, a parallel region waits for the thread on that core, as
all of torch does. ``DYNRNN_THREADS=own`` chooses the core's threads, which wait for nobody who has not come.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import torch

from dynrnn.engine import native

__all__ = ["share_threads"]


def share_threads() -> bool:
    """Let the core use torch's threads, unless the environment variable ``DYNRNN_THREADS`` says ``own``.

    Returns:
        Whether it does.

    Raises:
        ValueError: ``DYNRNN_THREADS`` is neither ``own`` nor ``torch`` nor empty.
    """
    wish = os.environ.get("DYNRNN_THREADS", "")
    if wish not in ("", "own", "torch"):
        raise ValueError(f"DYNRNN_THREADS must be 'own' or 'torch', got {wish!r}")
    address = 0 if wish == "own" else _gomp_parallel()
    native.borrow_threads(address)
    return address != 0


def _gomp_parallel() -> int:
    """The address of GOMP_parallel in the runtime that torch has loaded; 0 if there is none, or more than one."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    loaded = sorted({line.split(maxsplit=5)[-1] for line in lines if "libgomp" in line.rsplit("/", 1)[-1]})
    home = str(Path(torch.__file__).parent.parent)
    own = [path for path in loaded if path.startswith(home)]
    found = own or loaded
    if len(found) != 1:
        return 0
    try:
        function = ctypes.CDLL(found[0]).GOMP_parallel
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0
