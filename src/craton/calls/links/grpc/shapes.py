"""Shapes: how values are written into protobuf messages, and read from them as what the codec takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

import msgspec

MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Scalar:
    """A field that holds one value. `form` is its type in protobuf; `kinds` are the classes that are written so."""

    form: str
    kinds: tuple[type, ...]
    to: Callable[[Any], Any]
    back: Callable[[Any], Any]
    enum: bool = False

    def put(self, message: Any, name: str, value: Any) -> None:
        """Set a field."""
        setattr(message, name, self.to(value))

    def add(self, items: Any, value: Any) -> None:
        """Add to a repeated field."""
        items.append(self.to(value))

    def get(self, found: Any) -> Any:
        """What stands in a field."""
        return self.back(found)


@dataclass(slots=True)
class Message:
    """A field that holds a message; by itself, one without fields, which stands for None."""

    form: str
    kinds: tuple[type, ...]
    fields: list[Field] = field(default_factory=list)

    def put(self, message: Any, name: str, value: Any) -> None:
        """Set a field."""
        part = getattr(message, name)
        part.SetInParent()
        self.write(part, value)

    def add(self, items: Any, value: Any) -> None:
        """Add to a repeated field."""
        self.write(items.add(), value)

    def write(self, message: Any, value: Any) -> None:
        """Write a value into an empty message."""

    def get(self, found: Any) -> Any:
        """The value in a message, made of plain parts; MISSING where there is none."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. `presence`: whether it can be told apart that it is not set, which means None where it is
    `nullable`, and else that its default counts. `key` is its name in the one encoding."""

    name: str
    shape: Scalar | Message
    key: str = ""
    repeated: bool = False
    presence: bool = False
    nullable: bool = False

    @property
    def form(self) -> str:
        """What may not change under its number."""
        return f"repeated {self.shape.form}" if self.repeated else self.shape.form

    def put(self, message: Any, value: Any) -> None:
        """Write the field's value into its message."""
        if self.repeated:
            items = getattr(message, self.name)
            for item in value:
                self.shape.add(items, item)
        elif value is not None:
            self.shape.put(message, self.name, value)

    def take(self, message: Any) -> Any:
        """Read it: MISSING where it is not set."""
        found = getattr(message, self.name)
        if self.repeated:
            return [self.shape.get(item) for item in found]
        if self.presence and not message.HasField(self.name):
            return None if self.nullable else MISSING
        return self.shape.get(found)


class Record(Message):
    """A value, or the arguments of a method."""

    config: Any = None

    def write(self, message: Any, value: Any) -> None:
        """Write each field."""
        for one in self.fields:
            one.put(message, getattr(value, one.name))

    def get(self, found: Any) -> Any:
        """Its fields, as msgspec has them."""
        taken = [(one.key, one.take(found)) for one in self.fields]
        if self.config.array_like:
            return [*([] if self.config.tag is None else [self.config.tag]), *(value for _, value in taken)]
        tag = {self.config.tag_field: self.config.tag} if self.config.tag_field else {}
        return tag | {key: value for key, value in taken if value is not MISSING}


class Row(Message):
    """A tuple of so many items."""

    def write(self, message: Any, value: Any) -> None:
        """Write each item."""
        for one, item in zip(self.fields, value, strict=True):
            one.put(message, item)

    def get(self, found: Any) -> Any:
        """Its items."""
        return [one.take(found) for one in self.fields]


class Wrapped(Message):
    """What is no message by itself, in a message of one field: a result, a list in a list, an item that may be None."""

    def write(self, message: Any, value: Any) -> None:
        """Write what is wrapped."""
        self.fields[0].put(message, value)

    def get(self, found: Any) -> Any:
        """What is wrapped."""
        return self.fields[0].take(found)


class Choice(Message):
    """One of several types: a `oneof`."""

    def write(self, message: Any, value: Any) -> None:
        """Write it as the type that it is of."""
        next(one for one in self.fields if type(value) in one.shape.kinds).put(message, value)

    def get(self, found: Any) -> Any:
        """Whichever is set."""
        return next((one.take(found) for one in self.fields if found.HasField(one.name)), None)


class Instant(Message):
    """A point in time, as google.protobuf.Timestamp, which knows no time zones."""

    def write(self, message: Any, value: Any) -> None:
        """Write it; ValueError where it is not known which instant is meant."""
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone, and gRPC carries instants: make it in UTC")
        message.FromDatetime(value)

    def get(self, found: Any) -> Any:
        """The instant, in UTC."""
        return found.ToDatetime(UTC)


class Length(Message):
    """A time span, as google.protobuf.Duration."""

    def write(self, message: Any, value: timedelta) -> None:
        """Write it."""
        message.FromTimedelta(value)

    def get(self, found: Any) -> Any:
        """The span."""
        return found.ToTimedelta()


def enumeration(name: str, kinds: tuple[type, ...], *, numbers: Sequence[tuple[Any, Any, int]]) -> Scalar:
    """One of some values: each with what it is in the one encoding, and its number."""
    to, back = {value: number for value, _, number in numbers}, {number: plain for _, plain, number in numbers}
    back[0] = MISSING
    return Scalar(name, kinds, to.__getitem__, lambda number: back.get(number, f"number {number}"), enum=True)


def plain(value: Any) -> bytes:
    """What was read, in the one encoding."""
    return msgspec.msgpack.encode(value)
