"""The examples, run as a user runs them, with less training."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def _run(tmp_path: Path, name: str, *arguments: str, through: tuple[str, ...] = ()) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(tmp_path)}
    command = [sys.executable, *through, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_date_translation(tmp_path: Path) -> None:
    printed = _run(tmp_path, "date_translation.py", "--steps", "120", "--picture", "looked.png")
    found = re.search(r"exactly right: (\d+) of 500 unseen dates", printed)
    assert found is not None and int(found[1]) > 150, printed
    assert re.search(r"tuesday, 3 march 1998 +-> \d{4}-\d\d-\d\d", printed), printed
    assert (tmp_path / "looked.png").read_bytes().startswith(b"\x89PNG")


def _tf1(tmp_path: Path, name: str, *arguments: str) -> str:
    return _run(tmp_path, f"tf1/{name}", *arguments, through=("-m", "dynrnn", "run"))


def _number(text: str, printed: str, at: int = -1) -> float:
    """The number after that text; the last one unless told."""
    found = re.findall(re.escape(text) + r" ([-+.\de]+)", printed)
    assert found, printed
    return float(found[at])


def test_tf1_word_language_model(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "word_language_model.py", "100")
    assert _number("step 1 perplexity", printed) > 15
    assert _number("step 100 perplexity", printed) < 1.6
    assert _number("one step at a time differs by", printed) < 1e-5
    assert re.search(r"^written: this is the .* that jack built \.$", printed, re.MULTILINE), printed


def test_tf1_text_classification(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "text_classification.py")
    assert _number("accuracy", printed) > 0.9
    assert _number("words in the padding change the logits by", printed) == 0


def test_tf1_tag_characters(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "tag_characters.py", "120")
    assert _number("characters tagged right:", printed) > 0.9
    assert "as viterbi_decode: True" in printed


def test_tf1_cnn_rnn(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "cnn_rnn.py")
    assert _number("accuracy", printed) > 0.8


def test_tf1_ctc_lines(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "ctc_lines.py")
    assert _number("error rate", printed) < 0.4


def test_tf1_series_regression(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "series_regression.py")
    simplest = _number("error of the last value", printed)
    assert _number("test error", printed) < simplest / 3
    assert _number("error over 40 values ahead", printed) < 0.3  # the variance is 0.63


def test_tf1_state_in_variables(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "state_in_variables.py", "100")
    assert "restored predictions equal: True" in printed
    kept, zero = _number("error with the kept state", printed), _number("error from a zero state", printed)
    assert kept < zero / 5


def test_tf1_raw_rnn_decoder(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "raw_rnn_decoder.py", "200")
    assert _number("reversed right:", printed) > 0.7


def test_tf1_static_and_dynamic(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "static_and_dynamic.py")
    for what in ("outputs differ", "final states differ", "by hand differs", "gradients differ"):
        assert _number(f"{what} by", printed) < 1e-5
    assert "zeros past the lengths: True" in printed


def test_tf1_long_sequence(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "long_sequence.py", "1000", "50")
    assert _number("accuracy after 1000 steps of time:", printed) > 0.9
    assert "the same without swap_memory: True" in printed


def test_tf1_cudnn_weights(tmp_path: Path) -> None:
    printed = _tf1(tmp_path, "cudnn_weights.py", "60")
    assert _number("step 60 loss", printed) < _number("step 1 loss", printed) / 2
    for cell in ("BasicLSTMCell, forget_bias=0", "LSTMBlockCell, forget_bias=0", "CudnnCompatibleLSTMCell"):
        assert _number(f"{cell} differs by", printed) < 1e-5
    assert _number("BasicLSTMCell, forget_bias=1 differs by", printed) > 0.05


def test_every_tf1_example_is_listed_and_run() -> None:
    programs = {path.name for path in (EXAMPLES / "tf1").glob("*.py")}
    listed = set(re.findall(r"^- `(\w+\.py)`", (EXAMPLES / "tf1" / "README.md").read_text(), re.MULTILINE))
    run = set(re.findall(r'_tf1\(tmp_path, "(\w+\.py)"', Path(__file__).read_text()))
    assert programs == listed == run
