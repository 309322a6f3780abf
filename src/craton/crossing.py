"""Which types may cross between modules: immutable values, checked when the application is built."""

from __future__ import annotations

from collections import abc
from collections.abc import Iterator
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar, Union, get_args, get_origin, is_typeddict
from uuid import UUID

import msgspec

from craton.contract import hints_of, is_contract
from craton.errors import DeclarationError
from craton.values import Fault, Secret, Value

TEXTUAL = (bool, int, float, str, Decimal, datetime, date, time, timedelta, UUID)
"""Types that fit into a path, a query string or an environment variable."""
PLAIN = (NoneType, bytes, Secret, *TEXTUAL)
UNIONS = (Union, UnionType)


def check_crossing(kind: Any, where: str) -> None:
    """Refuse a type that may not cross, with what to use in its place."""
    for place, part in parts(kind, where):
        if why := refusal(part):
            raise DeclarationError(f"{place} is {shown(part)}, {why}.")
    try:
        msgspec.msgpack.Decoder(kind)
    except TypeError as error:
        if "union" not in str(error):
            raise DeclarationError(f"{where} is {shown(kind)}, which cannot be encoded: {error}.") from error
        raise DeclarationError(
            f"{where} is {shown(kind)}, whose alternatives look alike once encoded: tag its values, as in "
            "`class Card(Value, tag=True)`, and use one plain type at most."
        ) from error


def check_no_secret(kind: Any, where: str, *, reason: str) -> None:
    """Refuse a type that holds a secret where it would be stored."""
    for place, part in parts(kind, where):
        if part is Secret:
            raise DeclarationError(f"{place} is a Secret, but {reason}.")


def parts(kind: Any, where: str, seen: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """A type and all that it is made of, each with its place: `parameter lines: Line.sku`."""
    yield where, kind
    origin = get_origin(kind)
    if isinstance(kind, NewType):
        yield from parts(kind.__supertype__, where, seen)
    elif origin is Annotated:
        yield from parts(get_args(kind)[0], where, seen)
    elif origin in (tuple, frozenset, *UNIONS):
        for item in get_args(kind):
            if item is not Ellipsis:
                yield from parts(item, where, seen)
    elif is_value(origin or kind) and kind not in seen:
        for name, field in fields_of(kind).items():
            yield from parts(field, f"{where}: {shown(kind)}.{name}", (*seen, kind))


def fields_of(kind: Any) -> dict[str, Any]:
    """The fields of a value and their types; those of a generic one with its type arguments filled in."""
    struct = get_origin(kind) or kind
    hints, given = hints_of(struct, struct.__name__), arguments_of(kind)
    return {name: filled(hints[name], given) for name in struct.__struct_fields__}


def arguments_of(kind: Any) -> dict[Any, Any]:
    """The type arguments of a generic value, and of those that it inherits from, by type variable."""
    struct = get_origin(kind) or kind
    given = dict(zip(getattr(struct, "__parameters__", ()), get_args(kind), strict=False))
    for base in getattr(struct, "__orig_bases__", ()):
        if get_origin(base) not in (None, Generic):
            given |= arguments_of(filled(base, given))
    return given


def filled(hint: Any, given: dict[Any, Any]) -> Any:
    """A type with its type variables replaced by what they stand for."""
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    open_ = getattr(hint, "__parameters__", ()) if get_origin(hint) else ()
    return hint[tuple(given.get(variable, variable) for variable in open_)] if open_ else hint


def is_value(kind: Any) -> bool:
    """Whether it is a subclass of Value."""
    return isinstance(kind, type) and issubclass(kind, Value)


def refusal(kind: Any) -> str | None:
    """Why a type may not cross, and what to use instead; None where it may."""
    origin = get_origin(kind)
    if kind in PLAIN or isinstance(kind, NewType) or origin in (Annotated, Literal, tuple, frozenset, *UNIONS):
        return None
    if isinstance(kind, TypeVar):
        return "which stands for any type: say which, as in Page[Product]"
    if kind in (Any, object):
        return "which says nothing of what crosses: name its type"
    named = origin or kind
    if not isinstance(named, type):
        return OTHERWISE
    return None if may_cross(named) else instead(named, get_args(kind))


def may_cross(kind: type) -> bool:
    """Whether a class is a frozen value or an enumeration."""
    return (is_value(kind) and kind.__struct_config__.frozen) or issubclass(kind, Enum)  # type: ignore[attr-defined]


def instead(kind: type, args: tuple[Any, ...]) -> str:
    """Why a class may not cross, and what to use in its place."""
    if kind in (tuple, frozenset):
        return f"which does not say of what: write {kind.__name__}[{'..., ...' if kind is tuple else '...'}]"
    if is_contract(kind):
        return "which is a contract: objects do not cross; let the other module ask for it in its __init__"
    items = [shown(item) for item in args] or ["..."]
    known = abc.Mapping if is_typeddict(kind) else Value if is_dataclass(kind) else kind
    text = next((text for kinds, text in INSTEAD if issubclass(known, kinds)), OTHERWISE)
    return text.format(item=items[0], items=", ".join(items), name=kind.__name__)


CHANGEABLE = "which can be changed by whoever holds it"
OTHERWISE = "which cannot cross between modules: use a Value, or a plain type"
INSTEAD: list[tuple[tuple[type, ...], str]] = [
    ((abc.Set,), f"{CHANGEABLE}: use frozenset[{{item}}]"),
    ((abc.Mapping,), f"{CHANGEABLE}: use a Value with named fields, or tuple[tuple[{{items}}], ...]"),
    ((bytearray, memoryview), f"{CHANGEABLE}: use bytes"),
    ((tuple,), "which crosses without the names of its fields: use a Value"),
    ((abc.AsyncIterable, abc.Iterator), "which is no value: a query streams as `def name(self) -> AsyncIterator[T]`"),
    ((abc.Iterable,), f"{CHANGEABLE}: use tuple[{{item}}, ...]"),
    ((msgspec.Struct,), f"{CHANGEABLE}: make it `class {{name}}(Value)`"),
    ((Fault,), "which is raised, not passed: name it in raises=, or use a Value"),
]
"""What people use that may not cross, and what to say of it; the first that fits."""


def is_textual(kind: Any, *, also: tuple[Any, ...] = ()) -> bool:
    """Whether values of a type can be read from text: scalars, enumerations, and the types in `also`."""
    origin = get_origin(kind)
    if isinstance(kind, NewType):
        return is_textual(kind.__supertype__, also=also)
    if origin is Annotated:
        return is_textual(get_args(kind)[0], also=also)
    if origin in UNIONS:
        return all(is_textual(item, also=also) for item in get_args(kind))
    return origin is Literal or kind in (*TEXTUAL, *also) or (isinstance(kind, type) and issubclass(kind, Enum))


def shown(kind: Any) -> str:
    """A type as people write it: `tuple[Line, ...]`."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is NoneType:
        return "None"
    if kind is Ellipsis:
        return "..."
    if origin is Annotated:
        return shown(args[0])
    if origin in UNIONS:
        return " | ".join(shown(item) for item in args)
    if origin is Literal:
        return f"Literal[{', '.join(repr(item) for item in args)}]"
    name = getattr(origin or kind, "__name__", None) or str(kind).removeprefix("typing.")
    return f"{name}[{', '.join(shown(item) for item in args)}]" if args else name
