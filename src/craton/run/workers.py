"""Pools of workers as processes: what each is told by its environment, and what is started for it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craton.application import Application
from craton.calls.links.rpc.address import Address
from craton.errors import SettingsError
from craton.pools import Pool
from craton.run.child import NOWHERE, Program
from craton.run.environment import broker_of, origin_of
from craton.run.places import filled
from craton.tasks.worker import GRACE
from craton.topology import Topology

Controllers = Mapping[str, tuple[str, ...]]
"""Where the controllers of each module answer."""
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerEnvironment:
    """The settings of one process of a pool. It asks the `controllers`, or listens to what the `broker` rings.

    `token` is what controllers know workers by. `ready`: a Unix socket at which it answers once it takes jobs, for
    who has started it. `grace`: seconds that jobs have to end when it is to stop.
    """

    application: str
    controllers: Controllers
    token: str = field(repr=False)
    queues: tuple[str, ...]
    slots: int
    worker: str
    broker: str | None = field(default=None, repr=False)  # it may hold a password
    ready: str | None = None
    worker_grace: float = GRACE

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> WorkerEnvironment:
        """The settings in these variables. SettingsError names every one that is missing or wrong."""
        found: dict[str, Any] = {}
        wrong = []
        for name, (variable, read) in READERS.items():
            if text := environ.get(variable):
                try:
                    found[name] = read(text)
                except SettingsError as error:
                    wrong.append(f"{variable}: {error}")
            elif name in REQUIRED:
                wrong.append(f"{variable} is missing: set it to {REQUIRED[name]}.")
        if wrong:
            raise SettingsError(" ".join(wrong))
        return cls(**found)

    def variables(self) -> dict[str, str]:
        """The variables that tell a process this."""
        given = {
            "application": self.application, "controllers": written(self.controllers), "token": self.token,
            "queues": ",".join(self.queues), "slots": str(self.slots), "worker": self.worker, "broker": self.broker,
            "ready": self.ready, "worker_grace": f"{self.worker_grace:g}",
        }
        return {READERS[name][0]: text for name, text in given.items() if text}


def written(controllers: Controllers) -> str:
    """Controllers as `controllers_of` reads them."""
    return ",".join(f"{module}={'|'.join(addresses)}" for module, addresses in controllers.items())


def controllers_of(text: str) -> dict[str, tuple[str, ...]]:
    """`transcoding=http://127.0.0.1:7001|http://127.0.0.1:7002,library=http://...`."""
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    for module, equals, addresses in pairs:
        if not (module and equals and addresses):
            raise SettingsError(f"{module!r} is no controller: write module=http://host:port, with commas between.")
    return {module: tuple(map(url_of, addresses.split("|"))) for module, _, addresses in pairs}


def url_of(text: str) -> str:
    """Where a controller answers."""
    if not text.startswith(("http://", "https://")):
        raise SettingsError(f"{text!r} is no address of a controller: write http://host:port.")
    return origin_of(text)


def names_of(text: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def slots_of(text: str) -> int:
    """A number of slots."""
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise SettingsError(f"{text!r} is no number of slots: write one of at least 1.")
    return int(text)


def grace_of(text: str) -> float:
    """Seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 86400:
        raise SettingsError(f"{text!r} is no time: write seconds, such as 10.")
    return seconds


def worker_of(text: str) -> str:
    """The name of a worker."""
    if not NAME.fullmatch(text):
        raise SettingsError(f"{text!r} names no worker: write letters, digits and _.:-, 80 at most.")
    return text


READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "application": ("CRATON_APPLICATION", str), "controllers": ("CRATON_CONTROLLERS", controllers_of),
    "token": ("CRATON_WORKER_TOKEN", str), "queues": ("CRATON_QUEUES", names_of), "slots": ("CRATON_SLOTS", slots_of),
    "worker": ("CRATON_WORKER", worker_of), "broker": ("CRATON_BROKER", broker_of),
    "ready": ("CRATON_WORKER_READY", str), "worker_grace": ("CRATON_WORKER_GRACE", grace_of),
}
REQUIRED = {
    "application": "the name of the application",
    "controllers": "where the controllers answer: module=http://host:port, with commas between",
    "token": "what belongs to the services' secret: `craton worker` makes it of CRATON_SECRET, where it has that",
    "queues": "the queues to serve, with commas between",
    "slots": "how many jobs to run at a time",
    "worker": "a name for this worker",
}


def modules_with_tasks(application: Application) -> tuple[str, ...]:
    """The modules that have controllers."""
    return tuple(module.name for module in application.modules if module.tasks)


def program_of_pool(
    pool: Pool, replica: int,
    *, package: str, topology: Topology, told: WorkerEnvironment, data: Path, here: Path, environ: Mapping[str, str],
) -> Program:
    """One process of a pool: a worker in Python, or what its command says."""
    name = f"{pool.name}.{replica}" if pool.replicas > 1 else pool.name
    given = {**environ, **told.variables()}
    if pool.command:
        places = dict(data=shlex.quote(str(data)), here=shlex.quote(str(here)))
        return Program(name, shlex.split(filled(pool.command, pool.name, **places)), given)
    command = [sys.executable, "-m", "craton", "worker", package, "--pool", pool.name, "--topology", topology.name]
    return Program(name, command, given, Address(path=told.ready) if told.ready else NOWHERE)
