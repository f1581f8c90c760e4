"""``tf.random``: random tensors under their later names."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.ops.candidates import (
    all_candidate_sampler,
    fixed_unigram_candidate_sampler,
    learned_unigram_candidate_sampler,
    log_uniform_candidate_sampler,
    uniform_candidate_sampler,
)
from dynrnn.tf1.ops.sampling import (
    categorical,
    get_seed,
    multinomial,
    set_random_seed,
    stateless_normal,
    stateless_truncated_normal,
    stateless_uniform,
    truncated_normal,
)
from dynrnn.tf1.ops.sampling import random_gamma as gamma
from dynrnn.tf1.ops.sampling import random_normal as normal
from dynrnn.tf1.ops.sampling import random_poisson as poisson
from dynrnn.tf1.ops.sampling import random_shuffle as shuffle
from dynrnn.tf1.ops.sampling import random_uniform as uniform

__all__ = [
    "all_candidate_sampler",
    "categorical",
    "fixed_unigram_candidate_sampler",
    "gamma",
    "get_seed",
    "learned_unigram_candidate_sampler",
    "log_uniform_candidate_sampler",
    "multinomial",
    "normal",
    "poisson",
    "set_random_seed",
    "shuffle",
    "stateless_normal",
    "stateless_truncated_normal",
    "stateless_uniform",
    "truncated_normal",
    "uniform",
    "uniform_candidate_sampler",
]

__getattr__ = missing(__name__, globals())
