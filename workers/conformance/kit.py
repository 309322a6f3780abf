"""What a check holds in its hands: a controller, perhaps a broker, and the worker that is tried."""

from __future__ import annotations

import asyncio
import tempfile
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

from workers.conformance.broker import Broker
from workers.conformance.controller import PATIENCE, TOKEN, Controller, Job
from workers.conformance.events import MODULE, QUEUE
from workers.conformance.program import Program, alive

SLOTS = 2
GRACE = 1  # seconds that a worker waits for running jobs, when it is asked to stop


class Kit:
    """Use it as `async with`. `command` starts the worker; `broker` is the URL of a RabbitMQ server, "" for none.

    One process of the worker serves all checks, unless `lonely`: then each check starts its own.
    """

    def __init__(self, command: Sequence[str], broker: str = "", *, lonely: bool = False) -> None:
        self.command, self.lonely, self.written = command, lonely, ""
        self.worker: Program | None = None
        self.application = f"kit{uuid.uuid4().hex[:8]}"
        self.broker = Broker(broker, self.application) if broker else None
        self.controller = Controller()
        self.names = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="craton-kit-")))
            await stack.enter_async_context(self.controller)
            if self.broker:
                await stack.enter_async_context(self.broker)
            if not self.lonely:
                self.worker = await stack.enter_async_context(Program(self.command, self.environment()))
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.aclose()

    def environment(self) -> dict[str, str]:
        """What a worker is told."""
        told = {
            "CRATON_CONTROLLERS": f"{MODULE}={self.controller.url}", "CRATON_WORKER_TOKEN": TOKEN,
            "CRATON_QUEUES": QUEUE, "CRATON_SLOTS": str(SLOTS), "CRATON_WORKER": "kit-1",
            "CRATON_WORKER_GRACE": str(GRACE), "CRATON_APPLICATION": self.application,
            "CRATON_BLOBS": f"file://{self.folder / 'blobs'}",
        }
        return told | ({"CRATON_BROKER": self.broker.url} if self.broker else {})

    async def offer(self, task: str, data: Mapping[str, object] | None = None, **more: object) -> Job:
        """A job for the worker, rung at the broker if there is one."""
        job = await self.controller.add(task, data or {}, **more)
        if self.broker:
            await self.broker.ring(job.event)
        return job

    async def offer_again(self, job: Job, **more: object) -> None:
        """The next attempt of a job."""
        await self.controller.again(job, **more)
        if self.broker:
            await self.broker.ring(job.event)

    async def running(self, data: Mapping[str, object] | None = None, **more: object) -> tuple[Job, Path]:
        """A job that has begun, and goes on until the file at this path exists."""
        gate = self.path("gate")
        job = await self.offer("wait", {"gate": str(gate), **(data or {})}, **more)
        await job.until(lambda job: job.reports)
        return job, gate

    async def parent(self, **more: object) -> tuple[Job, int]:
        """A job that has begun, and waits for a child process; the child's id."""
        file = self.path("pid")
        job = await self.offer("child", {"file": str(file)}, **more)
        await there(file)
        return job, int(file.read_text())

    async def works(self, **more: object) -> None:
        """Whether the worker does another job as if nothing had happened."""
        job = await self.offer("echo", {"text": "and on"}, **more)
        assert (await job.ended("succeeded"))["result"]["text"] == "and on"

    def path(self, kind: str) -> Path:
        """Where a file of one job may be."""
        self.names += 1
        return self.folder / f"{kind}{self.names}"

    @asynccontextmanager
    async def start(self, **changed: str) -> AsyncIterator[Program]:
        """A process of the worker for one check; some of its environment may be changed."""
        told = self.environment() | changed
        async with Program(self.command, {name: value for name, value in told.items() if value}) as program:
            try:
                yield program
            finally:
                self.written += program.output

    def output(self) -> str:
        """The last of what the worker has written."""
        return (self.worker.output if self.worker else self.written)[-4000:]

    async def trouble(self, check: Callable[[Kit], Awaitable[None]]) -> str:
        """What is wrong with the worker, as a check finds it; "" when nothing is."""
        self.controller.forget()
        try:
            assert self.worker is None or self.worker.running, "the worker has ended"
            await check(self)
            self.check_up()
        except Exception:
            return traceback.format_exc()
        return ""

    def check_up(self) -> None:
        """Fail where the worker did anything against the protocol, or is no longer there."""
        assert self.worker is None or self.worker.running, "the worker has ended"
        troubles, self.controller.troubles = self.controller.troubles, []
        assert not troubles, "\n".join(troubles)


async def there(file: Path) -> None:
    """Wait for a file with something in it."""
    async with asyncio.timeout(PATIENCE):
        while not filled(file):  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)


def filled(file: Path) -> bool:
    """Whether a file is there, with something in it."""
    return file.exists() and file.stat().st_size > 0


async def gone(what: int | Path) -> None:
    """Wait until a process has ended, or a file is no longer there."""
    async with asyncio.timeout(PATIENCE):
        while alive(what) if isinstance(what, int) else filled(what):  # noqa: ASYNC110  # others see to it
            await asyncio.sleep(0.01)
