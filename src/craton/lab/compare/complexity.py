"""What there is to run and to understand of a side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import permutations

import psutil

from craton.lab.compare.results import Blow, Complexity, Isolation
from craton.lab.compare.stand import PartNow, Stand
from craton.lab.compare.standing import Shape, Standing

SURVIVED = 0.9
"""The share of an action that must be done for it to count as one that survives."""


async def complexity(stand: Stand, *, isolation: Isolation | None = None) -> Complexity:
    """Count what there is, while it runs, best when it has just been used: connections and links of a program beside
    are those that are open. `isolation` says what fails with a service; without it, who asks it may."""
    shape = stand.shape if isinstance(stand, Standing) else Shape()
    parts = [part for part in stand.parts() if part.kind != "companion"]
    links = seen(parts) if shape.links is None else shape.links
    return Complexity(
        services=len(stand.services), processes=sum(len(part.pids) for part in parts if part.kind != "database"),
        databases=shape.databases, connections=sum((await stand.connections()).values()), links=len(links),
        settings=shape.settings, lines=shape.lines, generated=shape.generated,
        failures=(*failures(stand, parts, links, isolation), *partings(shape, links)),
    )


def failures(
    stand: Stand, parts: Sequence[PartNow], links: frozenset[tuple[str, str]], isolation: Isolation | None,
) -> Iterator[str]:
    """What can be down while all else runs, and what fails then."""
    measured = {blow.service: blow for blow in (isolation.blows if isolation else ()) if blow.kind == "killed"}
    for service in stand.services:
        if len(stand.services) == 1:
            yield f"{service} is down: everything fails"
        elif service in measured:
            yield f"{service} is down: {lost(measured[service])}"
        else:
            asking = sorted(one for one, other in links if other == service)
            asked = f"what is asked of it by {listed(asking)} fails" if asking else "what it does itself is not done"
            yield f"{service} is down: {asked}"
    for part in parts:
        if part.kind == "gateway":
            yield f"{part.name} is down: nobody reaches anything"
        elif part.kind == "database":
            yield f"{part.name} is down: everything fails that needs data"
        elif part.kind == "worker":
            yield f"{part.name} are down: jobs wait"


def lost(blow: Blow) -> str:
    """What did not survive a blow, in words."""
    actions = {name: share for name, share in blow.survived.items() if name != "all"}
    failing = [name for name, share in actions.items() if share < SURVIVED]
    if not failing:
        return "everything is done nevertheless"
    if len(failing) == len(actions):
        return "everything fails"
    return f"{listed(failing)} {'fails' if len(failing) == 1 else 'fail'}"


def partings(shape: Shape, links: frozenset[tuple[str, str]]) -> Iterator[str]:
    """What can go wrong between parts that are all up."""
    if links:
        yield f"a call between services is late, or lost after it was carried out: {len(links)} pairs can part"
        yield "services of different versions meet while they are replaced"
    if shape.databases > 1:
        yield f"{shape.databases} databases agree only later, and are restored to different moments"


def seen(parts: Sequence[PartNow]) -> frozenset[tuple[str, str]]:
    """Which service has connections to which other now."""
    services = [part for part in parts if part.kind == "service"]
    reached = {part.name: ports(part.pids) for part in services}
    return frozenset(
        (one.name, other.name) for one, other in permutations(services, 2)
        if reached[one.name][1] & reached[other.name][0]
    )


def ports(pids: Sequence[int]) -> tuple[set[int], set[int]]:
    """The TCP ports at which processes listen, and those that they are connected to."""
    listening, connected = set[int](), set[int]()
    for pid in pids:
        with suppress(psutil.Error):
            for found in psutil.Process(pid).net_connections("tcp"):
                if found.status == psutil.CONN_LISTEN:
                    listening.add(found.laddr.port)
                elif found.raddr:
                    connected.add(found.raddr.port)
    return listening, connected


def listed(names: Sequence[str], word: str = "and") -> str:
    """Names for people."""
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last
