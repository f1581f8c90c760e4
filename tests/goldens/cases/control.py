"""Control flow: cond, case, while_loop, TensorArray, map_fn, scan and folds."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, fixed, flatten, gradients_of

# Branches -------------------------------------------------------------------------------------------------------------


def _both(tf: Any, predicate: Any, fetches: dict[str, Any], feeds: dict[Any, Any]) -> Program:
    """Fetch everything with the predicate true and with it false."""

    def script(session: Any) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for value in (True, False):
            got = session.run(fetches, {**feeds, predicate: value})
            for name, nest in got.items():
                if nest is not None:
                    results.update((f"{value}/{path}", leaf) for path, leaf in flatten(nest, name))
        return results

    shapes = {
        name: str(leaf.get_shape()) for name, leaf in flatten(fetches, "") if "grad/" not in name and leaf is not None
    }
    return Program(facts={"shapes": shapes}, script=script)


@case("cond/plain")
def cond_plain(tf: Any, np: Any) -> Program:
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [2, None])
    y = tf.cond(p, lambda: x + 1.0, lambda: x * x)
    return _both(tf, p, {"y": y, **gradients_of(tf, [y], {"x": x})}, {x: fixed("x", [2, 3])})


@case("cond/nests")
def cond_nests(tf: Any, np: Any) -> Program:
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [3])
    fetches = {
        "tuple": tf.cond(p, lambda: (x, 2.0 * x), lambda: (-x, x)),
        "list": tf.cond(p, lambda: [x, tf.constant(1)], lambda: [x + 1.0, tf.constant(2)]),
        "single": tf.cond(p, lambda: [x], lambda: [x + 1.0]),
        "keywords": tf.cond(pred=p, true_fn=lambda: tf.zeros([3]), false_fn=lambda: tf.ones([3])),
        "constants": tf.cond(p, lambda: 1.5, lambda: 2.5),
        "outer": tf.cond(p, lambda: x, lambda: x),
    }
    return _both(tf, p, fetches, {x: fixed("x", [3])})


@case("cond/shapes")
def cond_shapes(tf: Any, np: Any) -> Program:
    """The static shape of a branch point is what both branches agree on."""
    p = tf.placeholder(tf.bool, [])
    fetches = {
        "one dimension": tf.cond(p, lambda: tf.ones([2, 3]), lambda: tf.ones([4, 3])),
        "rank": tf.cond(p, lambda: tf.ones([2]), lambda: tf.ones([2, 3])),
        "same": tf.cond(p, lambda: tf.ones([2]), lambda: tf.zeros([2])),
    }
    return _both(tf, p, fetches, {})


@case("cond/variables")
def cond_variables(tf: Any, np: Any) -> Program:
    """Only the branch taken has effects; gradients reach variables that are read in a branch."""
    p = tf.placeholder(tf.bool, [])
    v, w = tf.get_variable("v", [2]), tf.get_variable("w", [2])
    y = tf.cond(p, lambda: v * 2.0, lambda: w * 3.0)
    count = tf.Variable(0.0, trainable=False)
    moved = tf.cond(p, lambda: tf.assign_add(count, 1.0), lambda: tf.assign_sub(count, 10.0))

    def script(session: Any) -> dict[str, Any]:
        results = {}
        grads = tf.gradients(y, [v, w])
        for i, value in enumerate((True, False, True)):
            got = session.run([y, moved, *grads], {p: value})
            results.update({f"{name}/{i}": g for name, g in zip(("y", "moved", "dv", "dw"), got, strict=True)})
        results["count"] = session.run(count)
        return results

    return Program(script=script)


@case("cond/nested-and-smart")
def cond_nested(tf: Any, np: Any) -> Program:
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [])
    y = tf.cond(p, lambda: tf.cond(x > 0.0, lambda: x, lambda: -x), lambda: tf.constant(9.0))
    fetches = {
        "nested": y,
        "comparison": tf.cond(tf.less(x, 1.0), lambda: x + 10.0, lambda: x - 10.0),
        "python": tf.cond(tf.constant(True), lambda: x, lambda: x * 2.0),
        **gradients_of(tf, [y], {"x": x}),
    }
    return _both(tf, p, fetches, {x: -3.0})


@case("case")
def case_function(tf: Any, np: Any) -> Program:
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [])
    fetches = {
        "list": tf.case([(x < 0.0, lambda: x * 2.0), (p, lambda: x * 3.0)], default=lambda: x * 5.0),
        "exclusive": tf.case({p: lambda: x + 1.0}, default=lambda: x - 1.0, exclusive=True),
    }
    return _both(tf, p, fetches, {x: 2.0})


@case("cond/error-not-callable", must_fail=True)
def cond_not_callable(tf: Any, np: Any) -> Program:
    tf.cond(tf.constant(True), tf.constant(1), tf.constant(2))
    return Program()


@case("cond/error-dtypes", must_fail=True)
def cond_dtypes(tf: Any, np: Any) -> Program:
    p = tf.placeholder(tf.bool, [])
    tf.cond(p, lambda: tf.constant(1), lambda: tf.constant(2.0))
    return Program()


@case("cond/error-structure", must_fail=True)
def cond_structure(tf: Any, np: Any) -> Program:
    p = tf.placeholder(tf.bool, [])
    tf.cond(p, lambda: (tf.constant(1), tf.constant(2)), lambda: tf.constant(2))
    return Program()


@case("cond/error-python-bool", must_fail=True)
def cond_python(tf: Any, np: Any) -> Program:
    tf.cond(True, lambda: tf.constant(1), lambda: tf.constant(2))
    return Program()


# Loops ----------------------------------------------------------------------------------------------------------------


@case("while/count")
def while_count(tf: Any, np: Any) -> Program:
    n = tf.placeholder(tf.int32, [])
    total = tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + i), (0, 0))
    return Program({"result": total}, {n: 5})


@case("while/gradient")
def while_gradient(tf: Any, np: Any) -> Program:
    x, w = tf.placeholder(tf.float32, [2, 3]), tf.get_variable("w", [3, 3])
    n = tf.placeholder(tf.int32, [])

    def body(i: Any, h: Any) -> Any:
        return i + 1, tf.tanh(tf.matmul(h, w) + x)

    _, h = tf.while_loop(lambda i, h: tf.less(i, n), body, [tf.constant(0), x])
    return Program({"h": h, **gradients_of(tf, [h], {"x": x, "w": w})}, {x: fixed("x", [2, 3]), n: 4})


@case("while/no-iterations")
def while_none(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [3])
    _, y = tf.while_loop(lambda i, y: i < 0, lambda i, y: (i + 1, y * 2.0), [tf.constant(0), x])
    return Program({"y": y, **gradients_of(tf, [y], {"x": x})}, {x: fixed("x", [3])})


@case("while/shape-invariants")
def while_shapes(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [1, 2])
    _, y = tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, tf.concat([y, y], 0)),
        [tf.constant(0), x],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 2])],
    )
    return Program({"y": y, **gradients_of(tf, [y], {"x": x})}, {x: fixed("x", [1, 2])})


@case("while/shape-error", must_fail=True)
def while_shape_error(tf: Any, np: Any) -> Program:
    tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.concat([y, y], 0)), [tf.constant(0), tf.ones([1, 2])])
    return Program()


@case("while/nest-and-single")
def while_nest(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [2])
    fetches = {
        "single": tf.while_loop(lambda i: i < 10, lambda i: i * 2 + 1, [tf.constant(0)]),
        "nest": tf.while_loop(
            lambda i, s: i < 2, lambda i, s: (i + 1, {"a": s["a"] + x, "b": (s["b"][0] * 2,)}), (0, {"a": x, "b": (1,)})
        ),
        "list": tf.while_loop(lambda i, s: i < 2, lambda i, s: [i + 1, s * 2.0], [0, x]),
        "maximum": tf.while_loop(lambda i: True, lambda i: i + 1, [tf.constant(0)], maximum_iterations=7),
    }
    return Program(fetches, {x: fixed("x", [2])})


@case("while/data-dependent")
def while_data(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [3])
    y, n = tf.while_loop(
        lambda y, n: tf.reduce_sum(tf.abs(y)) < 10.0, lambda y, n: (y * 2.0, n + 1), [x, tf.constant(0)]
    )
    return Program({"y": y, "n": n, **gradients_of(tf, [y], {"x": x})}, {x: fixed("x", [3])})


@case("while/TensorArray")
def while_tensor_array(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [4, 2])
    source = tf.TensorArray(tf.float32, size=4, clear_after_read=False).unstack(x)
    target = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)

    def body(i: Any, total: Any, array: Any) -> Any:
        total = total + source.read(i)
        return i + 1, total, array.write(i, total * 2.0)

    _, total, target = tf.while_loop(lambda i, *_: i < 4, body, [tf.constant(0), tf.zeros([2]), target])
    y = target.stack()
    fetches = {
        "y": y,
        "total": total,
        "size": target.size(),
        "gather": target.gather([2, 0]),
        "concat": source.concat(),
    }
    return Program({**fetches, **gradients_of(tf, [y], {"x": x})}, {x: fixed("x", [4, 2])})


@case("while/error-structure", must_fail=True)
def while_structure(tf: Any, np: Any) -> Program:
    tf.while_loop(lambda i, j: i < 3, lambda i, j: i + 1, [tf.constant(0), tf.constant(0)])
    return Program()


@case("while/error-no-variables", must_fail=True)
def while_empty(tf: Any, np: Any) -> Program:
    tf.while_loop(lambda: True, lambda: [], [])
    return Program()


@case("functional")
def functional(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [4, 2])
    mapped = tf.map_fn(lambda row: row * row + 1.0, x)
    scanned = tf.scan(lambda a, row: a * 0.5 + row, x, initializer=tf.zeros([2]))
    fetches = {
        "map": mapped,
        "map dtype": tf.map_fn(lambda row: tf.argmax(row), x, dtype=tf.int64),
        "map two": tf.map_fn(lambda pair: pair[0] + pair[1], (x, 2.0 * x), dtype=tf.float32),
        "scan": scanned,
        "scan no initializer": tf.scan(lambda a, row: a + row, x),
        "foldl": tf.foldl(lambda a, row: a - row, x),
        "foldr": tf.foldr(lambda a, row: a - row, x),
        **gradients_of(tf, [mapped, scanned], {"x": x}),
    }
    return Program(fetches, {x: fixed("x", [4, 2])})
