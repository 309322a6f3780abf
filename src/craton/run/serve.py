"""One service alone: what `craton serve` runs, and what a container will run."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

from craton.application import Application
from craton.data.schema import pending
from craton.errors import SettingsError
from craton.run.environment import Environment
from craton.run.linking import KINDS, Links
from craton.run.loading import load_application
from craton.run.process import Observer, Process
from craton.run.starting import event_loop, log_to_stderr
from craton.topology import Service

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
    if service.command:
        raise SettingsError(f"service {service.name} is a program in another language: run its command yourself.")
    links = Links(application, topology, environment)
    await migrated(application, service, environment.database)
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(Process(
            application, topology, service.name,
            database=environment.database, secret=environment.secret, links=links, environ=environ,
            broker=environment.broker, tls=links.tls,
            observer=observer,
        ))
        process.sites |= await stack.enter_async_context(links.sites())
        for kind, address in environment.doors().items():
            await stack.enter_async_context(KINDS[kind].serve(process, address))
        if environment.jobs:
            from craton.run.jobs import serve_jobs

            await stack.enter_async_context(serve_jobs(process, environment.jobs))
        gc.freeze()  # what is loaded by now stays, and need not be looked through again and again
        gc.enable()
        give_back()
        log.info("ready")
        await asyncio.Event().wait()


def give_back() -> None:
    """Give the memory that only the start needed back to the system, where the allocator can be told to (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


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
            gc.enable()  # this may take long
            log.warning("waiting for `craton migrate`: not applied yet: %s", "; ".join(missing))
        told = True
        await asyncio.sleep(POLL)

