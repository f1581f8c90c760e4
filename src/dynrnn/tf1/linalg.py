"""``tf.linalg``: linear algebra."""

from __future__ import annotations

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.clip_ops import global_norm
from dynrnn.tf1.nn import l2_normalize
from dynrnn.tf1.ops.matrices import cholesky, cholesky_solve, eye, logdet, pinv, qr, slogdet, svd, trace
from dynrnn.tf1.ops.matrices import diag as tensor_diag
from dynrnn.tf1.ops.matrices import diag_part as tensor_diag_part
from dynrnn.tf1.ops.matrices import matrix_band_part as band_part
from dynrnn.tf1.ops.matrices import matrix_determinant as det
from dynrnn.tf1.ops.matrices import matrix_diag as diag
from dynrnn.tf1.ops.matrices import matrix_diag_part as diag_part
from dynrnn.tf1.ops.matrices import matrix_exponential as expm
from dynrnn.tf1.ops.matrices import matrix_inverse as inv
from dynrnn.tf1.ops.matrices import matrix_set_diag as set_diag
from dynrnn.tf1.ops.matrices import matrix_solve as solve
from dynrnn.tf1.ops.matrices import matrix_solve_ls as lstsq
from dynrnn.tf1.ops.matrices import matrix_triangular_solve as triangular_solve
from dynrnn.tf1.ops.matrices import self_adjoint_eig as eigh
from dynrnn.tf1.ops.matrices import self_adjoint_eigvals as eigvalsh
from dynrnn.tf1.ops.products import adjoint, cross, einsum, matmul, matvec, norm, normalize, tensordot
from dynrnn.tf1.ops.shaping import matrix_transpose
from dynrnn.tf1.ops.shaping import matrix_transpose as transpose

__all__ = [
    "adjoint",
    "band_part",
    "cholesky",
    "cholesky_solve",
    "cross",
    "det",
    "diag",
    "diag_part",
    "eigh",
    "eigvalsh",
    "einsum",
    "expm",
    "eye",
    "global_norm",
    "inv",
    "l2_normalize",
    "logdet",
    "lstsq",
    "matmul",
    "matrix_transpose",
    "matvec",
    "norm",
    "normalize",
    "pinv",
    "qr",
    "set_diag",
    "slogdet",
    "solve",
    "svd",
    "tensor_diag",
    "tensor_diag_part",
    "tensordot",
    "trace",
    "transpose",
    "triangular_solve",
]

__getattr__ = missing(__name__, globals())
