"""Arguments from outside: where each one stands in a request, and the checks that each one has to pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Any, get_origin
from urllib.parse import parse_qsl

import msgspec

from craton.calls import codec
from craton.contract import Method, Route
from craton.crossing import parts
from craton.edge.problems import Problem, invalid
from craton.values import Secret, Version

MOST_PARAMETERS = 1000
SUSPECTS: list[tuple[type, bytes]] = [
    (str, rb"\\u"), (Secret, rb"\\u"), (int, rb"\d{19}"), (float, rb"\d{19}|[nN][aA][nN]|[iI][nN][fF]"),
    (Decimal, rb"[nN][aA][nN]|[iI][nN][fF]"), (datetime, rb"(?:0001|9999)-"),
]
"""What JSON text must hold for a value of a type in it to be one that `unfit` refuses."""
SUSPECT_TEXT = re.compile(r"nan|inf|\d{19}|\0|(?:0001|9999)-", re.IGNORECASE)
"""The same, of any text in a path."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument in a path or a query string; `many`: it may be given several times."""

    name: str
    type: Any
    many: bool
    default: Any


@dataclass(frozen=True, slots=True)
class Reader:
    """Where the arguments of a method stand in a request: in the path, and in the query string or the body."""

    method: Method
    path: tuple[Parameter, ...]
    query: tuple[Parameter, ...]
    in_path: type[msgspec.Struct]
    body: type[msgspec.Struct] | None
    suspect: re.Pattern[bytes]
    version: Parameter | None = None
    """The one that is taken from If-Match."""

    def read(self, path: Mapping[str, str], query: bytes, body: bytes, *, version: int | None = None) -> msgspec.Struct:
        """The arguments of one request; raises Problem where they do not fit."""
        seen = {} if self.version is None or version is None else {self.version.name: version}
        if self.body is None:
            given = {**path, **(self.texts(query) if query else {}), **seen}
            found: msgspec.Struct = parse(partial(codec.from_text, self.method.arguments), given)
            return found if len(query) == 0 and not any(map(SUSPECT_TEXT.search, path.values())) else checked(found)
        inside = msgspec.structs.asdict(parse(partial(codec.from_json, self.body), body or b"{}"))
        if not path:
            found = self.method.arguments(**inside, **seen)
            return checked(found) if self.suspect.search(body) else found
        outside = msgspec.structs.asdict(parse(partial(codec.from_text, self.in_path), dict(path)))
        return checked(self.method.arguments(**outside, **inside, **seen))

    def texts(self, query: bytes) -> dict[str, Any]:
        """The query string by argument; names that are no parameter are ignored."""
        given: dict[str, list[str]] = {}
        for name, text in parse(pairs, query):
            given.setdefault(name, []).append(text)
        known = [p for p in self.query if p.name in given]
        return {p.name: given[p.name] if p.many else single(p.name, given[p.name]) for p in known}


def reader_of(method: Method, route: Route) -> Reader:
    """How to read a method's arguments. What cannot stand in a path or a query string was refused before."""
    fields = {f.name: f for f in msgspec.structs.fields(method.arguments)}
    named = re.findall(r"{(\w+)}", route.path)
    others = [name for name in fields if name not in named]
    versions = [name for name in others if method.kind != "query" and is_version(fields[name].type)]
    rest = [name for name in others if name not in versions[:1]]
    in_query = route.verb in ("GET", "DELETE")
    return Reader(
        method,
        path=tuple(parameter(fields[name]) for name in named),
        query=tuple(parameter(fields[name]) for name in rest) if in_query else (),
        in_path=part(method, named, suffix="Path"),
        body=None if in_query else part(method, rest, suffix="Request"),
        suspect=suspect_of([fields[name].type for name in rest]),
        version=parameter(fields[versions[0]]) if versions else None,
    )


def suspect_of(kinds: Sequence[Any]) -> re.Pattern[bytes]:
    """What to look for in the text of values of these types, so that nearly all of them need no second look."""
    found = {part for kind in kinds for _, part in parts(kind, "") if isinstance(part, type)}
    return re.compile(b"|".join(sorted({text for kind, text in SUSPECTS if kind in found})) or rb"(?!)")


def is_version(kind: Any) -> bool:
    """Whether a type is `Version`, or `Version | None`."""
    return bool(kind == Version or kind == Version | None)


def parameter(field: msgspec.structs.FieldInfo) -> Parameter:
    """One parameter in a path or a query string."""
    return Parameter(field.name, field.type, get_origin(field.type) in (tuple, frozenset), field.default)


def part(method: Method, names: Sequence[str], *, suffix: str) -> type[msgspec.Struct]:
    """Some of a method's arguments as a type of their own."""
    fields = [f for f in msgspec.structs.fields(method.arguments) if f.name in names]
    name = "".join(word[:1].upper() + word[1:] for word in method.arguments.__name__.split("_")) + suffix
    return msgspec.defstruct(
        name, [(f.name, f.type) if f.required else (f.name, f.type, f.default) for f in fields],
        frozen=True, kw_only=True, module=method.arguments.__module__,
    )


def pairs(query: bytes) -> list[tuple[str, str]]:
    """The names and texts of a query string."""
    text = query.decode("ascii")
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)


def single(name: str, texts: list[str]) -> str:
    """The text of a parameter that is no list."""
    if len(texts) > 1:
        raise invalid(name, f"was given {len(texts)} times, and takes one value")
    return texts[0]


def parse(read: Callable[[Any], Any], given: Any) -> Any:
    """What was read; 422 where it does not fit, 400 where it cannot be read at all."""
    try:
        return read(given)
    except msgspec.ValidationError as error:
        raise invalid(*codec.locate(error)) from error
    except (*codec.MALFORMED, ValueError) as error:
        raise Problem("malformed", f"{codec.locate(error)[1]}.") from error


def checked(arguments: msgspec.Struct) -> msgspec.Struct:
    """The arguments, where every value in them means the same in every database and on every link."""
    for field, why in unfit(arguments, ""):
        raise invalid(field, why)
    return arguments


def unfit(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """The values that some database or link cannot hold, and why."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from unfit(getattr(value, name), f"{field}.{name}" if field else name)
    elif isinstance(value, tuple | frozenset):
        for index, item in enumerate(value):
            yield from unfit(item, f"{field}[{index}]")
    elif why := next((why for kind, fits, why in LIMITS if isinstance(value, kind) and not fits(value)), None):
        yield field, why


def in_range(time: datetime) -> bool:
    """Whether a time can be told in UTC."""
    try:
        return time.tzinfo is None or time.astimezone(UTC) is not None
    except OverflowError:
        return False


LIMITS: list[tuple[type, Callable[[Any], bool], str]] = [
    (int, lambda n: -(2**63) <= n < 2**63, "must fit into 64 bits"),
    (float, isfinite, "must be a finite number"),
    (Decimal, Decimal.is_finite, "must be a finite number"),
    (str, lambda text: "\0" not in text, "must not hold the character U+0000"),
    (Secret, lambda secret: "\0" not in secret.reveal(), "must not hold the character U+0000"),
    (datetime, in_range, "must be a time that UTC can tell"),
]
