"""The version of the package, stated here only: the build reads it and compiles it into the native module."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
