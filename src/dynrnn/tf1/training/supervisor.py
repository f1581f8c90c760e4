"""``tf.train.Supervisor``: a training session that is restored, saved and summarised by itself."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from dynrnn.tf1 import logging
from dynrnn.tf1.core.control_flow import group
from dynrnn.tf1.core.graph import Graph, get_default_graph
from dynrnn.tf1.core.variables import (
    GraphKeys,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from dynrnn.tf1.global_step import get_global_step, global_step
from dynrnn.tf1.queues.coordinator import Coordinator, LooperThread
from dynrnn.tf1.summary.operations import merge_all
from dynrnn.tf1.summary.writer import FileWriter
from dynrnn.tf1.training.scaffold import USE_DEFAULT, default_saver, first_of, tables_initializer_op
from dynrnn.tf1.training.session_manager import SessionManager

__all__ = ["Supervisor"]


class Supervisor:
    """Prepares a session, runs services beside the training loop and stops them.

        sv = Supervisor(logdir="...")
        with sv.managed_session() as sess:
            while not sv.should_stop():
                sess.run(train_op)

    The graph must be complete before, for it is finalized. Checkpoints go to ``logdir``, from where the next run goes
    on; so do summaries and the graph.

    Args:
        graph: the graph; by default the default graph.
        ready_op, ready_for_local_init_op: give the names of variables that are not initialised.
        is_chief: False: wait for another one to initialise the variables.
        init_op, init_feed_dict, init_fn: initialise the variables where there is no checkpoint.
        local_init_op: initialises local variables and tables.
        logdir: a folder for checkpoints and summaries; None for neither.
        summary_op: the summaries; None: the program writes its own with ``summary_computed``.
        saver: writes checkpoints; None for none.
        global_step: the variable that counts steps.
        save_summaries_secs: seconds between summaries, 0 for none.
        save_model_secs: seconds between checkpoints, 0 for none.
        recovery_wait_secs: how often it looks again while it waits.
        stop_grace_secs: how long threads have to stop.
        checkpoint_basename: of the checkpoint files.
        session_manager: makes the sessions.
        summary_writer: writes the summaries; None for none.
        init_saver, local_init_run_options: accepted for TensorFlow's signature.

    For the ready, init, summary, saver, step and writer arguments ``Supervisor.USE_DEFAULT`` stands for what is in the
    graph's collection of that name, or else is made.
    """

    USE_DEFAULT = USE_DEFAULT

    def __init__(
        self,
        graph: Graph | None = None,
        ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = USE_DEFAULT,
        init_feed_dict: Any = None,
        local_init_op: Any = USE_DEFAULT,
        logdir: Any = None,
        summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        recovery_wait_secs: float = 30,
        stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT,
        init_fn: Callable[[Any], Any] | None = None,
        local_init_run_options: Any = None,
    ) -> None:
        self._graph = get_default_graph() if graph is None else graph
        self._is_chief = is_chief
        self._logdir = None if logdir is None else os.fspath(logdir)
        self._save_summaries_secs = save_summaries_secs
        self._save_model_secs = save_model_secs
        self._stop_grace_secs = stop_grace_secs
        self._init_feed_dict = init_feed_dict
        self._init_fn = init_fn
        self._coord = Coordinator()
        self._started = False
        self._graph_added = False
        with self._graph.as_default():
            self._ready_op = self._piece(ready_op, GraphKeys.READY_OP, report_uninitialized_variables)
            self._ready_for_local = self._piece(
                ready_for_local_init_op, GraphKeys.READY_FOR_LOCAL_INIT_OP, lambda: None
            )
            self._init_op = self._piece(init_op, GraphKeys.INIT_OP, global_variables_initializer)
            self._local_init_op = self._piece(
                local_init_op,
                GraphKeys.LOCAL_INIT_OP,
                lambda: group(local_variables_initializer(), tables_initializer_op()),
            )
            self._saver = self._piece(saver, GraphKeys.SAVERS, self._new_saver)
            self._summary_op = self._piece(summary_op, GraphKeys.SUMMARY_OP, merge_all)
            self._global_step = self._piece(global_step, GraphKeys.GLOBAL_STEP, lambda: get_global_step(self._graph))
        self._save_path = None if self._logdir is None else os.path.join(self._logdir, checkpoint_basename)
        self._summary_writer = summary_writer
        if summary_writer is USE_DEFAULT:
            self._summary_writer = FileWriter(self._logdir) if self._logdir and is_chief else None
        self._session_manager = session_manager or SessionManager(
            local_init_op=self._local_init_op,
            ready_op=self._ready_op,
            ready_for_local_init_op=self._ready_for_local,
            graph=self._graph,
            recovery_wait_secs=recovery_wait_secs,
        )
        self._graph.finalize()

    def _piece(self, given: Any, collection: Any, make: Callable[[], Any]) -> Any:
        if given is not USE_DEFAULT:
            return given
        found = first_of(collection)
        if found is None:
            found = make()
            if found is not None:
                self._graph.add_to_collection(collection, found)
        return found

    def _new_saver(self) -> Any:
        # without a folder there is nothing to save to
        if self._logdir is None:
            return None
        return default_saver()

    # --- what it holds ------------------------------------------------------------------------------------------------

    @property
    def is_chief(self) -> bool:
        """Whether it initialises the variables."""
        return self._is_chief

    @property
    def session_manager(self) -> SessionManager:
        """Makes the sessions."""
        return self._session_manager

    @property
    def coord(self) -> Coordinator:
        """Stops the threads."""
        return self._coord

    @property
    def init_op(self) -> Any:
        """Initialises the variables."""
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        """Fed to ``init_op``."""
        return self._init_feed_dict

    @property
    def ready_op(self) -> Any:
        """Gives the names of variables that are not initialised."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """The same, before ``local_init_op``."""
        return self._ready_for_local

    @property
    def local_init_op(self) -> Any:
        """Initialises local variables and tables."""
        return self._local_init_op

    @property
    def summary_writer(self) -> Any:
        """Writes the summaries."""
        return self._summary_writer

    @property
    def summary_op(self) -> Any:
        """The summaries."""
        return self._summary_op

    @property
    def save_summaries_secs(self) -> float:
        """Seconds between summaries."""
        return self._save_summaries_secs

    @property
    def global_step(self) -> Any:
        """Counts the steps."""
        return self._global_step

    @property
    def saver(self) -> Any:
        """Writes checkpoints."""
        return self._saver

    @property
    def save_model_secs(self) -> float:
        """Seconds between checkpoints."""
        return self._save_model_secs

    @property
    def save_path(self) -> str | None:
        """Where checkpoints are written."""
        return self._save_path

    # --- sessions -----------------------------------------------------------------------------------------------------

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Any:
        """A session that is ready: restored, or initialised, with its services and queue runners started."""
        self._coord.clear_stop()
        if self._summary_writer is not None:
            self._summary_writer.reopen()
        if self._is_chief:
            sess = self._session_manager.prepare_session(
                master,
                init_op=self._init_op,
                saver=self._saver,
                checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint,
                max_wait_secs=max_wait_secs,
                config=config,
                init_feed_dict=self._init_feed_dict,
                init_fn=self._init_fn,
            )
            self._write_graph()
            if start_standard_services:
                self.start_standard_services(sess)
        else:
            sess = self._session_manager.wait_for_session(master, config=config, max_wait_secs=max_wait_secs)
        if start_standard_services:
            self.start_queue_runners(sess)
        return sess

    @contextlib.contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Any]:
        """A session for a ``with`` block; an exception in it stops all threads and comes out again.

        The end of an input (``OutOfRangeError``) ends the block in order.
        """
        try:
            sess = self.prepare_or_wait_for_session(
                master=master, config=config, start_standard_services=start_standard_services
            )
            with sess.as_default(), self._graph.as_default():
                yield sess
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                # raises what was reported to the coordinator
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                with contextlib.suppress(Exception, UnboundLocalError):
                    sess.close()

    def _write_graph(self) -> None:
        if self._summary_writer is not None and not self._graph_added:
            self._summary_writer.add_graph(self._graph)
            self._graph_added = True

    # --- services -----------------------------------------------------------------------------------------------------

    def start_standard_services(self, sess: Any) -> list[LooperThread]:
        """Start the threads that write summaries, steps per second and checkpoints.

        Raises:
            RuntimeError: it is not the chief.
        """
        if not self._is_chief:
            raise RuntimeError(
                "Only chief supervisor can start standard services. Because only chief supervisors can write events."
            )
        if not self._logdir:
            logging.warning("Standard services need a 'logdir' passed to the SessionManager")
            return []
        if self._global_step is not None and self._summary_writer is not None:
            from dynrnn.tf1.summary.protos import SessionLog

            self._summary_writer.add_session_log(
                SessionLog(status=SessionLog.START), global_step(sess, self._global_step)
            )
        threads: list[LooperThread] = []
        if self._save_summaries_secs and self._summary_writer is not None:
            if self._summary_op is not None:
                threads.append(_Summaries(self, sess))
            if self._global_step is not None:
                threads.append(_StepCounter(self, sess))
        if self._saver is not None and self._save_model_secs:
            threads.append(_Checkpoints(self, sess))
        for thread in threads:
            thread.start()
        self._started = True
        return threads

    def start_queue_runners(self, sess: Any, queue_runners: Any = None) -> list[Any]:
        """Start the threads of queue runners, by default those of the graph."""
        runners = self._graph.get_collection(GraphKeys.QUEUE_RUNNERS) if queue_runners is None else queue_runners
        return [t for qr in runners for t in qr.create_threads(sess, coord=self._coord, daemon=True, start=True)]

    def loop(
        self, timer_interval_secs: float | None, target: Callable[..., Any], args: Any = None, kwargs: Any = None
    ) -> LooperThread:
        """Call ``target`` every so many seconds, in a thread of its own, until the supervisor stops."""
        return LooperThread.loop(self._coord, timer_interval_secs, target, args, kwargs)

    def stop(self, threads: Any = None, close_summary_writer: bool = True, ignore_live_threads: bool = False) -> None:
        """Stop all threads and wait for them.

        Raises:
            Exception: what a thread, or the program, reported with ``request_stop``.
        """
        self._coord.request_stop()
        try:
            self._coord.join(
                threads, stop_grace_period_secs=self._stop_grace_secs, ignore_live_threads=ignore_live_threads
            )
        finally:
            if close_summary_writer and self._summary_writer is not None:
                from dynrnn.tf1.summary.protos import SessionLog

                self._summary_writer.add_session_log(SessionLog(status=SessionLog.STOP))
                self._summary_writer.close()
                self._graph_added = False

    def request_stop(self, ex: Any = None) -> None:
        """Ask all threads to stop."""
        self._coord.request_stop(ex=ex)

    def should_stop(self) -> bool:
        """Whether the training loop should end."""
        return self._coord.should_stop()

    def stop_on_exception(self) -> Any:
        """A block in which an exception asks for a stop."""
        return self._coord.stop_on_exception()

    def wait_for_stop(self) -> None:
        """Wait until a stop is asked for."""
        self._coord.wait_for_stop()

    def summary_computed(self, sess: Any, summary: Any, global_step: Any = None) -> None:
        """Write a summary that the program has computed.

        Raises:
            RuntimeError: there is nothing to write it with.
        """
        if not self._summary_writer:
            raise RuntimeError("Writing a summary requires a summary writer.")
        if global_step is None and self._global_step is not None:
            global_step = _step(sess, self._global_step)
        self._summary_writer.add_summary(summary, global_step)

    # names of older programs
    PrepareSession = prepare_or_wait_for_session
    StartQueueRunners = start_queue_runners
    StartStandardServices = start_standard_services
    Stop = stop
    RequestStop = request_stop
    Loop = loop
    ShouldStop = should_stop
    StopOnException = stop_on_exception
    WaitForStop = wait_for_stop
    SummaryComputed = summary_computed


def _step(sess: Any, tensor: Any) -> int:
    return global_step(sess, tensor)


class _Summaries(LooperThread):
    """Writes the summaries."""

    def __init__(self, sv: Supervisor, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_summaries_secs)
        self._sv, self._sess = sv, sess

    def run_loop(self) -> None:
        """Compute them and write them."""
        if self._sv.global_step is not None:
            summary, step = self._sess.run([self._sv.summary_op, self._sv.global_step])
        else:
            summary, step = self._sess.run(self._sv.summary_op), None
        if self._sv.summary_writer:
            self._sv.summary_writer.add_summary(summary, step)


class _StepCounter(LooperThread):
    """Writes how many steps a second there are."""

    def __init__(self, sv: Supervisor, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_summaries_secs)
        self._sv, self._sess = sv, sess
        self._tag = f"{sv.global_step.op.name}/sec"

    def start_loop(self) -> None:
        """Where it begins."""
        self._time, self._step = time.monotonic(), _step(self._sess, self._sv.global_step)

    def run_loop(self) -> None:
        """Compare with the last time."""
        from dynrnn.tf1.summary.protos import Summary

        now, step = time.monotonic(), _step(self._sess, self._sv.global_step)
        elapsed = now - self._time
        rate = (step - self._step) / elapsed if elapsed else float("inf")
        self._time, self._step = now, step
        if self._sv.summary_writer:
            values = [Summary.Value(tag=self._tag, simple_value=rate)]
            self._sv.summary_writer.add_summary(Summary(value=values), step)
        logging.log_first_n(logging.INFO, "%s: %g", 10, self._tag, rate)


class _Checkpoints(LooperThread):
    """Writes checkpoints."""

    def __init__(self, sv: Supervisor, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_model_secs)
        self._sv, self._sess = sv, sess

    def run_loop(self) -> None:
        """Save the session."""
        logging.info("Saving checkpoint to path %s", self._sv.save_path)
        self._sv.saver.save(self._sess, self._sv.save_path, global_step=self._sv.global_step)
        if self._sv.summary_writer and self._sv.global_step is not None:
            from dynrnn.tf1.summary.protos import SessionLog

            log = SessionLog(status=SessionLog.CHECKPOINT, checkpoint_path=self._sv.save_path)
            self._sv.summary_writer.add_session_log(log, _step(self._sess, self._sv.global_step))
