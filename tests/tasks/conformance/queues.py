"""What every queue of jobs does, whether or not a broker rings for it. A broker's own file of tests gives the place."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import msgspec
import pytest
from sqlalchemy import update

from craton.data.store import Unit, transact
from craton.data.tables import tables_of
from craton.pools import Pool
from craton.task import JobStatus
from craton.tasks import messages, ringing
from craton.tasks.doorbell import Doorbell, doorbell_at
from craton.tasks.messages import Requested, Take
from craton.testing.start import Running, start
from craton.topology import Service, Topology
from tests.tasks.conformance.yard import BEGUN, STOPPED, Hauled, Load, Yard, yard
from tests.until import until

ENDED = ("done", "failed", "cancelled", "expired")
NAMES = (f"load-{number}" for number in itertools.count())
TOPOLOGY = Topology("monolith", (Service("all", ("yard",)),), workers=(
    Pool("carts", ("yard",), slots=4), Pool("barrows", ("yard", "pit"), slots=2),
))


class Place(Protocol):
    """What a queue is made of."""

    database: str | None
    broker: str | None


@pytest.fixture
async def queue(place: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queue]:
    """The yard, with two pools of workers."""
    monkeypatch.setattr(ringing, "AGAIN", 1.0)
    environ = {"CRATON_JOB_LEASE": "2"}
    running = start(yard, topology=TOPOLOGY, database=place.database, broker=place.broker, environ=environ)
    async with running as found:
        yield Queue(found)


class Queue:
    """The yard, and what tests ask of it."""

    def __init__(self, running: Running) -> None:
        self.running, self.yard = running, running.get(Yard)

    @property
    def controller(self) -> Any:
        """What gives out jobs."""
        return self.running.processes["all"].controllers["yard"]

    async def submit(self, how: str = "", *, task: str = "haul", seconds: float = 0.0, **options: Any) -> Submitted:
        """Submit a job for a load that nobody has seen before."""
        name = next(NAMES)
        return Submitted(self, name, await self.yard.submit(task, Load(name, how, seconds), **options))

    async def thief(self, job: str) -> Requested | None:
        """A worker that takes a job and is never heard of again; None when another was faster."""
        taken = await self.controller.take(Take(worker="thief", jobs=(job,)))
        return taken[0] if taken else None

    async def stop(self) -> None:
        """Nobody works any more."""
        for name in ("carts", "barrows"):
            await self.running.close(name)

    async def go_on(self) -> None:
        """They work again."""
        for name in ("carts", "barrows"):
            await self.running.open(name)

    async def hears(self, *wanted: str) -> None:
        """Wait until just this was heard of, in any order."""
        async def told() -> bool:
            return sorted(await self.yard.heard()) == sorted(wanted)

        await eventually(told)


class Submitted:
    """A job of a test."""

    def __init__(self, queue: Queue, name: str, id: str) -> None:
        self.queue, self.name, self.id = queue, name, id

    @property
    def begun(self) -> int:
        """How often work on it was begun."""
        return BEGUN[self.name]

    async def status(self) -> JobStatus:
        """How it is."""
        found = await self.queue.yard.status(self.id)
        assert found is not None
        return found

    async def ended(self) -> JobStatus:
        """Wait for its end."""
        async def told() -> bool:
            return (await self.status()).state in ENDED

        await eventually(told)
        return await self.status()

    async def works(self) -> None:
        """Wait until somebody works on it."""
        await until(lambda: self.begun > 0, seconds=30)


class QueueConformance:
    """What every queue does."""

    async def test_a_job_is_done_and_its_result_is_told(self, queue: Queue) -> None:
        job = await queue.submit()
        status = await job.ended()
        assert (status.state, status.attempt, job.begun) == ("done", 1, 1)
        assert msgspec.json.decode(status.result or "", type=Hauled) == Hauled(job.name, 1)
        await queue.hears(f"hauled {job.name}")

    async def test_many_jobs_are_each_done_once(self, queue: Queue) -> None:
        loads = tuple(Load(next(NAMES)) for _ in range(60))
        await queue.yard.submit_all("haul", loads)
        await queue.hears(*(f"hauled {load.name}" for load in loads))
        assert [BEGUN[load.name] for load in loads] == [1] * 60

    async def test_each_pool_does_only_what_is_in_its_queues(self, queue: Queue) -> None:
        await queue.running.close("barrows")
        dug, hauled = await queue.submit(task="dig"), await queue.submit()
        assert (await hauled.ended()).state == "done"
        assert ((await dug.status()).state, dug.begun) == ("queued", 0)
        await queue.running.open("barrows")
        assert (await dug.ended()).state == "done"

    async def test_what_fails_is_tried_again_and_then_given_up(self, queue: Queue) -> None:
        stumbles, breaks = await queue.submit("stumble"), await queue.submit("break")
        assert ((await stumbles.ended()).state, stumbles.begun) == ("done", 2)
        status = await breaks.ended()
        assert (status.state, status.attempt, breaks.begun) == ("failed", 3, 3) and "axle" in status.error
        await queue.hears(f"hauled {stumbles.name}", "failed yard.haul")

    async def test_a_fault_is_a_final_answer(self, queue: Queue) -> None:
        job = await queue.submit("drop")
        assert ((await job.ended()).state, job.begun) == ("failed", 1)

    async def test_what_asks_for_another_attempt_is_given_one(self, queue: Queue) -> None:
        job = await queue.submit("later")
        assert ((await job.ended()).attempt, job.begun) == (2, 2)

    async def test_the_next_attempt_goes_on_from_the_checkpoint(self, queue: Queue) -> None:
        job = await queue.submit("resume")
        assert ((await job.ended()).state, job.begun) == ("done", 2)

    async def test_a_job_for_later_is_not_begun_before(self, queue: Queue) -> None:
        later = await queue.submit(delay=60.0)
        assert (await (await queue.submit()).ended()).state == "done"
        assert ((await later.status()).state, later.begun) == ("queued", 0)
        await self.pass_time(queue, later)
        assert ((await later.ended()).state, later.begun) == ("done", 1)

    async def pass_time(self, queue: Queue, job: Submitted) -> None:
        """Let a minute pass for a job."""
        table, store = tables_of("yard").job, queue.running.processes["all"].store
        change = update(table).where(table.c.id == job.id).values(due=table.c.due - 60)

        async def body(unit: Unit) -> None:
            await unit.execute("yard", change)

        await transact(store, "yard", body)

    async def test_a_unique_job_is_there_once_until_it_ends(self, queue: Queue) -> None:
        first = await queue.submit(seconds=0.3, unique="one")
        second = await queue.submit(unique="one")
        assert first.id == second.id
        await first.ended()
        third = await queue.submit(unique="one")
        assert third.id != first.id and (await third.ended()).state == "done"

    async def test_a_job_cancelled_before_it_begins_never_does(self, queue: Queue) -> None:
        await queue.stop()
        job, other = await queue.submit(), await queue.submit()
        assert await queue.yard.cancel(job.id)
        await queue.go_on()
        assert (await other.ended()).state == "done"
        assert ((await job.status()).state, job.begun) == ("cancelled", 0)

    async def test_cancelling_reaches_a_running_worker(self, queue: Queue) -> None:
        job = await queue.submit(seconds=60)
        await job.works()
        assert await queue.yard.cancel(job.id)
        assert (await job.ended()).state == "cancelled"
        assert (STOPPED[job.name], job.begun) == (1, 1)

    async def test_what_a_silent_worker_held_is_given_to_another_and_its_late_result_refused(
        self, queue: Queue
    ) -> None:
        await queue.stop()
        job = await queue.submit()
        held = await queue.thief(job.id)
        assert held is not None
        await queue.go_on()
        status = await job.ended()
        assert (status.state, status.attempt, job.begun) == ("done", 2, 1)
        said = messages.Succeeded(msgspec.Raw(msgspec.json.encode(Hauled(job.name, 99))))
        late = messages.report(held, messages.SUCCEEDED, said, worker="thief")
        assert await queue.controller.report([late]) == ["refused"]
        await queue.hears(f"hauled {job.name}")

    async def test_what_runs_when_its_worker_stops_is_given_back_and_no_attempt_used_up(self, queue: Queue) -> None:
        job = await queue.submit(task="once", seconds=1.0)
        await job.works()
        await queue.stop()
        assert (await job.status()).state == "queued"
        await queue.go_on()
        assert ((await job.ended()).state, job.begun) == ("done", 2)

    async def test_jobs_submitted_while_nobody_works_wait(self, queue: Queue) -> None:
        await queue.stop()
        jobs = [await queue.submit() for _ in range(5)]
        await queue.go_on()
        for job in jobs:
            assert ((await job.ended()).state, job.begun) == ("done", 1)


class Away(Place, Protocol):
    """A place whose broker can be away."""

    async def away(self) -> None:
        """From now on nobody reaches the broker."""
        ...

    async def again(self) -> None:
        """Everybody does."""
        ...

    async def delete(self, queue: str) -> None:
        """An operator deletes a queue of jobs, and the rings in it."""
        ...


class RungQueueConformance(QueueConformance):
    """What a queue does besides, whose jobs a broker rings for."""

    async def test_jobs_submitted_while_the_broker_is_away_are_done_when_it_is_back(
        self, queue: Queue, place: Away
    ) -> None:
        assert (await (await queue.submit()).ended()).state == "done"
        await place.away()
        jobs = [await queue.submit() for _ in range(5)]
        await asyncio.sleep(0.5)
        await place.again()
        for job in jobs:
            assert ((await job.ended()).state, job.begun) == ("done", 1)

    async def test_what_runs_while_the_broker_goes_away_is_told_of_all_the_same(
        self, queue: Queue, place: Away
    ) -> None:
        job = await queue.submit(seconds=1.0)
        await job.works()
        await place.away()
        assert ((await job.ended()).state, job.begun) == ("done", 1)
        await place.again()

    async def test_jobs_whose_rings_were_lost_ring_again(self, queue: Queue, place: Away) -> None:
        await queue.stop()
        jobs = [await queue.submit() for _ in range(3)]
        await self.rung(queue, jobs)
        await place.delete("yard")
        await queue.go_on()
        for job in jobs:
            assert ((await job.ended()).state, job.begun) == ("done", 1)

    async def rung(self, queue: Queue, jobs: list[Submitted]) -> None:
        """Wait until the broker knows of jobs."""
        table, store = tables_of("yard").job, queue.running.processes["all"].store
        unrung = table.select().where(table.c.id.in_([job.id for job in jobs]), table.c.rung.is_(None))

        async def known() -> bool:
            return not (await store.read("yard", unrung)).all()

        await eventually(known)

    async def test_jobs_that_ring_twice_are_done_once(self, queue: Queue, place: Place) -> None:
        await queue.stop()
        jobs = [await queue.submit() for _ in range(3)]
        async with doorbell(place) as bell:
            rows = await self.rows(queue, jobs)
            for _ in range(2):
                await bell.ring("yard", [messages.encode(queue.controller.form.bell(row)) for row in rows])
        await queue.go_on()
        await queue.hears(*(f"hauled {job.name}" for job in jobs))
        await asyncio.sleep(0.5)
        assert [job.begun for job in jobs] == [1, 1, 1]

    async def rows(self, queue: Queue, jobs: list[Submitted]) -> Any:
        """The rows of jobs."""
        table, store = tables_of("yard").job, queue.running.processes["all"].store
        return (await store.read("yard", table.select().where(table.c.id.in_([job.id for job in jobs])))).all()

    async def test_a_ring_that_nobody_can_read_harms_nobody_and_lies_with_the_dead_letters(
        self, queue: Queue, place: Place
    ) -> None:
        strange = messages.ENCODER.encode({"id": "e-1", "type": "strange", "taskid": "job-1", "taskqueue": "yard"})
        async with doorbell(place) as bell:
            await bell.ring("yard", [strange])
            assert (await (await queue.submit()).ended()).state == "done"

            async def redriven() -> bool:
                return (await bell.redrive()).moved == 1

            await eventually(redriven)


async def eventually(true: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as it is true; TimeoutError when it is not in half a minute."""
    async with asyncio.timeout(30):
        while not await true():  # noqa: ASYNC110 - it happens in a database, or at a broker
            await asyncio.sleep(0.03)


def doorbell(place: Place) -> Doorbell:
    """The yard's doorbell."""
    assert place.broker
    return doorbell_at(place.broker, application="yard")
