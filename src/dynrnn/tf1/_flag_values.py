"""The flags of a program and their values: what stands behind ``tf.flags.FLAGS``.

How a command line is read is said in ``flags.py``, which holds the functions that define flags.
"""

from __future__ import annotations

import numbers
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

__all__ = [
    "DuplicateFlagError",
    "Error",
    "Flag",
    "FlagValues",
    "IllegalFlagValueError",
    "UnrecognizedFlagError",
    "ValidationError",
]


class Error(Exception):
    """Base of the errors of this module."""


class DuplicateFlagError(Error):
    """Two modules define the same flag."""


class IllegalFlagValueError(Error):
    """A value on the command line, or a default, is not one that the flag takes."""


class ValidationError(IllegalFlagValueError):
    """A validator refused a value."""


class UnrecognizedFlagError(Error):
    """A flag on the command line, or in an assignment, that nobody defined."""


class Flag:
    """One flag: its ``name``, ``default``, ``value``, ``help`` and whether it was ``present`` on the command line."""

    def __init__(
        self,
        name: str,
        default: Any,
        help: str,
        parse: Callable[[str], Any],
        kind: str,
        *,
        module: str | None,
        multiple: bool = False,
    ) -> None:
        self.name = name
        self.help = help
        self.kind = kind
        self.module = module  # None for a flag that the program added by assignment
        self.multiple = multiple
        self.present = 0
        self._parse_text = parse
        self.default = self._initial(default)
        self.value = self._copy(self.default)

    @property
    def boolean(self) -> bool:
        """Whether the flag needs no value."""
        return self.kind == "boolean"

    def parse(self, text: str) -> Any:
        """The value that ``text`` stands for."""
        try:
            return self._parse_text(text)
        except ValueError as error:
            raise IllegalFlagValueError(f"flag --{self.name}={text}: {error}") from None

    def take(self, value: Any) -> None:
        """Set the value to one that stands on the command line."""
        if self.multiple:
            value = [*(self.value if self.present else []), value]
        self.value = value
        self.present += 1

    def reset(self) -> None:
        """Back to the default."""
        self.value = self._copy(self.default)
        self.present = 0

    def _initial(self, default: Any) -> Any:
        if default is None:
            return None
        if self.multiple:
            items = default if isinstance(default, (list, tuple)) else [default]
            return [self.parse(item) if isinstance(item, str) else item for item in items]
        if isinstance(default, str):
            return self.parse(default)
        if self.kind == "list":
            return list(default)
        convert = {"integer": int, "float": float, "boolean": bool}.get(self.kind)
        if convert is None or not isinstance(default, numbers.Real):
            return default
        try:
            converted = convert(default)
        except (OverflowError, ValueError):  # an infinite default of an integer flag
            return default
        return self.parse(str(converted)) if converted == default else default

    @staticmethod
    def _copy(value: Any) -> Any:
        return list(value) if isinstance(value, list) else value

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


class FlagValues:
    """All flags, with their values as attributes; ``FLAGS`` is the one instance programs use."""

    def __init__(self) -> None:
        self.__dict__["_table"] = {}
        self.__dict__["_validators"] = []
        self.__dict__["_argv"] = None

    # Reading and setting

    def __getattr__(self, name: str) -> Any:
        table = self.__dict__.get("_table", {})
        if name not in table:
            if name.startswith("__"):
                raise AttributeError(name)
            close = get_close_matches(name, table, 3, 0.5)
            raise AttributeError(f"no flag {name!r} is defined" + (f"; nearest: {', '.join(close)}" if close else ""))
        self._ensure_parsed()
        return table[name].value

    def __setattr__(self, name: str, value: Any) -> None:
        flag = self._table.get(name)
        if flag is None:
            flag = self._table[name] = Flag(name, None, "set by the program", str, "string", module=None)
        previous, flag.value = flag.value, value
        if self.is_parsed():
            try:
                self._validate(name)
            except ValidationError:
                flag.value = previous
                raise

    def __delattr__(self, name: str) -> None:
        if name not in self._table:
            raise AttributeError(f"no flag {name!r} is defined")
        del self._table[name]

    def __getitem__(self, name: str) -> Flag:
        return self._table[name]

    def __setitem__(self, name: str, flag: Flag) -> None:
        known = self._table.get(name)
        if known is not None and known.module not in (None, flag.module):
            raise DuplicateFlagError(
                f"The flag '{name}' is defined twice. First from {known.module}, Second from {flag.module}. "
                f"Description from first occurrence: {known.help}"
            )
        self._table[name] = flag
        if self._argv is not None:
            # Defined after the command line was read: what stands there for it still counts.
            for _, text in _scan(self._argv[1:], {name: flag}).found:
                flag.take(flag.parse(text))

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._table))

    def __len__(self) -> int:
        return len(self._table)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._table]

    def _flags(self) -> dict[str, Flag]:
        return self._table

    def flag_values_dict(self) -> dict[str, Any]:
        """A new dictionary of names and values."""
        self._ensure_parsed()
        return {name: flag.value for name, flag in self._table.items()}

    def get_flag_value(self, name: str, default: Any) -> Any:
        """The value of a flag, or ``default`` when it is None or there is no such flag."""
        value = getattr(self, name) if name in self._table else None
        return default if value is None else value

    def set_default(self, name: str, value: Any) -> None:
        """Change a default, and the value with it if the command line does not give one."""
        if name not in self._table:
            raise UnrecognizedFlagError(f"Unknown command line flag '{name}'")
        flag = self._table[name]
        flag.default = flag._initial(value)
        if not flag.present:
            flag.value = flag._copy(flag.default)

    # Parsing

    def __call__(self, argv: Sequence[str], known_only: bool = False) -> list[str]:
        """Read ``argv`` (its first item is the program); returns it without the flags.

        Raises:
            TypeError: ``argv`` is a string.
            UnrecognizedFlagError: an unknown flag is in it, unless ``known_only``.
            IllegalFlagValueError: a value that a flag does not take, a missing value, a missing required flag.
        """
        if isinstance(argv, (str, bytes)):
            raise TypeError(f"argv: expected a list of strings with the program's name first, got {argv!r}")
        argv = list(argv)
        line = _scan(argv[1:], self._table)
        if line.help:
            print(self.get_help())
            raise SystemExit(0)
        if line.unknown and not known_only:
            close = get_close_matches(line.unknown[0], self._table, 3, 0.5)
            hint = f". Did you mean: {', '.join(close)}?" if close else ""
            raise UnrecognizedFlagError(f"Unknown command line flag '{line.unknown[0]}'{hint}")
        values = [(flag, flag.parse(text)) for flag, text in line.found]
        for flag in self._table.values():
            flag.present = 0
        for flag, value in values:
            flag.take(value)
        for name in self._table:
            self._validate(name)
        self.__dict__["_argv"] = argv
        return argv[:1] + line.rest

    def _parse_flags(self, args: Sequence[str] | None = None) -> list[str]:
        """TensorFlow 1.4's way: read ``args`` (default ``sys.argv[1:]``), return what is no flag."""
        return self([sys.argv[0], *(sys.argv[1:] if args is None else args)], known_only=True)[1:]

    def _ensure_parsed(self) -> None:
        if self._argv is None:
            self(sys.argv, known_only=True)

    def is_parsed(self) -> bool:
        """Whether a command line has been read."""
        return self._argv is not None

    def mark_as_parsed(self) -> None:
        """Take the values as they are, without a command line."""
        if self._argv is None:
            self.__dict__["_argv"] = [""]

    def unparse_flags(self) -> None:
        """Back to the defaults; the next access reads ``sys.argv`` again."""
        for flag in self._table.values():
            flag.reset()
        self.__dict__["_argv"] = None

    def _validate(self, name: str) -> None:
        for names, check, message in self._validators:
            if name in names and all(other in self._table for other in names):
                values = {other: self._table[other].value for other in names}
                if not check(values):
                    shown = ", ".join(f"--{other}={values[other]}" for other in names)
                    raise ValidationError(f"flag {shown}: {message}")

    # Help

    def get_help(self) -> str:
        """The program's own text, then its flags by module."""
        program = getattr(sys.modules.get("__main__"), "__doc__", None) or f"\nUSAGE: {sys.argv[0]} [flags]\n"
        lines = [program.strip(), "flags:"]
        by_module: dict[str, list[Flag]] = {}
        for name in self:
            by_module.setdefault(self._table[name].module or "__main__", []).append(self._table[name])
        for module, flags in sorted(by_module.items()):
            lines += ["", f"{sys.argv[0] if module == '__main__' else module}:"]
            for flag in flags:
                lines.append(f"  --{'[no]' if flag.boolean else ''}{flag.name}: {flag.help}")
                lines.append(f"    (default: {flag.default!r}; {flag.kind})")
        return "\n".join(lines)


def _flags_of(values: FlagValues) -> dict[str, Flag]:
    values._ensure_parsed()
    return values._table


# Set from outside the class, where the name is not mangled: `FLAGS.__flags` reads the command line like any attribute.
setattr(FlagValues, "__flags", property(_flags_of))


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and word != "--" and not _is_number(word)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _split(word: str) -> tuple[str, str | None]:
    name, equals, value = word.lstrip("-").partition("=")
    return name, value if equals else None


class _Line(NamedTuple):
    """A command line taken apart."""

    found: list[tuple[Flag, str]]
    rest: list[str]  # words that are no flag of the table, in order
    unknown: list[str]  # names of flags among them
    help: bool


def _scan(words: list[str], table: dict[str, Flag]) -> _Line:
    found: list[tuple[Flag, str]] = []
    rest: list[str] = []
    unknown: list[str] = []
    asked = False
    queue = deque(words)
    while queue:
        word = queue.popleft()
        if word == "--":
            rest += queue
            break
        if not _is_flag(word):
            rest.append(word)
            continue
        name, value = _split(word)
        flag = table.get(name)
        negated = table.get(name[2:]) if name.startswith("no") and value is None else None
        if flag is not None:
            if value is None and flag.boolean:
                spelled = bool(queue) and queue[0].lower() in ("true", "false")
                value = queue.popleft() if spelled else "true"
            elif value is None:
                if not queue:
                    raise IllegalFlagValueError(f"flag --{name}: expected a value, got the end of the command line")
                value = queue.popleft()
            found.append((flag, value))
        elif negated is not None and negated.boolean:
            found.append((negated, "false"))
        elif name in ("help", "helpfull", "h") and value is None:
            asked = True
        else:
            rest.append(word)
            unknown.append(name)
    return _Line(found, rest, unknown, asked)
