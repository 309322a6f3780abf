"""What an action makes a structure do inside: each one alone, while nothing else happens, and then their mix."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from msgspec.structs import replace

from craton.lab.compare.isolation import Enter
from craton.lab.compare.results import ActionCost, Edge, Profile
from craton.lab.recording.figures import Figures, Reader, Recording, Sent, Spent
from craton.lab.recording.recorder import INTERVAL
from craton.lab.scenario import Action, Scenario, Visitor
from craton.run.post import EVENTS

TIMES, WARMUP, IDLE = 3, 2, 3.0
"""How often each action is done, and before that to warm up; seconds for which it is seen what happens by itself."""
FAILURES = 3
"""So often an action may fail."""
LOOK = INTERVAL * 1.25
"""Seconds between two looks: what happened before one is in the file by the next."""
QUIET = 2
"""Looks in turn at which nothing was seen to happen: then all has come to rest."""
PATIENCE = 10.0
"""Seconds that are waited for that at most: where something happens all the time, it never comes."""
CALL = 10_000
"""Bytes that cost about as much as a call does that has none: to be packed, sent and unpacked."""
NOTHING = Figures("", 0, {})


async def profile(
    enter: Enter, scenario: Scenario, file: str, *, times: int = TIMES, idle: float = IDLE,
) -> Profile:
    """What happens inside a side for each action of a scenario, done `times` in turn by one visitor. `file` is where
    its processes note it. What happens by itself is seen for `idle` seconds, and taken off. Where an action fails time
    and again, what it raised."""
    reader = Reader(file)
    async with enter(1) as visitor:
        if scenario.arrive is not None:
            await scenario.arrive(visitor)
        for action in [*scenario.mix] * WARMUP:
            await tried(action, visitor)
        await rest(reader)
        alone = await for_seconds(reader, idle)
        found = {action.__name__: await watched(action, visitor, times, reader) for action in scenario.mix}
    weights = {action.__name__: weight for action, weight in scenario.mix.items()}
    return profile_of(found, weights, alone)


@dataclass(frozen=True)
class Watched:
    """What was recorded in some seconds, in which something was done so many times."""

    found: Recording
    seconds: float
    times: int = 1


async def watched(action: Action, visitor: Visitor, times: int, reader: Reader) -> Watched:
    """Do an action so many times, and wait after each until what it led to is done, too. One that fails, as a slow
    machine may have it, is done once more; what it led to does not count."""
    done, failed, seconds, found = 0, 0, 0.0, Recording()
    while done < times:
        began = time.monotonic()
        error = await tried(action, visitor)
        seen = await rest(reader)
        if error is None:
            done, seconds = done + 1, seconds + time.monotonic() - began
            found.put(seen)
        elif (failed := failed + 1) > FAILURES:
            raise error
    return Watched(found, seconds, times)


async def tried(action: Action, visitor: Visitor) -> Exception | None:
    """Do an action; what it raised."""
    try:
        await action(visitor)
    except Exception as error:
        return error
    return None


async def rest(reader: Reader) -> Recording:
    """What happens until nothing does."""
    found, quiet, until = Recording(), 0, time.monotonic() + PATIENCE
    while quiet < QUIET and time.monotonic() < until:
        await asyncio.sleep(LOOK)
        more = reader.more()
        found.put(more)
        quiet = 0 if more.busy else quiet + 1
    return found


async def for_seconds(reader: Reader, seconds: float) -> Watched:
    """What happens by itself."""
    await asyncio.sleep(seconds)
    return Watched(reader.more(), seconds)


def profile_of(found: Mapping[str, Watched], weights: Mapping[str, float], idle: Watched) -> Profile:
    """The costs of all actions, and of an average one."""
    total = sum(weights.values())
    shares = {name: weight / total for name, weight in weights.items()}
    costs = {name: cost_of(name, one, idle) for name, one in found.items()}
    mix = summed("all", [(cost, shares[name]) for name, cost in costs.items()])
    return Profile(actions=tuple(costs.values()), mix=mix, edges=edges_of(found, shares))


def cost_of(name: str, one: Watched, idle: Watched) -> ActionCost:
    """What an action costs each time, without what would have happened anyway."""
    return summed(name, [(counted(Recording(caused(one, idle))), 1 / one.times)])


def caused(one: Watched, idle: Watched) -> Iterator[Figures]:
    """What each method did, without what it does by itself in as many seconds. That is looks whether there is something
    to do: they come at even intervals, so that at most one more of each fits in."""
    meanwhile = one.seconds / idle.seconds
    for method, line in one.found.methods.items():
        own = idle.found.methods.get(method, NOTHING)
        statements = {
            key: Spent(max(0, spent.count - ceil(own.statements.get(key, Spent()).count * meanwhile)))
            for key, spent in line.statements.items()
        }
        commits = max(0, line.commits - ceil(own.commits * meanwhile))
        yield replace(line, statements=statements, commits=commits)


def counted(found: Recording) -> ActionCost:
    """The sums over all methods."""
    lines = found.methods.values()
    sent = [one for line in lines for one in line.remote.values()]
    return ActionCost(
        action="", calls=sum(sum(line.calls.values()) for line in lines), remote=sum(one.count for one in sent),
        commits=sum(line.commits for line in lines), size=sum(one.size for one in sent),
        statements=sum(spent.count for line in lines for spent in line.statements.values()),
        events=sum(sum(line.events.values()) for line in lines),
    )


def summed(name: str, costs: Sequence[tuple[ActionCost, float]]) -> ActionCost:
    """So many of each together."""
    figures = [field for field in ActionCost.__struct_fields__ if field != "action"]
    sums = {field: sum(getattr(cost, field) * times for cost, times in costs) for field in figures}
    return ActionCost(action=name, **sums)


def edges_of(found: Mapping[str, Watched], shares: Mapping[str, float]) -> tuple[Edge, ...]:
    """Who asks whom in an average action: first what costs most to send, then what stays where it is."""
    methods: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    sent: dict[tuple[str, str], Sent] = defaultdict(Sent)
    for name, one in found.items():
        for line, asked, count in asked_in(one.found):
            pair = line.module, asked.partition(".")[0]
            methods[pair][f"{line.method} -> {told(asked)}"] += shares[name] * count / one.times
            if asked in line.remote:
                sent[pair].add(line.remote[asked].count, line.remote[asked].size)
    edges = [
        Edge(asking=pair[0], asked=pair[1], calls=sum(calls.values()), remote=pair in sent,
             size=sent[pair].size / sent[pair].count if pair in sent else 0.0, methods=dict(ranked(calls)))
        for pair, calls in methods.items()
    ]
    return tuple(sorted(edges, key=lambda edge: (edge.remote, edge.calls * (CALL + edge.size)), reverse=True))


def asked_in(found: Recording) -> Iterator[tuple[Figures, str, int]]:
    """Who asked for which method, and how often."""
    for line in found.methods.values():
        for asked, count in line.calls.items():
            yield line, asked, count


def told(asked: str) -> str:
    """A method as people know it."""
    module, _, method = asked.partition(".")
    return f"{module} (events)" if method == EVENTS.name else asked


def ranked(calls: Mapping[str, float]) -> list[tuple[str, float]]:
    """The most frequent first."""
    return sorted(calls.items(), key=lambda pair: pair[1], reverse=True)
