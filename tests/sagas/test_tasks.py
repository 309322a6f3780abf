"""Sagas whose steps are jobs: fan-out and fan-in, failures, crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import func, select

from craton import CallError, Fault
from craton.data.store import transact
from craton.data.tables import tables_of
from craton.failpoints import LISTENERS
from craton.sagas.sagas import SagaStatus, saga_id
from craton.testing.start import Running, calling, start, user
from tests.sagas.conftest import STRUCTURES, host
from tests.sagas.hand import Hand
from tests.sagas.press import BENCH, Archive, Press, Torn, workshop
from tests.until import until


@pytest.fixture(params=[STRUCTURES[0], STRUCTURES[-1]], ids=lambda s: "-".join(s))
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """The press, and the archive."""
    topology, link = request.param
    BENCH.clear()
    async with start(workshop, topology=topology, link=link) as running:
        yield running


async def status(running: Running, *states: str) -> SagaStatus:
    """The saga's status, once it is in one of these states, or ended."""
    found = None
    for _ in range(400):
        found = await running.door.saga("press", saga_id("1"), caller=user("ann", "admin"))
        if found is not None and found.state in (states or ("done", "fault", "failed", "parked")):
            return found
        await asyncio.sleep(0.025)
    raise AssertionError(f"it does not become {states}: {found}")


async def begin(running: Running, method: str, *arguments: object) -> None:
    """Begin a saga, and leave it to itself."""
    with calling(caller=user("ann", "admin"), key="1", timeout=0.2), suppress(CallError, Fault):
        await getattr(running.get(Press), method)(*arguments)


async def rest(running: Running) -> None:
    """Until the saga has been put down."""
    await status(running, "waiting")
    await until(lambda: host(running, "press").hosted["press"].sagas.ongoing == {})


async def count(running: Running, state: str) -> int:
    """How many jobs are in a state."""
    job = tables_of("press").job
    found = await host(running, "press").store.read("press", select(func.count()).where(job.c.state == state))
    return int(found.scalar_one())


@contextmanager
def crash(point: str) -> Iterator[list[str]]:
    """A saga dies at a failpoint, once; where it has."""
    seen = list[str]()

    def listener(name: str) -> None:
        if name == point and not seen:
            seen.append(name)
            raise asyncio.CancelledError

    LISTENERS.insert(0, listener)
    try:
        yield seen
    finally:
        LISTENERS.remove(listener)


# ---------------------------------------------------------------------- out and in


async def test_jobs_are_handed_out_together_and_their_results_come_in_order(shop: Running) -> None:
    hand = Hand(shop)
    await begin(shop, "book", "atlas", 5)
    jobs = await hand.take(5)
    await rest(shop)
    for job in (jobs[n] for n in (4, 0, 2, 3, 1)):
        assert await hand.succeed(job) == ["taken"]
    answer = (await status(shop)).answer
    assert answer == [{"number": n, "metal": "copper"} for n in range(5)]
    assert await shop.get(Press).notes() == ("begun atlas", "printed atlas")
    assert await shop.get(Archive).kept() == ("atlas",)


async def test_who_asked_for_the_saga_gets_its_answer(shop: Running) -> None:
    hand = Hand(shop)

    async def ask() -> str:
        with calling(caller=user("ann"), key="1", timeout=20):
            return await shop.get(Press).leaflet("hello")

    asking = asyncio.create_task(ask())
    await hand.succeed(*await hand.take(1))
    assert await asking == "copper"


async def test_a_saga_of_many_jobs_is_woken_a_few_times_only(shop: Running) -> None:
    hand, saga = Hand(shop), tables_of("press").saga
    await begin(shop, "book", "bible", 40)
    jobs = await hand.take(40)
    for job in jobs:
        await hand.succeed(job)
    assert (await status(shop)).state == "done"
    attempts = await host(shop, "press").store.read("press", select(saga.c.attempts))
    assert attempts.scalar_one() <= 5


async def test_the_last_two_jobs_that_end_at_once_wake_it_once(shop: Running) -> None:
    hand = Hand(shop)
    await begin(shop, "book", "twins", 2)
    first, second = await hand.take(2)
    await rest(shop)
    await asyncio.gather(hand.succeed(first), hand.succeed(second), hand.succeed(second))
    assert (await status(shop)).state == "done"
    assert await shop.get(Press).notes() == ("begun twins", "printed twins")


async def test_jobs_that_end_before_the_saga_waits_are_not_missed(shop: Running) -> None:
    hand = Hand(shop)
    working = asyncio.create_task(hand.take(30))
    beginning = asyncio.create_task(begin(shop, "book", "speed", 30))
    await hand.succeed(*await working)
    await beginning
    assert (await status(shop)).state == "done"


# ---------------------------------------------------------------------- failures


async def test_when_one_fails_the_others_are_cancelled_and_all_are_cleaned_up(shop: Running) -> None:
    hand = Hand(shop)
    await begin(shop, "book", "misprint", 5)
    done, failing, running = await hand.take(3)
    await rest(shop)
    await hand.succeed(done)
    await hand.fail(failing)
    await hand.told_to_stop(running)
    assert (await status(shop, "waiting")).state == "waiting"  # for the one that runs
    assert await count(shop, "cancelled") == 2
    await hand.stop(running)
    found = await status(shop)
    assert (found.state, found.fault) == ("failed", None)
    assert await shop.get(Press).notes() == (
        "begun misprint", *(f"washed {n}" for n in reversed(range(5))), "gave up misprint",
    )
    assert await shop.get(Archive).kept() == ("misprint", "no misprint")
    await hand.take_none()


async def test_a_fault_of_a_job_is_the_sagas_and_not_that_of_a_sibling_that_was_cancelled(shop: Running) -> None:
    hand = Hand(shop)
    await begin(shop, "book", "torn", 4)
    first, second = await hand.take(2)
    await hand.fail(second, torn=True)
    await hand.told_to_stop(first)
    await hand.stop(first)
    found = await status(shop)
    assert (found.state, found.fault, found.answer) == ("fault", "Torn", {"page": 1})
    with calling(caller=user("ann", "admin"), key="1"), pytest.raises(Torn):
        await shop.get(Press).book("torn", 4)


async def test_when_a_step_elsewhere_fails_the_jobs_are_cancelled(shop: Running) -> None:
    await begin(shop, "book", "burnt", 3)
    found = await status(shop)
    assert (found.state, found.fault) == ("fault", "Burnt")
    assert await count(shop, "cancelled") == 3
    await Hand(shop).take_none()


@pytest.mark.parametrize(("torn", "answer"), [(True, "torn 1"), (False, "failed: broken: the press broke")])
async def test_a_saga_may_catch_what_became_of_a_job(shop: Running, torn: bool, answer: str) -> None:
    hand = Hand(shop)
    await begin(shop, "leaflet", "hello")
    (job,) = await hand.take(1)
    await hand.fail(job, torn=torn)
    assert (await status(shop)).answer == answer
    assert BENCH == []


async def test_a_job_that_is_cancelled_from_outside_fails_its_step(shop: Running) -> None:
    hand = Hand(shop)
    await begin(shop, "leaflet", "hello")
    (job,) = await hand.take(1)
    await cancel(shop, job.taskid)
    await hand.stop(job)
    assert (await status(shop)).answer == "failed: cancelled"


async def cancel(running: Running, job: str) -> None:
    """As an operator does."""
    process = host(running, "press")
    jobs = process.controllers["press"].jobs
    await transact(process.store, "press", lambda unit: jobs.cancel(unit, job))


async def test_a_saga_that_is_parked_for_failed_jobs_hands_out_others_when_it_is_put_back(shop: Running) -> None:
    hand = Hand(shop)
    await begin(shop, "gilded", "bible")
    first, second = await hand.take(2)
    await hand.fail(second)
    await hand.told_to_stop(first)
    await hand.stop(first)
    assert (await status(shop)).state == "parked"
    assert await host(shop, "press").hosted["press"].sagas.retry(saga_id("1"))
    again = await hand.take(2)
    assert {job.taskid for job in again}.isdisjoint({first.taskid, second.taskid})
    await hand.succeed(*again)
    assert (await status(shop)).answer == {"number": 3, "metal": "gold"}
    assert BENCH == ["gold for bible"]


async def test_a_task_of_nobody_is_refused(shop: Running) -> None:
    await begin(shop, "foreign")
    assert (await status(shop)).state == "failed"
    await Hand(shop).take_none()


# ---------------------------------------------------------------------- crashes


async def test_a_saga_outlasts_restarts_while_its_jobs_run(shop: Running) -> None:
    hand = Hand(shop)
    await begin(shop, "book", "saga", 3)
    jobs = await hand.take(3)
    home = host(shop, "press").name
    for job in jobs:
        await shop.close(home)
        await shop.open(home)
        assert await hand.succeed(job) == ["taken"]
    assert (await status(shop)).state == "done"
    assert await shop.get(Press).notes() == ("begun saga", "printed saga")
    assert await count(shop, "done") == 3


async def test_a_saga_that_dies_when_one_failed_cancels_the_others_all_the_same(shop: Running) -> None:
    hand = Hand(shop)
    with crash("W16") as seen:
        await begin(shop, "book", "doom", 4)
        (job,) = await hand.take(1)
        await hand.fail(job)
        found = await status(shop)
    assert (found.state, seen) == ("failed", ["W16"])
    assert await count(shop, "cancelled") == 3
    assert (await shop.get(Press).notes())[-1] == "gave up doom"


async def test_a_saga_that_dies_before_its_jobs_are_stored_stores_them_once(shop: Running) -> None:
    hand = Hand(shop)
    with crash("W18") as seen:
        with suppress(asyncio.CancelledError):
            await begin(shop, "book", "phoenix", 3)
        await begin(shop, "book", "phoenix", 3)
        await hand.succeed(*await hand.take(3))
    assert seen == ["W18"]
    assert (await status(shop)).state == "done"
    assert await count(shop, "done") == 3
    await hand.take_none()


async def test_one_that_dies_when_its_last_job_has_ended_goes_on_once(shop: Running) -> None:
    hand = Hand(shop)
    with crash("W17") as seen:
        await begin(shop, "book", "last", 3)
        jobs = await hand.take(3)
        await rest(shop)
        await hand.succeed(*jobs)
        assert (await status(shop)).state == "done"
    assert seen == ["W17"]
    assert await shop.get(Press).notes() == ("begun last", "printed last")


async def test_on_postgresql_two_processes_tend_one_saga(postgresql: str) -> None:
    url = f"{postgresql}/workshop"
    async with start(workshop, database=url) as one, start(workshop, database=url) as two:
        await begin(one, "book", "shared", 20)
        jobs = [*await Hand(one).take(10), *await Hand(two).take(10)]
        await asyncio.gather(
            *(Hand((one, two)[n % 2]).succeed(job) for n, job in enumerate(sorted(jobs, key=lambda job: job.taskid)))
        )
        assert (await status(two)).state == "done"
        assert await one.get(Press).notes() == ("begun shared", "printed shared")
