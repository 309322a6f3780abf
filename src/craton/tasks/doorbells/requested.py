"""What a broker needs to know of an event that it carries."""

from __future__ import annotations

import msgspec

from craton.tasks.doorbell import LARGEST

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


class Requested(msgspec.Struct, frozen=True):
    """The attributes of a requested event that brokers show beside its bytes."""

    id: str
    type: str
    taskid: str
    taskqueue: str
    taskpriority: int = 0
    traceparent: str = ""


READER = msgspec.json.Decoder(Requested)


def attributes_of(event: bytes) -> Requested:
    """An event's attributes. Raises MALFORMED errors for anything else."""
    return READER.decode(event)


def short(event: bytes) -> bytes:
    """An event that is not too large: without its data, where it was; `take` answers with all of it."""
    if len(event) <= LARGEST:
        return event
    attributes: dict[str, msgspec.Raw] = msgspec.json.decode(event, type=dict[str, msgspec.Raw])
    for name in ("data", "taskcheckpoint", "datacontenttype", "dataschema"):
        attributes.pop(name, None)
    return msgspec.json.encode(attributes)
