"""What `craton run` starts for a topology: companions first, then services, then the gateway in front of them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from craton.application import Application
from craton.calls.links.rpc.address import Address
from craton.errors import DeclarationError
from craton.run.child import Program
from craton.run.databases import databases_of
from craton.run.environment import READERS, Environment
from craton.run.folder import Folder
from craton.topology import GATEWAY, Companion, Service, Setup, Topology

HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is decided before the first process starts. `package` is where the application stands."""

    package: str
    application: Application
    topology: Topology
    companions: tuple[Companion, ...]
    setup: Setup
    folder: Folder
    sockets: Path
    database: str | None
    port: int

    @property
    def url(self) -> str:
        """Where people find the API."""
        return f"http://{HOST}:{self.port}"

    def databases(self) -> dict[str, str]:
        """The database of each service."""
        return databases_of(self.topology, base=self.database, folder=self.folder.path)

    def stages(self) -> Sequence[Sequence[Program]]:
        """What to start; all of one stage must be ready before the next."""
        ports = {companion.name: self.folder.port_of(companion.name) for companion in self.companions}
        told = self.settings(ports)
        companions = [self.companion(companion, ports[companion.name]) for companion in self.companions]
        if self.is_one_process():
            return companions, [self.program(self.topology.services[0], 1, told)]
        services = [self.program(s, n, told) for s in self.topology.services for n in range(1, s.replicas + 1)]
        return companions, services, [self.program(GATEWAY, 1, told)]

    def is_one_process(self) -> bool:
        """Whether one process is all there is, which then serves the edge itself."""
        return sum(service.replicas for service in self.topology.services) == 1

    def settings(self, ports: Mapping[str, int]) -> dict[str, str]:
        """The environment of every process: ours, and what companions add where it is not set by hand."""
        own = {f"CRATON_{name.upper()}" for name in READERS}
        outer = {name: text for name, text in os.environ.items() if name not in own}
        added = {name: self.filled(text, companion.name, port=ports[companion.name])
                 for companion in self.companions for name, text in companion.settings.items()}
        return added | outer | {"PYTHONUNBUFFERED": "1"}

    def companion(self, companion: Companion, port: int) -> Program:
        """What stands in for a part of the outside world."""
        command = shlex.split(self.filled(companion.command, companion.name, port=port))
        return Program(companion.name, command, self.settings_of_companion(), Address(host=HOST, port=port))

    def settings_of_companion(self) -> dict[str, str]:
        """A companion is no part of the application: it knows no secret."""
        return {n: t for n, t in os.environ.items() if n != "CRATON_SECRET"} | {"PYTHONUNBUFFERED": "1"}

    def filled(self, text: str, name: str, **places: object) -> str:
        """A text of topology.toml, its {placeholders} filled."""
        try:
            return text.format(python=shlex.quote(sys.executable), data=self.folder.directory(name), **places)
        except (KeyError, IndexError, ValueError) as error:
            raise DeclarationError(
                f"topology.toml: {name}: {text!r} has a placeholder that nothing fills ({error}); "
                f"there are {{python}}, {{data}} and {', '.join(f'{{{place}}}' for place in places)}."
            ) from error

    def program(self, service: Service, replica: int, told: Mapping[str, str]) -> Program:
        """One process of a service."""
        edge = service is GATEWAY or self.is_one_process()
        environment = Environment(
            topology=self.topology.name, service=service.name, secret=self.folder.secret(),
            database=self.databases().get(service.name), peers=self.peers(service),
            http=f"{HOST}:{self.port}" if edge else None,
            listen=None if edge else self.address(service, replica),
        )
        name = f"{service.name}.{replica}" if service.replicas > 1 else service.name
        command = [sys.executable, "-m", "craton", "serve", self.package, "--service", service.name]
        answers_at = Address(host=HOST, port=self.port) if edge else Address.parse(self.address(service, replica))
        return Program(name, command, {**told, **environment.variables()}, answers_at)

    def address(self, service: Service, replica: int) -> str:
        """Where one process of a service answers the others."""
        return f"unix:{self.sockets}/{service.name}.{replica}"

    def peers(self, service: Service) -> dict[str, tuple[str, ...]]:
        """Where the other services answer."""
        return {
            other.name: tuple(self.address(other, n) for n in range(1, other.replicas + 1))
            for other in self.topology.services if other is not service
        }

    def setup_program(self) -> Program | None:
        """What sets the data up once the services are ready."""
        if not self.setup.command:
            return None
        command = shlex.split(self.filled(self.setup.command, "setup", url=self.url))
        secret = {"CRATON_SECRET": self.folder.secret().decode()}
        return Program("setup", command, {**os.environ, "PYTHONUNBUFFERED": "1", **secret})
