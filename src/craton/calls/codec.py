"""The one encoding: MessagePack with maps by field name between services, JSON at the edge."""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from typing import Any, cast, get_origin

import msgspec

from craton.contract import Method
from craton.crossing import parts
from craton.errors import InvalidArguments
from craton.values import Fault, Secret, body_of, fault_of

MALFORMED = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What decoding may raise on bytes that are not what they should be."""


def reveal(value: Any) -> str:
    """What crosses in place of a type that msgspec does not know: only secrets."""
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__qualname__} cannot cross between modules: use values and plain types.")


def conceal(kind: type, value: Any) -> Any:
    """A secret, from the text that crossed in its place."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError(f"expected `str` for a {kind.__name__}, got `{type(value).__name__}`")


PACKER = msgspec.msgpack.Encoder(enc_hook=reveal, order="deterministic")
RECORDER = msgspec.msgpack.Encoder(enc_hook=lambda value: "", order="deterministic")
WRITER = msgspec.json.Encoder(enc_hook=reveal)


@cache
def unpacker(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    """The decoder of a type, made once. Fields it does not know are ignored, so that additive changes keep working."""
    return msgspec.msgpack.Decoder(kind, dec_hook=conceal)


@cache
def reader(kind: Any) -> msgspec.json.Decoder[Any]:
    """The JSON decoder of a type, made once."""
    return msgspec.json.Decoder(kind, dec_hook=conceal)


def encode(value: Any) -> bytes:
    """A value as MessagePack, sets in sorted order. OverflowError for integers beyond 64 bits."""
    try:
        return PACKER.encode(value)
    except TypeError:
        return PACKER.encode(ordered(value))


def decode(kind: Any, data: bytes) -> Any:
    """A value of a type; raises one of MALFORMED where the bytes do not fit."""
    return unpacker(kind).decode(data)


def to_json(value: Any) -> bytes:
    """A value as JSON."""
    return WRITER.encode(value)


def from_json(kind: Any, data: bytes) -> Any:
    """A value of a type; raises one of MALFORMED where the text does not fit."""
    return reader(kind).decode(data)


def from_text(kind: Any, text: str | tuple[str, ...]) -> Any:
    """A value from a path or a query string, where all is text; raises msgspec.ValidationError."""
    return msgspec.convert(text, kind, strict=False, dec_hook=conceal)


def encode_arguments(method: Method, arguments: msgspec.Struct) -> bytes:
    """The arguments of one call: the same bytes for equal arguments, in every process."""
    try:
        return PACKER.encode(ordered(arguments)) if holds_sets(method.arguments) else encode(arguments)
    except (OverflowError, UnicodeError) as error:
        raise InvalidArguments(f"{method.name}: an argument is out of range: {error}.") from error


def record_arguments(method: Method, arguments: msgspec.Struct) -> bytes:
    """The arguments as a record may keep them: secrets are left out."""
    return RECORDER.encode(ordered(arguments)) if holds_sets(method.arguments) else RECORDER.encode(arguments)


def shown_arguments(method: Method, data: bytes) -> dict[str, Any]:
    """Stored arguments in plain types, by name, for people: secrets are left out."""
    recorded = record_arguments(method, decode_arguments(method, data))
    return cast("dict[str, Any]", msgspec.to_builtins(msgspec.msgpack.decode(recorded)))


def decode_arguments(method: Method, data: bytes) -> Any:
    """The arguments of one call; InvalidArguments says which field does not fit, and why."""
    try:
        return decode(method.arguments, data)
    except MALFORMED as error:
        raise refused(method, error) from error


def refused(method: Method, error: Exception) -> InvalidArguments:
    """What to say of arguments that do not fit."""
    field, why = locate(error)
    return InvalidArguments(f"{method.name}: {field}: {why}." if field else f"{method.name}: {why}.")


def locate(error: Exception) -> tuple[str, str]:
    """The path of the field that did not fit, such as "lines[0].sku" ("" for the whole), and what is wrong with it."""
    if isinstance(error, RecursionError):
        return "", "nested too deeply"
    why, _, path = str(error).partition(" - at `$")
    path = path.removesuffix("`").removeprefix(".")
    missing = re.fullmatch(r"Object missing required field `(.+)`", why)
    if missing:
        return ".".join(filter(None, [path, missing[1]])), "is required"
    why = why.replace("`", "")
    return path, why if why[:2].isupper() else why[:1].lower() + why[1:]  # "JSON is malformed" stays as it is


def encode_fault(fault: Fault) -> tuple[str, bytes]:
    """A fault's name and its fields."""
    return type(fault).__name__, encode(fault.body)


def decode_fault(method: Method, name: str, data: bytes) -> Fault | None:
    """The fault, where the method declares it and its fields fit; else None, since nobody may catch it."""
    kind = next((f for f in method.raises if f.__name__ == name), None)
    if kind is None:
        return None
    try:
        return fault_of(kind, decode(body_of(kind), data))
    except MALFORMED:
        return None


def fingerprint(method: str, body: bytes) -> str:
    """What tells two requests under one key apart: 32 hexadecimal digits of the method's name and its arguments."""
    return blake2b(method.encode() + b"\0" + body, digest_size=16).hexdigest()


@cache
def holds_sets(kind: type[msgspec.Struct]) -> bool:
    """Whether there are sets in a type: most cannot be sorted, or not the same way in every process."""
    fields = msgspec.structs.fields(kind)
    return any(get_origin(part) is frozenset for field in fields for _, part in parts(field.type, field.name))


def ordered(value: Any) -> Any:
    """The same value with every set as a list in the order of its items' bytes."""
    if isinstance(value, msgspec.Struct):
        return fields_of(value)
    if isinstance(value, frozenset | set):
        return sorted((ordered(item) for item in value), key=PACKER.encode)
    return tuple(ordered(item) for item in value) if isinstance(value, tuple | list) else value


def fields_of(value: msgspec.Struct) -> Any:
    """A struct's fields as msgspec writes them: by name, or as an array, with the tag where it has one."""
    config = value.__struct_config__
    inner = [ordered(getattr(value, name)) for name in value.__struct_fields__]
    if config.array_like:
        return [config.tag, *inner] if config.tag is not None else inner
    tag = {config.tag_field: config.tag} if config.tag_field else {}
    return tag | dict(zip(value.__struct_encode_fields__, inner, strict=True))
