"""``tf.train.export_meta_graph`` and ``import_meta_graph``: the graph as a file, to go on without the program text.

The file is dynrnn's own (see :mod:`dynrnn.tf1.core.graph_io`); files that TensorFlow wrote are told apart and refused.
"""

from __future__ import annotations

import os
from typing import Any

from dynrnn.checkpoint import files
from dynrnn.tf1 import logging
from dynrnn.tf1.core import errors
from dynrnn.tf1.core.graph import Graph, get_default_graph
from dynrnn.tf1.core.graph_io import MAGIC, GraphFormatError, read_graph, write_graph
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.save_specs import SaverDef

__all__ = ["MetaGraphDef", "export_meta_graph", "import_meta_graph"]


class MetaGraphDef:
    """A graph as bytes.

    Args:
        data: what the file holds.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def SerializeToString(self) -> bytes:
        """The bytes."""
        return self._data

    def ParseFromString(self, serialized: bytes) -> int:
        """Take these bytes; gives their number."""
        self._data = bytes(serialized)
        return len(self._data)


def graph_bytes(graph: Graph, saver_def: SaverDef | None) -> bytes:
    """The graph, and the names of a saver's operations in it, as bytes."""
    return write_graph(graph, {"saver": None if saver_def is None else vars(saver_def)})


def export_meta_graph(
    filename: str | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: SaverDef | None = None,
    collection_list: Any = None,
    as_text: bool = False,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> MetaGraphDef:
    """Write a graph to a file from which `import_meta_graph` makes it again, in another process too.

    Args:
        filename: the file; None to have the bytes only.
        saver_def: the saver that `import_meta_graph` is to give back.
        graph: the graph, by default the default graph.
        meta_info_def, collection_list, clear_devices, clear_extraneous_savers, strip_default_attrs, save_debug_info:
            accepted; the file has all collections of what a file can hold.
        graph_def, as_text, export_scope: not available.

    Raises:
        NotImplementedError: an argument that is not available.
        ValueError: the graph holds Python code (``tf.py_func``).
    """
    for name, value in (("graph_def", graph_def), ("as_text", as_text), ("export_scope", export_scope)):
        if value:
            raise NotImplementedError(f"export_meta_graph({name}=...) is not available in dynrnn")
    data = graph_bytes(get_default_graph() if graph is None else graph, saver_def)
    if filename is not None:
        files.replace(os.fsdecode(filename), data)
    return MetaGraphDef(data)


def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> Any:
    """Put the graph of a file into the default graph.

    Args:
        meta_graph_or_file: the file ``....meta`` beside a checkpoint, or what `export_meta_graph` gave back.
        clear_devices: accepted; everything runs on the CPU.
        import_scope: a prefix for all names.

    Returns:
        A saver for its variables; None if there are none.

    Raises:
        OSError: there is no such file.
        NotImplementedError: the file was written by TensorFlow.
        DataLossError: the file is damaged.
        RuntimeError: the default graph is finalized.
    """
    from dynrnn.tf1.saver import Saver

    if isinstance(meta_graph_or_file, MetaGraphDef):
        shown, data = "the MetaGraphDef", meta_graph_or_file.SerializeToString()
    else:
        shown = os.fsdecode(meta_graph_or_file)
        if not os.path.isfile(shown):
            raise OSError(f"File {shown} does not exist.")
        with open(shown, "rb") as file:
            data = file.read()
    if not data.startswith(MAGIC):
        raise NotImplementedError(
            f"{shown} was not written by dynrnn: graphs that TensorFlow wrote cannot be imported; build the graph with "
            "the program's own text and restore its variables with tf.train.Saver"
        )
    graph = get_default_graph()
    if graph.finalized:
        raise RuntimeError("Graph is finalized and cannot be modified.")
    try:
        names, extra = read_graph(data, graph, (import_scope or "").strip("/"))
    except GraphFormatError as error:
        raise errors.DataLossError(None, None, f"{shown}: {error}") from None
    if extra.get("saver") is not None:
        definition = SaverDef(**extra["saver"])
        for key in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
            op, colon, index = getattr(definition, key).partition(":")
            setattr(definition, key, names.get(op, op) + colon + index)
        return Saver(saver_def=definition)
    if graph.get_collection(GraphKeys.GLOBAL_VARIABLES):
        return Saver()
    logging.info("Saver not created because there are no variables in the graph to restore")
    return None
