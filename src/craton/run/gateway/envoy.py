"""Envoy's configuration as plain data: one file for services whose names stay, or several that change as they move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from craton.application import Application
from craton.edge.settings import EdgeSettings
from craton.run.gateway.clusters import cluster, endpoints
from craton.run.gateway.listener import GRACE, listener
from craton.run.gateway.passages import ANY, fronts
from craton.run.gateway.routes import route_table
from craton.run.gateway.settings import GatewaySettings
from craton.run.gateway.words import Json, address_of, is_fixed, named, resources, watched
from craton.topology import Topology

OFFERED = ("/ready", "/stats", "/clusters", "/server_info", "/drain_listeners", "/healthcheck/fail")
"""What may be asked of Envoy's own port: how it is, and to drain; not its configuration, nor to stop."""


@dataclass(frozen=True, kw_only=True)
class Envoy:
    """A gateway: for which topology, where each service answers, and where it listens itself ("host:port")."""

    application: Application
    topology: Topology
    services: Mapping[str, tuple[str, ...]]
    listen: str
    settings: GatewaySettings
    edge: EdgeSettings

    def static(self) -> Json:
        """All in one file, for services whose names do not change."""
        listener = self.listener({"route_config": self.routes()})
        return self.bootstrap | {"static_resources": {"listeners": [listener], "clusters": self.clusters()}}

    def moving(self, folder: Path) -> dict[str, Json]:
        """Several files, by name: what is replaced among them while Envoy runs, it takes up at once."""
        routes = {"rds": {"route_config_name": "routes", "config_source": watched(folder / "routes.json")}}
        found = {
            "envoy.json": self.bootstrap | {
                "static_resources": {"listeners": [self.listener(routes)]},
                "dynamic_resources": {"cds_config": watched(folder / "clusters.json")},
            },
            "routes.json": resources("envoy.config.route.v3.RouteConfiguration", [self.routes()]),
            "clusters.json": resources("envoy.config.cluster.v3.Cluster", self.clusters(folder)),
        }
        for name, addresses in self.addresses.items():
            if all(map(is_fixed, addresses)):
                kind = "envoy.config.endpoint.v3.ClusterLoadAssignment"
                found[f"{name}.endpoints.json"] = resources(kind, [endpoints(name, addresses)])
        return found

    @cached_property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Where each service answers; and any one of them."""
        found = {name: self.services[name] for name in fronts(self.topology)}
        return {**found, ANY: tuple(address for addresses in found.values() for address in addresses)}

    @property
    def bootstrap(self) -> Json:
        """What is the same in both forms."""
        limit, most = "envoy.resource_monitors.global_downstream_max_connections", self.edge.connections
        kind = "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
        return {
            "overload_manager": {"resource_monitors": [named(limit, kind, max_active_downstream_connections=most)]},
            "node": {"id": "gateway", "cluster": self.application.name},
            "admin": {
                "address": address_of(f"127.0.0.1:{self.settings.admin}"),
                "allow_paths": [{"prefix": path} for path in OFFERED],
            },
        }

    def listener(self, routes: Json) -> Json:
        """Where requests come in."""
        return listener(self.listen, routes, settings=self.settings, edge=self.edge)

    def routes(self) -> Json:
        """Where they go."""
        return route_table(self.application, self.topology, timeout=self.edge.timeout + GRACE)

    def clusters(self, folder: Path | None = None) -> list[Json]:
        """To whom; with a folder, the addresses stand there."""
        return [cluster(name, addresses, folder=folder) for name, addresses in self.addresses.items()]
