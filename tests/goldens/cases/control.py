"""Control flow, state and sessions: cond, loops, dependencies, variables, feeding and fetching."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, fixed, flatten, gradients_of

# Branches -------------------------------------------------------------------------------------------------------------


def _both(tf: Any, predicate: Any, fetches: dict[str, Any], feeds: dict[Any, Any]) -> Program:
    """Fetch everything with the predicate true and with it false."""

    def script(session: Any) -> dict[str, Any]:
        results = {}
        for value in (True, False):
            got = session.run(fetches, {**feeds, predicate: value})
            for name, nest in got.items():
                if nest is not None:
                    results.update((f"{value}/{path}", leaf) for path, leaf in flatten(nest, name))
        return results

    shapes = {name: str(leaf.get_shape()) for name, leaf in flatten(fetches, "") if "grad/" not in name and leaf is not None}
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
            results.update({f"{name}/{i}": g for name, g in zip("y moved dv dw".split(), got, strict=True)})
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
    y, n = tf.while_loop(lambda y, n: tf.reduce_sum(tf.abs(y)) < 10.0, lambda y, n: (y * 2.0, n + 1), [x, tf.constant(0)])
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
    fetches = {"y": y, "total": total, "size": target.size(), "gather": target.gather([2, 0]), "concat": source.concat()}
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


# Variables and order --------------------------------------------------------------------------------------------------


@case("variables/arithmetic")
def variable_arithmetic(tf: Any, np: Any) -> Program:
    v = tf.get_variable("v", [2, 3])
    s = tf.Variable(2.0, trainable=False, name="s")
    fetches = {
        "operators": [v + 1.0, 1.0 - v, v * s, v / 2.0, -v, abs(v), v**2, v // 0.5, v % 0.5, v > 0.0],
        "index": [v[0], v[:, 1], v[-1, :2]],
        "functions": [tf.reduce_sum(v), tf.matmul(v, v, transpose_b=True), tf.transpose(v), tf.shape(v)],
        "values": [v, v.value(), v.read_value(), tf.identity(v), tf.convert_to_tensor(v)],
    }
    return Program(fetches, facts={"shape": v.get_shape().as_list(), "shape attribute": str(v.shape)})


@case("variables/assign", load=False)
def assign(tf: Any, np: Any) -> Program:
    v = tf.Variable([1.0, 2.0])
    n = tf.Variable(0, dtype=tf.int64)
    set_v, add_v, sub_v = tf.assign(v, [5.0, 6.0]), tf.assign_add(v, [1.0, 1.0]), v.assign_sub([0.5, 0.5])
    count = n.assign_add(1)

    def script(session: Any) -> dict[str, Any]:
        results = {"initial": session.run(v)}
        for i, op in enumerate([add_v, set_v, sub_v, add_v, count, count]):
            results[f"returned/{i}"] = session.run(op)
        results["v"], results["n"] = session.run([v, n])
        session.run(set_v.op)
        results["after op"] = v.eval(session)
        v.load([7.0, 8.0], session)
        results["loaded"] = v.eval(session=session)
        session.run(v.initializer)
        results["again"] = session.run("Variable:0")
        return results

    return Program(script=script)


@case("variables/initial-values", load=False)
def initial_values(tf: Any, np: Any) -> Program:
    a = tf.Variable(tf.fill([2], 3.0), name="a")
    b = tf.Variable(a.initialized_value() * 2.0, name="b")
    tf.Variable(a * 3.0, name="by_itself")
    c = tf.get_variable("c", initializer=tf.constant([1, 2]))
    d = tf.get_variable("d", [2], initializer=tf.constant_initializer([4.0, 5.0]))
    e = tf.get_variable("e", initializer=np.array([[6.0]], np.float32))
    f = tf.get_variable("f", [2, 2], tf.int32, tf.ones_initializer())
    g = tf.get_variable("g", [2, 2], initializer=tf.constant_initializer([[1.0, 2.0], [3.0, 4.0]]))
    h = tf.Variable(True, name="h")
    i = tf.Variable([[1, 2]], dtype=tf.float64, name="i", trainable=False)
    return Program({"values": [a, b, c, d, e, f, g, h, i]})


@case("variables/scatter", load=False)
def scatter(tf: Any, np: Any) -> Program:
    v = tf.Variable(np.zeros([4, 2], np.float32))
    update = tf.scatter_update(v, [1, 3], [[1.0, 2.0], [3.0, 4.0]])
    add = tf.scatter_add(v, [1, 1], [[1.0, 1.0], [1.0, 1.0]])
    sub = tf.scatter_sub(v, [3], [[1.0, 1.0]])

    def script(session: Any) -> dict[str, Any]:
        return {str(i): session.run(op) for i, op in enumerate((update, add, sub, v))}

    return Program(script=script)


@case("dependencies/order", load=False)
def order(tf: Any, np: Any) -> Program:
    """What control dependencies put after what; reads made outside see the value of their own moment."""
    v = tf.Variable(1.0)
    double = tf.assign(v, v * 2.0)
    with tf.control_dependencies([double]):
        add = tf.assign_add(v, 10.0)
        with tf.control_dependencies([add]):
            last = v.read_value() * 1.0
            nothing = tf.no_op()
    grouped = tf.group(tf.assign_add(v, 1.0), tf.no_op())
    with tf.control_dependencies([double]), tf.control_dependencies(None):
        free = tf.constant(3.0)

    def script(session: Any) -> dict[str, Any]:
        results = {"last": session.run(last)}
        results["nothing is None"] = np.array(session.run(nothing) is None)
        results["v"] = session.run(v)
        session.run(grouped)
        results["free"] = session.run(free)
        results["grouped"] = session.run(v)
        return results

    return Program(script=script)


@case("dependencies/train-then-average", load=False)
def train_then(tf: Any, np: Any) -> Program:
    """The usual pattern: step, then something that must see the new value."""
    v = tf.Variable([1.0, -2.0])
    step = tf.train.GradientDescentOptimizer(0.25).minimize(tf.reduce_sum(v * v))
    with tf.control_dependencies([step]):
        after = tf.identity(v.read_value())
        train = tf.group(tf.no_op())

    def script(session: Any) -> dict[str, Any]:
        results = {f"after/{i}": session.run(after) for i in range(3)}
        session.run(train)
        results["v"] = session.run(v)
        return results

    return Program(script=script)


@case("dependencies/tuple")
def tuple_function(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [2])
    a, b = tf.tuple([x + 1.0, x * 2.0])
    return Program({"a": a, "b": b, "with": tf.group(a, b)}, {x: fixed("x", [2])})


@case("variables/is-initialized", initialise=False)
def is_initialized(tf: Any, np: Any) -> Program:
    v, w = tf.Variable([1.0, 2.0], name="v"), tf.Variable([3], name="w")
    report = tf.report_uninitialized_variables()
    flags = tf.is_variable_initialized(v)

    def script(session: Any) -> dict[str, Any]:
        results = {"before": session.run(report), "flag before": session.run(flags)}
        session.run(tf.variables_initializer([v]))
        results["between"], results["flag"] = session.run([report, flags])
        session.run(w.initializer)
        results["after"] = session.run(tf.size(report))
        return results

    return Program(script=script)


# Sessions -------------------------------------------------------------------------------------------------------------


@case("session/fetch-structures")
def fetch_structures(tf: Any, np: Any) -> Program:
    import collections

    point = collections.namedtuple("point", "x y")
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.add(x, 1.0, name="y")
    feeds = {x: [1.0, 2.0]}

    def script(session: Any) -> dict[str, Any]:
        one, two = session.run([y, [x, (y,)]], feeds), session.run({"a": y, "b": {"c": x}}, feeds)
        three = session.run(point(x, [y]), feeds)
        names = session.run(["y:0", "x:0"], feeds)
        op = session.run(["y", tf.no_op()], feeds)
        single = session.run("y:0", {"x:0": [5.0, 6.0]})
        empty = session.run([])
        types = [type(one), type(one[1]), type(one[1][1]), type(two), type(three), type(single), type(empty)]
        results = {"types": np.array([kind.__name__ for kind in types]), "nothing": np.array([v is None for v in op])}
        for name, nest in {"one": one, "two": two, "three": three, "names": names, "single": single}.items():
            results.update(flatten(nest, name))
        scalar = session.run(tf.reduce_sum(y), feeds)
        results["scalar type"] = np.array(type(scalar).__name__)
        return results

    return Program(script=script)


@case("session/feed-forms")
def feed_forms(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    n = tf.placeholder(tf.int32, [], name="n")
    d = tf.placeholder_with_default([1.0, 2.0], [2], name="d")
    middle = tf.identity(x * 2.0, name="middle")
    v = tf.Variable([7.0, 8.0], name="v", trainable=False)
    out = middle + d
    total = tf.reduce_sum(v * d)
    constant = tf.constant(2.0, name="constant")

    def script(session: Any) -> dict[str, Any]:
        data = [[1, 2], [3, 4]]
        return {
            "list": session.run(out, {x: data}),
            "float64 array": session.run(out, {x: np.array(data, np.float64)}),
            "int array": session.run(out, {x: np.array(data)}),
            "python scalars": session.run(n * 2, {n: 3}),
            "numpy scalar": session.run(n * 2, {n: np.int64(3)}),
            "fraction for an int": session.run(n * 2, {n: 1.75}),
            "float that is whole": session.run(out, feed_dict={x: [(1, 2.5)], d: (0, 0)}),
            "default fed": session.run(out, {x: data, d: [10, 20]}),
            "intermediate": session.run(out, {middle: [[5.0, 6.0]]}),
            "by name": session.run(out, {"middle:0": [[5.0, 6.0]]}),
            "constant": session.run(constant * 3.0, {constant: 5.0}),
            "variable read": session.run(total, {v: [1.0, 1.0]}),
            "variable kept": session.run(v),
            "fetch what is fed": session.run(x, {x: data}),
            "empty batch": session.run(out, {x: np.zeros([0, 2])}),
            "pair": session.run(tf.stack([n, n + 1]), {(n): 4}),
        }

    return Program(script=script)


@case("session/eval-and-default")
def evaluate(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable([1.0, 2.0], trainable=False)
    y = x * v
    init = tf.global_variables_initializer()

    def script(session: Any) -> dict[str, Any]:
        with session.as_default():
            results = {"eval": y.eval({x: [3.0, 4.0]}), "variable": v.eval(), "keyword": y.eval(feed_dict={x: [1.0, 1.0]})}
            tf.assign(v, [5.0, 6.0]).op.run()
            results["changed"] = v.eval()
            init.run()
            results["initialised"] = v.eval()
        results["explicit"] = y.eval({x: [1.0, 1.0]}, session=session)
        other = tf.Session()
        other.run(init)
        session.run(tf.assign_add(v, [1.0, 1.0]))
        results["other session"] = other.run(v)
        results["this session"] = session.run(v)
        other.close()
        return results

    return Program(script=script)


@case("session/random-once-per-run")
def random_once(tf: Any, np: Any) -> Program:
    """A random operation is drawn once a run, whoever reads it; anew at the next run."""
    r = tf.random_uniform([1000])
    n = tf.random_normal([1000])
    t = tf.truncated_normal([1000], stddev=2.0)
    i = tf.random_uniform([1000], 3, 7, tf.int32)
    same = tf.reduce_all(tf.equal(r + 1.0, tf.identity(r) + 1.0))
    shuffled = tf.random_shuffle(tf.range(10))

    def script(session: Any) -> dict[str, Any]:
        first, second, agrees = session.run([r, r * 1.0, same])
        again = session.run(r)
        normal, truncated, whole, order = session.run([n, t, i, shuffled])
        told = {
            "agrees": bool(agrees) and bool((first == second).all()),
            "anew": bool((first != again).any()),
            "unit interval": bool((first >= 0).all() and (first < 1).all()),
            "spread": bool(abs(normal.std() - 1) < 0.2 and abs(normal.mean()) < 0.2),
            "truncated": bool((np.abs(truncated) <= 4.0).all()),
            "range": sorted(set(whole.tolist())) == [3, 4, 5, 6],
            "permutation": sorted(order.tolist()) == list(range(10)),
        }
        return {name: np.array(value) for name, value in told.items()}

    return Program(script=script)


@case("session/py_func")
def py_func(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [2])
    y = tf.py_func(lambda a: a * 2, [x], tf.float32)
    two = tf.py_func(lambda a, b: (a + b, np.int64(a.size)), [x, x], [tf.float32, tf.int64])
    shape = str(y.get_shape())
    y.set_shape([2])
    return Program({"y": y + 1.0, "two": two}, {x: [1.0, 2.0]}, {"shape": shape})


@case("session/print-and-assert")
def print_and_assert(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [2])
    printed = tf.Print(x, [x], "golden: ", first_n=0)
    check = tf.Assert(tf.reduce_all(x > 0.0), [x])
    with tf.control_dependencies([check, tf.assert_equal(tf.shape(x), [2])]):
        y = printed * 2.0
    return Program({"y": y, **gradients_of(tf, [y], {"x": x})}, {x: [1.0, 2.0]})


@case("session/strings")
def strings(tf: Any, np: Any) -> Program:
    s = tf.placeholder(tf.string, [None])
    fetches = {
        "constant": tf.constant(["a", "bc"]),
        "fed": tf.identity(s),
        "equal": tf.equal(s, "x"),
        "joined": tf.string_join([s, s], "-"),
    }
    return Program(fetches, {s: ["x", "yz"]})


@case("nest")
def nest(tf: Any, np: Any) -> Program:
    structure = {"b": (1, [2, 3]), "a": 4}
    packed = tf.nest.pack_sequence_as(structure, [10, 20, 30, 40])
    facts = {
        "flatten": tf.nest.flatten(structure),
        "packed": packed,
        "map": tf.nest.map_structure(lambda x: x + 1, structure),
        "single": tf.nest.flatten(7),
        "string": tf.nest.flatten("abc"),
        "none": tf.nest.flatten([None, 1]),
    }
    return Program(facts=facts)
