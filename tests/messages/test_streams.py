"""Event sourcing: state is what the stream says, whoever else writes, and whatever code stored it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select, update

from craton import DeclarationError, Event, Failed, Misuse, Secret, Streams, UnknownEvent, Value, VersionConflict
from craton.data.store import transact
from craton.data.tables import tables_of
from craton.messages.stored import event_of
from craton.run.process import Process
from craton.testing.start import Running, calling, start
from tests.messages.accounts import Bank, Branch, TooMuch, bank

OUTBOX, SNAPSHOT = tables_of("bank").outbox, tables_of("bank").snapshot


@pytest.fixture(params=[("sqlite", "local"), ("sqlite", "wire"), ("postgresql", "local")], ids=lambda p: "-".join(p))
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    engine, link = request.param
    database = None
    if engine == "postgresql":
        database = f"{request.getfixturevalue('postgresql')}/streams_{secrets.token_hex(4)}"
    async with start(bank, link=link, database=database) as running:
        yield running


def process(running: Running) -> Process:
    return next(p for p in running.processes.values() if p.hosted)


async def rows(running: Running, statement: object) -> list[tuple[object, ...]]:
    found = await process(running).store.read("bank", statement)  # type: ignore[arg-type]
    return [tuple(row) for row in found]


async def write(running: Running, statement: object) -> None:
    await transact(process(running).store, "bank", lambda unit: unit.execute("bank", statement))  # type: ignore[arg-type]


async def test_state_is_what_the_events_made_it_and_the_stream_is_the_outbox(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    assert await accounts.pay("a", 5) == 5
    assert await accounts.pay("a", -2) == 3
    assert await accounts.balance("a") == (3, 3)
    stored = select(OUTBOX.c.stream, OUTBOX.c.place, OUTBOX.c.type, OUTBOX.c.status).order_by(OUTBOX.c.position)
    assert await rows(running, stored) == [
        ("account=a", 1, "Opened", "sent"), ("account=a", 2, "Paid", "sent"), ("account=a", 3, "Paid", "sent"),
    ]


async def test_a_fault_takes_its_events_back_and_the_command_had_seen_them(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    for _ in range(2):
        with calling(key="1"), pytest.raises(TooMuch) as raised:
            await accounts.pay_and_fail("a")
        assert raised.value == TooMuch("a", 1)
    assert await accounts.balance("a") == (0, 1)
    assert await accounts.listed() == (("a", 0),)


async def test_who_was_overtaken_decides_again_on_what_the_other_did(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    await accounts.pay("a", 6)
    answers = await asyncio.gather(*(pay(accounts, -1) for _ in range(12)))
    assert sorted(answers) == ["paid"] * 6 + ["too much"] * 6
    assert await accounts.balance("a") == (0, 8)
    places = await rows(running, select(OUTBOX.c.place).order_by(OUTBOX.c.place))
    assert places == [(n,) for n in range(1, 9)]


async def pay(accounts: Bank, amount: int) -> str:
    """Ask until it was taken: twelve at once meet more conflicts than a command alone outlives."""
    while True:
        try:
            await accounts.pay("a", amount)
            return "paid"
        except TooMuch:
            return "too much"


async def test_a_version_that_was_asked_for_and_has_passed_is_a_conflict(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    assert await accounts.pay_at("a", 1, 5) == 5
    with calling(key="1"), pytest.raises(VersionConflict) as raised:
        await accounts.pay_at("a", 1, 5)
    assert raised.value == VersionConflict("account=a", 1, 2)
    assert await accounts.balance("a") == (5, 2)


async def test_a_stream_that_was_to_be_new_and_is_not_is_a_conflict(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open_blindly("a")
    for _ in range(2):
        with calling(key="1"), pytest.raises(VersionConflict) as raised:
            await accounts.open_blindly("a")
        assert raised.value == VersionConflict("account=a", 0)
    assert await accounts.balance("a") == (0, 1)


async def test_of_two_who_begin_a_stream_at_once_one_does(running: Running) -> None:
    accounts = running.get(Bank)
    answers = await asyncio.gather(*(accounts.open_blindly("a") for _ in range(2)), return_exceptions=True)
    assert sorted(map(type, answers), key=str) == [type(None), VersionConflict]


async def test_an_event_of_another_stream_is_refused(running: Running) -> None:
    await running.get(Bank).open("a", 0)
    with pytest.raises((Misuse, Failed)):
        await running.get(Bank).misplace("a")
    assert await running.get(Bank).balance("another") == (0, 0)


async def test_a_snapshot_stands_for_the_events_before_it(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    await accounts.pay_often("a", 8)
    assert await rows(running, select(SNAPSHOT.c.place)) == []
    await accounts.pay_often("a", 4)
    assert await rows(running, select(SNAPSHOT.c.stream, SNAPSHOT.c.place)) == [("account=a", 13)]
    await accounts.pay("a", 1)
    await write(running, update(OUTBOX).where(OUTBOX.c.place < 13).values(type="Lost"))  # nobody reads those any more
    assert await accounts.balance("a") == (13, 14)


async def test_a_snapshot_that_no_longer_fits_is_ignored(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    await accounts.pay_often("a", 20)
    wrong = update(SNAPSHOT).values(schema="2 of another code", body='{"saldo": 1}')
    await write(running, wrong)
    assert await accounts.balance("a") == (20, 21)
    await accounts.pay_often("a", 10)
    assert (await rows(running, select(SNAPSHOT.c.place, SNAPSHOT.c.body))) == [
        (31, '{"balance":30,"limit":0,"closed":false}')
    ]


async def test_an_event_that_the_code_does_not_know_is_named(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    await accounts.pay("a", 1)
    await write(running, update(OUTBOX).where(OUTBOX.c.place == 2).values(type="Frozen", version=3))
    with pytest.raises((UnknownEvent, Failed)) as raised:
        await accounts.balance("a")
    if isinstance(raised.value, UnknownEvent):
        assert str(raised.value).startswith("account=a holds Frozen (version 3) at place 2, which evolve cannot read")


async def test_events_of_two_aggregates_do_not_mix(running: Running) -> None:
    accounts = running.get(Bank)
    await asyncio.gather(*(accounts.open(name, 0) for name in ("a", "b")))
    await asyncio.gather(accounts.pay_often("a", 3), accounts.pay_often("b", 4))
    assert await accounts.balance("a") == (3, 4)
    assert await accounts.balance("b") == (4, 5)


# ---------------------------------------------------------------------- older and newer code


class Moved(Event, key="thing", version=3):
    thing: str
    street: str
    city: str

    @staticmethod
    def upcast(version: int, data: dict[str, object]) -> dict[str, object]:
        if version < 2:
            data = {"thing": data["thing"], "where": f"{data['street']}, {data['town']}"}
        street, _, city = str(data["where"]).partition(", ")
        return {"thing": data["thing"], "street": street, "city": city}


@pytest.mark.parametrize(("version", "body"), [
    (1, '{"thing":"a","street":"Elm 1","town":"Ulm"}'),
    (2, '{"thing":"a","where":"Elm 1, Ulm"}'),
    (3, '{"thing":"a","street":"Elm 1","city":"Ulm"}'),
    (4, '{"thing":"a","street":"Elm 1","city":"Ulm","country":"DE"}'),
])
def test_events_of_other_versions_are_read_as_this_version_has_them(version: int, body: str) -> None:
    assert event_of(Moved, version=version, body=body) == Moved("a", "Elm 1", "Ulm")


def test_a_newer_version_that_is_not_additive_is_not_read() -> None:
    assert event_of(Moved, version=4, body='{"thing":"a","place":{}}') is None


async def test_a_stream_is_upcast_when_it_is_loaded(running: Running) -> None:
    store, events = process(running).store, process(running).events("bank")
    places = Streams(store, "bank", events).of(where)
    old = dict(
        id="event-1", stream="thing=a", type="Moved", version=1, body='{"thing":"a","street":"Elm 1","town":"Ulm"}',
        sequences="{}", pending="", status="sent", due=0.0, attempts=0, trace="", created=0.0, place=1, xid=0,
    )
    await write(running, insert(OUTBOX).values(**old))
    found = await places.load("a")
    assert (found.state, found.version) == (Where("Ulm"), 1)


class Where(Value):
    city: str


def where(before: Where | None, event: Moved) -> Where:
    return Where(event.city)


# ---------------------------------------------------------------------- declarations


class Keyless(Event):
    thing: str


def keyless(state: Where | None, event: Keyless) -> Where:
    return Where(event.thing)


def no_event(state: Where | None, event: int) -> Where:
    return Where(str(event))


def bare(state, event):  # type: ignore[no-untyped-def]
    return state


def rival(account: Where | None, event: Renamed) -> Where:
    return Where(event.name)


class Renamed(Event, key="account"):
    account: str
    name: str


@pytest.mark.parametrize(("function", "message"), [
    (rival, "rival and evolve have streams with one key, account: rename one"),
    (keyless, "keyless: events of one stream have one key"), (no_event, "no_event takes <class 'int'>"),
    (bare, "bare must be written as"),
])
async def test_an_evolve_that_says_too_little_is_refused(running: Running, function: object, message: str) -> None:
    streams = process(running).streams["bank"]
    with pytest.raises(DeclarationError, match=message):
        streams.of(function)  # type: ignore[arg-type]


class Locked(Value):
    pin: Secret


def locked(state: Locked | None, event: Renamed) -> Locked:
    return Locked(Secret(event.name))


async def test_a_secret_in_a_state_of_which_snapshots_are_stored_is_refused(running: Running) -> None:
    with pytest.raises(DeclarationError, match=r"pin is a Secret, but a snapshot of it is stored"):
        process(running).streams["bank"].of(locked, snapshot_every=10)


async def test_two_projections_of_one_name_are_refused(running: Running) -> None:
    branch = process(running).hosted["bank"].instance
    assert isinstance(branch, Branch)
    streams = process(running).streams["bank"]
    with pytest.raises(DeclarationError, match="two projections are named 'list'"):
        streams.project("list", streams.projections[0].live)
