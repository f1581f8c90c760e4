"""``tf.app``: ``tf.app.run`` and ``tf.app.flags``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from dynrnn.tf1 import flags
from dynrnn.tf1._namespace import missing

__all__ = ["flags", "run"]


def run(main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None) -> NoReturn:
    """Read the flags in ``argv`` (default ``sys.argv``), call ``main`` with what is left, exit with what it returns.

    Without ``main`` the script's own function of that name is called. Its argument is a list: the program, then every
    word that is no flag of the program. Flags with a wrong value end the program with status 1 and a message.

    Raises:
        AttributeError: ``main`` is not given and the script has none.
        SystemExit: always, when ``main`` returns.
    """
    if main is None:
        main = getattr(sys.modules["__main__"], "main", None)
        if main is None:
            raise AttributeError("tf.app.run: the script has no function 'main'; define it or pass main=")
    try:
        rest = flags.FLAGS(sys.argv if argv is None else argv, known_only=True)
    except flags.Error as error:
        print(f"FATAL Flags parsing error:\n  {error}\nPass --help to see help on flags.", file=sys.stderr)
        sys.exit(1)
    sys.exit(main(rest))


__getattr__ = missing(__name__, globals())
