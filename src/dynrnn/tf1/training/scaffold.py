"""``tf.train.Scaffold``: the operations that a supervised session needs, made where the program gives none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynrnn.tf1.array_ops import concat
from dynrnn.tf1.core.control_flow import group
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.dtypes import string
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.variables import (
    GraphKeys,
    global_variables,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from dynrnn.tf1.summary.operations import merge_all

__all__ = ["USE_DEFAULT", "Scaffold", "default_saver", "first_of", "tables_initializer_op"]

USE_DEFAULT = object()
"""Stands for "what is made by default" where None means "nothing"."""


def first_of(collection: Any) -> Any:
    """The first member of a collection of the default graph, or None."""
    found = get_default_graph().get_collection(collection)
    return found[0] if found else None


def tables_initializer_op() -> Any:
    """An operation that fills all lookup tables of the default graph."""
    return group(*get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS), name="init_all_tables")


def default_saver() -> Any:
    """The saver of the default graph: that in its collection, else a new one; None when nothing is to be saved."""
    from dynrnn.tf1 import train

    saver = first_of(GraphKeys.SAVERS)
    if saver is not None:
        return saver
    make = getattr(train, "Saver", None)
    if make is None or not global_variables():
        return None
    saver = make(sharded=True, allow_empty=True)
    get_default_graph().add_to_collection(GraphKeys.SAVERS, saver)
    return saver


def _default_ready_op() -> Any:
    return concat([report_uninitialized_variables(), constant([], string)], 0)


class Scaffold:
    """The pieces of a training program; ``finalize`` makes those that are not given.

    Args:
        init_op: initialises the variables.
        init_feed_dict: fed to it.
        init_fn: called with the scaffold and the session after it.
        ready_op: gives the names of variables that are not initialised.
        ready_for_local_init_op: the same, to be empty before ``local_init_op`` is run.
        local_init_op: initialises local variables and tables.
        summary_op: all summaries.
        saver: writes and reads checkpoints.
        copy_from_scaffold: another one, whose pieces are taken where none is given here.
        local_init_feed_dict: fed to ``local_init_op``.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[..., Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        other = copy_from_scaffold
        if other is not None and not isinstance(other, Scaffold):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")

        def piece(given: Any, name: str) -> Any:
            return given if given is not None or other is None else getattr(other, name)

        self._init_op = piece(init_op, "_init_op")
        self._init_feed_dict = piece(init_feed_dict, "_init_feed_dict")
        self._local_init_feed_dict = piece(local_init_feed_dict, "_local_init_feed_dict")
        self._ready_op = piece(ready_op, "_ready_op")
        self._ready_for_local_init_op = piece(ready_for_local_init_op, "_ready_for_local_init_op")
        self._local_init_op = piece(local_init_op, "_local_init_op")
        self._summary_op = piece(summary_op, "_summary_op")
        self._saver = piece(saver, "_saver")
        user_init_fn = piece(init_fn, "_user_init_fn")
        self._user_init_fn = user_init_fn
        self._init_fn = (lambda sess: user_init_fn(self, sess)) if user_init_fn else None

    def finalize(self) -> Scaffold:
        """Make what was not given, and refuse further changes of the graph."""
        if self._init_op is None:
            self._init_op = self._kept(
                "init_op", GraphKeys.INIT_OP, lambda: group(global_variables_initializer(), name="init")
            )
        if self._ready_op is None:
            self._ready_op = self._kept("ready_op", GraphKeys.READY_OP, _default_ready_op)
        if self._ready_for_local_init_op is None:
            self._ready_for_local_init_op = self._kept(
                "ready_for_local_init_op",
                GraphKeys.READY_FOR_LOCAL_INIT_OP,
                lambda: report_uninitialized_variables(global_variables()),
            )
        if self._local_init_op is None:
            self._local_init_op = self._kept("local_init_op", GraphKeys.LOCAL_INIT_OP, Scaffold.default_local_init_op)
        if self._summary_op is None:
            self._summary_op = self._kept("summary_op", GraphKeys.SUMMARY_OP, merge_all)
        if self._saver is None:
            self._saver = default_saver()
        get_default_graph().finalize()
        return self

    @staticmethod
    def _kept(name: str, collection: Any, make: Callable[[], Any]) -> Any:
        return Scaffold.get_or_default(name, collection, make)

    @staticmethod
    def get_or_default(arg_name: str, collection_key: Any, default_constructor: Callable[[], Any]) -> Any:
        """The one member of a collection; made and put there when it is empty.

        Raises:
            RuntimeError: the collection has several.
        """
        graph = get_default_graph()
        found = graph.get_collection(collection_key)
        if len(found) > 1:
            raise RuntimeError(
                f"More than one item in the collection {collection_key!r}. "
                f"Please indicate which one to use by passing it to the tf.Scaffold constructor as:  "
                f"tf.Scaffold({arg_name}=item to use)"
            )
        if found:
            return found[0]
        made = default_constructor()
        if made is not None:
            graph.add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Any:
        """Local variables and lookup tables."""
        return group(local_variables_initializer(), tables_initializer_op())

    @property
    def init_fn(self) -> Any:
        """Called with the session after ``init_op``; None for nothing."""
        return self._init_fn

    @property
    def init_op(self) -> Any:
        """Initialises the variables."""
        return self._init_op

    @property
    def ready_op(self) -> Any:
        """Gives the names of variables that are not initialised."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """Gives the names of variables that must be initialised before the local ones."""
        return self._ready_for_local_init_op

    @property
    def local_init_op(self) -> Any:
        """Initialises local variables and tables."""
        return self._local_init_op

    @property
    def local_init_feed_dict(self) -> Any:
        """Fed to ``local_init_op``."""
        return self._local_init_feed_dict

    @property
    def summary_op(self) -> Any:
        """All summaries."""
        return self._summary_op

    @property
    def saver(self) -> Any:
        """Writes and reads checkpoints."""
        return self._saver

    @property
    def init_feed_dict(self) -> Any:
        """Fed to ``init_op``."""
        return self._init_feed_dict
