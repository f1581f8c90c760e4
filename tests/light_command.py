"""``python light_command.py run SCRIPT [ARGS...]`` is ``dynrnn run SCRIPT [ARGS...]`` without torch.

What the command does to a program's surroundings does not depend on the TF1 face, whose import takes seconds. This
program puts empty packages in the place of ``dynrnn`` and ``dynrnn.tf1``, from which single modules can still be
imported, and calls the real ``dynrnn.cli``.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def stand_in() -> None:
    """Let the modules of ``dynrnn`` and ``dynrnn.tf1`` be imported without the ``__init__`` of these packages."""
    spec = importlib.util.find_spec("dynrnn")
    assert spec is not None and spec.submodule_search_locations is not None
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    for name, place in (("dynrnn", ""), ("dynrnn.tf1", "tf1")):
        package = ModuleType(name)
        package.__path__ = [str(folder / place) for folder in folders]
        sys.modules[name] = package


if __name__ == "__main__":
    stand_in()
    from dynrnn.cli import main

    sys.exit(main())
