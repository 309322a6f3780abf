"""The supervisor behind `craton run`: an application in any topology, on one machine, with one command."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from craton.application import Application, find_application, implementations
from craton.errors import SettingsError
from craton.pools import check_pools
from craton.run.child import SUPERVISOR, Child, GivenUp, Program, Say, ending, next_line, start
from craton.run.databases import engine_of, migrate_all
from craton.run.environment import broker_of
from craton.run.folder import Folder, Installation, free_port, is_free
from craton.run.loading import load_application
from craton.run.plan import Plan
from craton.run.printer import Printer
from craton.tasks.handlers import handlers_of
from craton.topology import Topology, load_companions, load_settings, load_setup, topology_file

PATIENCE = 15.0  # seconds that a process is given to finish its calls
REMINDER = 10.0  # seconds between lines that say what is still waited for


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `craton run` was told. `database` is a PostgreSQL URL; without one, each service has a file in `data`.
    `broker` is the URL of a RabbitMQ server; without one, events go straight from service to service. `record`
    is a file, to which is added what modules asked each other. `gateway` is "craton" or "envoy". `grpc` is a port for
    clients outside that speak gRPC; 0 chooses one. `tls` is a folder that `craton certs` made."""

    package: str
    topology: str = "monolith"
    port: int = 8000
    data: Path | None = None
    database: str | None = None
    broker: str | None = None
    record: Path | None = None
    gateway: str = "craton"
    grpc: int | None = None
    tls: Path | None = None


def run(options: Options) -> None:
    """Run an application until Ctrl-C or SIGTERM; raises CratonError or GivenUp where it cannot run."""
    find_application(options.package)  # where it is not there, no folder is made for it
    with Folder.of(options.package, options.data) as folder:
        with tempfile.TemporaryDirectory(prefix="craton-") as sockets:
            plan = plan_of(options, folder, sockets=Path(sockets))
            asyncio.run(supervise(plan, printer_for(plan)))


def plan_of(options: Options, folder: Folder, *, sockets: Path) -> Plan:
    """What to start; everything that can be refused is refused here."""
    application, topology = load_application(options.package, options.topology)
    implementations(application, [module.name for module in application.modules])
    check_workers(application, topology)
    engine, file = engine_of(options.database), topology_file(options.package)
    plan = Plan(
        package=options.package, application=application, topology=topology, companions=load_companions(file),
        setup=load_setup(file), given=load_settings(file), folder=folder, sockets=sockets, database=options.database,
        port=options.port or free_port(), broker=options.broker and broker_of(options.broker), record=options.record,
        gateway=options.gateway, grpc=free_port() if options.grpc == 0 else options.grpc,
        tls=options.tls and options.tls.resolve(),
    )
    assert plan.environ  # refuses certificates that are missing
    plan.databases()  # refuses SQLite for replicas
    if plan.grpc and plan.gateway != "craton":
        raise SettingsError("--grpc is of Craton's own gateway: leave one of --grpc and --gateway out.")
    folder.belongs_to(Installation.of(application.name, topology, engine))
    for port, option in ((plan.port, "--port"), (plan.grpc or 0, "--grpc")):
        if not is_free(port):
            raise SettingsError(f"port {port} is in use: stop what uses it, or give another one by {option}.")
    return plan


def check_workers(application: Application, topology: Topology) -> None:
    """Refuse workers that could not do what they are to do, before anything is started."""
    services = [service.name for service in topology.services]
    check_pools(topology.workers, application.modules, f"topology {topology.name}", services=services)
    handlers_of(application.modules, [queue for pool in topology.workers if not pool.command for queue in pool.queues])


def printer_for(plan: Plan) -> Printer:
    """A printer with room for the longest name."""
    names = [SUPERVISOR, *(program.name for stage in plan.stages() for program in stage)]
    return Printer(width=max(len(name) for name in names))


async def supervise(plan: Plan, say: Say) -> None:
    """Start everything, in order; keep it running; stop it in reverse."""
    main = asyncio.current_task()
    assert main
    for number in (signal.SIGINT, signal.SIGTERM):  # once to stop in order, twice to stop at once
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    try:
        await migrate_all(plan.application, plan.topology, plan.databases())
        async with AsyncExitStack() as stack:
            stack.enter_context(plan.folder.tell(plan.whereabouts()))
            for stage in plan.stages():
                await stack.enter_async_context(running(stage, say))
            await set_up(plan, say)
            announce(plan, say)
            stack.callback(say, SUPERVISOR, "stopping")
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        say(SUPERVISOR, "stopped")
    except BaseExceptionGroup as errors:
        raise first_of(errors) from None


@asynccontextmanager
async def running(programs: Sequence[Program], say: Say) -> AsyncIterator[Sequence[Child]]:
    """Some programs, kept running; begins when all are ready."""
    children = [Child(program, say, patience=PATIENCE) for program in programs]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(child.run(), name=child.name) for child in children]
        try:
            await all_ready(children, say)
            yield children
        finally:
            for task in tasks:
                task.cancel()


async def all_ready(children: Sequence[Child], say: Say) -> None:
    """Wait until all have answered, and say now and then for whom."""
    while waiting := [child for child in children if not child.ready.is_set()]:
        try:
            async with asyncio.timeout(REMINDER):
                await waiting[0].ready.wait()
        except TimeoutError:
            say(SUPERVISOR, f"still waiting for {', '.join(child.name for child in waiting)}")


async def set_up(plan: Plan, say: Say) -> None:
    """Run what the application wants to run when it is ready; that it fails is said, and stops nothing."""
    program = plan.setup_program()
    if program is None:
        return
    process = await start(program)
    assert process.stdout
    try:
        while line := await next_line(process.stdout):
            say(program.name, line.decode(errors="replace").rstrip())
        if code := await process.wait():
            say(SUPERVISOR, f"setup {ending(code)}: {' '.join(program.command)}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def announce(plan: Plan, say: Say) -> None:
    """Say where to look."""
    engine = "PostgreSQL" if plan.database else "SQLite"
    say(SUPERVISOR, f"{plan.application.name} is ready at {plan.url} ({plan.topology.name}, {engine})")
    say(SUPERVISOR, f"the API: {plan.url}/openapi.json   the data: {plan.folder.path}   Ctrl-C stops it")
    for pool in plan.topology.workers:
        processes = f"{pool.replicas} processes" if pool.replicas > 1 else "1 process"
        slots = f"{pool.slots} slots each" if pool.replicas > 1 else f"{pool.slots} slots"
        why = " (the topology has no workers of its own)" if plan.topology.unwritten else ""
        say(SUPERVISOR, f"workers {pool.name}: {processes}, {slots}, for {', '.join(pool.queues)}{why}")
    if plan.grpc:
        say(SUPERVISOR, f"by gRPC: 127.0.0.1:{plan.grpc}")
    if plan.gateway == "envoy":
        say(SUPERVISOR, f"the gateway's metrics: http://127.0.0.1:{plan.envoy.settings.admin}/stats/prometheus")
    for line in plan.setup.hint.strip().splitlines():
        say("", line.replace("{url}", plan.url))  # bare, to be copied


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to report: why a child was given up, where one was; else the first."""
    given_up, _ = errors.split(GivenUp)
    found: BaseException = given_up or errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
