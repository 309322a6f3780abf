"""What brokers carry: CloudEvents 1.0.2 as JSON, in structured mode, readable by programs in any language."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, UnsetType

from craton.messages.transport import Message

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
RESEND = "craton.events.resend"
"""The type of the message by which a module asks another to send events again."""


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one module. `source` is "/application/module".

    `data` is the event as its outbox keeps it, of version `schemaversion` of its type. `partitionkey` is its stream,
    within which `sequence` counts 1, 2, 3 ... for this destination (text in the standard's extension), "0" without a
    stream. `gap`: what came before it in its stream is lost for good.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str = "application/json"
    destination: str
    sequence: str
    schemaversion: int
    partitionkey: str | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    gap: bool | UnsetType = UNSET
    data: msgspec.Raw


class Missing(msgspec.Struct, frozen=True):
    """The data of a `RESEND`: `destination` misses events of `stream`, from number `first` on; "" is every stream."""

    destination: str
    stream: str
    first: int


ENCODER = msgspec.json.Encoder()
READER, READER_OF_MISSING = msgspec.json.Decoder(CloudEvent), msgspec.json.Decoder(Missing)


def encode(message: Message, *, application: str, destination: str) -> bytes:
    """A message as it travels. Raises MALFORMED errors where its body is no JSON."""
    return ENCODER.encode(CloudEvent(
        id=message.id, source=f"/{application}/{message.source}", type=message.type,
        time=datetime.fromtimestamp(message.created, UTC).isoformat().replace("+00:00", "Z"),
        destination=destination, sequence=str(message.sequence), schemaversion=message.version,
        partitionkey=message.stream or UNSET, traceparent=message.trace or UNSET, gap=message.gap or UNSET,
        data=msgspec.Raw(message.body.encode()),
    ))


def decode(body: bytes) -> Message | Missing:
    """A message that arrived, or a request to send some again. Raises MALFORMED errors for anything else."""
    event = READER.decode(body)
    if event.type == RESEND:
        return READER_OF_MISSING.decode(event.data)
    return Message(
        id=event.id, source=event.source.rpartition("/")[2], stream=event.partitionkey or "",
        sequence=int(event.sequence), type=event.type, version=event.schemaversion,
        body=bytes(event.data).decode(), trace=event.traceparent or "",
        created=datetime.fromisoformat(event.time).timestamp(), gap=event.gap is True,
    )


def request(missing: Missing, *, id: str, created: float) -> Message:
    """A request to send some again, as a message to the module that published them."""
    return Message(
        id=id, source=missing.destination, stream="", sequence=0, type=RESEND, version=1,
        body=ENCODER.encode(missing).decode(), trace="", created=created,
    )
