"""The steps of a saga that are jobs of tasks: stored with the journal, awaited side by side, cancelled together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from craton.errors import Misuse
from craton.failpoints import reach
from craton.sagas.arrivals import JOBS, awaited
from craton.sagas.journal import Entry
from craton.sagas.saga import Bound
from craton.sagas.tasks import Ended, Tasks, answer_to
from craton.sagas.window import Window, away
from craton.task import Task

CANCELLED = "cancelled"
"""How the error of a step begins whose job was cancelled."""
Started = Mapping[int, tuple[Bound, Entry]]
"""Steps whose jobs are stored."""


class JobSteps(Window):
    """A window that can wait for jobs. A step that waits is "asked", and its `answer` holds the id of its job."""

    def job(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """A task with its input."""
        if self.tasks is None:
            raise Misuse(f"{task.name} is none of the tasks of {self.module}, which has none: see Module(tasks=...).")
        return self.tasks.bound(task, args, kwargs)

    async def store_jobs(self, steps: Started) -> None:
        """Store the jobs of steps that have none, in the open transaction, with the journal's entries."""
        for step, (call, entry) in steps.items():
            if entry.answer is None:
                task = self.known_tasks.tasks[call.endpoint.method.name]
                unit = await self.window()
                with away():
                    input, told = call.arguments.input, f"{self.record.id}:{step}"  # type: ignore[attr-defined]
                    entry.answer = (await self.known_tasks.jobs.add(unit, task, input, saga=told)).encode()
                self.note(step, entry)
        if steps:
            reach("W18")

    @property
    def known_tasks(self) -> Tasks:
        """The module's tasks, where there are any."""
        assert self.tasks is not None, "only a module with tasks has steps that are jobs"
        return self.tasks

    async def end_jobs(self, steps: Started, *, failing: bool) -> None:
        """Until the jobs of all steps have ended; where one of them fails, or something beside them, the others are
        cancelled, and their ends awaited. While it waits, the saga is put down."""
        stopped = False
        while True:
            await self.flush()
            with away():
                alarm = await self.arrivals.latest(self.alarm)
            if not (left := await self.look_for_ends(steps)):
                reach("W17")
                return
            if not stopped and (failing or any(entry.status in ("failed", "fault") for _, entry in steps.values())):
                await self.cancel_jobs(left)
                stopped = True
                continue
            await self.wait_for_jobs(left, alarm)

    async def look_for_ends(self, steps: Started) -> dict[int, str]:
        """Close the steps whose jobs have ended; the jobs of the others."""
        asked = {step: (entry.answer or b"").decode() for step, (_, entry) in steps.items() if entry.status == "asked"}
        with away():
            found = await self.arrivals.told(list(asked.values()))
        for step, job in asked.items():
            if job in found:
                call, entry = steps[step]
                answer = answer_to(call.endpoint, msgspec.json.decode(found[job], type=Ended))
                entry.status, entry.answer, entry.type = answer.status, answer.body, answer.type
                self.note(step, entry)
        return {step: job for step, job in asked.items() if job not in found}

    async def cancel_jobs(self, jobs: Mapping[int, str]) -> None:
        """Cancel jobs that nobody needs any more."""
        reach("W16")
        unit = await self.window()
        with away():
            for job in jobs.values():
                await self.known_tasks.jobs.cancel(unit, job)

    async def wait_for_jobs(self, jobs: Mapping[int, str], alarm: str) -> None:
        """Put the saga down until its last job has ended, which so mostly is the last to end, or one has failed."""
        last = max(jobs)
        waits = awaited(JOBS, f"{self.record.id}:{last}")
        with away():
            latest = await self.arrivals.latest(waits)
        if latest != jobs[last]:
            await self.put_down(None, awaits=waits, latest={waits: latest, self.alarm: alarm})

    @property
    def alarm(self) -> str:
        """Where ends are told that are no success."""
        return awaited(JOBS, self.record.id)


def first_error(failures: Sequence[tuple[Exception, Entry]]) -> Exception:
    """What a gather raises: the first error in the order of its steps, but for those that only came of another."""
    causes = [error for error, entry in failures if not (entry.type or "").startswith(CANCELLED)]
    return (causes or [error for error, _ in failures])[0]
