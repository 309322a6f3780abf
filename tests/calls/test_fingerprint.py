"""Fingerprints: the same wherever they are taken, and a difference that breaks callers is told in words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from enum import Enum
from typing import Any, Literal, Protocol

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craton.contract import command, effect, query
from craton.fingerprint import differences, fingerprint
from craton.values import Fault, Value

PRINT = """
from craton.application import find_application
from craton.fingerprint import fingerprint
for module in find_application("apps.store").modules:
    if module.contract is not None:
        print(module.name, fingerprint(module.contract).digest.hex())
"""


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    def taken(seed: str) -> str:
        command = [sys.executable, "-c", PRINT]
        return subprocess.run(command, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True).stdout

    one, two = taken("1"), taken("2")
    assert one == two and "orders " in one


def test_a_fingerprint_is_the_same_in_every_version_of_python() -> None:
    by_311 = "cf9dd5d31b6a24a6ddebb35ea5ee7af1"  # changes only with the form of descriptions
    assert fingerprint(Old).digest.hex() == by_311


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class MoreColours(Enum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Line(Value):
    sku: str
    quantity: int = 1


class Tree(Value):
    line: Line
    trees: tuple["Tree", ...] = ()  # noqa: UP037  # a value that holds its own kind


class Gone(Fault):
    sku: str


class Old(Protocol):
    @query
    async def find(self, sku: str, colour: Colour = Colour.RED) -> Tree | None: ...
    @command(raises=Gone)
    async def take(self, lines: tuple[Line, ...]) -> None: ...


class Dearer(Value, tag="line"):
    sku: str


def contract(name: str, marker: Any = query, **hints: Any) -> type:
    """A contract with one method, `find`, whose annotations are these; a pair is a type and a default."""
    pairs = {n: h if isinstance(h, tuple) else (h,) for n, h in hints.items() if n != "result"}
    lines = ", ".join(f"{n}=defaults['{n}']" if len(h) == 2 else n for n, h in pairs.items())
    space: dict[str, Any] = {"defaults": {n: h[1] for n, h in pairs.items() if len(h) == 2}}
    exec(f"async def find(self, *, {lines}): ..." if lines else "async def find(self): ...", space)
    space["find"].__annotations__ = {n: h[0] for n, h in pairs.items()} | {"return": hints.get("result", None)}
    bases: Any = (Protocol,)
    return type(name, bases, {"find": marker(space["find"]), "__module__": __name__})


def value(**fields: Any) -> type:
    """A value `Item` with these fields; a pair is a type and a default."""
    listed = [(n, *h) if isinstance(h, tuple) else (n, h) for n, h in fields.items()]
    return msgspec.defstruct("Item", listed, frozen=True, bases=(Value,), module=__name__)


def compared(here: type, caller: type) -> list[str]:
    """What a provider says of a caller's contract."""
    return differences("shop", ours=fingerprint(here).description, theirs=fingerprint(caller).description)


PASSING = {
    "the same": (contract("A", sku=str), contract("A", sku=str)),
    "a new argument with a default": (contract("A", sku=str, limit=(int, 5)), contract("A", sku=str)),
    "a new field with a default": (contract("A", item=value(a=int, b=(int, 0))), contract("A", item=value(a=int))),
    "a new field in a result": (contract("A", result=value(a=int, b=int)), contract("A", result=value(a=int))),
    "an optional field gone from a result": (
        contract("A", result=value(a=int)), contract("A", result=value(a=int, b=(int, 0)))),
    "a wider argument": (contract("A", sku=str | None), contract("A", sku=str)),
    "a narrower result": (contract("A", result=str), contract("A", result=str | None)),
    "alternatives in another order": (contract("A", sku=str | int), contract("A", sku=int | str)),
    "one more choice that may be sent": (contract("A", c=MoreColours), contract("A", c=Colour)),
    "a value of another name": (contract("A", item=Line), contract("A", item=value(sku=str, quantity=(int, 1)))),
    "a literal for an enumeration": (contract("A", c=Literal["red", "blue"]), contract("A", c=Colour)),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_was_only_added_passes(what: str) -> None:
    assert compared(*PASSING[what]) == []


BREAKING = {
    "find is marked query, and the caller expects command": (contract("A"), contract("A", command)),
    "find is marked effect, and the caller expects query": (contract("A", effect), contract("A")),
    "find: argument limit is required, and the caller does not send it": (contract("A", limit=int), contract("A")),
    "find: argument limit is not known, and the caller sends it": (contract("A"), contract("A", limit=(int, 3))),
    "find: argument sku is int, and the caller sends str": (contract("A", sku=int), contract("A", sku=str)),
    "find: argument sku is str, and the caller sends str | None": (
        contract("A", sku=str), contract("A", sku=str | None)),
    "find: result is str | None, and the caller expects str": (
        contract("A", result=str | None), contract("A", result=str)),
    "find: result is one of['blue', 'green', 'red'], and the caller expects one of['blue', 'red']": (
        contract("A", result=MoreColours), contract("A", result=Colour)),
    "find: argument item: Item.a is int, and the caller sends str": (
        contract("A", item=value(a=int)), contract("A", item=value(a=str))),
    "find: argument items: Item.b is required, and the caller does not send it": (
        contract("A", items=tuple[value(a=int, b=int), ...]),  # type: ignore[misc]
        contract("A", items=tuple[value(a=int), ...])),  # type: ignore[misc]
    "find: result: Item.b is not there, and the caller needs it": (
        contract("A", result=value(a=int)), contract("A", result=value(a=int, b=int))),
    "find: argument item is Dearer, and the caller sends Line": (contract("A", item=Dearer), contract("A", item=Line)),
    "find: argument pair is tuple[int, str], and the caller sends tuple[int]": (
        contract("A", pair=tuple[int, str]), contract("A", pair=tuple[int])),
}


@pytest.mark.parametrize("said", BREAKING)
def test_what_breaks_callers_is_told_in_words(said: str) -> None:
    assert compared(*BREAKING[said]) == [f"shop.{said}"]


def test_a_missing_method_is_told_and_a_new_one_passes() -> None:
    class New(Old, Protocol):
        @query
        def all(self) -> AsyncIterator[Line]: ...

    assert compared(New, Old) == []
    assert compared(Old, New) == ["shop.all does not exist"]


def test_a_fault_may_be_removed_and_added_but_not_changed() -> None:
    def raising(*faults: type[Fault]) -> type:
        class Shop(Protocol):
            @command(raises=faults)
            async def take(self) -> None: ...

        return Shop

    changed = type("Gone", (Fault,), {"__annotations__": {"sku": int}, "__module__": __name__})
    assert compared(raising(), raising(Gone)) == compared(raising(Gone), raising()) == []
    assert compared(raising(changed), raising(Gone)) == ["shop.take: Gone.sku is int, and the caller expects str"]


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner, max_size=4)))
def test_a_description_that_is_none_is_refused_as_such(hostile: Any) -> None:
    with pytest.raises(msgspec.MsgspecError):
        differences("shop", ours=fingerprint(Old).description, theirs=msgspec.msgpack.encode(hostile))
