"""What was applied, counted by one process and read by another: a file of numbers that both map into their memory."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import Final

NUMBER = struct.Struct("=q")
KEPT: Final = 1 << 18
VARIABLE = "BENCH_TALLY"
APPLIED = "BENCH_APPLIED"
TAKES = 0.02
"""Seconds that a job takes of which each run is to be seen: so that some are killed in the middle."""


class Tally:
    """How many were applied, and how long each took in nanoseconds: the latest `KEPT`."""

    def __init__(self, path: str) -> None:
        with Path(path).open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)

    @staticmethod
    def make(path: Path) -> None:
        """A new one."""
        path.write_bytes(bytes(NUMBER.size * (KEPT + 1)))

    @property
    def count(self) -> int:
        """How many were applied."""
        return int(NUMBER.unpack_from(self.memory, 0)[0])

    def add(self, at: int) -> None:
        """One more, that was on its way since then. (The clock is the same for all processes of a machine.)"""
        count = self.count
        NUMBER.pack_into(self.memory, NUMBER.size * (1 + count % KEPT), time.monotonic_ns() - at)
        NUMBER.pack_into(self.memory, 0, count + 1)

    def since(self, count: int) -> list[int]:
        """How long each took after the first so many."""
        return [
            int(NUMBER.unpack_from(self.memory, NUMBER.size * (1 + n % KEPT))[0]) for n in range(count, self.count)
        ]


class Nobody:
    """What counts where nothing is to be counted."""

    def add(self, at: int) -> None:
        """Nothing."""


class Lines:
    """What notes each run as a line of a file, which a `kill -9` leaves whole."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, at: int) -> None:
        """One run of the job that was told at such a time."""
        time.sleep(TAKES)
        os.write(self.file, b"%d\n" % at)


def tally() -> Tally | Lines | Nobody:
    """What this process counts with."""
    if APPLIED in os.environ:
        return Lines(os.environ[APPLIED])
    return Tally(os.environ[VARIABLE]) if VARIABLE in os.environ else Nobody()


TALLY = tally()
