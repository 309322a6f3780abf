"""Shapes: what protobuf messages are made of for a value, and what is read from them for the codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MISSING: Any = object()
ENUM, MESSAGE = 14, 11  # of FieldDescriptorProto.Type


@dataclass(frozen=True, slots=True)
class Scalar:
    """What one value is made of, and read from. `form` is its type in protobuf, `code` the number of that, and `kinds`
    the classes that are written so."""

    form: str
    code: int
    kinds: tuple[type, ...]
    to: Callable[[Any], Any]
    back: Callable[[Any], Any]


@dataclass(slots=True)
class Message:
    """The same of what becomes a message; by itself, one without fields, which stands for None."""

    form: str
    kinds: tuple[type, ...]
    fields: list[Field] = field(default_factory=list)
    code = MESSAGE

    def to(self, value: Any) -> dict[str, Any]:
        """The message's fields."""
        return {}

    def back(self, found: Any) -> Any:
        """The value, in plain parts; MISSING where there is none."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. `presence`: whether it can be told that it is not set, which means None where it is
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

    def to(self, value: Any) -> Any:
        """What it is set to; None leaves it."""
        if self.repeated:
            return [self.shape.to(item) for item in value]
        return None if value is None else self.shape.to(value)

    def back(self, message: Any) -> Any:
        """Its value; MISSING where it is not set."""
        found = getattr(message, self.name)
        if self.repeated:
            return [self.shape.back(item) for item in found]
        if self.presence and not message.HasField(self.name):
            return None if self.nullable else MISSING
        return self.shape.back(found)


class Record(Message):
    """A value, or the arguments of a method."""

    config: Any = None

    def to(self, value: Any) -> dict[str, Any]:
        """Its fields."""
        return {one.name: one.to(getattr(value, one.name)) for one in self.fields}

    def back(self, found: Any) -> Any:
        """Its fields, as msgspec has them."""
        taken = [(one.key, one.back(found)) for one in self.fields]
        if self.config.array_like:
            return [*([] if self.config.tag is None else [self.config.tag]), *(value for _, value in taken)]
        tag = {self.config.tag_field: self.config.tag} if self.config.tag_field else {}
        return tag | {key: value for key, value in taken if value is not MISSING}


class Row(Message):
    """A tuple of so many items."""

    def to(self, value: Any) -> dict[str, Any]:
        """Its items."""
        return {one.name: one.to(item) for one, item in zip(self.fields, value, strict=True)}

    def back(self, found: Any) -> Any:
        """Its items."""
        return [one.back(found) for one in self.fields]


class Wrapped(Message):
    """What is no message by itself, in a message of one field: a result, a list in a list, an item that may be None."""

    def to(self, value: Any) -> dict[str, Any]:
        """What is wrapped."""
        return {self.fields[0].name: self.fields[0].to(value)}

    def back(self, found: Any) -> Any:
        """What is wrapped."""
        return self.fields[0].back(found)


class Choice(Message):
    """One of several types: a `oneof`."""

    def to(self, value: Any) -> dict[str, Any]:
        """The value, as the type that it is of."""
        return {one.name: one.to(value) for one in self.fields if type(value) in one.shape.kinds}

    def back(self, found: Any) -> Any:
        """Whichever is set."""
        return next((one.back(found) for one in self.fields if found.HasField(one.name)), None)
