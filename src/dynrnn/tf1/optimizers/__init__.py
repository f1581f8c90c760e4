"""The optimizers of ``tf.train``: TensorFlow's formulas, slots and names."""

from dynrnn.tf1.optimizers.adagrad import AdadeltaOptimizer, AdagradOptimizer, FtrlOptimizer, ProximalAdagradOptimizer
from dynrnn.tf1.optimizers.adam import AdamOptimizer
from dynrnn.tf1.optimizers.base import AggregationMethod, Optimizer
from dynrnn.tf1.optimizers.gradient_descent import (
    GradientDescentOptimizer,
    MomentumOptimizer,
    ProximalGradientDescentOptimizer,
)
from dynrnn.tf1.optimizers.rmsprop import RMSPropOptimizer

__all__ = [
    "AdadeltaOptimizer",
    "AdagradOptimizer",
    "AdamOptimizer",
    "AggregationMethod",
    "FtrlOptimizer",
    "GradientDescentOptimizer",
    "MomentumOptimizer",
    "Optimizer",
    "ProximalAdagradOptimizer",
    "ProximalGradientDescentOptimizer",
    "RMSPropOptimizer",
]
