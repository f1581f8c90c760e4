"""Summary operations: what the messages hold, field by field, and the examples that records hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from goldens.harness import Program, case, fixed


def _fields(tf: Any, np: Any, data: bytes) -> dict[str, Any]:
    """A serialized summary as arrays; pictures and sounds without their compressed bytes."""
    summary = tf.Summary.FromString(data)
    found: dict[str, Any] = {"count": np.array(len(summary.value))}
    for index, value in enumerate(summary.value):
        kind = value.WhichOneof("value")
        plugin = value.metadata.plugin_data.plugin_name
        found[f"{index}/tag"] = np.array([value.tag.encode(), kind.encode(), plugin.encode()], object)
        if kind == "simple_value":
            found[f"{index}/value"] = np.array(value.simple_value)
        elif kind == "histo":
            h = value.histo
            found[f"{index}/stats"] = np.array([h.min, h.max, h.num, h.sum, h.sum_squares])
            found[f"{index}/limits"], found[f"{index}/buckets"] = np.array(h.bucket_limit), np.array(h.bucket)
        elif kind == "image":
            found[f"{index}/size"] = np.array([value.image.height, value.image.width, value.image.colorspace])
        elif kind == "audio":
            a = value.audio
            found[f"{index}/size"] = np.array([a.sample_rate, a.num_channels, a.length_frames])
            found[f"{index}/type"] = np.array([a.content_type.encode()], object)
            found[f"{index}/wav"] = np.frombuffer(a.encoded_audio_string, np.uint8)
        else:
            t = value.tensor
            found[f"{index}/tensor"] = np.array([t.dtype, *[d.size for d in t.tensor_shape.dim]])
            found[f"{index}/text"] = np.array([*t.string_val], object)
            found[f"{index}/content"] = np.frombuffer(t.tensor_content, np.uint8)
    return found


def summary(name: str, **options: Any) -> Callable[[Any], Any]:
    """The decorated ``f(tf, np)`` gives a summary tensor."""

    def register(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Program]:
        def program(tf: Any, np: Any) -> Program:
            made = make(tf, np)
            facts = {
                "name": made.name,
                "shape": str(made.get_shape()),
                "collection": [t.name for t in tf.get_collection(tf.GraphKeys.SUMMARIES)],
            }
            return Program(facts=facts, script=lambda session: _fields(tf, np, session.run(made)))

        program.__module__ = __name__
        return case(name, **options)(program)

    return register


def row(name: str, make: Callable[[Any], Any], *fragments: str) -> None:
    """:func:`summary` for a function of ``tf``; with fragments one that is refused."""
    summary(name, must_fail=bool(fragments), fragments=fragments)(lambda tf, np: make(tf))


def values(name: str, *shape: int) -> Any:
    return fixed(name, shape)


row("scalar/float", lambda tf: tf.summary.scalar("loss", 1.5))
row("scalar/int", lambda tf: tf.summary.scalar("n", tf.constant(7)))
row("scalar/half", lambda tf: tf.summary.scalar("n", tf.constant(0.5, tf.float16)))
row("scalar/illegal-name", lambda tf: tf.summary.scalar("my loss:0 (x)", 1.5))
row("scalar/family", lambda tf: tf.summary.scalar("loss", 1.5, family="train"))
row("scalar/collections", lambda tf: tf.summary.scalar("loss", 1.5, collections=["mine"]))
row("scalar/shape", lambda tf: tf.summary.scalar("x", [1.0, 2.0]), "tags and values are not the same shape: [] != [2]")
row("scalar/bool", lambda tf: tf.summary.scalar("x", True), "Value passed to parameter 'values' has DataType bool")


@summary("scalar/scopes")
def scopes(tf: Any, np: Any) -> Any:
    with tf.name_scope("a"):
        tf.summary.scalar("loss", 1.0)
        tf.summary.scalar("loss", 2.0)
    with tf.name_scope("a"):
        tf.summary.scalar("x/y", tf.constant(3, tf.int64))
    return tf.summary.merge_all()


def _histogram(numbers: list[float], tf: Any) -> Any:
    return tf.summary.histogram("h", tf.constant(numbers, tf.float64))


for _name, _values in {
    "positive": [1.0, 2.0, 3.0],
    "zeros": [0.0, 0.0],
    "signs": [-1.0, 5.0, 0.0],
    "tiny": [1e-13, -1e-13, 1e-12],
    "huge": [1e30, -1e30, 3e38],
    "one": [7.0],
    "none": [],
}.items():
    row(f"histogram/{_name}", partial(_histogram, _values))
row("histogram/many", lambda tf: tf.summary.histogram("h", values("histogram", 40, 7)))
row("histogram/ints", lambda tf: tf.summary.histogram("h", tf.constant([3, -4, 100, 3])))
row("histogram/family", lambda tf: tf.summary.histogram("h", [1.0], family="f"))
row("histogram/nan", lambda tf: tf.summary.histogram("h", [1.0, float("nan")]), "Nan in summary histogram for: h")
row("histogram/inf", lambda tf: tf.summary.histogram("h", [float("inf")]), "Infinity in Histogram for: h")

row("image/batch", lambda tf: tf.summary.image("im", values("image", 4, 3, 5, 3)))
row("image/one", lambda tf: tf.summary.image("im", values("image", 4, 3, 5, 1), max_outputs=1))
row("image/fewer", lambda tf: tf.summary.image("im", values("image", 2, 3, 5, 4), max_outputs=9))
row("image/bytes", lambda tf: tf.summary.image("im", tf.constant([[[[1], [255]]]], tf.uint8)))
row("image/depth", lambda tf: tf.summary.image("im", values("i", 1, 2, 2, 2)), "last dim 1, 3, or 4, not [1,2,2,2]")
row(
    "image/rank", lambda tf: tf.summary.image("im", values("i", 2, 2, 3)), "Tensor must be 4-D with last dim 1, 3, or 4"
)
row("image/none", lambda tf: tf.summary.image("im", values("i", 1, 2, 2, 1), max_outputs=0), "less than minimum 1")

row("audio/2d", lambda tf: tf.summary.audio("a", values("audio", 2, 6) * 1.5, 8000.0))
row("audio/3d", lambda tf: tf.summary.audio("a", values("audio", 2, 6, 2), 16000, max_outputs=1))

row("text/vector", lambda tf: tf.summary.text("t", tf.constant(["x", "**y**"])))
row("text/scalar", lambda tf: tf.summary.text("t", tf.constant("x")))
row("text/number", lambda tf: tf.summary.text("t", tf.constant(1.0)), "Expected tensor Const:0 to have dtype string")
row("tensor", lambda tf: tf.summary.tensor_summary("t", tf.constant([[1.0, 2.0]])))

row("merge/two", lambda tf: tf.summary.merge([tf.summary.scalar("a", 1.0), tf.summary.histogram("b", [1.0])]))
row("merge/named", lambda tf: tf.summary.merge([tf.summary.scalar("a", 1.0)], collections=["c"], name="all"))
row("merge/again", lambda tf: tf.summary.merge([tf.summary.merge([tf.summary.scalar("a", 1.0)])]))
row("merge/duplicate", lambda tf: tf.summary.merge([tf.summary.scalar("a", 1.0)] * 2), "Duplicate tag a found")
row("merge/nothing", lambda tf: tf.summary.merge([]), "with length 0 shorter than minimum length 1")


@summary("merge/all-of-scope")
def of_scope(tf: Any, np: Any) -> Any:
    with tf.name_scope("one"):
        tf.summary.scalar("a", 1.0)
    with tf.name_scope("two"):
        tf.summary.scalar("b", 2.0)
    return tf.summary.merge_all(scope="two")


@case("merge/all-of-nothing")
def all_of_nothing(tf: Any, np: Any) -> Program:
    return Program({"x": tf.constant(1.0)}, facts={"merged": tf.summary.merge_all()})
