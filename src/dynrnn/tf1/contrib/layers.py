"""``tf.contrib.layers``."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib.layer_functions import (
    avg_pool2d,
    conv2d,
    convolution2d,
    dropout,
    embed_sequence,
    flatten,
    fully_connected,
    linear,
    max_pool2d,
    one_hot_encoding,
    relu,
)
from dynrnn.tf1.contrib.layer_initializers import (
    variance_scaling_initializer,
    xavier_initializer,
    xavier_initializer_conv2d,
)
from dynrnn.tf1.contrib.layer_more import bias_add, conv2d_transpose, maxout, repeat, softmax, stack, unit_norm
from dynrnn.tf1.contrib.layer_norms import batch_norm, layer_norm
from dynrnn.tf1.contrib.layer_regularizers import (
    apply_regularization,
    l1_l2_regularizer,
    l1_regularizer,
    l2_regularizer,
    sum_regularizer,
)
from dynrnn.tf1.contrib.optimizers import OPTIMIZER_CLS_NAMES, OPTIMIZER_SUMMARIES, optimize_loss
from dynrnn.tf1.embedding_sparse import safe_embedding_lookup_sparse

__all__ = [
    "OPTIMIZER_CLS_NAMES",
    "OPTIMIZER_SUMMARIES",
    "apply_regularization",
    "avg_pool2d",
    "batch_norm",
    "bias_add",
    "conv2d",
    "conv2d_transpose",
    "convolution2d",
    "convolution2d_transpose",
    "dropout",
    "embed_sequence",
    "flatten",
    "fully_connected",
    "l1_l2_regularizer",
    "l1_regularizer",
    "l2_regularizer",
    "layer_norm",
    "linear",
    "max_pool2d",
    "maxout",
    "one_hot_encoding",
    "optimize_loss",
    "relu",
    "repeat",
    "safe_embedding_lookup_sparse",
    "softmax",
    "stack",
    "sum_regularizer",
    "unit_norm",
    "variance_scaling_initializer",
    "xavier_initializer",
    "xavier_initializer_conv2d",
]

convolution2d_transpose = conv2d_transpose

__getattr__ = missing(__name__, globals())
