"""Wrong arguments of array and mathematical functions, while building and, where only then known, while running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.cases.errors import wrong, wrong_run

Build = Callable[..., Any]


def _arguments(tf: Any) -> dict[str, Any]:
    return {
        "f": tf.placeholder(tf.float32, [2], name="f"),
        "i": tf.placeholder(tf.int32, [2], name="i"),
        "b": tf.placeholder(tf.bool, [2], name="b"),
        "d": tf.placeholder(tf.float64, [2], name="d"),
        "m": tf.placeholder(tf.float32, [2, 3], name="m"),
        "u": tf.placeholder(tf.float32, name="u"),
    }


def refused(name: str, build: Build, *fragments: str) -> None:
    """A function of ``(tf, np, arguments)`` that must fail while building."""

    def program(tf: Any, np: Any) -> Any:
        return build(tf, np, **_arguments(tf))

    program.__module__ = __name__
    wrong(name, program, *fragments, initialise=False)


def fails(name: str, build: Build, value: Any, *fragments: str, dtype: str = "float32") -> None:
    """A function of ``(tf, x)``, nothing of x's shape known, that must fail when x is ``value``."""

    def program(tf: Any, np: Any) -> Any:
        x = tf.placeholder(dtype, name="x")
        return build(tf, x), {x: np.asarray(value, dtype)}

    program.__module__ = __name__
    wrong_run(name, program, *fragments, initialise=False)


NOT_ALLOWED = "not in list of allowed values"
NO_MATCH = "does not match type"

# Types ----------------------------------------------------------------------------------------------------------------

TYPES: dict[str, tuple[Build, str]] = {
    "multiply/int-first": (lambda tf, np, f, i, **_: tf.multiply(2, f), "Input 'y' of 'Mul' Op has type float32"),
    "multiply/float-first": (lambda tf, np, i, **_: tf.multiply(2.5, i), NO_MATCH),
    "multiply/float-second": (lambda tf, np, i, **_: tf.multiply(i, 2.5), "Expected int32"),
    "add/tensors": (lambda tf, np, f, i, **_: tf.add(f, i), NO_MATCH),
    "add/int-plus-float": (lambda tf, np, i, **_: i + 2.5, NO_MATCH),
    "add/float-plus-int": (lambda tf, np, i, **_: 2.5 + i, "Expected int32"),
    "add/bools": (lambda tf, np, b, **_: b + b, NOT_ALLOWED),
    "add/text": (lambda tf, np, f, **_: f + "a", ""),
    "add/none": (lambda tf, np, f, **_: f + None, "None values not supported"),
    "add/object": (lambda tf, np, f, **_: f + object(), ""),
    "mul/int-float": (lambda tf, np, i, **_: i * 2.5, ""),
    "div/mixed": (lambda tf, np, f, i, **_: f / i, "must have the same dtype"),
    "div/int-by-float": (lambda tf, np, i, **_: i / 2.5, "must have the same dtype"),
    "truediv/mixed": (lambda tf, np, f, i, **_: tf.truediv(i, f), "must have the same dtype"),
    "truediv/bools": (lambda tf, np, b, **_: b / b, ""),
    "floordiv/mixed": (lambda tf, np, f, i, **_: i // f, ""),
    "pow/int-float": (lambda tf, np, i, **_: tf.pow(i, 0.5), "Expected int32"),
    "exp/ints": (lambda tf, np, i, **_: tf.exp(i), NOT_ALLOWED),
    "sqrt/python-int": (lambda tf, np, **_: tf.sqrt(4), NOT_ALLOWED),
    "log/bools": (lambda tf, np, b, **_: tf.log(b), NOT_ALLOWED),
    "sigmoid/text": (lambda tf, np, **_: tf.sigmoid("a"), NOT_ALLOWED),
    "abs/bools": (lambda tf, np, b, **_: tf.abs(b), NOT_ALLOWED),
    "neg/bools": (lambda tf, np, b, **_: -b, NOT_ALLOWED),
    "invert/floats": (lambda tf, np, f, **_: ~f, ""),
    "less/bools": (lambda tf, np, b, **_: tf.less(b, b), NOT_ALLOWED),
    "equal/mixed": (lambda tf, np, f, i, **_: tf.equal(f, i), NO_MATCH),
    "equal/int-float": (lambda tf, np, i, **_: tf.equal(i, 1.5), "Expected int32"),
    "logical_and/ints": (lambda tf, np, b, **_: tf.logical_and(b, 1), "Expected bool"),
    "logical_and/floats": (lambda tf, np, b, f, **_: tf.logical_and(b, f), "bool"),
    "logical_not/ints": (lambda tf, np, i, **_: tf.logical_not(i), "bool"),
    "and/floats": (lambda tf, np, f, **_: f & f, ""),
    "reduce_sum/bools": (lambda tf, np, b, **_: tf.reduce_sum(b), NOT_ALLOWED),
    "reduce_max/bools": (lambda tf, np, b, **_: tf.reduce_max(b), NOT_ALLOWED),
    "reduce_all/ints": (lambda tf, np, i, **_: tf.reduce_all(i), "bool"),
    "reduce_sum/float-axis": (lambda tf, np, f, **_: tf.reduce_sum(f, 0.0), NOT_ALLOWED),
    "reduce_sum/text-axis": (lambda tf, np, f, **_: tf.reduce_sum(f, "a"), NOT_ALLOWED),
    "argmax/list-axis": (lambda tf, np, f, **_: tf.argmax(f, [0]), ""),
    "argmax/float-axis": (lambda tf, np, f, **_: tf.argmax(f, 0.5), ""),
    "argmax/text": (lambda tf, np, **_: tf.argmax(["a"]), NOT_ALLOWED),
    "concat/mixed": (
        lambda tf, np, f, i, **_: tf.concat([f, i], 0),
        "have types [float32, int32] that don't all match",
    ),
    "concat/python-mixed": (lambda tf, np, f, **_: tf.concat([f, ["a"]], 0), "don't all match"),
    "concat/float-axis": (lambda tf, np, f, **_: tf.concat([f, f], 0.5), ""),
    "stack/mixed": (lambda tf, np, f, i, **_: tf.stack([f, i]), "have types [float32, int32] that don't all match"),
    "add_n/mixed": (lambda tf, np, f, i, **_: tf.add_n([f, i]), "don't all match"),
    "reshape/float": (lambda tf, np, f, **_: tf.reshape(f, 2.0), NOT_ALLOWED),
    "reshape/floats": (lambda tf, np, f, **_: tf.reshape(f, [2.0]), NOT_ALLOWED),
    "reshape/text": (lambda tf, np, f, **_: tf.reshape(f, ["a"]), NOT_ALLOWED),
    "reshape/none": (lambda tf, np, f, **_: tf.reshape(f, [None, 2]), ""),
    "tile/float": (lambda tf, np, f, **_: tf.tile(f, [1.5]), NOT_ALLOWED),
    "gather/float-index": (lambda tf, np, f, **_: tf.gather(f, [0.5]), NOT_ALLOWED),
    "gather/float-axis": (lambda tf, np, f, **_: tf.gather(f, [0], axis=0.5), ""),
    "gather_nd/floats": (lambda tf, np, f, **_: tf.gather_nd(f, [[0.5]]), NOT_ALLOWED),
    "one_hot/floats": (lambda tf, np, f, **_: tf.one_hot(f, 3), NOT_ALLOWED),
    "one_hot/float-depth": (lambda tf, np, i, **_: tf.one_hot(i, 3.0), "Expected int32"),
    "one_hot/two-types": (lambda tf, np, i, **_: tf.one_hot(i, 3, 1.0, 0), ""),
    "one_hot/other-type": (lambda tf, np, i, f, **_: tf.one_hot(i, 3, on_value=f[0], dtype=tf.int32), ""),
    "where/condition": (lambda tf, np, f, **_: tf.where(f, f, f), "Input 'condition' of 'Select' Op has type float32"),
    "where/mixed": (lambda tf, np, b, f, i, **_: tf.where(b, f, i), NO_MATCH),
    "fill/float-dims": (lambda tf, np, **_: tf.fill([2.0], 1), NOT_ALLOWED),
    "zeros/text": (lambda tf, np, **_: tf.zeros("a"), ""),
    "zeros/none": (lambda tf, np, **_: tf.zeros([None, 2]), ""),
    "zeros/dtype": (lambda tf, np, **_: tf.zeros([2], "floaty"), ""),
    "cast/dtype": (lambda tf, np, f, **_: tf.cast(f, "floaty"), ""),
    "cumsum/bools": (lambda tf, np, b, **_: tf.cumsum(b), NOT_ALLOWED),
    "matmul/mixed": (lambda tf, np, m, **_: tf.matmul(m, tf.ones([3, 3], tf.float64)), NO_MATCH),
    "matmul/bools": (lambda tf, np, b, **_: tf.matmul([[True]], [[True]]), NOT_ALLOWED),
    "maximum/int-first": (lambda tf, np, f, **_: tf.maximum(1, f), NO_MATCH),
    "clip/mixed": (lambda tf, np, f, i, **_: tf.clip_by_value(f, i, i), NO_MATCH),
    "split/float": (lambda tf, np, f, **_: tf.split(f, [1.0, 1.0]), ""),
    "split/list-axis": (lambda tf, np, f, **_: tf.split(f, 2, [0]), ""),
    "random_uniform/int-type": (lambda tf, np, **_: tf.random_uniform([2], 0, 5, tf.uint8), ""),
    "random_normal/int-type": (lambda tf, np, **_: tf.random_normal([2], dtype=tf.int32), ""),
    "random_normal/text": (lambda tf, np, **_: tf.random_normal("a"), ""),
    "constant/float-as-int": (lambda tf, np, **_: tf.constant([1, 2.5], tf.int32), "Expected int32"),
    "constant/int-as-bool": (lambda tf, np, **_: tf.constant(1, tf.bool), "Expected bool"),
    "constant/int-as-text": (lambda tf, np, **_: tf.constant(1, tf.string), "Expected string"),
    "constant/mixed-text": (lambda tf, np, **_: tf.constant(["a", 1]), ""),
    "constant/numpy-in-list": (lambda tf, np, **_: tf.constant([np.float32(1.5)], tf.int32), "Expected int32"),
    "constant/huge": (lambda tf, np, **_: tf.constant(2**70), ""),
    "constant/dict": (lambda tf, np, **_: tf.constant({1: 2}), ""),
    "constant/partial-shape": (
        lambda tf, np, **_: tf.convert_to_tensor(tf.TensorShape([None, 2])),
        "partially known TensorShape",
    ),
    "convert/tensor-of-another-type": (
        lambda tf, np, f, **_: tf.convert_to_tensor(f, tf.int32),
        "Tensor conversion requested dtype int32 for Tensor with dtype float32",
    ),
    "convert/list-with-tensor": (lambda tf, np, **_: tf.convert_to_tensor([tf.constant(1), 2.0]), "Expected int32"),
    "constant/verify": (
        lambda tf, np, **_: tf.constant([1, 2], shape=[2, 1], verify_shape=True),
        "Expected Tensor's shape: (2, 1)",
    ),
    "constant/object": (lambda tf, np, **_: tf.constant(object()), ""),
    "index/float": (lambda tf, np, f, **_: f[0.5], "valid indices, got 0.5"),
    "index/text": (lambda tf, np, f, **_: f["a"], "valid indices, got 'a'"),
    "index/vector": (lambda tf, np, f, i, **_: f[i], "valid indices, got"),
    "index/float-tensor": (lambda tf, np, f, **_: f[f[0]], "valid indices, got"),
    "index/float-bound": (lambda tf, np, f, **_: f[:1.5], "valid indices, got 1.5"),
    "sequence_mask/text": (lambda tf, np, **_: tf.sequence_mask(["a"]), NOT_ALLOWED),
    "segment_sum/floats": (lambda tf, np, f, **_: tf.segment_sum(f, f), NOT_ALLOWED),
    "unique/matrix": (lambda tf, np, m, **_: tf.unique(m), "Shape must be rank 1 but is rank 2"),
    "scatter_update/tensor": (lambda tf, np, f, **_: tf.scatter_update(tf.Variable([1.0]), [0], tf.constant([1])), ""),
}
for _name, (_build, _fragment) in TYPES.items():
    refused(f"type/{_name}", _build, *([_fragment] if _fragment else []))

# Shapes ---------------------------------------------------------------------------------------------------------------

EQUAL = "must be equal, but are"
SHAPES: dict[str, tuple[Build, str]] = {
    "add": (lambda tf, np, f, **_: f + tf.ones([3]), "Dimensions must be equal, but are 2 and 3"),
    "add/inner": (lambda tf, np, m, **_: m + tf.ones([2, 1, 4]), "Dimensions must be equal, but are 3 and 4"),
    "less": (lambda tf, np, f, **_: f < [1.0, 2.0, 3.0], "Dimensions must be equal, but are 2 and 3"),
    "reshape": (
        lambda tf, np, f, **_: tf.reshape(f, [3]),
        "Cannot reshape a tensor with 2 elements to shape [3] (3 elements)",
    ),
    "reshape/divide": (
        lambda tf, np, f, **_: tf.reshape(f, [-1, 3]),
        "Dimension size must be evenly divisible by 3 but is 2",
    ),
    "reshape/scalar": (lambda tf, np, f, **_: tf.reshape(f, 2), "Shape must be rank 1 but is rank 0"),
    "expand_dims": (lambda tf, np, f, **_: tf.expand_dims(f, 3), "dim 3 not in the interval [-2, 1]"),
    "expand_dims/none": (lambda tf, np, f, **_: tf.expand_dims(f), "Must specify an axis argument"),
    "expand_dims/both": (lambda tf, np, f, **_: tf.expand_dims(f, 1, dim=1), ""),
    "squeeze": (lambda tf, np, f, **_: tf.squeeze(f, 0), "Can not squeeze dim[0], expected a dimension of 1, got 2"),
    "squeeze/axis": (lambda tf, np, f, **_: tf.squeeze(f, [3]), "squeeze_dims[0] not in [-1,1)"),
    "squeeze/both": (lambda tf, np, f, **_: tf.squeeze(f, [0], squeeze_dims=[0]), ""),
    "transpose": (lambda tf, np, f, **_: tf.transpose(f, [1, 0]), "Dimension must be 1 but is 2"),
    "transpose/short": (lambda tf, np, m, **_: tf.transpose(m, [0]), "Dimension must be 2 but is 1"),
    "transpose/range": (lambda tf, np, m, **_: tf.transpose(m, [0, 2]), ""),
    "matrix_transpose": (lambda tf, np, f, **_: tf.matrix_transpose(f), "with rank >= 2"),
    "broadcast_to": (lambda tf, np, f, **_: tf.broadcast_to(f, [3]), EQUAL),
    "concat/inner": (
        lambda tf, np, m, **_: tf.concat([m, tf.ones([3, 3])], 1),
        "Dimension 0 in both shapes must be equal, but are 2 and 3. Shapes are [2] and [3].",
    ),
    "concat/rank": (lambda tf, np, f, m, **_: tf.concat([f, m], 0), "Shape must be rank 1 but is rank 2"),
    "concat/axis": (lambda tf, np, f, **_: tf.concat([f, f], 1), "Shape must be at least rank 2 but is rank 1"),
    "concat/axis-negative": (
        lambda tf, np, f, **_: tf.concat([f, f], -2),
        "Shape must be at least rank 2 but is rank 1",
    ),
    "concat/empty": (
        lambda tf, np, **_: tf.concat([], 0),
        "List argument 'values' to 'ConcatV2' Op with length 0 shorter than minimum length 2",
    ),
    "concat/axis-vector": (lambda tf, np, f, **_: tf.concat([f], [0]), ""),
    "stack": (
        lambda tf, np, f, **_: tf.stack([f, tf.ones([3])]),
        "Dimension 0 in both shapes must be equal, but are 2 and 3. Shapes are [2] and [3].",
    ),
    "stack/rank": (lambda tf, np, f, m, **_: tf.stack([f, m]), "Shapes must be equal rank, but are 1 and 2"),
    "stack/axis": (lambda tf, np, f, **_: tf.stack([f, f], 2), "[-2, 2)"),
    "unstack": (lambda tf, np, u, **_: tf.unstack(u), "Cannot infer"),
    "unstack/num": (lambda tf, np, f, **_: tf.unstack(f, 3), "Dimension must be 3 but is 2"),
    "unstack/axis": (lambda tf, np, f, **_: tf.unstack(f, axis=1), "[-1, 1)"),
    "split": (lambda tf, np, f, **_: tf.split(f, 3), "Dimension size must be evenly divisible by 3 but is 2"),
    "split/sizes": (lambda tf, np, f, **_: tf.split(f, [1, 2]), "can't split axis of size 2 into pieces of size [1,2]"),
    "split/scalar": (
        lambda tf, np, f, **_: tf.split(f, tf.constant(2)),
        "Rank-0 tensors are not supported as the num_or_size_splits argument to split",
    ),
    "split/axis": (lambda tf, np, f, **_: tf.split(f, 2, 1), "must be in range [-1, 1)"),
    "split/unknown": (lambda tf, np, f, **_: tf.split(f, tf.placeholder(tf.int32, [None])), "Cannot infer"),
    "tile": (lambda tf, np, f, **_: tf.tile(f, [1, 2]), "Shape must be rank 1 but is rank 2"),
    "tile/scalar": (lambda tf, np, f, **_: tf.tile(f, 2), "Shape must be rank 1 but is rank 0"),
    "pad": (lambda tf, np, f, **_: tf.pad(f, [[1, 1], [1, 1]]), "Shape must be rank 2 but is rank 1"),
    "pad/vector": (lambda tf, np, f, **_: tf.pad(f, [1, 1]), "Shape must be rank 2 but is rank 1"),
    "pad/mode": (lambda tf, np, f, **_: tf.pad(f, [[1, 1]], "FOO"), "FOO"),
    "pad/three": (lambda tf, np, f, **_: tf.pad(f, [[1, 1, 1]]), "Dimension must be 2 but is 3"),
    "slice/rank": (lambda tf, np, f, **_: tf.slice(f, [0, 0], [1, 1]), "Shape must be rank 2 but is rank 1"),
    "slice/lengths": (lambda tf, np, m, **_: tf.slice(m, [0, 0], [1]), ""),
    "index/range": (lambda tf, np, f, **_: f[3], "slice index 3 of dimension 0 out of bounds"),
    "index/negative": (lambda tf, np, m, **_: m[:, -4], "of dimension 1 out of bounds"),
    "index/many": (lambda tf, np, f, **_: f[0, 0], "Index out of range using input dim 1; input has only 1 dims"),
    "index/dots": (lambda tf, np, f, **_: f[..., ...], "Multiple ellipses in slice spec not allowed"),
    "index/step": (lambda tf, np, f, **_: f[::0], "strides[0] must be non-zero"),
    "fill/value": (lambda tf, np, **_: tf.fill([2], [1, 2]), "Shape must be rank 0 but is rank 1"),
    "fill/dims": (lambda tf, np, **_: tf.fill(2, 1), "Shape must be rank 1 but is rank 0"),
    "fill/negative": (lambda tf, np, **_: tf.fill([-2], 1), ""),
    "zeros/negative": (lambda tf, np, **_: tf.zeros([2, -1]), ""),
    "range/zero": (lambda tf, np, **_: tf.range(0, 10, 0), "Requires delta != 0"),
    "range/backwards": (lambda tf, np, **_: tf.range(10, 0), "Requires start <= limit when delta > 0"),
    "range/forwards": (lambda tf, np, **_: tf.range(0, 10, -1), "Requires start >= limit when delta < 0"),
    "range/vector": (lambda tf, np, **_: tf.range([1, 2]), "Shape must be rank 0 but is rank 1"),
    "constant/many": (lambda tf, np, **_: tf.constant([1, 2, 3], shape=[2]), "Too many elements provided"),
    "constant/ragged": (lambda tf, np, **_: tf.constant([1, [2]]), ""),
    "constant/none": (lambda tf, np, **_: tf.constant(None), "None values not supported"),
    "add_n": (lambda tf, np, f, **_: tf.add_n([f, tf.ones([3])]), EQUAL),
    "add_n/empty": (lambda tf, np, **_: tf.add_n([]), ""),
    "reduce": (
        lambda tf, np, f, **_: tf.reduce_sum(f, 1),
        "Invalid reduction dimension 1 for input with 1 dimensions.",
    ),
    "reduce/negative": (
        lambda tf, np, f, **_: tf.reduce_mean(f, [-2]),
        "Invalid reduction dimension -2 for input with 1 dimensions.",
    ),
    "reduce/both-axes": (lambda tf, np, f, **_: tf.reduce_sum(f, 0, reduction_indices=0), ""),
    "reduce/both-keeps": (lambda tf, np, f, **_: tf.reduce_sum(f, 0, True, keep_dims=True), ""),
    "argmax": (lambda tf, np, m, **_: tf.argmax(m, 2), "must be in the range [-2, 2)"),
    "argmax/both": (lambda tf, np, m, **_: tf.argmax(m, 1, dimension=1), ""),
    "matmul": (lambda tf, np, m, **_: tf.matmul(m, m), "Dimensions must be equal, but are 3 and 2"),
    "matmul/vector": (lambda tf, np, f, **_: tf.matmul(f, f), "Shape must be rank 2 but is rank 1"),
    "matmul/both": (lambda tf, np, m, **_: tf.matmul(m, m, transpose_a=True, adjoint_a=True), ""),
    "matmul/batch": (lambda tf, np, **_: tf.matmul(tf.ones([2, 3, 4]), tf.ones([3, 4, 2])), EQUAL),
    "tensordot/axes": (lambda tf, np, f, **_: tf.tensordot(f, f, 2), ""),
    "tensordot": (lambda tf, np, m, **_: tf.tensordot(m, m, 1), "Dimensions must be equal, but are 3 and 2"),
    "tensordot/pair": (lambda tf, np, m, **_: tf.tensordot(m, m, [[0, 1], [0]]), ""),
    "einsum": (lambda tf, np, m, **_: tf.einsum("ij,jk->ik", m, m), EQUAL),
    "einsum/count": (lambda tf, np, m, **_: tf.einsum("ij,jk->ik", m), ""),
    "einsum/output": (lambda tf, np, m, **_: tf.einsum("ij->ik", m), ""),
    "gather/scalar": (
        lambda tf, np, **_: tf.gather(tf.constant(1.0), [0]),
        "Shape must be at least rank 1 but is rank 0",
    ),
    "gather/axis": (lambda tf, np, f, **_: tf.gather(f, 0, axis=1), "Shape must be at least rank 2 but is rank 1"),
    "gather_nd": (lambda tf, np, f, **_: tf.gather_nd(f, [[0, 1]]), "indices.shape[-1] must be <= params.rank"),
    "one_hot/depth": (lambda tf, np, i, **_: tf.one_hot(i, [3]), ""),
    "where": (lambda tf, np, b, f, **_: tf.where(b, f, tf.ones([3])), EQUAL),
    "where/condition": (lambda tf, np, b, **_: tf.where(b, tf.ones([3]), tf.ones([3])), EQUAL),
    "where/rows": (lambda tf, np, b, **_: tf.where(b, tf.ones([3, 2]), tf.ones([3, 2])), EQUAL),
    "where/one": (lambda tf, np, b, f, **_: tf.where(b, f), "x and y must both be non-None or both be None."),
    "boolean_mask/unknown": (
        lambda tf, np, f, **_: tf.boolean_mask(f, tf.placeholder(tf.bool)),
        "Number of mask dimensions must be specified",
    ),
    "boolean_mask/scalar": (lambda tf, np, f, **_: tf.boolean_mask(f, True), "mask cannot be scalar."),
    "boolean_mask": (
        lambda tf, np, f, **_: tf.boolean_mask(f, [True, False, True]),
        "Shapes (2,) and (3,) are incompatible",
    ),
    "sequence_mask": (lambda tf, np, **_: tf.sequence_mask([1, 2], [3]), "must be scalar for sequence_mask"),
    "reverse": (lambda tf, np, f, **_: tf.reverse(f, [1]), "is out of valid range"),
    "reverse/scalar": (lambda tf, np, f, **_: tf.reverse(f, 0), "Shape must be rank 1 but is rank 0"),
    "reverse/twice": (lambda tf, np, f, **_: tf.reverse(f, [0, -1]), "specified more than once"),
    "reverse_sequence": (
        lambda tf, np, m, **_: tf.reverse_sequence(m, [1, 2, 3], 1, 0),
        "Dimensions must be equal, but are 2 and 3",
    ),
    "reverse_sequence/axis": (lambda tf, np, m, **_: tf.reverse_sequence(m, [1, 2]), ""),
    "reverse_sequence/rank": (
        lambda tf, np, m, **_: tf.reverse_sequence(m, [1, 2], 2, 0),
        "seq_dim must be < input rank",
    ),
    "clip": (lambda tf, np, f, **_: tf.clip_by_value(f, 0.0, tf.ones([3])), EQUAL),
    "random_uniform": (
        lambda tf, np, **_: tf.random_uniform([2], 0, None, tf.int32),
        "Must specify maxval for integer dtype",
    ),
    "random_normal": (lambda tf, np, **_: tf.random_normal(2), "Shape must be rank 1 but is rank 0"),
    "multinomial": (lambda tf, np, f, **_: tf.multinomial(f, 1), "Shape must be rank 2 but is rank 1"),
    "dynamic_partition": (
        lambda tf, np, f, **_: tf.dynamic_partition(f, [0, 1, 2], 2),
        "Dimensions must be equal, but are 2 and 3",
    ),
    "scatter_nd": (lambda tf, np, **_: tf.scatter_nd([[0]], [1.0, 2.0], [3]), "must match dimensions"),
    "scatter_update": (lambda tf, np, **_: tf.scatter_update(tf.Variable([1.0, 2.0]), [0], [1.0, 2.0]), EQUAL),
    "meshgrid": (lambda tf, np, f, **_: tf.meshgrid(f, f, indexing="no"), "indexing"),
    "placeholder": (lambda tf, np, **_: tf.placeholder(tf.float32, [2, -1]), "Dimension -1 must be >= 0"),
    "placeholder_with_default": (lambda tf, np, **_: tf.placeholder_with_default([1.0, 2.0], [3]), ""),
    "diag_part": (lambda tf, np, f, **_: tf.diag_part(f), "even and non-zero rank"),
    "matrix_inverse": (lambda tf, np, m, **_: tf.matrix_inverse(m), EQUAL),
    "norm/axis": (
        lambda tf, np, m, **_: tf.norm(m, axis=[0, 0]),
        "'axis' must be None, an integer, or a tuple of 2 unique integers",
    ),
    "norm/order": (lambda tf, np, m, **_: tf.norm(m, -1), "'ord' must be a supported vector norm"),
    "sort/direction": (lambda tf, np, f, **_: tf.sort(f, direction="UP"), "UP"),
    "iterate": (lambda tf, np, f, **_: [x for x in f], ""),
    "unpack": (lambda tf, np, f, **_: (lambda a, b: a)(*f), ""),
    "bool": (lambda tf, np, f, **_: not f, ""),
    "if-comparison": (lambda tf, np, f, **_: 1 if f[0] > 0 else 2, ""),
    "len": (lambda tf, np, f, **_: len(f), ""),
    "float": (lambda tf, np, f, **_: float(f[0]), ""),
    "int": (lambda tf, np, i, **_: int(i[0]), ""),
    "range-of-tensor": (lambda tf, np, i, **_: range(i[0]), ""),
    "numpy": (lambda tf, np, f, **_: np.array(f), "Cannot convert a symbolic"),
}
for _name, (_build, _fragment) in SHAPES.items():
    refused(f"shape/{_name}", _build, *([_fragment] if _fragment else []))

# While running --------------------------------------------------------------------------------------------------------

fails("run/add", lambda tf, x: x + tf.ones([3]), [1, 2], "Incompatible shapes: [2] vs. [3]")
fails("run/less", lambda tf, x: x < tf.ones([3]), [1, 2], "Incompatible shapes: [2] vs. [3]")
fails(
    "run/reshape",
    lambda tf, x: tf.reshape(x, [2, 2]),
    [1, 2, 3],
    "Input to reshape is a tensor with 3 values, but the requested shape has 4",
)
fails("run/reshape-infer", lambda tf, x: tf.reshape(x, [-1, 2]), [1, 2, 3], "requires a multiple of 2")
fails("run/reshape-two", lambda tf, x: tf.reshape([1.0], x), [-1, -1], dtype="int32")
fails("run/reshape-negative", lambda tf, x: tf.reshape([1.0], x), [-3], dtype="int32")
fails("run/reshape-empty", lambda tf, x: tf.reshape(tf.zeros([2]), x), [0, -1], dtype="int32")
fails("run/matmul", lambda tf, x: tf.matmul(x, tf.ones([3, 2])), [[1, 2]], "Matrix size-incompatible")
fails("run/matmul-rank", lambda tf, x: tf.matmul(x, tf.ones([3, 2])), [1, 2, 3])
fails("run/concat", lambda tf, x: tf.concat([x, tf.ones([3, 2])], 1), [[1, 2]], "Dimension")
fails("run/concat-rank", lambda tf, x: tf.concat([x, tf.ones([3])], 0), [[1, 2]], "Ranks of all input")
fails("run/concat-axis", lambda tf, x: tf.concat([[1.0], [2.0]], x), 1, dtype="int32")
fails("run/stack", lambda tf, x: tf.stack([x, tf.ones([3])]), [1, 2], "Shapes of all inputs must match")
fails("run/unstack", lambda tf, x: tf.unstack(x, 3), [1, 2])
fails("run/split", lambda tf, x: tf.split(x, 2), [1, 2, 3], "should evenly divide the split dimension")
fails("run/split-sizes", lambda tf, x: tf.split(x, [1, 1]), [1, 2, 3])
fails("run/split-axis", lambda tf, x: tf.split([1.0, 2.0], 2, x), 1, dtype="int32")
fails(
    "run/squeeze", lambda tf, x: tf.squeeze(x, [0]), [1, 2], "Can not squeeze dim[0], expected a dimension of 1, got 2"
)
fails("run/squeeze-axis", lambda tf, x: tf.squeeze(x, [1]), [1])
fails("run/expand_dims", lambda tf, x: tf.expand_dims(x, 3), [1])
fails("run/transpose", lambda tf, x: tf.transpose(x, [1, 0]), [1, 2])
fails("run/transpose-twice", lambda tf, x: tf.transpose(tf.ones([2, 2]), x), [0, 0], dtype="int32")
fails("run/index", lambda tf, x: x[2], [1, 2], "slice index 2 of dimension 0 out of bounds")
fails(
    "run/index-fed",
    lambda tf, x: tf.constant([1, 2])[x],
    5,
    "slice index 5 of dimension 0 out of bounds",
    dtype="int32",
)
fails("run/index-many", lambda tf, x: x[0, 0], [1, 2], "Index out of range using input dim 1; input has only 1 dims")
fails("run/index-step", lambda tf, x: tf.constant([1, 2])[::x], 0, "must be non-zero", dtype="int32")
fails("run/slice-size", lambda tf, x: tf.slice(x, [0], [3]), [1, 2], "Expected size[0] in [0, 2], but got 3")
fails("run/slice-begin", lambda tf, x: tf.slice(x, [3], [0]), [1, 2])
fails("run/slice-rank", lambda tf, x: tf.slice(x, [0, 0], [1, 1]), [1, 2])
fails("run/gather", lambda tf, x: tf.gather([1.0, 2.0], x), [0, 2], "indices[1] = 2 is not in [0, 2)", dtype="int32")
fails(
    "run/gather-negative",
    lambda tf, x: tf.gather([1.0, 2.0], x),
    [[-1]],
    "indices[0,0] = -1 is not in [0, 2)",
    dtype="int32",
)
fails("run/gather-scalar", lambda tf, x: tf.gather([1.0, 2.0], x), 7, "= 7 is not in [0, 2)", dtype="int32")
fails("run/gather-axis", lambda tf, x: tf.gather(x, [2], axis=1), [[1, 2]], "indices[0] = 2 is not in [0, 2)")
fails(
    "run/gather_nd",
    lambda tf, x: tf.gather_nd([1.0, 2.0], x),
    [[0], [2]],
    "indices[1] = [2] does not index into param shape [2]",
    dtype="int32",
)
fails(
    "run/boolean_mask",
    lambda tf, x: tf.boolean_mask(x, tf.placeholder_with_default([True, False, True], [None])),
    [1, 2],
)
fails("run/where", lambda tf, x: tf.where([True, False], x, x), [1, 2, 3])
fails(
    "run/where-values",
    lambda tf, x: tf.where(tf.placeholder_with_default([True, False], None), x, tf.ones([2])),
    [1, 2, 3],
)
fails(
    "run/tile",
    lambda tf, x: tf.tile(x, [1, 2]),
    [1, 2],
    "Expected multiples argument to be a vector of length 1 but got length 2",
)
fails("run/tile-negative", lambda tf, x: tf.tile([1.0], x), [-1], dtype="int32")
fails("run/pad", lambda tf, x: tf.pad(x, [[1, 1], [0, 0]]), [1, 2])
fails("run/pad-negative", lambda tf, x: tf.pad([1.0], x), [[-1, 0]], dtype="int32")
fails("run/pad-reflect", lambda tf, x: tf.pad(x, [[2, 0]], "REFLECT"), [1, 2])
fails("run/pad-symmetric", lambda tf, x: tf.pad(x, [[3, 0]], "SYMMETRIC"), [1, 2])
fails("run/fill-negative", lambda tf, x: tf.fill(x, 1.0), [-1], dtype="int32")
fails("run/fill-value", lambda tf, x: tf.fill([2], x), [1, 2])
fails("run/zeros-negative", lambda tf, x: tf.zeros([x, 2]), -1, dtype="int32")
fails("run/range", lambda tf, x: tf.range(5, x), 2, "Requires start <= limit when delta > 0", dtype="int32")
fails("run/range-zero", lambda tf, x: tf.range(0, 5, x), 0, "Requires delta != 0", dtype="int32")
fails("run/one_hot", lambda tf, x: tf.one_hot([1], x), -1, "depth must be non-negative", dtype="int32")
fails("run/reduce", lambda tf, x: tf.reduce_sum(x, 1), [1, 2], "Invalid reduction dimension")
fails("run/reduce-twice", lambda tf, x: tf.reduce_sum(x, [0, -1]), [1, 2], "Axes contains duplicate dimension: 0")
fails("run/reduce-fed", lambda tf, x: tf.reduce_sum([1.0], x), 1, "Invalid reduction dimension", dtype="int32")
fails("run/argmax", lambda tf, x: tf.argmax(x, 1), [1, 2], "Expected dimension in the range [-1, 1), but got 1")
fails("run/argmax-empty", lambda tf, x: tf.argmax(x, 0), [], "Reduction axis 0 is empty in shape [0]")
fails("run/cumsum", lambda tf, x: tf.cumsum(x, 1), [1, 2], "Expected scan axis in the range [-1, 1), but got 1")
fails("run/floordiv", lambda tf, x: 7 // x, [1, 0], "Integer division by zero", dtype="int32")
fails("run/mod", lambda tf, x: 7 % x, [0], "Integer division by zero", dtype="int32")
fails("run/div", lambda tf, x: tf.div(7, x), [0], "Integer division by zero", dtype="int32")
fails("run/pow", lambda tf, x: tf.pow(2, x), [-1], "Integers to negative integer powers are not allowed", dtype="int32")
fails("run/add_n", lambda tf, x: tf.add_n([x, tf.ones([3])]), [1, 2])
fails("run/broadcast_to", lambda tf, x: tf.broadcast_to(x, [3]), [1, 2], "Incompatible shapes")
fails("run/reverse", lambda tf, x: tf.reverse(x, [1]), [1, 2])
fails("run/reverse_sequence", lambda tf, x: tf.reverse_sequence(x, [3], 1, 0), [[1, 2]])
fails("run/reverse_sequence-count", lambda tf, x: tf.reverse_sequence(x, [1, 1], 1, 0), [[1, 2]])
fails("run/reverse_sequence-negative", lambda tf, x: tf.reverse_sequence([[1.0, 2.0]], x, 1, 0), [-1], dtype="int32")
fails("run/scatter_nd", lambda tf, x: tf.scatter_nd(x, [1.0], [2]), [[2]], dtype="int32")
fails(
    "run/segment_sum",
    lambda tf, x: tf.segment_sum([1, 2, 3], x),
    [0, 2, 1],
    "segment ids are not increasing",
    dtype="int32",
)
fails(
    "run/unsorted_segment_sum",
    lambda tf, x: tf.unsorted_segment_sum([1, 2], x, 2),
    [0, 2],
    "is out of range [0, 2)",
    dtype="int32",
)
fails(
    "run/dynamic_partition",
    lambda tf, x: tf.dynamic_partition([1, 2], x, 2),
    [0, 2],
    "partitions[1] = 2 is not in [0, 2)",
    dtype="int32",
)
fails("run/invert_permutation", lambda tf, x: tf.invert_permutation(x), [0, 0], dtype="int32")
fails("run/matrix_inverse", lambda tf, x: tf.matrix_inverse(x), [[0, 0], [0, 0]], "not invertible")
fails("run/matrix_solve", lambda tf, x: tf.matrix_solve(x, [[1.0], [2.0]]), [[0, 0], [0, 0]], "not invertible")
fails("run/confusion_matrix", lambda tf, x: tf.confusion_matrix(x, [0, 1], 2), [0, 2], "out of bound", dtype="int32")
fails("run/cast-text", lambda tf, x: tf.cast(tf.constant("a"), tf.float32) * x, [1])
fails(
    "run/random_uniform-bounds",
    lambda tf, x: tf.random_uniform([1], 0, x, tf.int32),
    0,
    "Need minval < maxval, got 0 >= 0",
    dtype="int32",
)
fails("run/random_crop", lambda tf, x: tf.random_crop(x, [3]), [1, 2])
fails("run/linspace", lambda tf, x: tf.linspace(0.0, 1.0, x), -1, dtype="int32")
fails(
    "run/string_to_number", lambda tf, x: tf.string_to_number(["a"]) * x, [1], "could not correctly convert string: a"
)
fails("run/as-shape", lambda tf, x: tf.random_normal(x), [-1], dtype="int32")
fails("run/squeeze-of-placeholder", lambda tf, x: tf.squeeze(x, -1), [[1, 2]], "expected a dimension of 1, got 2")
