"""Where each method is asked over HTTP, and how its arguments are said there, as the OpenAPI document tells."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from struct import Struct
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from craton.calls import codec
from craton.contract import Method, Route
from craton.values import Version

OWN = "/craton/"
"""Where services ask each other what is at no route: the wire name follows, and bodies are in the one encoding."""
EVENTS = f"{OWN}events"
"""Where a program in another language is brought events."""
PACKED, LINES = "application/vnd.craton+msgpack", "application/x-ndjson"
"""What is asked beside the routes: bodies and replies in the one encoding, those of a stream each behind its length.
And the streams of programs in other languages."""
LENGTH = Struct(">I")
LIMIT = 16 * 1024 * 1024
"""Bytes that a request may have."""
UNSAID = object()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request over HTTP. `seen`: the version that is to be changed, as the header If-Match."""

    verb: str
    target: str
    body: bytes
    media: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A method at its route."""

    method: Method
    route: Route

    def asked(self, arguments: msgspec.Struct) -> Asked | None:
        """The request with these arguments; None where the route cannot say one of them."""
        given = {name: getattr(arguments, name) for name in arguments.__struct_fields__}
        in_path = {name: text(given.pop(name)) for name in re.findall(r"{(\w+)}", self.route.path)}
        if any(part in (UNSAID, "", ".", "..") or "/" in part for part in in_path.values()):
            return None
        path = re.sub(r"{(\w+)}", lambda found: quote(in_path[found[1]], safe=""), self.route.path)
        version = given.pop(name) if (name := self.version(given)) else None
        seen = "" if version is None else f'"{version}"'
        if self.route.verb in ("GET", "DELETE"):
            query = self.query(given)
            target = path if not query else f"{path}?{query}"
            return None if query is None else Asked(self.route.verb, target, b"", "", seen)
        return Asked(self.route.verb, path, codec.to_json(given), "application/json", seen)

    def version(self, given: Collection[str]) -> str | None:
        """The argument that stands in the header If-Match."""
        kinds = {field.name: field.type for field in msgspec.structs.fields(self.method.arguments)}
        found = (name for name in given if kinds[name] in (Version, Version | None))
        return None if self.method.kind == "query" else next(found, None)

    def query(self, given: dict[str, Any]) -> str | None:
        """Arguments as a query string; None where it cannot say one of them."""
        defaults = {field.name: field.default for field in msgspec.structs.fields(self.method.arguments)}
        said = {}
        for name, value in given.items():
            if value == defaults[name]:
                continue
            many = isinstance(value, tuple | frozenset)
            said[name] = [text(item) for item in (value if many else [value])]
            if not said[name] or UNSAID in said[name]:
                return None
        return urlencode(said, doseq=True)


def text(value: Any) -> Any:
    """A value as text, from which the other side reads it again."""
    plain = msgspec.to_builtins(value, enc_hook=codec.reveal)
    if plain is None:
        return UNSAID
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
