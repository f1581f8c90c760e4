"""What is printed: names, static shapes, str and repr of tensors, variables and operations."""

from __future__ import annotations

from typing import Any

from goldens.harness import Program, case, flatten


def told(*things: Any) -> dict[str, Any]:
    """str and repr of every leaf of ``things``, in order (of operations repr: their str is all they are)."""
    leaves = [leaf for _, leaf in flatten(list(things), "")]
    printed = [repr(leaf) if hasattr(leaf, "node_def") else str(leaf) for leaf in leaves]
    return {"str": printed, "repr": [repr(leaf) for leaf in leaves]}


def named(name: str) -> Any:
    """Register a function that returns a nest of things as a case about how these print."""

    def register(function: Any) -> Any:
        def program(tf: Any, np: Any) -> Program:
            return Program(facts=told(function(tf, np)))

        program.__module__ = function.__module__
        case(f"print/{name}", initialise=False)(program)
        return function

    return register


# Plain tensors --------------------------------------------------------------------------------------------------------


@named("placeholders")
def placeholders(tf: Any, np: Any) -> Any:
    return [
        tf.placeholder(tf.float32),
        tf.placeholder(tf.float32, []),
        tf.placeholder(tf.int32, [None]),
        tf.placeholder(tf.int64, [None, 3]),
        tf.placeholder(tf.float64, (2, 3), "named"),
        tf.placeholder(tf.bool, shape=None, name="named"),
        tf.placeholder(tf.string, [1], name="named"),
        tf.placeholder("float", [None, 784], name="x"),
        tf.placeholder(tf.float16, tf.TensorShape([None, 2])),
        tf.placeholder_with_default(1.0, []),
        tf.placeholder_with_default(np.zeros([2, 2]), [None, 2], name="default"),
    ]


@named("constants")
def constants(tf: Any, np: Any) -> Any:
    return [
        tf.constant(1),
        tf.constant(1.0),
        tf.constant([1, 2, 3]),
        tf.constant([[1.0, 2.0]], name="matrix"),
        tf.constant(np.zeros([2, 3])),
        tf.constant(np.zeros([2, 3], np.float32)),
        tf.constant(0.5, shape=[2, 2]),
        tf.constant([1, 2], tf.float64),
        tf.constant(True),
        tf.constant("text"),
        tf.constant(["a", "b"]),
        tf.convert_to_tensor([1.5]),
        tf.convert_to_tensor(np.arange(3)),
        tf.zeros([2, 3]),
        tf.ones([2, 3], tf.int32),
        tf.zeros([]),
        tf.fill([2], 7),
        tf.zeros_like(tf.ones([4])),
        tf.ones_like(tf.placeholder(tf.float32, [None, 2])),
        tf.range(5),
        tf.range(1.0, 2.0, 0.25),
        tf.eye(3),
        tf.random_uniform([2, 2], -1.0, 1.0),
        tf.random_normal([2, 2]),
        tf.truncated_normal([2, 2]),
        tf.no_op(),
    ]


@named("operators")
def operators(tf: Any, np: Any) -> Any:
    x, y = tf.placeholder(tf.float32, [None, 3], "x"), tf.placeholder(tf.float32, [3], "y")
    i = tf.placeholder(tf.int32, [2], "i")
    p = tf.placeholder(tf.bool, [2], "p")
    return [
        [x + y, x - y, x * y, x / y, x**y, -x, abs(x), x % y, x // y],
        [x + 1, 1 + x, x - 1, 1 - x, 2 * x, x * 2, 1 / x, x / 2, x**2, 2**x],
        [x < y, x <= y, x > y, x >= y],
        [i + i, i - 1, i * i, i / i, i // i, i % 2, -i],
        [p & p, p | p, p ^ p, ~p],
        [x[0], x[:, 1], x[..., 0], x[:, :2], x[1:], x[::-1], x[:, tf.newaxis], x[-1, i[0]]],
        [tf.matmul(x, tf.ones([3, 4])), x @ tf.ones([3, 1])],
    ]


@named("functions")
def functions(tf: Any, np: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 3, 4], "x")
    two = tf.placeholder(tf.float32, [None, 3], "two")
    ids = tf.placeholder(tf.int32, [None, 5], "ids")
    unknown = tf.placeholder(tf.float32, None, "unknown")
    return [
        [tf.reshape(x, [-1, 12]), tf.reshape(x, [-1]), tf.reshape(x, [2, -1, 4]), tf.reshape(x, tf.shape(x))],
        [tf.transpose(x), tf.transpose(x, [1, 0, 2]), tf.expand_dims(x, 0), tf.expand_dims(x, -1)],
        [tf.squeeze(tf.ones([1, 2, 1])), tf.squeeze(tf.ones([1, 2, 1]), [0]), tf.squeeze(x), tf.squeeze(unknown)],
        [
            tf.concat([x, x], 0),
            tf.concat([x, x], 2),
            tf.concat([x, x], -1),
            tf.stack([two, two]),
            tf.stack([two, two], 1),
        ],
        [tf.split(x, 3, 1), tf.split(x, [1, 3], 2), tf.unstack(x, axis=1), tf.unstack(tf.ones([2, 2]))],
        [tf.shape(x), tf.size(x), tf.rank(x), tf.shape(x)[0]],
        [tf.reduce_sum(x), tf.reduce_mean(x, 1), tf.reduce_max(x, [0, 1]), tf.reduce_sum(x, -1, keepdims=True)],
        [tf.argmax(x, 1), tf.argmax(x, axis=2, output_type=tf.int32), tf.argmin(two)],
        [tf.cast(x, tf.int32), tf.cast(x, tf.float32), tf.to_float(ids), tf.to_int32(x), tf.identity(x)],
        [tf.one_hot(ids, 7), tf.one_hot(ids, 7, axis=1), tf.sequence_mask([1, 3]), tf.sequence_mask([1, 3], 4)],
        [tf.gather(two, ids), tf.gather(x, [0, 2], axis=1), tf.nn.embedding_lookup(tf.ones([9, 2]), ids)],
        [tf.tile(two, [1, 2]), tf.pad(two, [[1, 1], [0, 2]]), tf.slice(x, [0, 1, 0], [-1, 2, 3]), tf.reverse(two, [1])],
        [tf.where(two > 0, two, -two), tf.where(two > 0)],
        [tf.maximum(two, 0.0), tf.minimum(two, 1), tf.clip_by_value(two, -1.0, 1.0), tf.clip_by_norm(two, 1.0)],
        [tf.add(two, two), tf.subtract(two, 1.0), tf.multiply(2.0, two), tf.divide(two, 2), tf.div(two, 2.0)],
        [tf.add_n([two, two]), tf.square(two), tf.sqrt(two), tf.exp(two), tf.log(two), tf.pow(two, 2.0), tf.abs(two)],
        [tf.tanh(two), tf.sigmoid(two), tf.nn.relu(two), tf.nn.softmax(two), tf.nn.log_softmax(two), tf.nn.elu(two)],
        [tf.nn.xw_plus_b(two, tf.ones([3, 2]), tf.ones([2])), tf.nn.bias_add(two, tf.ones([3])), tf.nn.l2_loss(two)],
        [tf.nn.softmax_cross_entropy_with_logits(labels=two, logits=two)],
        [tf.nn.softmax_cross_entropy_with_logits_v2(labels=two, logits=two)],
        [tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.zeros([2], tf.int32), logits=tf.ones([2, 3]))],
        [tf.nn.sigmoid_cross_entropy_with_logits(labels=two, logits=two), tf.nn.moments(two, [0]), tf.nn.top_k(two, 2)],
        [tf.equal(two, two), tf.not_equal(two, two), tf.less(two, 1.0), tf.logical_and(two > 0, two < 1)],
        [tf.stop_gradient(two), tf.cumsum(two), tf.norm(two), tf.global_norm([two])],
        [tf.reduce_all(two > 0), tf.reduce_any(two > 0), tf.reduce_prod(two)],
        [tf.tensordot(x, tf.ones([4, 2]), 1), tf.matmul(x, x, transpose_b=True), tf.reverse_sequence(x, [1], 1, 0)],
    ]


@named("explicit-names")
def explicit_names(tf: Any, np: Any) -> Any:
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    return [
        tf.reshape(x, [6], name="flat"),
        tf.add(x, x, name="sum"),
        tf.add(x, x, name="sum"),
        tf.reduce_mean(x, name="loss"),
        tf.matmul(x, x, transpose_b=True, name="product"),
        tf.nn.softmax(x, name="probabilities"),
        tf.identity(x, "copy"),
        tf.concat([x, x], 1, name="joined"),
        tf.cast(x, tf.int32, "whole"),
        tf.argmax(x, 1, name="predictions"),
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 1], logits=x, name="xent"),
        tf.constant(1.0, name="trailing/"),
        tf.group(tf.no_op(), name="everything"),
    ]


@named("scalars-and-shapes")
def shapes(tf: Any, np: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 3, 4])
    shape = x.get_shape()
    things = [shape, shape[0], shape[1], shape[1:], shape.as_list(), shape.ndims, shape[1].value, shape[-1]]
    unknown = tf.placeholder(tf.float32).get_shape()
    things += [unknown, unknown.ndims, tf.TensorShape(None), tf.TensorShape([]), tf.TensorShape([2]), tf.TensorShape(3)]
    things += [tf.TensorShape([None, 2]).concatenate([3]), tf.TensorShape([2, 3]).num_elements(), tf.Dimension(None)]
    things += [
        shape.is_fully_defined(),
        tf.TensorShape([1, 2]).is_fully_defined(),
        shape == tf.TensorShape([None, 3, 4]),
    ]
    things += [tf.TensorShape([None, 2]).merge_with([3, None]), shape.is_compatible_with([7, 3, 4]), len(shape)]
    things += [shape[1] * 2, shape[1] + shape[2], shape[0] + 1, int(shape[2]), shape[1] == 3, shape[0].value is None]
    things += [shape.with_rank(3), x.shape, x.shape.dims, list(tf.TensorShape([4, 5]))]
    return [str(thing) for thing in things] + [repr(thing) for thing in things]


@named("dtypes")
def dtypes(tf: Any, np: Any) -> Any:
    names = "float16 float32 float64 int8 int16 int32 int64 uint8 bool string complex64"
    all_dtypes = [getattr(tf, name) for name in names.split()]
    values: list[Any] = [
        [d, d.name, d.is_floating, d.is_integer, d.as_numpy_dtype.__name__, d.base_dtype] for d in all_dtypes
    ]
    values += [tf.as_dtype("float32"), tf.as_dtype(np.int64), tf.float32 == np.float32, tf.float32 == "float32"]
    values += [float(tf.float32.max), int(tf.int32.min), tf.float32.size, tf.float32 in (tf.float32, tf.float64)]
    return [repr(value) for value in values]


# Variables ------------------------------------------------------------------------------------------------------------


@named("variables")
def variables(tf: Any, np: Any) -> Any:
    v = tf.Variable(1.0)
    w = tf.Variable(tf.zeros([2, 3]), name="weights")
    x = tf.Variable(np.zeros([2]), name="weights", trainable=False)
    i = tf.Variable(0, name="counter", dtype=tf.int64)
    g = tf.get_variable("g", [3])
    h = tf.get_variable("h", initializer=tf.constant([1.0, 2.0]))
    with tf.variable_scope("scope"):
        s = tf.get_variable("g", [3], initializer=tf.zeros_initializer())
        t = tf.Variable(tf.ones([2]))
    return [
        [v, w, x, i, g, h, s, t],
        [v.name, v.op, v.dtype, v.shape, v.initializer, v.value(), v.read_value(), v.op.name, v.initial_value],
        [v.assign(2.0), v.assign_add(1.0), v.assign_sub(1.0), tf.assign(w, tf.ones([2, 3])), tf.assign_add(v, 1.0)],
        [v + 1.0, w * 2.0, w[0], tf.matmul(w, w, transpose_b=True), g, tf.identity(g), g.get_shape()],
        [tf.global_variables_initializer(), tf.global_variables_initializer(), tf.variables_initializer([v])],
        [tf.local_variables_initializer()],
        [tf.global_variables(), tf.trainable_variables()],
    ]


@named("get_variable-initializers")
def get_variable_initializers(tf: Any, np: Any) -> Any:
    initializers = {
        "constant": tf.constant_initializer(0.1),
        "zeros": tf.zeros_initializer(),
        "ones": tf.ones_initializer(),
        "uniform": tf.random_uniform_initializer(-1, 1),
        "normal": tf.random_normal_initializer(stddev=0.1),
        "truncated": tf.truncated_normal_initializer(stddev=0.1),
        "glorot": tf.glorot_uniform_initializer(),
        "glorot_normal": tf.glorot_normal_initializer(),
        "scaling": tf.variance_scaling_initializer(),
        "class": tf.zeros_initializer,
    }
    made = [tf.get_variable(name, [3, 2], initializer=value) for name, value in initializers.items()]
    return [made, [v.initializer for v in made], [v.initial_value for v in made]]


# Control flow, gradients, optimizers, drivers ------------------------------------------------------------------------


@named("gradients")
def gradients(tf: Any, np: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    w = tf.get_variable("w", [2, 3])
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w)))
    step = tf.Variable(0, name="global_step", trainable=False)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step)
    again = tf.train.AdamOptimizer(name="Second").minimize(loss)
    return [
        [[g.get_shape() for g in tf.gradients(loss, [x, w])], train.name, again.name, train, again],
        [v.name for v in tf.global_variables()],
    ]


@named("control-flow")
def control_flow(tf: Any, np: Any) -> Any:
    x = tf.placeholder(tf.float32, [], name="x")
    chosen = tf.cond(x > 0, lambda: x + 1.0, lambda: x - 1.0)
    several = tf.cond(x > 0, lambda: [x, x * 2.0], lambda: [x * 3.0, x])
    counted = tf.while_loop(lambda i, a: i < 3, lambda i, a: [i + 1, a * 2.0], [tf.constant(0), x])
    with tf.name_scope("scoped"):
        scoped = tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)], name="loop")
        branch = tf.cond(x > 0, lambda: x, lambda: -x, name="choice")
    with tf.control_dependencies([x.op]):
        late = tf.identity(x)
    return [chosen, several, counted, scoped, branch, late, tf.group(chosen, late), tf.tuple([x, late])]


def _driver_inputs(tf: Any) -> Any:
    return tf.placeholder(tf.float32, [None, 4, 3], name="x"), tf.placeholder(tf.int32, [None], name="lengths")


def _register_drivers() -> None:
    cells = {
        "BasicRNNCell": lambda cells: cells.BasicRNNCell(5),
        "GRUCell": lambda cells: cells.GRUCell(5),
        "BasicLSTMCell": lambda cells: cells.BasicLSTMCell(5),
        "LSTMCell": lambda cells: cells.LSTMCell(5),
        "LSTMCell-projection": lambda cells: cells.LSTMCell(5, num_proj=2),
        "MultiRNNCell": lambda cells: cells.MultiRNNCell([cells.BasicLSTMCell(5), cells.GRUCell(4)]),
    }

    def dynamic(make: Any, lengths: bool, time_major: bool, scope: str | None) -> Any:
        def build(tf: Any, np: Any) -> Any:
            x, length = _driver_inputs(tf)
            length = length if lengths else None
            if scope is None:
                return tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, length, dtype=tf.float32, time_major=time_major)
            with tf.variable_scope("model"):
                one = tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, length, dtype=tf.float32, scope=scope)
                two = tf.nn.dynamic_rnn(make(tf.nn.rnn_cell), x, length, dtype=tf.float32, scope="other")
            return one, two

        return build

    def bidirectional(make: Any, lengths: bool) -> Any:
        def build(tf: Any, np: Any) -> Any:
            x, length = _driver_inputs(tf)
            return tf.nn.bidirectional_dynamic_rnn(
                make(tf.nn.rnn_cell), make(tf.nn.rnn_cell), x, length if lengths else None, dtype=tf.float32
            )

        return build

    def static(make: Any, lengths: bool) -> Any:
        def build(tf: Any, np: Any) -> Any:
            x, length = _driver_inputs(tf)
            steps = tf.unstack(x, 4, 1)
            length = length if lengths else None
            outputs, state = tf.nn.static_rnn(make(tf.nn.rnn_cell), steps, dtype=tf.float32, sequence_length=length)
            # With lengths the results come out of tf.cond and copies; their names are TensorFlow's own affair.
            return [[t.get_shape() for _, t in flatten([outputs, state], "")]] if lengths else [outputs, state]

        return build

    def direct(make: Any) -> Any:
        def build(tf: Any, np: Any) -> Any:
            x = tf.placeholder(tf.float32, [2, 3], name="x")
            cell = make(tf.nn.rnn_cell)
            state = cell.zero_state(2, tf.float32)
            output, new_state = cell(x, state)
            return [state, output, new_state, cell(x, new_state)]

        return build

    for name, make in cells.items():
        for lengths in (False, True):
            ending = f"{name}/{'lengths' if lengths else 'full'}"
            named(f"dynamic_rnn/{ending}/bm")(dynamic(make, lengths, False, None))
            named(f"dynamic_rnn/{ending}/tm")(dynamic(make, lengths, True, None))
            named(f"dynamic_rnn/{ending}/scoped")(dynamic(make, lengths, False, "inner"))
            named(f"bidirectional_dynamic_rnn/{ending}")(bidirectional(make, lengths))
            named(f"static_rnn/{ending}")(static(make, lengths))
        named(f"call/{name}")(direct(make))


_register_drivers()


@named("layers")
def layers(tf: Any, np: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    cube = tf.placeholder(tf.float32, [None, 4, 3], name="cube")
    first = tf.layers.dense(x, 4)
    second = tf.layers.dense(first, 2, activation=tf.nn.relu, name="hidden")
    with tf.variable_scope("scope"):
        third = tf.layers.dense(second, 2, use_bias=False)
        fourth = tf.layers.dense(third, 2)
    layer = tf.layers.Dense(3, name="shared")
    return [
        [
            first,
            second,
            third,
            fourth,
            layer(x),
            layer(first[:, :3]),
            tf.layers.dense(cube, 2),
            tf.layers.flatten(cube),
        ],
        [v.name for v in tf.global_variables()],
    ]
