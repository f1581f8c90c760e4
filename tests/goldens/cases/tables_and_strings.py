"""Lookup tables, split strings, buckets of strings."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case

_WORDS = ["a", "bb", "", "ccc", "d d"]


def _script(tf: Any, **fetches: Any) -> Any:
    def script(session: Any) -> dict[str, Any]:
        session.run(tf.tables_initializer())
        return {name: session.run(t) for name, t in fetches.items()}

    return script


@case("tables/hash_table")
def hash_table(tf: Any, np: Any) -> Program:
    source = tf.lookup.KeyValueTensorInitializer(["a", "b", "c"], [3.5, -1.0, 2.0], value_dtype=tf.float32)
    table = tf.lookup.StaticHashTable(source, 9.0)
    found = table.lookup(tf.constant([["a", "x"], ["c", "b"]]))
    facts = {"shape": str(found.get_shape()), "dtype": [table.key_dtype.name, table.value_dtype.name]}
    return Program(facts=facts, script=_script(tf, found=found, size=table.size()))


@case("tables/integer-keys")
def integer_keys(tf: Any, np: Any) -> Program:
    source = tf.lookup.KeyValueTensorInitializer(
        tf.constant([5, 7], tf.int64), ["five", "seven"], key_dtype=tf.int64, value_dtype=tf.string
    )
    table = tf.lookup.StaticHashTable(source, "none")
    return Program(script=_script(tf, found=table.lookup(tf.constant([7, 6, 5], tf.int64)), size=table.size()))


@case("tables/not-initialized", must_fail=True, fragments=["Table not initialized"])
def not_initialized(tf: Any, np: Any) -> Program:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)
    return Program({"y": table.lookup(tf.constant(["a"]))})


@case("tables/wrong-keys", must_fail=True)
def wrong_keys(tf: Any, np: Any) -> Program:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)
    return Program({"y": table.lookup(tf.constant([1]))})


@case("strings/split")
def split(tf: Any, np: Any) -> Program:
    text = tf.placeholder(tf.string, [None])
    made = {
        "blank": tf.string_split(text),
        "comma": tf.string_split(text, ","),
        "both": tf.string_split(text, ", "),
        "kept": tf.string_split(text, ",", skip_empty=False),
        "letters": tf.string_split(text, ""),
        "named": tf.string_split(text, delimiter=";"),
    }
    facts = {name: [str(s.indices.get_shape()), str(s.dense_shape.get_shape())] for name, s in made.items()}
    fetches = {f"{name}/{part}": getattr(s, part) for name, s in made.items() for part in ("indices", "values")}
    fetches |= {f"{name}/dense_shape": s.dense_shape for name, s in made.items()}
    return Program(fetches, {text: ["a b,,c", "", " d ,e;f", "g"]}, facts)


@case("strings/hash_bucket_fast")
def hash_bucket_fast(tf: Any, np: Any) -> Program:
    words = ["x" * n + "yz" * (n // 3) for n in range(80)] + ["ä€"]
    words += [
        "".join(chr(65 + (i * 7 + n) % 26) for i in range(n)) for n in (15, 17, 31, 33, 63, 64, 65, 128, 129, 300)
    ]
    return Program(
        {"y": tf.string_to_hash_bucket_fast(words, 2**31 - 1), "few": tf.string_to_hash_bucket_fast(words, 3)}
    )
