"""What `craton run` starts for a topology: companions first, then services, the gateway before them, and workers."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from craton.application import Application
from craton.calls.links.rpc.address import Address
from craton.calls.links.rpc.tls import Files
from craton.errors import SettingsError
from craton.pools import Pool
from craton.run.child import Program
from craton.run.compiled import compiled_in
from craton.run.databases import databases_of
from craton.run.environment import READERS, Environment
from craton.run.folder import Folder, Whereabouts
from craton.run.foreign import program_of
from craton.run.places import filled
from craton.run.workers import WorkerEnvironment, program_of_pool, written
from craton.tasks.door import token_of
from craton.topology import GATEWAY, Companion, Service, Setup, Topology, topology_file

if TYPE_CHECKING:
    from craton.run.gateway.envoy import Envoy

HOST = "127.0.0.1"
BLOBS = "CRATON_BLOBS"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is decided before the first process starts. `package` is where the application stands.

    `given` are the settings of topology.toml. `gateway` is what stands in front of the services: Craton's own, which
    one process needs not, or Envoy. `grpc`: the port at which Craton's own answers clients outside by gRPC, if it does.
    `tls`: the folder of certificates, if what listens on a port is to speak TLS.
    """

    package: str
    application: Application
    topology: Topology
    companions: tuple[Companion, ...]
    setup: Setup
    folder: Folder
    sockets: Path
    database: str | None
    port: int
    broker: str | None = None
    record: Path | None = None
    gateway: str = "craton"
    grpc: int | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    tls: Path | None = None

    @property
    def url(self) -> str:
        """Where people find the API."""
        return f"{'https' if self.environ.get('CRATON_EDGE_CERTIFICATE') else 'http'}://{HOST}:{self.port}"

    def databases(self) -> dict[str, str]:
        """The database of each service."""
        return databases_of(self.topology, base=self.database, folder=self.folder.path)

    def stages(self) -> Sequence[Sequence[Program]]:
        """What to start; all of one stage must be ready before the next."""
        companions = [self.companion(companion) for companion in self.companions]
        services = [self.program(s, n) for s in self.topology.services for n in range(1, s.replicas + 1)]
        if self.gateway == "envoy":
            from craton.run.gateway.process import envoy_program

            edges = [self.program(GATEWAY, 1)] if any(s.command for s in self.topology.services) else []
            return companions, [*services, *edges], [envoy_program(self), *self.workers()]
        gateways = [] if self.is_one_process() else [self.program(GATEWAY, 1)]
        return companions, services, [*gateways, *self.workers()]

    def workers(self) -> Sequence[Program]:
        """The processes of all pools."""
        return [self.worker(pool, n) for pool in self.topology.workers for n in range(1, pool.replicas + 1)]

    @cached_property
    def ports(self) -> dict[str, int]:
        """Where each companion listens, and each process in another language."""
        abroad = [f"{s.name}.{n}" for s in self.topology.services if s.command for n in range(1, s.replicas + 1)]
        jobs = [self.door(s, n) for s in self.topology.services if self.tasks_in(s) for n in range(1, s.replicas + 1)]
        return {name: self.folder.port_of(name) for name in (*(one.name for one in self.companions), *abroad, *jobs)}

    def door(self, service: Service, replica: int) -> str:
        """What the port is remembered by at which a process answers workers."""
        return f"{service.name}.{replica}.jobs"

    def tasks_in(self, service: Service) -> list[str]:
        """The modules of a service that have tasks."""
        return [name for name in service.modules if self.application.module(name).tasks]

    @cached_property
    def envoy(self) -> Envoy:
        """The gateway, where it is to be Envoy."""
        from craton.run.gateway.process import envoy_of

        return envoy_of(self)

    def is_one_process(self) -> bool:
        """Whether one process is all there is, which then serves the edge itself."""
        services = self.topology.services
        return sum(service.replicas for service in services) == 1 and not services[0].command

    @cached_property
    def environ(self) -> dict[str, str]:
        """The environment of every process: the supervisor's own, without what is meant for a single service."""
        own = {f"CRATON_{name.upper()}" for name in READERS}
        found = {name: text for name, text in os.environ.items() if name not in own} | {"PYTHONUNBUFFERED": "1"}
        found |= compiled_in(self.folder.path / "compiled", found)
        return {**self.edge_of(self.tls), **found} if self.tls else found

    def edge_of(self, folder: Path) -> dict[str, str]:
        """The certificate that the edge shows to clients, unless there is another one for it. SettingsError where that
        of a service is missing."""
        front = self.topology.services[0].name if self.is_one_process() else GATEWAY.name
        names = dict.fromkeys((*(service.name for service in self.topology.services if not service.command), front))
        try:
            found = {name: Files.of(str(folder), name) for name in names}[front]
        except SettingsError as error:
            made = f"craton certs {folder} --services {','.join(names)} --hosts localhost,{HOST}"
            raise SettingsError(f"--tls: {folder} has not all certificates: make them by `{made}`.") from error
        return {"CRATON_EDGE_CERTIFICATE": str(found.certificate), "CRATON_EDGE_KEY": str(found.key)}

    @cached_property
    def outside(self) -> dict[str, str]:
        """The environment of what asks the edge from outside: it believes the authority that signed its certificate."""
        if self.tls is None or "CRATON_EDGE_CERTIFICATE" in os.environ:
            return self.environ
        return self.environ | {"SSL_CERT_FILE": str(self.tls / "ca.crt")}

    @cached_property
    def settings(self) -> dict[str, str]:
        """What topology.toml and companions tell all processes, where nobody did by hand; and where blobs are."""
        places = dict(data=self.folder.path, here=topology_file(self.package).parent, url=self.url)
        found = {BLOBS: f"file://{quote(str(self.folder.path))}/blobs"}
        found |= {name: filled(text, "settings", **places) for name, text in self.given.items()}
        for companion in self.companions:
            port = self.ports[companion.name]
            found |= {n: self.filled(t, companion.name, port=port, url=self.url) for n, t in companion.settings.items()}
        return {name: text for name, text in found.items() if name not in os.environ}

    def companion(self, companion: Companion) -> Program:
        """What stands in for a part of the outside world: no part of the application, so it knows no secret."""
        port = self.ports[companion.name]
        command = shlex.split(self.filled(companion.command, companion.name, port=port))
        return Program(companion.name, command, self.outside, Address(host=HOST, port=port))

    def filled(self, text: str, name: str, **places: object) -> str:
        """A text of topology.toml, its {placeholders} filled."""
        return filled(text, name, data=self.folder.directory(name), **places)

    def program(self, service: Service, replica: int) -> Program:
        """One process of a service."""
        if service.command:
            return self.program_abroad(service, replica)
        edge = self.gateway == "craton" and (service is GATEWAY or self.is_one_process())
        asked = self.topology.asked_by(service) | ({"rest"} if self.gateway == "envoy" else set())
        environment = Environment(
            topology=self.topology.name, service=service.name, secret=self.folder.secret(),
            database=self.databases().get(service.name), broker=self.broker,
            peers=self.peers(service), rest_peers=self.peers(service, "rest"), grpc_peers=self.peers(service, "grpc"),
            listen=None if service is GATEWAY else self.address(service, replica),
            http=f"{HOST}:{self.port}" if edge else self.address(service, replica, "rest") if "rest" in asked else None,
            grpc=f"{HOST}:{self.grpc}" if edge and self.grpc else (
                self.address(service, replica, "grpc") if "grpc" in asked else None
            ),
            jobs=f"{HOST}:{self.ports[self.door(service, replica)]}" if self.tasks_in(service) else None,
            record=str(self.record.resolve()) if self.record else None, tls=str(self.tls) if self.tls else None,
        )
        name = f"{service.name}.{replica}" if service.replicas > 1 else service.name
        if behind := self.gateway == "envoy" and service is GATEWAY:
            name = f"{name}.edge"  # of programs in other languages
        command = [sys.executable, "-m", "craton", "serve", self.package, "--service", service.name]
        place = self.address(service, replica, "rest" if behind else "rpc")
        answers_at = Address(host=HOST, port=self.port) if edge else Address.parse(place)
        return Program(name, command, self.environ | self.settings | environment.variables(), answers_at)

    def program_abroad(self, service: Service, replica: int) -> Program:
        """One process of a service in another language. It knows the secret, and by it who asks."""
        return program_of(
            service, replica, port=self.ports[f"{service.name}.{replica}"], topology=self.topology.name,
            data=self.folder.directory(service.name), here=topology_file(self.package).parent,
            secret=self.folder.secret(), environ=self.environ | self.settings,
        )

    def worker(self, pool: Pool, replica: int) -> Program:
        """One process of a pool. It knows a token, which is of no use but for jobs."""
        name = f"{pool.name}-{replica}-{secrets.token_hex(2)}"
        told = self.worker_environment(pool, name, ready=f"{self.sockets}/{pool.name}.{replica}.worker")
        return program_of_pool(
            pool, replica, package=self.package, topology=self.topology, told=told,
            data=self.folder.directory(pool.name), here=topology_file(self.package).parent,
            environ=self.environ | self.settings,
        )

    def worker_environment(self, pool: Pool, name: str, *, ready: str | None) -> WorkerEnvironment:
        """What a worker of a pool is told."""
        return WorkerEnvironment(
            application=self.application.name, controllers=self.controllers, token=token_of(self.folder.secret()),
            queues=pool.queues, slots=pool.slots, worker=name, broker=self.broker, ready=ready,
        )

    @property
    def controllers(self) -> dict[str, tuple[str, ...]]:
        """Where workers reach each module's controllers."""
        return {
            module: tuple(f"http://{HOST}:{self.ports[self.door(s, n)]}" for n in range(1, s.replicas + 1))
            for s in self.topology.services for module in self.tasks_in(s)
        }

    def address(self, service: Service, replica: int, kind: str = "rpc") -> str:
        """Where one process of a service answers the others by a kind of link."""
        if service.command:
            return f"{HOST}:{self.ports[f'{service.name}.{replica}']}"
        return f"unix:{self.sockets}/{service.name}.{replica}" + ("" if kind == "rpc" else f".{kind}")

    def peers(self, service: Service, kind: str = "rpc") -> dict[str, tuple[str, ...]]:
        """Where the other services answer by a kind of link: by rpc all do, since operators ask by it."""
        return {
            other.name: tuple(self.address(other, n, kind) for n in range(1, other.replicas + 1))
            for other in self.topology.services
            if other is not service
            and (kind in self.topology.kinds(service, other) or (kind == "rpc" and not other.command))
        }

    def whereabouts(self) -> Whereabouts:
        """Where others find all this while it runs."""
        told = {"CRATON_CONTROLLERS": written(self.controllers), "CRATON_BROKER": self.broker or ""}
        found = self.settings | {name: text for name, text in told.items() if text}
        return Whereabouts(self.topology.name, self.peers(GATEWAY), found if self.controllers else {})

    def setup_program(self) -> Program | None:
        """What sets the data up once the services are ready."""
        if not self.setup.command:
            return None
        command = shlex.split(self.filled(self.setup.command, "setup", url=self.url))
        secret = {"CRATON_SECRET": self.folder.secret().decode()}
        return Program("setup", command, self.outside | self.settings | secret)
