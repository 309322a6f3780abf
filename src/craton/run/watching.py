"""`craton jobs watch`: what workers do now, with a bar for how far each job is."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import environ as ENVIRON
from typing import TextIO

from craton.errors import NotRun
from craton.run.desk import Question, door, table
from craton.run.operating import Operator
from craton.run.operator import JobCount
from craton.task import JobStatus

PAUSE = 0.5
"""Seconds between two looks."""
WIDTH, HEIGHT = 24, 40
"""Of a bar, in letters; and how many jobs are shown where no terminal says how many lines it has."""
EIGHTHS = "▏▎▍▌▋▊▉"
COUNTED = ("queued", "leased", "done", "failed", "cancelled", "expired")


async def watch(
    question: Question, *, until_idle: bool = False, environ: Mapping[str, str] = ENVIRON, out: TextIO | None = None,
) -> None:
    """Show it until Ctrl-C; or, `until_idle`, until no job is open. In a terminal the picture is drawn anew each time,
    else only what has changed is printed."""
    screen = Screen(out or sys.stdout)
    async with door(question, environ) as process:
        operator, away = Operator(process), False
        while True:
            try:
                counts, jobs = await look(operator, question.task)
            except NotRun as error:
                if not away:
                    screen.note(f"{error}; still trying")
                away = True
            else:
                away = False
                screen.show(picture(counts, jobs, lines=screen.lines))
                if until_idle and not any(count.queued or count.leased for count in counts):
                    return
            await asyncio.sleep(PAUSE)


async def look(operator: Operator, task: str) -> tuple[list[JobCount], list[JobStatus]]:
    """How many jobs there are, and those that workers have, the eldest first."""
    counts = [count for count in await operator.job_counts() if task in ("", count.task)]
    jobs = await operator.jobs("leased", task=task, limit=1000)
    return sorted(counts, key=lambda count: count.task), sorted(jobs, key=lambda job: job.created)


def picture(counts: Sequence[JobCount], jobs: Sequence[JobStatus], *, lines: int = HEIGHT) -> list[str]:
    """What is shown, line by line; not more than `lines`."""
    if not counts:
        return ["no jobs yet"]
    rows = [[count.task, *(str(getattr(count, state)) for state in COUNTED)] for count in counts]
    shown = table(["TASK", *(state.upper() for state in COUNTED)], rows).splitlines()
    room = max(1, lines - len(shown) - 3)
    bars = [
        [bar(job.progress), f"{job.progress:4.0%}", job.task, str(job.attempt), job.worker, job.id, age(job)]
        for job in jobs[:room]
    ]
    head = ["PROGRESS", "", "TASK", "ATTEMPT", "WORKER", "ID", "HEARD OF"]
    shown += ["", *table(head, bars).splitlines()] if bars else []
    return [*shown, f"and {len(jobs) - room} more"] if len(jobs) > room else shown


def bar(share: float) -> str:
    """A share of 1 as a bar."""
    eighths = round(min(1.0, max(0.0, share)) * WIDTH * 8)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (EIGHTHS[rest - 1] if rest else "")
    return f"[{drawn:<{WIDTH}}]"


def age(job: JobStatus) -> str:
    """How long ago something was heard of a job."""
    return f"{max(0.0, (datetime.now(UTC) - job.updated).total_seconds()):.0f} s ago"


class Screen:
    """Where the picture is drawn."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.terminal = out, out.isatty()
        self.drawn: list[str] = []

    @property
    def lines(self) -> int:
        """How many it has."""
        return shutil.get_terminal_size((120, HEIGHT)).lines if self.terminal else HEIGHT

    def show(self, picture: Sequence[str]) -> None:
        """Draw a picture over the one before."""
        if self.terminal:
            width = shutil.get_terminal_size((120, HEIGHT)).columns
            back = f"\x1b[{len(self.drawn)}A" if self.drawn else ""
            self.drawn = [line[: width - 1] for line in picture]
            self.out.write(back + "\x1b[J" + "".join(f"{line}\n" for line in self.drawn))
        else:
            self.out.write("".join(f"{line}\n" for line in picture if line and line not in self.drawn))
            self.drawn = list(picture)
        self.out.flush()

    def note(self, text: str) -> None:
        """Say something beneath the picture."""
        self.drawn = []
        sys.stderr.write(f"craton: {text}\n")
