"""Pools of workers as processes: killed, frozen, stopped, and added by hand while jobs run."""

from __future__ import annotations

import asyncio
import io
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from craton.run.desk import Question, answer
from craton.run.watching import watch
from craton.testing.processes import Processes, start_processes
from tests.run.running import craton
from tests.tasks.yard import Yard, lives
from tests.until import until

PACKAGE = "tests.tasks.mill"
POOL = ("stones.1", "stones.2")


@pytest.fixture
async def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Yard]:
    """The mill with two workers of two slots each, whose leases are short."""
    monkeypatch.setenv("CRATON_JOB_LEASE", "2")
    monkeypatch.setenv("CRATON_WORKER_GRACE", "0.2")
    async with start_processes(PACKAGE, topology="pooled", data=tmp_path / "data") as running:
        yield Yard(running, tmp_path)


def processes(yard: Yard) -> Processes:
    """What runs."""
    assert isinstance(yard.running, Processes)
    return yard.running


async def worker_of(yard: Yard, job: str) -> str:
    """The process of the worker that has a job."""
    name = (await yard.becomes(job, "leased")).worker  # "stones-1-5b7b"
    return ".".join(name.split("-")[:2])


async def test_the_job_of_a_worker_that_was_killed_is_done_by_another_and_nothing_is_left_of_it(yard: Yard) -> None:
    job = await yard.submit("crush", "program")
    child, program = int((await yard.sees("crush 1")).split()[2]), int((await yard.sees("program")).split()[1])
    processes(yard).kill(await worker_of(yard, job))
    await until(lambda: not lives(child) and not lives(program), seconds=10)
    await yard.sees("crush 2")
    await yard.cancel(job)
    assert (await yard.ends(job)).state == "cancelled"


@pytest.mark.chaos
async def test_a_worker_that_was_frozen_past_its_lease_is_refused_and_its_files_are_never_seen(yard: Yard) -> None:
    job = await yard.submit("store", seconds=4)
    first = await yard.sees("mill/")
    frozen = await worker_of(yard, job)
    processes(yard).kill(frozen, with_signal=signal.SIGSTOP)
    second = await yard.sees(first.rpartition("/")[0] + "/2-")
    processes(yard).kill(frozen, with_signal=signal.SIGCONT)
    ended = await yard.ends(job)
    assert (ended.state, ended.attempt, json.loads(ended.result or "")["how"]) == ("done", 2, second)
    blobs = processes(yard).plan.folder.path / "blobs"
    await until(lambda: not (blobs / first).exists(), seconds=20)
    assert (blobs / second / "flour.bin").read_bytes() == b"flour"


@pytest.mark.chaos
async def test_a_worker_that_is_asked_to_stop_gives_its_job_back_at_once_and_no_attempt_is_used_up(yard: Yard) -> None:
    job = await yard.submit("grind", seconds=3)
    await yard.sees("grind begins")
    processes(yard).kill(await worker_of(yard, job), with_signal=signal.SIGTERM)
    await until(lambda: len(yard.marks) >= 2, seconds=20)
    assert (await yard.ends(job)).state == "done"
    assert [mark.split()[:2] for mark in yard.marks].count(["grind", "ends"]) == 1


async def test_jobs_are_listed_shown_watched_cancelled_and_retried_and_a_worker_is_added_by_hand(yard: Yard) -> None:
    data = processes(yard).plan.folder.path
    done, broken = await yard.do("grind"), await yard.do("crush", "break")
    running = await yard.submit("grind", "progress", seconds=20)
    await until(lambda: len(yard.marks) >= 5)

    async def asked(what: str, **question: str) -> str:
        found, away = await answer(Question(package=PACKAGE, what=what, data=data, **question))  # type: ignore[arg-type]
        assert not away
        return found

    listed = (await asked("list jobs")).splitlines()
    assert listed[0].split()[:5] == ["ID", "STATE", "TASK", "ATTEMPT", "PROGRESS"]
    assert [line.split()[1] for line in listed[1:]] == ["leased", "failed", "done"]
    assert done.id in await asked("list jobs", state="done", task="mill.grind")
    assert "a stone is broken" in await asked("show jobs", id=broken.id)
    out = io.StringIO()
    watching = asyncio.create_task(watch(Question(package=PACKAGE, what="", data=data), until_idle=True, out=out))
    await until(lambda: "25%" in out.getvalue(), seconds=20)
    assert "[██████                  ]   25%  mill.grind" in out.getvalue()
    assert await asked("retry jobs", id=broken.id) == "done"
    assert (await yard.ends(broken.id)).state == "failed"
    async with craton("worker", PACKAGE, "--pool", "stones", "--data", str(data)) as worker:
        await worker.says("ready: 2 slots for stones")
        for name in POOL:
            processes(yard).kill(name, with_signal=signal.SIGSTOP)
        try:
            assert (await yard.do("crush")).worker.startswith("stones-")
            assert await asked("cancel jobs", id=running) == "done"
        finally:
            for name in POOL:
                processes(yard).kill(name, with_signal=signal.SIGCONT)
        assert await worker.end(signal.SIGTERM) == 0
    assert (await yard.ends(running)).state == "cancelled"
    await asyncio.wait_for(watching, 20)
