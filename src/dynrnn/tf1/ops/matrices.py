"""Diagonals, bands, and what is computed from whole matrices: determinants, inverses, decompositions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import as_dtype
from dynrnn.tf1.core.graph import name_scope
from dynrnn.tf1.core.infer import broadcast_shapes, same_as_first
from dynrnn.tf1.core.registry import Spec
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, unknown_shape
from dynrnn.tf1.core.variables import Variable
from dynrnn.tf1.ops.elementwise import abs_, log
from dynrnn.tf1.ops.filling import ones, zeros
from dynrnn.tf1.ops.joining import concat
from dynrnn.tf1.ops.reducing import reduce_sum
from dynrnn.tf1.ops.shape_rules import at_least_rank, merge, merge_dims
from dynrnn.tf1.ops.signature import SOLVABLE, create, create_many, operation, types_of

__all__ = [
    "cholesky",
    "cholesky_solve",
    "diag",
    "diag_part",
    "eye",
    "logdet",
    "matrix_band_part",
    "matrix_determinant",
    "matrix_diag",
    "matrix_diag_part",
    "matrix_exponential",
    "matrix_inverse",
    "matrix_set_diag",
    "matrix_solve",
    "matrix_solve_ls",
    "matrix_triangular_solve",
    "pinv",
    "qr",
    "self_adjoint_eig",
    "self_adjoint_eigvals",
    "slogdet",
    "svd",
    "trace",
]

_BAND_INDEX = types_of("int32 int64", dtypes.int64)

# --- diagonals --------------------------------------------------------------------------------------------------------


def _infer_diag(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source = at_least_rank(inputs[0].shape, 1)
    return [(inputs[0].dtype.base_dtype, source.concatenate(source))]


@operation("Diag", "diagonal:T", _infer_diag)
def _diag(value: torch.Tensor) -> torch.Tensor:
    return torch.diag(value.reshape(-1)).reshape(*value.shape, *value.shape)


def diag(diagonal: Any, name: str | None = None) -> Tensor:
    """The tensor of twice the rank with ``diagonal`` on its diagonal."""
    return create("Diag", name, diagonal)


def _infer_diag_part(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    if source.ndims % 2 or not source.ndims:
        raise ValueError(f"Input must have even and non-zero rank, input rank is {source.ndims}")
    half = source.ndims // 2
    return [(dtype, merge(TensorShape(list(source)[:half]), TensorShape(list(source)[half:])))]


@operation("DiagPart", "input:T", _infer_diag_part)
def _diag_part(value: torch.Tensor) -> torch.Tensor:
    half = value.dim() // 2
    outer = value.shape[:half]
    if value.shape[half:] != outer:
        raise ValueError(f"the two halves of the shape must be equal, got {list(value.shape)}")
    size = int(torch.tensor(outer).prod())
    return value.reshape(size, size).diagonal().reshape(outer)


def diag_part(input: Any, name: str | None = None) -> Tensor:
    """The diagonal of a tensor whose shape is twice the same: the inverse of :func:`diag`."""
    return create("DiagPart", name, input)


def _offset(k: Any) -> int:
    if isinstance(k, (Tensor, Variable)) or not hasattr(k, "__index__"):
        raise NotImplementedError(f"only a single diagonal given as an int is available, got k={k!r}")
    return int(k)


def _infer_matrix_diag(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = at_least_rank(inputs[0].shape, 1), inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    size = source[-1] + abs(attrs["k"])
    return [(dtype, TensorShape([*list(source)[:-1], size, size]))]


@operation("MatrixDiag", "diagonal:T", _infer_matrix_diag)
def _matrix_diag(value: torch.Tensor, *, k: int) -> torch.Tensor:
    return torch.diag_embed(value, offset=k)


def matrix_diag(diagonal: Any, name: str = "diag", k: Any = 0) -> Tensor:
    """Square matrices with the vectors of the last dimension on their k-th diagonal."""
    return create("MatrixDiag", name, diagonal, k=_offset(k))


def _diagonal_length(rows: int | None, columns: int | None, k: int) -> int | None:
    if rows is None or columns is None:
        return None
    length = min(rows + min(k, 0), columns - max(k, 0))
    if length <= 0:
        raise ValueError(f"a matrix of shape [{rows}, {columns}] has no diagonal {k}")
    return length


def _infer_matrix_diag_part(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = at_least_rank(inputs[0].shape, 2), inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    *batch, rows, columns = source.as_list()
    length = 0 if 0 in (rows, columns) else _diagonal_length(rows, columns, attrs["k"])
    return [(dtype, TensorShape([*batch, length]))]


@operation("MatrixDiagPart", "input:T", _infer_matrix_diag_part)
def _matrix_diag_part(value: torch.Tensor, *, k: int) -> torch.Tensor:
    return torch.diagonal(value, k, -2, -1)


def matrix_diag_part(input: Any, name: str = "diag_part", k: Any = 0) -> Tensor:
    """The k-th diagonals of the matrices in the last two dimensions."""
    return create("MatrixDiagPart", name, input, k=_offset(k))


def _infer_set_diag(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, diagonal = at_least_rank(inputs[0].shape, 2), at_least_rank(inputs[1].shape, 1)
    if source.ndims is not None:
        *batch, rows, columns = source.as_list()
        merge(diagonal, TensorShape([*batch, _diagonal_length(rows, columns, attrs["k"])]))
    return [(inputs[0].dtype.base_dtype, source)]


@operation("MatrixSetDiag", "input:T diagonal:T", _infer_set_diag)
def _matrix_set_diag(value: torch.Tensor, diagonal: torch.Tensor, *, k: int) -> torch.Tensor:
    expected = torch.diagonal(value, k, -2, -1).shape
    if diagonal.shape != expected:
        raise ValueError(f"diagonal must have shape {list(expected)}, got {list(diagonal.shape)}")
    return torch.diagonal_scatter(value, diagonal, k, -2, -1)


def matrix_set_diag(input: Any, diagonal: Any, name: str = "set_diag", k: Any = 0) -> Tensor:
    """The matrices with other elements on their k-th diagonal."""
    return create("MatrixSetDiag", name, input, diagonal, k=_offset(k))


@operation("MatrixBandPart", "input:T num_lower:Tindex num_upper:Tindex", same_as_first, Tindex=_BAND_INDEX)
def _matrix_band_part(value: torch.Tensor, num_lower: torch.Tensor, num_upper: torch.Tensor) -> torch.Tensor:
    if value.dim() < 2:
        raise ValueError(f"input must be at least 2-dim, received shape: {list(value.shape)}")
    rows, columns = value.shape[-2:]
    below = torch.arange(rows).unsqueeze(1) - torch.arange(columns)
    keep = torch.ones(rows, columns, dtype=torch.bool)
    for what, count, limit, distance in (
        ("lower", int(num_lower), rows, below),
        ("upper", int(num_upper), columns, -below),
    ):
        if count > limit:
            raise ValueError(
                f"num_{what} must be negative or less or equal to number of "
                f"{'rows' if what == 'lower' else 'columns'} ({limit}) got: {count}"
            )
        if count >= 0:
            keep &= distance <= count
    return torch.where(keep, value, torch.zeros_like(value))


def matrix_band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Tensor:
    """The matrices with zeros outside ``num_lower`` diagonals below and ``num_upper`` above the main one (-1: all)."""
    return create("MatrixBandPart", name, input, num_lower, num_upper)


def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """The identity matrix, or a batch of them; rows and columns may be scalar tensors."""
    with name_scope(name, "eye", [num_rows, num_columns]):
        kind = as_dtype(dtype)
        batch = [] if batch_shape is None else batch_shape
        symbolic = any(isinstance(v, (Tensor, Variable)) for v in (batch, num_rows, num_columns))

        def dims(*sizes: Any) -> Any:
            if not symbolic:
                return [*batch, *sizes]
            return concat([convert_to_tensor(batch, dtypes.int32, name="shape"), list(sizes)], 0)

        if num_columns is None:
            return matrix_diag(ones(dims(num_rows), kind))
        smaller = (
            min(num_rows, num_columns)
            if not isinstance(num_rows, (Tensor, Variable)) and not isinstance(num_columns, (Tensor, Variable))
            else _smaller(num_rows, num_columns)
        )
        return matrix_set_diag(zeros(dims(num_rows, num_columns), kind), ones(dims(smaller), kind))


def _smaller(a: Any, b: Any) -> Tensor:
    from dynrnn.tf1.ops.arithmetic import minimum

    return minimum(convert_to_tensor(a), convert_to_tensor(b))


def trace(x: Any, name: str | None = None) -> Tensor:
    """The sums of the diagonals of the matrices in the last two dimensions."""
    with name_scope(name, "Trace", [x]) as scope:
        return reduce_sum(matrix_diag_part(convert_to_tensor(x, name="x")), [-1], name=scope)


# --- whole matrices ---------------------------------------------------------------------------------------------------


def _square(shape: TensorShape) -> list[int | None]:
    dims = at_least_rank(shape, 2).as_list()
    dims[-1] = dims[-2] = merge_dims(dims[-2], dims[-1])
    return dims


def _infer_square(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    return [(dtype, source if source.ndims is None else TensorShape(_square(source)))]


def _infer_per_matrix(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    return [(dtype, source if source.ndims is None else TensorShape(_square(source)[:-2]))]


def _checked(x: torch.Tensor) -> torch.Tensor:
    if x.dim() < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"Input matrix must be square, got shape {list(x.shape)}")
    return x


def _invertible(run: Callable[..., torch.Tensor], *args: Any, **kwargs: Any) -> torch.Tensor:
    try:
        return run(*args, **kwargs)
    except torch.linalg.LinAlgError:
        raise ValueError("Input is not invertible.") from None


@operation("MatrixDeterminant", "input:T", _infer_per_matrix, T=SOLVABLE)
def _determinant(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.det(_checked(x))


def matrix_determinant(input: Any, name: str | None = None) -> Tensor:
    """The determinants of the matrices in the last two dimensions."""
    return create("MatrixDeterminant", name, input)


@operation("LogMatrixDeterminant", "input:T", lambda i, a: _infer_per_matrix(i, a) * 2, T=SOLVABLE)
def _slogdet(x: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.linalg.slogdet(_checked(x)))


def slogdet(input: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The signs and the logarithms of the absolute values of the determinants."""
    sign, logarithm = create_many("LogMatrixDeterminant", name, input)
    return sign, logarithm


def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithm of the determinant of positive definite matrices."""
    with name_scope(name, "logdet", [matrix]):
        factor = cholesky(matrix)
        return 2.0 * reduce_sum(log(abs_(matrix_diag_part(factor))), axis=[-1])


@operation("MatrixInverse", "input:T", _infer_square, T=SOLVABLE)
def _inverse(x: torch.Tensor, *, adjoint: bool) -> torch.Tensor:
    result = _invertible(torch.linalg.inv, _checked(x))
    return result.mH if adjoint else result


def matrix_inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The inverses of the matrices in the last two dimensions."""
    return create("MatrixInverse", name, input, adjoint=bool(adjoint))


def _infer_solve(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    left, right, dtype = inputs[0].shape, inputs[1].shape, inputs[0].dtype.base_dtype
    if left.ndims is None or right.ndims is None:
        return [(dtype, unknown_shape())]
    dims, other = _square(left), at_least_rank(right, 2).as_list()
    rows = merge_dims(dims[-1], other[-2])
    batch = broadcast_shapes(TensorShape(dims[:-2]), TensorShape(other[:-2]))
    return [(dtype, batch.concatenate([rows, other[-1]]))]


@operation("MatrixSolve", "matrix:T rhs:T", _infer_solve, T=SOLVABLE)
def _solve(matrix: torch.Tensor, rhs: torch.Tensor, *, adjoint: bool) -> torch.Tensor:
    return _invertible(torch.linalg.solve, _checked(matrix).mH if adjoint else _checked(matrix), rhs)


def matrix_solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """``x`` with ``matrix @ x = rhs``."""
    return create("MatrixSolve", name, matrix, rhs, adjoint=bool(adjoint))


@operation("MatrixTriangularSolve", "matrix:T rhs:T", _infer_solve, T=SOLVABLE)
def _triangular_solve(matrix: torch.Tensor, rhs: torch.Tensor, *, lower: bool, adjoint: bool) -> torch.Tensor:
    triangle = torch.tril(_checked(matrix)) if lower else torch.triu(_checked(matrix))
    if adjoint:
        triangle, lower = triangle.mH, not lower
    return torch.linalg.solve_triangular(triangle, rhs, upper=not lower)


def matrix_triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """``x`` with ``matrix @ x = rhs`` for triangular matrices; the other triangle is not looked at."""
    return create("MatrixTriangularSolve", name, matrix, rhs, lower=bool(lower), adjoint=bool(adjoint))


def _infer_least_squares(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    left, right, dtype = inputs[0].shape, inputs[1].shape, inputs[0].dtype.base_dtype
    if left.ndims is None or right.ndims is None:
        return [(dtype, unknown_shape())]
    rows, other = at_least_rank(left, 2).as_list(), at_least_rank(right, 2).as_list()
    merge_dims(rows[-2], other[-2])
    return [(dtype, TensorShape([*rows[:-2], rows[-1], other[-1]]))]


@operation("MatrixSolveLs", "matrix:T rhs:T", _infer_least_squares, T=SOLVABLE)
def _least_squares(matrix: torch.Tensor, rhs: torch.Tensor, *, l2_regularizer: float) -> torch.Tensor:
    if not l2_regularizer:
        return torch.linalg.pinv(matrix) @ rhs
    gram = matrix.mH @ matrix + l2_regularizer * torch.eye(matrix.shape[-1], dtype=matrix.dtype)
    return torch.linalg.solve(gram, matrix.mH @ rhs)


def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """The ``x`` of least ``|matrix @ x - rhs|^2 + l2_regularizer |x|^2``."""
    with name_scope(name, "matrix_solve_ls", [matrix, rhs]):
        return create("MatrixSolveLs", None, matrix, rhs, l2_regularizer=float(l2_regularizer))


@operation("Cholesky", "input:T", _infer_square, T=SOLVABLE)
def _cholesky(x: torch.Tensor) -> torch.Tensor:
    try:
        # only the lower triangle counts, in the derivative too
        lower = torch.tril(_checked(x))
        return torch.linalg.cholesky(lower + torch.tril(x, -1).mH)
    except torch.linalg.LinAlgError:
        raise ValueError("Cholesky decomposition was not successful. The input might not be valid.") from None


def cholesky(input: Any, name: str | None = None) -> Tensor:
    """The lower triangular factors of positive definite matrices."""
    return create("Cholesky", name, input)


def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """``x`` with ``A @ x = rhs``, from the Cholesky factor of A."""
    with name_scope(name, "cholesky_solve", [chol, rhs]):
        half = matrix_triangular_solve(chol, rhs, adjoint=False, lower=True)
        return matrix_triangular_solve(chol, half, adjoint=True, lower=True)


@operation("MatrixExponential", "input:T", _infer_square, T=SOLVABLE)
def _exponential(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.matrix_exp(_checked(x))


def matrix_exponential(input: Any, name: str | None = None) -> Tensor:
    """The matrix exponential."""
    return create("MatrixExponential", name or "matrix_exponential", input)


def _infer_qr(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())] * 2
    *batch, rows, columns = at_least_rank(source, 2).as_list()
    inner = rows if attrs["full_matrices"] else None if rows is None or columns is None else min(rows, columns)
    return [(dtype, TensorShape([*batch, rows, inner])), (dtype, TensorShape([*batch, inner, columns]))]


@operation("Qr", "input:T", _infer_qr, T=SOLVABLE)
def _qr(x: torch.Tensor, *, full_matrices: bool) -> list[torch.Tensor]:
    # half precision is computed in single
    wide = x.float() if x.dtype is torch.float16 else x
    return [part.to(x.dtype) for part in torch.linalg.qr(wide, "complete" if full_matrices else "reduced")]


def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> tuple[Tensor, Tensor]:
    """``(q, r)``: orthogonal and upper triangular factors."""
    q, r = create_many("Qr", name, input, full_matrices=bool(full_matrices))
    return q, r


def _infer_svd(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, kind = inputs[0].shape, inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(kind.real_dtype, unknown_shape()), (kind, unknown_shape()), (kind, unknown_shape())]
    *batch, rows, columns = at_least_rank(source, 2).as_list()
    count = None if rows is None or columns is None else min(rows, columns)
    wide = attrs["full_matrices"]
    return [
        (kind.real_dtype, TensorShape([*batch, count])),
        (kind, TensorShape([*batch, rows, rows if wide else count])),
        (kind, TensorShape([*batch, columns, columns if wide else count])),
    ]


@operation("Svd", "input:T", _infer_svd, T=SOLVABLE)
def _svd(x: torch.Tensor, *, full_matrices: bool) -> list[torch.Tensor]:
    u, s, vh = torch.linalg.svd(x, full_matrices)
    return [s, u, vh.mH]


def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """``(s, u, v)`` with ``tensor = u @ diag(s) @ adjoint(v)``; without ``compute_uv`` only the singular values s."""
    s, u, v = create_many("Svd", name, tensor, full_matrices=bool(full_matrices))
    return (s, u, v) if compute_uv else s


def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The pseudo-inverse; singular values below ``rcond`` times the largest count as 0."""
    return create("PseudoInverse", name or "pinv", a, rcond=None if rcond is None else float(rcond))


def _infer_pinv(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    source, dtype = inputs[0].shape, inputs[0].dtype.base_dtype
    if source.ndims is None:
        return [(dtype, unknown_shape())]
    *batch, rows, columns = at_least_rank(source, 2).as_list()
    return [(dtype, TensorShape([*batch, columns, rows]))]


@operation("PseudoInverse", "a:T", _infer_pinv, T=SOLVABLE)
def _pinv(x: torch.Tensor, *, rcond: float | None) -> torch.Tensor:
    cut = 10.0 * max(x.shape[-2:]) * torch.finfo(x.dtype).eps if rcond is None else rcond
    return torch.linalg.pinv(x, rtol=cut)


def _infer_eigen(inputs: Sequence[Tensor], attrs: dict[str, Any]) -> list[Spec]:
    ((dtype, shape),) = _infer_square(inputs, attrs)
    values = shape if shape.ndims is None else TensorShape(list(shape)[:-1])
    return [(dtype, values), (dtype, shape)]


@operation("SelfAdjointEigV2", "input:T", _infer_eigen, T=SOLVABLE)
def _eigen(x: torch.Tensor) -> list[torch.Tensor]:
    values, vectors = torch.linalg.eigh(_checked(x))
    return [values.to(x.dtype), vectors]


def self_adjoint_eig(tensor: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """``(e, v)``: eigenvalues in rising order and eigenvectors of symmetric matrices, from their lower triangle."""
    values, vectors = create_many("SelfAdjointEigV2", name, tensor)
    return values, vectors


def self_adjoint_eigvals(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues of symmetric matrices, in rising order."""
    return create_many("SelfAdjointEigV2", name, tensor)[0]
