"""`python -m craton.lab.load`: makes visitors come, in a process of its own, until nobody writes to it any more."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
from contextlib import suppress

import msgspec
import uvloop

from craton.errors import CratonError, SettingsError
from craton.lab.load.playing import Play
from craton.lab.load.site import Site
from craton.lab.load.work import Open, Opening, Report, Work
from craton.lab.scenario import Scenario
from craton.module import load as imported

LINE = 1 << 20
"""Bytes that a line may have."""


async def serve() -> None:
    """Do what the lines say, one after the other. When they end, stop at once, whatever still runs."""
    lines = asyncio.StreamReader(LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    try:
        opening = msgspec.json.decode(await lines.readline(), type=Opening)
        scenario = prepared(opening)
    except CratonError as error:
        say(Report(problem=str(error)))
        return
    say(Report())
    line = await lines.readline()
    while line:
        work, following = asyncio.create_task(done(scenario, opening, line)), asyncio.create_task(lines.readline())
        await asyncio.wait({work, following}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():  # nobody sends the next line before the answer: this is the end
            work.cancel()
            return
        say(work.result())
        line = await following


def prepared(opening: Opening) -> Scenario:
    """The scenario; this process confined to its processors, and allowed to have many connections."""
    scenario = imported(opening.scenario, what="the scenario")
    if not isinstance(scenario, Scenario):
        raise SettingsError(f"{opening.scenario} is no Scenario: name one of craton.lab.scenario.")
    if opening.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, opening.cores)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # more than the system allows
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.freeze()
    return scenario


async def done(scenario: Scenario, opening: Opening, line: bytes) -> Report:
    """One load."""
    work = msgspec.json.decode(line, type=Work)
    play = Play(scenario, Site(opening.url, limit=opening.limit, authority=opening.authority), work.seed)
    if isinstance(work, Open):
        return Report(loads=tuple(await play.open(work.stages, warmup=work.warmup)))
    think = work.think or scenario.think
    return Report(loads=(await play.closed(work.visitors, work.seconds, warmup=work.warmup, think=think),))


def say(report: Report) -> None:
    """Answer a line."""
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(serve())
