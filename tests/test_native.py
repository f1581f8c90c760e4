"""The native module: its version, what it says of the processor, and the choice of a code path."""

from __future__ import annotations

import ast
import os
import platform
from importlib import metadata
from pathlib import Path

import pytest
import torch

from dynrnn import _version
from dynrnn.engine import native

FEATURES = ["avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16", "neon"]
ISAS = ["avx512", "avx2", "neon", "portable"]

X86 = platform.machine().lower() in {"x86_64", "amd64", "i386", "i686"}
ARM64 = platform.machine().lower() in {"aarch64", "arm64"}

NEEDS: dict[str, set[str]] = {
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"},
    "avx2": {"avx2", "fma"},
    "neon": {"neon"},
    "portable": set(),
}


def kernel_flags() -> set[str]:
    """The features the Linux kernel lists for the first processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return set(value.split())
    pytest.skip("no list of processor features in /proc/cpuinfo")


def usable() -> list[str]:
    """Code paths that this machine can run, the widest first, worked out from the features."""
    features = native.cpu_features()
    return [isa for isa in ISAS if all(features[name] for name in NEEDS[isa])]


@pytest.fixture(autouse=True)
def no_forced_isa(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DYNRNN_ISA", raising=False)


def test_version_is_stated_once() -> None:
    assert native.version() == _version.__version__ == metadata.version("dynrnn")


def test_features_have_the_same_keys_everywhere() -> None:
    features = native.cpu_features()
    assert list(features) == FEATURES
    assert all(type(value) is bool for value in features.values())


def test_features_are_the_callers_own() -> None:
    first = native.cpu_features()
    first["avx2"] = not first["avx2"]
    assert native.cpu_features()["avx2"] is not first["avx2"]


def test_features_agree_with_the_kernel() -> None:
    flags = kernel_flags()
    expected = {name: X86 and name in flags for name in FEATURES}
    expected["neon"] = ARM64 and "asimd" in flags
    assert native.cpu_features() == expected


@pytest.mark.skipif(not X86, reason="torch names the x86 instruction sets only")
@pytest.mark.skipif("ATEN_CPU_CAPABILITY" in os.environ, reason="ATEN_CPU_CAPABILITY forces torch's answer")
def test_features_agree_with_torch() -> None:
    widest = {"avx512": "AVX512", "avx2": "AVX2", "portable": "DEFAULT"}[native.best_isa()]
    assert torch.backends.cpu.get_cpu_capability() == widest


def test_best_isa_is_the_widest_usable() -> None:
    assert native.best_isa() == usable()[0]


@pytest.mark.parametrize("isa", ISAS)
def test_isa_can_be_forced_where_the_processor_has_it(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNRNN_ISA", isa)
    if isa in usable():
        assert native.best_isa() == isa
    else:
        with pytest.raises(ValueError, match=rf"DYNRNN_ISA .*portable.* got '{isa}', which it lacks"):
            native.best_isa()


def test_some_isa_is_refused_on_every_machine() -> None:
    # so that the test above has met both of its branches
    assert set(usable()) != set(ISAS)


@pytest.mark.parametrize("name", ["AVX2", "avx-512", "sse2", " avx2", "none"])
def test_unknown_isa_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNRNN_ISA", name)
    with pytest.raises(ValueError, match=f"DYNRNN_ISA must be avx512, avx2, neon or portable, got '{name}'"):
        native.best_isa()


def test_empty_isa_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNRNN_ISA", "")
    assert native.best_isa() == usable()[0]


def test_forcing_an_isa_does_not_change_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    before = native.cpu_features()
    monkeypatch.setenv("DYNRNN_ISA", "portable")
    assert native.cpu_features() == before


def test_stub_describes_the_module() -> None:
    """``_native.pyi`` names exactly the functions of the compiled module, and the wrapper offers exactly those."""
    stub = Path(_version.__file__).with_name("_native.pyi")
    stated = {
        node.name for node in ast.parse(stub.read_text()).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    compiled = {name for name in dir(native._native) if not name.startswith("_")}
    assert {name for name in stated if not name.startswith("_")} == compiled == set(native.__all__)
