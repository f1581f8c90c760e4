"""``tf.train.SessionManager``: sessions whose variables are restored from a checkpoint, or initialised."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dynrnn.tf1 import logging
from dynrnn.tf1.core import errors
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.session import Session

__all__ = ["SessionManager"]


def _label(item: Any) -> Any:
    return getattr(item, "name", item)


class SessionManager:
    """Makes sessions that are ready to train.

    Args:
        local_init_op: run in every new session.
        ready_op: gives the names of variables that are not initialised; none means ready.
        ready_for_local_init_op: the same for ``local_init_op``.
        graph: the graph; by default the default graph.
        recovery_wait_secs: how often it looks again while it waits.
        local_init_run_options, local_init_feed_dict: for ``local_init_op``.

    Raises:
        ValueError: ``ready_for_local_init_op`` without ``local_init_op``.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Any = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        self._local_init_op = local_init_op
        self._ready_op = ready_op
        self._ready_for_local_init_op = ready_for_local_init_op
        self._graph = get_default_graph() if graph is None else graph
        self._recovery_wait_secs = recovery_wait_secs
        self._local_init_feed_dict = local_init_feed_dict
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                "If you pass a ready_for_local_init_op you must also pass a local_init_op , "
                f"ready_for_local_init_op [{ready_for_local_init_op}]"
            )

    def prepare_session(
        self,
        master: str,
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
        init_feed_dict: Any = None,
        init_fn: Any = None,
    ) -> Session:
        """A session whose variables are restored from the checkpoint if there is one, else initialised.

        Args:
            master: "" only.
            init_op, init_feed_dict, init_fn: how variables are initialised.
            saver: reads checkpoints.
            checkpoint_dir: a folder of checkpoints, of which the last one counts.
            checkpoint_filename_with_path: or this one.
            wait_for_checkpoint: wait until there is one.
            max_wait_secs: how long.
            config: of the session.

        Raises:
            RuntimeError: the model is not ready after that.
        """
        sess, restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )
        if not restored:
            if init_op is None and not init_fn and self._local_init_op is None:
                raise RuntimeError("Model is not initialized and no init_op or init_fn or local_init_op was given")
            if init_op is not None:
                sess.run(init_op, feed_dict=init_feed_dict)
            if init_fn:
                init_fn(sess)
        done, message = self._try_local_init(sess)
        if not done:
            raise RuntimeError(
                f"Init operations did not make model ready for local_init.  Init op: {_label(init_op)}, init fn: "
                f"{init_fn}, error: {message}"
            )
        ready, message = self._is_ready(sess)
        if not ready:
            raise RuntimeError(
                f"Init operations did not make model ready.  Init op: {_label(init_op)}, init fn: {init_fn}, "
                f"local_init_op: {_label(self._local_init_op)}, error: {message}"
            )
        return sess

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Session, bool]:
        """A session, and whether its variables were restored and it is ready."""
        sess, restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )
        done, message = self._try_local_init(sess)
        if not restored:
            return sess, False
        where = checkpoint_filename_with_path or checkpoint_dir
        if not done:
            logging.info("Restoring model from %s did not make model ready for local init: %s", where, message)
            return sess, False
        ready, message = self._is_ready(sess)
        if not ready:
            logging.info("Restoring model from %s did not make model ready: %s", where, message)
            return sess, False
        logging.info("Restored model from %s", where)
        return sess, True

    def wait_for_session(self, master: str, config: Any = None, max_wait_secs: float = float("Inf")) -> Session:
        """A session once its variables are initialised; who else would do so in this process is up to the caller.

        Raises:
            tf.errors.DeadlineExceededError: not within ``max_wait_secs``.
        """
        end = time.monotonic() + (float("inf") if max_wait_secs is None else max_wait_secs)
        while True:
            sess = Session(master, graph=self._graph, config=config)
            message: str | None
            done, message = self._try_local_init(sess)
            if done:
                ready, message = self._is_ready(sess)
                if ready:
                    return sess
            sess.close()
            if time.monotonic() + self._recovery_wait_secs > end:
                raise errors.DeadlineExceededError(
                    None, None, f"Session was not ready after waiting {max_wait_secs} secs: {message}"
                )
            logging.info("Waiting for model to be ready: %s", message)
            time.sleep(self._recovery_wait_secs)

    def _restored(
        self,
        master: str,
        saver: Any,
        folder: str | None,
        path: str | None,
        wait: bool,
        max_wait_secs: float,
        config: Any,
    ) -> tuple[Session, bool]:
        sess = Session(master, graph=self._graph, config=config)
        if folder and path:
            raise ValueError("Can not provide both checkpoint_dir and checkpoint_filename_with_path.")
        if saver is None or not (folder or path):
            return sess, False
        if path:
            saver.restore(sess, path)
            return sess, True
        from dynrnn.tf1 import train

        if not hasattr(train, "get_checkpoint_state"):
            return sess, False  # no checkpoints at all
        end = time.monotonic() + max_wait_secs
        state = train.get_checkpoint_state(folder)
        while state is None or not state.model_checkpoint_path:
            if not wait or time.monotonic() + self._recovery_wait_secs > end:
                return sess, False
            logging.info("Waiting for checkpoint to be available.")
            time.sleep(self._recovery_wait_secs)
            state = train.get_checkpoint_state(folder)
        saver.restore(sess, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return sess, True

    def _is_ready(self, sess: Session) -> tuple[bool, str | None]:
        return _ready(self._ready_op, sess, "Model not ready")

    def _try_local_init(self, sess: Session) -> tuple[bool, str | None]:
        if self._local_init_op is None:
            return True, None
        ready, message = _ready(self._ready_for_local_init_op, sess, "Model not ready for local init")
        if ready:
            sess.run(self._local_init_op, feed_dict=self._local_init_feed_dict)
        return ready, message


def _ready(op: Any, sess: Session, message: str) -> tuple[bool, str | None]:
    """Whether ``op`` names no variable; what it says otherwise."""
    if op is None:
        return True, None
    try:
        missing = np.asarray(sess.run(op))
    except errors.FailedPreconditionError as error:
        return False, f"{message}: {error}"
    if missing.size == 0:
        return True, None
    names = ", ".join(name.decode() if isinstance(name, bytes) else str(name) for name in missing.ravel())
    return False, f"Variables not initialized: {names}"
