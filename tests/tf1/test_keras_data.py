"""The helpers of ``tf.keras`` that prepare data, which graph-style recurrent programs use without any Keras model."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1 as tf

pad_sequences = tf.keras.preprocessing.sequence.pad_sequences
to_categorical = tf.keras.utils.to_categorical


@pytest.mark.parametrize(
    ("padding", "truncating", "maxlen", "features"),
    list(itertools.product(("pre", "post"), ("pre", "post"), (None, 0, 1, 3, 9), ((), (2,)))),
)
def test_pad_sequences(padding: str, truncating: str, maxlen: int | None, features: tuple[int, ...]) -> None:
    draw = np.random.RandomState(0)
    sequences = [draw.randint(1, 9, [length, *features]).tolist() for length in (3, 0, 5, 1)]
    given = [list(sequence) for sequence in sequences]
    width = 5 if maxlen is None else maxlen
    got = pad_sequences(sequences, maxlen, padding=padding, truncating=truncating, value=-1)
    assert got.shape == (4, width, *features) and got.dtype == np.int32
    nothing = -1 if not features else [-1, -1]
    for row, sequence in zip(got.tolist(), sequences, strict=True):
        kept = list(sequence)
        while len(kept) > width:
            del kept[0 if truncating == "pre" else -1]
        while len(kept) < width:
            kept.insert(0 if padding == "pre" else len(kept), nothing)
        assert row == kept
    assert sequences == given


def test_pad_sequences_types() -> None:
    assert pad_sequences([[0.5], [1.5, 2.5]], dtype="float64").tolist() == [[0.0, 0.5], [1.5, 2.5]]
    assert pad_sequences([["a"], ["b", "c"]], dtype=object, value="-").tolist() == [["-", "a"], ["b", "c"]]
    assert pad_sequences([], maxlen=3).shape == (0, 3)
    assert pad_sequences([[], []]).shape == (2, 0)


def test_pad_sequences_refuses() -> None:
    with pytest.raises(ValueError, match="`sequences` must be iterable"):
        pad_sequences(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`sequences` must be a list of iterables\. Found non-iterable: 3"):
        pad_sequences([[1], 3])
    with pytest.raises(ValueError, match='Padding type "left" not understood'):
        pad_sequences([[1]], padding="left")
    with pytest.raises(ValueError, match='Truncating type "left" not understood'):
        pad_sequences([[1]], truncating="left")
    with pytest.raises(ValueError, match=r"Shape of sample .* of sequence at position 1 is different from expected"):
        pad_sequences([[[1, 2]], [[1, 2, 3]]])
    with pytest.raises(ValueError, match="`dtype` int32 is not compatible with `value`'s type"):
        pad_sequences([["a"]], value="-")


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2), (2, 2, 1)])
def test_to_categorical(shape: tuple[int, ...]) -> None:
    labels = np.array([0, 2, 1, 2]).reshape(shape)
    got = to_categorical(labels, 4)
    outer = shape[:-1] if shape[-1] == 1 and len(shape) > 1 else shape
    assert got.dtype == np.float32 and got.shape == (*outer, 4)
    assert got.reshape(4, 4).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert to_categorical([1, 0], dtype="int64").tolist() == [[0, 1], [1, 0]]


def test_mnist_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (images, labels), (test_images, test_labels) = tf.keras.datasets.mnist.load_data()
    assert images.shape == (4500, 28, 28) and images.dtype == labels.dtype == np.uint8 and images.max() == 255
    assert labels.shape == (4500,) and test_images.shape == (500, 28, 28) and test_labels.shape == (500,)


def test_mnist_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    arrays: dict[str, Any] = {
        name: np.full([3], number) for number, name in enumerate(("x_train", "y_train", "x_test", "y_test"))
    }
    np.savez(tmp_path / "datasets" / "mnist.npz", **arrays)
    np.savez(tmp_path / "other.npz", **{name: array + 4 for name, array in arrays.items()})
    for args, first in (((), 0), ((str(tmp_path / "other.npz"),), 4)):
        (a, b), (c, d) = tf.keras.datasets.mnist.load_data(*args)
        assert [array.tolist() for array in (a, b, c, d)] == [[first + number] * 3 for number in range(4)]


def test_what_keras_lacks_is_said() -> None:
    with pytest.raises(AttributeError, match=r"tf\.keras\.layers is not available in dynrnn; .*tf\.layers"):
        _ = tf.keras.layers
