"""``tf.initializers``: initializers of variables."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.variables import global_variables_initializer as global_variables
from dynrnn.tf1.core.variables import local_variables_initializer as local_variables
from dynrnn.tf1.core.variables import variables_initializer as variables
from dynrnn.tf1.ops.initializing import Constant as constant
from dynrnn.tf1.ops.initializing import GlorotNormal as glorot_normal
from dynrnn.tf1.ops.initializing import GlorotUniform as glorot_uniform
from dynrnn.tf1.ops.initializing import Identity as identity
from dynrnn.tf1.ops.initializing import Ones as ones
from dynrnn.tf1.ops.initializing import Orthogonal as orthogonal
from dynrnn.tf1.ops.initializing import RandomNormal as random_normal
from dynrnn.tf1.ops.initializing import RandomUniform as random_uniform
from dynrnn.tf1.ops.initializing import TruncatedNormal as truncated_normal
from dynrnn.tf1.ops.initializing import UniformUnitScaling as uniform_unit_scaling
from dynrnn.tf1.ops.initializing import VarianceScaling as variance_scaling
from dynrnn.tf1.ops.initializing import Zeros as zeros
from dynrnn.tf1.ops.initializing import he_normal, he_uniform, lecun_normal, lecun_uniform

__all__ = [
    "constant",
    "global_variables",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "local_variables",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "uniform_unit_scaling",
    "variables",
    "variance_scaling",
    "zeros",
]

__getattr__ = missing(__name__, globals())
