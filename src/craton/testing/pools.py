"""Pools of workers inside a test: the same workers, beside the services whose jobs they do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from craton.application import package_of
from craton.errors import NotRun
from craton.pools import Pool
from craton.run.child import Program
from craton.run.workers import WorkerEnvironment, program_of_pool
from craton.tasks.door import token_of
from craton.tasks.doorbell import doorbell_at
from craton.tasks.handlers import Handler, handlers_of
from craton.tasks.messages import Report, Requested, Take, Verdict
from craton.tasks.sources import Source
from craton.tasks.together import Together
from craton.tasks.worker import Worker
from craton.testing.abroad import Abroad
from craton.topology import topology_file

if TYPE_CHECKING:
    from craton.testing.start import Running


class Near:
    """The controllers of a service in this process; NotRun while it is stopped."""

    def __init__(self, running: Running, service: str) -> None:
        self.running, self.service = running, service

    async def take(self, asked: Take) -> list[Requested]:
        """See `Control.take`."""
        return await self.control().take(asked)

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """See `Control.report`."""
        return await self.control().report(reports)

    def control(self) -> Together:
        """That of the service as it runs now."""
        process = self.running.processes.get(self.service)
        if process is None:
            raise NotRun(f"{self.service} is stopped.")
        return Together(process.controllers)


class Pooled:
    """A pool that runs: entered when its workers take jobs. They do not wait for what runs when they stop."""

    def __init__(self, running: Running, pool: Pool) -> None:
        self.running, self.pool = running, pool
        self.workers: list[Worker] = []
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Pooled:
        handlers = {} if self.pool.command else handlers_of(self.running.application.modules, self.pool.queues)
        for replica in range(1, self.pool.replicas + 1):
            if self.pool.command:
                await self.stack.enter_async_context(Abroad(self.program(replica)))
            elif handlers:
                await self.stack.enter_async_context(self.working(handlers, replica))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.aclose()

    @asynccontextmanager
    async def working(self, handlers: Mapping[str, Handler], replica: int) -> AsyncIterator[None]:
        """One worker in Python."""
        async with AsyncExitStack() as stack:
            doorbell, broker = None, self.running.options["broker"]
            if broker is not None:
                doorbell = await stack.enter_async_context(
                    doorbell_at(broker, application=self.running.application.name)
                )
            worker = Worker(
                f"{self.pool.name}-{replica}", handlers, self.sources(handlers), queues=self.pool.queues,
                slots=self.pool.slots, environ=self.environ(), doorbell=doorbell, grace=0.0,
            )
            self.workers.append(worker)
            working = asyncio.create_task(worker.run(), name=worker.name)
            try:
                yield
            finally:
                self.workers.remove(worker)
                working.cancel()
                (ended,) = await asyncio.gather(working, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended

    def sources(self, handlers: Mapping[str, Handler]) -> list[Source]:
        """The services whose jobs a worker can do."""
        behind: dict[str, list[str]] = {}
        for module in dict.fromkeys(handler.module for handler in handlers.values()):
            behind.setdefault(self.running.topology.home_of(module).name, []).append(module)
        return [Source(Near(self.running, service), tuple(modules)) for service, modules in behind.items()]

    def environ(self) -> dict[str, str]:
        """What handlers find in their environment."""
        return {**os.environ, **self.running.options["environ"]}

    def program(self, replica: int) -> Program:
        """One process of a pool in another language, as `craton run` would start it."""
        running, pool, package = self.running, self.pool, package_of(self.running.application)
        data = running.sockets / pool.name
        data.mkdir(exist_ok=True)
        told = WorkerEnvironment(
            application=running.application.name, token=token_of(running.secret), queues=pool.queues, slots=pool.slots,
            controllers=running.controllers, worker=f"{pool.name}-{replica}", broker=running.options["broker"],
        )
        return program_of_pool(
            pool, replica, package=package, topology=running.topology, told=told, data=data,
            here=topology_file(package).parent, environ=self.environ(),
        )
