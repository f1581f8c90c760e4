"""Supervisors, monitored sessions and their hooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

tf: Any = dynrnn.tf1


@pytest.fixture(autouse=True)
def graph() -> Iterator[None]:
    before = threading.active_count()
    with tf.Graph().as_default():
        yield
    tf.summary.FileWriterCache.clear()
    assert threading.active_count() == before, "a thread was left behind"


class Model:
    """x is halved in every step; the loss is x."""

    def __init__(self) -> None:
        self.step = tf.train.get_or_create_global_step()
        self.x = tf.get_variable("x", initializer=8.0)
        self.loss = tf.identity(self.x, name="loss")
        tf.summary.scalar("loss", self.loss)
        with tf.control_dependencies([self.loss]):
            self.train = tf.group(self.x.assign(self.x * 0.5), tf.assign_add(self.step, 1))


class Recorder(tf.train.SessionRunHook):
    """Notes everything that it is told."""

    def __init__(self, fetches: Any = None, feed_dict: Any = None, stop_at: int = -1) -> None:
        self.notes: list[Any] = []
        self._asked = (fetches, feed_dict)
        self._stop_at = stop_at

    def begin(self) -> None:
        self.notes.append("begin")

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.notes.append(("created", isinstance(session, tf.Session), isinstance(coord, tf.train.Coordinator)))

    def before_run(self, run_context: Any) -> Any:
        return None if self._asked == (None, None) else tf.train.SessionRunArgs(*self._asked)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.notes.append(run_values.results)
        if len(self.notes) == self._stop_at:
            run_context.request_stop()

    def end(self, session: Any) -> None:
        self.notes.append("end")


# --- monitored sessions -----------------------------------------------------------------------------------------------


def test_hooks_are_told_in_order_and_fetch_what_they_want() -> None:
    model = Model()
    one, two = Recorder({"loss": model.loss}), Recorder()
    with tf.train.MonitoredSession(hooks=[one, two, tf.train.StopAtStepHook(last_step=3)]) as sess:
        values = []
        while not sess.should_stop():
            values.append(sess.run([model.loss, model.train])[0])
        with pytest.raises(RuntimeError, match="Run called even after should_stop requested"):
            sess.run(model.loss)
    assert values == [8.0, 4.0, 2.0]
    assert one.notes == ["begin", ("created", True, True), {"loss": 8.0}, {"loss": 4.0}, {"loss": 2.0}, "end"]
    assert two.notes == ["begin", ("created", True, True), None, None, None, "end"]
    with pytest.raises(RuntimeError, match="Session is already closed"):
        sess.run(model.loss)
    with pytest.raises(RuntimeError, match="Graph is finalized"):
        tf.constant(1.0)


def test_hooks_feed_and_conflicts_are_refused() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    y = x + 1.0
    with tf.train.MonitoredSession(hooks=[tf.train.FeedFnHook(lambda: {x: 4.0})]) as sess:
        assert sess.run(y) == 5.0
        with pytest.raises(RuntimeError, match="Same tensor is fed by a SessionRunHook and user"):
            sess.run(y, {x: 1.0})
    with tf.Graph().as_default():
        z = tf.placeholder(tf.float32, [])
        hooks = [Recorder(None, {z: 1.0}), Recorder(None, {z: 2.0})]
        with tf.train.SingularMonitoredSession(hooks=hooks) as sess:
            with pytest.raises(RuntimeError, match="Same tensor is fed by two hooks"):
                sess.run(z)
            assert sess.raw_session().run(z, {z: 3.0}) == 3.0


def test_the_end_of_the_input_ends_the_block_and_other_failures_come_out() -> None:
    value = tf.train.range_input_producer(3, num_epochs=1, shuffle=False).dequeue()
    hook, seen = Recorder(), []
    with tf.train.MonitoredSession(hooks=[hook]) as sess:
        while not sess.should_stop():
            seen.append(int(sess.run(value)))
    assert seen == [0, 1, 2] and hook.notes[-1] == "end"
    with tf.Graph().as_default():
        bad = tf.check_numerics(tf.constant(float("nan")), "bad")
        hook = Recorder()
        with pytest.raises(tf.errors.InvalidArgumentError), tf.train.MonitoredSession(hooks=[hook]) as sess:
            sess.run(bad)
    assert hook.notes[-1] != "end"


def test_step_functions() -> None:
    model = Model()
    hook = Recorder()
    with tf.train.MonitoredSession(hooks=[hook]) as sess:
        assert sess.run_step_fn(lambda step_context: step_context.session.run(model.loss)) == 8.0
        assert sess.run_step_fn(lambda step_context: step_context.run_with_hooks(model.loss)) == 8.0
        assert hook.notes[2:] == [None]
        with pytest.raises(ValueError, match="step_context"):
            sess.run_step_fn(lambda other: other)
        sess.run_step_fn(lambda step_context: step_context.request_stop())
        assert sess.should_stop()


def test_variables_and_tables_are_initialised_and_init_fn_is_called() -> None:
    local = tf.get_variable("l", initializer=3.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    v = tf.get_variable("v", initializer=tf.placeholder_with_default(1.0, []))
    feed = {tf.get_default_graph().get_tensor_by_name("PlaceholderWithDefault:0"): 9.0}
    called = []
    scaffold = tf.train.Scaffold(init_feed_dict=feed, init_fn=lambda scaffold, sess: called.append(sess.run(v)))
    creator = tf.train.ChiefSessionCreator(scaffold=scaffold)
    with tf.train.MonitoredSession(creator) as sess:
        assert sess.run([v, local]) == [9.0, 3.0] and called == [9.0]
        assert sess.graph is tf.get_default_graph()


def test_a_model_that_is_not_ready_is_refused() -> None:
    v = tf.get_variable("v", initializer=1.0)
    tf.get_variable("w", initializer=1.0)
    scaffold = tf.train.Scaffold(init_op=v.initializer)
    with pytest.raises(RuntimeError, match=r"did not make model ready.*Variables not initialized: w"):
        tf.train.MonitoredSession(tf.train.ChiefSessionCreator(scaffold=scaffold))


# --- hooks ------------------------------------------------------------------------------------------------------------


def run_with(hooks: list[Any], model: Model, steps: int) -> None:
    with tf.train.MonitoredSession(hooks=[*hooks, tf.train.StopAtStepHook(num_steps=steps)]) as sess:
        while not sess.should_stop():
            sess.run(model.train)


def test_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(tf.logging, "info", lambda text, *values: lines.append(text % values if values else text))
    model = Model()
    by_name = tf.train.LoggingTensorHook({"l": "loss:0"}, every_n_iter=2)
    formatted = tf.train.LoggingTensorHook(["loss:0"], every_n_iter=3, formatter=lambda v: f"<{v['loss:0']}>")
    at_end = tf.train.LoggingTensorHook([model.loss], at_end=True)
    run_with([by_name, formatted, at_end], model, 4)
    assert lines[0] == "l = 8.0" and lines[1] == "<8.0>"
    assert lines[2].startswith("l = 2.0 (") and lines[3] == "<1.0>" and lines[4] == "loss:0 = 0.5"
    assert len(lines) == 5


def test_nan_stops() -> None:
    x = tf.placeholder_with_default(float("nan"), [])
    with tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(x, fail_on_nan_loss=False)]) as sess:
        sess.run(x)
        assert sess.should_stop()
    with tf.Graph().as_default():
        x = tf.placeholder_with_default(float("nan"), [])
        with (
            pytest.raises(tf.train.NanLossDuringTrainingError, match="NaN loss during training"),
            tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(x)]) as sess,
        ):
            sess.run(x)


def test_final_operations() -> None:
    model = Model()
    hook = tf.train.FinalOpsHook({"x": model.x, "step": model.step})
    run_with([hook], model, 3)
    assert hook.final_ops_values == {"x": 1.0, "step": 3}


def test_the_timer() -> None:
    timer = tf.train.SecondOrStepTimer(every_steps=3)
    assert timer.should_trigger_for_step(1) and timer.update_last_triggered_step(1) == (None, None)
    assert [timer.should_trigger_for_step(n) for n in (1, 2, 3, 4)] == [False, False, False, True]
    elapsed, steps = timer.update_last_triggered_step(4)
    assert elapsed >= 0 and steps == 3 and timer.last_triggered_step() == 4
    for wrong in ({}, {"every_secs": 1, "every_steps": 1}):
        with pytest.raises(ValueError, match="every_secs"):
            tf.train.SecondOrStepTimer(**wrong)


def test_summaries_and_steps_per_second_are_written(tmp_path: Path) -> None:
    model = Model()
    with tf.train.MonitoredTrainingSession(
        summary_dir=str(tmp_path), save_summaries_steps=2, log_step_count_steps=3, hooks=[tf.train.StopAtStepHook(6)]
    ) as sess:
        while not sess.should_stop():
            sess.run(model.train)
    tf.summary.FileWriterCache.clear()
    written = [
        (e.step, v.tag, v.simple_value)
        for path in sorted(tmp_path.glob("events*"))
        for e in tf.train.summary_iterator(str(path))
        for v in e.summary.value
    ]
    assert [(s, v) for s, tag, v in written if tag == "loss_1"] == [(1, 8.0), (3, 2.0), (5, 0.5)]
    assert [s for s, tag, _ in written if tag == "global_step/sec"] == [4]


class FakeSaver:
    """In place of ``tf.train.Saver``."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, int]] = []

    def save(self, sess: Any, path: str, global_step: Any = None) -> None:
        step = global_step if isinstance(global_step, int) else int(sess.run(global_step))
        self.saved.append((Path(path).name, step))


def test_checkpoints_are_written_at_the_beginning_on_time_and_at_the_end(tmp_path: Path) -> None:
    model, saver = Model(), FakeSaver()

    class Listener(tf.train.CheckpointSaverListener):
        notes: list[Any] = []  # noqa: RUF012

        def begin(self) -> None:
            self.notes.append("begin")

        def after_save(self, session: Any, global_step_value: int) -> None:
            self.notes.append(global_step_value)

        def end(self, session: Any, global_step_value: int) -> None:
            self.notes.append(("end", global_step_value))

    hook = tf.train.CheckpointSaverHook(str(tmp_path), save_steps=2, saver=saver, listeners=[Listener()])
    run_with([hook], model, 5)
    assert saver.saved == [("model.ckpt", step) for step in (0, 2, 4, 5)]
    assert Listener.notes == ["begin", 0, 2, 4, 5, ("end", 5)]


def test_wrong_arguments_of_hooks() -> None:
    with pytest.raises(ValueError, match="One of num_steps or last_step must be specified"):
        tf.train.StopAtStepHook()
    with pytest.raises(ValueError, match="every_n_iter"):
        tf.train.LoggingTensorHook(["x:0"])
    with pytest.raises(ValueError, match="Exactly one of scaffold or summary_op"):
        tf.train.SummarySaverHook(save_steps=1)
    with pytest.raises(RuntimeError, match="Global step should be created to use StopAtStepHook"):
        tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(5)])


# --- supervisors ------------------------------------------------------------------------------------------------------


def test_a_supervised_training_loop(tmp_path: Path) -> None:
    model, saver = Model(), FakeSaver()
    sv = tf.train.Supervisor(logdir=str(tmp_path), saver=saver, summary_op=None, save_model_secs=1000)
    with sv.managed_session() as sess:
        assert tf.get_default_session() is sess
        while not sv.should_stop():
            _, step = sess.run([model.train, model.step])
            sv.summary_computed(sess, tf.Summary(value=[tf.Summary.Value(tag="mine", simple_value=2.0)]))
            if step == 3:
                sv.request_stop()
    kinds = [
        (e.WhichOneof("what"), e.step)
        for path in sorted(tmp_path.glob("events*"))
        for e in tf.train.summary_iterator(str(path))
    ]
    assert ("graph_def", 0) in kinds and kinds[-1][0] == "session_log"
    assert [s for k, s in kinds if k == "summary" and s] == [1, 2, 3, 4]
    assert sv.coord.joined and saver.saved[0][0] == "model.ckpt"


def test_a_supervisor_without_a_folder_writes_nothing_and_names_of_old() -> None:
    model = Model()
    sv = tf.train.Supervisor()
    sess = sv.PrepareSession()
    assert sess.run(model.loss) == 8.0 and sv.saver is None and sv.save_path is None
    with pytest.raises(RuntimeError, match="Writing a summary requires a summary writer"):
        sv.SummaryComputed(sess, b"")
    sv.Stop()
    assert sv.ShouldStop()
    sess.close()


def test_failures_in_the_block_and_in_threads_come_out() -> None:
    Model()
    sv = tf.train.Supervisor()
    with pytest.raises(ZeroDivisionError), sv.managed_session():
        raise ZeroDivisionError
    called = []

    def fail() -> None:
        called.append(1)
        raise KeyError("in a thread")

    sv = tf.train.Supervisor()
    with pytest.raises(KeyError, match="in a thread"), sv.managed_session():
        sv.loop(None, fail)
        sv.wait_for_stop()
    assert called == [1]


def test_the_end_of_an_input_ends_a_supervised_block() -> None:
    value = tf.train.range_input_producer(3, num_epochs=1, shuffle=False).dequeue()
    sv = tf.train.Supervisor()
    seen = []
    with sv.managed_session() as sess:
        while not sv.should_stop():
            seen.append(int(sess.run(value)))
    assert seen == [0, 1, 2]


def test_scaffolds_and_init_functions_of_supervisors() -> None:
    model = Model()
    sv = tf.train.Supervisor(init_op=tf.global_variables_initializer(), init_fn=lambda sess: model.x.load(5.0, sess))
    with sv.managed_session() as sess:
        assert sess.run(model.x) == 5.0
    assert np.isclose(sv.save_model_secs, 600)


# --- hyperparameters --------------------------------------------------------------------------------------------------


def test_hyperparameters() -> None:
    h = tf.contrib.training.HParams(rate=0.1, units=8, name="a", deep=True, sizes=[1, 2])
    h.parse("rate=1e-2,units=16,name=b c,deep=false,sizes=[3,4]")
    assert h.values() == {"rate": 0.01, "units": 16, "name": "b c", "deep": False, "sizes": [3, 4]}
    h.parse("sizes[1]=9").override_from_dict({"units": 3}).parse_json('{"rate": 2}')
    assert h.sizes == [3, 9] and h.units == 3 and h.rate == 2.0 and isinstance(h.rate, float)
    assert "rate" in h and "none" not in h and h.get("units") == 3 and h.get("none", 5) == 5
    assert tf.contrib.training.HParams(**{"b": 1, "a": "x"}).to_json(sort_keys=True) == '{"a": "x", "b": 1}'
    h.del_hparam("rate")
    h.add_hparam("more", 1.5)
    assert "rate" not in h and h.more == 1.5
    for text, error in (
        ("units=1.5", "Could not parse hparam 'units' of type 'int' with value '1.5'"),
        ("nope=1", "Unknown hyperparameter type for nope"),
        ("units", "Malformed hyperparameter value: units"),
        ("units=[1]", "Must not pass a list for single-valued parameter: units"),
        ("sizes=1", "Must pass a list for multi-valued parameter: sizes."),
        ("units=1,units=2", "Multiple assignments to variable 'units'"),
    ):
        with pytest.raises(ValueError) as raised:
            h.parse(text)
        assert error in str(raised.value)
    with pytest.raises(ValueError, match="Could not cast hparam 'units'"):
        h.set_hparam("units", 1.5)
    with pytest.raises(ValueError, match="Multi-valued hyperparameters cannot be empty"):
        tf.contrib.training.HParams(a=[])
    with pytest.raises(ValueError, match="reserved: values"):
        tf.contrib.training.HParams(values=1)


def test_other_paths_lead_to_the_same() -> None:
    """Where programs import these names from."""
    from dynrnn.tf1._aliases import ALIASES

    for path in ("python.training.supervisor", "python.training.basic_session_run_hooks", "core.example.example_pb2"):
        assert ALIASES[path] == ("train",)
    assert tf.train.queue_runner.QueueRunner is tf.train.QueueRunner
    assert tf.io.TFRecordWriter is tf.python_io.TFRecordWriter and tf.io.gfile.exists("/")
    assert tf.io.FixedLenFeature([], tf.int64) == tf.FixedLenFeature(shape=[], dtype=tf.int64, default_value=None)
    with pytest.raises(AttributeError, match="is not available in dynrnn"):
        tf.io.decode_wav  # noqa: B018
