"""One idle service with one table, beside the same written by hand: how soon it answers, and what it takes of memory.

Each figure is that of a new process, from before it is started until it has answered a first request, over HTTP at a
Unix socket. Both databases have their tables. Memory is the resident set, a moment after that answer.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Benchmark, Measure, Side
from bench.ours import CRATON
from bench.peers.database import AIOSQLITE
from bench.processes import pin
from bench.single.application import single
from craton.data.migrations import migrate

REQUEST = b"GET /sales/none HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"
MOMENT = 0.2
PAUSE = 0.001
SECRET = "a secret that only the benchmark knows"

Look = Callable[[int, float], float]
"""What is read of a process that has just answered: by its id, and when it was started."""


def elapsed(pid: int, started: float) -> float:
    """Milliseconds since it was started."""
    return (time.perf_counter() - started) * 1e3


def resident(pid: int, started: float) -> float:
    """MiB of its memory that are in RAM."""
    time.sleep(MOMENT)  # what it does right after its first answer
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


def left(socket: str) -> Path:
    """A place for a socket, without what the last process has left there."""
    Path(socket).unlink(missing_ok=True)
    return Path(socket)


async def first_answer(socket: Path, process: asyncio.subprocess.Process) -> bytes:
    """The first line of what it answers, as soon as it does."""
    while process.returncode is None:
        try:
            reader, writer = await asyncio.open_unix_connection(str(socket))
        except OSError:
            await asyncio.sleep(PAUSE)
            continue
        writer.write(REQUEST)
        line = await reader.readline()
        writer.close()
        return line
    raise RuntimeError(f"a service ended with {process.returncode} before it answered")


async def measure(seconds: float, *, command: tuple[str, ...], environ: Mapping[str, str], look: Look) -> float:
    """Start a service, wait for its first answer, look at it, and end it."""
    socket = left(environ["SOCKET"])
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, env={**os.environ, **environ}, stderr=asyncio.subprocess.DEVNULL
    )
    pin(process.pid, 1)
    try:
        assert (await first_answer(socket, process)).split()[1] == b"404", "there is no such sale"
        return look(process.pid, started)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def ours(look: Look) -> AsyncIterator[Measure]:
    """`craton serve`."""
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        url = f"sqlite:///{folder}/single.db"
        await migrate(url, single.modules)
        environ = dict(
            CRATON_TOPOLOGY="monolith", CRATON_SERVICE="single", CRATON_SECRET=SECRET, CRATON_DATABASE=url,
            CRATON_HTTP=f"unix:{folder}/ours", SOCKET=f"{folder}/ours",
        )
        yield partial(measure, command=("craton", "serve", "bench.single"), environ=environ, look=look)


@asynccontextmanager
async def by_hand(look: Look) -> AsyncIterator[Measure]:
    """FastAPI and SQLAlchemy."""
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        environ = dict(DATABASE=f"sqlite+aiosqlite:///{folder}/peer.db", SOCKET=f"{folder}/peer")
        yield partial(measure, command=("bench.peers.service", f"{folder}/peer"), environ=environ, look=look)


def compared(name: str, unit: str, look: Look, *, goal: float) -> Benchmark:
    """One figure of the two."""
    fastapi = f"FastAPI {version('fastapi')} on uvicorn {version('uvicorn')} (uvloop, httptools)"
    return Benchmark(
        name, unit, "lower", Side(f"craton serve: {CRATON}, SQLite", partial(ours, look)),
        Side(f"{fastapi}, {AIOSQLITE}, ORM", partial(by_hand, look)), goal=goal,
    )


BENCHMARKS = [
    compared("one service, from its start to its first answer over HTTP", "ms", elapsed, goal=1 / 0.6),
    compared("one idle service, resident memory", "MiB", resident, goal=1 / 0.8),
]
