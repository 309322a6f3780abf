"""`craton asyncapi`: what an application says over brokers and to workers, as an AsyncAPI 3 document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from craton.application import Application
from craton.calls.codec import to_json
from craton.export.asyncapi_messages import messages_of, requested_name, schema_of
from craton.export.asyncapi_places import CONTROLLERS, SERVERS, at, dead_of, events_place, ring_place, sqs_place
from craton.pools import queues_of, tasks_of
from craton.values import Event

Json = dict[str, Any]
SECURITY: Json = {"worker": {
    "type": "http", "scheme": "bearer", "description": "The workers' token: CRATON_WORKER_TOKEN.",
}}


def document(application: Application) -> Json:
    """The document of an application: rings and reports where it has tasks, and the events that its modules hear."""
    said = messages_of(application)
    parts = {"channels": channels(application), "operations": operations(application)}
    used = {"servers": {name: server for name, server in SERVERS.items() if name in servers_of(parts["channels"])}}
    components = {
        "schemas": said.schemas, "messages": said.messages,
        **({"securitySchemes": SECURITY} if "controllers" in used["servers"] else {}),
    }
    digest = blake2b(to_json([parts, components]), digest_size=6).hexdigest()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": application.name, "version": digest,
            "description": "Jobs for workers in any language, and events between modules: CloudEvents 1.0 in JSON. "
            "The version is a digest.",
            "tags": [{"name": m.name} for m in application.modules if tasks_of(m) or heard(application).get(m.name)],
        },
        "defaultContentType": "application/cloudevents+json",
        **used, **parts, "components": components,
    }


def servers_of(channels: Mapping[str, Json]) -> set[str]:
    """The servers that these channels are at."""
    return {server["$ref"].rpartition("/")[2] for one in channels.values() for server in one["servers"]}


def heard(application: Application) -> dict[str, list[type[Event]]]:
    """The events that each module hears, by module."""
    found: dict[str, dict[type[Event], None]] = {}
    for module, method in application.methods():
        for event in (*method.on, *method.awaits):
            found.setdefault(module.name, {})[event] = None
    return {module: list(events) for module, events in found.items()}


# ---------------------------------------------------------------------- channels


def channels(application: Application) -> dict[str, Json]:
    """Where messages go: a channel for each queue and broker, for each way of the controllers' door, for each module
    that hears events."""
    found: dict[str, Json] = {}
    for queue in queues_of(application.modules):
        names = [requested_name(m.name, t.name) for m in application.modules for t in tasks_of(m) if t.queue == queue]
        found[f"rings.{queue}"] = ring_place(application.name, queue) | messages(names)
        found[f"sqs.{queue}"] = sqs_place(application.name, queue) | messages(names)
    if found:
        found |= {"take": door("take", ["take", "jobs"]), "report": door("report", ["reports", "verdicts"])}
        found["dead.jobs"] = dead_of(application.name) | messages(every_requested(application))
    for module, events in heard(application).items():
        names = [*(event.__name__ for event in events), "resend"]
        found[f"events.{module}"] = events_place(application.name, module) | messages(names)
    return found


def door(way: str, names: list[str]) -> Json:
    """One way of the controllers' door."""
    what = {"take": "A worker asks for jobs, and is answered with them.",
            "report": "A worker tells how its jobs are, and is answered what becomes of each."}
    place = {"address": f"/jobs/v1/{way}", "description": what[way], "servers": at(CONTROLLERS)}
    return place | messages(names)


def messages(names: Iterable[str]) -> Json:
    """The messages of a channel."""
    return {"messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names}}


def every_requested(application: Application) -> list[str]:
    """The messages of all tasks."""
    return [requested_name(module.name, task.name) for module in application.modules for task in tasks_of(module)]


# ---------------------------------------------------------------------- operations


def operations(application: Application) -> dict[str, Json]:
    """What the application does: it rings for jobs, gives them out, takes reports; it sends and hears events."""
    found: dict[str, Json] = {}
    for queue in queues_of(application.modules):
        found[f"ring.{queue}"] = operation("send", f"rings.{queue}", f"Ring for jobs of {queue}, over RabbitMQ.") | {
            "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "ack": True, "bindingVersion": "0.3.0"}},
        }
        found[f"ring.sqs.{queue}"] = operation("send", f"sqs.{queue}", f"Ring for jobs of {queue}, over Amazon SQS.")
    if found:
        found["take"] = asked("take", "take", "jobs", "Give a worker jobs, leased to it before it is answered.")
        found["report"] = asked("report", "reports", "verdicts", "Take what workers tell of their jobs.")
    for module in heard(application):
        found[f"hear.{module}"] = operation("receive", f"events.{module}", f"{module} hears of what happened.")
    return found


def operation(action: str, channel: str, summary: str) -> Json:
    """One operation with all messages of its channel."""
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def asked(channel: str, question: str, answer: str, summary: str) -> Json:
    """A request over HTTP."""
    def one(name: str) -> list[Json]:
        return [{"$ref": f"#/channels/{channel}/messages/{name}"}]

    return operation("receive", channel, summary) | {
        "messages": one(question), "reply": {"channel": {"$ref": f"#/channels/{channel}"}, "messages": one(answer)},
        "security": [{"$ref": "#/components/securitySchemes/worker"}],
        "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
    }


# ---------------------------------------------------------------------- files


def write(application: Application, folder: Path) -> Iterator[Path]:
    """Write the document, and the schema of each task's input and output, as `dataschema` of its messages says."""
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    yield put(folder / "asyncapi.json", document(application))
    for module in application.modules:
        for task in tasks_of(module):
            for side, kind in (("input", task.input), ("output", task.output)):
                yield put(folder / f"schemas/{module.name}.{task.name}.{side}.json", schema_of(kind))


def put(file: Path, content: Json) -> Path:
    """Write one file."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    return file
