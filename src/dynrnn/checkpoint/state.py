"""The file ``checkpoint`` of a folder: which checkpoints are there, and which is the latest.

It is a protocol buffer as text, four fields::

    model_checkpoint_path: "model.ckpt-200"
    all_model_checkpoint_paths: "model.ckpt-100"
    all_model_checkpoint_paths: "model.ckpt-200"
    all_model_checkpoint_timestamps: 1500000000.5
    last_preserved_timestamp: 1500000000

Paths are relative to the folder unless they begin at the root.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from dynrnn.checkpoint import files
from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.reader import checkpoint_exists
from dynrnn.checkpoint.wire import bytes_of, text_of

__all__ = ["State", "latest", "parse", "read", "write"]

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|[,;]|(?P<name>[A-Za-z_]\w*)|(?P<colon>:)|(?P<number>[-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|inf|nan)f?)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_PATH, _PATHS = "model_checkpoint_path", "all_model_checkpoint_paths"
_TIMES, _PRESERVED = "all_model_checkpoint_timestamps", "last_preserved_timestamp"


@dataclass
class State:
    """What the file says, paths as they stand there."""

    model_checkpoint_path: str = ""
    all_model_checkpoint_paths: list[str] = field(default_factory=list)
    all_model_checkpoint_timestamps: list[float] = field(default_factory=list)
    last_preserved_timestamp: float | None = None

    def text(self) -> str:
        """The content of the file."""
        lines = [f"{_PATH}: {_quoted(self.model_checkpoint_path)}"] if self.model_checkpoint_path else []
        lines += [f"{_PATHS}: {_quoted(path)}" for path in self.all_model_checkpoint_paths]
        lines += [f"{_TIMES}: {_number(time)}" for time in self.all_model_checkpoint_timestamps]
        if self.last_preserved_timestamp is not None:
            lines.append(f"{_PRESERVED}: {_number(self.last_preserved_timestamp)}")
        return "".join(line + "\n" for line in lines)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _quoted(text: str) -> str:
    signs = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", ord('"'): '\\"', ord("'"): "\\'", ord("\\"): "\\\\"}
    return '"' + "".join(signs.get(o) or (chr(o) if 32 <= o < 127 else f"\\{o:03o}") for o in bytes_of(text)) + '"'


def _unquoted(token: str) -> str:
    def plain(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, sign = match.groups()
        if sign is not None:
            return _PLAIN.get(sign, sign)
        return bytes([int(octal, 8) & 255 if octal else int(hexadecimal, 16)])

    return text_of(_ESCAPE.sub(plain, bytes_of(token[1:-1])))


def parse(text: str) -> State:
    """What a file with this content says.

    Raises:
        CheckpointError: it is no such file.
    """
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CheckpointError(f"a checkpoint state file cannot have {text[at : at + 20]!r}")
        if match.lastgroup is not None:
            tokens.append((match.lastgroup, match.group()))
        at = match.end()
    state = State()
    at = 0
    while at < len(tokens):
        kinds = [kind for kind, _ in tokens[at : at + 3]]
        name = tokens[at][1]
        if kinds[:2] != ["name", "colon"] or len(kinds) < 3 or name not in (_PATH, _PATHS, _TIMES, _PRESERVED):
            raise CheckpointError(f"a checkpoint state file cannot have {name!r} there")
        at += 2
        kind, token = tokens[at]
        at += 1
        if name in (_PATH, _PATHS):
            value = ""
            if kind != "text":
                raise CheckpointError(f"expected {name} to be a string, got {token}")
            value = _unquoted(token)
            while at < len(tokens) and tokens[at][0] == "text":  # strings side by side are one
                value += _unquoted(tokens[at][1])
                at += 1
            if name == _PATH:
                state.model_checkpoint_path = value
            else:
                state.all_model_checkpoint_paths.append(value)
            continue
        try:
            number = float(token.rstrip("f") if kind == "number" else "")
        except ValueError:
            raise CheckpointError(f"expected {name} to be a number, got {token}") from None
        if name == _TIMES:
            state.all_model_checkpoint_timestamps.append(number)
        else:
            state.last_preserved_timestamp = number
    return state


def read(folder: str, file_name: str | None = None) -> State | None:
    """The state of a folder, its paths led back to the folder; None when there is no state file.

    Raises:
        CheckpointError: the file is not a state file.
    """
    path = os.path.join(folder, file_name or "checkpoint")
    try:
        with open(path, "rb") as file:
            state = parse(text_of(file.read()))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if not state.model_checkpoint_path:
        raise CheckpointError(f"{path}: it names no model_checkpoint_path")
    state.model_checkpoint_path = os.path.join(folder, state.model_checkpoint_path)
    state.all_model_checkpoint_paths = [os.path.join(folder, p) for p in state.all_model_checkpoint_paths]
    return state


def write(folder: str, state: State, file_name: str | None = None) -> None:
    """Make ``state`` that of the folder, in one step."""
    files.replace(os.path.join(folder, file_name or "checkpoint"), state.text().encode("ascii"))


def latest(folder: str, file_name: str | None = None) -> str | None:
    """The latest checkpoint of a folder, None when no state file names one that is there.

    Raises:
        CheckpointError: the state file is not one.
    """
    state = read(folder, file_name)
    if state is None or not checkpoint_exists(state.model_checkpoint_path):
        return None
    return state.model_checkpoint_path
