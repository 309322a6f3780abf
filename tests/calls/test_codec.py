"""The codec gives back what it was given, in both encodings, and refuses the rest with a message."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import NewType, Protocol
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craton.calls import codec
from craton.contract import command, methods_of
from craton.errors import InvalidArguments
from craton.values import Fault, Secret, Value

Sku = NewType("Sku", str)


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Rank(IntEnum):
    LOW = 1
    HIGH = 2


class Card(Value, tag=True):
    token: Secret


class Voucher(Value, tag=True):
    code: str
    worth: Decimal


class Line(Value):
    sku: Sku
    quantity: int = 1


class Everything(Value):
    lines: tuple[Line, ...]
    pair: tuple[int, str]
    size: Size
    rank: Rank
    price: Decimal
    at: datetime
    on: date
    lasts: timedelta
    id: UUID
    raw: bytes
    paid: Card | Voucher
    words: frozenset[str]
    sizes: frozenset[Size]
    held: frozenset[Line]
    nested: frozenset[frozenset[str]]
    secret: Secret
    share: float
    sure: bool
    note: str | None = None


class Refused(Fault, status=409):
    sku: Sku
    left: int = 0


class Undeclared(Fault):
    sku: Sku


class Desk(Protocol):
    @command(raises=Refused)
    async def place(self, order: str, lines: tuple[Line, ...], at: datetime, big: int = 0) -> None: ...

    @command
    async def hold(self, held: frozenset[Line], sizes: frozenset[frozenset[str]]) -> None: ...


PLACE, HOLD = methods_of(Desk)["place"], methods_of(Desk)["hold"]
INT64 = st.integers(-(2**63), 2**63 - 1)
LINES = st.builds(Line, sku=st.text(max_size=8).map(Sku), quantity=INT64)
SECRETS = st.builds(Secret, st.text())
ZONES: st.SearchStrategy[timezone] = st.integers(-1400, 1400).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = datetime(2, 1, 1), datetime(9998, 1, 1)
TIMES = st.datetimes(FIRST, LAST) | st.datetimes(FIRST, LAST, timezones=ZONES)
EVERYTHING = st.builds(
    Everything,
    lines=st.lists(LINES, max_size=3).map(tuple),
    pair=st.tuples(INT64, st.text()),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    at=TIMES,
    raw=st.binary(),
    paid=st.builds(Card, token=SECRETS) | st.builds(Voucher, code=st.text(), worth=st.just(Decimal("1.50"))),
    words=st.frozensets(st.text()),
    held=st.frozensets(LINES),
    nested=st.frozensets(st.frozensets(st.text(max_size=2))),
    secret=SECRETS,
    share=st.floats(allow_nan=False, allow_infinity=False),
    note=st.none() | st.text(),
)


@given(EVERYTHING)
def test_a_value_comes_back_equal_from_messagepack(value: Everything) -> None:
    assert codec.decode(Everything, codec.encode(value)) == value


@given(EVERYTHING)
def test_a_value_comes_back_equal_from_json(value: Everything) -> None:
    assert codec.from_json(Everything, codec.to_json(value)) == value


@given(st.text(), st.lists(LINES, max_size=4).map(tuple), TIMES)
def test_arguments_come_back_equal(order: str, lines: tuple[Line, ...], at: datetime) -> None:
    arguments = PLACE.bind((order, lines), {"at": at})
    assert codec.decode_arguments(PLACE, codec.encode_arguments(PLACE, arguments)) == arguments


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (None, None), (bool, True), (int, 7), (str, "text"), (tuple[int, str], (1, "two")),
        (Line | None, Line(Sku("a"))),
        (frozenset[Size], frozenset({Size.SMALL, Size.LARGE})),
    ],
)
def test_any_result_comes_back_equal(kind: object, value: object) -> None:
    assert codec.decode(kind, codec.encode(value)) == value


SETS = """
from tests.calls.test_codec import HOLD, Line, Sku, codec
held = frozenset(Line(Sku(s), n) for n in (1, 2) for s in "abcdef")
nested = frozenset(frozenset(w) for w in ("ab", "cd", "ef", "a", "xyz", ""))
for held in (held, frozenset()):
    print(codec.encode_arguments(HOLD, HOLD.bind((held, nested), {})).hex())
"""


def test_equal_arguments_have_equal_bytes_in_every_process() -> None:
    seen = {
        subprocess.run([sys.executable, "-c", SETS], env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": "src:."},
                       capture_output=True, text=True, check=True).stdout
        for seed in range(4)
    }
    assert len(seen) == 1
    arguments = codec.decode_arguments(HOLD, bytes.fromhex(seen.pop().split()[0]))
    assert len(arguments.held) == 12 and frozenset("xyz") in arguments.sizes


def test_a_fingerprint_tells_methods_and_arguments_apart() -> None:
    prints = {codec.fingerprint(m, b) for m in ("orders.place", "orders.cancel") for b in (b"", b"x", b"y")}
    assert len(prints) == 6 and all(len(p) == 32 for p in prints)
    assert codec.fingerprint("orders.place", b"x") in prints


def test_fields_that_a_newer_service_added_are_ignored() -> None:
    newer = msgspec.msgpack.encode({"sku": "a", "quantity": 2, "colour": "red"})
    assert codec.decode(Line, newer) == Line(Sku("a"), 2)
    assert codec.from_json(Line, b'{"sku": "a", "colour": ["red"]}') == Line(Sku("a"))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"order": "o", "lines": [], "at": 1, "big": "x"}, "place: at: expected datetime, got int."),
        ({"order": "o", "lines": [{"sku": 7}]}, "place: lines[0].sku: expected str, got int."),
        ({"order": "o", "lines": [{}]}, "place: lines[0].sku: is required."),
        ({"order": "o", "lines": []}, "place: at: is required."),
        ([], "place: expected object, got array."),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_field_and_the_reason(body: object, says: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        codec.decode_arguments(PLACE, msgspec.msgpack.encode(body))
    assert str(refused.value) == says


DEEP = b"\x81\xa1x" + b"\x91" * 100_000


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa5order", b"\x81\xa5order\xa1\xff", DEEP])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidArguments, match=r"^place: "):
        codec.decode_arguments(PLACE, data)


@given(st.binary())
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    try:
        codec.decode_arguments(PLACE, data)
    except InvalidArguments as refused:
        assert str(refused).startswith("place: ")


@pytest.mark.parametrize("big", [2**64, -(2**63) - 1])
def test_an_integer_beyond_64_bits_is_refused(big: int) -> None:
    with pytest.raises(InvalidArguments, match="place: an argument is out of range"):
        codec.encode_arguments(PLACE, PLACE.bind(("o", (), datetime(2026, 1, 1, tzinfo=UTC), big), {}))


def test_what_is_no_value_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="object cannot cross between modules"):
        codec.encode(object())


def test_a_declared_fault_comes_back_typed() -> None:
    fault = Refused(Sku("a"), left=3)
    assert codec.decode_fault(PLACE, *codec.encode_fault(fault)) == fault


def test_a_fault_that_the_method_does_not_declare_does_not_come_back() -> None:
    assert codec.decode_fault(PLACE, *codec.encode_fault(Undeclared(Sku("a")))) is None
    assert codec.decode_fault(HOLD, *codec.encode_fault(Refused(Sku("a")))) is None


def test_a_fault_whose_fields_do_not_fit_does_not_come_back() -> None:
    assert codec.decode_fault(PLACE, "Refused", msgspec.msgpack.encode({"sku": 7})) is None


def test_a_secret_crosses_and_stays_hidden_in_messages() -> None:
    secret = codec.decode(Secret, codec.encode(Secret("hush")))
    assert secret == Secret("hush") and "hush" not in repr(secret)
    with pytest.raises(msgspec.ValidationError, match="expected `str` for a Secret, got `int`"):
        codec.decode(Secret, codec.encode(7))
