"""Types as protobuf descriptors: what each type that may cross is in a .proto file, and how it is written and read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, NewType, cast, get_args, get_origin
from uuid import UUID

import msgspec
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

from craton.calls.links.grpc.numbers import Numbers
from craton.calls.links.grpc.shapes import ENUM, MESSAGE, MISSING, Choice, Field, Message, Record, Row, Scalar, Wrapped
from craton.crossing import UNIONS, fields_of, is_value
from craton.errors import DeclarationError
from craton.values import Secret

Shape = Scalar | Message


def same(value: Any) -> Any:
    """What protobuf has as it is."""
    return value


def instant(value: datetime) -> datetime:
    """A point in time. ValueError where it is not known which one is meant."""
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone, and protobuf has instants: make it in UTC")
    return value


def scalar(form: str, code: int, to: Any = same, back: Any = same) -> tuple[str, int, Any, Any]:
    """One of SCALARS."""
    return form, code, to, back


SCALARS = {
    bool: scalar("bool", 8), int: scalar("int64", 3), float: scalar("double", 1), str: scalar("string", 9),
    bytes: scalar("bytes", 12), Secret: scalar("string", 9, Secret.reveal), UUID: scalar("string", 9, str),
    Decimal: scalar("string", 9, str), date: scalar("string", 9, date.isoformat),
    time: scalar("string", 9, time.isoformat),
    datetime: scalar("google.protobuf.Timestamp", MESSAGE, instant, lambda found: found.ToDatetime(UTC)),
    timedelta: scalar("google.protobuf.Duration", MESSAGE, same, lambda found: found.ToTimedelta()),
}
"""Their types in protobuf, the numbers of these, how they are written, and read: what is text the codec reads."""
ALTERNATIVES = {str: "text", int: "integer", float: "number", bool: "boolean", bytes: "data"}
"""What the alternatives of a union are called that have no name of their own."""
OPTIONAL: Any = 1
REPEATED: Any = 3
"""FieldDescriptorProto.Label"""


def bare(kind: Any) -> Any:
    """A type without its constraints."""
    if isinstance(kind, NewType):
        return bare(kind.__supertype__)
    return bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def alternatives(kind: Any) -> tuple[list[Any], bool]:
    """The types that a type stands for, and whether it may be None besides."""
    kind = bare(kind)
    found = [bare(one) for one in get_args(kind)] if get_origin(kind) in UNIONS else [kind]
    if get_origin(kind) is Literal and None in get_args(kind):
        found = [Literal[tuple(one for one in get_args(kind) if one is not None)], NoneType]
    rest = [one for one in found if one is not NoneType]
    return rest or [NoneType], len(found) > len(rest) > 0


def item_of(kind: Any) -> Any:
    """What a list is of; None for what is no list."""
    args = get_args(kind)
    if get_origin(kind) is frozenset or (get_origin(kind) is tuple and len(args) == 2 and args[1] is Ellipsis):
        return args[0]
    return None


def camel(name: str) -> str:
    """also_bought -> AlsoBought."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake(name: str) -> str:
    """OutOfStock -> out_of_stock."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def word(text: str) -> str:
    """A text as part of a name: "also bought" -> also_bought."""
    return re.sub(r"\W", "_", text.replace("-", "minus_", 1) if text.startswith("-") else text, flags=re.ASCII)


def name_of(kind: Any) -> str:
    """What a type is called in a union."""
    return ALTERNATIVES.get(kind) or snake(getattr(get_origin(kind) or kind, "__name__", "other"))


class Place(NamedTuple):
    """A file or a message, in which messages and enumerations are described. `name` is the whole one."""

    name: str
    inside: FileDescriptorProto | DescriptorProto

    def message(self, name: str) -> Place:
        """A new message in it."""
        inside = self.inside.message_type if isinstance(self.inside, FileDescriptorProto) else self.inside.nested_type
        return Place(f"{self.name}.{name}", inside.add(name=name))

    def enum(self, name: str) -> EnumDescriptorProto:
        """A new enumeration in it."""
        return self.inside.enum_type.add(name=name)


class Describer:
    """Fills one .proto file with the types that it is asked for."""

    def __init__(self, file: FileDescriptorProto, numbers: Numbers, *, named: dict[str, tuple[Any, Shape]]) -> None:
        self.top, self.numbers, self.named = Place(file.package, file), numbers, named

    def shape(self, kind: Any, place: Place, name: str) -> Shape:
        """A type where one value stands; what has no name of its own gets this one, inside `place`."""
        found, nullable = alternatives(kind)
        if nullable:
            return self.inner(Wrapped, place.message(camel(name)), [("value", kind)])
        return self.one_of(found, place, name)

    def one_of(self, found: Sequence[Any], place: Place, name: str) -> Shape:
        """The same, of a type that may not be None."""
        kind = found[0]
        if len(found) > 1:
            return self.inner(Choice, place.message(camel(name)), [(name_of(one), one) for one in found])
        if kind in SCALARS:
            form, code, to, back = SCALARS[kind]
            return Scalar(form, code, (kind,), to, back)
        if kind is NoneType:
            return Message("google.protobuf.Empty", (NoneType,))
        if is_value(get_origin(kind) or kind):
            return self.record(kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self.enum(kind)
        if get_origin(kind) is Literal:
            return self.literal(get_args(kind), place, camel(name))
        if item_of(kind) is not None:
            return self.inner(Wrapped, place.message(camel(name)), [("items", kind)])
        items = [(f"item{n}", item) for n, item in enumerate(get_args(kind), 1)]
        return self.inner(Row, place.message(camel(name)), items)

    def field(self, name: str, kind: Any, place: Place, *, key: str = "", default: Any = ...) -> Field:
        """One field of a message. `default`: what counts where it is not set, ... where nothing does."""
        found, nullable = alternatives(kind)
        item = item_of(found[0]) if len(found) == 1 else None
        if item is not None and not nullable and default in (..., (), frozenset()):
            return Field(name, self.shape(item, place, name), key or name, repeated=True)
        shape = self.one_of(found, place, name)
        presence = shape.code == MESSAGE or nullable or default is not ...
        return Field(name, shape, key or name, presence=presence, nullable=nullable)

    # ------------------------------------------------------------------ messages

    def result(self, kind: Any, name: str) -> Message:
        """What a method answers with: a value as it is, Empty for None, and a message of this name for the rest."""
        found, nullable = alternatives(kind)
        if len(found) == 1 and not nullable and (found[0] is NoneType or is_value(get_origin(found[0]) or found[0])):
            return cast("Message", self.one_of(found, self.top, name))
        return self.inner(Wrapped, self.top.message(name), [("result", kind)])

    def record(self, kind: Any, name: str = "") -> Record:
        """A value, or another struct: under its own name, or this one."""
        struct = get_origin(kind) or kind
        name = name or "".join(one.__name__ for one in (struct, *get_args(kind)))
        if name in self.named:
            return cast("Record", self.again(name, kind))
        place = self.top.message(name)
        made = Record(place.name, (struct,))
        self.named[name] = kind, made  # before its fields, which may be of its own type
        made.config, types = struct.__struct_config__, fields_of(kind)
        made.fields += [
            self.field(f.name, types[f.name], place, key=f.encode_name, default=default_of(f))
            for f in msgspec.structs.fields(struct)
        ]
        self.define(made, place)
        return made

    def again(self, name: str, kind: Any) -> Shape:
        """What was described before, if it is the same."""
        known, made = self.named[name]
        if known != kind:
            one, other = (f"{getattr(each, '__module__', '')}.{name}" for each in (known, kind))
            raise DeclarationError(f"{one} and {other} would both be {made.form}: give one of them another name.")
        return made

    def inner(self, made: type[Message], place: Place, fields: Sequence[tuple[str, Any]]) -> Message:
        """A message for what is none by itself."""
        message = made(place.name, (frozenset, tuple))
        for name, kind in fields:  # a oneof has no lists in it
            chosen = made is Choice and Field(name, self.one_of([kind], place, name), presence=True)
            message.fields.append(chosen or self.field(name, kind, place))
        self.define(message, place)
        return message

    def define(self, message: Message, place: Place) -> None:
        """Describe the fields of a message."""
        assert isinstance(place.inside, DescriptorProto)
        numbers = self.numbers.of(message.form, {one.name: one.form for one in message.fields})
        if isinstance(message, Choice):
            place.inside.oneof_decl.add(name="kind")
        for one in message.fields:
            self.describe(one, place.inside, number=numbers[one.name], chosen=isinstance(message, Choice))
        for name, number in self.numbers.gone(message.form, numbers).items():
            place.inside.reserved_name.append(name)
            place.inside.reserved_range.add(start=number, end=number + 1)

    def describe(self, one: Field, inside: DescriptorProto, *, number: int, chosen: bool) -> None:
        """Describe one field. `chosen`: of a oneof."""
        made = inside.field.add(name=one.name, number=number, label=REPEATED if one.repeated else OPTIONAL)
        made.type = cast("Any", one.shape.code)
        if one.shape.code in (ENUM, MESSAGE):
            made.type_name = f".{one.shape.form}"
        if chosen:
            made.oneof_index = 0
        elif one.presence and one.shape.code != MESSAGE:  # protobuf describes `optional` as a oneof of one field
            made.proto3_optional, made.oneof_index = True, len(inside.oneof_decl)
            inside.oneof_decl.add(name=f"_{one.name}")

    # ------------------------------------------------------------------ enumerations

    def enum(self, kind: type[Enum]) -> Shape:
        """An enumeration class."""
        if kind.__name__ in self.named:
            return self.again(kind.__name__, kind)
        values = [(one.name, one, one.value) for one in kind]
        self.named[kind.__name__] = kind, self.values(values, self.top, kind.__name__, kinds=(kind,))
        return self.named[kind.__name__][1]

    def literal(self, found: tuple[Any, ...], place: Place, name: str) -> Shape:
        """Some texts as an enumeration; numbers stay numbers."""
        if all(isinstance(one, int) for one in found):
            return Scalar("int64", 3, (int,), same, same)
        return self.values([(word(one), one, one) for one in found], place, name)

    def values(
        self, found: Sequence[tuple[str, Any, Any]], place: Place, name: str, *, kinds: tuple[type, ...] = (str,)
    ) -> Scalar:
        """An enumeration of these names, with what each stands for, and what that is in the one encoding."""
        full, inside, prefix = f"{place.name}.{name}", place.enum(name), snake(name).upper()
        numbers = self.numbers.of(full, {f"{prefix}_{one.upper()}": "value" for one, _, _ in found})
        inside.value.add(name=f"{prefix}_UNSPECIFIED", number=0)
        for one, number in numbers.items():
            inside.value.add(name=one, number=number)
        for gone, number in self.numbers.gone(full, numbers).items():
            inside.reserved_name.append(gone)
            inside.reserved_range.add(start=number, end=number)
        to = {value: number for (_, value, _), number in zip(found, numbers.values(), strict=True)}
        back = {to[value]: plain for _, value, plain in found} | {0: MISSING}
        return Scalar(full, ENUM, kinds, to.__getitem__, lambda number: back.get(number, f"number {number}"))


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """What counts where a field is not set; ... where it must be."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return ... if field.default is msgspec.NODEFAULT else field.default
