"""A worker does jobs on its loop and in child processes, stops them when it is told to, and tells how they end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from craton.calls.context import context
from craton.data.store import transact
from craton.data.tables import tables_of
from craton.testing.start import calling, start
from tests.tasks.mill.application import mill
from tests.tasks.mill.contract import Grain
from tests.tasks.yard import Yard, lives
from tests.until import until

BOTH = pytest.mark.parametrize("task", ["grind", "crush"])
"""On the loop, and in a child process."""
LEASE = 2.0


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    """The mill, and one worker with two slots."""
    environ = {"CRATON_JOB_LEASE": str(LEASE)}
    async with start(mill, data=tmp_path / "data", environ=environ) as running:
        yield Yard(running, tmp_path)


# ---------------------------------------------------------------------- how jobs end


async def test_a_handler_is_given_its_input_its_job_and_its_settings_and_gives_its_result(yard: Yard) -> None:
    ground, crushed = await yard.do("grind"), await yard.do("crush")
    assert (ground.state, ground.attempt, json.loads(ground.result or "")["weight"]) == ("done", 1, 1)
    assert (crushed.state, json.loads(crushed.result or "")["weight"]) == ("done", 9)  # as topology.toml says


@BOTH
async def test_the_next_attempt_finds_the_checkpoint_of_one_that_failed(yard: Yard, task: str) -> None:
    ended = await yard.do(task, "resume")  # in the child, the process kills itself
    assert (ended.state, ended.attempt, json.loads(ended.result or "")["weight"]) == ("done", 2, 42)


@BOTH
async def test_what_a_handler_raises_is_tried_again_and_a_fault_is_not(yard: Yard, task: str) -> None:
    broken, spoilt = await yard.do(task, "break"), await yard.do(task, "spoil")
    assert (broken.state, broken.attempt > 1, broken.code, broken.error) == (
        "failed", True, "ValueError", "a stone is broken",
    )
    assert (spoilt.state, spoilt.attempt, spoilt.code) == ("failed", 1, "Spoilt")


async def test_a_handler_may_ask_for_another_attempt(yard: Yard) -> None:
    ended = await yard.do("grind", "later")
    assert (ended.state, ended.attempt) == ("done", 2)


async def test_a_child_that_exits_fails_its_job_and_the_next_job_has_another_child(yard: Yard) -> None:
    ended = await yard.do("crush", "exit")
    assert (ended.state, ended.code) == ("failed", "exit")
    assert (await yard.do("crush")).state == "done"


async def test_a_time_limit_kills_the_child_and_what_it_has_started_and_not_the_worker(yard: Yard) -> None:
    job = await yard.submit("snap", "program")
    program = int((await yard.sees("program")).split()[1])
    ended = await yard.ends(job)
    assert (ended.state, ended.code, ended.error) == ("failed", "timeout", "it took longer than 1 s")
    assert not lives(program)
    assert (await yard.do("grind")).state == "done"


# ---------------------------------------------------------------------- how they are stopped


async def test_a_cancelled_job_is_stopped_on_the_loop(yard: Yard) -> None:
    job = await yard.submit("grind", "stubborn")
    await yard.sees("grind begins")
    await yard.cancel(job)
    assert (await yard.ends(job)).state == "cancelled"
    assert yard.marks[-1] == "stopped"


async def test_a_cancelled_job_is_killed_in_its_child_with_what_it_has_started(yard: Yard) -> None:
    job = await yard.submit("crush", "program")
    child, program = int((await yard.sees("crush")).split()[2]), int((await yard.sees("program")).split()[1])
    await yard.cancel(job)
    assert (await yard.ends(job)).state == "cancelled"
    assert not lives(child) and not lives(program)


async def test_a_worker_that_stops_gives_back_what_it_has_without_using_an_attempt_up(yard: Yard) -> None:
    job = await yard.submit("grind", seconds=0.4)
    await yard.sees("grind begins")
    await yard.running.close("stones")
    assert (await yard.status(job)).state == "queued"
    await yard.running.open("stones")
    assert (await yard.ends(job)).state == "done"
    assert yard.marks.count("grind ends") == 1


async def test_a_worker_whose_controller_is_away_tells_it_how_a_job_ended_when_it_is_back(yard: Yard) -> None:
    job = await yard.submit("grind", seconds=0.4)
    await yard.sees("grind begins")
    await yard.running.close("mill")
    await yard.sees("grind ends")
    await yard.running.open("mill")
    ended = await Yard(yard.running, yard.file.parent).ends(job)
    assert (ended.state, ended.attempt, yard.marks) == ("done", 1, ["grind begins 1", "grind ends"])


# ---------------------------------------------------------------------- what they leave behind


async def test_what_an_attempt_made_is_removed_where_it_failed_and_kept_where_it_was_done(yard: Yard) -> None:
    await yard.do("store", "break")
    done = await yard.do("store")
    blobs = yard.running.processes["mill"].blobs
    folder = json.loads(done.result or "")["how"]
    assert [blob.path for blob in await blobs.list()] == [f"{folder}/flour.bin"]


async def test_a_job_that_is_taken_from_its_worker_is_stopped_there_and_its_files_are_removed(yard: Yard) -> None:
    job = await yard.submit("store", seconds=20)
    folder = await yard.sees("mill/")
    await take_away(yard, job)
    again = await yard.sees(folder.rpartition("/")[0] + "/2-")
    blobs = yard.running.processes["mill"].blobs
    await until(lambda: not Path(f"{blobs.folder}/{folder}").exists(), seconds=30)  # type: ignore[attr-defined]
    assert [blob.path for blob in await blobs.list()] == [f"{again}/flour.bin"]
    await yard.cancel(job)


async def take_away(yard: Yard, job: str) -> None:
    """Do what a controller does that has not heard of a worker for too long."""
    table, store = tables_of("mill").job, yard.running.processes["mill"].store
    changed = update(table).where(table.c.id == job).values(state="queued", fence=table.c.fence + 1)
    with context():
        await transact(store, "mill", lambda unit: unit.execute("mill", changed))


# ---------------------------------------------------------------------- slots


async def test_a_job_heavier_than_all_slots_is_done_alone(yard: Yard) -> None:
    jobs = [await yard.submit(task, seconds=0.1) for task in ("grind", "heavy", "grind", "heavy", "grind")]
    for job in jobs:
        assert (await yard.ends(job)).state == "done"
    for at, mark in enumerate(yard.marks):
        assert mark != "heavy begins" or yard.marks[at + 1] == "heavy ends"


async def test_one_pool_does_the_jobs_of_several_services_and_never_more_than_it_has_slots(tmp_path: Path) -> None:
    async with start(mill, topology="microservices", link="wire") as running:
        yard = Yard(running, tmp_path)
        jobs = [await yard.submit("grind", seconds=0.5) for _ in range(2)]
        await until(lambda: len(yard.marks) == 2)
        for _ in range(3):  # the bakery was asked when there was room
            with calling():
                jobs.append(await yard.bakery.bake(Grain(seconds=0.05, marks=str(yard.file))))
            jobs.append(await yard.submit("grind", seconds=0.05))
        for job in jobs:
            assert (await yard.ends(job)).state == "done"
        assert len(yard.marks) == 2 * len(jobs) and most_at_once(yard.marks) == 2


def most_at_once(marks: list[str]) -> int:
    """How many jobs ran at the same time at most."""
    now = most = 0
    for mark in marks:
        now += 1 if "begins" in mark else -1
        most = max(most, now)
    return most
