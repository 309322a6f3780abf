"""The meter finds what processes have used, and what their children have, whoever of them has ended meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from craton.lab.compare import meter, processes
from craton.lab.compare.meter import Meter, Used, memory_of
from craton.lab.compare.processes import families, family
from craton.lab.compare.stand import PartNow, Stand

WORKER = """
import mmap, os, subprocess, sys, time
def burn(seconds):
    while time.process_time() < seconds: pass
for line in sys.stdin:
    what, seconds = line.split()
    if what == "burn":
        burn(time.process_time() + float(seconds))
    if what == "child":
        subprocess.run([sys.executable, "-c", f"import time\\nwhile time.process_time() < {seconds}: pass"])
    if what == "hold":
        held = b"x" * int(float(seconds))
    if what == "share":
        held, (reading, writing) = mmap.mmap(-1, int(seconds)), os.pipe()
        held.write(b"x" * int(seconds))
        for _ in range(2):
            if os.fork() == 0:
                os.close(writing)
                sum(held[::mmap.PAGESIZE])
                os.read(reading, 1)  # until the first one has ended
                os._exit(0)
    print("done", flush=True)
"""


class Side:
    """A stand of one part, whose program does what it is told."""

    def __init__(self) -> None:
        self.pids = list[int]()

    def parts(self) -> Sequence[PartNow]:
        """Its programs, and what they started."""
        below = families()
        alive = [pid for pid in self.pids if os.path.exists(f"/proc/{pid}")]
        return [PartNow("work", "service", tuple(p for pid in alive for p in family(pid, below)))]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """One program, killed at the end."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, stdin=pipe, stdout=pipe)
        self.pids.append(process.pid)
        try:
            await tell(process, "burn 0")
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def tell(process: asyncio.subprocess.Process, what: str) -> None:
    """Have a program do something, and wait until it has."""
    assert process.stdin and process.stdout
    process.stdin.write(f"{what}\n".encode())
    assert await process.stdout.readline() == b"done\n"


def stand_of(side: Side) -> Stand:
    """It has of a stand what a meter asks for."""
    return side  # type: ignore[return-value]


async def test_what_was_used_before_does_not_count_and_what_was_used_does() -> None:
    side = Side()
    async with side.working() as process:
        await tell(process, "burn 0.5")
        async with Meter(stand_of(side)) as measured:
            await tell(process, "burn 0.4")
    (used,) = measured.used
    assert used == Used("work", "service", 1, used.seconds)
    assert used.seconds == pytest.approx(0.4, abs=0.05)


async def test_children_that_have_ended_count() -> None:
    side = Side()
    async with side.working() as process, Meter(stand_of(side)) as measured:
        await tell(process, "child 0.6")
    assert measured.used[0].seconds == pytest.approx(0.6, abs=0.15)  # and a little for starting it


async def test_a_killed_process_counts_and_so_does_the_one_that_took_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "INTERVAL", 0.05)
    side = Side()
    async with side.working() as first:
        async with Meter(stand_of(side)) as measured:
            await tell(first, "burn 0.4")
            await asyncio.sleep(0.5)
            first.kill()
            await first.wait()
            async with side.working() as second:
                await tell(second, "burn 0.3")
                measured.look()
    assert measured.used[0].seconds == pytest.approx(0.7, abs=0.15)


async def test_memory_is_what_processes_hold() -> None:
    side, much = Side(), 64 << 20
    async with side.working() as process:
        before = memory_of(stand_of(side))["work"]
        await tell(process, f"hold {much}")
        assert memory_of(stand_of(side))["work"] - before == pytest.approx(much, rel=0.05)


async def test_memory_that_is_shared_counts_once() -> None:
    side, much = Side(), 64 << 20
    async with side.working() as process:
        before = memory_of(stand_of(side))["work"]
        await tell(process, f"share {much}")
        assert len(side.parts()[0].pids) == 3
        assert much <= memory_of(stand_of(side))["work"] - before < 1.5 * much


def test_what_the_kernel_tells_of_a_process_is_what_other_systems_tell() -> None:
    before = time.process_time()
    found, other = processes.linux_life_of(os.getpid()), processes.other_life_of(os.getpid())
    assert found.parent == other.parent == os.getppid()
    assert found.seconds == pytest.approx(other.seconds, abs=0.1)
    assert found.seconds >= before
    assert processes.life_of(2**22 + 1) is None
