"""The benchmark runs; what it measures is not looked at here."""

from __future__ import annotations

from pathlib import Path

from fresh_process import python, succeeded

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "lstm.py"


def test_quick_run(tmp_path: Path) -> None:
    done = succeeded(python(str(BENCHMARK), "--quick", cwd=tmp_path))
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [row.split("|")[2].strip() for row in rows] == ["infer", "train"]
