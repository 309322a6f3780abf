"""How jobs end: failed, out of time, cancelled, or taken from their worker."""

from __future__ import annotations

from pathlib import Path

from workers.conformance.events import LARGEST_RESULT
from workers.conformance.kit import Kit, gone, there


async def a_failure_is_reported_as_the_handler_says(kit: Kit) -> None:
    later = await kit.offer("fail", {"message": "not yet", "retryable": True, "after": 7.5})
    never = await kit.offer("fail", {"message": "never", "retryable": False})
    told, final = await later.ended("failed"), await never.ended("failed")
    assert (told["message"], told["retryable"], told["retryafter"]) == ("not yet", True, 7.5)
    assert "never" in final["message"]
    assert final["retryable"] is False
    assert final.get("retryafter") is None


async def an_error_that_nobody_foresaw_is_a_failure_that_may_be_tried_again(kit: Kit) -> None:
    job = await kit.offer("break", {"message": "what is this?"})
    told = await job.ended("failed")
    assert "what is this?" in told["message"]
    assert told["retryable"] is True


async def a_job_of_a_task_that_the_worker_does_not_know_fails_and_says_so(kit: Kit) -> None:
    job = await kit.offer("nobody_knows", {})
    assert "nobody_knows" in (await job.ended("failed"))["message"]
    await kit.works()


async def a_job_out_of_time_fails_and_its_processes_are_gone(kit: Kit) -> None:
    job, child = await kit.parent(tasktimeout=1)
    told = await job.ended("failed")
    assert (told["code"], told["retryable"]) == ("timeout", True)
    await gone(child)
    await kit.works()


async def a_cancelled_job_is_stopped_with_its_processes_and_reported(kit: Kit) -> None:
    job, child = await kit.parent()
    job.answer = "cancel"
    await job.ended("cancelled")
    await gone(child)
    await kit.works()


async def a_job_that_was_given_to_another_is_stopped_and_nothing_more_is_said_of_it(kit: Kit) -> None:
    job, child = await kit.parent()
    job.answer = "refused"
    await job.until(lambda job: job.state == "lost")
    await gone(child)
    said = len(job.reports)
    await kit.works()
    assert len(job.reports) == said
    assert job.end() is None


async def a_job_that_was_given_to_another_leaves_no_files(kit: Kit) -> None:
    job, _ = await kit.running({"file": "piece.bin"})
    piece = Path(kit.folder) / "blobs" / job.folder() / "piece.bin"
    await there(piece)
    job.answer = "refused"
    await gone(piece)
    await kit.works()


async def a_cancelled_job_leaves_no_files(kit: Kit) -> None:
    job, _ = await kit.running({"file": "piece.bin"})
    piece = Path(kit.folder) / "blobs" / job.folder() / "piece.bin"
    await there(piece)
    job.answer = "cancel"
    await job.ended("cancelled")
    await gone(piece)


async def a_job_that_succeeded_keeps_its_files(kit: Kit) -> None:
    job, gate = await kit.running({"file": "piece.bin"})
    gate.touch()
    await job.ended("succeeded")
    await kit.works()
    assert (Path(kit.folder) / "blobs" / job.folder() / "piece.bin").read_text()


async def a_result_that_is_too_large_is_a_failure_for_good(kit: Kit) -> None:
    job = await kit.offer("large", {"bytes": LARGEST_RESULT + 1})
    told = await job.ended("failed")
    assert told["retryable"] is False
    await kit.works()


async def a_large_result_is_reported_whole(kit: Kit) -> None:
    job = await kit.offer("large", {"bytes": LARGEST_RESULT - 1000})
    assert len((await job.ended("succeeded"))["result"]["text"]) == LARGEST_RESULT - 1000
