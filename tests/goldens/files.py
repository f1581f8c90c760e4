"""Golden files: writing records of cases, reading them back, and telling how two records differ."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goldens.harness import Case, Record, Value, dtype_of

__all__ = ["HERE", "GoldenFile", "Writer", "compare", "differences"]

HERE = Path(__file__).parent
TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "float16": 2e-3}
"""Allowed difference, relative to the largest magnitude in the array."""


class Writer:
    """Collects records of one module and writes ``<module>.npz`` (numbers) and ``<module>.json`` (all else).

    Arrays are laid end to end, one long array a dtype; equal arrays are kept once. What the numbers are (names, shapes,
    variables) is often the same for many cases and is kept once too, as a layout; a case is the number of its layout
    and where in the long arrays its numbers begin.
    """

    def __init__(self) -> None:
        self._chunks: dict[str, list[Any]] = {}
        self._sizes: dict[str, int] = {}
        self._seen: dict[tuple[str, bytes], int] = {}
        self._layouts: dict[str, int] = {}
        self._cases: dict[str, dict[str, Any]] = {}

    def _put(self, array: Any) -> int:
        array = np.ascontiguousarray(array)
        dtype = str(array.dtype)
        key = (dtype, array.tobytes())
        if key not in self._seen:
            self._seen[key] = self._sizes.get(dtype, 0)
            self._chunks.setdefault(dtype, []).append(array.ravel())
            self._sizes[dtype] = self._seen[key] + array.size
        return self._seen[key]

    def add(self, name: str, record: Record) -> None:
        """Keep ``record`` under ``name``."""
        entry: dict[str, Any] = {}
        if record.error is not None:
            entry["error"] = record.error
        if record.facts:
            entry["facts"] = record.facts
        layout: dict[str, Any] = {}
        at: list[Any] = []

        def put(group: str, key: str, array: Any, *more: Any) -> None:
            dtype, shape = dtype_of(array), list(array.shape)
            at.append(_strings(array) if dtype == "string" else self._put(array))
            static = [piece for piece in more if piece != shape]
            layout.setdefault(group, []).append([key, dtype, shape, *static])

        for key, value in record.values.items():
            put("values", key, value.array, value.static)
        for key, array in record.feeds.items():
            put("feeds", key, array)
        if record.variables:
            layout["variables"] = record.variables
            layout["loaded"] = [int(key in record.weights) for key, _, _ in record.variables]
            at += [self._put(record.weights[key]) for key, _, _ in record.variables if key in record.weights]
        if record.trainable != [name for name, _, _ in record.variables]:
            layout["trainable"] = record.trainable
        if layout:
            entry["layout"] = self._layouts.setdefault(_dumps(layout), len(self._layouts))
        if at:
            entry["at"] = at
        self._cases[name] = entry

    def write(self, module: str, versions: Mapping[str, str], folder: Path = HERE) -> None:
        """Write both files, each to a temporary name first; the bytes depend on nothing but the records."""
        arrays: dict[str, Any] = {dtype: np.concatenate(chunks) for dtype, chunks in sorted(self._chunks.items())}
        numbers, words = folder / f"{module}.npz", folder / f"{module}.json"
        with open(f"{numbers}.tmp", "wb") as file:
            np.savez_compressed(file, **arrays)
        with open(f"{words}.tmp", "w", encoding="utf-8") as text:
            text.write(f'{{"versions": {_dumps(dict(versions))},\n"layouts": [\n')
            text.write(",\n".join(self._layouts) + '\n],\n"cases": {\n')
            text.write(",\n".join(f"{_dumps(name)}: {_dumps(entry)}" for name, entry in self._cases.items()) + "\n}}\n")
        os.replace(f"{numbers}.tmp", numbers)
        os.replace(f"{words}.tmp", words)


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _strings(array: Any) -> list[str]:
    return [x.decode() if isinstance(x, bytes) else str(x) for x in array.ravel().tolist()]


class GoldenFile:
    """The records of one module, read back."""

    def __init__(self, module: str, folder: Path = HERE) -> None:
        text = json.loads((folder / f"{module}.json").read_text(encoding="utf-8"))
        self.versions: dict[str, str] = text["versions"]
        self._layouts: list[dict[str, Any]] = text["layouts"]
        self._cases: dict[str, dict[str, Any]] = text["cases"]
        with np.load(folder / f"{module}.npz") as arrays:
            self._arrays = {name: arrays[name] for name in arrays.files}

    @property
    def names(self) -> list[str]:
        """Names of the recorded cases."""
        return list(self._cases)

    def _get(self, dtype: str, at: Any, shape: Sequence[int]) -> Any:
        if dtype == "string":
            return np.array(at, dtype=object).reshape(tuple(shape))
        return self._arrays[dtype][at : at + math.prod(shape)].reshape(tuple(shape))

    def record(self, name: str) -> Record:
        """What was recorded for the case ``name``."""
        entry = self._cases[name]
        layout = self._layouts[entry["layout"]] if "layout" in entry else {}
        at = iter(entry.get("at", ()))
        record = Record(error=entry.get("error"), facts=entry.get("facts", {}))
        for key, dtype, shape, *static in layout.get("values", ()):
            record.values[key] = Value(self._get(dtype, next(at), shape), dtype, static[0] if static else shape)
        for key, dtype, shape in layout.get("feeds", ()):
            record.feeds[key] = self._get(dtype, next(at), shape)
        for (key, shape, dtype), loaded in zip(layout.get("variables", ()), layout.get("loaded", ()), strict=True):
            record.variables.append((key, shape, dtype))
            if loaded:
                record.weights[key] = self._get(dtype, next(at), shape)
        record.trainable = layout.get("trainable", [key for key, _, _ in record.variables])
        return record


# Comparing -----------------------------------------------------------------------------------------------------------


def differences(got: Any, want: Any) -> str:
    """How two arrays differ; empty when they agree.

    Floating values may differ by the tolerance times the largest magnitude of ``want`` (where all of it is zero, by a
    thousandth of the tolerance), NaNs and infinities must stand in the same places; everything else must be equal.
    """
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if want.dtype.kind in "OSU":
        return "" if _strings(got) == _strings(want) else f"{_strings(got)}, expected {_strings(want)}"
    if got.dtype != want.dtype:
        return f"dtype {got.dtype}, expected {want.dtype}"
    if want.size == 0:
        return ""
    if want.dtype.kind != "f":
        wrong = int(np.sum(got != want))
        return f"{wrong} of {want.size} elements differ: {got!r}, expected {want!r}" if wrong else ""
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return f"NaN or infinity in other places: {got!r}, expected {want!r}"
    if not finite.any():
        return ""
    allowed = TOLERANCE[str(want.dtype)] * (float(np.abs(want[finite]).max()) or 1e-3)
    off = np.abs(got[finite].astype(np.float64) - want[finite].astype(np.float64))
    return f"off by {off.max():.3g}, {allowed:.3g} allowed: {got!r}, expected {want!r}" if off.max() > allowed else ""


def _fact_differences(name: str, mine: Any, theirs: Any) -> list[str]:
    """How two facts differ; of long lists only the items that do."""
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        pairs = enumerate(zip(mine, theirs, strict=True))
        return [line for i, (a, b) in pairs for line in _fact_differences(f"{name}[{i}]", a, b)]
    return [] if mine == theirs else [f"{name}: {mine!r}, expected {theirs!r}"]


def compare(golden: Case, got: Record, want: Record) -> list[str]:
    """Every way in which ``got`` differs from ``want``, a line each."""
    if want.error is not None:
        if got.error is None:
            return [f"raised nothing, expected {want.error['class']} in {want.error['stage']}: {want.error['message']}"]
        problems = []
        if want.error["class"] not in got.error["bases"]:
            problems.append(
                f"raised {got.error['class']} ({got.error['message']}), expected {want.error['class']} "
                f"({want.error['message']})"
            )
        if got.error["stage"] != want.error["stage"]:
            problems.append(
                f"raised while {got.error['stage']}, expected {want.error['stage']}: {got.error['message']}"
            )
        problems += [
            f"{piece!r} is not in the message {got.error['message']!r}"
            for piece in golden.fragments
            if piece not in got.error["message"]
        ]
        return problems
    if got.error is not None:
        return [f"raised {got.error['class']} in {got.error['stage']}: {got.error['message']}"]
    problems = []
    if list(got.variables) != list(want.variables):
        problems.append(f"variables {got.variables}, expected {want.variables}")
    if got.trainable != want.trainable:
        problems.append(f"trainable variables {got.trainable}, expected {want.trainable}")
    for name in sorted(set(got.facts) | set(want.facts)):
        problems += _fact_differences(name, got.facts.get(name, "(absent)"), want.facts.get(name, "(absent)"))
    for name in sorted(set(got.values) ^ set(want.values)):
        problems.append(f"{name}: {'not expected' if name in got.values else 'missing'}")
    for name in sorted(set(got.values) & set(want.values)):
        mine, theirs = got.values[name], want.values[name]
        if mine.dtype != theirs.dtype:
            problems.append(f"{name}: dtype {mine.dtype}, expected {theirs.dtype}")
        if mine.static != theirs.static:
            problems.append(f"{name}: static shape {mine.static}, expected {theirs.static}")
        told = differences(mine.array, theirs.array)
        if told:
            problems.append(f"{name}: {told}")
    return problems
