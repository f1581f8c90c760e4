"""The native core among threads and processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from program_support import Memory, identical
from test_native_execute import lstm

from dynrnn.engine import native
from dynrnn.engine.threads import share_threads


@pytest.fixture(autouse=True, params=["own", "torch"])
def threads_of(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test with the core's own threads and with those it may share with torch."""
    if request.param == "own":
        native.borrow_threads(0)
    elif not share_threads():
        pytest.skip("torch's threads cannot be used here")
    yield
    share_threads()


def test_many_threads_call_at_once() -> None:
    """Each call with memory of its own and threads of the pool, if it gets any; bits as when alone."""
    lengths = [30, 7, 30, 1, 0, 12, 29, 3]
    builders = [lstm(np.float32, 20, 33), lstm(np.float64, 5, 70)]
    wanted = []
    for builder in builders:
        for team in (0, 1):
            memory = Memory(builder, lengths, 30, np.random.default_rng(team))
            memory.run(threads=3, team=team)
            wanted.append(memory.results())
    failures: list[str] = []

    def work(which: int) -> None:
        builder, team = builders[which // 2], which % 2
        program = builder.program()
        memory = Memory(builder, lengths, 30, np.random.default_rng(team))
        schedule = native.Schedule(memory.lengths, 30, 3, 1 << 40, team)
        for _ in range(25):
            memory.wipe()
            memory.run(schedule=schedule, program=program)
            try:
                identical(memory.results(), wanted[which])
            except AssertionError as error:
                failures.append(f"{which}: {error}")

    threads = [threading.Thread(target=work, args=(n % 4,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_other_python_threads_run_meanwhile() -> None:
    memory = Memory(lstm(np.float32, 128, 256), [200] * 16, 200, np.random.default_rng(0))
    done = threading.Event()
    counted = []

    def count() -> None:
        n = 0
        while not done.is_set():
            n += 1
        counted.append(n)

    thread = threading.Thread(target=count)
    thread.start()
    memory.run(threads=1)
    done.set()
    thread.join()
    assert counted[0] > 10


def in_child(work: Callable[[], object]) -> int:
    """The exit status of a forked child that does the work; it is killed when it does not end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            import signal

            signal.alarm(60)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("team", [0, 1])
def test_fork_after_use(team: int) -> None:
    memory = Memory(lstm(np.float32, 20, 64), [30, 7, 30, 1], 30, np.random.default_rng(0))
    memory.run(threads=3, team=team)
    wanted = memory.results()

    def work() -> None:
        for _ in range(3):
            memory.wipe()
            memory.run(threads=3, team=team)
            identical(memory.results(), wanted)

    def work_and_fork() -> None:
        work()
        assert in_child(work) == 0

    assert in_child(work) == 0
    work()  # the parent's threads are still there
    assert in_child(work_and_fork) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_while_another_thread_executes() -> None:
    memory = Memory(lstm(np.float32, 64, 128), [100] * 8, 100, np.random.default_rng(0))
    stop = threading.Event()
    background = Memory(lstm(np.float32, 64, 128), [100] * 8, 100, np.random.default_rng(0))

    def busy() -> None:
        while not stop.is_set():
            background.run(threads=2)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(5):
            assert in_child(lambda: memory.run(threads=2)) == 0
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("isa", native.isas())
def test_code_path_is_chosen_at_every_call(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(lstm(np.float64, 20, 33), [9, 4, 9], 9, np.random.default_rng(0))
    monkeypatch.delenv("DYNRNN_ISA", raising=False)
    memory.run()
    widest = memory.results()
    monkeypatch.setenv("DYNRNN_ISA", isa)
    memory.run()
    for name, value in memory.results().items():
        np.testing.assert_allclose(value, widest[name], rtol=1e-12, atol=1e-13)
    monkeypatch.setenv("DYNRNN_ISA", "none")
    with pytest.raises(ValueError, match="DYNRNN_ISA"):
        memory.run()
