"""Optimizers: five steps of each on a quadratic and a matrix, dense and sparse gradients, slots, clipping, decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.harness import Program, case, fixed

STEPS = 5

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "GradientDescent": lambda train: train.GradientDescentOptimizer(0.25),
    "Momentum": lambda train: train.MomentumOptimizer(0.125, 0.75),
    "Momentum-nesterov": lambda train: train.MomentumOptimizer(0.125, momentum=0.75, use_nesterov=True),
    "Adam": lambda train: train.AdamOptimizer(),
    "Adam-arguments": lambda train: train.AdamOptimizer(0.1, beta1=0.8, beta2=0.95, epsilon=1e-4),
    "RMSProp": lambda train: train.RMSPropOptimizer(0.1),
    "RMSProp-momentum": lambda train: train.RMSPropOptimizer(0.1, decay=0.75, momentum=0.5, epsilon=1e-3),
    "RMSProp-centered": lambda train: train.RMSPropOptimizer(0.1, decay=0.75, momentum=0.5, centered=True),
    "Adagrad": lambda train: train.AdagradOptimizer(0.5),
    "Adagrad-arguments": lambda train: train.AdagradOptimizer(0.5, initial_accumulator_value=1.0),
    "Adadelta": lambda train: train.AdadeltaOptimizer(),
    "Adadelta-arguments": lambda train: train.AdadeltaOptimizer(1.0, rho=0.75, epsilon=1e-2),
}


def _quadratic(tf: Any, dtype: str) -> Any:
    x = tf.get_variable("x", [3], dtype)
    matrix = tf.get_variable("matrix", [3, 2], dtype)
    target = tf.constant(fixed("optimizers target", [2], dtype))
    product = tf.reduce_sum(matrix * tf.expand_dims(x, 1), 0)
    return tf.reduce_sum(tf.square(product - target)) + 0.5 * tf.reduce_sum(x * x)


def _slots(optimizer: Any, tf: Any) -> dict[str, Any]:
    names = optimizer.get_slot_names()
    return {
        f"slot/{name}/{variable.op.name}": optimizer.get_slot(variable, name)
        for name in names
        for variable in tf.trainable_variables()
        if optimizer.get_slot(variable, name) is not None
    }


def _train(tf: Any, optimizer: Any, loss: Any, op: Any, feeds: Any = None) -> Program:
    slots = _slots(optimizer, tf)
    watched = {v.op.name: v for v in tf.trainable_variables()}

    def script(session: Any) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for step in range(STEPS):
            # Not in one run: whether the loss is read before or after the step would be chance.
            results[f"loss/{step}"] = session.run(loss, feeds)
            session.run(op, feeds)
            results.update({f"{name}/{step}": got for name, got in session.run(watched).items()})
        results.update(session.run(slots))
        return results

    facts = {
        "slot names": sorted(optimizer.get_slot_names()),
        "slot variables": sorted(f"{key}: {slot.name}" for key, slot in slots.items()),
        "train op": op.name,
        "optimizer variables": sorted(v.name for v in optimizer.variables()),
    }
    return Program(facts=facts, script=script)


def _register(name: str, make: Callable[[Any], Any]) -> None:
    @case(f"minimize/{name}/f32")
    def single(tf: Any, np: Any) -> Program:
        loss = _quadratic(tf, "float32")
        optimizer = make(tf.train)
        return _train(tf, optimizer, loss, optimizer.minimize(loss))

    @case(f"minimize/{name}/f64")
    def double(tf: Any, np: Any) -> Program:
        loss = _quadratic(tf, "float64")
        optimizer = make(tf.train)
        return _train(tf, optimizer, loss, optimizer.minimize(loss))

    @case(f"scoped/{name}")
    def scoped(tf: Any, np: Any) -> Program:
        """Variables and the optimizer in scopes of their own; a global step; apply_gradients."""
        with tf.variable_scope("model"):
            loss = _quadratic(tf, "float32")
        step = tf.train.get_or_create_global_step()
        with tf.variable_scope("training"):
            optimizer = make(tf.train)
            # Gated: no variable may move before all gradients are there, else one could be taken at a moved variable.
            pairs = optimizer.compute_gradients(loss, gate_gradients=optimizer.GATE_GRAPH)
            op = optimizer.apply_gradients([(g * 0.5, v) for g, v in pairs], global_step=step)
        program = _train(tf, optimizer, loss, op)
        script = program.script
        assert script is not None
        program.script = lambda session: {**script(session), "global step": session.run(step)}
        program.facts = {**program.facts, "gradients of": [v.name for _, v in pairs]}
        return program

    @case(f"sparse/{name}")
    def sparse(tf: Any, np: Any) -> Program:
        """A gradient from embedding_lookup, with a row looked up twice and rows never looked up."""
        table = tf.get_variable("table", [5, 2])
        ids = tf.placeholder(tf.int32, [None], name="ids")
        target = tf.constant(fixed("optimizers rows", [3, 2]))
        loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, ids) - target))
        optimizer = make(tf.train)
        op = optimizer.minimize(loss)
        batches = [[1, 3, 1], [1, 0, 0], [2, 2, 2], [3, 1, 0], [0, 1, 2]]
        slots = _slots(optimizer, tf)

        def script(session: Any) -> dict[str, Any]:
            results: dict[str, Any] = {}
            for i, batch in enumerate(batches):
                session.run(op, {ids: batch})
                results[f"table/{i}"] = session.run(table)
            results.update(session.run(slots))
            return results

        return Program(script=script)


for _name, _make in OPTIMIZERS.items():
    _register(_name, _make)


@case("clip_by_global_norm")
def clipped_training(tf: Any, np: Any) -> Program:
    """The usual recipe: gradients, clip_by_global_norm, apply_gradients, a learning rate that is fed."""
    loss = _quadratic(tf, "float32") * 10.0
    rate = tf.placeholder(tf.float32, [], name="rate")
    variables = tf.trainable_variables()
    clipped, norm = tf.clip_by_global_norm(tf.gradients(loss, variables), 1.5)
    optimizer = tf.train.AdamOptimizer(rate)
    op = optimizer.apply_gradients(zip(clipped, variables))  # noqa: B905
    program = _train(tf, optimizer, loss, op, {rate: 0.125})
    program.fetches = {"norm": norm, "clipped": list(clipped)}
    return program


@case("compute_gradients/var_list")
def var_list(tf: Any, np: Any) -> Program:
    loss = _quadratic(tf, "float32")
    x, matrix = tf.trainable_variables()
    unused = tf.get_variable("unused", [2])
    optimizer = tf.train.GradientDescentOptimizer(0.5)
    pairs = optimizer.compute_gradients(loss, var_list=[matrix, unused])
    op = optimizer.minimize(loss, var_list=[matrix])
    facts = {"pairs": [[gradient is None, variable.name] for gradient, variable in pairs]}
    fetches = {"gradient": pairs[0][0]}

    def script(session: Any) -> dict[str, Any]:
        session.run(op)
        return session.run({"x": x, "matrix": matrix, "unused": unused})

    return Program(fetches, facts=facts, script=script)


@case("minimize/no-variables", must_fail=True)
def no_variables(tf: Any, np: Any) -> Program:
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))
    return Program()


@case("minimize/no-gradients", must_fail=True, fragments=["No gradients provided for any variable"])
def no_gradients(tf: Any, np: Any) -> Program:
    tf.get_variable("x", [2])
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))
    return Program()


@case("apply_gradients/empty", must_fail=True)
def apply_nothing(tf: Any, np: Any) -> Program:
    tf.train.GradientDescentOptimizer(0.1).apply_gradients([])
    return Program()


def _decay(name: str, build: Callable[[Any, Any], Any]) -> None:
    @case(f"decay/{name}")
    def program(tf: Any, np: Any) -> Program:
        step = tf.Variable(0, trainable=False, name="global_step")
        rate = build(tf, step)
        x = tf.get_variable("x", [2])
        loss = tf.reduce_sum(x * x)
        op = tf.train.GradientDescentOptimizer(rate).minimize(loss, global_step=step)

        def script(session: Any) -> dict[str, Any]:
            results: dict[str, Any] = {}
            for i in range(STEPS):
                results[f"step/{i}"], results[f"rate/{i}"] = session.run([step, rate])
                session.run(op)
                results[f"x/{i}"] = session.run(x)
            return results

        return Program({"rate": rate}, script=script)


_decay("exponential", lambda tf, step: tf.train.exponential_decay(0.5, step, 2, 0.5))
_decay("exponential-staircase", lambda tf, step: tf.train.exponential_decay(0.5, step, 2, 0.5, staircase=True))
_decay("exponential-natural", lambda tf, step: tf.train.natural_exp_decay(0.5, step, 2, 0.5))
_decay("inverse-time", lambda tf, step: tf.train.inverse_time_decay(0.5, step, 2, 0.5))
_decay("polynomial", lambda tf, step: tf.train.polynomial_decay(0.5, step, 3, 0.125, power=2.0))
_decay("piecewise", lambda tf, step: tf.train.piecewise_constant(step, [1, 3], [0.5, 0.25, 0.125]))
_decay("cosine", lambda tf, step: tf.train.cosine_decay(0.5, step, 4))


@case("average/ExponentialMovingAverage")
def moving_average(tf: Any, np: Any) -> Program:
    x = tf.get_variable("x", [2], initializer=tf.constant_initializer(0.5))  # where the average starts
    average = tf.train.ExponentialMovingAverage(0.75)
    move = tf.assign(x, x * 2.0 + 1.0)
    op = average.apply([x])

    def script(session: Any) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for i in range(3):
            session.run(move)
            session.run(op)
            results[f"average/{i}"] = session.run(average.average(x))
        return results

    facts = {"name": average.average(x).name, "average_name": average.average_name(x)}
    return Program(facts=facts, script=script)


@case("average/tensor-and-num_updates")
def tensor_average(tf: Any, np: Any) -> Program:
    value = tf.placeholder(tf.float32, [], name="value")
    updates = tf.Variable(0.0, trainable=False, name="updates")
    average = tf.train.ExponentialMovingAverage(0.9, num_updates=updates)
    tensor = tf.identity(value, name="loss")
    op = average.apply([tensor])
    count = tf.assign_add(updates, 1.0)

    def script(session: Any) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for i in range(4):
            session.run(op, {value: float(i + 1)})
            session.run(count)
            results[f"average/{i}"] = session.run(average.average(tensor))
        return results

    return Program(facts={"name": average.average(tensor).name}, script=script)


@case("train/recurrent-classifier")
def recurrent_classifier(tf: Any, np: Any) -> Program:
    """A whole training program: LSTM over padded rows, softmax, clipped Adam with decay, four steps."""
    x = tf.placeholder(tf.float32, [None, 5, 3], name="x")
    y = tf.placeholder(tf.int64, [None], name="y")
    lengths = tf.placeholder(tf.int32, [None], name="lengths")
    cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.LSTMCell(4), tf.nn.rnn_cell.GRUCell(3)])
    outputs, state = tf.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32)
    with tf.variable_scope("softmax"):
        kernel = tf.get_variable("kernel", [3, 2])
        bias = tf.get_variable("bias", [2], initializer=tf.zeros_initializer())
    logits = tf.nn.xw_plus_b(state[-1], kernel, bias)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    loss += 0.01 * tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables()])
    step = tf.Variable(0, name="global_step", trainable=False)
    rate = tf.train.exponential_decay(0.1, step, 2, 0.5)
    optimizer = tf.train.AdamOptimizer(rate)
    gradients, variables = zip(*optimizer.compute_gradients(loss))  # noqa: B905
    gradients, norm = tf.clip_by_global_norm(gradients, 0.5)
    op = optimizer.apply_gradients(zip(gradients, variables), global_step=step)  # noqa: B905
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))
    feeds = {x: fixed("classifier x", [6, 5, 3]), y: [0, 1, 1, 0, 1, 0], lengths: [5, 1, 0, 3, 2, 5]}

    def script(session: Any) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for i in range(4):
            fetches = {"loss": loss, "norm": norm, "accuracy": accuracy, "rate": rate}
            results.update((f"{name}/{i}", got) for name, got in session.run(fetches, feeds).items())
            session.run(op, feeds)
        for variable in tf.trainable_variables():
            results[variable.op.name] = session.run(variable)
        return results

    return Program({"logits": logits, "outputs": outputs}, feeds, script=script)


@case("gradients/forms")
def gradient_forms(tf: Any, np: Any) -> Program:
    """What tf.gradients accepts: several targets, grad_ys, unreachable sources, stop_gradient, intermediate tensors."""
    x = tf.constant(fixed("x", [3], "float64"))
    y = tf.constant(fixed("y", [3], "float64"))
    z = x * y
    w = tf.tanh(z)
    fetches = {
        "sum": tf.gradients([z, w], x),
        "grad_ys": tf.gradients(w, [x, y], grad_ys=tf.constant([1.0, 2.0, -1.0], tf.float64)),
        "unreachable": tf.gradients(z, [tf.constant(1.0), y]),
        "stop": tf.gradients(tf.stop_gradient(z) * x, [x, y]),
        "intermediate": tf.gradients(w, z),
        "second": tf.gradients(tf.gradients(w, x)[0], [x, y]),
        "itself": tf.gradients(x, x),
    }
    return Program(fetches, facts={"unreachable is": [g is None for g in fetches["unreachable"]]})
