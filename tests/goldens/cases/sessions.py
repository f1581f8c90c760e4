"""State and sessions: variables, control dependencies, feeding, fetching, evaluation, random operations."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, fixed, flatten, gradients_of

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
            results = {
                "eval": y.eval({x: [3.0, 4.0]}),
                "variable": v.eval(),
                "keyword": y.eval(feed_dict={x: [1.0, 1.0]}),
            }
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


@case("session/interactive")
def interactive(tf: Any, np: Any) -> Program:
    """An InteractiveSession is the default session from when it is made until it is closed."""
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable([1.0, 2.0], trainable=False)
    y = x * v

    def script(session: Any) -> dict[str, Any]:
        own = tf.InteractiveSession(config=tf.ConfigProto(allow_soft_placement=True))
        tf.global_variables_initializer().run()
        results = {"y": y.eval({x: [3.0, 4.0]}), "default": np.array(tf.get_default_session() is own)}
        tf.assign_add(v, [1.0, 1.0]).eval()
        results["v"] = own.run(v)
        own.close()
        return results

    return Program(script=script)


@case("session/config")
def config(tf: Any, np: Any) -> Program:
    """The options that programs set before they make a session."""
    options = tf.ConfigProto(
        allow_soft_placement=True,
        log_device_placement=False,
        intra_op_parallelism_threads=1,
        inter_op_parallelism_threads=1,
    )
    options.gpu_options.allow_growth = True
    options.gpu_options.per_process_gpu_memory_fraction = 0.5
    other = tf.ConfigProto(gpu_options=tf.GPUOptions(per_process_gpu_memory_fraction=0.25), device_count={"GPU": 0})
    one = tf.constant(1.0)

    def script(session: Any) -> dict[str, Any]:
        with tf.Session(config=options) as first, tf.Session("", tf.get_default_graph(), config=other) as second:
            return {"first": first.run(one), "second": second.run(one + 1.0)}

    facts = {
        "growth": options.gpu_options.allow_growth,
        "fraction": other.gpu_options.per_process_gpu_memory_fraction,
        "soft": options.allow_soft_placement,
    }
    return Program(script=script, facts=facts)


@case("session/graphs-and-seeds")
def graphs_and_seeds(tf: Any, np: Any) -> Program:
    """Seeds make what is drawn reproducible, in every graph and session of its own."""

    def draw(graph_seed: int | None, op_seed: int | None) -> Any:
        with tf.Graph().as_default():
            if graph_seed is not None:
                tf.set_random_seed(graph_seed)
            one, two = tf.random_uniform([8], seed=op_seed), tf.random_normal([8], seed=op_seed)
            with tf.Session() as own:
                return np.stack([*own.run([one, two]), *own.run([one, two])])

    facts = {
        "graph seed repeats": bool((draw(1, None) == draw(1, None)).all()),
        "graph seeds differ": bool((draw(1, None) != draw(2, None)).any()),
        "op seed repeats": bool((draw(None, 3) == draw(None, 3)).all()),
        "op seeds differ": bool((draw(None, 3) != draw(None, 4)).any()),
        "both repeat": bool((draw(5, 6) == draw(5, 6)).all()),
        "runs differ": bool((draw(1, 1)[0] != draw(1, 1)[2]).any()),
        "operations differ": bool((draw(1, None)[0] != draw(1, None)[1]).any()),
    }
    return Program(facts=facts)


@case("session/random-initializers", load=False)
def random_initializers(tf: Any, np: Any) -> Program:
    """Bounds, spread and structure of what random initializers draw, as facts that hold for every good stream."""
    shape = [60, 40]
    glorot = (6 / 100) ** 0.5
    initializers = {
        "default": (None, glorot, glorot / 3**0.5),
        "glorot_uniform": (tf.glorot_uniform_initializer(), glorot, glorot / 3**0.5),
        "uniform": (tf.random_uniform_initializer(-0.25, 0.25), 0.25, 0.25 / 3**0.5),
        "uniform_unit": (tf.random_uniform_initializer(), 1.0, 1 / 3**0.5),
        "truncated": (tf.truncated_normal_initializer(stddev=0.5), 1.0, 0.5 * 0.87962566),
        "normal": (tf.random_normal_initializer(stddev=0.5), 4.0, 0.5),
        "glorot_normal": (tf.glorot_normal_initializer(), 2 * 0.02**0.5 / 0.87962566, 0.02**0.5),
        "scaling": (tf.variance_scaling_initializer(2.0), 2 * (2 / 60) ** 0.5 / 0.87962566, (2 / 60) ** 0.5),
        "unit_scaling": (tf.uniform_unit_scaling_initializer(), (3 / 60) ** 0.5, (1 / 60) ** 0.5),
        "orthogonal": (tf.orthogonal_initializer(gain=2.0), 2.0, 2 / 60**0.5),
    }
    made = {name: tf.get_variable(name, shape, initializer=i) for name, (i, _, _) in initializers.items()}

    def script(session: Any) -> dict[str, Any]:
        session.run(tf.global_variables_initializer())
        told = {}
        for name, value in session.run(made).items():
            _, bound, spread = initializers[name]
            centred = (value**2).mean() ** 0.5 if name == "uniform_unit" else value.std()
            told[f"{name} bounded"] = bool(np.abs(value).max() <= bound * 1.0001)
            told[f"{name} spread"] = bool(abs(centred / spread - 1) < 0.15)
        square = session.run(tf.matmul(made["orthogonal"], made["orthogonal"], transpose_a=True))
        told["orthogonal columns"] = bool(np.abs(square - 4 * np.eye(40)).max() < 1e-4)
        return {name: np.array(value) for name, value in told.items()}

    return Program(script=script)


@case("session/multinomial")
def multinomial(tf: Any, np: Any) -> Program:
    logits = tf.log([[0.7, 0.3, 1e-30], [1e-30, 1e-30, 1.0]])
    drawn = tf.multinomial(logits, 2000)

    def script(session: Any) -> dict[str, Any]:
        got = session.run(drawn)
        return {
            "shape": np.array(got.shape),
            "frequency": np.array(abs((got[0] == 0).mean() - 0.7) < 0.08),
            "impossible": np.array((got[0] == 2).any()),
            "certain": np.array((got[1] == 2).all()),
        }

    return Program(facts={"dtype": drawn.dtype.name, "static": str(drawn.get_shape())}, script=script)


@case("session/error-objects")
def error_objects(tf: Any, np: Any) -> Program:
    """What a program finds on an error it catches."""
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.reshape(x, [2], name="y")
    v = tf.get_variable("v", [1], trainable=False)
    read = tf.identity(v, name="read_v")

    def script(session: Any) -> dict[str, Any]:
        told = {}
        fresh = tf.Session()
        for name, fetch, feeds, kind in (
            ("reshape", y, {x: [1.0]}, tf.errors.InvalidArgumentError),
            ("forgotten", y, None, tf.errors.InvalidArgumentError),
            ("uninitialized", read, None, tf.errors.FailedPreconditionError),
        ):
            try:
                fresh.run(fetch, feeds)
            except tf.errors.OpError as error:
                told[f"{name} class"] = isinstance(error, kind)
                told[f"{name} operation"] = (
                    error.op.name if name != "uninitialized" else error.op.type in ("Identity", "VariableV2")
                )
                told[f"{name} code"] = error.error_code
                told[f"{name} message"] = isinstance(error.message, str)
        return {name: np.array(value) for name, value in told.items()}

    return Program(script=script)


@case("session/old-names")
def old_names(tf: Any, np: Any) -> Program:
    """Names that TensorFlow 1 kept from before."""
    v = tf.get_variable("v", [2])
    step = tf.train.get_or_create_global_step()
    count = tf.assign_add(step, 1)
    tf.get_collection_ref("mine").append(v)
    tf.add_to_collections(["mine", "yours"], step)

    def script(session: Any) -> dict[str, Any]:
        session.run(count)
        return {"step": np.array(tf.train.global_step(session, step)), "again": session.run(step)}

    facts = {
        "all": [x.name for x in tf.all_variables()],
        "global step": tf.train.get_global_step() is step,
        "dtype": step.dtype.base_dtype.name,
        "mine": [x.name for x in tf.get_collection("mine")],
        "yours": len(tf.get_collection("yours")),
        "initializer": tf.initialize_all_variables().name,
    }
    return Program(facts=facts, script=script)


@case("session/assertions")
def assertions(tf: Any, np: Any) -> Program:
    x = tf.placeholder(tf.float32, [2])
    checks = [
        tf.assert_less_equal(x, 2.0),
        tf.assert_greater_equal(x, 1.0),
        tf.assert_less(x, 3.0),
        tf.assert_greater(x, 0.0),
        tf.assert_positive(x),
        tf.assert_rank(x, 1),
    ]
    with tf.control_dependencies(checks):
        y = tf.identity(x)
    return Program({"y": y}, {x: [1.0, 2.0]})
