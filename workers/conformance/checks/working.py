"""A worker takes jobs, runs them within its slots, and tells how far they are."""

from __future__ import annotations

import json

from workers.conformance.events import QUEUE
from workers.conformance.kit import SLOTS, Kit

TEXT = "Füße, 日本, \U0001f3ac, \"quoted\", \\ and \n"


async def a_job_is_run_and_its_result_reported(kit: Kit) -> None:
    job = await kit.offer("echo", {"text": TEXT})
    result = (await job.ended("succeeded"))["result"]
    assert result["text"] == TEXT
    assert (result["attempt"], result["folder"], result["checkpoint"]) == (1, job.folder(), "")
    assert kit.controller.asked[-1]["queues"] == [QUEUE]


async def jobs_of_an_attempt_after_the_first_know_it_and_their_checkpoint(kit: Kit) -> None:
    job = await kit.offer("break", {"message": "at first"})
    await job.ended("failed")
    job.event["taskname"] = "kit.echo"
    await kit.offer_again(job, data={"text": "then"}, taskcheckpoint='{"piece":7}')
    result = (await job.ended("succeeded"))["result"]
    assert (result["attempt"], json.loads(result["checkpoint"])) == (2, {"piece": 7})
    assert result["folder"] == job.folder()


async def a_job_that_says_nothing_is_kept_alive_by_heartbeats(kit: Kit) -> None:
    job, gate = await kit.running()
    await job.until(lambda job: len(job.reports) >= 3)
    assert all("progress" not in beat["data"] for beat in job.reports), "it has made no progress, and claims some"
    gate.touch()
    await job.ended("succeeded")


async def a_jobs_progress_and_checkpoint_are_told(kit: Kit) -> None:
    job, gate = await kit.running({"progress": 0.5, "checkpoint": {"piece": 3}})
    await job.until(lambda job: any(beat["data"].get("progress") == 0.5 for beat in job.reports))
    told = [beat["data"]["checkpoint"] for beat in job.reports if "checkpoint" in beat["data"]]
    assert told[-1] == {"piece": 3}
    gate.touch()
    await job.ended("succeeded")


async def a_job_that_makes_no_more_progress_claims_none(kit: Kit) -> None:
    job, gate = await kit.running({"progress": 0.5})
    await job.until(lambda job: len(job.reports) >= 4)
    assert "progress" not in job.reports[-1]["data"], "progress that was told is told again: nobody sees it stall"
    gate.touch()
    await job.ended("succeeded")


async def several_jobs_run_at_once_but_no_more_than_there_are_slots(kit: Kit) -> None:
    gate = kit.path("gate")
    jobs = [await kit.offer("wait", {"gate": str(gate)}) for _ in range(SLOTS + 2)]
    await kit.controller.until(lambda: kit.controller.weights() == SLOTS)
    begun = [job for job in jobs if job.state == "leased"]
    for job in begun:
        await job.until(lambda job: len(job.reports) >= 2)
    assert [job for job in jobs if job.state == "leased"] == begun
    assert kit.controller.most_at_once == SLOTS  # once they end there may be more: a slot is free before that is known
    gate.touch()
    for job in jobs:
        await job.ended("succeeded")


async def a_heavy_job_waits_for_its_room_and_then_has_it_alone(kit: Kit) -> None:
    first, gate = await kit.running()
    heavy = await kit.offer("echo", {"text": "heavy"}, taskweight=SLOTS)
    await first.until(lambda job: len(job.reports) >= 2)
    assert heavy.state == "queued"
    gate.touch()
    await first.ended("succeeded")
    await heavy.ended("succeeded")


async def a_job_heavier_than_all_slots_runs_when_nothing_else_does(kit: Kit) -> None:
    first, gate = await kit.running()
    heavy = await kit.offer("echo", {"text": "heavy"}, taskweight=SLOTS + 5)
    await first.until(lambda job: len(job.reports) >= 2)
    assert heavy.state == "queued"
    gate.touch()
    await heavy.ended("succeeded")
    await kit.works()


async def jobs_are_done_many_in_a_row(kit: Kit) -> None:
    jobs = [await kit.offer("echo", {"text": str(n)}) for n in range(100)]
    for n, job in enumerate(jobs):
        assert (await job.ended("succeeded"))["result"]["text"] == str(n)
    assert [job.given for job in jobs] == [1] * 100
