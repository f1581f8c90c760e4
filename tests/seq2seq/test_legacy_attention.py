"""The attention formula of the legacy library on torch tensors: against loops over rows and places, and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynrnn.seq2seq.legacy_attention import attend, attention_weights, memory_features


def _made(rows: int, places: int, width: int, size: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ([rows, places, width], [width, size], [size], [rows, size])
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_weights_and_reading_are_the_formula(rows: int, places: int, width: int, size: int, seed: int) -> None:
    memory, kernel, v, query = _made(rows, places, width, size, seed)
    features = memory_features(memory, kernel)
    weights, read = attention_weights(features, v, query), attend(memory, features, v, query)
    for b in range(rows):
        powers = []
        for place in range(places):
            score = 0.0
            for i in range(size):
                feature = sum(float(memory[b, place, j] * kernel[j, i]) for j in range(width))
                score += float(v[i]) * math.tanh(feature + float(query[b, i]))
            powers.append(math.exp(score))
        for place in range(places):
            assert float(weights[b, place]) == pytest.approx(powers[place] / sum(powers), rel=1e-9)
        for j in range(width):
            expected = sum(powers[p] * float(memory[b, p, j]) for p in range(places)) / sum(powers)
            assert float(read[b, j]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_rows_do_not_see_each_other() -> None:
    memory, kernel, v, query = _made(3, 4, 2, 5, 0)
    whole = attend(memory, memory_features(memory, kernel), v, query)
    for b in range(3):
        one = attend(memory[b : b + 1], memory_features(memory[b : b + 1], kernel), v, query[b : b + 1])
        torch.testing.assert_close(one[0], whole[b])


def test_gradients() -> None:
    inputs = [t.requires_grad_() for t in _made(2, 3, 2, 4, 1)]
    assert torch.autograd.gradcheck(lambda m, w, v, q: attend(m, memory_features(m, w), v, q), inputs)
