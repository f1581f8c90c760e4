"""``tf.contrib.learn.run_n``: tensors run several times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dynrnn.tf1.core.control_flow import group
from dynrnn.tf1.core.graph import get_default_graph
from dynrnn.tf1.core.session import Session
from dynrnn.tf1.core.variables import global_variables_initializer, local_variables_initializer
from dynrnn.tf1.lookup import tables_initializer

__all__ = ["run_feeds", "run_n"]


def run_feeds(output_dict: dict[Any, Any], feed_dicts: Iterable[Any], restore_checkpoint_path: Any = None) -> list[Any]:
    """The values of ``output_dict`` for each of ``feed_dicts``, with variables as their initializers make them.

    Raises:
        NotImplementedError: ``restore_checkpoint_path``; use ``tf.train.Saver`` in a session.
        ValueError: nothing to run.
    """
    if restore_checkpoint_path:
        raise NotImplementedError("run_feeds(restore_checkpoint_path=...): restore with tf.train.Saver in a Session")
    if not output_dict:
        raise ValueError(f"output_dict is invalid: {output_dict}.")
    graph = get_default_graph()
    init = group(global_variables_initializer(), local_variables_initializer(), tables_initializer())
    with Session(graph=graph) as session:
        session.run(init)
        return [session.run(output_dict, feed_dict) for feed_dict in feed_dicts]


def run_n(
    output_dict: dict[Any, Any], feed_dict: Any = None, restore_checkpoint_path: Any = None, n: int = 1
) -> list[Any]:
    """The values of ``output_dict`` of ``n`` runs with the same ``feed_dict``; see :func:`run_feeds`."""
    return run_feeds(output_dict, [feed_dict] * n, restore_checkpoint_path)
