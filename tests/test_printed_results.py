"""The numbers printed with the first programs are reproduced from weights recovered out of them.

The weights were never printed. Of a BasicRNN cell with bias 0 the first printed step fixes the input kernel: four rows
for three unknowns a neuron. The second step leaves the recurrent kernel underdetermined; any that fits will do.

Where float32 printing saturates, a printed 1.0 says only that the preactivation was at least about 9, and a printed
0.99999976 fixes it to about 0.1: there the fit is weighted down, and the comparison is still of the printed numbers.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from seeds import SEEDS, needs_seeds

import dynrnn

INPUTS = np.array(
    [[[0, 1, 2], [9, 8, 7]], [[3, 4, 5], [0, 0, 0]], [[6, 7, 8], [6, 5, 4]], [[9, 0, 1], [3, 2, 1]]], dtype=np.float64
)
LARGEST = np.nextafter(np.float32(1), np.float32(0)).astype(np.float64)


def printed(name: str) -> dict[str, Any]:
    return json.loads((SEEDS / "printed_results.json").read_text())[name]


def solve_tanh(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Least squares of ``tanh(rows @ weights) = values`` by Gauss-Newton steps from the inverse tanh."""
    clipped = np.clip(values, -LARGEST, LARGEST)
    weights = np.zeros((rows.shape[1], values.shape[1]))
    for neuron in range(values.shape[1]):
        y = clipped[:, neuron]
        slope = 1 - y**2
        # in units of the printed number, so that a saturated one, whose inverse is hardly known, counts little
        w = np.linalg.lstsq(rows * slope[:, None], np.arctanh(y) * slope, rcond=None)[0]
        for _ in range(20):
            guess = np.tanh(rows @ w)
            step = np.linalg.lstsq(rows * (1 - guess**2)[:, None], y - guess, rcond=1e-13)[0]
            w = w + step
        weights[:, neuron] = w
    return weights


def recovered_kernel(outputs: np.ndarray, lengths: list[int]) -> np.ndarray:
    """[input kernel; recurrent kernel] of the cell that printed ``outputs`` [4, 2, 5]."""
    input_kernel = solve_tanh(INPUTS[:, 0], outputs[:, 0])
    residual = np.abs(np.tanh(INPUTS[:, 0] @ input_kernel) - outputs[:, 0]).max()
    # overdetermined: that one kernel explains all four rows says that the formula is the one that printed them
    assert residual < 1e-6
    live = [row for row in range(4) if lengths[row] == 2]
    preactivation = np.arctanh(np.clip(outputs[live, 1], -LARGEST, LARGEST))
    # a printed 1.0 needs a preactivation that rounds to it
    preactivation = np.where(np.abs(outputs[live, 1]) >= 1, np.sign(outputs[live, 1]) * 9.5, preactivation)
    rest = preactivation - INPUTS[live, 1] @ input_kernel
    recurrent_kernel = np.linalg.lstsq(outputs[live, 0], rest, rcond=None)[0]
    return np.concatenate([input_kernel, recurrent_kernel])


def cell_with(kernel: np.ndarray) -> dynrnn.cells.BasicRNNCell:
    cell = dynrnn.cells.BasicRNNCell(5, input_size=3)
    cell.load_state_dict({"kernel": torch.tensor(kernel, dtype=torch.float32), "bias": torch.zeros(5)})
    return cell


CASES = [("dynamic_rnn_single_layer", [2, 1, 2, 2]), ("static_rnn_unstacked", [2, 2, 2, 2])]


@needs_seeds
@pytest.mark.parametrize(("name", "lengths"), CASES)
def test_every_printed_number_is_reproduced(name: str, lengths: list[int]) -> None:
    outputs = np.array(printed(name)["outputs"])
    cell = cell_with(recovered_kernel(outputs, lengths))
    inputs = torch.tensor(INPUTS, dtype=torch.float32)
    got, state = dynrnn.dynamic_rnn(cell, inputs, sequence_length=lengths)
    np.testing.assert_allclose(got.detach().numpy(), outputs, rtol=0, atol=1e-5)
    steps, static_state = dynrnn.static_rnn(cell, list(inputs.unbind(1)), sequence_length=lengths)
    np.testing.assert_allclose(torch.stack(steps, 1).detach().numpy(), outputs, rtol=0, atol=1e-5)
    last = outputs[np.arange(4), np.array(lengths) - 1]
    for final in (state, static_state):
        np.testing.assert_allclose(final.detach().numpy(), last, rtol=0, atol=1e-5)


@needs_seeds
def test_a_wrong_formula_would_be_noticed() -> None:
    """Without tanh's saturation, or with a bias, one kernel does not explain the four rows."""
    outputs = np.array(printed("dynamic_rnn_single_layer")["outputs"])
    shifted = np.tanh(np.arctanh(np.clip(outputs, -LARGEST, LARGEST)) + 0.01 * np.arange(4)[:, None, None] ** 2)
    with pytest.raises(AssertionError):
        recovered_kernel(shifted, [2, 1, 2, 2])


@needs_seeds
@pytest.mark.parametrize("name", ["dynamic_rnn_three_relu_layers", "dynamic_rnn_three_lstm_layers"])
def test_structure_of_the_printed_layers(name: str) -> None:
    """What the printed numbers say without the weights: zeros past the length, last state = last valid output."""
    result = printed(name)
    outputs = np.array(result["outputs"])
    states = np.array(result["states" if "states" in result else "states_c_h_per_layer"])
    last = outputs[np.arange(4), [1, 0, 1, 1]]
    assert (outputs[1, 1] == 0).all()
    np.testing.assert_allclose(states[-1], last, rtol=1e-6)
