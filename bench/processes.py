"""The processes of a benchmark besides its own: servers on the second core where there are two, and measuring peers."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.harness import Measure

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVERS = set[int]()  # those that run now
PLACE = "client and server each on a core of its own" if len(CORES) > 1 else "client and server share one core"


def spent() -> float:
    """The processor time of this process and of all servers, with all their threads, in seconds since they began."""
    return time.process_time() + sum(time.clock_gettime(~pid << 3 | 2) for pid in SERVERS)  # clock_getcpuclockid(3)


def pin(pid: int, core: int) -> None:
    """Keep a process (0: this one) on one core, so that the scheduler moves neither side."""
    if len(CORES) > 1:
        os.sched_setaffinity(pid, {CORES[core]})


@asynccontextmanager
async def server(address: str, *command: str) -> AsyncIterator[None]:
    """Run `python -m command` until it answers at its Unix socket or its "host:port", and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, stdout=asyncio.subprocess.DEVNULL
    )
    pin(process.pid, 1)
    pin(0, 0)
    try:
        await opened(address, process)
        SERVERS.add(process.pid)
        yield
    finally:
        SERVERS.discard(process.pid)
        if len(CORES) > 1:
            os.sched_setaffinity(0, CORES)
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def opened(address: str, process: asyncio.subprocess.Process) -> None:
    """Wait until a server answers."""
    for _ in range(1200):
        if process.returncode is not None:
            raise RuntimeError(f"a server of the benchmark ended with {process.returncode} before it answered")
        try:
            _, writer = await connected(address)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise TimeoutError(f"nothing answers at {address}")


async def connected(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a Unix socket, or to "host:port"."""
    host, _, port = address.rpartition(":")
    return await (asyncio.open_connection(host, int(port)) if host else asyncio.open_unix_connection(address))


@asynccontextmanager
async def telling(*command: str, **environ: str) -> AsyncIterator[None]:
    """Run `python -m command` on the second core until it has said something, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, stdout=asyncio.subprocess.PIPE, env=os.environ | environ
    )
    pin(process.pid, 1)
    try:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise RuntimeError(f"{command[0]} ended with {await process.wait()}")
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def measuring(*command: str, **environ: str) -> AsyncIterator[Measure]:
    """Run `python -m command`, which answers each number of seconds on its standard input with a figure."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, stdin=pipe, stdout=pipe, env=os.environ | environ
    )
    asking, answering = process.stdin, process.stdout
    assert asking is not None and answering is not None

    async def measure(seconds: float) -> float:
        asking.write(f"{seconds}\n".encode())
        line = await answering.readline()
        if not line:
            raise RuntimeError(f"{command[0]} ended with {await process.wait()}")
        return float(line)

    try:
        yield measure
    finally:
        asking.close()
        await process.wait()
