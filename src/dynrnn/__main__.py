"""``python -m dynrnn`` is the ``dynrnn`` command."""

from __future__ import annotations

import sys

from dynrnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
