"""A load generator: visitors in a process of its own, so that what they cost is not the application's.

    async with Generator("apps.store.scenarios:shopping", url) as generator:
        load = await generator.open(rate=100, seconds=10, warmup=2)
        load.quantiles()["p99"]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Self

import msgspec

from craton.errors import CratonError, SettingsError
from craton.lab.load.arrivals import steps
from craton.lab.load.figures import Load, Stage
from craton.lab.load.work import Closed, Open, Opening, Report, Work

ANSWER = 1 << 28
"""Bytes that an answer may have."""


class Broken(CratonError):
    """The load generator ended before it answered; what it wrote is on standard error."""


class Generator:
    """Visitors of a site, who do what the scenario at an import path says. A whole answer must be there within `limit`
    seconds; `authority` is the file of a certificate to believe, such as the `ca.crt` of `craton certs`; `cores` are
    the processors that the generator may use (none: all). One load at a time.
    """

    def __init__(
        self, scenario: str, url: str, *, limit: float = 10.0, authority: str | None = None, cores: Sequence[int] = ()
    ) -> None:
        self.opening = Opening(scenario=scenario, url=url, limit=limit, authority=authority, cores=tuple(cores))
        self.process: asyncio.subprocess.Process | None = None
        self.alone = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.started()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.end()

    async def open(self, *, rate: float, seconds: float, seed: int = 0, warmup: float = 0.0) -> Load:
        """Visitors arrive at a rate, at random moments (Poisson), whatever becomes of earlier ones. A latency counts
        from the moment when the action was due."""
        [load] = await self.stages([Stage(seconds=seconds, rate=rate)], seed=seed, warmup=warmup)
        return load

    async def stages(self, stages: Sequence[Stage], *, seed: int = 0, warmup: float = 0.0) -> tuple[Load, ...]:
        """The same at rates that follow each other without a pause. One Load for each, by when actions were due."""
        return await self.do(Open(stages=tuple(stages), seed=seed, warmup=warmup))

    async def ramp(
        self, *, low: float, high: float, seconds: float, count: int = 0, seed: int = 0, warmup: float = 0.0
    ) -> tuple[Load, ...]:
        """The same at a rate that changes: evenly, as one Load whose `course` shows each second; or in `count` steps,
        as a Load for each."""
        even = (Stage(seconds=seconds, rate=low, until=high),)
        stair = steps(low, high, seconds=seconds, count=count) if count else even
        return await self.stages(stair, seed=seed, warmup=warmup)

    async def closed(
        self, *, visitors: int, seconds: float, seed: int = 0, warmup: float = 0.0,
        think: tuple[float, float] | None = None,
    ) -> Load:
        """A fixed number of visitors, who think between two actions (None: as long as the scenario says). A latency
        counts from the start of the action, so that waiting in line is not seen: see `open` for that."""
        [load] = await self.do(Closed(visitors=visitors, seconds=seconds, seed=seed, warmup=warmup, think=think))
        return load

    async def do(self, work: Work) -> tuple[Load, ...]:
        """One load. Where nobody waits for it any more, it ends at once."""
        async with self.alone:
            process = self.process or await self.started()
            try:
                return (await asked(process, work)).loads
            except BaseException:
                await self.end()
                raise

    async def started(self) -> asyncio.subprocess.Process:
        """Start the process. It ends when its standard input does, and takes no signals of the terminal."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "craton.lab.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            limit=ANSWER, start_new_session=True,
        )
        try:
            report = await asked(self.process, self.opening)
        except BaseException:
            await self.end()
            raise
        if report.problem:
            await self.end()
            raise SettingsError(report.problem)
        return self.process

    async def end(self) -> None:
        """End the process, whatever it does."""
        process, self.process = self.process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await asyncio.shield(process.communicate())


async def asked(process: asyncio.subprocess.Process, line: msgspec.Struct) -> Report:
    """Send a line, and wait for its answer."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(msgspec.json.encode(line) + b"\n")
    if answer := await process.stdout.readline():
        return msgspec.json.decode(answer, type=Report)
    raise Broken(f"the load generator ended: {await process.wait()}. What it wrote last says why.")
