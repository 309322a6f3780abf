"""The conformance kit finds what workers do wrong: without that its checks would mean little."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from workers.conformance.controller import BATCH, TOKEN, Controller, Job

RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def controller() -> AsyncIterator[Controller]:
    async with Controller() as controller:
        yield controller


async def send(controller: Controller, what: str, body: Any, headers: dict[str, str] = RIGHT) -> Any:
    """Ask as a worker does; the answer, or the status that says no."""
    more = headers | {"Content-Type": BATCH if what == "report" else "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{controller.url}/jobs/v1/{what}", json=body, headers=more) as answer,
    ):
        return await answer.json() if answer.status == 200 else answer.status


async def taken(controller: Controller) -> tuple[Job, dict[str, Any]]:
    """A job that a worker has, and its report of its end."""
    job = await controller.add("echo", {"text": "a"})
    (event,) = await send(controller, "take", {"worker": "w", "queues": ["kit"], "room": 1, "most": 1})
    kept = {name: event[name] for name in ("taskid", "taskmodule", "taskattempt", "taskfence")}
    report = {"specversion": "1.0", "id": "r-1", "source": "/worker/w", "type": "craton.job.succeeded.v1"}
    return job, report | kept | {"data": {"result": {}}}


async def test_a_right_report_is_taken_however_often_it_comes(controller: Controller) -> None:
    job, report = await taken(controller)
    for _ in range(2):
        assert await send(controller, "report", [report]) == {"verdicts": ["taken"]}
    assert job.kinds() == ["succeeded"]
    assert not controller.troubles


@pytest.mark.parametrize("what", ["take", "report"])
async def test_who_forgets_the_token_is_found(controller: Controller, what: str) -> None:
    assert await send(controller, what, [], {}) == 401
    assert "without the token" in controller.troubles[0]


async def test_a_report_that_changes_when_it_is_repeated_is_found(controller: Controller) -> None:
    _, report = await taken(controller)
    await send(controller, "report", [report])
    await send(controller, "report", [report | {"data": {"result": {"other": 1}}}])
    assert "changed" in controller.troubles[0]


@pytest.mark.parametrize("wrong", [
    {"id": ""}, {"taskfence": "1"}, {"taskattempt": None}, {"source": "w"}, {"type": "craton.job.done.v1"},
    {"data": {}}, {"data": None}, {"taskFence": 1}, {"more": [1]}, {"specversion": "2.0"},
    {"type": "craton.job.heartbeat.v1", "data": {"progress": 1.5}},
    {"type": "craton.job.heartbeat.v1", "data": {"checkpoint": None}},
    {"type": "craton.job.failed.v1", "data": {"message": "no code"}},
])
async def test_a_malformed_report_is_found(controller: Controller, wrong: dict[str, Any]) -> None:
    _, report = await taken(controller)
    assert await send(controller, "report", [report | wrong]) == {"verdicts": ["refused"]}
    assert controller.troubles


@pytest.mark.parametrize("wrong", [{"room": -1}, {"room": "1"}, {"most": 0}, {"queues": []}, {"worker": ""}])
async def test_a_malformed_request_for_jobs_is_found(controller: Controller, wrong: dict[str, Any]) -> None:
    assert await send(controller, "take", {"worker": "w", "queues": ["kit"], "room": 1, "most": 1} | wrong) == 400
    assert controller.troubles


async def test_the_end_of_a_job_that_was_given_to_another_is_refused(controller: Controller) -> None:
    job, report = await taken(controller)
    await controller.again(job)
    await send(controller, "take", {"worker": "other", "queues": ["kit"], "room": 1, "most": 1})
    assert await send(controller, "report", [report]) == {"verdicts": ["refused"]}
    assert job.end() is None
