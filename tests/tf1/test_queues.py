"""Queues under threads: who waits, who is woken, and that everything stops; coordinators and queue runners."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

tf: Any = dynrnn.tf1

PATIENCE = 30.0  # for what must happen; no test waits for it when all is well


@pytest.fixture
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


class Waiting:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self.value: Any = None

        def run() -> None:
            try:
                self.value = call()
            except BaseException as error:
                self.error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def done(self) -> Any:
        """Its result, or what it raised."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it waits for ever"
        if self.error is not None:
            raise self.error
        return self.value

    def waits(self) -> bool:
        """Whether it has not come back a moment later."""
        self._thread.join(0.05)
        return self._thread.is_alive()


def test_taking_waits_for_putting(session: Any) -> None:
    q = tf.FIFOQueue(3, tf.int32, shapes=[])
    put, out, three = q.enqueue(7), q.dequeue(), q.dequeue_many(3)
    taker = Waiting(lambda: session.run(out))
    assert taker.waits()
    session.run(put)
    assert taker.done() == 7
    taker = Waiting(lambda: session.run(three))
    session.run(put)
    session.run(put)
    assert taker.waits()
    session.run(put)
    np.testing.assert_array_equal(taker.done(), [7, 7, 7])


def test_putting_waits_for_room(session: Any) -> None:
    q = tf.FIFOQueue(2, tf.int32, shapes=[])
    many, out, size = q.enqueue_many([[1, 2, 3, 4]]), q.dequeue(), q.size()
    giver = Waiting(lambda: session.run(many))
    assert giver.waits() and session.run(size) == 2
    assert [session.run(out) for _ in range(2)] == [1, 2]
    giver.done()
    assert [session.run(out) for _ in range(2)] == [3, 4]


def test_more_can_be_taken_than_the_queue_holds(session: Any) -> None:
    q = tf.FIFOQueue(2, tf.int32, shapes=[])
    taker = Waiting(lambda: session.run(q.dequeue_many(5)))
    session.run(q.enqueue_many([[1, 2, 3, 4, 5]]))
    np.testing.assert_array_equal(taker.done(), [1, 2, 3, 4, 5])


def test_a_shuffle_queue_keeps_some_until_it_is_closed(session: Any) -> None:
    q = tf.RandomShuffleQueue(10, 3, tf.int32, shapes=[])
    out = q.dequeue()
    session.run(q.enqueue_many([[1, 2, 3, 4]]))
    taken = [session.run(out)]
    taker = Waiting(lambda: session.run(out))
    assert taker.waits()
    session.run(q.close())
    taken += [taker.done(), session.run(out), session.run(out)]
    assert sorted(taken) == [1, 2, 3, 4]


def test_seeds_repeat_the_order() -> None:
    def order(seed: Any, graph_seed: Any) -> list[int]:
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.set_random_seed(graph_seed)
            q = tf.RandomShuffleQueue(20, 0, tf.int32, shapes=[], seed=seed)
            sess.run(q.enqueue_many([list(range(20))]))
            return sess.run(q.dequeue_many(20)).tolist()

    assert order(3, None) == order(3, None) != order(4, None)
    assert order(None, 5) == order(None, 5) != list(range(20))


def test_closing_lets_those_in_who_wait_for_room(session: Any) -> None:
    q = tf.FIFOQueue(1, tf.int32, shapes=[])
    put, out = q.enqueue(1), q.dequeue()
    session.run(put)
    giver = Waiting(lambda: session.run(put))
    assert giver.waits()
    session.run(q.close())
    with pytest.raises(tf.errors.CancelledError, match="is closed"):
        session.run(put)
    assert session.run(out) == 1
    giver.done()
    assert session.run(out) == 1
    with pytest.raises(tf.errors.OutOfRangeError, match=r"requested 1, current size 0"):
        session.run(out)


def test_closing_can_refuse_those_who_wait_for_room(session: Any) -> None:
    q = tf.FIFOQueue(1, tf.int32, shapes=[])
    put = q.enqueue(1)
    session.run(put)
    giver = Waiting(lambda: session.run(put))
    assert giver.waits()
    session.run(q.close(cancel_pending_enqueues=True))
    with pytest.raises(tf.errors.CancelledError, match="Enqueue operation was cancelled"):
        giver.done()
    assert session.run(q.size()) == 1


def test_who_does_not_get_enough_puts_back_what_it_has(session: Any) -> None:
    q = tf.FIFOQueue(5, tf.int32, shapes=[])
    session.run(q.enqueue_many([[1, 2]]))
    taker = Waiting(lambda: session.run(q.dequeue_many(3)))
    assert taker.waits()
    session.run(q.close())
    with pytest.raises(tf.errors.OutOfRangeError, match=r"requested 3, current size 2"):
        taker.done()
    np.testing.assert_array_equal(session.run(q.dequeue_many(2)), [1, 2])


def test_closing_the_session_wakes_everybody() -> None:
    with tf.Graph().as_default():
        full, empty = tf.FIFOQueue(1, tf.int32, shapes=[]), tf.FIFOQueue(1, tf.int32, shapes=[])
        put, out = full.enqueue(1), empty.dequeue()
        sess = tf.Session()
        sess.run(put)
        waiting = [Waiting(lambda: sess.run(put)), *[Waiting(lambda: sess.run(out)) for _ in range(3)]]
        assert all(w.waits() for w in waiting)
        sess.close()
        for w in waiting:
            with pytest.raises((tf.errors.CancelledError, RuntimeError)):
                w.done()


def test_a_queue_belongs_to_its_session() -> None:
    with tf.Graph().as_default():
        q = tf.FIFOQueue(3, tf.int32, shapes=[])
        put, size = q.enqueue(1), q.size()
        with tf.Session() as one, tf.Session() as two:
            one.run(put)
            assert (one.run(size), two.run(size)) == (1, 0)


def test_many_threads_lose_nothing(session: Any) -> None:
    q = tf.FIFOQueue(4, tf.int32, shapes=[])
    value = tf.placeholder(tf.int32, [])
    put, out = q.enqueue(value), q.dequeue()

    def give(k: int) -> None:
        for i in range(30):
            session.run(put, {value: k * 100 + i})

    givers = [Waiting(functools.partial(give, k)) for k in range(3)]
    takers = [Waiting(lambda: [int(session.run(out)) for _ in range(45)]) for _ in range(2)]
    for giver in givers:
        giver.done()
    taken = [n for taker in takers for n in taker.done()]
    assert sorted(taken) == sorted(k * 100 + i for k in range(3) for i in range(30))


def test_elements_do_not_change_while_they_wait(session: Any) -> None:
    q = tf.FIFOQueue(3, tf.float32, shapes=[[2]])
    v = tf.Variable([1.0, 2.0])
    x = tf.placeholder(tf.float32, [2])
    session.run(v.initializer)
    array = np.array([5.0, 6.0], np.float32)
    session.run(q.enqueue([v]))
    session.run(q.enqueue([x]), {x: array})
    session.run(v.assign([7.0, 8.0]))
    array[:] = 0
    np.testing.assert_array_equal(session.run(q.dequeue_many(2)), [[1, 2], [5, 6]])


def test_shapes_are_checked_when_it_runs(session: Any) -> None:
    q = tf.FIFOQueue(3, tf.float32, shapes=[[2]])
    x = tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[2\], got \[3\]"):
        session.run(q.enqueue([x]), {x: [1.0, 2.0, 3.0]})


def test_keep_input_and_conditions_put_in_or_not(session: Any) -> None:
    q = tf.FIFOQueue(9, tf.int32, shapes=[])
    x = tf.placeholder(tf.int32, [])
    step = tf.cond(x > 2, lambda: tf.group(q.enqueue(x)), tf.no_op)
    for n in range(5):
        session.run(step, {x: n})
    np.testing.assert_array_equal(session.run(q.dequeue_many(q.size())), [3, 4])


# --- coordinators and queue runners -----------------------------------------------------------------------------------


def test_threads_stop_when_asked(session: Any) -> None:
    q = tf.FIFOQueue(2, tf.float32, shapes=[])
    runner = tf.train.QueueRunner(q, [q.enqueue(tf.random_uniform([]))] * 3)
    before = threading.active_count()
    coord = tf.train.Coordinator()
    threads = runner.create_threads(session, coord=coord, start=True)
    assert len(threads) == 4 and runner.create_threads(session, coord=coord) == []
    out = q.dequeue()
    assert len({float(session.run(out)) for _ in range(10)}) == 10
    assert not coord.should_stop()
    coord.request_stop()
    coord.join(threads, stop_grace_period_secs=PATIENCE)
    assert coord.joined and threading.active_count() == before


def test_a_failure_in_a_thread_comes_out_of_join(session: Any) -> None:
    q = tf.FIFOQueue(2, tf.float32, shapes=[])
    bad = q.enqueue(tf.check_numerics(tf.log(tf.constant(-1.0)), "not a number"))
    tf.train.add_queue_runner(tf.train.QueueRunner(q, [bad]))
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(session, coord)
    with pytest.raises((tf.errors.OutOfRangeError, tf.errors.CancelledError)):
        session.run(q.dequeue())
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a number"):
        coord.join(threads)


def test_the_end_of_an_input_is_no_failure() -> None:
    coord = tf.train.Coordinator()
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "end"))
    coord.join([])
    coord = tf.train.Coordinator(clean_stop_exception_types=(ValueError,))
    with coord.stop_on_exception():
        raise ValueError("clean")
    coord.join([])
    assert coord.should_stop()
    coord.clear_stop()
    assert not coord.should_stop()


def test_the_first_failure_counts() -> None:
    coord = tf.train.Coordinator()
    coord.request_stop(ValueError("first"))
    coord.request_stop(KeyError("second"))
    with pytest.raises(ValueError, match="first"):
        coord.raise_requested_exception()
    with pytest.raises(ValueError, match="first"):
        coord.join([])
    with pytest.raises(KeyError, match="late"):
        coord.request_stop(KeyError("late"))


def test_join_waits_for_threads_that_end_by_themselves() -> None:
    coord = tf.train.Coordinator()
    done: list[int] = []

    def work() -> None:
        time.sleep(0.1)
        done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    coord.register_thread(thread)
    coord.join()
    assert done == [1] and not coord.should_stop()


def test_threads_that_do_not_stop_are_named() -> None:
    coord, release = tf.train.Coordinator(), threading.Event()
    thread = threading.Thread(target=release.wait, name="stubborn", daemon=True)
    thread.start()
    coord.request_stop()
    with pytest.raises(RuntimeError, match="Coordinator stopped with threads still running: stubborn"):
        coord.join([thread], stop_grace_period_secs=0.05)
    coord.join([thread], stop_grace_period_secs=0.05, ignore_live_threads=True)
    release.set()
    thread.join(PATIENCE)


def test_looper_threads_loop() -> None:
    coord = tf.train.Coordinator()
    turns: list[int] = []

    def turn(limit: int) -> None:
        turns.append(len(turns))
        if len(turns) == limit:
            coord.request_stop()

    tf.train.LooperThread.loop(coord, 0.001, turn, args=(5,))
    coord.join()
    assert turns == [0, 1, 2, 3, 4]


def test_runners_need_a_session() -> None:
    with tf.Graph().as_default(), pytest.raises(ValueError, match="No default session is registered"):
        tf.train.start_queue_runners()


def test_wrong_arguments(session: Any) -> None:
    q = tf.FIFOQueue(2, tf.float32)
    with pytest.raises(ValueError, match="Must provide queue and enqueue_ops"):
        tf.train.QueueRunner(q)
    with pytest.raises(ValueError, match="expected 1 components to enqueue, got 2"):
        q.enqueue([1.0, 2.0])
    with pytest.raises(ValueError, match="must have the same length"):
        tf.FIFOQueue(2, [tf.float32, tf.int32], shapes=[[], [], []])
    with pytest.raises(TypeError, match="queue of file names"):
        tf.TextLineReader().read("file.txt")
    with pytest.raises(TypeError, match="int32 or int64 variable"):
        tf.count_up_to(tf.constant(3), 5)


def test_buckets_of_like_lengths(session: Any) -> None:
    n = tf.train.range_input_producer(20, num_epochs=1, shuffle=False).dequeue()
    lengths, (rows, numbers) = tf.contrib.training.bucket_by_sequence_length(
        n, [tf.fill([n], n), n], 3, [5, 10], dynamic_pad=True, allow_smaller_final_batch=True, shapes=[[None], []]
    )
    with tf.train.MonitoredSession() as sess:
        batches = []
        while not sess.should_stop():
            batches.append(sess.run([lengths, rows, numbers]))
    for length, row, number in batches:
        np.testing.assert_array_equal(length, number)
        assert row.shape == (len(length), max(length)) and len({int(k >= 5) + int(k >= 10) for k in length}) == 1
        np.testing.assert_array_equal((row == length[:, None]).sum(1), np.where(length == 0, row.shape[1], length))
    assert sorted(k for length, _, _ in batches for k in length) == list(range(20))
