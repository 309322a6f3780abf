"""`start`: an application, running inside a test, in any topology."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from craton.application import Application, package_of
from craton.calls.context import NOBODY, Caller, context
from craton.calls.link import Link
from craton.calls.links.wire import WireLink
from craton.data.migrations import migrate
from craton.errors import DeclarationError
from craton.module import Module
from craton.run.folder import free_port
from craton.run.foreign import HOST, program_of
from craton.run.grants import OPERATOR
from craton.run.jobs import serve_jobs
from craton.run.linking import KINDS, Way
from craton.run.operating import Operator
from craton.run.places import filled
from craton.run.process import Process
from craton.run.workers import modules_with_tasks
from craton.settings import settings_of
from craton.sources import Clock, Ids
from craton.testing.abroad import Abroad
from craton.testing.pools import Pooled
from craton.topology import Service, Topology, load_settings, load_topologies, topology_file

T = TypeVar("T")
SECRET = b"a secret that only tests know"
NO_FILE = Path("an application made by a test has no topology.toml")


class Running:
    """A running application. `processes` holds its services by name, `pools` its workers; each can be stopped and
    opened again."""

    secret = SECRET

    def __init__(
        self, application: Application, topology: Topology, *, link: str, databases: Mapping[str, str], **options: Any
    ) -> None:
        self.application, self.link = application, link
        self.topology = replace(topology, links={"* -> *": link}) if link in KINDS else topology
        self.databases, self.options = databases, options
        self.processes: dict[str, Process] = {}
        self.sockets, self.ports = Path(), {s.name: free_port() for s in topology.services if s.command}
        self.doors: dict[str, AbstractAsyncContextManager[object]] = {}
        self.pools: dict[str, Pooled] = {}
        self.job_ports = {s.name: free_port() for s in topology.services if any(p.command for p in topology.workers)}

    def get(self, contract: Callable[..., T]) -> T:
        """A module: the implementation itself in a monolith with plain calls, else what sends the calls there."""
        if self.link == "local" and len(self.topology.services) == 1:
            return self.processes[self.topology.services[0].name].get(contract)
        return self.processes["gateway"].get(contract)

    @property
    def door(self) -> Process:
        """Where calls from outside come in."""
        return self.processes["gateway"]

    @property
    def edge(self) -> Any:
        """The public HTTP face: an ASGI application, for `httpx.ASGITransport(running.edge)`."""
        from craton.edge.rest import edge
        from craton.edge.settings import EdgeSettings

        sites = {module.path: self.site(module) for module in self.application.modules if module.asgi}
        settings = settings_of(EdgeSettings, "edge", self.door.environ)
        return edge(self.door, self.door.tokens, settings=settings, sites=sites, admission=self.door.admission)

    def site(self, module: Module) -> Any:
        """The ASGI application of a module, wherever it is now."""
        from craton.edge.problems import Problem

        async def site(scope: Any, receive: Any, send: Any) -> None:
            process = self.processes.get(self.topology.home_of(module.name).name)
            if process is None:
                raise Problem("not-run")
            await process.sites[module.path](scope, receive, send)

        return site

    @property
    def operator(self) -> Operator:
        """What a person may ask of the running services: as `craton sagas` and `craton letters` do."""
        return Operator(self.door)

    async def catch_up(self) -> None:
        """Bring the projections of these services up to date. (Those in other processes are a moment later.)"""
        for streams in (streams for process in self.processes.values() for streams in process.streams.values()):
            for projected in streams.projections:
                await projected.catch_up()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """All services run, and what stands in front of them."""
        try:
            services, pools = self.topology.services, self.topology.workers
            for name in [*(s.name for s in services), "gateway", *(pool.name for pool in pools)]:
                await self.open(name)
            yield
        finally:
            for name in list(self.pools):
                await self.close(name)
            for name in reversed([*self.doors.keys() - self.processes.keys(), *self.processes]):
                await self.close(name)

    async def open(self, name: str) -> None:
        """Start one service, or one pool; those in another language as processes of their own."""
        for pool in self.topology.workers:
            if pool.name == name:
                self.pools[name] = await Pooled(self, pool).__aenter__()
                return
        service = self.topology.service(name)
        if service.command:
            self.doors[name] = await self.program(service).__aenter__()
            return
        process = Process(
            self.application, self.topology, name, database=self.databases.get(name), secret=SECRET,
            links=self.links, local=self.link == "local", **self.options,
        )
        self.processes[name] = await process.__aenter__()
        if self.link in KINDS and process.service.modules:
            self.doors[name] = KINDS[self.link].serve(process, self.address(name))
            await self.doors[name].__aenter__()
        if self.job_ports and process.controllers:
            self.doors[f"{name} jobs"] = serve_jobs(process, f"{HOST}:{self.job_ports[name]}")
            await self.doors[f"{name} jobs"].__aenter__()

    @property
    def controllers(self) -> dict[str, tuple[str, ...]]:
        """Where workers in other processes reach the controllers of each module."""
        homes = {module: self.topology.home_of(module).name for module in modules_with_tasks(self.application)}
        return {module: (f"http://{HOST}:{self.job_ports[home]}",) for module, home in homes.items()}

    async def close(self, name: str) -> None:
        """Stop one service, to which calls are not run until it is opened again; or one pool."""
        if name in self.pools:
            await self.pools.pop(name).__aexit__(None, None, None)
        if f"{name} jobs" in self.doors:
            await self.doors.pop(f"{name} jobs").__aexit__(None, None, None)
        if name in self.doors:
            await self.doors.pop(name).__aexit__(None, None, None)
        if name in self.processes:
            await self.processes.pop(name).__aexit__(None, None, None)

    def program(self, service: Service) -> Abroad:
        """A program in another language, as `craton run` would start it."""
        data, here = self.sockets / service.name, topology_file(package_of(self.application)).parent
        data.mkdir(exist_ok=True)
        return Abroad(program_of(
            service, 1, port=self.ports[service.name], data=data, here=here, topology=self.topology.name,
            secret=SECRET, environ={**os.environ, **self.options["environ"]},
        ))

    def address(self, service: str) -> str:
        """Where a service answers, where links go over sockets."""
        if service in self.ports:
            return f"{HOST}:{self.ports[service]}"
        return f"unix:{self.sockets}/{service}.sock"

    def links(self, service: str, kind: str) -> Link:
        """The link to a service: through the codec, or over a socket where each call is to go by one kind of link."""
        abroad = bool(self.topology.service(service).command)
        if self.link not in KINDS and not abroad:  # what the topology says is of processes
            return WireLink(lambda: self.handler(service), repeat=self.link == "wire")
        return KINDS[kind if abroad else self.link].connect(Way(
            application=self.application, addresses=(self.address(service),), secret=SECRET, service=OPERATOR,
            needs=frozenset(module.name for module in self.application.modules), foreign=abroad,
        ))

    def handler(self, service: str) -> Any:
        """What answers for a service now; None while it is stopped."""
        process = self.processes.get(service)
        return None if process is None else process.handler


@asynccontextmanager
async def start(
    application: Application, *, topology: str | Topology = "monolith",
    link: Literal["local", "wire", "rest", "grpc", "rpc"] = "local",
    database: str | None = None, data: Path | None = None, environ: Mapping[str, str] | None = None,
    clock: Clock | None = None, ids: Ids | None = None, broker: str | None = None,
) -> AsyncIterator[Running]:
    """Run an application in this process: `async with start(app, topology="microservices", link="wire") as running`.

    `topology` is a name from the application's topology.toml, or a Topology. With link="local", modules of one service
    call each other by plain method calls, and services call each other through the codec. With link="wire", every call
    goes through the codec, and every call that may be retried is made twice, to find what is not idempotent. With
    link="rest" or "grpc", every call goes over a socket by that kind of link, still within this process. With
    link="rpc", the services are real processes (see `Processes`), linked as their topology says, which must be one of
    the file. `database` is a PostgreSQL URL (each service gets a database of its own), else SQLite files in `data`, or
    in a temporary directory. `broker`: the URL of a RabbitMQ server, or of queues in SQS for jobs.

    The topology's workers run here, too; handlers that are a plain `def`, and pools of programs in other languages, in
    processes of their own.
    """
    if link == "rpc":
        from craton.testing.processes import start_processes

        name = topology if isinstance(topology, str) else topology.name
        async with start_processes(
            package_of(application), topology=name, database=database, data=data, broker=broker,
        ) as processes:
            yield processes
        return
    found = topology if isinstance(topology, Topology) else topology_named(application, topology)
    with ExitStack() as stack:
        folder = stack.enter_context(directory(data))
        databases = await migrated(application, found, database, folder)
        environ = settings_for(application, folder) | dict(environ or {})
        options = dict(environ=environ, clock=clock, ids=ids, broker=broker)
        running = Running(application, found, link=link, databases=databases, **options)
        running.sockets = stack.enter_context(directory(None))
        async with running.opened():
            yield running


async def migrated(
    application: Application, topology: Topology, database: str | None, folder: Path
) -> dict[str, str]:
    """The database of each service, with its tables."""
    ours = [service for service in topology.services if not service.command]
    databases = {s.name: database_of(s.name, len(topology.services), database, folder) for s in ours}
    for service in ours:
        if kept := application.kept(service.modules):
            await migrate(databases[service.name], kept)
    return databases


def settings_for(application: Application, folder: Path) -> dict[str, str]:
    """What the application's topology.toml tells all processes, and where its blobs are."""
    found, package = {"CRATON_BLOBS": f"file://{quote(str(folder.absolute()))}/blobs"}, package_of(application)
    if package:
        file = topology_file(package)
        places = dict(data=folder.absolute(), here=file.parent, url="http://localhost")
        found |= {name: filled(text, "settings", **places) for name, text in load_settings(file).items()}
    return found


def topology_named(application: Application, name: str) -> Topology:
    """A topology of the file beside the application's, or one that exists without being written."""
    package = package_of(application)
    topologies = load_topologies(application, topology_file(package) if package else NO_FILE)
    if name not in topologies:
        raise DeclarationError(f"{application.name} has no topology {name}: it has {', '.join(topologies)}.")
    return topologies[name]


def database_of(service: str, services: int, base: str | None, folder: Path) -> str:
    """The database of one service."""
    if base is None:
        return f"sqlite:///{folder / service}.db"
    return base if services == 1 else f"{base}_{service}"


@contextmanager
def directory(given: Path | None) -> Iterator[Path]:
    """A directory: the given one, or a temporary one."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="craton-") as made:
        yield Path(made)


def calling(
    *, caller: Caller = NOBODY, key: str | None = None, timeout: float = 30.0
) -> AbstractContextManager[object]:
    """Who calls, under which key, and for how many seconds at most: for the calls in the `with` block."""
    deadline = asyncio.get_running_loop().time() + timeout
    return context(caller=caller, given=key, deadline=deadline)


def user(name: str, *roles: str) -> Caller:
    """A caller for tests."""
    return Caller(f"user:{name}", frozenset({"user", *roles}))
