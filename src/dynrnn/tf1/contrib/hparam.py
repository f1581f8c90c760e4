"""``tf.contrib.training.HParams``: hyperparameters, with types, that can be read from text."""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["HParams", "parse_values"]

# name, an index in brackets, and a value: a list in brackets, or anything up to a comma
_ASSIGNMENT = re.compile(
    r"(?P<name>[a-zA-Z][\w\.]*)(\[\s*(?P<index>\d+)\s*\])?\s*=\s*(\[(?P<list>[^\]]*)\]|(?P<value>[^,\[]*))($|,\s*)"
)


def _cast(kind: Any, value: Any, name: str) -> Any:
    """``value`` as a ``kind``; ``ValueError`` where that would lose something."""
    if value is None:
        return None
    fail = ValueError(f"Could not cast hparam '{name}' of type '{kind.__name__}' from value {value!r}")
    if kind is type(None):
        return value
    if isinstance(value, str) and kind is not str and not issubclass(kind, bytes):
        return _parsed(kind, value, name)
    if issubclass(kind, (str, bytes)) and not isinstance(value, (str, bytes)):
        raise fail
    if issubclass(kind, bool) != isinstance(value, bool):
        raise fail
    if issubclass(kind, numbers.Integral) and not isinstance(value, numbers.Integral):
        raise fail
    if issubclass(kind, numbers.Number) and not isinstance(value, numbers.Number):
        raise fail
    return kind(value)


def _parsed(kind: Any, text: str, name: str) -> Any:
    """A value out of text."""
    if issubclass(kind, bool):
        lowered = text.lower()
        if lowered in ("true", "false"):
            return lowered == "true"
        try:
            return bool(int(text))
        except ValueError:
            raise ValueError(f"Could not parse hparam {name!r}: expected true or false, got {text!r}") from None
    try:
        return kind(text)
    except (TypeError, ValueError):
        raise ValueError(f"Could not parse hparam '{name}' of type '{kind.__name__}' with value '{text}'") from None


def parse_values(values: str, type_map: Mapping[str, type], ignore_unknown: bool = False) -> dict[str, Any]:
    """The settings in text such as ``"a=1,b=[1,2],c[1]=3"``.

    Args:
        values: the text.
        type_map: the type of each name.
        ignore_unknown: leave out other names.

    Returns:
        For each name its value; for one set by index a dict of index and value.

    Raises:
        ValueError: text of another form, a name that is not there or is set twice, or a value of another type.
    """
    result: dict[str, Any] = {}
    position = 0
    while position < len(values):
        match = _ASSIGNMENT.match(values, position)
        if match is None:
            raise ValueError(f"Malformed hyperparameter value: {values[position:]}")
        position = match.end()
        name, index = match["name"], match["index"]
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        kind = type_map[name]
        if match["list"] is not None:
            if index is not None:
                raise ValueError(f"Assignment of a list to a list index in {match[0]!r}")
            if name in result:
                raise ValueError(f"Multiple assignments to variable '{name}' in {values}")
            items = [item.strip() for item in re.split(r"[ ,]", match["list"]) if item.strip()]
            result[name] = [_parsed(kind, item, name) for item in items]
        elif index is not None:
            entries = result.setdefault(name, {})
            if not isinstance(entries, dict) or int(index) in entries:
                raise ValueError(f"Multiple assignments to variable '{name}' in {values}")
            entries[int(index)] = _parsed(kind, match["value"].strip(), name)
        else:
            if name in result:
                raise ValueError(f"Multiple assignments to variable '{name}' in {values}")
            result[name] = _parsed(kind, match["value"].strip(), name)
    return result


class HParams:
    """Hyperparameters as attributes: ``HParams(rate=0.1, sizes=[8, 16])``. A value keeps the type that it began with.

    Args:
        hparam_def: not available.
        model_structure: kept for the program.
        **kwargs: names and values: numbers, bools, strings, or lists of one type.

    Raises:
        ValueError: a name of a method, or an empty list.
    """

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
        if hparam_def is not None:
            raise NotImplementedError("HParams(hparam_def=...) is not available in dynrnn; give names and values")
        self._hparam_types: dict[str, tuple[type, bool]] = {}
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Add a hyperparameter.

        Raises:
            ValueError: the name is taken, or an empty list.
        """
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        if isinstance(value, (list, tuple)):
            if not value:
                raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
            self._hparam_types[name] = (type(value[0]), True)
        else:
            self._hparam_types[name] = (type(value), False)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Give a hyperparameter another value of its type.

        Raises:
            KeyError: there is none of that name.
            ValueError: a value of another type, or a list for a single one, or the other way round.
        """
        kind, is_list = self._hparam_types[name]
        if isinstance(value, list):
            if not is_list:
                raise ValueError(f"Must not pass a list for single-valued parameter: {name}")
            setattr(self, name, [_cast(kind, v, name) for v in value])
            return
        if is_list:
            raise ValueError(f"Must pass a list for multi-valued parameter: {name}.")
        setattr(self, name, _cast(kind, value, name))

    def del_hparam(self, name: str) -> None:
        """Take a hyperparameter away, if it is there."""
        if hasattr(self, name):
            delattr(self, name)
            del self._hparam_types[name]

    def parse(self, values: str) -> HParams:
        """Set what ``values`` says (``"rate=0.2,sizes=[4,4],sizes[1]=8"``); gives the object itself.

        Raises:
            ValueError: see :func:`parse_values`.
        """
        types = {name: kind for name, (kind, _) in self._hparam_types.items()}
        return self.override_from_dict(parse_values(values, types))

    def override_from_dict(self, values_dict: Mapping[str, Any]) -> HParams:
        """Set what the dict says; gives the object itself."""
        for name, value in values_dict.items():
            if isinstance(value, dict) and self._hparam_types[name][1]:
                changed = list(getattr(self, name))
                for index, item in value.items():
                    changed[index] = item
                value = changed
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> HParams:
        """Set what the JSON object says; gives the object itself."""
        return self.override_from_dict(json.loads(values_json))

    def values(self) -> dict[str, Any]:
        """Names and values."""
        return {name: getattr(self, name) for name in self._hparam_types}

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False, default: Any = None) -> str:
        """The names and values as a JSON object; what is no value, such as a function, is left out."""
        plain = {name: value for name, value in self.values().items() if not callable(value)}
        return json.dumps(plain, indent=indent, separators=separators, sort_keys=sort_keys, default=default)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, or ``default`` if there is none.

        Raises:
            ValueError: a default of another type.
        """
        if key not in self._hparam_types:
            return default
        kind, is_list = self._hparam_types[key]
        if default is not None:
            if is_list != isinstance(default, list):
                raise ValueError(f"HParam '{key}' is {'' if is_list else 'not '}a list, but default={default}")
            for item in default if is_list else [default]:
                _cast(kind, item, key)
        return getattr(self, key)

    def set_model_structure(self, model_structure: Any) -> None:
        """Keep something for the program."""
        self._model_structure = model_structure

    def get_model_structure(self) -> Any:
        """What was kept."""
        return self._model_structure

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in sorted(self.values().items()))})"
