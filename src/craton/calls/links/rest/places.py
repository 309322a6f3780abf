"""Where each method is asked over HTTP, and how its arguments are said there, as the OpenAPI document tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from struct import Struct
from typing import Any, Optional
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
VERSIONS = (Version, Optional[Version])  # noqa: UP045  # "|" is not for annotated types to all checkers


@dataclass(frozen=True, slots=True)
class Asked:
    """One request over HTTP. `seen`: the version that is to be changed, as the header If-Match."""

    verb: str
    target: str
    body: bytes
    media: str
    seen: str = ""


class Place:
    """A method at its route."""

    def __init__(self, method: Method, route: Route) -> None:
        self.method, self.route = method, route
        self.in_path = re.findall(r"{(\w+)}", route.path)
        fields = [f for f in msgspec.structs.fields(method.arguments) if f.name not in self.in_path]
        versions = [f.name for f in fields if method.kind != "query" and f.type in VERSIONS]
        self.version = versions[0] if versions else None
        self.defaults = {f.name: f.default for f in fields}

    def asked(self, arguments: msgspec.Struct) -> Asked | None:
        """The request with these arguments; None where the route cannot say one of them."""
        given = {name: getattr(arguments, name) for name in arguments.__struct_fields__}
        in_path = {name: text(given.pop(name)) for name in self.in_path}
        if any(part in (UNSAID, "", ".", "..") or "/" in part for part in in_path.values()):
            return None
        path = self.route.path
        for name, part in in_path.items():
            path = path.replace(f"{{{name}}}", quote(part, safe=""))
        version = given.pop(self.version) if self.version else None
        seen = "" if version is None else f'"{version}"'
        if self.route.verb in ("GET", "DELETE"):
            query = self.query(given)
            target = path if not query else f"{path}?{query}"
            return None if query is None else Asked(self.route.verb, target, b"", "", seen)
        return Asked(self.route.verb, path, codec.to_json(given), "application/json", seen)

    def query(self, given: dict[str, Any]) -> str | None:
        """Arguments as a query string; None where it cannot say one of them."""
        said = {}
        for name, value in given.items():
            if value == self.defaults[name]:
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
