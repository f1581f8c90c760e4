"""Running Python in a fresh process, for tests of what a process holds only once: modules, flags, standard error."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def python(*words: str, cwd: Path, timeout: float = 300) -> Done:
    """Run the interpreter of the tests with ``words``, in ``cwd``, with the same packages to import."""
    environment = dict(os.environ)
    # two workers whose programs take two threads each wait for each other most of the time
    environment.setdefault("OMP_NUM_THREADS", "1")
    if "PYTHONPATH" in environment:
        folders = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(folder) for folder in folders if folder)
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=cwd, env=environment, timeout=timeout, check=False
    )


def code(text: str, *words: str, cwd: Path) -> Done:
    """Run ``text`` (with its common indentation taken off) as a program with the arguments ``words``."""
    return python("-c", textwrap.dedent(text), *words, cwd=cwd)


def light_command(*words: str, cwd: Path) -> Done:
    """The ``dynrnn`` command without torch (see ``light_command.py``)."""
    return python(str(Path(__file__).with_name("light_command.py")), *words, cwd=cwd)


def succeeded(done: Done) -> Done:
    """``done``, whose status is asserted to be 0."""
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
