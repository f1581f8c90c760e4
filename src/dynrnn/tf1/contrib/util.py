"""``tf.contrib.util`` (and ``tensorflow.python.framework.tensor_util``): values of constant tensors."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.build import is_symbolic as is_tensor
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.infer import constant_value as _value
from dynrnn.tf1.core.infer import constant_value_as_shape

__all__ = ["constant_value", "constant_value_as_shape", "is_tensor"]


def constant_value(tensor: Any, partial: bool = False) -> Any:
    """The value of ``tensor`` if the graph alone decides it, else None.

    Args:
        tensor: of the graph.
        partial: accepted; a part of a value is no value.
    """
    return _value(convert_to_tensor(tensor))


__getattr__ = missing(__name__, globals())
