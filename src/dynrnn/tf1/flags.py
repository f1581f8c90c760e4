"""``tf.flags`` / ``tf.app.flags``: command-line flags, as programs of TensorFlow 1.0 to 1.15 use them.

    tf.app.flags.DEFINE_integer("batch_size", 128, "Rows in a batch")
    FLAGS = tf.app.flags.FLAGS
    ...
    FLAGS.batch_size

``sys.argv`` is read when a flag is first asked for, or by ``tf.app.run``. A flag is written ``--name=value`` or
``--name value``, with one dash or two, anywhere on the line; a boolean ``--name``, ``--noname``, ``--name=false`` or
``--name false``. The last of several wins. What is no flag of the program (an unknown flag, a free word, everything
after ``--``) is left for ``main(argv)``. ``--help`` prints the flags and ends the program.

TensorFlow changed this module's ground in 1.5; where the two ages differ, both work:

- ``FLAGS.__flags`` maps names to :class:`Flag` objects with a ``value`` (1.5), which print as that value (1.4);
- ``FLAGS._parse_flags()`` (1.4) and ``FLAGS(sys.argv)`` (1.5, refuses unknown flags);
- assigning to a name that was never defined adds it (1.4);
- a default of another type than the flag's is kept as it is (1.4) if it is not the same value in that type.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from dynrnn.tf1._flag_values import (
    DuplicateFlagError,
    Error,
    Flag,
    FlagValues,
    IllegalFlagValueError,
    UnrecognizedFlagError,
    ValidationError,
)
from dynrnn.tf1._namespace import missing

__all__ = [
    "FLAGS",
    "DEFINE_bool",
    "DEFINE_boolean",
    "DEFINE_enum",
    "DEFINE_float",
    "DEFINE_integer",
    "DEFINE_list",
    "DEFINE_multi_float",
    "DEFINE_multi_integer",
    "DEFINE_multi_string",
    "DEFINE_string",
    "DuplicateFlagError",
    "Error",
    "Flag",
    "FlagValues",
    "IllegalFlagValueError",
    "UnrecognizedFlagError",
    "ValidationError",
    "mark_flag_as_required",
    "mark_flags_as_required",
    "register_validator",
]

FLAGS = FlagValues()


def _parse_boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "t", "1", "yes", "y"):
        return True
    if lowered in ("false", "f", "0", "no", "n"):
        return False
    raise ValueError("expected true or false")


def _parse_integer(text: str) -> int:
    try:
        return int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        raise ValueError("expected an integer") from None


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def _parse_list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")] if text else []


def _calling_module() -> str:
    """Name of the module that called a ``DEFINE_`` function."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "__main__"))


def _define(parse: Callable[[str], Any], kind: str, name: str, default: Any, help: str = "", **options: Any) -> None:
    """Define a flag whose texts ``parse`` turns into values (raising ``ValueError`` for those it cannot)."""
    required = options.pop("required", False)
    values = options.pop("flag_values", FLAGS)
    if not isinstance(name, str) or not name or name.startswith("-") or "=" in name or " " in name:
        raise Error(f"flag name: expected a word without dashes before it, got {name!r}")
    values[name] = Flag(name, default, help or "", parse, kind, module=_calling_module(), **options)
    if required:
        mark_flag_as_required(name, values)


def _older_names(define: Callable[..., None]) -> Callable[..., None]:
    """Let ``flag_name``, ``default_value`` and ``docstring``, TensorFlow 1.4's names, be used too."""
    renamed = {"flag_name": "name", "default_value": "default", "docstring": "help"}

    @wraps(define)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        define(*args, **{renamed.get(key, key): value for key, value in kwargs.items()})

    return wrapper


@_older_names
def DEFINE_string(name: str, default: Any, help: str = "", **options: Any) -> None:
    """Define a flag of text."""
    _define(str, "string", name, default, help, **options)


@_older_names
def DEFINE_boolean(name: str, default: Any, help: str = "", **options: Any) -> None:
    """Define a flag that is true or false."""
    _define(_parse_boolean, "boolean", name, default, help, **options)


DEFINE_bool = DEFINE_boolean


def _bounded(parse: Callable[[str], Any], lower: Any, upper: Any) -> Callable[[str], Any]:
    def bounded(text: str) -> Any:
        value = parse(text)
        if (lower is not None and value < lower) or (upper is not None and value > upper):
            raise ValueError(f"expected a value from {lower} to {upper}")
        return value

    return bounded


@_older_names
def DEFINE_integer(
    name: str,
    default: Any,
    help: str = "",
    lower_bound: int | None = None,
    upper_bound: int | None = None,
    **options: Any,
) -> None:
    """Define a flag that is an integer."""
    _define(_bounded(_parse_integer, lower_bound, upper_bound), "integer", name, default, help, **options)


@_older_names
def DEFINE_float(
    name: str,
    default: Any,
    help: str = "",
    lower_bound: float | None = None,
    upper_bound: float | None = None,
    **options: Any,
) -> None:
    """Define a flag that is a number."""
    _define(_bounded(_parse_float, lower_bound, upper_bound), "float", name, default, help, **options)


@_older_names
def DEFINE_enum(name: str, default: Any, enum_values: Sequence[str], help: str = "", **options: Any) -> None:
    """Define a flag that is one of the strings ``enum_values``."""
    allowed = list(enum_values)

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"value should be one of <{'|'.join(allowed)}>")
        return text

    _define(parse, f"one of {'|'.join(allowed)}", name, default, help, **options)


@_older_names
def DEFINE_list(name: str, default: Any, help: str = "", **options: Any) -> None:
    """Define a flag that is a list of strings, written with commas."""
    _define(_parse_list, "list", name, default, help, **options)


@_older_names
def DEFINE_multi_string(name: str, default: Any, help: str = "", **options: Any) -> None:
    """Define a flag of text that may be given several times; its value is a list."""
    _define(str, "string", name, default, help, multiple=True, **options)


@_older_names
def DEFINE_multi_integer(name: str, default: Any, help: str = "", **options: Any) -> None:
    """Define an integer flag that may be given several times; its value is a list."""
    _define(_parse_integer, "integer", name, default, help, multiple=True, **options)


@_older_names
def DEFINE_multi_float(name: str, default: Any, help: str = "", **options: Any) -> None:
    """Define a number flag that may be given several times; its value is a list."""
    _define(_parse_float, "float", name, default, help, multiple=True, **options)


def register_validator(
    flag_name: str,
    checker: Callable[[Any], bool],
    message: str = "Flag validation failed",
    flag_values: FlagValues = FLAGS,
) -> None:
    """Have ``checker(value)`` called when the command line is read and when the flag is set; false is an error."""
    if flag_name not in flag_values:
        raise UnrecognizedFlagError(f"Unknown command line flag '{flag_name}'")
    flag_values._validators.append(((flag_name,), lambda values: checker(values[flag_name]), message))


def mark_flag_as_required(flag_name: str, flag_values: FlagValues = FLAGS) -> None:
    """Make it an error when the flag is None once the command line has been read."""
    register_validator(
        flag_name, lambda value: value is not None, "Flag must have a value other than None.", flag_values
    )


def mark_flags_as_required(flag_names: Iterable[str], flag_values: FlagValues = FLAGS) -> None:
    """:func:`mark_flag_as_required` for each."""
    for flag_name in flag_names:
        mark_flag_as_required(flag_name, flag_values)


__getattr__ = missing(__name__, globals())
