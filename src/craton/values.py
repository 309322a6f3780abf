"""What may cross between modules: values, events and faults; and secrets, which may cross but never stay."""

from __future__ import annotations

from functools import cache
from hmac import compare_digest
from typing import Any, ClassVar, dataclass_transform, get_origin, get_type_hints

import msgspec


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class ValueMeta(msgspec.StructMeta):
    """Makes every value frozen without saying so."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        options.setdefault("frozen", True)
        return super().__new__(mcs, name, bases, namespace, **options)


class Value(msgspec.Struct, metaclass=ValueMeta):
    """An immutable, typed message: an argument, a result, a part of either."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class EventMeta(ValueMeta):
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
        cls.ordered_by, cls.version = key, version


class Event(Value, metaclass=EventMeta):
    """Something that happened in a module. Events with the same `key` field arrive in the order they were published."""

    ordered_by: ClassVar[str | None]
    version: ClassVar[int]


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Fault(Exception):
    """An error that is part of a contract: it crosses the wire typed, and callers may catch it.

    `status` is the HTTP status at the edge: 400 to 499, and 422 where nothing else is said.
    """

    status: ClassVar[int] = 422
    defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, *, status: int | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if status is not None:
            cls.status = status
        own = [name for name in cls.__dict__.get("__annotations__", {}) if name in cls.__dict__]
        cls.defaults = cls.defaults | {name: cls.__dict__[name] for name in own}
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


@cache
def body_of(fault: type[Fault]) -> type[msgspec.Struct]:
    """The struct with the fault's fields: what crosses the wire in the exception's place."""
    hints = {n: t for n, t in get_type_hints(fault, include_extras=True).items() if get_origin(t) is not ClassVar}
    fields = [(n, t, fault.defaults[n]) if n in fault.defaults else (n, t) for n, t in hints.items() if t is not ClassVar]
    return msgspec.defstruct(fault.__name__, fields, frozen=True, module=fault.__module__)


def fault_of(fault: type[Fault], body: msgspec.Struct) -> Fault:
    """The fault that carries this body."""
    return fault(**msgspec.structs.asdict(body))


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
