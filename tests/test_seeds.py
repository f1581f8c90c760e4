"""Every program the project started from runs unmodified, in a fresh process, and prints what TensorFlow prints.

Weights are random in these programs, so numbers are compared by what must hold of any weights: shapes, exact zeros past
the length, states equal to the last valid output. Tensor names, reprs and shapes are compared letter by letter.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from fresh_process import python, succeeded
from seeds import SEEDS, needs_seeds

pytestmark = needs_seeds

# programs whose output has no random number in it
EXACT = [
    "dynamic_rnn_lstm_states",
    "multi_cell_call",
    "single_cell_call",
    "tf_equal",
    "zero_state_multi_cell",
    "legacy_seq2seq",
]
LENGTHS = np.array([2, 1, 2, 2])


def run(name: str, folder: Path) -> str:
    """What the program prints; it must end with status 0."""
    script = SEEDS / "programs" / f"{name}.py"
    return succeeded(python("-m", "dynrnn", "run", str(script), cwd=folder, timeout=900)).stdout


def reference(name: str) -> str:
    return (SEEDS / "reference_output" / f"{name}.txt").read_text()


def arrays(text: str) -> list[np.ndarray]:
    """The arrays printed in ``text``, in order, whether as numpy prints them or as reprs."""
    text = re.sub(r"array\((.*?),\s*dtype=float32\)", r"\1", text, flags=re.DOTALL)
    found = []
    start = text.find("[[")
    while start >= 0:
        depth, end = 0, start
        while True:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
            if depth == 0:
                break
        body = re.sub(r"(?<=[\d.])\s+(?=[-\d])", ", ", text[start:end])
        body = re.sub(r"\]\s*\[", "], [", body)
        found.append(np.array(ast.literal_eval(body), dtype=np.float64))
        start = text.find("[[", end)
    return found


@pytest.mark.parametrize("name", EXACT)
def test_prints_what_tensorflow_prints(name: str, tmp_path: Path) -> None:
    assert run(name, tmp_path).split() == reference(name).split()


def check_lengths(outputs: np.ndarray, last_state: np.ndarray) -> None:
    assert outputs.shape == (4, 2, 5)
    assert (outputs[1, 1] == 0).all()
    # the same number may be printed with fewer digits beside larger ones
    np.testing.assert_allclose(last_state, outputs[np.arange(4), LENGTHS - 1], rtol=1e-5, atol=1e-8)


def test_single_layer(tmp_path: Path) -> None:
    text = run("dynamic_rnn_single_layer", tmp_path)
    assert text.splitlines()[0] == reference("dynamic_rnn_single_layer").splitlines()[0]
    outputs, states = arrays(text)
    check_lengths(outputs, states)
    assert (np.abs(outputs) <= 1).all() and np.unique(outputs).size > 10


@pytest.mark.parametrize(
    ("name", "states"), [("dynamic_rnn_three_relu_layers", 3), ("dynamic_rnn_three_lstm_layers", 6)]
)
def test_three_layers(name: str, states: int, tmp_path: Path) -> None:
    text = run(name, tmp_path)
    # the first line holds the reprs of all tensors
    assert text.splitlines()[0] == reference(name).splitlines()[0]
    outputs, *found = arrays("\n".join(text.splitlines()[1:]))
    assert len(found) == states and all(s.shape == (4, 5) for s in found)
    check_lengths(outputs, found[-1])
    assert (outputs >= 0).all()


def test_swap_memory(tmp_path: Path) -> None:
    (outputs,) = arrays(run("dynamic_rnn_swap_memory", tmp_path))
    assert outputs.shape == (4, 2, 5)
    assert (outputs[1, 1] != 0).any()


def test_static_rnn(tmp_path: Path) -> None:
    first, second = arrays(run("static_rnn_two_placeholders", tmp_path))
    assert first.shape == second.shape == (4, 5)
    (outputs,) = arrays(run("static_rnn_unstacked", tmp_path))
    assert outputs.shape == (4, 2, 5)
    assert (np.abs(outputs) <= 1).all()


def test_melt(tmp_path: Path) -> None:
    features, state = arrays(run("melt_encode", tmp_path))
    assert features.shape == (1, 4, 4) and state.shape == (1, 4)
    assert (features[0, 3] == 0).all() and (features[0, :3] != 0).all()
    np.testing.assert_allclose(state[0], features[0, 2], rtol=1e-5, atol=1e-8)


def test_mnist(tmp_path: Path) -> None:
    lines = [float(line) for line in run("mnist_lstm", tmp_path).split()]
    assert len(lines) == 24
    assert max(lines) > 0.9 and min(lines[-4:]) > 0.9


def test_every_program_is_covered() -> None:
    covered = {
        *EXACT,
        "dynamic_rnn_single_layer",
        "dynamic_rnn_three_relu_layers",
        "dynamic_rnn_three_lstm_layers",
        "dynamic_rnn_swap_memory",
        "static_rnn_two_placeholders",
        "static_rnn_unstacked",
        "melt_encode",
        "mnist_lstm",
    }
    assert {p.stem for p in (SEEDS / "programs").glob("*.py")} == covered


def test_the_parser_reads_what_tensorflow_printed() -> None:
    outputs, *states = arrays("\n".join(reference("dynamic_rnn_three_lstm_layers").splitlines()[1:]))
    assert len(states) == 6
    check_lengths(outputs, states[-1])
