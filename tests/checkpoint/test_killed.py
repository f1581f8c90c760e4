"""A program that is killed while it saves leaves a checkpoint that is whole.

``python tests/checkpoint/test_killed.py 200`` kills 200 times each way.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dynrnn.checkpoint import BundleWriter, open_checkpoint, write_checkpoint

TIMES = 12
SIZES = (3, 70_000, 1, 30_000)


def tensors(number: int) -> dict[str, np.ndarray]:
    return {f"v{index}": np.full(size, number, np.float32) for index, size in enumerate(SIZES)}


def save_same_name(folder: Path, report: Callable[[int], None]) -> None:
    """The checkpoint ``m`` over and over, as ``saver.save(sess, "m")``."""
    number = 1
    while True:
        if number % 5 == 0:  # sometimes by a writer of two data files
            with BundleWriter(folder / "m", 2) as writer:
                for index, (name, value) in enumerate(tensors(number).items()):
                    writer.add(name, value, shard=index % 2)
        else:
            write_checkpoint(folder / "m", tensors(number))
        report(number)
        number += 1


def save_steps(folder: Path, report: Callable[[int], None]) -> None:
    """``tf.train.Saver`` with steps, which deletes what is old."""
    import dynrnn.tf1 as tf

    variables = {name: tf.Variable(value, name=name) for name, value in tensors(0).items()}
    saver = tf.train.Saver(max_to_keep=2)
    with tf.Session() as session:
        number = 1
        while True:
            for name, value in tensors(number).items():
                variables[name].load(value, session)
            saver.save(session, str(folder / "m"), global_step=number, write_meta_graph=number % 3 == 0)
            report(number)
            number += 1


def killed_while_saving(save: Callable[[Path, Callable[[int], None]], None], folder: Path, delay: float) -> int:
    """Let a process save, kill it ``delay`` seconds after its first save; the number of the last save it told of."""
    source, target = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            os.close(source)

            def report(number: int) -> None:
                os.write(target, number.to_bytes(4, "little"))

            save(folder, report)
        os._exit(status)
    os.close(target)
    told = os.read(source, 4)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(source, 4):
        told = more
    os.close(source)
    assert told, "the process ended by itself"
    return int.from_bytes(told, "little")


def check(folder: Path, name: str | None, last: int) -> int:
    """The latest checkpoint is whole, and not older than the last save that was done; gives its number."""
    reader = open_checkpoint(folder if name is None else folder / name)
    number = int(reader["v0"][0])
    assert number in (last, last + 1)
    for key, value in tensors(number).items():
        np.testing.assert_array_equal(reader[key], value)
    assert len(reader) == len(SIZES)
    return number


WAYS = [(save_same_name, "m"), (save_steps, None)]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(("save", "name"), WAYS, ids=["same name", "steps"])
def test_killed_at_any_moment(save: Callable[..., None], name: str | None, tmp_path: Path, times: int = TIMES) -> None:
    for turn in range(times):
        folder = tmp_path / str(turn)
        folder.mkdir()
        last = killed_while_saving(save, folder, random.random() * 0.04)
        check(folder, name, last)
        # and who saves next finds nothing in the way
        write_checkpoint(folder / "m", tensors(-1))
        check(folder, "m", -1)


@pytest.mark.parametrize("calls", range(30))
def test_every_step_of_an_overwrite(calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system call of that number fails and everything after it too, as if the process had been killed there."""
    write_checkpoint(tmp_path / "m", tensors(1))
    done = 0

    def limited(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            nonlocal done
            done += 1
            if done > calls:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "remove", "link", "fsync"):
            patch.setattr(os, name, limited(name))
        with contextlib.suppress(KeyboardInterrupt):
            write_checkpoint(tmp_path / "m", tensors(2))
    finished = done <= calls
    assert finished == (calls >= 13), done
    number = int(open_checkpoint(tmp_path / "m")["v0"][0])
    assert number in (1, 2) and (number == 2 or not finished)
    for key, value in tensors(number).items():
        np.testing.assert_array_equal(open_checkpoint(tmp_path / "m")[key], value)
    write_checkpoint(tmp_path / "m", tensors(3))
    check(tmp_path, "m", 3)
    left = sorted(path.name for path in tmp_path.iterdir() if "tempstate" not in path.name)
    assert left == ["m.data-00000-of-00001", "m.index"]


def test_a_failed_save_changes_nothing(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "m", tensors(1))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="datetime64"):
        write_checkpoint(tmp_path / "m", {**tensors(2), "when": np.zeros(2, "M8[s]")})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_old_temporary_files_are_removed(tmp_path: Path) -> None:
    for name, age in (("m.index.tempstate1", 100_000), ("m.index.tempstate2", 10), ("mm.index.tempstate3", 100_000)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write_checkpoint(tmp_path / "m", tensors(1))
    assert {path.name for path in tmp_path.glob("*tempstate*")} == {"m.index.tempstate2", "mm.index.tempstate3"}


if __name__ == "__main__":
    for way, latest in WAYS:
        with tempfile.TemporaryDirectory() as place:
            test_killed_at_any_moment(way, latest, Path(place), int(sys.argv[1]))
        print(way.__name__, "killed", sys.argv[1], "times")
