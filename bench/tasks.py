"""Jobs that do nothing, from submitting to run by a worker in another process, beside the usual task queues."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import jobs, postgresql
from bench.data import POSTGRESQL, SQLITE
from bench.events import RABBITMQ, broker, no_broker
from bench.harness import Benchmark, Measure, Side
from bench.processes import measuring, telling
from bench.tally import VARIABLE, Tally
from craton.run.folder import free_port

Where = Callable[[str], AbstractAsyncContextManager[str]]
"""Opens a place for a folder; gives its URL."""


@asynccontextmanager
async def on_sqlite(folder: str) -> AsyncIterator[str]:
    """A file."""
    yield f"sqlite:///{folder}/jobs.db"


@asynccontextmanager
async def on_postgresql(folder: str) -> AsyncIterator[str]:
    """A server of its own."""
    async with postgresql.server("jobs") as url:
        yield f"{url}/jobs"


@asynccontextmanager
async def on_rabbitmq(folder: str) -> AsyncIterator[str]:
    """A server of its own."""
    async with broker() as url:
        yield url


@asynccontextmanager
async def counted() -> AsyncIterator[tuple[str, dict[str, str]]]:
    """A folder, and the environment that names the tally in it."""
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        Tally.make(Path(folder) / "tally")
        yield folder, {VARIABLE: f"{folder}/tally"}


@asynccontextmanager
async def ours(how: str, where: Where, *, by_broker: bool = False) -> AsyncIterator[Measure]:
    """A service with the jobs, and one worker."""
    async with AsyncExitStack() as stack:
        folder, environ = await stack.enter_async_context(counted())
        database = await stack.enter_async_context(where(folder))
        amqp = await stack.enter_async_context(broker() if by_broker else no_broker())
        address = f"127.0.0.1:{free_port()}"
        command = ("bench.submitting", "ours", how, address, database, amqp)
        measure = await stack.enter_async_context(measuring(*command, **environ))
        await stack.enter_async_context(telling("bench.jobs", address, amqp, **environ))
        yield measure


@asynccontextmanager
async def peer(name: str, how: str, where: Where, *, embedded: bool = False) -> AsyncIterator[Measure]:
    """A process that submits, and one worker, but where both are one."""
    async with AsyncExitStack() as stack:
        folder, environ = await stack.enter_async_context(counted())
        url = await stack.enter_async_context(where(folder))
        if not embedded:
            await stack.enter_async_context(telling(f"bench.peers.{name}", url, **environ))
        yield await stack.enter_async_context(measuring("bench.submitting", name, how, url, **environ))


def benchmark(
    name: str, place: str, where: Where, *, ours_on: Where, goal: float, by_broker: bool = False, idle: bool = False,
) -> Benchmark:
    """Jobs a second, or from submitting to the handler's first line where there is nothing else to do."""
    how, settings = "idle" if idle else "many", import_module(f"bench.peers.{name}").SETTINGS
    kept = POSTGRESQL if ours_on is on_postgresql else SQLITE
    return Benchmark(
        name=f"{'job, submit to start, idle' if idle else 'no-op jobs'}, {place}, beside {name}",
        unit="µs" if idle else "jobs/s", better="lower" if idle else "higher", goal=goal,
        ours=Side(
            f"{jobs.SETTINGS}, {kept}{', ' + RABBITMQ if by_broker else ''}",
            partial(ours, how, ours_on, by_broker=by_broker),
        ),
        peer=Side(f"{settings}, {place}", partial(peer, name, how, where, embedded=name == "dbos")),
    )


BROKERED = {"celery": 2.0, "dramatiq": 1.5, "taskiq": 1.3}
BENCHMARKS = [
    benchmark(name, RABBITMQ, on_rabbitmq, ours_on=on_sqlite, goal=goal, by_broker=True)
    for name, goal in BROKERED.items()
]
BENCHMARKS += [
    benchmark("dbos", SQLITE, on_sqlite, ours_on=on_sqlite, goal=15),
    benchmark("procrastinate", POSTGRESQL, on_postgresql, ours_on=on_postgresql, goal=3),
    benchmark("dbos", POSTGRESQL, on_postgresql, ours_on=on_postgresql, goal=3),
]
BENCHMARKS += [
    benchmark(name, RABBITMQ, on_rabbitmq, ours_on=on_sqlite, goal=1, by_broker=True, idle=True) for name in BROKERED
]
BENCHMARKS += [
    benchmark("dbos", SQLITE, on_sqlite, ours_on=on_sqlite, goal=1, idle=True),
    benchmark("procrastinate", POSTGRESQL, on_postgresql, ours_on=on_postgresql, goal=1, idle=True),
    benchmark("dbos", POSTGRESQL, on_postgresql, ours_on=on_postgresql, goal=1, idle=True),
]
