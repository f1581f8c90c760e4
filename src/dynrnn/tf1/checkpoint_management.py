"""``tf.train``: which checkpoints a folder has, as its file ``checkpoint`` says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from dynrnn import checkpoint
from dynrnn.checkpoint import files, state
from dynrnn.checkpoint.reader import version_1_files
from dynrnn.tf1 import logging

__all__ = [
    "CheckpointState",
    "checkpoint_exists",
    "generate_checkpoint_state_proto",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "latest_checkpoint",
    "meta_graph_filename",
    "remove_checkpoint",
    "update_checkpoint_state",
]


class CheckpointState(state.State):
    """What the file ``checkpoint`` of a folder says: ``model_checkpoint_path``, ``all_model_checkpoint_paths``."""

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Whether there are files of a checkpoint of that name; ``*`` and ``?`` are taken literally."""
    return checkpoint.checkpoint_exists(os.fsdecode(checkpoint_prefix))


def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[Any]) -> list[float]:
    """The time of the last change of each of the checkpoints that are there, in seconds since 1970."""
    times = []
    for prefix in checkpoint_prefixes:
        text = os.fsdecode(prefix)
        if checkpoint_exists(text):
            path = text + ".index" if os.path.isfile(text + ".index") else version_1_files(text)[0]
            times.append(os.stat(path).st_mtime)
    return times


def get_checkpoint_state(checkpoint_dir: Any, latest_filename: str | None = None) -> CheckpointState | None:
    """What the file ``checkpoint`` of a folder says, None when there is none or it is not one.

    Args:
        checkpoint_dir: the folder.
        latest_filename: the name of the file, ``checkpoint`` by default.

    Raises:
        ValueError: the file names no checkpoint.
    """
    folder = os.fsdecode(checkpoint_dir)
    path = os.path.join(folder, latest_filename or "checkpoint")
    try:
        with open(path, "rb") as file:
            found = state.parse(file.read().decode("utf-8", "surrogateescape"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (OSError, checkpoint.CheckpointError) as error:
        logging.warning("%s: %s", type(error).__name__, error)
        logging.warning("%s: Checkpoint ignored", path)
        return None
    if not found.model_checkpoint_path:
        raise ValueError(f"Invalid checkpoint state loaded from {folder}")
    result = CheckpointState(**vars(found))
    result.model_checkpoint_path = os.path.join(folder, found.model_checkpoint_path)
    result.all_model_checkpoint_paths = [os.path.join(folder, p) for p in found.all_model_checkpoint_paths]
    return result


def latest_checkpoint(checkpoint_dir: Any, latest_filename: str | None = None) -> str | None:
    """The latest checkpoint of a folder, for `Saver.restore`; None when there is none.

    Args:
        checkpoint_dir: the folder.
        latest_filename: the name of the file that says which, ``checkpoint`` by default.
    """
    found = get_checkpoint_state(checkpoint_dir, latest_filename)
    if found is None:
        return None
    if checkpoint_exists(found.model_checkpoint_path):
        return found.model_checkpoint_path
    logging.error("Couldn't match files for checkpoint %s", found.model_checkpoint_path)
    return None


def generate_checkpoint_state_proto(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> CheckpointState:
    """The state in which ``model_checkpoint_path`` is the latest checkpoint of ``save_dir``.

    Paths are made relative to the folder if both are relative to where the program runs.

    Raises:
        ValueError: another number of times than of paths.
    """
    paths = list(all_model_checkpoint_paths or [])
    if not paths or paths[-1] != model_checkpoint_path:
        logging.info("%s is not in all_model_checkpoint_paths. Manually adding it.", model_checkpoint_path)
        paths.append(model_checkpoint_path)
    times = list(all_model_checkpoint_timestamps or [])
    if times and len(times) != len(paths):
        raise ValueError(
            "Checkpoint timestamps, if provided, must match checkpoint paths "
            f"({len(times)} timestamps, {len(paths)} paths)"
        )

    def near(path: str) -> str:
        return path if os.path.isabs(save_dir) or os.path.isabs(path) else os.path.relpath(path, save_dir or os.curdir)

    return CheckpointState(near(model_checkpoint_path), [near(p) for p in paths], times, last_preserved_timestamp)


def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the file ``checkpoint`` of ``save_dir``, in one step.

    Args:
        save_dir: the folder.
        model_checkpoint_path: the latest checkpoint.
        all_model_checkpoint_paths: all checkpoints that are kept, the oldest first.
        latest_filename: the name of the file, ``checkpoint`` by default.
        all_model_checkpoint_timestamps: when they were saved.
        last_preserved_timestamp: when one was last saved that is to be kept for ever.

    Raises:
        RuntimeError: the checkpoint itself has the name of the file.
    """
    update_state(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        latest_filename,
        False,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )


def update_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None,
    latest_filename: str | None,
    save_relative_paths: bool,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """As `update_checkpoint_state`; with ``save_relative_paths`` no path in the file begins at the root."""
    name = latest_filename or "checkpoint"
    paths = list(all_model_checkpoint_paths or [])
    latest = model_checkpoint_path
    if save_relative_paths:
        paths = [os.path.relpath(p, save_dir or os.curdir) for p in paths]
        latest = os.path.relpath(latest, save_dir or os.curdir)
        listed = paths if paths and paths[-1] == latest else [*paths, latest]
        found = CheckpointState(latest, listed, list(all_model_checkpoint_timestamps or []), last_preserved_timestamp)
    else:
        found = generate_checkpoint_state_proto(
            save_dir, latest, paths, all_model_checkpoint_timestamps, last_preserved_timestamp
        )
    if os.path.join(save_dir, name) == model_checkpoint_path:
        raise RuntimeError(
            f"Save path '{model_checkpoint_path}' conflicts with path used for checkpoint state.  Please use a "
            "different save path."
        )
    state.write(save_dir, found, name)


def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """The name of the graph's file beside a checkpoint."""
    return f"{checkpoint_filename}.{meta_graph_suffix}"


def remove_checkpoint(checkpoint_prefix: str, checkpoint_format_version: Any = None, meta_suffix: str = "meta") -> None:
    """Delete the files of a checkpoint: the index first, so that there is never an index without its data."""
    files.remove(meta_graph_filename(checkpoint_prefix, meta_suffix))
    files.remove(checkpoint_prefix + ".index")
    for path in [*files.data_files(checkpoint_prefix), *version_1_files(checkpoint_prefix)]:
        files.remove(path)
