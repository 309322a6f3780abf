"""An application in real processes, as `craton run` starts them, for a test to use and to kill."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from craton.calls.link import Link
from craton.run.child import Child, Say
from craton.run.databases import migrate_all
from craton.run.folder import Folder
from craton.run.grants import OPERATOR
from craton.run.linking import KINDS, Way
from craton.run.plan import Plan
from craton.run.process import Process
from craton.run.supervisor import Options, first_of, plan_of, running, set_up
from craton.testing.start import Running
from craton.topology import GATEWAY


class Processes(Running):
    """A running application. `url` is its edge; `children` are its processes by name; those that die start again."""

    def __init__(self, plan: Plan, children: Mapping[str, Child]) -> None:
        super().__init__(plan.application, plan.topology, link="rpc", databases={})
        self.plan, self.children, self.url = plan, children, plan.url
        self.topology = plan.topology  # its links are as it says

    def kill(self, name: str, *, with_signal: signal.Signals = signal.SIGKILL) -> bool:
        """Signal a process. False where it is not running just now."""
        pid = self.children[name].pid
        if pid is not None:
            os.kill(pid, with_signal)
        return pid is not None


@asynccontextmanager
async def start_processes(
    package: str, *, topology: str, database: str | None = None, data: Path | None = None, broker: str | None = None,
    say: Say | None = None, grpc: int | None = None, gateway: str = "craton", tls: Path | None = None,
) -> AsyncIterator[Processes]:
    """Run the application of a package ("apps.store"), its companions and its set-up included. `say` is given every
    line of every process, with the process's name; `grpc` is a port for clients by gRPC, `gateway` is "craton" or
    "envoy", `tls` a folder that `craton certs` made. For the rest see `start`.
    """
    say = say or drop_line
    options = Options(
        package=package, topology=topology, port=0, data=data, database=database, broker=broker, grpc=grpc,
        gateway=gateway, tls=tls,
    )
    try:
        async with AsyncExitStack() as stack:
            sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="craton-")))
            folder = stack.enter_context(Folder(data or sockets / "data"))
            yield await begin(plan_of(options, folder, sockets=sockets), stack, say)
    except BaseExceptionGroup as errors:  # of the tasks that keep the processes running: the test's own error is in it
        raise first_of(errors) from None


async def begin(plan: Plan, stack: AsyncExitStack, say: Say) -> Processes:
    """Start everything, in order."""
    await migrate_all(plan.application, plan.topology, plan.databases())
    children: dict[str, Child] = {}
    for stage in plan.stages():
        children |= {child.name: child for child in await stack.enter_async_context(running(stage, say))}
    stack.enter_context(plan.folder.tell(plan.whereabouts()))
    await set_up(plan, say)
    processes = Processes(plan, children)
    processes.processes["gateway"] = await stack.enter_async_context(door_of(plan))
    return processes


def door_of(plan: Plan) -> Process:
    """What the test itself calls through: a process that hosts no modules."""
    return Process(
        plan.application, plan.topology, GATEWAY.name,
        database=None, secret=plan.folder.secret(), links=links_of(plan), environ={},
    )


def links_of(plan: Plan) -> Callable[[str, str], Link]:
    """The way from the test to each service."""
    every = frozenset(module.name for module in plan.application.modules)

    def link(service: str, kind: str) -> Link:
        return KINDS[kind].connect(Way(
            application=plan.application, addresses=plan.peers(GATEWAY, kind)[service], secret=plan.folder.secret(),
            service=OPERATOR, needs=every, foreign=bool(plan.topology.service(service).command),
        ))

    return link


def drop_line(name: str, line: str) -> None:
    """Where the processes' lines go when nobody wants them."""

