"""``tf.train.Saver``: variables to checkpoints and back.

A saver adds TensorFlow's operations to the graph (``save/SaveV2``, ``save/RestoreV2``, ``save/Assign``,
``save/restore_all``, ...), with the variables under their names, sorted. The files are TensorFlow's own; writing them
is the work of :mod:`dynrnn.checkpoint`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from dynrnn.checkpoint import files
from dynrnn.tf1 import logging
from dynrnn.tf1.checkpoint_management import (
    checkpoint_exists,
    get_checkpoint_mtimes,
    meta_graph_filename,
    remove_checkpoint,
    update_state,
)
from dynrnn.tf1.core import errors
from dynrnn.tf1.core.control_flow import group
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.graph import get_default_graph, name_scope
from dynrnn.tf1.core.graph_io import UnwritableGraphError
from dynrnn.tf1.core.session import BaseSession
from dynrnn.tf1.core.variables import GraphKeys, Variable
from dynrnn.tf1.meta_graph import export_meta_graph, graph_bytes
from dynrnn.tf1.save_specs import BaseSaverBuilder, SaveableObject, SaverDef, saveables_of

__all__ = ["Saver"]


class Saver:
    """Saves and restores variables.

    Args:
        var_list: variables and saveable objects, or a dict of them by the names that they are to have in checkpoints;
            by default all global variables and saveable objects. A list of variables in a dict is one variable in
            parts.
        reshape: values from a checkpoint may have another shape than the variable, with as many elements.
        sharded: accepted; there is one device, so there is one data file.
        max_to_keep: how many checkpoints to keep; None or 0 for all.
        keep_checkpoint_every_n_hours: of those that are not among these, one in so many hours is kept.
        name: the name scope of the operations, ``save`` by default.
        restore_sequentially: accepted; no effect.
        saver_def: a `SaverDef` whose operations are in the graph already.
        builder: a `BaseSaverBuilder` of the program's own.
        defer_build: add the operations when they are needed or ``build()`` is called.
        allow_empty: no variables are no error.
        write_version: ``SaverDef.V2`` or ``SaverDef.V1``.
        pad_step_number: steps in names of checkpoints have eight digits at least.
        save_relative_paths: paths in the file ``checkpoint`` are relative to its folder.
        filename: what the operations take for the name of the checkpoint when none is fed.

    Raises:
        ValueError: no variables, or two of one name.
        TypeError: something that is no variable.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: SaverDef | None = None,
        builder: BaseSaverBuilder | None = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = SaverDef.V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        if defer_build and var_list:
            raise ValueError(
                "If `var_list` is provided then build cannot be deferred. Either set defer_build=False or "
                "var_list=None."
            )
        if write_version not in (SaverDef.V1, SaverDef.V2):
            raise ValueError(f"expected write_version to be SaverDef.V1 or SaverDef.V2, got {write_version!r}")
        if max_to_keep is not None and max_to_keep < 0:
            raise ValueError(f"expected max_to_keep to be at least 0, got {max_to_keep}")
        self._var_list = var_list
        self._reshape = reshape
        self._sharded = sharded
        self._max_to_keep = max_to_keep
        self._every_n_hours = keep_checkpoint_every_n_hours
        self._name = name
        self._builder = builder
        self._allow_empty = allow_empty
        self._write_version = write_version
        self._pad_step_number = pad_step_number
        self._save_relative_paths = save_relative_paths
        self._filename = filename
        self._is_built = self._is_empty = False
        self.saver_def = saver_def
        self._graph_bytes: tuple[int, bytes | None] | None = None
        self._last_checkpoints: list[tuple[str, float]] = []
        self._to_be_deleted: list[tuple[str, float]] = []
        self._next_checkpoint_time = time.time() + keep_checkpoint_every_n_hours * 3600
        if saver_def is not None:
            self._write_version = saver_def.version
            self._max_to_keep = saver_def.max_to_keep
            self._next_checkpoint_time = time.time() + saver_def.keep_checkpoint_every_n_hours * 3600
            self._is_built = True
        elif not defer_build:
            self.build()

    # --- the operations -----------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Add the operations to the default graph, unless it was done."""
        if self._is_built:
            return
        self._is_built = True
        graph = get_default_graph()
        var_list = self._var_list
        if var_list is None:
            var_list = graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
            var_list += graph.get_collection(GraphKeys.SAVEABLE_OBJECTS)
        if not var_list:
            if not self._allow_empty:
                raise ValueError("No variables to save")
            self._is_empty = True
            self.saver_def = SaverDef("", "", "")
        else:
            with graph.outside():
                self.saver_def = self._add_operations(saveables_of(var_list))
        self.saver_def.max_to_keep = self._max_to_keep or 0
        self.saver_def.sharded = self._sharded
        self.saver_def.keep_checkpoint_every_n_hours = self._every_n_hours
        self.saver_def.version = self._write_version

    def _add_operations(self, saveables: list[SaveableObject]) -> SaverDef:
        from dynrnn.tf1.array_ops import identity, placeholder_with_default

        graph = get_default_graph()
        with name_scope(self._name, "save", [saveable.op for saveable in saveables]):
            default = constant(self._filename or "model", name="filename/input")
            inner = placeholder_with_default(default, [], name="filename")
            filename = placeholder_with_default(inner, [], name="Const")
            specs = [spec for saveable in saveables for spec in saveable.specs]
            kind, op_name = ("SaveV2", "SaveV2") if self._write_version == SaverDef.V2 else ("SaveSlices", "save")
            names, parts = tuple(spec.name for spec in specs), tuple(spec.part for spec in specs)
            tensors = [filename, *(spec.tensor for spec in specs)]
            save = graph.create_op(kind, tensors, {"names": names, "parts": parts}, op_name)
            with graph.control_dependencies([save]):
                saved = identity(filename, name="control_dependency")
            attrs = {"names": names, "dtypes": tuple(spec.dtype for spec in specs), "parts": parts}
            restored = list(graph.create_op("RestoreV2", [filename], attrs, "RestoreV2").outputs)
            assigned = []
            for saveable in saveables:
                mine, restored = restored[: len(saveable.specs)], restored[len(saveable.specs) :]
                shapes = [spec.tensor.shape for spec in saveable.specs] if self._reshape else None
                assigned.append(saveable.restore(mine, shapes))
            all_restored = group(*assigned, name="restore_all")
        return SaverDef(filename.name, saved.name, all_restored.name)

    def as_saver_def(self) -> SaverDef:
        """The names of the operations and the settings."""
        assert self.saver_def is not None
        return self.saver_def

    def to_proto(self, export_scope: str | None = None) -> SaverDef:
        """The names of the operations and the settings."""
        return self.as_saver_def()

    @staticmethod
    def from_proto(saver_def: SaverDef, import_scope: str | None = None) -> Saver:
        """A saver for operations that are in the graph already."""
        return Saver(saver_def=saver_def)

    def _definition(self) -> SaverDef:
        if not self._is_built:
            self.build()
        if self.saver_def is None:
            raise RuntimeError("`build()` should be called before save if defer_build==True")
        return self.saver_def

    # --- which checkpoints there are ----------------------------------------------------------------------------------

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints that are kept, the oldest first."""
        return [path for path, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints: Iterable[str]) -> None:
        """Say which checkpoints there are, the oldest first."""
        self._last_checkpoints = [(path, float("inf")) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: Iterable[tuple[str, float]]) -> None:
        """Say which checkpoints there are and when they were saved, the oldest first."""
        self._last_checkpoints = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Iterable[str]) -> None:
        """Take the checkpoints of an earlier run, as far as they are there, for those that are kept."""
        there = [path for path in checkpoint_paths if checkpoint_exists(path)]
        self.set_last_checkpoints_with_time(zip(there, get_checkpoint_mtimes(there), strict=True))

    def _record(self, path: str) -> None:
        limit = self._definition().max_to_keep
        if not limit:
            return
        self._last_checkpoints = [item for item in self._last_checkpoints if item[0] != path]
        self._last_checkpoints.append((path, time.time()))
        if len(self._last_checkpoints) > limit:
            self._to_be_deleted.append(self._last_checkpoints.pop(0))

    def _delete_old(self, suffix: str) -> None:
        if not self._to_be_deleted:
            return
        path, saved = self._to_be_deleted.pop(0)
        if saved > self._next_checkpoint_time:
            self._next_checkpoint_time += self._definition().keep_checkpoint_every_n_hours * 3600
            return
        if path in self.last_checkpoints:
            return  # saved anew under the same name
        try:
            remove_checkpoint(path, meta_suffix=suffix)
        except OSError as error:
            logging.warning("Ignoring: %s", error)

    # --- saving -------------------------------------------------------------------------------------------------------

    def save(
        self,
        sess: Any,
        save_path: str,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Save the variables.

        Args:
            sess: the session that has their values.
            save_path: what the names of the files begin with. A missing folder is made if the one above it is there.
            global_step: a number, or a tensor or variable that has it, put behind ``save_path``.
            latest_filename: the name of the file that says which checkpoint is the latest, ``checkpoint`` by default.
            meta_graph_suffix: the ending of the graph's file.
            write_meta_graph: write the graph too, for ``import_meta_graph``.
            write_state: write the file ``checkpoint``.
            strip_default_attrs, save_debug_info: accepted; no effect.

        Returns:
            The name of the checkpoint, for `restore`; None if there is nothing to save.

        Raises:
            TypeError: ``sess`` is no session.
            ValueError: no name, a name that cannot be, or no folder to save to.
            FailedPreconditionError: a variable has no value.
        """
        definition = self._definition()
        latest_filename = latest_filename or "checkpoint"
        save_path = os.fsdecode(save_path)
        if os.path.split(latest_filename)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        if not os.path.basename(save_path):
            raise ValueError("no path specified")
        if os.path.basename(save_path) == latest_filename and global_step is None:
            raise ValueError(f"'latest_filename' collides with 'save_path': '{latest_filename}' and '{save_path}'")
        if not isinstance(sess, BaseSession):
            raise TypeError(f"'sess' must be a Session; {sess}")
        path = save_path if global_step is None else f"{save_path}-{self._step(sess, global_step)}"
        folder = os.path.dirname(save_path)
        if not self._is_empty:
            try:
                sess.run(definition.save_tensor_name, {definition.filename_tensor_name: path})
            except (errors.FailedPreconditionError, errors.NotFoundError):
                if folder and not os.path.isdir(folder):
                    raise ValueError(f"Parent directory of {save_path} doesn't exist, can't save.") from None
                raise
        if write_meta_graph:
            self._write_graph(sess, meta_graph_filename(path, meta_graph_suffix))
        if self._is_empty:
            return None
        if write_state:
            self._record(path)
            update_state(folder, path, self.last_checkpoints, latest_filename, self._save_relative_paths)
            self._delete_old(meta_graph_suffix)
        return path

    def _step(self, sess: Any, global_step: Any) -> str:
        if isinstance(global_step, (Variable, str)) or hasattr(global_step, "op"):
            global_step = sess.run(global_step)
        try:
            number = int(global_step)
        except (TypeError, ValueError):
            raise TypeError(
                f"expected global_step to be an integer, a tensor or a variable, got {global_step!r}"
            ) from None
        return f"{number:08d}" if self._pad_step_number else str(number)

    def _write_graph(self, sess: Any, path: str) -> None:
        """Write the graph beside the checkpoint; a graph that no file can hold is told of once."""
        graph = sess.graph
        if self._graph_bytes is None or self._graph_bytes[0] != graph.version:
            try:
                data = graph_bytes(graph, self.saver_def)
            except UnwritableGraphError as error:
                logging.warning("No %s is written: %s.", os.path.basename(path), error)
                data = None
            self._graph_bytes = graph.version, data
        if self._graph_bytes[1] is not None:
            files.replace(path, self._graph_bytes[1])

    def restore(self, sess: Any, save_path: str | None) -> None:
        """Give the variables the values that they have in a checkpoint; they need no initializers then.

        Args:
            sess: the session.
            save_path: the name of the checkpoint: what `save` gave back, or ``tf.train.latest_checkpoint``.

        Raises:
            ValueError: ``save_path`` is None, or there is no such checkpoint.
            NotFoundError: it lacks a variable.
            InvalidArgumentError: a variable has another shape or element type in it.
            DataLossError: its files are damaged.
        """
        definition = self._definition()
        if self._is_empty:
            return
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        save_path = os.fsdecode(save_path)
        if not checkpoint_exists(save_path):
            raise ValueError("The passed save_path is not a valid checkpoint: " + save_path)
        logging.info("Restoring parameters from %s", save_path)
        try:
            sess.run(definition.restore_op_name, {definition.filename_tensor_name: save_path})
        except errors.NotFoundError as error:
            raise _with_reason(
                error, "a Variable name or other graph key that is missing from the checkpoint"
            ) from error
        except errors.InvalidArgumentError as error:
            raise _with_reason(
                error, "a mismatch between the current graph and the graph from the checkpoint"
            ) from error

    def export_meta_graph(self, filename: str | None = None, collection_list: Any = None, **kwargs: Any) -> Any:
        """Write the default graph to ``filename``, with this saver, see ``tf.train.export_meta_graph``."""
        return export_meta_graph(filename, saver_def=self._definition(), collection_list=collection_list, **kwargs)


def _with_reason(error: errors.OpError, reason: str) -> errors.OpError:
    return type(error)(
        error.node_def,
        error.op,
        f"Restoring from checkpoint failed. This is most likely due to {reason}. Please ensure that you have not "
        f"altered the graph expected based on the checkpoint. Original error:\n\n{error.message}",
    )
