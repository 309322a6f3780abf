"""`craton proto`: contracts as .proto files, for clients in any language, and the lock of their numbers."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, get_origin
from uuid import UUID

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from craton.calls.links.grpc.numbers import LOCK, Numbered, Numbers
from craton.calls.links.grpc.schema import Described, Rpc, Schema
from craton.calls.links.grpc.shapes import Message
from craton.calls.links.grpc.status import code_of
from craton.errors import DeclarationError

WIDTH = 100
TYPES = {1: "double", 3: "int64", 8: "bool", 9: "string", 12: "bytes"}
"""The names of those of FieldDescriptorProto.Type that contracts need."""
WRITTEN = {
    Decimal: "A decimal number, such as 12.50.", UUID: "A UUID.", date: "A date, such as 2026-01-31.",
    time: "A time of day, such as 08:30:00.",
}
"""What is said of fields that are text with a form."""
KINDS = {
    "query": "Query: it changes nothing.",
    "command": "Command: it is done once under its key.",
    "saga": "Saga: it is done once under its key, step by step.",
    "effect": "Effect: it reaches the outside world, once under its key.",
}
HEAD = """The field numbers of this application's .proto files. Keep it beside application.py, under version control:
`craton proto --to` adds to it, and a number that was given once is never given to another field.""".splitlines()


def text(described: Described) -> str:
    """The .proto file of a module."""
    return "\n".join([
        f'// The contract of module {described.module.name}, written by `craton proto`.', 'syntax = "proto3";', "",
        f"package {described.file.package};", "", *imports(described.file), *service(described), *messages(described),
    ])


def described(schema: Schema) -> Schema:
    """The same, with all modules described."""
    for module in schema.application.modules:
        schema.module(module.name)
    return schema


def write(schema: Schema, modules: Iterable[str], folder: Path) -> Iterator[Path]:
    """Write the files of some modules into a folder."""
    for name in modules:
        found = schema.module(name)
        file = folder / found.file.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(found))
        yield file


# ---------------------------------------------------------------------- the lock


def lock(numbers: Numbers) -> str:
    """The lock file with all numbers that were ever given."""
    given: Mapping[str, Numbered] = dict(sorted((dict(numbers.locked) | numbers.given).items()))
    lines = [f"# {line}" for line in HEAD]
    for message, fields in given.items():
        lines += ["", f'["{message}"]', *(f'{name} = "{kind} = {number}"' for name, (kind, number) in fields.items())]
    return "\n".join([*lines, ""])


def check(numbers: Numbers) -> None:
    """Refuse a lock that does not know all that is to be exported."""
    new = [f"{message}.{name}" for message, fields in numbers.given.items()
           for name in fields.keys() - numbers.locked.get(message, {}).keys()]
    if new:
        more = f" and {len(new) - 3} more" if len(new) > 3 else ""
        raise DeclarationError(
            f"{LOCK} does not know {', '.join(sorted(new)[:3])}{more}: write it by `craton proto --to`, and commit it."
        )


# ---------------------------------------------------------------------- the text


def imports(file: FileDescriptorProto) -> list[str]:
    """The files that are really needed."""
    used = str(file)
    found = {"timestamp": "Timestamp", "duration": "Duration", "empty": "Empty"}
    lines = [f'import "google/protobuf/{name}.proto";' for name, kind in sorted(found.items())
             if f"google.protobuf.{kind}\"" in used]
    return [*lines, ""] if lines else []


def service(described: Described) -> Iterator[str]:
    """The service."""
    contract, names = described.module.contract, {method.name for method in described.file.service[0].method}
    yield from comment(contract.__doc__)
    yield f"service {contract.__name__} {{"
    for n, rpc in enumerate(described.rpcs.values()):
        if n:
            yield ""
        yield from comment(*notes(contract, rpc), indent="  ")
        streams = "stream " if rpc.method.streams else ""
        asked, answered = (
            short(one.form, described.file.package, hidden=names) for one in (rpc.request, rpc.response)
        )
        yield f"  rpc {rpc.path.rpartition('/')[2]}({asked}) returns ({streams}{answered});"
    yield "}"


def notes(contract: type, rpc: Rpc) -> Iterator[str]:
    """What is said of a method: its own words, its kind, who may call it, and its faults."""
    method = rpc.method
    yield getattr(contract, method.name).__doc__ or ""
    key = " Send idempotency-key metadata." if method.kind != "query" and method.keyed else ""
    who = {"anyone": "anyone", "caller": "whoever has a token"}.get(method.allow, f"the role {method.allow}")
    yield f"{KINDS[method.kind]}{key} " + (
        f"Open to {who}." if method.route and not method.sign_in else "For services of this application."
    )
    if method.raises:
        yield f"Faults: {', '.join(f'{fault.__name__} ({code_of(fault).name})' for fault in method.raises)}."


def messages(described: Described) -> Iterator[str]:
    """All messages and enumerations, in the order in which they are needed."""
    faults = {name: fault for name, (fault, _) in described.faults.items()}
    for enum in described.file.enum_type:
        yield from ("", *comment(described.named[enum.name][0].__doc__), *enumeration(enum))
    for one in described.file.message_type:
        kind = faults.get(one.name) or described.named.get(one.name, (object, None))[0]
        yield from ("", *comment((get_origin(kind) or kind).__doc__ if kind is not object else ""))
        yield from described_message(one, described, path=(one.name,))
    yield ""


def described_message(
    one: DescriptorProto, described: Described, *, path: tuple[str, ...], indent: str = "",
    around: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """A message, with what stands in it. `around`: the names inside the messages that it stands in."""
    yield f"{indent}message {one.name} {{"
    inner, package, kinds = indent + "  ", described.file.package, kinds_of(described, path)
    hidden = around | {enum.name for enum in one.enum_type} | {nested.name for nested in one.nested_type}
    for enum in one.enum_type:
        yield from enumeration(enum, indent=inner)
    for nested in one.nested_type:
        yield from described_message(nested, described, path=(*path, nested.name), indent=inner, around=hidden)
    lines = [line for field in one.field for line in (
        *comment(WRITTEN.get(kinds.get(field.name, object)), indent=inner),
        inner + declared(field, package, inside=".".join(path), hidden=hidden),
    )]
    choice = bool(one.oneof_decl) and one.oneof_decl[0].name == "kind" and not one.field[0].proto3_optional
    yield from [f"{inner}oneof kind {{", *(f"  {line}" for line in lines), f"{inner}}}"] if choice else lines
    yield from reserved(one, inner)
    yield f"{indent}}}"


def kinds_of(described: Described, path: tuple[str, ...]) -> dict[str, Any]:
    """The Python types of the fields of a message that has a name of its own."""
    shape = described.named[path[0]][1] if len(path) == 1 and path[0] in described.named else None
    fields = shape.fields if isinstance(shape, Message) else []
    return {field.name: field.shape.kinds[0] for field in fields}


def declared(field: FieldDescriptorProto, package: str, *, inside: str, hidden: frozenset[str]) -> str:
    """One field of a message that is called `inside` in its file."""
    full = field.type_name.removeprefix(".")
    own = full.removeprefix(f"{package}.{inside}.")
    name = TYPES.get(field.type) or (own if own in hidden else short(full, package, hidden=hidden))
    label = "repeated " if field.label == 3 else "optional " if field.proto3_optional else ""
    return f"{label}{name} {field.name} = {field.number};"


def short(full: str, package: str, *, hidden: Iterable[str] = ()) -> str:
    """A type's name as it is written in a file of its package, where that does not mean another one."""
    name = full.removeprefix(f"{package}.")
    return f".{full}" if name in hidden else name


def enumeration(one: EnumDescriptorProto, *, indent: str = "") -> Iterator[str]:
    """An enumeration."""
    yield f"{indent}enum {one.name} {{"
    yield from (f"{indent}  {value.name} = {value.number};" for value in one.value)
    yield from reserved(one, indent + "  ")
    yield f"{indent}}}"


def reserved(one: DescriptorProto | EnumDescriptorProto, indent: str) -> Iterator[str]:
    """What a message once had."""
    if one.reserved_range:
        yield f"{indent}reserved {', '.join(str(part.start) for part in one.reserved_range)};"
        names = ", ".join(f'"{name}"' for name in one.reserved_name)
        yield f"{indent}reserved {names};"


def comment(*texts: str | None, indent: str = "") -> Iterator[str]:
    """Words, as comments of lines that fit."""
    for words in texts:
        for paragraph in filter(None, inspect.cleandoc(words or "").split("\n\n")):
            yield from textwrap.wrap(
                paragraph, WIDTH, initial_indent=f"{indent}// ", subsequent_indent=f"{indent}// ",
            )
