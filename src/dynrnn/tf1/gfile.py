"""``tf.gfile``: files and folders of the local file system, with TensorFlow's names, rules and errors.

Paths may be ``str``, ``bytes`` or ``os.PathLike``; results are ``str``. Files are opened at the first use, not when
the object is made; text is UTF-8 with no translation of line ends; ``write`` takes ``str`` and ``bytes`` in either
kind of mode; sizes and positions count bytes. The errors are those of ``tf.errors``: ``NotFoundError``,
``AlreadyExistsError``, ``PermissionDeniedError``, ``FailedPreconditionError``, ... according to what the system
reports.

Only local paths: ``gs://`` and ``hdfs://`` are not known.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
from collections.abc import Callable, Iterator
from functools import wraps
from typing import IO, Any, NamedTuple, TypeVar

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core import errors

__all__ = [
    "Copy",
    "DeleteRecursively",
    "Exists",
    "FastGFile",
    "GFile",
    "Glob",
    "IsDirectory",
    "ListDirectory",
    "MakeDirs",
    "MkDir",
    "Open",
    "Remove",
    "Rename",
    "Stat",
    "Walk",
]

_MODES = ("r", "w", "a", "r+", "w+", "a+")
_CLASSES: dict[int, type[errors.OpError]] = {
    **dict.fromkeys((errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ESRCH), errors.NotFoundError),
    errno.EEXIST: errors.AlreadyExistsError,
    **dict.fromkeys((errno.EPERM, errno.EACCES, errno.EROFS), errors.PermissionDeniedError),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EBUSY), errors.FailedPreconditionError),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE), errors.ResourceExhaustedError),
    **dict.fromkeys((errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP), errors.InvalidArgumentError),
}

_F = TypeVar("_F", bound=Callable[..., Any])


def _translated(function: _F) -> _F:
    """Raise TensorFlow's class of error for what the system reports."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except OSError as error:
            kind = _CLASSES.get(error.errno or 0, errors.UnknownError)
            text = f"{error.filename}; {error.strerror}" if error.strerror else str(error)
            raise kind(None, None, text) from error

    return wrapper  # type: ignore[return-value]


def _path(name: Any) -> str:
    return os.fsdecode(name)


class GFile:
    """A file, opened at its first use.

    Args:
        name: its path.
        mode: ``r``, ``w``, ``a``, ``r+``, ``w+`` or ``a+``, with ``b`` for reads that return ``bytes``.

    Raises:
        InvalidArgumentError: ``mode`` is none of these.
    """

    def __init__(self, name: Any, mode: str = "r") -> None:
        if mode.replace("b", "", 1) not in _MODES:
            raise errors.InvalidArgumentError(None, None, f"mode: expected one of {', '.join(_MODES)}, got {mode!r}")
        self._name = name
        self._mode = mode
        self._file: IO[bytes] | None = None

    @property
    def name(self) -> Any:
        """The path, as it was given."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode, as it was given."""
        return self._mode

    def _opened(self) -> IO[bytes]:
        if self._file is None or self._file.closed:
            self._file = open(_path(self._name), self._mode.replace("b", "", 1) + "b")  # noqa: SIM115
        return self._file

    def _readable(self) -> IO[bytes]:
        if self._mode[0] != "r" and "+" not in self._mode:
            raise errors.PermissionDeniedError(None, None, f"{self._name}; File isn't open for reading")
        return self._opened()

    def _writable(self) -> IO[bytes]:
        if self._mode[0] == "r" and "+" not in self._mode:
            raise errors.PermissionDeniedError(None, None, f"{self._name}; File isn't open for writing")
        return self._opened()

    def _as_mode(self, content: bytes) -> Any:
        return content if "b" in self._mode else content.decode("utf-8")

    @_translated
    def size(self) -> int:
        """Bytes in the file."""
        if self._file is not None and not self._file.closed and self._file.writable():
            self._file.flush()
        return os.stat(_path(self._name)).st_size

    @_translated
    def read(self, n: int = -1) -> Any:
        """``n`` bytes, or all that are left, as ``str`` or (mode ``b``) ``bytes``."""
        return self._as_mode(self._readable().read(n))

    @_translated
    def readline(self) -> Any:
        """The next line with its line end; empty at the end of the file."""
        return self._as_mode(self._readable().readline())

    @_translated
    def readlines(self) -> list[Any]:
        """All lines that are left."""
        return [self._as_mode(line) for line in self._readable().readlines()]

    def __iter__(self) -> GFile:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__

    @_translated
    def write(self, file_content: str | bytes) -> None:
        """Append or write ``file_content``."""
        content = file_content.encode("utf-8") if isinstance(file_content, str) else file_content
        self._writable().write(content)

    @_translated
    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Go to byte ``offset`` from the start (``whence`` 0), from here (1) or from the end (2)."""
        target = position if offset is None else offset
        if target is None:
            raise TypeError("seek(): expected an offset, got none")
        if whence not in (0, 1, 2):
            raise errors.InvalidArgumentError(None, None, f"whence: expected 0, 1 or 2, got {whence!r}")
        self._readable().seek(target, whence)

    @_translated
    def tell(self) -> int:
        """The position in bytes."""
        return self._opened().tell()

    @_translated
    def flush(self) -> None:
        """Hand what was written to the system."""
        if self._file is not None and not self._file.closed:
            self._file.flush()

    @_translated
    def close(self) -> None:
        """Close the file. A file to be written exists after this, even if nothing was written."""
        if self._file is None and self._mode[0] != "r":
            self._opened()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


Open = FastGFile = GFile


class FileStatistics(NamedTuple):
    """What :func:`Stat` tells of a path."""

    length: int
    mtime_nsec: int
    is_directory: bool


def Exists(filename: Any) -> bool:
    """Whether there is a file or a folder of this path."""
    return os.path.exists(_path(filename))


def IsDirectory(dirname: Any) -> bool:
    """Whether the path is a folder."""
    return os.path.isdir(_path(dirname))


@_translated
def Stat(filename: Any) -> FileStatistics:
    """Length, time of the last change and kind of a path."""
    path = _path(filename)
    status = os.stat(path)
    return FileStatistics(status.st_size, status.st_mtime_ns, os.path.isdir(path))


@_translated
def MkDir(dirname: Any) -> None:
    """Make a folder whose parent exists."""
    os.mkdir(_path(dirname))


@_translated
def MakeDirs(dirname: Any) -> None:
    """Make a folder and those above it, as far as they are missing."""
    os.makedirs(_path(dirname), exist_ok=True)


@_translated
def ListDirectory(dirname: Any) -> list[str]:
    """Names (not paths) of what is in a folder, sorted."""
    if not IsDirectory(dirname):
        raise errors.NotFoundError(None, None, f"{_path(dirname)}; Could not find directory")
    return sorted(os.listdir(_path(dirname)))


def Glob(filename: Any) -> list[str]:
    """Paths that match a pattern, or one of a list of patterns, sorted.

    ``*``, ``?`` and ``[...]`` match within one level, and match a leading dot too.
    """
    patterns = filename if isinstance(filename, (list, tuple)) else [filename]
    return [path for pattern in patterns for path in _glob(_path(pattern))]


def _glob(pattern: str) -> list[str]:
    head, tail = os.path.split(pattern)
    if not any(sign in pattern for sign in "*?["):
        return [pattern] if os.path.lexists(pattern) else []
    folders = _glob(head) if head and head != pattern else [head]
    found = []
    for folder in folders:
        if os.path.isdir(folder or os.curdir):
            names = (
                [name for name in os.listdir(folder or os.curdir) if fnmatch.fnmatchcase(name, tail)] if tail else [""]
            )
            found += [os.path.join(folder, name) for name in names]
    return sorted(found)


@_translated
def Remove(filename: Any) -> None:
    """Delete a file."""
    path = _path(filename)
    if os.path.isdir(path) and not os.path.islink(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    os.remove(path)


@_translated
def DeleteRecursively(dirname: Any) -> None:
    """Delete a folder with everything in it, or a file."""
    path = _path(dirname)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def _refuse_existing(path: str, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise errors.AlreadyExistsError(None, None, f"{path}; file already exists")


@_translated
def Copy(oldpath: Any, newpath: Any, overwrite: bool = False) -> None:
    """Copy a file's content; an existing target is an error unless ``overwrite``."""
    _refuse_existing(_path(newpath), overwrite)
    shutil.copyfile(_path(oldpath), _path(newpath))


@_translated
def Rename(oldname: Any, newname: Any, overwrite: bool = False) -> None:
    """Rename or move; an existing target is an error unless ``overwrite``."""
    _refuse_existing(_path(newname), overwrite)
    os.replace(_path(oldname), _path(newname))


def Walk(top: Any, in_order: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """``(folder, names of folders in it, names of files in it)`` for a tree; parents first if ``in_order``.

    A folder that is not there yields nothing.
    """
    for folder, folders, files in os.walk(_path(top), topdown=in_order):
        if in_order:
            folders.sort()
        yield folder, sorted(folders), sorted(files)


__getattr__ = missing(__name__, globals())
