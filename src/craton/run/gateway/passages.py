"""Passages: which service answers from outside for which path and verb, by contracts and topology."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from craton.application import Application
from craton.routes import OWN
from craton.topology import GATEWAY, Topology

ANY = "any-service"
"""Stands for every service of Craton: each answers alike."""
SAGAS = "/sagas/{module}/{id}"
HEALTH = ("/health/live", "/health/ready")
"""What a gateway answers itself: whether it runs, and whether it takes requests."""
What = Literal["query", "command", "stream", "page"]


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers, and what is asked there: that decides how long it may take, and whether it may be sent again."""

    service: str
    what: What


@dataclass(frozen=True, slots=True)
class Passage:
    """A path, or with `under` all paths under one, and who answers there, by verb; `others` takes all other verbs."""

    path: str
    verbs: Mapping[str, Target] = field(default_factory=dict)
    others: Target | None = None
    under: bool = False

    @property
    def allowed(self) -> set[str]:
        """The verbs that are taken here."""
        return {*self.verbs, *(["HEAD"] if "GET" in self.verbs else [])} - {"OPTIONS"}


def front_of(topology: Topology, module: str) -> str:
    """The service that answers for a module from outside: its own, or for a program in another language, which has no
    edge and believes only services, the gateway of Craton itself, which asks it."""
    home = topology.home_of(module)
    return GATEWAY.name if home.command else home.name


def fronts(topology: Topology) -> list[str]:
    """All services that answer from outside."""
    return list(dict.fromkeys(front_of(topology, name) for service in topology.services for name in service.modules))


def passages(application: Application, topology: Topology) -> Iterator[Passage]:
    """All passages; the first that fits counts; in the order of the edge: fixed parts, parameters, then web pages."""
    found = routes(application, topology) | {path: {"GET": Target(ANY, "query")} for path in OWN}
    for module in application.modules:
        home = front_of(topology, module.name)
        found[SAGAS.replace("{module}", module.name)] = {"GET": Target(home, "query")}
    for path in HEALTH:
        del found[path]
    for path in sorted(found, key=lambda path: ["{" in part for part in path.split("/")]):
        first, *more = dict.fromkeys(target.service for target in found[path].values())
        asks = {"OPTIONS": Target(first, "query")} if more else {}
        yield Passage(path, found[path] | asks, None if more else Target(first, "command"))
    for module in sorted((m for m in application.modules if m.asgi), key=lambda m: -len(m.path)):
        yield Passage(module.path, others=Target(front_of(topology, module.name), "page"), under=True)


def routes(application: Application, topology: Topology) -> dict[str, dict[str, Target]]:
    """Who answers for the routes of contracts, by path and verb."""
    found: dict[str, dict[str, Target]] = {}
    for module, method in application.methods():
        if method.route:
            what: What = "stream" if method.streams else "query" if method.kind == "query" else "command"
            target = Target(front_of(topology, module.name), what)
            found.setdefault(method.route.path, {})[method.route.verb] = target
    return found
