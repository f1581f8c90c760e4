"""The attention of TensorFlow's first sequence-to-sequence library (``tf.contrib.legacy_seq2seq``), as formulas.

::

    f      = m W                                     features of the memory, once
    e[b,l] = sum_v  v * tanh(f[b,l] + u[b])          scores; u is an affine map of the decoder's whole state
    a[b]   = softmax(e[b])                           over l: nothing is masked
    d[b]   = sum_l  a[b,l] m[b,l]                    what was read

Source: Vinyals, Kaiser, Koo, Petrov, Sutskever, Hinton, "Grammar as a Foreign Language", 2014 (arXiv:1412.7449).

The functions are written with torch functions, so they take the tensors of either face. They hold no weights. What they
are not: a mechanism for memories of several lengths in a batch, for padding gets its share of the attention.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["attend", "attention_weights", "memory_features"]


def memory_features(memory: Any, kernel: Any) -> Any:
    """What scores are made from, the same for every step: ``memory @ kernel``.

    Args:
        memory: ``[B, L, A]``.
        kernel: ``[A, V]``.

    Returns:
        ``[B, L, V]``.
    """
    return torch.matmul(memory, kernel)


def attention_weights(features: Any, v: Any, query: Any) -> Any:
    """How much each place of the memory is attended to.

    Args:
        features: ``[B, L, V]``, from `memory_features`.
        v: ``[V]``.
        query: ``[B, V]``.

    Returns:
        ``[B, L]``, positive, of sum 1 in each row.
    """
    scores = torch.sum(v * torch.tanh(features + torch.unsqueeze(query, 1)), 2)
    return torch.softmax(scores, 1)


def attend(memory: Any, features: Any, v: Any, query: Any) -> Any:
    """Read the memory: its mean, weighted with `attention_weights`.

    Args:
        memory: ``[B, L, A]``.
        features: ``[B, L, V]``, from `memory_features`.
        v: ``[V]``.
        query: ``[B, V]``.

    Returns:
        ``[B, A]``.
    """
    return torch.sum(torch.unsqueeze(attention_weights(features, v, query), 2) * memory, 1)
