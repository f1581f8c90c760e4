"""Products of matrices and tensors: matmul, tensordot, einsum; norms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import broadcast_shapes, constant_value
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.core.torch_bridge import translates
from dynrnn.tf1.ops.arithmetic import pow_
from dynrnn.tf1.ops.elementwise import abs_, conj, sqrt
from dynrnn.tf1.ops.reducing import reduce_max, reduce_sum
from dynrnn.tf1.ops.shape_rules import listed, merge, merge_dims, of_rank
from dynrnn.tf1.ops.shaping import expand_dims, matrix_transpose, squeeze
from dynrnn.tf1.ops.signature import REALS, create, operation, types_of

__all__ = ["adjoint", "cross", "einsum", "matmul", "matvec", "norm", "normalize", "tensordot"]

_PRODUCTS = types_of("bfloat16 float16 float32 float64 int16 int32 int64 uint8 complex64 complex128")

# --- matmul -----------------------------------------------------------------------------------------------------------


def _infer_matmul(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    dtype = inputs[0].dtype.base_dtype
    a, b = inputs[0].shape, inputs[1].shape
    for shape in (a, b):
        if shape.ndims is not None and shape.ndims < 2:
            raise ValueError(f"Shape must be rank 2 but is rank {shape.ndims}")
    if a.ndims is None or b.ndims is None:
        return [(dtype, unknown_shape())]
    left, right = a.as_list(), b.as_list()
    if attrs["transpose_a"]:
        left[-2:] = left[:-3:-1]
    if attrs["transpose_b"]:
        right[-2:] = right[:-3:-1]
    merge_dims(left[-1], right[-2])
    batch = broadcast_shapes(TensorShape(left[:-2]), TensorShape(right[:-2]))
    return [(dtype, batch.concatenate([left[-2], right[-1]]))]


def _matrix(x: torch.Tensor, transpose: bool, adjoint_: bool) -> torch.Tensor:
    return x.mH if adjoint_ else x.mT if transpose else x


@operation("MatMul", "a:T b:T", _infer_matmul, T=_PRODUCTS)
def _matmul(
    a: torch.Tensor,
    b: torch.Tensor,
    *,
    transpose_a: bool,
    transpose_b: bool,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
) -> torch.Tensor:
    if a.dim() < 2 or b.dim() < 2:
        raise ValueError(f"In[0] and In[1] ndims must be >= 2: {a.dim()} and {b.dim()}")
    left, right = _matrix(a, transpose_a, adjoint_a), _matrix(b, transpose_b, adjoint_b)
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"Matrix size-incompatible: In[0]: {listed(a)}, In[1]: {listed(b)}")
    return torch.matmul(left, right)


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Matrix product of the last two dimensions; the dimensions before are a batch, and broadcast.

    Args:
        a, b: tensors of rank 2 or more and of one dtype.
        transpose_a, transpose_b: exchange the last two dimensions first.
        adjoint_a, adjoint_b: that, and conjugate.
        a_is_sparse, b_is_sparse: hints without effect.
        name: operation name.

    Raises:
        ValueError: less than two dimensions, inner dimensions that differ, or both transpose and adjoint.
        TypeError: different dtypes.
    """
    for which, transposed, adjoined in (("a", transpose_a, adjoint_a), ("b", transpose_b, adjoint_b)):
        if transposed and adjoined:
            raise ValueError(f"Only one of `transpose_{which}` and `adjoint_{which}` can be True.")
    complex_only: dict[str, Any] = {"adjoint_a": True} if adjoint_a else {}
    complex_only |= {"adjoint_b": True} if adjoint_b else {}
    with name_scope(name, "MatMul", [a, b]) as scope:
        left = convert_to_tensor(a, name="a")
        right = convert_to_tensor(b, preferred_dtype=left.dtype.base_dtype, name="b")
        return create(
            "MatMul",
            scope,
            left,
            right,
            transpose_a=bool(transpose_a or adjoint_a),
            transpose_b=bool(transpose_b or adjoint_b),
            **complex_only,
        )


@translates(torch.matmul, torch.mm, torch.bmm)
def _torch_matmul(input: Any, other: Any) -> Tensor:
    return matmul(input, other)


def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Matrix times vector: the last two dimensions of ``a``, the last one of ``b``."""
    with name_scope(name, "MatVec", [a, b]):
        column = expand_dims(b, -1)
        return squeeze(matmul(a, column, transpose_a=transpose_a, adjoint_a=adjoint_a), [-1])


def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """The last two dimensions exchanged, and conjugate."""
    with name_scope(name, "adjoint", [matrix]):
        return matrix_transpose(matrix, conjugate=True)


@operation(
    "Cross",
    "a:T b:T",
    lambda inputs, attrs: [(inputs[0].dtype.base_dtype, merge(inputs[0].shape, inputs[1].shape))],
    T=REALS,
)
def _cross(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if a.shape != b.shape or a.dim() < 1 or a.shape[-1] != 3:
        raise ValueError(f"a and b must have one shape whose last dimension is 3, got {listed(a)} and {listed(b)}")
    return torch.linalg.cross(a, b, dim=-1)


def cross(a: Any, b: Any, name: str | None = None) -> Tensor:
    """Cross product of 3-vectors in the last dimension."""
    return create("Cross", name, a, b)


# --- tensordot --------------------------------------------------------------------------------------------------------


def _infer_tensordot(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    a, b, dtype = inputs[0].shape, inputs[1].shape, inputs[0].dtype.base_dtype
    if a.ndims is None or b.ndims is None:
        return [(dtype, unknown_shape())]
    left, right = _summed_axes(attrs["axes"], a.ndims, b.ndims)
    for i, j in zip(left, right, strict=True):
        merge_dims(a[i].value, b[j].value)
    free_a = [d for i, d in enumerate(a) if i not in left]
    free_b = [d for j, d in enumerate(b) if j not in right]
    return [(dtype, TensorShape(free_a + free_b))]


def _summed_axes(axes: Any, rank_a: int, rank_b: int) -> tuple[list[int], list[int]]:
    if isinstance(axes, int):
        for rank in (rank_a, rank_b):
            if axes > rank:
                raise ValueError(
                    "`axes` must not be larger than the number of dimensions of a tensor. "
                    f"Received {axes}, vs tensor dimensions {rank}."
                )
        return list(range(rank_a - axes, rank_a)), list(range(axes))
    pairs = []
    for which, summed, rank in zip("ab", axes, (rank_a, rank_b), strict=True):
        for axis in summed:
            if not -rank <= axis < rank:
                raise ValueError(f"axes of {which} must be from {-rank} to {rank - 1}, got {axis}")
        pairs.append([axis % rank for axis in summed])
    return pairs[0], pairs[1]


@operation("Tensordot", "a:T b:T", _infer_tensordot, T=_PRODUCTS)
def _tensordot(a: torch.Tensor, b: torch.Tensor, *, axes: Any) -> torch.Tensor:
    left, right = _summed_axes(axes, a.dim(), b.dim())
    if any(a.shape[i] != b.shape[j] for i, j in zip(left, right, strict=True)):
        raise ValueError(
            f"Matrix size-incompatible: In[0]: {listed(a)}, In[1]: {listed(b)} along axes {left} and {right}"
        )
    return torch.tensordot(a, b, dims=(left, right))


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """The sum over products along ``axes``: a number n (the last n of ``a``, the first n of ``b``), or a pair of lists.

    Raises:
        ValueError: axes that the tensors do not have, or lists of different lengths.
    """
    with name_scope(name, "Tensordot", [a, b]) as scope:
        left = convert_to_tensor(a, name="a")
        right = convert_to_tensor(b, preferred_dtype=left.dtype.base_dtype, name="b")
        return create("Tensordot", scope, left, right, axes=_checked_axes(axes))


def _checked_axes(axes: Any) -> Any:
    if isinstance(axes, Tensor):
        value = constant_value(axes)
        if value is None:
            raise ValueError(f"axes of tensordot must be known when the graph is built, got {axes}")
        axes = value
    if isinstance(axes, np.ndarray):
        axes = axes.tolist()
    if isinstance(axes, (int, np.integer)):
        if axes < 0:
            raise ValueError(f"`axes` must be at least 0. Received: {axes}.")
        return int(axes)
    if not isinstance(axes, (list, tuple)) or len(axes) != 2:
        raise ValueError(f"`axes` must be an integer or have length 2. Received {axes}.")
    pair = tuple(tuple(int(i) for i in (x if isinstance(x, (list, tuple, np.ndarray)) else [x])) for x in axes)
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"Different number of contraction axes `a` and `b`, {len(pair[0])} != {len(pair[1])}.")
    return pair


# --- einsum -----------------------------------------------------------------------------------------------------------


def _infer_einsum(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    dtype = inputs[0].dtype.base_dtype
    sources, target = attrs["equation"].split("->")
    if "..." in target and any(t.shape.ndims is None for t in inputs):
        return [(dtype, unknown_shape())]
    known: dict[str, int | None] = {}
    dots = TensorShape([])
    for labels, tensor in zip(sources.split(","), inputs, strict=True):
        before, ellipsis, after = labels.partition("...")
        dims = [None] * len(before + after) if tensor.shape.ndims is None else tensor.shape.as_list()
        extra = len(dims) - len(before) - len(after)
        if extra < 0 or (extra and not ellipsis):
            of_rank(tensor.shape, len(before) + len(after))
        if ellipsis:
            dots = broadcast_shapes(dots, TensorShape(dims[len(before) : len(before) + extra]))
        for label, dim in zip(before + after, dims[: len(before)] + dims[len(before) + extra :], strict=True):
            known[label] = merge_dims(known.get(label), dim)
    before, ellipsis, after = target.partition("...")
    dims_out: list[Any] = [known[label] for label in before]
    dims_out += list(dots) if ellipsis else []
    return [(dtype, TensorShape(dims_out + [known[label] for label in after]))]


@operation("Einsum", "inputs:T*", _infer_einsum, T=_PRODUCTS)
def _einsum(*values: torch.Tensor, equation: str) -> torch.Tensor:
    return torch.einsum(equation, *values)


_EQUATION = re.compile(r"^((?:[A-Za-z]*(?:\.\.\.)?[A-Za-z]*,?)+)(->[A-Za-z]*(?:\.\.\.)?[A-Za-z]*)?$")


def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Tensor:
    """Products of tensors summed by Einstein's convention, as ``numpy.einsum`` has it.

    Args:
        equation: letters for the dimensions of each input, and of the result after ``->``; without it those that appear
            once, in alphabetical order.
        *inputs: the tensors.
        **kwargs: ``name``.

    Raises:
        TypeError: another keyword.
        ValueError: an equation that does not fit the inputs.
    """
    name = kwargs.pop("name", None)
    kwargs.pop("optimize", None)
    if kwargs:
        raise TypeError(f"invalid keyword arguments for this function: {', '.join(sorted(kwargs))}")
    text = equation.replace(" ", "")
    if not _EQUATION.match(text):
        raise ValueError(f"Indices have incorrect format. Received: {equation}.")
    sources, arrow, target = text.partition("->")
    terms = sources.split(",")
    if len(terms) != len(inputs):
        raise ValueError(f"Got {len(inputs)} inputs for equation {equation!r}, expecting {len(terms)}")
    letters = sources.replace(",", "").replace(".", "")
    if not arrow:
        target = ("..." if "..." in sources else "") + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    for label in target.replace(".", ""):
        if label not in letters or target.count(label) > 1:
            raise ValueError(
                f"Label {label!r} of the result of {equation!r} must appear in an input, and once in the result"
            )
    with name_scope(name, "einsum", inputs):
        return create("Einsum", None, list(inputs), equation=f"{sources}->{target}")


# --- norms ------------------------------------------------------------------------------------------------------------


def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The norm of vectors (``axis`` an int), of matrices (a pair), or of all elements as one vector.

    Args:
        tensor: the tensor.
        ord: for vectors a positive number, infinity or "euclidean"; for matrices "fro" or "euclidean", 1, 2, infinity.
        axis: the dimension or dimensions.
        keepdims: keep them with size 1.
        name: name scope.
        keep_dims: old name of ``keepdims``.

    Raises:
        ValueError: another axis or order.
    """
    keep = bool(keep_dims if keepdims is None else keepdims)
    of_matrices = isinstance(axis, (list, tuple)) and len(axis) == 2
    if of_matrices:
        axis = tuple(axis)
        if not all(isinstance(a, int) for a in axis) or axis[0] == axis[1]:
            raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis}")
        if ord not in ("euclidean", "fro", 1, 2, np.inf):
            raise ValueError(f"'ord' must be a supported matrix norm in ['euclidean', 'fro', 1, 2, inf], got {ord}")
    else:
        if axis is not None and not isinstance(axis, (int, np.integer)):
            raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis}")
        if ord != "euclidean" and (isinstance(ord, str) or not np.isreal(ord) or ord <= 0):
            raise ValueError(f"'ord' must be a supported vector norm, got {ord}")
    with name_scope(name, "norm", [tensor]):
        value = convert_to_tensor(tensor)
        if ord in ("fro", "euclidean") or (ord == 2 and not of_matrices):
            result = sqrt(reduce_sum(value * conj(value), axis, keepdims=True))
        elif ord == 2:
            result = create("SpectralNorm", None, value, axis=axis)
        elif ord == 1:
            result = reduce_sum(abs_(value), axis[0] if of_matrices else axis, keepdims=True)
            result = reduce_max(result, axis[1], keepdims=True) if of_matrices else result
        elif ord == np.inf:
            result = reduce_sum(abs_(value), axis[1], keepdims=True) if of_matrices else abs_(value)
            result = reduce_max(result, axis[0] if of_matrices else axis, keepdims=True)
        else:
            result = pow_(reduce_sum(pow_(abs_(value), ord), axis, keepdims=True), 1.0 / ord)
        if keep:
            return result
        return squeeze(result, None if axis is None else axis)


def _infer_spectral(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    reduced = {a % source.ndims for a in attrs["axis"]}
    return [(dtype, TensorShape([1 if i in reduced else d for i, d in enumerate(source)]))]


@operation("SpectralNorm", "tensor:T", _infer_spectral, T=types_of("float32 float64"))
def _spectral_norm(value: torch.Tensor, *, axis: tuple[int, int]) -> torch.Tensor:
    return torch.linalg.matrix_norm(value, 2, axis, keepdim=True)


def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """``tensor`` divided by its :func:`norm`, and that norm."""
    with name_scope(name, "normalize", [tensor]):
        value = convert_to_tensor(tensor)
        length = norm(value, ord, axis, keepdims=True)
        return value / length, length
