"""What can be counted of a topology, and which modules share a database in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from craton.lab.diff.calls import edges
from craton.lab.diff.change import Change, Comparison
from craton.topology import Service, Topology


def counts(found: Comparison) -> Iterator[Change]:
    """How many there are of what has to be run, where that changes."""
    yield from counted("processes", processes(found.old), processes(found.new))
    yield from counted("databases", len(kept(found, found.old)), len(kept(found, found.new)))
    pairs = edges(found)
    yield from counted("connections", connections(found.old, pairs), connections(found.new, pairs))
    for module in found.application.modules:
        before, after = (topology.home_of(module.name).replicas for topology in (found.old, found.new))
        yield from counted(f"processes of {module.name}", before, after)


def kept(found: Comparison, topology: Topology) -> list[Service]:
    """The services of a topology that have a database, each with those of its modules whose rows are in it."""
    services = [(s, [module.name for module in found.application.kept(s.modules)]) for s in topology.services]
    return [replace(service, modules=tuple(modules)) for service, modules in services if modules]


def counted(what: str, before: int, after: int) -> Iterator[Change]:
    """A count, if it changes."""
    if before != after:
        yield Change("count", what, (), str(before), str(after), ("declared",))


def processes(topology: Topology) -> int:
    """Processes of the application, the gateway's included."""
    return sum(service.replicas for service in topology.services) + is_split(topology)


def is_split(topology: Topology) -> bool:
    """Whether there is more than one process, and so a gateway in front."""
    return sum(service.replicas for service in topology.services) > 1


def connections(topology: Topology, edges: Collection[tuple[str, str]]) -> int:
    """Connections between processes, once all are in use: one to each replica of each service that is asked."""
    inside = sum(
        service.replicas * other.replicas
        for service in topology.services for other in topology.services if asks(service, other, edges)
    )
    return inside + (sum(service.replicas for service in topology.services) if is_split(topology) else 0)


def asks(service: Service, other: Service, edges: Collection[tuple[str, str]]) -> bool:
    """Whether a module of one service asks one of the other."""
    return service is not other and any(a in service.modules and b in other.modules for a, b in edges)


def layout(found: Comparison) -> Iterator[Change]:
    """Which modules share a database, and no longer do; and the reverse."""
    for service in kept(found, found.old):
        parts = parted(service, found.new)
        if len(parts) > 1:
            yield database(service, ", ".join(service.modules), " | ".join(parts))
    for service in kept(found, found.new):
        parts = parted(service, found.old)
        if len(parts) > 1:
            yield database(service, " | ".join(parts), ", ".join(service.modules))


def parted(service: Service, topology: Topology) -> list[str]:
    """The modules of a service as another topology groups them."""
    groups: dict[str, list[str]] = {}
    for module in service.modules:
        groups.setdefault(topology.home_of(module).name, []).append(module)
    return [", ".join(group) for group in groups.values()]


def database(service: Service, before: str, after: str) -> Change:
    """That modules part, or join."""
    return Change("database", service.name, service.modules, before, after, ("declared",))
