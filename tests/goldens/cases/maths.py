"""Arithmetic, reductions, products: values, promotion and rounding rules, static shapes, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from goldens.cases.tables import Table, flags, floats, ints, positive

row = Table(__name__).row
CUBE, MATRIX, VECTOR = floats(2, 3, 4), floats(3, 4), floats(6)
SIGNED = ints(7, -7, 7, -7, 6, 0)
DIVISOR = ints(2, 2, -2, -2, 3, 5)
ALL = ("known", "batch", "open", "rank")

# One argument ---------------------------------------------------------------------------------------------------------

UNARY: dict[str, tuple[Callable[..., Any], Any]] = {
    "abs": (lambda tf, x: tf.abs(x), MATRIX),
    "neg": (lambda tf, x: [tf.negative(x), -x], MATRIX),
    "square": (lambda tf, x: tf.square(x), MATRIX),
    "sqrt": (lambda tf, x: tf.sqrt(x), positive(3, 4)),
    "rsqrt": (lambda tf, x: tf.rsqrt(x), positive(3, 4)),
    "exp": (lambda tf, x: tf.exp(x), MATRIX),
    "expm1": (lambda tf, x: tf.expm1(x), MATRIX),
    "log": (lambda tf, x: tf.log(x), positive(3, 4)),
    "log1p": (lambda tf, x: tf.log1p(x), positive(3, 4)),
    "sign": (lambda tf, x: tf.sign(x), MATRIX),
    "sin": (lambda tf, x: [tf.sin(x), tf.cos(x), tf.tan(x)], MATRIX),
    "asin": (lambda tf, x: [tf.asin(x), tf.acos(x), tf.atan(x)], floats(3, 4, scale=0.5)),
    "sinh": (lambda tf, x: [tf.sinh(x), tf.cosh(x), tf.tanh(x)], MATRIX),
    "sigmoid": (lambda tf, x: [tf.sigmoid(x), tf.nn.sigmoid(x), tf.nn.tanh(x)], MATRIX),
    "erf": (lambda tf, x: tf.erf(x), MATRIX),
    "lgamma": (lambda tf, x: tf.lgamma(x), positive(3, 4)),
    "reciprocal": (lambda tf, x: tf.reciprocal(x), positive(3, 4)),
    "floor": (lambda tf, x: [tf.floor(x), tf.ceil(x)], MATRIX),
    "rint": (lambda tf, x: tf.rint(x), MATRIX),
}
for _name, (_function, _array) in UNARY.items():
    row(f"unary/{_name}", _function, _array)
    row(f"unary/{_name}-f64", _function, _array.astype("float64"), levels=("known",))
row("unary/digamma", lambda tf, x: tf.digamma(x), positive(3, 4), gradients=False)
row("unary/ints", lambda tf, x: [tf.abs(x), tf.negative(x), tf.square(x), tf.sign(x), abs(x), -x], SIGNED)
row(
    "unary/is_nan",
    lambda tf, x: [tf.is_nan(x), tf.is_inf(x), tf.is_finite(x)],
    numpy.array([0, numpy.nan, numpy.inf], "f"),
)
row(
    "unary/log-of-zero",
    lambda tf, x: [tf.log(x), tf.sqrt(x), 1.0 / x],
    numpy.array([0.0, 1.0, -1.0], "f"),
    gradients=False,
)
row("unary/double", lambda tf, x: [tf.tanh(x), tf.exp(x), tf.sigmoid(x)], floats(3, dtype="float64"))

HALVES = numpy.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49, 3.51], "f")
row("round/half-to-even", lambda tf, x: tf.round(x), HALVES)
row("round/rint", lambda tf, x: tf.rint(x), HALVES)
row("round/ints", lambda tf, x: tf.round(x), SIGNED)
row("round/cast-truncates", lambda tf, x: tf.cast(x, tf.int32), HALVES)
row("round/floor-ceil", lambda tf, x: [tf.floor(x), tf.ceil(x)], HALVES)

# Two arguments --------------------------------------------------------------------------------------------------------

BINARY: dict[str, Callable[..., Any]] = {
    "add": lambda tf, x, y: [tf.add(x, y), x + y],
    "subtract": lambda tf, x, y: [tf.subtract(x, y), x - y],
    "multiply": lambda tf, x, y: [tf.multiply(x, y), x * y],
    "divide": lambda tf, x, y: [tf.divide(x, y), x / y, tf.div(x, y), tf.truediv(x, y)],
    "floordiv": lambda tf, x, y: [tf.floordiv(x, y), x // y, tf.floor_div(x, y)],
    "mod": lambda tf, x, y: [tf.mod(x, y), x % y, tf.floormod(x, y)],
    "maximum": lambda tf, x, y: [tf.maximum(x, y), tf.minimum(x, y)],
    "squared_difference": lambda tf, x, y: tf.squared_difference(x, y),
    "atan2": lambda tf, x, y: tf.atan2(x, y),
    "compare": lambda tf, x, y: [x < y, x <= y, x > y, x >= y, tf.equal(x, y), tf.not_equal(x, y)],
    "compare-functions": lambda tf, x, y: [
        tf.less(x, y),
        tf.less_equal(x, y),
        tf.greater(x, y),
        tf.greater_equal(x, y),
    ],
}
BROADCASTS = {
    "same": (MATRIX, floats(3, 4, name="b")),
    "row": (MATRIX, floats(4, name="b")),
    "column": (MATRIX, floats(3, 1, name="b")),
    "scalar": (floats(), floats(3, 4, name="b")),
    "outer": (floats(3, 1), floats(1, 4, name="b")),
    "rank": (CUBE, floats(3, 1, name="b")),
}
for _name, _function in BINARY.items():
    for _how, (_x, _y) in BROADCASTS.items():
        _short = _how not in ("same", "outer") and _name not in ("add", "compare")
        row(f"binary/{_name}/{_how}", _function, _x, _y, levels=("known",) if _short else ALL)
row("binary/pow", lambda tf, x, y: [tf.pow(x, y), x**y], positive(3, 4), floats(4, name="b"))
row("binary/pow-python", lambda tf, x: [x**2, x**3.0, 2.0**x, tf.pow(x, 2)], MATRIX)
row("binary/pow-ints", lambda tf, x: [x**2, tf.pow(x, 3)], SIGNED)
row("binary/python-left", lambda tf, x: [1 + x, 1.5 - x, 2 * x, 3.0 / x], MATRIX)
row("binary/python-right", lambda tf, x: [x + 1, x - 0.5, x * 3, x / 2, x // 0.5, x % 0.75], MATRIX)
row("binary/numpy", lambda tf, x: [x + numpy.ones(4, "f"), numpy.ones(4, "f") * x, x - numpy.float32(0.5)], MATRIX)
row("binary/lists", lambda tf, x: [x * [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0] - x], MATRIX)
row("binary/float64-python", lambda tf, x: [x + 1, 0.1 * x, x / 3], floats(3, dtype="float64"))
row("binary/max-ties", lambda tf, x, y: [tf.maximum(x, y), tf.minimum(x, y)], floats(3), floats(3))
row("binary/div_no_nan", lambda tf, x, y: tf.div_no_nan(x, y), floats(3), numpy.array([0, 2, 0], "f"))
row("binary/scalar_mul", lambda tf, x: tf.scalar_mul(2.5, x), MATRIX)
row("binary/by-zero", lambda tf, x, y: x / y, numpy.array([1, -1, 0], "f"), numpy.zeros(3, "f"), gradients=False)

INTEGER: dict[str, Callable[..., Any]] = {
    "add": lambda tf, x, y: [x + y, x - y, x * y],
    "truediv": lambda tf, x, y: [x / y, tf.truediv(x, y), tf.divide(x, y)],
    "floordiv": lambda tf, x, y: [x // y, tf.floordiv(x, y), tf.floor_div(x, y)],
    "div": lambda tf, x, y: tf.div(x, y),
    "mod": lambda tf, x, y: [x % y, tf.mod(x, y), tf.floormod(x, y)],
    "compare": lambda tf, x, y: [x < y, tf.equal(x, y), tf.maximum(x, y), tf.minimum(x, y)],
}
for _name, _function in INTEGER.items():
    for _dtype in ("int32", "int64"):
        row(f"integer/{_name}/{_dtype}", _function, SIGNED.astype(_dtype), DIVISOR.astype(_dtype), levels=("known",))
row("integer/uint8", lambda tf, x: [x + 250, x * 2, x / 2], ints(1, 7, 255, dtype="uint8"))
row("integer/div-python", lambda tf, x: [x / 2, x // 2, x % 3, 7 // x, tf.div(x, 2)], ints(7, -7, 5))
row(
    "logical",
    lambda tf, p, q: [tf.logical_and(p, q), tf.logical_or(p, q), tf.logical_xor(p, q), tf.logical_not(p)],
    flags(0, 0, 1, 1),
    flags(0, 1, 0, 1),
)
row(
    "logical/operators",
    lambda tf, p, q: [p & q, p | q, p ^ q, ~p, tf.equal(p, q)],
    flags(0, 0, 1, 1),
    flags(0, 1, 0, 1),
)
row(
    "add_n",
    lambda tf, x, y: [tf.add_n([x, y, x]), tf.accumulate_n([x, y])],
    MATRIX,
    floats(3, 4, name="b"),
    levels=("known", "batch"),
)
row("add_n/unknown", lambda tf, x, y: tf.add_n([x, y, x]), MATRIX, floats(3, 4, name="b"))

# Reductions -----------------------------------------------------------------------------------------------------------

REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_logsumexp")
AXES: dict[str, dict[str, Any]] = {
    "all": {},
    "0": {"axis": 0},
    "1": {"axis": 1},
    "-1": {"axis": -1},
    "list": {"axis": [0, 2]},
    "tuple": {"axis": (1, 2)},
    "empty": {"axis": []},
    "keep": {"axis": 1, "keepdims": True},
    "keep_dims": {"axis": [1, 2], "keep_dims": True},
    "keep-all": {"keepdims": True},
    "indices": {"reduction_indices": [1]},
    "indices-int": {"reduction_indices": 2},
}
for _reduce in REDUCTIONS:
    for _axis, _options in AXES.items():
        row(
            f"reduce/{_reduce}/{_axis}",
            lambda tf, x, reduce=_reduce, options=_options: getattr(tf, reduce)(x, **options),
            CUBE,
            levels=ALL if _reduce == "reduce_sum" else ("known", "batch"),
        )
for _reduce in ("reduce_any", "reduce_all"):
    for _axis in ("all", "1", "list", "keep"):
        row(
            f"reduce/{_reduce}/{_axis}",
            lambda tf, x, reduce=_reduce, options=AXES[_axis]: getattr(tf, reduce)(x, **options),
            CUBE > 0,
        )
row("reduce/mean-of-ints", lambda tf, x: [tf.reduce_mean(x), tf.reduce_mean(x, 0)], ints([[1, 2], [4, -7]]))
row(
    "reduce/sum-of-ints",
    lambda tf, x: [tf.reduce_sum(x), tf.reduce_max(x, 0), tf.reduce_min(x), tf.reduce_prod(x, 1)],
    ints([[1, 2], [4, -7]]),
)
row("reduce/axis-tensor", lambda tf, x, a: tf.reduce_sum(x, a), CUBE, ints(1).reshape(()), levels=ALL)
row("reduce/max-ties", lambda tf, x: [tf.reduce_max(x, 1), tf.reduce_min(x)], numpy.array([[1, 1, 0], [2, 3, 3]], "f"))
row("reduce/double", lambda tf, x: [tf.reduce_mean(x), tf.reduce_logsumexp(x, 1)], floats(3, 4, dtype="float64"))
row(
    "reduce/empty",
    lambda tf, x: [tf.reduce_sum(x), tf.reduce_mean(x), tf.reduce_max(x), tf.reduce_sum(x, 0)],
    numpy.zeros([0, 2], "f"),
    gradients=False,
)
row("reduce/logsumexp-large", lambda tf, x: tf.reduce_logsumexp(x), numpy.array([100.0, 100.0, -100.0], "f"))
row("argmax/0", lambda tf, x: [tf.argmax(x), tf.argmin(x)], MATRIX)
row("argmax/1", lambda tf, x: [tf.argmax(x, 1), tf.argmin(x, axis=1), tf.argmax(x, dimension=1)], MATRIX)
row("argmax/-1", lambda tf, x: [tf.argmax(x, -1), tf.argmax(x, axis=2, output_type=tf.int32)], CUBE)
row("argmax/ties", lambda tf, x: [tf.argmax(x, 1), tf.argmin(x, 1)], ints([[1, 3, 3], [2, 2, 2]]))
row("cumsum/0", lambda tf, x: [tf.cumsum(x), tf.cumprod(x)], MATRIX)
row("cumsum/1", lambda tf, x: [tf.cumsum(x, 1), tf.cumsum(x, axis=-1)], MATRIX)
row("cumsum/exclusive", lambda tf, x: [tf.cumsum(x, 1, exclusive=True), tf.cumprod(x, 1, exclusive=True)], MATRIX)
row(
    "cumsum/reverse",
    lambda tf, x: [tf.cumsum(x, 1, reverse=True), tf.cumsum(x, 0, exclusive=True, reverse=True)],
    MATRIX,
)
row("cumsum/ints", lambda tf, x: tf.cumsum(x), SIGNED)
row("top_k", lambda tf, x: list(tf.nn.top_k(x, 2)), MATRIX)
row("top_k/one", lambda tf, x: list(tf.nn.top_k(x)), MATRIX)
row("top_k/ties", lambda tf, x: list(tf.nn.top_k(x, k=3)), ints([[1, 3, 3, 0], [2, 2, 2, 2]]))
row("top_k/vector", lambda tf, x: [tf.nn.top_k(x, 3).values, tf.nn.top_k(x, 3).indices], VECTOR)
row("in_top_k", lambda tf, x: tf.nn.in_top_k(x, [0, 3, 1], 2), MATRIX)

# Products -------------------------------------------------------------------------------------------------------------

A, B = floats(3, 4), floats(4, 2, name="b")
row("matmul/plain", lambda tf, x, y: [tf.matmul(x, y), x @ y], A, B, levels=ALL)
row("matmul/transpose_a", lambda tf, x, y: tf.matmul(x, y, transpose_a=True), A.T.copy(), B, levels=ALL)
row("matmul/transpose_b", lambda tf, x, y: tf.matmul(x, y, transpose_b=True), A, B.T.copy(), levels=ALL)
row("matmul/both", lambda tf, x, y: tf.matmul(x, y, True, True), A.T.copy(), B.T.copy(), levels=ALL)
row("matmul/adjoint", lambda tf, x, y: tf.matmul(x, y, adjoint_b=True), A, B.T.copy())
row(
    "matmul/double",
    lambda tf, x, y: tf.matmul(x, y),
    floats(2, 3, dtype="float64"),
    floats(3, 2, dtype="float64", name="b"),
)
row("matmul/ints", lambda tf, x, y: tf.matmul(x, y), ints([[1, 2]]), ints([[3], [4]]))
row("matmul/batch", lambda tf, x, y: [tf.matmul(x, y), x @ y], floats(2, 3, 4), floats(2, 4, 2, name="b"), levels=ALL)
row("matmul/batch-transpose", lambda tf, x: tf.matmul(x, x, transpose_b=True), floats(2, 3, 4), levels=ALL)
row("matmul/batch-4", lambda tf, x, y: tf.matmul(x, y), floats(2, 2, 1, 3), floats(2, 2, 3, 1, name="b"))
row("matmul/batch-broadcast", lambda tf, x, y: tf.matmul(x, y), floats(2, 3, 4), floats(4, 2, name="b"), levels=ALL)
row(
    "matmul/as-column",
    lambda tf, x, y: tf.squeeze(tf.matmul(x, tf.expand_dims(y, 2)), 2),
    floats(2, 3, 4),
    floats(2, 4, name="b"),
)
row("tensordot/1", lambda tf, x, y: tf.tensordot(x, y, 1), floats(2, 3, 4), floats(4, 2, name="b"), levels=ALL)
row(
    "tensordot/axes",
    lambda tf, x, y: tf.tensordot(x, y, axes=[[1], [0]]),
    floats(2, 3, 4),
    floats(3, 2, name="b"),
    levels=ALL,
)
row("tensordot/ints", lambda tf, x, y: tf.tensordot(x, y, [2, 0]), floats(2, 3, 4), floats(4, 2, name="b"))
row("tensordot/vector", lambda tf, x, y: tf.tensordot(x, y, axes=1), floats(2, 3, 4), floats(4, name="b"))
row("tensordot/two", lambda tf, x, y: tf.tensordot(x, y, [[1, 2], [0, 1]]), floats(2, 3, 4), floats(3, 4, name="b"))
row("einsum/matmul", lambda tf, x, y: tf.einsum("ij,jk->ik", x, y), A, B)
row("einsum/batch", lambda tf, x, y: tf.einsum("bij,bjk->bik", x, y), floats(2, 3, 4), floats(2, 4, 2, name="b"))
row("einsum/attention", lambda tf, x, y: tf.einsum("btd,bd->bt", x, y), floats(2, 3, 4), floats(2, 4, name="b"))
row("einsum/outer", lambda tf, x, y: tf.einsum("i,j->ij", x, y), floats(3), floats(2, name="b"))
row("einsum/shared", lambda tf, x, y: tf.einsum("aij,jk->aik", x, y), floats(2, 3, 4), floats(4, 2, name="b"))

# Norms and clipping ---------------------------------------------------------------------------------------------------

row("norm/euclidean", lambda tf, x: [tf.norm(x), tf.norm(x, axis=1), tf.norm(x, axis=1, keepdims=True)], MATRIX)
row(
    "norm/orders",
    lambda tf, x: [tf.norm(x, 1), tf.norm(x, ord=1, axis=0), tf.norm(x, numpy.inf), tf.norm(x, 3, axis=1)],
    MATRIX,
)
row("norm/global", lambda tf, x, y: tf.global_norm([x, y, None]), MATRIX, VECTOR)
row(
    "clip/value",
    lambda tf, x: [tf.clip_by_value(x, -0.5, 1.0), tf.clip_by_value(x, clip_value_min=-1, clip_value_max=0.25)],
    MATRIX,
)
row("clip/value-tensors", lambda tf, x, low: tf.clip_by_value(x, low, low + 1.0), MATRIX, floats(4, name="low"))
row("clip/value-ints", lambda tf, x: tf.clip_by_value(x, -3, 3), SIGNED)
row("clip/norm-over", lambda tf, x: tf.clip_by_norm(x, 1.0), MATRIX)
row("clip/norm-under", lambda tf, x: tf.clip_by_norm(x, 100.0), MATRIX)
row("clip/norm-axes", lambda tf, x: tf.clip_by_norm(x, 1.5, axes=[1]), MATRIX)
row("clip/norm-of-zero", lambda tf, x: tf.clip_by_norm(x, 1.0), numpy.zeros(3, "f"), gradients=False)
row("clip/average_norm", lambda tf, x: tf.clip_by_average_norm(x, 0.1), MATRIX)
row(
    "clip/global-over",
    lambda tf, x, y: [*tf.clip_by_global_norm([x, y], 1.0)[0], tf.clip_by_global_norm([x, y], 1.0)[1]],
    MATRIX,
    VECTOR,
)
row("clip/global-under", lambda tf, x, y: tf.clip_by_global_norm([x, y], 1e3)[0], MATRIX, VECTOR)
row(
    "clip/global-none",
    lambda tf, x: [tf.clip_by_global_norm([x, None], 1.0)[0][0], tf.clip_by_global_norm([None, x], 1.0)[1]],
    MATRIX,
)
row("clip/global-use_norm", lambda tf, x: tf.clip_by_global_norm((x,), 1.0, use_norm=tf.constant(4.0))[0], MATRIX)
row(
    "clip/global-nan", lambda tf, x: tf.clip_by_global_norm([x], 1.0), numpy.array([1, numpy.nan], "f"), gradients=False
)
row(
    "clip/global-inf", lambda tf, x: tf.clip_by_global_norm([x], 1.0), numpy.array([1, numpy.inf], "f"), gradients=False
)
