"""Sides that are not measured rest meanwhile: what they do when nobody asks them would cost the one that is measured.

Idle, the store's ten services used 60 ms of a processor each second, and its monolith 35 (they look for sagas, events
and jobs, and answer for their health). A side rests as a whole: all its processes are stopped but its database, so that
nobody could take what another one holds a lease on; whoever wakes late finds out by its fence, as ever. The database
has nobody then who asks it anything, and goes on: should this program be killed, nothing of it would be left stopped.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from craton.errors import CratonError
from craton.lab.compare.bringing import PATIENCE, status_of
from craton.lab.compare.stand import Stand
from craton.lab.compare.standing import LOOK

CALM = 1.0
"""Seconds after which what has woken has done what it has been late for."""


@asynccontextmanager
async def alone(stand: Stand, among: Sequence[Stand]) -> AsyncIterator[None]:
    """Within an `async with` block only this one of several sides is awake. When it ends, all are again."""
    others = [other for other in among if other is not stand]
    try:
        for other in others:
            signal_all(other, signal.SIGSTOP)
        yield
    finally:
        for other in others:
            signal_all(other, signal.SIGCONT)
        await asyncio.gather(*(awake(other) for other in others))


async def awake(stand: Stand) -> None:
    """Wait until a side that has rested answers, and is calm."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (await asyncio.to_thread(status_of, stand.url)).isdigit():  # noqa: ASYNC110  # other processes
                await asyncio.sleep(LOOK)
    except TimeoutError as error:
        raise CratonError(f"{stand.name} did not come back after it had rested.") from error
    await asyncio.sleep(CALM)


def signal_all(stand: Stand, what: signal.Signals) -> None:
    """Signal every process of a side but those of its database."""
    for part in stand.parts():
        for pid in part.pids if part.kind != "database" else ():
            with suppress(ProcessLookupError):
                os.kill(pid, what)
