"""Every golden program on the TensorFlow 1 face: what it computes, prints and refuses is what TensorFlow does.

The programs are in ``goldens/cases``, TensorFlow's answers in the files beside them; TensorFlow itself is not needed.
"""

from __future__ import annotations

import functools

import pytest
from goldens import files, harness
from goldens.cases import MODULES

from dynrnn import tf1 as tf


@functools.cache
def _file(module: str) -> files.GoldenFile:
    return files.GoldenFile(module)


CASES = [(module, name) for module in MODULES for name in _file(module).names]


@pytest.mark.parametrize("module", MODULES)
def test_files_hold_exactly_the_cases(module: str) -> None:
    """A case that was added, renamed or taken away without making the files again is noticed."""
    assert _file(module).names == list(harness.cases_of(module))


@pytest.mark.parametrize(("module", "name"), CASES, ids=[f"{module}:{name}" for module, name in CASES])
def test_golden(module: str, name: str) -> None:
    want = _file(module).record(name)
    golden = harness.as_recorded(harness.cases_of(module)[name], want)
    problems = files.compare(golden, harness.run(golden, tf), want)
    assert not problems, "\n".join([f"{module}: {name}", *problems])
