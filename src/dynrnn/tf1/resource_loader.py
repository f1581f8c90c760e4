"""``tf.resource_loader``: files beside the program that asks for them."""

from __future__ import annotations

import os
import sys
from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core import errors

__all__ = ["get_data_files_path", "get_path_to_datafile", "load_resource", "readahead_file_path"]


def _folder_of(frame: Any) -> str:
    return os.path.dirname(os.path.abspath(frame.f_code.co_filename))


def get_data_files_path() -> str:
    """The folder of the file that calls."""
    return _folder_of(sys._getframe(1))


def get_path_to_datafile(path: str) -> str:
    """The path of a file beside the file that calls."""
    return os.path.join(_folder_of(sys._getframe(1)), path)


def load_resource(path: str) -> bytes:
    """The content of a file beside the file that calls; ``NotFoundError`` if it is not there."""
    place = os.path.join(_folder_of(sys._getframe(1)), path)
    try:
        with open(place, "rb") as file:
            return file.read()
    except OSError as error:
        raise errors.NotFoundError(None, None, f"{place}; {error.strerror}") from None


def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """The path as it is: local files need no hint."""
    return path


__getattr__ = missing(__name__, globals())
