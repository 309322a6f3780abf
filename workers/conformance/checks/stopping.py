"""A worker starts with a clear word on what it lacks, and stops without harm to its jobs."""

from __future__ import annotations

import signal

from workers.conformance.kit import Kit, gone, there

NEEDED = ("CRATON_CONTROLLERS", "CRATON_WORKER_TOKEN")


async def a_worker_that_lacks_a_setting_says_which_and_ends(kit: Kit) -> None:
    for name in NEEDED:
        async with kit.start(**{name: ""}) as worker:
            assert await worker.ended() != 0
            assert name in worker.output
            assert "Traceback" not in worker.output
            assert "    at " not in worker.output


async def a_worker_with_nothing_to_do_stops_when_asked(kit: Kit) -> None:
    async with kit.start() as worker:
        await kit.works()
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0, worker.output


async def a_worker_that_stops_lets_jobs_end_that_soon_do(kit: Kit) -> None:
    async with kit.start(CRATON_WORKER_GRACE="15") as worker:
        job, gate = await kit.running()
        worker.signal(signal.SIGTERM)
        await job.until(lambda job: len(job.reports) >= 2)
        gate.touch()
        await job.ended("succeeded")
        assert await worker.ended() == 0, worker.output


async def a_worker_that_stops_gives_back_what_goes_on(kit: Kit) -> None:
    async with kit.start() as worker:
        job, child = await kit.parent()
        worker.signal(signal.SIGTERM)
        await job.ended("released")
        await gone(child)
        await kit.offer_again(job)
        assert await worker.ended() == 0, worker.output
        assert job.state == "queued"


async def a_worker_that_is_killed_leaves_no_process_behind(kit: Kit) -> None:
    async with kit.start() as worker:
        _, child = await kit.parent()
        worker.signal(signal.SIGKILL)
        await gone(child)


async def a_handler_that_does_not_stop_is_reported_all_the_same(kit: Kit) -> None:
    async with kit.start() as worker:
        file = kit.path("pid")
        job = await kit.offer("stubborn", {"file": str(file)})
        await there(file)
        job.answer = "cancel"
        await job.ended("cancelled")
        process = int(file.read_text())
        await gone(process)
        if process != worker.process.pid:
            await kit.works()
        else:  # where one process does all: a new one is started in its place
            assert await worker.ended() != 0
