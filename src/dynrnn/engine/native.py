"""The compiled core, as Python sees it. No other module of the project imports ``dynrnn._native``.

The core is one binary for every processor of an architecture: it asks the processor what it can run and takes the
widest code path there is. The environment variable ``DYNRNN_ISA`` forces a narrower one, for comparing paths and for
reproducing on one machine what another computes.
"""

from __future__ import annotations

try:
    from dynrnn import _native
except ImportError as error:
    raise ImportError(
        f"dynrnn.engine.native needs the compiled module dynrnn._native, which could not be loaded ({error}): "
        "install the package with `make setup` or `pip install .`, which compile it"
    ) from error

__all__ = ["best_isa", "cpu_features", "version"]


def version() -> str:
    """Version of the package that the native module was compiled for; equal to ``dynrnn._version.__version__``."""
    return _native.version()


def cpu_features() -> dict[str, bool]:
    """Which vector instructions may be used on this machine, by name.

    The keys are the same everywhere: ``avx2``, ``fma``, ``avx512f``, ``avx512bw``, ``avx512dq``, ``avx512vl``,
    ``avx512_bf16`` and ``neon``. A value is true when the processor has the instructions and the operating system saves
    their registers. The dictionary is the caller's own.
    """
    return _native.cpu_features()


def best_isa() -> str:
    """Code path the core takes: ``"avx512"``, ``"avx2"``, ``"neon"`` or ``"portable"``.

    It is the widest one this machine can run, or the one that the environment variable ``DYNRNN_ISA`` names (an empty
    value counts as none). The variable is read at every call.

    Raises:
        ValueError: ``DYNRNN_ISA`` is not one of the four names, or names one that this machine cannot run.
    """
    return _native.best_isa()
