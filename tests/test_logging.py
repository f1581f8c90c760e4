"""``tf.logging``: what reaches standard error. The logger is Python's own, so each case has a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh_process import light_command, succeeded

from dynrnn.tf1 import logging


def lines(folder: Path, program: str) -> list[str]:
    """What ``program`` writes to standard error; it must write nothing else."""
    (folder / "prog.py").write_text(f"from tensorflow import logging\n{program}\n")
    done = succeeded(light_command("run", "prog.py", cwd=folder))
    assert done.stdout == ""
    return done.stderr.splitlines()


ALL = """
logging.debug("d %d", 1)
logging.info("i %s", "x")
logging.warn("w")
logging.warning("w2 %%")
logging.error("e %.1f", 2.0)
logging.fatal("f")
logging.log(logging.INFO, "l %d", 3)
logging.vlog(logging.ERROR, "v")
logging.TaskLevelStatusMessage("t")
"""
SHOWN = {
    "DEBUG": ["DEBUG:tensorflow:d 1"],
    "INFO": ["INFO:tensorflow:i x", "INFO:tensorflow:l 3"],
    "WARN": ["WARNING:tensorflow:w", "WARNING:tensorflow:w2 %%"],
    "ERROR": ["ERROR:tensorflow:e 2.0", "ERROR:tensorflow:v", "ERROR:tensorflow:t"],
    "FATAL": ["CRITICAL:tensorflow:f"],
}


@pytest.mark.parametrize("level", [None, "DEBUG", "INFO", "WARN", "ERROR", "FATAL"])
def test_verbosity(tmp_path: Path, level: str | None) -> None:
    first = list(SHOWN).index(level or "WARN")
    expected = [line for name in list(SHOWN)[first:] for line in SHOWN[name]]
    set_level = f"logging.set_verbosity(logging.{level})" if level else ""
    check = f"assert logging.get_verbosity() == logging.{level or 'WARN'}"
    assert sorted(lines(tmp_path, f"{set_level}\n{check}\n{ALL}")) == sorted(expected)


def test_a_program_that_sets_up_logging_itself_gets_each_message_once(tmp_path: Path) -> None:
    program = """
import logging as python_logging
python_logging.basicConfig(format="%(message)s!", level=python_logging.INFO)
logging.info("once")
python_logging.getLogger("tensorflow").info("too")
"""
    assert lines(tmp_path, program) == ["once!", "too!"]


def test_standard_error_is_looked_up_at_each_message(tmp_path: Path) -> None:
    program = """
import contextlib, io
logging.warn("before")
with contextlib.redirect_stderr(io.StringIO()) as caught:
    logging.warn("inside")
logging.flush()
assert caught.getvalue() == "WARNING:tensorflow:inside\\n"
"""
    assert lines(tmp_path, program) == ["WARNING:tensorflow:before"]


def test_some_of_many(tmp_path: Path) -> None:
    program = """
for i in range(5):
    logging.log_every_n(logging.WARN, "every %d", 2, i)
    logging.log_first_n(logging.WARN, "first %d", 2, i)
    logging.log_if(logging.WARN, "if %d", i == 3, i)
"""
    got = [line.partition("tensorflow:")[2] for line in lines(tmp_path, program)]
    assert got == ["every 0", "first 0", "first 1", "every 2", "if 3", "every 4"]


def test_levels_are_those_of_tensorflow() -> None:
    assert (logging.DEBUG, logging.INFO, logging.WARN, logging.ERROR, logging.FATAL) == (10, 20, 30, 40, 50)


def test_missing_name() -> None:
    with pytest.raises(
        AttributeError, match=r"tf\.logging\.fino is not available in dynrnn; nearest: tf\.logging\.info"
    ):
        _ = logging.fino
