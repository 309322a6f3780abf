"""Controllers go away, lose answers, or answer nonsense: jobs and reports survive that."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from workers.conformance.controller import Job, instead, lose
from workers.conformance.kit import Kit


async def a_report_whose_answer_was_lost_is_sent_again_unchanged(kit: Kit) -> None:
    kit.controller.misbehave["end"].append(lose)
    await repeated(kit, await kit.offer("echo", {"text": "once"}))


async def a_report_that_got_a_wrong_answer_is_sent_again_unchanged(kit: Kit) -> None:
    for wrong in (instead("not JSON"), instead('{"verdicts":[]}'), instead("[1]"), instead("", 500), instead("", 503)):
        kit.controller.misbehave["end"].append(wrong)
        await repeated(kit, await kit.offer("echo", {"text": "once"}))


async def repeated(kit: Kit, job: Job) -> None:
    """Wait until the report of a job that ended has come once more."""
    await job.ended("succeeded")
    end = job.end()
    assert end is not None
    await kit.controller.until(lambda: end["id"] in kit.controller.repeated)


async def a_report_that_is_called_malformed_is_not_sent_for_ever(kit: Kit) -> None:
    kit.controller.misbehave["end"].append(instead('{"title":"no"}', 400))
    job = await kit.offer("echo", {"text": "once"})
    await job.ended("succeeded")
    await kit.works()
    end = job.end()
    assert end is not None
    assert end["id"] not in kit.controller.repeated


async def a_report_waits_for_a_controller_that_is_away(kit: Kit) -> None:
    job, gate = await kit.running()
    await kit.controller.leave()
    gate.touch()
    await asyncio.sleep(0.5)
    await kit.controller.listen()
    await job.ended("succeeded")
    await kit.works()


async def the_worker_waits_for_a_controller_that_is_away(kit: Kit) -> None:
    await kit.controller.leave()
    await asyncio.sleep(0.5)
    await kit.controller.listen()
    await kit.works()


async def a_wrong_answer_to_a_request_for_jobs_is_survived(kit: Kit) -> None:
    for wrong in (lose, instead("not JSON"), instead('{"a":1}'), instead("[1, null]"), instead("", 500)):
        kit.controller.misbehave["take"].append(wrong)
        job = await kit.offer("echo", {"text": "in the end"})
        await kit.controller.until(lambda: not kit.controller.misbehave["take"])
        await kit.offer_again(job)  # as when its lease has ended, since no worker knows of it
        await job.ended("succeeded")


async def a_malformed_job_does_not_harm_those_that_come_with_it(kit: Kit) -> None:
    kit.controller.misbehave["take"].append(with_malformed)
    await kit.works()
    await kit.works()


def with_malformed(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Answer with one event more, that lacks nearly all."""
    assert response.text
    events = [{"specversion": "1.0", "type": "kit.echo", "taskid": "job-malformed"}, *json.loads(response.text)]
    return web.Response(text=json.dumps(events), content_type=response.content_type)


async def a_refused_report_of_a_success_is_the_end_of_it(kit: Kit) -> None:
    job, gate = await kit.running()
    job.fence += 1  # as when it was given to another
    gate.touch()
    await kit.works()
    assert job.end() is None
