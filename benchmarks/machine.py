"""What the machine is, and which of its cores a process uses. Standard library only; Linux says most."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cpus() -> list[int]:
    """The logical processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def separate_cpus(count: int) -> list[int]:
    """``count`` of the usable logical processors, as far as there are so many each on a core of its own."""
    cores: dict[str, list[int]] = {}
    for cpu in usable_cpus():
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            core = siblings.read_text().strip()
        except OSError:
            core = str(cpu)
        cores.setdefault(core, []).append(cpu)
    firsts = [cpus[0] for cpus in cores.values()]
    others = [cpu for cpus in cores.values() for cpu in cpus[1:]]
    return sorted((firsts + others)[:count])


def pin(count: int) -> None:
    """Let this process, and what it starts from now on, run on ``count`` processors only, where the system can do that.

    Frameworks that have no reliable setting for it make as many threads as they may use processors.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, separate_cpus(count))


def stolen_seconds() -> float | None:
    """Time that the hypervisor has given to others while this machine wanted to run, over all processors; or None."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


def peak_bytes() -> int:
    """The most memory this process has had resident.

    ``ru_maxrss`` would do, but Linux lets it begin at what the parent had, so a child of a large process never falls
    below that; ``VmHWM`` is of this program alone. ``ru_maxrss`` is for systems without it.
    """
    found = _status("VmHWM")
    if found is not None:
        return found
    import resource  # not on every system

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def resident_bytes() -> int | None:
    """The memory this process has resident now; None where the system does not say."""
    return _status("VmRSS")


def _status(name: str) -> int | None:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
