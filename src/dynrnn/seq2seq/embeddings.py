"""What decoders ask of their arguments: embeddings, start and end tokens, generators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["as_embedding", "as_end_token", "as_start_tokens", "generator_of"]


def as_embedding(embedding: Any) -> tuple[Callable[[torch.Tensor], Any], torch.device | None]:
    """A function of ids, from a table ``[V, ...]``, a module such as ``nn.Embedding`` or a function; and its device.

    Raises:
        TypeError: none of these.
        ValueError: a table of rank 0.
    """
    if isinstance(embedding, torch.Tensor):
        if embedding.ndim < 1:
            raise ValueError("embedding must have a row for each token, [V, ...], got rank 0")
        table = embedding

        def look_up(ids: torch.Tensor) -> torch.Tensor:
            if table.ndim == 2:
                return torch.nn.functional.embedding(ids, table)
            return table[ids.long()]

        return look_up, table.device
    if isinstance(embedding, torch.nn.Module):
        first = next(embedding.parameters(), None)
        return embedding, None if first is None else first.device
    if callable(embedding):
        return embedding, None
    raise TypeError(
        f"embedding must be a tensor [V, ...], a module or a function of ids, got {type(embedding).__name__}"
    )


def as_start_tokens(start_tokens: Any, device: torch.device | None) -> torch.Tensor:
    """int32 ``[B]``.

    Raises:
        TypeError: no integers.
        ValueError: not a vector.
    """
    tokens = torch.as_tensor(start_tokens)
    if tokens.ndim != 1:
        raise ValueError(f"start_tokens must be a vector, got shape {list(tokens.shape)}")
    if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool:
        raise TypeError(f"start_tokens must be integers, got {tokens.dtype}")
    return tokens.to(device=device, dtype=torch.int32)


def as_end_token(end_token: Any) -> int:
    """An int.

    Raises:
        TypeError: not an integer.
        ValueError: not a scalar.
    """
    if isinstance(end_token, (list, tuple)) or getattr(end_token, "ndim", False):
        raise ValueError(f"end_token must be a scalar, got {end_token!r}")
    try:
        return operator.index(end_token)
    except TypeError:
        raise TypeError(f"end_token must be an integer, got {end_token!r}") from None


def generator_of(seed: int | None, device: torch.device, old: torch.Generator | None = None) -> torch.Generator | None:
    """A generator that starts at ``seed``, on ``device``; None without a seed: torch's own rules then."""
    if seed is None:
        return None
    return old if old is not None and old.device == device else torch.Generator(device).manual_seed(seed)
