"""Scaling: what a side can do with more: more processors, one service doubled, everything doubled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from craton.lab.compare.results import Estimate, Scaled
from craton.lab.compare.stand import Stand

Seek = Callable[[Stand], Awaitable[Estimate]]
"""Finds the highest rate of a side."""
Opening = Callable[[Mapping[str, int]], AbstractAsyncContextManager[Stand]]
"""Brings a side up, with so many processes of each service that is named ("*": of all)."""
DOUBLED = 2


async def by_cores(stand: Stand, seek: Seek, cores: Sequence[int]) -> tuple[Scaled, ...]:
    """The same processes on one processor, on two, on four and so on, and on all; in the end they may use all again."""
    found = []
    try:
        for count in counts(len(cores)):
            stand.confine(cores[:count])
            what = "1 core" if count == 1 else f"{count} cores"
            found.append(scaled(stand, what, count, await seek(stand)))
    finally:
        stand.confine(cores)
    return tuple(found)


async def by_processes(opening: Opening, seek: Seek, services: Iterable[str], *, cores: int) -> tuple[Scaled, ...]:
    """As it is, with some of its services doubled, each alone, and with all of them doubled, on the same processors."""
    found = []
    for what, replicas in plans(services):
        async with opening(replicas) as stand:
            found.append(scaled(stand, what, cores, await seek(stand)))
    return tuple(found)


def plans(services: Iterable[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """What is tried: its name, and the processes of services."""
    yield "as it is", {}
    for service in services:
        yield f"{service} doubled", {service: DOUBLED}
    yield "everything doubled", {"*": DOUBLED}


def counts(most: int) -> list[int]:
    """1, 2, 4 and so on, and `most`."""
    return sorted({most, *(1 << power for power in range(most.bit_length()) if 1 << power <= most)})


def scaled(stand: Stand, what: str, cores: int, capacity: Estimate) -> Scaled:
    """One line of the table."""
    processes = sum(len(part.pids) for part in stand.parts() if part.kind == "service")
    return Scaled(what=what, processes=processes, cores=cores, capacity=capacity, per_core=capacity.mean / cores)
