"""An event-sourced module for tests: accounts, whose balances are what was paid in and out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

from craton import (
    Application,
    Database,
    Event,
    Fault,
    Module,
    Streams,
    Value,
    VersionConflict,
    command,
    query,
)


class Opened(Event, key="account"):
    """Private: only the account's own."""

    account: str
    limit: int


class Paid(Event, key="account"):
    account: str
    amount: int


class Closed(Event, key="account"):
    account: str


Happened = Opened | Paid | Closed


class Account(Value):
    balance: int
    limit: int
    closed: bool = False


class TooMuch(Fault, status=409):
    account: str
    balance: int


def evolve(account: Account | None, event: Happened) -> Account:
    """What an account is after an event."""
    match account, event:
        case None, Opened():
            return Account(0, event.limit)
        case Account(), Paid():
            return Account(account.balance + event.amount, account.limit)
        case Account(), Closed():
            return Account(account.balance, account.limit, closed=True)
        case _:
            raise AssertionError(f"{event} of {account}")


class Bank(Protocol):
    """Accounts."""

    @command
    async def open(self, account: str, limit: int) -> None: ...

    @command(raises=TooMuch)
    async def pay(self, account: str, amount: int) -> int: ...

    @command(raises=(TooMuch, VersionConflict))
    async def pay_at(self, account: str, version: int, amount: int) -> int: ...

    @command(raises=VersionConflict)
    async def open_blindly(self, account: str) -> None: ...

    @command
    async def pay_often(self, account: str, times: int) -> int: ...

    @command(raises=TooMuch)
    async def pay_and_fail(self, account: str) -> None: ...

    @command
    async def misplace(self, account: str) -> None: ...

    @query
    async def balance(self, account: str) -> tuple[int, int]: ...

    @query
    async def listed(self) -> tuple[tuple[str, int], ...]: ...

    @query
    async def soon(self) -> tuple[tuple[str, int], ...]: ...


class Tables(NamedTuple):
    accounts: Table


metadata = MetaData()


def tables(name: str) -> Tables:
    return Tables(Table(
        f"bank_{name}", metadata,
        Column("account", String, primary_key=True), Column("balance", Integer, nullable=False),
        Column("events", Integer, nullable=False),
    ))


LIST, LIST_BESIDE, LATER, LATER_BESIDE, BY_HAND = (
    tables(name) for name in ("list", "list_beside", "later", "later_beside", "by_hand")
)


class Balances:
    """The balance of each account, as rows."""

    def __init__(self, db: Database, tables: Tables) -> None:
        self.db, self.tables = db, tables
        t = tables.accounts
        self.change = t.update().where(t.c.account == bindparam("wanted")).values(
            balance=t.c.balance + bindparam("more"), events=t.c.events + 1
        )

    async def apply(self, event: Opened | Paid, place: int) -> None:
        match event:
            case Opened():
                row = dict(account=event.account, balance=0, events=1)
                await self.db.execute(self.tables.accounts.insert(), row)
            case Paid():
                await self.db.execute(self.change, {"wanted": event.account, "more": event.amount})


class Branch(Bank):
    def __init__(self, db: Database, streams: Streams) -> None:
        self.db = db
        self.accounts = streams.of(evolve, snapshot_every=10)
        streams.project("list", Balances(db, LIST), beside=Balances(db, LIST_BESIDE), inline=True)
        streams.project("later", Balances(db, LATER), beside=Balances(db, LATER_BESIDE))

    async def open(self, account: str, limit: int) -> None:
        found = await self.accounts.load(account)
        if found.state is None:
            await found.append(Opened(account, limit))

    async def pay(self, account: str, amount: int) -> int:
        found = await self.accounts.load(account)
        assert found.state is not None
        if found.state.balance + amount < -found.state.limit:
            raise TooMuch(account, found.state.balance)
        return (await found.append(Paid(account, amount))).balance

    async def pay_at(self, account: str, version: int, amount: int) -> int:
        found = await self.accounts.load(account, version=version)
        return (await found.append(Paid(account, amount))).balance

    async def open_blindly(self, account: str) -> None:
        await self.accounts.begin(account).append(Opened(account, 0))

    async def pay_often(self, account: str, times: int) -> int:
        found = await self.accounts.load(account)
        return (await found.append(*(Paid(account, 1) for _ in range(times)))).balance

    async def pay_and_fail(self, account: str) -> None:
        found = await self.accounts.load(account)
        await found.append(Paid(account, 1))
        again = await self.accounts.load(account)
        assert again.state is not None
        assert again.version == found.version
        raise TooMuch(account, again.state.balance)

    async def misplace(self, account: str) -> None:
        await (await self.accounts.load(account)).append(Paid("another", 1))

    async def balance(self, account: str) -> tuple[int, int]:
        found = await self.accounts.load(account)
        return (found.state.balance if found.state else 0), found.version

    async def listed(self) -> tuple[tuple[str, int], ...]:
        return await self.rows(LIST)

    async def soon(self) -> tuple[tuple[str, int], ...]:
        return await self.rows(LATER)

    async def rows(self, tables: Tables) -> tuple[tuple[str, int], ...]:
        t = tables.accounts.c
        found = await self.db.execute(select(t.account, t.balance).order_by(t.account))
        return tuple((row[0], row[1]) for row in found)


bank = Application("bank", [
    Module("bank", Bank, "tests.messages.accounts:Branch", tables="tests.messages.accounts:metadata"),
])
