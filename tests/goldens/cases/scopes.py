"""Name scopes, variable scopes, reuse, uniquifying, collections, and finding things in a graph by name."""

from __future__ import annotations

from typing import Any

from goldens.cases.names import named


@named("name-scope")
def name_scope(tf: Any, np: Any) -> Any:
    things = []
    with tf.name_scope("a") as first:
        things += [first, tf.constant(1), tf.placeholder(tf.float32, name="p")]
        with tf.name_scope("b") as inner:
            things += [inner, tf.constant(1), tf.Variable(1.0, name="v"), tf.get_variable("g", [1])]
    with tf.name_scope("a") as second:
        things += [second, tf.constant(1), tf.constant(1, name="constant")]
    with tf.name_scope(first) as again:
        things += [again, tf.constant(1), tf.constant(1)]
    with tf.name_scope(None) as nothing:
        things += [nothing, tf.constant(1)]
    with tf.name_scope("") as empty:
        things += [empty, tf.constant(1)]
    with tf.name_scope("outer"), tf.name_scope(None), tf.name_scope("top"):
        things.append(tf.constant(1))
    with tf.name_scope("x", "default", [1]) as a, tf.name_scope(None, "default", []) as b:
        things += [a, b]
    graph = tf.get_default_graph()
    things += [graph.unique_name("a"), graph.unique_name("fresh"), graph.unique_name("fresh"), graph.get_name_scope()]
    return [str(thing) for thing in things]


@named("case-insensitive-uniquifying")
def uniquifying(tf: Any, np: Any) -> Any:
    names = ["a", "a", "A", "a_1", "a", "b/c", "b/c", "b", "a_1"]
    return [tf.constant(0, name=name) for name in names]


@named("variable-scope")
def variable_scope(tf: Any, np: Any) -> Any:
    things: list[Any] = []
    with tf.variable_scope("a") as scope:
        things += [
            scope.name,
            scope.original_name_scope,
            scope.reuse,
            tf.get_variable("v", [1]).name,
            tf.constant(1).name,
        ]
        with tf.variable_scope("b") as inner:
            things += [inner.name, tf.get_variable("v", [1]).name, tf.Variable(0.0).name, tf.constant(1).name]
            things.append(tf.get_variable_scope().name)
    with tf.variable_scope("a", reuse=True) as second:
        things += [
            second.name,
            second.original_name_scope,
            second.reuse,
            tf.get_variable("v").name,
            tf.constant(1).name,
        ]
    with tf.variable_scope(scope, reuse=True) as third:
        things += [third.name, third.original_name_scope, tf.get_variable("v").name, tf.constant(1).name]
    with tf.variable_scope("other"), tf.variable_scope(scope) as fourth:
        things += [fourth.name, fourth.original_name_scope, fourth.reuse, tf.constant(1).name]
    with tf.variable_scope("a") as fifth:
        things += [fifth.name, tf.get_variable("w", [1]).name, tf.constant(1).name, tf.Variable(0.0).name]
    with tf.variable_scope(scope, auxiliary_name_scope=False):
        things.append(tf.constant(1).name)
    things += [tf.get_variable_scope().name, tf.get_variable_scope().reuse, [v.name for v in tf.global_variables()]]
    return [str(thing) for thing in things]


@named("default-name-scope")
def default_name(tf: Any, np: Any) -> Any:
    things = []
    for _ in range(3):
        with tf.variable_scope(None, "layer") as scope:
            things += [scope.name, tf.get_variable("w", [1]).name, tf.constant(1).name]
    with tf.variable_scope("model"):
        for _ in range(2):
            with tf.variable_scope(None, default_name="layer") as scope:
                things += [scope.name, tf.get_variable("w", [1]).name, tf.constant(1).name]
    with tf.variable_scope("layer_5") as scope:
        things.append(scope.name)
    with tf.variable_scope(None, "layer") as scope:
        things.append(scope.name)
    with tf.variable_scope("named", default_name="unused") as scope:
        things.append(scope.name)
    return [str(thing) for thing in things]


@named("re-entered-scope-counts")
def re_entered(tf: Any, np: Any) -> Any:
    """Entering a scope object again restores, on the way out, which default names below it are taken."""
    things = []
    with tf.variable_scope("model") as model:
        with tf.variable_scope(None, "layer") as scope:
            things.append(scope.name)
        with tf.variable_scope(model), tf.variable_scope(None, "layer") as scope:
            things.append(scope.name)
        with tf.variable_scope(None, "layer") as scope:
            things.append(scope.name)
    with tf.variable_scope(tf.get_variable_scope()), tf.variable_scope(None, "top") as scope:
        things.append(scope.name)
    with tf.variable_scope(None, "top") as scope:
        things.append(scope.name)
    with tf.variable_scope("model"), tf.variable_scope(None, "layer") as scope:
        things.append(scope.name)
    return [str(thing) for thing in things]


@named("mixed-scopes")
def mixed_scopes(tf: Any, np: Any) -> Any:
    things = []
    with tf.name_scope("n"), tf.variable_scope("v") as scope:
        things += [tf.get_variable("x", [1]).name, tf.constant(1).name, scope.original_name_scope]
        with tf.name_scope("m"):
            things += [tf.get_variable("y", [1]).name, tf.Variable(0.0).name, tf.constant(1).name]
    with tf.variable_scope("v"):
        things += [tf.get_variable("z", [1]).name, tf.constant(1).name, tf.Variable(0.0, name="z").name]
    with tf.variable_scope("w", dtype=tf.float64, initializer=tf.constant_initializer(3.0)) as scope:
        v = tf.get_variable("x", [1])
        things += [v, scope.dtype, v.initial_value.name]
        with tf.variable_scope("inner"):
            things.append(tf.get_variable("x", [1]))
        scope.set_initializer(tf.zeros_initializer())
        things.append(tf.get_variable("y", [2]))
    return [str(thing) for thing in things]


@named("reuse-names")
def reuse_names(tf: Any, np: Any) -> Any:
    things = []
    for _ in range(2):
        with tf.variable_scope("shared", reuse=tf.AUTO_REUSE):
            v = tf.get_variable("v", [2])
            things += [v, v + 1.0, tf.get_variable_scope().reuse is tf.AUTO_REUSE]
    with tf.variable_scope("shared"):
        tf.get_variable_scope().reuse_variables()
        things += [tf.get_variable("v"), tf.get_variable_scope().reuse]
        with tf.variable_scope("inner"):
            things.append(tf.get_variable_scope().reuse)
    things.append(tf.get_variable_scope().reuse)
    return [str(thing) for thing in things]


@named("collections")
def collections(tf: Any, np: Any) -> Any:
    with tf.variable_scope("a"):
        tf.get_variable("x", [1])
        tf.get_variable("y", [1], trainable=False)
        tf.get_variable("z", [1], collections=["mine", tf.GraphKeys.GLOBAL_VARIABLES])
    with tf.variable_scope("ab"):
        tf.get_variable("x", [1], regularizer=lambda v: tf.reduce_sum(v * v, name="penalty"))
    tf.add_to_collection("losses", tf.constant(1.0, name="one"))
    tf.add_to_collection("losses", 2)
    tf.add_to_collection("losses", 2)
    keys = [key for key in dir(tf.GraphKeys) if key.isupper()]
    return [
        str(thing)
        for thing in (
            tf.get_collection("losses"),
            tf.get_collection("nothing"),
            tf.get_collection("mine"),
            tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope="a"),
            tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, "a/"),
            len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)),
            tf.trainable_variables("ab"),
            tf.global_variables(scope="a/x"),
            [(key, getattr(tf.GraphKeys, key)) for key in keys if key.endswith(("VARIABLES", "LOSSES", "OPS", "STEP"))],
        )
    ]


@named("graph-lookup")
def graph_lookup(tf: Any, np: Any) -> Any:
    x = tf.placeholder(tf.float32, [2], name="x")
    with tf.name_scope("s"):
        y = tf.split(x, 2, name="parts")
    z = tf.add(x, 1.0, name="z")
    graph = tf.get_default_graph()
    things = [
        graph.get_tensor_by_name("s/parts:1"),
        graph.get_operation_by_name("z").name,
        graph.as_graph_element("x") is x.op,
        graph.as_graph_element("x:0"),
        graph.as_graph_element(y[0]) is y[0],
        x.op.name,
        x.op.type,
        x.graph is graph,
        z.op.inputs[0].name,
        [t.name for t in z.op.inputs],
        [t.name for t in y[0].op.outputs],
        y[1].value_index,
        z.op.node_def.name,
        [c.name for c in x.consumers()],
        [op.name for op in graph.get_operations()],
        y[1].device,
        hash(x) == hash(x),
        x == z,
        x in [z, x],
        len({x: 1, z: 2}),
    ]
    return [str(thing) for thing in things]


@named("session-and-graph")
def graphs(tf: Any, np: Any) -> Any:
    things = []
    outer = tf.get_default_graph()
    graph = tf.Graph()
    with graph.as_default():
        things += [tf.constant(1).name, tf.get_default_graph() is graph, tf.constant(2).name]
    things += [tf.get_default_graph() is outer, tf.constant(1).name, tf.constant(1).graph is outer]
    with graph.as_default():
        things.append(tf.constant(3).name)
    session = tf.Session(graph=graph)
    things += [session.graph is graph, tf.get_default_session() is None]
    with session.as_default():
        things += [tf.get_default_session() is session, tf.get_default_graph() is graph]
    with session:
        things += [tf.get_default_session() is session, tf.get_default_graph() is graph]
    return [str(thing) for thing in things]
