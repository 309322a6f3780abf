"""The processes of this machine, looked at so cheaply that it can be done while something is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
LINUX = (PROC / "self" / "stat").exists()
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Life:
    """A process as it was when last seen: who started it, when it began (by a clock of the system's own), and the
    seconds of processors that it and those it waited for have used."""

    parent: int
    began: float
    seconds: float


def life_of(pid: int) -> Life | None:
    """A process as it is now; None where it has ended."""
    try:
        return linux_life_of(pid) if LINUX else other_life_of(pid)
    except (OSError, psutil.Error):
        return None


def linux_life_of(pid: int) -> Life:
    """By /proc/PID/stat: see proc(5). What a process is called may hold blanks and brackets."""
    fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    user, system, waited_user, waited_system = (int(field) * TICK for field in fields[11:15])
    own = clock_of(pid) or user + system
    return Life(parent=int(fields[1]), began=float(fields[19]), seconds=own + waited_user + waited_system)


def other_life_of(pid: int) -> Life:
    """By what other systems tell."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    seconds = times.user + times.system + times.children_user + times.children_system
    return Life(parent=process.ppid(), began=process.create_time(), seconds=seconds)


def clock_of(pid: int) -> float:
    """The seconds that a process has used, with all its threads, finer than the system's ticks; 0 where that is not to
    be had. The number is what clock_getcpuclockid(3) gives on Linux."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except (OSError, OverflowError):
        return 0.0


def families() -> Mapping[int, Sequence[int]]:
    """The children of every process."""
    found: dict[int, list[int]] = {}
    for pid in psutil.pids():
        if life := life_of(pid):
            found.setdefault(life.parent, []).append(pid)
    return found


def family(pid: int, below: Mapping[int, Sequence[int]]) -> list[int]:
    """A process, and all that it started, directly or not."""
    return [pid, *(descendant for child in below.get(pid, ()) for descendant in family(child, below))]
