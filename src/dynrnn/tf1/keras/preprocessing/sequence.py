"""``tf.keras.preprocessing.sequence``: sequences of unequal lengths made into one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynrnn.tf1._namespace import missing

__all__ = ["pad_sequences"]


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """An array ``[len(sequences), maxlen, ...]`` of sequences cut or filled to the same length.

    Args:
        sequences: sequences of numbers, or of samples that all have one shape.
        maxlen: the length to make; by default that of the longest.
        dtype: of the result.
        padding: ``"pre"`` fills at the front, ``"post"`` at the end.
        truncating: ``"pre"`` takes away at the front, ``"post"`` at the end.
        value: what to fill with.

    Raises:
        ValueError: an element is no sequence, samples differ in shape, ``padding`` or ``truncating`` is something else,
            or ``value`` is a string and ``dtype`` is not one for it.
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {sequence}")
    if padding not in ("pre", "post"):
        raise ValueError(f'Padding type "{padding}" not understood')
    if truncating not in ("pre", "post"):
        raise ValueError(f'Truncating type "{truncating}" not understood')
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OU":
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}\n"
            "You should set `dtype=object` for variable length strings."
        )
    if maxlen is None:
        maxlen = max((len(sequence) for sequence in sequences), default=0)
    sample_shape = next((np.shape(sequence)[1:] for sequence in sequences if len(sequence)), ())
    padded = np.full((len(sequences), maxlen, *sample_shape), value, dtype=kind)
    for position, sequence in enumerate(sequences):
        skipped = max(len(sequence) - maxlen, 0)
        kept = sequence[skipped:] if truncating == "pre" else sequence[:maxlen]
        if not len(kept):
            continue
        kept = np.asarray(kept, dtype=kind)
        if kept.shape[1:] != sample_shape:
            raise ValueError(
                f"Shape of sample {kept.shape[1:]} of sequence at position {position} is different from expected shape "
                f"{sample_shape}"
            )
        start = 0 if padding == "post" else maxlen - len(kept)
        padded[position, start : start + len(kept)] = kept
    return padded


__getattr__ = missing(__name__, globals())
