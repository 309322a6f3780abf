"""The AsyncAPI document: valid by AsyncAPI's own schema, and true of the messages that are really sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from apps.store.application import store
from apps.video.application import video
from craton import Application
from craton.cli import main
from craton.export.asyncapi import document, write
from craton.messages.brokers import cloudevents
from craton.messages.transport import Message
from craton.tasks import messages
from craton.tasks.messages import Take, encode
from tests.tasks.desk import Desk, success
from tests.tasks.mill.application import mill
from tests.tasks.studio import Picture, studio

SPECIFICATION = Path(__file__).parents[1] / "node/node_modules/@asyncapi/specs/schemas/3.0.0.json"
DOCUMENT: dict[str, Any] = json.loads(json.dumps(document(studio)))
STUDIO = "film.studio.render.requested.v1"


def check(message: str, body: bytes, *, document: dict[str, Any] = DOCUMENT) -> None:
    """Hold a body against what the document says of a message. Raises ValidationError."""
    payload = document["components"]["messages"][message]["payload"]
    Draft7Validator({**payload, "components": document["components"]}).validate(json.loads(body))


def checked(kind: type[Any], **fields: Any) -> bytes:
    """A value in JSON."""
    return msgspec.json.encode(kind(**fields))


@pytest.mark.parametrize("application", [store, video, mill, studio], ids=lambda application: application.name)
def test_the_document_is_valid_and_complete(application: Application) -> None:
    found = document(application)
    Draft7Validator(json.loads(SPECIFICATION.read_bytes())).validate(found)
    assert not list(missing(found))


def missing(found: dict[str, Any]) -> Iterator[str]:
    """References to what is not there."""
    for reference in set(re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(found))):
        place: Any = found
        for step in reference.split("/"):
            place = place.get(step) if isinstance(place, dict) else None
        if place is None:
            yield reference


def test_every_task_rings_where_the_brokers_have_its_queue() -> None:
    rung = DOCUMENT["channels"]["rings.graphics"]
    assert rung["address"] == "film.jobs.graphics"
    assert set(rung["messages"]) == {f"studio.{name}.requested" for name in ("render", "big", "short")}
    assert rung["x-queue-arguments"]["x-delivery-limit"] == 1000
    assert DOCUMENT["channels"]["sqs.graphics"]["bindings"]["sqs"]["queue"]["name"] == "film-graphics"


def test_an_application_without_tasks_says_nothing_of_workers() -> None:
    found = document(store)
    assert not {"take", "report"} & found["channels"].keys() and "controllers" not in found["servers"]
    assert "Requested" not in found["components"]["schemas"] and "OrderPaid" in found["components"]["messages"]


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
async def test_what_controllers_and_workers_really_say_is_as_the_document_says(desk: Desk) -> None:
    await desk.submit("develop", 2)
    await desk.submit("render", 1)
    asked = Take(worker="w-1", queues=("graphics", "darkroom"), room=2, most=2)
    check("take", encode(asked))
    jobs = await desk.controller.take(asked)
    check("jobs", encode(jobs))
    for job in jobs:
        check(f"studio.{job.taskname.partition('.')[2]}.requested", encode(job))
    says = [
        (messages.HEARTBEAT, messages.Heartbeat(0.5)), (messages.SUCCEEDED, success(Picture(3))),
        (messages.FAILED, messages.Failed("Oops", "it broke")), (messages.RELEASED, None), (messages.CANCELLED, None),
    ]
    reports = [desk.report(jobs[0], kind, data) for kind, data in says]
    check("reports", encode(reports))
    check("verdicts", encode(messages.Verdicts(tuple(await desk.controller.report(reports)))))


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
async def test_what_nobody_would_say_is_refused(desk: Desk) -> None:
    await desk.submit("render", 1)
    (job,) = await desk.take()
    refuse("studio.render.requested", job, taskname="studio.develop")
    refuse("studio.render.requested", job, data=msgspec.Raw(b'{"number": "one"}'))
    refuse("jobs", [msgspec.structs.replace(job, taskfence=msgspec.UNSET)])
    refuse("reports", [desk.report(job, messages.SUCCEEDED, messages.Succeeded(msgspec.Raw(b'{"sise": 1}')))])
    refuse("reports", [desk.report(job, "craton.job.vanished.v1")])


def refuse(message: str, event: Any, **changes: Any) -> None:
    """What is changed so is against the document."""
    with pytest.raises(ValidationError):
        check(message, encode(msgspec.structs.replace(event, **changes) if changes else event))


def test_a_ring_may_come_without_the_input_and_before_anybody_has_the_job() -> None:
    ring = {
        "specversion": "1.0", "id": "e-1", "source": "/film/studio", "type": STUDIO, "subject": "job-1",
        "time": "2026-01-01T00:00:00Z", "taskid": "job-1", "taskname": "studio.render", "taskmodule": "studio",
        "taskqueue": "graphics", "taskpriority": 0, "taskweight": 1, "tasktimeout": 60, "tasklease": 25,
    }
    check("studio.render.requested", json.dumps(ring).encode())


def test_events_and_requests_to_send_them_again_are_as_the_document_says() -> None:
    event = Message(
        id="event-1", source="studio", stream="one", sequence=1, type="Rendered", version=1,
        body='{"scene": "one", "number": 1, "path": "a.png"}', trace="", created=1.0,
    )
    check("Rendered", cloudevents.encode(event, application="film", destination="studio"))
    with pytest.raises(ValidationError):
        wrong = msgspec.structs.replace(event, body='{"scene": 1}')
        check("Rendered", cloudevents.encode(wrong, application="film", destination="studio"))
    asked = cloudevents.request(cloudevents.Missing("studio", "one", 2), id="request-1", created=1.0)
    check("resend", cloudevents.encode(asked, application="film", destination="studio"))


def test_the_files_are_where_the_messages_say(tmp_path: Path) -> None:
    files = [str(file.relative_to(tmp_path)) for file in write(studio, tmp_path)]
    for schema in DOCUMENT["components"]["schemas"].values():
        for part in schema.get("allOf", []):
            if "dataschema" in part.get("properties", {}):
                assert part["properties"]["dataschema"]["const"].lstrip("/") in files
    frame = json.loads((tmp_path / "schemas/studio.render.input.json").read_bytes())
    Draft202012Validator.check_schema(frame)
    Draft202012Validator(frame).validate({"number": 1})
    with pytest.raises(ValidationError):
        Draft202012Validator(frame).validate({"number": "one"})
    assert json.loads((tmp_path / "asyncapi.json").read_bytes()) == DOCUMENT


def test_the_command_prints_the_document_or_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["asyncapi", "apps.store"])
    assert json.loads(capsys.readouterr().out)["info"] == document(store)["info"]
    main(["asyncapi", "apps.store", "--to", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "asyncapi.json")]
