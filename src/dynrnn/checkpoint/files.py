"""Files that are there whole or not at all.

What is to be a file is written under a name of its own in the same folder, handed to the disk (``fsync``) and then
given its name, which replaces what had it in one step. A program that is killed leaves at most such a temporary file,
which the next save of the same name removes once it is a day old.
"""

from __future__ import annotations

import contextlib
import glob
import os
import time
from typing import IO

__all__ = ["PendingFile", "data_file", "data_files", "remove", "replace", "sync_folder"]

_SUFFIX = ".tempstate"
_A_DAY = 86400.0


def data_file(prefix: str, shard: int, shards: int) -> str:
    """The name of a data file of a checkpoint."""
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


def data_files(prefix: str) -> list[str]:
    """The data files that there are of a checkpoint, of whatever number of shards."""
    return glob.glob(glob.escape(prefix) + ".data-?????-of-?????")


class PendingFile:
    """A file being written. :meth:`commit` gives it its name; :meth:`abandon` removes it."""

    def __init__(self, near: str) -> None:
        self._folder = os.path.dirname(near) or os.curdir
        self._path = f"{near}{_SUFFIX}{os.getpid():x}-{os.urandom(6).hex()}"
        self.file: IO[bytes] = open(self._path, "xb")  # noqa: SIM115

    def finish(self) -> None:
        """Hand everything to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def commit(self, path: str) -> None:
        """Make this the file ``path``."""
        if not self.file.closed:
            self.finish()
        os.replace(self._path, path)
        sync_folder(self._folder)

    def abandon(self) -> None:
        """Remove what was written."""
        self.file.close()
        with contextlib.suppress(OSError):
            os.remove(self._path)


def replace(path: str, content: bytes) -> None:
    """Make ``content`` the file ``path``, in one step."""
    pending = PendingFile(path)
    try:
        pending.file.write(content)
        pending.commit(path)
    except BaseException:
        pending.abandon()
        raise


def sync_folder(folder: str) -> None:
    """Hand the names in ``folder`` to the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder or os.curdir, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove(path: str) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def remove_leftovers(prefix: str) -> None:
    """Remove the temporary files that killed programs left of this checkpoint."""
    for path in glob.glob(glob.escape(prefix) + f".*{_SUFFIX}*"):
        ending = path[len(prefix) :].partition(_SUFFIX)[0]
        if ending != ".index" and not ending.startswith(".data-"):
            continue
        with contextlib.suppress(OSError):
            if time.time() - os.stat(path).st_mtime > _A_DAY:
                os.remove(path)
