"""A controller: the jobs of one module in one process, given to workers, and looked after until each has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

from craton.calls.context import CONTEXT, Context
from craton.data.store import Store
from craton.errors import SettingsError
from craton.messages.events import Events
from craton.messages.told import Told
from craton.sources import Ids
from craton.task import Task
from craton.tasks.claims import Claims
from craton.tasks.cleaning import JobCleaner
from craton.tasks.doorbell import Doorbell
from craton.tasks.ends import Ends
from craton.tasks.jobs import Jobs
from craton.tasks.messages import Report, Requested, Take, Verdict
from craton.tasks.operations import Operations
from craton.tasks.recurring import Recurring
from craton.tasks.reports import Reports
from craton.tasks.requests import Form
from craton.tasks.ringing import Ringing
from craton.tasks.settling import Settling
from craton.tasks.tasks import Tasks
from craton.tasks.tending import Tending

LEASE = 25.0
"""Seconds after which a worker that is silent has lost its jobs: with the look for them, less than half a minute."""
VARIABLE = "CRATON_JOB_LEASE"
PULSE = 0.5
"""Seconds between two looks for what is to be tended."""
CLEANING = 600.0
"""Seconds between two looks for jobs that are old enough to be forgotten."""
RETENTION = 14 * 86400.0
"""Seconds for which jobs that ended are kept."""


def lease_of(environ: Mapping[str, str]) -> float:
    """The seconds of a lease that these variables ask for."""
    text = environ.get(VARIABLE, "")
    try:
        seconds = float(text or LEASE)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400:
        raise SettingsError(f"{VARIABLE} is {text!r}: write a number of seconds, 1 at least, such as 25.")
    return seconds


class Controller:
    """See `Control`. Any number of processes may run one for the same module. An async context manager.

    `tasks`: those of the module. `wake_sagas`: called when a saga was told of a job. `lease`, and `retention` of jobs
    that ended: seconds. `doorbell`: that of a broker, where workers listen there.
    """

    def __init__(
        self, store: Store, module: str, tasks: Sequence[Task[Any, Any]],
        *, application: str, events: Events, ids: Ids, wake_sagas: Callable[[], None], lease: float = LEASE,
        retention: float = RETENTION, doorbell: Doorbell | None = None,
    ) -> None:
        named = {task.name: task for task in tasks}
        self.store, self.module, self.named = store, module, named
        self.form = Form(application, module, named, lease=lease)
        self.ends = Ends(store, module, named, events=events, wake=wake_sagas)
        self.settling = Settling(store, module, ends=self.ends, lease=lease)
        self.claims = Claims(store, module, named, form=self.form, lease=lease)
        self.reports = Reports(store, module, named, settling=self.settling)
        self.tending = Tending(store, module, named, settling=self.settling, lease=lease)
        self.jobs = Jobs(store, module, ids=ids, ends=self.ends, claims=self.claims, wake=self.wake)
        self.tasks = Tasks(self.jobs, named)
        self.recurring = Recurring(store, module, named, jobs=self.jobs)
        self.cleaner = JobCleaner(store, module, retention=retention)
        self.operations = Operations(store, module, jobs=self.jobs)
        self.ringing: Ringing | None = None
        if doorbell is not None:
            self.ringing = Ringing(store, module, named, form=self.form, doorbell=doorbell, claims=self.claims)
            self.claims.tell = self.ringing.taken
        self.told, self.stack = Told(f"{module}: jobs could not be looked after"), AsyncExitStack()

    def wake(self) -> None:
        """A job was stored, or given back."""
        self.claims.wake()
        if self.ringing:
            self.ringing.wake()

    async def take(self, asked: Take) -> list[Requested]:
        """See `Control.take`."""
        return await self.claims.take(asked)

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """See `Control.report`."""
        return await self.reports.report(reports)

    async def tend(self) -> None:
        """For ever: look after what nobody reports of."""
        CONTEXT.set(Context())
        loop, cleaned = asyncio.get_running_loop(), 0.0
        while True:
            try:
                if await self.tending.tend() + await self.recurring.tend():
                    self.wake()
                if loop.time() - cleaned > CLEANING:
                    cleaned = loop.time()
                    await self.cleaner.clean()
                self.told.good()
            except Exception as error:  # the database may be away for a while
                self.told.bad(error)
            await asyncio.sleep(PULSE)

    async def __aenter__(self) -> Self:
        works = [self.claims.run, self.reports.run, self.tend, *([self.ringing.run] if self.ringing else [])]
        for work in works:
            task = asyncio.get_running_loop().create_task(work(), name=f"{self.module} jobs")
            self.stack.push_async_callback(ended, task)
        self.stack.push_async_callback(self.claims.close)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.aclose()


async def ended(task: asyncio.Task[Any]) -> None:
    """Stop a task, and wait until it has stopped."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
