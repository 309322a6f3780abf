"""Two replicas on PostgreSQL: one is stopped past its lease, the other finishes, and the first leaves no trace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from typing import Any

import asyncpg
import pytest
from sqlalchemy import insert

from craton.calls.context import NOBODY
from craton.data import effects
from craton.data.migrations import migrate
from craton.data.store import transact
from craton.data.stores.postgresql import PostgreSQLStore
from craton.errors import CallError, Failed
from craton.run import process as process_file
from craton.run.process import Process
from craton.sagas import asking, journal, sagas
from craton.values import Fault
from tests.crash import mutants
from tests.crash.points import OWNER, crash_points
from tests.crash.shop import CASES, STOCK, STRUCTURES, Case, Outcome, audit_bank, audit_framework, outcome_of, shown
from tests.crash.stage import Tables, instrumented, topology
from tests.day import DAY
from tests.sagas.shop import BANK, shop, stock

LEASE = 1.5
TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) AND tablename NOT LIKE '%alembic'"
MONOLITH = topology("monolith", STRUCTURES["monolith"])
TRIED = [
    ("ok", 900), ("declined at capture", 900),
    *(pytest.param(name, 20, id=f"{name}, more", marks=pytest.mark.chaos) for name in ("ok", "declined at capture")),
]
"""The cases, and at how many of its awaits a replica is stopped: one in so many, others each night."""


class Replica:
    """A process that can be stopped, as by SIGSTOP, when it comes to a place for the n-th time, and let go on later."""

    def __init__(self, database: str, stop: tuple[str, int] | None = None) -> None:
        self.context = copy_context()
        self.context.run(OWNER.set, self)
        self.alive, self.stop, self.let_go = True, stop, False
        self.places: list[tuple[str, int]] = []
        self.seen = Counter[str]()
        self.going, self.stopped = asyncio.Event(), asyncio.Event()
        self.going.set()
        self.process = Process(
            shop, MONOLITH, "orders", database=database, secret=b"a secret that only tests know",
            links=lambda service, kind: pytest.fail("a monolith has no links"), environ={},
        )

    def reach(self, place: str) -> Awaitable[None] | None:
        """At each await: go no further while stopped."""
        task = asyncio.current_task()
        aside = task is None or task.get_name().endswith(" sagas")  # who looks after leases comes by at any time
        if not aside and not self.let_go:
            self.seen[place] += 1
            self.places.append((place, self.seen[place]))
            if self.places[-1] == self.stop:
                self.going.clear()
                self.stopped.set()
        return None if self.going.is_set() else self.until_it_goes_on()

    async def until_it_goes_on(self) -> None:
        await self.going.wait()

    def go_on(self) -> None:
        """Go on, and stop nowhere any more: not at what it does when it has the answer, nor when it closes."""
        self.let_go = True
        self.going.set()

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine as this replica's."""
        return asyncio.get_running_loop().create_task(work, context=self.context.copy())

    async def ask(self, case: Case) -> object:
        """An answer, however long it takes."""
        arguments = next(m for _, m in shop.methods() if m.name == "checkout").bind(case.arguments, {})
        for _ in range(100):
            try:
                return await self.process.call("orders.checkout", arguments, caller=NOBODY, key="k", timeout=5.0)
            except (Fault, Failed) as final:
                return final
            except CallError:
                await asyncio.sleep(0.05)
        raise AssertionError("no answer")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short leases, so that one can be slept through."""
    monkeypatch.setattr(journal, "LEASE", LEASE)
    monkeypatch.setattr(sagas, "LEASE", LEASE)
    monkeypatch.setattr(effects, "LONGEST", LEASE)
    monkeypatch.setattr(effects, "MARGIN", LEASE / 5)
    monkeypatch.setattr(asking, "ANSWER", LEASE)
    for look in ("PULSE", "SELDOM"):
        monkeypatch.setattr(sagas, look, LEASE / 10)
    store: Any = lambda url, modules: PostgreSQLStore(url, modules, limit=LEASE)  # noqa: E731
    monkeypatch.setattr(process_file, "open_store", store)


@pytest.fixture(scope="module", autouse=True)
def points() -> Iterator[None]:
    """Places to stop at around all awaits."""
    import craton.data.stores.postgresql_connection
    import craton.data.stores.postgresql_gate
    import craton.data.stores.postgresql_unit  # noqa: F401

    with crash_points([*instrumented("tests.sagas.shop."), mutants]):
        yield


@pytest.fixture
async def database(postgresql: str) -> AsyncIterator[str]:
    """The shop's database with its stock."""
    url = f"{postgresql}/craton_leases"
    await migrate(url, shop.modules)
    async with PostgreSQLStore(url, MONOLITH.services[0].modules) as store:
        row = insert(stock).values(sku="a", count=STOCK)
        await transact(store, "inventory", lambda unit: unit.execute("inventory", row))
    yield url
    await execute(postgresql, "DROP DATABASE craton_leases WITH (FORCE)")


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(f"{url}/postgres")
    await connection.execute(statement)
    await connection.close()


async def rows(url: str) -> Tables:
    """All that the database holds."""
    connection = await asyncpg.connect(url)
    listed = await connection.fetch(TABLES, [module.name for module in shop.modules])
    found = {t: [dict(r) for r in await connection.fetch(f'SELECT * FROM "{s}"."{t}"')] for s, t in listed}
    await connection.close()
    return found


@asynccontextmanager
async def replicas(database: str, stop: tuple[str, int] | None) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two of them: the first will be stopped."""
    BANK.__init__()  # type: ignore[misc]
    async with AsyncExitStack() as stack:
        pair = Replica(database, stop), Replica(database)
        for replica in pair:
            await replica.spawn(replica.process.__aenter__())
            stack.push_async_callback(lambda r: r.spawn(r.process.__aexit__(None, None, None)), replica)
            replica.places.clear()
            replica.seen.clear()
        stack.callback(pair[0].go_on)  # while it is stopped it could not be closed
        yield pair


async def checkout(database: str, case: Case, stop: tuple[str, int] | None) -> tuple[Outcome, Replica]:
    """The first replica is asked and stopped, then the second is asked; then the first goes on, and is asked again."""
    async with replicas(database, stop) as (first, second):
        asked = first.spawn(first.ask(case))
        stopped = asyncio.ensure_future(first.stopped.wait())
        await asyncio.wait({asked, stopped}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        answer = await asyncio.wait_for(second.spawn(second.ask(case)), 60)
        before = await rows(database) if stop else {}
        first.go_on()
        assert shown(await asyncio.wait_for(asked, 60)) == shown(answer)
        await quiet(first)
        after = await rows(database)
        assert stop is None or unleased(before) == unleased(after), "the first one left a trace"
    audit(outcome_of(answer, after), after, case)
    return outcome_of(answer, after), first


def unleased(tables: Tables) -> dict[str, list[Any]]:
    """All rows, in an order of their own; but a lease that is kept longer than it is needed does no harm."""
    return {name: sorted(repr(row | {"lease_until": None}) for row in found) for name, found in tables.items()}


async def quiet(replica: Replica) -> None:
    """Wait until nothing runs in it any more."""
    hosted = replica.process.hosted.values()
    async with asyncio.timeout(60):
        while any(h.sagas.ongoing or any(e.running for e in h.settle.effects.values()) for h in hosted):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(2 * LEASE / 10)


def audit(outcome: Outcome, tables: Tables, case: Case) -> None:
    """What must hold however often a saga changed hands."""
    assert outcome.answer[0] in case.ends
    confirmed = outcome.answer[0] == "Order"
    assert [state for _, state in outcome.state["orders_order"]] == ["confirmed" if confirmed else "cancelled"]
    assert outcome.state["inventory_stock"] == [("a", STOCK - case.arguments[1] * confirmed)]
    audit_bank(confirmed=confirmed)
    audit_framework(tables, confirmed=confirmed)


async def restock(database: str) -> None:
    """Everything as it was at first."""
    connection = await asyncpg.connect(database)
    for schema, table in await connection.fetch(TABLES, [module.name for module in shop.modules]):
        await connection.execute(f'TRUNCATE "{schema}"."{table}"')
    await connection.execute(f"INSERT INTO inventory.inventory_stock VALUES ('a', {STOCK})")
    await connection.close()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "stride"), TRIED)
async def test_a_replica_stopped_past_its_lease_leaves_no_trace(database: str, name: str, stride: int) -> None:
    clean, first = await checkout(database, CASES[name], None)
    stops = first.places[DAY % stride::stride]
    reached = 0
    for stop in stops:
        await restock(database)
        ended, first = await checkout(database, CASES[name], stop)
        assert ended == clean, f"after a stop at {stop}"
        reached += first.stopped.is_set()
    assert reached > len(stops) / 2


@pytest.mark.timeout(600)
async def test_the_sweep_finds_that_there_is_no_fence(database: str) -> None:
    clean, first = await checkout(database, CASES["declined at capture"], None)
    with mutants.OF_REPLICAS["no fence"](), pytest.raises(AssertionError):
        for stop in first.places[len(first.places) // 2::40]:
            await restock(database)
            ended, _ = await checkout(database, CASES["declined at capture"], stop)
            assert ended == clean
