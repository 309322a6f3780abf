"""What costs time in the database is found, with the method that causes it; what does the same without is let alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from craton.lab.compare.advice import advise
from craton.lab.compare.results import Advice
from craton.lab.recording.figures import Figures, Recording, Repeated, Spent, recorded
from craton.lab.recording.recorder import Recorder
from craton.testing.start import calling
from craton.topology import Topology
from tests.lab.kiosk import APART, WHOLE, Books, Desk, fill, watched

MANY = tuple(range(1, 7))
ROWS = 3000


class Clinic:
    """Where a kiosk sins, and is told."""

    def __init__(self, books: Books, desk: Desk) -> None:
        self.books, self.desk = books, desk
        self.told: tuple[Advice, ...] = ()

    def of(self, kind: str) -> dict[str, Advice]:
        """What was told, by method."""
        found = {advice.method: advice for advice in self.told if advice.kind == kind}
        assert len(found) == len([advice for advice in self.told if advice.kind == kind])
        return found


@asynccontextmanager
async def clinic(postgresql: str, folder: Path, topology: Topology = WHOLE) -> AsyncIterator[Clinic]:
    """A kiosk with many books; after the block it has been advised."""
    file, base = str(folder / "recorded.jsonl"), f"{postgresql}/a{uuid4().hex[:8]}"
    async with watched(topology, base, Recorder(file)) as running:
        await fill(base, topology.home_of("books").name, rows=ROWS)
        found = Clinic(running.get(Books), running.get(Desk))
        with calling():
            yield found
    found.told = await advise(recorded(file), base)


async def test_an_index_that_is_missing_is_found_with_its_columns_and_one_that_is_there_is_not_asked_for(
    postgresql: str, tmp_path: Path,
) -> None:
    async with clinic(postgresql, tmp_path) as found:
        assert await found.books.by_author("a7") == (7,) == await found.books.by_isbn("i7")
        assert await found.books.one(7) == "a7" and len(await found.books.at_once(MANY)) == 6
        assert await found.books.by_kind("k1") == ROWS / 3  # there is an index; and it would not help much
    told = found.of("index")
    assert told.keys() == {"books.by_author"}
    assert told["books.by_author"].text == (
        f"books.by_author has books_book read from end to end, {ROWS} rows: an index on author would lead to what is "
        "wanted."
    )
    assert told["books.by_author"].count == 1 and "WHERE books_book.author = " in told["books.by_author"].statement


async def test_a_search_for_a_pattern_is_told_to_need_another_kind_of_index(postgresql: str, tmp_path: Path) -> None:
    async with clinic(postgresql, tmp_path) as found:
        assert await found.books.containing("a77") > 1
    assert "author is searched for a pattern" in found.of("index")["books.containing"].text


async def test_a_small_table_needs_no_index(postgresql: str, tmp_path: Path) -> None:
    file, base = str(tmp_path / "recorded.jsonl"), f"{postgresql}/a{uuid4().hex[:8]}"
    async with watched(WHOLE, base, Recorder(file)) as running:
        await fill(base, "kiosk", rows=100)
        with calling():
            assert await running.get(Books).by_author("a7") == (7,)
    assert not await advise(recorded(file), base)


async def test_the_same_statement_in_a_loop_is_found_and_one_for_all_is_not(postgresql: str, tmp_path: Path) -> None:
    async with clinic(postgresql, tmp_path) as found:
        await found.books.one_by_one(MANY)
        await found.books.one_by_one(MANY[:4])
        await found.books.at_once(MANY)
        for book in MANY:
            await found.books.one(book)  # many runs, each with one
    told = found.of("n+1")
    assert told.keys() == {"books.one_by_one"} and told["books.one_by_one"].count == 5
    assert told["books.one_by_one"].seconds > 0
    assert "runs the same statement 5 times in one run" in told["books.one_by_one"].text


async def test_calls_in_a_loop_are_found_as_statements_together_and_as_remote_calls_apart(
    postgresql: str, tmp_path: Path,
) -> None:
    for topology, statement in ((WHOLE, "SELECT books_book.author"), (APART, "books.one")):
        folder = tmp_path / topology.name
        folder.mkdir()
        async with clinic(postgresql, folder, topology) as found:
            await found.desk.each(MANY)
            await found.desk.all(MANY)
        told = found.of("n+1")
        assert told.keys() == {"desk.each"} and told["desk.each"].count == 6
        assert told["desk.each"].statement.startswith(statement)


async def test_what_the_framework_writes_for_each_step_of_a_saga_is_no_loop_of_the_application(
    postgresql: str, tmp_path: Path,
) -> None:
    async with clinic(postgresql, tmp_path, APART) as found:
        for book in range(ROWS + 1, ROWS + 4):
            with calling(key=f"k{book}"):
                await found.desk.order(book)
    assert not found.of("n+1")


async def test_slow_statements_are_found(postgresql: str, tmp_path: Path) -> None:
    async with clinic(postgresql, tmp_path) as found:
        for book in range(50):
            await found.books.one(book)
        for _ in range(4):
            await found.books.dreaming(0.5)
    told = found.of("slow")["books.dreaming"]
    assert told.count == 4 and 0.5 <= told.seconds < 5 and "pg_sleep" in told.statement


async def test_waits_for_a_connection_are_found_where_more_ask_than_there_are(postgresql: str, tmp_path: Path) -> None:
    async with clinic(postgresql, tmp_path) as found:
        await asyncio.gather(*(found.books.dreaming(0.05) for _ in range(30)))
        for book in MANY:
            await found.books.one(book)
    told = found.of("pool")
    assert told.keys() == {"books.dreaming"} and 20 <= told["books.dreaming"].count < 30
    assert "since all connections to the database were in use" in told["books.dreaming"].text


async def test_commands_that_change_the_same_row_are_told_to_wait_for_each_other(
    postgresql: str, tmp_path: Path,
) -> None:
    async with clinic(postgresql, tmp_path) as found:
        for _ in range(5):
            await asyncio.gather(*(found.books.touch(1) for _ in range(20)), return_exceptions=True)
    told = [advice.text for advice in found.told if advice.kind == "pool" and advice.method == "books.touch"]
    assert any("met conflicts in its database" in text for text in told)


def spent(method: str, statements: dict[str, float]) -> Figures:
    """A method that ran each of these six times, so many seconds each."""
    found = {key: Spent(6, 6 * seconds, seconds) for key, seconds in statements.items()}
    return Figures(method, 6, {}, statements=found, texts=dict.fromkeys(statements, "SELECT nothing"))


async def test_what_costs_most_comes_first(postgresql: str) -> None:
    quick = spent("books.quick", {f"q{number}": 0.001 for number in range(9)})
    lines = [quick, spent("books.one", {"1": 0.1}), spent("books.three", {"3": 0.3}), spent("books.two", {"2": 0.2})]
    told = await advise(Recording(lines), postgresql)
    assert [advice.method for advice in told] == ["books.three", "books.two", "books.one"]


async def test_where_the_machine_makes_everything_slow_no_statement_is_to_blame(postgresql: str) -> None:
    lines = [spent("books.m", {f"q{number}": 0.05 for number in range(9)}), spent("books.slow", {"s": 0.5})]
    assert [advice.method for advice in await advise(Recording(lines), postgresql)] == ["books.slow"]


async def test_a_statement_that_cannot_be_planned_alone_is_passed_over(postgresql: str, tmp_path: Path) -> None:
    async with clinic(postgresql, tmp_path) as found:
        await found.books.by_author("a7")
    took, again, texts = {"s": Spent(1, 1.0, 1.0)}, {"s": Repeated(2, 10, 5)}, {"s": "SELECT FROM WHERE"}
    broken = Recording([Figures("books.m", 1, {}, statements=took, repeats=again, texts=texts)])
    [advice] = await advise(broken, postgresql)
    assert (advice.kind, advice.count, advice.seconds) == ("n+1", 5, 1.0)


@pytest.mark.parametrize("rows", [ROWS])
async def test_the_database_is_left_as_it_was(rows: int, postgresql: str, tmp_path: Path) -> None:
    async with clinic(postgresql, tmp_path) as found:
        await found.books.add(rows + 1)
        await found.books.touch(1)
        await found.books.by_author("a7")
    assert found.of("index").keys() == {"books.by_author"}  # what writes was only planned
