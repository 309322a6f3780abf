"""JSON of dataclasses, by pydantic's own serializer."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def dumped(value: object) -> str:
    """A value as JSON."""
    return ANYTHING.dump_json(value).decode()


KNOWN = dict[Any, TypeAdapter[Any]]()


def reader(kind: Any) -> TypeAdapter[Any]:
    """What reads JSON of this type: `reader(list[Product]).validate_json(body)`. Made once for each."""
    if (found := KNOWN.get(kind)) is None:
        found = KNOWN[kind] = TypeAdapter(kind)
    return found
