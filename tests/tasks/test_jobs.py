"""What becomes of a job, on each database: it is submitted, leased, reported, and ends once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from craton import Misuse
from craton.tasks import messages
from craton.tasks.claims import Waiter
from craton.tasks.messages import Take
from tests.tasks.desk import Desk, success
from tests.tasks.studio import Blurred, Frame, Picture, Rendered, Room, Sweep, render, studio, sweep


async def test_a_job_that_was_submitted_is_given_to_a_worker_with_its_input(desk: Desk) -> None:
    job = await desk.submit("develop", 7)
    (found,) = await desk.take()
    assert (found.taskid, found.taskname, found.subject) == (job, "studio.develop", job)
    assert (found.type, found.source) == ("film.studio.develop.requested.v1", "/film/studio")
    assert (found.taskattempt, found.taskfence, found.taskfolder) == (1, 1, f"studio/{job}/1-1")
    assert msgspec.json.decode(found.data, type=Frame) == Frame(7)
    assert (await desk.status(job)).state == "leased"


async def test_a_job_vanishes_with_the_command_that_submitted_it(desk: Desk) -> None:
    with pytest.raises(ValueError, match="changed its mind"):
        await desk.studio.submit_and_fail(Frame(1))
    assert await desk.take() == []


async def test_a_job_is_given_to_one_worker_only(desk: Desk) -> None:
    jobs = {await desk.submit("develop", n) for n in range(10)}
    answers = await asyncio.gather(*(desk.take(worker=f"w-{n}", most=3) for n in range(5)))
    assert Counter(found.taskid for answer in answers for found in answer) == Counter(jobs)


async def test_who_waits_is_told_of_a_job_at_once(desk: Desk) -> None:
    waiting = asyncio.ensure_future(desk.take(wait=30))
    await asyncio.sleep(0.05)
    job = await desk.submit()
    async with asyncio.timeout(5):
        assert [found.taskid for found in await waiting] == [job]


async def waits(desk: Desk, worker: str = "w-1") -> asyncio.Future[list[messages.Requested]]:
    """A worker that waits, and for which nothing was found."""
    waiting = asyncio.ensure_future(desk.take(worker=worker, wait=30))
    async with asyncio.timeout(5):
        while not any(waiter.looked for waiter in desk.controller.claims.waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return waiting


async def test_a_job_is_leased_to_who_waits_by_the_transaction_that_stores_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("craton.tasks.claims.POLL", 60.0)  # so that nobody is just looking again
    waiting = await waits(desk)
    monkeypatch.setattr(desk.controller.claims, "lease", None)  # so that no second transaction can do it
    job = await desk.submit()
    async with asyncio.timeout(5):
        (found,) = await waiting
    row = await desk.row(job)
    assert (found.taskid, found.taskattempt, found.taskfence) == (job, 1, 1)
    assert (row.state, row.worker, row.attempt, row.fence, row.rung) == ("leased", "w-1", 1, 1, None)
    assert max(row.started, row.progressed) < row.lease_until
    assert await desk.succeed(found, Rendered("one", 1)) == "taken"


async def test_a_job_that_was_leased_to_who_has_gone_is_given_to_another(desk: Desk) -> None:
    waiting = await waits(desk)
    claims = desk.controller.claims
    chosen = claims.tell_of

    def go(job: str, waiter: Waiter) -> None:
        waiting.cancel()
        asyncio.get_running_loop().call_soon(chosen, job, waiter)

    claims.tell_of = go  # type: ignore[method-assign]
    job = await desk.submit()
    async with asyncio.timeout(5):
        (found,) = await desk.take(worker="w-2", wait=5)
    assert found.taskid == job
    assert (await desk.status(job)).attempt == 1, "being given back uses up none"


@pytest.mark.parametrize("undone", ["submit_and_fail", "submit_and_refuse"])
async def test_who_was_chosen_for_a_job_that_vanished_is_given_the_next(desk: Desk, undone: str) -> None:
    waiting = await waits(desk)
    with pytest.raises((ValueError, Blurred)):
        await getattr(desk.studio, undone)(Frame(1))
    job = await desk.submit()
    async with asyncio.timeout(5):
        assert [found.taskid for found in await waiting] == [job]


async def test_who_waits_for_nothing_is_answered_when_the_time_is_up(desk: Desk) -> None:
    async with asyncio.timeout(5):
        assert await desk.take(wait=0.3) == []


async def test_a_worker_is_given_jobs_of_its_queues_only(desk: Desk) -> None:
    await desk.submit("render")
    job = await desk.submit("develop")
    assert [found.taskid for found in await desk.take("darkroom", most=5)] == [job]


async def test_a_success_is_an_event_and_said_again_changes_nothing(desk: Desk) -> None:
    await desk.submit()
    (found,) = await desk.take()
    assert await desk.succeed(found, Rendered("one", 1, "a.png")) == "taken"
    assert await desk.succeed(found, Rendered("one", 1, "b.png")) == "taken"
    status = await desk.status(found.taskid)
    assert (status.state, status.progress) == ("done", 1.0)
    assert status.result is not None
    assert msgspec.json.decode(status.result) == {"scene": "one", "number": 1, "path": "a.png"}
    await desk.hears("rendered 1")


async def test_the_same_success_twice_in_one_batch_is_one(desk: Desk) -> None:
    await desk.submit()
    (found,) = await desk.take()
    said = desk.report(found, messages.SUCCEEDED, success(Rendered("one", 1)))
    assert await desk.controller.report([said, said]) == ["taken", "taken"]
    await desk.hears("rendered 1")


async def test_a_failure_is_tried_again_and_then_told(desk: Desk) -> None:
    job = await desk.submit("develop", 3)
    assert await desk.fail(await desk.taken(job)) == "taken"
    status = await desk.status(job)
    assert (status.state, status.attempt, status.code) == ("queued", 1, "Oops")
    assert 0 <= (status.due - status.updated).total_seconds() <= 1.001
    await desk.pass_time(job, 10)
    again = await desk.taken(job)
    assert (again.taskattempt, again.taskfence) == (2, 2)
    assert await desk.fail(again) == "taken"
    assert await desk.fail(again) == "taken"
    assert (await desk.status(job)).state == "failed"
    await desk.hears('failed studio.develop Oops: it broke {"number":3,"scene":"one"}')


async def test_a_failure_that_is_no_use_to_retry_ends_the_job(desk: Desk) -> None:
    job = await desk.submit("develop")
    await desk.fail(await desk.taken(job), retryable=False)
    assert (await desk.status(job)).state == "failed"


async def test_a_failure_says_when_to_try_again(desk: Desk) -> None:
    job = await desk.submit("develop")
    await desk.fail(await desk.taken(job), retryafter=3600)
    status = await desk.status(job)
    assert 3599 < (status.due - status.updated).total_seconds() < 3601
    assert await desk.controller.take(Take(worker="w", jobs=(job,))) == []
    assert await desk.take() == []


async def test_a_fault_ends_the_job_and_is_kept(desk: Desk) -> None:
    job = await desk.submit("develop")
    fault = msgspec.Raw(msgspec.json.encode(Blurred(by=2).body))
    await desk.fail(await desk.taken(job), "Blurred", fault=fault)
    row = await desk.row(job)
    assert (row.state, row.code, msgspec.json.decode(row.result)) == ("failed", "Blurred", {"by": 2})


@pytest.mark.parametrize("result", [b'{"size":"tall"}', b"{}", b"[]", b"null", b'{"size":1', b"\xff"])
async def test_a_result_that_does_not_fit_is_no_success(desk: Desk, result: bytes) -> None:
    job = await desk.submit("develop")
    found = await desk.taken(job)
    said = msgspec.structs.replace(
        desk.report(found, messages.SUCCEEDED, success(Picture(1))), data=msgspec.Raw(b'{"result":' + result + b"}")
    )
    (verdict,) = await desk.controller.report([said])
    state = (await desk.status(job)).state
    assert (verdict, state) in (("taken", "failed"), ("refused", "leased"))
    assert (verdict == "refused") is (result in (b'{"size":1', b"\xff"))


async def test_a_result_that_is_too_large_is_no_success(desk: Desk) -> None:
    job = await desk.submit()
    await desk.succeed(await desk.taken(job), Rendered("one", 1, "x" * (1 << 20)))
    status = await desk.status(job)
    assert (status.state, status.code) == ("failed", "ResultTooLarge")


async def test_one_malformed_report_spoils_no_other(desk: Desk) -> None:
    jobs = [await desk.taken(await desk.submit("develop", n)) for n in range(3)]
    good = [desk.report(job, messages.SUCCEEDED, success(Picture(1))) for job in jobs]
    good[1] = msgspec.structs.replace(good[1], type="craton.job.exploded.v1")
    assert await desk.controller.report(good) == ["taken", "refused", "taken"]


async def test_an_error_with_any_characters_is_kept(desk: Desk) -> None:
    job = await desk.submit("develop")
    await desk.say(await desk.taken(job), messages.FAILED, messages.Failed("E\0", "\0'\"\\ \u2028 ä 🎬" + "x" * 20_000))
    status = await desk.status(job)
    assert status.error.startswith("'\"\\ \u2028 ä 🎬xxx")
    assert len(status.error) <= 10_000


async def test_a_heartbeat_keeps_progress_and_checkpoint_for_the_next_attempt(desk: Desk) -> None:
    job = await desk.submit()
    first = await desk.taken(job)
    assert await desk.beat(first, 0.4, {"frame": 7}) == "taken"
    assert await desk.beat(first) == "taken"
    assert (await desk.status(job)).progress == pytest.approx(0.4)
    await desk.fail(first, retryafter=0)
    again = await desk.taken(job)
    assert isinstance(again.taskcheckpoint, str)
    assert msgspec.json.decode(again.taskcheckpoint) == {"frame": 7}


async def test_a_job_that_is_given_back_uses_up_no_attempt(desk: Desk) -> None:
    job = await desk.submit("develop")
    for _ in range(5):
        assert await desk.say(await desk.taken(job), messages.RELEASED) == "taken"
    status = await desk.status(job)
    assert (status.state, status.attempt) == ("queued", 0)
    assert (await desk.taken(job)).taskfence == 6


async def test_a_job_of_a_worker_that_is_silent_is_given_to_another(desk: Desk) -> None:
    job = await desk.submit()
    lost = await desk.taken(job)
    await desk.pass_time(job, 26)
    await desk.tend()
    again = await desk.taken(job, "w-2")
    assert (again.taskattempt, again.taskfolder != lost.taskfolder) == (2, True)
    assert await desk.succeed(lost, Rendered("one", 1, "late.png")) == "refused"
    assert await desk.beat(lost, 0.9) == "refused"
    assert await desk.succeed(again, Rendered("one", 1, "right.png")) == "taken"
    await desk.hears("rendered 1")


async def test_what_a_silent_worker_reports_is_refused_even_before_another_has_the_job(desk: Desk) -> None:
    job = await desk.submit()
    lost = await desk.taken(job)
    await desk.pass_time(job, 26)
    await desk.tend()
    assert await desk.succeed(lost, Rendered("one", 1)) == "refused"
    assert (await desk.status(job)).state == "queued"


async def test_heartbeats_keep_a_job_with_its_worker(desk: Desk) -> None:
    job = await desk.submit()
    found = await desk.taken(job)
    for _ in range(2):
        await desk.pass_time(job, 15)
        await desk.beat(found, 0.1)
    await desk.tend()
    assert (await desk.status(job)).state == "leased"


async def test_a_job_that_kills_its_workers_goes_to_the_dead_letters(desk: Desk) -> None:
    job = await desk.submit()
    for _ in range(3):
        await desk.taken(job)
        await desk.pass_time(job, 26)
        await desk.tend()
    status = await desk.status(job)
    assert (status.state, status.code, status.attempt) == ("failed", "WorkerLost", 3)
    await desk.hears(f'failed studio.render WorkerLost: {status.error} {{"number":1,"scene":"one"}}')


async def test_a_job_that_makes_no_progress_is_taken_from_its_worker(desk: Desk) -> None:
    job = await desk.submit()
    found = await desk.taken(job)
    await desk.beat(found, 0.5)
    await desk.pass_time(job, 15)
    await desk.beat(found)
    await desk.beat(found, 0.5)
    await desk.pass_time(job, 6)
    await desk.tend()
    status = await desk.status(job)
    assert (status.state, status.code) == ("queued", "Stalled")
    assert await desk.beat(found, 0.6) == "refused"


async def test_a_job_that_takes_too_long_is_taken_from_its_worker(desk: Desk) -> None:
    job = await desk.submit()
    found = await desk.taken(job)
    for n in range(1, 7):
        await desk.pass_time(job, 17)
        await desk.beat(found, n / 10)
    await desk.tend()
    assert (await desk.status(job)).code == "TimeLimit"


async def test_a_job_that_is_not_begun_in_time_expires(desk: Desk) -> None:
    job = await desk.submit("short", 5)
    await desk.pass_time(job, 301)
    await desk.tend()
    assert (await desk.status(job)).state == "expired"
    await desk.hears('failed studio.short Expired: no worker began with it in time {"number":5,"scene":"one"}')


async def test_a_job_that_was_begun_does_not_expire(desk: Desk) -> None:
    job = await desk.submit("short")
    await desk.fail(await desk.taken(job), retryafter=0)
    await desk.pass_time(job, 301)
    await desk.tend()
    assert (await desk.status(job)).state == "queued"


async def test_a_job_is_not_begun_before_its_time(desk: Desk) -> None:
    job = await desk.submit(delay=600)
    assert await desk.take() == []
    await desk.pass_time(job, 601)
    assert [found.taskid for found in await desk.take()] == [job]


async def test_jobs_come_by_priority_and_age(desk: Desk) -> None:
    jobs = [await desk.submit("develop", n, priority=p) for n, p in enumerate([0, 5, -5])]
    old = await desk.submit("develop", 9, priority=-10)
    await desk.pass_time(old, 16 * 60)
    found = await desk.take(most=4)
    assert [job.taskid for job in found] == [old, jobs[1], jobs[0], jobs[2]]


async def test_a_unique_job_is_stored_once_while_it_is_open(desk: Desk) -> None:
    first = await desk.submit(unique="one")
    assert await desk.submit(number=2, unique="one") == first
    assert await desk.submit("develop", unique="one") != first
    found = await desk.taken(first)
    assert await desk.submit(unique="one") == first
    await desk.succeed(found, Rendered("one", 1))
    assert await desk.submit(unique="one") != first


async def test_unique_jobs_that_are_submitted_at_once_are_one(desk: Desk) -> None:
    assert len(set(await asyncio.gather(*(desk.submit(unique="one") for _ in range(8))))) == 1


async def test_a_queued_job_is_cancelled_at_once(desk: Desk) -> None:
    job = await desk.submit()
    assert await desk.studio.cancel(job)
    assert not await desk.studio.cancel(job)
    assert (await desk.status(job)).state == "cancelled"
    assert await desk.take() == []


async def test_a_worker_is_told_to_stop_a_job_that_was_cancelled(desk: Desk) -> None:
    job = await desk.submit()
    found = await desk.taken(job)
    assert await desk.studio.cancel(job)
    assert await desk.beat(found, 0.2) == "cancel"
    assert await desk.say(found, messages.CANCELLED) == "taken"
    assert (await desk.status(job)).state == "cancelled"


async def test_a_success_that_comes_before_the_cancellation_is_heard_stands(desk: Desk) -> None:
    job = await desk.submit()
    found = await desk.taken(job)
    await desk.studio.cancel(job)
    assert await desk.succeed(found, Rendered("one", 1)) == "taken"
    assert (await desk.status(job)).state == "done"


@pytest.mark.parametrize("end", ["failure", "silence", "release"])
async def test_a_job_that_was_cancelled_is_not_tried_again(desk: Desk, end: str) -> None:
    job = await desk.submit()
    found = await desk.taken(job)
    await desk.studio.cancel(job)
    if end == "failure":
        await desk.fail(found)
    elif end == "release":
        await desk.say(found, messages.RELEASED)
    else:
        await desk.pass_time(job, 26)
        await desk.tend()
    assert (await desk.status(job)).state == "cancelled"


@pytest.mark.parametrize("heard", [True, False])
async def test_what_was_given_to_a_worker_that_has_gone_is_given_to_another(
    desk: Desk, heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = desk.controller.claims.answer

    def answer_and_go(*given: Any) -> None:
        if heard:
            answer(*given)
        waiting.cancel()

    monkeypatch.setattr(desk.controller.claims, "answer", answer_and_go)
    waiting = asyncio.ensure_future(desk.take(wait=30))
    job = await desk.submit()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    monkeypatch.undo()
    async with asyncio.timeout(5):
        found = await desk.take(worker="w-2", wait=5)
    assert found[0].taskid == job


async def test_a_heavy_job_waits_for_room_or_for_an_empty_worker(desk: Desk) -> None:
    heavy, light = await desk.submit("big"), await desk.submit("render", 2)
    assert [job.taskid for job in await desk.take(room=1, most=5, worker="other")] == [heavy]
    heavy = await desk.submit("big")
    await desk.taken(light, "busy")
    assert await desk.take(room=3, worker="busy") == []
    assert [job.taskid for job in await desk.take(room=4, worker="busy")] == [heavy]


async def test_an_empty_worker_may_have_a_job_that_is_heavier_than_all_its_slots(desk: Desk) -> None:
    heavy = await desk.submit("big")
    assert [job.taskid for job in await desk.take(room=2, most=2, worker="small")] == [heavy]


async def test_jobs_belong_to_commands_of_their_module(desk: Desk) -> None:
    room = desk.process.hosted["studio"].instance
    assert isinstance(room, Room)
    with pytest.raises(Misuse, match="outside a command"):
        await room.tasks.submit(render, Frame(1))
    with pytest.raises(Misuse, match="its jobs run on workers"):
        await render(Frame(1))


async def test_a_recurring_job_is_queued_once_for_its_next_time(desk: Desk) -> None:
    recurring = desk.controller.recurring
    await asyncio.gather(*(recurring.tend() for _ in range(3)))
    rows = [job for job in await desk.controller.operations.listed() if job.task == "studio.sweep"]
    assert [(job.state, job.due.minute, job.due.second) for job in rows] == [("queued", 0, 0)]
    await desk.pass_time(rows[0].id, 3700)
    found = await desk.taken(rows[0].id)
    assert msgspec.json.decode(found.data, type=Sweep) == sweep.input()
    assert await recurring.tend() == 0, "its jobs do not overlap"


async def test_a_job_that_failed_can_be_tried_again_by_hand(desk: Desk) -> None:
    job = await desk.submit("develop")
    await desk.fail(found := await desk.taken(job), retryable=False)
    operations = desk.controller.operations
    assert await operations.retry(job)
    assert not await operations.retry(job)
    again = await desk.taken(job)
    assert (again.taskattempt, again.taskfence) == (1, 3)
    assert await desk.fail(found) == "refused"
    assert await desk.succeed(again, Picture(3)) == "taken"


async def test_people_see_the_jobs_that_there_are(desk: Desk) -> None:
    jobs = list[str]()
    for n in range(3):
        jobs.append(await desk.submit("develop", n))
        await asyncio.sleep(0.002)  # jobs of one millisecond are in no order
    await desk.taken(jobs[1])
    operations = desk.controller.operations
    listed = await operations.listed(task="develop")
    assert [(job.id, job.state) for job in listed] == [
        (jobs[2], "queued"), (jobs[1], "leased"), (jobs[0], "queued"),
    ]
    assert [job.id for job in await operations.listed(states=["leased"])] == [jobs[1]]
    assert [job.id for job in await operations.listed(task="develop", before=jobs[1])] == [jobs[0]]
    assert (await operations.counts())["develop"] == {"queued": 2, "leased": 1}
    detail = await operations.detail(jobs[0])
    assert detail is not None
    assert (detail.status.id, detail.input) == (jobs[0], '{"number":0,"scene":"one"}')


async def test_old_jobs_are_forgotten_once_they_have_ended(desk: Desk) -> None:
    ended, waiting = await desk.submit("develop"), await desk.submit("develop")
    await desk.succeed(await desk.taken(ended), Picture(1))
    for job in (ended, waiting):
        await desk.pass_time(job, 15 * 86400)
    assert await desk.controller.cleaner.clean() == 1
    assert await desk.studio.status(ended) is None
    assert await desk.studio.status(waiting) is not None


def test_the_studio_declares_its_tasks() -> None:
    assert [task.name for task in studio.module("studio").tasks] == ["render", "develop", "big", "short", "sweep"]
