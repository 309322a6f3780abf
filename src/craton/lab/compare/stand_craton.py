"""A topology of the application as a side of a comparison: brought up in real processes, with all that it needs."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from craton.lab.compare.bringing import bring_up
from craton.lab.compare.servers import Server, name_for, server_of
from craton.lab.compare.stand import Setup, Stand
from craton.lab.compare.standing import Member, Shape, Standing
from craton.lab.disturbed import FOLDER
from craton.run.child import Program
from craton.run.databases import migrate_all
from craton.run.folder import Folder
from craton.run.linking import calls_of
from craton.run.plan import Plan
from craton.run.supervisor import Options, plan_of
from craton.topology import GATEWAY, Service, Topology, topology_file

LIFTED = {
    "CRATON_EDGE_RATE": "1000000", "CRATON_EDGE_BURST": "1000000", "CRATON_EDGE_SIGN_INS": "0",
    "CRATON_GATEWAY_LOG": "false",
}
"""All load comes from one address: its requests are counted as always, and none is refused. No gateway writes a line
for each, on any side."""


@dataclass(frozen=True)
class StandPlan(Plan):
    """A plan with other settings, whose services can be told to be in trouble."""

    told: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def environ(self) -> dict[str, str]:
        """The environment of every process."""
        return {**super().environ, **LIFTED, **self.told}

    def program(self, service: Service, replica: int) -> Program:
        """One process of a service."""
        plain = super().program(service, replica)
        if service.command or service is GATEWAY:
            return plain
        command, environ = [*plain.command[:2], "craton.lab.disturbed", self.package], dict(plain.environ)
        return replace(plain, command=command, environ=environ | {FOLDER: str(self.sockets)})

    @classmethod
    def of(cls, plan: Plan, setup: Setup) -> StandPlan:
        """A plan, with what this comparison wants to be different."""
        parts: dict[str, Any] = {part.name: getattr(plan, part.name) for part in fields(plan)}
        parts["topology"] = multiplied(plan.topology, setup.replicas)
        return cls(**parts, told=setup.settings)

    def members(self) -> Sequence[Sequence[Member]]:
        """What to start, in stages, and what each is a part of."""
        return [[self.member(program) for program in stage] for stage in self.stages()]

    def member(self, program: Program) -> Member:
        """A program, and the part that it belongs to."""
        if program.name in {companion.name for companion in self.companions}:
            return Member(program, program.name, "companion")
        for service in self.topology.services:
            if program.name in (service.name, *(f"{service.name}.{n}" for n in range(1, service.replicas + 1))):
                return Member(program, service.name, "service", troubles=not service.command)
        for pool in self.topology.workers:
            if program.name in (pool.name, *(f"{pool.name}.{n}" for n in range(1, pool.replicas + 1))):
                return Member(program, pool.name, "worker")
        return Member(program, GATEWAY.name, "gateway")

    def what(self) -> str:
        """What there is, in words."""
        services = self.topology.services
        processes = sum(service.replicas for service in services)
        parts = [counted(len(services), "service")] if len(services) > 1 else []
        parts += [counted(processes, "process")] if processes > len(services) or not parts else []
        parts.append(counted(len(self.databases()), "database"))
        if workers := len(self.workers()):
            parts.append(counted(workers, "worker"))
        if self.gateway == "envoy" or not self.is_one_process():
            parts.append("Envoy" if self.gateway == "envoy" else "a gateway of Craton's own")
        return ", ".join(parts)


@asynccontextmanager
async def craton_stand(setup: Setup, topology: str) -> AsyncIterator[Stand]:
    """Bring a topology of the application up, with its data; CratonError where that cannot be done."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(server_of(name_for(topology), database=setup.database))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="craton-")))
        folder = stack.enter_context(Folder(place / "data"))
        plan = StandPlan.of(plan_of(options_of(setup, topology, server), folder, sockets=place), setup)
        stand = Standing(
            name=topology, what=plan.what(), ours=True, url=plan.url, server=server, folder=place, shape=shape_of(plan),
            services={service.name: service.modules for service in plan.topology.services},
        )
        await migrate_all(plan.application, plan.topology, plan.databases())
        outside, *stages = plan.members()
        yield await bring_up(
            stand, stack, outside=outside, stages=stages, health="/health/ready", setup=plan.setup_program(),
        )


def options_of(setup: Setup, topology: str, server: Server) -> Options:
    """What `craton run` would be told."""
    return Options(
        package=setup.package, topology=topology, port=0, database=server.database(server.base), gateway=setup.gateway,
        record=Path(setup.record) if setup.record else None, tls=Path(setup.tls) if setup.tls else None,
    )


def multiplied(topology: Topology, replicas: Mapping[str, int]) -> Topology:
    """The same with so many processes for services by name ("*": all)."""
    services = (replace(s, replicas=replicas.get(s.name, replicas.get("*", s.replicas))) for s in topology.services)
    return replace(topology, services=tuple(services))


def counted(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number} {what}{('es' if what.endswith('s') else 's') if number != 1 else ''}"


def shape_of(plan: StandPlan) -> Shape:
    """How a plan is deployed: what its services declare that they need, and what they and the gateway are told."""
    programs = [member.program for stage in plan.members() for member in stage if member.kind != "companion"]
    told = sum(len(program.environ.keys() - plan.environ.keys() - {FOLDER}) for program in programs)
    files = plan.envoy.moving(plan.sockets / GATEWAY.name).values() if plan.gateway == "envoy" else ()
    generated = sum(len(msgspec.json.format(msgspec.json.encode(content)).splitlines()) for content in files)
    return Shape(
        links_of(plan), databases=len(plan.databases()), settings=told, generated=generated,
        lines=lines_about(plan.topology.name, topology_file(plan.package)),
    )


def links_of(plan: Plan) -> frozenset[tuple[str, str]]:
    """Which service asks which other: those whose modules need modules of the other."""
    homes = {module.name: plan.topology.home_of(module.name).name for module in plan.application.modules}
    asked = {(s.name, homes[m]) for s in plan.topology.services for _, m in calls_of(plan.application, s)}
    return frozenset((one, other) for one, other in asked if one != other)


def lines_about(topology: str, file: Path) -> int:
    """Lines that a topology takes in its file, without comments and empty ones."""
    table, found = "", 0
    for line in (line.strip() for line in (file.read_text() if file.exists() else "").splitlines()):
        if line.startswith("["):
            table = line.strip("[]").partition(".")[0]
        found += table == topology and bool(line) and not line.startswith("#")
    return found
