"""Queues, readers, producers and batches through queues; every thread is joined inside its case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goldens.cases.datasets import files
from goldens.harness import Program, case, flatten

LIMIT = 40


def run_to_end(tf: Any, session: Any, fetches: Any) -> dict[str, Any]:
    """With queue runners started: everything until an error, whose class comes last; the threads are joined."""
    import numpy as np

    session.run(tf.local_variables_initializer())
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(session, coord)
    found: dict[str, Any] = {}
    try:
        for index in range(LIMIT):
            found.update({f"{index}/{k}": np.asarray(v) for k, v in flatten(session.run(fetches), "x")})
    except tf.errors.OutOfRangeError as error:
        found["end"] = np.array([type(error).__name__.encode()], object)
    finally:
        coord.request_stop()
        coord.join(threads)
    found["alive"] = np.array(sum(t.is_alive() for t in threads))
    return found


def flow(name: str) -> Callable[[Any], Any]:
    """The decorated ``f(tf, np)`` gives what to fetch until the input ends."""

    def register(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Program]:
        def program(tf: Any, np: Any) -> Program:
            fetches = make(tf, np)
            leaves = flatten(fetches, "x")
            facts = {
                "names": [t.name for _, t in leaves],
                "shapes": [str(t.get_shape()) for _, t in leaves],
                "local": [v.op.name for v in tf.local_variables()],
                "summaries": [t.name for t in tf.get_collection(tf.GraphKeys.SUMMARIES)],
                "runners": [qr.name for qr in tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)],
            }
            return Program(facts=facts, script=lambda session: run_to_end(tf, session, fetches))

        program.__module__ = __name__
        return case(name)(program)

    return register


# Queues by themselves -------------------------------------------------------------------------------------------------


@case("queue/fifo")
def fifo(tf: Any, np: Any) -> Program:
    q = tf.FIFOQueue(10, [tf.float32, tf.string], shapes=[[2], []])
    one = q.enqueue([[1.0, 2.0], "a"])
    many = q.enqueue_many([[[3.0, 4.0], [5.0, 6.0]], ["b", "c"]])
    out, outs, up_to = q.dequeue(), q.dequeue_many(2), q.dequeue_up_to(3)
    size, closed, close = q.size(), q.is_closed(), q.close()
    tensors = [*out, *outs, *up_to, size, closed]
    facts = {
        "names": [q.name, one.name, many.name, close.name, *[t.name for t in tensors]],
        "shapes": [str(t.get_shape()) for t in tensors],
        "types": [t.name for t in q.dtypes],
    }

    def script(session: Any) -> dict[str, Any]:
        session.run(one)
        session.run(many)
        session.run(many)
        found = {"size": session.run(size)}
        for index, fetch in enumerate((out, outs, up_to)):
            if fetch is up_to:
                session.run(close)
            found.update({f"{index}/{i}": v for i, v in enumerate(session.run(fetch))})
        found["end/size"], found["end/closed"] = session.run([size, closed])
        return found

    return Program(facts=facts, script=script)


def _fails(tf: Any, session: Any, fetch: Any) -> Any:
    import numpy as np

    try:
        session.run(fetch)
    except tf.errors.OpError as error:
        return np.array([type(error).__name__.encode()], object)
    return np.array([b"nothing raised"], object)


@case("queue/closed")
def closed(tf: Any, np: Any) -> Program:
    q = tf.FIFOQueue(4, tf.int32, shapes=[])
    put, two, up_to, one, close = q.enqueue(1), q.dequeue_many(2), q.dequeue_up_to(2), q.dequeue(), q.close()

    def script(session: Any) -> dict[str, Any]:
        session.run(put)
        session.run(close)
        found = {"two": _fails(tf, session, two), "put": _fails(tf, session, put)}
        found["rest"] = session.run(up_to)
        found["one"], found["up_to"] = _fails(tf, session, one), _fails(tf, session, up_to)
        return found

    return Program(script=script)


@case("queue/dict")
def with_names(tf: Any, np: Any) -> Program:
    q = tf.FIFOQueue(4, [tf.int32, tf.float32], names=["i", "f"], shapes=[[], [2]])
    put, out = q.enqueue({"f": [0.5, 1.5], "i": 3}), q.dequeue()

    def script(session: Any) -> dict[str, Any]:
        session.run(put)
        return session.run(out)

    return Program(facts={"keys": sorted(out)}, script=script)


@case("queue/padding")
def padding(tf: Any, np: Any) -> Program:
    q = tf.PaddingFIFOQueue(4, [tf.int32, tf.string], [[None, 2], [None]])
    puts = [q.enqueue([[[1, 2]] * n, ["x"] * (4 - n)]) for n in (1, 2, 3)]
    many, one = q.dequeue_many(2), q.dequeue()
    shapes = [str(t.get_shape()) for t in [*many, *one]]

    def script(session: Any) -> dict[str, Any]:
        for put in puts:
            session.run(put)
        return {f"{i}": v for i, v in enumerate([*session.run(many), *session.run(one)])}

    return Program(facts={"shapes": shapes, "name": q.name}, script=script)


@case("queue/shuffle")
def shuffle(tf: Any, np: Any) -> Program:
    q = tf.RandomShuffleQueue(20, 3, tf.int32, shapes=[[]])
    put, out, close, size = q.enqueue_many([np.arange(10, dtype=np.int32)]), q.dequeue_many(7), q.close(), q.size()

    def script(session: Any) -> dict[str, Any]:
        session.run(put)
        first = session.run(out)
        left = session.run(size)
        session.run(close)
        rest = session.run(q.dequeue_up_to(9))
        return {"all": np.sort(np.concatenate([first, rest])), "left": left}

    return Program(facts={"name": q.name}, script=script)


@case("queue/wrong-shape", must_fail=True, fragments=["Shapes (2,) and () are incompatible"])
def wrong_shape(tf: Any, np: Any) -> Program:
    tf.FIFOQueue(2, tf.float32, shapes=[[]]).enqueue([[1.0, 2.0]])
    return Program()


@case("queue/dict-without-names", must_fail=True, fragments=["Queue must have names to enqueue a dictionary"])
def dict_without_names(tf: Any, np: Any) -> Program:
    tf.FIFOQueue(2, tf.float32).enqueue({"a": 1.0})
    return Program()


@case("queue/wrong-type", must_fail=True, fragments=["Tensor conversion requested dtype float32"])
def wrong_type(tf: Any, np: Any) -> Program:
    tf.FIFOQueue(2, tf.float32).enqueue([tf.constant(1)])
    return Program()


@case("queue/many-without-shapes", must_fail=True, fragments=["require the components to have specified shapes"])
def many_without_shapes(tf: Any, np: Any) -> Program:
    return Program({"x": tf.FIFOQueue(2, tf.float32).dequeue_many(2)})


@case("queue/min-after", must_fail=True, fragments=["min_after_dequeue 5 must be < capacity 4"])
def min_after(tf: Any, np: Any) -> Program:
    return Program({"x": tf.RandomShuffleQueue(4, 5, tf.float32).size()})


@case("queue/padding-without-shapes", must_fail=True)
def padding_without_shapes(tf: Any, np: Any) -> Program:
    tf.PaddingFIFOQueue(4, [tf.float32], None)
    return Program()


# Producers ------------------------------------------------------------------------------------------------------------


@flow("producer/strings")
def strings(tf: Any, np: Any) -> Any:
    return tf.train.string_input_producer(["b", "a"], num_epochs=2, shuffle=False).dequeue()


@flow("producer/range")
def range_producer(tf: Any, np: Any) -> Any:
    return tf.train.range_input_producer(3, num_epochs=1, shuffle=False).dequeue()


@flow("producer/slices")
def slices(tf: Any, np: Any) -> Any:
    return tf.train.slice_input_producer([np.arange(6).reshape(3, 2), ["x", "y", "z"]], num_epochs=1, shuffle=False)


@flow("producer/rows")
def rows(tf: Any, np: Any) -> Any:
    queue = tf.train.input_producer(np.arange(6.0).reshape(3, 2), num_epochs=1, shuffle=False, name="rows")
    return queue.dequeue_up_to(2)


@flow("producer/shuffled")
def shuffled(tf: Any, np: Any) -> Any:
    return tf.nn.top_k(tf.train.range_input_producer(5, num_epochs=2, seed=1).dequeue_many(5), 5).values


@case("producer/empty", must_fail=True, fragments=["string_input_producer requires a non-null input tensor"])
def empty(tf: Any, np: Any) -> Program:
    tf.train.string_input_producer([])
    return Program()


@case("producer/no-epochs", must_fail=True, fragments=["num_epochs must be > 0 not 0."])
def no_epochs(tf: Any, np: Any) -> Program:
    tf.train.string_input_producer(["a"], num_epochs=0)
    return Program()


# Readers --------------------------------------------------------------------------------------------------------------


def _short(tf: Any, read: Any) -> list[Any]:
    """The key without its folder, and the value."""
    return [tf.regex_replace(read.key, ".*/", "", name="short"), read.value]


@flow("reader/lines")
def lines(tf: Any, np: Any) -> Any:
    paths = files(a=b"head\nx\ny y\r\n\n", b=b"head\nz")
    queue = tf.train.string_input_producer([paths["a"], paths["b"]], num_epochs=1, shuffle=False)
    return _short(tf, tf.TextLineReader(skip_header_lines=1).read(queue))


@flow("reader/whole")
def whole(tf: Any, np: Any) -> Any:
    paths = files(a=b"x\ny", b=b"")
    queue = tf.train.string_input_producer([paths["a"], paths["b"]], num_epochs=1, shuffle=False)
    return _short(tf, tf.WholeFileReader().read(queue))


@flow("reader/fixed")
def fixed_length(tf: Any, np: Any) -> Any:
    queue = tf.train.string_input_producer([files(a=b"haabbf")["a"]], num_epochs=1, shuffle=False)
    return _short(tf, tf.FixedLengthRecordReader(2, 1, 1).read(queue))


@flow("reader/records")
def records(tf: Any, np: Any) -> Any:
    path = files(a=b"")["a"]
    with tf.python_io.TFRecordWriter(path) as writer:
        for record in (b"one", b"", b"three"):
            writer.write(record)
    queue = tf.train.string_input_producer([path], num_epochs=2, shuffle=False)
    return _short(tf, tf.TFRecordReader().read(queue))


@flow("reader/up-to")
def up_to(tf: Any, np: Any) -> Any:
    queue = tf.train.string_input_producer([files(a=b"1\n2\n3\n4\n5\n")["a"]], num_epochs=1, shuffle=False)
    return tf.TextLineReader().read_up_to(queue, 2).values


@flow("reader/identity")
def identity(tf: Any, np: Any) -> Any:
    queue = tf.train.string_input_producer(["p", "q"], num_epochs=1, shuffle=False)
    return list(tf.IdentityReader().read(queue))


# Batches --------------------------------------------------------------------------------------------------------------


def _numbers(tf: Any, count: int = 5) -> Any:
    return tf.train.range_input_producer(count, num_epochs=1, shuffle=False).dequeue()


@flow("batch/plain")
def batch(tf: Any, np: Any) -> Any:
    i = _numbers(tf)
    return tf.train.batch([i, tf.as_string(i)], 2)


@flow("batch/one")
def batch_one(tf: Any, np: Any) -> Any:
    return tf.train.batch([_numbers(tf)], 2, allow_smaller_final_batch=True)


@flow("batch/dict")
def batch_dict(tf: Any, np: Any) -> Any:
    i = _numbers(tf)
    return tf.train.batch({"b": i, "a": [i, i + 1]}, 2, name="mine")


@flow("batch/many")
def batch_many(tf: Any, np: Any) -> Any:
    i = _numbers(tf)
    return tf.train.batch([tf.stack([i, -i])], 3, enqueue_many=True, allow_smaller_final_batch=True)


@flow("batch/padded")
def batch_padded(tf: Any, np: Any) -> Any:
    i = _numbers(tf)
    return tf.train.batch([tf.range(i), i], 2, dynamic_pad=True, allow_smaller_final_batch=True)


@flow("batch/shapes")
def batch_shapes(tf: Any, np: Any) -> Any:
    i = _numbers(tf)
    return tf.train.batch([tf.reshape(i, tf.stack([1, 1]))], 2, shapes=[[1, 1]])


@flow("batch/maybe")
def maybe(tf: Any, np: Any) -> Any:
    i = _numbers(tf, 9)
    return tf.train.maybe_batch([i], tf.equal(i % 2, 0), 2, allow_smaller_final_batch=True)


@flow("batch/join-one")
def join_one(tf: Any, np: Any) -> Any:
    i = _numbers(tf)
    return tf.train.batch_join([[i, i * 2]], 2)


@flow("batch/shuffled")
def shuffle_batch(tf: Any, np: Any) -> Any:
    i = _numbers(tf, 8)
    taken = tf.train.shuffle_batch([i, i * i], 8, capacity=20, min_after_dequeue=3)
    return [tf.nn.top_k(t, 8).values for t in taken]


@flow("batch/consistent")
def consistent(tf: Any, np: Any) -> Any:
    """Components of one example stay together in the random order."""
    i = _numbers(tf, 8)
    a, b = tf.train.shuffle_batch([i, i * i], 4, capacity=20, min_after_dequeue=3)
    return a * a - b


@case("batch/unknown-shape", must_fail=True, fragments=["All shapes must be fully defined"])
def unknown_shape(tf: Any, np: Any) -> Program:
    tf.train.batch([tf.placeholder(tf.float32, [None])], 2)
    return Program()


@case("batch/nothing", must_fail=True, fragments=["Expected at least one tensor in batch()."])
def nothing(tf: Any, np: Any) -> Program:
    tf.train.batch([], 2)
    return Program()
