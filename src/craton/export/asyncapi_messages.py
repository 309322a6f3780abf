"""The messages of an AsyncAPI document, and their schemas: requested jobs, reports, and events."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from craton.application import Application
from craton.edge.openapi import Schemas
from craton.messages.brokers.cloudevents import RESEND, CloudEvent, Missing
from craton.module import Module
from craton.pools import tasks_of
from craton.task import Task
from craton.tasks import messages as wire
from craton.values import Event

Json = dict[str, Any]
ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
REPORTS: dict[str, type | None] = {
    wire.HEARTBEAT: wire.Heartbeat, wire.SUCCEEDED: wire.Succeeded, wire.FAILED: wire.Failed,
    wire.CANCELLED: None, wire.RELEASED: None,
}
"""The types of reports, and what their data is."""
CORRELATED: Json = {"location": "$message.payload#/taskid", "description": "The job."}


def requested_name(module: str, task: str) -> str:
    """The name of the message that requests a job."""
    return f"{module}.{task}.requested"


@dataclass(frozen=True)
class Said:
    """All messages of an application, and the schemas that they and their data have."""

    messages: dict[str, Json]
    schemas: dict[str, Json]


class Shapes:
    """The schemas of values, and of the CloudEvents that carry them."""

    def __init__(self, kinds: Iterable[Any]) -> None:
        self.values = Schemas([wire.Requested, wire.Report, CloudEvent, *kinds])
        self.events: dict[str, Json] = {}

    def carry(self, name: str, envelope: type, data: type | Json | None, **fixed: object) -> Json:
        """A CloudEvent, as a component: its attributes, those that are always the same, and its data."""
        own: Json = {attribute: {"const": value} for attribute, value in fixed.items()}
        if data is not None:
            own["data"] = data if isinstance(data, dict) else self.values.of(data)
        self.events[name] = {"allOf": [self.values.of(envelope), {"type": "object", "properties": own}]}
        return {"$ref": f"#/components/schemas/{name}"}

    def named_in(self, messages: Json) -> dict[str, Json]:
        """The components that these messages name. AsyncAPI's schemas are those of draft 07 of JSON Schema."""
        known, found = self.values.components | self.events, dict[str, Json]()
        new = set(references(messages))
        while new:
            found |= {name: older(known[name]) for name in new}
            new = set(references([found[name] for name in new])) - found.keys()
        complete(found)
        return dict(sorted(found.items()))


def references(schema: Any) -> Iterator[str]:
    """The components that a schema names."""
    if isinstance(schema, dict):
        if isinstance(name := schema.get("$ref"), str):
            yield name.rpartition("/")[2]
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from references(one)


def complete(found: dict[str, Json]) -> None:
    """Say of CloudEvents what their types do not: rings for large inputs lack them, and none lacks its version."""
    for name in {"Requested", "Report", "CloudEvent"} & found.keys():
        required = {*found[name]["required"], "specversion"} - {"data" if name == "Requested" else ""}
        found[name]["required"] = sorted(required)


def messages_of(application: Application) -> Said:
    """All messages of an application."""
    tasks = [(module, task) for module in application.modules for task in tasks_of(module)]
    events = list(dict.fromkeys(e for _, m in application.methods() for e in (*m.on, *m.awaits)))
    values = [kind for _, task in tasks for kind in (task.input, task.output)]
    shapes = Shapes([wire.Take, wire.Verdicts, Missing, *filter(None, REPORTS.values()), *values, *events])
    messages = dict(requested(application, shapes, tasks)) if tasks else {}
    if tasks:
        messages |= {"take": plain(shapes.values.of(wire.Take), "Asks for jobs."), **reports(shapes, tasks)}
    messages |= {event.__name__: happened(shapes, event) for event in events}
    if events:
        messages["resend"] = {
            "name": RESEND, "contentType": ONE, "summary": "Asks the module to send events of a stream again.",
            "payload": shapes.carry(RESEND, CloudEvent, Missing, type=RESEND),
        }
    return Said(messages, shapes.named_in(messages))


def requested(
    application: Application, shapes: Shapes, tasks: list[tuple[Module, Task[Any, Any]]]
) -> Iterator[tuple[str, Json]]:
    """The message of each task, and the batch of jobs that a worker is answered with."""
    payloads = []
    for module, task in tasks:
        name, kind = f"{module.name}.{task.name}", f"{application.name}.{module.name}.{task.name}.requested.v1"
        payload = shapes.carry(
            kind, wire.Requested, task.input, type=kind, source=f"/{application.name}/{module.name}", taskname=name,
            taskmodule=module.name, taskqueue=task.queue, dataschema=f"/schemas/{name}.input.json",
        )
        payloads.append(payload)
        yield requested_name(module.name, task.name), {
            "name": kind, "title": name, "contentType": ONE, "payload": payload, "correlationId": CORRELATED,
            "summary": f"A job of {name} for a worker: {summary(task.input)}", "tags": [{"name": module.name}],
            "bindings": {"amqp": {"messageType": kind, "bindingVersion": "0.3.0"}},
        }
    whole = {"required": ["data", "taskattempt", "taskfence", "taskfolder"]}
    jobs = {"type": "array", "items": {"allOf": [{"anyOf": payloads}, whole]}}
    yield "jobs", {"contentType": BATCH, "payload": jobs, "summary": "Jobs that are the worker's from now on."}


def reports(shapes: Shapes, tasks: list[tuple[Module, Task[Any, Any]]]) -> dict[str, Json]:
    """The reports of workers, and the verdicts that they are answered with."""
    outputs = {repr(task.output): shapes.values.of(task.output) for _, task in tasks}
    result = {"type": "object", "properties": {"result": {"anyOf": list(outputs.values())}}, "required": ["result"]}
    kinds = [
        shapes.carry(name, wire.Report, result if kind is wire.Succeeded else kind, type=name)
        for name, kind in REPORTS.items()
    ]
    batch = {"type": "array", "items": {"anyOf": kinds}}
    return {
        "reports": {"contentType": BATCH, "payload": batch, "summary": "How a worker's jobs are."},
        "verdicts": plain(shapes.values.of(wire.Verdicts), "What becomes of each report, in their order."),
    }


def happened(shapes: Shapes, event: type[Event]) -> Json:
    """An event between modules."""
    name, version = event.__name__, event.schema_version
    payload = shapes.carry(f"{name}.v{version}.event", CloudEvent, event, type=name, schemaversion=version)
    return {"name": name, "contentType": ONE, "payload": payload, "summary": summary(event)}


def plain(schema: Json, summary: str) -> Json:
    """A message that is no CloudEvent."""
    return {"contentType": "application/json", "payload": schema, "summary": summary}


def summary(kind: type) -> str:
    """The first line of what is said of a value."""
    return (inspect.getdoc(kind) or kind.__name__).partition("\n")[0]


def older(schema: Any) -> Any:
    """A schema in the words of draft 07, which has other ones for tuples."""
    if isinstance(schema, list):
        return [older(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: older(value) for name, value in schema.items() if name not in ("prefixItems", "items")}
    if isinstance(text := schema.get("description"), str):
        found["description"] = inspect.cleandoc(text)
    if "prefixItems" in schema:
        found |= {"items": older(schema["prefixItems"]), "additionalItems": older(schema.get("items", True))}
    elif "items" in schema:
        found["items"] = older(schema["items"])
    return found


def schema_of(kind: type) -> Json:
    """The JSON Schema of a value, by itself."""
    own = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return own | msgspec.json.schema(kind)
