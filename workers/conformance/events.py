"""The messages between controller and worker: requested events as the kit makes them, and what a report must be."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MODULE = "kit"
QUEUE = "kit"
LEASE = 1  # seconds: heartbeats are due every third of it
LARGEST_RESULT = 2**20  # bytes
ENDS = ("succeeded", "failed", "cancelled", "released")
TYPES = {f"craton.job.{kind}.v1": kind for kind in ("heartbeat", *ENDS)}
USUAL: dict[str, Any] = {"worker": "", "queues": [], "room": 1, "most": 1, "wait": 0}
"""What a request for jobs holds where it says nothing else; `jobs` and `modules` may be there, too."""
NEVER_RUNG = ("taskattempt", "taskfence", "taskfolder")
"""What only the controller's answer to `take` says, since it is not known before."""


def requested(task: str, data: Mapping[str, object], **more: object) -> dict[str, Any]:
    """The event that asks for a job; `more` are further attributes, or others than usual."""
    job = f"job-{uuid.uuid4().hex}"
    return {
        "specversion": "1.0", "id": str(uuid.uuid4()), "source": f"/conformance/{MODULE}",
        "type": f"conformance.{MODULE}.{task}.requested.v1", "subject": job, "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json", "traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
        "taskid": job, "taskname": f"{MODULE}.{task}", "taskmodule": MODULE, "taskqueue": QUEUE, "taskpriority": 0,
        "taskweight": 1, "tasktimeout": 60, "tasklease": LEASE, "data": dict(data),
    } | more


def trouble_in_take(body: Any) -> str:
    """What is wrong with a request for jobs; "" when nothing is. What may be left out is filled in."""
    if not isinstance(body, dict):
        return "a request to take is a JSON object"
    for name, usual in USUAL.items():
        if type(body.setdefault(name, usual)) is not type(usual) and name != "wait":
            return f"take: {name} must be of type {type(usual).__name__}: {body}"
    if isinstance(body["wait"], bool) or not isinstance(body["wait"], int | float):
        return f"take: wait is a number of seconds: {body}"
    if not body["worker"] or body["room"] < 0 or body["most"] < 1 or not body["queues"]:
        return f"take: worker and queues have something in them, room is no less than 0, most no less than 1: {body}"
    return ""


def trouble_in_report(event: Any) -> str:
    """What is wrong with one event of a report; "" when nothing is."""
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        return f"report: not a CloudEvent 1.0: {event}"
    for name in ("id", "source", "type", "taskid", "taskmodule"):
        if not isinstance(event.get(name), str) or not event[name]:
            return f"report: {name} must be a text that is not empty: {event}"
    for name in ("taskattempt", "taskfence"):
        if type(event.get(name)) is not int:
            return f"report: {name} must be an integer, as it was given: {event}"
    if not event["source"].startswith("/worker/"):
        return f"report: source is /worker/<name>: {event}"
    if event["type"] not in TYPES:
        return f"report: unknown type {event['type']}"
    return trouble_in_attributes(event) or trouble_in_data(TYPES[event["type"]], event.get("data"))


def trouble_in_attributes(event: Mapping[str, object]) -> str:
    """Attributes of CloudEvents have lower-case letters and digits as names; and text, integers or booleans in them."""
    for name, value in event.items():
        if name != "data" and not (name.isascii() and name.isalnum() and name == name.lower()):
            return f"report: {name!r} cannot be the name of an attribute"
        if name != "data" and not isinstance(value, str | int | bool):
            return f"report: {name} must be a text, an integer or a boolean: {value!r}"
    return ""


def trouble_in_data(kind: str, data: Any) -> str:
    """Whether the data of a report are what its type asks for."""
    if kind in ("cancelled", "released"):
        return ""
    if not isinstance(data, dict):
        return f"{kind}: data must be an object: {data!r}"
    if kind == "heartbeat":
        return trouble_in_heartbeat(data)
    if kind == "succeeded":
        return "" if "result" in data else f"succeeded: there is no result: {data!r}"
    texts = isinstance(data.get("code"), str) and data["code"] and isinstance(data.get("message"), str)
    after = data.get("retryafter", 0)
    if not texts or not isinstance(data.setdefault("retryable", True), bool) or isinstance(after, bool):
        return f"failed: wants code and message (texts), and perhaps retryable (boolean; else true): {data!r}"
    return "" if isinstance(after, int | float) and after >= 0 else f"failed: retryafter is in seconds: {after!r}"


def trouble_in_heartbeat(data: Mapping[str, Any]) -> str:
    """Progress is a number from 0 to 1, and may be left out; a checkpoint may be any JSON but null."""
    progress = data.get("progress", 0)
    if isinstance(progress, bool) or not isinstance(progress, int | float) or not 0 <= progress <= 1:
        return f"heartbeat: progress is a number from 0 to 1, or is left out: {data!r}"
    return "heartbeat: leave the checkpoint out when there is none" if data.get("checkpoint", 0) is None else ""


def canonical(event: Any) -> str:
    """One text for equal events, however their JSON is written."""
    return json.dumps(event, sort_keys=True)
