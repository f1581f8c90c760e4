"""What all tests share: reproducible random numbers, one thread a worker, hypothesis without a clock."""

from __future__ import annotations

import os

# Under pytest-xdist each worker is given one core; more threads than cores make small matrix products many times
# slower. Set before torch is imported, and in the environment so that programs the tests start inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import random

import numpy as np
import pytest
import torch
from hypothesis import settings

# No test measures time. In continuous integration hypothesis draws the same examples at every run, so that a change is
# judged by what it changed.
settings.register_profile("dynrnn", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("dynrnn")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same state of every global random generator, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
