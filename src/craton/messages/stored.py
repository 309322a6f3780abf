"""Events as they are stored: their streams, and what becomes of those that older code stored."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from craton.calls import codec
from craton.errors import DeclarationError
from craton.values import Event


def stream_of(event: Event) -> str:
    """The stream that an event belongs to, such as "order=o-1"; empty for events without a key."""
    by = event.ordered_by
    return f"{by}={getattr(event, by)}" if by else ""


def event_of(kind: type[Event], *, version: int, body: str) -> Event | None:
    """A stored event as today's code has it; None where it does not fit, even when it has been upcast."""
    try:
        if version >= kind.schema_version:
            return codec.reader(kind).decode(body)  # type: ignore[no-any-return]
        data = kind.upcast(version, msgspec.json.decode(body))
        return codec.reader(kind).decode(msgspec.json.encode(data))  # type: ignore[no-any-return]
    except codec.MALFORMED:
        return None


def events_of(annotation: Any, where: str) -> dict[str, type[Event]]:
    """The events of an annotation, by name: one event, or a union of several."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    if not all(isinstance(kind, type) and issubclass(kind, Event) for kind in kinds):
        raise DeclarationError(f"{where} takes {annotation}: annotate it with an event, or with a union of events.")
    return {kind.__name__: kind for kind in kinds}
