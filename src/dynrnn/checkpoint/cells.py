"""Weights of TensorFlow's cells for the cells of `dynrnn.cells`, and back.

The parameters of a cell have the names that TensorFlow's variables have below the cell's scope, with dots for slashes:
``gates.kernel`` is ``rnn/gru_cell/gates/kernel``. A cell inside another one (``cell_0`` of a `MultiRNNCell`, ``cell``
of a wrapper) has a scope of its own below that one's, named by its class or its ``name``; wrappers that TensorFlow
gives no scope are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from dynrnn.checkpoint.bundle import BundleWriter
from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.reader import Reader, open_checkpoint

__all__ = ["load_cell", "save_cell"]

_WITHOUT_SCOPE = frozenset({"DropoutWrapper", "ResidualWrapper", "DeviceWrapper", "HighwayWrapper"})


def _opens_scope(module: Any) -> bool:
    return hasattr(module, "scope_name") and not any(c.__name__ in _WITHOUT_SCOPE for c in type(module).__mro__)


def _scopes(module: Any, scope: str, path: str, first: bool) -> Iterator[tuple[str, str]]:
    """(TensorFlow's scope, path of the module) of ``module`` and the cells in it.

    ``scope`` is the one around the module; with ``first`` it is that of the first cell that has one.
    """
    if _opens_scope(module):
        scope = scope if first else _joined(scope, module.scope_name)
        first = False
    yield scope, path
    for name, child in module.named_children():
        if not (hasattr(child, "scope_name") or any(hasattr(inner, "scope_name") for inner in child.modules())):
            continue  # weights, which are part of the cell
        inner = scope if name == "cell" else _joined(scope, name)
        yield from _scopes(child, inner, f"{path}.{name}" if path else name, first)


def _joined(scope: str, name: str) -> str:
    return f"{scope}/{name}" if scope else name


def _first_scope(cell: Any) -> str | None:
    """The name of the first scope that the cell opens."""
    for module in cell.modules():
        if _opens_scope(module):
            return module.scope_name
    return None


def _root_scopes(cell: Any, reader: Reader, scope: str | None) -> list[tuple[str, str]]:
    name = _first_scope(cell)
    if scope is None:
        if name is None:
            raise ValueError(f"expected the scope of {type(cell).__name__} in the checkpoint, got None")
        around = sorted({("/" + key)[: ("/" + key).index(f"/{name}/")] for key in reader if f"/{name}/" in "/" + key})
        if len(around) != 1:
            found = ", ".join(repr(_joined(prefix[1:], name)) for prefix in around) or "none"
            raise ValueError(f"expected one scope {name!r} in {reader.prefix}, found {found}; say which with scope=")
        return list(_scopes(cell, around[0][1:], "", first=False))
    scope = scope.strip("/")
    below = name is not None and any(key.startswith(_joined(scope, name) + "/") for key in reader)
    return list(_scopes(cell, scope, "", first=not below))


def load_cell(cell: Any, ckpt: str | os.PathLike[str] | Reader, scope: str | None = None) -> Any:
    """Give a cell of `dynrnn.cells` the weights that it has in a TensorFlow checkpoint.

    Args:
        cell: a cell or a wrapper with cells inside. One whose weights are still to be made gets them with the shapes of
            the checkpoint.
        ckpt: the checkpoint's name, a folder for its latest one, or an open `Reader`.
        scope: the variable scope of the cell, ``"rnn/lstm_cell"``, or the one around it, ``"rnn"``; by default the one
            scope of the cell's name that the checkpoint has.

    Returns:
        The cell.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        CheckpointError: the checkpoint is damaged, or lacks a weight or has it in another shape.
        ValueError: ``scope`` is None and the checkpoint has none of that name, or several.
    """
    import torch

    if not isinstance(cell, torch.nn.Module):
        raise TypeError(f"expected a cell, a torch.nn.Module, got {type(cell).__name__}")
    reader = ckpt if isinstance(ckpt, Reader) else open_checkpoint(ckpt)
    places = sorted(_root_scopes(cell, reader, scope), key=lambda place: -len(place[0]))
    weights: dict[str, Any] = {}
    for name in reader:
        # slots and averages stand below the variable that they belong to
        if any(name[:at] in reader for at in range(len(name)) if name[at] == "/"):
            continue
        for inside, path in places:
            if not inside or name.startswith(inside + "/"):
                rest = name[len(inside) + 1 if inside else 0 :].replace("/", ".")
                weights[f"{path}.{rest}" if path else rest] = name
                break
    shown = places[-1][0] or "its top"
    if not weights:
        scopes = sorted({name.rpartition("/")[0] for name in reader})
        raise CheckpointError(f"{reader.prefix} has nothing below {shown}; its scopes are {', '.join(scopes[:20])}")
    if not places[-1][0]:  # the whole checkpoint: what is not the cell's is somebody else's
        own = cell.state_dict()
        weights = {key: name for key, name in weights.items() if not own or key in own}
    values = {key: _tensor(reader, name) for key, name in weights.items()}
    try:
        cell.load_state_dict(values)
    except RuntimeError as error:
        raise CheckpointError(f"{reader.prefix} below {shown} does not fit the cell: {error}") from None
    return cell


def _tensor(reader: Reader, name: str) -> Any:
    import torch

    kind = reader.info(name).dtype
    bits = reader.bits(name)
    if kind == "string":
        raise CheckpointError(f"{reader.prefix}: {name!r} holds strings, no weights")
    if kind == "bfloat16":
        return torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(bits)


def save_cell(cell: Any, prefix: str | os.PathLike[str], scope: str = "rnn") -> list[str]:
    """Write the weights of a cell as a checkpoint that TensorFlow reads.

    Args:
        cell: a cell or a wrapper whose weights are made.
        prefix: the name of the checkpoint; its folder must exist.
        scope: the variable scope around the cell, which opens its own below it.

    Returns:
        The names of the variables.

    Raises:
        ValueError: the cell has no weights yet.
    """
    import torch

    state = cell.state_dict()
    if not state:
        raise ValueError(f"{type(cell).__name__} has no weights yet: call it once, or give it input_size")
    places = sorted(_scopes(cell, scope.strip("/"), "", first=False), key=lambda place: -len(place[1]))
    names = []
    with BundleWriter(prefix) as writer:
        for key, value in state.items():
            inside, path = next(p for p in places if not p[1] or key.startswith(p[1] + "."))
            name = _joined(inside, key[len(path) + 1 if path else 0 :].replace(".", "/"))
            value = value.detach().cpu().contiguous()
            if value.dtype is torch.bfloat16:
                writer.add(name, value.view(torch.int16).numpy().view(np.uint16), "bfloat16")
            else:
                writer.add(name, value.numpy())
            names.append(name)
    return names
