"""The examples, run as a user runs them, with less training."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def _run(tmp_path: Path, name: str, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(tmp_path)}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_date_translation(tmp_path: Path) -> None:
    printed = _run(tmp_path, "date_translation.py", "--steps", "120", "--picture", "looked.png")
    found = re.search(r"exactly right: (\d+) of 500 unseen dates", printed)
    assert found is not None and int(found[1]) > 150, printed
    assert re.search(r"tuesday, 3 march 1998 +-> \d{4}-\d\d-\d\d", printed), printed
    assert (tmp_path / "looked.png").read_bytes().startswith(b"\x89PNG")
