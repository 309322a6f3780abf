"""The door for workers: what is asked by HTTP, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from craton.edge.server import serve_http
from craton.tasks import messages
from craton.tasks.door import LARGEST, Door, token_of
from craton.tasks.messages import BATCH, READ_JOBS, Report, Take, encode
from craton.tasks.together import Together
from tests.tasks.desk import Desk, success
from tests.tasks.studio import Picture, Rendered

TOKEN = token_of(b"a secret")
TAKE, REPORT = "/jobs/v1/take", "/jobs/v1/report"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """A worker's connection."""
    door = Door(Together(desk.process.controllers), TOKEN)
    async with serve_http(door, "127.0.0.1:0", drain=1) as port:  # type: ignore[arg-type]  # it names fewer types
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=BEARER, timeout=20) as client:
            yield client


def ask(**asked: Any) -> dict[str, Any]:
    return {"worker": "w-1", "queues": ["graphics", "darkroom"], "room": 4, "most": 4} | asked


def reports(*given: Report) -> bytes:
    return encode(given)


async def test_jobs_are_taken_and_reported_by_http(client: httpx.AsyncClient, desk: Desk) -> None:
    job = await desk.submit("develop", 4)
    answer = await client.post(TAKE, json=ask())
    assert (answer.status_code, answer.headers["content-type"]) == (200, BATCH)
    (event,) = answer.json()
    assert event | {"id": "", "time": ""} == {
        "specversion": "1.0", "id": "", "source": "/film/studio", "type": "film.studio.develop.requested.v1",
        "subject": job, "time": "", "datacontenttype": "application/json",
        "dataschema": "/schemas/studio.develop.input.json", "taskid": job, "taskname": "studio.develop",
        "taskmodule": "studio", "taskqueue": "darkroom", "taskattempt": 1, "taskfence": 1, "taskpriority": 0,
        "taskweight": 1, "tasktimeout": 600, "tasklease": 25, "taskfolder": f"studio/{job}/1-1",
        "data": {"number": 4, "scene": "one"},
    }
    (found,) = READ_JOBS.decode(answer.content)
    said = desk.report(found, messages.SUCCEEDED, success(Picture(2)))
    for _ in range(2):
        answer = await client.post(REPORT, content=reports(said))
        assert (answer.status_code, answer.json()) == (200, {"verdicts": ["taken"]})
    assert (await desk.status(job)).state == "done"


async def test_jobs_that_rang_are_taken_by_their_ids(client: httpx.AsyncClient, desk: Desk) -> None:
    jobs = [await desk.submit("develop", n) for n in range(3)]
    await desk.taken(jobs[1], "w-2")
    answer = await client.post(TAKE, json={"worker": "w-1", "jobs": [*jobs, "job-unknown"]})
    assert {event["taskid"] for event in answer.json()} == {jobs[0], jobs[2]}


async def test_who_waits_is_answered_when_there_is_a_job(client: httpx.AsyncClient, desk: Desk) -> None:
    waiting = asyncio.ensure_future(client.post(TAKE, json=ask(wait=20)))
    await asyncio.sleep(0.1)
    job = await desk.submit()
    assert [event["taskid"] for event in (await waiting).json()] == [job]


async def test_what_a_worker_takes_that_has_gone_is_free_for_others(client: httpx.AsyncClient, desk: Desk) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.post(TAKE, json=ask(worker="gone", wait=20), timeout=0.2)
    job = await desk.submit()
    answer = await client.post(TAKE, json=ask(worker="here", wait=10))
    assert [event["taskid"] for event in answer.json()] == [job]
    assert (await desk.row(job)).worker == "here"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"bearer {TOKEN}x"])
@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
async def test_who_has_no_token_is_told_nothing(client: httpx.AsyncClient, desk: Desk, header: str | None) -> None:
    await desk.submit()
    del client.headers["authorization"]
    headers = {} if header is None else {"authorization": header}
    for path in (TAKE, REPORT, "/elsewhere"):
        answer = await client.post(path, json=ask(), headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 401


MALFORMED = [
    (TAKE, b""), (TAKE, b"{"), (TAKE, b"[]"), (TAKE, b'{"worker":""}'), (TAKE, b'{"worker":"w","room":-1}'),
    (TAKE, b'{"worker":"w","room":"many"}'), (TAKE, b'{"worker":7}'), (TAKE, b"\xff\xfe"), (TAKE, b"[" * 100_000),
    (TAKE, b'{"worker":"w","wait":1e999}'), (REPORT, b"{}"), (REPORT, b'[{"id":'), (REPORT, b"null"),
]


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
async def test_malformed_requests_are_refused_and_the_door_stays_open(client: httpx.AsyncClient, desk: Desk) -> None:
    for path, body in MALFORMED:
        answer = await client.post(path, content=body)
        assert (answer.status_code, answer.json()["title"]) == (400, "Malformed"), body[:40]
    answer = await client.post(REPORT, content=b"x" * (LARGEST + 1))
    assert answer.status_code == 413
    assert (await client.get(TAKE)).status_code == 405
    assert (await client.post("/jobs/v2/take", json=ask())).status_code == 404
    assert (await client.post(TAKE, json=ask())).json() == []


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
async def test_a_malformed_report_spoils_no_other(client: httpx.AsyncClient, desk: Desk) -> None:
    found = await desk.taken(await desk.submit("develop"))
    good = desk.report(found, messages.SUCCEEDED, success(Picture(2)))
    foreign = msgspec.structs.replace(good, taskmodule="elsewhere")
    body = b"[{}, 7," + encode(foreign) + b"," + encode(good) + b"]"
    answer = await client.post(REPORT, content=body)
    assert answer.json() == {"verdicts": ["refused", "refused", "refused", "taken"]}


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
async def test_a_controller_that_stops_says_so(client: httpx.AsyncClient, desk: Desk) -> None:
    found = await desk.taken(await desk.submit())
    waiting = asyncio.ensure_future(client.post(TAKE, json=ask(wait=20)))
    await asyncio.sleep(0.1)
    await desk.controller.__aexit__(None, None, None)
    assert (await waiting).json() == []
    answer = await client.post(TAKE, json=ask())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    said = desk.report(found, messages.SUCCEEDED, success(Rendered("one", 1)))
    assert (await client.post(REPORT, content=reports(said))).status_code == 503


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
async def test_a_worker_may_ask_for_jobs_of_certain_modules(desk: Desk) -> None:
    together = Together(desk.process.controllers)
    job = await desk.submit()
    asked = Take(worker="w", queues=("graphics",), modules=("elsewhere",))
    assert await together.take(asked) == []
    asked = msgspec.structs.replace(asked, modules=("studio", "elsewhere"))
    assert [found.taskid for found in await together.take(asked)] == [job]
