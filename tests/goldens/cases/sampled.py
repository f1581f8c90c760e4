"""Losses over a sample of the classes, and what the samplers say of their expectations, where no chance is in it."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, fixed, gradients_of

ROWS, CLASSES, WIDTH, SAMPLED = 4, 7, 3, 3
# one of them is a label of two rows
CANDIDATES = [5, 0, 2]


def _labels(np: Any, true: int) -> Any:
    return np.array([[2, 1], [6, 5], [3, 3], [0, 2]], np.int64)[:, :true]


def _given(tf: Any, np: Any, true: int, dtype: str) -> Any:
    """Candidates and expected counts, as a sampler gives them."""
    counts = [abs(fixed(f"sampled {name}", shape, dtype)) for name, shape in (("true", [ROWS, true]), ("all", [3]))]
    return tf.constant(CANDIDATES, tf.int64), tf.constant(counts[0]), tf.constant(counts[1])


def _loss(kind: str, true: int, dtype: str, batch: int | None, **options: Any) -> Any:
    def program(tf: Any, np: Any) -> Program:
        weights = tf.get_variable("weights", [CLASSES, WIDTH], dtype)
        biases = tf.get_variable("biases", [CLASSES], dtype)
        inputs = tf.placeholder(dtype, [batch, WIDTH])
        labels = tf.placeholder(options.get("labels", tf.int64), [batch, true])
        loss = getattr(tf.nn, kind)(
            weights,
            biases,
            labels,
            inputs,
            SAMPLED,
            CLASSES,
            num_true=true,
            sampled_values=_given(tf, np, true, dtype),
            **{k: v for k, v in options.items() if k != "labels"},
        )
        wrt = {"inputs": inputs, "weights": weights, "biases": biases}
        feeds = {inputs: fixed("sampled inputs", [ROWS, WIDTH], dtype, 2.0), labels: _labels(np, true)}
        return Program({"loss": loss, **gradients_of(tf, [loss], wrt)}, feeds, {"name": loss.name})

    program.__module__ = __name__
    return program


for _kind in ("sampled_softmax_loss", "nce_loss"):
    for _true in (1, 2):
        for _hits in (True, False):
            for _dtype in ("float32", "float64"):
                _name = f"{_kind}/true-{_true}/remove-hits-{_hits}/{_dtype}"
                case(_name)(_loss(_kind, _true, _dtype, ROWS, remove_accidental_hits=_hits))
    case(f"{_kind}/unknown-batch")(_loss(_kind, 1, "float32", None))
    case(f"{_kind}/int32-labels")(_loss(_kind, 2, "float32", ROWS, labels="int32"))
    case(f"{_kind}/div")(_loss(_kind, 2, "float32", ROWS, partition_strategy="div"))


def _sharded(kind: str, strategy: str) -> Any:
    def program(tf: Any, np: Any) -> Program:
        parts = [tf.get_variable(f"weights{i}", [rows, WIDTH]) for i, rows in enumerate((3, 2, 2))]
        biases = tf.get_variable("biases", [CLASSES])
        inputs = tf.constant(fixed("sampled inputs", [ROWS, WIDTH], scale=2.0))
        loss = getattr(tf.nn, kind)(
            weights=parts,
            biases=biases,
            labels=tf.constant(_labels(np, 1)),
            inputs=inputs,
            num_sampled=SAMPLED,
            num_classes=CLASSES,
            sampled_values=_given(tf, np, 1, "float32"),
            partition_strategy=strategy,
        )
        wrt = {"inputs": inputs, **{v.op.name: v for v in parts}}
        return Program({"loss": loss, **gradients_of(tf, [loss], wrt)})

    program.__module__ = __name__
    return program


for _kind in ("sampled_softmax_loss", "nce_loss"):
    for _strategy in ("mod", "div"):
        case(f"{_kind}/sharded-{_strategy}")(_sharded(_kind, _strategy))


# samplers: with replacement the expected counts are no matter of chance -----------------------------------------------

UNIGRAMS = [1.0, 4.0, 0.5, 2.0, 3.0]
SAMPLERS: dict[str, Any] = {
    "uniform": (lambda nn: nn.uniform_candidate_sampler, {}),
    "log_uniform": (lambda nn: nn.log_uniform_candidate_sampler, {}),
    "learned_unigram": (lambda nn: nn.learned_unigram_candidate_sampler, {}),
    "fixed_unigram": (lambda nn: nn.fixed_unigram_candidate_sampler, {"unigrams": [*UNIGRAMS, 1.0, 2.5]}),
    "fixed_unigram/distortion": (
        lambda nn: nn.fixed_unigram_candidate_sampler,
        {"unigrams": UNIGRAMS, "distortion": 0.75, "num_reserved_ids": 2},
    ),
}


def _expected(sampler: Any, options: dict[str, Any], true: int, batch: int | None) -> Any:
    def program(tf: Any, np: Any) -> Program:
        labels = tf.placeholder(tf.int64, [batch, true])
        drawn, counts, of_drawn = sampler(tf.nn)(
            true_classes=labels, num_true=true, num_sampled=50, unique=False, range_max=CLASSES, **options
        )
        facts = {"shapes": [str(t.shape.as_list()) for t in (drawn, counts, of_drawn)], "dtype": drawn.dtype.name}

        def twice(session: Any) -> Any:
            # the second time a learned distribution has seen the labels of the first
            return {f"counts{i}": session.run(counts, {labels: _labels(np, true)}) for i in range(2)}

        return Program(facts=facts, script=twice)

    program.__module__ = __name__
    return program


for _name, (_sampler, _options) in SAMPLERS.items():
    for _true in (1, 2):
        case(f"{_name}/true-{_true}")(_expected(_sampler, _options, _true, None if _true == 2 else ROWS))


@case("all_candidate_sampler")
def all_candidate_sampler(tf: Any, np: Any) -> Program:
    labels = tf.placeholder(tf.int64, [None, 2])
    drawn = tf.nn.all_candidate_sampler(labels, 2, CLASSES, True)
    return Program(dict(zip(("drawn", "true", "all"), drawn, strict=True)), {labels: _labels(np, 2)})


@case("compute_accidental_hits")
def compute_accidental_hits(tf: Any, np: Any) -> Program:
    labels = tf.placeholder(tf.int64, [None, 2])
    hits = tf.nn.compute_accidental_hits(labels, tf.constant(CANDIDATES, tf.int64), 2)
    return Program(dict(zip(("rows", "places", "weights"), hits, strict=True)), {labels: _labels(np, 2)})


@case("sampled_softmax_loss/all-classes")
def all_classes(tf: Any, np: Any) -> Program:
    """A sample without replacement of as many as there are is everything, in some order."""
    weights, biases = tf.get_variable("weights", [CLASSES, WIDTH]), tf.get_variable("biases", [CLASSES])
    inputs = tf.constant(fixed("sampled inputs", [ROWS, WIDTH], scale=2.0))
    labels = tf.constant(_labels(np, 1))
    values = tf.nn.all_candidate_sampler(labels, 1, CLASSES, True)
    loss = tf.nn.sampled_softmax_loss(weights, biases, labels, inputs, CLASSES, CLASSES, sampled_values=values)
    return Program({"loss": loss, **gradients_of(tf, [loss], {"weights": weights})})


def _refused(name: str, call: Any, *fragments: str) -> None:
    def program(tf: Any, np: Any) -> Program:
        return Program({"all": call(tf, tf.constant(_labels(np, 2)))})

    program.__module__ = __name__
    case(f"refused/{name}", must_fail=True, fragments=fragments)(program)


_refused("labels-vector", lambda tf, y: tf.nn.uniform_candidate_sampler(y[0], 2, 3, True, 7), "must be rank 2")
_refused("columns", lambda tf, y: tf.nn.uniform_candidate_sampler(y, 1, 3, True, 7), "true_classes")
_refused("too-many", lambda tf, y: tf.nn.log_uniform_candidate_sampler(y, 2, 8, True, 7), "range is too small")
_refused("none", lambda tf, y: tf.nn.uniform_candidate_sampler(y, 2, 0, True, 7), "num_sampled")
_refused("no-range", lambda tf, y: tf.nn.uniform_candidate_sampler(y, 2, 3, True, 0), "range_max")
_refused("int32", lambda tf, y: tf.nn.uniform_candidate_sampler(tf.cast(y, tf.int32), 2, 3, True, 7), "int32", "int64")
_refused("no-unigrams", lambda tf, y: tf.nn.fixed_unigram_candidate_sampler(y, 2, 3, True, 7), "vocab_file")
