"""What may cross between modules: values, events and faults; and secrets, which may cross but never stay."""

from __future__ import annotations

from hmac import compare_digest
from typing import Annotated, Any, ClassVar, Generic, TypeVar, dataclass_transform, get_origin, get_type_hints

import msgspec

from craton.errors import DeclarationError


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Value(msgspec.Struct, frozen=True, gc=False):  # no cycle can be made of what is immutable
    """An immutable, typed message: an argument, a result, a part of either."""


T = TypeVar("T")
Version = Annotated[int, msgspec.Meta(ge=0, extra={"version": True})]
"""The version of a value, which each change of it raises. As a field of what a GET answers with, it is its ETag; as a
parameter of a command, the version that its caller has seen, which the edge takes from If-Match."""


class Page(Value, Generic[T]):
    """Some of many. `next_cursor`, as the parameter `cursor`, asks for those that follow; None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None = None


class EventMeta(msgspec.StructMeta):
    """Takes the two options of an event: the field it is ordered by, and its version."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any],
        *, key: str | None = None, version: int = 1, **options: Any,
    ) -> Any:
        return super().__new__(mcs, name, bases, namespace, **options)

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any],
        *, key: str | None = None, version: int = 1, **options: Any,
    ) -> None:
        super().__init__(name, bases, namespace)
        if key is not None and key not in cls.__struct_fields__:
            raise DeclarationError(
                f"{name}: its key {key!r} is none of its fields: name the field that events are ordered by."
            )
        cls.ordered_by, cls.schema_version = key, version


class Event(Value, metaclass=EventMeta):
    """Something that happened in a module.

    `class StockLow(Event, key="sku", version=2)`: events with the same `sku` arrive in the order they were published;
    the version, 1 where nothing is said, is that of the event's fields, and is stored with it.
    """

    ordered_by: ClassVar[str | None]
    schema_version: ClassVar[int]

    @staticmethod
    def upcast(version: int, data: dict[str, Any]) -> dict[str, Any]:
        """The fields of an event that was stored with an older version, as this version has them. Override it where
        a new version is more than further fields with defaults."""
        return data


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Fault(Exception):
    """An error that is part of a contract: it crosses the wire typed, and callers may catch it.

    `status` is the HTTP status at the edge: 400 to 499, and 422 where nothing else is said. With `keeps=True` what the
    command had written when it raised it stays: for commands with `keyed=False`, such as one that counts failures.
    """

    status: ClassVar[int] = 422
    keeps: ClassVar[bool] = False
    defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, *, status: int | None = None, keeps: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.status, cls.keeps = cls.status if status is None else status, keeps
        if not 400 <= cls.status <= 499:
            raise DeclarationError(
                f"{cls.__name__}: status {cls.status} is none of a fault: give it one of 400 to 499."
            )
        own = [name for name in vars(cls).get("__annotations__", {}) if name in vars(cls)]
        cls.defaults = cls.defaults | {name: vars(cls)[name] for name in own}
        for name in own:
            delattr(cls, name)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.body = body_of(type(self))(*args, **kwargs)
        values = msgspec.structs.astuple(self.body)
        self.__dict__.update(zip(self.body.__struct_fields__, values, strict=True))
        super().__init__(*values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fault) and type(self) is type(other) and self.body == other.body

    def __hash__(self) -> int:
        return hash((type(self), self.body))

    def __str__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self.body.__struct_fields__)})"


def body_of(fault: type[Fault]) -> type[msgspec.Struct]:
    """The struct with the fault's fields, made once: what crosses the wire in the exception's place."""
    made: type[msgspec.Struct] | None = vars(fault).get("__craton_body__")
    if made is None:
        hints = {n: t for n, t in get_type_hints(fault, include_extras=True).items() if get_origin(t) is not ClassVar}
        fields = [(n, t, fault.defaults[n]) if n in fault.defaults else (n, t) for n, t in hints.items()]
        made = msgspec.defstruct(fault.__name__, fields, frozen=True, module=fault.__module__)
        setattr(fault, "__craton_body__", made)  # noqa: B010
    return made


def fault_of(fault: type[Fault], body: msgspec.Struct) -> Fault:
    """The fault that carries this body."""
    return fault(**msgspec.structs.asdict(body))


class VersionConflict(Fault, status=409):
    """A stream of events is not at the version that was asked for; `found` is its version, where that is known."""

    stream: str
    expected: int
    found: int | None = None


class Secret:
    """Text that may cross between modules but never stays: not journaled, published, stored, logged or traced."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call it where it is used, and keep the result nowhere."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"
