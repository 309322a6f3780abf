"""One service alone: what `craton serve` runs, and what a container will run."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from craton.application import Application, implementations, needs_of
from craton.calls.link import Link
from craton.calls.links.rpc import RpcLink, RpcServer
from craton.data.schema import pending
from craton.errors import SettingsError
from craton.messages.events import Events
from craton.messages.streams import Streams
from craton.run.environment import Environment
from craton.run.loading import load_application
from craton.run.post import EVENTS
from craton.run.process import Observer, Process
from craton.topology import Service, Topology

POLL = 1.0  # seconds between looks at the migrations
log = logging.getLogger("craton")


def run(
    package: str, environment: Environment, environ: Mapping[str, str] = os.environ,
    *, observer: Observer | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; raises CratonError where the service cannot run as it was told to."""
    log_to_stderr(environment.service, package)
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        runner.run(until_stopped(package, environment, environ, observer=observer))


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed; None stands for Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def log_to_stderr(service: str, package: str) -> None:
    """Plain lines under the service's name; of libraries, only what is a warning or worse."""
    form = f"{service} | %(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=form, datefmt="%H:%M:%S")
    for ours in ("craton", package.partition(".")[0]):
        logging.getLogger(ours).setLevel(logging.INFO)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it logs each attempt; Craton says once how it is


async def until_stopped(
    package: str, environment: Environment, environ: Mapping[str, str], *, observer: Observer | None,
) -> None:
    """Serve until a signal comes: the first one drains, the second one stops at once."""
    main = asyncio.current_task()
    assert main
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    try:
        await serve(package, environment, environ, observer=observer)
    except asyncio.CancelledError:
        log.info("stopped")


async def serve(
    package: str, environment: Environment, environ: Mapping[str, str], *, observer: Observer | None = None,
) -> None:
    """Open everything, in one order, and close it in reverse."""
    application, topology = load_application(package, environment.topology)
    service = topology.service(environment.service)
    links = Links(application, topology, environment)
    await migrated(application, service, environment.database)
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(Process(
            application, topology, service.name,
            database=environment.database, secret=environment.secret, links=links, environ=environ,
            broker=environment.broker,
            observer=observer,
        ))
        if environment.listen:
            server = RpcServer(process.handler, environment.listen, secret=environment.secret, service=service.name)
            await stack.enter_async_context(server)
        if environment.http:
            await stack.enter_async_context(edge_of(process, environment.secret, at=environment.http))
        gc.freeze()  # what is loaded by now stays, and need not be looked through again and again
        log.info("ready")
        await asyncio.Event().wait()


def edge_of(process: Process, secret: bytes, *, at: str) -> AbstractAsyncContextManager[int]:
    """The edge of a process, served at an address. Who has none does not load what it needs, either."""
    from craton.edge.authentication import Tokens
    from craton.edge.rest import edge
    from craton.edge.server import serve_http

    return serve_http(edge(process, Tokens(secret, process.application.name), sites=process.sites), at)


async def migrated(application: Application, service: Service, database: str | None) -> None:
    """Wait until somebody has applied the migrations: a service never does."""
    modules = application.kept(service.modules)
    if not modules:
        return
    if database is None:
        raise SettingsError(f"service {service.name} hosts modules and has no database: set CRATON_DATABASE.")
    told = False
    while missing := await pending(database, modules):
        if not told:
            log.warning("waiting for `craton migrate`: not applied yet: %s", "; ".join(missing))
        told = True
        await asyncio.sleep(POLL)


class Links:
    """The way to each other service. What may be asked of it is what the modules here declare that they need."""

    def __init__(self, application: Application, topology: Topology, environment: Environment) -> None:
        self.environment = environment
        contracts = {module.contract: module.name for module in application.modules}
        found = implementations(application, topology.service(environment.service).modules).values()
        needed = {contracts[need] for kind in found for need in needs_of(kind).values() if need in contracts}
        called = set(contracts.values() if environment.http else needed)  # the edge serves every module
        publishes = any(need in (Events, Streams) for kind in found for need in needs_of(kind).values())
        told = {name for names in application.destinations().values() for name in names} if publishes else set()
        self.needs = frozenset(called | {f"{module}.{EVENTS.name}" for module in told})
        homes = {topology.home_of(module).name for module in called | told} - {environment.service}
        if missing := sorted(homes - environment.peers.keys()):
            raise SettingsError(f"CRATON_PEERS does not say where to reach {', '.join(missing)}: add service=address.")

    def __call__(self, service: str) -> Link:
        """A link to a service."""
        told = self.environment
        return RpcLink(told.peers[service], secret=told.secret, service=told.service, needs=self.needs)
