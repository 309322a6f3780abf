"""Our side of the benchmarks of tasks: `python -m bench.jobs ...` is a worker; `submitting`, the service."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.mill.application import mill
from bench.mill.contract import Mill
from bench.ours import CRATON, calls_of_a_user
from bench.services import links
from bench.submitting import Submitter, by_tasks
from craton.data.migrations import migrate
from craton.run.jobs import serve_jobs
from craton.run.process import Process
from craton.run.worker import open_worker
from craton.run.workers import WorkerEnvironment
from craton.tasks.door import token_of
from craton.tasks.handlers import handlers_of
from craton.testing.start import SECRET, topology_named

SLOTS, CALLERS = 400, 64
SETTINGS = f"{CRATON}, a worker of {SLOTS} slots, {CALLERS} callers that submit"


@asynccontextmanager
async def submitting(address: str, database: str, broker: str = "", what: str = "") -> AsyncIterator[Submitter]:
    """The service, which answers workers at "host:port", and its callers."""
    await migrate(database, mill.modules)
    topology = topology_named(mill, "monolith")
    async with (
        Process(
            mill, topology, "mill", database=database, secret=SECRET, links=links("mill", str(Path.cwd())), environ={},
            broker=broker or None,
        ) as process,
        serve_jobs(process, address),
    ):
        gc.freeze()  # as `craton serve` does
        jobs = process.get(Mill)
        with calls_of_a_user():
            yield by_tasks(jobs.submit_to_weigh if what else jobs.submit, CALLERS)


async def work(address: str, broker: str = "") -> None:
    """A worker, as `craton worker` would run it, until ended."""
    environment = WorkerEnvironment(
        application=mill.name, controllers={"mill": (f"http://{address}",)}, token=token_of(SECRET), queues=("mill",),
        slots=SLOTS, worker=f"bench-{os.getpid()}", broker=broker or None,
    )
    async with AsyncExitStack() as stack:
        handlers = handlers_of(mill.modules, environment.queues)
        worker = await open_worker(environment, handlers, os.environ, stack)
        print("ready", flush=True)
        await worker.run()


if __name__ == "__main__":
    import uvloop

    uvloop.run(work(*sys.argv[1:]))
