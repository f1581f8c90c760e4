"""``tf.random_*``: random tensors; see :mod:`dynrnn.tf1.ops.sampling`."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1.ops.sampling import (
    categorical,
    get_seed,
    multinomial,
    random_crop,
    random_gamma,
    random_normal,
    random_poisson,
    random_shuffle,
    random_uniform,
    seed_attrs,
    set_random_seed,
    stateless_normal,
    stateless_truncated_normal,
    stateless_uniform,
    truncated_normal,
)

__all__ = [
    "EXPORTS",
    "categorical",
    "get_seed",
    "multinomial",
    "random_crop",
    "random_gamma",
    "random_normal",
    "random_poisson",
    "random_shuffle",
    "random_uniform",
    "seed_attrs",
    "set_random_seed",
    "stateless_normal",
    "stateless_truncated_normal",
    "stateless_uniform",
    "truncated_normal",
]

# found in other namespaces only (tf.math, tf.linalg, ...)
_ELSEWHERE = frozenset(
    {
        "categorical",
        "seed_attrs",
        "stateless_normal",
        "stateless_truncated_normal",
        "stateless_uniform",
    }
)

EXPORTS: dict[str, Any] = {
    **{
        name.rstrip("_"): globals()[name]
        for name in __all__
        if name not in ("EXPORTS", "operators") and name not in _ELSEWHERE
    },
}
"""What each function is called in ``tf``."""
