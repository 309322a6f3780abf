"""The kinds of links between processes: how a process answers by each, and how it asks by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from craton.application import Application, implementations, needs_of, package_of
from craton.calls.link import Link
from craton.calls.links.rpc import RpcLink, RpcServer
from craton.calls.links.rpc.tls import Protection, tls_of
from craton.errors import SettingsError
from craton.messages.events import Events
from craton.messages.streams import Streams
from craton.run.environment import Environment
from craton.run.foreign import Deliveries
from craton.run.grants import grants_of
from craton.run.post import EVENTS
from craton.settings import settings_of
from craton.sources import SystemClock
from craton.topology import GATEWAY, Service, Topology, topology_file

if TYPE_CHECKING:
    from craton.calls.links.grpc.schema import Schema
    from craton.run.process import Process


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """The way to a service: the addresses of its replicas, and what the asking side says of itself.

    `service` is who asks, `needs` the modules it may ask, and `peer` the service that is asked. `foreign`: the other
    side is no service of Craton. `tls` protects what goes between machines.
    """

    application: Application
    addresses: tuple[str, ...]
    secret: bytes
    service: str
    needs: frozenset[str]
    foreign: bool = False
    peer: str = ""
    tls: Protection = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of link: `serve` answers at an address with what a process offers, `connect` makes the asking side."""

    serve: Callable[[Process, str], AbstractAsyncContextManager[object]]
    connect: Callable[[Way], Link]


def serve_rpc(process: Process, address: str) -> AbstractAsyncContextManager[object]:
    """Answer by rpc at unix:/path or tcp:host:port."""
    here = [process.application.module(name) for name in process.service.modules]
    return RpcServer(
        process.handler.answer, address, secret=process.secret, service=process.name, tls=process.tls,
        contracts={module.name: module.contract for module in here},
        grants=grants_of(process.application, process.topology),
    )


def connect_rpc(way: Way) -> Link:
    """Ask by rpc."""
    needed = [module for module in way.application.modules if module.name in way.needs]
    return RpcLink(
        way.addresses, secret=way.secret, service=way.service, needs=way.needs, peer=way.peer, tls=way.tls,
        contracts={module.name: module.contract for module in needed},
    )


def serve_rest(process: Process, address: str) -> AbstractAsyncContextManager[object]:
    """Answer over HTTP at unix:/path or host:port: clients outside, and other services, where these ask by rest."""
    from craton.edge.rest import edge
    from craton.edge.server import serve_http
    from craton.edge.settings import EdgeSettings

    own = process.service.modules or None  # the gateway answers for all
    settings = settings_of(EdgeSettings, "edge", process.environ)
    app = edge(
        process, process.tokens, settings=settings, sites=process.sites, modules=own, admission=process.admission,
    )
    if "rest" in process.topology.asked_by(process.service):
        from craton.edge.peers import Peers

        app = Peers(
            app, process.application, handler=process.handler, secret=process.secret, clock=SystemClock(),
            grants=grants_of(process.application, process.topology),
        )
    return serve_http(app, address, settings=settings, websockets=bool(process.sites))


def connect_rest(way: Way) -> Link:
    """Ask over HTTP."""
    try:
        from craton.calls.links.rest.link import RestLink
    except ImportError as error:
        raise SettingsError(f"links by rest need what is not installed ({error}): install craton[rest].") from error
    return RestLink(
        way.application, way.addresses, secret=way.secret, service=way.service, needs=way.needs,
        foreign={EVENTS.name: Deliveries(way.application.name)} if way.foreign else None,
    )


def serve_grpc(process: Process, address: str) -> AbstractAsyncContextManager[object]:
    """Answer by gRPC at unix:/path or host:port: other services, and clients outside what has a route."""
    try:
        from craton.calls.links.grpc.server import GrpcServer
        from craton.edge.grpc import Outside
    except ImportError as error:
        raise SettingsError(f"gRPC needs what is not installed ({error}): install craton[grpc].") from error
    from craton.edge.settings import EdgeSettings

    return GrpcServer(
        process.handler, address, schema_of(process.application), secret=process.secret,
        modules=process.service.modules or tuple(module.name for module in process.application.modules),
        grants=grants_of(process.application, process.topology), tls=process.tls,
        outside=Outside(
            process, process.tokens, settings_of(EdgeSettings, "edge", process.environ), admission=process.admission,
        ),
    )


def connect_grpc(way: Way) -> Link:
    """Ask by gRPC."""
    try:
        from craton.calls.links.grpc.link import GrpcLink
    except ImportError as error:
        raise SettingsError(f"links by gRPC need what is not installed ({error}): install craton[grpc].") from error
    return GrpcLink(
        way.addresses, schema_of(way.application), secret=way.secret, service=way.service, needs=way.needs,
        peer=way.peer, tls=way.tls,
    )


@cache
def schema_of(application: Application) -> Schema:
    """The contracts as gRPC has them, with the numbers that were written down beside the application."""
    from craton.calls.links.grpc.numbers import LOCK, Numbers
    from craton.calls.links.grpc.schema import Schema

    package = package_of(application)
    return Schema(application, Numbers.read(topology_file(package).with_name(LOCK)) if package else None)


KINDS: Mapping[str, Kind] = {
    "rpc": Kind(serve_rpc, connect_rpc), "rest": Kind(serve_rest, connect_rest), "grpc": Kind(serve_grpc, connect_grpc),
}
"""Every link that a topology may choose. What one needs besides is imported when it is used."""


class Links:
    """The way to each other service. What may be asked of it is what the modules here declare that they need."""

    def __init__(self, application: Application, topology: Topology, environment: Environment) -> None:
        self.application, self.topology, self.environment = application, topology, environment
        self.tls: Protection = tls_of(environment.tls, environment.service)
        service = topology.service(environment.service)
        calls, told = calls_of(application, service), deliveries_of(application, service)
        self.needs = frozenset({asked for _, asked in calls} | {f"{module}.{EVENTS.name}" for _, module in told})
        away = [pair for pair in sorted(calls | told) if pair[1] not in service.modules]
        for kind, home in sorted({(topology.link(*pair), topology.home_of(pair[1]).name) for pair in away}):
            self.addresses(home, kind)

    def __call__(self, service: str, kind: str) -> Link:
        """A link of this kind to a service."""
        told = self.environment
        return KINDS[kind].connect(Way(
            application=self.application, addresses=self.addresses(service, kind), secret=told.secret,
            service=told.service, needs=self.needs, foreign=bool(self.topology.service(service).command),
            peer=service, tls=self.tls,
        ))

    @asynccontextmanager
    async def sites(self) -> AsyncIterator[dict[str, Any]]:
        """The ASGI applications of other services by path, to the gateway: who has none does not load what forwards."""
        async with AsyncExitStack() as stack:
            found = {}
            for module in self.application.modules if self.environment.service == GATEWAY.name else ():
                if module.asgi:
                    from craton.edge.forward import Forward

                    home = self.topology.home_of(module.name).name
                    forward = Forward(self.addresses(home, self.topology.link(GATEWAY.name, module.name)))
                    found[module.path] = await stack.enter_async_context(forward)
            yield found

    def addresses(self, service: str, kind: str) -> tuple[str, ...]:
        """Where a service answers by a kind of link."""
        variable, peers = self.environment.whereabouts(kind)
        if service not in peers:
            raise SettingsError(f"{variable} does not say where to reach {service}: add service=address.")
        return peers[service]


def calls_of(application: Application, service: Service) -> set[tuple[str, str]]:
    """Which module of a service asks which other; the gateway asks every one."""
    if service is GATEWAY:
        return {(GATEWAY.name, module.name) for module in application.modules}
    contracts = {module.contract: module.name for module in application.modules}
    found = implementations(application, service.modules)
    return {(m, contracts[need]) for m, kind in found.items() for need in needs_of(kind).values() if need in contracts}


def deliveries_of(application: Application, service: Service) -> set[tuple[str, str]]:
    """Which module of a service may have events for which other."""
    found = implementations(application, service.modules)
    publish = [m for m, kind in found.items() if any(need in (Events, Streams) for need in needs_of(kind).values())]
    return {(m, name) for m in publish for names in application.destinations().values() for name in names}
