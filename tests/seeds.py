"""Where the programs are that the project started from; they lie beside the checkout, not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

SEEDS = Path(__file__).resolve().parents[2] / "shared" / "seeds"

needs_seeds = pytest.mark.skipif(
    not SEEDS.is_dir(), reason=f"the seed programs are not beside this checkout ({SEEDS.parent.name}/{SEEDS.name})"
)
