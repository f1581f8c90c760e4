"""``tf.train.MonitoredSession``: a session with hooks, queue runners and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dynrnn.tf1.core import errors
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.queues.coordinator import Coordinator
from dynrnn.tf1.queues.queue_runner import start_queue_runners
from dynrnn.tf1.training.hooks import CheckpointSaverHook, StepCounterHook, SummarySaverHook
from dynrnn.tf1.training.scaffold import USE_DEFAULT, Scaffold
from dynrnn.tf1.training.session_manager import SessionManager
from dynrnn.tf1.training.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues

__all__ = [
    "ChiefSessionCreator",
    "MonitoredSession",
    "MonitoredTrainingSession",
    "SessionCreator",
    "SingularMonitoredSession",
    "WorkerSessionCreator",
]


class SessionCreator:
    """Makes sessions that are ready."""

    def create_session(self) -> Any:
        """A new session."""
        raise NotImplementedError(f"create_session is not implemented for {type(self).__name__}.")


class ChiefSessionCreator(SessionCreator):
    """Makes sessions whose variables are restored from a checkpoint, or initialised.

    Args:
        scaffold: the operations that it needs.
        master: "" only.
        config: of the session.
        checkpoint_dir: folder of checkpoints.
        checkpoint_filename_with_path: or a checkpoint.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        self._scaffold = scaffold or Scaffold()
        self._master = master
        self._config = config
        self._dir = checkpoint_dir
        self._path = checkpoint_filename_with_path
        self._manager: SessionManager | None = None

    def _session_manager(self) -> SessionManager:
        if self._manager is None:
            self._manager = SessionManager(
                local_init_op=self._scaffold.local_init_op,
                local_init_feed_dict=self._scaffold.local_init_feed_dict,
                ready_op=self._scaffold.ready_op,
                ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
                graph=get_default_graph(),
            )
        return self._manager

    def create_session(self) -> Any:
        """A session, restored or initialised; the graph is finalized."""
        self._scaffold.finalize()
        return self._session_manager().prepare_session(
            self._master,
            saver=self._scaffold.saver,
            checkpoint_dir=self._dir,
            checkpoint_filename_with_path=self._path,
            config=self._config,
            init_op=self._scaffold.init_op,
            init_feed_dict=self._scaffold.init_feed_dict,
            init_fn=self._scaffold.init_fn,
        )


class WorkerSessionCreator(SessionCreator):
    """Makes sessions whose variables another one initialises.

    Args:
        scaffold, master, config: as for :class:`ChiefSessionCreator`.
        max_wait_secs: how long it waits.
    """

    def __init__(
        self, scaffold: Scaffold | None = None, master: str = "", config: Any = None, max_wait_secs: float = 1800
    ) -> None:
        self._scaffold = scaffold or Scaffold()
        self._master = master
        self._config = config
        self._max_wait_secs = max_wait_secs

    def create_session(self) -> Any:
        """A session, when it is ready."""
        self._scaffold.finalize()
        manager = SessionManager(
            local_init_op=self._scaffold.local_init_op,
            ready_op=self._scaffold.ready_op,
            ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
            graph=get_default_graph(),
        )
        return manager.wait_for_session(self._master, config=self._config, max_wait_secs=self._max_wait_secs)


class _Monitored:
    """What monitored sessions have in common."""

    def __init__(
        self, session_creator: SessionCreator | None, hooks: Sequence[SessionRunHook] | None, stop_grace_secs: float
    ) -> None:
        self._hooks = list(hooks or [])
        self._stop_grace_secs = stop_grace_secs
        self._stop = False
        self._sess: Any = None
        for hook in self._hooks:
            hook.begin()
        creator = session_creator or ChiefSessionCreator()
        graph = get_default_graph()
        self._sess = creator.create_session()
        self._graph = self._sess.graph
        self._coord = Coordinator()
        if graph.get_collection(GraphKeys.QUEUE_RUNNERS):
            start_queue_runners(sess=self._sess, coord=self._coord)
        for hook in self._hooks:
            hook.after_create_session(self._sess, self._coord)

    @property
    def graph(self) -> Any:
        """The graph that it runs."""
        return self._graph

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """``Session.run``, with what the hooks fetch and feed besides.

        Raises:
            RuntimeError: after a stop was asked for, or when the session is closed, or two feed the same tensor.
        """
        if self._sess is None:
            raise RuntimeError("Session is already closed.")
        if self.should_stop():
            self._coord.raise_requested_exception()
            raise RuntimeError("Run called even after should_stop requested.")
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self._sess)
        wanted: dict[Any, Any] = {"caller": fetches}
        feeds = dict(feed_dict or {})
        fed_by_hooks: set[Any] = set()
        for hook in self._hooks:
            request = hook.before_run(context)
            if request is None:
                continue
            if request.fetches is not None:
                wanted[hook] = request.fetches
            for key, value in (request.feed_dict or {}).items():
                if key in fed_by_hooks:
                    raise RuntimeError("Same tensor is fed by two hooks.")
                if key in feeds:
                    raise RuntimeError("Same tensor is fed by a SessionRunHook and user.")
                fed_by_hooks.add(key)
                feeds[key] = value
        results = self._run(wanted, feeds, options, run_metadata)
        for hook in self._hooks:
            hook.after_run(context, SessionRunValues(results.get(hook), options, run_metadata))
        self._stop = self._stop or context.stop_requested
        return results["caller"]

    def _run(self, fetches: Any, feeds: Any, options: Any, run_metadata: Any) -> Any:
        try:
            return self._sess.run(fetches, feed_dict=feeds, options=options, run_metadata=run_metadata)
        except Exception:
            # what went wrong in a thread of the input is the cause, not that the input has ended
            self._coord.raise_requested_exception()
            raise

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """The result of ``step_fn(step_context)``, with ``session``, ``run_with_hooks`` and ``request_stop()``.

        Raises:
            ValueError: a function with other arguments.
        """
        code = getattr(step_fn, "__code__", None)
        names = list(code.co_varnames[: code.co_argcount]) if code is not None else ["step_context"]
        bare = [n for n in names if n != "self"]
        if bare != ["step_context"]:
            raise ValueError(
                "`step_fn` may either have one `step_context` argument, or `self` and `step_context` arguments if it's "
                f"an instance method. Got {names} instead."
            )
        try:
            return step_fn(_StepContext(self))
        except StopIteration:
            self._stop = True
            return None

    def should_stop(self) -> bool:
        """Whether the training loop should end."""
        return self._sess is None or self._stop or self._coord.should_stop()

    def close(self) -> None:
        """Call the hooks' ``end`` and close the session."""
        self._close(None)

    def _close(self, exception: Any) -> None:
        try:
            if exception is None and self._sess is not None:
                for hook in self._hooks:
                    hook.end(self._sess)
        finally:
            if self._sess is not None:
                session, self._sess = self._sess, None
                self._stop = True
                self._coord.request_stop()
                try:
                    self._coord.join(stop_grace_period_secs=self._stop_grace_secs, ignore_live_threads=True)
                finally:
                    session.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool | None:
        # the end of an input is a way to end, not a failure
        if kind is not None and issubclass(kind, (errors.OutOfRangeError, StopIteration)):
            kind = None
        self._close(kind)
        return kind is None


class _StepContext:
    def __init__(self, monitored: _Monitored) -> None:
        self._monitored = monitored

    @property
    def session(self) -> Any:
        return self._monitored._sess

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        return self._monitored.run(*args, **kwargs)

    def request_stop(self) -> None:
        raise StopIteration("step_fn has requested the iterations to stop.")


class MonitoredSession(_Monitored):
    """A session whose runs hooks see and add to; queue runners are started with it.

        with tf.train.MonitoredSession(hooks=[...]) as sess:
            while not sess.should_stop():
                sess.run(train_op)

    Args:
        session_creator: makes the session; by default a :class:`ChiefSessionCreator`, which initialises.
        hooks: what is told of every run.
        stop_grace_period_secs: how long threads have to stop.
    """

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Sequence[SessionRunHook] | None = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        super().__init__(session_creator, hooks, stop_grace_period_secs)

    ChiefSessionCreator = ChiefSessionCreator
    WorkerSessionCreator = WorkerSessionCreator


class SingularMonitoredSession(_Monitored):
    """A :class:`MonitoredSession` of which the session itself can be had.

    Args:
        hooks: what is told of every run.
        scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path: as for :class:`ChiefSessionCreator`.
        stop_grace_period_secs: how long threads have to stop.
    """

    def __init__(
        self,
        hooks: Sequence[SessionRunHook] | None = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(creator, hooks, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """The session, whose runs no hook sees."""
        return self._sess


def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: Any = None,
    scaffold: Scaffold | None = None,
    hooks: Sequence[SessionRunHook] | None = None,
    chief_only_hooks: Sequence[SessionRunHook] | None = None,
    save_checkpoint_secs: Any = USE_DEFAULT,
    save_summaries_steps: Any = USE_DEFAULT,
    save_summaries_secs: Any = USE_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = USE_DEFAULT,
    summary_dir: Any = None,
) -> MonitoredSession:
    """A monitored session that saves checkpoints and summaries and counts steps.

    Args:
        master: "" only.
        is_chief: whether it initialises the variables and writes files.
        checkpoint_dir: folder of checkpoints, from which it goes on, and of summaries; None: none are written.
        scaffold: operations; what it does not have is made.
        hooks: more hooks.
        chief_only_hooks: more hooks, if it is the chief.
        save_checkpoint_secs, save_checkpoint_steps: how often; by default every 600 seconds, None for never.
        save_summaries_secs, save_summaries_steps: how often; by default every 100 steps, None for never.
        config: of the session.
        stop_grace_period_secs: how long threads have to stop.
        log_step_count_steps: how often steps per second are logged; None for never.
        max_wait_secs: how long one that is not the chief waits.
        summary_dir: another folder for summaries.

    Returns:
        The session.
    """
    if save_summaries_steps is USE_DEFAULT and save_summaries_secs is USE_DEFAULT:
        save_summaries_steps, save_summaries_secs = 100, None
    save_summaries_steps = None if save_summaries_steps is USE_DEFAULT else save_summaries_steps
    save_summaries_secs = None if save_summaries_secs is USE_DEFAULT else save_summaries_secs
    if save_checkpoint_steps is USE_DEFAULT and save_checkpoint_secs is USE_DEFAULT:
        save_checkpoint_steps, save_checkpoint_secs = None, 600
    save_checkpoint_steps = None if save_checkpoint_steps is USE_DEFAULT else save_checkpoint_steps
    save_checkpoint_secs = None if save_checkpoint_secs is USE_DEFAULT else save_checkpoint_secs
    scaffold = scaffold or Scaffold()
    given = list(hooks or [])
    if not is_chief:
        worker = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(worker, given, stop_grace_period_secs)
    given += list(chief_only_hooks or [])
    made: list[SessionRunHook] = []
    summary_dir = summary_dir or checkpoint_dir
    if summary_dir:
        if log_step_count_steps and log_step_count_steps > 0:
            made.append(StepCounterHook(every_n_steps=log_step_count_steps, output_dir=summary_dir))
        if (save_summaries_steps and save_summaries_steps > 0) or (save_summaries_secs and save_summaries_secs > 0):
            made.append(
                SummarySaverHook(save_summaries_steps, save_summaries_secs, scaffold=scaffold, output_dir=summary_dir)
            )
    if checkpoint_dir and (
        (save_checkpoint_secs and save_checkpoint_secs > 0) or (save_checkpoint_steps and save_checkpoint_steps > 0)
    ):
        made.append(CheckpointSaverHook(checkpoint_dir, save_checkpoint_secs, save_checkpoint_steps, scaffold=scaffold))
    chief = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(chief, [*made, *given], stop_grace_period_secs)
