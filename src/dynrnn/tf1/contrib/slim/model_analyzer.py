"""``tf.contrib.slim.model_analyzer``: what operations and variables there are, and how large they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dynrnn.tf1._namespace import missing

__all__ = ["analyze_ops", "analyze_vars", "tensor_description"]


def tensor_description(var: Any) -> str:
    """Dtype and shape, as ``float32_ref 3x4``."""
    return f"({var.dtype.name} {'x'.join(str(size) for size in var.get_shape())})"


def analyze_vars(variables: Iterable[Any], print_info: bool = False) -> tuple[int, int]:
    """The number of elements and of bytes of ``variables``; with ``print_info`` one line a variable as well."""
    if print_info:
        print("---------")
        print("Variables: name (type shape) [size]")
        print("---------")
    elements = size = 0
    for var in variables:
        own = var.get_shape().num_elements() or 0
        own_size = own * var.dtype.base_dtype.size
        elements, size = elements + own, size + own_size
        if print_info:
            print(var.name, tensor_description(var), f"[{own}, bytes: {own_size}]")
    if print_info:
        print(f"Total size of variables: {elements}")
        print(f"Total bytes of variables: {size}")
    return elements, size


def analyze_ops(graph: Any, print_info: bool = False) -> int:
    """The number of elements of all tensors of a graph whose shapes are known."""
    if print_info:
        print("---------")
        print("Operations: name -> (type shapes) [size]")
        print("---------")
    total = 0
    for op in graph.get_operations():
        sizes = [output.get_shape().num_elements() or 0 for output in op.outputs]
        total += sum(sizes)
        if print_info and op.outputs:
            shapes = ", ".join(tensor_description(output) for output in op.outputs)
            print(op.name, f"\t->\t{shapes}\t[{sum(sizes)}]")
    if print_info:
        print(f"Total size: {total}")
    return total


__getattr__ = missing(__name__, globals())
