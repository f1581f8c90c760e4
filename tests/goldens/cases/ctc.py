"""Connectionist temporal classification and edit distances: values, gradients, shapes, random batches, refusals.

All scores are float32: in float64, which TensorFlow 1 refuses, TensorFlow 2 computes in float32 all the same.
"""

from __future__ import annotations

from typing import Any

import numpy

from goldens.cases.errors import wrong, wrong_run
from goldens.harness import Program, case, fixed

ROWS = [[0, 1], [2, 2], [3], [1, 1, 0, 2]]
LENGTHS = [6, 4, 1, 6]
STEPS, CLASSES = 6, 5


def scores(name: str, steps: int, batch: int, classes: int, dtype: str = "float32", scale: float = 4.0) -> Any:
    """Fixed scores ``[T, B, C]``, no two alike."""
    array = fixed(f"ctc {name}", [steps, batch, classes], "float64", scale)
    return (array + numpy.arange(array.size).reshape(array.shape) * 1e-4).astype(dtype)


def sparse(rows: Any, batch: int | None = None, dtype: str = "int32") -> tuple[Any, Any, Any]:
    """Indices, values and shape of a sparse matrix with these rows."""
    indices = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    values = [label for row in rows for label in row]
    width = max([len(row) for row in rows], default=0)
    return (
        numpy.array(indices, "int64").reshape(-1, 2),
        numpy.array(values, dtype),
        numpy.array([batch or len(rows), width], "int64"),
    )


# The loss -------------------------------------------------------------------------------------------------------------


def loss_case(
    name: str, rows: Any, lengths: Any, array: Any, known: bool = True, infinite: bool = False, **options: Any
) -> None:
    """Register a loss and its gradient, with known or unknown static shapes."""

    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(str(array.dtype), array.shape if known else None, name="x")
        labels = tf.sparse_placeholder(tf.int32)
        steps = tf.placeholder(tf.int32, [len(lengths)] if known else None, name="lengths")
        loss = tf.nn.ctc_loss(labels, x, steps, **options)
        total = tf.reduce_sum(loss if infinite else loss * loss)
        gradient = tf.gradients(total, x)[0]

        def script(session: Any) -> dict[str, Any]:
            got = session.run([loss, gradient], {x: array, labels: sparse(rows), steps: lengths})
            return dict(zip(("loss", "gradient"), got, strict=True))

        return Program(facts={"shape": str(loss.shape), "dtype": loss.dtype.name}, script=script)

    program.__module__ = __name__
    case(f"loss/{name}")(program)


_X = scores("loss", STEPS, len(ROWS), CLASSES)
_MODES: dict[str, dict[str, bool]] = {
    "plain": {},
    "collapse": {"preprocess_collapse_repeated": True},
    "no-merge": {"ctc_merge_repeated": False},
    "collapse-no-merge": {"preprocess_collapse_repeated": True, "ctc_merge_repeated": False},
    "ignore": {"ignore_longer_outputs_than_inputs": True},
}
for _mode, _options in _MODES.items():
    loss_case(_mode, ROWS, LENGTHS, _X, **_options)
    loss_case(f"{_mode}/batch-major", ROWS, LENGTHS, _X.transpose(1, 0, 2), time_major=False, **_options)
loss_case("unknown-shapes", ROWS, LENGTHS, _X, known=False)
loss_case("longer-ignored", [[0, 1, 2], [1]], [2, 6], _X[:, :2], ignore_longer_outputs_than_inputs=True)
loss_case("length-0-ignored", [[0, 1, 2], [1]], [0, 6], _X[:, :2], ignore_longer_outputs_than_inputs=True)
loss_case("no-path", [[2, 2, 2], [1]], [4, 6], _X[:, :2], infinite=True)
loss_case("no-path/no-merge", [[2, 2, 2], [1]], [3, 6], _X[:, :2], ctc_merge_repeated=False)
loss_case("tight", [[0, 1, 2, 3, 0, 1], [0, 0, 0]], [6, 5], _X[:, :2])
loss_case("trailing-blanks", [[0, 4, 4], [1, 9]], [6, 6], _X[:, :2])
loss_case("long", [[i % 7 for i in range(9)], [3] * 7, [0]], [20, 15, 20], scores("long", 20, 3, 8, scale=1.0))


def _random_rows(random: Any, batch: int, steps: int, classes: int) -> tuple[Any, Any]:
    lengths = random.integers(1, steps + 1, batch)
    # at most half of the steps: repeated labels need a blank in between
    rows = [random.integers(0, classes - 1, random.integers(1, max(1, n // 2) + 1)).tolist() for n in lengths]
    return rows, lengths.astype("int32")


for _seed in range(12):
    _random = numpy.random.default_rng(_seed)
    _steps, _batch, _classes = (int(n) for n in _random.integers([2, 1, 2], [14, 5, 7]))
    _rows, _lengths = _random_rows(_random, _batch, _steps, _classes)
    _array = scores(f"random {_seed}", _steps, _batch, _classes)
    loss_case(f"random/{_seed}", _rows, _lengths.tolist(), _array, ctc_merge_repeated=bool(_seed % 3))


@case("loss/facts")
def loss_facts(tf: Any, np: Any) -> Program:
    """Names, types; lengths as lists; scores as ``logits``."""
    labels = tf.sparse_placeholder(tf.int32)
    first = tf.nn.ctc_loss(labels, tf.constant(_X), LENGTHS)
    second = tf.nn.ctc_loss(labels=labels, logits=tf.constant(_X), sequence_length=np.array(LENGTHS))

    def script(session: Any) -> dict[str, Any]:
        got = session.run([first, second], {labels: sparse(ROWS)})
        return {"first": got[0], "second": got[1]}

    return Program(facts={"names": [first.name, second.name], "shape": str(second.shape)}, script=script)


# Decoders -------------------------------------------------------------------------------------------------------------


def decoder_case(name: str, array: Any, lengths: Any, decode: Any, known: bool = True) -> None:
    """Register a decoder: its sparse results, its probabilities, their static shapes."""

    def program(tf: Any, np: Any) -> Program:
        x = tf.placeholder(str(array.dtype), array.shape if known else None, name="x")
        steps = tf.placeholder(tf.int32, [len(lengths)] if known else None, name="lengths")
        paths, sums = decode(tf, x, steps)
        fetches = {f"path{i}": [p.indices, p.values, p.dense_shape] for i, p in enumerate(paths)}
        # whether a gradient exists
        facts = {"gradient": tf.gradients(sums, x)[0] is None, "type": type(paths).__name__}
        return Program({**fetches, "sums": sums}, {x: array, steps: lengths}, facts)

    program.__module__ = __name__
    case(f"decode/{name}")(program)


def _greedy(**options: Any) -> Any:
    return lambda tf, x, steps: tf.nn.ctc_greedy_decoder(x, steps, **options)


def _beam(**options: Any) -> Any:
    return lambda tf, x, steps: tf.nn.ctc_beam_search_decoder(x, steps, **options)


_Y = scores("decode", 12, 3, 5)
for _name, _decode in {
    "greedy": _greedy(),
    "greedy-no-merge": _greedy(merge_repeated=False),
    "beam": _beam(),
    "beam-no-merge": _beam(merge_repeated=False),
    "beam-paths": _beam(beam_width=20, top_paths=4, merge_repeated=False),
    "beam-paths-merged": _beam(beam_width=20, top_paths=4),
    "beam-1": _beam(beam_width=1),
    "beam-2": _beam(beam_width=2, top_paths=2),
    "beam-3": _beam(beam_width=3, top_paths=3, merge_repeated=False),
}.items():
    decoder_case(_name, _Y, [12, 7, 3], _decode)
    decoder_case(f"{_name}/unknown-shapes", _Y, [2, 12, 5], _decode, known=False)
decoder_case("greedy/length-0", _Y, [0, 0, 0], _greedy())
decoder_case("beam/length-0", _Y, [0, 5, 0], _beam())
decoder_case("greedy/negative-length", _Y, [-1, 5, 0], _greedy())
decoder_case("beam/negative-length", _Y, [-3, 5, 0], _beam(beam_width=4))
decoder_case("beam/blank-only", _Y[:, :, :1], [3, 4, 5], _beam())
decoder_case("beam/peaked", _Y * 2, [12, 12, 12], _beam(beam_width=5))
# labels that repeat: what merge_repeated does to results
_Z = scores("repeats", 14, 2, 3, scale=2.0)
_Z[::2, :, 2] += 1.5
_Z[1::2, 0, 0] += 2.5
for _width in (2, 4, 8, 30):
    decoder_case(f"beam-repeats/{_width}", _Z, [14, 13], _beam(beam_width=_width, top_paths=2))
    decoder_case(
        f"beam-repeats-kept/{_width}", _Z, [14, 13], _beam(beam_width=_width, top_paths=2, merge_repeated=False)
    )
for _seed in range(16):
    _random = numpy.random.default_rng(100 + _seed)
    _steps, _batch, _classes, _width = (int(n) for n in _random.integers([2, 1, 3, 2], [16, 4, 7, 25]))
    _, _lengths = _random_rows(_random, _batch, _steps, _classes)
    decoder_case(
        f"random/{_seed}",
        scores(f"random decode {_seed}", _steps, _batch, _classes, scale=float(_random.choice([0.5, 2.0, 8.0]))),
        _lengths.tolist(),
        _beam(beam_width=_width, top_paths=2, merge_repeated=bool(_seed % 2)),
    )


# Edit distance --------------------------------------------------------------------------------------------------------


def distance_case(name: str, hypothesis: Any, truth: Any, dtype: str = "int64") -> None:
    """Register the distances of two lists of rows, normalized and not."""

    def program(tf: Any, np: Any) -> Program:
        first, second = (tf.SparseTensor(*sparse(rows, dtype=dtype)) for rows in (hypothesis, truth))
        fed = tf.sparse_placeholder(dtype)
        got = [tf.edit_distance(first, second), tf.edit_distance(first, second, normalize=False, name="d")]
        late = tf.edit_distance(fed, second)
        facts = {"names": [t.name for t in got], "late": str(late.shape)}
        script = lambda session: {"late": session.run(late, {fed: sparse(hypothesis, dtype=dtype)})}  # noqa: E731
        return Program({"distances": got}, facts=facts, script=script)

    program.__module__ = __name__
    case(f"distance/{name}")(program)


distance_case("some", [[1, 2], [3], []], [[1, 3, 2], [], [9]])
distance_case("both-empty", [[1], [], [2, 2]], [[1], [], [2]])
distance_case("more-rows", [[1, 2]], [[1, 2, 3], [4], []])
distance_case("fewer-rows", [[1, 2], [], [3], [4, 4, 4]], [[2]])
distance_case("int32", [[5, 1, 2, 3, 7], [1, 1, 1]], [[1, 2, 3, 7, 5], [1, 2, 1, 2, 1]], "int32")
distance_case("kitten", [[11, 9, 20, 20, 5, 14]], [[19, 9, 20, 20, 9, 14, 7]])
for _seed in range(6):
    _random = numpy.random.default_rng(200 + _seed)
    _pair = [[_random.integers(0, 3, _random.integers(0, 9)).tolist() for _ in range(4)] + [[1]] for _ in range(2)]
    distance_case(f"random/{_seed}", _pair[0], _pair[1])


@case("distance/rank-3-strings")
def distance_rank_3(tf: Any, np: Any) -> Program:
    """Sequences along the last of three dimensions, of strings."""
    first = tf.SparseTensor([[0, 0, 0], [0, 1, 1]], ["a", "b"], [1, 2, 2])
    second = tf.SparseTensor([[0, 0, 0], [0, 1, 0], [0, 1, 1]], ["a", "b", "c"], [1, 3, 2])
    return Program({"d": tf.edit_distance(first, second, normalize=False)})


@case("distance/label-error-rate")
def label_error_rate(tf: Any, np: Any) -> Program:
    """What programs print: the mean distance of the decoded labels from the targets, cast to their type."""
    labels = tf.sparse_placeholder(tf.int32)
    decoded, _ = tf.nn.ctc_greedy_decoder(tf.constant(_X), LENGTHS)
    rate = tf.reduce_mean(tf.edit_distance(tf.cast(decoded[0], tf.int32), labels))
    dense = tf.sparse_tensor_to_dense(decoded[0], default_value=-1)

    def script(session: Any) -> dict[str, Any]:
        rate_now, dense_now = session.run([rate, dense], {labels: sparse(ROWS)})
        return {"rate": rate_now, "dense": dense_now}

    return Program(script=script)


# What is refused ------------------------------------------------------------------------------------------------------


def _labels(tf: Any, rows: Any, batch: int | None = None) -> Any:
    return tf.SparseTensor(*sparse(rows, batch))


def _refused_loss(name: str, rows: Any, lengths: Any, message: str, array: Any = None, **options: Any) -> None:
    def build(tf: Any, np: Any) -> Any:
        x = tf.constant(_X[:, :2] if array is None else array)
        return tf.nn.ctc_loss(_labels(tf, rows), x, lengths, **options), None

    build.__module__ = __name__
    wrong_run(f"wrong/loss-{name}", build, message)


_refused_loss(
    "time",
    [[0, 1, 2], [0]],
    [2, 6],
    "Not enough time for target transition sequence (required: 3, available: 2)0You can turn this error into a warning "
    "by using the flag ignore_longer_outputs_than_inputs",
)
_refused_loss(
    "time-collapsed",
    [[0], [1, 1, 1]],
    [6, 2],
    "Not enough time for target transition sequence (required: 3, available: 2)1",
    preprocess_collapse_repeated=True,
)
_refused_loss("no-time", [[0], [1]], [0, 6], "(required: 1, available: 0)0")
_refused_loss("empty", [[0], []], [6, 6], "Labels length is zero in batch 1")
_refused_loss("length", [[0], [1]], [6, 7], "sequence_length(1) <= 6")
_refused_loss("negative-length", [[0], [1]], [6, -1], "seq_len(1) < 0")
_refused_loss(
    "negative-label", [[0, -1], [1]], [6, 6], "All labels must be nonnegative integers, batch: 0 labels: 0,-1"
)
_refused_loss(
    "blank-inside",
    [[0, 4, 1], [1]],
    [6, 6],
    "Saw a non-null label (index >= num_classes - 1) following a null label, batch: 0 num_classes: 5 labels: 0,4,1 "
    "labels seen so far: 0",
)
_refused_loss("rows", [[0], [1], [2]], [6, 6], "label SparseTensor is not valid: indices[2] = [2,0] is out of bounds")
_refused_loss("no-rows", [], numpy.zeros([0], "int32"), "batch_size must not be 0", _X[:, :0])
_refused_loss("no-steps", [[0], [1]], [0, 0], "Max time or first dimension of input cannot be 0.", _X[:0, :2])


wrong(
    "wrong/loss-dense-labels",
    lambda tf, np: tf.nn.ctc_loss(tf.constant([1]), tf.constant(_X), LENGTHS),
    "to be a SparseTensor",
)
wrong("wrong/loss-rank", lambda tf, np: tf.nn.ctc_loss(_labels(tf, ROWS), tf.constant(_X[0]), LENGTHS), "rank 3")
wrong("wrong/loss-lengths", lambda tf, np: tf.nn.ctc_loss(_labels(tf, ROWS), tf.constant(_X), [1]), "are 4 and 1")
wrong(
    "wrong/loss-both",
    lambda tf, np: tf.nn.ctc_loss(_labels(tf, ROWS), tf.constant(_X), LENGTHS, logits=tf.constant(_X)),
    "Cannot specify both 'inputs' and 'logits'.",
)
wrong(
    "wrong/loss-int64-labels",
    lambda tf, np: tf.nn.ctc_loss(tf.sparse_placeholder(tf.int64), tf.constant(_X), LENGTHS),
    "Input 'labels_values' of 'CTCLoss' Op has type int64 that does not match expected type of int32.",
)
wrong("wrong/greedy-rank", lambda tf, np: tf.nn.ctc_greedy_decoder(tf.constant(_X[0]), LENGTHS), "rank 3")
wrong(
    "wrong/greedy-half",
    lambda tf, np: tf.nn.ctc_greedy_decoder(tf.constant(_X.astype("float16")), LENGTHS),
    "has DataType float16 not in list of allowed values: float32, float64",
)
wrong(
    "wrong/greedy-int64-lengths",
    lambda tf, np: tf.nn.ctc_greedy_decoder(tf.constant(_X), tf.constant(LENGTHS, tf.int64)),
    "Input 'sequence_length' of 'CTCGreedyDecoder' Op has type int64 that does not match expected type of int32.",
)
for _name, _message in (("beam_width", "Attr 'beam_width' of"), ("top_paths", "Attr 'top_paths' of")):

    def _below_one(tf: Any, np: Any, option: str = _name) -> Any:
        return tf.nn.ctc_beam_search_decoder(tf.constant(_X), LENGTHS, **{option: 0})

    wrong(f"wrong/beam-{_name}-0", _below_one, _message, "less than minimum 1.")
_REFUSED: list[tuple[str, list[int], Any, str]] = [
    ("greedy-length", [7, 1, 1, 1], None, "sequence_length(0) <= 6"),
    ("beam-length", [1, 7, 1, 1], {}, "sequence_length(1) <= 6"),
    ("beam-paths", LENGTHS, {"beam_width": 2, "top_paths": 3}, "requested more paths than the beam width."),
    ("beam-leaves", [0, 1, 1, 1], {"top_paths": 2}, "Less leaves in the beam search than requested."),
]
for _name, _lengths, _options, _message in _REFUSED:

    def _refused(tf: Any, np: Any, lengths: Any = _lengths, options: Any = _options) -> Any:
        if options is None:
            return tf.nn.ctc_greedy_decoder(tf.constant(_X), lengths)[1], None
        return tf.nn.ctc_beam_search_decoder(tf.constant(_X), lengths, **options)[1], None

    wrong_run(f"wrong/{_name}", _refused, _message)
wrong_run(
    "wrong/greedy-count",
    lambda tf, np: (
        tf.nn.ctc_greedy_decoder(tf.constant(_X), tf.placeholder_with_default([1], [None]))[1],
        None,
    ),
    "len(sequence_length) != batch_size.",
)
wrong(
    "wrong/distance-dense",
    lambda tf, np: tf.edit_distance(tf.constant(1), _labels(tf, ROWS)),
    "Hypothesis must be a SparseTensor.",
)
wrong(
    "wrong/distance-dense-truth",
    lambda tf, np: tf.edit_distance(_labels(tf, ROWS), tf.constant(1)),
    "Truth must be a SparseTensor.",
)
wrong(
    "wrong/distance-types",
    lambda tf, np: tf.edit_distance(tf.SparseTensor([[0, 0]], [1.0], [1, 2]), _labels(tf, ROWS)),
    "Input 'truth_values' of 'EditDistance' Op has type int32 that does not match type float32 of argument",
)
wrong(
    "wrong/distance-rank",
    lambda tf, np: tf.edit_distance(tf.SparseTensor([[0, 0, 0]], [1], [1, 2, 2]), _labels(tf, ROWS)),
    "Num elements of hypothesis_shape does not match truth_shape: 3 vs. 2",
)
wrong(
    "wrong/distance-rank-1",
    lambda tf, np: tf.edit_distance(tf.SparseTensor([[0]], [1], [2]), tf.SparseTensor([[0]], [1], [2])),
    "must have rank at least 2",
)
